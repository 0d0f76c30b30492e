/* base/metric.c: collectors, snapshots and their two views. */
#include "base/metric.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

enum { SAMPLES_MAX = 10000, COLLECTORS_MAX = 64, FAMILIES_MAX = 512 };

struct sample {
    struct sample *next;
    struct metric_label labels[METRIC_LABELS_MAX];
    int label_count;
    double value;
    const struct metric_histogram *histogram;
};

struct family {
    struct metric_family what;
    struct sample *first, *last;
    isize count;
};

struct metric_snapshot {
    struct arena arena;
    struct family families[FAMILIES_MAX];
    isize family_count;
};

static struct {
    pthread_mutex_t lock;
    struct {
        metric_collect_fn collect;
        void *ctx;
    } items[COLLECTORS_MAX];
    isize count;
} collectors = {.lock = PTHREAD_MUTEX_INITIALIZER};

double metric_bucket_bound(int bucket)
{
    return (double)(1ULL << bucket) * 1e-6;
}

static int bucket_of(u64 ns)
{
    u64 us = (ns + 999) / 1000;
    int bucket = us <= 1 ? 0 : 64 - __builtin_clzll(us - 1);
    return bucket > METRIC_BUCKETS ? METRIC_BUCKETS : bucket;
}

void metric_observe_ns(struct metric_histogram *histogram, u64 ns)
{
    metric_add(&histogram->counts[bucket_of(ns)], 1);
    metric_add(&histogram->sum_ns, ns);
}

double metric_quantile(const struct metric_histogram *histogram, double q)
{
    u64 total = 0;
    for (int i = 0; i <= METRIC_BUCKETS; i++) {
        total += metric_load(&histogram->counts[i]);
    }
    if (total == 0) {
        return 0;
    }
    u64 rank = (u64)ceil(q * (double)total);
    u64 seen = 0;
    for (int i = 0; i < METRIC_BUCKETS; i++) {
        seen += metric_load(&histogram->counts[i]);
        if (seen >= rank) {
            return metric_bucket_bound(i);
        }
    }
    return metric_bucket_bound(METRIC_BUCKETS);
}

void metric_register(metric_collect_fn collect, void *ctx)
{
    pthread_mutex_lock(&collectors.lock);
    CHECK(collectors.count < COLLECTORS_MAX);
    collectors.items[collectors.count].collect = collect;
    collectors.items[collectors.count].ctx = ctx;
    collectors.count++;
    pthread_mutex_unlock(&collectors.lock);
}

void metric_unregister(metric_collect_fn collect, void *ctx)
{
    pthread_mutex_lock(&collectors.lock);
    for (isize i = 0; i < collectors.count; i++) {
        if (collectors.items[i].collect == collect && collectors.items[i].ctx == ctx) {
            collectors.items[i] = collectors.items[--collectors.count];
            break;
        }
    }
    pthread_mutex_unlock(&collectors.lock);
}

static struct family *family_of(struct metric_snapshot *snapshot, const struct metric_family *what)
{
    for (isize i = 0; i < snapshot->family_count; i++) {
        struct family *family = &snapshot->families[i];
        if (strcmp(family->what.name, what->name) == 0) {
            CHECK(family->what.kind == what->kind);
            return family;
        }
    }
    CHECK(snapshot->family_count < FAMILIES_MAX);
    struct family *family = &snapshot->families[snapshot->family_count++];
    *family = (struct family){.what = *what};
    return family;
}

static struct sample *sample_add(struct metric_snapshot *snapshot, struct family *family,
                                 const struct metric_label *labels, int label_count)
{
    CHECK(label_count <= METRIC_LABELS_MAX);
    if (family->count > SAMPLES_MAX) {
        return family->last; /* The one named "other" takes the rest. */
    }
    struct sample *sample = ARENA_NEW(&snapshot->arena, struct sample);
    sample->label_count = label_count;
    for (int i = 0; i < label_count; i++) {
        sample->labels[i].name = labels[i].name;
        sample->labels[i].value = arena_copy(&snapshot->arena, labels[i].value);
    }
    if (family->count == SAMPLES_MAX && label_count > 0) {
        sample->labels[label_count - 1].value = STR("other");
    }
    if (family->last == NULL) {
        family->first = sample;
    } else {
        family->last->next = sample;
    }
    family->last = sample;
    family->count++;
    return sample;
}

void metric_sample(struct metric_snapshot *snapshot, const struct metric_family *what,
                   const struct metric_label *labels, int label_count, double value)
{
    CHECK(what->kind != METRIC_HISTOGRAM);
    struct family *family = family_of(snapshot, what);
    sample_add(snapshot, family, labels, label_count)->value += value;
}

void metric_sample_histogram(struct metric_snapshot *snapshot, const struct metric_family *what,
                             const struct metric_label *labels, int label_count,
                             const struct metric_histogram *histogram)
{
    CHECK(what->kind == METRIC_HISTOGRAM);
    struct family *family = family_of(snapshot, what);
    struct sample *sample = sample_add(snapshot, family, labels, label_count);
    struct metric_histogram *copy = ARENA_NEW(&snapshot->arena, struct metric_histogram);
    const struct metric_histogram *before = sample->histogram;
    for (int i = 0; i <= METRIC_BUCKETS; i++) {
        copy->counts[i] = metric_load(&histogram->counts[i]) + (before ? before->counts[i] : 0);
    }
    copy->sum_ns = metric_load(&histogram->sum_ns) + (before ? before->sum_ns : 0);
    sample->histogram = copy;
}

