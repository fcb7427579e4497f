/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Made-up devices and readers, for tests of what judges by progress: a device serves so many
 * requests and so many KB a second, readers take turns at it, and the totals that the kernel
 * programs would have counted come out.
 */
#ifndef BPFAHEAD_TEST_MADE_DEVICE_H
#define BPFAHEAD_TEST_MADE_DEVICE_H

#include <stdbool.h>

#include "bpf/abi.h"

enum reader_kind {
	READER_STREAM,  /* sequential read(2) */
	READER_RUNS,    /* size_kb in order from random places */
	READER_RANDOM,  /* read(2) of size_kb at random places */
	READER_OBJECTS, /* size_kb touched by mmap at random places; 4: pages */
	READER_FILES,   /* whole files of size_kb */
	NR_READER_KINDS,
};

struct reader {
	enum reader_kind kind;
	unsigned int size_kb;
	unsigned int threads;
	double most_per_s; /* what it asks for at most; 0: as much as it gets */
};

#define READERS_MAX 2

/* What objects of 4 KB by mmap are like beyond their size; zeros: a page each, never read again. */
struct made_pages {
	double crosses; /* share that begins in one page and ends in the next */
	double moves;   /* share of waits after which the reader is on another CPU, where the totals
			   take what it reads next for a new place */
	double cached;  /* share of accesses that take no read with one page each */
	bool goes_on;   /* objects: one read-around, then windows to the end and one beyond */
	double markers; /* windows for each read-around of more than a page, from its marker on */
};

struct made_device {
	double iops, kb_per_s, latency_s;
	double noise; /* standard deviation from hop to hop */
	unsigned int nr_readers;
	struct reader reader[READERS_MAX];
	struct made_pages pages;
	__u64 seed;
	__u64 time_ns;
	double total[COUNTERS_MAX];
};

/* 0 <= x < 1 */
double made_random(__u64 *seed);
/* Between two bounds, evenly by logarithm. */
double made_between(__u64 *seed, double low, double high);

/* Units a second of each reader at this readahead, those from the cache included, without noise. */
void made_rates(const struct made_device *d, unsigned int ra_kb, double rates[READERS_MAX]);

/* Lets the device work for a while; adds to time and totals. */
void made_work(struct made_device *d, unsigned int ra_kb, __u64 span_ns);

#endif
