/* sigv4: AWS's published examples, what must be refused, and every changed byte. */
#include "base/buf.h"
#include "codec/sigv4.h"

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define KEY    "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define EMPTY  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* STR() as a constant initializer. */
#define LITERAL(text)                               \
    {                                               \
        (const u8 *)(text), (isize)sizeof(text) - 1 \
    }

enum { SKEW_S = 900 };
static const i64 may_24_2013_us = 1369353600000000;

static struct arena arena;

/* "GET Object" of the S3 reference: "Examples: Signature Calculations". */
static const struct sigv4_field get_fields[] = {
    {LITERAL("Host"), LITERAL("examplebucket.s3.amazonaws.com")},
    {LITERAL("Range"), LITERAL("  bytes=0-9 ")},
    {LITERAL("x-amz-content-sha256"), LITERAL(EMPTY)},
    {LITERAL("x-amz-date"), LITERAL("20130524T000000Z")},
};
static const struct sigv4_request get_object = {.method = LITERAL("GET"),
                                                .path = LITERAL("/test.txt"),
                                                .fields = get_fields,
                                                .field_count = COUNT_OF(get_fields),
                                                .payload_hash = LITERAL(EMPTY)};
static const char get_header[] =
    "AWS4-HMAC-SHA256 Credential=" KEY "/20130524/us-east-1/s3/aws4_request,"
    "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
    "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

static struct sigv4_claim get_claim(void)
{
    struct sigv4_claim claim;
    assert_int_equal(sigv4_parse_header(STR(get_header), &claim), OK);
    claim.time = STR("20130524T000000Z");
    return claim;
}

static enum sigv4_verdict verdict(const struct sigv4_request *request,
                                  const struct sigv4_claim *claim, i64 now_us)
{
    return sigv4_verify(&arena, request, claim, STR(KEY), STR(SECRET), now_us, SKEW_S);
}

static void published_header(void **state)
{
    (void)state;
    struct sigv4_claim claim = get_claim();
    assert_true(str_eq(claim.region, STR("us-east-1")));
    assert_true(str_eq(claim.service, STR("s3")));
    assert_int_equal(verdict(&get_object, &claim, may_24_2013_us), SIGV4_VALID);
}

static const char presigned[] =
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" KEY
    "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
    "&X-Amz-SignedHeaders=host&X-Amz-Signature="
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

static void published_presigned(void **state)
{
    (void)state;
    struct sigv4_claim claim;
    assert_int_equal(sigv4_parse_query(&arena, STR(presigned), &claim), OK);
    assert_true(claim.is_presigned);
    struct sigv4_request request = {.method = STR("GET"),
                                    .path = STR("/test.txt"),
                                    .query = STR(presigned),
                                    .fields = get_fields,
                                    .field_count = 1,
                                    .payload_hash = STR("UNSIGNED-PAYLOAD")};
    i64 day_us = (i64)86400 * 1000000;
    assert_int_equal(verdict(&request, &claim, may_24_2013_us), SIGV4_VALID);
    assert_int_equal(verdict(&request, &claim, may_24_2013_us + day_us), SIGV4_VALID);
    assert_int_equal(verdict(&request, &claim, may_24_2013_us + day_us + 1), SIGV4_EXPIRED);
    request.method = STR("PUT");
    assert_int_equal(verdict(&request, &claim, may_24_2013_us), SIGV4_MISMATCH);
}

/* Of services other than S3: five minutes either way, to the microsecond. */
static void edges_of_five_minutes(void **state)
{
    (void)state;
    enum { FIVE_MINUTES_S = 300 };
    static const struct {
        i64 off_us;
        enum sigv4_verdict wanted;
    } cases[] = {
        {299000000, SIGV4_VALID},    {300000000, SIGV4_VALID},    {300000001, SIGV4_EXPIRED},
        {301000000, SIGV4_EXPIRED},  {-299000000, SIGV4_VALID},   {-300000000, SIGV4_VALID},
        {-300000001, SIGV4_EXPIRED}, {-301000000, SIGV4_EXPIRED},
    };
    struct sigv4_claim claim = get_claim();
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(sigv4_verify(&arena, &get_object, &claim, STR(KEY), STR(SECRET),
                                      may_24_2013_us + cases[i].off_us, FIVE_MINUTES_S),
                         cases[i].wanted);
    }
}

/* A request signed at `time`, whose scope says `date`, seen `late_s` after that time. */
static enum sigv4_verdict signed_at(str time, str date, i64 time_us, i64 late_s)
{
    u8 hex[SIGV4_HEX_BYTES];
    struct sigv4_field fields[COUNT_OF(get_fields)];
    struct sigv4_request request = get_object;
    struct sigv4_claim claim = get_claim();
    memcpy(fields, get_fields, sizeof fields);
    fields[COUNT_OF(get_fields) - 1].value = time;
    request.fields = fields;
    claim.time = time;
    claim.date = date;
    assert_int_equal(sigv4_sign(&arena, &request, &claim, STR(SECRET), hex), OK);
    claim.signature = str_from(hex, sizeof hex);
    return verdict(&request, &claim, time_us + late_s * 1000000);
}

