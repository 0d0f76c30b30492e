/*
 * aws/s3/s3_digest.h: the checksums of S3: CRC32, CRC32C, CRC64NVME, SHA1, SHA256,
 * beside MD5 (the ETag). Values are big-endian bytes and travel in base64.
 */
#ifndef AWS_S3_DIGEST_H
#define AWS_S3_DIGEST_H

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

enum s3_algorithm {
    S3_NONE,
    S3_CRC32,
    S3_CRC32C,
    S3_CRC64NVME,
    S3_SHA1,
    S3_SHA256,
    S3_MD5,
    S3_ALGORITHMS,
};

enum { S3_DIGEST_BYTES_MAX = 32 };

/* "CRC32", as in x-amz-checksum-algorithm; case is ignored when parsing. */
str s3_algorithm_name(enum s3_algorithm algorithm);
/* "x-amz-checksum-crc32" */
str s3_algorithm_header(enum s3_algorithm algorithm);
/* "ChecksumCRC32" */
str s3_algorithm_element(enum s3_algorithm algorithm);
/* S3_NONE for an unknown name. */
enum s3_algorithm s3_algorithm_parse(str name);
enum s3_algorithm s3_algorithm_parse_header(str header);
isize s3_digest_bytes(enum s3_algorithm algorithm);
/* The three CRCs: the checksum of a whole follows from those of its parts. */
bool s3_algorithm_is_linear(enum s3_algorithm algorithm);

/* One checksum under way; S3_NONE takes bytes and gives nothing. Owned by one thread. */
struct s3_digest {
    enum s3_algorithm algorithm;
    u64 crc;
    void *state; /* Of the hash; owned. */
};

void s3_digest_begin(struct s3_digest *digest, enum s3_algorithm algorithm);
void s3_digest_update(struct s3_digest *digest, const void *data, isize bytes);
/* Writes s3_digest_bytes() bytes. The digest is then as after deinit. */
void s3_digest_end(struct s3_digest *digest, u8 out[S3_DIGEST_BYTES_MAX]);
void s3_digest_deinit(struct s3_digest *digest);

/* The CRC of A and B together, of the CRC of A, and the CRC and length of B. */
u64 s3_crc_combine(enum s3_algorithm algorithm, u64 a, u64 b, u64 b_bytes);
/* A linear algorithm's value from its bytes. */
u64 s3_crc_value(enum s3_algorithm algorithm, const u8 *bytes);
void s3_crc_bytes(enum s3_algorithm algorithm, u64 crc, u8 *out);

#endif
