/*
 * aws/kinesis/kinesis_get.c: GetShardIterator and GetRecords. Whatever may touch
 * the disk (old records, a search by time) runs on a reader thread, which builds a
 * small answer as a whole; a reader at the tip is answered at once on the loop.
 */
#include "aws/kinesis/kinesis_int.h"
#include "aws/kinesis/kinesis_rows.h"
#include "base/cal.h"

#include <stdio.h>

static u32 stream_number(struct kinesis_call *call)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    return info.number;
}

/* Which records cannot be read; AFTER_SEQUENCE_NUMBER of the last goes on behind them. */
static void fail_damaged(struct kinesis_call *call)
{
    const struct read_job *read = call->read;
    struct stream_info info;
    char first[STREAM_SEQUENCE_DIGITS + 1], last[STREAM_SEQUENCE_DIGITS + 1], shard[21];
    stream_get_info(call->stream, &info);
    stream_shard_format(read->shard, shard);
    stream_row_sequence(call->stream, read->shard, read->from_no, info.created_ms, first);
    stream_row_sequence(call->stream, read->shard, read->behind_no - 1, info.created_ms, last);
    kinesis__fail_status(call, err_http_status(ERR_CORRUPT), "InternalFailure",
                         "data is damaged: records of stream " STR_FMT " under account " STR_FMT
                         ", shard %s, from sequence number %s to %s cannot be read. "
                         "AFTER_SEQUENCE_NUMBER %s goes on behind them; leat doctor --data says "
                         "what is lost.",
                         STR_ARG(info.id.name), STR_ARG(info.id.account), shard, first, last, last);
}

static void finish(struct http_exchange *x, void *ctx)
{
    struct kinesis_call *call = ctx;
    (void)x;
    if (call->result == OK && call->read->answer != NULL) {
        kinesis__send_records(call);
        return;
    }
    if (call->result == OK) {
        kinesis__respond(call);
        return;
    }
    if (call->result == ERR_LIMIT) {
        kinesis__fail_status(call, 503, "ServiceUnavailable", HTTP_ANSWERS_HELD_TEXT);
        return;
    }
    if (call->result == ERR_CORRUPT && call->read->behind_no > 0) {
        fail_damaged(call);
        return;
    }
    kinesis__fail_status(call, err_http_status(call->result), "InternalFailure",
                         "the log could not be read: %s", err_text(call->result));
}

/* --- GetShardIterator ----------------------------------------------------------------------- */

static void write_iterator(struct kinesis_call *call, u64 no)
{
    answer_open(&call->out, NULL);
    kinesis__put_iterator(call, "ShardIterator", no);
    answer_close(&call->out);
}

static void respond_iterator(struct kinesis_call *call, u64 no)
{
    write_iterator(call, no);
    kinesis__respond(call);
}

/* READER */
static void search_time(void *ctx)
{
    struct kinesis_call *call = ctx;
    u64 no = 0;
    call->result = stream_pos_time(call->stream, call->read->shard, call->read->at_ms, &no);
    if (call->result == OK) {
        write_iterator(call, no);
    }
    http_post(call->x, finish, call);
}

bool kinesis__run_reader(struct kinesis_call *call, void (*run)(void *ctx), void *ctx)
{
    if (os_pool_submit(call->service->readers, run, ctx) != OK) {
        kinesis__fail_status(call, 503, "InternalFailure",
                             "too many requests are reading old records at once");
        return false;
    }
    return true;
}

static enum position find_time(struct kinesis_call *call, u64 *no_out)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    i64 now_ms = kinesis__now_ms(call->service);
    i64 at_ms = call->args[ARG_TIMESTAMP].number;
    if (at_ms > now_ms + KINESIS_CLOCK_SKEW_MS) {
        kinesis__fail(call, "InvalidArgumentException",
                      "The timestampInMillis parameter cannot be greater than the "
                      "currentTimestampInMillis. timestampInMillis: %lld, "
                      "currentTimestampInMillis: %lld",
                      (long long)at_ms, (long long)now_ms);
        return POSITION_FAILED;
    }
    if (at_ms <= now_ms - (i64)info.retention_hours * 3600 * 1000 || at_ms <= info.created_ms) {
        *no_out = 1; /* The trim horizon: reading skips what is past retention. */
        return POSITION_FOUND;
    }
    call->read->at_ms = MIN(at_ms, now_ms);
    return POSITION_SEARCHED;
}

