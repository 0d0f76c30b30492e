/*
 * log/log_plant.h: deliberate bugs. The crash test compiles its own copy of the log
 * with LEAT_PLANT, switches them on one at a time and must find each; the product
 * contains none of them.
 */
#ifndef LOG_LOG_PLANT_H
#define LOG_LOG_PLANT_H

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
    PLANT(BUG_NO_SYNC_REWRITE, "a rewritten segment is not synced before the swap")      \
    PLANT(BUG_NO_DIR_SYNC_REWRITE, "the directory is not synced before the swap")        \
    PLANT(BUG_UNLINK_BEFORE_SWAP, "old segments go before the swap is durable")          \
    PLANT(BUG_SWAP_UNRECORDED, "the swap is not written to the log")                     \
    PLANT(BUG_SWAP_FORGOTTEN, "recovery forgets the new segment of a swap")              \
    PLANT(BUG_NO_UNLINK, "old segments are not removed after the swap")

enum log__bug {
    BUG_NONE,
#define PLANT(name, text) name,
    LOG_PLANTS(PLANT)
#undef PLANT
        BUG_COUNT
};

#endif
