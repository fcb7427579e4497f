// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measuring a device at each readahead, on files of our own.
 *
 * The value under test is no value of the device: file->f_ra.ra_pages is
 * copied from the bdi at open and by posix_fadvise(POSIX_FADV_NORMAL)
 * (generic_fadvise(), mm/fadvise.c), so the bdi has it for the microseconds
 * between two writes of sysfs, and everybody else goes on as before.
 *
 * The files have no name: O_TMPFILE, or unlinked as soon as they are open. So
 * nothing is left however this ends. Their content is noise, since zram,
 * btrfs and many an SSD store zeros elsewhere, or nowhere.
 *
 * A read is cold because its pages were dropped from the cache before, by
 * posix_fadvise(POSIX_FADV_DONTNEED) on that file alone, and because no place
 * is read twice in a lap: places lie as far apart as the largest
 * window that is read around them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "bdi.h"
#include "calibrate.h"
#include "host.h"

#define MIB (1ULL << 20)
#define WRITE_CHUNK (8 * MIB)
#define WRITE_SHARE 0.25 /* of the time: a slow device gets a smaller file */
#define FREE_SHARE 4     /* at most one part in so many of the free space */
#define FIRST_PASS 0.4   /* of the time, for each cell once */
#define CELL_LEAST_S 0.2 /* two slices of blk-throttle */
#define CELL_MOST_S 1.0
#define WARM_UP \
	0.5 /* of a cell's time, not counted: what was saved up reaches into a second slice */
#define WARM_UP_LEAST_S 0.1
#define WARM_UP_MOST_S 0.2
#define SCAN_LEAST_S 0.2 /* counted: four classes go by it */
#define DRAIN_MOST_S 0.3
#define DROP_BEHIND (16 * MIB) /* two of the largest windows are in use at once */
#define MEASURING_NICE (-10)
#define SMALL_FILE_BYTES 65536
#define SMALL_FILES_MOST 256
#define SMALL_FILES_LEAST 16
#define PAGE_BYTES 4096 /* what is touched; fewer than a page of some kernels */

struct measuring {
	const struct calibrate_plan *plan;
	struct calibrate_result *result;
	struct calibrate_fault *why;
	double began, deadline, cell_s;
	int file;
	unsigned long long file_bytes;
	int small[SMALL_FILES_MOST];
	unsigned int nr_small;
	unsigned char *buffer; /* 1 MiB */
	int proc_io;           /* /proc/self/io, or -1 */
	uint64_t seed;
	unsigned long long scan_at;
	double device_rate; /* bytes per second in the last cell, for draining */
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

__attribute__((format(printf, 3, 4))) static int fault(struct measuring *m, int err,
						       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(m->why->text, sizeof(m->why->text), format, args);
	va_end(args);
	return err;
}

/* xorshift64*: noise for the files, and places. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 0x2545f4914f6cdd1dULL;
}

/* -EINTR once a signal waits, -ETIME past the bound, else 0. */
static int look_up(const struct measuring *m)
{
	struct pollfd p = {.fd = m->plan->signals, .events = POLLIN};

	if (p.fd >= 0 && poll(&p, 1, 0) > 0)
		return -EINTR;
	return now_s() >= m->deadline ? -ETIME : 0;
}

static void nap(double seconds)
{
	struct timespec t = {.tv_sec = (time_t)seconds,
			     .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};

	if (seconds > 0)
		nanosleep(&t, NULL);
}

/* --- files ------------------------------------------------------------------------------------ */

/* A file without a name in the directory: its descriptor or -errno. */
static int open_nameless(int directory)
{
	char name[64];
	int fd, tries;

	fd = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 ||
	    (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOENT))
		return fd < 0 ? -errno : fd;
	for (tries = 0; tries < 100; tries++) {
		snprintf(name, sizeof(name), ".bpfahead-calibrate-%ld-%d", (long)getpid(), tries);
		fd = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return -errno;
		if (!unlinkat(directory, name, 0))
			return fd;
		tries = -errno;
		close(fd);
		return tries;
	}
	return -EEXIST;
}

