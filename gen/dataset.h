/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Labelled windows, read from the CSV files that `bpfahead record` writes.
 *
 * A run is one recording: everything between a start and an end of the same
 * workload on the same device. Neighbouring windows of one run overlap and are
 * nearly copies of each other, so a split never cuts through a run. The column
 * `run` names it; without that column it is the file's name.
 */
#ifndef BPFAHEAD_GEN_DATASET_H
#define BPFAHEAD_GEN_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../bpf/abi.h"
#include "fault.h"
#include "rng.h"

#define DATASET_MIN_CALLS 8 /* as in the kernel: fewer readahead calls tell nothing */

struct row {
	uint64_t features[FEATURES_MAX];
	uint64_t time_ns, span_ns, calls;
	uint32_t ra_kb;
	uint32_t run;
	uint8_t label; /* enum class_id */
	bool hop;      /* the last hop alone; else the whole window */
	/* What the kernel answered when it was recorded; CLASS_NONE: not known. */
	uint8_t recorded_class;
	int32_t recorded_margin;
	uint64_t recorded_model; /* checksum */
};

/* Why a row is left out. */
#define DROP_LIST(X)                                                 \
	X(CALLS, "fewer than 8 readahead calls")                     \
	X(LABEL, "no label")                                         \
	X(NUMBER, "a value that is not a whole number of 0 or more") \
	X(RANGE, "a value out of range")

enum drop {
#define X(id, text) DROP_##id,
	DROP_LIST(X)
#undef X
		NR_DROPS,
};

struct dropped {
	size_t nr;
	char first[160]; /* the first of them: file and line */
};

struct dataset {
	struct row *rows;
	size_t nr_rows, room;
	char **runs;
	uint32_t nr_runs;
	uint32_t nr_files;
	uint32_t features; /* bit n: every file has feature n */
	bool tolerant;     /* rows at fault are dropped, too, instead of failing the read */
	struct dropped dropped[NR_DROPS];
};

/*
 * dataset_read - append the rows of one CSV file, plain or gzipped
 * @needed: bit n: feature n must be there
 * @why: on failure names file, line and reason
 *
 * Columns are found by name; unknown ones are ignored. Without the column `run`
 * the file is a run of its own, which no earlier file may have had. Rows with fewer than
 * DATASET_MIN_CALLS calls are dropped; other faults of a row fail the read unless
 * the dataset is tolerant. An unknown label always does: it is a slip of the pen.
 * Returns 0 or -errno, -ENODATA for a header without rows; after another failure
 * the dataset only may be freed.
 */
int dataset_read(struct dataset *d, const char *path, uint32_t needed, struct fault *why);

/* Number of the run with that name, a new one if there is none. 0 or -ENOMEM. */
int dataset_run(struct dataset *d, const char *name, size_t length, uint32_t *run);

/* Forgets the runs that have no row left. 0 or -ENOMEM. */
int dataset_drop_empty_runs(struct dataset *d);

int dataset_append(struct dataset *d, const struct row *row); /* copies it; 0 or -ENOMEM */

/* Writes all rows as CSV, gzipped if @path ends in .gz; atomically. 0 or -errno. */
int dataset_write(const struct dataset *d, const char *path, struct fault *why);
void dataset_free(struct dataset *d);

/* Counts of rows per reason, as "N windows dropped: ...". */
void dataset_print_dropped(FILE *out, const struct dataset *d);

enum part {
	PART_TRAIN = 0,
	PART_VALIDATION = 1,
	PART_TEST = 2,
	PART_NONE = 3, /* overlaps both sides of a cut in time: in neither */
};

/*
 * dataset_split - take some of the PART_TRAIN rows for another part
 * @parts: one per row, rows in PART_TRAIN may move to @to
 * @fraction: share of the runs of each class, rounded up
 *
 * Whole runs move. Of a class with a single run, the last @fraction of its time
 * moves instead, and rows that overlap the cut go to PART_NONE.
 */
int dataset_split(const struct dataset *d, uint8_t *parts, enum part to, double fraction,
		  struct rng *rng);

/*
 * dataset_split_rows - the same by single windows, each class by itself
 *
 * Neighbouring windows of a run are nearly copies: what a model reaches on such
 * a part flatters it. For comparison with figures that were measured so.
 */
int dataset_split_rows(const struct dataset *d, uint8_t *parts, enum part to, double fraction,
		       struct rng *rng);

/* Moves one run of each class. 0 or -errno; -EINVAL: a class has a single run. */
int dataset_hold_out_runs(const struct dataset *d, uint8_t *parts, enum part to, struct rng *rng,
			  struct fault *why);

size_t dataset_count(const struct dataset *d, const uint8_t *parts, enum part part, int label);

#endif
