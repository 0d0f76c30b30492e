/*
 * func/func.h: scalar functions, operators, casts and aggregates: one table of
 * name, signature and kernel. The binder (sql) resolves a call here once; exec
 * runs the kernels on vectors. Semantics are Flink's (docs/sql/functions.md).
 *
 * Kernels are pure: time, zone, randomness come through struct func_ctx. They
 * see only selected rows whose arguments are all non-NULL when the function is
 * strict (the usual case); NULL results for the others are made by exec.
 */
#ifndef FUNC_FUNC_H
#define FUNC_FUNC_H

#include "base/diag.h"
#include "data/vec.h"

/* What a kernel may ask of the outside. One per step (or query), read-only but for errors. */
struct func_ctx {
    struct arena *arena; /* Of the batch: results live here. */
    i64 now_us;          /* Wall clock of the step (journalled). */
    i64 query_start_us;
    u64 seed; /* Of the step (journalled); with `random_next` gives RAND, UUID. */
    u64 random_next;
    i64 watermark_us; /* For CURRENT_WATERMARK; INT64_MIN = none. */
    const char *zone; /* table.local-time-zone, IANA name; "UTC" by default. */
    /* Row errors (division by zero, failed CAST ...): the first per row is kept. */
    struct func_row_error *errors; /* In the arena. */
    isize error_count, error_capacity;
};

struct func_row_error {
    isize row;
    isize span_start, span_len; /* Of the expression in the SQL text; filled by exec. */
    str text;                   /* As Flink words it, in the arena. */
};
/* Records an error for the row; the kernel leaves the row's result as it is (it is ignored). */
void func_fail(struct func_ctx *ctx, isize row, const char *format, ...) PRINTF(3, 4);

/* `out` is initialised by exec for the result type and the batch's length (no bitmap). A kernel
 * writes the selected rows; vec_set_null for NULL results. Arguments may be constants. */
typedef void (*func_kernel_fn)(struct func_ctx *ctx, const void *data, const struct vec *args,
                               isize arg_count, const struct sel *sel, struct vec *out);

struct func_arg {
    const struct type *type;
    const struct value *literal; /* When the argument is a constant, else NULL. */
};

enum func_flags {
    FUNC_STRICT = 1,            /* NULL in, NULL out. */
    FUNC_NON_DETERMINISTIC = 2, /* Not folded; RAND, UUID. */
    FUNC_TIME = 4,              /* Depends on the step's clock or watermark. */
    FUNC_MAY_FAIL = 8,          /* Can call func_fail. */
};

/* A resolved call: what expr nodes hold. Lives in the plan's arena. */
struct func_bound {
    str name; /* Canonical, upper case; operators by their sign: "+", "=", "||". */
    u32 flags;
    const struct type *result;
    const struct type **arg_types; /* The binder casts each argument to this implicitly. */
    isize arg_count;
    func_kernel_fn kernel;
    const void *data; /* Prepared from literal arguments (compiled patterns...), or NULL. */
};

/* Resolves a function or operator by name (case-insensitive, aliases allowed). ERR_NOT_FOUND with
 * did-you-mean; ERR_TYPE with the signatures that exist, Flink-like ("Cannot apply 'UPPER' to
 * arguments of type 'UPPER(<INTEGER>)'. Supported form(s): 'UPPER(<CHARACTER>)'").
 *
 * Special syntax is passed as ordinary arguments; [..] may be left out; quoted words are STRING
 * literals in capitals:
 *   a op b, -a           "+" "-" "*" "/" "%" "=" "<>" "<" "<=" ">" ">=" "||"; "-" with one argument
 *   a IS DISTINCT FROM b "IS DISTINCT FROM"(a, b)
 *   a LIKE p ESCAPE e    "LIKE"(a, p [, e])           a SIMILAR TO p   "SIMILAR TO"(a, p [, e])
 *   TRIM(BOTH c FROM a)  TRIM('BOTH', c, a); TRIM(a) has one argument
 *   POSITION(a IN b)     POSITION(a, b)               OVERLAY(a, new, from [, length])
 *   EXTRACT(u FROM t)    EXTRACT('HOUR', t)           FLOOR(t TO u)    FLOOR(t, 'HOUR'); CEIL too
 *   TIMESTAMPADD(u, n, t) TIMESTAMPADD('DAY', n, t)   TIMESTAMPDIFF('DAY', a, b)
 *   (a, b) OVERLAPS (c, d)  OVERLAPS(a, b, c, d)      CURRENT_DATE     CURRENT_DATE() and the like
 *   a IS JSON [OBJECT]   "IS JSON"(a, 'VALUE'|'OBJECT'|'ARRAY'|'SCALAR')
 *   JSON_VALUE(a, path [, on_empty, default, on_error, default]), on_* 'NULL'|'ERROR'|'DEFAULT';
 *       gives STRING, RETURNING is a cast around it
 *   JSON_QUERY(a, path [, 'WITHOUT'|'CONDITIONAL'|'WITH', on_empty, on_error]), on_*
 * 'NULL'|'ERROR'| 'EMPTY ARRAY'|'EMPTY OBJECT' JSON_EXISTS(a, path [,
 * 'TRUE'|'FALSE'|'UNKNOWN'|'ERROR']) JSON_OBJECT('NULL:--j', k, v, k, v, k, v),
 * JSON_ARRAY('ABSENT:--', v, v): what NULL becomes, and per value 'j' when it is itself a call of
 * JSON_OBJECT, JSON_ARRAY or JSON(), else '-'
 *
 * Not here, because they evaluate lazily and are expr kinds of their own: AND OR NOT CASE COALESCE
 * IF NULLIF IFNULL IN IS [NOT] NULL/TRUE/FALSE/UNKNOWN, field access, ROW/ARRAY/MAP constructors.
 */
