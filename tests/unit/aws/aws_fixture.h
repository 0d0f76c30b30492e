/* A simulated machine for the tests of services: files in memory and a clock that they move. */
#ifndef TESTS_AWS_FIXTURE_H
#define TESTS_AWS_FIXTURE_H

#include "base/diag.h"
#include "os/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SIM_START_S = 1767225600 }; /* 2026-01-01 */

static inline int machine_setup(void **state)
{
    *state = sim_new(1);
    return 0;
}

static inline int machine_teardown(void **state)
{
    sim_free(*state);
    return 0;
}

static inline void assert_str(str got, const char *wanted)
{
    assert_int_equal(got.len, strlen(wanted));
    assert_memory_equal(got.data, wanted, (size_t)got.len);
}

#endif
