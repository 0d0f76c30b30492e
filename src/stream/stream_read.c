/*
 * stream/stream_read.c: pages of one shard, and positions. A page holds the frames
 * that its rows lie in, and where each lies: what was decoded once is not decoded
 * again. Records past retention are skipped even while their segment still exists.
 */
#include "stream/stream_int.h"

enum {
    PAGE_MAGIC = 0x50414745,
    FRAMES_DEFAULT = 1000,
    HELD_BYTES_MAX = 32 << 20,
};

/* Rows of one frame that follow each other. */
struct part {
    struct log_frame *frame; /* A reference. */
    u64 first_no;
    isize count;
};

/* Of a row in its frame: the partition key, an explicit hash before it, the data behind it. */
struct place {
    const u8 *key;
    u32 key_bytes, data_bytes : 31, has_hash : 1;
};
_Static_assert(LOG_RECORD_BYTES_MAX <= INT32_MAX, "what a record has fits");

struct stream_page {
    u32 magic;
    bool is_at_end, is_pinned, is_measured;
    struct part *parts; /* Owned. */
    isize part_count, part_capacity;
    struct place *places; /* Owned; one for each row. */
    isize count, capacity;
    isize bytes; /* Of data and partition keys. */
    isize measured;
};

/* Takes the reference. */
static struct part *add_part(struct stream_page *page, struct log_frame *frame, u64 first_no)
{
    if (page->part_count == page->part_capacity) {
        page->part_capacity = MAX(4, 2 * page->part_capacity);
        page->parts = mem_resize(page->parts, page->part_capacity * (isize)sizeof *page->parts);
    }
    page->parts[page->part_count] = (struct part){frame, first_no, 0};
    return &page->parts[page->part_count++];
}

/* Room for as many rows more, but for no more than `rows_max` in all. */
static void reserve_places(struct stream_page *page, isize more, isize rows_max)
{
    isize wanted = MIN(page->count + more, rows_max);
    if (wanted > page->capacity) {
        page->capacity = MIN(MAX(wanted, 2 * page->capacity), rows_max);
        page->places = mem_resize(page->places, page->capacity * (isize)sizeof *page->places);
    }
}

i64 stream__cutoff_ms(const struct stream *stream)
{
    i64 hours = __atomic_load_n(&stream->retention_hours, __ATOMIC_RELAXED);
    return os_wall_us(stream->owner->os) / 1000 - hours * 3600 * 1000;
}

/* The next record of a run that is ours: the frame's checksum held, so what cannot be decoded is of
 * another version. */
static bool next_record(struct log_run *run, u64 *no_out, struct stream_record *out)
{
    struct log_record record;
    while (log_run_next(run, &record)) {
        if (stream__record_decode(record.body, out) == OK) {
            *no_out = record.no;
            return true;
        }
    }
    return false;
}

/* Takes rows of a frame's run until a limit; true while there is room for more. Numbers are
 * counted within a part: a record that is left out ends it. */
static bool take_rows(struct stream_page *page, struct log_frame *frame, struct log_run run,
                      const struct stream_read_limits *limits, u64 *next_no)
{
    struct part *part = add_part(page, frame, run.first_no);
    reserve_places(page, run.count, limits->rows_max);
    while (page->count < limits->rows_max) {
        struct stream_record record;
        u64 no;
        if (!next_record(&run, &no, &record)) {
            *next_no = MAX(*next_no, run.first_no);
            return true;
        }
        isize bytes = record.partition_key.len + record.data.len;
        if (page->count > 0 && page->bytes + bytes > limits->bytes_max) {
            *next_no = no;
            return false;
        }
        if (UNLIKELY(no != part->first_no + (u64)part->count)) {
            log_frame_ref(frame);
            part = add_part(page, frame, no);
        }
        page->places[page->count++] = (struct place){
            .key = record.partition_key.data,
            .key_bytes = (u32)record.partition_key.len,
            .data_bytes = (u32)record.data.len & INT32_MAX,
            .has_hash = record.has_explicit_hash,
        };
        page->bytes += bytes;
        page->measured += limits->measure != NULL ? limits->measure(&record) : 0;
        part->count++;
        *next_no = no + 1;
    }
    return false;
}

