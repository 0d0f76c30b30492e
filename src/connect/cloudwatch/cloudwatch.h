/* connect/cloudwatch/cloudwatch.h: rows as metrics: docs/connectors/cloudwatch.md. */
#ifndef CONNECT_CLOUDWATCH_CLOUDWATCH_H
#define CONNECT_CLOUDWATCH_CLOUDWATCH_H

#include "connect/sink.h"

extern const struct connector connect_cloudwatch;

#endif
