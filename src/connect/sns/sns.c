/*
 * connect/sns/sns.c: each row becomes a message of a topic, ten to a call. In the outbox a
 * row is its message, under the key of its subject.
 */
#include "connect/sns/sns.h"

#include "connect/common/aws_call.h"
#include "connect/common/options.h"

#include <stdio.h>

enum {
    BATCH_ENTRIES = 10,
    BATCH_BYTES = 250000, /* Of messages and subjects; SNS takes 256 KiB. */
    MESSAGE_BYTES_MAX = 240000,
    SUBJECT_CHARS = 100,
    LINGER_MS = 100,
};

static const struct connect_option options[] = {
    {"topic-arn", true, "leat: ARN of the topic; its region and account are used."},
    {"subject", false, "leat: subject, in which {column} stands for its value."},
    {"message-column", false, "leat: the message; absent: the row as JSON."},
    AWS_CALL_OPTIONS,
    {NULL, false, NULL},
};

struct sns {
    struct arena arena;
    struct connect_schema schema;
    struct connect_format format;
    struct connect_writer *writer;
    struct aws_call *call;
    str topic, subject;
    isize message_column; /* -1 = the row as JSON. */
};

/* --- options ------------------------------------------------------------------------------- */

/* "arn:aws:sns:REGION:ACCOUNT:NAME" */
static bool arn_read(str arn, str *region_out, str *account_out)
{
    str parts[5];
    bool has_more = true;
    if (!str_starts(arn, STR("arn:"))) {
        return false;
    }
    for (isize i = 0; i < COUNT_OF(parts); i++) {
        parts[i] = str_split(&arn, ':', &has_more);
        if (!has_more) {
            return false;
        }
    }
    *region_out = parts[3];
    *account_out = parts[4];
    return str_eq(parts[2], STR("sns")) && parts[3].len > 0 && parts[4].len == 12 && arn.len > 0;
}

static err check(const struct connect_table *table, struct diag *diag)
{
    str region, account, arn = connect_get(table, "topic-arn", STR_EMPTY);
    if (!arn_read(arn, &region, &account)) {
        (void)diag_set(diag, ERR_INVALID, "CON080",
                       "Invalid value for option 'topic-arn': " STR_FMT, STR_ARG(arn));
        diag_hint(diag, "'arn:aws:sns:us-east-1:000000000000:NAME'");
        return ERR_INVALID;
    }
    return aws_call_check(table, diag);
}

static const struct type *metadata(str key)
{
    (void)key;
    return NULL;
}

static isize column_find(const struct connect_schema *schema, str name)
{
    for (isize i = 0; i < schema->count; i++) {
        if (str_eq(schema->fields[i].name, name)) {
            return i;
        }
    }
    return -1;
}

static err column_unknown(const char *option, str name, struct diag *diag)
{
    return diag_set(diag, ERR_NOT_FOUND, "CON081",
                    "'%s' names a column that the table lacks: " STR_FMT, option, STR_ARG(name));
}

/* Each {name} of the template is a column. */
static err template_check(const struct sns *sns, struct diag *diag)
{
    str rest = sns->subject;
    for (;;) {
        isize open = str_find_byte(rest, '{', 0);
        isize end = open < 0 ? -1 : str_find_byte(rest, '}', open);
        if (end < 0) {
            return open < 0 ? OK
                            : diag_set(diag, ERR_SYNTAX, "CON082", "'subject' lacks a closing }");
        }
        str name = str_slice(rest, open + 1, end);
        if (column_find(&sns->schema, name) < 0) {
            return column_unknown("subject", name, diag);
        }
        rest = str_slice(rest, end + 1, rest.len);
    }
}

static void sns_close(void *sink)
{
    struct sns *sns = sink;
    if (sns != NULL) {
        aws_call_free(sns->call);
        connect_writer_free(sns->writer);
        arena_deinit(&sns->arena);
        mem_free(sns);
    }
}

