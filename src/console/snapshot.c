/*
 * console/snapshot.c: instants of the whole server. Each is taken once, shared by
 * everybody who watches, and its Prometheus text is kept (compressed) for a while, so
 * that a number that was shown can be held against /metrics?snapshot=ID.
 */
#include "console/console_int.h"

#include "base/metric.h"
#include "codec/compress.h"

#include <stdio.h>

enum { KEPT_MAX = 64, KEPT_BYTES_MAX = 16 << 20, TEXT_BYTES_MAX = 64 << 20 };

struct kept {
    char id[CONSOLE_SNAPSHOT_ID_BYTES];
    struct buf text; /* Zstandard. */
};

struct console_snapshots {
    struct console *console;
    struct os_mutex lock; /* Of all below; held while an instant is taken. */
    struct console_snapshot *latest;
    struct kept kept[KEPT_MAX]; /* A ring. */
    isize first, count, bytes;
    u64 taken;
};

struct console_snapshots *console__snapshots_new(struct console *console)
{
    struct console_snapshots *snapshots = NEW(struct console_snapshots);
    snapshots->console = console;
    os_mutex_init(&snapshots->lock);
    return snapshots;
}

void console__snapshot_unref(struct console_snapshot *snapshot)
{
    if (snapshot != NULL && __atomic_sub_fetch(&snapshot->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        buf_deinit(&snapshot->json);
        mem_free(snapshot);
    }
}

static void drop_first(struct console_snapshots *s)
{
    struct kept *kept = &s->kept[s->first];
    s->bytes -= kept->text.len;
    buf_deinit(&kept->text);
    *kept = (struct kept){0};
    s->first = (s->first + 1) % KEPT_MAX;
    s->count--;
}

void console__snapshots_free(struct console_snapshots *snapshots)
{
    while (snapshots->count > 0) {
        drop_first(snapshots);
    }
    console__snapshot_unref(snapshots->latest);
    os_mutex_deinit(&snapshots->lock);
    mem_free(snapshots);
}

static void keep(struct console_snapshots *s, const char *id, const struct metric_snapshot *metrics)
{
    struct buf text = {0}, packed = {0};
    metric_render_text(metrics, &text);
    struct compressor *compressor = compressor_new(COMPRESS_ZSTD, 1);
    err e = compressor_write(compressor, buf_str(&text), &packed);
    if (e == OK) {
        e = compressor_finish(compressor, &packed);
    }
    CHECK(e == OK); /* The buffer has no limit. */
    compressor_free(compressor);
    buf_deinit(&text);
    while (s->count == KEPT_MAX || (s->count > 0 && s->bytes + packed.len > KEPT_BYTES_MAX)) {
        drop_first(s);
    }
    struct kept *kept = &s->kept[(s->first + s->count++) % KEPT_MAX];
    str_copy_cstr(str_of(id), kept->id, (isize)sizeof kept->id);
    kept->text = packed;
    s->bytes += packed.len;
}

/* With the lock held. */
static struct console_snapshot *take(struct console_snapshots *s, i64 now_ms)
{
    struct console *console = s->console;
    struct console_snapshot *snapshot = NEW(struct console_snapshot);
    snapshot->refs = 1;
    snapshot->at_ms = now_ms;
    /* Unlike any of a process before this one. */
    (void)snprintf(snapshot->id, sizeof snapshot->id, "%llx-%llu",
                   (unsigned long long)console->started_ms, (unsigned long long)++s->taken);
    struct metric_snapshot *metrics = metric_snapshot_take();
    struct buf *out = &snapshot->json;
    buf_printf(out, "{\"id\":\"%s\",\"at_ms\":%lld,\"metrics\":", snapshot->id, (long long)now_ms);
    metric_render_json(metrics, out);
    buf_append(out, STR(",\"jobs\":"));
    console__put_jobs(console, out);
    buf_append(out, STR(",\"streams\":"));
    console__put_streams(console, out);
    buf_append(out, STR(",\"replays\":"));
    console__put_replays(console, out);
    buf_append_byte(out, '}');
    keep(s, snapshot->id, metrics);
    metric_snapshot_free(metrics);
    return snapshot;
}

struct console_snapshot *console__snapshot_get(struct console_snapshots *s, i64 age_max_ms)
{
    os_mutex_lock(&s->lock);
    i64 now_ms = os_wall_us(s->console->env.os) / 1000;
    i64 age_ms = s->latest == NULL ? INT64_MAX : now_ms - s->latest->at_ms;
    if (age_ms < 0 || age_ms > age_max_ms) { /* Below 0: the clock was set back. */
        console__snapshot_unref(s->latest);
        s->latest = take(s, now_ms);
    }
    struct console_snapshot *snapshot = s->latest;
    __atomic_add_fetch(&snapshot->refs, 1, __ATOMIC_RELAXED);
    os_mutex_unlock(&s->lock);
    return snapshot;
}

static err unpack(str packed, struct buf *out)
{
    static const struct decompress_limits limits = {.bytes_max = TEXT_BYTES_MAX,
                                                    .ratio_max = TEXT_BYTES_MAX};
    struct decompressor *decompressor = decompressor_new(COMPRESS_ZSTD, &limits);
    struct diag diag;
    diag_init(&diag);
    err e = OK;
    while (e == OK) {
        e = decompressor_read(decompressor, &packed, out, TEXT_BYTES_MAX, &diag);
    }
    decompressor_free(decompressor);
    return e == ERR_AGAIN ? OK : e;
}

err console__snapshot_text(struct console_snapshots *s, str id, struct buf *out)
{
    os_mutex_lock(&s->lock);
    err e = ERR_NOT_FOUND;
    for (isize i = 0; i < s->count && e == ERR_NOT_FOUND; i++) {
        const struct kept *kept = &s->kept[(s->first + i) % KEPT_MAX];
        if (str_eq(str_of(kept->id), id)) {
            e = unpack(buf_str(&kept->text), out);
        }
    }
    os_mutex_unlock(&s->lock);
    return e;
}
