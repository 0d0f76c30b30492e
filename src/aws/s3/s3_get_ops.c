/* aws/s3/s3_get_ops.c: GetObject and HeadObject: conditions, ranges, streaming. */
#include "aws/s3/s3_int.h"
#include "base/cal.h"

enum { SECOND_US = 1000000 };

struct get {
    struct s3_object object;
    u64 start, bytes; /* What is sent of it. */
    bool is_partial;
    i64 part; /* 0: not asked by part. */
};

/* --- conditions
 * ------------------------------------------------------------------------------------ */

/* Is the etag in a list such as `"a", W/"b"` or `*`? */
static bool etag_listed(str list, str etag)
{
    if (str_eq(str_trim(list), STR("*"))) {
        return true;
    }
    while (list.len > 0) {
        str item = str_trim(str_split(&list, ',', NULL));
        if (str_starts(item, STR("W/"))) {
            item = str_slice(item, 2, item.len);
        }
        if (str_eq(s3__unquote(item), etag)) {
            return true;
        }
    }
    return false;
}

/* Was it modified after the date in that field? `otherwise` when there is no such date. */
static bool modified_since(const struct s3_call *call, const char *name, i64 modified_us,
                           bool otherwise)
{
    i64 since_us;
    if (cal_parse_http(s3__header(call, name), &since_us) != OK) {
        return otherwise;
    }
    return modified_us / SECOND_US > since_us / SECOND_US;
}

enum condition { CONDITION_MET, CONDITION_FAILED, CONDITION_UNCHANGED };

/* RFC 9110, 13.2.2. */
static enum condition conditions(struct s3_call *call, const struct s3_object *object)
{
    str match = s3__header(call, "if-match"), none = s3__header(call, "if-none-match");
    if (match.len > 0) {
        if (!etag_listed(match, object->etag)) {
            return CONDITION_FAILED;
        }
    } else if (modified_since(call, "if-unmodified-since", object->modified_us, false)) {
        return CONDITION_FAILED;
    }
    if (none.len > 0) {
        return etag_listed(none, object->etag) ? CONDITION_UNCHANGED : CONDITION_MET;
    }
    return modified_since(call, "if-modified-since", object->modified_us, true)
               ? CONDITION_MET
               : CONDITION_UNCHANGED;
}

/* --- ranges
 * ---------------------------------------------------------------------------------------- */

/* "bytes=1-5", "bytes=7-", "bytes=-3". False: not of that form, or many: then the whole is sent. */
static bool range_parse(str text, u64 total, u64 *start_out, u64 *end_out, bool *is_satisfiable_out)
{
    str unit = STR("bytes=");
    bool has_dash;
    if (!str_starts_nocase(text, unit) || str_find_byte(text, ',', 0) >= 0) {
        return false;
    }
    str last = str_trim(str_slice(text, unit.len, text.len));
    str first = str_split(&last, '-', &has_dash);
    u64 from = 0, to = UINT64_MAX;
    bool is_suffix = first.len == 0;
    if (!has_dash || (is_suffix && last.len == 0) ||
        (first.len > 0 && str_to_u64(first, &from) != OK) ||
        (last.len > 0 && str_to_u64(last, &to) != OK)) {
        return false;
    }
    if (is_suffix) {
        *is_satisfiable_out = to > 0 && total > 0;
        *start_out = total - MIN(to, total);
        *end_out = total;
        return true;
    }
    if (to < from) {
        return false;
    }
    *is_satisfiable_out = from < total;
    *start_out = from;
    *end_out = to >= total ? total : to + 1;
    return true;
}

static bool range_fail(struct s3_call *call, const struct s3_object *object)
{
    s3__field(call, "Content-Range",
              arena_printf(call->arena, "bytes */%llu", (unsigned long long)object->bytes));
    return s3__fail(call, S3_InvalidRange, NULL);
}

