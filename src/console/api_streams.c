/* console/api_streams.c: streams: list, shards, create, delete, put. Tails: api_tail.c. */
#include "console/console_int.h"

#include "codec/base64.h"

enum { RECORDS_MAX = 500 };

/* --- what they are
 * ------------------------------------------------------------------------------------ */

/* Without its closing brace. */
static void put_members(struct buf *out, struct stream *stream)
{
    struct stream_info info;
    struct stream_counters c;
    static const char *const modes[] = {"PROVISIONED", "ON_DEMAND"};
    static const char *const states[] = {"CREATING", "ACTIVE", "UPDATING", "DELETING"};
    stream_get_info(stream, &info);
    stream_get_counters(stream, &c);
    buf_append_byte(out, '{');
    console__put(out, "account", info.id.account);
    buf_append_byte(out, ',');
    console__put(out, "region", info.id.region);
    buf_append_byte(out, ',');
    console__put(out, "name", info.id.name);
    buf_printf(out, ",\"arn\":\"arn:aws:kinesis:" STR_FMT ":" STR_FMT ":stream/" STR_FMT "\"",
               STR_ARG(info.id.region), STR_ARG(info.id.account), STR_ARG(info.id.name));
    buf_printf(out,
               ",\"mode\":\"%s\",\"status\":\"%s\",\"created_ms\":%lld,\"retention_hours\":%d,"
               "\"shard_count\":%d,\"open_shard_count\":%d,\"records_in\":%llu,\"bytes_in\":%llu,"
               "\"records_out\":%llu,\"bytes_out\":%llu",
               modes[info.mode], states[info.status], (long long)info.created_ms,
               info.retention_hours, info.shard_count, info.open_shard_count,
               (unsigned long long)c.records_in, (unsigned long long)c.bytes_in,
               (unsigned long long)c.records_out, (unsigned long long)c.bytes_out);
}

static bool put_stream(void *ctx, struct stream *stream)
{
    struct buf *out = ctx;
    buf_append(out, out->data[out->len - 1] == '[' ? STR_EMPTY : STR(","));
    put_members(out, stream);
    buf_append_byte(out, '}');
    return true;
}

void console__put_streams(struct console *console, struct buf *out)
{
    buf_append_byte(out, '[');
    streams_each(console->env.streams, STR_EMPTY, STR_EMPTY, put_stream, out);
    buf_append_byte(out, ']');
}

struct region_list {
    struct buf *out;
    str region; /* Empty: all. */
};

static bool put_if_there(void *ctx, struct stream *stream)
{
    struct region_list *list = ctx;
    struct stream_info info;
    stream_get_info(stream, &info);
    return list->region.len > 0 && !str_eq(info.id.region, list->region)
               ? true
               : put_stream(list->out, stream);
}

void console__handle_streams(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct buf body = {0};
    struct region_list list = {&body, console__param(x, "region", STR_EMPTY)};
    buf_append(&body, STR("{\"streams\":["));
    streams_each(console->env.streams, STR_EMPTY, STR_EMPTY, put_if_there, &list);
    buf_append(&body, STR("]}"));
    console__respond_json(x, 200, &body);
}

/* --- finding one
 * -------------------------------------------------------------------------------------- */

struct elsewhere {
    str name;
    char region[64];
};

static bool look_elsewhere(void *ctx, struct stream *stream)
{
    struct elsewhere *e = ctx;
    struct stream_info info;
    stream_get_info(stream, &info);
    if (!str_eq(info.id.name, e->name)) {
        return true;
    }
    str_copy_cstr(info.id.region, e->region, (isize)sizeof e->region);
    return false;
}

