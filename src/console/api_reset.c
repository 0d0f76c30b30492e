/* console/api_reset.c: POST /_leat/reset: everything that the data directory holds is deleted. */
#include "console/console_int.h"

static void run(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct diag diag;
    diag_init(&diag);
    console__sessions_clear(console->sessions);
    err e = console->env.reset(console->env.reset_ctx);
    if (e != OK) {
        (void)diag_set(&diag, e, "API018", "not everything could be deleted: %s", err_text(e));
        diag_hint(&diag, "it may be tried again");
        console_respond_error(x, e, &diag);
        return;
    }
    struct buf body = {0};
    buf_append(&body, STR("{\"reset\":true}"));
    console__respond_json(x, 200, &body);
}

void console__handle_reset(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    if (console->env.allows_reset) {
        http_run_blocking(x, run, ctx);
        return;
    }
    struct diag diag;
    diag_init(&diag);
    (void)diag_set(&diag, ERR_DENIED, "API018", "this leat may not be reset");
    diag_hint(&diag, "leat start --allow-reset allows it");
    console_respond_error(x, ERR_DENIED, &diag);
}
