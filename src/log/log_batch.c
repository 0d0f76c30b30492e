/*
 * log/log_batch.c: batches of records on their way to the committer.
 *
 * Records lie in chunks, already in the form that they have in a frame (length,
 * body), in the order in which they were added; they never move. Beside them is
 * one entry per record and one row per channel.
 */
#include "log/log_int.h"

enum {
    CHUNK_BYTES_MIN = 4096,
    CHUNK_BYTES_MAX = 256 << 10,
    SLOTS_MIN = 16,
    KEPT_BYTES = 1 << 20, /* Chunks beyond this are freed by a reset. */
};

/* A frame adds its header and padding. */
static const isize rerouted_bytes_max = LOG_FRAME_BYTES_MAX - LOG__HEADER_BYTES - LOG__BLOCK_BYTES;
static const isize encoded_bytes_max =
    LOG_FRAME_BYTES_MAX - LOG__HEADER_BYTES - LOG__BLOCK_BYTES - LOG__REROUTE_BYTES;

struct log_batch *log_batch_new(void)
{
    return NEW(struct log_batch);
}

static void free_chunks(struct log__chunk *chunk)
{
    while (chunk != NULL) {
        struct log__chunk *next = chunk->next;
        mem_free(chunk);
        chunk = next;
    }
}

void log_batch_free(struct log_batch *batch)
{
    if (batch == NULL) {
        return;
    }
    free_chunks(batch->chunks);
    mem_free(batch->entries);
    mem_free(batch->runs);
    mem_free(batch->slots);
    mem_free(batch->shards);
    mem_free(batch);
}

struct log_batch *log_batch_take(struct log *log)
{
    os_mutex_lock(&log->pool_lock);
    struct log_batch *batch = log->spares;
    if (batch != NULL) {
        log->spares = batch->next;
        log->spare_count--;
    }
    os_mutex_unlock(&log->pool_lock);
    return batch != NULL ? batch : log_batch_new();
}

static bool is_small(const struct log_batch *batch)
{
    const struct log__chunk *chunk = batch->chunks;
    return batch->run_capacity <= SLOTS_MIN && batch->capacity <= SLOTS_MIN &&
           (chunk == NULL || (chunk->next == NULL && chunk->capacity <= LOG__SPARE_BYTES_MAX));
}

void log_batch_give(struct log *log, struct log_batch *batch)
{
    if (batch != NULL && is_small(batch)) {
        log_batch_reset(batch);
        os_mutex_lock(&log->pool_lock);
        bool is_kept = log->spare_count < LOG__SPARES_MAX;
        if (is_kept) {
            batch->next = log->spares;
            log->spares = batch;
            log->spare_count++;
        }
        os_mutex_unlock(&log->pool_lock);
        batch = is_kept ? NULL : batch;
    }
    log_batch_free(batch);
}

void log__batch_spares_free(struct log *log)
{
    while (log->spares != NULL) {
        struct log_batch *batch = log->spares;
        log->spares = batch->next;
        log_batch_free(batch);
    }
}

static void clear_runs(struct log_batch *batch)
{
    for (u32 i = 0; i < batch->run_count; i++) {
        batch->slots[batch->runs[i].slot] = 0;
    }
    batch->run_count = 0;
    batch->last_run = 0;
}

void log_batch_reset(struct log_batch *batch)
{
    clear_runs(batch);
    mem_free(batch->shards);
    batch->shards = NULL;
    isize kept = 0;
    for (struct log__chunk *chunk = batch->chunks; chunk != NULL; chunk = chunk->next) {
        chunk->used = 0;
        kept += chunk->capacity;
        if (kept >= KEPT_BYTES) {
            free_chunks(chunk->next);
            chunk->next = NULL;
        }
    }
    batch->current = batch->chunks;
    batch->count = 0;
    batch->body_bytes = 0;
    batch->encoded_bytes = 0;
    batch->has_data = false;
    batch->epoch = 0;
    batch->raises_to = 0;
    batch->is_pinned = false;
    batch->lsn = 0;
    batch->first_no = 0;
    batch->end_no = 0;
    batch->arrival_ms = 0;
}

static u32 slot_of(struct log_channel channel, u32 capacity)
{
    u64 key = (u64)channel.stream << 32 | channel.shard;
    return (u32)((key * 0x9E3779B97F4A7C15U) >> 33) & (capacity - 1);
}

static void place_run(struct log_batch *batch, u32 run)
{
    u32 slot = slot_of(batch->runs[run].channel, batch->slot_capacity);
    while (batch->slots[slot] != 0) {
        slot = (slot + 1) & (batch->slot_capacity - 1);
    }
    batch->slots[slot] = run + 1;
    batch->runs[run].slot = slot;
}

