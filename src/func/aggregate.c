/*
 * func/aggregate.c: COUNT, SUM, MIN, MAX, AVG. States are plain memory of 8-byte units; wide values
 * are moved by memcpy, because a state is aligned to 8 only. Sums of doubles are added in row
 * order, so that they do not depend on how rows were batched.
 */
#include "func/func_int.h"

struct agg_count {
    i64 count;
};
struct agg_int {
    i64 sum;
    i64 count;
};
struct agg_real {
    double sum;
    i64 count;
};
struct agg_dec {
    u64 sum[2]; /* An i128. */
    i64 count;
    i64 has_overflow;
};
struct agg_extreme {
    i64 is_set;
    u64 value[2]; /* The element's bytes. */
};

#define UPDATE(name)                                                               \
    static void name(void **states, const struct vec *args, const struct sel *sel, \
                     struct arena *pool)
#define FINISH(name) \
    static void name(void *const *states, isize count, struct arena *arena, struct vec *out)

/* --- COUNT ------------------------------------------------------------------------------------ */

UPDATE(count_all)
{
    (void)args;
    (void)pool;
    for (isize i = 0; i < sel->count; i++) {
        ((struct agg_count *)states[i])->count++;
    }
}

UPDATE(count_values)
{
    (void)pool;
    for (isize i = 0; i < sel->count; i++) {
        ((struct agg_count *)states[i])->count += vec_is_valid(&args[0], sel_row(sel, i));
    }
}

FINISH(finish_count)
{
    (void)arena;
    for (isize i = 0; i < count; i++) {
        VEC(i64, out)[i] = ((const struct agg_count *)states[i])->count;
    }
}

/* --- SUM, AVG --------------------------------------------------------------------------------- */

UPDATE(sum_int)
{
    (void)pool;
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        if (vec_is_valid(&args[0], row)) {
            struct agg_int *state = states[i];
            state->sum = (i64)((u64)state->sum + (u64)func__int_at(&args[0], row));
            state->count++;
        }
    }
}

UPDATE(sum_real)
{
    (void)pool;
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        if (vec_is_valid(&args[0], row)) {
            struct agg_real *state = states[i];
            state->sum += func__real_at(&args[0], row);
            state->count++;
        }
    }
}

/* Flink adds FLOATs in FLOAT. */
UPDATE(sum_float)
{
    (void)pool;
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        if (vec_is_valid(&args[0], row)) {
            struct agg_real *state = states[i];
            state->sum = (double)((float)state->sum + ARG(float, &args[0], row));
            state->count++;
        }
    }
}

UPDATE(sum_dec)
{
    (void)pool;
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        if (vec_is_valid(&args[0], row)) {
            struct agg_dec *state = states[i];
            i128 sum = 0;
            memcpy(&sum, state->sum, sizeof sum);
            bool is_over = __builtin_add_overflow(sum, func__dec_at(&args[0], row), &sum) ||
                           !func__dec_fits(sum, TYPE_DECIMAL_PRECISION_MAX);
            state->has_overflow |= is_over;
            memcpy(state->sum, &sum, sizeof sum);
            state->count++;
        }
    }
}

FINISH(finish_sum_int)
{
    for (isize i = 0; i < count; i++) {
        const struct agg_int *state = states[i];
        if (state->count == 0) {
            vec_set_null(out, arena, i);
        } else {
            func__put_int(out, i, state->sum);
        }
    }
}

FINISH(finish_avg_int)
{
    for (isize i = 0; i < count; i++) {
        const struct agg_int *state = states[i];
        if (state->count == 0) {
            vec_set_null(out, arena, i);
        } else {
            func__put_int(out, i, state->sum / state->count);
        }
    }
}

static void finish_real(void *const *states, isize count, struct arena *arena, struct vec *out,
                        bool is_avg)
{
    for (isize i = 0; i < count; i++) {
        const struct agg_real *state = states[i];
        double value = is_avg ? state->sum / (double)MAX(state->count, 1) : state->sum;
        if (state->count == 0) {
            vec_set_null(out, arena, i);
        } else if (out->type->kind == TYPE_FLOAT) {
            VEC(float, out)[i] = (float)value;
        } else {
            VEC(double, out)[i] = value;
        }
    }
}

FINISH(finish_sum_real)
{
    finish_real(states, count, arena, out, false);
}
FINISH(finish_avg_real)
{
    finish_real(states, count, arena, out, true);
}

static void finish_dec(void *const *states, isize count, struct arena *arena, struct vec *out,
                       i32 shift)
{
    struct func_ctx ctx = {.arena = arena};
    for (isize i = 0; i < count; i++) {
        const struct agg_dec *state = states[i];
        i128 value = 0;
        memcpy(&value, state->sum, sizeof value);
        bool is_null = state->count == 0 || state->has_overflow != 0 ||
                       (shift >= 0 && !func__dec_div(value, state->count, shift, &value));
        if (is_null) {
            vec_set_null(out, arena, i);
        } else {
            func__put_dec(&ctx, out, i, value);
        }
    }
}

