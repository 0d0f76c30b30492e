/*
 * os/sim.c: files as tables of reference-counted pages, so that thousands of disk
 * images that differ in a few sectors cost little.
 */
#include "os/sim.h"

#include "base/hash.h"
#include "base/rng.h"
#include "os/thread.h"

#include <limits.h>
#include <stdio.h>

enum { PAGE_BYTES = 4096, SIM_FAILED_BYTES = 100 };

struct page {
    int refs; /* Atomic: images may be used on several threads. */
    u64 hash; /* 0 = not computed. */
    u8 data[PAGE_BYTES];
};

struct inode {
    u32 number;
    u32 refs; /* Names and open files. */
    bool is_dir;
    u64 bytes;
    struct page **pages; /* NULL = zeros. */
    u64 page_count;
};

struct name {
    char *path;
    u32 inode;
};

struct sim {
    struct os os;
    struct os_mutex lock;
    struct inode *inodes; /* By number - 1. */
    u32 inode_count, inode_capacity;
    struct name *names;
    u32 name_count, name_capacity;
    struct rng rng;
    i64 wall_us;
    u64 mono_ns;
    u64 free_bytes; /* UINT64_MAX = unlimited. */
    u64 used_bytes; /* Pages. */
    u64 calls, fail_at;
    err fail_with;
    bool is_fail_sticky, is_fail_short, is_fail_change, is_tracing;
    u64 changes;                   /* Calls so far that change the disk. */
    char failed[SIM_FAILED_BYTES]; /* What failed first, and where. */
    struct sim_op *ops;
    isize op_count, op_capacity;
    u32 locked[8]; /* Inodes under an exclusive lock. */
};

struct sim_file {
    struct os_file base;
    struct sim *sim;
    u32 inode;
    bool is_lock_holder;
};

static char *copy_text(const char *text)
{
    isize bytes = (isize)strlen(text) + 1;
    char *copy = mem_alloc(bytes);
    memcpy(copy, text, (size_t)bytes);
    return copy;
}

/* --- pages ------------------------------------------------------------------------------------ */

