/*
 * tests/crash/crash_main.c: power failures, simulated. Runs every script and the
 * damage test on all CPUs, then every deliberate bug (base/plant.h) against the
 * scripts until one finds it.
 *
 *     crash                 what `make test` runs; with LEAT_SLOW=1 two and a half million states
 *     crash SCRIPT [BUG]    one script or "damage"; with a planted bug as it is looked for
 */
#include "crash.h"

#include "base/plant.h"
#include "base/trace.h"
#include "os/os.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int plant_bug = BUG_NONE;

enum { SCRIPTS_MIN = 40, BUGS_MIN = 60, TASKS_MAX = 256, STATES_MIN = 100000 };
enum { STATES_MIN_LONG = 1000000, DAMAGE_AFTER = 3 }; /* It is quick. */

static const struct crash_budget usual = {10, 60, 60, .flips = 600};
static const struct crash_budget lengthy = {13, 12000, 60, .is_whole = true};
static const struct crash_budget light = {4, 10, 0, .flips = 60};

/* --- scripts ------------------------------------------------------------------------------- */

struct script {
    const char *name;
    void (*judge)(int index, const struct crash_budget *budget, struct crash_outcome *out);
    int index;
};

static struct script scripts[TASKS_MAX];
static int script_count, log_count;

static void damage_task(int index, const struct crash_budget *budget, struct crash_outcome *out)
{
    (void)index;
    damage_judge(budget, out);
}

static void collect(void)
{
    for (int i = 0; log_script_name(i) != NULL; i++) {
        scripts[script_count++] = (struct script){log_script_name(i), log_script_judge, i};
    }
    log_count = script_count;
    for (int i = 0; service_script_name(i) != NULL; i++) {
        scripts[script_count++] = (struct script){service_script_name(i), service_script_judge, i};
    }
    scripts[script_count] = (struct script){"damage", damage_task, 0};
}

/* --- bugs ---------------------------------------------------------------------------------- */

static const char *const bug_texts[] = {"none",
#define PLANT(name, text) text,
                                        LOG_PLANTS(PLANT) OS_PLANTS(PLANT) SERVICE_PLANTS(PLANT)
#undef PLANT
};

#define PLANT(name, text) +1
enum { LOG_BUGS = 0 LOG_PLANTS(PLANT) };
#undef PLANT

static bool is_found_by(int bug, const struct script *script)
{
    (void)fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(freopen("/dev/null", "w", stdout) != NULL);
        CHECK(freopen("/dev/null", "w", stderr) != NULL);
        plant_bug = bug;
        (void)alarm(120); /* A run without an end is no proof. */
        struct crash_outcome outcome = {.states = 0};
        script->judge(script->index, &light, &outcome);
        _exit(outcome.is_good ? 0 : 1);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    bool is_endless = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    return !is_endless && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Which script to try at turn `turn`: the quick ones first. Bugs of the log are looked for by the
 * log's scripts and by damage, the others by the first one and by those of services. */
static int script_at(int bug, int turn)
{
    if (bug > LOG_BUGS) {
        return turn == 0 ? 0 : (log_count + turn - 1) % script_count;
    }
    if (turn == DAMAGE_AFTER) {
        return script_count;
    }
    return turn < DAMAGE_AFTER ? turn : turn - 1;
}

/* Where bugs of services show, from each one on to the next: tried before all others. */
static const struct {
    int bug;
    const char *script;
} near[] = {
    {BUG_SQLITE_NO_SYNC, "metrics"},
    {BUG_S3_NO_SYNC, "s3_put"},
    {BUG_S3_CRC_SKIPPED, "s3_damage"},
    {BUG_S3_ROWS_APART, "s3_put"},
    {BUG_CATALOG_RESTATED_DIES, "streams_restated"},
    {BUG_REPLAY_POSITION_APART, "replay"},
    {BUG_SNAPSHOT_NO_SYNC, "engine"},
    {BUG_OUTBOX_CURSOR_FIRST, "outbox_files"},
    {BUG_OUTBOX_LETTERS_APART, "outbox_calls"},
    {BUG_OUTBOX_RESTATED_OLD, "outbox_files"},
};

static int script_by_name(const char *name)
{
    for (int i = 0; i <= script_count; i++) {
        if (strcmp(name, scripts[i].name) == 0) {
            return i;
        }
    }
    return -1;
}

static int script_near(int bug)
{
    const char *name = NULL;
    for (int i = 0; i < COUNT_OF(near) && near[i].bug <= bug; i++) {
        name = near[i].script;
    }
    return name == NULL ? -1 : script_by_name(name);
}

static int script_that_finds(int bug)
{
    int first = script_near(bug);
    if (first >= 0 && is_found_by(bug, &scripts[first])) {
        return first;
    }
    for (int turn = 0; turn < script_count; turn++) {
        int script = script_at(bug, turn);
        if (is_found_by(bug, &scripts[script])) {
            return script;
        }
    }
    return -1;
}

/* --- a pool of processes ------------------------------------------------------------------- */

struct result {
    struct crash_outcome outcome;
    int found_by;
    double seconds;
    bool is_done;
};

static double seconds(void)
{
    return (double)os_mono_ns(os_real()) / 1e9;
}

static void say_script(int task, const struct result *r)
{
    printf("  %-24s %8llu %s %6.1f s%s%s\n", scripts[task].name,
           (unsigned long long)r->outcome.states, task == script_count ? "damages" : "states ",
           r->seconds,
           r->outcome.is_good ? "" : "  VIOLATION: ", r->outcome.is_good ? "" : r->outcome.why);
}

static void say_bug(int bug, const struct result *r)
{
    if (r->found_by >= 0) {
        printf("  bug %2d: %-70s found by %s, %.1f s\n", bug, bug_texts[bug],
               scripts[r->found_by].name, r->seconds);
    }
}

static void task_run(int task, const struct crash_budget *budget, struct result *result)
{
    double start = seconds();
    if (task <= script_count) {
        scripts[task].judge(scripts[task].index, budget, &result->outcome);
    } else {
        result->found_by = script_that_finds(task - script_count);
    }
    result->seconds = seconds() - start;
    if (task <= script_count) {
        say_script(task, result);
    } else {
        say_bug(task - script_count, result);
    }
    (void)fflush(stdout);
    result->is_done = true;
}

/* A task that ends its process leaves is_done false, and its worker is replaced. */
static pid_t worker_start(int count, const struct crash_budget *budget, struct result *results,
                          int *next)
{
    (void)fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (;;) {
            int task = __atomic_fetch_add(next, 1, __ATOMIC_RELAXED);
            if (task >= count) {
                _exit(0);
            }
            task_run(task, budget, &results[task]);
        }
    }
    return child;
}

