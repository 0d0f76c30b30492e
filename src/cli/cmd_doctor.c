/* cli/cmd_doctor.c: leat doctor: what leat and its clients need on this machine. Changes nothing
 * but for a temporary file in the data directory. */
#include "base/buf.h"
#include "base/cal.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/doctor.h"
#include "cli/env.h"
#include "cli/server.h"
#include "net/tls.h"
#include "os/process.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PATH_BYTES = 1024,
    TEXT_BYTES = 512,
    SYNC_COUNT = 32,
    SYNC_SLOW_US = 20000,
    RUN_MS = 20000,
    PORT_DEFAULT = 4566,
};
enum { GIB = 1 << 30, SPACE_LEAST = 256 << 20 };
static const i64 earliest_us = 1704067200000000; /* 2024-01-01: a clock before it was never set. */

void doctor_report(struct doctor *d, enum outcome outcome, const char *name, const char *fix,
                   const char *format, ...)
{
    static const char *const words[] = {"ok", "warning", "failed"};
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    d->has_failed = d->has_failed || outcome == BAD;
    if (!d->is_json) {
        (void)printf("%-8s %-10s %s\n", words[outcome], name, text);
        if (fix != NULL) {
            (void)printf("%19s help: %s\n", "", fix);
        }
        return;
    }
    struct buf out = {0};
    buf_printf(&out, "%s{\"name\":\"%s\",\"status\":\"%s\",\"message\":", d->count > 0 ? "," : "",
               name, words[outcome]);
    json_write_string(&out, str_of(text));
    if (fix != NULL) {
        buf_append(&out, STR(",\"help\":"));
        json_write_string(&out, str_of(fix));
    }
    (void)printf(STR_FMT "}", STR_ARG(buf_str(&out)));
    buf_deinit(&out);
    d->count++;
}

/* --- the server and its port
 * ----------------------------------------------------------------------------- */

static void check_server(struct doctor *d)
{
    str text;
    d->is_running = api_answers(&d->arena, "/_leat/api/info", &text);
    const struct json_value *info = d->is_running ? json_parse_request(&d->arena, text) : NULL;
    if (info == NULL) {
        d->is_running = false;
        doctor_report(d, WARNING, "server", "leat start starts it; LEAT_ENDPOINT says where it is",
                      "none answers at %s", api_endpoint());
        return;
    }
    doctor_report(d, GOOD, "server", NULL, "leat " STR_FMT " at %s, data in " STR_FMT,
                  STR_ARG(json_get_text(info, STR("version"))), api_endpoint(),
                  STR_ARG(json_get_text(info, STR("data_dir"))));
    if (json_get_bool(info, STR("injects_faults"), false)) {
        doctor_report(d, WARNING, "faults", "leat start without --fault-rate and --fault-latency",
                      "calls of Kinesis fail or wait on purpose");
    }
    if (json_get_bool(info, STR("enforces_limits"), false)) {
        doctor_report(d, GOOD, "limits", NULL, "shards take what AWS's take (--enforce-limits)");
    }
}

static void check_port(struct doctor *d)
{
    char holder[TEXT_BYTES] = "another user's process";
    bool is_known = os_port_holder(d->port, holder, (isize)sizeof holder);
    if (!is_known && !os_port_is_taken(d->port)) {
        doctor_report(d, GOOD, "port", NULL, "%u is free", d->port);
        return;
    }
    bool is_ours = is_known && strncmp(holder, "leat", 4) == 0;
    if (is_ours) {
        doctor_report(d, GOOD, "port", NULL, "%u is held by %s", d->port, holder);
    } else {
        doctor_report(d, BAD, "port", "end it, or leat start --port N and LEAT_ENDPOINT",
                      "%u is held by %s", d->port, holder);
    }
}

/* --- the machine
 * ----------------------------------------------------------------------------------------- */

static void check_clock(struct doctor *d)
{
    i64 now_us = os_wall_us(os_real());
    char now[32];
    (void)cal_format_iso_ms(now_us, now);
    if (now_us < earliest_us) {
        doctor_report(d, BAD, "clock", "set it: arrival times and signatures need it", "it says %s",
                      now);
    } else {
        doctor_report(d, GOOD, "clock", NULL, "%s", now);
    }
}

