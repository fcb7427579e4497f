/* SPDX-License-Identifier: GPL-2.0-only */
/* How good a model is on labelled windows; the answers are those of bpf/mlp.h itself. */
#ifndef BPFAHEAD_GEN_EVALUATE_H
#define BPFAHEAD_GEN_EVALUATE_H

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>

#include "dataset.h"
#include "network.h"

/* Margins that the calibration table looks at, in units of LOGIT_ONE; the last bin is open. */
#define MARGIN_STEPS                          \
	{                                     \
		0.0, 0.25, 0.5, 1.0, 2.0, 4.0 \
	}
#define NR_MARGINS 6

/* What a model, and the network that it was made from, say of one window. */
struct answer {
	int32_t margin;
	uint8_t class_id;    /* enum class_id; CLASS_NONE: not asked */
	uint8_t float_class; /* CLASS_NONE: no network */
};

struct evaluation {
	size_t nr_rows, correct;
	size_t classic_correct; /* answers whose class has the same classic name as the label */
	size_t confusion[CLASSES_MAX][CLASSES_MAX]; /* [label][answer] */
	size_t hesitant, hesitant_correct; /* margin below the default that a decision needs */
	bool has_float;
	size_t float_agreed, float_correct;
	size_t of_margin[NR_MARGINS]; /* windows by the step that their margin reaches */
	size_t correct_of_margin[NR_MARGINS], classic_of_margin[NR_MARGINS];
};

/* The answer for one row. @network may be NULL. False for a model that is not sound. */
bool ask(const struct model *model, const struct row *row, const struct network *network,
	 struct answer *answer);

/* Adds one answer to an evaluation. */
void evaluation_add(struct evaluation *e, unsigned int label, const struct answer *answer);

/* Adds all of another evaluation. */
void evaluation_merge(struct evaluation *e, const struct evaluation *other);

/*
 * evaluate - add the rows of one part to an evaluation
 * @parts: NULL for all rows
 * @network: the floating-point network that @model was made from, or NULL
 * @answers: NULL, or one per row of the dataset: those of the part are filled
 */
void evaluate(const struct model *model, const struct dataset *d, const uint8_t *parts,
	      enum part part, const struct network *network, struct answer *answers,
	      struct evaluation *e);

double percent(size_t part, size_t whole); /* 0 of nothing */

/* Is it the same to a user of the classic three names? */
bool same_classic(unsigned int a, unsigned int b);

void evaluation_print(FILE *out, const char *title, const struct evaluation *e);

/* What a margin is worth: windows and error rate of each range of margins, and from there on. */
void evaluation_print_calibration(FILE *out, const struct evaluation *e);

/* The confusion matrix as a picture; cells are shaded by share of their label. Atomically. */
int evaluation_write_svg(const char *path, const char *title, const struct evaluation *e,
			 struct fault *why);
cJSON *evaluation_json(const struct evaluation *e); /* NULL: out of memory */

/* Prints and frees; a final newline. 0 or -ENOMEM. */
int print_json_object(FILE *out, cJSON *json, struct fault *why);

#endif
