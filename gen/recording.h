/* SPDX-License-Identifier: GPL-2.0-only */
/* A recording directory: DIR/metadata.csv and DIR/RUN.csv of each run that it names. */
#ifndef BPFAHEAD_GEN_RECORDING_H
#define BPFAHEAD_GEN_RECORDING_H

#include "dataset.h"
#include "metadata.h"

/* Runs of a directory that are left out, with the first of each kind. */
struct recording_drops {
	size_t unfinished; /* a CSV file without a line in metadata.csv */
	size_t absent;     /* a line without its CSV file */
	size_t empty;      /* not one window */
	char first_unfinished[80], first_absent[80], first_empty[80];
};

/*
 * recording_read - append all finished runs of a directory
 * @m: gets its metadata
 * @drops: counts what is left out; add up over several directories
 *
 * A run is DIR/RUN.csv or DIR/RUN.csv.gz. Its windows must have the label that the
 * metadata give it. 0 or -errno; after a failure both only may be freed.
 */
int recording_read(struct dataset *d, struct metadata *m, const char *directory, uint32_t needed,
		   struct recording_drops *drops, struct fault *why);

/* Counts a file that is a header without rows. */
void recording_drop_empty(struct recording_drops *drops, const char *path);

void recording_print_drops(FILE *out, const struct recording_drops *drops);

#endif
