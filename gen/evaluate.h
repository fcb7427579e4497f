/* SPDX-License-Identifier: GPL-2.0-only */
/* How good a model is on labelled windows; the answers are those of bpf/mlp.h itself. */
#ifndef BPFAHEAD_GEN_EVALUATE_H
#define BPFAHEAD_GEN_EVALUATE_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "dataset.h"
#include "network.h"

struct evaluation {
	size_t nr_rows, correct;
	size_t confusion[CLASSES_MAX][CLASSES_MAX]; /* [label][answer] */
	size_t hesitant, hesitant_correct; /* margin below the default that a decision needs */
	bool has_float;
	size_t float_agreed, float_correct;
};

/*
 * evaluate - add the rows of one part to an evaluation
 * @parts: NULL for all rows
 * @network: the floating-point network that @model was made from, or NULL
 * @answers: NULL, or one per row of the dataset: filled with 1 where right
 */
void evaluate(const struct model *model, const struct dataset *d, const uint8_t *parts,
	      enum part part, const struct network *network, uint8_t *answers,
	      struct evaluation *e);

void evaluation_print(FILE *out, const char *title, const struct evaluation *e);

/* The confusion matrix as a picture; cells are shaded by share of their label. Atomically. */
int evaluation_write_svg(const char *path, const char *title, const struct evaluation *e,
			 struct fault *why);
cJSON *evaluation_json(const struct evaluation *e); /* NULL: out of memory */

#endif
