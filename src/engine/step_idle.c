/*
 * engine/step_idle.c: shards that have been read to their durable end and have given nothing
 * for table.exec.source.idle-timeout. The clock decides, so the decision stands in the step's
 * journal entry; after it the shard holds the watermark no longer, until its next row.
 */
#include "engine/step_int.h"

static i64 due_us(const struct engine_job *job, const struct marks *marks, isize at)
{
    return marks_active_us(marks, at) + job->idle_us;
}

/* Has the shard a record that the job has not read? `from_no`: first number behind its position. */
static err has_unread(struct engine_job *job, struct log_channel channel, u64 from_no, bool *out)
{
    struct log_frame *frame;
    err e = log_frame_seek(job->engine->log, channel, from_no, &frame);
    *out = e == OK;
    if (e == OK) {
        log_frame_unref(frame);
    }
    return e == ERR_END ? OK : e;
}

static void add(struct step *s, u32 source, u32 shard)
{
    struct engine_step_record *record = &s->record;
    struct engine_idle *last =
        record->idle_count > 0 ? &record->idle[record->idle_count - 1] : NULL;
    if (last != NULL && last->source == source && last->first + last->count == shard) {
        last->count++;
        return;
    }
    record->idle =
        arena_grow(&s->idle_arena, record->idle, record->idle_count, (isize)sizeof *record->idle);
    record->idle[record->idle_count++] = (struct engine_idle){source, shard, 1};
}

/* A shard whose time has come is asked again only after another time-out. */
static err check_source(struct step *s, isize number, u64 from_no, bool is_at_tip)
{
    struct engine_job *job = s->job;
    struct engine_source *source = &job->sources[number];
    for (isize at = 0; at < marks_count(source->marks); at++) {
        if (marks_is_idle(source->marks, at)) {
            continue;
        }
        bool is_new = marks_active_us(source->marks, at) == 0;
        if (is_new || due_us(job, source->marks, at) > s->record.wall_us) {
            marks_touch(source->marks, at,
                        is_new ? s->record.wall_us : marks_active_us(source->marks, at));
            continue;
        }
        struct log_channel channel = {source->stream_number, marks_shard_at(source->marks, at)};
        bool is_unread = false;
        if (!is_at_tip) {
            TRY(has_unread(job, channel, from_no, &is_unread));
        }
        if (is_unread) {
            marks_touch(source->marks, at, s->record.wall_us);
        } else {
            add(s, (u32)number, channel.shard);
        }
    }
    return OK;
}

err engine__step_find_idle(struct step *s)
{
    struct engine_job *job = s->job;
    if (!job->is_stateful || job->idle_us == 0) {
        return OK;
    }
    struct log_frame *frame;
    u64 from_no = 0;
    err e = log_frame_after(job->engine->log, job->position, &frame);
    bool is_at_tip = e == ERR_END;
    if (e == OK) {
        from_no = log_frame_first_no(frame);
        log_frame_unref(frame);
    } else if (e != ERR_END) {
        return e;
    }
    for (isize i = 0; i < job->source_count; i++) {
        if (job->sources[i].marks != NULL) {
            TRY(check_source(s, i, from_no, is_at_tip));
        }
    }
    return OK;
}

void engine__step_set_idle(struct step *s)
{
    for (isize i = 0; i < s->record.idle_count; i++) {
        const struct engine_idle *idle = &s->record.idle[i];
        if (idle->source >= (u32)s->job->source_count ||
            s->job->sources[idle->source].marks == NULL) {
            continue; /* The replay will differ and say so. */
        }
        struct engine_source *source = &s->job->sources[idle->source];
        for (u32 k = 0; k < idle->count; k++) {
            marks_set_idle(source->marks, marks_shard(source->marks, idle->first + k));
        }
        engine__step_marks(s, source);
    }
}

i64 engine__step_timer_us(const struct engine_job *job)
{
    i64 first = job->is_firing ? 0 : INT64_MAX;
    i64 window_ms = flow_timer_ms(job->flow);
    if (window_ms < INT64_MAX / 1000) {
        first = MIN(first, window_ms * 1000);
    }
    for (isize i = 0; job->is_stateful && job->idle_us > 0 && i < job->source_count; i++) {
        const struct marks *marks = job->sources[i].marks;
        for (isize at = 0; marks != NULL && at < marks_count(marks); at++) {
            if (!marks_is_idle(marks, at)) {
                first = MIN(first, due_us(job, marks, at));
            }
        }
    }
    return first;
}
