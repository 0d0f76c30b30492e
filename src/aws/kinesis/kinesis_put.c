/*
 * aws/kinesis/kinesis_put.c: PutRecord and PutRecords. base64 is decoded, CBOR copied
 * straight into the log's batch; the answer is written when the batch is durable. Nothing of
 * a request is stored unless all of it is good.
 */
#include "aws/kinesis/kinesis_int.h"
#include "codec/base64.h"

/* Why a batch could not be built. */
enum put_problem {
    PUT_GOOD,
    PUT_BAD_DATA,
    PUT_BAD_HASH,
    PUT_RECORD_TOO_LARGE,
    PUT_TOO_LARGE,
    PUT_GONE, /* The stream was deleted meanwhile. */
};

/* Was an earlier record of the request refused by this shard? Then so is this one, though it may be
 * small enough: a producer that sends the refused again keeps the order within the shard. */
static bool is_behind_refused(const struct kinesis_call *call, u32 shard, isize index)
{
    for (isize i = 0; i < index; i++) {
        if (call->refused[i].kind == PUT_THROTTLED && call->refused[i].shard == shard) {
            return true;
        }
    }
    return false;
}

/* Counts the record against its shard's limits; true when it may not be stored. */
static bool is_refused(struct kinesis_call *call, const struct stream_record *record,
                       isize data_bytes, isize index)
{
    struct stream_info info;
    struct limits *limits = call->service->limits;
    struct refusal *refusal = &call->refused[index];
    stream_get_info(call->stream, &info);
    refusal->shard = stream_route(call->stream, record->has_explicit_hash
                                                    ? record->explicit_hash
                                                    : stream_hash_key(record->partition_key));
    refusal->kind = kinesis__fault_record(call);
    if (refusal->kind == PUT_NOT_REFUSED && limits != NULL &&
        (is_behind_refused(call, refusal->shard, index) ||
         !kinesis__limit_put(limits, info.number, refusal->shard,
                             data_bytes + record->partition_key.len))) {
        refusal->kind = PUT_THROTTLED;
    }
    return refusal->kind != PUT_NOT_REFUSED;
}

static enum put_problem add_entry(struct kinesis_call *call, const struct put_entry *entry,
                                  isize index, i32 record_bytes_max, isize *total)
{
    struct stream_record record = {.partition_key = entry->key};
    if (entry->hash.len > 0) {
        record.has_explicit_hash = true;
        if (stream_hash_parse(entry->hash, &record.explicit_hash) != OK) {
            return PUT_BAD_HASH;
        }
    }
    isize data_bytes = kinesis__blob_bytes(call, entry->data);
    if (data_bytes < 0) {
        return PUT_BAD_DATA;
    }
    if (data_bytes + entry->key.len > record_bytes_max) {
        return PUT_RECORD_TOO_LARGE;
    }
    *total += data_bytes + entry->key.len;
    if (*total > KINESIS_PUT_BYTES_MAX) {
        return PUT_TOO_LARGE;
    }
    if (call->refused != NULL && is_refused(call, &record, data_bytes, index)) {
        return PUT_GOOD;
    }
    u8 *data = stream_batch_reserve(call->stream, call->batch, &record, data_bytes,
                                    &call->shards[call->put_count]);
    if (data == NULL) {
        return PUT_GONE;
    }
    isize written = 0;
    if (call->out.is_cbor) {
        memcpy(data, entry->data.data, (size_t)data_bytes);
    } else if (base64_decode(entry->data, data, &written) != OK || written != data_bytes) {
        return PUT_BAD_DATA;
    }
    call->put_count++;
    call->put_bytes += data_bytes + entry->key.len;
    return PUT_GOOD;
}