static void page_unref(struct sim *sim, struct page *page)
{
    if (page == NULL) {
        return;
    }
    sim->used_bytes -= PAGE_BYTES;
    if (__atomic_sub_fetch(&page->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        mem_free(page);
    }
}

static void grow_pages(struct inode *inode, u64 count)
{
    if (count <= inode->page_count) {
        return;
    }
    u64 bytes = count * sizeof(struct page *);
    inode->pages = mem_resize(inode->pages, (isize)bytes);
    for (u64 i = inode->page_count; i < count; i++) {
        inode->pages[i] = NULL;
    }
    inode->page_count = count;
}

/* A page of its own for writing. */
static struct page *own_page(struct sim *sim, struct inode *inode, u64 index)
{
    if (index >= inode->page_count) {
        grow_pages(inode, MAX(index + 1, inode->page_count + inode->page_count / 4));
    }
    struct page *page = inode->pages[index];
    if (page == NULL) {
        page = NEW(struct page);
        page->refs = 1;
        sim->used_bytes += PAGE_BYTES;
    } else if (__atomic_load_n(&page->refs, __ATOMIC_ACQUIRE) > 1) {
        struct page *copy = mem_alloc((isize)sizeof *copy);
        memcpy(copy->data, page->data, PAGE_BYTES);
        copy->refs = 1;
        sim->used_bytes += PAGE_BYTES;
        page_unref(sim, page);
        page = copy;
    }
    page->hash = 0;
    inode->pages[index] = page;
    return page;
}

static void put_bytes(struct sim *sim, struct inode *inode, u64 offset, const u8 *data, u64 bytes)
{
    while (bytes > 0) {
        u64 at = offset % PAGE_BYTES;
        u64 part = MIN(bytes, PAGE_BYTES - at);
        memcpy(own_page(sim, inode, offset / PAGE_BYTES)->data + at, data, part);
        offset += part;
        data += part;
        bytes -= part;
    }
}

static void get_bytes(const struct inode *inode, u64 offset, u8 *data, u64 bytes)
{
    while (bytes > 0) {
        u64 at = offset % PAGE_BYTES;
        u64 part = MIN(bytes, PAGE_BYTES - at);
        u64 index = offset / PAGE_BYTES;
        const struct page *page = index < inode->page_count ? inode->pages[index] : NULL;
        if (page == NULL) {
            memset(data, 0, part);
        } else {
            memcpy(data, page->data + at, part);
        }
        offset += part;
        data += part;
        bytes -= part;
    }
}

static void set_size(struct sim *sim, struct inode *inode, u64 bytes)
{
    if (bytes < inode->bytes) {
        u64 kept = (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
        for (u64 i = kept; i < inode->page_count; i++) {
            page_unref(sim, inode->pages[i]);
            inode->pages[i] = NULL;
        }
        u64 at = bytes % PAGE_BYTES;
        if (at != 0 && kept <= inode->page_count && inode->pages[kept - 1] != NULL) {
            memset(own_page(sim, inode, kept - 1)->data + at, 0, PAGE_BYTES - at);
        }
    }
    inode->bytes = bytes;
}

/* --- inodes and names ---------------------------------------------------------------------------
 */

static struct inode *inode_at(const struct sim *sim, u32 number)
{
    CHECK(number > 0 && number <= sim->inode_count);
    return &sim->inodes[number - 1];
}

static void inode_reserve(struct sim *sim, u32 number)
{
    if (number > sim->inode_capacity) {
        sim->inode_capacity = MAX(number, sim->inode_capacity * 2);
        sim->inodes =
            mem_resize(sim->inodes, (isize)sim->inode_capacity * (isize)sizeof *sim->inodes);
    }
    for (; sim->inode_count < number; sim->inode_count++) {
        sim->inodes[sim->inode_count] = (struct inode){.number = sim->inode_count + 1};
    }
}

static void inode_drop(struct sim *sim, struct inode *inode)
{
    for (u64 i = 0; i < inode->page_count; i++) {
        page_unref(sim, inode->pages[i]);
    }
    mem_free(inode->pages);
    inode->pages = NULL;
    inode->page_count = 0;
    inode->bytes = 0;
}

/* While tracing nothing is dropped: an image may still need it. */
static void inode_release(struct sim *sim, u32 number)
{
    struct inode *inode = inode_at(sim, number);
    CHECK(inode->refs > 0);
    inode->refs--;
    if (inode->refs == 0 && !sim->is_tracing) {
        inode_drop(sim, inode);
    }
}

static struct name *name_find(const struct sim *sim, const char *path)
{
    for (u32 i = 0; i < sim->name_count; i++) {
        if (strcmp(sim->names[i].path, path) == 0) {
            return &sim->names[i];
        }
    }
    return NULL;
}

static void name_set(struct sim *sim, const char *path, u32 inode)
{
    inode_at(sim, inode)->refs++;
    struct name *name = name_find(sim, path);
    if (name != NULL) {
        u32 old = name->inode;
        name->inode = inode;
        inode_release(sim, old);
        return;
    }
    if (sim->name_count == sim->name_capacity) {
        sim->name_capacity = MAX(sim->name_capacity * 2, 16);
        sim->names = mem_resize(sim->names, (isize)sim->name_capacity * (isize)sizeof *sim->names);
    }
    sim->names[sim->name_count++] = (struct name){copy_text(path), inode};
}

static void name_remove(struct sim *sim, struct name *name)
{
    u32 inode = name->inode;
    mem_free(name->path);
    *name = sim->names[--sim->name_count];
    inode_release(sim, inode);
}

static void parent_path(const char *path, char *out)
{
    str whole = str_of(path);
    isize slash = str_rfind_byte(whole, '/');
    str parent = slash < 0 ? STR(".") : (slash == 0 ? STR("/") : str_slice(whole, 0, slash));
    str_copy_cstr(parent, out, PATH_MAX);
}

bool sim_has_same_directory(const char *dir, const char *path)
{
    char parent[PATH_MAX];
    parent_path(path, parent);
    return strcmp(parent, dir) == 0;
}

static bool dir_exists(const struct sim *sim, const char *path)
{
    if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0) {
        return true;
    }
    const struct name *name = name_find(sim, path);
    return name != NULL && inode_at(sim, name->inode)->is_dir;
}

static bool parent_exists(const struct sim *sim, const char *path)
{
    char parent[PATH_MAX];
    parent_path(path, parent);
    return dir_exists(sim, parent);
}

/* --- trace --------------------------------------------------------------------------------------
 */

static struct sim_op *trace_add(struct sim *sim, enum sim_op_kind kind)
{
    if (!sim->is_tracing) {
        return NULL;
    }
    if (sim->op_count == sim->op_capacity) {
        sim->op_capacity = MAX(sim->op_capacity * 2, 256);
        sim->ops = mem_resize(sim->ops, sim->op_capacity * (isize)sizeof *sim->ops);
    }
    struct sim_op *op = &sim->ops[sim->op_count++];
    memset(op, 0, sizeof *op);
    op->kind = kind;
    return op;
}

static void trace_write(struct sim *sim, u32 inode, u64 offset, const u8 *data, u64 bytes)
{
    while (bytes > 0 && sim->is_tracing) {
        u64 part = MIN(bytes, SIM_SECTOR_BYTES - offset % SIM_SECTOR_BYTES);
        struct sim_op *op = trace_add(sim, SIM_WRITE);
        op->inode = inode;
        op->offset = offset;
        op->bytes = (u32)part;
        memcpy(op->data, data, part);
        offset += part;
        data += part;
        bytes -= part;
    }
}

static void trace_size(struct sim *sim, u32 inode, u64 bytes)
{
    struct sim_op *op = trace_add(sim, SIM_SIZE);
    if (op != NULL) {
        op->inode = inode;
        op->offset = bytes;
    }
}

static void trace_name(struct sim *sim, enum sim_op_kind kind, u32 inode, const char *name,
                       const char *target)
{
    struct sim_op *op = trace_add(sim, kind);
    if (op != NULL) {
        op->inode = inode;
        op->name = copy_text(name);
        op->target = target == NULL ? NULL : copy_text(target);
        op->is_dir = inode != 0 && inode_at(sim, inode)->is_dir;
    }
}

void sim_trace_start(struct sim *sim)
{
    sim_trace_stop(sim);
    sim->is_tracing = true;
}

void sim_trace_stop(struct sim *sim)
{
    for (isize i = 0; i < sim->op_count; i++) {
        mem_free(sim->ops[i].name);
        mem_free(sim->ops[i].target);
    }
    sim->op_count = 0;
    sim->is_tracing = false;
}

isize sim_trace_count(const struct sim *sim)
{
    return sim->op_count;
}

const struct sim_op *sim_trace_op(const struct sim *sim, isize index)
{
    CHECK(index >= 0 && index < sim->op_count);
    return &sim->ops[index];
}

/* --- files --------------------------------------------------------------------------------------
 */

static struct sim *sim_of(struct os *os)
{
    return os->state;
}

static struct sim_file *file_of(struct os_file *file)
{
    return (struct sim_file *)file;
}

/* `path` may be NULL: that of the inode. */
static void failed_note(struct sim *sim, const char *what, const char *path, u32 inode)
{
    for (u32 i = 0; path == NULL && i < sim->name_count; i++) {
        path = sim->names[i].inode == inode ? sim->names[i].path : NULL;
    }
    (void)snprintf(sim->failed, sizeof sim->failed, "%s %s", what, path == NULL ? "-" : path);
}

static err fault_at(struct sim *sim, u64 now, const char *what, const char *path, u32 inode)
{
    bool is_due =
        sim->fail_at != 0 && (now == sim->fail_at || (sim->is_fail_sticky && now > sim->fail_at));
    if (is_due && sim->failed[0] == '\0') {
        failed_note(sim, what, path, inode);
    }
    return is_due ? sim->fail_with : OK;
}

/* Every fallible call passes here or through fault_change, with the lock held. */
static err fault(struct sim *sim)
{
    sim->calls++;
    return sim->is_fail_change ? OK : fault_at(sim, sim->calls, "read", "-", 0);
}

static err fault_change(struct sim *sim, const char *what, const char *path, u32 inode)
{
    sim->calls++;
    sim->changes++;
    return fault_at(sim, sim->is_fail_change ? sim->changes : sim->calls, what, path, inode);
}

static u32 create(struct sim *sim, const char *path, bool is_dir)
{
    u32 number = sim->inode_count + 1;
    inode_reserve(sim, number);
    inode_at(sim, number)->is_dir = is_dir;
    name_set(sim, path, number);
    trace_name(sim, SIM_LINK, number, path, NULL);
    return number;
}

static err open_locked(struct sim *sim, const char *path, int flags, u32 *inode_out)
{
    struct name *name = name_find(sim, path);
    bool is_change = name == NULL && (flags & OS_CREATE) != 0;
    TRY(is_change ? fault_change(sim, "create", path, 0) : fault(sim));
    if (name != NULL && (flags & OS_EXCLUSIVE) != 0) {
        return ERR_EXISTS;
    }
    if (name == NULL && ((flags & OS_CREATE) == 0 || !parent_exists(sim, path))) {
        return ERR_NOT_FOUND;
    }
    u32 inode = name != NULL ? name->inode : create(sim, path, false);
    if (inode_at(sim, inode)->is_dir) {
        return ERR_IO;
    }
    if ((flags & OS_TRUNCATE) != 0 && inode_at(sim, inode)->bytes > 0) {
        set_size(sim, inode_at(sim, inode), 0);
        trace_size(sim, inode, 0);
    }
    inode_at(sim, inode)->refs++;
    *inode_out = inode;
    return OK;
}

static err sim_open(struct os *os, const char *path, int flags, struct os_file **out)
{
    struct sim *sim = sim_of(os);
    u32 inode = 0;
    os_mutex_lock(&sim->lock);
    err e = open_locked(sim, path, flags, &inode);
    os_mutex_unlock(&sim->lock);
    if (e == OK) {
        struct sim_file *file = NEW(struct sim_file);
        *file = (struct sim_file){{os}, sim, inode, false};
        *out = &file->base;
    }
    return e;
}

static err sim_close(struct os_file *base)
{
    struct sim_file *file = file_of(base);
    struct sim *sim = file->sim;
    os_mutex_lock(&sim->lock);
    for (int i = 0; i < COUNT_OF(sim->locked) && file->is_lock_holder; i++) {
        if (sim->locked[i] == file->inode) {
            sim->locked[i] = 0;
        }
    }
    inode_release(sim, file->inode);
    os_mutex_unlock(&sim->lock);
    mem_free(file);
    return OK;
}

static err sim_read(struct os_file *base, u64 offset, void *data, isize bytes, isize *got_out)
{
    struct sim_file *file = file_of(base);
    struct sim *sim = file->sim;
    os_mutex_lock(&sim->lock);
    err e = fault(sim);
    if (e == OK) {
        const struct inode *inode = inode_at(sim, file->inode);
        u64 left = offset < inode->bytes ? inode->bytes - offset : 0;
        u64 got = MIN(left, (u64)bytes);
        get_bytes(inode, offset, data, got);
        *got_out = (isize)got;
    }
    os_mutex_unlock(&sim->lock);
    return e;
}

static err write_some(struct sim *sim, u32 number, u64 offset, const struct os_iov *iov, int count,
                      u64 bytes)
{
    struct inode *inode = inode_at(sim, number);
    u64 more = offset + bytes > inode->bytes ? offset + bytes - inode->bytes : 0;
    if (sim->free_bytes != UINT64_MAX && more > sim->free_bytes) {
        return ERR_FULL;
    }
    for (int i = 0; i < count && bytes > 0; i++) {
        u64 part = MIN((u64)iov[i].bytes, bytes);
        put_bytes(sim, inode, offset, iov[i].data, part);
        trace_write(sim, number, offset, iov[i].data, part);
        offset += part;
        bytes -= part;
    }
    if (more > 0) {
        inode->bytes = offset;
        trace_size(sim, number, offset);
        sim->free_bytes -= sim->free_bytes != UINT64_MAX ? more : 0;
    }
    return OK;
}

static err write_locked(struct sim *sim, u32 number, u64 offset, const struct os_iov *iov,
                        int count)
{
    u64 bytes = 0;
    for (int i = 0; i < count; i++) {
        bytes += (u64)iov[i].bytes;
    }
    err e = fault_change(sim, "write", NULL, number);
    if (e != OK && !sim->is_fail_short) {
        return e;
    }
    err written = write_some(sim, number, offset, iov, count, e == OK ? bytes : bytes / 2);
    return e == OK ? written : e;
}

static err sim_write(struct os_file *base, u64 offset, const struct os_iov *iov, int count)
{
    struct sim_file *file = file_of(base);
    os_mutex_lock(&file->sim->lock);
    err e = write_locked(file->sim, file->inode, offset, iov, count);
    os_mutex_unlock(&file->sim->lock);
    return e;
}

static err sim_sync(struct os_file *base)
{
    struct sim_file *file = file_of(base);
    struct sim *sim = file->sim;
    os_mutex_lock(&sim->lock);
    err e = fault_change(sim, "sync", NULL, file->inode);
    struct sim_op *op = e == OK ? trace_add(sim, SIM_SYNC) : NULL;
    if (op != NULL) {
        op->inode = file->inode;
    }
    os_mutex_unlock(&sim->lock);
    return e;
}

static void give_back(struct sim *sim, u64 bytes)
{
    sim->free_bytes += sim->free_bytes != UINT64_MAX ? bytes : 0;
}

static err sim_truncate(struct os_file *base, u64 bytes)
{
    struct sim_file *file = file_of(base);
    struct sim *sim = file->sim;
    os_mutex_lock(&sim->lock);
    err e = fault_change(sim, "truncate", NULL, file->inode);
    if (e == OK) {
        struct inode *inode = inode_at(sim, file->inode);
        give_back(sim, inode->bytes > bytes ? inode->bytes - bytes : 0);
        set_size(sim, inode, bytes);
        trace_size(sim, file->inode, bytes);
    }
    os_mutex_unlock(&sim->lock);
    return e;
}

static void stat_take(const struct inode *inode, struct os_stat *out)
{
    *out = (struct os_stat){
        .kind = inode->is_dir ? OS_DIR : OS_FILE, .bytes = inode->bytes, .inode = inode->number};
}

static err sim_stat_file(struct os_file *base, struct os_stat *out)
{
    struct sim_file *file = file_of(base);
    os_mutex_lock(&file->sim->lock);
    err e = fault(file->sim);
    if (e == OK) {
        stat_take(inode_at(file->sim, file->inode), out);
    }
    os_mutex_unlock(&file->sim->lock);
    return e;
}

static err sim_stat(struct os *os, const char *path, struct os_stat *out)
{
    struct sim *sim = sim_of(os);
    os_mutex_lock(&sim->lock);
    err e = fault(sim);
    if (e == OK && (strcmp(path, "/") == 0 || strcmp(path, ".") == 0)) {
        *out = (struct os_stat){.kind = OS_DIR};
    } else if (e == OK) {
        const struct name *name = name_find(sim, path);
        if (name != NULL && parent_exists(sim, path)) {
            stat_take(inode_at(sim, name->inode), out);
        } else {
            e = ERR_NOT_FOUND;
        }
    }
    os_mutex_unlock(&sim->lock);
    return e;
}

static void move_name(struct sim *sim, u32 inode, const char *from, const char *to)
{
    name_set(sim, to, inode);
    struct name *name = name_find(sim, from);
    if (name != NULL && name->inode == inode) {
        name_remove(sim, name);
    }
}

static err sim_rename(struct os *os, const char *from, const char *to)
{
    struct sim *sim = sim_of(os);
    os_mutex_lock(&sim->lock);
    err e = fault_change(sim, "rename", from, 0);
    const struct name *name = name_find(sim, from);
    if (e == OK && (name == NULL || !parent_exists(sim, to))) {
        e = ERR_NOT_FOUND;
    }
    if (e == OK) {
        u32 inode = name->inode;
        trace_name(sim, SIM_MOVE, inode, from, to);
        move_name(sim, inode, from, to);
    }
    os_mutex_unlock(&sim->lock);
    return e;
}

/* Nothing whose crashes are to be seen makes one. */
static err sim_link(struct os *os, const char *from, const char *to)
{
    (void)os;
    (void)from;
    (void)to;
    return ERR_UNSUPPORTED;
}

static err sim_unlink(struct os *os, const char *path)
{
    struct sim *sim = sim_of(os);
    os_mutex_lock(&sim->lock);
    err e = fault_change(sim, "unlink", path, 0);
    struct name *name = name_find(sim, path);
    if (e == OK && name == NULL) {
        e = ERR_NOT_FOUND;
    }
    if (e == OK) {
        give_back(sim, inode_at(sim, name->inode)->bytes);
        trace_name(sim, SIM_UNLINK, name->inode, path, NULL);
        name_remove(sim, name);
    }
    os_mutex_unlock(&sim->lock);
    return e;
}

static err sim_mkdir(struct os *os, const char *path)
{
    struct sim *sim = sim_of(os);
    os_mutex_lock(&sim->lock);
    err e = fault_change(sim, "mkdir", path, 0);
    if (e == OK && name_find(sim, path) != NULL) {
        e = ERR_EXISTS;
    } else if (e == OK && !parent_exists(sim, path)) {
        e = ERR_NOT_FOUND;
    } else if (e == OK) {
        (void)create(sim, path, true);
    }
    os_mutex_unlock(&sim->lock);
    return e;
}

static err sim_rmdir(struct os *os, const char *path)
{
    struct sim *sim = sim_of(os);
    os_mutex_lock(&sim->lock);
    bool is_empty = true;
    for (u32 i = 0; i < sim->name_count; i++) {
        is_empty = is_empty && !sim_has_same_directory(path, sim->names[i].path);
    }
    os_mutex_unlock(&sim->lock);
    return is_empty ? sim_unlink(os, path) : ERR_EXISTS;
}

static err sim_sync_dir(struct os *os, const char *path)
{
    struct sim *sim = sim_of(os);
    os_mutex_lock(&sim->lock);
    err e = fault_change(sim, "sync_dir", path, 0);
    if (e == OK && !dir_exists(sim, path)) {
        e = ERR_NOT_FOUND;
    }
    if (e == OK) {
        trace_name(sim, SIM_SYNC_DIR, 0, path, NULL);
    }
    os_mutex_unlock(&sim->lock);
    return e;
}

static err sim_list(struct os *os, const char *path, bool (*each)(void *ctx, const char *name),
                    void *ctx)
{
    struct sim *sim = sim_of(os);
    os_mutex_lock(&sim->lock);
    err e = fault(sim);
    if (e == OK && !dir_exists(sim, path)) {
        e = ERR_NOT_FOUND;
    }
    u32 count = e == OK ? sim->name_count : 0;
    char **found = mem_alloc(((isize)count + 1) * (isize)sizeof(char *));
    u32 found_count = 0;
    for (u32 i = 0; i < count; i++) {
        const char *name = sim->names[i].path;
        if (sim_has_same_directory(path, name)) {
            isize slash = str_rfind_byte(str_of(name), '/');
            found[found_count++] = copy_text(name + slash + 1);
        }
    }
    os_mutex_unlock(&sim->lock);
    bool goes_on = true;
    for (u32 i = 0; i < found_count; i++) {
        goes_on = goes_on && each(ctx, found[i]);
        mem_free(found[i]);
    }
    mem_free(found);
    return e;
}

static err lock_inode(struct sim *sim, u32 inode)
{
    TRY(fault(sim));
    int spare = -1;
    for (int i = 0; i < COUNT_OF(sim->locked); i++) {
        if (sim->locked[i] == inode) {
            return ERR_IN_USE;
        }
        spare = sim->locked[i] == 0 ? i : spare;
    }
    if (spare < 0) {
        return ERR_LIMIT;
    }
    sim->locked[spare] = inode;
    return OK;
}

static err sim_lock(struct os_file *base)
{
    struct sim_file *file = file_of(base);
    os_mutex_lock(&file->sim->lock);
    err e = lock_inode(file->sim, file->inode);
    file->is_lock_holder = e == OK;
    os_mutex_unlock(&file->sim->lock);
    return e;
}

static err sim_space(struct os *os, const char *path, struct os_space *out)
{
    (void)path;
    struct sim *sim = sim_of(os);
    os_mutex_lock(&sim->lock);
    *out = (struct os_space){MIN(sim->free_bytes, UINT64_MAX / 2), UINT64_MAX / 2};
    os_mutex_unlock(&sim->lock);
    return OK;
}

/* --- clock and randomness
 * ------------------------------------------------------------------------- */

static i64 sim_wall_us(struct os *os)
{
    return __atomic_load_n(&sim_of(os)->wall_us, __ATOMIC_RELAXED);
}

static u64 sim_mono_ns(struct os *os)
{
    return __atomic_load_n(&sim_of(os)->mono_ns, __ATOMIC_RELAXED);
}

static void sim_random(struct os *os, void *data, isize bytes)
{
    struct sim *sim = sim_of(os);
    u8 *out = data;
    os_mutex_lock(&sim->lock);
    for (isize i = 0; i < bytes; i += 8) {
        u64 value = rng_next(&sim->rng);
        memcpy(out + i, &value, (size_t)MIN(bytes - i, 8));
    }
    os_mutex_unlock(&sim->lock);
}

static void sim_sleep_ms(struct os *os, u32 ms)
{
    sim_advance_us(sim_of(os), (i64)ms * 1000);
}

void sim_advance_us(struct sim *sim, i64 us)
{
    __atomic_fetch_add(&sim->wall_us, us, __ATOMIC_RELAXED);
    if (us > 0) {
        __atomic_fetch_add(&sim->mono_ns, (u64)us * 1000, __ATOMIC_RELAXED);
    }
}

static i64 real_wall_us(struct os *os)
{
    (void)os;
    return os_wall_us(os_real());
}

static u64 real_mono_ns(struct os *os)
{
    (void)os;
    return os_mono_ns(os_real());
}

static void real_random(struct os *os, void *data, isize bytes)
{
    (void)os;
    os_random(os_real(), data, bytes);
}

static void real_sleep_ms(struct os *os, u32 ms)
{
    (void)os;
    os_sleep_ms(os_real(), ms);
}

static const struct os_fs sim_fs = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .write = sim_write,
    .sync = sim_sync,
    .truncate = sim_truncate,
    .stat_file = sim_stat_file,
    .stat = sim_stat,
    .rename = sim_rename,
    .link = sim_link,
    .unlink = sim_unlink,
    .mkdir = sim_mkdir,
    .rmdir = sim_rmdir,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
    .lock = sim_lock,
    .space = sim_space,
};

