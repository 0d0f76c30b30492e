/* cli/api.h: the client side of leat's own HTTP API (docs/api.md). */
#ifndef CLI_API_H
#define CLI_API_H

#include "base/arena.h"
#include "base/diag.h"
#include "cli/options.h"
#include "codec/json.h"
#include "os/os.h"

/* LEAT_ENDPOINT, else AWS_ENDPOINT_URL, else http://127.0.0.1:4566. */
const char *api_endpoint(void);
/* --region, AWS_REGION, AWS_DEFAULT_REGION, else us-east-1. */
const char *api_region(const struct option *option);
/* Appends "name=value", percent-encoded, with '?' or '&' before it. */
void api_param(struct buf *path, const char *name, str value);
/* Appends one segment of a path, percent-encoded. */
void api_segment(struct buf *path, str segment);
enum { API_SHARD_ID_BYTES = 21 };
/* The id of shard "7", in `out`; any other text as it is: "shardId-000000000007". */
const char *api_shard_id(const char *text, char out[API_SHARD_ID_BYTES]);
/* "/_leat/api/streams/NAME" + tail + "?region=R" */
void api_stream_path(struct buf *path, const char *name, const char *tail, const char *region);
/* The buffer as a C string. */
const char *api_path(struct buf *path);
/* Appends ,"name":"value" (no comma behind '{') unless the value is empty. */
void api_member(struct buf *body, const char *name, str value);

/* Sends and reads the whole answer. Prints what went wrong and returns an exit code other than 0;
 * `body` STR_EMPTY for GET. */
int api_call(struct arena *arena, const char *method, const char *path, str body, str *out);
/* api_call and the answer as JSON. */
int api_json(struct arena *arena, const char *method, const char *path, str body,
             const struct json_value **out);
/* A whole command: asks, and prints the answer as it came when --output says json, else by `print`.
 * Takes the path. Returns the exit code. */
int api_show(const char *method, struct buf *path, str body, const struct option *output,
             void (*print)(const struct json_value *answer, const void *ctx), const void *ctx);
/* Hands each line of the answer to on_line as it arrives, for as long as it takes; false ends it.
 * EXIT_INTERRUPTED when Ctrl-C was caught (os/process.h). */
int api_lines(const char *method, const char *path, str body, bool (*on_line)(void *ctx, str line),
              void *ctx);
/* As api_lines, but of a server that cannot be reached, or goes away before the answer ends,
 * nothing is printed: *is_lost_out, EXIT_REMOTE. `is_again`: nor of one that is unavailable (503),
 * as while it stops. */
int api_lines_or_lost(const char *path, bool is_again, bool (*on_line)(void *ctx, str line),
                      void *ctx, bool *is_lost_out);
/* Says that no server answered; returns the exit code. */
int api_unreachable(const struct diag *diag);
/* Prints an error of the API's as rendered, or as JSON when that was asked for; returns the exit
 * code that belongs to its code. */
int api_error_print(const struct json_value *error);
/* Writes a value as it was read. */
void api_put_json(struct buf *out, const struct json_value *value);
/* Is a leat there? Prints nothing. */
bool api_answers(struct arena *arena, const char *path, str *out);

#endif
