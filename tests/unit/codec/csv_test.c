/* CSV: every kind of dirt, fed in chunks of every size; columns and writing. */
#include "codec/compress.h"
#include "codec/csv.h"
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;

/* Rows as "a|b|c;" and bad ones as "!line:why;". */
static str read_all(const struct csv_options *options, str text, isize chunk, struct buf *out)
{
    struct csv_reader *reader;
    assert_int_equal(csv_reader_new(options, &reader, NULL), OK);
    buf_reset(out);
    struct csv_row row;
    isize at = 0;
    u64 end = 0;
    for (;;) {
        err e = csv_reader_next(reader, &row);
        if (e == ERR_END) {
            break;
        }
        if (e == ERR_AGAIN) {
            if (at == text.len) {
                csv_reader_finish(reader);
            } else {
                csv_reader_feed(reader, str_slice(text, at, at + chunk));
                at = MIN(at + chunk, text.len);
            }
            continue;
        }
        assert_true(row.offset >= end && row.end_offset > row.offset);
        end = row.end_offset;
        if (e == ERR_INVALID) {
            buf_printf(out, "!%d:%s;", (int)row.line, row.problem);
            continue;
        }
        for (isize i = 0; i < row.count; i++) {
            buf_append(out, i > 0 ? STR("|") : STR_EMPTY);
            buf_append(out, row.fields[i]);
        }
        buf_append_byte(out, ';');
    }
    csv_reader_free(reader);
    return buf_str(out);
}

static void expect_by(const struct csv_options *options, str text, const char *wanted)
{
    struct buf out = {0};
    for (isize chunk = 1; chunk < 40; chunk += chunk < 5 ? 1 : 17) {
        str got = read_all(options, text, chunk, &out);
        if (!str_eq(got, str_of(wanted))) {
            print_error("in chunks of %d: got " STR_FMT "\nnot %s\n", (int)chunk, STR_ARG(got),
                        wanted);
            fail();
        }
    }
    buf_deinit(&out);
}

static void expect(const char *text, const char *wanted)
{
    struct csv_options options = {0};
    expect_by(&options, str_of(text), wanted);
}

static void every_kind_of_dirt(void **state)
{
    (void)state;
    expect("", "");
    expect("a,b\n1,2\n", "a|b;1|2;");
    expect("a,b\n1,2", "a|b;1|2;");
    expect("a,b\r\n1,2\r\n", "a|b;1|2;");
    expect("a,b\r1,2\r", "a|b;1|2;");
    expect("a\nb\r\nc\rd", "a;b;c;d;");
    expect("\xef\xbb\xbf"
           "ID,x\n",
           "ID|x;");
    expect("\xef\xbb\xbf\"ID\",x\n", "ID|x;");
    expect(",\n,,", "|;||;");
    expect("\n\r\n\na\n\n", "a;");
    expect("\"a,b\",\"c\nd\",\"e\r\nf\"\n", "a,b|c\nd|e\r\nf;");
    expect("\"say \"\"hi\"\"\",\"\",\"\"\"\"\n", "say \"hi\"||\";");
    expect("a\"b,c\"\n", "a\"b|c\";");
    expect("a,46:00.0\n", "a|46:00.0;");
    expect(" a , b \n", " a | b ;");
    expect("a\n\"b,c\nd\n", "a;!2:a quote is not closed before the end;d;");
    expect("x\n\"a\"b,c\ny\n", "x;!2:text stands behind a closing quote;y;");
    expect("x\na\xff,b\ny\n", "x;!2:bytes that are not UTF-8;y;");
    expect("caf\xc3\xa9,\xf0\x9f\x98\x80\n", "caf\xc3\xa9|\xf0\x9f\x98\x80;");
    expect("\"a\nb\",1\n\xff\n", "a\nb|1;!3:bytes that are not UTF-8;");
    expect("a,b,c\n1,2\n1,2,3,4\n", "a|b|c;1|2;1|2|3|4;");
    expect("GETTYSBURG\\CAMP HILL,Zaragoza\\tBlvd\n", "GETTYSBURG\\CAMP HILL|Zaragoza\\tBlvd;");
    struct csv_options plain = {0};
    expect_by(&plain, STR("x\na\0b\ny\n"), "x;!2:a NUL byte;y;");
}

static void options_change_the_reading(void **state)
{
    (void)state;
    struct csv_options tab = {.delimiter = '\t', .quote = '\''};
    expect_by(&tab, STR("a,b\t'c\td'\n"), "a,b|c\td;");
    struct csv_options bare = {.has_no_quotes = true};
    expect_by(&bare, STR("\"a,b\"\n"), "\"a|b\";");
    struct csv_options escape = {.escape = '\\'};
    expect_by(&escape, STR("a\\,b,\"c\\\"d\",\\\\\n"), "a,b|c\"d|\\;");
    struct csv_options comments = {.allows_comments = true};
    expect_by(&comments, STR("#x,\"\na,#b\n#\n"), "a|#b;");
    struct csv_options same = {.delimiter = '"'};
    struct csv_reader *reader;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(csv_reader_new(&same, &reader, &diag), ERR_INVALID);
    assert_true(diag_is_set(&diag));
}

