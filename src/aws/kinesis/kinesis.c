/* aws/kinesis/kinesis.c: the service and the first steps of each request. */
#include "aws/kinesis/kinesis.h"
#include "aws/common/refusal.h"
#include "aws/kinesis/kinesis_int.h"

enum { READER_QUEUE_MAX = 1024 };

static err kinesis_open(const struct aws_env *env, void **out, struct diag *diag)
{
    (void)diag; /* There is nothing here that can fail. */
    struct kinesis *service = NEW(struct kinesis);
    service->magic = KINESIS_MAGIC;
    service->os = env->os;
    service->streams = env->streams;
    service->readers = os_pool_new("kinesis-read", KINESIS_READERS_MAX, READER_QUEUE_MAX);
    service->subscriptions = kinesis__subscriptions_new(env->subscription_ms);
    service->limits = env->enforces_limits ? kinesis__limits_new(env->os) : NULL;
    bool has_faults = env->kinesis_faults != NULL && env->kinesis_faults->is_on;
    service->faults = has_faults ? kinesis__faults_new(env->kinesis_faults) : NULL;
    service->meters = kinesis__meters_new(env->os, env->streams, env->metrics);
    service->transitions = kinesis__transitions_new(env->os, env->status_delay_ms);
    streams_get_secret(env->streams, service->secret);
    *out = service;
    return OK;
}

static void kinesis_close(void *object)
{
    struct kinesis *service = object;
    if (service == NULL) {
        return;
    }
    CHECK_MAGIC(service, KINESIS_MAGIC);
    os_pool_free(service->readers);
    kinesis__subscriptions_free(service->subscriptions);
    kinesis__limits_free(service->limits);
    kinesis__faults_free(service->faults);
    kinesis__meters_free(service->meters);
    kinesis__transitions_free(service->transitions);
    service->magic = 0;
    mem_free(service);
}

static void kinesis_stop(void *object)
{
    struct kinesis *service = object;
    CHECK_MAGIC(service, KINESIS_MAGIC);
    kinesis__subscriptions_stop(service);
    kinesis__meters_stop(service->meters);
}

/* --- requests ------------------------------------------------------------------------------- */

/* Answers and returns false when the body is of no form that we read. */
static bool check_content_type(struct kinesis_call *call)
{
    if (call->out.is_cbor || str_eq_nocase(call->type, STR("application/x-amz-json-1.1"))) {
        return true;
    }
    bool is_json = str_eq_nocase(call->type, STR("application/json"));
    kinesis__refuse_xml(
        call, 404,
        is_json
            ? STR("{\"Output\":{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"},"
                  "\"Version\":\"1.0\"}")
            : STR("<UnknownOperationException/>\n"));
    return false;
}

/* The client has gone during a delay: nothing is done. */
static void left(struct http_exchange *x, void *ctx)
{
    (void)ctx;
    http_abort(x);
}

static void run(struct http_exchange *x, void *ctx)
{
    struct kinesis_call *call = ctx;
    str body = http_body(x);
    http_on_gone(x, NULL, NULL);
    if (call->service->faults != NULL && kinesis__fault(call)) {
        return;
    }
    bool is_put =
        call->operation->run == kinesis__put_record || call->operation->run == kinesis__put_records;
    if (is_put && kinesis__put_fast(call, body)) {
        return;
    }
    if (kinesis__validate(call, body) && kinesis__check_rate(call, RATE_OF_ACCOUNT)) {
        call->operation->run(call);
    }
}

static void fail_unknown(struct kinesis_call *call)
{
    str name = call->request->operation;
    name = name.len > 0 ? name : http_header(call->x, "x-amz-target");
    kinesis__fail(call, "UnknownOperationException", "Kinesis has no operation \"" STR_FMT "\"",
                  STR_ARG(str_slice(name, 0, 64)));
}

