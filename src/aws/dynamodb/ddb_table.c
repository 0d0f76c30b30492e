/* aws/dynamodb/ddb_table.c: definitions of tables from JSON and back. */
#include "aws/dynamodb/ddb_table.h"

#define WRONG "One or more parameter values were invalid: "

enum { INDEX_NAME_MIN = 3, INDEX_NAME_MAX = 255, TAG_KEY_MAX = 128, TAG_VALUE_MAX = 256 };

bool ddb_is_name(str name)
{
    for (isize i = 0; i < name.len; i++) {
        u8 c = name.data[i];
        bool is_good =
            (u8)((c | 0x20) - 'a') < 26 || (u8)(c - '0') <= 9 || c == '_' || c == '-' || c == '.';
        if (!is_good) {
            return false;
        }
    }
    return true;
}

/* --- attributes and keys ------------------------------------------------------------------- */

static struct ddb_attribute *attribute_find(const struct ddb_definition *d, str name)
{
    for (isize i = 0; i < d->attribute_count; i++) {
        if (str_eq(d->attributes[i].name, name)) {
            return &d->attributes[i];
        }
    }
    return NULL;
}

bool ddb_attributes_parse(struct ddb_work *work, const struct json_value *list,
                          struct ddb_definition *out)
{
    if (json_kind(list) != JSON_ARRAY) {
        return ddb_invalid(work, WRONG "AttributeDefinitions must be given, as a list");
    }
    for (const struct json_value *v = json_first(list); v != NULL; v = json_next(v)) {
        str name = json_get_text(v, STR("AttributeName")),
            type = json_get_text(v, STR("AttributeType"));
        struct ddb_attribute attribute = {.name = name};
        if (name.len == 0 || name.len > 255) {
            return ddb_invalid(work, WRONG "an AttributeName has 1 to 255 bytes");
        }
        if (!ddb_type_find(type, &attribute.type) || !ddb_is_ordered(attribute.type)) {
            return ddb_invalid(work,
                               "1 validation error detected: Value '" STR_FMT
                               "' at 'attributeDefinitions.member.attributeType' failed to satisfy "
                               "constraint: Member must satisfy enum value set: [B, N, S]",
                               STR_ARG(str_slice(type, 0, 64)));
        }
        const struct ddb_attribute *old = attribute_find(out, name);
        if (old != NULL && old->type != attribute.type) {
            return ddb_invalid(work, WRONG "Cannot redefine the type of attribute " STR_FMT,
                               STR_ARG(name));
        }
        if (old != NULL) {
            continue;
        }
        out->attributes =
            arena_grow(work->arena, out->attributes, out->attribute_count, (isize)sizeof attribute);
        out->attributes[out->attribute_count++] = attribute;
    }
    return true;
}

static bool key_parse(struct ddb_work *work, const struct json_value *schema,
                      const struct ddb_definition *d, struct ddb_key *out)
{
    isize count = json_count(schema);
    *out = (struct ddb_key){.has_range = count == 2};
    if (json_kind(schema) != JSON_ARRAY || count < 1 || count > 2) {
        return ddb_invalid(work, "1 validation error detected: Value at 'keySchema' failed to "
                                 "satisfy constraint: Member must have length between 1 and 2");
    }
    const struct json_value *v = json_first(schema);
    for (isize i = 0; i < count; i++, v = json_next(v)) {
        str name = json_get_text(v, STR("AttributeName")), type = json_get_text(v, STR("KeyType"));
        if (!str_eq(type, i == 0 ? STR("HASH") : STR("RANGE"))) {
            return ddb_invalid(work,
                               "Invalid KeySchema: The %s KeySchemaElement is not a %s key type",
                               i == 0 ? "first" : "second", i == 0 ? "HASH" : "RANGE");
        }
        const struct ddb_attribute *attribute = attribute_find(d, name);
        if (attribute == NULL) {
            return ddb_invalid(work,
                               WRONG "Some index key attributes are not defined in "
                                     "AttributeDefinitions. Keys: [" STR_FMT "]",
                               STR_ARG(str_slice(name, 0, 255)));
        }
        *(i == 0 ? &out->hash : &out->range) = *attribute;
    }
    if (count == 2 && str_eq(out->hash.name, out->range.name)) {
        return ddb_invalid(work, "Both the Hash Key and the Range Key element in the KeySchema "
                                 "have the same name");
    }
    return true;
}

