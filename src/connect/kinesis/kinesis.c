/* connect/kinesis/kinesis.c: options of the kinesis connector. */
#include "connect/kinesis/kinesis.h"

#include "base/cal.h"
#include "connect/kinesis/kinesis_int.h"

#include <stdio.h>

#define NO_EFFECT "Accepted without effect: a stream of this leat is read in process."

static const struct connect_option options[] = {
    {"stream", false, "Name of the stream (or stream.arn)."},
    {"stream.arn", false, "ARN of the stream (or stream); its region and name are used."},
    {"aws.region", false, "Region of the stream; the session's when absent."},
    {"format", true, "json, csv or raw"},
    {"scan.stream.initpos", false, "LATEST (default), TRIM_HORIZON or AT_TIMESTAMP."},
    {"scan.stream.initpos-timestamp", false,
     "For AT_TIMESTAMP: ISO time with zone, or epoch seconds."},
    {"scan.stream.initpos-timestamp-format", false, "Only the default format is read."},
    {"source.init.position", false, "As scan.stream.initpos."},
    {"source.init.timestamp", false, "As scan.stream.initpos-timestamp."},
    {"scan.stream.recordpublisher", false, NO_EFFECT},
    {"scan.stream.efo.consumername", false, NO_EFFECT},
    {"scan.stream.efo.registration", false, NO_EFFECT},
    {"scan.shard.discovery.intervalmillis", false, NO_EFFECT},
    {"scan.shard.getrecords.maxrecordcount", false, NO_EFFECT},
    {"scan.shard.getrecords.intervalmillis", false, NO_EFFECT},
    {"scan.shard.adaptivereads", false, NO_EFFECT},
    {"source.reader.type", false, NO_EFFECT},
    {"source.efo.consumer.name", false, NO_EFFECT},
    {"source.efo.lifecycle", false, NO_EFFECT},
    {"source.shard.discovery.interval", false, NO_EFFECT},
    {"aws.credentials.provider", false, "BASIC; AUTO is that when a key is given."},
    {"aws.credentials.basic.accesskeyid", false, "Access key, for an explicit aws.endpoint."},
    {"aws.credentials.basic.secretkey", false, "Secret key; masked wherever it is shown."},
    {"aws.endpoint", false, "URL of another Kinesis; absent: a stream of this leat."},
    {"sink.partitioner", false, "random (default) or fixed."},
    {"sink.partitioner-field-delimiter", false, "Between the PARTITIONED BY fields of a key (|)."},
    {"sink.batch.max-size", false, NO_EFFECT},
    {"sink.requests.max-inflight", false, NO_EFFECT},
    {"sink.requests.max-buffered", false, NO_EFFECT},
    {"sink.flush-buffer.size", false, NO_EFFECT},
    {"sink.flush-buffer.timeout", false, NO_EFFECT},
    {"sink.fail-on-error", false, NO_EFFECT},
    {NULL, false, NULL},
};

static str first_of(const struct connect_table *table, const char *a, const char *b)
{
    str value = connect_get(table, a, STR_EMPTY);
    return value.len > 0 ? value : connect_get(table, b, STR_EMPTY);
}

/* "2026-11-24T01:02:03.000+00:00" (or Z), or seconds since 1970. */
static err time_parse(str text, i64 *ms_out)
{
    double seconds;
    if (str_to_f64(text, &seconds) == OK) {
        *ms_out = (i64)(seconds * 1000);
        return OK;
    }
    int v[9] = {0};
    char copy[64];
    str_copy_cstr(text, copy, (isize)sizeof copy);
    char zone[8] = "";
    int n = sscanf(copy, "%4d-%2d-%2dT%2d:%2d:%2d.%3d%7[Z+-0123456789:]", &v[0], &v[1], &v[2],
                   &v[3], &v[4], &v[5], &v[6], zone);
    if (n < 8) {
        n = sscanf(copy, "%4d-%2d-%2dT%2d:%2d:%2d%7[Z+-0123456789:]", &v[0], &v[1], &v[2], &v[3],
                   &v[4], &v[5], zone);
        v[6] = 0;
        if (n < 7) {
            return ERR_SYNTAX;
        }
    }
    int hours = 0, minutes = 0;
    bool is_offset = sscanf(zone + 1, "%2d:%2d", &hours, &minutes) == 2;
    if (zone[0] != 'Z' && !is_offset) {
        return ERR_SYNTAX;
    }
    int sign = zone[0] == '-' ? -1 : 1;
    struct cal cal = {v[0], v[1], v[2], v[3], v[4], v[5], 0};
    *ms_out = cal_to_us(&cal) / 1000 + v[6] - sign * (hours * 60 + minutes) * 60000LL;
    return OK;
}

