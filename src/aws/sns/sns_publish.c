/* aws/sns/sns_publish.c: Publish and PublishBatch. */
#include "aws/sns/sns_int.h"

#include "base/metric.h"
#include "codec/base64.h"

#include <stdarg.h>
#include <stdio.h>

enum { ATTRIBUTE_NAME_MAX = 256, ENTRY_ID_MAX = 80, TEXT_BYTES = 320 };

/* One message as it was read; `code` is set when it cannot be published. */
struct publication {
    str message, subject;
    str attributes;                    /* JSON for email-json. */
    const struct json_value *messages; /* With MessageStructure "json". */
    isize bytes;                       /* What counts against the limit. */
    const char *code;
    char error[TEXT_BYTES];
};

static bool refuse(struct publication *p, const char *code, const char *format, ...) PRINTF(3, 4);
static bool refuse(struct publication *p, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(p->error, sizeof p->error, format, arguments);
    va_end(arguments);
    p->code = code;
    return false;
}

/* --- reading ------------------------------------------------------------------------------- */

/* No control characters: nothing in it can begin another header. */
static bool subject_check(struct publication *p)
{
    isize characters = 0;
    bool is_fine = true;
    for (isize i = 0; i < p->subject.len; i++) {
        u8 c = p->subject.data[i];
        characters += (c & 0xC0) != 0x80;
        is_fine = is_fine && c >= 0x20 && c != 0x7F;
        /* U+0080 to U+009F, U+2028 and U+2029 break lines for some readers. */
        is_fine = is_fine && !(c == 0xC2 && p->subject.data[i + 1] < 0xA0);
        is_fine = is_fine && !(c == 0xE2 && p->subject.data[i + 1] == 0x80 &&
                               (p->subject.data[i + 2] | 1) == 0xA9);
    }
    if (!is_fine || characters > SNS_SUBJECT_CHARACTERS_MAX) {
        return refuse(p, "InvalidParameter",
                      "Invalid parameter: Subject Reason: at most %d characters, no line breaks "
                      "and no control characters",
                      SNS_SUBJECT_CHARACTERS_MAX);
    }
    return true;
}

static bool structure_read(struct query_call *call, const struct json_value *in,
                           struct publication *p)
{
    str structure = json_get_text(in, STR("MessageStructure"));
    if (structure.len == 0) {
        return true;
    }
    if (!str_eq(structure, STR("json"))) {
        return refuse(p, "InvalidParameter", "Invalid parameter: MessageStructure");
    }
    if (json_parse(call->arena, p->message, &p->messages, NULL) != OK ||
        json_kind(p->messages) != JSON_OBJECT) {
        return refuse(p, "InvalidParameter",
                      "Invalid parameter: Message Structure - JSON message body failed to parse");
    }
    if (json_kind(json_get(p->messages, STR("default"))) != JSON_STRING) {
        return refuse(p, "InvalidParameter",
                      "Invalid parameter: Message Structure - No default entry in JSON message "
                      "body");
    }
    return true;
}

static bool attribute_read(const struct json_value *in, struct publication *p, struct buf *out)
{
    str name = json_get_text(in, STR("Name"));
    const struct json_value *value = json_get(in, STR("Value"));
    str type = json_get_text(value, STR("DataType"));
    str text = json_get_text(value, STR("StringValue"));
    str binary = json_get_text(value, STR("BinaryValue"));
    bool is_binary = str_eq(type, STR("Binary")) || str_starts(type, STR("Binary."));
    bool is_known = is_binary || str_starts(type, STR("String")) || str_starts(type, STR("Number"));
    if (name.len == 0 || name.len > ATTRIBUTE_NAME_MAX) {
        return refuse(p, "ParameterValueInvalid", "a message attribute's name has 1 to %d bytes",
                      ATTRIBUTE_NAME_MAX);
    }
    if (!is_known) {
        return refuse(p, "ParameterValueInvalid",
                      "The message attribute '" STR_FMT "' has an invalid message attribute type, "
                      "the set of supported type prefixes is Binary, Number, and String.",
                      STR_ARG(str_slice(name, 0, 80)));
    }
    str content = is_binary ? binary : text;
    double number;
    if (content.len == 0 || (is_binary && base64_decoded_bytes(binary) < 0)) {
        return refuse(p, "ParameterValueInvalid",
                      "The message attribute '" STR_FMT "' must contain non-empty message "
                      "attribute value for message attribute type '" STR_FMT "'.",
                      STR_ARG(str_slice(name, 0, 80)), STR_ARG(str_slice(type, 0, 40)));
    }
    if (str_starts(type, STR("Number")) && str_to_f64(content, &number) != OK) {
        return refuse(p, "ParameterValueInvalid",
                      "Could not cast message attribute '" STR_FMT "' value to number.",
                      STR_ARG(str_slice(name, 0, 80)));
    }
    p->bytes += name.len + type.len + content.len;
    buf_append(out, out->len > 0 ? STR(",\n    ") : STR("{\n    "));
    json_write_string(out, name);
    buf_append(out, STR(" : {\"Type\":"));
    json_write_string(out, type);
    buf_append(out, STR(",\"Value\":"));
    json_write_string(out, content);
    buf_append_byte(out, '}');
    return true;
}

