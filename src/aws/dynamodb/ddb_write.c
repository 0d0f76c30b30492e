/* aws/dynamodb/ddb_write.c: one write: what it asks for, and doing it within a transaction. */
#include "aws/dynamodb/ddb_int.h"

static bool map_take(struct ddb_work *work, const struct json_value *input, const char *member,
                     const char *shown, struct ddb_value *out)
{
    const struct json_value *value = json_get(input, str_of(member));
    if (!json_is_set(value)) {
        return ddb_invalid(work,
                           "1 validation error detected: Value null at '%s' failed to satisfy "
                           "constraint: Member must not be null",
                           shown);
    }
    return ddb_item_parse(work, value, out);
}

/* An update may not name the key. */
static bool update_check(struct ddb_work *work, const struct ddb_write *write)
{
    const struct ddb_key *key = &write->table->definition.key;
    const struct ddb_update *update = &write->terms.update;
    for (isize i = 0; i < update->count; i++) {
        str name = update->actions[i].path.steps[0].name;
        if (str_eq(name, key->hash.name) || (key->has_range && str_eq(name, key->range.name))) {
            return ddb_invalid(
                work,
                "One or more parameter values were invalid: Cannot update attribute " STR_FMT
                ". This attribute is part of the key",
                STR_ARG(name));
        }
    }
    return true;
}

static bool item_size_check(struct ddb_work *work, const struct ddb_value *item, bool is_update)
{
    return ddb_item_bytes(item) <= DDB_ITEM_BYTES_MAX ||
           ddb_invalid(work, "Item size%s has exceeded the maximum allowed size",
                       is_update ? " to update" : "");
}

bool ddb__write_parse(struct ddb_call *call, struct ddb_work *work, const struct json_value *input,
                      enum ddb_write_kind kind, struct ddb_write *out)
{
    static const char *const shows[] = {"NONE", "ALL_OLD", NULL};
    int which = DDB_TERMS_CONDITION | (kind == DDB_WRITE_UPDATE ? DDB_TERMS_UPDATE : 0);
    *out = (struct ddb_write){.kind = kind};
    if (json_kind(input) != JSON_OBJECT) {
        return ddb_refuse(work, "SerializationException", "a structure is expected");
    }
    int shown = ddb__choice(work, input, "ReturnValuesOnConditionCheckFailure",
                            "returnValuesOnConditionCheckFailure", shows);
    out->shows_old = shown > 0;
    out->table = shown < 0 ? NULL : ddb__table(call, work, input, false);
    if (out->table == NULL || !ddb__terms_parse(work, input, which, &out->terms)) {
        return false;
    }
    bool is_put = kind == DDB_WRITE_PUT;
    if (!map_take(work, input, is_put ? "Item" : "Key", is_put ? "item" : "key", &out->item)) {
        return false;
    }
    if (!is_put) {
        return ddb_key_check(work, &out->table->definition, &out->item) &&
               (kind != DDB_WRITE_UPDATE || update_check(work, out));
    }
    return ddb_item_check(work, &out->table->definition, &out->item) &&
           item_size_check(work, &out->item, false);
}

isize ddb__write_bytes(const struct ddb_write *write)
{
    return ddb_item_bytes(&write->item);
}

/* --- running ------------------------------------------------------------------------------- */

static int depth_of(const struct ddb_value *value)
{
    int depth = 0;
    bool nests = value->type == DDB_M || value->type == DDB_L;
    for (isize i = 0; i < value->count && nests; i++) {
        int inner = depth_of(&value->items[i]);
        depth = MAX(depth, inner);
    }
    return depth + nests;
}

/* An update of an item that is not there, by the first API, which only takes away: nothing. */
static bool makes_nothing(const struct ddb_write *write)
{
    const struct ddb_update *update = &write->terms.update;
    bool only_removes = write->terms.is_legacy && update->count > 0;
    for (isize i = 0; i < update->count; i++) {
        enum ddb_action_kind kind = update->actions[i].kind;
        only_removes = only_removes && (kind == DDB_REMOVE || kind == DDB_DELETE);
    }
    return only_removes;
}

static bool after_make(struct ddb_work *work, struct ddb_write *write)
{
    write->has_after = write->kind == DDB_WRITE_PUT || write->kind == DDB_WRITE_UPDATE;
    if (write->kind == DDB_WRITE_PUT) {
        write->after = write->item;
    }
    if (write->kind != DDB_WRITE_UPDATE) {
        return true;
    }
    if (!write->has_before && makes_nothing(write)) {
        write->has_after = false;
        return true;
    }
    const struct ddb_definition *d = &write->table->definition;
    write->after = ddb_copy(work->arena, write->has_before ? &write->before : &write->item);
    if (!ddb_update_apply(work, &write->terms.update, &write->after) ||
        !ddb_item_check(work, d, &write->after) || !item_size_check(work, &write->after, true)) {
        return false;
    }
    return depth_of(&write->after) <= DDB_DEPTH_MAX + 1 ||
           ddb_invalid(work, "Nesting Levels have exceeded supported limits");
}

bool ddb__write_run(struct ddb_call *call, struct ddb_work *work, struct ddb_write *write)
{
    static const struct ddb_value nothing = {.type = DDB_M};
    err e = ddb_item_read(call->store, write->table, &write->item, work->arena, &write->before,
                          &write->has_before);
    if (e != OK) {
        return ddb__store_failed(work, e);
    }
    const struct ddb_value *seen = write->has_before ? &write->before : &nothing;
    if (!ddb_condition_holds(write->terms.condition, seen)) {
        return ddb_refuse(work, "ConditionalCheckFailedException",
                          "The conditional request failed");
    }
    if (write->kind == DDB_WRITE_CHECK) {
        return true;
    }
    if (!after_make(work, write)) {
        return false;
    }
    e = ddb_item_write(call->store, write->table, write->has_before ? &write->before : NULL,
                       write->has_after ? &write->after : NULL);
    return e == OK || ddb__store_failed(work, e);
}

void ddb__write_show_old(struct buf *out, const struct ddb_write *write)
{
    if (write->shows_old && write->has_before) {
        buf_append(out, STR(",\"Item\":"));
        ddb_item_show(out, &write->before);
    }
}
