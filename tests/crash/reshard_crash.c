/*
 * tests/crash/reshard_crash.c: power failures while streams are resharded: of every
 * state that a crash could leave, the shards with their lineage, times and records are
 * those of the last acknowledged step or of the one that was under way, and a put goes
 * into an open shard. One script lets a reshard overtake batches, one has the catalog
 * restated while retention drops what was before.
 */
#include "enumerate.h"

#include "base/hash.h"
#include "stream/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 64, STATES_MIN = 500, KEYS = 12, TAGS = 50, TAG_BYTES = 250 };

static struct os machine;
static struct os_fs lying_fs;

/* A disk that says "done" and does nothing: what the test must find. */
static err lie(struct os_file *file)
{
    (void)file;
    return OK;
}

static void machine_set(struct sim *sim, bool is_lying)
{
    machine = *sim_os(sim);
    if (is_lying) {
        lying_fs = *machine.fs;
        lying_fs.sync = lie;
        machine.fs = &lying_fs;
    }
}

struct place {
    struct log *log;
    struct streams *streams;
    struct stream *stream;
};

struct script {
    const char *name;
    void (*run)(struct script *script, struct place *p);
    struct sim *sim, *start;
    isize marks[STEPS_MAX];   /* Trace position after each step. */
    u64 looks[STEPS_MAX + 1]; /* Before the first step and after each. */
    int steps;
    char why[200];
};

static void must(err e, const char *what)
{
    if (e != OK) {
        (void)fprintf(stderr, "%s: %s\n", what, err_text(e));
        exit(1);
    }
}

static struct stream_id id_of(const char *name)
{
    return (struct stream_id){STR("000000000000"), STR("us-east-1"), str_of(name)};
}

static bool place_open(struct place *p)
{
    struct diag diag;
    diag_init(&diag);
    *p = (struct place){0};
    struct log_options options = {.dir = "/log", .segment_bytes = 1 << 15, .reserve_bytes = 1};
    if (log_open(&machine, &options, &p->log, &diag) != OK) {
        return false;
    }
    if (streams_open(&machine, p->log, &p->streams, &diag) != OK) {
        log_close(p->log);
        return false;
    }
    p->stream = streams_find(p->streams, id_of("s"));
    return true;
}

static void place_close(struct place *p)
{
    stream_unref(p->stream);
    streams_close(p->streams);
    log_close(p->log);
}

/* --- looking ------------------------------------------------------------------------------- */

static u64 rows_look(struct stream *stream, u32 shard, u64 hash)
{
    struct stream_read_limits limits = {.rows_max = 10000, .bytes_max = 1 << 20};
    struct stream_page *page;
    u64 next;
    i64 behind;
    must(stream_read(stream, shard, 1, &limits, &page, &next, &behind), "read");
    bool at_end = stream_page_at_end(page);
    hash = hash64(&at_end, sizeof at_end, hash);
    struct stream_rows cursor;
    struct stream_row row;
    stream_page_begin(page, &cursor);
    while (stream_page_next(&cursor, &row)) {
        hash = hash64(row.record.data.data, row.record.data.len, hash + row.no);
    }
    stream_page_free(page);
    return hash;
}

static u64 look(struct place *p)
{
    u64 hash = 1;
    struct stream_shard shard;
    for (i32 i = 0; stream_get_shard(p->stream, i, &shard); i++) {
        i64 numbers[] = {shard.index,     (i64)shard.closed_no, shard.created_ms,
                         shard.closed_ms, shard.parent,         shard.adjacent_parent};
        hash = hash64(numbers, sizeof numbers, hash);
        hash = hash64(&shard.hash_first, sizeof shard.hash_first, hash);
        hash = hash64(&shard.hash_last, sizeof shard.hash_last, hash);
        hash = rows_look(p->stream, shard.index, hash);
    }
    return hash;
}

