/*
 * feed/replay_run.c: the thread of a replay. Rows are read, written as JSON and put
 * into a batch while the batch before it is on its way to the disk; each ends with the
 * position behind its last row. A batch is submitted when the one before it is
 * durable: positions reach the log in order, and none without its records.
 */
#include "base/hash.h"
#include "base/plant.h"
#include "base/trace.h"
#include "codec/base64.h"
#include "codec/csv.h"
#include "codec/json.h"
#include "codec/kpl.h"
#include "feed/replay_int.h"

enum {
    FULL_RETRY_MS = 200,
    PACE_MS = 10, /* Rows that fall due within it go together. */
    KEY_CHARS_MAX = 256,
    LETTER_RAW_BYTES_MAX = 512 << 10,
    AGGREGATE_BYTES = 51200, /* As the producer library. */
    US_PER_MS = 1000,
    NS_PER_S = 1000000000,
    NS_PER_MS = 1000000,
};

#define DEAD_LETTERS "leat-dead-letters"

struct aggregate { /* One shard's. */
    u32 shard;
    u128 hash;
    struct kpl_writer *writer;
};

/* The batch on its way, and the position behind it. */
struct flight {
    struct log_batch *batch;
    struct replay_position position;
    bool is_open;
    struct os_mutex lock; /* Guards what follows, which the committer sets. */
    struct os_cond changed;
    bool is_done;
    err result;
};

struct run {
    struct replay *replay;
    struct os *os;
    struct stream *stream, *dead_letters;
    struct arena arena; /* Of the columns. */
    struct feed_columns columns;
    bool has_columns, header_is_new;
    isize key_column;
    struct replay_reader *source;
    struct csv_reader *csv;
    struct buf piece, json;
    struct replay_position at; /* Behind the last row that stands in a batch. */
    struct log_batch *batch;
    struct flight flight;
    struct aggregate *aggregates;
    isize aggregate_count;
    u64 paced_from_ns, paced_rows;
    u64 rows_in_batch;
    struct diag *diag;
};

/* --- batches
 * ---------------------------------------------------------------------------------------------
 */

static bool stopping(struct run *r)
{
    return __atomic_load_n(&r->replay->is_stopping, __ATOMIC_RELAXED);
}

static void on_done(struct log_batch *batch, err e, void *ctx)
{
    (void)batch;
    struct flight *flight = ctx;
    os_mutex_lock(&flight->lock);
    flight->is_done = true;
    flight->result = e;
    os_cond_signal(&flight->changed);
    os_mutex_unlock(&flight->lock);
}

static err flight_wait(struct flight *flight)
{
    os_mutex_lock(&flight->lock);
    while (!flight->is_done) {
        os_cond_wait(&flight->changed, &flight->lock);
    }
    os_mutex_unlock(&flight->lock);
    return flight->result;
}

static void set_stalled(struct run *r, bool is_stalled)
{
    os_mutex_lock(&r->replay->lock);
    r->replay->is_stalled = is_stalled;
    os_mutex_unlock(&r->replay->lock);
}

static void publish(struct run *r, const struct replay_position *position)
{
    os_mutex_lock(&r->replay->lock);
    r->replay->durable = *position;
    os_cond_broadcast(&r->replay->changed);
    os_mutex_unlock(&r->replay->lock);
}

static err aggregates_flush(struct run *r);

/* Waits until what is on its way is durable. A full disk stalls the replay; ERR_CLOSED: it was to
 * stop meanwhile, nothing of the batch is durable. */
static err land(struct run *r)
{
    struct flight *flight = &r->flight;
    if (!flight->is_open) {
        return OK;
    }
    err e = flight_wait(flight);
    while ((e == ERR_FULL && !stopping(r)) || e == ERR_AGAIN) {
        if (e == ERR_AGAIN) {
            TRY(replay__regroup(r->replay->replays->streams, &flight->batch));
        } else {
            set_stalled(r, true);
            os_sleep_ms(r->os, FULL_RETRY_MS);
        }
        e = log_commit(r->replay->replays->log, flight->batch);
    }
    set_stalled(r, false);
    OS_FAILPOINT("feed.after_commit");
    flight->is_open = false;
    if (e == OK) {
        publish(r, &flight->position);
    }
    return e == ERR_FULL ? ERR_CLOSED : e;
}

