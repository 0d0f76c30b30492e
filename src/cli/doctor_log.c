/* cli/doctor_log.c: what is damaged in a data directory that no leat has open, and --salvage. */
#include "base/cal.h"
#include "base/trace.h"
#include "cli/doctor.h"
#include "log/log.h"
#include "stream/stream.h"

#include <stdio.h>

enum { PATH_BYTES = 1100 };

static const char *const control_names[LOG_CONTROL_COUNT] = {
    [LOG_CONTROL_STREAMS] = "the catalog of streams",
    [LOG_CONTROL_ENGINE] = "the catalog of SQL and jobs",
    [LOG_CONTROL_JOURNAL] = "the journal of steps",
    [LOG_CONTROL_OUTBOX] = "the cursors of outboxes",
    [LOG_CONTROL_META] = "the log's own",
    [LOG_CONTROL_FEED] = "the positions of replays",
};

struct check {
    struct doctor *d;
    struct streams *streams; /* NULL: their catalog cannot be read. */
    u64 damages;
    enum outcome state;             /* Of what is lost: WARNING when it is about to be given up. */
    char missing[PATH_BYTES + 128]; /* The first segment without a file; empty: none. */
};

static void be_quiet(void *ctx, str line)
{
    (void)ctx;
    (void)line;
}

static void report_control(struct check *c, const struct log_damage_run *run)
{
    const char *name =
        run->channel.shard < LOG_CONTROL_COUNT ? control_names[run->channel.shard] : NULL;
    doctor_report(c->d, c->state, "lost", NULL, "%u records of %s, %llu to %llu", run->count,
                  name == NULL ? "a channel that this leat does not know" : name,
                  (unsigned long long)run->first_no,
                  (unsigned long long)(run->first_no + run->count - 1));
}

static void report_run(struct check *c, const struct log_damage_run *run, i64 arrival_ms)
{
    struct stream *stream =
        c->streams == NULL ? NULL : streams_find_number(c->streams, run->channel.stream);
    if (stream == NULL) {
        doctor_report(c->d, c->state, "lost", NULL,
                      "%u records of a stream without a name (number %u), shard %u", run->count,
                      run->channel.stream, run->channel.shard);
        return;
    }
    struct stream_info info;
    struct stream_shard shard;
    char first[STREAM_SEQUENCE_DIGITS + 1] = "?", last[STREAM_SEQUENCE_DIGITS + 1] = "?", id[21];
    stream_get_info(stream, &info);
    stream_shard_format(run->channel.shard, id);
    if (stream_find_shard(stream, run->channel.shard, &shard)) {
        stream_row_sequence(stream, run->channel.shard, run->first_no, arrival_ms, first);
        stream_row_sequence(stream, run->channel.shard, run->first_no + run->count - 1, arrival_ms,
                            last);
    }
    doctor_report(c->d, c->state, "lost", NULL,
                  "%u records of stream \"" STR_FMT "\" (" STR_FMT ", " STR_FMT
                  "), %s, sequence numbers %s to %s",
                  run->count, STR_ARG(info.id.name), STR_ARG(info.id.account),
                  STR_ARG(info.id.region), id, first, last);
    stream_unref(stream);
}

/* A segment as a whole: the records' streams cannot be told, their numbers can. */
static void report_whole(struct check *c, const struct log_damage *damage)
{
    char from[32] = "?", to[32] = "?", path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/log/%016llx.seg", c->d->data_dir,
                   (unsigned long long)damage->segment);
    if (c->missing[0] == '\0') {
        (void)snprintf(c->missing, sizeof c->missing, "%s: \"%s\"", damage->what, path);
    }
    if (damage->lsn_first == 0 || damage->lsn_last == 0) { /* At an end of the log. */
        doctor_report(
            c->d, c->state, "lost", NULL,
            "%s: its records, LSN %llu %s; of which streams cannot be told", path,
            (unsigned long long)(damage->lsn_last == 0 ? damage->lsn_first : damage->lsn_last),
            damage->lsn_last == 0 ? "and later" : "and earlier");
        return;
    }
    if (damage->lsn_first > damage->lsn_last) {
        doctor_report(c->d, c->state, "lost", NULL,
                      "%s: its records, older than LSN %llu; of which streams cannot be told", path,
                      (unsigned long long)damage->lsn_first);
        return;
    }
    (void)cal_format_iso_ms(damage->arrival_first_ms * 1000, from);
    (void)cal_format_iso_ms(damage->arrival_last_ms * 1000, to);
    doctor_report(c->d, c->state, "lost", NULL,
                  "%s: LSN %llu to %llu, records %llu to %llu, arrived %s to %s; of which streams "
                  "cannot be told",
                  path, (unsigned long long)damage->lsn_first, (unsigned long long)damage->lsn_last,
                  (unsigned long long)damage->no_first, (unsigned long long)damage->no_last, from,
                  to);
}

