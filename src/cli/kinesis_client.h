/* cli/kinesis_client.h: operations of Kinesis, for what leat's own API does not have. */
#ifndef CLI_KINESIS_CLIENT_H
#define CLI_KINESIS_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "codec/json.h"
#include "feed/aws_client.h"

/* Of the endpoint and keys that commands use (cli/api.h); one thread at a time. */
struct aws_client *kinesis_client_new(const char *region);
/* The request of an operation. */
struct aws_client_request kinesis_request(struct arena *arena, const char *operation, str body);
/* Sends and reads the answer, an object; NULL when it is empty. Prints what went wrong and returns
 * an exit code other than 0. */
int kinesis_call(struct aws_client *client, struct arena *arena, const char *operation, str body,
                 const struct json_value **out);
/* Prints an answer that is an error; returns its exit code. */
int kinesis_failed(struct arena *arena, int status, str body);
/* Prints that there is no such stream, and how one is made; returns the exit code. */
int kinesis_no_stream(const char *name, const char *region);
/* ARN of a stream. */
int kinesis_stream_arn(struct aws_client *client, struct arena *arena, const char *name,
                       str *arn_out);

#endif