static const struct os_env virtual_env = {
    .wall_us = sim_wall_us,
    .mono_ns = sim_mono_ns,
    .random = sim_random,
    .sleep_ms = sim_sleep_ms,
};

static const struct os_env real_env = {
    .wall_us = real_wall_us,
    .mono_ns = real_mono_ns,
    .random = real_random,
    .sleep_ms = real_sleep_ms,
};

/* --- the machine
 * ------------------------------------------------------------------------------------ */

static struct sim *machine_new(u64 seed, const struct os_env *env)
{
    struct sim *sim = NEW(struct sim);
    sim->os = (struct os){&sim_fs, env, sim};
    os_mutex_init(&sim->lock);
    rng_init(&sim->rng, seed);
    sim->wall_us = 1767225600000000;
    sim->mono_ns = 1000000000;
    sim->free_bytes = UINT64_MAX;
    return sim;
}

struct sim *sim_new(u64 seed)
{
    return machine_new(seed, &virtual_env);
}

void sim_free(struct sim *sim)
{
    if (sim == NULL) {
        return;
    }
    sim_trace_stop(sim);
    mem_free(sim->ops);
    for (u32 i = 0; i < sim->name_count; i++) {
        mem_free(sim->names[i].path);
    }
    for (u32 i = 0; i < sim->inode_count; i++) {
        inode_drop(sim, &sim->inodes[i]);
    }
    mem_free(sim->names);
    mem_free(sim->inodes);
    os_mutex_deinit(&sim->lock);
    mem_free(sim);
}

