/* cli/print.c */
#include "cli/print.h"

#include "base/buf.h"
#include "base/cal.h"
#include "cli/term.h"
#include "codec/json.h"

#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_BYTES = 4096 };

static bool is_json;

void print_errors_as_json(void)
{
    is_json = true;
}

bool print_errors_are_json(void)
{
    return is_json;
}

static void print_json(const char *message, const char *hint)
{
    struct buf out = {0};
    buf_append(&out, STR("{\"error\":{\"message\":"));
    json_write_string(&out, str_of(message));
    if (hint != NULL) {
        buf_append(&out, STR(",\"hint\":"));
        json_write_string(&out, str_of(hint));
    }
    buf_append(&out, STR("}}\n"));
    (void)fwrite(out.data, 1, (size_t)out.len, stderr);
    buf_deinit(&out);
}

void print_error(const char *hint, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    (void)fflush(stdout);
    if (is_json) {
        print_json(message, hint);
        return;
    }
    bool has_colour = term_has_colour(2);
    (void)fprintf(stderr, "%serror:%s %s\n", has_colour ? "\033[1;31m" : "",
                  has_colour ? "\033[0m" : "", message);
    if (hint != NULL) {
        (void)fprintf(stderr, "  help: %s\n", hint);
    }
}

void print_note(const char *format, ...)
{
    struct buf line = {0};
    char message[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (print_errors_are_json()) {
        buf_append(&line, STR("{\"note\":"));
        json_write_string(&line, str_of(message));
        buf_append_byte(&line, '}');
    } else {
        buf_append(&line, str_of(message));
    }
    (void)fprintf(stderr, STR_FMT "\n", STR_ARG(buf_str(&line)));
    buf_deinit(&line);
}

void print_plain(str text, bool is_one_line)
{
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        bool is_break = (c == '\n' || c == '\t') && !is_one_line;
        bool is_c1 = c == 0xC2 && i + 1 < text.len && text.data[i + 1] < 0xA0;
        bool is_control = (c < 0x20 && !is_break) || c == 0x7F || is_c1;
        (void)putchar(is_control ? '?' : c);
        i += is_c1;
    }
}

void print_time_ms(i64 ms)
{
    char text[32];
    isize length = cal_format_iso_ms(ms * 1000, text);
    (void)printf("%.*s", (int)length, text);
}
