/*
 * base/arena.h: region allocator. Everything allocated from an arena lives until
 * arena_reset() or arena_deinit(). Memory is zeroed. An arena belongs to one
 * thread at a time. A budget bounds what user input can make it hold.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/base.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* Newest first; owned. */
    u8 *next;                   /* First free byte of the newest block. */
    u8 *end;
    isize bytes;        /* Total size of all blocks. */
    isize budget_bytes; /* Above it arena_try_alloc fails; 0 = unlimited. */
};

/* An all-zero struct arena is a valid empty arena too. */
void arena_init(struct arena *arena, isize budget_bytes);
void arena_deinit(struct arena *arena);
/* Frees all but the newest block and makes it empty. */
void arena_reset(struct arena *arena);

/* Zeroed, aligned to 16. Never fails (aborts when memory is exhausted); ignores the budget, so use
 * it only for sizes that the program, not the user, controls. */
void *arena_alloc(struct arena *arena, isize bytes);
/* NULL when the budget would be exceeded. For sizes that follow from input. */
void *arena_try_alloc(struct arena *arena, isize bytes);
#define ARENA_NEW(arena, type)          ((type *)arena_alloc((arena), (isize)sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_array((arena), (count), (isize)sizeof(type)))
void *arena_array(struct arena *arena, isize count, isize item_bytes);

/* Room for one more item in an array that doubles as it grows; start with NULL and count 0. Returns
 * the array, moved or not. */
void *arena_grow(struct arena *arena, void *items, isize count, isize item_bytes);

str arena_copy(struct arena *arena, str s);
char *arena_cstr(struct arena *arena, str s);
str arena_printf(struct arena *arena, const char *format, ...) PRINTF(2, 3);

#endif
