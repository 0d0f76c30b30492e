/* The learned layout: equal to the general scanner on mutated rows, and at the edge of memory. */
#include "base/rng.h"
#include "json_rows_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { ROUNDS = 3000, ROWS = 24, PAGE = 4096 };

static void put_row(struct buf *out, struct rng *rng, int form)
{
    static const char *const notes[] = {
        "",
        "plain",
        "a \\\"quoted\\\" one",
        "caf\xc3\xa9",
        "\\u00e9\\ud83d\\ude00",
        "a long text of well over sixty-four bytes, which no single step can span"};
    static const char *const times[] = {
        "2026-11-24 01:02:03",     "2026-11-24T01:02:03",         "2026-11-24T01:02:03.987654",
        "1969-12-31T23:59:59.75Z", "2026-11-24t01:02:03.",        "2024-02-29 23:59:59.000001",
        "2023-02-29 00:00:00",     "2026-11-24T01:02:03.9876543", "2026-11-24 24:00:00",
        "2026-11-24T01:02",        "+12026-11-24T01:02:03",       "2026-11-24 01:02:03.12Z"};
    const char *time = times[rng_below(rng, COUNT_OF(times))];
    const char *note = notes[rng_below(rng, COUNT_OF(notes))];
    int a = (int)rng_below(rng, 10), b = (int)rng_below(rng, 10), c = (int)rng_below(rng, 10);
    switch (form) {
    case 0:
        buf_printf(out,
                   "{\"ID\":\"A-%d\",\"Severity\":\"%d\",\"Note\":\"%s\",\"Lat\":\"%d.5\","
                   "\"At\":\"%s\",\"Tags\":[\"x\"],\"Last\":\"Day\"}",
                   a, b, note, c, time);
        break;
    case 1:
        buf_printf(out,
                   "{\n    \"ID\": \"A-%d\",\n    \"Severity\": \"%d\",\n    \"Note\": \"%s\",\n"
                   "    \"Lat\": %d.25,\n    \"At\": \"%s\",\n    \"An_unwanted_"
                   "name_of_more_than_64_characters_so_that_the_layout_ends_here\": null\n}\n",
                   a, b, note, c, time);
        break;
    default:
        buf_printf(out, "{\"Severity\":%d,\"ID\":%d,\"ID\":\"%s\",\"Lat\":%d,\"caf\xc3\xa9\":%d}",
                   a, b, note, c, a);
    }
}

/* One byte changed, taken or put in; or the end cut off. */
static void mutate(struct buf *text, isize from, struct rng *rng)
{
    static const char bytes[] = "\"\\{}[],: 0n\xff\x80\xc3\n";
    isize at = from + (isize)rng_below(rng, (u64)(text->len - from));
    u8 byte = (u8)bytes[rng_below(rng, sizeof bytes - 1)];
    switch (rng_below(rng, 4)) {
    case 0:
        text->data[at] = byte;
        break;
    case 1:
        memmove(text->data + at, text->data + at + 1, (size_t)(text->len - at - 1));
        text->len--;
        break;
    case 2:
        buf_append_byte(text, 0);
        memmove(text->data + at + 1, text->data + at, (size_t)(text->len - at - 1));
        text->data[at] = byte;
        break;
    default:
        text->len = at;
    }
}

