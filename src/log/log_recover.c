/*
 * log/log_recover.c: from what is on the disk to an open log. First everything is
 * read and judged; only then is anything changed, so that a start which fails has
 * not touched the files.
 */
#include "base/hash.h"
#include "base/trace.h"
#include "log/log_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_MAX_BYTES = 256, STORE_BYTES = LOG__BLOCK_BYTES };

static const char store_magic[8] = "LEATSTOR";

struct found {
    u64 no;
    u64 bytes;
    struct log__header header;
    bool is_foreign; /* Of another store, or without a header that can be read. */
    bool is_lost;    /* The latter. */
    bool is_member;
};

struct recovery {
    struct log *log;
    struct diag *diag;
    struct found *files; /* Ascending by number. */
    u32 file_count, file_capacity;
    char (*strays)[NAME_MAX_BYTES]; /* Go to lost+found. */
    u32 stray_count;
    u64 *unfinished; /* Numbers of .new files. */
    u32 unfinished_count;
    bool has_store, has_store_tmp;
    u64 *members;
    u32 member_count;
    struct found *newest; /* Normal segment that says what the log consists of. */
    struct log__segment *newest_segment;
    struct log__index newest_index;
    u64 newest_end;
    bool is_newest_sealed;
    u64 max_segment;  /* Greatest number heard of. */
    u64 store_newest; /* As STORE says; 0 = it does not. */
};

/* --- names ---------------------------------------------------------------------------------- */

static bool parse_number(const char *name, const char *suffix, u64 *out)
{
    str s = str_of(name);
    if (s.len != 20 || !str_eq(str_slice(s, 16, 20), str_of(suffix))) {
        return false;
    }
    u64 value = 0;
    for (isize i = 0; i < 16; i++) {
        u8 c = s.data[i];
        bool is_digit = c >= '0' && c <= '9';
        if (!is_digit && !(c >= 'a' && c <= 'f')) {
            return false;
        }
        value = value << 4 | (u64)(is_digit ? c - '0' : c - 'a' + 10);
    }
    *out = value;
    return value < LOG__COUNT_MAX;
}

static void add_u64(u64 **list, u32 *count, u64 value)
{
    *list = mem_resize(*list, ((isize)*count + 1) * 8);
    (*list)[(*count)++] = value;
}

static bool take_name(void *ctx, const char *name)
{
    struct recovery *r = ctx;
    u64 no;
    if (parse_number(name, ".seg", &no)) {
        if (r->file_count == r->file_capacity) {
            r->file_capacity = MAX(r->file_capacity * 2, 16);
            r->files = mem_resize(r->files, (isize)r->file_capacity * (isize)sizeof *r->files);
        }
        r->files[r->file_count++] = (struct found){.no = no};
    } else if (parse_number(name, ".new", &no)) {
        add_u64(&r->unfinished, &r->unfinished_count, no);
    } else if (strcmp(name, "STORE") == 0) {
        r->has_store = true;
    } else if (strcmp(name, "STORE.tmp") == 0) {
        r->has_store_tmp = true;
    } else if (strcmp(name, "LOCK") != 0 && strcmp(name, "lost+found") != 0) {
        r->strays = mem_resize(r->strays, ((isize)r->stray_count + 1) * NAME_MAX_BYTES);
        str_copy_cstr(str_of(name), r->strays[r->stray_count++], NAME_MAX_BYTES);
    }
    return true;
}

static int by_number(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    return x->no < y->no ? -1 : x->no > y->no;
}

/* --- the store file ------------------------------------------------------------------------- */

static void store_path(const struct log *log, const char *name, char *out)
{
    int len = snprintf(out, LOG__PATH_MAX, "%s/%s", log->dir, name);
    CHECK(len > 0 && len < LOG__PATH_MAX);
}

