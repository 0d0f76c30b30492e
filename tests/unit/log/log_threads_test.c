/* Writers, readers, retention, the scrubber and backups at the same time, on small segments: made
 * for the race detector. The readers go through the page cache, which what is written passes by, or
 * does not where the file system refuses: each mixture of the two is tried. */
/* The checked forms of the headers would be inline, and these calls are to be ours. */
#undef _FORTIFY_SOURCE

#include "log_test_util.h"

#include "os/thread.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WRITERS = 2, READERS = 2, ROUNDS = 400, KEPT_NUMBERS = 300, BACKUPS = 5 };
enum { SECTOR = 512, BLOCK = 16 << 10, FULL_EACH = 50 };

/* What becomes of writes past the page cache. */
enum disk { TAKES_ALL, REFUSES, WANTS_LARGE_BLOCKS, TAKES_LESS, GIVES_UP_AT_TIMES, FULL_AT_TIMES };
static enum disk disk;
static u32 direct_calls;

static ssize_t refuse(int why)
{
    errno = why;
    return -1;
}

/* In place of libc's; os/posix.c has no other use for it. */
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    u32 nth = __atomic_fetch_add(&direct_calls, 1, __ATOMIC_RELAXED);
    size_t part = (bytes / 2 + SECTOR - 1) / SECTOR * SECTOR;
    if (disk == REFUSES || (disk == WANTS_LARGE_BLOCKS && ((u64)offset | bytes) % BLOCK != 0)) {
        return refuse(EINVAL);
    }
    bool gives_up = disk == GIVES_UP_AT_TIMES && nth % 3 == 0;
    bool is_full = disk == FULL_AT_TIMES && nth % FULL_EACH == 0;
    if (gives_up || is_full) {
        IGNORE(syscall(SYS_pwrite64, fd, data, part, offset) < 0);
        return refuse(is_full ? ENOSPC : nth % 2 == 0 ? EOPNOTSUPP : EINTR);
    }
    bool is_short = disk == TAKES_LESS && nth % 3 != 0;
    return (ssize_t)syscall(SYS_pwrite64, fd, data, is_short ? part : bytes, offset);
}

/* STORE is made anew for each segment: at that moment it has no name for link. */
int link(const char *from, const char *to)
{
    static u32 asked;
    bool is_store = strcmp(strrchr(from, '/'), "/STORE") == 0;
    if (is_store && __atomic_fetch_add(&asked, 1, __ATOMIC_RELAXED) % 3 != 2) {
        errno = ENOENT;
        return -1;
    }
    return (int)syscall(SYS_link, from, to);
}

struct shared {
    struct log *log;
    u64 newest_no;
    bool is_over;
};

struct actor {
    struct shared *shared;
    struct os_thread thread;
    u32 index;
    u64 read;
};

static bool only_new(void *ctx, struct log_channel channel, u64 last_no, i64 arrival_ms)
{
    (void)arrival_ms;
    struct shared *shared = ctx;
    bool is_kept_long = channel.stream == 0 || channel.shard == 1;
    return is_kept_long ||
           last_no + KEPT_NUMBERS > __atomic_load_n(&shared->newest_no, __ATOMIC_RELAXED);
}

static void write_all(void *ctx)
{
    struct actor *actor = ctx;
    struct log_batch *batch = log_batch_new();
    for (u64 i = 0; i < ROUNDS; i++) {
        log_batch_reset(batch);
        test_add(batch, (struct log_channel){1 + actor->index, 0}, i, 900);
        test_add(batch, (struct log_channel){1 + actor->index, 1}, i, i % 16 == 0 ? 60000 : 40);
        err e = log_commit(actor->shared->log, batch);
        while (e == ERR_FULL && disk == FULL_AT_TIMES) {
            os_sleep_ms(os_real(), 5);
            e = log_commit(actor->shared->log, batch);
        }
        assert_int_equal(e, OK);
        __atomic_store_n(&actor->shared->newest_no, log_batch_record_no(batch, 1),
                         __ATOMIC_RELAXED);
    }
    log_batch_free(batch);
}

/* Follows the long-lived channel of a writer: every record, once, in order. */
static void read_all(void *ctx)
{
    struct actor *actor = ctx;
    struct log *log = actor->shared->log;
    struct log_channel channel = {1 + actor->index, 1};
    u64 next = 1;
    while (actor->read < ROUNDS) {
        struct log_frame *frame;
        err e = log_frame_seek(log, channel, next, &frame);
        if (e == ERR_END) {
            os_sleep_ms(os_real(), 1);
            continue;
        }
        assert_int_equal(e, OK);
        struct log_run run;
        struct log_record record;
        assert_true(log_frame_find(frame, channel, &run));
        log_run_skip(&run, next);
        while (log_run_next(&run, &record)) {
            assert_int_equal(test_id(record.body), actor->read);
            actor->read++;
            next = record.no + 1;
        }
        log_frame_unref(frame);
        u64 no;
        assert_int_equal(log_seek_time(log, channel, 0, &no), OK);
    }
}

