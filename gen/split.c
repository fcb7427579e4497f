// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../loader/names.h"
#include "csv.h"
#include "metadata.h"
#include "output.h"
#include "split.h"

static const char *const part_names[] = {"train", "validation", "test"};
#define NR_PARTS 3

struct split_run {
	const char *name, *profile;
	size_t profile_length;
	size_t nr_rows;
	uint32_t run; /* of the dataset */
	uint8_t label, part;
	bool named; /* the file that is read has it */
};

struct split_runs {
	struct split_run *run; /* those with rows, by name */
	uint32_t nr;
};

int part_from_name(const char *name)
{
	int i;

	for (i = 0; i < NR_PARTS; i++)
		if (!strcmp(name, part_names[i]))
			return i;
	return -ENOENT;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct split_run *)a)->name, ((const struct split_run *)b)->name);
}

static int collect(const struct dataset *d, struct split_runs *s, struct fault *why)
{
	struct split_run *run = calloc(d->nr_runs + 1, sizeof(*run));
	uint32_t i, nr = 0;
	size_t k;

	s->run = run;
	if (!run)
		return fault_set(why, ENOMEM, "out of memory");
	for (i = 0; i < d->nr_runs; i++) {
		run[i].name = d->runs[i];
		run[i].run = i;
		run_field(run[i].name, RUN_PROFILE, &run[i].profile, &run[i].profile_length);
		if (!strchr(run[i].name, '.'))
			run[i].profile_length = 0; /* a name of another kind: all alike */
	}
	for (k = 0; k < d->nr_rows; k++) {
		struct split_run *of = &run[d->rows[k].run];

		if (of->nr_rows++ && of->label != d->rows[k].label)
			return fault_set(why, EINVAL,
					 "run %.80s has windows of two classes, %s and %s",
					 of->name, class_name(of->label),
					 class_name(d->rows[k].label));
		of->label = d->rows[k].label;
	}
	for (i = 0; i < d->nr_runs; i++)
		if (run[i].nr_rows)
			run[nr++] = run[i];
	s->nr = nr;
	qsort(run, nr, sizeof(*run), by_name);
	return 0;
}

static bool same_profile(const struct split_run *a, const struct split_run *b)
{
	return a->profile_length == b->profile_length &&
	       !memcmp(a->profile, b->profile, a->profile_length);
}

/* Runs of one class that are still to be dealt, by profile: [first, first + nr) of `order`. */
struct cell {
	uint32_t first, nr, left, quota;
	double remainder;
};

/* Shares of @quota for the cells, by their sizes: whole parts first, then largest remainders. */
static void deal_quota(struct cell *cell, uint32_t nr_cells, uint32_t quota, uint32_t nr_runs)
{
	uint32_t i, dealt = 0;

	for (i = 0; i < nr_cells; i++) {
		double share = (double)quota * cell[i].nr / nr_runs;

		cell[i].quota = (uint32_t)share < cell[i].left ? (uint32_t)share : cell[i].left;
		cell[i].remainder = share - cell[i].quota;
		dealt += cell[i].quota;
	}
	while (dealt < quota) {
		struct cell *most = NULL;

		for (i = 0; i < nr_cells; i++)
			if (cell[i].quota < cell[i].left &&
			    (!most || cell[i].remainder > most->remainder))
				most = &cell[i];
		if (!most)
			return;
		most->quota++;
		most->remainder -= 1.0;
		dealt++;
	}
}

/* Rounded; a class with three runs or more is in all parts, and each has one to train on. */
static uint32_t quota_of(uint32_t nr_runs, double share, uint32_t spare)
{
	uint32_t quota = (uint32_t)(share * nr_runs + 0.5);

	if (!quota && share > 0.0 && nr_runs >= 3)
		quota = 1;
	return quota < spare ? quota : spare;
}

