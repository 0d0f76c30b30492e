/*
 * base/trace.h: structured diagnostics ("log" means the durable log only). One
 * line each to a sink that cli sets: logfmt or JSON, values escaped and cut to
 * 256 bytes. Thread-safe.
 */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include "base/base.h"
#include "base/str.h"

enum trace_level { TRACE_DEBUG, TRACE_INFO, TRACE_WARN, TRACE_ERROR };

struct trace_field {
    const char *key;
    enum { TRACE_STR, TRACE_I64, TRACE_F64 } kind;
    str text;
    i64 number;
    double real;
};
#define T_STR(key, value) ((struct trace_field){(key), TRACE_STR, (value), 0, 0})
#define T_INT(key, value) ((struct trace_field){(key), TRACE_I64, {NULL, 0}, (i64)(value), 0})
#define T_F64(key, value) ((struct trace_field){(key), TRACE_F64, {NULL, 0}, 0, (value)})

#define T_END ((struct trace_field){NULL, TRACE_I64, {NULL, 0}, 0, 0})

/* trace(TRACE_WARN, "stream", "shard is full", T_STR("stream", name), T_INT("shard", 3)); */
#define trace(level, module, message, ...) \
    trace_fields((level), (module), (message), (struct trace_field[]){__VA_ARGS__, T_END})
#define trace_text(level, module, message) \
    trace_fields((level), (module), (message), (struct trace_field[]){T_END})
void trace_fields(enum trace_level level, const char *module, const char *message,
                  const struct trace_field *fields);

/* `write` gets one whole line with its newline. NULL restores standard error. */
typedef void (*trace_write_fn)(void *ctx, str line);
typedef i64 (*trace_now_us_fn)(void *ctx);
void trace_set_sink(trace_write_fn write, trace_now_us_fn now_us, void *ctx);
void trace_set_level(enum trace_level level);
void trace_set_json(bool is_json);

#endif
