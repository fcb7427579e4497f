/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Block traces as text, one request at a time.
 *
 * blkparse: its default output; requests are the Q (queued) records, which is
 *           where the kernel programs stand too.
 * csv:      time (s), device, offset, size (bytes), operation (read, write, r,
 *           w), in this order, or in the order that a first line names.
 * msr:      Timestamp (100 ns), Hostname, DiskNumber, Type, Offset, Size,
 *           ResponseTime, as in the traces of Narayanan et al., "Write
 *           Off-Loading", FAST 2008. Times count from 1 s before the first.
 */
#ifndef BPFAHEAD_GEN_TRACE_H
#define BPFAHEAD_GEN_TRACE_H

#include "csv.h"
#include "replay.h"

enum trace_format { TRACE_BLKPARSE, TRACE_CSV, TRACE_MSR, NR_TRACE_FORMATS };
extern const char *const trace_formats[NR_TRACE_FORMATS];

enum { TRACE_TIME, TRACE_DEVICE, TRACE_OFFSET, TRACE_SIZE, TRACE_OPERATION, NR_TRACE_COLUMNS };

struct trace {
	struct csv csv;
	enum trace_format format;
	unsigned int at[NR_TRACE_COLUMNS]; /* csv: position of each column */
	unsigned int nr_columns;
	uint64_t first_tick; /* msr */
	bool summary;        /* blkparse: after the last record */
	uint64_t others;     /* records that are neither read nor write */
};

int trace_open(struct trace *t, const char *path, enum trace_format format, struct fault *why);

/* 1: a request, 0: end of the trace, or -errno with file, line and reason. */
int trace_next(struct trace *t, struct request *q, struct fault *why);
void trace_close(struct trace *t);

#endif
