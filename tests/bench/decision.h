/* SPDX-License-Identifier: GPL-2.0-only */
/* Arguments of the syscall programs in decision.bpf.c. */
#ifndef BPFAHEAD_DECISION_H
#define BPFAHEAD_DECISION_H

#include "../../bpf/abi.h"

/* Loops over one thing and says how long all of them took. */
struct timing {
	__u32 loops;
	__u32 done; /* out: loops that succeeded */
	__u64 ns;   /* out */
};

#define BENCH_SLOT 7U
#define BENCH_BDI_ID 7ULL
#define BENCH_RA_PAGES 32U
#define BENCH_HOP_NS 500000000ULL

#endif