/* Builds call->batch; *bad_out is the entry that the problem is about. */
static enum put_problem build(struct kinesis_call *call, const struct put_entry *entries,
                              isize count, isize *bad_out)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    call->batch = log_batch_take(streams_log(call->service->streams));
    call->put_count = call->put_bytes = 0;
    call->shards = ARENA_ARRAY(call->arena, u32, count);
    call->request_count = count;
    bool can_refuse = call->service->limits != NULL || call->has_record_faults;
    call->refused = can_refuse ? ARENA_ARRAY(call->arena, struct refusal, count) : NULL;
    isize total = 0;
    for (isize i = 0; i < count; i++) {
        enum put_problem problem = add_entry(call, &entries[i], i, info.record_bytes_max, &total);
        if (problem != PUT_GOOD) {
            log_batch_give(streams_log(call->service->streams), call->batch);
            call->batch = NULL;
            *bad_out = i;
            return problem;
        }
    }
    return PUT_GOOD;
}

/* --- the answer ----------------------------------------------------------------------------- */

static void put_result(struct kinesis_call *call, isize index, struct answer *out)
{
    char text[STREAM_SEQUENCE_DIGITS + 1];
    stream_batch_sequence(call->stream, call->batch, index, call->shards[index], text);
    answer_put_plain(out, "SequenceNumber", str_from(text, STREAM_SEQUENCE_DIGITS));
    stream_shard_format(call->shards[index], text);
    answer_put_plain(out, "ShardId", str_from(text, 20));
}

static void put_results(struct kinesis_call *call, struct answer *out)
{
    isize put = 0;
    answer_open_list(out, "Records");
    for (isize i = 0; i < call->request_count; i++) {
        answer_open(out, NULL);
        enum put_refusal kind = call->refused != NULL ? call->refused[i].kind : PUT_NOT_REFUSED;
        if (kind == PUT_THROTTLED) {
            answer_put_text(out, "ErrorCode", STR("ProvisionedThroughputExceededException"));
            answer_put_text(out, "ErrorMessage", kinesis__limit_text(call, call->refused[i].shard));
        } else if (kind == PUT_FAILED) {
            answer_put_text(out, "ErrorCode", STR("InternalFailure"));
            answer_put_text(out, "ErrorMessage", STR("Internal Service Failure"));
        } else {
            put_result(call, put++, out);
        }
        answer_close(out);
    }
    answer_close_list(out);
}

/* --- what CloudWatch shows of it -------------------------------------------------------------- */

/* Records that were throttled, also shard by shard. */
static double measure_throttled(struct kinesis_call *call, const struct stream_info *info)
{
    double count = 0;
    for (isize i = 0; i < call->request_count && call->refused != NULL; i++) {
        if (call->refused[i].kind == PUT_THROTTLED) {
            const struct measure exceeded = {METER_SHARD_WRITE_EXCEEDED, 1};
            kinesis__measure_shard(call->service->meters, info, call->refused[i].shard, &exceeded,
                                   1);
            count++;
        }
    }
    return count;
}

static void measure_put(struct kinesis_call *call)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    double took_ms = (double)(os_mono_ns(call->service->os) - http_received_ns(call->x)) * 1e-6;
    bool is_ok = call->result == OK && call->put_count > 0;
    double put = call->result == OK ? (double)call->put_count : 0;
    double throttled = measure_throttled(call, &info);
    if (call->operation->run == kinesis__put_record) {
        const struct measure measures[] = {{METER_PUT_BYTES, (double)call->put_bytes},
                                           {METER_PUT_SUCCESS, is_ok},
                                           {METER_PUT_LATENCY, took_ms},
                                           {METER_WRITE_EXCEEDED, throttled}};
        kinesis__measure_stream(call->service->meters, &info, measures, COUNT_OF(measures));
    } else {
        const struct measure measures[] = {
            {METER_PUTS_BYTES, (double)call->put_bytes},
            {METER_PUTS_SUCCESS, is_ok},
            {METER_PUTS_LATENCY, took_ms},
            {METER_PUTS_TOTAL, (double)call->request_count},
            {METER_PUTS_SUCCESSFUL, put},
            {METER_PUTS_FAILED, (double)call->request_count - put - throttled},
            {METER_PUTS_THROTTLED, throttled},
            {METER_WRITE_EXCEEDED, throttled},
        };
        kinesis__measure_stream(call->service->meters, &info, measures, COUNT_OF(measures));
    }
}

