/*
 * aws/s3/s3_store.h: what was acknowledged survives the loss of power at any moment,
 * and nothing is half; damage is found; lists, conditions, uploads.
 */
#include "aws_fixture.h"

#include "aws/s3/s3_store.h"
#include "base/buf.h"

#define DIR "/data/s3"

enum { BYTES = 150000 }; /* Three blocks. */

static struct arena arena;

/* One machine for SQLite, whichever disk stands behind it. */
static struct os machine;

static struct s3_store *open_store(struct sim *sim)
{
    machine = *sim_os(sim);
    struct s3_store *store;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(s3_store_open(&machine, DIR, &store, &diag), OK);
    return store;
}

static i64 bucket_of(struct s3_store *store)
{
    struct s3_bucket bucket;
    err e =
        s3_bucket_create(store, STR("000000000000"), STR("us-east-1"), STR("b"), &arena, &bucket);
    assert_true(e == OK || e == ERR_EXISTS);
    return bucket.id;
}

static struct s3_writer *write_bytes(struct s3_store *store, u8 byte, isize bytes)
{
    struct s3_writer *writer;
    u8 *data = mem_alloc(bytes);
    memset(data, byte, (size_t)bytes);
    assert_int_equal(s3_writer_open(store, &writer), OK);
    assert_int_equal(s3_writer_append(writer, data, bytes / 3), OK);
    assert_int_equal(s3_writer_append(writer, data, bytes - bytes / 3), OK);
    assert_int_equal(s3_writer_finish(writer), OK);
    mem_free(data);
    return writer;
}

static err put_if(struct s3_store *store, const char *key, u8 byte,
                  const struct s3_condition *condition)
{
    struct s3_attributes attributes = {0};
    struct s3_writer *writer = write_bytes(store, byte, BYTES);
    u8 etag[2] = {'e', byte};
    err e = s3_object_put(store, bucket_of(store), str_of(key), writer, str_from(etag, 2),
                          &attributes, condition, NULL);
    s3_writer_free(writer);
    return e;
}

static void put(struct s3_store *store, const char *key, u8 byte)
{
    assert_int_equal(put_if(store, key, byte, NULL), OK);
}

/* The byte that the object is full of; 0: there is none. Fails the test when it is half. */
static u8 get(struct s3_store *store, const char *key)
{
    struct s3_object object;
    struct s3_reader *reader;
    err e = s3_object_find(store, bucket_of(store), str_of(key), &arena, &object);
    if (e == ERR_NOT_FOUND) {
        return 0;
    }
    assert_int_equal(e, OK);
    assert_int_equal(s3_reader_open(store, &object, &reader), OK);
    u8 byte = 0;
    for (u64 at = 0; at < object.bytes;) {
        str view;
        assert_int_equal(s3_reader_view(reader, at, &view), OK);
        assert_true(view.len > 0);
        byte = byte == 0 ? view.data[0] : byte;
        for (isize i = 0; i < view.len; i++) {
            assert_int_equal(view.data[i], byte);
        }
        at += (u64)view.len;
    }
    s3_reader_free(reader);
    return byte;
}

static bool count_name(void *ctx, const char *name)
{
    (void)name;
    ++*(isize *)ctx;
    return true;
}

struct folders {
    struct sim *sim;
    isize files;
};

static bool count_folder(void *ctx, const char *name)
{
    struct folders *folders = ctx;
    char path[256];
    (void)snprintf(path, sizeof path, DIR "/objects/%s", name);
    IGNORE(os_list(sim_os(folders->sim), path, count_name, &folders->files)); /* Counted as 0. */
    return true;
}

static isize files_of(struct sim *sim)
{
    struct folders folders = {sim, 0};
    assert_int_equal(os_list(sim_os(sim), DIR "/objects", count_folder, &folders), OK);
    return folders.files;
}

/* --- loss of power
 * --------------------------------------------------------------------------------- */

