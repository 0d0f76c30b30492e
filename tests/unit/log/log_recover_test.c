/* Starting again: after kill -9 at each named point, after faults at each call, with files that are
 * missing, strange, damaged or newer. */
#include "log_test_util.h"

#include "base/hash.h"
#include "base/trace.h"
#include "log/log_int.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct log_channel a = {1, 0};
static const struct log_channel b = {1, 1};

static err try_open(struct os *os, const char *dir, struct log **out, struct diag *diag)
{
    struct log_options options = {.dir = dir, .segment_bytes = 64 << 10, .reserve_bytes = 1};
    diag_init(diag);
    return log__open_driven(os, &options, out, diag);
}

/* Reads everything; true when records 0..promised-1 are there, and none twice. */
static bool has_all(struct log *log, u64 promised, u64 kept_from)
{
    u64 next = kept_from;
    struct log_frame *frame;
    u64 lsn = 0;
    while (log_frame_after(log, lsn, &frame) == OK) {
        lsn = log_frame_lsn(frame);
        struct log_run run;
        struct log_record record;
        bool has_run = log_frame_find(frame, a, &run);
        while (has_run && log_run_next(&run, &record)) {
            u64 id = get_u64(record.body.data);
            if (id < kept_from) {
                continue;
            }
            if (id != next) {
                log_frame_unref(frame);
                return false;
            }
            next++;
        }
        log_frame_unref(frame);
    }
    return next >= promised;
}

/* --- kill -9
 * -------------------------------------------------------------------------------------- */

static bool newest_are_live(void *ctx, struct log_channel channel, u64 last_no, i64 arrival_ms)
{
    (void)arrival_ms;
    return channel.stream == 0 || log_channel_eq(channel, b) || last_no + 8 >= *(const u64 *)ctx;
}

/* Writes to the pipe the id of each record that is durable. */
static void write_until_killed(const char *dir, const char *failpoint, int pipe_end)
{
    os_failpoint_arm(failpoint);
    struct log *log;
    struct diag diag;
    struct log_options options = {.dir = dir, .segment_bytes = 64 << 10, .reserve_bytes = 1};
    if (log_open(os_real(), &options, &log, &diag) != OK) {
        _exit(3);
    }
    static u64 newest;
    log_set_live(log, newest_are_live, &newest);
    struct log_batch *batch = log_batch_new();
    for (u64 id = 0; id < 200; id++) {
        log_batch_reset(batch);
        test_add(batch, a, id, 3000);
        if (log_commit(log, batch) != OK) {
            _exit(4);
        }
        newest = log_batch_record_no(batch, 0);
        if (write(pipe_end, &id, sizeof id) != sizeof id) {
            _exit(5);
        }
        if (id % 25 == 24 && log_retain_now(log) != OK) {
            _exit(6);
        }
    }
    _exit(0);
}

static void survives_kill(void **state)
{
    (void)state;
    static const char *const points[] = {
        "log.before_frame_write:9", "log.after_frame_write:9", "log.before_sync:30",
        "log.after_sync:30",        "log.before_publish:17",   "log.after_publish:17",
        "log.before_seal:2",        "log.after_seal:2",        "log.before_swap:1",
        "log.after_swap:1",         "log.before_unlink:2",     "log.after_unlink:2"};
    for (int i = 0; i < COUNT_OF(points); i++) {
        struct test_dir dir;
        test_dir_make(&dir);
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            write_until_killed(dir.path, points[i], ends[1]);
        }
        close(ends[1]);
        u64 promised = 0;
        u64 id;
        while (read(ends[0], &id, sizeof id) == sizeof id) {
            promised = id + 1;
        }
        close(ends[0]);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        struct log *log = test_open(os_real(), dir.path, 64 << 10);
        struct log_stats stats;
        log_get_stats(log, &stats);
        assert_int_equal(stats.corrupt_frames, 0);
        assert_true(has_all(log, promised, promised > 8 ? promised - 8 : 0));
        (void)test_put(log, b, 1, 10);
        log_close(log);
        test_dir_remove(&dir);
    }
}

/* --- faults
 * --------------------------------------------------------------------------------------- */

static struct sim *fault_sim;
static u64 fault_promised;

/* The process ends: what it had promised must be on the disk. */
static void ended(const char *what, const char *path, err e)
{
    (void)what;
    (void)path;
    (void)e;
    struct sim *disk = sim_clone(fault_sim);
    struct log *log;
    struct diag diag;
    bool is_good =
        try_open(sim_os(disk), "/d", &log, &diag) == OK && has_all(log, fault_promised, 0);
    _exit(is_good ? 0 : 1);
}

