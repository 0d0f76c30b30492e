/*
 * data/type.h: SQL types, as Flink's (docs/sql/types.md), and how each lies in
 * memory. Types are immutable, live in an arena or are the static ones below,
 * and may be shared between threads.
 *
 *   kind                     element in struct vec           unit
 *   BOOLEAN                  u8 0 or 1
 *   TINYINT..BIGINT          i8 i16 i32 i64
 *   FLOAT DOUBLE             float double                    any NaN
 *   DECIMAL(p <= 18, s)      i64                             unscaled value
 *   DECIMAL(p > 18, s)       i128 (16-byte aligned)          unscaled value
 *   CHAR VARCHAR             struct strview                  UTF-8
 *   BINARY VARBINARY         struct strview                  bytes
 *   DATE                     i32                             days since 1970-01-01
 *   TIME                     i32                             milliseconds of the day
 *   TIMESTAMP(p <= 6)        i64                             microseconds, no zone
 *   TIMESTAMP(p > 6)         struct stamp                    milliseconds + nanoseconds
 *   TIMESTAMP_LTZ            the same                        since 1970 UTC
 *   INTERVAL YEAR TO MONTH   i32                             months
 *   INTERVAL DAY TO SECOND   i64                             milliseconds
 *   ARRAY                    struct span into child 0
 *   MAP, MULTISET            struct span into children 0 (key) and 1 (value; INT for MULTISET)
 *   ROW                      no elements; one child per field, of the same length
 *   NULL                     no elements; every row is NULL
 */
#ifndef DATA_TYPE_H
#define DATA_TYPE_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

enum type_kind {
    TYPE_NULL, /* Of an untyped NULL literal. */
    TYPE_BOOLEAN,
    TYPE_TINYINT,
    TYPE_SMALLINT,
    TYPE_INT,
    TYPE_BIGINT,
    TYPE_FLOAT,
    TYPE_DOUBLE,
    TYPE_DECIMAL,
    TYPE_CHAR,
    TYPE_VARCHAR,
    TYPE_BINARY,
    TYPE_VARBINARY,
    TYPE_DATE,
    TYPE_TIME,
    TYPE_TIMESTAMP,
    TYPE_TIMESTAMP_LTZ,
    TYPE_INTERVAL_YM,
    TYPE_INTERVAL_DS,
    TYPE_ARRAY,
    TYPE_MAP,
    TYPE_MULTISET,
    TYPE_ROW,
    TYPE_KIND_COUNT
};

enum { TYPE_LENGTH_MAX = 2147483647, TYPE_DECIMAL_PRECISION_MAX = 38 };

/* Is the column a time attribute, and which? Shown by DESCRIBE as *ROWTIME* or *PROCTIME*. */
enum type_time { TYPE_TIME_NONE, TYPE_TIME_ROW, TYPE_TIME_PROC };

struct type_field {
    str name;
    const struct type *type;
    str comment;
};

struct type {
    enum type_kind kind;
    bool is_nullable;
    enum type_time time_attribute;
    i32 length;                /* CHAR, VARCHAR, BINARY, VARBINARY: characters or bytes. */
    i32 precision;             /* DECIMAL, TIME, TIMESTAMP, TIMESTAMP_LTZ. */
    i32 scale;                 /* DECIMAL. */
    const struct type *item;   /* ARRAY, MULTISET: element. MAP: value. */
    const struct type *key;    /* MAP. */
    struct type_field *fields; /* ROW. */
    isize field_count;
};

/* Nullable types without parameters: type_of(TYPE_BIGINT). VARCHAR and VARBINARY: maximal length;
 * CHAR, BINARY: 1; DECIMAL: (10, 0); TIME: (0); TIMESTAMP and TIMESTAMP_LTZ: (6). */
const struct type *type_of(enum type_kind kind);
const struct type *type_decimal(struct arena *arena, i32 precision, i32 scale);
const struct type *type_char(struct arena *arena, enum type_kind kind, i32 length);
const struct type *type_timestamp(struct arena *arena, enum type_kind kind, i32 precision);
const struct type *type_array(struct arena *arena, const struct type *item);
const struct type *type_map(struct arena *arena, const struct type *key, const struct type *value);
const struct type *type_row(struct arena *arena, const struct type_field *fields, isize count);
const struct type *type_with_null(struct arena *arena, const struct type *type, bool is_nullable);
const struct type *type_with_time(struct arena *arena, const struct type *type, enum type_time t);

/* Equal in kind and parameters; nullability counts only if asked for. */
bool type_eq(const struct type *a, const struct type *b, bool with_nullability);
static inline bool type_is_string(const struct type *t)
{
    return t->kind == TYPE_CHAR || t->kind == TYPE_VARCHAR;
}
static inline bool type_is_bytes(const struct type *t)
{
    return t->kind == TYPE_BINARY || t->kind == TYPE_VARBINARY;
}
static inline bool type_is_integer(const struct type *t)
{
    return t->kind >= TYPE_TINYINT && t->kind <= TYPE_BIGINT;
}
static inline bool type_is_numeric(const struct type *t)
{
    return t->kind >= TYPE_TINYINT && t->kind <= TYPE_DECIMAL;
}
static inline bool type_is_timestamp(const struct type *t)
{
    return t->kind == TYPE_TIMESTAMP || t->kind == TYPE_TIMESTAMP_LTZ;
}
/* Bytes of one element of struct vec; 0 for ROW and NULL. */
isize type_element_bytes(const struct type *type);

/* As Flink prints it: "VARCHAR(50)", "STRING" for the maximal VARCHAR, "DECIMAL(10, 2)",
 * "TIMESTAMP(3) *ROWTIME*", "ROW<`a` INT, `b` STRING> NOT NULL". */
void type_format(const struct type *type, struct buf *out);

#endif
