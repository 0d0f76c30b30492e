/*
 * aws/kinesis/kinesis_rows.h: records as GetRecords and events of a fan-out list
 * them. What all rows of a frame have in common is made once and copied. Rows are
 * written in parts of any size, whose sum is known beforehand; a part may end
 * within a row. Borrows the page and the stream; owns nothing. Owned by one thread at
 * a time.
 */
#ifndef AWS_KINESIS_KINESIS_ROWS_H
#define AWS_KINESIS_KINESIS_ROWS_H

#include "stream/stream.h"

enum {
    /* A part ends where less room is left. */
    ROWS_ROOM = 384,
    ROWS_HEAD_MAX = 256,
    ROWS_HEAD_USUAL = 144, /* 131 bytes in JSON, 118 in CBOR. */
    ROWS_MIDDLE_MAX = 48,
    ROWS_TAIL_MAX = 48,
};

enum rows_phase { ROWS_AT_HEAD, ROWS_IN_DATA, ROWS_IN_KEY };

struct rows {
    struct stream *stream;
    const struct stream_page *page;
    u32 shard;
    bool is_cbor;
    /* What is written next. */
    struct stream_rows cursor;
    struct stream_row row;
    isize index; /* Of the row. */
    enum rows_phase phase;
    isize done; /* Of the data, or of the key. */
    /* Up to the data; of rows that arrived at arrival_ms. In JSON with the comma between rows. */
    i64 arrival_ms;
    u64 next_no; /* Of `sequences`. */
    struct stream_sequences sequences;
    u8 head[ROWS_HEAD_MAX];
    isize head_bytes, digits_at;
    u8 middle[ROWS_MIDDLE_MAX], tail[ROWS_TAIL_MAX]; /* Before and behind the key. */
    isize middle_bytes, tail_bytes;
};

/* How a page is read that rows_init is given. */
void rows_measure(bool is_cbor, struct stream_read_limits *limits);
/* Items of a list; `is_encrypted`: each says so. */
void rows_init(struct rows *rows, struct stream *stream, u32 shard, const struct stream_page *page,
               bool is_cbor, bool is_encrypted);
/* Bytes of all of them. Before the first rows_write. */
isize rows_bytes(struct rows *rows);
/* Goes on; returns how many bytes it wrote, 0 when there is nothing more. At least 2 * ROWS_ROOM of
 * room. */
isize rows_write(struct rows *rows, u8 *out, isize room);
bool rows_is_done(const struct rows *rows);

#endif
