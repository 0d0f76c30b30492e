/*
 * cli/demo_int.h: the founding pipeline on a new data directory, for the files demo*.c.
 * It is set up over the endpoint alone, as a user would do it with aws and leat.
 */
#ifndef CLI_DEMO_INT_H
#define CLI_DEMO_INT_H

#include "cli/options.h"
#include "feed/generate.h"

#define DEMO_REGION     "us-east-1"
#define DEMO_STREAM_ONE "us-accidents-data-stream-1"
#define DEMO_STREAM_TWO "us-accidents-data-stream-2"
#define DEMO_BUCKET     "us-accidents-raw-us_east_1-dev"
#define DEMO_KEY        "raw_us-accidents/US_Accidents_dataset.csv"
#define DEMO_ARCHIVE    "us-accidents-archive-us_east_1-dev"
#define DEMO_TOPIC      "us-accidents-sns-topic-1"
#define DEMO_NAMESPACE  "accidents_reports_namespace"
#define DEMO_METRIC     "us_accidents_severity_high"

/* The files of demo/, made by tools/embed_text.py. */
extern const char demo_founding_sql[], demo_archive_sql[], demo_metrics_sql[], demo_alerts_sql[];

struct demo {
    const char *endpoint;
    u64 rows;
    i64 rate; /* Rows a second; 0 = unlimited. */
    u64 passes;
    char replay_id[64];
};

/* demo_setup.c: all of it up to the running replay. Returns an exit code; errors are printed. */
int demo_setup(struct demo *demo);
/* Pushes one more row, so that the last window of the metrics closes. */
int demo_close_windows(struct demo *demo);

struct demo_counts {
    u64 replay_rows, replay_bad, replay_bytes;
    bool is_replay_done;
    u64 one, two; /* Records of the streams. */
    u64 one_bytes;
    u64 founding_in, founding_out, archive_in, metrics_in, alerts_in;
    u64 archive_objects, archive_bytes, archive_delivered;
    u64 metrics_out, metrics_delivered, series_left_out;
    u64 mails_out, mails_delivered;
    i64 watermark_ms; /* INT64_MIN = none. */
    i64 lag_ms;       /* The largest of the jobs. */
    u64 dead_letters;
    char last_mail[160];
    char problem[256]; /* Of a failed job or a sink; empty = none. */
};
/* demo_counts.c: one look at everything. Returns an exit code. */
int demo_counts_read(const struct demo *demo, struct demo_counts *out);
/* Sum of the metric over the severities, as GetMetricStatistics gives it. */
int demo_metric_sum(const struct demo *demo, u64 *out);

#endif
