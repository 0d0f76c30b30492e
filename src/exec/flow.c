/* exec/flow.c: finding pipes and operators in plans; watermarks between them. */
#include "exec/flow_int.h"

#include "base/hash.h"

/* --- shape ------------------------------------------------------------------------------------ */

struct walk {
    struct flow *flow;
    u64 root;                              /* Number of the plan. */
    const struct rel *path[PIPE_RELS_MAX]; /* From the root downwards. */
    isize depth;
    struct diag *diag;
};

static void *append(struct arena *arena, void *items, isize *count, isize item_bytes)
{
    return arena_grow(arena, items, (*count)++, item_bytes);
}

/* Two plans of one job may have the same shape. */
static u64 operator_id(const struct walk *w, const struct rel *rel)
{
    u64 path[] = {w->root, rel->id};
    return hash64(path, (isize)sizeof path, 0);
}

/* The way from the node on top of the path up to the next that takes rows. */
static struct pipe *pipe_make(struct walk *w)
{
    struct pipe *pipe = ARENA_NEW(&w->flow->arena, struct pipe);
    pipe->flow = w->flow;
    pipe->number = pipe->target = -1;
    isize at = w->depth - 1;
    do {
        pipe->rels[pipe->rel_count++] = w->path[at--];
    } while (at >= 0 &&
             (pipe->rel_count == 1 || pipe->rels[pipe->rel_count - 1]->kind != REL_WINDOW_AGG));
    return pipe;
}

static bool has_watermark(const struct pipe *pipe)
{
    for (isize i = 0; i < pipe->rel_count; i++) {
        if (pipe->rels[i]->kind == REL_WATERMARK) {
            return true;
        }
    }
    return false;
}

static void add_scan(struct walk *w)
{
    struct flow *flow = w->flow;
    flow->scans = append(&flow->arena, flow->scans, &flow->scan_count, (isize)sizeof *flow->scans);
    struct pipe *pipe = pipe_make(w);
    pipe->number = flow->scan_count - 1;
    flow->scans[flow->scan_count - 1] =
        (struct flow_scan){.pipe = pipe, .has_mark = has_watermark(pipe), .mark_ms = MARK_NONE};
}

static void add_values(struct walk *w)
{
    struct flow *flow = w->flow;
    flow->values =
        append(&flow->arena, flow->values, &flow->values_count, (isize)sizeof *flow->values);
    flow->values[flow->values_count - 1] = pipe_make(w);
}

static void add_agg(struct walk *w, const struct rel *rel)
{
    struct flow *flow = w->flow;
    flow->aggs = append(&flow->arena, flow->aggs, &flow->agg_count, (isize)sizeof *flow->aggs);
    struct window_agg *agg = window__agg_new(flow, rel);
    agg->id = operator_id(w, rel);
    agg->out = pipe_make(w);
    flow->aggs[flow->agg_count - 1] = agg;
}

static bool calls_watermark(const struct expr *expr)
{
    bool found = expr->kind == EXPR_CALL && str_eq(expr->call->name, STR("CURRENT_WATERMARK"));
    for (isize i = 0; !found && i < expr->arg_count; i++) {
        found = calls_watermark(expr->args[i]);
    }
    return found;
}

static bool rel_calls_watermark(const struct rel *rel)
{
    bool found = rel->condition != NULL && calls_watermark(rel->condition);
    for (isize i = 0; !found && i < rel->expr_count; i++) {
        found = calls_watermark(rel->exprs[i]);
    }
    for (isize a = 0; !found && a < rel->aggregate_count; a++) {
        found = rel->aggregate_filters[a] != NULL && calls_watermark(rel->aggregate_filters[a]);
        for (isize i = 0; !found && i < rel->aggregates[a].arg_count; i++) {
            found = calls_watermark(rel->aggregate_args[a][i]);
        }
    }
    return found;
}

static err walk(struct walk *w, const struct rel *rel)
{
    struct flow *flow = w->flow;
    if (w->depth == PIPE_RELS_MAX) {
        return diag_set(w->diag, ERR_LIMIT, "ENG011", "the plan is deeper than %d nodes",
                        PIPE_RELS_MAX);
    }
    w->path[w->depth++] = rel;
    flow->uses_watermark = flow->uses_watermark || rel_calls_watermark(rel);
    for (isize i = 0; i < rel->input_count; i++) {
        TRY(walk(w, rel->inputs[i]));
    }
    if (rel->kind == REL_SCAN) {
        add_scan(w);
    } else if (rel->kind == REL_VALUES) {
        add_values(w);
    } else if (rel->kind == REL_WINDOW_AGG) {
        add_agg(w, rel);
    } else if (rel->kind == REL_LIMIT) {
        flow->limits =
            append(&flow->arena, flow->limits, &flow->limit_count, (isize)sizeof *flow->limits);
        flow->limits[flow->limit_count - 1] =
            (struct flow_limit){.rel = rel, .id = operator_id(w, rel)};
    }
    w->depth--;
    return OK;
}