static void grow_runs(struct log_batch *batch)
{
    u32 capacity = MAX(batch->run_capacity * 4, SLOTS_MIN / 2);
    batch->runs = mem_resize(batch->runs, (isize)capacity * (isize)sizeof *batch->runs);
    batch->run_capacity = capacity;
    mem_free(batch->slots);
    batch->slot_capacity = capacity * 2;
    batch->slots = mem_zalloc((isize)batch->slot_capacity * (isize)sizeof(u32));
    for (u32 i = 0; i < batch->run_count; i++) {
        place_run(batch, i);
    }
}

/* Row of the channel, or run_count when it has none yet. */
static u32 find_run(const struct log_batch *batch, struct log_channel channel)
{
    if (batch->run_count == 0) {
        return 0;
    }
    if (log_channel_eq(batch->runs[batch->last_run].channel, channel)) {
        return batch->last_run;
    }
    u32 slot = slot_of(channel, batch->slot_capacity);
    for (; batch->slots[slot] != 0; slot = (slot + 1) & (batch->slot_capacity - 1)) {
        u32 run = batch->slots[slot] - 1;
        if (log_channel_eq(batch->runs[run].channel, channel)) {
            return run;
        }
    }
    return batch->run_count;
}

static void add_run(struct log_batch *batch, struct log_channel channel)
{
    if (batch->run_count == batch->run_capacity) {
        grow_runs(batch);
    }
    u32 run = batch->run_count++;
    batch->runs[run] = (struct log__batch_run){.channel = channel};
    place_run(batch, run);
    batch->encoded_bytes += LOG__RUN_BYTES;
    batch->has_data = batch->has_data || channel.stream != 0;
}

static u8 *chunk_take(struct log_batch *batch, isize bytes)
{
    struct log__chunk *chunk = batch->current;
    while (chunk != NULL && chunk->capacity - chunk->used < bytes) {
        if (chunk->next == NULL) {
            break;
        }
        chunk = chunk->next;
    }
    if (chunk == NULL || chunk->capacity - chunk->used < bytes) {
        isize wanted = chunk == NULL ? CHUNK_BYTES_MIN : MIN(chunk->capacity * 2, CHUNK_BYTES_MAX);
        wanted = MAX(wanted, bytes);
        struct log__chunk *fresh = mem_alloc((isize)sizeof *fresh + wanted);
        *fresh = (struct log__chunk){.capacity = wanted};
        if (chunk == NULL) {
            batch->chunks = fresh;
        } else {
            chunk->next = fresh;
        }
        chunk = fresh;
    }
    batch->current = chunk;
    u8 *data = chunk->data + chunk->used;
    chunk->used += bytes;
    return data;
}

u8 *log_batch_reserve(struct log_batch *batch, struct log_channel channel, isize bytes)
{
    CHECK(bytes >= 0);
    CHECK(batch->lsn == 0);
    u32 run = find_run(batch, channel);
    isize run_bytes = run == batch->run_count ? LOG__RUN_BYTES : 0;
    isize record_bytes = LOG__RECORD_HEADER_BYTES + bytes;
    if (bytes > LOG_RECORD_BYTES_MAX || batch->body_bytes + bytes > LOG_BATCH_BYTES_MAX ||
        batch->encoded_bytes + run_bytes + record_bytes > encoded_bytes_max ||
        batch->count == LOG__BATCH_RECORDS_MAX) {
        return NULL;
    }
    if (run == batch->run_count) {
        add_run(batch, channel);
    }
    if (batch->count == batch->capacity) {
        batch->capacity = MAX(batch->capacity * 2, 8);
        batch->entries =
            mem_resize(batch->entries, batch->capacity * (isize)sizeof *batch->entries);
    }
    u8 *data = chunk_take(batch, record_bytes);
    put_u32(data, (u32)bytes);
    batch->entries[batch->count++] = (struct log__entry){data, (u32)record_bytes, run};
    batch->runs[run].count++;
    batch->runs[run].bytes += (u32)record_bytes;
    batch->last_run = run;
    batch->body_bytes += bytes;
    batch->encoded_bytes += record_bytes;
    return data + LOG__RECORD_HEADER_BYTES;
}

void log_batch_trim(struct log_batch *batch, isize bytes)
{
    CHECK(batch->count > 0);
    struct log__entry *entry = &batch->entries[batch->count - 1];
    isize less = (isize)entry->bytes - LOG__RECORD_HEADER_BYTES - bytes;
    CHECK(bytes >= 0);
    CHECK(less >= 0);
    put_u32(entry->data, (u32)bytes);
    entry->bytes -= (u32)less;
    batch->runs[entry->run].bytes -= (u32)less;
    batch->current->used -= less;
    batch->body_bytes -= less;
    batch->encoded_bytes -= less;
}

err log_batch_add(struct log_batch *batch, struct log_channel channel, str record)
{
    u8 *out = log_batch_reserve(batch, channel, record.len);
    if (out == NULL) {
        return ERR_LIMIT;
    }
    if (record.len > 0) {
        memcpy(out, record.data, (size_t)record.len);
    }
    return OK;
}

