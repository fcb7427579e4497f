/* SPDX-License-Identifier: GPL-2.0-only */
/* The page of `bpfahead report`: HTML with SVG inside, and nothing fetched from anywhere. */
#ifndef BPFAHEAD_REPORT_H
#define BPFAHEAD_REPORT_H

#include <stdio.h>

#include "history.h"

struct report {
	const struct history_record *records; /* oldest first */
	size_t count;
	__u64 from_ns, to_ns; /* CLOCK_REALTIME; what is drawn */
	const char *host;
	const char *kernel;
	unsigned int skipped; /* torn records */
};

/*
 * report_write - the page of these records
 * Devices in the order of what was read from them, each by its label. Times are local ones. An
 * error of @out is the caller's to find (ferror). 0 or -ENOMEM.
 */
int report_write(FILE *out, const struct report *report);

#endif
