/*
 * engine/snapshot.c: a job's state into one file, atomically: written under another name,
 * synced, renamed, the directory synced, and only then named by a journal record. The one
 * before it is kept until the next, in case the new one cannot be read.
 */
#include "engine/snapshot.h"

#include "base/hash.h"
#include "base/trace.h"

#include <stdio.h>

enum { NAME_BYTES = 64, WRITE_BYTES = 1 << 20, WAIT_AFTER_FAILURE_S = 30 };

/* --- names ------------------------------------------------------------------------------------ */

void engine__snapshot_dir(const struct engine_job *job, char *out)
{
    (void)snprintf(out, ENGINE_PATH_BYTES + NAME_BYTES, "%s/state/%s", job->engine->data_dir,
                   job->id_text);
}

void engine__snapshot_path(const struct engine_job *job, u64 step, const char *suffix, char *out)
{
    (void)snprintf(out, ENGINE_PATH_BYTES + NAME_BYTES, "%s/state/%s/%020llu.snapshot%s",
                   job->engine->data_dir, job->id_text, (unsigned long long)step, suffix);
}

u32 engine__snapshot_crc(u64 operator_id, str body)
{
    u32 crc = crc32c(0, &operator_id, (isize)sizeof operator_id);
    return crc32c(crc, body.data, body.len);
}

/* --- writing ---------------------------------------------------------------------------------- */

struct writer {
    struct os_file *file;
    struct buf buf;
    u64 offset, hash, sections;
};

static err flush(struct writer *w)
{
    if (w->buf.len == 0) {
        return OK;
    }
    w->hash = hash64(w->buf.data, w->buf.len, w->hash);
    TRY(os_write_at(w->file, w->offset, w->buf.data, w->buf.len));
    w->offset += (u64)w->buf.len;
    buf_reset(&w->buf);
    return OK;
}

/* The hash runs over pieces of exactly WRITE_BYTES, so that a reader can follow. */
static err put(struct writer *w, const void *data, isize bytes)
{
    const u8 *at = data;
    while (bytes > 0) {
        isize n = MIN(bytes, WRITE_BYTES - w->buf.len);
        buf_append_bytes(&w->buf, at, n);
        at += n;
        bytes -= n;
        if (w->buf.len == WRITE_BYTES) {
            TRY(flush(w));
        }
    }
    return OK;
}

static err put_section(void *ctx, u64 operator_id, str body)
{
    struct writer *w = ctx;
    u8 head[SNAPSHOT_SECTION_BYTES];
    if (body.len > SNAPSHOT_BODY_BYTES_MAX) {
        return ERR_LIMIT;
    }
    put_u32(head, (u32)body.len);
    put_u32(head + 4, engine__snapshot_crc(operator_id, body));
    put_u64(head + 8, operator_id);
    w->sections++;
    TRY(put(w, head, SNAPSHOT_SECTION_BYTES));
    return put(w, body.data, body.len);
}

static err put_head(struct writer *w, const struct engine_job *job)
{
    u8 head[SNAPSHOT_HEAD_BYTES] = {0};
    memcpy(head, SNAPSHOT_MAGIC, 8);
    put_u32(head + 8, SNAPSHOT_VERSION);
    put_u64(head + 16, job->id);
    put_u64(head + 24, job->step);
    put_u64(head + 32, job->position);
    put_u64(head + 40, job->fingerprint);
    put_u32(head + 12, crc32c(0, head + 16, SNAPSHOT_HEAD_BYTES - 16));
    return put(w, head, SNAPSHOT_HEAD_BYTES);
}

static err put_job(struct writer *w, const struct engine_job *job)
{
    struct buf body = {0};
    buf_append_byte(&body, SNAPSHOT_JOB);
    buf_append_byte(&body, job->is_firing);
    buf_append_varint(&body, (u64)job->wall_us);
    buf_append_varint(&body, ENGINE_STATE_VERSION);
    err e = put_section(w, 0, buf_str(&body));
    for (isize i = 0; i < job->source_count && e == OK; i++) {
        if (job->sources[i].marks != NULL) {
            buf_reset(&body);
            buf_append_byte(&body, SNAPSHOT_MARKS);
            buf_append_varint(&body, (u64)i);
            marks_save(job->sources[i].marks, &body);
            e = put_section(w, 0, buf_str(&body));
        }
    }
    buf_deinit(&body);
    return e;
}

