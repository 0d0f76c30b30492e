/*
 * tests/fuzz/log_recover_fuzz.c: a log whose files have been changed in any way must
 * open or say why not, and every read must end. Input: edits of a small log that was
 * made once. Its first byte chooses whether checksums are made right again, so that
 * what they guard is reached too.
 */
#include "base/hash.h"
#include "base/trace.h"
#include "log/log_int.h"
#include "os/sim.h"

#include <stdio.h>

enum { EDIT_BYTES = 8, EDITS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sim *original;

static err open_log(struct sim *sim, struct log **out)
{
    struct log_options options = {.dir = "/d", .segment_bytes = 32 << 10, .reserve_bytes = 1};
    return log__open_driven(sim_os(sim), &options, out, NULL);
}

static void put(struct log *log, u32 shard, isize bytes)
{
    struct log_batch *batch = log_batch_new();
    u8 *out = log_batch_reserve(batch, (struct log_channel){1, shard}, bytes);
    memset(out, (int)shard, (size_t)bytes);
    CHECK(log_batch_add(batch, (struct log_channel){0, 1}, STR("control")) == OK);
    CHECK(log_commit(log, batch) == OK);
    log_batch_free(batch);
}

static bool all_but_one(void *ctx, struct log_channel channel, u64 last_no, i64 arrival_ms)
{
    (void)ctx;
    (void)last_no;
    (void)arrival_ms;
    return channel.shard != 0;
}

static void be_quiet(void *ctx, str line)
{
    (void)ctx;
    (void)line;
}

static void make_original(void)
{
    trace_set_sink(be_quiet, NULL, NULL);
    original = sim_new(1);
    struct log *log;
    CHECK(open_log(original, &log) == OK);
    for (u32 i = 0; i < 12; i++) {
        put(log, i % 2, i % 2 == 0 ? 6000 : 200);
    }
    log_set_live(log, all_but_one, NULL);
    CHECK(log_retain_now(log) == OK);
    for (u32 i = 0; i < 3; i++) {
        put(log, 2, 500);
    }
    log__abandon(log);
}

struct names {
    char list[16][32];
    int count;
};

static bool take_name(void *ctx, const char *name)
{
    struct names *names = ctx;
    if (names->count < 16 && strlen(name) < 32 && strcmp(name, "LOCK") != 0) {
        memcpy(names->list[names->count++], name, strlen(name) + 1);
    }
    return true;
}

/* Every header and body whose lengths are possible gets the checksum that it would need. */
static void mend(struct os_file *file, u64 bytes)
{
    u8 *content = mem_alloc((isize)bytes + 1);
    CHECK(os_read_exact(file, 0, content, (isize)bytes) == OK);
    for (u64 at = 0; at + LOG__HEADER_BYTES <= bytes; at += LOG__PACKED_BYTES) {
        u8 *p = content + at;
        u32 length = get_u32(p + 88);
        if (memcmp(p, "LFRM", 4) == 0) {
            if (length > LOG__HEADER_BYTES && length <= bytes - at) {
                put_u32(p + 104,
                        crc32c(0, p + LOG__HEADER_BYTES, (isize)length - LOG__HEADER_BYTES));
            }
            put_u32(p + 124, crc32c(0, p, 124));
        }
    }
    for (u64 at = 0; at + LOG__BLOCK_BYTES <= bytes; at += LOG__PACKED_BYTES) {
        u8 *p = content + at;
        bool is_end = memcmp(p, "LEATEND1", 8) == 0;
        u64 offset = get_u64(p + 96);
        u64 index = get_u64(p + 104);
        if (is_end && offset <= bytes && index <= bytes - offset) {
            put_u32(p + 124, crc32c(0, content + offset, (isize)index));
        }
        if (is_end || memcmp(p, "LEATSEG1", 8) == 0 || memcmp(p, "LEATSTOR", 8) == 0) {
            put_u32(p + LOG__BLOCK_BYTES - 4, crc32c(0, p, LOG__BLOCK_BYTES - 4));
        }
    }
    CHECK(os_write_at(file, 0, content, (isize)bytes) == OK);
    mem_free(content);
}

/* Edit: file, kind, offset (4), value (2). */
static void edit(struct sim *sim, const struct names *names, const u8 *p, bool is_mended)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/d/%s", names->list[p[0] % names->count]);
    struct os_file *file;
    struct os_stat stat;
    if (os_open(sim_os(sim), path, OS_WRITE, &file) != OK) {
        return;
    }
    CHECK(os_stat_file(file, &stat) == OK);
    u64 offset = stat.bytes == 0 ? 0 : get_u32(p + 2) % stat.bytes;
    if (p[1] % 8 == 7) {
        CHECK(os_truncate(file, offset) == OK);
    } else if (p[1] % 8 == 6) {
        CHECK(os_write_at(file, offset - offset % 64, p + 6, 2) == OK);
    } else {
        CHECK(os_write_at(file, offset, p + 6, 1 + p[1] % 2) == OK);
    }
    CHECK(os_stat_file(file, &stat) == OK);
    if (is_mended) {
        mend(file, stat.bytes);
    }
    CHECK(os_close(file) == OK);
}

static void read_everything(struct log *log)
{
    u64 lsn = 0;
    struct log_frame *frame;
    for (err e = OK; e != ERR_END;) {
        e = log_frame_after(log, lsn, &frame);
        u64 next = e == OK ? log_frame_lsn(frame) : log_skip_after(log, lsn);
        CHECK(next > lsn || e == ERR_END);
        lsn = next;
        for (isize i = 0; e == OK && i < log_frame_run_count(frame); i++) {
            struct log_run run = log_frame_run(frame, i);
            struct log_record record;
            u32 sum = 0;
            while (log_run_next(&run, &record)) {
                sum = crc32c(sum, record.body.data, record.body.len);
            }
            CHECK(run.bytes.len == 0 || sum != 1);
        }
        log_frame_unref(frame);
    }
    for (u32 shard = 0; shard < 3; shard++) {
        struct log_channel channel = {1, shard};
        u64 no = 1;
        for (err e = OK; e != ERR_END;) {
            e = log_frame_seek(log, channel, no, &frame);
            struct log_run run;
            u64 next = no;
            if (e == OK && log_frame_find(frame, channel, &run)) {
                next = run.first_no + run.count;
            } else if (e != ERR_END) {
                next = log_skip_seek(log, channel, no);
            }
            CHECK(next > no || e == ERR_END);
            no = next;
            log_frame_unref(frame);
        }
        u64 at;
        IGNORE(log_seek_time(log, channel, 1767225600000, &at)); /* An error is an answer. */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (original == NULL) {
        make_original();
    }
    struct sim *sim = sim_clone(original);
    struct names names = {.count = 0};
    CHECK(os_list(sim_os(sim), "/d", take_name, &names) == OK);
    bool is_mended = size > 0 && data[0] % 4 != 0;
    for (size_t at = 1; at + EDIT_BYTES <= size && at < EDITS_MAX * EDIT_BYTES; at += EDIT_BYTES) {
        edit(sim, &names, data + at, is_mended);
    }
    struct log *log;
    if (open_log(sim, &log) == OK) {
        read_everything(log);
        put(log, 3, 100);
        IGNORE(log_retain_now(log)); /* Damage may stop it. */
        read_everything(log);
        log_close(log);
    }
    sim_free(sim);
    return 0;
}
