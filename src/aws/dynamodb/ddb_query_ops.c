/* aws/dynamodb/ddb_query_ops.c: Query and Scan: a page of at most 1 MiB of items at a time. */
#include "aws/dynamodb/ddb_int.h"

enum select { SELECT_NOTHING, SELECT_ALL, SELECT_PROJECTED, SELECT_SPECIFIC, SELECT_COUNT };

struct page {
    struct ddb_call *call;
    const struct ddb_table *table;
    const struct ddb_index *index;
    struct ddb_terms terms;
    enum select select;
    bool is_consistent;
    bool shows_whole; /* A local index: the item itself is read for what the index lacks. */
    i64 limit;        /* 0: none. */
    struct arena arena;
    struct buf items;
    isize scanned, count, bytes;
    struct buf last; /* LastEvaluatedKey; empty: the end was reached. */
    bool is_full;
};

/* --- parameters ---------------------------------------------------------------------------- */

static bool limit_take(struct page *page)
{
    const struct json_value *limit = json_get(page->call->input, STR("Limit"));
    if (!json_is_set(limit)) {
        return true;
    }
    page->limit = json_get_i64(page->call->input, STR("Limit"), 0);
    return page->limit >= 1 ||
           ddb_invalid(&page->call->work,
                       "1 validation error detected: Value '%lld' at 'limit' failed to satisfy "
                       "constraint: Member must have value greater than or equal to 1",
                       (long long)page->limit);
}

static bool select_check(struct page *page)
{
    struct ddb_work *work = &page->call->work;
    bool has_projection = page->terms.has_projection;
    bool is_global = page->index != NULL && !page->index->is_local;
    if (page->select == SELECT_PROJECTED && page->index == NULL) {
        return ddb_invalid(work, "One or more parameter values were invalid: "
                                 "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using "
                                 "an IndexName");
    }
    if (has_projection && page->select != SELECT_NOTHING && page->select != SELECT_SPECIFIC) {
        return ddb_invalid(work, "Cannot specify the %s when choosing to get only the %s",
                           page->terms.is_legacy ? "AttributesToGet" : "ProjectionExpression",
                           page->select == SELECT_COUNT ? "Count" : "ALL_ATTRIBUTES");
    }
    if (page->select == SELECT_SPECIFIC && !has_projection) {
        return ddb_invalid(work, "One or more parameter values were invalid: Must specify the "
                                 "AttributesToGet or ProjectionExpression when choosing to get "
                                 "SPECIFIC_ATTRIBUTES");
    }
    if (is_global && page->select == SELECT_ALL && page->index->shows != DDB_SHOWS_ALL) {
        return ddb_invalid(work,
                           "One or more parameter values were invalid: Select type "
                           "ALL_ATTRIBUTES is not supported for global secondary index " STR_FMT
                           " because its projection type is not ALL",
                           STR_ARG(page->index->name));
    }
    page->shows_whole = page->index == NULL || page->index->shows == DDB_SHOWS_ALL ||
                        (!is_global && (page->select == SELECT_ALL || has_projection));
    return true;
}

static bool page_start(struct ddb_call *call, int which, struct page *page)
{
    static const char *const selects[] = {
        "", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "COUNT", NULL};
    const struct json_value *index = json_get(call->input, STR("IndexName"));
    struct ddb_work *work = &call->work;
    *page = (struct page){.call = call};
    int select = ddb__choice(work, call->input, "Select", "select", selects);
    page->table = select < 0 ? NULL : ddb__table(call, work, call->input, false);
    if (page->table == NULL) {
        return false;
    }
    page->select = (enum select)select;
    page->is_consistent = json_get_bool(call->input, STR("ConsistentRead"), false);
    if (json_is_set(index)) {
        page->index = ddb_index_find(&page->table->definition, json_text(index));
        if (page->index == NULL) {
            return ddb_invalid(work, "The table does not have the specified index: " STR_FMT,
                               STR_ARG(str_slice(json_text(index), 0, 255)));
        }
        if (page->is_consistent && !page->index->is_local) {
            return ddb_invalid(work,
                               "Consistent reads are not supported on global secondary indexes");
        }
    }
    return ddb__terms_parse(work, call->input, which | DDB_TERMS_PROJECTION, &page->terms) &&
           limit_take(page) && select_check(page);
}

