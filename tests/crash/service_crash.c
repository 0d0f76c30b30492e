/*
 * tests/crash/service_crash.c: power failures under the services' metadata (SQLite
 * over os/): of every state that a crash could leave, what was acknowledged is
 * there, what was under way is there as a whole or not at all, and the service
 * opens. Metrics, mails and items stand for all services: they share aws/common/store.c.
 */
#include "service.h"

#include "crash.h"
#include "enumerate.h"

#include "aws/cloudwatch/cw_store.h"
#include "aws/dynamodb/ddb_store.h"
#include "aws/sns/sns_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_S = 1767225600 };

static struct os machines[2];
struct os *service_os = &machines[0];
int service_acknowledged;
void (*service_on_begin)(struct service_script *script);
void (*service_on_error)(const char *what, err e);

void service_os_part(void)
{
    service_os = &machines[1];
}

void service_must(err e, const char *what)
{
    if (e != OK && service_on_error != NULL) {
        service_on_error(what, e);
    }
    if (e != OK) {
        (void)fprintf(stderr, "%s: %s\n", what, err_text(e));
        exit(1);
    }
}

void service_begin(struct service_script *script, u64 look)
{
    script->looks[0] = look;
    script->start = sim_clone_traced(script->sim);
    if (service_on_begin != NULL) {
        service_on_begin(script);
    }
}

void service_step(struct service_script *script, u64 look)
{
    CHECK(script->steps < SERVICE_STEPS_MAX);
    script->marks[script->steps++] = sim_trace_count(script->sim);
    script->looks[script->steps] = look;
}

void service_step_count(struct service_script *script)
{
    service_step(script, (u64)script->steps + 2);
}

/* --- metrics ------------------------------------------------------------------------------- */

static struct cw_store *metrics_open(void)
{
    struct cw_store *store;
    struct diag diag;
    diag_init(&diag);
    return cw_store_open(service_os, "/cloudwatch", &store, &diag) == OK ? store : NULL;
}

static struct cw_datum datum_of(str metric, double value)
{
    return (struct cw_datum){.series = {STR("a"), STR("r"), STR("n"), metric, NULL, 0},
                             .time_s = START_S,
                             .is_per_second = true,
                             .value = {1, value, value, value}};
}

/* Step i adds 2^i to a metric and makes one of its own, in one call. */
static void metrics_put(struct service_script *script, struct cw_store *store)
{
    char name[16];
    (void)snprintf(name, sizeof name, "m%d", script->steps);
    struct cw_datum data[] = {datum_of(STR("all"), (double)((u64)1 << script->steps)),
                              datum_of(str_of(name), 1)};
    service_must(cw_store_put(store, data, 2), "put");
    service_step_count(script);
}

static void metrics_run(struct service_script *script)
{
    service_begin(script, 1); /* The making of the file is in it. */
    struct cw_store *store = metrics_open();
    service_must(store == NULL ? ERR_IO : OK, "open");
    for (int i = 0; i < 10; i++) {
        metrics_put(script, store);
        if (i % 4 == 3) {
            service_must(cw_store_maintain(store, START_S + (i < 6 ? 0 : 4 * 3600)), "flush");
        }
    }
    cw_store_close(store);
}

static double metric_sum(struct cw_store *store, str metric)
{
    struct arena arena = {0};
    struct cw_datum datum = datum_of(metric, 0);
    struct cw_range range = {START_S, START_S + 60, 60};
    struct cw_point *points;
    isize count;
    err e = cw_store_get(store, &datum.series, &range, &arena, &points, &count);
    double sum = e != OK || count > 1 ? -1 : 0;
    for (isize i = 0; i < count && e == OK; i++) {
        sum += points[i].value.sum;
    }
    arena_deinit(&arena);
    return sum;
}

static u64 metrics_read(void)
{
    struct cw_store *store = metrics_open();
    if (store == NULL) {
        return 0;
    }
    double sum = metric_sum(store, STR("all"));
    int steps = 0;
    while (steps < SERVICE_STEPS_MAX - 1 && sum > (double)(((u64)1 << steps) - 1)) {
        steps++;
    }
    bool is_whole = sum == (double)(((u64)1 << steps) - 1);
    for (int i = 0; i < 10 && is_whole; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "m%d", i);
        is_whole = metric_sum(store, str_of(name)) == (i < steps ? 1 : 0);
    }
    cw_store_close(store);
    return is_whole ? (u64)steps + 1 : 0;
}

/* --- mails --------------------------------------------------------------------------------- */

static struct sns_store *mails_open(void)
{
    struct sns_store *store;
    struct diag diag;
    diag_init(&diag);
    return sns_store_open(service_os, "/sns", &store, &diag) == OK ? store : NULL;
}

