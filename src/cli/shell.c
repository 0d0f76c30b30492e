/*
 * cli/shell.c: the SQL shell: lines are read with libedit until `;`, history is kept in a file,
 * Tab completes keywords, tables and columns, Ctrl-C ends a query or a half-typed statement.
 */
#include "cli/api.h"
#include "cli/sql_client.h"
#include "os/process.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

enum { HISTORY_ENTRIES = 2000, PATH_BYTES = 1024, NAMES_MAX = 4096, TABLES_DESCRIBED_MAX = 64 };

struct shell {
    EditLine *edit;
    History *history;
    char history_path[PATH_BYTES];
    char session[64];
    const char *region;
    enum sql_form form;
    struct buf statement; /* What was typed since the last `;`. */
    struct arena names_arena;
    str names[NAMES_MAX]; /* Tables and columns. */
    isize name_count, table_count;
};

static struct shell *current; /* libedit's callbacks have no context of ours. */

/* --- completion
 * --------------------------------------------------------------------------------------- */

static const char *const keywords[] = {
    "ALL",      "ALTER",     "AND",    "AS",        "BEGIN",       "BETWEEN",    "BIGINT",
    "BOOLEAN",  "BY",        "CASE",   "CAST",      "CATALOGS",    "COLUMNS",    "COUNT",
    "CREATE",   "DATABASES", "DATE",   "DECIMAL",   "DESCRIBE",    "DESCRIPTOR", "DISTINCT",
    "DOUBLE",   "DROP",      "ELSE",   "END",       "ENFORCED",    "EXECUTE",    "EXISTS",
    "EXPLAIN",  "FALSE",     "FLOAT",  "FOR",       "FROM",        "FUNCTIONS",  "GROUP",
    "HAVING",   "IF",        "IN",     "INSERT",    "INT",         "INTERVAL",   "INTO",
    "IS",       "JOBS",      "KEY",    "LIKE",      "LIMIT",       "MAX",        "METADATA",
    "MIN",      "NOT",       "NULL",   "OR",        "PARTITIONED", "PRIMARY",    "RESET",
    "SELECT",   "SET",       "SHOW",   "SMALLINT",  "STATEMENT",   "STOP",       "STRING",
    "SUM",      "TABLE",     "TABLES", "TEMPORARY", "THEN",        "TIMESTAMP",  "TRUE",
    "TRY_CAST", "TUMBLE",    "UNION",  "USE",       "VALUES",      "VARCHAR",    "VIEW",
    "VIEWS",    "WATERMARK", "WHEN",   "WHERE",     "WITH",
};

static void name_add(void *ctx, const str *cells, isize count)
{
    struct shell *s = ctx;
    for (isize i = 0; i < s->name_count; i++) {
        if (str_eq(s->names[i], cells[0])) {
            return;
        }
    }
    if (count > 0 && s->name_count < NAMES_MAX) {
        s->names[s->name_count++] = arena_copy(&s->names_arena, cells[0]);
    }
}

static void quiet_send(struct shell *s, str sql)
{
    struct sql_print print = {.is_quiet = true, .on_row = name_add, .on_row_ctx = s};
    struct sql_request request = {.sql = sql, .region = s->region, .session = str_of(s->session)};
    IGNORE(sql_send(&request, &print) == EXIT_OK); /* Only completion suffers. */
    sql_print_end(&print);
}

/* Tables and their columns as the server has them now. */
static void names_read(struct shell *s)
{
    arena_reset(&s->names_arena);
    s->name_count = 0;
    quiet_send(s, STR("SHOW TABLES"));
    s->table_count = s->name_count;
    struct buf script = {0};
    for (isize i = 0; i < MIN(s->table_count, TABLES_DESCRIBED_MAX); i++) {
        buf_printf(&script, "DESCRIBE `" STR_FMT "`;", STR_ARG(s->names[i]));
    }
    if (script.len > 0) {
        quiet_send(s, buf_str(&script));
    }
    buf_deinit(&script);
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (c & 0x80) != 0;
}

struct matches {
    str list[64];
    isize count;
};

static void match_add(struct matches *m, str name, str prefix)
{
    if (m->count < COUNT_OF(m->list) && str_starts_nocase(name, prefix)) {
        m->list[m->count++] = name;
    }
}

/* How many bytes all matches begin with alike. */
static isize common_bytes(const struct matches *m)
{
    isize length = m->count > 0 ? m->list[0].len : 0;
    for (isize i = 1; i < m->count; i++) {
        isize k = 0;
        while (k < length && k < m->list[i].len && m->list[0].data[k] == m->list[i].data[k]) {
            k++;
        }
        length = k;
    }
    return length;
}

static void matches_print(const struct matches *m)
{
    (void)putchar('\n');
    for (isize i = 0; i < m->count; i++) {
        print_plain(m->list[i], true);
        (void)fputs(i + 1 < m->count ? "  " : "\n", stdout);
    }
    (void)fflush(stdout);
}

