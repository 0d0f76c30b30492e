/* sql/bind_window.c: TABLE(TUMBLE(...)), with positions or names. */
#include "sql/bind_int.h"

static const i64 window_ms_max = 10LL * 366 * 24 * 3600 * 1000;

enum { ARG_DATA, ARG_TIMECOL, ARG_SIZE, ARG_OFFSET, ARG_COUNT };

static err bad_call(struct sql_binder *b, struct sql_span span, const char *what)
{
    err e = sql__fail(b->diag, SQLE_WINDOW_FUNCTION, sql__bind_span(b, span), "%s", what);
    diag_hint(b->diag, "write TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))");
    return e;
}

static err sort_arguments(struct sql_binder *b, const struct sql_expr *call,
                          const struct sql_expr *args[ARG_COUNT])
{
    static const char *const names[] = {"DATA", "TIMECOL", "SIZE", "OFFSET"};
    for (isize i = 0; i < call->arg_count; i++) {
        const struct sql_expr *arg = call->args[i];
        isize at = i;
        if (arg->kind == AST_NAMED) {
            for (at = 0; at < ARG_COUNT && !str_eq_nocase(arg->text, str_of(names[at])); at++) {
            }
            if (at == ARG_COUNT) {
                return bad_call(b, arg->span,
                                "TUMBLE has the arguments DATA, TIMECOL, SIZE, OFFSET");
            }
            arg = arg->args[0];
        }
        if (at >= ARG_COUNT || args[at] != NULL) {
            return bad_call(b, arg->span,
                            "TUMBLE takes a table, a time column, a size and an offset");
        }
        args[at] = arg;
    }
    if (args[ARG_DATA] == NULL || args[ARG_TIMECOL] == NULL || args[ARG_SIZE] == NULL) {
        return bad_call(b, call->span, "TUMBLE needs a table, a time column and a size");
    }
    return OK;
}

static err bind_data(struct sql_binder *b, const struct sql_expr *ast, struct sql_relation *out)
{
    if (ast->kind != AST_TABLE) {
        return bad_call(b, ast->span, "the first argument of TUMBLE is TABLE and a name");
    }
    struct sql_from from = {.kind = FROM_TABLE, .span = ast->span};
    from.table.count = ast->part_count;
    for (isize i = 0; i < ast->part_count; i++) {
        from.table.parts[i] = ast->parts[i];
    }
    struct sql_span first = ast->parts[0].span, last = ast->parts[ast->part_count - 1].span;
    from.table.span = (struct sql_span){first.start, last.start + last.len - first.start};
    return sql__bind_from(b, &from, out);
}

static err bind_time_column(struct sql_binder *b, const struct sql_expr *ast,
                            const struct sql_relation *from, const struct expr **out)
{
    if (ast->kind != AST_DESCRIPTOR || ast->part_count != 1) {
        return bad_call(b, ast->span, "the second argument of TUMBLE is DESCRIPTOR(column)");
    }
    const struct sql_expr name = {
        .kind = AST_NAME, .span = ast->parts[0].span, .parts = ast->parts, .part_count = 1};
    const struct sql_scope scope = {.from = from, .place = "DESCRIPTOR"};
    TRY(sql__bind_name(b, &scope, &name, out));
    const struct type *type = (*out)->type;
    if (type->time_attribute == TYPE_TIME_NONE) {
        struct buf shown;
        buf_init(&shown, 200);
        type_format(sql__plain(b, type), &shown);
        err e = sql__fail(b->diag, SQLE_TIME_ATTRIBUTE, sql__expr_span(*out),
                          "The window function requires the timecol is a time attribute type, "
                          "but is " STR_FMT ".",
                          STR_ARG(buf_str(&shown)));
        diag_hint(b->diag,
                  "give the table WATERMARK FOR " STR_FMT " AS ...; functions and casts "
                  "on the column take the attribute away",
                  STR_ARG(str_slice(ast->parts[0].name, 0, 64)));
        buf_deinit(&shown);
        return e;
    }
    return OK;
}

