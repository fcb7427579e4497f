// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block reads, and the maps that all of bpfahead shares.
 *
 * The policy, once for all objects:
 *
 * 1. Account. Every read adds to totals that only ever grow, per CPU and per
 *    backing device (bdi). Nothing is reset, so nothing can be lost between two
 *    programs. Measured cost per event: see docs/figures.md.
 *
 * 2. Close. Twice a second (config.hop_ns) the first event past the deadline
 *    ends a hop: it sums the CPUs that have touched the bdi and stores the sum.
 *    A window is the difference of two sums: the whole sliding window (2.5 s)
 *    and its last hop. A hop with hardly a call lasts longer, so that a slow
 *    device's window stretches up to 10 s. After an idle spell everything from
 *    before is thrown away.
 *
 * 3. Infer. The model is copied from its map, checked, and asked twice: what
 *    does the whole window look like, and what the last hop alone?
 *
 * 4. Decide. Only hops on which both answers agree, by at least the configured
 *    margin, count; so many in a row (confirm), and no sooner than `dwell`
 *    after the last change, make a decision. A hop that is sure counts twice
 *    (SURE_MARGIN), so that two are enough for the default of three. When two
 *    hops in a row agree with each other but not with the window, the window
 *    restarts where they began, so that a change of pattern is never judged by
 *    a blend of both.
 *
 *    Example: a scan ends at t = 0.3 s and a random reader begins. Hop 0.5 is a
 *    blend. Hops 1.0 and 1.5 say random, the window still says sequential: it
 *    restarts at 0.5, agrees at 1.5 (confirm 1), 2.0 and 2.5 (confirm 3), and
 *    the decision falls at 2.5 s; at 2.0 s, if one of the first two is sure.
 *
 * 5. Tell. What is wanted is a level, not an edge: as long as the helper has
 *    not answered, or bdi->ra_pages is not what it accepted, an event goes out
 *    once per dwell. A full ring therefore loses nothing.
 *
 * Without a sound model, a policy row for the class, enough calls, or a
 * directory in sysfs, readahead is left alone.
 */
#include "account.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Forgets a device whose bdi has no slot any more. */
static long forget_bdev(void *map, __u32 *dev, __u64 *id, void *context)
{
	if (!bpf_map_lookup_elem(&bdi_slots, id))
		bpf_map_delete_elem(&bdevs, dev);
	return 0;
}

/* Lets raw-device reads through the page cache find the bdi: the dev_t is all they show. */
static __noinline void learn_bdev(__u32 dev, __u64 id)
{
	__u64 *known;

	known = bpf_map_lookup_elem(&bdevs, &dev);
	if (known && *known == id)
		return;
	if (bpf_map_update_elem(&bdevs, &dev, &id, BPF_ANY))
		bpf_for_each_map_elem(&bdevs, forget_bdev, NULL, 0);
}

SEC("tp_btf/block_bio_queue")
int BPF_PROG(block_bio_queue, struct bio *bio)
{
	__u64 id;
	struct backing_dev_info *bdi;
	struct bdi_counters *c;
	struct gendisk *disk;
	__u32 op;

	op = bio->bi_opf & REQ_OP_MASK;
	if (op > REQ_OP_WRITE)
		return 0;
	disk = bio->bi_bdev->bd_disk;
	bdi = disk->bdi;
	id = bdi->id;
	if (!id)
		return 0;
	c = counters_of(id, SOURCE_BLOCK);
	if (!c)
		c = tick(bdi, disk->queue, id, SOURCE_BLOCK, 0);
	if (!c)
		return 0;
	if (op == REQ_OP_WRITE) {
		c->total[COUNTER_BLOCK_WRITES]++;
		return 0;
	}
	if (unlikely(c->history.last_dev != bio->bi_bdev->bd_dev)) {
		c->history.last_dev = bio->bi_bdev->bd_dev;
		learn_bdev(c->history.last_dev, id);
	}
	account_block_read(&c->history, c->total, bio->bi_iter.bi_sector, bio->bi_iter.bi_size,
			   bio->bi_opf &
				   1U << bpf_core_enum_value(enum req_flag_bits, __REQ_RAHEAD));
	return 0;
}
