// SPDX-License-Identifier: GPL-2.0-only
#include <math.h>
#include <string.h>

#include "rng.h"

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

/*
 * e^x = 2^k e^r with |r| <= ln(2) / 2, and a Taylor series for e^r: its coefficients as
 * constants, since a division takes longer than all the rest of a term.
 */
double portable_exp(double x)
{
	static const double inverse[] = {
		1.0,
		1.0,
		1.0 / 2,
		1.0 / 6,
		1.0 / 24,
		1.0 / 120,
		1.0 / 720,
		1.0 / 5040,
		1.0 / 40320,
		1.0 / 362880,
		1.0 / 3628800,
		1.0 / 39916800,
		1.0 / 479001600,
		1.0 / 6227020800,
		1.0 / 87178291200,
	};
	double k, r, sum, power;
	uint64_t bits;
	int i;

	if (x > 700.0)
		x = 700.0;
	if (x < -700.0)
		x = -700.0;
	k = floor(x * 1.44269504088896340736 + 0.5);
	r = x - k * 6.93147180369123816490e-01; /* ln 2 in two parts */
	r -= k * 1.90821492927058770002e-10;
	sum = inverse[14];
	for (i = 13; i >= 0; i--)
		sum = sum * r + inverse[i];
	bits = (uint64_t)(1023 + (int)k) << 52; /* 2^k; |k| <= 1010, so it is a normal number */
	memcpy(&power, &bits, sizeof(power));
	return sum * power;
}

/* ln(m 2^e) = e ln 2 + 2 artanh((m - 1) / (m + 1)) with m near 1. */
double portable_log(double x)
{
	static const double inverse[] = {1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13,
					 1.0 / 11, 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1.0};
	double m, s, z, sum = 0.0;
	int e, i;

	m = frexp(x, &e);
	if (m < 0.70710678118654752440) {
		m *= 2.0;
		e--;
	}
	s = (m - 1.0) / (m + 1.0);
	z = s * s;
	for (i = 0; i < 12; i++)
		sum = sum * z + inverse[i];
	return 2.0 * s * sum + e * 0.69314718055994530942;
}
