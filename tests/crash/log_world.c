/* tests/crash/log_world.c: see log_world.h. */
#include "log_world.h"

#include "base/hash.h"
#include "base/rng.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define DIR "/data/log"

PRINTF(2, 0) static bool fail_with(struct world *world, const char *format, va_list arguments)
{
    if (world->why[0] == '\0') {
        (void)vsnprintf(world->why, sizeof world->why, format, arguments);
    }
    return false;
}

PRINTF(2, 3) static bool fail(struct world *world, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool result = fail_with(world, format, arguments);
    va_end(arguments);
    return result;
}

/* --- the run
 * -------------------------------------------------------------------------------------- */

static bool is_live(void *ctx, struct log_channel channel, u64 last_no, i64 arrival_ms)
{
    (void)arrival_ms;
    const struct world *world = ctx;
    for (int i = 0; i < world->death_count; i++) {
        if (log_channel_eq(world->deaths[i].channel, channel) && last_no < world->deaths[i].below) {
            return false;
        }
    }
    return true;
}

static void on_publish(void *ctx, const struct log_frame *frame)
{
    struct world *world = ctx;
    for (u64 i = 0; i < world->frame_count; i++) {
        if (world->frames[i].lsn == frame->head.lsn && world->frames[i].promised < 0) {
            world->frames[i].promised = sim_trace_count(world->sim);
            world->frames[i].arrival_ms = log_frame_arrival_ms(frame);
        }
    }
}

void world_init(struct world *world, u64 seed, struct crash_seen *seen)
{
    *world = (struct world){.sim = sim_new(seed), .seen = seen, .next_id = 1};
    world->options =
        (struct log_options){.dir = DIR, .segment_bytes = WORLD_SEGMENT_BYTES, .reserve_bytes = 1};
    CHECK(os_mkdir(sim_os(world->sim), "/data") == OK);
}

void world_deinit(struct world *world)
{
    if (world->log != NULL) {
        log__abandon(world->log);
    }
    sim_free(world->start);
    sim_free(world->sim);
    mem_free(world->records);
    mem_free(world->frames);
}

void world_open(struct world *world)
{
    struct diag diag;
    diag_init(&diag);
    err e = log__open_driven(sim_os(world->sim), &world->options, &world->log, &diag);
    if (e != OK) {
        (void)fprintf(stderr, "script: open: %s %s\n", err_name(e), diag.message);
    }
    CHECK(e == OK);
    log_set_live(world->log, is_live, world);
    (void)log_watch(world->log, on_publish, world);
}

void world_close(struct world *world)
{
    log_close(world->log);
    world->log = NULL;
}

void world_trace(struct world *world)
{
    sim_free(world->start);
    sim_trace_start(world->sim);
    world->start = sim_clone(world->sim);
    for (u64 i = 0; i < world->frame_count; i++) {
        world->frames[i].begun = 0;
        world->frames[i].written = 0;
        world->frames[i].promised = world->frames[i].promised < 0 ? -1 : 0;
        world->frames[i].refused = world->frames[i].refused < 0 ? -1 : 0;
    }
    for (int i = 0; i < world->death_count; i++) {
        world->deaths[i].since = 0;
    }
    world->mark_count = 0;
}

void world_note_writes(struct world *world)
{
    for (isize i = 0; i < sim_trace_count(world->sim); i++) {
        const struct sim_op *op = sim_trace_op(world->sim, i);
        bool is_head = op->kind == SIM_WRITE && op->bytes >= LOG__HEADER_BYTES &&
                       memcmp(op->data, "LFRM", 4) == 0;
        for (u64 f = 0; f < world->frame_count && is_head; f++) {
            struct world_frame *frame = &world->frames[f];
            if (frame->lsn == get_u64(op->data + 48) && frame->written < 0) {
                frame->written = i;
            }
        }
    }
}

static void mark(struct world *world)
{
    CHECK(world->mark_count < WORLD_MARKS_MAX);
    world->marks[world->mark_count++] = sim_trace_count(world->sim);
}

static void fill_record(const struct world *world, u8 *out, isize bytes, u64 id)
{
    enum { HOLLOW_SHARE = 4 };
    struct rng rng;
    rng_init(&rng, id);
    memset(out, 0, (size_t)bytes);
    bytes /= world->is_hollow ? HOLLOW_SHARE : 1;
    for (isize i = 0; i < bytes; i += 8) {
        u64 value = i == 0 ? id : rng_next(&rng);
        memcpy(out + i, &value, (size_t)MIN(bytes - i, 8));
    }
}

