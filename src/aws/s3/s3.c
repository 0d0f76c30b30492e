/* aws/s3/s3.c: the service: from a request to its operation. */
#include "aws/common/stage.h"
#include "aws/s3/s3_int.h"
#include "codec/json.h"

#include <stdio.h>

/* --- which operation
 * ------------------------------------------------------------------------------- */

enum level { SERVICE, BUCKET, OBJECT };

struct operation {
    const char *method;
    enum level level;
    const char *param;  /* Must be in the query; NULL: any. */
    const char *header; /* Must be there; NULL: any. */
    void (*run)(struct s3_call *call);
    const char *name;
};

/* The first that fits is it. */
static const struct operation operations[] = {
    {"GET", SERVICE, NULL, NULL, s3__list_buckets, "ListBuckets"},
    {"PUT", BUCKET, NULL, NULL, s3__create_bucket, "CreateBucket"},
    {"HEAD", BUCKET, NULL, NULL, s3__head_bucket, "HeadBucket"},
    {"DELETE", BUCKET, NULL, NULL, s3__delete_bucket, "DeleteBucket"},
    {"GET", BUCKET, "location", NULL, s3__get_bucket_location, "GetBucketLocation"},
    {"GET", BUCKET, "uploads", NULL, s3__list_uploads, "ListMultipartUploads"},
    {"GET", BUCKET, "list-type", NULL, s3__list_objects_v2, "ListObjectsV2"},
    {"GET", BUCKET, NULL, NULL, s3__list_objects, "ListObjects"},
    {"POST", BUCKET, "delete", NULL, s3__delete_objects, "DeleteObjects"},
    {"PUT", OBJECT, "uploadId", "x-amz-copy-source", s3__upload_part_copy, "UploadPartCopy"},
    {"PUT", OBJECT, "uploadId", NULL, s3__upload_part, "UploadPart"},
    {"PUT", OBJECT, NULL, "x-amz-copy-source", s3__copy_object, "CopyObject"},
    {"PUT", OBJECT, NULL, NULL, s3__put_object, "PutObject"},
    {"POST", OBJECT, "uploads", NULL, s3__create_upload, "CreateMultipartUpload"},
    {"POST", OBJECT, "uploadId", NULL, s3__complete_upload, "CompleteMultipartUpload"},
    {"DELETE", OBJECT, "uploadId", NULL, s3__abort_upload, "AbortMultipartUpload"},
    {"DELETE", OBJECT, NULL, NULL, s3__delete_object, "DeleteObject"},
    {"GET", OBJECT, "uploadId", NULL, s3__list_parts, "ListParts"},
    {"GET", OBJECT, NULL, NULL, s3__get_object, "GetObject"},
    {"HEAD", OBJECT, NULL, NULL, s3__head_object, "HeadObject"},
};

/* Parts of S3's API that are not here: never taken for the plain operation. */
static const char *const absent[] = {
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metadataConfiguration",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "versioning",
    "versions",
    "website",
};

static bool sub_resource_check(struct s3_call *call)
{
    for (isize i = 0; i < COUNT_OF(absent); i++) {
        if (s3__has_param(call, absent[i], NULL)) {
            return s3__fail(call, S3_NotImplemented,
                            "the sub-resource \"%s\" is not supported by leat", absent[i]);
        }
    }
    str version, type;
    if (s3__has_param(call, "versionId", &version) && !str_eq(version, STR("null"))) {
        return s3__fail(call, S3_InvalidArgument, "Invalid version id specified");
    }
    if (s3__has_param(call, "list-type", &type) && !str_eq(type, STR("2"))) {
        return s3__fail(call, S3_InvalidArgument, "list-type must be 2");
    }
    bool is_part = s3__has_param(call, "uploadId", NULL);
    bool is_upload = s3__has_param(call, "partNumber", NULL) && !is_part &&
                     str_eq(http_method(call->x), STR("PUT"));
    return !is_upload || s3__fail(call, S3_InvalidRequest, "partNumber needs an uploadId");
}

static const struct operation *operation_find(const struct s3_call *call)
{
    enum level level = call->key.len > 0 ? OBJECT : call->bucket_name.len > 0 ? BUCKET : SERVICE;
    for (isize i = 0; i < COUNT_OF(operations); i++) {
        const struct operation *operation = &operations[i];
        bool fits = operation->level == level &&
                    str_eq(http_method(call->x), str_of(operation->method)) &&
                    (operation->param == NULL || s3__has_param(call, operation->param, NULL)) &&
                    (operation->header == NULL || s3__header(call, operation->header).len > 0);
        if (fits) {
            return operation;
        }
    }
    return NULL;
}

/* --- life
 * ------------------------------------------------------------------------------------------ */

