/*
 * net/http.h: HTTP server: HTTP/1.1 and HTTP/2 with prior knowledge (h2c) on one
 * port, the same over TLS on another (by ALPN, or by prior knowledge within TLS).
 * The rest of leat sees requests and responses ("exchanges"), never sockets
 * or libuv.
 *
 * Threads. Each event loop has a thread; a connection, and each exchange on it,
 * belongs to one loop. Functions marked LOOP are called on that thread only.
 * Functions marked WORKER are called on the pool thread that http_run_blocking
 * gave the exchange to. http_post is the way from any other thread.
 *
 * Life. The handler is called (LOOP) when a request's header is complete and
 * parsed strictly. It then takes exactly one of three ways: respond at once;
 * http_collect_body, which calls back with the whole body; http_run_blocking.
 * The exchange lives until its response is finished; a client that goes away
 * makes later writes no-ops (http_is_gone), it never frees an exchange that has
 * not been answered: each exchange must be answered or aborted exactly once.
 *
 * Limits are in struct http_limits; each is documented in docs/limits.md.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/arena.h"
#include "base/base.h"
#include "base/budget.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/metric.h"
#include "base/str.h"
#include "os/os.h"

struct http_server;
struct http_exchange;
struct tls_identity; /* net/tls.h */

typedef void (*http_fn)(struct http_exchange *x, void *ctx);

struct http_limits {
    isize request_line_bytes; /* 0 = 8 KiB; over it 414 */
    isize header_bytes;       /* 0 = 32 KiB in all; over it 431 */
    i32 header_count;         /* 0 = 100; over it 431 */
    i32 connections;          /* 0 = 10000; the oldest idle one is closed */
    i32 pipelined;            /* 0 = 64 requests parsed ahead on one connection */
    i32 streams;              /* 0 = 100 concurrent HTTP/2 streams of one connection */
    i32 exchanges;            /* 0 = 32768 requests under way; beyond it streams are refused */
    u32 header_timeout_ms;    /* 0 = 10 s for a whole header; 408 */
    u32 idle_timeout_ms;      /* 0 = 60 s between requests */
    u32 write_timeout_ms;     /* 0 = 30 s without progress while writing */
    isize body_rate_bytes;    /* 0 = 1 KiB/s averaged over 10 s after 5 s; 408 */
    isize body_bytes;         /* Of all bodies that http_collect_body keeps; 0 = 512 MiB, or an
                                 eighth of the memory that the process may have; 503 */
    isize answer_bytes;       /* Of all answers that clients have not taken; 0 = the same; 503 */
    i32 workers;              /* 0 = 64 threads at most for http_run_blocking */
};

struct http_server_options {
    const char *bind;         /* NULL = "127.0.0.1" */
    u16 port;                 /* 0 = any free port; see http_server_port */
    struct tls_identity *tls; /* Borrowed until the server has stopped; NULL = no TLS. */
    u16 tls_port;             /* 0 = any free port; see http_server_tls_port */
    i32 loops;                /* 0 = os_cpu_count() */
    struct http_limits limits;
    /* Borrowed: counts what answers hold, also what others charge it with; its maximum is set to
     * limits.answer_bytes. NULL = one of the server's own. */
    struct budget *answers;
    http_fn handler; /* LOOP */
    void *handler_ctx;
};

/* Binds and listens, then starts the loops. ERR_IN_USE: the port is taken (diag says by which
 * process when /proc tells). */
MUST_USE err http_server_start(struct os *os, const struct http_server_options *options,
                               struct http_server **out, struct diag *diag);
u16 http_server_port(const struct http_server *server);
u16 http_server_tls_port(const struct http_server *server); /* 0: no TLS */
/* Stops accepting, lets running exchanges finish for up to `grace_ms`, closes, joins. Returns when
 * every exchange has been answered, also those whose clients are gone: nobody posts afterwards. */
void http_server_stop(struct http_server *server, u32 grace_ms);

struct http_server_stats {
    u64 connections_open, connections_total, requests, bytes_in, bytes_out, bad_requests, timeouts;
    u64 busy;                          /* For what answers or bodies hold. */
    isize bodies_bytes, answers_bytes; /* Held now. */
};
void http_server_get_stats(struct http_server *server, struct http_server_stats *out);
/* From a request's header to the start of its answer. Relaxed atomics; lives as the server. */
const struct metric_histogram *http_server_get_times(const struct http_server *server);

