/* aws/kinesis/kinesis.h: Amazon Kinesis Data Streams, JSON 1.1, over stream/. What it supports and
 * where it differs from AWS: docs/services/kinesis.md. */
#ifndef AWS_KINESIS_KINESIS_H
#define AWS_KINESIS_KINESIS_H

#include "aws/common/service.h"

extern const struct aws_service kinesis_service;

#endif
