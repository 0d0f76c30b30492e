/* feed/replay_log.c: replays in the log, and reading them back (docs/formats/replay.md). */
#include "feed/replay_int.h"

#include <stdio.h>

enum { HEADER_MAX = 1 << 20 };

static const u8 kind_bytes[REPLAY_RECORD_KINDS] = {'S', 'H', 'P'};

static const struct log_channel channel = {0, LOG_CONTROL_FEED};

/* --- writing
 * --------------------------------------------------------------------------------------------- */

static void put_text(struct buf *out, str text)
{
    buf_append_varint(out, (u64)text.len);
    buf_append(out, text);
}

static void put_submit(struct buf *out, const struct replay *r)
{
    buf_append_byte(out, kind_bytes[REPLAY_SUBMIT]);
    buf_append_varint(out, r->number);
    buf_append_varint(out, r->source);
    put_text(out, r->account);
    put_text(out, r->region);
    put_text(out, r->stream_name);
    buf_append_varint(out, r->stream_number);
    put_text(out, r->bucket);
    put_text(out, r->key);
    put_text(out, r->etag);
    put_text(out, r->name);
    buf_append_varint(out, r->bytes_total);
    buf_append_varint(out, (u64)r->form.indent);
    buf_append_varint(out, r->form.is_typed);
    put_text(out, r->partition_key);
    buf_append_varint(out, r->is_aggregated);
    buf_append_varint(out, r->passes);
    buf_append_varint(out, r->rows_max);
    buf_append_varint(out, r->fingerprint);
    buf_append_varint(out, (u64)r->created_ms);
}

static void put_position(struct buf *out, const struct replay *r,
                         const struct replay_position *position, const char *reason)
{
    buf_append_byte(out, kind_bytes[REPLAY_POSITION]);
    buf_append_varint(out, r->number);
    buf_append_varint(out, position->state);
    buf_append_varint(out, position->pass);
    buf_append_varint(out, position->offset);
    buf_append_varint(out, position->line);
    buf_append_varint(out, position->rows);
    buf_append_varint(out, position->rows_bad);
    buf_append_varint(out, position->records);
    buf_append_varint(out, position->bytes_out);
    buf_append_varint(out, r->rate);
    put_text(out, str_of(reason));
}

static void put_header(struct buf *out, const struct replay *r)
{
    buf_append_byte(out, kind_bytes[REPLAY_HEADER]);
    buf_append_varint(out, r->number);
    buf_append_varint(out, (u64)r->header_count);
    for (isize i = 0; i < r->header_count; i++) {
        put_text(out, r->header[i]);
    }
}

static err add(struct log_batch *batch, struct buf *record)
{
    err e = log_batch_add(batch, channel, buf_str(record));
    buf_deinit(record);
    return e;
}

err replay__log_submit(struct replay *replay)
{
    struct log_batch *batch = log_batch_new();
    struct buf submit = {0}, position = {0};
    put_submit(&submit, replay);
    put_position(&position, replay, &replay->durable, "");
    err e = add(batch, &submit);
    err second = add(batch, &position);
    e = e == OK ? second : e;
    if (e == OK) {
        e = log_commit(replay->replays->log, batch);
    }
    log_batch_free(batch);
    return e;
}

err replay__batch_position(struct log_batch *batch, const struct replay *replay,
                           const struct replay_position *position, const char *reason,
                           bool has_header)
{
    if (has_header) {
        struct buf header = {0};
        put_header(&header, replay);
        TRY(add(batch, &header));
    }
    struct buf record = {0};
    put_position(&record, replay, position, reason);
    return add(batch, &record);
}

err replay__log_position(struct replay *replay, const struct replay_position *position,
                         const char *reason)
{
    struct log_batch *batch = log_batch_new();
    err e = replay__batch_position(batch, replay, position, reason, false);
    if (e == OK) {
        e = log_commit(replay->replays->log, batch);
    }
    log_batch_free(batch);
    return e;
}

/* --- reading
 * --------------------------------------------------------------------------------------------- */

static err take_text(str *in, struct arena *arena, str *out)
{
    u64 len;
    TRY(varint_take(in, &len));
    if (len > (u64)in->len) {
        return ERR_CORRUPT;
    }
    *out = arena_copy(arena, str_slice(*in, 0, (isize)len));
    *in = str_slice(*in, (isize)len, in->len);
    return OK;
}

static struct replay *by_number(struct replays *replays, u64 number)
{
    struct replay *replay = replays->first;
    while (replay != NULL && replay->number != number) {
        replay = replay->next;
    }
    return replay;
}

static err take_numbers(str *in, u64 **out, isize count)
{
    for (isize i = 0; i < count; i++) {
        TRY(varint_take(in, out[i]));
    }
    return OK;
}