static err store_read(struct recovery *r)
{
    struct log *log = r->log;
    char path[LOG__PATH_MAX];
    store_path(log, "STORE", path);
    struct os_file *file;
    err e = os_open(log->os, path, OS_READ, &file);
    if (e != OK) {
        return diag_set(r->diag, e, "LOG0008", "cannot open \"%s\": %s", path, err_text(e));
    }
    u8 block[STORE_BYTES];
    e = os_read_exact(file, 0, block, STORE_BYTES);
    IGNORE(os_close(file)); /* Only read. */
    bool is_good = e == OK && memcmp(block, store_magic, sizeof store_magic) == 0 &&
                   get_u32(block + STORE_BYTES - 4) == crc32c(0, block, STORE_BYTES - 4);
    if (e == ERR_CORRUPT || (e == OK && !is_good)) {
        return diag_set(r->diag, ERR_CORRUPT, "LOG0001", "\"%s\" is damaged at offset 0", path);
    }
    TRY(e);
    u32 version = get_u32(block + 8);
    if (version > LOG__VERSION) {
        char what[LOG__PATH_MAX + 2];
        (void)snprintf(what, sizeof what, "\"%s\"", path);
        return diag_set_newer(r->diag, "LOG0002", what, version, LOG__VERSION);
    }
    memcpy(log->uuid, block + 16, LOG__UUID_BYTES);
    r->store_newest = get_u64(block + 32);
    if (r->store_newest >= LOG__COUNT_MAX) {
        return diag_set(r->diag, ERR_CORRUPT, "LOG0001", "\"%s\" is damaged at offset 32", path);
    }
    return OK;
}

err log__store_write(struct log *log, u64 newest)
{
    u8 block[STORE_BYTES] = {0};
    memcpy(block, store_magic, sizeof store_magic);
    put_u32(block + 8, LOG__VERSION);
    memcpy(block + 16, log->uuid, LOG__UUID_BYTES);
    put_u64(block + 32, newest);
    put_u32(block + STORE_BYTES - 4, crc32c(0, block, STORE_BYTES - 4));
    char path[LOG__PATH_MAX];
    store_path(log, "STORE", path);
    return os_replace_file(log->os, path, str_from(block, STORE_BYTES));
}

/* --- judging -------------------------------------------------------------------------------- */

static err open_segment(struct log *log, u64 no, int flags, struct os_file **out)
{
    char path[LOG__PATH_MAX];
    log__path(log, no, "seg", path);
    return os_open(log->os, path, flags, out);
}

static err damaged(struct recovery *r, u64 no, const char *what)
{
    r->log->bad_segment = no;
    char path[LOG__PATH_MAX];
    log__path(r->log, no, "seg", path);
    diag_set(r->diag, ERR_CORRUPT, "LOG0003", "%s: \"%s\"", what, path);
    diag_hint(r->diag,
              "restore the file from a backup, or see what is lost: leat doctor --data DIR; "
              "nothing has been changed");
    return ERR_CORRUPT;
}

/* A start refuses; looking notes it, once, and goes on. */
static err missing(struct recovery *r, u64 no, const char *what)
{
    struct log *log = r->log;
    if (!log->is_checked_only) {
        return damaged(r, no, what);
    }
    for (u32 i = 0; i < log->missing_count; i++) {
        if (log->missing[i].no == no) {
            return OK;
        }
    }
    log->missing =
        mem_resize(log->missing, ((isize)log->missing_count + 1) * (isize)sizeof *log->missing);
    log->missing[log->missing_count++] = (struct log__missing){no, what};
    return OK;
}

static err read_header(struct recovery *r, struct found *found)
{
    struct os_file *file;
    struct os_stat stat;
    err e = open_segment(r->log, found->no, OS_READ, &file);
    if (e != OK) {
        return diag_set(r->diag, e, "LOG0008", "cannot open segment \"%016llx.seg\" of \"%s\": %s",
                        (unsigned long long)found->no, r->log->dir, err_text(e));
    }
    e = os_stat_file(file, &stat);
    if (e == OK) {
        found->bytes = stat.bytes;
        e = log__header_read(file, stat.bytes, &found->header);
    }
    IGNORE(os_close(file)); /* Only read. */
    if (e == ERR_VERSION) {
        char what[64];
        (void)snprintf(what, sizeof what, "segment \"%016llx.seg\"", (unsigned long long)found->no);
        return diag_set_newer(r->diag, "LOG0002", what, found->header.version, LOG__VERSION);
    }
    if (e == ERR_CORRUPT) {
        found->is_lost = true;
        found->is_foreign = true;
        return missing(r, found->no, "both headers of a segment are damaged at offset 0");
    }
    TRY(e);
    if (found->header.is_single) {
        metric_add(&r->log->stats.damaged_parts, 1);
        trace(TRACE_ERROR, "log", "one of two copies of a segment's header is damaged",
              T_INT("segment", found->no));
    }
    found->is_foreign = memcmp(found->header.id.uuid, r->log->uuid, LOG__UUID_BYTES) != 0 ||
                        found->header.id.segment != found->no;
    found->is_foreign = found->is_foreign && !PLANTED(BUG_FOREIGN_ACCEPTED);
    return OK;
}