static err put(struct place *p, int count, u32 *shards)
{
    struct log_batch *batch = log_batch_new();
    for (int i = 0; i < count; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key-%d", i);
        struct stream_record record = {.partition_key = str_of(key), .data = str_of(key)};
        must(stream_batch_add(p->stream, batch, &record, &shards[i]), "record");
    }
    err e = log_commit(p->log, batch);
    stream_batch_settle(batch, shards, count);
    log_batch_free(batch);
    return e;
}

/* What is put now goes into shards that are open and hold the keys. */
static bool takes_records(struct place *p)
{
    u32 shards[KEYS];
    must(put(p, KEYS, shards), "put");
    for (int i = 0; i < KEYS; i++) {
        struct stream_shard shard;
        char key[16];
        (void)snprintf(key, sizeof key, "key-%d", i);
        u128 hash = stream_hash_key(str_of(key));
        if (!stream_find_shard(p->stream, shards[i], &shard) || shard.closed_ms != 0 ||
            hash < shard.hash_first || hash > shard.hash_last) {
            return false;
        }
    }
    return true;
}

/* --- scripts ------------------------------------------------------------------------------- */

static void step_done(struct script *script, struct place *p)
{
    CHECK(script->steps < STEPS_MAX);
    script->marks[script->steps++] = sim_trace_count(script->sim);
    script->looks[script->steps] = look(p);
    sim_advance_us(script->sim, 700000);
}

static void put_step(struct script *script, struct place *p)
{
    u32 shards[KEYS];
    must(put(p, KEYS, shards), "put");
    step_done(script, p);
}

static void split(struct script *script, struct place *p, u32 index)
{
    struct stream_shard shard;
    CHECK(stream_find_shard(p->stream, index, &shard));
    u128 middle = shard.hash_first + (shard.hash_last - shard.hash_first) / 2;
    must(stream_split_wait(p->stream, index, middle), "split");
    step_done(script, p);
}

static void lineage_run(struct script *script, struct place *p)
{
    put_step(script, p);
    split(script, p, 0);
    put_step(script, p);
    split(script, p, 2);
    must(stream_merge_wait(p->stream, 1, 3), "merge");
    step_done(script, p);
    put_step(script, p);
    must(stream_scale_wait(p->stream, 3), "scale");
    step_done(script, p);
    put_step(script, p);
    must(stream_scale_wait(p->stream, 5), "scale");
    step_done(script, p);
    must(stream_scale_wait(p->stream, 3), "scale");
    step_done(script, p);
    put_step(script, p);
}

struct landing {
    int is_done; /* Atomic. */
};

static void on_batch(struct log_batch *batch, err e, void *ctx)
{
    (void)batch;
    must(e, "batch");
    __atomic_store_n(&((struct landing *)ctx)->is_done, 1, __ATOMIC_RELEASE);
}

/* A batch that was filled for a shard which then is split, and comes behind the split. */
static void overtaken_run(struct script *script, struct place *p)
{
    for (u32 round = 0; round < 5; round++) {
        struct log_batch *batch = log_batch_new();
        struct landing landing = {0};
        for (int i = 0; i < KEYS; i++) {
            char key[16];
            (void)snprintf(key, sizeof key, "key-%d", i);
            struct stream_record record = {.partition_key = str_of(key), .data = str_of(key)};
            must(stream_batch_add(p->stream, batch, &record, NULL), "record");
        }
        split(script, p, 2 * round);
        log_submit(p->log, batch, on_batch, &landing);
        while (__atomic_load_n(&landing.is_done, __ATOMIC_ACQUIRE) == 0) {
            os_sleep_ms(os_real(), 1);
        }
        log_batch_free(batch);
        step_done(script, p);
    }
}

static void on_change(void *ctx, err e)
{
    must(e, "tags");
    __atomic_store_n((int *)ctx, 1, __ATOMIC_RELEASE);
}

