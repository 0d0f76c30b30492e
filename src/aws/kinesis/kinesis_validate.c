/*
 * aws/kinesis/kinesis_validate.c: a body into arguments, by the tables of
 * kinesis_ops.c. Two passes, as AWS makes them: the first finds wrong types and ends
 * at the first one (SerializationException), the second finds every broken
 * constraint and names them together (ValidationException).
 */
#include "aws/kinesis/kinesis_int.h"
#include "codec/base64.h"
#include "codec/cbor.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    ERRORS_SHOWN_MAX = 10, /* AWS names no more than these. */
    VALUE_SHOWN_MAX = 256,
    PATH_BYTES_MAX = 160,
};
#define TIME_S_MAX  1e12
#define TIME_MS_MAX ((i64)1000000000000000)

/* --- first pass: types ---------------------------------------------------------------------- */

struct typing {
    struct kinesis_call *call;
    const char *error; /* In the arena; NULL while all is well. */
};

static bool type_error(struct typing *t, const char *text)
{
    t->error = text;
    return false;
}

/* "NUMBER_VALUE can not be converted to String" and its like. */
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
        return type_error(t, "Start of list found where not expected.");
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

static bool take_integer(struct typing *t, const struct json_value *value, struct arg_value *out)
{
    if (json_kind(value) != JSON_NUMBER) {
        return conversion_error(t, value, "Integer");
    }
    i64 number = 0;
    str text = json_text(value);
    if (str_to_i64(text, &number) != OK || number < INT32_MIN || number > INT32_MAX) {
        str message = arena_printf(t->call->arena, STR_FMT " can not be converted to Integer",
                                   STR_ARG(str_slice(text, 0, 64)));
        return type_error(t, arena_cstr(t->call->arena, message));
    }
    out->number = number;
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
        return conversion_error(t, value, "String");
    }
    *out = json_text(value);
    return true;
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
        return type_error(t, "A Blob is not valid base64: it must be padded, of the standard "
                             "alphabet, without blanks.");
    }
    return true;
}

