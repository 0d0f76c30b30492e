/*
 * aws/dynamodb/ddb_expr_update.c: update expressions and projections.
 *
 *   update = { SET path "=" value {"," ...} | REMOVE path {","} | ADD path :v {","}
 *            | DELETE path :v {","} }, each section once
 *   value  = operand [ ("+" | "-") operand ]
 *   operand = path | :v | if_not_exists(path, value) | list_append(value, value) | "(" value ")"
 */
#include "aws/dynamodb/ddb_expr_int.h"

static bool value_parse(struct ddb_parser *p, struct ddb_operand *out);

static struct ddb_operand *operand_new(struct ddb_parser *p)
{
    return ARENA_NEW(p->work->arena, struct ddb_operand);
}

static bool operand_error(struct ddb_parser *p, const char *function, enum ddb_type type)
{
    return ddb__expr_error(p,
                           "Incorrect operand type for operator or function; operator or "
                           "function: %s, operand type: %s",
                           function, ddb_type_name(type));
}

/* The name was taken, the token is "(". */
static bool function_parse(struct ddb_parser *p, str name, struct ddb_operand *out)
{
    bool is_append = str_eq(name, STR("list_append"));
    if (!is_append && !str_eq(name, STR("if_not_exists"))) {
        return ddb__expr_error(p, "Invalid function name; function: " STR_FMT,
                               STR_ARG(str_slice(name, 0, 255)));
    }
    out->kind = is_append ? DDB_OPERAND_LIST_APPEND : DDB_OPERAND_IF_NOT_EXISTS;
    out->left = operand_new(p);
    out->right = operand_new(p);
    if (!ddb__count(p) || !ddb__next(p) || !value_parse(p, out->left)) {
        return false;
    }
    if (p->token == ')') {
        return ddb__expr_error(p,
                               "Incorrect number of operands for operator or function; operator "
                               "or function: " STR_FMT ", number of operands: 1",
                               STR_ARG(name));
    }
    if (!ddb__take(p, ',') || !value_parse(p, out->right) || !ddb__take(p, ')')) {
        return false;
    }
    if (!is_append && out->left->kind != DDB_OPERAND_PATH) {
        return ddb__expr_error(p, "Operator or function requires a document path; operator or "
                                  "function: if_not_exists");
    }
    out->path = out->left->path;
    const struct ddb_operand *sides[] = {out->left, out->right};
    for (int i = 0; is_append && i < 2; i++) {
        if (sides[i]->kind == DDB_OPERAND_VALUE && sides[i]->value.type != DDB_L) {
            return operand_error(p, "list_append", sides[i]->value.type);
        }
    }
    return true;
}

static bool operand_parse(struct ddb_parser *p, struct ddb_operand *out)
{
    if (p->token == TOKEN_VALUE) {
        out->kind = DDB_OPERAND_VALUE;
        return ddb__value_take(p, &out->value);
    }
    if (p->token == '(') {
        return ddb__next(p) && value_parse(p, out) && ddb__take(p, ')');
    }
    str word = ddb__token(p);
    if (p->token != TOKEN_WORD) {
        return ddb__path_parse(p, &out->path);
    }
    if (!ddb__next(p)) {
        return false;
    }
    if (p->token == '(') {
        return function_parse(p, word, out);
    }
    return ddb__check_reserved(p, word) && ddb__path_rest(p, word, &out->path);
}

static bool sum_parse(struct ddb_parser *p, struct ddb_operand *out)
{
    if (!operand_parse(p, out)) {
        return false;
    }
    if (p->token != '+' && p->token != '-') {
        return true;
    }
    bool is_minus = p->token == '-';
    struct ddb_operand *left = operand_new(p), *right = operand_new(p);
    *left = *out;
    if (!ddb__count(p) || !ddb__next(p) || !operand_parse(p, right)) {
        return false;
    }
    const struct ddb_operand *sides[] = {left, right};
    for (int i = 0; i < 2; i++) {
        if (sides[i]->kind == DDB_OPERAND_VALUE && sides[i]->value.type != DDB_N) {
            return operand_error(p, is_minus ? "-" : "+", sides[i]->value.type);
        }
    }
    *out = (struct ddb_operand){
        .kind = is_minus ? DDB_OPERAND_MINUS : DDB_OPERAND_PLUS, .left = left, .right = right};
    return true;
}

static bool value_parse(struct ddb_parser *p, struct ddb_operand *out)
{
    bool is_good = ddb__enter(p) && sum_parse(p, out);
    ddb__leave(p);
    return is_good;
}

/* --- sections ------------------------------------------------------------------------------ */

static const struct section {
    const char *name;
    enum ddb_action_kind kind;
} sections[] = {{"SET", DDB_SET}, {"REMOVE", DDB_REMOVE}, {"ADD", DDB_ADD}, {"DELETE", DDB_DELETE}};

static bool set_value_check(struct ddb_parser *p, const struct section *section,
                            const struct ddb_value *value)
{
    bool fits = ddb_is_set(value->type) || (section->kind == DDB_ADD && value->type == DDB_N);
    if (fits) {
        return true;
    }
    return ddb__expr_error(p,
                           "Incorrect operand type for operator or function; operator: %s, "
                           "operand type: %s",
                           section->name, ddb_type_name(value->type));
}

