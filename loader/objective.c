// SPDX-License-Identifier: GPL-2.0-only
#include "objective.h"

#include <string.h>

#define HOPS_COMPARED_MAX 64
#define EVENTS_MIN 8   /* fewer are no measure */
#define RUN_WINDOWS 16 /* who reads no more in order reads runs */
#define RUN_AHEAD 4    /* of a run no more is read in vain: two of the largest windows, or some */
#define OBJECT_KB 128  /* what is read of an object beyond its read-around, if windows are small */
#define CALLS_SHARE 20 /* material from one call in so many */
#define BYTES_SHARE 5  /* or one byte in so many */
#define LESS_DEMAND_SHARE 4 /* of a loss: what costs so much more at most does not explain it */
#define ONE 65536LL         /* deviations are Q16 */
#define DEVIATION_MAX (4 * ONE)
#define SPREAD_FLOOR (ONE / 50)  /* no device is steadier than 2 % from hop to hop */
#define SPREAD_UNSURE (ONE / 20) /* what two or three hops do not show of it */
#define SPREAD_SURE_FROM 3       /* degrees of freedom */
#define UNIT_NS 100000ULL        /* what stands for a unit where a rate is per unit, not per time */

/* Of streams, the bytes of so many windows of each run. */
static __u64 bytes_of_runs(const struct hop *hop, __u64 runs, __u64 windows_each)
{
	__u64 bytes = hop->amount[PROGRESS_STREAMS], windows = hop->weight[PROGRESS_STREAMS];

	if (!windows)
		return 0;
	return runs * windows_each >= windows ? bytes : bytes / windows * runs * windows_each;
}

bool objective_hop(const struct snapshot *from, const struct snapshot *to, unsigned int page_kb,
		   struct hop *hop)
{
	__u64 d[COUNTERS_MAX], page = page_kb * 1024ULL, windows, arounds, plain, runs, vain, ahead;
	unsigned int i;

	memset(hop, 0, sizeof(*hop));
	if (to->time_ns <= from->time_ns)
		return false;
	for (i = 0; i < COUNTERS_MAX; i++) {
		if (to->total[i] < from->total[i])
			return false;
		d[i] = to->total[i] - from->total[i];
	}
	hop->span_ns = to->time_ns - from->time_ns;
	hop->calls = d[COUNTER_SYNC_CALLS] + d[COUNTER_ASYNC_CALLS] + d[COUNTER_AROUND_CALLS];

	/* Read-arounds are windows, too, each of its file's ra_pages. */
	windows = d[COUNTER_ORDER_CALLS] > d[COUNTER_AROUND_CALLS] ?
			  d[COUNTER_ORDER_CALLS] - d[COUNTER_AROUND_CALLS] :
			  0;
	arounds = d[COUNTER_ORDER_CALLS] ? d[COUNTER_AROUND_CALLS] * d[COUNTER_ORDER_RA_PAGES] /
						   d[COUNTER_ORDER_CALLS] :
					   0;
	/* Misses that jump read just what was asked for, and no window. */
	plain = d[COUNTER_SYNC_CALLS] ?
			d[COUNTER_SYNC_PAGES] * d[COUNTER_SYNC_JUMPS] / d[COUNTER_SYNC_CALLS] :
			0;
	hop->device_reads = d[COUNTER_BLOCK_READS];
	hop->device_bytes = d[COUNTER_BLOCK_READ_BYTES];
	if (!hop->device_bytes) /* btrfs, NFS and FUSE read through another bdi or none */
		hop->device_bytes = (d[COUNTER_ORDER_PAGES] + plain) * page;

