/*
 * connect/kinesis/remote_sink.c: rows as records of a stream of another endpoint: PutRecords,
 * in which each record can fail by itself and is then sent again by itself. In the outbox a
 * row's key is its partition key, empty where that is random.
 */
#include "connect/kinesis/kinesis_int.h"

#include "base/hash.h"
#include "codec/base64.h"

#include <stdio.h>

enum {
    RECORDS_MAX = 500,
    CALL_BYTES = 4 << 20, /* Kinesis takes 5 MiB of data and keys. */
    RECORD_BYTES_MAX = 1 << 20,
    KEY_CHARS_MAX = 256,
    TRIES = 8, /* Of records that a call left over, before the whole is told as failed. */
    TRY_MS = 25,
    LINGER_MS = 100,
};

struct remote {
    struct connect_schema schema;
    struct connect_format format;
    struct connect_stream place;
    struct connect_writer *writer;
    struct aws_call *call;
    struct os *os;
};

struct item {
    str key, data;
    bool is_sent;
};

struct put {
    struct arena arena;
    struct item items[RECORDS_MAX];
    isize count;
    isize bytes;
};

static void remote_close(void *sink)
{
    struct remote *remote = sink;
    if (remote != NULL) {
        aws_call_free(remote->call);
        connect_writer_free(remote->writer);
        mem_free(remote);
    }
}

static err remote_open(const struct connect_table *table, const struct connect_schema *schema,
                       const struct connect_env *env, void **out, struct connect_limits *limits_out,
                       struct diag *diag)
{
    struct remote *remote = NEW(struct remote);
    remote->schema = *schema;
    remote->os = env->os;
    connect_format_read(table, &remote->format);
    kinesis__stream_read(table, &remote->place);
    err e = connect_format_types_check(&remote->format, schema->fields, schema->count, diag);
    if (e != OK) {
        remote_close(remote);
        return e;
    }
    struct connect_schema of_stream = *schema;
    of_stream.region = remote->place.region.len > 0 ? remote->place.region : schema->region;
    remote->writer = connect_writer_new(&remote->format, schema->fields, schema->count);
    remote->call = aws_call_new(table, "kinesis", &of_stream, env);
    *limits_out = (struct connect_limits){.bytes_max = CALL_BYTES, .linger_ms = LINGER_MS};
    *out = remote;
    return OK;
}

/* --- rows in ------------------------------------------------------------------------------- */

static void key_append(const struct remote *remote, const struct vec *cols, isize row,
                       struct arena *scratch, struct buf *key)
{
    for (isize i = 0; i < remote->schema.partition_count; i++) {
        struct value value;
        vec_get(&cols[remote->schema.partition_fields[i]], row, scratch, &value);
        buf_append(key, i > 0 ? remote->place.delimiter : STR_EMPTY);
        if (value.is_null) {
            buf_append(key, STR("null"));
        } else {
            value_format(&value, key);
        }
    }
    isize chars = 0;
    for (isize i = 0; i < key->len; i++) {
        chars += (key->data[i] & 0xC0) != 0x80;
        if (chars > KEY_CHARS_MAX) {
            key->len = i;
        }
    }
    if (remote->schema.partition_count == 0 &&
        remote->place.partitioner == CONNECT_PARTITION_FIXED) {
        buf_append_byte(key, '0');
    }
}

static err encode(void *sink, const struct vec *cols, isize row, struct arena *scratch,
                  struct buf *key, struct buf *data, struct diag *diag)
{
    const struct remote *remote = sink;
    key_append(remote, cols, row, scratch, key);
    connect_writer_row(remote->writer, cols, row, scratch, data);
    if (key->len == 0 && remote->schema.partition_count > 0) {
        return diag_set(diag, ERR_INVALID, "CON100",
                        "the partition key is empty, which Kinesis refuses");
    }
    if (key->len + data->len > RECORD_BYTES_MAX) {
        return diag_set(diag, ERR_INVALID, "CON101", "the output is larger than a record may be");
    }
    return OK;
}

/* --- delivery ------------------------------------------------------------------------------ */

static void item_add(struct put *put, const struct connect_row *row)
{
    str key = row->key;
    if (key.len == 0) { /* Random, and the same again when the row is sent again. */
        key = arena_printf(&put->arena, "%016llx",
                           (unsigned long long)hash64(&row->no, sizeof row->no, 7));
    }
    put->items[put->count++] =
        (struct item){arena_copy(&put->arena, key), arena_copy(&put->arena, row->data), false};
    put->bytes += key.len + row->data.len;
}

