/* engine/catalog.c: tables by name, and what the binder asks about them. */
#include "engine/engine_int.h"

static void table_free(struct engine_table *table)
{
    arena_deinit(&table->arena);
    mem_free(table);
}

void engine__tables_free(struct engine_tables *tables)
{
    while (tables->first != NULL) {
        struct engine_table *next = tables->first->next;
        table_free(tables->first);
        tables->first = next;
    }
    tables->count = 0;
}

struct engine_table *engine__table_find(const struct engine_tables *tables, str name)
{
    struct engine_table *table = tables == NULL ? NULL : tables->first;
    while (table != NULL && !str_eq(table->def.name, name)) {
        table = table->next;
    }
    return table;
}

void engine__table_put(struct engine_tables *tables, struct engine_table *table)
{
    (void)engine__table_remove(tables, table->def.name);
    struct engine_table **at = &tables->first;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = table;
    tables->count++;
}

bool engine__table_remove(struct engine_tables *tables, str name)
{
    struct engine_table **at = &tables->first;
    while (*at != NULL && !str_eq((*at)->def.name, name)) {
        at = &(*at)->next;
    }
    struct engine_table *table = *at;
    if (table == NULL) {
        return false;
    }
    *at = table->next;
    tables->count--;
    table_free(table);
    return true;
}

err engine__table_make(struct engine_lookup *lookup, str create_text, struct engine_table **out,
                       struct diag *diag)
{
    struct catalog_ops ops;
    engine__catalog_ops(lookup, &ops);
    struct engine_table *table = NEW(struct engine_table);
    struct sql_statement statement;
    str text = arena_copy(&table->arena, create_text);
    err e = sql_parse(&table->arena, text, &statement, diag);
    if (e == OK) {
        e = sql_bind_create(&table->arena, &statement, &ops, &table->def, diag);
    }
    if (e != OK) {
        table_free(table);
        return e;
    }
    *out = table;
    return OK;
}

void engine__lookup_names(struct engine_lookup *lookup, struct arena *arena)
{
    for (int i = 0; i < 2; i++) {
        struct engine_table *t = lookup->lists[i] == NULL ? NULL : lookup->lists[i]->first;
        for (; t != NULL; t = t->next) {
            lookup->names =
                arena_grow(arena, lookup->names, lookup->name_count, (isize)sizeof(str));
            lookup->names[lookup->name_count++] = t->def.name;
        }
    }
}

/* --- what the binder asks
 * ------------------------------------------------------------------------------ */

static bool is_ours(str catalog, str database)
{
    return (catalog.len == 0 || str_eq(catalog, STR(ENGINE_CATALOG))) &&
           (database.len == 0 || str_eq(database, STR(ENGINE_DATABASE)));
}

static void view_note(struct engine_lookup *lookup, const struct table_def *def)
{
    if (def->is_view && lookup->views_arena != NULL) {
        lookup->views =
            arena_grow(lookup->views_arena, lookup->views, lookup->view_count, (isize)sizeof def);
        lookup->views[lookup->view_count++] = def;
    }
}