static void note_record(struct world *world, struct world_record record)
{
    if (world->record_count == world->record_capacity) {
        world->record_capacity = MAX(world->record_capacity * 2, 256);
        world->records =
            mem_resize(world->records, (isize)(world->record_capacity * sizeof *world->records));
    }
    world->records[world->record_count++] = record;
}

static struct world_frame *frame_at(struct world *world, u64 lsn)
{
    if (world->frame_count > 0 && world->frames[world->frame_count - 1].lsn == lsn) {
        return &world->frames[world->frame_count - 1];
    }
    if (world->frame_count == world->frame_capacity) {
        world->frame_capacity = MAX(world->frame_capacity * 2, 64);
        world->frames =
            mem_resize(world->frames, (isize)(world->frame_capacity * sizeof *world->frames));
    }
    struct world_frame *frame = &world->frames[world->frame_count++];
    *frame = (struct world_frame){.lsn = lsn,
                                  .first = world->record_count,
                                  .begun = sim_trace_count(world->sim),
                                  .written = -1,
                                  .promised = -1,
                                  .refused = -1};
    return frame;
}

static struct world_frame *find_frame(struct world *world, u64 lsn)
{
    for (u64 i = 0; i < world->frame_count; i++) {
        if (world->frames[i].lsn == lsn) {
            return &world->frames[i];
        }
    }
    return NULL;
}

/* Row of the record in the history, or -1. */
static i64 find_record(const struct world *world, const struct world_frame *frame, u64 no)
{
    u64 first_no = frame->count > 0 ? world->records[frame->first].no : 0; /* Then one by one. */
    return no >= first_no && no - first_no < frame->count ? (i64)(frame->first + (no - first_no))
                                                          : -1;
}

/* The newest frame, of one batch. If it never had numbers the next one gets them. */
static void refused(struct world *world)
{
    struct world_frame *frame = &world->frames[world->frame_count - 1];
    world->refused++;
    if (frame->lsn < world->log->next_lsn) {
        frame->refused = sim_trace_count(world->sim);
    } else {
        world->record_count = frame->first;
        world->frame_count--;
    }
}

/* The log is driven, so what a batch will get is known when it is submitted: it becomes part of the
 * next frame. The callback confirms the numbers. */
static void on_done(struct log_batch *batch, err e, void *ctx)
{
    struct world *world = ctx;
    if (e == ERR_FULL) {
        refused(world);
    } else {
        CHECK(e == OK);
        struct world_frame *frame = find_frame(world, log_batch_lsn(batch));
        CHECK(frame != NULL);
        CHECK(find_record(world, frame, log_batch_record_no(batch, 0)) >= 0);
        frame->promised = frame->promised < 0 ? sim_trace_count(world->sim) : frame->promised;
    }
    mark(world);
    log_batch_free(batch);
}

static int by_channel(const void *a, const void *b)
{
    const struct world_record *x = a;
    const struct world_record *y = b;
    u64 left = (u64)x->channel.stream << 32 | x->channel.shard;
    u64 right = (u64)y->channel.stream << 32 | y->channel.shard;
    if (left != right) {
        return left < right ? -1 : 1;
    }
    return x->id < y->id ? -1 : x->id > y->id;
}

void world_submit(struct world *world, const struct world_put *puts, int count)
{
    struct log_batch *batch = log_batch_new();
    struct world_frame *frame = frame_at(world, world->log->next_lsn);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < puts[i].count; j++) {
            u64 id = world->next_id++;
            u8 *out = log_batch_reserve(batch, puts[i].channel, puts[i].bytes);
            CHECK(out != NULL);
            fill_record(world, out, puts[i].bytes, id);
            note_record(world,
                        (struct world_record){puts[i].channel, frame->lsn, 0, id, puts[i].bytes});
            frame->count++;
        }
    }
    /* Numbers follow the order of channels in the whole frame. */
    struct world_record *records = world->records + frame->first;
    qsort(records, frame->count, sizeof *records, by_channel);
    for (u64 i = 0; i < frame->count; i++) {
        records[i].no = world->log->next_no + i;
    }
    log_submit(world->log, batch, on_done, world);
}

