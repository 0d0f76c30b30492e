/*
 * engine/step_letters.c: what becomes of records and rows that cannot be processed, as the table's
 * on-error says.
 */
#include "engine/dead_letter.h"
#include "engine/step_int.h"

#include <stdlib.h>

void engine__step_sequence(const struct step *s, isize message, char *out)
{
    struct stream_shard shard;
    CHECK(stream_find_shard(s->source->stream, s->shard, &shard));
    struct stream_sequence sequence = {shard.created_ms / 1000, s->numbers[message],
                                       log_frame_arrival_ms(s->frame) / 1000, s->shard, false};
    stream_sequence_format(&sequence, out);
}

/* --- records that have their letter already
 * ------------------------------------------------------------------------------- */

void engine__step_told_reset(struct step *s)
{
    s->told_count = s->told_sorted = 0;
    s->told = NULL;
    arena_reset(&s->told_arena);
}

static int told_compare(const void *left, const void *right)
{
    const struct step_told *a = left, *b = right;
    if (a->shard != b->shard) {
        return a->shard < b->shard ? -1 : 1;
    }
    if (a->number != b->number) {
        return a->number < b->number ? -1 : 1;
    }
    if (a->subsequence != b->subsequence) {
        return a->subsequence < b->subsequence ? -1 : 1;
    }
    return str_cmp(a->table, b->table);
}

void engine__step_told_sort(struct step *s)
{
    if (s->told_count > s->told_sorted) {
        qsort(s->told, (size_t)s->told_count, sizeof *s->told, told_compare);
    }
    s->told_sorted = s->told_count;
}

/* Has another scan of the same table found this record bad? A statement set reads a table once for
 * each INSERT, and one letter is enough: redriven twice the record would be there twice. */
static bool is_told(struct step *s, isize message)
{
    struct step_told one = {s->shard, s->numbers[message], s->subsequences[message],
                            s->source->pipe->rels[0]->table->name};
    if (s->told_sorted > 0 &&
        bsearch(&one, s->told, (size_t)s->told_sorted, sizeof one, told_compare) != NULL) {
        return true;
    }
    if (s->job->source_count > 1) {
        s->told = arena_grow(&s->told_arena, s->told, s->told_count, (isize)sizeof one);
        s->told[s->told_count++] = one;
    }
    return false;
}

/* The record that cannot be processed, with its place, field and reason, into the dead letters. */
static void dead_letter(struct step *s, isize message, str field, isize offset, str reason)
{
    s->refused++;
    if (is_told(s, message)) {
        return;
    }
    s->counters.dead_letters++;
    if (s->job->query != NULL) {
        return;
    }
    struct engine_job *job = s->job;
    const struct engine_source *source = s->source;
    const struct stream_record *record = &s->records[message];
    char sequence[STREAM_SEQUENCE_DIGITS + 1], shard[21];
    engine__step_sequence(s, message, sequence);
    stream_shard_format(s->shard, shard);
    struct engine_dead_letter letter = {
        .at_ms = s->record.wall_us / 1000,
        .job = str_of(job->id_text),
        .table = source->pipe->rels[0]->table->name,
        .stream = source->place.name,
        .shard = str_of(shard),
        .sequence = str_of(sequence),
        .subsequence = s->subsequences[message],
        .partition_key = record->partition_key,
        .field = field,
        .reason = reason,
        .offset = offset,
        .data = record->data,
    };
    err e = OK;
    if (s->dead_letters == NULL) {
        str region = source->place.region.len > 0 ? source->place.region : job->region;
        e = engine__dead_letters_open(job->engine, job->account, region, &s->dead_letters);
    }
    if (e == OK) {
        e = engine__dead_letter_add(s->dead_letters, s->batch, &letter);
    }
    if (e != OK && s->e == OK) {
        s->e = diag_set(s->diag, e, "ENG021", "a dead letter cannot be written: %s", err_text(e));
    }
}

static const char *format_name(enum connect_format_kind kind)
{
    return kind == CONNECT_FORMAT_CSV ? "CSV row" : kind == CONNECT_FORMAT_RAW ? "record" : "JSON";
}

void engine__step_bad_record(struct step *s, isize message, str field, isize offset, str reason)
{
    const struct connect_format *format = &s->source->format;
    if (format->ignores_parse_errors) {
        return;
    }
    if (format->on_error == CONNECT_FAIL && s->e == OK) {
        char sequence[STREAM_SEQUENCE_DIGITS + 1];
        engine__step_sequence(s, message, sequence);
        s->e = diag_set(s->diag, ERR_INVALID, "ENG022",
                        "Failed to deserialize %s '" STR_FMT "'. " STR_FMT
                        " (byte %td of record %s of stream " STR_FMT ", shard %u)",
                        format_name(format->kind),
                        STR_ARG(str_slice(s->records[message].data, 0, 256)), STR_ARG(reason),
                        offset, sequence, STR_ARG(s->source->place.name), s->shard);
    } else if (format->on_error == CONNECT_DEAD_LETTER) {
        dead_letter(s, message, field, offset, reason);
    }
}

/* A result that cannot go on: there is no record to show, only what was wrong. A query of nothing
 * but VALUES fails: no other record could be better. */
static void result_failed(struct step *s, str reason)
{
    s->refused++;
    s->counters.dead_letters++;
    if (s->job->query != NULL) {
        if (s->job->source_count == 0 && s->e == OK) {
            s->e = diag_set(s->diag, ERR_INVALID, "ENG079", STR_FMT, STR_ARG(reason));
        }
        return;
    }
    struct engine_job *job = s->job;
    struct engine_dead_letter letter = {
        .at_ms = s->record.wall_us / 1000,
        .job = str_of(job->id_text),
        .subsequence = -1,
        .reason = reason,
    };
    err e = OK;
    if (s->dead_letters == NULL) {
        e = engine__dead_letters_open(job->engine, job->account, job->region, &s->dead_letters);
    }
    if (e == OK) {
        e = engine__dead_letter_add(s->dead_letters, s->batch, &letter);
    }
    if (e != OK && s->e == OK) {
        s->e = diag_set(s->diag, e, "ENG021", "a dead letter cannot be written: %s", err_text(e));
    }
}

void engine__step_bad_row(struct step *s, isize row, str reason)
{
    if (s->source == NULL) {
        result_failed(s, reason);
    } else {
        engine__step_bad_record(s, s->scan.message_of[row], STR_EMPTY, 0, reason);
    }
}
