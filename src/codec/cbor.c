/* codec/cbor.c */
#include "codec/cbor.h"

#include <math.h>
#include <stdio.h>

/* Lengths that stand in the first byte. */
enum { INFO_1 = 24, INFO_8 = 27, INFO_INDEFINITE = 31, TAG_TIME = 1, BREAK = 0xFF };
enum { SIMPLE_FALSE = 20, SIMPLE_TRUE = 21, SIMPLE_NULL = 22, SIMPLE_UNDEFINED = 23 };
enum { FLOAT_16 = 25, FLOAT_32 = 26, FLOAT_64 = 27 };

/* --- reading ------------------------------------------------------------------------------- */

struct reader {
    struct arena *arena;
    str rest;
    isize total;
    int depth;
    struct diag *diag;
};

/* First byte of an item with its number. */
struct head {
    u8 major, info;
    u64 number;
};

static err fail(struct reader *r, err e, const char *what)
{
    return diag_set(r->diag, e, "CBOR001", "%s at byte %td", what, r->total - r->rest.len);
}

static err head_read(struct reader *r, struct head *out)
{
    if (r->rest.len < 1) {
        return fail(r, ERR_SYNTAX, "the document is cut off");
    }
    u8 first = r->rest.data[0];
    *out = (struct head){.major = first >> 5, .info = first & 31, .number = first & 31};
    isize bytes = 0;
    if (out->info >= INFO_1 && out->info <= INFO_8) {
        bytes = (isize)1 << (out->info - INFO_1);
        out->number = 0;
    } else if (out->info > INFO_8 && out->info != INFO_INDEFINITE) {
        return fail(r, ERR_SYNTAX, "a reserved length");
    }
    if (r->rest.len < 1 + bytes) {
        return fail(r, ERR_SYNTAX, "the document is cut off");
    }
    for (isize i = 1; i <= bytes; i++) {
        out->number = out->number << 8 | r->rest.data[i];
    }
    r->rest = str_slice(r->rest, 1 + bytes, r->rest.len);
    return OK;
}

static struct json_value *value_new(struct reader *r)
{
    return arena_try_alloc(r->arena, (isize)sizeof(struct json_value));
}

static bool accept_break(struct reader *r)
{
    if (r->rest.len == 0 || r->rest.data[0] != BREAK) {
        return false;
    }
    r->rest = str_slice(r->rest, 1, r->rest.len);
    return true;
}

/* A text or byte string in one piece, borrowed. */
static err piece_read(struct reader *r, const struct head *head, str *out)
{
    if (head->number > (u64)r->rest.len) {
        return fail(r, ERR_SYNTAX, "a text is cut off");
    }
    *out = str_slice(r->rest, 0, (isize)head->number);
    r->rest = str_slice(r->rest, (isize)head->number, r->rest.len);
    return head->major == CBOR_BYTES || str_is_utf8(*out)
               ? OK
               : fail(r, ERR_SYNTAX, "a text is not UTF-8");
}

/* A copy, within the arena's budget. */
static err text_keep(struct reader *r, str text, str *out)
{
    u8 *copy = arena_try_alloc(r->arena, MAX(text.len, 1));
    if (copy == NULL) {
        return fail(r, ERR_MEMORY, "too many values");
    }
    if (text.len > 0) {
        memcpy(copy, text.data, (size_t)text.len);
    }
    *out = str_from(copy, text.len);
    return OK;
}

/* A text or byte string, in one piece or many. */
static err string_read(struct reader *r, const struct head *head, str *out)
{
    if (head->info != INFO_INDEFINITE) {
        return piece_read(r, head, out);
    }
    struct buf joined = {0};
    err e = OK;
    while (e == OK && !accept_break(r)) {
        struct head next = {0};
        str piece = STR_EMPTY;
        e = head_read(r, &next);
        bool is_piece = e == OK && next.major == head->major && next.info != INFO_INDEFINITE;
        if (e == OK) {
            e = is_piece ? piece_read(r, &next, &piece) : fail(r, ERR_SYNTAX, "no piece of a text");
        }
        buf_append(&joined, piece);
    }
    e = e == OK ? text_keep(r, buf_str(&joined), out) : e;
    buf_deinit(&joined);
    return e;
}

static err number_set(struct reader *r, struct json_value *out, double number)
{
    out->kind = isfinite(number) ? JSON_NUMBER : JSON_STRING;
    if (isnan(number)) {
        out->text = STR("NaN");
    } else if (isinf(number)) {
        out->text = number < 0 ? STR("-Infinity") : STR("Infinity");
    } else {
        struct buf text = {0};
        json_write_f64(&text, number);
        err e = text_keep(r, buf_str(&text), &out->text);
        buf_deinit(&text);
        return e;
    }
    return OK;
}

static double half_value(u64 bits)
{
    int exponent = (int)(bits >> 10 & 31);
    double mantissa = (double)(bits & 1023);
    double value = exponent == 0    ? ldexp(mantissa, -24)
                   : exponent != 31 ? ldexp(mantissa + 1024, exponent - 25)
                   : mantissa == 0  ? (double)INFINITY
                                    : (double)NAN;
    return (bits >> 15 & 1) != 0 ? -value : value;
}

