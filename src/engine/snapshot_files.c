/* engine/snapshot_files.c: names of snapshots, which files of pieces they consist of, and removing
 * what none that is kept needs. */
#include "engine/snapshot.h"

#include "base/trace.h"

enum { PATH_BYTES = ENGINE_PATH_BYTES + SNAPSHOT_NAME_BYTES, WORN_SLACK = 4 << 20, FILES_MAX = 64 };

/* --- names ------------------------------------------------------------------------------------ */

void engine__snapshot_dir(const struct engine_job *job, char *out)
{
    (void)snprintf(out, PATH_BYTES, "%s/state/%s", job->engine->data_dir, job->id_text);
}

void engine__snapshot_path(const struct engine_job *job, u64 step, const char *kind, char *out)
{
    (void)snprintf(out, PATH_BYTES, "%s/state/%s/%020llu.%s", job->engine->data_dir, job->id_text,
                   (unsigned long long)step, kind);
}

/* --- files of pieces -------------------------------------------------------------------------- */

void engine__piece_files_free(struct engine_piece_files *files)
{
    mem_free(files->items);
    *files = (struct engine_piece_files){.is_known = true};
}

void engine__piece_files_add(struct engine_piece_files *files, u64 step, u64 bytes)
{
    enum { FIRST = 8 };
    if (files->count == files->capacity) {
        files->capacity = MAX(files->capacity * 2, FIRST);
        files->items = mem_resize(files->items, files->capacity * (isize)sizeof *files->items);
    }
    files->items[files->count++] = (struct engine_piece_file){step, bytes};
}

u64 engine__piece_file_bytes(const struct engine_piece_files *files, u64 step)
{
    for (isize i = 0; i < files->count; i++) {
        if (files->items[i].step == step) {
            return files->items[i].bytes;
        }
    }
    return 0;
}

bool engine__piece_files_are_worn(const struct engine_piece_files *files)
{
    u64 bytes = 0;
    for (isize i = 0; i < files->count; i++) {
        bytes += files->items[i].bytes;
    }
    return files->count >= FILES_MAX || bytes > files->live_bytes * 2 + WORN_SLACK;
}

void engine__piece_files_push(struct engine_job *job, const struct engine_piece_files *newest)
{
    engine__piece_files_free(&job->piece_files[1]);
    job->piece_files[1] = job->piece_files[0];
    job->piece_files[0] = *newest;
}

err engine__piece_files_take(struct engine_piece_files *files, str in)
{
    u64 count, step, bytes;
    TRY(varint_take(&in, &files->live_bytes));
    TRY(varint_take(&in, &count));
    for (u64 i = 0; i < count; i++) {
        TRY(varint_take(&in, &step));
        TRY(varint_take(&in, &bytes));
        engine__piece_files_add(files, step, bytes);
    }
    return in.len == 0 ? OK : ERR_CORRUPT;
}

/* --- old ones --------------------------------------------------------------------------------- */

struct sweep {
    const struct engine_job *job;
    u64 keep[2];
    struct arena arena;
    str *names;
    isize count;
};

static bool is_kept(const struct sweep *sweep, str name)
{
    char wanted[SNAPSHOT_NAME_BYTES];
    bool is_known = true;
    for (int k = 0; k < COUNT_OF(sweep->keep); k++) {
        (void)snprintf(wanted, sizeof wanted, "%020llu.snapshot",
                       (unsigned long long)sweep->keep[k]);
        if (str_eq(name, str_of(wanted))) {
            return true;
        }
        const struct engine_piece_files *files = &sweep->job->piece_files[k];
        is_known = is_known && files->is_known;
        for (isize i = 0; i < files->count; i++) {
            (void)snprintf(wanted, sizeof wanted, "%020llu.pieces",
                           (unsigned long long)files->items[i].step);
            if (str_eq(name, str_of(wanted))) {
                return true;
            }
        }
    }
    return !is_known && str_ends(name, STR(".pieces"));
}

static bool sweep_name(void *ctx, const char *name)
{
    struct sweep *sweep = ctx;
    if (!is_kept(sweep, str_of(name))) {
        sweep->names = arena_grow(&sweep->arena, sweep->names, sweep->count, (isize)sizeof(str));
        sweep->names[sweep->count++] = arena_copy(&sweep->arena, str_of(name));
    }
    return true;
}

void engine__snapshots_sweep(struct engine_job *job, u64 keep_step, u64 keep_other)
{
    struct os *os = job->engine->os;
    struct sweep sweep = {.job = job, .keep = {keep_step, keep_other}};
    char dir[PATH_BYTES];
    if (job->engine->data_dir[0] == '\0') {
        return;
    }
    engine__snapshot_dir(job, dir);
    err e = os_list(os, dir, sweep_name, &sweep);
    for (isize i = 0; i < sweep.count && e == OK; i++) {
        char path[PATH_BYTES + SNAPSHOT_NAME_BYTES];
        (void)snprintf(path, sizeof path, "%s/" STR_FMT, dir, STR_ARG(sweep.names[i]));
        e = os_unlink(os, path);
    }
    if (e != OK && e != ERR_NOT_FOUND) {
        trace(TRACE_WARN, "engine", "an old snapshot could not be removed",
              T_STR("job", str_of(job->id_text)), T_STR("error", str_of(err_text(e))));
    }
    arena_deinit(&sweep.arena);
}
