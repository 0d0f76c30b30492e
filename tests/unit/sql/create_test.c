/* tests/unit/sql/create_test.c: definitions from CREATE, LIKE, and SHOW CREATE's text. */
#include "sql_fixture.h"

static const char base[] =
    "CREATE TABLE base (id STRING NOT NULL COMMENT 'the ''id''', n BIGINT, ts TIMESTAMP(3),"
    " m STRING METADATA FROM 'shard-id' VIRTUAL, c AS n + 1 COMMENT 'next', p AS PROCTIME(),"
    " WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (id, n) NOT ENFORCED)"
    " COMMENT 'it''s base' PARTITIONED BY (n)"
    " WITH ('connector' = 'kinesis', 'stream' = 's', 'aws.credentials.basic.secretkey' = 'hush',"
    " 'properties.sasl.PASSWORD' = 'hush');";

static void shows_what_was_created(void **state)
{
    (void)state;
    struct fixture f;
    struct buf out = {0};
    fixture_init(&f);
    fixture_must(&f, base);
    sql_format_create(&f.tables[0], &out);
    buf_append_byte(&out, 0);
    assert_string_equal((const char *)out.data,
                        "CREATE TABLE `default_catalog`.`default_database`.`base` (\n"
                        "  `id` STRING NOT NULL COMMENT 'the ''id''',\n"
                        "  `n` BIGINT NOT NULL,\n"
                        "  `ts` TIMESTAMP(3),\n"
                        "  `m` STRING METADATA FROM 'shard-id' VIRTUAL,\n"
                        "  `c` AS n + 1 COMMENT 'next',\n"
                        "  `p` AS PROCTIME(),\n"
                        "  WATERMARK FOR `ts` AS ts - INTERVAL '5' SECOND,\n"
                        "  CONSTRAINT `PK_id_n` PRIMARY KEY (`id`, `n`) NOT ENFORCED\n"
                        ")\n"
                        "COMMENT 'it''s base'\n"
                        "PARTITIONED BY (`n`)\n"
                        "WITH (\n"
                        "  'connector' = 'kinesis',\n"
                        "  'stream' = 's',\n"
                        "  'aws.credentials.basic.secretkey' = '******',\n"
                        "  'properties.sasl.PASSWORD' = '******'\n"
                        ")\n");
    /* The text makes the same table again. */
    out.len--;
    fixture_must(&f, arena_cstr(&f.arena, buf_str(&out)));
    struct buf again = {0};
    sql_format_create(&f.tables[1], &again);
    assert_true(str_eq(buf_str(&again), buf_str(&out)));
    buf_deinit(&again);
    buf_deinit(&out);
    fixture_deinit(&f);
}

static void types_know_time_and_keys(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    fixture_must(&f, base);
    const struct table_def *t = &f.tables[0];
    assert_false(t->columns[1].type->is_nullable);
    assert_int_equal(t->columns[2].type->time_attribute, TYPE_TIME_ROW);
    assert_int_equal(t->columns[4].type->kind, TYPE_BIGINT);
    assert_int_equal(t->columns[5].type->time_attribute, TYPE_TIME_PROC);
    assert_int_equal(t->partition_keys[0], 1);
    assert_true(str_eq(t->watermark_text, STR("ts - INTERVAL '5' SECOND")));
    assert_true(str_eq(t->columns[3].metadata_key, STR("shard-id")));
    fixture_deinit(&f);
}

static void names(const struct table_def *table, struct buf *out)
{
    for (isize i = 0; i < table->column_count; i++) {
        buf_printf(out, STR_FMT " ", STR_ARG(table->columns[i].name));
    }
    buf_printf(out, "| w%td k%td p%td |", table->watermark_column, table->primary_key_count,
               table->partition_key_count);
    for (isize i = 0; i < table->option_count; i++) {
        buf_printf(out, " " STR_FMT "=" STR_FMT, STR_ARG(table->options[i].key),
                   STR_ARG(sql_option_is_secret(table->options[i].key) ? STR("*")
                                                                       : table->options[i].value));
    }
}

