/* plan/plan_format.c: EXPLAIN's tree, the sink first, two blanks deeper for each input. */
#include "plan/plan.h"

static const str *input_names(const struct rel *rel, str **storage)
{
    isize count = rel->input_count > 0 ? rel->inputs[0]->field_count : 0;
    *storage = mem_alloc((count + 1) * (isize)sizeof(str));
    for (isize i = 0; i < count; i++) {
        (*storage)[i] = rel->inputs[0]->fields[i].name;
    }
    return *storage;
}

static void put_table(const struct rel *rel, struct buf *out)
{
    const struct table_def *table = rel->table;
    buf_printf(out, "table=[" STR_FMT "." STR_FMT "." STR_FMT "]", STR_ARG(table->catalog),
               STR_ARG(table->database), STR_ARG(table->name));
}

static void put_fields(const struct rel *rel, isize from, struct buf *out)
{
    for (isize i = from; i < rel->field_count; i++) {
        buf_append(out, i == from ? STR_EMPTY : STR(", "));
        buf_append(out, rel->fields[i].name);
    }
}

static void put_project(const struct rel *rel, const str *names, struct buf *out)
{
    buf_append(out, STR("select=["));
    for (isize i = 0; i < rel->expr_count; i++) {
        const struct expr *expr = rel->exprs[i];
        buf_append(out, i == 0 ? STR_EMPTY : STR(", "));
        bool is_same =
            expr->kind == EXPR_COLUMN && str_eq(names[expr->column], rel->fields[i].name);
        if (is_same) {
            buf_append(out, rel->fields[i].name);
            continue;
        }
        expr_format(expr, names, out);
        buf_printf(out, " AS " STR_FMT, STR_ARG(rel->fields[i].name));
    }
    buf_append_byte(out, ']');
}

static void put_window(const struct rel *rel, const str *names, struct buf *out)
{
    buf_printf(out, "window=[TUMBLE(" STR_FMT "=[" STR_FMT "], size=[%lld ms]",
               STR_ARG(rel->window.is_proctime ? STR("proctime") : STR("time")),
               STR_ARG(names[rel->window.time_column]), (long long)rel->window.size_ms);
    if (rel->window.offset_ms != 0) {
        buf_printf(out, ", offset=[%lld ms]", (long long)rel->window.offset_ms);
    }
    buf_append(out, STR(")]"));
}

static void put_aggregate(const struct rel *rel, isize i, const str *names, struct buf *out)
{
    buf_append(out, rel->aggregates[i].name);
    buf_append_byte(out, '(');
    for (isize a = 0; a < rel->aggregates[i].arg_count; a++) {
        buf_append(out, a == 0 ? STR_EMPTY : STR(", "));
        expr_format(rel->aggregate_args[i][a], names, out);
    }
    buf_append(out, rel->aggregates[i].arg_count == 0 ? STR("*)") : STR(")"));
    if (rel->aggregate_filters[i] != NULL) {
        buf_append(out, STR(" FILTER "));
        expr_format(rel->aggregate_filters[i], names, out);
    }
}

static void put_window_agg(const struct rel *rel, const str *names, struct buf *out)
{
    if (rel->group_key_count > 0) {
        buf_append(out, STR("groupBy=["));
        for (isize i = 0; i < rel->group_key_count; i++) {
            buf_append(out, i == 0 ? STR_EMPTY : STR(", "));
            buf_append(out, names[rel->group_keys[i]]);
        }
        buf_append(out, STR("], "));
    }
    put_window(rel, names, out);
    buf_append(out, STR(", select=["));
    for (isize i = 0; i < rel->aggregate_count; i++) {
        buf_append(out, i == 0 ? STR_EMPTY : STR(", "));
        put_aggregate(rel, i, names, out);
    }
    buf_append_byte(out, ']');
}

static void put_details(const struct rel *rel, const str *names, struct buf *out)
{
    switch (rel->kind) {
    case REL_SCAN:
    case REL_SINK:
        put_table(rel, out);
        buf_append(out, STR(", fields=["));
        put_fields(rel, 0, out);
        buf_append_byte(out, ']');
        break;
    case REL_PROJECT:
        put_project(rel, names, out);
        break;
    case REL_FILTER:
        buf_append(out, STR("where="));
        expr_format(rel->condition, names, out);
        break;
    case REL_WATERMARK:
        buf_printf(out, "rowtime=[" STR_FMT "], watermark=[",
                   STR_ARG(rel->fields[rel->rowtime_column].name));
        expr_format(rel->exprs[0], names, out);
        buf_append_byte(out, ']');
        break;
    case REL_WINDOW_TVF:
        put_window(rel, names, out);
        break;
    case REL_WINDOW_AGG:
        put_window_agg(rel, names, out);
        break;
    case REL_VALUES:
        buf_printf(out, "rows=[%td]",
                   rel->field_count == 0 ? 1 : rel->expr_count / rel->field_count);
        break;
    case REL_LIMIT:
        buf_printf(out, "limit=[%lld]", (long long)rel->limit);
        break;
    case REL_UNION_ALL:
    case REL_COLLECT:
        buf_append(out, STR("fields=["));
        put_fields(rel, 0, out);
        buf_append_byte(out, ']');
        break;
    }
}

static const char *rel_name(enum rel_kind kind)
{
    static const char *const names[] = {"TableSourceScan", "Calc",
                                        "Filter",          "WatermarkAssigner",
                                        "Union",           "WindowTableFunction",
                                        "WindowAggregate", "Values",
                                        "Limit",           "Sink",
                                        "Collect"};
    _Static_assert(COUNT_OF(names) == REL_COLLECT + 1, "one name for each kind");
    return names[kind];
}

static void format_rel(const struct rel *rel, isize depth, struct buf *out)
{
    buf_append_fill(out, ' ', depth * 2);
    buf_append(out, depth == 0 ? STR_EMPTY : STR("+- "));
    buf_printf(out, "%s(", rel_name(rel->kind));
    str *storage = NULL;
    const str *names = input_names(rel, &storage);
    put_details(rel, names, out);
    mem_free(storage);
    buf_append(out, STR(")\n"));
    for (isize i = 0; i < rel->input_count; i++) {
        format_rel(rel->inputs[i], depth + 1, out);
    }
}

void plan_format(const struct rel *root, struct buf *out)
{
    format_rel(root, 0, out);
}
