/* aws/s3/s3_request.c: what a request says: bucket, key, parameters, header fields. */
#include "aws/s3/s3_int.h"

/* --- target
 * ---------------------------------------------------------------------------------------- */

/* "us-east-1", "dualstack.eu-west-3", or nothing. */
static bool is_region_suffix(str text)
{
    str dual = STR("dualstack");
    if (str_starts(text, dual)) {
        text = str_slice(text, dual.len + 1, text.len);
    }
    isize dashes = 0;
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (c == '-') {
            dashes++;
        } else if ((c < 'a' || c > 'z') && (u8)(c - '0') > 9) {
            return false;
        }
    }
    return text.len == 0 || (dashes >= 2 && (u8)(text.data[text.len - 1] - '0') <= 9);
}

/* "BUCKET.s3.REGION", "BUCKET.s3", "s3.REGION"; false when there is no such label. */
static bool service_label(str name, str *bucket_out)
{
    for (isize at = name.len; at >= 0; at--) {
        bool is_label = at == 0 || (at < name.len && name.data[at - 1] == '.');
        str rest = str_slice(name, at, name.len);
        if (!is_label || !str_starts(rest, STR("s3"))) {
            continue;
        }
        bool is_cut = rest.len == 2 || rest.data[2] == '.' || rest.data[2] == '-';
        if (is_cut && is_region_suffix(str_slice(rest, 3, rest.len))) {
            *bucket_out = str_slice(name, 0, at - 1);
            return true;
        }
    }
    return false;
}

/* The bucket that the host names; empty: it is in the path. */
static str host_bucket(str host)
{
    static const char *const suffixes[] = {".localhost.localstack.cloud", ".localhost"};
    isize colon = str_rfind_byte(host, ':');
    str name = colon < 0 ? host : str_slice(host, 0, colon), bucket = STR_EMPTY;
    str aws = STR(".amazonaws.com");
    if (str_ends(name, aws)) {
        return service_label(str_slice(name, 0, name.len - aws.len), &bucket) ? bucket : STR_EMPTY;
    }
    for (isize i = 0; i < COUNT_OF(suffixes); i++) {
        str suffix = str_of(suffixes[i]);
        if (str_ends(name, suffix)) {
            str rest = str_slice(name, 0, name.len - suffix.len);
            return service_label(rest, &bucket) ? bucket : rest;
        }
    }
    return STR_EMPTY;
}

bool s3__target(struct s3_call *call)
{
    str path = http_path(call->x), bucket = host_bucket(http_host(call->x));
    path = str_slice(path, 1, path.len);
    str key = path;
    if (bucket.len == 0) {
        bucket = str_split(&key, '/', NULL);
    }
    if (http_decode(call->arena, bucket, false, &call->bucket_name) != OK ||
        http_decode(call->arena, key, false, &call->key) != OK || !str_is_utf8(call->key)) {
        return s3__fail(call, S3_InvalidURI, "the path is not percent-encoded UTF-8");
    }
    if (call->key.len > S3_KEY_BYTES_MAX) {
        call->key = STR_EMPTY; /* The answer need not repeat it. */
        return s3__fail(call, S3_KeyTooLongError, NULL);
    }
    return true;
}

/* As AWS names buckets, and underscores and capitals besides, as they were once allowed. */
bool s3__is_bucket_name(str name)
{
    enum { BYTES_MIN = 3, BYTES_MAX = 63, ADDRESS_DOTS = 3 };
    isize dots = 0, digits = 0;
    if (name.len < BYTES_MIN || name.len > BYTES_MAX) {
        return false;
    }
    for (isize i = 0; i < name.len; i++) {
        u8 c = name.data[i], lower = c | 0x20;
        bool is_digit = (u8)(c - '0') <= 9, is_letter = lower >= 'a' && lower <= 'z';
        bool is_end = i == 0 || i == name.len - 1;
        bool is_sign = c == '-' || c == '_' || c == '.';
        bool is_repeated = i > 0 && c == '.' && name.data[i - 1] == '.';
        if ((!is_digit && !is_letter && (!is_sign || is_end)) || is_repeated) {
            return false;
        }
        dots += c == '.';
        digits += is_digit;
    }
    return dots != ADDRESS_DOTS || digits + dots != name.len;
}

