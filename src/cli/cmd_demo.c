/* cli/cmd_demo.c: leat demo: the founding pipeline on a new data directory, in the foreground
 * (demo/README.md). */
#include "base/cal.h"
#include "base/trace.h"
#include "cli/commands.h"
#include "cli/demo_int.h"
#include "cli/replay_client.h"
#include "cli/server.h"
#include "cli/term.h"
#include "os/os.h"
#include "os/process.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    PATH_BYTES = 1024,
    PORT_DEFAULT = 4566,
    ROWS_DEFAULT = 100000,
    ROWS_ONCE = 20000,
    RATE_DEFAULT = 200,
    PASSES = 10000,
    VIEW_MS = 1000,
    LINE_MS = 10000,
    ONCE_POLL_MS = 100,
    CLOSE_WAIT_MS = 3000, /* Longer than a window and its lateness. */
    VIEW_LINES = 9,
    MIB = 1 << 20,
};

/* --- the data directory
 * ---------------------------------------------------------------------------------- */

static bool found_name(void *ctx, const char *name)
{
    (void)name;
    *(bool *)ctx = true;
    return false;
}

/* A new one, or the one given when it is empty or absent: an existing one is never touched. */
static int data_dir_make(const char *given, char *out)
{
    if (given == NULL) {
        const char *temporary = os_getenv("TMPDIR");
        (void)snprintf(out, PATH_BYTES, "%s/leat-demo-XXXXXX",
                       temporary != NULL && temporary[0] != '\0' ? temporary : "/tmp");
        if (mkdtemp(out) == NULL) {
            print_error("--data DIR names another place", "no directory can be made in %s", out);
            return EXIT_CONFIGURATION;
        }
        return EXIT_OK;
    }
    bool is_used = false;
    err e = os_list(os_real(), given, found_name, &is_used);
    if (e != OK && e != ERR_NOT_FOUND) {
        print_error(NULL, "%s cannot be used: %s", given, os_errno_text());
        return EXIT_CONFIGURATION;
    }
    if (is_used) {
        char hint[PATH_BYTES + 64];
        (void)snprintf(hint, sizeof hint,
                       "a demo begins on a new directory; leat start --data %s goes on with it",
                       given);
        print_error(hint, "%s is not empty", given);
        return EXIT_CONFIGURATION;
    }
    (void)snprintf(out, PATH_BYTES, "%s", given);
    return EXIT_OK;
}

/* --- the live view
 * --------------------------------------------------------------------------------------- */

struct view {
    struct demo_counts last;
    u64 last_ns, started_ns;
    bool is_terminal, is_drawn;
};

static double per_second(u64 now, u64 before, double seconds)
{
    return seconds > 0 && now >= before ? (double)(now - before) / seconds : 0;
}

static void clock_text(i64 ms, char *out, isize bytes)
{
    struct cal cal;
    if (ms == INT64_MIN) {
        (void)snprintf(out, (size_t)bytes, "none yet");
        return;
    }
    cal_from_us(ms * 1000, &cal);
    (void)snprintf(out, (size_t)bytes, "%02d:%02d:%02d.%03d UTC", cal.hour, cal.minute, cal.second,
                   cal.nanos / 1000000);
}

