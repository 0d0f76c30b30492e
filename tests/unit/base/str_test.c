/* Comparing without case, and the limit of a buffer. */
#include "base/buf.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LENGTH_MAX = 20 };

/* As the standard has it in the C locale. */
static u8 lower(int c)
{
    return (u8)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Every pair of bytes at every place of texts up to two words and a rest. */
static void only_ascii_letters_are_folded_wherever_they_stand(void **state)
{
    (void)state;
    u8 a[LENGTH_MAX], b[LENGTH_MAX];
    memset(a, 'k', sizeof a);
    memset(b, 'K', sizeof b);
    for (isize length = 1; length <= LENGTH_MAX; length++) {
        for (isize at = 0; at < length; at++) {
            for (int pair = 0; pair < 256 * 256; pair++) {
                a[at] = (u8)(pair >> 8);
                b[at] = (u8)pair;
                bool is_same = lower(a[at]) == lower(b[at]);
                if (str_eq_nocase(str_from(a, length), str_from(b, length)) != is_same) {
                    fail_msg("bytes %d and %d at %d of %d", a[at], b[at], (int)at, (int)length);
                }
            }
            a[at] = 'k';
            b[at] = 'K';
        }
    }
}

static void texts_of_other_lengths_differ(void **state)
{
    (void)state;
    assert_true(str_eq_nocase(STR_EMPTY, STR("")));
    assert_false(str_eq_nocase(STR("content-type"), STR("content-typ")));
    assert_false(str_eq_nocase(STR("a"), STR_EMPTY));
    assert_true(str_starts_nocase(STR("APPLICATION/json"), STR("application/")));
    assert_false(str_starts_nocase(STR("app"), STR("application/")));
}

static void a_text_is_split_to_its_end(void **state)
{
    (void)state;
    static const char *const parts[] = {"", "a", "", "bc", ""};
    str rest = STR("/a//bc/");
    for (int i = 0; i < COUNT_OF(parts); i++) {
        bool found;
        str part = str_split(&rest, '/', &found);
        assert_int_equal(found, i < COUNT_OF(parts) - 1);
        assert_true(str_eq(part, str_of(parts[i])));
    }
    assert_int_equal(rest.len, 0);
    assert_int_equal(str_split(&rest, '/', NULL).len, 0);
    str none = STR_EMPTY;
    assert_null(str_split(&none, '/', NULL).data);
    assert_null(str_slice(none, 0, 5).data);
}

/* Growing by half must not pass it either: what has room is taken without a look at the limit. */
static void a_buffer_never_holds_more_than_its_limit(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    for (int i = 0; i < 100; i++) {
        buf_append_byte(&buf, 'x');
        assert_false(buf.failed);
        assert_true(buf.capacity <= 100);
    }
    buf_append_byte(&buf, 'x');
    assert_true(buf.failed);
    buf_append_bytes(&buf, "", 0);
    assert_int_equal(buf.len, 100);
    buf_reset(&buf);
    buf_append_fill(&buf, 'y', 101);
    assert_true(buf.failed);
    assert_int_equal(buf.len, 0);
    buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_ascii_letters_are_folded_wherever_they_stand),
        cmocka_unit_test(texts_of_other_lengths_differ),
        cmocka_unit_test(a_text_is_split_to_its_end),
        cmocka_unit_test(a_buffer_never_holds_more_than_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