/* One chunk of noise, on the device and not in the cache when this returns. */
static int write_noise(struct measuring *m, int fd, unsigned long long offset, size_t size)
{
	uint64_t *words = (uint64_t *)m->buffer;
	size_t done = 0, i, part;
	ssize_t n;

	while (done < size) {
		part = size - done < MIB ? size - done : MIB;
		for (i = 0; i < part / sizeof(*words); i++)
			words[i] = next_random(&m->seed);
		n = pwrite(fd, m->buffer, part, (off_t)(offset + done));
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	if (sync_file_range(fd, (off_t)offset, (off_t)size,
			    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				    SYNC_FILE_RANGE_WAIT_AFTER) &&
	    errno != ENOSYS && errno != EINVAL && errno != ESPIPE)
		return -errno;
	return 0;
}

static int cannot_write(struct measuring *m, int err)
{
	if (err == -EINTR || err == -ETIME)
		return err;
	return fault(m, err, "cannot write the test file: %s", strerror(-err));
}

static int sync_and_forget(int fd)
{
	int err;

	if (fsync(fd))
		return -errno;
	err = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return err == EOPNOTSUPP ? 0 : -err;
}

static void tell(const struct measuring *m, const char *what, double share)
{
	double left = m->deadline - now_s();

	if (m->plan->progress)
		m->plan->progress(what, fmin(share, 1), left > 0 ? left : 0, m->plan->arg);
}

static int write_large(struct measuring *m, unsigned long long bytes)
{
	double until = m->began + m->plan->seconds * WRITE_SHARE;
	unsigned long long at;
	int err;

	err = open_nameless(m->plan->directory);
	if (err < 0)
		return fault(m, err, "cannot create a file there: %s", strerror(-err));
	m->file = err;
	/* In one piece, if the file system can; what cannot is none the worse. */
	if (fallocate(m->file, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) && errno == ENOSPC)
		return fault(m, -ENOSPC, "no room for a file of %llu MB", bytes / MIB);
	for (at = 0; at < bytes; at += WRITE_CHUNK) {
		err = look_up(m);
		if (!err)
			err = write_noise(m, m->file, at, WRITE_CHUNK);
		if (err)
			return cannot_write(m, err);
		tell(m, "writing", WRITE_SHARE * (double)at / (double)bytes / 2);
		if (now_s() > until && at + WRITE_CHUNK >= CALIBRATE_FILE_LEAST)
			break;
	}
	m->file_bytes = at < bytes ? at + WRITE_CHUNK : bytes;
	if (ftruncate(m->file, (off_t)m->file_bytes))
		return cannot_write(m, -errno);
	err = sync_and_forget(m->file);
	return err ? cannot_write(m, err) : 0;
}

/* As many as there is room for among descriptors and in the bound on bytes. */
static int write_small(struct measuring *m, unsigned long long bytes)
{
	struct rlimit limit;
	unsigned int most = SMALL_FILES_MOST, i;
	int err = 0;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		rlim_t before = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit))
			limit.rlim_cur = before;
		if (limit.rlim_cur < SMALL_FILES_MOST + 64)
			most = limit.rlim_cur > 64 ? (unsigned int)limit.rlim_cur - 64 : 0;
	}
	if (most > bytes / SMALL_FILE_BYTES)
		most = (unsigned int)(bytes / SMALL_FILE_BYTES);
	if (most < SMALL_FILES_LEAST)
		return 0;
	for (i = 0; i < most; i++) {
		err = look_up(m);
		if (err)
			return err;
		if (i >= SMALL_FILES_LEAST &&
		    now_s() > m->began + m->plan->seconds * WRITE_SHARE * 1.2)
			break;
		m->small[i] = open_nameless(m->plan->directory);
		if (m->small[i] < 0)
			return fault(m, m->small[i], "cannot create a small file there: %s",
				     strerror(-m->small[i]));
		m->nr_small++;
		err = write_noise(m, m->small[i], 0, SMALL_FILE_BYTES);
		if (err)
			return cannot_write(m, err);
	}
	for (i = 0; i < m->nr_small && !err; i++)
		err = sync_and_forget(m->small[i]);
	return err ? cannot_write(m, err) : 0;
}

