/*
 * tests/crash/log_crash.c: power failures, simulated: scripts of what a log goes
 * through, every state that a crash could leave of each, and the rule that nothing
 * acknowledged is lost, torn, doubled or renumbered. Then the same with deliberate
 * bugs in the log, each of which must be found.
 *
 *     log_crash              all scripts, damage, planted bugs
 *     log_crash SCRIPT [BUG] one script or "damage", with a planted bug
 */
#include "log_world.h"

#include "base/rng.h"
#include "base/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int log__plant = BUG_NONE;

enum { STATES_MIN = 100000, SCRIPTS_MIN = 10, BUGS_MIN = 20, FLIPS = 600 };

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

static void retention_swap(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 9; i++) {
        struct world_put puts[] = {{channel(0), 2, 4500}, {channel(1), 1, 400}};
        world_submit(world, puts, 2);
        world_commit(world);
    }
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

struct script {
    const char *name;
    void (*run)(struct world *world);
};

static const struct script scripts[] = {
    {"put_first", put_first},
    {"put_single", put_single},
    {"put_large", put_large},
    {"many_channels", many_channels},
    {"batches_are_atomic", batches_are_atomic},
    {"roll", roll},
    {"retention_swap", retention_swap},
    {"delete_dead", delete_dead},
    {"control_restated", control_restated},
    {"disk_full", disk_full},
    {"clean_shutdown", clean_shutdown},
    {"after_a_crash", after_a_crash},
    {"after_two_crashes", after_two_crashes},
    {"zeroed_ahead", zeroed_ahead},
};

/* --- running
 * -------------------------------------------------------------------------------------- */

struct thoroughness {
    int subsets_bits, random_count;
    u64 deep_every;
};

static const struct thoroughness full = {12, 1000, 30};
static const struct thoroughness light = {5, 12, 0};

static bool run_script(const struct script *script, const struct thoroughness *how, u64 *states_out)
{
    struct crash_seen *seen = crash_seen_new();
    struct world world;
    world_init(&world, 42, seen);
    script->run(&world);
    if (world.log != NULL && !world_is_tidy(&world)) {
        printf("  %s: %s\n", script->name, world.why);
        exit(1);
    }
    world.deep_every = how->deep_every;
    world_note_writes(&world);
    struct crash_run run = {.start = world.start,
                            .traced = world.sim,
                            .marks = world.marks,
                            .mark_count = world.mark_count,
                            .subsets_bits = how->subsets_bits,
                            .random_count = how->random_count,
                            .seed = 1,
                            .check = world_check,
                            .ctx = &world,
                            .seen = seen};
    bool is_good = crash_enumerate(&run);
    if (!is_good) {
        printf("  %s: after %llu states: %s\n", script->name, (unsigned long long)world.checked,
               world.why);
    }
    *states_out = crash_seen_count(seen);
    world_deinit(&world);
    crash_seen_free(seen);
    return is_good;
}

/* --- damage
 * --------------------------------------------------------------------------------------- */

