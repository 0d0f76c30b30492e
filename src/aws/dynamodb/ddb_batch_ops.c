/* aws/dynamodb/ddb_batch_ops.c: BatchGetItem and BatchWriteItem. */
#include "aws/dynamodb/ddb_int.h"

/* RequestItems: a map from a table to what is asked of it. */
static const struct json_value *request_items(struct ddb_call *call)
{
    const struct json_value *items = json_get(call->input, STR("RequestItems"));
    if (json_is_set(items) && json_kind(items) != JSON_OBJECT) {
        (void)ddb_refuse(&call->work, "SerializationException", "RequestItems is no map");
        return NULL;
    }
    if (json_count(items) == 0) {
        (void)ddb_invalid(&call->work, "1 validation error detected: Value '{}' at 'requestItems' "
                                       "failed to satisfy constraint: Member must have length "
                                       "greater than or equal to 1");
        return NULL;
    }
    return items;
}

static const struct ddb_table *table_of(struct ddb_call *call, const struct json_value *entry)
{
    struct json_value name = {.kind = JSON_STRING, .text = json_name(entry)};
    return ddb__table_named(call, &call->work, &name, false);
}

/* Keys of one batch, to find those that come twice. */
struct seen {
    struct {
        const struct ddb_table *table;
        str key;
    } entries[DDB_TRANSACT_MAX];
    isize count;
};

static bool seen_add(struct ddb_call *call, struct seen *seen, const struct ddb_table *table,
                     const struct ddb_value *item)
{
    struct buf key = {0};
    ddb_item_key(&key, &table->definition, item);
    str copy = arena_copy(call->arena, buf_str(&key));
    buf_deinit(&key);
    for (isize i = 0; i < seen->count; i++) {
        if (seen->entries[i].table == table && str_eq(seen->entries[i].key, copy)) {
            return ddb_invalid(&call->work, "Provided list of item keys contains duplicates");
        }
    }
    CHECK(seen->count < DDB_TRANSACT_MAX);
    seen->entries[seen->count].table = table;
    seen->entries[seen->count++].key = copy;
    return true;
}

/* --- BatchGetItem -------------------------------------------------------------------------- */

struct wanted {
    const struct ddb_table *table;
    const struct json_value *entry;
    struct ddb_value *keys;
    isize count, done;
    struct ddb_terms terms;
    bool is_consistent;
};

static bool wanted_take(struct ddb_call *call, const struct json_value *entry, struct seen *seen,
                        struct wanted *out)
{
    struct ddb_work *work = &call->work;
    const struct json_value *keys = json_get(entry, STR("Keys"));
    *out = (struct wanted){.entry = entry, .table = table_of(call, entry)};
    if (out->table == NULL) {
        return false;
    }
    if (json_kind(keys) != JSON_ARRAY || json_count(keys) == 0) {
        return ddb_invalid(work,
                           "1 validation error detected: Value '[]' at 'requestItems." STR_FMT
                           ".member.keys' failed to satisfy constraint: Member must have "
                           "length greater than or equal to 1",
                           STR_ARG(out->table->name));
    }
    out->is_consistent = json_get_bool(entry, STR("ConsistentRead"), false);
    out->keys = ARENA_ARRAY(call->arena, struct ddb_value, json_count(keys));
    if (!ddb__terms_parse(work, entry, DDB_TERMS_PROJECTION, &out->terms)) {
        return false;
    }
    for (const struct json_value *v = json_first(keys); v != NULL; v = json_next(v)) {
        struct ddb_value *key = &out->keys[out->count++];
        if (seen->count >= DDB_BATCH_GET_MAX) {
            return ddb_invalid(work, "Too many items requested for the BatchGetItem call");
        }
        if (!ddb_item_parse(work, v, key) || !ddb_key_check(work, &out->table->definition, key) ||
            !seen_add(call, seen, out->table, key)) {
            return false;
        }
    }
    return true;
}

