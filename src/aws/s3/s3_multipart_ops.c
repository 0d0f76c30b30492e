/*
 * aws/s3/s3_multipart_ops.c: CreateMultipartUpload, UploadPart, CompleteMultipartUpload,
 * AbortMultipartUpload, ListParts, ListMultipartUploads.
 *
 * An upload without a stated checksum algorithm gets CRC64NVME of the whole, as AWS
 * gives it; its checksum_type in the store is empty then, and the answers do not speak
 * of it until it is an object.
 */
#include "aws/s3/s3_int.h"
#include "codec/base64.h"

enum { MD5_BYTES = 16 };

static bool is_stated(const struct s3_upload *upload)
{
    return upload->attributes.checksum_type.len > 0;
}

static bool is_composite(const struct s3_upload *upload)
{
    return str_eq(upload->attributes.checksum_type, STR("COMPOSITE"));
}

static enum s3_algorithm algorithm_of(const struct s3_upload *upload)
{
    return s3_algorithm_parse(upload->attributes.checksum_algorithm);
}

/* --- create
 * ---------------------------------------------------------------------------------------- */

static bool checksum_kind(struct s3_call *call, struct s3_attributes *out)
{
    enum s3_algorithm algorithm;
    if (!s3__algorithm(call, "x-amz-checksum-algorithm", &algorithm)) {
        return false;
    }
    str type = s3__header(call, "x-amz-checksum-type");
    bool is_full = str_eq_nocase(type, STR("FULL_OBJECT"));
    if (type.len > 0 && !is_full && !str_eq_nocase(type, STR("COMPOSITE"))) {
        return s3__fail(call, S3_InvalidRequest,
                        "Value for x-amz-checksum-type header is invalid.");
    }
    if (algorithm == S3_NONE) {
        if (type.len > 0) {
            return s3__fail(call, S3_InvalidRequest,
                            "The x-amz-checksum-type header can only be used with the "
                            "x-amz-checksum-algorithm header.");
        }
        out->checksum_algorithm = s3_algorithm_name(S3_CRC64NVME);
        return true;
    }
    bool must_be_full = algorithm == S3_CRC64NVME;
    bool is_refused = (must_be_full && type.len > 0 && !is_full) ||
                      (is_full && !s3_algorithm_is_linear(algorithm));
    if (is_refused) {
        return s3__fail(call, S3_InvalidRequest,
                        "The " STR_FMT " checksum type cannot be used with the " STR_FMT
                        " checksum algorithm.",
                        STR_ARG(type), STR_ARG(s3_algorithm_name(algorithm)));
    }
    out->checksum_algorithm = s3_algorithm_name(algorithm);
    out->checksum_type = is_full || must_be_full ? STR("FULL_OBJECT") : STR("COMPOSITE");
    return true;
}

void s3__create_upload(struct s3_call *call)
{
    struct s3_attributes attributes = {0};
    str id;
    if (!s3__headers_supported(call) || !s3__bucket(call) || !s3__attributes(call, &attributes) ||
        !checksum_kind(call, &attributes)) {
        return;
    }
    err e =
        s3_upload_create(call->store, call->bucket.id, call->key, &attributes, call->arena, &id);
    if (e != OK) {
        (void)(e == ERR_EXISTS ? s3__fail(call, S3_NoSuchBucket, NULL) : s3__fail_err(call, e));
        return;
    }
    if (attributes.checksum_type.len > 0) {
        s3__field(call, "x-amz-checksum-algorithm", attributes.checksum_algorithm);
        s3__field(call, "x-amz-checksum-type", attributes.checksum_type);
    }
    struct buf out = {0};
    s3_xml_begin(&out, "InitiateMultipartUploadResult");
    s3_xml_put(&out, "Bucket", call->bucket_name);
    s3_xml_put(&out, "Key", call->key);
    s3_xml_put(&out, "UploadId", id);
    s3_xml_close(&out, "InitiateMultipartUploadResult");
    s3__answer(call, 200, &out);
}

/* --- parts
 * ----------------------------------------------------------------------------------------- */

