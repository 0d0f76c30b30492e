/* engine/outbox_read.c: the rows of one delivery, read back from the log. */
#include "engine/outbox.h"

#include "codec/kpl.h"
#include "engine/dead_letter.h"

err engine__outbox_frame(struct engine_outbox *outbox, u64 position, struct log_frame **out,
                         u64 *position_out, u64 *rows_out, u64 *bytes_out)
{
    struct log *log = outbox->engine->log;
    *rows_out = *bytes_out = 0;
    if (outbox->source == NULL) {
        TRY(log_frame_seek(log, outbox->channel, position + 1, out));
        struct log_run run;
        CHECK(log_frame_find(*out, outbox->channel, &run));
        *position_out = run.first_no + run.count - 1;
        *rows_out = *position_out - MAX(position, run.first_no - 1);
        *bytes_out = (u64)run.bytes.len;
        return OK;
    }
    for (;;) {
        TRY(log_frame_after(log, position, out));
        position = log_frame_lsn(*out);
        for (isize i = 0; i < log_frame_run_count(*out); i++) {
            struct log_run run = log_frame_run(*out, i);
            if (run.channel.stream == outbox->source->stream_number) {
                *rows_out += run.count;
                *bytes_out += (u64)run.bytes.len;
            }
        }
        if (*rows_out > 0) {
            *position_out = position;
            return OK;
        }
        log_frame_unref(*out);
    }
}

/* --- the reader ---------------------------------------------------------------------------- */

/* Leaves what comes behind the range to the next one. */
static bool frame_next(struct outbox_reader *r)
{
    u64 rows, bytes;
    log_frame_unref(r->frame);
    r->frame = NULL;
    if (r->position >= r->base.to) {
        return false;
    }
    u64 from = r->position;
    err e = engine__outbox_frame(r->outbox, from, &r->frame, &r->position, &rows, &bytes);
    if (e != OK) {
        r->frame = NULL;
        r->base.failure = e == ERR_END ? OK : e;
        return false;
    }
    bool is_beyond = r->outbox->source != NULL && r->position > r->base.to;
    if (is_beyond) {
        r->position = r->base.to;
        log_frame_unref(r->frame);
        r->frame = NULL;
        return false;
    }
    r->run_index = -1;
    r->is_in_run = false;
    if (r->outbox->source == NULL) {
        CHECK(log_frame_find(r->frame, r->outbox->channel, &r->run));
        log_run_skip(&r->run, from + 1);
        r->is_in_run = true;
    }
    return true;
}

/* The next run of the source's stream. */
static bool run_next(struct outbox_reader *r)
{
    while (r->outbox->source != NULL && ++r->run_index < log_frame_run_count(r->frame)) {
        r->run = log_frame_run(r->frame, r->run_index);
        if (r->run.channel.stream == r->outbox->source->stream_number) {
            stream_shard_format(r->run.channel.shard, r->shard);
            r->is_in_run = true;
            return true;
        }
    }
    return false;
}

static bool record_next(struct outbox_reader *r, struct log_record *out)
{
    for (;;) {
        if (r->is_in_run && log_run_next(&r->run, out)) {
            bool is_in_range = r->outbox->source != NULL || out->no <= r->base.to;
            return is_in_range;
        }
        r->is_in_run = false;
        bool has_run = r->frame != NULL && run_next(r);
        if (!has_run && !frame_next(r)) {
            return false;
        }
    }
}

static bool row_decode(struct outbox_reader *r, const struct log_record *record,
                       struct connect_row *out)
{
    str in = record->body;
    u64 len;
    r->base.failure = varint_take(&in, &len);
    if (r->base.failure == OK && len > (u64)in.len) {
        r->base.failure = ERR_CORRUPT;
    }
    if (r->base.failure != OK) {
        return false;
    }
    *out = (struct connect_row){str_slice(in, 0, (isize)len), str_slice(in, (isize)len, in.len),
                                record->no};
    return true;
}

/* A record of a stream as it is, or each user record of an aggregate. */
static bool record_decode(struct outbox_reader *r, const struct log_record *record,
                          struct connect_row *out)
{
    struct stream_record decoded;
    r->base.failure = stream_record_decode(record->body, &decoded);
    if (r->base.failure != OK) {
        return false;
    }
    *out = (struct connect_row){str_of(r->shard), decoded.data, record->no};
    r->sub_count = 0;
    if (kpl_is_candidate(decoded.data)) {
        arena_reset(&r->arena);
        bool is_one =
            kpl_decode(decoded.data, &r->arena, &r->subs, &r->sub_count, NULL) == KPL_AGGREGATE &&
            r->sub_count > 0;
        r->sub_count = is_one ? r->sub_count : 0;
        if (is_one) {
            out->data = r->subs[0].data;
            r->sub_at = 1;
            r->sub_no = record->no;
        }
    }
    return true;
}