/* --- settings ------------------------------------------------------------------------------ */

bool ddb_throughput_parse(struct ddb_work *work, const struct json_value *input,
                          struct ddb_throughput *out)
{
    out->read = json_get_i64(input, STR("ReadCapacityUnits"), 0);
    out->write = json_get_i64(input, STR("WriteCapacityUnits"), 0);
    if (out->read < 1 || out->write < 1) {
        return ddb_invalid(work,
                           "1 validation error detected: Value '%lld' at "
                           "'provisionedThroughput.%sCapacityUnits' failed to satisfy constraint: "
                           "Member must have value greater than or equal to 1",
                           (long long)MIN(out->read, out->write), out->read < 1 ? "read" : "write");
    }
    return true;
}

bool ddb_tags_parse(struct ddb_work *work, const struct json_value *list,
                    struct ddb_definition *out)
{
    for (const struct json_value *v = json_first(list); v != NULL; v = json_next(v)) {
        struct ddb_tag tag = {json_get_text(v, STR("Key")), json_get_text(v, STR("Value"))};
        if (tag.key.len == 0 || tag.key.len > 4 * TAG_KEY_MAX ||
            tag.value.len > 4 * TAG_VALUE_MAX) {
            return ddb_invalid(work, WRONG "a tag's key has 1 to %d characters, its value 0 to %d",
                               TAG_KEY_MAX, TAG_VALUE_MAX);
        }
        isize at = 0;
        while (at < out->tag_count && !str_eq(out->tags[at].key, tag.key)) {
            at++;
        }
        if (at == out->tag_count) {
            out->tags = arena_grow(work->arena, out->tags, out->tag_count, (isize)sizeof tag);
            out->tag_count++;
        }
        out->tags[at] = tag;
        if (out->tag_count > DDB_TAGS_MAX) {
            return ddb_invalid(work, WRONG "a table has at most %d tags", DDB_TAGS_MAX);
        }
    }
    return true;
}

static bool billing_parse(struct ddb_work *work, const struct json_value *input,
                          struct ddb_definition *out)
{
    const struct json_value *throughput = json_get(input, STR("ProvisionedThroughput"));
    const struct json_value *mode = json_get(input, STR("BillingMode"));
    out->is_on_demand = str_eq(json_text(mode), STR("PAY_PER_REQUEST"));
    if (json_is_set(mode) && !out->is_on_demand && !str_eq(json_text(mode), STR("PROVISIONED"))) {
        return ddb_invalid(work,
                           "1 validation error detected: Value '" STR_FMT
                           "' at 'billingMode' failed to satisfy constraint: Member must satisfy "
                           "enum value set: [PROVISIONED, PAY_PER_REQUEST]",
                           STR_ARG(str_slice(json_text(mode), 0, 64)));
    }
    if (!out->is_on_demand) {
        return json_is_set(throughput)
                   ? ddb_throughput_parse(work, throughput, &out->throughput)
                   : ddb_invalid(work, WRONG "ReadCapacityUnits and WriteCapacityUnits must both "
                                             "be specified when BillingMode is PROVISIONED");
    }
    return !json_is_set(throughput) ||
           ddb_invalid(work, WRONG "Neither ReadCapacityUnits nor WriteCapacityUnits can be "
                                   "specified when BillingMode is PAY_PER_REQUEST");
}

/* --- indexes ------------------------------------------------------------------------------- */