bool s3__upload_find(struct s3_call *call, struct s3_upload *upload_out, i32 *number_out)
{
    if (number_out != NULL) {
        i64 number;
        if (str_to_i64(s3__param(call, "partNumber"), &number) != OK || number < 1 ||
            number > S3_PARTS_MAX) {
            return s3__fail(call, S3_InvalidArgument,
                            "Part number must be an integer between 1 and %d, inclusive",
                            S3_PARTS_MAX);
        }
        *number_out = (i32)number;
    }
    err e = s3_upload_find(call->store, call->bucket.id, call->key, s3__param(call, "uploadId"),
                           call->arena, upload_out);
    if (e == ERR_NOT_FOUND) {
        return s3__fail(call, S3_NoSuchUpload, NULL);
    }
    return e == OK || s3__fail_err(call, e);
}

bool s3__part_put(struct s3_call *call, const struct s3_upload *upload, i32 number,
                  struct s3_writer *writer, str etag, str checksum)
{
    err e = s3_upload_put_part(call->store, upload->id, number, writer, etag, checksum);
    if (e == ERR_NOT_FOUND) {
        return s3__fail(call, S3_NoSuchUpload, NULL);
    }
    return e == OK || s3__fail_err(call, e);
}

static bool part_store(struct s3_call *call, const struct s3_upload *upload, i32 number,
                       struct s3_writer *writer, struct s3_received *received)
{
    enum s3_algorithm algorithm = algorithm_of(upload);
    if (!s3__body_store(call, writer, algorithm, true, received)) {
        return false;
    }
    if (is_stated(upload) && received->algorithm != algorithm) {
        return s3__fail(call, S3_InvalidRequest,
                        "Checksum Type mismatch occurred, expected checksum Type: " STR_FMT
                        ", actual checksum Type: " STR_FMT,
                        STR_ARG(s3_algorithm_name(algorithm)),
                        STR_ARG(s3_algorithm_name(received->algorithm)));
    }
    err e = s3_writer_finish(writer);
    if (e != OK) {
        return s3__fail_err(call, e);
    }
    return s3__part_put(call, upload, number, writer, received->md5, received->own);
}

void s3__upload_part(struct s3_call *call)
{
    struct s3_upload upload = {0};
    struct s3_received received;
    struct s3_writer *writer;
    i32 number = 0;
    if (!s3__headers_supported(call) || !s3__bucket(call) ||
        !s3__upload_find(call, &upload, &number)) {
        return;
    }
    err e = s3_writer_open(call->store, &writer);
    if (e != OK) {
        (void)s3__fail_err(call, e);
        return;
    }
    bool is_good = part_store(call, &upload, number, writer, &received);
    s3_writer_free(writer);
    if (is_good) {
        s3__field_etag(call, received.md5);
        bool is_told = is_stated(&upload) || received.algorithm != algorithm_of(&upload);
        s3__field_checksum(call, is_told ? received.algorithm : S3_NONE, received.checksum,
                           STR_EMPTY);
        s3__answer_empty(call, 200);
    }
}

/* --- complete
 * -------------------------------------------------------------------------------------- */

struct completing {
    struct s3_upload upload;
    struct s3_part *parts; /* Chosen, in order. */
    isize count;
    u64 bytes;
    str etag;
    struct s3_attributes attributes;
};

