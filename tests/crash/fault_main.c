/*
 * tests/crash/fault_main.c: a disk that fails. Each script of service_crash.c is run again for
 * every call that changes the disk: that call fails with EIO or ENOSPC, or writes half and then
 * fails, once or from then on. Whatever the script was told, the process that starts afterwards
 * must find what was acknowledged: with what the kernel still held, without it, and with parts of
 * it. A sync that failed must end the process (os_fatal): nothing else is right.
 *
 *     faults [SCRIPT [NTH]]     LEAT_SLOW=1: every call; else one in a few
 */
#include "enumerate.h"
#include "service.h"

#include "base/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CUTS = 3, RUN_SECONDS = 60, CALLS_PER_SCRIPT = 15 };

struct fault {
    const char *name;
    err e;
    bool is_sticky, is_short;
};

static const struct fault faults[] = {
    {"EIO", ERR_IO, false, false},
    {"EIO for ever", ERR_IO, true, false},
    {"EIO after half", ERR_IO, false, true},
    {"ENOSPC", ERR_FULL, false, false},
    {"ENOSPC for ever", ERR_FULL, true, false},
    {"ENOSPC after half", ERR_FULL, true, true},
};

enum ending { END_LOST, END_WHOLE, END_TOLD, END_FATAL, ENDINGS };

/* Shared with the child. */
struct report {
    u64 calls;
    u64 looks[SERVICE_STEPS_MAX + 1]; /* As they are without a fault. */
    int steps;
    enum ending ending;
    bool is_good;
    char failed[100], told[80], why[200];
};
static struct report *report;

/* --- in the child -------------------------------------------------------------------------- */

static struct service_script *running;
static const struct fault *fault;
static u64 fault_nth;
static int is_over; /* Atomic. */
static _Thread_local bool is_judging;

static bool is_right(u64 found)
{
    int steps = __atomic_load_n(&running->steps, __ATOMIC_ACQUIRE);
    bool is_next = steps < report->steps && found == report->looks[steps + 1];
    return found != 0 && (found == report->looks[steps] || is_next);
}

static bool check(void *ctx, struct sim *image, isize point)
{
    (void)point;
    *service_os = *sim_os(image);
    service_acknowledged = __atomic_load_n(&running->steps, __ATOMIC_ACQUIRE);
    u64 found = running->read();
    bool is_good = is_right(found);
    if (!is_good) {
        (void)snprintf(report->why, sizeof report->why,
                       "%s: %d steps were acknowledged, what is there is %s", (const char *)ctx,
                       running->steps, found == 0 ? "torn" : "something else");
    }
    return is_good;
}

/* Did a sync of one of leat's files fail? One of a user's file may be repeated, with all that it
 * covers. */
static bool must_end(const char *failed)
{
    str what = str_of(failed);
    bool is_outside = running->outside != NULL && str_find(what, str_of(running->outside), 0) >= 0;
    return failed != NULL && str_starts(what, STR("sync")) && !is_outside;
}

/* The process has ended here: looks at what the next one would find. */
static _Noreturn void end(enum ending ending)
{
    if (is_judging) {
        (void)snprintf(report->why, sizeof report->why, "what is there cannot be read");
        report->is_good = false;
        _exit(0);
    }
    if (__atomic_exchange_n(&is_over, 1, __ATOMIC_ACQ_REL) != 0) {
        for (;;) { /* Another thread is looking already. */
            (void)pause();
        }
    }
    const char *failed = sim_failed(running->sim);
    bool is_sync = must_end(failed);
    (void)snprintf(report->failed, sizeof report->failed, "%s", failed == NULL ? "-" : failed);
    report->ending = ending;
    sim_fail_change(running->sim, 1, ERR_IO, true, false); /* Other threads change nothing now. */
    service_os_part();
    service_on_begin = NULL;
    is_judging = true;
    struct sim *image = sim_clone(running->sim);
    static char again[] = "started again";
    bool is_good = check(again, image, 0);
    static char cut[] = "after a power cut";
    struct crash_run run = {.start = running->start,
                            .traced = running->sim,
                            .random_count = CUTS,
                            .is_end_only = true,
                            .seed = fault_nth + 1,
                            .check = check,
                            .ctx = cut,
                            .seen = crash_seen_new()};
    is_good = is_good && crash_enumerate(&run);
    if (is_good && is_sync && ending != END_FATAL) {
        is_good = false;
        (void)snprintf(report->why, sizeof report->why,
                       "a failed %s was answered, the process must end", report->failed);
    }
    report->is_good = is_good;
    (void)fflush(stdout);
    _exit(0);
}

