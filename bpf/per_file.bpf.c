// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files told apart (per_file.bpf.h), by the tracepoints of the readahead layer.
 * Loaded only while config.per_file is on. Kernels without them: per_file_fentry.bpf.c.
 */
#include "per_file.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/page_cache_sync_ra")
int BPF_PROG(file_sync_ra, struct inode *inode, unsigned long index, struct file_ra_state *ra,
	     unsigned long req_count)
{
	file_sync(inode, index, ra, req_count);
	return 0;
}

SEC("tp_btf/page_cache_async_ra")
int BPF_PROG(file_async_ra, struct inode *inode, unsigned long index, struct file_ra_state *ra,
	     unsigned long req_count)
{
	file_async(inode, ra, req_count);
	return 0;
}

SEC("tp_btf/page_cache_ra_order")
int BPF_PROG(file_ra_order, struct inode *inode, unsigned long index, struct file_ra_state *ra)
{
	file_order(inode, ra);
	return 0;
}
