/* net/chunk.c: bytes on their way out. */
#include "net/http_int.h"

struct http_chunk *http__chunk_new(const void *data, isize bytes)
{
    struct http_chunk *chunk = mem_alloc((isize)sizeof *chunk + bytes);
    *chunk = (struct http_chunk){.bytes = bytes, .data = (u8 *)(chunk + 1)};
    if (bytes > 0) {
        memcpy(chunk->data, data, (size_t)bytes);
    }
    return chunk;
}

struct http_chunk *http__chunk_of_buf(struct buf *buf)
{
    struct http_chunk *chunk = mem_alloc((isize)sizeof *chunk);
    *chunk = (struct http_chunk){.bytes = buf->len, .data = buf->data};
    *buf = (struct buf){.limit_bytes = buf->limit_bytes};
    return chunk;
}

struct http_chunk *http__chunk_piece(struct http_loop *loop, isize room)
{
    struct http_chunk **home = &loop->pieces[room > HTTP_PIECE_BYTES];
    struct http_chunk *chunk = *home;
    *home = NULL;
    if (chunk == NULL) {
        chunk = mem_alloc((isize)sizeof *chunk + room);
    }
    *chunk = (struct http_chunk){.data = (u8 *)(chunk + 1), .home = home};
    return chunk;
}

void http__chunk_pass_charge(struct http_chunk *from, struct http_chunk *to)
{
    to->budget = from->budget;
    to->charge = from->charge;
    from->budget = NULL;
}

void http__chunk_free(struct http_chunk *chunk)
{
    if (chunk->budget != NULL) {
        budget_give(chunk->budget, chunk->charge);
    }
    if (chunk->home != NULL && *chunk->home == NULL) {
        *chunk->home = chunk;
        return;
    }
    if (chunk->data != (u8 *)(chunk + 1)) {
        mem_free(chunk->data);
    }
    mem_free(chunk);
}

void http__chunks_free(struct http_chunk *first)
{
    while (first != NULL) {
        struct http_chunk *next = first->next;
        http__chunk_free(first);
        first = next;
    }
}
