// SPDX-License-Identifier: GPL-2.0-only
/*
 * slow-disk.c - a disk with latency, for the proof: a FUSE mount with one file, `disk`,
 * that is IMAGE, and answers when a modelled disk would have. A loop device with direct I/O
 * on it is a block device.
 *
 *	slow-disk IMAGE DIRECTORY LATENCY_US BYTES_PER_S
 *
 * The model is a network volume's: each request is under way for the latency, any number of
 * them at once, then their data goes one by one through a channel of so many bytes a
 * second:
 *
 *	done = max(arrival + latency, the last one's done) + bytes / bandwidth
 *
 * for writes, too; a flush is a request of no bytes. So answers leave in the order of
 * arrival, a queue is all that is needed, and one sleep until its head is due. Two threads:
 * the main one takes requests and stamps their arrival; the other has the head's data at
 * hand before it is due.
 *
 * Returns when the mount is there, and goes on in the background until it is unmounted
 * (what holds `disk` open holds it, after `umount -l`, too) or gets a signal.
 *
 * The file `stats` says how that went since it was last read from its beginning: lines of a
 * word and a number. `late_us_*`: how much later than due an answer was given, the mean and
 * the most; `late`: how many were by more than a tenth of the time that they should have
 * taken. `most_at_once` is the deepest queue, `cpu_us` what all of it cost in CPU time
 * since the start, `realtime` is 0 where the priority was refused.
 */
#define FUSE_USE_VERSION 314

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX (1 << 20) /* the most that FUSE sends, fs.fuse.max_pages_limit */
#define QUEUE_MAX 1024        /* a loop device has 128 requests, of up to two of these each */
#define NS_PER_S 1000000000ULL
#define FOREVER_S 1e9 /* nothing of the mount ever changes */

enum { DISK = FUSE_ROOT_ID + 1, STATS };

struct request {
	fuse_req_t fuse;
	uint64_t arrived_ns, due_ns;
	off_t at;
	size_t bytes;
	enum { READ, WRITE, FLUSH } what;
};

struct stats {
	uint64_t requests, bytes, late, late_ns, late_most_ns;
	unsigned most_at_once;
};

static int image;
static off_t image_bytes;
static unsigned block = 512; /* what it is read in */
static uint64_t latency_ns, bytes_per_s;
static int realtime;
static void *fetched, *written; /* REQUEST_MAX each, aligned as direct I/O wants it */

/* Under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct request queue[QUEUE_MAX];
static unsigned head, queued;
static bool ending;
static struct stats stats;

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Only the main thread calls it, so arrivals are in order. */
static void enqueue(fuse_req_t fuse, int what, off_t at, size_t bytes)
{
	static uint64_t done_ns;
	uint64_t arrived_ns = clock_ns(CLOCK_MONOTONIC);

	if (done_ns < arrived_ns + latency_ns)
		done_ns = arrived_ns + latency_ns;
	done_ns += bytes * NS_PER_S / bytes_per_s;

	pthread_mutex_lock(&lock);
	while (queued == QUEUE_MAX)
		pthread_cond_wait(&changed, &lock);
	queue[(head + queued) % QUEUE_MAX] = (struct request){.fuse = fuse,
							      .arrived_ns = arrived_ns,
							      .due_ns = done_ns,
							      .at = at,
							      .bytes = bytes,
							      .what = what};
	queued++;
	if (stats.most_at_once < queued)
		stats.most_at_once = queued;
	if (queued == 1)
		pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

static void answer(const struct request *r)
{
	struct timespec due = {.tv_sec = r->due_ns / NS_PER_S, .tv_nsec = r->due_ns % NS_PER_S};
	ssize_t n = r->what == READ ? pread(image, fetched, r->bytes, r->at) : (ssize_t)r->bytes;
	int error = n < 0 ? errno : 0;

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
	/* Whoever asked may be gone, which is no matter here. */
	if (error || r->what == FLUSH)
		fuse_reply_err(r->fuse, error);
	else if (r->what == WRITE)
		fuse_reply_write(r->fuse, r->bytes);
	else
		fuse_reply_buf(r->fuse, fetched, n);
}

static void *answer_all(void *unused)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		struct request r;
		uint64_t late_ns;

		while (!queued && !ending)
			pthread_cond_wait(&changed, &lock);
		if (!queued)
			break;
		r = queue[head];
		pthread_mutex_unlock(&lock);

		answer(&r);
		late_ns = clock_ns(CLOCK_MONOTONIC) - r.due_ns;

		pthread_mutex_lock(&lock);
		head = (head + 1) % QUEUE_MAX;
		if (queued-- == QUEUE_MAX)
			pthread_cond_signal(&changed);
		stats.requests++;
		stats.bytes += r.bytes;
		stats.late_ns += late_ns;
		stats.late += late_ns > (r.due_ns - r.arrived_ns) / 10;
		if (stats.late_most_ns < late_ns)
			stats.late_most_ns = late_ns;
	}
	pthread_mutex_unlock(&lock);
	return unused;
}

