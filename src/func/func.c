/* func/func.c: the function table: lookup, matching of arguments to a row's pattern, calls. */
#include "func/func_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct func_def *const parts[] = {
    func__operators, func__comparison, func__math, func__text,       func__search,
    func__regex,     func__encode,     func__time, func__time_steps, func__time_fields,
    func__clock,     func__collection, func__json, func__misc,
};

/* --- lookup ----------------------------------------------------------------------------------- */

static bool has_alias(const char *aliases, str name)
{
    str rest = str_of(aliases);
    while (rest.len > 0) {
        str one = str_split(&rest, ',', NULL);
        if (str_eq_nocase(one, name)) {
            return true;
        }
    }
    return false;
}

static const struct func_def *find(str name)
{
    for (isize p = 0; p < COUNT_OF(parts); p++) {
        for (const struct func_def *def = parts[p]; def->name != NULL; def++) {
            if (str_eq_nocase(str_of(def->name), name) || has_alias(def->aliases, name)) {
                return def;
            }
        }
    }
    return NULL;
}

static err not_found(str name, struct diag *diag)
{
    const struct func_listing *all = NULL;
    isize count = func_list(&all);
    str names[512];
    isize n = 0;
    for (isize i = 0; i < count && n < COUNT_OF(names); i++) {
        names[n++] = all[i].name;
    }
    err e = diag_set(diag, ERR_NOT_FOUND, "SQL0201", "there is no function '" STR_FMT "'",
                     STR_ARG(str_slice(name, 0, 64)));
    str near = diag_nearest(name, names, n);
    if (near.len > 0) {
        diag_hint(diag, "did you mean '" STR_FMT "'?", STR_ARG(near));
    }
    return e;
}

/* --- patterns --------------------------------------------------------------------------------- */

static const struct type *letter_type(struct func_binding *b, char letter, const struct type *given)
{
    switch (letter) {
    case 's':
        return type_is_string(given) ? given : type_of(TYPE_VARCHAR);
    case 'b':
        return type_is_bytes(given) ? given : type_of(TYPE_VARBINARY);
    case 'i':
        return type_of(TYPE_INT);
    case 'l':
        return type_of(TYPE_BIGINT);
    case 'd':
        return type_of(TYPE_DOUBLE);
    case 'x':
        return type_is_string(given) ? given : type_of(TYPE_VARCHAR);
    case 'D':
        return type_of(TYPE_DATE);
    case 't':
        return given->kind == TYPE_TIME ? given : type_of(TYPE_TIME);
    case 'T':
        return given->kind == TYPE_TIMESTAMP ? given : type_timestamp(b->arena, TYPE_TIMESTAMP, 3);
    case 'L':
        return given->kind == TYPE_TIMESTAMP_LTZ ? given
                                                 : type_timestamp(b->arena, TYPE_TIMESTAMP_LTZ, 3);
    case 'z':
        return type_of(TYPE_BOOLEAN);
    case 'n':
        return given->kind == TYPE_NULL ? type_of(TYPE_INT) : given;
    default:
        return given;
    }
}

static bool letter_accepts(char letter, const struct type *type)
{
    if (type->kind == TYPE_NULL) {
        return true;
    }
    switch (letter) {
    case 's':
        return type_is_string(type);
    case 'b':
        return type_is_bytes(type);
    case 'i':
        return type->kind >= TYPE_TINYINT && type->kind <= TYPE_INT;
    case 'l':
        return type_is_integer(type);
    case 'd':
    case 'n':
        return type_is_numeric(type);
    case 'z':
        return type->kind == TYPE_BOOLEAN;
    case 'D':
        return type->kind == TYPE_DATE;
    case 't':
        return type->kind == TYPE_TIME;
    case 'T':
        return type->kind == TYPE_TIMESTAMP;
    case 'L':
        return type->kind == TYPE_TIMESTAMP_LTZ;
    case 'A':
        return type->kind == TYPE_ARRAY;
    case 'M':
        return type->kind == TYPE_MAP;
    case 'Y':
        return type->kind == TYPE_INTERVAL_YM;
    case 'J':
        return type->kind == TYPE_INTERVAL_DS;
    case 'x':
        return type->kind < TYPE_ARRAY;
    default:
        return letter == 'a';
    }
}

