/* base/trace.c: one line each, as logfmt or JSON, to a sink. */
#include "base/trace.h"

#include "base/buf.h"
#include "base/cal.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

enum { VALUE_BYTES_MAX = 256, MESSAGE_BYTES_MAX = 1024 };

static struct {
    pthread_mutex_t lock;
    trace_write_fn write;
    trace_now_us_fn now_us;
    void *ctx;
    enum trace_level level;
    bool is_json;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = TRACE_INFO};

static const char *const levels[] = {"debug", "info", "warn", "error"};

static i64 now_us(void)
{
    if (state.now_us != NULL) {
        return state.now_us(state.ctx);
    }
    struct timespec now;
    (void)timespec_get(&now, TIME_UTC);
    return (i64)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* At most so many bytes, without a character cut in two. */
static str cut_at(str text, isize bytes_max)
{
    isize end = MIN(text.len, bytes_max);
    while (end > 0 && end < text.len && (text.data[end] & 0xC0) == 0x80) {
        end--;
    }
    return str_slice(text, 0, end);
}

/* Escapes what could forge a line or drive a terminal; what is no UTF-8 shows as U+FFFD. */
static void append_quoted(struct buf *out, str text, isize bytes_max)
{
    str cut = cut_at(text, bytes_max);
    bool is_text = str_is_utf8(cut);
    buf_append_byte(out, '"');
    for (isize i = 0; i < cut.len; i++) {
        u8 c = cut.data[i];
        if (c < 0x20 || c == 0x7F || (c >= 0x80 && !is_text)) {
            buf_printf(out, "\\u%04x", c >= 0x80 ? 0xFFFD : c);
            continue;
        }
        if (c == '"' || c == '\\') {
            buf_append_byte(out, '\\');
        }
        buf_append_byte(out, c);
    }
    buf_append(out, cut.len < text.len ? STR("...\"") : STR("\""));
}

static bool is_plain(str text)
{
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (c <= 0x20 || c >= 0x7F || c == '"' || c == '=' || c == '\\') {
            return false;
        }
    }
    return text.len > 0 && text.len <= VALUE_BYTES_MAX;
}

static void append_field(struct buf *out, const struct trace_field *field)
{
    buf_printf(out, state.is_json ? ",\"%s\":" : " %s=", field->key);
    switch (field->kind) {
    case TRACE_I64:
        buf_append_i64(out, field->number);
        break;
    case TRACE_F64:
        if (isfinite(field->real)) {
            buf_printf(out, "%.6g", field->real);
        } else {
            buf_append(out, STR("null"));
        }
        break;
    case TRACE_STR:
    default:
        if (!state.is_json && is_plain(field->text)) {
            buf_append(out, field->text);
        } else {
            append_quoted(out, field->text, VALUE_BYTES_MAX);
        }
    }
}

static void append_head(struct buf *out, enum trace_level level, const char *module,
                        const char *message)
{
    char when[32];
    (void)cal_format_iso_ms(now_us(), when);
    if (state.is_json) {
        buf_printf(out, "{\"time\":\"%s\",\"level\":\"%s\",\"module\":\"%s\",\"message\":", when,
                   levels[level], module);
    } else {
        buf_printf(out, "%s %-5s %s: ", when, levels[level], module);
    }
    if (state.is_json) {
        append_quoted(out, str_of(message), MESSAGE_BYTES_MAX);
    } else {
        buf_append(out, str_of(message));
    }
}

void trace_fields(enum trace_level level, const char *module, const char *message,
                  const struct trace_field *fields)
{
    if (level < state.level) {
        return;
    }
    struct buf line = {0};
    append_head(&line, level, module, message);
    for (; fields->key != NULL; fields++) {
        append_field(&line, fields);
    }
    buf_append(&line, state.is_json ? STR("}\n") : STR("\n"));
    pthread_mutex_lock(&state.lock);
    if (state.write != NULL) {
        state.write(state.ctx, buf_str(&line));
    } else {
        (void)fwrite(line.data, 1, (size_t)line.len, stderr);
    }
    pthread_mutex_unlock(&state.lock);
    buf_deinit(&line);
}

void trace_set_sink(trace_write_fn write, trace_now_us_fn now, void *ctx)
{
    pthread_mutex_lock(&state.lock);
    state.write = write;
    state.now_us = now;
    state.ctx = ctx;
    pthread_mutex_unlock(&state.lock);
}

void trace_set_level(enum trace_level level)
{
    state.level = level;
}

void trace_set_json(bool is_json)
{
    state.is_json = is_json;
}
