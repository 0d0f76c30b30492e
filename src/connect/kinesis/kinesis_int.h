/* connect/kinesis/kinesis_int.h: shared by the files of this connector. */
#ifndef CONNECT_KINESIS_KINESIS_INT_H
#define CONNECT_KINESIS_KINESIS_INT_H

#include "codec/json.h"
#include "connect/common/aws_call.h"
#include "connect/kinesis/kinesis.h"
#include "connect/source.h"

/* Streams of another endpoint. */
extern const struct connect_sink_ops kinesis__remote_sink;
extern const struct connect_source_ops kinesis__remote_source;

/* Name, start and partitioner of the table's stream. */
void kinesis__stream_read(const struct connect_table *table, struct connect_stream *out);
/* A call of Kinesis_20131202.OPERATION with a JSON body. */
enum connect_verdict kinesis__call(struct aws_call *call, const char *operation, str body,
                                   struct arena *arena, const struct json_value **out,
                                   struct diag *diag);

#endif
