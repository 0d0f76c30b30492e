/* aws/s3/s3_flush.c: syncing behind a writer. */
#include "aws/s3/s3_flush.h"

#include "os/thread.h"

struct s3_flush {
    struct os_file *file;
    const char *path;
    struct os_thread thread;
    struct os_mutex lock;
    struct os_cond changed;
    u64 written, synced; /* Guarded by lock. */
    bool is_ended;       /* Guarded by lock. */
};

static void flush_main(void *ctx)
{
    struct s3_flush *flush = ctx;
    os_mutex_lock(&flush->lock);
    for (;;) {
        while (flush->written - flush->synced < S3_FLUSH_BYTES && !flush->is_ended) {
            os_cond_wait(&flush->changed, &flush->lock);
        }
        if (flush->is_ended) {
            break;
        }
        u64 written = flush->written;
        os_mutex_unlock(&flush->lock);
        err e = os_sync(flush->file);
        if (e != OK) {
            os_fatal("fsync of an S3 object", flush->path, e);
        }
        os_mutex_lock(&flush->lock);
        flush->synced = written;
    }
    os_mutex_unlock(&flush->lock);
}

struct s3_flush *s3_flush_start(struct os_file *file, const char *path)
{
    struct s3_flush *flush = NEW(struct s3_flush);
    flush->file = file;
    flush->path = path;
    os_mutex_init(&flush->lock);
    os_cond_init(&flush->changed);
    os_thread_start(&flush->thread, "leat-s3-sync", flush_main, flush);
    return flush;
}

void s3_flush_note(struct s3_flush *flush, u64 bytes)
{
    os_mutex_lock(&flush->lock);
    flush->written = bytes;
    if (flush->written - flush->synced >= S3_FLUSH_BYTES) {
        os_cond_signal(&flush->changed);
    }
    os_mutex_unlock(&flush->lock);
}

void s3_flush_finish(struct s3_flush *flush)
{
    if (flush == NULL) {
        return;
    }
    os_mutex_lock(&flush->lock);
    flush->is_ended = true;
    os_cond_signal(&flush->changed);
    os_mutex_unlock(&flush->lock);
    os_thread_join(&flush->thread);
    os_cond_deinit(&flush->changed);
    os_mutex_deinit(&flush->lock);
    mem_free(flush);
}
