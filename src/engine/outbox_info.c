/* engine/outbox_info.c: what people and metrics see of the delivery to sinks. */
#include "engine/outbox.h"

static i64 oldest_age_ms(const struct engine_outbox *outbox)
{
    i64 oldest_ms = __atomic_load_n(&outbox->oldest_ms, __ATOMIC_RELAXED);
    return oldest_ms == 0 ? 0 : MAX(os_wall_us(outbox->engine->os) / 1000 - oldest_ms, 0);
}

void engine__outbox_info(struct engine_outbox *outbox, struct arena *arena,
                         struct engine_job_source *out)
{
    const struct engine_delivery_counters *c = &outbox->counters;
    out->is_delivered = true;
    out->rows = metric_load(&c->rows);
    out->bytes = metric_load(&c->bytes);
    out->delivered_rows = metric_load(&c->delivered_rows);
    out->delivered_bytes = metric_load(&c->delivered_bytes);
    out->rejected_rows = metric_load(&c->rejected);
    out->retries = metric_load(&c->retries);
    out->oldest_undelivered_ms = oldest_age_ms(outbox);
    if (outbox->ops->left_out != NULL) {
        struct buf what = {0};
        out->left_out = outbox->ops->left_out(outbox->sink, &what);
        out->left_out_first = arena_copy(arena, buf_str(&what));
        buf_deinit(&what);
    }
    if (outbox->ops->target != NULL) {
        out->stream = arena_copy(arena, outbox->ops->target(outbox->sink));
    }
    os_mutex_lock(&outbox->lock);
    out->problem = arena_copy(arena, str_of(outbox->problem));
    os_mutex_unlock(&outbox->lock);
}

static u64 left_out(const struct engine_outbox *outbox)
{
    if (outbox->ops->left_out == NULL) {
        return 0;
    }
    struct buf what = {0};
    u64 count = outbox->ops->left_out(outbox->sink, &what);
    buf_deinit(&what);
    return count;
}

void engine__outbox_collect(struct metric_snapshot *snapshot, const struct engine_job *job)
{
    static const struct {
        enum metric_kind kind;
        const char *name, *help;
    } families[] = {
        {METRIC_COUNTER, "leat_sink_rows_total", "Rows that became due for a sink."},
        {METRIC_COUNTER, "leat_sink_bytes_total", "Their bytes."},
        {METRIC_COUNTER, "leat_sink_delivered_rows_total", "Rows that the sink has taken."},
        {METRIC_COUNTER, "leat_sink_delivered_bytes_total", "Their bytes."},
        {METRIC_COUNTER, "leat_sink_rejected_rows_total", "Rows that became dead letters."},
        {METRIC_COUNTER, "leat_sink_retries_total", "Deliveries that failed and were repeated."},
        {METRIC_COUNTER, "leat_sink_left_out_total", "Data beyond a limit of the sink."},
        {METRIC_GAUGE, "leat_sink_oldest_undelivered_seconds", "Age of the oldest row due."},
    };
    for (isize i = 0; i < job->sink_count; i++) {
        const struct engine_outbox *outbox = job->sinks[i].outbox;
        if (outbox == NULL) {
            continue;
        }
        const struct engine_delivery_counters *c = &outbox->counters;
        double values[] = {
            (double)metric_load(&c->rows),
            (double)metric_load(&c->bytes),
            (double)metric_load(&c->delivered_rows),
            (double)metric_load(&c->delivered_bytes),
            (double)metric_load(&c->rejected),
            (double)metric_load(&c->retries),
            (double)left_out(outbox),
            (double)oldest_age_ms(outbox) / 1000,
        };
        struct metric_label labels[] = {{"job", str_of(job->id_text)},
                                        {"table", outbox->table},
                                        {"kind", str_of(job->sinks[i].connector->name)}};
        for (isize f = 0; f < COUNT_OF(families); f++) {
            struct metric_family family = {families[f].kind, families[f].name, families[f].help};
            metric_sample(snapshot, &family, labels, COUNT_OF(labels), values[f]);
        }
    }
}
