// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files told apart (per_file.bpf.h), by fentry, for kernels without the tracepoints of the
 * readahead layer (6.1 to 6.17).
 */
#include "per_file.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("fentry/page_cache_sync_ra")
int BPF_PROG(file_sync_ra, struct readahead_control *ractl, unsigned long req_count)
{
	file_sync(ractl->mapping->host, ractl->_index, ractl->ra, req_count);
	return 0;
}

SEC("fentry/page_cache_async_ra")
int BPF_PROG(file_async_ra, struct readahead_control *ractl, void *folio, unsigned long req_count)
{
	file_async(ractl->mapping->host, ractl->ra, req_count);
	return 0;
}

SEC("fentry/page_cache_ra_order")
int BPF_PROG(file_ra_order, struct readahead_control *ractl, struct file_ra_state *ra)
{
	file_order(ractl->mapping->host, ra);
	return 0;
}
