/* SPDX-License-Identifier: GPL-2.0-only */
/* What the running kernel says in passing: its clock, its pages. */
#ifndef BPFAHEAD_HOST_H
#define BPFAHEAD_HOST_H

#include <linux/types.h>
#include <time.h>
#include <unistd.h>

/* CLOCK_MONOTONIC, which is bpf_ktime_get_ns(). */
static inline __u64 monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec;
}

/* 4, 16 or 64. */
static inline unsigned int page_kb(void)
{
	return (unsigned int)(sysconf(_SC_PAGESIZE) / 1024);
}

#endif
