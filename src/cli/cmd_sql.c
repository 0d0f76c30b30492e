/* cli/cmd_sql.c: leat run and leat sql: statements to the server. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/sql_client.h"
#include "os/process.h"

#include <stdio.h>

enum { SCRIPT_BYTES_MAX = 1 << 20, READ_BYTES = 65536 };

/* JSON cannot carry other bytes; replaced ones would be another statement. */
static bool is_text(const struct sql_request *request)
{
    isize end = str_utf8_end(request->sql), line = 1, column = 1;
    if (end == request->sql.len) {
        return true;
    }
    for (isize i = 0; i < end; i++) {
        u8 c = request->sql.data[i];
        column = c == '\n' ? 1 : column + ((c & 0xC0) != 0x80);
        line += c == '\n';
    }
    str file = request->file.len > 0 ? request->file : STR("statement");
    print_error("save the text as UTF-8, for example with: iconv -f ISO-8859-1 -t UTF-8",
                STR_FMT ":%td:%td: the byte 0x%02X is not UTF-8", STR_ARG(file), line, column,
                request->sql.data[end]);
    return false;
}

int sql_send(const struct sql_request *request, struct sql_print *print)
{
    struct buf body = {0};
    if (!is_text(request)) {
        return EXIT_SQL;
    }
    buf_append_byte(&body, '{');
    api_member(&body, "sql", request->sql);
    api_member(&body, "file", request->file);
    api_member(&body, "mode", request->mode);
    api_member(&body, "from", request->from);
    api_member(&body, "session", request->session);
    api_member(&body, "region", str_of(request->region));
    buf_append(&body, request->keeps_tables ? STR(",\"keep_tables\":true") : STR_EMPTY);
    buf_append_byte(&body, '}');
    print->column_count = -1;
    int code = api_lines("POST", "/_leat/api/sql", buf_str(&body), sql_print_line, print);
    buf_deinit(&body);
    return code != EXIT_OK ? code : print->code;
}

static void session_delete(const char *session, const char *tail)
{
    struct arena arena = {0};
    struct buf path = {0};
    str answer;
    buf_append(&path, STR("/_leat/api/sql/"));
    api_segment(&path, str_of(session));
    buf_append(&path, str_of(tail));
    /* Either ends by itself, if later. */
    IGNORE(api_call(&arena, "DELETE", api_path(&path), STR_EMPTY, &answer) == EXIT_OK);
    buf_deinit(&path);
    arena_deinit(&arena);
}

void sql_query_end(const char *session)
{
    session_delete(session, "/query");
}

void sql_session_end(const char *session)
{
    session_delete(session, "");
}

static int file_read(const char *path, struct arena *arena, str *out)
{
    err e = os_read_file(os_real(), path, SCRIPT_BYTES_MAX, arena, out);
    if (e == OK && out->len > 0) {
        return EXIT_OK;
    }
    if (e == OK) {
        print_error(NULL, "%s is empty", path);
        return EXIT_FAILED;
    }
    print_error(e == ERR_LIMIT ? "a script may have 1 MiB" : NULL, "cannot read %s: %s", path,
                e == ERR_LIMIT ? "it is too large" : os_errno_text());
    return e == ERR_NOT_FOUND ? EXIT_ABSENT : EXIT_FAILED;
}

