/* cli/api.h: the client side of leat's own HTTP API (docs/api.md). */
#ifndef CLI_API_H
#define CLI_API_H

#include "base/arena.h"
#include "cli/options.h"
#include "codec/json.h"

/* LEAT_ENDPOINT, else AWS_ENDPOINT_URL, else http://127.0.0.1:4566. */
const char *api_endpoint(void);
/* --region, AWS_REGION, AWS_DEFAULT_REGION, else us-east-1. */
const char *api_region(const struct option *option);

/* Sends and reads the whole answer. Prints what went wrong and returns an exit code other than 0;
 * `body` STR_EMPTY for GET. */
int api_call(struct arena *arena, const char *method, const char *path, str body, str *out);
/* api_call and the answer as JSON. */
int api_json(struct arena *arena, const char *method, const char *path, str body,
             const struct json_value **out);

#endif
