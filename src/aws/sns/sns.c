/* aws/sns/sns.c: the service. */
#include "aws/sns/sns_int.h"

#include "aws/common/names.h"
#include "aws/common/stage.h"
#include "base/metric.h"
#include "net/smtp.h"

#include <stdio.h>

#define MAIL_FROM_DEFAULT "no-reply@sns.leat.localhost"

str sns__uuid(struct sns *sns, struct arena *arena)
{
    char uuid[AWS_UUID_BYTES];
    aws_uuid(sns->os, uuid);
    return arena_copy(arena, str_of(uuid));
}

/* --- the store ----------------------------------------------------------------------------- */

err sns__store_open(struct sns *sns, struct sns_store **out, struct diag *diag)
{
    os_mutex_lock(&sns->lock);
    err e = OK;
    if (sns->store == NULL) {
        e = sns_store_open(sns->os, sns->dir, &sns->store, diag);
    }
    *out = sns->store;
    os_mutex_unlock(&sns->lock);
    return e;
}

err sns__signer_open(struct sns *sns, struct sns_signer **out, struct diag *diag)
{
    os_mutex_lock(&sns->lock);
    err e = OK;
    if (sns->signer == NULL) {
        e = sns_signer_open(sns->os, sns->dir, &sns->signer, diag);
    }
    *out = sns->signer;
    os_mutex_unlock(&sns->lock);
    return e;
}

bool sns__store(struct query_call *call, struct sns_store **out)
{
    struct diag diag;
    diag_init(&diag);
    err e = sns__store_open(call->service, out, &diag);
    if (e != OK) {
        query_fail(call, 500, "InternalError", "%s", diag.message);
    }
    return e == OK;
}

/* --- metrics ------------------------------------------------------------------------------- */

static void collect_mails(struct metric_snapshot *snapshot, struct sns *sns)
{
    static const struct metric_family family = {METRIC_GAUGE, "leat_sns_mails",
                                                "Mails in the inbox by state."};
    struct sns_mail_counts counts = {0};
    os_mutex_lock(&sns->lock);
    struct sns_store *store = sns->store;
    os_mutex_unlock(&sns->lock);
    if (store == NULL || sns_mail_count(store, &counts) != OK) {
        return;
    }
    const struct {
        const char *name;
        u64 value;
    } states[] = {
        {"local", counts.total - counts.pending - counts.sent - counts.failed},
        {"pending", counts.pending},
        {"sent", counts.sent},
        {"failed", counts.failed},
    };
    for (int i = 0; i < COUNT_OF(states); i++) {
        struct metric_label label = {"state", str_of(states[i].name)};
        metric_sample(snapshot, &family, &label, 1, (double)states[i].value);
    }
}

static void collect(struct metric_snapshot *snapshot, void *ctx)
{
    static const struct metric_family published = {METRIC_COUNTER, "leat_sns_messages_total",
                                                   "Messages published."};
    static const struct metric_family attempts = {METRIC_COUNTER, "leat_sns_mail_attempts_total",
                                                  "Attempts to send a mail by outcome."};
    struct sns *sns = ctx;
    metric_sample(snapshot, &published, NULL, 0, (double)metric_load(&sns->published));
    const struct {
        const char *name;
        const u64 *value;
    } outcomes[] = {
        {"sent", &sns->delivered}, {"refused", &sns->refused}, {"retry", &sns->retried}};
    for (int i = 0; i < COUNT_OF(outcomes); i++) {
        struct metric_label label = {"outcome", str_of(outcomes[i].name)};
        metric_sample(snapshot, &attempts, &label, 1, (double)metric_load(outcomes[i].value));
    }
    collect_mails(snapshot, sns);
}

/* --- the service --------------------------------------------------------------------------- */

static err settings_check(const struct aws_env *env, struct diag *diag)
{
    if (env->smtp_url != NULL) {
        TRY(smtp_url_check(env->smtp_url, diag));
    }
    if (env->mail_from != NULL && !sns_mail_is_address(str_of(env->mail_from))) {
        (void)diag_set(diag, ERR_INVALID, "SNS002", "\"%s\" is no mail address", env->mail_from);
        diag_hint(diag, "LEAT_SMTP_FROM is one address such as alerts@example.com");
        return ERR_INVALID;
    }
    return OK;
}

