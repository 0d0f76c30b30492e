/*
 * base/plant.h: deliberate bugs. The crash test compiles its own copy of the files
 * that have some with LEAT_PLANT, switches them on one at a time and must find each
 * (tests/crash/, docs/internals/durability.md); the product contains none of them.
 */
#ifndef BASE_PLANT_H
#define BASE_PLANT_H

#define LOG_PLANTS(PLANT)                                                                \
    PLANT(BUG_NO_SYNC_FRAME, "a frame is acknowledged without fdatasync")                \
    PLANT(BUG_EARLY_ACK, "a batch is acknowledged before its frame is written")          \
    PLANT(BUG_EARLY_PUBLISH, "readers see a frame before it is durable")                 \
    PLANT(BUG_NO_SYNC_NEW, "a new segment gets its name before its header is synced")    \
    PLANT(BUG_NO_DIR_SYNC_NEW, "the directory is not synced after a new segment")        \
    PLANT(BUG_NO_SYNC_SEAL, "a sealed segment is not synced")                            \
    PLANT(BUG_SEAL_CUT_SHORT, "sealing cuts the trailer off")                            \
    PLANT(BUG_SEAL_OVER_FRAME, "sealing cuts on the wrong side of the last frame")       \
    PLANT(BUG_FRAME_UNPADDED, "the next frame shares a sector with an acknowledged one") \
    PLANT(BUG_HEAD_CRC_SKIPPED, "the checksum of a frame header is not checked")         \
    PLANT(BUG_BODY_CRC_SKIPPED, "the checksum of a frame body is not checked")           \
    PLANT(BUG_CRC_PARTIAL, "the checksum covers only the first sector of a frame")       \
    PLANT(BUG_COPY_ACCEPTED, "a copy of a frame at another offset is accepted")          \
    PLANT(BUG_STALE_ACCEPTED, "a frame of another segment and epoch is accepted")        \
    PLANT(BUG_INDEX_CRC_SKIPPED, "the checksum of an index is not checked")              \
    PLANT(BUG_LATER_FRAMES_IGNORED, "damage in the middle is taken for a torn tail")     \
    PLANT(BUG_WATERMARK_ZERO, "frames do not say what was durable before them")          \
    PLANT(BUG_TAIL_CUT_TOO_FAR, "recovery cuts one frame more than the torn tail")       \
    PLANT(BUG_NO_NUMBER_JUMP, "recovery gives numbers of a lost frame again")            \
    PLANT(BUG_MEMBER_FORGOTTEN, "a new segment does not name all others")                \
    PLANT(BUG_STORE_FIRST, "a store is declared before its first segment exists")        \
    PLANT(BUG_NEWEST_FIRST, "STORE names a new segment before it exists")                \
    PLANT(BUG_NO_SYNC_REWRITE, "a rewritten segment is not synced before the swap")      \
    PLANT(BUG_NO_DIR_SYNC_REWRITE, "the directory is not synced before the swap")        \
    PLANT(BUG_UNLINK_BEFORE_SWAP, "old segments go before the swap is durable")          \
    PLANT(BUG_SWAP_UNRECORDED, "the swap is not written to the log")                     \
    PLANT(BUG_SWAP_FORGOTTEN, "recovery forgets the new segment of a swap")              \
    PLANT(BUG_NO_UNLINK, "old segments are not removed after the swap")                  \
    PLANT(BUG_ZERO_OVER_FRAME, "zeroing ahead begins in front of the last frame")        \
    PLANT(BUG_ARRIVAL_BACK, "arrival times follow a clock that goes back")               \
    PLANT(BUG_FULL_IGNORED, "writers are not stopped before the disk is full")           \
    PLANT(BUG_FULL_SWAP_REFUSED, "on a full disk the swap that frees space is refused")  \
    PLANT(BUG_REFUSED_KEPT, "a frame that found no room is left behind the last one")    \
    PLANT(BUG_REFUSED_UNSYNCED, "cutting off what found no room is not synced")          \
    PLANT(BUG_CHAIN_FORGOTTEN, "a frame does not name the one before it")                \
    PLANT(BUG_BLOOM_FORGOTTEN, "a sealed segment does not announce its last channel")    \
    PLANT(BUG_JUMP_FORGOTTEN, "the jump of record numbers is not written down")          \
    PLANT(BUG_TAIL_KEPT, "the torn tail is not cut off before sealing")                  \
    PLANT(BUG_SECOND_HEADER_IGNORED, "the second copy of a segment header is not used")  \
    PLANT(BUG_SEGMENT_REUSED, "recovery gives the number of a segment again")            \
    PLANT(BUG_MISSING_IGNORED, "a missing segment is not noticed")                       \
    PLANT(BUG_FOREIGN_ACCEPTED, "a segment of another store or number is accepted")      \
    PLANT(BUG_FENCE_FORGOTTEN, "damage in the middle is passed over in silence")         \
    PLANT(BUG_LEFT_OPEN, "recovery does not seal the newest segment")                    \
    PLANT(BUG_LIVE_DROPPED, "retention drops the last live run of a frame")              \
    PLANT(BUG_REWRITE_RENUMBERED, "retention numbers the records that it keeps anew")    \
    PLANT(BUG_SWAP_SHORT, "a swap names only the first of the segments it replaces")     \
    PLANT(BUG_SWAP_NOT_REPLAYED, "recovery does not read the swaps")                     \
    PLANT(BUG_UNFINISHED_KEPT, "segments in the making are not removed at start")        \
    PLANT(BUG_STRAY_DELETED, "a file that is not the log's is deleted")                  \
    PLANT(BUG_REPLACED_KEPT, "replaced segments are not removed at start")               \
    PLANT(BUG_LSN_REUSED, "recovery gives the LSN of the last frame again")              \
    PLANT(BUG_TIME_FORGOTTEN, "recovery forgets the newest arrival")                     \
    PLANT(BUG_TRAILER_CRC_SKIPPED, "the checksum of a trailer is not checked")           \
    PLANT(BUG_SECOND_HEADER_UNREAD, "the second copy of a header is not checked")        \
    PLANT(BUG_TAIL_BIT_IGNORED, "a last frame that one bit spoils is cut off in silence")

