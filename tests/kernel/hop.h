/* SPDX-License-Identifier: GPL-2.0-only */
/* Arguments of the syscall programs in hop.bpf.c. */
#ifndef BPFAHEAD_HOP_H
#define BPFAHEAD_HOP_H

#include "../../bpf/abi.h"

/* count: add to the totals of a bdi on one CPU, as the hooks would. */
struct count_args {
	__u32 slot;
	__u32 cpu;
	__u64 bdi_id; /* tag; another than before starts from 0 */
	__u64 add[COUNTERS_MAX];
};

/* end_hop: hop_end() at a made-up time, on a made-up device. */
struct hop_args {
	__u32 slot;
	__u32 idle;
	__u64 now_ns;
	__u64 ra_pages;
	__u64 limits_sig;
	__u32 io_opt;
	__u32 max_sectors;
};

/* see: what the slow path of a hook does with an event of this bdi id. */
struct see_args {
	__u64 bdi_id;
	__u32 source;
	__u32 flags;
	__u64 counted; /* out: block reads counted on this CPU, this one included; 0: refused */
	__u64 due_in;  /* out: jiffies from then until an event looks at the clock again */
	__u64 at_hand; /* out: enum source: hooks that find the totals without this path */
};

/* ask: fetch the acting model again and again, and ask it about features of 0. */
struct ask_args {
	__u32 times;
	__u32 pad;
	__s32 first_logit[2]; /* of the two models there are, with their checksums */
	__u64 checksum[2];
	__u64 answered[2], refused, third; /* out */
};

#endif
