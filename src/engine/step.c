/*
 * engine/step.c: one step of a job: the frames committed since the last one, in log
 * order, through the plan, and outputs with the new position into one frame. What a
 * row leads to depends on the log alone, not on how the log is cut into steps: every
 * frame is run by itself, through each source in the order of the plan.
 */
#include "engine/engine_int.h"

#include "base/hash.h"
#include "base/metric.h"
#include "codec/base64.h"
#include "codec/json.h"

#include <stdio.h>

enum { PARTITION_KEY_CHARS = 256, FULL_RETRY_MS = 200, RANDOM_KEY_BYTES = 37 };

struct step {
    struct engine_job *job;
    struct diag *diag;
    struct arena arena; /* Of one batch. */
    struct func_ctx func;
    struct log_batch *batch;
    struct engine_step_record record;
    struct engine_counters counters; /* Added to the job's when the step is durable. */
    struct buf text;
    err e; /* First failure; ends the step. */
    struct stream *dead_letters;
    /* The batch under way. */
    struct engine_source *source;
    const struct log_frame *frame;
    u32 shard;
    const struct stream_record *records; /* Per message. */
    const u64 *numbers;
    struct json_scan scan;
    isize issues_seen;
    isize rows_taken;
    i64 watermark_ms;
    i64 oldest_ms; /* Arrival of the first frame that held something; 0 = none did. */
};

/* --- dead letters
 * ------------------------------------------------------------------------------------- */