FINISH(finish_sum_dec)
{
    finish_dec(states, count, arena, out, -1);
}
/* The result's scale is max(6, s): one function per missing digit, because finish sees no s. */
#define FINISH_AVG_DEC(shift)                         \
    FINISH(finish_avg_dec_##shift)                    \
    {                                                 \
        finish_dec(states, count, arena, out, shift); \
    }
FINISH_AVG_DEC(0)
FINISH_AVG_DEC(1)
FINISH_AVG_DEC(2)
FINISH_AVG_DEC(3)
FINISH_AVG_DEC(4)
FINISH_AVG_DEC(5)
FINISH_AVG_DEC(6)

/* --- MIN, MAX --------------------------------------------------------------------------------- */

static void update_extreme(void **states, const struct vec *args, const struct sel *sel, int sign)
{
    size_t bytes = (size_t)type_element_bytes(args[0].type);
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        if (!vec_is_valid(&args[0], row)) {
            continue;
        }
        struct agg_extreme *state = states[i];
        const u8 *element = (const u8 *)args[0].values + bytes * (size_t)vec_index(&args[0], row);
        _Alignas(16) u64 held[2] = {state->value[0], state->value[1]};
        struct vec best = {.type = args[0].type, .len = 1, .is_const = true, .values = held};
        if (state->is_set == 0 || func__compare(&args[0], row, &best, 0) * sign > 0) {
            memcpy(state->value, element, bytes);
            state->is_set = 1;
        }
    }
}

UPDATE(update_min)
{
    (void)pool;
    update_extreme(states, args, sel, -1);
}
UPDATE(update_max)
{
    (void)pool;
    update_extreme(states, args, sel, 1);
}

static void update_text(void **states, const struct vec *args, const struct sel *sel,
                        struct arena *pool, int sign)
{
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        if (!vec_is_valid(&args[0], row)) {
            continue;
        }
        struct agg_extreme *state = states[i];
        struct strview best, here = ARG(struct strview, &args[0], row);
        memcpy(&best, state->value, sizeof best);
        if (state->is_set == 0 || strview_cmp(&here, &best) * sign > 0) {
            str text = strview_str(&here);
            here = strview_of(text.len > STRVIEW_INLINE_MAX ? arena_copy(pool, text) : text);
            memcpy(state->value, &here, sizeof here);
            state->is_set = 1;
        }
    }
}

UPDATE(update_min_text)
{
    update_text(states, args, sel, pool, -1);
}
UPDATE(update_max_text)
{
    update_text(states, args, sel, pool, 1);
}

FINISH(finish_extreme)
{
    size_t bytes = (size_t)type_element_bytes(out->type);
    for (isize i = 0; i < count; i++) {
        const struct agg_extreme *state = states[i];
        if (state->is_set == 0) {
            vec_set_null(out, arena, i);
        } else {
            memcpy((u8 *)out->values + bytes * (size_t)i, state->value, bytes);
        }
    }
}

/* The result must outlive the state's pool: long texts move to the batch. */
FINISH(finish_text)
{
    for (isize i = 0; i < count; i++) {
        const struct agg_extreme *state = states[i];
        struct strview view;
        memcpy(&view, state->value, sizeof view);
        if (state->is_set == 0) {
            vec_set_null(out, arena, i);
        } else {
            str text = strview_str(&view);
            func__put_text(out, i, text.len > STRVIEW_INLINE_MAX ? arena_copy(arena, text) : text);
        }
    }
}

static void save_text(const void *state, struct buf *out)
{
    const struct agg_extreme *extreme = state;
    struct strview view;
    memcpy(&view, extreme->value, sizeof view);
    buf_append_byte(out, (u8)extreme->is_set);
    if (extreme->is_set != 0) {
        buf_append_varint(out, view.len);
        buf_append(out, strview_str(&view));
    }
}

static err load_text(str *in, void *state, struct arena *pool)
{
    struct agg_extreme *extreme = state;
    *extreme = (struct agg_extreme){0};
    if (in->len < 1 || in->data[0] > 1) {
        return ERR_CORRUPT;
    }
    bool is_set = in->data[0] == 1;
    *in = str_slice(*in, 1, in->len);
    if (!is_set) {
        return OK;
    }
    u64 len = 0;
    TRY(varint_take(in, &len));
    if (len > (u64)in->len || len > UINT32_MAX) {
        return ERR_CORRUPT;
    }
    str text = str_slice(*in, 0, (isize)len);
    struct strview view = strview_of(text.len > STRVIEW_INLINE_MAX ? arena_copy(pool, text) : text);
    memcpy(extreme->value, &view, sizeof view);
    extreme->is_set = 1;
    *in = str_slice(*in, (isize)len, in->len);
    return OK;
}

/* --- binding ---------------------------------------------------------------------------------- */

static const char *const names[] = {"AVG", "COUNT", "MAX", "MIN", "SUM"};

