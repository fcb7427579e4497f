/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a recording directory says about its runs: DIR/metadata.csv, one line
 * per finished run, beside DIR/RUN.csv with its windows.
 *
 * A run's name is PROFILE.WORKLOAD.SETTING, or PROFILE.WORKLOAD.SETTING.REPEAT.
 */
#ifndef BPFAHEAD_GEN_METADATA_H
#define BPFAHEAD_GEN_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataset.h"
#include "fault.h"

/* Column, and whether it has to be there. */
#define METADATA_LIST(X)                          \
	X(TIME, time, false)                      \
	X(RUN, run, true)                         \
	X(WORKLOAD, workload, true)               \
	X(FAMILY, family, true)                   \
	X(LABEL, label, true)                     \
	X(PATTERN, pattern, false)                \
	X(MODE, mode, false)                      \
	X(BLOCK_SIZE, block_size, false)          \
	X(DEPTH, depth, false)                    \
	X(JOBS, jobs, false)                      \
	X(PROFILE, profile, true)                 \
	X(RA_KB, ra_kb, true)                     \
	X(CPUS, cpus, false)                      \
	X(FREE_KB, free_kb, false)                \
	X(WINDOWS, windows, false)                \
	X(EVENTS, events, false)                  \
	X(KERNEL, kernel, false)                  \
	X(APP_BYTES_PER_S, app_bytes_per_s, true) \
	X(APP_IOPS, app_iops, false)              \
	X(DEVICE_BYTES_PER_S, device_bytes_per_s, false)

enum metadata_column {
#define X(id, name, required) METADATA_##id,
	METADATA_LIST(X)
#undef X
		NR_METADATA,
};

struct run_metadata {
	char *text;                     /* the line, cut up */
	const char *field[NR_METADATA]; /* "" where the file lacks the column */
	uint32_t source;                /* which file it came from, counted from 0 */
	uint32_t ra_kb;
	uint8_t label;     /* enum class_id */
	bool direct;       /* past the page cache: readahead changes nothing */
	double throughput; /* bytes/s that the application saw; NAN: not measured */
};

struct metadata {
	struct run_metadata *run;
	size_t nr_runs, room;
	uint32_t nr_sources;
};

/*
 * metadata_read - append the lines of one file
 * @path: the file, or a recording directory
 *
 * Of two lines for one run in the same file the later one counts: that run was
 * recorded again. Returns 0 or -errno.
 */
int metadata_read(struct metadata *m, const char *path, struct fault *why);

/* NULL: not known. */
const struct run_metadata *metadata_find(const struct metadata *m, const char *run, size_t length);

/* The family of a workload; NULL: not known. */
const char *metadata_family(const struct metadata *m, const char *workload, size_t length);

/* Writes the lines of the runs that the dataset has windows of. 0 or -errno. */
int metadata_write(const struct metadata *m, const struct dataset *d, const char *path,
		   struct fault *why);
void metadata_free(struct metadata *m);

enum run_field { RUN_PROFILE, RUN_WORKLOAD, RUN_SETTING, RUN_REPEAT };

/* A field of a run's name, as far as the next dot; what there is if there are fewer. */
void run_field(const char *run, enum run_field field, const char **text, size_t *length);

#endif