static bool projection_parse(struct ddb_work *work, const struct json_value *input,
                             struct ddb_index *out)
{
    static const char *const names[] = {"ALL", "KEYS_ONLY", "INCLUDE"};
    str type = json_get_text(input, STR("ProjectionType"));
    const struct json_value *list = json_get(input, STR("NonKeyAttributes"));
    int i = 0;
    while (i < COUNT_OF(names) && !str_eq(type, str_of(names[i]))) {
        i++;
    }
    if (i == COUNT_OF(names)) {
        return ddb_invalid(work, WRONG "Unknown ProjectionType: " STR_FMT,
                           STR_ARG(type.len > 0 ? str_slice(type, 0, 64) : STR("null")));
    }
    out->shows = (enum ddb_index_shows)i;
    if ((out->shows == DDB_SHOWS_INCLUDED) != (json_count(list) > 0)) {
        return ddb_invalid(work, WRONG "ProjectionType is %s, %s NonKeyAttributes is %sspecified",
                           names[i], i == DDB_SHOWS_INCLUDED ? "but" : "and yet",
                           i == DDB_SHOWS_INCLUDED ? "not " : "");
    }
    out->included = ARENA_ARRAY(work->arena, str, MAX(json_count(list), 1));
    for (const struct json_value *v = json_first(list); v != NULL; v = json_next(v)) {
        if (json_text(v).len == 0) {
            return ddb_invalid(work, WRONG "NonKeyAttributes holds a name that is empty");
        }
        out->included[out->included_count++] = json_text(v);
    }
    return true;
}

bool ddb_index_parse(struct ddb_work *work, const struct json_value *input, bool is_local,
                     struct ddb_definition *d, struct ddb_index *out)
{
    *out = (struct ddb_index){.is_local = is_local,
                              .name = json_get_text(input, STR("IndexName")),
                              .id = d->index_next++};
    if (!ddb_is_name(out->name) || out->name.len < INDEX_NAME_MIN ||
        out->name.len > INDEX_NAME_MAX) {
        return ddb_invalid(
            work, WRONG "IndexName \"" STR_FMT "\" must have 3 to 255 characters of [a-zA-Z0-9_.-]",
            STR_ARG(str_slice(out->name, 0, 255)));
    }
    if (!key_parse(work, json_get(input, STR("KeySchema")), d, &out->key) ||
        !projection_parse(work, json_get(input, STR("Projection")), out)) {
        return false;
    }
    const struct json_value *throughput = json_get(input, STR("ProvisionedThroughput"));
    if (is_local) {
        bool fits =
            out->key.has_range && d->key.has_range && str_eq(out->key.hash.name, d->key.hash.name);
        return fits || ddb_invalid(work,
                                   WRONG "Index KeySchema of the local index " STR_FMT
                                         " needs the table's hash key and a range key, and the "
                                         "table a range key",
                                   STR_ARG(out->name));
    }
    if (json_is_set(throughput)) {
        return ddb_throughput_parse(work, throughput, &out->throughput);
    }
    return d->is_on_demand ||
           ddb_invalid(work, WRONG "ProvisionedThroughput is not specified for index: " STR_FMT,
                       STR_ARG(out->name));
}

static bool indexes_parse(struct ddb_work *work, const struct json_value *list, bool is_local,
                          bool is_stored, struct ddb_definition *out)
{
    if (json_is_set(list) && (json_kind(list) != JSON_ARRAY || json_count(list) == 0)) {
        return ddb_invalid(work, WRONG "List of %sSecondaryIndexes is empty",
                           is_local ? "Local" : "Global");
    }
    for (const struct json_value *v = json_first(list); v != NULL; v = json_next(v)) {
        out->indexes =
            arena_grow(work->arena, out->indexes, out->index_count, (isize)sizeof *out->indexes);
        if (!ddb_index_parse(work, v, is_local, out, &out->indexes[out->index_count])) {
            return false;
        }
        struct ddb_index *index = &out->indexes[out->index_count++];
        index->id = is_stored ? json_get_i64(v, STR("Id"), index->id) : index->id;
    }
    return true;
}

const struct ddb_index *ddb_index_find(const struct ddb_definition *d, str name)
{
    for (isize i = 0; i < d->index_count; i++) {
        if (str_eq(d->indexes[i].name, name)) {
            return &d->indexes[i];
        }
    }
    return NULL;
}

/* --- the whole ----------------------------------------------------------------------------- */

static bool key_has(const struct ddb_key *key, str name)
{
    return str_eq(key->hash.name, name) || (key->has_range && str_eq(key->range.name, name));
}

