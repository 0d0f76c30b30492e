/* aws/dynamodb/dynamodb.c: the service, and the way of a request. */
#include "aws/dynamodb/dynamodb.h"

#include "aws/common/body.h"
#include "aws/common/stage.h"
#include "aws/dynamodb/ddb_int.h"
#include "base/hash.h"

#include <stdio.h>

#define TYPE_PREFIX "com.amazonaws.dynamodb.v20120810#"
#define CORAL       "com.amazon.coral."

static const struct {
    const char *name;
    void (*run)(struct ddb_call *call);
    bool changes_items;
} operations[] = {
    {"GetItem", ddb__get_item, false},
    {"PutItem", ddb__put_item, true},
    {"UpdateItem", ddb__update_item, true},
    {"DeleteItem", ddb__delete_item, true},
    {"Query", ddb__query, false},
    {"Scan", ddb__scan, false},
    {"BatchGetItem", ddb__batch_get, false},
    {"BatchWriteItem", ddb__batch_write, true},
    {"TransactGetItems", ddb__transact_get, false},
    {"TransactWriteItems", ddb__transact_write, true},
    {"CreateTable", ddb__create_table, false},
    {"DescribeTable", ddb__describe_table, false},
    {"ListTables", ddb__list_tables, false},
    {"DeleteTable", ddb__delete_table, false},
    {"UpdateTable", ddb__update_table, false},
    {"TagResource", ddb__tag_resource, false},
    {"UntagResource", ddb__untag_resource, false},
    {"ListTagsOfResource", ddb__list_tags, false},
    {"DescribeTimeToLive", ddb__describe_ttl, false},
    {"UpdateTimeToLive", ddb__update_ttl, false},
    {"DescribeContinuousBackups", ddb__describe_backups, false},
    {"UpdateContinuousBackups", ddb__update_backups, false},
    {"DescribeEndpoints", ddb__describe_endpoints, false},
    {"DescribeLimits", ddb__describe_limits, false},
};

/* --- answers ------------------------------------------------------------------------------- */

/* Names that come from AWS's framework and not from DynamoDB have another prefix. */
static const char *prefix_of(const char *type)
{
    static const struct {
        const char *type, *prefix;
    } others[] = {
        {"ValidationException", CORAL "validate#"},
        {"SerializationException", CORAL "service#"},
        {"UnknownOperationException", CORAL "service#"},
        {"AccessDeniedException", CORAL "service#"},
    };
    for (isize i = 0; i < COUNT_OF(others); i++) {
        if (strcmp(type, others[i].type) == 0) {
            return others[i].prefix;
        }
    }
    return TYPE_PREFIX;
}

static void error_write(struct buf *out, const struct ddb_call *call)
{
    const struct ddb_work *work = &call->work;
    /* As DynamoDB: a capital M in these two. */
    bool is_capital = strcmp(work->type, "TransactionCanceledException") == 0 ||
                      strcmp(work->type, "IdempotentParameterMismatchException") == 0;
    buf_reset(out);
    buf_printf(out, "{\"__type\":\"%s%s\"", prefix_of(work->type), work->type);
    buf_printf(out, ",\"%s\":", is_capital ? "Message" : "message");
    json_write_string(out, work->message);
    buf_append(out, buf_str(&call->details));
    buf_append_byte(out, '}');
}

static void answer(struct ddb_call *call)
{
    int status = 200;
    if (call->work.type != NULL) {
        bool is_ours = strcmp(call->work.type, "InternalServerError") == 0;
        bool is_large = strcmp(call->work.type, "RequestEntityTooLargeException") == 0;
        status = is_ours ? 500 : (is_large ? 413 : 400);
        error_write(&call->out, call);
    } else {
        buf_append(&call->out, call->out.len == 0 ? STR("{}") : STR("}"));
    }
    char checksum[16];
    (void)snprintf(checksum, sizeof checksum, "%u", crc32_ieee(0, call->out.data, call->out.len));
    struct http_field fields[] = {
        {STR("x-amzn-RequestId"), call->request->request_id},
        {STR("x-amz-crc32"), str_of(checksum)},
        {STR("Content-Type"), STR("application/x-amz-json-1.0")},
    };
    http_respond_buf(call->request->x, status, fields, COUNT_OF(fields), &call->out);
    buf_deinit(&call->out);
    buf_deinit(&call->details);
}

/* --- requests ------------------------------------------------------------------------------ */

static err store_get(struct dynamodb *service, struct ddb_store **out, struct diag *diag)
{
    os_mutex_lock(&service->lock);
    err e = OK;
    if (service->store == NULL) {
        e = ddb_store_open(service->os, service->dir, &service->store, diag);
        if (e == OK) {
            ddb__expirer_start(service);
        }
    }
    *out = service->store;
    os_mutex_unlock(&service->lock);
    return e;
}

