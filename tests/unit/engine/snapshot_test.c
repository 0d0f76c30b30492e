/* tests/unit/engine/snapshot_test.c: a snapshot writes what has changed, refers to the rest, and
 * keeps no file that none needs. */
#include "engine_fixture.h"

#include "base/hash.h"
#include "base/metric.h"
#include "engine/snapshot.h"

#include <string.h>

enum { KEYS = 4000, STEPS = 80, CHANGED = 7 };

static const char tables[] =
    "CREATE TABLE t (k INT, s STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH "
    "('connector'='kinesis','stream'='in','aws.region'='us-east-1',"
    "'scan.stream.initpos'='TRIM_HORIZON','format'='json');"
    "CREATE TABLE o (k INT, n BIGINT, m STRING) WITH "
    "('connector'='kinesis','stream'='out','aws.region'='us-east-1','format'='json');";
static const char window[] =
    "INSERT INTO o SELECT k, COUNT(*), MAX(s) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
    "INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end;";

static void put(struct fixture *f, int first, int count, int number, int second)
{
    struct arena arena = {0};
    str *rows = ARENA_ARRAY(&arena, str, count);
    for (int i = 0; i < count; i++) {
        rows[i] = arena_printf(
            &arena, "{\"k\":%d,\"s\":\"a long text %d\",\"ts\":\"2026-01-01 00:00:%02d\"}",
            first + i, number, second);
    }
    fixture_put(f, STR("in"), 0, rows, count);
    arena_deinit(&arena);
}

/* Until the job's step is kept. */
static void wait_kept(struct fixture *f, u64 steps)
{
    struct engine_job *job = fixture_job(f, 0);
    for (int waited = 0; waited < FIXTURE_WAIT_MS; waited += FIXTURE_POLL_MS) {
        if (metric_load(&job->counters.snapshots) >= steps) {
            return;
        }
        os_sleep_ms(f->os, FIXTURE_POLL_MS);
    }
    fail_msg("no snapshot: %s", job->reason);
}

static void begin(struct fixture *f)
{
    fixture_make(f);
    fixture_stream(f, STR("in"), 1);
    fixture_stream(f, STR("out"), 1);
    assert_int_equal(fixture_sql(f, STR("SET 'table.exec.source.idle-timeout' = '0';")), OK);
    assert_int_equal(fixture_sql(f, str_of(tables)), OK);
    assert_int_equal(fixture_sql(f, str_of(window)), OK);
}

struct listing {
    isize snapshots, pieces;
    char first_pieces[80];
};

static bool list_name(void *ctx, const char *name)
{
    struct listing *listing = ctx;
    listing->snapshots += str_ends(str_of(name), STR(".snapshot"));
    if (str_ends(str_of(name), STR(".pieces"))) {
        bool is_first = listing->pieces++ == 0 || strcmp(name, listing->first_pieces) < 0;
        if (is_first) {
            snprintf(listing->first_pieces, sizeof listing->first_pieces, "%s", name);
        }
    }
    return true;
}

static struct listing list(struct fixture *f, const char *job)
{
    char dir[200];
    struct listing listing = {0, 0, ""};
    snprintf(dir, sizeof dir, "%s/state/%s", f->dir, job);
    assert_int_equal(os_list(f->os, dir, list_name, &listing), OK);
    return listing;
}

/* All keys once, then a few keys in each of many steps. */
static void feed(struct fixture *f, bool is_kept)
{
    put(f, 0, KEYS, 0, 1);
    for (int i = 1; i <= STEPS; i++) {
        if (is_kept) {
            wait_kept(f, (u64)i);
        }
        put(f, i * 31 % (KEYS - CHANGED), CHANGED, i, 2);
    }
    if (is_kept) {
        wait_kept(f, STEPS + 1);
    }
}

static struct fixture_rows fire(struct fixture *f, struct arena *arena)
{
    put(f, 0, 1, 0, 30);
    assert_int_equal(fixture_wait(f, STR("out"), KEYS), KEYS);
    return fixture_read(f, STR("out"), arena);
}