static bool attributes_read(struct query_call *call, const struct json_value *in,
                            struct publication *p)
{
    const struct json_value *list = json_get(in, STR("MessageAttributes"));
    struct buf out = {0};
    bool is_ok = json_count(list) <= SNS_ATTRIBUTES_MAX ||
                 refuse(p, "InvalidParameter",
                        "Invalid parameter: MessageAttributes Reason: at most %d are taken",
                        SNS_ATTRIBUTES_MAX);
    for (const struct json_value *v = json_first(list); v != NULL && is_ok; v = json_next(v)) {
        is_ok = attribute_read(v, p, &out);
    }
    if (out.len > 0) {
        buf_append(&out, STR("\n  }"));
    }
    p->attributes = arena_copy(call->arena, buf_str(&out));
    buf_deinit(&out);
    return is_ok;
}

static bool publication_read(struct query_call *call, const struct json_value *in,
                             struct publication *p)
{
    p->message = json_get_text(in, STR("Message"));
    p->subject = json_get_text(in, STR("Subject"));
    p->bytes = p->message.len;
    if (p->message.len == 0) {
        return refuse(p, "InvalidParameter", "Invalid parameter: Empty message");
    }
    static const char *const refused[] = {"MessageGroupId", "MessageDeduplicationId"};
    for (int i = 0; i < COUNT_OF(refused); i++) {
        if (json_is_set(json_get(in, str_of(refused[i])))) {
            return refuse(p, "InvalidParameter",
                          "Invalid parameter: %s Reason: it is of FIFO topics, which leat does not "
                          "support",
                          refused[i]);
        }
    }
    if (!subject_check(p) || !attributes_read(call, in, p) || !structure_read(call, in, p)) {
        return false;
    }
    if (p->bytes > SNS_MESSAGE_BYTES_MAX) {
        return refuse(p, "InvalidParameter", "Invalid parameter: Message too long");
    }
    return true;
}

/* --- publishing ---------------------------------------------------------------------------- */

/* A topic with those who get its mails. */
struct audience {
    struct sns_store *store;
    struct sns_arn arn;
    struct sns_topic topic;
    struct sns_subscription *subscriptions; /* Confirmed ones. */
    isize count;
};

static bool audience_read(struct query_call *call, const char *name, struct audience *out)
{
    if (!sns__arn(call, name, false, &out->arn) || !sns__store(call, &out->store) ||
        !sns__topic(call, out->store, &out->arn, &out->topic)) {
        return false;
    }
    struct sns_page page = {.scope = out->arn.scope, .max = SNS_TOPIC_SUBSCRIPTIONS_MAX};
    isize count;
    err e = sns_subscription_list(out->store, &page, out->arn.topic, call->arena,
                                  &out->subscriptions, &count);
    if (e != OK) {
        query_fail_err(call, e);
        return false;
    }
    for (isize i = 0; i < count; i++) {
        if (out->subscriptions[i].is_confirmed) {
            out->subscriptions[out->count++] = out->subscriptions[i];
        }
    }
    return true;
}

static err publish(struct query_call *call, const struct audience *audience,
                   const struct publication *p, str *id_out)
{
    struct sns *sns = call->service;
    *id_out = sns__uuid(sns, call->arena);
    struct sns_mailing mailing = {
        .scope = audience->arn.scope,
        .messages = p->messages,
        .subscriptions = audience->subscriptions,
        .count = audience->count,
        .notice =
            {
                .type = STR("Notification"),
                .message_id = *id_out,
                .topic_arn = sns__topic_arn(call->arena, audience->arn.scope, audience->arn.topic),
                .subject = p->subject,
                .message = p->message,
                .attributes = p->attributes,
                .at_us = os_wall_us(sns->os),
            },
    };
    IGNORE(sns__pairs_get(audience->topic.attributes, STR("DisplayName"),
                          &mailing.notice.display_name)); /* May be none. */
    TRY(sns__mail(sns, audience->store, &mailing));
    metric_add(&sns->published, 1);
    return OK;
}