	if (windows && d[COUNTER_ORDER_PAGES] > arounds + d[COUNTER_UNUSED_PAGES]) {
		hop->amount[PROGRESS_STREAMS] =
			(d[COUNTER_ORDER_PAGES] - arounds - d[COUNTER_UNUSED_PAGES]) * page;
		hop->events[PROGRESS_STREAMS] = windows;
	}
	hop->delivered = hop->amount[PROGRESS_STREAMS];
	if (to->total[COUNTER_BLOCK_READS] && hop->delivered > d[COUNTER_BLOCK_READ_BYTES])
		hop->delivered = d[COUNTER_BLOCK_READ_BYTES];
	/*
	 * Who reads runs is told by their jumps, exactly; their bytes depend on an estimate of what
	 * was not used. A run begins with a miss that jumps and goes on with one that does not,
	 * which random reads beside a stream do not have. And objects by mmap go on from their
	 * read-around with a window or two, used or not, and at small values with many: one of 64
	 * KB is 16 KB of read-around and five windows at 16, and nothing but read-around at 256.
	 */
	runs = d[COUNTER_SYNC_JUMPS] + d[COUNTER_SYNC_HEADS];
	runs = d[COUNTER_SYNC_CALLS] > runs ? d[COUNTER_SYNC_CALLS] - runs : 0;
	hop->weight[PROGRESS_STREAMS] = windows;
	vain = d[COUNTER_UNUSED_PAGES] * page / 4;
	if (d[COUNTER_ORDER_CALLS]) {
		ahead = 2 * d[COUNTER_ORDER_RA_PAGES] / d[COUNTER_ORDER_CALLS] * page;
		if (ahead < OBJECT_KB * 1024)
			ahead = OBJECT_KB * 1024;
		vain += d[COUNTER_AROUND_STARTS] * ahead;
	}
	hop->doubt = bytes_of_runs(hop, runs, RUN_WINDOWS) + vain;
	hop->doubt_ahead = bytes_of_runs(hop, runs, RUN_AHEAD) + vain;
	hop->amount[PROGRESS_FILES] = hop->events[PROGRESS_FILES] = d[COUNTER_SYNC_HEADS];
	hop->amount[PROGRESS_JUMPS] = hop->events[PROGRESS_JUMPS] = d[COUNTER_SYNC_JUMPS];
	hop->amount[PROGRESS_AROUNDS] = hop->events[PROGRESS_AROUNDS] = d[COUNTER_AROUND_STARTS];
	hop->amount[PROGRESS_PLACES] = hop->events[PROGRESS_PLACES] =
		d[COUNTER_SYNC_JUMPS] + d[COUNTER_AROUND_STARTS];
	hop->weight[PROGRESS_FILES] = d[COUNTER_SYNC_HEADS];
	hop->weight[PROGRESS_JUMPS] = d[COUNTER_SYNC_JUMPS];
	hop->weight[PROGRESS_AROUNDS] = d[COUNTER_AROUND_CALLS]; /* one object may take many */
	hop->weight[PROGRESS_PLACES] = d[COUNTER_SYNC_JUMPS] + d[COUNTER_AROUND_CALLS];
	return true;
}

enum progress objective_of(unsigned int class_id)
{
	switch (class_id) {
	case CLASS_SMALL_FILES:
		return PROGRESS_FILES;
	case CLASS_OBJECTS:
	case CLASS_PAGES:
		return PROGRESS_AROUNDS;
	case CLASS_RANDOM:
	case CLASS_SHORT_RUNS:
	case CLASS_LONG_RUNS: /* their length is what the estimate of bytes gets wrong */
		return PROGRESS_PLACES;
	default:
		return PROGRESS_STREAMS;
	}
}

const char *progress_name(unsigned int measure)
{
	static const char *const names[NR_MEASURES] = {
		[PROGRESS_STREAMS] = "stream bytes",        [PROGRESS_FILES] = "files begun",
		[PROGRESS_JUMPS] = "random reads and runs", [PROGRESS_AROUNDS] = "mmap places",
		[PROGRESS_PLACES] = "places read",
	};

	return measure < NR_MEASURES ? names[measure] : "?";
}

static __u64 per_second(__u64 amount, __u64 span_ns)
{
	__u64 span_us = span_ns / 1000;

	if (!span_us)
		return 0;
	return amount < ~0ULL / 1000000 ? amount * 1000000 / span_us : amount / span_us * 1000000;
}

__u64 objective_rate(const struct hop *hops, unsigned int n, unsigned int measure)
{
	__u64 amount = 0, span = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		amount += hops[i].amount[measure];
		span += hops[i].span_ns;
	}
	return per_second(amount, span);
}

__u64 objective_cost(const struct hop *hops, unsigned int n, unsigned int measure)
{
	__u64 amount = 0, bytes = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		amount += hops[i].amount[measure];
		bytes += hops[i].device_bytes;
	}
	return amount ? bytes * 16 / amount : 0;
}

bool objective_is_counted(const struct hop *hops, unsigned int n, unsigned int measure)
{
	__u64 events = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		events += hops[i].events[measure];
	return events >= EVENTS_MIN;
}

bool objective_is_material(const struct hop *hops, unsigned int n, unsigned int measure)
{
	unsigned int i;

	if (!objective_is_counted(hops, n, measure))
		return false;
	for (i = n < 2 ? 0 : n - 2; i < n; i++) {
		const struct hop *h = &hops[i];

		if (h->weight[measure] * CALLS_SHARE >= h->calls && h->weight[measure])
			continue;
		if (measure != PROGRESS_STREAMS ||
		    h->amount[measure] * BYTES_SHARE < h->device_bytes || !h->amount[measure])
			return false;
	}
	return true;
}

/* What a unit of @amount takes, Q10. */
static __u64 each(__u64 taken, __u64 amount)
{
	return taken * 1024 / amount;
}