static void on_damage(void *ctx, const struct log_damage *damage)
{
    struct check *c = ctx;
    c->damages++;
    if (damage->is_whole) {
        report_whole(c, damage);
        return;
    }
    if (damage->bytes == 0) {
        doctor_report(c->d, WARNING, "damage", NULL, "%s/log/%016llx.seg: %s", c->d->data_dir,
                      (unsigned long long)damage->segment, damage->what);
        return;
    }
    char from[32], to[32];
    (void)cal_format_iso_ms(damage->arrival_first_ms * 1000, from);
    (void)cal_format_iso_ms(damage->arrival_last_ms * 1000, to);
    doctor_report(c->d, c->state, "damage", NULL,
                  "%s/log/%016llx.seg, offset %llu, %llu bytes: %s, LSN %llu to %llu, records %llu "
                  "to %llu, arrived %s to %s%s",
                  c->d->data_dir, (unsigned long long)damage->segment,
                  (unsigned long long)damage->offset, (unsigned long long)damage->bytes,
                  damage->what, (unsigned long long)damage->lsn_first,
                  (unsigned long long)damage->lsn_last, (unsigned long long)damage->no_first,
                  (unsigned long long)damage->no_last, from, to,
                  damage->run_count == 0 ? "; of which streams cannot be told" : "");
    for (u32 i = 0; i < damage->run_count; i++) {
        const struct log_damage_run *run = &damage->runs[i];
        if (run->channel.stream == 0) {
            report_control(c, run);
        } else {
            report_run(c, run, damage->arrival_first_ms);
        }
    }
}

static void on_moved(void *ctx, const char *name)
{
    struct doctor *d = ctx;
    doctor_report(d, WARNING, "salvage", NULL, "%s was moved to %s/log/lost+found", name,
                  d->data_dir);
}

static void report_all(struct doctor *d, const struct check *c, u64 frames)
{
    static const char hint[] =
        "restore a backup, or go on without what is lost: leat doctor --salvage";
    if (c->missing[0] != '\0') {
        doctor_report(d, BAD, "log", hint, "%s", c->missing);
    } else if (c->damages == 0) {
        doctor_report(d, GOOD, "log", NULL, "%llu frames of %s/log read, all intact",
                      (unsigned long long)frames, d->data_dir);
    } else {
        doctor_report(d, BAD, "log", hint, "%llu damages in %llu frames of %s/log",
                      (unsigned long long)c->damages, (unsigned long long)frames, d->data_dir);
    }
}

/* `is_before_salvage`: says what will be lost, and no more. */
static void check_open(struct doctor *d, struct log *log, bool is_before_salvage)
{
    struct check c = {.d = d, .state = is_before_salvage ? WARNING : BAD};
    struct diag diag;
    u64 frames = 0;
    diag_init(&diag);
    if (streams_open(os_real(), log, &c.streams, &diag) != OK) {
        c.streams = NULL;
    }
    err e = log_check(log, on_damage, &c, &frames);
    if (c.streams != NULL) {
        streams_close(c.streams);
    }
    if (e != OK) {
        doctor_report(d, BAD, "log", NULL, "%s/log cannot be read: %s", d->data_dir, err_text(e));
    } else if (!is_before_salvage) {
        report_all(d, &c, frames);
    }
}

void doctor_check_log(struct doctor *d, bool is_salvaging)
{
    char path[PATH_BYTES];
    struct os_stat stat;
    struct diag diag;
    struct log *log;
    (void)snprintf(path, sizeof path, "%s/log", d->data_dir);
    if (os_stat_path(os_real(), path, &stat) != OK) {
        return; /* Nothing was ever written. */
    }
    struct log_options options = {.dir = path};
    trace_set_sink(be_quiet, NULL, NULL);
    diag_init(&diag);
    if (is_salvaging && log_open_check(os_real(), &options, &log, &diag) == OK) {
        check_open(d, log, true);
        log_close_check(log);
    }
    diag_init(&diag);
    if (is_salvaging) {
        struct log_salvage_report report = {on_moved, d};
        err e = log_salvage(os_real(), &options, &report, &diag);
        if (e != OK) {
            doctor_report(d, BAD, "salvage", diag.hint[0] == '\0' ? NULL : diag.hint, "%s",
                          diag.message[0] == '\0' ? err_text(e) : diag.message);
            return;
        }
    }
    diag_init(&diag);
    err e = log_open_check(os_real(), &options, &log, &diag);
    if (e == ERR_NOT_FOUND) {
        doctor_report(d, GOOD, "log", NULL, "%s is new", path);
    } else if (e != OK) {
        doctor_report(d, BAD, "log",
                      e == ERR_CORRUPT
                          ? "restore a backup, or go on without what is lost: leat doctor --salvage"
                          : NULL,
                      "%s", diag.message[0] == '\0' ? err_text(e) : diag.message);
    } else {
        check_open(d, log, false);
        log_close_check(log);
    }
}
