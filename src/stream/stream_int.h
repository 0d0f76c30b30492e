/*
 * stream/stream_int.h: shared by the files of this module only.
 *
 * Locks, in this order where two are held: change_lock, then lock. No function of
 * the log is called with `lock` held, because the log's maintenance thread asks
 * us what is live while it holds locks of its own; log_submit alone is called
 * under change_lock, so that the order of changes in the log is the order in
 * which they were decided. `lock` is taken for reading under locks of the log.
 */
#ifndef STREAM_STREAM_INT_H
#define STREAM_STREAM_INT_H

#include "base/buf.h"
#include "base/metric.h"
#include "base/plant.h"
#include "os/quiet.h"
#include "os/thread.h"
#include "stream/stream.h"

/* stream_record_decode for the loops of this module. */
static inline err stream__record_decode(str body, struct stream_record *out)
{
    u64 head = 0;
    if (LIKELY(body.len > 0 && body.data[0] < 128)) { /* A varint of one byte. */
        head = body.data[0];
        body = (str){body.data + 1, body.len - 1};
    } else {
        TRY(varint_take(&body, &head));
    }
    isize hash_bytes = (head & 1) != 0 ? (isize)sizeof(u128) : 0;
    if (head >> 1 > (u64)LOG_RECORD_BYTES_MAX || hash_bytes + (isize)(head >> 1) > body.len) {
        return ERR_CORRUPT;
    }
    isize front_bytes = hash_bytes + (isize)(head >> 1);
    out->has_explicit_hash = hash_bytes > 0;
    out->explicit_hash = 0;
    if (hash_bytes > 0) {
        memcpy(&out->explicit_hash, body.data, sizeof(u128));
    }
    out->partition_key = (str){body.data + hash_bytes, front_bytes - hash_bytes};
    out->data = (str){body.data + front_bytes, body.len - front_bytes};
    return OK;
}

enum {
    STREAM_MAGIC = 0x5354524d,
    STREAMS_MAGIC = 0x53545253,
    STREAM_BUCKETS = 1024,                  /* Of waiting readers; a power of two. */
    STREAM_CATALOG_SLACK_BYTES = 256 << 10, /* Dead catalog bytes before a restatement. */
    STREAM_RECORD_BYTES_DEFAULT = 1 << 20,
    STREAM_RECORD_BYTES_CEILING = 10 << 20,
    STREAM_ACCOUNT_BYTES = 12,
    STREAM_REGION_MAX = 32,
    STREAM_TAG_KEY_BYTES_MAX = 512,
    STREAM_TAG_VALUE_BYTES_MAX = 1024,
};

/* First byte of a record of LOG_CONTROL_STREAMS; docs/formats/streams.md. */
enum stream_entry {
    ENTRY_SECRET = 1, /* 32 random bytes, once per data directory. */
    ENTRY_NUMBER = 2, /* Stream numbers below this one are used up. */
    ENTRY_STREAM = 3, /* Whole state of one stream: creation and restatement. */
    ENTRY_DELETE = 4,
    ENTRY_RETENTION = 5,
    ENTRY_TAGS = 6,
    ENTRY_RESHARD = 7,          /* Splits and merges that take effect together. */
    ENTRY_SCALES = 8,           /* When the stream was scaled last; of a restatement. */
    ENTRY_SETTING = 9,          /* See stream_setting.c. */
    ENTRY_ACCOUNT = 10,         /* Commitment of an account in a region: stream_account.c. */
    ENTRY_CONSUMER = 12,        /* Whole state of one consumer: registration and restatement. */
    ENTRY_CONSUMER_CHANGE = 13, /* Its second number: enum consumer_change. */
};

enum consumer_change { CONSUMER_GONE = 0, CONSUMER_TAGS = 1 };

struct shard {
    u128 hash_first, hash_last;
    i64 created_ms;
    i64 closed_ms; /* 0 while open. */
    u64 closed_no; /* Records of a closed shard have smaller numbers. */
    u32 index;
    i32 parent, adjacent_parent;
};

struct open_row {
    u64 first_high; /* Of its first hash key. */
    u32 index;
};

/* Immutable once published; a reshard publishes a new one. */
struct shard_map {
    struct shard_map *retired_next; /* One that could not be freed; goes with this one. */
    i32 count, open_count;
    struct shard *shards; /* By index. */
    u128 *open_first;     /* First hash key of the open shards, ascending. */
    /* What every put asks of a shard stands by itself, in one line of cache. */
    struct open_row *open_rows; /* As open_first. */
    i64 *created_ms;            /* By place in `shards`. */
    bool is_dense;              /* Place and index agree: no shard has expired yet. */
    bool is_even;               /* As it was made: a hash key gives its shard by arithmetic. */
    u128 width;                 /* Of a shard's range when is_even; 0 is 2^128. */
};

