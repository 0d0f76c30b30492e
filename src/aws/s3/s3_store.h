/*
 * aws/s3/s3_store.h: buckets, objects and multipart uploads on disk, without the
 * wire. Format: docs/formats/s3.md.
 *
 * Bytes lie in files of random names under objects/; a row in SQLite says which
 * files make an object. A file is written and synced first, then the row commits:
 * the row decides. Files that no row names are what a crash left behind; they are
 * removed when the store is opened. Keys are opaque bytes and never part of a
 * path.
 *
 * Every 64 KiB of a file has a CRC-32C, checked before those bytes are handed
 * out. Any thread; calls block on the disk.
 */
#ifndef AWS_S3_STORE_H
#define AWS_S3_STORE_H

#include "base/arena.h"
#include "base/diag.h"
#include "os/os.h"

enum {
    S3_KEY_BYTES_MAX = 1024,
    S3_PARTS_MAX = 10000,
    S3_BLOCK_BYTES = 64 * 1024,
    S3_ETAG_BYTES = 48, /* 32 hex digits, and "-10000" for multipart, with room. */
};

struct s3_store;
MUST_USE err s3_store_open(struct os *os, const char *dir, struct s3_store **out,
                           struct diag *diag);
void s3_store_close(struct s3_store *store);
/* Deletes every bucket and object. */
MUST_USE err s3_store_reset(struct s3_store *store);
/* As struct aws_service, `stage`, says. */
MUST_USE err s3_store_stage(struct s3_store *store, const char *dir);

/* --- buckets -----------------------------------------------------------------------------------
 */

struct s3_bucket {
    i64 id;
    str name, region;
    i64 created_us;
};
/* ERR_EXISTS when the account has it already (*out is then that one). */
MUST_USE err s3_bucket_create(struct s3_store *store, str account, str region, str name,
                              struct arena *arena, struct s3_bucket *out);
MUST_USE err s3_bucket_find(struct s3_store *store, str account, str name, struct arena *arena,
                            struct s3_bucket *out);
/* ERR_IN_USE when it is not empty (objects or unfinished uploads do not count apart). */
MUST_USE err s3_bucket_delete(struct s3_store *store, i64 bucket);
MUST_USE err s3_bucket_list(struct s3_store *store, str account, struct arena *arena,
                            struct s3_bucket **out, isize *count_out);
struct s3_usage {
    struct s3_bucket bucket;
    str account;
    u64 objects, bytes;
};
MUST_USE err s3_usage_list(struct s3_store *store, struct arena *arena, struct s3_usage **out,
                           isize *count_out);

/* --- writing bytes ------------------------------------------------------------------------------
 */

/* One file being written. Owned by one thread. */
struct s3_writer;
MUST_USE err s3_writer_open(struct s3_store *store, struct s3_writer **out);
/* ERR_FULL leaves nothing behind once the writer is freed. */
MUST_USE err s3_writer_append(struct s3_writer *writer, const void *data, isize bytes);
/* Writes the checksums and makes file and name durable. */
MUST_USE err s3_writer_finish(struct s3_writer *writer);
u64 s3_writer_bytes(const struct s3_writer *writer);
/* Removes the file unless an object or part has taken it. NULL is allowed. */
void s3_writer_free(struct s3_writer *writer);

/* --- objects ------------------------------------------------------------------------------------
 */

struct s3_attributes {
    str headers;            /* "name\0value\0"...: content-type, x-amz-meta-*, lower case names. */
    str checksum_algorithm; /* "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256" or empty. */
    str checksum;           /* Base64, "-N" behind it for composite ones; empty = none. */
    str checksum_type;      /* "FULL_OBJECT" or "COMPOSITE". */
};

struct s3_object {
    str key;
    u64 bytes;
    str etag; /* Without quotes. */
    i64 modified_us;
    struct s3_attributes attributes;
    str files;      /* For s3_reader_open. */
    i32 part_count; /* 0 unless multipart. */
};

/* Conditions that are checked in the same transaction as the write. */
struct s3_condition {
    bool if_none_match_any; /* If-None-Match: * -> ERR_EXISTS when the key exists. */
    str if_match;           /* ERR_INVALID when the etag differs, ERR_NOT_FOUND when absent. */
};

/* Puts the finished writer's bytes under the key, atomically and durably; replaces what was there.
 * Takes the writer's file (the writer is still to be freed). *modified_us_out may be NULL. */