/* The part of that number, among all in ascending order. */
static const struct s3_part *part_find(const struct s3_part *parts, isize count, i64 number)
{
    isize low = 0, high = count;
    while (low < high) {
        isize middle = (low + high) / 2;
        if (parts[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && parts[low].number == number ? &parts[low] : NULL;
}

static bool part_matches(struct s3_call *call, const struct s3_upload *upload,
                         const struct s3_xml *node, const struct s3_part *part)
{
    str etag = s3__unquote(s3_xml_text(node, "ETag"));
    if (part == NULL || !str_eq(etag, part->etag)) {
        return s3__fail(call, S3_InvalidPart, NULL);
    }
    if (!is_stated(upload)) {
        return true; /* What it was uploaded with was checked then. */
    }
    str element = s3_algorithm_element(algorithm_of(upload));
    str checksum = s3_xml_text(node, arena_cstr(call->arena, element));
    if (checksum.len == 0 && is_composite(upload)) {
        return s3__fail(call, S3_InvalidRequest,
                        "The upload was created using a " STR_FMT " checksum. The complete request "
                        "must include the checksum for each part. It was missing for part %d in "
                        "the request.",
                        STR_ARG(upload->attributes.checksum_algorithm), part->number);
    }
    bool is_same = checksum.len == 0 || str_eq(checksum, part->checksum);
    return is_same || s3__fail(call, S3_InvalidPart, NULL);
}

static bool parts_choose(struct s3_call *call, const struct s3_xml *root, struct completing *c)
{
    struct s3_part *all = NULL;
    isize all_count = 0;
    i64 before = 0;
    err e =
        s3_upload_parts(call->store, c->upload.id, 0, S3_PARTS_MAX, call->arena, &all, &all_count);
    if (e != OK) {
        return s3__fail_err(call, e);
    }
    c->parts = ARENA_ARRAY(call->arena, struct s3_part, all_count + 1);
    for (const struct s3_xml *at = root->child; at != NULL; at = at->next) {
        i64 number;
        if (!str_eq(at->name, STR("Part")) ||
            str_to_i64(s3_xml_text(at, "PartNumber"), &number) != OK) {
            return s3__fail(call, S3_MalformedXML, NULL);
        }
        if (number <= before) {
            return s3__fail(call, S3_InvalidPartOrder, NULL);
        }
        const struct s3_part *part = part_find(all, all_count, number);
        if (!part_matches(call, &c->upload, at, part)) {
            return false;
        }
        before = number;
        c->parts[c->count++] = *part;
        c->bytes += part->bytes;
    }
    for (isize i = 0; i < c->count - 1; i++) {
        if (c->parts[i].bytes < S3_PART_BYTES_MIN) {
            return s3__fail(call, S3_EntityTooSmall, NULL);
        }
    }
    return c->count > 0 || s3__fail(call, S3_MalformedXML, NULL);
}

/* MD5 of the parts' MD5s, and how many they are. */
static void etag_make(struct s3_call *call, struct completing *c)
{
    struct s3_digest md5;
    s3_digest_begin(&md5, S3_MD5);
    for (isize i = 0; i < c->count; i++) {
        u8 bytes[MD5_BYTES];
        for (isize k = 0; k < MD5_BYTES; k++) {
            const u8 *digit = c->parts[i].etag.data + 2 * k;
            u8 high = digit[0] <= '9' ? digit[0] - '0' : digit[0] - 'a' + 10;
            u8 low = digit[1] <= '9' ? digit[1] - '0' : digit[1] - 'a' + 10;
            bytes[k] = (u8)(high << 4 | low);
        }
        s3_digest_update(&md5, bytes, MD5_BYTES);
    }
    u8 value[S3_DIGEST_BYTES_MAX];
    s3_digest_end(&md5, value);
    c->etag = arena_printf(call->arena, STR_FMT "-%d",
                           STR_ARG(s3__hex(call->arena, value, MD5_BYTES)), (int)c->count);
}

static bool checksum_make(struct s3_call *call, struct completing *c)
{
    enum s3_algorithm algorithm = algorithm_of(&c->upload);
    isize bytes = s3_digest_bytes(algorithm);
    struct s3_digest composite;
    u64 whole = 0;
    s3_digest_begin(&composite, is_composite(&c->upload) ? algorithm : S3_NONE);
    for (isize i = 0; i < c->count; i++) {
        u8 value[S3_DIGEST_BYTES_MAX];
        isize got = 0;
        str text = c->parts[i].checksum;
        if (base64_decoded_bytes(text) != bytes || base64_decode(text, value, &got) != OK) {
            s3_digest_deinit(&composite);
            return s3__fail_err(call, ERR_CORRUPT);
        }
        s3_digest_update(&composite, value, bytes);
        if (!is_composite(&c->upload)) {
            u64 crc = s3_crc_value(algorithm, value);
            whole = i == 0 ? crc : s3_crc_combine(algorithm, whole, crc, c->parts[i].bytes);
        }
    }
    u8 value[S3_DIGEST_BYTES_MAX];
    s3_digest_end(&composite, value);
    if (is_composite(&c->upload)) {
        c->attributes.checksum =
            arena_printf(call->arena, STR_FMT "-%d", STR_ARG(s3__base64(call->arena, value, bytes)),
                         (int)c->count);
    } else {
        s3_crc_bytes(algorithm, whole, value);
        c->attributes.checksum = s3__base64(call->arena, value, bytes);
    }
    return true;
}

/* What the request says about the whole object. */
static bool whole_check(struct s3_call *call, const struct completing *c)
{
    str size = s3__header(call, "x-amz-mp-object-size"),
        type = s3__header(call, "x-amz-checksum-type");
    u64 bytes;
    if (size.len > 0 && (str_to_u64(size, &bytes) != OK || bytes != c->bytes)) {
        return s3__fail(call, S3_InvalidRequest,
                        "The provided 'x-amz-mp-object-size' header value " STR_FMT
                        " does not match what was computed: %llu",
                        STR_ARG(str_slice(size, 0, 32)), (unsigned long long)c->bytes);
    }
    if (type.len > 0 && is_stated(&c->upload) &&
        !str_eq_nocase(type, c->attributes.checksum_type)) {
        return s3__fail(call, S3_InvalidRequest,
                        "The checksum type does not match that of the upload: " STR_FMT,
                        STR_ARG(c->attributes.checksum_type));
    }
    enum s3_algorithm algorithm = algorithm_of(&c->upload);
    str header = s3_algorithm_header(algorithm);
    str stated = s3__header(call, arena_cstr(call->arena, header));
    if (stated.len > 0 && !str_eq(str_trim(stated), c->attributes.checksum)) {
        return s3__fail(call, S3_BadDigest,
                        "The " STR_FMT " you specified did not match the calculated checksum.",
                        STR_ARG(s3_algorithm_name(algorithm)));
    }
    return c->bytes <= S3_UPLOAD_BYTES_MAX || s3__fail(call, S3_EntityTooLarge, NULL);
}

static void complete_answer(struct s3_call *call, const struct completing *c)
{
    struct buf out = {0};
    s3_xml_begin(&out, "CompleteMultipartUploadResult");
    s3_xml_put(&out, "Location",
               arena_printf(call->arena, "http://" STR_FMT STR_FMT, STR_ARG(http_host(call->x)),
                            STR_ARG(http_path(call->x))));
    s3_xml_put(&out, "Bucket", call->bucket_name);
    s3_xml_put(&out, "Key", call->key);
    s3_xml_put_etag(&out, c->etag);
    str element = s3_algorithm_element(algorithm_of(&c->upload));
    s3_xml_put(&out, arena_cstr(call->arena, element), c->attributes.checksum);
    s3_xml_put(&out, "ChecksumType", c->attributes.checksum_type);
    s3_xml_close(&out, "CompleteMultipartUploadResult");
    s3__answer(call, 200, &out);
}

void s3__complete_upload(struct s3_call *call)
{
    struct completing c = {0};
    struct s3_xml *root;
    struct s3_condition condition;
    if (!s3__bucket(call) || !s3__write_condition(call, &condition) ||
        !s3__body_xml(call, true, &root) || !s3__upload_find(call, &c.upload, NULL)) {
        return;
    }
    bool is_sound = root != NULL && str_eq(root->name, STR("CompleteMultipartUpload"));
    if (!is_sound) {
        (void)s3__fail(call, S3_MalformedXML, NULL);
        return;
    }
    c.attributes = c.upload.attributes;
    if (!is_stated(&c.upload)) {
        c.attributes.checksum_type = STR("FULL_OBJECT");
    }
    if (!parts_choose(call, root, &c) || !checksum_make(call, &c) || !whole_check(call, &c)) {
        return;
    }
    etag_make(call, &c);
    err e = s3_upload_complete(call->store, &c.upload, c.parts, c.count, c.etag, &c.attributes,
                               &condition);
    if (e == OK) {
        complete_answer(call, &c);
    } else if (e == ERR_AGAIN) {
        (void)s3__fail(call, S3_InvalidPart, NULL);
    } else if (e == ERR_NOT_FOUND && condition.if_match.len == 0) {
        (void)s3__fail(call, S3_NoSuchUpload, NULL);
    } else {
        (void)s3__fail_write(call, &condition, e);
    }
}

void s3__abort_upload(struct s3_call *call)
{
    struct s3_upload upload = {0};
    if (!s3__bucket(call) || !s3__upload_find(call, &upload, NULL)) {
        return;
    }
    err e = s3_upload_abort(call->store, upload.id);
    if (e == OK) {
        s3__answer_empty(call, 204);
    } else {
        (void)(e == ERR_NOT_FOUND ? s3__fail(call, S3_NoSuchUpload, NULL) : s3__fail_err(call, e));
    }
}
