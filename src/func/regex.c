/*
 * func/regex.c: regular expressions by PCRE2 with limits on steps, depth and pattern size; a match
 * beyond them fails the row. Patterns that do not compile give NULL (or FALSE), as Flink does.
 */
#include "func/func_int.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum {
    REGEX_PATTERN_BYTES_MAX = 8192,
    REGEX_STEPS_MAX = 1000000,
    REGEX_DEPTH_MAX = 5000,
    REGEX_HEAP_KIB_MAX = 4096,
    REGEX_PARENS_MAX = 100,
};

/* All memory lies in the plan's or the batch's arena: nothing to free. The plan holds the code,
 * which is read-only; each kernel call has a match block of its own. */
struct regex {
    pcre2_code *code; /* NULL: not a pattern. */
    pcre2_match_data *match;
    pcre2_match_context *limits;
};

static void *arena_malloc(size_t bytes, void *ctx)
{
    return arena_try_alloc(ctx, (isize)bytes);
}
static void arena_free(void *data, void *ctx)
{
    (void)data;
    (void)ctx;
}

static pcre2_code *compile_code(struct arena *arena, str pattern)
{
    if (pattern.len > REGEX_PATTERN_BYTES_MAX) {
        return NULL;
    }
    pcre2_general_context *general = pcre2_general_context_create(arena_malloc, arena_free, arena);
    pcre2_compile_context *options = pcre2_compile_context_create(general);
    int error = 0;
    PCRE2_SIZE offset = 0;
    IGNORE(pcre2_set_parens_nest_limit(options, REGEX_PARENS_MAX) != 0); /* Always 0. */
    return pcre2_compile(pattern.len == 0 ? (PCRE2_SPTR) "" : pattern.data, (size_t)pattern.len,
                         PCRE2_UTF | PCRE2_NO_UTF_CHECK, &error, &offset, options);
}

static const struct regex *compile(struct arena *arena, str pattern)
{
    struct regex *regex = ARENA_NEW(arena, struct regex);
    regex->code = compile_code(arena, pattern);
    return regex;
}

/* Gives a compiled pattern the memory to match with. */
static void attach(struct arena *arena, struct regex *regex)
{
    pcre2_general_context *general = pcre2_general_context_create(arena_malloc, arena_free, arena);
    regex->match = pcre2_match_data_create_from_pattern(regex->code, general);
    regex->limits = pcre2_match_context_create(general);
    CHECK(regex->match != NULL);
    CHECK(regex->limits != NULL);
    IGNORE(pcre2_set_match_limit(regex->limits, REGEX_STEPS_MAX) != 0); /* These never fail. */
    IGNORE(pcre2_set_depth_limit(regex->limits, REGEX_DEPTH_MAX) != 0);
    IGNORE(pcre2_set_heap_limit(regex->limits, REGEX_HEAP_KIB_MAX) != 0);
}

/* Next match at or after `at`. -1: none or failed (the row is failed then), else groups + 1. */
static int find(struct func_ctx *ctx, const struct regex *regex, str text, isize at, isize row)
{
    /* Text columns were checked to be UTF-8 when they were read. */
    int count =
        pcre2_match(regex->code, text.len == 0 ? (PCRE2_SPTR) "" : text.data, (size_t)text.len,
                    (size_t)at, PCRE2_NO_UTF_CHECK, regex->match, regex->limits);
    if (count < 0 && count != PCRE2_ERROR_NOMATCH) {
        func_fail(ctx, row, "the regular expression needs too many steps (limit %d)",
                  REGEX_STEPS_MAX);
    }
    return count < 0 ? -1 : count;
}

/* Where group `index` matched; false when it took no part. */
static bool group(const struct regex *regex, str text, i64 index, str *out)
{
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(regex->match);
    if (index < 0 || index >= (i64)pcre2_get_ovector_count(regex->match) ||
        offsets[2 * index] == PCRE2_UNSET) {
        return false;
    }
    *out = str_slice(text, (isize)offsets[2 * index], (isize)offsets[2 * index + 1]);
    return true;
}

/* Where to look after a match: behind it, one character on when it was empty. */
static isize after(const struct regex *regex, str text)
{
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(regex->match);
    isize end = (isize)offsets[1];
    if (offsets[0] == offsets[1]) {
        end += end < text.len ? func__utf8_len(text.data[end]) : 1;
    }
    return end;
}

/* The pattern of this row, ready to match. `run` is zero at the start of a kernel call. */
static const struct regex *row_regex(struct func_ctx *ctx, const void *data, const struct vec *args,
                                     isize row, struct regex *run)
{
    const struct regex *fixed = data;
    if (fixed != NULL && run->match != NULL) {
        return run;
    }
    run->code =
        fixed != NULL ? fixed->code : compile_code(ctx->arena, func__text_at(&args[1], row));
    if (run->code != NULL) {
        attach(ctx->arena, run);
    }
    return run;
}

