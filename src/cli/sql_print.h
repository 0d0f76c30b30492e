/* cli/sql_print.h: the lines of POST /_leat/api/sql, for people or programs, as they arrive. */
#ifndef CLI_SQL_PRINT_H
#define CLI_SQL_PRINT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum sql_form { SQL_FORM_TABLE, SQL_FORM_JSON, SQL_FORM_NDJSON, SQL_FORM_CSV };

enum { SQL_COLUMNS_MAX = 1024 };

struct sql_print {
    enum sql_form form;
    bool is_run;   /* leat run: only its jobs matter to a program. */
    bool is_quiet; /* Says nothing of statements without rows. */
    int code;      /* Exit code so far. */
    /* Called for each row of a table that is not shown (cells as text); NULL otherwise. */
    void (*on_row)(void *ctx, const str *cells, isize count);
    void *on_row_ctx;
    /* Private. */
    struct arena arena; /* Of the table under way. */
    struct arena line;  /* Of the line under way. */
    struct buf jobs;    /* leat run -o json. */
    str columns[SQL_COLUMNS_MAX];
    isize widths[SQL_COLUMNS_MAX];
    isize column_count; /* -1: the statement was no table. */
    bool is_live, has_job;
    str *cells; /* Row-major; only of tables that end. */
    isize row_count;
};

/* One line of the answer; `print` is a struct sql_print. False: standard output is closed. */
bool sql_print_line(void *print, str line);
void sql_print_end(struct sql_print *print);

#endif