static err read_headers(struct recovery *r)
{
    for (u32 i = 0; i < r->file_count; i++) {
        TRY(read_header(r, &r->files[i]));
        struct found *found = &r->files[i];
        if (found->is_foreign) {
            continue;
        }
        r->max_segment = MAX(r->max_segment, found->no);
        if (found->header.kind == LOG__NORMAL) {
            r->newest = found;
        }
    }
    /* Behind the newest it may stand where the newest stood. */
    const struct found *last = r->file_count > 0 ? &r->files[r->file_count - 1] : NULL;
    if (last != NULL && last->is_foreign && !last->is_lost) {
        return damaged(r, last->no, "the last segment is of another store or has another's name");
    }
    if (r->newest == NULL) {
        diag_set(r->diag, ERR_CORRUPT, "LOG0004", "the segments of the log in \"%s\" are missing",
                 r->log->dir);
        diag_hint(r->diag, "restore them from a backup; to start anew, give an empty directory");
        return ERR_CORRUPT;
    }
    r->max_segment = MAX(r->max_segment, r->store_newest);
    bool is_passed_over = r->log->is_salvaged || PLANTED(BUG_MISSING_IGNORED);
    return r->newest->no < r->store_newest && !is_passed_over
               ? missing(r, r->store_newest, "the newest segment of the log is missing")
               : OK;
}

static struct log__segment *segment_of(const struct found *found)
{
    struct log__segment *segment = NEW(struct log__segment);
    const struct log__header *header = &found->header;
    *segment = (struct log__segment){
        .refs = 1,
        .kind = header->kind,
        .id = header->id,
        .frames_offset = (u64)header->bytes * 2,
        .header_crc = header->crc,
        .bytes = found->bytes,
        .first_lsn = header->next_lsn,
        .last_lsn = header->next_lsn - 1,
        .first_no = header->next_no,
        .last_no = header->next_no - 1,
        .first_arrival_ms = header->arrival_ms,
        .last_arrival_ms = header->arrival_ms,
    };
    return segment;
}

/* Takes over what a scan found. */
static void fill_from_index(struct log__segment *segment, const struct log__index *index)
{
    segment->damaged_count = index->damaged_count;
    segment->frame_count = index->frame_count;
    segment->channel_count = index->channel_count;
    segment->run_count = index->run_count;
    if (index->frame_count > 0) {
        const struct log__frame_info *first = &index->frames[0];
        const struct log__frame_info *last = &index->frames[index->frame_count - 1];
        bool is_fence = (first->flags & LOG__FRAME_DAMAGED) != 0;
        segment->first_lsn = is_fence ? segment->first_lsn : first->lsn;
        segment->last_lsn = last->lsn;
        segment->first_no = first->first_no;
        segment->last_no = last->last_no;
        segment->first_arrival_ms = first->arrival_ms;
        segment->last_arrival_ms = last->arrival_ms;
    }
    for (u32 i = 0; i < index->channel_count; i++) {
        log__bloom_add(segment->bloom, index->channels[i].channel);
    }
}

static bool trailer_fits(const struct log__trailer *trailer, const struct log__segment *segment)
{
    return trailer->id.segment == segment->id.segment && trailer->id.epoch == segment->id.epoch &&
           memcmp(trailer->id.uuid, segment->id.uuid, LOG__UUID_BYTES) == 0 &&
           trailer->kind == segment->kind;
}

