/*
 * cli/consumer_tail.c: one thread for each shard, blocked in its subscription. A
 * shard's thread ends with the shard; whoever reads the last parent of a child to
 * its end starts the child.
 */
#include "cli/consumer_tail.h"

#include "cli/api.h"
#include "cli/kinesis_client.h"
#include "cli/retry.h"
#include "codec/base64.h"
#include "codec/eventstream.h"
#include "codec/kpl.h"
#include "codec/record_json.h"
#include "engine/engine.h"
#include "os/os.h"
#include "os/process.h"
#include "os/thread.h"

enum { READERS_MAX = 128, SHARD_BYTES = 32, POLL_MS = 100, IN_USE_MS = 1000, IN_USE_TRIES = 10 };

struct follower;

struct reader {
    struct follower *owner;
    struct os_thread thread;
    char shard[SHARD_BYTES];
    char position[64];  /* Sequence number to go on behind; empty at first. */
    bool is_from_start; /* A child: from its first record on. */
    bool is_done;       /* Owner's lock: read to its end. */
    bool has_error;     /* The subscription ended with an error that was printed, or in use. */
    bool is_in_use, is_at_end;
    struct retry retry;
    struct http_client_response answer;
    struct buf bytes; /* Received, no whole frame yet. */
    struct arena arena;
};

struct follower {
    const struct consumer_tail *tail;
    str consumer_arn;
    const char *type; /* Of the starting position. */
    i64 from_ms;
    struct os_mutex lock;
    struct reader *readers[READERS_MAX]; /* lock */
    i32 reader_count;
    i32 running;
    bool has_come, is_away; /* lock: a server that was there once is waited for. */
    i64 records;
    int code;
};

static bool is_over; /* Atomic. */

static bool must_end(void)
{
    return __atomic_load_n(&is_over, __ATOMIC_ACQUIRE) || os_interrupt_is_set();
}

/* What befalls every shard, as the end of the stream, is told once. */
static bool is_first_to_end(void)
{
    return !__atomic_exchange_n(&is_over, true, __ATOMIC_ACQ_REL);
}

static void finish(struct follower *f, int code)
{
    os_mutex_lock(&f->lock);
    f->code = f->code == EXIT_OK ? code : f->code;
    os_mutex_unlock(&f->lock);
    __atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
}

/* --- records ------------------------------------------------------------------------------------
 */

/* False: that was the last one. */
static bool emit(struct reader *r, const struct record_json *record)
{
    struct follower *f = r->owner;
    struct buf text = {0};
    record_json_put(&text, record);
    os_mutex_lock(&f->lock);
    bool goes_on = !__atomic_load_n(&is_over, __ATOMIC_ACQUIRE);
    if (goes_on) {
        goes_on = f->tail->on_record(f->tail->ctx, buf_str(&text));
        goes_on = goes_on && ++f->records != f->tail->limit;
    }
    os_mutex_unlock(&f->lock);
    buf_deinit(&text);
    if (!goes_on) {
        finish(f, EXIT_OK);
    }
    return goes_on;
}

static bool emit_all(struct reader *r, struct record_json record)
{
    struct kpl_record *users = NULL;
    isize count = 0;
    if (r->owner->tail->is_raw || !kpl_is_candidate(record.data) ||
        kpl_decode(record.data, &r->arena, &users, &count, NULL) != KPL_AGGREGATE) {
        return emit(r, &record);
    }
    for (isize i = 0; i < count; i++) {
        record.sub_sequence = i;
        record.partition_key = users[i].partition_key;
        record.data = users[i].data;
        if (!emit(r, &record)) {
            return false;
        }
    }
    return true;
}

static bool take_record(struct reader *r, const struct json_value *value)
{
    str encoded = json_get_text(value, STR("Data"));
    isize bytes = MAX(base64_decoded_bytes(encoded), 0);
    u8 *data = arena_alloc(&r->arena, bytes + 64);
    double seconds = 0;
    str arrival = json_text(json_get(value, STR("ApproximateArrivalTimestamp")));
    if (base64_decode(encoded, data, &bytes) != OK || str_to_f64(arrival, &seconds) != OK) {
        print_error(NULL, "a record of " STR_FMT " cannot be read", STR_ARG(str_of(r->shard)));
        finish(r->owner, EXIT_REMOTE);
        return false;
    }
    struct record_json record = {
        .shard_id = str_of(r->shard),
        .sequence_number = json_get_text(value, STR("SequenceNumber")),
        .sub_sequence = -1,
        .arrival_ms = (i64)(seconds * 1000 + 0.5),
        .partition_key = json_get_text(value, STR("PartitionKey")),
        .data = str_from(data, bytes),
    };
    return emit_all(r, record);
}

