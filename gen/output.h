/* SPDX-License-Identifier: GPL-2.0-only */
/* Output files: all of one, or what was there before. */
#ifndef BPFAHEAD_GEN_OUTPUT_H
#define BPFAHEAD_GEN_OUTPUT_H

#include <stdio.h>

#include "fault.h"

/*
 * output_write - replace a file by what @print prints
 * @path: gzipped if it ends in .gz
 *
 * Under another name until complete. 0 or -errno; the earlier file stays on failure.
 */
int output_write(const char *path, void (*print)(FILE *out, const void *what), const void *what,
		 struct fault *why);

/* Text inside XML: what it reserves as character references. */
void print_escaped(FILE *out, const char *text);

#endif
