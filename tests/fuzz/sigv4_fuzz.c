/*
 * tests/fuzz/sigv4_fuzz.c: any bytes as an Authorization header, a query, a path and a
 * header's value. Nothing may crash or leak; what was signed by us is valid, and no other
 * claim ever is.
 */
#include "codec/sigv4.h"

#include <stddef.h>

static const i64 now_us = 1369353600000000; /* 20130524T000000Z */

static str piece(str *rest)
{
    return str_split(rest, '\n', NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    str rest = str_from(data, (isize)size);
    str header = piece(&rest), path = piece(&rest), query = piece(&rest), names = piece(&rest);
    struct sigv4_field fields[] = {{STR("Host"), STR("localhost")}, {STR("x"), rest}};
    struct sigv4_request request = {.method = STR("GET"),
                                    .path = path,
                                    .query = query,
                                    .fields = fields,
                                    .field_count = COUNT_OF(fields),
                                    .payload_hash = STR("UNSIGNED-PAYLOAD")};
    struct sigv4_claim claim;
    if (sigv4_parse_header(header, &claim) == OK) {
        claim.time = STR("20130524T000000Z");
        CHECK(sigv4_verify(&arena, &request, &claim, claim.access_key, STR("secret"), now_us,
                           300) != SIGV4_VALID);
    }
    if (sigv4_parse_query(&arena, query, &claim) == OK) {
        CHECK(claim.expires_s > 0);
        CHECK(sigv4_verify(&arena, &request, &claim, claim.access_key, STR("secret"), now_us,
                           300) != SIGV4_VALID);
    }
    claim = (struct sigv4_claim){
        .access_key = STR("key"),
        .date = STR("20130524"),
        .region = STR("us-east-1"),
        .service = size % 2 == 0 ? STR("s3") : STR("kinesis"),
        .signed_headers = arena_printf(&arena, "host;" STR_FMT, STR_ARG(names)),
        .time = STR("20130524T000000Z"),
    };
    u8 hex[SIGV4_HEX_BYTES];
    if (sigv4_sign(&arena, &request, &claim, STR("secret"), hex) == OK) {
        claim.signature = str_from(hex, sizeof hex);
        CHECK(sigv4_verify(&arena, &request, &claim, STR("key"), STR("secret"), now_us, 300) ==
              SIGV4_VALID);
        hex[size % SIGV4_HEX_BYTES] ^= 1;
        CHECK(sigv4_verify(&arena, &request, &claim, STR("key"), STR("secret"), now_us, 300) !=
              SIGV4_VALID);
    }
    arena_deinit(&arena);
    return 0;
}
