/* os/tree.c: whole directories. Names are collected before anything is done to them. */
#include "os/tree.h"

#include "base/arena.h"

#include <stdio.h>

struct tree {
    struct os *os;
    const char *from, *to;
    struct arena arena;
    const char **names;
    isize count;
};

static bool collect(void *ctx, const char *name)
{
    struct tree *tree = ctx;
    tree->names = arena_grow(&tree->arena, tree->names, tree->count, sizeof *tree->names);
    tree->names[tree->count++] = arena_cstr(&tree->arena, str_of(name));
    return true;
}

/* Calls `visit` for each name in `from`. */
static err each(struct os *os, const char *from, const char *to,
                err (*visit)(const struct tree *tree, const char *name))
{
    struct tree tree = {.os = os, .from = from, .to = to};
    err e = os_list(os, from, collect, &tree);
    for (isize i = 0; e == OK && i < tree.count; i++) {
        e = visit(&tree, tree.names[i]);
    }
    arena_deinit(&tree.arena);
    return e;
}

static err join(char *out, const char *dir, const char *name)
{
    int len = snprintf(out, OS_TREE_PATH_MAX, "%s/%s", dir, name);
    return len < OS_TREE_PATH_MAX ? OK : ERR_RANGE;
}

static err link_entry(const struct tree *tree, const char *name)
{
    char from[OS_TREE_PATH_MAX];
    char to[OS_TREE_PATH_MAX];
    struct os_stat at;
    TRY(join(from, tree->from, name));
    TRY(join(to, tree->to, name));
    if (str_ends(str_of(name), STR(".tmp")) || os_stat_path(tree->os, from, &at) != OK) {
        return OK;
    }
    if (at.kind == OS_DIR) {
        return os_tree_link(tree->os, from, to);
    }
    err e = os_link(tree->os, from, to);
    return e == ERR_EXISTS || e == ERR_NOT_FOUND ? OK : e;
}

err os_tree_link(struct os *os, const char *from, const char *to)
{
    TRY(os_mkdir_all(os, to));
    err e = each(os, from, to, link_entry);
    return e == ERR_NOT_FOUND ? OK : e;
}

static err remove_entry(const struct tree *tree, const char *name)
{
    char path[OS_TREE_PATH_MAX];
    TRY(join(path, tree->from, name));
    return os_tree_remove(tree->os, path);
}

err os_tree_remove(struct os *os, const char *path)
{
    struct os_stat at;
    err e = os_stat_path(os, path, &at);
    if (e != OK) {
        return e == ERR_NOT_FOUND ? OK : e;
    }
    if (at.kind != OS_DIR) {
        return os_unlink(os, path);
    }
    TRY(each(os, path, NULL, remove_entry));
    return os_rmdir(os, path);
}

static err sync_entry(const struct tree *tree, const char *name)
{
    char path[OS_TREE_PATH_MAX];
    struct os_stat at;
    TRY(join(path, tree->from, name));
    TRY(os_stat_path(tree->os, path, &at));
    return at.kind == OS_DIR ? os_tree_sync(tree->os, path) : OK;
}

err os_tree_sync(struct os *os, const char *dir)
{
    TRY(each(os, dir, NULL, sync_entry));
    return os_sync_dir(os, dir);
}
