/* aws/s3/s3_digest.h and the CRCs under it: known values, pieces, parts put together; XML. */
#include "aws_fixture.h"

#include "aws/s3/s3_digest.h"
#include "aws/s3/s3_xml.h"
#include "base/hash.h"
#include "base/rng.h"

enum { BYTES = 5000 };

static void fill(u8 *data, isize bytes)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (isize i = 0; i < bytes; i++) {
        data[i] = (u8)rng_next(&rng);
    }
}

static u64 crc_of(enum s3_algorithm algorithm, const u8 *data, isize bytes)
{
    struct s3_digest digest;
    u8 value[S3_DIGEST_BYTES_MAX];
    s3_digest_begin(&digest, algorithm);
    s3_digest_update(&digest, data, bytes);
    s3_digest_end(&digest, value);
    return s3_crc_value(algorithm, value);
}

static void check_values(void **state)
{
    (void)state;
    const u8 *text = (const u8 *)"123456789";
    assert_int_equal(crc_of(S3_CRC32, text, 9), 0xCBF43926U);
    assert_int_equal(crc_of(S3_CRC32C, text, 9), 0xE3069283U);
    assert_true(crc_of(S3_CRC64NVME, text, 9) == 0xAE8B14860A799888ULL);
}

/* One bit at a time, as the definition says. */
static u64 slow_crc(u64 polynomial, u64 all, const u8 *data, isize bytes)
{
    u64 crc = all;
    for (isize i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? (crc >> 1) ^ polynomial : crc >> 1;
        }
    }
    return crc ^ all;
}

static void folding_equals_the_definition(void **state)
{
    (void)state;
    static u8 data[BYTES + 16];
    fill(data, sizeof data);
    for (isize bytes = 0; bytes < 700; bytes++) {
        const u8 *p = data + bytes % 16;
        assert_int_equal(crc32_ieee(0, p, bytes), slow_crc(0xEDB88320U, UINT32_MAX, p, bytes));
        assert_true(crc64_nvme(0, p, bytes) ==
                    slow_crc(0x9A6C9329AC4BC9B5ULL, UINT64_MAX, p, bytes));
    }
    for (isize cut = 0; cut <= BYTES; cut += 61) { /* Going on from a state. */
        u32 crc = crc32_ieee(crc32_ieee(0, data, cut), data + cut, BYTES - cut);
        assert_int_equal(crc, crc32_ieee(0, data, BYTES));
        u64 wide = crc64_nvme(crc64_nvme(0, data, cut), data + cut, BYTES - cut);
        assert_true(wide == crc64_nvme(0, data, BYTES));
    }
}

static void parts_make_the_whole(void **state)
{
    (void)state;
    static u8 data[BYTES];
    fill(data, BYTES);
    static const enum s3_algorithm linear[] = {S3_CRC32, S3_CRC32C, S3_CRC64NVME};
    for (isize i = 0; i < COUNT_OF(linear); i++) {
        u64 whole = crc_of(linear[i], data, BYTES);
        for (isize cut = 0; cut <= BYTES; cut += 97) {
            u64 a = crc_of(linear[i], data, cut), b = crc_of(linear[i], data + cut, BYTES - cut);
            assert_true(s3_crc_combine(linear[i], a, b, (u64)(BYTES - cut)) == whole);
        }
    }
}

static void names_are_known(void **state)
{
    (void)state;
    assert_int_equal(s3_algorithm_parse(STR("crc32c")), S3_CRC32C);
    assert_int_equal(s3_algorithm_parse(STR("MD5")), S3_NONE);
    assert_int_equal(s3_algorithm_parse_header(STR("X-Amz-Checksum-Sha256")), S3_SHA256);
    assert_int_equal(s3_algorithm_parse_header(STR("x-amz-checksum-mode")), S3_NONE);
    assert_true(s3_algorithm_is_linear(S3_CRC64NVME));
    assert_false(s3_algorithm_is_linear(S3_SHA1));
}

static void xml_is_read(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct s3_xml *root;
    str text = STR("<?xml version=\"1.0\"?><a:R xmlns:a=\"u\"><A x=\"1\"> b&amp;&#65; </A><A>2</A>"
                   "<B><C>deep</C></B></a:R>");
    assert_int_equal(s3_xml_parse(&arena, text, &root), OK);
    assert_str(root->name, "R");
    assert_str(s3_xml_text(root, "A"), "b&A");
    assert_str(root->child->text, " b&A ");
    assert_str(s3_xml_text(s3_xml_child(root, "B"), "C"), "deep");
    assert_null(s3_xml_child(root, "X"));
    assert_null(s3_xml_child(NULL, "X"));
    arena_deinit(&arena);
}

static void bad_xml_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "<a>",
        "<a></b>",
        "<a/><b/>",
        "text",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<a>&unknown;</a>",
        "<a>\xff</a>",
    };
    struct arena arena = {0};
    struct s3_xml *root;
    for (isize i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(s3_xml_parse(&arena, str_of(bad[i]), &root), ERR_SYNTAX);
    }
    for (int over = 0; over <= 1; over++) {
        struct buf text = {0};
        for (int i = 0; i < S3_XML_DEPTH_MAX + over; i++) {
            buf_append(&text, STR("<a>"));
        }
        for (int i = 0; i < S3_XML_DEPTH_MAX + over; i++) {
            buf_append(&text, STR("</a>"));
        }
        assert_int_equal(s3_xml_parse(&arena, buf_str(&text), &root), over == 0 ? OK : ERR_LIMIT);
        buf_reset(&text);
        buf_append(&text, STR("<a>"));
        for (int i = 0; i < S3_XML_NODES_MAX - 1 + over; i++) {
            buf_append(&text, STR("<b/>"));
        }
        buf_append(&text, STR("</a>"));
        assert_int_equal(s3_xml_parse(&arena, buf_str(&text), &root), over == 0 ? OK : ERR_LIMIT);
        buf_deinit(&text);
    }
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_values),         cmocka_unit_test(folding_equals_the_definition),
        cmocka_unit_test(parts_make_the_whole), cmocka_unit_test(names_are_known),
        cmocka_unit_test(xml_is_read),          cmocka_unit_test(bad_xml_is_refused),
    };
    return cmocka_run_group_tests_name("s3_digest", tests, NULL, NULL);
}