static err sns_open(const struct aws_env *env, void **out, struct diag *diag)
{
    TRY(settings_check(env, diag));
    struct sns *sns = NEW(struct sns);
    sns->os = env->os;
    sns->endpoint = env->endpoint;
    sns->smtp_url = env->smtp_url;
    sns->mail_from = env->mail_from != NULL ? env->mail_from : MAIL_FROM_DEFAULT;
    (void)snprintf(sns->dir, sizeof sns->dir, "%s/sns", env->data_dir);
    os_mutex_init(&sns->lock);
    os_cond_init(&sns->wake);
    metric_register(collect, sns);
    sns__delivery_start(sns);
    *out = sns;
    return OK;
}

static void sns_close(void *service)
{
    struct sns *sns = service;
    sns__delivery_stop(sns);
    metric_unregister(collect, sns);
    sns_signer_close(sns->signer);
    sns_store_close(sns->store);
    os_cond_deinit(&sns->wake);
    os_mutex_deinit(&sns->lock);
    mem_free(sns);
}

static err sns_stage(void *ctx, const char *dir, struct diag *diag)
{
    struct sns *sns = ctx;
    struct sns_store *store;
    if (!aws_stage_is_needed(sns->os, sns->dir)) {
        return OK;
    }
    TRY(sns__store_open(sns, &store, diag));
    return aws_stage(sns->os, sns->dir, "sns", dir, sns_store_database(store), NULL, NULL);
}

static err sns_reset(void *service)
{
    struct sns_store *store;
    struct diag diag;
    diag_init(&diag);
    TRY(sns__store_open(service, &store, &diag));
    return sns_store_reset(store);
}

static const struct query_operation operations[] = {
    {"CreateTopic", sns__create_topic, false},
    {"DeleteTopic", sns__delete_topic, false},
    {"ListTopics", sns__list_topics, false},
    {"GetTopicAttributes", sns__get_topic_attributes, false},
    {"SetTopicAttributes", sns__set_topic_attributes, false},
    {"TagResource", sns__tag_resource, true},
    {"UntagResource", sns__untag_resource, true},
    {"ListTagsForResource", sns__list_tags, false},
    {"Subscribe", sns__subscribe, false},
    {"ConfirmSubscription", sns__confirm, false},
    {"Unsubscribe", sns__unsubscribe, false},
    {"ListSubscriptions", sns__list_subscriptions, false},
    {"ListSubscriptionsByTopic", sns__list_subscriptions_by_topic, false},
    {"GetSubscriptionAttributes", sns__get_subscription_attributes, false},
    {"SetSubscriptionAttributes", sns__set_subscription_attributes, false},
    {"Publish", sns__publish, false},
    {"PublishBatch", sns__publish_batch, false},
};
static const struct query_api api = {
    "SNS",
    "http://sns.amazonaws.com/doc/2010-03-31/",
    operations,
    COUNT_OF(operations),
};

static void sns_handle(struct aws_request *request)
{
    query_handle(request, &api);
}

static const char *const scopes[] = {"sns", NULL};
static const char *const versions[] = {"2010-03-31", NULL};
static const char *const public_actions[] = {"ConfirmSubscription", "Unsubscribe", NULL};
static const struct aws_service_route routes[] = {
    {"GET", "/_aws/sns/inbox", sns__handle_inbox},
    {"GET", "/_aws/sns/inbox/", sns__handle_inbox_one},
    {"GET", "/_aws/sns/certificate/", sns__handle_certificate},
    {NULL, NULL, NULL},
};

const struct aws_service sns_service = {
    .name = "sns",
    .scopes = scopes,
    .query_versions = versions,
    .open = sns_open,
    .close = sns_close,
    .handle = sns_handle,
    .stage = sns_stage,
    .reset = sns_reset,
    .routes = routes,
    .public_actions = public_actions,
};
