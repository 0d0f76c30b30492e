/* sql/bind_like.c: CREATE TABLE ... LIKE: what is taken over, and what the statement replaces. */
#include "sql/create_int.h"

err sql__create_add(struct create *c, const struct create_draft *draft)
{
    for (isize i = 0; i < c->count; i++) {
        if (!str_eq(c->drafts[i].column.name, draft->column.name)) {
            continue;
        }
        if (c->drafts[i].is_replaceable && c->drafts[i].column.kind == draft->column.kind) {
            c->drafts[i] = *draft;
            return OK;
        }
        return sql__fail(c->b->diag, SQLE_DUPLICATE_COLUMN, draft->span,
                         c->drafts[i].is_base ? "a column named `" STR_FMT
                                                "` already exists in the base table"
                                              : "column `" STR_FMT "` exists twice",
                         STR_ARG(str_slice(draft->column.name, 0, 128)));
    }
    c->drafts = arena_grow(c->b->arena, c->drafts, c->count, (isize)sizeof *c->drafts);
    c->drafts[c->count++] = *draft;
    return OK;
}

static void set_modes(struct create *c)
{
    const struct sql_create *ast = c->ast;
    for (isize f = 0; f < LIKE_FEATURE_COUNT; f++) {
        c->modes[f] = f == LIKE_OPTIONS ? LIKE_OVERWRITING : LIKE_INCLUDING;
    }
    for (isize i = 0; i < ast->like_option_count; i++) {
        for (isize f = 0; ast->like_options[i].feature == LIKE_ALL && f < LIKE_FEATURE_COUNT; f++) {
            c->modes[f] = ast->like_options[i].mode;
        }
    }
    for (isize i = 0; i < ast->like_option_count; i++) {
        if (ast->like_options[i].feature != LIKE_ALL) {
            c->modes[ast->like_options[i].feature] = ast->like_options[i].mode;
        }
    }
}

static err take_columns(struct create *c)
{
    for (isize i = 0; i < c->base->column_count; i++) {
        struct create_draft draft = {
            .column = c->base->columns[i], .span = c->ast->like.span, .is_base = true};
        draft.column.type = sql__plain(c->b, draft.column.type);
        draft.type_span = draft.span;
        enum like_mode mode = LIKE_INCLUDING;
        if (draft.column.kind == COLUMN_COMPUTED) {
            mode = c->modes[LIKE_GENERATED];
        } else if (draft.column.kind == COLUMN_METADATA) {
            mode = c->modes[LIKE_METADATA];
        }
        draft.is_replaceable = mode == LIKE_OVERWRITING;
        if (mode != LIKE_EXCLUDING) {
            TRY(sql__create_add(c, &draft));
        }
    }
    return OK;
}

static struct sql_ast_part *names_of(struct create *c, const isize *positions, isize count)
{
    struct sql_ast_part *names = ARENA_ARRAY(c->b->arena, struct sql_ast_part, count + 1);
    for (isize i = 0; i < count; i++) {
        names[i] = (struct sql_ast_part){c->base->columns[positions[i]].name, c->ast->like.span};
    }
    return names;
}

err sql__create_like(struct create *c)
{
    TRY(sql__find_table(c->b, &c->ast->like, &c->base));
    if (c->base->is_view) {
        return sql__fail(c->b->diag, SQLE_LIKE_CLAUSE, c->ast->like.span,
                         "`" STR_FMT "` is a view; LIKE needs a table", STR_ARG(c->base->name));
    }
    const struct table_def *base = c->base;
    set_modes(c);
    TRY(take_columns(c));
    if (base->watermark_column >= 0 && c->modes[LIKE_WATERMARKS] != LIKE_EXCLUDING) {
        c->watermark_name = names_of(c, &base->watermark_column, 1)[0];
        c->watermark_text = base->watermark_text;
    }
    if (c->modes[LIKE_CONSTRAINTS] != LIKE_EXCLUDING) {
        c->primary_key = names_of(c, base->primary_key, base->primary_key_count);
        c->primary_key_count = base->primary_key_count;
        c->primary_key_name = base->primary_key_name;
    }
    if (c->modes[LIKE_PARTITIONS] != LIKE_EXCLUDING) {
        c->partition_keys = names_of(c, base->partition_keys, base->partition_key_count);
        c->partition_key_count = base->partition_key_count;
    }
    if (c->modes[LIKE_OPTIONS] != LIKE_EXCLUDING) {
        c->options = ARENA_ARRAY(c->b->arena, struct plan_option,
                                 base->option_count + c->ast->option_count + 1);
        for (isize i = 0; i < base->option_count; i++) {
            c->options[i] = base->options[i];
            c->options[i].span_start = c->ast->like.span.start;
            c->options[i].span_len = c->ast->like.span.len;
        }
        c->option_count = base->option_count;
    }
    return OK;
}

/* --- the statement's own -----------------------------------------------------------------------
 */

static err twice(const struct create *c, struct sql_span span, const char *what,
                 const char *feature)
{
    err e = sql__fail(c->b->diag, SQLE_LIKE_CLAUSE, span, "the base table has %s already", what);
    diag_hint(c->b->diag, "add (%s %s) to LIKE", "EXCLUDING", feature);
    return e;
}

static err merge_options(struct create *c)
{
    const struct sql_create *ast = c->ast;
    if (c->options == NULL) {
        c->options = ast->options;
        c->option_count = ast->option_count;
        return OK;
    }
    for (isize i = 0; i < ast->option_count; i++) {
        const struct plan_option *option = &ast->options[i];
        isize at = 0;
        while (at < c->option_count && !str_eq(c->options[at].key, option->key)) {
            at++;
        }
        if (at < c->option_count && c->modes[LIKE_OPTIONS] == LIKE_INCLUDING) {
            err e =
                sql__fail(c->b->diag, SQLE_LIKE_CLAUSE,
                          (struct sql_span){option->span_start, option->span_len},
                          "the base table has option '" STR_FMT "' already", STR_ARG(option->key));
            diag_hint(c->b->diag, "add (OVERWRITING OPTIONS) to LIKE");
            return e;
        }
        c->options[at] = *option;
        c->option_count += at == c->option_count;
    }
    return OK;
}

err sql__create_merge(struct create *c)
{
    const struct sql_create *ast = c->ast;
    if (ast->has_watermark && c->watermark_text.len > 0 &&
        c->modes[LIKE_WATERMARKS] == LIKE_INCLUDING) {
        return twice(c, ast->watermark_span, "a watermark", "WATERMARKS");
    }
    if (ast->primary_key_count > 0 && c->primary_key_count > 0) {
        return twice(c, ast->primary_key[0].span, "a primary key", "CONSTRAINTS");
    }
    if (ast->partition_key_count > 0 && c->partition_key_count > 0) {
        return twice(c, ast->partition_keys[0].span, "partition keys", "PARTITIONS");
    }
    if (ast->primary_key_count > 0) {
        c->primary_key = ast->primary_key;
        c->primary_key_count = ast->primary_key_count;
        c->primary_key_name = ast->primary_key_name;
    }
    if (ast->partition_key_count > 0) {
        c->partition_keys = ast->partition_keys;
        c->partition_key_count = ast->partition_key_count;
    }
    return merge_options(c);
}
