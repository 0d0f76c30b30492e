/* aws/dynamodb/ddb_transact_ops.c: TransactWriteItems and TransactGetItems: all or nothing. */
#include "aws/dynamodb/ddb_int.h"
#include "base/hash.h"

enum { TOKEN_BYTES_MAX = 36 };

static const struct json_value *transact_items(struct ddb_call *call)
{
    const struct json_value *items = json_get(call->input, STR("TransactItems"));
    isize count = json_count(items);
    if (json_is_set(items) && json_kind(items) != JSON_ARRAY) {
        (void)ddb_refuse(&call->work, "SerializationException", "TransactItems is no list");
        return NULL;
    }
    if (count < 1 || count > DDB_TRANSACT_MAX) {
        (void)ddb_invalid(&call->work,
                          "1 validation error detected: Value at 'transactItems' failed to satisfy "
                          "constraint: Member must have length %s than or equal to %d",
                          count < 1 ? "greater" : "less", count < 1 ? 1 : DDB_TRANSACT_MAX);
        return NULL;
    }
    return items;
}

/* --- writing ------------------------------------------------------------------------------- */

struct transaction {
    struct ddb_write writes[DDB_TRANSACT_MAX];
    struct ddb_work works[DDB_TRANSACT_MAX];
    str keys[DDB_TRANSACT_MAX];
    isize count, bytes;
};

static bool write_take(struct ddb_call *call, const struct json_value *entry, struct ddb_write *out)
{
    static const struct {
        const char *name;
        enum ddb_write_kind kind;
    } kinds[] = {{"Put", DDB_WRITE_PUT},
                 {"Update", DDB_WRITE_UPDATE},
                 {"Delete", DDB_WRITE_DELETE},
                 {"ConditionCheck", DDB_WRITE_CHECK}};
    isize found = -1, count = 0;
    for (isize i = 0; i < COUNT_OF(kinds); i++) {
        if (json_is_set(json_get(entry, str_of(kinds[i].name)))) {
            found = i;
            count++;
        }
    }
    if (count != 1) {
        return ddb_invalid(&call->work, "TransactItems can only contain one of Check, Put, Update "
                                        "or Delete");
    }
    const struct json_value *input = json_get(entry, str_of(kinds[found].name));
    if (!ddb__write_parse(call, &call->work, input, kinds[found].kind, out)) {
        return false;
    }
    bool needs_condition = kinds[found].kind == DDB_WRITE_CHECK;
    if (out->terms.is_legacy || (needs_condition && out->terms.condition == NULL)) {
        return ddb_invalid(&call->work,
                           "%s takes a ConditionExpression, and nothing else of that "
                           "kind",
                           kinds[found].name);
    }
    return kinds[found].kind != DDB_WRITE_UPDATE || out->terms.has_update ||
           ddb_invalid(&call->work, "Update takes an UpdateExpression");
}

static bool key_note(struct ddb_call *call, struct transaction *t, const struct ddb_write *write)
{
    struct buf key = {0};
    ddb_item_key(&key, &write->table->definition, &write->item);
    str copy = arena_copy(call->arena, buf_str(&key));
    buf_deinit(&key);
    for (isize i = 0; i < t->count; i++) {
        if (t->writes[i].table == write->table && str_eq(t->keys[i], copy)) {
            return ddb_invalid(&call->work, "Transaction request cannot include multiple "
                                            "operations on one item");
        }
    }
    t->keys[t->count] = copy;
    t->bytes += ddb__write_bytes(write);
    return t->bytes <= DDB_TRANSACT_BYTES_MAX ||
           ddb_invalid(&call->work, "Transaction request has more than %d bytes of items",
                       DDB_TRANSACT_BYTES_MAX);
}

/* The reason's name: the exception's without its end. */
static str reason_of(const struct ddb_work *work)
{
    if (work->type == NULL) {
        return STR("None");
    }
    if (strcmp(work->type, "ValidationException") == 0) {
        return STR("ValidationError");
    }
    str type = str_of(work->type);
    return str_ends(type, STR("Exception")) ? str_slice(type, 0, type.len - 9) : type;
}

