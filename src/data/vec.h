/*
 * data/vec.h: column vectors, selections and batches. A batch has at most
 * BATCH_ROWS_MAX rows. All memory belongs to the batch's arena or to input that
 * outlives the batch (string views point straight into it). One thread at a time.
 */
#ifndef DATA_VEC_H
#define DATA_VEC_H

#include "data/type.h"

enum { BATCH_ROWS_MAX = 2048 };

/* A 16-byte string view: up to 12 bytes inline, else a 4-byte prefix and a pointer. Unused inline
 * bytes are zero, so that equal views of short strings are equal bytes. */
struct strview {
    u32 len;
    union {
        u8 inlined[12];
        struct {
            u8 prefix[4];
            const u8 *data; /* Borrowed. */
        } __attribute__((packed)) far;
    } u;
};
_Static_assert(sizeof(struct strview) == 16, "string views are 16 bytes");
enum { STRVIEW_INLINE_MAX = 12 };

static inline str strview_str(const struct strview *v)
{
    return (str){v->len <= STRVIEW_INLINE_MAX ? v->u.inlined : v->u.far.data, (isize)v->len};
}
struct strview strview_of(str s); /* Borrows s when longer than 12 bytes. */
bool strview_eq(const struct strview *a, const struct strview *b);
int strview_cmp(const struct strview *a, const struct strview *b); /* Bytewise. */

/* TIMESTAMP and TIMESTAMP_LTZ of precision above 6. */
struct stamp {
    i64 ms;
    i32 nanos; /* Of the millisecond: 0 to 999999. */
    i32 zero;  /* Always 0. */
};

/* Elements of an ARRAY, MAP or MULTISET in the child vectors. */
struct span {
    u32 start, count;
};

struct vec {
    const struct type *type;
    isize len;     /* Rows; of a constant: the rows it stands for. */
    bool is_const; /* The element (and validity) at index 0 stands for every row. */
    u64 *valid;    /* Bit i set: row i is not NULL. NULL pointer: no row is NULL. */
    void *values;  /* type_element_bytes each; aligned to 64 bytes when made by vec_init. */
    struct vec *children;
    isize child_count;
};

/* Allocates values (zeroed) for `len` rows and, if asked, an all-set validity bitmap. For ROW the
 * children too; ARRAY, MAP get empty children (vec_child_reserve grows them). */
void vec_init(struct vec *vec, struct arena *arena, const struct type *type, isize len,
              bool has_valid);
/* A constant NULL of this type. */
void vec_init_null(struct vec *vec, struct arena *arena, const struct type *type, isize len);

static inline isize vec_index(const struct vec *vec, isize row)
{
    return vec->is_const ? 0 : row;
}
static inline bool vec_is_valid(const struct vec *vec, isize row)
{
    isize i = vec_index(vec, row);
    return vec->valid == NULL || ((vec->valid[i >> 6] >> (i & 63)) & 1) != 0;
}
/* Makes the bitmap if there is none. */
void vec_set_null(struct vec *vec, struct arena *arena, isize row);
/* Typed access: VEC(i64, v)[row] for a vector that is not constant. */
#define VEC(ctype, vec) ((ctype *)(vec)->values)

/* A selection: ascending row numbers. rows == NULL means all of 0..count-1. */
struct sel {
    const u16 *rows;
    isize count;
};
static inline isize sel_row(const struct sel *sel, isize i)
{
    return sel->rows == NULL ? i : sel->rows[i];
}

/* Kind of change that a row stands for; the byte in batch.kinds. */
enum row_kind { ROW_INSERT, ROW_UPDATE_BEFORE, ROW_UPDATE_AFTER, ROW_DELETE };

struct batch {
    isize len;
    struct sel sel; /* Rows that are alive. */
    struct vec *cols;
    isize col_count;
    u8 *kinds;           /* NULL: all ROW_INSERT. */
    struct arena *arena; /* Owns what the vectors own. */
};

/* A single value of any type, for literals, defaults and state; deep copies live in an arena. */
struct value {
    const struct type *type;
    bool is_null;
    union {
        bool boolean;
        i64 integer; /* All integer kinds, DATE, TIME, TIMESTAMP(<= 6), intervals, DECIMAL(<= 18) */
        i128 wide;   /* DECIMAL(> 18) */
        double real; /* FLOAT too. */
        struct stamp stamp;
        str text; /* Strings and bytes. */
        struct {  /* ARRAY: items; MAP: key, value alternating; ROW: fields. */
            struct value *items;
            isize count;
        } list;
    } u;
};

/* Reads row `row` of `vec`; strings borrow, lists are built in the arena. */
void vec_get(const struct vec *vec, isize row, struct arena *arena, struct value *out);
/* Writes a value of the same type (kind and parameters) at `row`; copies strings longer than 12
 * bytes into the arena. */
void vec_set(struct vec *vec, struct arena *arena, isize row, const struct value *value);
/* A constant vector of this value. */
void vec_from_value(struct vec *vec, struct arena *arena, const struct value *value, isize len);

/* As Flink's changelog shows it: 12, true, Testville, 2026-11-23 01:11:40.123, [1, 2], {k=v},
 * +I[1, NULL] for rows, NULL. */
void value_format(const struct value *value, struct buf *out);
bool value_eq(const struct value *a, const struct value *b);

#endif
