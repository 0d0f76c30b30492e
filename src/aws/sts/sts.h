/*
 * aws/sts/sts.h: AWS STS: GetCallerIdentity, which tells a client which account it
 * works in. No state.
 */
#ifndef AWS_STS_H
#define AWS_STS_H

#include "aws/common/service.h"

extern const struct aws_service sts_service;

#endif
