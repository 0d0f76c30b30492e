/*
 * connect/filesystem/filesystem.c: the sink. A delivery is a range of rows that was written
 * down before; it becomes one object per partition (or per shard, when records pass through
 * as they are), named by where the range begins: repeated, it writes the same objects.
 */
#include "connect/common/options.h"
#include "connect/filesystem/fs_int.h"
#include "os/thread.h"

#include <stdio.h>

enum {
    ROLL_BYTES = 128 << 20,
    ROLL_MS = 30 * 60 * 1000,
    SPLIT_BYTES_MAX = 256 << 20, /* Of a range that becomes several objects. */
};

#define ROLL_SIZE     "sink.rolling-policy.file-size"
#define ROLL_INTERVAL "sink.rolling-policy.rollover-interval"

static const struct connect_option options[] = {
    {"path", true, "s3://bucket/prefix, or a directory of LEAT_FILE_DIRS."},
    {"format", true, "json (lines), csv or raw"},
    {"compression", false, "leat: none (default), gzip or zstd."},
    {ROLL_SIZE, false, "Rows' bytes at which an object ends (128MB)."},
    {ROLL_INTERVAL, false, "Age of the oldest row at which an object ends (30 min)."},
    {"sink.rolling-policy.check-interval", false, "Accepted without effect: time is not polled."},
    {"partition.default-name", false, "Folder of a NULL (__DEFAULT_PARTITION__)."},
    {"csv.skip-header", false, "leat: the first row of each object is no row (false)."},
    {"sink.parallelism", false, "Accepted without effect: one thread writes."},
    AWS_CALL_OPTIONS,
    {NULL, false, NULL},
};

struct filesystem {
    struct fs_place place;
    struct connect_format format;
    struct connect_writer *writer;
    struct connect_schema schema;
    struct type_field *fields; /* Those that are written: without the partition's. */
    isize *positions;          /* In the row. */
    isize count;
    struct arena arena;
    enum compress_kind compression;
    str null_folder;
    u32 instance;
    bool is_swept; /* Uploads of a former process are gone. */
};

/* --- options ------------------------------------------------------------------------------- */

static err check(const struct connect_table *table, struct diag *diag)
{
    static const char *const compressions[] = {"none", "gzip", "zstd", NULL};
    u64 bytes;
    i64 ms;
    static const char *const booleans[] = {"true", "false", NULL};
    TRY(connect_one_of(table, "compression", compressions, diag));
    TRY(connect_one_of(table, "csv.skip-header", booleans, diag));
    TRY(connect_get_bytes(table, ROLL_SIZE, &bytes, diag));
    TRY(connect_get_ms(table, ROLL_INTERVAL, &ms, diag));
    return fs_place_check(table, diag);
}

static const struct type *metadata(str key)
{
    (void)key;
    return NULL;
}

static bool is_partition(const struct connect_schema *schema, isize field)
{
    for (isize i = 0; i < schema->partition_count; i++) {
        if (schema->partition_fields[i] == field) {
            return true;
        }
    }
    return false;
}

static void fields_pick(struct filesystem *fs)
{
    isize room = MAX(fs->schema.count, 1);
    fs->fields = ARENA_ARRAY(&fs->arena, struct type_field, room);
    fs->positions = ARENA_ARRAY(&fs->arena, isize, room);
    for (isize i = 0; i < fs->schema.count; i++) {
        if (!is_partition(&fs->schema, i)) {
            fs->fields[fs->count] = fs->schema.fields[i];
            fs->positions[fs->count++] = i;
        }
    }
}

static void fs_close(void *sink)
{
    struct filesystem *fs = sink;
    if (fs != NULL) {
        fs_place_close(&fs->place);
        connect_writer_free(fs->writer);
        arena_deinit(&fs->arena);
        mem_free(fs);
    }
}

static err fs_open(const struct connect_table *table, const struct connect_schema *schema,
                   const struct connect_env *env, void **out, struct connect_limits *limits_out,
                   struct diag *diag)
{
    struct filesystem *fs = NEW(struct filesystem);
    fs->schema = *schema;
    fs->instance = env->instance;
    connect_format_read(table, &fs->format);
    fs->null_folder = connect_get(table, "partition.default-name", STR("__DEFAULT_PARTITION__"));
    IGNORE(compress_kind_parse(connect_get(table, "compression", STR("none")), &fs->compression));
    fields_pick(fs);
    u64 bytes = ROLL_BYTES;
    i64 ms = ROLL_MS;
    err e = fs_place_open(&fs->place, table, schema, env, diag);
    if (e == OK) {
        e = connect_format_types_check(&fs->format, fs->fields, fs->count, diag);
    }
    if (e == OK) {
        e = connect_get_bytes(table, ROLL_SIZE, &bytes, diag);
    }
    if (e == OK) {
        e = connect_get_ms(table, ROLL_INTERVAL, &ms, diag);
    }
    if (e != OK) {
        fs_close(fs);
        return e;
    }
    fs->writer = connect_writer_new(&fs->format, fs->fields, fs->count);
    bool is_raw = fs->format.kind == CONNECT_FORMAT_RAW && schema->partition_count == 0;
    bool is_split = is_raw || schema->partition_count > 0;
    *limits_out = (struct connect_limits){
        .bytes_max = is_split ? MIN(MAX(bytes, 1), (u64)SPLIT_BYTES_MAX) : MAX(bytes, 1),
        .linger_ms = (u32)ms,
        .is_planned = true,
        .is_pass_through = is_raw,
    };
    *out = fs;
    return OK;
}