/* Reads until the answer is full; what is left stays for UnprocessedKeys. */
static err wanted_read(struct ddb_call *call, struct wanted *w, isize *budget,
                       struct ddb_usage *usage)
{
    isize shown = 0;
    struct arena arena = {0};
    err e = OK;
    for (; w->done<w->count && * budget> 0 && e == OK; w->done++) {
        struct ddb_value item;
        bool found;
        arena_reset(&arena);
        e = ddb_item_read(call->store, w->table, &w->keys[w->done], &arena, &item, &found);
        isize bytes = e == OK && found ? ddb_item_bytes(&item) : 0;
        usage->units += ddb__read_units(bytes, w->is_consistent);
        *budget -= bytes;
        if (e == OK && found) {
            struct ddb_value part = ddb_project(&arena, &w->terms.projection, &item);
            buf_append(&call->out, shown++ > 0 ? STR(",") : STR_EMPTY);
            ddb_item_show(&call->out, &part);
        }
    }
    arena_deinit(&arena);
    return e;
}

static void json_copy(struct buf *out, const struct json_value *value)
{
    enum json_kind kind = json_kind(value);
    if (kind == JSON_STRING) {
        json_write_string(out, json_text(value));
        return;
    }
    if (kind == JSON_NUMBER) {
        buf_append(out, json_text(value));
        return;
    }
    if (kind != JSON_ARRAY && kind != JSON_OBJECT) {
        str word = kind == JSON_TRUE ? STR("true") : STR("false");
        buf_append(out, kind == JSON_NULL ? STR("null") : word);
        return;
    }
    bool is_object = kind == JSON_OBJECT;
    buf_append_byte(out, is_object ? '{' : '[');
    for (const struct json_value *v = json_first(value); v != NULL; v = json_next(v)) {
        if (is_object) {
            json_write_string(out, json_name(v));
            buf_append_byte(out, ':');
        }
        json_copy(out, v);
        buf_append(out, json_next(v) != NULL ? STR(",") : STR_EMPTY);
    }
    buf_append_byte(out, is_object ? '}' : ']');
}

/* The entry as it came, but for the keys that were answered. */
static void rest_write(struct buf *out, const struct wanted *w)
{
    json_write_string(out, json_name(w->entry));
    buf_append(out, STR(":{\"Keys\":["));
    for (isize i = w->done; i < w->count; i++) {
        buf_append(out, i > w->done ? STR(",") : STR_EMPTY);
        ddb_item_show(out, &w->keys[i]);
    }
    buf_append_byte(out, ']');
    for (const struct json_value *v = json_first(w->entry); v != NULL; v = json_next(v)) {
        if (!str_eq(json_name(v), STR("Keys"))) {
            buf_append_byte(out, ',');
            json_write_string(out, json_name(v));
            buf_append_byte(out, ':');
            json_copy(out, v);
        }
    }
    buf_append_byte(out, '}');
}

void ddb__batch_get(struct ddb_call *call)
{
    const struct json_value *items = request_items(call);
    int capacity = ddb__capacity_choice(&call->work, call->input);
    if (items == NULL || capacity < 0) {
        return;
    }
    isize count = 0, usage_count = 0, budget = DDB_BATCH_GET_BYTES_MAX;
    struct wanted *wanted = ARENA_ARRAY(call->arena, struct wanted, json_count(items));
    struct seen *seen = ARENA_NEW(call->arena, struct seen);
    struct ddb_usage *usages = NULL;
    for (const struct json_value *v = json_first(items); v != NULL; v = json_next(v)) {
        if (!wanted_take(call, v, seen, &wanted[count++])) {
            return;
        }
    }
    ddb__member(&call->out, "Responses");
    for (isize i = 0; i < count; i++) {
        buf_append_byte(&call->out, i == 0 ? '{' : ',');
        json_write_string(&call->out, json_name(wanted[i].entry));
        buf_append(&call->out, STR(":["));
        struct ddb_usage *usage =
            ddb__usage_of(call->arena, &usages, &usage_count, wanted[i].table);
        err e = wanted_read(call, &wanted[i], &budget, usage);
        if (e != OK) {
            (void)ddb__store_failed(&call->work, e);
            return;
        }
        buf_append_byte(&call->out, ']');
    }
    buf_append_byte(&call->out, '}');
    ddb__member(&call->out, "UnprocessedKeys");
    buf_append_byte(&call->out, '{');
    bool is_first = true;
    for (isize i = 0; i < count; i++) {
        if (wanted[i].done < wanted[i].count) {
            buf_append(&call->out, is_first ? STR_EMPTY : STR(","));
            rest_write(&call->out, &wanted[i]);
            is_first = false;
        }
    }
    buf_append_byte(&call->out, '}');
    ddb__usage_show_list(call, capacity, usages, usage_count, NULL);
}

