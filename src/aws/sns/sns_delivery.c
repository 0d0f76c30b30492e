/*
 * aws/sns/sns_delivery.c: mails from the notice to the SMTP server. A mail is
 * durable in the outbox before anything is acknowledged. One thread sends what is
 * due, oldest first; a server that cannot be reached holds up the whole queue with
 * growing pauses, a mail that it refuses for now only that mail.
 */
#include "aws/sns/sns_int.h"

#include "base/metric.h"
#include "base/trace.h"
#include "net/smtp.h"

enum { PAUSE_S_MAX = 1800, PAUSE_DOUBLINGS_MAX = 11, WAIT_MS_MAX = 60000, RETRY_STORE_MS = 5000 };

/* --- from a notice to mails ---------------------------------------------------------------- */

struct mailing_state {
    struct sns *sns;
    const struct sns_mailing *mailing;
    isize next;
    struct arena arena; /* Of the current mail. */
    struct buf body, raw;
};

/* The text for a protocol when the publisher gave several. */
static str message_for(const struct sns_mailing *mailing, str protocol)
{
    const struct json_value *own = json_get(mailing->messages, protocol);
    if (json_kind(own) == JSON_STRING) {
        return json_text(own);
    }
    return mailing->messages != NULL ? json_get_text(mailing->messages, STR("default"))
                                     : mailing->notice.message;
}

static bool mail_next(void *ctx, struct sns_mail *out)
{
    struct mailing_state *state = ctx;
    const struct sns_mailing *mailing = state->mailing;
    struct sns *sns = state->sns;
    if (state->next == mailing->count) {
        return false;
    }
    const struct sns_subscription *s = &mailing->subscriptions[state->next++];
    arena_reset(&state->arena);
    buf_reset(&state->body);
    buf_reset(&state->raw);
    struct sns_notice notice = mailing->notice;
    if (notice.token.len == 0) {
        notice.message = message_for(mailing, s->protocol);
        notice.unsubscribe_url = arena_printf(
            &state->arena, "%s/?Action=Unsubscribe&SubscriptionArn=" STR_FMT, sns->endpoint,
            STR_ARG(sns__subscription_arn(&state->arena, mailing->scope, s)));
    }
    sns_mail_body(&notice, s->protocol, &state->body);
    sns_mail_message(&notice, str_of(sns->mail_from), s->endpoint, buf_str(&state->body),
                     &state->raw);
    *out = (struct sns_mail){
        .at_us = notice.at_us,
        .account = mailing->scope.account,
        .region = mailing->scope.region,
        .topic_arn = notice.topic_arn,
        .protocol = s->protocol,
        .sender = str_of(sns->mail_from),
        .recipient = s->endpoint,
        .subject = sns_mail_subject(&notice),
        .body = buf_str(&state->body),
        .raw = buf_str(&state->raw),
        .state = sns->smtp_url != NULL ? SNS_MAIL_PENDING : SNS_MAIL_LOCAL,
    };
    return true;
}

static err mails_add(struct sns *sns, struct sns_store *store, const struct sns_mailing *mailing)
{
    struct mailing_state state = {.sns = sns, .mailing = mailing};
    struct sns_mail_source source = {mail_next, &state};
    err e = sns_mail_add(store, &source);
    arena_deinit(&state.arena);
    buf_deinit(&state.body);
    buf_deinit(&state.raw);
    if (e == OK && sns->smtp_url != NULL) {
        os_mutex_lock(&sns->lock);
        sns->has_news = true;
        os_cond_signal(&sns->wake);
        os_mutex_unlock(&sns->lock);
    }
    return e;
}

/* One signature holds for all JSON documents of a mailing. */
static err sign(struct sns *sns, struct sns_mailing *mailing, struct arena *arena)
{
    const str json = STR("email-json");
    bool is_needed = false;
    for (isize i = 0; i < mailing->count && !is_needed; i++) {
        is_needed = str_eq(mailing->subscriptions[i].protocol, json);
    }
    if (!is_needed) {
        return OK;
    }
    struct sns_signer *signer;
    struct diag diag;
    diag_init(&diag);
    err e = sns__signer_open(sns, &signer, &diag);
    if (e != OK) {
        trace(TRACE_ERROR, "sns", "cannot sign", T_STR("error", str_of(diag.message)));
        return e;
    }
    struct sns_notice notice = mailing->notice;
    if (notice.token.len == 0) {
        notice.message = message_for(mailing, json);
    }
    mailing->notice.signature = sns_signer_sign(signer, &notice, arena);
    mailing->notice.certificate_url = arena_printf(arena, "%s/_aws/sns/certificate/" STR_FMT,
                                                   sns->endpoint, STR_ARG(sns_signer_name(signer)));
    return OK;
}

err sns__mail(struct sns *sns, struct sns_store *store, const struct sns_mailing *wanted)
{
    if (wanted->count == 0) {
        return OK;
    }
    struct arena arena = {0};
    struct sns_mailing mailing = *wanted;
    err e = sign(sns, &mailing, &arena);
    if (e == OK) {
        e = mails_add(sns, store, &mailing);
    }
    arena_deinit(&arena);
    return e;
}
/* --- sending ------------------------------------------------------------------------------- */

struct delivery {
    struct sns *sns;
    struct sns_store *store;
    struct smtp_client *client;
    i64 not_before_us; /* The server is left alone until then. */
    i32 failures;      /* Of the server, in a row. */
};

/* 1 s, 2 s, 4 s ... half an hour. */
static i64 pause_us(i32 attempts)
{
    i64 seconds = (i64)1 << MIN(MAX(attempts, 0), (i32)PAUSE_DOUBLINGS_MAX);
    return MIN(seconds, (i64)PAUSE_S_MAX) * 1000000;
}

