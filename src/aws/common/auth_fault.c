/* aws/common/auth_fault.c: AWS's errors of signatures. */
#include "aws/common/auth_fault.h"

#include "aws/common/query.h"
#include "aws/common/refusal.h"
#include "base/cal.h"

enum { ARGUMENT_ECHO_BYTES_MAX = 4096 };

static bool is_json(enum aws_protocol protocol)
{
    return protocol == AWS_JSON_1_0 || protocol == AWS_JSON_1_1;
}

static str finish(struct http_exchange *x, struct buf *text)
{
    str out = arena_copy(http_arena(x), buf_str(text));
    buf_deinit(text);
    return out;
}

/* --- answers --------------------------------------------------------------------------------- */

static void write_xml(struct buf *out, bool is_s3, const struct aws_fault *fault, str id)
{
    if (is_s3) {
        buf_append(out, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>"));
    } else {
        buf_printf(out, "<ErrorResponse><Error><Type>%s</Type><Code>",
                   fault->status < 500 ? "Sender" : "Receiver");
    }
    buf_append(out, str_of(fault->code));
    buf_append(out, STR("</Code><Message>"));
    query_write_xml(out, fault->message);
    buf_append(out, STR("</Message>"));
    if (is_s3) {
        buf_append(out, fault->details);
    } else {
        buf_append(out, STR("</Error>"));
    }
    buf_append(out, STR("<RequestId>"));
    buf_append(out, id);
    buf_append(out, is_s3 ? STR("</RequestId></Error>") : STR("</RequestId></ErrorResponse>"));
}

void aws_fault_answer(struct http_exchange *x, enum aws_protocol protocol, bool is_s3,
                      const struct aws_fault *fault, str request_id)
{
    if (is_json(protocol)) {
        bool is_kept = fault->status == 413 || fault->status >= 500;
        aws_refuse(x, is_kept ? fault->status : 400, fault->code, fault->message, request_id);
        return;
    }
    struct buf body = {0};
    write_xml(&body, is_s3, fault, request_id);
    struct http_field fields[] = {{STR("Content-Type"), STR("text/xml")},
                                  {STR("x-amzn-RequestId"), request_id}};
    http_respond_buf(x, fault->status, fields, COUNT_OF(fields), &body);
    buf_deinit(&body);
}

/* --- form ------------------------------------------------------------------------------------ */

static str param_of(struct http_exchange *x, const char *name)
{
    str value;
    bool found;
    err e = http_param(http_arena(x), http_query(x), str_of(name), &value, &found);
    return e == OK && found ? value : STR_EMPTY;
}

/* "Signature=..." of an Authorization field, with something in it. */
static bool has_part(str authorization, const char *name)
{
    IGNORE(str_split(&authorization, ' ', NULL).len); /* The algorithm. */
    while (authorization.len > 0) {
        str value = str_trim(str_split(&authorization, ',', NULL));
        str key = str_split(&value, '=', NULL);
        if (str_eq(key, str_of(name)) && value.len > 0) {
            return true;
        }
    }
    return false;
}

/* What an Authorization field lacks; empty when nothing is. */
static str header_lacks(struct http_exchange *x, bool is_echoed)
{
    static const char *const parts[] = {"Credential", "Signature", "SignedHeaders"};
    str authorization = http_header(x, "authorization");
    struct buf text = {0};
    for (isize i = 0; i < COUNT_OF(parts); i++) {
        if (!has_part(authorization, parts[i])) {
            buf_printf(&text, "Authorization header requires '%s' parameter. ", parts[i]);
        }
    }
    if (http_header(x, "x-amz-date").len == 0 && http_header(x, "date").len == 0) {
        buf_append(&text, STR("Authorization header requires existence of either a 'X-Amz-Date' "
                              "or a 'Date' header. "));
    }
    bool may_echo = authorization.len <= ARGUMENT_ECHO_BYTES_MAX && str_is_utf8(authorization);
    if (text.len > 0 && is_echoed && may_echo) {
        buf_append(&text, STR("Authorization="));
        buf_append(&text, authorization);
    }
    return finish(x, &text);
}

static str query_lacks(struct http_exchange *x)
{
    static const char *const params[] = {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature",
                                         "X-Amz-SignedHeaders", "X-Amz-Date"};
    struct buf text = {0};
    for (isize i = 0; i < COUNT_OF(params); i++) {
        if (param_of(x, params[i]).len == 0) {
            buf_printf(&text, "AWS query-string parameters must include '%s'. ", params[i]);
        }
    }
    if (text.len > 0) {
        buf_append(&text, STR("Re-examine the query-string parameters."));
    }
    return finish(x, &text);
}

static bool is_in_query(const struct http_exchange *x)
{
    return str_find(http_query(x), STR("X-Amz-Algorithm="), 0) >= 0 ||
           str_find(http_query(x), STR("X-Amz-Credential="), 0) >= 0 ||
           str_find(http_query(x), STR("X-Amz-Signature="), 0) >= 0;
}

bool aws_claims_signature(const struct http_exchange *x)
{
    return http_header(x, "authorization").len > 0 || is_in_query(x);
}

static void s3_query_fault(struct http_exchange *x, struct aws_fault *out)
{
    str expires = param_of(x, "X-Amz-Expires");
    i64 seconds = 0;
    out->code = "AuthorizationQueryParametersError";
    if (query_lacks(x).len > 0 || expires.len == 0) {
        out->message = STR("Query-string authentication version 4 requires the X-Amz-Algorithm, "
                           "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, "
                           "and X-Amz-Expires parameters.");
    } else if (str_to_i64(expires, &seconds) != OK) {
        out->message = STR("X-Amz-Expires should be a number");
    } else if (seconds < 0) {
        out->message = STR("X-Amz-Expires must be non-negative");
    } else if (seconds == 0) {
        out->message = STR("X-Amz-Expires must be greater than 0");
    } else if (seconds > SIGV4_EXPIRES_S_MAX) {
        out->message = STR("X-Amz-Expires must be less than a week (in seconds); that is, the "
                           "given X-Amz-Expires must be less than 604800 seconds");
    } else {
        out->message = STR("Error parsing the X-Amz-Credential parameter; the Credential is "
                           "mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/"
                           "aws4_request\".");
    }
}

static void s3_fault(struct http_exchange *x, bool is_header, bool is_query, struct aws_fault *out)
{
    if (is_header && is_query) {
        out->code = "InvalidArgument";
        out->message = STR("Only one auth mechanism allowed; only the X-Amz-Algorithm query "
                           "parameter, Signature query string parameter or the Authorization "
                           "header should be specified");
    } else if (is_query) {
        s3_query_fault(x, out);
    } else {
        str lacks = header_lacks(x, false);
        out->code = "AuthorizationHeaderMalformed";
        out->message = arena_printf(
            http_arena(x), "The authorization header is malformed; " STR_FMT,
            STR_ARG(lacks.len > 0
                        ? lacks
                        : STR("it needs Credential=<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/"
                              "aws4_request of the day of X-Amz-Date, SignedHeaders with host and "
                              "every x-amz- header, and a Signature, once.")));
    }
}

void aws_fault_of_form(struct http_exchange *x, enum aws_protocol protocol, bool is_s3,
                       struct aws_fault *out)
{
    bool is_header = http_header(x, "authorization").len > 0, is_query = is_in_query(x);
    *out = (struct aws_fault){.status = 400};
    if (is_s3) {
        s3_fault(x, is_header, is_query, out);
        return;
    }
    bool as_json = is_json(protocol);
    if (is_header && is_query) {
        out->code = as_json ? "InvalidSignatureException" : "SignatureDoesNotMatch";
        out->message = STR("Found both 'X-Amz-Algorithm' as a query-string param and "
                           "'Authorization' as HTTP header.");
    } else if (!is_header && !is_query) {
        out->code = as_json ? "MissingAuthenticationTokenException" : "MissingAuthenticationToken";
        out->message = STR("Missing Authentication Token");
    } else {
        out->code = as_json ? "IncompleteSignatureException" : "IncompleteSignature";
        str lacks = is_header ? header_lacks(x, true) : query_lacks(x);
        out->message = lacks.len > 0
                           ? lacks
                           : STR("Authorization needs Credential, SignedHeaders with host and "
                                 "every x-amz- header, Signature, and X-Amz-Date of the "
                                 "credential's day");
    }
}

/* --- time ------------------------------------------------------------------------------------ */

static str amz_time(struct arena *arena, i64 us)
{
    char text[CAL_AMZ_BYTES];
    return arena_copy(arena, str_from(text, cal_format_amz(us, text)));
}

static void s3_time_fault(struct arena *arena, const struct sigv4_claim *claim, i64 now_us,
                          i64 skew_s, bool is_late, struct aws_fault *out)
{
    char now[32];
    isize len = cal_format_iso_ms(now_us, now);
    if (claim->is_presigned) {
        out->code = "AccessDenied";
        out->message = is_late ? STR("Request has expired") : STR("Request is not valid yet");
        out->details = arena_printf(
            arena, "<X-Amz-Expires>%lld</X-Amz-Expires><ServerTime>" STR_FMT "</ServerTime>",
            (long long)claim->expires_s, STR_ARG(str_from(now, len)));
        return;
    }
    out->code = "RequestTimeTooSkewed";
    out->message =
        STR("The difference between the request time and the current time is too large.");
    out->details =
        arena_printf(arena,
                     "<RequestTime>" STR_FMT "</RequestTime><ServerTime>" STR_FMT
                     "</ServerTime><MaxAllowedSkewMilliseconds>%lld"
                     "</MaxAllowedSkewMilliseconds>",
                     STR_ARG(claim->time), STR_ARG(str_from(now, len)), (long long)skew_s * 1000);
}

void aws_fault_of_time(struct http_exchange *x, enum aws_protocol protocol,
                       const struct sigv4_claim *claim, i64 skew_s, i64 now_us,
                       struct aws_fault *out)
{
    struct arena *arena = http_arena(x);
    str now = amz_time(arena, now_us);
    bool is_late = str_cmp(claim->time, now) < 0;
    *out = (struct aws_fault){.status = 403};
    if (str_eq(claim->service, STR("s3"))) {
        s3_time_fault(arena, claim, now_us, skew_s, is_late, out);
        return;
    }
    i64 allowed_s = is_late && claim->is_presigned ? claim->expires_s : skew_s;
    str bound = amz_time(arena, now_us + (is_late ? -allowed_s : allowed_s) * 1000000);
    out->code = is_json(protocol) ? "InvalidSignatureException" : "SignatureDoesNotMatch";
    out->message = arena_printf(
        arena,
        is_late ? "Signature expired: " STR_FMT " is now earlier than " STR_FMT " (" STR_FMT
                  " - %lld min.)"
                : "Signature not yet current: " STR_FMT " is still later than " STR_FMT " (" STR_FMT
                  " + %lld min.)",
        STR_ARG(claim->time), STR_ARG(bound), STR_ARG(now), (long long)(allowed_s / 60));
}
