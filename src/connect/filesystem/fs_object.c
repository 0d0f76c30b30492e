/*
 * connect/filesystem/fs_object.c: one object: put at once when it is small, else as a
 * multipart upload; a local file is written beside its name and renamed.
 */
#include "base/plant.h"
#include "connect/filesystem/fs_int.h"

#include <stdio.h>

#define SUFFIX ".inprogress"

/* --- where --------------------------------------------------------------------------------- */

/* Directories that SQL may write to: LEAT_FILE_DIRS=/a:/b. Nothing else on this machine. */
static bool is_allowed(str path)
{
    const char *dirs = os_getenv("LEAT_FILE_DIRS");
    str rest = str_of(dirs);
    if (path.len == 0 || path.data[0] != '/' || str_find(path, STR("/../"), 0) >= 0 ||
        str_ends(path, STR("/.."))) {
        return false;
    }
    while (rest.len > 0) {
        str dir = str_split(&rest, ':', NULL);
        while (str_ends(dir, STR("/"))) {
            dir.len--;
        }
        bool is_inside = dir.len > 0 && str_starts(path, dir) &&
                         (path.len == dir.len || path.data[dir.len] == '/');
        if (is_inside) {
            return true;
        }
    }
    return false;
}

static bool is_s3(str path, str *rest_out)
{
    static const char *const schemes[] = {"s3://", "s3a://", "s3n://"};
    for (isize i = 0; i < COUNT_OF(schemes); i++) {
        if (str_starts(path, str_of(schemes[i]))) {
            *rest_out = str_slice(path, (isize)strlen(schemes[i]), path.len);
            return true;
        }
    }
    return false;
}

err fs_place_check(const struct connect_table *table, struct diag *diag)
{
    str path = connect_get(table, "path", STR_EMPTY), rest = STR_EMPTY;
    if (is_s3(path, &rest)) {
        str bucket = str_split(&rest, '/', NULL);
        if (bucket.len == 0) {
            return diag_set(diag, ERR_INVALID, "CON050", "'path' names no bucket: " STR_FMT,
                            STR_ARG(path));
        }
        return aws_call_check(table, diag);
    }
    if (str_starts(path, STR("file://"))) {
        path = str_slice(path, 7, path.len);
    }
    if (!is_allowed(path)) {
        (void)diag_set(diag, ERR_DENIED, "CON051",
                       "'path' is neither s3://bucket/prefix nor in a directory that leat may "
                       "write to: " STR_FMT,
                       STR_ARG(path));
        diag_hint(diag, "start leat with LEAT_FILE_DIRS=/directory[:/another] to allow it");
        return ERR_DENIED;
    }
    return OK;
}

err fs_place_open(struct fs_place *place, const struct connect_table *table,
                  const struct connect_schema *schema, const struct connect_env *env,
                  struct diag *diag)
{
    TRY(fs_place_check(table, diag));
    str path = connect_get(table, "path", STR_EMPTY), rest = STR_EMPTY;
    *place = (struct fs_place){.os = env->os, .text = path};
    if (is_s3(path, &rest)) {
        place->bucket = str_split(&rest, '/', NULL);
        place->prefix = rest;
        place->call = aws_call_new(table, "s3", schema, env);
        for (int i = 0; i < FS_LANES; i++) {
            place->lanes[i] = aws_call_new(table, "s3", schema, env);
        }
        return OK;
    }
    place->prefix = str_starts(path, STR("file://")) ? str_slice(path, 7, path.len) : path;
    return OK;
}

void fs_place_close(struct fs_place *place)
{
    aws_call_free(place->call);
    for (int i = 0; i < FS_LANES; i++) {
        aws_call_free(place->lanes[i]);
    }
}

/* --- an object ----------------------------------------------------------------------------- */

struct fs_object *fs_object_new(struct fs_place *place, int lane, str group, str key,
                                enum compress_kind compression)
{
    struct fs_object *object = NEW(struct fs_object);
    object->place = place;
    object->lane = lane;
    object->group = arena_copy(&object->arena, group);
    object->key = arena_copy(&object->arena, key);
    if (compression != COMPRESS_NONE) {
        object->compressor = compressor_new(compression, 0);
    }
    return object;
}

