/* engine/execute.c: statements that are no jobs: DDL, SHOW, DESCRIBE, EXPLAIN, SET. */
#include "engine/engine_int.h"

#include "base/cal.h"

struct call {
    struct engine_session *session;
    const struct sql_statement *statement;
    const struct engine_options *options;
    struct arena *arena;
    struct engine_result *out;
    struct diag *diag;
};

/* --- results
 * ------------------------------------------------------------------------------------------- */

static void columns_set(struct call *c, const char *const *names, isize count)
{
    c->out->kind = ENGINE_RESULT_TABLE;
    c->out->columns = ARENA_ARRAY(c->arena, str, count);
    c->out->column_count = count;
    for (isize i = 0; i < count; i++) {
        c->out->columns[i] = str_of(names[i]);
    }
}

static void row_add(struct call *c, const str *cells)
{
    isize count = c->out->column_count;
    isize at = c->out->row_count * count;
    for (isize i = 0; i < count; i++) {
        c->out->cells = arena_grow(c->arena, c->out->cells, at + i, (isize)sizeof(str));
        c->out->cells[at + i] = arena_copy(c->arena, cells[i]);
    }
    c->out->row_count++;
}

static void row_one(struct call *c, str cell)
{
    CHECK(c->out->column_count == 1);
    row_add(c, &cell);
}

static void one_column(struct call *c, const char *name)
{
    columns_set(c, &name, 1);
}

/* --- DDL
 * ---------------------------------------------------------------------------------------------------
 */

static void lookup_make(struct call *c, struct engine_lookup *out)
{
    *out = (struct engine_lookup){.lists = {&c->session->temporary, &c->session->engine->tables},
                                  .settings = c->session->settings,
                                  .setting_count = c->session->setting_count};
    engine__lookup_names(out, c->arena);
}

/* Is the statement about another catalog or database than there is? */
static bool is_elsewhere(const struct call *c)
{
    const struct sql_name *name = &c->statement->name;
    return (name->catalog.len > 0 && !str_eq(name->catalog, STR(ENGINE_CATALOG))) ||
           (name->database.len > 0 && !str_eq(name->database, STR(ENGINE_DATABASE)));
}

static err elsewhere(struct call *c)
{
    (void)diag_set(c->diag, ERR_NOT_FOUND, "ENG066",
                   "there is only the catalog " ENGINE_CATALOG
                   " with the database " ENGINE_DATABASE);
    diag_span(c->diag, c->statement->name.span_start, c->statement->name.span_len);
    return ERR_NOT_FOUND;
}

static bool is_same(const struct engine_tables *tables, const struct sql_statement *s)
{
    const struct engine_table *table = engine__table_find(tables, s->name.name);
    return table != NULL && str_eq(str_trim(table->def.create_text), str_trim(s->text));
}

static err create(struct call *c)
{
    struct engine *engine = c->session->engine;
    const struct sql_statement *s = c->statement;
    struct engine_tables *tables = s->is_temporary ? &c->session->temporary : &engine->tables;
    struct engine_lookup lookup;
    lookup_make(c, &lookup);
    bool exists = engine__table_find(tables, s->name.name) != NULL;
    if (exists && s->if_not_exists) {
        return OK;
    }
    if (exists && c->options->keeps_tables && !s->is_temporary && is_same(tables, s)) {
        c->out->notice = arena_printf(c->arena, STR_FMT " is there already, as it is written here",
                                      STR_ARG(s->name.name));
        return OK;
    }
    if (exists) {
        (void)diag_set(c->diag, ERR_EXISTS, "ENG061",
                       "A table with name '" ENGINE_CATALOG "." ENGINE_DATABASE "." STR_FMT
                       "' already exists",
                       STR_ARG(s->name.name));
        diag_span(c->diag, s->name.span_start, s->name.span_len);
        diag_hint(c->diag, "DROP it first, or write CREATE ... IF NOT EXISTS");
        return ERR_EXISTS;
    }
    if (tables->count >= ENGINE_TABLES_MAX) {
        return diag_set(c->diag, ERR_LIMIT, "ENG062",
                        "there are %d tables, which is the most allowed", ENGINE_TABLES_MAX);
    }
    struct engine_table *table;
    TRY(engine__table_make(&lookup, s->text, &table, c->diag));
    if (!s->is_temporary) {
        err e = engine__log_table(engine, s->text);
        if (e != OK) {
            arena_deinit(&table->arena);
            mem_free(table);
            return diag_set(c->diag, e, "ENG063", "the table could not be written down: %s",
                            err_text(e));
        }
    }
    engine__table_put(tables, table);
    return OK;
}

