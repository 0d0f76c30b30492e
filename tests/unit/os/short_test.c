/* The real machine's writes and reads when the kernel takes or gives less than asked, is
 * interrupted, or has no room: nothing is left out, nothing is written twice, errors are told. */
/* The checked forms of the headers would be inline, and these calls are to be ours. */
#undef _FORTIFY_SOURCE

#include "os/os.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILE_BYTES = 5000, PIECES = 7 };

/* What the kernel does with the calls to come, in turn; the last of them from then on. */
enum answer { WHOLE, ONE_BYTE, HALF, INTERRUPTED, FULL, BROKEN, NOTHING };
static const enum answer *answers;
static int answer_count, calls;

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
    case NOTHING:
        return 0;
    case WHOLE:
        break;
    }
    return (ssize_t)bytes;
}

/* In place of libc's. */
ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_writes_go_on),
        cmocka_unit_test(errors_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