/* Is the operation certain once the first `cut` have happened? */
static bool is_durable(const struct sim *sim, isize index, isize cut)
{
    const struct sim_op *op = sim_trace_op(sim, index);
    for (isize i = index + 1; i < cut; i++) {
        const struct sim_op *later = sim_trace_op(sim, i);
        bool is_name = op->kind == SIM_LINK || op->kind == SIM_MOVE || op->kind == SIM_UNLINK;
        if (!is_name && later->kind == SIM_SYNC && later->inode == op->inode) {
            return true;
        }
        if (is_name && later->kind == SIM_SYNC_DIR &&
            sim_has_same_directory(later->name, op->name)) {
            return true;
        }
    }
    return false;
}

/* The disk after a loss of power: all that happened, or only what was certain. */
static struct sim *image(struct sim *base, const struct sim *traced, isize cut, bool is_least)
{
    struct sim *sim = sim_clone(base);
    for (isize i = 0; i < cut; i++) {
        const struct sim_op *op = sim_trace_op(traced, i);
        bool is_change = op->kind != SIM_SYNC && op->kind != SIM_SYNC_DIR;
        if (is_change && (!is_least || is_durable(traced, i, cut))) {
            sim_apply(sim, op);
        }
    }
    return sim;
}

typedef void (*script_fn)(struct s3_store *store);
typedef void (*verify_fn)(struct s3_store *store, bool is_acknowledged);

static void in_every_state(script_fn prepare, script_fn script, verify_fn verify)
{
    struct sim *sim = sim_new(3);
    struct s3_store *store = open_store(sim);
    prepare(store);
    s3_store_close(store);
    struct sim *base = sim_clone(sim);
    sim_trace_start(sim);
    store = open_store(sim);
    script(store);
    isize count = sim_trace_count(sim); /* What comes after is not acknowledged any more. */
    for (isize cut = 0; cut <= count; cut++) {
        for (int is_least = 0; is_least <= 1; is_least++) {
            struct sim *after = image(base, sim, cut, is_least != 0);
            struct s3_store *reopened = open_store(after);
            verify(reopened, cut == count);
            s3_store_close(reopened);
            reopened = open_store(after); /* Swept: one file an object. */
            struct s3_usage *usage;
            isize buckets;
            assert_int_equal(s3_usage_list(reopened, &arena, &usage, &buckets), OK);
            struct s3_upload *uploads;
            isize upload_count;
            assert_int_equal(s3_upload_list(reopened, usage[0].bucket.id, STR_EMPTY, STR_EMPTY,
                                            STR_EMPTY, 10, &arena, &uploads, &upload_count),
                             OK);
            if (upload_count == 0) {
                isize wanted = 0;
                struct s3_list_item *items;
                isize item_count;
                bool is_truncated;
                struct s3_listing listing = {.max_keys = 100};
                assert_int_equal(s3_object_list(reopened, usage[0].bucket.id, &listing, &arena,
                                                &items, &item_count, &is_truncated),
                                 OK);
                for (isize i = 0; i < item_count; i++) {
                    wanted += MAX(1, items[i].object.part_count);
                }
                assert_int_equal(files_of(after), wanted);
            }
            s3_store_close(reopened);
            sim_free(after);
        }
    }
    sim_trace_stop(sim);
    machine = *sim_os(sim);
    s3_store_close(store);
    sim_free(base);
    sim_free(sim);
}

static void prepare_one(struct s3_store *store)
{
    put(store, "k", 'o');
}

static void script_replace(struct s3_store *store)
{
    put(store, "k", 'n');
}

static void verify_replace(struct s3_store *store, bool is_acknowledged)
{
    u8 byte = get(store, "k");
    assert_true(byte == 'n' || (byte == 'o' && !is_acknowledged));
}

static void a_replaced_object_is_old_or_new(void **state)
{
    (void)state;
    in_every_state(prepare_one, script_replace, verify_replace);
}

