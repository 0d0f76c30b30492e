/*
 * connect/filesystem/fs_source.c: the bounded source: objects or files in the order of their
 * names, line by line. The position is "KEY\nETAG\nOFFSET\n" (or "KEY\n\nEND\n" behind one), the
 * offset that of a line in the plain bytes; an object that changes while it is read fails the job.
 */
#include "connect/filesystem/fs_int.h"

#include <stdio.h>

enum {
    CHUNK_BYTES = 1 << 20,
    ROW_BYTES_MAX = 1 << 20, /* A row beyond is cut at its first line end: its quotes are wrong. */
};

#define END "END"

struct fs_source {
    struct fs_place place;
    struct connect_format format;
    struct arena arena; /* Of the object at hand. */
    str key, etag;
    u64 size, raw_offset; /* raw: of the next chunk. */
    u64 plain_offset;     /* Of the first byte in `pending`. */
    u64 skip;             /* Plain bytes to pass over, of a compressed object begun anew. */
    struct buf pending;   /* Plain bytes that are no whole row yet. */
    struct decompressor *decompressor;
    bool is_open, is_read; /* is_read: to its last byte. */
    bool skips_header;
};

static void object_close(struct fs_source *s)
{
    decompressor_free(s->decompressor);
    s->decompressor = NULL;
    buf_reset(&s->pending);
    arena_reset(&s->arena);
    s->is_open = s->is_read = false;
    s->key = s->etag = STR_EMPTY;
}

static void source_close(void *source)
{
    struct fs_source *s = source;
    if (s != NULL) {
        object_close(s);
        fs_place_close(&s->place);
        buf_deinit(&s->pending);
        arena_deinit(&s->arena);
        mem_free(s);
    }
}

static err source_open(const struct connect_table *table, const struct connect_schema *schema,
                       const struct connect_env *env, void **out, struct diag *diag)
{
    if (schema->partition_count > 0) {
        return diag_set(diag, ERR_UNSUPPORTED, "CON058",
                        "a filesystem table that is read cannot be PARTITIONED BY");
    }
    struct fs_source *s = NEW(struct fs_source);
    connect_format_read(table, &s->format);
    s->skips_header = connect_is_true(table, "csv.skip-header");
    err e = fs_place_open(&s->place, table, schema, env, diag);
    if (e != OK) {
        source_close(s);
        return e;
    }
    *out = s;
    return OK;
}

/* --- which object -------------------------------------------------------------------------- */

struct found {
    str key, etag;
    u64 size;
};

str fs_url_decode(struct arena *arena, str text)
{
    u8 *out = arena_alloc(arena, text.len + 1);
    isize n = 0;
    for (isize i = 0; i < text.len; i++) {
        unsigned code;
        char hex[3] = {0};
        bool is_escape = text.data[i] == '%' && i + 2 < text.len;
        if (is_escape) {
            memcpy(hex, text.data + i + 1, 2);
        }
        if (is_escape && sscanf(hex, "%2x", &code) == 1) {
            out[n++] = (u8)code;
            i += 2;
        } else {
            out[n++] = text.data[i] == '+' ? ' ' : text.data[i];
        }
    }
    return str_from(out, n);
}

/* In its quotes, which stand in XML as they are or escaped. */
static str etag_read(struct arena *arena, str text)
{
    static const char *const quotes[] = {"&quot;", "&#34;", "\""};
    for (isize i = 0; i < COUNT_OF(quotes); i++) {
        str quote = str_of(quotes[i]);
        text = str_starts(text, quote) ? str_slice(text, quote.len, text.len) : text;
        text = str_ends(text, quote) ? str_slice(text, 0, text.len - quote.len) : text;
    }
    return arena_printf(arena, "\"" STR_FMT "\"", STR_ARG(text));
}