/* Sends off what stands in the batch, with the position, when what went before has landed. */
static err flush(struct run *r)
{
    TRY(aggregates_flush(r));
    if (PLANTED(BUG_REPLAY_POSITION_APART)) {
        TRY(replay__log_position(r->replay, &r->at, ""));
    } else {
        TRY(replay__batch_position(r->batch, r->replay, &r->at, "", r->header_is_new));
    }
    TRY(land(r));
    struct flight *flight = &r->flight;
    struct log_batch *empty = flight->batch;
    flight->batch = r->batch;
    flight->position = r->at;
    flight->is_open = true;
    flight->is_done = false;
    r->batch = empty;
    log_batch_reset(empty);
    r->header_is_new = false;
    r->rows_in_batch = 0;
    OS_FAILPOINT("feed.before_submit");
    log_submit(r->replay->replays->log, flight->batch, on_done, flight);
    return OK;
}

/* flush, and waits. */
static err flush_now(struct run *r)
{
    TRY(flush(r));
    return land(r);
}

/* --- dead letters
 * ------------------------------------------------------------------------------------------ */

static err dead_letters_open(struct run *r)
{
    struct replay *replay = r->replay;
    struct stream_id id = {replay->account, replay->region, STR(DEAD_LETTERS)};
    struct streams *streams = replay->replays->streams;
    if (r->dead_letters == NULL) {
        r->dead_letters = streams_find(streams, id);
    }
    if (r->dead_letters == NULL) {
        struct stream_spec spec = {.id = id, .mode = STREAM_PROVISIONED, .shard_count = 1};
        err e = stream_create_wait(streams, &spec);
        if (e != OK && e != ERR_EXISTS) {
            return e;
        }
        r->dead_letters = streams_find(streams, id);
    }
    return r->dead_letters == NULL ? ERR_CLOSED : OK;
}

static void put_member(struct buf *out, const char *name, str value)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_string(out, value);
}

/* The row as it came, with its line and the reason. */
static err dead_letter(struct run *r, const struct csv_row *row, str raw, str reason)
{
    struct replay *replay = r->replay;
    TRY(dead_letters_open(r));
    buf_reset(&r->json);
    buf_printf(&r->json, "{\"at_ms\":%lld", (long long)(os_wall_us(r->os) / US_PER_MS));
    put_member(&r->json, "job", str_of(replay->id));
    struct arena scratch = {0};
    str from = replay->source == REPLAY_S3
                   ? arena_printf(&scratch, "s3://" STR_FMT "/" STR_FMT, STR_ARG(replay->bucket),
                                  STR_ARG(replay->key))
                   : replay->name;
    put_member(&r->json, "source", from);
    arena_deinit(&scratch);
    put_member(&r->json, "target", replay->stream_name);
    buf_printf(&r->json, ",\"pass\":%llu,\"line\":%llu,\"offset\":%llu",
               (unsigned long long)r->at.pass, (unsigned long long)row->line,
               (unsigned long long)row->offset);
    put_member(&r->json, "reason", reason);
    buf_append(&r->json, STR(",\"data_base64\":\""));
    base64_append(&r->json, str_slice(raw, 0, LETTER_RAW_BYTES_MAX));
    buf_append(&r->json, STR("\"}"));
    struct stream_record letter = {.partition_key = str_of(replay->id), .data = buf_str(&r->json)};
    r->at.rows_bad++;
    return stream_batch_add(r->dead_letters, r->batch, &letter, NULL);
}

