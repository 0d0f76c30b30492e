/* func/text.c: functions that make texts of texts. Positions count characters (code points). */
#include "func/func_int.h"

#include <locale.h>
#include <wctype.h>

/* --- case ------------------------------------------------------------------------------------- */

static locale_t unicode_locale;

/* Runs before main(), so that every thread finds it made. */
__attribute__((constructor)) static void make_locale(void)
{
    unicode_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

locale_t func__unicode(void)
{
    CHECK(unicode_locale != (locale_t)0);
    return unicode_locale;
}

/* Java's special mappings that change the length; the others are one to one. */
static isize put_folded(u32 code, bool is_upper, locale_t locale, u8 *out)
{
    if (is_upper && code == 0xDF) {
        memcpy(out, "SS", 2);
        return 2;
    }
    if (!is_upper && code == 0x130) {
        memcpy(out, "i\xCC\x87", 3);
        return 3;
    }
    wint_t folded = is_upper ? towupper_l((wint_t)code, locale) : towlower_l((wint_t)code, locale);
    return func__utf8_put((u32)folded, out);
}

/* Plain ASCII of up to a long run; false at the first other byte. */
static bool fold_ascii(str text, bool is_upper, u8 *out)
{
    u8 first = is_upper ? 'a' : 'A', seen = 0;
    for (isize i = 0; i < text.len; i++) {
        u8 c = text.data[i];
        seen |= c;
        out[i] = (u8)(c - first) < 26 ? (u8)(c ^ 32) : c;
    }
    return seen < 0x80;
}

bool func__fold(struct func_ctx *ctx, isize row, str text, bool is_upper, str *out)
{
    u8 *room = func__text_room(ctx, row, (i64)text.len);
    if (room != NULL && fold_ascii(text, is_upper, room)) {
        *out = str_from(room, text.len);
        return true;
    }
    room = room == NULL ? NULL : func__text_room(ctx, row, (i64)text.len * 3);
    isize n = 0;
    while (room != NULL && text.len > 0) {
        n += put_folded(func__utf8_take(&text), is_upper, func__unicode(), room + n);
    }
    *out = room == NULL ? STR_EMPTY : str_from(room, n);
    return room != NULL;
}

static void fold_row(struct func_ctx *ctx, str text, isize row, bool is_upper, struct vec *out)
{
    str folded;
    if (func__fold(ctx, row, text, is_upper, &folded)) {
        func__put_text(out, row, folded);
    }
}

KERNEL(upper)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        fold_row(ctx, func__text_at(&args[0], row), row, true, out);
    }
}
KERNEL(lower)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        fold_row(ctx, func__text_at(&args[0], row), row, false, out);
    }
}

/* ASCII letters and digits make words, as Calcite's INITCAP. */
KERNEL(initcap)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        u8 *room = func__text_room(ctx, row, text.len);
        bool is_start = true;
        for (isize i = 0; room != NULL && i < text.len; i++) {
            u8 c = text.data[i];
            bool is_letter = (u8)((c | 32) - 'a') < 26;
            room[i] = is_letter ? (u8)(is_start ? c & ~32 : c | 32) : c;
            is_start = !is_letter && !(c >= '0' && c <= '9');
        }
        if (room != NULL) {
            func__put_text(out, row, str_from(room, text.len));
        }
    }
}

/* --- trim ------------------------------------------------------------------------------------- */

static bool has_char(str set, str one)
{
    return str_find(set, one, 0) >= 0;
}

static str trim_left(str text, str set)
{
    while (text.len > 0) {
        isize len = MIN(func__utf8_len(text.data[0]), text.len);
        if (!has_char(set, str_slice(text, 0, len))) {
            break;
        }
        text = str_slice(text, len, text.len);
    }
    return text;
}

static str trim_right(str text, str set)
{
    while (text.len > 0) {
        isize from = text.len - 1;
        while (from > 0 && (text.data[from] & 0xC0) == 0x80) {
            from--;
        }
        if (!has_char(set, str_slice(text, from, text.len))) {
            break;
        }
        text = str_slice(text, 0, from);
    }
    return text;
}

KERNEL(trim)
{
    KERNEL_UNUSED();
    int sides = *(const int *)data;
    FOR_SEL(sel, row)
    {
        bool has_mode = arg_count == 3;
        str text = func__text_at(&args[has_mode ? 2 : 0], row);
        str set = arg_count == 1 ? STR(" ") : func__text_at(&args[1], row);
        text = (sides & 1) != 0 ? trim_left(text, set) : text;
        text = (sides & 2) != 0 ? trim_right(text, set) : text;
        func__put_text(out, row, text);
    }
}

