/* SPDX-License-Identifier: GPL-2.0-only */
/* Output files: all of one, or what was there before. */
#ifndef BPFAHEAD_GEN_OUTPUT_H
#define BPFAHEAD_GEN_OUTPUT_H

#include <stddef.h>
#include <stdio.h>

#include "fault.h"

struct output {
	FILE *file;
	const char *path; /* as the user knows it */
	char *target;     /* behind its links */
	char *temporary;  /* becomes the target; NULL: what is there is written to, see below */
};

/*
 * output_open - begin to replace a file
 *
 * Under another name until output_close(). What is there and is no regular file
 * (/dev/null, a pipe) cannot be replaced and is written to. 0 or -errno.
 */
int output_open(struct output *o, const char *path, struct fault *why);

/*
 * output_close - the new file takes its name; on failure the earlier one stays
 * @ret: what the caller has come to; if it is not 0, the new file is given up
 *
 * Returns @ret, or -errno for what went wrong here.
 */
int output_close(struct output *o, int ret, struct fault *why);

/*
 * output_write - replace a file by what @print prints
 * @path: gzipped if it ends in .gz
 */
int output_write(const char *path, void (*print)(FILE *out, const void *what), const void *what,
		 struct fault *why);

/* The same with bytes, never gzipped. */
int output_write_bytes(const char *path, const void *bytes, size_t size, struct fault *why);

#endif
