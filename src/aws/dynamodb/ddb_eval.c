/* aws/dynamodb/ddb_eval.c: does a condition hold, and what does a projection show. */
#include "aws/dynamodb/ddb_expr.h"

#include <stdio.h>

struct ddb_value *ddb_path_find(const struct ddb_path *path, const struct ddb_value *item)
{
    struct ddb_value *at = ddb_get(item, path->steps[0].name);
    for (isize i = 1; i < path->count && at != NULL; i++) {
        const struct ddb_step *step = &path->steps[i];
        if (step->name.data != NULL) {
            at = ddb_get(at, step->name);
        } else {
            bool is_there = at->type == DDB_L && step->index < at->count;
            at = is_there ? &at->items[step->index] : NULL;
        }
    }
    return at;
}

/* --- conditions ---------------------------------------------------------------------------- */

struct scratch {
    struct ddb_value value;
    char text[24];
};

static const struct ddb_value *size_of(const struct ddb_value *value, struct scratch *scratch)
{
    isize size = 0;
    switch (value->type) {
    case DDB_S:
        for (isize i = 0; i < value->text.len; i++) {
            size += (value->text.data[i] & 0xC0) != 0x80; /* Characters. */
        }
        break;
    case DDB_B:
        size = value->text.len;
        break;
    case DDB_SS:
    case DDB_NS:
    case DDB_BS:
    case DDB_M:
    case DDB_L:
        size = value->count;
        break;
    case DDB_N:
    case DDB_BOOL:
    case DDB_NULL:
    case DDB_TYPES:
        return NULL;
    }
    int len = snprintf(scratch->text, sizeof scratch->text, "%td", size);
    scratch->value = (struct ddb_value){.type = DDB_N, .text = str_from(scratch->text, len)};
    return &scratch->value;
}

/* NULL when there is none. */
static const struct ddb_value *value_of(const struct ddb_operand *operand,
                                        const struct ddb_value *item, struct scratch *scratch)
{
    if (operand->kind == DDB_OPERAND_VALUE) {
        return &operand->value;
    }
    if (operand->kind == DDB_OPERAND_PATH) {
        return ddb_path_find(&operand->path, item);
    }
    CHECK(operand->kind == DDB_OPERAND_SIZE);
    const struct ddb_value *value =
        operand->left != NULL ? &operand->left->value : ddb_path_find(&operand->path, item);
    return value == NULL ? NULL : size_of(value, scratch);
}

static bool begins_with(const struct ddb_value *a, const struct ddb_value *b)
{
    return a->type == b->type && (a->type == DDB_S || a->type == DDB_B) &&
           str_starts(a->text, b->text);
}

static bool contains(const struct ddb_value *a, const struct ddb_value *b)
{
    if (ddb_is_set(a->type) || a->type == DDB_L) {
        return ddb_value_has(a, b);
    }
    return a->type == b->type && (a->type == DDB_S || a->type == DDB_B) &&
           str_find(a->text, b->text, 0) >= 0;
}