static err bind_trim(struct func_binding *b)
{
    static const int sides[] = {1, 2, 3};
    str name = str_of(b->def->name);
    str mode = b->count == 3 ? func__literal(b, 0) : STR_EMPTY;
    bool is_left = str_eq(name, STR("LTRIM")) || str_eq_nocase(mode, STR("LEADING"));
    bool is_right = str_eq(name, STR("RTRIM")) || str_eq_nocase(mode, STR("TRAILING"));
    b->out->data = &sides[is_left ? 0 : is_right ? 1 : 2];
    const struct type *type = b->out->arg_types[b->count == 3 ? 2 : 0];
    bool is_btrim = str_eq(name, STR("BTRIM"));
    func__set_result(b, is_btrim ? type_of(TYPE_VARCHAR)
                                 : type_char(b->arena, TYPE_VARCHAR, type->length));
    return OK;
}

/* --- parts ------------------------------------------------------------------------------------ */

/* 1-based; a negative start counts from the end; false: NULL. */
static bool substring(str text, i32 start, i64 length, str *out)
{
    if (length < 0) {
        return false;
    }
    isize chars = func__char_count(text);
    i64 from = start > 0 ? start - 1 : start == 0 ? 0 : chars + (i64)start;
    i64 to = MIN(from + length, chars);
    from = MAX(from, 0);
    if (from >= to) {
        *out = str_slice(text, 0, 0);
        return true;
    }
    isize begin = func__char_offset(text, (isize)from);
    str rest = str_slice(text, begin, text.len);
    *out = str_slice(rest, 0, func__char_offset(rest, (isize)(to - from)));
    return true;
}

KERNEL(substring_of)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        i64 length = arg_count > 2 ? ARG(i32, &args[2], row) : INT32_MAX;
        str part = STR_EMPTY;
        if (substring(func__text_at(&args[0], row), ARG(i32, &args[1], row), length, &part)) {
            func__put_text(out, row, part);
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

KERNEL(left_of)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        i32 count = MAX(ARG(i32, &args[1], row), 0);
        func__put_text(out, row, str_slice(text, 0, func__char_offset(text, count)));
    }
}

KERNEL(right_of)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        isize skip = MAX(func__char_count(text) - MAX(ARG(i32, &args[1], row), 0), 0);
        func__put_text(out, row, str_slice(text, func__char_offset(text, skip), text.len));
    }
}

static err bind_part(struct func_binding *b)
{
    b->out->result = type_char(b->arena, TYPE_VARCHAR, b->out->arg_types[0]->length);
    return OK;
}

KERNEL(overlay)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row), fresh = func__text_at(&args[1], row);
        i64 start = ARG(i32, &args[2], row), chars = func__char_count(text);
        i64 length = arg_count > 3 ? ARG(i32, &args[3], row) : func__char_count(fresh);
        if (start <= 0 || start > chars) {
            func__put_text(out, row, text);
            continue;
        }
        isize from = func__char_offset(text, (isize)start - 1);
        /* No length, or a negative one, drops the rest, as Flink does. */
        isize to =
            length <= 0 ? text.len : func__char_offset(text, (isize)MIN(start - 1 + length, chars));
        u8 *room = func__text_room(ctx, row, (i64)from + fresh.len + text.len - to);
        if (room != NULL) {
            memcpy(room, text.data, (size_t)from);
            memcpy(room + from, fresh.data, (size_t)fresh.len);
            memcpy(room + from + fresh.len, text.data + to, (size_t)(text.len - to));
            func__put_text(out, row, str_from(room, from + fresh.len + text.len - to));
        }
    }
}

static err bind_overlay(struct func_binding *b)
{
    i64 length = (i64)b->out->arg_types[0]->length + b->out->arg_types[1]->length;
    func__set_result(b, type_char(b->arena, TYPE_VARCHAR, (i32)MIN(length, TYPE_LENGTH_MAX)));
    return OK;
}

/* --- building --------------------------------------------------------------------------------- */

KERNEL(repeat)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        i64 times = MAX(ARG(i32, &args[1], row), 0);
        i64 bytes = times * text.len;
        u8 *room = func__text_room(ctx, row, bytes);
        for (i64 i = 0; room != NULL && text.len > 0 && i < times; i++) {
            memcpy(room + i * text.len, text.data, (size_t)text.len);
        }
        if (room != NULL) {
            func__put_text(out, row, str_from(room, (isize)bytes));
        }
    }
}

KERNEL(reverse)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        u8 *room = func__text_room(ctx, row, text.len);
        for (isize i = 0; room != NULL && i < text.len;) {
            isize len = MIN(func__utf8_len(text.data[i]), text.len - i);
            memcpy(room + text.len - i - len, text.data + i, (size_t)len);
            i += len;
        }
        if (room != NULL) {
            func__put_text(out, row, str_from(room, text.len));
        }
    }
}

