// SPDX-License-Identifier: GPL-2.0-only
/*
 * folios - read a file through one descriptor and a mapping of it, phase by phase, and count what
 * enters the page cache in each
 *
 *   folios FILE KB_FILE GROUP STEP...
 *       NAME:stream:KB:LAPS  preads of 128 KB in order, so often through the first half of the file
 *       NAME:pages:KB:MS     a byte of random pages of that half of the mapping
 *       NAME:others:KB:MS    the same of the other half
 *       unmap              the mapping goes; the next step that needs it maps again
 *       drop               the same, and all pages of the file leave the cache
 *
 * KB_FILE is the disk's read_ahead_kb, which must be no one else's; GROUP the directory of the
 * memory control group that the program runs in. A line per phase: NAME KB GB/s, a second: folios
 * of order 0, bytes, bytes in folios of order 2 and up, charges that met the limit, windows,
 * windows that fell back, of these: with pages in the way, with charge refused ('-' for the last
 * four: no such tracepoints); MB on the group's active list at the end
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <bpf/btf.h>

#include "folios.h"

#define REQUEST (128 << 10)

static int fd;
static size_t size, page;
static void *mapping = MAP_FAILED;
static volatile struct folios *counted;
static bool windows_seen;

/* The programs whose tracepoints this kernel has; the first two it must have. */
static void attach(void)
{
	struct bpf_object *object = bpf_object__open("build/bench/folios.bpf.o");
	struct bpf_program *program;

	if (!object)
		die("build/bench/folios.bpf.o: %s", strerror(errno));
	windows_seen = libbpf_find_vmlinux_btf_id("page_cache_ra_order", BPF_TRACE_RAW_TP) > 0;
	bpf_object__for_each_program(program, object)
	{
		if (!strncmp(bpf_program__section_name(program), "tp_btf/page_cache", 17))
			bpf_program__set_autoload(program, windows_seen);
	}
	if (bpf_object__load(object))
		die("build/bench/folios.bpf.o: %s", strerror(errno));
	bpf_object__for_each_program(program, object)
	{
		if (bpf_program__autoload(program) && !bpf_program__attach(program))
			die("%s: %s", bpf_program__name(program), strerror(errno));
	}
	counted = mmap(NULL, sizeof(*counted), PROT_READ | PROT_WRITE, MAP_SHARED,
		       bench_map(object, "folios"), 0);
	if (counted == MAP_FAILED)
		die("map folios: %s", strerror(errno));
}

/* The number after @key and a blank in GROUP/@name, of a file that may not be there: -1. */
static double group_number(const char *group, const char *name, const char *key)
{
	char path[512], line[256];
	double value = -1;
	size_t length = strlen(key);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, key, length))
			value = strtod(line + length, NULL);
	}
	fclose(f);
	return value;
}

/* How often a charge met the group's limit so far. */
static double limit_met(const char *group)
{
	double v1 = group_number(group, "memory.failcnt", "");

	return v1 >= 0 ? v1 : group_number(group, "memory.events", "max ");
}

static void unmap(void)
{
	if (mapping != MAP_FAILED && munmap(mapping, size))
		die("munmap: %s", strerror(errno));
	mapping = MAP_FAILED;
}

static const volatile char *map(void)
{
	if (mapping == MAP_FAILED)
		mapping = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (mapping == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return mapping;
}

/* The open file takes over the disk's value when it is told that access is normal. */
static void set_kb(const char *kb_file, unsigned long kb)
{
	FILE *f = fopen(kb_file, "we");

	if (!f || fprintf(f, "%lu", kb) < 0 || fclose(f))
		die("%s: %s", kb_file, strerror(errno));
	errno = posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL);
	if (errno)
		die("fadvise: %s", strerror(errno));
}

static __u64 stream(unsigned long laps)
{
	static char buffer[REQUEST];
	__u64 bytes = 0;
	off_t at;

	for (; laps; laps--) {
		for (at = 0; at + REQUEST <= (off_t)(size / 2); at += REQUEST, bytes += REQUEST) {
			if (pread(fd, buffer, REQUEST, at) != REQUEST)
				die("pread: %s", strerror(errno));
		}
	}
	return bytes;
}

static __u64 read_pages(size_t begin, unsigned long ms)
{
	const volatile char *bytes_of = map();
	__u64 bytes = 0, end = now_ns() + ms * 1000000ULL;
	int i;

	while (now_ns() < end) {
		for (i = 0; i < 64; i++, bytes += page)
			(void)bytes_of[begin + (size_t)random() % (size / 2 / page) * page];
	}
	return bytes;
}

static void phase(char *step, const char *kb_file, const char *group)
{
	char *name = strtok(step, ":"), *what = strtok(NULL, ":"), *kb_text = strtok(NULL, ":");
	char *much_text = strtok(NULL, ":");
	unsigned long kb = number(kb_text ? kb_text : ""),
		      much = number(much_text ? much_text : "");
	__u64 begin, bytes, entered = 0, large = 0;
	struct folios before;
	double met = limit_met(group), s;
	int order;

	if (strcmp(what, "stream") != 0 && strcmp(what, "pages") != 0 &&
	    strcmp(what, "others") != 0)
		die("no phase '%s'", what);
	set_kb(kb_file, kb);
	before = *counted;
	begin = now_ns();
	if (what[0] == 's')
		bytes = stream(much);
	else
		bytes = read_pages(what[0] == 'o' ? size / 2 : 0, much);
	s = (double)(now_ns() - begin) / 1e9;
	for (order = 0; order < FOLIO_ORDERS; order++) {
		__u64 more = (counted->entered[order] - before.entered[order]) * page << order;

		entered += more;
		if (order >= 2)
			large += more;
	}
	/* Half of the file does not fit in the cache beside what is left there. */
	if (!entered)
		die("%s: no folio of the file was seen", name);
	printf("%s %lu %.3f %.0f %.0f %.0f %.0f", name, kb, (double)bytes / 1e9 / s,
	       (double)(counted->entered[0] - before.entered[0]) / s, (double)entered / s,
	       (double)large / s, (limit_met(group) - met) / s);
	if (windows_seen)
		printf(" %.1f %.1f %.1f %.1f", (double)(counted->windows - before.windows) / s,
		       (double)(counted->fell_back - before.fell_back) / s,
		       (double)(counted->in_the_way - before.in_the_way) / s,
		       (double)(counted->uncharged - before.uncharged) / s);
	else
		printf(" - - - -");
	printf(" %.1f\n", group_number(group, "memory.stat", "active_file ") / (1 << 20));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct stat st;
	int i;

	if (argc < 5) {
		fprintf(stderr, "usage: folios FILE KB_FILE GROUP STEP...\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		die("%s: %s", argv[1], strerror(errno));
	page = (size_t)sysconf(_SC_PAGESIZE);
	size = (size_t)st.st_size;
	if (size < 64 << 20)
		die("%s: smaller than 64 MB", argv[1]);
	attach();
	counted->ino = st.st_ino;
	counted->dev = major(st.st_dev) << 20 | minor(st.st_dev);
	counted->tgid = (__u32)getpid();
	for (i = 4; i < argc; i++) {
		if (!strcmp(argv[i], "unmap")) {
			unmap();
		} else if (!strcmp(argv[i], "drop")) {
			unmap();
			errno = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
			if (errno)
				die("fadvise: %s", strerror(errno));
		} else {
			phase(argv[i], argv[2], argv[3]);
		}
	}
	return 0;
}
