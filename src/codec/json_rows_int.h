/* codec/json_rows_int.h: shared by the files of the row decoder. */
#ifndef CODEC_JSON_ROWS_INT_H
#define CODEC_JSON_ROWS_INT_H

#include "codec/json_rows.h"

struct json_rows {
    const struct type_field *fields;
    isize count;
    struct json_rows_options options;
};

/* A place in a message. */
struct json_cursor {
    const u8 *at, *end;
    const u8 *start;
    const char *error; /* What was expected, NULL while all is well. */
};

void json__skip_blanks(struct json_cursor *c);
/* Takes a value of any kind, checked to its end; false with c->error set. */
bool json__take_value(struct json_cursor *c, int depth, struct json_member *out);
/* Walks "name": value of an object, c->at behind '{' and blanks; false at '}' (taken) or an error.
 */
bool json__next_member(struct json_cursor *c, int depth, bool is_first,
                       struct json_member *name_out, struct json_member *value_out);
/* The same for the items of an array, c->at behind '['. */
bool json__next_item(struct json_cursor *c, int depth, bool is_first, struct json_member *out);
/* Text of a string member, unescaped into the arena when needed. Lone surrogates stay, as three
 * bytes each. */
str json__member_text(const struct json_member *member, struct arena *arena);

/* Decodes into a value; NULL when fine, else what is wrong in Flink's words (in the arena). */
const char *json__decode(const struct json_rows *rows, const struct type *type,
                         const struct json_member *member, struct arena *arena, struct value *out);
/* Numbers as Java reads them; false when they are none. */
bool json__parse_double(str text, double *out);
bool json__parse_integer(str text, i64 low, i64 high, i64 *out);

#endif
