/* tests/crash/s3_scripts.c: objects put, replaced, deleted, uploaded in parts, aborted. */
#include "crash.h"
#include "service.h"

#include "aws/s3/s3_store.h"
#include "base/buf.h"
#include "base/hash.h"

#include <stdio.h>
#include <string.h>

#define DIR "/data/s3"

enum { BYTES = 1500, KEYS = 3 };

static struct s3_store *store_open(void)
{
    struct s3_store *store;
    struct diag diag;
    diag_init(&diag);
    return s3_store_open(service_os, DIR, &store, &diag) == OK ? store : NULL;
}

static i64 bucket_of(struct s3_store *store)
{
    struct arena arena = {0};
    struct s3_bucket bucket = {0};
    err e =
        s3_bucket_create(store, STR("000000000000"), STR("us-east-1"), STR("b"), &arena, &bucket);
    if (e != OK && e != ERR_EXISTS) {
        service_must(e, "bucket");
    }
    arena_deinit(&arena);
    return bucket.id;
}

static struct s3_writer *write_bytes(struct s3_store *store, u8 byte)
{
    u8 data[BYTES];
    struct s3_writer *writer;
    memset(data, byte, sizeof data);
    service_must(s3_writer_open(store, &writer), "writer");
    service_must(s3_writer_append(writer, data, BYTES), "append");
    service_must(s3_writer_finish(writer), "finish");
    return writer;
}

static void put(struct s3_store *store, const char *key, u8 byte)
{
    struct s3_attributes attributes = {0};
    struct s3_writer *writer = write_bytes(store, byte);
    service_must(s3_object_put(store, bucket_of(store), str_of(key), writer, STR("etag"),
                               &attributes, NULL, NULL),
                 "put");
    s3_writer_free(writer);
}

/* --- looking ------------------------------------------------------------------------------- */

/* Adds key and bytes of an object; false when they cannot be read in full. */
static bool look_at(struct s3_store *store, const struct s3_object *object, u64 *hash)
{
    struct s3_reader *reader;
    if (s3_reader_open(store, object, &reader) != OK) {
        return false;
    }
    *hash = hash64(object->key.data, object->key.len, *hash);
    bool is_good = true;
    for (u64 at = 0; at < object->bytes && is_good;) {
        str view;
        is_good = s3_reader_view(reader, at, &view) == OK && view.len > 0;
        if (is_good) {
            *hash = hash64(view.data, view.len, *hash);
            at += (u64)view.len;
        }
    }
    s3_reader_free(reader);
    return is_good;
}

struct files {
    char folder[64];
    u64 count;
};

static bool count_file(void *ctx, const char *name)
{
    struct files *files = ctx;
    files->count += strlen(name) == 32;
    return true;
}

static bool count_folder(void *ctx, const char *name)
{
    struct files *files = ctx;
    (void)snprintf(files->folder, sizeof files->folder, DIR "/objects/%.2s", name);
    return os_list(service_os, files->folder, count_file, files) == OK;
}

/* Objects, the parts of uploads, and how many files there are. */
static u64 look(struct s3_store *store)
{
    struct arena arena = {0};
    struct s3_list_item *items = NULL;
    struct s3_upload *uploads = NULL;
    isize count = 0, upload_count = 0;
    bool is_cut;
    u64 hash = 1;
    i64 bucket = bucket_of(store);
    struct s3_listing listing = {.max_keys = 100};
    bool is_good = s3_object_list(store, bucket, &listing, &arena, &items, &count, &is_cut) == OK &&
                   s3_upload_list(store, bucket, STR(""), STR(""), STR(""), 100, &arena, &uploads,
                                  &upload_count) == OK;
    for (isize i = 0; i < count && is_good; i++) {
        struct s3_object object;
        is_good = s3_object_find(store, bucket, items[i].object.key, &arena, &object) == OK &&
                  look_at(store, &object, &hash);
    }
    u64 parts_in_all = 0;
    for (isize i = 0; i < upload_count && is_good; i++) {
        struct s3_part *parts;
        isize part_count;
        is_good = s3_upload_parts(store, uploads[i].id, 0, 100, &arena, &parts, &part_count) == OK;
        parts_in_all += is_good ? (u64)part_count : 0;
    }
    struct files files = {.count = 0};
    err e = os_list(service_os, DIR "/objects", count_folder, &files);
    u64 pair[] = {hash, files.count, parts_in_all, (u64)upload_count};
    arena_deinit(&arena);
    return is_good && (e == OK || e == ERR_NOT_FOUND) ? hash64(pair, sizeof pair, 1) | 1 : 0;
}

u64 s3_read(void)
{
    struct s3_store *store = store_open();
    if (store == NULL) {
        return 0;
    }
    u64 result = look(store);
    s3_store_close(store);
    return result;
}

/* --- scripts ------------------------------------------------------------------------------- */

static struct s3_store *begin(struct service_script *script)
{
    service_must(os_mkdir(service_os, "/data"), "directory");
    struct s3_store *store = store_open();
    (void)bucket_of(store);
    service_begin(script, look(store));
    return store;
}

