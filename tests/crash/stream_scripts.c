/* tests/crash/stream_scripts.c: the catalog of streams: made, changed, deleted, made again under
 * the same name, scaled to a warm throughput, and restated while retention drops what was
 * restated. */
#include "service.h"

#include "base/hash.h"
#include "stream/stream.h"

#include <stdio.h>
#include <string.h>

enum { TAGS = 50, TAG_BYTES = 250, ROW_BYTES = 3000 };

struct place {
    struct log *log;
    struct streams *streams;
};

static struct stream_id id_of(str name)
{
    return (struct stream_id){STR("000000000000"), STR("us-east-1"), name};
}

static bool place_open(struct place *p)
{
    struct diag diag;
    diag_init(&diag);
    struct log_options options = {.dir = "/log", .segment_bytes = 1 << 15, .reserve_bytes = 1};
    if (log_open(service_os, &options, &p->log, &diag) != OK) {
        return false;
    }
    bool is_open = streams_open(service_os, p->log, &p->streams, &diag) == OK;
    if (!is_open) {
        log_close(p->log);
    }
    return is_open;
}

static void place_close(struct place *p)
{
    streams_close(p->streams);
    log_close(p->log);
}

/* --- looking ------------------------------------------------------------------------------- */

static u64 rows_look(struct stream *stream, u64 hash)
{
    struct stream_read_limits limits = {.rows_max = 1000, .bytes_max = 1 << 20};
    struct stream_page *page;
    u64 next;
    i64 behind;
    if (stream_read(stream, 0, 0, &limits, &page, &next, &behind) != OK) {
        return 1;
    }
    for (isize i = 0; i < stream_page_count(page); i++) {
        str data = stream_page_row(page, i)->record.data;
        hash = hash64(data.data, data.len, hash);
    }
    stream_page_free(page);
    return hash;
}

static u64 look_at(struct stream *stream, u64 hash)
{
    struct stream_info info;
    struct arena arena = {0};
    struct stream_tag *tags;
    isize count;
    stream_get_info(stream, &info);
    stream_get_tags(stream, &arena, &tags, &count);
    for (isize i = 0; i < count; i++) {
        hash = hash64(tags[i].value.data, tags[i].value.len, hash);
    }
    u64 numbers[] = {info.number,           (u64)info.retention_hours,
                     (u64)info.shard_count, (u64)info.open_shard_count,
                     (u64)info.mode,        (u64)info.warm_mibps};
    hash = hash64(numbers, sizeof numbers, hash);
    arena_deinit(&arena);
    return hash64(info.id.name.data, info.id.name.len, rows_look(stream, hash));
}

static u64 look(struct place *p)
{
    static const char *const names[] = {"a", "b", "c", "big"};
    struct stream_commitment commitment;
    streams_get_commitment(p->streams, id_of(STR_EMPTY).account, id_of(STR_EMPTY).region,
                           &commitment);
    u64 hash = hash64(&commitment, sizeof commitment, 1);
    for (int i = 0; i < COUNT_OF(names); i++) {
        struct stream *stream = streams_find(p->streams, id_of(str_of(names[i])));
        if (stream != NULL) {
            hash = look_at(stream, hash);
            stream_unref(stream);
        }
    }
    return hash | 1;
}

/* A number that a stream had may not be given again: what is left of it would be seen. */
static bool gives_new_number(struct place *p, u32 *number_out)
{
    struct stream_spec spec = {.id = id_of(STR("probe")), .shard_count = 1};
    struct stream_info info;
    if (stream_create_wait(p->streams, &spec) != OK) {
        return false;
    }
    struct stream *stream = streams_find(p->streams, spec.id);
    stream_get_info(stream, &info);
    stream_unref(stream);
    *number_out = info.number;
    return true;
}

static u32 numbers_given; /* By the script, at the last acknowledged step that a check may ask. */
static bool is_numbering_checked;

u64 streams_read(void)
{
    struct place p;
    u32 number = 0;
    if (!place_open(&p)) {
        return 0;
    }
    u64 result = look(&p);
    bool is_good =
        !is_numbering_checked || (gives_new_number(&p, &number) && number > numbers_given);
    place_close(&p);
    return is_good ? result : 0;
}

/* --- changes ------------------------------------------------------------------------------- */

static void make(struct place *p, const char *name, i32 shards)
{
    struct stream_spec spec = {.id = id_of(str_of(name)), .shard_count = shards};
    service_must(stream_create_wait(p->streams, &spec), "create");
}

static struct stream *find(struct place *p, const char *name)
{
    struct stream *stream = streams_find(p->streams, id_of(str_of(name)));
    CHECK(stream != NULL);
    return stream;
}

static void drop(struct place *p, const char *name)
{
    struct stream *stream = find(p, name);
    service_must(stream_delete_wait(stream), "delete");
    stream_unref(stream);
}