static err scan_newest(struct recovery *r, struct os_file *file)
{
    struct log__segment *segment = r->newest_segment;
    struct log__trailer trailer;
    err e = log__trailer_read(file, segment->bytes, &trailer);
    if (e == OK) {
        e = trailer_fits(&trailer, segment) ? log__index_read(file, &trailer, &r->newest_index)
                                            : ERR_CORRUPT;
    }
    if (e == OK) {
        log__trailer_decode_into(segment, &trailer);
        r->is_newest_sealed = true;
        return OK;
    }
    if (e != ERR_CORRUPT) {
        return e;
    }
    TRY(log__scan(r->log, segment, file, &r->newest_index, &r->newest_end));
    fill_from_index(segment, &r->newest_index);
    return OK;
}

static void remove_member(struct recovery *r, u64 no)
{
    for (u32 i = 0; i < r->member_count; i++) {
        if (r->members[i] == no) {
            r->members[i] = r->members[--r->member_count];
            return;
        }
    }
}

static err replay_swap(struct recovery *r, str record)
{
    u64 replacement;
    str olds;
    TRY(log__swap_decode(record, &replacement, &olds));
    if (replacement >= LOG__COUNT_MAX) {
        return ERR_CORRUPT;
    }
    for (isize i = 0; i < olds.len; i += 8) {
        remove_member(r, get_u64(olds.data + i));
        r->max_segment = MAX(r->max_segment, get_u64(olds.data + i));
    }
    if (replacement != 0 && !PLANTED(BUG_SWAP_FORGOTTEN)) {
        add_u64(&r->members, &r->member_count, replacement);
        r->max_segment = MAX(r->max_segment, replacement);
    }
    return OK;
}

static err replay_frame(struct recovery *r, struct os_file *file,
                        const struct log__frame_info *info)
{
    struct log_frame *frame;
    TRY(log__frame_read(r->log, file, &r->newest_segment->id, info, &frame));
    struct log_run run;
    struct log_record record;
    err e = log_frame_find(frame, (struct log_channel){0, LOG_CONTROL_META}, &run) ? OK : ERR_END;
    while (e == OK && log_run_next(&run, &record)) {
        e = replay_swap(r, record.body);
    }
    log_frame_unref(frame);
    return e;
}

/* The members: as the newest header says, and changed by the swaps in that segment. A swap that
 * cannot be read shows as a member without a file. */
static err replay_swaps(struct recovery *r, struct os_file *file)
{
    const struct log__header *header = &r->newest->header;
    for (u32 i = 0; i < header->member_count; i++) {
        add_u64(&r->members, &r->member_count, header->members[i]);
    }
    const struct log__channel_runs *runs =
        log__index_channel(&r->newest_index, (struct log_channel){0, LOG_CONTROL_META});
    for (u32 i = 0; runs != NULL && i < runs->count && !PLANTED(BUG_SWAP_NOT_REPLAYED); i++) {
        err e = replay_frame(r, file, &r->newest_index.frames[runs->runs[i].frame]);
        if (e != OK && e != ERR_CORRUPT) {
            return e;
        }
    }
    return OK;
}

static err judge_newest(struct recovery *r)
{
    r->newest_segment = segment_of(r->newest);
    struct os_file *file;
    TRY(open_segment(r->log, r->newest->no, OS_READ, &file));
    err e = scan_newest(r, file);
    if (e == OK) {
        e = replay_swaps(r, file);
    }
    IGNORE(os_close(file)); /* Only read. */
    return e;
}

/* --- members -------------------------------------------------------------------------------- */

static struct found *find_file(struct recovery *r, u64 no)
{
    struct found key = {.no = no};
    struct found *found =
        r->file_count == 0 ? NULL : bsearch(&key, r->files, r->file_count, sizeof key, by_number);
    return found != NULL && !found->is_foreign ? found : NULL;
}

/* Where the normal segment behind `found` begins, there `found` ended. */
static void end_take(const struct recovery *r, const struct found *found,
                     struct log__segment *segment)
{
    for (const struct found *next = found + 1; next < r->files + r->file_count; next++) {
        if (!next->is_foreign && next->header.kind == LOG__NORMAL) {
            segment->known_lsn = next->header.next_lsn - 1;
            segment->known_no = next->header.next_no - 1;
            segment->known_ms = next->header.arrival_ms;
            return;
        }
    }
}