err console__stream_find(struct console *console, struct http_exchange *x, const char *tail,
                         struct stream **out, struct diag *diag)
{
    str name;
    if (!console__path_middle(x, "/_leat/api/streams/", tail, &name)) {
        return diag_set(diag, ERR_NOT_FOUND, "API001", "there is no such path");
    }
    struct stream_id id = {console__param(x, "account", STR(CONSOLE_ACCOUNT)),
                           console__param(x, "region", STR("us-east-1")), name};
    *out = streams_find(console->env.streams, id);
    if (*out != NULL) {
        return OK;
    }
    struct elsewhere elsewhere = {.name = name};
    streams_each(console->env.streams, id.account, STR_EMPTY, look_elsewhere, &elsewhere);
    (void)diag_set(diag, ERR_NOT_FOUND, "API011", "there is no stream \"" STR_FMT "\" in " STR_FMT,
                   STR_ARG(name), STR_ARG(id.region));
    if (elsewhere.region[0] != '\0') {
        diag_hint(diag, "there is one of that name in %s: --region %s", elsewhere.region,
                  elsewhere.region);
    } else {
        diag_hint(diag, "leat stream create " STR_FMT " --region " STR_FMT " makes one",
                  STR_ARG(name), STR_ARG(id.region));
    }
    return ERR_NOT_FOUND;
}

/* --- shards
 * ------------------------------------------------------------------------------------------- */

static void put_shard(struct buf *out, struct console *console, u32 stream_number,
                      const struct stream_shard *shard)
{
    char id[21], first[40], last[40];
    stream_shard_format(shard->index, id);
    isize first_length = stream_hash_format(shard->hash_first, first);
    isize last_length = stream_hash_format(shard->hash_last, last);
    struct log_channel channel = {stream_number, shard->index};
    buf_printf(out,
               "{\"shard_id\":\"%s\",\"hash_first\":\"%.*s\",\"hash_last\":\"%.*s\","
               "\"created_ms\":%lld,\"closed_ms\":%lld,\"parent\":",
               id, (int)first_length, first, (int)last_length, last, (long long)shard->created_ms,
               (long long)shard->closed_ms);
    if (shard->parent >= 0) {
        stream_shard_format((u32)shard->parent, id);
        buf_printf(out, "\"%s\"", id);
    } else {
        buf_append(out, STR("null"));
    }
    buf_append(out, STR(",\"adjacent_parent\":"));
    if (shard->adjacent_parent >= 0) {
        stream_shard_format((u32)shard->adjacent_parent, id);
        buf_printf(out, "\"%s\"", id);
    } else {
        buf_append(out, STR("null"));
    }
    buf_printf(out, ",\"next_record_no\":\"%llu\"}",
               (unsigned long long)log_channel_tip(console->env.log, channel));
}

static void handle_shards(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct diag diag;
    struct stream *stream = NULL;
    diag_init(&diag);
    err e = console__stream_find(console, x, "/shards", &stream, &diag);
    if (e != OK) {
        console_respond_error(x, e, &diag);
        return;
    }
    struct stream_info info;
    struct stream_shard shard;
    struct buf body = {0};
    stream_get_info(stream, &info);
    put_members(&body, stream);
    buf_append(&body, STR(",\"shards\":["));
    for (i32 i = 0; stream_get_shard(stream, i, &shard); i++) {
        if (!shard.is_expired) {
            buf_append(&body, body.data[body.len - 1] == '[' ? STR_EMPTY : STR(","));
            put_shard(&body, console, info.number, &shard);
        }
    }
    buf_append(&body, STR("]}"));
    stream_unref(stream);
    console__respond_json(x, 200, &body);
}

void console__handle_stream_get(struct http_exchange *x, void *ctx)
{
    if (str_ends(http_path(x), STR("/tail"))) {
        console__handle_tail(x, ctx);
    } else {
        handle_shards(x, ctx);
    }
}

/* --- changes; on a worker, since they wait for the disk
 * ------------------------------------------------------- */

static void respond_named(struct http_exchange *x, str name, str region)
{
    struct buf answer = {0};
    buf_append_byte(&answer, '{');
    console__put(&answer, "name", name);
    buf_append_byte(&answer, ',');
    console__put(&answer, "region", region);
    buf_append_byte(&answer, '}');
    console__respond_json(x, 200, &answer);
}

