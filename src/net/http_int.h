/*
 * net/http_int.h: shared by the files of the HTTP server.
 *
 * An exchange is between three parties: the transport (http1.c or http2.c, on the
 * loop), whoever answers (loop or pool thread), and posts under way. Each holds a
 * reference; the last one frees it. Output goes through `out`, a queue that the
 * answering side fills and the transport drains on its loop.
 */
#ifndef NET_HTTP_INT_H
#define NET_HTTP_INT_H

#include "net/http.h"
#include "os/thread.h"

#include <llhttp.h>
#include <uv.h>

enum {
    HTTP_READ_BYTES = 256 << 10,   /* At once; a loop's buffer: input is copied out of it. */
    HTTP_UNSENT_MAX = 1 << 20,     /* A writer waits above it. */
    HTTP_BODY_QUEUE_MAX = 1 << 20, /* Body bytes queued for a pool thread. */
    HTTP_LEFTOVER_MAX = 64 << 10,  /* Read ahead of an exchange that is not answered yet. */
    HTTP_FIELDS_MAX = 128,
    HTTP_PIECE_BYTES = 1 << 20,     /* Of http_respond_pieces: many segments a call and a wake. */
    HTTP_PIECE_BYTES_MAX = 2 << 20, /* For a client that took the one before at once. */
    HTTP_PIECES_AT_ONCE = 1,        /* Of one answer; then others on the loop have their turn. */
    HTTP_TICK_MS = 250,
    HTTP_STOOD_MS = 2000,     /* No tick for so long: the process itself was stopped. */
    HTTP_HEADS_KEPT_MAX = 32, /* Free ones of a loop. */
#ifdef LEAT_DEBUG
    HTTP_SPARES_MAX = 0, /* So that sanitizers see what is used after its end. */
#else
    HTTP_SPARES_MAX = 64, /* Exchanges likewise, of 13 KiB. */
#endif
    HTTP_SPARE_ARENA_BYTES = 4096,
    HTTP_SPARE_BODY_BYTES = 4096,
    HTTP_HANDSHAKES_MAX = 256, /* TLS handshakes under way on one loop; beyond, the oldest goes. */
    HTTP_DRAIN_MS = 2000,      /* Reads on after an early answer, so that it is not lost. */
};

struct http_loop;
struct http_conn;
struct http_tls; /* tls_conn.c */

/* A piece of output, owned. */
struct http_chunk {
    struct http_chunk *next;
    isize bytes, sent;
    isize overhead;           /* Of the bytes: TLS, not the answer. */
    struct http_chunk **home; /* LOOP. Of a piece: where its memory waits for the next one. */
    struct budget *budget;    /* Charged with `charge` until it is freed; NULL: none is. */
    isize charge;
    u8 *data;
};

struct http_transport {
    /* LOOP. There is new output, or the end of it. */
    void (*pump)(struct http_exchange *x);
    /* LOOP. The body is wanted (100-continue), or wanted again after a pause. */
    void (*want_body)(struct http_exchange *x);
    /* LOOP. Ends the exchange the hard way. */
    void (*reset)(struct http_exchange *x);
};

enum http_body_mode { HTTP_BODY_NONE, HTTP_BODY_COLLECT, HTTP_BODY_QUEUE, HTTP_BODY_DISCARD };

struct http_post {
    struct http_post *next;
    struct http_exchange *x;
    http_fn fn;
    void *ctx;
};

