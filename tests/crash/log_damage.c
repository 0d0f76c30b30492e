/*
 * tests/crash/log_damage.c: a log directory that was damaged while nobody looked: each
 * bit of each file flipped, files missing, swapped, of another store, cut short. What
 * is read is right or an error; of a flipped bit at most one frame is lost, and there is
 * no bit of a log that may flip in silence.
 */
#include "crash.h"
#include "log_world.h"

#include "base/rng.h"

#include <stdio.h>
#include <string.h>

enum { INDEX_STRIDE = 13, TRAILER_INDEX_AT = 96 };
enum { SEGMENTS_MAX = 24, PATH_BYTES = 80, AHEAD_BYTES = 8192 };

#define DIR "/data/log/"

static const struct log_channel control = {0, LOG_CONTROL_STREAMS};

static struct log_channel channel(u32 shard)
{
    return (struct log_channel){1, shard};
}

/* What a byte belongs to (docs/formats/log.md). */
enum place {
    PLACE_STORE,
    PLACE_HEADER_A,
    PLACE_HEADER_B,
    PLACE_FRAME_HEAD,
    PLACE_FRAME_BODY,
    PLACE_FRAME_PADDING,
    PLACE_INDEX,
    PLACE_TRAILER,
    PLACE_LAST_FRAME, /* Of a segment that is not sealed. */
    PLACE_AHEAD,      /* Zeroed ahead behind it: not the log's content. */
    PLACES
};
static const char *const place_names[PLACES] = {"STORE",
                                                "header, copy A",
                                                "header, copy B",
                                                "frame: header",
                                                "frame: records",
                                                "frame: padding",
                                                "index",
                                                "trailer",
                                                "last frame, not sealed",
                                                "zeroed ahead, not the log's"};

struct damage {
    struct world world;
    struct world_tally places[PLACES];
    struct rng rng;
    u64 count;
    char where[120];
};

static void path_of(u64 segment, char *out)
{
    (void)snprintf(out, PATH_BYTES, DIR "%016llx.seg", (unsigned long long)segment);
}

static u8 *content_of(struct sim *sim, const char *path, isize *bytes_out)
{
    struct os_file *file;
    struct os_stat stat;
    CHECK(os_open(sim_os(sim), path, OS_READ, &file) == OK);
    CHECK(os_stat_file(file, &stat) == OK);
    u8 *content = mem_alloc((isize)stat.bytes + 1);
    CHECK(os_read_exact(file, 0, content, (isize)stat.bytes) == OK);
    CHECK(os_close(file) == OK);
    *bytes_out = (isize)stat.bytes;
    return content;
}

static void overwrite(struct sim *sim, const char *path, u64 offset, const void *data, isize bytes)
{
    struct os_file *file;
    CHECK(os_open(sim_os(sim), path, OS_WRITE | OS_CREATE, &file) == OK);
    CHECK(os_write_at(file, offset, data, bytes) == OK);
    CHECK(os_close(file) == OK);
}

/* Sealed segments, a rewritten one and an active one with four frames. */
static void prepare(struct damage *d)
{
    struct world *world = &d->world;
    world_open(world);
    for (u32 i = 0; i < 9; i++) {
        struct world_put puts[] = {{channel(0), 2, 4500}, {channel(1), 1, 400}, {control, 1, 40}};
        world_submit(world, puts, 3);
        world_commit(world);
    }
    world_let_die(world, channel(0), 8);
    world_retain(world);
    while (world->log->active == NULL || world->log->active->bytes + 4096 >= WORLD_SEGMENT_BYTES) {
        world_put(world, channel(2), 1, 3000);
    }
    for (u32 i = 0; i < 4; i++) {
        world_put(world, channel(2), 1, 500);
    }
    char path[PATH_BYTES];
    static const u8 zeros[AHEAD_BYTES];
    path_of(world->log->active->id.segment, path);
    overwrite(world->sim, path, world->log->active->bytes, zeros, AHEAD_BYTES);
    world_trace(world);
    world->is_damage_allowed = true;
}

/* --- bits ---------------------------------------------------------------------------------- */

/* A file, and what stands where in it. */
struct layout {
    const u8 *content;
    isize bytes;
    bool is_store, is_sealed;
    isize frames_at, index_at; /* Where they begin; without an index: the end. */
    isize frame, frame_used, frame_end;
};

static void layout_begin(struct layout *l, const char *path, const u8 *content, isize bytes)
{
    *l = (struct layout){.content = content, .bytes = bytes, .index_at = bytes};
    l->is_store = str_ends(str_of(path), STR("STORE"));
    if (l->is_store) {
        return;
    }
    const u8 *trailer = content + bytes - LOG__BLOCK_BYTES;
    l->frames_at = (isize)get_u32(content + 80) * 2;
    l->is_sealed = memcmp(trailer, "LEATEND1", 8) == 0;
    l->index_at = l->is_sealed ? (isize)get_u64(trailer + TRAILER_INDEX_AT) : bytes;
    l->frame = l->frame_end = l->frames_at;
}