static void script_delete(struct s3_store *store)
{
    str key = STR("k");
    assert_int_equal(s3_objects_delete(store, bucket_of(store), &key, 1, NULL), OK);
}

static void verify_delete(struct s3_store *store, bool is_acknowledged)
{
    u8 byte = get(store, "k");
    assert_true(byte == 0 || (byte == 'o' && !is_acknowledged));
}

static void a_deleted_object_is_whole_or_gone(void **state)
{
    (void)state;
    in_every_state(prepare_one, script_delete, verify_delete);
}

static void script_upload(struct s3_store *store)
{
    struct s3_attributes attributes = {0};
    struct s3_upload upload;
    struct s3_part parts[2] = {{.number = 1, .etag = STR("p1")}, {.number = 3, .etag = STR("p3")}};
    str id;
    i64 bucket = bucket_of(store);
    assert_int_equal(s3_upload_create(store, bucket, STR("k"), &attributes, &arena, &id), OK);
    for (i32 number = 1; number <= 3; number++) {
        struct s3_writer *writer = write_bytes(store, 'n', BYTES);
        str etag = arena_printf(&arena, "p%d", number);
        assert_int_equal(s3_upload_put_part(store, id, number, writer, etag, STR_EMPTY), OK);
        s3_writer_free(writer);
    }
    assert_int_equal(s3_upload_find(store, bucket, STR("k"), id, &arena, &upload), OK);
    parts[0].etag = STR("other");
    assert_int_equal(s3_upload_complete(store, &upload, parts, 2, STR("e-2"), &attributes, NULL),
                     ERR_AGAIN);
    parts[0].etag = STR("p1");
    assert_int_equal(s3_upload_complete(store, &upload, parts, 2, STR("e-2"), &attributes, NULL),
                     OK);
}

static void a_completed_upload_is_there_or_not(void **state)
{
    (void)state;
    in_every_state(prepare_one, script_upload, verify_replace);
}

/* --- the rest
 * -------------------------------------------------------------------------------------- */

static void a_full_disk_leaves_nothing(void **state)
{
    struct sim *sim = *state;
    struct s3_store *store = open_store(sim);
    put(store, "k", 'o');
    isize files = files_of(sim);
    sim_set_space(sim, 70000);
    struct s3_writer *writer;
    u8 *data = mem_zalloc(BYTES);
    assert_int_equal(s3_writer_open(store, &writer), OK);
    assert_int_equal(s3_writer_append(writer, data, BYTES), ERR_FULL);
    s3_writer_free(writer);
    mem_free(data);
    assert_int_equal(files_of(sim), files);
    assert_int_equal(get(store, "k"), 'o');
    s3_store_close(store);
}

static err read_all(struct s3_store *store)
{
    struct s3_object object;
    struct s3_reader *reader;
    assert_int_equal(s3_object_find(store, bucket_of(store), STR("k"), &arena, &object), OK);
    assert_int_equal(s3_reader_open(store, &object, &reader), OK);
    err e = OK;
    for (u64 at = 0; at < object.bytes && e == OK;) {
        str view;
        e = s3_reader_view(reader, at, &view);
        at += e == OK ? (u64)view.len : 0;
    }
    s3_reader_free(reader);
    return e;
}

static char damaged_path[256];

static bool path_keep(void *ctx, const char *name)
{
    (void)snprintf(damaged_path, sizeof damaged_path, "%s/%s", (const char *)ctx, name);
    return true;
}

static bool folder_keep(void *ctx, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, DIR "/objects/%s", name);
    IGNORE(os_list(sim_os(ctx), path, path_keep, path)); /* Then no path is set. */
    return true;
}