err fs_object_add(struct fs_object *object, str bytes)
{
    if (object->compressor != NULL) {
        return compressor_write(object->compressor, bytes, &object->pending);
    }
    buf_append(&object->pending, bytes);
    return OK;
}

static str object_path(struct fs_object *object)
{
    struct buf path = {0};
    buf_append_byte(&path, '/');
    buf_append_percent(&path, object->place->bucket, false);
    buf_append_byte(&path, '/');
    buf_append_percent(&path, object->key, true);
    str result = arena_copy(&object->arena, buf_str(&path));
    buf_deinit(&path);
    return result;
}

static str header(const struct http_client_response *response, const char *name)
{
    for (isize i = 0; i < response->field_count; i++) {
        if (str_eq_nocase(response->fields[i].name, str_of(name))) {
            return response->fields[i].value;
        }
    }
    return STR_EMPTY;
}

static enum connect_verdict call(struct fs_object *object, const char *method, str query, str body,
                                 struct http_client_response *out, struct diag *diag)
{
    struct http_field type = {.name = STR("content-type"),
                              .value = STR("application/octet-stream")};
    struct aws_call_request request = {
        .method = method,
        .path = object_path(object),
        .query = query,
        .fields = &type,
        .field_count = 1,
        .body = body,
        .is_unsigned_payload = true,
    };
    return aws_call_send(object->place->lanes[object->lane], &request, &object->arena, out, diag);
}

static enum connect_verdict upload_begin(struct fs_object *object, struct diag *diag)
{
    struct http_client_response response;
    enum connect_verdict verdict =
        call(object, "POST", STR("uploads="), STR_EMPTY, &response, diag);
    if (verdict != CONNECT_OK) {
        return verdict;
    }
    object->upload_id = aws_call_xml(response.body, "UploadId");
    if (object->upload_id.len == 0) {
        (void)diag_set(diag, ERR_REMOTE, "CON052", "the answer to CreateMultipartUpload has no id");
        return CONNECT_RETRY;
    }
    struct buf encoded = {0};
    buf_append_percent(&encoded, object->upload_id, false);
    object->upload_id = arena_copy(&object->arena, buf_str(&encoded));
    buf_deinit(&encoded);
    return CONNECT_OK;
}

static enum connect_verdict part_send(struct fs_object *object, struct diag *diag)
{
    if (object->upload_id.len == 0) {
        enum connect_verdict verdict = upload_begin(object, diag);
        if (verdict != CONNECT_OK) {
            return verdict;
        }
    }
    if (object->part_count == FS_PARTS_MAX) {
        (void)diag_set(diag, ERR_LIMIT, "CON053", "an object has at most %d parts", FS_PARTS_MAX);
        return CONNECT_FATAL;
    }
    str query = arena_printf(&object->arena, "partNumber=%td&uploadId=" STR_FMT,
                             object->part_count + 1, STR_ARG(object->upload_id));
    struct http_client_response response;
    enum connect_verdict verdict =
        call(object, "PUT", query, buf_str(&object->pending), &response, diag);
    if (verdict != CONNECT_OK) {
        return verdict;
    }
    object->etags =
        arena_grow(&object->arena, object->etags, object->part_count, (isize)sizeof(str));
    object->etags[object->part_count++] = arena_copy(&object->arena, header(&response, "etag"));
    buf_reset(&object->pending);
    OS_FAILPOINT("connect.after_part");
    return CONNECT_OK;
}

static enum connect_verdict local_failed(struct fs_object *object, const char *what,
                                         struct diag *diag)
{
    (void)diag_set(diag, ERR_IO, "CON054", "cannot %s \"" STR_FMT "\": %s", what,
                   STR_ARG(object->key), os_errno_text());
    return CONNECT_RETRY;
}

static char *temporary(struct fs_object *object)
{
    return arena_cstr(&object->arena,
                      arena_printf(&object->arena, STR_FMT SUFFIX, STR_ARG(object->key)));
}

static const char *directory(struct fs_object *object)
{
    isize slash = str_rfind_byte(object->key, '/');
    return arena_cstr(&object->arena, str_slice(object->key, 0, MAX(slash, 1)));
}