/* Follows the whole log by LSN. */
static void scan_all(void *ctx)
{
    struct actor *actor = ctx;
    struct log *log = actor->shared->log;
    u64 lsn = 0;
    while (!__atomic_load_n(&actor->shared->is_over, __ATOMIC_ACQUIRE) || lsn < log_tip(log)) {
        struct log_frame *frame;
        err e = log_frame_after(log, lsn, &frame);
        if (e == OK) {
            assert_true(log_frame_lsn(frame) > lsn);
            lsn = log_frame_lsn(frame);
            actor->read++;
            log_frame_unref(frame);
        } else {
            assert_int_equal(e, ERR_END);
            os_sleep_ms(os_real(), 1);
        }
        assert_true(log_horizon(log) <= log_tip(log) + 1);
    }
}

static void nothing_damaged(void *ctx, const struct log_damage *damage)
{
    (void)ctx;
    (void)damage;
    fail();
}

/* A log that nobody uses: each frame in it is whole. */
static void assert_good(const char *dir)
{
    struct log_options options = {.dir = dir, .segment_bytes = 128 << 10, .reserve_bytes = 1};
    struct log *log;
    struct diag diag;
    u64 frames = 0;
    diag_init(&diag);
    assert_int_equal(log_open_check(os_real(), &options, &log, &diag), OK);
    assert_int_equal(log_check(log, nothing_damaged, NULL, &frames), OK);
    assert_true(frames > 0);
    log_close_check(log);
}

static void back_up(struct log *log)
{
    struct test_dir copy;
    test_dir_make(&copy);
    assert_int_equal(log_stage(log, copy.path), OK);
    assert_good(copy.path);
    test_dir_remove(&copy);
}

static void retain_and_back_up(struct log *log)
{
    for (int i = 0; i < 40; i++) {
        err e = log_retain_now(log);
        assert_true(e == OK || (e == ERR_FULL && disk == FULL_AT_TIMES));
        if (i % (40 / BACKUPS) == 0 && log_tip(log) > 0) {
            back_up(log);
        }
        os_sleep_ms(os_real(), 2);
    }
}

static void run_all(const char *dir)
{
    struct log_options options = {.dir = dir,
                                  .segment_bytes = 128 << 10,
                                  .reserve_bytes = 1,
                                  .scrub_period_ms = 1,
                                  .cache_bytes = 16 << 10};
    struct shared shared = {.newest_no = 0};
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(log_open(os_real(), &options, &shared.log, &diag), OK);
    log_set_live(shared.log, only_new, &shared);
    struct actor writers[WRITERS];
    struct actor readers[READERS];
    struct actor scanner = {.shared = &shared};
    for (u32 i = 0; i < WRITERS; i++) {
        writers[i] = (struct actor){.shared = &shared, .index = i};
        os_thread_start(&writers[i].thread, "writer", write_all, &writers[i]);
    }
    for (u32 i = 0; i < READERS; i++) {
        readers[i] = (struct actor){.shared = &shared, .index = i};
        os_thread_start(&readers[i].thread, "reader", read_all, &readers[i]);
    }
    os_thread_start(&scanner.thread, "scanner", scan_all, &scanner);
    retain_and_back_up(shared.log);
    for (u32 i = 0; i < WRITERS; i++) {
        os_thread_join(&writers[i].thread);
    }
    __atomic_store_n(&shared.is_over, true, __ATOMIC_RELEASE);
    for (u32 i = 0; i < READERS; i++) {
        os_thread_join(&readers[i].thread);
        assert_int_equal(readers[i].read, ROUNDS);
    }
    os_thread_join(&scanner.thread);
    assert_true(scanner.read > 0);
    struct log_stats stats;
    log_get_stats(shared.log, &stats);
    assert_int_equal(stats.corrupt_frames, 0);
    assert_int_equal(stats.damaged_frames, 0);
    assert_int_equal(stats.damaged_parts, 0);
    log_close(shared.log);
}

static void all_at_once(void **state)
{
    disk = *(const enum disk *)*state;
    struct test_dir dir;
    test_dir_make(&dir);
    run_all(dir.path);
    assert_good(dir.path);
    test_dir_remove(&dir);
}

int main(void)
{
    static const struct {
        const char *name;
        enum disk disk;
    } cases[] = {
        {"a disk that takes all", TAKES_ALL},
        {"a file system that refuses", REFUSES},
        {"a disk of large blocks", WANTS_LARGE_BLOCKS},
        {"a disk that takes less than it is given", TAKES_LESS},
        {"a disk that takes half and gives up at times", GIVES_UP_AT_TIMES},
        {"a disk that is full at times", FULL_AT_TIMES},
    };
    struct CMUnitTest tests[COUNT_OF(cases)];
    for (int i = 0; i < COUNT_OF(cases); i++) {
        union {
            const enum disk *from;
            void *to;
        } disk_of = {&cases[i].disk};
        tests[i] = (struct CMUnitTest){cases[i].name, all_at_once, NULL, NULL, disk_of.to};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