void world_commit(struct world *world)
{
    while (log__commit_once(world->log)) {
    }
    sim_advance_us(world->sim, 1000);
}

void world_put(struct world *world, struct log_channel channel, int count, isize bytes)
{
    struct world_put put = {channel, count, bytes};
    world_submit(world, &put, 1);
    world_commit(world);
}

void world_let_die(struct world *world, struct log_channel channel, u64 kept)
{
    u64 below = world->log->next_no;
    for (u64 i = world->record_count; i > 0 && kept > 0; i--) {
        if (log_channel_eq(world->records[i - 1].channel, channel)) {
            below = world->records[i - 1].no;
            kept--;
        }
    }
    CHECK(world->death_count < COUNT_OF(world->deaths));
    world->deaths[world->death_count++] =
        (struct world_death){sim_trace_count(world->sim), channel, below};
    mark(world);
}

void world_retain(struct world *world)
{
    CHECK(log_retain_now(world->log) == OK);
    mark(world);
}

/* --- judging
 * -------------------------------------------------------------------------------------- */

static bool is_dead_at(const struct world *world, const struct world_record *record, isize point)
{
    for (int i = 0; i < world->death_count; i++) {
        const struct world_death *death = &world->deaths[i];
        if (death->since <= point && log_channel_eq(death->channel, record->channel) &&
            record->no < death->below) {
            return true;
        }
    }
    return false;
}

struct dump {
    u8 *present; /* By record of the history. */
    u64 hash;    /* Of everything that was read. */
    u64 last_lsn, last_no;
    u64 lost; /* Reads that ended in ERR_CORRUPT. */
    bool has_extra;
    bool is_short; /* A frame is gone. */
    i64 last_arrival_ms;
};

static bool take_record(struct world *world, const struct world_frame *frame,
                        struct log_channel channel, const struct log_record *record,
                        struct dump *dump)
{
    i64 row = find_record(world, frame, record->no);
    if (row < 0) {
        return fail(world, "frame %lu has record %lu that nobody wrote", frame->lsn, record->no);
    }
    const struct world_record *known = &world->records[row];
    u8 expected[16 << 10];
    CHECK(known->bytes <= (isize)sizeof expected);
    fill_record(world, expected, known->bytes, known->id);
    if (!log_channel_eq(known->channel, channel) ||
        !str_eq(record->body, str_from(expected, known->bytes))) {
        return fail(world, "record %lu of frame %lu has other bytes", record->no, frame->lsn);
    }
    if (dump->present[row] != 0) {
        return fail(world, "record %lu stands twice, again in frame %lu", record->no, frame->lsn);
    }
    dump->present[row] = 1;
    dump->hash = hash64(record->body.data, record->body.len, dump->hash + record->no);
    return true;
}

static bool take_frame(struct world *world, const struct log_frame *frame, struct dump *dump)
{
    u64 lsn = log_frame_lsn(frame);
    if (lsn <= dump->last_lsn) {
        return fail(world, "frame %lu comes after frame %lu", lsn, dump->last_lsn);
    }
    dump->last_lsn = lsn;
    if (log_frame_arrival_ms(frame) < dump->last_arrival_ms) {
        return fail(world, "frame %lu arrived before the one in front of it", lsn);
    }
    dump->last_arrival_ms = log_frame_arrival_ms(frame);
    if (lsn == world->extra_lsn) {
        dump->has_extra = true;
        return true;
    }
    dump->hash = hash64(&lsn, sizeof lsn, dump->hash);
    struct world_frame *known = find_frame(world, lsn);
    if (known != NULL && known->arrival_ms != 0 &&
        known->arrival_ms != log_frame_arrival_ms(frame)) {
        return fail(world, "frame %lu has another arrival, by %lu ms", lsn,
                    (u64)(log_frame_arrival_ms(frame) - known->arrival_ms));
    }
    for (isize i = 0; i < log_frame_run_count(frame); i++) {
        struct log_run run = log_frame_run(frame, i);
        struct log_record record;
        bool is_meta = run.channel.stream == 0 && run.channel.shard == LOG_CONTROL_META;
        if (known == NULL && !is_meta) {
            return fail(world, "frame %lu was never written", lsn);
        }
        while (log_run_next(&run, &record)) {
            dump->last_no = MAX(dump->last_no, record.no);
            if (!is_meta && !take_record(world, known, run.channel, &record, dump)) {
                return false;
            }
        }
    }
    return true;
}