static enum connect_verdict local_write(struct fs_object *object, struct diag *diag)
{
    struct os *os = object->place->os;
    if (object->file == NULL) {
        if (os_mkdir_all(os, directory(object)) != OK) {
            return local_failed(object, "make the directory of", diag);
        }
        int flags = OS_WRITE | OS_CREATE | OS_TRUNCATE;
        if (os_open(os, temporary(object), flags, &object->file) != OK) {
            object->file = NULL;
            return local_failed(object, "create", diag);
        }
    }
    err e =
        os_write_at(object->file, object->file_bytes, object->pending.data, object->pending.len);
    if (e != OK) {
        return local_failed(object, "write", diag);
    }
    object->file_bytes += (u64)object->pending.len;
    buf_reset(&object->pending);
    return CONNECT_OK;
}

enum connect_verdict fs_object_flush(struct fs_object *object, struct diag *diag)
{
    return object->place->call != NULL ? part_send(object, diag) : local_write(object, diag);
}

static enum connect_verdict upload_complete(struct fs_object *object, struct diag *diag)
{
    if (object->pending.len > 0) {
        enum connect_verdict verdict = part_send(object, diag);
        if (verdict != CONNECT_OK) {
            return verdict;
        }
    }
    struct buf body = {0};
    buf_append(&body, STR("<CompleteMultipartUpload>"));
    for (isize i = 0; i < object->part_count; i++) {
        buf_printf(&body, "<Part><PartNumber>%td</PartNumber><ETag>" STR_FMT "</ETag></Part>",
                   i + 1, STR_ARG(object->etags[i]));
    }
    buf_append(&body, STR("</CompleteMultipartUpload>"));
    str query = arena_printf(&object->arena, "uploadId=" STR_FMT, STR_ARG(object->upload_id));
    struct http_client_response response;
    enum connect_verdict verdict = call(object, "POST", query, buf_str(&body), &response, diag);
    buf_deinit(&body);
    bool is_late_error = verdict == CONNECT_OK && str_find(response.body, STR("<Error>"), 0) >= 0;
    if (is_late_error) { /* S3 answers 200 before it knows. */
        (void)diag_set(diag, ERR_REMOTE, "CON055", "CompleteMultipartUpload failed: " STR_FMT,
                       STR_ARG(str_slice(response.body, 0, 300)));
        return CONNECT_RETRY;
    }
    if (verdict == CONNECT_OK) {
        object->upload_id = STR_EMPTY;
    }
    return verdict;
}

static enum connect_verdict local_complete(struct fs_object *object, struct diag *diag)
{
    enum connect_verdict verdict = local_write(object, diag);
    if (verdict != CONNECT_OK) {
        return verdict;
    }
    struct os *os = object->place->os;
    err e = PLANTED(BUG_OUTBOX_FILE_NO_SYNC) ? OK : os_sync(object->file);
    IGNORE(os_close(object->file)); /* It is synced, or given up. */
    object->file = NULL;
    const char *from = temporary(object);
    if (e != OK || os_rename(os, from, arena_cstr(&object->arena, object->key)) != OK ||
        (!PLANTED(BUG_OUTBOX_FILE_NO_DIR_SYNC) && os_sync_dir(os, directory(object)) != OK)) {
        return local_failed(object, "finish", diag);
    }
    return CONNECT_OK;
}

enum connect_verdict fs_object_finish(struct fs_object *object, struct diag *diag)
{
    if (object->compressor != NULL &&
        compressor_finish(object->compressor, &object->pending) != OK) {
        (void)diag_set(diag, ERR_IO, "CON056", "the object cannot be compressed");
        return CONNECT_RETRY;
    }
    if (object->place->call == NULL) {
        return local_complete(object, diag);
    }
    if (object->upload_id.len > 0) {
        return upload_complete(object, diag);
    }
    struct http_client_response response;
    return call(object, "PUT", STR_EMPTY, buf_str(&object->pending), &response, diag);
}

void fs_object_free(struct fs_object *object)
{
    struct diag ignored;
    diag_init(&ignored);
    if (object->upload_id.len > 0) {
        str query = arena_printf(&object->arena, "uploadId=" STR_FMT, STR_ARG(object->upload_id));
        struct http_client_response response;
        (void)call(object, "DELETE", query, STR_EMPTY, &response, &ignored);
    }
    if (object->file != NULL) {
        IGNORE(os_close(object->file)); /* An unfinished file is written anew. */
    }
    compressor_free(object->compressor);
    buf_deinit(&object->pending);
    arena_deinit(&object->arena);
    mem_free(object);
}
