/*
 * codec/cbor.h: CBOR (RFC 8949) of API calls: read into the tree of codec/json.h,
 * written item by item. Of tags only 1 (a time, as a number) is known. Lengths may be
 * definite or not; at most JSON_DEPTH_MAX levels. A cursor reads the same bytes
 * without a tree, where that counts.
 */
#ifndef CODEC_CBOR_H
#define CODEC_CBOR_H

#include "codec/json.h"

enum cbor_major {
    CBOR_UNSIGNED = 0,
    CBOR_NEGATIVE = 1,
    CBOR_BYTES = 2,
    CBOR_TEXT = 3,
    CBOR_LIST = 4,
    CBOR_MAP = 5,
    CBOR_TAG = 6,
    CBOR_SIMPLE = 7,
};

/* Texts and byte strings borrow from the input, numbers become their text; NaN and infinities
 * become the texts "NaN", "Infinity", "-Infinity". ERR_SYNTAX, ERR_LIMIT (depth), ERR_EXISTS (a
 * name twice), ERR_MEMORY (the arena's budget). */
MUST_USE err cbor_parse(struct arena *arena, str bytes, const struct json_value **out,
                        struct diag *diag);

/* What is left to read. */
struct cbor_cursor {
    const u8 *at, *end;
};

/* Each takes one thing of exactly that kind, or returns false. Texts and byte strings in one piece
 * only, texts not checked for UTF-8. */
bool cbor_take_string(struct cbor_cursor *c, enum cbor_major major, str *out);
/* The head of a list or map. *count_out: its items, or CBOR_OPEN. */
#define CBOR_OPEN UINT64_MAX
bool cbor_take_head(struct cbor_cursor *c, enum cbor_major major, u64 *count_out);
/* Whether an item of a list or map is still to come: counts down, or takes the end. */
bool cbor_take_next(struct cbor_cursor *c, u64 *count);

/* The head of an item in its shortest form: how long it is; written, returns how long it was. */
enum { CBOR_HEAD_MAX = 9 };
isize cbor_head_bytes(u64 number);
isize cbor_write_head(u8 *out, enum cbor_major major, u64 number);

void cbor_open_map(struct buf *out);  /* Of names and values, up to cbor_close. */
void cbor_open_list(struct buf *out); /* Of values, up to cbor_close. */
void cbor_close(struct buf *out);
void cbor_put_text(struct buf *out, str text);
void cbor_put_bytes(struct buf *out, str bytes);
void cbor_put_i64(struct buf *out, i64 value);
void cbor_put_null(struct buf *out);
void cbor_put_f64(struct buf *out, double value);
void cbor_put_bool(struct buf *out, bool value);
/* Tag 1; of which unit is for the caller's dialect to say. */
void cbor_put_time(struct buf *out, i64 time);

#endif
