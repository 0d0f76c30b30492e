/* aws/common/verify.c: is a request signed with the server's keys? */
#include "aws/common/verify.h"

#include "aws/common/auth_fault.h"
#include "base/cal.h"
#include "codec/sigv4.h"

enum { BODY_BYTES_MAX = 16 << 20, SKEW_S = 300, SKEW_S3_S = 900 };

struct verifying {
    struct os *os;
    const struct aws_keys *keys;
    struct aws_request *request;
    struct sigv4_claim claim;
    aws_verified_fn fn;
    void *ctx;
};

/* --- answers
 * ----------------------------------------------------------------------------------------- */

struct refusal {
    const char *json_code, *query_code, *s3_code, *message;
};

static const struct refusal unknown_key = {
    "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId",
    "The security token included in the request is invalid."};
static const struct refusal mismatch = {
    "InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you "
    "provided. Check your AWS Secret Access Key and signing method."};

static bool is_s3(const struct verifying *v)
{
    return str_eq(v->claim.service, STR("s3"));
}

static bool is_json(const struct verifying *v)
{
    return v->request->protocol == AWS_JSON_1_0 || v->request->protocol == AWS_JSON_1_1;
}

static void answer_fault(const struct verifying *v, const struct aws_fault *fault)
{
    aws_fault_answer(v->request->x, v->request->protocol, is_s3(v), fault, v->request->request_id);
}

static void answer(const struct verifying *v, const char *code, const char *message, int status)
{
    struct aws_fault fault = {.status = status, .code = code, .message = str_of(message)};
    answer_fault(v, &fault);
}

static void refuse_form(const struct verifying *v)
{
    struct aws_fault fault;
    aws_fault_of_form(v->request->x, v->request->protocol, is_s3(v), &fault);
    answer_fault(v, &fault);
}

static i64 skew_s(const struct verifying *v)
{
    return is_s3(v) ? SKEW_S3_S : SKEW_S;
}

static void refuse(const struct verifying *v, enum sigv4_verdict verdict)
{
    struct aws_fault fault;
    if (verdict == SIGV4_INCOMPLETE) {
        refuse_form(v);
    } else if (verdict == SIGV4_EXPIRED) {
        aws_fault_of_time(v->request->x, v->request->protocol, &v->claim, skew_s(v),
                          os_wall_us(v->os), &fault);
        answer_fault(v, &fault);
    } else {
        const struct refusal *refusal = verdict == SIGV4_UNKNOWN_KEY ? &unknown_key : &mismatch;
        const char *code = is_json(v) ? refusal->json_code : refusal->query_code;
        answer(v, is_s3(v) ? refusal->s3_code : code, refusal->message, 403);
    }
}

/* --- the check
 * --------------------------------------------------------------------------------------- */

static void fields_take(struct http_exchange *x, struct sigv4_request *out)
{
    struct arena *arena = http_arena(x);
    isize count = http_header_count(x), kept = 0;
    struct sigv4_field *fields = ARENA_ARRAY(arena, struct sigv4_field, count + 1);
    for (isize i = 0; i < count; i++) {
        str name, value;
        http_header_at(x, i, &name, &value);
        if (name.data[0] != ':') {
            fields[kept++] = (struct sigv4_field){name, value};
        }
    }
    if (http_is_http2(x) && http_header(x, "host").len == 0) {
        fields[kept++] = (struct sigv4_field){STR("host"), http_host(x)};
    }
    out->fields = fields;
    out->field_count = kept;
}

static enum sigv4_verdict check(const struct verifying *v, str payload_hash)
{
    struct http_exchange *x = v->request->x;
    struct sigv4_request request = {.method = http_method(x),
                                    .path = http_path(x),
                                    .query = http_query(x),
                                    .payload_hash = payload_hash};
    fields_take(x, &request);
    return sigv4_verify(http_arena(x), &request, &v->claim, v->keys->access_key, v->keys->secret,
                        os_wall_us(v->os), skew_s(v));
}