/* Called with ascending `at`. */
static void layout_go(struct layout *l, isize at)
{
    const u8 *head = l->content + at;
    bool is_frame = at == l->frame_end && at < l->index_at && memcmp(head, "LFRM", 4) == 0;
    if (is_frame && !l->is_store) {
        l->frame = at;
        l->frame_used = at + LOG__HEADER_BYTES + get_u32(head + 92) * 24 + get_u32(head + 100);
        l->frame_end = at + get_u32(head + 88);
    }
}

static enum place place_at(const struct layout *l, isize at)
{
    if (l->is_store) {
        return PLACE_STORE;
    }
    if (at < l->frames_at) {
        return at < l->frames_at / 2 ? PLACE_HEADER_A : PLACE_HEADER_B;
    }
    if (at >= l->frame_end) {
        return !l->is_sealed                             ? PLACE_AHEAD
               : at < l->bytes - (isize)LOG__BLOCK_BYTES ? PLACE_INDEX
                                                         : PLACE_TRAILER;
    }
    bool is_last = !l->is_sealed && memcmp(l->content + l->frame_end, "LFRM", 4) != 0;
    return is_last                                    ? PLACE_LAST_FRAME
           : at < l->frame + (isize)LOG__HEADER_BYTES ? PLACE_FRAME_HEAD
           : at < l->frame_used                       ? PLACE_FRAME_BODY
                                                      : PLACE_FRAME_PADDING;
}

/* A start that cannot read what replaced which segment may refuse. */
static bool may_refuse(const struct layout *l, isize at)
{
    const u8 *run = l->content + l->frame + LOG__HEADER_BYTES;
    bool is_in_frame = !l->is_store && at >= l->frames_at && at < l->frame_end;
    return l->is_store ||
           (is_in_frame && get_u32(run) == 0 && get_u32(run + 4) == LOG_CONTROL_META);
}

static void tally_add(struct world_tally *to, const struct world_tally *now,
                      const struct world_tally *before)
{
    to->refused += now->refused - before->refused;
    to->lost += now->lost - before->lost;
    to->torn += now->torn - before->torn;
    to->noticed += now->noticed - before->noticed;
    to->silent += now->silent - before->silent;
}

static bool flip(struct damage *d, const char *path, const struct layout *l, isize offset, int bit)
{
    struct sim *image = sim_clone(d->world.sim);
    u8 byte = l->content[offset] ^ (u8)(1U << bit);
    enum place place = place_at(l, offset);
    struct world_tally before = d->world.tally;
    overwrite(image, path, (u64)offset, &byte, 1);
    bool is_good = world_check(&d->world, image, 0);
    sim_free(image);
    const struct world_tally *now = &d->world.tally;
    tally_add(&d->places[place], now, &before);
    bool is_missed = (now->silent > before.silent && place != PLACE_AHEAD) ||
                     now->torn > before.torn || (now->lost > before.lost && place == PLACE_AHEAD);
    if (!is_good || is_missed) {
        (void)snprintf(d->where, sizeof d->where, "%s, byte %td, bit %d (%s): %s", path, offset,
                       bit, place_names[place], is_good ? "nobody noticed" : "");
    }
    d->count++;
    return is_good && !is_missed;
}

/* Every bit, or one of every byte of frame headers and so many others. */
static bool flip_file(struct damage *d, const char *path, const struct crash_budget *budget)
{
    isize bytes;
    u8 *content = content_of(d->world.sim, path, &bytes);
    bool is_good = true;
    struct layout l;
    layout_begin(&l, path, content, bytes);
    for (isize at = 0; at < bytes && is_good; at++) {
        layout_go(&l, at);
        d->world.is_refusal_allowed = may_refuse(&l, at);
        enum place place = place_at(&l, at);
        bool is_head = place == PLACE_FRAME_HEAD;
        bool is_index = (place == PLACE_INDEX || place == PLACE_TRAILER) && at % INDEX_STRIDE == 0;
        bool is_chosen = is_head || is_index || rng_below(&d->rng, (u64)bytes) < (u64)budget->flips;
        for (int bit = 0; bit < 8 && budget->is_whole && is_good; bit++) {
            is_good = flip(d, path, &l, at, bit);
        }
        if (!budget->is_whole && is_chosen) {
            is_good = flip(d, path, &l, at, (int)rng_below(&d->rng, 8));
        }
    }
    mem_free(content);
    return is_good;
}

static bool flip_all(struct damage *d, const struct crash_budget *budget)
{
    char path[PATH_BYTES];
    bool is_good = flip_file(d, DIR "STORE", budget);
    for (u64 no = 1; no < SEGMENTS_MAX && is_good; no++) {
        struct os_stat stat;
        path_of(no, path);
        if (os_stat_path(sim_os(d->world.sim), path, &stat) == OK) {
            is_good = flip_file(d, path, budget);
        }
    }
    return is_good;
}

/* --- files --------------------------------------------------------------------------------- */