static void finish(struct http_exchange *x, void *ctx)
{
    struct kinesis_call *call = ctx;
    (void)x;
    measure_put(call);
    if (call->result != OK) {
        kinesis__fail_commit(call, call->result);
        return;
    }
    stream_count_call(call->stream, true);
    if (call->put_count > 0) {
        stream_batch_settle(call->batch, call->shards, call->put_count);
    }
    struct answer *out = &call->out;
    IGNORE(buf_reserve(&out->buf, 64 + call->put_count * 112) == NULL); /* One allocation. */
    answer_open(out, NULL);
    if (call->operation->run == kinesis__put_record) {
        put_result(call, 0, out);
        kinesis__put_encryption(call, out);
    } else {
        answer_put_i64(out, "FailedRecordCount", call->request_count - call->put_count);
        put_results(call, out);
        kinesis__put_encryption(call, out);
    }
    answer_close(out);
    http_answer_anyway(call->x);
    kinesis__respond(call);
}

static void committed(struct log_batch *batch, err e, void *ctx)
{
    struct kinesis_call *call = ctx;
    CHECK(batch == call->batch);
    call->result = e;
    http_post(call->x, finish, call);
}

static void submit(struct kinesis_call *call)
{
    log_submit(streams_log(call->service->streams), call->batch, committed, call);
}

/* --- the hot path --------------------------------------------------------------------------- */

/* The stream that the request names, by name or ARN or both; an empty name for what the other way
 * has to look at. */
static struct stream_id scanned_id(const struct kinesis_call *call, const struct put_scan *scan)
{
    const struct aws_caller *caller = &call->request->caller;
    const struct stream_id none = {caller->account, caller->region, STR_EMPTY};
    struct stream_id id = {caller->account, caller->region, scan->stream_name};
    if (scan->stream_arn.data == NULL) {
        return id.name.len > STREAM_NAME_MAX ? none : id;
    }
    if (!kinesis__is_arn(scan->stream_arn)) {
        return none;
    }
    id = kinesis__arn_id(scan->stream_arn);
    bool is_ours = str_eq(id.account, caller->account) && str_eq(id.region, caller->region);
    bool is_same = scan->stream_name.data == NULL || str_eq(scan->stream_name, id.name);
    return is_ours && is_same && id.name.len <= STREAM_NAME_MAX ? id : none;
}

bool kinesis__put_fast(struct kinesis_call *call, str body)
{
    if (call->service->limits != NULL || call->has_record_faults ||
        kinesis__has_transitions(call->service)) {
        return false; /* What is built twice would be counted twice; and states are looked at. */
    }
    struct put_scan scan;
    bool is_batch = call->operation->run == kinesis__put_records;
    bool is_plain = call->out.is_cbor ? kinesis__scan_put_cbor(call->arena, body, is_batch, &scan)
                                      : kinesis__scan_put(call->arena, body, is_batch, &scan);
    struct stream_id id = scanned_id(call, &scan);
    if (!is_plain || id.name.len == 0) {
        return false;
    }
    for (isize i = 0; i < scan.count; i++) {
        /* At most 256 characters for certain; more bytes are counted by the other way. */
        if (scan.entries[i].key.len > STREAM_PARTITION_KEY_CHARS_MAX) {
            return false;
        }
    }
    call->stream = streams_find(call->service->streams, id);
    isize bad = 0;
    if (call->stream == NULL || build(call, scan.entries, scan.count, &bad) != PUT_GOOD) {
        stream_unref(call->stream);
        call->stream = NULL;
        return false;
    }
    submit(call);
    return true;
}

/* --- the document way ----------------------------------------------------------------------- */