static err spec_read(const struct json_value *body, struct stream_spec *out, struct diag *diag)
{
    i64 shards = json_get_i64(body, STR("shards"), 0);
    i64 hours = json_get_i64(body, STR("retention_hours"), 0);
    bool has_shards = json_get(body, STR("shards")) != NULL;
    *out = (struct stream_spec){
        .id = {console__text_or(body, "account", STR(CONSOLE_ACCOUNT)),
               console__text_or(body, "region", STR("us-east-1")),
               json_get_text(body, STR("name"))},
        .mode = has_shards ? STREAM_PROVISIONED : STREAM_ON_DEMAND,
        .shard_count = (i32)MIN(MAX(shards, 0), INT32_MAX),
        .retention_hours = (i32)MIN(MAX(hours, 0), INT32_MAX),
    };
    if (has_shards && (shards < 1 || shards > STREAM_SHARDS_MAX)) {
        return diag_set(diag, ERR_RANGE, "API005", "a stream has 1 to %d shards, not %lld",
                        STREAM_SHARDS_MAX, (long long)shards);
    }
    bool has_hours = json_get(body, STR("retention_hours")) != NULL;
    if (has_hours && (hours < STREAM_RETENTION_MIN_H || hours > STREAM_RETENTION_MAX_H)) {
        return diag_set(diag, ERR_RANGE, "API005", "records are kept %d to %d hours, not %lld",
                        STREAM_RETENTION_MIN_H, STREAM_RETENTION_MAX_H, (long long)hours);
    }
    return OK;
}

static void create_stream(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct diag diag;
    const struct json_value *body = NULL;
    struct stream_spec spec = {0};
    diag_init(&diag);
    err e = console__body_json(x, &body, &diag);
    if (e == OK) {
        e = spec_read(body, &spec, &diag);
    }
    if (e == OK) {
        e = stream_create_wait(console->env.streams, &spec);
    }
    if (e != OK) {
        (void)diag_set(&diag, e, "API005", "stream \"" STR_FMT "\" in " STR_FMT ": %s",
                       STR_ARG(spec.id.name), STR_ARG(spec.id.region),
                       e == ERR_RANGE ? "a name has 1 to 128 letters, digits, '_', '.' and '-'"
                                      : err_text(e));
        console_respond_error(x, e, &diag);
        return;
    }
    respond_named(x, spec.id.name, spec.id.region);
}

void console__handle_stream_create(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, create_stream, ctx);
}

static void delete_stream(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct diag diag;
    struct stream *stream = NULL;
    diag_init(&diag);
    err e = console__stream_find(console, x, "", &stream, &diag);
    if (e == OK) {
        e = stream_delete_wait(stream);
        (void)diag_set(&diag, e, "API005", "the stream cannot be deleted: %s", err_text(e));
    }
    if (e != OK) {
        console_respond_error(x, e, &diag);
    } else {
        struct stream_info info;
        stream_get_info(stream, &info);
        respond_named(x, info.id.name, info.id.region);
    }
    if (stream != NULL) {
        stream_unref(stream);
    }
}

void console__handle_stream_delete(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, delete_stream, ctx);
}

/* --- putting records
 * ---------------------------------------------------------------------------------- */

struct put {
    struct console *console;
    struct arena *arena;
    struct stream *stream;
    struct log_batch *batch;
    u32 shards[RECORDS_MAX];
    isize count;
};

/* Any text; a random one spreads over the shards. */
static str key_make(struct put *p)
{
    u8 r[16];
    os_random(p->console->env.os, r, 16);
    u64 high = get_u64(r), low = get_u64(r + 8);
    return arena_printf(p->arena, "%016llx%016llx", (unsigned long long)high,
                        (unsigned long long)low);
}

static isize chars_of(str text)
{
    isize chars = 0;
    for (isize i = 0; i < text.len; i++) {
        chars += (text.data[i] & 0xC0) != 0x80;
    }
    return chars;
}

static err data_read(struct put *p, const struct json_value *item, str *out)
{
    const struct json_value *encoded = json_get(item, STR("data_base64"));
    const struct json_value *data = json_get(item, STR("data"));
    if (encoded == NULL) {
        *out = json_text(data);
        return json_kind(data) == JSON_STRING ? OK : ERR_INVALID;
    }
    isize length = base64_decoded_bytes(json_text(encoded));
    if (json_kind(encoded) != JSON_STRING || length < 0) {
        return ERR_INVALID;
    }
    u8 *bytes = arena_alloc(p->arena, length + 1);
    TRY(base64_decode(json_text(encoded), bytes, &length));
    *out = str_from(bytes, length);
    return OK;
}