static err put_end(struct writer *w)
{
    struct buf body = {0};
    buf_append_byte(&body, SNAPSHOT_END);
    buf_append_varint(&body, w->sections);
    err e = put_section(w, 0, buf_str(&body));
    buf_deinit(&body);
    return e == OK ? flush(w) : e;
}

static err put_all(struct writer *w, struct engine_job *job)
{
    OS_FAILPOINT("engine.before_snapshot_write");
    TRY(put_head(w, job));
    TRY(put_job(w, job));
    TRY(flow_save(job->flow, put_section, w));
    TRY(put_end(w));
    OS_FAILPOINT("engine.before_snapshot_sync");
    TRY(os_sync(w->file));
    OS_FAILPOINT("engine.after_snapshot_sync");
    return OK;
}

static err write_file(struct engine_job *job, struct engine_snapshot_record *out)
{
    struct os *os = job->engine->os;
    char dir[ENGINE_PATH_BYTES + NAME_BYTES], path[ENGINE_PATH_BYTES + NAME_BYTES],
        temporary[ENGINE_PATH_BYTES + NAME_BYTES];
    struct writer w = {.file = NULL};
    engine__snapshot_dir(job, dir);
    engine__snapshot_path(job, job->step, "", path);
    engine__snapshot_path(job, job->step, ".tmp", temporary);
    TRY(os_mkdir_all(os, dir));
    TRY(os_open(os, temporary, OS_WRITE | OS_CREATE | OS_TRUNCATE, &w.file));
    err e = put_all(&w, job);
    err closed = os_close(w.file);
    buf_deinit(&w.buf);
    e = e == OK ? closed : e;
    if (e != OK) {
        IGNORE(os_unlink(os, temporary)); /* It is swept away at the next start. */
        return e;
    }
    OS_FAILPOINT("engine.before_snapshot_rename");
    TRY(os_rename(os, temporary, path));
    OS_FAILPOINT("engine.after_snapshot_rename");
    TRY(os_sync_dir(os, dir));
    *out =
        (struct engine_snapshot_record){job->id, job->step, job->position, w.offset, w.hash >> 1};
    return OK;
}

err engine__snapshot_adopt(struct engine_job *job, const struct engine_job *old, struct diag *diag)
{
    struct engine_snapshot_record record;
    if (old->step == 0) {
        return OK; /* There is no state yet. */
    }
    if (!old->has_state && old->state != ENGINE_RUNNING) {
        (void)diag_set(diag, ERR_NOT_FOUND, "ENG079",
                       "job %s has ended, and the state of its windows is not kept", old->id_text);
        diag_hint(diag, "--from latest or --from trim-horizon begins without it");
        return ERR_NOT_FOUND;
    }
    if (job->engine->data_dir[0] == '\0' || !old->has_state) {
        return diag_set(diag, ERR_AGAIN, "ENG079", "the state of job %s cannot be taken over %s",
                        old->id_text,
                        old->has_state ? "without a disk" : "while it recovers, try again");
    }
    struct engine_job as = *old; /* Its state, under the new name. */
    as.id = job->id;
    memcpy(as.id_text, job->id_text, sizeof as.id_text);
    err e = write_file(&as, &record);
    if (e != OK) {
        return diag_set(diag, e, "ENG079", "the state of job %s cannot be taken over: %s",
                        old->id_text, err_text(e));
    }
    job->replay = NEW(struct engine_replay);
    job->replay->snapshots[0] = record;
    job->step = record.step;
    return OK;
}

/* --- when ------------------------------------------------------------------------------------- */

/* LEAT_SNAPSHOT_STEPS=N: after each N steps, for tests. */
static u64 step_limit(void)
{
    const char *text = os_getenv("LEAT_SNAPSHOT_STEPS");
    i64 count = 0;
    return text != NULL && str_to_i64(str_of(text), &count) == OK && count > 0 ? (u64)count
                                                                               : UINT64_MAX;
}

bool engine__snapshot_is_due(const struct engine_job *job)
{
    if (!job->is_stateful || job->engine->data_dir[0] == '\0' || job->step == job->snapshot_step) {
        return false;
    }
    u64 input = job->counters.bytes_in - job->snapshot_input;
    bool is_time = job->snapshot_due_ns != 0 && os_mono_ns(job->engine->os) >= job->snapshot_due_ns;
    return is_time || input >= ENGINE_SNAPSHOT_INPUT ||
           job->step - job->snapshot_step >= step_limit();
}