static void set_target(struct flow *flow, struct pipe *pipe)
{
    const struct rel *end = pipe->rels[pipe->rel_count - 1];
    for (isize i = 0; pipe->rel_count > 1 && i < flow->agg_count; i++) {
        pipe->target = flow->aggs[i]->rel == end ? i : pipe->target;
    }
}

err flow_new(const struct rel *const *roots, isize count, const struct flow_options *options,
             struct flow **out, struct diag *diag)
{
    struct flow *flow = NEW(struct flow);
    flow->options = *options;
    flow->now_ms = MARK_NONE;
    err e = OK;
    for (isize i = 0; i < count && e == OK; i++) {
        struct walk w = {.flow = flow, .root = (u64)i, .diag = diag};
        e = walk(&w, roots[i]);
    }
    for (isize i = 0; i < flow->scan_count; i++) {
        set_target(flow, flow->scans[i].pipe);
    }
    for (isize i = 0; i < flow->values_count; i++) {
        set_target(flow, flow->values[i]);
    }
    for (isize i = 0; i < flow->agg_count; i++) {
        set_target(flow, flow->aggs[i]->out);
    }
    if (e != OK) {
        flow_free(flow);
        return e;
    }
    *out = flow;
    return OK;
}

void flow_free(struct flow *flow)
{
    if (flow == NULL) {
        return;
    }
    for (isize i = 0; i < flow->agg_count; i++) {
        window__agg_free(flow->aggs[i]);
    }
    arena_deinit(&flow->arena);
    mem_free(flow);
}

isize flow_scan_count(const struct flow *flow)
{
    return flow->scan_count;
}

struct pipe *flow_scan(struct flow *flow, isize number)
{
    return flow->scans[number].pipe;
}

bool flow_is_stateful(const struct flow *flow)
{
    return flow->agg_count > 0 || flow->limit_count > 0 || flow->uses_watermark;
}

bool flow_has_values(const struct flow *flow)
{
    return flow->values_count > 0;
}

struct flow_limit *flow__limit(struct flow *flow, const struct rel *rel)
{
    isize i = 0;
    while (flow->limits[i].rel != rel) {
        i++;
        CHECK(i < flow->limit_count);
    }
    return &flow->limits[i];
}

/* --- errors and size -------------------------------------------------------------------------- */

void flow__fail(struct flow *flow, err e)
{
    flow->e = flow->e == OK ? e : flow->e;
}

err flow_error(const struct flow *flow, struct diag *diag)
{
    if (flow->e == OK) {
        return OK;
    }
    err e =
        diag_set(diag, flow->e, "ENG013",
                 "the open windows need more than %lld MiB of memory, which is the most for one "
                 "job; state is not moved to the disk",
                 (long long)(flow->options.budget_bytes >> 20));
    diag_hint(diag, "use shorter windows, fewer keys, or a watermark that lags less");
    return e;
}

isize flow_state_bytes(const struct flow *flow)
{
    isize bytes = 0;
    for (isize i = 0; i < flow->agg_count; i++) {
        bytes += flow->aggs[i]->bytes;
    }
    return bytes;
}

/* --- watermarks ------------------------------------------------------------------------------- */

void flow_set_mark(struct flow *flow, isize scan, i64 mark_ms, bool is_idle)
{
    flow->scans[scan].mark_ms = mark_ms;
    flow->scans[scan].is_idle = is_idle;
    if (flow->scans[scan].pipe->target >= 0) {
        flow__advance(flow, flow->scans[scan].pipe->target);
    }
}

void flow_set_clock(struct flow *flow, i64 now_ms)
{
    flow->now_ms = MAX(flow->now_ms, now_ms);
}