static bool read_all(struct world *world, struct log *log, struct dump *dump)
{
    u64 lsn = 0;
    for (;;) {
        struct log_frame *frame;
        err e = log_frame_after(log, lsn, &frame);
        if (e == ERR_END) {
            return true;
        }
        if (e == ERR_CORRUPT && world->is_damage_allowed) {
            u64 next = log_skip_after(log, lsn);
            if (next <= lsn) {
                return fail(world, "skipping damage at %lu does not go on: %lu", lsn, next);
            }
            lsn = next;
            dump->lost++;
            continue;
        }
        if (e != OK) {
            return fail(world, "reading behind frame %lu: error %lu", lsn, (u64)e);
        }
        lsn = log_frame_lsn(frame);
        bool is_good = take_frame(world, frame, dump);
        log_frame_unref(frame);
        if (!is_good) {
            return false;
        }
    }
}

/* The same records must be found by channel and number. */
static bool seek_all(struct world *world, struct log *log, const struct dump *dump)
{
    for (u64 i = 0; i < world->record_count; i++) {
        const struct world_record *record = &world->records[i];
        if (dump->present[i] == 0) {
            continue;
        }
        struct log_frame *frame = NULL;
        err e = log_frame_seek(log, record->channel, record->no, &frame);
        if (e == ERR_CORRUPT && world->is_damage_allowed) {
            continue;
        }
        bool is_found = e == OK && log_frame_lsn(frame) == record->lsn;
        log_frame_unref(frame);
        if (!is_found) {
            return fail(world, "record %lu is not found by number, error %lu", record->no, (u64)e);
        }
    }
    return true;
}

static bool judge_dump(struct world *world, struct dump *dump, isize point)
{
    u64 missing_frame = 0;
    for (u64 i = 0; i < world->frame_count; i++) {
        const struct world_frame *frame = &world->frames[i];
        u64 live = 0;
        u64 present = 0;
        for (u64 r = frame->first; r < frame->first + frame->count; r++) {
            if (!is_dead_at(world, &world->records[r], point)) {
                live++;
                present += dump->present[r];
            }
        }
        bool is_promised = frame->promised >= 0 && frame->promised <= point;
        if (present > 0 && frame->refused >= 0 && frame->refused <= point) {
            return fail(world, "frame %lu is there, which was refused", frame->lsn);
        }
        if (present != live && present != 0) {
            return fail(world, "frame %lu is there only in part, %lu records", frame->lsn, present);
        }
        if (live > 0 && present == 0 && frame->refused < 0) {
            if (is_promised && !world->is_damage_allowed) {
                return fail(world, "acknowledged frame %lu is lost at point %lu", frame->lsn,
                            (u64)point);
            }
            if (is_promised && missing_frame != 0) {
                return fail(world, "damage took frames %lu and %lu", missing_frame, frame->lsn);
            }
            missing_frame = frame->lsn;
            dump->is_short = true;
        } else if (present > 0 && missing_frame != 0 && !world->is_damage_allowed) {
            return fail(world, "frame %lu is missing before frame %lu", missing_frame, frame->lsn);
        }
        if (present > 0 && frame->begun > point) {
            return fail(world, "frame %lu is there before it was written", frame->lsn);
        }
    }
    u64 last = world->frame_count > 0 ? world->frames[world->frame_count - 1].lsn : 0;
    if (world->is_damage_allowed && missing_frame != 0 && dump->lost == 0 &&
        missing_frame != last) {
        return fail(world, "frame %lu was lost without an error", missing_frame);
    }
    return true;
}

struct listing {
    u64 segments, others;
};

static bool count_name(void *ctx, const char *name)
{
    struct listing *listing = ctx;
    if (str_ends(str_of(name), STR(".seg"))) {
        listing->segments++;
    } else if (strcmp(name, "LOCK") != 0 && strcmp(name, "STORE") != 0 &&
               strcmp(name, "lost+found") != 0) {
        listing->others++;
    }
    return true;
}