struct http_exchange {
    u32 refs; /* Atomic. */
    struct http_loop *loop;
    struct http_conn *conn; /* LOOP; NULL once detached. */
    const struct http_transport *transport;
    struct arena arena;
    /* The request. */
    str method, path, query;
    isize field_count;
    i64 content_length;
    u64 received_ns;
    bool is_http10, is_http2, is_tls, expects_continue, wants_close;
    i32 stream_id; /* HTTP/2. */
    /* The body; LOOP but for the queue. */
    enum http_body_mode body_mode;
    struct buf body;
    isize body_bytes_max;
    isize body_held; /* Taken from the server's budget for bodies. */
    err body_error;
    bool is_body_complete;
    http_fn body_fn;
    void *body_ctx;
    /* Everything below under `lock`, which is taken once a pool thread has had the exchange: until
     * then all is the loop's. Set by the loop alone, never taken back. */
    bool is_shared;
    struct os_mutex lock;
    struct os_cond changed;
    struct http_chunk *body_first, *body_last; /* HTTP_BODY_QUEUE */
    isize body_queued;
    bool is_body_paused; /* Atomic: written with the lock held, the loop reads it without. */
    struct http_chunk *out_first, *out_last;
    isize out_bytes; /* In `out` and in the connection, not yet taken by the kernel. */
    http_fn drained_fn;
    void *drained_ctx;
    isize drained_below;
    bool is_started, is_ended, is_aborted, is_gone, is_pump_posted;
    int status;
    bool is_head_sent; /* LOOP: the transport has taken the header. */
    struct buf head;   /* Serialized fields for HTTP/1; or fields for HTTP/2. */
    const struct http_field *answer_fields; /* Until the transport has taken the header. */
    isize answer_field_count;
    i64 answer_length;         /* -1: not known */
    struct http_pieces pieces; /* LOOP; `next` is NULL when there are none to come. */
    int pieces_taken;          /* LOOP: in this turn. */
    bool keeps_up;             /* LOOP: the kernel took the last piece at once. */
    bool is_turn_posted;       /* LOOP: the next turn comes by itself. */
    bool is_worker;            /* Held by a pool thread. */
    bool is_continue_due;      /* WORKER: 100-continue waits for the first read. */
    http_fn worker_fn;
    void *worker_ctx;
    http_answered_fn answered_fn;
    void *answered_ctx;
    http_busy_fn busy_fn; /* Of who holds the exchange, as the next. */
    void *busy_ctx;
    bool is_answered_anyway;
    isize answer_reserved; /* Taken from the budget for answers, for one that is to come. */
    /* LOOP */
    http_fn gone_fn;
    void *gone_ctx;
    u64 timer_at_ms; /* 0 = none */
    http_fn timer_fn;
    void *timer_ctx;
    struct http_exchange *timer_next, *timer_previous;
    struct http_post post;            /* The first of those under way; others are allocated. */
    bool has_post;                    /* Atomic: `post` is taken. */
    struct http_exchange *spare_next; /* Of a free one: loop->spares. */
    /* Last, because a new exchange is zeroed up to here. */
    struct http_field fields[HTTP_FIELDS_MAX];
};

static inline void http__lock(struct http_exchange *x)
{
    if (x->is_shared) {
        os_mutex_lock(&x->lock);
    }
}

static inline void http__unlock(struct http_exchange *x)
{
    if (x->is_shared) {
        os_mutex_unlock(&x->lock);
    }
}

/* Loops that one thread may owe a wake-up; those beyond are woken at once. */
enum { HTTP_LOOPS_MAX = 8 };

struct http_loop {
    struct http_server *server;
    struct os_thread thread;
    uv_loop_t uv;
    uv_poll_t wake;
    int wake_fd; /* eventfd */
    uv_timer_t tick;
    u64 ticked_ms;                /* When it last came; at first the start. */
    u8 *read_buffer;              /* Made at the first read. */
    u8 *plain_buffer;             /* What TLS gave; made at the first read. */
    struct http_chunk *pieces[2]; /* A free one, and a free large one; NULL: none. */
    struct http_tls *tls_ready;   /* Resumed, with something to read at hand. */
    struct http_tls *handshake_first, *handshake_last; /* Oldest first. */
    isize handshake_count;
    i64 date_s; /* Of `date`. */
    isize date_len;
    char date[32];
    struct http_head *heads; /* Free ones. */
    isize head_count;
    struct http_conn *conns; /* Doubly linked. */
    isize conn_count;
    struct http_exchange *timers, *timers_last; /* In order of time. */
    struct os_mutex lock;                       /* Guards the lists down to spares. */
    struct http_post *posts_first, *posts_last;
    struct http_handover *handovers;
    struct http_exchange *spares; /* Free ones, with an empty arena and body. */
    isize spare_count;
    bool is_stopping;     /* Atomic. */
    isize posting;        /* Atomic: of those who have posted and are about to wake the loop. */
    isize exchange_count; /* Atomic. While there are any, somebody may post: the loop runs on. */
    u32 grace_ms;
    u64 stop_at_ms;
};

/* A socket that the accepting loop gives to another. */
struct http_handover {
    struct http_handover *next;
    int fd;
    bool is_tls;
};