i64 flow__input_mark(const struct flow *flow, isize agg, isize without)
{
    i64 lowest = INT64_MAX, highest = MARK_NONE;
    bool has_active = false, has_any = false;
    for (isize i = 0; i < flow->scan_count; i++) {
        const struct flow_scan *scan = &flow->scans[i];
        if (scan->pipe->target != agg || !scan->has_mark || i == without) {
            continue;
        }
        has_any = true;
        highest = MAX(highest, scan->mark_ms);
        if (!scan->is_idle) {
            has_active = true;
            lowest = MIN(lowest, scan->mark_ms);
        }
    }
    for (isize i = 0; i < flow->agg_count; i++) {
        if (flow->aggs[i]->out->target == agg) {
            has_any = has_active = true;
            lowest = MIN(lowest, flow->aggs[i]->out_mark_ms);
        }
    }
    if (without >= 0) {
        return has_active ? lowest : INT64_MAX;
    }
    return has_active ? lowest : has_any ? highest : MARK_NONE;
}

void flow__advance(struct flow *flow, isize agg)
{
    struct window_agg *a = flow->aggs[agg];
    i64 mark = a->rel->window.is_proctime
                   ? (flow->now_ms == MARK_NONE ? MARK_NONE : flow->now_ms - 1)
                   : flow__input_mark(flow, agg, -1);
    a->mark_ms = MAX(a->mark_ms, mark);
}

bool flow_fire(struct flow *flow, struct flow_run *run)
{
    for (isize i = 0; i < flow->agg_count; i++) {
        flow__advance(flow, i);
        if (window__agg_fire(flow->aggs[i], run)) {
            return true;
        }
        flow->aggs[i]->out_mark_ms = flow->aggs[i]->mark_ms;
    }
    return false;
}

i64 flow_timer_ms(const struct flow *flow)
{
    i64 first = INT64_MAX;
    for (isize i = 0; i < flow->agg_count; i++) {
        first = MIN(first, window__agg_timer_ms(flow->aggs[i]));
    }
    return first;
}

i64 flow_mark(const struct flow *flow)
{
    i64 lowest = MARK_NONE;
    for (isize i = 0; i < flow->agg_count; i++) {
        lowest = i == 0 ? flow->aggs[i]->mark_ms : MIN(lowest, flow->aggs[i]->mark_ms);
    }
    return lowest;
}

/* --- VALUES ----------------------------------------------------------------------------------- */

/* One value of VALUES, evaluated alone. The list of errors is its own: row 0 there is `row` here.
 */
static void values_cell(struct func_ctx *func, const struct expr *expr, isize row, struct vec *col)
{
    const struct sel one = {NULL, 1};
    struct func_row_error *errors = func->errors;
    isize count = func->error_count, capacity = func->error_capacity;
    struct vec vec;
    struct value value;
    func->errors = NULL;
    func->error_count = func->error_capacity = 0;
    eval_expr(func, expr, NULL, 1, &one, &vec);
    vec_get(&vec, 0, func->arena, &value);
    vec_set(col, func->arena, row, &value);
    const struct func_row_error *fresh = func->errors;
    bool has_failed = func->error_count > 0;
    func->errors = errors;
    func->error_count = count;
    func->error_capacity = capacity;
    if (has_failed) {
        func_fail(func, row, STR_FMT, STR_ARG(fresh[0].text));
    }
}

static void values_batch(struct pipe *pipe, struct flow_run *run, isize first, isize count)
{
    const struct rel *rel = pipe->rels[0];
    struct arena *arena = run->func->arena;
    arena_reset(arena);
    run->func->errors = NULL;
    run->func->error_count = run->func->error_capacity = 0;
    struct vec *cols = ARENA_ARRAY(arena, struct vec, rel->field_count + 1);
    for (isize f = 0; f < rel->field_count; f++) {
        vec_init(&cols[f], arena, rel->fields[f].type, count, true);
        for (isize r = 0; r < count; r++) {
            values_cell(run->func, rel->exprs[(first + r) * rel->field_count + f], r, &cols[f]);
        }
    }
    struct pipe_run up = {.pipe = pipe,
                          .func = run->func,
                          .ops = run->ops,
                          .ctx = run->ctx,
                          .rows = count,
                          .cols = cols};
    pipe_run(&up);
    run->arrived_count += (u64)up.arrived_count;
}

void flow_run_values(struct flow *flow, struct flow_run *run)
{
    for (isize i = 0; i < flow->values_count; i++) {
        const struct rel *rel = flow->values[i]->rels[0];
        isize rows = rel->field_count == 0 ? 1 : rel->expr_count / rel->field_count;
        for (isize at = 0; at < rows; at += BATCH_ROWS_MAX) {
            values_batch(flow->values[i], run, at, MIN(rows - at, BATCH_ROWS_MAX));
        }
    }
}