/* The cursor of one stream_read. */
struct reading {
    struct stream *stream;
    struct log_channel channel;
    const struct stream_read_limits *limits;
    struct stream_page *page;
    u64 next_no;
    i64 seen_ms; /* Arrival of the last frame that was looked at. */
    isize held_bytes;
    bool is_at_tip;
};

/* Looks at the next frame of the shard; *more_out false when the page is complete. */
static err read_frame(struct reading *r, i64 cutoff_ms, bool *more_out)
{
    struct log *log = r->stream->owner->log;
    u64 tip = log_channel_tip(log, r->channel); /* Before the seek, which sees at least as much. */
    struct log_frame *frame = NULL;
    *more_out = false;
    err e = r->next_no >= tip ? ERR_END : log_frame_seek(log, r->channel, r->next_no, &frame);
    if (e == ERR_END) {
        r->is_at_tip = true;
        r->next_no = MAX(r->next_no, tip);
        return OK;
    }
    TRY(e);
    r->seen_ms = log_frame_arrival_ms(frame);
    if (r->seen_ms < cutoff_ms) {
        u64 first_no = 0;
        log_frame_unref(frame);
        TRY(log_seek_time(log, r->channel, cutoff_ms, &first_no));
        *more_out = first_no > r->next_no;
        r->next_no = MAX(r->next_no + 1, first_no);
        return OK;
    }
    struct log_run run;
    CHECK(log_frame_find(frame, r->channel, &run));
    log_run_skip(&run, r->next_no);
    r->next_no = MAX(r->next_no, run.first_no);
    r->held_bytes += log_frame_held_bytes(frame);
    *more_out =
        take_rows(r->page, frame, run, r->limits, &r->next_no) && r->held_bytes < HELD_BYTES_MAX;
    return OK;
}

static bool is_closed(struct stream *stream, u32 shard)
{
    struct shard found;
    return stream__shard(stream, shard, &found) && found.closed_ms != 0;
}

err stream_read(struct stream *stream, u32 shard, u64 from_no,
                const struct stream_read_limits *limits, struct stream_page **out, u64 *next_no_out,
                i64 *behind_ms_out)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    CHECK(limits->rows_max > 0 && limits->bytes_max > 0);
    struct stream_page *page = NEW(struct stream_page);
    page->magic = PAGE_MAGIC;
    page->is_measured = limits->measure != NULL;
    struct reading reading = {
        .stream = stream,
        .channel = {stream->number, shard},
        .limits = limits,
        .page = page,
        .next_no = from_no,
    };
    /* Asked before the tip: all records of a shard that shows as closed are published. */
    bool is_complete = is_closed(stream, shard);
    i64 cutoff_ms = stream__cutoff_ms(stream);
    i32 frames_max = limits->frames_max > 0 ? limits->frames_max : FRAMES_DEFAULT;
    bool more = true;
    for (i32 i = 0; more && i < frames_max; i++) {
        err e = read_frame(&reading, cutoff_ms, &more);
        if (e == ERR_CORRUPT && page->count > 0) {
            break; /* What stands in front of the damage is given; the next read meets it. */
        }
        if (e != OK) {
            stream_page_free(page);
            return e;
        }
    }
    if (!reading.is_at_tip && page->count > 0) {
        /* The page may have ended exactly at the newest record. */
        struct log_frame *frame = NULL;
        struct log *log = stream->owner->log;
        reading.is_at_tip =
            reading.next_no >= log_channel_tip(log, reading.channel) ||
            log_frame_seek(log, reading.channel, reading.next_no, &frame) == ERR_END;
        log_frame_unref(frame);
    }
    page->is_at_end = is_complete && reading.is_at_tip;
    metric_add(&stream->counters.records_out, (u64)page->count);
    metric_add(&stream->counters.bytes_out, (u64)page->bytes);
    i64 now_ms = os_wall_us(stream->owner->os) / 1000;
    *behind_ms_out = reading.is_at_tip ? 0 : MAX(now_ms - reading.seen_ms, 0);
    *next_no_out = reading.next_no;
    *out = page;
    return OK;
}

u64 stream_skip_damage(struct stream *stream, u32 shard, u64 from_no)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    return log_skip_seek(stream->owner->log, (struct log_channel){stream->number, shard}, from_no);
}

isize stream_page_count(const struct stream_page *page)
{
    CHECK_MAGIC(page, PAGE_MAGIC);
    return page->count;
}

