/* cli/cmd_job.c: leat job list, show, stop. */
#include "cli/api.h"
#include "cli/commands.h"

#include <stdio.h>

static const struct option output_option = {
    "output", OPTION_TEXT, "table|json", "json: as the API answers.", NULL, 0, false};

static void count_print(const struct json_value *job, const char *name, const char *label)
{
    (void)printf("  %-14s %lld\n", label, (long long)json_get_i64(job, str_of(name), 0));
}

/* What keeps rows from their sinks now; a job may be over before they have arrived. */
static void problems_print(const struct json_value *job, const char *indent)
{
    const struct json_value *sink = json_first(json_get(job, STR("sinks")));
    for (; sink != NULL; sink = json_next(sink)) {
        str problem = json_get_text(sink, STR("problem"));
        i64 left = json_get_i64(sink, STR("rows"), 0) -
                   json_get_i64(sink, STR("delivered_rows"), 0) -
                   json_get_i64(sink, STR("rejected_rows"), 0);
        if (problem.len > 0) {
            (void)printf("%snot delivered yet, and tried again: %lld rows for ", indent,
                         (long long)MAX(left, 0));
            print_plain(json_get_text(sink, STR("table")), true);
            (void)printf(": ");
            print_plain(problem, true);
            (void)putchar('\n');
        }
    }
}

static void line_print(const struct json_value *job)
{
    (void)printf("%-8.*s %-10.*s %12lld %12lld %12lld  ", STR_ARG(json_get_text(job, STR("id"))),
                 STR_ARG(json_get_text(job, STR("state"))),
                 (long long)json_get_i64(job, STR("rows_in"), 0),
                 (long long)json_get_i64(job, STR("rows_out"), 0),
                 (long long)json_get_i64(job, STR("dead_letters"), 0));
    print_plain(json_get_text(job, STR("name")), true);
    (void)putchar('\n');
    str reason = json_get_text(job, STR("reason"));
    if (reason.len > 0) {
        (void)printf("%8s ", "");
        print_plain(reason, true);
        (void)putchar('\n');
    }
    problems_print(job, "         ");
}

static void ends_print(const struct json_value *job, const char *member, const char *label)
{
    const struct json_value *end = json_first(json_get(job, str_of(member)));
    for (; end != NULL; end = json_next(end)) {
        str place = json_get_text(end, STR("stream"));
        place = place.len > 0 ? place : json_get_text(end, STR("target"));
        (void)printf("  %-14s ", label);
        print_plain(json_get_text(end, STR("table")), true);
        (void)printf(" (");
        print_plain(place, true);
        (void)printf(" in " STR_FMT ")\n", STR_ARG(json_get_text(end, STR("region"))));
    }
}

static void job_print(const struct json_value *job)
{
    static const struct {
        const char *name, *label;
    } counts[] = {{"rows_in", "rows in"},
                  {"rows_out", "rows out"},
                  {"rows_filtered", "filtered"},
                  {"rows_late", "late"},
                  {"dead_letters", "dead letters"},
                  {"bytes_in", "bytes in"},
                  {"bytes_out", "bytes out"},
                  {"steps", "steps"},
                  {"lag_ms", "lag, ms"}};
    (void)printf(STR_FMT " ", STR_ARG(json_get_text(job, STR("id"))));
    print_plain(json_get_text(job, STR("name")), true);
    (void)printf(": " STR_FMT "\n", STR_ARG(json_get_text(job, STR("state"))));
    str reason = json_get_text(job, STR("reason"));
    if (reason.len > 0) {
        (void)printf("  %-14s ", "reason");
        print_plain(reason, true);
        (void)putchar('\n');
    }
    ends_print(job, "sources", "from");
    ends_print(job, "sinks", "to");
    problems_print(job, "  ");
    for (int i = 0; i < COUNT_OF(counts); i++) {
        count_print(job, counts[i].name, counts[i].label);
    }
    (void)printf("  %-14s " STR_FMT " of " STR_FMT "\n", "position (LSN)",
                 STR_ARG(json_get_text(job, STR("position_lsn"))),
                 STR_ARG(json_get_text(job, STR("tip_lsn"))));
    if (json_get(job, STR("watermark_ms")) != NULL) {
        (void)printf("  %-14s ", "watermark");
        print_time_ms(json_get_i64(job, STR("watermark_ms"), 0));
        (void)putchar('\n');
    }
    (void)putchar('\n');
    print_plain(json_get_text(job, STR("sql")), false);
    (void)putchar('\n');
}

static void list_print(const struct json_value *answer, const void *ctx)
{
    (void)ctx;
    const struct json_value *job = json_first(json_get(answer, STR("jobs")));
    if (job == NULL) {
        (void)puts("no jobs: leat run FILE.sql starts some");
    } else {
        (void)printf("%-8s %-10s %12s %12s %12s  %s\n", "JOB", "STATE", "ROWS IN", "ROWS OUT",
                     "DEAD LETTERS", "NAME");
    }
    for (; job != NULL; job = json_next(job)) {
        line_print(job);
    }
}

static void show_print(const struct json_value *answer, const void *ctx)
{
    (void)ctx;
    job_print(json_first(json_get(answer, STR("jobs"))));
}

static void stop_print(const struct json_value *answer, const void *ctx)
{
    (void)answer;
    (void)printf("stopped %s\n", (const char *)ctx);
}

int cmd_job_list(int argc, char **argv)
{
    enum { OUTPUT };
    struct option options[] = {[OUTPUT] = output_option, {.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("job list"), options, argc, argv, words, &a) ||
        !arguments_none("job list", &a)) {
        return EXIT_USAGE;
    }
    struct buf path = {0};
    buf_append(&path, STR("/_leat/api/jobs"));
    return api_show("GET", &path, STR_EMPTY, &options[OUTPUT], list_print, NULL);
}

int cmd_job_show(int argc, char **argv)
{
    enum { OUTPUT };
    struct option options[] = {[OUTPUT] = output_option, {.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("job show"), options, argc, argv, words, &a) ||
        !arguments_one("job show", "ID", &a)) {
        return EXIT_USAGE;
    }
    struct buf path = {0};
    buf_append(&path, STR("/_leat/api/jobs/"));
    api_segment(&path, str_of(a.words[0]));
    return api_show("GET", &path, STR_EMPTY, &options[OUTPUT], show_print, NULL);
}

int cmd_job_stop(int argc, char **argv)
{
    enum { OUTPUT };
    struct option options[] = {[OUTPUT] = output_option, {.name = NULL}};
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("job stop"), options, argc, argv, words, &a) ||
        !arguments_one("job stop", "ID", &a)) {
        return EXIT_USAGE;
    }
    struct buf path = {0};
    buf_append(&path, STR("/_leat/api/jobs/"));
    api_segment(&path, str_of(a.words[0]));
    buf_append(&path, STR("/stop"));
    return api_show("POST", &path, STR("{}"), &options[OUTPUT], stop_print, a.words[0]);
}
