/*
 * aws/dynamodb/dynamodb.h: Amazon DynamoDB, JSON 1.0 of 2012-08-10
 * (docs/services/dynamodb.md, docs/formats/dynamodb.md).
 */
#ifndef AWS_DYNAMODB_DYNAMODB_H
#define AWS_DYNAMODB_DYNAMODB_H

#include "aws/common/service.h"

extern const struct aws_service dynamodb_service;

#endif
