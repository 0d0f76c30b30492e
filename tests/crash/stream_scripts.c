/* tests/crash/stream_scripts.c: the catalog of streams: made, changed, deleted, made again under
 * the same name, scaled to a warm throughput, and restated while retention drops what was
 * restated. */
#include "place.h"
#include "service.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

enum { TAGS = 50, TAG_BYTES = 250, ROW_BYTES = 3000, FILLER_BYTES = 24 << 10 };

/* --- looking ------------------------------------------------------------------------------- */

static u64 rows_look(struct place *p, const char *name, u64 hash)
{
    struct stream_page *page = place_page(p, name);
    hash = place_page_hash(page, hash);
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
    return hash64(info.id.name.data, info.id.name.len, hash);
}

static u64 look(struct place *p)
{
    static const char *const names[] = {"a", "b", "c", "big"};
    struct stream_commitment commitment;
    streams_get_commitment(p->streams, place_id("").account, place_id("").region, &commitment);
    u64 hash = hash64(&commitment, sizeof commitment, 1);
    for (int i = 0; i < COUNT_OF(names); i++) {
        struct stream *stream = streams_find(p->streams, place_id(names[i]));
        if (stream != NULL) {
            hash = look_at(stream, rows_look(p, names[i], hash));
            stream_unref(stream);
        }
    }
    return hash | 1;
}

/* A number that a stream had may not be given again: what is left of it would be seen. */
static bool gives_new_number(struct place *p, u32 *number_out)
{
    struct stream_spec spec = {.id = place_id("probe"), .shard_count = 1};
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
    if (!place_open(&p, PLACE_STREAMS)) {
        return 0;
    }
    u64 result = look(&p);
    bool is_good =
        !is_numbering_checked || (gives_new_number(&p, &number) && number > numbers_given);
    place_close(&p);
    return is_good ? result : 0;
}

/* --- changes ------------------------------------------------------------------------------- */

static void put(struct place *p, const char *name, u8 byte)
{
    u8 data[ROW_BYTES];
    memset(data, byte, sizeof data);
    place_put(p, name, str_from(data, ROW_BYTES));
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
    struct stream *stream = place_find(p, name);
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
    struct stream *stream = place_find(p, name);
    service_must(stream_set_tags(stream, tags, TAGS, NULL, 0, wake, &is_done), "tags");
    wait_for(&is_done);
    stream_unref(stream);
}

static void begin(struct service_script *script, struct place *p)
{
    is_numbering_checked = false;
    CHECK(place_open(p, PLACE_STREAMS));
    service_begin(script, look(p));
}

void streams_create_run(struct service_script *script)
{
    struct place p;
    begin(script, &p);
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        place_make(&p, names[i], i + 1);
        service_step(script, look(&p));
        set_retention(&p, names[i], 48 + i);
        service_step(script, look(&p));
    }
    place_drop(&p, "b");
    service_step(script, look(&p));
    place_close(&p);
}

/* Records of a stream are not those of the next one of its name. */
void streams_again_run(struct service_script *script)
{
    struct place p;
    begin(script, &p);
    for (u8 i = 0; i < 5; i++) {
        place_make(&p, "a", 1);
        service_step(script, look(&p));
        put(&p, "a", i);
        service_step(script, look(&p));
        place_drop(&p, "a");
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
    struct stream *stream = place_find(p, name);
    service_must(stream_set_warm(stream, mibps, switches_mode, wake, &is_done), "warm throughput");
    wait_for(&is_done);
    stream_unref(stream);
}

static void commit_account(struct place *p, bool is_wanted)
{
    bool is_done = false;
    struct stream_commitment commitment;
    struct stream_id id = place_id("");
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
        .id = place_id("a"), .mode = STREAM_ON_DEMAND, .shard_count = 5, .warm_mibps = 5};
    service_must(stream_create_wait(p.streams, &spec), "create");
    service_step(script, look(&p));
    set_warm(&p, "a", 6, false);
    service_step(script, look(&p));
    place_make(&p, "b", 2);
    service_step(script, look(&p));
    set_warm(&p, "b", 5, true);
    service_step(script, look(&p));
    commit_account(&p, false);
    service_step(script, look(&p));
    place_close(&p);
}

static struct stream_id hidden_id(void)
{
    return (struct stream_id){STR(STREAM_HIDDEN_ACCOUNT), place_id("").region, STR("filler")};
}

/* What a hidden stream holds is dead at once: the segments of what was restated hold little else,
 * and are rewritten. */
static void fill(struct place *p)
{
    static u8 data[FILLER_BYTES];
    place_put_to(p, hidden_id(), str_from(data, FILLER_BYTES));
    service_must(log_retain_now(p->log), "retain");
}

void streams_restated_run(struct service_script *script)
{
    struct place p;
    CHECK(place_open(&p, PLACE_STREAMS));
    place_make(&p, "a", 2);
    struct stream_spec filler = {.id = hidden_id(), .shard_count = 1};
    service_must(stream_create_wait(p.streams, &filler), "create");
    set_retention(&p, "a", 72);
    place_make(&p, "b", 1);
    place_make(&p, "big", 1);
    for (u8 i = 0; i < 20; i++) {
        set_tags(&p, "big", i);
    }
    place_make(&p, "c", 1);
    place_drop(&p, "c");
    numbers_given = 5;
    is_numbering_checked = true;
    service_begin(script, look(&p));
    for (u8 i = 0; i < 5; i++) { /* The catalog is restated on the way. */
        set_tags(&p, "big", (u8)(i + 30));
        service_step(script, look(&p));
        fill(&p);
    }
    for (u8 i = 0; i < 3; i++) {
        put(&p, "b", (u8)(i + 9));
        service_step(script, look(&p));
        fill(&p);
    }
    place_close(&p);
}
