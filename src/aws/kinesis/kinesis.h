/* aws/kinesis/kinesis.h: Amazon Kinesis Data Streams, JSON 1.1, over stream/. What it supports and
 * where it differs from AWS: docs/services/kinesis.md. */
#ifndef AWS_KINESIS_KINESIS_H
#define AWS_KINESIS_KINESIS_H

#include "aws/common/service.h"

extern const struct aws_service kinesis_service;

/* Errors and delays on purpose, for tests of clients. */
enum { KINESIS_OPERATIONS = 39, KINESIS_FAULT_LATENCY_MS_MAX = 60000 };
struct kinesis_faults {
    bool is_on;
    double rates[KINESIS_OPERATIONS]; /* 0 to 1: so many of the calls fail. */
    u32 latency_low_ms, latency_high_ms;
    u64 seed;
};
/* Reads the options: `rate` "0.05" or "PutRecords=0.1,GetRecords=0.02", `latency` "20" or "10-200";
 * NULL: not given. ERR_INVALID. */
MUST_USE err kinesis_faults_read(const char *rate, const char *latency, u64 seed,
                                 struct kinesis_faults *out, struct diag *diag);

#endif