static err check(const struct connect_table *table, struct diag *diag)
{
    static const char *const positions[] = {"LATEST", "TRIM_HORIZON", "AT_TIMESTAMP", NULL};
    static const char *const partitioners[] = {"random", "fixed", NULL};
    TRY(aws_call_check(table, diag));
    if (first_of(table, "stream", "stream.arn").len == 0) {
        return diag_set(diag, ERR_INVALID, "CON004",
                        "One or more required options are missing.\n\nMissing required options "
                        "are:\n\nstream");
    }
    TRY(connect_one_of(table, "scan.stream.initpos", positions, diag));
    TRY(connect_one_of(table, "source.init.position", positions, diag));
    TRY(connect_one_of(table, "sink.partitioner", partitioners, diag));
    str time = first_of(table, "scan.stream.initpos-timestamp", "source.init.timestamp");
    str position = first_of(table, "scan.stream.initpos", "source.init.position");
    i64 ms;
    if (str_eq(position, STR("AT_TIMESTAMP")) && time_parse(time, &ms) != OK) {
        (void)diag_set(diag, ERR_INVALID, "CON008",
                       "AT_TIMESTAMP needs a time, not \"" STR_FMT "\"", STR_ARG(time));
        diag_hint(diag, "'scan.stream.initpos-timestamp' = '2026-11-24T01:02:03.000+00:00'");
        return ERR_INVALID;
    }
    return OK;
}

static const struct type *metadata(str key)
{
    static const struct type timestamp = {
        .kind = TYPE_TIMESTAMP_LTZ, .precision = 3, .is_nullable = false};
    static const struct type text = {.kind = TYPE_VARCHAR, .length = 128, .is_nullable = false};
    if (str_eq(key, STR("timestamp"))) {
        return &timestamp;
    }
    bool is_text = str_eq(key, STR("shard-id")) || str_eq(key, STR("sequence-number"));
    return is_text ? &text : NULL;
}

/* "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME" */
static void arn_read(str arn, struct connect_stream *out)
{
    for (int i = 0; i < 3; i++) {
        (void)str_split(&arn, ':', NULL);
    }
    out->region = str_split(&arn, ':', NULL);
    isize slash = str_rfind_byte(arn, '/');
    out->name = str_slice(arn, slash + 1, arn.len);
}

void kinesis__stream_read(const struct connect_table *table, struct connect_stream *out)
{
    *out = (struct connect_stream){.name = connect_get(table, "stream", STR_EMPTY)};
    if (out->name.len == 0) {
        arn_read(connect_get(table, "stream.arn", STR_EMPTY), out);
    }
    out->region = connect_get(table, "aws.region", out->region);
    str position = first_of(table, "scan.stream.initpos", "source.init.position");
    if (str_eq(position, STR("TRIM_HORIZON"))) {
        out->start = CONNECT_TRIM_HORIZON;
    } else if (str_eq(position, STR("AT_TIMESTAMP"))) {
        out->start = CONNECT_AT_TIMESTAMP;
        str time = first_of(table, "scan.stream.initpos-timestamp", "source.init.timestamp");
        CHECK(time_parse(time, &out->start_ms) == OK);
    }
    out->partitioner = str_eq(connect_get(table, "sink.partitioner", STR_EMPTY), STR("fixed"))
                           ? CONNECT_PARTITION_FIXED
                           : CONNECT_PARTITION_RANDOM;
    out->delimiter = connect_get(table, "sink.partitioner-field-delimiter", STR("|"));
}

static u32 roles_of(const struct connect_table *table)
{
    bool is_remote = connect_get(table, "aws.endpoint", STR_EMPTY).len > 0;
    return is_remote ? CONNECT_SOURCE_LANDED | CONNECT_SINK_OUTSIDE
                     : CONNECT_SOURCE_LOG | CONNECT_SINK_LOG;
}

enum connect_verdict kinesis__call(struct aws_call *call, const char *operation, str body,
                                   struct arena *arena, const struct json_value **out,
                                   struct diag *diag)
{
    struct http_field fields[] = {
        {STR("content-type"), STR("application/x-amz-json-1.1")},
        {STR("x-amz-target"), arena_printf(arena, "Kinesis_20131202.%s", operation)},
    };
    struct aws_call_request request = {
        .method = "POST",
        .path = STR("/"),
        .fields = fields,
        .field_count = COUNT_OF(fields),
        .body = body,
    };
    struct http_client_response response;
    enum connect_verdict verdict = aws_call_send(call, &request, arena, &response, diag);
    if (verdict == CONNECT_OK && json_parse(arena, response.body, out, NULL) != OK) {
        (void)diag_set(diag, ERR_REMOTE, "CON107", "the answer to %s is no JSON", operation);
        return CONNECT_RETRY;
    }
    return verdict;
}

const struct connector connect_kinesis = {
    .name = "kinesis",
    .roles = CONNECT_SOURCE_LOG | CONNECT_SINK_LOG | CONNECT_SOURCE_LANDED | CONNECT_SINK_OUTSIDE,
    .roles_of = roles_of,
    .sink = &kinesis__remote_sink,
    .source = &kinesis__remote_source,
    .options = options,
    .has_format = true,
    .check = check,
    .metadata = metadata,
    .stream = kinesis__stream_read,
};