static void view_lines(const struct demo_counts *c, const struct demo_counts *b, double seconds)
{
    char watermark[40];
    clock_text(c->watermark_ms, watermark, (isize)sizeof watermark);
    const char *end = "\033[K\n";
    (void)printf("  S3 object      %12llu rows     %8.0f/s   %llu dead letters%s",
                 (unsigned long long)c->replay_rows,
                 per_second(c->replay_rows, b->replay_rows, seconds),
                 (unsigned long long)c->dead_letters, end);
    (void)printf("  stream 1       %12llu records  %8.0f/s   %.1f MiB%s",
                 (unsigned long long)c->one, per_second(c->one, b->one, seconds),
                 (double)c->one_bytes / MIB, end);
    (void)printf("  SQL job        %12llu rows     %8.0f/s   watermark %s, %lld ms behind%s",
                 (unsigned long long)c->founding_in,
                 per_second(c->founding_in, b->founding_in, seconds), watermark,
                 (long long)c->lag_ms, end);
    (void)printf("  stream 2       %12llu records  %8.0f/s   Severity > 2%s",
                 (unsigned long long)c->two, per_second(c->two, b->two, seconds), end);
    (void)printf("  archive        %12llu records             %llu objects, %.1f MiB%s",
                 (unsigned long long)c->archive_delivered, (unsigned long long)c->archive_objects,
                 (double)c->archive_bytes / MIB, end);
    (void)printf("  metrics        %12llu windows  %8.0f/s   %llu series over the cap left out%s",
                 (unsigned long long)c->metrics_delivered,
                 per_second(c->metrics_delivered, b->metrics_delivered, seconds),
                 (unsigned long long)c->series_left_out, end);
    (void)printf("  mails          %12llu          %8.0f/s   %s%s",
                 (unsigned long long)c->mails_delivered,
                 per_second(c->mails_delivered, b->mails_delivered, seconds), c->last_mail, end);
    (void)printf("  memory         %12.1f MiB resident%s", (double)os_resident_bytes() / MIB, end);
    (void)printf("  %s%s", c->problem[0] != '\0' ? c->problem : "Ctrl-C stops it", end);
}

static void view_line(const struct demo_counts *c)
{
    (void)printf("%llu rows replayed, stream 1 %llu, stream 2 %llu, archive %llu records in %llu "
                 "objects, metrics %llu windows, mails %llu, %.1f MiB%s%s\n",
                 (unsigned long long)c->replay_rows, (unsigned long long)c->one,
                 (unsigned long long)c->two, (unsigned long long)c->archive_delivered,
                 (unsigned long long)c->archive_objects, (unsigned long long)c->metrics_delivered,
                 (unsigned long long)c->mails_delivered, (double)os_resident_bytes() / MIB,
                 c->problem[0] != '\0' ? "; " : "", c->problem);
}

static void view_draw(struct view *view, const struct demo_counts *counts)
{
    u64 now = os_mono_ns(os_real());
    double seconds = (double)(now - view->last_ns) / 1e9;
    if (view->is_terminal) {
        if (view->is_drawn) {
            (void)printf("\033[%dA", VIEW_LINES);
        }
        view_lines(counts, &view->last, seconds);
        view->is_drawn = true;
    } else {
        view_line(counts);
    }
    (void)fflush(stdout);
    view->last = *counts;
    view->last_ns = now;
}

/* In slices, so that Ctrl-C is seen at once. */
static void pause_ms(u32 ms)
{
    for (u32 done = 0; done < ms && !os_interrupt_is_set(); done += ONCE_POLL_MS) {
        os_sleep_ms(os_real(), ONCE_POLL_MS);
    }
}

static int show(const struct demo *demo)
{
    struct view view = {.is_terminal = os_is_terminal(1), .last_ns = os_mono_ns(os_real())};
    while (!os_interrupt_is_set()) {
        struct demo_counts counts;
        int code = demo_counts_read(demo, &counts);
        if (code != EXIT_OK) {
            return code;
        }
        view_draw(&view, &counts);
        pause_ms(view.is_terminal ? VIEW_MS : LINE_MS);
    }
    return EXIT_OK;
}

/* --- --once
 * ----------------------------------------------------------------------------------------------
 */

static bool is_through(const struct demo_counts *c)
{
    return c->is_replay_done && c->founding_in == c->one && c->two == c->founding_out &&
           c->archive_delivered == c->one && c->metrics_in == c->two && c->alerts_in == c->two &&
           c->mails_delivered == c->mails_out;
}

