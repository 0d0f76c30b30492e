/*
 * engine/step_input.c: the records of a frame, source by source, decoded and run up the plan;
 * what cannot be decoded becomes a dead letter (step_letters.c).
 */
#include "engine/step_int.h"

#include "codec/kpl.h"
#include "engine/landing.h"
#include "engine/lineage.h"

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
            engine__step_sequence(s, s->scan.message_of[row], text);
        }
        VEC(struct strview, out)[row] = strview_of(arena_copy(&s->arena, str_of(text)));
    }
}

static void on_fill(void *ctx, struct pipe_run *run, isize column, const struct sel *sel,
                    struct vec *out)
{
    struct step *s = ctx;
    isize from = s->source->message_column[column];
    if (from < 0) {
        fill_metadata(s, from, s->source->pipe->rels[0]->fields[column].type, sel, out);
        return;
    }
    engine__step_fill(s, from, sel, out);
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
    struct marks *marks = s->source->marks;
    i64 *before = ARENA_ARRAY(&s->arena, i64, MAX(run->rows, 1));
    run->marks = before;
    for (isize i = 0; i < sel->count; i++) {
        isize row = sel_row(sel, i);
        if (vec_is_valid(times, row)) {
            before[row] = marks_row(marks, s->shard_at, time_ms(times, row));
            continue;
        }
        before[row] = marks_get(marks);
        marks_wake(marks, s->shard_at);
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
    engine__step_bad_row(ctx, row, text);
}

static void on_take(void *ctx, struct pipe_run *run, const struct rel *rel, const struct vec *cols,
                    const struct sel *sel)
{
    (void)run;
    engine__step_take(ctx, rel, cols, sel);
}

static const struct pipe_ops ops = {on_fill, on_watermark, on_failed, on_take};

void engine__step_marks(struct step *s, const struct engine_source *source)
{
    if (source->marks != NULL) {
        flow_set_mark(s->job->flow, source->pipe->number, marks_get(source->marks),
                      marks_all_idle(source->marks));
    }
}

static bool has_room(void *ctx)
{
    struct step *s = ctx;
    return s->e == OK && (s->is_again || log_batch_bytes(s->batch) < ENGINE_STEP_OUT_BYTES);
}

static void flow_run_begin(struct step *s, struct flow_run *run)
{
    i64 mark = flow_mark(s->job->flow);
    s->source = NULL;
    s->func.watermark_us = mark == MARK_NONE ? INT64_MIN : mark * 1000;
    *run = (struct flow_run){
        .func = &s->func,
        .ops = &ops,
        .ctx = s,
        .rows_max = s->fire_rows_max,
        .has_room = has_room,
        .fired = s->record.fired,
        .fired_max = s->fired_max,
    };
}

static void flow_check(struct step *s)
{
    err e = flow_error(s->job->flow, s->diag);
    s->e = s->e == OK ? e : s->e;
}

void engine__step_fire(struct step *s)
{
    struct flow_run run;
    flow_run_begin(s, &run);
    s->job->is_firing = flow_fire(s->job->flow, &run);
    s->record.fired = run.fired;
    s->counters.late_rows += run.late_count;
    flow_check(s);
}

void engine__step_values(struct step *s)
{
    struct flow_run run;
    flow_run_begin(s, &run);
    flow_run_values(s->job->flow, &run);
    flow_check(s);
}

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
        engine__step_scan(s, messages + done, count - done);
        s->issues_seen = 0;
        message_issues(s);
        u64 refused = s->refused;
        struct pipe_run run = {.pipe = s->source->pipe,
                               .func = &s->func,
                               .ops = &ops,
                               .ctx = s,
                               .rows = s->scan.row_count};
        if (run.rows > 0) {
            pipe_run(&run);
        }
        engine__step_marks(s, s->source);
        flow_check(s);
        isize dropped = s->scan.row_count - run.arrived_count - run.late_count;
        s->counters.late_rows += (u64)run.late_count;
        s->counters.rows_in += (u64)s->scan.row_count;
        s->counters.empty_messages += (u64)s->scan.empty_count;
        s->counters.rows_filtered += (u64)MAX(dropped - (isize)(s->refused - refused), 0);
        done += s->scan.message_count;
        s->records += s->scan.message_count;
        s->numbers += s->scan.message_count;
        s->subsequences += s->scan.message_count;
    }
}

/* User records of one run; the arrays double as they grow. */
struct messages {
    struct arena arena;
    str *data;
    struct stream_record *records;
    u64 *numbers;
    i64 *subsequences;
    isize count;
};

static void messages_add(struct messages *m, const struct stream_record *record, u64 no, i64 sub)
{
    m->data = arena_grow(&m->arena, m->data, m->count, (isize)sizeof(str));
    m->records = arena_grow(&m->arena, m->records, m->count, (isize)sizeof *m->records);
    m->numbers = arena_grow(&m->arena, m->numbers, m->count, (isize)sizeof(u64));
    m->subsequences = arena_grow(&m->arena, m->subsequences, m->count, (isize)sizeof(i64));
    m->data[m->count] = record->data;
    m->records[m->count] = *record;
    m->numbers[m->count] = no;
    m->subsequences[m->count++] = sub;
}

