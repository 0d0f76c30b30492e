/* console/collect.c: metrics of the log, the streams, the endpoint and the process. */
#include "base/metric.h"
#include "console/console_int.h"
#include "feed/replay.h"

static void gauge(struct metric_snapshot *s, const char *name, const char *help, double value)
{
    struct metric_family family = {METRIC_GAUGE, name, help};
    metric_sample(s, &family, NULL, 0, value);
}

static void counter(struct metric_snapshot *s, const char *name, const char *help, double value)
{
    struct metric_family family = {METRIC_COUNTER, name, help};
    metric_sample(s, &family, NULL, 0, value);
}

static void histogram(struct metric_snapshot *s, const char *name, const char *help,
                      const struct metric_histogram *values)
{
    struct metric_family family = {METRIC_HISTOGRAM, name, help};
    metric_sample_histogram(s, &family, NULL, 0, values);
}

static void collect_log(struct metric_snapshot *s, void *ctx)
{
    struct console *console = ctx;
    struct log_stats stats;
    log_get_stats(console->env.log, &stats);
    counter(s, "leat_log_records_total", "Records committed since start.", (double)stats.records);
    counter(s, "leat_log_frames_total", "Commit frames written since start.", (double)stats.frames);
    counter(s, "leat_log_bytes_total", "Bytes of frames written since start.", (double)stats.bytes);
    const struct log_latencies *latencies = log_get_latencies(console->env.log);
    histogram(s, "leat_log_sync_seconds", "Time of each fdatasync.", &latencies->sync);
    histogram(s, "leat_log_commit_seconds",
              "From the submission of a batch until it is durable and readable.",
              &latencies->commit);
    gauge(s, "leat_log_disk_bytes", "Bytes of segment files.", (double)stats.disk_bytes);
    gauge(s, "leat_log_live_bytes", "Bytes of segment files that are still needed.",
          (double)stats.live_bytes);
    gauge(s, "leat_log_segments", "Segment files.", (double)stats.segments);
    gauge(s, "leat_log_full", "1 while writers are refused for lack of disk space.",
          stats.is_full ? 1 : 0);
    counter(s, "leat_log_corrupt_frames_total", "Damaged frames found since start.",
            (double)stats.corrupt_frames);
    counter(s, "leat_log_doubtful_frames_total",
            "Last frames before a crash that a single bit spoils: torn, or damaged since.",
            (double)stats.doubtful_frames);
    counter(s, "leat_log_scrubbed_bytes_total", "Bytes read by the daily check of the log.",
            (double)stats.scrubbed_bytes);
    counter(s, "leat_log_scrub_passes_total", "Daily checks that ended.",
            (double)stats.scrub_passes);
    gauge(s, "leat_log_damaged_frames", "Damaged frames that the last whole check found.",
          (double)stats.damaged_frames);
    gauge(s, "leat_log_damaged_parts",
          "Damaged headers (one of two copies) and indexes of segments; every frame is read.",
          (double)stats.damaged_parts);
}

static void stream_sample(struct metric_snapshot *s, const struct stream_info *info,
                          const char *name, const char *help, u64 value)
{
    struct metric_label labels[] = {{"region", info->id.region}, {"stream", info->id.name}};
    struct metric_family family = {METRIC_COUNTER, name, help};
    metric_sample(s, &family, labels, COUNT_OF(labels), (double)value);
}

static bool collect_stream(void *ctx, struct stream *stream)
{
    struct metric_snapshot *s = ctx;
    struct stream_info info;
    struct stream_counters c;
    stream_get_info(stream, &info);
    stream_get_counters(stream, &c);
    stream_sample(s, &info, "leat_stream_records_in_total", "Records put.", c.records_in);
    stream_sample(s, &info, "leat_stream_bytes_in_total", "Bytes of data and keys put.",
                  c.bytes_in);
    stream_sample(s, &info, "leat_stream_records_out_total", "Records read.", c.records_out);
    stream_sample(s, &info, "leat_stream_bytes_out_total", "Bytes of data and keys read.",
                  c.bytes_out);
    stream_sample(s, &info, "leat_stream_put_calls_total", "Put calls.", c.put_calls);
    stream_sample(s, &info, "leat_stream_get_calls_total", "GetRecords calls.", c.get_calls);
    return true;
}

static void collect_streams(struct metric_snapshot *s, void *ctx)
{
    struct console *console = ctx;
    streams_each(console->env.streams, STR_EMPTY, STR_EMPTY, collect_stream, s);
}