/* AWS names the member when the data alone are too large, without the value. */
static void fail_size(struct kinesis_call *call, const struct put_entry *entry, isize index)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    isize data_bytes = kinesis__blob_bytes(call, entry->data);
    if (data_bytes <= info.record_bytes_max) {
        kinesis__fail(call, "InvalidArgumentException",
                      "Data and PartitionKey of a record have %lld bytes, more than the maximum "
                      "record size of stream " STR_FMT ", %d bytes.",
                      (long long)(data_bytes + entry->key.len), STR_ARG(info.id.name),
                      info.record_bytes_max);
        return;
    }
    bool is_batch = call->operation->run == kinesis__put_records;
    str record = is_batch ? arena_printf(call->arena, "records.%lld.member.", (long long)index + 1)
                          : STR_EMPTY;
    kinesis__fail(call, "ValidationException",
                  "1 validation error detected: Value at '" STR_FMT
                  "data' failed to satisfy constraint: Member must have length less than or equal "
                  "to %d.",
                  STR_ARG(record), info.record_bytes_max);
}

static void fail_problem(struct kinesis_call *call, enum put_problem problem,
                         const struct put_entry *entry, isize index)
{
    struct stream_info info;
    stream_get_info(call->stream, &info);
    switch (problem) {
    case PUT_BAD_DATA:
        kinesis__fail_form(call, "Data is not valid base64.");
        return;
    case PUT_BAD_HASH:
        kinesis__fail(call, "InvalidArgumentException",
                      "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: "
                      "[0, 2^128-1]. Specified value was " STR_FMT,
                      STR_ARG(entry->hash));
        return;
    case PUT_RECORD_TOO_LARGE:
        fail_size(call, entry, index);
        return;
    case PUT_TOO_LARGE:
        kinesis__fail(call, "InvalidArgumentException", "Records size exceeds %d MB limit",
                      KINESIS_PUT_BYTES_MAX >> 20);
        return;
    case PUT_GONE:
    case PUT_GOOD:
        break;
    }
    kinesis__fail_no_stream(call, info.id);
}

static void put_all(struct kinesis_call *call, const struct put_entry *entries, isize count)
{
    isize bad = 0;
    enum put_problem problem = build(call, entries, count, &bad);
    if (problem != PUT_GOOD) {
        fail_problem(call, problem, &entries[bad], bad);
        return;
    }
    if (call->put_count == 0) { /* All were refused. */
        CHECK(call->refused != NULL);
        if (call->operation->run == kinesis__put_record) {
            measure_put(call);
            kinesis__fail_limit(call, call->refused[0].shard);
        } else {
            finish(call->x, call);
        }
        return;
    }
    submit(call);
}

/* The log is one order, so a later put always gets a greater number; only the form is checked. */
static bool check_ordering(struct kinesis_call *call, str text)
{
    struct stream_sequence sequence;
    if (stream_sequence_parse(text, &sequence) == OK &&
        sequence.arrival_s <= kinesis__now_ms(call->service) / 1000) {
        return true;
    }
    struct stream_info info;
    stream_get_info(call->stream, &info);
    kinesis__fail(call, "InvalidArgumentException",
                  "ExclusiveMinimumSequenceNumber " STR_FMT " used in PutRecord on stream " STR_FMT
                  " under account " STR_FMT " is invalid.",
                  STR_ARG(text), STR_ARG(info.id.name), STR_ARG(info.id.account));
    return false;
}

void kinesis__put_record(struct kinesis_call *call)
{
    const struct arg_value *ordering = &call->args[ARG_ORDERING];
    if (!kinesis__find_stream(call) ||
        (ordering->is_set && !check_ordering(call, ordering->text))) {
        return;
    }
    struct put_entry entry = {
        .data = call->args[ARG_DATA].text,
        .key = call->args[ARG_PARTITION_KEY].text,
        .hash = call->args[ARG_HASH_KEY].text,
    };
    put_all(call, &entry, 1);
}

void kinesis__put_records(struct kinesis_call *call)
{
    if (kinesis__find_stream(call)) {
        put_all(call, call->args[ARG_RECORDS].entries, call->args[ARG_RECORDS].count);
    }
}
