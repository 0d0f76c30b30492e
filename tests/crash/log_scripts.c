/* tests/crash/log_scripts.c: what a log goes through. */
#include "crash.h"
#include "log_world.h"

#include <stdio.h>
#include <stdlib.h>

static const struct log_channel control = {0, LOG_CONTROL_STREAMS};

static struct log_channel channel(u32 shard)
{
    return (struct log_channel){1, shard};
}

/* --- scripts
 * -------------------------------------------------------------------------------------- */

/* From nothing: the making of the store, and the first records. */
static void put_first(struct world *world)
{
    world_trace(world);
    world_open(world);
    world_put(world, channel(0), 1, 100);
}

static void put_single(struct world *world)
{
    world_open(world);
    world_trace(world);
    for (int i = 0; i < 6; i++) {
        world_put(world, channel(0), 1, 40 + i * 300);
    }
}

static void put_large(struct world *world)
{
    world_open(world);
    world_trace(world);
    world_put(world, channel(0), 3, 2000);
    world_put(world, channel(1), 9, 1500);
    world_put(world, channel(0), 2, 7000);
}

static void many_channels(struct world *world)
{
    world_open(world);
    world_trace(world);
    for (int round = 0; round < 3; round++) {
        struct world_put puts[WORLD_CHANNELS];
        for (u32 i = 0; i < WORLD_CHANNELS; i++) {
            puts[i] = (struct world_put){channel((i * 5 + (u32)round) % WORLD_CHANNELS), 2, 120};
        }
        world_submit(world, puts, WORLD_CHANNELS);
        world_submit(world, puts, WORLD_CHANNELS / 2);
        world_commit(world);
    }
}

static void batches_are_atomic(struct world *world)
{
    world_open(world);
    world_trace(world);
    for (int round = 0; round < 4; round++) {
        struct world_put puts[] = {{channel(3), 1, 900}, {control, 1, 50}, {channel(1), 2, 700}};
        world_submit(world, puts, 3);
        struct world_put more[] = {{channel(1), 1, 60}, {channel(2), 1, 600}};
        world_submit(world, more, 2);
        world_commit(world);
    }
}

static void roll(struct world *world)
{
    world_open(world);
    world_put(world, channel(0), 3, 7000);
    world_trace(world);
    for (u32 i = 0; i < 6; i++) {
        world_put(world, channel(i % 2), 1, 7500);
    }
}

static void put_mixed(struct world *world, int frames)
{
    for (int i = 0; i < frames; i++) {
        struct world_put puts[] = {{channel(0), 2, 4500}, {channel(1), 1, 400}};
        world_submit(world, puts, 2);
        world_commit(world);
    }
}

static void retention_swap(struct world *world)
{
    world_open(world);
    put_mixed(world, 9);
    world_trace(world);
    world_let_die(world, channel(0), 1);
    world_retain(world);
    world_put(world, channel(1), 1, 200);
    world_let_die(world, channel(1), 4);
    world_retain(world);
    world_put(world, channel(2), 1, 200);
}

static void delete_dead(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 10; i++) {
        world_put(world, channel(i < 5 ? 4 : 5), 2, 4500);
    }
    world_trace(world);
    world_let_die(world, channel(4), 0);
    world_retain(world);
    world_put(world, channel(5), 1, 300);
    world_let_die(world, channel(5), 1);
    world_retain(world);
}

static void control_restated(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 5; i++) {
        struct world_put puts[] = {{control, 1, 3000}, {channel(0), 1, 6000}};
        world_submit(world, puts, 2);
        world_commit(world);
    }
    world_trace(world);
    world_put(world, control, 1, 2500);
    world_let_die(world, control, 1);
    world_let_die(world, channel(0), 0);
    world_put(world, channel(0), 2, 6000);
    world_put(world, channel(0), 2, 6000);
    world_retain(world);
    world_put(world, control, 1, 80);
}