static err bind_interval(struct sql_binder *b, const struct sql_expr *ast, const char *what,
                         i64 *out)
{
    const struct sql_scope scope = {.place = "a window function"};
    const struct expr *expr = NULL;
    TRY(sql__bind_expr(b, &scope, ast, &expr));
    if (expr->kind != EXPR_LITERAL || expr->literal->is_null ||
        expr->type->kind != TYPE_INTERVAL_DS) {
        return sql__fail(b->diag, SQLE_WINDOW_SIZE, sql__expr_span(expr),
                         "the window's %s must be a constant interval of days to seconds", what);
    }
    *out = expr->literal->u.integer;
    return OK;
}

static err bind_shape(struct sql_binder *b, const struct sql_expr *const args[ARG_COUNT],
                      struct rel_window *out)
{
    TRY(bind_interval(b, args[ARG_SIZE], "size", &out->size_ms));
    if (out->size_ms <= 0 || out->size_ms > window_ms_max) {
        return sql__fail(b->diag, SQLE_WINDOW_SIZE, sql__bind_span(b, args[ARG_SIZE]->span),
                         "the window's size must be between 1 ms and 10 years, it is %lld ms",
                         (long long)out->size_ms);
    }
    if (args[ARG_OFFSET] == NULL) {
        return OK;
    }
    TRY(bind_interval(b, args[ARG_OFFSET], "offset", &out->offset_ms));
    if (out->offset_ms >= out->size_ms || out->offset_ms <= -out->size_ms) {
        return sql__fail(b->diag, SQLE_WINDOW_SIZE, sql__bind_span(b, args[ARG_OFFSET]->span),
                         "the window's offset must be shorter than its size");
    }
    return OK;
}

static err new_window(struct sql_binder *b, const struct sql_relation *from,
                      const struct expr *time, struct rel_window shape, struct sql_relation *out)
{
    struct rel *rel = NULL;
    const struct rel *input = from->rel;
    isize count = input->field_count;
    TRY(sql__new_rel(b, REL_WINDOW_TVF, &rel));
    sql__add_input(b, rel, input);
    sql__copy_shape(rel, input);
    rel->window = shape;
    rel->field_count = count + 3;
    rel->fields = ARENA_ARRAY(b->arena, struct type_field, count + 3);
    for (isize i = 0; i < count; i++) {
        rel->fields[i] = input->fields[i];
    }
    const struct type *bound =
        type_with_null(b->arena, type_timestamp(b->arena, TYPE_TIMESTAMP, 3), false);
    const struct type *last = type_timestamp(b->arena, time->type->kind, 3);
    last =
        type_with_time(b->arena, type_with_null(b->arena, last, false), time->type->time_attribute);
    rel->fields[count] = (struct type_field){.name = STR("window_start"), .type = bound};
    rel->fields[count + 1] = (struct type_field){.name = STR("window_end"), .type = bound};
    rel->fields[count + 2] = (struct type_field){.name = STR("window_time"), .type = last};
    *out =
        (struct sql_relation){.rel = rel, .window = {count, count + 1, count + 2}, .shape = shape};
    return OK;
}

err sql__bind_window(struct sql_binder *b, const struct sql_from *from, struct sql_relation *out)
{
    const struct sql_expr *call = from->call;
    if (call->kind != AST_CALL || !str_eq_nocase(call->text, STR("TUMBLE"))) {
        str name = call->kind == AST_CALL ? str_slice(call->text, 0, 64) : STR("this");
        return sql__fail(b->diag, SQLE_UNSUPPORTED, sql__bind_span(b, call->span),
                         "table function " STR_FMT " is not supported", STR_ARG(name));
    }
    const struct sql_expr *args[ARG_COUNT] = {NULL};
    struct sql_relation data;
    const struct expr *time = NULL;
    struct rel_window shape = {.size_ms = 0};
    TRY(sort_arguments(b, call, args));
    CHECK(args[ARG_DATA] != NULL && args[ARG_TIMECOL] != NULL && args[ARG_SIZE] != NULL);
    TRY(bind_data(b, args[ARG_DATA], &data));
    TRY(bind_time_column(b, args[ARG_TIMECOL], &data, &time));
    CHECK(time != NULL);
    TRY(bind_shape(b, args, &shape));
    shape.time_column = time->column;
    shape.is_proctime = time->type->time_attribute == TYPE_TIME_PROC;
    return new_window(b, &data, time, shape, out);
}
