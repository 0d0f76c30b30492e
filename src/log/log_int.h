/*
 * log/log_int.h: shared by the files of this module only. Format: docs/formats/log.md.
 *
 * Locks, in the order in which they may be nested: retain_lock, then one of queue_lock,
 * zero_lock, watch_lock, live_lock; state_lock; lru_lock; pool_lock.
 */
#ifndef LOG_LOG_INT_H
#define LOG_LOG_INT_H

#include "base/buf.h"
#include "base/metric.h"
#include "base/plant.h"
#include "log/log.h"
#include "os/thread.h"

enum {
    LOG__VERSION = 1,
    LOG__BLOCK_BYTES = 4096,
    LOG__PACKED_BYTES = 64, /* Alignment in rewritten segments. */
    LOG__HEADER_BYTES = 128,
    LOG__RUN_BYTES = 24,
    LOG__UUID_BYTES = 16,
    LOG__BLOOM_BYTES = 128,
    LOG__BATCH_RECORDS_MAX = 1 << 20,
    LOG__NUMBER_JUMP = 1 << 24,  /* Greater than the number of records in any frame. */
    LOG__SALVAGE_JUMP = 1 << 30, /* As many as a lost segment can have held, and more. */
    LOG__ZERO_AHEAD_BYTES = 1 << 20,
    LOG__ZERO_PIECE_BYTES = 512 << 10,
    LOG__SMALL_FRAME_BYTES = 256 << 10,
    LOG__GATHER_BYTES = 256 << 10,    /* Queued bytes that wait for no others. */
    LOG__BUILD_AHEAD_BYTES = 1 << 20, /* That make building worth while the disk works. */
    LOG__LOADED_MAX = 16,             /* Indexes of sealed segments kept in memory. */
    LOG__WATCH_MAX = 16,
    LOG__POOL_MAX = 32,
#ifdef LEAT_DEBUG
    LOG__SPARES_MAX = 0, /* So that sanitizers see what is used after its end. */
#else
    LOG__SPARES_MAX = 64, /* Batches without a user. */
#endif
    LOG__SPARE_BYTES_MAX = 8192, /* Of their records. */
    LOG__POOL_BYTES_MAX = 32 << 20,
    LOG__RETAIN_PERIOD_MS = 10000,
    LOG__PATH_MAX = 4096,
};
_Static_assert(LOG_FRAME_BYTES_MAX / LOG__RECORD_HEADER_BYTES < LOG__NUMBER_JUMP,
               "a frame in flight must not reach past the jump");

/* Unknown is not full: a write that finds no room refuses its frame. */
#define LOG__SPACE_UNKNOWN (UINT64_MAX / 2)

/* LSNs and numbers beyond are damage: counting on from them could overflow. */
#define LOG__COUNT_MAX ((u64)1 << 62)

enum log__kind { LOG__NORMAL = 1, LOG__REWRITTEN = 2 };
/* Frame header flags. */
enum {
    LOG__FRAME_REDUCED = 1,  /* Retention has dropped some of its records. */
    LOG__FRAME_UNSYNCED = 2, /* Acknowledged without a sync of its own. */
};
enum { LOG__FRAME_DAMAGED = 1 }; /* Index flag: a fence. */
enum { LOG__META_SWAP = 1 };

/* --- frames -------------------------------------------------------------------------------- */

struct log__frame_head {
    u8 uuid[LOG__UUID_BYTES];
    u64 segment, epoch, offset;
    u64 lsn, first_no, last_no;
    i64 arrival_ms;
    u64 watermark;
    u32 flags, bytes, run_count, record_count, data_bytes;
    u32 body_crc, prev_crc, head_crc;
};

struct log_frame {
    int refs; /* Atomic. */
    u32 pins; /* Atomic; log_frame.c. */
    struct log *log;
    struct log__frame_head head;
    isize capacity; /* Of data. */
    isize used_max; /* Of that, by this frame and those before it: the rest has no pages. */
    u8 *data;       /* At a multiple of LOG__BLOCK_BYTES. */
};