/* --- the request; borrowed until the exchange ends; any thread that holds the exchange ------- */

str http_method(const struct http_exchange *x); /* "GET" */
str http_path(const struct http_exchange *x);   /* As sent, percent-encoded, without the query. */
str http_query(const struct http_exchange *x);  /* Without "?"; empty when absent. */
/* The first field of that name in any case; STR_EMPTY: absent. */
str http__header(const struct http_exchange *x, str name);
static inline str http_header(const struct http_exchange *x, const char *name)
{
    return http__header(x, str_of(name));
}
isize http_header_count(const struct http_exchange *x);
void http_header_at(const struct http_exchange *x, isize index, str *name_out, str *value_out);
str http_host(const struct http_exchange *x); /* Host header or :authority. */
bool http_is_http2(const struct http_exchange *x);
bool http_is_tls(const struct http_exchange *x);
str http_peer(const struct http_exchange *x);           /* "127.0.0.1:51234" */
i64 http_content_length(const struct http_exchange *x); /* -1: chunked or HTTP/2 without length */
u64 http_received_ns(const struct http_exchange *x);    /* os_mono_ns at the first header byte */
/* Memory that lives as long as the exchange; used by whoever holds the exchange. */
struct arena *http_arena(struct http_exchange *x);

/* --- the body -------------------------------------------------------------------------------- */

/* LOOP. Sends 100-continue when asked for. `fn` is called (LOOP) when the body is complete;
 * http_body then gives it. When it is larger than bytes_max, http_body_error is ERR_LIMIT and the
 * rest is not read: the answer closes the connection. A body that the client never finishes ends
 * the exchange without calling `fn`. Once complete, it may be called again, or http_run_blocking,
 * by whoever the exchange is handed on to. */
void http_collect_body(struct http_exchange *x, isize bytes_max, http_fn fn, void *ctx);
str http_body(const struct http_exchange *x);
err http_body_error(const struct http_exchange *x);

/* LOOP. Hands the exchange to a pool thread; `fn` reads and answers in blocking style and returns
 * when it has answered. Answers 503 by itself when the pool is full. */
void http_run_blocking(struct http_exchange *x, http_fn fn, void *ctx);
/* WORKER. Reads up to `bytes`; *got_out 0 = end of body. ERR_CLOSED: client went away or stalled.
 * The first call sends the 100-continue that the client waits for (also for an empty body: there
 * are clients that take a final answer at once for the answers of all later requests). */
MUST_USE err http_body_read(struct http_exchange *x, void *data, isize bytes, isize *got_out);

/* --- the answer; LOOP or WORKER ----------------------------------------------------------------
 */

struct http_field {
    str name, value;
};
/* Date, Content-Length (and Connection) are added. Copies `body`. HEAD and 204/304 send no body;
 * their Content-Length is body.len, or taken from `fields` when given there. */
void http_respond(struct http_exchange *x, int status, const struct http_field *fields,
                  isize field_count, str body);
/* Takes the buffer's memory (leaves it empty) instead of copying. */
void http_respond_buf(struct http_exchange *x, int status, const struct http_field *fields,
                      isize field_count, struct buf *body);
/* What answers hold is bounded (limits.answer_bytes): whole ones of more than HTTP_HELD_BYTES_MIN
 * until the kernel has them, the piece of each answer in pieces, and what others charge to
 * options.answers. Beyond it a whole answer of more than HTTP_PIECE_BYTES_MIN is dropped and the
 * request refused instead (http_on_busy). */
/* What a refusal for that reason says. */
#define HTTP_ANSWERS_HELD_TEXT "the server holds too many answers that clients do not take"
/* Any thread: bytes that answers may still hold; below 0 when they hold more. */
isize http_answers_room(const struct http_exchange *x);
/* Any thread: they hold that many `times`, for small ones are always given. At twice no request of
 * a service should be begun, at three times no page. */
bool http_answers_hold(const struct http_exchange *x, i32 times);
/* Whoever holds the exchange: counts a whole answer of so many bytes before it is made; once.
 * False: there is no room for it, and something smaller is to be answered. */