static void body_write(const struct remote *remote, const struct put *put, struct buf *out)
{
    bool is_first = true;
    buf_append(out, STR("{\"StreamName\":"));
    json_write_string(out, remote->place.name);
    buf_append(out, STR(",\"Records\":["));
    for (isize i = 0; i < put->count; i++) {
        if (put->items[i].is_sent) {
            continue;
        }
        buf_append(out, is_first ? STR("{\"PartitionKey\":") : STR(",{\"PartitionKey\":"));
        json_write_string(out, put->items[i].key);
        buf_append(out, STR(",\"Data\":\""));
        base64_append(out, put->items[i].data);
        buf_append(out, STR("\"}"));
        is_first = false;
    }
    buf_append(out, STR("]}"));
}

/* Marks those that went through; the number left over. */
static isize answer_read(struct put *put, const struct json_value *answer, struct diag *diag)
{
    isize left = 0;
    const struct json_value *one = json_first(json_get(answer, STR("Records")));
    for (isize i = 0; i < put->count; i++) {
        if (put->items[i].is_sent) {
            continue;
        }
        str code = json_get_text(one, STR("ErrorCode"));
        put->items[i].is_sent = one != NULL && code.len == 0;
        if (!put->items[i].is_sent) {
            str message = json_get_text(one, STR("ErrorMessage"));
            (void)diag_set(diag, ERR_REMOTE, "CON102",
                           "Kinesis refused a record: " STR_FMT ": " STR_FMT, STR_ARG(code),
                           STR_ARG(message));
            left++;
        }
        one = json_next(one);
    }
    return left;
}

static enum connect_verdict put_send(struct remote *remote, struct put *put, struct diag *diag)
{
    for (u32 attempt = 0; attempt < TRIES; attempt++) {
        struct arena arena = {0};
        struct buf body = {0};
        struct diag problem;
        diag_init(&problem);
        const struct json_value *answer;
        body_write(remote, put, &body);
        enum connect_verdict verdict =
            kinesis__call(remote->call, "PutRecords", buf_str(&body), &arena, &answer, &problem);
        isize left = verdict == CONNECT_OK ? answer_read(put, answer, &problem) : 0;
        buf_deinit(&body);
        arena_deinit(&arena);
        if (verdict != CONNECT_OK || left == 0) {
            *diag = problem;
            return verdict;
        }
        if (attempt == TRIES - 1) {
            *diag = problem;
        } else {
            os_sleep_ms(remote->os, (u32)TRY_MS << attempt);
        }
    }
    return CONNECT_RETRY;
}

static enum connect_verdict deliver_rows(struct remote *remote, struct put *put,
                                         struct connect_batch *batch, struct diag *diag)
{
    isize records_max = RECORDS_MAX;
    for (;;) {
        struct connect_row row;
        arena_reset(&put->arena);
        put->count = put->bytes = 0;
        while (put->count < records_max && put->bytes < CALL_BYTES - RECORD_BYTES_MAX &&
               batch->next(batch, &row)) {
            item_add(put, &row);
        }
        if (put->count == 0) {
            return CONNECT_OK;
        }
        struct diag problem;
        diag_init(&problem);
        enum connect_verdict verdict = put_send(remote, put, &problem);
        if (verdict == CONNECT_RETRY) {
            *diag = problem;
            return verdict;
        }
        if (verdict == CONNECT_FATAL && put->count > 1) {
            records_max = 1; /* To find the record that the call is refused for. */
            batch->rewind(batch);
            continue;
        }
        if (verdict == CONNECT_FATAL) {
            batch->reject(batch, &row, str_of(problem.message));
        }
        batch->commit(batch);
        if (batch->failure != OK) {
            return CONNECT_OK; /* The engine sees it. */
        }
    }
}

static enum connect_verdict deliver(void *sink, struct connect_batch *batch, struct diag *diag)
{
    struct put *put = NEW(struct put);
    enum connect_verdict verdict = deliver_rows(sink, put, batch, diag);
    arena_deinit(&put->arena);
    mem_free(put);
    return verdict;
}

static str target(void *sink)
{
    return ((struct remote *)sink)->place.name;
}

const struct connect_sink_ops kinesis__remote_sink = {
    .open = remote_open,
    .close = remote_close,
    .encode = encode,
    .deliver = deliver,
    .target = target,
};
