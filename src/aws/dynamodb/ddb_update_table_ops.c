/* aws/dynamodb/ddb_update_table_ops.c: UpdateTable: indexes, billing, protection, class. */
#include "aws/dynamodb/ddb_table_ops.h"

/* A copy of the definition whose list of indexes may change. */
static struct ddb_definition definition_copy(struct arena *arena, const struct ddb_definition *d)
{
    struct ddb_definition copy = *d;
    copy.indexes = ARENA_ARRAY(arena, struct ddb_index, d->index_count + 1);
    copy.attributes = NULL;
    copy.attribute_count = 0;
    for (isize i = 0; i < d->index_count; i++) {
        copy.indexes[i] = d->indexes[i];
    }
    for (isize i = 0; i < d->attribute_count; i++) {
        copy.attributes = arena_grow(arena, copy.attributes, i, (isize)sizeof *copy.attributes);
        copy.attributes[copy.attribute_count++] = d->attributes[i];
    }
    return copy;
}

static struct ddb_index *global_find(struct ddb_work *work, struct ddb_definition *d, str name)
{
    for (isize i = 0; i < d->index_count; i++) {
        if (!d->indexes[i].is_local && str_eq(d->indexes[i].name, name)) {
            return &d->indexes[i];
        }
    }
    (void)ddb_refuse(work, "ResourceNotFoundException",
                     "Requested resource not found: Index: " STR_FMT " not found",
                     STR_ARG(str_slice(name, 0, 255)));
    return NULL;
}

static bool index_create(struct ddb_work *work, const struct json_value *input,
                         struct ddb_definition *d)
{
    if (ddb_index_find(d, json_get_text(input, STR("IndexName"))) != NULL) {
        return ddb_invalid(work, "Attempting to create an index which already exists");
    }
    return ddb_index_parse(work, input, false, d, &d->indexes[d->index_count]) &&
           ++d->index_count > 0;
}

/* Attributes that only the index had go with it. */
static void attributes_trim(struct ddb_definition *d)
{
    isize kept = 0;
    for (isize i = 0; i < d->attribute_count; i++) {
        str name = d->attributes[i].name;
        bool is_used = false;
        for (isize k = -1; k < d->index_count && !is_used; k++) {
            const struct ddb_key *key = k < 0 ? &d->key : &d->indexes[k].key;
            is_used =
                str_eq(key->hash.name, name) || (key->has_range && str_eq(key->range.name, name));
        }
        if (is_used) {
            d->attributes[kept++] = d->attributes[i];
        }
    }
    d->attribute_count = kept;
}

static bool index_change(struct ddb_work *work, const struct json_value *entry,
                         struct ddb_definition *d)
{
    const struct json_value *create = json_get(entry, STR("Create"));
    const struct json_value *gone = json_get(entry, STR("Delete"));
    const struct json_value *update = json_get(entry, STR("Update"));
    if (json_is_set(create) + json_is_set(gone) + json_is_set(update) != 1) {
        return ddb_invalid(work, "One or more parameter values were invalid: Only one of Create, "
                                 "Update and Delete may stand in a GlobalSecondaryIndexUpdate");
    }
    if (json_is_set(create)) {
        return index_create(work, create, d);
    }
    const struct json_value *named = json_is_set(gone) ? gone : update;
    struct ddb_index *index = global_find(work, d, json_get_text(named, STR("IndexName")));
    if (index == NULL) {
        return false;
    }
    if (json_is_set(update)) {
        const struct json_value *throughput = json_get(update, STR("ProvisionedThroughput"));
        return ddb__not_served(work, update, "WarmThroughput") &&
               ddb__not_served(work, update, "OnDemandThroughput") &&
               ddb_throughput_parse(work, throughput, &index->throughput);
    }
    isize at = index - d->indexes;
    d->index_count--;
    memmove(index, index + 1, (size_t)(d->index_count - at) * sizeof *index);
    attributes_trim(d);
    return true;
}