/* Strings of a list, or of a map by name. */
static bool take_strings(struct typing *t, const struct json_value *value, bool is_map,
                         struct arg_value *out)
{
    if (json_kind(value) != (is_map ? JSON_OBJECT : JSON_ARRAY)) {
        return type_error(t, is_map ? "Expected map or null" : "Expected list or null");
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
        return type_error(t, "Expected list or null");
    }
    isize count = json_count(value);
    out->entries = ARENA_ARRAY(t->call->arena, struct put_entry, MAX(count, 1));
    const struct json_value *item = json_first(value);
    for (isize i = 0; i < count; i++, item = json_next(item)) {
        struct put_entry *entry = &out->entries[i];
        if (json_kind(item) != JSON_OBJECT) {
            return type_error(t, "Expected structure or null");
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
           conversion_error(t, value, "Boolean");
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
                                               : type_error(t, "Expected structure or null");
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

/* --- second pass: constraints --------------------------------------------------------------- */

struct checking {
    const struct kinesis_call *call;
    struct buf text;
    isize count;
};

/* Names the value that is wrong; NULL is no value. */
static void put_finding(struct checking *c, const str *value, const char *path)
{
    if (c->count > 0) {
        buf_append(&c->text, STR("; "));
    }
    if (value == NULL) {
        buf_append(&c->text, STR("Value null"));
    } else {
        str shown = str_slice(*value, 0, VALUE_SHOWN_MAX);
        while (shown.len < value->len && shown.len > 0 && (value->data[shown.len] & 0xc0) == 0x80) {
            shown.len--; /* Never half a character. */
        }
        buf_append(&c->text, STR("Value '"));
        buf_append(&c->text, shown);
        buf_append_byte(&c->text, '\'');
    }
    buf_printf(&c->text, " at '%s' failed to satisfy constraint: ", path);
}

static void find(struct checking *c, const str *value, const char *path, const char *format, ...)
    PRINTF(4, 5);

static void find(struct checking *c, const str *value, const char *path, const char *format, ...)
{
    if (c->count < ERRORS_SHOWN_MAX) {
        char rule[512];
        va_list args;
        va_start(args, format);
        IGNORE(vsnprintf(rule, sizeof rule, format, args) < 0); /* The formats are our own. */
        va_end(args);
        put_finding(c, value, path);
        buf_append(&c->text, str_of(rule));
    }
    c->count++;
}

static isize count_characters(str text)
{
    isize count = 0;
    for (isize i = 0; i < text.len; i++) {
        count += (text.data[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    return count;
}

static void check_length(struct checking *c, const struct member *m, isize length, str shown,
                         const char *path)
{
    if (m->min != NO_MIN && length < m->min) {
        find(c, &shown, path, "Member must have length greater than or equal to %d", m->min);
    }
    if (m->max != NO_MAX && length > m->max) {
        find(c, &shown, path, "Member must have length less than or equal to %d", m->max);
    }
}

static void check_enum(struct checking *c, const struct member *m, str text, const char *path)
{
    struct buf all = {0};
    for (const char *const *value = m->values; *value != NULL; value++) {
        if (str_eq(str_of(*value), text)) {
            buf_deinit(&all);
            return;
        }
        buf_printf(&all, "%s%s", value == m->values ? "" : ", ", *value);
    }
    find(c, &text, path, "Member must satisfy enum value set: [" STR_FMT "]",
         STR_ARG(buf_str(&all)));
    buf_deinit(&all);
}

static void check_text(struct checking *c, const struct member *m, str text, const char *path)
{
    check_length(c, m, count_characters(text), text, path);
    if (m->pattern != NULL && !m->pattern->matches(text)) {
        find(c, &text, path, "Member must satisfy regular expression pattern: %s",
             m->pattern->text);
    }
    if (m->values != NULL) {
        check_enum(c, m, text, path);
    }
}

static void check_blob(struct checking *c, const struct member *m, isize bytes, const char *path)
{
    char shown[128];
    snprintf(shown, sizeof shown, "java.nio.HeapByteBuffer[pos=0 lim=%lld cap=%lld]",
             (long long)bytes, (long long)bytes);
    check_length(c, m, bytes, str_of(shown), path);
}

/* "prefix.streamName": members are written with a small first letter in these messages. */
static void make_path(char *out, const char *prefix, const char *name)
{
    bool is_nested = prefix[0] != '\0';
    snprintf(out, PATH_BYTES_MAX, "%s%s%s", prefix, is_nested ? "." : "", name);
    char *first = out + strlen(prefix) + (is_nested ? 1 : 0);
    if (*first >= 'A' && *first <= 'Z') {
        *first = (char)(*first - 'A' + 'a');
    }
}

static void check_entry(struct checking *c, const struct put_entry *entry, const char *prefix)
{
    const struct {
        bool is_set;
        str text;
    } values[] = {
        /* In the order of kinesis__record_members. */
        {entry->has_data, entry->data},
        {entry->has_hash, entry->hash},
        {entry->has_key, entry->key},
    };
    for (int i = 0; i < COUNT_OF(values); i++) {
        const struct member *m = &kinesis__record_members[i];
        char path[PATH_BYTES_MAX];
        make_path(path, prefix, m->name);
        if (!values[i].is_set) {
            if (m->is_required) {
                find(c, NULL, path, "Member must not be null");
            }
        } else if (m->kind == MEMBER_BLOB) {
            check_blob(c, m, kinesis__blob_bytes(c->call, values[i].text), path);
        } else {
            check_text(c, m, values[i].text, path);
        }
    }
}

static void check_items(struct checking *c, const struct member *m, const struct arg_value *value,
                        const char *path)
{
    char shown[64];
    snprintf(shown, sizeof shown, value->count == 0 ? "[]" : "[%lld items]",
             (long long)value->count);
    check_length(c, m, value->count, str_of(shown), path);
    for (isize i = 0; i < value->count; i++) {
        char item[PATH_BYTES_MAX];
        snprintf(item, sizeof item, "%.100s.%lld.member", path, (long long)i + 1);
        if (m->kind == MEMBER_RECORDS) {
            check_entry(c, &value->entries[i], item);
        } else if (m->kind == MEMBER_MAP) {
            check_text(c, &m->members[0], value->pairs[i].key, path);
            snprintf(item, sizeof item, "%.100s.%.40s.member", path, "value");
            check_text(c, &m->members[1], value->pairs[i].value, item);
        } else {
            check_text(c, &m->members[0], value->pairs[i].key, item);
        }
    }
}

static void check_integer(struct checking *c, const struct member *m, i64 number, const char *path)
{
    char shown[32];
    snprintf(shown, sizeof shown, "%lld", (long long)number);
    str text = str_of(shown);
    if (m->min != NO_MIN && number < m->min) {
        find(c, &text, path, "Member must have value greater than or equal to %d", m->min);
    }
    if (m->max != NO_MAX && number > m->max) {
        find(c, &text, path, "Member must have value less than or equal to %d", m->max);
    }
}

static void check_struct(struct checking *c, const struct member *members, const char *prefix);

static void check_value(struct checking *c, const struct member *m, const char *path)
{
    const struct arg_value *value = &c->call->args[m->arg];
    switch (m->kind) {
    case MEMBER_STRING:
        check_text(c, m, value->text, path);
        break;
    case MEMBER_INTEGER:
        check_integer(c, m, value->number, path);
        break;
    case MEMBER_BLOB:
        check_blob(c, m, kinesis__blob_bytes(c->call, value->text), path);
        break;
    case MEMBER_STRUCT:
        check_struct(c, m->members, path);
        break;
    case MEMBER_STRINGS:
    case MEMBER_MAP:
    case MEMBER_RECORDS:
        check_items(c, m, value, path);
        break;
    case MEMBER_BOOLEAN:
    case MEMBER_TIMESTAMP:
        break;
    }
}

static void check_struct(struct checking *c, const struct member *members, const char *prefix)
{
    for (const struct member *m = members; m->name != NULL; m++) {
        char path[PATH_BYTES_MAX];
        make_path(path, prefix, m->name);
        if (c->call->args[m->arg].is_set) {
            check_value(c, m, path);
        } else if (m->is_required) {
            find(c, NULL, path, "Member must not be null");
        }
    }
}

isize kinesis__blob_bytes(const struct kinesis_call *call, str blob)
{
    return call->out.is_cbor ? blob.len : base64_decoded_bytes(blob);
}

bool kinesis__validate(struct kinesis_call *call, str body)
{
    const struct json_value *root = NULL;
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
    struct checking checking = {.call = call};
    check_struct(&checking, call->operation->members, "");
    if (checking.count > 0) {
        kinesis__fail(call, "ValidationException", "%lld validation error%s detected: " STR_FMT,
                      (long long)checking.count, checking.count == 1 ? "" : "s",
                      STR_ARG(buf_str(&checking.text)));
    }
    buf_deinit(&checking.text);
    return checking.count == 0;
}
