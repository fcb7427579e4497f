/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What readers got done between two samples, in measures that the readahead value itself does not
 * move, and whether they got less of it than before. Pure integer arithmetic.
 */
#ifndef BPFAHEAD_OBJECTIVE_H
#define BPFAHEAD_OBJECTIVE_H

#include <stdbool.h>

#include "../bpf/abi.h"

/*
 * Each kind of reader has a measure of its own, and none is ever added to another's: a sum would
 * trade one tenant for the other.
 */
enum progress {
	/*
	 * Bytes of windows, less what was read in vain. Windows ask for what waits for a limit of
	 * the device, too (32 streams of 2560 KB for 80 MB at once), or is in memory already (434
	 * MB/s of a disk that gives 125): lost or gained is only what was also passed to the
	 * device, `delivered`.
	 */
	PROGRESS_STREAMS,
	PROGRESS_FILES,   /* misses of a file's first page: files begun */
	PROGRESS_JUMPS,   /* misses that jump: random reads, and starts of runs */
	PROGRESS_AROUNDS, /* mmap read-arounds at a new place: objects and pages */
	NR_PROGRESS,
	PROGRESS_PLACES = NR_PROGRESS, /* jumps and arounds: runs, by whatever call they are read */
	NR_MEASURES,
};

struct hop {
	__u64 span_ns;
	__u64 amount[NR_MEASURES];
	__u64 events[NR_MEASURES]; /* calls that the amount was counted by: its grain */
	__u64 weight[NR_MEASURES]; /* calls that its readers made */
	__u64 calls;               /* of the readahead layer */
	__u64 delivered;           /* of PROGRESS_STREAMS: no more than the device was asked for */
	__u64 doubt;               /* bytes of PROGRESS_STREAMS that may have served nobody */
	__u64 doubt_ahead;         /* the same, if of a run no more than its end was read in vain */
	__u64 device_bytes; /* read from the device, or where that is not seen, asked of it */
	__u64 device_reads; /* 0: not seen */
	__u32 ra_kb;        /* at its end */
	__u8 class_id;      /* of the hop alone; CLASS_NONE if nobody could tell */
	__u8 decided_class;
	__u8 pad[2];
};

/*
 * objective_hop - progress between two moments of one bdi
 * @from, @to: its totals then (struct snapshot)
 * @page_kb: the kernel's page, KB
 * @hop: out; the classes and ra_kb are the caller's to fill
 *
 * False, and nothing in @hop to be used, if time or a total ran backwards.
 */
bool objective_hop(const struct snapshot *from, const struct snapshot *to, unsigned int page_kb,
		   struct hop *hop);

/* The measure that a class is about. */
enum progress objective_of(unsigned int class_id);
const char *progress_name(unsigned int measure); /* "stream bytes", ...; never NULL */

/* Units a second over all the hops; 0 for none. */
__u64 objective_rate(const struct hop *hops, unsigned int n, unsigned int measure);
/* Bytes read from the device for each unit of the measure, in 1/16; 0 if there was none. */
__u64 objective_cost(const struct hop *hops, unsigned int n, unsigned int measure);

/* Is there anything to compare? */
bool objective_is_counted(const struct hop *hops, unsigned int n, unsigned int measure);

/*
 * Does this measure stand for a share of what was read here that its loss would matter? In each of
 * the last two hops, since the hop in which a pattern changes shows the end of the one before.
 */
bool objective_is_material(const struct hop *hops, unsigned int n, unsigned int measure);

#define PERMILLE 1000

/* In 1/1000 of what was before. */
struct comparison {
	int loss;  /* no less than this was lost, give or take `error`; negative: nothing was */
	int gain;  /* no less than this was gained */
	int error; /* standard error of both */
};

/*
 * objective_compare - what came after with what was before
 * One hop far off is taken for what it is from five hops on: the extremes count as their
 * neighbours. False if there was nothing before to compare with.
 */
bool objective_compare(const struct hop *before, unsigned int nr_before, const struct hop *after,
		       unsigned int nr_after, unsigned int measure, struct comparison *c);

/*
 * objective_suspect - the same as a reason to look closer, not as a verdict
 * Bytes of runs count but for what lies ahead of their end, so that a stream which begins anew
 * every few windows can be told to have lost most of them.
 */
bool objective_suspect(const struct hop *before, unsigned int nr_before, const struct hop *after,
		       unsigned int nr_after, unsigned int measure, struct comparison *c);

/*
 * objective_is_less_demand - is the loss @c one of demand, not of speed?
 *
 * Readahead can slow random readers by making the device read more for each place, or read for it
 * more often. Who has fewer places though each takes no more of either than in any hop before, asks
 * for fewer: a hot set that comes into memory does. Never of streams and files; nor of what is read
 * in windows, which overlap more or less at equal cost; nor where the device's reads are not seen.
 * What others read beside them counts as theirs, so that in doubt a loss stays one.
 */
bool objective_is_less_demand(const struct hop *before, unsigned int nr_before,
			      const struct hop *after, unsigned int nr_after, unsigned int measure,
			      const struct comparison *c);

/*
 * objective_compare_effort - calls for each place, after and before: `gain` is how many more
 * A place that takes more of them has its objects cut, into reads that each wait for the one
 * before. Only of PROGRESS_AROUNDS and PROGRESS_PLACES; false of another measure, too.
 */
bool objective_compare_effort(const struct hop *before, unsigned int nr_before,
			      const struct hop *after, unsigned int nr_after, unsigned int measure,
			      struct comparison *c);

#endif
