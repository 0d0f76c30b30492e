/* aws/common/dispatch.c: from a request to its service. */
#include "aws/common/dispatch.h"

#include "aws/common/auth_fault.h"
#include "aws/common/caller.h"
#include "aws/common/names.h"
#include "aws/common/refusal.h"
#include "base/metric.h"
#include "base/trace.h"
#include "os/thread.h"

#include <stdio.h>

enum { SERVICES_MAX = 16, ROUTES_MAX = 96, OPERATIONS_MAX = 48, OPERATION_BYTES = 48 };

/* Times of the calls of one operation. */
struct operation {
    char name[OPERATION_BYTES];
    struct metric_histogram times;
};

struct opened {
    const struct aws_service *service;
    void *state;
    u64 requests;         /* Atomic. */
    struct os_mutex lock; /* For adding operations. */
    i32 operation_count;  /* Atomic; grows only, after the entry is complete. */
    struct operation *operations[OPERATIONS_MAX];
};

struct aws_dispatch {
    struct os *os;
    struct opened services[SERVICES_MAX];
    isize service_count;
    struct aws_route routes[ROUTES_MAX];
    isize route_count;
    struct aws_keys keys;
    bool is_exposed; /* Others than this machine's users can connect. */
};

/* --- open and close
 * --------------------------------------------------------------------------------- */

static void collect_service(struct metric_snapshot *snapshot, const struct opened *opened)
{
    static const struct metric_family requests = {METRIC_COUNTER, "leat_service_requests_total",
                                                  "Requests that each AWS service took."};
    static const struct metric_family times = {
        METRIC_HISTOGRAM, "leat_service_request_seconds",
        "From a request's header to the start of its answer, per operation."};
    struct metric_label labels[] = {{"service", str_of(opened->service->name)},
                                    {"operation", STR_EMPTY}};
    metric_sample(snapshot, &requests, labels, 1, (double)metric_load(&opened->requests));
    i32 count = __atomic_load_n(&opened->operation_count, __ATOMIC_ACQUIRE);
    for (i32 i = 0; i < count; i++) {
        labels[1].value = str_of(opened->operations[i]->name);
        metric_sample_histogram(snapshot, &times, labels, 2, &opened->operations[i]->times);
    }
}

static void collect(struct metric_snapshot *snapshot, void *ctx)
{
    struct aws_dispatch *dispatch = ctx;
    for (isize i = 0; i < dispatch->service_count; i++) {
        collect_service(snapshot, &dispatch->services[i]);
    }
}

static struct operation *operation_find(const struct opened *opened, str name)
{
    i32 count = __atomic_load_n(&opened->operation_count, __ATOMIC_ACQUIRE);
    for (i32 i = 0; i < count; i++) {
        if (str_eq(name, str_of(opened->operations[i]->name))) {
            return opened->operations[i];
        }
    }
    return NULL;
}

/* The name comes from a client: it gets an entry only when a call of it succeeded, and the last
 * entry stands for all others. */
static struct operation *operation_add(struct opened *opened, str name)
{
    os_mutex_lock(&opened->lock);
    i32 count = opened->operation_count;
    bool is_last = count >= OPERATIONS_MAX - 1;
    struct operation *found = operation_find(opened, is_last ? STR("other") : name);
    if (found == NULL) {
        found = NEW(struct operation);
        str_copy_cstr(is_last ? STR("other") : name, found->name, OPERATION_BYTES);
        opened->operations[count] = found;
        __atomic_store_n(&opened->operation_count, count + 1, __ATOMIC_RELEASE);
    }
    os_mutex_unlock(&opened->lock);
    return found;
}

struct timed {
    struct opened *opened;
    const struct aws_request *request;
};

static void note_time(int status, u64 took_ns, void *ctx)
{
    const struct timed *timed = ctx;
    str name = timed->request->operation;
    if (name.len == 0) {
        name = http_method(timed->request->x); /* REST: the verb says most. */
    }
    struct operation *operation = operation_find(timed->opened, name);
    bool is_new = operation == NULL && status < 400 && name.len < OPERATION_BYTES;
    if (is_new) {
        operation = operation_add(timed->opened, name);
    }
    if (operation != NULL) {
        metric_observe_ns(&operation->times, took_ns);
    }
    trace(TRACE_DEBUG, "aws", "request", T_STR("service", str_of(timed->opened->service->name)),
          T_STR("operation", name), T_INT("status", status),
          T_F64("milliseconds", (double)took_ns * 1e-6),
          T_STR("region", timed->request->caller.region),
          T_STR("request", timed->request->request_id));
}

