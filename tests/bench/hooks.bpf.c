// SPDX-License-Identifier: GPL-2.0-only
/* What the hooks are measured against: programs on the same tracepoints that do nothing. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/block_bio_queue")
int empty_queue(void *context)
{
	return 0;
}

SEC("tp_btf/block_rq_complete")
int empty_complete(void *context)
{
	return 0;
}
