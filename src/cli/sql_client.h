/* cli/sql_client.h: statements to the server. */
#ifndef CLI_SQL_CLIENT_H
#define CLI_SQL_CLIENT_H

#include "cli/sql_print.h"

struct sql_request {
    str sql, file, mode, from, session; /* Empty: not sent. */
    const char *region;
    bool keeps_tables; /* A table that is there with the same text is no error. */
};

/* Runs the script and prints what comes; returns the exit code. */
int sql_send(const struct sql_request *request, struct sql_print *print);
/* Ends the query that a session runs; and forgets a session. */
void sql_query_end(const char *session);
void sql_session_end(const char *session);
/* The shell: until quit or the end of its input. */
int sql_shell(const char *region, enum sql_form form);

#endif