void sns__publish(struct query_call *call)
{
    const char *name =
        json_is_set(json_get(call->input, STR("TopicArn"))) ? "TopicArn" : "TargetArn";
    struct audience audience = {0};
    struct publication p = {0};
    if (json_is_set(json_get(call->input, STR("PhoneNumber")))) {
        sns__fail(call, "PhoneNumber Reason: leat sends no SMS");
        return;
    }
    if (!json_is_set(json_get(call->input, str_of(name)))) {
        sns__fail(call, "TopicArn or TargetArn Reason: no value for required parameter");
        return;
    }
    if (!publication_read(call, call->input, &p)) {
        query_fail(call, 400, p.code, "%s", p.error);
        return;
    }
    str id;
    if (!audience_read(call, name, &audience)) {
        return;
    }
    err e = publish(call, &audience, &p, &id);
    if (e == ERR_LIMIT) {
        query_fail(call, 429, "Throttled", "%d mails wait for the mail server already",
                   SNS_PENDING_MAX);
    } else if (e != OK) {
        query_fail_err(call, e);
    } else {
        query_put_text(call, "MessageId", id);
    }
}

/* --- batches ------------------------------------------------------------------------------- */

static bool is_entry_id(str id)
{
    for (isize i = 0; i < id.len; i++) {
        u8 c = id.data[i], lower = c | 0x20;
        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_') {
            return false;
        }
    }
    return id.len >= 1 && id.len <= ENTRY_ID_MAX;
}

static bool batch_check(struct query_call *call, const struct json_value *entries)
{
    const char *code = NULL, *text = NULL;
    if (json_count(entries) == 0) {
        code = "EmptyBatchRequest";
        text = "The batch request doesn't contain any entries.";
    } else if (json_count(entries) > SNS_BATCH_MAX) {
        code = "TooManyEntriesInBatchRequest";
        text = "The batch request contains more entries than permissible.";
    }
    isize bytes = 0;
    for (const struct json_value *v = json_first(entries); v != NULL && code == NULL;
         v = json_next(v)) {
        str id = json_get_text(v, STR("Id"));
        bytes += json_get_text(v, STR("Message")).len;
        if (!is_entry_id(id)) {
            code = "InvalidBatchEntryId";
            text = "The Id of a batch entry in a batch request doesn't abide by the specification.";
        }
        for (const struct json_value *o = json_next(v); o != NULL && code == NULL;
             o = json_next(o)) {
            if (str_eq(id, json_get_text(o, STR("Id")))) {
                code = "BatchEntryIdsNotDistinct";
                text = "Two or more batch entries in the request have the same Id.";
            }
        }
    }
    if (code == NULL && bytes > SNS_MESSAGE_BYTES_MAX) {
        code = "BatchRequestTooLong";
        text = "The length of all the messages put together is more than the limit.";
    }
    if (code != NULL) {
        query_fail(call, 400, code, "%s", text);
    }
    return code == NULL;
}

static void put_failed(struct query_call *call, const struct json_value *entry,
                       const struct publication *p)
{
    query_open(call, NULL);
    query_put_text(call, "Id", json_get_text(entry, STR("Id")));
    query_put_text(call, "Code", str_of(p->code));
    query_put_text(call, "Message", str_of(p->error));
    query_put_bool(call, "SenderFault", strcmp(p->code, "InternalError") != 0);
    query_close(call, NULL);
}

/* Both lists of the answer: entries that were taken first, since each is published in turn. */
void sns__publish_batch(struct query_call *call)
{
    const struct json_value *entries = json_get(call->input, STR("PublishBatchRequestEntries"));
    struct audience audience = {0};
    if (!batch_check(call, entries) || !audience_read(call, "TopicArn", &audience)) {
        return;
    }
    struct publication results[SNS_BATCH_MAX] = {0};
    isize i = 0;
    query_open_list(call, "Successful");
    for (const struct json_value *v = json_first(entries); v != NULL; v = json_next(v), i++) {
        struct publication *p = &results[i];
        str id;
        if (!publication_read(call, v, p)) {
            continue;
        }
        err e = publish(call, &audience, p, &id);
        if (e != OK) {
            (void)refuse(p, e == ERR_LIMIT ? "Throttled" : "InternalError", "%s", err_text(e));
            continue;
        }
        query_open(call, NULL);
        query_put_text(call, "Id", json_get_text(v, STR("Id")));
        query_put_text(call, "MessageId", id);
        query_close(call, NULL);
    }
    query_close_list(call, "Successful");
    query_open_list(call, "Failed");
    i = 0;
    for (const struct json_value *v = json_first(entries); v != NULL; v = json_next(v), i++) {
        if (results[i].code != NULL) {
            put_failed(call, v, &results[i]);
        }
    }
    query_close_list(call, "Failed");
}
