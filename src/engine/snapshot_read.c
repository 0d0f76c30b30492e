/* engine/snapshot_read.c: a snapshot's file back into state. Whatever is wrong with it is
 * ERR_CORRUPT: the caller falls back. */
#include "engine/snapshot.h"

#include "base/hash.h"

enum { PIECE_BYTES = 1 << 20, PATH_BYTES = ENGINE_PATH_BYTES + SNAPSHOT_NAME_BYTES };

static err damaged(struct diag *diag, const char *what, u64 offset)
{
    return diag_set(diag, ERR_CORRUPT, "ENG075", "the snapshot is damaged at byte %llu: %s",
                    (unsigned long long)offset, what);
}

struct parse {
    u64 file_bytes, offset, sections;
    snapshot_read_fn read;
    void *ctx;
    err (*section)(void *to, u64 operator_id, str body);
    void *to;
    struct diag *diag;
    struct buf body;
    bool has_end;
};

static err parse_head(struct parse *p, const struct snapshot_head *expected)
{
    u8 head[SNAPSHOT_HEAD_BYTES];
    if (p->file_bytes < SNAPSHOT_HEAD_BYTES ||
        p->read(p->ctx, 0, head, SNAPSHOT_HEAD_BYTES) != OK) {
        return damaged(p->diag, "it is too short", p->file_bytes);
    }
    if (memcmp(head, SNAPSHOT_MAGIC, 8) != 0 ||
        get_u32(head + 12) != crc32c(0, head + 16, SNAPSHOT_HEAD_BYTES - 16)) {
        return damaged(p->diag, "its head is not that of a snapshot", 0);
    }
    if (get_u32(head + 8) > SNAPSHOT_VERSION) {
        return diag_set_newer(p->diag, "ENG077", "the snapshot", get_u32(head + 8),
                              SNAPSHOT_VERSION);
    }
    if (get_u32(head + 8) == 0) {
        return damaged(p->diag, "its version is 0", 8);
    }
    bool is_ours = get_u64(head + 16) == expected->job && get_u64(head + 24) == expected->step &&
                   get_u64(head + 32) == expected->lsn &&
                   get_u64(head + 40) == expected->fingerprint;
    p->offset = SNAPSHOT_HEAD_BYTES;
    return is_ours ? OK : damaged(p->diag, "it belongs to another job or step", 16);
}

static err parse_end(struct parse *p, str body)
{
    u64 sections;
    str in = str_slice(body, 1, body.len);
    if (varint_take(&in, &sections) != OK || in.len != 0 || sections != p->sections) {
        return damaged(p->diag, "sections are missing", p->offset);
    }
    p->has_end = true;
    return OK;
}

static err parse_section(struct parse *p)
{
    u8 head[SNAPSHOT_SECTION_BYTES];
    u64 left = p->file_bytes - p->offset;
    if (left < SNAPSHOT_SECTION_BYTES ||
        p->read(p->ctx, p->offset, head, SNAPSHOT_SECTION_BYTES) != OK) {
        return damaged(p->diag, "it ends within a section", p->offset);
    }
    isize bytes = get_u32(head);
    u64 operator_id = get_u64(head + 8);
    left -= SNAPSHOT_SECTION_BYTES;
    if (bytes > SNAPSHOT_BODY_BYTES_MAX || (u64)bytes > left || bytes == 0) {
        return damaged(p->diag, "a section's length is wrong", p->offset);
    }
    buf_reset(&p->body);
    u8 *body = buf_reserve(&p->body, bytes);
    CHECK(body != NULL);
    if (p->read(p->ctx, p->offset + SNAPSHOT_SECTION_BYTES, body, bytes) != OK) {
        return damaged(p->diag, "it cannot be read", p->offset);
    }
    str text = {body, bytes};
    if (get_u32(head + 4) != engine__snapshot_crc(operator_id, text)) {
        return damaged(p->diag, "a section's checksum is wrong", p->offset);
    }
    if (operator_id == 0 && body[0] == SNAPSHOT_END) {
        TRY(parse_end(p, text));
    } else {
        p->sections++;
        err e = p->section(p->to, operator_id, text);
        if (e != OK) {
            return damaged(p->diag, "a section does not fit the job's plan", p->offset);
        }
    }
    p->offset += SNAPSHOT_SECTION_BYTES + (u64)bytes;
    return OK;
}

/* As the writer made it: over pieces of PIECE_BYTES. */
static err whole_hash(struct parse *p, u64 *out)
{
    u64 hash = 0;
    u8 *piece = mem_alloc(PIECE_BYTES);
    err e = OK;
    for (u64 at = 0; at < p->file_bytes && e == OK; at += PIECE_BYTES) {
        isize n = (isize)MIN(p->file_bytes - at, (u64)PIECE_BYTES);
        e = p->read(p->ctx, at, piece, n);
        hash = hash64(piece, n, hash);
    }
    mem_free(piece);
    *out = hash >> 1;
    return e == OK ? OK : damaged(p->diag, "it cannot be read", 0);
}

