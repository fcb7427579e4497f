/* SPDX-License-Identifier: GPL-2.0-only */
/* What reaction and reaction.bpf.c exchange. */
#ifndef BPFAHEAD_REACTION_H
#define BPFAHEAD_REACTION_H

#include "../../bpf/abi.h"

enum reaction_state {
	REACTION_IDLE = 0,
	REACTION_ARMED = 1, /* the next read of the device sends the event */
	REACTION_SENDING = 2,
	REACTION_SENT = 3, /* the helper's next pwrite() is the value's */
	REACTION_WRITTEN = 4,
	REACTION_RING_FULL = 5,
};

struct reaction {
	__u32 state;
	__u32 helper;    /* its process id */
	__u32 nr_pwrite; /* number of the system call pwrite64 */
	__u32 in_pwrite; /* the helper is within one */
	__u64 reserved_ns;
	__u64 written_ns;
	struct event event;
};

#endif
