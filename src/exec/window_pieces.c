/*
 * exec/window_pieces.c: large windows copy on write (docs/formats/snapshot.md). A window's groups
 * are cut into ranges of key groups; a range is a chain of pieces: one with all of its groups, then
 * one per snapshot with those that have changed. A snapshot writes changes only and lists the
 * chains. A chain that is long or mostly changes is written anew.
 */
#include "exec/flow_int.h"

#include "base/hash.h"

enum {
    PIECE_BYTES = 1 << 20, /* A piece ends behind the group that passes it. */
    LINKS_MAX = 64,        /* Snapshots in a chain. */
    PIECES_MAX = 1 << 20,  /* Of one window, when read. */
    RESIZE = 4,            /* Ranges are cut anew when so many times fewer or more are wanted. */
};

struct window_range {
    struct flow_piece *pieces;
    isize count, capacity, links;
    u64 whole_bytes, change_bytes;
};

/* --- chains ----------------------------------------------------------------------------------- */

void window__pieces_forget(struct window *window)
{
    for (isize r = 0; r < window->range_count; r++) {
        mem_free(window->ranges[r].pieces);
    }
    mem_free(window->ranges);
    window->ranges = NULL;
    window->range_count = 0;
}

static void ranges_make(struct window *window, isize count)
{
    window__pieces_forget(window);
    window->ranges = mem_zalloc(count * (isize)sizeof *window->ranges);
    window->range_count = count;
}

static void range_reset(struct window_range *range)
{
    range->count = range->links = 0;
    range->whole_bytes = range->change_bytes = 0;
}

static void range_add(struct window_range *range, const struct flow_piece *piece)
{
    enum { FIRST = 4 };
    if (range->count == range->capacity) {
        range->capacity = MAX(range->capacity * 2, FIRST);
        range->pieces = mem_resize(range->pieces, range->capacity * (isize)sizeof *range->pieces);
    }
    bool is_link = range->count == 0 || range->pieces[range->count - 1].file != piece->file;
    range->links += is_link;
    *(piece->is_change ? &range->change_bytes : &range->whole_bytes) += piece->bytes;
    range->pieces[range->count++] = *piece;
}

/* --- writing ---------------------------------------------------------------------------------- */

struct save {
    const struct window_agg *agg;
    struct window *window;
    const struct flow_saver *saver;
    u32 *order; /* Groups by key group. */
    struct buf body;
};

static isize ranges_wanted(const struct window *window, isize range_bytes)
{
    isize count = 1;
    while (count < GROUP_KEY_GROUPS && count * range_bytes < window->bytes) {
        count *= 2;
    }
    return count;
}

static err put_piece(struct save *s, struct window_range *range, bool is_change)
{
    struct flow_piece piece = {.is_change = is_change};
    TRY(s->saver->piece(s->saver->ctx, s->agg->id, buf_str(&s->body), &piece));
    range_add(range, &piece);
    buf_reset(&s->body);
    return OK;
}

/* Groups order[from..to), all or those that have changed. */
static err put_groups(struct save *s, struct window_range *range, const isize span[2],
                      bool is_change)
{
    buf_reset(&s->body);
    for (isize i = span[0]; i < span[1]; i++) {
        u8 *group = group_at(&s->window->table, &s->agg->layout, (isize)s->order[i]);
        if (is_change && !group_is_changed(group)) {
            continue;
        }
        if (s->body.len == 0) {
            window__begin_groups(s->window, &s->body);
        }
        window__put_group(s->agg, group, &s->body);
        group_set_changed(group, false);
        if (s->body.len >= PIECE_BYTES) {
            TRY(put_piece(s, range, is_change));
        }
    }
    return s->body.len > 0 ? put_piece(s, range, is_change) : OK;
}

static bool is_worn(const struct window_range *range, u64 slack_bytes)
{
    return range->links == 0 || range->links >= LINKS_MAX ||
           range->change_bytes > range->whole_bytes + slack_bytes;
}

static err save_ranges(struct save *s)
{
    struct window *window = s->window;
    isize wanted = ranges_wanted(window, s->saver->range_bytes);
    if (window->range_count == 0 || wanted >= window->range_count * RESIZE ||
        wanted * RESIZE <= window->range_count) {
        ranges_make(window, wanted);
    }
    isize key_groups = GROUP_KEY_GROUPS / window->range_count;
    isize span[2] = {0, 0};
    for (isize r = 0; r < window->range_count; r++) {
        struct window_range *range = &window->ranges[r];
        span[0] = span[1];
        while (span[1] < window->table.count) {
            const u8 *group = group_at(&window->table, &s->agg->layout, (isize)s->order[span[1]]);
            if (group_key_group(group) / key_groups != r) {
                break;
            }
            span[1]++;
        }
        bool is_whole = is_worn(range, (u64)s->saver->small_bytes);
        if (is_whole) {
            range_reset(range);
        }
        TRY(put_groups(s, range, span, !is_whole));
    }
    return OK;
}

