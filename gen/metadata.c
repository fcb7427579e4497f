// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../loader/names.h"
#include "csv.h"
#include "metadata.h"
#include "output.h"

static const struct {
	const char *name;
	bool required;
} columns[NR_METADATA] = {
#define X(id, text, needed) {#text, needed},
	METADATA_LIST(X)
#undef X
};

struct table {
	struct csv csv;
	int at[NR_METADATA]; /* position of each column; -1: not there */
	unsigned int nr_columns;
};

void run_field(const char *run, enum run_field field, const char **text, size_t *length)
{
	unsigned int i;

	*text = run;
	for (i = 0; i < field; i++) {
		const char *dot = strchr(*text, '.');

		if (!dot)
			break;
		*text = dot + 1;
	}
	*length = strcspn(*text, ".");
}

static int read_header(struct table *t, struct fault *why)
{
	char *fields[CSV_COLUMNS_MAX];
	unsigned int at, k;
	int ret;

	ret = csv_header(&t->csv, fields, why);
	if (ret < 0)
		return ret;
	t->nr_columns = (unsigned int)ret;
	for (k = 0; k < NR_METADATA; k++) {
		ret = csv_find(&t->csv, fields, t->nr_columns, columns[k].name, &at, why);
		t->at[k] = ret ? -1 : (int)at;
		if (ret == -EINVAL)
			return ret;
		if (ret && columns[k].required)
			return fault_set(why, EINVAL, "%s:1: no column %s", t->csv.path,
					 columns[k].name);
	}
	return 0;
}

static bool number(const char *text, double most, double *value)
{
	char *end;

	*value = strtod(text, &end);
	return end != text && !*end && *value >= 0.0 && *value <= most;
}

static int check_name(const struct table *t, const struct run_metadata *run, struct fault *why)
{
	static const enum metadata_column checked[] = {METADATA_PROFILE, METADATA_WORKLOAD};
	static const enum run_field fields[] = {RUN_PROFILE, RUN_WORKLOAD};
	const char *name = run->field[METADATA_RUN], *text;
	size_t length;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		const char *value = run->field[checked[i]];

		run_field(name, fields[i], &text, &length);
		if (!length || strlen(value) != length || memcmp(text, value, length) != 0)
			return fault_set(why, EINVAL,
					 "%s:%lu: run %.80s, but %s is %.80s: a run's name is "
					 "PROFILE.WORKLOAD.SETTING",
					 t->csv.path, t->csv.line, name, columns[checked[i]].name,
					 value);
	}
	return 0;
}

static int parse_line(struct table *t, struct run_metadata *run, struct fault *why)
{
	char *fields[CSV_COLUMNS_MAX];
	const char *value;
	unsigned int nr, k;
	double ra_kb;
	int label;

	for (k = 0; k < NR_METADATA; k++)
		run->field[k] = "";
	nr = csv_split(&t->csv, fields);
	if (nr != t->nr_columns)
		return fault_set(why, EINVAL, "%s:%lu: %u fields, the header has %u", t->csv.path,
				 t->csv.line, nr, t->nr_columns);
	for (k = 0; k < NR_METADATA; k++)
		if (t->at[k] >= 0)
			run->field[k] = run->text + (fields[t->at[k]] - t->csv.text);
	for (k = 1; k < nr; k++)
		run->text[fields[k] - t->csv.text - 1] = '\0';
	value = run->field[METADATA_LABEL];
	label = class_from_name(value);
	if (label < 0)
		return fault_set(why, EINVAL, "%s:%lu: unknown label \"%.40s\"", t->csv.path,
				 t->csv.line, value);
	run->label = label;
	value = run->field[METADATA_RA_KB];
	if (!number(value, UINT32_MAX, &ra_kb) || ra_kb != floor(ra_kb))
		return fault_set(why, EINVAL, "%s:%lu: ra_kb is \"%.40s\", not a whole number",
				 t->csv.path, t->csv.line, value);
	run->ra_kb = (uint32_t)ra_kb;
	value = run->field[METADATA_APP_BYTES_PER_S];
	run->throughput = NAN;
	if (*value && !number(value, 1e15, &run->throughput))
		return fault_set(why, EINVAL,
				 "%s:%lu: app_bytes_per_s is \"%.40s\", not a number of 0 or more",
				 t->csv.path, t->csv.line, value);
	run->direct = !strcmp(run->field[METADATA_MODE], "direct");
	if (!*run->field[METADATA_FAMILY])
		return fault_set(why, EINVAL, "%s:%lu: no family", t->csv.path, t->csv.line);
	return check_name(t, run, why);
}