/* NOLINTNEXTLINE(readability-function-size): a file, what it must be, and where it goes. */
err engine__snapshot_parse(u64 file_bytes, snapshot_read_fn read, void *ctx,
                           const struct snapshot_head *expected,
                           err (*section)(void *to, u64 operator_id, str body), void *to,
                           u64 *hash_out, struct diag *diag)
{
    struct parse p = {.file_bytes = file_bytes,
                      .read = read,
                      .ctx = ctx,
                      .section = section,
                      .to = to,
                      .diag = diag};
    err e = parse_head(&p, expected);
    while (e == OK && p.offset < file_bytes && !p.has_end) {
        e = parse_section(&p);
    }
    if (e == OK && (!p.has_end || p.offset != file_bytes)) {
        e = damaged(diag, "its end is missing, or something follows it", p.offset);
    }
    if (e == OK) {
        e = whole_hash(&p, hash_out);
    }
    buf_deinit(&p.body);
    return e;
}

/* --- into the job ----------------------------------------------------------------------------- */

static err load_job(struct engine_job *job, str in)
{
    u64 wall, version;
    if (in.len == 0) {
        return ERR_CORRUPT;
    }
    job->is_firing = in.data[0] != 0;
    in = str_slice(in, 1, in.len);
    TRY(varint_take(&in, &wall));
    TRY(varint_take(&in, &version));
    job->wall_us = (i64)wall;
    return version == ENGINE_STATE_VERSION && in.len == 0 ? OK : ERR_CORRUPT;
}

static err load_marks(struct engine_job *job, str in)
{
    u64 source;
    TRY(varint_take(&in, &source));
    if (source >= (u64)job->source_count || job->sources[source].marks == NULL) {
        return ERR_CORRUPT;
    }
    TRY(marks_load(job->sources[source].marks, &in));
    return in.len == 0 ? OK : ERR_CORRUPT;
}

struct load {
    struct engine_job *job;
    struct diag *diag;
    struct os_file *pieces; /* NULL: none is open. */
    u64 pieces_step;
    struct engine_piece_files files;
};

static err read_file(void *ctx, u64 offset, void *data, isize bytes)
{
    return os_read_exact(ctx, offset, data, bytes);
}

static void pieces_close(struct load *l)
{
    if (l->pieces != NULL) {
        IGNORE(os_close(l->pieces)); /* Opened for reading only. */
    }
    l->pieces = NULL;
}

static err piece_damaged(struct load *l, const struct flow_piece *piece, const char *what)
{
    char path[PATH_BYTES];
    engine__snapshot_path(l->job, piece->file, "pieces", path);
    return diag_set(l->diag, ERR_CORRUPT, "ENG075",
                    "the snapshot is damaged: the piece at byte %llu of \"%s\" %s",
                    (unsigned long long)piece->offset, path, what);
}

static err pieces_open(struct load *l, const struct flow_piece *piece)
{
    char path[PATH_BYTES];
    if (l->pieces != NULL && l->pieces_step == piece->file) {
        return OK;
    }
    pieces_close(l);
    engine__snapshot_path(l->job, piece->file, "pieces", path);
    l->pieces_step = piece->file;
    err e = os_open(l->job->engine->os, path, OS_READ, &l->pieces);
    return e == OK ? OK : piece_damaged(l, piece, err_text(e));
}

static err load_piece(void *ctx, u64 operator_id, const struct flow_piece *piece, struct buf *out)
{
    struct load *l = ctx;
    u8 head[SNAPSHOT_SECTION_BYTES];
    TRY(pieces_open(l, piece));
    if (piece->bytes <= SNAPSHOT_SECTION_BYTES ||
        piece->bytes > SNAPSHOT_SECTION_BYTES + (u64)SNAPSHOT_BODY_BYTES_MAX ||
        piece->offset > INT64_MAX / 2) {
        return piece_damaged(l, piece, "has an impossible length");
    }
    isize bytes = (isize)piece->bytes - SNAPSHOT_SECTION_BYTES;
    u8 *body = buf_reserve(out, bytes);
    CHECK(body != NULL);
    if (os_read_exact(l->pieces, piece->offset, head, SNAPSHOT_SECTION_BYTES) != OK ||
        os_read_exact(l->pieces, piece->offset + SNAPSHOT_SECTION_BYTES, body, bytes) != OK) {
        return piece_damaged(l, piece, "cannot be read");
    }
    out->len += bytes;
    bool is_it = get_u32(head) == (u64)bytes && get_u64(head + 8) == operator_id &&
                 get_u32(head + 4) == engine__snapshot_crc(operator_id, buf_str(out)) &&
                 engine__piece_hash(head, buf_str(out)) == piece->hash;
    return is_it ? OK : piece_damaged(l, piece, "is not the one that was written");
}