static err absent(struct call *c, bool is_view)
{
    const struct sql_statement *s = c->statement;
    struct engine_lookup lookup;
    lookup_make(c, &lookup);
    (void)diag_set(c->diag, ERR_NOT_FOUND, "ENG064",
                   "%s with identifier '" ENGINE_CATALOG "." ENGINE_DATABASE "." STR_FMT
                   "' does not exist",
                   is_view ? "View" : "Table", STR_ARG(s->name.name));
    diag_span(c->diag, s->name.span_start, s->name.span_len);
    str near = diag_nearest(s->name.name, lookup.names, lookup.name_count);
    if (str_eq(near, s->name.name)) {
        diag_label(c->diag, is_view ? "it is a table: DROP TABLE" : "it is a view: DROP VIEW");
    } else if (near.len > 0) {
        diag_label(c->diag, "did you mean `" STR_FMT "`?", STR_ARG(near));
    }
    return ERR_NOT_FOUND;
}

static err drop(struct call *c, bool is_view)
{
    struct engine *engine = c->session->engine;
    const struct sql_statement *s = c->statement;
    struct engine_table *table = engine__table_find(&c->session->temporary, s->name.name);
    if (table != NULL && table->def.is_view == is_view) {
        (void)engine__table_remove(&c->session->temporary, s->name.name);
        return OK;
    }
    table = s->is_temporary ? NULL : engine__table_find(&engine->tables, s->name.name);
    if (table == NULL || table->def.is_view != is_view) {
        return s->if_exists ? OK : absent(c, is_view);
    }
    err e = engine__log_drop(engine, s->name.name);
    if (e != OK) {
        return diag_set(c->diag, e, "ENG063", "the change could not be written down: %s",
                        err_text(e));
    }
    (void)engine__table_remove(&engine->tables, s->name.name);
    return OK;
}

/* --- SHOW, DESCRIBE, EXPLAIN
 * ---------------------------------------------------------------------------------- */

/* SQL's LIKE with % and _; no escape. */
static bool like(str text, str pattern)
{
    isize t = 0, p = 0, star = -1, mark = 0;
    while (t < text.len) {
        bool is_any = p < pattern.len && pattern.data[p] == '%';
        bool fits = p < pattern.len && !is_any &&
                    (pattern.data[p] == '_' || pattern.data[p] == text.data[t]);
        if (fits) {
            t++;
            p++;
        } else if (is_any) {
            star = p++;
            mark = t;
        } else if (star >= 0) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '%') {
        p++;
    }
    return p == pattern.len;
}

static bool is_wanted(const struct call *c, str name)
{
    str pattern = c->statement->like;
    return pattern.data == NULL || like(name, pattern) != c->statement->not_like;
}

static void show_tables(struct call *c, bool views_only)
{
    one_column(c, views_only ? "view name" : "table name");
    const struct engine_tables *lists[] = {&c->session->temporary, &c->session->engine->tables};
    for (int i = 0; i < 2; i++) {
        for (struct engine_table *t = lists[i]->first; t != NULL; t = t->next) {
            bool is_shown = (!views_only || t->def.is_view) && is_wanted(c, t->def.name);
            bool is_hidden = i == 1 && engine__table_find(lists[0], t->def.name) != NULL;
            if (is_shown && !is_hidden) {
                row_one(c, t->def.name);
            }
        }
    }
}

