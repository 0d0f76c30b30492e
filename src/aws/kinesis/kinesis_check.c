/*
 * aws/kinesis/kinesis_check.c: the second pass over a request: every broken constraint of the
 * tables of kinesis_ops.c, named together as AWS does (ValidationException).
 */
#include "aws/kinesis/kinesis_int.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    ERRORS_MAX = 10, /* AWS finds no more than these. */
    VALUE_SHOWN_MAX = 4096,
    PATH_BYTES_MAX = 160,
};

str kinesis__shorten(str value, isize bytes_max)
{
    str shown = str_slice(value, 0, bytes_max);
    while (shown.len < value.len && shown.len > 0 && (value.data[shown.len] & 0xc0) == 0x80) {
        shown.len--;
    }
    return shown;
}

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
        buf_append(&c->text, STR("Value '"));
        buf_append(&c->text, kinesis__shorten(*value, VALUE_SHOWN_MAX));
        buf_append_byte(&c->text, '\'');
    }
    buf_printf(&c->text, " at '%s' failed to satisfy constraint: ", path);
}

static void find(struct checking *c, const str *value, const char *path, const char *format, ...)
    PRINTF(4, 5);

static void find(struct checking *c, const str *value, const char *path, const char *format, ...)
{
    if (c->count == ERRORS_MAX) {
        return;
    }
    char rule[512];
    va_list args;
    va_start(args, format);
    IGNORE(vsnprintf(rule, sizeof rule, format, args) < 0); /* The formats are our own. */
    va_end(args);
    put_finding(c, value, path);
    buf_append(&c->text, str_of(rule));
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

static bool is_in_enum(const struct member *m, str text)
{
    for (const char *const *value = m->values; *value != NULL; value++) {
        if (str_eq(str_of(*value), text)) {
            return true;
        }
    }
    return false;
}

/* "Member must satisfy enum value set: [A, B]" */
static const char *enum_rule(const struct checking *c, const struct member *m)
{
    struct buf rule = {0};
    buf_append(&rule, STR("Member must satisfy enum value set: ["));
    for (const char *const *value = m->values; *value != NULL; value++) {
        buf_printf(&rule, "%s%s", value == m->values ? "" : ", ", *value);
    }
    buf_append_byte(&rule, ']');
    const char *text = arena_cstr(c->call->arena, buf_str(&rule));
    buf_deinit(&rule);
    return text;
}

static void check_text(struct checking *c, const struct member *m, str text, const char *path)
{
    check_length(c, m, count_characters(text), text, path);
    if (m->pattern != NULL && !m->pattern->matches(text)) {
        find(c, &text, path, "Member must satisfy regular expression pattern: %s",
             m->pattern->text);
    }
    if (m->values != NULL && !is_in_enum(m, text)) {
        find(c, &text, path, "%s", enum_rule(c, m));
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

/* "[a, b]" of a list, "{a=1, b=2}" of a map; of records, which AWS shows as Java objects, how many.
 */
static str show_items(const struct checking *c, const struct member *m,
                      const struct arg_value *value)
{
    bool is_map = m->kind == MEMBER_MAP;
    struct buf shown = {0};
    buf_append_byte(&shown, is_map ? '{' : '[');
    if (m->kind == MEMBER_RECORDS && value->count > 0) {
        buf_printf(&shown, "%lld records", (long long)value->count);
    }
    for (isize i = 0; m->kind != MEMBER_RECORDS && i < value->count; i++) {
        if (shown.len > VALUE_SHOWN_MAX) {
            break;
        }
        buf_append(&shown, i == 0 ? STR_EMPTY : STR(", "));
        buf_append(&shown, kinesis__shorten(value->pairs[i].key, VALUE_SHOWN_MAX));
        if (is_map) {
            buf_append_byte(&shown, '=');
            buf_append(&shown, kinesis__shorten(value->pairs[i].value, VALUE_SHOWN_MAX));
        }
    }
    buf_append_byte(&shown, is_map ? '}' : ']');
    str text = arena_copy(c->call->arena, buf_str(&shown));
    buf_deinit(&shown);
    return text;
}

static bool is_item(const struct member *rules, str text)
{
    isize length = count_characters(text);
    return (rules->min == NO_MIN || length >= rules->min) &&
           (rules->max == NO_MAX || length <= rules->max) &&
           (rules->values == NULL || is_in_enum(rules, text));
}

/* Of all items together: AWS does not say which is wrong. `what` is "Member must", "Map keys must"
 * or "Map value must". */
static void find_items(struct checking *c, const struct member *rules, str shown, const char *path,
                       const char *what)
{
    if (rules->values != NULL) {
        find(c, &shown, path, "%s satisfy constraint: [%s]", what, enum_rule(c, rules));
        return;
    }
    find(c, &shown, path,
         "%s satisfy constraint: [Member must have length less than or equal to %d, Member must "
         "have length greater than or equal to %d]",
         what, rules->max, rules->min);
}

static void check_items(struct checking *c, const struct member *m, const struct arg_value *value,
                        const char *path)
{
    bool is_map = m->kind == MEMBER_MAP;
    bool are_keys_good = true;
    bool are_values_good = true;
    str shown = show_items(c, m, value);
    check_length(c, m, value->count, shown, path);
    for (isize i = 0; i < value->count; i++) {
        if (m->kind == MEMBER_RECORDS) {
            char item[PATH_BYTES_MAX];
            snprintf(item, sizeof item, "%.100s.%lld.member", path, (long long)i + 1);
            check_entry(c, &value->entries[i], item);
            continue;
        }
        are_keys_good = are_keys_good && is_item(&m->members[0], value->pairs[i].key);
        are_values_good =
            are_values_good && (!is_map || is_item(&m->members[1], value->pairs[i].value));
    }
    if (!are_keys_good) {
        find_items(c, &m->members[0], shown, path, is_map ? "Map keys must" : "Member must");
    }
    if (!are_values_good) {
        find_items(c, &m->members[1], shown, path, "Map value must");
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

bool kinesis__check_constraints(struct kinesis_call *call)
{
    struct checking checking = {.call = call};
    check_struct(&checking, call->operation->members, "");
    if (checking.count > 0) {
        struct buf message = {0};
        buf_printf(&message, "%lld validation error%s detected: ", (long long)checking.count,
                   checking.count == 1 ? "" : "s");
        buf_append(&message, buf_str(&checking.text));
        kinesis__fail_text(call, "ValidationException", buf_str(&message));
        buf_deinit(&message);
    }
    buf_deinit(&checking.text);
    return checking.count == 0;
}