static int input_read(struct buf *out)
{
    isize got;
    do {
        u8 *room = buf_reserve(out, READ_BYTES);
        got = os_input_read(room, READ_BYTES);
        out->len += MAX(got, 0);
    } while (got > 0 && out->len <= SCRIPT_BYTES_MAX);
    if (got != 0) {
        print_error(NULL, got > 0 ? "a script may have 1 MiB" : "cannot read the input");
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

static enum sql_form form_of(const struct option *output)
{
    static const char *const names[] = {"table", "json", "ndjson", "csv"};
    for (int i = 0; output->text != NULL && i < COUNT_OF(names); i++) {
        if (strcmp(output->text, names[i]) == 0) {
            return (enum sql_form)i;
        }
    }
    return os_is_terminal(1) ? SQL_FORM_TABLE : SQL_FORM_NDJSON;
}

static int run_file(const char *path, struct sql_request *request, enum sql_form form)
{
    struct arena arena = {0};
    struct sql_print print = {.form = form, .is_run = true};
    request->file = str_of(path);
    int code = file_read(path, &arena, &request->sql);
    if (code == EXIT_OK) {
        code = sql_send(request, &print);
    }
    sql_print_end(&print);
    arena_deinit(&arena);
    return code;
}

int cmd_run(int argc, char **argv)
{
    enum { RESTART, AGAIN, FROM, REGION, OUTPUT };
    struct option options[] = {
        [RESTART] = {"restart", OPTION_FLAG, NULL,
                     "Replace the job of the same statements; go on where it stood.", NULL, 0,
                     false},
        [AGAIN] = {"again", OPTION_FLAG, NULL, "Start one more job of the same statements.", NULL,
                   0, false},
        [FROM] = {"from", OPTION_TEXT, "WHERE", "latest, trim-horizon or a UTC time.", NULL, 0,
                  false},
        [REGION] = {"region", OPTION_TEXT, "R", "Region of tables that name none.", NULL, 0, false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json|ndjson", "json: the jobs as one object.",
                    "table", 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("run"), options, argc, argv, words, &a) ||
        !arguments_one("run", "FILE.sql", &a)) {
        return EXIT_USAGE;
    }
    if (options[RESTART].is_given && options[AGAIN].is_given) {
        print_error(NULL, "--restart and --again exclude each other");
        return EXIT_USAGE;
    }
    struct sql_request request = {
        .mode = STR("start"), .region = api_region(&options[REGION]), .keeps_tables = true};
    request.mode = options[RESTART].is_given ? STR("restart") : request.mode;
    request.mode = options[AGAIN].is_given ? STR("again") : request.mode;
    request.from = str_of(options[FROM].text);
    return run_file(a.words[0], &request, form_of(&options[OUTPUT]));
}

int cmd_sql(int argc, char **argv)
{
    enum { COMMAND, FILE_OPTION, FROM, REGION, OUTPUT };
    struct option options[] = {
        [COMMAND] = {"command", OPTION_TEXT, "SQL", "Run this and end.", NULL, 0, false},
        [FILE_OPTION] = {"file", OPTION_TEXT, "FILE", "Run a file and end.", NULL, 0, false},
        [FROM] =
            {"from", OPTION_TEXT, "WHERE",
             "Where SELECT begins: latest, trim-horizon or a UTC time; else as the tables say.",
             NULL, 0, false},
        [REGION] = {"region", OPTION_TEXT, "R", "Region of tables that name none.", NULL, 0, false},
        [OUTPUT] = {"output", OPTION_TEXT, "table|json|ndjson|csv",
                    "table on a terminal, else ndjson.", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments a;
    if (!options_parse(command_get("sql"), options, argc, argv, words, &a)) {
        return EXIT_USAGE;
    }
    if ((options[FILE_OPTION].is_given && options[COMMAND].is_given) || a.count > 0) {
        print_error("leat sql -c 'SHOW TABLES'",
                    a.count > 0 ? "leat sql takes no \"%s\"" : "give --file or --command, not both",
                    a.count > 0 ? a.words[0] : "");
        return EXIT_USAGE;
    }
    os_interrupt_catch();
    struct sql_print print = {.form = form_of(&options[OUTPUT])};
    struct sql_request request = {.region = api_region(&options[REGION]),
                                  .from = str_of(options[FROM].text)};
    bool is_shell = !options[COMMAND].is_given && !options[FILE_OPTION].is_given;
    if (is_shell && os_is_terminal(0)) {
        return sql_shell(request.region, print.form);
    }
    struct arena arena = {0};
    struct buf input = {0};
    int code = EXIT_OK;
    if (options[COMMAND].is_given) {
        request.sql = str_of(options[COMMAND].text);
    } else if (options[FILE_OPTION].is_given) {
        request.file = str_of(options[FILE_OPTION].text);
        code = file_read(options[FILE_OPTION].text, &arena, &request.sql);
    } else {
        code = input_read(&input);
        request.sql = buf_str(&input);
    }
    code = code == EXIT_OK ? sql_send(&request, &print) : code;
    sql_print_end(&print);
    buf_deinit(&input);
    arena_deinit(&arena);
    return code;
}
