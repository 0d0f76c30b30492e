/*
 * tests/crash/service_crash.c: power failures under the services' metadata (SQLite
 * over os/): of every state that a crash could leave, what was acknowledged is
 * there, what was under way is there as a whole or not at all, and the service
 * opens. Metrics and mails stand for all services: they share aws/common/store.c.
 */
#include "enumerate.h"

#include "aws/cloudwatch/cw_store.h"
#include "aws/sns/sns_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 64, START_S = 1767225600 };

/* SQLite knows one machine; which simulated one it is changes underneath. */
static struct os machine;
static struct os_fs lying_fs;

/* A disk that says "done" and does nothing: what the test must find. */
static err lie(struct os_file *file)
{
    (void)file;
    return OK;
}

static void machine_set(struct sim *sim, bool is_lying)
{
    machine = *sim_os(sim);
    if (is_lying) {
        lying_fs = *machine.fs;
        lying_fs.sync = lie;
        machine.fs = &lying_fs;
    }
}

struct script {
    const char *name;
    void (*run)(struct script *script);
    /* How much of the history the image holds: a number of steps, -1 when it is torn. */
    int (*read)(void);
    struct sim *sim, *start;
    isize marks[STEPS_MAX]; /* Trace position after each step. */
    int steps;
    u64 judged;
    char why[200];
};

static void must(err e, const char *what)
{
    if (e != OK) {
        (void)fprintf(stderr, "%s: %s\n", what, err_text(e));
        exit(1);
    }
}

static void trace_start(struct script *script)
{
    script->start = sim_clone(script->sim);
    sim_trace_start(script->sim);
}

static void step_done(struct script *script)
{
    if (script->steps < STEPS_MAX) {
        script->marks[script->steps++] = sim_trace_count(script->sim);
    }
}

/* --- metrics ------------------------------------------------------------------------------- */

static struct cw_store *metrics_open(void)
{
    struct cw_store *store;
    struct diag diag;
    diag_init(&diag);
    return cw_store_open(&machine, "/cloudwatch", &store, &diag) == OK ? store : NULL;
}

static struct cw_datum datum_of(str metric, double value)
{
    return (struct cw_datum){.series = {STR("a"), STR("r"), STR("n"), metric, NULL, 0},
                             .time_s = START_S,
                             .is_per_second = true,
                             .value = {1, value, value, value}};
}

/* Step i adds 2^i to a metric and makes one of its own, in one call. */
static void metrics_put(struct script *script, struct cw_store *store)
{
    char name[16];
    (void)snprintf(name, sizeof name, "m%d", script->steps);
    struct cw_datum data[] = {datum_of(STR("all"), (double)((u64)1 << script->steps)),
                              datum_of(str_of(name), 1)};
    must(cw_store_put(store, data, 2), "put");
    step_done(script);
}

static void metrics_run(struct script *script)
{
    trace_start(script); /* The making of the file is in it. */
    struct cw_store *store = metrics_open();
    for (int i = 0; i < 10; i++) {
        metrics_put(script, store);
        if (i % 4 == 3) {
            must(cw_store_maintain(store, START_S + (i < 6 ? 0 : 4 * 3600)), "flush");
        }
    }
    cw_store_close(store);
}

static double metric_sum(struct cw_store *store, str metric)
{
    struct arena arena = {0};
    struct cw_datum datum = datum_of(metric, 0);
    struct cw_range range = {START_S, START_S + 60, 60};
    struct cw_point *points;
    isize count;
    err e = cw_store_get(store, &datum.series, &range, &arena, &points, &count);
    double sum = e != OK || count > 1 ? -1 : 0;
    for (isize i = 0; i < count && e == OK; i++) {
        sum += points[i].value.sum;
    }
    arena_deinit(&arena);
    return sum;
}

