/*
 * aws/sns/sns_mail.h: what is mailed: confirmation and notification, as text
 * (protocol email) or as AWS's JSON document (email-json), in a complete RFC 5322
 * message. Nothing that a publisher controls can add a header or end the message.
 */
#ifndef AWS_SNS_MAIL_H
#define AWS_SNS_MAIL_H

#include "base/arena.h"
#include "base/buf.h"

struct sns_notice {
    str type; /* "Notification" or "SubscriptionConfirmation". */
    str message_id;
    str topic_arn;
    str subject; /* May be empty. */
    str message;
    i64 at_us;
    str token;           /* Confirmation. */
    str subscribe_url;   /* Confirmation. */
    str unsubscribe_url; /* Notification. */
    str attributes;      /* MessageAttributes as a JSON object; empty = none. */
    str display_name;    /* Of the topic; empty = AWS's. */
    str signature;       /* Of the JSON document; with the certificate's address. */
    str certificate_url;
};

/* Body of the mail for the protocol, without headers. */
void sns_mail_body(const struct sns_notice *notice, str protocol, struct buf *out);
/* Subject line for people: the subject given, or AWS's own. */
str sns_mail_subject(const struct sns_notice *notice);
/* The whole message, lines ended by CRLF, headers encoded (RFC 2047) and folded, body
 * quoted-printable in UTF-8. */
void sns_mail_message(const struct sns_notice *notice, str sender, str recipient, str body,
                      struct buf *out);
/* One mailbox: a local part and a domain, no blanks, controls, commas or angle brackets. */
bool sns_mail_is_address(str text);

#endif
