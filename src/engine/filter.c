/* engine/filter.c */
#include "engine/filter.h"

#include "codec/json_rows.h"
#include "exec/eval.h"
#include "sql/sql.h"

struct engine_filter {
    struct arena arena;
    struct arena batch;
    struct type_field *fields;
    isize field_count;
    const struct expr *condition;
    struct json_rows *decoder;
};

/* An expression knows no tables. */
static err find_no_table(void *ctx, str catalog, str database, str name,
                         const struct table_def **out)
{
    (void)ctx;
    (void)catalog;
    (void)database;
    (void)name;
    (void)out;
    return ERR_NOT_FOUND;
}

static isize no_names(void *ctx, str catalog, str database, const str **out)
{
    (void)ctx;
    (void)catalog;
    (void)database;
    *out = NULL;
    return 0;
}

static str no_setting(void *ctx, str key)
{
    (void)ctx;
    (void)key;
    return STR_EMPTY;
}

static err bind(struct engine_filter *filter, str condition, struct diag *diag)
{
    const struct catalog_ops ops = {
        .find_table = find_no_table, .names = no_names, .setting = no_setting};
    TRY(sql_expr_columns(&filter->arena, condition, &filter->fields, &filter->field_count, diag));
    TRY(sql_bind_expr(&filter->arena, condition, filter->fields, filter->field_count, &ops,
                      &filter->condition, diag));
    if (filter->condition->type->kind != TYPE_BOOLEAN) {
        struct buf type = {0};
        type_format(filter->condition->type, &type);
        (void)diag_set(diag, ERR_TYPE, "ENG077", "a condition is needed, this is a " STR_FMT,
                       STR_ARG(buf_str(&type)));
        diag_span(diag, 0, condition.len);
        buf_deinit(&type);
        return ERR_TYPE;
    }
    return OK;
}

err engine_filter_new(str condition, struct engine_filter **out, struct diag *diag)
{
    struct engine_filter *filter = NEW(struct engine_filter);
    err e = bind(filter, arena_copy(&filter->arena, condition), diag);
    if (e != OK) {
        engine_filter_free(filter);
        return e;
    }
    const struct json_rows_options options = {0};
    filter->decoder = json_rows_new(filter->fields, filter->field_count, &options);
    *out = filter;
    return OK;
}

static void test_scan(struct engine_filter *filter, struct json_scan *scan, bool *passes)
{
    struct func_ctx func = {.arena = &filter->batch, .watermark_us = INT64_MIN, .zone = "UTC"};
    struct vec *cols = ARENA_ARRAY(&filter->batch, struct vec, MAX(filter->field_count, 1));
    struct sel all = {NULL, scan->row_count}, kept;
    for (isize i = 0; i < filter->field_count; i++) {
        json_rows_fill(filter->decoder, scan, i, &all, &filter->batch, &cols[i]);
    }
    eval_filter(&func, filter->condition, cols, scan->row_count, &all, &kept);
    for (isize i = 0; i < kept.count; i++) {
        passes[scan->message_of[sel_row(&kept, i)]] = true;
    }
}

void engine_filter_test(struct engine_filter *filter, const str *records, isize count,
                        bool *passes_out)
{
    for (isize done = 0; done < count;) {
        struct json_scan scan;
        arena_reset(&filter->batch);
        json_rows_scan(filter->decoder, records + done, count - done, &filter->batch, &scan);
        memset(passes_out + done, 0, (size_t)scan.message_count * sizeof *passes_out);
        if (scan.row_count > 0) {
            test_scan(filter, &scan, passes_out + done);
        }
        done += scan.message_count;
    }
}

void engine_filter_free(struct engine_filter *filter)
{
    if (filter == NULL) {
        return;
    }
    if (filter->decoder != NULL) {
        json_rows_free(filter->decoder);
    }
    arena_deinit(&filter->batch);
    arena_deinit(&filter->arena);
    mem_free(filter);
}