/* --- shards -------------------------------------------------------------------------------------
 */

static void run_reader(void *ctx);

/* NULL when that shard is not read. The lock is held. */
static struct reader *find_reader(struct follower *f, str shard)
{
    for (i32 i = 0; i < f->reader_count; i++) {
        if (str_eq(str_of(f->readers[i]->shard), shard)) {
            return f->readers[i];
        }
    }
    return NULL;
}

/* The lock is held. */
static void start_reader(struct follower *f, str shard, bool is_from_start)
{
    if (f->reader_count == READERS_MAX) {
        print_error("choose one with --shard", "more than %d shards cannot be followed at once",
                    READERS_MAX);
        f->code = EXIT_FAILED;
        __atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
        return;
    }
    struct reader *r = NEW(struct reader);
    r->owner = f;
    r->is_from_start = is_from_start;
    str_copy_cstr(shard, r->shard, SHARD_BYTES);
    f->readers[f->reader_count++] = r;
    f->running++;
    os_thread_start(&r->thread, "leat-tail", run_reader, r);
}

/* Each child is named by each of its parents: the last one to end starts it. */
static void take_children(struct reader *r, const struct json_value *children)
{
    struct follower *f = r->owner;
    r->is_at_end = true;
    if (f->tail->shard != NULL) {
        return;
    }
    os_mutex_lock(&f->lock);
    r->is_done = true;
    for (const struct json_value *c = json_first(children); c != NULL; c = json_next(c)) {
        str id = json_get_text(c, STR("ShardId"));
        bool is_ready = find_reader(f, id) == NULL;
        const struct json_value *p = json_first(json_get(c, STR("ParentShards")));
        for (; p != NULL; p = json_next(p)) {
            const struct reader *parent = find_reader(f, json_text(p));
            is_ready = is_ready && (parent == NULL || parent->is_done);
        }
        if (is_ready) {
            start_reader(f, id, true);
        }
    }
    os_mutex_unlock(&f->lock);
}

/* --- one subscription ---------------------------------------------------------------------------
 */

static bool take_event(struct reader *r, str payload)
{
    arena_reset(&r->arena);
    const struct json_value *event = json_parse_request(&r->arena, payload);
    const struct json_value *record = json_first(json_get(event, STR("Records")));
    for (; record != NULL; record = json_next(record)) {
        if (!take_record(r, record)) {
            return false;
        }
    }
    str position = json_get_text(event, STR("ContinuationSequenceNumber"));
    if (position.len > 0) {
        str_copy_cstr(position, r->position, (isize)sizeof r->position);
    } else {
        take_children(r, json_get(event, STR("ChildShards")));
    }
    return true;
}

static bool take_frame(struct reader *r, const struct eventstream_frame *frame)
{
    if (!str_eq(eventstream_text(frame, STR(":message-type")), STR("event"))) {
        r->has_error = true;
        if (is_first_to_end()) {
            finish(r->owner, kinesis_failed(&r->arena, 200, frame->payload));
        }
        return false;
    }
    str type = eventstream_text(frame, STR(":event-type"));
    return !str_eq(type, STR("SubscribeToShardEvent")) || take_event(r, frame->payload);
}

static void server_came(struct reader *r)
{
    struct follower *f = r->owner;
    os_mutex_lock(&f->lock);
    f->has_come = true;
    f->is_away = false;
    os_mutex_unlock(&f->lock);
    retry_reset(&r->retry);
}

static bool on_bytes(void *ctx, str data)
{
    struct reader *r = ctx;
    buf_append(&r->bytes, data);
    if (r->answer.status != 200) {
        return true; /* An error, told when it is whole. */
    }
    server_came(r);
    str rest = buf_str(&r->bytes);
    struct eventstream_frame frame;
    err e;
    while ((e = eventstream_take(&rest, &frame)) == OK) {
        if (!take_frame(r, &frame)) {
            return false;
        }
    }
    if (e != ERR_AGAIN) {
        print_error(NULL, "the events of %s are damaged", r->shard);
        finish(r->owner, EXIT_REMOTE);
        return false;
    }
    if (rest.len > 0) {
        memmove(r->bytes.data, rest.data, (size_t)rest.len);
    }
    r->bytes.len = rest.len;
    return !must_end();
}