static unsigned char complete(EditLine *edit, int key)
{
    (void)key;
    const LineInfo *line = el_line(edit);
    const char *start = line->cursor;
    while (start > line->buffer && is_word_byte(start[-1])) {
        start--;
    }
    str prefix = str_from(start, line->cursor - start);
    struct matches m = {0};
    if (prefix.len == 0) {
        return CC_ERROR;
    }
    for (isize i = 0; i < current->name_count; i++) {
        match_add(&m, current->names[i], prefix);
    }
    for (int i = 0; i < COUNT_OF(keywords); i++) {
        match_add(&m, str_of(keywords[i]), prefix);
    }
    isize common = common_bytes(&m);
    if (m.count == 0) {
        return CC_ERROR;
    }
    if (common <= prefix.len && m.count > 1) {
        matches_print(&m);
        return CC_REDISPLAY;
    }
    char text[256]; /* As the name is written, in place of what was typed. */
    str_copy_cstr(str_slice(m.list[0], 0, common), text, (isize)sizeof text);
    el_deletestr(edit, (int)prefix.len);
    bool is_inserted = el_insertstr(edit, text) == 0;
    if (is_inserted && m.count == 1) {
        is_inserted = el_insertstr(edit, " ") == 0;
    }
    return is_inserted ? CC_REFRESH : CC_ERROR;
}

/* --- statements
 * --------------------------------------------------------------------------------------- */

/* Does a `;` outside quotes and comments end the text? */
static bool is_complete(str text)
{
    u8 quote = 0;
    bool ends = false;
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i], next = i + 1 < text.len ? text.data[i + 1] : 0;
        if (quote != 0) {
            quote = c == quote ? 0 : quote;
        } else if (c == '\'' || c == '`') {
            quote = c;
            ends = false;
        } else if (c == '-' && next == '-') {
            isize end = str_find_byte(text, '\n', i);
            i = end < 0 ? text.len : end;
        } else if (c == '/' && next == '*') {
            isize end = str_find(text, STR("*/"), i + 2);
            if (end < 0) {
                return false;
            }
            i = end + 1;
        } else if (c == ';') {
            ends = true;
        } else if (c > ' ') {
            ends = false;
        }
    }
    return ends && quote == 0;
}

static void help_print(void)
{
    (void)puts("A statement ends with `;` and may have many lines. For example:\n"
               "  SHOW TABLES;\n"
               "  DESCRIBE us_accidents_stream;\n"
               "  SELECT City, Severity FROM us_accidents_stream WHERE Severity > 2;\n"
               "  SHOW JOBS;\n"
               "Ctrl-C ends a query or what you are typing; Tab completes; quit or Ctrl-D leaves.");
}

static void history_keep(struct shell *s)
{
    HistEvent event;
    str text = str_trim(buf_str(&s->statement));
    for (isize i = 0; i < s->statement.len; i++) {
        s->statement.data[i] = s->statement.data[i] == '\n' ? ' ' : s->statement.data[i];
    }
    char *line = arena_cstr(&s->names_arena, text);
    (void)history(s->history, &event, H_ENTER, line);
    (void)history(s->history, &event, H_SAVE, s->history_path);
}

/* Ctrl-C may have cut a write short: that is no failure of the terminal. */
static void interrupt_forget(void)
{
    os_interrupt_clear();
    clearerr(stdout);
}

static void statement_run(struct shell *s)
{
    struct sql_print print = {.form = s->form};
    struct sql_request request = {
        .sql = buf_str(&s->statement), .region = s->region, .session = str_of(s->session)};
    int code = sql_send(&request, &print);
    sql_print_end(&print);
    interrupt_forget();
    if (code == EXIT_INTERRUPTED) {
        sql_query_end(s->session);
        (void)puts("\nended");
    }
    str text = str_trim(buf_str(&s->statement));
    bool changes_names = str_starts_nocase(text, STR("CREATE")) ||
                         str_starts_nocase(text, STR("DROP")) ||
                         str_find_byte(text, ';', 0) < text.len - 1;
    history_keep(s);
    if (changes_names) {
        names_read(s);
    }
}

/* False: the user wants to leave. */
static bool line_take(struct shell *s, str line)
{
    str word = str_trim(line);
    bool is_first = s->statement.len == 0;
    if (word.len > 0 && word.data[word.len - 1] == ';' && is_first) {
        str bare = str_trim(str_slice(word, 0, word.len - 1));
        bool is_ours = str_eq_nocase(bare, STR("help")) || str_eq_nocase(bare, STR("quit")) ||
                       str_eq_nocase(bare, STR("exit"));
        word = is_ours ? bare : word;
    }
    if (is_first && (str_eq_nocase(word, STR("quit")) || str_eq_nocase(word, STR("exit")))) {
        return false;
    }
    if (is_first && (str_eq_nocase(word, STR("help")) || str_eq(word, STR("?")))) {
        help_print();
        return true;
    }
    if (is_first && word.len == 0) {
        return true;
    }
    buf_append(&s->statement, line);
    if (is_complete(buf_str(&s->statement))) {
        statement_run(s);
        buf_reset(&s->statement);
    }
    return true;
}