/* `text`, then `count` times 'x', then "\nend\n". */
static void limit_case(const char *head, isize count, bool is_bad)
{
    struct buf text = {0}, out = {0};
    buf_append(&text, str_of(head));
    buf_append_fill(&text, 'x', count);
    buf_append(&text, STR("\nend\n"));
    struct csv_options options = {0};
    str got = read_all(&options, buf_str(&text), 65536, &out);
    assert_int_equal(got.data[0] == '!', is_bad);
    assert_true(str_ends(got, STR(";end;")));
    buf_deinit(&text);
    buf_deinit(&out);
}

static void limits_hold(void **state)
{
    (void)state;
    limit_case("", CSV_FIELD_BYTES_MAX, false);
    limit_case("", CSV_FIELD_BYTES_MAX + 1, true);
    limit_case("\"", CSV_FIELD_BYTES_MAX, true);
    limit_case("a,", 40 << 20, true);
    struct buf text = {0}, out = {0};
    struct csv_options options = {0};
    buf_append_fill(&text, ',', CSV_FIELDS_MAX - 1);
    str got = read_all(&options, buf_str(&text), 1000, &out);
    assert_int_equal(got.len, CSV_FIELDS_MAX);
    buf_append_byte(&text, ',');
    got = read_all(&options, buf_str(&text), 1000, &out);
    assert_true(str_eq(got, STR("!1:more than 16384 fields in a row;")));
    buf_deinit(&text);
    buf_deinit(&out);
}

/* --- columns
 * --------------------------------------------------------------------------------------------- */

static void columns_by_name(void **state)
{
    (void)state;
    struct type_field fields[] = {
        {STR("Severity"), type_of(TYPE_INT), STR_EMPTY},
        {STR("City"), type_of(TYPE_VARCHAR), STR_EMPTY},
        {STR("Gone"), type_of(TYPE_DOUBLE), STR_EMPTY},
        {STR("At"), type_timestamp(&arena, TYPE_TIMESTAMP, 3), STR_EMPTY},
        {STR("Tags"), type_array(&arena, type_of(TYPE_INT)), STR_EMPTY},
    };
    str names[] = {STR("City"), STR("At"), STR("Severity"), STR("Tags")};
    struct csv_row header = {.fields = names, .count = 4};
    struct csv_rows_options options = {.has_null_literal = true, .null_literal = STR("n/a")};
    struct csv_rows *rows;
    assert_int_equal(csv_rows_new(fields, 5, &options, &header, &rows, NULL), OK);
    struct vec cols[5];
    for (int i = 0; i < 5; i++) {
        vec_init(&cols[i], &arena, fields[i].type, 4, true);
    }
    struct csv_issue issue;
    str good[] = {STR("a, long \"city\" name of over 24 characters"),
                  STR("2026-11-24 01:02:03.4567"), STR(" 3 "), STR("1;2;;4")};
    struct csv_row row = {.fields = good, .count = 4};
    assert_int_equal(csv_rows_put(rows, &row, cols, 0, &arena, &issue), OK);
    str nulls[] = {STR("n/a"), STR(""), STR(""), STR("")};
    row.fields = nulls;
    assert_int_equal(csv_rows_put(rows, &row, cols, 1, &arena, &issue), OK);
    str bad[] = {STR(""), STR("46:00.0"), STR("2"), STR("1")};
    row.fields = bad;
    assert_int_equal(csv_rows_put(rows, &row, cols, 2, &arena, &issue), ERR_TYPE);
    assert_int_equal(issue.column, 3);
    row.count = 3;
    assert_int_equal(csv_rows_put(rows, &row, cols, 3, &arena, &issue), ERR_TYPE);
    assert_int_equal(issue.column, -1);
    struct buf out = {0};
    struct csv_options how = {0};
    for (isize i = 0; i < 3; i++) {
        csv_write_row(&how, &options, cols, 5, i, &arena, &out);
    }
    const char *wanted =
        "3,\"a, long \"\"city\"\" name of over 24 characters\",n/a,\"2026-11-24 01:02:03.456\","
        "1;2;n/a;4\nn/a,n/a,n/a,n/a,n/a\n2,,n/a,n/a,1\n";
    if (!str_eq(buf_str(&out), str_of(wanted))) {
        print_error(STR_FMT "\n", STR_ARG(buf_str(&out)));
        fail();
    }
    buf_deinit(&out);
    csv_rows_free(rows);
    names[0] = STR("Severity");
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(csv_rows_new(fields, 5, &options, &header, &rows, &diag), ERR_INVALID);
    assert_non_null(strstr(diag.message, "twice"));
}