static void prepare_damage(struct world *world)
{
    world_open(world);
    for (u32 i = 0; i < 9; i++) {
        struct world_put puts[] = {{channel(0), 2, 4500}, {channel(1), 1, 400}};
        world_submit(world, puts, 2);
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

static bool flip(struct world *world, const char *path, u64 offset, u8 bit)
{
    struct sim *image = sim_clone(world->sim);
    struct os_file *file;
    u8 byte;
    CHECK(os_open(sim_os(image), path, OS_WRITE, &file) == OK);
    CHECK(os_read_exact(file, offset, &byte, 1) == OK);
    byte ^= (u8)(1U << bit);
    CHECK(os_write_at(file, offset, &byte, 1) == OK);
    CHECK(os_close(file) == OK);
    bool is_good = world_check(world, image, 0);
    if (!is_good) {
        printf("  damage: %s, offset %llu: %s\n", path, (unsigned long long)offset, world->why);
    }
    sim_free(image);
    return is_good;
}

/* A bit in each byte of each frame header, and in as many other bytes as FLIPS says. */
static bool flip_segment(struct world *world, const char *path, u64 bytes, struct rng *rng,
                         u64 *flips)
{
    u8 *content = mem_alloc((isize)bytes);
    struct os_file *file;
    CHECK(os_open(sim_os(world->sim), path, OS_READ, &file) == OK);
    CHECK(os_read_exact(file, 0, content, (isize)bytes) == OK);
    CHECK(os_close(file) == OK);
    bool is_good = true;
    for (u64 at = 0; at + LOG__HEADER_BYTES <= bytes && is_good; at += LOG__PACKED_BYTES) {
        bool is_frame = memcmp(content + at, "LFRM", 4) == 0;
        for (u64 i = 0; i < LOG__HEADER_BYTES && is_frame && is_good; i++) {
            is_good = flip(world, path, at + i, (u8)rng_below(rng, 8));
            (*flips)++;
        }
    }
    for (int i = 0; i < FLIPS && is_good; i++) {
        is_good = flip(world, path, rng_below(rng, bytes), (u8)rng_below(rng, 8));
        (*flips)++;
    }
    mem_free(content);
    return is_good;
}

/* Segments sealed, active and rewritten: at most one frame is lost, it is said, and everything else
 * is read. */
static bool damage(u64 *flips_out)
{
    struct crash_seen *seen = crash_seen_new();
    struct world world;
    world_init(&world, 7, seen);
    prepare_damage(&world);
    struct rng rng;
    rng_init(&rng, 3);
    bool is_good = true;
    *flips_out = 0;
    struct os_stat stat;
    for (u64 no = 1; no < 20 && is_good; no++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/data/log/%016llx.seg", (unsigned long long)no);
        if (os_stat_path(sim_os(world.sim), path, &stat) == OK) {
            is_good = flip_segment(&world, path, stat.bytes, &rng, flips_out);
        }
    }
    world_deinit(&world);
    crash_seen_free(seen);
    return is_good;
}

/* --- planted bugs
 * ----------------------------------------------------------------------------------- */

static const char *const bug_texts[] = {"none",
#define PLANT(name, text) text,
                                        LOG_PLANTS(PLANT)
#undef PLANT
};

/* In a process of its own: a bug may well end in a failed assertion. True when it was found. */
static bool is_found_by(int bug, int script)
{
    (void)fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(freopen("/dev/null", "w", stdout) != NULL);
        CHECK(freopen("/dev/null", "w", stderr) != NULL);
        log__plant = bug;
        u64 states;
        bool is_good = script < COUNT_OF(scripts) ? run_script(&scripts[script], &light, &states)
                                                  : damage(&states);
        _exit(is_good ? 0 : 1);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int plant_all(void)
{
    int found = 0;
    for (int bug = 1; bug < BUG_COUNT; bug++) {
        int script = 0;
        while (script <= COUNT_OF(scripts) && !is_found_by(bug, script)) {
            script++;
        }
        bool is_found = script <= COUNT_OF(scripts);
        const char *by = "nothing: SURVIVED";
        if (is_found) {
            by = script < COUNT_OF(scripts) ? scripts[script].name : "damage";
        }
        printf("  bug %2d: %-62s found by %s\n", bug, bug_texts[bug], by);
        found += is_found;
    }
    return found;
}

static double seconds(void)
{
    return (double)os_mono_ns(os_real()) / 1e9;
}

static bool run_all(const char *only)
{
    bool is_good = true;
    u64 total = 0;
    int count = 0;
    double start = seconds();
    for (int i = 0; i < COUNT_OF(scripts); i++) {
        if (only != NULL && strcmp(only, scripts[i].name) != 0) {
            continue;
        }
        u64 states = 0;
        double begun = seconds();
        is_good = run_script(&scripts[i], &full, &states) && is_good;
        printf("  %-20s %8llu states %6.1f s\n", scripts[i].name, (unsigned long long)states,
               seconds() - begun);
        total += states;
        count++;
    }
    u64 flips = 0;
    if (only == NULL || strcmp(only, "damage") == 0) {
        is_good = damage(&flips) && is_good;
        printf("  %-20s %8llu flipped bits\n", "damage", (unsigned long long)flips);
    }
    printf("%d scripts, %llu distinct crash states, %llu flipped bits, %.1f s: %s\n", count,
           (unsigned long long)total, (unsigned long long)flips, seconds() - start,
           is_good ? "nothing lost" : "FAILED");
    if (only == NULL && (total < STATES_MIN || count < SCRIPTS_MIN)) {
        printf("too few: at least %d scripts and %d states are wanted\n", SCRIPTS_MIN, STATES_MIN);
        is_good = false;
    }
    return is_good;
}

static void be_quiet(void *ctx, str line)
{
    (void)ctx;
    (void)line;
}

int main(int argc, char **argv)
{
    trace_set_sink(be_quiet, NULL, NULL);
    if (argc > 2) {
        log__plant = atoi(argv[2]);
    }
    printf("crash states of the log\n");
    bool is_good = run_all(argc > 1 ? argv[1] : NULL);
    if (argc == 1 && is_good) {
        double start = seconds();
        printf("planted bugs\n");
        int found = plant_all();
        printf("%d of %d planted bugs found, %.1f s\n", found, BUG_COUNT - 1, seconds() - start);
        is_good = found == BUG_COUNT - 1 && found >= BUGS_MIN;
    }
    return is_good ? 0 : 1;
}
