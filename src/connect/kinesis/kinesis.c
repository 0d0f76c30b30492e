/* connect/kinesis/kinesis.c: options of the kinesis connector. */
#include "connect/kinesis/kinesis.h"

#include "base/cal.h"

#include <stdio.h>

#define NO_EFFECT "Accepted without effect: the stream is read in process."

static const struct connect_option options[] = {
    {"stream", false, "Name of the stream (or stream.arn)."},
    {"stream.arn", false, "ARN of the stream (or stream); its region and name are used."},
    {"aws.region", false, "Region of the stream; the session's when absent."},
    {"format", true, "json"},
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
    {"aws.credentials.provider", false, NO_EFFECT},
    {"aws.credentials.basic.accesskeyid", false, NO_EFFECT},
    {"aws.credentials.basic.secretkey", false, NO_EFFECT},
    {"aws.credentials.profile.name", false, NO_EFFECT},
    {"aws.credentials.role.arn", false, NO_EFFECT},
    {"aws.trust.all.certificates", false, NO_EFFECT},
    {"aws.endpoint", false, "Not supported: tables are streams of this leat."},
    {"sink.partitioner", false, "random (default) or fixed."},
    {"sink.partitioner-field-delimiter", false, "Between the PARTITIONED BY fields of a key (|)."},
    {"sink.batch.max-size", false, NO_EFFECT},
    {"sink.requests.max-inflight", false, NO_EFFECT},
    {"sink.requests.max-buffered", false, NO_EFFECT},
    {"sink.flush-buffer.size", false, NO_EFFECT},
    {"sink.flush-buffer.timeout", false, NO_EFFECT},
    {"sink.fail-on-error", false, NO_EFFECT},
    {"json.timestamp-format.standard", false, "SQL (default) or ISO-8601."},
    {"json.fail-on-missing-field", false, "A missing member is an error (false)."},
    {"json.ignore-parse-errors", false, "A bad field is NULL, a bad message is dropped (false)."},
    {"json.encode.decimal-as-plain-number", false, "No scientific notation (false)."},
    {"json.encode.ignore-null-fields", false, "Members that are NULL are left out (false)."},
    {"on-error", false, "leat: dead-letter (default), fail or null: what a bad value leads to."},
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

static err one_of(const struct connect_table *table, const char *key, const char *const *values,
                  struct diag *diag)
{
    str value = connect_get(table, key, STR_EMPTY);
    for (isize i = 0; value.len > 0; i++) {
        if (values[i] == NULL) {
            (void)diag_set(diag, ERR_INVALID, "CON005", "Invalid value for option '%s': " STR_FMT,
                           key, STR_ARG(value));
            diag_hint(diag, "it can be %s, %s%s%s", values[0], values[1],
                      values[2] != NULL ? " or " : "", values[2] != NULL ? values[2] : "");
            return ERR_INVALID;
        }
        if (str_eq(value, str_of(values[i]))) {
            return OK;
        }
    }
    return OK;
}

static err check(const struct connect_table *table, struct diag *diag)
{
    static const char *const positions[] = {"LATEST", "TRIM_HORIZON", "AT_TIMESTAMP", NULL};
    static const char *const formats[] = {"json", "json", NULL};
    static const char *const standards[] = {"SQL", "ISO-8601", NULL};
    static const char *const booleans[] = {"true", "false", NULL};
    static const char *const errors[] = {"dead-letter", "fail", "null", NULL};
    static const char *const partitioners[] = {"random", "fixed", NULL};
    if (connect_get(table, "aws.endpoint", STR_EMPTY).len > 0) {
        return diag_set(diag, ERR_UNSUPPORTED, "CON006",
                        "'aws.endpoint' is not supported: a table is a stream of this leat");
    }
    if (first_of(table, "stream", "stream.arn").len == 0) {
        return diag_set(diag, ERR_INVALID, "CON004",
                        "One or more required options are missing.\n\nMissing required options "
                        "are:\n\nstream");
    }
    TRY(one_of(table, "scan.stream.initpos", positions, diag));
    TRY(one_of(table, "source.init.position", positions, diag));
    TRY(one_of(table, "format", formats, diag));
    TRY(one_of(table, "json.timestamp-format.standard", standards, diag));
    TRY(one_of(table, "on-error", errors, diag));
    TRY(one_of(table, "sink.partitioner", partitioners, diag));
    TRY(one_of(table, "json.fail-on-missing-field", booleans, diag));
    TRY(one_of(table, "json.ignore-parse-errors", booleans, diag));
    TRY(one_of(table, "json.encode.decimal-as-plain-number", booleans, diag));
    TRY(one_of(table, "json.encode.ignore-null-fields", booleans, diag));
    str missing = connect_get(table, "json.fail-on-missing-field", STR("false"));
    str ignored = connect_get(table, "json.ignore-parse-errors", STR("false"));
    if (str_eq(missing, STR("true")) && str_eq(ignored, STR("true"))) {
        return diag_set(diag, ERR_INVALID, "CON007",
                        "fail-on-missing-field and ignore-parse-errors shouldn't both be true.");
    }
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

const struct connector connect_kinesis = {
    .name = "kinesis", .options = options, .check = check, .metadata = metadata};

static bool is_true(const struct connect_table *table, const char *key)
{
    return str_eq(connect_get(table, key, STR("false")), STR("true"));
}

/* "arn:aws:kinesis:REGION:ACCOUNT:stream/NAME" */
static void arn_read(str arn, struct kinesis_table *out)
{
    for (int i = 0; i < 3; i++) {
        (void)str_split(&arn, ':', NULL);
    }
    out->region = str_split(&arn, ':', NULL);
    isize slash = str_rfind_byte(arn, '/');
    out->stream = str_slice(arn, slash + 1, arn.len);
}

void kinesis_table_read(const struct connect_table *table, struct kinesis_table *out)
{
    *out = (struct kinesis_table){.stream = connect_get(table, "stream", STR_EMPTY)};
    if (out->stream.len == 0) {
        arn_read(connect_get(table, "stream.arn", STR_EMPTY), out);
    }
    out->region = connect_get(table, "aws.region", out->region);
    str position = first_of(table, "scan.stream.initpos", "source.init.position");
    if (str_eq(position, STR("TRIM_HORIZON"))) {
        out->start = KINESIS_TRIM_HORIZON;
    } else if (str_eq(position, STR("AT_TIMESTAMP"))) {
        out->start = KINESIS_AT_TIMESTAMP;
        str time = first_of(table, "scan.stream.initpos-timestamp", "source.init.timestamp");
        CHECK(time_parse(time, &out->start_ms) == OK);
    }
    str on_error = connect_get(table, "on-error", STR("dead-letter"));
    out->on_error = str_eq(on_error, STR("fail"))   ? KINESIS_FAIL
                    : str_eq(on_error, STR("null")) ? KINESIS_NULL
                                                    : KINESIS_DEAD_LETTER;
    out->partitioner = str_eq(connect_get(table, "sink.partitioner", STR_EMPTY), STR("fixed"))
                           ? KINESIS_PARTITION_FIXED
                           : KINESIS_PARTITION_RANDOM;
    out->delimiter = connect_get(table, "sink.partitioner-field-delimiter", STR("|"));
    out->is_iso_timestamps =
        str_eq(connect_get(table, "json.timestamp-format.standard", STR("SQL")), STR("ISO-8601"));
    out->ignores_parse_errors = is_true(table, "json.ignore-parse-errors");
    out->fails_on_missing_field = is_true(table, "json.fail-on-missing-field");
    out->ignores_null_fields = is_true(table, "json.encode.ignore-null-fields");
    out->is_decimal_plain = is_true(table, "json.encode.decimal-as-plain-number");
}
