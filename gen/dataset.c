// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/features.h"
#include "../loader/names.h"
#include "csv.h"
#include "dataset.h"
#include "output.h"

#define COLUMN_OTHER -1
enum column {
	/* 0..FEATURES_MAX - 1: the feature of that id */
	COLUMN_LABEL = FEATURES_MAX,
	COLUMN_RUN,
	COLUMN_PART,
	COLUMN_TIME,
	COLUMN_SPAN,
	COLUMN_CALLS,
	COLUMN_RA_KB,
	COLUMN_CLASS,
	COLUMN_MARGIN,
	COLUMN_MODEL,
	NR_COLUMNS,
};

static const char *const fixed_columns[] = {"label", "run",   "part",  "time_ns", "span_ns",
					    "calls", "ra_kb", "class", "margin",  "model"};

static const char *const drop_texts[NR_DROPS] = {
#define X(id, text) text,
	DROP_LIST(X)
#undef X
};
_Static_assert(DATASET_MIN_CALLS == 8, "as drop_texts says");

struct reader {
	struct csv csv;
	enum drop
		fault; /* what kind the last refused row was; NR_DROPS: none that may be dropped */
	int columns[CSV_COLUMNS_MAX]; /* enum column, by position */
	unsigned int nr_columns;
};

static const char *column_name(int column)
{
	return column < FEATURES_MAX ? feature_name(column) : fixed_columns[column - FEATURES_MAX];
}

static int column_from_name(const char *name)
{
	int id = feature_from_name(name);
	unsigned int i;

	if (id >= 0)
		return id;
	for (i = 0; i < sizeof(fixed_columns) / sizeof(fixed_columns[0]); i++)
		if (!strcmp(name, fixed_columns[i]))
			return COLUMN_LABEL + (int)i;
	return COLUMN_OTHER;
}

static int read_header(struct reader *r, uint32_t needed, uint32_t *features, struct fault *why)
{
	char *fields[CSV_COLUMNS_MAX];
	uint64_t seen = 0;
	unsigned int i;
	int ret;

	ret = csv_header(&r->csv, fields, why);
	if (ret < 0)
		return ret;
	r->nr_columns = (unsigned int)ret;
	for (i = 0; i < r->nr_columns; i++) {
		int column = column_from_name(fields[i]);

		r->columns[i] = column;
		if (column == COLUMN_OTHER)
			continue;
		if (seen & 1ULL << column)
			return fault_set(why, EINVAL, "%s:1: column %s appears twice", r->csv.path,
					 fields[i]);
		seen |= 1ULL << column;
	}
	for (i = 0; i < NR_COLUMNS; i++) {
		bool need =
			i < FEATURES_MAX ? needed >> i & 1 : i == COLUMN_LABEL || i == COLUMN_CALLS;

		if (need && !(seen >> i & 1))
			return fault_set(why, EINVAL, "%s:1: no column %s", r->csv.path,
					 column_name((int)i));
	}
	*features = seen & ((1ULL << FEATURES_MAX) - 1);
	return 0;
}

static int parse_number(struct reader *r, const char *text, int column, uint64_t *value,
			struct fault *why)
{
	char *end;

	errno = 0;
	/* strtoull() takes a sign and leading blanks; a counter has neither. */
	*value = strtoull(text, &end, 10);
	r->fault = errno == ERANGE ? DROP_RANGE : DROP_NUMBER;
	if (errno == ERANGE)
		return fault_set(why, ERANGE, "%s:%lu: %s is %.40s: out of range", r->csv.path,
				 r->csv.line, column_name(column), text);
	if (*text < '0' || *text > '9' || *end)
		return fault_set(why, EINVAL,
				 "%s:%lu: %s is \"%.40s\", not a whole number of 0 or more",
				 r->csv.path, r->csv.line, column_name(column), text);
	r->fault = DROP_RANGE;
	if (column < FEATURES_MAX && feature_is_ratio(column) && *value > RATIO_ONE)
		return fault_set(why, ERANGE, "%s:%lu: %s is %.40s, above 1.0 (%llu)", r->csv.path,
				 r->csv.line, column_name(column), text, RATIO_ONE);
	r->fault = NR_DROPS;
	return 0;
}

