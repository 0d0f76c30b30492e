/* func/search.c: functions that look into texts: length, position, LIKE, classification, splitting.
 */
#include "func/func_int.h"

#include <wctype.h>

/* --- length and position ---------------------------------------------------------------------- */

KERNEL(char_length)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        VEC(i32, out)[row] = (i32)func__char_count(func__text_at(&args[0], row));
    }
}

KERNEL(octet_length)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        VEC(i32, out)[row] = (i32)func__text_at(&args[0], row).len;
    }
}

KERNEL(ascii)
{
    KERNEL_UNUSED();
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row);
        VEC(i32, out)[row] = text.len == 0 ? 0 : (i8)text.data[0]; /* A signed byte, as Java's. */
    }
}

/* 1-based character position at or after `from`; 0 when there is none. */
static i32 position(str text, str needle, i32 from)
{
    isize start = func__char_offset(text, MAX(from, 1) - 1);
    if (needle.len == 0) {
        return 1;
    }
    isize found = str_find(text, needle, start);
    return found < 0 ? 0 : (i32)func__char_count(str_slice(text, 0, found)) + 1;
}

struct position_plan {
    isize text, needle;
};

KERNEL(position_of)
{
    KERNEL_UNUSED();
    const struct position_plan *plan = data;
    FOR_SEL(sel, row)
    {
        i32 from = arg_count > 2 ? ARG(i32, &args[2], row) : 1;
        VEC(i32, out)
        [row] = position(func__text_at(&args[plan->text], row),
                         func__text_at(&args[plan->needle], row), from);
    }
}

static err bind_position(struct func_binding *b)
{
    static const struct position_plan forward = {0, 1}, backward = {1, 0};
    b->out->data = str_eq(str_of(b->def->name), STR("INSTR")) ? &forward : &backward;
    return OK;
}

struct edge_plan {
    bool is_end;
};

KERNEL(edge)
{
    KERNEL_UNUSED();
    bool is_end = ((const struct edge_plan *)data)->is_end;
    FOR_SEL(sel, row)
    {
        str text = func__text_at(&args[0], row), part = func__text_at(&args[1], row);
        VEC(u8, out)[row] = is_end ? str_ends(text, part) : str_starts(text, part);
    }
}

static err bind_edge(struct func_binding *b)
{
    static const struct edge_plan start = {false}, end = {true};
    b->out->data = b->def->name[0] == 'E' ? &end : &start;
    return OK;
}

/* --- LIKE ------------------------------------------------------------------------------------- */

/*
 * A pattern is cut at its '%' into segments of plain characters and '_'. The first must stand at
 * the start, the last at the end, the others leftmost in order: linear but for '_' in a segment.
 */
struct segment {
    u8 *bytes;
    u8 *is_any; /* Per byte: 1 where '_' stood (bytes[i] is unused). */
    isize len;
    bool has_any;
};

struct like {
    struct segment *segments; /* count >= 1; more than one: '%' between them. */
    isize count;
    const char *error;
};

static struct like *compile_like(struct arena *arena, str pattern, str escape)
{
    struct like *like = ARENA_NEW(arena, struct like);
    isize max = 2;
    for (isize i = 0; i < pattern.len; i++) {
        max += pattern.data[i] == '%';
    }
    like->segments = ARENA_ARRAY(arena, struct segment, max);
    u8 *bytes = arena_alloc(arena, pattern.len + 1);
    u8 *is_any = arena_alloc(arena, pattern.len + 1);
    isize used = 0, begin = 0;
    for (isize i = 0; i < pattern.len; i++) {
        u8 c = pattern.data[i];
        bool is_escaped = escape.len == 1 && c == escape.data[0];
        if (is_escaped) {
            if (i + 1 == pattern.len || (pattern.data[i + 1] != '%' && pattern.data[i + 1] != '_' &&
                                         pattern.data[i + 1] != escape.data[0])) {
                like->error = "Invalid escape sequence";
                return like;
            }
            c = pattern.data[++i];
        } else if (c == '%') {
            like->segments[like->count++] =
                (struct segment){bytes + begin, is_any + begin, used - begin, false};
            begin = used;
            continue;
        }
        bytes[used] = c;
        is_any[used++] = !is_escaped && c == '_';
    }
    like->segments[like->count++] =
        (struct segment){bytes + begin, is_any + begin, used - begin, false};
    for (isize s = 0; s < like->count; s++) {
        struct segment *segment = &like->segments[s];
        segment->has_any = memchr(segment->is_any, 1, (size_t)segment->len) != NULL;
    }
    return like;
}

