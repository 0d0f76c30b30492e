/*
 * base/metric.h: metrics are pulled. A module registers a collector; a snapshot
 * calls all of them once and keeps what they say, so that every view of one
 * instant (Prometheus text, JSON for the console) shows the same numbers.
 *
 * Names and units follow Prometheus: leat_<what>_<unit>[_total], base units
 * (seconds, bytes). docs/metrics.md lists every family.
 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum { METRIC_BUCKETS = 28, METRIC_LABELS_MAX = 6 };

/* Durations in powers of two from 1 µs (bucket 0) to 134 s; any thread, relaxed atomics. A zeroed
 * one is empty. */
struct metric_histogram {
    u64 counts[METRIC_BUCKETS + 1]; /* The last: above all bounds. */
    u64 sum_ns;
};
void metric_observe_ns(struct metric_histogram *histogram, u64 ns);
/* Upper bound of a bucket in seconds. */
double metric_bucket_bound(int bucket);
/* Nearest upper bound of quantile q (0 to 1) in seconds; 0 when empty. */
double metric_quantile(const struct metric_histogram *histogram, double q);

/* Relaxed atomic counter helpers. */
static inline void metric_add(u64 *counter, u64 n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}
static inline u64 metric_load(const u64 *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

struct metric_label {
    const char *name;
    str value;
};

/* --- collecting --------------------------------------------------------------------------- */

struct metric_snapshot;
typedef void (*metric_collect_fn)(struct metric_snapshot *snapshot, void *ctx);

/* Any thread. A collector must not register or remove collectors. */
void metric_register(metric_collect_fn collect, void *ctx);
void metric_unregister(metric_collect_fn collect, void *ctx);

struct metric_family {
    enum metric_kind kind;
    const char *name; /* Static. */
    const char *help; /* Static; one line. */
};

/* For collectors. The same name must come with the same kind. At most 10,000 samples of a family
 * are kept; what is beyond is summed under the value "other" of its last label. Label values are
 * copied. */
void metric_sample(struct metric_snapshot *snapshot, const struct metric_family *what,
                   const struct metric_label *labels, int label_count, double value);
void metric_sample_histogram(struct metric_snapshot *snapshot, const struct metric_family *what,
                             const struct metric_label *labels, int label_count,
                             const struct metric_histogram *histogram);

/* --- views -------------------------------------------------------------------------------- */

/* Calls every collector. Free with metric_snapshot_free. */
struct metric_snapshot *metric_snapshot_take(void);
void metric_snapshot_free(struct metric_snapshot *snapshot);
/* Prometheus text format 0.0.4. */
void metric_render_text(const struct metric_snapshot *snapshot, struct buf *out);
/* {"leat_x_total": [{"labels": {"stream": "s"}, "value": 3}], ...}; histograms as
 * {"count":, "sum":, "p50":, "p99":}. */
void metric_render_json(const struct metric_snapshot *snapshot, struct buf *out);

#endif
