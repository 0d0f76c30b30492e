/* aws/s3/s3_uploads_ops.c: ListParts, ListMultipartUploads. */
#include "aws/s3/s3_int.h"

static void person_write(struct s3_call *call, struct buf *out, const char *name)
{
    s3_xml_open(out, name);
    s3_xml_put(out, "ID", call->request->caller.account);
    s3_xml_close(out, name);
}

/* --- ListParts
 * ------------------------------------------------------------------------------------- */

static void parts_write(struct s3_call *call, struct buf *out, const struct s3_upload *upload,
                        const struct s3_part *parts, isize count)
{
    enum s3_algorithm algorithm = s3_algorithm_parse(upload->attributes.checksum_algorithm);
    const char *element = arena_cstr(call->arena, s3_algorithm_element(algorithm));
    for (isize i = 0; i < count; i++) {
        s3_xml_open(out, "Part");
        s3_xml_put_u64(out, "PartNumber", (u64)parts[i].number);
        s3_xml_put_time(out, "LastModified", parts[i].modified_us);
        s3_xml_put_etag(out, parts[i].etag);
        s3_xml_put_u64(out, "Size", parts[i].bytes);
        if (upload->attributes.checksum_type.len > 0) {
            s3_xml_put(out, element, parts[i].checksum);
        }
        s3_xml_close(out, "Part");
    }
}

void s3__list_parts(struct s3_call *call)
{
    struct s3_upload upload = {0};
    struct s3_part *parts;
    isize count;
    i64 max, after;
    if (!s3__bucket(call) ||
        !s3__param_number(call, "max-parts", 0, INT32_MAX, S3_LIST_MAX, &max) ||
        !s3__param_number(call, "part-number-marker", 0, INT32_MAX, 0, &after) ||
        !s3__upload_find(call, &upload, NULL)) {
        return;
    }
    max = MIN(max, S3_LIST_MAX);
    err e = s3_upload_parts(call->store, upload.id, (i32)after, (i32)max + 1, call->arena, &parts,
                            &count);
    if (e != OK) {
        (void)s3__fail_err(call, e);
        return;
    }
    bool is_truncated = max > 0 && count > max;
    count = MIN(count, (isize)max);
    struct buf out = {0};
    s3_xml_begin(&out, "ListPartsResult");
    s3_xml_put(&out, "Bucket", call->bucket_name);
    s3_xml_put(&out, "Key", call->key);
    s3_xml_put(&out, "UploadId", upload.id);
    s3_xml_put_u64(&out, "PartNumberMarker", (u64)after);
    if (count > 0) {
        s3_xml_put_u64(&out, "NextPartNumberMarker", (u64)parts[count - 1].number);
    }
    s3_xml_put_u64(&out, "MaxParts", (u64)max);
    s3_xml_put_bool(&out, "IsTruncated", is_truncated);
    parts_write(call, &out, &upload, parts, count);
    person_write(call, &out, "Initiator");
    person_write(call, &out, "Owner");
    s3_xml_put(&out, "StorageClass", STR("STANDARD"));
    if (upload.attributes.checksum_type.len > 0) {
        s3_xml_put(&out, "ChecksumAlgorithm", upload.attributes.checksum_algorithm);
        s3_xml_put(&out, "ChecksumType", upload.attributes.checksum_type);
    }
    s3_xml_close(&out, "ListPartsResult");
    s3__answer(call, 200, &out);
}

/* --- ListMultipartUploads
 * -------------------------------------------------------------------------- */

struct page {
    str prefix, delimiter, key_marker, id_marker;
    i64 max;
    bool is_url, is_truncated;
    struct buf items, prefixes; /* XML. */
    isize count;
    str last_key, last_id, last_prefix;
};

static bool page_take(struct s3_call *call, struct page *out)
{
    str encoding = s3__param(call, "encoding-type");
    *out = (struct page){
        .prefix = s3__param(call, "prefix"),
        .delimiter = s3__param(call, "delimiter"),
        .key_marker = s3__param(call, "key-marker"),
        .id_marker = s3__param(call, "upload-id-marker"),
        .is_url = str_eq(encoding, STR("url")),
    };
    if (encoding.len > 0 && !out->is_url) {
        return s3__fail(call, S3_InvalidArgument, "Invalid Encoding Method specified in Request");
    }
    if (!s3__param_number(call, "max-uploads", 1, INT32_MAX, S3_LIST_MAX, &out->max)) {
        return false;
    }
    out->max = MIN(out->max, S3_LIST_MAX);
    return true;
}

