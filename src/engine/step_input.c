/*
 * engine/step_input.c: the records of a frame, source by source, decoded and run up the plan;
 * what cannot be decoded becomes a dead letter.
 */
#include "engine/step_int.h"

#include "codec/base64.h"
#include "codec/json.h"

/* --- dead letters
 * ------------------------------------------------------------------------------------- */

static err dead_letters_open(struct step *s)
{
    if (s->dead_letters != NULL) {
        return OK;
    }
    struct engine *engine = s->job->engine;
    str region = s->source->place.region.len > 0 ? s->source->place.region : s->job->region;
    struct stream_id id = {s->job->account, region, STR(ENGINE_DEAD_LETTERS)};
    s->dead_letters = streams_find(engine->streams, id);
    if (s->dead_letters == NULL) {
        struct stream_spec spec = {.id = id, .mode = STREAM_PROVISIONED, .shard_count = 1};
        err e = stream_create_wait(engine->streams, &spec);
        if (e != OK && e != ERR_EXISTS) {
            return e;
        }
        s->dead_letters = streams_find(engine->streams, id);
    }
    return s->dead_letters == NULL ? ERR_CLOSED : OK;
}

static void put_member(struct buf *out, const char *name, str value)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_string(out, value);
}

static void source_sequence(const struct step *s, isize message, char *out)
{
    struct stream_shard shard;
    CHECK(stream_find_shard(s->source->stream, s->shard, &shard));
    struct stream_sequence sequence = {shard.created_ms / 1000, s->numbers[message],
                                       log_frame_arrival_ms(s->frame) / 1000, s->shard};
    stream_sequence_format(&sequence, out);
}

/* The record that cannot be processed, with its place, field and reason, into the dead letters. */
static void dead_letter(struct step *s, isize message, str field, isize offset, str reason)
{
    err e = dead_letters_open(s);
    const struct stream_record *record = &s->records[message];
    char sequence[STREAM_SEQUENCE_DIGITS + 1], shard[21];
    source_sequence(s, message, sequence);
    stream_shard_format(s->shard, shard);
    struct buf *out = &s->text;
    buf_reset(out);
    buf_printf(out, "{\"at_ms\":%lld", (long long)(s->record.wall_us / 1000));
    put_member(out, "job", str_of(s->job->id_text));
    put_member(out, "table", s->source->pipe->rels[0]->table->name);
    put_member(out, "stream", s->source->place.name);
    put_member(out, "shard_id", str_of(shard));
    put_member(out, "sequence_number", str_of(sequence));
    put_member(out, "partition_key", record->partition_key);
    put_member(out, "field", field);
    put_member(out, "reason", reason);
    buf_printf(out, ",\"offset\":%td,\"data_base64\":\"", offset);
    base64_append(out, record->data);
    buf_append(out, STR("\"}"));
    struct stream_record letter = {.partition_key = str_of(shard), .data = buf_str(out)};
    if (e == OK) {
        e = stream_batch_add(s->dead_letters, s->batch, &letter, NULL);
    }
    if (e != OK && s->e == OK) {
        s->e = diag_set(s->diag, e, "ENG021", "a dead letter cannot be written: %s", err_text(e));
    }
    s->counters.dead_letters++;
}

void engine__step_bad_record(struct step *s, isize message, str field, isize offset, str reason)
{
    const struct connect_format *format = &s->source->format;
    if (format->ignores_parse_errors) {
        return;
    }
    if (format->on_error == CONNECT_FAIL && s->e == OK) {
        char sequence[STREAM_SEQUENCE_DIGITS + 1];
        source_sequence(s, message, sequence);
        s->e = diag_set(s->diag, ERR_INVALID, "ENG022",
                        "Failed to deserialize JSON '" STR_FMT "'. " STR_FMT
                        " (byte %td of record %s of stream " STR_FMT ", shard %u)",
                        STR_ARG(str_slice(s->records[message].data, 0, 256)), STR_ARG(reason),
                        offset, sequence, STR_ARG(s->source->place.name), s->shard);
    } else if (format->on_error == CONNECT_DEAD_LETTER) {
        dead_letter(s, message, field, offset, reason);
    }
}

/* --- the batch's callbacks
 * ------------------------------------------------------------------------------- */

/* Rows whose field could not be read: NULL stands there, or they go no further. */
static void field_issues(struct step *s, struct pipe_run *run)
{
    const struct connect_format *format = &s->source->format;
    for (; s->issues_seen < s->scan.issue_count; s->issues_seen++) {
        const struct json_issue *issue = &s->scan.issues[s->issues_seen];
        str field = s->source->fields[issue->column].name;
        engine__step_bad_record(s, issue->message, field, issue->offset, issue->text);
        if (format->on_error != CONNECT_NULL && !format->ignores_parse_errors) {
            pipe_drop(run, issue->row);
        }
    }
}

enum { COLUMN_TIMESTAMP = -1, COLUMN_SHARD = -2, COLUMN_SEQUENCE = -3 };

static void fill_metadata(struct step *s, isize kind, const struct type *type,
                          const struct sel *sel, struct vec *out)
{
    vec_init(out, &s->arena, type, s->scan.row_count, false);
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        char text[STREAM_SEQUENCE_DIGITS + 1];
        if (kind == COLUMN_TIMESTAMP) {
            VEC(i64, out)[row] = log_frame_arrival_ms(s->frame) * 1000;
            continue;
        }
        if (kind == COLUMN_SHARD) {
            stream_shard_format(s->shard, text);
        } else {
            source_sequence(s, s->scan.message_of[row], text);
        }
        VEC(struct strview, out)[row] = strview_of(arena_copy(&s->arena, str_of(text)));
    }
}