static void show_functions(struct call *c)
{
    const struct func_listing *list;
    isize count = func_list(&list);
    one_column(c, "function name");
    for (isize i = 0; i < count; i++) {
        if (is_wanted(c, list[i].name)) {
            row_one(c, list[i].name);
        }
    }
}

static const char *const state_names[] = {"RUNNING", "FAILED", "STOPPED", "FINISHED"};

static void show_jobs(struct call *c)
{
    static const char *const names[] = {"job id", "job name", "status", "start time"};
    columns_set(c, names, COUNT_OF(names));
    for (struct engine_job *job = c->session->engine->jobs; job != NULL; job = job->next) {
        char time[32];
        (void)cal_format_iso_ms(job->created_ms * 1000, time);
        str cells[] = {str_of(job->id_text), job->name, str_of(state_names[job->state]),
                       str_of(time)};
        row_add(c, cells);
    }
}

static struct engine_table *table_of(struct call *c)
{
    struct engine_table *table =
        engine__table_find(&c->session->temporary, c->statement->name.name);
    return table != NULL ? table
                         : engine__table_find(&c->session->engine->tables, c->statement->name.name);
}

static err describe(struct call *c)
{
    static const char *const names[] = {"name", "type", "null", "key", "extras", "watermark"};
    struct engine_table *table = table_of(c);
    if (table == NULL) {
        return absent(c, false);
    }
    columns_set(c, names, COUNT_OF(names));
    for (isize i = 0; i < table->def.column_count; i++) {
        const struct table_column *column = &table->def.columns[i];
        if (!is_wanted(c, column->name)) {
            continue;
        }
        struct buf type = {0};
        type_format(type_with_null(c->arena, column->type, true), &type);
        str key = STR_EMPTY, extras = STR_EMPTY;
        for (isize k = 0; k < table->def.primary_key_count; k++) {
            if (table->def.primary_key[k] == i) {
                key = arena_printf(c->arena, "PRI(" STR_FMT ")", STR_ARG(column->name));
            }
        }
        if (column->kind == COLUMN_COMPUTED) {
            extras = arena_printf(c->arena, "AS " STR_FMT, STR_ARG(column->expr_text));
        } else if (column->kind == COLUMN_METADATA) {
            extras =
                arena_printf(c->arena, "METADATA FROM '" STR_FMT "'%s",
                             STR_ARG(column->metadata_key), column->is_virtual ? " VIRTUAL" : "");
        }
        bool has_watermark = table->def.watermark_column == i;
        str cells[] = {
            column->name, buf_str(&type), column->type->is_nullable ? STR("TRUE") : STR("FALSE"),
            key,          extras,         has_watermark ? table->def.watermark_text : STR_EMPTY};
        row_add(c, cells);
        buf_deinit(&type);
    }
    return OK;
}

static err show_create(struct call *c)
{
    struct engine_table *table = table_of(c);
    bool wants_view = c->statement->show == SHOW_CREATE_VIEW;
    if (table == NULL) {
        return absent(c, wants_view);
    }
    if (table->def.is_view != wants_view) {
        (void)diag_set(c->diag, ERR_INVALID, "ENG068",
                       "SHOW CREATE %s is only supported for %ss, but " STR_FMT
                       " is a %s. Please use SHOW CREATE %s instead.",
                       wants_view ? "VIEW" : "TABLE", wants_view ? "view" : "table",
                       STR_ARG(c->statement->name.name), wants_view ? "table" : "view",
                       wants_view ? "TABLE" : "VIEW");
        diag_span(c->diag, c->statement->name.span_start, c->statement->name.span_len);
        return ERR_INVALID;
    }
    struct buf text = {0};
    sql_format_create(&table->def, &text);
    str cell = buf_str(&text);
    one_column(c, "result");
    row_one(c, cell);
    buf_deinit(&text);
    return OK;
}