static bool in_order(enum ddb_op op, const struct ddb_value *a, const struct ddb_value *b)
{
    if (a->type != b->type || !ddb_is_ordered(a->type)) {
        return false;
    }
    int order = ddb_value_cmp(a, b);
    switch ((int)op) {
    case DDB_LT:
        return order < 0;
    case DDB_LE:
        return order <= 0;
    case DDB_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool is_among(const struct ddb_condition *c, const struct ddb_value *item,
                     const struct ddb_value *value)
{
    for (isize i = 1; i < c->count; i++) {
        struct scratch scratch;
        const struct ddb_value *other = value_of(&c->operands[i], item, &scratch);
        if (other != NULL && ddb_value_eq(value, other)) {
            return true;
        }
    }
    return false;
}

static bool comparison_holds(const struct ddb_condition *c, const struct ddb_value *item)
{
    struct scratch scratch[3];
    const struct ddb_value *a = value_of(&c->operands[0], item, &scratch[0]);
    const struct ddb_value *b = NULL;
    if (c->count > 1 && c->op != DDB_IN) {
        b = value_of(&c->operands[1], item, &scratch[1]);
    }
    if (c->op == DDB_EXISTS || c->op == DDB_NOT_EXISTS) {
        return (a != NULL) == (c->op == DDB_EXISTS);
    }
    if (c->op == DDB_NE) {
        return a == NULL || b == NULL ? a != b : !ddb_value_eq(a, b);
    }
    if (a == NULL || (b == NULL && c->op != DDB_IN)) {
        return false;
    }
    switch ((int)c->op) {
    case DDB_EQ:
        return ddb_value_eq(a, b);
    case DDB_BETWEEN: {
        const struct ddb_value *high = value_of(&c->operands[2], item, &scratch[2]);
        return high != NULL && in_order(DDB_GE, a, b) && in_order(DDB_LE, a, high);
    }
    case DDB_IN:
        return is_among(c, item, a);
    case DDB_IS_TYPE:
        return b->type == DDB_S && str_eq(b->text, str_of(ddb_type_name(a->type)));
    case DDB_BEGINS:
        return begins_with(a, b);
    case DDB_CONTAINS:
        return contains(a, b);
    case DDB_NOT_CONTAINS:
        return !contains(a, b);
    default:
        return in_order(c->op, a, b);
    }
}

bool ddb_condition_holds(const struct ddb_condition *c, const struct ddb_value *item)
{
    if (c == NULL) {
        return true;
    }
    if (c->op == DDB_NOT) {
        return !ddb_condition_holds(c->first, item);
    }
    if (c->op != DDB_AND && c->op != DDB_OR) {
        return comparison_holds(c, item);
    }
    bool stops_at = c->op == DDB_OR;
    for (const struct ddb_condition *child = c->first; child != NULL; child = child->next) {
        if (ddb_condition_holds(child, item) == stops_at) {
            return stops_at;
        }
    }
    return !stops_at;
}

bool ddb_condition_names(const struct ddb_condition *c, str name)
{
    if (c == NULL) {
        return false;
    }
    for (isize i = 0; i < c->count; i++) {
        const struct ddb_path *path = &c->operands[i].path;
        if (path->count > 0 && str_eq(path->steps[0].name, name)) {
            return true;
        }
    }
    for (const struct ddb_condition *child = c->first; child != NULL; child = child->next) {
        if (ddb_condition_names(child, name)) {
            return true;
        }
    }
    return false;
}

/* --- projections --------------------------------------------------------------------------- */

/* The place for `step` below `to`, made when it is not there. While a projection is made, an item
 * of a list carries its index in the source as its name's length. */
static struct ddb_value *place_make(struct arena *arena, struct ddb_value *to,
                                    const struct ddb_step *step)
{
    struct ddb_value empty = {.type = DDB_TYPES}; /* Not yet known. */
    if (step->name.data != NULL) {
        if (ddb_get(to, step->name) == NULL) {
            ddb_put(arena, to, step->name, &empty);
        }
        return ddb_get(to, step->name);
    }
    isize at = 0;
    while (at < to->count && to->items[at].name.len < step->index) {
        at++;
    }
    if (at < to->count && to->items[at].name.len == step->index) {
        return &to->items[at];
    }
    (void)ddb_append(arena, to);
    struct ddb_value *place = &to->items[at];
    memmove(place + 1, place, (size_t)(to->count - 1 - at) * sizeof *place);
    *place = empty;
    place->name = str_from(NULL, step->index);
    return place;
}

static void path_project(struct arena *arena, const struct ddb_path *path,
                         const struct ddb_value *item, struct ddb_value *out)
{
    const struct ddb_value *wanted = ddb_path_find(path, item);
    if (wanted == NULL) {
        return;
    }
    struct ddb_value *to = out;
    for (isize i = 0; i < path->count; i++) {
        to = place_make(arena, to, &path->steps[i]);
        if (i + 1 < path->count && to->type == DDB_TYPES) {
            to->type = path->steps[i + 1].name.data != NULL ? DDB_M : DDB_L;
        }
    }
    str name = to->name;
    *to = *wanted;
    to->name = name;
}

struct ddb_value ddb_project(struct arena *arena, const struct ddb_projection *projection,
                             const struct ddb_value *item)
{
    if (projection->count == 0) {
        return *item;
    }
    struct ddb_value out = {.type = DDB_M};
    for (isize i = 0; i < projection->count; i++) {
        path_project(arena, &projection->paths[i], item, &out);
    }
    return out;
}