static err find_table(void *ctx, str catalog, str database, str name, const struct table_def **out)
{
    struct engine_lookup *lookup = ctx;
    if (!is_ours(catalog, database)) {
        return ERR_NOT_FOUND;
    }
    for (int i = 0; i < 2; i++) {
        struct engine_table *table = engine__table_find(lookup->lists[i], name);
        if (table != NULL) {
            view_note(lookup, &table->def);
            *out = &table->def;
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}

static isize names(void *ctx, str catalog, str database, const str **out)
{
    struct engine_lookup *lookup = ctx;
    *out = lookup->names;
    return is_ours(catalog, database) ? lookup->name_count : 0;
}

struct connect_table engine__connect_table(const struct table_def *table, struct arena *arena)
{
    struct connect_pair *pairs =
        ARENA_ARRAY(arena, struct connect_pair, MAX(table->option_count, 1));
    for (isize i = 0; i < table->option_count; i++) {
        pairs[i] = (struct connect_pair){table->options[i].key, table->options[i].value};
    }
    return (struct connect_table){
        arena_printf(arena, "'" ENGINE_CATALOG "." ENGINE_DATABASE "." STR_FMT "'",
                     STR_ARG(table->name)),
        pairs, table->option_count};
}

static bool is_name_byte(u8 c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* Not as a part of a longer name: 'stream' is none of "streamm". */
static bool is_named(str message, str key)
{
    isize at = str_find(message, key, 0);
    while (at >= 0) {
        isize end = at + key.len;
        bool goes_on = end < message.len && (is_name_byte(message.data[end]) ||
                                             (message.data[end] == '.' && end + 1 < message.len &&
                                              is_name_byte(message.data[end + 1])));
        bool begins =
            at == 0 || !(is_name_byte(message.data[at - 1]) || message.data[at - 1] == '.');
        if (begins && !goes_on) {
            return true;
        }
        at = str_find(message, key, end);
    }
    return false;
}

/* The option that a message of the connector is about, for the caret: its value, or its key when
 * there is none of that name (CON002). */
static void span_find(const struct table_def *table, struct diag *diag)
{
    str message = str_of(diag->message), code = str_of(diag->code);
    bool is_unknown_connector = str_eq(code, STR("CON001")), is_key = str_eq(code, STR("CON002"));
    for (isize i = 0; i < table->option_count; i++) {
        const struct plan_option *option = &table->options[i];
        bool is_connector = str_eq(option->key, STR("connector"));
        bool is_meant =
            is_unknown_connector ? is_connector : !is_connector && is_named(message, option->key);
        if (option->span_len > 0 && is_meant) {
            bool has_key = is_key && option->key_len > 0;
            diag_span(diag, has_key ? option->key_start : option->span_start,
                      has_key ? option->key_len : option->span_len);
            return;
        }
    }
}

/* What the format cannot hold is refused here, not when the first row comes. */
static err types_check(const struct table_def *table, const struct connect_table *options,
                       struct arena *scratch, struct diag *diag)
{
    struct connect_format format;
    connect_format_read(options, &format);
    struct type_field *fields =
        ARENA_ARRAY(scratch, struct type_field, MAX(table->column_count, 1));
    isize count = 0;
    for (isize i = 0; i < table->column_count; i++) {
        const struct table_column *column = &table->columns[i];
        if (column->kind == COLUMN_PHYSICAL) {
            fields[count++] = (struct type_field){column->name, column->type, STR_EMPTY};
        }
    }
    return connect_format_types_check(&format, fields, count, diag);
}

static err check_table(void *ctx, const struct table_def *table, struct diag *diag)
{
    (void)ctx;
    if (table->is_view) {
        return OK;
    }
    struct arena scratch = {0};
    struct connect_table options = engine__connect_table(table, &scratch);
    const struct connector *connector;
    err e = connect_check(&options, &connector, diag);
    if (e == OK && connector->has_format) {
        e = types_check(table, &options, &scratch, diag);
    }
    if (e != OK) {
        span_find(table, diag);
    }
    arena_deinit(&scratch);
    return e;
}

static const struct type *metadata_type(void *ctx, const struct table_def *table, str key)
{
    (void)ctx;
    for (isize i = 0; i < table->option_count; i++) {
        if (str_eq(table->options[i].key, STR("connector"))) {
            const struct connector *connector = connect_find(table->options[i].value);
            return connector == NULL ? NULL : connector->metadata(key);
        }
    }
    return NULL;
}

static str setting(void *ctx, str key)
{
    const struct engine_lookup *lookup = ctx;
    for (isize i = 0; i < lookup->setting_count; i++) {
        if (str_eq(lookup->settings[i].key, key)) {
            return lookup->settings[i].value;
        }
    }
    return STR_EMPTY;
}

void engine__catalog_ops(struct engine_lookup *lookup, struct catalog_ops *out)
{
    *out = (struct catalog_ops){
        .find_table = find_table,
        .names = names,
        .check_table = check_table,
        .metadata_type = metadata_type,
        .setting = setting,
        .current_catalog = STR(ENGINE_CATALOG),
        .current_database = STR(ENGINE_DATABASE),
        .ctx = lookup,
    };
}
