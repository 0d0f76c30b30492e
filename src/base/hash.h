/*
 * base/hash.h: checksums and hashes. crc32c (Castagnoli, reflected, as in
 * RFC 3720) guards everything on disk; hash64 (XXH3) is for tables in memory.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/base.h"
#include "base/str.h"

/* Continues from `crc` (0 to start). Uses the SSE4.2 instruction when the CPU has it. */
u32 crc32c(u32 crc, const void *data, isize bytes);
/* CRC-32 (IEEE 802.3, as zlib), for event-stream frames and S3 checksums. */
u32 crc32_ieee(u32 crc, const void *data, isize bytes);
/* CRC-64/NVME (NVM Express), as S3 has it. */
u64 crc64_nvme(u64 crc, const void *data, isize bytes);
u64 hash64(const void *data, isize bytes, u64 seed);

#endif
