/*
 * connect/filesystem/fs_uploads.c: multipart uploads that a process began and did not live to
 * finish. Their range goes up again under new upload ids; the parts would be kept, and paid for,
 * for ever. Only one thread of one process delivers for a sink, so whatever upload bears its
 * name before it has begun any is such a one.
 */
#include "base/trace.h"
#include "connect/filesystem/fs_int.h"

enum { PAGES_MAX = 1000 };

struct sweep {
    struct fs_place *place;
    str name;
    struct arena arena;
    str key_marker, id_marker; /* Encoded, as they came; where the next page begins. */
    isize aborted;
    bool is_refused; /* The store answered that it will not. */
    struct diag *diag;
};

static enum connect_verdict send(struct sweep *s, const char *method, str path, str query,
                                 str *body_out)
{
    struct aws_call_request request = {.method = method, .path = path, .query = query};
    struct http_client_response response = {.status = 0};
    enum connect_verdict verdict =
        aws_call_send(s->place->call, &request, &s->arena, &response, s->diag);
    s->is_refused = verdict != CONNECT_OK && response.status >= 400 && response.status < 500;
    *body_out = verdict == CONNECT_OK ? response.body : STR_EMPTY;
    return verdict;
}

static str encoded(struct sweep *s, str text, bool keeps_slash)
{
    struct buf out = {0};
    buf_append_percent(&out, text, keeps_slash);
    str copy = arena_copy(&s->arena, buf_str(&out));
    buf_deinit(&out);
    return copy;
}

static enum connect_verdict abort_one(struct sweep *s, str upload)
{
    str key = fs_url_decode(&s->arena, aws_call_xml(upload, "Key"));
    str id = aws_call_xml(upload, "UploadId"), ignored;
    isize slash = str_rfind_byte(key, '/');
    bool is_ours = str_starts(str_slice(key, slash + 1, key.len), s->name) && id.len > 0;
    if (!is_ours) {
        return CONNECT_OK;
    }
    str path =
        arena_printf(&s->arena, "/" STR_FMT "/" STR_FMT,
                     STR_ARG(encoded(s, s->place->bucket, false)), STR_ARG(encoded(s, key, true)));
    str query = arena_printf(&s->arena, "uploadId=" STR_FMT, STR_ARG(encoded(s, id, false)));
    s->aborted++;
    return send(s, "DELETE", path, query, &ignored);
}

/* *more_out: there is another page. */
static enum connect_verdict page(struct sweep *s, bool *more_out)
{
    str path = arena_printf(&s->arena, "/" STR_FMT, STR_ARG(encoded(s, s->place->bucket, false)));
    struct buf query = {0};
    buf_append(&query, STR("encoding-type=url"));
    if (s->key_marker.len > 0) {
        buf_printf(&query, "&key-marker=" STR_FMT, STR_ARG(s->key_marker));
    }
    buf_printf(&query, "&prefix=" STR_FMT, STR_ARG(encoded(s, s->place->prefix, false)));
    if (s->id_marker.len > 0) {
        buf_printf(&query, "&upload-id-marker=" STR_FMT, STR_ARG(s->id_marker));
    }
    buf_append(&query, STR("&uploads="));
    str body;
    enum connect_verdict verdict =
        send(s, "GET", path, arena_copy(&s->arena, buf_str(&query)), &body);
    buf_deinit(&query);
    isize at = str_find(body, STR("<Upload>"), 0);
    while (verdict == CONNECT_OK && at >= 0) {
        isize next = str_find(body, STR("<Upload>"), at + 1);
        verdict = abort_one(s, str_slice(body, at, next < 0 ? body.len : next));
        at = next;
    }
    *more_out = str_eq(aws_call_xml(body, "IsTruncated"), STR("true"));
    str key = fs_url_decode(&s->arena, aws_call_xml(body, "NextKeyMarker"));
    s->key_marker = encoded(s, key, false);
    s->id_marker = encoded(s, aws_call_xml(body, "NextUploadIdMarker"), false);
    return verdict;
}

enum connect_verdict fs_uploads_abort(struct fs_place *place, str name, struct diag *diag)
{
    struct sweep sweep = {.place = place, .name = name, .diag = diag};
    enum connect_verdict verdict = CONNECT_OK;
    bool has_more = true;
    for (int i = 0; i < PAGES_MAX && has_more && verdict == CONNECT_OK; i++) {
        verdict = page(&sweep, &has_more);
    }
    if (sweep.aborted > 0) {
        trace(TRACE_INFO, "connect", "uploads of a former process were aborted",
              T_STR("path", place->text), T_INT("uploads", sweep.aborted));
    }
    arena_deinit(&sweep.arena);
    return sweep.is_refused ? CONNECT_OK : verdict;
}
