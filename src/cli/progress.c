/* cli/progress.c */
#include "cli/progress.h"

#include "os/os.h"

#include <stdarg.h>
#include <stdio.h>

enum { SHOW_NS = 200000000, CELLS = 24 };

void progress_init(struct progress *p)
{
    *p = (struct progress){.is_terminal = os_is_terminal(2)};
    p->shown_ns = os_mono_ns(os_real());
}

bool progress_is_due(struct progress *p)
{
    return p->is_terminal && os_mono_ns(os_real()) - p->shown_ns >= SHOW_NS;
}

void progress_show(struct progress *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("\r\033[K", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fflush(stderr);
    va_end(args);
    p->has_line = true;
    p->shown_ns = os_mono_ns(os_real());
}

void progress_clear(struct progress *p)
{
    if (p->has_line) {
        (void)fputs("\r\033[K", stderr);
        p->has_line = false;
    }
}

const char *progress_bytes(u64 bytes, char out[PROGRESS_BYTES_CHARS])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024 && unit + 1 < COUNT_OF(units); unit++) {
        value /= 1024;
    }
    (void)snprintf(out, PROGRESS_BYTES_CHARS, "%.*f %s", unit > 0, value, units[unit]);
    return out;
}

const char *progress_bar(double share, char out[PROGRESS_BAR_CHARS])
{
    out[0] = '\0';
    if (share >= 0) {
        double part = MIN(share, 1);
        int full = (int)(part * CELLS);
        (void)snprintf(out, PROGRESS_BAR_CHARS, "[%.*s%.*s] %3.0f%%  ", full,
                       "########################", CELLS - full, "------------------------",
                       part * 100);
    }
    return out;
}
