/* aws/cloudwatch/cw_point.c: statistics of a slot, the values behind them, and their bytes. */
#include "aws/cloudwatch/cw_store_int.h"

#include <math.h>
#include <stdlib.h>

/* First byte of a point on disk. */
enum {
    FLAG_OPAQUE = 1,
    FLAG_PAIRS = 2,
    FLAG_UNIFORM = 4, /* Every value is the same. */
    FLAG_SINGLE = 8,  /* One value. */
    FLAG_SECOND = 16,
};
enum { BITS_COARSE = 9, PAIRS_DECODED_MAX = 8192 };

/* --- values -------------------------------------------------------------------------------- */

/* The value in the middle of its bucket of 2^bits per octave. */
static double coarse(double value, u8 bits)
{
    if (bits >= CW_EXACT_BITS || value == 0) {
        return value;
    }
    u64 raw;
    memcpy(&raw, &value, sizeof raw);
    u64 step = (u64)1 << (CW_EXACT_BITS - bits);
    raw = (raw & ~(step - 1)) | (step >> 1);
    memcpy(&value, &raw, sizeof raw);
    return value;
}

static isize place_of(const struct cw_point *point, double value)
{
    isize low = 0, high = point->pair_count;
    while (low < high) {
        isize middle = (low + high) / 2;
        if (point->pairs[middle].value < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void pair_insert(struct cw_point *point, double value, double count)
{
    isize at = place_of(point, value);
    if (at < point->pair_count && point->pairs[at].value == value) {
        point->pairs[at].count += count;
        return;
    }
    if (point->pair_count == point->pair_capacity) {
        point->pair_capacity = MAX(8, 2 * point->pair_capacity);
        point->pairs = mem_resize(point->pairs, (isize)sizeof *point->pairs * point->pair_capacity);
    }
    memmove(&point->pairs[at + 1], &point->pairs[at],
            sizeof *point->pairs * (size_t)(point->pair_count - at));
    point->pairs[at] = (struct cw_pair){value, count};
    point->pair_count++;
}

/* Neighbours whose coarse values are the same become one. */
static void pairs_coarsen(struct cw_point *point, u8 bits)
{
    i32 kept = 0;
    point->bits = bits;
    for (i32 i = 0; i < point->pair_count; i++) {
        struct cw_pair pair = {coarse(point->pairs[i].value, bits), point->pairs[i].count};
        if (kept > 0 && point->pairs[kept - 1].value == pair.value) {
            point->pairs[kept - 1].count += pair.count;
        } else {
            point->pairs[kept++] = pair;
        }
    }
    point->pair_count = kept;
}

static void pair_add(struct cw_point *point, double value, double count)
{
    pair_insert(point, coarse(value, point->bits), count);
    while (point->pair_count > CW_PAIRS_MAX && point->bits > 0) {
        pairs_coarsen(point, point->bits > BITS_COARSE ? BITS_COARSE : (u8)(point->bits - 1));
    }
}

static bool is_uniform(const struct cw_point *point)
{
    return point->value.min == point->value.max;
}

void cw__point_free(struct cw_point *point)
{
    mem_free(point->pairs);
    point->pairs = NULL;
    point->pair_count = point->pair_capacity = 0;
}

static void pairs_join(struct cw_point *into, const struct cw_point *from)
{
    bool is_same = is_uniform(into) && is_uniform(from) && into->value.min == from->value.min;
    if (is_same && into->pair_count == 0) {
        return;
    }
    if (into->pair_count == 0 && into->value.count > 0) {
        pair_add(into, into->value.min, into->value.count);
    }
    if (from->bits < into->bits) {
        pairs_coarsen(into, from->bits);
    }
    for (i32 i = 0; i < from->pair_count; i++) {
        pair_add(into, from->pairs[i].value, from->pairs[i].count);
    }
    if (from->pair_count == 0) {
        pair_add(into, from->value.min, from->value.count);
    }
}

void cw__point_add(struct cw_point *into, const struct cw_point *from)
{
    into->is_opaque = into->is_opaque || from->is_opaque;
    if (into->is_opaque) {
        cw__point_free(into);
    } else {
        pairs_join(into, from);
    }
    into->value.count += from->value.count;
    into->value.sum += from->value.sum;
    into->value.min = fmin(into->value.min, from->value.min);
    into->value.max = fmax(into->value.max, from->value.max);
}

struct cw_point cw__point_of(const struct cw_datum *datum)
{
    i64 step = datum->is_per_second ? 1 : CW_MINUTE_S;
    struct cw_point point = {
        .time_s = datum->time_s - datum->time_s % step,
        .value = datum->value,
        .bits = CW_EXACT_BITS,
        .unit = datum->unit,
        .is_per_second = datum->is_per_second,
    };
    if (is_uniform(&point)) {
        return point;
    }
    point.is_opaque = datum->pair_count == 0;
    for (i32 i = 0; i < datum->pair_count; i++) {
        pair_add(&point, datum->pairs[i].value, datum->pairs[i].count);
    }
    return point;
}

/* --- bytes --------------------------------------------------------------------------------- */

static void put_number(struct buf *out, double value)
{
    const double whole_max = 9007199254740992.0; /* 2^53 */
    bool is_whole = value > -whole_max && value < whole_max && value == floor(value) &&
                    !(value == 0 && signbit(value));
    if (is_whole) {
        i64 number = (i64)value;
        u64 zigzag = ((u64)number << 1) ^ (u64)(number >> 63);
        buf_append_varint(out, zigzag << 1);
        return;
    }
    buf_append_byte(out, 1);
    buf_append_bytes(out, &value, (isize)sizeof value);
}

static err take_number(str *in, double *out)
{
    u64 word;
    TRY(varint_take(in, &word));
    if ((word & 1) == 0) {
        u64 zigzag = word >> 1;
        *out = (double)(i64)((zigzag >> 1) ^ (~(zigzag & 1) + 1));
        return OK;
    }
    if (word != 1 || in->len < (isize)sizeof *out) {
        return ERR_CORRUPT;
    }
    memcpy(out, in->data, sizeof *out);
    *in = str_slice(*in, (isize)sizeof *out, in->len);
    return isfinite(*out) ? OK : ERR_CORRUPT;
}

void cw__point_encode(struct buf *out, const struct cw_point *point, i64 base_s)
{
    const struct cw_statistics *v = &point->value;
    bool uniform = is_uniform(point) && v->sum == v->min * v->count;
    u8 flags =
        (u8)((point->is_opaque ? FLAG_OPAQUE : 0) | (point->pair_count > 0 ? FLAG_PAIRS : 0) |
             (uniform ? FLAG_UNIFORM : 0) | (uniform && v->count == 1 ? FLAG_SINGLE : 0) |
             (point->is_per_second ? FLAG_SECOND : 0));
    buf_append_byte(out, flags);
    buf_append_byte(out, point->unit);
    buf_append_varint(out, (u64)(point->time_s - base_s));
    put_number(out, v->min);
    if (!uniform) {
        put_number(out, v->max);
        put_number(out, v->sum);
    }
    if ((flags & FLAG_SINGLE) == 0) {
        put_number(out, v->count);
    }
    if (point->pair_count > 0) {
        buf_append_byte(out, point->bits);
        buf_append_varint(out, (u64)point->pair_count);
    }
    for (i32 i = 0; i < point->pair_count; i++) {
        put_number(out, point->pairs[i].value);
        put_number(out, point->pairs[i].count);
    }
}

static err pairs_decode(str *in, struct cw_point *out)
{
    u64 count;
    if (in->len < 1 || in->data[0] > CW_EXACT_BITS) {
        return ERR_CORRUPT;
    }
    out->bits = in->data[0];
    *in = str_slice(*in, 1, in->len);
    TRY(varint_take(in, &count));
    if (count < 1 || count > PAIRS_DECODED_MAX || (i64)count * 2 > in->len) {
        return ERR_CORRUPT;
    }
    out->pairs = mem_alloc((isize)sizeof *out->pairs * (isize)count);
    out->pair_capacity = (i32)count;
    for (u64 i = 0; i < count; i++) {
        struct cw_pair *pair = &out->pairs[out->pair_count++];
        err e = take_number(in, &pair->value);
        e = e == OK ? take_number(in, &pair->count) : e;
        bool is_sorted = e == OK && (i == 0 || pair[-1].value < pair->value);
        if (!is_sorted) {
            cw__point_free(out);
            return ERR_CORRUPT;
        }
    }
    return OK;
}

err cw__point_decode(str *in, i64 base_s, struct cw_point *out)
{
    if (in->len < 2) {
        return ERR_CORRUPT;
    }
    u8 flags = in->data[0];
    *out = (struct cw_point){.bits = CW_EXACT_BITS,
                             .unit = in->data[1],
                             .is_opaque = (flags & FLAG_OPAQUE) != 0,
                             .is_per_second = (flags & FLAG_SECOND) != 0};
    *in = str_slice(*in, 2, in->len);
    struct cw_statistics *v = &out->value;
    u64 time;
    TRY(varint_take(in, &time));
    if (time > (u64)INT64_MAX / 4) {
        return ERR_CORRUPT;
    }
    out->time_s = base_s + (i64)time;
    TRY(take_number(in, &v->min));
    v->max = v->min;
    v->count = 1;
    if ((flags & FLAG_UNIFORM) == 0) {
        TRY(take_number(in, &v->max));
        TRY(take_number(in, &v->sum));
    }
    if ((flags & FLAG_SINGLE) == 0) {
        TRY(take_number(in, &v->count));
    }
    if ((flags & FLAG_UNIFORM) != 0) {
        v->sum = v->min * v->count;
    }
    return (flags & FLAG_PAIRS) != 0 ? pairs_decode(in, out) : OK;
}

/* --- lists --------------------------------------------------------------------------------- */

void cw__points_push(struct cw_points *points, const struct cw_point *point)
{
    if (points->count == points->capacity) {
        points->capacity = MAX((isize)16, 2 * points->capacity);
        points->items = mem_resize(points->items, (isize)sizeof *points->items * points->capacity);
    }
    points->items[points->count++] = *point;
}

static int point_order(const void *a, const void *b)
{
    const struct cw_point *one = a, *other = b;
    if (one->time_s != other->time_s) {
        return one->time_s < other->time_s ? -1 : 1;
    }
    if (one->is_per_second != other->is_per_second) {
        return one->is_per_second ? -1 : 1;
    }
    return (int)one->unit - (int)other->unit;
}

void cw__points_merge(struct cw_points *points)
{
    bool is_sorted = true;
    for (isize i = 1; i < points->count && is_sorted; i++) {
        is_sorted = point_order(&points->items[i - 1], &points->items[i]) < 0;
    }
    if (is_sorted) {
        return;
    }
    qsort(points->items, (size_t)points->count, sizeof *points->items, point_order);
    isize kept = 0;
    for (isize i = 0; i < points->count; i++) {
        if (kept > 0 && point_order(&points->items[kept - 1], &points->items[i]) == 0) {
            cw__point_add(&points->items[kept - 1], &points->items[i]);
            cw__point_free(&points->items[i]);
        } else {
            points->items[kept++] = points->items[i];
        }
    }
    points->count = kept;
}

void cw__points_free(struct cw_points *points)
{
    for (isize i = 0; i < points->count; i++) {
        cw__point_free(&points->items[i]);
    }
    mem_free(points->items);
    *points = (struct cw_points){0};
}