/* Cuts or fills to `length` characters. */
static void pad(struct func_ctx *ctx, const struct vec *args, isize row, bool is_left,
                struct vec *out)
{
    str text = func__text_at(&args[0], row), fill = func__text_at(&args[2], row);
    i32 length = ARG(i32, &args[1], row);
    isize chars = func__char_count(text), fill_chars = func__char_count(fill);
    if (length < 0 || (fill.len == 0 && length > chars)) {
        func__put_null(ctx, out, row);
        return;
    }
    if (length <= chars) {
        func__put_text(out, row, str_slice(text, 0, func__char_offset(text, length)));
        return;
    }
    isize need = length - chars;
    isize part = func__char_offset(fill, need % fill_chars);
    i64 bytes = (i64)(need / fill_chars) * fill.len + part;
    u8 *room = func__text_room(ctx, row, bytes + text.len);
    if (room == NULL) {
        return;
    }
    u8 *at = is_left ? room : room + text.len;
    for (isize i = 0; i < need / fill_chars; i++) {
        memcpy(at + i * fill.len, fill.data, (size_t)fill.len);
    }
    memcpy(at + bytes - part, fill.data, (size_t)part);
    memcpy(is_left ? room + bytes : room, text.data, (size_t)text.len);
    func__put_text(out, row, str_from(room, (isize)bytes + text.len));
}

KERNEL(lpad)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        pad(ctx, args, row, true, out);
    }
}
KERNEL(rpad)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        pad(ctx, args, row, false, out);
    }
}

/* Joins the valid arguments from `first`; the separator stands between them. */
static void join(struct func_ctx *ctx, const struct vec *args, isize first, isize count, isize row,
                 str separator, struct vec *out)
{
    i64 bytes = 0;
    isize parts = 0;
    for (isize i = first; i < count; i++) {
        if (vec_is_valid(&args[i], row)) {
            bytes += func__text_at(&args[i], row).len + (parts++ > 0 ? separator.len : 0);
        }
    }
    u8 *room = func__text_room(ctx, row, bytes);
    isize at = 0;
    parts = 0;
    for (isize i = first; room != NULL && i < count; i++) {
        if (!vec_is_valid(&args[i], row)) {
            continue;
        }
        str text = func__text_at(&args[i], row);
        if (parts++ > 0 && separator.len > 0) {
            memcpy(room + at, separator.data, (size_t)separator.len);
            at += separator.len;
        }
        memcpy(room + at, text.data, (size_t)text.len);
        at += text.len;
    }
    if (room != NULL) {
        func__put_text(out, row, str_from(room, at));
    }
}

KERNEL(concat)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        join(ctx, args, 0, arg_count, row, STR_EMPTY, out);
    }
}

/* Not strict: NULL parts are skipped, a NULL separator gives NULL. */
KERNEL(concat_ws)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        if (vec_is_valid(&args[0], row)) {
            join(ctx, args, 1, arg_count, row, func__text_at(&args[0], row), out);
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

KERNEL(replace)
{
    KERNEL_UNUSED();
    struct buf buf;
    buf_init(&buf, FUNC_TEXT_BYTES_MAX);
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row), from = func__text_at(&args[1], row);
        str to = func__text_at(&args[2], row);
        buf_reset(&buf);
        isize at = 0;
        while (at <= text.len) {
            isize found = from.len == 0 ? at : str_find(text, from, at);
            if (found < 0) {
                break;
            }
            buf_append(&buf, str_slice(text, at, found));
            buf_append(&buf, to);
            at = found + from.len;
            if (from.len == 0) { /* Before each character and at the end. */
                isize len = at < text.len ? func__utf8_len(text.data[at]) : 1;
                buf_append(&buf, str_slice(text, at, at + len));
                at += len;
            }
        }
        buf_append(&buf, str_slice(text, MIN(at, text.len), text.len));
        func__put_buf(ctx, out, row, &buf);
    }
    buf_deinit(&buf);
}

/* Index of a character in a set of characters, or -1. */
static isize char_index(str set, u32 code)
{
    for (isize i = 0; set.len > 0; i++) {
        if (func__utf8_take(&set) == code) {
            return i;
        }
    }
    return -1;
}

