/*
 * console/api_tail.c: GET /_leat/api/streams/NAME/tail (docs/api.md): the records of a stream in
 * the order of the log, as server-sent events. Each follower holds a worker; it sleeps until the
 * log publishes.
 */
#include "console/console_int.h"

#include "codec/kpl.h"
#include "codec/record_json.h"
#include "engine/filter.h"

enum {
    FLUSH_BYTES = 64 << 10,
    PAUSE_MS = 20, /* Between two writes of a stream that is never quiet. */
    HEARTBEAT_MS = 5000,
    RATE_MAX = 1000000,
};

struct tail {
    struct console *console;
    struct http_exchange *x;
    struct stream *stream;
    struct stream_info info;
    struct arena arena; /* Of one record. */
    struct buf out;
    u64 lsn;      /* Everything up to it has been looked at. */
    u64 live_lsn; /* Behind it the rate makes the reader slower; after it records are left out. */
    struct engine_filter *where; /* NULL: all records. */
    str where_text;
    i64 from_ms;            /* What arrived before is left out. */
    bool has_shard, is_raw; /* Raw: aggregates of the KPL as they are. */
    u32 shard;
    i64 limit, rate; /* 0 = none. */
    i64 sent, sent_in_second, skipped;
    u64 second_ns;                    /* When the second began. */
    i64 came, came_in_second, stride; /* Live: every stride-th record is sent. */
    bool is_over;
};

/* --- one record
 * --------------------------------------------------------------------------------------- */

static void put_event(struct tail *t, const char *sequence, i64 sub_sequence, str key, str data,
                      u32 shard, i64 arrival_ms)
{
    char shard_id[32];
    stream_shard_format(shard, shard_id);
    struct record_json record = {
        str_of(shard_id), str_of(sequence), sub_sequence, arrival_ms, key, data};
    buf_append(&t->out, STR("event: record\ndata: "));
    record_json_put(&t->out, &record);
    buf_append(&t->out, STR("\n\n"));
}

/* Ends the answer with an error of the same form as elsewhere. */
static void put_problem(struct tail *t, err e, const char *message)
{
    struct diag diag;
    diag_init(&diag);
    (void)diag_set(&diag, e, "API012", "%s", message);
    buf_append(&t->out, STR("event: error\ndata: {\"error\":"));
    console__put_error(&t->out, &diag, STR_EMPTY);
    buf_append(&t->out, STR("}\n\n"));
    t->is_over = true;
}

static void put_end(struct tail *t, const char *why)
{
    buf_printf(&t->out, "event: end\ndata: {\"reason\":\"%s\"}\n\n", why);
    t->is_over = true;
}

static void flush(struct tail *t)
{
    if (t->skipped > 0) {
        buf_printf(&t->out, "event: skipped\ndata: {\"count\":%lld}\n\n", (long long)t->skipped);
        t->skipped = 0;
    }
    if (t->out.len > 0 && http_respond_write(t->x, buf_str(&t->out)) != OK) {
        t->is_over = true;
    }
    buf_reset(&t->out);
}

static void note_second(struct tail *t)
{
    u64 now_ns = os_mono_ns(t->console->env.os), took_ns = now_ns - t->second_ns;
    if (took_ns < 1000000000) {
        return;
    }
    double came_per_s = (double)t->came_in_second * 1e9 / (double)took_ns;
    t->stride = (i64)(came_per_s / (double)t->rate) + 1;
    t->second_ns = now_ns;
    t->sent_in_second = t->came_in_second = 0;
}

/* A sample that is even over the shards, whose records stand together in a frame. */
static bool is_sampled(struct tail *t)
{
    t->came_in_second++;
    bool is_wanted = t->came++ % MAX(t->stride, 1) == 0 && t->sent_in_second < t->rate;
    t->skipped += !is_wanted;
    return is_wanted;
}

/* Waits, or says that the record is to be left out. */
static bool may_send(struct tail *t, u64 lsn)
{
    if (t->rate == 0) {
        return true;
    }
    for (;;) {
        note_second(t);
        if (lsn > t->live_lsn) {
            return is_sampled(t);
        }
        if (t->sent_in_second < t->rate) {
            return true;
        }
        flush(t);
        t->is_over = t->is_over || !console__events_wait(t->console, PAUSE_MS);
        if (t->is_over) {
            return false;
        }
    }
}

static void send_one(struct tail *t, u64 lsn, const char *sequence, i64 sub_sequence, str key,
                     str data, u32 shard, i64 arrival_ms)
{
    bool passes = true;
    if (t->where != NULL) {
        engine_filter_test(t->where, &data, 1, &passes);
    }
    if (t->is_over || !passes || !may_send(t, lsn)) {
        return;
    }
    put_event(t, sequence, sub_sequence, key, data, shard, arrival_ms);
    t->sent++;
    t->sent_in_second++;
    if (t->limit > 0 && t->sent == t->limit) {
        put_end(t, "the limit is reached");
    }
    if (t->out.len >= FLUSH_BYTES || t->is_over) {
        flush(t);
    }
}

