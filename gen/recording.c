// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../loader/names.h"
#include "recording.h"

static void note(size_t *nr, char first[80], const char *name)
{
	if (!(*nr)++)
		snprintf(first, 80, "%s", name);
}

/* 0, -ENOENT: no such file, or another -errno. */
static int read_run(struct dataset *d, const char *directory, const struct run_metadata *run,
		    uint32_t needed, struct fault *why)
{
	static const char *const ends[] = {".csv", ".csv.gz"};
	const char *name = run->field[METADATA_RUN];
	size_t first = d->nr_rows, i;
	char *path;
	int ret;

	for (i = 0; i < 2; i++) {
		if (asprintf(&path, "%s/%s%s", directory, name, ends[i]) < 0)
			return fault_set(why, ENOMEM, "out of memory");
		ret = access(path, F_OK) ? -errno : dataset_read(d, path, needed, why);
		if (ret && ret != -ENOENT && ret != -ENODATA && !*why->text)
			fault_set(why, -ret, "%s: %s", path, strerror(-ret));
		free(path);
		if (ret != -ENOENT)
			break;
	}
	for (i = first; !ret && i < d->nr_rows; i++) {
		const struct row *row = &d->rows[i];

		if (row->label != run->label)
			return fault_set(why, EINVAL,
					 "%s: windows of run %.80s are labelled %s, metadata.csv "
					 "says %s",
					 directory, name, class_name(row->label),
					 class_name(run->label));
		if (strcmp(d->runs[row->run], name) != 0)
			return fault_set(why, EINVAL,
					 "%s: the file of run %.80s has windows of %.80s",
					 directory, name, d->runs[row->run]);
	}
	return ret;
}

static bool is_csv(const char *name, size_t *length)
{
	size_t all = strlen(name);

	if (all > 3 && !strcmp(name + all - 3, ".gz"))
		all -= 3;
	if (all <= 4 || memcmp(name + all - 4, ".csv", 4) != 0)
		return false;
	*length = all - 4;
	return true;
}

static int find_unfinished(const char *directory, const struct metadata *m,
			   struct recording_drops *drops, struct fault *why)
{
	struct dirent **entry;
	int nr = scandir(directory, &entry, NULL, alphasort), i;
	size_t length;

	if (nr < 0)
		return fault_set(why, errno, "%s: %s", directory, strerror(errno));
	for (i = 0; i < nr; i++) {
		const char *name = entry[i]->d_name;

		if (is_csv(name, &length) && strncmp(name, "metadata.csv", 12) != 0 &&
		    !metadata_find(m, name, length))
			note(&drops->unfinished, drops->first_unfinished, name);
		free(entry[i]);
	}
	free(entry);
	return 0;
}

int recording_read(struct dataset *d, struct metadata *m, const char *directory, uint32_t needed,
		   struct recording_drops *drops, struct fault *why)
{
	size_t first = m->nr_runs, i;
	int ret;

	ret = metadata_read(m, directory, why);
	for (i = first; !ret && i < m->nr_runs; i++) {
		const char *name = m->run[i].field[METADATA_RUN];

		why->text[0] = '\0';
		ret = read_run(d, directory, &m->run[i], needed, why);
		if (ret == -ENOENT)
			note(&drops->absent, drops->first_absent, name);
		else if (ret == -ENODATA)
			note(&drops->empty, drops->first_empty, name);
		else if (ret)
			break;
		ret = 0;
	}
	return ret ? ret : find_unfinished(directory, m, drops, why);
}

void recording_drop_empty(struct recording_drops *drops, const char *path)
{
	note(&drops->empty, drops->first_empty, path);
}

static void print_drop(FILE *out, size_t nr, const char *reason, const char *first)
{
	if (nr)
		fprintf(out, "%zu runs dropped: %s (the first: %s)\n", nr, reason, first);
}

void recording_print_drops(FILE *out, const struct recording_drops *drops)
{
	print_drop(out, drops->unfinished, "no line in metadata.csv: not finished",
		   drops->first_unfinished);
	print_drop(out, drops->absent, "a line in metadata.csv and no CSV file",
		   drops->first_absent);
	print_drop(out, drops->empty, "not one window", drops->first_empty);
}