struct metric_snapshot *metric_snapshot_take(void)
{
    struct metric_snapshot *snapshot = NEW(struct metric_snapshot);
    pthread_mutex_lock(&collectors.lock);
    for (isize i = 0; i < collectors.count; i++) {
        collectors.items[i].collect(snapshot, collectors.items[i].ctx);
    }
    pthread_mutex_unlock(&collectors.lock);
    return snapshot;
}

void metric_snapshot_free(struct metric_snapshot *snapshot)
{
    if (snapshot != NULL) {
        arena_deinit(&snapshot->arena);
        mem_free(snapshot);
    }
}

/* --- Prometheus text ------------------------------------------------------------------------ */

static void append_escaped(struct buf *out, str value)
{
    for (isize i = 0; i < value.len; i++) {
        u8 c = value.data[i];
        if (c == '\n') {
            buf_append(out, STR("\\n"));
        } else if (c == '"' || c == '\\') {
            buf_append_byte(out, '\\');
            buf_append_byte(out, c);
        } else {
            buf_append_byte(out, c);
        }
    }
}

static void append_number(struct buf *out, double value)
{
    if (value == floor(value) && fabs(value) < 9.2e18) {
        buf_append_i64(out, (i64)value);
    } else {
        buf_printf(out, "%.9g", value);
    }
}

/* `extra` is a label of the renderer's own ("le"), or NULL. */
static void append_labels(struct buf *out, const struct sample *sample, const char *extra,
                          const char *extra_value)
{
    if (sample->label_count == 0 && extra == NULL) {
        return;
    }
    buf_append_byte(out, '{');
    for (int i = 0; i < sample->label_count; i++) {
        buf_printf(out, "%s%s=\"", i > 0 ? "," : "", sample->labels[i].name);
        append_escaped(out, sample->labels[i].value);
        buf_append_byte(out, '"');
    }
    if (extra != NULL) {
        buf_printf(out, "%s%s=\"%s\"", sample->label_count > 0 ? "," : "", extra, extra_value);
    }
    buf_append_byte(out, '}');
}

static void render_histogram(struct buf *out, const char *name, const struct sample *sample)
{
    u64 total = 0;
    for (int i = 0; i <= METRIC_BUCKETS; i++) {
        total += sample->histogram->counts[i];
        char bound[32] = "+Inf";
        if (i < METRIC_BUCKETS) {
            (void)snprintf(bound, sizeof bound, "%.9g", metric_bucket_bound(i));
        }
        buf_printf(out, "%s_bucket", name);
        append_labels(out, sample, "le", bound);
        buf_append_byte(out, ' ');
        buf_append_u64(out, total);
        buf_append_byte(out, '\n');
    }
    buf_printf(out, "%s_sum", name);
    append_labels(out, sample, NULL, NULL);
    buf_printf(out, " %.9g\n%s_count", (double)sample->histogram->sum_ns * 1e-9, name);
    append_labels(out, sample, NULL, NULL);
    buf_append_byte(out, ' ');
    buf_append_u64(out, total);
    buf_append_byte(out, '\n');
}

void metric_render_text(const struct metric_snapshot *snapshot, struct buf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    for (isize i = 0; i < snapshot->family_count; i++) {
        const struct family *family = &snapshot->families[i];
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->what.name, family->what.help,
                   family->what.name, kinds[family->what.kind]);
        for (const struct sample *s = family->first; s != NULL; s = s->next) {
            if (family->what.kind == METRIC_HISTOGRAM) {
                render_histogram(out, family->what.name, s);
                continue;
            }
            buf_append(out, str_of(family->what.name));
            append_labels(out, s, NULL, NULL);
            buf_append_byte(out, ' ');
            append_number(out, s->value);
            buf_append_byte(out, '\n');
        }
    }
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void append_json_string(struct buf *out, str value)
{
    buf_append_byte(out, '"');
    for (isize i = 0; i < value.len; i++) {
        u8 c = value.data[i];
        if (c < 0x20) {
            buf_printf(out, "\\u%04x", c);
            continue;
        }
        if (c == '"' || c == '\\') {
            buf_append_byte(out, '\\');
        }
        buf_append_byte(out, c);
    }
    buf_append_byte(out, '"');
}

static void render_json_sample(struct buf *out, const struct family *family,
                               const struct sample *sample)
{
    buf_append(out, STR("{\"labels\":{"));
    for (int i = 0; i < sample->label_count; i++) {
        buf_printf(out, "%s\"%s\":", i > 0 ? "," : "", sample->labels[i].name);
        append_json_string(out, sample->labels[i].value);
    }
    if (family->what.kind != METRIC_HISTOGRAM) {
        buf_append(out, STR("},\"value\":"));
        append_number(out, isfinite(sample->value) ? sample->value : 0);
        buf_append_byte(out, '}');
        return;
    }
    u64 total = 0;
    for (int i = 0; i <= METRIC_BUCKETS; i++) {
        total += sample->histogram->counts[i];
    }
    buf_printf(out, "},\"count\":%llu,\"sum\":%.9g,\"p50\":%.9g,\"p99\":%.9g}",
               (unsigned long long)total, (double)sample->histogram->sum_ns * 1e-9,
               metric_quantile(sample->histogram, 0.5), metric_quantile(sample->histogram, 0.99));
}

void metric_render_json(const struct metric_snapshot *snapshot, struct buf *out)
{
    buf_append_byte(out, '{');
    for (isize i = 0; i < snapshot->family_count; i++) {
        const struct family *family = &snapshot->families[i];
        buf_printf(out, "%s\"%s\":[", i > 0 ? "," : "", family->what.name);
        for (const struct sample *s = family->first; s != NULL; s = s->next) {
            render_json_sample(out, family, s);
            if (s->next != NULL) {
                buf_append_byte(out, ',');
            }
        }
        buf_append_byte(out, ']');
    }
    buf_append_byte(out, '}');
}