struct log__identity {
    u8 uuid[LOG__UUID_BYTES];
    u64 segment, epoch;
};

void log__head_encode(const struct log__frame_head *head, u8 *out);
/* False unless it is a header with a good checksum and sane lengths for this segment and offset. */
bool log__head_decode(const u8 *in, const struct log__identity *id, u64 offset,
                      struct log__frame_head *out);
/* Verifies checksum, directory and record lengths of a frame whose header has been decoded. */
bool log__body_is_valid(const struct log__frame_head *head, const u8 *frame);
/* It is among the recent ones from now on, or no more; before the reference for that goes. */
void log__frame_cached(struct log_frame *frame, bool is_cached);

/* --- their memory -------------------------------------------------------------------------- */

/* Room for `bytes`; its owner's is the one reference. */
struct log_frame *log__frame_new(struct log *log, isize bytes);
/* The last reference has gone. */
void log__pool_give(struct log_frame *frame);
/* Frees what nobody has needed since the call before. */
void log__pool_trim(struct log *log);
void log__pool_free(struct log *log);

/* --- the index of one segment -------------------------------------------------------------- */

struct log__frame_info {
    u64 lsn, offset, first_no, last_no;
    i64 arrival_ms;
    u32 bytes, flags;
};

struct log__run_info {
    u64 first_no;
    u32 count, frame, bytes;
};

struct log__channel_runs {
    struct log_channel channel;
    struct log__run_info *runs; /* Owned in a builder; borrowed from the index otherwise. */
    u32 count, capacity;
};

/* Channel -> number, open addressing. Neighbouring shards of a stream share a block: a frame names
 * its channels in ascending order, and so goes through memory nearly in order too. */
enum { LOG__MAP_BLOCK = 8 };
struct log__map {
    u64 *keys;                     /* 1 + block of the channel; 0 = empty slot. */
    u64 (*values)[LOG__MAP_BLOCK]; /* 0 = none. */
    u32 count, capacity;           /* Blocks. */
};
u64 *log__map_find(const struct log__map *map, struct log_channel channel);
u64 *log__map_put(struct log__map *map, struct log_channel channel); /* Found or new (then 0). */
void log__map_deinit(struct log__map *map);

struct log__index {
    struct log__frame_info *frames;
    u32 frame_count, frame_capacity;
    struct log__channel_runs *channels; /* Ascending when loaded; in order of arrival when built. */
    u32 channel_count, channel_capacity;
    struct log__map by_channel; /* Row + 1; only while being built. */
    struct log__run_info *runs; /* Storage of a loaded index. */
    u32 run_count, damaged_count;
    bool is_built; /* Grown frame by frame: each channel owns its runs. */
    u32 last_crc;  /* Header crc of the last frame. */
};
void log__index_init(struct log__index *index);
void log__index_deinit(struct log__index *index);
void log__index_add_frame(struct log__index *index, const struct log__frame_head *head,
                          const u8 *frame);
void log__index_add_damage(struct log__index *index, const struct log__frame_info *damage);
/* Row of the first frame with LSN > lsn; frame_count when none. */
u32 log__index_after(const struct log__index *index, u64 lsn);
struct log__channel_runs *log__index_channel(const struct log__index *index,
                                             struct log_channel channel);
/* Number after the newest record; there is at least one run. */
u64 log__runs_tip(const struct log__channel_runs *row);
/* First run of the channel with a record >= no; NULL when none. */
const struct log__run_info *log__index_seek(const struct log__index *index,
                                            struct log_channel channel, u64 no);

/* --- segments ------------------------------------------------------------------------------ */

struct log__header {
    u32 version; /* Also set with ERR_VERSION. */
    u32 kind, bytes, member_count, crc;
    struct log__identity id;
    u64 next_lsn, next_no, next_segment;
    i64 arrival_ms;
    u64 *members;   /* Owned. */
    bool is_single; /* The other copy is damaged. */
};