/* The day of the scope is that of the request's own time, whatever day it is when it comes. */
static void around_midnight(void **state)
{
    (void)state;
    i64 second = 1000000;
    i64 before = may_24_2013_us - second;
    str last = STR("20130523T235959Z"), first = STR("20130524T000000Z");
    assert_int_equal(signed_at(last, STR("20130523"), before, 0), SIGV4_VALID);
    assert_int_equal(signed_at(last, STR("20130523"), before, 60), SIGV4_VALID);
    assert_int_equal(signed_at(first, STR("20130524"), may_24_2013_us, -60), SIGV4_VALID);
    assert_int_equal(signed_at(last, STR("20130524"), before, 60), SIGV4_INCOMPLETE);
    assert_int_equal(signed_at(first, STR("20130523"), may_24_2013_us, -60), SIGV4_INCOMPLETE);
    /* Last second of a year, of a February, and a second that there is not. */
    assert_int_equal(signed_at(STR("20131231T235959Z"), STR("20131231"), 1388534399 * second, 30),
                     SIGV4_VALID);
    assert_int_equal(signed_at(STR("20160229T235959Z"), STR("20160229"), 1456790399 * second, 30),
                     SIGV4_VALID);
    assert_int_equal(signed_at(STR("20130229T000000Z"), STR("20130229"), 0, 0), SIGV4_INCOMPLETE);
    assert_int_equal(signed_at(STR("20130523T235960Z"), STR("20130523"), before, 1),
                     SIGV4_INCOMPLETE);
}

/* "GET Bucket (List Objects)" of the same page: sorted query. */
static void published_query(void **state)
{
    (void)state;
    struct sigv4_claim claim = get_claim();
    claim.signed_headers = STR("host;x-amz-content-sha256;x-amz-date");
    struct sigv4_request request = get_object;
    request.path = STR("/");
    request.query = STR("prefix=J&max-keys=2");
    u8 hex[SIGV4_HEX_BYTES];
    assert_int_equal(sigv4_sign(&arena, &request, &claim, STR(SECRET), hex), OK);
    assert_true(str_eq(str_from(hex, sizeof hex),
                       STR("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")));
}

static void clocks_and_keys(void **state)
{
    (void)state;
    struct sigv4_claim claim = get_claim();
    const i64 second = 1000000;
    i64 now = may_24_2013_us;
    assert_int_equal(verdict(&get_object, &claim, now + 899 * second), SIGV4_VALID);
    assert_int_equal(verdict(&get_object, &claim, now + 901 * second), SIGV4_EXPIRED);
    assert_int_equal(verdict(&get_object, &claim, now - 899 * second), SIGV4_VALID);
    assert_int_equal(verdict(&get_object, &claim, now - 901 * second), SIGV4_EXPIRED);
    assert_int_equal(
        sigv4_verify(&arena, &get_object, &claim, STR("OTHER"), STR(SECRET), now, SKEW_S),
        SIGV4_UNKNOWN_KEY);
    assert_int_equal(sigv4_verify(&arena, &get_object, &claim, STR(KEY), STR("no"), now, SKEW_S),
                     SIGV4_MISMATCH);
    claim.time = STR("20130525T000000Z"); /* Not the credential's day. */
    assert_int_equal(verdict(&get_object, &claim, now), SIGV4_INCOMPLETE);
    static const char *const wrong[] = {"",
                                        "20130524T000000",
                                        "20130524T0000000",
                                        "20130524T240000Z",
                                        "20131324T000000Z",
                                        "2013-524T000000Z",
                                        "20130524t000000Z"};
    for (isize i = 0; i < COUNT_OF(wrong); i++) {
        claim.time = str_of(wrong[i]);
        assert_int_equal(verdict(&get_object, &claim, now), SIGV4_INCOMPLETE);
    }
}

/* In front of the library's: what a verdict costs is how often these work, and on how much. */
static isize work_calls, work_bytes;

unsigned char *HMAC(const EVP_MD *md, const void *key, int key_len, const unsigned char *data,
                    size_t len, unsigned char *out, unsigned int *out_len)
{
    unsigned char *(*real)(const EVP_MD *, const void *, int, const unsigned char *, size_t,
                           unsigned char *, unsigned int *);
    *(void **)&real = dlsym(RTLD_NEXT, "HMAC");
    work_calls++;
    work_bytes += (isize)len;
    return real(md, key, key_len, data, len, out, out_len);
}

