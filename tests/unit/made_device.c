// SPDX-License-Identifier: GPL-2.0-only
#include "made_device.h"

#include <math.h>

#define REQUEST_KB 1280.0 /* what a larger window is split into */

double made_random(__u64 *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (double)(*seed >> 11) / (double)(1ULL << 53);
}

double made_between(__u64 *seed, double low, double high)
{
	return low * exp(made_random(seed) * log(high / low));
}

/* What one unit of a reader takes of the device, and leaves in the totals. */
struct unit {
	double requests, kb;
	double total[COUNTERS_MAX];
};

static double requests_for(double kb)
{
	return ceil(kb / REQUEST_KB);
}

/* Windows from 16 KB on, doubled up to ra_kb, until they reach past `need_kb` by one. */
static void add_windows(struct unit *u, double need_kb, double ra_kb)
{
	double window = ra_kb < 16 ? ra_kb : 16, read = 0, before = 0;

	do {
		u->requests += requests_for(window);
		u->kb += window;
		u->total[COUNTER_ORDER_CALLS]++;
		u->total[COUNTER_ORDER_PAGES] += window / 4;
		u->total[COUNTER_ORDER_RA_PAGES] += ra_kb / 4;
		before = read;
		read += window;
		window = window * 2 < ra_kb ? window * 2 : ra_kb;
	} while (before < need_kb);
	u->total[COUNTER_UNUSED_PAGES] += (read - need_kb) / 4;
	u->total[COUNTER_ASYNC_CALLS] += u->total[COUNTER_ORDER_CALLS] - 1;
	u->total[COUNTER_ASYNC_PAGES] += u->total[COUNTER_ORDER_CALLS] - 1;
}

/* Of a set that is read again and again, what a read-around brings with a page takes its place. */
static double cached(const struct made_pages *pages, double ra_kb)
{
	return pages->cached * pow(4 / ra_kb, 0.056); /* 0.80 and 0.74 at 4 and 16 KB */
}

static struct unit unit_of(const struct made_pages *pages, const struct reader *r, double ra_kb)
{
	struct unit u = {0};
	double n, markers;

	switch (r->kind) {
	case READER_STREAM: /* a unit is a window */
		u.requests = requests_for(ra_kb);
		u.kb = ra_kb;
		u.total[COUNTER_ASYNC_CALLS] = u.total[COUNTER_ORDER_CALLS] = 1;
		u.total[COUNTER_ASYNC_PAGES] = 1;
		u.total[COUNTER_ORDER_PAGES] = u.total[COUNTER_ORDER_RA_PAGES] = ra_kb / 4;
		break;
	case READER_RUNS:
		u.requests = 1;
		u.kb = 4;
		u.total[COUNTER_SYNC_CALLS] = 2;
		u.total[COUNTER_SYNC_PAGES] = 2;
		u.total[COUNTER_SYNC_JUMPS] = 1;
		add_windows(&u, r->size_kb - 4.0, ra_kb);
		break;
	case READER_RANDOM:
		u.requests = 1;
		u.kb = r->size_kb;
		u.total[COUNTER_SYNC_CALLS] = u.total[COUNTER_SYNC_JUMPS] = 1;
		u.total[COUNTER_SYNC_PAGES] = r->size_kb / 4.0;
		break;
	case READER_OBJECTS:
		/* Half of a read-around lies before the fault: 2.3, 1.5 and 1.1 of them for 16 KB.
		 */
		n = r->size_kb > 4 ? fmax(1, 0.7 + 1.6 * r->size_kb / ra_kb) :
		    ra_kb < 8      ? 1 + pages->crosses :
				     1;
		markers = ra_kb < 8 || r->size_kb > 4 ? 0 : pages->markers;
		if (pages->goes_on && r->size_kb > ra_kb) {
			markers = ceil((double)r->size_kb / ra_kb);
			n = 1;
		}
		u.requests = (n + markers) * requests_for(ra_kb);
		u.kb = (n + markers) * ra_kb;
		u.total[COUNTER_AROUND_CALLS] = n;
		u.total[COUNTER_ASYNC_CALLS] = u.total[COUNTER_ASYNC_PAGES] = markers;
		u.total[COUNTER_ORDER_CALLS] = n + markers;
		u.total[COUNTER_ORDER_PAGES] = u.total[COUNTER_ORDER_RA_PAGES] =
			(n + markers) * ra_kb / 4;
		u.total[COUNTER_AROUND_STARTS] = 1 + (n - 1) * pages->moves;
		break;
	default: /* files */
		n = ceil(r->size_kb / (ra_kb < r->size_kb ? ra_kb : r->size_kb));
		u.requests = n;
		u.kb = r->size_kb;
		u.total[COUNTER_SYNC_CALLS] = u.total[COUNTER_SYNC_HEADS] = 1;
		u.total[COUNTER_SYNC_PAGES] = 1;
		u.total[COUNTER_ASYNC_CALLS] = n - 1;
		u.total[COUNTER_ORDER_CALLS] = n;
		u.total[COUNTER_ORDER_PAGES] = r->size_kb / 4.0;
		u.total[COUNTER_ORDER_RA_PAGES] = n * ra_kb / 4;
	}
	u.total[COUNTER_BLOCK_READS] = u.requests;
	u.total[COUNTER_BLOCK_READ_BYTES] = u.kb * 1024;
	return u;
}

