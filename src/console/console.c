/* console/console.c: health, information and metrics. */
#include "console/console_int.h"

#include "base/diag.h"
#include "base/metric.h"
#include "base/version.h"

static const char *const durability_names[] = {"commit", "os", "memory"};

void console__respond_json(struct http_exchange *x, int status, struct buf *body)
{
    struct http_field fields[] = {
        {STR("Content-Type"), STR("application/json")},
        {STR("Cache-Control"), STR("no-store")},
        {STR("X-Content-Type-Options"), STR("nosniff")},
    };
    http_respond_buf(x, status, fields, COUNT_OF(fields), body);
}

/* --- health
 * ----------------------------------------------------------------------------------------- */

static void handle_health(struct http_exchange *x, void *ctx)
{
    struct console *console = ctx;
    struct log_stats stats;
    log_get_stats(console->env.log, &stats);
    struct buf body = {0};
    buf_printf(&body,
               "{\"status\":\"%s\",\"durability\":\"%s\",\"disk_full\":%s,\"corrupt_frames\":%llu,"
               "\"edition\":\"leat\",\"version\":\"%s\",\"services\":{",
               stats.is_full ? "full" : "running", durability_names[console->env.durability],
               stats.is_full ? "true" : "false", (unsigned long long)stats.corrupt_frames,
               leat_version);
    for (isize i = 0; i < console->env.service_count; i++) {
        buf_printf(&body, "%s\"%s\":\"running\"", i > 0 ? "," : "", console->env.services[i]);
    }
    buf_append(&body, STR("}}"));
    console__respond_json(x, 200, &body);
}

static void handle_root(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    if (str_eq(http_path(x), STR("/")) && console__page_wanted(x)) {
        return;
    }
    struct buf body = {0};
    buf_printf(&body,
               "{\"name\":\"leat\",\"version\":\"%s\",\"health\":\"/health\","
               "\"metrics\":\"/metrics\",\"console\":\"/_leat/\"}",
               leat_version);
    console__respond_json(x, 200, &body);
}

/* --- metrics
 * ---------------------------------------------------------------------------------------- */

static void respond_metrics(struct http_exchange *x, struct buf *body)
{
    struct http_field fields[] = {
        {STR("Content-Type"), STR("text/plain; version=0.0.4; charset=utf-8")},
        {STR("Cache-Control"), STR("no-store")},
        {STR("X-Content-Type-Options"), STR("nosniff")},
    };
    http_answer_anyway(x); /* Or nobody could see why the services refuse. */
    http_respond_buf(x, 200, fields, COUNT_OF(fields), body);
}

/* Of an instant that the console showed. */
static void send_kept_metrics(struct console *console, struct http_exchange *x, str id)
{
    struct buf body = {0};
    err e = console__snapshot_text(console->snapshots, id, &body);
    if (e == OK) {
        respond_metrics(x, &body);
        return;
    }
    buf_deinit(&body);
    struct diag diag;
    diag_init(&diag);
    (void)diag_set(&diag, e, "API009", "snapshot \"" STR_FMT "\" is not kept (any more)",
                   STR_ARG(id));
    diag_hint(&diag, "GET /_leat/api/snapshot makes one; the last 64 are kept");
    console_respond_error(x, e, &diag);
}

static void send_metrics(struct http_exchange *x, void *ctx)
{
    str id;
    bool is_kept;
    err e = http_param(http_arena(x), http_query(x), STR("snapshot"), &id, &is_kept);
    if (e != OK || is_kept) {
        send_kept_metrics(ctx, x, e == OK ? id : http_query(x));
        return;
    }
    struct metric_snapshot *snapshot = metric_snapshot_take();
    struct buf body = {0};
    metric_render_text(snapshot, &body);
    metric_snapshot_free(snapshot);
    respond_metrics(x, &body);
}

static void handle_metrics(struct http_exchange *x, void *ctx)
{
    http_run_blocking(x, send_metrics, ctx); /* Thousands of streams take their time. */
}

static const struct console_route routes[] = {
    {"GET", "/", handle_root},
    {"GET", "/health", handle_health},
    {"GET", "/_health/ready", handle_health},
    {"GET", "/_health/live", handle_health},
    {"GET", "/_localstack/health", handle_health},
    {"GET", "/_localstack/info", handle_root},
    {"GET", "/metrics", handle_metrics},
};

/* --- open and close
 * ----------------------------------------------------------------------------------- */

static void routes_add(struct console *console, const struct console_route *from, isize count)
{
    CHECK(console->route_count + count <= COUNT_OF(console->routes));
    for (isize i = 0; i < count; i++) {
        console->routes[console->route_count++] = from[i];
    }
}

struct console *console_open(const struct console_env *env)
{
    struct console *console = NEW(struct console);
    console->env = *env;
    console->started_ms = os_wall_us(env->os) / 1000;
    console->snapshots = console__snapshots_new(console);
    console->sessions = console__sessions_new();
    os_mutex_init(&console->watch_lock);
    os_cond_init(&console->watch_changed);
    os_cond_init(&console->published);
    console__collect_start(console);
    console->log_watch = log_watch(env->log, console__on_published, console);
    routes_add(console, routes, COUNT_OF(routes));
    routes_add(console, console__api_routes, console__api_route_count);
    routes_add(console, console__replay_routes, console__replay_route_count);
    routes_add(console, console__event_routes, console__event_route_count);
    routes_add(console, console__asset_routes, console__asset_route_count);
    return console;
}

void console_set_http(struct console *console, struct http_server *http)
{
    __atomic_store_n(&console->http, http, __ATOMIC_RELEASE);
    if (http == NULL) {
        console__events_stop(console);
    }
}

const struct console_route *console_routes(struct console *console, isize *count_out)
{
    *count_out = console->route_count;
    return console->routes;
}

void console_close(struct console *console)
{
    log_unwatch(console->env.log, console->log_watch);
    console__collect_stop(console);
    console__snapshots_free(console->snapshots);
    console__sessions_free(console->sessions);
    os_cond_deinit(&console->published);
    os_cond_deinit(&console->watch_changed);
    os_mutex_deinit(&console->watch_lock);
    mem_free(console);
}
