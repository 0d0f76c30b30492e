/*
 * aws/s3/s3_int.h: shared by the files of the service.
 *
 * A call runs on one worker from its start to its answer. Helpers that return false
 * have answered with an error: the operation returns at once.
 */
#ifndef AWS_S3_INT_H
#define AWS_S3_INT_H

#include "aws/s3/s3.h"
#include "aws/s3/s3_chunked.h"
#include "aws/s3/s3_digest.h"
#include "aws/s3/s3_store.h"
#include "aws/s3/s3_xml.h"
#include "os/thread.h"

enum {
    S3_FIELDS_MAX = 120,
    S3_METADATA_BYTES_MAX = 2048,
    S3_LIST_MAX = 1000,
    S3_IO_BYTES = 256 << 10, /* Read or written at a time. */
};
#define S3_OBJECT_BYTES_MAX ((u64)5 << 30)  /* By one PutObject, UploadPart or CopyObject. */
#define S3_PART_BYTES_MIN   ((u64)5 << 20)  /* But for the last. */
#define S3_UPLOAD_BYTES_MAX ((u64)50 << 40) /* A completed upload. */

enum s3_error {
    S3_OK,
#define S3_ERROR(code, status, message) S3_##code,
#include "aws/s3/s3_errors.def"
#undef S3_ERROR
};

struct s3_service {
    struct os *os;
    char dir[1024];
    struct os_mutex lock;   /* Guards opening. */
    struct s3_store *store; /* NULL until the first request. */
};

struct s3_call {
    struct aws_request *request;
    struct http_exchange *x;
    struct arena *arena;
    struct s3_service *service;
    struct s3_store *store;
    str query;
    str bucket_name; /* Empty: the service itself. */
    str key;         /* Decoded; empty: the bucket. */
    struct s3_bucket bucket;
    struct http_field fields[S3_FIELDS_MAX]; /* Of the answer. */
    isize field_count;
    bool is_answered;
};

/* --- s3_wire.c: answers ---------------------------------------------------------------------- */

void s3__field(struct s3_call *call, const char *name, str value);
/* `"etag"` */
void s3__field_etag(struct s3_call *call, str etag);
/* Takes the buffer. An XML answer when it is not empty. */
void s3__answer(struct s3_call *call, int status, struct buf *body);
void s3__answer_empty(struct s3_call *call, int status);
/* Starts a streamed answer; the caller writes and ends it. */
void s3__answer_start(struct s3_call *call, int status, u64 bytes);
/* Answers with the error; `format` NULL = the table's message. Always false. */
bool s3__fail(struct s3_call *call, enum s3_error error, const char *format, ...) PRINTF(3, 4);
/* An error of the store that the operation has no name for. */
bool s3__fail_err(struct s3_call *call, err e);

/* --- s3_request.c: reading a request -----------------------------------------------------------
 */

/* Bucket and key from Host and path. */
bool s3__target(struct s3_call *call);
/* Is the parameter there? Value decoded; *value_out may be NULL. */
bool s3__has_param(const struct s3_call *call, const char *name, str *value_out);
/* STR_EMPTY when absent. */
str s3__param(const struct s3_call *call, const char *name);
/* A whole number between low and high; `otherwise` when absent. */
bool s3__param_number(struct s3_call *call, const char *name, i64 low, i64 high, i64 otherwise,
                      i64 *out);
str s3__header(const struct s3_call *call, const char *name);
/* Loads call->bucket, and checks x-amz-expected-bucket-owner. */
bool s3__bucket(struct s3_call *call);
/* Refuses what the header asks for and we do not do. */
bool s3__headers_supported(struct s3_call *call);
/* Content-Type and the like, x-amz-meta-*: for struct s3_attributes. */
bool s3__attributes(struct s3_call *call, struct s3_attributes *out);
bool s3__is_bucket_name(str name);
/* "abc" of `"abc"`. */
str s3__unquote(str etag);
/* Percent-encoding as encoding-type=url wants it; as it is when !is_url. */
str s3__encode(struct s3_call *call, str text, bool is_url);
/* The algorithm that x-amz-checksum-algorithm or -sdk-checksum-algorithm names. */
bool s3__algorithm(struct s3_call *call, const char *header, enum s3_algorithm *out);

/* --- s3_body.c: the body of a request ------------------------------------------------------------
 */

struct s3_received {
    u64 bytes;
    str md5;                     /* 32 hex digits. */
    enum s3_algorithm algorithm; /* Of the checksum below. */
    str checksum;                /* Base64. */
    str own;                     /* The one the operation asked for, base64. */
};

/* Streams the body into `writer` (not finished) and checks every length, hash, checksum and
 * signature that the request states. `algorithm`: computed when the request states none, or, with
 * is_always, besides. */
bool s3__body_store(struct s3_call *call, struct s3_writer *writer, enum s3_algorithm algorithm,
                    bool is_always, struct s3_received *out);
/* A whole small body, checked the same way; NULL when it is empty. is_object_checksum:
 * x-amz-checksum- headers speak of the object, not of this body. */
bool s3__body_xml(struct s3_call *call, bool is_object_checksum, struct s3_xml **root_out);
str s3__hex(struct arena *arena, const u8 *bytes, isize count);
str s3__base64(struct arena *arena, const u8 *bytes, isize count);
/* x-amz-checksum-crc32: and its type, on the answer. */
void s3__field_checksum(struct s3_call *call, enum s3_algorithm algorithm, str checksum, str type);

/* --- s3_put_ops.c: writes -------------------------------------------------------------------- */

bool s3__write_condition(struct s3_call *call, struct s3_condition *out);
/* What a failed write under that condition is called. */
bool s3__fail_write(struct s3_call *call, const struct s3_condition *condition, err e);

/* --- s3_multipart_ops.c: parts --------------------------------------------------------------- */

/* The upload that uploadId names, and partNumber unless number_out is NULL. */
bool s3__upload_find(struct s3_call *call, struct s3_upload *upload_out, i32 *number_out);
/* Puts the finished writer's bytes as that part. */
bool s3__part_put(struct s3_call *call, const struct s3_upload *upload, i32 number,
                  struct s3_writer *writer, str etag, str checksum);

/* --- operations ------------------------------------------------------------------------------- */

void s3__list_buckets(struct s3_call *call);
void s3__create_bucket(struct s3_call *call);
void s3__head_bucket(struct s3_call *call);
void s3__delete_bucket(struct s3_call *call);
void s3__get_bucket_location(struct s3_call *call);
void s3__list_objects(struct s3_call *call);
void s3__list_objects_v2(struct s3_call *call);
void s3__delete_objects(struct s3_call *call);
void s3__put_object(struct s3_call *call);
void s3__copy_object(struct s3_call *call);
void s3__get_object(struct s3_call *call);
void s3__head_object(struct s3_call *call);
void s3__delete_object(struct s3_call *call);
void s3__create_upload(struct s3_call *call);
void s3__upload_part(struct s3_call *call);
void s3__upload_part_copy(struct s3_call *call);
void s3__complete_upload(struct s3_call *call);
void s3__abort_upload(struct s3_call *call);
void s3__list_parts(struct s3_call *call);
void s3__list_uploads(struct s3_call *call);

#endif
