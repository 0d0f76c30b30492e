/* base/rng.h: a small seeded generator (xoshiro256**, Blackman and Vigna 2018) for simulation,
 * generators and jitter. Not for secrets: those come from os_random(). */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include "base/base.h"

struct rng {
    u64 state[4];
};
void rng_init(struct rng *rng, u64 seed);
u64 rng_next(struct rng *rng);
/* Uniform in [0, bound); bound > 0. */
u64 rng_below(struct rng *rng, u64 bound);
/* Uniform in [0, 1). */
double rng_unit(struct rng *rng);

#endif
