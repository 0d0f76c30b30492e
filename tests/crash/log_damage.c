/*
 * tests/crash/log_damage.c: a log directory that was damaged while nobody looked: each
 * bit of each file flipped, files missing, swapped, of another store, cut short. What
 * is read is right or an error; of a flipped bit at most one frame is lost.
 */
#include "crash.h"
#include "log_world.h"

#include "base/rng.h"

#include <stdio.h>
#include <string.h>

enum { INDEX_BYTES = 8192, INDEX_STRIDE = 13 };
enum { SEGMENTS_MAX = 24, PATH_BYTES = 80 };

#define DIR "/data/log/"

static const struct log_channel control = {0, LOG_CONTROL_STREAMS};

static struct log_channel channel(u32 shard)
{
    return (struct log_channel){1, shard};
}

struct damage {
    struct world world;
    struct rng rng;
    u64 count;
    char where[120];
};

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
    world_trace(world);
    world->is_damage_allowed = true;
}

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

/* --- bits ---------------------------------------------------------------------------------- */

static bool flip(struct damage *d, const char *path, isize offset, u8 byte, int bit)
{
    struct sim *image = sim_clone(d->world.sim);
    byte ^= (u8)(1U << bit);
    overwrite(image, path, (u64)offset, &byte, 1);
    bool is_good = world_check(&d->world, image, 0);
    if (!is_good) {
        (void)snprintf(d->where, sizeof d->where, "%s, byte %td, bit %d: ", path, offset, bit);
    }
    sim_free(image);
    d->count++;
    return is_good;
}

/* Every bit, or one of every byte of frame headers and so many others. */
static bool flip_file(struct damage *d, const char *path, const struct crash_budget *budget)
{
    isize bytes;
    u8 *content = content_of(d->world.sim, path, &bytes);
    bool is_good = true;
    isize frame = -LOG__HEADER_BYTES;
    isize frame_end = 0;
    for (isize at = 0; at < bytes && is_good; at++) {
        if (at % LOG__PACKED_BYTES == 0 && at + LOG__HEADER_BYTES <= bytes &&
            memcmp(content + at, "LFRM", 4) == 0) {
            frame = at;
            frame_end = at + get_u32(content + at + 88);
        }
        /* A start that cannot read what replaced which segment may refuse. */
        const u8 *run = content + MAX(frame, 0) + LOG__HEADER_BYTES;
        bool is_swap = at < frame_end && get_u32(run) == 0 && get_u32(run + 4) == LOG_CONTROL_META;
        d->world.is_refusal_allowed = is_swap || str_ends(str_of(path), STR("STORE"));
        bool is_head = at < frame + LOG__HEADER_BYTES;
        bool is_index = at + INDEX_BYTES >= bytes && at % INDEX_STRIDE == 0; /* Mostly. */
        bool is_chosen = is_head || is_index || rng_below(&d->rng, (u64)bytes) < (u64)budget->flips;
        for (int bit = 0; bit < 8 && budget->is_whole && is_good; bit++) {
            is_good = flip(d, path, at, content[at], bit);
        }
        if (!budget->is_whole && is_chosen) {
            is_good = flip(d, path, at, content[at], (int)rng_below(&d->rng, 8));
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
    const struct world_tally *t = &d.world.tally;
    printf("  damage: of %llu starts %llu refused and named the file, %llu lost one frame and said "
           "so, %llu lost nothing and said so, %llu hit what is not needed; %s read wrong bytes\n",
           (unsigned long long)(t->refused + t->lost + t->noticed + t->harmless),
           (unsigned long long)t->refused, (unsigned long long)t->lost,
           (unsigned long long)t->noticed, (unsigned long long)t->harmless,
           out->is_good ? "0" : "1");
    (void)snprintf(out->why, sizeof out->why, "%s%s", d.where, d.world.why);
    world_deinit(&d.world);
    crash_seen_free(seen);
}
