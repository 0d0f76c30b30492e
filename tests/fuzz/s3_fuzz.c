/*
 * tests/fuzz/s3_fuzz.c: any bytes as an aws-chunked body, in pieces, and as an XML body.
 * Nothing may crash or leak; how the bytes are cut into pieces changes nothing.
 */
#include "aws/s3/s3_chunked.h"
#include "aws/s3/s3_xml.h"
#include "base/buf.h"

struct outcome {
    err e;
    bool is_done;
    struct buf data;
};

static struct outcome decode(str text, isize step, bool is_signed)
{
    static struct s3_chunked chunked;
    static const struct sigv4_claim claim = {
        .signature = {
            (const u8 *)"4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", 64}};
    struct sigv4_chunks chunks;
    struct outcome outcome = {0};
    sigv4_chunks_begin(&chunks, &claim, STR("secret"));
    s3_chunked_init(&chunked, is_signed, true, &chunks);
    for (isize at = 0; at < text.len && outcome.e == OK; at += step) {
        str in = str_slice(text, at, at + step);
        while (in.len > 0 && outcome.e == OK) {
            str data;
            outcome.e = s3_chunked_next(&chunked, &in, &data);
            buf_append(&outcome.data, outcome.e == OK ? data : STR_EMPTY);
        }
    }
    outcome.is_done = s3_chunked_is_done(&chunked);
    s3_chunked_deinit(&chunked);
    return outcome;
}

static void check_chunked(str text)
{
    struct outcome whole = decode(text, text.len, false), bytes = decode(text, 1, false);
    struct outcome checked = decode(text, text.len, true);
    CHECK(whole.e == bytes.e);
    CHECK(whole.is_done == bytes.is_done);
    CHECK(str_eq(buf_str(&whole.data), buf_str(&bytes.data)));
    CHECK(!(checked.e == OK && checked.is_done)); /* Nobody guesses a signature. */
    buf_deinit(&whole.data);
    buf_deinit(&bytes.data);
    buf_deinit(&checked.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_from(data, (isize)size);
    if (size == 0) {
        return 0;
    }
    check_chunked(text);
    struct arena arena = {0};
    struct s3_xml *root = NULL;
    if (s3_xml_parse(&arena, text, &root) == OK) {
        CHECK(root != NULL);
        CHECK(root->name.len > 0);
    }
    arena_deinit(&arena);
    return 0;
}