struct log__trailer {
    u32 kind;
    struct log__identity id;
    u64 first_lsn, last_lsn, first_no, last_no;
    i64 first_arrival_ms, last_arrival_ms;
    u64 index_offset, index_bytes;
    u32 frame_count, channel_count, run_count, index_crc, damaged_count, last_crc;
    u64 next_no;
    u8 bloom[LOG__BLOOM_BYTES];
};

/* An index in memory together with an open file; shared by readers. */
struct log__loaded {
    int refs; /* Atomic. */
    struct os_file *file;
    struct log__index index;
};

struct log__segment {
    int refs; /* Atomic. One is the table's. */
    u32 kind;
    struct log__identity id;
    u64 frames_offset; /* Where frames begin. */
    u32 header_crc;
    u64 bytes; /* Of the file; of the active segment: its head. */
    u64 first_lsn, last_lsn, first_no, last_no;
    i64 first_arrival_ms, last_arrival_ms;
    u64 live_bytes; /* As retention saw it last; what a rewrite would keep. */
    u64 index_offset, index_bytes;
    u32 frame_count, channel_count, run_count, index_crc, damaged_count;
    u64 next_no; /* Numbers below may have been given; of a sealed segment. */
    u8 bloom[LOG__BLOOM_BYTES];
    struct os_file *file;       /* Of the active segment; closed with the last reference. */
    struct log__loaded *loaded; /* Guarded by lru_lock. */
    u64 loaded_stamp;           /* Guarded by lru_lock. */
    bool is_rebuilt;            /* Index and trailer in the file are damaged. */
    u64 known_lsn, known_no;    /* Last ones, as the segment behind it says; 0 = it does not. */
    i64 known_ms;
    bool is_named; /* STORE names it; of the active segment. Committer only. */
};

/* What a segment holds beside frames: of each there is a second copy, or it can be made again. */
enum log__part { LOG__PART_HEADER = 1, LOG__PART_INDEX = 2 };
/* Reads them from the disk; bits of those that are damaged. `has_index`: it is sealed. */
MUST_USE err log__segment_parts(struct log *log, const struct log__segment *segment, bool has_index,
                                u32 *damaged_out);

void log__path(const struct log *log, u64 segment, const char *suffix, char *out);
isize log__header_encode(const struct log__header *header, struct buf *out);
MUST_USE err log__header_read(struct os_file *file, u64 file_bytes, struct log__header *out);
void log__header_deinit(struct log__header *header);
MUST_USE err log__trailer_read(struct os_file *file, u64 file_bytes, struct log__trailer *out);
void log__trailer_decode_into(struct log__segment *segment, const struct log__trailer *trailer);
/* Of index and trailer behind the last frame. */
u64 log__seal_bytes(u32 kind, const struct log__index *index);
/* Encodes index and trailer that belong at `offset`. */
void log__seal_encode(const struct log__segment *segment, const struct log__index *index,
                      u64 offset, struct buf *out, struct log__trailer *trailer_out);
MUST_USE err log__index_decode(const struct log__trailer *trailer, const u8 *data,
                               struct log__index *out);
MUST_USE err log__index_read(struct os_file *file, const struct log__trailer *trailer,
                             struct log__index *out);
void log__segment_trailer(const struct log__segment *segment, struct log__trailer *out);

struct log__segment *log__segment_ref(struct log__segment *segment);
void log__segment_unref(struct log__segment *segment);
void log__loaded_unref(struct log__loaded *loaded);
/* Index and file of a sealed segment; ERR_NOT_FOUND when retention has just removed it. */
MUST_USE err log__segment_load(struct log *log, struct log__segment *segment,
                               struct log__loaded **out);
