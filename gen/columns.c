// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../loader/names.h"
#include "columns.h"

bool column_constant(const struct columns *c, unsigned int column)
{
	const double *v = c->column[column].value;
	size_t i;

	for (i = 1; i < c->nr_rows; i++)
		if (v[i] != v[0])
			return false;
	return true;
}

static void find_range(const struct columns *c, unsigned int column, size_t *low, size_t *high)
{
	const double *v = c->column[column].value;
	size_t i;

	*low = *high = 0;
	for (i = 1; i < c->nr_rows; i++) {
		if (v[i] < v[*low])
			*low = i;
		if (v[i] > v[*high])
			*high = i;
	}
}

bool column_affine(const struct columns *c, unsigned int y, unsigned int x, double *slope,
		   double *offset)
{
	const double *vx = c->column[x].value, *vy = c->column[y].value;
	size_t low, high, y_low, y_high, i;
	double a, b, tolerance;

	if (!c->nr_rows)
		return false;
	find_range(c, x, &low, &high);
	find_range(c, y, &y_low, &y_high);
	if (vx[low] == vx[high] || vy[y_low] == vy[y_high])
		return false;
	a = (vy[high] - vy[low]) / (vx[high] - vx[low]);
	b = vy[low] - a * vx[low];
	tolerance = 1e-9 * (vy[y_high] - vy[y_low]);
	for (i = 0; i < c->nr_rows; i++)
		if (fabs(vy[i] - (a * vx[i] + b)) > tolerance)
			return false;
	*slope = a;
	*offset = b;
	return true;
}

double column_f(const struct columns *c, unsigned int column, unsigned int one)
{
	double sum[CLASSES_MAX] = {0}, total = 0.0, mean, between = 0.0, within = 0.0;
	const double *v = c->column[column].value;
	size_t nr[CLASSES_MAX] = {0}, i;
	unsigned int group, groups = 0;

	for (i = 0; i < c->nr_rows; i++) {
		group = one == CLASS_NONE ? c->label[i] : c->label[i] == one;
		sum[group] += v[i];
		nr[group]++;
		total += v[i];
	}
	for (group = 0; group < CLASSES_MAX; group++)
		groups += !!nr[group];
	if (groups < 2 || c->nr_rows <= groups || column_constant(c, column))
		return NAN;
	mean = total / (double)c->nr_rows;
	for (group = 0; group < CLASSES_MAX; group++) {
		double away;

		if (!nr[group])
			continue;
		away = sum[group] / (double)nr[group] - mean;
		between += (double)nr[group] * away * away;
	}
	for (i = 0; i < c->nr_rows; i++) {
		double away;

		group = one == CLASS_NONE ? c->label[i] : c->label[i] == one;
		away = v[i] - sum[group] / (double)nr[group];
		within += away * away;
	}
	return between / (groups - 1) / (within / (double)(c->nr_rows - groups));
}

/* One value per class, another one for each: the setting of the experiment, not its outcome. */
static bool names_class(const struct columns *c, unsigned int column)
{
	const double *v = c->column[column].value;
	double of[CLASSES_MAX];
	bool seen[CLASSES_MAX] = {false};
	unsigned int a, b, classes = 0;
	size_t i;

	for (i = 0; i < c->nr_rows; i++) {
		a = c->label[i];
		if (seen[a] && of[a] != v[i])
			return false;
		seen[a] = true;
		of[a] = v[i];
	}
	for (a = 0; a < CLASSES_MAX; a++) {
		classes += seen[a];
		for (b = 0; b < a; b++)
			if (seen[a] && seen[b] && of[a] == of[b])
				return false;
	}
	return classes > 1;
}

/* One value per run: a split by window then lets a model recognise the run instead of the class. */
static bool names_run(const struct columns *c, unsigned int column)
{
	const double *v = c->column[column].value;
	size_t i;

	/* Rows of a run stand together. */
	for (i = 1; i < c->nr_rows; i++)
		if (c->run[i] == c->run[i - 1] && v[i] != v[i - 1])
			return false;
	return true;
}

void columns_print_flaws(FILE *out, const struct columns *c)
{
	double slope, offset;
	unsigned int y, x;

	for (y = 0; y < c->nr_columns; y++) {
		const char *name = c->column[y].name;

		if (column_constant(c, y)) {
			fprintf(out, "constant column: %s is %.10g in every row\n", name,
				c->column[y].value[0]);
			continue;
		}
		for (x = 0; x < y; x++)
			if (column_affine(c, y, x, &slope, &offset))
				break;
		if (x < y) {
			fprintf(out, "redundant column: %s = %.10g x %s", name, slope,
				c->column[x].name);
			if (fabs(offset) > 1e-9 * fabs(slope))
				fprintf(out, " %c %.10g", offset < 0 ? '-' : '+', fabs(offset));
			fputc('\n', out);
		} else if (names_class(c, y)) {
			fprintf(out, "gives the label away: %s has one value per class\n", name);
		} else if (names_run(c, y)) {
			fprintf(out, "constant within each run: %s\n", name);
		}
	}
}

static bool has_class(const struct columns *c, unsigned int id)
{
	return c->nr_rows && memchr(c->label, (int)id, c->nr_rows);
}

static void print_score(FILE *out, double f)
{
	if (isnan(f))
		fprintf(out, " %12s", "-");
	else
		fprintf(out, " %12.1f", f);
}

void columns_print_f(FILE *out, const struct columns *c)
{
	unsigned int i, id;

	fprintf(out, "%-26s %12s", "ANOVA F", "all classes");
	for (id = 0; id < CLASSES_MAX; id++)
		if (has_class(c, id))
			fprintf(out, " %12s", class_name(id));
	fputc('\n', out);
	for (i = 0; i < c->nr_columns; i++) {
		fprintf(out, "  %-24s", c->column[i].name);
		print_score(out, column_f(c, i, CLASS_NONE));
		for (id = 0; id < CLASSES_MAX; id++)
			if (has_class(c, id))
				print_score(out, column_f(c, i, id));
		fputc('\n', out);
	}
}

int columns_of_dataset(struct columns *c, const struct dataset *d)
{
	uint8_t *label = calloc(d->nr_rows + 1, 1);
	uint32_t *run = calloc(d->nr_rows + 1, sizeof(*run));
	unsigned int id;
	size_t k;

	memset(c, 0, sizeof(*c));
	c->column = calloc(FEATURES_MAX, sizeof(*c->column));
	c->label = label;
	c->run = run;
	c->nr_rows = d->nr_rows;
	if (!label || !run || !c->column)
		return -ENOMEM;
	for (k = 0; k < d->nr_rows; k++) {
		label[k] = d->rows[k].label;
		run[k] = d->rows[k].run;
	}
	for (id = 0; id < FEATURES_MAX; id++) {
		struct column *column = &c->column[c->nr_columns];

		if (!(d->features >> id & 1) || !feature_name(id))
			continue;
		column->name = feature_name(id);
		column->value = calloc(d->nr_rows + 1, sizeof(*column->value));
		if (!column->value)
			return -ENOMEM;
		c->nr_columns++;
		for (k = 0; k < d->nr_rows; k++)
			column->value[k] = (double)d->rows[k].features[id];
	}
	return 0;
}

void columns_free(struct columns *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_columns; i++)
		free(c->column[i].value);
	free(c->column);
	free((void *)c->label);
	free((void *)c->run);
	memset(c, 0, sizeof(*c));
}
