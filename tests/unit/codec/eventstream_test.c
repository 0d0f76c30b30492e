/* Event stream frames: bytes that other implementations write, there and back, every damage. */
#include "codec/eventstream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* As botocore's decoder takes it and AWS's SDK for JavaScript writes it. */
static const u8 known[] = {
    0x00, 0x00, 0x00, 0x3d, 0x00, 0x00, 0x00, 0x20, 0x07, 0xfd, 0x83, 0x96, 0x0c, 'c',  'o', 'n',
    't',  'e',  'n',  't',  '-',  't',  'y',  'p',  'e',  0x07, 0x00, 0x10, 'a',  'p',  'p', 'l',
    'i',  'c',  'a',  't',  'i',  'o',  'n',  '/',  'j',  's',  'o',  'n',  '{',  '\'', 'f', 'o',
    'o',  '\'', ':',  '\'', 'b',  'a',  'r',  '\'', '}',  0x8d, 0x9c, 0x08, 0xb1,
};

static const struct eventstream_header type_header = {
    {(const u8 *)"content-type", 12}, {(const u8 *)"application/json", 16}, EVENTSTREAM_STRING};

static void known_bytes(void **state)
{
    (void)state;
    struct buf out = {0};
    buf_append(&out, STR("before"));
    isize start = eventstream_begin(&out, &type_header, 1);
    buf_append(&out, STR("{'foo':'bar'}"));
    eventstream_end(&out, start);
    assert_int_equal(out.len, 6 + (isize)sizeof known);
    assert_memory_equal(out.data + 6, known, sizeof known);
    str in = str_from(known, sizeof known);
    struct eventstream_frame frame;
    assert_int_equal(eventstream_take(&in, &frame), OK);
    assert_int_equal(in.len, 0);
    assert_int_equal(frame.header_count, 1);
    assert_true(str_eq(eventstream_text(&frame, STR("content-type")), STR("application/json")));
    assert_int_equal(eventstream_text(&frame, STR("other")).len, 0);
    assert_true(str_eq(frame.payload, STR("{'foo':'bar'}")));
    buf_deinit(&out);
}

static void frames_come_in_pieces(void **state)
{
    (void)state;
    struct buf out = {0};
    for (int i = 0; i < 3; i++) {
        isize start = eventstream_begin(&out, &type_header, i);
        buf_append_fill(&out, (u8)i, (isize)i * 700);
        eventstream_end(&out, start);
        if (i == 1) {
            break;
        }
    }
    isize taken = 0;
    str in = str_from(out.data, 0);
    for (isize at = 0; at <= out.len; at++) {
        in.len = at - (in.data - out.data);
        struct eventstream_frame frame;
        err e = eventstream_take(&in, &frame);
        assert_true(e == OK || e == ERR_AGAIN);
        if (e == OK) {
            assert_int_equal(frame.payload.len, taken * 700);
            assert_int_equal(frame.header_count, taken);
            taken++;
        }
    }
    assert_int_equal(taken, 2);
    buf_deinit(&out);
}

static void each_bit_counts(void **state)
{
    (void)state;
    for (isize bit = 0; bit < (isize)sizeof known * 8; bit++) {
        u8 copy[sizeof known];
        memcpy(copy, known, sizeof known);
        copy[bit / 8] ^= (u8)(1 << bit % 8);
        str in = str_from(copy, sizeof copy);
        struct eventstream_frame frame;
        assert_int_equal(eventstream_take(&in, &frame), ERR_CORRUPT);
        assert_int_equal(in.len, sizeof known);
    }
}

/* A frame whose checksums are right, around any headers. */
static err take_with(str headers, struct eventstream_frame *frame, struct buf *out)
{
    buf_reset(out);
    isize start = eventstream_begin(out, NULL, 0);
    buf_append(out, headers);
    if (headers.len > 0) {
        out->data[start + 7] = (u8)headers.len;
    }
    eventstream_end(out, start);
    str in = buf_str(out);
    return eventstream_take(&in, frame);
}

static void every_type_of_header(void **state)
{
    (void)state;
    struct buf out = {0};
    struct eventstream_frame frame;
    const str all = STR("\1a\0\1b\1\1c\2x\1d\3xx\1e\4xxxx\1f\5xxxxxxxx\1g\6\0\2xx\1h\7\0\3abc"
                        "\1i\10xxxxxxxx\1j\11xxxxxxxxxxxxxxxx");
    assert_int_equal(take_with(all, &frame, &out), OK);
    assert_int_equal(frame.header_count, 10);
    static const isize bytes[] = {0, 0, 1, 2, 4, 8, 2, 3, 8, 16};
    for (int i = 0; i < 10; i++) {
        assert_int_equal(frame.headers[i].type, i);
        assert_int_equal(frame.headers[i].value.len, bytes[i]);
    }
    assert_true(str_eq(eventstream_text(&frame, STR("h")), STR("abc")));
    assert_int_equal(eventstream_text(&frame, STR("g")).len, 0);
    /* Cut anywhere but between two headers it is damaged. */
    for (isize cut = 1; cut < all.len; cut++) {
        err e = take_with(str_slice(all, 0, cut), &frame, &out);
        assert_true(e == ERR_CORRUPT ||
                    (e == OK && all.data[cut] == 1 && all.data[cut + 1] >= 'a'));
    }
    assert_int_equal(take_with(STR("\1a\12"), &frame, &out), ERR_CORRUPT);
    assert_int_equal(take_with(STR("\0\0"), &frame, &out), ERR_CORRUPT);
    const str seventeen =
        STR("\1a\0\1a\0\1a\0\1a\0\1a\0\1a\0\1a\0\1a\0\1a\0\1a\0\1a\0\1a\0\1a\0\1a\0"
            "\1a\0\1a\0\1a\0");
    assert_int_equal(take_with(seventeen, &frame, &out), ERR_LIMIT);
    assert_int_equal(take_with(str_slice(seventeen, 0, 48), &frame, &out), OK);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_bytes),
        cmocka_unit_test(frames_come_in_pieces),
        cmocka_unit_test(each_bit_counts),
        cmocka_unit_test(every_type_of_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