/* A header being parsed; lent by the loop, so that idle connections have none. */
struct http_head {
    struct http_head *next; /* On the loop's list. */
    struct buf line, text;  /* Names and values without separators. */
    struct {
        i32 name_at, name_len, value_at, value_len;
    } spans[HTTP_FIELDS_MAX];
    i32 span_count;
};

/* On loop 0. */
struct http_listener {
    struct http_server *server;
    uv_tcp_t tcp;
    u16 port;
    bool is_tls;
};

struct http_server {
    struct os *os;
    struct http_server_options options;
    struct http_limits limits; /* With defaults filled in. */
    struct http_listener listeners[2];
    int listener_count;
    struct http_loop *loops;
    i32 loop_count;
    i32 next_loop;
    struct os_pool *pool;
    struct budget bodies; /* Held by http_collect_body, of all exchanges. */
    struct budget own_answers, *answers;
    bool is_refusing;               /* Accepting is paused: no descriptors. */
    struct http_server_stats stats; /* Relaxed atomics. */
    struct metric_histogram times;
};

enum http_conn_state {
    HTTP_CONN_IDLE,   /* Between requests. */
    HTTP_CONN_HEADER, /* Within a header. */
    HTTP_CONN_BODY,   /* Within a body that somebody wants. */
    HTTP_CONN_ANSWER, /* An exchange is under way. */
    HTTP_CONN_DRAIN,  /* Answered early; the rest is read and dropped. */
};

struct http_conn {
    struct http_loop *loop;
    struct http_conn *next, *previous;
    uv_tcp_t tcp;
    int fd; /* Of `tcp`, which closes it. */
    char peer[64];
    bool is_closing, is_reading, is_eof;
    bool is_closed_after; /* After what is unsent. */
    enum http_conn_state state;
    u64 state_since_ms, progress_ms;
    u64 body_bytes_seen;
    isize unsent;
    isize queued_bytes; /* Not taken by the client yet, when its progress was last seen. */
    struct http_chunk *out_first, *out_last; /* To the kernel. */
    bool is_writing;
    bool is_held; /* More follows at once: one write for both. */
    struct http_exchange *writing_for;
    struct http_tls *tls; /* NULL: plain. */
    /* HTTP/1 */
    bool is_sniffed;
    llhttp_t parser;
    struct http_exchange *x; /* The one under way. */
    struct http_head *head;  /* Being parsed; NULL between requests. */
    bool is_in_value, is_in_trailer;
    isize aside_bytes;   /* Of this request's chunk extensions and trailers, which are read over. */
    const u8 *input;     /* What is being parsed. */
    const u8 *value_end; /* Of the last value seen in it. */
    bool is_value_cut;   /* The input before ended within a value. */
    int refuse_status;   /* Of what was parsed. */
    struct buf leftover;
    bool is_paused;
    void *http2; /* struct http2, http2.c */
};

/* server.c */
/* Any thread, while the loop runs. */
void http__loop_wake(struct http_loop *loop);

/* exchange.c */
struct http_exchange *http__exchange_new(struct http_conn *conn,
                                         const struct http_transport *transport);
/* Of a loop that has ended. */
void http__exchange_spares_free(struct http_loop *loop);
void http__exchange_ref(struct http_exchange *x);
void http__exchange_unref(struct http_exchange *x);
/* LOOP. The transport lets go: nobody will read what is written. */
void http__exchange_detach(struct http_exchange *x, bool is_gone);

/* body.c */
/* LOOP. Body bytes from the wire; false: pause the source until want_body. */
bool http__exchange_body(struct http_exchange *x, const u8 *data, isize bytes);
/* Room behind the collected body, for at most *bytes_in_out; no more than as much again as has
 * come, for the rest may never come. NULL when none is collected, or little of it has come yet. */
u8 *http__exchange_body_room(struct http_exchange *x, isize *bytes_in_out);
void http__exchange_body_end(struct http_exchange *x);

/* answer.c */
/* LOOP. Takes the next chunk of output, NULL when there is none now. */
struct http_chunk *http__exchange_take(struct http_exchange *x);
bool http__exchange_is_done(struct http_exchange *x, bool *is_aborted_out);
void http__exchange_sent(struct http_exchange *x, isize bytes);
/* LOOP. No piece follows: what they came from goes, and the handler's reference. */
void http__exchange_pieces_end(struct http_exchange *x);
/* Memory is short: answers so, or lets the holder do it (http_on_busy). */
void http__exchange_refuse(struct http_exchange *x, const char *text);

