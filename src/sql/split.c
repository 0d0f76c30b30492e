/* sql/split.c: a script to statements, without parsing them. */
#include "sql/sql_int.h"

struct splitter {
    str script;
    isize at;
};

static bool is_word_byte(u8 c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '$' || c >= 0x80;
}

/* End of the comment that starts at `at`; an open one takes the rest. */
static isize skip_open_comment(str script, isize at)
{
    isize end = str_find(script, STR("*/"), at + 2);
    return end < 0 ? script.len : end + 2;
}

/* E'..' with its backslashes. */
static isize skip_escaped(str script, isize at)
{
    for (at++; at < script.len && script.data[at] != '\''; at++) {
        at += script.data[at] == '\\';
    }
    return MIN(at + 1, script.len);
}

/* Next word, sign or quoted run, which is returned; empty at the end. */
static str next_token(struct splitter *s)
{
    str script = s->script;
    s->at = sql__skip_blank(script, s->at);
    isize start = s->at;
    if (start >= script.len) {
        return STR_EMPTY;
    }
    u8 c = script.data[start];
    if (c == '\'' || c == '`') {
        s->at = sql__skip_quoted(script, start);
    } else if (c == '/' && start + 1 < script.len && script.data[start + 1] == '*') {
        bool is_hint = start + 2 < script.len && script.data[start + 2] == '+';
        s->at = is_hint ? start + 3 : skip_open_comment(script, start);
    } else if (is_word_byte(c)) {
        while (s->at < script.len && is_word_byte(script.data[s->at])) {
            s->at++;
        }
        bool is_escape = s->at - start == 1 && (c | 0x20) == 'e' && s->at < script.len &&
                         script.data[s->at] == '\'';
        s->at = is_escape ? skip_escaped(script, s->at) : s->at;
    } else {
        s->at++;
    }
    return str_slice(script, start, s->at);
}

/* Does the statement that begins here go on to END? "[EXECUTE|EXPLAIN] STATEMENT SET BEGIN", "BEGIN
 * STATEMENT SET". */
static bool begins_set(str script, isize at)
{
    struct splitter s = {script, at};
    str words[3];
    for (isize i = 0; i < COUNT_OF(words); i++) {
        words[i] = next_token(&s);
    }
    bool has_verb = str_eq_nocase(words[0], STR("BEGIN")) ||
                    str_eq_nocase(words[0], STR("EXECUTE")) ||
                    str_eq_nocase(words[0], STR("EXPLAIN"));
    return has_verb && str_eq_nocase(words[1], STR("STATEMENT")) &&
           str_eq_nocase(words[2], STR("SET"));
}

/* Moves past the `;` that ends the statement; returns the offset where its text ends. */
static isize find_end(struct splitter *s)
{
    bool is_set = begins_set(s->script, s->at);
    bool is_first = false; /* Of a member of a statement set. */
    bool is_ending = false;
    for (;;) {
        str token = next_token(s);
        if (token.len == 0) {
            return s->script.len;
        }
        is_ending = is_ending || (is_set && is_first && str_eq_nocase(token, STR("END")));
        is_first = token.len == 1 && token.data[0] == ';';
        if (is_first && (!is_set || is_ending)) {
            return s->at - 1;
        }
    }
}

void sql_split(struct arena *arena, str script, struct sql_part **out, isize *count_out)
{
    struct splitter s = {script, 0};
    if (str_starts(script, STR("\xEF\xBB\xBF"))) {
        s.at = 3;
    }
    if (s.at < script.len && script.data[s.at] == '%') {
        isize end = str_find_byte(script, '\n', s.at);
        s.at = end < 0 ? script.len : end + 1;
    }
    struct sql_part *parts = NULL;
    isize count = 0;
    while (s.at < script.len) {
        isize start = s.at;
        bool is_empty = sql__skip_blank(script, start) >= script.len;
        isize end = find_end(&s);
        bool has_text = !is_empty && sql__skip_blank(str_slice(script, 0, end), start) < end;
        if (!has_text) {
            continue;
        }
        str text = str_trim(str_slice(script, start, end));
        parts = arena_grow(arena, parts, count, (isize)sizeof *parts);
        parts[count++] = (struct sql_part){text, text.data - script.data};
    }
    *out = parts;
    *count_out = count;
}