/* Readers take turns, a unit each; what one leaves because it asks for less, others get. */
static void units_per_s(const struct made_device *d, double ra_kb, double rates[READERS_MAX])
{
	double busy = 1, round = 0, takes[READERS_MAX];
	unsigned int i, slow = 0;

	for (i = 0; i < d->nr_readers; i++) {
		struct unit u = unit_of(&d->pages, &d->reader[i], ra_kb);

		takes[i] = fmax(u.requests / d->iops, u.kb / d->kb_per_s) + d->latency_s;
		round += takes[i] * d->reader[i].threads;
	}
	for (i = 0; i < d->nr_readers; i++) {
		rates[i] = d->reader[i].threads / round;
		if (d->reader[i].most_per_s && rates[i] > d->reader[i].most_per_s) {
			rates[i] = d->reader[i].most_per_s;
			busy -= rates[i] * takes[i];
			slow |= 1U << i;
		}
	}
	for (i = 0; slow && i < d->nr_readers; i++)
		if (!(slow & (1U << i)))
			rates[i] = busy / takes[i];
}

void made_rates(const struct made_device *d, unsigned int ra_kb, double rates[READERS_MAX])
{
	unsigned int i;

	units_per_s(d, ra_kb, rates);
	/* A stream's unit is a window; what it wants is bytes. */
	for (i = 0; i < d->nr_readers; i++) {
		if (d->reader[i].kind == READER_STREAM)
			rates[i] *= ra_kb * 1024.0;
		else if (d->reader[i].kind == READER_OBJECTS)
			rates[i] /= 1 - cached(&d->pages, ra_kb);
	}
}

void made_work(struct made_device *d, unsigned int ra_kb, __u64 span_ns)
{
	double rates[READERS_MAX], units, away;
	unsigned int i, k;

	units_per_s(d, ra_kb, rates);
	for (i = 0; i < d->nr_readers; i++) {
		struct unit u = unit_of(&d->pages, &d->reader[i], ra_kb);

		/* Nearly normal: the sum of twelve. */
		for (away = -6, k = 0; k < 12; k++)
			away += made_random(&d->seed);
		units = rates[i] * (double)span_ns / 1e9 * fmax(0, 1 + d->noise * away);
		for (k = 0; k < COUNTERS_MAX; k++)
			d->total[k] += units * u.total[k];
	}
	d->time_ns += span_ns;
}