static void disk_full(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 8; i++) {
        world_put(world, channel(i % 2), 1, 7000);
    }
    world->log->reserve_bytes = 64 << 10;
    world_trace(world);
    sim_set_space(world->sim, 76 << 10);
    sim_advance_us(world->sim, 1000000);
    world_put(world, channel(0), 1, 3000);
    for (u32 i = 0; i < 3; i++) {
        world_put(world, channel(0), 1, 7000);
        world_put(world, control, 1, 100);
    }
    CHECK(world->refused >= 2);
    world_let_die(world, channel(0), 1);
    world_let_die(world, channel(1), 0);
    world_retain(world);
    u64 refused = world->refused;
    world_put(world, channel(1), 1, 2000);
    CHECK(world->refused == refused); /* It recovers by itself. */
}

static void clean_shutdown(struct world *world)
{
    world_open(world);
    world_put(world, channel(0), 2, 900);
    world_trace(world);
    world_put(world, channel(1), 1, 900);
    world_close(world);
    world_open(world);
    world_put(world, channel(0), 1, 500);
    world_close(world);
    world_open(world);
    world_put(world, channel(0), 1, 600);
}

static void after_a_crash(struct world *world)
{
    world_open(world);
    world_trace(world);
    world_put(world, channel(0), 2, 900);
    world_put(world, channel(1), 3, 2900);
    world_crash(world, 7, 11);
    world_trace(world);
    world_put(world, channel(0), 1, 700);
    world_put(world, channel(1), 1, 1700);
}

static void after_two_crashes(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 4; i++) {
        world_put(world, channel(i % 2), 2, 4200);
    }
    world_trace(world);
    world_put(world, channel(0), 2, 4200);
    world_crash(world, 12, 5);
    world_trace(world);
    world_put(world, channel(1), 1, 2200);
    world_put(world, channel(0), 1, 1200);
    world_crash(world, 3, 8);
    world_trace(world);
    world_put(world, channel(2), 1, 500);
    world_let_die(world, channel(0), 1);
    world_retain(world);
}

static void zeroed_ahead(struct world *world)
{
    world_open(world);
    world_trace(world);
    world_put(world, channel(0), 1, 300);
    log__zero_once(world->log);
    world_put(world, channel(0), 1, 300);
    world_put(world, channel(1), 2, 3000);
    log__zero_once(world->log);
    world_put(world, channel(0), 4, 6500);
    world_put(world, channel(1), 1, 300);
}

/* Writers whose clock goes back. */
static void clock_back(struct world *world)
{
    world_open(world);
    world_trace(world);
    for (u32 i = 0; i < 4; i++) {
        world_put(world, channel(i % 2), 1, 800);
        sim_advance_us(world->sim, i % 2 == 0 ? -3600000000 : 1000000);
    }
}

static void clock_back_restart(struct world *world)
{
    world_open(world);
    world_put(world, channel(0), 1, 7000);
    world_trace(world);
    for (u32 i = 0; i < 3; i++) {
        world_close(world);
        sim_advance_us(world->sim, -86400000000);
        world_open(world);
        world_put(world, channel(i), 1, 600);
    }
}

static void put_500(struct world *world)
{
    world_open(world);
    world_trace(world);
    world_put(world, channel(0), 500, 9);
    world_put(world, channel(1), 1, 20);
}

static void many_batches(struct world *world)
{
    world_open(world);
    world_trace(world);
    for (u32 round = 0; round < 3; round++) {
        for (u32 i = 0; i < 40; i++) {
            struct world_put put = {channel((i * 7 + round) % WORLD_CHANNELS), 1, 30 + i};
            world_submit(world, &put, 1);
        }
        world_commit(world);
    }
}

/* Frames larger than a segment. */
static void large_frames(struct world *world)
{
    world_open(world);
    world_trace(world);
    world_put(world, channel(0), 1, 900);
    world_put(world, channel(0), 4, 10000);
    world_put(world, channel(1), 1, 900);
    world_put(world, channel(1), 3, 12000);
    world_put(world, channel(0), 1, 100);
}

/* Starts that find nothing new. */
static void empty_starts(struct world *world)
{
    world_trace(world);
    for (u32 i = 0; i < 4; i++) {
        world_open(world);
        world_close(world);
    }
    world_open(world);
    world_put(world, channel(0), 1, 300);
}

