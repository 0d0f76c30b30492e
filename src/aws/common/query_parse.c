/* aws/common/query_parse.c: a form's parameters as a tree, and the values in it. */
#include "aws/common/query.h"
#include "base/cal.h"

#include <math.h>

enum { LIST_INDEX_MAX = 1000000 };

struct node {
    struct json_value value; /* First: a node is reached through its value. */
    struct node *first, *last, *next;
    i64 index; /* In a list. */
};

static struct node *node_add(struct arena *arena, struct node *parent, struct node *after)
{
    struct node *node = arena_try_alloc(arena, (isize)sizeof *node);
    if (node == NULL) {
        return NULL;
    }
    struct node **link = after == NULL ? &parent->first : &after->next;
    node->next = *link;
    *link = node;
    if (node->next == NULL) {
        parent->last = node;
    }
    parent->value.count++;
    return node;
}

/* The child of that number; lists mostly come in order, so the last one is looked at first. */
static struct node *item(struct arena *arena, struct node *parent, i64 index)
{
    struct node *after = NULL;
    if (parent->last != NULL && parent->last->index <= index) {
        after = parent->last;
    } else {
        for (struct node *n = parent->first; n != NULL && n->index <= index; n = n->next) {
            after = n;
        }
    }
    if (after != NULL && after->index == index) {
        return after;
    }
    struct node *node = node_add(arena, parent, after);
    if (node != NULL) {
        node->index = index;
    }
    return node;
}

static struct node *field(struct arena *arena, struct node *parent, str name)
{
    for (struct node *n = parent->first; n != NULL; n = n->next) {
        if (str_eq(n->value.name, name)) {
            return n;
        }
    }
    if (parent->value.count >= QUERY_FIELDS_MAX) {
        return NULL;
    }
    struct node *node = node_add(arena, parent, parent->last);
    if (node != NULL) {
        node->value.name = name;
    }
    return node;
}

/* One step down; NULL when the parameter does not fit what came before, or a limit is reached. */
static struct node *step(struct arena *arena, struct node *parent, str part)
{
    i64 index;
    bool is_index = str_to_i64(part, &index) == OK && index >= 1 && index <= LIST_INDEX_MAX;
    enum json_kind kind = is_index ? JSON_ARRAY : JSON_OBJECT;
    if (parent->value.kind == JSON_NULL) {
        parent->value.kind = kind;
    }
    if (parent->value.kind != kind || part.len == 0) {
        return NULL;
    }
    return is_index ? item(arena, parent, index) : field(arena, parent, part);
}

static err put(struct arena *arena, struct node *root, str name, str value)
{
    struct node *node = root;
    for (isize depth = 0; name.len > 0; depth++) {
        str part = str_split(&name, '.', NULL);
        bool is_list_word = str_eq(part, STR("member")) || str_eq(part, STR("entry"));
        if (is_list_word && depth > 0 && name.len > 0) {
            continue;
        }
        node = depth < QUERY_DEPTH_MAX ? step(arena, node, part) : NULL;
        if (node == NULL) {
            return ERR_SYNTAX;
        }
    }
    if (node == root || node->value.kind != JSON_NULL) {
        return ERR_SYNTAX;
    }
    node->value.kind = JSON_STRING;
    node->value.text = value;
    return OK;
}

/* The links that readers use. Depth is bounded by QUERY_DEPTH_MAX. */
static void finish(struct node *node) /* NOLINT(misc-no-recursion) */
{
    node->value.first = node->first == NULL ? NULL : &node->first->value;
    for (struct node *child = node->first; child != NULL; child = child->next) {
        child->value.next = child->next == NULL ? NULL : &child->next->value;
        finish(child);
    }
}