void s3_put_run(struct service_script *script)
{
    struct s3_store *store = begin(script);
    for (int i = 0; i < 3 * KEYS; i++) {
        const char key[2] = {(char)('a' + i % KEYS), '\0'};
        put(store, key, (u8)(i + 1));
        service_step(script, look(store));
    }
    s3_store_close(store);
}

void s3_delete_run(struct service_script *script)
{
    struct s3_store *store = begin(script);
    for (int i = 0; i < 8; i++) {
        const str both[] = {STR("a"), STR("b")};
        if (i % 3 == 2) {
            service_must(s3_objects_delete(store, bucket_of(store), both, 2, NULL), "delete");
        } else {
            put(store, i % 3 == 0 ? "a" : "b", (u8)(i + 1));
        }
        service_step(script, look(store));
    }
    s3_store_close(store);
}

/* Two parts, each a step, then whole or away. */
static void upload(struct service_script *script, struct s3_store *store, u8 byte, bool is_whole)
{
    struct arena arena = {0};
    struct s3_attributes attributes = {0};
    struct s3_upload found;
    struct s3_part *parts;
    isize count;
    str id;
    i64 bucket = bucket_of(store);
    service_must(s3_upload_create(store, bucket, STR("big"), &attributes, &arena, &id), "upload");
    service_step(script, look(store));
    for (int number = 1; number <= 2; number++) {
        struct s3_writer *writer = write_bytes(store, (u8)(byte + number));
        service_must(s3_upload_put_part(store, id, number, writer, STR("part"), STR("")), "part");
        s3_writer_free(writer);
        service_step(script, look(store));
    }
    if (is_whole) {
        service_must(s3_upload_find(store, bucket, STR("big"), id, &arena, &found), "find");
        service_must(s3_upload_parts(store, id, 0, 10, &arena, &parts, &count), "parts");
        service_must(
            s3_upload_complete(store, &found, parts, count, STR("whole-2"), &attributes, NULL),
            "complete");
    } else {
        service_must(s3_upload_abort(store, id), "abort");
    }
    service_step(script, look(store));
    arena_deinit(&arena);
}

void s3_multipart_run(struct service_script *script)
{
    struct s3_store *store = begin(script);
    upload(script, store, 10, true);
    upload(script, store, 20, true);
    s3_store_close(store);
}

void s3_abort_run(struct service_script *script)
{
    struct s3_store *store = begin(script);
    upload(script, store, 10, false);
    put(store, "a", 7);
    service_step(script, look(store));
    upload(script, store, 20, false);
    s3_store_close(store);
}

/* --- damage -------------------------------------------------------------------------------- */

static bool is_hurt; /* By the byte that was changed last: what is read is right or an error. */

struct hurt {
    char folder[64], path[120];
};

static bool note_path(void *ctx, const char *name)
{
    struct hurt *hurt = ctx;
    (void)snprintf(hurt->path, sizeof hurt->path, "%s/%.40s", hurt->folder, name);
    return true;
}

static bool note_folder(void *ctx, const char *name)
{
    struct hurt *hurt = ctx;
    (void)snprintf(hurt->folder, sizeof hurt->folder, DIR "/objects/%.2s", name);
    return os_list(service_os, hurt->folder, note_path, hurt) == OK;
}

static bool flip(struct s3_store *store, const char *path, u64 at, u64 whole)
{
    struct os_file *file;
    u8 byte;
    service_must(os_open(service_os, path, OS_WRITE, &file), "open");
    service_must(os_read_exact(file, at, &byte, 1), "read");
    byte ^= (u8)(1U << (at % 8));
    service_must(os_write_at(file, at, &byte, 1), "write");
    u64 found = look(store);
    is_hurt = is_hurt || found == 0;
    byte ^= (u8)(1U << (at % 8));
    service_must(os_write_at(file, at, &byte, 1), "write");
    service_must(os_close(file), "close");
    return found == 0 || found == whole;
}

void s3_damage_judge(const struct crash_budget *budget, struct crash_outcome *out)
{
    struct sim *sim = sim_new(5);
    *service_os = *sim_os(sim);
    service_must(os_mkdir(service_os, "/data"), "directory");
    struct s3_store *store = store_open();
    put(store, "a", 3);
    u64 whole = look(store);
    struct hurt hurt = {.folder = ""};
    struct os_stat stat;
    service_must(os_list(service_os, DIR "/objects", note_folder, &hurt), "list");
    service_must(os_stat_path(service_os, hurt.path, &stat), "stat");
    out->is_good = whole != 0;
    for (u64 at = 0; at < stat.bytes && out->is_good; at += budget->is_whole ? 1 : 7) {
        out->is_good = flip(store, hurt.path, at, whole);
        out->states++;
    }
    out->is_good = out->is_good && is_hurt;
    (void)snprintf(out->why, sizeof out->why, "wrong bytes were given");
    s3_store_close(store);
    sim_free(sim);
}