static void finish(const struct verifying *v, str payload_hash)
{
    enum sigv4_verdict verdict = check(v, payload_hash);
    if (verdict == SIGV4_VALID) {
        if (is_s3(v) && str_starts(payload_hash, STR("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"))) {
            v->request->chunks = ARENA_NEW(http_arena(v->request->x), struct sigv4_chunks);
            sigv4_chunks_begin(v->request->chunks, &v->claim, v->keys->secret);
        }
        v->fn(v->request, v->ctx);
    } else {
        refuse(v, verdict);
    }
}

static void on_body(struct http_exchange *x, void *ctx)
{
    struct verifying *v = ctx;
    if (http_body_error(x) != OK) {
        answer(v, "RequestEntityTooLargeException", "a body whose hash is signed is at most 16 MiB",
               413);
        return;
    }
    u8 hash[SIGV4_HEX_BYTES];
    sigv4_hash(http_body(x), hash);
    str declared = http_header(x, "x-amz-content-sha256");
    str actual = str_from(hash, sizeof hash);
    if (declared.len > 0 && !str_eq(declared, actual)) {
        answer(v, is_s3(v) ? "XAmzContentSHA256Mismatch" : "InvalidSignatureException",
               "The provided x-amz-content-sha256 header does not match what was computed.", 400);
        return;
    }
    finish(v, actual);
}

static bool is_repeated(struct http_exchange *x, str wanted)
{
    isize found = 0;
    for (isize i = 0; i < http_header_count(x); i++) {
        str name, value;
        http_header_at(x, i, &name, &value);
        found += str_eq_nocase(name, wanted);
    }
    return found > 1;
}

/* Of x-amz-date, else of Date, which has its own form: what is signed has that of the first. */
static str request_time(struct http_exchange *x)
{
    str date = http_header(x, "date");
    i64 us;
    if (http_header(x, "x-amz-date").len > 0 || cal_parse_http(date, &us) != OK) {
        return http_header(x, "x-amz-date").len > 0 ? http_header(x, "x-amz-date") : date;
    }
    char text[CAL_AMZ_BYTES];
    return arena_copy(http_arena(x), str_from(text, cal_format_amz(us, text)));
}

static bool claim_take(struct verifying *v)
{
    struct http_exchange *x = v->request->x;
    str header = http_header(x, "authorization");
    err in_query = sigv4_parse_query(http_arena(x), http_query(x), &v->claim);
    if (header.len == 0) {
        return in_query == OK;
    }
    if (is_repeated(x, STR("authorization")) || is_repeated(x, STR("x-amz-date"))) {
        return false;
    }
    if (in_query != ERR_NOT_FOUND || sigv4_parse_header(header, &v->claim) != OK) {
        return false; /* Signed twice, or not in full. */
    }
    v->claim.time = request_time(x);
    return true;
}

void aws_verify(struct os *os, const struct aws_keys *keys, struct aws_request *request,
                aws_verified_fn fn, void *ctx)
{
    struct http_exchange *x = request->x;
    struct verifying *v = ARENA_NEW(http_arena(x), struct verifying);
    *v = (struct verifying){.os = os, .keys = keys, .request = request, .fn = fn, .ctx = ctx};
    v->claim.service = request->caller.service;
    bool has_header = http_header(x, "authorization").len > 0;
    if (!has_header && str_find(http_query(x), STR("X-Amz-Credential="), 0) < 0) {
        answer(v, "InvalidRequest",
               "The authorization mechanism you have provided is not supported. Please use "
               "AWS4-HMAC-SHA256.",
               400);
        return;
    }
    if (!claim_take(v)) {
        refuse_form(v);
        return;
    }
    str declared = http_header(x, "x-amz-content-sha256");
    bool is_unsigned = str_eq(declared, STR("UNSIGNED-PAYLOAD")) ||
                       str_eq(declared, STR("STREAMING-UNSIGNED-PAYLOAD-TRAILER"));
    if (is_s3(v) && v->claim.is_presigned) {
        finish(v, is_unsigned ? declared : STR("UNSIGNED-PAYLOAD"));
        return;
    }
    if (is_s3(v)) { /* It streams, and compares what was declared with what came. */
        if (declared.len == 0) {
            answer(v, "InvalidRequest",
                   "Missing required header for this request: x-amz-content-sha256", 400);
            return;
        }
        finish(v, declared);
        return;
    }
    http_collect_body(x, BODY_BYTES_MAX, on_body, v);
}
