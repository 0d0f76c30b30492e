/*
 * log/log_pool.c: the memory of frames, which is used again. Large frames lie in huge pages: the
 * disk takes them page by page, and fresh pages cost more than what is written to them.
 */
#include "log/log_int.h"

enum { CAPACITY_MIN = 4096 };

static bool is_huge(isize capacity)
{
    return capacity >= OS_HUGE_BYTES;
}

static struct log_frame *frame_alloc(struct log *log, isize capacity)
{
    /* The disk takes it from aligned memory; aligned_alloc would leave holes: twice the RSS. */
    isize beside = is_huge(capacity) ? 0 : capacity + LOG__BLOCK_BYTES;
    struct log_frame *frame = mem_alloc((isize)sizeof *frame + beside);
    isize skew = (isize)((uintptr_t)(frame + 1) % LOG__BLOCK_BYTES);
    *frame = (struct log_frame){.log = log, .capacity = capacity};
    frame->data =
        is_huge(capacity) ? os_huge_alloc(capacity) : (u8 *)(frame + 1) + (LOG__BLOCK_BYTES - skew);
    return frame;
}

static void frame_free(struct log_frame *frame)
{
    if (is_huge(frame->capacity)) {
        os_huge_free(frame->data, frame->capacity);
    }
    mem_free(frame);
}

/* pool_lock is held. */
static struct log_frame *take_at(struct log *log, int at)
{
    struct log_frame *frame = log->pool[at];
    log->pool_count--;
    log->pool_count_min = MIN(log->pool_count_min, log->pool_count);
    log->pool_bytes -= frame->used_max;
    memmove(log->pool + at, log->pool + at + 1,
            (size_t)(log->pool_count - at) * sizeof(struct log_frame *));
    return frame;
}

/* Of its size, for what has ever been touched of it counts as used; that which was given last, for
 * it may be in a cache of the CPU still. NULL: there is none. */
static struct log_frame *take(struct log *log, isize capacity)
{
    struct log_frame *frame = NULL;
    os_mutex_lock(&log->pool_lock);
    for (int i = log->pool_count - 1; frame == NULL && i >= 0; i--) {
        frame = log->pool[i]->capacity == capacity ? take_at(log, i) : NULL;
    }
    os_mutex_unlock(&log->pool_lock);
    return frame;
}

struct log_frame *log__frame_new(struct log *log, isize bytes)
{
    isize capacity = CAPACITY_MIN;
    while (capacity < bytes) {
        capacity *= 2;
    }
    struct log_frame *frame = take(log, capacity);
    frame = frame != NULL ? frame : frame_alloc(log, capacity);
    isize page = is_huge(frame->capacity) ? OS_HUGE_BYTES : 1;
    frame->used_max = MAX(frame->used_max, (bytes + page - 1) / page * page);
    frame->refs = 1;
    frame->pins = 0;
    return frame;
}

static void free_all(struct log_frame **frames, int count)
{
    for (int i = 0; i < count; i++) {
        frame_free(frames[i]);
    }
}

/* In the place of those that nobody has asked for longest. */
void log__pool_give(struct log_frame *frame)
{
    struct log *log = frame->log;
    struct log_frame *dropped[LOG__POOL_MAX];
    int drop_count = 0;
    os_mutex_lock(&log->pool_lock);
    while (log->pool_count == LOG__POOL_MAX ||
           (log->pool_count > 0 && log->pool_bytes + frame->used_max > LOG__POOL_BYTES_MAX)) {
        dropped[drop_count++] = take_at(log, 0);
    }
    log->pool[log->pool_count++] = frame;
    log->pool_bytes += frame->used_max;
    os_mutex_unlock(&log->pool_lock);
    free_all(dropped, drop_count);
}

void log__pool_trim(struct log *log)
{
    struct log_frame *dropped[LOG__POOL_MAX];
    int drop_count = 0;
    os_mutex_lock(&log->pool_lock);
    for (int spare = log->pool_count_min; spare > 0; spare--) {
        dropped[drop_count++] = take_at(log, 0);
    }
    log->pool_count_min = log->pool_count;
    os_mutex_unlock(&log->pool_lock);
    free_all(dropped, drop_count);
}

void log__pool_free(struct log *log)
{
    free_all(log->pool, log->pool_count);
    log->pool_count = 0;
    log->pool_bytes = 0;
}
