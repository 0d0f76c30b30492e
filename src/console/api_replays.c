/* console/api_replays.c: replays over leat's own HTTP API (docs/replay.md). */
#include "codec/json.h"
#include "console/console_int.h"
#include "feed/replay.h"

static const char *const state_names[] = {"RUNNING", "DONE", "STOPPED", "FAILED"};
static const char prefix[] = "/_leat/api/replays/";

static void put(struct buf *out, const char *name, str value)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_string(out, value);
}

static void put_number(struct buf *out, const char *name, u64 value)
{
    buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void put_status(struct buf *out, const struct replay_status *s)
{
    buf_printf(out, "{\"id\":\"%s\",\"state\":\"%s\"", s->id, state_names[s->state]);
    put(out, "source", s->source == REPLAY_S3 ? STR("s3") : STR("push"));
    put(out, "from", s->from);
    put(out, "region", s->region);
    put(out, "stream", s->stream);
    put(out, "reason", s->reason);
    put(out, "problem",
        s->is_stalled ? STR("the disk of the server is full: the replay waits for space")
                      : STR_EMPTY);
    put_number(out, "pass", s->pass);
    put_number(out, "passes", s->passes);
    put_number(out, "offset", s->offset);
    put_number(out, "bytes_total", s->bytes_total);
    put_number(out, "bytes_fetched", s->bytes_fetched);
    put_number(out, "rows_max", s->rows_max);
    put_number(out, "rows", s->rows);
    put_number(out, "rows_bad", s->rows_bad);
    put_number(out, "records", s->records);
    put_number(out, "bytes_out", s->bytes_out);
    put_number(out, "rate", s->rate);
    put_number(out, "push_pass", s->push_pass);
    put_number(out, "push_offset", s->push_offset);
    put_number(out, "push_room", s->push_room);
    buf_append_byte(out, '}');
}

static void respond_status(struct http_exchange *x, const struct replay_status *status)
{
    struct buf body = {0};
    put_status(&body, status);
    console__respond_json(x, 200, &body);
}

static void respond_failed(struct http_exchange *x, err e, struct diag *diag)
{
    (void)diag_set(diag, e, "API020", "%s", err_text(e));
    console_respond_error(x, e, diag);
}

void console__put_replays(struct console *console, struct buf *out)
{
    struct arena arena = {0};
    struct replay_status *replays;
    isize count;
    replays_list(console->env.replays, &arena, &replays, &count);
    buf_append_byte(out, '[');
    for (isize i = 0; i < count; i++) {
        if (i > 0) {
            buf_append_byte(out, ',');
        }
        put_status(out, &replays[i]);
    }
    buf_append_byte(out, ']');
    arena_deinit(&arena);
}

static void list(struct http_exchange *x, void *ctx)
{
    struct buf body = {0};
    buf_append(&body, STR("{\"replays\":"));
    console__put_replays(ctx, &body);
    buf_append_byte(&body, '}');
    console__respond_json(x, 200, &body);
}

static void handle_list(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, list, ctx);
}

static err spec_read(const struct json_value *body, struct replay_spec *out, struct diag *diag)
{
    str source = json_get_text(body, STR("source"));
    if (!str_eq(source, STR("s3")) && !str_eq(source, STR("push"))) {
        return diag_set(diag, ERR_INVALID, "API021", "\"source\" is \"s3\" or \"push\"");
    }
    str account = json_get_text(body, STR("account"));
    str region = json_get_text(body, STR("region"));
    i64 numbers[] = {json_get_i64(body, STR("bytes_total"), 0),
                     json_get_i64(body, STR("indent"), 0), json_get_i64(body, STR("rate"), 0),
                     json_get_i64(body, STR("passes"), 1), json_get_i64(body, STR("rows_max"), 0)};
    for (isize i = 0; i < COUNT_OF(numbers); i++) {
        bool is_small = i != 1 && i != 2;
        if (numbers[i] < 0 || (!is_small && numbers[i] > REPLAY_RATE_MAX)) {
            return diag_set(diag, ERR_RANGE, "API022", "a number of the request is out of range");
        }
    }
    *out = (struct replay_spec){
        .source = str_eq(source, STR("s3")) ? REPLAY_S3 : REPLAY_PUSH,
        .account = account.len > 0 ? account : STR("000000000000"),
        .region = region.len > 0 ? region : STR("us-east-1"),
        .stream = json_get_text(body, STR("stream")),
        .bucket = json_get_text(body, STR("bucket")),
        .key = json_get_text(body, STR("key")),
        .name = json_get_text(body, STR("name")),
        .bytes_total = (u64)numbers[0],
        .form = {(int)numbers[1], json_get_bool(body, STR("typed"), false)},
        .partition_key = json_get_text(body, STR("partition_key")),
        .is_aggregated = json_get_bool(body, STR("kpl"), false),
        .rate = (u32)numbers[2],
        .passes = (u64)numbers[3],
        .rows_max = (u64)numbers[4],
        .is_another = json_get_bool(body, STR("again"), false),
    };
    return OK;
}

