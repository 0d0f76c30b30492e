/*
 * bench/founding_bench.c: the founding SQL in process, on one core: records in, decoder, watermark,
 * filter, projection, JSON rows out. Rows are synthetic (docs/generator.md) in the simulator's
 * form, compact and with indent 4; every record is checked to its end. Times are CPU times.
 *
 *     founding_bench FOUNDING.sql [ROWS=50000] [SECONDS=1]
 *     founding_bench FOUNDING.sql ROWS --write FILE [INDENT]     rows for another engine
 */
#include "codec/csv.h"
#include "codec/json_row_write.h"
#include "codec/json_rows_int.h"
#include "exec/flow.h"
#include "feed/generate.h"
#include "feed/row_json.h"
#include "os/os.h"
#include "sql/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { COLUMNS = 46, TABLES_MAX = 4, START_S = 1795396267 };

static _Noreturn void give_up(const char *what, const struct diag *diag)
{
    fprintf(stderr, "founding_bench: %s: %s\n", what, diag == NULL ? "failed" : diag->message);
    exit(1);
}

/* --- the plan --------------------------------------------------------------------------------- */

struct world {
    struct arena arena;
    struct table_def tables[TABLES_MAX];
    isize count;
    struct catalog_ops ops;
    struct plan plan;
};

