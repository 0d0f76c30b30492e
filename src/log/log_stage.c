/*
 * log/log_stage.c: the log as it is at one moment, under other names, for a backup. Sealed
 * segments do not change and get a second name, so that retention may go on; of the active one the
 * durable part is copied. What is copied opens like a log after a power cut.
 */
#include "log/log_int.h"

#include <stdio.h>

enum { COPY_BYTES = 1 << 20 };

struct moment {
    struct log__segment **segments; /* References. */
    u32 count;
    struct log__segment *active; /* Borrowed from them; NULL: none. */
    u64 active_bytes;
};

/* With retain_lock held the table and the swap records of the active segment say the same. */
static void take(struct log *log, struct moment *m)
{
    os_rwlock_read(&log->state_lock);
    m->segments = mem_zalloc(((isize)log->segment_count + 1) * (isize)sizeof *m->segments);
    for (u32 i = 0; i < log->segment_count; i++) {
        m->segments[m->count++] = log__segment_ref(log->segments[i]);
    }
    m->active = log->active;
    m->active_bytes = m->active != NULL ? m->active->bytes : 0;
    os_rwlock_unlock(&log->state_lock);
}

static void release(struct moment *m)
{
    for (u32 i = 0; i < m->count; i++) {
        log__segment_unref(m->segments[i]);
    }
    mem_free(m->segments);
}

static err copy(struct os *os, const char *from, const char *to, u64 bytes)
{
    struct os_file *in = NULL;
    struct os_file *out = NULL;
    u8 *block = mem_alloc(COPY_BYTES);
    err e = os_open(os, from, OS_READ, &in);
    e = e == OK ? os_open(os, to, OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &out) : e;
    for (u64 at = 0; e == OK && at < bytes; at += COPY_BYTES) {
        isize share = (isize)MIN(bytes - at, COPY_BYTES);
        e = os_read_exact(in, at, block, share);
        e = e == OK ? os_write_at(out, at, block, share) : e;
    }
    mem_free(block);
    IGNORE(in == NULL ? OK : os_close(in));
    IGNORE(out == NULL ? OK : os_close(out));
    return e;
}

static err stage_segment(struct log *log, const struct moment *m,
                         const struct log__segment *segment, const char *dir)
{
    char from[LOG__PATH_MAX];
    char to[LOG__PATH_MAX];
    log__path(log, segment->id.segment, "seg", from);
    str name = str_of(from);
    name = str_slice(name, str_rfind_byte(name, '/') + 1, name.len);
    int len = snprintf(to, sizeof to, "%s/" STR_FMT, dir, STR_ARG(name));
    if (len >= LOG__PATH_MAX) {
        return ERR_RANGE;
    }
    return segment == m->active ? copy(log->os, from, to, m->active_bytes)
                                : os_link(log->os, from, to);
}

err log_stage(struct log *log, const char *dir)
{
    if (log->memory_os != NULL) {
        return ERR_UNSUPPORTED;
    }
    char from[LOG__PATH_MAX];
    char to[LOG__PATH_MAX];
    if (snprintf(from, sizeof from, "%s/STORE", log->dir) >= LOG__PATH_MAX ||
        snprintf(to, sizeof to, "%s/STORE", dir) >= LOG__PATH_MAX) {
        return ERR_RANGE;
    }
    struct moment m = {0};
    os_mutex_lock(&log->retain_lock);
    err e =
        os_link_replaced(log->os, from, to); /* First: it must name no segment that is not taken. */
    take(log, &m);
    for (u32 i = 0; e == OK && i < m.count; i++) {
        e = stage_segment(log, &m, m.segments[i], dir);
    }
    os_mutex_unlock(&log->retain_lock);
    release(&m);
    return e;
}
