/* tests/crash/engine_scripts.c: a job with windows and one without, their journal and snapshots.
 * Each step puts one row; once the jobs have caught up, the output is a function of the rows that
 * are there, whatever crash came between. What a reader saw keeps its number too: one that goes on
 * behind it would see it twice. */
#include "place.h"
#include "service.h"

#include "base/hash.h"
#include "base/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 14 };

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

static u64 rows_look(struct place *p, const char *name, u64 hash)
{
    struct stream_page *page = place_page(p, name);
    isize count = page == NULL ? -1 : stream_page_count(page);
    hash = hash64(&count, sizeof count, hash);
    hash = place_page_hash(page, hash);
    stream_page_free(page);
    return hash;
}

enum { OUTPUTS = 2, ROWS_MAX = 100 };
static const char *const outputs[OUTPUTS] = {"out", "plain"};

/* Numbers of the records that had been published after each step. */
static struct published {
    isize count;
    u64 numbers[ROWS_MAX];
} published[SERVICE_STEPS_MAX + 1][OUTPUTS];

static void published_read(struct place *p, const char *name, struct published *out)
{
    struct stream_page *page = place_page(p, name);
    out->count = page == NULL ? 0 : stream_page_count(page);
    CHECK(out->count <= ROWS_MAX);
    if (page != NULL) {
        struct stream_rows cursor;
        struct stream_row row;
        stream_page_begin(page, &cursor);
        for (isize i = 0; stream_page_next(&cursor, &row); i++) {
            out->numbers[i] = row.no;
        }
    }
    stream_page_free(page);
}

static void published_note(struct place *p, int step)
{
    for (int i = 0; i < OUTPUTS; i++) {
        published_read(p, outputs[i], &published[step][i]);
    }
}

static bool published_is_there(struct place *p, int step)
{
    bool is_there = true;
    for (int i = 0; i < OUTPUTS; i++) {
        const struct published *before = &published[step][i];
        struct published now;
        published_read(p, outputs[i], &now);
        is_there = is_there && now.count >= before->count &&
                   memcmp(now.numbers, before->numbers,
                          (size_t)before->count * sizeof now.numbers[0]) == 0;
    }
    return is_there;
}

static u64 look(struct place *p)
{
    if (!place_settle(p)) {
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
    if (!place_open(&p, PLACE_ENGINE)) {
        return 0;
    }
    u64 result = look(&p);
    bool is_there = published_is_there(&p, service_acknowledged);
    place_close(&p);
    result = is_there ? result : 0;
    return __atomic_load_n(&is_snapshot_lost, __ATOMIC_ACQUIRE) ? 0 : result;
}

static void put_row(struct place *p, int second)
{
    char text[80];
    (void)snprintf(text, sizeof text, "{\"k\":%d,\"ts\":\"2026-01-01 00:00:%02d\"}", second % 2,
                   second);
    place_put(p, "in", str_of(text));
}

void engine_run(struct service_script *script)
{
    static const char *const names[] = {"in", "out", "plain"};
    struct place p;
    CHECK(setenv("LEAT_SNAPSHOT_STEPS", "2", 1) == 0);
    CHECK(setenv("LEAT_SNAPSHOT_PIECE_BYTES", "1", 1) == 0);
    CHECK(setenv("LEAT_STEP_FRAMES", "1", 1) == 0);
    service_must(place_open(&p, PLACE_ENGINE) ? OK : ERR_IO, "open");
    for (int i = 0; i < COUNT_OF(names); i++) {
        place_make(&p, names[i], 1);
    }
    for (int i = 0; i < COUNT_OF(statements); i++) {
        place_execute(&p, statements[i]);
    }
    published_note(&p, 0);
    service_begin(script, look(&p));
    for (int i = 0; i < ROWS; i++) {
        put_row(&p, i);
        u64 seen = look(&p);
        service_must(seen != 0 ? OK : ERR_IO, "job");
        published_note(&p, i + 1);
        service_step(script, seen);
    }
    place_close(&p);
}