static bool input_parse(struct ddb_call *call, str body)
{
    struct diag diag;
    diag_init(&diag);
    err e = body.len == 0 ? ERR_SYNTAX : json_parse(call->arena, body, &call->input, &diag);
    if (e == OK && json_kind(call->input) == JSON_OBJECT) {
        return true;
    }
    return ddb_refuse(&call->work, "SerializationException", "the body is not a JSON object%s%s",
                      diag_is_set(&diag) ? ": " : "", diag.message);
}

static bool body_take(struct ddb_call *call, struct buf *body)
{
    err e = aws_body_read(call->request->x, DDB_BODY_BYTES_MAX, body);
    if (e == ERR_LIMIT) {
        return ddb_refuse(&call->work, "RequestEntityTooLargeException",
                          "the body of a request may have at most %d bytes", DDB_BODY_BYTES_MAX);
    }
    return e == OK || ddb_refuse(&call->work, "SerializationException",
                                 "the body cannot be read: %s", err_text(e));
}

static void operation_run(struct ddb_call *call, str body)
{
    struct diag diag;
    diag_init(&diag);
    isize i = 0;
    str name = call->request->operation;
    while (i < COUNT_OF(operations) && !str_eq(name, str_of(operations[i].name))) {
        i++;
    }
    if (i == COUNT_OF(operations)) {
        (void)ddb_refuse(&call->work, "UnknownOperationException",
                         "the operation \"" STR_FMT "\" of DynamoDB is not supported by leat",
                         STR_ARG(str_slice(name, 0, 64)));
        return;
    }
    if (!input_parse(call, body)) {
        return;
    }
    if (store_get(call->service, &call->store, &diag) != OK) {
        (void)ddb_refuse(&call->work, "InternalServerError", "%s", diag.message);
        return;
    }
    ddb_store_lock(call->store);
    operations[i].run(call);
    ddb_store_unlock(call->store);
    if (operations[i].changes_items && call->work.type == NULL) {
        http_answer_anyway(call->request->x);
    }
}

static void work(struct http_exchange *x, void *ctx)
{
    struct ddb_call *call = ctx;
    struct arena arena;
    struct buf body = {0};
    (void)x;
    arena_init(&arena, DDB_INPUT_BYTES_MAX);
    call->arena = call->work.arena = &arena;
    if (body_take(call, &body)) {
        operation_run(call, buf_str(&body));
    }
    answer(call);
    buf_deinit(&body);
    arena_deinit(&arena);
}

static void dynamodb_handle(struct aws_request *request)
{
    struct ddb_call *call = ARENA_NEW(http_arena(request->x), struct ddb_call);
    call->service = request->service;
    call->request = request;
    call->scope = (struct ddb_scope){request->caller.account, request->caller.region};
    http_run_blocking(request->x, work, call);
}

/* --- the service --------------------------------------------------------------------------- */

static err dynamodb_open(const struct aws_env *env, void **out, struct diag *diag)
{
    (void)diag; /* The file is opened at the first use. */
    struct dynamodb *service = NEW(struct dynamodb);
    service->os = env->os;
    service->endpoint = env->endpoint;
    (void)snprintf(service->dir, sizeof service->dir, "%s/dynamodb", env->data_dir);
    os_mutex_init(&service->lock);
    os_cond_init(&service->wake);
    *out = service;
    return OK;
}

static void dynamodb_close(void *object)
{
    struct dynamodb *service = object;
    ddb__expirer_stop(service);
    ddb_store_close(service->store);
    os_cond_deinit(&service->wake);
    os_mutex_deinit(&service->lock);
    mem_free(service);
}

static err dynamodb_stage(void *ctx, const char *dir, struct diag *diag)
{
    struct dynamodb *service = ctx;
    struct ddb_store *store;
    if (!aws_stage_is_needed(service->os, service->dir)) {
        return OK;
    }
    TRY(store_get(service, &store, diag));
    return aws_stage(service->os, service->dir, "dynamodb", dir, ddb_store_database(store), NULL,
                     NULL);
}

static err dynamodb_reset(void *object)
{
    struct ddb_store *store;
    struct diag diag;
    diag_init(&diag);
    TRY(store_get(object, &store, &diag));
    return ddb_store_reset(store);
}

static const char *const scopes[] = {"dynamodb", NULL};
static const char *const prefixes[] = {"DynamoDB_20120810", NULL};

const struct aws_service dynamodb_service = {
    .name = "dynamodb",
    .scopes = scopes,
    .target_prefixes = prefixes,
    .open = dynamodb_open,
    .close = dynamodb_close,
    .handle = dynamodb_handle,
    .stage = dynamodb_stage,
    .reset = dynamodb_reset,
};
