/* connect/sns/sns.h: rows as messages of a topic: docs/connectors/sns.md. */
#ifndef CONNECT_SNS_SNS_H
#define CONNECT_SNS_SNS_H

#include "connect/sink.h"

extern const struct connector connect_sns;

#endif
