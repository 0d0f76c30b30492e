/* cli/cmd_sql.c: leat run and leat sql: statements to the server, results to the terminal. */
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/term.h"
#include "os/os.h"

#include <stdio.h>

enum { FILE_BYTES_MAX = 1 << 20, COLUMNS_MAX = 64, WIDTH_MAX = 60 };

struct printing {
    struct arena arena;
    bool is_json;
    str columns[COLUMNS_MAX];
    isize column_count;
    str *cells; /* Row-major. */
    isize row_count;
    int code;
};

/* --- tables
 * ------------------------------------------------------------------------------------------- */

static isize width_of(str text)
{
    isize width = 0;
    for (isize i = 0; i < text.len; i++) {
        width += (text.data[i] & 0xC0) != 0x80;
    }
    return width;
}

static void rule_print(const isize *widths, isize count)
{
    for (isize i = 0; i < count; i++) {
        (void)fputc('+', stdout);
        for (isize w = 0; w < widths[i] + 2; w++) {
            (void)fputc('-', stdout);
        }
    }
    (void)puts("+");
}

static void cells_print(const str *cells, const isize *widths, isize count)
{
    for (isize i = 0; i < count; i++) {
        (void)printf("| " STR_FMT "%*s ", STR_ARG(cells[i]), (int)(widths[i] - width_of(cells[i])),
                     "");
    }
    (void)puts("|");
}

static void table_print(struct printing *p)
{
    isize widths[COLUMNS_MAX];
    bool is_text =
        p->column_count == 1 && p->row_count == 1 && str_find_byte(p->cells[0], '\n', 0) >= 0;
    if (is_text) { /* EXPLAIN and SHOW CREATE: the text itself. */
        (void)printf(STR_FMT "\n", STR_ARG(p->cells[0]));
        return;
    }
    if (p->row_count == 0) {
        (void)puts("Empty set");
        return;
    }
    for (isize c = 0; c < p->column_count; c++) {
        widths[c] = width_of(p->columns[c]);
        for (isize r = 0; r < p->row_count; r++) {
            widths[c] = MAX(widths[c], width_of(p->cells[r * p->column_count + c]));
        }
    }
    rule_print(widths, p->column_count);
    cells_print(p->columns, widths, p->column_count);
    rule_print(widths, p->column_count);
    for (isize r = 0; r < p->row_count; r++) {
        cells_print(p->cells + r * p->column_count, widths, p->column_count);
    }
    rule_print(widths, p->column_count);
    (void)printf("%td rows in set\n", p->row_count);
}

/* --- lines of the answer
 * ---------------------------------------------------------------------------------- */

static void take_columns(struct printing *p, const struct json_value *line)
{
    const struct json_value *column = json_first(json_get(line, STR("columns")));
    p->column_count = 0;
    p->row_count = 0;
    p->cells = NULL;
    for (; column != NULL && p->column_count < COLUMNS_MAX; column = json_next(column)) {
        p->columns[p->column_count++] = json_get_text(column, STR("name"));
    }
}

static void take_row(struct printing *p, const struct json_value *line)
{
    const struct json_value *cell = json_first(json_get(line, STR("values")));
    isize at = p->row_count * p->column_count;
    for (isize i = 0; i < p->column_count; i++, cell = json_next(cell)) {
        p->cells = arena_grow(&p->arena, p->cells, at + i, (isize)sizeof(str));
        p->cells[at + i] = json_text(cell);
    }
    p->row_count++;
}

static void print_job(const struct json_value *line)
{
    str id = json_get_text(line, STR("id")), name = json_get_text(line, STR("name"));
    if (json_get_bool(line, STR("already_running"), false)) {
        (void)printf("already running as job " STR_FMT " (" STR_FMT ")\n", STR_ARG(id),
                     STR_ARG(name));
        return;
    }
    (void)printf("Job ID: " STR_FMT " (" STR_FMT ")\n", STR_ARG(id), STR_ARG(name));
    if (json_get_bool(line, STR("replaced"), false)) {
        (void)printf("replaced the running job: it stood at LSN " STR_FMT
                     ", this one starts at " STR_FMT "\n",
                     STR_ARG(json_get_text(line, STR("old_lsn"))),
                     STR_ARG(json_get_text(line, STR("new_lsn"))));
    }
}

