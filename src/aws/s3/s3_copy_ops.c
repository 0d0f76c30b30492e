/* aws/s3/s3_copy_ops.c: CopyObject and UploadPartCopy: bytes from another object. */
#include "aws/s3/s3_int.h"
#include "base/cal.h"

enum { SECOND_US = 1000000 };

struct source {
    struct s3_bucket bucket;
    struct s3_object object;
    struct s3_reader *reader; /* Owned. */
    u64 start, bytes;
};

/* --- the source
 * ------------------------------------------------------------------------------------ */

/* "/bucket/key?versionId=null", percent-encoded, the slash in front optional. */
static bool source_name(struct s3_call *call, str *bucket_out, str *key_out)
{
    str text = s3__header(call, "x-amz-copy-source"), version;
    isize mark = str_find(text, STR("?versionId="), 0);
    version = mark < 0 ? STR_EMPTY : str_slice(text, mark + 11, text.len);
    text = mark < 0 ? text : str_slice(text, 0, mark);
    if (version.len > 0 && !str_eq(version, STR("null"))) {
        return s3__fail(call, S3_InvalidArgument, "Invalid version id specified");
    }
    str name;
    if (http_decode(call->arena, text, false, &name) != OK) {
        return s3__fail(call, S3_InvalidArgument, "Invalid copy source encoding");
    }
    name = str_starts(name, STR("/")) ? str_slice(name, 1, name.len) : name;
    *bucket_out = str_split(&name, '/', NULL);
    *key_out = name;
    if (bucket_out->len == 0 || key_out->len == 0) {
        return s3__fail(
            call, S3_InvalidArgument,
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
    }
    return true;
}

/* 1 = holds, 0 = does not, -1 = not asked. */
static int etag_holds(struct s3_call *call, const char *name, str etag)
{
    str wanted = s3__header(call, name);
    if (wanted.len == 0) {
        return -1;
    }
    return str_eq(str_trim(wanted), STR("*")) || str_eq(s3__unquote(wanted), etag);
}

static int newer_than(struct s3_call *call, const char *name, i64 modified_us)
{
    i64 us;
    if (cal_parse_http(s3__header(call, name), &us) != OK) {
        return -1;
    }
    return modified_us / SECOND_US > us / SECOND_US;
}

static bool source_conditions(struct s3_call *call, const struct s3_object *object)
{
    int match = etag_holds(call, "x-amz-copy-source-if-match", object->etag);
    int none = etag_holds(call, "x-amz-copy-source-if-none-match", object->etag);
    int unmodified = newer_than(call, "x-amz-copy-source-if-unmodified-since", object->modified_us);
    int modified = newer_than(call, "x-amz-copy-source-if-modified-since", object->modified_us);
    bool is_refused =
        match == 0 || none == 1 || (match < 0 && unmodified == 1) || (none < 0 && modified == 0);
    return !is_refused || s3__fail(call, S3_PreconditionFailed, NULL);
}

/* "bytes=0-9", both ends, within the object. */
static bool source_range(struct s3_call *call, struct source *source)
{
    str text = s3__header(call, "x-amz-copy-source-range"), unit = STR("bytes=");
    source->bytes = source->object.bytes;
    if (text.len == 0) {
        return true;
    }
    u64 first, last;
    str rest = str_slice(text, unit.len, text.len);
    str from = str_split(&rest, '-', NULL);
    if (!str_starts(text, unit) || str_to_u64(from, &first) != OK ||
        str_to_u64(rest, &last) != OK || last < first) {
        return s3__fail(call, S3_InvalidArgument,
                        "The x-amz-copy-source-range value must be of the form bytes=first-last "
                        "where first and last are the zero-based offsets of the first and last "
                        "bytes to copy");
    }
    if (last >= source->object.bytes) {
        return s3__fail(call, S3_InvalidArgument,
                        "Range specified is not valid for source object of size: %llu",
                        (unsigned long long)source->object.bytes);
    }
    source->start = first;
    source->bytes = last - first + 1;
    return true;
}

static bool source_find(struct s3_call *call, struct source *source, str *key_out)
{
    str bucket = STR_EMPTY, key = STR_EMPTY;
    if (!source_name(call, &bucket, &key)) {
        return false;
    }
    str account = call->request->caller.account;
    err e = s3_bucket_find(call->store, account, bucket, call->arena, &source->bucket);
    if (e == ERR_NOT_FOUND) {
        return s3__fail(call, S3_NoSuchBucket, NULL);
    }
    str owner = s3__header(call, "x-amz-source-expected-bucket-owner");
    if (e == OK && owner.len > 0 && !str_eq(owner, account)) {
        return s3__fail(call, S3_AccessDenied, NULL);
    }
    *key_out = key;
    return e == OK || s3__fail_err(call, e);
}

/* Found, its conditions met, and open: it may be replaced from now on. */
static bool source_open(struct s3_call *call, struct source *source)
{
    enum { TRIES = 8 };
    str key = STR_EMPTY;
    *source = (struct source){0};
    if (!source_find(call, source, &key)) {
        return false;
    }
    err e = OK;
    for (int i = 0; i < TRIES; i++) {
        e = s3_object_find(call->store, source->bucket.id, key, call->arena, &source->object);
        if (e != OK) {
            break;
        }
        if (!source_conditions(call, &source->object) || !source_range(call, source)) {
            return false;
        }
        e = s3_reader_open(call->store, &source->object, &source->reader);
        if (e != ERR_NOT_FOUND) {
            break; /* Else it was replaced meanwhile: look again. */
        }
    }
    if (e == ERR_NOT_FOUND) {
        return s3__fail(call, S3_NoSuchKey, NULL);
    }
    if (e == OK && source->bytes > S3_OBJECT_BYTES_MAX) {
        s3_reader_free(source->reader);
        source->reader = NULL;
        return s3__fail(call, S3_InvalidRequest,
                        "The specified copy source is larger than the maximum allowable size for a "
                        "copy source: %llu",
                        (unsigned long long)S3_OBJECT_BYTES_MAX);
    }
    return e == OK || s3__fail_err(call, e);
}

/* --- the bytes
 * ------------------------------------------------------------------------------------- */

static err bytes_copy(const struct source *source, struct s3_writer *writer, struct s3_digest *md5,
                      struct s3_digest *checksum)
{
    u64 done = 0;
    while (done < source->bytes) {
        str view;
        TRY(s3_reader_view(source->reader, source->start + done, &view));
        isize take = (isize)MIN((u64)view.len, source->bytes - done);
        if (take == 0) {
            return ERR_CORRUPT;
        }
        s3_digest_update(md5, view.data, take);
        s3_digest_update(checksum, view.data, take);
        TRY(s3_writer_append(writer, view.data, take));
        done += (u64)take;
    }
    return s3_writer_finish(writer);
}

/* Copies into a new writer (to be freed), with its MD5 and checksum. */
static bool copy(struct s3_call *call, const struct source *source, enum s3_algorithm algorithm,
                 struct s3_writer **writer_out, struct s3_received *out)
{
    enum { MD5_BYTES = 16 };
    struct s3_digest md5, checksum;
    s3_digest_begin(&md5, S3_MD5);
    s3_digest_begin(&checksum, algorithm);
    err e = s3_writer_open(call->store, writer_out);
    if (e == OK) {
        e = bytes_copy(source, *writer_out, &md5, &checksum);
    }
    u8 md5_value[S3_DIGEST_BYTES_MAX], value[S3_DIGEST_BYTES_MAX];
    s3_digest_end(&md5, md5_value);
    s3_digest_end(&checksum, value);
    *out = (struct s3_received){
        .bytes = source->bytes,
        .md5 = s3__hex(call->arena, md5_value, MD5_BYTES),
        .algorithm = algorithm,
        .checksum = s3__base64(call->arena, value, s3_digest_bytes(algorithm)),
    };
    return e == OK || s3__fail_err(call, e);
}

static void result_answer(struct s3_call *call, const char *root,
                          const struct s3_received *received, i64 modified_us, const char *type)
{
    struct buf out = {0};
    s3_xml_begin(&out, root);
    s3_xml_put_time(&out, "LastModified", modified_us);
    s3_xml_put_etag(&out, received->md5);
    str element = s3_algorithm_element(received->algorithm);
    if (element.len > 0) {
        s3_xml_put(&out, arena_cstr(call->arena, element), received->checksum);
        if (type != NULL) {
            s3_xml_put(&out, "ChecksumType", str_of(type));
        }
    }
    s3_xml_close(&out, root);
    s3__answer(call, 200, &out);
}

/* --- CopyObject
 * ------------------------------------------------------------------------------------ */

/* The source's headers, or the request's with x-amz-metadata-directive: REPLACE. */
static bool copy_attributes(struct s3_call *call, const struct source *source,
                            struct s3_attributes *out)
{
    str directive = s3__header(call, "x-amz-metadata-directive");
    bool is_replace = str_eq(directive, STR("REPLACE"));
    bool is_itself = source->bucket.id == call->bucket.id && str_eq(source->object.key, call->key);
    if (directive.len > 0 && !is_replace && !str_eq(directive, STR("COPY"))) {
        return s3__fail(call, S3_InvalidArgument, "Unknown metadata directive.");
    }
    if (is_itself && !is_replace && s3__header(call, "x-amz-website-redirect-location").len == 0) {
        return s3__fail(call, S3_InvalidRequest,
                        "This copy request is illegal because it is trying to copy an object to "
                        "itself without changing the object's metadata, storage class, website "
                        "redirect location or encryption attributes.");
    }
    out->headers = source->object.attributes.headers;
    return !is_replace || s3__attributes(call, out);
}

static bool copy_object(struct s3_call *call, const struct source *source, i64 *modified_us_out,
                        struct s3_received *received)
{
    struct s3_attributes attributes = {0};
    struct s3_condition condition;
    enum s3_algorithm algorithm;
    struct s3_writer *writer = NULL;
    if (!s3__write_condition(call, &condition) ||
        !s3__algorithm(call, "x-amz-checksum-algorithm", &algorithm) ||
        !copy_attributes(call, source, &attributes)) {
        return false;
    }
    if (algorithm == S3_NONE) {
        algorithm = s3_algorithm_parse(source->object.attributes.checksum_algorithm);
    }
    algorithm = algorithm == S3_NONE ? S3_CRC64NVME : algorithm;
    bool is_good = copy(call, source, algorithm, &writer, received);
    if (is_good) {
        attributes.checksum_algorithm = s3_algorithm_name(algorithm);
        attributes.checksum = received->checksum;
        attributes.checksum_type = STR("FULL_OBJECT");
        err e = s3_object_put(call->store, call->bucket.id, call->key, writer, received->md5,
                              &attributes, &condition, modified_us_out);
        is_good = e == OK || s3__fail_write(call, &condition, e);
    }
    s3_writer_free(writer);
    return is_good;
}

void s3__copy_object(struct s3_call *call)
{
    struct source source;
    struct s3_received received;
    i64 modified_us = 0;
    if (!s3__headers_supported(call) || !s3__bucket(call) || !source_open(call, &source)) {
        return;
    }
    bool is_copied = copy_object(call, &source, &modified_us, &received);
    s3_reader_free(source.reader);
    if (is_copied) {
        result_answer(call, "CopyObjectResult", &received, modified_us, "FULL_OBJECT");
    }
}

/* --- UploadPartCopy
 * -------------------------------------------------------------------------------- */

void s3__upload_part_copy(struct s3_call *call)
{
    struct s3_upload upload = {0};
    struct source source;
    struct s3_received received;
    struct s3_writer *writer = NULL;
    i32 number = 0;
    if (!s3__headers_supported(call) || !s3__bucket(call) ||
        !s3__upload_find(call, &upload, &number) || !source_open(call, &source)) {
        return;
    }
    enum s3_algorithm algorithm = s3_algorithm_parse(upload.attributes.checksum_algorithm);
    bool is_good = copy(call, &source, algorithm, &writer, &received);
    s3_reader_free(source.reader);
    if (is_good) {
        is_good = s3__part_put(call, &upload, number, writer, received.md5, received.checksum);
    }
    s3_writer_free(writer);
    if (is_good) {
        if (upload.attributes.checksum_type.len == 0) {
            received.algorithm = S3_NONE;
        }
        result_answer(call, "CopyPartResult", &received, os_wall_us(call->service->os), NULL);
    }
}