/* Bytes that the segment takes at `at`, or -1. */
static isize segment_at(const struct segment *segment, str text, isize at)
{
    if (!segment->has_any) {
        bool is_here = at + segment->len <= text.len &&
                       memcmp(text.data + at, segment->bytes, (size_t)segment->len) == 0;
        return is_here ? segment->len : -1;
    }
    isize from = at;
    for (isize i = 0; i < segment->len; i++) {
        if (at >= text.len) {
            return -1;
        }
        if (segment->is_any[i]) {
            at += MIN(func__utf8_len(text.data[at]), text.len - at);
        } else if (text.data[at] == segment->bytes[i]) {
            at++;
        } else {
            return -1;
        }
    }
    return at - from;
}

static isize segment_find(const struct segment *segment, str text, isize at, isize *taken)
{
    if (!segment->has_any) {
        *taken = segment->len;
        return segment->len == 0 ? at : str_find(text, str_from(segment->bytes, segment->len), at);
    }
    for (; at <= text.len; at++) {
        *taken = segment_at(segment, text, at);
        if (*taken >= 0) {
            return at;
        }
    }
    return -1;
}

/* Does the last segment end the text, beginning at or after `at`? */
static bool segment_ends(const struct segment *segment, str text, isize at)
{
    if (!segment->has_any) {
        return text.len - segment->len >= at &&
               segment_at(segment, text, text.len - segment->len) >= 0;
    }
    for (isize from = text.len; from >= at; from--) {
        if ((from == text.len || (text.data[from] & 0xC0) != 0x80) &&
            segment_at(segment, text, from) == text.len - from) {
            return true;
        }
    }
    return false;
}

static bool like_matches(const struct like *like, str text)
{
    isize at = segment_at(&like->segments[0], text, 0);
    if (at < 0 || like->count == 1) {
        return at == text.len;
    }
    for (isize i = 1; i + 1 < like->count; i++) {
        isize taken = 0;
        isize found = segment_find(&like->segments[i], text, at, &taken);
        if (found < 0) {
            return false;
        }
        at = found + taken;
    }
    return segment_ends(&like->segments[like->count - 1], text, at);
}

KERNEL(like_of)
{
    KERNEL_UNUSED();
    const struct like *fixed = data;
    FOR_SEL(sel, row)
    {
        const struct like *like = fixed;
        if (like == NULL) {
            str escape = arg_count > 2 ? func__text_at(&args[2], row) : STR_EMPTY;
            like = compile_like(ctx->arena, func__text_at(&args[1], row), escape);
        }
        if (like->error != NULL) {
            func_fail(ctx, row, "%s '" STR_FMT "'", like->error,
                      STR_ARG(str_slice(func__text_at(&args[1], row), 0, 100)));
        } else {
            VEC(u8, out)[row] = like_matches(like, func__text_at(&args[0], row));
        }
    }
}

static err bind_like(struct func_binding *b)
{
    bool is_fixed = b->args[1].literal != NULL && !b->args[1].literal->is_null &&
                    (b->count == 2 || (b->args[2].literal != NULL && !b->args[2].literal->is_null));
    if (is_fixed) {
        str escape = b->count > 2 ? b->args[2].literal->u.text : STR_EMPTY;
        b->out->data = compile_like(b->arena, arena_copy(b->arena, b->args[1].literal->u.text),
                                    arena_copy(b->arena, escape));
    }
    return OK;
}

/* --- IS_ALPHA, IS_DECIMAL, IS_DIGIT ----------------------------------------------------------- */

enum class_of { ALPHA, DECIMAL, DIGIT };

static bool is_decimal(str text)
{
    double value = 0;
    str trimmed = str_trim(text);
    return trimmed.len > 0 && func__parse_double(trimmed, &value);
}

/* Letters beyond ASCII: every assigned script of the two-byte range up, but not its signs. */
static bool is_letter(u32 code)
{
    if (code < 0x80) {
        return ((code | 32) >= 'a' && (code | 32) <= 'z');
    }
    return iswalpha_l((wint_t)code, func__unicode()) != 0;
}

static bool all_are(str text, enum class_of class)
{
    bool is_all = text.len > 0;
    while (is_all && text.len > 0) {
        u32 code = func__utf8_take(&text);
        is_all = class == ALPHA ? is_letter(code) : code >= '0' && code <= '9';
    }
    return is_all;
}