err aws_dispatch_open(const struct aws_env *env, const struct aws_service *const *services,
                      isize service_count, struct aws_dispatch **out, struct diag *diag)
{
    CHECK(service_count <= SERVICES_MAX);
    struct aws_dispatch *dispatch = NEW(struct aws_dispatch);
    dispatch->os = env->os;
    metric_register(collect, dispatch);
    for (isize i = 0; i < service_count; i++) {
        struct opened *opened = &dispatch->services[i];
        os_mutex_init(&opened->lock);
        err e = services[i]->open(env, &opened->state, diag);
        if (e != OK) {
            aws_dispatch_close(dispatch);
            return e;
        }
        opened->service = services[i];
        dispatch->service_count++;
        const struct aws_service_route *r = services[i]->routes;
        for (; r != NULL && r->path != NULL; r++) {
            struct aws_route route = {r->method, r->path, r->handle, opened->state};
            aws_dispatch_add_routes(dispatch, &route, 1);
        }
    }
    *out = dispatch;
    return OK;
}

void aws_dispatch_stop(struct aws_dispatch *dispatch)
{
    for (isize i = 0; i < dispatch->service_count; i++) {
        struct opened *opened = &dispatch->services[i];
        if (opened->service->stop != NULL) {
            opened->service->stop(opened->state);
        }
    }
}

void aws_dispatch_close(struct aws_dispatch *dispatch)
{
    if (dispatch == NULL) {
        return;
    }
    metric_unregister(collect, dispatch);
    for (isize i = dispatch->service_count - 1; i >= 0; i--) {
        struct opened *opened = &dispatch->services[i];
        opened->service->close(opened->state);
        for (i32 o = 0; o < opened->operation_count; o++) {
            mem_free(opened->operations[o]);
        }
        os_mutex_deinit(&opened->lock);
    }
    mem_free(dispatch);
}

void aws_dispatch_add_routes(struct aws_dispatch *dispatch, const struct aws_route *routes,
                             isize count)
{
    CHECK(dispatch->route_count + count <= ROUTES_MAX);
    for (isize i = 0; i < count; i++) {
        dispatch->routes[dispatch->route_count++] = routes[i];
    }
}

void aws_dispatch_set_keys(struct aws_dispatch *dispatch, const struct aws_keys *keys,
                           bool is_exposed)
{
    CHECK(keys->access_key.len > 0);
    CHECK(keys->secret.len > 0);
    dispatch->keys = *keys;
    dispatch->is_exposed = is_exposed;
}

err aws_dispatch_stage(struct aws_dispatch *dispatch, const char *service, const char *dir,
                       struct diag *diag)
{
    for (isize i = 0; i < dispatch->service_count; i++) {
        const struct opened *opened = &dispatch->services[i];
        if (strcmp(opened->service->name, service) == 0 && opened->service->stage != NULL) {
            err e = opened->service->stage(opened->state, dir, diag);
            return e == OK ? OK
                           : diag_set(diag, e, "AWS0003", "the files of %s cannot be staged: %s",
                                      service, err_text(e));
        }
    }
    return OK;
}

err aws_dispatch_reset(struct aws_dispatch *dispatch)
{
    for (isize i = 0; i < dispatch->service_count; i++) {
        TRY(dispatch->services[i].service->reset(dispatch->services[i].state));
    }
    return OK;
}

void *aws_dispatch_service(struct aws_dispatch *dispatch, str name)
{
    for (isize i = 0; i < dispatch->service_count; i++) {
        if (str_eq(name, str_of(dispatch->services[i].service->name))) {
            return dispatch->services[i].state;
        }
    }
    return NULL;
}

/* --- who may call what
 * ---------------------------------------------------------------------------------- */

/* Host without its port. */
static str host_name(str host)
{
    isize colon = str_rfind_byte(host, ':');
    bool is_bracketed = host.len > 0 && host.data[host.len - 1] == ']';
    return colon < 0 || is_bracketed ? host : str_slice(host, 0, colon);
}

/* 127.0.0.0/8: any of it may be bound to. Names that begin so are none. */
static bool is_loopback_v4(str name)
{
    u64 parts[4];
    for (isize i = 0; i < COUNT_OF(parts); i++) {
        bool has_dot;
        str part = str_split(&name, '.', &has_dot);
        bool is_last = i == COUNT_OF(parts) - 1;
        if (has_dot == is_last || str_to_u64(part, &parts[i]) != OK || parts[i] > UINT8_MAX) {
            return false;
        }
    }
    return parts[0] == 127;
}