static int split_class(struct split_runs *s, unsigned int label, const struct split_options *o,
		       struct rng *rng, struct fault *why)
{
	const double shares[] = {o->hold_profile ? 0.0 : o->test, o->validation};
	static const enum part parts[] = {PART_TEST, PART_VALIDATION};
	uint32_t *order = calloc(s->nr + 1, sizeof(*order)), i, k, nr = 0, nr_cells = 0, left;
	struct cell *cell = calloc(s->nr + 1, sizeof(*cell));
	uint8_t *seen = calloc(s->nr + 1, 1);
	unsigned int p;
	int ret = 0;

	if (!order || !cell || !seen) {
		ret = fault_set(why, ENOMEM, "out of memory");
		goto out;
	}
	for (i = 0; i < s->nr; i++) {
		if (seen[i] || s->run[i].label != label || s->run[i].part == PART_TEST)
			continue;
		cell[nr_cells].first = nr;
		for (k = i; k < s->nr; k++) {
			if (s->run[k].label != label || s->run[k].part == PART_TEST ||
			    !same_profile(&s->run[i], &s->run[k]))
				continue;
			seen[k] = 1;
			order[nr++] = k;
		}
		cell[nr_cells].nr = cell[nr_cells].left = nr - cell[nr_cells].first;
		rng_shuffle(rng, order + cell[nr_cells].first, cell[nr_cells].nr);
		nr_cells++;
	}
	left = nr;
	for (p = 0; p < 2 && nr; p++) {
		bool validates_next = !p && shares[1] > 0.0 && nr >= 3;

		deal_quota(cell, nr_cells, quota_of(nr, shares[p], left - 1 - validates_next), nr);
		for (i = 0; i < nr_cells; i++) {
			left -= cell[i].quota;
			for (k = 0; k < cell[i].quota; k++)
				s->run[order[cell[i].first + --cell[i].left]].part = parts[p];
		}
	}
out:
	free(order);
	free(cell);
	free(seen);
	return ret;
}

static void fill_parts(const struct dataset *d, const struct split_runs *s, uint8_t *parts)
{
	uint32_t i;
	size_t k;

	memset(parts, PART_NONE, d->nr_rows);
	for (i = 0; i < s->nr; i++)
		for (k = 0; k < d->nr_rows; k++)
			if (d->rows[k].run == s->run[i].run)
				parts[k] = s->run[i].part;
}

int split_make(const struct dataset *d, const struct split_options *options, uint8_t *parts,
	       struct fault *why)
{
	struct split_runs s = {0};
	unsigned int label;
	bool held = false;
	struct rng rng;
	uint32_t i;
	int ret;

	ret = collect(d, &s, why);
	if (ret)
		goto out;
	for (i = 0; options->hold_profile && i < s.nr; i++) {
		if (strlen(options->hold_profile) != s.run[i].profile_length ||
		    memcmp(options->hold_profile, s.run[i].profile, s.run[i].profile_length) != 0)
			continue;
		s.run[i].part = PART_TEST;
		held = true;
	}
	if (options->hold_profile && !held)
		ret = fault_set(why, EINVAL, "no run of profile %.80s", options->hold_profile);
	rng_seed(&rng, options->seed);
	for (label = 0; !ret && label < CLASSES_MAX; label++)
		ret = split_class(&s, label, options, &rng, why);
	if (!ret)
		fill_parts(d, &s, parts);
out:
	free(s.run);
	return ret;
}

static void print_runs(FILE *out, const void *what)
{
	const struct split_runs *s = what;
	uint32_t i;

	fputs("run,label,profile,part\n", out);
	for (i = 0; i < s->nr; i++)
		fprintf(out, "%s,%s,%.*s,%s\n", s->run[i].name, class_name(s->run[i].label),
			(int)s->run[i].profile_length, s->run[i].profile,
			part_names[s->run[i].part]);
}

