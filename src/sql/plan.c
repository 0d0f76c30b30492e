/* sql/plan.c: statements to plans; single expressions. */
#include "sql/bind_int.h"

static err bind_collect(struct sql_binder *b, const struct sql_query *query, const struct rel **out)
{
    struct sql_relation relation;
    struct rel *collect = NULL;
    b->top = query;
    TRY(sql__bind_query(b, query, &relation));
    TRY(sql__new_rel(b, REL_COLLECT, &collect));
    sql__add_input(b, collect, relation.rel);
    sql__copy_shape(collect, relation.rel);
    *out = collect;
    return OK;
}

err sql_plan(struct arena *arena, const struct sql_statement *statement,
             const struct catalog_ops *ops, struct plan *out, struct diag *diag)
{
    CHECK(statement->kind == SQL_SELECT || statement->kind == SQL_INSERT);
    struct sql_binder b;
    sql__binder_init(&b, arena, ops, diag);
    const struct rel *root = NULL;
    TRY(statement->kind == SQL_SELECT ? bind_collect(&b, statement->ast->query, &root)
                                      : sql__bind_insert(&b, statement->ast->insert, &root));
    TRY(sql__optimize(&b, root, &root));
    *out = (struct plan){.root = root, .text = arena_copy(arena, statement->text), .arena = arena};
    return OK;
}

/* NOLINTNEXTLINE(readability-function-size): seven parameters are the contract. */
err sql_bind_expr(struct arena *arena, str text, const struct type_field *columns,
                  isize column_count, const struct catalog_ops *ops, const struct expr **out,
                  struct diag *diag)
{
    struct sql_binder b;
    sql__binder_init(&b, arena, ops, diag);
    struct rel *input = NULL;
    TRY(sql__new_rel(&b, REL_VALUES, &input));
    input->fields = ARENA_ARRAY(arena, struct type_field, column_count + 1);
    input->field_count = column_count;
    for (isize i = 0; i < column_count; i++) {
        input->fields[i] = columns[i];
    }
    const struct sql_relation from = {.rel = input, .window = {-1, -1, -1}};
    struct sql_parser p;
    struct sql_expr *ast = NULL;
    TRY(sql__parser_init(&p, arena, text, diag));
    TRY(sql__parse_expr(&p, &ast));
    TRY(sql__expect_end(&p));
    const struct sql_scope scope = {.from = &from, .place = "this expression"};
    return sql__bind_expr(&b, &scope, ast, out);
}