/* Those of an aggregate that lie in the shard's range of hash keys: the rest was put there before
 * a reshard and is read with another shard. False when it is none. */
static bool aggregate_add(struct step *s, struct messages *m, const struct stream_record *record,
                          u64 no)
{
    struct kpl_record *subs;
    isize count;
    if (!kpl_is_candidate(record->data) ||
        kpl_decode(record->data, &m->arena, &subs, &count, NULL) != KPL_AGGREGATE) {
        return false;
    }
    struct stream_shard shard;
    CHECK(stream_find_shard(s->source->stream, s->shard, &shard));
    for (isize i = 0; i < count; i++) {
        u128 hash;
        bool is_ours = kpl_hash_key(&subs[i], &hash) == OK && hash >= shard.hash_first &&
                       hash <= shard.hash_last;
        struct stream_record one = {.partition_key = subs[i].partition_key, .data = subs[i].data};
        if (is_ours) {
            messages_add(m, &one, no, i);
        }
    }
    return true;
}

/* The watermark of a source that has ended: every window closes. */
#define END_OF_TIME_MS 253402300799999LL /* 9999-12-31 23:59:59.999 */

/* All records of one run: one shard of one source in one frame. */
static void run_records(struct step *s, struct log_run run)
{
    struct messages m = {0};
    struct log_record record;
    bool has_ended = false;
    while (log_run_next(&run, &record)) {
        struct stream_record decoded;
        err e = stream_record_decode(record.body, &decoded);
        if (e != OK) {
            s->e = diag_set(s->diag, e, "ENG024", "record %llu cannot be read",
                            (unsigned long long)record.no);
            break;
        }
        s->counters.bytes_in += (u64)decoded.data.len;
        if (s->source->landing != NULL) {
            if (str_eq(decoded.partition_key, STR(LANDING_KEY_END))) {
                has_ended = true;
            } else {
                messages_add(&m, &decoded, record.no, -1);
            }
            continue;
        }
        if (!aggregate_add(s, &m, &decoded, record.no)) {
            messages_add(&m, &decoded, record.no, -1);
        }
    }
    s->records = m.records;
    s->numbers = m.numbers;
    s->subsequences = m.subsequences;
    if (s->source->marks != NULL) {
        s->shard_at = marks_shard(s->source->marks, s->shard);
        marks_touch(s->source->marks, s->shard_at, s->record.wall_us);
        i64 mark = marks_get(s->source->marks);
        s->func.watermark_us = mark == MARK_NONE ? INT64_MIN : mark * 1000;
    }
    if (s->e == OK) {
        run_messages(s, m.data, m.count);
    }
    if (has_ended && s->e == OK && s->source->marks != NULL) {
        (void)marks_row(s->source->marks, s->shard_at, END_OF_TIME_MS);
        engine__step_marks(s, s->source);
    }
    arena_deinit(&m.arena);
}

/* The sink reads these records itself: they are only counted. */
static void pass_records(struct step *s, struct log_run run)
{
    struct engine_sink *sink = s->source->passed_to;
    u64 bytes = (u64)run.bytes.len;
    s->counters.rows_in += run.count;
    s->counters.bytes_in += bytes;
    s->counters.rows_out += run.count;
    s->counters.bytes_out += bytes;
    s->record.output_count += run.count;
    sink->step_rows += run.count;
    sink->step_bytes += bytes;
}

/* What came in one frame came together: no shard of it is idle while another's rows move the
 * watermark, or the rows of the later shard would be late. */
static void wake_shards(struct step *s, const struct log_frame *frame)
{
    struct marks *marks = s->source->marks;
    for (isize r = 0; marks != NULL && r < log_frame_run_count(frame); r++) {
        struct log_channel channel = log_frame_run(frame, r).channel;
        if (channel.stream == s->source->stream_number) {
            marks_wake(marks, marks_shard(marks, channel.shard));
        }
    }
}

/* The runs of the source at hand; true when there was one. */
static bool source_frame(struct step *s, const struct log_frame *frame)
{
    bool is_ours = false;
    wake_shards(s, frame);
    for (isize r = 0; r < log_frame_run_count(frame) && s->e == OK; r++) {
        struct log_run run = log_frame_run(frame, r);
        if (run.channel.stream != s->source->stream_number) {
            continue;
        }
        is_ours = true;
        s->oldest_ms = s->oldest_ms > 0 ? s->oldest_ms : log_frame_arrival_ms(frame);
        s->shard = run.channel.shard;
        s->record.input_count += run.count;
        if (s->source->passed_to != NULL) {
            pass_records(s, run);
        } else {
            run_records(s, run);
        }
    }
    return is_ours;
}

bool engine__step_frame(struct step *s, const struct log_frame *frame)
{
    bool is_ours = false;
    s->frame = frame;
    engine__step_told_reset(s);
    for (isize i = 0; i < s->job->source_count && s->e == OK; i++) {
        s->source = &s->job->sources[i];
        engine__step_told_sort(s);
        is_ours = engine__lineage_before(s->job, s->source, frame) || is_ours;
        if (log_frame_lsn(frame) > s->source->start_lsn) {
            is_ours = source_frame(s, frame) || is_ours;
        }
        is_ours = engine__lineage_after(s->job, s->source, frame) || is_ours;
    }
    return is_ours;
}