/* posts.c */
void http__run_posts(struct http_loop *loop);
void http__run_timers(struct http_loop *loop, u64 now_ms);
/* LOOP. Lets go of the timer's reference, too. */
void http__timer_remove(struct http_exchange *x);

/* chunk.c */
void http__chunk_free(struct http_chunk *chunk);
void http__chunks_free(struct http_chunk *first); /* And all that follow it; NULL is allowed. */
/* What `from` is charged with, `to` is from now on. */
void http__chunk_pass_charge(struct http_chunk *from, struct http_chunk *to);
/* Takes the buffer's memory. */
struct http_chunk *http__chunk_of_buf(struct buf *buf);
struct http_chunk *http__chunk_new(const void *data, isize bytes);
/* LOOP. The loop's free one, or a new one; empty. HTTP_PIECE_BYTES of room or HTTP_PIECE_BYTES_MAX.
 */
struct http_chunk *http__chunk_piece(struct http_loop *loop, isize room);

/* conn.c */
void http__conn_open(struct http_loop *loop, int fd, bool is_tls);
void http__conn_close(struct http_conn *conn);
void http__conn_write(struct http_conn *conn, struct http_chunk *chunk, struct http_exchange *x);
/* Lets go of an exchange whose answer the kernel has taken. */
void http__conn_settle(struct http_conn *conn);
/* To the kernel as it is. */
void http__conn_send(struct http_conn *conn, struct http_chunk *chunk);
/* What was sent while the connection was held. */
void http__conn_flush(struct http_conn *conn);
/* What the client said, without TLS; and that it will say no more. */
void http__conn_feed(struct http_conn *conn, const u8 *data, isize bytes);
void http__conn_eof(struct http_conn *conn);
void http__conn_state(struct http_conn *conn, enum http_conn_state state);
void http__conn_read_pause(struct http_conn *conn, bool is_paused);
void http__conn_tick(struct http_conn *conn, u64 now_ms);
/* Begins its time limits anew. */
void http__conn_pardon(struct http_conn *conn, u64 now_ms);
u64 http__now_ms(struct http_loop *loop);
/* Of this second, as a Date field says it; good until the next call. */
str http__date(struct http_loop *loop);

/* tls_conn.c */
void http__tls_open(struct http_conn *conn);
void http__tls_read(struct http_conn *conn, const u8 *data, isize bytes);
/* The chunk, encrypted; NULL when that cannot be: the connection is to be closed. */
struct http_chunk *http__tls_seal(struct http_conn *conn, struct http_chunk *chunk);
bool http__tls_is_up(const struct http_conn *conn);
/* Reading goes on: what was kept is read soon. */
void http__tls_resume(struct http_conn *conn);
void http__tls_run_ready(struct http_loop *loop);
/* Says goodbye. */
void http__tls_close(struct http_conn *conn);
void http__tls_free(struct http_conn *conn);

/* http1.c */
void http__h1_init(struct http_conn *conn);
void http__h1_read(struct http_conn *conn, const u8 *data, isize bytes);
/* Where the body under way goes on, for what the kernel gives next: read there, no copy is made of
 * it. *bytes_in_out is the most that is wanted, then the most that may be read. NULL: nowhere. */
u8 *http__h1_body_room(struct http_conn *conn, isize *bytes_in_out);
void http__h1_eof(struct http_conn *conn);
void http__h1_free(struct http_conn *conn);
void http__h1_loop_free(struct http_loop *loop);
/* A bare answer before any exchange: 400, 408, 414, 431; the connection closes. */
void http__h1_refuse(struct http_conn *conn, int status);
const char *http__reason(int status);

/* http2.c */
bool http__h2_start(struct http_conn *conn);
void http__h2_read(struct http_conn *conn, const u8 *data, isize bytes);
/* There is room on the wire again. */
void http__h2_written(struct http_conn *conn);
void http__h2_free(struct http_conn *conn);
void http__h2_goaway(struct http_conn *conn);
bool http__h2_is_idle(const struct http_conn *conn);
/* Time limits of its streams. */
void http__h2_tick(struct http_conn *conn, u64 now_ms);
void http__h2_pardon(struct http_conn *conn, u64 now_ms);

#endif
