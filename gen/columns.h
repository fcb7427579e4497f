/* SPDX-License-Identifier: GPL-2.0-only */
/* What a table of labelled numbers shows about itself: columns that say nothing, or nothing new. */
#ifndef BPFAHEAD_GEN_COLUMNS_H
#define BPFAHEAD_GEN_COLUMNS_H

#include <stdio.h>

#include "dataset.h"

struct column {
	const char *name;
	double *value; /* one per row */
};

struct columns {
	struct column *column;
	unsigned int nr_columns;
	size_t nr_rows;
	const uint8_t *label; /* enum class_id, one per row */
	const uint32_t *run;  /* one per row */
};

bool column_constant(const struct columns *c, unsigned int column);

/*
 * column_affine - is column @y = slope * column @x + offset in every row?
 *
 * To 1e-9 of the range of y. A constant column is no function of interest:
 * false if either is one.
 */
bool column_affine(const struct columns *c, unsigned int y, unsigned int x, double *slope,
		   double *offset);

/*
 * column_f - ANOVA's F: variance between the groups over that within them
 * @one: CLASS_NONE: the classes against each other; else this class against the rest
 *
 * INFINITY where no group varies; NAN where there is nothing to compare.
 */
double column_f(const struct columns *c, unsigned int column, unsigned int one);

/* Names constant and redundant columns, and those that only tell a run or a class by name. */
void columns_print_flaws(FILE *out, const struct columns *c);

/* F of each column, over all classes and of each class against the rest. */
void columns_print_f(FILE *out, const struct columns *c);

/* The columns of a dataset's features. 0 or -ENOMEM; to be freed either way. */
int columns_of_dataset(struct columns *c, const struct dataset *d);
void columns_free(struct columns *c); /* also values, label and run */

#endif
