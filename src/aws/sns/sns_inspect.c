/* aws/sns/sns_inspect.c: GET /_aws/sns/inbox, inbox/ID and certificate/NAME (docs/api.md). */
#include "aws/sns/sns_int.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 500 };

struct inbox_call {
    struct sns *sns;
    bool is_one;
};

static void put_text(struct buf *out, const char *name, str value)
{
    buf_printf(out, ",\"%s\":", name);
    json_write_string(out, value);
}

static void put_mail(struct buf *out, const struct sns_mail *m)
{
    static const char *const states[] = {"local", "pending", "sent", "failed"};
    buf_printf(out, "{\"id\":%lld,\"at_ms\":%lld", (long long)m->id, (long long)m->at_us / 1000);
    put_text(out, "account", m->account);
    put_text(out, "region", m->region);
    put_text(out, "topic_arn", m->topic_arn);
    put_text(out, "protocol", m->protocol);
    put_text(out, "to", m->recipient);
    put_text(out, "from", m->sender);
    put_text(out, "subject", m->subject);
    put_text(out, "body", m->body);
    buf_printf(out, ",\"state\":\"%s\",\"delivered\":%s,\"attempts\":%d", states[m->state],
               m->state == SNS_MAIL_SENT ? "true" : "false", m->attempts);
    if (m->error.len > 0) {
        put_text(out, "error", m->error);
    } else {
        buf_append(out, STR(",\"error\":null"));
    }
    if (m->state == SNS_MAIL_PENDING) {
        buf_printf(out, ",\"next_attempt_ms\":%lld", (long long)m->next_us / 1000);
    }
}

static void respond(struct http_exchange *x, int status, struct buf *body)
{
    struct http_field fields[] = {{STR("Content-Type"), STR("application/json")},
                                  {STR("Cache-Control"), STR("no-store")}};
    http_respond_buf(x, status, fields, COUNT_OF(fields), body);
}

static void respond_error(struct http_exchange *x, int status, const char *code, const char *text)
{
    struct buf body = {0};
    buf_printf(&body, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    json_write_string(&body, str_of(text));
    buf_append(&body, STR("}}"));
    respond(x, status, &body);
    buf_deinit(&body);
}

/* A number in the query; `otherwise` when it is absent. */
static bool number_param(struct http_exchange *x, const char *name, i64 otherwise, i64 *out)
{
    str text;
    bool found;
    *out = otherwise;
    if (http_param(http_arena(x), http_query(x), str_of(name), &text, &found) != OK) {
        return false;
    }
    return !found || text.len == 0 || (str_to_i64(text, out) == OK && *out >= 0);
}

static void list(struct http_exchange *x, struct sns_store *store)
{
    struct sns_mail_page page = {0};
    i64 limit;
    bool found;
    if (!number_param(x, "limit", LIST_DEFAULT, &limit) || limit < 1 || limit > LIST_MAX ||
        !number_param(x, "after", 0, &page.before) ||
        http_param(http_arena(x), http_query(x), STR("region"), &page.region, &found) != OK) {
        respond_error(x, 400, "InvalidParameter", "limit is 1 to 500, after the id of a mail");
        return;
    }
    page.max = (i32)limit;
    struct sns_mail *items = NULL;
    isize count = 0;
    err e = store == NULL ? OK : sns_mail_list(store, &page, http_arena(x), &items, &count);
    if (e != OK) {
        respond_error(x, 500, err_name(e), err_text(e));
        return;
    }
    struct buf body = {0};
    buf_append(&body, STR("{\"messages\":["));
    for (isize i = 0; i < count; i++) {
        buf_append(&body, i > 0 ? STR(",") : STR_EMPTY);
        put_mail(&body, &items[i]);
        buf_append_byte(&body, '}');
    }
    buf_append(&body, STR("]}"));
    respond(x, 200, &body);
    buf_deinit(&body);
}

static void one(struct http_exchange *x, struct sns_store *store)
{
    str path = http_path(x);
    i64 id;
    struct sns_mail mail;
    err e = str_to_i64(str_slice(path, str_rfind_byte(path, '/') + 1, path.len), &id);
    if (e == OK) {
        e = store == NULL ? ERR_NOT_FOUND : sns_mail_find(store, id, http_arena(x), &mail);
    }
    if (e != OK) {
        bool is_absent = e == ERR_NOT_FOUND || e == ERR_SYNTAX;
        respond_error(x, is_absent ? 404 : 500, "NotFound", "there is no such mail in the inbox");
        return;
    }
    struct buf body = {0};
    put_mail(&body, &mail);
    put_text(&body, "raw", mail.raw);
    buf_append_byte(&body, '}');
    respond(x, 200, &body);
    buf_deinit(&body);
}

/* The certificate of the signatures, when it is the one asked for. */
static void certificate(struct http_exchange *x, void *ctx)
{
    struct sns *sns = ctx;
    str path = http_path(x), name = str_slice(path, str_rfind_byte(path, '/') + 1, path.len);
    struct os_stat stat;
    struct sns_signer *signer = NULL;
    struct diag diag;
    diag_init(&diag);
    err e = os_stat_path(sns->os, sns->dir, &stat);
    e = e == OK ? sns__signer_open(sns, &signer, &diag) : e;
    if (e != OK || !str_eq(name, sns_signer_name(signer))) {
        respond_error(x, 404, "NotFound", "there is no such certificate");
        return;
    }
    struct http_field fields[] = {{STR("Content-Type"), STR("application/x-pem-file")}};
    http_respond(x, 200, fields, COUNT_OF(fields), sns_signer_certificate(signer));
}

void sns__handle_certificate(struct http_exchange *x, void *service)
{
    http_run_blocking(x, certificate, service);
}

static void work(struct http_exchange *x, void *ctx)
{
    const struct inbox_call *call = ctx;
    struct sns_store *store = NULL;
    struct os_stat stat;
    struct diag diag;
    diag_init(&diag);
    /* Looking does not create anything. */
    err e = os_stat_path(call->sns->os, call->sns->dir, &stat) == OK
                ? sns__store_open(call->sns, &store, &diag)
                : OK;
    if (e != OK) {
        respond_error(x, 500, "InternalError", diag.message);
    } else if (call->is_one) {
        one(x, store);
    } else {
        list(x, store);
    }
}

static void handle(struct http_exchange *x, struct sns *sns, bool is_one)
{
    struct inbox_call *call = ARENA_NEW(http_arena(x), struct inbox_call);
    *call = (struct inbox_call){sns, is_one};
    http_run_blocking(x, work, call);
}

void sns__handle_inbox(struct http_exchange *x, void *service)
{
    handle(x, service, false);
}

void sns__handle_inbox_one(struct http_exchange *x, void *service)
{
    handle(x, service, true);
}
