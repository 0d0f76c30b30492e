/* engine/letters.c */
#include "engine/letters.h"

#include "codec/base64.h"
#include "codec/json.h"
#include "engine/engine_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGE_ROWS = 500, PAGE_BYTES = 4 << 20, BYTES_MAX = 16 << 20 };

/* --- which were put back
 * -------------------------------------------------------------------------------- */

struct id_list {
    u64 *ids; /* Ascending. */
    isize count;
};

static void page_ids(const struct stream_page *page, struct arena *arena, struct id_list *list)
{
    struct stream_rows cursor;
    struct stream_row row;
    stream_page_begin(page, &cursor);
    while (stream_page_next(&cursor, &row)) {
        u64 id;
        if (str_to_u64(row.record.partition_key, &id) != OK) {
            continue; /* Somebody else's record. */
        }
        list->ids = arena_grow(arena, list->ids, list->count, (isize)sizeof(u64));
        isize at = list->count++;
        for (; at > 0 && list->ids[at - 1] > id; at--) {
            list->ids[at] = list->ids[at - 1];
        }
        list->ids[at] = id;
    }
}

static bool has_id(const struct id_list *list, u64 id)
{
    isize low = 0, high = list->count;
    while (low < high) {
        isize middle = (low + high) / 2;
        if (list->ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < list->count && list->ids[low] == id;
}

typedef bool (*page_fn)(void *ctx, u32 shard, const struct stream_page *page);

/* All pages of all shards from `from` on, until `each` returns false. */
static err pages_each(struct stream *stream, u64 from, page_fn each, void *ctx)
{
    const struct stream_read_limits limits = {.rows_max = PAGE_ROWS, .bytes_max = PAGE_BYTES};
    struct stream_shard shard;
    for (i32 i = 0; stream_get_shard(stream, i, &shard); i++) {
        u64 no = MAX(from, stream_pos_horizon(stream, shard.index));
        u64 end = stream_pos_latest(stream, shard.index);
        while (no < end) {
            struct stream_page *page;
            u64 next;
            i64 behind_ms;
            TRY(stream_read(stream, shard.index, no, &limits, &page, &next, &behind_ms));
            bool goes_on = each(ctx, shard.index, page) && next > no;
            stream_page_free(page);
            if (!goes_on) {
                return OK;
            }
            no = next;
        }
    }
    return OK;
}

struct marks_read {
    struct arena *arena;
    struct id_list *list;
};

static bool take_marks(void *ctx, u32 shard, const struct stream_page *page)
{
    (void)shard;
    struct marks_read *read = ctx;
    page_ids(page, read->arena, read->list);
    return true;
}

static err redriven_read(struct engine *engine, str account, str region, struct arena *arena,
                         struct id_list *out)
{
    struct stream_id id = {account, region, STR(ENGINE_DEAD_LETTERS_REDRIVEN)};
    struct stream *stream = streams_find(engine->streams, id);
    *out = (struct id_list){0};
    if (stream == NULL) {
        return OK;
    }
    struct marks_read read = {arena, out};
    err e = pages_each(stream, 0, take_marks, &read);
    stream_unref(stream);
    return e;
}

/* --- reading letters
 * ------------------------------------------------------------------------------------ */

struct reading {
    const struct engine_letter_query *query;
    struct arena *arena;
    str region;
    struct id_list redriven;
    struct engine_letter *letters;
    isize count, bytes;
    bool has_more;
};

static str copied(struct reading *r, const struct json_value *body, const char *name)
{
    return arena_copy(r->arena, json_get_text(body, str_of(name)));
}

static bool letter_read(struct reading *r, const struct stream_row *row,
                        const struct json_value *body, struct engine_letter *out)
{
    str encoded = json_get_text(body, STR("data_base64"));
    isize length = base64_decoded_bytes(encoded);
    u8 *data = length < 0 ? NULL : arena_alloc(r->arena, length + 1);
    if (data == NULL || base64_decode(encoded, data, &length) != OK) {
        return false;
    }
    *out = (struct engine_letter){
        .id = row->no,
        .at_ms = json_get_i64(body, STR("at_ms"), 0),
        .region = r->region,
        .job = copied(r, body, "job"),
        .table = copied(r, body, "table"),
        .stream = copied(r, body, "stream"),
        .shard = copied(r, body, "shard_id"),
        .sequence = copied(r, body, "sequence_number"),
        .partition_key = copied(r, body, "partition_key"),
        .field = copied(r, body, "field"),
        .reason = copied(r, body, "reason"),
        .offset = json_get_i64(body, STR("offset"), 0),
        .subsequence = json_get_i64(body, STR("subsequence_number"), -1),
        .data = str_from(data, length),
        .is_redriven = has_id(&r->redriven, row->no),
    };
    return true;
}

/* What another program put into the stream is passed over. */
static bool letter_take(struct reading *r, const struct stream_row *row)
{
    const struct engine_letter_query *query = r->query;
    struct arena scratch = {0};
    const struct json_value *body = json_parse_request(&scratch, row->record.data);
    bool is_wanted = body != NULL && row->no > query->after &&
                     (query->id == 0 || row->no == query->id) &&
                     (query->job.len == 0 || str_eq(query->job, json_get_text(body, STR("job"))));
    bool has_room = r->count < query->limit && r->bytes < BYTES_MAX;
    struct engine_letter letter;
    if (is_wanted && has_room && letter_read(r, row, body, &letter)) {
        r->letters = arena_grow(r->arena, r->letters, r->count, (isize)sizeof letter);
        r->letters[r->count++] = letter;
        r->bytes += letter.data.len;
    }
    r->has_more = r->has_more || (is_wanted && !has_room);
    arena_deinit(&scratch);
    return !r->has_more;
}

static bool take_letters(void *ctx, u32 shard, const struct stream_page *page)
{
    (void)shard;
    struct reading *r = ctx;
    bool goes_on = true;
    struct stream_rows cursor;
    struct stream_row row;
    stream_page_begin(page, &cursor);
    while (goes_on && stream_page_next(&cursor, &row)) {
        goes_on = letter_take(r, &row);
    }
    return goes_on;
}

static err region_read(struct engine *engine, struct reading *r, str region)
{
    struct stream_id id = {r->query->account, region, STR(ENGINE_DEAD_LETTERS)};
    struct stream *stream = streams_find(engine->streams, id);
    if (stream == NULL) {
        return OK;
    }
    r->region = arena_copy(r->arena, region);
    err e = redriven_read(engine, r->query->account, region, r->arena, &r->redriven);
    if (e == OK) {
        u64 from = r->query->id != 0 ? r->query->id : r->query->after + 1;
        e = pages_each(stream, from, take_letters, r);
    }
    stream_unref(stream);
    return e;
}

struct regions {
    struct arena *arena;
    str *names;
    isize count;
};

static bool region_add(void *ctx, struct stream *stream)
{
    struct regions *regions = ctx;
    struct stream_info info;
    stream_get_info(stream, &info);
    if (str_eq(info.id.name, STR(ENGINE_DEAD_LETTERS))) {
        regions->names =
            arena_grow(regions->arena, regions->names, regions->count, (isize)sizeof(str));
        regions->names[regions->count++] = arena_copy(regions->arena, info.id.region);
    }
    return true;
}

static int letter_compare(const void *a, const void *b)
{
    const struct engine_letter *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* NOLINTNEXTLINE(readability-function-size): what is asked, and the three answers. */
err engine_letters_read(struct engine *engine, const struct engine_letter_query *query,
                        struct arena *arena, struct engine_letter **out, isize *count_out,
                        bool *more_out)
{
    struct regions regions = {.arena = arena};
    struct reading all = {.query = query, .arena = arena};
    streams_each(engine->streams, query->account, query->region, region_add, &regions);
    for (isize i = 0; i < regions.count; i++) {
        /* Each region gives up to the limit: the lowest ids of all of them are the answer. */
        struct reading r = {.query = query, .arena = arena};
        TRY(region_read(engine, &r, regions.names[i]));
        for (isize k = 0; k < r.count; k++) {
            all.letters =
                arena_grow(arena, all.letters, all.count, (isize)sizeof(struct engine_letter));
            all.letters[all.count++] = r.letters[k];
        }
        all.has_more = all.has_more || r.has_more;
    }
    if (all.count > 1) {
        qsort(all.letters, (size_t)all.count, sizeof *all.letters, letter_compare);
    }
    *more_out = all.has_more || all.count > query->limit;
    *count_out = MIN(all.count, query->limit);
    *out = all.letters;
    return OK;
}

/* --- putting back
 * --------------------------------------------------------------------------------------- */

static err marks_open(struct engine *engine, str account, str region, struct stream **out)
{
    struct stream_id id = {account, region, STR(ENGINE_DEAD_LETTERS_REDRIVEN)};
    *out = streams_find(engine->streams, id);
    if (*out != NULL) {
        return OK;
    }
    struct stream_spec spec = {
        .id = id,
        .mode = STREAM_PROVISIONED,
        .shard_count = 1,
        .retention_hours = STREAM_RETENTION_MAX_H, /* Longer than any letter lives. */
    };
    err e = stream_create_wait(engine->streams, &spec);
    if (e != OK && e != ERR_EXISTS) {
        return e;
    }
    *out = streams_find(engine->streams, id);
    return *out == NULL ? ERR_CLOSED : OK;
}

struct redrive {
    struct engine *engine;
    struct arena *arena;
    str account;
    const struct engine_letter *letters;
    struct engine_redriven *out;
    struct log_batch *batch; /* Of the letters from `first` on that are in neither state yet. */
    isize first;
    str region; /* Of the two below. */
    struct id_list redriven;
    struct stream *marks;
};

static void fail(struct redrive *r, isize at, str reason)
{
    r->out[at] = (struct engine_redriven){ENGINE_REDRIVE_FAILED, reason};
}

/* What was added is durable, or none of it. */
static void flush(struct redrive *r, isize end)
{
    err e = log_batch_count(r->batch) > 0 ? log_commit(r->engine->log, r->batch) : OK;
    for (isize i = r->first; i < end && e != OK; i++) {
        if (r->out[i].result == ENGINE_REDRIVEN) {
            fail(r, i, str_of(err_text(e)));
        }
    }
    log_batch_reset(r->batch);
    r->first = end;
}

static err region_set(struct redrive *r, str region)
{
    if (r->marks != NULL && str_eq(r->region, region)) {
        return OK;
    }
    if (r->marks != NULL) {
        stream_unref(r->marks);
        r->marks = NULL;
    }
    TRY(redriven_read(r->engine, r->account, region, r->arena, &r->redriven));
    TRY(marks_open(r->engine, r->account, region, &r->marks));
    r->region = region;
    return OK;
}

static bool is_twice(const struct redrive *r, isize at)
{
    for (isize i = r->first; i < at; i++) {
        if (r->letters[i].id == r->letters[at].id && r->out[i].result == ENGINE_REDRIVEN) {
            return true;
        }
    }
    return has_id(&r->redriven, r->letters[at].id);
}

/* Record and mark in one frame. */
static err add(struct redrive *r, const struct engine_letter *letter, struct stream *stream)
{
    char id[24];
    struct buf mark = {0};
    (void)snprintf(id, sizeof id, "%llu", (unsigned long long)letter->id);
    buf_printf(&mark, "{\"id\":\"%s\",\"at_ms\":%lld}", id,
               (long long)os_wall_us(r->engine->os) / 1000);
    struct stream_record record = {.partition_key = letter->partition_key, .data = letter->data};
    struct stream_record mark_record = {.partition_key = str_of(id), .data = buf_str(&mark)};
    err e = stream_batch_add(r->marks, r->batch, &mark_record, NULL);
    if (e == OK) {
        e = stream_batch_add(stream, r->batch, &record, NULL);
    }
    buf_deinit(&mark);
    return e;
}

static void one(struct redrive *r, isize at)
{
    const struct engine_letter *letter = &r->letters[at];
    struct stream_info info;
    if (letter->stream.len == 0 || letter->partition_key.len == 0) {
        fail(r, at, STR("it holds no record: it is a result that could not be written"));
        return;
    }
    err e = region_set(r, letter->region);
    if (e != OK) {
        fail(r, at, str_of(err_text(e)));
        return;
    }
    if (is_twice(r, at)) {
        r->out[at].result = ENGINE_REDRIVE_SKIPPED;
        return;
    }
    struct stream_id id = {r->account, letter->region, letter->stream};
    struct stream *stream = streams_find(r->engine->streams, id);
    if (stream == NULL) {
        fail(r, at,
             arena_printf(r->arena, "stream \"" STR_FMT "\" does not exist in " STR_FMT,
                          STR_ARG(letter->stream), STR_ARG(letter->region)));
        return;
    }
    stream_get_info(stream, &info);
    if (letter->data.len + letter->partition_key.len > info.record_bytes_max) {
        fail(r, at, STR("it is larger than the stream's records may be"));
        stream_unref(stream);
        return;
    }
    e = add(r, letter, stream);
    if (e != OK) {
        fail(r, at, str_of(err_text(e)));
    }
    stream_unref(stream);
}

void engine_letters_redrive(struct engine *engine, str account, const struct engine_letter *letters,
                            isize count, struct arena *arena, struct engine_redriven *out)
{
    struct redrive r = {.engine = engine,
                        .arena = arena,
                        .account = account,
                        .letters = letters,
                        .out = out,
                        .batch = log_batch_new()};
    os_mutex_lock(&engine->redrive_lock);
    for (isize i = 0; i < count; i++) {
        out[i] = (struct engine_redriven){ENGINE_REDRIVEN, STR_EMPTY};
        one(&r, i);
        if (log_batch_bytes(r.batch) > PAGE_BYTES || i + 1 == count) {
            flush(&r, i + 1);
        }
    }
    os_mutex_unlock(&engine->redrive_lock);
    if (r.marks != NULL) {
        stream_unref(r.marks);
    }
    log_batch_free(r.batch);
}
