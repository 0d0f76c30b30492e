/* engine/step_output.c: rows that reached a sink, encoded into the step's batch. */
#include "engine/step_int.h"

#include "base/hash.h"
#include "engine/outbox.h"

#include <stdio.h>

enum { PARTITION_KEY_CHARS = 256, RANDOM_KEY_BYTES = 37 };

static struct engine_sink *sink_of(struct engine_job *job, const struct rel *rel)
{
    for (isize i = 0; i < job->sink_count; i++) {
        if (job->sinks[i].rel == rel) {
            return &job->sinks[i];
        }
    }
    CHECK(false);
    return NULL;
}

/* A version 4 UUID that follows from the step's seed and the output's number: made again it is the
 * same. */
static str random_key(struct step *s, char *out)
{
    u64 high = hash64(&s->record.output_count, 8, s->record.seed);
    u64 low = hash64(&high, 8, s->record.seed);
    (void)snprintf(out, RANDOM_KEY_BYTES, "%08x-%04x-4%03x-%04x-%012llx", (u32)(high >> 32),
                   (u32)(high >> 16) & 0xFFFF, (u32)high & 0xFFF,
                   (u32)(low >> 48 & 0x3FFF) | 0x8000,
                   (unsigned long long)(low & 0xFFFFFFFFFFFFULL));
    return str_of(out);
}

/* First 256 characters. */
static str key_cut(str key)
{
    isize chars = 0;
    for (isize i = 0; i < key.len; i++) {
        chars += (key.data[i] & 0xC0) != 0x80;
        if (chars > PARTITION_KEY_CHARS) {
            return str_slice(key, 0, i);
        }
    }
    return key;
}

/* PARTITIONED BY fields as text, joined; else as sink.partitioner says. */
static str partition_key(struct step *s, const struct engine_sink *sink, const struct vec *cols,
                         isize row, char *scratch)
{
    const struct table_def *table = sink->rel->table;
    if (table->partition_key_count == 0) {
        return sink->place.partitioner == CONNECT_PARTITION_FIXED ? STR("0")
                                                                  : random_key(s, scratch);
    }
    struct buf key = {0};
    for (isize k = 0; k < table->partition_key_count; k++) {
        if (k > 0) {
            buf_append(&key, sink->place.delimiter);
        }
        for (isize c = 0; c < sink->rel->field_count; c++) {
            if (sink->rel->scan_columns[c] != table->partition_keys[k]) {
                continue;
            }
            struct value value;
            vec_get(&cols[c], row, &s->arena, &value);
            if (value.is_null) {
                buf_append(&key, STR("null"));
            } else {
                value_format(&value, &key);
            }
        }
    }
    str result = key_cut(arena_copy(&s->arena, buf_str(&key)));
    buf_deinit(&key);
    return result;
}

static void note_output(struct step *s, str key, str data)
{
    s->record.output_count++;
    s->record.output_hash = hash64(data.data, data.len, s->record.output_hash);
    s->record.output_hash = hash64(key.data, key.len, s->record.output_hash);
    s->counters.bytes_out += (u64)data.len;
}

static void put_failed(struct step *s, err e, const struct engine_sink *sink)
{
    if (s->e == OK) {
        s->e = e; /* ERR_LIMIT: the step is too large and is cut. */
        (void)diag_set(s->diag, e, "ENG023", "cannot put a row into table \"" STR_FMT "\": %s",
                       STR_ARG(sink->rel->table->name), err_text(e));
    }
}

static bool is_too_large(struct stream *stream, isize bytes)
{
    struct stream_info info;
    stream_get_info(stream, &info);
    return bytes > info.record_bytes_max;
}

/* CONNECT_SINK_LOG */
static void put_record(struct step *s, struct engine_sink *sink, const struct vec *cols, isize row)
{
    char scratch[RANDOM_KEY_BYTES];
    str key = partition_key(s, sink, cols, row, scratch);
    if (key.len == 0) {
        engine__step_bad_row(s, row, STR("the partition key is empty, which Kinesis refuses"));
        return;
    }
    buf_reset(&s->text);
    connect_writer_row(sink->writer, cols, row, &s->arena, &s->text);
    struct stream_record record = {.partition_key = key, .data = buf_str(&s->text)};
    err e = stream_batch_add(sink->stream, s->batch, &record, NULL);
    if (e == ERR_LIMIT && is_too_large(sink->stream, record.data.len + key.len)) {
        engine__step_bad_row(s, row, STR("the output is larger than the stream's records may be"));
    } else if (e != OK) {
        put_failed(s, e, sink);
    } else {
        note_output(s, key, record.data);
    }
}

/* CONNECT_SINK_OUTSIDE */
static void put_outbox(struct step *s, struct engine_sink *sink, const struct vec *cols, isize row)
{
    struct engine_outbox *outbox = sink->outbox;
    struct buf key = {0};
    struct diag diag;
    diag_init(&diag);
    buf_reset(&s->text);
    err e = outbox->ops->encode(outbox->sink, cols, row, &s->arena, &key, &s->text, &diag);
    str data = buf_str(&s->text);
    if (e == OK && key.len + data.len > LOG_RECORD_BYTES_MAX - 64) {
        e = diag_set(&diag, ERR_INVALID, "ENG037", "the output is larger than a row may be");
    }
    if (e != OK) {
        engine__step_bad_row(s, row, str_of(diag.message));
        buf_deinit(&key);
        return;
    }
    e = engine__outbox_add(outbox, s->batch, buf_str(&key), data);
    if (e != OK) {
        put_failed(s, e, sink);
    } else {
        note_output(s, buf_str(&key), data);
        sink->step_rows++;
        sink->step_bytes += (u64)(data.len + key.len);
    }
    buf_deinit(&key);
}

void engine__step_take(struct step *s, const struct rel *rel, const struct vec *cols,
                       const struct sel *sel)
{
    s->counters.rows_out += (u64)sel->count;
    if (s->job->query != NULL) {
        engine__query_take(s, cols, sel);
        return;
    }
    struct engine_sink *sink = sink_of(s->job, rel);
    for (isize i = 0; i < sel->count && s->e == OK; i++) {
        if (sink->outbox != NULL) {
            put_outbox(s, sink, cols, sel_row(sel, i));
        } else if (sink->stream != NULL) {
            put_record(s, sink, cols, sel_row(sel, i));
        }
    }
}

void engine__outputs_begin(struct engine_job *job)
{
    for (isize i = 0; i < job->sink_count; i++) {
        job->sinks[i].step_rows = job->sinks[i].step_bytes = 0;
    }
}

void engine__outputs_done(struct engine_job *job)
{
    for (isize i = 0; i < job->sink_count; i++) {
        struct engine_sink *sink = &job->sinks[i];
        if (sink->outbox != NULL && sink->step_rows > 0) {
            engine__outbox_added(sink->outbox, sink->step_rows, sink->step_bytes);
        }
    }
}

void engine__outputs_wait_room(struct engine_job *job)
{
    for (isize i = 0; i < job->sink_count; i++) {
        if (job->sinks[i].outbox != NULL) {
            engine__outbox_wait_room(job->sinks[i].outbox);
        }
    }
}
