/* console/console_int.h: shared by the files of this module only. */
#ifndef CONSOLE_CONSOLE_INT_H
#define CONSOLE_CONSOLE_INT_H

#include "console/console.h"

struct console {
    struct console_env env;
    struct http_server *http; /* Atomic. */
    i64 started_ms;
    struct console_route routes[64];
    isize route_count;
};

/* api.c */
extern const struct console_route console__api_routes[];
extern const isize console__api_route_count;
void console__put_streams(struct console *console, struct buf *out);
void console__put_jobs(struct console *console, struct buf *out);
struct diag;
void console__put_error(struct buf *out, const struct diag *diag, str source);

/* collect.c */
void console__collect_start(struct console *console);
void console__collect_stop(struct console *console);

/* Answers with JSON; takes the buffer. */
void console__respond_json(struct http_exchange *x, int status, struct buf *body);

#endif
