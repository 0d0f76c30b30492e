/*
 * codec/cbor.h: CBOR (RFC 8949) of API calls: read into the tree of codec/json.h,
 * written item by item. Of tags only 1 (seconds since 1970) is known; byte strings
 * are not. Lengths may be definite or not; at most JSON_DEPTH_MAX levels.
 */
#ifndef CODEC_CBOR_H
#define CODEC_CBOR_H

#include "codec/json.h"

/* Texts borrow from the input, numbers become their text; NaN and infinities become the texts
 * "NaN", "Infinity", "-Infinity". ERR_SYNTAX, ERR_LIMIT (depth), ERR_EXISTS (a name twice),
 * ERR_MEMORY (the arena's budget). */
MUST_USE err cbor_parse(struct arena *arena, str bytes, const struct json_value **out,
                        struct diag *diag);

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