static bool next(struct connect_batch *batch, struct connect_row *out)
{
    struct outbox_reader *r = (struct outbox_reader *)(void *)batch;
    if (r->sub_at < r->sub_count) {
        *out = (struct connect_row){str_of(r->shard), r->subs[r->sub_at++].data, r->sub_no};
    } else {
        struct log_record record;
        if (batch->failure != OK || !record_next(r, &record)) {
            return false;
        }
        bool is_good = r->outbox->source != NULL ? record_decode(r, &record, out)
                                                 : row_decode(r, &record, out);
        if (!is_good) {
            return false;
        }
    }
    r->given = r->outbox->source != NULL ? r->position : out->no;
    r->given_rows++;
    r->given_bytes += (u64)out->data.len;
    r->given_pending += (u64)(out->data.len + out->key.len);
    return true;
}

static void rewind_rows(struct connect_batch *batch)
{
    struct outbox_reader *r = (struct outbox_reader *)(void *)batch;
    log_frame_unref(r->frame);
    r->frame = NULL;
    r->is_in_run = false;
    r->sub_count = r->sub_at = 0;
    r->position = r->given = __atomic_load_n(&r->outbox->cursor, __ATOMIC_RELAXED);
    r->given_rows = r->given_bytes = r->given_pending = 0;
    log_batch_reset(r->letters);
    r->letter_count = 0;
    batch->failure = OK;
}

static void commit_rows(struct connect_batch *batch)
{
    struct outbox_reader *r = (struct outbox_reader *)(void *)batch;
    struct engine_outbox *o = r->outbox;
    if (batch->failure != OK || r->given <= __atomic_load_n(&o->cursor, __ATOMIC_RELAXED)) {
        return;
    }
    batch->failure = engine__outbox_move(o, r->given, r->letters);
    if (batch->failure != OK) {
        return;
    }
    metric_add(&o->counters.delivered_rows, r->given_rows - r->letter_count);
    metric_add(&o->counters.delivered_bytes, r->given_bytes);
    metric_add(&o->counters.rejected, r->letter_count);
    os_mutex_lock(&o->lock);
    o->pending_bytes -= MIN(o->pending_bytes, r->given_pending);
    o->problem[0] = '\0';
    os_cond_broadcast(&o->changed);
    os_mutex_unlock(&o->lock);
    r->given_rows = r->given_bytes = r->given_pending = r->letter_count = 0;
    log_batch_reset(r->letters);
}

static void reject(struct connect_batch *batch, const struct connect_row *row, str reason)
{
    struct outbox_reader *r = (struct outbox_reader *)(void *)batch;
    struct engine_outbox *o = r->outbox;
    err e = OK;
    if (r->dead_letters == NULL) {
        e = engine__dead_letters_open(o->engine, o->job->account, o->job->region, &r->dead_letters);
    }
    if (e == OK) {
        struct engine_dead_letter letter = {
            .at_ms = os_wall_us(o->engine->os) / 1000,
            .job = str_of(o->job->id_text),
            .table = o->table,
            .shard = r->outbox->source != NULL ? row->key : STR_EMPTY,
            .partition_key = row->key,
            .reason = reason,
            .data = row->data,
        };
        e = engine__dead_letter_add(r->dead_letters, r->letters, &letter);
    }
    r->letter_count++;
    batch->failure = batch->failure == OK ? e : batch->failure;
}

void engine__outbox_reader_init(struct outbox_reader *reader, struct engine_outbox *outbox, u64 to)
{
    *reader = (struct outbox_reader){
        .base = {.next = next,
                 .rewind = rewind_rows,
                 .commit = commit_rows,
                 .reject = reject,
                 .from = outbox->cursor,
                 .to = to},
        .outbox = outbox,
        .letters = log_batch_new(),
    };
    rewind_rows(&reader->base);
}

void engine__outbox_reader_deinit(struct outbox_reader *reader)
{
    log_frame_unref(reader->frame);
    log_batch_free(reader->letters);
    arena_deinit(&reader->arena);
    if (reader->dead_letters != NULL) {
        stream_unref(reader->dead_letters);
    }
}
