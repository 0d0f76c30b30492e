/* cli/cmd_backup.c: leat backup and leat restore. */
#include "cli/api.h"
#include "cli/backup_files.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/server.h"
#include "os/process.h"
#include "os/tree.h"

#include <stdio.h>

enum { PATH_BYTES = 1024, SHOW_MS = 200, NS_PER_MS = 1000000 };

/* --- progress --------------------------------------------------------------------------------- */

struct shown {
    bool is_terminal;
    u64 shown_ns;
    u64 bytes; /* In all; 0 = not known. */
};

static bool tell(void *ctx, const struct backup_progress *p)
{
    struct shown *shown = ctx;
    u64 now = os_mono_ns(os_real());
    if (shown->is_terminal && now - shown->shown_ns > (u64)SHOW_MS * NS_PER_MS) {
        shown->shown_ns = now;
        (void)fprintf(stderr, "\r%llu files, %.1f MiB", (unsigned long long)p->files,
                      (double)p->bytes / (1 << 20));
        if (shown->bytes > 0) {
            (void)fprintf(stderr, " of %.1f", (double)shown->bytes / (1 << 20));
        }
        (void)fprintf(stderr, "\033[K");
    }
    return !os_interrupt_is_set();
}

static void shown_end(const struct shown *shown)
{
    if (shown->shown_ns > 0) {
        (void)fprintf(stderr, "\r\033[K");
    }
}

/* --- where to ----------------------------------------------------------------------------------
 */

static bool note_entry(void *ctx, const char *name)
{
    (void)name;
    *(bool *)ctx = true;
    return false;
}