/* This machine and nothing else: a name that others can point here reaches no path of our own. */
static bool is_own_name(str host)
{
    str name = host_name(host);
    return str_eq_nocase(name, STR("localhost")) || str_eq(name, STR("[::1]")) ||
           is_loopback_v4(name);
}

/* What SDKs, virtual hosts of S3 and containers on this machine say. */
static bool is_service_name(str host)
{
    static const char *const suffixes[] = {".localhost", ".localhost.localstack.cloud",
                                           ".amazonaws.com"};
    str name = host_name(host);
    for (isize i = 0; i < COUNT_OF(suffixes); i++) {
        if (str_ends(name, str_of(suffixes[i]))) {
            return true;
        }
    }
    return str_eq_nocase(name, STR("localhost.localstack.cloud")) ||
           str_eq_nocase(name, STR("host.docker.internal"));
}

/* A browser on another site may neither read nor change anything. */
static bool is_foreign(struct http_exchange *x)
{
    str origin = http_header(x, "origin");
    str site = http_header(x, "sec-fetch-site");
    bool is_other_site =
        site.len > 0 && !str_eq(site, STR("same-origin")) && !str_eq(site, STR("none"));
    if (origin.len == 0) {
        str mode = http_header(x, "sec-fetch-mode");
        bool is_navigation = str_eq(mode, STR("navigate")) && str_eq(http_method(x), STR("GET"));
        return is_other_site && !is_navigation;
    }
    str scheme = http_is_tls(x) ? STR("https://") : STR("http://");
    bool is_ours = str_starts(origin, scheme) &&
                   str_eq_nocase(str_slice(origin, scheme.len, origin.len), http_host(x));
    return !is_ours;
}

static void refuse(struct http_exchange *x, int status, const char *code, const char *message)
{
    aws_refuse(x, status, code, str_of(message), STR_EMPTY);
}

/* --- browsers that ask first
 * ------------------------------------------------------------------------------- */

/* May a page of this origin call signed APIs of JSON and read the answers? With keys any page may:
 * it cannot sign without them. Without keys only pages of this machine. */
static bool may_origin(const struct aws_dispatch *dispatch, struct http_exchange *x)
{
    str origin = http_header(x, "origin");
    isize scheme = str_find(origin, STR("://"), 0);
    bool is_web = str_starts(origin, STR("http://")) || str_starts(origin, STR("https://"));
    return is_web && (dispatch->keys.secret.len > 0 ||
                      is_own_name(str_slice(origin, scheme + 3, origin.len)));
}

/* Answers the question of a browser that is about to call an API with X-Amz-Target. */
static bool preflight_handle(const struct aws_dispatch *dispatch, struct http_exchange *x)
{
    if (!str_eq(http_method(x), STR("OPTIONS"))) {
        return false;
    }
    str wanted = http_header(x, "access-control-request-headers");
    bool is_host_good =
        dispatch->is_exposed || is_own_name(http_host(x)) || is_service_name(http_host(x));
    if (!is_host_good || !may_origin(dispatch, x) ||
        http_header(x, "access-control-request-method").len == 0 ||
        str_find(wanted, STR("x-amz-target"), 0) < 0) {
        return false;
    }
    struct http_field fields[] = {
        {STR("Access-Control-Allow-Origin"), STR("*")},
        {STR("Access-Control-Allow-Methods"), STR("POST")},
        {STR("Access-Control-Allow-Headers"), wanted},
        {STR("Access-Control-Expose-Headers"), STR(AWS_EXPOSED_HEADERS)},
        {STR("Access-Control-Max-Age"), STR("172800")},
    };
    http_respond(x, 200, fields, COUNT_OF(fields), STR_EMPTY);
    return true;
}

/* --- routes
 * ---------------------------------------------------------------------------------------------- */

static const struct aws_route *route_find(const struct aws_dispatch *dispatch,
                                          struct http_exchange *x, bool *is_known_out)
{
    str path = http_path(x);
    *is_known_out = false;
    for (isize i = 0; i < dispatch->route_count; i++) {
        const struct aws_route *route = &dispatch->routes[i];
        str wanted = str_of(route->path);
        bool is_prefix = wanted.data[wanted.len - 1] == '/' && wanted.len > 1;
        bool fits = is_prefix ? str_starts(path, wanted) : str_eq(path, wanted);
        if (!fits) {
            continue;
        }
        *is_known_out = true;
        bool is_head = str_eq(http_method(x), STR("HEAD"));
        str method = is_head ? STR("GET") : http_method(x);
        if (route->method == NULL || str_eq(method, str_of(route->method))) {
            return route;
        }
    }
    return NULL;
}

