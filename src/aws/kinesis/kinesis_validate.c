/*
 * aws/kinesis/kinesis_validate.c: a body into arguments, by the tables of
 * kinesis_ops.c. Two passes, as AWS makes them: the first, here, finds wrong types and
 * ends at the first one (SerializationException); the second is in kinesis_check.c.
 */
#include "aws/kinesis/kinesis_int.h"
#include "codec/base64.h"
#include "codec/cbor.h"

#include <stdarg.h>
#include <stdio.h>

enum { TYPE_SHOWN_MAX = 64 }; /* Of a value of a wrong type. */
#define TIME_S_MAX  1e12
#define TIME_MS_MAX ((i64)1000000000000000)

struct typing {
    struct kinesis_call *call;
    const char *error; /* In the arena; NULL while all is well. */
};

static bool type_error(struct typing *t, const char *text)
{
    t->error = text;
    return false;
}

/* "NUMBER_VALUE can not be converted to a String" and its like. */
static bool conversion_error(struct typing *t, const struct json_value *value, const char *target)
{
    const char *found = "NULL_VALUE";
    switch (json_kind(value)) {
    case JSON_STRING:
        found = "STRING_VALUE";
        break;
    case JSON_NUMBER:
        found = "NUMBER_VALUE";
        break;
    case JSON_TRUE:
        found = "TRUE_VALUE";
        break;
    case JSON_FALSE:
        found = "FALSE_VALUE";
        break;
    case JSON_ARRAY:
        return type_error(t, "Start of list found where not expected");
    case JSON_OBJECT:
        return type_error(t, "Start of structure or map found where not expected.");
    case JSON_BYTES:
        found = "BYTES_VALUE";
        break;
    case JSON_NULL:
        break;
    }
    str text = arena_printf(t->call->arena, "%s can not be converted to %s", found, target);
    return type_error(t, arena_cstr(t->call->arena, text));
}

/* Of a list, map or structure: `what` stands for anything else that is no container. */
static bool container_error(struct typing *t, const struct json_value *value, const char *what)
{
    bool is_container = json_kind(value) == JSON_ARRAY || json_kind(value) == JSON_OBJECT;
    return is_container ? conversion_error(t, value, what) : type_error(t, what);
}

/* A fraction is cut off, what is too large becomes the largest, as by AWS. */
static bool take_integer(struct typing *t, const struct json_value *value, struct arg_value *out)
{
    if (json_kind(value) != JSON_NUMBER) {
        return conversion_error(t, value, "an Integer");
    }
    i64 number = 0;
    double decimal = 0;
    str text = json_text(value);
    if (str_to_i64(text, &number) == OK) {
        out->number = MAX(MIN(number, INT32_MAX), INT32_MIN);
        return true;
    }
    if (str_to_f64(text, &decimal) != OK) {
        decimal = text.len > 0 && text.data[0] == '-' ? INT32_MIN : INT32_MAX;
    }
    out->number = (i64)MAX(MIN(decimal, (double)INT32_MAX), (double)INT32_MIN);
    return true;
}

/* Milliseconds as CBOR has them: always whole. */
static bool take_time_ms(struct typing *t, str text, struct arg_value *out)
{
    if (str_to_i64(text, &out->number) != OK) {
        return type_error(t, "A timestamp must be a whole number of milliseconds.");
    }
    return (out->number >= -TIME_MS_MAX && out->number <= TIME_MS_MAX) ||
           type_error(t, "A timestamp is out of range.");
}

/* JSON has seconds. The SDK for Java 1 without CBOR sends whole milliseconds all the same: they are
 * told by their size, as seconds they would lie after the year 5138. */
