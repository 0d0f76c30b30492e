/* codec/sigv4_header.c: the Authorization header of a request that leat sends itself. */
#include "codec/sigv4.h"

err sigv4_authorize(struct arena *arena, const struct sigv4_call *call, str *out)
{
    struct sigv4_field fields[] = {
        {STR("host"), call->host},
        {STR("x-amz-content-sha256"), call->payload_hash},
        {STR("x-amz-date"), call->time},
        {STR("x-amz-target"), call->target},
    };
    bool has_target = call->target.len > 0;
    struct sigv4_request request = {
        .method = call->method,
        .path = call->path,
        .query = call->query,
        .fields = fields,
        .field_count = COUNT_OF(fields) - !has_target,
        .payload_hash = call->payload_hash,
    };
    struct sigv4_claim claim = {
        .access_key = call->access_key,
        .date = str_slice(call->time, 0, 8),
        .region = call->region,
        .service = call->service,
        .signed_headers = has_target ? STR("host;x-amz-content-sha256;x-amz-date;x-amz-target")
                                     : STR("host;x-amz-content-sha256;x-amz-date"),
        .time = call->time,
    };
    u8 signature[SIGV4_HEX_BYTES];
    TRY(sigv4_sign(arena, &request, &claim, call->secret, signature));
    *out = arena_printf(arena,
                        "AWS4-HMAC-SHA256 Credential=" STR_FMT "/" STR_FMT "/" STR_FMT "/" STR_FMT
                        "/aws4_request, SignedHeaders=" STR_FMT ", Signature=%.64s",
                        STR_ARG(claim.access_key), STR_ARG(claim.date), STR_ARG(claim.region),
                        STR_ARG(claim.service), STR_ARG(claim.signed_headers),
                        (const char *)signature);
    return OK;
}
