/* connect/kinesis/kinesis.h: streams of this leat as tables: docs/connectors/kinesis.md. Flink's
 * option sets of connector 4.x ('stream') and 5.x ('stream.arn') are both understood. */
#ifndef CONNECT_KINESIS_KINESIS_H
#define CONNECT_KINESIS_KINESIS_H

#include "connect/connect.h"

extern const struct connector connect_kinesis;

enum kinesis_start { KINESIS_LATEST, KINESIS_TRIM_HORIZON, KINESIS_AT_TIMESTAMP };
enum kinesis_on_error { KINESIS_DEAD_LETTER, KINESIS_FAIL, KINESIS_NULL };
enum kinesis_partitioner { KINESIS_PARTITION_RANDOM, KINESIS_PARTITION_FIXED };

struct kinesis_table {
    str stream, region; /* region empty: the session's. */
    enum kinesis_start start;
    i64 start_ms; /* KINESIS_AT_TIMESTAMP */
    enum kinesis_on_error on_error;
    enum kinesis_partitioner partitioner;
    str delimiter; /* Between partition key fields. */
    bool is_iso_timestamps, ignores_parse_errors, fails_on_missing_field;
    bool ignores_null_fields, is_decimal_plain;
};
/* Reads options that connect_check has accepted. */
void kinesis_table_read(const struct connect_table *table, struct kinesis_table *out);

#endif