/* Matches one form; fills `letters` with one letter per argument. */
static bool form_matches(str form, const struct func_arg *args, isize count, char *letters)
{
    isize at = 0;
    char repeated = 0;
    for (isize i = 0; i < count; i++) {
        if (at < form.len && form.data[at] == '*') {
            repeated = (char)form.data[at - 1];
            at++;
        }
        char letter = at < form.len ? (char)form.data[at++] : repeated;
        if (letter == 0 || !letter_accepts(letter, args[i].type)) {
            return false;
        }
        letters[i] = letter;
    }
    return at == form.len || (at == form.len - 1 && form.data[at] == '*');
}

bool func__any_nullable(const struct func_arg *args, isize count)
{
    for (isize i = 0; i < count; i++) {
        if (args[i].type->is_nullable) {
            return true;
        }
    }
    return false;
}

const struct type *func__not_null(struct arena *arena, const struct type *type)
{
    return type_with_null(arena, type, false);
}

void func__set_result(struct func_binding *b, const struct type *type)
{
    b->out->result = type_with_null(b->arena, type, func__any_nullable(b->args, b->count));
}

static void set_result(struct func_binding *b, str result)
{
    static const struct {
        char letter;
        enum type_kind kind;
    } kinds[] = {{'S', TYPE_VARCHAR}, {'B', TYPE_VARBINARY}, {'I', TYPE_INT}, {'L', TYPE_BIGINT},
                 {'D', TYPE_DOUBLE},  {'Z', TYPE_BOOLEAN},   {'E', TYPE_DATE}};
    char letter = (char)result.data[0];
    char mode = result.len > 1 ? (char)result.data[1] : ' ';
    const struct type *type = NULL;
    if (letter >= '0' && letter <= '9') {
        type = b->out->arg_types[letter - '0'];
    }
    for (isize i = 0; i < COUNT_OF(kinds); i++) {
        type = kinds[i].letter == letter ? type_of(kinds[i].kind) : type;
    }
    if (type == NULL) {
        return; /* '?': resolve sets it. */
    }
    bool is_nullable = mode == '!' || (mode != '1' && func__any_nullable(b->args, b->count));
    b->out->result = type_with_null(b->arena, type, is_nullable);
}

static bool match_pattern(struct func_binding *b)
{
    str rest = str_of(b->def->pattern);
    char letters[FUNC_ARGS_MAX] = "";
    while (rest.len > 0) {
        str form = str_split(&rest, ';', NULL);
        str left = str_split(&form, '>', NULL);
        if (!form_matches(left, b->args, b->count, letters)) {
            continue;
        }
        for (isize i = 0; i < b->count; i++) {
            b->out->arg_types[i] = letter_type(b, letters[i], b->args[i].type);
        }
        set_result(b, form);
        return true;
    }
    return false;
}

static void put_shown_type(struct buf *out, const struct type *type)
{
    struct type shown = *type;
    shown.is_nullable = true;
    if (type->kind == TYPE_INT) {
        buf_append(out, STR("INTEGER"));
    } else if (type->kind == TYPE_VARCHAR && type->length == TYPE_LENGTH_MAX) {
        buf_printf(out, "VARCHAR(%d)", TYPE_LENGTH_MAX);
    } else {
        type_format(&shown, out);
    }
}

err func__bind_error(const struct func_binding *b)
{
    struct buf shown;
    buf_init(&shown, 600);
    for (isize i = 0; i < b->count; i++) {
        buf_append(&shown, i == 0 ? STR("<") : STR(", <"));
        put_shown_type(&shown, b->args[i].type);
        buf_append(&shown, STR(">"));
    }
    err e =
        diag_set(b->diag, ERR_TYPE, "SQL0202",
                 "Cannot apply '%s' to arguments of type '%s(" STR_FMT ")'. Supported form(s): %s",
                 b->def->name, b->def->name, STR_ARG(buf_str(&shown)), b->def->signature);
    buf_deinit(&shown);
    return e;
}

