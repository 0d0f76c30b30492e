/* aws/sns/sns_subscriptions.c: who gets the mails of a topic. */
#include "aws/sns/sns_int.h"

static bool is_true(const struct query_call *call, str name)
{
    return str_eq_nocase(json_get_text(call->input, name), STR("true"));
}

/* --- subscribe ----------------------------------------------------------------------------- */

static bool target_read(struct query_call *call, struct sns_target *out)
{
    static const char *const others[] = {"http",   "https",       "sms",     "sqs",
                                         "lambda", "application", "firehose"};
    if (!sns__required(call, call->input, "Protocol", &out->protocol)) {
        return false;
    }
    str p = out->protocol;
    if (!str_eq(p, STR("email")) && !str_eq(p, STR("email-json"))) {
        for (int i = 0; i < COUNT_OF(others); i++) {
            if (str_eq(p, str_of(others[i]))) {
                sns__fail(call,
                          "Protocol Reason: leat delivers by email and email-json; \"%s\" is "
                          "not supported",
                          others[i]);
                return false;
            }
        }
        sns__fail(call, "Amazon SNS does not support this protocol string: " STR_FMT,
                  STR_ARG(str_slice(p, 0, 64)));
        return false;
    }
    out->endpoint = json_get_text(call->input, STR("Endpoint"));
    if (!sns_mail_is_address(out->endpoint)) {
        sns__fail(call, "Email address");
        return false;
    }
    if (json_count(json_get(call->input, STR("Attributes"))) > 0) {
        sns__fail(
            call,
            "Attributes Reason: leat's subscriptions have none; \"" STR_FMT "\" is not supported",
            STR_ARG(str_slice(
                json_get_text(json_first(json_get(call->input, STR("Attributes"))), STR("key")), 0,
                64)));
        return false;
    }
    return true;
}

static err confirmation_mail(struct query_call *call, struct sns_store *store,
                             const struct sns_topic *topic,
                             const struct sns_subscription *subscription)
{
    struct sns *sns = call->service;
    struct arena *arena = call->arena;
    struct sns_scope scope = sns__scope(call);
    str arn = sns__topic_arn(arena, scope, topic->name);
    struct sns_mailing mailing = {.scope = scope, .subscriptions = subscription, .count = 1};
    mailing.notice = (struct sns_notice){
        .type = STR("SubscriptionConfirmation"),
        .message_id = sns__uuid(sns, arena),
        .topic_arn = arn,
        .message = arena_printf(arena,
                                "You have chosen to subscribe to the topic " STR_FMT
                                ".\nTo confirm the subscription, visit the SubscribeURL included "
                                "in this message.",
                                STR_ARG(arn)),
        .at_us = os_wall_us(sns->os),
        .token = subscription->token,
        .subscribe_url = arena_printf(
            arena, "%s/?Action=ConfirmSubscription&TopicArn=" STR_FMT "&Token=" STR_FMT,
            sns->endpoint, STR_ARG(arn), STR_ARG(subscription->token)),
    };
    IGNORE(sns__pairs_get(topic->attributes, STR("DisplayName"),
                          &mailing.notice.display_name)); /* May be none. */
    return sns__mail(sns, store, &mailing);
}

void sns__subscribe(struct query_call *call)
{
    struct sns_arn arn;
    struct sns_target target = {0};
    struct sns_store *store;
    struct sns_topic topic;
    struct sns_subscription subscription;
    if (!sns__arn(call, "TopicArn", false, &arn) || !target_read(call, &target) ||
        !sns__store(call, &store) || !sns__topic(call, store, &arn, &topic)) {
        return;
    }
    target.topic = arn.topic;
    err e = sns_subscribe(store, arn.scope, &target, call->arena, &subscription);
    if (e == OK && !subscription.is_confirmed) {
        e = confirmation_mail(call, store, &topic, &subscription);
    }
    if (e == ERR_LIMIT) {
        query_fail(call, 403, "SubscriptionLimitExceeded",
                   "a topic has at most %d subscriptions, and %d mails may wait for the mail "
                   "server",
                   SNS_TOPIC_SUBSCRIPTIONS_MAX, SNS_PENDING_MAX);
    } else if (e != OK) {
        query_fail_err(call, e);
    } else {
        bool shows_arn = subscription.is_confirmed || is_true(call, STR("ReturnSubscriptionArn"));
        query_put_text(call, "SubscriptionArn",
                       shows_arn ? sns__subscription_arn(call->arena, arn.scope, &subscription)
                                 : STR("pending confirmation"));
    }
}

/* --- links in mails ------------------------------------------------------------------------ */

void sns__confirm(struct query_call *call)
{
    struct sns_arn arn;
    struct sns_confirmation how = {.is_authenticated = call->request->caller.is_signed};
    struct sns_store *store;
    struct sns_topic topic;
    struct sns_subscription subscription;
    if (!sns__arn(call, "TopicArn", false, &arn) ||
        !sns__required(call, call->input, "Token", &how.token) || !sns__store(call, &store) ||
        !sns__topic(call, store, &arn, &topic)) {
        return;
    }
    how.topic = arn.topic;
    how.needs_signed_unsubscribe =
        how.is_authenticated && is_true(call, STR("AuthenticateOnUnsubscribe"));
    err e = sns_confirm(store, arn.scope, &how, call->arena, &subscription);
    if (e == ERR_NOT_FOUND) {
        sns__fail(call, "Token");
    } else if (e == ERR_TIMEOUT) {
        sns__fail(call, "Token Reason: it has expired; subscribe again for a new one");
    } else if (e != OK) {
        query_fail_err(call, e);
    } else {
        query_put_text(call, "SubscriptionArn",
                       sns__subscription_arn(call->arena, arn.scope, &subscription));
    }
}