i64 engine__snapshot_timer_us(const struct engine_job *job)
{
    bool is_kept = job->engine->data_dir[0] == '\0' || job->step == job->snapshot_step;
    if (!job->is_stateful || is_kept || job->snapshot_due_ns == 0) {
        return INT64_MAX;
    }
    struct os *os = job->engine->os;
    i64 left_ns = (i64)(job->snapshot_due_ns - os_mono_ns(os));
    return os_wall_us(os) + MAX(left_ns, 0) / 1000 + 1000;
}

static void retry_later(struct engine_job *job, err e)
{
    trace(TRACE_WARN, "engine", "a snapshot could not be written, input is kept meanwhile",
          T_STR("job", str_of(job->id_text)), T_STR("error", str_of(err_text(e))));
    job->snapshot_input = job->counters.bytes_in;
    job->snapshot_due_ns = os_mono_ns(job->engine->os) + (u64)WAIT_AFTER_FAILURE_S * 1000000000U;
}

static void taken(struct engine_job *job, const struct engine_snapshot_record *record, u64 no)
{
    OS_FAILPOINT("engine.before_snapshot_delete");
    engine__snapshots_sweep(job, record->step, job->snapshot_step);
    OS_FAILPOINT("engine.after_snapshot_delete");
    if (job->snapshot_step > 0) { /* The one before it is gone back to if this one is damaged. */
        streams_hold_move(job->engine->streams, job->hold, job->snapshot_lsn);
    }
    __atomic_store_n(&job->journal_floor_no, job->snapshot_no, __ATOMIC_RELAXED);
    job->snapshot_no = no;
    job->snapshot_step = record->step;
    job->snapshot_lsn = record->lsn;
    job->snapshot_bytes = record->bytes;
    job->snapshot_input = job->counters.bytes_in;
    job->snapshot_due_ns = 0;
    metric_add(&job->counters.snapshots, 1);
}

err engine__snapshot_write(struct engine_job *job, struct diag *diag)
{
    if (job->engine->data_dir[0] == '\0' || job->step == job->snapshot_step) {
        return OK;
    }
    struct engine_snapshot_record record;
    u64 no = 0;
    err e = write_file(job, &record);
    if (e != OK) {
        retry_later(job, e);
        return OK;
    }
    e = engine__log_snapshot(job->engine, &record, &no);
    if (e == ERR_FULL) {
        retry_later(job, e);
        return OK;
    }
    if (e != OK) {
        return diag_set(diag, e, "ENG074", "a snapshot could not be written down: %s", err_text(e));
    }
    taken(job, &record, no);
    return OK;
}

/* --- old ones --------------------------------------------------------------------------------- */

struct sweep {
    struct engine_job *job;
    char keep[2][NAME_BYTES];
    char dir[ENGINE_PATH_BYTES + NAME_BYTES];
    struct arena arena;
    str *names;
    isize count;
};

static bool sweep_name(void *ctx, const char *name)
{
    struct sweep *sweep = ctx;
    if (strcmp(name, sweep->keep[0]) != 0 && strcmp(name, sweep->keep[1]) != 0) {
        sweep->names = arena_grow(&sweep->arena, sweep->names, sweep->count, (isize)sizeof(str));
        sweep->names[sweep->count++] = arena_copy(&sweep->arena, str_of(name));
    }
    return true;
}

void engine__snapshots_sweep(struct engine_job *job, u64 keep_step, u64 keep_other)
{
    struct os *os = job->engine->os;
    struct sweep sweep = {.job = job};
    if (job->engine->data_dir[0] == '\0') {
        return;
    }
    engine__snapshot_dir(job, sweep.dir);
    (void)snprintf(sweep.keep[0], NAME_BYTES, "%020llu.snapshot", (unsigned long long)keep_step);
    (void)snprintf(sweep.keep[1], NAME_BYTES, "%020llu.snapshot", (unsigned long long)keep_other);
    err e = os_list(os, sweep.dir, sweep_name, &sweep);
    for (isize i = 0; i < sweep.count && e == OK; i++) {
        char path[ENGINE_PATH_BYTES + 2 * NAME_BYTES];
        (void)snprintf(path, sizeof path, "%s/" STR_FMT, sweep.dir, STR_ARG(sweep.names[i]));
        e = os_unlink(os, path);
    }
    if (e != OK && e != ERR_NOT_FOUND) {
        trace(TRACE_WARN, "engine", "an old snapshot could not be removed",
              T_STR("job", str_of(job->id_text)), T_STR("error", str_of(err_text(e))));
    }
    arena_deinit(&sweep.arena);
}
