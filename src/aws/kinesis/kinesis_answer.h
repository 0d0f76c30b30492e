/*
 * aws/kinesis/kinesis_answer.h: how operations write: one set of calls that gives
 * JSON 1.1 or CBOR 1.1, whichever the request came in. An operation writes the
 * members of call->out and ends with kinesis__respond:
 *
 *     struct answer *out = &call->out;
 *     answer_open(out, NULL);
 *     answer_put_text(out, "StreamName", info.id.name);
 *     answer_open_list(out, "Shards");
 *     answer_open(out, NULL);
 *     answer_put_i64(out, "OpenShardCount", 3);
 *     answer_close(out);
 *     answer_close_list(out);
 *     answer_close(out);
 *     kinesis__respond(call);
 *
 * `name` is that of the member, a literal that needs no escapes; NULL for an item of
 * a list and for the root. Events of a fan-out have a struct answer of their own, its
 * is_cbor taken from call->out. Owned by one thread at a time; freed by answer_deinit
 * (kinesis__respond and kinesis__fail do that for call->out).
 */
#ifndef AWS_KINESIS_KINESIS_ANSWER_H
#define AWS_KINESIS_KINESIS_ANSWER_H

#include "base/buf.h"

/* All zero: an empty answer in JSON. */
struct answer {
    struct buf buf;
    bool is_cbor;
    bool needs_comma; /* Of JSON: something stands before the next member. */
};

void answer_deinit(struct answer *out);

/* A text within quotes, as JSON escapes it: how long it gets, at most ANSWER_ESCAPE_MAX times as
 * long; written, returns its end. */
enum { ANSWER_ESCAPE_MAX = 6 };
isize answer_escaped_bytes(str text);
u8 *answer_escape(u8 *out, str text);

void answer_open(struct answer *out, const char *name);
void answer_close(struct answer *out);
void answer_open_list(struct answer *out, const char *name);
void answer_close_list(struct answer *out);
/* A value in the form of the answer is to follow in `buf`. */
void answer_put_name(struct answer *out, const char *name);
/* UTF-8. */
void answer_put_text(struct answer *out, const char *name, str text);
/* Text that needs no escapes: digits, names that were checked. */
void answer_put_plain(struct answer *out, const char *name, str text);
void answer_put_i64(struct answer *out, const char *name, i64 value);
void answer_put_bool(struct answer *out, const char *name, bool value);
void answer_put_null(struct answer *out, const char *name);
/* Milliseconds since 1970: JSON has seconds with a fraction, CBOR tag 1 and whole milliseconds. */
void answer_put_time(struct answer *out, const char *name, i64 ms);
/* JSON has base64, CBOR the bytes. */
void answer_put_blob(struct answer *out, const char *name, str bytes);

#endif
