// SPDX-License-Identifier: GPL-2.0-only
/*
 * The readahead layer by its tracepoints (mainline 6.18, "mm/readahead: add
 * tracepoints"). Kernels without them: ra_fentry.bpf.c.
 */
#include "readahead_layer.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/page_cache_sync_ra")
int BPF_PROG(ra_sync, struct inode *inode, unsigned long index, struct file_ra_state *ra,
	     unsigned long req_count)
{
	account_sync(inode, index, ra, req_count);
	return 0;
}

SEC("tp_btf/page_cache_async_ra")
int BPF_PROG(ra_async, struct inode *inode, unsigned long index, struct file_ra_state *ra,
	     unsigned long req_count)
{
	account_async(inode, req_count);
	return 0;
}

SEC("tp_btf/page_cache_ra_order")
int BPF_PROG(ra_order, struct inode *inode, unsigned long index, struct file_ra_state *ra)
{
	account_order(inode, ra);
	return 0;
}