static size_t print_stats(char *text, size_t size)
{
	struct stats s;

	pthread_mutex_lock(&lock);
	s = stats;
	stats = (struct stats){.most_at_once = queued};
	pthread_mutex_unlock(&lock);
	return snprintf(text, size,
			"requests %" PRIu64 "\nbytes %" PRIu64 "\nmost_at_once %u\nlate %" PRIu64
			"\nlate_us_mean %" PRIu64 "\nlate_us_most %" PRIu64 "\ncpu_us %" PRIu64
			"\nrealtime %d\n",
			s.requests, s.bytes, s.most_at_once, s.late,
			s.requests ? s.late_ns / s.requests / 1000 : 0, s.late_most_ns / 1000,
			clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1000, realtime);
}

/* --- what FUSE asks -----------------------------------------------------------------------------
 */

static void disk_init(void *unused, struct fuse_conn_info *conn)
{
	(void)unused;
	/* What makes the loop device's direct I/O asynchronous, and as deep as its queue. */
	conn->want |= conn->capable & FUSE_CAP_ASYNC_DIO;
	conn->max_background = QUEUE_MAX;
	conn->congestion_threshold = QUEUE_MAX;
	conn->max_read = REQUEST_MAX;
	conn->max_write = REQUEST_MAX;
}

static int attributes(fuse_ino_t node, struct stat *st)
{
	*st = (struct stat){.st_ino = node, .st_nlink = 1, .st_blksize = block};
	switch (node) {
	case FUSE_ROOT_ID:
		st->st_mode = S_IFDIR | 0700;
		return 0;
	case DISK:
		st->st_mode = S_IFREG | 0600;
		st->st_size = image_bytes;
		st->st_blocks = image_bytes / 512;
		return 0;
	case STATS:
		st->st_mode = S_IFREG | 0400;
		return 0;
	}
	return -ENOENT;
}

static void disk_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {.attr_timeout = FOREVER_S, .entry_timeout = FOREVER_S};

	if (parent == FUSE_ROOT_ID)
		e.ino = !strcmp(name, "disk") ? DISK : !strcmp(name, "stats") ? STATS : 0;
	if (!e.ino || attributes(e.ino, &e.attr)) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fuse_reply_entry(req, &e);
}

static void disk_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	struct stat st;

	(void)file;
	if (attributes(node, &st))
		fuse_reply_err(req, ENOENT);
	else
		fuse_reply_attr(req, &st, FOREVER_S);
}

static void disk_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	if (node != DISK && node != STATS) {
		fuse_reply_err(req, EISDIR);
		return;
	}
	file->direct_io = 1; /* no page cache in between */
	fuse_reply_open(req, file);
}

static void disk_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t at,
		      struct fuse_file_info *file)
{
	char text[512];

	(void)file;
	if (node == STATS)
		fuse_reply_buf(req, text, at ? 0 : print_stats(text, sizeof(text)));
	else if (at % block || size % block || size > REQUEST_MAX)
		fuse_reply_err(req, EINVAL);
	else
		enqueue(req, READ, at, size);
}