struct os *sim_os(struct sim *sim)
{
    return &sim->os;
}

struct os *sim_memory_new(void)
{
    return &machine_new(0, &real_env)->os;
}

void sim_memory_free(struct os *os)
{
    sim_free(sim_of(os));
}

void sim_set_space(struct sim *sim, u64 free_bytes)
{
    os_mutex_lock(&sim->lock);
    sim->free_bytes = free_bytes;
    os_mutex_unlock(&sim->lock);
}

u64 sim_used_bytes(struct sim *sim)
{
    os_mutex_lock(&sim->lock);
    u64 used = sim->used_bytes;
    os_mutex_unlock(&sim->lock);
    return used;
}

static void fail_from(struct sim *sim, u64 at, err e, bool is_sticky, bool is_short)
{
    sim->fail_at = at;
    sim->fail_with = e;
    sim->is_fail_sticky = is_sticky;
    sim->is_fail_short = is_short;
    sim->failed[0] = '\0';
}

void sim_fail(struct sim *sim, u64 nth, err e, bool is_sticky)
{
    os_mutex_lock(&sim->lock);
    sim->is_fail_change = false;
    fail_from(sim, nth == 0 ? 0 : sim->calls + nth, e, is_sticky, false);
    os_mutex_unlock(&sim->lock);
}

