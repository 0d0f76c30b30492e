/*
 * base/str.h: functions over `str`, the borrowed byte string. None allocates
 * except where an arena is passed; results borrow from their arguments.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/base.h"

#include <string.h>

/* STR("literal"), and str_of() for a NUL-terminated string from libc. */
#define STR(literal) ((str){(const u8 *)(literal), (isize)sizeof(literal) - 1})
#define STR_FMT      "%.*s"
#define STR_ARG(s)   (int)(s).len, (const char *)(s).data
#define STR_EMPTY    ((str){NULL, 0})

static inline str str_of(const char *text)
{
    return (str){(const u8 *)text, text == NULL ? 0 : (isize)strlen(text)};
}
static inline str str_from(const void *data, isize len)
{
    return (str){(const u8 *)data, len};
}
static inline bool str_eq(str a, str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, (size_t)a.len) == 0);
}

/* Bytewise order, as memcmp; the shorter is less when one is a prefix. */
int str_cmp(str a, str b);
/* Of `bytes` bytes each, by str_eq_nocase. */
bool str__same_nocase(const u8 *a, const u8 *b, isize bytes);
/* ASCII letters only are folded. */
static inline bool str_eq_nocase(str a, str b)
{
    return a.len == b.len && str__same_nocase(a.data, b.data, a.len);
}
/* Bytes [from, to), clamped to the string. */
static inline str str_slice(str s, isize from, isize to)
{
    from = MIN(MAX(from, 0), s.len);
    to = MIN(MAX(to, from), s.len);
    return (str){from == 0 ? s.data : s.data + from, to - from}; /* Of no data: nothing is added. */
}
bool str_starts(str s, str prefix);
bool str_starts_nocase(str s, str prefix);
bool str_ends(str s, str suffix);
/* Index of the first occurrence at or after `from`, or -1. */
isize str_find(str s, str needle, isize from);
static inline isize str_find_byte(str s, u8 byte, isize from)
{
    bool is_within = from >= 0 && from < s.len;
    const u8 *at = is_within ? memchr(s.data + from, byte, (size_t)(s.len - from)) : NULL;
    return at == NULL ? -1 : at - s.data;
}
isize str_rfind_byte(str s, u8 byte);
/* Removes ASCII blanks (space, \t, \r, \n, \f, \v) at both ends. */
str str_trim(str s);
/* Cuts `*rest` at the first `separator`: returns what stands before it and leaves the rest after
 * it. *found_out (may be NULL) says whether there was one. */
static inline str str_split(str *rest, u8 separator, bool *found_out)
{
    isize at = str_find_byte(*rest, separator, 0);
    if (found_out != NULL) {
        *found_out = at >= 0;
    }
    str head = {rest->data, at < 0 ? rest->len : at};
    isize after = at < 0 ? rest->len : at + 1;
    *rest = str_slice(*rest, after, rest->len);
    return head;
}

/* Whole-string parsers: no sign prefix for u64, optional '-' or '+' for i64; no blanks.
 * ERR_SYNTAX for anything else, ERR_RANGE when the value does not fit. */
MUST_USE err str_to_i64(str s, i64 *out);
MUST_USE err str_to_u64(str s, u64 *out);
MUST_USE err str_to_f64(str s, double *out);

/* Copies into `out[capacity]` with a closing NUL, cutting what does not fit. */
void str_copy_cstr(str s, char *out, isize capacity);

/* True when every byte sequence is valid UTF-8 (no overlong form, no surrogate, <= U+10FFFF). */
bool str_is_utf8(str s);
isize str_utf8_end(str s); /* Offset of the first byte that is not UTF-8; s.len when all is. */

/* Number of edits (insert, delete, replace, swap) between two short names, case folded;
 * used for "did you mean". Names over 64 bytes count as far apart (999). */
int str_distance(str a, str b);

#endif
