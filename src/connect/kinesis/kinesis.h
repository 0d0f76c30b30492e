/* connect/kinesis/kinesis.h: streams of this leat as tables: docs/connectors/kinesis.md. Flink's
 * option sets of connector 4.x ('stream') and 5.x ('stream.arn') are both understood. */
#ifndef CONNECT_KINESIS_KINESIS_H
#define CONNECT_KINESIS_KINESIS_H

#include "connect/connect.h"

extern const struct connector connect_kinesis;

#endif
