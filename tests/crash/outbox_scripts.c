/* tests/crash/outbox_scripts.c: what leaves leat through the outbox. Each step puts one row and
 * waits until it is delivered, while cursors are restated and retention drops what is behind them.
 *
 * outbox_files: files of the disk itself, in ranges that are written down first: every row is in
 * them once, and a file that somebody may have seen never changes.
 * outbox_calls: calls of a service that forgets nothing and cannot tell a repeat: every row is
 * called at least once and in order, none again once its step was acknowledged; what is refused
 * is one dead letter. */
#include "place.h"
#include "service.h"

#include "base/hash.h"
#include "engine/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT "/out"

enum { ROWS = 8, PROBE = 97, REFUSED_OF = 5, BALLAST_EVERY = 3, TRIES = 3 };
enum { FILES_MAX = 64, NAME_BYTES = 128, FILE_BYTES_MAX = 1 << 10 };

static const char input[] =
    "CREATE TABLE t (k INT) WITH ('connector'='kinesis','stream'='in','aws.region'='us-east-1',"
    "'scan.stream.initpos'='TRIM_HORIZON','format'='json')";
static const char files[] =
    "CREATE TABLE o (k INT) WITH ('connector'='filesystem','path'='" OUT "','format'='csv',"
    "'sink.rolling-policy.rollover-interval'='0 ms')";
static const char calls[] = "CREATE TABLE o (k INT) WITH ('connector'='print')";

/* --- the outside --------------------------------------------------------------------------- */

struct outside {
    isize count;
    struct outside_file {
        char name[NAME_BYTES];
        char text[FILE_BYTES_MAX];
    } files[FILES_MAX];
};

static bool file_note(void *ctx, const char *name)
{
    struct outside *o = ctx;
    if (strstr(name, ".inprogress") == NULL) {
        CHECK(o->count < FILES_MAX);
        str_copy_cstr(str_of(name), o->files[o->count++].name, NAME_BYTES);
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct outside_file *)a)->name, ((const struct outside_file *)b)->name);
}

static void file_read(struct os *os, struct outside_file *out)
{
    char path[NAME_BYTES + sizeof OUT];
    struct os_file *file;
    struct os_stat stat;
    (void)snprintf(path, sizeof path, OUT "/%s", out->name);
    service_must(os_open(os, path, OS_READ, &file), "open");
    service_must(os_stat_file(file, &stat), "stat");
    CHECK(stat.bytes < FILE_BYTES_MAX);
    service_must(os_read_exact(file, 0, (u8 *)out->text, (isize)stat.bytes), "read");
    out->text[stat.bytes] = '\0';
    service_must(os_close(file), "close");
}

/* Finished files in the order of their names. */
static void outside_read(struct os *os, struct outside *out)
{
    out->count = 0;
    if (os_list(os, OUT, file_note, out) != OK) {
        return;
    }
    qsort(out->files, (size_t)out->count, sizeof out->files[0], by_name);
    for (isize i = 0; i < out->count; i++) {
        file_read(os, &out->files[i]);
    }
}

static bool is_kept(const struct outside *before, const struct outside *now)
{
    bool is_kept = true;
    for (isize i = 0, at = 0; i < before->count && is_kept; i++) {
        while (at < now->count && by_name(&now->files[at], &before->files[i]) < 0) {
            at++;
        }
        is_kept = at < now->count && by_name(&now->files[at], &before->files[i]) == 0 &&
                  strcmp(now->files[at].text, before->files[i].text) == 0;
    }
    return is_kept;
}

/* A call leaves an empty file whose name is its turn and its row. */
static err call(struct os *os, int row)
{
    struct outside *seen = mem_zalloc((isize)sizeof *seen);
    char path[NAME_BYTES];
    struct os_file *file;
    err e = os_mkdir_all(os, OUT);
    outside_read(os, seen);
    (void)snprintf(path, sizeof path, OUT "/%06td-%d", seen->count, row);
    mem_free(seen);
    if (e == OK) {
        e = os_open(os, path, OS_WRITE | OS_CREATE, &file);
    }
    if (e == OK) {
        e = os_close(file);
    }
    return e == OK ? os_sync_dir(os, OUT) : e;
}