static void put_once(struct log *log, u64 id)
{
    struct log_batch *batch = log_batch_new();
    test_add(batch, a, id, 5000);
    if (log_commit(log, batch) == OK) {
        fault_promised = id + 1;
    }
    log_batch_free(batch);
}

/* Time goes on, so that a log which was full looks again; a record that was refused is put again by
 * the next call. */
static void put_next(struct log *log)
{
    sim_advance_us(fault_sim, 1000000);
    put_once(log, fault_promised);
}

static bool all_live(void *ctx, struct log_channel channel, u64 last_no, i64 arrival_ms)
{
    (void)ctx;
    (void)last_no;
    (void)arrival_ms;
    return !log_channel_eq(channel, b);
}

/* Returns what the process would exit with. */
static int with_fault(u64 nth, err e, bool is_sticky)
{
    fault_sim = sim_new(9);
    fault_promised = 0;
    sim_fail(fault_sim, nth, e, is_sticky);
    struct log *log;
    struct diag diag;
    if (try_open(sim_os(fault_sim), "/d", &log, &diag) != OK) {
        return diag_is_set(&diag) ? 0 : 2;
    }
    log_set_live(log, all_live, NULL);
    for (u64 i = 0; i < 15; i++) {
        put_next(log);
        struct log_batch *batch = log_batch_new();
        test_add(batch, b, i, 9000);
        IGNORE(log_commit(log, batch)); /* Takes space only. */
        log_batch_free(batch);
    }
    IGNORE(log_retain_now(log)); /* May fail: it tries again later. */
    struct log_frame *frame = NULL;
    IGNORE(log_frame_after(log, 0, &frame)); /* An error is an answer. */
    log_frame_unref(frame);
    log_close(log);
    sim_fail(fault_sim, 0, OK, false);
    if (try_open(sim_os(fault_sim), "/d", &log, &diag) != OK) {
        return 3;
    }
    bool is_good = has_all(log, fault_promised, 0);
    log_close(log);
    sim_free(fault_sim);
    return is_good ? 0 : 4;
}

static void every_call_may_fail(void **state)
{
    (void)state;
    static const err errors[] = {ERR_IO, ERR_FULL, ERR_LIMIT};
    int runs = 0;
    for (u64 nth = 1; nth < 260; nth++) {
        for (int i = 0; i < COUNT_OF(errors); i++) {
            pid_t child = fork();
            assert_true(child >= 0);
            if (child == 0) {
                os_set_fatal(ended);
                _exit(with_fault(nth, errors[i], nth % 2 == 0));
            }
            int status;
            assert_int_equal(waitpid(child, &status, 0), child);
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                print_error("call %d, %s: status %x\n", (int)nth, err_name(errors[i]), status);
                fail();
            }
            runs++;
        }
    }
    assert_true(runs > 700);
}

/* --- strange directories
 * -------------------------------------------------------------------------- */

static void write_file(struct os *os, const char *path, const char *text)
{
    struct os_file *file;
    assert_int_equal(os_open(os, path, OS_WRITE | OS_CREATE, &file), OK);
    assert_int_equal(os_write_at(file, 0, text, (isize)strlen(text)), OK);
    assert_int_equal(os_close(file), OK);
}

static void strange_files_are_kept(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1);
    struct os *os = sim_os(sim);
    struct log *log;
    struct diag diag;
    assert_int_equal(try_open(os, "/d", &log, &diag), OK);
    (void)test_put(log, a, 0, 100);
    log_close(log);
    write_file(os, "/d/notes.txt", "mine");
    write_file(os, "/d/00000000000000ff.new", "half");
    write_file(os, "/d/STORE.tmp", "half");
    assert_int_equal(try_open(os, "/d", &log, &diag), OK);
    assert_true(has_all(log, 1, 0));
    struct os_stat stat;
    assert_int_equal(os_stat_path(os, "/d/lost+found/notes.txt", &stat), OK);
    assert_int_equal(os_stat_path(os, "/d/notes.txt", &stat), ERR_NOT_FOUND);
    assert_int_equal(os_stat_path(os, "/d/00000000000000ff.new", &stat), ERR_NOT_FOUND);
    assert_int_equal(os_stat_path(os, "/d/STORE.tmp", &stat), ERR_NOT_FOUND);
    log_close(log);
    write_file(os, "/d/notes.txt", "again");
    assert_int_equal(try_open(os, "/d", &log, &diag), OK);
    assert_int_equal(os_stat_path(os, "/d/lost+found/notes.txt.1", &stat), OK);
    log_close(log);
    sim_free(sim);
}