static int metrics_read(void)
{
    struct cw_store *store = metrics_open();
    if (store == NULL) {
        return -1;
    }
    double sum = metric_sum(store, STR("all"));
    int steps = 0;
    while (steps < STEPS_MAX - 1 && sum > (double)(((u64)1 << steps) - 1)) {
        steps++;
    }
    bool is_whole = sum == (double)(((u64)1 << steps) - 1);
    for (int i = 0; i < 10 && is_whole; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "m%d", i);
        is_whole = metric_sum(store, str_of(name)) == (i < steps ? 1 : 0);
    }
    cw_store_close(store);
    return is_whole ? steps : -1;
}

/* --- mails --------------------------------------------------------------------------------- */

static struct sns_store *mails_open(void)
{
    struct sns_store *store;
    struct diag diag;
    diag_init(&diag);
    return sns_store_open(&machine, "/sns", &store, &diag) == OK ? store : NULL;
}

static bool mail_next(void *ctx, struct sns_mail *out)
{
    int *left = ctx;
    *out = (struct sns_mail){.at_us = START_S, .raw = STR("raw"), .state = SNS_MAIL_PENDING};
    return (*left)-- > 0;
}

/* Each step adds three mails in one call. */
static void mails_run(struct script *script)
{
    struct sns_store *store = mails_open();
    trace_start(script);
    for (int i = 0; i < 12; i++) {
        int left = 3;
        struct sns_mail_source source = {mail_next, &left};
        must(sns_mail_add(store, &source), "mail");
        step_done(script);
    }
    sns_store_close(store);
}

static int mails_read(void)
{
    struct sns_store *store = mails_open();
    struct sns_mail_counts counts;
    if (store == NULL) {
        return -1;
    }
    bool is_whole = sns_mail_count(store, &counts) == OK && counts.total % 3 == 0 &&
                    counts.pending == counts.total;
    sns_store_close(store);
    return is_whole ? (int)(counts.total / 3) : -1;
}

/* --- judgement ----------------------------------------------------------------------------- */

static bool check(void *ctx, struct sim *image, isize point)
{
    struct script *script = ctx;
    machine_set(image, false);
    int acknowledged = 0;
    while (acknowledged < script->steps && script->marks[acknowledged] <= point) {
        acknowledged++;
    }
    int found = script->read();
    script->judged++;
    bool is_right = found == acknowledged || found == acknowledged + 1;
    if (!is_right) {
        (void)snprintf(script->why, sizeof script->why,
                       "at operation %td: %d steps were acknowledged, %d are there", point,
                       acknowledged, found);
    }
    return is_right;
}

/* True when every state is as it must be, and there were enough of them. */
static bool script_judge(struct script *script, bool is_lying)
{
    script->sim = sim_new(3);
    machine_set(script->sim, is_lying);
    script->run(script);
    struct crash_run run = {
        .start = script->start,
        .traced = script->sim,
        .marks = script->marks,
        .mark_count = script->steps,
        .subsets_bits = 4,
        .random_count = 20,
        .seed = 11,
        .check = check,
        .ctx = script,
        .seen = crash_seen_new(),
    };
    bool is_right = crash_enumerate(&run);
    u64 distinct = crash_seen_count(run.seen);
    (void)printf("%-8s %2d steps, %6td operations, %6llu distinct states: %s%s\n", script->name,
                 script->steps, sim_trace_count(script->sim), (unsigned long long)distinct,
                 is_right   ? "ok"
                 : is_lying ? "found, as planted: "
                            : "VIOLATION ",
                 script->why);
    crash_seen_free(run.seen);
    sim_trace_stop(script->sim);
    sim_free(script->start);
    sim_free(script->sim);
    return is_right && distinct >= 500;
}

int main(void)
{
    const struct script scripts[] = {
        {.name = "metrics", .run = metrics_run, .read = metrics_read},
        {.name = "mails", .run = mails_run, .read = mails_read},
    };
    bool is_right = true;
    for (int i = 0; i < COUNT_OF(scripts); i++) {
        struct script honest = scripts[i], planted = scripts[i];
        is_right = script_judge(&honest, false) && is_right;
        is_right = !script_judge(&planted, true) && planted.why[0] != '\0' && is_right;
    }
    return is_right ? 0 : 1;
}