/* `why` ends the sentence. */
static void fail_sequence(struct kinesis_call *call, str text, const char *shard_id,
                          const char *why)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    kinesis__fail(call, "InvalidArgumentException",
                  "StartingSequenceNumber " STR_FMT " used in %s on shard %s in stream " STR_FMT
                  " under account " STR_FMT " is invalid%s.",
                  STR_ARG(text), call->operation->name, shard_id, STR_ARG(info.id.name),
                  STR_ARG(info.id.account), why);
}

static enum position find_sequence(struct kinesis_call *call, const struct stream_shard *shard,
                                   bool is_after, u64 *no_out)
{
    static const char foreign[] = " because it did not come from this stream";
    str text = call->args[ARG_SEQUENCE].text;
    char shard_id[21];
    struct stream_sequence sequence;
    stream_shard_format(shard->index, shard_id);
    if (stream_sequence_parse(text, &sequence) != OK) {
        fail_sequence(call, text, shard_id, "");
        return POSITION_FAILED;
    }
    if (sequence.shard != shard->index) {
        char encoded[21];
        stream_shard_format(sequence.shard, encoded);
        kinesis__fail(call, "InvalidArgumentException",
                      "Invalid StartingSequenceNumber. It encodes %s, while it was used in a call "
                      "to a shard with %s",
                      encoded, shard_id);
        return POSITION_FAILED;
    }
    if (sequence.shard_created_s != shard->created_ms / 1000) {
        fail_sequence(call, text, shard_id, foreign);
        return POSITION_FAILED;
    }
    if (sequence.index == INT64_MAX) {
        kinesis__fail(call, "InvalidArgumentException",
                      "Invalid SequenceNumber for ShardIteratorType " STR_FMT
                      ", SequenceNumber has reached max possible value for the shard.",
                      STR_ARG(call->args[ARG_ITERATOR_TYPE].text));
        return POSITION_FAILED;
    }
    if (sequence.index >= stream_pos_bound(call->stream, shard->index)) {
        fail_sequence(call, text, shard_id, foreign);
        return POSITION_FAILED;
    }
    *no_out = sequence.index + (is_after || sequence.is_behind ? 1 : 0);
    return POSITION_FOUND;
}

enum position kinesis__find_position(struct kinesis_call *call, const struct stream_shard *shard,
                                     u64 *no_out)
{
    str type = call->args[ARG_ITERATOR_TYPE].text;
    bool is_after = str_eq(type, STR("AFTER_SEQUENCE_NUMBER"));
    bool is_sequence = is_after || str_eq(type, STR("AT_SEQUENCE_NUMBER"));
    bool is_time = str_eq(type, STR("AT_TIMESTAMP"));
    bool has_sequence = call->args[ARG_SEQUENCE].is_set;
    bool has_time = call->args[ARG_TIMESTAMP].is_set;
    if (is_time && !has_time) {
        kinesis__fail(call, "InvalidArgumentException",
                      "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. "
                      "Current request has no timestamp parameter.");
        return POSITION_FAILED;
    }
    if (is_sequence != has_sequence) {
        kinesis__fail(call, "InvalidArgumentException",
                      "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and "
                      "StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no "
                      "StartingSequenceNumber. Request specified " STR_FMT " and %s.",
                      STR_ARG(type),
                      has_sequence ? "also a StartingSequenceNumber" : "no StartingSequenceNumber");
        return POSITION_FAILED;
    }
    if (is_time) {
        return find_time(call, no_out);
    }
    if (is_sequence) {
        return find_sequence(call, shard, is_after, no_out);
    }
    *no_out = str_eq(type, STR("LATEST")) ? stream_pos_latest(call->stream, shard->index) : 1;
    return POSITION_FOUND;
}

