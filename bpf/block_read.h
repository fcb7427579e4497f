/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One block read into the totals. Pure C without helper calls: the block hook
 * and the replay of stored traces compile these very lines.
 */
#ifndef BPFAHEAD_BLOCK_READ_H
#define BPFAHEAD_BLOCK_READ_H

#include "abi.h"

#define JUMP_SECTORS 2048 /* 1 MB: farther than this from the last read is a jump */

/* What telling jumps and streams takes: the last reads of one device on one CPU. */
struct block_history {
	__u64 last_end;            /* sector after the last read; 0: none yet */
	__u64 stream_end[STREAMS]; /* the same of the last few streams */
	__u32 stream_next;         /* the one to forget next */
	__u32 last_dev;            /* dev_t of the last read: the map bdevs knows it */
};

/* Does a read continue one of the last few streams? Either way its end is remembered. */
static inline __attribute__((always_inline)) int continues_stream(struct block_history *h,
								  __u64 start, __u64 end)
{
	__u32 i;

#ifdef __bpf__
#pragma unroll
#endif
	for (i = 0; i < STREAMS; i++) {
		if (h->stream_end[i] == start) {
			h->stream_end[i] = end;
			return 1;
		}
	}
	h->stream_end[h->stream_next & (STREAMS - 1)] = end;
	h->stream_next++;
	return 0;
}

/*
 * account_block_read - add one read to the totals
 * @start: first sector, of 512 bytes
 * @readahead: 1 if the page cache asked for it (REQ_RAHEAD), else 0
 */
static inline __attribute__((always_inline)) void
account_block_read(struct block_history *h, __u64 *total, __u64 start, __u64 bytes, __u32 readahead)
{
	__u64 end = start + (bytes >> 9), distance;

	if (h->last_end) {
		distance = start > h->last_end ? start - h->last_end : h->last_end - start;
		total[COUNTER_BLOCK_DISTANCE_SECTORS] += distance;
		if (distance > JUMP_SECTORS)
			total[COUNTER_BLOCK_JUMPS]++;
	}
	h->last_end = end;
	if (continues_stream(h, start, end))
		total[COUNTER_BLOCK_CONTINUED]++;
	if (readahead)
		total[COUNTER_BLOCK_RAHEAD_READS]++;
	total[COUNTER_BLOCK_READ_BYTES] += bytes;
	total[COUNTER_BLOCK_READS]++;
}

#endif /* BPFAHEAD_BLOCK_READ_H */
