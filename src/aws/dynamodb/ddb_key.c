/* aws/dynamodb/ddb_key.c: keys of items and of index entries: checks, and bytes in order. */
#include "aws/dynamodb/ddb_number.h"
#include "aws/dynamodb/ddb_table.h"
#include "base/hash.h"

#define WRONG "One or more parameter values were invalid: "

enum { ITEM_HASH_BYTES = 8 };

/* --- checks -------------------------------------------------------------------------------- */

static bool size_check(struct ddb_work *work, const struct ddb_attribute *attribute, bool is_hash,
                       const struct ddb_value *value)
{
    if (attribute->type == DDB_N) {
        return true;
    }
    if (value->text.len == 0) {
        return ddb_invalid(work,
                           "One or more parameter values are not valid. The AttributeValue for a "
                           "key attribute cannot contain an empty %s value. Key: " STR_FMT,
                           attribute->type == DDB_S ? "string" : "binary",
                           STR_ARG(attribute->name));
    }
    if (value->text.len > (is_hash ? DDB_HASH_BYTES_MAX : DDB_RANGE_BYTES_MAX)) {
        return ddb_invalid(work, WRONG "Size of %s has exceeded the maximum size limit of%d bytes",
                           is_hash ? "hashkey" : "rangekey",
                           is_hash ? DDB_HASH_BYTES_MAX : DDB_RANGE_BYTES_MAX);
    }
    return true;
}

static bool key_part_check(struct ddb_work *work, const struct ddb_attribute *attribute,
                           bool is_hash, const struct ddb_value *key)
{
    const struct ddb_value *value = ddb_get(key, attribute->name);
    if (value == NULL || value->type != attribute->type) {
        return ddb_invalid(work, "The provided key element does not match the schema");
    }
    return size_check(work, attribute, is_hash, value);
}

bool ddb_key_check(struct ddb_work *work, const struct ddb_definition *d,
                   const struct ddb_value *key)
{
    if (key->count != 1 + d->key.has_range) {
        return ddb_invalid(work, "The provided key element does not match the schema");
    }
    return key_part_check(work, &d->key.hash, true, key) &&
           (!d->key.has_range || key_part_check(work, &d->key.range, false, key));
}

static bool item_part_check(struct ddb_work *work, const struct ddb_attribute *attribute,
                            bool is_hash, const struct ddb_value *item)
{
    const struct ddb_value *value = ddb_get(item, attribute->name);
    if (value == NULL) {
        return ddb_invalid(work, WRONG "Missing the key " STR_FMT " in the item",
                           STR_ARG(attribute->name));
    }
    if (value->type != attribute->type) {
        return ddb_invalid(work, WRONG "Type mismatch for key " STR_FMT " expected: %s actual: %s",
                           STR_ARG(attribute->name), ddb_type_name(attribute->type),
                           ddb_type_name(value->type));
    }
    return size_check(work, attribute, is_hash, value);
}

static bool index_part_check(struct ddb_work *work, const struct ddb_index *index,
                             const struct ddb_attribute *attribute, bool is_hash,
                             const struct ddb_value *item)
{
    const struct ddb_value *value = ddb_get(item, attribute->name);
    if (value == NULL) {
        return true;
    }
    if (value->type != attribute->type) {
        return ddb_invalid(work,
                           WRONG "Type mismatch for Index Key " STR_FMT
                                 " Expected: %s Actual: %s IndexName: " STR_FMT,
                           STR_ARG(attribute->name), ddb_type_name(attribute->type),
                           ddb_type_name(value->type), STR_ARG(index->name));
    }
    if (value->type != DDB_N && value->text.len == 0) {
        return ddb_invalid(work,
                           "One or more parameter values are not valid. A value specified for a "
                           "secondary index key is not supported. The AttributeValue for a key "
                           "attribute cannot contain an empty %s value. IndexName: " STR_FMT
                           ", IndexKey: " STR_FMT,
                           value->type == DDB_S ? "string" : "binary", STR_ARG(index->name),
                           STR_ARG(attribute->name));
    }
    return size_check(work, attribute, is_hash, value);
}

bool ddb_item_check(struct ddb_work *work, const struct ddb_definition *d,
                    const struct ddb_value *item)
{
    if (!item_part_check(work, &d->key.hash, true, item) ||
        (d->key.has_range && !item_part_check(work, &d->key.range, false, item))) {
        return false;
    }
    for (isize i = 0; i < d->index_count; i++) {
        const struct ddb_index *index = &d->indexes[i];
        if (!index_part_check(work, index, &index->key.hash, true, item) ||
            (index->key.has_range &&
             !index_part_check(work, index, &index->key.range, false, item))) {
            return false;
        }
    }
    return true;
}