static bool billing_change(struct ddb_work *work, const struct json_value *input,
                           struct ddb_definition *d)
{
    static const char *const modes[] = {"", "PROVISIONED", "PAY_PER_REQUEST", NULL};
    const struct json_value *throughput = json_get(input, STR("ProvisionedThroughput"));
    int mode = ddb__choice(work, input, "BillingMode", "billingMode", modes);
    if (mode < 0) {
        return false;
    }
    bool is_on_demand = mode == 0 ? d->is_on_demand : mode == 2;
    bool becomes_provisioned = d->is_on_demand && !is_on_demand;
    d->is_on_demand = is_on_demand;
    if (is_on_demand) {
        d->throughput = (struct ddb_throughput){0};
        for (isize i = 0; i < d->index_count; i++) {
            d->indexes[i].throughput = (struct ddb_throughput){0};
        }
        return !json_is_set(throughput) ||
               ddb_invalid(work, "One or more parameter values were invalid: Neither "
                                 "ReadCapacityUnits nor WriteCapacityUnits can be specified when "
                                 "BillingMode is PAY_PER_REQUEST");
    }
    if (json_is_set(throughput)) {
        return ddb_throughput_parse(work, throughput, &d->throughput);
    }
    return !becomes_provisioned ||
           ddb_invalid(work, "One or more parameter values were invalid: ProvisionedThroughput "
                             "must be specified when BillingMode is PROVISIONED");
}

static bool rest_change(struct ddb_work *work, const struct json_value *input,
                        struct ddb_definition *d)
{
    static const char *const classes[] = {"", "STANDARD", "STANDARD_INFREQUENT_ACCESS", NULL};
    int class = ddb__choice(work, input, "TableClass", "tableClass", classes);
    if (class > 0) {
        d->is_infrequent = class == 2;
    }
    d->is_protected = json_get_bool(input, STR("DeletionProtectionEnabled"), d->is_protected);
    return class >= 0;
}

static bool has_change(const struct json_value *input)
{
    static const char *const names[] = {"BillingMode",
                                        "ProvisionedThroughput",
                                        "GlobalSecondaryIndexUpdates",
                                        "DeletionProtectionEnabled",
                                        "TableClass",
                                        "StreamSpecification",
                                        "SSESpecification"};
    for (isize i = 0; i < COUNT_OF(names); i++) {
        if (json_is_set(json_get(input, str_of(names[i])))) {
            return true;
        }
    }
    return false;
}

void ddb__update_table(struct ddb_call *call)
{
    struct ddb_work *work = &call->work;
    const struct json_value *attributes = json_get(call->input, STR("AttributeDefinitions"));
    const struct json_value *updates = json_get(call->input, STR("GlobalSecondaryIndexUpdates"));
    const struct ddb_table *table = ddb__table(call, work, call->input, true);
    if (table == NULL || !ddb__settings_check(work, call->input)) {
        return;
    }
    if (!has_change(call->input)) {
        (void)ddb_invalid(work, "At least one of ProvisionedThroughput, BillingMode, "
                                "UpdateStreamEnabled, GlobalSecondaryIndexUpdates or "
                                "SSESpecification or ReplicaUpdates is required");
        return;
    }
    struct ddb_shown shown = {"UPDATING", table->definition.index_next};
    struct ddb_definition d = definition_copy(call->arena, &table->definition);
    if (json_is_set(attributes) && !ddb_attributes_parse(work, attributes, &d)) {
        return;
    }
    if (!billing_change(work, call->input, &d) || !rest_change(work, call->input, &d)) {
        return;
    }
    if (json_count(updates) > 1) {
        (void)ddb_refuse(work, "LimitExceededException",
                         "Subscriber limit exceeded: Only 1 online index can be created or "
                         "deleted simultaneously per table");
        return;
    }
    for (const struct json_value *v = json_first(updates); v != NULL; v = json_next(v)) {
        if (!index_change(work, v, &d)) {
            return;
        }
    }
    if (!ddb_definition_check(work, &d)) {
        return;
    }
    err e = ddb_table_change(call->store, &table, &d);
    if (e != OK) {
        (void)ddb__store_failed(work, e);
        return;
    }
    (void)ddb__describe(call, table, "TableDescription", &shown);
}
