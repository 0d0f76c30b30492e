/*
 * cli/lineage_print.c: a tree, children below their parent:
 *
 *     0  closed
 *       1  closed -> 3
 *         3  open (1 + 2)
 *       2  closed -> 3
 *
 * A merged shard stands below its first parent; the other one points to it.
 */
#include "cli/lineage_print.h"

#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEPTH_MAX = 24 }; /* Generations that are drawn further to the right. */

struct line {
    i64 shard, parent, adjacent; /* -1 = none. */
    bool is_open;
};

struct drawing {
    struct line *lines; /* In order of shard. */
    isize count;
};

/* "shardId-000000000007" -> 7; -1 for null. */
static i64 number_of(const struct json_value *value)
{
    str text = json_text(value);
    i64 number = -1;
    isize dash = STR("shardId-").len;
    if (text.len <= dash || str_to_i64(str_slice(text, dash, text.len), &number) != OK) {
        return -1;
    }
    return number;
}

static void tree_print(const struct drawing *d, isize at, int depth)
{
    const struct line *line = &d->lines[at];
    (void)printf("%*s%lld  %s", 2 + 2 * MIN(depth, DEPTH_MAX), "", (long long)line->shard,
                 line->is_open ? "open" : "closed");
    if (line->adjacent >= 0) {
        (void)printf(" (%lld + %lld)", (long long)line->parent, (long long)line->adjacent);
    }
    for (isize i = at + 1; i < d->count; i++) {
        if (d->lines[i].adjacent == line->shard) {
            (void)printf(" -> %lld", (long long)d->lines[i].shard);
        }
    }
    (void)puts("");
    for (isize i = at + 1; i < d->count; i++) { /* Children come after their parents. */
        if (d->lines[i].parent == line->shard) {
            tree_print(d, i, depth + 1);
        }
    }
}

static bool is_listed(const struct drawing *d, i64 shard)
{
    for (isize i = 0; i < d->count; i++) {
        if (d->lines[i].shard == shard) {
            return true;
        }
    }
    return false;
}

void lineage_print(const struct json_value *shards)
{
    enum { DRAWN_MAX = 200 }; /* More are no picture: the table has them. */
    struct line lines[DRAWN_MAX];
    struct drawing d = {lines, 0};
    bool has_children = false;
    const struct json_value *shard = json_first(shards);
    for (; shard != NULL && d.count < DRAWN_MAX; shard = json_next(shard)) {
        lines[d.count] = (struct line){
            .shard = number_of(json_get(shard, STR("shard_id"))),
            .parent = number_of(json_get(shard, STR("parent"))),
            .adjacent = number_of(json_get(shard, STR("adjacent_parent"))),
            .is_open = json_get_i64(shard, STR("closed_ms"), 0) == 0,
        };
        has_children = has_children || lines[d.count].parent >= 0;
        d.count++;
    }
    if (!has_children || shard != NULL) {
        return;
    }
    (void)puts("\nLINEAGE");
    for (isize i = 0; i < d.count; i++) {
        if (lines[i].parent < 0 || !is_listed(&d, lines[i].parent)) {
            tree_print(&d, i, 0);
        }
    }
}