static bool action_parse(struct ddb_parser *p, const struct section *section,
                         struct ddb_update *out)
{
    out->actions =
        arena_grow(p->work->arena, out->actions, out->count, (isize)sizeof *out->actions);
    struct ddb_action *action = &out->actions[out->count++];
    *action = (struct ddb_action){.kind = section->kind};
    if (!ddb__path_parse(p, &action->path)) {
        return false;
    }
    switch (section->kind) {
    case DDB_REMOVE:
        return true;
    case DDB_SET:
        return ddb__take(p, '=') && value_parse(p, &action->operand);
    case DDB_ADD:
    case DDB_DELETE:
        break;
    }
    action->operand.kind = DDB_OPERAND_VALUE;
    if (p->token != TOKEN_VALUE) {
        return ddb__syntax_error(p);
    }
    return ddb__value_take(p, &action->operand.value) &&
           set_value_check(p, section, &action->operand.value);
}

static bool section_parse(struct ddb_parser *p, bool *is_seen, struct ddb_update *out)
{
    for (isize i = 0; i < COUNT_OF(sections); i++) {
        if (!ddb__is_word(p, sections[i].name)) {
            continue;
        }
        if (is_seen[i]) {
            return ddb__expr_error(
                p, "The \"%s\" section can only be used once in an update expression;",
                sections[i].name);
        }
        is_seen[i] = true;
        do {
            if (!ddb__next(p) || !action_parse(p, &sections[i], out)) {
                return false;
            }
        } while (p->token == ',');
        return true;
    }
    return ddb__syntax_error(p);
}

bool ddb_update_parse(struct ddb_work *work, str text, struct ddb_substitutes *substitutes,
                      struct ddb_update *out)
{
    struct ddb_parser parser;
    bool is_seen[COUNT_OF(sections)] = {false};
    *out = (struct ddb_update){0};
    if (!ddb__parser_start(&parser, work, "UpdateExpression", text, substitutes)) {
        return false;
    }
    do {
        if (!section_parse(&parser, is_seen, out)) {
            return false;
        }
    } while (parser.token != TOKEN_END);
    struct ddb_path **paths = ARENA_ARRAY(work->arena, struct ddb_path *, out->count);
    for (isize i = 0; i < out->count; i++) {
        paths[i] = &out->actions[i].path;
    }
    return ddb_paths_check(work, "UpdateExpression", paths, out->count);
}

bool ddb_projection_parse(struct ddb_work *work, str text, struct ddb_substitutes *substitutes,
                          struct ddb_projection *out)
{
    struct ddb_parser parser;
    *out = (struct ddb_projection){0};
    if (!ddb__parser_start(&parser, work, "ProjectionExpression", text, substitutes)) {
        return false;
    }
    for (;;) {
        out->paths = arena_grow(work->arena, out->paths, out->count, (isize)sizeof *out->paths);
        if (!ddb__path_parse(&parser, &out->paths[out->count])) {
            return false;
        }
        out->count++;
        if (parser.token == TOKEN_END) {
            break;
        }
        if (!ddb__take(&parser, ',')) {
            return false;
        }
    }
    struct ddb_path **paths = ARENA_ARRAY(work->arena, struct ddb_path *, out->count);
    for (isize i = 0; i < out->count; i++) {
        paths[i] = &out->paths[i];
    }
    return ddb_paths_check(work, "ProjectionExpression", paths, out->count);
}

/* --- paths that collide -------------------------------------------------------------------- */

/* 1: one is the other's beginning; -1: at one place one wants a name, the other an index. */
static int paths_collide(const struct ddb_path *a, const struct ddb_path *b)
{
    for (isize i = 0; i < MIN(a->count, b->count); i++) {
        const struct ddb_step *x = &a->steps[i], *y = &b->steps[i];
        if ((x->name.data == NULL) != (y->name.data == NULL)) {
            return -1;
        }
        if (x->name.data == NULL ? x->index != y->index : !str_eq(x->name, y->name)) {
            return 0;
        }
    }
    return 1;
}

bool ddb_paths_check(struct ddb_work *work, const char *what, struct ddb_path *const *paths,
                     isize count)
{
    for (isize i = 0; i < count; i++) {
        for (isize j = i + 1; j < count; j++) {
            int collision = paths_collide(paths[i], paths[j]);
            if (collision == 0) {
                continue;
            }
            struct buf shown[2] = {{0}, {0}};
            ddb__path_print(paths[i], &shown[0]);
            ddb__path_print(paths[j], &shown[1]);
            (void)ddb_invalid(
                work,
                "Invalid %s: Two document paths %s with each other; must remove or rewrite one of "
                "these paths; path one: " STR_FMT ", path two: " STR_FMT,
                what, collision > 0 ? "overlap" : "conflict",
                STR_ARG(str_slice(buf_str(&shown[0]), 0, 512)),
                STR_ARG(str_slice(buf_str(&shown[1]), 0, 512)));
            buf_deinit(&shown[0]);
            buf_deinit(&shown[1]);
            return false;
        }
    }
    return true;
}
