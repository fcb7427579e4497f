// SPDX-License-Identifier: GPL-2.0-only
/*
 * The readahead layer by fentry, for kernels without its tracepoints (6.1 to
 * 6.17). Some kernels refuse fentry altogether; the block layer is then all
 * there is.
 */
#include "readahead_layer.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("fentry/page_cache_sync_ra")
int BPF_PROG(ra_sync, struct readahead_control *ractl, unsigned long req_count)
{
	account_sync(ractl->mapping->host, ractl->_index, ractl->ra, req_count);
	return 0;
}

SEC("fentry/page_cache_async_ra")
int BPF_PROG(ra_async, struct readahead_control *ractl, void *folio, unsigned long req_count)
{
	account_async(ractl->mapping->host, req_count);
	return 0;
}

SEC("fentry/page_cache_ra_order")
int BPF_PROG(ra_order, struct readahead_control *ractl, struct file_ra_state *ra)
{
	account_order(ractl->mapping->host, ra);
	return 0;
}