static void submit(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct diag diag;
    diag_init(&diag);
    const struct json_value *body = NULL;
    struct replay_spec spec;
    struct replay_status status;
    bool is_known = false;
    err e = console__body_json(x, &body, &diag);
    if (e == OK) {
        e = spec_read(body, &spec, &diag);
    }
    if (e == OK) {
        e = replay_submit(console->env.replays, &spec, http_arena(x), &status, &is_known, &diag);
    }
    if (e != OK) {
        respond_failed(x, e, &diag);
        return;
    }
    struct buf out = {0};
    buf_printf(&out, "{\"known\":%s,\"replay\":", is_known ? "true" : "false");
    put_status(&out, &status);
    buf_append_byte(&out, '}');
    console__respond_json(x, 200, &out);
}

static void handle_submit(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, submit, ctx);
}

/* --- one replay
 * ------------------------------------------------------------------------------------------- */

/* Splits "ID/verb" behind the prefix. */
static str id_of(struct http_exchange *x, str *verb_out)
{
    str rest = http_path(x);
    rest = str_slice(rest, (isize)sizeof prefix - 1, rest.len);
    str id = str_split(&rest, '/', NULL);
    *verb_out = rest;
    return id;
}

static void respond_absent(struct http_exchange *x, str id)
{
    struct diag diag;
    diag_init(&diag);
    (void)diag_set(&diag, ERR_NOT_FOUND, "API023", "there is no replay \"" STR_FMT "\"",
                   STR_ARG(id));
    diag_hint(&diag, "leat replay --list shows them");
    console_respond_error(x, ERR_NOT_FOUND, &diag);
}

static void show(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct replay_status status;
    str verb, id = id_of(x, &verb);
    if (verb.len > 0 || replay_get(console->env.replays, id, http_arena(x), &status) != OK) {
        respond_absent(x, id);
        return;
    }
    respond_status(x, &status);
}

static void handle_show(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, show, ctx);
}

static void stop(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct replay_status status;
    struct diag diag;
    diag_init(&diag);
    str verb, id = id_of(x, &verb);
    err e = replay_stop(console->env.replays, id);
    if (e == OK) {
        e = replay_get(console->env.replays, id, http_arena(x), &status);
    }
    if (e == ERR_NOT_FOUND) {
        respond_absent(x, id);
    } else if (e != OK) {
        respond_failed(x, e, &diag);
    } else {
        respond_status(x, &status);
    }
}

static u64 number_param(struct http_exchange *x, const char *name)
{
    str text;
    bool is_there;
    u64 value = 0;
    err e = http_param(http_arena(x), http_query(x), str_of(name), &text, &is_there);
    if (e == OK && is_there && str_to_u64(text, &value) != OK) {
        value = UINT64_MAX; /* No offset that can be right. */
    }
    return value;
}

/* 200 with the status, whose push_offset tells how much was taken; 400 where the piece does not
 * begin there. */
static void push(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct replay_status status;
    struct diag diag;
    diag_init(&diag);
    str verb, id = id_of(x, &verb);
    isize taken = 0;
    struct buf bytes = {0};
    err e = console__body_read(x, REPLAY_PIECE_BYTES_MAX, &bytes);
    if (e == OK) {
        e = replay_push(console->env.replays, id, number_param(x, "pass"),
                        number_param(x, "offset"), buf_str(&bytes), number_param(x, "last") == 1,
                        &taken);
    }
    buf_deinit(&bytes);
    /* Out of place or no longer running: the status says where it stands. */
    bool is_answered = e == OK || e == ERR_RANGE || e == ERR_CLOSED;
    if (is_answered) {
        e = replay_get(console->env.replays, id, http_arena(x), &status);
    }
    if (e == ERR_NOT_FOUND) {
        respond_absent(x, id);
    } else if (e != OK) {
        respond_failed(x, e, &diag);
    } else {
        respond_status(x, &status);
    }
}

static void handle_post(struct http_exchange *x, void *ctx)
{
    str verb;
    (void)id_of(x, &verb);
    if (str_eq(verb, STR("data"))) {
        http_run_blocking(x, push, ctx);
    } else if (str_eq(verb, STR("stop"))) {
        http_run_blocking(x, stop, ctx);
    } else {
        struct diag diag;
        diag_init(&diag);
        err e = diag_set(&diag, ERR_NOT_FOUND, "API001", "there is no such path");
        console_respond_error(x, e, &diag);
    }
}

const struct console_route console__replay_routes[] = {
    {"GET", "/_leat/api/replays", handle_list},
    {"POST", "/_leat/api/replays", handle_submit},
    {"GET", prefix, handle_show},
    {"POST", prefix, handle_post},
};
const isize console__replay_route_count = COUNT_OF(console__replay_routes);