static void damage_is_found(void **state)
{
    struct sim *sim = *state;
    struct s3_store *store = open_store(sim);
    put(store, "k", 'o');
    assert_int_equal(read_all(store), OK);
    assert_int_equal(os_list(sim_os(sim), DIR "/objects", folder_keep, sim), OK);
    for (u64 at = 0; at < BYTES + 16; at += 9973) {
        struct os_file *file;
        u8 byte;
        assert_int_equal(os_open(sim_os(sim), damaged_path, OS_WRITE, &file), OK);
        assert_int_equal(os_read_exact(file, at, &byte, 1), OK);
        byte ^= 4;
        assert_int_equal(os_write_at(file, at, &byte, 1), OK);
        assert_int_equal(read_all(store), ERR_CORRUPT);
        byte ^= 4;
        assert_int_equal(os_write_at(file, at, &byte, 1), OK);
        assert_int_equal(os_close(file), OK);
        assert_int_equal(read_all(store), OK);
    }
    s3_store_close(store);
}

static void conditions_hold_with_the_write(void **state)
{
    struct s3_store *store = open_store(*state);
    struct s3_condition absent = {.if_none_match_any = true};
    struct s3_condition old = {.if_match = STR("eo")}, other = {.if_match = STR("ex")};
    assert_int_equal(put_if(store, "k", 'o', &absent), OK);
    assert_int_equal(put_if(store, "k", 'n', &absent), ERR_EXISTS);
    assert_int_equal(put_if(store, "k", 'n', &other), ERR_INVALID);
    assert_int_equal(put_if(store, "none", 'n', &old), ERR_NOT_FOUND);
    assert_int_equal(get(store, "k"), 'o');
    assert_int_equal(put_if(store, "k", 'n', &old), OK);
    assert_int_equal(get(store, "k"), 'n');
    str keys[] = {STR("k"), STR("none")};
    assert_int_equal(s3_objects_delete(store, bucket_of(store), keys, 2, &old), ERR_INVALID);
    assert_int_equal(get(store, "k"), 'n');
    s3_store_close(store);
}

static void a_reader_keeps_what_is_replaced(void **state)
{
    struct s3_store *store = open_store(*state);
    struct s3_object object;
    struct s3_reader *reader;
    put(store, "k", 'o');
    assert_int_equal(s3_object_find(store, bucket_of(store), STR("k"), &arena, &object), OK);
    assert_int_equal(s3_reader_open(store, &object, &reader), OK);
    put(store, "k", 'n');
    str view;
    assert_int_equal(s3_reader_view(reader, BYTES - 1, &view), OK);
    assert_int_equal(view.data[0], 'o');
    s3_reader_free(reader);
    assert_int_equal(s3_reader_open(store, &object, &reader), ERR_NOT_FOUND);
    s3_store_close(store);
}

/* A write that began before the reset finds no bucket, and leaves nothing. */
static void a_reset_beside_a_write(void **state)
{
    struct sim *sim = *state;
    struct s3_store *store = open_store(sim);
    struct s3_attributes attributes = {0};
    put(store, "k", 'o');
    i64 bucket = bucket_of(store);
    struct s3_writer *writer = write_bytes(store, 'n', BYTES);
    assert_int_equal(s3_store_reset(store), OK);
    assert_int_equal(files_of(sim), 1);
    assert_int_equal(
        s3_object_put(store, bucket, STR("k"), writer, STR("e"), &attributes, NULL, NULL),
        ERR_EXISTS);
    s3_writer_free(writer);
    assert_int_equal(files_of(sim), 0);
    assert_int_equal(get(store, "k"), 0);
    s3_store_close(store);
}

static int arena_teardown(void **state)
{
    arena_deinit(&arena);
    return machine_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_setup, arena_teardown)
        TEST(a_replaced_object_is_old_or_new),
        TEST(a_deleted_object_is_whole_or_gone),
        TEST(a_completed_upload_is_there_or_not),
        TEST(a_full_disk_leaves_nothing),
        TEST(damage_is_found),
        TEST(conditions_hold_with_the_write),
        TEST(a_reader_keeps_what_is_replaced),
        TEST(a_reset_beside_a_write),
#undef TEST
    };
    return cmocka_run_group_tests_name("s3_store", tests, NULL, NULL);
}
