/*
 * engine/snapshot_write.c: a job's state onto the disk: what has changed into a file of pieces, and
 * a small file that says what the state consists of. Each is written under another name, synced
 * and renamed, the pieces first; then the directory is synced.
 */
#include "engine/snapshot.h"

#include "base/hash.h"
#include "base/plant.h"

enum { WRITE_BYTES = 1 << 20, PATH_BYTES = ENGINE_PATH_BYTES + SNAPSHOT_NAME_BYTES };
enum { RANGE_BYTES = 4 << 20, RANGES_SMALL = 64 };

u32 engine__snapshot_crc(u64 operator_id, str body)
{
    u32 crc = crc32c(0, &operator_id, (isize)sizeof operator_id);
    return crc32c(crc, body.data, body.len);
}

u64 engine__piece_hash(const u8 *head, str body)
{
    return hash64(body.data, body.len, hash64(head, SNAPSHOT_SECTION_BYTES, 0));
}

/* --- one file --------------------------------------------------------------------------------- */

struct writer {
    struct os_file *file; /* NULL: not opened. */
    struct buf buf;
    u64 offset, hash, sections;
    char temporary[PATH_BYTES], path[PATH_BYTES];
};

static err writer_open(struct writer *w, const struct engine_job *job, const char *kind)
{
    (void)snprintf(w->path, PATH_BYTES, "%s/state/%s/%020llu.%s", job->engine->data_dir,
                   job->id_text, (unsigned long long)job->step, kind);
    (void)snprintf(w->temporary, PATH_BYTES, "%s.tmp", w->path);
    return os_open(job->engine->os, w->temporary, OS_WRITE | OS_CREATE | OS_TRUNCATE, &w->file);
}

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

static err put_section(struct writer *w, u64 operator_id, str body, u64 *hash_out)
{
    u8 head[SNAPSHOT_SECTION_BYTES];
    if (body.len > SNAPSHOT_BODY_BYTES_MAX) {
        return ERR_LIMIT;
    }
    put_u32(head, (u32)body.len);
    put_u32(head + 4, engine__snapshot_crc(operator_id, body));
    put_u64(head + 8, operator_id);
    w->sections++;
    if (hash_out != NULL) {
        *hash_out = engine__piece_hash(head, body);
    }
    TRY(put(w, head, SNAPSHOT_SECTION_BYTES));
    return put(w, body.data, body.len);
}

static err file_close(struct writer *w, struct os *os, err e)
{
    err closed = os_close(w->file);
    w->file = NULL;
    if (e == OK && closed == OK) {
        e = os_rename(os, w->temporary, w->path);
    }
    e = e != OK ? e : closed;
    if (e != OK) {
        IGNORE(os_unlink(os, w->temporary)); /* It is swept away at the next start. */
    }
    return e;
}

/* Frees it; `e`: how it went so far. The name stands when this and a sync of the directory did. */
static err writer_close(struct writer *w, struct os *os, err e)
{
    e = w->file != NULL ? file_close(w, os, e) : e;
    buf_deinit(&w->buf);
    return e;
}

/* --- both files ------------------------------------------------------------------------------- */

static void must_sync(const struct writer *w, err e)
{
    if (e != OK) {
        os_fatal("fsync of a job's snapshot", w->path, e);
    }
}

struct write {
    struct engine_job *job;
    struct writer list, pieces;
    struct engine_piece_files files;
    isize file_last; /* Of `files`, found last. */
};

static err on_section(void *ctx, u64 operator_id, str body)
{
    struct write *w = ctx;
    return put_section(&w->list, operator_id, body, NULL);
}

static err on_piece(void *ctx, u64 operator_id, str body, struct flow_piece *out)
{
    struct write *w = ctx;
    if (w->pieces.file == NULL) {
        TRY(writer_open(&w->pieces, w->job, "pieces"));
    }
    out->file = w->job->step;
    out->offset = w->pieces.offset + (u64)w->pieces.buf.len;
    out->bytes = SNAPSHOT_SECTION_BYTES + (u64)body.len;
    return put_section(&w->pieces, operator_id, body, &out->hash);
}

static void on_keep(void *ctx, const struct flow_piece *piece)
{
    struct write *w = ctx;
    struct engine_piece_files *files = &w->files;
    files->live_bytes += piece->bytes;
    if (w->file_last < files->count && files->items[w->file_last].step == piece->file) {
        return;
    }
    for (w->file_last = 0; w->file_last < files->count; w->file_last++) {
        if (files->items[w->file_last].step == piece->file) {
            return;
        }
    }
    u64 bytes = engine__piece_file_bytes(&w->job->piece_files[0], piece->file);
    engine__piece_files_add(files, piece->file, bytes);
}

static err put_head(struct write *w)
{
    const struct engine_job *job = w->job;
    u8 head[SNAPSHOT_HEAD_BYTES] = {0};
    memcpy(head, SNAPSHOT_MAGIC, 8);
    put_u32(head + 8, SNAPSHOT_VERSION);
    put_u64(head + 16, job->id);
    put_u64(head + 24, job->step);
    put_u64(head + 32, job->position);
    put_u64(head + 40, job->fingerprint);
    put_u32(head + 12, crc32c(0, head + 16, SNAPSHOT_HEAD_BYTES - 16));
    return put(&w->list, head, SNAPSHOT_HEAD_BYTES);
}

