/*
 * aws/kinesis/kinesis_push.c: what a subscription sends. It sleeps until the
 * committer publishes a record of its shard, sends what there is, and sleeps again.
 * While the client has not taken what was sent, nothing more is read: a slow reader
 * costs its last event and reads on from the disk when it is ready.
 */
#include "aws/kinesis/kinesis_fanout_int.h"
#include "aws/kinesis/kinesis_rows.h"
#include "codec/eventstream.h"

enum {
    EVENT_ROWS_MAX = 10000,
    EVENT_BYTES_MAX = 512 << 10, /* Data and keys of one event, but for one larger record. */
    EVENT_BYTES_MIN = 16 << 10,
    UNSENT_BUDGET_BYTES = 256 << 20, /* Of all subscriptions together. */
    EVENTS_AT_ONCE = 4,              /* Then others on the loop have their turn. */
    RETRY_MS = 50,                   /* When all readers are taken. */
    LEAVE_INTERVALS = 6,             /* For a client to take what was sent when its time is up. */
};

static void look(struct subscription *s);
static void on_timer(struct http_exchange *x, void *ctx);

static u64 now_ms(const struct subscription *s)
{
    return os_mono_ns(s->service->os) / 1000000;
}

/* When a client that does not take what was sent is left. */
static u64 leave_ms(const struct subscription *s)
{
    return s->end_ms + (u64)LEAVE_INTERVALS * kinesis__subscription_interval_ms(s->service);
}

/* More subscriptions, smaller events: what slow clients leave unsent stays within the budget. */
static isize event_bytes_max(const struct subscription *s)
{
    isize share = UNSENT_BUDGET_BYTES / MAX(kinesis__subscription_count(s->service), 1);
    return MAX(MIN(share, EVENT_BYTES_MAX), EVENT_BYTES_MIN);
}

static bool is_backed_up(const struct subscription *s)
{
    return http_unsent(s->x) > event_bytes_max(s) / 2;
}

/* --- frames ------------------------------------------------------------------------------------
 */

/* Forgets what stands in s->out and begins a frame; its payload's structure is open. */
static void begin_frame(struct subscription *s, const char *kind, const char *type_header,
                        const char *type)
{
    const struct eventstream_header headers[] = {
        {STR(":message-type"), str_of(kind), EVENTSTREAM_STRING},
        {str_of(type_header), str_of(type), EVENTSTREAM_STRING},
        {STR(":content-type"), kinesis__content_type(s->call), EVENTSTREAM_STRING},
    };
    buf_reset(&s->out.buf);
    s->out.needs_comma = false;
    (void)eventstream_begin(&s->out.buf, headers, COUNT_OF(headers));
    answer_open(&s->out, NULL);
}

static void end_frame(struct subscription *s)
{
    answer_close(&s->out);
    eventstream_end(&s->out.buf, 0);
}

/* The place behind everything that was read: whoever goes on AT or AFTER it misses and repeats
 * nothing. */
static void put_continuation(struct subscription *s)
{
    char digits[STREAM_SEQUENCE_DIGITS + 1];
    struct stream_sequence sequence = {
        .shard_created_s = s->shard_created_s,
        .index = MAX(s->built_no, 1) - 1,
        .arrival_s = kinesis__now_ms(s->service) / 1000,
        .shard = s->call->read->shard,
        .is_behind = true,
    };
    stream_sequence_format(&sequence, digits);
    answer_put_text(&s->out, "ContinuationSequenceNumber", str_of(digits));
}

static void put_event(struct subscription *s, const struct stream_page *page, i64 behind_ms)
{
    begin_frame(s, "event", ":event-type", "SubscribeToShardEvent");
    kinesis__put_rows(s->call, page, &s->out);
    if (s->is_at_end) {
        answer_put_null(&s->out, "ContinuationSequenceNumber");
        kinesis__put_children(s->call, &s->out);
    } else {
        put_continuation(s);
    }
    answer_put_i64(&s->out, "MillisBehindLatest", behind_ms);
    end_frame(s);
}

static void measure_event(struct subscription *s, const struct stream_page *page, i64 behind_ms)
{
    struct stream_info info;
    stream_get_info(s->call->stream, &info);
    const struct measure measures[] = {
        {METER_EVENT_SUCCESS, 1},
        {METER_EVENT_BYTES, (double)stream_page_bytes(page)},
        {METER_EVENT_RECORDS, (double)stream_page_count(page)},
        {METER_EVENT_BEHIND, (double)behind_ms},
    };
    kinesis__measure_consumer(s->service->meters, &info, s->call->consumer.name, measures,
                              COUNT_OF(measures));
}