static err load_member(struct recovery *r, const struct found *found)
{
    struct log__segment *segment = segment_of(found);
    struct os_file *file;
    err e = open_segment(r->log, found->no, OS_READ, &file);
    if (e != OK) {
        log__segment_unref(segment);
        return e;
    }
    struct log__trailer trailer;
    e = log__trailer_read(file, found->bytes, &trailer);
    if (e == OK && trailer_fits(&trailer, segment)) {
        log__trailer_decode_into(segment, &trailer);
    } else if (e == OK || e == ERR_CORRUPT) {
        metric_add(&r->log->stats.corrupt_frames, 1);
        trace(TRACE_ERROR, "log", "the trailer of a segment is damaged; reading all of it",
              T_INT("segment", found->no));
        segment->is_rebuilt = true;
        if (segment->kind == LOG__NORMAL) {
            end_take(r, found, segment);
        }
        struct log__index index;
        u64 end;
        e = log__scan(r->log, segment, file, &index, &end);
        if (e == OK) {
            fill_from_index(segment, &index);
            bool is_end_lost = segment->last_lsn == segment->known_lsn;
            segment->last_arrival_ms =
                MAX(segment->last_arrival_ms, is_end_lost ? segment->known_ms : 0);
            log__index_deinit(&index);
        }
    }
    IGNORE(os_close(file)); /* Only read. */
    if (e != OK) {
        log__segment_unref(segment);
        return e;
    }
    log__table_insert(r->log, segment);
    return OK;
}

static err load_members(struct recovery *r)
{
    for (u32 i = 0; i < r->member_count; i++) {
        struct found *found = find_file(r, r->members[i]);
        if (found == NULL && (r->log->is_salvaged || PLANTED(BUG_MISSING_IGNORED))) {
            continue;
        }
        if (found == NULL) {
            TRY(missing(r, r->members[i], "a segment of the log is missing"));
            continue;
        }
        if (found == r->newest || found->is_member) {
            return damaged(r, r->members[i], "a segment is named twice");
        }
        found->is_member = true;
        TRY(load_member(r, found));
    }
    r->newest->is_member = true;
    log__table_insert(r->log, log__segment_ref(r->newest_segment));
    const struct log *log = r->log;
    for (u32 i = 1; i < log->segment_count; i++) {
        const struct log__segment *before = log->segments[i - 1];
        const struct log__segment *segment = log->segments[i];
        if (segment->first_lsn <= before->last_lsn || segment->first_no <= before->last_no ||
            segment->last_lsn < before->last_lsn || segment->last_no < before->last_no) {
            return damaged(r, segment->id.segment, "two segments overlap");
        }
    }
    return OK;
}

/* --- changing ------------------------------------------------------------------------------- */

static err seal_newest(struct recovery *r)
{
    if (r->is_newest_sealed || PLANTED(BUG_LEFT_OPEN)) {
        return OK;
    }
    struct os_file *file;
    TRY(open_segment(r->log, r->newest->no, OS_WRITE, &file));
    u64 end = r->newest_end;
    /* The jump is part of the seal: the next start sees a sealed segment and would not jump. */
    bool is_jump = !PLANTED(BUG_NO_NUMBER_JUMP);
    r->newest_segment->next_no = MAX(r->newest->header.next_no, r->newest_segment->last_no + 1) +
                                 (is_jump ? LOG__NUMBER_JUMP : 0);
    if (PLANTED(BUG_TAIL_CUT_TOO_FAR) && r->newest_index.frame_count > 0) {
        end -= r->newest_index.frames[r->newest_index.frame_count - 1].bytes;
    }
    err e = log__seal_file(r->log, file, r->newest_segment, &r->newest_index, end);
    IGNORE(os_close(file)); /* Has been synced. */
    return e;
}

