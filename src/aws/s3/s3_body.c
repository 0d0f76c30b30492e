/*
 * aws/s3/s3_body.c: receiving the bytes of a request.
 *
 * Whatever the request states about its body is checked: length, Content-MD5,
 * x-amz-content-sha256, an x-amz-checksum- value in the header or the trailer, the
 * signatures of chunks. Nothing is kept unless all of them are right.
 */
#include "aws/s3/s3_int.h"
#include "aws/s3/s3_lane.h"
#include "codec/base64.h"

enum { LANE_BYTES_MIN = 4 << 20 };

struct body {
    struct s3_call *call;
    struct s3_digest md5, sha256, checksum;
    struct s3_digest own;       /* What the operation needs and the request does not state. */
    bool is_object_checksum;    /* x-amz-checksum- is not about these bytes. */
    struct s3_lane *lane;       /* Takes the MD5 of a long body. */
    struct s3_chunked *chunked; /* NULL: the body is the bytes. */
    u64 bytes, bytes_max;
    i64 declared; /* -1: unknown. */
    str sha256_hex, md5_base64;
    str expected;     /* Of the checksum, base64; or */
    str trailer_name; /* the trailing field that will give it. */
    u8 md5_value[S3_DIGEST_BYTES_MAX], checksum_value[S3_DIGEST_BYTES_MAX];
    u8 own_value[S3_DIGEST_BYTES_MAX];
};

typedef err (*sink_fn)(void *ctx, str data);

/* --- what the request states
 * ------------------------------------------------------------------------- */

/* The checksum header that is there; two are refused. */
static bool checksum_header(struct s3_call *call, enum s3_algorithm *algorithm_out, str *value_out)
{
    *algorithm_out = S3_NONE;
    for (isize i = 0; i < http_header_count(call->x); i++) {
        str name, value;
        http_header_at(call->x, i, &name, &value);
        enum s3_algorithm algorithm = s3_algorithm_parse_header(name);
        if (algorithm == S3_NONE) {
            continue;
        }
        if (*algorithm_out != S3_NONE) {
            return s3__fail(call, S3_InvalidRequest,
                            "Expecting a single x-amz-checksum- header. Multiple checksum Types "
                            "are not allowed.");
        }
        *algorithm_out = algorithm;
        *value_out = str_trim(value);
    }
    return true;
}

static bool checksum_begin(struct body *body, enum s3_algorithm wanted, bool is_always)
{
    struct s3_call *call = body->call;
    enum s3_algorithm algorithm, named;
    if (!checksum_header(call, &algorithm, &body->expected) ||
        !s3__algorithm(call, "x-amz-sdk-checksum-algorithm", &named)) {
        return false;
    }
    if (algorithm != S3_NONE &&
        base64_decoded_bytes(body->expected) != s3_digest_bytes(algorithm)) {
        return s3__fail(call, S3_InvalidRequest, "Value for " STR_FMT " header is invalid.",
                        STR_ARG(s3_algorithm_header(algorithm)));
    }
    str trailer = str_trim(s3__header(call, "x-amz-trailer"));
    enum s3_algorithm trailing = s3_algorithm_parse_header(trailer);
    if (trailing != S3_NONE && algorithm == S3_NONE) {
        algorithm = trailing;
        body->trailer_name = trailer;
    } else if (trailer.len > 0) {
        return s3__fail(call, S3_InvalidRequest,
                        "The value specified in the x-amz-trailer header is not supported");
    }
    if (trailing != S3_NONE && (body->chunked == NULL || !body->chunked->has_trailer)) {
        return s3__fail(call, S3_InvalidRequest,
                        "x-amz-trailer needs an x-amz-content-sha256 that ends with -TRAILER");
    }
    algorithm = algorithm != S3_NONE ? algorithm : named;
    algorithm = algorithm != S3_NONE ? algorithm : wanted;
    s3_digest_begin(&body->checksum, algorithm);
    if (is_always && algorithm != wanted) {
        s3_digest_begin(&body->own, wanted);
    }
    return true;
}

static bool is_hex(str text)
{
    for (isize i = 0; i < text.len; i++) {
        u8 lower = text.data[i] | 0x20;
        if ((u8)(lower - '0') > 9 && (lower < 'a' || lower > 'f')) {
            return false;
        }
    }
    return true;
}

static bool payload_begin(struct body *body)
{
    struct s3_call *call = body->call;
    str payload = s3__header(call, "x-amz-content-sha256");
    bool is_signed = str_starts(payload, STR("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"));
    bool is_chunked = is_signed || str_starts(payload, STR("STREAMING-UNSIGNED-PAYLOAD-TRAILER"));
    if (is_chunked) {
        body->chunked = ARENA_NEW(call->arena, struct s3_chunked);
        s3_chunked_init(body->chunked, is_signed, str_ends(payload, STR("-TRAILER")),
                        call->request->chunks);
        str length = s3__header(call, "x-amz-decoded-content-length");
        if (str_to_i64(length, &body->declared) != OK || body->declared < 0) {
            return s3__fail(call, S3_MissingContentLength,
                            "x-amz-decoded-content-length must give the length of the data");
        }
        return true;
    }
    body->declared = http_content_length(call->x);
    if (payload.len == SIGV4_HEX_BYTES && is_hex(payload)) {
        body->sha256_hex = payload;
        s3_digest_begin(&body->sha256, S3_SHA256);
    } else if (payload.len > 0 && !str_eq(payload, STR("UNSIGNED-PAYLOAD"))) {
        return s3__fail(call, S3_InvalidArgument,
                        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                        "STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.");
    }
    return true;
}