static void on_fill(void *ctx, struct pipe_run *run, isize column, const struct sel *sel,
                    struct vec *out)
{
    struct step *s = ctx;
    isize from = s->source->json_column[column];
    if (from < 0) {
        fill_metadata(s, from, s->source->pipe->rels[0]->fields[column].type, sel, out);
        return;
    }
    json_rows_fill(s->source->decoder, &s->scan, from, sel, &s->arena, out);
    field_issues(s, run);
}

static i64 time_ms(const struct vec *times, isize row)
{
    isize at = vec_index(times, row);
    if (times->type->precision > 6) {
        return VEC(struct stamp, times)[at].ms;
    }
    i64 us = VEC(i64, times)[at];
    return us / 1000 - (us % 1000 < 0);
}

static void on_watermark(void *ctx, struct pipe_run *run, const struct rel *rel,
                         const struct vec *times, const struct sel *sel)
{
    struct step *s = ctx;
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        if (vec_is_valid(times, row)) {
            s->watermark_ms = MAX(s->watermark_ms, time_ms(times, row));
            continue;
        }
        str field = rel->fields[rel->rowtime_column].name;
        engine__step_bad_record(
            s, s->scan.message_of[row], field, 0,
            STR("RowTime field should not be null, please convert it to a non-null long value."));
        if (s->source->format.on_error != CONNECT_NULL) {
            pipe_drop(run, row);
        }
    }
}

static void on_failed(void *ctx, struct pipe_run *run, isize row, str text)
{
    (void)run;
    struct step *s = ctx;
    engine__step_bad_record(s, s->scan.message_of[row], STR_EMPTY, 0, text);
}

static void on_take(void *ctx, struct pipe_run *run, const struct rel *rel, const struct vec *cols,
                    const struct sel *sel)
{
    (void)run;
    engine__step_take(ctx, rel, cols, sel);
}

static const struct pipe_ops ops = {on_fill, on_watermark, on_failed, on_take};

/* --- input
 * ----------------------------------------------------------------------------------------------------
 */

static void message_issues(struct step *s)
{
    for (; s->issues_seen < s->scan.issue_count; s->issues_seen++) {
        const struct json_issue *issue = &s->scan.issues[s->issues_seen];
        engine__step_bad_record(s, issue->message, STR_EMPTY, issue->offset, issue->text);
    }
}

static void run_messages(struct step *s, str *messages, isize count)
{
    isize done = 0;
    while (done < count && s->e == OK) {
        arena_reset(&s->arena);
        s->func.errors = NULL;
        s->func.error_count = s->func.error_capacity = 0;
        json_rows_scan(s->source->decoder, messages + done, count - done, &s->arena, &s->scan);
        s->issues_seen = 0;
        message_issues(s);
        s->rows_taken = 0;
        u64 letters = s->counters.dead_letters;
        struct pipe_run run = {.pipe = s->source->pipe,
                               .func = &s->func,
                               .ops = &ops,
                               .ctx = s,
                               .rows = s->scan.row_count};
        if (run.rows > 0) {
            pipe_run(&run);
        }
        isize dropped = s->scan.row_count - s->rows_taken;
        s->counters.rows_in += (u64)s->scan.row_count;
        s->counters.empty_messages += (u64)s->scan.empty_count;
        s->counters.rows_filtered +=
            (u64)MAX(dropped - (isize)(s->counters.dead_letters - letters), 0);
        done += s->scan.message_count;
        s->records += s->scan.message_count;
        s->numbers += s->scan.message_count;
    }
}

/* All records of one run: one shard of one source in one frame. */
static void run_records(struct step *s, struct log_run run)
{
    isize count = run.count;
    str *messages = mem_alloc(count * (isize)sizeof(str));
    struct stream_record *records = mem_alloc(count * (isize)sizeof(struct stream_record));
    u64 *numbers = mem_alloc(count * (isize)sizeof(u64));
    struct log_record record;
    isize n = 0;
    while (log_run_next(&run, &record)) {
        err e = stream_record_decode(record.body, &records[n]);
        if (e != OK) {
            s->e = diag_set(s->diag, e, "ENG024", "record %llu cannot be read",
                            (unsigned long long)record.no);
            break;
        }
        messages[n] = records[n].data;
        numbers[n] = record.no;
        s->counters.bytes_in += (u64)records[n].data.len;
        n++;
    }
    s->records = records;
    s->numbers = numbers;
    if (s->e == OK) {
        run_messages(s, messages, n);
    }
    mem_free(messages);
    mem_free(records);
    mem_free(numbers);
}

bool engine__step_frame(struct step *s, const struct log_frame *frame)
{
    bool is_ours = false;
    s->frame = frame;
    for (isize i = 0; i < s->job->source_count && s->e == OK; i++) {
        s->source = &s->job->sources[i];
        if (log_frame_lsn(frame) <= s->source->start_lsn) {
            continue;
        }
        for (isize r = 0; r < log_frame_run_count(frame) && s->e == OK; r++) {
            struct log_run run = log_frame_run(frame, r);
            if (run.channel.stream == s->source->stream_number) {
                is_ours = true;
                s->oldest_ms = s->oldest_ms > 0 ? s->oldest_ms : log_frame_arrival_ms(frame);
                s->shard = run.channel.shard;
                run_records(s, run);
            }
        }
    }
    return is_ours;
}
