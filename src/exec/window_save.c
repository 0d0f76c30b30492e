/* exec/window_save.c: open windows and what else operators remember, in sections
 * (docs/formats/snapshot.md). */
#include "exec/flow_int.h"

enum { SECTION_BYTES = 1 << 20, SECTION_LIMIT = 'L', SMALL_COUNT = 16 };

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

void window__put_group(const struct window_agg *agg, u8 *group, struct buf *out)
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

void window__begin_groups(const struct window *window, struct buf *out)
{
    buf_reset(out);
    buf_append_byte(out, WINDOW_SECTION_GROUPS);
    put_i64(out, window->start_ms);
    put_i64(out, window->fired);
}

static err save_window(const struct window_agg *agg, struct window *window, struct buf *out,
                       const struct flow_saver *saver)
{
    window__begin_groups(window, out);
    for (isize i = 0; i < window->table.count; i++) {
        window__put_group(agg, group_at(&window->table, &agg->layout, i), out);
        if (out->len >= SECTION_BYTES && i + 1 < window->table.count) {
            TRY(saver->section(saver->ctx, agg->id, buf_str(out)));
            window__begin_groups(window, out);
        }
    }
    return saver->section(saver->ctx, agg->id, buf_str(out));
}

err window__agg_save(struct window_agg *agg, const struct flow_saver *saver, isize *small_left)
{
    struct buf out = {0};
    buf_append_byte(&out, WINDOW_SECTION_MARKS);
    put_i64(&out, agg->mark_ms);
    put_i64(&out, agg->out_mark_ms);
    err e = saver->section(saver->ctx, agg->id, buf_str(&out));
    for (isize i = 0; i < agg->window_count && e == OK; i++) {
        struct window *window = agg->windows[i];
        bool is_small = window->bytes < saver->small_bytes && window->bytes <= *small_left;
        if (is_small) {
            *small_left -= window->bytes;
            window__pieces_forget(window);
        }
        e = is_small ? save_window(agg, window, &out, saver)
                     : window__pieces_save(agg, window, saver);
    }
    buf_deinit(&out);
    return e;
}

err flow_save(struct flow *flow, const struct flow_saver *saver)
{
    isize small_left = saver->small_bytes * SMALL_COUNT;
    for (isize i = 0; i < flow->agg_count; i++) {
        TRY(window__agg_save(flow->aggs[i], saver, &small_left));
    }
    for (isize i = 0; i < flow->limit_count; i++) {
        struct buf out = {0};
        buf_append_byte(&out, SECTION_LIMIT);
        put_i64(&out, (i64)flow->limits[i].passed);
        err e = saver->section(saver->ctx, flow->limits[i].id, buf_str(&out));
        buf_deinit(&out);
        TRY(e);
    }
    return OK;
}

void flow_forget_pieces(struct flow *flow)
{
    for (isize i = 0; i < flow->agg_count; i++) {
        for (isize w = 0; w < flow->aggs[i]->window_count; w++) {
            window__pieces_forget(flow->aggs[i]->windows[w]);
        }
    }
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

err window__take_start(const struct window_agg *agg, str *in, i64 *out)
{
    TRY(take_i64(in, out));
    i64 size = agg->rel->window.size_ms;
    bool is_aligned = *out > INT64_MIN / 2000 && *out < INT64_MAX / 2000 &&
                      window__floor_mod(*out - agg->rel->window.offset_ms, size) == 0;
    return is_aligned ? OK : ERR_CORRUPT;
}

/* One group into its place; `key` is scratch. */
static err load_group(struct window_agg *agg, struct window *window,
                      const struct window_groups *groups, str *in, u8 *key)
{
    u64 hash;
    isize before = window->table.count;
    memset(key, 0, (size_t)agg->layout.key_bytes);
    TRY(group_key_load(&agg->layout, in, key, &hash));
    isize at = group_table_find(&window->table, &agg->layout, key, hash);
    u8 *group = group_at(&window->table, &agg->layout, at);
    int key_group = group_key_group(group);
    bool is_again = at != before;
    if ((is_again && !groups->is_change) || key_group < groups->first || key_group > groups->last) {
        return ERR_CORRUPT; /* Else each key stands there once. */
    }
    memset(group_state(&agg->layout, group), 0, (size_t)agg->layout.state_bytes);
    group_set_changed(group, false);
    return load_states(agg, window, group_state(&agg->layout, group), in);
}

static err load_groups(struct window_agg *agg, struct window *window,
                       const struct window_groups *groups, str in)
{
    u8 *key = mem_zalloc(MAX(agg->layout.key_bytes, 8));
    err e = OK;
    while (in.len > 0 && e == OK) {
        e = load_group(agg, window, groups, &in, key);
    }
    mem_free(key);
    window__count_bytes(agg, window);
    return e;
}

static err take_head(struct window_agg *agg, str *in, i64 *start_ms, i64 *fired)
{
    TRY(window__take_start(agg, in, start_ms));
    TRY(take_i64(in, fired));
    return *fired < 0 ? ERR_CORRUPT : OK;
}

static err load_section(struct window_agg *agg, str in)
{
    i64 start_ms, fired;
    TRY(take_head(agg, &in, &start_ms, &fired));
    struct window *window = window__get(agg, start_ms);
    struct window_groups all = {.start_ms = start_ms, .first = 0, .last = GROUP_KEY_GROUPS - 1};
    if (window->range_count > 0) {
        return ERR_CORRUPT;
    }
    window->fired = (isize)fired;
    return load_groups(agg, window, &all, in);
}

err window__load_piece(struct window_agg *agg, struct window *window,
                       const struct window_groups *groups, str body)
{
    i64 start_ms, fired;
    if (body.len == 0 || body.data[0] != WINDOW_SECTION_GROUPS) {
        return ERR_CORRUPT;
    }
    str in = str_slice(body, 1, body.len);
    TRY(take_head(agg, &in, &start_ms, &fired));
    return start_ms == groups->start_ms ? load_groups(agg, window, groups, in) : ERR_CORRUPT;
}

err window__agg_load(struct window_agg *agg, str body, const struct flow_loader *loader)
{
    str in = str_slice(body, 1, body.len);
    if (body.data[0] == WINDOW_SECTION_GROUPS) {
        return load_section(agg, in);
    }
    if (body.data[0] == WINDOW_SECTION_PIECES) {
        return window__pieces_load(agg, in, loader);
    }
    if (body.data[0] != WINDOW_SECTION_MARKS) {
        return ERR_CORRUPT;
    }
    TRY(take_i64(&in, &agg->mark_ms));
    return take_i64(&in, &agg->out_mark_ms);
}

err flow_load(struct flow *flow, u64 operator_id, str body, const struct flow_loader *loader)
{
    if (body.len == 0) {
        return ERR_CORRUPT;
    }
    for (isize i = 0; i < flow->agg_count; i++) {
        if (flow->aggs[i]->id == operator_id) {
            return window__agg_load(flow->aggs[i], body, loader);
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
