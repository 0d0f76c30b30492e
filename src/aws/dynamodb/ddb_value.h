/*
 * aws/dynamodb/ddb_value.h: attribute values and items. A value is a tree in an
 * arena; its texts borrow from what it was read of. An item is a value of type M.
 * Members of maps stand in order of their names, elements of sets in their own
 * order, both as ddb_value_cmp has it; so lookups and comparisons are quick.
 * Also here: how a piece of work says that it was refused, and why.
 */
#ifndef AWS_DYNAMODB_DDB_VALUE_H
#define AWS_DYNAMODB_DDB_VALUE_H

#include "base/buf.h"
#include "codec/json.h"

enum {
    DDB_DEPTH_MAX = 32,              /* Of maps and lists in an item. */
    DDB_ITEM_BYTES_MAX = 400 * 1024, /* As DynamoDB counts: names and values. */
    DDB_ENCODED_DEPTH_MAX = 2 * DDB_DEPTH_MAX,
};

/* --- refusals ------------------------------------------------------------------------------ */

/* One request, or one part of a transaction. The first refusal stays. */
struct ddb_work {
    struct arena *arena;
    const char *type; /* "ValidationException"; NULL while all is well. */
    str message;
};

/* Both return false, so that `return ddb_invalid(...)` reads well. */
bool ddb_refuse(struct ddb_work *work, const char *type, const char *format, ...) PRINTF(3, 4);
bool ddb_invalid(struct ddb_work *work, const char *format, ...) PRINTF(2, 3);

/* --- values -------------------------------------------------------------------------------- */

enum ddb_type {
    DDB_S,
    DDB_N,
    DDB_B,
    DDB_SS,
    DDB_NS,
    DDB_BS,
    DDB_BOOL,
    DDB_NULL,
    DDB_M,
    DDB_L,
    DDB_TYPES
};

struct ddb_value {
    enum ddb_type type;
    bool is_true;            /* BOOL */
    str name;                /* Of a member of a map. */
    str text;                /* S and B: the bytes; N: the canonical form. */
    struct ddb_value *items; /* M, L, and sets (of S, N, B). */
    isize count, capacity;   /* capacity: room behind items; 0 when they are not ours to change. */
};

const char *ddb_type_name(enum ddb_type type);
bool ddb_type_find(str name, enum ddb_type *out);
/* SS gives S, and so on. */
static inline enum ddb_type ddb_set_item(enum ddb_type set)
{
    return (enum ddb_type)(set - DDB_SS + DDB_S);
}
static inline bool ddb_is_set(enum ddb_type type)
{
    return type == DDB_SS || type == DDB_NS || type == DDB_BS;
}
static inline bool ddb_is_ordered(enum ddb_type type)
{
    return type == DDB_S || type == DDB_N || type == DDB_B;
}

/* From JSON as the API has it: {"S": "text"}; an item is an object of those. */
bool ddb_value_parse(struct ddb_work *work, const struct json_value *json, struct ddb_value *out);
bool ddb_item_parse(struct ddb_work *work, const struct json_value *json, struct ddb_value *out);
void ddb_value_show(struct buf *out, const struct ddb_value *value);
void ddb_item_show(struct buf *out, const struct ddb_value *item);

/* Bytes as DynamoDB counts them. */
isize ddb_value_bytes(const struct ddb_value *value);
isize ddb_item_bytes(const struct ddb_value *item);

bool ddb_value_eq(const struct ddb_value *a, const struct ddb_value *b);
/* Both of the same type, which is S, N or B. */
int ddb_value_cmp(const struct ddb_value *a, const struct ddb_value *b);
/* The order of a set's elements and of a map's names: for qsort over struct ddb_value. */
int ddb_element_cmp(const void *a, const void *b);
int ddb_name_cmp(const void *a, const void *b);
/* Is `element` an element of this set, or item of this list? */
bool ddb_value_has(const struct ddb_value *list, const struct ddb_value *element);

/* NULL when there is no such member (or `map` is NULL or no map). */
struct ddb_value *ddb_get(const struct ddb_value *map, str name);

/* --- changing; only trees that ddb_copy made ----------------------------------------------- */

/* Texts are shared, arrays are not. */
struct ddb_value ddb_copy(struct arena *arena, const struct ddb_value *value);
/* Takes a place at the end of a map, list or set, for the caller to fill. */
struct ddb_value *ddb_append(struct arena *arena, struct ddb_value *list);
/* Sets or adds a member; its name is `name`. */
void ddb_put(struct arena *arena, struct ddb_value *map, str name, const struct ddb_value *value);

/* --- bytes on disk (docs/formats/dynamodb.md) ---------------------------------------------- */

void ddb_item_encode(struct buf *out, const struct ddb_value *item);
/* Borrows from `bytes`. ERR_CORRUPT. */
MUST_USE err ddb_item_decode(struct arena *arena, str bytes, struct ddb_value *out);

/* Appends S, N or B so that memcmp gives DynamoDB's order, ending by itself. */
void ddb_key_append(struct buf *out, const struct ddb_value *value);

#endif