static err world_find(void *ctx, str catalog, str database, str name, const struct table_def **out)
{
    struct world *w = ctx;
    (void)catalog;
    (void)database;
    for (isize i = 0; i < w->count; i++) {
        if (str_eq(w->tables[i].name, name)) {
            *out = &w->tables[i];
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}

static isize world_names(void *ctx, str catalog, str database, const str **out)
{
    (void)ctx;
    (void)catalog;
    (void)database;
    *out = NULL;
    return 0;
}

static err world_check(void *ctx, const struct table_def *table, struct diag *diag)
{
    (void)ctx;
    (void)table;
    (void)diag;
    return OK;
}

static const struct type *world_metadata(void *ctx, const struct table_def *table, str key)
{
    (void)ctx;
    (void)table;
    (void)key;
    return NULL;
}

static str world_setting(void *ctx, str key)
{
    (void)ctx;
    (void)key;
    return STR_EMPTY;
}

static void world_run(struct world *w, str text)
{
    struct sql_statement statement;
    struct diag diag;
    diag_init(&diag);
    err e = sql_parse(&w->arena, text, &statement, &diag);
    if (e == OK && statement.kind == SQL_CREATE_TABLE) {
        CHECK(w->count < TABLES_MAX);
        e = sql_bind_create(&w->arena, &statement, &w->ops, &w->tables[w->count], &diag);
        w->count += e == OK;
    } else if (e == OK && statement.kind == SQL_INSERT) {
        e = sql_plan(&w->arena, &statement, &w->ops, &w->plan, &diag);
    }
    if (e != OK) {
        give_up("the SQL is refused", &diag);
    }
}

static void world_init(struct world *w, const char *path)
{
    struct sql_part *parts = NULL;
    isize count = 0;
    str script;
    *w = (struct world){.ops = {world_find, world_names, world_check, world_metadata, world_setting,
                                STR("default_catalog"), STR("default_database"), w}};
    if (os_read_file(os_real(), path, SQL_TEXT_BYTES_MAX, &w->arena, &script) != OK) {
        give_up(path, NULL);
    }
    sql_split(&w->arena, script, &parts, &count);
    for (isize i = 0; i < count; i++) {
        world_run(w, parts[i].text);
    }
    if (w->plan.root == NULL) {
        give_up("there is no INSERT", NULL);
    }
}

/* --- rows ------------------------------------------------------------------------------------- */

struct rows {
    struct arena arena;
    struct buf text;
    str *messages;
    isize count;
};

static void rows_make(struct rows *r, isize count, int indent)
{
    struct feed_options options = {.seed = 1, .rows = (u64)count, .layout = FEED_LAYOUT_46};
    struct feed_generator *generator = feed_generator_new(&options);
    struct csv_options form = {.delimiter = ',', .quote = '"'};
    struct feed_columns columns;
    struct csv_reader *reader = NULL;
    struct csv_row row;
    struct buf csv = {0};
    struct diag diag;
    diag_init(&diag);
    *r = (struct rows){.count = count};
    feed_generate_header(generator, &csv);
    for (isize i = 0; i < count; i++) {
        feed_generate_row(generator, (u64)i, &csv);
    }
    if (csv_reader_new(&form, &reader, &diag) != OK) {
        give_up("csv", &diag);
    }
    csv_reader_feed(reader, buf_str(&csv));
    csv_reader_finish(reader);
    CHECK(csv_reader_next(reader, &row) == OK);
    if (feed_columns_init(&columns, row.fields, row.count, &r->arena, &diag) != OK) {
        give_up("header", &diag);
    }
    r->messages = ARENA_ARRAY(&r->arena, str, count);
    const struct feed_row_form json = {.indent = indent};
    for (isize i = 0; i < count; i++) {
        isize before = r->text.len;
        CHECK(csv_reader_next(reader, &row) == OK);
        i64 now = (i64)START_S * 1000000 + i * 257000 + 123456;
        if (feed_row_json(&columns, &json, row.fields, row.count, now, &r->text, &diag) != OK) {
            give_up("row", &diag);
        }
        r->messages[i].len = r->text.len - before;
    }
    for (isize i = 0, at = 0; i < count; at += r->messages[i++].len) {
        r->messages[i].data = r->text.data + at;
    }
    csv_reader_free(reader);
    feed_generator_free(generator);
    buf_deinit(&csv);
}

static void rows_free(struct rows *r)
{
    arena_deinit(&r->arena);
    buf_deinit(&r->text);
}

static int rows_write(const struct rows *r, const char *path)
{
    FILE *file = fopen(path, "wb");
    bool is_good = file != NULL;
    for (isize i = 0; i < r->count && is_good; i++) {
        is_good = fwrite(r->messages[i].data, 1, (size_t)r->messages[i].len, file) ==
                      (size_t)r->messages[i].len &&
                  fputc('\n', file) != EOF;
    }
    is_good = file != NULL && fclose(file) == 0 && is_good;
    if (!is_good) {
        fprintf(stderr, "founding_bench: %s cannot be written\n", path);
    }
    return is_good ? 0 : 1;
}

/* --- the run ---------------------------------------------------------------------------------- */

struct run {
    struct pipe *pipe;
    struct json_rows *decoder;
    struct json_row_writer *writer;
    struct arena arena;
    struct func_ctx func;
    struct json_scan scan;
    struct buf out;
    i64 watermark_us;
    isize passed;
};

static void on_fill(void *ctx, struct pipe_run *pipe, isize column, const struct sel *sel,
                    struct vec *out)
{
    struct run *run = ctx;
    (void)pipe;
    json_rows_fill(run->decoder, &run->scan, column, sel, &run->arena, out);
    CHECK(run->scan.issue_count == 0);
}

static void on_watermark(void *ctx, struct pipe_run *pipe, const struct rel *rel,
                         const struct vec *times, const struct sel *sel)
{
    struct run *run = ctx;
    (void)pipe;
    (void)rel;
    for (isize i = 0; i < sel->count; i++) {
        run->watermark_us = MAX(run->watermark_us, VEC(i64, times)[sel_row(sel, i)]);
    }
}

static void on_failed(void *ctx, struct pipe_run *pipe, isize row, str text)
{
    (void)ctx;
    (void)pipe;
    (void)row;
    (void)text;
    give_up("a row failed", NULL);
}

static void on_take(void *ctx, struct pipe_run *pipe, const struct rel *rel, const struct vec *cols,
                    const struct sel *sel)
{
    struct run *run = ctx;
    (void)pipe;
    (void)rel;
    for (isize i = 0; i < sel->count; i++) {
        json_row_write(run->writer, cols, sel_row(sel, i), &run->out);
    }
    run->passed += sel->count;
}

static const struct pipe_ops ops = {on_fill, on_watermark, on_failed, on_take};

/* Of this process: other work on the machine does not count. */
static u64 cpu_ns(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

static void run_all(struct run *run, const struct rows *rows)
{
    for (isize done = 0; done < rows->count; done += run->scan.message_count) {
        arena_reset(&run->arena);
        run->func.errors = NULL;
        run->func.error_count = run->func.error_capacity = 0;
        buf_reset(&run->out);
        json_rows_scan(run->decoder, rows->messages + done, rows->count - done, &run->arena,
                       &run->scan);
        CHECK(run->scan.issue_count == 0);
        struct pipe_run pipe = {.pipe = run->pipe,
                                .func = &run->func,
                                .ops = &ops,
                                .ctx = run,
                                .rows = run->scan.row_count};
        pipe_run(&pipe);
    }
}

static void measure(const struct world *w, const struct rows *rows, enum json_level level,
                    double seconds, const char *form)
{
    static const char *const levels[] = {"general", "plain C", "AVX2"};
    struct run run = {.func = {.zone = "UTC", .watermark_us = INT64_MIN}};
    const struct flow_options options = {.budget_bytes = 64 << 20, .zone = "UTC"};
    struct flow *flow = NULL;
    struct diag diag;
    isize rounds = 0;
    diag_init(&diag);
    run.func.arena = &run.arena;
    if (flow_new(&w->plan.root, 1, &options, &flow, &diag) != OK || flow_scan_count(flow) != 1) {
        give_up("plan", &diag);
    }
    run.pipe = flow_scan(flow, 0);
    const struct rel *scan = run.pipe->rels[0];
    const struct json_rows_options in = {.is_iso_timestamps = true};
    const struct json_row_options to = {.is_iso_timestamps = true};
    run.decoder = json_rows_new(scan->fields, scan->field_count, &in);
    run.decoder->layout.level = level;
    run.writer = json_row_writer_new(w->plan.root->fields, w->plan.root->field_count, &to);
    double best = 0;
    u64 start = cpu_ns(), before = start, now = start;
    while ((double)(now - start) < seconds * 1e9) {
        run_all(&run, rows);
        now = cpu_ns();
        best = MAX(best, (double)rows->text.len / (double)(now - before));
        before = now;
        rounds++;
    }
    double mean = (double)(rows->text.len * rounds) / (double)(now - start);
    printf("%-8s  %-8s  %5.2f GB/s (best pass %5.2f)  %8.0f rows/s  %5.2f %% pass\n", form,
           levels[level], mean, best, mean * 1e9 * (double)rows->count / (double)rows->text.len,
           100.0 * (double)run.passed / (double)(rows->count * rounds));
    json_rows_free(run.decoder);
    json_row_writer_free(run.writer);
    arena_deinit(&run.arena);
    flow_free(flow);
    buf_deinit(&run.out);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr,
                "usage: founding_bench FOUNDING.sql [ROWS] [SECONDS | --write FILE [INDENT]]\n");
        return 2;
    }
    isize count = argc > 2 ? (isize)strtol(argv[2], NULL, 10) : 50000;
    bool is_written = argc > 4 && strcmp(argv[3], "--write") == 0;
    double seconds = argc > 3 && !is_written ? strtod(argv[3], NULL) : 1;
    struct rows rows;
    if (is_written) {
        rows_make(&rows, count, argc > 5 ? (int)strtol(argv[5], NULL, 10) : 0);
        int result = rows_write(&rows, argv[4]);
        rows_free(&rows);
        return result;
    }
    struct world world;
    world_init(&world, argv[1]);
    for (int form = 0; form < 2; form++) {
        rows_make(&rows, count, form == 0 ? 0 : 4);
        printf("%.0f bytes a row\n", (double)rows.text.len / (double)count);
        for (int level = JSON_LEVEL_GENERAL; level <= (int)json__best_level(); level++) {
            measure(&world, &rows, (enum json_level)level, seconds,
                    form == 0 ? "compact" : "indent=4");
        }
        rows_free(&rows);
    }
    arena_deinit(&world.arena);
    return 0;
}