/* Any thread: reads a page and, if it is worth an event, writes one into s->out. */
static void build(struct subscription *s)
{
    struct kinesis_call *call = s->call;
    struct stream_read_limits limits = {.rows_max = EVENT_ROWS_MAX, .bytes_max = s->bytes_max};
    rows_measure(call->out.is_cbor, &limits);
    struct stream_page *page = NULL;
    i64 behind_ms = 0;
    buf_reset(&s->out.buf);
    s->result = stream_read(call->stream, call->read->shard, s->next_no, &limits, &page,
                            &s->built_no, &behind_ms);
    if (s->result != OK) {
        return;
    }
    s->is_at_end = stream_page_at_end(page);
    if (stream_page_count(page) > 0 || s->is_due || s->is_at_end) {
        put_event(s, page, behind_ms);
        measure_event(s, page, behind_ms);
    }
    stream_page_free(page);
}

/* --- the end -----------------------------------------------------------------------------------
 */

static void send_exception(struct subscription *s, const char *type, str text)
{
    if (is_backed_up(s)) {
        s->closing = CLOSING_ABRUPT; /* It would stand behind what the client does not take. */
        return;
    }
    begin_frame(s, "exception", ":exception-type", type);
    answer_put_text(&s->out, "message", text);
    end_frame(s);
    bool is_sent = http_respond_write(s->x, buf_str(&s->out.buf)) == OK;
    s->closing = is_sent ? CLOSING_CLEAN : CLOSING_ABRUPT;
}

/* True when the consumer was deregistered. */
static bool is_consumer_gone(struct subscription *s)
{
    const struct stream_consumer *consumer = &s->call->consumer;
    u32 version = stream_consumer_version(s->call->stream);
    if (version == s->consumer_version) {
        return false;
    }
    s->consumer_version = version;
    i64 created_ms = 0;
    return !stream_consumer_find(s->call->stream, consumer->name, &created_ms) ||
           created_ms != consumer->created_ms;
}

static void look_for_end(struct subscription *s)
{
    struct stream_info info;
    stream_get_info(s->call->stream, &info);
    enum subscription_order order = __atomic_load_n(&s->order, __ATOMIC_ACQUIRE);
    u64 now = now_ms(s);
    if (order == ORDER_TAKEN_OVER) {
        send_exception(s, "ResourceInUseException",
                       STR("Another subscription of this consumer to this shard has taken over."));
    } else if (order == ORDER_STOP) {
        s->closing = is_backed_up(s) ? CLOSING_ABRUPT : CLOSING_CLEAN;
    } else if (info.is_deleted) {
        send_exception(s, "ResourceNotFoundException", STR("The stream was deleted."));
    } else if (is_consumer_gone(s)) {
        send_exception(s, "ResourceNotFoundException", STR("The consumer was deregistered."));
    } else if (now >= s->end_ms && !is_backed_up(s)) {
        s->closing = CLOSING_CLEAN;
    } else if (now >= leave_ms(s)) {
        s->closing = CLOSING_ABRUPT;
    }
}

/* Ends as soon as nobody is going to call back who needs the exchange. */
static void close_if_quiet(struct subscription *s)
{
    struct kinesis_call *call = s->call;
    if (s->is_waiting && stream_unwait(call->stream, s->wait_id)) {
        s->is_waiting = false;
    }
    if (s->is_waiting || s->is_reading) {
        return;
    }
    s->is_finished = true;
    kinesis__subscription_leave(s);
    stream_unref(call->stream);
    call->stream = NULL;
    answer_deinit(&s->out);
    if (s->closing == CLOSING_CLEAN) {
        http_respond_end(s->x);
    } else {
        http_abort(s->x);
    }
}

static void on_gone(struct http_exchange *x, void *ctx)
{
    struct subscription *s = ctx;
    (void)x;
    s->closing = CLOSING_ABRUPT;
    if (!s->is_finished && !s->is_looking) { /* look() does it otherwise: it still needs `s`. */
        close_if_quiet(s);
    }
}

/* --- pushing -----------------------------------------------------------------------------------
 */

static void on_drained(struct http_exchange *x, void *ctx)
{
    struct subscription *s = ctx;
    (void)x;
    s->is_draining = false;
    look(s);
}

static void on_wake(struct http_exchange *x, void *ctx)
{
    struct subscription *s = ctx;
    (void)x;
    s->is_waiting = false;
    look(s);
}

/* COMMITTER, or the loop itself. */
static void wake(void *ctx)
{
    struct subscription *s = ctx;
    http_post(s->x, on_wake, s);
}

static void wait_for_records(struct subscription *s)
{
    if (!s->is_waiting) {
        s->is_waiting = true;
        s->wait_id = stream_wait(s->call->stream, s->call->read->shard, s->next_no, wake, s);
    }
}