static void upload_write(struct s3_call *call, struct page *page, const struct s3_upload *upload)
{
    struct buf *out = &page->items;
    s3_xml_open(out, "Upload");
    s3_xml_put(out, "Key", s3__encode(call, upload->key, page->is_url));
    s3_xml_put(out, "UploadId", upload->id);
    person_write(call, out, "Initiator");
    person_write(call, out, "Owner");
    s3_xml_put(out, "StorageClass", STR("STANDARD"));
    s3_xml_put_time(out, "Initiated", upload->created_us);
    if (upload->attributes.checksum_type.len > 0) {
        s3_xml_put(out, "ChecksumAlgorithm", upload->attributes.checksum_algorithm);
        s3_xml_put(out, "ChecksumType", upload->attributes.checksum_type);
    }
    s3_xml_close(out, "Upload");
}

/* False when the page is full. */
static bool page_add(struct s3_call *call, struct page *page, const struct s3_upload *upload)
{
    isize at =
        page->delimiter.len == 0 ? -1 : str_find(upload->key, page->delimiter, page->prefix.len);
    str common = at < 0 ? STR_EMPTY : str_slice(upload->key, 0, at + page->delimiter.len);
    bool is_repeated = common.len > 0 &&
                       (str_eq(common, page->last_prefix) || str_starts(page->key_marker, common));
    if (!is_repeated && page->count == page->max) {
        page->is_truncated = true;
        return false;
    }
    page->last_key = upload->key;
    page->last_id = upload->id;
    if (is_repeated) {
        return true;
    }
    page->count++;
    if (common.len == 0) {
        upload_write(call, page, upload);
        return true;
    }
    page->last_prefix = common;
    s3_xml_open(&page->prefixes, "CommonPrefixes");
    s3_xml_put(&page->prefixes, "Prefix", s3__encode(call, common, page->is_url));
    s3_xml_close(&page->prefixes, "CommonPrefixes");
    return true;
}

static err page_load(struct s3_call *call, struct page *page)
{
    str key = page->key_marker, id = page->id_marker;
    if (key.len > 0 && id.len == 0) {
        id = STR("~"); /* Behind every upload of that key. */
    }
    for (;;) {
        struct s3_upload *uploads;
        isize count;
        TRY(s3_upload_list(call->store, call->bucket.id, page->prefix, key, id, S3_LIST_MAX,
                           call->arena, &uploads, &count));
        for (isize i = 0; i < count; i++) {
            if (!page_add(call, page, &uploads[i])) {
                return OK;
            }
        }
        if (count < S3_LIST_MAX) {
            return OK;
        }
        key = uploads[count - 1].key;
        id = uploads[count - 1].id;
    }
}

static void page_write(struct s3_call *call, const struct page *page, struct buf *out)
{
    s3_xml_begin(out, "ListMultipartUploadsResult");
    s3_xml_put(out, "Bucket", call->bucket_name);
    s3_xml_put(out, "KeyMarker", s3__encode(call, page->key_marker, page->is_url));
    s3_xml_put(out, "UploadIdMarker", page->id_marker);
    if (page->is_truncated) {
        s3_xml_put(out, "NextKeyMarker", s3__encode(call, page->last_key, page->is_url));
        s3_xml_put(out, "NextUploadIdMarker", page->last_id);
    }
    s3_xml_put(out, "Prefix", s3__encode(call, page->prefix, page->is_url));
    if (page->delimiter.len > 0) {
        s3_xml_put(out, "Delimiter", s3__encode(call, page->delimiter, page->is_url));
    }
    if (page->is_url) {
        s3_xml_put(out, "EncodingType", STR("url"));
    }
    s3_xml_put_u64(out, "MaxUploads", (u64)page->max);
    s3_xml_put_bool(out, "IsTruncated", page->is_truncated);
    buf_append(out, buf_str(&page->items));
    buf_append(out, buf_str(&page->prefixes));
    s3_xml_close(out, "ListMultipartUploadsResult");
}

void s3__list_uploads(struct s3_call *call)
{
    struct page page;
    if (!s3__bucket(call) || !page_take(call, &page)) {
        return;
    }
    err e = page_load(call, &page);
    if (e == OK) {
        struct buf out = {0};
        page_write(call, &page, &out);
        s3__answer(call, 200, &out);
    } else {
        (void)s3__fail_err(call, e);
    }
    buf_deinit(&page.items);
    buf_deinit(&page.prefixes);
}
