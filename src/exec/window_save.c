/* exec/window_save.c: open windows and what else operators remember, in sections
 * (docs/formats/snapshot.md). */
#include "exec/flow_int.h"

enum { SECTION_BYTES = 1 << 20, SECTION_MARKS = 'M', SECTION_GROUPS = 'G', SECTION_LIMIT = 'L' };

static void put_i64(struct buf *out, i64 value)
{
    buf_append_bytes(out, &value, (isize)sizeof value);
}

static err take_i64(str *in, i64 *out)
{
    if (in->len < (isize)sizeof *out) {
        return ERR_CORRUPT;
    }
    memcpy(out, in->data, sizeof *out);
    *in = str_slice(*in, (isize)sizeof *out, in->len);
    return OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_group(const struct window_agg *agg, u8 *group, struct buf *out)
{
    group_key_save(&agg->layout, group_key(group), out);
    u8 *state = group_state(&agg->layout, group);
    for (isize a = 0; a < agg->rel->aggregate_count; a++) {
        const struct agg_bound *bound = &agg->rel->aggregates[a];
        if (bound->save != NULL) {
            bound->save(state + agg->state_offsets[a], out);
        } else {
            buf_append_bytes(out, state + agg->state_offsets[a], bound->state_bytes);
        }
    }
}

static void begin_groups(const struct window *window, struct buf *out)
{
    buf_reset(out);
    buf_append_byte(out, SECTION_GROUPS);
    put_i64(out, window->start_ms);
    put_i64(out, window->fired);
}

static err save_window(const struct window_agg *agg, struct window *window, struct buf *out,
                       flow_write_fn write, void *ctx)
{
    begin_groups(window, out);
    for (isize i = 0; i < window->table.count; i++) {
        put_group(agg, group_at(&window->table, &agg->layout, i), out);
        if (out->len >= SECTION_BYTES && i + 1 < window->table.count) {
            TRY(write(ctx, agg->id, buf_str(out)));
            begin_groups(window, out);
        }
    }
    return write(ctx, agg->id, buf_str(out));
}

err window__agg_save(struct window_agg *agg, flow_write_fn write, void *ctx)
{
    struct buf out = {0};
    buf_append_byte(&out, SECTION_MARKS);
    put_i64(&out, agg->mark_ms);
    put_i64(&out, agg->out_mark_ms);
    err e = write(ctx, agg->id, buf_str(&out));
    for (isize i = 0; i < agg->window_count && e == OK; i++) {
        e = save_window(agg, agg->windows[i], &out, write, ctx);
    }
    buf_deinit(&out);
    return e;
}

err flow_save(struct flow *flow, flow_write_fn write, void *ctx)
{
    for (isize i = 0; i < flow->agg_count; i++) {
        TRY(window__agg_save(flow->aggs[i], write, ctx));
    }
    for (isize i = 0; i < flow->limit_count; i++) {
        struct buf out = {0};
        buf_append_byte(&out, SECTION_LIMIT);
        put_i64(&out, (i64)flow->limits[i].passed);
        err e = write(ctx, flow->limits[i].id, buf_str(&out));
        buf_deinit(&out);
        TRY(e);
    }
    return OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

static err load_states(struct window_agg *agg, struct window *window, u8 *state, str *in)
{
    for (isize a = 0; a < agg->rel->aggregate_count; a++) {
        const struct agg_bound *bound = &agg->rel->aggregates[a];
        u8 *at = state + agg->state_offsets[a];
        if (bound->load != NULL) {
            TRY(bound->load(in, at, &window->pool));
            continue;
        }
        if (in->len < bound->state_bytes) {
            return ERR_CORRUPT;
        }
        memcpy(at, in->data, (size_t)bound->state_bytes);
        *in = str_slice(*in, bound->state_bytes, in->len);
    }
    return OK;
}

static err load_groups(struct window_agg *agg, str in)
{
    i64 start_ms, fired;
    TRY(take_i64(&in, &start_ms));
    TRY(take_i64(&in, &fired));
    i64 size = agg->rel->window.size_ms;
    bool is_aligned = start_ms > INT64_MIN / 2000 && start_ms < INT64_MAX / 2000 &&
                      window__floor_mod(start_ms - agg->rel->window.offset_ms, size) == 0;
    if (!is_aligned || fired < 0) {
        return ERR_CORRUPT;
    }
    struct window *window = window__get(agg, start_ms);
    window->fired = (isize)fired;
    u8 *key = mem_zalloc(MAX(agg->layout.key_bytes, 8));
    err e = OK;
    while (in.len > 0 && e == OK) {
        u64 hash;
        isize before = window->table.count;
        memset(key, 0, (size_t)agg->layout.key_bytes);
        e = group_key_load(&agg->layout, &in, key, &hash);
        if (e == OK) {
            isize at = group_table_find(&window->table, &agg->layout, key, hash);
            e = at == before ? OK : ERR_CORRUPT; /* Each key stands there once. */
        }
        if (e == OK) {
            u8 *group = group_at(&window->table, &agg->layout, before);
            e = load_states(agg, window, group_state(&agg->layout, group), &in);
        }
    }
    mem_free(key);
    window__count_bytes(agg, window);
    return e;
}

err window__agg_load(struct window_agg *agg, str body)
{
    str in = str_slice(body, 1, body.len);
    if (body.data[0] == SECTION_GROUPS) {
        return load_groups(agg, in);
    }
    if (body.data[0] != SECTION_MARKS) {
        return ERR_CORRUPT;
    }
    TRY(take_i64(&in, &agg->mark_ms));
    return take_i64(&in, &agg->out_mark_ms);
}

err flow_load(struct flow *flow, u64 operator_id, str body)
{
    if (body.len == 0) {
        return ERR_CORRUPT;
    }
    for (isize i = 0; i < flow->agg_count; i++) {
        if (flow->aggs[i]->id == operator_id) {
            return window__agg_load(flow->aggs[i], body);
        }
    }
    for (isize i = 0; i < flow->limit_count; i++) {
        str in = str_slice(body, 1, body.len);
        if (flow->limits[i].id == operator_id && body.data[0] == SECTION_LIMIT) {
            return take_i64(&in, (i64 *)&flow->limits[i].passed);
        }
    }
    return ERR_NOT_FOUND;
}
