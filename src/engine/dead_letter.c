/* engine/dead_letter.c: what cannot be processed or delivered, with its place and the reason. */
#include "engine/dead_letter.h"

#include "codec/base64.h"
#include "codec/json.h"

enum { OPEN_WAIT_MS = 10000 };

err engine__dead_letters_open(struct engine *engine, str account, str region, struct stream **out)
{
    struct stream_id id = {account, region, STR(ENGINE_DEAD_LETTERS)};
    *out = streams_find(engine->streams, id);
    if (*out != NULL) {
        return OK;
    }
    struct stream_spec spec = {.id = id, .mode = STREAM_PROVISIONED, .shard_count = 1};
    err e = ERR_EXISTS;
    for (int waited = 0; *out == NULL && e == ERR_EXISTS && waited < OPEN_WAIT_MS; waited++) {
        e = stream_create_wait(engine->streams, &spec);
        if (e == ERR_EXISTS) { /* Another job is creating it, or it is being deleted. */
            os_sleep_ms(engine->os, 1);
        }
        *out = streams_find(engine->streams, id);
    }
    if (*out != NULL) {
        return OK;
    }
    return e == OK ? ERR_NOT_FOUND : e; /* OK: it was deleted at once. */
}

static void put_member(struct buf *out, const char *name, str value)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_string(out, value);
}

err engine__dead_letter_add(struct stream *stream, struct log_batch *batch,
                            const struct engine_dead_letter *letter)
{
    struct buf out = {0};
    buf_printf(&out, "{\"at_ms\":%lld", (long long)letter->at_ms);
    put_member(&out, "job", letter->job);
    put_member(&out, "table", letter->table);
    put_member(&out, "stream", letter->stream);
    put_member(&out, "shard_id", letter->shard);
    put_member(&out, "sequence_number", letter->sequence);
    if (letter->subsequence >= 0) {
        buf_printf(&out, ",\"subsequence_number\":%lld", (long long)letter->subsequence);
    }
    put_member(&out, "partition_key", letter->partition_key);
    put_member(&out, "field", letter->field);
    put_member(&out, "reason", letter->reason);
    buf_printf(&out, ",\"offset\":%td,\"data_base64\":\"", letter->offset);
    base64_append(&out, letter->data);
    buf_append(&out, STR("\"}"));
    str key = letter->shard.len > 0 ? letter->shard : letter->job;
    struct stream_record record = {.partition_key = key, .data = buf_str(&out)};
    err e = stream_batch_add(stream, batch, &record, NULL);
    buf_deinit(&out);
    return e;
}