/* Sends what build() made; false when there was nothing new. */
static bool send_built(struct subscription *s)
{
    if (s->result != OK) {
        send_exception(s, "InternalFailureException", str_of(err_text(s->result)));
        return true;
    }
    bool is_new = s->built_no > s->next_no || s->out.buf.len > 0;
    s->next_no = s->built_no;
    if (s->out.buf.len > 0) {
        s->event_ms = now_ms(s);
        s->is_due = false;
        kinesis__subscription_count_event(s->service);
        if (http_respond_write(s->x, buf_str(&s->out.buf)) != OK) {
            s->closing = CLOSING_ABRUPT;
        }
    }
    if (s->is_at_end && s->closing == CLOSING_NOT) {
        s->closing = CLOSING_CLEAN;
    }
    return is_new;
}

static void on_built(struct http_exchange *x, void *ctx)
{
    struct subscription *s = ctx;
    (void)x;
    s->is_reading = false;
    s->is_built = true;
    look(s);
}

/* READER */
static void build_on_reader(void *ctx)
{
    struct subscription *s = ctx;
    build(s);
    http_post(s->x, on_built, s);
}

static bool is_shard_closed(const struct subscription *s)
{
    struct stream_shard shard;
    return stream_find_shard(s->call->stream, s->call->read->shard, &shard) && shard.closed_ms != 0;
}

/* Reads and sends one event, here when that takes no disk, else on a reader's thread. False when
 * there is nothing more to do now. */
static bool push_one(struct subscription *s)
{
    struct kinesis_call *call = s->call;
    bool has_records = s->next_no < stream_pos_latest(call->stream, call->read->shard);
    if (!has_records && !s->is_due && !is_shard_closed(s)) {
        wait_for_records(s);
        return false;
    }
    s->bytes_max = event_bytes_max(s);
    bool is_recent = s->next_no >= log_recent_no(streams_log(s->service->streams));
    if (has_records && !is_recent) {
        s->is_reading = os_pool_submit(s->service->readers, build_on_reader, s) == OK;
        if (!s->is_reading) {
            http_after(s->x, RETRY_MS, on_timer, s);
        }
        return false;
    }
    build(s);
    if (!send_built(s)) {
        wait_for_records(s);
        return false;
    }
    return true;
}

/* Sends until there is nothing more, or until it has to wait. */
static void push(struct subscription *s)
{
    if (s->is_built) {
        s->is_built = false;
        (void)send_built(s);
    }
    for (i32 i = 0; s->closing == CLOSING_NOT && !s->is_reading && !s->is_draining; i++) {
        if (is_backed_up(s)) {
            s->is_draining = true;
            http_on_drained(s->x, event_bytes_max(s) / 2, on_drained, s);
        } else if (i == EVENTS_AT_ONCE) {
            http_post(s->x, kinesis__push_again, s);
            return;
        } else if (!push_one(s)) {
            return;
        }
    }
}

/* Whatever has happened: ends, sends, or goes to sleep. */
static void look(struct subscription *s)
{
    if (s->is_finished || s->is_looking) {
        return;
    }
    s->is_looking = true;
    if (s->closing == CLOSING_NOT) {
        look_for_end(s);
    }
    if (s->closing == CLOSING_NOT) {
        push(s);
    }
    s->is_looking = false;
    if (s->closing != CLOSING_NOT) {
        close_if_quiet(s);
    }
}

void kinesis__push_again(struct http_exchange *x, void *subscription)
{
    struct subscription *s = subscription;
    (void)x;
    CHECK_MAGIC(s, SUBSCRIPTION_MAGIC);
    look(s);
}

/* --- time --------------------------------------------------------------------------------------
 */

static void arm(struct subscription *s)
{
    u64 now = now_ms(s);
    u64 interval = kinesis__subscription_interval_ms(s->service);
    u64 since = now - s->event_ms;
    u64 left = since < interval ? interval - since : interval;
    u64 end = now < s->end_ms ? s->end_ms : MAX(leave_ms(s), now + 1);
    http_after(s->x, (u32)MIN(left, end - now), on_timer, s);
}

static void on_timer(struct http_exchange *x, void *ctx)
{
    struct subscription *s = ctx;
    (void)x;
    if (s->is_finished) {
        return;
    }
    bool is_quiet = now_ms(s) - s->event_ms >= kinesis__subscription_interval_ms(s->service);
    s->is_due = s->is_due || (is_quiet && !s->is_reading && !s->is_draining);
    look(s);
    if (!s->is_finished) {
        arm(s);
    }
}

void kinesis__push_begin(struct subscription *s)
{
    s->is_looking = true;
    kinesis__respond_events(s->call);
    s->out.is_cbor = s->call->out.is_cbor;
    begin_frame(s, "event", ":event-type", "initial-response");
    end_frame(s);
    bool is_there = http_respond_write(s->x, buf_str(&s->out.buf)) == OK && !http_is_gone(s->x);
    s->closing = is_there ? s->closing : CLOSING_ABRUPT;
    http_on_gone(s->x, on_gone, s);
    arm(s);
    s->is_looking = false;
    look(s);
}
