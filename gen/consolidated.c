// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/features.h"
#include "../loader/names.h"
#include "columns.h"
#include "consolidated.h"
#include "csv.h"

enum needed {
	NEEDED_LABEL,
	NEEDED_RUN,
	NEEDED_START,
	NEEDED_END,
	NEEDED_DISTANCE,
	NEEDED_JUMP,
	NEEDED_BANDWIDTH,
	NEEDED_IOPS,
	NEEDED_READS,
	NR_NEEDED,
};

static const char *const needed_names[] = {
	"label",
	"run_id",
	"timestamp_start",
	"timestamp_end",
	"trace_avg_sector_distance",
	"trace_sector_jump_ratio",
	"bw_mean_kbps",
	"iops_mean",
	"trace_block_rq_issue",
};

enum invalid {
	INVALID_FIELDS,
	INVALID_LABEL,
	INVALID_RUN,
	INVALID_NUMBER,
	INVALID_RATIO,
	INVALID_TIME,
	INVALID_IOPS,
	INVALID_CALLS,
	NR_INVALID,
};

static const char *const invalid_texts[] = {
	"another number of fields than the header",
	"unknown label",
	"no run",
	"an input that is not a finite number of 0 or more",
	"a jump ratio above 1",
	"a window that ends before it begins",
	"an iops_mean of 0: the mean size is undefined",
	"fewer requests than a window needs",
};

/* Beyond it no sum of ours could hold a value; log2_q16() saturates there too. */
#define VALUE_MAX 0x1p62L

struct table {
	struct csv csv;
	char *names; /* the header line, cut up */
	const char *name[CSV_COLUMNS_MAX];
	unsigned int nr_columns;
	unsigned int at[NR_NEEDED];
	double *values;                  /* nr_columns per row kept */
	bool text[CSV_COLUMNS_MAX];      /* some row has no number there */
	bool not_label[CSV_COLUMNS_MAX]; /* some row differs from its label there */
	size_t first_row, room;
	size_t invalid[NR_INVALID];
	unsigned long invalid_line[NR_INVALID]; /* the first of them */
};

static int read_header(struct table *t, struct fault *why)
{
	char *fields[CSV_COLUMNS_MAX];
	unsigned int i, k;
	size_t size;
	int ret;

	ret = csv_header(&t->csv, fields, why);
	if (ret < 0)
		return ret;
	t->nr_columns = (unsigned int)ret;
	/* The line is overwritten by the next one. */
	size = (size_t)(fields[ret - 1] - t->csv.text) + strlen(fields[ret - 1]) + 1;
	t->names = malloc(size);
	if (!t->names)
		return fault_set(why, ENOMEM, "%s: out of memory", t->csv.path);
	memcpy(t->names, t->csv.text, size);
	for (i = 0; i < t->nr_columns; i++)
		t->name[i] = t->names + (fields[i] - t->csv.text);
	for (k = 0; k < NR_NEEDED; k++) {
		ret = csv_find(&t->csv, fields, t->nr_columns, needed_names[k], &t->at[k], why);
		if (ret == -ENOENT)
			fault_set(why, EINVAL, "%s:1: no column %s", t->csv.path, needed_names[k]);
		if (ret)
			return ret;
	}
	return 0;
}

static bool number(const char *text, long double *value)
{
	char *end;

	*value = strtold(text, &end);
	return end != text && !*end && isfinite(*value) && *value >= 0.0L && *value < VALUE_MAX;
}

/* The fields of a row to a window. NR_INVALID: it is valid. */
static enum invalid convert(const struct table *t, char **fields, unsigned int nr, struct row *row)
{
	long double value[NR_NEEDED], size;
	unsigned int k;
	int label;

	if (nr != t->nr_columns)
		return INVALID_FIELDS;
	label = class_from_name(fields[t->at[NEEDED_LABEL]]);
	if (label < 0)
		return INVALID_LABEL;
	if (!*fields[t->at[NEEDED_RUN]])
		return INVALID_RUN;
	for (k = NEEDED_START; k < NR_NEEDED; k++)
		if (!number(fields[t->at[k]], &value[k]))
			return INVALID_NUMBER;
	if (value[NEEDED_JUMP] > 1.0L)
		return INVALID_RATIO;
	/* In nanoseconds both ends must fit 64 bits. */
	if (value[NEEDED_END] <= value[NEEDED_START] || value[NEEDED_END] >= 9e9L)
		return INVALID_TIME;
	if (value[NEEDED_IOPS] == 0.0L)
		return INVALID_IOPS;
	size = value[NEEDED_BANDWIDTH] * 1024.0L / value[NEEDED_IOPS];
	if (value[NEEDED_DISTANCE] * 512.0L >= VALUE_MAX || size >= VALUE_MAX)
		return INVALID_NUMBER;
	if (value[NEEDED_READS] < DATASET_MIN_CALLS)
		return INVALID_CALLS;
	memset(row, 0, sizeof(*row));
	row->label = label;
	row->time_ns = (uint64_t)roundl(value[NEEDED_END] * 1e9L);
	row->span_ns = row->time_ns - (uint64_t)roundl(value[NEEDED_START] * 1e9L);
	row->calls = (uint64_t)value[NEEDED_READS];
	row->features[FEATURE_AVG_DISTANCE_BYTES] =
		(uint64_t)roundl(value[NEEDED_DISTANCE] * 512.0L);
	row->features[FEATURE_JUMP_RATIO] = (uint64_t)roundl(value[NEEDED_JUMP] * RATIO_ONE);
	row->features[FEATURE_AVG_IO_BYTES] = (uint64_t)roundl(size);
	row->features[FEATURE_SEQ_RATIO] = RATIO_ONE - row->features[FEATURE_JUMP_RATIO];
	row->features[FEATURE_IOPS] = (uint64_t)roundl(value[NEEDED_IOPS]);
	return NR_INVALID;
}