static err show(struct call *c)
{
    str name;
    switch (c->statement->show) {
    case SHOW_TABLES:
    case SHOW_VIEWS:
        show_tables(c, c->statement->show == SHOW_VIEWS);
        return OK;
    case SHOW_FUNCTIONS:
        show_functions(c);
        return OK;
    case SHOW_JOBS:
        show_jobs(c);
        return OK;
    case SHOW_COLUMNS:
        return describe(c);
    case SHOW_CREATE_TABLE:
    case SHOW_CREATE_VIEW:
        return show_create(c);
    case SHOW_CATALOGS:
    case SHOW_CURRENT_CATALOG:
        one_column(c, "catalog name");
        name = STR(ENGINE_CATALOG);
        break;
    case SHOW_DATABASES:
    case SHOW_CURRENT_DATABASE:
    default:
        one_column(c, "database name");
        name = STR(ENGINE_DATABASE);
    }
    row_one(c, name);
    return OK;
}

/* Every node of every plan appends rows: the mode stands at the end of each line. */
static void add_modes(str text, struct buf *out)
{
    while (text.len > 0) {
        str line = str_split(&text, '\n', NULL);
        buf_append(out, str_slice(line, 0, line.len - 1));
        buf_append(out, STR(", changelogMode=[I])\n"));
    }
}

static err explain_one(struct call *c, const struct sql_statement *inner, struct buf *out)
{
    struct engine_lookup lookup;
    struct catalog_ops ops;
    struct plan plan;
    lookup_make(c, &lookup);
    engine__catalog_ops(&lookup, &ops);
    TRY(sql_plan(c->arena, inner, &ops, &plan, c->diag));
    if (c->statement->explain_details.len == 0) {
        plan_format(plan.root, out);
        return OK;
    }
    struct buf text = {0};
    CHECK(plan.root->mode == CHANGELOG_APPEND);
    plan_format(plan.root, &text);
    add_modes(buf_str(&text), out);
    buf_deinit(&text);
    return OK;
}

static err explain(struct call *c)
{
    const struct sql_statement *inner = c->statement->inner;
    bool is_set = inner->kind == SQL_STATEMENT_SET;
    struct buf text = {0};
    err e = OK;
    buf_append(&text, STR("== Optimized Execution Plan ==\n"));
    for (isize i = 0; i < (is_set ? inner->inner_count : 1) && e == OK; i++) {
        e = explain_one(c, is_set ? &inner->inner[i] : inner, &text);
    }
    if (e == OK) {
        one_column(c, "result");
        row_one(c, buf_str(&text));
    }
    buf_deinit(&text);
    return e;
}

/* --- SET
 * ----------------------------------------------------------------------------------------------------------
 */

static err setting_check(struct call *c)
{
    i64 us;
    str key = c->statement->key, value = c->statement->value;
    if (str_eq(key, STR(ENGINE_SETTING_IDLE)) && engine__duration_parse(value, &us) != OK) {
        return diag_set(c->diag, ERR_INVALID, "ENG071",
                        "'" STR_FMT "' is \"" STR_FMT
                        "\", which is not a duration such as 1 s or 500 ms",
                        STR_ARG(key), STR_ARG(str_slice(value, 0, 64)));
    }
    bool is_zone = str_eq(key, STR(ENGINE_SETTING_ZONE));
    if (is_zone && !func_zone_exists(arena_cstr(c->arena, value))) {
        return diag_set(c->diag, ERR_INVALID, "ENG078", "there is no time zone \"" STR_FMT "\"",
                        STR_ARG(str_slice(value, 0, 64)));
    }
    return OK;
}

static err set(struct call *c)
{
    static const char *const names[] = {"key", "value"};
    struct engine_session *session = c->session;
    if (c->statement->key.len == 0) {
        columns_set(c, names, COUNT_OF(names));
        for (isize i = 0; i < session->setting_count; i++) {
            str cells[] = {session->settings[i].key, session->settings[i].value};
            row_add(c, cells);
        }
        return OK;
    }
    TRY(setting_check(c));
    isize at = 0;
    while (at < session->setting_count && !str_eq(session->settings[at].key, c->statement->key)) {
        at++;
    }
    if (at == ENGINE_SETTINGS_MAX) {
        return diag_set(c->diag, ERR_LIMIT, "ENG065", "a session holds at most %d settings",
                        ENGINE_SETTINGS_MAX);
    }
    session->settings[at] =
        (struct engine_setting){arena_copy(&session->arena, c->statement->key),
                                arena_copy(&session->arena, c->statement->value)};
    session->setting_count = MAX(session->setting_count, at + 1);
    if (!str_eq(c->statement->key, STR(ENGINE_SETTING_ZONE)) &&
        !str_eq(c->statement->key, STR(ENGINE_SETTING_IDLE))) {
        c->out->notice = arena_printf(c->arena, "'" STR_FMT "' is kept but has no effect in leat",
                                      STR_ARG(c->statement->key));
    }
    return OK;
}

