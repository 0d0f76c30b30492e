/* aws/s3/s3_files.c: the files that hold object bytes: writing, reading with checksums, sweeping.
 */
#include "aws/s3/s3_store_int.h"
#include "base/hash.h"
#include "base/trace.h"

#include <stdio.h>

enum { READ_BYTES = 4 * S3_BLOCK_BYTES };

void s3__path(const struct s3_store *store, const u8 *id, char *out)
{
    char hex[2 * S3_FILE_ID_BYTES + 1];
    for (int i = 0; i < S3_FILE_ID_BYTES; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", id[i]);
    }
    int len = snprintf(out, S3_PATH_MAX, "%s/objects/%.2s/%s", store->dir, hex, hex);
    CHECK(len > 0 && len < S3_PATH_MAX);
}

void s3__entry_append(struct buf *files, const u8 *id, u64 bytes)
{
    u8 size[8];
    put_u64(size, bytes);
    buf_append_bytes(files, id, S3_FILE_ID_BYTES);
    buf_append_bytes(files, size, 8);
}

isize s3__entry_count(str files)
{
    return files.len / S3_FILE_ENTRY_BYTES;
}

void s3__entry_at(str files, isize index, const u8 **id_out, u64 *bytes_out)
{
    const u8 *entry = files.data + index * S3_FILE_ENTRY_BYTES;
    *id_out = entry;
    *bytes_out = get_u64(entry + S3_FILE_ID_BYTES);
}

void s3__files_unlink(struct s3_store *store, str files)
{
    for (isize i = 0; i < s3__entry_count(files); i++) {
        const u8 *id;
        u64 bytes;
        char path[S3_PATH_MAX];
        s3__entry_at(files, i, &id, &bytes);
        s3__path(store, id, path);
        IGNORE(os_unlink(store->os, path)); /* What stays is swept at the next start. */
    }
}

/* --- writing
 * -------------------------------------------------------------------------------------- */

static err folder_make(struct s3_store *store, const char *path)
{
    char folder[S3_PATH_MAX];
    str whole = str_of(path);
    str_copy_cstr(str_slice(whole, 0, str_rfind_byte(whole, '/')), folder, S3_PATH_MAX);
    return PLANTED(BUG_S3_NO_FOLDER_SYNC)
               ? os_mkdir(store->os, folder) == ERR_NOT_FOUND ? os_mkdir_all(store->os, folder) : OK
               : os_mkdir_all(store->os, folder);
}

err s3_writer_open(struct s3_store *store, struct s3_writer **out)
{
    struct s3_writer *writer = NEW(struct s3_writer);
    writer->store = store;
    os_random(store->os, writer->id, S3_FILE_ID_BYTES);
    s3__path(store, writer->id, writer->path);
    err e = folder_make(store, writer->path);
    if (e == OK) {
        e = os_open(store->os, writer->path, OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &writer->file);
    }
    if (e != OK) {
        mem_free(writer);
        return e;
    }
    *out = writer;
    return OK;
}

static void crc_push(struct s3_writer *writer)
{
    u8 crc[4];
    put_u32(crc, writer->block_crc);
    buf_append_bytes(&writer->crcs, crc, 4);
    writer->block_crc = 0;
}

err s3_writer_append(struct s3_writer *writer, const void *data, isize bytes)
{
    TRY(os_write_at(writer->file, writer->bytes, data, bytes));
    const u8 *p = data;
    while (bytes > 0) {
        isize room = S3_BLOCK_BYTES - (isize)(writer->bytes % S3_BLOCK_BYTES);
        isize part = MIN(room, bytes);
        writer->block_crc = crc32c(writer->block_crc, p, part);
        writer->bytes += (u64)part;
        p += part;
        bytes -= part;
        if (part == room) {
            crc_push(writer);
        }
    }
    if (writer->flush == NULL && writer->bytes >= S3_FLUSH_BYTES) {
        writer->flush = s3_flush_start(writer->file, writer->path);
    }
    if (writer->flush != NULL) {
        s3_flush_note(writer->flush, writer->bytes);
    }
    return OK;
}

static void flush_end(struct s3_writer *writer)
{
    s3_flush_finish(writer->flush);
    writer->flush = NULL;
}

