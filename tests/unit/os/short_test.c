/* The real machine's writes and reads when the kernel takes or gives less than asked, is
 * interrupted, or has no room: nothing is left out, nothing is written twice, errors are told. */
/* The checked forms of the headers would be inline, and these calls are to be ours. */
#undef _FORTIFY_SOURCE

#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILE_BYTES = 5000, PIECES = 7, BLOCK = 4096, BLOCKS = 4 };

/* What the kernel does with the calls to come, in turn; the last of them from then on. */
enum answer { WHOLE, ONE_BYTE, HALF, INTERRUPTED, FULL, BROKEN, NOTHING, INVALID, UNSUPPORTED };
static const enum answer *answers;
static int answer_count, calls;
static int direct_fd, cached_fd, synced_direct, synced_cached; /* As the calls tell. */

static enum answer next_answer(void)
{
    enum answer answer = answers[MIN(calls, answer_count - 1)];
    calls++;
    return answer;
}

/* The part of `bytes` that this call is for, -1 with errno. */
static ssize_t part_of(size_t bytes)
{
    switch (next_answer()) {
    case ONE_BYTE:
        return MIN((ssize_t)bytes, 1);
    case HALF:
        return (ssize_t)(bytes + 1) / 2;
    case INTERRUPTED:
        errno = EINTR;
        return -1;
    case FULL:
        errno = ENOSPC;
        return -1;
    case BROKEN:
        errno = EIO;
        return -1;
    case INVALID:
        errno = EINVAL;
        return -1;
    case UNSUPPORTED:
        errno = EOPNOTSUPP;
        return -1;
    case NOTHING:
        return 0;
    case WHOLE:
        break;
    }
    return (ssize_t)bytes;
}

/* In place of libc's. */
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    direct_fd = fd;
    ssize_t part = part_of(bytes);
    return part <= 0 ? part : (ssize_t)syscall(SYS_pwrite64, fd, data, (size_t)part, offset);
}

int fdatasync(int fd)
{
    synced_direct += fd == direct_fd;
    synced_cached += fd == cached_fd;
    return part_of(1) < 0 ? -1 : 0;
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    cached_fd = fd;
    size_t bytes = 0;
    for (int i = 0; i < count; i++) {
        bytes += iov[i].iov_len;
    }
    ssize_t part = part_of(bytes);
    if (part <= 0) {
        return part;
    }
    ssize_t done = 0;
    for (int i = 0; i < count && done < part; i++) {
        size_t n = MIN(iov[i].iov_len, (size_t)(part - done));
        ssize_t wrote = (ssize_t)syscall(SYS_pwrite64, fd, iov[i].iov_base, n, offset + done);
        assert_int_equal(wrote, n);
        done += wrote;
    }
    return done;
}

ssize_t pread(int fd, void *data, size_t bytes, off_t offset)
{
    ssize_t part = part_of(bytes);
    return part <= 0 ? part : (ssize_t)syscall(SYS_pread64, fd, data, (size_t)part, offset);
}

struct place {
    char path[32];
    struct os_file *file;
    u8 wanted[FILE_BYTES];
    struct os_iov iov[PIECES];
};

static void place_make(struct place *p)
{
    *p = (struct place){.path = "/tmp/leat-os-XXXXXX"};
    int made = mkstemp(p->path);
    assert_true(made >= 0);
    close(made);
    assert_int_equal(os_open(os_real(), p->path, OS_WRITE, &p->file), OK);
    for (int i = 0; i < FILE_BYTES; i++) {
        p->wanted[i] = (u8)(i * 31 + i / 256);
    }
    isize at = 0;
    for (int i = 0; i < PIECES; i++) { /* Of several sizes, one of them empty. */
        isize bytes = i == PIECES - 1 ? FILE_BYTES - at : (isize)i * 97;
        p->iov[i] = (struct os_iov){p->wanted + at, bytes};
        at += bytes;
    }
}