/* Rows by hand for what the published files and their spreadsheet copies hold: docs/generator.md
 * names the kinds. "!column" where a field is bad, with what the row then holds. */
static void dirt_of_the_data_set(void **state)
{
    (void)state;
    static const struct {
        const char *line, *wanted;
    } cases[] = {
        {"A-1,Source1,3,2016-02-08 05:46:00,Clean,36.9,False",
         "A-1,3,\"2016-02-08 05:46:00\",Clean,,36.9,false"},
        {"A-2,Source1,2,2016-02-08 05:46:00.000000000,x,77.0,True",
         "A-2,2,\"2016-02-08 05:46:00\",x,,77.0,true"},
        {"A-3,Source2,2,2016-02-08 05:46:00.123456,x,69,TRUE",
         "A-3,2,\"2016-02-08 05:46:00.123\",x,,69.0,true"},
        {"A-4,,2,,,,", "A-4,2,,,,,"},
        {"A-5,Source1,2,46:00.0,x,1.0,FALSE", "!2 A-5,2,,x,,1.0,false"},
        {"A-6,Source1,2,2/8/2016 5:46,x,1.0,False", "!2 A-6,2,,x,,1.0,false"},
        {"A-7,Source1,2,08-02-2016 05:46,x,1.0,False", "!2 A-7,2,,x,,1.0,false"},
        {"A-8,Source1,3.0,2016-02-08 05:46:00,x,1.0,False",
         "!1 A-8,,\"2016-02-08 05:46:00\",x,,1.0,false"},
        {"A-9,Source1,2,2016-02-08 05:46:00, Leading and trailing ,1.0,False",
         "A-9,2,\"2016-02-08 05:46:00\",\" Leading and trailing \",,1.0,false"},
        {"A-10,Source1,2,2016-02-08 05:46:00,GETTYSBURG\\CAMP HILL\\tX,1.0,False",
         "A-10,2,\"2016-02-08 05:46:00\",\"GETTYSBURG\\CAMP HILL\\tX\",,1.0,false"},
        {"A-11,Source1,2,2016-02-08 05:46:00,Pap\xc3\xa9\xc2\xa0,1.0,False",
         "A-11,2,\"2016-02-08 05:46:00\",Pap\xc3\xa9\xc2\xa0,,1.0,false"},
        {"A-12,Source1,2,2016-02-08 05:46:00,Pap\xef\xbf\xbd 1&amp;9,1.0,False",
         "A-12,2,\"2016-02-08 05:46:00\",\"Pap\xef\xbf\xbd 1&amp;9\",,1.0,false"},
        {"A-13,Source1,2,2016-02-08 05:46:00,\"a, \"\"b\"\"\",1.0,False",
         "A-13,2,\"2016-02-08 05:46:00\",\"a, \"\"b\"\"\",,1.0,false"},
        {"A-14,Source1,2,2016-02-08 05:46:00,{[#;@']},-89,False",
         "A-14,2,\"2016-02-08 05:46:00\",\"{[#;@']}\",,-89.0,false"},
        {"A-15,Source1,2,2016-02-08 05:46:00,x,1e400,False",
         "A-15,2,\"2016-02-08 05:46:00\",x,,Infinity,false"},
        {"A-16,Source1,2,2016-02-30 05:46:00,x,n/a,no", "!2 A-16,2,,x,,,false"},
        {"A-17,Source1,2,2016-02-08 05:46:00,x", "!-1 A-17,2,\"2016-02-08 05:46:00\",x,,,"},
        {"A-18,Source1,2,2016-02-08 05:46:00,x,1.0,False,more",
         "!-1 A-18,2,\"2016-02-08 05:46:00\",x,,1.0,false"},
    };
    struct type_field fields[] = {
        {STR("ID"), type_of(TYPE_VARCHAR), STR_EMPTY},
        {STR("Severity"), type_of(TYPE_BIGINT), STR_EMPTY},
        {STR("Start_Time"), type_timestamp(&arena, TYPE_TIMESTAMP, 3), STR_EMPTY},
        {STR("Description"), type_of(TYPE_VARCHAR), STR_EMPTY},
        {STR("Number"), type_of(TYPE_VARCHAR), STR_EMPTY}, /* Not in this layout. */
        {STR("Temperature(F)"), type_of(TYPE_DOUBLE), STR_EMPTY},
        {STR("Bump"), type_of(TYPE_BOOLEAN), STR_EMPTY},
    };
    struct csv_options form = {0};
    struct csv_rows_options options = {0};
    struct csv_reader *reader;
    struct csv_rows *rows;
    struct csv_row row;
    struct buf text = {0}, out = {0};
    assert_int_equal(csv_reader_new(&form, &reader, NULL), OK);
    buf_append(
        &text,
        STR("\xef\xbb\xbfID,Source,Severity,Start_Time,Description,Temperature(F),Bump\r\n"));
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        const char *end = i + 1 == COUNT_OF(cases) ? "" : i % 2 == 0 ? "\r\n" : "\n";
        buf_printf(&text, "%s%s", cases[i].line, end); /* The last line has no end. */
    }
    csv_reader_feed(reader, buf_str(&text));
    csv_reader_finish(reader);
    assert_int_equal(csv_reader_next(reader, &row), OK);
    assert_int_equal(csv_rows_new(fields, COUNT_OF(fields), &options, &row, &rows, NULL), OK);
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        struct vec cols[COUNT_OF(fields)];
        struct csv_issue issue = {0};
        for (int k = 0; k < COUNT_OF(fields); k++) {
            vec_init(&cols[k], &arena, fields[k].type, 1, true);
        }
        assert_int_equal(csv_reader_next(reader, &row), OK);
        buf_reset(&out);
        if (csv_rows_put(rows, &row, cols, 0, &arena, &issue) != OK) {
            buf_printf(&out, "!%td ", issue.column);
        }
        csv_write_row(&form, &options, cols, COUNT_OF(fields), 0, &arena, &out);
        if (!str_eq(str_trim(buf_str(&out)), str_of(cases[i].wanted))) {
            print_error("%s\ngot  " STR_FMT "want %s\n", cases[i].line, STR_ARG(buf_str(&out)),
                        cases[i].wanted);
            fail();
        }
    }
    assert_int_equal(csv_reader_next(reader, &row), ERR_END);
    csv_rows_free(rows);
    csv_reader_free(reader);
    buf_deinit(&text);
    buf_deinit(&out);
}