/* --- the loop
 * ----------------------------------------------------------------------------------------- */

static char *prompt(EditLine *edit)
{
    (void)edit;
    static char first[] = "leat> ", more[] = "  ... ";
    return current->statement.len == 0 ? first : more;
}

/* One character of UTF-8; what is none comes byte by byte. */
static int key_read(EditLine *edit, wchar_t *out)
{
    (void)edit;
    u8 byte;
    int got = os_key_read(&byte);
    if (got != 1) {
        return got;
    }
    int more = 0;
    more = byte >= 0xC2 ? 1 : more;
    more = byte >= 0xE0 ? 2 : more;
    more = byte >= 0xF0 ? 3 : more;
    more = byte >= 0xF5 ? 0 : more;
    u32 code = more == 0 ? byte : byte & (0x3FU >> more);
    for (; more > 0 && os_key_read(&byte) == 1; more--) {
        code = code << 6 | (byte & 0x3F);
    }
    *out = (wchar_t)code;
    return 1;
}

static void history_path(char *out)
{
    const char *state = os_getenv("XDG_STATE_HOME"), *home = os_getenv("HOME");
    bool has_state = state != NULL && state[0] == '/';
    (void)snprintf(out, PATH_BYTES, "%s%s/leat_history",
                   has_state      ? state
                   : home == NULL ? ""
                                  : home,
                   has_state ? "" : "/.local/state");
}

static bool shell_open(struct shell *s)
{
    HistEvent event;
    (void)setlocale(LC_CTYPE, "C.UTF-8"); /* libedit asks it what a character is. */
    s->edit = el_init("leat", stdin, stdout, stderr);
    s->history = history_init();
    if (s->edit == NULL || s->history == NULL) {
        return false;
    }
    (void)snprintf(s->session, sizeof s->session, "shell-%llx",
                   (unsigned long long)os_mono_ns(os_real()));
    history_path(s->history_path);
    (void)history(s->history, &event, H_SETSIZE, HISTORY_ENTRIES);
    (void)history(s->history, &event, H_SETUNIQUE, 1);
    (void)history(s->history, &event, H_LOAD, s->history_path);
    (void)el_set(s->edit, EL_GETCFN, key_read);
    (void)el_set(s->edit, EL_PROMPT, prompt);
    (void)el_set(s->edit, EL_EDITOR, "emacs");
    (void)el_set(s->edit, EL_HIST, history, s->history);
    (void)el_set(s->edit, EL_ADDFN, "leat-complete", "complete a name", complete);
    (void)el_set(s->edit, EL_BIND, "^I", "leat-complete", NULL);
    (void)el_set(s->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
    (void)el_source(s->edit, NULL);
    return true;
}

static void shell_close(struct shell *s)
{
    sql_session_end(s->session);
    if (s->history != NULL) {
        history_end(s->history);
    }
    if (s->edit != NULL) {
        el_end(s->edit);
    }
    buf_deinit(&s->statement);
    arena_deinit(&s->names_arena);
    mem_free(s);
}

int sql_shell(const char *region, enum sql_form form)
{
    struct arena arena = {0};
    str answer;
    int code = api_call(&arena, "GET", "/_leat/api/info", STR_EMPTY, &answer);
    arena_deinit(&arena);
    if (code != EXIT_OK) {
        return code;
    }
    struct shell *s = NEW(struct shell);
    s->region = region;
    s->form = form;
    current = s;
    if (!shell_open(s)) {
        print_error(NULL, "the terminal cannot be used");
        shell_close(s);
        return EXIT_FAILED;
    }
    names_read(s);
    (void)printf("leat SQL at %s, region %s. help tells more, quit leaves.\n", api_endpoint(),
                 region);
    for (bool goes_on = true; goes_on;) {
        int length = 0;
        (void)el_set(s->edit, EL_PREP_TERM, 1); /* Before the prompt, else keys come twice. */
        const char *line = el_gets(s->edit, &length);
        if (os_interrupt_is_set()) { /* Ctrl-C: what was typed is dropped. */
            interrupt_forget();
            buf_reset(&s->statement);
            (void)puts("^C");
        } else if (line == NULL) {
            goes_on = false;
            (void)putchar('\n');
        } else {
            goes_on = line_take(s, str_from(line, length));
        }
    }
    shell_close(s);
    return EXIT_OK;
}