/* --- records
 * --------------------------------------------------------------------------------------------- */

static err put_record(struct run *r, const struct stream_record *record)
{
    err e = stream_batch_add(r->stream, r->batch, record, NULL);
    if (e == ERR_CLOSED) {
        return diag_set(r->diag, ERR_NOT_FOUND, "FEED042", "stream \"" STR_FMT "\" was deleted",
                        STR_ARG(r->replay->stream_name));
    }
    if (e == OK) {
        r->at.records++;
        r->at.bytes_out += (u64)record->data.len;
    }
    return e;
}

static err aggregate_flush(struct run *r, struct aggregate *a)
{
    struct buf out = {0};
    isize count = kpl_writer_count(a->writer);
    if (count == 0) {
        return OK;
    }
    kpl_writer_take(a->writer, &out);
    /* Within the shard of its user records, or a consumer would drop them. */
    struct stream_record record = {.partition_key = STR("a"),
                                   .data = buf_str(&out),
                                   .has_explicit_hash = true,
                                   .explicit_hash = a->hash};
    err e = put_record(r, &record);
    buf_deinit(&out);
    return e;
}

static err aggregates_flush(struct run *r)
{
    for (isize i = 0; i < r->aggregate_count; i++) {
        TRY(aggregate_flush(r, &r->aggregates[i]));
    }
    return OK;
}

static void aggregates_free(struct run *r)
{
    for (isize i = 0; i < r->aggregate_count; i++) {
        kpl_writer_free(r->aggregates[i].writer);
    }
    r->aggregates = NULL;
    r->aggregate_count = 0;
}

/* What waits for shards that are closed comes before the first row for one of their children. */
static err flush_closed(struct run *r)
{
    for (isize i = 0; i < r->aggregate_count; i++) {
        struct stream_shard shard;
        bool is_there = stream_find_shard(r->stream, r->aggregates[i].shard, &shard);
        if (!is_there || shard.closed_ms != 0) {
            TRY(aggregate_flush(r, &r->aggregates[i]));
        }
    }
    return OK;
}

static err aggregate_of(struct run *r, u32 shard, u128 hash, struct aggregate **out)
{
    for (isize i = 0; i < r->aggregate_count; i++) {
        if (r->aggregates[i].shard == shard) {
            *out = &r->aggregates[i];
            return OK;
        }
    }
    TRY(flush_closed(r));
    r->aggregates =
        arena_grow(&r->arena, r->aggregates, r->aggregate_count, (isize)sizeof(struct aggregate));
    struct aggregate *a = &r->aggregates[r->aggregate_count++];
    *a = (struct aggregate){shard, hash, kpl_writer_new(AGGREGATE_BYTES)};
    *out = a;
    return OK;
}

static err put_aggregated(struct run *r, str key, str data)
{
    u128 hash = stream_hash_key(key);
    stream_batch_begin(r->stream, r->batch);
    log_batch_pin(r->batch);
    struct aggregate *a;
    TRY(aggregate_of(r, stream_route(r->stream, hash), hash, &a));
    struct kpl_record record = {.partition_key = key, .data = data};
    err e = kpl_writer_add(a->writer, &record);
    if (e == ERR_FULL) {
        TRY(aggregate_flush(r, a));
        e = kpl_writer_add(a->writer, &record);
    }
    if (e == ERR_FULL) {
        struct stream_record plain = {.partition_key = key, .data = data};
        e = put_record(r, &plain);
    }
    return e;
}

/* --- rows
 * ------------------------------------------------------------------------------------------------
 */

/* What Python's None becomes where there is no key. */
static str key_of(const struct run *r, const struct csv_row *row)
{
    isize field = r->columns.source[r->key_column];
    str key = field < row->count ? row->fields[field] : STR_EMPTY;
    if (key.len == 0) {
        return STR("None");
    }
    isize chars = 0;
    for (isize i = 0; i < key.len; i++) {
        chars += (key.data[i] & 0xC0) != 0x80;
        if (chars > KEY_CHARS_MAX) {
            return str_slice(key, 0, i);
        }
    }
    return key;
}