int CRYPTO_memcmp(const void *a, const void *b, size_t len)
{
    int (*real)(const void *, const void *, size_t);
    *(void **)&real = dlsym(RTLD_NEXT, "CRYPTO_memcmp");
    work_calls++;
    work_bytes += (isize)len;
    return real(a, b, len);
}

/* Who guesses keys learns nothing from how long the answer takes: the same work is done for each.
 */
static void every_verdict_costs_the_same(void **state)
{
    (void)state;
    struct sigv4_claim claim = get_claim(), first = claim, last = claim;
    u8 hex[2][SIGV4_HEX_BYTES];
    for (int i = 0; i < 2; i++) {
        memcpy(hex[i], claim.signature.data, SIGV4_HEX_BYTES);
        u8 *digit = &hex[i][i == 0 ? 0 : SIGV4_HEX_BYTES - 1];
        *digit = *digit == '0' ? '1' : '0';
    }
    first.signature = str_from(hex[0], SIGV4_HEX_BYTES);
    last.signature = str_from(hex[1], SIGV4_HEX_BYTES);
    const struct {
        const struct sigv4_claim *claim;
        const char *key, *secret;
        enum sigv4_verdict verdict;
    } cases[] = {
        {&claim, KEY, SECRET, SIGV4_VALID},
        {&first, KEY, SECRET, SIGV4_MISMATCH},
        {&last, KEY, SECRET, SIGV4_MISMATCH},
        {&claim, KEY, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEZ", SIGV4_MISMATCH},
        {&claim, "AKIAIOSFODNN7EXAMPLF", SECRET, SIGV4_UNKNOWN_KEY},
        {&claim, "B", SECRET, SIGV4_UNKNOWN_KEY},
    };
    isize calls = 0, bytes = 0;
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        work_calls = work_bytes = 0;
        assert_int_equal(sigv4_verify(&arena, &get_object, cases[i].claim, str_of(cases[i].key),
                                      str_of(cases[i].secret), may_24_2013_us, SKEW_S),
                         cases[i].verdict);
        calls = i == 0 ? work_calls : calls;
        bytes = i == 0 ? work_bytes : bytes;
        assert_true(calls >= 6); /* Four for the key, one for the signature, one to compare. */
        assert_int_equal(work_calls, calls);
        assert_int_equal(work_bytes, bytes);
    }
}

static void what_must_be_signed(void **state)
{
    (void)state;
    struct sigv4_claim claim = get_claim();
    claim.signed_headers = STR("range;x-amz-content-sha256;x-amz-date");
    assert_int_equal(verdict(&get_object, &claim, may_24_2013_us), SIGV4_INCOMPLETE);
    claim.signed_headers = STR("host;range;x-amz-date");
    assert_int_equal(verdict(&get_object, &claim, may_24_2013_us), SIGV4_INCOMPLETE);
}

/* A request that differs in any byte of any signed part has another signature. */
static void every_changed_byte(void **state)
{
    (void)state;
    struct sigv4_claim claim = get_claim();
    struct sigv4_field fields[COUNT_OF(get_fields)];
    memcpy(fields, get_fields, sizeof fields);
    struct sigv4_request request = get_object;
    request.fields = fields;
    str *const parts[] = {&request.method,  &request.path,    &fields[0].value,
                          &fields[1].value, &fields[2].value, &request.payload_hash,
                          &claim.signature};
    for (isize i = 0; i < COUNT_OF(parts); i++) {
        str whole = *parts[i];
        for (isize at = 0; at < whole.len; at++) {
            if (whole.data[at] == ' ') {
                continue;
            }
            u8 *copy = arena_alloc(&arena, whole.len);
            memcpy(copy, whole.data, (size_t)whole.len);
            copy[at] = copy[at] == 'a' ? 'b' : 'a';
            *parts[i] = str_from(copy, whole.len);
            assert_int_equal(verdict(&request, &claim, may_24_2013_us), SIGV4_MISMATCH);
        }
        *parts[i] = whole;
    }
    assert_int_equal(verdict(&request, &claim, may_24_2013_us), SIGV4_VALID);
}

static void sign_path(const char *service, const char *path, const char *query, u8 *hex)
{
    struct sigv4_claim claim = get_claim();
    claim.service = str_of(service);
    struct sigv4_request request = get_object;
    request.path = str_of(path);
    request.query = str_of(query);
    assert_int_equal(sigv4_sign(&arena, &request, &claim, STR(SECRET), hex), OK);
}