bool log__bloom_has(const u8 *bloom, struct log_channel channel);
void log__bloom_add(u8 *bloom, struct log_channel channel);

/* Rolling (committer only). ERR_FULL: there was no room; the log is as it was, and what was not
 * done may be tried again. */
MUST_USE err log__active_create(struct log *log);
/* STORE names the active segment from now on: nothing is committed to it before. */
MUST_USE err log__active_name(struct log *log);
MUST_USE err log__store_write(struct log *log, u64 newest);
MUST_USE err log__active_seal(struct log *log);
/* Ends the process unless e is OK: a sync that failed proves nothing when it is tried again. */
void log__must_sync(const struct log *log, err e);
/* Writes the tail of a segment at `end`, cuts what lies behind and syncs. ERR_FULL: it may be tried
 * again; frames are as they were. */
MUST_USE err log__seal_file(struct log *log, struct os_file *file, struct log__segment *segment,
                            const struct log__index *index, u64 end);
/* Creates N.new with its header. */
MUST_USE err log__segment_file_new(struct log *log, struct log__segment *segment,
                                   const struct log__header *header, struct os_file **out);
/* Says so when it fails; no error when there is none. */
void log__unlink(struct log *log, u64 segment, const char *suffix);
/* N.new -> N.seg, and syncs the directory. */
MUST_USE err log__segment_file_commit(struct log *log, const struct log__segment *segment);

/* --- the log ------------------------------------------------------------------------------- */

struct log__entry {
    u8 *data;  /* Length and body. */
    u32 bytes; /* Of both. */
    u32 run;   /* Row of runs; after the commit: record number relative to the frame's first. */
};

struct log__batch_run {
    struct log_channel channel;
    u32 count, bytes, slot;
    u32 next; /* While building: number of the next record, relative. */
};

struct log__chunk {
    struct log__chunk *next;
    isize capacity, used;
    u8 data[];
};

struct log_batch {
    struct log__chunk *chunks, *current;
    struct log__entry *entries;
    isize count, capacity;
    struct log__batch_run *runs;
    u32 run_count, run_capacity, slot_capacity, last_run;
    u32 *slots; /* Row of runs + 1. */
    isize body_bytes, encoded_bytes;
    bool has_data; /* A record of a channel other than control. */
    u64 epoch;     /* Of the first note; 0 = none. */
    bool is_pinned;
    u64 raises_to; /* Epoch that begins behind it; 0 = none. */
    u32 *shards;   /* By record, when the batch was rerouted; owned. */
    u64 lsn, first_no, end_no;
    i64 arrival_ms;
    u64 submitted_ns; /* os_mono_ns */
    struct log_batch *next;
    log_done_fn done;
    void *ctx;
};

struct log__sort_item {
    u64 key;
    struct log__batch_run *run;
};
/* Stable; the result is in one of the two. */
struct log__sort_item *log__sort(struct log__sort_item *items, struct log__sort_item *spare,
                                 isize count);

/* A record that a frame is made of. */
struct log__piece {
    const u8 *data;
    u32 bytes;
};

/* What one round of the committer carries from building to the disk. */
struct log__job {
    struct log_batch *batches; /* Accepted, in order. */
    struct log_batch *refused; /* Completed with ERR_FULL. */
    struct log_batch *stale;   /* Completed with ERR_AGAIN. */
    struct log_frame *frame;   /* NULL when nothing was accepted. */
    u64 raises_to;             /* Epoch that begins behind it; 0 = none. */
    err result;                /* Of its frame: OK, or ERR_FULL. */
};
/* Of the thread that has set is_building. */
void log__build_frame(struct log *log, struct log__job *job);

/* Free bytes of the file system, and when (os_mono_ns). */
struct log__space {
    u64 free_bytes, asked_ns;
};

