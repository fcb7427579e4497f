// SPDX-License-Identifier: GPL-2.0-only
/*
 * patterns FILE SECONDS PATTERN... - read a file through one descriptor that stays open, in one
 * pattern after the other for so many seconds each; "TIME PATTERN" is printed when each begins
 *
 * sequential: preads of 128 KB, from the start again at the end; runs-NK: 16 preads that make NK KB
 * in order, from random places; mmap-random: a byte of random pages of a mapping of the descriptor.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REQUEST (128 << 10)
#define RUN_READS 16

static uint64_t random_state = 88172645463325252ULL;

/* A number below @limit (xorshift64). */
static uint64_t random_below(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

static double seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void read_at(int fd, char *buffer, size_t size, off_t offset)
{
	if (pread(fd, buffer, size, offset) != (ssize_t)size)
		err(1, "pread");
}

/* A number from 1 to @most and nothing but @end behind it; 0: it is none. */
static unsigned long number(const char *text, unsigned long most, const char *end)
{
	unsigned long value;
	char *rest;

	errno = 0;
	value = strtoul(text, &rest, 10);
	return errno || rest == text || strcmp(rest, end) != 0 || value > most ? 0 : value;
}

int main(int argc, char **argv)
{
	static char buffer[REQUEST];
	const volatile char *map;
	struct stat st;
	double end;
	off_t offset = 0;
	unsigned long each_s = argc < 4 ? 0 : number(argv[2], 86400, "");
	int fd, i, n;

	if (!each_s) {
		fprintf(stderr, "usage: patterns FILE SECONDS PATTERN...\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "%s", argv[1]);
	if (st.st_size < (16 << 20))
		errx(1, "%s: smaller than 16 MB", argv[1]);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err(1, "mmap");
	for (i = 3; i < argc; i++) {
		const char *pattern = argv[i];
		size_t run = 0;

		if (!strncmp(pattern, "runs-", 5))
			run = number(pattern + 5, 2048, "k") << 10;
		if (run < RUN_READS << 10 && strcmp(pattern, "sequential") != 0 &&
		    strcmp(pattern, "mmap-random") != 0)
			errx(2, "no pattern '%s'", pattern);
		printf("%.3f %s\n", seconds(CLOCK_REALTIME), pattern);
		fflush(stdout);
		end = seconds(CLOCK_MONOTONIC) + (double)each_s;
		while (seconds(CLOCK_MONOTONIC) < end) {
			if (run) {
				offset = (off_t)random_below((uint64_t)st.st_size - run) & ~4095LL;
				for (n = 0; n < RUN_READS; n++, offset += run / RUN_READS)
					read_at(fd, buffer, run / RUN_READS, offset);
			} else if (pattern[0] == 's') {
				if (offset + REQUEST > st.st_size)
					offset = 0;
				read_at(fd, buffer, REQUEST, offset);
				offset += REQUEST;
			} else {
				(void)map[random_below((uint64_t)st.st_size)];
			}
		}
	}
	printf("%.3f end\n", seconds(CLOCK_REALTIME));
	return 0;
}