static err put_row(struct run *r, const struct csv_row *row)
{
    struct diag problem;
    diag_init(&problem);
    buf_reset(&r->json);
    err e = feed_row_json(&r->columns, &r->replay->form, row->fields, row->count, os_wall_us(r->os),
                          &r->json, &problem);
    if (e != OK) {
        return dead_letter(r, row, row->raw, str_of(problem.message));
    }
    struct stream_info info;
    stream_get_info(r->stream, &info);
    str key = key_of(r, row);
    if (r->json.len + key.len > info.record_bytes_max) {
        return dead_letter(r, row, row->raw,
                           STR("the row is larger than the stream's records may be"));
    }
    r->at.rows++;
    if (r->replay->is_aggregated) {
        return put_aggregated(r, key, buf_str(&r->json));
    }
    struct stream_record record = {.partition_key = key, .data = buf_str(&r->json)};
    return put_record(r, &record);
}

static err columns_set(struct run *r, const str *names, isize count)
{
    TRY(feed_columns_init(&r->columns, names, count, &r->arena, r->diag));
    r->key_column = feed_columns_find(&r->columns, r->replay->partition_key);
    if (r->key_column < 0) {
        (void)diag_set(r->diag, ERR_NOT_FOUND, "FEED040",
                       "the file has no column \"" STR_FMT "\" for the partition key",
                       STR_ARG(r->replay->partition_key));
        str near = diag_nearest(r->replay->partition_key, names, count);
        if (near.len > 0) {
            diag_hint(r->diag, "did you mean --partition-key \"" STR_FMT "\"?", STR_ARG(near));
        } else {
            diag_hint(r->diag, "--partition-key COLUMN names another one");
        }
        return ERR_NOT_FOUND;
    }
    r->has_columns = true;
    return OK;
}

/* The first line of a pass. Kept with the replay, so that it can go on in the middle. */
static err header_take(struct run *r, const struct csv_row *row)
{
    struct replay *replay = r->replay;
    TRY(columns_set(r, row->fields, row->count));
    if (replay->header != NULL) {
        return OK;
    }
    str *names = ARENA_ARRAY(&replay->arena, str, row->count);
    for (isize i = 0; i < row->count; i++) {
        names[i] = arena_copy(&replay->arena, row->fields[i]);
    }
    replay->header = names;
    replay->header_count = row->count;
    r->header_is_new = true;
    return OK;
}

/* --- passes
 * ----------------------------------------------------------------------------------------------
 */

static void pass_close(struct run *r)
{
    replay__reader_free(r->source);
    csv_reader_free(r->csv);
    r->source = NULL;
    r->csv = NULL;
    r->has_columns = false;
    aggregates_free(r);
    arena_reset(&r->arena);
}

static err pass_open(struct run *r)
{
    struct replay *replay = r->replay;
    struct csv_options options = {0};
    TRY(csv_reader_new(&options, &r->csv, r->diag));
    r->source = replay__reader_new(replay, r->at.pass, r->at.offset);
    if (r->at.offset > 0) {
        CHECK(replay->header != NULL); /* It stands in the frame of the first position. */
        csv_reader_resume(r->csv, r->at.offset, r->at.line);
        TRY(columns_set(r, replay->header, replay->header_count));
    }
    return OK;
}

static void pace_begin(struct run *r)
{
    r->paced_from_ns = os_mono_ns(r->os);
    r->paced_rows = 0;
}

static u32 rate_of(struct run *r)
{
    return __atomic_load_n(&r->replay->rate, __ATOMIC_RELAXED);
}

/* Rows that may be sent by now; a replay that was held up does not make up for more than a second.
 */