/* Opening says so, or everything is there all the same. */
static bool is_noticed(struct damage *d, struct sim *image, const char *what)
{
    d->world.is_damage_allowed = false;
    struct log *log;
    struct diag diag;
    diag_init(&diag);
    err e = log__open_driven(sim_os(image), &d->world.options, &log, &diag);
    if (e == OK) {
        log__abandon(log);
    }
    bool is_refused = e == ERR_CORRUPT && diag_is_set(&diag);
    bool is_good = is_refused || (e == OK && world_check(&d->world, image, 0));
    if (!is_good) {
        (void)snprintf(d->where, sizeof d->where, "%s, error %d: ", what, (int)e);
    }
    d->world.is_damage_allowed = true;
    sim_free(image);
    d->count++;
    return is_good;
}

static bool lose_each(struct damage *d)
{
    bool is_good = true;
    u64 newest = d->world.log->active->id.segment; /* Nothing but itself tells of it. */
    for (u64 no = 1; no < newest && is_good; no++) {
        char path[PATH_BYTES];
        path_of(no, path);
        struct sim *image = sim_clone(d->world.sim);
        if (os_unlink(sim_os(image), path) == OK) {
            is_good = is_noticed(d, image, path);
        } else {
            sim_free(image);
        }
    }
    return is_good;
}

/* One segment's bytes under the name of another. */
static bool swap_pairs(struct damage *d)
{
    bool is_good = true;
    struct os *os = sim_os(d->world.sim);
    for (u64 a = 1; a < SEGMENTS_MAX && is_good; a++) {
        for (u64 b = 1; b < SEGMENTS_MAX && is_good; b++) {
            char from[PATH_BYTES], to[PATH_BYTES];
            struct os_stat stat;
            path_of(a, from);
            path_of(b, to);
            if (a == b || os_stat_path(os, from, &stat) != OK ||
                os_stat_path(os, to, &stat) != OK) {
                continue;
            }
            struct sim *image = sim_clone(d->world.sim);
            isize bytes;
            u8 *content = content_of(image, from, &bytes);
            CHECK(os_unlink(sim_os(image), to) == OK);
            overwrite(image, to, 0, content, bytes);
            mem_free(content);
            is_good = is_noticed(d, image, to);
        }
    }
    return is_good;
}

/* A segment of another store in the place of one of ours. */
static bool foreign_segment(struct damage *d)
{
    struct world other;
    world_init(&other, 99, d->world.seen);
    world_open(&other);
    world_put(&other, channel(0), 1, 500);
    world_close(&other);
    isize bytes;
    u8 *content = content_of(other.sim, DIR "0000000000000001.seg", &bytes);
    world_deinit(&other);
    bool is_good = true;
    for (u64 no = 1; no < SEGMENTS_MAX && is_good; no++) {
        char path[PATH_BYTES];
        path_of(no, path);
        struct sim *image = sim_clone(d->world.sim);
        if (os_unlink(sim_os(image), path) == OK) {
            put_u64(content + 32, no); /* As if it had that number; the checksum then fails. */
            overwrite(image, path, 0, content, bytes);
            is_good = is_noticed(d, image, path);
        } else {
            sim_free(image);
        }
    }
    mem_free(content);
    return is_good;
}

/* What is not the log's is moved, not removed. */
static bool stray_file(struct damage *d)
{
    struct sim *image = sim_clone(d->world.sim);
    struct os_stat stat;
    overwrite(image, DIR "notes.txt", 0, "mine", 4);
    bool is_good = world_check(&d->world, image, 0) &&
                   os_stat_path(sim_os(image), DIR "lost+found/notes.txt", &stat) == OK &&
                   stat.bytes == 4;
    if (!is_good) {
        (void)snprintf(d->where, sizeof d->where, "a file that is not the log's is gone: ");
    }
    sim_free(image);
    d->count++;
    return is_good;
}

static void places_say(const struct damage *d)
{
    printf("  damage: starts on one flipped bit, by what it belongs to\n"
           "  %-28s %8s %8s %8s %8s %8s\n",
           "", "refused", "1 lost", "as torn", "said", "silent");
    for (int i = 0; i < PLACES; i++) {
        const struct world_tally *t = &d->places[i];
        printf("  %-28s %8llu %8llu %8llu %8llu %8llu\n", place_names[i],
               (unsigned long long)t->refused, (unsigned long long)t->lost,
               (unsigned long long)t->torn, (unsigned long long)t->noticed,
               (unsigned long long)t->silent);
    }
}

void damage_judge(const struct crash_budget *budget, struct crash_outcome *out)
{
    struct crash_seen *seen = crash_seen_new();
    struct damage d = {.count = 0};
    world_init(&d.world, 7, seen);
    rng_init(&d.rng, 3);
    prepare(&d);
    out->is_good = stray_file(&d) && lose_each(&d) && swap_pairs(&d) && foreign_segment(&d) &&
                   flip_all(&d, budget);
    out->states = d.count;
    places_say(&d);
    (void)snprintf(out->why, sizeof out->why, "%s%s", d.where, d.world.why);
    world_deinit(&d.world);
    crash_seen_free(seen);
}