struct tag_list {
    i32 count;
    struct stream_tag *items; /* Sorted by key, each pair one owned block at key.data. */
};

struct consumer {
    str name; /* Owned. */
    i64 created_ms;
    struct tag_list tags;
    str policy; /* Owned. */
};

struct stream {
    u32 magic;
    u32 number;
    i32 refs; /* Atomic. */
    struct streams *owner;
    struct stream_id id;    /* Owned, one block. */
    enum stream_mode mode;  /* Atomic. */
    i32 record_bytes_max;   /* Atomic. */
    u32 metrics;            /* Atomic. */
    i32 warm_mibps;         /* Atomic; 0 = none asked for. */
    bool is_encrypted;      /* Atomic: `key` is not empty. */
    str key, policy;        /* lock; owned. */
    i64 mode_changed_ms[2]; /* lock; the latest last, 0 = none. */
    i64 created_ms;
    struct shard_map *map;      /* Atomic pointer. */
    i32 retention_hours;        /* Atomic. */
    bool is_deleted;            /* Atomic. */
    bool is_deleting;           /* change_lock: a deletion is on its way. */
    struct tag_list tags;       /* lock */
    i32 tag_pending;            /* change_lock: tags that changes on their way add. */
    i32 consumer_count;         /* lock */
    u32 consumer_version;       /* Atomic; one more for each that is deregistered. */
    struct consumer *consumers; /* lock; sorted by name. */
    bool is_resharding;         /* change_lock, atomic for readers: a reshard is on its way. */
    i64 scaled_ms[STREAM_SCALES_MAX]; /* lock; the latest, in order; 0 = none. */
    struct stream_counters counters;
};

/* One catalog change between log_submit and its callback. */
struct change {
    struct change *next;
    struct streams *streams;
    struct stream *stream; /* Referenced; NULL for a creation. */
    /* The name that a creation takes meanwhile; borrows from `id_bytes`. */
    struct stream_id create;
    /* The consumer that it is about, if any; borrows from `id_bytes` too. */
    str consumer;
    bool is_registration; /* Of that consumer. */
    bool is_mode_change;
    u8 id_bytes[STREAM_ACCOUNT_BYTES + STREAM_REGION_MAX + STREAM_NAME_MAX];
    struct log_batch *batch;
    struct buf body;
    struct buf also[2]; /* Further records of the same frame, in order; empty for none. */
    i32 tag_delta;      /* Tags that it adds. */
    u64 epoch;          /* Begins with it, of a reshard; 0 for other changes. */
    stream_done_fn done;
    void *ctx;
};

struct waiter {
    struct waiter *next;
    u64 id;
    struct log_channel channel;
    u64 from_no;
    stream_wake_fn fn;
    void *ctx;
};

struct hold {
    struct hold *next;
    u64 id;
    u64 first_no;
};

struct account {
    str account, region; /* Owned. */
    struct stream_commitment commitment;
};

struct stream__control_rule {
    log_is_live_fn is_live;
    void *ctx;
};

struct streams {
    u32 magic;
    struct os *os;
    struct log *log;
    int watch_id;
    u8 secret[STREAM_SECRET_BYTES];
    bool has_secret;

    struct os_mutex change_lock;
    struct os_cond change_idle; /* A change or a restatement has ended. */
    struct change *changes;     /* In flight. */
    i32 change_count;
    u64 change_number; /* Changes submitted since open; they end in their order. */
    u32 number_next;
    bool is_restating;

    u64 epoch;      /* Atomic: of the newest reshard that maps show. Starts at 1. */
    u64 epoch_next; /* change_lock */

    struct os_rwlock lock;
    struct stream **by_name; /* Sorted by id; each entry holds a reference. */
    isize count, capacity;
    struct stream **by_number; /* The same streams. */
    struct account *accounts;  /* Those that were ever committed, in no order. */
    isize account_count;
    u64 restated_no;     /* Catalog records below this one are superseded. */
    isize catalog_bytes; /* Written since the restatement, itself included. */
    stream_meter_fn meter;
    void *meter_ctx;

    struct os_mutex wait_lock;
    struct waiter *buckets[STREAM_BUCKETS]; /* wait_lock */
    i64 waiter_count;                       /* Atomic; changed under wait_lock. */
    u64 wait_next;