static void flip_bit(struct os *os, const char *path, u64 offset, u8 bit)
{
    struct os_file *file;
    u8 byte;
    assert_int_equal(os_open(os, path, OS_WRITE, &file), OK);
    assert_int_equal(os_read_exact(file, offset, &byte, 1), OK);
    byte ^= (u8)(1U << bit);
    assert_int_equal(os_write_at(file, offset, &byte, 1), OK);
    assert_int_equal(os_close(file), OK);
}

static void never_starts_empty_over_data(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1);
    struct log *log;
    struct diag diag;
    assert_int_equal(try_open(sim_os(sim), "/d", &log, &diag), OK);
    for (u64 i = 0; i < 30; i++) {
        (void)test_put(log, a, i, 5000);
    }
    log_close(log);
    struct sim *copy = sim_clone(sim);
    assert_int_equal(os_unlink(sim_os(copy), "/d/STORE"), OK);
    u64 before = sim_hash(copy);
    assert_int_equal(try_open(sim_os(copy), "/d", &log, &diag), ERR_CORRUPT);
    assert_string_equal(diag.code, "LOG0005");
    assert_true(sim_hash(copy) == before);
    sim_free(copy);
    copy = sim_clone(sim);
    assert_int_equal(os_unlink(sim_os(copy), "/d/0000000000000001.seg"), OK);
    assert_int_equal(try_open(sim_os(copy), "/d", &log, &diag), ERR_CORRUPT);
    assert_string_equal(diag.code, "LOG0003");
    assert_non_null(strstr(diag.message, "0000000000000001.seg"));
    sim_free(copy);
    copy = sim_clone(sim);
    flip_bit(sim_os(copy), "/d/STORE", 20, 3);
    assert_int_equal(try_open(sim_os(copy), "/d", &log, &diag), ERR_CORRUPT);
    assert_string_equal(diag.code, "LOG0001");
    sim_free(copy);
    sim_free(sim);
}

static void newer_versions_are_refused(void **state)
{
    (void)state;
    struct sim *sim = sim_new(1);
    struct os *os = sim_os(sim);
    struct log *log;
    struct diag diag;
    assert_int_equal(try_open(os, "/d", &log, &diag), OK);
    log_close(log);
    u8 block[4096];
    struct os_file *file;
    assert_int_equal(os_open(os, "/d/STORE", OS_WRITE, &file), OK);
    assert_int_equal(os_read_exact(file, 0, block, 4096), OK);
    put_u32(block + 8, 2);
    put_u32(block + 4092, crc32c(0, block, 4092));
    assert_int_equal(os_write_at(file, 0, block, 4096), OK);
    assert_int_equal(os_close(file), OK);
    u64 before = sim_hash(sim);
    assert_int_equal(try_open(os, "/d", &log, &diag), ERR_VERSION);
    assert_string_equal(diag.code, "LOG0002");
    assert_non_null(strstr(diag.message, "newer leat"));
    assert_true(sim_hash(sim) == before);
    sim_free(sim);
}

/* --- damage
 * --------------------------------------------------------------------------------------- */

/* Each byte of a small log that was closed cleanly, one bit: either the start says so, or a read
 * does, or what was damaged is there twice or can be made anew, and everything is read. */
static void each_damaged_byte_is_seen(void **state)
{
    (void)state;
    struct sim *sim = sim_new(6);
    struct log *log;
    struct diag diag;
    assert_int_equal(try_open(sim_os(sim), "/d", &log, &diag), OK);
    for (u64 i = 0; i < 3; i++) {
        (void)test_put(log, a, i, 700);
    }
    log_close(log);
    static const char *const files[] = {"/d/STORE", "/d/0000000000000001.seg"};
    u64 flips = 0;
    u64 lost = 0;
    for (int f = 0; f < COUNT_OF(files); f++) {
        struct os_stat stat;
        assert_int_equal(os_stat_path(sim_os(sim), files[f], &stat), OK);
        for (u64 offset = 0; offset < stat.bytes; offset++) {
            struct sim *image = sim_clone(sim);
            flip_bit(sim_os(image), files[f], offset, (u8)(offset % 8));
            err e = try_open(sim_os(image), "/d", &log, &diag);
            if (e == OK) {
                struct log_stats stats;
                bool is_whole = has_all(log, 3, 0);
                log_get_stats(log, &stats);
                assert_true(is_whole || stats.corrupt_frames > 0);
                lost += is_whole ? 0 : 1;
                log_close(log);
            } else {
                assert_int_equal(e, ERR_CORRUPT);
                assert_int_equal(f, 0);
            }
            sim_free(image);
            flips++;
        }
    }
    assert_true(flips > 20000);
    assert_true(lost >= 3 * 4096); /* Every byte of every frame, padding too. */
    sim_free(sim);
}

