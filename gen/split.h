/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A split that is written down: which runs train, validate and test. A CSV file,
 *
 *   run,label,profile,part
 *   cloud.seq4k.128,sequential,cloud,train
 *
 * with part one of train, validation, test, sorted by run.
 */
#ifndef BPFAHEAD_GEN_SPLIT_H
#define BPFAHEAD_GEN_SPLIT_H

#include "dataset.h"

struct split_options {
	uint64_t seed;
	double test, validation;  /* shares of the runs of each class */
	const char *hold_profile; /* NULL, or the profile all of whose runs test */
};

/*
 * split_make - divide the runs of a dataset
 * @parts: enum part, one per row; all rows of a run get the same
 *
 * By class and device profile: each class gives its share, to within a run, and
 * takes it from its profiles alike. A class with three runs or more is in
 * all parts. Depends on the names of the runs and the seed, not on the order of files.
 * -EINVAL: a run with windows of two classes, or no run of that profile.
 */
int split_make(const struct dataset *d, const struct split_options *options, uint8_t *parts,
	       struct fault *why);

/* Writes the parts down. 0 or -errno. */
int split_write(const struct dataset *d, const uint8_t *parts, const char *path, struct fault *why);

/*
 * split_read - parts as written down
 *
 * The runs of the file and those of the dataset are the same, with the same
 * labels; else -EINVAL and a word about the first that differs.
 */
int split_read(const struct dataset *d, uint8_t *parts, const char *path, struct fault *why);

/* Windows of each class in each part. */
void split_print(FILE *out, const struct dataset *d, const uint8_t *parts);

int part_from_name(const char *name); /* enum part, or -ENOENT */

#endif
