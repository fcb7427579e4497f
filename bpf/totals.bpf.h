/* SPDX-License-Identifier: GPL-2.0-only */
/* The totals of each bdi, and where they are: what every hook needs. */
#ifndef BPFAHEAD_TOTALS_BPF_H
#define BPFAHEAD_TOTALS_BPF_H

#include "core.bpf.h"
#include "block_read.h"

/* What one CPU has seen of one bdi. The tag says whose totals these are. */
struct bdi_counters {
	__u64 bdi_id; /* 0: none */
	__u64 due;    /* jiffy from which on an event here looks at the clock again */
	__u32 slot_seq;
	__u32 sources; /* enum source: hooks of this CPU that have made themselves known */
	struct block_history history;
	__u64 total[COUNTERS_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BDI_SLOTS);
	__type(key, __u32);
	__type(value, struct bdi_state);
} bdis SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BDI_SLOTS);
	__type(key, __u32);
	__type(value, struct bdi_counters);
} counters SEC(".maps");

/* Where a bdi lives if its home slot, id modulo BDI_SLOTS, is another's: ids far apart differ here.
 */
static __always_inline __u32 second_slot(__u64 id)
{
	return (__u32)id * 0x9e3779b1U >> 24;
}

_Static_assert(BDI_SLOTS == 1 << (32 - 24), "second_slot() gives slots");

/* Where a bdi lives if in neither; and whether at all. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BDI_SLOTS);
	__type(key, __u64);
	__type(value, __u32);
} bdi_slots SEC(".maps");

static __always_inline bool adopted(const struct bdi_counters *c, const struct bdi_state *st,
				    __u64 id)
{
	return c->bdi_id == id && c->slot_seq == (__u32)st->slot_seq;
}

/* This CPU begins to count for a bdi in a slot: its totals start at 0, and it joins the mask. */
static __noinline __attribute__((unused)) void adopt_counters(struct bdi_counters *c,
							      struct bdi_state *st, __u64 id)
{
	__u32 cpu = bpf_get_smp_processor_id(), i;

	c->bdi_id = 0;
	c->history.last_end = 0;
	c->history.last_dev = 0;
	c->history.stream_next = 0;
	for (i = 0; i < STREAMS; i++)
		c->history.stream_end[i] = 0;
	for (i = 0; i < COUNTERS_MAX; i++)
		c->total[i] = 0;
	c->slot_seq = st->slot_seq;
	c->sources = 0;
	__sync_fetch_and_or(&st->cpu_mask[(cpu / 64) % CPU_MASK_WORDS], 1ULL << (cpu % 64));
	c->bdi_id = id;
}

#endif /* BPFAHEAD_TOTALS_BPF_H */