/* The first key with `prefix` behind `after`; an empty key: none. */
static enum connect_verdict s3_list(struct fs_source *s, str prefix, str after, struct arena *arena,
                                    struct found *out, struct diag *diag)
{
    struct buf path = {0}, query = {0};
    buf_append_byte(&path, '/');
    buf_append_percent(&path, s->place.bucket, false);
    buf_append(&query, STR("encoding-type=url&list-type=2&max-keys=1&prefix="));
    buf_append_percent(&query, prefix, false);
    if (after.len > 0) {
        buf_append(&query, STR("&start-after="));
        buf_append_percent(&query, after, false);
    }
    struct aws_call_request request = {.method = "GET",
                                       .path = arena_copy(arena, buf_str(&path)),
                                       .query = arena_copy(arena, buf_str(&query))};
    buf_deinit(&path);
    buf_deinit(&query);
    struct http_client_response response;
    enum connect_verdict verdict = aws_call_send(s->place.call, &request, arena, &response, diag);
    if (verdict == CONNECT_OK) {
        str one = aws_call_xml(response.body, "Contents");
        out->key = fs_url_decode(arena, aws_call_xml(one, "Key"));
        out->etag = etag_read(arena, aws_call_xml(one, "ETag"));
        if (out->key.len > 0 && str_to_u64(aws_call_xml(one, "Size"), &out->size) != OK) {
            (void)diag_set(diag, ERR_REMOTE, "CON059", "the answer to ListObjectsV2 has no size");
            return CONNECT_RETRY;
        }
    }
    return verdict;
}

struct files {
    struct arena *arena;
    str dir, after, best;
};

static bool file_see(void *ctx, const char *name)
{
    struct files *files = ctx;
    str path = arena_printf(files->arena, STR_FMT "/%s", STR_ARG(files->dir), name);
    bool is_hidden = name[0] == '.' || name[0] == '_' || str_ends(path, STR(".inprogress"));
    bool is_next = !is_hidden && (files->after.len == 0 || str_cmp(path, files->after) > 0) &&
                   (files->best.len == 0 || str_cmp(path, files->best) < 0);
    files->best = is_next ? path : files->best;
    return true;
}

