/*
 * exec/window_agg.c: aggregation by keys in tumbling windows. Each open window has a table
 * of groups; a batch is packed and hashed column by column, and every aggregate runs over
 * the batch's rows with one pointer per row to its state.
 */
#include "exec/flow_int.h"

enum { WINDOWS_MIN = 8 };

/* --- life ------------------------------------------------------------------------------------- */

static const struct rel *tvf_of(const struct rel *rel)
{
    while (rel->kind != REL_WINDOW_TVF) {
        CHECK(rel->input_count > 0);
        rel = rel->inputs[0];
    }
    return rel;
}

struct window_agg *window__agg_new(struct flow *flow, const struct rel *rel)
{
    struct arena *arena = &flow->arena;
    struct window_agg *agg = ARENA_NEW(arena, struct window_agg);
    const struct type **types = ARENA_ARRAY(arena, const struct type *, rel->group_key_count + 1);
    isize state_bytes = 0;
    agg->rel = rel;
    agg->flow = flow;
    agg->zone = window__zone(tvf_of(rel), flow->options.zone);
    agg->mark_ms = agg->out_mark_ms = MARK_NONE;
    agg->state_offsets = ARENA_ARRAY(arena, isize, rel->aggregate_count + 1);
    for (isize k = 0; k < rel->group_key_count; k++) {
        types[k] = rel->fields[k].type;
    }
    for (isize a = 0; a < rel->aggregate_count; a++) {
        agg->state_offsets[a] = state_bytes;
        state_bytes += rel->aggregates[a].state_bytes;
        agg->has_varlen = agg->has_varlen || rel->aggregates[a].has_varlen;
    }
    /* Of what is counted, not of where it goes: the same query gives the same order anywhere. */
    struct group_seeds seeds = {plan_fingerprint(rel),
                                {flow->options.secret[0], flow->options.secret[1]}};
    group_layout_init(&agg->layout, arena, rel->group_key_count, types, state_bytes, &seeds);
    return agg;
}

static void window_free(struct window *window)
{
    group_table_deinit(&window->table);
    arena_deinit(&window->pool);
    window__pieces_forget(window);
    mem_free(window->order);
    mem_free(window);
}

void window__agg_free(struct window_agg *agg)
{
    for (isize i = 0; i < agg->window_count; i++) {
        window_free(agg->windows[i]);
    }
    mem_free(agg->windows);
    agg->windows = NULL;
    agg->window_count = 0;
}

/* --- windows ---------------------------------------------------------------------------------- */

static i64 timer_ms(const struct window_agg *agg, i64 start_ms)
{
    return window__end_utc_ms(agg->zone, start_ms + agg->rel->window.size_ms) - 1;
}