static bool range_take(struct s3_call *call, struct get *get)
{
    const struct s3_object *object = &get->object;
    str range = s3__header(call, "range"), if_range = s3__header(call, "if-range");
    get->bytes = object->bytes;
    if (!s3__param_number(call, "partNumber", 1, S3_PARTS_MAX, 0, &get->part)) {
        return false;
    }
    if (get->part > 0) {
        if (range.len > 0) {
            return s3__fail(call, S3_InvalidRequest,
                            "Cannot specify both Range header and partNumber query parameter");
        }
        get->is_partial = true;
        return s3_object_part(object, get->part, &get->start, &get->bytes) == OK ||
               s3__fail(call, S3_InvalidPartNumber, NULL);
    }
    bool is_current = if_range.len == 0 || etag_listed(if_range, object->etag) ||
                      !modified_since(call, "if-range", object->modified_us, true);
    u64 start, end;
    bool is_satisfiable;
    if (!is_current || !range_parse(range, object->bytes, &start, &end, &is_satisfiable)) {
        return true;
    }
    if (!is_satisfiable) {
        return range_fail(call, object);
    }
    get->is_partial = true;
    get->start = start;
    get->bytes = end - start;
    return true;
}

/* --- fields
 * ---------------------------------------------------------------------------------------- */

struct override {
    const char *param, *name;
};
static const struct override overrides[] = {
    {"response-content-type", "content-type"},
    {"response-content-language", "content-language"},
    {"response-expires", "expires"},
    {"response-cache-control", "cache-control"},
    {"response-content-disposition", "content-disposition"},
    {"response-content-encoding", "content-encoding"},
};

/* A parameter must not break out of its header field. */
static bool is_field_value(str value)
{
    for (isize i = 0; i < value.len; i++) {
        if (value.data[i] < ' ' || value.data[i] == 127) {
            return false;
        }
    }
    return true;
}

static bool override_of(const struct s3_call *call, str name, str *value_out)
{
    for (isize i = 0; i < COUNT_OF(overrides); i++) {
        if (str_eq(name, str_of(overrides[i].name))) {
            return s3__has_param(call, overrides[i].param, value_out);
        }
    }
    return false;
}

static bool attribute_fields(struct s3_call *call, const struct s3_object *object)
{
    str rest = object->attributes.headers, ignored;
    bool has_type = false;
    while (rest.len > 0) {
        str name = str_split(&rest, '\0', NULL), value = str_split(&rest, '\0', NULL);
        if (!override_of(call, name, &ignored)) {
            s3__field(call, arena_cstr(call->arena, name), value);
            has_type = has_type || str_eq(name, STR("content-type"));
        }
    }
    for (isize i = 0; i < COUNT_OF(overrides); i++) {
        str value;
        if (!s3__has_param(call, overrides[i].param, &value)) {
            continue;
        }
        if (!call->request->caller.is_signed) {
            return s3__fail(call, S3_InvalidRequest,
                            "Request specific response headers cannot be used for anonymous GET "
                            "requests.");
        }
        if (!is_field_value(value)) {
            return s3__fail(call, S3_InvalidArgument, "%s has characters that a header cannot hold",
                            overrides[i].param);
        }
        s3__field(call, overrides[i].name, value);
        has_type = has_type || i == 0;
    }
    if (!has_type) {
        s3__field(call, "content-type", STR("binary/octet-stream"));
    }
    return true;
}

static void validator_fields(struct s3_call *call, const struct s3_object *object)
{
    char date[32];
    isize len = cal_format_http(object->modified_us, date);
    s3__field(call, "Last-Modified", arena_copy(call->arena, str_from(date, len)));
    s3__field_etag(call, object->etag);
}

