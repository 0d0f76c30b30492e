/*
 * func/json_doc.h: a JSON text as a tree in an arena, for JSON_VALUE and its kind (whole columns of
 * JSON records are decoded by codec). Depth is bounded; numbers keep their text.
 */
#ifndef FUNC_JSON_DOC_H
#define FUNC_JSON_DOC_H

#include "func/func_int.h"

enum json_kind { JSON_NULL, JSON_BOOLEAN, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };

struct json_node {
    enum json_kind kind;
    bool boolean;
    str text;                   /* JSON_TEXT: unescaped; JSON_NUMBER: as written. */
    str name;                   /* Of a member. */
    struct json_node *children; /* Array items, object members. */
    struct json_node *next;
};

/* NULL when the text is not exactly one JSON value. */
struct json_node *func__json_parse(struct arena *arena, str text);
/* Compact; members in order of their names, as Flink writes them. */
void func__json_write(const struct json_node *node, struct buf *out);
/* `ascii_only`: all but ASCII as \u escapes. */
void func__json_quote(str text, bool ascii_only, struct buf *out);

struct json_path;
/* "$.a[0]['b'].*" with "lax " or "strict " before it (default strict, as Flink's). NULL: invalid.
 */
const struct json_path *func__json_path(struct arena *arena, str text);
bool func__json_path_is_lax(const struct json_path *path);
/* What the path finds. False: it leads nowhere. A path with wildcards gives a new array. */
bool func__json_find(struct arena *arena, const struct json_path *path, struct json_node *root,
                     struct json_node **out);
/* The canonical text "$['a'][0]" for error messages. */
str func__json_path_text(struct arena *arena, const struct json_path *path);

#endif
