/* connect/connect.c: the list of connectors, and the check of options. */
#include "connect/connect.h"

#include "base/buf.h"
#include "connect/blackhole/blackhole.h"
#include "connect/cloudwatch/cloudwatch.h"
#include "connect/datagen/datagen.h"
#include "connect/filesystem/filesystem.h"
#include "connect/format.h"
#include "connect/kinesis/kinesis.h"
#include "connect/print/print.h"
#include "connect/sns/sns.h"

enum { NAMES_MAX = 128 };

static const struct connector *const connectors[] = {
    &connect_blackhole, &connect_cloudwatch, &connect_datagen, &connect_filesystem,
    &connect_kinesis,   &connect_print,      &connect_s3,      &connect_sns};

const struct connector *connect_find(str name)
{
    for (isize i = 0; i < COUNT_OF(connectors); i++) {
        if (str_eq(name, str_of(connectors[i]->name))) {
            return connectors[i];
        }
    }
    return NULL;
}

str connect_get(const struct connect_table *table, const char *key, str otherwise)
{
    for (isize i = 0; i < table->option_count; i++) {
        if (str_eq(table->options[i].key, str_of(key))) {
            return table->options[i].value;
        }
    }
    return otherwise;
}

bool connect_is_true(const struct connect_table *table, const char *key)
{
    return str_eq(connect_get(table, key, STR("false")), STR("true"));
}

err connect_one_of(const struct connect_table *table, const char *key, const char *const *values,
                   struct diag *diag)
{
    str value = connect_get(table, key, STR_EMPTY);
    for (isize i = 0; value.len > 0 && values[i] != NULL; i++) {
        if (str_eq(value, str_of(values[i]))) {
            return OK;
        }
    }
    if (value.len == 0) {
        return OK;
    }
    (void)diag_set(diag, ERR_INVALID, "CON005", "Invalid value for option '%s': " STR_FMT, key,
                   STR_ARG(value));
    struct buf list = {0};
    for (isize i = 0; values[i] != NULL; i++) {
        const char *between = i == 0 ? "" : values[i + 1] == NULL ? " or " : ", ";
        buf_printf(&list, "%s%s", between, values[i]);
    }
    diag_hint(diag, "it can be " STR_FMT, STR_ARG(buf_str(&list)));
    buf_deinit(&list);
    return ERR_INVALID;
}

static err connector_unknown(str name, struct diag *diag)
{
    str names[COUNT_OF(connectors)];
    struct buf list = {0};
    for (isize i = 0; i < COUNT_OF(connectors); i++) {
        names[i] = str_of(connectors[i]->name);
        buf_printf(&list, "%s%s", i > 0 ? ", " : "", connectors[i]->name);
    }
    (void)diag_set(diag, ERR_NOT_FOUND, "CON001",
                   "Could not find any factory for identifier '" STR_FMT
                   "' that implements 'org.apache.flink.table.factories.DynamicTableFactory'. "
                   "Available factory identifiers are: " STR_FMT,
                   STR_ARG(name), STR_ARG(buf_str(&list)));
    str near = diag_nearest(name, names, COUNT_OF(names));
    if (near.len > 0) {
        diag_hint(diag, "did you mean '" STR_FMT "'?", STR_ARG(near));
    }
    buf_deinit(&list);
    return ERR_NOT_FOUND;
}

/* "fields.*.kind" stands for one key per column. */
static bool is_key(str key, const char *pattern)
{
    str whole = str_of(pattern);
    isize star = str_find_byte(whole, '*', 0);
    if (star < 0) {
        return str_eq(key, whole);
    }
    str head = str_slice(whole, 0, star), tail = str_slice(whole, star + 1, whole.len);
    return key.len > head.len + tail.len && str_starts(key, head) && str_ends(key, tail);
}

static bool is_option(const struct connector *connector, str key)
{
    const struct connect_option *lists[] = {connector->options,
                                            connector->has_format ? connect_format_options : NULL};
    for (isize i = 0; i < COUNT_OF(lists); i++) {
        for (const struct connect_option *o = lists[i]; o != NULL && o->key != NULL; o++) {
            if (is_key(key, o->key)) {
                return true;
            }
        }
    }
    return false;
}

static err option_unknown(const struct connector *connector, str key, struct diag *diag)
{
    str names[NAMES_MAX];
    isize count = 0;
    const struct connect_option *lists[] = {connector->options,
                                            connector->has_format ? connect_format_options : NULL};
    for (isize i = 0; i < COUNT_OF(lists); i++) {
        for (const struct connect_option *o = lists[i]; o != NULL && o->key != NULL; o++) {
            names[count] = str_of(o->key);
            count += count < NAMES_MAX - 1;
        }
    }
    (void)diag_set(diag, ERR_INVALID, "CON002",
                   "Unsupported options found for '%s'. Unsupported options: " STR_FMT,
                   connector->name, STR_ARG(key));
    str near = diag_nearest(key, names, count);
    if (near.len > 0) {
        diag_hint(diag, "did you mean '" STR_FMT "'?", STR_ARG(near));
    } else {
        diag_hint(diag, "docs/connectors/%s.md lists the options", connector->name);
    }
    return ERR_INVALID;
}

err connect_check(const struct connect_table *table, const struct connector **out,
                  struct diag *diag)
{
    str name = connect_get(table, "connector", STR_EMPTY);
    if (name.len == 0) {
        (void)diag_set(diag, ERR_INVALID, "CON003", "table " STR_FMT " has no 'connector' option",
                       STR_ARG(table->name));
        diag_hint(diag, "WITH ('connector' = 'kinesis', ...)");
        return ERR_INVALID;
    }
    const struct connector *connector = connect_find(name);
    if (connector == NULL) {
        return connector_unknown(name, diag);
    }
    for (isize i = 0; i < table->option_count; i++) {
        str key = table->options[i].key;
        if (!str_eq(key, STR("connector")) && !is_option(connector, key)) {
            return option_unknown(connector, key, diag);
        }
    }
    for (const struct connect_option *o = connector->options; o->key != NULL; o++) {
        if (o->is_required && connect_get(table, o->key, STR_EMPTY).len == 0) {
            return diag_set(diag, ERR_INVALID, "CON004",
                            "One or more required options are missing.\n\nMissing required options "
                            "are:\n\n%s",
                            o->key);
        }
    }
    if (connector->has_format) {
        TRY(connect_format_check(table, diag));
    }
    TRY(connector->check(table, diag));
    *out = connector;
    return OK;
}