static int make_files(struct measuring *m)
{
	unsigned long long bytes = m->plan->bytes, room, small;
	struct statvfs fs;
	int err;

	if (fstatvfs(m->plan->directory, &fs))
		return fault(m, -errno, "cannot tell the free space: %s", strerror(errno));
	if (fs.f_flag & ST_RDONLY)
		return fault(m, -EROFS, "the file system is mounted read-only");
	room = (unsigned long long)fs.f_bavail * fs.f_frsize / FREE_SHARE;
	if (bytes > room)
		bytes = room;
	small = bytes / 16;
	bytes = (bytes - small) / WRITE_CHUNK * WRITE_CHUNK;
	if (bytes < CALIBRATE_FILE_LEAST)
		return fault(m, -ENOSPC,
			     "too little room: at least %llu MB must be free, and %llu MB are "
			     "(a %dth of it is used at most)",
			     CALIBRATE_FILE_LEAST * FREE_SHARE * 16 / 15 / MIB + 1,
			     (unsigned long long)fs.f_bavail * fs.f_frsize / MIB, FREE_SHARE);
	err = write_large(m, bytes);
	return err ? err : write_small(m, small);
}

/* --- the value -------------------------------------------------------------------------------- */

int calibrate_take_back(int ra_fd, struct calibrate_lent *lent)
{
	unsigned int now_kb;
	int err;

	if (!__atomic_load_n(&lent->active, __ATOMIC_ACQUIRE))
		return 0;
	err = bdi_read_kb(ra_fd, &now_kb);
	if (!err && now_kb == lent->lent_kb)
		err = bdi_write_kb(ra_fd, lent->own_kb, &now_kb);
	if (!err)
		__atomic_store_n(&lent->active, 0, __ATOMIC_RELEASE);
	return err;
}

/* Gives our files the value, and the device its own again: some microseconds later, whatever fails.
 */
static int give(struct measuring *m, enum calibrate_pattern pattern, unsigned int kb)
{
	struct calibrate_lent *lent = m->plan->lent;
	unsigned int in_effect, i;
	int err, advised = 0, back;

	err = bdi_read_kb(m->plan->ra_fd, &lent->own_kb);
	if (err)
		return fault(m, err, "cannot read read_ahead_kb: %s", strerror(-err));
	lent->lent_kb = kb;
	__atomic_store_n(&lent->active, 1, __ATOMIC_RELEASE);
	err = bdi_write_kb(m->plan->ra_fd, kb, &in_effect);
	if (!err)
		lent->lent_kb = in_effect;
	if (!err) {
		if (pattern == CALIBRATE_FILES)
			for (i = 0; i < m->nr_small && !advised; i++)
				advised = posix_fadvise(m->small[i], 0, 0, POSIX_FADV_NORMAL);
		else
			advised = posix_fadvise(m->file, 0, 0, POSIX_FADV_NORMAL);
	}
	back = calibrate_take_back(m->plan->ra_fd, lent);
	if (back)
		return fault(m, back, "cannot put read_ahead_kb back to %u KB: %s", lent->own_kb,
			     strerror(-back));
	if (err)
		return fault(m, err, "cannot write read_ahead_kb: %s", strerror(-err));
	if (advised)
		return fault(m, -advised, "cannot advise a file: %s", strerror(advised));
	if (in_effect != kb)
		return fault(m, -EOPNOTSUPP, "the kernel makes %u KB of %u KB", in_effect, kb);
	return 0;
}

/* --- what came from the device ---------------------------------------------------------------- */

/*
 * Bytes that were read from storage so far: by this process alone where the kernel counts that,
 * which leaves out the other users of a shared disk. NAN if nobody counts.
 */
