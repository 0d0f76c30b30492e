/*
 * codec/kpl.h: aggregated records of the Kinesis Producer Library:
 * F3 89 9A C2, a protobuf AggregatedRecord, the MD5 of that. Several user records ride in one
 * record of a stream. Any thread.
 */
#ifndef CODEC_KPL_H
#define CODEC_KPL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"

enum {
    KPL_RECORDS_MAX = 524288, /* One of two bytes each, in a record of 1 MiB. */
    KPL_NESTING_MAX = 16,     /* Of protobuf groups that are skipped. */
    KPL_KEY_BYTES_MAX = 256 * 4,
};

struct kpl_record {
    str partition_key;
    str explicit_hash_key; /* Decimal digits; empty: none. */
    str data;
};

enum kpl_result {
    KPL_PLAIN,     /* No aggregate: the record is one user record as it stands. */
    KPL_AGGREGATE, /* `records` hold the user records, in order; their place is the subsequence. */
    KPL_DAMAGED, /* Looks like one, but the digest or the contents are wrong: to be passed on as it
                  * stands, and counted. */
};

/* What the bytes begin with; says nothing about the rest. */
bool kpl_is_candidate(str data);
/* Strings borrow from `data`; the array lives in the arena. *reason_out (static, may be NULL) says
 * why it is damaged. */
enum kpl_result kpl_decode(str data, struct arena *arena, struct kpl_record **records_out,
                           isize *count_out, const char **reason_out);
/* The place of a user record in the hash-key space: its explicit hash key, else the MD5 of its
 * partition key, big-endian. A consumer drops a user record that lies outside its shard's range.
 * ERR_RANGE: the explicit key is no number below 2^128. */
MUST_USE err kpl_hash_key(const struct kpl_record *record, u128 *out);

/* --- writing */

struct kpl_writer;
/* `bytes_max` of the encoded whole, at most 1 MiB. */
struct kpl_writer *kpl_writer_new(isize bytes_max);
void kpl_writer_free(struct kpl_writer *writer);
/* Copies. ERR_FULL: it does not fit any more; encode and begin anew (one that does not fit an empty
 * writer goes out plain). ERR_INVALID: the partition key is empty or over 256 characters. */
MUST_USE err kpl_writer_add(struct kpl_writer *writer, const struct kpl_record *record);
isize kpl_writer_count(const struct kpl_writer *writer);
/* Appends the aggregate and empties the writer. The outer partition key is "a", as the producer
 * library writes it; with a single record it writes no aggregate: send that one plain. */
void kpl_writer_take(struct kpl_writer *writer, struct buf *out);

#endif