static void like_takes_over_what_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"CREATE TABLE x (z INT) LIKE base", "id n ts m c p z | w2 k2 p1 | connector=kinesis "
                                             "stream=s aws.credentials.basic.secretkey=* "
                                             "properties.sasl.PASSWORD=*"},
        {"CREATE TABLE x WITH ('stream' = 't', 'format' = 'json') LIKE base (EXCLUDING GENERATED "
         "EXCLUDING METADATA EXCLUDING PARTITIONS)",
         "id n ts | w2 k2 p0 | connector=kinesis stream=t aws.credentials.basic.secretkey=* "
         "properties.sasl.PASSWORD=* format=json"},
        {"CREATE TABLE x (WATERMARK FOR ts AS ts) WITH ('connector' = 'y') LIKE base (EXCLUDING "
         "ALL "
         "INCLUDING CONSTRAINTS)",
         "id n ts | w2 k2 p0 | connector=y"},
        {"CREATE TABLE x (c AS n * 5, WATERMARK FOR ts AS ts) LIKE base (OVERWRITING GENERATED "
         "OVERWRITING "
         "WATERMARKS EXCLUDING OPTIONS) ",
         NULL},
        {"CREATE TABLE x (c AS n * 5, WATERMARK FOR ts AS ts) WITH ('connector' = 'z') LIKE base "
         "(OVERWRITING "
         "GENERATED OVERWRITING WATERMARKS EXCLUDING OPTIONS EXCLUDING CONSTRAINTS)",
         "id n ts m c p | w2 k0 p1 | connector=z"},
    };
    for (isize i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;
        struct buf out = {0};
        fixture_init(&f);
        fixture_must(&f, base);
        err e = fixture_run(&f, cases[i].text);
        if (cases[i].shown == NULL) {
            assert_int_equal(e, ERR_INVALID);
        } else {
            assert_int_equal(e, OK);
            names(&f.tables[1], &out);
            buf_append_byte(&out, 0);
            assert_string_equal((const char *)out.data, cases[i].shown);
        }
        buf_deinit(&out);
        fixture_deinit(&f);
    }
}

static void views_keep_names_and_text(void **state)
{
    (void)state;
    struct fixture f;
    struct buf out = {0};
    fixture_init(&f);
    fixture_must(&f, base);
    fixture_must(
        &f,
        "CREATE TEMPORARY VIEW v (a, `b c`) COMMENT 'x' AS SELECT id, n FROM base WHERE n > 2;");
    assert_true(f.tables[1].is_view && f.tables[1].is_temporary);
    sql_format_create(&f.tables[1], &out);
    buf_append_byte(&out, 0);
    assert_string_equal((const char *)out.data,
                        "CREATE TEMPORARY VIEW `default_catalog`.`default_database`.`v` (\n"
                        "  `a`,\n"
                        "  `b c`\n"
                        ") COMMENT 'x'\n"
                        "AS SELECT id, n FROM base WHERE n > 2\n");
    fixture_must(&f, "SELECT a, `b c` FROM v WHERE `b c` > 7");
    buf_deinit(&out);
    fixture_deinit(&f);
}

static void type_text_round_trips(void **state)
{
    (void)state;
    static const char *const types[] = {"BOOLEAN",
                                        "TINYINT",
                                        "SMALLINT",
                                        "INT",
                                        "BIGINT",
                                        "FLOAT",
                                        "DOUBLE",
                                        "DECIMAL(38, 10)",
                                        "CHAR(3)",
                                        "VARCHAR(50)",
                                        "STRING",
                                        "BINARY(2)",
                                        "VARBINARY(9)",
                                        "BYTES",
                                        "DATE",
                                        "TIME(0)",
                                        "TIMESTAMP(3)",
                                        "TIMESTAMP(9)",
                                        "TIMESTAMP_LTZ(3)",
                                        "ARRAY<INT NOT NULL>",
                                        "MAP<STRING, ARRAY<INT>>",
                                        "MULTISET<INT>",
                                        "ROW<`a` INT, `b c` ROW<`d` STRING NOT NULL>> NOT NULL"};
    for (isize i = 0; i < COUNT_OF(types); i++) {
        struct arena arena = {0};
        struct buf out = {0};
        struct diag diag;
        const struct type *type = NULL;
        diag_init(&diag);
        assert_int_equal(sql_parse_type(&arena, str_of(types[i]), &type, &diag), OK);
        type_format(type, &out);
        buf_append_byte(&out, 0);
        assert_string_equal((const char *)out.data, types[i]);
        buf_deinit(&out);
        arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_what_was_created), cmocka_unit_test(types_know_time_and_keys),
        cmocka_unit_test(like_takes_over_what_it_says), cmocka_unit_test(views_keep_names_and_text),
        cmocka_unit_test(type_text_round_trips)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