    struct os_mutex hold_lock;
    struct hold *holds;
    u64 hold_next;
    u64 hold_first_no;            /* Atomic: smallest of the holds, UINT64_MAX when none. */
    struct os_mutex control_lock; /* Guards the rules, also while one is asked. */
    struct stream__control_rule
        control_rules[LOG_CONTROL_COUNT]; /* By channel; 0: of the others. */
};

/* --- stream_map.c -------------------------------------------------------------------------- */

struct shard_map *stream__map_new(i32 count);
/* Sorts out the open ones; the shards are filled in. ERR_CORRUPT when the open shards do not tile
 * the hash keys or indexes do not ascend. */
MUST_USE err stream__map_finish(struct shard_map *map);
struct shard_map *stream__map_uniform(i32 shard_count, i64 created_ms);
void stream__map_free(struct shard_map *map);
/* NULL when there is no shard of that index. */
const struct shard *stream__map_find(const struct shard_map *map, u32 index);
/* When the shard of that index, which must be there, was made. */
i64 stream__map_created_ms(const struct shard_map *map, u32 index);
/* The shard in the stream's map of now, copied. */
bool stream__shard(const struct stream *stream, u32 index, struct shard *out);
/* Valid with lock held, or inside a section of os/quiet.h: the next reshard frees it. */
static inline const struct shard_map *stream__map(const struct stream *stream)
{
    return __atomic_load_n(&stream->map, __ATOMIC_ACQUIRE);
}

/* --- stream_catalog.c ---------------------------------------------------------------------- */

int stream__id_cmp(struct stream_id a, struct stream_id b);
/* Place of `id` in by_name, or where it belongs, with *found_out. lock held. */
isize stream__index_of(const struct streams *streams, struct stream_id id, bool *found_out);
struct stream *stream__by_number(const struct streams *streams, u32 number);
void stream__encode(const struct stream *stream, struct buf *out);
/* What a catalog record takes from the frame that it stands in. */
struct catalog_frame {
    u64 end_no; /* Number after the last record of the frame. */
    i64 arrival_ms;
};
/* Applies one catalog record; takes the lock. The effects of a change and of its replay after a
 * restart are this one function. */
MUST_USE err stream__apply(struct streams *streams, str body, struct catalog_frame frame);
MUST_USE err stream__load(struct streams *streams, struct diag *diag);
void stream__restate_if_due(struct streams *streams);

/* A cursor with a sticky error, so that decoders read straight on and look once. */
struct stream_cursor {
    str rest;
    bool failed;
};

/* --- stream_reshard.c, stream_scale.c ------------------------------------------------------- */

struct reshard_op {
    bool is_merge;
    u32 shard; /* Split, or the lower one of two that are merged. */
    u32 other; /* Of a merge: the upper one. */
    u128 hash; /* Of a split: first hash key of the upper child. */
};

/* A shard map that is being changed: the operations so far and the shards as they leave them. */
struct reshard_draft {
    struct shard *shards; /* Owned, by index. */
    i32 count, capacity;
    i32 open_count;
    struct reshard_op *ops; /* Owned. */
    i32 op_count, op_capacity;
    struct catalog_frame frame;
};

void stream__draft_init(struct reshard_draft *draft, const struct shard_map *map);
void stream__draft_deinit(struct reshard_draft *draft);
/* *child_out: index of the (lower) child; the upper one of a split follows it. ERR_NOT_FOUND: no
 * such shard; ERR_CLOSED; ERR_INVALID: a hash key that does not split it, shards that do not
 * touch. */
MUST_USE err stream__draft_apply(struct reshard_draft *draft, const struct reshard_op *op,
                                 u32 *child_out);
/* Adds what makes `target` even open shards. */
void stream__scale_plan(struct reshard_draft *draft, i32 target);
/* Reads and applies the rest of an ENTRY_RESHARD; lock is held for writing. ERR_CORRUPT. */
MUST_USE err stream__reshard_apply(struct stream *stream, struct stream_cursor *in,
                                   struct catalog_frame frame);
MUST_USE err stream__scales_apply(struct stream *stream, struct stream_cursor *in);
/* Appends an ENTRY_SCALES; false when there is nothing to say. */
bool stream__scales_encode(const struct stream *stream, struct buf *out);

/* --- stream_stale.c: batches that a reshard overtakes ---------------------------------------- */

bool stream__on_stale(void *ctx, struct log_batch *batch);

/* --- stream_entry.c: pieces of catalog records ---------------------------------------------- */