/* --- parameters
 * ------------------------------------------------------------------------------------ */

bool s3__has_param(const struct s3_call *call, const char *name, str *value_out)
{
    str value;
    bool found;
    if (http_param(call->arena, call->query, str_of(name), &value, &found) != OK || !found) {
        return false;
    }
    if (value_out != NULL) {
        *value_out = value;
    }
    return true;
}

str s3__param(const struct s3_call *call, const char *name)
{
    str value = STR_EMPTY;
    return s3__has_param(call, name, &value) ? value : STR_EMPTY;
}

bool s3__param_number(struct s3_call *call, const char *name, i64 low, i64 high, i64 otherwise,
                      i64 *out)
{
    str text;
    *out = otherwise;
    if (!s3__has_param(call, name, &text) || text.len == 0) {
        return true;
    }
    i64 value;
    if (str_to_i64(text, &value) != OK || value < low) {
        return s3__fail(call, S3_InvalidArgument,
                        "Argument %s must be an integer between %lld and %lld", name,
                        (long long)low, (long long)high);
    }
    if (value > high) {
        return s3__fail(call, S3_InvalidArgument,
                        "Argument %s must be an integer between %lld and %lld", name,
                        (long long)low, (long long)high);
    }
    *out = value;
    return true;
}

str s3__header(const struct s3_call *call, const char *name)
{
    return http_header(call->x, name);
}

str s3__unquote(str etag)
{
    etag = str_trim(etag);
    bool is_quoted = etag.len >= 2 && etag.data[0] == '"' && etag.data[etag.len - 1] == '"';
    return is_quoted ? str_slice(etag, 1, etag.len - 1) : etag;
}

str s3__encode(struct s3_call *call, str text, bool is_url)
{
    static const char digits[] = "0123456789ABCDEF";
    if (!is_url) {
        return text;
    }
    u8 *out = arena_alloc(call->arena, 3 * text.len + 1);
    isize len = 0;
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i], lower = c | 0x20;
        bool is_plain = (u8)(c - '0') <= 9 || (lower >= 'a' && lower <= 'z') || c == '-' ||
                        c == '_' || c == '.' || c == '*' || c == '/';
        if (is_plain) {
            out[len++] = c;
            continue;
        }
        out[len++] = '%';
        out[len++] = (u8)digits[c >> 4];
        out[len++] = (u8)digits[c & 15];
    }
    return str_from(out, len);
}

bool s3__bucket(struct s3_call *call)
{
    err e = s3_bucket_find(call->store, call->request->caller.account, call->bucket_name,
                           call->arena, &call->bucket);
    if (e == ERR_NOT_FOUND) {
        return s3__fail(call, S3_NoSuchBucket, NULL);
    }
    if (e != OK) {
        return s3__fail_err(call, e);
    }
    str owner = s3__header(call, "x-amz-expected-bucket-owner");
    if (owner.len > 0 && !str_eq(owner, call->request->caller.account)) {
        return s3__fail(call, S3_AccessDenied, NULL);
    }
    return true;
}

/* --- header fields
 * --------------------------------------------------------------------------------- */