static bool attributes_check(struct ddb_work *work, const struct ddb_definition *d)
{
    for (isize i = 0; i < d->attribute_count; i++) {
        bool is_used = key_has(&d->key, d->attributes[i].name);
        for (isize n = 0; n < d->index_count; n++) {
            is_used = is_used || key_has(&d->indexes[n].key, d->attributes[i].name);
        }
        if (!is_used) {
            return ddb_invalid(work,
                               WRONG
                               "Some AttributeDefinitions are not used. AttributeDefinitions: "
                               "[" STR_FMT "]",
                               STR_ARG(d->attributes[i].name));
        }
    }
    return true;
}

bool ddb_definition_check(struct ddb_work *work, const struct ddb_definition *d)
{
    isize locals = 0, included = 0;
    for (isize i = 0; i < d->index_count; i++) {
        locals += d->indexes[i].is_local;
        included += d->indexes[i].included_count;
        if (ddb_index_find(d, d->indexes[i].name) != &d->indexes[i]) {
            return ddb_invalid(work, WRONG "Duplicate index name: " STR_FMT,
                               STR_ARG(d->indexes[i].name));
        }
    }
    if (locals > DDB_LOCAL_INDEXES_MAX) {
        return ddb_invalid(work,
                           WRONG "Number of LocalSecondaryIndexes exceeds per-table limit "
                                 "of %d",
                           DDB_LOCAL_INDEXES_MAX);
    }
    if (d->index_count - locals > DDB_GLOBAL_INDEXES_MAX) {
        return ddb_invalid(work,
                           WRONG "GlobalSecondaryIndex count exceeds the per-table limit of "
                                 "%d",
                           DDB_GLOBAL_INDEXES_MAX);
    }
    if (included > DDB_INCLUDED_MAX) {
        return ddb_invalid(work, WRONG "Number of NonKeyAttributes exceeds the limit of %d",
                           DDB_INCLUDED_MAX);
    }
    return attributes_check(work, d);
}

/* What is not a member of CreateTable; behind everything else, so that ids are as stored. */
static void own_members_take(const struct json_value *input, struct ddb_definition *out)
{
    out->index_next = json_get_i64(input, STR("NextIndex"), out->index_next);
    out->expiry = json_get_text(input, STR("TimeToLive"));
}

bool ddb_definition_parse(struct ddb_work *work, const struct json_value *input, bool is_stored,
                          struct ddb_definition *out)
{
    *out = (struct ddb_definition){.index_next = 1};
    str class = json_get_text(input, STR("TableClass"));
    out->is_protected = json_get_bool(input, STR("DeletionProtectionEnabled"), false);
    out->is_infrequent = str_eq(class, STR("STANDARD_INFREQUENT_ACCESS"));
    if (class.len > 0 && !out->is_infrequent && !str_eq(class, STR("STANDARD"))) {
        return ddb_invalid(work,
                           "1 validation error detected: Value '" STR_FMT
                           "' at 'tableClass' failed to satisfy constraint: Member must satisfy "
                           "enum value set: [STANDARD, STANDARD_INFREQUENT_ACCESS]",
                           STR_ARG(str_slice(class, 0, 64)));
    }
    bool is_good =
        billing_parse(work, input, out) &&
        ddb_attributes_parse(work, json_get(input, STR("AttributeDefinitions")), out) &&
        key_parse(work, json_get(input, STR("KeySchema")), out, &out->key) &&
        indexes_parse(work, json_get(input, STR("LocalSecondaryIndexes")), true, is_stored, out) &&
        indexes_parse(work, json_get(input, STR("GlobalSecondaryIndexes")), false, is_stored,
                      out) &&
        ddb_tags_parse(work, json_get(input, STR("Tags")), out) && ddb_definition_check(work, out);
    if (is_good && is_stored) {
        own_members_take(input, out);
    }
    return is_good;
}

/* --- writing ------------------------------------------------------------------------------- */