void sim_fail_change(struct sim *sim, u64 nth, err e, bool is_sticky, bool is_short)
{
    os_mutex_lock(&sim->lock);
    sim->is_fail_change = true;
    fail_from(sim, nth == 0 ? 0 : sim->changes + nth, e, is_sticky, is_short);
    os_mutex_unlock(&sim->lock);
}

u64 sim_calls(const struct sim *sim)
{
    return sim->calls;
}

u64 sim_changes(const struct sim *sim)
{
    return sim->changes;
}

const char *sim_failed(struct sim *sim)
{
    os_mutex_lock(&sim->lock);
    const char *failed = sim->failed[0] == '\0' ? NULL : sim->failed; /* Not changed any more. */
    os_mutex_unlock(&sim->lock);
    return failed;
}

/* --- images
 * ----------------------------------------------------------------------------------------- */

/* The lock is held. */
static struct sim *copy_disk(const struct sim *from)
{
    struct sim *sim = machine_new(1, from->os.env);
    sim->rng = from->rng;
    sim->wall_us = from->wall_us;
    sim->mono_ns = from->mono_ns;
    sim->free_bytes = from->free_bytes;
    sim->used_bytes = from->used_bytes;
    inode_reserve(sim, from->inode_count);
    for (u32 i = 0; i < from->inode_count; i++) {
        const struct inode *source = &from->inodes[i];
        struct inode *inode = &sim->inodes[i];
        inode->is_dir = source->is_dir;
        inode->bytes = source->bytes;
        grow_pages(inode, source->page_count);
        for (u64 j = 0; j < source->page_count; j++) {
            inode->pages[j] = source->pages[j];
            if (inode->pages[j] != NULL) {
                __atomic_fetch_add(&inode->pages[j]->refs, 1, __ATOMIC_RELAXED);
            }
        }
    }
    sim->name_capacity = from->name_count + 4;
    sim->names = mem_alloc((isize)sim->name_capacity * (isize)sizeof *sim->names);
    for (u32 i = 0; i < from->name_count; i++) {
        sim->names[i] = (struct name){copy_text(from->names[i].path), from->names[i].inode};
        sim->inodes[from->names[i].inode - 1].refs++;
    }
    sim->name_count = from->name_count;
    return sim;
}