/* What is not in `from` stays; a NULL set is an empty one, as in Flink. */
KERNEL(translate)
{
    KERNEL_UNUSED();
    struct buf buf;
    buf_init(&buf, FUNC_TEXT_BYTES_MAX);
    FOR_SEL(sel, row)
    {
        if (!vec_is_valid(&args[0], row)) {
            func__put_null(ctx, out, row);
            continue;
        }
        str text = func__text_at(&args[0], row);
        str from = vec_is_valid(&args[1], row) ? func__text_at(&args[1], row) : STR("");
        str to = vec_is_valid(&args[2], row) ? func__text_at(&args[2], row) : STR("");
        buf_reset(&buf);
        while (text.len > 0) {
            str whole = text;
            u32 code = func__utf8_take(&text);
            isize index = char_index(from, code);
            if (index < 0) {
                buf_append(&buf, str_slice(whole, 0, whole.len - text.len));
                continue;
            }
            isize at = func__char_offset(to, index);
            if (at < to.len) {
                buf_append(&buf, str_slice(to, at, at + func__utf8_len(to.data[at])));
            }
        }
        func__put_buf(ctx, out, row, &buf);
    }
    buf_deinit(&buf);
}

KERNEL(chr)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        i64 n = ARG(i64, &args[0], row);
        u8 room[4];
        isize len = n < 0 ? 0 : func__utf8_put((u32)(n & 0xFF), room);
        func__put_text(out, row, str_from(room, len));
    }
}

KERNEL(elt)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        i64 n = vec_is_valid(&args[0], row) ? ARG(i64, &args[0], row) : 0;
        if (n < 1 || n >= arg_count || !vec_is_valid(&args[n], row)) {
            func__put_null(ctx, out, row);
        } else {
            func__put_text(out, row, func__text_at(&args[n], row));
        }
    }
}

static err bind_elt(struct func_binding *b)
{
    const struct type *types[FUNC_ARGS_MAX];
    for (isize i = 1; i < b->count; i++) {
        types[i - 1] = b->args[i].type;
    }
    const struct type *common = func_common_type(b->arena, types, b->count - 1);
    if (common == NULL || common->kind == TYPE_NULL) {
        return func__bind_error(b);
    }
    b->out->result = type_with_null(b->arena, common, true);
    return OK;
}

enum { STRICT = FUNC_STRICT };

const struct func_def func__text[] = {
    {"UPPER", "UCASE", "string", "'UPPER(<CHARACTER>)'", "s>0", STRICT, upper, NULL},
    {"LOWER", "LCASE", "string", "'LOWER(<CHARACTER>)'", "s>0", STRICT, lower, NULL},
    {"INITCAP", NULL, "string", "INITCAP(text)", "s>0", STRICT, initcap, NULL},
    {"TRIM", NULL, "string", "TRIM([BOTH | LEADING | TRAILING] [chars FROM] text)", "s>?;sss>?",
     STRICT, trim, bind_trim},
    {"LTRIM", NULL, "string", "LTRIM(text [, chars])", "s>?;ss>?", STRICT, trim, bind_trim},
    {"RTRIM", NULL, "string", "RTRIM(text [, chars])", "s>?;ss>?", STRICT, trim, bind_trim},
    {"BTRIM", NULL, "string", "BTRIM(text [, chars])", "s>?;ss>?", STRICT, trim, bind_trim},
    {"SUBSTRING", "SUBSTR", "string", "SUBSTRING(text FROM start [FOR length])", "si>?;sii>?",
     STRICT, substring_of, bind_part},
    {"LEFT", NULL, "string", "LEFT(text, count)", "si>?", STRICT, left_of, bind_part},
    {"RIGHT", NULL, "string", "RIGHT(text, count)", "si>?", STRICT, right_of, bind_part},
    {"OVERLAY", NULL, "string", "OVERLAY(text PLACING new FROM start [FOR length])", "ssi>?;ssii>?",
     STRICT, overlay, bind_overlay},
    {"REPEAT", NULL, "string", "REPEAT(text, count)", "si>S", STRICT | FUNC_MAY_FAIL, repeat, NULL},
    {"REVERSE", NULL, "string", "REVERSE(text)", "s>S!", STRICT, reverse, NULL},
    {"LPAD", NULL, "string", "LPAD(text, length, fill)", "sis>S!", STRICT | FUNC_MAY_FAIL, lpad,
     NULL},
    {"RPAD", NULL, "string", "RPAD(text, length, fill)", "sis>S!", STRICT | FUNC_MAY_FAIL, rpad,
     NULL},
    {"CONCAT", NULL, "string", "CONCAT(text, ...)", "s*>S", STRICT, concat, NULL},
    {"CONCAT_WS", NULL, "string", "CONCAT_WS(separator, text, ...)", "ss*>S", 0, concat_ws, NULL},
    {"REPLACE", NULL, "string", "REPLACE(text, from, to)", "sss>S", STRICT, replace, NULL},
    {"TRANSLATE", "TRANSLATE3", "string", "TRANSLATE(text, from, to)", "sss>S", 0, translate, NULL},
    {"CHR", NULL, "string", "CHR(integer)", "l>S!", STRICT, chr, NULL},
    {"ELT", NULL, "string", "ELT(index, text, ...)", "ls*>?", 0, elt, bind_elt},
    {0},
};