static void put_list(const struct save *s, struct buf *out)
{
    const struct window *window = s->window;
    isize count = 0;
    for (isize r = 0; r < window->range_count; r++) {
        count += window->ranges[r].count;
    }
    buf_reset(out);
    buf_append_byte(out, WINDOW_SECTION_PIECES);
    buf_append_bytes(out, &window->start_ms, (isize)sizeof window->start_ms);
    buf_append_varint(out, (u64)window->fired);
    buf_append_varint(out, (u64)window->range_count);
    buf_append_varint(out, (u64)count);
    for (isize r = 0; r < window->range_count; r++) {
        for (isize i = 0; i < window->ranges[r].count; i++) {
            const struct flow_piece *piece = &window->ranges[r].pieces[i];
            buf_append_varint(out, (u64)r * 2 + piece->is_change);
            buf_append_varint(out, piece->file);
            buf_append_varint(out, piece->offset);
            buf_append_varint(out, piece->bytes);
            buf_append_bytes(out, &piece->hash, (isize)sizeof piece->hash);
            s->saver->keep(s->saver->ctx, piece);
        }
    }
}

err window__pieces_save(const struct window_agg *agg, struct window *window,
                        const struct flow_saver *saver)
{
    struct save s = {.agg = agg, .window = window, .saver = saver};
    s.order = window__order(agg, window);
    err e = save_ranges(&s);
    if (e == OK) {
        put_list(&s, &s.body);
        e = saver->section(saver->ctx, agg->id, buf_str(&s.body));
    }
    mem_free(s.order);
    buf_deinit(&s.body);
    return e;
}

/* --- reading ---------------------------------------------------------------------------------- */

static err take_piece(str *in, isize range_count, isize *range_out, struct flow_piece *out)
{
    u64 range;
    TRY(varint_take(in, &range));
    TRY(varint_take(in, &out->file));
    TRY(varint_take(in, &out->offset));
    TRY(varint_take(in, &out->bytes));
    if (range / 2 >= (u64)range_count || in->len < (isize)sizeof out->hash) {
        return ERR_CORRUPT;
    }
    out->is_change = range % 2 != 0;
    *range_out = (isize)(range / 2);
    memcpy(&out->hash, in->data, sizeof out->hash);
    *in = str_slice(*in, (isize)sizeof out->hash, in->len);
    return OK;
}

static err load_piece(struct window_agg *agg, struct window *window, isize r,
                      const struct flow_piece *piece, const struct flow_loader *loader)
{
    struct buf body = {0};
    isize key_groups = GROUP_KEY_GROUPS / window->range_count;
    struct window_groups groups = {.start_ms = window->start_ms,
                                   .first = (int)(r * key_groups),
                                   .last = (int)((r + 1) * key_groups - 1),
                                   .is_change = piece->is_change};
    err e = loader->piece(loader->ctx, agg->id, piece, &body);
    if (e == OK) {
        e = window__load_piece(agg, window, &groups, buf_str(&body));
    }
    if (e == OK) {
        range_add(&window->ranges[r], piece);
    }
    buf_deinit(&body);
    return e;
}

err window__pieces_load(struct window_agg *agg, str in, const struct flow_loader *loader)
{
    i64 start_ms;
    u64 fired, ranges, count;
    TRY(window__take_start(agg, &in, &start_ms));
    TRY(varint_take(&in, &fired));
    TRY(varint_take(&in, &ranges));
    TRY(varint_take(&in, &count));
    bool is_power = ranges > 0 && (ranges & (ranges - 1)) == 0;
    if (loader == NULL || !is_power || ranges > GROUP_KEY_GROUPS || count > PIECES_MAX) {
        return ERR_CORRUPT;
    }
    struct window *window = window__get(agg, start_ms);
    if (window->table.count > 0 || window->range_count > 0) {
        return ERR_CORRUPT; /* Each window stands there once. */
    }
    ranges_make(window, (isize)ranges);
    for (u64 i = 0; i < count; i++) {
        struct flow_piece piece;
        isize range;
        TRY(take_piece(&in, (isize)ranges, &range, &piece));
        TRY(load_piece(agg, window, range, &piece, loader));
    }
    window->fired = (isize)fired;
    window__count_bytes(agg, window);
    return in.len == 0 && fired <= (u64)window->table.count ? OK : ERR_CORRUPT;
}