static err simple_read(struct reader *r, const struct head *head, struct json_value *out)
{
    u32 bits32 = (u32)head->number;
    float real32;
    double real;
    switch (head->info) {
    case SIMPLE_FALSE:
        out->kind = JSON_FALSE;
        return OK;
    case SIMPLE_TRUE:
        out->kind = JSON_TRUE;
        return OK;
    case SIMPLE_NULL:
    case SIMPLE_UNDEFINED:
        out->kind = JSON_NULL;
        return OK;
    case FLOAT_16:
        return number_set(r, out, half_value(head->number));
    case FLOAT_32:
        memcpy(&real32, &bits32, sizeof real32);
        return number_set(r, out, (double)real32);
    case FLOAT_64:
        memcpy(&real, &head->number, sizeof real);
        return number_set(r, out, real);
    default:
        return fail(r, ERR_SYNTAX, "a value that is not known");
    }
}

static err value_read(struct reader *r, struct json_value *out);

static err name_read(struct reader *r, struct json_value *parent, str *out)
{
    struct head head = {0};
    TRY(head_read(r, &head));
    if (head.major != CBOR_TEXT) {
        return fail(r, ERR_SYNTAX, "a name that is no text");
    }
    TRY(string_read(r, &head, out));
    for (const struct json_value *v = parent->first; v != NULL; v = v->next) {
        if (str_eq(v->name, *out)) {
            return fail(r, ERR_EXISTS, "a name that stands there twice");
        }
    }
    return OK;
}

/* Items of a list or map. */
static err items_read(struct reader *r, const struct head *head, struct json_value *out)
/* NOLINT(misc-no-recursion): bounded by JSON_DEPTH_MAX */
{
    bool is_map = head->major == CBOR_MAP, is_open = head->info == INFO_INDEFINITE;
    const struct json_value **link = &out->first;
    out->kind = is_map ? JSON_OBJECT : JSON_ARRAY;
    if (++r->depth > JSON_DEPTH_MAX) {
        return fail(r, ERR_LIMIT, "nested too deep");
    }
    enum { NAMES_MAX = 1000 }; /* Finding one twice is quadratic. */
    while (is_open ? !accept_break(r) : (u64)out->count < head->number) {
        struct json_value *item = value_new(r);
        if (item == NULL || (is_map && out->count >= NAMES_MAX)) {
            return fail(r, item == NULL ? ERR_MEMORY : ERR_LIMIT, "too many values");
        }
        if (is_map) {
            TRY(name_read(r, out, &item->name));
        }
        TRY(value_read(r, item));
        *link = item;
        link = &item->next;
        out->count++;
    }
    r->depth--;
    return OK;
}

static err whole_read(struct reader *r, const struct head *head, struct json_value *out)
{
    if (head->info == INFO_INDEFINITE) {
        return fail(r, ERR_SYNTAX, "a number without an end");
    }
    out->kind = JSON_NUMBER;
    if (head->number > (u64)INT64_MAX) {
        double large = (double)head->number;
        return number_set(r, out, head->major == CBOR_NEGATIVE ? -1 - large : large);
    }
    i64 number = (i64)head->number;
    number = head->major == CBOR_NEGATIVE ? -1 - number : number;
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)number);
    return text_keep(r, str_from(digits, length), &out->text);
}

static err value_read(struct reader *r, struct json_value *out) /* NOLINT(misc-no-recursion) */
{
    struct head head = {0};
    TRY(head_read(r, &head));
    if (head.major == CBOR_TAG) {
        if (head.info == INFO_INDEFINITE || head.number != TAG_TIME) {
            return fail(r, ERR_SYNTAX, "a tag that is not known");
        }
        TRY(head_read(r, &head));
        bool is_number =
            head.major <= CBOR_NEGATIVE || (head.major == CBOR_SIMPLE && head.info >= FLOAT_16);
        if (!is_number) {
            return fail(r, ERR_SYNTAX, "a time that is no number");
        }
    }
    switch ((enum cbor_major)head.major) {
    case CBOR_UNSIGNED:
    case CBOR_NEGATIVE:
        return whole_read(r, &head, out);
    case CBOR_BYTES:
    case CBOR_TEXT:
        out->kind = head.major == CBOR_BYTES ? JSON_BYTES : JSON_STRING;
        return string_read(r, &head, &out->text);
    case CBOR_LIST:
    case CBOR_MAP:
        return items_read(r, &head, out);
    case CBOR_SIMPLE:
        return simple_read(r, &head, out);
    case CBOR_TAG:
        break;
    }
    return fail(r, ERR_SYNTAX, "a tag that is not known");
}

err cbor_parse(struct arena *arena, str bytes, const struct json_value **out, struct diag *diag)
{
    struct reader r = {.arena = arena, .rest = bytes, .total = bytes.len, .diag = diag};
    struct json_value *value = value_new(&r);
    if (value == NULL) {
        return fail(&r, ERR_MEMORY, "too many values");
    }
    TRY(value_read(&r, value));
    if (r.rest.len > 0) {
        return fail(&r, ERR_SYNTAX, "something behind the end");
    }
    *out = value;
    return OK;
}

