/* Snapshots: a file or a section of any bytes is refused or loaded; what is loaded can fire, and is
 * written again as it was read. */
#include "engine/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct table_def tables[2];
static isize table_count;

static err find_table(void *ctx, str catalog, str database, str name, const struct table_def **out)
{
    (void)ctx;
    (void)catalog;
    (void)database;
    for (isize i = 0; i < table_count; i++) {
        if (str_eq(tables[i].name, name)) {
            *out = &tables[i];
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}

static isize names(void *ctx, str catalog, str database, const str **out)
{
    (void)ctx;
    (void)catalog;
    (void)database;
    *out = NULL;
    return 0;
}

static const char *const statements[] = {
    "CREATE TABLE t (k STRING, a ARRAY<INT>, d DECIMAL(30, 2), b BOOLEAN, v DOUBLE, ts "
    "TIMESTAMP(3),"
    " WATERMARK FOR ts AS ts) WITH ('connector' = 'x')",
    "CREATE TABLE o (k STRING, a ARRAY<INT>, d DECIMAL(30, 2), b BOOLEAN, n BIGINT, s DOUBLE,"
    " m STRING) WITH ('connector' = 'x')",
    "INSERT INTO o SELECT k, a, d, b, COUNT(*), SUM(v), MAX(k) FROM TABLE(TUMBLE(TABLE t,"
    " DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, a, d, b, window_start, window_end",
};

static const struct rel *plan_make(struct arena *arena)
{
    struct catalog_ops ops = {.find_table = find_table,
                              .names = names,
                              .current_catalog = STR("c"),
                              .current_database = STR("d")};
    struct plan plan = {.root = NULL};
    for (isize i = 0; i < COUNT_OF(statements); i++) {
        struct sql_statement statement;
        struct diag diag;
        diag_init(&diag);
        CHECK(sql_parse(arena, str_of(statements[i]), &statement, &diag) == OK);
        if (statement.kind == SQL_INSERT) {
            CHECK(sql_plan(arena, &statement, &ops, &plan, &diag) == OK);
        } else {
            CHECK(sql_bind_create(arena, &statement, &ops, &tables[table_count], &diag) == OK);
            table_count++;
        }
    }
    return plan.root;
}

/* --- the state -------------------------------------------------------------------------------- */

static void on_failed(void *ctx, struct pipe_run *run, isize row, str text)
{
    (void)ctx;
    (void)run;
    (void)row;
    (void)text;
}

static void on_take(void *ctx, struct pipe_run *run, const struct rel *rel, const struct vec *cols,
                    const struct sel *sel)
{
    (void)run;
    (void)rel;
    (void)cols;
    *(u64 *)ctx += (u64)sel->count;
}

static bool has_room(void *ctx)
{
    (void)ctx;
    return true;
}

static void fire(struct flow *flow)
{
    static const struct pipe_ops ops = {.failed = on_failed, .take = on_take};
    struct arena arena = {0};
    struct func_ctx func = {.arena = &arena, .watermark_us = INT64_MIN, .zone = "UTC"};
    u64 taken = 0;
    struct flow_run run = {.func = &func,
                           .ops = &ops,
                           .ctx = &taken,
                           .rows_max = 100,
                           .has_room = has_room,
                           .fired_max = UINT64_MAX};
    flow_set_mark(flow, 0, INT64_MAX, false);
    CHECK(!flow_fire(flow, &run));
    arena_deinit(&arena);
}

static err collect_piece(void *ctx, u64 operator_id, str body, struct flow_piece *out)
{
    (void)ctx;
    (void)operator_id;
    (void)body;
    *out = (struct flow_piece){.file = 1, .bytes = (u64)body.len};
    return OK;
}

static void on_keep(void *ctx, const struct flow_piece *piece)
{
    (void)ctx;
    (void)piece;
}

/* Everything is a section, or everything is pieces. */
static err save(struct flow *flow, err (*section)(void *ctx, u64 operator_id, str body), void *ctx,
                isize small_bytes)
{
    struct flow_saver saver = {.section = section,
                               .piece = collect_piece,
                               .keep = on_keep,
                               .ctx = ctx,
                               .range_bytes = 64,
                               .small_bytes = small_bytes};
    return flow_save(flow, &saver);
}

/* The body of every piece: what stands behind the section in the input. */
static str piece_body;

static err load_piece(void *ctx, u64 id, const struct flow_piece *piece, struct buf *out)
{
    (void)ctx;
    (void)id;
    (void)piece;
    buf_append(out, piece_body);
    return OK;
}

static const struct flow_loader loader = {.piece = load_piece};

static err collect(void *ctx, u64 operator_id, str body)
{
    (void)operator_id;
    buf_append(ctx, body);
    return OK;
}

static struct flow *flow_make(const struct rel *root)
{
    struct flow_options options = {.budget_bytes = 1 << 28, .zone = "UTC"};
    struct diag diag;
    struct flow *flow = NULL;
    diag_init(&diag);
    CHECK(flow_new(&root, 1, &options, &flow, &diag) == OK);
    return flow;
}

static u64 operator_id;

static err note_id(void *ctx, u64 id, str body)
{
    (void)ctx;
    (void)body;
    operator_id = id;
    return OK;
}

static err load(void *to, u64 id, str body)
{
    return id == 0 ? OK : flow_load(to, id, body, &loader);
}

struct bytes {
    const u8 *data;
    u64 size;
};

static err read_bytes(void *ctx, u64 offset, void *out, isize bytes)
{
    const struct bytes *file = ctx;
    if (offset + (u64)bytes > file->size) {
        return ERR_CORRUPT;
    }
    memcpy(out, file->data + offset, (size_t)bytes);
    return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    static const struct rel *root;
    if (root == NULL) {
        root = plan_make(&arena);
        struct flow *flow = flow_make(root);
        CHECK(save(flow, note_id, NULL, 1 << 28) == OK);
        flow_free(flow);
    }
    struct flow *flow = flow_make(root);
    struct bytes file = {data, size};
    struct snapshot_head head = {0};
    struct diag diag;
    u64 hash;
    diag_init(&diag);
    CHECK(engine__snapshot_parse(size, read_bytes, &file, &head, load, flow, &hash, &diag) == OK ||
          diag.message[0] != '\0');
    flow_free(flow);
    flow = flow_make(root);
    isize split = size == 0 ? 0 : MIN((isize)data[0], (isize)size);
    str body = {data, (isize)size};
    piece_body = str_slice(body, split, body.len);
    if (flow_load(flow, operator_id, size > 0 && data[0] == 'V' ? str_slice(body, 0, split) : body,
                  &loader) == OK) {
        struct buf out = {0};
        CHECK(save(flow, collect, &out, size % 2 == 0 ? 0 : 1 << 28) == OK);
        buf_deinit(&out);
        fire(flow);
    }
    flow_free(flow);
    return 0;
}