static err mail_try(struct delivery *d, const struct sns_mail *mail, struct arena *arena,
                    struct diag *diag)
{
    struct smtp_message message = {arena_cstr(arena, mail->sender),
                                   arena_cstr(arena, mail->recipient), mail->raw};
    return smtp_send(d->client, &message, diag);
}

static void say(const struct sns_mail *mail, enum trace_level level, const char *what,
                const char *why)
{
    trace(level, "sns", what, T_INT("mail", mail->id), T_STR("to", mail->recipient),
          T_INT("attempt", mail->attempts + 1), T_STR("error", str_of(why)));
}

/* What became of an attempt, for the store. */
static err mail_settle(struct delivery *d, const struct sns_mail *mail, err e,
                       const struct diag *diag)
{
    struct sns *sns = d->sns;
    i64 now_us = os_wall_us(sns->os);
    if (e == OK) {
        d->failures = 0;
        metric_add(&sns->delivered, 1);
        return sns_mail_done(d->store, mail->id, SNS_MAIL_SENT, now_us, STR_EMPTY);
    }
    bool is_too_old = now_us - mail->at_us > (i64)SNS_MAIL_DAYS * 86400 * 1000000;
    if (e == ERR_DENIED || is_too_old) {
        d->failures = 0;
        metric_add(&sns->refused, 1);
        say(mail, TRACE_WARN, "mail given up", diag->message);
        return sns_mail_done(d->store, mail->id, SNS_MAIL_FAILED, now_us, str_of(diag->message));
    }
    metric_add(&sns->retried, 1);
    say(mail, TRACE_WARN, "mail delayed", diag->message);
    i64 next_us = now_us + pause_us(mail->attempts);
    if (e != ERR_AGAIN) {
        d->not_before_us = now_us + pause_us(d->failures++);
        next_us = d->not_before_us;
    }
    return sns_mail_done(d->store, mail->id, SNS_MAIL_PENDING, next_us, str_of(diag->message));
}

/* Sends one mail if one is due. Returns how long there is nothing to do. */
static u32 deliver_one(struct delivery *d)
{
    struct arena arena = {0};
    struct sns_mail mail;
    i64 now_us = os_wall_us(d->sns->os), next_us;
    if (now_us < d->not_before_us) {
        return (u32)MIN((d->not_before_us - now_us) / 1000 + 1, (i64)WAIT_MS_MAX);
    }
    err e = sns_mail_due(d->store, now_us, &arena, &mail, &next_us);
    u32 wait_ms = 0;
    if (e == OK) {
        struct diag diag;
        diag_init(&diag);
        e = mail_try(d, &mail, &arena, &diag);
        wait_ms = mail_settle(d, &mail, e, &diag) == OK ? 0 : RETRY_STORE_MS;
    } else if (e == ERR_END) {
        i64 left_ms = next_us == INT64_MAX ? WAIT_MS_MAX : (next_us - now_us) / 1000 + 1;
        wait_ms = (u32)MIN(left_ms, (i64)WAIT_MS_MAX);
    } else {
        wait_ms = RETRY_STORE_MS;
    }
    arena_deinit(&arena);
    return wait_ms;
}

/* --- the thread ---------------------------------------------------------------------------- */

/* Mails of an earlier run wait in a file that is there; without it nothing is opened. */
static bool store_is_there(struct delivery *d)
{
    struct sns *sns = d->sns;
    struct os_stat stat;
    os_mutex_lock(&sns->lock);
    bool is_open = sns->store != NULL;
    os_mutex_unlock(&sns->lock);
    if (!is_open && os_stat_path(sns->os, sns->dir, &stat) != OK) {
        return false;
    }
    struct diag diag;
    diag_init(&diag);
    if (sns__store_open(sns, &d->store, &diag) != OK) {
        trace(TRACE_ERROR, "sns", "mails cannot be sent", T_STR("error", str_of(diag.message)));
        return false;
    }
    return true;
}

static u32 work(struct delivery *d)
{
    if (d->store == NULL && !store_is_there(d)) {
        return WAIT_MS_MAX;
    }
    if (d->client == NULL) {
        struct arena arena = {0};
        struct sns_mail mail;
        i64 next_us;
        /* libcurl starts with the first mail, not with the server. */
        err e = sns_mail_due(d->store, INT64_MAX, &arena, &mail, &next_us);
        arena_deinit(&arena);
        if (e != OK) {
            return WAIT_MS_MAX;
        }
        d->client = smtp_client_new(d->sns->smtp_url);
    }
    return deliver_one(d);
}

static void run(void *ctx)
{
    struct sns *sns = ctx;
    struct delivery d = {.sns = sns};
    for (;;) {
        os_mutex_lock(&sns->lock);
        sns->has_news = false;
        bool is_stopping = sns->is_stopping;
        os_mutex_unlock(&sns->lock);
        if (is_stopping) {
            break;
        }
        u32 wait_ms = work(&d);
        os_mutex_lock(&sns->lock);
        if (wait_ms > 0 && !sns->has_news && !sns->is_stopping) {
            (void)os_cond_wait_ms(&sns->wake, &sns->lock, wait_ms); /* Looks again in any case. */
        }
        os_mutex_unlock(&sns->lock);
    }
    smtp_client_free(d.client);
}

void sns__delivery_start(struct sns *sns)
{
    if (sns->smtp_url != NULL) {
        sns->is_delivering = true;
        os_thread_start(&sns->thread, "leat-mail", run, sns);
    }
}

void sns__delivery_stop(struct sns *sns)
{
    os_mutex_lock(&sns->lock);
    sns->is_stopping = true;
    os_cond_signal(&sns->wake);
    os_mutex_unlock(&sns->lock);
    if (sns->is_delivering) {
        os_thread_join(&sns->thread);
    }
}