/* The data directory, or the nearest one above it that exists. */
static const char *existing_dir(const char *path, char *out)
{
    struct os_stat stat;
    str_copy_cstr(str_of(path), out, PATH_BYTES);
    while (os_stat_path(os_real(), out, &stat) != OK) {
        isize slash = str_rfind_byte(str_of(out), '/');
        if (slash <= 0) {
            return slash == 0 ? "/" : ".";
        }
        out[slash] = '\0';
    }
    return out;
}

static void check_space(struct doctor *d, const char *dir)
{
    struct os_space space;
    if (os_space_at(os_real(), dir, &space) != OK) {
        doctor_report(d, BAD, "disk", NULL, "the space of %s cannot be read: %s", dir,
                      os_errno_text());
        return;
    }
    double free_gib = (double)space.free_bytes / GIB;
    if (space.free_bytes < SPACE_LEAST) {
        doctor_report(d, BAD, "disk", "free some, or use leat start --data DIR elsewhere",
                      "%.2f GiB are free in %s", free_gib, dir);
    } else {
        doctor_report(d, space.free_bytes < GIB ? WARNING : GOOD, "disk", NULL,
                      "%.1f GiB are free in %s", free_gib, dir);
    }
}

static int compare_u64(const void *a, const void *b)
{
    const u64 *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static err syncs_time(const char *path, u64 *times_us)
{
    struct os *os = os_real();
    struct os_file *file;
    static const u8 block[4096];
    TRY(os_open(os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file));
    err e = OK;
    for (int i = 0; i < SYNC_COUNT && e == OK; i++) {
        u64 start_ns = os_mono_ns(os);
        e = os_write_at(file, (u64)i * sizeof block, block, (isize)sizeof block);
        e = e == OK ? os_sync(file) : e;
        times_us[i] = (os_mono_ns(os) - start_ns) / 1000;
    }
    IGNORE(os_close(file));      /* It goes at once. */
    IGNORE(os_unlink(os, path)); /* As above. */
    return e;
}

static void check_sync(struct doctor *d, const char *dir)
{
    char path[PATH_BYTES + 32];
    u64 times_us[SYNC_COUNT];
    (void)snprintf(path, sizeof path, "%s/leat-doctor.%llx", dir,
                   (unsigned long long)os_mono_ns(os_real()));
    if (syncs_time(path, times_us) != OK) {
        doctor_report(d, BAD, "fsync", "choose a directory of your own: leat start --data DIR",
                      "cannot write in %s: %s", dir, os_errno_text());
        return;
    }
    qsort(times_us, SYNC_COUNT, sizeof *times_us, compare_u64);
    u64 middle = times_us[SYNC_COUNT / 2];
    doctor_report(d, middle > SYNC_SLOW_US ? WARNING : GOOD, "fsync",
                  middle > SYNC_SLOW_US ? "a faster disk makes every acknowledgement faster" : NULL,
                  "%llu us in the middle, %llu us at worst", (unsigned long long)middle,
                  (unsigned long long)times_us[SYNC_COUNT - 1]);
}

/* True when nobody uses the directory. */
static bool check_lock(struct doctor *d)
{
    char path[PATH_BYTES + 16];
    struct os_file *file;
    (void)snprintf(path, sizeof path, "%s/log/LOCK", d->data_dir);
    err e = os_open(os_real(), path, OS_WRITE, &file);
    if (e == ERR_NOT_FOUND) {
        doctor_report(d, GOOD, "data", NULL, "%s is new", d->data_dir);
        return true;
    }
    if (e != OK) {
        doctor_report(d, BAD, "data", "it belongs to another user", "cannot open %s: %s", path,
                      os_errno_text());
        return false;
    }
    e = os_lock(file);
    IGNORE(os_close(file)); /* Which gives the lock back. */
    if (e == ERR_IN_USE) {
        doctor_report(d, d->is_running ? GOOD : WARNING, "data",
                      d->is_running ? NULL
                                    : "a leat on another port? LEAT_ENDPOINT says where it is",
                      "%s is in use by a running leat", d->data_dir);
    } else {
        doctor_report(d, GOOD, "data", NULL, "%s is there and not in use", d->data_dir);
    }
    return e == OK;
}

/* --- https
 * -----------------------------------------------------------------------------------------------
 */

static void check_certificate(struct doctor *d)
{
    enum { DAY_S = 24 * 3600 };
    char path[PATH_BYTES + 32];
    struct os_stat stat;
    struct tls_certificate certificate;
    struct diag diag;
    diag_init(&diag);
    (void)snprintf(path, sizeof path, "%s/tls/cert.pem", d->data_dir);
    if (os_stat_path(os_real(), path, &stat) == ERR_NOT_FOUND) {
        doctor_report(d, GOOD, "tls", NULL, "no certificate yet: leat start makes it");
        return;
    }
    if (tls_certificate_read(os_real(), path, &d->arena, &certificate, &diag) != OK) {
        doctor_report(d, BAD, "tls", "leat start makes another", "%s", diag.message);
        return;
    }
    i64 left_s = certificate.ends_s - os_wall_us(os_real()) / 1000000;
    if (left_s <= 0) {
        doctor_report(d, BAD, "tls", "leat start makes another", "%s has ended", path);
    } else {
        doctor_report(d, GOOD, "tls", NULL,
                      "%s is good for %lld days; leat cert tells how to trust it", path,
                      (long long)(left_s / DAY_S));
    }
}

/* --- clients
 * --------------------------------------------------------------------------------------------- */

/* The first "X.Y" of a text as X * 1000 + Y; -1. */
static int version_of(str text)
{
    for (isize i = 0; i < text.len; i++) {
        int major, minor;
        char copy[32];
        str_copy_cstr(str_slice(text, i, i + 20), copy, (isize)sizeof copy);
        if (sscanf(copy, "%4d.%4d", &major, &minor) == 2) {
            return major * 1000 + minor;
        }
    }
    return -1;
}

static str first_line(struct buf *text)
{
    str rest = str_trim(buf_str(text));
    return str_split(&rest, '\n', NULL);
}

static void check_aws(struct doctor *d)
{
    static const char *const words[] = {"aws", "--version", NULL};
    struct buf text = {0};
    int code = 0;
    err e = os_run(words, RUN_MS, &text, &code);
    int version = e == OK && code == 0 ? version_of(buf_str(&text)) : -1;
    bool reads_url = version >= 2013 || (version >= 1029 && version < 2000);
    str line = first_line(&text);
    if (version < 0) {
        doctor_report(d, WARNING, "aws", "apt-get install awscli, if you want it",
                      "there is no working aws command");
    } else if (!reads_url) {
        doctor_report(d, WARNING, "aws",
                      "use leat aws ..., or aws --endpoint-url \"$AWS_ENDPOINT_URL\"",
                      STR_FMT " does not read AWS_ENDPOINT_URL", STR_ARG(line));
    } else {
        doctor_report(d, GOOD, "aws", NULL, STR_FMT, STR_ARG(line));
    }
    buf_deinit(&text);
}

static void check_boto3(struct doctor *d)
{
    static const char *const words[] = {"python3", "-c", "import boto3; print(boto3.__version__)",
                                        NULL};
    struct buf text = {0};
    int code = 0;
    err e = os_run(words, RUN_MS, &text, &code);
    int version = e == OK && code == 0 ? version_of(buf_str(&text)) : -1;
    if (version < 0) {
        doctor_report(d, WARNING, "boto3", "pip install boto3, if you want it",
                      "python3 has no boto3");
    } else if (version < 1028) {
        doctor_report(d, WARNING, "boto3", "give boto3.client(..., endpoint_url=...)",
                      STR_FMT " does not read AWS_ENDPOINT_URL", STR_ARG(first_line(&text)));
    } else {
        doctor_report(d, GOOD, "boto3", NULL, STR_FMT, STR_ARG(first_line(&text)));
    }
    buf_deinit(&text);
}

/* Does the user's own aws get an answer out of this leat? */
static void check_probe(struct doctor *d)
{
    if (!d->is_running || !os_program_exists("aws")) {
        doctor_report(d, WARNING, "probe", NULL,
                      "not made: it needs a running leat and an aws command");
        return;
    }
    char kinesis[] = "kinesis", verb[] = "list-streams", output[] = "--output", json[] = "json";
    char *words[] = {kinesis, verb, output, json};
    const char *all[8];
    struct buf text = {0};
    int code = 0;
    err e = os_run(env_aws_words(COUNT_OF(words), words, all), RUN_MS, &text, &code);
    if (e == OK && code == 0) {
        doctor_report(d, GOOD, "probe", NULL, "aws kinesis list-streams answers");
    } else {
        doctor_report(d, BAD, "probe", "leat aws kinesis list-streams shows it",
                      "aws kinesis list-streams failed: " STR_FMT, STR_ARG(first_line(&text)));
    }
    buf_deinit(&text);
}

/* Can --salvage do anything? If not, it must not look as if it had. */
static bool check_salvage(struct doctor *d, bool is_free)
{
    struct os_stat stat;
    if (!is_free) {
        doctor_report(d, BAD, "salvage", "stop the leat that uses it first", "%s was left as it is",
                      d->data_dir);
    } else if (os_stat_path(os_real(), d->data_dir, &stat) != OK) {
        is_free = false;
        doctor_report(d, BAD, "salvage", NULL, "there is no data directory %s", d->data_dir);
    }
    return is_free;
}

/* --- all of it
 * ----------------------------------------------------------------------------------------- */

int cmd_doctor(int argc, char **argv)
{
    enum { DATA, PORT, SALVAGE, OUTPUT };
    struct option options[] = {
        [DATA] = {"data", OPTION_TEXT, "DIR", "The data directory (as for leat start).", NULL, 0,
                  false},
        [PORT] = {"port", OPTION_NUMBER, "N", "The port that leat start would take (4566).", NULL,
                  PORT_DEFAULT, false},
        [SALVAGE] = {"salvage", OPTION_FLAG, NULL,
                     "Make a damaged --data startable; what is damaged moves to lost+found/.", NULL,
                     0, false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json", "json: one object.", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("doctor"), options, argc, argv, words, &a) ||
        !arguments_none("doctor", &a)) {
        return EXIT_USAGE;
    }
    if (options[DATA].is_given && options[DATA].text[0] == '\0') {
        print_error("leat doctor --data DIR", "--data is empty");
        return EXIT_USAGE;
    }
    if (options[PORT].number < 1 || options[PORT].number > 65535) {
        print_error(NULL, "--port is 1 to 65535, not %lld", (long long)options[PORT].number);
        return EXIT_USAGE;
    }
    char data_dir[PATH_BYTES], near[PATH_BYTES];
    struct doctor d = {.is_json = option_is_json(&options[OUTPUT]),
                       .data_dir = options[DATA].text,
                       .port = (u16)options[PORT].number};
    if (d.data_dir == NULL && !server_data_dir_default(data_dir, PATH_BYTES)) {
        return EXIT_CONFIGURATION;
    }
    d.data_dir = d.data_dir == NULL ? data_dir : d.data_dir;
    (void)fputs(d.is_json ? "{\"checks\":[" : "", stdout);
    check_server(&d);
    check_port(&d);
    check_clock(&d);
    const char *dir = existing_dir(d.data_dir, near);
    check_space(&d, dir);
    check_sync(&d, dir);
    bool is_free = check_lock(&d);
    if (options[SALVAGE].is_given) {
        is_free = check_salvage(&d, is_free);
    }
    if (is_free && (options[DATA].text != NULL || options[SALVAGE].is_given)) {
        doctor_check_log(&d, options[SALVAGE].is_given);
        doctor_check_files(&d);
    }
    check_certificate(&d);
    check_aws(&d);
    check_boto3(&d);
    check_probe(&d);
    if (d.is_json) {
        (void)printf("],\"ok\":%s}\n", d.has_failed ? "false" : "true");
    }
    arena_deinit(&d.arena);
    return d.has_failed ? EXIT_CHECK : EXIT_OK;
}
