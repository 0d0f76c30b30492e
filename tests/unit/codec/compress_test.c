/* gzip and zstd: there and back in small steps, several streams in one, cut off, damaged, bombs. */
#include "base/rng.h"
#include "codec/compress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void fill(struct buf *out, isize bytes)
{
    struct rng rng;
    rng_init(&rng, 11);
    while (out->len < bytes) {
        buf_printf(out, "row %d of the text, ", (int)rng_below(&rng, 1000));
    }
}

static void squeeze(enum compress_kind kind, str text, isize step, struct buf *out)
{
    struct compressor *c = compressor_new(kind, 0);
    for (isize at = 0; at < text.len; at += step) {
        assert_int_equal(compressor_write(c, str_slice(text, at, at + step), out), OK);
    }
    assert_int_equal(compressor_finish(c, out), OK);
    compressor_free(c);
}

/* What reading ends with: OK when it is whole. */
static err expand(enum compress_kind kind, str in, isize step,
                  const struct decompress_limits *limits, struct buf *out)
{
    struct decompressor *d = decompressor_new(kind, limits);
    err e = ERR_AGAIN;
    for (isize at = 0; at < in.len && e == ERR_AGAIN; at += step) {
        str part = str_slice(in, at, at + step);
        do {
            e = decompressor_read(d, &part, out, 5000, NULL);
        } while (e == OK);
        assert_true(e != ERR_AGAIN || part.len == 0);
    }
    e = e == ERR_AGAIN ? decompressor_finish(d, NULL) : e;
    decompressor_free(d);
    return e;
}

static void there_and_back(void **state)
{
    (void)state;
    struct buf text = {0}, small = {0}, back = {0};
    fill(&text, 300000);
    for (int kind = COMPRESS_NONE; kind <= COMPRESS_ZSTD; kind++) {
        enum compress_kind k = (enum compress_kind)kind;
        buf_reset(&small);
        squeeze(k, buf_str(&text), 7000, &small);
        assert_true(k == COMPRESS_NONE || small.len < text.len / 3);
        assert_int_equal(compress_kind_of_bytes(buf_str(&small)), k);
        squeeze(k, STR("and more"), 3, &small);
        squeeze(k, STR_EMPTY, 1, &small);
        for (isize step = 1; step <= small.len; step = step == 1 ? 1000 : step * 1000) {
            buf_reset(&back);
            assert_int_equal(expand(k, buf_str(&small), step, NULL, &back), OK);
            assert_int_equal(back.len, text.len + 8);
            assert_memory_equal(back.data, text.data, (size_t)text.len);
            assert_true(str_ends(buf_str(&back), STR("and more")));
        }
    }
    buf_deinit(&text);
    buf_deinit(&small);
    buf_deinit(&back);
}

static void damage_and_limits(void **state)
{
    (void)state;
    struct buf text = {0}, small = {0}, back = {0};
    fill(&text, 100000);
    struct decompress_limits limits = {.bytes_max = 50000};
    for (int kind = COMPRESS_GZIP; kind <= COMPRESS_ZSTD; kind++) {
        enum compress_kind k = (enum compress_kind)kind;
        buf_reset(&small);
        squeeze(k, buf_str(&text), 7000, &small);
        str whole = buf_str(&small);
        assert_int_equal(expand(k, str_slice(whole, 0, whole.len - 1), 1000, NULL, &back),
                         ERR_CORRUPT);
        assert_int_equal(expand(k, whole, 1000, &limits, &back), ERR_LIMIT);
        assert_int_equal(expand(k, STR("no such stream at all"), 1000, NULL, &back), ERR_CORRUPT);
        small.data[small.len / 2] ^= 0x55;
        assert_int_equal(expand(k, whole, 1000, NULL, &back), ERR_CORRUPT);
        buf_reset(&small);
        buf_reset(&back);
        buf_reset(&text);
        buf_append_fill(&text, 0, COMPRESS_RATIO_FROM + (1 << 20));
        squeeze(k, buf_str(&text), 1 << 20, &small);
        assert_int_equal(expand(k, buf_str(&small), 1 << 20, NULL, &back), ERR_LIMIT);
        assert_true(back.len <= COMPRESS_RATIO_FROM + (1 << 20));
        buf_reset(&text);
        fill(&text, 100000);
    }
    buf_deinit(&text);
    buf_deinit(&small);
    buf_deinit(&back);
}

static void names(void **state)
{
    (void)state;
    enum compress_kind kind;
    assert_int_equal(compress_kind_parse(STR("GZIP"), &kind), OK);
    assert_int_equal(kind, COMPRESS_GZIP);
    assert_int_equal(compress_kind_parse(STR("lzma"), &kind), ERR_UNSUPPORTED);
    assert_int_equal(compress_kind_of_path(STR("a/b.csv.gz")), COMPRESS_GZIP);
    assert_int_equal(compress_kind_of_path(STR("a/b.zst")), COMPRESS_ZSTD);
    assert_int_equal(compress_kind_of_path(STR("a/b.csv")), COMPRESS_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(damage_and_limits),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
