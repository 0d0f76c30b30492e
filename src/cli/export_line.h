/*
 * cli/export_line.h: the lines of an export of a stream (docs/formats/export.md): JSON objects, a
 * head, the records, an end that counts and hashes what stands between.
 */
#ifndef CLI_EXPORT_LINE_H
#define CLI_EXPORT_LINE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"

enum {
    EXPORT_VERSION = 1,
    EXPORT_HASH_CHARS = 64,           /* SHA-256 in hexadecimal digits. */
    EXPORT_LINE_BYTES_MAX = 16 << 20, /* 10 MiB in base64, keys and all. */
    EXPORT_KEY_CHARS_MAX = 256,
};

enum export_kind { EXPORT_HEAD, EXPORT_RECORD, EXPORT_END };

struct export_record {
    str shard_id, sequence_number; /* For people: an import gives new ones. */
    i64 arrival_ms;
    str partition_key;
    str hash_key; /* Decimal digits; empty: that of the partition key. */
    str data;
};

struct export_line {
    enum export_kind kind;
    struct export_record record;
    str stream;       /* Of the head. */
    i64 shard_count;  /* Of the head: open ones; 0 = not given. */
    i64 record_kib;   /* Of the head: the largest record that the stream takes; 0 = not given. */
    i64 record_count; /* Of the end. */
    str hash;
};

struct export_head {
    str stream, region;
    i64 at_ms, shard_count, record_kib;
    str shards; /* Text of a JSON array. */
};

/* With their line feeds. */
void export_head_write(struct buf *out, const struct export_head *head);
void export_record_write(struct buf *out, const struct export_record *record);
void export_end_write(struct buf *out, i64 record_count, str hash);
/* Reads a line without its line feed; strings live in it or in the arena. ERR_SYNTAX, ERR_INVALID,
 * ERR_LIMIT, ERR_UNSUPPORTED (version): diag says what is wrong and what is expected. */
MUST_USE err export_line_read(struct arena *arena, str line, struct export_line *out,
                              struct diag *diag);

#endif
