/*
 * codec/json_template.c: the learned layout of rows. Rows of one producer differ only in
 * their values, so the bytes between these (comma, blanks, name, colon) are compared with an
 * earlier row's instead of parsed, and only values are scanned for their end. What does not compare
 * is left to the general scanner, from that member on. The result is the same: a layout holds only
 * bytes that the general scanner has accepted at this place.
 *
 * Vectors of 32 bytes: with 64 (AVX-512) it was a fifth slower, since values are short.
 * They are loaded past the end of a message only inside a page that it lies in; what they
 * find there is never used.
 */
#include "codec/json_rows_int.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { PAGE_BYTES = 4096, LOAD_BYTES = 32, WAIT_FIRST = 16 };

#define INLINE    __attribute__((always_inline)) static inline
#define UNCHECKED __attribute__((no_sanitize("address")))

/* The last place from which a vector may be loaded: it ends in the page of the message's last byte,
 * or before. */
static inline const u8 *last_loadable(const u8 *end)
{
    uintptr_t rest = -(uintptr_t)end & (PAGE_BYTES - 1);
    return end + rest - LOAD_BYTES;
}

/* A value of another kind than a string without escapes, or with more blanks before it, at p. Where
 * it ends; NULL when it is none, with the cursor's error set. */
__attribute__((noinline)) static const u8 *take_other(struct json_lane *l, const u8 *p, i32 column)
{
    struct json_member member;
    l->c.at = p;
    json__skip_blanks(&l->c);
    if (!json__take_value(&l->c, 1, &member)) {
        return NULL;
    }
    l->high |= member.kind >= JSON_MEMBER_STRING;
    if (column >= 0) {
        l->members[column] = member;
    }
    return l->c.at;
}

/* Puts the cursor behind what was taken: `last` is the end of the last value. */
static inline void lane_stop(struct json_lane *l, const u8 *last, u64 high, isize taken)
{
    if (l->c.error == NULL) {
        l->c.at = last;
    }
    l->high |= high;
    l->taken = taken;
}

/*
 * The loops over the members, once for each level, around two inlined functions: gap_eq says
 * whether the gap stands at p, text_end finds the first quote or backslash at or after p (NULL
 * when it cannot say) and adds what it saw above 0x7F to *high. Where a value begins is known only
 * when the one before it has been read: two rows at a time give the CPU something to do meanwhile.
 */
#define DEFINE_TAKE(level, attributes)                                                            \
    /* Behind the value that follows the gap at p; NULL: the gap differs, or the value is bad. */ \
    attributes INLINE const u8 *step_##level(const struct json_gap *gap, struct json_lane *l,     \
                                             const u8 *p, const u8 *end, const u8 *safe,          \
                                             u64 *high)                                           \
    {                                                                                             \
        if (end - p <= gap->len || !gap_eq_##level(p, safe, gap)) {                               \
            return NULL;                                                                          \
        }                                                                                         \
        p += gap->len;                                                                            \
        const u8 *stop = *p == '"' ? text_end_##level(p + 1, end, safe, high) : NULL;             \
        if (UNLIKELY(stop == NULL || stop >= end || *stop != '"')) {                              \
            return take_other(l, p, gap->column);                                                 \
        }                                                                                         \
        if (gap->column >= 0) {                                                                   \
            l->members[gap->column] =                                                             \
                (struct json_member){p + 1, (u32)(stop - p - 1), JSON_MEMBER_STRING};             \
        }                                                                                         \
        return stop + 1;                                                                          \
    }                                                                                             \
                                                                                                  \
    /* From member `i` on. */                                                                     \
    attributes static void take_##level(const struct json_template *t, isize i,                   \
                                        struct json_lane *l)                                      \
    {                                                                                             \
        const u8 *p = l->c.at, *end = l->c.end, *safe = last_loadable(end);                       \
        u64 high = 0;                                                                             \
        for (; i < t->count; i++) {                                                               \
            const u8 *next = step_##level(&t->gaps[i], l, p, end, safe, &high);                   \
            if (next == NULL) {                                                                   \
                break;                                                                            \
            }                                                                                     \
            p = next;                                                                             \
        }                                                                                         \
        lane_stop(l, p, high, i);                                                                 \
    }                                                                                             \
                                                                                                  \
    attributes static void pair_##level(const struct json_template *t, struct json_lane *a,       \
                                        struct json_lane *b)                                      \
    {                                                                                             \
        const u8 *pa = a->c.at, *end_a = a->c.end, *safe_a = last_loadable(end_a), *next_a = pa;  \
        const u8 *pb = b->c.at, *end_b = b->c.end, *safe_b = last_loadable(end_b), *next_b = pb;  \
        u64 high_a = 0, high_b = 0;                                                               \
        isize i = 0;                                                                              \
        for (; i < t->count; i++) {                                                               \
            next_a = step_##level(&t->gaps[i], a, pa, end_a, safe_a, &high_a);                    \
            next_b = step_##level(&t->gaps[i], b, pb, end_b, safe_b, &high_b);                    \
            if (UNLIKELY(next_a == NULL || next_b == NULL)) {                                     \
                break;                                                                            \
            }                                                                                     \
            pa = next_a;                                                                          \
            pb = next_b;                                                                          \
        }                                                                                         \
        lane_stop(a, next_a == NULL ? pa : next_a, high_a, i + (i < t->count && next_a != NULL)); \
        lane_stop(b, next_b == NULL ? pb : next_b, high_b, i + (i < t->count && next_b != NULL)); \
        if ((next_a == NULL) != (next_b == NULL)) { /* The other one goes on alone. */            \
            take_##level(t, i + 1, next_a == NULL ? b : a);                                       \
        }                                                                                         \
    }