isize stream_page_bytes(const struct stream_page *page)
{
    CHECK_MAGIC(page, PAGE_MAGIC);
    return page->bytes;
}

isize stream_page_measured(const struct stream_page *page)
{
    CHECK_MAGIC(page, PAGE_MAGIC);
    CHECK(page->is_measured);
    return page->measured;
}

bool stream_page_arrival(const struct stream_page *page, isize index, i64 *arrival_ms_out,
                         isize *count_out)
{
    CHECK_MAGIC(page, PAGE_MAGIC);
    if (index >= page->part_count) {
        return false;
    }
    *arrival_ms_out = log_frame_arrival_ms(page->parts[index].frame);
    *count_out = page->parts[index].count;
    return true;
}

isize stream_page_held_bytes(const struct stream_page *page)
{
    CHECK_MAGIC(page, PAGE_MAGIC);
    isize bytes = page->part_capacity * (isize)sizeof *page->parts +
                  page->capacity * (isize)sizeof *page->places;
    for (isize i = 0; i < page->part_count; i++) {
        bytes += log_frame_held_bytes(page->parts[i].frame);
    }
    return bytes;
}

void stream_page_pin(struct stream_page *page)
{
    CHECK_MAGIC(page, PAGE_MAGIC);
    CHECK(!page->is_pinned);
    page->is_pinned = true;
    for (isize i = 0; i < page->part_count; i++) {
        log_frame_pin(page->parts[i].frame);
    }
}

void stream_page_begin(const struct stream_page *page, struct stream_rows *out)
{
    CHECK_MAGIC(page, PAGE_MAGIC);
    *out = (struct stream_rows){.page = page};
}

bool stream_page_next(struct stream_rows *cursor, struct stream_row *out)
{
    const struct stream_page *page = cursor->page;
    while (cursor->left == 0) {
        if (cursor->part == page->part_count) {
            return false;
        }
        const struct part *part = &page->parts[cursor->part++];
        cursor->left = part->count;
        cursor->no = part->first_no;
        cursor->arrival_ms = log_frame_arrival_ms(part->frame);
    }
    const struct place *place = &page->places[cursor->index++];
    cursor->left--;
    out->no = cursor->no++;
    out->arrival_ms = cursor->arrival_ms;
    out->record.partition_key = (str){place->key, (isize)place->key_bytes};
    out->record.data = (str){place->key + place->key_bytes, (isize)place->data_bytes};
    out->record.has_explicit_hash = place->has_hash;
    out->record.explicit_hash = 0;
    if (place->has_hash) {
        memcpy(&out->record.explicit_hash, place->key - sizeof(u128), sizeof(u128));
    }
    return true;
}

bool stream_page_at_end(const struct stream_page *page)
{
    return page->is_at_end;
}

void stream_page_free(struct stream_page *page)
{
    if (page == NULL) {
        return;
    }
    CHECK_MAGIC(page, PAGE_MAGIC);
    for (isize i = 0; i < page->part_count; i++) {
        if (page->is_pinned) {
            log_frame_unpin(page->parts[i].frame);
        }
        log_frame_unref(page->parts[i].frame);
    }
    mem_free(page->parts);
    mem_free(page->places);
    page->magic = 0;
    mem_free(page);
}

/* --- positions ------------------------------------------------------------------------------ */

u64 stream_pos_horizon(struct stream *stream, u32 shard)
{
    u64 no = 1;
    i64 cutoff_ms = stream__cutoff_ms(stream);
    if (stream->created_ms > cutoff_ms || stream_pos_time(stream, shard, cutoff_ms, &no) != OK) {
        return 1; /* Reading skips what is past retention in any case. */
    }
    return no;
}

u64 stream_pos_latest(struct stream *stream, u32 shard)
{
    return log_channel_tip(stream->owner->log, (struct log_channel){stream->number, shard});
}

u64 stream_pos_bound(struct stream *stream, u32 shard)
{
    return log_channel_bound(stream->owner->log, (struct log_channel){stream->number, shard});
}

err stream_pos_time(struct stream *stream, u32 shard, i64 arrival_ms, u64 *no_out)
{
    CHECK_MAGIC(stream, STREAM_MAGIC);
    return log_seek_time(stream->owner->log, (struct log_channel){stream->number, shard},
                         arrival_ms, no_out);
}