static void body_deinit(struct body *body)
{
    s3_digest_deinit(&body->md5);
    s3_digest_deinit(&body->sha256);
    s3_digest_deinit(&body->checksum);
    s3_digest_deinit(&body->own);
    if (body->chunked != NULL) {
        s3_chunked_deinit(body->chunked);
    }
}

/* `body` is zero but for call, bytes_max and is_object_checksum. */
static bool body_begin(struct body *body, enum s3_algorithm wanted, bool is_always)
{
    enum { MD5_BYTES = 16 };
    struct s3_call *call = body->call;
    s3_digest_begin(&body->md5, S3_MD5);
    if (!payload_begin(body)) {
        return false;
    }
    if (!body->is_object_checksum && !checksum_begin(body, wanted, is_always)) {
        return false;
    }
    body->md5_base64 = str_trim(s3__header(call, "content-md5"));
    if (body->md5_base64.len > 0 && base64_decoded_bytes(body->md5_base64) != MD5_BYTES) {
        return s3__fail(call, S3_InvalidDigest, NULL);
    }
    if (body->declared >= 0 && (u64)body->declared > body->bytes_max) {
        return s3__fail(call, S3_EntityTooLarge, NULL);
    }
    return true;
}

/* --- receiving
 * ------------------------------------------------------------------------------------- */

static err take(struct body *body, str data, sink_fn sink, void *ctx)
{
    body->bytes += (u64)data.len;
    if (body->bytes > body->bytes_max) {
        return ERR_LIMIT;
    }
    if (body->lane != NULL) {
        s3_lane_push(body->lane, data);
    } else {
        s3_digest_update(&body->md5, data.data, data.len);
    }
    s3_digest_update(&body->sha256, data.data, data.len);
    s3_digest_update(&body->checksum, data.data, data.len);
    s3_digest_update(&body->own, data.data, data.len);
    return sink(ctx, data);
}

static err take_chunked(struct body *body, str in, sink_fn sink, void *ctx)
{
    while (in.len > 0) {
        str data;
        TRY(s3_chunked_next(body->chunked, &in, &data));
        if (data.len > 0) {
            TRY(take(body, data, sink, ctx));
        }
    }
    return OK;
}

static bool fail_receiving(struct body *body, err e)
{
    struct s3_call *call = body->call;
    switch (e) {
    case ERR_CLOSED:
        return s3__fail(call, S3_RequestTimeout, NULL);
    case ERR_LIMIT:
        return body->bytes > body->bytes_max
                   ? s3__fail(call, S3_EntityTooLarge, NULL)
                   : s3__fail(call, S3_InvalidRequest,
                              "the lines of an aws-chunked body are too long");
    case ERR_SYNTAX:
        return s3__fail(call, S3_InvalidRequest, "the aws-chunked body is malformed");
    case ERR_DENIED:
        return s3__fail(call, S3_SignatureDoesNotMatch,
                        "The chunk signature we calculated does not match the one you provided.");
    default:
        return s3__fail_err(call, e);
    }
}

static bool receive(struct body *body, sink_fn sink, void *ctx)
{
    u8 *block = mem_alloc(S3_IO_BYTES);
    err e = OK;
    if (body->declared >= LANE_BYTES_MIN) {
        body->lane = s3_lane_start(&body->md5);
    }
    for (;;) {
        isize got = 0;
        e = http_body_read(body->call->x, block, S3_IO_BYTES, &got);
        if (e != OK || got == 0) {
            break;
        }
        str in = str_from(block, got);
        e = body->chunked != NULL ? take_chunked(body, in, sink, ctx) : take(body, in, sink, ctx);
        if (e != OK) {
            break;
        }
    }
    mem_free(block);
    s3_lane_finish(body->lane);
    return e == OK || fail_receiving(body, e);
}

/* --- checking
 * -------------------------------------------------------------------------------------- */

static bool checksum_check(struct body *body)
{
    struct s3_call *call = body->call;
    enum s3_algorithm algorithm = body->checksum.algorithm;
    s3_digest_end(&body->checksum, body->checksum_value);
    str expected = body->expected;
    if (body->trailer_name.len > 0) {
        expected = s3_chunked_trailer(body->chunked, body->trailer_name);
        if (expected.len == 0) {
            return s3__fail(call, S3_InvalidRequest,
                            "the trailing field " STR_FMT
                            " that x-amz-trailer announced is missing",
                            STR_ARG(str_slice(body->trailer_name, 0, 64)));
        }
    }
    if (expected.len == 0) {
        return true;
    }
    u8 stated[S3_DIGEST_BYTES_MAX];
    isize bytes = 0;
    bool is_sound = base64_decoded_bytes(expected) == s3_digest_bytes(algorithm) &&
                    base64_decode(expected, stated, &bytes) == OK;
    if (!is_sound) {
        return s3__fail(call, S3_InvalidRequest, "Value for " STR_FMT " header is invalid.",
                        STR_ARG(s3_algorithm_header(algorithm)));
    }
    if (memcmp(stated, body->checksum_value, (size_t)bytes) != 0) {
        return s3__fail(call, S3_BadDigest,
                        "The " STR_FMT " you specified did not match the calculated checksum.",
                        STR_ARG(s3_algorithm_name(algorithm)));
    }
    return true;
}