static double device_bytes(const struct measuring *m)
{
	unsigned long long sectors = 0;
	char text[512], *at, *end;
	ssize_t n;
	int fd;

	if (m->proc_io >= 0) {
		n = pread(m->proc_io, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		at = strstr(text, "\nread_bytes: ");
		if (at)
			return strtod(at + strlen("\nread_bytes: "), NULL);
	}
	fd = m->plan->disk_stat ? open(m->plan->disk_stat, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return NAN;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* reads completed, merged, sectors */
	for (at = text, n = 0; n < 3; n++) {
		errno = 0;
		sectors = strtoull(at, &end, 10);
		if (errno || end == at)
			return NAN;
		at = end;
	}
	return (double)sectors * 512;
}

/* --- one cell --------------------------------------------------------------------------------- */

/* Where places are: one in each of nr slots, visited in an order that jumps, then dropped. */
struct places {
	unsigned long long slot, nr, step, next;
	unsigned long long at; /* the slot that was visited last */
};

static unsigned long long common_divisor(unsigned long long a, unsigned long long b)
{
	while (b) {
		unsigned long long rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static void lay_out(struct measuring *m, struct places *p, unsigned long long reach)
{
	p->slot = (reach + 65535) / 65536 * 65536;
	p->nr = m->file_bytes / p->slot;
	if (!p->nr)
		p->nr = 1;
	/* By the golden ratio: no two places in a row are near each other. */
	p->step = (unsigned long long)((double)p->nr * 0.6180339887);
	if (!p->step)
		p->step = 1;
	while (common_divisor(p->step, p->nr) != 1)
		p->step++;
	p->next = next_random(&m->seed) % p->nr;
}

static unsigned long long take_place(struct measuring *m, struct places *p, unsigned int run_bytes)
{
	unsigned long long at = p->next * p->slot, spare = m->file_bytes - at, room;

	p->at = at;
	p->next = (p->next + p->step) % p->nr;
	/* Anywhere in the first part of its slot: what is read around it stays in this one. */
	if (spare > p->slot)
		spare = p->slot;
	if (spare <= run_bytes)
		return at;
	room = (spare - run_bytes) / 4 / PAGE_BYTES + 1;
	at += next_random(&m->seed) % room * PAGE_BYTES;
	return at;
}

static int read_run(struct measuring *m, int fd, unsigned long long at, unsigned int bytes,
		    unsigned int each)
{
	unsigned int done;
	ssize_t n;

	for (done = 0; done < bytes; done += each) {
		n = pread(fd, m->buffer, each, (off_t)(at + done));
		if (n != (ssize_t)each)
			return fault(m, n < 0 ? -errno : -EIO, "reading the test file: %s",
				     strerror(n < 0 ? errno : EIO));
	}
	return 0;
}

static void touch(const unsigned char *map, unsigned long long at, unsigned int bytes)
{
	const volatile unsigned char *byte = map + at;
	unsigned int done;

	for (done = 0; done < bytes; done += PAGE_BYTES)
		(void)byte[done];
}

#define NOTHING_BEHIND (~0ULL)

struct cell {
	enum calibrate_pattern pattern;
	unsigned int kb;
	unsigned char *map; /* or NULL */
	struct places places;
	unsigned long long left;   /* operations until all places were visited */
	unsigned long long behind; /* what is to be dropped next begins there; NOTHING_BEHIND */
	/* CALIBRATE_QUEUED: asked for, and not used yet */
	unsigned long long queue[CALIBRATE_QUEUE];
	unsigned int queued, oldest;
};

static int begin_lap(struct measuring *m, struct cell *c)
{
	const struct calibrate_pattern_info *info = &calibrate_patterns[c->pattern];
	unsigned int i;

	if (c->pattern == CALIBRATE_FILES) {
		for (i = 0; i < m->nr_small; i++)
			posix_fadvise(m->small[i], 0, 0, POSIX_FADV_DONTNEED);
		c->left = m->nr_small;
		return 0;
	}
	/* What is mapped is not dropped. */
	if (c->map)
		munmap(c->map, m->file_bytes);
	c->map = NULL;
	posix_fadvise(m->file, 0, 0, POSIX_FADV_DONTNEED);
	c->behind = NOTHING_BEHIND;
	if (!info->run_bytes) {
		if (m->scan_at + 16 * MIB > m->file_bytes)
			m->scan_at = 0;
		c->behind = m->scan_at;
		c->left = (m->file_bytes - m->scan_at) / info->read_bytes;
		return 0;
	}
	lay_out(m, &c->places, info->run_bytes + 2ULL * 1024 * c->kb);
	c->left = c->places.nr;
	if (info->read_bytes)
		return 0;
	c->map = mmap(NULL, m->file_bytes, PROT_READ, MAP_SHARED, m->file, 0);
	if (c->map == MAP_FAILED) {
		c->map = NULL;
		return fault(m, -errno, "cannot map the test file: %s", strerror(errno));
	}
	return 0;
}

static void drop(const struct measuring *m, const struct cell *c, unsigned long long bytes)
{
	if (c->map) /* what is mapped is not dropped */
		madvise(c->map + c->behind, bytes, MADV_DONTNEED);
	posix_fadvise(m->file, (off_t)c->behind, (off_t)bytes, POSIX_FADV_DONTNEED);
}

/*
 * Drops what was used, so that the next window finds the memory of one before it, as where the
 * cache fills all memory. Free memory of a virtual machine may be its host's, in blocks of 2 MB,
 * and has to come back first: 0.4 GB/s, whatever the readahead. True: that took time.
 */
static bool drop_behind(const struct measuring *m, struct cell *c)
{
	if (c->pattern == CALIBRATE_SCAN) {
		if (m->scan_at - c->behind < DROP_BEHIND)
			return false;
		drop(m, c, m->scan_at - c->behind);
		c->behind = m->scan_at;
		return true;
	}
	/* The others are small: pages without readahead, and files. */
	if (c->pattern == CALIBRATE_QUEUED || c->pattern == CALIBRATE_FILES)
		return false;
	/* Of the last one, some may be under way yet. */
	if (c->behind != NOTHING_BEHIND)
		drop(m, c, c->places.slot);
	c->behind = c->places.at;
	return true;
}

static void use_oldest(struct cell *c)
{
	touch(c->map, c->queue[c->oldest], PAGE_BYTES);
	c->oldest = (c->oldest + 1) % CALIBRATE_QUEUE;
	c->queued--;
}

/*
 * Asks for pages, without a wait, as far as this lap has places left; waits for the oldest. Where
 * such advice does nothing, this is one reader again.
 */
static void read_queued(struct measuring *m, struct cell *c)
{
	unsigned long long at;

	while (c->queued < CALIBRATE_QUEUE && c->queued <= c->left) {
		at = take_place(m, &c->places, PAGE_BYTES);
		posix_fadvise(m->file, (off_t)at, PAGE_BYTES, POSIX_FADV_WILLNEED);
		c->queue[(c->oldest + c->queued++) % CALIBRATE_QUEUE] = at;
	}
	use_oldest(c);
}

/* What is under way would take the next cell's time, and is not dropped before it came. */
static int use_up(const struct measuring *m, struct cell *c)
{
	while (c->queued) {
		use_oldest(c);
		if (look_up(m) == -EINTR)
			return -EINTR;
	}
	return 0;
}

/* One operation: bytes that were asked for, or -errno. */
static long operate(struct measuring *m, struct cell *c)
{
	const struct calibrate_pattern_info *info = &calibrate_patterns[c->pattern];
	unsigned long long at;
	int err;

	c->left--;
	if (c->pattern == CALIBRATE_FILES) {
		err = read_run(m, m->small[c->left], 0, info->run_bytes, info->read_bytes);
		return err ? err : (long)info->run_bytes;
	}
	if (!info->run_bytes) {
		err = read_run(m, m->file, m->scan_at, info->read_bytes, info->read_bytes);
		m->scan_at += info->read_bytes;
		return err ? err : (long)info->read_bytes;
	}
	if (c->pattern == CALIBRATE_QUEUED) {
		read_queued(m, c);
		return (long)info->run_bytes;
	}
	at = take_place(m, &c->places, info->run_bytes);
	if (info->read_bytes) {
		err = read_run(m, m->file, at, info->run_bytes, info->read_bytes);
		return err ? err : (long)info->run_bytes;
	}
	/* An object lies where its size says: one of 16 KB is in one read-around or in two. */
	touch(c->map, at / info->run_bytes * info->run_bytes, info->run_bytes);
	return (long)info->run_bytes;
}

/*
 * Operates until there is enough for a rate. Laps are laid out anew between; neither that nor
 * dropping is timed. @device: bytes from the device after the warm-up, whose windows were read
 * ahead before.
 */
static int operate_for(struct measuring *m, struct cell *c, struct calibrate_rate *rate,
		       double *device)
{
	double before, from, at, device_from = device_bytes(m);
	unsigned int since = 0;
	bool warm = false;
	long bytes;
	int err;

	*device = 0;
	from = now_s();
	for (;;) {
		if (!c->left) {
			*device += device_bytes(m) - device_from;
			err = begin_lap(m, c);
			if (err)
				return err;
			device_from = device_bytes(m);
			from = now_s();
		}
		before = from;
		bytes = operate(m, c);
		if (bytes < 0)
			return (int)bytes;
		at = from = now_s();
		if (calibrate_rate_add(rate, at - before, (double)bytes))
			break;
		if (drop_behind(m, c))
			from = now_s();
		if (rate->warm && !warm) {
			warm = true;
			*device = 0;
			device_from = device_bytes(m);
		}
		/* A system call for each read from the cache would take a tenth of its time. */
		since += (unsigned int)bytes;
		if (since < 65536 && c->pattern == CALIBRATE_SCAN)
			continue;
		since = 0;
		if (at >= m->deadline) {
			if (!rate->warm || rate->at_s - rate->warm_at_s < rate->count_s)
				return -ETIME; /* a part of a figure is none */
			break;
		}
		err = look_up(m);
		if (err == -EINTR)
			return err;
	}
	*device += device_bytes(m) - device_from;
	return 0;
}

/* What was read ahead and will not be used must not take the next cell's time. */
static void drain(const struct measuring *m, unsigned int kb)
{
	double wait = m->device_rate > 0 ? 2.0 * 1024 * kb / m->device_rate : 0;

	nap(fmin(wait, fmin(DRAIN_MOST_S, m->cell_s)));
}

/* One figure. 0, -EINTR, -ETIME (not even begun), or another -errno. */
static int measure_cell(struct measuring *m, enum calibrate_pattern pattern, unsigned int value)
{
	struct cell c = {.pattern = pattern, .kb = calibrate_ladder[value]};
	double warm_up_s = fmin(fmax(m->cell_s * WARM_UP, WARM_UP_LEAST_S), WARM_UP_MOST_S);
	struct calibrate_rate rate;
	double device, amplification;
	char what[96];
	int err;

	err = look_up(m);
	if (err)
		return err;
	snprintf(what, sizeof(what), "%s at %u KB", calibrate_patterns[pattern].name, c.kb);
	tell(m, what, (now_s() - m->began) / (m->deadline - m->began));
	err = begin_lap(m, &c);
	if (!err)
		err = give(m, pattern, c.kb);
	if (pattern == CALIBRATE_SCAN)
		calibrate_rate_begin(&rate, WARM_UP_MOST_S,
				     fmax(m->cell_s - WARM_UP_MOST_S, SCAN_LEAST_S), 1024. * c.kb);
	else
		calibrate_rate_begin(&rate, warm_up_s, m->cell_s - warm_up_s, 0);
	if (!err)
		err = operate_for(m, &c, &rate, &device);
	if (!err)
		err = use_up(m, &c);
	if (c.map)
		munmap(c.map, m->file_bytes);
	if (err)
		return err;
	amplification = device / (rate.bytes - rate.warm_bytes);
	m->device_rate = amplification * calibrate_rate_of(&rate);
	calibrate_add(m->result, pattern, value, calibrate_rate_of(&rate),
		      isfinite(amplification) ? amplification : 0);
	drain(m, c.kb);
	return 0;
}

/* --- passes ----------------------------------------------------------------------------------- */

static bool on_ladder(enum calibrate_pattern pattern, unsigned int value)
{
	const struct calibrate_pattern_info *info = &calibrate_patterns[pattern];

	/* What comes of each request is a page at any value: the least stands for all. */
	if (pattern == CALIBRATE_QUEUED && value && calibrate_ladder[value - 1] >= page_kb())
		return false;
	return calibrate_ladder[value] >= page_kb() &&
	       (!info->read_bytes || calibrate_ladder[value] >= 16);
}

/*
 * Upwards, each value once; what a flat or fallen curve makes needless is left out, all but the
 * last. @step: every value, or every other
 */
static int first_pass(struct measuring *m, enum calibrate_pattern pattern, unsigned int step)
{
	struct calibrate_cell *cell = m->result->cell[pattern];
	enum calibrate_gap gap = GAP_NONE;
	unsigned int v, last = CALIBRATE_VALUES - 1;
	int err;

	for (v = last % step; v <= last; v += step) {
		if (!on_ladder(pattern, v))
			continue;
		if (gap != GAP_NONE && v != last) {
			cell[v].gap = gap;
			continue;
		}
		err = measure_cell(m, pattern, v);
		if (err)
			return err;
		calibrate_summarise(m->result);
		if (gap == GAP_NONE)
			gap = calibrate_goes_on(m->result, pattern, v);
	}
	return 0;
}

/* What was left out between values of which one at least could still be chosen. */
static int fill_in(struct measuring *m, enum calibrate_pattern pattern)
{
	unsigned int v;
	int err;

	for (v = 0; v < CALIBRATE_VALUES - 1; v++) {
		if (!on_ladder(pattern, v) || m->result->cell[pattern][v].repeats ||
		    m->result->cell[pattern][v].gap != GAP_NONE)
			continue;
		if (!calibrate_is_contender(m->result, pattern, v + 1) &&
		    (!v || !calibrate_is_contender(m->result, pattern, v - 1)))
			continue;
		err = measure_cell(m, pattern, v);
		if (err)
			return err;
		calibrate_summarise(m->result);
	}
	return 0;
}

/*
 * What could still be chosen, and the original and the default, which are not given up for one
 * figure: a scan at the original each time, as fast as that may be by then.
 */
static bool is_repeated(const struct measuring *m, enum calibrate_pattern pattern,
			unsigned int value)
{
	unsigned int repeats = m->result->cell[pattern][value].repeats;

	if (repeats == CALIBRATE_REPEATS_MAX)
		return false;
	if (repeats && calibrate_ladder[value] == m->result->original_kb &&
	    (repeats < 2 || pattern == CALIBRATE_SCAN))
		return true;
	if (repeats == 1 && calibrate_ladder[value] == calibrate_default_kb(pattern))
		return true;
	return calibrate_is_contender(m->result, pattern, value);
}

/* Downwards and upwards in turn: drift would show as noise. */
static int later_pass(struct measuring *m, bool down, unsigned int *figures)
{
	unsigned int p, i, v;
	int err;

	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++) {
		for (i = 0; i < CALIBRATE_VALUES; i++) {
			v = down ? CALIBRATE_VALUES - 1 - i : i;
			if (!is_repeated(m, p, v))
				continue;
			err = measure_cell(m, p, v);
			if (err)
				return err;
			(*figures)++;
		}
		calibrate_summarise(m->result);
	}
	return 0;
}

static unsigned int cells_at_most(void)
{
	unsigned int p, v, n = 0;

	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++)
		for (v = 0; v < CALIBRATE_VALUES; v++)
			n += on_ladder(p, v);
	return n;
}

static void mark_gaps(struct measuring *m)
{
	unsigned int p, v;

	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++) {
		for (v = 0; v < CALIBRATE_VALUES; v++) {
			struct calibrate_cell *cell = &m->result->cell[p][v];

			if (cell->repeats || cell->gap == GAP_FLAT || cell->gap == GAP_FALLING)
				continue;
			cell->gap = !on_ladder(p, v)                     ? GAP_UNUSED :
				    p == CALIBRATE_FILES && !m->nr_small ? GAP_ROOM :
									   GAP_BOUND;
		}
	}
}

static int measure_all(struct measuring *m)
{
	unsigned int p, pass, figures, step = 1;
	int err;

	m->cell_s = (m->deadline - now_s()) * FIRST_PASS / cells_at_most();
	/* Rather something of each pattern than all of the first ones. */
	if (m->cell_s < CELL_LEAST_S * 2 / 3)
		step = 2;
	m->cell_s = fmin(fmax(m->cell_s, CELL_LEAST_S), CELL_MOST_S);
	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++) {
		if (p == CALIBRATE_FILES && !m->nr_small)
			continue;
		err = first_pass(m, p, p == CALIBRATE_SCAN || p == CALIBRATE_QUEUED ? 1 : step);
		if (err)
			return err;
	}
	for (p = 0; p < NR_CALIBRATE_PATTERNS && step > 1; p++) {
		err = fill_in(m, p);
		if (err)
			return err;
	}
	for (pass = 1; pass < CALIBRATE_REPEATS_MAX; pass++) {
		figures = 0;
		err = later_pass(m, pass % 2, &figures);
		if (err)
			return err;
		if (!figures)
			break;
	}
	return 0;
}