/* The bytes of the key that ExclusiveStartKey gives; *found_out false when it is absent. */
static bool start_take(struct page *page, struct buf *out, bool *found_out)
{
    const struct json_value *given = json_get(page->call->input, STR("ExclusiveStartKey"));
    const struct ddb_definition *d = &page->table->definition;
    struct ddb_work *work = &page->call->work;
    struct ddb_value start;
    *found_out = json_is_set(given);
    if (!*found_out) {
        return true;
    }
    if (!ddb_item_parse(work, given, &start)) {
        return false;
    }
    struct ddb_value key = {.type = DDB_M}; /* Of the item, without the index's. */
    const struct ddb_attribute *parts[] = {&d->key.hash, &d->key.range};
    for (int i = 0; i < 1 + d->key.has_range; i++) {
        struct ddb_value *part = ddb_get(&start, parts[i]->name);
        if (part != NULL) {
            ddb_put(work->arena, &key, parts[i]->name, part);
        }
    }
    struct ddb_work checked = {.arena = work->arena};
    bool is_good = ddb_key_check(&checked, d, &key);
    isize wanted = key.count;
    if (page->index != NULL && is_good) {
        const struct ddb_key *k = &page->index->key;
        const struct ddb_attribute *more[] = {&k->hash, &k->range};
        for (int i = 0; i < 1 + k->has_range; i++) {
            wanted += ddb_get(&key, more[i]->name) == NULL;
        }
        is_good = ddb_index_key(out, d, page->index, &start);
    } else if (is_good) {
        ddb_item_key(out, d, &key);
    }
    return (is_good && start.count == wanted) ||
           ddb_invalid(work, "The provided starting key is invalid%s%s",
                       checked.type == NULL ? "" : ": ",
                       checked.type == NULL ? "" : arena_cstr(work->arena, checked.message));
}

/* --- the page ------------------------------------------------------------------------------ */

static void last_key_write(struct page *page, const struct ddb_value *item)
{
    struct ddb_value key = {.type = DDB_M};
    const struct ddb_key *keys[] = {&page->table->definition.key,
                                    page->index == NULL ? NULL : &page->index->key};
    for (int i = 0; i < 2 && keys[i] != NULL; i++) {
        ddb_put(&page->arena, &key, keys[i]->hash.name, ddb_get(item, keys[i]->hash.name));
        if (keys[i]->has_range) {
            ddb_put(&page->arena, &key, keys[i]->range.name, ddb_get(item, keys[i]->range.name));
        }
    }
    ddb_item_show(&page->last, &key);
}

static bool take_one(void *ctx, const struct ddb_value *item)
{
    struct page *page = ctx;
    arena_reset(&page->arena);
    struct ddb_value shown = *item;
    if (!page->shows_whole) {
        shown = ddb_index_item(&page->arena, &page->table->definition, page->index, item);
    }
    page->scanned++;
    page->bytes += ddb_item_bytes(&shown);
    if (ddb_condition_holds(page->terms.condition, &shown)) {
        page->count++;
        if (page->select != SELECT_COUNT) {
            struct ddb_value part = ddb_project(&page->arena, &page->terms.projection, &shown);
            buf_append(&page->items, page->count > 1 ? STR(",") : STR_EMPTY);
            ddb_item_show(&page->items, &part);
        }
    }
    page->is_full = page->scanned == page->limit || page->bytes >= DDB_PAGE_BYTES_MAX;
    if (page->is_full) {
        last_key_write(page, item);
    }
    return !page->is_full;
}

static void page_answer(struct page *page, int capacity)
{
    struct buf *out = &page->call->out;
    const struct ddb_definition *d = &page->table->definition;
    if (page->select != SELECT_COUNT) {
        ddb__member(out, "Items");
        buf_append_byte(out, '[');
        buf_append(out, buf_str(&page->items));
        buf_append_byte(out, ']');
    }
    ddb__member(out, "Count");
    buf_append_i64(out, page->count);
    ddb__member(out, "ScannedCount");
    buf_append_i64(out, page->scanned);
    if (page->is_full) {
        ddb__member(out, "LastEvaluatedKey");
        buf_append(out, buf_str(&page->last));
    }
    struct ddb_usage usage = {.table = page->table};
    double units = ddb__read_units(page->bytes, page->is_consistent);
    if (page->index == NULL) {
        usage.units = units;
    } else {
        usage.index_units = ARENA_ARRAY(page->call->arena, double, d->index_count);
        usage.index_units[page->index - d->indexes] = units;
    }
    ddb__usage_show(page->call, capacity, &usage);
}

/* Reads [low, high), from behind the start key when there is one. */
static void page_run(struct page *page, struct buf *low, struct buf *high, bool is_backward)
{
    struct ddb_work *work = &page->call->work;
    int capacity = ddb__capacity_choice(work, page->call->input);
    struct buf start = {0};
    bool has_start = false;
    if (capacity >= 0 && start_take(page, &start, &has_start)) {
        bool is_outside = has_start && (str_cmp(buf_str(&start), buf_str(low)) < 0 ||
                                        str_cmp(buf_str(&start), buf_str(high)) >= 0);
        if (is_outside) {
            (void)ddb_invalid(work, "The provided starting key is outside query boundaries based "
                                    "on provided conditions");
        } else if (has_start) {
            struct buf *bound = is_backward ? high : low;
            buf_reset(bound);
            buf_append(bound, buf_str(&start));
            if (!is_backward) {
                buf_append_byte(bound, 0); /* The next key there could be. */
            }
        }
    }
    if (work->type == NULL) {
        struct ddb_range range = {page->index, buf_str(low), buf_str(high), is_backward};
        err e = ddb_range_read(page->call->store, page->table, &range, take_one, page);
        if (e == OK) {
            page_answer(page, capacity);
        } else {
            (void)ddb__store_failed(work, e);
        }
    }
    buf_deinit(&start);
    buf_deinit(&page->items);
    buf_deinit(&page->last);
    arena_deinit(&page->arena);
}

