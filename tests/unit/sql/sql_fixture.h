/* tests/unit/sql/sql_fixture.h: a catalog in memory that runs CREATE, DROP and plans the rest. */
#ifndef SQL_FIXTURE_H
#define SQL_FIXTURE_H

#include "base/buf.h"
#include "sql/sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { FIXTURE_TABLES_MAX = 64 };

struct fixture {
    struct arena arena; /* Of the tables. */
    struct table_def tables[FIXTURE_TABLES_MAX];
    str names[FIXTURE_TABLES_MAX];
    isize count;
    struct catalog_ops ops;
    struct arena plan_arena; /* Of the last statement. */
    struct plan plan;
    struct diag diag;
    str source; /* That the diag's span points into. */
};

static inline err fixture_find(void *ctx, str catalog, str database, str name,
                               const struct table_def **out)
{
    struct fixture *f = ctx;
    for (isize i = 0; i < f->count; i++) {
        if (str_eq(f->tables[i].name, name) && str_eq(f->tables[i].database, database) &&
            str_eq(f->tables[i].catalog, catalog)) {
            *out = &f->tables[i];
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}

static inline isize fixture_names(void *ctx, str catalog, str database, const str **out)
{
    struct fixture *f = ctx;
    isize n = 0;
    for (isize i = 0; i < f->count; i++) {
        if (str_eq(f->tables[i].database, database) && str_eq(f->tables[i].catalog, catalog)) {
            f->names[n++] = f->tables[i].name;
        }
    }
    *out = f->names;
    return n;
}

static inline err fixture_check(void *ctx, const struct table_def *table, struct diag *diag)
{
    (void)ctx;
    for (isize i = 0; i < table->option_count; i++) {
        if (str_eq(table->options[i].key, STR("connector"))) {
            return OK;
        }
    }
    return diag_set(diag, ERR_INVALID, "CON0001", "the table has no connector");
}

static inline const struct type *fixture_metadata(void *ctx, const struct table_def *table, str key)
{
    struct fixture *f = ctx;
    (void)table;
    if (str_eq(key, STR("timestamp"))) {
        return type_timestamp(&f->arena, TYPE_TIMESTAMP_LTZ, 3);
    }
    return str_eq(key, STR("shard-id")) ? type_char(&f->arena, TYPE_VARCHAR, 128) : NULL;
}

static inline str fixture_setting(void *ctx, str key)
{
    (void)ctx;
    (void)key;
    return STR_EMPTY;
}

static inline void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->ops = (struct catalog_ops){.find_table = fixture_find,
                                  .names = fixture_names,
                                  .check_table = fixture_check,
                                  .metadata_type = fixture_metadata,
                                  .setting = fixture_setting,
                                  .current_catalog = STR("default_catalog"),
                                  .current_database = STR("default_database"),
                                  .ctx = f};
}

static inline void fixture_deinit(struct fixture *f)
{
    arena_deinit(&f->arena);
    arena_deinit(&f->plan_arena);
}

/* Parses and binds one statement; a table is kept, a plan is in f->plan. */
static inline err fixture_one(struct fixture *f, str text)
{
    struct sql_statement statement;
    diag_init(&f->diag);
    f->source = text;
    arena_reset(&f->plan_arena);
    TRY(sql_parse(&f->plan_arena, text, &statement, &f->diag));
    switch ((int)statement.kind) {
    case SQL_CREATE_TABLE:
    case SQL_CREATE_VIEW:
        assert_true(f->count < FIXTURE_TABLES_MAX);
        TRY(sql_bind_create(&f->arena, &statement, &f->ops, &f->tables[f->count], &f->diag));
        f->count++;
        return OK;
    case SQL_SELECT:
    case SQL_INSERT:
        return sql_plan(&f->plan_arena, &statement, &f->ops, &f->plan, &f->diag);
    case SQL_EXPLAIN:
        return sql_plan(&f->plan_arena, statement.inner, &f->ops, &f->plan, &f->diag);
    default:
        return OK;
    }
}

/* A script; stops at the first error. */
static inline err fixture_run(struct fixture *f, const char *script)
{
    struct arena arena = {0};
    struct sql_part *parts = NULL;
    isize count = 0;
    sql_split(&arena, str_of(script), &parts, &count);
    err e = OK;
    for (isize i = 0; e == OK && i < count; i++) {
        e = fixture_one(f, parts[i].text);
    }
    f->source = e == OK ? STR_EMPTY : arena_copy(&f->arena, f->source);
    arena_deinit(&arena);
    return e;
}

static inline void fixture_must(struct fixture *f, const char *script)
{
    if (fixture_run(f, script) != OK) {
        struct buf out = {0};
        diag_render(&f->diag, f->source, false, &out);
        fail_msg("%.*s", (int)out.len, (const char *)out.data);
    }
}

#endif
