/*
 * aws/sns/sns.h: AWS SNS: topics, subscriptions by mail, publishing. Every mail
 * lies in the local inbox; with env.smtp_url it is sent too, by a thread of its own.
 */
#ifndef AWS_SNS_H
#define AWS_SNS_H

#include "aws/common/service.h"

extern const struct aws_service sns_service;

#endif