/* The subscription that the ARN names. ERR_NOT_FOUND also when its topic is another one. */
static err find(struct query_call *call, struct sns_store *store, const struct sns_arn *arn,
                struct sns_subscription *out)
{
    TRY(sns_subscription_find(store, arn->scope, arn->uuid, call->arena, out));
    return str_eq(out->topic, arn->topic) ? OK : ERR_NOT_FOUND;
}

void sns__unsubscribe(struct query_call *call)
{
    struct sns_arn arn;
    struct sns_store *store;
    struct sns_subscription subscription;
    if (!sns__arn(call, "SubscriptionArn", true, &arn) || !sns__store(call, &store)) {
        return;
    }
    err e = find(call, store, &arn, &subscription);
    if (e == ERR_NOT_FOUND) {
        return; /* As on AWS: what is not there needs no ending. */
    }
    if (e == OK && subscription.needs_signed_unsubscribe && !call->request->caller.is_signed) {
        query_fail(call, 403, "AuthorizationError",
                   "this subscription was confirmed with AuthenticateOnUnsubscribe: only a signed "
                   "request ends it");
        return;
    }
    if (e == OK) {
        e = sns_unsubscribe(store, arn.scope, arn.uuid);
    }
    if (e != OK) {
        query_fail_err(call, e);
    }
}

/* --- lists --------------------------------------------------------------------------------- */

static void subscription_put(struct query_call *call, struct sns_scope scope,
                             const struct sns_subscription *s)
{
    query_open(call, NULL);
    query_put_text(call, "SubscriptionArn",
                   s->is_confirmed ? sns__subscription_arn(call->arena, scope, s)
                                   : STR("PendingConfirmation"));
    query_put_text(call, "Owner", scope.account);
    query_put_text(call, "Protocol", s->protocol);
    query_put_text(call, "Endpoint", s->endpoint);
    query_put_text(call, "TopicArn", sns__topic_arn(call->arena, scope, s->topic));
    query_close(call, NULL);
}

static void list(struct query_call *call, str topic)
{
    struct sns_page page;
    struct sns_store *store;
    struct sns_subscription *items;
    isize count;
    if (!sns__page(call, &page) || !sns__store(call, &store)) {
        return;
    }
    err e = sns_subscription_list(store, &page, topic, call->arena, &items, &count);
    if (e != OK) {
        query_fail_err(call, e);
        return;
    }
    query_open_list(call, "Subscriptions");
    for (isize i = 0; i < MIN(count, (isize)SNS_PAGE); i++) {
        subscription_put(call, page.scope, &items[i]);
    }
    query_close_list(call, "Subscriptions");
    if (count > SNS_PAGE) {
        sns__put_next_token(call, items[SNS_PAGE - 1].id);
    }
}

void sns__list_subscriptions(struct query_call *call)
{
    list(call, STR_EMPTY);
}

void sns__list_subscriptions_by_topic(struct query_call *call)
{
    struct sns_arn arn;
    struct sns_store *store;
    struct sns_topic topic;
    if (sns__arn(call, "TopicArn", false, &arn) && sns__store(call, &store) &&
        sns__topic(call, store, &arn, &topic)) {
        list(call, arn.topic);
    }
}

/* --- attributes ---------------------------------------------------------------------------- */

static bool attributes_find(struct query_call *call, struct sns_arn *arn,
                            struct sns_subscription *out)
{
    struct sns_store *store;
    if (!sns__arn(call, "SubscriptionArn", true, arn) || !sns__store(call, &store)) {
        return false;
    }
    err e = find(call, store, arn, out);
    if (e == ERR_NOT_FOUND) {
        query_fail(call, 404, "NotFound", "Subscription does not exist");
    } else if (e != OK) {
        query_fail_err(call, e);
    }
    return e == OK;
}

void sns__get_subscription_attributes(struct query_call *call)
{
    struct sns_arn arn;
    struct sns_subscription s;
    if (!attributes_find(call, &arn, &s)) {
        return;
    }
    query_open_map(call, "Attributes");
    query_put_entry(call, STR("SubscriptionArn"),
                    sns__subscription_arn(call->arena, arn.scope, &s));
    query_put_entry(call, STR("TopicArn"), sns__topic_arn(call->arena, arn.scope, s.topic));
    query_put_entry(call, STR("Owner"), arn.scope.account);
    query_put_entry(call, STR("Protocol"), s.protocol);
    query_put_entry(call, STR("Endpoint"), s.endpoint);
    query_put_entry(call, STR("PendingConfirmation"), s.is_confirmed ? STR("false") : STR("true"));
    query_put_entry(call, STR("ConfirmationWasAuthenticated"),
                    s.is_authenticated ? STR("true") : STR("false"));
    query_put_entry(call, STR("RawMessageDelivery"), STR("false"));
    query_close_map(call, "Attributes");
}

void sns__set_subscription_attributes(struct query_call *call)
{
    struct sns_arn arn;
    struct sns_subscription s;
    str name, value = json_get_text(call->input, STR("AttributeValue"));
    if (!sns__required(call, call->input, "AttributeName", &name) ||
        !attributes_find(call, &arn, &s)) {
        return;
    }
    bool is_raw = str_eq(name, STR("RawMessageDelivery"));
    if (is_raw && str_eq_nocase(value, STR("false"))) {
        return; /* What it is. */
    }
    if (is_raw) {
        sns__fail(call,
                  "Attributes Reason: Delivery protocol [" STR_FMT
                  "] does not support raw message delivery.",
                  STR_ARG(s.protocol));
        return;
    }
    sns__fail(call, "AttributeName Reason: \"" STR_FMT "\" is not supported by leat",
              STR_ARG(str_slice(name, 0, 64)));
}