void kinesis__get_shard_iterator(struct kinesis_call *call)
{
    struct stream_shard shard;
    if (!kinesis__find_stream(call) ||
        !kinesis__find_shard(call, call->args[ARG_SHARD_ID].text, &shard)) {
        return;
    }
    call->read = ARENA_NEW(call->arena, struct read_job);
    call->read->shard = shard.index;
    struct limits *limits = call->service->limits;
    if (limits != NULL && !kinesis__limit_iterator(limits, stream_number(call), shard.index)) {
        kinesis__fail_limit(call, shard.index);
        return;
    }
    u64 no = 0;
    switch (kinesis__find_position(call, &shard, &no)) {
    case POSITION_FOUND:
        respond_iterator(call, no);
        break;
    case POSITION_SEARCHED:
        (void)kinesis__run_reader(call, search_time, call);
        break;
    case POSITION_FAILED:
        break;
    }
}

/* --- GetRecords ----------------------------------------------------------------------------- */

/* What CloudWatch shows of it. */
static void measure_get(struct kinesis_call *call, const struct stream_page *page, i64 behind_ms)
{
    struct kinesis *service = call->service;
    struct stream_info info;
    stream_get_info(call->stream, &info);
    double took_ms = (double)(os_mono_ns(service->os) - http_received_ns(call->x)) * 1e-6;
    double rows = (double)stream_page_count(page), bytes = (double)stream_page_bytes(page);
    const struct measure of_stream[] = {
        {METER_GET_BYTES, bytes},     {METER_GET_RECORDS, rows},          {METER_GET_SUCCESS, 1},
        {METER_GET_LATENCY, took_ms}, {METER_GET_AGE, (double)behind_ms}, {METER_READ_EXCEEDED, 0},
    };
    const struct measure of_shard[] = {{METER_SHARD_OUTGOING_BYTES, bytes},
                                       {METER_SHARD_OUTGOING_RECORDS, rows},
                                       {METER_SHARD_READ_EXCEEDED, 0},
                                       {METER_SHARD_AGE, (double)behind_ms}};
    kinesis__measure_stream(service->meters, &info, of_stream, COUNT_OF(of_stream));
    kinesis__measure_shard(service->meters, &info, call->read->shard, of_shard, COUNT_OF(of_shard));
}

static void measure_throttled(struct kinesis_call *call, u32 shard)
{
    const struct measure of_stream[] = {{METER_GET_SUCCESS, 0}, {METER_READ_EXCEEDED, 1}};
    const struct measure of_shard[] = {{METER_SHARD_READ_EXCEEDED, 1}};
    struct stream_info info;
    stream_get_info(call->stream, &info);
    kinesis__measure_stream(call->service->meters, &info, of_stream, COUNT_OF(of_stream));
    kinesis__measure_shard(call->service->meters, &info, shard, of_shard, COUNT_OF(of_shard));
}

enum { PAGE_BYTES_MIN = 24 << 10, ROW_SHARE_BYTES = 384 };

/* A page is smaller when answers hold nearly all that they may, down to one whose answer is small
 * enough to be given always. With its frames it holds less than four times its bytes. */
static isize page_bytes_max(const struct kinesis_call *call)
{
    isize share = http_answers_room(call->x) / 4;
    return MAX(MIN(share, KINESIS_GET_BYTES_MAX), PAGE_BYTES_MIN);
}

