/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Randomness and transcendental functions that give the same bits on every
 * machine: libm picks its exp() and log() by CPU, and their last bit differs.
 */
#ifndef BPFAHEAD_GEN_RNG_H
#define BPFAHEAD_GEN_RNG_H

#include <stddef.h>
#include <stdint.h>

/* xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64. */
struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *rng, uint64_t seed);

static inline uint64_t rotate_left(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t *s = rng->s;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/* [0, 1), 53 bits */
static inline double rng_uniform(struct rng *rng)
{
	return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

uint64_t rng_below(struct rng *rng, uint64_t bound); /* [0, bound), unbiased; bound > 0 */
void rng_shuffle(struct rng *rng, uint32_t *items, size_t nr_items);

double portable_exp(double x); /* relative error below 1e-14; saturates beyond +-700 */
double portable_log(double x); /* x > 0 */

#endif