static void print_failure(struct printing *p, const struct json_value *line)
{
    const struct json_value *error = json_get(line, STR("error"));
    bool has_colour = term_has_colour(2);
    str text = json_get_text(error, STR("rendered"));
    str head = STR("error");
    bool is_plain = !has_colour || !str_starts(text, head);
    (void)fprintf(stderr, "%s" STR_FMT, is_plain ? "" : "\033[1;31merror\033[0m",
                  STR_ARG(is_plain ? text : str_slice(text, head.len, text.len)));
    bool is_sql = str_starts(json_get_text(error, STR("code")), STR("SQL"));
    p->code = is_sql ? EXIT_SQL : EXIT_FAILED;
}

static void take_line(struct printing *p, str text)
{
    const struct json_value *line = json_parse_request(&p->arena, text);
    str type = json_get_text(line, STR("type"));
    if (str_eq(type, STR("error"))) {
        p->code = EXIT_SQL;
    }
    if (p->is_json) {
        (void)printf(STR_FMT "\n", STR_ARG(text));
        return;
    }
    if (str_eq(type, STR("columns"))) {
        take_columns(p, line);
    } else if (str_eq(type, STR("row"))) {
        take_row(p, line);
    } else if (str_eq(type, STR("job"))) {
        print_job(line);
        p->column_count = -1;
    } else if (str_eq(type, STR("notice"))) {
        (void)fprintf(stderr, "[INFO] " STR_FMT "\n", STR_ARG(json_get_text(line, STR("message"))));
    } else if (str_eq(type, STR("error"))) {
        print_failure(p, line);
    } else if (str_eq(type, STR("done"))) {
        if (p->column_count > 0) {
            table_print(p);
        } else if (p->column_count == 0) {
            (void)puts("[INFO] Execute statement succeed.");
        }
        p->column_count = 0;
    }
}

/* --- sending
 * ------------------------------------------------------------------------------------------------
 */

struct request {
    str sql, file, mode, from;
    const char *region;
    bool is_json;
};

static void put(struct buf *out, const char *name, str value)
{
    if (value.len > 0) {
        buf_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
        json_write_string(out, value);
    }
}

static int send(const struct request *request)
{
    struct printing p = {.is_json = request->is_json};
    struct buf body = {0};
    buf_append_byte(&body, '{');
    put(&body, "sql", request->sql);
    put(&body, "file", request->file);
    put(&body, "mode", request->mode);
    put(&body, "from", request->from);
    put(&body, "region", str_of(request->region));
    buf_append_byte(&body, '}');
    str answer;
    int code = api_call(&p.arena, "POST", "/_leat/api/sql", buf_str(&body), &answer);
    while (code == EXIT_OK && answer.len > 0) {
        str line = str_split(&answer, '\n', NULL);
        if (line.len > 0) {
            take_line(&p, line);
        }
    }
    buf_deinit(&body);
    arena_deinit(&p.arena);
    return code != EXIT_OK ? code : p.code;
}

static int file_read(const char *path, struct arena *arena, str *out)
{
    err e = os_read_file(os_real(), path, FILE_BYTES_MAX, arena, out);
    if (e == OK) {
        return EXIT_OK;
    }
    print_error(e == ERR_LIMIT ? "a script may have 1 MiB" : NULL, "cannot read %s: %s", path,
                e == ERR_LIMIT ? "it is too large" : os_errno_text());
    return e == ERR_NOT_FOUND ? EXIT_ABSENT : EXIT_FAILED;
}

