/*
 * aws/cloudwatch/cloudwatch.h: AWS CloudWatch's metrics: put, read, list. Alarms,
 * dashboards and the like are answered with an error that names them.
 */
#ifndef AWS_CLOUDWATCH_H
#define AWS_CLOUDWATCH_H

#include "aws/common/service.h"

extern const struct aws_service cloudwatch_service;

#endif
