/*
 * base/budget.h: memory that many may hold together, counted. Any thread; relaxed
 * atomics, so that a figure is one of a moment ago.
 */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include "base/base.h"

struct budget {
    isize bytes_max; /* Set before the first use. */
    isize bytes;     /* Atomic. */
};

/* Counts bytes whatever is held already: they are there. */
static inline void budget_charge(struct budget *budget, isize bytes)
{
    __atomic_add_fetch(&budget->bytes, bytes, __ATOMIC_RELAXED);
}

/* Counts off what was charged or taken. */
static inline void budget_give(struct budget *budget, isize bytes)
{
    __atomic_sub_fetch(&budget->bytes, bytes, __ATOMIC_RELAXED);
}

/* Counts bytes, but not beyond the maximum: false, and nothing is counted. */
MUST_USE static inline bool budget_take(struct budget *budget, isize bytes)
{
    if (__atomic_add_fetch(&budget->bytes, bytes, __ATOMIC_RELAXED) > budget->bytes_max) {
        budget_give(budget, bytes);
        return false;
    }
    return true;
}

static inline isize budget_bytes(const struct budget *budget)
{
    return __atomic_load_n(&budget->bytes, __ATOMIC_RELAXED);
}

#endif