static void on_fatal(const char *what, const char *path, err e)
{
    (void)what;
    (void)path;
    (void)e;
    end(END_FATAL);
}

static void on_error(const char *what, err e)
{
    (void)snprintf(report->told, sizeof report->told, "%s: %s", what, err_text(e));
    end(END_TOLD);
}

static void on_begin(struct service_script *script)
{
    report->calls = sim_changes(script->sim);
    if (fault != NULL) {
        sim_fail_change(script->sim, fault_nth, fault->e, fault->is_sticky, fault->is_short);
        service_on_error = on_error;
        os_set_fatal(on_fatal);
    }
}

static _Noreturn void child_main(struct service_script *script)
{
    (void)alarm(RUN_SECONDS);
    running = script;
    script->sim = sim_new(3);
    *service_os = *sim_os(script->sim);
    service_on_begin = on_begin;
    script->run(script);
    if (fault == NULL) {
        report->calls = sim_changes(script->sim) - report->calls;
        report->steps = script->steps;
        memcpy(report->looks, script->looks, sizeof report->looks);
        report->is_good = true;
        _exit(0);
    }
    end(END_WHOLE);
}

/* --- in the parent ------------------------------------------------------------------------- */

static bool run_child(const struct service_script *script, const struct fault *with, u64 nth)
{
    report->is_good = false;
    report->ending = END_LOST;
    report->why[0] = '\0';
    report->failed[0] = '\0';
    report->told[0] = '\0';
    (void)fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct service_script copy = *script;
        fault = with;
        fault_nth = nth;
        child_main(&copy);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        (void)snprintf(report->why, sizeof report->why, "the process ended with status %x",
                       (unsigned)status);
        report->is_good = false;
    }
    return report->is_good;
}

static bool sweep(const struct service_script *script, u64 only, bool is_whole, u64 *runs_out)
{
    u64 endings[ENDINGS] = {0};
    bool is_good = run_child(script, NULL, 0);
    u64 calls = report->calls;
    u64 stride = is_whole ? 1 : 1 + calls / CALLS_PER_SCRIPT;
    if (!is_good) {
        printf("  %-18s without a fault: %s\n", script->name, report->why);
        return false;
    }
    for (int i = 0; i < COUNT_OF(faults); i++) {
        for (u64 nth = only > 0 ? only : 1 + (u64)i % stride; nth <= (only > 0 ? only : calls);
             nth += stride) {
            if (!run_child(script, &faults[i], nth)) {
                printf("  %-18s call %llu (%s), %s: %s (%s)\n", script->name,
                       (unsigned long long)nth, report->failed, faults[i].name, report->why,
                       report->told);
                is_good = false;
            }
            endings[report->ending]++;
            (*runs_out)++;
        }
    }
    printf("  %-18s %5llu calls: %llu runs: %llu ended the process, %llu were told, %llu went on\n",
           script->name, (unsigned long long)calls,
           (unsigned long long)(endings[END_FATAL] + endings[END_TOLD] + endings[END_WHOLE]),
           (unsigned long long)endings[END_FATAL], (unsigned long long)endings[END_TOLD],
           (unsigned long long)endings[END_WHOLE]);
    (void)fflush(stdout);
    return is_good;
}

static void be_quiet(void *ctx, str line)
{
    (void)ctx;
    (void)line;
}

int main(int argc, char **argv)
{
    trace_set_sink(be_quiet, NULL, NULL);
    const char *slow = os_getenv("LEAT_SLOW");
    bool is_whole = slow != NULL && strcmp(slow, "1") == 0;
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(report != MAP_FAILED);
    u64 runs = 0;
    bool is_good = true;
    for (int i = 0; service_scripts[i].name != NULL; i++) {
        const struct service_script *script = &service_scripts[i];
        bool is_wanted = argc < 2 || strcmp(argv[1], script->name) == 0;
        if (is_wanted && script->run != NULL) {
            is_good = sweep(script, argc > 2 ? (u64)atoi(argv[2]) : 0, is_whole, &runs) && is_good;
        }
    }
    printf("%llu faults: %s\n", (unsigned long long)runs, is_good ? "0 violations" : "VIOLATIONS");
    return is_good && runs > 0 ? 0 : 1;
}