static isize window_place(const struct window_agg *agg, i64 start_ms)
{
    isize low = 0, high = agg->window_count;
    while (low < high) {
        isize middle = (low + high) / 2;
        if (agg->windows[middle]->start_ms < start_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct window *window__get(struct window_agg *agg, i64 start_ms)
{
    if (agg->last < agg->window_count && agg->windows[agg->last]->start_ms == start_ms) {
        return agg->windows[agg->last];
    }
    isize at = window_place(agg, start_ms);
    agg->last = at;
    if (at < agg->window_count && agg->windows[at]->start_ms == start_ms) {
        return agg->windows[at];
    }
    if (agg->window_count == agg->window_capacity) {
        agg->window_capacity = MAX(agg->window_capacity * 2, WINDOWS_MIN);
        agg->windows =
            mem_resize(agg->windows, agg->window_capacity * (isize)sizeof(struct window *));
    }
    memmove(agg->windows + at + 1, agg->windows + at,
            (size_t)(agg->window_count - at) * sizeof(struct window *));
    struct window *window = NEW(struct window);
    window->start_ms = start_ms;
    window->timer_ms = timer_ms(agg, start_ms);
    agg->windows[at] = window;
    agg->window_count++;
    return window;
}

void window__count_bytes(struct window_agg *agg, struct window *window)
{
    isize bytes = (isize)sizeof *window + group_table_bytes(&window->table, &agg->layout) +
                  window->pool.bytes;
    agg->bytes += bytes - window->bytes;
    window->bytes = bytes;
}

i64 window__agg_timer_ms(const struct window_agg *agg)
{
    bool waits = agg->rel->window.is_proctime && agg->window_count > 0;
    return waits ? agg->windows[0]->timer_ms + 1 : INT64_MAX;
}

/* --- rows in ---------------------------------------------------------------------------------- */

static i64 row_start_ms(const struct vec *starts, isize row)
{
    return VEC(i64, starts)[vec_index(starts, row)] / 1000;
}

/* Rows whose window has fired by the watermark that held before them. */
static void drop_late(struct window_agg *agg, struct pipe_run *run)
{
    const struct flow *flow = agg->flow;
    const struct vec *starts = &run->cols[agg->rel->window.time_column];
    isize index = run->pipe->target;
    i64 others = run->marks == NULL ? INT64_MAX : flow__input_mark(flow, index, run->pipe->number);
    i64 last_start = 0, last_timer = 0;
    bool has_last = false;
    for (isize i = 0; i < run->sel.count; i++) {
        isize row = sel_row(&run->sel, i);
        i64 start = row_start_ms(starts, row);
        if (!has_last || start != last_start) {
            last_timer = timer_ms(agg, start);
            last_start = start;
            has_last = true;
        }
        i64 mark = agg->mark_ms;
        if (run->marks != NULL) {
            mark = MAX(mark, MIN(others, run->marks[row]));
        }
        if (last_timer <= mark) {
            pipe_drop(run, row);
            run->late_count++;
        }
    }
    pipe__sweep(run);
}

/* What the aggregates read, evaluated. */
struct inputs {
    struct vec **args; /* Per aggregate. */
    struct sel *sels;
};

static void eval_inputs(struct window_agg *agg, struct pipe_run *run, struct inputs *out)
{
    const struct rel *rel = agg->rel;
    struct arena *arena = run->func->arena;
    out->args = ARENA_ARRAY(arena, struct vec *, rel->aggregate_count + 1);
    out->sels = ARENA_ARRAY(arena, struct sel, rel->aggregate_count + 1);
    for (isize a = 0; a < rel->aggregate_count; a++) {
        isize count = rel->aggregates[a].arg_count;
        out->args[a] = ARENA_ARRAY(arena, struct vec, count + 1);
        out->sels[a] = run->sel;
        if (rel->aggregate_filters[a] != NULL) {
            pipe__need(run, rel->aggregate_filters[a], run->col_count);
            out->sels[a] = run->sel;
            eval_filter(run->func, rel->aggregate_filters[a], run->cols, run->rows, &run->sel,
                        &out->sels[a]);
            pipe__report(run);
        }
        for (isize i = 0; i < count; i++) {
            pipe__need(run, rel->aggregate_args[a][i], run->col_count);
            eval_expr(run->func, rel->aggregate_args[a][i], run->cols, run->rows, &out->sels[a],
                      &out->args[a][i]);
            pipe__report(run);
        }
    }
}

/* Per row of the batch its window and the number of its group there. */
struct places {
    struct window **windows;
    u32 *groups;
};

static void find_groups(struct window_agg *agg, struct pipe_run *run, struct places *out)
{
    const struct rel *rel = agg->rel;
    struct arena *arena = run->func->arena;
    const struct vec **keys = ARENA_ARRAY(arena, const struct vec *, rel->group_key_count + 1);
    for (isize k = 0; k < rel->group_key_count; k++) {
        keys[k] = &run->cols[rel->group_keys[k]];
    }
    struct group_keys packed;
    group_keys_pack(&agg->layout, keys, &run->sel, arena, &packed);
    out->windows = ARENA_ARRAY(arena, struct window *, run->rows);
    out->groups = ARENA_ARRAY(arena, u32, run->rows);
    const struct vec *starts = &run->cols[rel->window.time_column];
    for (isize i = 0; i < run->sel.count; i++) {
        isize row = sel_row(&run->sel, i);
        struct window *window = window__get(agg, row_start_ms(starts, row));
        out->windows[row] = window;
        isize group = group_table_find(&window->table, &agg->layout,
                                       packed.packed + i * agg->layout.key_bytes, packed.hashes[i]);
        group_set_changed(group_at(&window->table, &agg->layout, group), true);
        out->groups[row] = (u32)group;
    }
}

/* The rows of `from` that are alive, and of `window` unless that is NULL. */
static struct sel pick(const struct pipe_run *run, const struct sel *from,
                       const struct places *places, const struct window *window)
{
    u16 *rows = ARENA_ARRAY(run->func->arena, u16, MAX(from->count, 1));
    isize count = 0;
    for (isize i = 0; i < from->count; i++) {
        isize row = sel_row(from, i);
        if (!run->is_dead[row] && (window == NULL || places->windows[row] == window)) {
            rows[count++] = (u16)row;
        }
    }
    return (struct sel){rows, count};
}

static void update(struct window_agg *agg, struct pipe_run *run, const struct inputs *inputs,
                   const struct places *places, struct window *window)
{
    void **states = ARENA_ARRAY(run->func->arena, void *, run->rows);
    for (isize a = 0; a < agg->rel->aggregate_count; a++) {
        struct sel sel = pick(run, &inputs->sels[a], places, window);
        for (isize i = 0; i < sel.count; i++) {
            isize row = sel.rows[i];
            u8 *group =
                group_at(&places->windows[row]->table, &agg->layout, (isize)places->groups[row]);
            states[i] = (u8 *)group_state(&agg->layout, group) + agg->state_offsets[a];
        }
        if (sel.count > 0) {
            agg->rel->aggregates[a].update(states, inputs->args[a], &sel,
                                           window == NULL ? NULL : &window->pool);
        }
    }
}

/* Calls `update` for each window of the batch when states are of variable length: they live in
 * their window's memory. Else once. */
static void update_all(struct window_agg *agg, struct pipe_run *run, const struct inputs *inputs,
                       const struct places *places)
{
    struct window *last = NULL;
    if (!agg->has_varlen) {
        update(agg, run, inputs, places, NULL);
    }
    u8 *is_done = ARENA_ARRAY(run->func->arena, u8, run->rows);
    for (isize i = 0; i < run->sel.count; i++) {
        isize row = sel_row(&run->sel, i);
        struct window *window = places->windows[row];
        if (window == last || is_done[row]) {
            continue;
        }
        last = window;
        if (agg->has_varlen) {
            update(agg, run, inputs, places, window);
            for (isize j = i; j < run->sel.count; j++) {
                isize other = sel_row(&run->sel, j);
                is_done[other] |= places->windows[other] == window;
            }
        }
        window__count_bytes(agg, window);
    }
}

void window__agg_take(struct window_agg *agg, struct pipe_run *run)
{
    pipe__need_column(run, agg->rel->window.time_column);
    drop_late(agg, run);
    for (isize k = 0; k < agg->rel->group_key_count; k++) {
        pipe__need_column(run, agg->rel->group_keys[k]);
    }
    if (run->sel.count == 0) {
        return;
    }
    struct inputs inputs;
    struct places places;
    eval_inputs(agg, run, &inputs);
    run->arrived_count += run->sel.count;
    find_groups(agg, run, &places);
    update_all(agg, run, &inputs, &places);
    if (flow_state_bytes(agg->flow) > agg->flow->options.budget_bytes) {
        flow__fail(agg->flow, ERR_MEMORY);
    }
}

/* --- results out ------------------------------------------------------------------------------ */

u32 *window__order(const struct window_agg *agg, const struct window *window)
{
    isize counts[GROUP_KEY_GROUPS + 1] = {0};
    u32 *order = mem_alloc(MAX(window->table.count, 1) * (isize)sizeof(u32));
    for (isize i = 0; i < window->table.count; i++) {
        counts[group_key_group(group_at(&window->table, &agg->layout, i)) + 1]++;
    }
    for (isize i = 0; i < GROUP_KEY_GROUPS; i++) {
        counts[i + 1] += counts[i];
    }
    for (isize i = 0; i < window->table.count; i++) {
        int group = group_key_group(group_at(&window->table, &agg->layout, i));
        order[counts[group]++] = (u32)i;
    }
    return order;
}

static void put_window_column(const struct window_agg *agg, const struct window *window, u8 which,
                              struct vec *out)
{
    i64 end_ms = window->start_ms + agg->rel->window.size_ms;
    i64 ms = which == 0 ? window->start_ms : end_ms;
    if (which == 2) {
        ms = out->type->kind == TYPE_TIMESTAMP_LTZ ? window->timer_ms : end_ms - 1;
    }
    for (isize i = 0; i < out->len; i++) {
        VEC(i64, out)[i] = ms * 1000;
    }
}

static struct vec *result_columns(struct window_agg *agg, struct window *window, isize count,
                                  struct arena *arena)
{
    const struct rel *rel = agg->rel;
    struct vec *cols = ARENA_ARRAY(arena, struct vec, rel->field_count + 1);
    u8 **keys = ARENA_ARRAY(arena, u8 *, count);
    void **states = ARENA_ARRAY(arena, void *, count);
    for (isize i = 0; i < count; i++) {
        keys[i] = group_key(
            group_at(&window->table, &agg->layout, (isize)window->order[window->fired + i]));
    }
    for (isize k = 0; k < rel->group_key_count; k++) {
        group_keys_unpack(&agg->layout, k, keys, count, arena, &cols[k]);
    }
    for (isize a = 0; a < rel->aggregate_count; a++) {
        struct vec *out = &cols[rel->group_key_count + a];
        for (isize i = 0; i < count; i++) {
            states[i] = keys[i] + agg->layout.key_bytes + agg->state_offsets[a];
        }
        vec_init(out, arena, rel->aggregates[a].result, count, false);
        rel->aggregates[a].finish(states, count, arena, out);
    }
    for (isize w = 0; w < rel->window_output_count; w++) {
        isize at = rel->group_key_count + rel->aggregate_count + w;
        vec_init(&cols[at], arena, rel->fields[at].type, count, false);
        put_window_column(agg, window, rel->window_outputs[w], &cols[at]);
    }
    return cols;
}

static void fire_rows(struct window_agg *agg, struct window *window, struct flow_run *run,
                      isize count)
{
    arena_reset(run->func->arena);
    run->func->errors = NULL;
    run->func->error_count = run->func->error_capacity = 0;
    struct pipe_run up = {
        .pipe = agg->out,
        .func = run->func,
        .ops = run->ops,
        .ctx = run->ctx,
        .rows = count,
        .cols = result_columns(agg, window, count, run->func->arena),
    };
    pipe_run(&up);
    window->fired += count;
    run->fired += (u64)count;
    run->arrived_count += (u64)up.arrived_count;
    run->late_count += (u64)up.late_count;
}

/* False when it had to stop before the window was through. */
static bool fire_window(struct window_agg *agg, struct window *window, struct flow_run *run)
{
    if (window->order == NULL) {
        window->order = window__order(agg, window);
    }
    while (window->fired < window->table.count) {
        u64 left = run->fired_max - run->fired;
        if (left == 0 || agg->flow->e != OK || !run->has_room(run->ctx)) {
            return false;
        }
        isize count = MIN(window->table.count - window->fired, run->rows_max);
        fire_rows(agg, window, run, (isize)MIN((u64)count, left));
    }
    return true;
}

bool window__agg_fire(struct window_agg *agg, struct flow_run *run)
{
    isize done = 0;
    while (done < agg->window_count && agg->windows[done]->timer_ms <= agg->mark_ms &&
           fire_window(agg, agg->windows[done], run)) {
        agg->bytes -= agg->windows[done]->bytes;
        window_free(agg->windows[done]);
        done++;
    }
    agg->window_count -= done;
    if (agg->window_count > 0) {
        memmove(agg->windows, agg->windows + done,
                (size_t)agg->window_count * sizeof(struct window *));
    }
    agg->last = 0;
    return agg->window_count > 0 && agg->windows[0]->timer_ms <= agg->mark_ms;
}