static err load_section(void *to, u64 operator_id, str body)
{
    struct load *l = to;
    if (operator_id != 0) {
        struct flow_loader loader = {.piece = load_piece, .ctx = l};
        return flow_load(l->job->flow, operator_id, body, &loader);
    }
    str in = str_slice(body, 1, body.len);
    switch (body.data[0]) {
    case SNAPSHOT_JOB:
        return load_job(l->job, in);
    case SNAPSHOT_MARKS:
        return load_marks(l->job, in);
    case SNAPSHOT_FILES:
        return engine__piece_files_take(&l->files, in);
    default:
        return ERR_CORRUPT;
    }
}

/* Only what files it consists of. */
static err files_section(void *to, u64 operator_id, str body)
{
    struct load *l = to;
    bool is_files = operator_id == 0 && body.data[0] == SNAPSHOT_FILES;
    return is_files ? engine__piece_files_take(&l->files, str_slice(body, 1, body.len)) : OK;
}

static err read_all(struct load *l, const struct engine_snapshot_record *record,
                    err (*section)(void *to, u64 operator_id, str body))
{
    struct engine_job *job = l->job;
    struct diag *diag = l->diag;
    char path[PATH_BYTES];
    struct os_file *file;
    struct os_stat stat;
    engine__snapshot_path(job, record->step, "snapshot", path);
    err e = os_open(job->engine->os, path, OS_READ, &file);
    if (e != OK) {
        return diag_set(diag, ERR_CORRUPT, "ENG076", "the snapshot \"%s\" cannot be opened: %s",
                        path, err_text(e));
    }
    struct snapshot_head head = {record->job, record->step, record->lsn, job->fingerprint};
    u64 hash = 0;
    e = os_stat_file(file, &stat);
    if (e == OK && stat.bytes != record->bytes) {
        e = damaged(diag, "its length is not that of the journal", stat.bytes);
    }
    if (e == OK) {
        e = engine__snapshot_parse(stat.bytes, read_file, file, &head, section, l, &hash, diag);
    }
    if (e == OK && hash != record->hash) {
        e = damaged(diag, "its hash is not that of the journal", 0);
    }
    IGNORE(os_close(file)); /* Opened for reading only. */
    pieces_close(l);
    return e == OK || e == ERR_VERSION ? e : ERR_CORRUPT;
}

/* Only a good head of a greater version: all else is found out, and got over, later. */
static u64 newer_version(struct os *os, const char *path)
{
    u8 head[SNAPSHOT_HEAD_BYTES];
    struct os_file *file;
    if (os_open(os, path, OS_READ, &file) != OK) {
        return 0;
    }
    bool is_head = os_read_exact(file, 0, head, SNAPSHOT_HEAD_BYTES) == OK &&
                   memcmp(head, SNAPSHOT_MAGIC, 8) == 0 &&
                   get_u32(head + 12) == crc32c(0, head + 16, SNAPSHOT_HEAD_BYTES - 16);
    IGNORE(os_close(file)); /* Opened for reading only. */
    return is_head && get_u32(head + 8) > SNAPSHOT_VERSION ? get_u32(head + 8) : 0;
}

err engine__snapshots_check(struct engine *engine, struct diag *diag)
{
    for (struct engine_job *job = engine->jobs; job != NULL; job = job->next) {
        char path[PATH_BYTES];
        char what[PATH_BYTES + 2];
        if (job->replay == NULL || job->replay->snapshots[0].step == 0 ||
            engine->data_dir[0] == '\0') {
            continue;
        }
        engine__job_name(job);
        engine__snapshot_path(job, job->replay->snapshots[0].step, "snapshot", path);
        (void)snprintf(what, sizeof what, "\"%s\"", path);
        u64 version = newer_version(engine->os, path);
        if (version != 0) {
            return diag_set_newer(diag, "ENG077", what, version, SNAPSHOT_VERSION);
        }
    }
    return OK;
}

err engine__snapshot_load(struct engine_job *job, const struct engine_snapshot_record *record,
                          struct diag *diag)
{
    struct load l = {.job = job, .diag = diag};
    err e = read_all(&l, record, load_section);
    if (e != OK) {
        engine__piece_files_free(&l.files);
        return e;
    }
    engine__piece_files_free(&job->piece_files[0]);
    job->piece_files[0] = l.files;
    job->piece_files[0].is_known = true;
    return OK;
}

err engine__snapshot_load_files(struct engine_job *job, const struct engine_snapshot_record *record,
                                struct engine_piece_files *out)
{
    struct diag ignored;
    struct load l = {.job = job, .diag = &ignored};
    diag_init(&ignored);
    err e = read_all(&l, record, files_section);
    if (e != OK) {
        engine__piece_files_free(&l.files);
        return e;
    }
    *out = l.files;
    return OK;
}
