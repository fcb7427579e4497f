/* SPDX-License-Identifier: GPL-2.0-only */
/* Arguments of the syscall programs in decision.bpf.c. */
#ifndef BPFAHEAD_DECISION_H
#define BPFAHEAD_DECISION_H

#include "../../bpf/abi.h"

/* Loops over one thing and says how long all of them took. */
struct timing {
	__u32 loops;
	__u32 done;  /* out: loops that succeeded */
	__u64 ns;    /* out */
	__u64 least; /* out: of one loop, where each is timed by itself */
	__u32 cpus;  /* that have touched each bdi */
	__u32 bdis;
	__u32 kind; /* enum event_kind */
	__u32 pad;
};

/* Which way an event goes. */
enum event_kind {
	BENCH_FAST,      /* the bdi is in its home slot, and the jiffy is known */
	BENCH_SECOND,    /* another bdi is in its home slot, it in its second one */
	BENCH_DISPLACED, /* it is in neither */
	BENCH_TICK,      /* first of a jiffy on this CPU */
	BENCH_ADOPT,     /* first on this CPU */
	BENCH_TAKE,      /* first at all */
	BENCH_SEARCH,    /* the same, the home slot being taken and one far away free */
	BENCH_FULL,      /* the same, no slot being free: looked for */
	BENCH_REFUSED,   /* the same, again in that jiffy: not looked for */
};

#define BENCH_ADDITIONS 1000

/* Made-up bdis live in the first slots, their homes. */
#define BENCH_BDI_ID(slot) (BDI_SLOTS * 1000ULL + (slot))
#define BENCH_RA_PAGES 32U
#define BENCH_HOP_NS 500000000ULL

#endif
