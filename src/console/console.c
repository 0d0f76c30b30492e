/* console/console.c: health, information and metrics. */
#include "console/console_int.h"

#include "base/metric.h"

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
               "\"services\":{\"kinesis\":\"running\"},\"edition\":\"leat\",\"version\":\"0.1.0\"}",
               stats.is_full ? "full" : "running", durability_names[console->env.durability],
               stats.is_full ? "true" : "false", (unsigned long long)stats.corrupt_frames);
    console__respond_json(x, 200, &body);
}

static void handle_root(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    struct buf body = {0};
    buf_append(&body, STR("{\"name\":\"leat\",\"version\":\"0.1.0\",\"health\":\"/health\","
                          "\"metrics\":\"/metrics\"}"));
    console__respond_json(x, 200, &body);
}

static void handle_metrics(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    struct metric_snapshot *snapshot = metric_snapshot_take();
    struct buf body = {0};
    metric_render_text(snapshot, &body);
    metric_snapshot_free(snapshot);
    struct http_field field = {STR("Content-Type"),
                               STR("text/plain; version=0.0.4; charset=utf-8")};
    http_respond_buf(x, 200, &field, 1, &body);
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
    console__collect_start(console);
    routes_add(console, routes, COUNT_OF(routes));
    routes_add(console, console__api_routes, console__api_route_count);
    return console;
}

void console_set_http(struct console *console, struct http_server *http)
{
    __atomic_store_n(&console->http, http, __ATOMIC_RELEASE);
}

const struct console_route *console_routes(struct console *console, isize *count_out)
{
    *count_out = console->route_count;
    return console->routes;
}

void console_close(struct console *console)
{
    console__collect_stop(console);
    mem_free(console);
}
