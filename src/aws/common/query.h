/*
 * aws/common/query.h: services that speak AWS's Query protocol (form in, XML out),
 * AWS JSON and Smithy's RPC v2 CBOR. All kinds of request become one tree of codec/json.h, and one
 * writer gives the answer in the form of the question, so that an operation is
 * written once. A call runs on a worker of the HTTP server: it may block.
 *
 * Sources of the format: "AWS Query protocol" and "AWS JSON 1.0/1.1 protocol" and
 * "Smithy RPC v2 CBOR protocol" of the Smithy documentation.
 */
#ifndef AWS_COMMON_QUERY_H
#define AWS_COMMON_QUERY_H

#include "aws/common/service.h"
#include "base/buf.h"
#include "codec/json.h"

enum {
    QUERY_BODY_BYTES_MAX = 2 * 1024 * 1024, /* Also after gzip. */
    QUERY_PARAMS_MAX = 40000,
    QUERY_FIELDS_MAX = 100, /* Members of one structure. */
    QUERY_DEPTH_MAX = 16,   /* Parts of a parameter's name. */
    QUERY_ANSWER_BYTES_MAX = 64 * 1024 * 1024,
};

struct query_call;

struct query_operation {
    const char *name;
    /* Answers with query__fail, or writes members of the result and returns. */
    void (*run)(struct query_call *call);
    bool has_empty_result; /* Its result is there in XML though nothing ever stands in it. */
};

struct query_api {
    const char *name;      /* "SNS", for messages. */
    const char *namespace; /* Of the XML. */
    const struct query_operation *operations;
    isize operation_count;
};

struct query_call {
    const struct query_api *api;
    struct aws_request *request;
    void *service;
    struct arena *arena;
    str operation;
    const struct json_value *input;                  /* An object; NULL when there is none. */
    struct buf out;                                  /* The result, under way. */
    enum { QUERY_XML, QUERY_JSON, QUERY_CBOR } form; /* Of question and answer. */
    bool needs_comma;                                /* JSON. */
    bool has_empty_result;
    bool has_failed;
    int error_status;
    const char *error_code;
    str error_message;
};

/* handle() of a service: reads the body, finds the operation, runs it on a worker, answers. LOOP.
 */
void query_handle(struct aws_request *request, const struct query_api *api);

/* --- input --------------------------------------------------------------------------------- */

/* A form as a tree: "A.member.2.B=x" is {"A": [{"B": "x"}]}, in order of the numbers. "entry" is
 * read as "member". All values are strings. ERR_SYNTAX, ERR_LIMIT. */
MUST_USE err query_parse(struct arena *arena, str form, const struct json_value **out,
                         struct diag *diag);
/* Seconds since 1970 from a number or an ISO 8601 time. */
MUST_USE err query_time(const struct json_value *value, i64 *seconds_out);
/* Number or text of a number; ERR_SYNTAX otherwise. NaN and infinities are ERR_RANGE. */
MUST_USE err query_number(const struct json_value *value, double *out);

/* --- answer -------------------------------------------------------------------------------- */

/* `name` NULL: an item of a list. A list is {"name": [..]} or <name><member>..</member></name>. */
void query_open(struct query_call *call, const char *name);
void query_close(struct query_call *call, const char *name);
void query_open_list(struct query_call *call, const char *name);
void query_close_list(struct query_call *call, const char *name);
void query_put_text(struct query_call *call, const char *name, str text);
void query_put_number(struct query_call *call, const char *name, double value);
void query_put_bool(struct query_call *call, const char *name, bool value);
/* ISO 8601 in XML, seconds since 1970 in JSON and CBOR. */
void query_put_time(struct query_call *call, const char *name, i64 seconds);
/* A map of strings: the caller writes entries between query_open_map and its end. */
void query_open_map(struct query_call *call, const char *name);
void query_put_entry(struct query_call *call, str key, str value);
void query_put_number_entry(struct query_call *call, str key, double value);
void query_close_map(struct query_call *call, const char *name);

/* The answer is this error; the first one counts. Status 400 = the sender's fault. */
void query_fail(struct query_call *call, int status, const char *code, const char *format, ...)
    PRINTF(4, 5);
/* An error of the store: 500 InternalFailure or the like. */
void query_fail_err(struct query_call *call, err e);

/* Text with the five characters of XML escaped; what XML cannot hold becomes U+FFFD. */
void query_write_xml(struct buf *out, str text);

#endif