MUST_USE bool http_answer_reserve(struct http_exchange *x, isize bytes);
/* The same for the piece that an answer in pieces holds. */
MUST_USE bool http_pieces_reserve(struct http_exchange *x);
/* Whoever holds the exchange: its answer is sent whatever is held, for the request has changed
 * something and is not to be repeated, or shows what is held. */
void http_answer_anyway(struct http_exchange *x);
/* LOOP, before the body is collected. `fn` is called instead of an answer, or of the rest of the
 * body, for which there is no memory, by the thread that answers: it answers with 503 and little
 * more than `text`. Without it the text is the body. */
typedef void (*http_busy_fn)(struct http_exchange *x, const char *text, void *ctx);
void http_on_busy(struct http_exchange *x, http_busy_fn fn, void *ctx);
/* An answer that is made while the client takes it. */
struct http_pieces {
    i64 length; /* Of all; greater than 0. */
    /* Writes the next bytes, 1 to `capacity` (at least HTTP_PIECE_BYTES_MIN); returns how many. */
    isize (*next)(void *ctx, u8 *out, isize capacity);
    void (*over)(void *ctx); /* Once: after the last piece, or when the client has gone. */
    void *ctx;
};
enum { HTTP_PIECE_BYTES_MIN = 64 << 10, HTTP_HELD_BYTES_MIN = 1 << 10 };
/* LOOP. Answers in pieces: `next` is called (LOOP) when the client has taken what came before, so
 * that one piece is held, however slow it is. Ends the exchange; not for HEAD, 204 and 304. */
void http_respond_pieces(struct http_exchange *x, int status, const struct http_field *fields,
                         isize field_count, const struct http_pieces *pieces);
/* Streaming. content_length -1 = chunked. Each write copies. WORKER: blocks while more than 1 MiB
 * is unsent. LOOP: never blocks; see http_unsent. ERR_CLOSED when the client is gone. */
void http_respond_start(struct http_exchange *x, int status, const struct http_field *fields,
                        isize field_count, i64 content_length);
MUST_USE err http_respond_write(struct http_exchange *x, str data);
void http_respond_end(struct http_exchange *x);
/* Ends a started response the hard way: the client sees an error, never a short 200. */
void http_abort(struct http_exchange *x);
/* Bytes written but not yet taken by the kernel. LOOP. */
isize http_unsent(const struct http_exchange *x);
/* LOOP. Calls fn once (LOOP, soon) when no more than `below` bytes are unsent; a new call replaces
 * the one before. Not when the client goes away first. */
void http_on_drained(struct http_exchange *x, isize below, http_fn fn, void *ctx);
bool http_is_gone(const struct http_exchange *x);
/* LOOP. Called once when the client goes away before the response has ended (for event streams).
 * With it a client that half-closes over HTTP/1.1 counts as gone. */
void http_on_gone(struct http_exchange *x, http_fn fn, void *ctx);

/* Any thread: runs fn(x, ctx) on the exchange's loop soon, in order of posting. The exchange stays
 * valid until then. Cheap: many posts share one wake-up. */
void http_post(struct http_exchange *x, http_fn fn, void *ctx);
/* Between the two the posts of the calling thread wake no loop: many of them then cost one wake-up,
 * at the release. Not nested; for a moment only. */
void http_posts_hold(void);
void http_posts_release(void);
/* LOOP. Runs fn after `ms`, unless the exchange ends before; one timer per exchange, a new call
 * replaces it. */
void http_after(struct http_exchange *x, u32 ms, http_fn fn, void *ctx);

/* Called once, when the answer begins, by the thread that answers: for figures only, it must not
 * call back into this module. LOOP. */
typedef void (*http_answered_fn)(int status, u64 took_ns, void *ctx);
void http_on_answered(struct http_exchange *x, http_answered_fn fn, void *ctx);

/* --- helpers ---------------------------------------------------------------------------------- */

/* Percent-decodes once; with `plus_is_space` for query and form values. ERR_SYNTAX for "%zz",
 * a cut "%4", or NUL. */
MUST_USE err http_decode(struct arena *arena, str text, bool plus_is_space, str *out);
/* Value of `name` in a query or form string, decoded; STR_EMPTY with *found_out false if absent. */
MUST_USE err http_param(struct arena *arena, str query, str name, str *out, bool *found_out);

#endif
