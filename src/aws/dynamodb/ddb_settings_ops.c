/* aws/dynamodb/ddb_settings_ops.c: tags, and what else a table or the service can be asked. */
#include "aws/dynamodb/ddb_table_ops.h"

static void definition_set(struct ddb_call *call, const struct ddb_table *table,
                           const struct ddb_definition *definition)
{
    err e = ddb_table_change(call->store, &table, definition);
    if (e != OK) {
        (void)ddb__store_failed(&call->work, e);
    }
}

/* --- tags ---------------------------------------------------------------------------------- */

static const struct ddb_table *resource(struct ddb_call *call)
{
    const struct json_value *arn = json_get(call->input, STR("ResourceArn"));
    if (!json_is_set(arn)) {
        (void)ddb_invalid(&call->work, "1 validation error detected: Value null at 'resourceArn' "
                                       "failed to satisfy constraint: Member must not be null");
        return NULL;
    }
    return ddb__table_named(call, &call->work, arn, true);
}

void ddb__tag_resource(struct ddb_call *call)
{
    const struct ddb_table *table = resource(call);
    const struct json_value *tags = json_get(call->input, STR("Tags"));
    if (table == NULL) {
        return;
    }
    if (json_count(tags) == 0) {
        (void)ddb_invalid(&call->work, "1 validation error detected: Value null at 'tags' failed "
                                       "to satisfy constraint: Member must not be null");
        return;
    }
    struct ddb_definition d = table->definition;
    d.tags = NULL;
    d.tag_count = 0;
    for (isize i = 0; i < table->definition.tag_count; i++) {
        d.tags = arena_grow(call->arena, d.tags, i, (isize)sizeof *d.tags);
        d.tags[d.tag_count++] = table->definition.tags[i];
    }
    if (ddb_tags_parse(&call->work, tags, &d)) {
        definition_set(call, table, &d);
    }
}

void ddb__untag_resource(struct ddb_call *call)
{
    const struct ddb_table *table = resource(call);
    const struct json_value *keys = json_get(call->input, STR("TagKeys"));
    if (table == NULL) {
        return;
    }
    struct ddb_definition d = table->definition;
    d.tags = ARENA_ARRAY(call->arena, struct ddb_tag, MAX(d.tag_count, 1));
    d.tag_count = 0;
    for (isize i = 0; i < table->definition.tag_count; i++) {
        bool is_gone = false;
        for (const struct json_value *v = json_first(keys); v != NULL; v = json_next(v)) {
            is_gone = is_gone || str_eq(json_text(v), table->definition.tags[i].key);
        }
        if (!is_gone) {
            d.tags[d.tag_count++] = table->definition.tags[i];
        }
    }
    definition_set(call, table, &d);
}

void ddb__list_tags(struct ddb_call *call)
{
    const struct ddb_table *table = resource(call);
    if (table == NULL) {
        return;
    }
    ddb__member(&call->out, "Tags");
    buf_append_byte(&call->out, '[');
    for (isize i = 0; i < table->definition.tag_count; i++) {
        buf_append(&call->out, i == 0 ? STR("{\"Key\":") : STR(",{\"Key\":"));
        json_write_string(&call->out, table->definition.tags[i].key);
        buf_append(&call->out, STR(",\"Value\":"));
        json_write_string(&call->out, table->definition.tags[i].value);
        buf_append_byte(&call->out, '}');
    }
    buf_append_byte(&call->out, ']');
}

/* --- time to live -------------------------------------------------------------------------- */

void ddb__describe_ttl(struct ddb_call *call)
{
    const struct ddb_table *table = ddb__table(call, &call->work, call->input, true);
    if (table == NULL) {
        return;
    }
    str name = table->definition.expiry;
    ddb__member(&call->out, "TimeToLiveDescription");
    buf_printf(&call->out, "{\"TimeToLiveStatus\":\"%s\"", name.len > 0 ? "ENABLED" : "DISABLED");
    if (name.len > 0) {
        buf_append(&call->out, STR(",\"AttributeName\":"));
        json_write_string(&call->out, name);
    }
    buf_append_byte(&call->out, '}');
}