bool objective_is_less_demand(const struct hop *before, unsigned int nr_before,
			      const struct hop *after, unsigned int nr_after, unsigned int measure,
			      const struct comparison *c)
{
	__u64 bytes = ~0ULL, reads = ~0ULL, amount = 0, bytes_after = 0, reads_after = 0, allowed;
	unsigned int i;

	if (measure == PROGRESS_STREAMS || measure == PROGRESS_FILES || c->loss <= 0 ||
	    objective_is_material(before, nr_before, PROGRESS_STREAMS) ||
	    objective_is_material(after, nr_after, PROGRESS_STREAMS))
		return false;
	/* The cheapest: what others read beside them in another is none of theirs. */
	for (i = 0; i < nr_before; i++) {
		const struct hop *h = &before[i];

		if (!h->amount[measure])
			continue;
		if (!h->device_reads)
			return false;
		if (each(h->device_bytes, h->amount[measure]) < bytes)
			bytes = each(h->device_bytes, h->amount[measure]);
		if (each(h->device_reads, h->amount[measure]) < reads)
			reads = each(h->device_reads, h->amount[measure]);
	}
	for (i = 0; i < nr_after; i++) {
		amount += after[i].amount[measure];
		bytes_after += after[i].device_bytes;
		reads_after += after[i].device_reads;
	}
	if (bytes == ~0ULL || !amount || !reads_after)
		return false;
	allowed = PERMILLE + (unsigned int)c->loss / LESS_DEMAND_SHARE;
	return each(bytes_after, amount) * PERMILLE <= bytes * allowed &&
	       each(reads_after, amount) * PERMILLE <= reads * allowed;
}

static __u64 root(__u64 value)
{
	__u64 r = 0, bit = 1ULL << 62;

	while (bit > value)
		bit >>= 2;
	for (; bit; bit >>= 2) {
		if (value >= r + bit) {
			value -= r + bit;
			r = (r >> 1) + bit;
		} else {
			r >>= 1;
		}
	}
	return r;
}

/* What a rate is of: progress in a time, what of it the device bears out, or calls for progress. */
enum subject { PROGRESS_IN_TIME, DELIVERED_IN_TIME, CALLS_FOR_PROGRESS };

static __u64 amount_of(const struct hop *hop, unsigned int measure, enum subject subject)
{
	switch (subject) {
	case DELIVERED_IN_TIME:
		return hop->delivered;
	case CALLS_FOR_PROGRESS:
		return hop->weight[measure];
	default:
		return hop->amount[measure];
	}
}

/* Whose word is taken for bytes: that of a verdict, or of a reason to look closer. */
enum belief { BEYOND_DOUBT, AS_FAR_AS_READ };

static __u64 doubt_of(const struct hop *hop, enum belief belief)
{
	return belief == BEYOND_DOUBT ? hop->doubt : hop->doubt_ahead;
}

static __u64 span_of(const struct hop *hop, unsigned int measure, enum subject subject)
{
	return subject == CALLS_FOR_PROGRESS ? hop->amount[measure] * UNIT_NS : hop->span_ns;
}

struct side {
	__u64 mean;  /* units a second */
	__u64 doubt; /* bytes a second */
	__u64 events;
	__u64 span_us;
	__u64 squares; /* of the deviations, Q16 squared, over 2^16 */
	unsigned int n;
};

static void summarise(const struct hop *hops, unsigned int n, unsigned int measure,
		      enum subject subject, enum belief belief, struct side *s)
{
	__u64 rate[HOPS_COMPARED_MAX], low = ~0ULL, high = 0, amount = 0, doubt = 0, span = 0;
	unsigned int i, least = 0, most = 0;

	memset(s, 0, sizeof(*s));
	if (n > HOPS_COMPARED_MAX) {
		hops += n - HOPS_COMPARED_MAX;
		n = HOPS_COMPARED_MAX;
	}
	s->n = n;
	for (i = 0; i < n; i++) {
		rate[i] = per_second(amount_of(&hops[i], measure, subject),
				     span_of(&hops[i], measure, subject));
		if (rate[i] < rate[least])
			least = i;
		if (rate[i] >= rate[most])
			most = i;
	}
	for (i = 0; i < n; i++) {
		if (n >= 5 && (i == least || i == most))
			continue;
		amount += amount_of(&hops[i], measure, subject);
		doubt += doubt_of(&hops[i], belief);
		span += span_of(&hops[i], measure, subject);
		s->events += hops[i].events[measure];
		if (rate[i] < low)
			low = rate[i];
		if (rate[i] > high)
			high = rate[i];
	}
	s->mean = per_second(amount, span);
	s->span_us = span / 1000;
	s->doubt = measure == PROGRESS_STREAMS ? per_second(doubt, span) : 0;
	if (!s->mean)
		return;
	for (i = 0; i < n; i++) {
		__u64 r = rate[i] < low ? low : rate[i] > high ? high : rate[i];
		__u64 away = r > s->mean ? r - s->mean : s->mean - r;

		away = away > 4 * s->mean ? DEVIATION_MAX :
		       away < ~0ULL / ONE ? away * ONE / s->mean :
					    away / (s->mean / ONE);
		s->squares += away * away / ONE;
	}
	if (n >= 5) /* what taking the extremes in has taken away */
		s->squares = s->squares * n * n / ((n - 2ULL) * (n - 2ULL));
}