static void send_record(struct tail *t, const struct log_frame *frame, struct log_run run,
                        const struct log_record *record)
{
    struct stream_record body;
    if (stream_record_decode(record->body, &body) != OK) {
        put_problem(t, ERR_CORRUPT, "a record cannot be read");
        return;
    }
    u64 lsn = log_frame_lsn(frame);
    i64 arrival_ms = log_frame_arrival_ms(frame);
    char sequence[STREAM_SEQUENCE_DIGITS + 1];
    stream_row_sequence(t->stream, run.channel.shard, record->no, arrival_ms, sequence);
    struct kpl_record *users;
    isize count;
    arena_reset(&t->arena);
    bool is_aggregate = !t->is_raw && kpl_is_candidate(body.data) &&
                        kpl_decode(body.data, &t->arena, &users, &count, NULL) == KPL_AGGREGATE;
    if (!is_aggregate) {
        send_one(t, lsn, sequence, -1, body.partition_key, body.data, run.channel.shard,
                 arrival_ms);
        return;
    }
    for (isize i = 0; i < count && !t->is_over; i++) {
        send_one(t, lsn, sequence, i, users[i].partition_key, users[i].data, run.channel.shard,
                 arrival_ms);
    }
}

/* --- the way through the log
 * ------------------------------------------------------------------------------ */

static void send_run(struct tail *t, const struct log_frame *frame, struct log_run run)
{
    struct log_record record;
    u64 horizon = stream_pos_horizon(t->stream, run.channel.shard);
    log_run_skip(&run, horizon);
    while (!t->is_over && log_run_next(&run, &record)) {
        send_record(t, frame, run, &record);
    }
}

static void send_frame(struct tail *t, const struct log_frame *frame)
{
    if (log_frame_arrival_ms(frame) < t->from_ms) {
        return;
    }
    for (isize i = 0; i < log_frame_run_count(frame) && !t->is_over; i++) {
        struct log_run run = log_frame_run(frame, i);
        bool is_ours = run.channel.stream == t->info.number;
        if (is_ours && (!t->has_shard || run.channel.shard == t->shard)) {
            send_run(t, frame, run);
        }
    }
}

/* Sends what there is; returns at the tip. */
static void catch_up(struct tail *t)
{
    struct log *log = t->console->env.log;
    while (!t->is_over) {
        struct log_frame *frame;
        err e = log_frame_after(log, t->lsn, &frame);
        if (e == ERR_END) {
            break;
        }
        if (e == ERR_CORRUPT) {
            t->lsn = log_skip_after(log, t->lsn);
            continue;
        }
        if (e != OK) {
            put_problem(t, e, err_text(e));
            break;
        }
        send_frame(t, frame);
        t->lsn = log_frame_lsn(frame);
        log_frame_unref(frame);
        t->is_over = t->is_over || console__is_stopping(t->console);
    }
    flush(t);
}

/* Nothing can come into the only shard that is followed. */
static bool is_at_end(const struct tail *t)
{
    struct stream_shard shard;
    return t->has_shard && (!stream_find_shard(t->stream, t->shard, &shard) || shard.closed_ms > 0);
}

static void follow(struct tail *t)
{
    bool is_last = is_at_end(t); /* Asked before the log is read to its tip. */
    catch_up(t);
    while (!t->is_over && !http_is_gone(t->x) && console__events_wait(t->console, PAUSE_MS)) {
        stream_get_info(t->stream, &t->info);
        if (t->info.is_deleted) {
            put_problem(t, ERR_NOT_FOUND, "the stream was deleted");
        } else if (is_last) {
            put_end(t, "the shard is closed");
        } else if ((is_last = is_at_end(t)) ||
                   console__published_wait(t->console, t->x, t->lsn, HEARTBEAT_MS)) {
            catch_up(t);
            continue;
        } else {
            buf_append(&t->out, STR(":\n\n"));
        }
        flush(t);
    }
}

