/* os/memory.c: memory in huge pages. */
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void huge_memory_is_aligned_and_zeroed(void **state)
{
    (void)state;
    for (isize bytes = OS_HUGE_BYTES; bytes <= 3 * OS_HUGE_BYTES; bytes += OS_HUGE_BYTES) {
        u8 *memory = os_huge_alloc(bytes);
        assert_int_equal((uintptr_t)memory % (uintptr_t)OS_HUGE_BYTES, 0);
        for (isize i = 0; i < bytes; i += 1000) {
            assert_int_equal(memory[i], 0);
        }
        memset(memory, 1, (size_t)bytes);
        os_huge_free(memory, bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(huge_memory_is_aligned_and_zeroed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