static err record_add(struct put *p, const struct json_value *item, struct diag *diag)
{
    struct stream_record record = {.partition_key = json_get_text(item, STR("partition_key"))};
    if (data_read(p, item, &record.data) != OK) {
        return diag_set(diag, ERR_INVALID, "API014",
                        "record %td has neither text \"data\" nor \"data_base64\"", p->count);
    }
    if (record.partition_key.len == 0) {
        record.partition_key = key_make(p);
    }
    if (chars_of(record.partition_key) > STREAM_PARTITION_KEY_CHARS_MAX) {
        return diag_set(diag, ERR_LIMIT, "API014",
                        "the partition key of record %td has more than %d characters", p->count,
                        STREAM_PARTITION_KEY_CHARS_MAX);
    }
    err e = stream_batch_add(p->stream, p->batch, &record, &p->shards[p->count]);
    if (e != OK) {
        struct stream_info info;
        stream_get_info(p->stream, &info);
        return diag_set(diag, e, "API014",
                        e == ERR_LIMIT ? "record %td is larger than the stream's records may be: "
                                         "%d bytes with its key"
                                       : "record %td cannot be put: the stream was deleted",
                        p->count, info.record_bytes_max);
    }
    p->count++;
    return OK;
}

static err records_add(struct put *p, const struct json_value *body, struct diag *diag)
{
    const struct json_value *records = json_get(body, STR("records"));
    if (json_kind(records) != JSON_ARRAY || records->count < 1 || records->count > RECORDS_MAX) {
        return diag_set(diag, ERR_INVALID, "API014", "\"records\" has 1 to %d records",
                        RECORDS_MAX);
    }
    const struct json_value *item = json_first(records);
    for (; item != NULL; item = json_next(item)) {
        TRY(record_add(p, item, diag));
    }
    err e = log_commit(p->console->env.log, p->batch);
    stream_batch_settle(p->batch, p->shards, p->count);
    return e == OK ? OK : diag_set(diag, e, "API014", "the records cannot be put: %s", err_text(e));
}

static void respond_put(struct http_exchange *x, struct put *p)
{
    struct buf body = {0};
    char sequence[STREAM_SEQUENCE_DIGITS + 1], shard[21];
    buf_append(&body, STR("{\"records\":["));
    for (isize i = 0; i < p->count; i++) {
        stream_batch_sequence(p->stream, p->batch, i, p->shards[i], sequence);
        stream_shard_format(p->shards[i], shard);
        buf_printf(&body, "%s{\"shard_id\":\"%s\",\"sequence_number\":\"%s\"}", i > 0 ? "," : "",
                   shard, sequence);
    }
    buf_append(&body, STR("]}"));
    console__respond_json(x, 200, &body);
}

/* All of them or none. */
static void put_records(struct http_exchange *x, void *ctx)
{
    struct put *p = NEW(struct put);
    struct diag diag;
    const struct json_value *body = NULL;
    diag_init(&diag);
    p->console = ctx;
    p->arena = http_arena(x);
    p->batch = log_batch_new();
    err e = console__body_json(x, &body, &diag);
    if (e == OK) {
        e = console__stream_find(p->console, x, "/records", &p->stream, &diag);
    }
    if (e == OK) {
        e = records_add(p, body, &diag);
    }
    if (e == OK) {
        stream_count_call(p->stream, true);
        respond_put(x, p);
    } else {
        console_respond_error(x, e, &diag);
    }
    if (p->stream != NULL) {
        stream_unref(p->stream);
    }
    log_batch_free(p->batch);
    mem_free(p);
}

void console__handle_stream_post(struct http_exchange *x, void *ctx)
{
    bool is_reshard = str_ends(http_path(x), STR("/reshard"));
    http_run_blocking(x, is_reshard ? console__reshard : put_records, ctx);
}