static enum connect_verdict deliver(void *sink, struct connect_batch *batch, struct diag *diag)
{
    (void)sink;
    struct os *os = ((struct outbox_reader *)(void *)batch)->outbox->engine->os;
    struct connect_row row;
    while (batch->next(batch, &row)) {
        int number = atoi((const char *)row.data.data + strlen("+I["));
        if (number % REFUSED_OF == REFUSED_OF - 1) {
            batch->reject(batch, &row, STR("refused"));
        } else if (call(os, number) != OK) {
            (void)diag_set(diag, ERR_IO, "TEST", "the service cannot be reached");
            return CONNECT_RETRY;
        }
        batch->commit(batch);
    }
    return CONNECT_OK;
}

/* --- the place ----------------------------------------------------------------------------- */

/* Nothing is delivered before the endpoint is set. */
static void outboxes_start(struct place *p, bool is_calls)
{
    static struct connect_sink_ops ops; /* Of print; its own delivery would go to a terminal. */
    for (struct engine_outbox *o = p->engine->outboxes; o != NULL && is_calls; o = o->next) {
        if (ops.encode == NULL) {
            ops = *o->ops;
            ops.deliver = deliver;
        }
        __atomic_store_n(&o->ops, &ops, __ATOMIC_RELEASE);
    }
    engine_set_endpoint(p->engine, "http://127.0.0.1:1", STR_EMPTY, STR_EMPTY);
    for (struct engine_outbox *o = p->engine->outboxes; o != NULL; o = o->next) {
        engine__outbox_added(o, 0, 0); /* It looks again at once. */
    }
}

static bool is_delivered(const struct engine_outbox *o)
{
    return __atomic_load_n(&o->cursor, __ATOMIC_ACQUIRE) >= engine__outbox_due(o);
}

/* False when a job has ended, or a delivery failed a few times. */
static bool settle(struct place *p)
{
    bool is_good = place_settle(p);
    for (struct engine_outbox *o = p->engine->outboxes; o != NULL && is_good; o = o->next) {
        for (int turn = 0; !is_delivered(o) && is_good; turn++) {
            is_good = place_wait(p, turn) && metric_load(&o->counters.retries) < TRIES;
            sim_advance_us(p->engine->os->state, 1000); /* Pauses between tries. */
        }
    }
    return is_good;
}

static void put(struct place *p, int row)
{
    char text[32];
    (void)snprintf(text, sizeof text, "{\"k\":%d}", row);
    place_put(p, "in", str_of(text));
}

static isize records(struct place *p, const char *name)
{
    struct stream_page *page = place_page(p, name);
    isize count = page == NULL ? 0 : stream_page_count(page);
    stream_page_free(page);
    return count;
}

static isize calls_noted[SERVICE_STEPS_MAX + 1]; /* After each step. */

static void calls_note(struct place *p, int step)
{
    struct outside *o = mem_zalloc((isize)sizeof *o);
    outside_read(p->engine->os, o);
    calls_noted[step] = o->count;
    mem_free(o);
}

static void run(struct service_script *script, const char *sink, u64 (*look)(struct place *p))
{
    bool is_calls = sink == calls;
    struct place p;
    CHECK(setenv("LEAT_FILE_DIRS", OUT, 1) == 0);
    CHECK(setenv("LEAT_RESTATE_RECORDS", "3", 1) == 0);
    CHECK(setenv("LEAT_STEP_FRAMES", "1", 1) == 0);
    service_must(place_open(&p, PLACE_ENGINE) ? OK : ERR_IO, "open");
    place_make(&p, "in", 1);
    place_execute(&p, input);
    place_execute(&p, sink);
    place_execute(&p, "INSERT INTO o SELECT k FROM t");
    service_must(os_mkdir_all(service_os, OUT), "mkdir");
    outboxes_start(&p, is_calls);
    service_must(settle(&p) ? OK : ERR_IO, "job");
    calls_note(&p, 0);
    service_begin(script, look(&p));
    for (int i = 0; i < ROWS; i++) {
        put(&p, i);
        service_must(settle(&p) ? OK : ERR_IO, "delivery");
        calls_note(&p, i + 1);
        service_step(script, look(&p));
        if (i % BALLAST_EVERY == BALLAST_EVERY - 1) {
            place_ballast(&p);
        }
    }
    place_close(&p);
}

