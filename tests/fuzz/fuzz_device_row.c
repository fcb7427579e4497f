// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target on the reader of calibrated rows. What is accepted must be within bounds, and
 * come back the same when it is stored and found again.
 *
 * The seed is made, not stored: an empty corpus directory, the first one named, gets it at start.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/device_rows.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char seed[] = "# c\n[device]\nversion = 1\nidentity = wwid:A%20b\n"
			   "identity = fs-uuid:1-2\nlabel = x\n\n[calibration]\ndate = 2026\n"
			   "original_kb = 128\n\n[policy]\nsequential = 512 never-lower\n"
			   "pages = 16\nobjects = 0 none\n[curve.scan]\n16 = 1 2 3\n";
static char state_dir[64];

static void clean_up(void)
{
	rmdir(state_dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *directory = NULL;
	char path[PATH_MAX];
	FILE *f;
	int a;

	snprintf(state_dir, sizeof(state_dir), "/tmp/bpfahead-fuzz.XXXXXX");
	if (!mkdtemp(state_dir) || atexit(clean_up))
		abort();
	for (a = 1; a < *argc && !directory; a++)
		if ((*argv)[a][0] != '-')
			directory = (*argv)[a];
	if (!directory)
		return 0;
	snprintf(path, sizeof(path), "%s/seed", directory);
	f = fopen(path, "w");
	if (!f || fputs(seed, f) < 0 || fclose(f)) {
		perror(path);
		exit(1);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), path[PATH_MAX];
	struct device_row row = {0}, back = {0};
	struct row_fault why = {""};
	unsigned int i;

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (device_row_parse(text, size, "f", &row, &why)) {
		if (!why.text[0])
			abort();
		free(text);
		return 0;
	}
	free(text);
	for (i = 0; i < CLASSES_MAX; i++)
		if (row.row.ra_kb[i] > RA_KB_HARD_MAX ||
		    (row.row.ra_kb[i] && !(row.classes & 1U << i)))
			abort();
	/* Not fit to be written: a label or a date that is a comment or a section of its own. */
	if (device_row_store(state_dir, &row, NULL, path, &why))
		return 0;
	if (device_row_find(state_dir, &row.identities, &back, NULL, NULL) ||
	    back.classes != row.classes || back.original_kb != row.original_kb ||
	    memcmp(&back.row, &row.row, sizeof(row.row)) ||
	    memcmp(&back.identities, &row.identities, sizeof(row.identities)))
		abort();
	unlink(path);
	snprintf(path, sizeof(path), "%s/" DEVICE_ROWS_DIR, state_dir);
	rmdir(path);
	return 0;
}
