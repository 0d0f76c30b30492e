/* console/console_int.h: shared by the files of this module only. */
#ifndef CONSOLE_CONSOLE_INT_H
#define CONSOLE_CONSOLE_INT_H

#include "console/console.h"
#include "os/thread.h"

struct console_snapshots;

struct console {
    struct console_env env;
    struct http_server *http; /* Atomic. */
    i64 started_ms;
    struct console_snapshots *snapshots;
    struct os_mutex watch_lock;   /* Of what follows; tails is read without it. */
    struct os_cond watch_changed; /* The server stops. */
    struct os_cond published;     /* Or the log has published something. */
    i32 watchers, tails;
    bool is_stopping; /* Event streams end. */
    int log_watch;
    struct console_route routes[64];
    isize route_count;
};

/* api.c */
extern const struct console_route console__api_routes[];
extern const isize console__api_route_count;
void console__put_streams(struct console *console, struct buf *out);
void console__put_jobs(struct console *console, struct buf *out);
struct diag;
void console__put_error(struct buf *out, const struct diag *diag, str source);

/* Answers with the error and the status that belongs to it. */
void console__respond_error(struct http_exchange *x, err e, const struct diag *diag);

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
/* Places for those who follow a stream. */
MUST_USE err console__tail_enter(struct console *console, i32 most, struct diag *diag);
void console__tail_leave(struct console *console);
/* WORKER, with such a place. True once the log has published something after `lsn`. */
bool console__published_wait(struct console *console, u64 lsn, u32 ms);
/* The log's watcher. */
void console__on_published(void *console, const struct log_frame *frame);

/* api_tail.c */
extern const struct console_route console__tail_routes[];
extern const isize console__tail_route_count;

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

/* Answers with JSON; takes the buffer. */
void console__respond_json(struct http_exchange *x, int status, struct buf *body);

#endif