/* One more row is due before anything is delivered again: a range that was not written down
 * grows. */
static bool probe(struct place *p, bool is_calls)
{
    put(p, PROBE);
    bool is_good = place_settle(p);
    outboxes_start(p, is_calls);
    return is_good && settle(p);
}

/* --- files --------------------------------------------------------------------------------- */

static isize lines(str text)
{
    isize count = 0;
    for (isize i = 0; i < text.len; i++) {
        count += text.data[i] == '\n';
    }
    return count;
}

/* All rows but the probe, however they are cut into files; 0 when a row of the input is in none. */
static u64 files_look(struct place *p)
{
    struct outside *o = mem_zalloc((isize)sizeof *o);
    struct buf all = {0};
    outside_read(p->engine->os, o);
    for (isize i = 0; i < o->count; i++) {
        buf_append(&all, str_of(o->files[i].text));
    }
    str rows = buf_str(&all);
    bool is_all = lines(rows) == records(p, "in");
    isize probe_at = str_find(rows, STR("97\n"), 0);
    rows = str_slice(rows, 0, probe_at < 0 ? rows.len : probe_at);
    u64 hash = hash64(rows.data, rows.len, 1) | 1;
    buf_deinit(&all);
    mem_free(o);
    return is_all ? hash : 0;
}

void outbox_files_run(struct service_script *script)
{
    run(script, files, files_look);
}

u64 outbox_files_read(void)
{
    struct outside *before = mem_zalloc((isize)sizeof *before),
                   *now = mem_zalloc((isize)sizeof *now);
    struct place p;
    u64 result = 0;
    outside_read(service_os, before);
    if (place_open(&p, PLACE_ENGINE)) {
        bool is_good = probe(&p, false);
        outside_read(service_os, now);
        is_good = is_good && is_kept(before, now);
        result = is_good ? files_look(&p) : 0;
        place_close(&p);
    }
    mem_free(before);
    mem_free(now);
    return result;
}

/* --- calls --------------------------------------------------------------------------------- */

static int row_called(const struct outside_file *file)
{
    return atoi(strchr(file->name, '-') + 1);
}

/* Rows that were called, repeats of the last one left out, and how many were refused; 0 when a row
 * of the input is neither. */
static u64 calls_look(struct place *p)
{
    struct outside *o = mem_zalloc((isize)sizeof *o);
    int last = -1;
    isize rows = records(p, "leat-dead-letters");
    u64 hash = hash64(&rows, sizeof rows, 1);
    outside_read(p->engine->os, o);
    for (isize i = 0; i < o->count; i++) {
        int row = row_called(&o->files[i]);
        hash = row != last && row != PROBE ? hash64(&row, sizeof row, hash) : hash;
        rows += row != last;
        last = row;
    }
    mem_free(o);
    return rows == records(p, "in") ? hash | 1 : 0;
}

/* Is none called again whose step was acknowledged? */
static bool is_called_once(struct place *p, int acknowledged)
{
    struct outside *o = mem_zalloc((isize)sizeof *o);
    outside_read(p->engine->os, o);
    bool is_good = o->count >= calls_noted[acknowledged];
    for (isize i = calls_noted[acknowledged]; i < o->count; i++) {
        is_good = is_good && row_called(&o->files[i]) >= acknowledged;
    }
    mem_free(o);
    return is_good;
}

void outbox_calls_run(struct service_script *script)
{
    run(script, calls, calls_look);
}

u64 outbox_calls_read(void)
{
    struct place p;
    u64 result = 0;
    if (place_open(&p, PLACE_ENGINE)) {
        bool is_good = probe(&p, true) && is_called_once(&p, service_acknowledged);
        result = is_good ? calls_look(&p) : 0;
        place_close(&p);
    }
    return result;
}
