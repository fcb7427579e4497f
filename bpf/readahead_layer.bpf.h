/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The readahead layer, for both of its forms: calls of the page cache's
 * readahead functions (mm/readahead.c), which happen only on cache misses and
 * on hits of a marker page, per stream, for any file system.
 */
#ifndef BPFAHEAD_READAHEAD_LAYER_BPF_H
#define BPFAHEAD_READAHEAD_LAYER_BPF_H

#include "account.bpf.h"

typedef __u64 total_t;
#define TOTAL_ADD(total, name, n) ((total)[COUNTER_##name] += (n))
#include "readahead_totals.bpf.h"

/*
 * Reads of a raw device show only its dev_t. They are counted once the block
 * hook has seen the device; the hop is then ended by that hook, which has the
 * bdi at hand.
 */
static __noinline struct bdi_counters *raw_device_counters(__u32 dev)
{
	struct bdi_counters *c;
	struct bdi_state *st;
	__u32 *slot;
	__u64 *id;

	id = bpf_map_lookup_elem(&bdevs, &dev);
	if (!id) {
		COUNT(unknown_bdev);
		return NULL;
	}
	slot = bpf_map_lookup_elem(&bdi_slots, id);
	if (!slot)
		return NULL;
	c = bpf_map_lookup_elem(&counters, slot);
	st = bpf_map_lookup_elem(&bdis, slot);
	if (!c || !st || st->bdi_id != *id)
		return NULL;
	if (!adopted(c, st, *id))
		adopt_counters(c, st, *id);
	if (~st->sources & SOURCE_READAHEAD)
		__sync_fetch_and_or(&st->sources, SOURCE_READAHEAD);
	return c;
}

/*
 * The file system's UUID, by which a device is known again under another bdi. When it is first seen
 * the window begins anew at the next event, so that the helper is told in time for its first hop:
 * without the claim, since whoever ends a hop meanwhile only puts that off.
 */
static __noinline void learn_uuid(struct super_block *sb, __u64 id, struct bdi_counters *c)
{
	__u32 *slot = bpf_map_lookup_elem(&bdi_slots, &id), i;
	struct bdi_state *st;
	__u8 any = 0;

	if (!slot)
		return;
	st = bpf_map_lookup_elem(&bdis, slot);
	if (!st || st->bdi_id != id || st->flags & BDI_UUID_SEEN)
		return;
	for (i = 0; i < FS_UUID_LEN; i++) {
		st->fs_uuid[i] = sb->s_uuid.b[i];
		any |= st->fs_uuid[i];
	}
	st->flags |= BDI_UUID_SEEN;
	if (any)
		st->flags &= ~BDI_ANNOUNCED;
	st->nr_hops = 0;
	st->hop_deadline_ns = 0;
	c->due = 0;
}

static __noinline struct bdi_counters *inode_counters(struct inode *inode)
{
	struct super_block *sb = inode->i_sb;
	struct backing_dev_info *bdi;
	struct bdi_counters *c;
	__u64 id;

	if (sb->s_magic == BDEVFS_MAGIC)
		return raw_device_counters(inode->i_rdev);
	bdi = sb->s_bdi;
	id = bdi->id;
	if (!id)
		return NULL;
	c = counters_of(id, SOURCE_READAHEAD);
	if (c)
		return c;
	c = tick(bdi, sb->s_bdev->bd_disk->queue, id, SOURCE_READAHEAD, BDI_FS_SEEN);
	if (c)
		learn_uuid(sb, id, c);
	return c;
}

static __always_inline void account_sync(struct inode *inode, __u64 index, struct file_ra_state *ra,
					 __u64 req_count)
{
	struct bdi_counters *c = inode_counters(inode);

	if (c)
		add_sync(c->total, index, ra, req_count);
}

static __always_inline void account_async(struct inode *inode, __u64 req_count)
{
	struct bdi_counters *c = inode_counters(inode);

	if (c)
		add_async(c->total, req_count);
}

/*
 * Does this task read around a fault in another place than the last time, 4 MiB or more away (with
 * pages of 4 KB)? Such places per second are what a random reader of a mapping gets done
 * whatever the readahead is; read-arounds per second are not, because one object takes fewer of
 * them the more each reads.
 */
static __always_inline bool around_starts(__u64 index)
{
	__u32 pid = bpf_get_current_pid_tgid(), place = index >> 10, zero = 0;
	struct allocator *s = bpf_map_lookup_elem(&allocator, &zero);
	__u64 *last;
	__u32 away;
	bool same;

	if (!s)
		return false;
	/* Neighbours are 64 bytes apart: tasks that fault at once do not share a cache line. */
	last = &s->around[(pid * 8 + pid / 8) & (AROUND_TASKS - 1)];
	away = place - (__u32)*last + 1;
	same = *last >> 32 == pid && away <= 2;
	*last = (__u64)pid << 32 | place;
	return !same;
}

static __always_inline void account_order(struct inode *inode, struct file_ra_state *ra)
{
	struct bdi_counters *c = inode_counters(inode);

	if (c && add_order(c->total, ra) && around_starts(ra->start + ra->size / 2))
		c->total[COUNTER_AROUND_STARTS]++;
}

#endif /* BPFAHEAD_READAHEAD_LAYER_BPF_H */