static err reset(struct call *c)
{
    struct engine_session *session = c->session;
    isize kept = 0;
    for (isize i = 0; i < session->setting_count; i++) {
        bool goes =
            c->statement->key.len == 0 || str_eq(session->settings[i].key, c->statement->key);
        if (!goes) {
            session->settings[kept++] = session->settings[i];
        }
    }
    session->setting_count = kept;
    return OK;
}

static err use(struct call *c)
{
    const struct sql_name *name = &c->statement->name;
    bool is_ours =
        !is_elsewhere(c) && (name->name.len == 0 || str_eq(name->name, STR(ENGINE_DATABASE)) ||
                             str_eq(name->name, STR(ENGINE_CATALOG)));
    if (is_ours) {
        return OK;
    }
    return elsewhere(c);
}

/* --- dispatch
 * -------------------------------------------------------------------------------------------------------
 */

static err run(struct call *c)
{
    enum sql_kind kind = c->statement->kind;
    bool is_drop = kind == SQL_DROP_TABLE || kind == SQL_DROP_VIEW;
    if (kind != SQL_USE && is_elsewhere(c)) {
        return is_drop && c->statement->if_exists ? OK : elsewhere(c);
    }
    switch (kind) {
    case SQL_CREATE_TABLE:
    case SQL_CREATE_VIEW:
        return create(c);
    case SQL_DROP_TABLE:
    case SQL_DROP_VIEW:
        return drop(c, kind == SQL_DROP_VIEW);
    case SQL_SHOW:
        return show(c);
    case SQL_DESCRIBE:
        return describe(c);
    case SQL_EXPLAIN:
        return explain(c);
    case SQL_SET:
        return set(c);
    case SQL_RESET:
        return reset(c);
    case SQL_USE:
        return use(c);
    case SQL_SELECT:
        c->out->kind = ENGINE_RESULT_QUERY;
        return engine__query_open(c->session, c->statement, c->options->from, &c->out->query,
                                  c->diag);
    default:
        return diag_set(c->diag, ERR_UNSUPPORTED, "ENG067", "this statement is not supported");
    }
}

void engine_split(struct arena *arena, str script, struct sql_piece **out, isize *count_out)
{
    struct sql_part *parts;
    sql_split(arena, script, &parts, count_out);
    *out = ARENA_ARRAY(arena, struct sql_piece, MAX(*count_out, 1));
    for (isize i = 0; i < *count_out; i++) {
        (*out)[i] = (struct sql_piece){parts[i].text, parts[i].offset};
    }
}

err engine_execute(struct engine_session *session, str text, const struct engine_options *options,
                   struct arena *arena, struct engine_result *out, struct diag *diag)
{
    *out = (struct engine_result){.kind = ENGINE_RESULT_OK};
    struct sql_statement statement;
    TRY(sql_parse(arena, text, &statement, diag));
    if (statement.kind == SQL_INSERT || statement.kind == SQL_STATEMENT_SET) {
        return engine__submit(session, &statement, options, arena, out, diag);
    }
    if (statement.kind == SQL_STOP_JOB) {
        return engine_job_stop(session->engine, statement.job, diag);
    }
    struct call call = {session, &statement, options, arena, out, diag};
    os_mutex_lock(&session->engine->lock);
    err e = run(&call);
    os_mutex_unlock(&session->engine->lock);
    return e;
}