static err bind_regex(struct func_binding *b)
{
    const struct value *literal = b->args[1].literal;
    if (literal != NULL && !literal->is_null && type_is_string(b->args[1].type)) {
        b->out->data = compile(b->arena, arena_copy(b->arena, literal->u.text));
    }
    return OK;
}

/* --- functions -------------------------------------------------------------------------------- */

KERNEL(regexp)
{
    KERNEL_UNUSED();
    struct regex run = {NULL, NULL, NULL};
    FOR_SEL(sel, row)
    {
        const struct regex *regex = row_regex(ctx, data, args, row, &run);
        VEC(u8, out)
        [row] = regex->code != NULL && find(ctx, regex, func__text_at(&args[0], row), 0, row) > 0;
    }
}

KERNEL(regexp_extract)
{
    KERNEL_UNUSED();
    struct regex run = {NULL, NULL, NULL};
    FOR_SEL(sel, row)
    {
        const struct regex *regex = row_regex(ctx, data, args, row, &run);
        str text = func__text_at(&args[0], row), part = STR_EMPTY;
        i64 index = arg_count > 2 ? ARG(i32, &args[2], row) : 0;
        if (regex->code != NULL && find(ctx, regex, text, 0, row) > 0 &&
            group(regex, text, index, &part)) {
            func__put_text(out, row, part);
        } else {
            func__put_null(ctx, out, row);
        }
    }
}

KERNEL(regexp_count)
{
    KERNEL_UNUSED();
    struct regex run = {NULL, NULL, NULL};
    FOR_SEL(sel, row)
    {
        const struct regex *regex = row_regex(ctx, data, args, row, &run);
        if (regex->code == NULL) {
            func__put_null(ctx, out, row);
            continue;
        }
        str text = func__text_at(&args[0], row);
        i32 count = 0;
        for (isize at = 0; at <= text.len && find(ctx, regex, text, at, row) > 0;
             at = after(regex, text)) {
            count++;
        }
        VEC(i32, out)[row] = count;
    }
}

KERNEL(regexp_instr)
{
    KERNEL_UNUSED();
    struct regex run = {NULL, NULL, NULL};
    FOR_SEL(sel, row)
    {
        const struct regex *regex = row_regex(ctx, data, args, row, &run);
        str text = func__text_at(&args[0], row), part = STR_EMPTY;
        if (regex->code == NULL) {
            func__put_null(ctx, out, row);
        } else if (find(ctx, regex, text, 0, row) > 0 && group(regex, text, 0, &part)) {
            str before = str_slice(text, 0, part.data - text.data);
            VEC(i32, out)[row] = (i32)func__char_count(before) + 1;
        } else {
            VEC(i32, out)[row] = 0;
        }
    }
}

static void replace_row(struct func_ctx *ctx, const struct regex *regex, str text, str to,
                        isize row, struct buf *buf)
{
    isize copied = 0;
    for (isize at = 0; at <= text.len && !buf->failed && find(ctx, regex, text, at, row) > 0;
         at = after(regex, text)) {
        const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(regex->match);
        buf_append(buf, str_slice(text, copied, (isize)offsets[0]));
        buf_append(buf, to); /* As it stands: Flink quotes $1 and backslashes. */
        copied = (isize)offsets[1];
    }
    buf_append(buf, str_slice(text, copied, text.len));
}

KERNEL(regexp_replace)
{
    KERNEL_UNUSED();
    struct regex run = {NULL, NULL, NULL};
    struct buf buf;
    buf_init(&buf, FUNC_TEXT_BYTES_MAX);
    FOR_SEL(sel, row)
    {
        const struct regex *regex = row_regex(ctx, data, args, row, &run);
        if (regex->code == NULL) {
            func__put_null(ctx, out, row);
            continue;
        }
        buf_reset(&buf);
        replace_row(ctx, regex, func__text_at(&args[0], row), func__text_at(&args[2], row), row,
                    &buf);
        func__put_buf(ctx, out, row, &buf);
    }
    buf_deinit(&buf);
}

KERNEL(regexp_extract_all)
{
    KERNEL_UNUSED();
    struct regex run = {NULL, NULL, NULL};
    enum { MATCHES_MAX = 100000 };
    FOR_SEL(sel, row)
    {
        const struct regex *regex = row_regex(ctx, data, args, row, &run);
        str text = func__text_at(&args[0], row), part = STR_EMPTY;
        i64 index = arg_count > 2 ? ARG(i32, &args[2], row) : 1;
        if (regex->code == NULL || index < 0 ||
            index >= (i64)pcre2_get_ovector_count(regex->match)) {
            func__put_null(ctx, out, row);
            continue;
        }
        struct func_list_builder list = {ctx->arena, NULL, 0, 0};
        for (isize at = 0;
             at <= text.len && list.count < MATCHES_MAX && find(ctx, regex, text, at, row) > 0;
             at = after(regex, text)) {
            struct value item = {.type = out->type->item};
            item.is_null = !group(regex, text, index, &part);
            item.u.text = part;
            func__list_add(&list, item);
        }
        func__put_list(ctx, out, row, &list);
    }
}

