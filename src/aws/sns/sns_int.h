/* aws/sns/sns_int.h: shared by the operations of SNS. */
#ifndef AWS_SNS_INT_H
#define AWS_SNS_INT_H

#include "aws/common/query.h"
#include "aws/sns/sns.h"
#include "aws/sns/sns_mail.h"
#include "aws/sns/sns_sign.h"
#include "aws/sns/sns_store.h"
#include "os/thread.h"

enum {
    SNS_MESSAGE_BYTES_MAX = 262144, /* With attributes, and of a whole batch. */
    SNS_SUBJECT_CHARACTERS_MAX = 100,
    SNS_PAGE = 100,
    SNS_TAGS_MAX = 50,
    SNS_BATCH_MAX = 10,
    SNS_NAME_MAX = 256,
    SNS_ATTRIBUTES_MAX = 10, /* Of a message. */
};

struct sns {
    struct os *os;
    char dir[1024];
    const char *endpoint;    /* Of the server, for links. */
    const char *smtp_url;    /* NULL: the inbox only. */
    const char *mail_from;   /* Address. */
    struct os_mutex lock;    /* Guards what follows; never held over a call of the store. */
    struct sns_store *store; /* NULL until the first use; then it stays. So does the next. */
    struct sns_signer *signer;
    struct os_cond wake; /* Of the delivery. */
    struct os_thread thread;
    bool is_delivering, is_stopping, has_news;
    u64 published, delivered, refused, retried; /* Atomic. */
};

/* --- the service (sns.c) ------------------------------------------------------------------- */

/* Opens the store at the first use. */
MUST_USE err sns__store_open(struct sns *sns, struct sns_store **out, struct diag *diag);
MUST_USE err sns__signer_open(struct sns *sns, struct sns_signer **out, struct diag *diag);
/* The same for a call; false when the call has failed. */
bool sns__store(struct query_call *call, struct sns_store **out);

/* --- input (sns_input.c); all return false when the call has failed ------------------------ */

/* Text member that must be there and not be empty. */
bool sns__required(struct query_call *call, const struct json_value *object, const char *name,
                   str *out);
struct sns_arn {
    struct sns_scope scope;
    str topic;
    str uuid; /* Empty for a topic. */
};
/* An ARN of the caller's account and region: of a topic, or of a subscription when asked for. An
 * unsigned call acts in what its ARN names. */
bool sns__arn(struct query_call *call, const char *name, bool is_subscription, struct sns_arn *out);
bool sns__topic(struct query_call *call, struct sns_store *store, const struct sns_arn *arn,
                struct sns_topic *out);
bool sns__page(struct query_call *call, struct sns_page *out);
void sns__put_next_token(struct query_call *call, i64 id);
struct sns_scope sns__scope(const struct query_call *call);
str sns__topic_arn(struct arena *arena, struct sns_scope scope, str topic);
str sns__subscription_arn(struct arena *arena, struct sns_scope scope,
                          const struct sns_subscription *subscription);
/* "Invalid parameter: ..." */
void sns__fail(struct query_call *call, const char *format, ...) PRINTF(2, 3);

/* Lists of pairs as the store keeps them: "name\0value\0"... */
bool sns__pairs_next(str *rest, str *name_out, str *value_out);
/* Value of a name; false when there is none. */
bool sns__pairs_get(str pairs, str name, str *value_out);
/* Sets, or removes when `value` is NULL; keeps the order. */
str sns__pairs_set(struct arena *arena, str pairs, str name, const str *value);

/* --- mails (sns_delivery.c) ---------------------------------------------------------------- */

/* Mails one notice to each subscription, all or none. `messages` may be NULL; else it holds a text
 * for some protocols beside "default". */
struct sns_mailing {
    struct sns_notice notice;
    struct sns_scope scope;
    const struct json_value *messages;
    const struct sns_subscription *subscriptions;
    isize count;
};
MUST_USE err sns__mail(struct sns *sns, struct sns_store *store, const struct sns_mailing *mailing);
void sns__delivery_start(struct sns *sns);
void sns__delivery_stop(struct sns *sns);

/* --- operations ---------------------------------------------------------------------------- */

void sns__create_topic(struct query_call *call);
void sns__delete_topic(struct query_call *call);
void sns__list_topics(struct query_call *call);
void sns__get_topic_attributes(struct query_call *call);
void sns__set_topic_attributes(struct query_call *call);
void sns__tag_resource(struct query_call *call);
void sns__untag_resource(struct query_call *call);
void sns__list_tags(struct query_call *call);
void sns__subscribe(struct query_call *call);
void sns__confirm(struct query_call *call);
void sns__unsubscribe(struct query_call *call);
void sns__list_subscriptions(struct query_call *call);
void sns__list_subscriptions_by_topic(struct query_call *call);
void sns__get_subscription_attributes(struct query_call *call);
void sns__set_subscription_attributes(struct query_call *call);
void sns__publish(struct query_call *call);
void sns__publish_batch(struct query_call *call);
void sns__handle_inbox(struct http_exchange *x, void *service);
void sns__handle_certificate(struct http_exchange *x, void *service);
void sns__handle_inbox_one(struct http_exchange *x, void *service);

/* A UUID in the arena. */
str sns__uuid(struct sns *sns, struct arena *arena);

#endif