/* --- Query --------------------------------------------------------------------------------- */

/* The conditions on the keys: `hash` EQ, and one more on the range key, or NULL. */
struct key_terms {
    const struct ddb_condition *hash, *range;
};

static bool key_term_take(struct page *page, const struct ddb_key *key,
                          const struct ddb_condition *c, struct key_terms *out)
{
    struct ddb_work *work = &page->call->work;
    bool is_simple =
        c->count > 1 && c->operands[0].kind == DDB_OPERAND_PATH && c->operands[0].path.count == 1;
    for (isize i = 1; i < c->count && is_simple; i++) {
        is_simple = c->operands[i].kind == DDB_OPERAND_VALUE;
    }
    if (!is_simple) {
        return ddb_invalid(work, "Query key condition not supported");
    }
    str name = c->operands[0].path.steps[0].name;
    bool is_hash = str_eq(name, key->hash.name);
    bool is_range = key->has_range && str_eq(name, key->range.name);
    if (!is_hash && !is_range) {
        return ddb_invalid(
            work, "Query condition missed key schema element: " STR_FMT,
            STR_ARG(out->hash == NULL || !key->has_range ? key->hash.name : key->range.name));
    }
    const struct ddb_condition **place = is_hash ? &out->hash : &out->range;
    if (*place != NULL) {
        return ddb_invalid(work, "KeyConditionExpressions must only contain one condition per key");
    }
    bool fits = c->op == DDB_EQ ||
                (is_range && (c->op == DDB_LT || c->op == DDB_LE || c->op == DDB_GT ||
                              c->op == DDB_GE || c->op == DDB_BETWEEN || c->op == DDB_BEGINS));
    if (!fits) {
        return ddb_invalid(work, "Query key condition not supported");
    }
    enum ddb_type type = is_hash ? key->hash.type : key->range.type;
    for (isize i = 1; i < c->count; i++) {
        if (c->operands[i].value.type != type) {
            return ddb_invalid(work, "One or more parameter values were invalid: Condition "
                                     "parameter type does not match schema type");
        }
    }
    bool is_empty = type != DDB_N && c->operands[1].value.text.len == 0 && c->op != DDB_BEGINS;
    if (is_empty && (is_hash || c->op == DDB_EQ)) {
        return ddb_invalid(work,
                           "One or more parameter values are not valid. The AttributeValue for a "
                           "key attribute cannot contain an empty %s value. Key: " STR_FMT,
                           type == DDB_S ? "string" : "binary", STR_ARG(name));
    }
    *place = c;
    return true;
}

static bool key_terms_take(struct page *page, const struct ddb_key *key, struct key_terms *out)
{
    const struct ddb_condition *c = page->terms.key;
    struct ddb_work *work = &page->call->work;
    if (c == NULL) {
        return ddb_invalid(work, "Either the KeyConditions or KeyConditionExpression parameter "
                                 "must be specified in the request.");
    }
    if (c->op != DDB_AND) {
        if (!key_term_take(page, key, c, out)) {
            return false;
        }
    } else {
        for (c = c->first; c != NULL; c = c->next) {
            /* "a = :a AND (b > :b)": what stands in parentheses may be an AND itself. */
            if (!key_term_take(page, key, c, out)) {
                return false;
            }
        }
    }
    if (out->hash == NULL) {
        return ddb_invalid(work, "Query condition missed key schema element: " STR_FMT,
                           STR_ARG(key->hash.name));
    }
    const struct ddb_attribute *parts[] = {&key->hash, &key->range};
    for (int i = 0; i < 1 + key->has_range; i++) {
        if (ddb_condition_names(page->terms.condition, parts[i]->name)) {
            return ddb_invalid(work,
                               "Filter Expression can only contain non-primary key attributes: "
                               "Primary key attribute: " STR_FMT,
                               STR_ARG(parts[i]->name));
        }
    }
    return true;
}

/* Appends the bytes of a value that keys begin with, when it is only the beginning of one. */
static void begin_append(struct buf *out, const struct ddb_value *value)
{
    ddb_key_append(out, value);
    if (value->type != DDB_N) {
        out->len -= 2; /* Without its end. */
    }
}

