/* engine/snapshot_check.c: snapshots of a data directory that nobody has open: are they whole? */
#include "engine/snapshot.h"

#include "base/arena.h"

struct look {
    struct os *os;
    engine_snapshot_fn each;
    void *ctx;
    char dir[ENGINE_PATH_BYTES + SNAPSHOT_NAME_BYTES];
    struct arena arena;
    const char **names;
    isize count;
};

static err read_file(void *ctx, u64 offset, void *data, isize bytes)
{
    return os_read_exact(ctx, offset, data, bytes);
}

static err any_section(void *to, u64 operator_id, str body)
{
    (void)to;
    (void)operator_id;
    (void)body;
    return OK;
}

/* Whatever job and step it says it is of. */
static err check_snapshot(struct os_file *file, u64 bytes, struct diag *diag)
{
    u8 head[SNAPSHOT_HEAD_BYTES] = {0};
    u64 hash;
    IGNORE(os_read_exact(file, 0, head, SNAPSHOT_HEAD_BYTES)); /* It is read again. */
    struct snapshot_head expected = {get_u64(head + 16), get_u64(head + 24), get_u64(head + 32),
                                     get_u64(head + 40)};
    return engine__snapshot_parse(bytes, read_file, file, &expected, any_section, NULL, &hash,
                                  diag);
}

/* Sections to the file's end. */
static err check_pieces(struct os_file *file, u64 bytes, struct diag *diag)
{
    struct buf body = {0};
    err e = OK;
    u64 at = 0;
    while (e == OK && at < bytes) {
        u8 head[SNAPSHOT_SECTION_BYTES] = {0};
        e = os_read_exact(file, at, head, SNAPSHOT_SECTION_BYTES);
        isize length = get_u32(head);
        bool fits = length > 0 && length <= SNAPSHOT_BODY_BYTES_MAX &&
                    (u64)length + SNAPSHOT_SECTION_BYTES <= bytes - at;
        e = e == OK && !fits ? ERR_CORRUPT : e;
        buf_reset(&body);
        u8 *data = e == OK ? buf_reserve(&body, length) : NULL;
        e = e == OK ? os_read_exact(file, at + SNAPSHOT_SECTION_BYTES, data, length) : e;
        if (e == OK &&
            get_u32(head + 4) != engine__snapshot_crc(get_u64(head + 8), str_from(data, length))) {
            e = ERR_CORRUPT;
        }
        if (e == OK) {
            at += SNAPSHOT_SECTION_BYTES + (u64)length;
        }
    }
    buf_deinit(&body);
    return e == OK ? OK
                   : diag_set(diag, e, "ENG075", "the piece at byte %llu is damaged",
                              (unsigned long long)at);
}

static bool take_name(void *ctx, const char *name)
{
    struct look *look = ctx;
    look->names = arena_grow(&look->arena, look->names, look->count, (isize)sizeof *look->names);
    look->names[look->count++] = arena_cstr(&look->arena, str_of(name));
    return true;
}

static void check_file(struct look *look, const char *job, const char *name)
{
    str text = str_of(name);
    bool is_snapshot = str_ends(text, STR(".snapshot"));
    if (!is_snapshot && !str_ends(text, STR(".pieces"))) {
        return;
    }
    str path = arena_printf(&look->arena, "%s/%s/%s", look->dir, job, name);
    struct os_file *file;
    struct os_stat stat;
    struct diag diag;
    diag_init(&diag);
    err e = os_open(look->os, (const char *)path.data, OS_READ, &file);
    if (e == OK) {
        e = os_stat_file(file, &stat);
        if (e == OK) {
            e = is_snapshot ? check_snapshot(file, stat.bytes, &diag)
                            : check_pieces(file, stat.bytes, &diag);
        }
        IGNORE(os_close(file)); /* Only read. */
    }
    look->each(look->ctx, job, (const char *)path.data, e,
               diag_is_set(&diag) ? diag.message : err_text(e));
}

err engine_check_snapshots(struct os *os, const char *data_dir, engine_snapshot_fn each, void *ctx)
{
    struct look look = {.os = os, .each = each, .ctx = ctx};
    if (snprintf(look.dir, sizeof look.dir, "%s/state", data_dir) >= (int)sizeof look.dir) {
        return ERR_LIMIT;
    }
    err e = os_list(os, look.dir, take_name, &look);
    isize jobs = look.count;
    for (isize i = 0; i < jobs && e == OK; i++) {
        const char *job = look.names[i];
        str path = arena_printf(&look.arena, "%s/%s", look.dir, job);
        isize first = look.count;
        struct os_stat stat;
        e = os_stat_path(os, (const char *)path.data, &stat);
        if (e == OK && stat.kind == OS_DIR) {
            e = os_list(os, (const char *)path.data, take_name, &look);
        }
        for (isize k = first; k < look.count && e == OK; k++) {
            check_file(&look, job, look.names[k]);
        }
    }
    arena_deinit(&look.arena);
    return e == ERR_NOT_FOUND ? OK : e;
}