/* --- services
 * -------------------------------------------------------------------------------------------- */

static bool listed(const char *const *list, str name)
{
    for (isize i = 0; list != NULL && list[i] != NULL; i++) {
        if (str_eq(str_of(list[i]), name)) {
            return true;
        }
    }
    return false;
}

static struct opened *by_target(struct aws_dispatch *dispatch, str target)
{
    isize dot = str_find_byte(target, '.', 0);
    for (isize i = 0; dot >= 0 && i < dispatch->service_count; i++) {
        if (listed(dispatch->services[i].service->target_prefixes, str_slice(target, 0, dot))) {
            return &dispatch->services[i];
        }
    }
    return NULL;
}

static struct opened *by_scope(struct aws_dispatch *dispatch, str scope)
{
    for (isize i = 0; scope.len > 0 && i < dispatch->service_count; i++) {
        if (listed(dispatch->services[i].service->scopes, scope)) {
            return &dispatch->services[i];
        }
    }
    return NULL;
}

static str uuid_make(struct aws_dispatch *dispatch, struct arena *arena)
{
    char uuid[AWS_UUID_BYTES];
    aws_uuid(dispatch->os, uuid);
    return arena_copy(arena, str_of(uuid));
}

static enum aws_protocol protocol_of(struct http_exchange *x, bool has_target)
{
    str type = http_header(x, "content-type");
    if (has_target) {
        return str_starts_nocase(type, STR("application/x-amz-json-1.0")) ? AWS_JSON_1_0
                                                                          : AWS_JSON_1_1;
    }
    return str_starts_nocase(type, STR("application/x-www-form-urlencoded")) ? AWS_QUERY
                                                                             : AWS_REST_XML;
}

/* The signature is missing or cannot be read. */
static void refuse_form(struct aws_dispatch *dispatch, struct http_exchange *x)
{
    enum aws_protocol protocol = protocol_of(x, http_header(x, "x-amz-target").len > 0);
    bool is_s3 = protocol == AWS_REST_XML;
    struct aws_fault fault;
    aws_fault_of_form(x, protocol, is_s3, &fault);
    aws_fault_answer(x, protocol, is_s3, &fault, uuid_make(dispatch, http_arena(x)));
}

static void run(struct aws_request *request, void *ctx)
{
    const struct opened *opened = ctx;
    opened->service->handle(request);
}

/* What SDKs try again. */
static void refuse_busy(struct http_exchange *x, const char *text, void *ctx)
{
    const struct aws_request *request = ctx;
    str service = request->caller.service;
    bool is_public = service.len == 0 && request->protocol == AWS_REST_XML;
    struct aws_fault fault = {.status = 503, .code = "ServiceUnavailable", .message = str_of(text)};
    aws_fault_answer(x, request->protocol, is_public || str_eq(service, STR("s3")), &fault,
                     request->request_id);
}

/* Behind a prefix of the service. Another prefix stays before it: so it is no operation. */
static str operation_of(const struct opened *opened, str target)
{
    isize dot = str_find_byte(target, '.', 0);
    if (dot < 0) {
        return STR_EMPTY;
    }
    bool is_own = listed(opened->service->target_prefixes, str_slice(target, 0, dot));
    return is_own ? str_slice(target, dot + 1, target.len) : target;
}

static void call(struct opened *opened, struct aws_dispatch *dispatch, struct http_exchange *x,
                 const struct aws_caller *caller, str target)
{
    struct aws_request *request = ARENA_NEW(http_arena(x), struct aws_request);
    *request = (struct aws_request){
        .x = x,
        .caller = *caller,
        .protocol = protocol_of(x, target.len > 0),
        .operation = operation_of(opened, target),
        .request_id = uuid_make(dispatch, http_arena(x)),
        .service = opened->state,
        .is_cors = may_origin(dispatch, x),
    };
    metric_add(&opened->requests, 1);
    struct timed *timed = ARENA_NEW(http_arena(x), struct timed);
    *timed = (struct timed){opened, request};
    http_on_answered(x, note_time, timed);
    http_on_busy(x, refuse_busy, request);
    if (http_answers_hold(x, 2)) {
        refuse_busy(x, HTTP_ANSWERS_HELD_TEXT, request);
        return;
    }
    if (dispatch->keys.secret.len == 0 || !caller->is_signed) {
        opened->service->handle(request);
        return;
    }
    if (!listed(opened->service->scopes, caller->service)) {
        aws_refuse(x, 400, "InvalidSignatureException",
                   STR("Credential should be scoped to correct service."), request->request_id);
        return;
    }
    aws_verify(dispatch->os, &dispatch->keys, request, run, opened);
}