static bool ttl_check(struct ddb_work *work, str name, bool is_enabled, str current)
{
    if (name.len == 0 || name.len > 255) {
        return ddb_invalid(work,
                           "1 validation error detected: Value '" STR_FMT
                           "' at 'timeToLiveSpecification.attributeName' failed to satisfy "
                           "constraint: Member must have length between 1 and 255",
                           STR_ARG(str_slice(name, 0, 300)));
    }
    if (is_enabled == (current.len > 0) && (!is_enabled || str_eq(name, current))) {
        return ddb_invalid(work, "TimeToLive is already %s", is_enabled ? "enabled" : "disabled");
    }
    return current.len == 0 || str_eq(name, current) ||
           ddb_invalid(work,
                       "TimeToLive is active on a different AttributeName: current AttributeName "
                       "is " STR_FMT,
                       STR_ARG(current));
}

void ddb__update_ttl(struct ddb_call *call)
{
    const struct json_value *wanted = json_get(call->input, STR("TimeToLiveSpecification"));
    const struct ddb_table *table = ddb__table(call, &call->work, call->input, true);
    str name = json_get_text(wanted, STR("AttributeName"));
    bool is_enabled = json_get_bool(wanted, STR("Enabled"), false);
    if (table == NULL || !ttl_check(&call->work, name, is_enabled, table->definition.expiry)) {
        return;
    }
    struct ddb_definition d = table->definition;
    d.expiry = is_enabled ? name : STR_EMPTY;
    definition_set(call, table, &d);
    ddb__member(&call->out, "TimeToLiveSpecification");
    buf_printf(&call->out, "{\"Enabled\":%s,\"AttributeName\":", is_enabled ? "true" : "false");
    json_write_string(&call->out, name);
    buf_append_byte(&call->out, '}');
}

/* --- backups: told as they are, off --------------------------------------------------------- */

static void backups_write(struct ddb_call *call)
{
    ddb__member(&call->out, "ContinuousBackupsDescription");
    buf_append(&call->out, STR("{\"ContinuousBackupsStatus\":\"DISABLED\","
                               "\"PointInTimeRecoveryDescription\":"
                               "{\"PointInTimeRecoveryStatus\":\"DISABLED\"}}"));
}

void ddb__describe_backups(struct ddb_call *call)
{
    if (ddb__table(call, &call->work, call->input, true) != NULL) {
        backups_write(call);
    }
}

void ddb__update_backups(struct ddb_call *call)
{
    const struct json_value *wanted =
        json_get(call->input, STR("PointInTimeRecoverySpecification"));
    if (ddb__table(call, &call->work, call->input, true) == NULL) {
        return;
    }
    if (json_get_bool(wanted, STR("PointInTimeRecoveryEnabled"), false)) {
        (void)ddb_refuse(&call->work, "ContinuousBackupsUnavailableException",
                         "point-in-time recovery is not supported by leat");
        return;
    }
    backups_write(call);
}

/* --- the service --------------------------------------------------------------------------- */

void ddb__describe_endpoints(struct ddb_call *call)
{
    str host = str_of(call->service->endpoint);
    isize scheme = str_find(host, STR("://"), 0);
    host = scheme < 0 ? host : str_slice(host, scheme + 3, host.len);
    ddb__member(&call->out, "Endpoints");
    buf_append(&call->out, STR("[{\"Address\":"));
    json_write_string(&call->out, host);
    buf_append(&call->out, STR(",\"CachePeriodInMinutes\":1440}]"));
}

void ddb__describe_limits(struct ddb_call *call)
{
    static const char *const names[] = {"AccountMaxReadCapacityUnits",
                                        "AccountMaxWriteCapacityUnits", "TableMaxReadCapacityUnits",
                                        "TableMaxWriteCapacityUnits"};
    for (isize i = 0; i < COUNT_OF(names); i++) {
        ddb__member(&call->out, names[i]);
        buf_append(&call->out, i < 2 ? STR("80000") : STR("40000"));
    }
}