static bool mail_next(void *ctx, struct sns_mail *out)
{
    int *left = ctx;
    *out = (struct sns_mail){.at_us = START_S, .raw = STR("raw"), .state = SNS_MAIL_PENDING};
    return (*left)-- > 0;
}

/* Each step adds three mails in one call. */
static void mails_run(struct service_script *script)
{
    struct sns_store *store = mails_open();
    service_begin(script, 1);
    for (int i = 0; i < 12; i++) {
        int left = 3;
        struct sns_mail_source source = {mail_next, &left};
        service_must(sns_mail_add(store, &source), "mail");
        service_step_count(script);
    }
    sns_store_close(store);
}

static u64 mails_read(void)
{
    struct sns_store *store = mails_open();
    struct sns_mail_counts counts;
    if (store == NULL) {
        return 0;
    }
    bool is_whole = sns_mail_count(store, &counts) == OK && counts.total % 3 == 0 &&
                    counts.pending == counts.total;
    sns_store_close(store);
    return is_whole ? counts.total / 3 + 1 : 0;
}

/* --- items --------------------------------------------------------------------------------- */

static const char table_text[] =
    "{\"BillingMode\":\"PAY_PER_REQUEST\",\"AttributeDefinitions\":[{\"AttributeName\":\"h\","
    "\"AttributeType\":\"S\"},{\"AttributeName\":\"o\",\"AttributeType\":\"S\"}],\"KeySchema\":"
    "[{\"AttributeName\":\"h\",\"KeyType\":\"HASH\"}],\"GlobalSecondaryIndexes\":[{\"IndexName\":"
    "\"by-o\",\"KeySchema\":[{\"AttributeName\":\"o\",\"KeyType\":\"HASH\"}],\"Projection\":"
    "{\"ProjectionType\":\"ALL\"}}]}";
static const struct ddb_scope item_scope = {{(const u8 *)"a", 1}, {(const u8 *)"r", 1}};

static struct ddb_store *items_open(void)
{
    struct ddb_store *store;
    struct diag diag;
    diag_init(&diag);
    if (ddb_store_open(service_os, "/dynamodb", &store, &diag) != OK) {
        return NULL;
    }
    ddb_store_lock(store);
    return store;
}

static void items_close(struct ddb_store *store)
{
    ddb_store_unlock(store);
    ddb_store_close(store);
}

static struct ddb_value item_of(struct arena *arena, str hash, int owner)
{
    struct ddb_value item = {.type = DDB_M};
    struct ddb_value h = {.type = DDB_S, .text = hash};
    struct ddb_value o = {.type = DDB_S, .text = arena_printf(arena, "w%d", owner)};
    ddb_put(arena, &item, STR("h"), &h);
    ddb_put(arena, &item, STR("o"), &o);
    return item;
}

/* Each step makes an item, and gives the item "all" to the owner of its number. */
static void item_step(struct ddb_store *store, const struct ddb_table *table, int number)
{
    struct arena arena = {0};
    struct ddb_value one = item_of(&arena, arena_printf(&arena, "k%d", number), 0), old;
    struct ddb_value all = item_of(&arena, STR("all"), number);
    bool found;
    service_must(ddb_store_begin(store), "begin");
    service_must(ddb_item_write(store, table, NULL, &one), "item");
    service_must(ddb_item_read(store, table, &all, &arena, &old, &found), "read");
    service_must(ddb_item_write(store, table, found ? &old : NULL, &all), "all");
    service_must(ddb_store_commit(store), "commit");
    arena_deinit(&arena);
}

static void items_run(struct service_script *script)
{
    struct arena arena = {0};
    struct ddb_work work = {.arena = &arena};
    struct ddb_definition definition;
    const struct json_value *json;
    const struct ddb_table *table;
    service_must(json_parse(&arena, str_of(table_text), &json, NULL), "json");
    CHECK(ddb_definition_parse(&work, json, false, &definition));
    struct ddb_store *store = items_open();
    service_begin(script, 1);
    service_must(ddb_table_create(store, item_scope, STR("t"), &definition, &table), "table");
    service_step_count(script);
    for (int i = 1; i <= 14; i++) {
        item_step(store, table, i);
        service_step_count(script);
    }
    items_close(store);
    arena_deinit(&arena);
}

struct items_seen {
    isize count;
    int all; /* The owner of "all". */
};

static bool item_see(void *ctx, const struct ddb_value *item)
{
    struct items_seen *seen = ctx;
    seen->count++;
    if (str_eq(ddb_get(item, STR("h"))->text, STR("all"))) {
        str owner = ddb_get(item, STR("o"))->text;
        i64 number;
        service_must(str_to_i64(str_slice(owner, 1, owner.len), &number), "owner");
        seen->all = (int)number;
    }
    return true;
}

