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

/* A row's value within the bounds of the configuration. */
static __always_inline __u32 bounded_kb(__u32 kb, const struct settings *set)
{
	if (kb < set->floor_kb)
		kb = set->floor_kb;
	return kb > set->cap_kb ? set->cap_kb : kb;
}

/*
 * All that posix_fadvise(POSIX_FADV_SEQUENTIAL) leaves in a file is twice its device's value
 * (mm/fadvise.c). So no value of ours is twice another that the device has, had, or comes back to.
 * Of two in a row the smaller is made an odd number of pages: what it leaves in files is then not
 * the larger. The original, and what was in force under another row, stay as they are, so the value
 * beside them gives way, on either side. So does all that is no power of two: twice an odd one is
 * never a value of ours then.
 *
 * Up to four pages stay as they are, and twice that gives way: a window of three has no marker
 * (async_size = 3 / 4), and without one a stream through a mapping looks like random pages.
 */
#define FEW_PAGES 4

__attribute__((noinline)) int mistakable(const struct policy_row *row, __u32 had, __u32 pages,
					 __u32 original, const struct settings *set)
{
	__u32 i, other, half = pages / 2, twice = 2 * pages, page_kb = PAGE_KB;

	barrier_var(page_kb); /* one relocation */
	if (!row || !set || !page_kb)
		return 1;
	if (pages & (pages - 1) || had & (half | twice))
		return 1;
	if (original == half || original == twice)
		return 1;
#pragma clang loop unroll(disable)
	for (i = 0; i < CLASSES_MAX; i++) {
		other = row->ra_kb[i];
		if (!other)
			continue;
		other = bounded_kb(other, set) / page_kb;
		if (other == twice || (other == half && half <= FEW_PAGES))
			return 1;
	}
	return 0;
}

/* KB that the policy gives a class on a bdi with this original; 0 leaves readahead alone. */
static __always_inline __u32 policy_kb(struct bdi_state *st, __u32 class_id, __u32 original_kb,
				       const struct settings *set)
{
	__u64 id = st->bdi_id, default_id = DEFAULT_POLICY_ID;
	__u32 kb, pages, page_kb = PAGE_KB;
	struct policy_row *row;
	__u8 clamp;

	barrier_var(page_kb); /* one relocation */
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
	kb = bounded_kb(kb, set);
	pages = kb / page_kb;
	if (kb != original_kb && pages > FEW_PAGES && !(pages & 1) &&
	    mistakable(row, st->had_pages, pages, original_kb / page_kb, set)) {
		if (kb - page_kb >= set->floor_kb)
			kb -= page_kb;
		else if (kb + page_kb <= set->cap_kb)
			kb += page_kb;
	}
	if ((clamp == CLAMP_NEVER_LOWER && kb < original_kb) ||
	    (clamp == CLAMP_NEVER_RAISE && kb > original_kb))
		kb = original_kb;
	/* Accepted race of two CPUs, a device's and a file's: the next hop puts it right. */
	pages = kb / page_kb;
	if (!(pages & (pages - 1)))
		st->had_pages |= pages;
	return kb;
}

#endif /* BPFAHEAD_POLICY_BPF_H */