/* The service whose link in a mail this is, NULL when it is none. */
static struct opened *by_public_action(struct aws_dispatch *dispatch, struct http_exchange *x)
{
    str action;
    bool found;
    if (!str_eq(http_method(x), STR("GET")) || !str_eq(http_path(x), STR("/")) ||
        http_param(http_arena(x), http_query(x), STR("Action"), &action, &found) != OK || !found) {
        return NULL;
    }
    for (isize i = 0; i < dispatch->service_count; i++) {
        if (listed(dispatch->services[i].service->public_actions, action)) {
            return &dispatch->services[i];
        }
    }
    return NULL;
}

/* Unsigned: reading from S3, where no keys say who owns it. */
static bool is_public_s3(const struct opened *opened, struct http_exchange *x)
{
    bool is_read = str_eq(http_method(x), STR("GET")) || str_eq(http_method(x), STR("HEAD"));
    return opened != NULL && is_read && http_header(x, "x-amz-target").len == 0;
}

/* Answers and returns false when the caller may not come here at all. */
static bool may_enter(const struct aws_dispatch *dispatch, struct http_exchange *x,
                      const struct aws_caller *caller)
{
    bool is_checked = caller->is_signed && dispatch->keys.secret.len > 0;
    if (is_checked) {
        return true; /* No page of another site can sign. */
    }
    if (dispatch->is_exposed && !str_eq(http_path(x), STR("/health"))) {
        refuse(x, 403, "AccessDenied", "only signed requests are served to other machines");
        return false;
    }
    if (!dispatch->is_exposed && !is_own_name(http_host(x)) && !is_service_name(http_host(x))) {
        refuse(x, 421, "MisdirectedRequest", "this host name is not served here");
        return false;
    }
    if (!caller->is_signed && is_foreign(x)) {
        refuse(x, 403, "AccessDenied", "requests from other sites are refused");
        return false;
    }
    return true;
}

/* True when a path of our own took the request. */
static bool route_handle(const struct aws_dispatch *dispatch, struct http_exchange *x)
{
    bool is_known;
    const struct aws_route *route = route_find(dispatch, x, &is_known);
    if (!is_known) {
        return false;
    }
    if (!dispatch->is_exposed && !is_own_name(http_host(x))) {
        refuse(x, 421, "MisdirectedRequest", "this host name is not served here");
    } else if (route == NULL) {
        refuse(x, 405, "MethodNotAllowed", "this path does not take this method");
    } else if (http_answers_hold(x, 3) && !str_eq(http_path(x), STR("/health"))) {
        refuse(x, 503, "ServiceUnavailable", HTTP_ANSWERS_HELD_TEXT);
    } else {
        route->handle(x, route->ctx);
    }
    return true;
}

void aws_dispatch_handle(struct http_exchange *x, void *ctx)
{
    struct aws_dispatch *dispatch = ctx;
    struct aws_caller caller;
    aws_caller_read(x, &caller);
    if (preflight_handle(dispatch, x)) {
        return;
    }
    if (!may_enter(dispatch, x, &caller)) {
        return;
    }
    str target = http_header(x, "x-amz-target");
    if (!caller.is_signed && target.len > 0) {
        refuse_form(dispatch, x);
        return;
    }
    struct opened *opened = caller.is_signed ? NULL : by_public_action(dispatch, x);
    if (opened != NULL) {
        call(opened, dispatch, x, &caller, target);
        return;
    }
    if (!caller.is_signed && route_handle(dispatch, x)) {
        return;
    }
    opened = by_target(dispatch, target);
    opened = opened != NULL ? opened : by_scope(dispatch, caller.service);
    if (caller.is_signed && opened == NULL) {
        str text = arena_printf(http_arena(x), "the service \"" STR_FMT "\" is not supported",
                                STR_ARG(caller.service));
        refuse(x, 501, "UnsupportedOperation", arena_cstr(http_arena(x), text));
        return;
    }
    if (caller.is_signed) {
        call(opened, dispatch, x, &caller, target);
        return;
    }
    opened = by_scope(dispatch, STR("s3"));
    if (dispatch->keys.secret.len == 0 && is_public_s3(opened, x)) {
        call(opened, dispatch, x, &caller, target);
        return;
    }
    if (aws_claims_signature(x)) {
        refuse_form(dispatch, x);
    } else {
        refuse(x, 403, "AccessDenied", "the request is not signed");
    }
}
