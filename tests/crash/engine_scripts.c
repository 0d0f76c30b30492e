/* tests/crash/engine_scripts.c: a job with windows and one without, their journal and snapshots.
 * Each step puts one row; once the jobs have caught up, the output is a function of the rows that
 * are there, whatever crash came between. */
#include "service.h"

#include "base/hash.h"
#include "base/trace.h"
#include "engine/engine_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 14, WAIT_MS = 20000 };

struct place {
    struct log *log;
    struct streams *streams;
    struct engine *engine;
};

static const char *const statements[] = {
    "CREATE TABLE t (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH "
    "('connector'='kinesis','stream'='in','aws.region'='us-east-1',"
    "'scan.stream.initpos'='TRIM_HORIZON','format'='json')",
    "CREATE TABLE o (k INT, n BIGINT) WITH "
    "('connector'='kinesis','stream'='out','aws.region'='us-east-1','format'='json')",
    "CREATE TABLE p (k INT) WITH "
    "('connector'='kinesis','stream'='plain','aws.region'='us-east-1','format'='json')",
    "INSERT INTO o SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
    "INTERVAL '3' SECOND)) GROUP BY k, window_start, window_end",
    "INSERT INTO p SELECT k FROM t",
};

static struct stream_id id_of(const char *name)
{
    return (struct stream_id){STR("000000000000"), STR("us-east-1"), str_of(name)};
}

static void place_close(struct place *p)
{
    if (p->engine != NULL) {
        engine_close(p->engine);
    }
    if (p->streams != NULL) {
        streams_close(p->streams);
    }
    if (p->log != NULL) {
        log_close(p->log);
    }
}

static bool place_open(struct place *p)
{
    struct diag diag;
    diag_init(&diag);
    *p = (struct place){0};
    struct log_options options = {.dir = "/data/log", .segment_bytes = 1 << 15, .reserve_bytes = 1};
    bool is_open = log_open(service_os, &options, &p->log, &diag) == OK &&
                   streams_open(service_os, p->log, &p->streams, &diag) == OK &&
                   engine_open(service_os, p->streams, "/data", &p->engine, &diag) == OK;
    if (!is_open) {
        place_close(p);
    }
    return is_open;
}

/* False when a job does not run any more. */
static bool settle(struct place *p)
{
    for (struct engine_job *job = p->engine->jobs; job != NULL; job = job->next) {
        int waited = 0;
        while (__atomic_load_n(&job->position, __ATOMIC_ACQUIRE) < log_tip(p->log)) {
            bool is_running = job->state == ENGINE_RUNNING;
            if (!is_running || waited++ > WAIT_MS) {
                return false;
            }
            os_sleep_ms(os_real(), 1);
        }
    }
    return true;
}

static u64 rows_look(struct place *p, const char *name, u64 hash)
{
    struct stream *stream = streams_find(p->streams, id_of(name));
    struct stream_read_limits limits = {.rows_max = 1000, .bytes_max = 1 << 20};
    struct stream_page *page;
    u64 next = 0;
    i64 behind;
    if (stream == NULL) {
        return hash64(name, 1, hash);
    }
    if (stream_read(stream, 0, 0, &limits, &page, &next, &behind) == OK) {
        isize count = stream_page_count(page);
        hash = hash64(&count, sizeof count, hash);
        for (isize i = 0; i < count; i++) {
            str data = stream_page_row(page, i)->record.data;
            hash = hash64(data.data, data.len, hash);
        }
        stream_page_free(page);
    }
    stream_unref(stream);
    return hash;
}

static u64 look(struct place *p)
{
    if (!settle(p)) {
        return 0;
    }
    return rows_look(p, "in", rows_look(p, "out", rows_look(p, "plain", 1))) | 1;
}

/* A power failure is no damage: a snapshot that the journal names is whole. */
static bool is_snapshot_lost; /* Atomic. */

static void watch(void *ctx, str line)
{
    (void)ctx;
    if (str_find(line, STR("a snapshot cannot be used"), 0) >= 0) {
        __atomic_store_n(&is_snapshot_lost, true, __ATOMIC_RELEASE);
    }
}

u64 engine_read(void)
{
    struct place p;
    is_snapshot_lost = false;
    trace_set_sink(watch, NULL, NULL);
    if (!place_open(&p)) {
        return 0;
    }
    u64 result = look(&p);
    place_close(&p);
    return __atomic_load_n(&is_snapshot_lost, __ATOMIC_ACQUIRE) ? 0 : result;
}

static void execute(struct place *p, const char *text)
{
    struct engine_session *session =
        engine_session_new(p->engine, id_of("").account, id_of("").region);
    struct arena arena = {0};
    struct engine_options options = {.mode = ENGINE_AGAIN};
    struct engine_result result = {.columns = NULL};
    struct diag diag;
    diag_init(&diag);
    service_must(engine_execute(session, str_of(text), &options, &arena, &result, &diag),
                 diag.message);
    arena_deinit(&arena);
    engine_session_free(session);
}

static void put_row(struct place *p, int second)
{
    char text[80];
    (void)snprintf(text, sizeof text, "{\"k\":%d,\"ts\":\"2026-01-01 00:00:%02d\"}", second % 2,
                   second);
    struct stream *stream = streams_find(p->streams, id_of("in"));
    struct log_batch *batch = log_batch_new();
    struct stream_record record = {.partition_key = STR("k"), .data = str_of(text)};
    service_must(stream_batch_add(stream, batch, &record, NULL), "record");
    service_must(log_commit(p->log, batch), "commit");
    log_batch_free(batch);
    stream_unref(stream);
}

void engine_run(struct service_script *script)
{
    static const char *const names[] = {"in", "out", "plain"};
    struct place p;
    CHECK(setenv("LEAT_SNAPSHOT_STEPS", "2", 1) == 0);
    CHECK(setenv("LEAT_SNAPSHOT_PIECE_BYTES", "1", 1) == 0);
    CHECK(setenv("LEAT_STEP_FRAMES", "1", 1) == 0);
    service_must(place_open(&p) ? OK : ERR_IO, "open");
    for (int i = 0; i < COUNT_OF(names); i++) {
        struct stream_spec spec = {.id = id_of(names[i]), .shard_count = 1};
        service_must(stream_create_wait(p.streams, &spec), "stream");
    }
    for (int i = 0; i < COUNT_OF(statements); i++) {
        execute(&p, statements[i]);
    }
    service_begin(script, look(&p));
    for (int i = 0; i < ROWS; i++) {
        put_row(&p, i);
        u64 seen = look(&p);
        service_must(seen != 0 ? OK : ERR_IO, "job");
        service_step(script, seen);
    }
    place_close(&p);
}
