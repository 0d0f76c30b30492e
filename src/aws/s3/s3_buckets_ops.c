/* aws/s3/s3_buckets_ops.c: CreateBucket, HeadBucket, ListBuckets, DeleteBucket, GetBucketLocation.
 */
#include "aws/s3/s3_int.h"
#include "codec/base64.h"

#define REGION_DEFAULT "us-east-1"

/* The region for the new bucket; AWS's rules for which endpoint may make what. */
static bool location_take(struct s3_call *call, const struct s3_xml *root, str *region_out)
{
    str caller = call->request->caller.region;
    str wanted = s3_xml_text(root, "LocationConstraint");
    bool is_global = str_eq(caller, STR(REGION_DEFAULT));
    if (root != NULL && !str_eq(root->name, STR("CreateBucketConfiguration"))) {
        return s3__fail(call, S3_MalformedXML, NULL);
    }
    if (s3_xml_child(root, "Tags") != NULL || s3_xml_child(root, "Location") != NULL ||
        s3_xml_child(root, "Bucket") != NULL) {
        return s3__fail(call, S3_NotImplemented,
                        "tags and directory buckets are not supported by leat");
    }
    if (wanted.len == 0 && !is_global) {
        return s3__fail(call, S3_IllegalLocationConstraintException,
                        "The unspecified location constraint is incompatible for the region "
                        "specific endpoint this request was sent to.");
    }
    if (wanted.len > 0 && !is_global && !str_eq(wanted, caller)) {
        return s3__fail(call, S3_IllegalLocationConstraintException,
                        "The " STR_FMT " location constraint is incompatible for the region "
                        "specific endpoint this request was sent to.",
                        STR_ARG(str_slice(wanted, 0, 64)));
    }
    *region_out = wanted.len > 0 ? wanted : STR(REGION_DEFAULT);
    if (str_eq(wanted, STR("EU"))) {
        *region_out = STR("eu-west-1");
    }
    return true;
}

void s3__create_bucket(struct s3_call *call)
{
    struct s3_xml *root;
    str region = STR_EMPTY;
    if (!s3__headers_supported(call) || !s3__body_xml(call, false, &root)) {
        return;
    }
    if (!s3__is_bucket_name(call->bucket_name)) {
        (void)s3__fail(call, S3_InvalidBucketName, NULL);
        return;
    }
    if (!location_take(call, root, &region)) {
        return;
    }
    err e = s3_bucket_create(call->store, call->request->caller.account, region, call->bucket_name,
                             call->arena, &call->bucket);
    if (e == ERR_EXISTS && !str_eq(call->request->caller.region, STR(REGION_DEFAULT))) {
        (void)s3__fail(call, S3_BucketAlreadyOwnedByYou, NULL);
        return;
    }
    if (e != OK && e != ERR_EXISTS) {
        (void)s3__fail_err(call, e);
        return;
    }
    s3__field(call, "Location", arena_printf(call->arena, "/" STR_FMT, STR_ARG(call->bucket_name)));
    s3__answer_empty(call, 200);
}

void s3__head_bucket(struct s3_call *call)
{
    if (s3__bucket(call)) {
        s3__field(call, "x-amz-bucket-region", call->bucket.region);
        s3__field(call, "Content-Type", STR("application/xml"));
        s3__answer_empty(call, 200);
    }
}

void s3__delete_bucket(struct s3_call *call)
{
    if (!s3__bucket(call)) {
        return;
    }
    err e = s3_bucket_delete(call->store, call->bucket.id);
    if (e == ERR_IN_USE) {
        (void)s3__fail(call, S3_BucketNotEmpty, NULL);
    } else if (e != OK) {
        (void)s3__fail_err(call, e);
    } else {
        s3__answer_empty(call, 204);
    }
}

void s3__get_bucket_location(struct s3_call *call)
{
    if (!s3__bucket(call)) {
        return;
    }
    struct buf out = {0};
    s3_xml_begin(&out, "LocationConstraint");
    bool is_default = str_eq(call->bucket.region, STR(REGION_DEFAULT));
    buf_append(&out, is_default ? STR_EMPTY : call->bucket.region);
    s3_xml_close(&out, "LocationConstraint");
    s3__answer(call, 200, &out);
}

/* --- ListBuckets
 * ----------------------------------------------------------------------------------- */

struct page {
    str prefix, region, after;
    i64 max;
    bool has_param;
};

static bool page_take(struct s3_call *call, struct page *out)
{
    enum { BUCKETS_MAX = 10000 };
    *out = (struct page){.prefix = s3__param(call, "prefix"),
                         .region = s3__param(call, "bucket-region")};
    if (!s3__param_number(call, "max-buckets", 1, BUCKETS_MAX, BUCKETS_MAX, &out->max)) {
        return false;
    }
    str token = s3__param(call, "continuation-token");
    isize bytes = base64_decoded_bytes(token);
    if (bytes < 0 || (bytes == 0 && token.len > 0)) {
        return s3__fail(call, S3_InvalidArgument, "The continuation token provided is incorrect");
    }
    u8 *after = arena_alloc(call->arena, bytes + 1);
    if (token.len > 0 && base64_decode(token, after, &bytes) != OK) {
        return s3__fail(call, S3_InvalidArgument, "The continuation token provided is incorrect");
    }
    out->after = str_from(after, bytes);
    out->has_param = s3__has_param(call, "max-buckets", NULL) || out->prefix.len > 0 ||
                     out->region.len > 0 || token.len > 0;
    return true;
}

static void bucket_write(struct buf *out, const struct s3_bucket *bucket, bool has_region)
{
    s3_xml_open(out, "Bucket");
    s3_xml_put(out, "Name", bucket->name);
    s3_xml_put_time(out, "CreationDate", bucket->created_us);
    if (has_region) {
        s3_xml_put(out, "BucketRegion", bucket->region);
    }
    s3_xml_close(out, "Bucket");
}

void s3__list_buckets(struct s3_call *call)
{
    struct page page;
    struct s3_bucket *buckets;
    isize count, written = 0;
    str account = call->request->caller.account, last = STR_EMPTY;
    bool is_truncated = false;
    if (!page_take(call, &page)) {
        return;
    }
    err e = s3_bucket_list(call->store, account, call->arena, &buckets, &count);
    if (e != OK) {
        (void)s3__fail_err(call, e);
        return;
    }
    struct buf out = {0};
    s3_xml_begin(&out, "ListAllMyBucketsResult");
    s3_xml_open(&out, "Buckets");
    for (isize i = 0; i < count && !is_truncated; i++) {
        const struct s3_bucket *bucket = &buckets[i];
        bool is_wanted = str_starts(bucket->name, page.prefix) &&
                         str_cmp(bucket->name, page.after) > 0 &&
                         (page.region.len == 0 || str_eq(page.region, bucket->region));
        is_truncated = is_wanted && written == page.max;
        if (is_wanted && !is_truncated) {
            bucket_write(&out, bucket, page.has_param);
            last = bucket->name;
            written++;
        }
    }
    s3_xml_close(&out, "Buckets");
    s3_xml_open(&out, "Owner");
    s3_xml_put(&out, "ID", account);
    s3_xml_close(&out, "Owner");
    if (page.prefix.len > 0) {
        s3_xml_put(&out, "Prefix", page.prefix);
    }
    if (is_truncated) {
        s3_xml_open(&out, "ContinuationToken");
        base64_append(&out, last);
        s3_xml_close(&out, "ContinuationToken");
    }
    s3_xml_close(&out, "ListAllMyBucketsResult");
    s3__answer(call, 200, &out);
}