/* Steps that the table shows, -1 when its index or its counts show another number. */
static int items_count(struct ddb_store *store)
{
    const struct ddb_table *table = ddb_table_find(store, item_scope, STR("t"));
    if (table == NULL) {
        return 0;
    }
    const struct ddb_index *index = &table->definition.indexes[0];
    struct items_seen seen[2] = {{0, 0}, {0, 0}};
    struct ddb_counts counts[2];
    struct buf high = {0};
    ddb_prefix_end(&high);
    bool is_whole = true;
    for (int i = 0; i < 2 && is_whole; i++) {
        struct ddb_range range = {.index = i == 0 ? NULL : index, .high = buf_str(&high)};
        is_whole = ddb_range_read(store, table, &range, item_see, &seen[i]) == OK &&
                   ddb_table_counts(store, table, i == 0 ? 0 : index->id, &counts[i]) == OK &&
                   seen[i].count == counts[i].items &&
                   seen[i].count == seen[i].all + (seen[i].all > 0) && seen[i].all == seen[0].all;
    }
    buf_deinit(&high);
    return is_whole ? 1 + seen[0].all : -1;
}

static u64 items_read(void)
{
    struct ddb_store *store = items_open();
    if (store == NULL) {
        return 0;
    }
    int steps = items_count(store);
    items_close(store);
    return (u64)(steps + 1);
}

/* --- judgement ----------------------------------------------------------------------------- */

static bool check(void *ctx, struct sim *image, isize point)
{
    struct service_script *script = ctx;
    *service_os = *sim_os(image);
    int acknowledged = 0;
    while (acknowledged < script->steps && script->marks[acknowledged] <= point) {
        acknowledged++;
    }
    service_acknowledged = acknowledged;
    u64 found = script->read();
    int under_way = MIN(acknowledged + 1, script->steps);
    bool is_right =
        found != 0 && (found == script->looks[acknowledged] || found == script->looks[under_way]);
    if (!is_right) {
        (void)snprintf(script->why, sizeof script->why,
                       "at operation %td: %d steps were acknowledged, what is there is %s", point,
                       acknowledged, found == 0 ? "torn" : "something else");
    }
    return is_right;
}

const struct service_script service_scripts[] = {
    {.name = "metrics", .run = metrics_run, .read = metrics_read},
    {.name = "mails", .run = mails_run, .read = mails_read},
    {.name = "items", .run = items_run, .read = items_read},
    {.name = "s3_put", .run = s3_put_run, .read = s3_read},
    {.name = "s3_delete", .run = s3_delete_run, .read = s3_read},
    {.name = "s3_multipart", .run = s3_multipart_run, .read = s3_read},
    {.name = "s3_abort", .run = s3_abort_run, .read = s3_read},
    {.name = "streams_create", .run = streams_create_run, .read = streams_read},
    {.name = "streams_again", .run = streams_again_run, .read = streams_read},
    {.name = "streams_warm", .run = streams_warm_run, .read = streams_read},
    {.name = "streams_restated", .run = streams_restated_run, .read = streams_read},
    {.name = "engine", .run = engine_run, .read = engine_read},
    {.name = "outbox_files", .run = outbox_files_run, .read = outbox_files_read, .outside = "/out"},
    {.name = "outbox_calls", .run = outbox_calls_run, .read = outbox_calls_read, .outside = "/out"},
    {.name = "replay", .run = replay_run, .read = replay_read},
    {.name = "s3_damage", .judge = s3_damage_judge},
    {.name = NULL},
};

const char *service_script_name(int index)
{
    return service_scripts[index].name;
}

void service_script_judge(int index, const struct crash_budget *budget, struct crash_outcome *out)
{
    struct service_script script = service_scripts[index];
    if (script.judge != NULL) {
        script.judge(budget, out);
        return;
    }
    script.sim = sim_new(3);
    *service_os = *sim_os(script.sim);
    script.run(&script);
    /* A start costs a hundred times what one of the bare log does. */
    struct crash_run run = {
        .start = script.start,
        .traced = script.sim,
        .marks = script.marks,
        .mark_count = script.steps,
        .subsets_bits = MIN(budget->subsets_bits, 4),
        .random_count = budget->random_count / 4,
        .seed = 11,
        .check = check,
        .ctx = &script,
        .seen = crash_seen_new(),
    };
    out->is_good = crash_enumerate(&run);
    out->states = crash_seen_count(run.seen);
    (void)snprintf(out->why, sizeof out->why, "%s", script.why);
    crash_seen_free(run.seen);
    sim_trace_stop(script.sim);
    sim_free(script.start);
    sim_free(script.sim);
}