struct sim *sim_clone(struct sim *from)
{
    os_mutex_lock(&from->lock);
    struct sim *sim = copy_disk(from);
    os_mutex_unlock(&from->lock);
    return sim;
}

struct sim *sim_clone_traced(struct sim *from)
{
    os_mutex_lock(&from->lock);
    struct sim *sim = copy_disk(from);
    sim_trace_start(from);
    os_mutex_unlock(&from->lock);
    return sim;
}

void sim_apply(struct sim *sim, const struct sim_op *op)
{
    struct name *name;
    if (op->inode != 0) {
        inode_reserve(sim, op->inode);
    }
    bool was_tracing = sim->is_tracing;
    sim->is_tracing = true; /* Names may come and go in any order: drop nothing. */
    switch (op->kind) {
    case SIM_WRITE:
        put_bytes(sim, inode_at(sim, op->inode), op->offset, op->data, op->bytes);
        break;
    case SIM_SIZE:
        set_size(sim, inode_at(sim, op->inode), op->offset);
        break;
    case SIM_LINK:
        inode_at(sim, op->inode)->is_dir = op->is_dir;
        name_set(sim, op->name, op->inode);
        break;
    case SIM_MOVE:
        move_name(sim, op->inode, op->name, op->target);
        break;
    case SIM_UNLINK:
        name = name_find(sim, op->name);
        if (name != NULL) {
            name_remove(sim, name);
        }
        break;
    case SIM_SYNC:
    case SIM_SYNC_DIR:
        break;
    }
    sim->is_tracing = was_tracing;
}