static void levels_agree(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 7);
    struct buf text = {0}, a = {0}, b = {0};
    for (int round = 0; round < ROUNDS; round++) {
        isize ends[ROWS];
        str messages[ROWS];
        buf_reset(&text);
        for (int i = 0; i < ROWS; i++) {
            isize from = text.len;
            put_row(&text, &rng, rng_below(&rng, 8) > 0 ? round % 3 : (int)rng_below(&rng, 3));
            if (rng_below(&rng, 3) == 0) {
                mutate(&text, from, &rng);
            }
            ends[i] = text.len;
        }
        for (int i = 0; i < ROWS; i++) {
            isize from = i == 0 ? 0 : ends[i - 1];
            messages[i] = str_from(text.data + from, ends[i] - from);
        }
        if (!check_levels(messages, ROWS, &a, &b)) {
            isize at = 0;
            while (at < MIN(a.len, b.len) && a.data[at] == b.data[at]) {
                at++;
            }
            str one = str_slice(buf_str(&a), at - 80, at + 80);
            str other = str_slice(buf_str(&b), at - 80, at + 80);
            print_error("round %d: general\n" STR_FMT "\nother\n" STR_FMT "\n", round, STR_ARG(one),
                        STR_ARG(other));
            fail();
        }
    }
    buf_deinit(&text);
    buf_deinit(&a);
    buf_deinit(&b);
}

/* A row at every place before a page that must not be read, whole and cut off everywhere. */
static void nothing_is_read_beyond_the_page(void **state)
{
    (void)state;
    u8 *pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + 2 * PAGE, PAGE, PROT_NONE), 0);
    struct rng rng;
    rng_init(&rng, 3);
    struct buf row = {0}, a = {0}, b = {0};
    put_row(&row, &rng, 0);
    for (isize cut = 0; cut < row.len; cut++) {
        u8 *to = pages + 2 * PAGE - (row.len - cut);
        memcpy(to, row.data, (size_t)(row.len - cut));
        str messages[] = {buf_str(&row), buf_str(&row), str_from(to, row.len - cut)};
        assert_true(check_levels(messages, 3, &a, &b));
    }
    for (isize gap = 0; gap < PAGE - row.len; gap += 13) {
        u8 *to = pages + PAGE - row.len / 2 + gap % row.len - 40;
        memcpy(to, row.data, (size_t)row.len);
        str messages[] = {buf_str(&row), str_from(to, row.len)};
        assert_true(check_levels(messages, 2, &a, &b));
    }
    buf_deinit(&row);
    buf_deinit(&a);
    buf_deinit(&b);
    (void)munmap(pages, 3 * PAGE);
}

/* The first row is refused for its name; nothing may be learned of that. */
static void bad_bytes_are_not_learned(void **state)
{
    (void)state;
    str messages[] = {STR("{\"ID\":\"x\",\"Sev\xe5rity\":\"3\"}"),
                      STR("{\"ID\":\"x\",\"Sev\xe5rity\":\"3\"}")};
    struct buf a = {0}, b = {0};
    assert_true(check_levels(messages, 2, &a, &b));
    assert_int_equal(str_find(buf_str(&a), STR("0:{"), 0), -1);
    buf_deinit(&a);
    buf_deinit(&b);
}

static void a_layout_is_learned_and_left(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct json_rows_options options = {0};
    struct json_rows *rows = json_rows_new(check_fields(&arena), CHECK_FIELDS, &options);
    struct rng rng;
    rng_init(&rng, 5);
    struct buf row = {0};
    struct json_scan scan;
    static _Alignas(PAGE) u8 page[PAGE]; /* At the end of a page a row is not compared. */
    for (int form = 0; form < 3; form += 2) {
        for (int i = 0; i < 200; i++) {
            buf_reset(&row);
            put_row(&row, &rng, form);
            assert_true(row.len < PAGE / 2);
            memcpy(page, row.data, (size_t)row.len);
            str message = str_from(page, row.len);
            json_rows_scan(rows, &message, 1, &arena, &scan);
            assert_int_equal(scan.row_count, 1);
        }
        assert_int_equal(rows->layout.count, form == 0 ? 7 : 5);
        assert_int_equal(rows->layout.misses, 0);
    }
    json_rows_free(rows);
    buf_deinit(&row);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_agree),
        cmocka_unit_test(nothing_is_read_beyond_the_page),
        cmocka_unit_test(bad_bytes_are_not_learned),
        cmocka_unit_test(a_layout_is_learned_and_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