static void cancellation_make(struct ddb_call *call, const struct transaction *t)
{
    struct buf codes = {0};
    buf_append(&call->details, STR(",\"CancellationReasons\":["));
    for (isize i = 0; i < t->count; i++) {
        const struct ddb_work *work = &t->works[i];
        str code = reason_of(work);
        buf_append(&codes, i > 0 ? STR(", ") : STR_EMPTY);
        buf_append(&codes, code);
        buf_printf(&call->details, "%s{\"Code\":\"" STR_FMT "\"", i > 0 ? "," : "", STR_ARG(code));
        if (work->type != NULL) {
            buf_append(&call->details, STR(",\"Message\":"));
            json_write_string(&call->details, work->message);
            ddb__write_show_old(&call->details, &t->writes[i]);
        }
        buf_append_byte(&call->details, '}');
    }
    buf_append_byte(&call->details, ']');
    (void)ddb_refuse(&call->work, "TransactionCanceledException",
                     "Transaction cancelled, please refer cancellation reasons for specific "
                     "reasons [" STR_FMT "]",
                     STR_ARG(buf_str(&codes)));
    buf_deinit(&codes);
}

/* Every write is tried, so that each has its reason; true when none was refused. */
static bool writes_run(struct ddb_call *call, struct transaction *t)
{
    bool is_good = true;
    for (isize i = 0; i < t->count; i++) {
        t->works[i].arena = call->arena;
        bool is_done = ddb__write_run(call, &t->works[i], &t->writes[i]);
        is_good = is_good && is_done;
        if (!is_done && strcmp(t->works[i].type, "InternalServerError") == 0) {
            call->work = t->works[i];
            return false;
        }
    }
    if (!is_good) {
        cancellation_make(call, t);
    }
    return is_good;
}

/* The same for requests that mean the same, in whatever order their members came. */
static u64 meaning_hash(const struct json_value *value)
{
    const u64 prime = 0x9E3779B1;
    u64 hash = hash64(json_text(value).data, json_text(value).len, (u64)json_kind(value));
    for (const struct json_value *v = json_first(value); v != NULL; v = json_next(v)) {
        u64 pair[2] = {hash64(json_name(v).data, json_name(v).len, prime), meaning_hash(v)};
        u64 one = hash64(pair, sizeof pair, 0);
        hash = json_kind(value) == JSON_OBJECT ? hash + one : hash * prime + one;
    }
    return hash;
}

/* True when this very request was done already, or was refused. */
static bool token_is_done(struct ddb_call *call, str token, u64 hash)
{
    u64 earlier;
    bool found;
    if (token.len == 0) {
        return false;
    }
    if (token.len > TOKEN_BYTES_MAX) {
        (void)ddb_invalid(&call->work,
                          "1 validation error detected: Value '" STR_FMT
                          "' at 'clientRequestToken' failed to satisfy constraint: Member must "
                          "have length less than or equal to 36",
                          STR_ARG(str_slice(token, 0, 256)));
        return true;
    }
    err e = ddb_token_read(call->store, call->scope, token, &earlier, &found);
    if (e != OK) {
        (void)ddb__store_failed(&call->work, e);
    } else if (found && earlier != hash) {
        (void)ddb_refuse(&call->work, "IdempotentParameterMismatchException",
                         "The ClientRequestToken was used before with other parameters");
    }
    return e != OK || found;
}

static bool transaction_run(struct ddb_call *call, struct transaction *t, str token, u64 hash)
{
    err e = ddb_store_begin(call->store);
    if (e != OK) {
        return ddb__store_failed(&call->work, e);
    }
    if (!writes_run(call, t)) {
        ddb_store_rollback(call->store);
        return false;
    }
    e = token.len > 0 ? ddb_token_write(call->store, call->scope, token, hash) : OK;
    if (e != OK) {
        ddb_store_rollback(call->store);
        return ddb__store_failed(&call->work, e);
    }
    e = ddb_store_commit(call->store);
    return e == OK || ddb__store_failed(&call->work, e);
}