int dataset_run(struct dataset *d, const char *name, size_t length, uint32_t *run)
{
	char **runs;
	uint32_t i;

	/* Rows of a run stand together, so the last one nearly always matches. */
	for (i = d->nr_runs; i > 0; i--) {
		if (strlen(d->runs[i - 1]) == length && !memcmp(d->runs[i - 1], name, length)) {
			*run = i - 1;
			return 0;
		}
	}
	runs = realloc(d->runs, (d->nr_runs + 1) * sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	d->runs = runs;
	runs[d->nr_runs] = strndup(name, length);
	if (!runs[d->nr_runs])
		return -ENOMEM;
	*run = d->nr_runs++;
	return 0;
}

/* What the kernel answered: for comparison only, so what cannot be read is not known. */
static void parse_answer(struct row *row, int column, const char *text)
{
	char *end;
	int id;

	switch (column) {
	case COLUMN_CLASS:
		id = class_from_name(text);
		row->recorded_class = id < 0 ? CLASS_NONE : id;
		break;
	case COLUMN_MARGIN:
		row->recorded_margin = (int32_t)strtol(text, &end, 10);
		if (end == text || *end)
			row->recorded_margin = INT32_MIN; /* equals no margin */
		break;
	default:
		row->recorded_model = strtoull(text, &end, 16);
		if (end == text || *end)
			row->recorded_model = 0;
	}
}

static int parse_row(struct reader *r, struct dataset *d, uint32_t file_run, struct row *row,
		     struct fault *why)
{
	char *fields[CSV_COLUMNS_MAX];
	unsigned int i, nr;
	uint64_t value;
	int ret;

	r->fault = NR_DROPS;
	nr = csv_split(&r->csv, fields);
	if (nr != r->nr_columns)
		return fault_set(why, EINVAL, "%s:%lu: %u fields, the header has %u", r->csv.path,
				 r->csv.line, nr, r->nr_columns);
	memset(row, 0, sizeof(*row));
	row->run = file_run;
	row->recorded_class = CLASS_NONE;
	for (i = 0; i < nr; i++) {
		int column = r->columns[i];

		switch (column) {
		case COLUMN_OTHER:
			continue;
		case COLUMN_LABEL:
			if (!*fields[i] || !strcmp(fields[i], class_name(CLASS_NONE))) {
				r->fault = DROP_LABEL;
				return fault_set(why, EINVAL, "%s:%lu: no label", r->csv.path,
						 r->csv.line);
			}
			ret = class_from_name(fields[i]);
			if (ret < 0)
				return fault_set(why, EINVAL, "%s:%lu: unknown label \"%.40s\"",
						 r->csv.path, r->csv.line, fields[i]);
			row->label = ret;
			continue;
		case COLUMN_RUN:
			if (!*fields[i])
				return fault_set(why, EINVAL, "%s:%lu: run has no name",
						 r->csv.path, r->csv.line);
			ret = dataset_run(d, fields[i], strlen(fields[i]), &row->run);
			if (ret)
				return fault_set(why, -ret, "%s: out of memory", r->csv.path);
			continue;
		case COLUMN_PART:
			row->hop = !strcmp(fields[i], "hop");
			if (!row->hop && strcmp(fields[i], "window"))
				return fault_set(
					why, EINVAL,
					"%s:%lu: part is \"%.40s\", neither window nor hop",
					r->csv.path, r->csv.line, fields[i]);
			continue;
		case COLUMN_CLASS:
		case COLUMN_MARGIN:
		case COLUMN_MODEL:
			parse_answer(row, column, fields[i]);
			continue;
		}
		ret = parse_number(r, fields[i], column, &value, why);
		if (ret)
			return ret;
		switch (column) {
		case COLUMN_TIME:
			row->time_ns = value;
			break;
		case COLUMN_SPAN:
			row->span_ns = value;
			break;
		case COLUMN_CALLS:
			row->calls = value;
			break;
		case COLUMN_RA_KB:
			r->fault = DROP_RANGE;
			if (value > UINT32_MAX)
				return fault_set(why, ERANGE,
						 "%s:%lu: ra_kb is %.40s: out of range",
						 r->csv.path, r->csv.line, fields[i]);
			r->fault = NR_DROPS;
			row->ra_kb = value;
			break;
		default:
			row->features[column] = value;
		}
	}
	return 0;
}

int dataset_append(struct dataset *d, const struct row *row)
{
	if (d->nr_rows == d->room) {
		size_t room = d->room ? 2 * d->room : 1024;
		struct row *rows = reallocarray(d->rows, room, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		d->rows = rows;
		d->room = room;
	}
	d->rows[d->nr_rows++] = *row;
	return 0;
}

int dataset_drop_empty_runs(struct dataset *d)
{
	uint32_t *number = calloc(d->nr_runs + 1, sizeof(*number)), run, nr = 0;
	size_t k;

	if (!number)
		return -ENOMEM;
	for (k = 0; k < d->nr_rows; k++)
		number[d->rows[k].run] = 1;
	for (run = 0; run < d->nr_runs; run++) {
		if (!number[run]) {
			free(d->runs[run]);
			continue;
		}
		number[run] = nr;
		d->runs[nr++] = d->runs[run];
	}
	d->nr_runs = nr;
	for (k = 0; k < d->nr_rows; k++)
		d->rows[k].run = number[d->rows[k].run];
	free(number);
	return 0;
}

static void drop_row(struct dataset *d, const struct reader *r, enum drop drop)
{
	struct dropped *dropped = &d->dropped[drop];

	if (!dropped->nr++)
		snprintf(dropped->first, sizeof(dropped->first), "%s:%lu", r->csv.path,
			 r->csv.line);
}

void dataset_print_dropped(FILE *out, const struct dataset *d)
{
	unsigned int i;

	for (i = 0; i < NR_DROPS; i++)
		if (d->dropped[i].nr)
			fprintf(out, "%zu windows dropped: %s (the first: %s)\n", d->dropped[i].nr,
				drop_texts[i], d->dropped[i].first);
}

/* "dir/cloud.scan.128.csv.gz" -> "cloud.scan.128" */
static size_t run_name_of_file(const char **path)
{
	const char *slash = strrchr(*path, '/');
	size_t length;

	if (slash)
		*path = slash + 1;
	length = strlen(*path);
	if (length > 3 && !memcmp(*path + length - 3, ".gz", 3))
		length -= 3;
	if (length > 4 && !memcmp(*path + length - 4, ".csv", 4))
		length -= 4;
	return length;
}

static int read_rows(struct reader *r, struct dataset *d, uint32_t needed, struct fault *why)
{
	uint32_t features = 0, file_run = 0, nr_runs;
	const char *name = r->csv.path;
	size_t length, nr_read = 0;
	struct row row;
	unsigned int i;
	int ret;

	ret = read_header(r, needed, &features, why);
	if (ret)
		return ret;
	for (i = 0; i < r->nr_columns; i++)
		if (r->columns[i] == COLUMN_RUN)
			break;
	if (i == r->nr_columns) {
		length = run_name_of_file(&name);
		nr_runs = d->nr_runs;
		ret = dataset_run(d, name, length, &file_run);
		if (ret)
			return fault_set(why, -ret, "%s: out of memory", r->csv.path);
		if (d->nr_runs == nr_runs)
			return fault_set(why, EEXIST, "%s: run %.*s is in an earlier file, too",
					 r->csv.path, (int)(length < 80 ? length : 80), name);
	}
	while ((ret = csv_line(&r->csv, why)) > 0) {
		ret = parse_row(r, d, file_run, &row, why);
		if (ret && (!d->tolerant || r->fault == NR_DROPS))
			return ret;
		nr_read++;
		if (ret || row.calls < DATASET_MIN_CALLS) {
			drop_row(d, r, ret ? r->fault : DROP_CALLS);
			continue;
		}
		ret = dataset_append(d, &row);
		if (ret)
			return fault_set(why, -ret, "%s: out of memory", r->csv.path);
	}
	if (ret)
		return ret;
	if (!nr_read)
		return fault_set(why, ENODATA, "%s: a header and no rows", r->csv.path);
	d->features = d->nr_files ? d->features & features : features;
	d->nr_files++;
	return 0;
}

int dataset_read(struct dataset *d, const char *path, uint32_t needed, struct fault *why)
{
	struct reader r;
	int ret;

	ret = csv_open(&r.csv, path, why);
	if (ret)
		return ret;
	ret = read_rows(&r, d, needed, why);
	csv_close(&r.csv);
	return ret;
}

static void print_rows(FILE *out, const void *what)
{
	const struct dataset *d = what;
	unsigned int i;
	size_t k;

	fputs("label,run,part,time_ns,span_ns,calls,ra_kb", out);
	for (i = 0; i < FEATURES_MAX; i++)
		if (d->features >> i & 1 && feature_name(i))
			fprintf(out, ",%s", feature_name(i));
	fputc('\n', out);
	for (k = 0; k < d->nr_rows; k++) {
		const struct row *row = &d->rows[k];

		fprintf(out, "%s,%s,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%u",
			class_name(row->label), d->runs[row->run], row->hop ? "hop" : "window",
			row->time_ns, row->span_ns, row->calls, row->ra_kb);
		for (i = 0; i < FEATURES_MAX; i++)
			if (d->features >> i & 1 && feature_name(i))
				fprintf(out, ",%" PRIu64, row->features[i]);
		fputc('\n', out);
	}
}

int dataset_write(const struct dataset *d, const char *path, struct fault *why)
{
	return output_write(path, print_rows, d, why);
}

void dataset_free(struct dataset *d)
{
	uint32_t i;

	for (i = 0; i < d->nr_runs; i++)
		free(d->runs[i]);
	free(d->runs);
	free(d->rows);
	memset(d, 0, sizeof(*d));
}

size_t dataset_count(const struct dataset *d, const uint8_t *parts, enum part part, int label)
{
	size_t i, nr = 0;

	for (i = 0; i < d->nr_rows; i++)
		if ((!parts || parts[i] == part) && (label < 0 || d->rows[i].label == label))
			nr++;
	return nr;
}

static void split_in_time(const struct dataset *d, uint8_t *parts, uint32_t run, unsigned int label,
			  enum part to, double fraction)
{
	uint64_t first = UINT64_MAX, last = 0, cut;
	size_t i;

	for (i = 0; i < d->nr_rows; i++) {
		const struct row *row = &d->rows[i];

		if (row->run != run || row->label != label || parts[i] != PART_TRAIN)
			continue;
		if (row->time_ns < first)
			first = row->time_ns;
		if (row->time_ns > last)
			last = row->time_ns;
	}
	cut = last - (uint64_t)((double)(last - first) * fraction);
	for (i = 0; i < d->nr_rows; i++) {
		const struct row *row = &d->rows[i];

		if (row->run != run || row->label != label || parts[i] != PART_TRAIN ||
		    row->time_ns <= cut)
			continue;
		parts[i] = row->time_ns < cut + row->span_ns ? PART_NONE : to;
	}
}

int dataset_split(const struct dataset *d, uint8_t *parts, enum part to, double fraction,
		  struct rng *rng)
{
	uint32_t *runs = reallocarray(NULL, d->nr_runs + 1, sizeof(*runs));
	uint8_t *taken = calloc(d->nr_runs + 1, 1);
	unsigned int label;
	size_t i;

	if (!runs || !taken) {
		free(runs);
		free(taken);
		return -ENOMEM;
	}
	for (label = 0; label < CLASSES_MAX; label++) {
		uint32_t nr = 0, nr_moved, k;

		memset(taken, 0, d->nr_runs);
		for (i = 0; i < d->nr_rows; i++) {
			uint32_t run = d->rows[i].run;

			if (d->rows[i].label != label || parts[i] != PART_TRAIN || taken[run])
				continue;
			taken[run] = 1;
			runs[nr++] = run;
		}
		if (!nr)
			continue;
		if (nr == 1) {
			split_in_time(d, parts, runs[0], label, to, fraction);
			continue;
		}
		rng_shuffle(rng, runs, nr);
		nr_moved = (uint32_t)((double)nr * fraction + 0.999999);
		if (nr_moved >= nr)
			nr_moved = nr - 1;
		memset(taken, 0, d->nr_runs);
		for (k = 0; k < nr_moved; k++)
			taken[runs[k]] = 1;
		for (i = 0; i < d->nr_rows; i++)
			if (d->rows[i].label == label && parts[i] == PART_TRAIN &&
			    taken[d->rows[i].run])
				parts[i] = to;
	}
	free(runs);
	free(taken);
	return 0;
}

int dataset_split_rows(const struct dataset *d, uint8_t *parts, enum part to, double fraction,
		       struct rng *rng)
{
	uint32_t *rows = reallocarray(NULL, d->nr_rows + 1, sizeof(*rows));
	unsigned int label;
	size_t i;

	if (!rows)
		return -ENOMEM;
	for (label = 0; label < CLASSES_MAX; label++) {
		size_t nr = 0, nr_moved;

		for (i = 0; i < d->nr_rows; i++)
			if (d->rows[i].label == label && parts[i] == PART_TRAIN)
				rows[nr++] = i;
		if (nr < 2)
			continue;
		rng_shuffle(rng, rows, nr);
		nr_moved = (size_t)((double)nr * fraction + 0.999999);
		if (nr_moved >= nr)
			nr_moved = nr - 1;
		for (i = 0; i < nr_moved; i++)
			parts[rows[i]] = to;
	}
	free(rows);
	return 0;
}

int dataset_hold_out_runs(const struct dataset *d, uint8_t *parts, enum part to, struct rng *rng,
			  struct fault *why)
{
	uint32_t *runs = calloc(d->nr_runs + 1, sizeof(*runs)), run, nr;
	uint8_t *seen = calloc(d->nr_runs + 1, 1);
	unsigned int label;
	int ret = 0;
	size_t i;

	if (!runs || !seen) {
		ret = fault_set(why, ENOMEM, "out of memory");
		goto out;
	}
	for (label = 0; label < CLASSES_MAX; label++) {
		memset(seen, 0, d->nr_runs);
		nr = 0;
		for (i = 0; i < d->nr_rows; i++) {
			run = d->rows[i].run;
			if (d->rows[i].label != label || parts[i] != PART_TRAIN || seen[run])
				continue;
			seen[run] = 1;
			runs[nr++] = run;
		}
		if (!nr)
			continue;
		if (nr == 1) {
			ret = fault_set(why, EINVAL,
					"class %s has a single run: it cannot be held out",
					class_name(label));
			goto out;
		}
		run = runs[rng_below(rng, nr)];
		for (i = 0; i < d->nr_rows; i++)
			if (d->rows[i].label == label && d->rows[i].run == run &&
			    parts[i] == PART_TRAIN)
				parts[i] = to;
	}
out:
	free(runs);
	free(seen);
	return ret;
}