bool s3__algorithm(struct s3_call *call, const char *header, enum s3_algorithm *out)
{
    str name = s3__header(call, header);
    *out = s3_algorithm_parse(name);
    if (name.len > 0 && *out == S3_NONE) {
        return s3__fail(call, S3_InvalidRequest,
                        "Checksum algorithm provided is unsupported. Please try again with any of "
                        "the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    }
    return true;
}

struct refused {
    const char *name;
    const char *allowed; /* This value says nothing new; NULL: any is refused. */
};

/* Wishes that we cannot fulfil: an answer as if we had would be a lie. */
static const struct refused refused[] = {
    {"x-amz-acl", "private"},
    {"x-amz-acl", "bucket-owner-full-control"},
    {"x-amz-grant-full-control", NULL},
    {"x-amz-grant-read", NULL},
    {"x-amz-grant-read-acp", NULL},
    {"x-amz-grant-write", NULL},
    {"x-amz-grant-write-acp", NULL},
    {"x-amz-server-side-encryption", NULL},
    {"x-amz-server-side-encryption-customer-algorithm", NULL},
    {"x-amz-copy-source-server-side-encryption-customer-algorithm", NULL},
    {"x-amz-tagging", NULL},
    {"x-amz-tagging-directive", "COPY"},
    {"x-amz-object-lock-mode", NULL},
    {"x-amz-object-lock-retain-until-date", NULL},
    {"x-amz-object-lock-legal-hold", NULL},
    {"x-amz-bucket-object-lock-enabled", "false"},
    {"x-amz-write-offset-bytes", NULL},
};

static bool is_allowed(str name, str value)
{
    bool is_known = false;
    for (isize i = 0; i < COUNT_OF(refused); i++) {
        if (!str_eq_nocase(name, str_of(refused[i].name))) {
            continue;
        }
        is_known = true;
        if (refused[i].allowed != NULL && str_eq_nocase(value, str_of(refused[i].allowed))) {
            return true;
        }
    }
    return !is_known;
}

bool s3__headers_supported(struct s3_call *call)
{
    for (isize i = 0; i < http_header_count(call->x); i++) {
        str name, value;
        http_header_at(call->x, i, &name, &value);
        if (!is_allowed(name, value)) {
            return s3__fail(call, S3_NotImplemented,
                            "the header " STR_FMT ": " STR_FMT " is not supported by leat",
                            STR_ARG(name), STR_ARG(str_slice(value, 0, 100)));
        }
    }
    str class = s3__header(call, "x-amz-storage-class");
    if (class.len > 0 && !str_eq(class, STR("STANDARD"))) {
        return s3__fail(call, S3_InvalidStorageClass,
                        "the storage class \"" STR_FMT "\" is not supported by leat: only STANDARD",
                        STR_ARG(str_slice(class, 0, 64)));
    }
    return true;
}

static void pair_append(struct buf *out, str name, str value)
{
    buf_append(out, name);
    buf_append_byte(out, '\0');
    buf_append(out, value);
    buf_append_byte(out, '\0');
}

/* "gzip" of "aws-chunked,gzip": what says how the body travels is not the object's. */
static str content_encoding(struct s3_call *call, str value)
{
    struct buf out = {0};
    while (value.len > 0) {
        str part = str_trim(str_split(&value, ',', NULL));
        if (part.len > 0 && !str_eq_nocase(part, STR("aws-chunked"))) {
            buf_append(&out, out.len > 0 ? STR(",") : STR_EMPTY);
            buf_append(&out, part);
        }
    }
    str kept = arena_copy(call->arena, buf_str(&out));
    buf_deinit(&out);
    return kept;
}

bool s3__attributes(struct s3_call *call, struct s3_attributes *out)
{
    static const char *const kept[] = {
        "content-type",  "content-language", "content-disposition",
        "cache-control", "expires",          "x-amz-website-redirect-location"};
    struct buf headers = {0};
    isize metadata_bytes = 0;
    str encoding = content_encoding(call, s3__header(call, "content-encoding"));
    if (encoding.len > 0) {
        pair_append(&headers, STR("content-encoding"), encoding);
    }
    for (isize i = 0; i < http_header_count(call->x); i++) {
        str name, value, prefix = STR("x-amz-meta-");
        http_header_at(call->x, i, &name, &value);
        bool is_kept = str_starts_nocase(name, prefix);
        metadata_bytes += is_kept ? name.len - prefix.len + value.len : 0;
        for (isize k = 0; k < COUNT_OF(kept); k++) {
            is_kept = is_kept || str_eq_nocase(name, str_of(kept[k]));
        }
        if (is_kept) {
            isize start = headers.len;
            pair_append(&headers, name, value);
            for (isize k = start; k < start + name.len; k++) {
                u8 c = headers.data[k];
                headers.data[k] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
            }
        }
    }
    out->headers = arena_copy(call->arena, buf_str(&headers));
    buf_deinit(&headers);
    return metadata_bytes <= S3_METADATA_BYTES_MAX || s3__fail(call, S3_MetadataTooLarge, NULL);
}
