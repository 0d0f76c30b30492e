/* console/console_int.h: shared by the files of this module only. */
#ifndef CONSOLE_CONSOLE_INT_H
#define CONSOLE_CONSOLE_INT_H

#include "base/diag.h"
#include "codec/json.h"
#include "console/console.h"
#include "os/thread.h"

#define CONSOLE_ACCOUNT "000000000000" /* Of callers that name none. */

struct console_snapshots;
struct console_sessions;

struct console {
    struct console_env env;
    struct http_server *http; /* Atomic. */
    i64 started_ms;
    struct console_snapshots *snapshots;
    struct console_sessions *sessions;
    struct os_mutex watch_lock;   /* Of what follows; tails is read without it. */
    struct os_cond watch_changed; /* The server stops. */
    struct os_cond published;     /* Or the log has published something. */
    i32 watchers, tails;
    bool is_stopping; /* Event streams end. */
    int log_watch;
    struct console_route routes[64];
    isize route_count;
};

/* api_replays.c */
void console__put_replays(struct console *console, struct buf *out);
extern const struct console_route console__replay_routes[];
extern const isize console__replay_route_count;

/* api.c */
extern const struct console_route console__api_routes[];
extern const isize console__api_route_count;
void console__put_streams(struct console *console, struct buf *out);
void console__put_jobs(struct console *console, struct buf *out);
/* "name":"value" */
void console__put(struct buf *out, const char *name, str value);
void console__put_error(struct buf *out, const struct diag *diag, str source);
/* Member of a body, or parameter of the query, that is text; `otherwise` when it is absent or
 * empty. */
str console__text_or(const struct json_value *body, const char *name, str otherwise);
str console__param(struct http_exchange *x, const char *name, str otherwise);
/* 0 to `most`; *out is left alone when the parameter is absent. */
MUST_USE err console__number_param(struct http_exchange *x, const char *name, i64 most, i64 *out,
                                   struct diag *diag);
/* The decoded segment between the two; false when the path is another. */
bool console__path_middle(struct http_exchange *x, const char *before, const char *after, str *out);
void console__respond_no_path(struct http_exchange *x);
/* WORKER. The body, which must be an object of at most 8 MiB; in the exchange's arena. */
MUST_USE err console__body_json(struct http_exchange *x, const struct json_value **out,
                                struct diag *diag);

/* console_respond_error for an error whose span points into `source`. */
void console__respond_error_in(struct http_exchange *x, err e, const struct diag *diag, str source);

/* snapshot.c: any thread; blocks while an instant is taken (milliseconds). */
enum { CONSOLE_SNAPSHOT_ID_BYTES = 48 };
struct console_snapshot {
    i32 refs; /* Atomic. */
    char id[CONSOLE_SNAPSHOT_ID_BYTES];
    i64 at_ms;
    struct buf json;
};
struct console_snapshots *console__snapshots_new(struct console *console);
void console__snapshots_free(struct console_snapshots *snapshots);
/* The newest if it is no older than that, else a new one. Returned with a reference. */
struct console_snapshot *console__snapshot_get(struct console_snapshots *snapshots, i64 age_max_ms);
void console__snapshot_unref(struct console_snapshot *snapshot);
/* Prometheus text of an instant that is still kept; else ERR_NOT_FOUND. */
MUST_USE err console__snapshot_text(struct console_snapshots *snapshots, str id, struct buf *out);

/* api_events.c */
extern const struct console_route console__event_routes[];
extern const isize console__event_route_count;
/* Ends all event streams soon; no new one begins. */
void console__events_stop(struct console *console);
/* WORKER. Waits on behalf of an event stream; false when the server stops. */
bool console__events_wait(struct console *console, u32 ms);

bool console__is_stopping(struct console *console);
/* Places for those who follow a stream or run a query. */
enum { CONSOLE_TAILS_MAX = 24 };
MUST_USE err console__tail_enter(struct console *console, i32 most, struct diag *diag);
void console__tail_leave(struct console *console);
/* WORKER, with such a place. True once the log has published something after `lsn`; false early
 * when the client is gone, if console__on_follower_gone is what http_on_gone calls. */
bool console__published_wait(struct console *console, const struct http_exchange *x, u64 lsn,
                             u32 ms);
void console__on_follower_gone(struct http_exchange *x, void *ctx);
/* The log's watcher. */
void console__on_published(void *ctx, const struct log_frame *frame);

/* api_tail.c */
void console__handle_tail(struct http_exchange *x, void *ctx);

/* api_streams.c */
void console__handle_streams(struct http_exchange *x, void *ctx);
void console__handle_stream_create(struct http_exchange *x, void *ctx);
void console__handle_stream_get(struct http_exchange *x, void *ctx);
/* WORKER; api_reshard.c */
void console__reshard(struct http_exchange *x, void *ctx);
void console__handle_stream_post(struct http_exchange *x, void *ctx);
void console__handle_stream_delete(struct http_exchange *x, void *ctx);
/* The stream that a path /_leat/api/streams/NAME + tail names, with the query's region and account;
 * a new reference. */
MUST_USE err console__stream_find(struct console *console, struct http_exchange *x,
                                  const char *tail, struct stream **out, struct diag *diag);

/* api_jobs.c */
void console__handle_jobs(struct http_exchange *x, void *ctx);
void console__handle_job(struct http_exchange *x, void *ctx);
void console__handle_job_post(struct http_exchange *x, void *ctx);

/* api_letters.c */
void console__handle_letters(struct http_exchange *x, void *ctx);
void console__handle_redrive(struct http_exchange *x, void *ctx);

/* api_reset.c */
void console__handle_reset(struct http_exchange *x, void *ctx);

/* api_sql.c */
void console__handle_sql(struct http_exchange *x, void *ctx);

/* sessions.c */
struct console_sessions *console__sessions_new(void);
void console__sessions_free(struct console_sessions *sessions);
/* The session of that name, made when absent, for this request alone until it is given back; an
 * empty name: one that ends with the request. */
MUST_USE err console__session_take(struct console *console, str name, str account, str region,
                                   struct engine_session **out, struct diag *diag);
void console__session_give(struct console *console, struct engine_session *session);
/* Was it ended, or its query cancelled, while the request runs? */
bool console__session_is_ended(struct console *console, const struct engine_session *session);
/* Ends all of them; those in use when their request is done. */
void console__sessions_clear(struct console_sessions *sessions);
void console__handle_session_end(struct http_exchange *x, void *ctx);

/* assets.c: the page itself. */
struct console_asset {
    const char *path, *type, *etag; /* The tag with its quotes. */
    const u8 *packed;               /* gzip */
    isize packed_bytes;
    bool is_immutable; /* The name changes with the bytes. */
};
extern const struct console_asset console__assets[]; /* Made by tools/embed_console.py. */
extern const isize console__asset_count;
/* True when a browser asks: it has been sent to the console. */
bool console__page_wanted(struct http_exchange *x);
extern const struct console_route console__asset_routes[];
extern const isize console__asset_route_count;

/* collect.c */
void console__collect_start(struct console *console);
void console__collect_stop(struct console *console);

/* WORKER. Appends the whole body; ERR_LIMIT when it is larger. */
MUST_USE err console__body_read(struct http_exchange *x, isize bytes_max, struct buf *out);
/* Answers with JSON; takes the buffer. */
void console__respond_json(struct http_exchange *x, int status, struct buf *body);

#endif