err func_bind(struct arena *arena, str name, const struct func_arg *args, isize arg_count,
              struct func_bound *out, struct diag *diag)
{
    const struct func_def *def = find(name);
    if (def == NULL) {
        return not_found(name, diag);
    }
    struct func_bound bound = {.name = str_of(def->name),
                               .flags = def->flags,
                               .arg_types = ARENA_ARRAY(arena, const struct type *, arg_count + 1),
                               .arg_count = arg_count,
                               .kernel = def->kernel};
    struct func_binding b = {arena, def, args, arg_count, &bound, diag};
    if (arg_count > FUNC_ARGS_MAX || !match_pattern(&b)) {
        return func__bind_error(&b);
    }
    if (def->resolve != NULL) {
        TRY(def->resolve(&b));
    }
    CHECK(bound.result != NULL);
    CHECK(bound.kernel != NULL);
    *out = bound;
    return OK;
}

/* --- listing ---------------------------------------------------------------------------------- */

#define LISTED(name, category, signature, is_aggregate)                              \
    {                                                                                \
        STR_INIT(name), STR_INIT(category), STR_INIT(signature), is_aggregate, false \
    }
#define STR_INIT(literal)                                 \
    {                                                     \
        (const u8 *)(literal), (isize)sizeof(literal) - 1 \
    }

static const struct func_listing aggregates[] = {
    LISTED("AVG", "aggregate", "AVG(numeric)", true),
    LISTED("COUNT", "aggregate", "COUNT(*) | COUNT(value)", true),
    LISTED("MAX", "aggregate", "MAX(value)", true),
    LISTED("MIN", "aggregate", "MIN(value)", true),
    LISTED("SUM", "aggregate", "SUM(numeric)", true),
};

/* Lazy forms are expr kinds, not calls; they are functions to the user all the same. */
static const struct func_listing lazy[] = {
    LISTED("COALESCE", "condition", "COALESCE(value, ...)", false),
    LISTED("IF", "condition", "IF(condition, a, b)", false),
    LISTED("IFNULL", "condition", "IFNULL(a, b)", false),
    LISTED("NULLIF", "condition", "NULLIF(a, b)", false),
};

enum { LISTING_MAX = 512 };
static struct func_listing listing[LISTING_MAX];
static isize listing_count;

static int compare_listing(const void *a, const void *b)
{
    return str_cmp(((const struct func_listing *)a)->name, ((const struct func_listing *)b)->name);
}

static void list_one(struct func_listing row)
{
    CHECK(listing_count < LISTING_MAX);
    listing[listing_count++] = row;
}

/* Runs before main(): the table is constant from then on, for every thread. */
__attribute__((constructor)) static void build_listing(void)
{
    for (isize p = 0; p < COUNT_OF(parts); p++) {
        for (const struct func_def *d = parts[p]; d->name != NULL; d++) {
            struct func_listing row = {str_of(d->name), str_of(d->category), str_of(d->signature),
                                       false, false};
            list_one(row);
            row.is_alias = true;
            str rest = str_of(d->aliases);
            while (rest.len > 0) {
                row.name = str_split(&rest, ',', NULL);
                list_one(row);
            }
        }
    }
    for (isize i = 0; i < COUNT_OF(aggregates); i++) {
        list_one(aggregates[i]);
    }
    for (isize i = 0; i < COUNT_OF(lazy); i++) {
        list_one(lazy[i]);
    }
    qsort(listing, (size_t)listing_count, sizeof listing[0], compare_listing);
}

isize func_list(const struct func_listing **out)
{
    *out = listing;
    return listing_count;
}

/* --- calls ------------------------------------------------------------------------------------ */

