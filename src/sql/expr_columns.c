/* sql/expr_columns.c: which columns an expression names, where nothing declares them. */
#include "sql/sql_int.h"

struct columns {
    struct arena *arena;
    struct type_field *fields;
    isize count;
};

static bool is_one_of(str name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (str_eq_nocase(name, str_of(*names))) {
            return true;
        }
    }
    return false;
}

static bool is_calculation(const struct sql_expr *e)
{
    static const char *const names[] = {"+", "-", "*", "/", "%", "ABS", "MOD", "ROUND", NULL};
    return e->kind == AST_CALL && is_one_of(e->text, names);
}

static bool is_comparison(const struct sql_expr *e)
{
    static const char *const names[] = {"=", "<>", "<", "<=", ">", ">=", NULL};
    return e->kind == AST_BETWEEN || e->kind == AST_IN ||
           (e->kind == AST_CALL && is_one_of(e->text, names));
}

static bool is_number(const struct sql_expr *e)
{
    return e->kind == AST_INTEGER || e->kind == AST_DECIMAL || e->kind == AST_DOUBLE ||
           is_calculation(e);
}

static void column_add(struct columns *c, str name, bool is_numeric)
{
    isize i = 0;
    while (i < c->count && !str_eq(c->fields[i].name, name)) {
        i++;
    }
    if (i == c->count) {
        c->fields = arena_grow(c->arena, c->fields, c->count, (isize)sizeof *c->fields);
        c->fields[c->count++] =
            (struct type_field){.name = arena_copy(c->arena, name), .type = type_of(TYPE_VARCHAR)};
    }
    if (is_numeric) {
        c->fields[i].type = type_of(TYPE_DOUBLE);
    }
}

/* Depth is bounded by the parser. */
static void walk(struct columns *c, const struct sql_expr *e, bool is_numeric)
{
    if (e == NULL) {
        return;
    }
    if (e->kind == AST_NAME && e->part_count > 0) {
        column_add(c, e->parts[0].name, is_numeric);
        return;
    }
    bool takes_numbers = is_calculation(e);
    for (isize i = 0; is_comparison(e) && i < e->arg_count; i++) {
        takes_numbers = takes_numbers || (e->args[i] != NULL && is_number(e->args[i]));
    }
    for (isize i = 0; i < e->arg_count; i++) {
        walk(c, e->args[i], takes_numbers);
    }
}

err sql_expr_columns(struct arena *arena, str text, struct type_field **out, isize *count_out,
                     struct diag *diag)
{
    struct sql_parser p;
    struct sql_expr *ast = NULL;
    struct columns c = {.arena = arena};
    TRY(sql__parser_init(&p, arena, text, diag));
    TRY(sql__parse_expr(&p, &ast));
    TRY(sql__expect_end(&p));
    walk(&c, ast, false);
    *out = c.fields;
    *count_out = c.count;
    return OK;
}
