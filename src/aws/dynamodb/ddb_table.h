/*
 * aws/dynamodb/ddb_table.h: what a table is: names, keys, indexes, settings. A table is
 * immutable; a change makes a new one. Its definition is stored as the JSON that
 * CreateTable takes (docs/formats/dynamodb.md).
 */
#ifndef AWS_DYNAMODB_DDB_TABLE_H
#define AWS_DYNAMODB_DDB_TABLE_H

#include "aws/dynamodb/ddb_expr.h"

enum {
    DDB_GLOBAL_INDEXES_MAX = 20,
    DDB_LOCAL_INDEXES_MAX = 5,
    DDB_INCLUDED_MAX = 100, /* Of all indexes together. */
    DDB_HASH_BYTES_MAX = 2048,
    DDB_RANGE_BYTES_MAX = 1024,
    DDB_TAGS_MAX = 50,
};

struct ddb_attribute {
    str name;
    enum ddb_type type; /* S, N or B */
};
struct ddb_key {
    struct ddb_attribute hash, range;
    bool has_range;
};
enum ddb_index_shows { DDB_SHOWS_ALL, DDB_SHOWS_KEYS, DDB_SHOWS_INCLUDED };
struct ddb_throughput {
    i64 read, write; /* Units; 0 on demand. */
};
struct ddb_index {
    i64 id; /* From 1; of its table, never used twice. */
    str name;
    bool is_local;
    struct ddb_key key;
    enum ddb_index_shows shows;
    str *included;
    isize included_count;
    struct ddb_throughput throughput;
};
struct ddb_tag {
    str key, value;
};
struct ddb_definition {
    struct ddb_attribute *attributes;
    isize attribute_count;
    struct ddb_key key;
    struct ddb_index *indexes;
    isize index_count;
    i64 index_next; /* Id of the next new index. */
    bool is_on_demand;
    struct ddb_throughput throughput;
    bool is_protected;  /* DeletionProtectionEnabled */
    bool is_infrequent; /* TableClass STANDARD_INFREQUENT_ACCESS */
    str expiry;         /* Attribute with the second at which an item expires; empty: none does. */
    struct ddb_tag *tags;
    isize tag_count;
};

/* Characters of tables' and indexes' names only: [a-zA-Z0-9_.-] */
bool ddb_is_name(str name);
/* The members of CreateTable; of a stored definition (is_stored) those of ours too. */
bool ddb_definition_parse(struct ddb_work *work, const struct json_value *input, bool is_stored,
                          struct ddb_definition *out);
void ddb_definition_write(struct buf *out, const struct ddb_definition *definition);

/* Pieces, for UpdateTable and TagResource too. */
bool ddb_attributes_parse(struct ddb_work *work, const struct json_value *list,
                          struct ddb_definition *out);
/* Gives it the next id. */
bool ddb_index_parse(struct ddb_work *work, const struct json_value *input, bool is_local,
                     struct ddb_definition *definition, struct ddb_index *out);
bool ddb_throughput_parse(struct ddb_work *work, const struct json_value *input,
                          struct ddb_throughput *out);
bool ddb_tags_parse(struct ddb_work *work, const struct json_value *list,
                    struct ddb_definition *out);
/* What belongs together does: attributes are those of keys, names of indexes differ, limits. */
bool ddb_definition_check(struct ddb_work *work, const struct ddb_definition *definition);

void ddb_key_schema_write(struct buf *out, const struct ddb_key *key);
void ddb_projection_write(struct buf *out, const struct ddb_index *index);

const struct ddb_index *ddb_index_find(const struct ddb_definition *definition, str name);

/* --- keys of items --------------------------------------------------------------------------- */

/* The key's attributes, and nothing else, with the right types and sizes. */
bool ddb_key_check(struct ddb_work *work, const struct ddb_definition *definition,
                   const struct ddb_value *key);
/* An item has its key, of the right types and sizes, and so have its index keys. */
bool ddb_item_check(struct ddb_work *work, const struct ddb_definition *definition,
                    const struct ddb_value *item);

/* Bytes under which an item stands: hash of the hash key, hash key, range key. The item must have
 * passed ddb_item_check or ddb_key_check. */
void ddb_item_key(struct buf *out, const struct ddb_definition *definition,
                  const struct ddb_value *item);
/* The same of an index, followed by the item's own key; false when the item is not in it. */
bool ddb_index_key(struct buf *out, const struct ddb_definition *definition,
                   const struct ddb_index *index, const struct ddb_value *item);
/* Under which an item is found when it expires: the second, big-endian, and its key; false when it
 * does not. */
bool ddb_expiry_key(struct buf *out, const struct ddb_definition *definition,
                    const struct ddb_value *item);
void ddb_second_append(struct buf *out, i64 second);
/* What the index shows of an item, and how many bytes that is. */
struct ddb_value ddb_index_item(struct arena *arena, const struct ddb_definition *definition,
                                const struct ddb_index *index, const struct ddb_value *item);
isize ddb_index_bytes(const struct ddb_definition *definition, const struct ddb_index *index,
                      const struct ddb_value *item);
/* Of all items with this hash key. */
void ddb_hash_prefix(struct buf *out, const struct ddb_value *hash);
/* The least bytes that are greater than all which begin with `prefix`. */
void ddb_prefix_end(struct buf *prefix);

#endif