static u64 rows_due(struct run *r, u32 rate)
{
    u64 elapsed = os_mono_ns(r->os) - r->paced_from_ns;
    u64 due = (u64)((u128)elapsed * rate / NS_PER_S) + 1;
    if (due > r->paced_rows + rate) {
        pace_begin(r);
        return 1;
    }
    return due - MIN(due, r->paced_rows);
}

static u32 wait_ms(struct run *r, u32 rate)
{
    u64 next_ns = (u64)((u128)r->paced_rows * NS_PER_S / rate) + r->paced_from_ns;
    u64 now = os_mono_ns(r->os);
    u64 ms = next_ns > now ? (next_ns - now) / NS_PER_MS + 1 : 1;
    return (u32)MIN(MAX(ms, PACE_MS), NS_PER_S / NS_PER_MS);
}

/* Until something is pushed, it is to stop, or `ms` are over. */
static void wait_change(struct run *r, u32 ms)
{
    os_mutex_lock(&r->replay->lock);
    if (!r->replay->is_stopping) {
        (void)os_cond_wait_ms(&r->replay->changed, &r->replay->lock, ms);
    }
    os_mutex_unlock(&r->replay->lock);
}

static bool is_at_limit(const struct run *r)
{
    return r->replay->rows_max > 0 && r->at.rows + r->at.rows_bad >= r->replay->rows_max;
}

/* One row into the batch. ERR_END: the pass is at its end. ERR_AGAIN: nothing to read yet. */
static err take_row(struct run *r)
{
    struct csv_row row;
    err e = csv_reader_next(r->csv, &row);
    while (e == ERR_AGAIN) {
        buf_reset(&r->piece);
        err got = replay__reader_next(r->source, &r->piece, r->diag);
        if (got == ERR_END) {
            csv_reader_finish(r->csv);
        } else if (got != OK) {
            return got;
        } else {
            csv_reader_feed(r->csv, buf_str(&r->piece));
        }
        e = csv_reader_next(r->csv, &row);
    }
    if (e == ERR_END) {
        return ERR_END;
    }
    if (e == OK && !r->has_columns) {
        e = header_take(r, &row);
    } else if (e == OK) {
        e = put_row(r, &row);
        r->paced_rows++;
        r->rows_in_batch++;
    } else if (e == ERR_INVALID && r->has_columns) {
        e = dead_letter(r, &row, row.raw, str_of(row.problem));
        r->rows_in_batch++;
    } else {
        return diag_set(r->diag, ERR_INVALID, "FEED041", "line %llu, the header, is bad: %s",
                        (unsigned long long)row.line, row.problem);
    }
    r->at.offset = row.end_offset;
    r->at.line = csv_reader_line(r->csv);
    return e;
}

static err pass_end(struct run *r)
{
    if (!r->has_columns) {
        return diag_set(r->diag, ERR_INVALID, "FEED001", "the file has no header line");
    }
    TRY(aggregates_flush(r));
    pass_close(r);
    r->at.pass++;
    r->at.offset = 0;
    r->at.line = 1;
    if (r->at.pass >= r->replay->passes) {
        r->at.state = REPLAY_DONE;
        return flush_now(r);
    }
    TRY(flush_now(r));
    os_mutex_lock(&r->replay->lock);
    if (r->replay->push_pass < r->at.pass) {
        r->replay->push_pass = r->at.pass;
        r->replay->push_offset = 0;
        r->replay->is_pass_pushed = false;
    }
    os_mutex_unlock(&r->replay->lock);
    return pass_open(r);
}

static bool is_batch_full(const struct run *r)
{
    return log_batch_bytes(r->batch) >= REPLAY_BATCH_BYTES;
}