static void restart_each_frame(struct world *world)
{
    world_open(world);
    world_trace(world);
    for (u32 i = 0; i < 5; i++) {
        world_put(world, channel(i % 3), 1, 400);
        world_close(world);
        world_open(world);
    }
}

/* Each segment has channels of its own. */
static void channel_each(struct world *world)
{
    world_open(world);
    world_trace(world);
    for (u32 i = 0; i < 6; i++) {
        struct world_put puts[] = {{channel(2 * i), 2, 7000}, {channel(2 * i + 1), 2, 7000}};
        world_submit(world, puts, 2);
        world_commit(world);
    }
}

/* Small neighbours become one. */
static void swap_merged(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 12; i++) {
        struct world_put puts[] = {{channel(0), 3, 9000}, {channel(i), 1, 300}, {control, 1, 60}};
        world_submit(world, puts, 3);
        world_commit(world);
    }
    world_trace(world);
    world_let_die(world, channel(0), 1);
    world_retain(world);
    world_put(world, channel(1), 2, 300);
    world_retain(world);
}

static void swap_again(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 12; i++) {
        struct world_put puts[] = {
            {channel(0), 2, 6000}, {channel(1), 1, 800}, {channel(2), 1, 90}};
        world_submit(world, puts, 3);
        world_commit(world);
    }
    world_let_die(world, channel(0), 1);
    world_retain(world);
    world_trace(world);
    world_let_die(world, channel(1), 1);
    world_retain(world);
    world_put(world, channel(3), 1, 100);
    world_let_die(world, channel(2), 2);
    world_retain(world);
}

static void delete_middle(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 12; i++) {
        world_put(world, channel(i >= 4 && i < 8 ? 7 : 8), 2, 5000);
    }
    world_trace(world);
    world_let_die(world, channel(7), 0);
    world_retain(world);
    world_put(world, channel(7), 1, 100);
}

static void all_dies(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 6; i++) {
        world_put(world, channel(0), 2, 7000);
    }
    world_trace(world);
    world_let_die(world, channel(0), 0);
    world_retain(world);
    world_close(world);
    world_open(world);
    world_put(world, channel(0), 1, 200);
    world_let_die(world, channel(0), 0);
    world_retain(world);
    world_put(world, channel(1), 1, 200);
}

static void control_only(struct world *world)
{
    world_open(world);
    world_trace(world);
    for (u32 i = 0; i < 8; i++) {
        world_put(world, control, 1, 3000);
        world_let_die(world, control, 1);
    }
    world_retain(world);
    world_put(world, control, 1, 10);
}

static void crash_then_retain(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 8; i++) {
        struct world_put puts[] = {{channel(0), 2, 5000}, {channel(1), 1, 300}};
        world_submit(world, puts, 2);
        world_commit(world);
    }
    world_trace(world);
    world_put(world, channel(2), 1, 3000);
    world_crash(world, 5, 3);
    world_trace(world);
    world_let_die(world, channel(0), 1);
    world_retain(world);
    world_put(world, channel(2), 1, 300);
}

/* The machine dies while old segments are being replaced. */
static void retain_then_crash(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 10; i++) {
        struct world_put puts[] = {{channel(0), 2, 5000}, {channel(1), 1, 300}};
        world_submit(world, puts, 2);
        world_commit(world);
    }
    world_trace(world);
    world_let_die(world, channel(0), 1);
    world_retain(world);
    world_crash(world, 4, 6);
    world_trace(world);
    world_retain(world);
    world_put(world, channel(1), 2, 300);
}

static void crash_in_roll(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 3; i++) {
        world_put(world, channel(0), 1, 7000);
    }
    world_trace(world);
    world_put(world, channel(0), 1, 7000);
    world_put(world, channel(1), 1, 7000);
    world_crash(world, 20, 9);
    world_trace(world);
    world_put(world, channel(0), 1, 7000);
    world_put(world, channel(1), 1, 7000);
}

