/* aws/s3/s3_chunked.h: AWS's published example, cut in every way; what must be refused. */
#include "aws_fixture.h"

#include "aws/s3/s3_chunked.h"
#include "base/buf.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

/* "Signature calculations: transferring a payload in multiple chunks" of the S3 reference: 65
 * KiB + 1 KiB of "a". */
static const struct sigv4_claim claim = {
    .date = {(const u8 *)"20130524", 8},
    .region = {(const u8 *)"us-east-1", 9},
    .service = {(const u8 *)"s3", 2},
    .time = {(const u8 *)"20130524T000000Z", 16},
    .signature = {(const u8 *)"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
                  64},
};
static const char *const signatures[] = {
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
};

static void chunk_append(struct buf *out, isize bytes, const char *signature)
{
    buf_printf(out, "%tx;chunk-signature=%s\r\n", bytes, signature);
    buf_append_fill(out, 'a', bytes);
    buf_append(out, STR("\r\n"));
}

static void published(struct buf *out)
{
    chunk_append(out, 65536, signatures[0]);
    chunk_append(out, 1024, signatures[1]);
    chunk_append(out, 0, signatures[2]);
}

struct outcome {
    err e;
    bool is_done;
    isize bytes;
};

/* Feeds the text in pieces of `step` bytes. */
static struct outcome feed(struct s3_chunked *chunked, str text, isize step)
{
    struct outcome outcome = {0};
    for (isize at = 0; at < text.len && outcome.e == OK; at += step) {
        str in = str_slice(text, at, at + step);
        while (in.len > 0 && outcome.e == OK) {
            str data;
            outcome.e = s3_chunked_next(chunked, &in, &data);
            outcome.bytes += outcome.e == OK ? data.len : 0;
        }
    }
    outcome.is_done = s3_chunked_is_done(chunked);
    return outcome;
}

static struct outcome feed_signed(str text, isize step)
{
    struct s3_chunked chunked;
    struct sigv4_chunks chunks;
    sigv4_chunks_begin(&chunks, &claim, STR(SECRET));
    s3_chunked_init(&chunked, true, false, &chunks);
    struct outcome outcome = feed(&chunked, text, step);
    s3_chunked_deinit(&chunked);
    return outcome;
}

static void the_published_example_is_right(void **state)
{
    (void)state;
    struct buf text = {0};
    published(&text);
    static const isize steps[] = {1, 2, 3, 7, 64, 85, 86, 87, 1000, 65536, 100000};
    for (isize i = 0; i < COUNT_OF(steps); i++) {
        struct outcome outcome = feed_signed(buf_str(&text), steps[i]);
        assert_int_equal(outcome.e, OK);
        assert_true(outcome.is_done);
        assert_int_equal(outcome.bytes, 66560);
    }
    buf_deinit(&text);
}

/* Whichever byte is changed: never accepted whole. */
static void a_changed_byte_is_found(void **state)
{
    (void)state;
    struct buf text = {0};
    published(&text);
    for (isize at = 0; at < text.len; at += at < 100 || at > 65600 ? 1 : 997) {
        text.data[at] ^= 1;
        struct outcome outcome = feed_signed(buf_str(&text), 100000);
        bool is_accepted = outcome.e == OK && outcome.is_done;
        /* Names of parameters, and digits in another case, are not part of what is signed. */
        assert_false(is_accepted);
        text.data[at] ^= 1;
    }
    for (isize len = 0; len < text.len; len += 331) {
        struct outcome outcome = feed_signed(str_slice(buf_str(&text), 0, len), 100000);
        assert_false(outcome.is_done);
    }
    buf_deinit(&text);
}

static struct outcome feed_plain(const char *text, isize step, struct s3_chunked *chunked)
{
    s3_chunked_init(chunked, false, true, NULL);
    struct outcome outcome = feed(chunked, str_of(text), step);
    s3_chunked_deinit(chunked);
    return outcome;
}

static void trailers_are_read(void **state)
{
    (void)state;
    static const char text[] = "5\r\nhello\r\nA\r\n0123456789\r\n0\r\n"
                               "x-amz-checksum-crc32c: sOO8/Q== \r\nOther:1\r\n\r\n";
    for (isize step = 1; step < 40; step++) {
        struct s3_chunked chunked;
        struct outcome outcome = feed_plain(text, step, &chunked);
        assert_int_equal(outcome.e, OK);
        assert_true(outcome.is_done);
        assert_int_equal(outcome.bytes, 15);
        assert_str(s3_chunked_trailer(&chunked, STR("x-amz-checksum-crc32c")), "sOO8/Q==");
        assert_str(s3_chunked_trailer(&chunked, STR("other")), "1");
        assert_int_equal(s3_chunked_trailer(&chunked, STR("absent")).len, 0);
    }
}

static void what_is_malformed_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\r\n",
        "x\r\n",
        "-1\r\n",
        "5 \r\n",
        "5\nhello\r\n",
        "5\r\nhellox\r\n",
        "5\r\nhello\n",
        "0\r\nnocolon\r\n\r\n",
        "0\r\n:value\r\n\r\n",
        "0\r\n\r\nx",
        "1234567890123456\r\n",
    };
    for (isize i = 0; i < COUNT_OF(bad); i++) {
        struct s3_chunked chunked;
        struct outcome outcome = feed_plain(bad[i], 1, &chunked);
        assert_int_not_equal(outcome.e, OK);
    }
}

static void lines_at_the_limit(void **state)
{
    (void)state;
    struct s3_chunked chunked;
    for (int over = 0; over <= 1; over++) {
        struct buf text = {0};
        buf_append(&text, STR("0;"));
        buf_append_fill(&text, 'x', S3_CHUNK_LINE_BYTES_MAX - 4 + over);
        buf_append(&text, STR("\r\n\r\n"));
        s3_chunked_init(&chunked, false, false, NULL);
        assert_int_equal(feed(&chunked, buf_str(&text), 100).e, over == 0 ? OK : ERR_LIMIT);
        s3_chunked_deinit(&chunked);
        buf_reset(&text);
        buf_append(&text, STR("0\r\n"));
        for (int i = 0; i < S3_TRAILERS_MAX + over; i++) {
            buf_append(&text, STR("a:b\r\n"));
        }
        buf_append(&text, STR("\r\n"));
        s3_chunked_init(&chunked, false, true, NULL);
        assert_int_equal(feed(&chunked, buf_str(&text), 100).e, over == 0 ? OK : ERR_LIMIT);
        s3_chunked_deinit(&chunked);
        buf_reset(&text);
        buf_append(&text, STR("0\r\na:"));
        buf_append_fill(&text, 'v', S3_TRAILER_BYTES_MAX - 6 + over);
        buf_append(&text, STR("\r\n\r\n"));
        s3_chunked_init(&chunked, false, true, NULL);
        assert_int_equal(feed(&chunked, buf_str(&text), 100).e, over == 0 ? OK : ERR_LIMIT);
        s3_chunked_deinit(&chunked);
        buf_deinit(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_example_is_right),
        cmocka_unit_test(a_changed_byte_is_found),
        cmocka_unit_test(trailers_are_read),
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(lines_at_the_limit),
    };
    return cmocka_run_group_tests_name("s3_chunked", tests, NULL, NULL);
}
