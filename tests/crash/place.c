/* tests/crash/place.c: log, streams, jobs and replays on a simulated disk. */
#include "place.h"

#include "service.h"

#include "base/hash.h"
#include "engine/engine_int.h"
#include "os/thread.h"

/* A job that waits for room lets the disk's clock run; records must not come of age. */
#define WAIT_SIM_NS ((u64)3600 * 1000000000)

enum {
    SEGMENT_BYTES = 1 << 15,
    BALLAST_BYTES = 6 << 10,
    BALLAST_ROWS = 4,
    SPINS = 2000,
    WAIT_MS = 20000
};

struct stream_id place_id(const char *name)
{
    return (struct stream_id){STR("000000000000"), STR("us-east-1"), str_of(name)};
}

void place_close(struct place *p)
{
    replays_close(p->replays);
    engine_close(p->engine);
    if (p->streams != NULL) {
        streams_close(p->streams);
    }
    if (p->log != NULL) {
        log_close(p->log);
    }
    *p = (struct place){0};
}

static bool parts_open(struct place *p, int parts)
{
    struct diag diag;
    diag_init(&diag);
    if ((parts & PLACE_ENGINE) != 0 &&
        engine_open(service_os, p->streams, "/data", &p->engine, &diag) != OK) {
        return false;
    }
    struct replays_env env = {.os = service_os, .streams = p->streams};
    return (parts & PLACE_REPLAYS) == 0 || replays_open(&env, &p->replays, &diag) == OK;
}

bool place_open(struct place *p, int parts)
{
    struct diag diag;
    diag_init(&diag);
    *p = (struct place){.os = service_os};
    struct log_options options = {
        .dir = "/data/log", .segment_bytes = SEGMENT_BYTES, .reserve_bytes = 1};
    bool is_open = log_open(service_os, &options, &p->log, &diag) == OK &&
                   streams_open(service_os, p->log, &p->streams, &diag) == OK &&
                   parts_open(p, parts);
    if (!is_open) {
        place_close(p);
    }
    return is_open;
}

/* --- streams ------------------------------------------------------------------------------- */

void place_make(struct place *p, const char *name, i32 shards)
{
    struct stream_spec spec = {.id = place_id(name), .shard_count = shards};
    service_must(stream_create_wait(p->streams, &spec), "create");
}

struct stream *place_find(struct place *p, const char *name)
{
    struct stream *stream = streams_find(p->streams, place_id(name));
    CHECK(stream != NULL);
    return stream;
}

void place_drop(struct place *p, const char *name)
{
    struct stream *stream = place_find(p, name);
    service_must(stream_delete_wait(stream), "delete");
    stream_unref(stream);
}

void place_put(struct place *p, const char *name, str data)
{
    place_put_to(p, place_id(name), data);
}

void place_put_to(struct place *p, struct stream_id id, str data)
{
    struct stream *stream = streams_find(p->streams, id);
    CHECK(stream != NULL);
    struct log_batch *batch = log_batch_new();
    struct stream_record record = {.partition_key = STR("k"), .data = data};
    service_must(stream_batch_add(stream, batch, &record, NULL), "record");
    service_must(log_commit(p->log, batch), "commit");
    log_batch_free(batch);
    stream_unref(stream);
}

void place_ballast(struct place *p)
{
    static u8 zeros[BALLAST_BYTES];
    place_make(p, "ballast", 1);
    for (int i = 0; i < BALLAST_ROWS; i++) {
        place_put(p, "ballast", str_from(zeros, BALLAST_BYTES));
    }
    place_drop(p, "ballast");
    service_must(log_retain_now(p->log), "retain");
}

u64 place_page_hash(const struct stream_page *page, u64 hash)
{
    struct stream_rows cursor;
    struct stream_row row;
    if (page == NULL) {
        return hash;
    }
    stream_page_begin(page, &cursor);
    while (stream_page_next(&cursor, &row)) {
        hash = hash64(row.record.data.data, row.record.data.len, hash);
    }
    return hash;
}

struct stream_page *place_page(struct place *p, const char *name)
{
    struct stream *stream = streams_find(p->streams, place_id(name));
    struct stream_read_limits limits = {.rows_max = 1000, .bytes_max = 1 << 20};
    struct stream_page *page = NULL;
    u64 next = 0;
    i64 behind;
    if (stream == NULL) {
        return NULL;
    }
    err e = stream_read(stream, 0, 0, &limits, &page, &next, &behind);
    stream_unref(stream);
    return e == OK ? page : NULL;
}

/* --- jobs ---------------------------------------------------------------------------------- */

void place_execute(struct place *p, const char *sql)
{
    struct stream_id id = place_id("");
    struct engine_session *session = engine_session_new(p->engine, id.account, id.region);
    struct arena arena = {0};
    struct engine_options options = {.mode = ENGINE_AGAIN};
    struct engine_result result = {.columns = NULL};
    struct diag diag;
    diag_init(&diag);
    service_must(engine_execute(session, str_of(sql), &options, &arena, &result, &diag),
                 diag.message);
    arena_deinit(&arena);
    engine_session_free(session);
}

bool place_wait(struct place *p, int turn)
{
    u64 now_ns = os_mono_ns(p->os);
    p->began_ns = turn == 0 ? now_ns : p->began_ns;
    if (turn < SPINS) {
        os_thread_yield();
    } else {
        os_sleep_ms(os_real(), 1);
    }
    return turn < SPINS + WAIT_MS && now_ns - p->began_ns < WAIT_SIM_NS;
}

bool place_settle(struct place *p)
{
    for (struct engine_job *job = p->engine->jobs; job != NULL; job = job->next) {
        int turn = 0;
        while (__atomic_load_n(&job->position, __ATOMIC_ACQUIRE) < log_tip(p->log)) {
            if (job->state != ENGINE_RUNNING || !place_wait(p, turn++)) {
                return false;
            }
        }
    }
    return true;
}
