/*
 * log/log_check.c: a log that nobody has open: what of it is damaged, and making it
 * startable again. Nothing is ever deleted: what is damaged goes to lost+found/.
 */
#include "log/log_int.h"

#include "base/hash.h"

#include <stdio.h>

enum { ROUNDS_MAX = 4096 };

/* --- looking ------------------------------------------------------------------------------- */

struct look {
    struct log *log;
    log_damage_fn each;
    void *ctx;
    u64 frames;
};

/* Which records of which channels stood in row `row`, as far as the index tells. */
static struct log_damage_run *runs_of(const struct log__index *index, u32 row, u32 *count_out)
{
    struct log_damage_run *runs =
        mem_alloc(((isize)index->channel_count + 1) * (isize)sizeof(struct log_damage_run));
    u32 count = 0;
    for (u32 c = 0; c < index->channel_count; c++) {
        const struct log__channel_runs *channel = &index->channels[c];
        for (u32 i = 0; i < channel->count; i++) {
            if (channel->runs[i].frame == row) {
                runs[count++] = (struct log_damage_run){channel->channel, channel->runs[i].first_no,
                                                        channel->runs[i].count};
            }
        }
    }
    *count_out = count;
    return runs;
}

static void report_frame(struct look *look, const struct log__segment *segment,
                         const struct log__index *index, u32 row)
{
    const struct log__frame_info *info = &index->frames[row];
    bool is_fence = (info->flags & LOG__FRAME_DAMAGED) != 0;
    const struct log__frame_info *before = row > 0 ? &index->frames[row - 1] : NULL;
    const struct log__frame_info *after = row + 1 < index->frame_count ? info + 1 : NULL;
    struct log_damage damage = {
        .what = is_fence ? "a damaged range" : "a damaged frame",
        .segment = segment->id.segment,
        .offset = info->offset,
        .bytes = info->bytes,
        .lsn_first = is_fence && before != NULL ? before->lsn + 1 : info->lsn,
        .lsn_last = info->lsn,
        .no_first = info->first_no,
        .no_last = info->last_no,
        .arrival_first_ms = info->arrival_ms,
        .arrival_last_ms = !is_fence       ? info->arrival_ms
                           : after != NULL ? after->arrival_ms
                                           : segment->last_arrival_ms,
    };
    struct log_damage_run *runs = runs_of(index, row, &damage.run_count);
    damage.runs = runs;
    look->each(look->ctx, &damage);
    mem_free(runs);
}

static err look_at_parts(struct look *look, struct log__segment *segment)
{
    u32 damaged = 0;
    bool is_open = segment->kind == LOG__NORMAL && look->log->is_newest_open &&
                   segment->id.segment == look->log->newest_no;
    TRY(log__segment_parts(look->log, segment, !is_open, &damaged));
    if (is_open && metric_load(&look->log->stats.doubtful_frames) > 0) {
        look->each(look->ctx,
                   &(struct log_damage){.what = "a last frame that a single bit spoils: torn by a "
                                                "power failure, or damaged since; a start cuts it "
                                                "off",
                                        .segment = segment->id.segment});
    }
    if ((damaged & LOG__PART_HEADER) != 0) {
        look->each(look->ctx,
                   &(struct log_damage){.what = "a damaged copy of its header; the other is read",
                                        .segment = segment->id.segment});
    }
    if ((damaged & LOG__PART_INDEX) != 0 || (segment->is_rebuilt && !is_open)) {
        look->each(look->ctx, &(struct log_damage){.what = "a damaged index; its frames are read",
                                                   .segment = segment->id.segment});
    }
    return OK;
}

static err look_at_segment(struct look *look, struct log__segment *segment)
{
    struct log__loaded *loaded;
    TRY(look_at_parts(look, segment));
    TRY(log__segment_load(look->log, segment, &loaded));
    err e = OK;
    for (u32 row = 0; row < loaded->index.frame_count && e == OK; row++) {
        struct log_frame *frame = NULL;
        e = log__frame_read(look->log, loaded->file, &segment->id, &loaded->index.frames[row],
                            &frame);
        log_frame_unref(frame);
        look->frames++;
        if (e == ERR_CORRUPT) {
            report_frame(look, segment, &loaded->index, row);
            e = OK;
        }
    }
    log__loaded_unref(loaded);
    return e;
}

/* What stood in it is known by where its neighbours end and begin. */
static void report_missing(struct look *look, const struct log__missing *missing)
{
    const struct log *log = look->log;
    struct log_damage damage = {
        .what = missing->what, .segment = missing->no, .is_whole = true, .bytes = 1};
    for (u32 i = 0; i < log->segment_count; i++) {
        const struct log__segment *segment = log->segments[i];
        if (segment->id.segment < missing->no && segment->kind == LOG__NORMAL) {
            damage.lsn_first = segment->last_lsn + 1;
            damage.no_first = segment->last_no + 1;
            damage.arrival_first_ms = segment->last_arrival_ms;
        } else if (segment->id.segment > missing->no && segment->kind == LOG__NORMAL) {
            damage.lsn_last = segment->first_lsn - 1;
            damage.no_last = segment->first_no - 1;
            damage.arrival_last_ms = segment->first_arrival_ms;
            break;
        }
    }
    look->each(look->ctx, &damage);
}

err log_check(struct log *log, log_damage_fn each, void *ctx, u64 *frames_out)
{
    struct look look = {.log = log, .each = each, .ctx = ctx};
    for (u32 i = 0; i < log->missing_count; i++) {
        report_missing(&look, &log->missing[i]);
    }
    for (u32 i = 0; i < log->segment_count; i++) {
        TRY(look_at_segment(&look, log->segments[i]));
    }
    *frames_out = look.frames;
    return OK;
}

/* --- salvage ------------------------------------------------------------------------------- */

static err say_moved(struct log *log, u64 segment, const struct log_salvage_report *report)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%016llx.seg", (unsigned long long)segment);
    TRY(log__quarantine(log, name));
    report->moved(report->ctx, name);
    return OK;
}

static void note_any(void *ctx, const struct log_damage *damage)
{
    (void)damage;
    *(bool *)ctx = true;
}

/* Rewrites what is damaged without the frames that cannot be read. */
static err replace_damaged(struct log *log, const struct log_salvage_report *report)
{
    for (u32 i = 0; i < log->segment_count;) {
        bool is_damaged = false;
        struct log__segment *segment = log->segments[i];
        struct look look = {.log = log, .each = note_any, .ctx = &is_damaged};
        if (segment != log->active) {
            TRY(look_at_segment(&look, segment));
        }
        if (!is_damaged) {
            i++;
            continue;
        }
        u64 no = segment->id.segment;
        TRY(log__rewrite_readable(log, segment));
        TRY(say_moved(log, no, report));
        i = 0; /* The table has changed. */
    }
    return OK;
}

err log_salvage(struct os *os, const struct log_options *options,
                const struct log_salvage_report *report, struct diag *diag)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        struct log *log;
        u64 bad = 0;
        diag_init(diag);
        err e = log__open_salvage(os, options, &log, &bad, diag);
        if (e == ERR_CORRUPT && bad != 0) { /* It cannot be used at all: out of the way. */
            TRY(log__open_bare(os, options, &log, diag));
            e = say_moved(log, bad, report);
            log__abandon(log);
            TRY(e);
            continue;
        }
        TRY(e);
        e = replace_damaged(log, report);
        if (e == OK) {
            e = log__note_salvage(log); /* So that no number is ever given again. */
        }
        if (e == OK) {
            log_close(log);
        } else {
            log__abandon(log);
        }
        return e;
    }
    return ERR_CORRUPT;
}