static void place_remove(struct place *p)
{
    assert_int_equal(os_close(p->file), OK);
    assert_int_equal(unlink(p->path), 0);
}

static err write_with(struct place *p, const enum answer *given, int count)
{
    answers = given;
    answer_count = count;
    calls = 0;
    return os_write(p->file, 3, p->iov, PIECES);
}

#define WITH(...) (const enum answer[]){__VA_ARGS__}, COUNT_OF(((const enum answer[]){__VA_ARGS__}))

static void assert_whole(struct place *p, const enum answer *given, int count)
{
    u8 got[FILE_BYTES] = {0};
    answers = given;
    answer_count = count;
    calls = 0;
    assert_int_equal(os_read_exact(p->file, 3, got, FILE_BYTES), OK);
    assert_memory_equal(got, p->wanted, FILE_BYTES);
}

static void short_writes_go_on(void **state)
{
    (void)state;
    struct place p;
    place_make(&p);
    assert_int_equal(write_with(&p, WITH(ONE_BYTE, HALF, INTERRUPTED, ONE_BYTE, HALF)), OK);
    assert_true(calls > 10);
    assert_whole(&p, WITH(WHOLE));
    place_remove(&p);
    place_make(&p);
    assert_int_equal(write_with(&p, WITH(ONE_BYTE)), OK);
    assert_int_equal(calls, FILE_BYTES);
    assert_whole(&p, WITH(INTERRUPTED, HALF, ONE_BYTE, INTERRUPTED, HALF));
    place_remove(&p);
}

static void errors_are_told(void **state)
{
    (void)state;
    struct place p;
    place_make(&p);
    assert_int_equal(write_with(&p, WITH(FULL)), ERR_FULL);
    assert_int_equal(write_with(&p, WITH(HALF, INTERRUPTED, FULL)), ERR_FULL);
    assert_int_equal(write_with(&p, WITH(HALF, BROKEN)), ERR_IO);
    assert_int_equal(write_with(&p, WITH(HALF, NOTHING)), ERR_FULL); /* It does not try for ever. */
    assert_int_equal(write_with(&p, WITH(WHOLE)), OK);
    assert_whole(&p, WITH(WHOLE));
    u8 got[FILE_BYTES];
    answers = (const enum answer[]){BROKEN};
    answer_count = 1;
    assert_int_equal(os_read_exact(p.file, 3, got, FILE_BYTES), ERR_IO);
    place_remove(&p);
}

/* Writes past the page cache. */
struct direct_place {
    char path[32];
    struct os_file *file;
    u8 *wanted;
};

static void direct_make(struct direct_place *p)
{
    *p = (struct direct_place){.path = "/tmp/leat-os-XXXXXX"};
    int made = mkstemp(p->path);
    assert_true(made >= 0);
    close(made);
    int fd = open(p->path, O_WRONLY | O_DIRECT);
    if (fd < 0) {
        assert_int_equal(unlink(p->path), 0);
        skip(); /* The file system of /tmp has no such thing. */
    }
    close(fd);
    assert_int_equal(os_open(os_real(), p->path, OS_WRITE | OS_DIRECT, &p->file), OK);
    p->wanted = aligned_alloc(BLOCK, BLOCKS * BLOCK);
    direct_fd = cached_fd = -1;
    synced_direct = synced_cached = 0;
}

static void direct_remove(struct direct_place *p)
{
    free(p->wanted);
    assert_int_equal(os_close(p->file), OK);
    assert_int_equal(unlink(p->path), 0);
}

static err direct_with(struct direct_place *p, u8 fill, const enum answer *given, int count)
{
    for (int i = 0; i < BLOCKS * BLOCK; i++) {
        p->wanted[i] = (u8)(fill + i / 256);
    }
    answers = given;
    answer_count = count;
    calls = 0;
    return os_write_at(p->file, 0, p->wanted, BLOCKS * BLOCK);
}