/* Until `ready`, a problem, or Ctrl-C. */
static int wait_for(const struct demo *demo, u32 seconds_max,
                    bool (*ready)(const struct demo_counts *), struct demo_counts *out)
{
    u64 deadline = os_mono_ns(os_real()) + (u64)seconds_max * 1000000000U;
    bool is_told = false;
    while (!os_interrupt_is_set()) {
        int code = demo_counts_read(demo, out);
        if (code != EXIT_OK) {
            return code;
        }
        if (out->problem[0] != '\0' && !is_told) {
            (void)fprintf(stderr, "%s\n", out->problem);
            is_told = true;
        }
        if (ready(out)) {
            return EXIT_OK;
        }
        if (os_mono_ns(os_real()) > deadline) {
            view_line(out);
            print_error(NULL, "the rows did not pass within %u s%s%s", seconds_max,
                        out->problem[0] != '\0' ? ": " : "", out->problem);
            return EXIT_TIMEOUT;
        }
        os_sleep_ms(os_real(), ONCE_POLL_MS);
    }
    return EXIT_INTERRUPTED;
}

static bool are_metrics_through(const struct demo_counts *c)
{
    return c->metrics_in == c->two && c->metrics_delivered == c->metrics_out && is_through(c);
}

static int table_check(const char *name, u64 value, u64 expected)
{
    bool is_right = value == expected;
    (void)printf("  %-34s %12llu  %s\n", name, (unsigned long long)value,
                 is_right ? "as it must be" : "WRONG");
    if (!is_right) {
        (void)printf("  %-34s %12llu\n", "  expected", (unsigned long long)expected);
    }
    return is_right ? EXIT_OK : EXIT_CHECK;
}

/* All before the closing row; that one's window stays open. */
static int table_print(const struct demo *demo, const struct demo_counts *before, double seconds)
{
    u64 sum = 0;
    int code = demo_metric_sum(demo, &sum);
    if (code != EXIT_OK) {
        return code;
    }
    (void)printf("\n%llu rows end to end in %.1f s\n", (unsigned long long)before->replay_rows,
                 seconds);
    int bad = 0;
    bad |= table_check("rows of the object", before->replay_rows + before->replay_bad, demo->rows);
    bad |= table_check("records in stream 1", before->one, before->replay_rows);
    bad |= table_check("records in stream 2", before->two, before->founding_out);
    bad |= table_check("archived bytes", before->archive_bytes, before->replay_bytes);
    bad |= table_check("metric, summed over the severities", sum, before->two);
    bad |= table_check("mails", before->mails_delivered, before->mails_out);
    (void)printf("  %-34s %12.1f MiB\n", "memory", (double)os_resident_bytes() / MIB);
    return bad != 0 ? EXIT_CHECK : EXIT_OK;
}

static int once(struct demo *demo)
{
    enum { SECONDS = 120 };
    u64 started = os_mono_ns(os_real());
    struct demo_counts before, after;
    int code = wait_for(demo, SECONDS, is_through, &before);
    double seconds = (double)(os_mono_ns(os_real()) - started) / 1e9;
    if (code == EXIT_OK) {
        pause_ms(CLOSE_WAIT_MS);
        code = demo_close_windows(demo);
    }
    while (code == EXIT_OK) {
        code = wait_for(demo, SECONDS, are_metrics_through, &after);
        if (code == EXIT_OK && after.two > before.two) {
            u64 sum = 0;
            code = demo_metric_sum(demo, &sum);
            bool is_late = (double)(os_mono_ns(os_real()) - started) / 1e9 > seconds + SECONDS;
            if (code != EXIT_OK || sum >= before.two || is_late) {
                break;
            }
        }
        os_sleep_ms(os_real(), ONCE_POLL_MS);
    }
    return code == EXIT_OK ? table_print(demo, &before, seconds) : code;
}

/* --- the command
 * ----------------------------------------------------------------------------------------- */

static void announce(const char *endpoint, const char *data_dir, u16 port)
{
    (void)printf("\nopen      %s/\n"
                 "from another machine: ssh -L %u:127.0.0.1:%u THIS-HOST, then open "
                 "http://127.0.0.1:%u/\n"
                 "data      %s\n\n",
                 endpoint, port, port, port, data_dir);
    (void)fflush(stdout);
}