MUST_USE err func_bind(struct arena *arena, str name, const struct func_arg *args, isize arg_count,
                       struct func_bound *out, struct diag *diag);

/* Runs a bound function for the selected rows: initialises *out, makes the NULL results of strict
 * functions, and gives a constant when all arguments are constant. */
void func_call(struct func_ctx *ctx, const struct func_bound *bound, const struct vec *args,
               isize rows, const struct sel *sel, struct vec *out);

/* How time zones are read: the bytes of a TZif file for an IANA name, allocated in the arena;
 * ERR_NOT_FOUND when there is none. Set once at start-up; until then only UTC and fixed offsets
 * ("GMT+08:00") exist. Names are checked (letters, digits, "_+-/", no "..") before the call. */
typedef err (*func_zone_loader_fn)(void *ctx, const char *name, struct arena *arena, str *out);
void func_set_zone_loader(func_zone_loader_fn fn, void *ctx);
/* Is this a zone that func can use? For SET 'table.local-time-zone'. */
bool func_zone_exists(const char *name);
/* Microseconds since 1970, UTC to local time of the zone and back: a gap moves forward by its
 * length, an overlap takes the later time. An unknown zone is UTC. */
i64 func_zone_local_us(const char *name, i64 utc_us);
i64 func_zone_utc_us(const char *name, i64 local_us);

/* Casts. is_try: failures give NULL instead of func_fail. ERR_TYPE when there is no such cast. */
MUST_USE err func_bind_cast(struct arena *arena, const struct type *from, const struct type *to,
                            bool is_try, struct func_bound *out, struct diag *diag);
bool func_can_cast_implicitly(const struct type *from, const struct type *to);
/* Least restrictive common type of CASE branches, UNION columns, comparisons, IN lists; NULL when
 * there is none. */
const struct type *func_common_type(struct arena *arena, const struct type *const *types,
                                    isize count);

/* For SHOW FUNCTIONS and docs: every name once, sorted; aliases marked. */
struct func_listing {
    str name, category, signature;
    bool is_aggregate, is_alias;
};
isize func_list(const struct func_listing **out);

/* --- aggregates ------------------------------------------------------------------------------- */

/* State of one group is `state_bytes` of plain memory, zeroed to start; it holds no pointers, so
 * that it can be written to a snapshot as it is, except when has_varlen (MIN/MAX of strings): then
 * snapshot and restore go through save/load. */
struct agg_bound {
    str name;
    const struct type *result;
    const struct type **arg_types;
    isize arg_count;
    isize state_bytes; /* Multiple of 8. */
    bool has_varlen;
    /* Adds the selected rows: row sel[i] goes to states[i]. NULL arguments are skipped by the
     * kernel (COUNT(*) has no argument). `pool` owns variable-length state. */
    void (*update)(void **states, const struct vec *args, const struct sel *sel,
                   struct arena *pool);
    /* Writes the result of `count` states into rows 0.. of `out`. */
    void (*finish)(void *const *states, isize count, struct arena *arena, struct vec *out);
    void (*save)(const void *state, struct buf *out); /* NULL: plain bytes */
    err (*load)(str *in, void *state, struct arena *pool);
};
/* COUNT SUM MIN MAX AVG. COUNT(*) has arg_count 0. */
MUST_USE err func_bind_aggregate(struct arena *arena, str name, const struct func_arg *args,
                                 isize arg_count, struct agg_bound *out, struct diag *diag);
bool func_is_aggregate(str name);

#endif