static bool output_is_json(const struct option *output, bool *out)
{
    const char *text = output->text != NULL ? output->text : "table";
    *out = strcmp(text, "json") == 0 || strcmp(text, "ndjson") == 0;
    if (!*out && strcmp(text, "table") != 0) {
        print_error(NULL, "-o is table or json, not \"%s\"", text);
        return false;
    }
    return true;
}

int cmd_run(int argc, char **argv)
{
    enum { RESTART, AGAIN, FROM, REGION, OUTPUT };
    static const struct command command = {
        "run", "FILE.sql", "Run a script; its INSERTs become durable jobs.", cmd_run, false};
    struct option options[] = {
        [RESTART] = {"restart", OPTION_FLAG, NULL, "Replace the job that runs the same statements.",
                     NULL, 0, false},
        [AGAIN] = {"again", OPTION_FLAG, NULL, "Start one more job of the same statements.", NULL,
                   0, false},
        [FROM] = {"from", OPTION_TEXT, "WHERE", "latest, trim-horizon or a UTC time.", NULL, 0,
                  false},
        [REGION] = {"region", OPTION_TEXT, "R", "Region of tables that name none.", NULL, 0, false},
        [OUTPUT] = {"output", OPTION_TEXT, "FORM", "table or json (also -o).", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments arguments;
    struct request request = {.mode = STR("start")};
    if (argc > WORDS_MAX || !options_parse(&command, options, argc, argv, words, &arguments) ||
        !output_is_json(&options[OUTPUT], &request.is_json)) {
        return EXIT_USAGE;
    }
    if (arguments.count != 1) {
        print_error("leat run FILE.sql", "leat run takes one file");
        return EXIT_USAGE;
    }
    struct arena arena = {0};
    int code = file_read(arguments.words[0], &arena, &request.sql);
    if (code == EXIT_OK) {
        request.file = str_of(arguments.words[0]);
        request.region = api_region(&options[REGION]);
        request.from = str_of(options[FROM].text);
        if (options[RESTART].is_given) {
            request.mode = STR("restart");
        } else if (options[AGAIN].is_given) {
            request.mode = STR("again");
        }
        code = send(&request);
    }
    arena_deinit(&arena);
    return code;
}

int cmd_sql(int argc, char **argv)
{
    enum { FILE_OPTION, COMMAND, REGION, OUTPUT };
    static const struct command command = {
        "sql", "", "Run statements: --command TEXT or --file FILE.", cmd_sql, false};
    struct option options[] = {
        [FILE_OPTION] = {"file", OPTION_TEXT, "FILE", "Statements from a file.", NULL, 0, false},
        [COMMAND] = {"command", OPTION_TEXT, "TEXT", "Statements from the command line.", NULL, 0,
                     false},
        [REGION] = {"region", OPTION_TEXT, "R", "Region of tables that name none.", NULL, 0, false},
        [OUTPUT] = {"output", OPTION_TEXT, "FORM", "table or json (also -o).", NULL, 0, false},
        {.name = NULL},
    };
    const char *words[WORDS_MAX];
    struct arguments arguments;
    struct request request = {.mode = STR("start")};
    if (argc > WORDS_MAX || !options_parse(&command, options, argc, argv, words, &arguments) ||
        !output_is_json(&options[OUTPUT], &request.is_json)) {
        return EXIT_USAGE;
    }
    bool has_one = options[FILE_OPTION].is_given != options[COMMAND].is_given;
    if (!has_one || arguments.count > 0) {
        print_error("leat sql --command 'SHOW TABLES'", "give --file FILE or --command TEXT");
        return EXIT_USAGE;
    }
    struct arena arena = {0};
    int code = EXIT_OK;
    request.region = api_region(&options[REGION]);
    if (options[COMMAND].is_given) {
        request.sql = str_of(options[COMMAND].text);
    } else {
        request.file = str_of(options[FILE_OPTION].text);
        code = file_read(options[FILE_OPTION].text, &arena, &request.sql);
    }
    code = code == EXIT_OK ? send(&request) : code;
    arena_deinit(&arena);
    return code;
}