static int serve(struct demo *demo, const struct server_options *options, bool is_once)
{
    struct server *server;
    struct diag diag;
    diag_init(&diag);
    err e = server_open(options, &server, &diag);
    if (e != OK) {
        struct buf text = {0};
        diag_render(&diag, STR_EMPTY, term_has_colour(2), &text);
        (void)fwrite(text.data, 1, (size_t)text.len, stderr);
        buf_deinit(&text);
        if (e == ERR_IN_USE) {
            (void)fprintf(stderr, "  help: leat demo --port N takes another one\n");
        }
        return e == ERR_IN_USE ? EXIT_TRY_AGAIN : EXIT_INTERNAL;
    }
    demo->endpoint = server_endpoint(server);
    (void)setenv("LEAT_ENDPOINT", demo->endpoint, 1);
    str port_text = str_of(demo->endpoint);
    u64 port = 0;
    IGNORE(str_to_u64(str_slice(port_text, str_rfind_byte(port_text, ':') + 1, port_text.len),
                      &port)); /* Its own text. */
    int code = demo_setup(demo);
    if (code == EXIT_OK) {
        announce(demo->endpoint, options->data_dir, (u16)port);
        code = is_once ? once(demo) : show(demo);
    }
    (void)printf("\nstopping\n");
    server_close(server);
    (void)printf("the data are in %s\nleat start --data %s goes on with them\n", options->data_dir,
                 options->data_dir);
    return code;
}

int cmd_demo(int argc, char **argv)
{
    enum { PORT, DATA, RATE, ROWS, ONCE };
    struct option options[] = {
        [PORT] = {"port", OPTION_NUMBER, "N", "TCP port (4566; 0 = any free one).", NULL,
                  PORT_DEFAULT, false},
        [DATA] = {"data", OPTION_TEXT, "DIR", "Empty or new (a new temporary one).", NULL, 0,
                  false},
        [RATE] = {"rate", OPTION_TEXT, "N/s", "Rows a second, or unlimited (200/s).", NULL, 0,
                  false},
        [ROWS] = {"rows", OPTION_NUMBER, "N", "Of the object (100000; with --once 20000).", NULL, 0,
                  false},
        [ONCE] = {"once", OPTION_FLAG, NULL, "End when the rows have passed, and check them.", NULL,
                  0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    bool is_parsed = argc <= WORDS_MAX &&
                     options_parse(command_get("demo"), options, argc, argv, words, &a) &&
                     arguments_none("demo", &a);
    if (!is_parsed) {
        return EXIT_USAGE;
    }
    bool is_once = options[ONCE].is_given;
    struct demo demo = {.rows = is_once ? ROWS_ONCE : ROWS_DEFAULT,
                        .rate = is_once ? 0 : RATE_DEFAULT,
                        .passes = is_once ? 1 : PASSES};
    i64 port = options[PORT].number;
    if (options[ROWS].is_given && options[ROWS].number >= 1) {
        demo.rows = (u64)options[ROWS].number;
    }
    if (port < 0 || port > 65535 || (options[ROWS].is_given && options[ROWS].number < 1)) {
        print_error(NULL, "--port is 0 to 65535, --rows at least 1");
        return EXIT_USAGE;
    }
    if (options[RATE].text != NULL && !replay_rate_parse(options[RATE].text, &demo.rate)) {
        return EXIT_USAGE;
    }
    char data_dir[PATH_BYTES];
    int code = data_dir_make(options[DATA].text, data_dir);
    if (code != EXIT_OK) {
        return code;
    }
    os_interrupt_catch();
    trace_set_level(TRACE_ERROR); /* What fails stands in the view. */
    struct server_options server = {.data_dir = data_dir, .bind = "127.0.0.1", .port = (u16)port};
    return serve(&demo, &server, is_once);
}
