/*
 * tests/fuzz/sql_fuzz.c: any bytes as a script: split, lexed, parsed, bound against
 * a fixed catalog, planned, printed. Nothing may crash, leak or hang; every error
 * has a code and a message; every plan prints.
 */
#include "base/buf.h"
#include "sql/sql.h"

struct catalog {
    struct arena arena;
    struct table_def tables[3];
    str names[3];
    isize count;
    struct catalog_ops ops;
};

static const char script[] =
    "CREATE TABLE t (ID STRING, n BIGINT, d DOUBLE, b BOOLEAN, e DECIMAL(10, 2), ts TIMESTAMP(3),"
    " r ROW<a INT, q ARRAY<STRING>>, m MAP<STRING, INT>, k AS n * 2, p AS PROCTIME(),"
    " WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) PARTITIONED BY (n) WITH ('connector' = 'x');"
    "CREATE TABLE s (a STRING, n BIGINT NOT NULL) WITH ('connector' = 'x');"
    "CREATE VIEW v AS SELECT ID, n + 1 AS n1 FROM t WHERE b;";

static struct catalog catalog;

static err find_table(void *ctx, str database_catalog, str database, str name,
                      const struct table_def **out)
{
    (void)ctx;
    (void)database_catalog;
    (void)database;
    for (isize i = 0; i < catalog.count; i++) {
        if (str_eq(catalog.tables[i].name, name)) {
            *out = &catalog.tables[i];
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}

static isize names(void *ctx, str database_catalog, str database, const str **out)
{
    (void)ctx;
    (void)database_catalog;
    (void)database;
    *out = catalog.names;
    return catalog.count;
}

static void check_error(const struct diag *diag, str text)
{
    CHECK(diag_is_set(diag));
    CHECK(diag->code[0] != '\0');
    CHECK(diag->span_start <= text.len);
    struct buf out = {0};
    diag_render(diag, text, false, &out);
    buf_deinit(&out);
}

static void plan_one(struct arena *arena, const struct sql_statement *statement, str text)
{
    struct diag diag;
    struct plan plan;
    diag_init(&diag);
    if (sql_plan(arena, statement, &catalog.ops, &plan, &diag) != OK) {
        check_error(&diag, text);
        return;
    }
    struct buf out = {0};
    plan_format(plan.root, &out);
    CHECK(out.len > 0);
    (void)plan_fingerprint(plan.root);
    buf_deinit(&out);
}

static void create_one(struct arena *arena, const struct sql_statement *statement, str text)
{
    struct diag diag;
    struct table_def table;
    diag_init(&diag);
    if (sql_bind_create(arena, statement, &catalog.ops, &table, &diag) != OK) {
        check_error(&diag, text);
        return;
    }
    struct buf out = {0};
    sql_format_create(&table, &out);
    buf_deinit(&out);
}

static void run_one(struct arena *arena, str text)
{
    struct diag diag;
    struct sql_statement statement;
    diag_init(&diag);
    if (sql_parse(arena, text, &statement, &diag) != OK) {
        check_error(&diag, text);
        return;
    }
    switch ((int)statement.kind) {
    case SQL_CREATE_TABLE:
    case SQL_CREATE_VIEW:
        create_one(arena, &statement, text);
        return;
    case SQL_SELECT:
    case SQL_INSERT:
        plan_one(arena, &statement, text);
        return;
    case SQL_STATEMENT_SET:
        for (isize i = 0; i < statement.inner_count; i++) {
            plan_one(arena, &statement.inner[i], text);
        }
        return;
    default:
        return;
    }
}

static void fill_catalog(void)
{
    catalog.ops = (struct catalog_ops){.find_table = find_table,
                                       .names = names,
                                       .current_catalog = STR("c"),
                                       .current_database = STR("d")};
    struct sql_part *parts = NULL;
    isize count = 0;
    sql_split(&catalog.arena, str_of(script), &parts, &count);
    for (isize i = 0; i < count; i++) {
        struct diag diag;
        struct sql_statement statement;
        diag_init(&diag);
        CHECK(sql_parse(&catalog.arena, parts[i].text, &statement, &diag) == OK);
        CHECK(sql_bind_create(&catalog.arena, &statement, &catalog.ops, &catalog.tables[i],
                              &diag) == OK);
        catalog.names[i] = catalog.tables[i].name;
        catalog.count++;
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes);

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
    enum { SCRIPT_BYTES_MAX = 1 << 16 };
    if (catalog.count == 0) {
        fill_catalog();
    }
    if (bytes > SCRIPT_BYTES_MAX) {
        return 0;
    }
    struct arena arena = {0};
    struct sql_part *parts = NULL;
    isize count = 0;
    str text = {data, (isize)bytes};
    sql_split(&arena, text, &parts, &count);
    for (isize i = 0; i < count; i++) {
        run_one(&arena, parts[i].text);
    }
    run_one(&arena, text);
    arena_deinit(&arena);
    return 0;
}
