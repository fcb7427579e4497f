// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csv.h"

int csv_open(struct csv *csv, const char *path, struct fault *why)
{
	int fd;

	memset(csv, 0, sizeof(*csv));
	csv->path = path;
	errno = 0;
	if (!strcmp(path, "-")) {
		csv->path = "standard input";
		fd = dup(STDIN_FILENO);
		csv->file = fd < 0 ? NULL : gzdopen(fd, "re");
		if (!csv->file && fd >= 0)
			close(fd);
	} else {
		csv->file = gzopen(path, "re");
	}
	if (!csv->file)
		return fault_set(why, errno ? errno : ENOMEM, "%s: %s", csv->path,
				 strerror(errno ? errno : ENOMEM));
	return 0;
}

int csv_line(struct csv *csv, struct fault *why)
{
	size_t used = 0;
	int error;

	for (;;) {
		const char *message;

		if (csv->room - used < 2) {
			size_t room = csv->room ? 2 * csv->room : 4096;
			char *text;

			if (room > CSV_LINE_MAX)
				return fault_set(why, EINVAL, "%s:%lu: a line of more than %d KB",
						 csv->path, csv->line + 1, CSV_LINE_MAX / 2048);
			text = realloc(csv->text, room);
			if (!text)
				return fault_set(why, ENOMEM, "%s: out of memory", csv->path);
			csv->text = text;
			csv->room = room;
		}
		if (!gzgets(csv->file, csv->text + used, (int)(csv->room - used))) {
			message = gzerror(csv->file, &error);
			if (error == Z_ERRNO)
				return fault_set(why, errno, "%s: %s", csv->path, strerror(errno));
			if (error != Z_OK && error != Z_STREAM_END)
				return fault_set(why, EIO, "%s: damaged or truncated: %s",
						 csv->path, message);
			if (!used)
				return 0;
			if (csv->open_end)
				break;
			return fault_set(why, EINVAL,
					 "%s:%lu: the last line has no end: truncated file?",
					 csv->path, csv->line + 1);
		}
		used += strlen(csv->text + used);
		if (used && csv->text[used - 1] == '\n') {
			used--;
			break;
		}
		/* gzgets() stops at a NUL only by how we measure: such a line never ends. */
		if (used + 1 < csv->room && !gzeof(csv->file))
			return fault_set(why, EINVAL, "%s:%lu: a NUL byte: not a text file",
					 csv->path, csv->line + 1);
	}
	csv->text[used] = '\0';
	if (used && csv->text[used - 1] == '\r')
		csv->text[--used] = '\0';
	csv->line++;
	return 1;
}

unsigned int csv_split(struct csv *csv, char **fields)
{
	unsigned int nr = 0;
	char *rest = csv->text;

	while (rest && nr < CSV_COLUMNS_MAX)
		fields[nr++] = strsep(&rest, ",");
	return rest ? CSV_COLUMNS_MAX + 1 : nr;
}

int csv_header(struct csv *csv, char **fields, struct fault *why)
{
	int ret = csv_line(csv, why);
	unsigned int nr;

	if (ret < 0)
		return ret;
	if (!ret)
		return fault_set(why, EINVAL, "%s: empty file", csv->path);
	nr = csv_split(csv, fields);
	if (nr > CSV_COLUMNS_MAX)
		return fault_set(why, EINVAL, "%s:1: more than %d columns", csv->path,
				 CSV_COLUMNS_MAX);
	return (int)nr;
}

int csv_find(const struct csv *csv, char *const *fields, unsigned int nr, const char *name,
	     unsigned int *at, struct fault *why)
{
	unsigned int i;

	*at = nr;
	for (i = 0; i < nr; i++) {
		if (strcmp(fields[i], name) != 0)
			continue;
		if (*at != nr)
			return fault_set(why, EINVAL, "%s:1: column %s appears twice", csv->path,
					 name);
		*at = i;
	}
	return *at == nr ? -ENOENT : 0;
}

void csv_close(struct csv *csv)
{
	if (csv->file)
		gzclose_r(csv->file);
	free(csv->text);
	csv->file = NULL;
	csv->text = NULL;
}