void func_fail(struct func_ctx *ctx, isize row, const char *format, ...)
{
    for (isize i = 0; i < ctx->error_count; i++) {
        if (ctx->errors[i].row == row) {
            return;
        }
    }
    if (ctx->error_count == ctx->error_capacity) {
        isize capacity = MAX(16, ctx->error_capacity * 2);
        struct func_row_error *grown = ARENA_ARRAY(ctx->arena, struct func_row_error, capacity);
        if (ctx->error_count > 0) {
            memcpy(grown, ctx->errors, (size_t)ctx->error_count * sizeof *grown);
        }
        ctx->errors = grown;
        ctx->error_capacity = capacity;
    }
    char text[512];
    va_list list;
    va_start(list, format);
    int len = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    ctx->errors[ctx->error_count++] = (struct func_row_error){
        .row = row,
        .span_start = -1,
        .text = arena_copy(ctx->arena, str_from(text, MIN(MAX(len, 0), (int)sizeof text - 1)))};
}

static bool all_const(const struct vec *args, isize count)
{
    for (isize i = 0; i < count; i++) {
        if (!args[i].is_const) {
            return false;
        }
    }
    return true;
}

/* Words of validity of all arguments; NULL when none has NULLs. *is_null_out: a constant is NULL.
 */
static u64 *combine_valid(struct arena *arena, const struct vec *args, isize count, isize rows,
                          bool *is_null_out)
{
    isize words = (rows + 63) / 64;
    u64 *valid = NULL;
    for (isize i = 0; i < count; i++) {
        if (args[i].valid == NULL) {
            continue;
        }
        if (args[i].is_const) {
            *is_null_out = *is_null_out || (args[i].valid[0] & 1) == 0;
            continue;
        }
        if (valid == NULL) {
            valid = ARENA_ARRAY(arena, u64, words);
            memcpy(valid, args[i].valid, (size_t)words * sizeof *valid);
            continue;
        }
        for (isize w = 0; w < words; w++) {
            valid[w] &= args[i].valid[w];
        }
    }
    return valid;
}

static void call_rows(struct func_ctx *ctx, const struct func_bound *bound, const struct vec *args,
                      isize rows, const struct sel *sel, struct vec *out)
{
    bool is_null = false;
    u64 *valid = NULL;
    struct sel narrowed = *sel;
    if ((bound->flags & FUNC_STRICT) != 0) {
        valid = combine_valid(ctx->arena, args, bound->arg_count, rows, &is_null);
    }
    if (is_null) {
        vec_init_null(out, ctx->arena, bound->result, rows);
        return;
    }
    if (valid != NULL) {
        u16 *kept = ARENA_ARRAY(ctx->arena, u16, sel->count + 1);
        isize n = 0;
        for (isize i = 0; i < sel->count; i++) {
            isize row = sel_row(sel, i);
            kept[n] = (u16)row;
            n += (isize)((valid[row >> 6] >> (row & 63)) & 1);
        }
        narrowed = n == sel->count ? *sel : (struct sel){kept, n};
    }
    vec_init(out, ctx->arena, bound->result, rows, false);
    out->valid = valid;
    if (narrowed.count > 0) {
        bound->kernel(ctx, bound->data, args, bound->arg_count, &narrowed, out);
    }
}

void func_call(struct func_ctx *ctx, const struct func_bound *bound, const struct vec *args,
               isize rows, const struct sel *sel, struct vec *out)
{
    bool is_once =
        all_const(args, bound->arg_count) && (bound->flags & FUNC_NON_DETERMINISTIC) == 0;
    if (!is_once || rows == 0 || sel->count == 0) {
        call_rows(ctx, bound, args, rows, sel, out);
        return;
    }
    static const struct sel one = {NULL, 1};
    struct func_row_error *errors = ctx->errors;
    isize before = ctx->error_count, capacity = ctx->error_capacity;
    /* A list of its own: row 0 stands for all, and may have failed before. */
    ctx->errors = NULL;
    ctx->error_count = ctx->error_capacity = 0;
    call_rows(ctx, bound, args, 1, &one, out);
    struct func_row_error *fresh = ctx->errors;
    isize fresh_count = ctx->error_count;
    ctx->errors = errors;
    ctx->error_count = before;
    ctx->error_capacity = capacity;
    for (isize i = 0; fresh_count > 0 && i < sel->count; i++) {
        func_fail(ctx, sel_row(sel, i), STR_FMT, STR_ARG(fresh[0].text));
    }
    out->is_const = true;
    out->len = rows;
}
