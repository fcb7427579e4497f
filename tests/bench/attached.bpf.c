// SPDX-License-Identifier: GPL-2.0-only
/* What attached.c compares with: programs on the same four tracepoints that do nothing. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/block_bio_queue")
int empty_bio_queue(void *context)
{
	return 0;
}

SEC("tp_btf/page_cache_sync_ra")
int empty_sync(void *context)
{
	return 0;
}

SEC("tp_btf/page_cache_async_ra")
int empty_async(void *context)
{
	return 0;
}

SEC("tp_btf/page_cache_ra_order")
int empty_order(void *context)
{
	return 0;
}
