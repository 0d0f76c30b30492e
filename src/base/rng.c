/* base/rng.c: xoshiro256**, seeded by splitmix64 (Blackman and Vigna, 2018). */
#include "base/rng.h"

static u64 rotate(u64 x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void rng_init(struct rng *rng, u64 seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9E3779B97F4A7C15ULL;
        u64 z = seed;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        rng->state[i] = z ^ (z >> 31);
    }
}

u64 rng_next(struct rng *rng)
{
    u64 *s = rng->state;
    u64 result = rotate(s[1] * 5, 7) * 9;
    u64 t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

u64 rng_below(struct rng *rng, u64 bound)
{
    CHECK(bound > 0);
    /* Multiply-shift with rejection of the uneven rest (Lemire 2019). */
    u128 product = (u128)rng_next(rng) * bound;
    if ((u64)product < bound) {
        u64 threshold = (0 - bound) % bound;
        while ((u64)product < threshold) {
            product = (u128)rng_next(rng) * bound;
        }
    }
    return (u64)(product >> 64);
}

double rng_unit(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1.0p-53;
}