static bool has_come(struct follower *f)
{
    os_mutex_lock(&f->lock);
    bool has = f->has_come;
    os_mutex_unlock(&f->lock);
    return has;
}

/* Waits for a server that was there before; prints when it does not come. */
static void wait_for_server(struct reader *r, const struct diag *diag)
{
    struct follower *f = r->owner;
    os_mutex_lock(&f->lock);
    bool has_come = f->has_come, is_first = has_come && !f->is_away;
    f->is_away = has_come;
    if (is_first) {
        print_note("the server at %s is away, waiting for it", api_endpoint());
    }
    os_mutex_unlock(&f->lock);
    if ((!has_come || !retry_pause(&r->retry)) && !must_end()) {
        finish(f, api_unreachable(diag));
    }
}

static void put_position(struct reader *r, struct buf *body)
{
    const struct follower *f = r->owner;
    if (r->position[0] != '\0') {
        buf_printf(body, "{\"Type\":\"AFTER_SEQUENCE_NUMBER\",\"SequenceNumber\":\"%s\"}",
                   r->position);
    } else if (r->is_from_start) {
        buf_append(body, STR("{\"Type\":\"TRIM_HORIZON\"}"));
    } else if (strcmp(f->type, "AT_TIMESTAMP") == 0) {
        buf_printf(body, "{\"Type\":\"AT_TIMESTAMP\",\"Timestamp\":%lld.%03lld}",
                   (long long)(f->from_ms / 1000), (long long)(f->from_ms % 1000));
    } else {
        buf_printf(body, "{\"Type\":\"%s\"}", f->type);
    }
}

/* From its beginning to its end. */
static void subscribe(struct reader *r, struct aws_client *client)
{
    struct arena arena = {0};
    struct buf body = {0};
    struct diag diag;
    diag_init(&diag);
    buf_append_byte(&body, '{');
    api_member(&body, "ConsumerARN", r->owner->consumer_arn);
    api_member(&body, "ShardId", str_of(r->shard));
    buf_append(&body, STR(",\"StartingPosition\":"));
    put_position(r, &body);
    buf_append_byte(&body, '}');
    struct aws_client_request request = kinesis_request(&arena, "SubscribeToShard", buf_str(&body));
    request.timeout_ms = HTTP_CLIENT_NO_TIMEOUT;
    request.on_body = on_bytes;
    request.on_body_ctx = r;
    request.is_cancelled = must_end;
    buf_reset(&r->bytes);
    r->is_in_use = false;
    err e = aws_client_call(client, &request, &arena, &r->answer, &diag);
    if (must_end() || r->has_error) {
        /* Nothing to tell. */
    } else if (e != OK) {
        wait_for_server(r, &diag);
    } else if (r->answer.status >= 500 && has_come(r->owner)) {
        IGNORE(diag_set(&diag, ERR_REMOTE, "", "the server answered with status %d",
                        r->answer.status)); /* For when it stays so. */
        wait_for_server(r, &diag);
    } else if (r->answer.status != 200) {
        str text = buf_str(&r->bytes);
        r->is_in_use = str_find(text, STR("ResourceInUseException"), 0) >= 0;
        if (!r->is_in_use && is_first_to_end()) {
            finish(r->owner, kinesis_failed(&arena, r->answer.status, text));
        }
    }
    buf_deinit(&body);
    arena_deinit(&arena);
}

/* The subscription of one who left a moment ago may stand for some seconds. */
static void pause(struct reader *r, i32 tries)
{
    if (tries == IN_USE_TRIES) {
        print_error(NULL, "another reads %s as consumer \"%s\"", r->shard,
                    r->owner->tail->consumer);
        finish(r->owner, EXIT_TRY_AGAIN);
    }
    for (i32 ms = 0; ms < IN_USE_MS && !must_end(); ms += POLL_MS) {
        os_sleep_ms(os_real(), POLL_MS);
    }
}

static void run_reader(void *ctx)
{
    struct reader *r = ctx;
    struct follower *f = r->owner;
    struct aws_client *client = kinesis_client_new(f->tail->region);
    i32 tries = 0;
    while (!must_end() && !r->is_at_end) {
        subscribe(r, client);
        tries = r->is_in_use ? tries + 1 : 0;
        if (r->is_in_use) {
            pause(r, tries);
        }
    }
    aws_client_free(client);
    os_mutex_lock(&f->lock);
    f->running--;
    os_mutex_unlock(&f->lock);
}