bool func_is_aggregate(str name)
{
    for (isize i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_nocase(str_of(names[i]), name)) {
            return true;
        }
    }
    return false;
}

static void set_state(struct agg_bound *out, isize bytes,
                      void (*update)(void **, const struct vec *, const struct sel *,
                                     struct arena *),
                      void (*finish)(void *const *, isize, struct arena *, struct vec *))
{
    _Static_assert(sizeof(struct agg_dec) % 8 == 0, "states are 8-byte units");
    _Static_assert(sizeof(struct agg_extreme) % 8 == 0, "states are 8-byte units");
    out->state_bytes = bytes;
    out->update = update;
    out->finish = finish;
}

static bool bind_extreme(const struct type *type, bool is_max, struct arena *arena,
                         struct agg_bound *out)
{
    if (type->kind >= TYPE_ARRAY || type->kind == TYPE_NULL) {
        return false;
    }
    out->result = type_with_null(arena, type_with_time(arena, type, TYPE_TIME_NONE), true);
    if (type_is_string(type) || type_is_bytes(type)) {
        set_state(out, (isize)sizeof(struct agg_extreme),
                  is_max ? update_max_text : update_min_text, finish_text);
        out->has_varlen = true;
        out->save = save_text;
        out->load = load_text;
        return true;
    }
    set_state(out, (isize)sizeof(struct agg_extreme), is_max ? update_max : update_min,
              finish_extreme);
    return true;
}

static bool bind_sum(const struct type *type, bool is_avg, struct arena *arena,
                     struct agg_bound *out)
{
    static void (*const avg_dec[])(void *const *, isize, struct arena *, struct vec *) = {
        finish_avg_dec_0, finish_avg_dec_1, finish_avg_dec_2, finish_avg_dec_3,
        finish_avg_dec_4, finish_avg_dec_5, finish_avg_dec_6};
    if (!type_is_numeric(type)) {
        return false;
    }
    out->result = type_of(type->kind);
    if (type->kind == TYPE_DECIMAL) {
        i32 scale = is_avg ? MAX(6, type->scale) : type->scale;
        out->result = type_decimal(arena, TYPE_DECIMAL_PRECISION_MAX, scale);
        set_state(out, (isize)sizeof(struct agg_dec), sum_dec,
                  is_avg ? avg_dec[scale - type->scale] : finish_sum_dec);
    } else if (type->kind == TYPE_FLOAT || type->kind == TYPE_DOUBLE) {
        set_state(out, (isize)sizeof(struct agg_real),
                  type->kind == TYPE_FLOAT && !is_avg ? sum_float : sum_real,
                  is_avg ? finish_avg_real : finish_sum_real);
    } else {
        set_state(out, (isize)sizeof(struct agg_int), sum_int,
                  is_avg ? finish_avg_int : finish_sum_int);
    }
    out->result = type_with_null(arena, out->result, true);
    return true;
}

static bool bind_count(isize arg_count, struct arena *arena, struct agg_bound *out)
{
    out->result = type_with_null(arena, type_of(TYPE_BIGINT), false);
    set_state(out, (isize)sizeof(struct agg_count), arg_count == 0 ? count_all : count_values,
              finish_count);
    return arg_count <= 1;
}

err func_bind_aggregate(struct arena *arena, str name, const struct func_arg *args, isize arg_count,
                        struct agg_bound *out, struct diag *diag)
{
    struct agg_bound bound = {.arg_types = ARENA_ARRAY(arena, const struct type *, arg_count + 1),
                              .arg_count = arg_count};
    for (isize i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_nocase(str_of(names[i]), name)) {
            bound.name = str_of(names[i]);
        }
    }
    if (bound.name.len == 0) {
        return diag_set(diag, ERR_NOT_FOUND, "SQL0201",
                        "there is no aggregate function '" STR_FMT "'",
                        STR_ARG(str_slice(name, 0, 64)));
    }
    for (isize i = 0; i < arg_count; i++) {
        bound.arg_types[i] = args[i].type;
    }
    bool is_ok = false;
    if (str_eq(bound.name, STR("COUNT"))) {
        is_ok = bind_count(arg_count, arena, &bound);
    } else if (arg_count == 1 && bound.name.data[0] == 'M') {
        is_ok = bind_extreme(args[0].type, str_eq(bound.name, STR("MAX")), arena, &bound);
    } else if (arg_count == 1) {
        is_ok = bind_sum(args[0].type, str_eq(bound.name, STR("AVG")), arena, &bound);
    }
    if (!is_ok) {
        struct func_def shown = {.name = (const char *)bound.name.data,
                                 .signature = bound.name.data[0] == 'S' || bound.name.data[0] == 'A'
                                                  ? "one numeric argument"
                                                  : "one comparable argument"};
        return func__bind_error(&(struct func_binding){arena, &shown, args, arg_count, NULL, diag});
    }
    *out = bound;
    return OK;
}
