// SPDX-License-Identifier: GPL-2.0-only
/*
 * open_files PIN_DIR BDI_ID - one line per descriptor that a process has of a file of this bdi:
 * process id, descriptor, readahead in KB, what would be done about it
 *
 * What it says of readahead is the kernel's struct file itself, read by the pinned iterator.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/open_files.h"

static int print(const struct open_file *files, size_t n, void *arg)
{
	static const char *const verdicts[NR_OPEN_VERDICTS] = {
		[OPEN_STALE] = "stale",           [OPEN_CURRENT] = "current",
		[OPEN_RANDOM] = "random",         [OPEN_NOREUSE] = "noreuse",
		[OPEN_SEQUENTIAL] = "sequential", [OPEN_AMBIGUOUS] = "ambiguous",
		[OPEN_FOREIGN] = "foreign",       [OPEN_EXCLUDED] = "excluded",
		[OPEN_OWN_VALUE] = "own-value",
	};
	unsigned int page_kb = (unsigned int)(sysconf(_SC_PAGESIZE) / 1024);
	size_t i;

	(void)arg;
	for (i = 0; i < n; i++)
		printf("%u %u %u %s %.16s %llu\n", files[i].tgid, files[i].fd,
		       files[i].ra_pages * page_kb, verdicts[files[i].verdict], files[i].comm,
		       (unsigned long long)files[i].ino);
	return 0;
}

int main(int argc, char **argv)
{
	struct open_query q = {.flags = OPEN_QUERY_ALL};
	struct open_files of;
	int err;

	if (argc != 3) {
		fprintf(stderr, "usage: open_files PIN_DIR BDI_ID\n");
		return 2;
	}
	q.bdi_id = strtoull(argv[2], NULL, 10);
	err = open_files_open(argv[1], &of);
	if (!err)
		err = open_files_each(&of, &q, print, NULL);
	if (err)
		fprintf(stderr, "open_files: %s\n", strerror(-err));
	open_files_close(&of);
	return err ? 1 : 0;
}
