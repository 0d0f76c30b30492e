/* aws/s3/s3_lane.c: a ring of bytes between two threads. */
#include "aws/s3/s3_lane.h"

#include "os/thread.h"

#include <string.h>

enum { RING_BYTES = 512 << 10 };

struct s3_lane {
    struct s3_digest *digest;
    struct os_thread thread;
    struct os_mutex lock;
    struct os_cond changed;
    u64 pushed, hashed; /* Bytes since the start; guarded by lock. */
    bool is_ended;      /* Guarded by lock. */
    u8 ring[RING_BYTES];
};

/* The longest run from `at`, of at most `bytes`, that the ring's end does not cut. */
static isize run_of(u64 at, u64 bytes)
{
    return (isize)MIN(bytes, RING_BYTES - at % RING_BYTES);
}

static void lane_main(void *ctx)
{
    struct s3_lane *lane = ctx;
    os_mutex_lock(&lane->lock);
    for (;;) {
        while (lane->pushed == lane->hashed && !lane->is_ended) {
            os_cond_wait(&lane->changed, &lane->lock);
        }
        if (lane->pushed == lane->hashed) {
            break;
        }
        u64 at = lane->hashed;
        isize run = run_of(at, lane->pushed - at);
        os_mutex_unlock(&lane->lock);
        s3_digest_update(lane->digest, lane->ring + at % RING_BYTES, run);
        os_mutex_lock(&lane->lock);
        lane->hashed += (u64)run;
        os_cond_signal(&lane->changed);
    }
    os_mutex_unlock(&lane->lock);
}

struct s3_lane *s3_lane_start(struct s3_digest *digest)
{
    struct s3_lane *lane = NEW(struct s3_lane);
    lane->digest = digest;
    os_mutex_init(&lane->lock);
    os_cond_init(&lane->changed);
    os_thread_start(&lane->thread, "leat-s3-md5", lane_main, lane);
    return lane;
}

void s3_lane_push(struct s3_lane *lane, str data)
{
    while (data.len > 0) {
        os_mutex_lock(&lane->lock);
        while (lane->pushed - lane->hashed == RING_BYTES) {
            os_cond_wait(&lane->changed, &lane->lock);
        }
        u64 at = lane->pushed;
        u64 room = RING_BYTES - (at - lane->hashed);
        os_mutex_unlock(&lane->lock);
        isize run = run_of(at, MIN(room, (u64)data.len));
        memcpy(lane->ring + at % RING_BYTES, data.data, (size_t)run);
        data = str_slice(data, run, data.len);
        os_mutex_lock(&lane->lock);
        lane->pushed += (u64)run;
        os_cond_signal(&lane->changed);
        os_mutex_unlock(&lane->lock);
    }
}

void s3_lane_finish(struct s3_lane *lane)
{
    if (lane == NULL) {
        return;
    }
    os_mutex_lock(&lane->lock);
    lane->is_ended = true;
    os_cond_signal(&lane->changed);
    os_mutex_unlock(&lane->lock);
    os_thread_join(&lane->thread);
    os_cond_deinit(&lane->changed);
    os_mutex_deinit(&lane->lock);
    mem_free(lane);
}