static bool object_fields(struct s3_call *call, const struct get *get)
{
    const struct s3_object *object = &get->object;
    validator_fields(call, object);
    s3__field(call, "Accept-Ranges", STR("bytes"));
    if (!attribute_fields(call, object)) {
        return false;
    }
    if (get->is_partial && get->bytes > 0) {
        s3__field(call, "Content-Range",
                  arena_printf(call->arena, "bytes %llu-%llu/%llu", (unsigned long long)get->start,
                               (unsigned long long)(get->start + get->bytes - 1),
                               (unsigned long long)object->bytes));
    }
    if (get->part > 0 && object->part_count > 0) {
        s3__field(call, "x-amz-mp-parts-count",
                  arena_printf(call->arena, "%d", object->part_count));
    }
    bool wants = str_eq_nocase(s3__header(call, "x-amz-checksum-mode"), STR("ENABLED"));
    bool is_whole = get->bytes == object->bytes;
    if (wants && is_whole) {
        s3__field_checksum(call, s3_algorithm_parse(object->attributes.checksum_algorithm),
                           object->attributes.checksum, object->attributes.checksum_type);
    }
    return true;
}

/* --- operations
 * ------------------------------------------------------------------------------------ */

/* True when there is something to send: every check is passed and the fields are set. */
static bool get_begin(struct s3_call *call, struct get *get)
{
    if (!s3__bucket(call)) {
        return false;
    }
    err e = s3_object_find(call->store, call->bucket.id, call->key, call->arena, &get->object);
    if (e == ERR_NOT_FOUND) {
        return s3__fail(call, S3_NoSuchKey, NULL);
    }
    if (e != OK) {
        return s3__fail_err(call, e);
    }
    switch (conditions(call, &get->object)) {
    case CONDITION_FAILED:
        return s3__fail(call, S3_PreconditionFailed, NULL);
    case CONDITION_UNCHANGED:
        validator_fields(call, &get->object);
        s3__answer_empty(call, 304);
        return false;
    case CONDITION_MET:
        break;
    }
    return range_take(call, get) && object_fields(call, get);
}

/* The first piece is read before the answer begins, so that damage there is an error, not a cut. */
static void send_bytes(struct s3_call *call, const struct get *get, struct s3_reader *reader)
{
    str view = STR_EMPTY;
    err e = s3_reader_view(reader, get->start, &view);
    if (e != OK) {
        call->field_count = 0;
        (void)s3__fail_err(call, e);
        return;
    }
    s3__answer_start(call, get->is_partial ? 206 : 200, get->bytes);
    u64 sent = 0;
    while (sent < get->bytes) {
        e = s3_reader_view(reader, get->start + sent, &view);
        str piece = str_slice(view, 0, (isize)MIN((u64)view.len, get->bytes - sent));
        if (e == OK && piece.len == 0) {
            e = ERR_CORRUPT;
        }
        if (e == OK) {
            e = http_respond_write(call->x, piece);
        }
        if (e != OK) {
            http_abort(call->x);
            return;
        }
        sent += (u64)piece.len;
    }
    http_respond_end(call->x);
}

void s3__get_object(struct s3_call *call)
{
    enum { TRIES = 8 };
    for (int i = 0; i < TRIES; i++) {
        struct get get = {0};
        struct s3_reader *reader;
        if (!get_begin(call, &get)) {
            return;
        }
        err e = s3_reader_open(call->store, &get.object, &reader);
        if (e == OK) {
            send_bytes(call, &get, reader);
            s3_reader_free(reader);
            return;
        }
        if (e != ERR_NOT_FOUND) {
            call->field_count = 0;
            (void)s3__fail_err(call, e);
            return;
        }
        call->field_count = 0; /* Replaced meanwhile: look again. */
    }
    (void)s3__fail_err(call, ERR_CORRUPT);
}

void s3__head_object(struct s3_call *call)
{
    struct get get = {0};
    if (get_begin(call, &get)) {
        s3__field(call, "Content-Length",
                  arena_printf(call->arena, "%llu", (unsigned long long)get.bytes));
        s3__answer_empty(call, get.is_partial ? 206 : 200);
    }
}
