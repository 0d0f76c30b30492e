/*
 * bench/log_bench.c: group commit with real files. N threads, each submitting its next batch when
 * the last is durable.
 *
 *     log_bench [SUBMITTERS=8] [RECORDS=500] [BYTES=1024] [SECONDS=3] [CHANNELS=4] [DIR=.]
 */
#include "base/buf.h"
#include "log/log.h"
#include "os/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SUBMITTERS_MAX = 256 };

struct submitter {
    struct log *log;
    struct os_thread thread;
    u64 records;
    u64 until_ns;
    isize count, bytes;
    u32 channels;
    u64 build_ns;
};

static void submit(void *ctx)
{
    struct submitter *s = ctx;
    struct log_batch *batch = log_batch_new();
    u8 *payload = mem_zalloc(s->bytes);
    while (os_mono_ns(os_real()) < s->until_ns) {
        u64 start = os_mono_ns(os_real());
        log_batch_reset(batch);
        for (isize i = 0; i < s->count; i++) {
            struct log_channel channel = {1, (u32)i % s->channels};
            u8 *out = log_batch_reserve(batch, channel, s->bytes);
            CHECK(out != NULL);
            memcpy(out, payload, (size_t)s->bytes);
        }
        s->build_ns += os_mono_ns(os_real()) - start;
        CHECK(log_commit(s->log, batch) == OK);
        s->records += (u64)s->count;
    }
    mem_free(payload);
    log_batch_free(batch);
}

static double cpu_seconds(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool remove_each(void *ctx, const char *name)
{
    char path[4096];
    CHECK(snprintf(path, sizeof path, "%s/%s", (const char *)ctx, name) > 0);
    IGNORE(os_unlink(os_real(), path)); /* What is left is seen by rmdir. */
    return true;
}

static isize argument(int argc, char **argv, int index, isize otherwise)
{
    return argc > index ? (isize)strtol(argv[index], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    isize submitters = MIN(argument(argc, argv, 1, 8), SUBMITTERS_MAX);
    isize count = argument(argc, argv, 2, 500);
    isize bytes = argument(argc, argv, 3, 1024);
    isize seconds = argument(argc, argv, 4, 3);
    isize channels = argument(argc, argv, 5, 4);
    char dir[4096];
    CHECK(snprintf(dir, sizeof dir, "%s/leat-log-bench-XXXXXX", argc > 6 ? argv[6] : ".") > 0);
    CHECK(mkdtemp(dir) != NULL);
    struct log_options options = {.dir = dir};
    struct log *log;
    struct diag diag;
    diag_init(&diag);
    if (log_open(os_real(), &options, &log, &diag) != OK) {
        (void)fprintf(stderr, "%s\n", diag.message);
        return 1;
    }
    static struct submitter list[SUBMITTERS_MAX];
    double cpu = cpu_seconds();
    u64 start = os_mono_ns(os_real());
    for (isize i = 0; i < submitters; i++) {
        list[i] = (struct submitter){.log = log,
                                     .until_ns = start + (u64)seconds * 1000000000,
                                     .count = count,
                                     .bytes = bytes,
                                     .channels = (u32)channels};
        os_thread_start(&list[i].thread, "submit", submit, &list[i]);
    }
    u64 records = 0;
    u64 build_ns = 0;
    for (isize i = 0; i < submitters; i++) {
        os_thread_join(&list[i].thread);
        records += list[i].records;
        build_ns += list[i].build_ns;
    }
    double took = (double)(os_mono_ns(os_real()) - start) / 1e9;
    cpu = cpu_seconds() - cpu;
    struct log_stats stats;
    log_get_stats(log, &stats);
    printf("submitters %td, batch %td x %td bytes, %td channels, durability commit\n", submitters,
           count, bytes, channels);
    printf("%.0f records/s, %.1f MB/s of records, %.1f MB/s of frames\n", (double)records / took,
           (double)records * (double)bytes / took / 1e6, (double)stats.bytes / took / 1e6);
    printf("%llu frames, %.0f records a frame, sync %.3f ms mean, %.3f ms max\n",
           (unsigned long long)stats.frames, (double)records / (double)MAX(stats.frames, 1),
           (double)stats.sync_ns_total / (double)MAX(stats.syncs, 1) / 1e6,
           (double)stats.sync_ns_max / 1e6);
    printf("cpu %.0f ns a record in all (kernel included), %.0f ns of it building batches\n",
           cpu * 1e9 / (double)MAX(records, 1), (double)build_ns / (double)MAX(records, 1));
    log_close(log);
    IGNORE(os_list(os_real(), dir, remove_each, dir));
    IGNORE(os_rmdir(os_real(), dir));
    return 0;
}