/* --- bytes --------------------------------------------------------------------------------- */

void ddb_hash_prefix(struct buf *out, const struct ddb_value *hash)
{
    struct buf key = {0};
    ddb_key_append(&key, hash);
    u64 spread = hash64(key.data, key.len, 0);
    for (int shift = 64 - 8; shift >= 0; shift -= 8) {
        buf_append_byte(out, (u8)(spread >> shift)); /* Big-endian: memcmp is its order. */
    }
    buf_append(out, buf_str(&key));
    buf_deinit(&key);
}

static void key_append(struct buf *out, const struct ddb_key *key, const struct ddb_value *item)
{
    ddb_hash_prefix(out, ddb_get(item, key->hash.name));
    if (key->has_range) {
        ddb_key_append(out, ddb_get(item, key->range.name));
    }
}

void ddb_item_key(struct buf *out, const struct ddb_definition *d, const struct ddb_value *item)
{
    key_append(out, &d->key, item);
}

/* Items that were there before their index may hold what an index does not take. */
static bool can_be_key(const struct ddb_attribute *attribute, const struct ddb_value *item)
{
    const struct ddb_value *value = ddb_get(item, attribute->name);
    return value != NULL && value->type == attribute->type && value->text.len > 0 &&
           value->text.len <= DDB_HASH_BYTES_MAX;
}

bool ddb_index_key(struct buf *out, const struct ddb_definition *d, const struct ddb_index *index,
                   const struct ddb_value *item)
{
    if (!can_be_key(&index->key.hash, item) ||
        (index->key.has_range && !can_be_key(&index->key.range, item))) {
        return false;
    }
    key_append(out, &index->key, item);
    ddb_item_key(out, d, item);
    return true;
}

void ddb_prefix_end(struct buf *prefix)
{
    isize original = prefix->len;
    while (prefix->len > 0 && prefix->data[prefix->len - 1] == 0xFF) {
        prefix->len--;
    }
    if (prefix->len > 0) {
        prefix->data[prefix->len - 1]++;
        return;
    }
    buf_append_fill(prefix, 0xFF, original + 2 * ITEM_HASH_BYTES); /* Above every key's hash. */
}

/* --- expiry -------------------------------------------------------------------------------- */

void ddb_second_append(struct buf *out, i64 second)
{
    for (int shift = 64 - 8; shift >= 0; shift -= 8) {
        buf_append_byte(out, (u8)((u64)second >> shift));
    }
}

bool ddb_expiry_key(struct buf *out, const struct ddb_definition *d, const struct ddb_value *item)
{
    enum { DIGITS_MAX = 12 };
    const struct ddb_value *value = d->expiry.len == 0 ? NULL : ddb_get(item, d->expiry);
    struct ddb_number number;
    if (value == NULL || value->type != DDB_N ||
        ddb_number_parse(value->text, &number) != DDB_NUMBER_OK || number.is_negative ||
        number.exponent < 1 || number.exponent > DIGITS_MAX) {
        return false; /* No second that will ever be. */
    }
    i64 second = 0;
    for (int i = 0; i < number.exponent; i++) {
        second = second * 10 + (i < number.count ? number.digits[i] : 0);
    }
    ddb_second_append(out, second);
    ddb_item_key(out, d, item);
    return true;
}

/* --- what an index shows ------------------------------------------------------------------- */

static bool is_of_key(const struct ddb_key *key, str name)
{
    return str_eq(key->hash.name, name) || (key->has_range && str_eq(key->range.name, name));
}

static bool is_shown(const struct ddb_definition *d, const struct ddb_index *index, str name)
{
    if (index->shows == DDB_SHOWS_ALL || is_of_key(&d->key, name) || is_of_key(&index->key, name)) {
        return true;
    }
    for (isize i = 0; i < index->included_count; i++) {
        if (str_eq(index->included[i], name)) {
            return true;
        }
    }
    return false;
}

struct ddb_value ddb_index_item(struct arena *arena, const struct ddb_definition *d,
                                const struct ddb_index *index, const struct ddb_value *item)
{
    struct ddb_value out = {.type = DDB_M};
    if (index->shows == DDB_SHOWS_ALL) {
        return *item;
    }
    for (isize i = 0; i < item->count; i++) {
        if (is_shown(d, index, item->items[i].name)) {
            *ddb_append(arena, &out) = item->items[i];
        }
    }
    return out;
}

isize ddb_index_bytes(const struct ddb_definition *d, const struct ddb_index *index,
                      const struct ddb_value *item)
{
    isize bytes = 0;
    for (isize i = 0; i < item->count; i++) {
        if (is_shown(d, index, item->items[i].name)) {
            bytes += item->items[i].name.len + ddb_value_bytes(&item->items[i]);
        }
    }
    return bytes;
}