/* As many bytes as a stream's tags may have: the catalog grows, and is restated. */
static void fill_catalog(struct place *p, u8 byte)
{
    int is_done = 0;
    char keys[TAGS][8];
    u8 value[TAG_BYTES];
    struct stream_tag tags[TAGS];
    struct stream *other = streams_find(p->streams, id_of("other"));
    memset(value, 'a' + byte % 20, sizeof value);
    for (int i = 0; i < TAGS; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%d", i);
        tags[i] = (struct stream_tag){str_of(keys[i]), str_from(value, TAG_BYTES)};
    }
    must(stream_set_tags(other, tags, TAGS, NULL, 0, on_change, &is_done), "tags");
    while (__atomic_load_n(&is_done, __ATOMIC_ACQUIRE) == 0) {
        os_sleep_ms(os_real(), 1);
    }
    stream_unref(other);
}

static void restated_run(struct script *script, struct place *p)
{
    for (u8 round = 0; round < 24; round++) {
        if (round % 8 == 2) {
            must(stream_scale_wait(p->stream, 2 + round / 8), "scale");
            step_done(script, p);
            put_step(script, p);
        }
        fill_catalog(p, round);
        must(log_retain_now(p->log), "retain");
    }
    put_step(script, p);
}

/* --- judgement ----------------------------------------------------------------------------- */

static bool check(void *ctx, struct sim *image, isize point)
{
    struct script *script = ctx;
    struct place p;
    machine_set(image, false);
    int acknowledged = 0;
    while (acknowledged < script->steps && script->marks[acknowledged] <= point) {
        acknowledged++;
    }
    if (!place_open(&p)) {
        (void)snprintf(script->why, sizeof script->why, "at operation %td: it does not open",
                       point);
        return false;
    }
    bool is_there = p.stream != NULL;
    u64 found = is_there ? look(&p) : 0;
    int next = MIN(acknowledged + 1, script->steps);
    bool is_right =
        is_there && (found == script->looks[acknowledged] || found == script->looks[next]);
    is_right = is_right && takes_records(&p);
    place_close(&p);
    if (!is_right) {
        (void)snprintf(script->why, sizeof script->why,
                       "at operation %td: not as after step %d or %d", point, acknowledged, next);
    }
    return is_right;
}

static void script_run(struct script *script)
{
    struct place p;
    CHECK(place_open(&p));
    static const char *const names[] = {"s", "other"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        struct stream_spec spec = {.id = id_of(names[i]), .shard_count = 1};
        must(stream_create_wait(p.streams, &spec), "create");
    }
    p.stream = streams_find(p.streams, id_of("s"));
    script->start = sim_clone_traced(script->sim);
    script->looks[0] = look(&p);
    script->run(script, &p);
    place_close(&p);
}

/* True when every state is as it must be, and there were enough of them. */
static bool script_judge(struct script *script, bool is_lying)
{
    script->sim = sim_new(5);
    machine_set(script->sim, is_lying);
    script_run(script);
    struct crash_run run = {
        .start = script->start,
        .traced = script->sim,
        .marks = script->marks,
        .mark_count = script->steps,
        .subsets_bits = 4,
        .random_count = 20,
        .seed = 13,
        .check = check,
        .ctx = script,
        .seen = crash_seen_new(),
    };
    bool is_right = crash_enumerate(&run);
    u64 distinct = crash_seen_count(run.seen);
    (void)printf("%-10s %2d steps, %6td operations, %6llu distinct states: %s%s\n", script->name,
                 script->steps, sim_trace_count(script->sim), (unsigned long long)distinct,
                 is_right   ? "ok"
                 : is_lying ? "found, as planted: "
                            : "VIOLATION ",
                 script->why);
    crash_seen_free(run.seen);
    sim_trace_stop(script->sim);
    sim_free(script->start);
    sim_free(script->sim);
    return is_right && distinct >= STATES_MIN;
}

int main(void)
{
    const struct script scripts[] = {
        {.name = "lineage", .run = lineage_run},
        {.name = "overtaken", .run = overtaken_run},
        {.name = "restated", .run = restated_run},
    };
    bool is_right = true;
    for (int i = 0; i < COUNT_OF(scripts); i++) {
        struct script honest = scripts[i], planted = scripts[i];
        is_right = script_judge(&honest, false) && is_right;
        is_right = !script_judge(&planted, true) && planted.why[0] != '\0' && is_right;
    }
    return is_right ? 0 : 1;
}
