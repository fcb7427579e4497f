// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a hop, and the giving of slots, by test run: the code of the
 * hooks under made-up totals, times and bdi ids.
 */
#include "../../bpf/account.bpf.h"
#include "own_bdi.bpf.h"
#include "hop.h"

char LICENSE[] SEC("license") = "GPL";

SEC("syscall")
int count(struct count_args *a)
{
	__u32 slot = a->slot, cpu = a->cpu, i;
	struct bdi_counters *c;
	struct bdi_state *st;

	c = bpf_map_lookup_percpu_elem(&counters, &slot, cpu);
	st = bpf_map_lookup_elem(&bdis, &slot);
	if (!c || !st)
		return -1;
	if (c->bdi_id != a->bdi_id)
		for (i = 0; i < COUNTERS_MAX; i++)
			c->total[i] = 0;
	c->bdi_id = a->bdi_id;
#pragma unroll
	for (i = 0; i < COUNTERS_MAX; i++)
		c->total[i] += a->add[i];
	st->cpu_mask[cpu / 64 % CPU_MASK_WORDS] |= 1ULL << cpu % 64;
	return 0;
}

SEC("syscall")
int end_hop(struct hop_args *a)
{
	__u32 zero = 0, slot = a->slot;
	struct scratch *s;

	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!s || __sync_val_compare_and_swap(&s->busy, 0, 1))
		return -1;
	s->in.now_ns = a->now_ns;
	s->in.ra_pages = a->ra_pages;
	s->in.limits_sig = a->limits_sig;
	s->in.io_opt = a->io_opt;
	s->in.max_sectors = a->max_sectors;
	s->in.idle = a->idle;
	hop_end(slot);
	s->busy = 0;
	return 0;
}

static long ask_once(__u64 index, struct ask_args *a)
{
	__u32 zero = 0, i;
	struct scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	__s32 logit;

	if (!s)
		return 1;
	for (i = 0; i < FEATURES_MAX; i++)
		s->window.f.value[i] = 0;
	if (load_model(MODEL_ACTING, SOURCES_ALL)) {
		a->refused++;
		return 0;
	}
	if (mlp_infer(&s->model, &s->window.f, &s->mlp))
		return 1;
	logit = s->mlp.logits[0];
	if (s->model.header.checksum == a->checksum[0] && logit == a->first_logit[0])
		a->answered[0]++;
	else if (s->model.header.checksum == a->checksum[1] && logit == a->first_logit[1])
		a->answered[1]++;
	else
		a->third++;
	return 0;
}

SEC("syscall")
int ask(struct ask_args *args)
{
	struct ask_args a = {
		.first_logit = {args->first_logit[0], args->first_logit[1]},
		.checksum = {args->checksum[0], args->checksum[1]},
	};

	bpf_loop(args->times, ask_once, &a, 0);
	args->answered[0] = a.answered[0];
	args->answered[1] = a.answered[1];
	args->refused = a.refused;
	args->third = a.third;
	return 0;
}

/* The bdi that this program's own file lies on lends its struct; the id is made up. */
SEC("syscall")
int see(struct see_args *a)
{
	struct super_block *sb = own_super_block();
	struct backing_dev_info *bdi;
	struct bdi_counters *c;
	__u64 jiffy;

	if (!sb)
		return -1;
	bdi = sb->s_bdi;
	if (!bdi)
		return -1;
	jiffy = bpf_jiffies64();
	c = tick(bdi, sb->s_bdev->bd_disk->queue, a->bdi_id, a->source, a->flags);
	a->counted = c ? ++c->total[COUNTER_BLOCK_READS] : 0;
	a->due_in = c ? c->due - jiffy : 0;
	a->at_hand = 0;
	if (counters_of(a->bdi_id, SOURCE_BLOCK))
		a->at_hand |= SOURCE_BLOCK;
	if (counters_of(a->bdi_id, SOURCE_READAHEAD))
		a->at_hand |= SOURCE_READAHEAD;
	return 0;
}