err s3_writer_finish(struct s3_writer *writer)
{
    flush_end(writer);
    if (writer->bytes % S3_BLOCK_BYTES != 0) {
        crc_push(writer);
    }
    u8 crc[4];
    put_u32(crc, crc32c(0, writer->crcs.data, writer->crcs.len));
    buf_append_bytes(&writer->crcs, crc, 4);
    TRY(os_write_at(writer->file, writer->bytes, writer->crcs.data, writer->crcs.len));
    err e = PLANTED(BUG_S3_NO_SYNC) ? OK : os_sync(writer->file);
    if (e == OK && !PLANTED(BUG_S3_NO_DIR_SYNC)) {
        char folder[S3_PATH_MAX];
        str path = str_of(writer->path);
        str_copy_cstr(str_slice(path, 0, str_rfind_byte(path, '/')), folder, S3_PATH_MAX);
        e = os_sync_dir(writer->store->os, folder);
    }
    if (e != OK) {
        os_fatal("fsync of an S3 object", writer->path, e);
    }
    return OK;
}

u64 s3_writer_bytes(const struct s3_writer *writer)
{
    return writer->bytes;
}

void s3_writer_free(struct s3_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    flush_end(writer);
    IGNORE(os_close(writer->file)); /* Synced, or about to be removed. */
    if (!writer->is_taken) {
        IGNORE(os_unlink(writer->store->os, writer->path)); /* What stays is swept at the start. */
    }
    buf_deinit(&writer->crcs);
    mem_free(writer);
}

/* --- reading
 * --------------------------------------------------------------------------------------- */

struct part {
    struct os_file *file;
    u64 start, bytes; /* Within the object. */
    u8 *crcs;         /* Read when the part is first touched; owned. */
};

struct s3_reader {
    struct part *parts;
    isize part_count;
    u64 bytes;
    /* The verified window: blocks of one part. */
    u8 *window;
    u64 window_start;
    isize window_bytes;
};

err s3_reader_open(struct s3_store *store, const struct s3_object *object, struct s3_reader **out)
{
    isize count = s3__entry_count(object->files);
    struct s3_reader *reader = NEW(struct s3_reader);
    reader->parts = mem_zalloc(MAX(count, 1) * (isize)sizeof(struct part));
    for (isize i = 0; i < count; i++) {
        struct part *part = &reader->parts[i];
        const u8 *id;
        char path[S3_PATH_MAX];
        s3__entry_at(object->files, i, &id, &part->bytes);
        part->start = reader->bytes;
        reader->bytes += part->bytes;
        s3__path(store, id, path);
        err e = os_open(store->os, path, OS_READ, &part->file);
        if (e != OK) {
            s3_reader_free(reader);
            return e;
        }
        reader->part_count++;
    }
    *out = reader;
    return OK;
}

void s3_reader_free(struct s3_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    for (isize i = 0; i < reader->part_count; i++) {
        IGNORE(os_close(reader->parts[i].file)); /* Only read. */
        mem_free(reader->parts[i].crcs);
    }
    mem_free(reader->parts);
    mem_free(reader->window);
    mem_free(reader);
}

static err crcs_load(struct part *part)
{
    isize bytes = (isize)((part->bytes + S3_BLOCK_BYTES - 1) / S3_BLOCK_BYTES) * 4;
    u8 *table = mem_alloc(bytes + 4);
    err e = os_read_exact(part->file, part->bytes, table, bytes + 4);
    if (e == OK && get_u32(table + bytes) != crc32c(0, table, bytes)) {
        e = ERR_CORRUPT;
    }
    if (e != OK) {
        mem_free(table);
        return e;
    }
    part->crcs = table;
    return OK;
}

