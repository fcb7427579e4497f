/* SPDX-License-Identifier: GPL-2.0-only */
/* Text files line by line, plain or gzipped, in memory that does not grow with the file. */
#ifndef BPFAHEAD_GEN_CSV_H
#define BPFAHEAD_GEN_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "fault.h"

#define CSV_COLUMNS_MAX 128
#define CSV_LINE_MAX (1 << 20)

struct csv {
	const char *path;
	unsigned long line; /* number of the line in text, from 1 */
	gzFile file;
	char *text; /* the line without its newline */
	size_t room;
	bool open_end; /* the last line may lack its newline, as in files made by others */
};

/* @path "-": standard input. 0 or -errno; on failure there is nothing to close. */
int csv_open(struct csv *csv, const char *path, struct fault *why);

/* One line into csv->text. 1: a line, 0: end of file, or -errno. */
int csv_line(struct csv *csv, struct fault *why);

/* The first line, cut up. Returns the number of columns or -errno. */
int csv_header(struct csv *csv, char **fields, struct fault *why);

/* Where one of @nr columns stands. 0, -ENOENT: nowhere, or -EINVAL with a fault: twice. */
int csv_find(const struct csv *csv, char *const *fields, unsigned int nr, const char *name,
	     unsigned int *at, struct fault *why);

/*
 * Splits csv->text at its commas, in place. Returns the number of fields;
 * CSV_COLUMNS_MAX + 1 for more than CSV_COLUMNS_MAX.
 */
unsigned int csv_split(struct csv *csv, char **fields);
void csv_close(struct csv *csv);

#endif