/* A fence: the damaged frame is an error, everything else is read and written. */
static void damage_is_fenced(void **state)
{
    (void)state;
    struct sim *sim = sim_new(6);
    struct log *log;
    struct diag diag;
    assert_int_equal(try_open(sim_os(sim), "/d", &log, &diag), OK);
    u64 numbers[5];
    for (u64 i = 0; i < 5; i++) {
        numbers[i] = test_put(log, i == 3 ? b : a, i, 700);
    }
    log__abandon(log); /* A crash: the segment is not sealed. */
    flip_bit(sim_os(sim), "/d/0000000000000001.seg", 8192 + 2 * 4096 + 300, 1);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(try_open(sim_os(sim), "/d", &log, &diag), OK);
        struct log_frame *frame;
        assert_int_equal(log_frame_after(log, 1, &frame), OK);
        log_frame_unref(frame);
        assert_int_equal(log_frame_after(log, 2, &frame), ERR_CORRUPT);
        assert_null(frame);
        assert_int_equal(log_skip_after(log, 2), 3);
        assert_int_equal(log_frame_after(log, 3, &frame), OK);
        assert_int_equal(log_frame_lsn(frame), 4);
        log_frame_unref(frame);
        assert_int_equal(log_frame_seek(log, a, numbers[2], &frame), ERR_CORRUPT);
        assert_int_equal(log_skip_seek(log, a, numbers[2]), numbers[3]);
        assert_int_equal(log_frame_seek(log, a, numbers[3], &frame), OK);
        log_frame_unref(frame);
        assert_true(test_put(log, a, 9, 100) > numbers[4]);
        log_close(log);
    }
    sim_free(sim);
}

static void be_quiet(void *ctx, str line)
{
    (void)ctx;
    (void)line;
}

/* Readers are answered when somebody has removed a file under a running log. */
static void a_lost_file_is_damage(void **state)
{
    (void)state;
    struct sim *sim = sim_new(21);
    struct log *log;
    struct diag diag;
    struct log_frame *frame = NULL;
    assert_int_equal(try_open(sim_os(sim), "/d", &log, &diag), OK);
    put_once(log, 0);
    log_close(log);
    assert_int_equal(try_open(sim_os(sim), "/d", &log, &diag), OK);
    assert_int_equal(os_unlink(sim_os(sim), "/d/0000000000000001.seg"), OK);
    assert_int_equal(log_frame_after(log, 0, &frame), ERR_CORRUPT);
    assert_int_equal(log_frame_seek(log, a, 1, &frame), ERR_CORRUPT);
    log__abandon(log);
    sim_free(sim);
}

/* Damage that nobody reads is found, once a period. */
static void the_scrub_finds_damage(void **state)
{
    (void)state;
    struct sim *sim = sim_new(22);
    struct log *log;
    struct diag diag;
    struct log_stats stats;
    struct os_file *file;
    assert_int_equal(try_open(sim_os(sim), "/d", &log, &diag), OK);
    for (u64 i = 0; i < 40; i++) {
        put_once(log, i);
    }
    assert_int_equal(os_open(sim_os(sim), "/d/0000000000000001.seg", OS_WRITE, &file), OK);
    assert_int_equal(os_write_at(file, 8192 + 1000, "hurt", 4), OK);
    assert_int_equal(os_close(file), OK);
    for (int second = 0; second < 10; second++) {
        log__scrub_once(log);
        sim_advance_us(sim, 1000000);
    }
    log_get_stats(log, &stats);
    assert_int_equal(stats.scrub_passes, 1);
    assert_int_equal(stats.damaged_frames, 1);
    assert_true(stats.scrubbed_bytes > 100000);
    sim_advance_us(sim, 25LL * 3600 * 1000000);
    for (int second = 0; second < 10; second++) {
        log__scrub_once(log);
    }
    log_get_stats(log, &stats);
    assert_int_equal(stats.scrub_passes, 2);
    log__abandon(log);
    sim_free(sim);
}

int main(void)
{
    trace_set_sink(be_quiet, NULL, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_kill),
        cmocka_unit_test(every_call_may_fail),
        cmocka_unit_test(a_lost_file_is_damage),
        cmocka_unit_test(the_scrub_finds_damage),
        cmocka_unit_test(strange_files_are_kept),
        cmocka_unit_test(never_starts_empty_over_data),
        cmocka_unit_test(newer_versions_are_refused),
        cmocka_unit_test(each_damaged_byte_is_seen),
        cmocka_unit_test(damage_is_fenced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