u64 stream__take_number(struct stream_cursor *in, u64 max);
str stream__take_bytes(struct stream_cursor *in, isize bytes);
str stream__take_str(struct stream_cursor *in, isize max);
u128 stream__take_u128(struct stream_cursor *in);
/* Adds or replaces the tags that stand there. */
void stream__take_tags(struct stream_cursor *in, struct tag_list *tags);
/* Removes the tags whose keys stand there. */
void stream__take_unset_tags(struct stream_cursor *in, struct tag_list *tags);
void stream__tags_free(struct tag_list *tags);
/* Copies into the arena. */
void stream__tags_copy(const struct tag_list *tags, struct arena *arena,
                       struct stream_tag **tags_out, isize *count_out);
/* How many tags a change adds, counting what it takes away. */
i32 stream__tags_delta(const struct tag_list *tags, const struct stream_tag *set, isize set_count,
                       const str *unset, isize unset_count);
MUST_USE err stream__check_tags(const struct stream_tag *tags, isize count); /* ERR_RANGE */
void stream__put_str(struct buf *out, str s);
/* Of a stream, a region or a consumer: letters, digits, _ . - */
bool stream__is_name(str name);
void stream__put_tags(struct buf *out, const struct stream_tag *tags, isize count);
void stream__put_keys(struct buf *out, const str *keys, isize count);

/* --- stream_change.c ----------------------------------------------------------------------- */

/* Starts an entry about `stream`; takes change_lock, which the caller gives back. ERR_NOT_FOUND,
 * with nothing held, when it is gone or going. */
MUST_USE err stream__change_begin(struct stream *stream);
/* The same, and ERR_IN_USE while a reshard is on its way. */
MUST_USE err stream__change_begin_idle(struct stream *stream);
/* The caller encodes the catalog record into its body. */
struct change *stream__change_new(struct streams *streams, struct stream *stream,
                                  stream_done_fn done, void *ctx);
/* With change_lock held; takes `change`, and frees it on failure. */
MUST_USE err stream__change_submit(struct change *change);

/* --- stream_consumer.c ---------------------------------------------------------------------- */

/* Applies what follows the stream number of an entry; `lock` is held for writing. True when
 * those who wait for the stream must look again. */
bool stream__apply_consumer(struct stream *stream, enum stream_entry kind,
                            struct stream_cursor *in);
/* One catalog record of consumer `index`; false when there are fewer. lock held. */
bool stream__encode_consumer(const struct stream *stream, i32 index, struct buf *out);
void stream__consumers_free(struct stream *stream);
/* Registered, or about to be. change_lock held. */
i32 stream__consumers_claimed(const struct stream *stream);

/* NULL when there is no such consumer. lock held. */
str *stream__consumer_policy(const struct stream *stream, str name);

/* --- stream_setting.c ------------------------------------------------------------------------ */

/* Applies what follows the stream number of an ENTRY_SETTING; `lock` is held for writing. */
void stream__setting_apply(struct stream *stream, struct stream_cursor *in);
/* One catalog record, or nothing, of setting `index`; false when there are fewer. lock held. */
bool stream__setting_encode(const struct stream *stream, i32 index, struct buf *out);
void stream__str_free(str *owned);
/* Frees what *owned holds and copies `text`. */
void stream__str_replace(str *owned, str text);
/* Of the catalog records of a stream that is being made or changed. */
void stream__mode_encode(struct buf *out, const struct stream *stream, enum stream_mode mode,
                         i64 ms);
void stream__warm_encode(struct buf *out, const struct stream *stream, i32 mibps);
/* Whether the mode may be changed now; change_lock held. *at_ms_out: the time that is written down.
 * ERR_IN_USE, ERR_AGAIN. */
MUST_USE err stream__mode_check(const struct stream *stream, i64 *at_ms_out);

/* --- stream_account.c ------------------------------------------------------------------------ */

/* Applies what follows the first byte of an ENTRY_ACCOUNT; `lock` is held for writing. */
MUST_USE err stream__account_apply(struct streams *streams, struct stream_cursor *in);
/* One catalog record; false when there are fewer. lock held. */
bool stream__account_encode(const struct streams *streams, isize index, struct buf *out);
void stream__accounts_free(struct streams *streams);

/* --- stream_wait.c, stream_hold.c ----------------------------------------------------------- */

void stream__on_publish(void *ctx, const struct log_frame *frame);
/* Wakes every waiter of the stream: it changed. */
void stream__wake_all(struct streams *streams, u32 number);
void stream__free_waiters(struct streams *streams);
bool stream__is_live(void *ctx, struct log_channel channel, u64 last_no, i64 arrival_ms);
/* Arrival times before this one are past retention. */
i64 stream__cutoff_ms(const struct stream *stream);

#endif
