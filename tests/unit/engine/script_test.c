/*
 * tests/unit/engine/script_test.c: runs tests/sql/NAME.test through a whole engine. A script has
 * blocks, each ended by an empty line:
 *
 *   stream NAME SHARDS      makes a stream
 *   sql                     then statements
 *   error TEXT              then statements that fail, with TEXT in the message
 *   feed NAME SHARD         then records, one a line, in one frame
 *   expect NAME             then the records that are new there, in any order
 *   ordered NAME            the same, in this order
 *   late N, restart, # comment
 */
#include "engine_fixture.h"

#include <dirent.h>

struct script {
    struct fixture f;
    const char *name;
    struct arena arena;
    struct {
        str name;
        isize seen;
    } streams[16];
    isize stream_count;
};

static str next_line(str *in)
{
    isize end = 0;
    while (end < in->len && in->data[end] != '\n') {
        end++;
    }
    str line = str_slice(*in, 0, end);
    *in = str_slice(*in, MIN(end + 1, in->len), in->len);
    return line;
}

static str next_word(str *in)
{
    *in = str_trim(*in);
    isize end = 0;
    while (end < in->len && in->data[end] != ' ') {
        end++;
    }
    str word = str_slice(*in, 0, end);
    *in = str_trim(str_slice(*in, end, in->len));
    return word;
}

static isize *seen_of(struct script *s, str name)
{
    for (isize i = 0; i < s->stream_count; i++) {
        if (str_eq(s->streams[i].name, name)) {
            return &s->streams[i].seen;
        }
    }
    fail_msg("%s: there is no stream " STR_FMT, s->name, STR_ARG(name));
    return &s->streams[0].seen;
}

static int compare(const void *a, const void *b)
{
    const str *x = a, *y = b;
    int order = memcmp(x->data, y->data, (size_t)MIN(x->len, y->len));
    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static void expect(struct script *s, str name, str *wanted, isize count, bool is_ordered)
{
    enum { SETTLE_MS = 30 };
    isize *seen = seen_of(s, name);
    (void)fixture_wait(&s->f, name, *seen + count);
    os_sleep_ms(s->f.os, SETTLE_MS);
    struct fixture_rows all = fixture_read(&s->f, name, &s->arena);
    isize got = all.count - *seen;
    str *rows = all.items + *seen;
    if (!is_ordered && got > 0 && count > 0) {
        qsort(rows, (size_t)got, sizeof(str), compare);
        qsort(wanted, (size_t)count, sizeof(str), compare);
    }
    for (isize i = 0; i < MIN(got, count); i++) {
        if (!str_eq(rows[i], wanted[i])) {
            fail_msg("%s: row %td is " STR_FMT ", expected " STR_FMT, s->name, i, STR_ARG(rows[i]),
                     STR_ARG(wanted[i]));
        }
    }
    for (isize i = 0; got != count && i < got; i++) {
        print_error("%s: " STR_FMT "\n", s->name, STR_ARG(rows[i]));
    }
    if (got != count && streams_find(s->f.streams, fixture_id(STR(ENGINE_DEAD_LETTERS))) != NULL) {
        all = fixture_read(&s->f, STR(ENGINE_DEAD_LETTERS), &s->arena);
        print_error("%s: dead letter: " STR_FMT "\n", s->name, STR_ARG(all.items[all.count - 1]));
    }
    if (got != count) {
        fail_msg("%s: %td rows, expected %td; job: %s", s->name, got, count,
                 fixture_job(&s->f, 0) == NULL ? "none" : fixture_job(&s->f, 0)->reason);
    }
    *seen += got;
}

static void run_sql(struct script *s, str text, str error)
{
    err e = fixture_sql(&s->f, text);
    if (error.len == 0 && e != OK) {
        fail_msg("%s: %s", s->name, s->f.diag.message);
    }
    if (error.len > 0 && (e == OK || str_find(str_of(s->f.diag.message), error, 0) < 0)) {
        fail_msg("%s: \"%s\" instead of \"" STR_FMT "\"", s->name, s->f.diag.message,
                 STR_ARG(error));
    }
}

static void late(struct script *s, str number)
{
    i64 wanted;
    u64 got = 0;
    assert_int_equal(str_to_i64(number, &wanted), OK);
    for (struct engine_job *job = s->f.engine->jobs; job != NULL; job = job->next) {
        got += job->counters.late_rows;
    }
    if (got != (u64)wanted) {
        fail_msg("%s: %d late rows, expected %d", s->name, (int)got, (int)wanted);
    }
}

static void run_block(struct script *s, str head, str body, str *lines, isize count)
{
    str word = next_word(&head);
    i64 number = 0;
    if (str_eq(word, STR("stream"))) {
        s->streams[s->stream_count].name = next_word(&head);
        assert_int_equal(str_to_i64(head, &number), OK);
        fixture_stream(&s->f, s->streams[s->stream_count++].name, (i32)number);
    } else if (str_eq(word, STR("sql"))) {
        run_sql(s, body, STR_EMPTY);
    } else if (str_eq(word, STR("error"))) {
        run_sql(s, body, head);
    } else if (str_eq(word, STR("feed"))) {
        str name = next_word(&head);
        assert_int_equal(str_to_i64(head, &number), OK);
        fixture_put(&s->f, name, (u32)number, lines, count);
    } else if (str_eq(word, STR("expect")) || str_eq(word, STR("ordered"))) {
        expect(s, head, lines, count, str_eq(word, STR("ordered")));
    } else if (str_eq(word, STR("late"))) {
        late(s, head);
    } else if (str_eq(word, STR("restart"))) {
        fixture_close(&s->f);
        fixture_open(&s->f);
    } else {
        fail_msg("%s: unknown block " STR_FMT, s->name, STR_ARG(word));
    }
}

static void run_text(struct script *s, str in)
{
    while (in.len > 0) {
        str head = next_line(&in);
        if (str_trim(head).len == 0 || head.data[0] == '#') {
            continue;
        }
        str *lines = NULL;
        isize count = 0;
        const u8 *from = in.data;
        str line;
        while (in.len > 0 && (line = next_line(&in)).len > 0) {
            lines = arena_grow(&s->arena, lines, count, (isize)sizeof(str));
            lines[count++] = line;
        }
        run_block(s, head, (str){from, in.data - from}, lines, count);
    }
}

static void run_file(const char *dir, const char *name)
{
    struct script s = {.name = name};
    char path[512];
    str text;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    fixture_make(&s.f);
    assert_int_equal(os_read_file(s.f.os, path, 1 << 20, &s.arena, &text), OK);
    run_text(&s, text);
    fixture_remove(&s.f);
    arena_deinit(&s.arena);
}

static void test_scripts(void **state)
{
    (void)state;
    static const char *const cuts[] = {"64", "1"};
    for (isize i = 0; i < COUNT_OF(cuts); i++) {
        setenv("LEAT_STEP_FRAMES", cuts[i], 1);
        setenv("LEAT_SNAPSHOT_STEPS", i == 0 ? "1000" : "2", 1);
        DIR *dir = opendir("tests/sql");
        assert_non_null(dir);
        int count = 0;
        for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
            isize len = (isize)strlen(entry->d_name);
            if (len > 5 && strcmp(entry->d_name + len - 5, ".test") == 0) {
                run_file("tests/sql", entry->d_name);
                count++;
            }
        }
        closedir(dir);
        assert_true(count > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scripts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
