/* aws/s3/s3_list_ops.c: ListObjects, ListObjectsV2. */
#include "aws/s3/s3_int.h"
#include "codec/base64.h"

struct page {
    struct s3_listing listing;
    struct s3_list_item *items;
    isize count;
    bool is_truncated, is_url, has_owner;
    str last; /* Of the items: key or common prefix. */
};

static bool page_take(struct s3_call *call, struct page *out)
{
    i64 max;
    str encoding = s3__param(call, "encoding-type");
    out->is_url = str_eq(encoding, STR("url"));
    if (encoding.len > 0 && !out->is_url) {
        return s3__fail(call, S3_InvalidArgument, "Invalid Encoding Method specified in Request");
    }
    if (!s3__param_number(call, "max-keys", 0, INT32_MAX, S3_LIST_MAX, &max)) {
        return false;
    }
    out->listing.prefix = s3__param(call, "prefix");
    out->listing.delimiter = s3__param(call, "delimiter");
    out->listing.max_keys = (i32)MIN(max, S3_LIST_MAX);
    return true;
}

static bool page_load(struct s3_call *call, struct page *page)
{
    err e = s3_object_list(call->store, call->bucket.id, &page->listing, call->arena, &page->items,
                           &page->count, &page->is_truncated);
    if (e != OK) {
        return s3__fail_err(call, e);
    }
    page->last = page->count > 0 ? page->items[page->count - 1].object.key : STR_EMPTY;
    return true;
}

static void owner_write(struct s3_call *call, struct buf *out, const char *name)
{
    s3_xml_open(out, name);
    s3_xml_put(out, "ID", call->request->caller.account);
    s3_xml_close(out, name);
}

static void object_write(struct s3_call *call, struct buf *out, const struct page *page,
                         const struct s3_object *object)
{
    s3_xml_open(out, "Contents");
    s3_xml_put(out, "Key", s3__encode(call, object->key, page->is_url));
    s3_xml_put_time(out, "LastModified", object->modified_us);
    s3_xml_put_etag(out, object->etag);
    if (object->attributes.checksum_algorithm.len > 0) {
        s3_xml_put(out, "ChecksumAlgorithm", object->attributes.checksum_algorithm);
        s3_xml_put(out, "ChecksumType", object->attributes.checksum_type);
    }
    s3_xml_put_u64(out, "Size", object->bytes);
    if (page->has_owner) {
        owner_write(call, out, "Owner");
    }
    s3_xml_put(out, "StorageClass", STR("STANDARD"));
    s3_xml_close(out, "Contents");
}

static void items_write(struct s3_call *call, struct buf *out, const struct page *page)
{
    for (isize i = 0; i < page->count; i++) {
        if (!page->items[i].is_prefix) {
            object_write(call, out, page, &page->items[i].object);
        }
    }
    for (isize i = 0; i < page->count; i++) {
        if (page->items[i].is_prefix) {
            s3_xml_open(out, "CommonPrefixes");
            s3_xml_put(out, "Prefix", s3__encode(call, page->items[i].object.key, page->is_url));
            s3_xml_close(out, "CommonPrefixes");
        }
    }
}

/* What both versions say of the page. */
static void head_write(struct s3_call *call, struct buf *out, const struct page *page)
{
    s3_xml_begin(out, "ListBucketResult");
    s3_xml_put(out, "Name", call->bucket_name);
    s3_xml_put(out, "Prefix", s3__encode(call, page->listing.prefix, page->is_url));
    if (page->listing.delimiter.len > 0) {
        s3_xml_put(out, "Delimiter", s3__encode(call, page->listing.delimiter, page->is_url));
    }
    s3_xml_put_u64(out, "MaxKeys", (u64)page->listing.max_keys);
    if (page->is_url) {
        s3_xml_put(out, "EncodingType", STR("url"));
    }
    s3_xml_put_bool(out, "IsTruncated", page->is_truncated);
}

static void page_answer(struct s3_call *call, struct buf *out, const struct page *page)
{
    items_write(call, out, page);
    s3_xml_close(out, "ListBucketResult");
    s3__field(call, "x-amz-bucket-region", call->bucket.region);
    s3__answer(call, 200, out);
}

void s3__list_objects(struct s3_call *call)
{
    struct page page = {.has_owner = true};
    if (!s3__bucket(call) || !page_take(call, &page)) {
        return;
    }
    str marker = s3__param(call, "marker");
    page.listing.after = marker;
    if (!page_load(call, &page)) {
        return;
    }
    struct buf out = {0};
    head_write(call, &out, &page);
    s3_xml_put(&out, "Marker", s3__encode(call, marker, page.is_url));
    if (page.is_truncated && page.listing.delimiter.len > 0) {
        s3_xml_put(&out, "NextMarker", s3__encode(call, page.last, page.is_url));
    }
    page_answer(call, &out, &page);
}

/* The token is the last item of the page before, with a letter in front so that it is never empty.
 */
static bool token_take(struct s3_call *call, str *after_out)
{
    str token;
    if (!s3__has_param(call, "continuation-token", &token)) {
        return true;
    }
    isize bytes = base64_decoded_bytes(token);
    u8 *text = arena_alloc(call->arena, MAX(bytes, 0) + 1);
    bool is_sound = bytes > 0 && base64_decode(token, text, &bytes) == OK && text[0] == '1';
    if (!is_sound) {
        return s3__fail(call, S3_InvalidArgument, "The continuation token provided is incorrect");
    }
    *after_out = str_from(text + 1, bytes - 1);
    return true;
}

void s3__list_objects_v2(struct s3_call *call)
{
    struct page page = {.has_owner = str_eq(s3__param(call, "fetch-owner"), STR("true"))};
    if (!s3__bucket(call) || !page_take(call, &page)) {
        return;
    }
    str start = s3__param(call, "start-after");
    page.listing.after = start;
    if (!token_take(call, &page.listing.after) || !page_load(call, &page)) {
        return;
    }
    struct buf out = {0};
    head_write(call, &out, &page);
    s3_xml_put_u64(&out, "KeyCount", (u64)page.count);
    if (start.len > 0) {
        s3_xml_put(&out, "StartAfter", s3__encode(call, start, page.is_url));
    }
    str token = s3__param(call, "continuation-token");
    if (token.len > 0) {
        s3_xml_put(&out, "ContinuationToken", token);
    }
    if (page.is_truncated) {
        s3_xml_open(&out, "NextContinuationToken");
        base64_append(&out, arena_printf(call->arena, "1" STR_FMT, STR_ARG(page.last)));
        s3_xml_close(&out, "NextContinuationToken");
    }
    page_answer(call, &out, &page);
}