static void collect_process(struct metric_snapshot *s, void *ctx)
{
    struct console *console = ctx;
    gauge(s, "process_resident_memory_bytes", "Resident memory.", (double)os_resident_bytes());
    gauge(s, "leat_start_time_seconds", "When the server started, since 1970.",
          (double)console->started_ms / 1000);
    struct http_server *http = __atomic_load_n(&console->http, __ATOMIC_ACQUIRE);
    if (http == NULL) {
        return;
    }
    struct http_server_stats stats;
    http_server_get_stats(http, &stats);
    histogram(s, "leat_http_request_seconds", "From a request's header to the start of its answer.",
              http_server_get_times(http));
    gauge(s, "leat_http_connections", "Open connections.", (double)stats.connections_open);
    counter(s, "leat_http_connections_total", "Connections accepted.",
            (double)stats.connections_total);
    counter(s, "leat_http_requests_total", "Requests with a complete header.",
            (double)stats.requests);
    counter(s, "leat_http_received_bytes_total", "Bytes received.", (double)stats.bytes_in);
    counter(s, "leat_http_sent_bytes_total", "Bytes sent.", (double)stats.bytes_out);
    counter(s, "leat_http_bad_requests_total", "Requests that were no valid HTTP.",
            (double)stats.bad_requests);
    counter(s, "leat_http_timeouts_total", "Connections ended for slowness.",
            (double)stats.timeouts);
    gauge(s, "leat_http_bodies_held_bytes", "Request bodies that are kept in memory.",
          (double)stats.bodies_bytes);
    gauge(s, "leat_http_answers_held_bytes",
          "Memory of answers that clients have not taken, with frames of the log.",
          (double)stats.answers_bytes);
    counter(s, "leat_http_busy_total",
            "Requests refused for what bodies, answers or requests under way hold.",
            (double)stats.busy);
}

static double replay_progress(const struct replay_status *replay)
{
    u64 done = replay->source == REPLAY_S3 ? replay->bytes_fetched : replay->offset;
    return replay->state == REPLAY_DONE ? 1 : (double)done / (double)replay->bytes_total;
}

static void collect_replay(struct metric_snapshot *s, const struct replay_status *replay)
{
    struct metric_label labels[] = {
        {"replay", str_of(replay->id)}, {"region", replay->region}, {"stream", replay->stream}};
    const struct {
        struct metric_family family;
        double value;
    } samples[] = {
        {{METRIC_COUNTER, "leat_replay_rows_total", "Rows that a replay has put."},
         (double)replay->rows},
        {{METRIC_COUNTER, "leat_replay_bad_rows_total", "Rows that became dead letters."},
         (double)replay->rows_bad},
        {{METRIC_COUNTER, "leat_replay_records_total", "Records that hold the rows."},
         (double)replay->records},
        {{METRIC_COUNTER, "leat_replay_bytes_total", "Bytes of these records."},
         (double)replay->bytes_out},
        {{METRIC_GAUGE, "leat_replay_running", "1 while the replay runs."},
         replay->state == REPLAY_RUNNING ? 1 : 0},
    };
    for (isize i = 0; i < COUNT_OF(samples); i++) {
        metric_sample(s, &samples[i].family, labels, COUNT_OF(labels), samples[i].value);
    }
    static const struct metric_family progress = {METRIC_GAUGE, "leat_replay_progress_ratio",
                                                  "Share of this pass that is read."};
    if (replay->bytes_total > 0) {
        metric_sample(s, &progress, labels, COUNT_OF(labels), replay_progress(replay));
    }
}

static void collect_replays(struct metric_snapshot *s, void *ctx)
{
    struct console *console = ctx;
    struct arena arena = {0};
    struct replay_status *replays;
    isize count;
    replays_list(console->env.replays, &arena, &replays, &count);
    for (isize i = 0; i < count; i++) {
        collect_replay(s, &replays[i]);
    }
    arena_deinit(&arena);
}

void console__collect_start(struct console *console)
{
    metric_register(collect_log, console);
    metric_register(collect_streams, console);
    metric_register(collect_process, console);
    metric_register(collect_replays, console);
}

void console__collect_stop(struct console *console)
{
    metric_unregister(collect_log, console);
    metric_unregister(collect_streams, console);
    metric_unregister(collect_process, console);
    metric_unregister(collect_replays, console);
}