void ddb_key_schema_write(struct buf *out, const struct ddb_key *key)
{
    buf_append(out, STR("[{\"AttributeName\":"));
    json_write_string(out, key->hash.name);
    buf_append(out, STR(",\"KeyType\":\"HASH\"}"));
    if (key->has_range) {
        buf_append(out, STR(",{\"AttributeName\":"));
        json_write_string(out, key->range.name);
        buf_append(out, STR(",\"KeyType\":\"RANGE\"}"));
    }
    buf_append_byte(out, ']');
}

void ddb_projection_write(struct buf *out, const struct ddb_index *index)
{
    static const char *const names[] = {"ALL", "KEYS_ONLY", "INCLUDE"};
    buf_printf(out, "{\"ProjectionType\":\"%s\"", names[index->shows]);
    for (isize i = 0; i < index->included_count; i++) {
        buf_append(out, i == 0 ? STR(",\"NonKeyAttributes\":[") : STR(","));
        json_write_string(out, index->included[i]);
    }
    buf_append(out, index->included_count > 0 ? STR("]}") : STR("}"));
}

static void throughput_write(struct buf *out, const struct ddb_throughput *throughput)
{
    if (throughput->read > 0) {
        buf_printf(out,
                   ",\"ProvisionedThroughput\":{\"ReadCapacityUnits\":%lld,"
                   "\"WriteCapacityUnits\":%lld}",
                   (long long)throughput->read, (long long)throughput->write);
    }
}

static void indexes_write(struct buf *out, const struct ddb_definition *d, bool is_local)
{
    bool is_first = true;
    for (isize i = 0; i < d->index_count; i++) {
        const struct ddb_index *index = &d->indexes[i];
        if (index->is_local != is_local) {
            continue;
        }
        if (is_first) {
            buf_printf(out, ",\"%sSecondaryIndexes\":[", is_local ? "Local" : "Global");
        }
        buf_printf(out, "%s{\"Id\":%lld,\"IndexName\":", is_first ? "" : ",", (long long)index->id);
        json_write_string(out, index->name);
        buf_append(out, STR(",\"KeySchema\":"));
        ddb_key_schema_write(out, &index->key);
        buf_append(out, STR(",\"Projection\":"));
        ddb_projection_write(out, index);
        throughput_write(out, &index->throughput);
        buf_append_byte(out, '}');
        is_first = false;
    }
    if (!is_first) {
        buf_append_byte(out, ']');
    }
}

void ddb_definition_write(struct buf *out, const struct ddb_definition *d)
{
    buf_printf(out, "{\"BillingMode\":\"%s\",\"NextIndex\":%lld",
               d->is_on_demand ? "PAY_PER_REQUEST" : "PROVISIONED", (long long)d->index_next);
    throughput_write(out, &d->throughput);
    if (d->is_protected) {
        buf_append(out, STR(",\"DeletionProtectionEnabled\":true"));
    }
    if (d->is_infrequent) {
        buf_append(out, STR(",\"TableClass\":\"STANDARD_INFREQUENT_ACCESS\""));
    }
    if (d->expiry.len > 0) {
        buf_append(out, STR(",\"TimeToLive\":"));
        json_write_string(out, d->expiry);
    }
    for (isize i = 0; i < d->attribute_count; i++) {
        buf_append(out, i == 0 ? STR(",\"AttributeDefinitions\":[{\"AttributeName\":")
                               : STR(",{\"AttributeName\":"));
        json_write_string(out, d->attributes[i].name);
        buf_printf(out, ",\"AttributeType\":\"%s\"}", ddb_type_name(d->attributes[i].type));
    }
    buf_append(out, STR("],\"KeySchema\":"));
    ddb_key_schema_write(out, &d->key);
    indexes_write(out, d, true);
    indexes_write(out, d, false);
    for (isize i = 0; i < d->tag_count; i++) {
        buf_append(out, i == 0 ? STR(",\"Tags\":[{\"Key\":") : STR(",{\"Key\":"));
        json_write_string(out, d->tags[i].key);
        buf_append(out, STR(",\"Value\":"));
        json_write_string(out, d->tags[i].value);
        buf_append_byte(out, '}');
    }
    buf_append(out, d->tag_count > 0 ? STR("]}") : STR("}"));
}