err log__quarantine(struct log *log, const char *name)
{
    char dir[LOG__PATH_MAX];
    char from[LOG__PATH_MAX + NAME_MAX_BYTES];
    char to[LOG__PATH_MAX + NAME_MAX_BYTES];
    store_path(log, "lost+found", dir);
    err e = os_mkdir(log->os, dir);
    if (e != OK && e != ERR_EXISTS) {
        return e;
    }
    if (snprintf(from, sizeof from, "%s/%s", log->dir, name) < 0 ||
        snprintf(to, sizeof to, "%s/%s", dir, name) < 0) {
        return ERR_LIMIT;
    }
    struct os_stat stat;
    for (int i = 1; os_stat_path(log->os, to, &stat) == OK && i < 1000; i++) {
        if (snprintf(to, sizeof to, "%s/%s.%d", dir, name, i) < 0) {
            return ERR_LIMIT;
        }
    }
    if (os_stat_path(log->os, from, &stat) != OK) {
        return OK;
    }
    trace(TRACE_WARN, "log", "a file was moved to lost+found", T_STR("name", str_of(name)));
    TRY(PLANTED(BUG_STRAY_DELETED) ? os_unlink(log->os, from) : os_rename(log->os, from, to));
    TRY(os_sync_dir(log->os, dir));
    return os_sync_dir(log->os, log->dir);
}

/* Replaced segments, and those that never came into use. */
static err remove_others(struct recovery *r, bool *has_changed)
{
    struct log *log = r->log;
    char path[LOG__PATH_MAX];
    for (u32 i = 0; i < r->file_count; i++) {
        const struct found *found = &r->files[i];
        log__path(log, found->no, "seg", path);
        if (found->is_member || PLANTED(BUG_REPLACED_KEPT)) {
            continue;
        }
        bool is_foreign = found->is_foreign || log->is_salvaged;
        TRY(is_foreign ? log__quarantine(log, path + strlen(log->dir) + 1)
                       : os_unlink(log->os, path));
        *has_changed = *has_changed || !is_foreign;
    }
    return OK;
}

static err tidy_files(struct recovery *r)
{
    struct log *log = r->log;
    char path[LOG__PATH_MAX];
    bool has_changed = false;
    for (u32 i = 0; i < r->unfinished_count && !PLANTED(BUG_UNFINISHED_KEPT); i++) {
        log__path(log, r->unfinished[i], "new", path);
        TRY(os_unlink(log->os, path));
        has_changed = true;
    }
    TRY(remove_others(r, &has_changed));
    if (r->has_store_tmp) {
        store_path(log, "STORE.tmp", path);
        TRY(os_unlink(log->os, path));
        has_changed = true;
    }
    for (u32 i = 0; i < r->stray_count; i++) {
        TRY(log__quarantine(log, r->strays[i]));
    }
    return has_changed ? os_sync_dir(log->os, log->dir) : OK;
}

static void set_counters(struct recovery *r)
{
    struct log *log = r->log;
    const struct log__header *header = &r->newest->header;
    const struct log__segment *newest = r->newest_segment;
    log->tip_lsn = MAX(header->next_lsn - 1, newest->last_lsn);
    log->tip_lsn -= PLANTED(BUG_LSN_REUSED) && newest->frame_count > 0 ? 1 : 0;
    log->next_lsn = log->tip_lsn + 1;
    log->published_no = MAX(header->next_no, newest->last_no + 1);
    log->next_no = MAX(log->published_no, newest->next_no);
    log->open_no = log->next_no;
    log->published_ms =
        PLANTED(BUG_TIME_FORGOTTEN) ? 0 : MAX(header->arrival_ms, newest->last_arrival_ms);
    log->arrival_ms = log->published_ms;
    u64 next = MAX(r->max_segment + 1, header->next_segment);
    for (u32 i = 0; i < r->unfinished_count; i++) {
        next = MAX(next, r->unfinished[i] + 1);
    }
    log->next_segment = PLANTED(BUG_SEGMENT_REUSED) ? header->next_segment : next;
}

/* A directory without STORE is new, or the making of a store was cut short before anything was
 * acknowledged: then there is at most the first segment, without frames. */