static bool take_time(struct typing *t, const struct json_value *value, struct arg_value *out)
{
    enum { SECONDS_DIGITS_MAX = 11 };
    double seconds = 0;
    str text = json_text(value);
    if (json_kind(value) != JSON_NUMBER) {
        return conversion_error(t, value, "milliseconds since epoch");
    }
    i64 whole;
    bool is_whole = str_to_i64(text, &whole) == OK;
    if (t->call->out.is_cbor || (is_whole && text.len > SECONDS_DIGITS_MAX)) {
        return take_time_ms(t, text, out);
    }
    if (str_to_f64(text, &seconds) != OK || seconds < -TIME_S_MAX || seconds > TIME_S_MAX) {
        return type_error(t, "A timestamp is out of range.");
    }
    /* Rounded, so that a time which SDKs print as a double comes back as the millisecond it was. */
    out->number = (i64)(seconds * 1000 + (seconds < 0 ? -0.5 : 0.5));
    return true;
}

static bool take_text(struct typing *t, const struct json_value *value, str *out)
{
    if (json_kind(value) != JSON_STRING) {
        return conversion_error(t, value, "a String");
    }
    *out = json_text(value);
    return true;
}

static bool is_base64_letter(u8 c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* What AWS finds first: the length, then a character, then bits that belong to no byte. */
static str base64_problem(struct arena *arena, str text)
{
    if (text.len % 4 != 0) {
        return arena_printf(arena,
                            "Base64 encoded length is expected a multiple of 4 bytes but found: "
                            "%lld",
                            (long long)text.len);
    }
    isize pads = str_ends(text, STR("==")) ? 2 : str_ends(text, STR("=")) ? 1 : 0;
    for (isize i = 0; i < text.len - pads; i++) {
        if (!is_base64_letter(text.data[i])) {
            isize end = i + 1;
            while (end < text.len && (text.data[end] & 0xc0) == 0x80) {
                end++;
            }
            return arena_printf(arena, "Invalid Base64 character: '" STR_FMT "'",
                                STR_ARG(str_slice(text, i, end)));
        }
    }
    return STR("Invalid last non-pad Base64 character dectected"); /* Their spelling. */
}

static bool base64_error(struct typing *t, str text)
{
    struct arena *arena = t->call->arena;
    str message = arena_printf(arena, "'" STR_FMT "' can not be converted to a Blob: " STR_FMT,
                               STR_ARG(kinesis__shorten(text, TYPE_SHOWN_MAX)),
                               STR_ARG(base64_problem(arena, text)));
    return type_error(t, arena_cstr(arena, message));
}

static bool take_blob(struct typing *t, const struct json_value *value, str *out)
{
    bool is_cbor = t->call->out.is_cbor;
    if (json_kind(value) != (is_cbor ? JSON_BYTES : JSON_STRING)) {
        return conversion_error(t, value, "a Blob");
    }
    *out = json_text(value);
    if (is_cbor) {
        return true;
    }
    /* Decoded into scratch memory of the request: only errors come this way often. */
    isize bytes = base64_decoded_bytes(*out);
    u8 *scratch = bytes < 0 ? NULL : arena_try_alloc(t->call->arena, bytes + 64);
    if (scratch == NULL || base64_decode(*out, scratch, &bytes) != OK) {
        return base64_error(t, *out);
    }
    return true;
}

/* Strings of a list, or of a map by name. */
static bool take_strings(struct typing *t, const struct json_value *value, bool is_map,
                         struct arg_value *out)
{
    if (json_kind(value) != (is_map ? JSON_OBJECT : JSON_ARRAY)) {
        return container_error(t, value, is_map ? "Expected map or null" : "Expected list or null");
    }
    isize count = json_count(value);
    out->pairs = ARENA_ARRAY(t->call->arena, struct pair, MAX(count, 1));
    const struct json_value *item = json_first(value);
    for (isize i = 0; i < count; i++, item = json_next(item)) {
        out->pairs[i].key = json_name(item);
        if (!take_text(t, item, is_map ? &out->pairs[i].value : &out->pairs[i].key)) {
            return false;
        }
    }
    out->count = count;
    return true;
}

static bool take_records(struct typing *t, const struct json_value *value, struct arg_value *out)
{
    if (json_kind(value) != JSON_ARRAY) {
        return container_error(t, value, "Expected list or null");
    }
    isize count = json_count(value);
    out->entries = ARENA_ARRAY(t->call->arena, struct put_entry, MAX(count, 1));
    const struct json_value *item = json_first(value);
    for (isize i = 0; i < count; i++, item = json_next(item)) {
        struct put_entry *entry = &out->entries[i];
        if (json_kind(item) != JSON_OBJECT) {
            return container_error(t, item, "Expected null");
        }
        const struct json_value *data = json_get(item, STR("Data"));
        const struct json_value *key = json_get(item, STR("PartitionKey"));
        const struct json_value *hash = json_get(item, STR("ExplicitHashKey"));
        if ((json_is_set(data) && !take_blob(t, data, &entry->data)) ||
            (json_is_set(key) && !take_text(t, key, &entry->key)) ||
            (json_is_set(hash) && !take_text(t, hash, &entry->hash))) {
            return false;
        }
        /* Told apart from empty in the second pass. */
        entry->has_data = json_is_set(data);
        entry->has_key = json_is_set(key);
        entry->has_hash = json_is_set(hash);
    }
    out->count = count;
    return true;
}

static bool take_flag(struct typing *t, const struct json_value *value, struct arg_value *out)
{
    out->number = json_kind(value) == JSON_TRUE;
    return json_kind(value) == JSON_TRUE || json_kind(value) == JSON_FALSE ||
           conversion_error(t, value, "a Boolean");
}

static bool take_struct(struct typing *t, const struct json_value *object,
                        const struct member *members);

static bool take_value(struct typing *t, const struct json_value *value,
                       const struct member *member)
{
    struct arg_value *out = &t->call->args[member->arg];
    out->is_set = true;
    switch (member->kind) {
    case MEMBER_STRING:
        return take_text(t, value, &out->text);
    case MEMBER_INTEGER:
        return take_integer(t, value, out);
    case MEMBER_BOOLEAN:
        return take_flag(t, value, out);
    case MEMBER_TIMESTAMP:
        return take_time(t, value, out);
    case MEMBER_BLOB:
        return take_blob(t, value, &out->text);
    case MEMBER_STRUCT:
        return json_kind(value) == JSON_OBJECT ? take_struct(t, value, member->members)
                                               : container_error(t, value, "Expected null");
    case MEMBER_STRINGS:
    case MEMBER_MAP:
        return take_strings(t, value, member->kind == MEMBER_MAP, out);
    case MEMBER_RECORDS:
        return take_records(t, value, out);
    }
    return false;
}

/* Members that no table names are ignored, as AWS does; null means absent. */
static bool take_struct(struct typing *t, const struct json_value *object,
                        const struct member *members)
{
    for (const struct member *m = members; m->name != NULL; m++) {
        const struct json_value *value = json_get(object, str_of(m->name));
        if (json_is_set(value) && !take_value(t, value, m)) {
            return false;
        }
    }
    return true;
}

isize kinesis__blob_bytes(const struct kinesis_call *call, str blob)
{
    return call->out.is_cbor ? blob.len : base64_decoded_bytes(blob);
}

bool kinesis__validate(struct kinesis_call *call, str body)
{
    const struct json_value *root = NULL;
    call->args = ARENA_ARRAY(call->arena, struct arg_value, ARG_COUNT);
    call->arena->budget_bytes = KINESIS_ARENA_BYTES_MAX;
    if (!call->out.is_cbor) {
        root = json_parse_request(call->arena, body);
    } else if (cbor_parse(call->arena, body, &root, NULL) != OK) {
        root = NULL;
    }
    if (root == NULL || json_kind(root) != JSON_OBJECT) {
        kinesis__fail_form(call, NULL);
        return false;
    }
    struct typing typing = {.call = call};
    if (!take_struct(&typing, root, call->operation->members)) {
        kinesis__fail_form(call, typing.error);
        return false;
    }
    return kinesis__check_constraints(call);
}