/* Last part that starts at or before `offset` and is not empty. */
static struct part *part_at(struct s3_reader *reader, u64 offset)
{
    isize low = 0, high = reader->part_count - 1;
    while (low < high) {
        isize middle = (low + high + 1) / 2;
        if (reader->parts[middle].start <= offset) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    while (low > 0 && reader->parts[low].bytes == 0) {
        low--;
    }
    return &reader->parts[low];
}

static err window_fill(struct s3_reader *reader, u64 offset)
{
    struct part *part = part_at(reader, offset);
    if (part->crcs == NULL) {
        TRY(crcs_load(part));
    }
    if (reader->window == NULL) {
        reader->window = mem_alloc(READ_BYTES);
    }
    u64 first = (offset - part->start) / S3_BLOCK_BYTES * S3_BLOCK_BYTES;
    isize bytes = (isize)MIN(part->bytes - first, (u64)READ_BYTES);
    reader->window_bytes = 0;
    TRY(os_read_exact(part->file, first, reader->window, bytes));
    for (isize at = 0; at < bytes; at += S3_BLOCK_BYTES) {
        u64 block = (first + (u64)at) / S3_BLOCK_BYTES;
        isize block_bytes = MIN(bytes - at, (isize)S3_BLOCK_BYTES);
        bool is_good =
            crc32c(0, reader->window + at, block_bytes) == get_u32(part->crcs + 4 * block);
        if (!is_good && !PLANTED(BUG_S3_CRC_SKIPPED)) {
            trace(TRACE_ERROR, "s3", "damaged block", T_INT("block", block));
            return ERR_CORRUPT;
        }
    }
    reader->window_start = part->start + first;
    reader->window_bytes = bytes;
    return OK;
}

err s3_reader_view(struct s3_reader *reader, u64 offset, str *view_out)
{
    *view_out = STR_EMPTY;
    if (offset >= reader->bytes) {
        return OK;
    }
    bool is_inside =
        offset >= reader->window_start && offset < reader->window_start + (u64)reader->window_bytes;
    if (!is_inside) {
        TRY(window_fill(reader, offset));
    }
    isize from = (isize)(offset - reader->window_start);
    *view_out = str_from(reader->window + from, reader->window_bytes - from);
    return OK;
}

err s3_reader_read(struct s3_reader *reader, u64 offset, void *data, isize bytes, isize *got_out)
{
    str view;
    TRY(s3_reader_view(reader, offset, &view));
    *got_out = MIN(bytes, view.len);
    if (*got_out > 0) {
        memcpy(data, view.data, (size_t)*got_out);
    }
    return OK;
}

/* --- sweeping
 * --------------------------------------------------------------------------------------- */

struct sweep {
    struct s3_store *store;
    char folder[S3_PATH_MAX];
    isize removed;
};

bool s3__file_id(const char *name, u8 *id)
{
    for (int i = 0; i < 2 * S3_FILE_ID_BYTES; i++) {
        char c = name[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) {
            return false;
        }
        id[i / 2] = (u8)(i % 2 == 0 ? digit << 4 : id[i / 2] | digit);
    }
    return name[2 * S3_FILE_ID_BYTES] == '\0';
}

static bool is_known(struct s3_store *store, const u8 *id)
{
    sqlite3_stmt *statement = store_statement(store->db, "SELECT 1 FROM files WHERE id = ?1");
    store_bind_blob(statement, 1, str_from(id, S3_FILE_ID_BYTES));
    err e = OK;
    bool found = store_row(store->db, statement, &e);
    (void)sqlite3_reset(statement);
    return found || e != OK; /* In doubt it stays. */
}

static bool sweep_file(void *ctx, const char *name)
{
    struct sweep *sweep = ctx;
    u8 id[S3_FILE_ID_BYTES];
    if (s3__file_id(name, id) && !is_known(sweep->store, id) && !PLANTED(BUG_S3_NOT_SWEPT)) {
        char path[S3_PATH_MAX];
        s3__path(sweep->store, id, path);
        if (os_unlink(sweep->store->os, path) == OK) {
            sweep->removed++;
        }
    }
    return true;
}

static bool sweep_folder(void *ctx, const char *name)
{
    struct sweep *sweep = ctx;
    if (strlen(name) == 2) {
        (void)snprintf(sweep->folder, sizeof sweep->folder, "%s/objects/%s", sweep->store->dir,
                       name);
        IGNORE(os_list(sweep->store->os, sweep->folder, sweep_file, sweep)); /* Tried next start. */
    }
    return true;
}

err s3__sweep(struct s3_store *store)
{
    struct sweep sweep = {.store = store};
    char path[S3_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/objects", store->dir);
    (void)store_lock(store->db);
    err e = os_list(store->os, path, sweep_folder, &sweep);
    store_unlock(store->db);
    if (sweep.removed > 0) {
        trace(TRACE_INFO, "s3", "removed unfinished uploads", T_INT("files", sweep.removed));
    }
    return e == ERR_NOT_FOUND ? OK : e;
}