static err put_job(struct write *w)
{
    const struct engine_job *job = w->job;
    struct buf body = {0};
    buf_append_byte(&body, SNAPSHOT_JOB);
    buf_append_byte(&body, job->is_firing);
    buf_append_varint(&body, (u64)job->wall_us);
    buf_append_varint(&body, ENGINE_STATE_VERSION);
    err e = on_section(w, 0, buf_str(&body));
    for (isize i = 0; i < job->source_count && e == OK; i++) {
        if (job->sources[i].marks != NULL) {
            buf_reset(&body);
            buf_append_byte(&body, SNAPSHOT_MARKS);
            buf_append_varint(&body, (u64)i);
            marks_save(job->sources[i].marks, &body);
            e = on_section(w, 0, buf_str(&body));
        }
    }
    buf_deinit(&body);
    return e;
}

/* LEAT_SNAPSHOT_PIECE_BYTES=N: as if less were large, for tests. */
static isize range_bytes(void)
{
    const char *text = os_getenv("LEAT_SNAPSHOT_PIECE_BYTES");
    i64 bytes = 0;
    bool is_set = text != NULL && str_to_i64(str_of(text), &bytes) == OK && bytes > 0;
    return is_set ? (isize)MIN(bytes, (i64)RANGE_BYTES) : RANGE_BYTES;
}

static err put_flow(struct write *w)
{
    isize bytes = range_bytes();
    struct flow_saver saver = {.section = on_section,
                               .piece = on_piece,
                               .keep = on_keep,
                               .ctx = w,
                               .range_bytes = bytes,
                               .small_bytes = bytes / RANGES_SMALL};
    if (engine__piece_files_are_worn(&w->job->piece_files[0])) {
        flow_forget_pieces(w->job->flow);
    }
    err e = flow_save(w->job->flow, &saver);
    e = e == OK ? flush(&w->pieces) : e;
    if (w->pieces.file != NULL && e == OK) {
        OS_FAILPOINT("engine.before_pieces_sync");
        must_sync(&w->pieces, PLANTED(BUG_PIECES_NO_SYNC) ? OK : os_sync(w->pieces.file));
    }
    e = writer_close(&w->pieces, w->job->engine->os, e);
    if (w->pieces.offset > 0 && e == OK) {
        OS_FAILPOINT("engine.after_pieces_rename");
    }
    return e;
}

static err put_end(struct write *w)
{
    struct buf body = {0};
    struct engine_piece_files *files = &w->files;
    buf_append_byte(&body, SNAPSHOT_FILES);
    buf_append_varint(&body, files->live_bytes);
    buf_append_varint(&body, (u64)files->count);
    for (isize i = 0; i < files->count; i++) {
        struct engine_piece_file *file = &files->items[i];
        file->bytes = file->step == w->job->step ? w->pieces.offset : file->bytes;
        buf_append_varint(&body, file->step);
        buf_append_varint(&body, file->bytes);
    }
    err e = on_section(w, 0, buf_str(&body));
    buf_reset(&body);
    buf_append_byte(&body, SNAPSHOT_END);
    buf_append_varint(&body, w->list.sections);
    e = e == OK ? on_section(w, 0, buf_str(&body)) : e;
    buf_deinit(&body);
    return e == OK ? flush(&w->list) : e;
}

static err put_all(struct write *w)
{
    OS_FAILPOINT("engine.before_snapshot_write");
    TRY(writer_open(&w->list, w->job, "snapshot"));
    TRY(put_head(w));
    TRY(put_job(w));
    TRY(put_flow(w));
    TRY(put_end(w));
    OS_FAILPOINT("engine.before_snapshot_sync");
    must_sync(&w->list, PLANTED(BUG_SNAPSHOT_NO_SYNC) ? OK : os_sync(w->list.file));
    OS_FAILPOINT("engine.after_snapshot_sync");
    OS_FAILPOINT("engine.before_snapshot_rename");
    return OK;
}

err engine__snapshot_put(struct engine_job *job, struct engine_snapshot_written *out)
{
    struct os *os = job->engine->os;
    char dir[PATH_BYTES];
    struct write w = {.job = job};
    engine__snapshot_dir(job, dir);
    TRY(os_mkdir_all(os, dir));
    err e = put_all(&w);
    if (e != OK) {
        IGNORE(writer_close(&w.pieces, os, e)); /* Says the same. */
    }
    e = writer_close(&w.list, os, e);
    if (e == OK) {
        OS_FAILPOINT("engine.after_snapshot_rename");
        must_sync(&w.list, PLANTED(BUG_SNAPSHOT_NO_DIR_SYNC) ? OK : os_sync_dir(os, dir));
    }
    if (e != OK) {
        engine__piece_files_free(&w.files);
        flow_forget_pieces(job->flow);
        return e;
    }
    w.files.is_known = true;
    *out = (struct engine_snapshot_written){
        .record = {job->id, job->step, job->position, w.list.offset, w.list.hash >> 1},
        .files = w.files,
        .bytes = w.list.offset + w.pieces.offset,
    };
    return OK;
}