static err check_new(struct recovery *r)
{
    for (u32 i = 0; i < r->file_count; i++) {
        if (r->files[i].no != 1 || r->file_count > 1) {
            diag_set(r->diag, ERR_CORRUPT, "LOG0005",
                     "\"%s\" has segments but the file \"STORE\" is missing", r->log->dir);
            diag_hint(r->diag, "restore \"STORE\" from a backup; nothing has been changed");
            return ERR_CORRUPT;
        }
        TRY(read_header(r, &r->files[i]));
        struct os_file *file;
        TRY(open_segment(r->log, 1, OS_READ, &file));
        struct log__segment *segment = segment_of(&r->files[i]);
        struct log__index index;
        u64 end;
        err e = log__scan(r->log, segment, file, &index, &end);
        IGNORE(os_close(file)); /* Only read. */
        bool is_empty = e == OK && index.frame_count == 0;
        if (e == OK) {
            log__index_deinit(&index);
        }
        log__segment_unref(segment);
        TRY(e);
        if (!is_empty) {
            return damaged(r, 1, "the file \"STORE\" is missing, but there are records");
        }
    }
    return OK;
}

static err create_store(struct recovery *r)
{
    struct log *log = r->log;
    TRY(check_new(r));
    for (u32 i = 0; i < r->file_count; i++) {
        r->files[i].is_foreign = false;
        r->files[i].is_member = false;
    }
    TRY(tidy_files(r));
    os_random(log->os, log->uuid, LOG__UUID_BYTES);
    log->next_segment = 1;
    log->next_lsn = 1;
    log->next_no = 1;
    log->open_no = 1;
    if (PLANTED(BUG_STORE_FIRST)) {
        TRY(log__store_write(log, 0));
    }
    return log__active_create(log); /* Which writes STORE. */
}

/* Salvage: the segments tell whose they are. */
static err store_again(struct recovery *r)
{
    struct log *log = r->log;
    for (u32 i = r->file_count; i > 0; i--) {
        struct os_file *file;
        struct os_stat stat;
        struct log__header header;
        TRY(open_segment(log, r->files[i - 1].no, OS_READ, &file));
        err e = os_stat_file(file, &stat);
        e = e == OK ? log__header_read(file, stat.bytes, &header) : e;
        IGNORE(os_close(file)); /* Only read. */
        if (e == OK) {
            memcpy(log->uuid, header.id.uuid, LOG__UUID_BYTES);
            log__header_deinit(&header);
            TRY(log__quarantine(log, "STORE"));
            r->has_store = true;
            diag_init(r->diag);
            return log__store_write(log, 0);
        }
    }
    return ERR_CORRUPT;
}

static err recover_existing(struct recovery *r)
{
    TRY(read_headers(r));
    TRY(judge_newest(r));
    TRY(load_members(r));
    r->log->newest_no = r->newest->no;
    r->log->is_newest_open = !r->is_newest_sealed;
    if (r->log->is_checked_only) {
        r->newest_segment->is_rebuilt = !r->is_newest_sealed;
        set_counters(r);
        return OK;
    }
    TRY(seal_newest(r));
    set_counters(r);
    return tidy_files(r);
}

err log__recover(struct log *log, struct diag *diag)
{
    struct recovery r = {.log = log, .diag = diag};
    err e = os_list(log->os, log->dir, take_name, &r);
    if (e == OK && r.file_count > 0) {
        qsort(r.files, r.file_count, sizeof *r.files, by_number);
    }
    if (e == OK && r.has_store) {
        e = store_read(&r);
    }
    if (log->is_salvaged && (e == ERR_CORRUPT || (e == OK && !r.has_store && r.file_count > 0))) {
        e = store_again(&r);
    }
    bool is_new = !r.has_store;
    if (e == OK && is_new && log->is_checked_only) {
        e = check_new(&r);
        e = e == OK ? ERR_NOT_FOUND : e;
    } else if (e == OK) {
        e = is_new ? create_store(&r) : recover_existing(&r);
    }
    for (u32 i = 0; i < r.file_count; i++) {
        log__header_deinit(&r.files[i].header);
    }
    log__segment_unref(r.newest_segment);
    log__index_deinit(&r.newest_index);
    mem_free(r.files);
    mem_free(r.strays);
    mem_free(r.unfinished);
    mem_free(r.members);
    return e;
}
