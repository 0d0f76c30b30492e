/* aws/dynamodb/ddb_capacity.c: capacity units, as DynamoDB would have charged them. */
#include "aws/dynamodb/ddb_int.h"

enum { READ_UNIT_BYTES = 4096, WRITE_UNIT_BYTES = 1024 };

int ddb__capacity_choice(struct ddb_work *work, const struct json_value *input)
{
    static const char *const names[] = {"NONE", "TOTAL", "INDEXES", NULL};
    return ddb__choice(work, input, "ReturnConsumedCapacity", "returnConsumedCapacity", names);
}

static isize units_of(isize bytes, isize unit_bytes)
{
    return MAX((bytes + unit_bytes - 1) / unit_bytes, 1);
}

double ddb__read_units(isize bytes, bool is_consistent)
{
    return (double)units_of(bytes, READ_UNIT_BYTES) * (is_consistent ? 1 : 0.5);
}

static isize index_units(const struct ddb_definition *d, const struct ddb_index *index,
                         const struct ddb_value *old, const struct ddb_value *item)
{
    struct buf before = {0}, after = {0};
    bool was_in = old != NULL && ddb_index_key(&before, d, index, old);
    bool is_in = item != NULL && ddb_index_key(&after, d, index, item);
    bool moves = !str_eq(buf_str(&before), buf_str(&after));
    isize bytes_before = was_in ? ddb_index_bytes(d, index, old) : 0;
    isize bytes_after = is_in ? ddb_index_bytes(d, index, item) : 0;
    buf_deinit(&before);
    buf_deinit(&after);
    if (was_in && is_in && !moves) {
        return units_of(MAX(bytes_before, bytes_after), WRITE_UNIT_BYTES);
    }
    return (was_in ? units_of(bytes_before, WRITE_UNIT_BYTES) : 0) +
           (is_in ? units_of(bytes_after, WRITE_UNIT_BYTES) : 0);
}

void ddb__usage_write(struct arena *arena, struct ddb_usage *usage, const struct ddb_value *old,
                      const struct ddb_value *item, double factor)
{
    const struct ddb_definition *d = &usage->table->definition;
    isize before = old == NULL ? 0 : ddb_item_bytes(old);
    isize after = item == NULL ? 0 : ddb_item_bytes(item);
    usage->units += (double)units_of(MAX(before, after), WRITE_UNIT_BYTES) * factor;
    if (usage->index_units == NULL) {
        usage->index_units = ARENA_ARRAY(arena, double, MAX(d->index_count, 1));
    }
    for (isize i = 0; i < d->index_count; i++) {
        usage->index_units[i] += (double)index_units(d, &d->indexes[i], old, item) * factor;
    }
}

/* --- showing ------------------------------------------------------------------------------- */

static void number_write(struct buf *out, const char *name, double units)
{
    buf_printf(out, "\"%s\":%.1f", name, units);
}

static void indexes_write(struct buf *out, const struct ddb_usage *usage, bool is_local)
{
    const struct ddb_definition *d = &usage->table->definition;
    bool is_first = true;
    for (isize i = 0; i < d->index_count && usage->index_units != NULL; i++) {
        if (d->indexes[i].is_local != is_local || usage->index_units[i] <= 0) {
            continue;
        }
        if (is_first) {
            buf_printf(out, ",\"%sSecondaryIndexes\":{", is_local ? "Local" : "Global");
        } else {
            buf_append_byte(out, ',');
        }
        json_write_string(out, d->indexes[i].name);
        buf_append(out, STR(":{"));
        number_write(out, "CapacityUnits", usage->index_units[i]);
        buf_append_byte(out, '}');
        is_first = false;
    }
    buf_append(out, is_first ? STR_EMPTY : STR("}"));
}

static void usage_write(struct buf *out, int shown, const struct ddb_usage *usage,
                        const char *extra)
{
    double total = usage->units;
    for (isize i = 0; i < usage->table->definition.index_count && usage->index_units != NULL; i++) {
        total += usage->index_units[i];
    }
    buf_append(out, STR("{\"TableName\":"));
    json_write_string(out, usage->table->name);
    buf_append_byte(out, ',');
    number_write(out, "CapacityUnits", total);
    if (extra != NULL) {
        buf_append_byte(out, ',');
        number_write(out, extra, total);
    }
    if (shown == DDB_CAPACITY_INDEXES) {
        buf_append(out, STR(",\"Table\":{"));
        number_write(out, "CapacityUnits", usage->units);
        buf_append_byte(out, '}');
        indexes_write(out, usage, false);
        indexes_write(out, usage, true);
    }
    buf_append_byte(out, '}');
}

void ddb__usage_show(struct ddb_call *call, int shown, const struct ddb_usage *usage)
{
    if (shown > DDB_CAPACITY_NONE) {
        ddb__member(&call->out, "ConsumedCapacity");
        usage_write(&call->out, shown, usage, NULL);
    }
}

void ddb__usage_show_list(struct ddb_call *call, int shown, const struct ddb_usage *usages,
                          isize count, const char *extra)
{
    if (shown <= DDB_CAPACITY_NONE) {
        return;
    }
    ddb__member(&call->out, "ConsumedCapacity");
    for (isize i = 0; i < count; i++) {
        buf_append_byte(&call->out, i == 0 ? '[' : ',');
        usage_write(&call->out, shown, &usages[i], extra);
    }
    buf_append(&call->out, count == 0 ? STR("[]") : STR("]"));
}

struct ddb_usage *ddb__usage_of(struct arena *arena, struct ddb_usage **usages, isize *count,
                                const struct ddb_table *table)
{
    for (isize i = 0; i < *count; i++) {
        if ((*usages)[i].table == table) {
            return &(*usages)[i];
        }
    }
    *usages = arena_grow(arena, *usages, *count, (isize)sizeof **usages);
    (*usages)[*count] = (struct ddb_usage){.table = table};
    return &(*usages)[(*count)++];
}
