/*
 * aws/kinesis/kinesis_meters.h: what this service measures for CloudWatch, as AWS does, in
 * namespace AWS/Kinesis. Values add up in memory by minute, stream, shard (only for the
 * shard-level metrics that the stream asks for) and consumer; a thread puts them when the
 * minute is over, or a reader of CloudWatch has them put at once. Idle streams cost nothing.
 * What a crash catches in memory is lost, at most a minute.
 *
 * Names, units and dimensions: "Monitoring the Amazon Kinesis Data Streams Service with Amazon
 * CloudWatch" in AWS's developer guide.
 */
#ifndef AWS_KINESIS_METERS_H
#define AWS_KINESIS_METERS_H

#include "aws/common/metrics.h"
#include "os/os.h"
#include "stream/stream.h"

/* Of a stream. */
enum stream_meter {
    METER_INCOMING_BYTES,
    METER_INCOMING_RECORDS,
    METER_GET_BYTES,
    METER_GET_RECORDS,
    METER_GET_SUCCESS,
    METER_GET_LATENCY,
    METER_GET_AGE,
    METER_PUT_BYTES,
    METER_PUT_SUCCESS,
    METER_PUT_LATENCY,
    METER_PUTS_BYTES,
    METER_PUTS_SUCCESS,
    METER_PUTS_LATENCY,
    METER_PUTS_TOTAL,
    METER_PUTS_SUCCESSFUL,
    METER_PUTS_FAILED,
    METER_PUTS_THROTTLED,
    METER_READ_EXCEEDED,
    METER_WRITE_EXCEEDED,
    STREAM_METERS,
};
/* Of a shard: in the order of the bits of STREAM_METRICS_ALL. */
enum shard_meter {
    METER_SHARD_INCOMING_BYTES,
    METER_SHARD_INCOMING_RECORDS,
    METER_SHARD_OUTGOING_BYTES,
    METER_SHARD_OUTGOING_RECORDS,
    METER_SHARD_WRITE_EXCEEDED,
    METER_SHARD_READ_EXCEEDED,
    METER_SHARD_AGE,
    SHARD_METERS,
};
/* Of a consumer. */
enum consumer_meter {
    METER_SUBSCRIBE_SUCCESS,
    METER_SUBSCRIBE_EXCEEDED,
    METER_EVENT_SUCCESS,
    METER_EVENT_BYTES,
    METER_EVENT_RECORDS,
    METER_EVENT_BEHIND,
    CONSUMER_METERS,
};

struct measure {
    int meter; /* Of the enumeration that belongs to the function. */
    double value;
};

struct meters;
/* Begins to count what is put into `streams`; `metrics` must outlive it. */
struct meters *kinesis__meters_new(struct os *os, struct streams *streams,
                                   struct aws_metrics *metrics);
/* Puts what there is and ends the thread; what is measured later is dropped. */
void kinesis__meters_stop(struct meters *meters);
void kinesis__meters_free(struct meters *meters);
/* Forgets what is not put yet. */
void kinesis__meters_reset(struct meters *meters);

/* Any thread. */
void kinesis__measure_stream(struct meters *meters, const struct stream_info *info,
                             const struct measure *measures, isize count);
/* Leaves out what the stream does not ask for. */
void kinesis__measure_shard(struct meters *meters, const struct stream_info *info, u32 shard,
                            const struct measure *measures, isize count);
void kinesis__measure_consumer(struct meters *meters, const struct stream_info *info, str consumer,
                               const struct measure *measures, isize count);

#endif