static void zeroed_then_crash(struct world *world)
{
    world_open(world);
    world_trace(world);
    world_put(world, channel(0), 1, 300);
    log__zero_once(world->log);
    world_put(world, channel(0), 1, 3000);
    world_crash(world, 3, 2);
    world_trace(world);
    world_put(world, channel(1), 1, 3000);
    log__zero_once(world->log);
    world_put(world, channel(1), 1, 300);
}

/* The `nth` change from now finds no room, and has written half; later ones do again. */
static void put_refused(struct world *world, u64 nth, bool is_half, isize bytes)
{
    sim_fail_change(world->sim, nth, ERR_FULL, false, is_half);
    world_put(world, channel(0), 1, bytes);
    sim_advance_us(world->sim, 1000000);
}

/* So full that only the swaps that free space are let through. */
static void full_swap(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 8; i++) {
        world_put(world, channel(i % 2), 1, 7000);
    }
    world->log->reserve_bytes = 256 << 10;
    world_trace(world);
    sim_set_space(world->sim, 28 << 10);
    sim_advance_us(world->sim, 1000000);
    world_put(world, control, 1, 100);
    CHECK(world->refused == 1);
    world_let_die(world, channel(0), 0);
    world_let_die(world, channel(1), 0);
    world_retain(world);
    sim_set_space(world->sim, 1 << 20);
    sim_advance_us(world->sim, 1000000);
    world_put(world, channel(1), 1, 2000);
}

static void full_then_crash(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 6; i++) {
        world_put(world, channel(i % 2), 1, 7000);
    }
    world->log->reserve_bytes = 64 << 10;
    world_trace(world);
    sim_set_space(world->sim, 70 << 10);
    sim_advance_us(world->sim, 1000000);
    world_put(world, channel(0), 1, 1000);
    world_put(world, channel(0), 2, 7000);
    world_crash(world, 2, 4);
    world_trace(world);
    world_put(world, channel(0), 1, 2000);
}

/* A disk takes the first half of a frame. The other half would be zeros, and zeros are there: what
 * was refused is whole on the disk. */
static void refused_half(struct world *world)
{
    world->is_hollow = true;
    world_open(world);
    world_trace(world);
    for (u32 i = 1; i <= 4; i++) {
        world_put(world, channel(1), 1, 300);
        log__zero_once(world->log);
        put_refused(world, 1, true, 7000 + (isize)i * 100);
        CHECK(world->refused == i);
        world_put(world, channel(0), 1, i == 2 ? 100 : 3000);
    }
}

/* No room in steps from one segment to the next (syncs are none: they end the process). */
static void no_room_to_roll(struct world *world, const u8 *steps, u32 count)
{
    world_open(world);
    world_trace(world);
    for (u32 i = 0; i < count; i++) {
        world_put(world, channel(0), 3, 7800);
        put_refused(world, steps[i], i % 2 != 0, 400);
        CHECK(world->refused == i + 1);
        CHECK(sim_failed(world->sim) != NULL);
        world_put(world, channel(1), 1, 300);
    }
}

/* The end of the old one: its index, the cut; then the frame itself. */
static void refused_seal(struct world *world)
{
    no_room_to_roll(world, (const u8[]){1, 1, 2, 14}, 4);
}

/* The new one: its name, its header, its other name. */
static void refused_new(struct world *world)
{
    no_room_to_roll(world, (const u8[]){4, 5, 5, 7}, 4);
}

/* STORE, which names it. */
static void refused_store(struct world *world)
{
    no_room_to_roll(world, (const u8[]){9, 10, 10, 12}, 4);
}

static void refused_then_crash(struct world *world)
{
    world->is_hollow = true;
    world_open(world);
    world_put(world, channel(0), 1, 300);
    log__zero_once(world->log);
    world_trace(world);
    put_refused(world, 1, true, 7000);
    world_crash(world, 0, 5);
    world_trace(world);
    world_put(world, channel(0), 1, 300);
    put_refused(world, 1, true, 7000);
    world_crash(world, 1, 6);
    world_trace(world);
    world_put(world, channel(0), 1, 3000);
}