static void bounds_make(const struct key_terms *terms, struct buf *low, struct buf *high)
{
    CHECK(terms->hash != NULL);
    ddb_hash_prefix(low, &terms->hash->operands[1].value);
    buf_append(high, buf_str(low));
    const struct ddb_condition *c = terms->range;
    if (c == NULL) {
        ddb_prefix_end(high);
        return;
    }
    const struct ddb_value *value = &c->operands[1].value;
    switch ((int)c->op) {
    case DDB_LT:
        ddb_key_append(high, value);
        return;
    case DDB_LE:
        ddb_key_append(high, value);
        break;
    case DDB_GT:
        ddb_key_append(low, value);
        ddb_prefix_end(low);
        break;
    case DDB_GE:
        ddb_key_append(low, value);
        break;
    case DDB_BEGINS:
        begin_append(low, value);
        begin_append(high, value);
        break;
    case DDB_BETWEEN:
        ddb_key_append(low, value);
        ddb_key_append(high, &c->operands[2].value);
        break;
    default: /* EQ */
        ddb_key_append(low, value);
        ddb_key_append(high, value);
        break;
    }
    ddb_prefix_end(high);
}

void ddb__query(struct ddb_call *call)
{
    struct page page;
    struct key_terms terms = {0};
    if (!page_start(call, DDB_TERMS_QUERY, &page)) {
        return;
    }
    const struct ddb_key *key = page.index != NULL ? &page.index->key : &page.table->definition.key;
    if (!key_terms_take(&page, key, &terms)) {
        return;
    }
    struct buf low = {0}, high = {0};
    bounds_make(&terms, &low, &high);
    page_run(&page, &low, &high, !json_get_bool(call->input, STR("ScanIndexForward"), true));
    buf_deinit(&low);
    buf_deinit(&high);
}

/* --- Scan ---------------------------------------------------------------------------------- */

/* The first bytes of segment `segment`: the space of hashes is cut evenly. */
static void segment_start(struct buf *out, u64 segment, u64 total)
{
    if (segment == total) {
        ddb_prefix_end(out);
        return;
    }
    /* segment * 2^64 / total, where 2^64 is quotient * total + rest. */
    u64 quotient = UINT64_MAX / total, rest = UINT64_MAX % total + 1;
    u64 start = segment * quotient + segment * rest / total;
    for (int shift = 64 - 8; shift >= 0; shift -= 8) {
        buf_append_byte(out, (u8)(start >> shift));
    }
}

static bool segments_take(struct ddb_call *call, i64 *segment_out, i64 *total_out)
{
    const struct json_value *segment = json_get(call->input, STR("Segment"));
    const struct json_value *total = json_get(call->input, STR("TotalSegments"));
    struct ddb_work *work = &call->work;
    *segment_out = json_get_i64(call->input, STR("Segment"), json_is_set(segment) ? -1 : 0);
    *total_out = json_get_i64(call->input, STR("TotalSegments"), json_is_set(total) ? -1 : 1);
    if (json_is_set(segment) != json_is_set(total)) {
        return ddb_invalid(work,
                           "The %s parameter is required but was not present in the request when "
                           "%s parameter is present",
                           json_is_set(segment) ? "TotalSegments" : "Segment",
                           json_is_set(segment) ? "Segment" : "TotalSegments");
    }
    if (*total_out < 1 || *total_out > DDB_SEGMENTS_MAX) {
        return ddb_invalid(work,
                           "1 validation error detected: Value '%lld' at 'totalSegments' failed "
                           "to satisfy constraint: Member must have value %s than or equal to %d",
                           (long long)*total_out, *total_out < 1 ? "greater" : "less",
                           *total_out < 1 ? 1 : DDB_SEGMENTS_MAX);
    }
    if (*segment_out < 0) {
        return ddb_invalid(work,
                           "1 validation error detected: Value '%lld' at 'segment' failed to "
                           "satisfy constraint: Member must have value greater than or equal to 0",
                           (long long)*segment_out);
    }
    return *segment_out < *total_out ||
           ddb_invalid(work,
                       "The Segment parameter is zero-based and must be less than parameter "
                       "TotalSegments: Segment: %lld is not less than TotalSegments: %lld",
                       (long long)*segment_out, (long long)*total_out);
}

void ddb__scan(struct ddb_call *call)
{
    struct page page;
    i64 segment, total;
    if (!page_start(call, DDB_TERMS_SCAN, &page) || !segments_take(call, &segment, &total)) {
        return;
    }
    struct buf low = {0}, high = {0};
    segment_start(&low, (u64)segment, (u64)total);
    segment_start(&high, (u64)segment + 1, (u64)total);
    page_run(&page, &low, &high, false);
    buf_deinit(&low);
    buf_deinit(&high);
}
