/*
 * aws/dynamodb/ddb_update.c: an update runs over a copy of the item. First every
 * value is computed from the item as it was, then SET, ADD and DELETE happen; at
 * last REMOVE, whose list indexes are those of the item as it was.
 */
#include "aws/dynamodb/ddb_expr.h"
#include "aws/dynamodb/ddb_number.h"

#include <stdlib.h>

#define WRONG_TYPE "An operand in the update expression has an incorrect data type"
#define WRONG_PATH "The document path provided in the update expression is invalid for update"

/* --- values -------------------------------------------------------------------------------- */

static bool sum(struct ddb_work *work, const struct ddb_value *a, const struct ddb_value *b,
                bool is_minus, struct ddb_value *out)
{
    if (a->type != DDB_N || b->type != DDB_N) {
        return ddb_invalid(work, WRONG_TYPE);
    }
    struct ddb_number x, y, result;
    CHECK(ddb_number_parse(a->text, &x) == DDB_NUMBER_OK);
    CHECK(ddb_number_parse(b->text, &y) == DDB_NUMBER_OK);
    switch (ddb_number_add(&x, &y, is_minus, &result)) {
    case DDB_NUMBER_OK:
        break;
    case DDB_NUMBER_UNDERFLOW:
        return ddb_invalid(work, "Number underflow. Attempting to store a number with magnitude "
                                 "smaller than supported range");
    case DDB_NUMBER_DIGITS:
        return ddb_invalid(work, "Attempting to store more than 38 significant digits in a Number");
    case DDB_NUMBER_SYNTAX:
    case DDB_NUMBER_OVERFLOW:
        return ddb_invalid(work, "Number overflow. Attempting to store a number with magnitude "
                                 "larger than supported range");
    }
    char text[DDB_NUMBER_TEXT_MAX];
    *out = (struct ddb_value){
        .type = DDB_N,
        .text = arena_copy(work->arena, str_from(text, ddb_number_write(&result, text)))};
    return true;
}

static bool lists_join(struct ddb_work *work, const struct ddb_value *a, const struct ddb_value *b,
                       struct ddb_value *out)
{
    if (a->type != DDB_L || b->type != DDB_L) {
        return ddb_invalid(work, WRONG_TYPE);
    }
    *out = (struct ddb_value){.type = DDB_L, .count = a->count + b->count};
    out->capacity = out->count;
    out->items = ARENA_ARRAY(work->arena, struct ddb_value, MAX(out->count, 1));
    for (isize i = 0; i < out->count; i++) {
        out->items[i] =
            ddb_copy(work->arena, i < a->count ? &a->items[i] : &b->items[i - a->count]);
    }
    return true;
}

static bool compute(struct ddb_work *work, const struct ddb_operand *operand,
                    const struct ddb_value *item, struct ddb_value *out)
{
    struct ddb_value left = {0}, right = {0};
    const struct ddb_value *found = NULL;
    switch (operand->kind) {
    case DDB_OPERAND_VALUE:
        *out = ddb_copy(work->arena, &operand->value);
        return true;
    case DDB_OPERAND_PATH:
    case DDB_OPERAND_IF_NOT_EXISTS:
        found = ddb_path_find(&operand->path, item);
        if (found != NULL) {
            *out = ddb_copy(work->arena, found);
            return true;
        }
        if (operand->kind == DDB_OPERAND_IF_NOT_EXISTS) {
            return compute(work, operand->right, item, out);
        }
        return ddb_invalid(work, "The provided expression refers to an attribute that does not "
                                 "exist in the item");
    case DDB_OPERAND_LIST_APPEND:
    case DDB_OPERAND_PLUS:
    case DDB_OPERAND_MINUS:
        if (!compute(work, operand->left, item, &left) ||
            !compute(work, operand->right, item, &right)) {
            return false;
        }
        return operand->kind == DDB_OPERAND_LIST_APPEND
                   ? lists_join(work, &left, &right, out)
                   : sum(work, &left, &right, operand->kind == DDB_OPERAND_MINUS, out);
    case DDB_OPERAND_SIZE:
        break;
    }
    return ddb_invalid(work, WRONG_TYPE);
}

/* The union, or what of `a` is not in `b`; both are in order. */
static struct ddb_value sets_merge(struct arena *arena, const struct ddb_value *a,
                                   const struct ddb_value *b, bool is_union)
{
    struct ddb_value out = {.type = a->type};
    out.capacity = a->count + b->count;
    out.items = ARENA_ARRAY(arena, struct ddb_value, out.capacity);
    isize i = 0, j = 0;
    while (i < a->count || (is_union && j < b->count)) {
        int order = i == a->count   ? 1
                    : j == b->count ? -1
                                    : ddb_value_cmp(&a->items[i], &b->items[j]);
        if (order < 0 || (order == 0 && is_union)) {
            out.items[out.count++] = a->items[i];
        } else if (order > 0 && is_union) {
            out.items[out.count++] = b->items[j];
        }
        i += order <= 0;
        j += order >= 0;
    }
    return out;
}

/* --- places -------------------------------------------------------------------------------- */