/* --- reading without a tree ----------------------------------------------------------------- */

static bool take_head(struct cbor_cursor *c, enum cbor_major major, u64 *number_out)
{
    if (c->at >= c->end || *c->at >> 5 != (u8)major) {
        return false;
    }
    int info = *c->at & 31;
    if (info < INFO_1) {
        *number_out = (u64)info;
        c->at++;
        return true;
    }
    isize bytes = info <= INFO_8 ? (isize)1 << (info - INFO_1) : -1;
    if (bytes < 0 || c->end - c->at < 1 + bytes) {
        return false;
    }
    u64 number = 0;
    for (isize i = 1; i <= bytes; i++) {
        number = number << 8 | c->at[i];
    }
    c->at += 1 + bytes;
    *number_out = number;
    return true;
}

bool cbor_take_string(struct cbor_cursor *c, enum cbor_major major, str *out)
{
    u64 bytes = 0;
    if (!take_head(c, major, &bytes) || bytes > (u64)(c->end - c->at)) {
        return false;
    }
    *out = str_from(c->at, (isize)bytes);
    c->at += bytes;
    return true;
}

bool cbor_take_head(struct cbor_cursor *c, enum cbor_major major, u64 *count_out)
{
    if (c->at < c->end && *c->at == (u8)((u8)major << 5 | INFO_INDEFINITE)) {
        *count_out = CBOR_OPEN;
        c->at++;
        return true;
    }
    return take_head(c, major, count_out) && *count_out != CBOR_OPEN;
}

bool cbor_take_next(struct cbor_cursor *c, u64 *count)
{
    if (*count != CBOR_OPEN) {
        return *count > 0 && (*count)-- > 0;
    }
    bool is_end = c->at < c->end && *c->at == BREAK;
    c->at += is_end ? 1 : 0;
    return !is_end;
}

/* --- writing ------------------------------------------------------------------------------- */

void cbor_open_map(struct buf *out)
{
    buf_append_byte(out, CBOR_MAP << 5 | INFO_INDEFINITE);
}

void cbor_open_list(struct buf *out)
{
    buf_append_byte(out, CBOR_LIST << 5 | INFO_INDEFINITE);
}

void cbor_close(struct buf *out)
{
    buf_append_byte(out, BREAK);
}

/* What the first byte says of a number that does not stand in it. */
static int info_of(u64 number)
{
    return number <= UINT8_MAX    ? INFO_1
           : number <= UINT16_MAX ? INFO_1 + 1
           : number <= UINT32_MAX ? INFO_1 + 2
                                  : INFO_8;
}

isize cbor_head_bytes(u64 number)
{
    return number < INFO_1 ? 1 : 1 + ((isize)1 << (info_of(number) - INFO_1));
}

isize cbor_write_head(u8 *out, enum cbor_major major, u64 number)
{
    if (number < INFO_1) {
        out[0] = (u8)((u8)major << 5 | number);
        return 1;
    }
    int info = info_of(number), count = 1 << (info - INFO_1);
    out[0] = (u8)((u8)major << 5 | info);
    for (int i = 0; i < count; i++) {
        out[1 + i] = (u8)(number >> 8 * (count - 1 - i));
    }
    return 1 + count;
}

static void put_head(struct buf *out, enum cbor_major major, u64 number)
{
    u8 head[CBOR_HEAD_MAX];
    buf_append_bytes(out, head, cbor_write_head(head, major, number));
}

void cbor_put_text(struct buf *out, str text)
{
    put_head(out, CBOR_TEXT, (u64)text.len);
    buf_append(out, text);
}

void cbor_put_bytes(struct buf *out, str bytes)
{
    put_head(out, CBOR_BYTES, (u64)bytes.len);
    buf_append(out, bytes);
}

void cbor_put_i64(struct buf *out, i64 value)
{
    u64 number = value < 0 ? (u64)(-1 - value) : (u64)value;
    put_head(out, value < 0 ? CBOR_NEGATIVE : CBOR_UNSIGNED, number);
}

void cbor_put_null(struct buf *out)
{
    put_head(out, CBOR_SIMPLE, SIMPLE_NULL);
}

void cbor_put_f64(struct buf *out, double value)
{
    u64 bits;
    memcpy(&bits, &value, sizeof bits);
    buf_append_byte(out, CBOR_SIMPLE << 5 | FLOAT_64);
    for (int shift = 56; shift >= 0; shift -= 8) {
        buf_append_byte(out, (u8)(bits >> shift));
    }
}

void cbor_put_bool(struct buf *out, bool value)
{
    buf_append_byte(out, (u8)(CBOR_SIMPLE << 5 | (value ? SIMPLE_TRUE : SIMPLE_FALSE)));
}

void cbor_put_time(struct buf *out, i64 time)
{
    put_head(out, CBOR_TAG, TAG_TIME);
    cbor_put_i64(out, time);
}