/* @a as a share of @b, in 1/1000, with a ceiling that an int holds. */
static int permille(__u64 a, __u64 b)
{
	if (a / 1000 > b)
		return 1000 * PERMILLE;
	return (int)(a < ~0ULL / PERMILLE ? a * PERMILLE / b : a / (b / PERMILLE));
}

static bool compare(const struct hop *before, unsigned int nr_before, const struct hop *after,
		    unsigned int nr_after, unsigned int measure, enum subject subject,
		    enum belief belief, struct comparison *c)
{
	struct side b, a;
	unsigned int freedom = 0, ratio;
	__u64 spread = 0, sure, got, grain;

	memset(c, 0, sizeof(*c));
	if (!nr_before || !nr_after || measure >= NR_MEASURES)
		return false;
	summarise(before, nr_before, measure, subject, belief, &b);
	summarise(after, nr_after, measure, subject, belief, &a);
	/* What is claimed to be lost was there beyond doubt, and is gone whatever counts. */
	sure = b.mean > b.doubt ? b.mean - b.doubt : 0;
	got = a.mean > a.doubt ? a.mean - a.doubt : 0;
	if (!b.n || !a.n || !b.mean || !sure)
		return false;
	ratio = (unsigned int)permille(a.mean, b.mean);
	c->loss = PERMILLE - permille(a.mean, sure);
	c->gain = permille(got, b.mean) - PERMILLE;

	/* One spread for both sides; that of a side which all but stopped says nothing. */
	freedom = b.n - 1;
	spread = b.squares;
	if (ratio > PERMILLE / 8) {
		freedom += a.n - 1;
		spread += a.squares;
	}
	spread = freedom ? root(spread / freedom * ONE) : 0;
	if (spread < SPREAD_FLOOR)
		spread = SPREAD_FLOOR;
	if (freedom < SPREAD_SURE_FROM && spread < SPREAD_UNSURE)
		spread = SPREAD_UNSURE;
	spread = root(spread * spread / b.n + spread * spread / a.n);
	if (ratio > PERMILLE)
		spread = spread * ratio / PERMILLE;
	/* None where many were due is no small number, but a loss of them all. */
	grain = b.span_us ? b.events * a.span_us / b.span_us : 0;
	if (grain < a.events)
		grain = a.events;
	c->error = (int)(spread * PERMILLE / ONE) + (int)(PERMILLE / (b.events + 1)) +
		   (int)(PERMILLE / (grain + 1));
	return true;
}

static bool compare_progress(const struct hop *before, unsigned int nr_before,
			     const struct hop *after, unsigned int nr_after, unsigned int measure,
			     enum belief belief, struct comparison *c)
{
	struct comparison delivered;

	if (!compare(before, nr_before, after, nr_after, measure, PROGRESS_IN_TIME, belief, c))
		return false;
	if (measure != PROGRESS_STREAMS || !compare(before, nr_before, after, nr_after, measure,
						    DELIVERED_IN_TIME, belief, &delivered))
		return true;
	/* Whichever lost less, with its error, and whichever gained less. */
	if (delivered.loss < c->loss) {
		c->loss = delivered.loss;
		c->error = delivered.error;
	}
	if (delivered.gain < c->gain)
		c->gain = delivered.gain;
	return true;
}

bool objective_compare(const struct hop *before, unsigned int nr_before, const struct hop *after,
		       unsigned int nr_after, unsigned int measure, struct comparison *c)
{
	return compare_progress(before, nr_before, after, nr_after, measure, BEYOND_DOUBT, c);
}

bool objective_suspect(const struct hop *before, unsigned int nr_before, const struct hop *after,
		       unsigned int nr_after, unsigned int measure, struct comparison *c)
{
	return compare_progress(before, nr_before, after, nr_after, measure, AS_FAR_AS_READ, c);
}

bool objective_compare_effort(const struct hop *before, unsigned int nr_before,
			      const struct hop *after, unsigned int nr_after, unsigned int measure,
			      struct comparison *c)
{
	if (measure != PROGRESS_AROUNDS && measure != PROGRESS_PLACES) {
		memset(c, 0, sizeof(*c));
		return false;
	}
	return compare(before, nr_before, after, nr_after, measure, CALLS_FOR_PROGRESS,
		       BEYOND_DOUBT, c);
}
