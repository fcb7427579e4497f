/* SPDX-License-Identifier: GPL-2.0-only */
/* What the program in the kernel and the reader tell each other: one file, and what came of it. */
#ifndef BPFAHEAD_BENCH_FOLIOS_H
#define BPFAHEAD_BENCH_FOLIOS_H

#include <linux/types.h>

#define FOLIO_ORDERS 16

struct folios {
	/* Set by the reader: whose calls count, and for which file. */
	__u64 ino;
	__u32 dev; /* as in super_block.s_dev: the major number from bit 20 on */
	__u32 tgid;
	/* Ever growing. */
	__u64 entered[FOLIO_ORDERS]; /* folios that entered the page cache, by order */
	__u64 windows;               /* that asked for large folios */
	__u64 fell_back;             /* of them: what was left of the window came as single pages */
	__u64 in_the_way; /* of these: pages of that rest were in the page cache before */
	__u64 uncharged;  /* of these: the control group had been reclaimed from twice */
	/* The window under way. */
	__u32 asked;    /* it asked for large folios, and has not fallen back */
	__u32 rest;     /* pages left when it fell back; 0: it did not */
	__u32 came;     /* of the rest */
	__u32 reclaims; /* of the group by this task since a folio last entered */
};

#endif
