// SPDX-License-Identifier: GPL-2.0-only
/*
 * reader KIND FILE SECONDS [RATE] - read FILE and tell what was got done in each second
 *
 * KIND: pages, objects (16 KB), across (4 KB, of which six in ten lie across two pages; the second
 * is touched first, but for one in twelve, and the other from another CPU in 85 of 100 cases, as
 * after a wait on a busy machine): touched by mmap at random places; stream: read(2) of 4 KB in
 * order, 16 MB from each of random places; clips: the same, 8 MB from each; random: read(2) of 4 KB
 * at random places. RATE: units a second at most (a stream's unit is 4 KB). Every 300 ms the file
 * is opened anew, by a stream or a reader of clips told POSIX_FADV_NORMAL, so that readahead is the
 * device's of now; and what was read leaves the page cache. SIGUSR1 divides RATE by three. Prints a
 * line per second: milliseconds since the start, units a second; at the end "total UNITS
 * MILLISECONDS".
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096U
#define OBJECT_PAGES 4U
#define PIECE_PAGES 4096ULL
#define CLIP_PAGES 2048ULL
#define ANEW_MS 300U

static volatile sig_atomic_t divisor = 1;

static void ask_for_less(int signal)
{
	(void)signal;
	divisor = 3;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t any(uint64_t below)
{
	static uint64_t seed = 88172645463325252ULL;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static int failed(const char *what)
{
	fprintf(stderr, "reader: %s: %s\n", what, strerror(errno));
	return 1;
}

struct file {
	const char *path;
	uint64_t bytes, opened_ms;
	int fd;
	volatile unsigned char *map; /* NULL: not wanted, or not yet */
};

static int open_anew(struct file *f, char kind)
{
	if ((kind == 's' || kind == 'c') && f->fd >= 0) {
		posix_fadvise(f->fd, 0, 0, POSIX_FADV_NORMAL);
		f->opened_ms = now_ms();
		return 0;
	}
	if (f->map)
		munmap((void *)f->map, f->bytes);
	if (f->fd >= 0) {
		posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
		close(f->fd);
	}
	f->opened_ms = now_ms();
	f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0)
		return failed(f->path);
	if (!strchr("poa", kind))
		return 0;
	f->map = mmap(NULL, f->bytes, PROT_READ, MAP_SHARED, f->fd, 0);
	return f->map == MAP_FAILED ? failed("mmap") : 0;
}

static void go_to_next_cpu(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int cpu = sched_getcpu();
	cpu_set_t one;

	if (cpu < 0 || cpus < 2)
		return;
	CPU_ZERO(&one);
	CPU_SET((unsigned int)((cpu + 1) % cpus), &one);
	sched_setaffinity(0, sizeof(one), &one);
}

/* One unit of work: 0, or 1 after a line. */
static int work(struct file *f, char kind)
{
	static uint64_t next = PIECE_PAGES;
	uint64_t pages = f->bytes / PAGE, piece = kind == 'c' ? CLIP_PAGES : PIECE_PAGES, at;
	char page[PAGE];
	unsigned int i;
	bool backwards;

	if (!f->map && (kind == 'p' || kind == 'o' || kind == 'a'))
		return 1;
	switch (kind) {
	case 'p':
		(void)f->map[any(pages) * PAGE];
		return 0;
	case 'o':
		at = any(pages / OBJECT_PAGES) * OBJECT_PAGES * PAGE;
		for (i = 0; i < OBJECT_PAGES; i++)
			(void)f->map[at + i * PAGE];
		return 0;
	case 'a':
		at = any(pages - 1) * PAGE;
		backwards = any(12) > 0;
		(void)f->map[backwards ? at + PAGE : at];
		if (any(100) < 60) {
			if (any(100) < 85)
				go_to_next_cpu();
			(void)f->map[backwards ? at : at + PAGE];
		}
		return 0;
	case 'c':
	case 's':
		if (next % piece == 0) {
			posix_fadvise(f->fd, (off_t)((next - piece) * PAGE), (off_t)(piece * PAGE),
				      POSIX_FADV_DONTNEED);
			next = any(pages / piece) * piece;
		}
		at = next++ * PAGE;
		break;
	default:
		at = any(pages) * PAGE;
	}
	return pread(f->fd, page, PAGE, (off_t)at) == (ssize_t)PAGE ? 0 : failed("read");
}

int main(int argc, char **argv)
{
	uint64_t start = now_ms(), told = start, last = start, units = 0, before = 0, now;
	double rate = argc > 4 ? strtod(argv[4], NULL) : 0, asked = 0;
	uint64_t end;
	struct file f = {.fd = -1};
	struct stat st;
	char kind;

	if (argc < 4 || !strchr("poscra", argv[1][0])) {
		fputs("usage: reader pages|objects|across|stream|clips|random FILE SECONDS "
		      "[RATE]\n",
		      stderr);
		return 2;
	}
	kind = argv[1][0];
	signal(SIGUSR1, ask_for_less);
	f.path = argv[2];
	if (stat(f.path, &st) || st.st_size < (off_t)(PIECE_PAGES * PAGE))
		return failed(f.path);
	f.bytes = (uint64_t)st.st_size;
	end = start + (uint64_t)(strtod(argv[3], NULL) * 1000);
	if (open_anew(&f, kind))
		return 1;
	while ((now = now_ms()) < end) {
		if (now - f.opened_ms >= ANEW_MS && open_anew(&f, kind))
			return 1;
		if (now - told >= 1000) {
			printf("%llu %llu\n", (unsigned long long)(now - start),
			       (unsigned long long)((units - before) * 1000 / (now - told)));
			fflush(stdout);
			told = now;
			before = units;
		}
		if (rate > 0) {
			asked += rate / divisor * (double)(now - last) / 1000;
			last = now;
			if ((double)units > asked) {
				usleep(1000);
				continue;
			}
		}
		if (work(&f, kind))
			return 1;
		units++;
	}
	printf("total %llu %llu\n", (unsigned long long)units, (unsigned long long)(now - start));
	return 0;
}