/* No room in each of the steps of retention; the last is the frame of the swap. */
static void refused_swap(struct world *world)
{
    static const u8 steps[] = {1, 2, 3, 4, 5, 7, 9};
    world_open(world);
    put_mixed(world, 9);
    world_trace(world);
    world_let_die(world, channel(0), 1);
    for (int i = 0; i < COUNT_OF(steps); i++) {
        sim_fail_change(world->sim, steps[i], ERR_FULL, false, true);
        CHECK(log_retain_now(world->log) == ERR_FULL);
        sim_advance_us(world->sim, 1000000);
        world_put(world, channel(0), 1, 200);
    }
    world_retain(world);
}

static void many_restarts(struct world *world)
{
    world_open(world);
    world_put(world, channel(0), 2, 6000);
    world_trace(world);
    for (u32 i = 0; i < 3; i++) {
        world_put(world, channel(i), 2, 3000);
        world_crash(world, (isize)i * 3 + 1, i + 20);
        world_trace(world);
        world_put(world, channel(i), 1, 500);
        world_close(world);
        world_open(world);
    }
    world_put(world, channel(4), 1, 100);
}

struct script {
    const char *name;
    void (*run)(struct world *world);
};

static const struct script scripts[] = {
    {"put_first", put_first},
    {"put_large", put_large},
    {"retention_swap", retention_swap},
    {"put_single", put_single},
    {"many_channels", many_channels},
    {"batches_are_atomic", batches_are_atomic},
    {"roll", roll},
    {"delete_dead", delete_dead},
    {"control_restated", control_restated},
    {"disk_full", disk_full},
    {"clean_shutdown", clean_shutdown},
    {"after_a_crash", after_a_crash},
    {"after_two_crashes", after_two_crashes},
    {"zeroed_ahead", zeroed_ahead},
    {"clock_back", clock_back},
    {"clock_back_restart", clock_back_restart},
    {"put_500", put_500},
    {"many_batches", many_batches},
    {"large_frames", large_frames},
    {"empty_starts", empty_starts},
    {"restart_each_frame", restart_each_frame},
    {"channel_each", channel_each},
    {"swap_merged", swap_merged},
    {"swap_again", swap_again},
    {"delete_middle", delete_middle},
    {"all_dies", all_dies},
    {"control_only", control_only},
    {"crash_then_retain", crash_then_retain},
    {"retain_then_crash", retain_then_crash},
    {"crash_in_roll", crash_in_roll},
    {"zeroed_then_crash", zeroed_then_crash},
    {"full_swap", full_swap},
    {"full_then_crash", full_then_crash},
    {"many_restarts", many_restarts},
    {"refused_half", refused_half},
    {"refused_seal", refused_seal},
    {"refused_new", refused_new},
    {"refused_store", refused_store},
    {"refused_then_crash", refused_then_crash},
    {"refused_swap", refused_swap},
};

const char *log_script_name(int index)
{
    return index < COUNT_OF(scripts) ? scripts[index].name : NULL;
}

void log_script_judge(int index, const struct crash_budget *budget, struct crash_outcome *out)
{
    struct crash_seen *seen = crash_seen_new();
    struct world world;
    world_init(&world, 42, seen);
    scripts[index].run(&world);
    out->is_good = world.log == NULL || world_is_tidy(&world);
    world.deep_every = budget->deep_every;
    world_note_writes(&world);
    struct crash_run run = {.start = world.start,
                            .traced = world.sim,
                            .marks = world.marks,
                            .mark_count = world.mark_count,
                            .subsets_bits = budget->subsets_bits,
                            .random_count = budget->random_count,
                            .seed = 1,
                            .check = world_check,
                            .ctx = &world,
                            .seen = seen};
    out->is_good = out->is_good && crash_enumerate(&run);
    (void)snprintf(out->why, sizeof out->why, "%s", world.why);
    out->states = crash_seen_count(seen);
    world_deinit(&world);
    crash_seen_free(seen);
}