/* --- BatchWriteItem ------------------------------------------------------------------------ */

static bool write_take(struct ddb_call *call, const struct ddb_table *table,
                       const struct json_value *request, struct ddb_write *out)
{
    struct ddb_work *work = &call->work;
    const struct ddb_definition *d = &table->definition;
    const struct json_value *put = json_get(request, STR("PutRequest"));
    const struct json_value *gone = json_get(request, STR("DeleteRequest"));
    *out = (struct ddb_write){.table = table,
                              .kind = json_is_set(put) ? DDB_WRITE_PUT : DDB_WRITE_DELETE};
    if (json_is_set(put) == json_is_set(gone)) {
        return ddb_invalid(work,
                           "Supplied AttributeValue %s, must contain exactly one of "
                           "PutRequest and DeleteRequest",
                           json_is_set(put) ? "has both set" : "is empty");
    }
    if (json_is_set(gone)) {
        return ddb_item_parse(work, json_get(gone, STR("Key")), &out->item) &&
               ddb_key_check(work, d, &out->item);
    }
    return ddb_item_parse(work, json_get(put, STR("Item")), &out->item) &&
           ddb_item_check(work, d, &out->item) &&
           (ddb_item_bytes(&out->item) <= DDB_ITEM_BYTES_MAX ||
            ddb_invalid(work, "Item size has exceeded the maximum allowed size"));
}

static bool writes_take(struct ddb_call *call, const struct json_value *items,
                        struct ddb_write *writes, isize *count_out)
{
    struct seen *seen = ARENA_NEW(call->arena, struct seen);
    for (const struct json_value *v = json_first(items); v != NULL; v = json_next(v)) {
        const struct ddb_table *table = table_of(call, v);
        if (table == NULL) {
            return false;
        }
        if (json_kind(v) != JSON_ARRAY || json_count(v) == 0) {
            return ddb_invalid(&call->work, "The batch write request list for a table cannot be "
                                            "null or empty");
        }
        for (const struct json_value *r = json_first(v); r != NULL; r = json_next(r)) {
            if (*count_out >= DDB_BATCH_WRITE_MAX) {
                return ddb_invalid(&call->work,
                                   "Too many items requested for the BatchWriteItem call");
            }
            struct ddb_write *write = &writes[(*count_out)++];
            if (!write_take(call, table, r, write) || !seen_add(call, seen, table, &write->item)) {
                return false;
            }
        }
    }
    return true;
}

void ddb__batch_write(struct ddb_call *call)
{
    const struct json_value *items = request_items(call);
    int capacity = ddb__capacity_choice(&call->work, call->input);
    struct ddb_write writes[DDB_BATCH_WRITE_MAX];
    isize count = 0, usage_count = 0;
    if (items == NULL || capacity < 0 || !writes_take(call, items, writes, &count)) {
        return;
    }
    err e = ddb_store_begin(call->store); /* One sync for all of them. */
    for (isize i = 0; i < count && e == OK; i++) {
        if (!ddb__write_run(call, &call->work, &writes[i])) {
            ddb_store_rollback(call->store);
            return;
        }
    }
    e = e == OK ? ddb_store_commit(call->store) : e;
    if (e != OK) {
        (void)ddb__store_failed(&call->work, e);
        return;
    }
    struct ddb_usage *usages = NULL;
    for (isize i = 0; i < count; i++) {
        ddb__usage_write(call->arena,
                         ddb__usage_of(call->arena, &usages, &usage_count, writes[i].table),
                         writes[i].has_before ? &writes[i].before : NULL,
                         writes[i].has_after ? &writes[i].after : NULL, 1);
    }
    ddb__member(&call->out, "UnprocessedItems");
    buf_append(&call->out, STR("{}"));
    ddb__usage_show_list(call, capacity, usages, usage_count, NULL);
}
