// SPDX-License-Identifier: GPL-2.0-only
/*
 * open_files PIN_DIR BDI_ID - one line per descriptor that a process has of a file of this bdi:
 * process id, descriptor, readahead in KB, what would be done about it (of a block device's node
 * only whether it is current, for want of the bdi's value), inode, device number, process name
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
	unsigned int page_kb = (unsigned int)(sysconf(_SC_PAGESIZE) / 1024);
	size_t i;

	(void)arg;
	for (i = 0; i < n; i++)
		printf("%u %u %u %s %llu %u:%u %.16s\n", files[i].tgid, files[i].fd,
		       files[i].ra_pages * page_kb, open_verdict_name(files[i].verdict),
		       (unsigned long long)files[i].ino, files[i].rdev >> 20,
		       files[i].rdev & 0xfffff, files[i].comm);
	return 0;
}

int main(int argc, char **argv)
{
	struct open_query q;
	struct open_files of;
	struct maps maps;
	const char *why;
	int err;

	if (argc != 3) {
		fprintf(stderr, "usage: open_files PIN_DIR BDI_ID\n");
		return 2;
	}
	err = maps_open(argv[1], &maps, &why);
	if (err) {
		fprintf(stderr, "open_files: %s\n", why);
		return 1;
	}
	open_query_bdi(&q, &maps, strtoull(argv[2], NULL, 10), 0);
	q.flags = OPEN_QUERY_ALL;
	maps_close(&maps);
	err = open_files_open(argv[1], &of);
	if (!err)
		err = open_files_each(&of, &q, print, NULL);
	if (err)
		fprintf(stderr, "open_files: %s\n", strerror(-err));
	open_files_close(&of);
	return err ? 1 : 0;
}
