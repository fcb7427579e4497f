/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All maps but the totals (totals.bpf.h). Every object declares them alike and
 * is loaded onto the same pinned ones. docs/design.md sums up their memory.
 */
#ifndef BPFAHEAD_MAPS_BPF_H
#define BPFAHEAD_MAPS_BPF_H

#include "totals.bpf.h"
#include "features.h"
#include "mlp.h"

/* What the hook that ends a hop knows and hop_end() needs. */
struct hop_input {
	__u64 now_ns;
	__u64 ra_pages;
	__u64 limits_sig;
	__u32 io_opt;
	__u32 max_sectors;
	__u32 idle; /* what came before is left over from before an idle spell */
	__u32 pad;
};

/* Settings in force: the configured ones, defaults where they are 0, within bounds. */
struct settings {
	__u64 hop_ns, window_ns, stretch_ns, dwell_ns, sample_ns;
	__s32 margin;
	__u32 confirm, min_calls, floor_kb, cap_kb, hops, mode;
};

/* A part of the recent past and what the model says of it. */
struct part {
	struct window w;
	struct mlp_features f;
	__u64 calls;
	__s32 margin;
	__u32 class_id; /* CLASS_NONE: too few calls, or no model */
	__u32 answer;   /* the model's own, before classify_in_place() */
};

#define AROUND_TASKS 64 /* a power of two */

/* One CPU's working memory of a hop end. */
struct scratch {
	__u64 busy; /* programs can be preempted: one hop end at a time on a CPU */
	struct hop_input in;
	struct settings set;
	struct snapshot sum;
	struct part window, hop;
	__u32 span;    /* hops in the window, this one included */
	__u32 fresh;   /* calls since the last boundary: without one nothing is confirmed */
	__u32 sources; /* that the model needs; without a model, those that have spoken */
	__u32 pad;
	struct mlp_scratch mlp;
	struct model model;
};

struct allocator {
	__u64 lock; /* 1 while a CPU gives or takes a slot */
	__u64 next_slot_seq;
	__u64 full_jiffy;    /* no slot was free then: not looked for again in it */
	__u64 told_ns;       /* when the helper was last told that the table is full */
	__u64 file_event_ns; /* last event of a file */
	/*
	 * Where tasks last read around a fault: pid << 32 | place, of those whose pid falls here.
	 * One for all CPUs, since a task that waited for its read wakes on any of them.
	 */
	__u64 around[AROUND_TASKS];
};

/* dev_t of disks and partitions -> bdi id, for reads of raw devices through the page cache. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH); /* an LRU of this size would serve 4 CPUs (before 6.16) */
	__uint(max_entries, 512);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u64);
} bdevs SEC(".maps");

/*
 * Sizes, not types: `bpftool map create` makes maps without BTF, and up to 6.1
 * a map with it is no match for one without (bpf_map_meta_equal() compares
 * timer_off, -ENOENT in the one and -EINVAL in the other).
 */
struct inner_model {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct model));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, NR_MODEL_SLOTS);
	__type(key, __u32);
	__array(values, struct inner_model);
} models SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, POLICY_ROWS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct policy_row);
} policy SEC(".maps");

struct bdi_name {
	char name[BDI_NAME_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BDI_SLOTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct bdi_name);
	__type(value, __u32);
} listed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, APPLIED_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct applied);
} applied SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENTS_RING_BYTES);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WINDOWS_RING_BYTES);
} windows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct global_stats);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct allocator);
} allocator SEC(".maps");

enum global_stat {
#define X(name, text) STAT_##name,
	GLOBAL_STAT_LIST(X)
#undef X
		NR_GLOBAL_STATS
};

/* Adds one to a field of struct global_stats, which is so many counters in a row. */
static __noinline __attribute__((unused)) void count_stat(__u32 stat)
{
	__u32 zero = 0;
	__u64 *s = bpf_map_lookup_elem(&stats, &zero);

	if (s && stat < NR_GLOBAL_STATS)
		s[stat]++;
}

#define COUNT(name) count_stat(STAT_##name)

#endif /* BPFAHEAD_MAPS_BPF_H */