void ddb__transact_write(struct ddb_call *call)
{
    const struct json_value *items = transact_items(call);
    int capacity = ddb__capacity_choice(&call->work, call->input);
    str token = json_get_text(call->input, STR("ClientRequestToken"));
    if (items == NULL || capacity < 0) {
        return;
    }
    struct transaction *t = ARENA_NEW(call->arena, struct transaction);
    for (const struct json_value *v = json_first(items); v != NULL; v = json_next(v)) {
        struct ddb_write *write = &t->writes[t->count];
        if (!write_take(call, v, write) || !key_note(call, t, write)) {
            return;
        }
        t->count++;
    }
    u64 hash = meaning_hash(items);
    if (token_is_done(call, token, hash) || !transaction_run(call, t, token, hash)) {
        return;
    }
    struct ddb_usage *usages = NULL;
    isize usage_count = 0;
    for (isize i = 0; i < t->count; i++) {
        const struct ddb_write *w = &t->writes[i];
        ddb__usage_write(call->arena, ddb__usage_of(call->arena, &usages, &usage_count, w->table),
                         w->has_before ? &w->before : NULL, w->has_after ? &w->after : NULL, 2);
    }
    ddb__usage_show_list(call, capacity, usages, usage_count, "WriteCapacityUnits");
}

/* --- reading ------------------------------------------------------------------------------- */

static bool get_one(struct ddb_call *call, const struct json_value *entry, isize *bytes,
                    struct ddb_usage **usages, isize *usage_count)
{
    struct ddb_work *work = &call->work;
    const struct json_value *get = json_get(entry, STR("Get"));
    struct ddb_terms terms;
    struct ddb_value key, item;
    bool found;
    if (!json_is_set(get)) {
        return ddb_invalid(work, "TransactItems of TransactGetItems hold Get, and nothing else");
    }
    const struct ddb_table *table = ddb__table(call, work, get, false);
    if (table == NULL || !ddb__terms_parse(work, get, DDB_TERMS_PROJECTION, &terms) ||
        !ddb_item_parse(work, json_get(get, STR("Key")), &key) ||
        !ddb_key_check(work, &table->definition, &key)) {
        return false;
    }
    err e = ddb_item_read(call->store, table, &key, call->arena, &item, &found);
    if (e != OK) {
        return ddb__store_failed(work, e);
    }
    isize size = found ? ddb_item_bytes(&item) : 0;
    *bytes += size;
    if (*bytes > DDB_TRANSACT_BYTES_MAX) {
        return ddb_invalid(work, "the items of this transaction have more than %d bytes",
                           DDB_TRANSACT_BYTES_MAX);
    }
    ddb__usage_of(call->arena, usages, usage_count, table)->units +=
        2 * ddb__read_units(size, true);
    buf_append_byte(&call->out, '{');
    if (found) {
        struct ddb_value part = ddb_project(call->arena, &terms.projection, &item);
        buf_append(&call->out, STR("\"Item\":"));
        ddb_item_show(&call->out, &part);
    }
    buf_append_byte(&call->out, '}');
    return true;
}

void ddb__transact_get(struct ddb_call *call)
{
    const struct json_value *items = transact_items(call);
    int capacity = ddb__capacity_choice(&call->work, call->input);
    isize bytes = 0, usage_count = 0;
    struct ddb_usage *usages = NULL;
    if (items == NULL || capacity < 0) {
        return;
    }
    ddb__member(&call->out, "Responses");
    buf_append_byte(&call->out, '[');
    for (const struct json_value *v = json_first(items); v != NULL; v = json_next(v)) {
        if (!get_one(call, v, &bytes, &usages, &usage_count)) {
            return;
        }
        buf_append(&call->out, json_next(v) != NULL ? STR(",") : STR_EMPTY);
    }
    buf_append_byte(&call->out, ']');
    ddb__usage_show_list(call, capacity, usages, usage_count, "ReadCapacityUnits");
}