static err sns_open(const struct connect_table *table, const struct connect_schema *schema,
                    const struct connect_env *env, void **out, struct connect_limits *limits_out,
                    struct diag *diag)
{
    struct sns *sns = NEW(struct sns);
    sns->schema = *schema;
    sns->topic = connect_get(table, "topic-arn", STR_EMPTY);
    sns->subject = connect_get(table, "subject", STR_EMPTY);
    sns->message_column = -1;
    str column = connect_get(table, "message-column", STR_EMPTY);
    err e = template_check(sns, diag);
    if (e == OK && column.len > 0) {
        sns->message_column = column_find(schema, column);
        bool is_text =
            sns->message_column >= 0 && type_is_string(schema->fields[sns->message_column].type);
        e = sns->message_column < 0 ? column_unknown("message-column", column, diag)
            : is_text               ? OK
                      : diag_set(diag, ERR_TYPE, "CON083", "'message-column' needs a text column");
    }
    if (e != OK) {
        sns_close(sns);
        return e;
    }
    struct connect_schema of_topic = *schema;
    (void)arn_read(sns->topic, &of_topic.region, &of_topic.account);
    sns->format = (struct connect_format){.kind = CONNECT_FORMAT_JSON};
    sns->writer = connect_writer_new(&sns->format, schema->fields, schema->count);
    sns->call = aws_call_new(table, "sns", &of_topic, env);
    *limits_out = (struct connect_limits){.bytes_max = 1 << 20, .linger_ms = LINGER_MS};
    *out = sns;
    return OK;
}

/* --- rows in ------------------------------------------------------------------------------- */

static void value_append(const struct sns *sns, str name, const struct vec *cols, isize row,
                         struct arena *scratch, struct buf *out)
{
    struct value value;
    vec_get(&cols[column_find(&sns->schema, name)], row, scratch, &value);
    if (!value.is_null) {
        value_format(&value, out);
    }
}

/* What SNS takes as a subject: printable ASCII, at most 100 characters. */
static void subject_clean(struct buf *subject)
{
    isize out = 0;
    for (isize i = 0; i < subject->len && out < SUBJECT_CHARS; i++) {
        u8 c = subject->data[i];
        if ((c & 0xC0) == 0x80) {
            continue; /* The rest of a character. */
        }
        subject->data[out++] = c >= 0x20 && c < 0x7F ? c : c < 0x80 ? ' ' : '?';
    }
    subject->len = out;
}

static err encode(void *sink, const struct vec *cols, isize row, struct arena *scratch,
                  struct buf *key, struct buf *data, struct diag *diag)
{
    const struct sns *sns = sink;
    str rest = sns->subject;
    while (rest.len > 0) {
        isize open = str_find_byte(rest, '{', 0);
        isize end = open < 0 ? rest.len : str_find_byte(rest, '}', open);
        buf_append(key, str_slice(rest, 0, open < 0 ? rest.len : open));
        if (open >= 0) {
            value_append(sns, str_slice(rest, open + 1, end), cols, row, scratch, key);
        }
        rest = str_slice(rest, end + 1, rest.len);
    }
    subject_clean(key);
    if (sns->message_column >= 0) {
        value_append(sns, sns->schema.fields[sns->message_column].name, cols, row, scratch, data);
    } else {
        connect_writer_row(sns->writer, cols, row, scratch, data);
    }
    if (data->len == 0 || data->len > MESSAGE_BYTES_MAX) {
        return diag_set(diag, ERR_INVALID, "CON084",
                        "a message has 1 to %d bytes, and this one %td", MESSAGE_BYTES_MAX,
                        data->len);
    }
    return OK;
}

/* --- delivery ------------------------------------------------------------------------------ */

struct call {
    struct arena arena;
    struct buf body;
    isize count;
    str failed; /* Of the answer; in the arena. */
};

static void parameter(struct buf *body, const char *prefix, const char *name, str value)
{
    buf_printf(body, "&%s%s=", prefix, name);
    buf_append_percent(body, value, false);
}

static void entry_add(const struct sns *sns, struct call *call, const struct connect_row *row)
{
    if (call->count == 0) {
        buf_append(&call->body, STR("Action=PublishBatch&Version=2010-03-31"));
        parameter(&call->body, "", "TopicArn", sns->topic);
    }
    char prefix[64];
    (void)snprintf(prefix, sizeof prefix, "PublishBatchRequestEntries.member.%td.", ++call->count);
    char id[32];
    (void)snprintf(id, sizeof id, "r%llu", (unsigned long long)row->no);
    parameter(&call->body, prefix, "Id", str_of(id));
    parameter(&call->body, prefix, "Message", row->data);
    if (str_trim(row->key).len > 0) {
        parameter(&call->body, prefix, "Subject", str_trim(row->key));
    }
}

static void call_reset(struct call *call)
{
    arena_reset(&call->arena);
    buf_reset(&call->body);
    call->count = 0;
    call->failed = STR_EMPTY;
}