static void put(struct place *p, const char *name, u8 byte)
{
    u8 data[ROW_BYTES];
    memset(data, byte, sizeof data);
    struct stream *stream = find(p, name);
    struct log_batch *batch = log_batch_new();
    struct stream_record record = {.partition_key = STR("k"), .data = str_from(data, ROW_BYTES)};
    service_must(stream_batch_add(stream, batch, &record, NULL), "record");
    service_must(log_commit(p->log, batch), "commit");
    log_batch_free(batch);
    stream_unref(stream);
}

static void wake(void *ctx, err e)
{
    service_must(e, "change");
    __atomic_store_n((bool *)ctx, true, __ATOMIC_RELEASE);
}

static void wait_for(const bool *is_done)
{
    while (!__atomic_load_n(is_done, __ATOMIC_ACQUIRE)) {
        os_sleep_ms(os_real(), 1);
    }
}

static void set_retention(struct place *p, const char *name, i32 hours)
{
    bool is_done = false;
    struct stream *stream = find(p, name);
    service_must(stream_set_retention(stream, hours, wake, &is_done), "retention");
    wait_for(&is_done);
    stream_unref(stream);
}

/* As many bytes as a stream's tags may have. */
static void set_tags(struct place *p, const char *name, u8 byte)
{
    bool is_done = false;
    char keys[TAGS][8];
    u8 value[TAG_BYTES];
    struct stream_tag tags[TAGS];
    memset(value, 'a' + byte % 20, sizeof value);
    for (int i = 0; i < TAGS; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%d", i);
        tags[i] = (struct stream_tag){str_of(keys[i]), str_from(value, TAG_BYTES)};
    }
    struct stream *stream = find(p, name);
    service_must(stream_set_tags(stream, tags, TAGS, NULL, 0, wake, &is_done), "tags");
    wait_for(&is_done);
    stream_unref(stream);
}

static void begin(struct service_script *script, struct place *p)
{
    is_numbering_checked = false;
    CHECK(place_open(p));
    service_begin(script, look(p));
}

void streams_create_run(struct service_script *script)
{
    struct place p;
    begin(script, &p);
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        make(&p, names[i], i + 1);
        service_step(script, look(&p));
        set_retention(&p, names[i], 48 + i);
        service_step(script, look(&p));
    }
    drop(&p, "b");
    service_step(script, look(&p));
    place_close(&p);
}

/* Records of a stream are not those of the next one of its name. */
void streams_again_run(struct service_script *script)
{
    struct place p;
    begin(script, &p);
    for (u8 i = 0; i < 5; i++) {
        make(&p, "a", 1);
        service_step(script, look(&p));
        put(&p, "a", i);
        service_step(script, look(&p));
        drop(&p, "a");
        service_step(script, look(&p));
        if (i % 2 == 1) {
            service_must(log_retain_now(p.log), "retain");
        }
    }
    place_close(&p);
}

static void set_warm(struct place *p, const char *name, i32 mibps, bool switches_mode)
{
    bool is_done = false;
    struct stream *stream = find(p, name);
    service_must(stream_set_warm(stream, mibps, switches_mode, wake, &is_done), "warm throughput");
    wait_for(&is_done);
    stream_unref(stream);
}

static void commit_account(struct place *p, bool is_wanted)
{
    bool is_done = false;
    struct stream_commitment commitment;
    struct stream_id id = id_of(STR_EMPTY);
    service_must(streams_set_commitment(p->streams, id.account, id.region, is_wanted, &commitment,
                                        wake, &is_done),
                 "commitment");
    wait_for(&is_done);
}

/* Shards, mode and number change together or not at all. */
void streams_warm_run(struct service_script *script)
{
    struct place p;
    begin(script, &p);
    commit_account(&p, true);
    service_step(script, look(&p));
    struct stream_spec spec = {
        .id = id_of(STR("a")), .mode = STREAM_ON_DEMAND, .shard_count = 5, .warm_mibps = 5};
    service_must(stream_create_wait(p.streams, &spec), "create");
    service_step(script, look(&p));
    set_warm(&p, "a", 6, false);
    service_step(script, look(&p));
    make(&p, "b", 2);
    service_step(script, look(&p));
    set_warm(&p, "b", 5, true);
    service_step(script, look(&p));
    commit_account(&p, false);
    service_step(script, look(&p));
    place_close(&p);
}

void streams_restated_run(struct service_script *script)
{
    struct place p;
    CHECK(place_open(&p));
    make(&p, "a", 2);
    set_retention(&p, "a", 72);
    make(&p, "b", 1);
    make(&p, "big", 1);
    for (u8 i = 0; i < 20; i++) {
        set_tags(&p, "big", i);
    }
    make(&p, "c", 1);
    drop(&p, "c");
    numbers_given = 4;
    is_numbering_checked = true;
    service_begin(script, look(&p));
    for (u8 i = 0; i < 5; i++) { /* The catalog is restated on the way. */
        set_tags(&p, "big", (u8)(i + 30));
        service_step(script, look(&p));
        service_must(log_retain_now(p.log), "retain");
    }
    put(&p, "b", 9);
    service_step(script, look(&p));
    service_must(log_retain_now(p.log), "retain");
    place_close(&p);
}