/*
 * By mmap an error of the device is a signal. The files have no names; what else is to be undone
 * is for the process that waits for this one's end.
 */
static void bus_error(int signal_nr)
{
	static const char text[] = "bpfahead: reading the test file: Input/output error\n";

	(void)signal_nr;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_FAILURE);
	_exit(EXIT_FAILURE);
}

int calibrate_measure(const struct calibrate_plan *plan, struct calibrate_result *r,
		      unsigned long long *file_bytes, struct calibrate_fault *why)
{
	struct sigaction on_bus = {.sa_handler = bus_error}, before;
	struct measuring m = {.plan = plan, .result = r, .why = why, .file = -1};
	unsigned int i;
	int err;

	memset(r, 0, sizeof(*r));
	r->original_kb = plan->original_kb;
	m.began = now_s();
	m.deadline = m.began + plan->seconds;
	m.seed = 0x9e3779b97f4a7c15ULL ^ (uint64_t)getpid() << 32 ^ (uint64_t)time(NULL);
	m.buffer = aligned_alloc(4096, MIB);
	if (!m.buffer)
		return fault(&m, -ENOMEM, "out of memory");
	m.proc_io = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
	sigaction(SIGBUS, &on_bus, &before);
	/* Or a busy CPU is taken for a slow disk. Where it may not, there is more noise. */
	if (setpriority(PRIO_PROCESS, 0, MEASURING_NICE))
		errno = 0;
	err = make_files(&m);
	*file_bytes = m.file_bytes;
	if (!err)
		err = measure_all(&m);
	sigaction(SIGBUS, &before, NULL);
	if (err == -ETIME) {
		err = 0;
		if (!m.file_bytes)
			err = fault(&m, -ETIME, "%.0f s were too short to write %llu MB",
				    plan->seconds, CALIBRATE_FILE_LEAST / MIB);
	}
	mark_gaps(&m);
	calibrate_summarise(r);
	if (m.file >= 0)
		close(m.file);
	for (i = 0; i < m.nr_small; i++)
		close(m.small[i]);
	if (m.proc_io >= 0)
		close(m.proc_io);
	free(m.buffer);
	return err;
}
