/*
 * codec/json.h: small JSON documents: bodies of API calls and configuration. For
 * rows of a stream see codec/json_rows.h. Strict RFC 8259: UTF-8, at most 80
 * levels, no duplicate names, no trailing bytes, no lone surrogates. The tree
 * lives in the arena; text without escapes borrows from the input.
 */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"

enum { JSON_DEPTH_MAX = 80 }; /* An item of DynamoDB, 32 levels deep, needs 70. */

enum json_kind {
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
    JSON_BYTES /* From CBOR only. */
};

struct json_value {
    enum json_kind kind;
    u32 name_hash;
    isize count; /* Items or members. */
    str text;    /* STRING: decoded. NUMBER: as written. BYTES: they. */
    str name;    /* Of a member. */
    const struct json_value *first, *next;
};

/* ERR_SYNTAX, ERR_LIMIT (depth), ERR_EXISTS (duplicate name), ERR_MEMORY (the arena's budget); diag
 * (may be NULL) says where. */
MUST_USE err json_parse(struct arena *arena, str text, const struct json_value **out,
                        struct diag *diag);
/* The same without detail: NULL when it is not a document. */
const struct json_value *json_parse_request(struct arena *arena, str body);

/* All take NULL as "absent". */
static inline enum json_kind json_kind(const struct json_value *value)
{
    return value == NULL ? JSON_NULL : value->kind;
}
static inline bool json_is_set(const struct json_value *value)
{
    return json_kind(value) != JSON_NULL;
}
static inline isize json_count(const struct json_value *value)
{
    return value == NULL ? 0 : value->count;
}
static inline const struct json_value *json_first(const struct json_value *value)
{
    return value == NULL ? NULL : value->first;
}
static inline const struct json_value *json_next(const struct json_value *value)
{
    return value == NULL ? NULL : value->next;
}
static inline str json_name(const struct json_value *value)
{
    return value == NULL ? STR_EMPTY : value->name;
}
/* Text of a string or number; empty for anything else. */
static inline str json_text(const struct json_value *value)
{
    return value == NULL ? STR_EMPTY : value->text;
}
/* Member by name; NULL when absent or when `object` is none. */
const struct json_value *json_get(const struct json_value *object, str name);
/* Text of a string member, else empty. */
str json_get_text(const struct json_value *object, str name);
/* Number member as i64; `otherwise` when it is absent or no integer. */
i64 json_get_i64(const struct json_value *object, str name, i64 otherwise);
bool json_get_bool(const struct json_value *object, str name, bool otherwise);

/* Writes "text" with escapes; what is not valid UTF-8 becomes U+FFFD. */
void json_write_string(struct buf *out, str text);
/* Integer, or the shortest digits that read back as the same number; null for NaN and infinities.
 */
void json_write_f64(struct buf *out, double value);

#endif
