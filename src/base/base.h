/*
 * base/base.h: the vocabulary every other file speaks: integer names, borrowed
 * strings, error codes, checks. Includes only libc headers. All of it may be
 * used from any thread.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE          __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define LIKELY(x)         __builtin_expect(!!(x), 1)
#define UNLIKELY(x)       __builtin_expect(!!(x), 0)
#define COUNT_OF(array)   ((isize)(sizeof(array) / sizeof((array)[0])))
/* Evaluate their arguments twice: no side effects inside. */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef ptrdiff_t isize; /* Length or index in memory: signed, so UBSan sees underflow. */
__extension__ typedef __int128 i128;
__extension__ typedef unsigned __int128 u128;

/* A borrowed run of bytes. Never NUL-terminated; never owns what it points at.
 * `data` may be NULL only when len is 0. */
typedef struct str {
    const u8 *data;
    isize len;
} str;

/* Every fallible function returns one of these; base/err.def lists name, HTTP status and text. */
typedef enum err {
#define ERR(name, http, text) name,
#include "base/err.def"
#undef ERR
    ERR_COUNT
} err;

/* "ERR_CORRUPT" / "data is damaged" / 500. */
const char *err_name(err e);
const char *err_text(err e);
int err_http_status(err e);

#define TRY(expr)                     \
    do {                              \
        err try_err_ = (expr);        \
        if (UNLIKELY(try_err_ != OK)) \
            return try_err_;          \
    } while (0)

/* Discards a result on purpose; say why beside it. */
#define IGNORE(expr) \
    do {             \
        if (expr) {  \
        }            \
    } while (0)

/* Programmer errors only, checked in every build. Prints and aborts. */
_Noreturn void check_failed(const char *expr, const char *file, int line);
#define CHECK(cond) (LIKELY(cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))
#ifdef LEAT_DEBUG
#define DCHECK(cond) CHECK(cond)
#else
#define DCHECK(cond) ((void)0)
#endif

/* Objects that travel through `void *` begin with a u32 magic. */
#define CHECK_MAGIC(object, value) CHECK((object) != NULL && (object)->magic == (value))

/* malloc and friends that abort when memory is exhausted: true out-of-memory is
 * not handled; budgets (see arena.h) are. Sizes are bytes. Zeroed where said. */
void *mem_alloc(isize bytes);
void *mem_zalloc(isize bytes);
void *mem_resize(void *data, isize bytes);
void mem_free(void *data);
/* The same for memory from elsewhere: `data`, unless it is NULL. */
void *mem_must(void *data, isize bytes);
#define NEW(type) ((type *)mem_zalloc((isize)sizeof(type)))

#endif
