/* aws/dynamodb/ddb_table_ops.c: CreateTable, DescribeTable, ListTables, DeleteTable. */
#include "aws/dynamodb/ddb_table_ops.h"
#include "aws/dynamodb/ddb_int.h"

/* --- describing ---------------------------------------------------------------------------- */

static void time_write(struct buf *out, i64 us)
{
    buf_printf(out, "%lld.%03lld", (long long)(us / 1000000), (long long)(us / 1000 % 1000));
}

static void throughput_write(struct buf *out, const struct ddb_throughput *throughput)
{
    buf_printf(out,
               ",\"ProvisionedThroughput\":{\"NumberOfDecreasesToday\":0,"
               "\"ReadCapacityUnits\":%lld,\"WriteCapacityUnits\":%lld}",
               (long long)throughput->read, (long long)throughput->write);
}

static err index_write(struct ddb_call *call, const struct ddb_table *table,
                       const struct ddb_index *index, const char *status, struct buf *out)
{
    struct ddb_counts counts;
    TRY(ddb_table_counts(call->store, table, index->id, &counts));
    buf_append(out, STR("{\"IndexName\":"));
    json_write_string(out, index->name);
    buf_append(out, STR(",\"KeySchema\":"));
    ddb_key_schema_write(out, &index->key);
    buf_append(out, STR(",\"Projection\":"));
    ddb_projection_write(out, index);
    if (!index->is_local) {
        buf_printf(out, ",\"IndexStatus\":\"%s\"", status);
        throughput_write(out, &index->throughput);
    }
    buf_printf(out,
               ",\"IndexSizeBytes\":%lld,\"ItemCount\":%lld,\"IndexArn\":", (long long)counts.bytes,
               (long long)counts.items);
    ddb__arn_write(out, table);
    out->len--; /* The quote that closes it. */
    buf_printf(out, "/index/" STR_FMT "\"}", STR_ARG(index->name));
    return OK;
}

static err indexes_write(struct ddb_call *call, const struct ddb_table *table, bool is_local,
                         const struct ddb_shown *shown, struct buf *out)
{
    const struct ddb_definition *d = &table->definition;
    bool is_first = true;
    for (isize i = 0; i < d->index_count; i++) {
        if (d->indexes[i].is_local != is_local) {
            continue;
        }
        if (is_first) {
            buf_printf(out, ",\"%sSecondaryIndexes\":[", is_local ? "Local" : "Global");
        } else {
            buf_append_byte(out, ',');
        }
        is_first = false;
        bool is_new = shown->new_index >= 0 && d->indexes[i].id >= shown->new_index;
        TRY(index_write(call, table, &d->indexes[i], is_new ? "CREATING" : "ACTIVE", out));
    }
    buf_append(out, is_first ? STR_EMPTY : STR("]"));
    return OK;
}

static void billing_write(struct buf *out, const struct ddb_table *table)
{
    const struct ddb_definition *d = &table->definition;
    if (table->billed_us > 0) {
        buf_printf(out,
                   ",\"BillingModeSummary\":{\"BillingMode\":\"%s\","
                   "\"LastUpdateToPayPerRequestDateTime\":",
                   d->is_on_demand ? "PAY_PER_REQUEST" : "PROVISIONED");
        time_write(out, table->billed_us);
        buf_append_byte(out, '}');
    }
    if (d->is_infrequent) {
        buf_append(out, STR(",\"TableClassSummary\":{\"TableClass\":"
                            "\"STANDARD_INFREQUENT_ACCESS\"}"));
    }
}

bool ddb__describe(struct ddb_call *call, const struct ddb_table *table, const char *member,
                   const struct ddb_shown *shown)
{
    struct buf *out = &call->out;
    const struct ddb_definition *d = &table->definition;
    struct ddb_counts counts;
    err e = ddb_table_counts(call->store, table, 0, &counts);
    if (e != OK) {
        return ddb__store_failed(&call->work, e);
    }
    ddb__member(out, member);
    buf_append(out, STR("{\"AttributeDefinitions\":["));
    for (isize i = 0; i < d->attribute_count; i++) {
        buf_append(out, i == 0 ? STR("{\"AttributeName\":") : STR(",{\"AttributeName\":"));
        json_write_string(out, d->attributes[i].name);
        buf_printf(out, ",\"AttributeType\":\"%s\"}", ddb_type_name(d->attributes[i].type));
    }
    buf_append(out, STR("],\"TableName\":"));
    json_write_string(out, table->name);
    buf_append(out, STR(",\"KeySchema\":"));
    ddb_key_schema_write(out, &d->key);
    buf_printf(out, ",\"TableStatus\":\"%s\",\"CreationDateTime\":", shown->status);
    time_write(out, table->created_us);
    throughput_write(out, &d->throughput);
    buf_printf(out,
               ",\"TableSizeBytes\":%lld,\"ItemCount\":%lld,\"TableArn\":", (long long)counts.bytes,
               (long long)counts.items);
    ddb__arn_write(out, table);
    buf_printf(out, ",\"TableId\":\"" STR_FMT "\",\"DeletionProtectionEnabled\":%s",
               STR_ARG(table->uuid), d->is_protected ? "true" : "false");
    billing_write(out, table);
    e = indexes_write(call, table, true, shown, out);
    e = e == OK ? indexes_write(call, table, false, shown, out) : e;
    buf_append_byte(out, '}');
    return e == OK || ddb__store_failed(&call->work, e);
}

