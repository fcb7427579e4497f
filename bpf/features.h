/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From totals to features. Pure C without helper calls: the kernel programs,
 * the trainer and the tests compile these very lines.
 *
 * Division by a count that can be zero is defined here and nowhere else: the
 * result is then the value given as `empty`, 0 unless the comment says why not.
 */
#ifndef BPFAHEAD_FEATURES_H
#define BPFAHEAD_FEATURES_H

#include <stdbool.h>

#include "abi.h"

#define RATIO_ONE 65536ULL /* ratios are Q16 */

#ifdef __bpf__
#define PURE_FN __attribute__((noinline)) /* a global function: verified once, by itself */
/* Hides from the compiler what it knows of a value, so that the verifier sees its bound. */
#define OPAQUE(value) asm volatile("" : "+r"(value))
#else
#define PURE_FN static inline
#define OPAQUE(value) ((void)0)
#endif

struct mlp_features {
	__u64 value[FEATURES_MAX]; /* indexed by enum feature_id */
};

struct window {
	__u64 span_ns;
	__u64 ra_pages; /* bdi->ra_pages when the window ended */
	__u64 delta[COUNTERS_MAX];
};

static inline __u64 feature_ratio(__u64 part, __u64 whole, __u64 empty)
{
	if (!whole)
		return empty;
	if (part >= whole)
		return RATIO_ONE;
	return (part << 16) / whole; /* exact up to 2^48 events a window */
}

static inline __u64 feature_mean(__u64 sum, __u64 count)
{
	return count ? sum / count : 0;
}

static inline __u64 feature_per_second(__u64 count, __u64 span_us)
{
	return span_us ? count * 1000000 / span_us : 0;
}

/*
 * window_pages - pages of a window as the models know them
 * @w: its deltas in pages of the kernel's size
 * @ra_pages: bdi->ra_pages, of the kernel's size
 * @scale: pages of 4 KB in one of the kernel's; one model serves all
 *
 * Some values of ours lack a page (policy_kb() in policy.bpf.h), and models have been trained
 * with the powers of two: what is read by such a value counts as if by the even one. A marker hit
 * asks for ra_pages by mmap, and for what the program asked for by read(2), which is another
 * number.
 */
static inline void window_pages(struct window *w, __u64 ra_pages, __u32 scale)
{
	bool odd = ra_pages > 4 && ra_pages & 1;
	__u64 *d = w->delta;

	if (odd) {
		d[COUNTER_ORDER_PAGES] += d[COUNTER_ORDER_PAGES] / ra_pages;
		d[COUNTER_ORDER_RA_PAGES] += d[COUNTER_ORDER_RA_PAGES] / ra_pages;
		d[COUNTER_UNUSED_PAGES] += d[COUNTER_UNUSED_PAGES] / ra_pages;
		if (8 * d[COUNTER_ASYNC_PAGES] >= 7 * ra_pages * d[COUNTER_ASYNC_CALLS])
			d[COUNTER_ASYNC_PAGES] += d[COUNTER_ASYNC_PAGES] / ra_pages;
	}
	w->ra_pages = (ra_pages + odd) * scale;
	d[COUNTER_SYNC_PAGES] *= scale;
	d[COUNTER_ASYNC_PAGES] *= scale;
	d[COUNTER_ORDER_PAGES] *= scale;
	d[COUNTER_ORDER_RA_PAGES] *= scale;
	d[COUNTER_UNUSED_PAGES] *= scale;
}

/* Readahead calls of a window: what `min_calls` counts for a model of this layer. */
static inline __u64 window_readahead_calls(const struct window *w)
{
	return w->delta[COUNTER_SYNC_CALLS] + w->delta[COUNTER_ASYNC_CALLS] +
	       w->delta[COUNTER_AROUND_CALLS];
}

/*
 * features_compute - every feature of a window
 * @w: totals gained over the window; nothing in it may be negative
 * @features: out; unused ids become 0
 *
 * Returns 0, or -1 for a null pointer.
 */
PURE_FN int features_compute(const struct window *restrict w,
			     struct mlp_features *restrict features)
{
	__u64 reads, sync, async, around, calls, starts, jumps, unused, used, span_us, *f;
	const __u64 *d;