/* --- SIMILAR TO ------------------------------------------------------------------------------- */

/* The SQL pattern as a regular expression; false when its escape is not. */
static void similar_to_regex(str pattern, u8 escape, struct buf *out)
{
    bool is_class = false;
    buf_append(out, STR("^(?s:"));
    for (isize i = 0; i < pattern.len; i++) {
        u8 c = pattern.data[i];
        if (escape != 0 && c == escape && i + 1 < pattern.len) {
            buf_append_byte(out, '\\');
            buf_append_byte(out, pattern.data[++i]);
        } else if (is_class) {
            is_class = c != ']';
            buf_append_byte(out, c);
        } else if (c == '%') {
            buf_append(out, STR(".*"));
        } else if (c == '_') {
            buf_append_byte(out, '.');
        } else {
            is_class = c == '[';
            if (c == '.' || c == '^' || c == '$' || c == '\\') {
                buf_append_byte(out, '\\');
            }
            buf_append_byte(out, c);
        }
    }
    buf_append(out, STR(")\\z"));
}

static const struct regex *compile_similar(struct arena *arena, str pattern, str escape)
{
    struct buf text;
    buf_init(&text, REGEX_PATTERN_BYTES_MAX);
    similar_to_regex(pattern, escape.len == 1 ? escape.data[0] : 0, &text);
    const struct regex *regex = ARENA_NEW(arena, struct regex);
    if (!text.failed) {
        regex = compile(arena, arena_copy(arena, buf_str(&text)));
    }
    buf_deinit(&text);
    return regex;
}

KERNEL(similar)
{
    KERNEL_UNUSED();
    struct regex run = {NULL, NULL, NULL};
    FOR_SEL(sel, row)
    {
        const struct regex *fixed = data;
        if (fixed == NULL) {
            str escape = arg_count > 2 ? func__text_at(&args[2], row) : STR_EMPTY;
            fixed = compile_similar(ctx->arena, func__text_at(&args[1], row), escape);
            run.match = NULL;
        }
        const struct regex *regex = row_regex(ctx, fixed, args, row, &run);
        if (regex->code == NULL) {
            func_fail(ctx, row, "Invalid regular expression '" STR_FMT "'",
                      STR_ARG(str_slice(func__text_at(&args[1], row), 0, 100)));
        } else {
            VEC(u8, out)[row] = find(ctx, regex, func__text_at(&args[0], row), 0, row) > 0;
        }
    }
}

static err bind_similar(struct func_binding *b)
{
    bool is_fixed = b->args[1].literal != NULL && !b->args[1].literal->is_null &&
                    (b->count == 2 || (b->args[2].literal != NULL && !b->args[2].literal->is_null));
    if (is_fixed) {
        str escape = b->count > 2 ? b->args[2].literal->u.text : STR_EMPTY;
        b->out->data = compile_similar(b->arena, b->args[1].literal->u.text, escape);
    }
    return OK;
}

static err bind_extract_all(struct func_binding *b)
{
    b->out->result = type_array(b->arena, type_of(TYPE_VARCHAR));
    return bind_regex(b);
}

enum { FLAGS = FUNC_STRICT | FUNC_MAY_FAIL };

const struct func_def func__regex[] = {
    {"REGEXP", NULL, "string", "REGEXP(text, regex)", "ss>Z", FLAGS, regexp, bind_regex},
    {"REGEXP_EXTRACT", NULL, "string", "REGEXP_EXTRACT(text, regex [, group])", "ss>S!;ssi>S!",
     FLAGS, regexp_extract, bind_regex},
    {"REGEXP_SUBSTR", NULL, "string", "REGEXP_SUBSTR(text, regex)", "ss>S!", FLAGS, regexp_extract,
     bind_regex},
    {"REGEXP_REPLACE", NULL, "string", "REGEXP_REPLACE(text, regex, new)", "sss>S!", FLAGS,
     regexp_replace, bind_regex},
    {"REGEXP_COUNT", NULL, "string", "REGEXP_COUNT(text, regex)", "ss>I!", FLAGS, regexp_count,
     bind_regex},
    {"REGEXP_INSTR", NULL, "string", "REGEXP_INSTR(text, regex)", "ss>I!", FLAGS, regexp_instr,
     bind_regex},
    {"REGEXP_EXTRACT_ALL", NULL, "string", "REGEXP_EXTRACT_ALL(text, regex [, group])",
     "ss>?;ssi>?", FLAGS, regexp_extract_all, bind_extract_all},
    {"SIMILAR TO", NULL, "operator", "text SIMILAR TO pattern [ESCAPE char]", "ss>Z;sss>Z", FLAGS,
     similar, bind_similar},
    {0},
};
