// SPDX-License-Identifier: GPL-2.0-only
#include <math.h>

#include "rng.h"

static uint64_t rotate_left(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

void rng_seed(struct rng *rng, uint64_t seed)
{
	int i;

	for (i = 0; i < 4; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15ULL;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
		rng->s[i] = z ^ z >> 31;
	}
}

uint64_t rng_next(struct rng *rng)
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

double rng_uniform(struct rng *rng)
{
	return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
	uint64_t threshold = -bound % bound, x;

	do {
		x = rng_next(rng);
	} while (x < threshold);
	return x % bound;
}

void rng_shuffle(struct rng *rng, uint32_t *items, size_t nr_items)
{
	size_t i;

	for (i = nr_items; i > 1; i--) {
		size_t j = rng_below(rng, i);
		uint32_t item = items[i - 1];

		items[i - 1] = items[j];
		items[j] = item;
	}
}

/* e^x = 2^k e^r with |r| <= ln(2) / 2, and a Taylor series for e^r. */
double portable_exp(double x)
{
	double k, r, sum = 1.0;
	int i;

	if (x > 700.0)
		x = 700.0;
	if (x < -700.0)
		x = -700.0;
	k = floor(x * 1.44269504088896340736 + 0.5);
	r = x - k * 6.93147180369123816490e-01; /* ln 2 in two parts */
	r -= k * 1.90821492927058770002e-10;
	for (i = 14; i >= 1; i--)
		sum = 1.0 + sum * r / i;
	return ldexp(sum, (int)k);
}

/* ln(m 2^e) = e ln 2 + 2 artanh((m - 1) / (m + 1)) with m near 1. */
double portable_log(double x)
{
	double m, s, z, sum = 0.0;
	int e, i;

	m = frexp(x, &e);
	if (m < 0.70710678118654752440) {
		m *= 2.0;
		e--;
	}
	s = (m - 1.0) / (m + 1.0);
	z = s * s;
	for (i = 23; i >= 1; i -= 2)
		sum = sum * z + 1.0 / i;
	return 2.0 * s * sum + e * 0.69314718055994530942;
}