/* Rows until the batch is full, none are due, or none have come; then makes them durable. */
static err turn(struct run *r)
{
    u32 rate = rate_of(r);
    u64 due = rate == 0 ? UINT64_MAX : rows_due(r, rate);
    if (due == 0) {
        wait_change(r, wait_ms(r, rate));
        return OK;
    }
    err e = OK;
    while (e == OK && r->rows_in_batch < due && !is_batch_full(r) && !is_at_limit(r)) {
        e = take_row(r);
    }
    if (is_at_limit(r) && e == OK) {
        r->at.state = REPLAY_DONE;
        return flush_now(r);
    }
    if (e == ERR_END) {
        return pass_end(r);
    }
    if (r->rows_in_batch > 0 || r->header_is_new) {
        err written = rate == 0 && e == OK ? flush(r) : flush_now(r);
        e = e == OK ? written : e;
    }
    if (e == ERR_AGAIN) {
        TRY(land(r));
        wait_change(r, NS_PER_S / NS_PER_MS);
        pace_begin(r);
        return OK;
    }
    return e;
}

/* --- life
 * ------------------------------------------------------------------------------------------------
 */

static err stream_check(struct run *r)
{
    struct replay *replay = r->replay;
    r->stream = streams_find_number(replay->replays->streams, replay->stream_number);
    if (r->stream == NULL) {
        return diag_set(r->diag, ERR_NOT_FOUND, "FEED042", "stream \"" STR_FMT "\" was deleted",
                        STR_ARG(replay->stream_name));
    }
    return OK;
}

static err run_all(struct run *r)
{
    TRY(stream_check(r));
    r->batch = log_batch_new();
    r->flight.batch = log_batch_new();
    TRY(pass_open(r));
    pace_begin(r);
    while (r->at.state == REPLAY_RUNNING) {
        if (stopping(r)) {
            return ERR_CLOSED;
        }
        TRY(turn(r));
    }
    return OK;
}

static void fail(struct run *r, err e)
{
    struct replay *replay = r->replay;
    (void)diag_set(r->diag, e, "FEED043", "the replay failed: %s", err_text(e));
    char reason[sizeof replay->reason];
    struct buf text = {0};
    buf_printf(&text, "%s", r->diag->message);
    if (r->diag->hint[0] != '\0') {
        buf_printf(&text, "; %s", r->diag->hint);
    }
    str_copy_cstr(buf_str(&text), reason, (isize)sizeof reason);
    buf_deinit(&text);
    trace(TRACE_ERROR, "feed", "replay failed", T_STR("replay", str_of(replay->id)),
          T_STR("reason", str_of(reason)));
    os_mutex_lock(&replay->lock);
    struct replay_position position = replay->durable;
    os_mutex_unlock(&replay->lock);
    position.state = REPLAY_FAILED;
    IGNORE(replay__log_position(replay, &position, reason)); /* Not durable: it fails again. */
    os_mutex_lock(&replay->lock);
    replay->durable.state = REPLAY_FAILED;
    str_copy_cstr(str_of(reason), replay->reason, (isize)sizeof replay->reason);
    os_cond_broadcast(&replay->changed);
    os_mutex_unlock(&replay->lock);
}

void replay__main(void *ctx)
{
    struct replay *replay = ctx;
    struct diag diag;
    diag_init(&diag);
    struct run r = {.replay = replay, .os = replay->replays->os, .diag = &diag};
    os_mutex_lock(&replay->lock);
    r.at = replay->durable;
    os_mutex_unlock(&replay->lock);
    os_mutex_init(&r.flight.lock);
    os_cond_init(&r.flight.changed);
    err e = run_all(&r);
    err landed = land(&r); /* Before it ends, whatever it ends with. */
    e = e == OK ? landed : e;
    if (e != OK && e != ERR_CLOSED) {
        fail(&r, e);
    }
    pass_close(&r);
    stream_unref(r.stream);
    stream_unref(r.dead_letters);
    log_batch_free(r.batch);
    log_batch_free(r.flight.batch);
    os_cond_deinit(&r.flight.changed);
    os_mutex_deinit(&r.flight.lock);
    buf_deinit(&r.piece);
    buf_deinit(&r.json);
    arena_deinit(&r.arena);
}