static bool is_tidy(struct world *world, struct os *os, struct log *log)
{
    struct listing listing = {0, 0};
    struct log_stats stats;
    log_get_stats(log, &stats);
    CHECK(os_list(os, DIR, count_name, &listing) == OK);
    if (listing.segments != stats.segments || listing.others != 0) {
        return fail(world, "%lu segment files and %lu others lie about", listing.segments,
                    listing.others);
    }
    u64 damages = stats.corrupt_frames + stats.damaged_parts;
    if (damages != 0 && !world->is_damage_allowed) {
        return fail(world, "%lu times damage where there was only a crash", damages);
    }
    return true;
}

bool world_is_tidy(struct world *world)
{
    return is_tidy(world, sim_os(world->sim), world->log);
}

/* Appends one record: its number must be one that nobody can have seen or been about to see. */
static bool append_one(struct world *world, struct log *log, isize point)
{
    struct log_channel channel = {1, 0};
    struct log_batch *batch = log_batch_new();
    CHECK(log_batch_add(batch, channel, STR("after the crash")) == OK);
    err e = log_commit(log, batch);
    u64 no = e == OK ? log_batch_record_no(batch, 0) : 0;
    world->extra_lsn = e == OK ? log_batch_lsn(batch) : 0;
    log_batch_free(batch);
    if (e != OK) {
        return fail(world, "appending after the crash: error %lu", (u64)e);
    }
    for (u64 i = 0; i < world->frame_count; i++) {
        const struct world_frame *frame = &world->frames[i];
        bool is_used = frame->written >= 0 && frame->written < MAX(point, 1);
        if (is_used && frame->count > 0 &&
            world->records[frame->first + frame->count - 1].no >= no) {
            return fail(world, "record number %lu is given twice (frame %lu)", no, frame->lsn);
        }
    }
    struct log_frame *frame = NULL;
    e = log_frame_seek(log, channel, no, &frame);
    bool is_found = e == OK && log_frame_first_no(frame) == no;
    log_frame_unref(frame);
    return is_found || fail(world, "the record appended after the crash is not found: %lu", (u64)e);
}

static void tally(struct world *world, struct log *log, const struct dump *dump)
{
    struct log_stats stats;
    struct world_tally *t = &world->tally;
    log_get_stats(log, &stats);
    bool is_said = dump->lost > 0 || stats.corrupt_frames > 0 || stats.damaged_parts > 0 ||
                   stats.doubtful_frames > 0;
    u64 *count =
        dump->is_short ? (is_said ? &t->lost : &t->torn) : (is_said ? &t->noticed : &t->silent);
    (*count)++;
}

static bool open_and_read(struct world *world, struct sim *image, isize point, u64 *hash_out,
                          bool is_appending)
{
    struct log *log;
    struct diag diag;
    diag_init(&diag);
    err e = log__open_driven(sim_os(image), &world->options, &log, &diag);
    if (e != OK) {
        bool is_allowed = world->is_refusal_allowed && e == ERR_CORRUPT && diag_is_set(&diag);
        world->tally.refused++;
        return (world->is_damage_allowed && is_allowed) ||
               fail(world, "the log does not open at point %lu: error %lu", (u64)point, (u64)e);
    }
    struct dump dump = {.present = mem_zalloc((isize)world->record_count + 1), .hash = 1};
    bool is_good = read_all(world, log, &dump) && seek_all(world, log, &dump) &&
                   judge_dump(world, &dump, point) && is_tidy(world, sim_os(image), log);
    if (is_good && world->extra_lsn != 0 && !dump.has_extra) {
        is_good =
            fail(world, "what was appended after the crash is lost, frame %lu", world->extra_lsn);
    }
    if (is_good && is_appending) {
        is_good = append_one(world, log, point);
    }
    *hash_out = dump.hash;
    tally(world, log, &dump);
    mem_free(dump.present);
    log__abandon(log);
    return is_good;
}

struct deep {
    struct world *world;
    isize point;
};

static bool check_plain(struct world *world, struct sim *image, isize point)
{
    u64 first = 0;
    u64 again = 0;
    bool is_early = world->checked++ % 2 == 1; /* Append at the first start or the second. */
    world->extra_lsn = 0;
    if (!open_and_read(world, image, point, &first, is_early)) {
        return false;
    }
    if (world->is_damage_allowed) {
        return true;
    }
    if (!open_and_read(world, image, point, &again, !is_early)) {
        return false;
    }
    return first == again ||
           fail(world, "a second start reads something else at point %lu", (u64)point);
}