static void test_changes(void **state)
{
    (void)state;
    struct fixture plain, f;
    struct arena arena = {0};
    unsetenv("LEAT_SNAPSHOT_STEPS");
    begin(&plain);
    feed(&plain, false);
    struct fixture_rows expected = fire(&plain, &arena);
    setenv("LEAT_SNAPSHOT_STEPS", "1", 1);
    setenv("LEAT_SNAPSHOT_PIECE_BYTES", "4096", 1);
    begin(&f);
    put(&f, 0, KEYS, 0, 1);
    wait_kept(&f, 1);
    u64 whole = metric_load(&fixture_job(&f, 0)->counters.snapshot_bytes);
    fixture_remove(&f);
    begin(&f);
    feed(&f, true);
    u64 written = metric_load(&fixture_job(&f, 0)->counters.snapshot_bytes);
    struct listing files = list(&f, "job-1");
    print_message("%llu bytes of state; %llu a snapshot; %td files of pieces\n",
                  (unsigned long long)whole, (unsigned long long)((written - whole) / STEPS),
                  files.pieces);
    assert_true((written - whole) / STEPS < whole / 8);
    assert_int_equal(files.snapshots, 2);
    assert_in_range(files.pieces, 2, 65);
    fixture_close(&f);
    fixture_open(&f);
    struct fixture_rows got = fire(&f, &arena);
    for (isize i = 0; i < KEYS; i++) {
        assert_true(str_eq(got.items[i], expected.items[i]));
    }
    arena_deinit(&arena);
    fixture_remove(&f);
    fixture_remove(&plain);
}

/* Both snapshots refer to a piece that is damaged: the job says which file it is. */
static void test_damaged_piece(void **state)
{
    (void)state;
    struct fixture f;
    char path[300];
    u8 byte;
    struct os_file *file;
    setenv("LEAT_SNAPSHOT_STEPS", "1", 1);
    setenv("LEAT_SNAPSHOT_PIECE_BYTES", "4096", 1);
    begin(&f);
    put(&f, 0, KEYS, 0, 1);
    wait_kept(&f, 1);
    put(&f, 5, 1, 1, 1);
    wait_kept(&f, 2);
    struct listing files = list(&f, "job-1");
    fixture_close(&f);
    snprintf(path, sizeof path, "%s/state/job-1/%s", f.dir, files.first_pieces);
    assert_int_equal(os_open(f.os, path, OS_WRITE, &file), OK);
    assert_int_equal(os_read_exact(file, 100, &byte, 1), OK);
    byte ^= 4;
    assert_int_equal(os_write_at(file, 100, &byte, 1), OK);
    assert_int_equal(os_close(file), OK);
    fixture_open(&f);
    struct engine_job *job = fixture_job(&f, 0);
    for (int w = 0; w < FIXTURE_WAIT_MS && job->state == ENGINE_RUNNING; w += FIXTURE_POLL_MS) {
        os_sleep_ms(f.os, FIXTURE_POLL_MS);
    }
    assert_int_equal(job->state, ENGINE_FAILED);
    assert_true(str_find(str_of(job->reason), str_of(files.first_pieces), 0) >= 0);
    fixture_remove(&f);
}

/* A job that takes over another's state has files of its own; the other's go. */
static void test_taken_over(void **state)
{
    (void)state;
    struct fixture f;
    struct arena arena = {0};
    struct engine_options options = {.mode = ENGINE_RESTART};
    struct engine_result result = {.columns = NULL};
    setenv("LEAT_SNAPSHOT_STEPS", "1", 1);
    setenv("LEAT_SNAPSHOT_PIECE_BYTES", "4096", 1);
    begin(&f);
    put(&f, 0, KEYS, 0, 1);
    wait_kept(&f, 1);
    put(&f, 5, CHANGED, 1, 1);
    wait_kept(&f, 2);
    assert_int_equal(list(&f, "job-1").pieces, 2);
    str sql = str_slice(str_of(window), 0, (isize)strlen(window) - 1);
    assert_int_equal(engine_execute(f.session, sql, &options, &arena, &result, &f.diag), OK);
    assert_true(result.replaced);
    assert_int_equal(list(&f, "job-1").pieces, 0);
    assert_int_equal(list(&f, "job-2").pieces, 1);
    fixture_close(&f);
    fixture_open(&f);
    struct fixture_rows rows = fire(&f, &arena);
    isize twice = 0;
    for (isize i = 0; i < KEYS; i++) {
        twice += str_find(rows.items[i], STR("\"n\":2,\"m\":\"a long text 1\""), 0) >= 0;
    }
    assert_int_equal(twice, CHANGED);
    arena_deinit(&arena);
    fixture_remove(&f);
}

