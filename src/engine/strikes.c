/*
 * engine/strikes.c: a step that ends the process three times sets its job to failed, so that
 * the others run. After a restart a small file says which step is being tried, and how often,
 * until it has been computed. It need not be synced: a crash of the process leaves it there,
 * and a power failure is no fault of the step.
 */
#include "engine/engine_int.h"

#include <stdio.h>

enum { STRIKES_MAX = 3, NAME_BYTES = 64, MARK_BYTES = 12 };

static void path_make(const struct engine_job *job, char *out)
{
    (void)snprintf(out, ENGINE_PATH_BYTES + NAME_BYTES, "%s/state/%s.trying", job->engine->data_dir,
                   job->id_text);
}

/* How often this step was begun and not computed; 0 when the mark is of another, or of none. */
static u32 strikes(struct engine_job *job, const char *path)
{
    struct os_file *file;
    u8 mark[MARK_BYTES];
    if (os_open(job->engine->os, path, OS_READ, &file) != OK) {
        return 0;
    }
    err e = os_read_exact(file, 0, mark, MARK_BYTES);
    IGNORE(os_close(file)); /* Opened for reading only. */
    return e == OK && get_u64(mark) == job->step + 1 ? get_u32(mark + 8) : 0;
}

static err mark_write(struct engine_job *job, const char *path, u32 count)
{
    char dir[ENGINE_PATH_BYTES + NAME_BYTES];
    struct os_file *file;
    u8 mark[MARK_BYTES];
    put_u64(mark, job->step + 1);
    put_u32(mark + 8, count);
    (void)snprintf(dir, sizeof dir, "%s/state", job->engine->data_dir);
    TRY(os_mkdir_all(job->engine->os, dir));
    TRY(os_open(job->engine->os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE, &file));
    err e = os_write_at(file, 0, mark, MARK_BYTES);
    err closed = os_close(file);
    return e == OK ? closed : e;
}

err engine__strike_begin(struct engine_job *job, struct diag *diag)
{
    char path[ENGINE_PATH_BYTES + NAME_BYTES];
    if (!job->is_resumed || job->engine->data_dir[0] == '\0') {
        return OK;
    }
    path_make(job, path);
    u32 count = strikes(job, path);
    if (count >= STRIKES_MAX) {
        err e = diag_set(diag, ERR_LIMIT, "ENG077",
                         "step %llu has ended the process %d times, so the job is not tried again",
                         (unsigned long long)job->step + 1, STRIKES_MAX);
        diag_hint(diag, "the input after LSN %llu holds what it cannot bear",
                  (unsigned long long)job->position);
        IGNORE(os_unlink(job->engine->os, path)); /* The job's state says it from now on. */
        return e;
    }
    job->has_mark = true;
    IGNORE(mark_write(job, path, count + 1)); /* Without it the step is tried once more. */
    return OK;
}

void engine__strike_end(struct engine_job *job)
{
    char path[ENGINE_PATH_BYTES + NAME_BYTES];
    if (job->has_mark) {
        job->has_mark = false;
        path_make(job, path);
        IGNORE(os_unlink(job->engine->os, path)); /* A mark of an older step counts for nothing. */
    }
}