/* Into the image at once: what reads it before the answer has no promise of either content. */
static void disk_write(fuse_req_t req, fuse_ino_t node, const char *data, size_t size, off_t at,
		       struct fuse_file_info *file)
{
	(void)node;
	(void)file;
	if (at % block || size % block || size > REQUEST_MAX) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	memcpy(written, data, size);
	if (pwrite(image, written, size, at) != (ssize_t)size) {
		fuse_reply_err(req, EIO);
		return;
	}
	enqueue(req, WRITE, at, size);
}

/* Takes its time; what it is for, a bench needs not. */
static void disk_fsync(fuse_req_t req, fuse_ino_t node, int data_only, struct fuse_file_info *file)
{
	(void)node;
	(void)data_only;
	(void)file;
	enqueue(req, FLUSH, 0, 0);
}

static const struct fuse_lowlevel_ops operations = {
	.init = disk_init,
	.lookup = disk_lookup,
	.getattr = disk_getattr,
	.open = disk_open,
	.read = disk_read,
	.write = disk_write,
	.fsync = disk_fsync,
};

/* --- start --------------------------------------------------------------------------------------
 */

static void fatal(const char *what)
{
	fprintf(stderr, "slow-disk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t number(const char *text, const char *what, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (end == text || *end || *text == '-' || errno || n < least || n > most) {
		fprintf(stderr, "slow-disk: %s: %s is not %" PRIu64 " to %" PRIu64 "\n", text, what,
			least, most);
		exit(2);
	}
	return n;
}

static void open_image(const char *path)
{
	struct stat st;
	uint64_t bytes;

	image = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (image < 0 || fstat(image, &st))
		fatal(path);
	bytes = st.st_size;
	if (S_ISBLK(st.st_mode) &&
	    (ioctl(image, BLKGETSIZE64, &bytes) || ioctl(image, BLKSSZGET, &block)))
		fatal(path);
	image_bytes = bytes - bytes % block;
}

/*
 * As a disk's controller is: not kept waiting by the programs that are measured. Memory, because
 * those are short of it and what writes it back may wait for this process.
 */
static void be_hardware(void)
{
	struct sched_param priority = {.sched_priority = 1};

	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		fatal("mlockall");
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	realtime = !sched_setscheduler(0, SCHED_FIFO, &priority);
}

int main(int argc, char **argv)
{
	char *words[] = {argv[0], "-o", "max_read=1048576,fsname=slow-disk,default_permissions",
			 NULL};
	struct fuse_args args = FUSE_ARGS_INIT(3, words);
	struct fuse_session *session;
	sigset_t signals, before;
	pthread_t answering;
	int status;

	if (argc != 5) {
		fputs("usage: slow-disk IMAGE DIRECTORY LATENCY_US BYTES_PER_S\n", stderr);
		return 2;
	}
	latency_ns = number(argv[3], "a latency in us", 0, 10000000) * 1000;
	bytes_per_s = number(argv[4], "a rate in bytes/s", 4096, 100000000000ULL);
	close_range(3, ~0U, 0); /* of the shell: nothing waits for this process to end */
	open_image(argv[1]);
	if (posix_memalign(&fetched, 4096, REQUEST_MAX) ||
	    posix_memalign(&written, 4096, REQUEST_MAX))
		fatal("memory");

	session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
	if (!session || fuse_set_signal_handlers(session) || fuse_session_mount(session, argv[2]))
		return 1; /* libfuse has said why */
	if (fuse_daemonize(0))
		return 1;
	be_hardware();

	/* A signal is for the main thread: it ends the read that waits for requests. */
	sigfillset(&signals);
	pthread_sigmask(SIG_SETMASK, &signals, &before);
	errno = pthread_create(&answering, NULL, answer_all, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (errno) {
		fuse_session_unmount(session);
		return 1;
	}
	status = fuse_session_loop(session);

	pthread_mutex_lock(&lock);
	ending = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	pthread_join(answering, NULL);
	fuse_session_unmount(session);
	fuse_remove_signal_handlers(session);
	fuse_session_destroy(session);
	return status ? 1 : 0;
}