err query_parse(struct arena *arena, str form, const struct json_value **out, struct diag *diag)
{
    struct node *root = ARENA_NEW(arena, struct node);
    root->value.kind = JSON_OBJECT;
    for (isize count = 0; form.len > 0; count++) {
        str pair = str_split(&form, '&', NULL);
        if (pair.len == 0) {
            continue;
        }
        if (count >= QUERY_PARAMS_MAX) {
            return diag_set(diag, ERR_LIMIT, "AWS001", "a request may have at most %d parameters",
                            QUERY_PARAMS_MAX);
        }
        str name;
        str value;
        str raw_name = str_split(&pair, '=', NULL);
        bool is_text = http_decode(arena, raw_name, true, &name) == OK &&
                       http_decode(arena, pair, true, &value) == OK && str_is_utf8(name) &&
                       str_is_utf8(value);
        if (!is_text || put(arena, root, name, value) != OK) {
            return diag_set(diag, ERR_SYNTAX, "AWS002",
                            "the parameter \"" STR_FMT "\" is malformed",
                            STR_ARG(str_slice(raw_name, 0, 120)));
        }
    }
    finish(root);
    *out = &root->value;
    return OK;
}

/* --- values -------------------------------------------------------------------------------- */

err query_number(const struct json_value *value, double *out)
{
    if (json_kind(value) != JSON_STRING && json_kind(value) != JSON_NUMBER) {
        return ERR_SYNTAX;
    }
    TRY(str_to_f64(json_text(value), out));
    return isfinite(*out) ? OK : ERR_RANGE;
}

/* Takes `digits` digits from the front. */
static bool take(str *text, isize digits, i32 *out)
{
    if (text->len < digits) {
        return false;
    }
    *out = 0;
    for (isize i = 0; i < digits; i++) {
        u8 digit = (u8)(text->data[i] - '0');
        if (digit > 9) {
            return false;
        }
        *out = *out * 10 + digit;
    }
    *text = str_slice(*text, digits, text->len);
    return true;
}

static bool take_byte(str *text, u8 byte)
{
    if (text->len == 0 || text->data[0] != byte) {
        return false;
    }
    *text = str_slice(*text, 1, text->len);
    return true;
}

/* "", "Z", "+02:00" or "-0230", in seconds east. */
static bool take_zone(str *text, i64 *out)
{
    *out = 0;
    if (text->len == 0 || take_byte(text, 'Z')) {
        return text->len == 0;
    }
    i64 sign = take_byte(text, '-') ? -1 : 1;
    if (sign == 1 && !take_byte(text, '+')) {
        return false;
    }
    i32 hours;
    i32 minutes;
    if (!take(text, 2, &hours)) {
        return false;
    }
    (void)take_byte(text, ':'); /* May stand there or not. */
    bool is_whole = take(text, 2, &minutes) && text->len == 0 && hours < 24 && minutes < 60;
    *out = sign * (hours * 3600 + minutes * 60);
    return is_whole;
}

static bool take_clock(str *text, struct cal *cal)
{
    if (!take_byte(text, 'T') && !take_byte(text, ' ')) {
        return true;
    }
    bool is_ok = take(text, 2, &cal->hour) && take_byte(text, ':') && take(text, 2, &cal->minute);
    if (is_ok && take_byte(text, ':')) {
        is_ok = take(text, 2, &cal->second);
    }
    if (is_ok && take_byte(text, '.')) {
        i32 digit;
        while (take(text, 1, &digit)) {
        }
    }
    return is_ok && cal->hour < 24 && cal->minute < 60 && cal->second < 61;
}

err query_time(const struct json_value *value, i64 *seconds_out)
{
    double number;
    const double seconds_max = 253402300799.0; /* 9999-12-31 */
    if (query_number(value, &number) == OK) {
        if (number < 0 || number > seconds_max) {
            return ERR_RANGE;
        }
        *seconds_out = (i64)number;
        return OK;
    }
    if (json_kind(value) != JSON_STRING) {
        return ERR_SYNTAX;
    }
    str text = json_text(value);
    struct cal cal = {0};
    i32 year;
    i64 zone;
    bool is_ok = take(&text, 4, &year) && take_byte(&text, '-') && take(&text, 2, &cal.month) &&
                 take_byte(&text, '-') && take(&text, 2, &cal.day) && take_clock(&text, &cal) &&
                 take_zone(&text, &zone);
    if (!is_ok || cal.month < 1 || cal.month > 12 || cal.day < 1 ||
        cal.day > cal_month_days(year, cal.month)) {
        return ERR_SYNTAX;
    }
    cal.year = year;
    *seconds_out = cal_to_us(&cal) / 1000000 - zone;
    return *seconds_out < 0 ? ERR_RANGE : OK;
}
