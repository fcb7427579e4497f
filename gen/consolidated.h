/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table that earlier readahead classifiers published: one row per window of
 * 2.5 s, with block-trace and fio columns and the names of run and class.
 *
 *   avg_distance_bytes  trace_avg_sector_distance x 512
 *   jump_ratio          trace_sector_jump_ratio
 *   avg_io_bytes        bw_mean_kbps x 1024 / iops_mean
 *   seq_ratio           1 - jump_ratio
 *   iops                iops_mean
 *   calls               trace_block_rq_issue
 */
#ifndef BPFAHEAD_GEN_CONSOLIDATED_H
#define BPFAHEAD_GEN_CONSOLIDATED_H

#include <stdio.h>

#include "dataset.h"

/*
 * consolidated_read - append the valid rows of one such file
 * @report: where flaws of the file itself go: rows left out and why, columns that say nothing
 *
 * Returns 0 or -errno; after a failure the dataset only may be freed.
 */
int consolidated_read(struct dataset *d, const char *path, FILE *report, struct fault *why);

#endif