/* --- the whole ----------------------------------------------------------------------------------
 */

/* Where to start, in Kinesis's words, and which shards those are. */
static int read_from(struct follower *f, const char **filter_out)
{
    const char *from = f->tail->from == NULL ? "latest" : f->tail->from;
    f->type = strcmp(from, "latest") == 0 ? "LATEST" : "TRIM_HORIZON";
    *filter_out = strcmp(from, "latest") == 0 ? "AT_LATEST" : "AT_TRIM_HORIZON";
    if (strcmp(from, "latest") == 0 || strcmp(from, "trim-horizon") == 0) {
        return EXIT_OK;
    }
    struct diag diag;
    diag_init(&diag);
    if (engine_time_parse(str_of(from), &f->from_ms, &diag) != OK) {
        print_error(diag.hint[0] != '\0' ? diag.hint : NULL, "%s", diag.message);
        return EXIT_USAGE;
    }
    f->type = *filter_out = "AT_TIMESTAMP";
    return EXIT_OK;
}

static int find_consumer(struct follower *f, struct aws_client *client, struct arena *arena)
{
    str stream = STR_EMPTY;
    int code = kinesis_stream_arn(client, arena, f->tail->stream, &stream);
    if (code != EXIT_OK) {
        return code;
    }
    struct buf body = {0};
    const struct json_value *answer = NULL;
    buf_append_byte(&body, '{');
    api_member(&body, "StreamARN", stream);
    api_member(&body, "ConsumerName", str_of(f->tail->consumer));
    buf_append_byte(&body, '}');
    code = kinesis_call(client, arena, "DescribeStreamConsumer", buf_str(&body), &answer);
    const struct json_value *description = json_get(answer, STR("ConsumerDescription"));
    f->consumer_arn = json_get_text(description, STR("ConsumerARN"));
    buf_deinit(&body);
    return code;
}

static int start_readers(struct follower *f, struct aws_client *client, struct arena *arena,
                         const char *filter)
{
    struct buf body = {0};
    const struct json_value *answer = NULL;
    int code = EXIT_OK;
    os_mutex_lock(&f->lock);
    if (f->tail->shard != NULL) {
        start_reader(f, str_of(f->tail->shard), false);
    } else {
        buf_append_byte(&body, '{');
        api_member(&body, "StreamName", str_of(f->tail->stream));
        buf_printf(&body, ",\"ShardFilter\":{\"Type\":\"%s\"", filter);
        if (strcmp(filter, "AT_TIMESTAMP") == 0) {
            buf_printf(&body, ",\"Timestamp\":%lld", (long long)(f->from_ms / 1000));
        }
        buf_append(&body, STR("}}"));
        code = kinesis_call(client, arena, "ListShards", buf_str(&body), &answer);
        const struct json_value *shard = json_first(json_get(answer, STR("Shards")));
        for (; shard != NULL && !must_end(); shard = json_next(shard)) {
            start_reader(f, json_get_text(shard, STR("ShardId")), false);
        }
    }
    os_mutex_unlock(&f->lock);
    buf_deinit(&body);
    return code;
}

static void wait_for_readers(struct follower *f)
{
    i32 running = 1;
    while (running > 0) {
        os_sleep_ms(os_real(), POLL_MS);
        os_mutex_lock(&f->lock);
        running = f->running;
        os_mutex_unlock(&f->lock);
    }
    for (i32 i = 0; i < f->reader_count; i++) {
        struct reader *r = f->readers[i];
        os_thread_join(&r->thread);
        buf_deinit(&r->bytes);
        arena_deinit(&r->arena);
        mem_free(r);
    }
}

int consumer_tail_run(const struct consumer_tail *tail)
{
    struct follower f = {.tail = tail};
    struct arena arena = {0};
    const char *filter = NULL;
    os_mutex_init(&f.lock);
    struct aws_client *client = kinesis_client_new(tail->region);
    int code = read_from(&f, &filter);
    code = code == EXIT_OK ? find_consumer(&f, client, &arena) : code;
    code = code == EXIT_OK ? start_readers(&f, client, &arena, filter) : code;
    if (code == EXIT_OK) {
        wait_for_readers(&f);
        code = os_interrupt_is_set() ? EXIT_INTERRUPTED : f.code;
    }
    aws_client_free(client);
    os_mutex_deinit(&f.lock);
    arena_deinit(&arena);
    return code;
}
