// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long from an event to its value in sysfs. The event is sent from where
 * real ones are, a reader's own block_bio_queue; the end is the helper's
 * return from pwrite(2), seen at sys_exit: that call it makes for values only.
 */
#include "../../bpf/core.bpf.h"
#include "reaction.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENTS_RING_BYTES);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reaction);
} reaction SEC(".maps");

static __always_inline struct reaction *get_reaction(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&reaction, &zero);
}

SEC("tp_btf/block_bio_queue")
int BPF_PROG(send, struct bio *bio)
{
	struct reaction *r = get_reaction();
	struct event *e;

	if (!r || r->state != REACTION_ARMED)
		return 0;
	if (bio->bi_bdev->bd_disk->bdi->id != r->event.bdi_id)
		return 0;
	if (__sync_val_compare_and_swap(&r->state, REACTION_ARMED, REACTION_SENDING) !=
	    REACTION_ARMED)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		r->state = REACTION_RING_FULL;
		return 0;
	}
	r->reserved_ns = bpf_ktime_get_ns();
	__builtin_memcpy(e, &r->event, sizeof(*e));
	e->time_ns = r->reserved_ns;
	r->state = REACTION_SENT;
	bpf_ringbuf_submit(e, 0);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(enter, struct pt_regs *regs, long nr)
{
	struct reaction *r = get_reaction();

	if (r && bpf_get_current_pid_tgid() >> 32 == r->helper)
		r->in_pwrite = nr == r->nr_pwrite;
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(leave, struct pt_regs *regs, long result)
{
	struct reaction *r = get_reaction();

	if (!r || bpf_get_current_pid_tgid() >> 32 != r->helper)
		return 0;
	if (!r->in_pwrite || result <= 0 || r->state != REACTION_SENT)
		return 0;
	r->written_ns = bpf_ktime_get_ns();
	r->state = REACTION_WRITTEN;
	return 0;
}