static err dead_letters_open(struct step *s)
{
    if (s->dead_letters != NULL) {
        return OK;
    }
    struct engine *engine = s->job->engine;
    str region = s->source->options.region.len > 0 ? s->source->options.region : s->job->region;
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
    put_member(out, "stream", s->source->options.stream);
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

/* What a bad record leads to, as the table's on-error says. `field` empty: the whole message. */
static void bad_record(struct step *s, isize message, str field, isize offset, str reason)
{
    const struct kinesis_table *options = &s->source->options;
    if (options->ignores_parse_errors) {
        return;
    }
    if (options->on_error == KINESIS_FAIL && s->e == OK) {
        char sequence[STREAM_SEQUENCE_DIGITS + 1];
        source_sequence(s, message, sequence);
        s->e = diag_set(s->diag, ERR_INVALID, "ENG022",
                        "Failed to deserialize JSON '" STR_FMT "'. " STR_FMT
                        " (byte %td of record %s of stream " STR_FMT ", shard %u)",
                        STR_ARG(str_slice(s->records[message].data, 0, 256)), STR_ARG(reason),
                        offset, sequence, STR_ARG(options->stream), s->shard);
    } else if (options->on_error == KINESIS_DEAD_LETTER) {
        dead_letter(s, message, field, offset, reason);
    }
}

/* --- the batch's callbacks
 * ------------------------------------------------------------------------------- */

/* Rows whose field could not be read: NULL stands there, or they go no further. */
static void field_issues(struct step *s, struct pipe_run *run)
{
    const struct kinesis_table *options = &s->source->options;
    for (; s->issues_seen < s->scan.issue_count; s->issues_seen++) {
        const struct json_issue *issue = &s->scan.issues[s->issues_seen];
        str field = s->source->fields[issue->column].name;
        bad_record(s, issue->message, field, issue->offset, issue->text);
        if (options->on_error != KINESIS_NULL && !options->ignores_parse_errors) {
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
        bad_record(
            s, s->scan.message_of[row], field, 0,
            STR("RowTime field should not be null, please convert it to a non-null long value."));
        if (s->source->options.on_error != KINESIS_NULL) {
            pipe_drop(run, row);
        }
    }
}

static void on_failed(void *ctx, struct pipe_run *run, isize row, str text)
{
    (void)run;
    struct step *s = ctx;
    bad_record(s, s->scan.message_of[row], STR_EMPTY, 0, text);
}

/* --- the sink
 * -----------------------------------------------------------------------------------------------
 */

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
        return sink->options.partitioner == KINESIS_PARTITION_FIXED ? STR("0")
                                                                    : random_key(s, scratch);
    }
    struct buf key = {0};
    for (isize k = 0; k < table->partition_key_count; k++) {
        if (k > 0) {
            buf_append(&key, sink->options.delimiter);
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

static void put_row(struct step *s, struct engine_sink *sink, const struct vec *cols, isize row)
{
    char scratch[RANDOM_KEY_BYTES];
    str key = partition_key(s, sink, cols, row, scratch);
    if (key.len == 0) {
        bad_record(s, s->scan.message_of[row], STR_EMPTY, 0,
                   STR("the partition key is empty, which Kinesis refuses"));
        return;
    }
    buf_reset(&s->text);
    json_row_write(sink->writer, cols, row, &s->text);
    struct stream_record record = {.partition_key = key, .data = buf_str(&s->text)};
    err e = stream_batch_add(sink->stream, s->batch, &record, NULL);
    struct stream_info info;
    stream_get_info(sink->stream, &info);
    bool is_too_large = e == ERR_LIMIT && record.data.len + key.len > info.record_bytes_max;
    if (is_too_large) {
        bad_record(s, s->scan.message_of[row], STR_EMPTY, 0,
                   STR("the output is larger than the stream's records may be"));
        return;
    }
    if (e != OK && s->e == OK) {
        s->e = e; /* ERR_LIMIT: the step is too large and is cut. */
        (void)diag_set(s->diag, e, "ENG023", "cannot put a row into stream " STR_FMT ": %s",
                       STR_ARG(sink->options.stream), err_text(e));
        return;
    }
    s->record.output_count++;
    s->record.output_hash = hash64(record.data.data, record.data.len, s->record.output_hash);
    s->record.output_hash = hash64(key.data, key.len, s->record.output_hash);
    s->counters.bytes_out += (u64)record.data.len;
}

static void on_take(void *ctx, struct pipe_run *run, const struct rel *rel, const struct vec *cols,
                    const struct sel *sel)
{
    (void)run;
    struct step *s = ctx;
    struct engine_sink *sink = sink_of(s->job, rel);
    for (isize i = 0; i < sel->count && s->e == OK; i++) {
        put_row(s, sink, cols, sel_row(sel, i));
    }
    s->rows_taken += sel->count;
    s->counters.rows_out += (u64)sel->count;
}

static const struct pipe_ops ops = {on_fill, on_watermark, on_failed, on_take};

/* --- input
 * ----------------------------------------------------------------------------------------------------
 */

static void message_issues(struct step *s)
{
    for (; s->issues_seen < s->scan.issue_count; s->issues_seen++) {
        const struct json_issue *issue = &s->scan.issues[s->issues_seen];
        bad_record(s, issue->message, STR_EMPTY, issue->offset, issue->text);
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

/* True when the frame held something for the job. */
static bool run_frame(struct step *s, const struct log_frame *frame)
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

/* --- the step
 * ----------------------------------------------------------------------------------------------------
 */

static err streams_check(struct engine_job *job, struct diag *diag)
{
    for (isize i = 0; i < job->source_count + job->sink_count; i++) {
        bool is_source = i < job->source_count;
        struct stream *stream =
            is_source ? job->sources[i].stream : job->sinks[i - job->source_count].stream;
        struct stream_info info;
        stream_get_info(stream, &info);
        if (info.is_deleted) {
            return diag_set(diag, ERR_NOT_FOUND, "ENG025", "stream \"" STR_FMT "\" was deleted",
                            STR_ARG(info.id.name));
        }
    }
    return OK;
}

static void counters_add(struct engine_counters *to, const struct engine_counters *from)
{
    metric_add(&to->rows_in, from->rows_in);
    metric_add(&to->rows_out, from->rows_out);
    metric_add(&to->rows_filtered, from->rows_filtered);
    metric_add(&to->dead_letters, from->dead_letters);
    metric_add(&to->empty_messages, from->empty_messages);
    metric_add(&to->bytes_in, from->bytes_in);
    metric_add(&to->bytes_out, from->bytes_out);
    metric_add(&to->steps, 1);
}

/* How long the step took, and how long its oldest record took to get through. */
static void note_times(const struct step *s, u64 start_ns)
{
    struct engine_job *job = s->job;
    metric_observe_ns(&job->step_times, os_mono_ns(job->engine->os) - start_ns);
    i64 age_ms = os_wall_us(job->engine->os) / 1000 - s->oldest_ms;
    if (s->record.output_count > 0 && age_ms >= 0) { /* Below 0: the clock was set back. */
        metric_observe_ns(&job->way_through, (u64)age_ms * 1000000);
    }
}

/* A full disk stalls the job; its input is kept meanwhile. */
static err commit(struct step *s)
{
    struct engine_job *job = s->job;
    TRY(engine__batch_step(s->batch, &s->record));
    OS_FAILPOINT("engine.before_step_submit");
    err e = log_commit(job->engine->log, s->batch);
    while (e == ERR_FULL && !__atomic_load_n(&job->is_stopping, __ATOMIC_RELAXED)) {
        os_sleep_ms(job->engine->os, FULL_RETRY_MS);
        e = log_commit(job->engine->log, s->batch);
    }
    OS_FAILPOINT("engine.after_step_commit");
    return e;
}

static void step_begin(struct step *s, struct engine_job *job, struct diag *diag)
{
    struct engine *engine = job->engine;
    *s = (struct step){.job = job, .diag = diag};
    s->batch = log_batch_new();
    s->watermark_ms = __atomic_load_n(&job->watermark_ms, __ATOMIC_RELAXED);
    s->record.job = job->id;
    s->record.step = job->step + 1;
    s->record.wall_us = os_wall_us(engine->os);
    os_random(engine->os, &s->record.seed, (isize)sizeof s->record.seed);
    s->func = (struct func_ctx){
        .arena = &s->arena,
        .now_us = s->record.wall_us,
        .query_start_us = s->record.wall_us,
        .seed = s->record.seed,
        .watermark_us = INT64_MIN,
        .zone = "UTC",
    };
}

static void step_end(struct step *s)
{
    log_batch_free(s->batch);
    arena_deinit(&s->arena);
    buf_deinit(&s->text);
    if (s->dead_letters != NULL) {
        stream_unref(s->dead_letters);
    }
}

/* Reads up to frames_max frames after the position. *lsn_out: the last one read. */
static err read_frames(struct step *s, isize frames_max, u64 *lsn_out, bool *is_ours_out)
{
    u64 lsn = s->job->position;
    isize bytes = 0;
    *is_ours_out = false;
    for (isize i = 0; i < frames_max && bytes < ENGINE_STEP_BYTES_MAX && s->e == OK; i++) {
        struct log_frame *frame;
        err e = log_frame_after(s->job->engine->log, lsn, &frame);
        if (e == ERR_END) {
            break;
        }
        TRY(e);
        u64 before = s->counters.bytes_in;
        *is_ours_out = run_frame(s, frame) || *is_ours_out;
        bytes += (isize)(s->counters.bytes_in - before);
        lsn = log_frame_lsn(frame);
        log_frame_unref(frame);
    }
    *lsn_out = lsn;
    return s->e;
}

static err try_step(struct engine_job *job, isize frames_max, bool *moved_out, struct diag *diag)
{
    struct step s;
    u64 start_ns = os_mono_ns(job->engine->os);
    step_begin(&s, job, diag);
    u64 lsn = 0;
    bool is_ours = false;
    err e = read_frames(&s, frames_max, &lsn, &is_ours);
    if (e == OK && is_ours) {
        s.record.lsn = lsn;
        e = commit(&s);
    }
    if (e == OK) {
        *moved_out = lsn > job->position;
        if (is_ours) {
            job->step++;
            counters_add(&job->counters, &s.counters);
            note_times(&s, start_ns);
            __atomic_store_n(&job->watermark_ms, s.watermark_ms, __ATOMIC_RELAXED);
        }
        os_mutex_lock(&job->lock);
        job->position = lsn;
        os_mutex_unlock(&job->lock);
        streams_hold_move(job->engine->streams, job->hold, lsn);
    }
    step_end(&s);
    return e;
}

err engine__step(struct engine_job *job, bool *moved_out, struct diag *diag)
{
    *moved_out = false;
    TRY(streams_check(job, diag));
    isize frames = job->engine->step_frames_max;
    for (;;) {
        struct diag problem;
        diag_init(&problem);
        err e = try_step(job, frames, moved_out, &problem);
        if (e != ERR_LIMIT || frames == 1) {
            *diag = problem;
            return e;
        }
        frames = frames / 4 + 1; /* The outputs did not fit one frame: take less. */
        if (frames == 2) {
            frames = 1;
        }
    }
}
