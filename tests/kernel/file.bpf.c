// SPDX-License-Identifier: GPL-2.0-only
/* The end of a file's hop, and the giving of places, by test run: made-up totals, times and keys.
 */
#include "../../bpf/per_file.bpf.h"
#include "file.h"

char LICENSE[] SEC("license") = "GPL";

SEC("syscall")
int end_file_hop(struct file_hop_args *a)
{
	__u32 zero = 0;
	struct scratch *s;

	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!s || __sync_val_compare_and_swap(&s->busy, 0, 1))
		return -1;
	s->in.now_ns = a->now_ns;
	s->in.ra_pages = a->ra_pages;
	s->in.idle = a->idle;
	file_hop_end(a->index, a->bdi_kb);
	s->busy = 0;
	return 0;
}

SEC("syscall")
int take(struct file_take_args *a)
{
	struct file_key key = {
		.ino = a->key.ino,
		.s_dev = a->key.s_dev,
		.generation = a->key.generation,
	};

	a->taken = file_take(&key, a->bdi_id, a->first & (FILES_MAX - FILE_WAYS)) != NULL;
	a->jiffy = bpf_jiffies64();
	return 0;
}
