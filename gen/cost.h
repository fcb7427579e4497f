/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What errors cost. A measured sweep (throughput of each workload of a profile at
 * each read_ahead_kb) says what each class's best value is there, and what a
 * window of a workload gets when it is given the value of another class.
 *
 * All of one profile, from runs through the page cache:
 *
 *   T(w, s)   throughput of workload w at setting s, geomean over its repeats
 *   R(w, s) = T(w, s) / max over s' of T(w, s')
 *   V(c)    = the s with the largest geomean of R(w, s) over the workloads w of class c
 *   cost    = geomean over w of the geomean over its windows of R(w, V(answer))
 *
 * so that each workload counts once, however many windows it has. 1 is the best
 * value for every workload; the values are chosen on the workloads that they are judged by,
 * as is the best single one, V of all workloads together.
 */
#ifndef BPFAHEAD_GEN_COST_H
#define BPFAHEAD_GEN_COST_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "dataset.h"
#include "evaluate.h"
#include "metadata.h"

struct profile_cost {
	char name[64];
	uint32_t nr_workloads;
	size_t nr_windows;
	uint32_t incomplete;             /* workloads left out: not measured at every setting */
	size_t skipped;                  /* windows whose answer the sweep has no value for */
	uint32_t class_kb[CLASSES_MAX];  /* V; 0: no workload of that class */
	double class_share[CLASSES_MAX]; /* the geomean that V was chosen by */
	uint32_t single_kb;
	double predicted, truth, single, shipped;
	double original; /* the kernel's default of 128 KB, or NAN: not in the sweep */
};

struct costs {
	struct profile_cost *profile;
	uint32_t nr_profiles;
};

/*
 * cost_compute - of the answers to the windows that were held out
 * @answers: one per row; rows with CLASS_NONE are left out
 *
 * 0 or -errno; -EINVAL: no profile of the data has a sweep.
 */
int cost_compute(const struct dataset *d, const struct answer *answers, const struct metadata *m,
		 struct costs *costs, struct fault *why);
void cost_print(FILE *out, const struct costs *costs);
cJSON *cost_json(const struct costs *costs);
void cost_free(struct costs *costs);

#endif