void ddb__describe_table(struct ddb_call *call)
{
    static const struct ddb_shown shown = {"ACTIVE", -1};
    const struct ddb_table *table = ddb__table(call, &call->work, call->input, true);
    if (table != NULL) {
        (void)ddb__describe(call, table, "Table", &shown);
    }
}

/* --- creating, deleting -------------------------------------------------------------------- */

bool ddb__settings_check(struct ddb_work *work, const struct json_value *input)
{
    static const char *const not_served[] = {"WarmThroughput",
                                             "OnDemandThroughput",
                                             "ResourcePolicy",
                                             "GlobalTableSourceArn",
                                             "ReplicaUpdates",
                                             "MultiRegionConsistency",
                                             "GlobalTableWitnessUpdates",
                                             "GlobalTableSettingsReplicationMode"};
    for (isize i = 0; i < COUNT_OF(not_served); i++) {
        if (!ddb__not_served(work, input, not_served[i])) {
            return false;
        }
    }
    const struct json_value *stream = json_get(input, STR("StreamSpecification"));
    if (json_get_bool(stream, STR("StreamEnabled"), false)) {
        return ddb_invalid(work, "StreamSpecification: DynamoDB Streams are not supported by leat");
    }
    const struct json_value *encryption = json_get(input, STR("SSESpecification"));
    return !json_get_bool(encryption, STR("Enabled"), false) ||
           ddb_invalid(work, "SSESpecification: encryption is not supported by leat");
}

void ddb__create_table(struct ddb_call *call)
{
    static const struct ddb_shown shown = {"CREATING", 0};
    struct ddb_work *work = &call->work;
    struct ddb_definition definition;
    const struct ddb_table *table;
    str name;
    if (!ddb__table_name(call, work, json_get(call->input, STR("TableName")), &name) ||
        !ddb__settings_check(work, call->input) ||
        !ddb_definition_parse(work, call->input, false, &definition)) {
        return;
    }
    if (ddb_table_find(call->store, call->scope, name) != NULL) {
        (void)ddb_refuse(work, "ResourceInUseException", "Table already exists: " STR_FMT,
                         STR_ARG(name));
        return;
    }
    if (ddb_table_count(call->store, call->scope) >= DDB_TABLES_MAX) {
        (void)ddb_refuse(work, "LimitExceededException",
                         "Subscriber limit exceeded: there is a limit of %d tables per account "
                         "and region",
                         DDB_TABLES_MAX);
        return;
    }
    err e = ddb_table_create(call->store, call->scope, name, &definition, &table);
    if (e != OK) {
        (void)ddb__store_failed(work, e);
        return;
    }
    (void)ddb__describe(call, table, "TableDescription", &shown);
}

void ddb__delete_table(struct ddb_call *call)
{
    static const struct ddb_shown shown = {"DELETING", -1};
    const struct ddb_table *table = ddb__table(call, &call->work, call->input, true);
    if (table == NULL) {
        return;
    }
    if (table->definition.is_protected) {
        (void)ddb_invalid(&call->work, "Resource cannot be deleted as it is currently protected "
                                       "against deletion. Disable deletion protection first.");
        return;
    }
    if (!ddb__describe(call, table, "TableDescription", &shown)) {
        return;
    }
    err e = ddb_table_delete(call->store, table);
    if (e != OK) {
        (void)ddb__store_failed(&call->work, e);
    }
}

void ddb__list_tables(struct ddb_call *call)
{
    struct ddb_work *work = &call->work;
    i64 limit = json_get_i64(call->input, STR("Limit"), DDB_LIST_TABLES_MAX);
    str after = json_get_text(call->input, STR("ExclusiveStartTableName"));
    if (limit < 1 || limit > DDB_LIST_TABLES_MAX) {
        (void)ddb_invalid(work,
                          "1 validation error detected: Value '%lld' at 'limit' failed to satisfy "
                          "constraint: Member must have value %s than or equal to %d",
                          (long long)limit, limit < 1 ? "greater" : "less",
                          limit < 1 ? 1 : DDB_LIST_TABLES_MAX);
        return;
    }
    ddb__member(&call->out, "TableNames");
    buf_append_byte(&call->out, '[');
    const struct ddb_table *table = ddb_table_next(call->store, call->scope, after);
    for (i64 i = 0; i < limit && table != NULL; i++) {
        buf_append(&call->out, i == 0 ? STR_EMPTY : STR(","));
        json_write_string(&call->out, table->name);
        after = table->name;
        table = ddb_table_next(call->store, call->scope, after);
    }
    buf_append_byte(&call->out, ']');
    if (table != NULL) {
        ddb__member(&call->out, "LastEvaluatedTableName");
        json_write_string(&call->out, after);
    }
}