str s3__hex(struct arena *arena, const u8 *bytes, isize count)
{
    static const char digits[] = "0123456789abcdef";
    u8 *hex = arena_alloc(arena, 2 * count);
    for (isize i = 0; i < count; i++) {
        hex[2 * i] = (u8)digits[bytes[i] >> 4];
        hex[2 * i + 1] = (u8)digits[bytes[i] & 15];
    }
    return str_from(hex, 2 * count);
}

static bool hashes_check(struct body *body)
{
    struct s3_call *call = body->call;
    s3_digest_end(&body->md5, body->md5_value);
    if (body->sha256_hex.len > 0) {
        u8 value[S3_DIGEST_BYTES_MAX];
        s3_digest_end(&body->sha256, value);
        if (!str_eq_nocase(s3__hex(call->arena, value, sizeof value), body->sha256_hex)) {
            return s3__fail(call, S3_XAmzContentSHA256Mismatch, NULL);
        }
    }
    if (body->md5_base64.len == 0) {
        return true;
    }
    u8 stated[S3_DIGEST_BYTES_MAX];
    isize bytes;
    if (base64_decode(body->md5_base64, stated, &bytes) != OK) {
        return s3__fail(call, S3_InvalidDigest, NULL);
    }
    bool is_same = memcmp(stated, body->md5_value, (size_t)bytes) == 0;
    return is_same || s3__fail(call, S3_BadDigest, NULL);
}

static bool body_check(struct body *body)
{
    struct s3_call *call = body->call;
    bool is_whole = body->chunked == NULL || s3_chunked_is_done(body->chunked);
    if (!is_whole || (body->declared >= 0 && body->bytes != (u64)body->declared)) {
        return s3__fail(call, S3_IncompleteBody, NULL);
    }
    return hashes_check(body) && checksum_check(body);
}

/* --- for operations
 * -------------------------------------------------------------------------------- */

static err to_writer(void *ctx, str data)
{
    return s3_writer_append(ctx, data.data, data.len);
}

str s3__base64(struct arena *arena, const u8 *bytes, isize count)
{
    u8 *text = arena_alloc(arena, base64_encoded_bytes(count) + 1);
    base64_encode(str_from(bytes, count), text);
    return str_from(text, base64_encoded_bytes(count));
}

static void received_take(struct body *body, enum s3_algorithm wanted, struct s3_received *out)
{
    enum { MD5_BYTES = 16 };
    struct arena *arena = body->call->arena;
    enum s3_algorithm used = body->checksum.algorithm;
    *out = (struct s3_received){
        .bytes = body->bytes,
        .md5 = s3__hex(arena, body->md5_value, MD5_BYTES),
        .algorithm = used,
        .checksum = s3__base64(arena, body->checksum_value, s3_digest_bytes(used)),
    };
    out->own = out->checksum;
    if (body->own.algorithm != S3_NONE) {
        s3_digest_end(&body->own, body->own_value);
        out->own = s3__base64(arena, body->own_value, s3_digest_bytes(wanted));
    }
}

bool s3__body_store(struct s3_call *call, struct s3_writer *writer, enum s3_algorithm algorithm,
                    bool is_always, struct s3_received *out)
{
    struct body body = {.call = call, .bytes_max = S3_OBJECT_BYTES_MAX};
    bool is_good = body_begin(&body, algorithm, is_always);
    if (is_good && body.declared < 0) {
        is_good = s3__fail(call, S3_MissingContentLength, NULL);
    }
    is_good = is_good && receive(&body, to_writer, writer) && body_check(&body);
    if (is_good) {
        received_take(&body, algorithm, out);
    }
    body_deinit(&body);
    return is_good;
}

static err to_buf(void *ctx, str data)
{
    buf_append(ctx, data);
    return OK;
}

bool s3__body_xml(struct s3_call *call, bool is_object_checksum, struct s3_xml **root_out)
{
    struct body body = {
        .call = call, .bytes_max = S3_XML_BYTES_MAX, .is_object_checksum = is_object_checksum};
    struct buf text = {0};
    *root_out = NULL;
    bool is_good =
        body_begin(&body, S3_NONE, false) && receive(&body, to_buf, &text) && body_check(&body);
    body_deinit(&body);
    if (is_good && text.len > 0 && s3_xml_parse(call->arena, buf_str(&text), root_out) != OK) {
        is_good = s3__fail(call, S3_MalformedXML, NULL);
    }
    buf_deinit(&text);
    return is_good;
}