struct log__zero {
    struct os_mutex lock;
    struct os_cond cond;
    struct os_file *file; /* Active segment; NULL between segments. Borrowed. */
    u64 reserved;         /* End of the frame that is being written or was written last. */
    u64 zeroed_end;
    u64 from; /* Start of the range being zeroed while is_busy. */
    bool is_busy, is_wanted;
};

/* The pass under way over sealed segments; of the tidying thread. */
struct log__scrub {
    u64 lsn; /* Read so far. */
    u64 damaged, damaged_parts, next_ns;
    bool is_running;
};

/* A segment that belongs to the log and cannot be used at all: looking goes on without it. */
struct log__missing {
    u64 no;
    const char *what;
};

struct log {
    struct os *os;
    char *dir;
    enum log_durability durability;
    bool is_driven; /* No threads: tests call log__commit_once. */
    bool is_checked_only, is_salvaged, is_newest_open;
    struct log__scrub scrub;
    u64 scrub_period_ms;
    u64 newest_no;                /* Segment that says what the log consists of. */
    u64 bad_segment;              /* That a start refused; 0 = none. */
    struct log__missing *missing; /* Of one that is only checked. */
    u32 missing_count;
    u64 segment_bytes, reserve_bytes, cache_bytes;
    struct budget *pinned; /* NULL: not counted. */
    bool is_full_told;     /* Committer only: what was said last. */
    u8 uuid[LOG__UUID_BYTES];
    struct os_file *lock_file;
    struct os *memory_os; /* Owned; of LOG_MEMORY. */

    struct os_mutex queue_lock;
    struct os_cond work_cond, disk_cond; /* Something to build; the disk is free. */
    struct log_batch *queue, **queue_end;
    isize queue_bytes;
    bool is_closing, is_building, is_disk_busy; /* One committer builds, one has the disk. */
    bool is_barred; /* A batch that raised the epoch has not been completed yet. */

    void (*before)(void), (*after)(void); /* log_set_around; NULL: none. */
    log_stale_fn stale;                   /* queue_lock */
    void *stale_ctx;

    /* Building stage: one thread at a time by is_building; so frames keep their order. */
    u64 epoch; /* Of the newest accepted batch that raised it. */
    u64 next_lsn, next_no;
    i64 arrival_ms;
    struct log__space space;
    struct log__sort_item *items, *items_spare;
    isize item_capacity;
    struct log__piece *pieces;
    u32 piece_capacity;

    /* Disk stage: one thread at a time by is_disk_busy. */
    u64 full_ns; /* Atomic: when a write found no room (os_mono_ns); 0 = none since the last frame.
                  */
    u64 durable_end;  /* Of the active segment. */
    u64 next_segment; /* Atomic. */

    struct os_rwlock state_lock;    /* Down to the next lock. */
    struct log__segment **segments; /* In LSN order; the active one last. */
    u32 segment_count, segment_capacity;
    struct log__segment *active; /* Also in the table; NULL before the first commit. */
    struct log__index active_index;
    struct log__map tips;      /* Number after the newest record, of channels known since open;
                                * of those in active_index, that one says it. */
    u64 open_no;               /* next_no at open. */
    u64 tip_lsn, published_no; /* Number after the newest published record. */
    i64 published_ms;          /* Arrival of the newest published frame. */
    struct log_frame **cache;  /* Ring of consecutive LSNs. */
    u32 cache_first, cache_count, cache_capacity;
    u64 cached_bytes;
    struct log__segment *incoming; /* Rewritten segment that a swap record will bring in. */

    struct os_mutex lru_lock;
    struct log__segment *lru[LOG__LOADED_MAX];
    u64 lru_clock;

    struct os_mutex pool_lock;
    struct log_frame *pool[LOG__POOL_MAX];
    int pool_count, pool_count_min; /* The least since the last trim. */
    isize pool_bytes;               /* That have pages. */
    struct log_batch *spares;       /* pool_lock; small ones. */
    int spare_count;

    struct os_mutex watch_lock;
    struct {
        log_watch_fn fn;
        void *ctx;
    } watchers[LOG__WATCH_MAX];

