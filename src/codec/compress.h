/*
 * codec/compress.h: gzip (RFC 1952) and Zstandard (RFC 8878) over a stream of
 * bytes. Several gzip members or zstd frames behind each other read as one. One thread at a
 * time for each object.
 */
#ifndef CODEC_COMPRESS_H
#define CODEC_COMPRESS_H

#include "base/buf.h"
#include "base/diag.h"

enum compress_kind { COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_ZSTD };

/* By name ("gzip", "zstd", "none") or by the ending of a file name (".gz", ".zst"). */
MUST_USE err compress_kind_parse(str name, enum compress_kind *out);
enum compress_kind compress_kind_of_path(str path);
/* By the first bytes; NONE when they are neither. */
enum compress_kind compress_kind_of_bytes(str head);

struct compressor;
/* `level`: 0 = the format's usual one (6 and 3); else clamped to 1..9 and 1..19. */
struct compressor *compressor_new(enum compress_kind kind, int level);
void compressor_free(struct compressor *compressor);
/* Appends what comes out so far, which may be nothing. */
MUST_USE err compressor_write(struct compressor *compressor, str bytes, struct buf *out);
/* Ends the stream; writing may begin anew afterwards, with a new member or frame. */
MUST_USE err compressor_finish(struct compressor *compressor, struct buf *out);

enum {
    COMPRESS_RATIO_MAX = 200,
    COMPRESS_RATIO_FROM = 64 << 20, /* Bytes out, below which the ratio is not looked at. */
    COMPRESS_WINDOW_LOG_MAX = 27,   /* Zstandard: 128 MiB. */
};

struct decompress_limits {
    i64 bytes_max; /* Of output; 0 = unlimited. */
    i64 ratio_max; /* Output to input; 0 = COMPRESS_RATIO_MAX. */
};

struct decompressor;
/* NULL limits: the usual ones. */
struct decompressor *decompressor_new(enum compress_kind kind,
                                      const struct decompress_limits *limits);
void decompressor_free(struct decompressor *decompressor);
/* Takes from the front of *in and appends at most `out_max` bytes. OK: some came out, call again.
 * ERR_AGAIN: all of *in is taken, give more. ERR_CORRUPT: damaged. ERR_LIMIT. */
MUST_USE err decompressor_read(struct decompressor *decompressor, str *in, struct buf *out,
                               isize out_max, struct diag *diag);
/* After the last byte: ERR_CORRUPT when the stream is cut off. */
MUST_USE err decompressor_finish(const struct decompressor *decompressor, struct diag *diag);

#endif