/* --- rows ---------------------------------------------------------------------------------- */

/* As Hive escapes the values of partitions. */
static void folder_append(struct buf *out, str text)
{
    static const char special[] = "\"#%'*/:=?\\{}[]^";
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        if (c < 0x20 || c == 0x7F || strchr(special, c) != NULL) {
            buf_printf(out, "%%%02X", c);
        } else {
            buf_append_byte(out, c);
        }
    }
}

static void partition_append(const struct filesystem *fs, const struct vec *cols, isize row,
                             struct arena *scratch, struct buf *key)
{
    for (isize i = 0; i < fs->schema.partition_count; i++) {
        isize at = fs->schema.partition_fields[i];
        struct value value;
        struct buf text = {0};
        vec_get(&cols[at], row, scratch, &value);
        folder_append(key, fs->schema.fields[at].name);
        buf_append_byte(key, '=');
        if (!value.is_null) {
            value_format(&value, &text);
        }
        folder_append(key, text.len > 0 ? buf_str(&text) : fs->null_folder);
        buf_append_byte(key, '/');
        buf_deinit(&text);
    }
}

static err encode(void *sink, const struct vec *cols, isize row, struct arena *scratch,
                  struct buf *key, struct buf *data, struct diag *diag)
{
    const struct filesystem *fs = sink;
    partition_append(fs, cols, row, scratch, key);
    if (key->len > FS_NAME_BYTES / 2) {
        return diag_set(diag, ERR_INVALID, "CON057", "the partition's name is over %d bytes",
                        FS_NAME_BYTES / 2);
    }
    const struct vec *picked = cols;
    if (fs->count < fs->schema.count) {
        struct vec *some = ARENA_ARRAY(scratch, struct vec, MAX(fs->count, 1));
        for (isize i = 0; i < fs->count; i++) {
            some[i] = cols[fs->positions[i]];
        }
        picked = some;
    }
    connect_writer_row(fs->writer, picked, row, scratch, data);
    if (fs->format.kind != CONNECT_FORMAT_RAW) {
        buf_append_byte(data, '\n');
    }
    return OK;
}

/* --- delivery ------------------------------------------------------------------------------ */

struct delivery {
    struct filesystem *fs;
    struct fs_object *first;
    isize buffered;
    int count;
    u64 from;
};

/* Objects of one lane, finished by a thread of its own. */
struct lane {
    struct delivery *delivery;
    int number;
    enum connect_verdict verdict;
    struct diag diag;
    struct os_thread thread;
};

static str object_key(const struct delivery *d, str group, struct arena *arena)
{
    static const char *const endings[] = {".json", ".csv", ""};
    static const char *const suffixes[] = {"", ".gz", ".zst"};
    const struct filesystem *fs = d->fs;
    bool is_folder = str_ends(group, STR("/"));
    bool needs_slash = fs->place.prefix.len > 0 && !str_ends(fs->place.prefix, STR("/"));
    return arena_printf(
        arena, STR_FMT "%s" STR_FMT "part-%08x-" STR_FMT "-%u%s" STR_FMT "-%016llu%s%s",
        STR_ARG(fs->place.prefix), needs_slash ? "/" : "", STR_ARG(is_folder ? group : STR_EMPTY),
        fs->instance, STR_ARG(fs->schema.job), fs->schema.sink,
        is_folder || group.len == 0 ? "" : "-", STR_ARG(is_folder ? STR_EMPTY : group),
        (unsigned long long)d->from + 1, endings[fs->format.kind], suffixes[fs->compression]);
}

static struct fs_object *object_of(struct delivery *d, str group)
{
    struct fs_object *object = d->first;
    while (object != NULL && !str_eq(object->group, group)) {
        object = object->next;
    }
    if (object == NULL) {
        struct arena scratch = {0};
        object = fs_object_new(&d->fs->place, d->count++ % FS_LANES, group,
                               object_key(d, group, &scratch), d->fs->compression);
        object->next = d->first;
        d->first = object;
        arena_deinit(&scratch);
    }
    return object;
}