void sim_apply_garbage(struct sim *sim, const struct sim_op *op, const u8 *data)
{
    CHECK(op->kind == SIM_WRITE);
    inode_reserve(sim, op->inode);
    put_bytes(sim, inode_at(sim, op->inode), op->offset, data, op->bytes);
}

void sim_peek(const struct sim *sim, u32 inode, u64 offset, void *data, isize bytes)
{
    if (inode == 0 || inode > sim->inode_count) {
        memset(data, 0, (size_t)bytes);
        return;
    }
    get_bytes(inode_at(sim, inode), offset, data, (u64)bytes);
}

static u64 inode_hash(struct inode *inode)
{
    u64 hash = hash64(&inode->bytes, sizeof inode->bytes, inode->is_dir);
    u64 pages = MIN(inode->page_count, (inode->bytes + PAGE_BYTES - 1) / PAGE_BYTES);
    for (u64 i = 0; i < pages; i++) {
        struct page *page = inode->pages[i];
        if (page == NULL) {
            continue;
        }
        if (page->hash == 0) {
            page->hash = hash64(page->data, PAGE_BYTES, 1) | 1;
        }
        u64 pair[2] = {page->hash, i};
        hash = hash64(pair, sizeof pair, hash);
    }
    return hash;
}

u64 sim_hash(struct sim *sim)
{
    u64 sum = 0; /* Order of names does not count. */
    for (u32 i = 0; i < sim->name_count; i++) {
        u64 content = inode_hash(inode_at(sim, sim->names[i].inode));
        sum += hash64(sim->names[i].path, (isize)strlen(sim->names[i].path), content);
    }
    return sum;
}