int split_write(const struct dataset *d, const uint8_t *parts, const char *path, struct fault *why)
{
	struct split_runs s = {0};
	uint32_t i;
	size_t k;
	int ret;

	ret = collect(d, &s, why);
	for (i = 0; !ret && i < s.nr; i++)
		for (k = 0; k < d->nr_rows; k++)
			if (d->rows[k].run == s.run[i].run && parts[k] < NR_PARTS)
				s.run[i].part = parts[k];
	if (!ret)
		ret = output_write(path, print_runs, &s, why);
	free(s.run);
	return ret;
}

enum split_column { SPLIT_RUN, SPLIT_LABEL, SPLIT_PROFILE, SPLIT_PART, NR_SPLIT_COLUMNS };

static int read_line(struct csv *csv, struct split_runs *s, struct fault *why)
{
	char *fields[CSV_COLUMNS_MAX];
	struct split_run key, *run;
	int label, part;

	if (csv_split(csv, fields) != NR_SPLIT_COLUMNS)
		return fault_set(why, EINVAL, "%s:%lu: not four fields", csv->path, csv->line);
	label = class_from_name(fields[SPLIT_LABEL]);
	if (label < 0)
		return fault_set(why, EINVAL, "%s:%lu: unknown label \"%.40s\"", csv->path,
				 csv->line, fields[SPLIT_LABEL]);
	part = part_from_name(fields[SPLIT_PART]);
	if (part < 0)
		return fault_set(why, EINVAL,
				 "%s:%lu: part is \"%.40s\", none of train, validation, test",
				 csv->path, csv->line, fields[SPLIT_PART]);
	key.name = fields[SPLIT_RUN];
	run = bsearch(&key, s->run, s->nr, sizeof(*s->run), by_name);
	if (!run)
		return fault_set(why, EINVAL, "%s:%lu: the data have no run %.80s", csv->path,
				 csv->line, key.name);
	if (run->named)
		return fault_set(why, EINVAL, "%s:%lu: run %.80s appears twice", csv->path,
				 csv->line, key.name);
	if (run->label != label)
		return fault_set(why, EINVAL, "%s:%lu: run %.80s is %s in the data", csv->path,
				 csv->line, key.name, class_name(run->label));
	run->named = true;
	run->part = part;
	return 0;
}

int split_read(const struct dataset *d, uint8_t *parts, const char *path, struct fault *why)
{
	struct split_runs s = {0};
	struct csv csv;
	uint32_t i;
	int ret;

	ret = collect(d, &s, why);
	if (!ret)
		ret = csv_open(&csv, path, why);
	if (ret) {
		free(s.run);
		return ret;
	}
	ret = csv_line(&csv, why);
	if (!ret)
		ret = fault_set(why, EINVAL, "%s: empty file", path);
	else if (ret > 0 && strcmp(csv.text, "run,label,profile,part") != 0)
		ret = fault_set(why, EINVAL, "%s:1: not the header run,label,profile,part", path);
	while (ret >= 0) {
		ret = csv_line(&csv, why);
		if (ret <= 0)
			break;
		ret = read_line(&csv, &s, why);
	}
	csv_close(&csv);
	for (i = 0; !ret && i < s.nr; i++)
		if (!s.run[i].named)
			ret = fault_set(why, EINVAL, "%s: run %.80s of the data is not in it", path,
					s.run[i].name);
	if (!ret)
		fill_parts(d, &s, parts);
	free(s.run);
	return ret;
}

void split_print(FILE *out, const struct dataset *d, const uint8_t *parts)
{
	unsigned int label, part;

	fprintf(out, "%-14s %12s %12s %12s\n", "windows", part_names[0], part_names[1],
		part_names[2]);
	for (label = 0; label < CLASSES_MAX; label++) {
		if (!dataset_count(d, NULL, PART_TRAIN, (int)label))
			continue;
		fprintf(out, "  %-12s", class_name(label));
		for (part = 0; part < NR_PARTS; part++)
			fprintf(out, " %12zu", dataset_count(d, parts, part, (int)label));
		fputc('\n', out);
	}
}