/* OK with call->failed set: the others were published. */
static enum connect_verdict send(struct sns *sns, struct call *call, struct diag *diag)
{
    struct http_field type = {STR("content-type"),
                              STR("application/x-www-form-urlencoded; charset=utf-8")};
    struct aws_call_request request = {
        .method = "POST",
        .path = STR("/"),
        .fields = &type,
        .field_count = 1,
        .body = buf_str(&call->body),
    };
    struct http_client_response response;
    enum connect_verdict verdict =
        aws_call_send(sns->call, &request, &call->arena, &response, diag);
    if (verdict == CONNECT_OK) {
        call->failed = aws_call_xml(response.body, "Failed");
    }
    return verdict;
}

static bool has_failed(const struct call *call, const struct connect_row *row)
{
    char id[48];
    (void)snprintf(id, sizeof id, "<Id>r%llu</Id>", (unsigned long long)row->no);
    return str_find(call->failed, str_of(id), 0) >= 0;
}

/* One message by itself; a dead letter when it is refused. False: try again later. */
static bool send_one(struct sns *sns, struct connect_batch *batch, const struct connect_row *row,
                     struct diag *diag)
{
    struct call one = {0};
    struct diag problem;
    diag_init(&problem);
    entry_add(sns, &one, row);
    enum connect_verdict verdict = send(sns, &one, &problem);
    if (verdict == CONNECT_OK && has_failed(&one, row)) {
        bool is_theirs = str_eq(aws_call_xml(one.failed, "SenderFault"), STR("true"));
        str message = aws_call_xml(one.failed, "Message"), code = aws_call_xml(one.failed, "Code");
        (void)diag_set(&problem, ERR_REMOTE, "CON085",
                       "the message was refused: " STR_FMT ": " STR_FMT, STR_ARG(code),
                       STR_ARG(message));
        verdict = is_theirs ? CONNECT_FATAL : CONNECT_RETRY;
    }
    if (verdict == CONNECT_FATAL) {
        batch->reject(batch, row, str_of(problem.message));
    } else if (verdict == CONNECT_RETRY) {
        *diag = problem;
    }
    buf_deinit(&one.body);
    arena_deinit(&one.arena);
    return verdict != CONNECT_RETRY;
}

/* The call's messages one by one: all of them, or those that failed in a call that went through. */
static bool send_each(struct sns *sns, const struct call *call, bool failed_only,
                      struct connect_batch *batch, struct diag *diag)
{
    struct connect_row row;
    batch->rewind(batch);
    for (isize i = 0; i < call->count && batch->next(batch, &row); i++) {
        bool is_due = !failed_only || has_failed(call, &row);
        if (is_due && !send_one(sns, batch, &row, diag)) {
            return false;
        }
    }
    return true;
}

/* Ten by ten, each committed. */
static enum connect_verdict deliver_rows(struct sns *sns, struct call *call,
                                         struct connect_batch *batch, struct diag *diag)
{
    for (;;) {
        struct connect_row row;
        struct diag problem;
        isize bytes = 0;
        diag_init(&problem);
        call_reset(call);
        while (call->count < BATCH_ENTRIES && bytes < BATCH_BYTES - MESSAGE_BYTES_MAX &&
               batch->next(batch, &row)) {
            entry_add(sns, call, &row);
            bytes += row.data.len + row.key.len;
        }
        if (call->count == 0) {
            return CONNECT_OK;
        }
        enum connect_verdict verdict = send(sns, call, &problem);
        if (verdict == CONNECT_RETRY) {
            *diag = problem;
            return verdict;
        }
        bool failed_only = verdict == CONNECT_OK;
        bool is_whole = failed_only && str_find(call->failed, STR("<Id>"), 0) < 0;
        if (!is_whole && !send_each(sns, call, failed_only, batch, diag)) {
            return CONNECT_RETRY;
        }
        batch->commit(batch);
        if (batch->failure != OK) {
            return CONNECT_OK; /* The engine sees it. */
        }
    }
}

static enum connect_verdict deliver(void *sink, struct connect_batch *batch, struct diag *diag)
{
    struct call call = {0};
    enum connect_verdict verdict = deliver_rows(sink, &call, batch, diag);
    buf_deinit(&call.body);
    arena_deinit(&call.arena);
    return verdict;
}

static str target(void *sink)
{
    return ((struct sns *)sink)->topic;
}

static const struct connect_sink_ops ops = {
    .open = sns_open,
    .close = sns_close,
    .encode = encode,
    .deliver = deliver,
    .target = target,
};

const struct connector connect_sns = {
    .name = "sns",
    .roles = CONNECT_SINK_OUTSIDE,
    .options = options,
    .check = check,
    .metadata = metadata,
    .sink = &ops,
};
