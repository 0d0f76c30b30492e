/* sql/bind_name.c: names to columns and fields, with did-you-mean. Names are case-sensitive. */
#include "sql/bind_int.h"

bool sql__names_relation(const struct sql_relation *relation, const struct sql_ast_part *parts,
                         isize count)
{
    const str names[] = {relation->name, relation->database, relation->catalog};
    if (count < 1 || count > COUNT_OF(names)) {
        return false;
    }
    for (isize i = 0; i < count; i++) {
        str name = names[count - 1 - i];
        if (name.len == 0 || !str_eq(parts[i].name, name)) {
            return false;
        }
    }
    return true;
}

/* Column of this name; *count_out says how many there are. */
static isize find_column(const struct rel *rel, str name, isize *count_out)
{
    isize found = -1;
    *count_out = 0;
    for (isize i = 0; i < rel->field_count; i++) {
        if (str_eq(rel->fields[i].name, name)) {
            found = found < 0 ? i : found;
            ++*count_out;
        }
    }
    return found;
}

static err unknown_column(struct sql_binder *b, const struct sql_relation *from,
                          const struct sql_ast_part *part)
{
    struct sql_span span = sql__bind_span(b, part->span);
    err e = sql__fail(b->diag, SQLE_UNKNOWN_COLUMN, span, "column `" STR_FMT "` does not exist",
                      STR_ARG(str_slice(part->name, 0, 128)));
    if (b->diag == NULL || from == NULL) {
        return e;
    }
    const struct rel *rel = from->rel;
    str *names = ARENA_ARRAY(b->arena, str, rel->field_count + 1);
    for (isize i = 0; i < rel->field_count; i++) {
        names[i] = rel->fields[i].name;
    }
    str near = diag_nearest(part->name, names, rel->field_count);
    if (near.len > 0) {
        isize count = 0;
        struct buf type;
        buf_init(&type, 80);
        type_format(rel->fields[find_column(rel, near, &count)].type, &type);
        diag_label(b->diag, "did you mean `" STR_FMT "` (" STR_FMT ")?", STR_ARG(near),
                   STR_ARG(buf_str(&type)));
        buf_deinit(&type);
    }
    if (from->name.len > 0) {
        diag_hint(b->diag, "in table " STR_FMT " (%td columns)", STR_ARG(from->name),
                  rel->field_count);
    }
    return e;
}

static err not_grouped(struct sql_binder *b, const struct sql_scope *scope, isize column,
                       struct sql_span span)
{
    err e =
        sql__fail(b->diag, SQLE_NOT_GROUPED, span, "Expression '" STR_FMT "' is not being grouped",
                  STR_ARG(scope->from->rel->fields[column].name));
    diag_hint(b->diag, "add it to GROUP BY, or put it into an aggregate function such as MAX");
    return e;
}

/* The group key that equals `expr`, or NULL. */
static const struct expr *as_key(struct sql_binder *b, const struct sql_grouping *grouping,
                                 const struct expr *expr)
{
    for (isize k = 0; k < grouping->key_count; k++) {
        if (expr_eq(grouping->keys[k], expr)) {
            return sql__new_column(b, grouping->keys[k]->type, grouping->key_outputs[k],
                                   sql__expr_span(expr));
        }
    }
    return NULL;
}

err sql__bind_column(struct sql_binder *b, const struct sql_scope *scope, isize column,
                     struct sql_span span, const struct expr **out)
{
    *out = sql__new_column(b, scope->from->rel->fields[column].type, column, span);
    if (scope->grouping != NULL) {
        *out = as_key(b, scope->grouping, *out);
        if (*out == NULL) {
            return not_grouped(b, scope, column, span);
        }
    }
    return OK;
}

err sql__bind_field(struct sql_binder *b, const struct expr *row, str name, struct sql_span span,
                    const struct expr **out)
{
    CHECK(row != NULL);
    const struct type *type = row->type;
    if (type->kind != TYPE_ROW) {
        struct buf shown;
        buf_init(&shown, 200);
        type_format(type, &shown);
        err e = sql__fail(b->diag, SQLE_UNKNOWN_FIELD, span,
                          "there is no field `" STR_FMT "`: the value is " STR_FMT ", not a ROW",
                          STR_ARG(str_slice(name, 0, 64)), STR_ARG(buf_str(&shown)));
        buf_deinit(&shown);
        return e;
    }
    str *names = ARENA_ARRAY(b->arena, str, type->field_count + 1);
    for (isize i = 0; i < type->field_count; i++) {
        names[i] = type->fields[i].name;
        if (!str_eq(names[i], name)) {
            continue;
        }
        const struct expr **args = ARENA_ARRAY(b->arena, const struct expr *, 1);
        args[0] = row;
        const struct type *field = type->fields[i].type;
        bool is_nullable = type->is_nullable || field->is_nullable;
        return sql__new_expr(b,
                             (struct expr){.kind = EXPR_FIELD,
                                           .type = type_with_null(b->arena, field, is_nullable),
                                           .column = i,
                                           .args = args,
                                           .arg_count = 1},
                             span, out);
    }
    err e = sql__fail(b->diag, SQLE_UNKNOWN_FIELD, span, "the row has no field `" STR_FMT "`",
                      STR_ARG(str_slice(name, 0, 64)));
    sql__suggest(b->diag, name, names, type->field_count);
    return e;
}

/* How many leading parts qualify: 0 when the first names a column. */
static isize qualifier_count(const struct sql_relation *from, const struct sql_expr *ast)
{
    isize count = 0;
    for (isize n = 1; n <= 3 && n < ast->part_count; n++) {
        if (sql__names_relation(from, ast->parts, n)) {
            (void)find_column(from->rel, ast->parts[n].name, &count);
            bool is_column = count > 0;
            (void)find_column(from->rel, ast->parts[0].name, &count);
            if (is_column || count == 0) {
                return n;
            }
        }
    }
    return 0;
}

err sql__bind_name(struct sql_binder *b, const struct sql_scope *scope, const struct sql_expr *ast,
                   const struct expr **out)
{
    struct sql_span span = sql__bind_span(b, ast->span);
    if (scope->from == NULL) {
        return unknown_column(b, NULL, &ast->parts[0]);
    }
    isize part = qualifier_count(scope->from, ast);
    isize count = 0;
    isize column = find_column(scope->from->rel, ast->parts[part].name, &count);
    if (column < 0) {
        return unknown_column(b, scope->from, &ast->parts[part]);
    }
    if (count > 1) {
        return sql__fail(b->diag, SQLE_AMBIGUOUS, span,
                         "column `" STR_FMT "` is ambiguous: %td columns have this name",
                         STR_ARG(ast->parts[part].name), count);
    }
    const struct expr *expr =
        sql__new_column(b, scope->from->rel->fields[column].type, column, span);
    const struct expr *key = scope->grouping == NULL ? expr : as_key(b, scope->grouping, expr);
    for (part++; part < ast->part_count; part++) {
        const struct expr *base = key != NULL ? key : expr;
        TRY(sql__bind_field(b, base, ast->parts[part].name,
                            sql__bind_span(b, ast->parts[part].span), &expr));
        key = key != NULL ? expr : as_key(b, scope->grouping, expr);
    }
    if (key == NULL) {
        return not_grouped(b, scope, column, span);
    }
    *out = key;
    return OK;
}
