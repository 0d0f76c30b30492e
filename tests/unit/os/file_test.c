/* The real machine's files: writes past the page cache say the same as others, whatever their size
 * and place. */
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { BLOCK = 4096, FILE_BYTES = 2 << 20 };

struct piece {
    u64 offset;
    isize bytes, skew; /* Of the memory that it is written from. */
};

/* Aligned and large, unaligned in each way, small, over one another. */
static const struct piece pieces[] = {
    {0, FILE_BYTES, 0},          {0, 256 << 10, 0},
    {256 << 10, 256 << 10, 1},   {BLOCK + 1, 512 << 10, 0},
    {BLOCK, (512 << 10) + 3, 0}, {64 << 10, BLOCK, 0},
    {128 << 10, 1 << 20, 0},     {5, 11, 0},
    {1 << 20, 1 << 20, 0},       {(1 << 20) - 1, 128 << 10, 5},
};

static void writes_past_the_page_cache_are_writes(void **state)
{
    (void)state;
    char path[] = "/tmp/leat-os-XXXXXX";
    int made = mkstemp(path);
    assert_true(made >= 0);
    close(made);
    u8 *memory = aligned_alloc(BLOCK, FILE_BYTES + 2 * BLOCK);
    u8 *wanted = calloc(1, FILE_BYTES);
    u8 *got = malloc(FILE_BYTES);
    struct os_file *file;
    assert_int_equal(os_open(os_real(), path, OS_WRITE | OS_DIRECT, &file), OK);
    for (int i = 0; i < COUNT_OF(pieces); i++) {
        const struct piece *piece = &pieces[i];
        u8 *from = memory + piece->skew;
        for (isize k = 0; k < piece->bytes; k++) {
            from[k] = (u8)(k * 7 + i + k / 251);
        }
        memcpy(wanted + piece->offset, from, (size_t)piece->bytes);
        assert_int_equal(os_write_at(file, piece->offset, from, piece->bytes), OK);
        assert_int_equal(os_sync(file), OK);
        assert_int_equal(os_read_exact(file, 0, got, FILE_BYTES), OK);
        assert_memory_equal(got, wanted, FILE_BYTES);
    }
    assert_int_equal(os_close(file), OK);
    assert_int_equal(os_unlink(os_real(), path), OK);
    free(memory);
    free(wanted);
    free(got);
}

static int absences; /* Links to come that find nothing. */

static err link_in_a_rename(struct os *os, const char *from, const char *to)
{
    (void)os;
    if (absences > 0) {
        absences--;
        return ERR_NOT_FOUND;
    }
    return os_link(os_real(), from, to);
}

static void a_file_that_is_being_replaced_is_linked(void **state)
{
    (void)state;
    char from[] = "/tmp/leat-os-XXXXXX";
    int made = mkstemp(from);
    assert_true(made >= 0);
    close(made);
    char to[sizeof from + 2];
    (void)snprintf(to, sizeof to, "%s.2", from);
    struct os_fs fs = *os_real()->fs;
    fs.link = link_in_a_rename;
    struct os os = {&fs, os_real()->env, NULL};
    absences = 3;
    assert_int_equal(os_link_replaced(&os, from, to), OK);
    assert_int_equal(os_unlink(os_real(), to), OK);
    assert_int_equal(os_unlink(os_real(), from), OK);
    assert_int_equal(os_link_replaced(&os, from, to), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_past_the_page_cache_are_writes),
        cmocka_unit_test(a_file_that_is_being_replaced_is_linked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
