/* connect/filesystem/fs_int.h: shared by the files of this connector. */
#ifndef CONNECT_FILESYSTEM_FS_INT_H
#define CONNECT_FILESYSTEM_FS_INT_H

#include "codec/compress.h"
#include "connect/common/aws_call.h"
#include "connect/filesystem/filesystem.h"
#include "connect/source.h"

enum {
    FS_LANES = 4,
    FS_PART_BYTES = 8 << 20,     /* Of a multipart upload. */
    FS_BUFFERED_MAX = 48 << 20,  /* Of all open objects, while parts can be sent. */
    FS_PART_BYTES_MIN = 5 << 20, /* S3 refuses smaller parts but for the last. */
    FS_PARTS_MAX = 10000,
    FS_NAME_BYTES = 1024, /* S3's limit of a key. */
};

extern const struct connect_source_ops fs_source_ops;

/* Where objects go; one thread at a time. */
struct fs_place {
    struct os *os;
    struct aws_call *call;            /* NULL: local files. */
    struct aws_call *lanes[FS_LANES]; /* Of objects that are finished side by side. */
    str bucket;                       /* Or empty. */
    str prefix;                       /* With its closing slash, unless empty. */
    str text;                         /* As the user wrote it. */
};

/* One object on its way. */
struct fs_object {
    struct fs_object *next;
    struct fs_place *place;
    int lane; /* One thread at a time for all objects of a lane. */
    struct arena arena;
    str group, key; /* Partition or shard; and the whole key or path. */
    struct compressor *compressor;
    struct buf pending;
    str upload_id;
    str *etags;
    isize part_count;
    struct os_file *file;
    u64 file_bytes;
};

MUST_USE err fs_place_check(const struct connect_table *table, struct diag *diag);
MUST_USE err fs_place_open(struct fs_place *place, const struct connect_table *table,
                           const struct connect_schema *schema, const struct connect_env *env,
                           struct diag *diag);

void fs_place_close(struct fs_place *place);

/* fs_uploads.c: aborts the multipart uploads below the place whose objects' names begin with
 * `name`. OK: there are none now, or the store refuses to say; RETRY: it cannot be asked. */
enum connect_verdict fs_uploads_abort(struct fs_place *place, str name, struct diag *diag);
/* fs_source.c: as S3 encodes keys in lists. */
str fs_url_decode(struct arena *arena, str text);

struct fs_object *fs_object_new(struct fs_place *place, int lane, str group, str key,
                                enum compress_kind compression);
/* Abandons what is not finished. */
void fs_object_free(struct fs_object *object);
MUST_USE err fs_object_add(struct fs_object *object, str bytes);
/* Sends what is pending as a part. */
enum connect_verdict fs_object_flush(struct fs_object *object, struct diag *diag);
/* The object is complete and durable when it returns OK. */
enum connect_verdict fs_object_finish(struct fs_object *object, struct diag *diag);

#endif
