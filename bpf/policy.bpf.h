/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Settings and policy as the kernel programs take them from the maps: defaults
 * where a field is 0, everything within bounds.
 */
#ifndef BPFAHEAD_POLICY_BPF_H
#define BPFAHEAD_POLICY_BPF_H

#include "maps.bpf.h"
#include "../loader/defaults.h"

static __always_inline __u64 setting(__u64 value, __u64 preset, __u64 low, __u64 high)
{
	if (!value)
		value = preset;
	if (value < low)
		return low;
	return value > high ? high : value;
}

#define MS 1000000ULL

static __always_inline void read_settings(const struct config *c, struct settings *s)
{
	s->hop_ns = setting(c->hop_ns, DEFAULT_HOP_NS, 10 * MS, 10000 * MS);
	s->window_ns = setting(c->window_ns, DEFAULT_WINDOW_NS, s->hop_ns, HOPS_MAX * s->hop_ns);
	s->hops = s->window_ns / s->hop_ns;
	s->stretch_ns = setting(c->stretch_ns, DEFAULT_STRETCH_NS, s->window_ns, 600000 * MS);
	s->dwell_ns = setting(c->dwell_ns, DEFAULT_DWELL_NS, 10 * MS, 3600000 * MS);
	s->sample_ns = setting(c->sample_ns, DEFAULT_SAMPLE_NS, 10 * MS, 3600000 * MS);
	s->margin = setting(c->margin < 0 ? 0 : c->margin, DEFAULT_MARGIN, 1, LOGIT_MAX);
	s->confirm = setting(c->confirm, DEFAULT_CONFIRM, 1, 1000);
	s->min_calls = setting(c->min_calls, DEFAULT_MIN_CALLS, 1, 1000000);
	s->floor_kb = setting(c->floor_kb, DEFAULT_FLOOR_KB, RA_KB_HARD_MIN, RA_KB_HARD_MAX);
	s->cap_kb = setting(c->cap_kb, DEFAULT_CAP_KB, s->floor_kb, RA_KB_HARD_MAX);
	s->mode = c->mode;
}

/*
 * A value of ours is an odd number of pages: posix_fadvise(POSIX_FADV_SEQUENTIAL) shows in a file
 * only as twice its device's value (mm/fadvise.c), which is even. Up to four pages stay as they
 * are: a window of three has no marker (async_size = 3 / 4), and without one a stream through a
 * mapping looks like random pages.
 */
static __always_inline __u32 odd_pages_kb(__u32 kb, const struct settings *set)
{
	__u32 pages = kb / PAGE_KB;

	if (pages <= 4 || pages & 1)
		return kb;
	if (kb - PAGE_KB >= set->floor_kb)
		return kb - PAGE_KB;
	return kb + PAGE_KB <= set->cap_kb ? kb + PAGE_KB : kb;
}

/* KB that the policy gives a class on a bdi with this original; 0 leaves readahead alone. */
static __always_inline __u32 policy_kb(__u64 id, __u32 class_id, __u32 original_kb,
				       const struct settings *set)
{
	__u64 default_id = DEFAULT_POLICY_ID;
	struct policy_row *row;
	__u32 kb;
	__u8 clamp;

	if (class_id >= CLASSES_MAX || !original_kb)
		return 0;
	row = bpf_map_lookup_elem(&policy, &id);
	if (!row)
		row = bpf_map_lookup_elem(&policy, &default_id);
	if (!row)
		return 0;
	kb = row->ra_kb[class_id & (CLASSES_MAX - 1)];
	if (!kb)
		return 0;
	clamp = row->clamp[class_id & (CLASSES_MAX - 1)];
	if (kb < set->floor_kb)
		kb = set->floor_kb;
	if (kb > set->cap_kb)
		kb = set->cap_kb;
	if (kb == original_kb)
		return kb;
	kb = odd_pages_kb(kb, set);
	if ((clamp == CLAMP_NEVER_LOWER && kb < original_kb) ||
	    (clamp == CLAMP_NEVER_RAISE && kb > original_kb))
		kb = original_kb;
	return kb;
}

#endif /* BPFAHEAD_POLICY_BPF_H */