    struct os_mutex live_lock;
    log_is_live_fn is_live;
    void *live_ctx;

    struct os_mutex retain_lock;
    struct os_mutex tidy_lock; /* Of the two fields below. */
    struct os_cond tidy_cond;
    bool is_tidy_stopping;
    struct log__zero zero;

    struct os_thread committers[2], tidier;
    struct log_stats stats; /* Atomic counters. */
    struct log_latencies latencies;
};

/* Opens without threads. */
MUST_USE err log__open_driven(struct os *os, const struct log_options *options, struct log **out,
                              struct diag *diag);
/* Commits one frame of what is queued; false when nothing was queued. */
bool log__commit_once(struct log *log);
/* Zeroes ahead when that is wanted. */
void log__zero_once(struct log *log);
/* A second's share of the scrub, when one is due. */
void log__scrub_once(struct log *log);
/* Forgets everything without sealing, as a crash would; memory and handles are freed. */
void log__abandon(struct log *log);

/* For log_salvage: as log__open_driven, but what is missing is passed over. ERR_CORRUPT:
 * *bad_out is the segment in the way, 0 when it is something else. */
MUST_USE err log__open_salvage(struct os *os, const struct log_options *options, struct log **out,
                               u64 *bad_out, struct diag *diag);
/* Only the directory and its lock. */
MUST_USE err log__open_bare(struct os *os, const struct log_options *options, struct log **out,
                            struct diag *diag);
/* Moves a file of the directory to lost+found/, if it is still there. */
MUST_USE err log__quarantine(struct log *log, const char *name);
/* Swaps a sealed segment for what of it can be read; the file stays. */
MUST_USE err log__rewrite_readable(struct log *log, struct log__segment *segment);
/* Writes down that numbers go on far behind the newest that is known. */
MUST_USE err log__note_salvage(struct log *log);

void log__committer_run(void *ctx);
void log__batch_spares_free(struct log *log);
void log__batch_begin(struct log_batch *batch, log_done_fn done, void *ctx);
/* The frame of `records` in which it had a place is not written: as it was when it was submitted.
 */
void log__batch_withdraw(struct log_batch *batch, u32 records);
/* Room that rerouting may take in a batch that was full: rows of its directory. */
enum { LOG__REROUTE_BYTES = 512 << 10 };
MUST_USE err log__recover(struct log *log, struct diag *diag);
/* Reads and checks one frame; ERR_CORRUPT counts. */
MUST_USE err log__frame_read(struct log *log, struct os_file *file, const struct log__identity *id,
                             const struct log__frame_info *info, struct log_frame **out);
/* Reads a segment frame by frame into *out (returned owned). Stops at its end or torn tail,
 * *end_out; fences damage. */
MUST_USE err log__scan(struct log *log, const struct log__segment *segment, struct os_file *file,
                       struct log__index *out, u64 *end_out);
/* Would what stands at `offset` be a frame (*out) if one bit of it were another? */
MUST_USE err log__tail_look(struct os_file *file, u64 file_bytes, const struct log__identity *id,
                            u64 offset, struct log__frame_head *out, bool *is_one_bit_off);
/* Applies the swaps of a published frame; state_lock is held for writing. */
void log__apply_swaps(struct log *log, const struct log_frame *frame);
void log__table_insert(struct log *log, struct log__segment *segment);
void log__table_remove(struct log *log, u64 segment);
void log__cache_add(struct log *log, struct log_frame *frame);
struct log_frame *log__cache_find(struct log *log, u64 lsn); /* New reference or NULL. */
MUST_USE err log__retain(struct log *log);
/* Swap record: olds, and what replaces them (0 = nothing). */
void log__swap_encode(struct buf *out, const u64 *olds, u32 count, u64 replacement);
MUST_USE err log__swap_decode(str record, u64 *replacement_out, str *olds_out);

#endif