/* --- plain C */

INLINE bool gap_eq_plain(const u8 *p, const u8 *safe, const struct json_gap *gap)
{
    (void)safe; /* The caller has seen that the gap lies in the message. */
    return memcmp(p, gap->bytes, (size_t)gap->len) == 0;
}

INLINE const u8 *text_end_plain(const u8 *p, const u8 *end, const u8 *safe, u64 *high)
{
    (void)safe;
    const u64 ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    for (; end - p >= 8; p += 8) {
        u64 word = get_u64(p);
        u64 quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
        u64 found = (((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & highs;
        *high |= word & highs;
        if (found != 0) {
            return p + __builtin_ctzll(found) / 8;
        }
    }
    return NULL;
}

DEFINE_TAKE(plain, )

/* --- vectors */

#ifdef __x86_64__
#define AVX2 __attribute__((target("avx2,bmi"))) UNCHECKED

AVX2 INLINE u32 equal_32(const u8 *p, const u8 *q)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)q);
    return (u32)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b));
}

AVX2 INLINE bool gap_eq_avx2(const u8 *p, const u8 *safe, const struct json_gap *gap)
{
    bool is_long = gap->len > LOAD_BYTES;
    if (p > safe || (is_long && p + LOAD_BYTES > safe)) {
        return false;
    }
    u64 equal = equal_32(p, gap->bytes);
    if (is_long) {
        equal |= (u64)equal_32(p + 32, gap->bytes + 32) << 32;
    }
    return (~equal << (64 - gap->len)) == 0;
}

AVX2 INLINE const u8 *text_end_avx2(const u8 *p, const u8 *end, const u8 *safe, u64 *high)
{
    const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\');
    for (; p < end && p <= safe; p += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)p);
        __m256i is_end =
            _mm256_or_si256(_mm256_cmpeq_epi8(bytes, quote), _mm256_cmpeq_epi8(bytes, slash));
        u32 found = (u32)_mm256_movemask_epi8(is_end), above = (u32)_mm256_movemask_epi8(bytes);
        if (LIKELY(found != 0)) {
            *high |= above & (found ^ (found - 1));
            return p + __builtin_ctz(found);
        }
        *high |= above;
    }
    return NULL;
}

DEFINE_TAKE(avx2, AVX2)
#endif

enum json_level json__best_level(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")) {
        return JSON_LEVEL_AVX2;
    }
#endif
    return JSON_LEVEL_PLAIN;
}

void json__template_take(const struct json_template *t, struct json_lane *lanes, isize count)
{
    CHECK(count == 1 || count == 2);
    switch (t->level) {
#ifdef __x86_64__
    case JSON_LEVEL_AVX2:
        if (count == 2) {
            pair_avx2(t, &lanes[0], &lanes[1]);
        } else {
            take_avx2(t, 0, lanes);
        }
        break;
#endif
    case JSON_LEVEL_GENERAL:
        break;
    default:
        if (count == 2) {
            pair_plain(t, &lanes[0], &lanes[1]);
        } else {
            take_plain(t, 0, lanes);
        }
    }
}

/* --- learning
 * -------------------------------------------------------------------------------------------- */

/* A gap that does not fit, or is not UTF-8 (which is checked after the row's structure), ends the
 * layout: the members before it still compare. */
static void learn(struct json_rows *rows, struct json_cursor c, struct arena *arena)
{
    struct json_template *t = &rows->layout;
    if (t->gaps == NULL) {
        t->gaps = mem_alloc(JSON_TEMPLATE_MEMBERS_MAX * (isize)sizeof *t->gaps);
    }
    t->count = 0;
    t->misses = 0;
    const u8 *before = c.at++;
    struct json_member name, value;
    isize expected = 0;
    while (t->count < JSON_TEMPLATE_MEMBERS_MAX &&
           json__next_member(&c, 1, t->count == 0, &name, &value)) {
        bool is_text = value.kind == JSON_MEMBER_STRING || value.kind == JSON_MEMBER_ESCAPED;
        isize len = value.data - is_text - before;
        if (len > JSON_TEMPLATE_GAP_MAX || !str_is_utf8(str_from(before, len))) {
            break;
        }
        struct json_gap *gap = &t->gaps[t->count++];
        memset(gap, 0, sizeof *gap);
        memcpy(gap->bytes, before, (size_t)len);
        gap->len = (i32)len;
        gap->column = (i32)json__find_column(rows, json__member_text(&name, arena), &expected);
        before = c.at;
    }
}

void json__template_note(struct json_rows *rows, isize taken, struct json_cursor c,
                         struct arena *arena)
{
    struct json_template *t = &rows->layout;
    if (t->level == JSON_LEVEL_GENERAL) {
        return;
    }
    if (t->count > 0 && taken == t->count) {
        t->misses -= t->misses > 0;
        t->wait_next = WAIT_FIRST;
        return;
    }
    if (t->count > 0 && ++t->misses < JSON_TEMPLATE_MISSES_MAX) {
        return;
    }
    if (t->count > 0) { /* The layout has changed, or there is none. */
        t->count = 0;
        t->wait = t->wait_next;
        t->wait_next = MIN(MAX(t->wait_next, WAIT_FIRST) * 2, JSON_TEMPLATE_WAIT_MAX);
    }
    if (t->wait > 0) {
        t->wait--;
        return;
    }
    learn(rows, c, arena);
}
