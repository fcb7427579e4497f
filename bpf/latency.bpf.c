// SPDX-License-Identifier: GPL-2.0-only
/*
 * Completion latency, for models that ask for it: a second hook on every
 * request, so it is loaded only then. Devices that work on bios (zram, dm) do
 * not pass here. Runs in hard or soft interrupt context: no slot is taken, no
 * hop ended.
 */
#include "totals.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/block_rq_complete")
int BPF_PROG(block_rq_complete, struct request *rq)
{
	__u64 id, began = rq->io_start_time_ns;
	struct bdi_counters *c;
	struct bdi_state *st;
	__u32 slot, *where;

	if ((rq->cmd_flags & REQ_OP_MASK) != REQ_OP_READ || !began)
		return 0;
	id = rq->q->disk->bdi->id;
	if (!id)
		return 0;
	slot = id & (BDI_SLOTS - 1);
	st = bpf_map_lookup_elem(&bdis, &slot);
	if (st && st->bdi_id != id) {
		where = bpf_map_lookup_elem(&bdi_slots, &id);
		if (!where)
			return 0;
		slot = *where;
		st = bpf_map_lookup_elem(&bdis, &slot);
	}
	c = bpf_map_lookup_elem(&counters, &slot);
	if (!c || !st || st->bdi_id != id)
		return 0;
	/* Completions may come to a CPU that submits nothing. */
	if (!adopted(c, st, id))
		adopt_counters(c, st, id);
	if (~st->sources & SOURCE_LATENCY)
		__sync_fetch_and_or(&st->sources, SOURCE_LATENCY);
	c->total[COUNTER_LATENCY_NS] += bpf_ktime_get_ns() - began;
	c->total[COUNTER_LATENCY_READS]++;
	return 0;
}