static enum connect_verdict file_find(struct fs_source *s, str after, struct arena *arena,
                                      struct found *out, struct diag *diag)
{
    struct os *os = s->place.os;
    str path = s->place.prefix;
    while (path.len > 1 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    struct os_stat stat;
    for (;;) {
        err e = os_stat_path(os, arena_cstr(arena, path), &stat);
        if (e != OK) {
            (void)diag_set(diag, e, "CON054", "cannot read \"" STR_FMT "\": %s", STR_ARG(path),
                           os_errno_text());
            return CONNECT_RETRY;
        }
        if (stat.kind == OS_FILE && !str_eq(path, after)) {
            out->key = path;
            out->size = stat.bytes;
            out->etag = arena_printf(arena, "%llu-%lld-%llu", (unsigned long long)stat.bytes,
                                     (long long)stat.modified_us, (unsigned long long)stat.inode);
            return CONNECT_OK;
        }
        struct files files = {.arena = arena, .dir = s->place.prefix, .after = after};
        while (str_ends(files.dir, STR("/"))) {
            files.dir.len--;
        }
        bool is_dir = stat.kind == OS_DIR && str_eq(path, files.dir);
        if (!is_dir && str_eq(path, files.dir)) {
            return CONNECT_OK; /* The only file, and it is read. */
        }
        files.after = is_dir ? after : path; /* What is neither file nor read is passed over. */
        e = os_list(os, arena_cstr(arena, files.dir), file_see, &files);
        if (e != OK || files.best.len == 0) {
            return CONNECT_OK;
        }
        path = files.best;
    }
}

/* The object behind `after`. */
static enum connect_verdict object_find(struct fs_source *s, str after, struct arena *arena,
                                        struct found *out, struct diag *diag)
{
    if (s->place.call == NULL) {
        return file_find(s, after, arena, out, diag);
    }
    str prefix = s->place.prefix;
    if (str_eq(after, prefix) && prefix.len > 0) {
        return CONNECT_OK; /* The path was an object, and it is read. */
    }
    enum connect_verdict verdict = CONNECT_OK;
    if (after.len == 0) {
        verdict = s3_list(s, prefix, STR_EMPTY, arena, out, diag);
        if (verdict != CONNECT_OK || str_eq(out->key, prefix)) {
            return verdict;
        }
    }
    if (prefix.len > 0 && !str_ends(prefix, STR("/"))) {
        prefix = arena_printf(arena, STR_FMT "/", STR_ARG(prefix));
    }
    *out = (struct found){0};
    return s3_list(s, prefix, after, arena, out, diag);
}

/* --- bytes --------------------------------------------------------------------------------- */

static enum connect_verdict s3_read(struct fs_source *s, struct arena *arena, str *out,
                                    struct diag *diag)
{
    struct buf path = {0};
    buf_append_byte(&path, '/');
    buf_append_percent(&path, s->place.bucket, false);
    buf_append_byte(&path, '/');
    buf_append_percent(&path, s->key, true);
    struct http_field fields[] = {
        {STR("if-match"), s->etag},
        {STR("range"),
         arena_printf(arena, "bytes=%llu-%llu", (unsigned long long)s->raw_offset,
                      (unsigned long long)MIN(s->raw_offset + CHUNK_BYTES, s->size) - 1)},
    };
    struct aws_call_request request = {.method = "GET",
                                       .path = arena_copy(arena, buf_str(&path)),
                                       .fields = fields,
                                       .field_count = COUNT_OF(fields)};
    buf_deinit(&path);
    struct http_client_response response;
    enum connect_verdict verdict = aws_call_send(s->place.call, &request, arena, &response, diag);
    *out = response.body;
    return verdict;
}

static enum connect_verdict file_read(struct fs_source *s, struct arena *arena, str *out,
                                      struct diag *diag)
{
    struct os_file *file;
    isize got = 0;
    u8 *data = arena_alloc(arena, CHUNK_BYTES);
    err e = os_open(s->place.os, arena_cstr(arena, s->key), OS_READ, &file);
    if (e == OK) {
        e = os_read(file, s->raw_offset, data, CHUNK_BYTES, &got);
        IGNORE(os_close(file)); /* Nothing was written. */
    }
    if (e != OK) {
        (void)diag_set(diag, e, "CON054", "cannot read \"" STR_FMT "\": %s", STR_ARG(s->key),
                       os_errno_text());
        return CONNECT_RETRY;
    }
    *out = str_from(data, MIN(got, (isize)(s->size - s->raw_offset)));
    return CONNECT_OK;
}

static void plain_add(struct fs_source *s, str bytes)
{
    isize passed = (isize)MIN(s->skip, (u64)bytes.len);
    s->skip -= (u64)passed;
    buf_append(&s->pending, str_slice(bytes, passed, bytes.len));
}

/* The next chunk, decompressed, behind what is pending. */
static enum connect_verdict chunk_read(struct fs_source *s, struct arena *arena, struct diag *diag)
{
    str bytes = STR_EMPTY;
    if (s->raw_offset < s->size) {
        enum connect_verdict verdict = s->place.call != NULL ? s3_read(s, arena, &bytes, diag)
                                                             : file_read(s, arena, &bytes, diag);
        if (verdict != CONNECT_OK) {
            return verdict;
        }
    }
    s->raw_offset += (u64)bytes.len;
    s->is_read = s->raw_offset >= s->size;
    if (s->decompressor == NULL) {
        plain_add(s, bytes);
        return CONNECT_OK;
    }
    struct buf plain = {0};
    err e = OK;
    while (e == OK) {
        buf_reset(&plain);
        e = decompressor_read(s->decompressor, &bytes, &plain, CHUNK_BYTES, diag);
        plain_add(s, buf_str(&plain));
    }
    buf_deinit(&plain);
    if (e == ERR_AGAIN && s->is_read) {
        e = decompressor_finish(s->decompressor, diag) == OK ? ERR_AGAIN : ERR_CORRUPT;
    }
    return e == ERR_AGAIN ? CONNECT_OK : CONNECT_FATAL;
}

/* --- rows ---------------------------------------------------------------------------------- */

/* Length of the first row with its line end; 0: it is not whole yet. */
static isize row_bytes(const struct fs_source *s, str text)
{
    const struct csv_options *csv = &s->format.csv;
    bool has_quotes = s->format.kind == CONNECT_FORMAT_CSV && !csv->has_no_quotes;
    u8 quote = csv->quote != 0 ? csv->quote : '"';
    bool is_quoted = false;
    if (!has_quotes) {
        return str_find_byte(text, '\n', 0) + 1;
    }
    for (isize i = 0; i < text.len && i < ROW_BYTES_MAX; i++) {
        if (csv->escape != 0 && text.data[i] == csv->escape) {
            i++;
        } else if (text.data[i] == quote) {
            is_quoted = !is_quoted;
        } else if (text.data[i] == '\n' && !is_quoted) {
            return i + 1;
        }
    }
    return text.len >= ROW_BYTES_MAX ? str_find_byte(text, '\n', 0) + 1 : 0;
}

/* Whole rows from the front of what is pending. */
static void rows_take(struct fs_source *s, struct arena *arena, struct connect_poll *out)
{
    str all = arena_copy(arena, buf_str(&s->pending)), text = all;
    while (text.len > 0 && out->count < CONNECT_POLL_MESSAGES_MAX) {
        isize bytes = row_bytes(s, text);
        if (bytes == 0 && (s->is_read || text.len > 8 * ROW_BYTES_MAX)) {
            bytes = text.len;
        }
        if (bytes == 0) {
            break;
        }
        u64 offset = s->plain_offset + (u64)(text.data - all.data);
        str row = str_slice(text, 0, bytes);
        row.len -= str_ends(row, STR("\n"));
        row.len -= str_ends(row, STR("\r"));
        if (row.len > 0 && !(s->skips_header && offset == 0)) {
            out->messages = arena_grow(arena, out->messages, out->count, (isize)sizeof(str));
            out->messages[out->count++] = row;
        }
        text = str_slice(text, bytes, text.len);
    }
    s->plain_offset += (u64)(all.len - text.len);
    buf_reset(&s->pending);
    buf_append(&s->pending, text);
}

static void object_open(struct fs_source *s, const struct found *found, u64 offset)
{
    object_close(s);
    s->key = arena_copy(&s->arena, found->key);
    s->etag = arena_copy(&s->arena, found->etag);
    s->size = found->size;
    s->plain_offset = offset;
    enum compress_kind kind = compress_kind_of_path(s->key);
    s->decompressor = kind == COMPRESS_NONE ? NULL : decompressor_new(kind, NULL);
    s->raw_offset = s->decompressor == NULL ? offset : 0;
    s->skip = s->decompressor == NULL ? 0 : offset;
    s->is_open = true;
}

/* Opens the object that the position names, or the one behind it. OK with nothing open: the end. */
static enum connect_verdict object_next(struct fs_source *s, str position, struct arena *arena,
                                        struct diag *diag)
{
    str key = str_split(&position, '\n', NULL), etag = str_split(&position, '\n', NULL);
    str offset_text = str_split(&position, '\n', NULL);
    u64 offset = 0;
    struct found found = {0};
    bool is_behind = key.len == 0 || str_to_u64(offset_text, &offset) != OK;
    if (!is_behind && s->is_open && str_eq(key, s->key) && s->plain_offset == offset) {
        return CONNECT_OK;
    }
    if (is_behind) {
        enum connect_verdict verdict = object_find(s, key, arena, &found, diag);
        object_close(s);
        if (verdict == CONNECT_OK && found.key.len > 0) {
            object_open(s, &found, 0);
        }
        return verdict;
    }
    /* After a restart: the same object again, which must not have changed. */
    enum connect_verdict verdict =
        s->place.call != NULL ? s3_list(s, key, STR_EMPTY, arena, &found, diag) : CONNECT_OK;
    if (s->place.call == NULL) {
        struct fs_source one = *s;
        one.place.prefix = key;
        verdict = file_find(&one, STR_EMPTY, arena, &found, diag);
    }
    if (verdict == CONNECT_OK && (!str_eq(found.key, key) || !str_eq(found.etag, etag))) {
        (void)diag_set(diag, ERR_REMOTE, "CON049",
                       "\"" STR_FMT "\" has changed or gone while it was read", STR_ARG(key));
        return CONNECT_FATAL;
    }
    if (verdict == CONNECT_OK) {
        object_open(s, &found, offset);
    }
    return verdict;
}

static enum connect_verdict poll(void *source, str position, struct arena *arena,
                                 struct connect_poll *out, struct diag *diag)
{
    struct fs_source *s = source;
    enum connect_verdict verdict = object_next(s, position, arena, diag);
    if (verdict != CONNECT_OK) {
        return verdict;
    }
    if (!s->is_open) {
        out->is_end = true;
        return CONNECT_OK;
    }
    for (isize before = 0; out->count == 0 && verdict == CONNECT_OK;) {
        before = s->pending.len;
        if (!s->is_read) {
            verdict = chunk_read(s, arena, diag);
        }
        if (verdict == CONNECT_OK) {
            rows_take(s, arena, out);
        }
        if (s->is_read && (out->count > 0 || s->pending.len == 0 || s->pending.len == before)) {
            break;
        }
    }
    if (verdict != CONNECT_OK) {
        object_close(s); /* What was read and not landed is read again. */
        return verdict;
    }
    bool is_done = s->is_read && s->pending.len == 0;
    out->position = is_done ? arena_printf(arena, STR_FMT "\n\n" END "\n", STR_ARG(s->key))
                            : arena_printf(arena, STR_FMT "\n" STR_FMT "\n%llu\n", STR_ARG(s->key),
                                           STR_ARG(s->etag), (unsigned long long)s->plain_offset);
    s->is_open = s->is_open && !is_done;
    return CONNECT_OK;
}

static str target(void *source)
{
    return ((struct fs_source *)source)->place.text;
}

const struct connect_source_ops fs_source_ops = {
    .open = source_open, .close = source_close, .poll = poll, .target = target};