MUST_USE err s3_object_put(struct s3_store *store, i64 bucket, str key, struct s3_writer *writer,
                           str etag, const struct s3_attributes *attributes,
                           const struct s3_condition *condition, i64 *modified_us_out);
MUST_USE err s3_object_find(struct s3_store *store, i64 bucket, str key, struct arena *arena,
                            struct s3_object *out);
/* All of them in one transaction; OK whether or not a key existed, but for an if_match (which holds
 * for each). `condition` may be NULL. */
MUST_USE err s3_objects_delete(struct s3_store *store, i64 bucket, const str *keys, isize count,
                               const struct s3_condition *condition);
/* Where part `number` (from 1) of a multipart object stands in it; of another, 1 is the whole.
 * ERR_RANGE: there is no such part. */
MUST_USE err s3_object_part(const struct s3_object *object, i64 number, u64 *start_out,
                            u64 *bytes_out);

struct s3_listing {
    str prefix, delimiter;
    str after; /* Keys (and common prefixes) greater than this. */
    i32 max_keys;
};
struct s3_list_item {
    bool is_prefix;
    struct s3_object object; /* Only `key` for a common prefix. */
};
/* In ascending byte order. *is_truncated_out: there is more after the last item. */
MUST_USE err s3_object_list(struct s3_store *store, i64 bucket, const struct s3_listing *listing,
                            struct arena *arena, struct s3_list_item **out, isize *count_out,
                            bool *is_truncated_out);

/* --- reading bytes -------------------------------------------------------------------------------
 */

/* Holds the object's files open: deleting or replacing the object does not disturb it. */
struct s3_reader;
/* ERR_NOT_FOUND: the object was replaced between find and open; find again. */
MUST_USE err s3_reader_open(struct s3_store *store, const struct s3_object *object,
                            struct s3_reader **out);
/* Up to `bytes` at `offset` of the object; fewer only at its end or at a file's. ERR_CORRUPT when a
 * block's checksum does not match: nothing of it is given. */
MUST_USE err s3_reader_read(struct s3_reader *reader, u64 offset, void *data, isize bytes,
                            isize *got_out);
/* As s3_reader_read, without a copy: what *view_out borrows is there until the next read. */
MUST_USE err s3_reader_view(struct s3_reader *reader, u64 offset, str *view_out);
void s3_reader_free(struct s3_reader *reader);

/* --- multipart -----------------------------------------------------------------------------------
 */

struct s3_upload {
    str id;
    str key;
    i64 bucket;
    i64 created_us;
    struct s3_attributes attributes;
};
struct s3_part {
    i32 number;
    u64 bytes;
    str etag;
    str checksum;
    i64 modified_us;
};
/* *id_out lives in the arena. */
MUST_USE err s3_upload_create(struct s3_store *store, i64 bucket, str key,
                              const struct s3_attributes *attributes, struct arena *arena,
                              str *id_out);
/* ERR_NOT_FOUND: no such upload for this bucket and key. */
MUST_USE err s3_upload_find(struct s3_store *store, i64 bucket, str key, str id,
                            struct arena *arena, struct s3_upload *out);
MUST_USE err s3_upload_put_part(struct s3_store *store, str id, i32 number,
                                struct s3_writer *writer, str etag, str checksum);
/* Parts with number > after, ascending, at most `max`. */
MUST_USE err s3_upload_parts(struct s3_store *store, str id, i32 after, i32 max,
                             struct arena *arena, struct s3_part **out, isize *count_out);
/* Makes the object of the parts named, in that order, without copying a byte; the upload and its
 * other parts go. Of a part, number and etag count: ERR_AGAIN when it was replaced or went. */
MUST_USE err s3_upload_complete(struct s3_store *store, const struct s3_upload *upload,
                                const struct s3_part *parts, isize count, str etag,
                                const struct s3_attributes *attributes,
                                const struct s3_condition *condition);
MUST_USE err s3_upload_abort(struct s3_store *store, str id);
/* Uploads of a bucket by (key, id) greater than the markers. */
MUST_USE err s3_upload_list(struct s3_store *store, i64 bucket, str prefix, str key_marker,
                            str id_marker, i32 max, struct arena *arena, struct s3_upload **out,
                            isize *count_out);

#endif
