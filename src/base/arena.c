/* base/arena.c: blocks that double up to 1 MiB; large requests get a block of their own. */
#include "base/arena.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

enum { BLOCK_BYTES_MIN = 4096, BLOCK_BYTES_MAX = 1 << 20, ALIGNMENT = 16, GROW_COUNT_MIN = 16 };

struct arena_block {
    struct arena_block *older;
    isize bytes; /* Of the payload. */
    _Alignas(16) u8 data[];
};

void arena_init(struct arena *arena, isize budget_bytes)
{
    *arena = (struct arena){.budget_bytes = budget_bytes};
}

static void blocks_free(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *older = block->older;
        mem_free(block);
        block = older;
    }
}

void arena_deinit(struct arena *arena)
{
    blocks_free(arena->blocks);
    arena_init(arena, arena->budget_bytes);
}

void arena_reset(struct arena *arena)
{
    struct arena_block *newest = arena->blocks;
    if (newest == NULL) {
        return;
    }
    blocks_free(newest->older);
    newest->older = NULL;
    arena->next = newest->data;
    arena->end = newest->data + newest->bytes;
    arena->bytes = newest->bytes;
}

static isize block_size(const struct arena *arena, isize bytes)
{
    isize size = MIN(MAX(arena->bytes, BLOCK_BYTES_MIN), BLOCK_BYTES_MAX);
    return MAX(size, bytes);
}

/* Not zeroed. */
static void *block_take(struct arena *arena, isize bytes)
{
    isize size = block_size(arena, bytes);
    struct arena_block *block = mem_alloc((isize)sizeof *block + size);
    block->older = arena->blocks;
    block->bytes = size;
    arena->blocks = block;
    arena->bytes += size;
    arena->next = block->data + bytes;
    arena->end = block->data + size;
    return block->data;
}

static isize aligned(isize bytes)
{
    CHECK(bytes >= 0 && bytes <= PTRDIFF_MAX - ALIGNMENT);
    return (bytes + ALIGNMENT - 1) & ~(isize)(ALIGNMENT - 1);
}

static void *take(struct arena *arena, isize bytes)
{
    bytes = aligned(bytes);
    if (UNLIKELY(arena->end - arena->next < bytes || arena->next == NULL)) {
        return block_take(arena, bytes);
    }
    void *data = arena->next;
    arena->next += bytes;
    return data;
}

void *arena_alloc(struct arena *arena, isize bytes)
{
    return memset(take(arena, bytes), 0, (size_t)bytes);
}

void *arena_try_alloc(struct arena *arena, isize bytes)
{
    bytes = aligned(bytes);
    bool has_room = arena->next != NULL && arena->end - arena->next >= bytes;
    if (!has_room && arena->budget_bytes > 0 &&
        block_size(arena, bytes) > arena->budget_bytes - arena->bytes) {
        return NULL;
    }
    return arena_alloc(arena, bytes);
}

void *arena_array(struct arena *arena, isize count, isize item_bytes)
{
    isize bytes;
    CHECK(count >= 0 && !__builtin_mul_overflow(count, item_bytes, &bytes));
    return arena_alloc(arena, bytes);
}

void *arena_grow(struct arena *arena, void *items, isize count, isize item_bytes)
{
    bool is_full = count == 0 || (count >= GROW_COUNT_MIN && (count & (count - 1)) == 0);
    if (!is_full) {
        return items;
    }
    void *larger = arena_array(arena, count == 0 ? GROW_COUNT_MIN : 2 * count, item_bytes);
    if (count > 0) {
        memcpy(larger, items, (size_t)(count * item_bytes));
    }
    return larger;
}

str arena_copy(struct arena *arena, str s)
{
    if (s.len == 0) {
        return STR_EMPTY;
    }
    u8 *data = take(arena, s.len);
    memcpy(data, s.data, (size_t)s.len);
    return (str){data, s.len};
}

char *arena_cstr(struct arena *arena, str s)
{
    char *text = take(arena, s.len + 1);
    if (s.len > 0) {
        memcpy(text, s.data, (size_t)s.len);
    }
    text[s.len] = '\0';
    return text;
}

str arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    CHECK(len >= 0);
    char *text = take(arena, len + 1);
    (void)vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return str_from(text, len);
}