	if (!w || !features)
		return -1;
	f = features->value;
	d = w->delta;
	span_us = w->span_ns / 1000; /* so that ten seconds at 1 TB/s do not overflow */
	reads = d[COUNTER_BLOCK_READS];
	sync = d[COUNTER_SYNC_CALLS];
	async = d[COUNTER_ASYNC_CALLS];
	around = d[COUNTER_AROUND_CALLS];
	calls = window_readahead_calls(w);
	starts = sync + around; /* windows that no marker announced */

	f[FEATURE_AVG_DISTANCE_BYTES] = feature_mean(d[COUNTER_BLOCK_DISTANCE_SECTORS], reads) << 9;
	f[FEATURE_JUMP_RATIO] = feature_ratio(d[COUNTER_BLOCK_JUMPS], reads, 0);
	f[FEATURE_AVG_IO_BYTES] = feature_mean(d[COUNTER_BLOCK_READ_BYTES], reads);
	f[FEATURE_SEQ_RATIO] = RATIO_ONE - f[FEATURE_JUMP_RATIO];
	f[FEATURE_IOPS] = feature_per_second(reads, span_us);
	f[FEATURE_STREAM_RATIO] = feature_ratio(d[COUNTER_BLOCK_CONTINUED], reads, 0);
	/* A run is a read that continues no stream, and those that continue it. */
	f[FEATURE_RUN_BYTES] =
		reads > d[COUNTER_BLOCK_CONTINUED] ?
			d[COUNTER_BLOCK_READ_BYTES] / (reads - d[COUNTER_BLOCK_CONTINUED]) :
			d[COUNTER_BLOCK_READ_BYTES];
	f[FEATURE_RAHEAD_RATIO] = feature_ratio(d[COUNTER_BLOCK_RAHEAD_READS], reads, 0);
	f[FEATURE_READ_RATIO] = feature_ratio(reads, reads + d[COUNTER_BLOCK_WRITES], 0);
	f[FEATURE_BYTES_PER_S] = feature_per_second(d[COUNTER_BLOCK_READ_BYTES], span_us);
	f[FEATURE_LATENCY_NS] = feature_mean(d[COUNTER_LATENCY_NS], d[COUNTER_LATENCY_READS]);
	f[11] = f[12] = f[13] = f[14] = f[15] = 0;

	f[FEATURE_ASYNC_SHARE] = feature_ratio(async, calls, 0);
	f[FEATURE_SYNC_PER_S] = feature_per_second(sync, span_us);
	f[FEATURE_ASYNC_PER_S] = feature_per_second(async, span_us);
	f[FEATURE_AROUND_PER_S] = feature_per_second(around, span_us);
	f[FEATURE_AVG_REQ_PAGES_Q8] =
		feature_mean((d[COUNTER_SYNC_PAGES] + d[COUNTER_ASYNC_PAGES]) << 8, sync + async);
	f[FEATURE_FILL_RATIO] = feature_ratio(d[COUNTER_ORDER_PAGES], d[COUNTER_ORDER_RA_PAGES], 0);
	/* No start at all: one run that spans the window. */
	f[FEATURE_RUN_WINDOWS_Q8] = starts ? (calls << 8) / starts : calls << 8;
	f[FEATURE_MARK_RATIO] = feature_ratio(async, d[COUNTER_ORDER_CALLS], 0);
	f[FEATURE_RA_PAGES] = w->ra_pages;
	f[FEATURE_AROUND_SHARE] = feature_ratio(around, calls, 0);
	f[FEATURE_HEAD_SHARE] = feature_ratio(d[COUNTER_SYNC_HEADS], calls, 0);
	f[FEATURE_AVG_WINDOW_PAGES_Q8] =
		feature_mean(d[COUNTER_ORDER_PAGES] << 8, d[COUNTER_ORDER_CALLS]);

	jumps = d[COUNTER_SYNC_JUMPS];
	unused = d[COUNTER_UNUSED_PAGES];
	used = d[COUNTER_ORDER_PAGES]; /* and misses that jump: those read just what was asked for
					*/
	if (sync)
		used += d[COUNTER_SYNC_PAGES] * jumps / sync;
	used = used > unused ? used - unused : 0;
	starts = jumps + d[COUNTER_SYNC_HEADS] + around;
	f[FEATURE_RUN_PAGES_Q8] = (used << 8) / (starts ? starts : 1); /* as above */
	f[FEATURE_USED_RATIO] = feature_ratio(used, used + unused, 0);
	f[FEATURE_JUMP_SHARE] = feature_ratio(jumps, sync, 0);
	return 0;
}

#endif /* BPFAHEAD_FEATURES_H */