static int add_line(struct metadata *m, struct table *t, struct fault *why)
{
	struct run_metadata run = {.source = m->nr_sources}, *runs;
	const struct run_metadata *earlier;
	int ret;

	run.text = strdup(t->csv.text);
	if (!run.text)
		return fault_set(why, ENOMEM, "%s: out of memory", t->csv.path);
	ret = parse_line(t, &run, why);
	if (ret)
		goto refused;
	earlier = metadata_find(m, run.field[METADATA_RUN], strlen(run.field[METADATA_RUN]));
	if (earlier && earlier->source != run.source) {
		ret = fault_set(why, EEXIST, "%s:%lu: run %.80s is in an earlier file, too",
				t->csv.path, t->csv.line, run.field[METADATA_RUN]);
		goto refused;
	}
	if (earlier) {
		free(earlier->text);
		m->run[earlier - m->run] = run;
		return 0;
	}
	if (m->nr_runs == m->room) {
		size_t room = m->room ? 2 * m->room : 64;

		runs = reallocarray(m->run, room, sizeof(*runs));
		if (!runs) {
			ret = fault_set(why, ENOMEM, "%s: out of memory", t->csv.path);
			goto refused;
		}
		m->run = runs;
		m->room = room;
	}
	m->run[m->nr_runs++] = run;
	return 0;
refused:
	free(run.text);
	return ret;
}

static int check_families(const struct metadata *m, const char *path, struct fault *why)
{
	size_t i;

	for (i = 0; i < m->nr_runs; i++) {
		const char *workload = m->run[i].field[METADATA_WORKLOAD];
		const char *family = m->run[i].field[METADATA_FAMILY];
		const char *first = metadata_family(m, workload, strlen(workload));

		if (strcmp(first, family) != 0)
			return fault_set(why, EINVAL,
					 "%s: workload %.80s is of two families, %.80s and %.80s",
					 path, workload, first, family);
	}
	return 0;
}

int metadata_read(struct metadata *m, const char *path, struct fault *why)
{
	size_t nr_runs = m->nr_runs;
	char *inside = NULL;
	struct table t;
	struct stat st;
	int ret;

	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		if (asprintf(&inside, "%s/metadata.csv", path) < 0)
			return fault_set(why, ENOMEM, "%s: out of memory", path);
		path = inside;
	}
	ret = csv_open(&t.csv, path, why);
	if (ret)
		goto out;
	ret = read_header(&t, why);
	if (!ret)
		while ((ret = csv_line(&t.csv, why)) > 0) {
			ret = add_line(m, &t, why);
			if (ret)
				break;
		}
	if (!ret && m->nr_runs == nr_runs)
		ret = fault_set(why, EINVAL, "%s: a header and no runs", path);
	if (!ret)
		ret = check_families(m, path, why);
	m->nr_sources++;
	csv_close(&t.csv);
out:
	free(inside);
	return ret;
}

const struct run_metadata *metadata_find(const struct metadata *m, const char *run, size_t length)
{
	size_t i;

	for (i = 0; i < m->nr_runs; i++) {
		const char *name = m->run[i].field[METADATA_RUN];

		if (strlen(name) == length && !memcmp(name, run, length))
			return &m->run[i];
	}
	return NULL;
}

const char *metadata_family(const struct metadata *m, const char *workload, size_t length)
{
	size_t i;

	for (i = 0; i < m->nr_runs; i++) {
		const char *name = m->run[i].field[METADATA_WORKLOAD];

		if (strlen(name) == length && !memcmp(name, workload, length))
			return m->run[i].field[METADATA_FAMILY];
	}
	return NULL;
}

struct selection {
	const struct metadata *m;
	const struct dataset *d;
};

static bool has_windows(const struct dataset *d, const char *run)
{
	size_t k;

	for (k = 0; k < d->nr_rows; k++) {
		if (!strcmp(d->runs[d->rows[k].run], run))
			return true;
		/* Rows of a run stand together: on to the next run. */
		while (k + 1 < d->nr_rows && d->rows[k + 1].run == d->rows[k].run)
			k++;
	}
	return false;
}

static void print_lines(FILE *out, const void *what)
{
	const struct selection *s = what;
	unsigned int k;
	size_t i;

	for (k = 0; k < NR_METADATA; k++)
		fprintf(out, "%s%s", k ? "," : "", columns[k].name);
	fputc('\n', out);
	for (i = 0; i < s->m->nr_runs; i++) {
		if (!has_windows(s->d, s->m->run[i].field[METADATA_RUN]))
			continue;
		for (k = 0; k < NR_METADATA; k++)
			fprintf(out, "%s%s", k ? "," : "", s->m->run[i].field[k]);
		fputc('\n', out);
	}
}

int metadata_write(const struct metadata *m, const struct dataset *d, const char *path,
		   struct fault *why)
{
	struct selection s = {m, d};

	return output_write(path, print_lines, &s, why);
}

void metadata_free(struct metadata *m)
{
	size_t i;

	for (i = 0; i < m->nr_runs; i++)
		free(m->run[i].text);
	free(m->run);
	memset(m, 0, sizeof(*m));
}