static void assert_direct_whole(struct direct_place *p)
{
    u8 got[BLOCKS * BLOCK];
    answers = (const enum answer[]){WHOLE};
    answer_count = 1;
    assert_int_equal(os_read_exact(p->file, 0, got, sizeof got), OK);
    assert_memory_equal(got, p->wanted, sizeof got);
}

static void the_page_cache_takes_what_the_disk_does_not(void **state)
{
    (void)state;
    struct direct_place p;
    direct_make(&p);
    assert_int_equal(direct_with(&p, 1, WITH(WHOLE)), OK);
    assert_int_equal(calls, 1);
    assert_int_equal(cached_fd, -1);
    assert_direct_whole(&p);
    static const struct {
        enum answer first;
        bool is_cached; /* The rest. */
    } cases[] = {{HALF, false},   {INTERRUPTED, false}, {ONE_BYTE, true},
                 {NOTHING, true}, {INVALID, true},      {UNSUPPORTED, true}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const enum answer given[] = {cases[i].first, HALF, WHOLE};
        cached_fd = -1;
        assert_int_equal(direct_with(&p, (u8)(i * 16), given, COUNT_OF(given)), OK);
        assert_int_equal(calls, 3);
        assert_int_equal(cached_fd >= 0, cases[i].is_cached);
        assert_direct_whole(&p);
    }
    direct_remove(&p);
}

/* The page cache would take it and say nothing, or say it at the sync: too late. */
static void an_error_of_the_disk_is_not_tried_again(void **state)
{
    (void)state;
    struct direct_place p;
    direct_make(&p);
    assert_int_equal(direct_with(&p, 1, WITH(BROKEN, WHOLE)), ERR_IO);
    assert_int_equal(calls, 1);
    assert_int_equal(os_errno(), EIO);
    assert_int_equal(direct_with(&p, 2, WITH(FULL, WHOLE)), ERR_FULL);
    assert_int_equal(calls, 1);
    assert_int_equal(direct_with(&p, 3, WITH(HALF, BROKEN, WHOLE)), ERR_IO);
    assert_int_equal(calls, 2);
    assert_int_equal(cached_fd, -1);
    assert_int_equal(direct_with(&p, 4, WITH(ONE_BYTE, FULL)), ERR_FULL);
    assert_int_equal(direct_with(&p, 5, WITH(INVALID, BROKEN)), ERR_IO);
    direct_remove(&p);
}

static void assert_synced(struct direct_place *p, int direct, int cached)
{
    answers = (const enum answer[]){WHOLE};
    answer_count = 1;
    synced_direct = synced_cached = 0;
    assert_int_equal(os_sync(p->file), OK);
    assert_int_equal(synced_direct, direct);
    assert_int_equal(synced_cached, cached);
}

static void what_was_written_through_is_synced(void **state)
{
    (void)state;
    struct direct_place p;
    direct_make(&p);
    assert_int_equal(direct_with(&p, 1, WITH(ONE_BYTE, WHOLE)), OK);
    assert_synced(&p, 1, 1);
    assert_int_equal(direct_with(&p, 2, WITH(WHOLE)), OK);
    assert_synced(&p, 1, 0);
    assert_int_equal(direct_with(&p, 3, WITH(INVALID, HALF, FULL)), ERR_FULL);
    assert_synced(&p, 1, 1);
    assert_int_equal(os_truncate(p.file, BLOCK), OK);
    assert_synced(&p, 0, 1);
    assert_synced(&p, 0, 1); /* Once at least, whatever for. */
    assert_int_equal(direct_with(&p, 4, WITH(WHOLE)), OK);
    answers = (const enum answer[]){BROKEN};
    assert_int_equal(os_sync(p.file), ERR_IO);
    assert_synced(&p, 1, 0); /* What failed is not taken for done. */
    direct_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_cache_takes_what_the_disk_does_not),
        cmocka_unit_test(an_error_of_the_disk_is_not_tried_again),
        cmocka_unit_test(what_was_written_through_is_synced),
        cmocka_unit_test(short_writes_go_on),
        cmocka_unit_test(errors_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
