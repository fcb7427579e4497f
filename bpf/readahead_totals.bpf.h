/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each call of the readahead layer adds to totals: of a bdi
 * (readahead_layer.bpf.h) or of a file (per_file.bpf.h). Whoever includes this
 * defines total_t and how to add to one of them, TOTAL_ADD(total, NAME, n).
 */
#ifndef BPFAHEAD_READAHEAD_TOTALS_BPF_H
#define BPFAHEAD_READAHEAD_TOTALS_BPF_H

#include "core.bpf.h"

/*
 * Two that read one file in order are soon in step, since each finds in the cache what the other
 * has read. The last position is where a request begins, so a miss inside it, behind what the
 * other's windows hold, follows neither that nor a window of this reader's own. Both are near,
 * though: one who jumps has no window there. Requests are seldom larger than the first; the second
 * is what some windows of the other's take.
 */
#define NEAR_LAST (128 / PAGE_KB)
#define NEAR_WINDOW (1024 / PAGE_KB)

/*
 * A miss: the page asked for is not in the cache. It ends a run if it neither follows the last
 * read nor lies in or behind the window, the same test as page_cache_sync_ra() makes for a stream,
 * nor is in step with another reader. What that run has left of the windows read for it was read in
 * vain: the last window, and of the one before it no more than its size.
 */
static __always_inline void add_sync(total_t *total, __u64 index, struct file_ra_state *ra,
				     __u64 req_count)
{
	__u64 start, size, last, ahead;

	TOTAL_ADD(total, SYNC_CALLS, 1);
	TOTAL_ADD(total, SYNC_PAGES, req_count);
	if (!index) {
		TOTAL_ADD(total, SYNC_HEADS, 1);
		return;
	}
	start = ra->start;
	size = ra->size;
	last = (__u64)ra->prev_pos / (PAGE_KB << 10);
	if (index - last <= 1 || index - start <= size)
		return;
	if (index - last <= NEAR_LAST && index - start - size + NEAR_WINDOW <= 2 * NEAR_WINDOW)
		return;
	TOTAL_ADD(total, SYNC_JUMPS, 1);
	ahead = start + size - last - 1;
	if (ahead < 2 * size)
		TOTAL_ADD(total, UNUSED_PAGES, ahead);
}

/* A hit of the marker that an earlier window left: the stream goes on. */
static __always_inline void add_async(total_t *total, __u64 req_count)
{
	TOTAL_ADD(total, ASYNC_CALLS, 1);
	TOTAL_ADD(total, ASYNC_PAGES, req_count);
}

/*
 * A window is about to be read. do_sync_mmap_readahead() (mm/filemap.c) reads
 * around a fault with size = ra_pages and async_size = ra_pages / 4, which
 * sequential read(2) never does. Is it such a read-around?
 */
static __always_inline bool add_order(total_t *total, struct file_ra_state *ra)
{
	__u32 size = ra->size, ra_pages = ra->ra_pages;

	TOTAL_ADD(total, ORDER_CALLS, 1);
	TOTAL_ADD(total, ORDER_PAGES, size);
	TOTAL_ADD(total, ORDER_RA_PAGES, ra_pages);
	if (size != ra_pages || ra->async_size != ra_pages / 4)
		return false;
	TOTAL_ADD(total, AROUND_CALLS, 1);
	return true;
}

#endif /* BPFAHEAD_READAHEAD_TOTALS_BPF_H */