static bool check_deep(void *ctx, struct sim *image, isize point)
{
    (void)point; /* Of the recovery; what must be there follows from the first crash. */
    const struct deep *deep = ctx;
    return check_plain(deep->world, image, deep->point);
}

/* A second crash, inside the recovery from the first. */
static bool crash_again(struct world *world, struct sim *image, isize point)
{
    struct sim *start = sim_clone(image);
    struct sim *traced = sim_clone(image);
    sim_trace_start(traced);
    struct log *log;
    err e = log__open_driven(sim_os(traced), &world->options, &log, NULL);
    bool is_good = e == OK;
    if (is_good) {
        log__abandon(log);
        struct deep deep = {world, point};
        struct crash_run run = {.start = start,
                                .traced = traced,
                                .subsets_bits = 3,
                                .random_count = 4,
                                .seed = (u64)point * 7919 + 1,
                                .check = check_deep,
                                .ctx = &deep,
                                .seen = world->seen};
        is_good = crash_enumerate(&run);
    }
    sim_free(traced);
    sim_free(start);
    return is_good;
}

bool world_check(void *ctx, struct sim *image, isize point)
{
    struct world *world = ctx;
    bool is_deep = world->deep_every != 0 && world->checked % world->deep_every == 0;
    struct sim *copy = is_deep ? sim_clone(image) : NULL;
    bool is_good = check_plain(world, image, point);
    if (is_good && is_deep) {
        is_good = crash_again(world, copy, point);
    }
    sim_free(copy);
    return is_good;
}

/* --- crashing for good
 * ------------------------------------------------------------------------------ */

static bool is_synced(const struct sim *sim, isize index, isize cut)
{
    const struct sim_op *op = sim_trace_op(sim, index);
    bool is_content = op->kind == SIM_WRITE || op->kind == SIM_SIZE;
    for (isize i = index + 1; i < cut; i++) {
        const struct sim_op *sync = sim_trace_op(sim, i);
        if (is_content && sync->kind == SIM_SYNC && sync->inode == op->inode) {
            return true;
        }
        if (!is_content && sync->kind == SIM_SYNC_DIR &&
            sim_has_same_directory(sync->name, op->name)) {
            return true;
        }
    }
    return false;
}

/* Reads what survived: of frames that were never promised, history keeps what is there. */
static void reconcile(struct world *world)
{
    for (u64 i = world->frame_count; i > 0; i--) {
        struct world_frame *known = &world->frames[i - 1];
        if (known->promised >= 0) {
            continue;
        }
        struct log_frame *frame;
        err e = log_frame_after(world->log, known->lsn - 1, &frame);
        bool is_there = e == OK && log_frame_lsn(frame) == known->lsn;
        if (e == OK) {
            log_frame_unref(frame);
        }
        if (is_there) {
            CHECK(known->refused < 0);
            known->promised = 0;
        } else if (known->refused < 0 || i == world->frame_count) { /* Its LSN is given again. */
            CHECK(i == world->frame_count);
            world->record_count = known->first;
            world->frame_count--;
        }
    }
}

void world_crash(struct world *world, isize back, u64 seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    struct sim *after = sim_clone(world->start);
    isize cut = MAX(sim_trace_count(world->sim) - back, 0);
    for (u64 i = 0; i < world->frame_count; i++) {
        struct world_frame *frame = &world->frames[i];
        frame->promised = frame->promised > cut ? -1 : frame->promised;
        frame->refused = frame->refused > cut ? -1 : frame->refused;
    }
    for (isize i = 0; i < cut; i++) {
        const struct sim_op *op = sim_trace_op(world->sim, i);
        bool is_sync = op->kind == SIM_SYNC || op->kind == SIM_SYNC_DIR;
        if (!is_sync && (is_synced(world->sim, i, cut) || rng_below(&rng, 2) == 0)) {
            sim_apply(after, op);
        }
    }
    sim_advance_us(after, 1000000);
    log__abandon(world->log);
    world->log = NULL;
    sim_free(world->sim);
    sim_free(world->start);
    world->start = NULL;
    world->sim = after;
    world_open(world);
    reconcile(world);
}