static void on_body(struct http_exchange *x, void *ctx)
{
    struct kinesis_call *call = ctx;
    if (http_body_error(x) != OK) {
        kinesis__fail_status(call, 413, "RequestEntityTooLargeException",
                             "the body of a request may have at most %d bytes",
                             KINESIS_BODY_BYTES_MAX);
        return;
    }
    str body = http_body(x);
    call->operation = kinesis__find_operation(call->request->operation);
    if (call->operation == NULL && body.len == 0) {
        kinesis__fail(call, "UnknownOperationException", "there is no operation in this request");
        return;
    }
    if (body.len == 0) {
        kinesis__fail_form(call, NULL);
        return;
    }
    if (!check_content_type(call)) {
        return;
    }
    if (call->operation == NULL) {
        fail_unknown(call);
        return;
    }
    u32 delay_ms =
        call->service->faults != NULL ? kinesis__fault_delay_ms(call->service->faults) : 0;
    if (delay_ms == 0) {
        run(x, call);
        return;
    }
    http_on_gone(x, left, call);
    http_after(x, delay_ms, run, call);
}

static void kinesis_handle(struct aws_request *request)
{
    struct kinesis *service = request->service;
    CHECK_MAGIC(service, KINESIS_MAGIC);
    struct arena *arena = http_arena(request->x);
    struct kinesis_call *call = ARENA_NEW(arena, struct kinesis_call);
    call->service = service;
    call->request = request;
    call->x = request->x;
    call->arena = arena;
    call->type = aws_content_type(call->x);
    call->out.is_cbor = str_eq_nocase(call->type, STR("application/x-amz-cbor-1.1"));
    if (!str_eq(http_method(request->x), STR("POST"))) {
        kinesis__refuse_xml(call, 403,
                            STR("<AccessDeniedException>\n  <Message>Unable to determine "
                                "service/operation name to be authorized</Message>\n"
                                "</AccessDeniedException>\n"));
        return;
    }
    http_collect_body(request->x, KINESIS_BODY_BYTES_MAX, on_body, call);
}

/* --- reset ---------------------------------------------------------------------------------- */

struct reset {
    struct stream **streams; /* References. */
    isize count, capacity;
    struct os_mutex mutex;
    struct os_cond cond;
    isize running;
    err result;
};

static bool collect(void *ctx, struct stream *stream)
{
    struct reset *reset = ctx;
    if (reset->count == reset->capacity) {
        reset->capacity = MAX(16, 2 * reset->capacity);
        reset->streams =
            mem_resize(reset->streams, reset->capacity * (isize)sizeof(struct stream *));
    }
    stream_ref(stream);
    reset->streams[reset->count++] = stream;
    return true;
}

static void deleted(void *ctx, err e)
{
    struct reset *reset = ctx;
    os_mutex_lock(&reset->mutex);
    reset->running--;
    reset->result = e != OK ? e : reset->result;
    os_cond_signal(&reset->cond);
    os_mutex_unlock(&reset->mutex);
}

/* Deletes every stream and setting of every account and region, and waits until that is durable. */
static err kinesis_reset(void *object)
{
    struct kinesis *service = object;
    CHECK_MAGIC(service, KINESIS_MAGIC);
    struct reset reset = {0};
    kinesis__meters_reset(service->meters);
    os_mutex_init(&reset.mutex);
    os_cond_init(&reset.cond);
    streams_each(service->streams, STR_EMPTY, STR_EMPTY, collect, &reset);
    reset.running = reset.count + 1;
    err forgotten = streams_forget_commitments(service->streams, deleted, &reset);
    if (forgotten != OK) {
        deleted(&reset, forgotten);
    }
    for (isize i = 0; i < reset.count; i++) {
        err e = stream_delete(reset.streams[i], deleted, &reset);
        if (e != OK) {
            deleted(&reset, e == ERR_NOT_FOUND ? OK : e);
        }
    }
    os_mutex_lock(&reset.mutex);
    while (reset.running > 0) {
        os_cond_wait(&reset.cond, &reset.mutex);
    }
    os_mutex_unlock(&reset.mutex);
    kinesis__transitions_reset(service->transitions);
    for (isize i = 0; i < reset.count; i++) {
        stream_unref(reset.streams[i]);
    }
    mem_free(reset.streams);
    os_cond_deinit(&reset.cond);
    os_mutex_deinit(&reset.mutex);
    return reset.result;
}

static const char *const scopes[] = {"kinesis", NULL};
static const char *const prefixes[] = {"Kinesis_20131202", NULL};

const struct aws_service kinesis_service = {
    .name = "kinesis",
    .scopes = scopes,
    .target_prefixes = prefixes,
    .open = kinesis_open,
    .stop = kinesis_stop,
    .close = kinesis_close,
    .handle = kinesis_handle,
    .reset = kinesis_reset,
};