/* The store is opened by the first request: an idle leat does not pay for it. */
static err store_use(struct s3_service *service, struct s3_store **out, struct diag *diag)
{
    err e = OK;
    os_mutex_lock(&service->lock);
    if (service->store == NULL) {
        e = s3_store_open(service->os, service->dir, &service->store, diag);
    }
    *out = service->store;
    os_mutex_unlock(&service->lock);
    return e;
}

static void work(struct http_exchange *x, void *ctx)
{
    (void)x;
    struct s3_call *call = ctx;
    struct diag diag;
    diag_init(&diag);
    if (store_use(call->service, &call->store, &diag) != OK) {
        (void)s3__fail(call, S3_InternalError, "%s", diag.message);
        return;
    }
    if (!s3__target(call) || !sub_resource_check(call)) {
        return;
    }
    const struct operation *operation = operation_find(call);
    if (operation == NULL) {
        (void)s3__fail(call, S3_MethodNotAllowed, NULL);
        return;
    }
    call->request->operation = str_of(operation->name); /* For the metrics. */
    operation->run(call);
    CHECK(call->is_answered);
}

static void s3_handle(struct aws_request *request)
{
    struct s3_call *call = ARENA_NEW(http_arena(request->x), struct s3_call);
    call->request = request;
    call->x = request->x;
    call->arena = http_arena(request->x);
    call->service = request->service;
    call->query = http_query(request->x);
    http_run_blocking(request->x, work, call);
}

static err s3_open(const struct aws_env *env, void **out, struct diag *diag)
{
    (void)diag; /* Opened at the first request. */
    struct s3_service *service = NEW(struct s3_service);
    service->os = env->os;
    (void)snprintf(service->dir, sizeof service->dir, "%s/s3", env->data_dir);
    os_mutex_init(&service->lock);
    *out = service;
    return OK;
}

static void s3_close(void *ctx)
{
    struct s3_service *service = ctx;
    s3_store_close(service->store);
    os_mutex_deinit(&service->lock);
    mem_free(service);
}

static err s3_reset(void *ctx)
{
    struct s3_store *store;
    TRY(store_use(ctx, &store, NULL));
    return s3_store_reset(store);
}

static err s3_stage(void *ctx, const char *dir, struct diag *diag)
{
    struct s3_service *service = ctx;
    struct s3_store *store;
    if (!aws_stage_is_needed(service->os, service->dir)) {
        return OK;
    }
    TRY(store_use(service, &store, diag));
    return s3_store_stage(store, dir);
}

/* --- usage
 * ----------------------------------------------------------------------------------------- */

static void usage_write(struct buf *out, const struct s3_usage *usage, isize count)
{
    buf_append(out, STR("{\"buckets\":["));
    for (isize i = 0; i < count; i++) {
        buf_append(out, i > 0 ? STR(",{\"account\":") : STR("{\"account\":"));
        json_write_string(out, usage[i].account);
        buf_append(out, STR(",\"region\":"));
        json_write_string(out, usage[i].bucket.region);
        buf_append(out, STR(",\"name\":"));
        json_write_string(out, usage[i].bucket.name);
        buf_printf(out, ",\"objects\":%llu,\"bytes\":%llu,\"created_ms\":%lld}",
                   (unsigned long long)usage[i].objects, (unsigned long long)usage[i].bytes,
                   (long long)(usage[i].bucket.created_us / 1000));
    }
    buf_append(out, STR("]}\n"));
}

static void usage_work(struct http_exchange *x, void *ctx)
{
    struct s3_store *store;
    struct s3_usage *usage = NULL;
    isize count = 0;
    struct diag diag;
    diag_init(&diag);
    err e = store_use(ctx, &store, &diag);
    if (e == OK) {
        e = s3_usage_list(store, http_arena(x), &usage, &count);
    }
    struct buf out = {0};
    if (e == OK) {
        usage_write(&out, usage, count);
    } else {
        buf_append(&out, STR("{\"error\":{\"code\":\"S3002\",\"message\":"));
        json_write_string(&out, diag_is_set(&diag) ? str_of(diag.message) : str_of(err_text(e)));
        buf_append(&out, STR("}}\n"));
    }
    struct http_field fields[] = {{STR("Content-Type"), STR("application/json")},
                                  {STR("Cache-Control"), STR("no-store")}};
    http_respond_buf(x, e == OK ? 200 : err_http_status(e), fields, COUNT_OF(fields), &out);
    buf_deinit(&out);
}

static void usage_handle(struct http_exchange *x, void *service)
{
    http_run_blocking(x, usage_work, service);
}

static const char *const scopes[] = {"s3", NULL};
static const struct aws_service_route routes[] = {
    {"GET", "/_aws/s3/usage", usage_handle},
    {NULL, NULL, NULL},
};

const struct aws_service s3_service = {
    .name = "s3",
    .scopes = scopes,
    .routes = routes,
    .open = s3_open,
    .close = s3_close,
    .handle = s3_handle,
    .stage = s3_stage,
    .reset = s3_reset,
};