/* Any thread: reads a page and builds the answer. ERR_LIMIT: answers hold too much for it. */
static err try_page(struct kinesis_call *call, isize bytes_max)
{
    struct stream_read_limits limits = {
        .rows_max = (i32)MIN(call->read->rows_max, bytes_max / ROW_SHARE_BYTES),
        .bytes_max = bytes_max,
    };
    rows_measure(call->out.is_cbor, &limits);
    struct stream_page *page = NULL;
    u64 next_no = 0;
    i64 behind_ms = 0;
    TRY(stream_read(call->stream, call->read->shard, call->read->from_no, &limits, &page, &next_no,
                    &behind_ms));
    isize bytes = stream_page_bytes(page);
    err e = kinesis__write_records(call, page, next_no, behind_ms);
    if (e == OK && call->service->limits != NULL) {
        kinesis__limit_read_done(call->service->limits, stream_number(call), call->read->shard,
                                 bytes);
    }
    if (e == OK) {
        measure_get(call, page, behind_ms);
        stream_count_call(call->stream, false);
    }
    if (call->read->answer == NULL) {
        stream_page_free(page);
    }
    return e;
}

/* Any thread. */
static void build_page(struct kinesis_call *call)
{
    call->result = try_page(call, page_bytes_max(call));
    if (call->result == ERR_LIMIT) { /* Others read at the same time. */
        answer_deinit(&call->out);
        call->result = try_page(call, PAGE_BYTES_MIN);
    }
    call->read->behind_no =
        call->result == ERR_CORRUPT
            ? stream_skip_damage(call->stream, call->read->shard, call->read->from_no)
            : 0;
}

/* READER */
static void read_page(void *ctx)
{
    struct kinesis_call *call = ctx;
    build_page(call);
    http_post(call->x, finish, call);
}

/* "Thu Jan 22 01:22:02 UTC 2015", as AWS writes times in this message. */
static void format_time(i64 ms, char *out, isize capacity)
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday. */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct cal cal;
    cal_from_us(ms * 1000, &cal);
    i64 day = cal_days_from_civil(cal.year, cal.month, cal.day) % 7;
    snprintf(out, (size_t)capacity, "%.3s %.3s %02d %02d:%02d:%02d UTC %lld", days + 3 * day,
             months + (isize)3 * (cal.month - 1), cal.day, cal.hour, cal.minute, cal.second,
             (long long)cal.year);
}

static void fail_expired(struct kinesis_call *call, i64 issued_ms, i64 now_ms)
{
    char issued[64];
    char now[64];
    format_time(issued_ms, issued, sizeof issued);
    format_time(now_ms, now, sizeof now);
    kinesis__fail(call, "ExpiredIteratorException",
                  "Iterator expired. The iterator was created at time %s while right now it is %s "
                  "which is further in the future than the tolerated delay of %d milliseconds.",
                  issued, now, KINESIS_TOKEN_MS);
}

void kinesis__get_records(struct kinesis_call *call)
{
    str text = call->args[ARG_ITERATOR].text;
    if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"') {
        text = str_slice(text, 1, text.len - 1); /* As shells that pass JSON on leave it. */
    }
    struct token token;
    if (kinesis__open_token(call->service, call->arena, text, TOKEN_ITERATOR, &token) != OK) {
        kinesis__fail(call, "InvalidArgumentException", "Invalid ShardIterator.");
        return;
    }
    i64 now_ms = kinesis__now_ms(call->service);
    if (now_ms - token.issued_ms > KINESIS_TOKEN_MS) {
        fail_expired(call, token.issued_ms, now_ms);
        return;
    }
    if (!kinesis__find_token_stream(call, &token, "ShardIterator")) {
        return;
    }
    struct limits *limits = call->service->limits;
    if (limits != NULL && !kinesis__limit_read(limits, token.stream, token.shard)) {
        measure_throttled(call, token.shard);
        kinesis__fail_limit(call, token.shard);
        return;
    }
    call->read = ARENA_NEW(call->arena, struct read_job);
    *call->read = (struct read_job){
        .shard = token.shard,
        .from_no = token.no,
        .rows_max = call->args[ARG_LIMIT].is_set ? (i32)call->args[ARG_LIMIT].number
                                                 : KINESIS_GET_RECORDS_MAX,
    };
    if (token.no >= stream_pos_latest(call->stream, token.shard)) {
        build_page(call);
        finish(call->x, call);
    } else {
        (void)kinesis__run_reader(call, read_page, call);
    }
}