isize log_batch_count(const struct log_batch *batch)
{
    return batch->count;
}

isize log_batch_bytes(const struct log_batch *batch)
{
    return batch->body_bytes;
}

u64 log_batch_lsn(const struct log_batch *batch)
{
    return batch->lsn;
}

i64 log_batch_arrival_ms(const struct log_batch *batch)
{
    return batch->arrival_ms;
}

u64 log_batch_record_no(const struct log_batch *batch, isize index)
{
    CHECK(batch->lsn != 0);
    CHECK(index >= 0 && index < batch->count);
    return batch->first_no + batch->entries[index].run;
}

u64 log_batch_end_no(const struct log_batch *batch)
{
    CHECK(batch->lsn != 0);
    return batch->end_no;
}

/* --- epochs --------------------------------------------------------------------------------- */

void log_batch_note_epoch(struct log_batch *batch, u64 epoch)
{
    if (batch->epoch == 0) {
        batch->epoch = epoch;
    }
}

void log_batch_raise_epoch(struct log_batch *batch, u64 epoch)
{
    batch->raises_to = epoch;
}

void log_batch_pin(struct log_batch *batch)
{
    batch->is_pinned = true;
}

struct log_channel log_batch_record(const struct log_batch *batch, isize index, str *body_out)
{
    CHECK(batch->lsn == 0);
    CHECK(index >= 0 && index < batch->count);
    const struct log__entry *entry = &batch->entries[index];
    *body_out = str_from(entry->data + LOG__RECORD_HEADER_BYTES,
                         (isize)entry->bytes - LOG__RECORD_HEADER_BYTES);
    return batch->runs[entry->run].channel;
}

bool log_batch_any_channel(const struct log_batch *batch,
                           bool (*is_wanted)(void *ctx, struct log_channel channel), void *ctx)
{
    for (u32 i = 0; i < batch->run_count; i++) {
        if (is_wanted(ctx, batch->runs[i].channel)) {
            return true;
        }
    }
    return false;
}

u32 log_batch_shard(const struct log_batch *batch, isize index, u32 added_to)
{
    CHECK(index >= 0 && index < batch->count);
    return batch->shards != NULL ? batch->shards[index] : added_to;
}

/* Counts every record into the run of its channel. */
static void fill_runs(struct log_batch *batch, const struct log_channel *channels)
{
    clear_runs(batch);
    batch->encoded_bytes = 0;
    for (isize i = 0; i < batch->count; i++) {
        u32 run = find_run(batch, channels[i]);
        if (run == batch->run_count) {
            add_run(batch, channels[i]);
        }
        struct log__entry *entry = &batch->entries[i];
        entry->run = run;
        batch->runs[run].count++;
        batch->runs[run].bytes += entry->bytes;
        batch->encoded_bytes += entry->bytes;
        batch->last_run = run;
    }
}

err log_batch_reroute(struct log_batch *batch, log_route_fn fn, void *ctx)
{
    CHECK(batch->lsn == 0);
    isize bytes = batch->count * (isize)sizeof(struct log_channel);
    struct log_channel *before = mem_alloc(bytes);
    struct log_channel *after = mem_alloc(bytes);
    for (isize i = 0; i < batch->count; i++) {
        str body;
        before[i] = log_batch_record(batch, i, &body);
        after[i] = fn(ctx, before[i], body);
    }
    fill_runs(batch, after);
    err e = batch->encoded_bytes > rerouted_bytes_max ? ERR_LIMIT : OK;
    if (e == OK) {
        mem_free(batch->shards);
        batch->shards = mem_alloc(batch->count * (isize)sizeof(u32));
        for (isize i = 0; i < batch->count; i++) {
            batch->shards[i] = after[i].shard;
        }
    } else {
        fill_runs(batch, before);
    }
    mem_free(before);
    mem_free(after);
    return e;
}

void log__batch_withdraw(struct log_batch *batch, u32 records)
{
    u32 *rows = mem_alloc((isize)records * (isize)sizeof *rows); /* By number in the frame. */
    for (u32 row = 0; row < batch->run_count; row++) {
        const struct log__batch_run *run = &batch->runs[row];
        for (u32 number = run->next - run->count; number < run->next; number++) {
            rows[number] = row;
        }
    }
    for (isize i = 0; i < batch->count; i++) {
        batch->entries[i].run = rows[batch->entries[i].run];
    }
    mem_free(rows);
    batch->lsn = 0;
    batch->first_no = 0;
    batch->end_no = 0;
    batch->arrival_ms = 0;
}

void log__batch_begin(struct log_batch *batch, log_done_fn done, void *ctx)
{
    CHECK(batch->count > 0);
    CHECK(batch->lsn == 0);
    batch->done = done;
    batch->ctx = ctx;
    batch->next = NULL;
}