static err take_submit(str *in, struct replay *r)
{
    u64 source, stream, indent, typed, aggregated, created;
    str *texts[] = {&r->account, &r->region, &r->stream_name};
    str *places[] = {&r->bucket, &r->key, &r->etag, &r->name};
    TRY(varint_take(in, &source));
    for (isize i = 0; i < COUNT_OF(texts); i++) {
        TRY(take_text(in, &r->arena, texts[i]));
    }
    TRY(varint_take(in, &stream));
    for (isize i = 0; i < COUNT_OF(places); i++) {
        TRY(take_text(in, &r->arena, places[i]));
    }
    u64 *first[] = {&r->bytes_total, &indent, &typed};
    TRY(take_numbers(in, first, COUNT_OF(first)));
    TRY(take_text(in, &r->arena, &r->partition_key));
    u64 *second[] = {&aggregated, &r->passes, &r->rows_max, &r->fingerprint, &created};
    TRY(take_numbers(in, second, COUNT_OF(second)));
    r->source = (enum replay_source)source;
    r->stream_number = (u32)stream;
    r->form = (struct feed_row_form){(int)indent, typed != 0};
    r->is_aggregated = aggregated != 0;
    r->created_ms = (i64)created;
    return OK;
}

static err read_submit(struct replays *replays, u64 number, str in)
{
    struct replay *replay = by_number(replays, number);
    if (replay != NULL) {
        return OK; /* Restated. */
    }
    replay = replay__new(replays, number);
    TRY(take_submit(&in, replay));
    replays->next_number = MAX(replays->next_number, number + 1);
    return OK;
}

static err read_position(struct replay *replay, str in)
{
    u64 state, rate;
    struct replay_position p;
    u64 *numbers[] = {&state,      &p.pass,    &p.offset,    &p.line, &p.rows,
                      &p.rows_bad, &p.records, &p.bytes_out, &rate};
    TRY(take_numbers(&in, numbers, COUNT_OF(numbers)));
    str reason;
    struct arena scratch = {0};
    err e = take_text(&in, &scratch, &reason);
    if (e == OK) {
        str_copy_cstr(reason, replay->reason, (isize)sizeof replay->reason);
    }
    arena_deinit(&scratch);
    p.state = (enum replay_state)state;
    replay->durable = p;
    replay->rate = (u32)rate;
    return e;
}

static err read_header(struct replay *replay, str in)
{
    u64 count;
    TRY(varint_take(&in, &count));
    if (count > HEADER_MAX || count > (u64)in.len) {
        return ERR_CORRUPT;
    }
    str *names = ARENA_ARRAY(&replay->arena, str, (isize)count + 1);
    for (u64 i = 0; i < count; i++) {
        TRY(take_text(&in, &replay->arena, &names[i]));
    }
    replay->header = names;
    replay->header_count = (isize)count;
    return OK;
}

static err take_head(str *in, enum replay_record *kind_out, u64 *number_out)
{
    if (in->len == 0) {
        return ERR_CORRUPT;
    }
    const u8 *kind = memchr(kind_bytes, in->data[0], REPLAY_RECORD_KINDS);
    if (kind == NULL) {
        return ERR_VERSION;
    }
    *in = str_slice(*in, 1, in->len);
    *kind_out = (enum replay_record)(kind - kind_bytes);
    return varint_take(in, number_out);
}

err replay__record_head(str body, enum replay_record *kind_out, u64 *number_out)
{
    return take_head(&body, kind_out, number_out);
}

static err read_record(struct replays *replays, str body)
{
    enum replay_record kind;
    u64 number;
    TRY(take_head(&body, &kind, &number));
    str in = body;
    if (kind == REPLAY_SUBMIT) {
        return read_submit(replays, number, in);
    }
    struct replay *replay = by_number(replays, number);
    if (replay == NULL) {
        return OK; /* What it belongs to was dropped by a restatement. */
    }
    return kind == REPLAY_POSITION ? read_position(replay, in) : read_header(replay, in);
}

err replay__log_read(struct replays *replays, struct diag *diag)
{
    u64 next = 0;
    for (;;) {
        struct log_frame *frame = NULL;
        err e = log_frame_seek(replays->log, channel, next, &frame);
        if (e == ERR_END) {
            return OK;
        }
        struct log_run run;
        struct log_record record = {0};
        if (e == OK) {
            CHECK(log_frame_find(frame, channel, &run));
            replay__live_note(replays->live, run);
            log_run_skip(&run, next);
        }
        while (e == OK && log_run_next(&run, &record)) {
            e = read_record(replays, record.body);
            next = record.no + 1;
        }
        if (e == ERR_VERSION) {
            (void)diag_set_unknown_kind(diag, "FEED021", "the log of replays",
                                        record.body.len > 0 ? record.body.data[0] : 0);
        }
        if (frame != NULL) {
            log_frame_unref(frame);
        }
        if (e != OK) {
            return diag_set(diag, e, "FEED020", "the replays in the log cannot be read: %s",
                            err_text(e));
        }
    }
}
