/* codec/json_rows_int.h: shared by the files of the row decoder. */
#ifndef CODEC_JSON_ROWS_INT_H
#define CODEC_JSON_ROWS_INT_H

#include "codec/json_rows.h"

enum {
    JSON_TEMPLATE_GAP_MAX = 64,
    JSON_TEMPLATE_MEMBERS_MAX = 256,
    JSON_TEMPLATE_MISSES_MAX = 32,
    JSON_TEMPLATE_WAIT_MAX = 4096,
};

/* Which instructions compare and scan. All give the same result. */
enum json_level { JSON_LEVEL_GENERAL, JSON_LEVEL_PLAIN, JSON_LEVEL_AVX2 };

/* The bytes between one value and the next. */
struct json_gap {
    u8 bytes[JSON_TEMPLATE_GAP_MAX];
    i32 len;
    i32 column; /* Where the value goes; -1: nowhere. */
};

/* The layout of earlier rows; see json_template.c. */
struct json_template {
    struct json_gap *gaps; /* Owned. */
    isize count;           /* 0: nothing is learned. */
    int misses;            /* Recent ones, less the hits. */
    int wait, wait_next;   /* Rows to let pass before learning again. */
    enum json_level level;
};

struct json_rows {
    const struct type_field *fields;
    isize count;
    struct json_rows_options options;
    struct json_template layout;
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

/* The column of this name; *expected is tried first, and moved on. */
isize json__find_column(const struct json_rows *rows, str name, isize *expected);

/* Names of an object's members in the order in which they first came. All zero: empty. */
struct json_names {
    str *names;
    isize count;
    u32 *slots; /* Index + 1; 0 = free. */
    isize slot_count;
};
/* The index of the name, which is put at the end when it is not there yet. */
isize json__names_add(struct json_names *names, str name, struct arena *arena);

/* The best level of this CPU. */
enum json_level json__best_level(void);
/* A row on its way along the learned layout. */
struct json_lane {
    struct json_cursor c;        /* At '{'; then behind the last value that was taken. */
    struct json_member *members; /* All ABSENT; then those that are wanted. */
    u64 high;                    /* Not 0: a value may hold bytes above 0x7F. */
    isize taken;                 /* Members of the layout. */
};
/* Takes the members that compare with the learned layout, of one row or of two together. */
void json__template_take(const struct json_template *t, struct json_lane *lanes, isize count);
/* Says how a row went (`taken` members of the layout), and learns from it when it is time. c at
 * '{' of a row that the general scanner has accepted. */
void json__template_note(struct json_rows *rows, isize taken, struct json_cursor c,
                         struct arena *arena);

/* Decodes into a value; NULL when fine, else what is wrong in Flink's words (in the arena). */
const char *json__decode(const struct json_rows *rows, const struct type *type,
                         const struct json_member *member, struct arena *arena, struct value *out);
/* Numbers as Java reads them; false when they are none. */
bool json__parse_double(str text, double *out);
bool json__parse_integer(str text, i64 low, i64 high, i64 *out);

#endif