KERNEL(class_of_text)
{
    KERNEL_UNUSED();
    enum class_of class = *(const enum class_of *)data;
    FOR_SEL(sel, row)
    {
        bool is_valid = vec_is_valid(&args[0], row);
        str text = is_valid ? func__text_at(&args[0], row) : STR_EMPTY;
        VEC(u8, out)[row] = (u8)(class == DECIMAL ? is_decimal(text) : all_are(text, class));
    }
}

static err bind_class(struct func_binding *b)
{
    static const enum class_of classes[] = {ALPHA, DECIMAL, DIGIT};
    str name = str_of(b->def->name);
    b->out->data = &classes[str_eq(name, STR("IS_ALPHA"))     ? ALPHA
                            : str_eq(name, STR("IS_DECIMAL")) ? DECIMAL
                                                              : DIGIT];
    return OK;
}

/* --- SPLIT_INDEX ------------------------------------------------------------------------------ */

/* The index-th part; false when there are not so many. */
static bool split_part(str text, str separator, i32 index, str *out)
{
    if (index < 0 || text.len == 0) {
        return false;
    }
    if (separator.len == 0) {
        *out = text;
        return index == 0;
    }
    isize at = 0;
    for (;;) {
        isize found = str_find(text, separator, at);
        if (index-- == 0) {
            *out = str_slice(text, at, found < 0 ? text.len : found);
            return true;
        }
        if (found < 0) {
            return false;
        }
        at = found + separator.len;
    }
}

KERNEL(split_index)
{
    KERNEL_UNUSED();
    bool is_code = !type_is_string(args[1].type);
    FOR_SEL(sel, row)
    {
        u8 room[4];
        str separator = is_code ? STR_EMPTY : func__text_at(&args[1], row);
        if (is_code) {
            i32 code = ARG(i32, &args[1], row);
            separator =
                str_from(room, code <= 0 || code > 255 ? 0 : func__utf8_put((u32)code, room));
        }
        str part = STR_EMPTY;
        if ((is_code && separator.len == 0) ||
            !split_part(func__text_at(&args[0], row), separator, ARG(i32, &args[2], row), &part)) {
            func__put_null(ctx, out, row);
        } else {
            func__put_text(out, row, part);
        }
    }
}

enum { STRICT = FUNC_STRICT };

const struct func_def func__search[] = {
    {"CHAR_LENGTH", "CHARACTER_LENGTH", "string", "CHAR_LENGTH(text)", "s>I", STRICT, char_length,
     NULL},
    {"OCTET_LENGTH", NULL, "string", "OCTET_LENGTH(text or bytes)", "s>I;b>I", STRICT, octet_length,
     NULL},
    {"ASCII", NULL, "string", "ASCII(text)", "s>I", STRICT, ascii, NULL},
    {"POSITION", NULL, "string", "POSITION(part IN text)", "ss>I", STRICT, position_of,
     bind_position},
    {"INSTR", NULL, "string", "INSTR(text, part)", "ss>I", STRICT, position_of, bind_position},
    {"LOCATE", NULL, "string", "LOCATE(part, text [, start])", "ss>I;ssi>I", STRICT, position_of,
     bind_position},
    {"STARTSWITH", NULL, "string", "STARTSWITH(text, part)", "ss>Z;bb>Z", STRICT, edge, bind_edge},
    {"ENDSWITH", NULL, "string", "ENDSWITH(text, part)", "ss>Z;bb>Z", STRICT, edge, bind_edge},
    {"LIKE", NULL, "operator", "text LIKE pattern [ESCAPE char]", "ss>Z;sss>Z",
     STRICT | FUNC_MAY_FAIL, like_of, bind_like},
    {"IS_ALPHA", NULL, "condition", "IS_ALPHA(text)", "x>Z1", 0, class_of_text, bind_class},
    {"IS_DECIMAL", NULL, "condition", "IS_DECIMAL(text)", "x>Z1", 0, class_of_text, bind_class},
    {"IS_DIGIT", NULL, "condition", "IS_DIGIT(text)", "x>Z1", 0, class_of_text, bind_class},
    {"SPLIT_INDEX", NULL, "string", "SPLIT_INDEX(text, separator, index)", "ssi>S!;sii>S!", STRICT,
     split_index, NULL},
    {0},
};