static void place_set(struct arena *arena, struct ddb_value *parent, const struct ddb_step *step,
                      const struct ddb_value *value)
{
    if (step->name.data != NULL) {
        ddb_put(arena, parent, step->name, value);
        return;
    }
    struct ddb_value *place =
        step->index < parent->count ? &parent->items[step->index] : ddb_append(arena, parent);
    *place = *value;
    place->name = STR_EMPTY;
}

/* What the last step of the path is below; false when there is nothing that could have it. */
static bool parent_find(struct ddb_work *work, const struct ddb_path *path, struct ddb_value *item,
                        struct ddb_value **out)
{
    *out = item;
    if (path->count > 1) {
        struct ddb_path upper = {path->steps, path->count - 1};
        *out = ddb_path_find(&upper, item);
    }
    bool is_name = path->steps[path->count - 1].name.data != NULL;
    if (*out == NULL || (*out)->type != (is_name ? DDB_M : DDB_L)) {
        return ddb_invalid(work, WRONG_PATH);
    }
    return true;
}

/* --- actions ------------------------------------------------------------------------------- */

static bool add_apply(struct ddb_work *work, const struct ddb_action *action, bool is_legacy,
                      const struct ddb_value *old, struct ddb_value *out)
{
    const struct ddb_value *value = &action->operand.value;
    if (old == NULL) {
        *out = ddb_copy(work->arena, value);
        return true;
    }
    if (value->type == DDB_N) {
        return sum(work, old, value, false, out);
    }
    if (is_legacy && value->type == DDB_L) {
        return lists_join(work, old, value, out);
    }
    if (old->type != value->type) {
        return ddb_invalid(work, is_legacy ? "Type mismatch for attribute to update" : WRONG_TYPE);
    }
    *out = sets_merge(work->arena, old, value, true);
    return true;
}

/* *is_gone_out: nothing is left of the set. */
static bool delete_apply(struct ddb_work *work, const struct ddb_action *action, bool is_legacy,
                         const struct ddb_value *old, struct ddb_value *out, bool *is_gone_out)
{
    if (old->type != action->operand.value.type) {
        return ddb_invalid(work, is_legacy ? "Type mismatch for attribute to update" : WRONG_TYPE);
    }
    *out = sets_merge(work->arena, old, &action->operand.value, false);
    *is_gone_out = out->count == 0;
    return true;
}

struct step_done {
    const struct ddb_action *action;
    struct ddb_value value;
    bool is_skipped, is_removed;
};

static bool action_compute(struct ddb_work *work, const struct ddb_update *update,
                           const struct ddb_value *item, struct step_done *out)
{
    const struct ddb_action *action = out->action;
    const struct ddb_value *old = ddb_path_find(&action->path, item);
    switch (action->kind) {
    case DDB_SET:
        return compute(work, &action->operand, item, &out->value);
    case DDB_ADD:
        return add_apply(work, action, update->is_legacy, old, &out->value);
    case DDB_DELETE:
        out->is_skipped = old == NULL;
        return old == NULL ||
               delete_apply(work, action, update->is_legacy, old, &out->value, &out->is_removed);
    case DDB_REMOVE:
        out->is_skipped = old == NULL;
        out->is_removed = true;
        return true;
    }
    return true;
}

/* By the last index, ascending: what lies beyond a list's end is appended in this order. */
static int by_index(const void *a, const void *b)
{
    const struct step_done *x = a, *y = b;
    i64 i = x->action->path.steps[x->action->path.count - 1].index;
    i64 j = y->action->path.steps[y->action->path.count - 1].index;
    return i < j ? -1 : (i > j ? 1 : 0);
}

/* Takes out what was marked; no deeper than items are. */
static void marked_remove(struct ddb_value *value)
{
    isize kept = 0;
    if (value->type != DDB_M && value->type != DDB_L) {
        return;
    }
    for (isize i = 0; i < value->count; i++) {
        if (value->items[i].type == DDB_TYPES) {
            continue;
        }
        marked_remove(&value->items[i]);
        value->items[kept++] = value->items[i];
    }
    value->count = kept;
}

static bool steps_apply(struct ddb_work *work, struct step_done *steps, isize count,
                        struct ddb_value *item)
{
    bool has_removed = false;
    for (isize i = 0; i < count; i++) {
        const struct ddb_path *path = &steps[i].action->path;
        if (steps[i].is_skipped) {
            continue;
        }
        if (steps[i].is_removed) {
            ddb_path_find(path, item)->type = DDB_TYPES; /* A mark; it was found before. */
            has_removed = true;
            continue;
        }
        struct ddb_value *parent;
        if (!parent_find(work, path, item, &parent)) {
            return false;
        }
        place_set(work->arena, parent, &path->steps[path->count - 1], &steps[i].value);
    }
    if (has_removed) {
        marked_remove(item);
    }
    return true;
}

bool ddb_update_apply(struct ddb_work *work, const struct ddb_update *update,
                      struct ddb_value *item)
{
    struct step_done *steps = ARENA_ARRAY(work->arena, struct step_done, MAX(update->count, 1));
    for (isize i = 0; i < update->count; i++) {
        steps[i].action = &update->actions[i];
        if (!action_compute(work, update, item, &steps[i])) {
            return false;
        }
    }
    qsort(steps, (size_t)update->count, sizeof *steps, by_index);
    return steps_apply(work, steps, update->count, item);
}
