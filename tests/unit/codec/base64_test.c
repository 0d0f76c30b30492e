/* base64: every length against a plain encoder, and what strictness refuses. */
#include "base/rng.h"
#include "codec/base64.h"
#include "codec/base64_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { BYTES_MAX = 300 };

static void rfc_vectors(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = {0};
        base64_append(&out, str_of(cases[i][0]));
        assert_true(str_eq(buf_str(&out), str_of(cases[i][1])));
        buf_deinit(&out);
    }
}

/* Exactly as much memory as the contract asks for, so that ASan sees a byte too many. */
static void round_trip_of_every_length(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 1);
    for (isize len = 0; len <= BYTES_MAX; len++) {
        u8 *bytes = mem_alloc(len + 1), *text = mem_alloc(base64_encoded_bytes(len) + 1);
        u8 *back = mem_alloc(len + 1);
        for (isize i = 0; i < len; i++) {
            bytes[i] = (u8)rng_next(&rng);
        }
        base64_encode(str_from(bytes, len), text);
        isize got = -1;
        str written = str_from(text, base64_encoded_bytes(len));
        assert_int_equal(base64_decoded_bytes(written), len);
        assert_int_equal(base64_decode(written, back, &got), OK);
        assert_int_equal(got, len);
        assert_memory_equal(bytes, back, (size_t)len);
        mem_free(bytes);
        mem_free(text);
        mem_free(back);
    }
}

static void every_wrong_byte_at_every_place_is_refused(void **state)
{
    (void)state;
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    u8 text[96], out[80];
    for (int c = 0; c < 256; c++) {
        if (c != 0 && strchr(alphabet, c) != NULL) {
            continue;
        }
        for (isize at = 0; at < 96; at++) {
            if (c == '=' && at == 95) {
                continue; /* Valid padding when the bits behind the end are zero. */
            }
            memset(text, 'A', sizeof text);
            text[at] = (u8)c;
            isize bytes;
            assert_int_not_equal(base64_decode(str_from(text, 96), out, &bytes), OK);
        }
    }
}

static void refused_forms(void **state)
{
    (void)state;
    static const char *const cases[] = {"Zg",     "Zg=",  "Zh==", "Zm9=", "Z===",     "====",
                                        "Zm9vYg", "Zm-v", "Zm_v", "Zm 9", "Zg==Zg==", "\nZg=="};
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        u8 out[32];
        isize bytes;
        assert_int_not_equal(base64_decode(str_of(cases[i]), out, &bytes), OK);
    }
}

/* What each width writes is what the plain way writes. */
static void widths_agree(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 2);
    u8 bytes[BYTES_MAX], plain[BYTES_MAX * 2], wide[BYTES_MAX * 2];
    for (isize i = 0; i < BYTES_MAX; i++) {
        bytes[i] = (u8)rng_next(&rng);
    }
    for (isize len = 0; len <= BYTES_MAX; len++) {
        base64__use(BASE64_PLAIN);
        base64_encode(str_from(bytes, len), plain);
        for (int width = BASE64_AVX2; width <= BASE64_VBMI; width++) {
            base64__use((enum base64__width)width);
            base64_encode(str_from(bytes, len), wide);
            assert_memory_equal(plain, wide, (size_t)base64_encoded_bytes(len));
        }
    }
}

static void every_case(enum base64__width most)
{
    void *none = NULL;
    base64__use(most);
    round_trip_of_every_length(&none);
    every_wrong_byte_at_every_place_is_refused(&none);
}

static void narrower_ways(void **state)
{
    (void)state;
    every_case(BASE64_PLAIN);
    every_case(BASE64_AVX2);
    base64__use(BASE64_VBMI);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_vectors),
        cmocka_unit_test(round_trip_of_every_length),
        cmocka_unit_test(every_wrong_byte_at_every_place_is_refused),
        cmocka_unit_test(refused_forms),
        cmocka_unit_test(widths_agree),
        cmocka_unit_test(narrower_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
