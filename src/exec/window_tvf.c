/* exec/window_tvf.c: TUMBLE: which window a row's time lies in. */
#include "exec/flow_int.h"

const char *window__zone(const struct rel *tvf, const char *local)
{
    const struct type *type = tvf->inputs[0]->fields[tvf->window.time_column].type;
    bool is_utc = local == NULL || str_eq(str_of(local), STR("UTC"));
    return type->kind != TYPE_TIMESTAMP_LTZ || is_utc ? NULL : local;
}

i64 window__end_utc_ms(const char *zone, i64 end_ms)
{
    return zone == NULL ? end_ms : func_zone_utc_us(zone, end_ms * 1000) / 1000;
}

static i64 row_ms(const struct vec *times, isize row)
{
    isize at = vec_index(times, row);
    if (times->type->precision > 6) {
        return VEC(struct stamp, times)[at].ms;
    }
    i64 us = VEC(i64, times)[at];
    return (us - window__floor_mod(us, 1000)) / 1000;
}

static void put_ms(struct vec *vec, isize row, i64 ms)
{
    VEC(i64, vec)[row] = ms * 1000;
}

/* The columns so far and three more; what is lazy stays lazy. */
static void widen(struct pipe_run *run, const struct rel *rel)
{
    struct arena *arena = run->func->arena;
    isize count = run->col_count;
    struct vec *cols = ARENA_ARRAY(arena, struct vec, count + 3);
    bool *is_filled = ARENA_ARRAY(arena, bool, count + 3);
    for (isize i = 0; i < count; i++) {
        cols[i] = run->cols[i];
        is_filled[i] = run->is_filled == NULL || run->is_filled[i];
    }
    for (isize i = count; i < count + 3; i++) {
        vec_init(&cols[i], arena, rel->fields[i].type, run->rows, false);
        is_filled[i] = true;
    }
    run->cols = cols;
    run->is_filled = run->is_filled == NULL ? NULL : is_filled;
    run->col_count = count + 3;
}

void window__tvf(struct pipe_run *run, const struct rel *rel)
{
    pipe__need_column(run, rel->window.time_column);
    const struct vec *times = &run->cols[rel->window.time_column];
    for (isize i = 0; i < run->sel.count; i++) {
        if (!vec_is_valid(times, sel_row(&run->sel, i))) {
            pipe_drop(run, sel_row(&run->sel, i));
        }
    }
    pipe__sweep(run);
    isize at = run->col_count;
    widen(run, rel);
    const char *zone = window__zone(rel, run->func->zone);
    bool is_ltz = rel->fields[at + 2].type->kind == TYPE_TIMESTAMP_LTZ;
    i64 size = rel->window.size_ms;
    for (isize i = 0; i < run->sel.count; i++) {
        isize row = sel_row(&run->sel, i);
        i64 ms = row_ms(times, row);
        i64 local = zone == NULL ? ms : func_zone_local_us(zone, ms * 1000) / 1000;
        i64 start = local - window__floor_mod(local - rel->window.offset_ms, size);
        put_ms(&run->cols[at], row, start);
        put_ms(&run->cols[at + 1], row, start + size);
        i64 last = is_ltz ? window__end_utc_ms(zone, start + size) - 1 : start + size - 1;
        put_ms(&run->cols[at + 2], row, last);
    }
}
