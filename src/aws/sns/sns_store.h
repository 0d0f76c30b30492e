/*
 * aws/sns/sns_store.h: topics, subscriptions and mails, durable in SQLite, without
 * the wire. A mail is a row from the moment it is published: the local inbox shows
 * it, and delivery over SMTP works through the rows that are still to be sent, so
 * that it survives a restart. Any thread; calls block on the disk.
 */
#ifndef AWS_SNS_STORE_H
#define AWS_SNS_STORE_H

#include "base/arena.h"
#include "base/diag.h"
#include "os/os.h"

enum {
    SNS_TOPICS_MAX = 20000, /* Of all accounts and regions. */
    SNS_TOPIC_SUBSCRIPTIONS_MAX = 1000,
    SNS_INBOX_MAX = 10000,   /* Mails kept; the oldest that are done go first. */
    SNS_PENDING_MAX = 20000, /* Mails still to be sent. */
    SNS_MAIL_DAYS = 5,       /* After so long a mail that cannot be sent is given up. */
    SNS_TOKEN_DAYS = 3,      /* Life of a confirmation token. */
};

struct sns_store;
MUST_USE err sns_store_open(struct os *os, const char *dir, struct sns_store **out,
                            struct diag *diag);
void sns_store_close(struct sns_store *store);
/* For aws_stage. */
struct store;
struct store *sns_store_database(struct sns_store *store);
MUST_USE err sns_store_reset(struct sns_store *store);

/* --- topics
 * --------------------------------------------------------------------------------------- */

struct sns_scope {
    str account, region;
};
struct sns_topic {
    i64 id;
    str name;
    str attributes; /* "name\0value\0"... */
    str tags;       /* The same form. */
    i64 created_us;
};
/* Creates, or gives the one that is there. ERR_LIMIT: there are SNS_TOPICS_MAX. */
MUST_USE err sns_topic_create(struct sns_store *store, struct sns_scope scope,
                              const struct sns_topic *wanted, struct arena *arena,
                              struct sns_topic *out);
MUST_USE err sns_topic_find(struct sns_store *store, struct sns_scope scope, str name,
                            struct arena *arena, struct sns_topic *out);
MUST_USE err sns_topic_set(struct sns_store *store, i64 id, str attributes, str tags);
/* With its subscriptions. OK when there is none. */
MUST_USE err sns_topic_delete(struct sns_store *store, struct sns_scope scope, str name);
struct sns_page {
    struct sns_scope scope;
    i64 after; /* Id. */
    i32 max;
};
/* In order of id. */
MUST_USE err sns_topic_list(struct sns_store *store, const struct sns_page *page,
                            struct arena *arena, struct sns_topic **out, isize *count_out);

/* --- subscriptions
 * ---------------------------------------------------------------------------------- */

struct sns_subscription {
    i64 id;
    str uuid;  /* Last part of the ARN. */
    str topic; /* Name. */
    str protocol, endpoint;
    str token; /* Of the confirmation. */
    bool is_confirmed;
    bool is_authenticated;         /* It was confirmed by a signed request. */
    bool needs_signed_unsubscribe; /* So wished at the confirmation. */
    i64 created_us;                /* Of the subscription, or of the last wish for it. */
};
struct sns_target {
    str topic, protocol, endpoint;
};
/* The same target gives the same subscription; an unconfirmed one lives anew. ERR_NOT_FOUND: no
 * such topic. ERR_LIMIT: the topic has SNS_TOPIC_SUBSCRIPTIONS_MAX. */
MUST_USE err sns_subscribe(struct sns_store *store, struct sns_scope scope,
                           const struct sns_target *target, struct arena *arena,
                           struct sns_subscription *out);
struct sns_confirmation {
    str topic, token;
    bool is_authenticated, needs_signed_unsubscribe;
};
/* ERR_NOT_FOUND for an unknown token of this topic, ERR_TIMEOUT when it has expired. A second
 * confirmation changes nothing. */
MUST_USE err sns_confirm(struct sns_store *store, struct sns_scope scope,
                         const struct sns_confirmation *how, struct arena *arena,
                         struct sns_subscription *out);
struct sns_subscription_counts {
    i64 pending, confirmed;
};
MUST_USE err sns_subscription_count(struct sns_store *store, struct sns_scope scope, str topic,
                                    struct sns_subscription_counts *out);
MUST_USE err sns_subscription_find(struct sns_store *store, struct sns_scope scope, str uuid,
                                   struct arena *arena, struct sns_subscription *out);
MUST_USE err sns_unsubscribe(struct sns_store *store, struct sns_scope scope, str uuid);
/* All of the scope, or of one topic when given. */
MUST_USE err sns_subscription_list(struct sns_store *store, const struct sns_page *page, str topic,
                                   struct arena *arena, struct sns_subscription **out,
                                   isize *count_out);

/* --- mails
 * ------------------------------------------------------------------------------------------ */

enum sns_mail_state {
    SNS_MAIL_LOCAL,   /* No SMTP server is set: the inbox is where it stays. */
    SNS_MAIL_PENDING, /* To be sent at next_us. */
    SNS_MAIL_SENT,
    SNS_MAIL_FAILED, /* Refused for good, or given up after SNS_MAIL_DAYS. */
};

struct sns_mail {
    i64 id;
    i64 at_us;
    str account, region;
    str topic_arn, protocol;
    str sender, recipient, subject, body;
    str raw; /* RFC 5322, complete. */
    enum sns_mail_state state;
    i32 attempts;
    i64 next_us;
    str error; /* Of the last attempt. */
};
/* Gives mails one after the other, false at the end; what a mail points to must live until the
 * next call. */
struct sns_mail_source {
    bool (*next)(void *ctx, struct sns_mail *out);
    void *ctx;
};
/* All or none, durable. ERR_LIMIT: SNS_PENDING_MAX mails wait already. */
MUST_USE err sns_mail_add(struct sns_store *store, const struct sns_mail_source *source);
struct sns_mail_page {
    str region; /* Empty = any. */
    i64 before; /* Id; 0 = from the newest. */
    i32 max;
};
/* Newest first, without `raw`. */
MUST_USE err sns_mail_list(struct sns_store *store, const struct sns_mail_page *page,
                           struct arena *arena, struct sns_mail **out, isize *count_out);
MUST_USE err sns_mail_find(struct sns_store *store, i64 id, struct arena *arena,
                           struct sns_mail *out);
/* The pending mail whose time came first; ERR_END when none is due; *next_us_out is then when the
 * next one is (INT64_MAX: none). */
MUST_USE err sns_mail_due(struct sns_store *store, i64 now_us, struct arena *arena,
                          struct sns_mail *out, i64 *next_us_out);
MUST_USE err sns_mail_done(struct sns_store *store, i64 id, enum sns_mail_state state, i64 next_us,
                           str error);
struct sns_mail_counts {
    u64 total, pending, sent, failed;
};
MUST_USE err sns_mail_count(struct sns_store *store, struct sns_mail_counts *out);

#endif
