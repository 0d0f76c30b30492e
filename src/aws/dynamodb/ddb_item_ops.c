/* aws/dynamodb/ddb_item_ops.c: GetItem, PutItem, UpdateItem, DeleteItem. */
#include "aws/dynamodb/ddb_int.h"

enum shown { SHOWN_NONE, SHOWN_ALL_OLD, SHOWN_UPDATED_OLD, SHOWN_ALL_NEW, SHOWN_UPDATED_NEW };

void ddb__get_item(struct ddb_call *call)
{
    struct ddb_work *work = &call->work;
    struct ddb_value key, item;
    struct ddb_terms terms;
    bool found;
    int shown = ddb__capacity_choice(work, call->input);
    const struct ddb_table *table = shown < 0 ? NULL : ddb__table(call, work, call->input, false);
    const struct json_value *given = json_get(call->input, STR("Key"));
    if (table == NULL) {
        return;
    }
    if (!json_is_set(given)) {
        (void)ddb_invalid(work, "1 validation error detected: Value null at 'key' failed to "
                                "satisfy constraint: Member must not be null");
        return;
    }
    if (!ddb__terms_parse(work, call->input, DDB_TERMS_PROJECTION, &terms) ||
        !ddb_item_parse(work, given, &key) || !ddb_key_check(work, &table->definition, &key)) {
        return;
    }
    err e = ddb_item_read(call->store, table, &key, call->arena, &item, &found);
    if (e != OK) {
        (void)ddb__store_failed(work, e);
        return;
    }
    bool is_consistent = json_get_bool(call->input, STR("ConsistentRead"), false);
    struct ddb_usage usage = {.table = table};
    usage.units = ddb__read_units(found ? ddb_item_bytes(&item) : 0, is_consistent);
    if (found) {
        struct ddb_value part = ddb_project(call->arena, &terms.projection, &item);
        ddb__member(&call->out, "Item");
        ddb_item_show(&call->out, &part);
    }
    ddb__usage_show(call, shown, &usage);
}

/* --- writes -------------------------------------------------------------------------------- */

static void attributes_show(struct ddb_call *call, const struct ddb_write *write, enum shown shown)
{
    bool is_old = shown == SHOWN_ALL_OLD || shown == SHOWN_UPDATED_OLD;
    bool is_there = is_old ? write->has_before : write->has_after;
    struct ddb_value item = is_old ? write->before : write->after;
    if (shown == SHOWN_NONE || !is_there) {
        return;
    }
    if (shown == SHOWN_UPDATED_OLD || shown == SHOWN_UPDATED_NEW) {
        const struct ddb_update *update = &write->terms.update;
        struct ddb_projection paths = {
            ARENA_ARRAY(call->arena, struct ddb_path, MAX(update->count, 1)), update->count};
        for (isize i = 0; i < update->count; i++) {
            paths.paths[i] = update->actions[i].path;
        }
        item = update->count == 0 ? (struct ddb_value){.type = DDB_M}
                                  : ddb_project(call->arena, &paths, &item);
        if (item.count == 0) {
            return;
        }
    }
    ddb__member(&call->out, "Attributes");
    ddb_item_show(&call->out, &item);
}

static bool write_now(struct ddb_call *call, struct ddb_write *write)
{
    err e = ddb_store_begin(call->store);
    if (e != OK) {
        return ddb__store_failed(&call->work, e);
    }
    if (!ddb__write_run(call, &call->work, write)) {
        ddb_store_rollback(call->store);
        return false;
    }
    e = ddb_store_commit(call->store);
    return e == OK || ddb__store_failed(&call->work, e);
}

static void write_one(struct ddb_call *call, enum ddb_write_kind kind)
{
    static const char *const names[] = {"NONE",    "ALL_OLD",     "UPDATED_OLD",
                                        "ALL_NEW", "UPDATED_NEW", NULL};
    static const char *const metrics[] = {"NONE", "SIZE", NULL};
    struct ddb_work *work = &call->work;
    struct ddb_write write;
    int capacity = ddb__capacity_choice(work, call->input);
    int shown = ddb__choice(work, call->input, "ReturnValues", "returnValues", names);
    int metric = ddb__choice(work, call->input, "ReturnItemCollectionMetrics",
                             "returnItemCollectionMetrics", metrics);
    if (capacity < 0 || shown < 0 || metric < 0) {
        return;
    }
    if (kind != DDB_WRITE_UPDATE && shown > SHOWN_ALL_OLD) {
        (void)ddb_invalid(work, "ReturnValues can only be ALL_OLD or NONE");
        return;
    }
    if (!ddb__write_parse(call, work, call->input, kind, &write)) {
        return;
    }
    if (!write_now(call, &write)) {
        if (strcmp(work->type, "ConditionalCheckFailedException") == 0) {
            ddb__write_show_old(&call->details, &write);
        }
        return;
    }
    struct ddb_usage usage = {.table = write.table};
    ddb__usage_write(call->arena, &usage, write.has_before ? &write.before : NULL,
                     write.has_after ? &write.after : NULL, 1);
    attributes_show(call, &write, (enum shown)shown);
    ddb__usage_show(call, capacity, &usage);
}

void ddb__put_item(struct ddb_call *call)
{
    write_one(call, DDB_WRITE_PUT);
}

void ddb__update_item(struct ddb_call *call)
{
    write_one(call, DDB_WRITE_UPDATE);
}

void ddb__delete_item(struct ddb_call *call)
{
    write_one(call, DDB_WRITE_DELETE);
}