/* LSN before the first frame that is wanted. */
static u64 start_lsn(struct tail *t, bool is_time)
{
    u64 first = UINT64_MAX;
    struct stream_shard shard;
    for (i32 i = 0; stream_get_shard(t->stream, i, &shard); i++) {
        struct log_channel channel = {t->info.number, shard.index};
        u64 no = stream_pos_horizon(t->stream, shard.index);
        struct log_frame *frame;
        if (t->has_shard && shard.index != t->shard) {
            continue;
        }
        if (is_time && stream_pos_time(t->stream, shard.index, t->from_ms, &no) != OK) {
            no = stream_pos_horizon(t->stream, shard.index);
        }
        if (log_frame_seek(t->console->env.log, channel, no, &frame) == OK) {
            first = MIN(first, log_frame_lsn(frame));
            log_frame_unref(frame);
        }
    }
    return first == UINT64_MAX ? t->live_lsn : first - 1;
}

/* --- the request
 * -------------------------------------------------------------------------------------- */

static err from_read(struct tail *t, struct diag *diag)
{
    str from = console__param(t->x, "from", STR("latest"));
    t->live_lsn = log_tip(t->console->env.log);
    t->lsn = t->live_lsn;
    if (str_eq(from, STR("latest"))) {
        return OK;
    }
    bool is_time = !str_eq(from, STR("trim-horizon"));
    bool is_ms = str_to_i64(from, &t->from_ms) == OK && t->from_ms >= 0;
    if (is_time && !is_ms) {
        TRY(engine_time_parse(from, &t->from_ms, diag));
    }
    t->from_ms = is_time ? t->from_ms : 0;
    t->lsn = start_lsn(t, is_time);
    return OK;
}

static err shard_read(struct tail *t, struct diag *diag)
{
    str text = console__param(t->x, "shard", STR_EMPTY);
    struct stream_shard shard;
    t->has_shard = text.len > 0;
    if (t->has_shard && (stream_shard_parse(text, &t->shard) != OK ||
                         !stream_find_shard(t->stream, t->shard, &shard))) {
        return diag_set(diag, ERR_NOT_FOUND, "API011",
                        "stream \"" STR_FMT "\" has no shard \"" STR_FMT "\"",
                        STR_ARG(t->info.id.name), STR_ARG(text));
    }
    return OK;
}

static err where_read(struct tail *t, struct diag *diag)
{
    str where = console__param(t->x, "where", STR_EMPTY);
    if (where.len == 0) {
        return OK;
    }
    str_copy_cstr(STR("where"), diag->origin, (isize)sizeof diag->origin);
    t->where_text = where;
    return engine_filter_new(where, &t->where, diag);
}

static err raw_read(struct tail *t, struct diag *diag)
{
    str raw = console__param(t->x, "raw", STR("false"));
    t->is_raw = str_eq(raw, STR("true"));
    return t->is_raw || str_eq(raw, STR("false"))
               ? OK
               : diag_set(diag, ERR_INVALID, "API013",
                          "\"raw\" is true or false, not \"" STR_FMT "\"", STR_ARG(raw));
}

static err tail_read(struct tail *t, struct diag *diag)
{
    TRY(console__stream_find(t->console, t->x, "/tail", &t->stream, diag));
    stream_get_info(t->stream, &t->info);
    TRY(shard_read(t, diag));
    TRY(console__number_param(t->x, "limit", INT64_MAX, &t->limit, diag));
    TRY(console__number_param(t->x, "rate", RATE_MAX, &t->rate, diag));
    TRY(raw_read(t, diag));
    TRY(where_read(t, diag));
    return from_read(t, diag);
}

static void tail_answer(struct tail *t)
{
    struct http_field fields[] = {
        {STR("Content-Type"), STR("text/event-stream")},
        {STR("Cache-Control"), STR("no-store")},
        {STR("X-Content-Type-Options"), STR("nosniff")},
    };
    http_respond_start(t->x, 200, fields, COUNT_OF(fields), -1);
    buf_append(&t->out, STR("retry: 1000\n\n"));
    flush(t);
    if (!str_eq(http_method(t->x), STR("HEAD"))) {
        follow(t);
    }
    http_respond_end(t->x);
}

static void tail_run(struct http_exchange *x, void *ctx)
{
    struct tail t = {.console = ctx, .x = x};
    struct diag diag;
    diag_init(&diag);
    bool has_entered = false;
    err e = tail_read(&t, &diag);
    if (e == OK) {
        e = console__tail_enter(t.console, CONSOLE_TAILS_MAX, &diag);
        has_entered = e == OK;
    }
    if (e == OK) {
        tail_answer(&t);
    } else {
        console__respond_error_in(x, e, &diag, t.where_text);
    }
    engine_filter_free(t.where);
    if (has_entered) {
        console__tail_leave(t.console);
    }
    if (t.stream != NULL) {
        stream_unref(t.stream);
    }
    arena_deinit(&t.arena);
    buf_deinit(&t.out);
}

void console__handle_tail(struct http_exchange *x, void *ctx)
{
    http_on_gone(x, console__on_follower_gone, ctx);
    http_run_blocking(x, tail_run, ctx);
}