static void canonical_forms(void **state)
{
    (void)state;
    static const struct {
        const char *service, *path, *query, *other_path, *other_query;
        bool is_same;
    } cases[] = {
        {"kinesis", "/a//b/./c/../d/", "", "/a/b/d/", "", true},
        {"kinesis", "/..", "", "/", "", true},
        {"kinesis", "", "", "/", "", true},
        {"kinesis", "/a/", "", "/a", "", false},
        {"kinesis", "/a%2Fb", "", "/a/b", "", false},
        {"s3", "/a//b", "", "/a/b", "", false},
        {"s3", "/a/../b", "", "/b", "", false},
        {"s3", "/%7ea", "", "/~a", "", true},
        {"s3", "/%61", "", "/a", "", true},
        {"s3", "/", "b=1&a=2", "/", "a=2&b=1", true},
        {"s3", "/", "a=2&a=1", "/", "a=1&a=2", true},
        {"s3", "/", "uploads", "/", "uploads=", true},
        {"s3", "/", "a=x+y", "/", "a=x%20y", true},
        {"s3", "/", "a=x%2By", "/", "a=x%20y", false},
        {"s3", "/", "X-Amz-Signature=0", "/", "", false}, /* Of a request signed by its header. */
    };
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        u8 one[SIGV4_HEX_BYTES], other[SIGV4_HEX_BYTES];
        sign_path(cases[i].service, cases[i].path, cases[i].query, one);
        sign_path(cases[i].service, cases[i].other_path, cases[i].other_query, other);
        assert_int_equal(memcmp(one, other, sizeof one) == 0, cases[i].is_same);
    }
}

static void malformed_headers(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 ",
        "Bearer x",
        "AWS4-HMAC-SHA256 Credential=k/20130524/r/s/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=k/20130524/r/s/aws4_request, Signature=0",
        "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=k/2013052/r/s/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=k/20130524/R/s/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=k/20130524/r/s/aws5_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=k/20130524/r/s/aws4_request, SignedHeaders=host, Signature=0,"
        "Signature=0",
        "AWS4-HMAC-SHA256 Credential=k/20130524/r/s/aws4_request, SignedHeaders=host, Signature=0,"
        "Other=1",
    };
    struct sigv4_claim claim;
    for (isize i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(sigv4_parse_header(str_of(wrong[i]), &claim), ERR_SYNTAX);
    }
}

static void malformed_queries(void **state)
{
    (void)state;
    static const char start[] = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20130524T000000Z"
                                "&X-Amz-SignedHeaders=host&X-Amz-Signature=0";
    static const char credential[] = "&X-Amz-Credential=k%2F20130524%2Fr%2Fs%2Faws4_request";
    static const char *const expires[] = {"0", "-1", "604801", "99999999999999999999", "x", ""};
    struct sigv4_claim claim;
    str good = arena_printf(&arena, "%s%s&X-Amz-Expires=604800", start, credential);
    assert_int_equal(sigv4_parse_query(&arena, good, &claim), OK);
    assert_int_equal(sigv4_parse_query(&arena, STR(start), &claim), ERR_NOT_FOUND);
    assert_int_equal(sigv4_parse_query(&arena, STR_EMPTY, &claim), ERR_NOT_FOUND);
    str twice = arena_printf(&arena, STR_FMT "&X-Amz-Signature=1", STR_ARG(good));
    assert_int_equal(sigv4_parse_query(&arena, twice, &claim), ERR_SYNTAX);
    for (isize i = 0; i < COUNT_OF(expires); i++) {
        str text = arena_printf(&arena, "%s%s&X-Amz-Expires=%s", start, credential, expires[i]);
        assert_int_equal(sigv4_parse_query(&arena, text, &claim), ERR_SYNTAX);
    }
    static const char *const cut[] = {"a=%", "a=%4", "a=%zz", "%=a"};
    for (isize i = 0; i < COUNT_OF(cut); i++) {
        assert_int_equal(sigv4_parse_query(&arena, str_of(cut[i]), &claim), ERR_SYNTAX);
    }
    struct buf many = {0};
    buf_append_fill(&many, '&', 100000);
    assert_int_equal(sigv4_parse_query(&arena, buf_str(&many), &claim), ERR_NOT_FOUND);
    buf_reset(&many);
    for (int i = 0; i <= SIGV4_PARAMS_MAX; i++) {
        buf_append(&many, STR("a&"));
    }
    assert_int_equal(sigv4_parse_query(&arena, buf_str(&many), &claim), ERR_LIMIT);
    buf_deinit(&many);
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_header),
        cmocka_unit_test(published_presigned),
        cmocka_unit_test(published_query),
        cmocka_unit_test(clocks_and_keys),
        cmocka_unit_test(edges_of_five_minutes),
        cmocka_unit_test(around_midnight),
        cmocka_unit_test(every_verdict_costs_the_same),
        cmocka_unit_test(what_must_be_signed),
        cmocka_unit_test(every_changed_byte),
        cmocka_unit_test(canonical_forms),
        cmocka_unit_test(malformed_headers),
        cmocka_unit_test(malformed_queries),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
