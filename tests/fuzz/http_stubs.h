/* tests/fuzz/http_stubs.h: what stands in place of exchange.c and conn.c for the targets that feed
 * a parser of requests by itself: chunks without bytes, and a connection that only knows its state.
 * Included once. */
#ifndef FUZZ_HTTP_STUBS_H
#define FUZZ_HTTP_STUBS_H

#include "net/http_int.h"

struct http_chunk *http__exchange_take(struct http_exchange *x)
{
    (void)x;
    return NULL;
}

bool http__exchange_is_done(struct http_exchange *x, bool *is_aborted_out)
{
    *is_aborted_out = false;
    return x->is_ended;
}

void http__chunk_free(struct http_chunk *chunk)
{
    mem_free(chunk);
}

struct http_chunk *http__chunk_new(const void *data, isize bytes)
{
    (void)data;
    struct http_chunk *chunk = NEW(struct http_chunk);
    chunk->bytes = bytes;
    return chunk;
}

struct http_chunk *http__chunk_of_buf(struct buf *buf)
{
    struct http_chunk *chunk = http__chunk_new(NULL, buf->len);
    buf_deinit(buf);
    return chunk;
}

/* --- in place of conn.c ----------------------------------------------------------------------- */

void http__conn_close(struct http_conn *conn)
{
    conn->is_closing = true;
}

void http__conn_write(struct http_conn *conn, struct http_chunk *chunk, struct http_exchange *x)
{
    (void)conn;
    (void)x;
    http__chunk_free(chunk);
}

void http__conn_state(struct http_conn *conn, enum http_conn_state state)
{
    conn->state = state;
}

void http__conn_read_pause(struct http_conn *conn, bool is_paused)
{
    (void)conn;
    (void)is_paused;
}

void http__conn_settle(struct http_conn *conn)
{
    (void)conn;
}

void http__conn_flush(struct http_conn *conn)
{
    (void)conn;
}

str http__date(struct http_loop *loop)
{
    (void)loop;
    return STR("Thu, 01 Jan 1970 00:00:00 GMT");
}

#endif