/* Sends parts while too much is held in memory. */
static enum connect_verdict relieve(struct delivery *d, struct fs_object *object, struct diag *diag)
{
    struct fs_object *largest = object;
    if (object->pending.len < FS_PART_BYTES) {
        if (d->buffered < FS_BUFFERED_MAX) {
            return CONNECT_OK;
        }
        for (struct fs_object *o = d->first; o != NULL; o = o->next) {
            largest = o->pending.len > largest->pending.len ? o : largest;
        }
        if (largest->pending.len < FS_PART_BYTES_MIN) {
            return CONNECT_OK; /* Bounded by the range. */
        }
    }
    d->buffered -= largest->pending.len;
    return fs_object_flush(largest, diag);
}

static void lane_main(void *ctx)
{
    struct lane *lane = ctx;
    for (struct fs_object *object = lane->delivery->first;
         object != NULL && lane->verdict == CONNECT_OK; object = object->next) {
        if (object->lane == lane->number) {
            lane->verdict = fs_object_finish(object, &lane->diag);
        }
    }
}

/* A store takes several objects in the time of one: most of it is waiting for its disk. */
static enum connect_verdict finish_all(struct delivery *d, struct diag *diag)
{
    struct lane lanes[FS_LANES];
    int used = MIN(d->count, FS_LANES);
    for (int i = 0; i < used; i++) {
        lanes[i] = (struct lane){.delivery = d, .number = i, .verdict = CONNECT_OK};
        diag_init(&lanes[i].diag);
        if (i > 0) {
            os_thread_start(&lanes[i].thread, "leat-upload", lane_main, &lanes[i]);
        }
    }
    enum connect_verdict verdict = CONNECT_OK;
    for (int i = 0; i < used; i++) {
        if (i == 0) {
            lane_main(&lanes[0]);
        } else {
            os_thread_join(&lanes[i].thread);
        }
        if (lanes[i].verdict != CONNECT_OK && verdict == CONNECT_OK) {
            verdict = lanes[i].verdict;
            *diag = lanes[i].diag;
        }
    }
    return verdict;
}

static enum connect_verdict write_rows(struct delivery *d, struct connect_batch *batch,
                                       struct diag *diag)
{
    struct connect_row row;
    struct fs_object *object = NULL;
    enum connect_verdict verdict = CONNECT_OK;
    while (verdict == CONNECT_OK && batch->next(batch, &row)) {
        if (object == NULL || !str_eq(object->group, row.key)) {
            object = object_of(d, row.key);
        }
        isize before = object->pending.len;
        if (fs_object_add(object, row.data) != OK) {
            (void)diag_set(diag, ERR_IO, "CON056", "the object cannot be compressed");
            return CONNECT_RETRY;
        }
        d->buffered += object->pending.len - before;
        verdict = relieve(d, object, diag);
    }
    return verdict == CONNECT_OK && batch->failure == OK ? finish_all(d, diag) : verdict;
}

/* Before the first object. */
static enum connect_verdict sweep(struct filesystem *fs, struct diag *diag)
{
    if (fs->place.call == NULL || fs->is_swept) {
        return CONNECT_OK;
    }
    struct arena scratch = {0};
    str name = arena_printf(&scratch, "part-%08x-" STR_FMT "-%u-", fs->instance,
                            STR_ARG(fs->schema.job), fs->schema.sink);
    enum connect_verdict verdict = fs_uploads_abort(&fs->place, name, diag);
    fs->is_swept = verdict == CONNECT_OK;
    if (fs->is_swept) {
        diag_init(diag); /* A refusal is not what the delivery fails with. */
    }
    arena_deinit(&scratch);
    return verdict;
}

static enum connect_verdict deliver(void *sink, struct connect_batch *batch, struct diag *diag)
{
    enum connect_verdict swept = sweep(sink, diag);
    if (swept != CONNECT_OK) {
        return CONNECT_RETRY;
    }
    struct delivery d = {.fs = sink, .from = batch->from};
    enum connect_verdict verdict = write_rows(&d, batch, diag);
    while (d.first != NULL) {
        struct fs_object *next = d.first->next;
        fs_object_free(d.first);
        d.first = next;
    }
    /* Whatever the store says, a range is never dropped: it is tried again. */
    return verdict == CONNECT_FATAL ? CONNECT_RETRY : verdict;
}

static str target(void *sink)
{
    return ((struct filesystem *)sink)->place.text;
}

static const struct connect_sink_ops ops = {
    .open = fs_open,
    .close = fs_close,
    .encode = encode,
    .deliver = deliver,
    .target = target,
};

#define CONNECTOR(called)                                                                 \
    {                                                                                     \
        .name = (called), .roles = CONNECT_SINK_OUTSIDE | CONNECT_SOURCE_LANDED,          \
        .source = &fs_source_ops, .options = options, .has_format = true, .check = check, \
        .metadata = metadata, .sink = &ops                                                \
    }

const struct connector connect_filesystem = CONNECTOR("filesystem");
const struct connector connect_s3 = CONNECTOR("s3");
