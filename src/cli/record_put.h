/*
 * cli/record_put.h: records into a stream, by PutRecords. Up to 500 go in one request, one request
 * at a time; those that were throttled are sent again before any that come later, so that the
 * records of a shard keep their order. What the server refuses is named, by its line, and the rest
 * goes on; a server that goes away after the first success is waited for. One thread.
 */
#ifndef CLI_RECORD_PUT_H
#define CLI_RECORD_PUT_H

#include "base/str.h"

enum { RECORD_PUT_BYTES_MAX = 10 << 20 }; /* What a stream may allow at most. */

struct record_put_options {
    const char *stream, *region;
    const char *noun;   /* What records are counted as: "line". */
    const char *resume; /* An option that takes the number of a line to go on with, or NULL. */
    bool is_json;       /* Shard and sequence number of each on standard output. */
};

struct record_put_record {
    i64 line;          /* Of the input, from 1. */
    str key, hash_key; /* A key that is empty becomes a random one; no hash key: empty. */
    str data;
};

struct record_put;
struct record_put *record_put_new(const struct record_put_options *options);
void record_put_free(struct record_put *put);
/* 1 to 256 characters of UTF-8. */
bool record_put_key_is_good(str key);
/* Copies; sends when enough is there. */
void record_put_add(struct record_put *put, const struct record_put_record *record);
/* Sends what is there. */
void record_put_flush(struct record_put *put);
/* Names a record that cannot be put. */
void record_put_refuse(struct record_put *put, i64 line, const char *format, ...) PRINTF(3, 4);
/* Something that ends it: already printed. */
void record_put_stop(struct record_put *put, int code);
/* False: it has ended (an error, Ctrl-C), nothing more is put. */
bool record_put_goes_on(const struct record_put *put);
/* For the terminal: share of the input that is read, negative when it cannot be told. */
void record_put_share(struct record_put *put, double share);
/* Sends the rest and sums up; `last_line` is the last one that was read. Returns the exit code. */
int record_put_end(struct record_put *put, i64 last_line);

#endif