/* --- the version before pieces ------------------------------------------------------------------
 */

static err read_bytes(void *ctx, u64 offset, void *data, isize bytes)
{
    memcpy(data, (const u8 *)ctx + offset, (size_t)bytes);
    return OK;
}

static err count_section(void *to, u64 operator_id, str body)
{
    assert_int_equal(operator_id, 9);
    assert_true(str_eq(body, STR("Labc")));
    ++*(int *)to;
    return OK;
}

static void put_section(struct buf *out, u64 id, str body)
{
    u8 head[SNAPSHOT_SECTION_BYTES];
    put_u32(head, (u32)body.len);
    put_u32(head + 4, engine__snapshot_crc(id, body));
    put_u64(head + 8, id);
    buf_append_bytes(out, head, SNAPSHOT_SECTION_BYTES);
    buf_append(out, body);
}

static void test_versions(void **state)
{
    (void)state;
    for (u32 version = 0; version <= 3; version++) {
        u8 head[SNAPSHOT_HEAD_BYTES] = {0};
        struct snapshot_head expected = {3, 4, 5, 6};
        struct buf file = {0};
        struct diag diag;
        u64 hash;
        int sections = 0;
        diag_init(&diag);
        memcpy(head, SNAPSHOT_MAGIC, 8);
        put_u32(head + 8, version);
        put_u64(head + 16, 3);
        put_u64(head + 24, 4);
        put_u64(head + 32, 5);
        put_u64(head + 40, 6);
        put_u32(head + 12, crc32c(0, head + 16, SNAPSHOT_HEAD_BYTES - 16));
        buf_append_bytes(&file, head, SNAPSHOT_HEAD_BYTES);
        put_section(&file, 9, STR("Labc"));
        put_section(&file, 0, STR("Z\1"));
        bool is_read = version == 1 || version == 2;
        err refusal = version > 2 ? ERR_VERSION : ERR_CORRUPT; /* Of a newer leat. */
        assert_int_equal(engine__snapshot_parse((u64)file.len, read_bytes, file.data, &expected,
                                                count_section, &sections, &hash, &diag),
                         is_read ? OK : refusal);
        assert_int_equal(sections, is_read);
        buf_deinit(&file);
    }
}

/* Entries of the journal from before input was counted end behind the hash. */
static void test_entries(void **state)
{
    (void)state;
    static const u8 bytes[] = {'E', 1, 2, 3, 4, 5, 1, 0, 0, 8, 9, 7, 0x80};
    enum { WITHOUT = 11, WITH = 12 };
    struct arena arena = {0};
    struct engine_step_record record;
    assert_int_equal(engine__step_read((str){bytes, WITHOUT}, &arena, &record), OK);
    assert_false(record.has_input);
    assert_int_equal(record.output_hash, 9);
    assert_int_equal(engine__step_read((str){bytes, WITH}, &arena, &record), OK);
    assert_true(record.has_input);
    assert_int_equal(record.input_count, 7);
    assert_int_equal(engine__step_read((str){bytes, WITHOUT - 1}, &arena, &record), ERR_CORRUPT);
    u8 bad[WITH];
    memcpy(bad, bytes, sizeof bad);
    bad[WITH - 1] = bytes[WITH];
    assert_int_equal(engine__step_read((str){bad, WITH}, &arena, &record), ERR_CORRUPT);
    static const u8 totals[] = {'E', 1,  2,  3,  4,  5,  1,  0,  0,  8,  9, 7,
                                10,  11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
    assert_int_equal(engine__step_read((str){bytes, WITH}, &arena, &record), OK);
    assert_false(record.has_totals);
    assert_int_equal(engine__step_read((str){totals, sizeof totals}, &arena, &record), OK);
    assert_true(record.has_totals); /* Ten of them: the last one is of a newer leat. */
    assert_int_equal(record.totals.rows_in, 11);
    assert_int_equal(record.totals.steps, 19);
    assert_int_equal(record.totals.snapshots, 0);
    assert_int_equal(engine__step_read((str){totals, sizeof totals - 1}, &arena, &record),
                     ERR_CORRUPT);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),    cmocka_unit_test(test_damaged_piece),
        cmocka_unit_test(test_taken_over), cmocka_unit_test(test_versions),
        cmocka_unit_test(test_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