/* An empty directory, or one to be made; *is_new_out says which. Else an error was printed. */
static int target_check(const char *path, const char *what, bool *is_new_out)
{
    struct os_stat at;
    bool has_entries = false;
    err e = os_stat_path(os_real(), path, &at);
    *is_new_out = e == ERR_NOT_FOUND;
    if (*is_new_out) {
        return EXIT_OK;
    }
    if (e == OK && at.kind == OS_DIR) {
        e = os_list(os_real(), path, note_entry, &has_entries);
    }
    if (e != OK) {
        print_error(NULL, "cannot use \"%s\": %s", path, os_errno_text());
        return EXIT_FAILED;
    }
    if (at.kind != OS_DIR || has_entries) {
        print_error("name a directory that is empty or not there yet", "%s \"%s\" is not empty",
                    what, path);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static void report(const char *verb, const char *where, i64 at_ms, const struct backup_progress *p,
                   bool is_json)
{
    if (is_json) {
        struct buf out = {0};
        buf_append(&out, STR("{\"path\":"));
        json_write_string(&out, str_of(where));
        (void)printf(STR_FMT ",\"at_ms\":%lld,\"files\":%llu,\"bytes\":%llu}\n",
                     STR_ARG(buf_str(&out)), (long long)at_ms, (unsigned long long)p->files,
                     (unsigned long long)p->bytes);
        buf_deinit(&out);
        return;
    }
    (void)printf("%s %llu files, %.1f MiB, as of ", verb, (unsigned long long)p->files,
                 (double)p->bytes / (1 << 20));
    print_time_ms(at_ms);
    (void)printf(" UTC: %s\n", where);
}

static int fail(const struct diag *diag, err e)
{
    if (os_interrupt_is_set()) {
        print_error(NULL, "interrupted");
        return EXIT_INTERRUPTED;
    }
    print_error(diag->hint[0] != '\0' ? diag->hint : NULL, "%s", diag->message);
    return e == ERR_NOT_FOUND ? EXIT_ABSENT : e == ERR_CORRUPT ? EXIT_CHECK : EXIT_FAILED;
}

/* --- leat backup -------------------------------------------------------------------------------
 */

struct backup {
    const char *to;
    struct shown shown;
    struct backup_progress progress;
    struct diag diag;
    i64 at_ms;
    err result;
    bool is_staged;
};

static bool on_line(void *ctx, str line)
{
    struct backup *b = ctx;
    struct arena arena = {0};
    const struct json_value *answer = json_parse_request(&arena, line);
    str staged = json_get_text(answer, STR("staged"));
    bool is_staged = staged.len > 0;
    if (is_staged) {
        b->is_staged = true;
        b->at_ms = json_get_i64(answer, STR("at_ms"), 0);
        const char *from = arena_cstr(&arena, staged);
        b->result = backup_write(os_real(), from, b->to, &b->progress, &b->diag);
    }
    arena_deinit(&arena);
    return !is_staged; /* To close the connection tells the server that its files are not needed. */
}

static int backup_run(struct backup *b)
{
    int code = api_lines("POST", "/_leat/api/backup", STR("{}"), on_line, b);
    shown_end(&b->shown);
    if (!b->is_staged) {
        return code != EXIT_OK ? code : EXIT_REMOTE;
    }
    if (b->result == OK) {
        b->result = backup_finish(os_real(), b->to, b->at_ms, &b->progress, &b->diag);
    }
    return b->result == OK ? EXIT_OK : fail(&b->diag, b->result);
}

int cmd_backup(int argc, char **argv)
{
    enum { OUTPUT };
    struct option options[] = {
        [OUTPUT] = {"output", OPTION_TEXT, "text|json", "json: one object.", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    bool is_new = false;
    if (!options_parse(command_get("backup"), options, argc, argv, words, &a) ||
        !arguments_one("backup", "DIR", &a)) {
        return EXIT_USAGE;
    }
    bool is_json = option_is_json(&options[OUTPUT]);
    struct backup b = {.to = a.words[0]};
    b.shown.is_terminal = os_is_terminal(2);
    b.progress.tell = tell;
    b.progress.ctx = &b.shown;
    diag_init(&b.diag);
    int code = target_check(b.to, "the backup's directory", &is_new);
    if (code != EXIT_OK) {
        return code;
    }
    os_interrupt_catch();
    code = backup_run(&b);
    if (code == EXIT_OK) {
        report("backed up", b.to, b.at_ms, &b.progress, is_json);
    } else if (is_new) {
        IGNORE(os_tree_remove(os_real(), b.to)); /* Half a backup is none. */
    }
    return code;
}

/* --- leat restore ------------------------------------------------------------------------------
 */

static err restore(const char *from, const char *to, struct backup_progress *progress,
                   struct diag *diag)
{
    char half[PATH_BYTES + 16];
    (void)snprintf(half, sizeof half, "%.1000s.restoring", to);
    err e = os_tree_remove(os_real(), half);
    e = e == OK ? os_mkdir_all(os_real(), half) : e;
    if (e != OK) {
        return diag_set(diag, e, "BAK015", "cannot use \"%s\": %s", half, os_errno_text());
    }
    e = backup_read(os_real(), from, half, progress, diag);
    if (e == OK) {
        e = os_rename(os_real(), half, to); /* Replaces an empty directory. */
        e = e == OK ? OK
                    : diag_set(diag, e, "BAK015", "cannot rename \"%s\" to \"%s\": %s", half, to,
                               os_errno_text());
    }
    if (e != OK) {
        IGNORE(os_tree_remove(os_real(), half));
    }
    return e;
}

int cmd_restore(int argc, char **argv)
{
    enum { DATA, OUTPUT };
    struct option options[] = {
        [DATA] = {"data", OPTION_TEXT, "DIR", "The data directory to make (as for leat start).",
                  NULL, 0, false},
        [OUTPUT] = {"output", OPTION_TEXT, "text|json", "json: one object.", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("restore"), options, argc, argv, words, &a) ||
        !arguments_one("restore", "DIR", &a)) {
        return EXIT_USAGE;
    }
    bool is_json = option_is_json(&options[OUTPUT]);
    bool is_new = false;
    char data_dir[PATH_BYTES];
    if (options[DATA].text == NULL && !server_data_dir_default(data_dir, PATH_BYTES)) {
        return EXIT_CONFIGURATION;
    }
    const char *to = options[DATA].text != NULL ? options[DATA].text : data_dir;
    struct arena arena = {0};
    struct diag diag;
    diag_init(&diag);
    struct backup_about about = {0};
    struct shown shown = {.is_terminal = os_is_terminal(2)};
    struct backup_progress progress = {.tell = tell, .ctx = &shown};
    int code = target_check(to, "the data directory", &is_new);
    err e = code == EXIT_OK ? backup_open(os_real(), a.words[0], &arena, &about, &diag) : OK;
    if (code == EXIT_OK && e == OK) {
        shown.bytes = about.bytes;
        os_interrupt_catch();
        e = restore(a.words[0], to, &progress, &diag);
        shown_end(&shown);
    }
    if (e != OK) {
        code = fail(&diag, e);
    } else if (code == EXIT_OK) {
        report("restored", to, about.at_ms, &progress, is_json);
    }
    arena_deinit(&arena);
    return code;
}