/* Keeps every column of a valid row as a number, for the report. */
static int keep_values(struct table *t, size_t row, char **fields)
{
	unsigned int i;

	if (row == t->room) {
		size_t room = t->room ? 2 * t->room : 1024;
		double *values = reallocarray(t->values, room, t->nr_columns * sizeof(*t->values));

		if (!values)
			return -ENOMEM;
		t->values = values;
		t->room = room;
	}
	for (i = 0; i < t->nr_columns; i++) {
		double *value = &t->values[row * t->nr_columns + i];
		char *end;

		*value = strtod(fields[i], &end);
		if (end == fields[i] || *end || !isfinite(*value))
			t->text[i] = true;
		if (strcmp(fields[i], fields[t->at[NEEDED_LABEL]]) != 0)
			t->not_label[i] = true;
	}
	return 0;
}

static int read_rows(struct table *t, struct dataset *d, struct fault *why)
{
	char *fields[CSV_COLUMNS_MAX];
	enum invalid invalid;
	struct row row;
	int ret;

	while ((ret = csv_line(&t->csv, why)) > 0) {
		unsigned int nr = csv_split(&t->csv, fields);

		invalid = convert(t, fields, nr, &row);
		if (invalid != NR_INVALID) {
			if (!t->invalid[invalid]++)
				t->invalid_line[invalid] = t->csv.line;
			continue;
		}
		ret = keep_values(t, d->nr_rows - t->first_row, fields);
		if (!ret)
			ret = dataset_run(d, fields[t->at[NEEDED_RUN]],
					  strlen(fields[t->at[NEEDED_RUN]]), &row.run);
		if (!ret)
			ret = dataset_append(d, &row);
		if (ret)
			return fault_set(why, -ret, "%s: out of memory", t->csv.path);
	}
	return ret;
}

static int print_report(const struct table *t, const struct dataset *d, FILE *report)
{
	struct columns c = {.nr_rows = d->nr_rows - t->first_row};
	uint8_t *label = calloc(c.nr_rows + 1, 1);
	uint32_t *run = calloc(c.nr_rows + 1, sizeof(*run));
	unsigned int i;
	int ret = 0;
	size_t k;

	c.label = label;
	c.run = run;
	c.column = calloc(t->nr_columns, sizeof(*c.column));
	if (!label || !run || !c.column)
		ret = -ENOMEM;
	for (k = 0; !ret && k < c.nr_rows; k++) {
		label[k] = d->rows[t->first_row + k].label;
		run[k] = d->rows[t->first_row + k].run;
	}
	for (i = 0; !ret && i < t->nr_columns; i++) {
		struct column *column = &c.column[c.nr_columns];

		if (!t->not_label[i] && i != t->at[NEEDED_LABEL])
			fprintf(report, "gives the label away: %s is the label\n", t->name[i]);
		if (t->text[i])
			continue;
		column->name = t->name[i];
		column->value = calloc(c.nr_rows + 1, sizeof(*column->value));
		if (!column->value) {
			ret = -ENOMEM;
			break;
		}
		c.nr_columns++;
		for (k = 0; k < c.nr_rows; k++)
			column->value[k] = t->values[k * t->nr_columns + i];
	}
	if (!ret)
		columns_print_flaws(report, &c);
	columns_free(&c);
	return ret;
}

static int read_table(struct table *t, struct dataset *d, FILE *report, struct fault *why)
{
	size_t nr_invalid = 0;
	unsigned int i;
	int ret;

	t->csv.open_end = true;
	t->first_row = d->nr_rows;
	ret = read_header(t, why);
	if (!ret)
		ret = read_rows(t, d, why);
	if (ret)
		return ret;
	for (i = 0; i < NR_INVALID; i++)
		nr_invalid += t->invalid[i];
	fprintf(report, "%s: %zu rows of %u columns, %zu of them dropped\n", t->csv.path,
		d->nr_rows - t->first_row + nr_invalid, t->nr_columns, nr_invalid);
	for (i = 0; i < NR_INVALID; i++)
		if (t->invalid[i])
			fprintf(report, "dropped: %zu rows with %s, the first in line %lu\n",
				t->invalid[i], invalid_texts[i], t->invalid_line[i]);
	if (d->nr_rows == t->first_row)
		return fault_set(why, EINVAL, "%s: no valid row", t->csv.path);
	ret = print_report(t, d, report);
	return ret ? fault_set(why, -ret, "%s: out of memory", t->csv.path) : 0;
}

int consolidated_read(struct dataset *d, const char *path, FILE *report, struct fault *why)
{
	static const uint32_t features = 1U << FEATURE_AVG_DISTANCE_BYTES |
					 1U << FEATURE_JUMP_RATIO | 1U << FEATURE_AVG_IO_BYTES |
					 1U << FEATURE_SEQ_RATIO | 1U << FEATURE_IOPS;
	struct table *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return fault_set(why, ENOMEM, "out of memory");
	ret = csv_open(&t->csv, path, why);
	if (!ret) {
		ret = read_table(t, d, report, why);
		csv_close(&t->csv);
	}
	if (!ret) {
		d->features = d->nr_files ? d->features & features : features;
		d->nr_files++;
	}
	free(t->names);
	free(t->values);
	free(t);
	return ret;
}