#define OS_PLANTS(PLANT)                                                           \
    PLANT(BUG_REPLACE_NO_SYNC, "a file is renamed into place before it is synced") \
    PLANT(BUG_REPLACE_NO_DIR_SYNC,                                                 \
          "the directory is not synced after a file was renamed into place")       \
    PLANT(BUG_REPLACE_IN_PLACE, "a file is overwritten in place")                  \
    PLANT(BUG_MKDIR_NO_SYNC, "a new directory is not synced in its parent")

#define SERVICE_PLANTS(PLANT)                                                                    \
    PLANT(BUG_SQLITE_NO_SYNC, "SQLite: nothing is synced")                                       \
    PLANT(BUG_SQLITE_NO_WAL_SYNC, "SQLite: the write-ahead log is not synced")                   \
    PLANT(BUG_SQLITE_NO_DB_SYNC, "SQLite: the database is not synced before its log is reused")  \
    PLANT(BUG_SQLITE_NO_DIR_SYNC, "SQLite: the directory is not synced after a new file")        \
    PLANT(BUG_SQLITE_SYNC_NORMAL, "SQLite: synchronous is NORMAL")                               \
    PLANT(BUG_STORE_MIGRATION_TORN, "a schema is made without a transaction")                    \
    PLANT(BUG_S3_NO_SYNC, "S3: the row of an object commits before its bytes are synced")        \
    PLANT(BUG_S3_NO_DIR_SYNC, "S3: the directory is not synced after an object file")            \
    PLANT(BUG_S3_NO_FOLDER_SYNC, "S3: the folder of an object file is not synced in its parent") \
    PLANT(BUG_S3_UNLINK_FIRST, "S3: the old bytes go before the new row is durable")             \
    PLANT(BUG_S3_UNREGISTERED, "S3: the sweep does not know the files of an object")             \
    PLANT(BUG_S3_NOT_SWEPT, "S3: what a crash left behind is not swept")                         \
    PLANT(BUG_S3_CRC_SKIPPED, "S3: the checksums of blocks are not checked")                     \
    PLANT(BUG_S3_ROWS_APART, "S3: the old row goes in a transaction of its own")                 \
    PLANT(BUG_CATALOG_RESTATED_DIES, "retention drops the restated catalog itself")              \
    PLANT(BUG_CATALOG_STREAM_FORGOTTEN, "a restated catalog leaves the last stream out")         \
    PLANT(BUG_CATALOG_NUMBER_FORGOTTEN,                                                          \
          "a restated catalog forgets which stream numbers were given")                          \
    PLANT(BUG_CATALOG_DELETE_UNWRITTEN, "a deletion is acknowledged and not written down")       \
    PLANT(BUG_CATALOG_RETENTION_FORGOTTEN, "a restated catalog has the default retention")       \
    PLANT(BUG_REPLAY_POSITION_APART, "a replay writes its position apart from its rows")         \
    PLANT(BUG_REPLAY_LIVE_DROPPED, "retention drops the newest position of a replay")            \
    PLANT(BUG_SNAPSHOT_NO_SYNC, "a job's snapshot is named before it is synced")                 \
    PLANT(BUG_PIECES_NO_SYNC, "the pieces of a snapshot are not synced")                         \
    PLANT(BUG_SNAPSHOT_NO_DIR_SYNC, "the directory is not synced after a snapshot")              \
    PLANT(BUG_SNAPSHOT_SWEPT_EARLY, "the old snapshot goes before the new one is written down")  \
    PLANT(BUG_JOURNAL_NO_SYNC, "a job's step is published before its journal is synced")         \
    PLANT(BUG_JOURNAL_LATE, "a step's rows are published before its journal entry")              \
    PLANT(BUG_OUTBOX_CURSOR_FIRST, "outbox: the cursor moves before the delivery")               \
    PLANT(BUG_OUTBOX_UNPLANNED, "outbox: a range is delivered and not written down first")       \
    PLANT(BUG_OUTBOX_LETTERS_APART, "outbox: dead letters are written apart from the cursor")    \
    PLANT(BUG_OUTBOX_RESTATED_OLD, "outbox: cursors are restated as they were before the last")  \
    PLANT(BUG_OUTBOX_FILE_NO_SYNC, "a sink's file gets its name before it is synced")            \
    PLANT(BUG_OUTBOX_FILE_NO_DIR_SYNC, "a sink's file is delivered before its name is synced")

enum plant_bug {
    BUG_NONE,
#define PLANT(name, text) name,
    LOG_PLANTS(PLANT) OS_PLANTS(PLANT) SERVICE_PLANTS(PLANT)
#undef PLANT
        BUG_COUNT
};

#ifdef LEAT_PLANT
extern int plant_bug;
#define PLANTED(bug) (plant_bug == (bug))
#else
#define PLANTED(bug) false
#endif

#endif