/* --- real files
 * ------------------------------------------------------------------------------------------ */

static void count_file(const char *path, isize rows_wanted, isize columns_wanted)
{
    str text;
    assert_int_equal(os_read_file(os_real(), path, 64 << 20, &arena, &text), OK);
    struct csv_options options = {0};
    struct csv_reader *reader;
    assert_int_equal(csv_reader_new(&options, &reader, NULL), OK);
    if (str_ends(str_of(path), STR(".gz"))) {
        struct buf plain = {0};
        struct decompressor *gzip = decompressor_new(COMPRESS_GZIP, NULL);
        str in = text;
        while (decompressor_read(gzip, &in, &plain, 1 << 20, NULL) == OK) {
        }
        csv_reader_feed(reader, buf_str(&plain));
        buf_deinit(&plain);
        decompressor_free(gzip);
    } else {
        csv_reader_feed(reader, text);
    }
    csv_reader_finish(reader);
    struct csv_row row;
    isize rows = -1;
    err e;
    while ((e = csv_reader_next(reader, &row)) == OK) {
        rows++;
        assert_int_equal(row.count, columns_wanted);
    }
    assert_int_equal(e, ERR_END);
    assert_int_equal(rows, rows_wanted);
    csv_reader_free(reader);
}

static void real_files_have_their_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        isize rows, columns;
    } files[] = {{"dec20_49col_head500.csv", 500, 49},
                 {"dec20_49col_random10001_excel.csv.gz", 10001, 49},
                 {"dec20u_47col_head999.csv", 999, 47},
                 {"dec21_47col_6010_excel.csv.gz", 6010, 47},
                 {"m23_46col_random10000.csv.gz", 10000, 46},
                 {"m23_46col_random5020.csv.gz", 5020, 46},
                 {"m23_reduced20col_random386716.csv.gz", 386716, 20}};
    const char *shared = os_getenv("LEAT_SHARED");
    for (isize i = 0; i < COUNT_OF(files); i++) {
        str path = arena_printf(&arena, "%s/data/us-accidents/%s",
                                shared != NULL ? shared : "../shared", files[i].name);
        str probe;
        const char *name = arena_cstr(&arena, path);
        if (os_read_file(os_real(), name, 64 << 20, &arena, &probe) != OK) {
            print_message("skipped: no file at %s\n", name);
            skip();
        }
        count_file(name, files[i].rows, files[i].columns);
    }
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
        cmocka_unit_test(every_kind_of_dirt),   cmocka_unit_test(options_change_the_reading),
        cmocka_unit_test(limits_hold),          cmocka_unit_test(columns_by_name),
        cmocka_unit_test(dirt_of_the_data_set), cmocka_unit_test(real_files_have_their_rows),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