/* Scripts of jobs wait for threads of the code under test most of their time. */
enum { WORKERS_PER_CPU = 3 };

static void pool_run(int count, const struct crash_budget *budget, struct result *results,
                     int *next)
{
    int running = 0;
    for (int i = 0; i < WORKERS_PER_CPU * os_cpu_count(); i++) {
        (void)worker_start(count, budget, results, next);
        running++;
    }
    while (running > 0) {
        int status = 0;
        CHECK(wait(&status) > 0);
        running--;
        if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
            (void)worker_start(count, budget, results, next);
            running++;
        }
    }
}

/* --- reports ------------------------------------------------------------------------------- */

static bool report_scripts(const struct result *results, u64 states_min)
{
    bool is_good = true;
    u64 states = 0;
    for (int i = 0; i <= script_count; i++) {
        const struct result *r = &results[i];
        bool is_right = r->is_done && r->outcome.is_good;
        if (!r->is_done) {
            printf("  %-24s VIOLATION: the process ended\n", scripts[i].name);
        }
        is_good = is_good && is_right;
        states += i < script_count ? r->outcome.states : 0;
    }
    printf("%d scripts, %llu distinct crash states, %llu damages: %s\n", script_count,
           (unsigned long long)states, (unsigned long long)results[script_count].outcome.states,
           is_good ? "0 violations" : "VIOLATIONS");
    if (script_count < SCRIPTS_MIN || states < states_min) {
        printf("too few: at least %d scripts and %llu states are wanted\n", SCRIPTS_MIN,
               (unsigned long long)states_min);
        return false;
    }
    return is_good;
}

static bool report_bugs(const struct result *results)
{
    int found = 0;
    for (int bug = 1; bug < BUG_COUNT; bug++) {
        const struct result *r = &results[script_count + bug];
        bool is_found = r->is_done && r->found_by >= 0;
        if (!is_found) {
            printf("  bug %2d: %-70s SURVIVED\n", bug, bug_texts[bug]);
        }
        found += is_found;
    }
    printf("%d of %d planted bugs found\n", found, BUG_COUNT - 1);
    return found == BUG_COUNT - 1 && found >= BUGS_MIN;
}

static bool is_slow(void)
{
    const char *slow = os_getenv("LEAT_SLOW");
    return slow != NULL && strcmp(slow, "1") == 0;
}

static int run_all(void)
{
    bool is_long = is_slow();
    int count = script_count + BUG_COUNT; /* The damage test stands between the two. */
    size_t bytes = sizeof(struct result) * (size_t)count + sizeof(int);
    struct result *results =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(results != MAP_FAILED);
    double start = seconds();
    pool_run(count, is_long ? &lengthy : &usual, results, (int *)(void *)(results + count));
    bool is_good = report_scripts(results, is_long ? STATES_MIN_LONG : STATES_MIN);
    is_good = report_bugs(results) && is_good;
    printf("%.1f s\n", seconds() - start);
    CHECK(munmap(results, bytes) == 0);
    return is_good ? 0 : 1;
}

/* With a bug: as it is looked for. */
static const struct crash_budget *one_budget(void)
{
    return plant_bug != BUG_NONE ? &light : is_slow() ? &lengthy : &usual;
}

static int run_one(const char *name)
{
    int i = script_by_name(name);
    if (i < 0) {
        printf("there is no script \"%s\"\n", name);
        return 2;
    }
    struct crash_outcome outcome = {.states = 0};
    double start = seconds();
    scripts[i].judge(scripts[i].index, one_budget(), &outcome);
    printf("%s: %llu states, %.1f s: %s\n", name, (unsigned long long)outcome.states,
           seconds() - start, outcome.is_good ? "ok" : outcome.why);
    return outcome.is_good ? 0 : 1;
}

static void be_quiet(void *ctx, str line)
{
    (void)ctx;
    (void)line;
}

int main(int argc, char **argv)
{
    trace_set_sink(be_quiet, NULL, NULL);
    collect();
    plant_bug = argc > 2 ? atoi(argv[2]) : BUG_NONE;
    return argc > 1 ? run_one(argv[1]) : run_all();
}
