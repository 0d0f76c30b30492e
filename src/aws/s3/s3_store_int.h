/* aws/s3/s3_store_int.h: shared by the files of the S3 store. */
#ifndef AWS_S3_STORE_INT_H
#define AWS_S3_STORE_INT_H

#include "aws/common/store.h"
#include "aws/s3/s3_flush.h"
#include "aws/s3/s3_store.h"
#include "base/buf.h"
#include "base/plant.h"
#include "os/thread.h"

enum { S3_FILE_ID_BYTES = 16, S3_FILE_ENTRY_BYTES = S3_FILE_ID_BYTES + 8, S3_PATH_MAX = 1024 };

struct s3_store {
    struct os *os;
    struct store *db;
    char dir[S3_PATH_MAX - 64];
};

struct s3_writer {
    struct s3_store *store;
    struct os_file *file;
    char path[S3_PATH_MAX];
    struct s3_flush *flush; /* Once the file is long. */
    u8 id[S3_FILE_ID_BYTES];
    u64 bytes;
    u32 block_crc; /* Of the block being filled. */
    struct buf crcs;
    bool is_taken; /* A row names it: it stays. */
};

/* "DIR/objects/ab/abcdef..." into out[S3_PATH_MAX]. */
void s3__path(const struct s3_store *store, const u8 *id, char *out);
/* The id that the name of such a file says; false when it is none. */
bool s3__file_id(const char *name, u8 *id);
/* An entry of a `files` blob: id and size. */
void s3__entry_append(struct buf *files, const u8 *id, u64 bytes);
isize s3__entry_count(str files);
void s3__entry_at(str files, isize index, const u8 **id_out, u64 *bytes_out);
/* Removes files that no row names any more. After the commit. */
void s3__files_unlink(struct s3_store *store, str files);
/* Removes what a crash left under objects/. At open. */
MUST_USE err s3__sweep(struct s3_store *store);

/* With the database locked and inside a transaction: registers or forgets each file. */
MUST_USE err s3__files_register(struct s3_store *store, str files);
MUST_USE err s3__files_forget(struct s3_store *store, str files);
/* Replaces the object's row; *old_out (arena): files that are no longer used. */
MUST_USE err s3__object_replace(struct s3_store *store, i64 bucket, const struct s3_object *object,
                                const struct s3_condition *condition, struct arena *arena,
                                str *old_out);
/* Runs fn in a transaction with the lock held; commits on OK. */
typedef err (*s3_transaction_fn)(struct s3_store *store, void *ctx);
MUST_USE err s3__transaction(struct s3_store *store, s3_transaction_fn fn, void *ctx);

#endif
