// SPDX-License-Identifier: GPL-2.0-only
/* Which open files carry a former value of their bdi, and giving them the new one. */
#include "open_files.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "bdi.h"
#include "host.h"

/* include/uapi/linux/pidfd.h, since 6.9; EINVAL before that */
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

#define RECORDS_READ 256 /* the kernel gathers 32 KB per read */
#define SEEN_SLOTS 1024  /* a power of two, well above RECORDS_READ */

__u32 kb_to_pages(unsigned int kb)
{
	return kb / page_kb();
}

/* --- the pins ------------------------------------------------------------------------------- */

struct open_map {
	const char *name;
	__u32 key_bytes, value_bytes;
};

static const struct open_map open_maps[] = {
	{"open_queries", 4, sizeof(struct open_query)},
	{"ra_history", 8, sizeof(struct ra_history)},
	{"open_excluded", sizeof(struct open_exclusion), OPEN_PATH_LEN},
	{"file_values", sizeof(struct file_key), sizeof(struct file_value)},
	{"open_counts", 8, sizeof(struct open_counts)},
};

#define NR_OPEN_MAPS (sizeof(open_maps) / sizeof(open_maps[0]))
#define X(name) +1
_Static_assert(NR_OPEN_MAPS == 0 OPEN_MAP_LIST(X), "a shape for each map");
#undef X

const char *open_map_pin_name(unsigned int i)
{
	return i < NR_OPEN_MAPS ? open_maps[i].name : NULL;
}

/* A descriptor, or -errno. */
static int get_pin(const char *pin_dir, const char *name)
{
	char path[PATH_MAX];
	int fd, n = snprintf(path, sizeof(path), "%s/%s", pin_dir, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static int get_map(const char *pin_dir, const struct open_map *map)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int fd = get_pin(pin_dir, map->name);

	if (fd < 0)
		return fd;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.key_size == map->key_bytes &&
	    info.value_size == map->value_bytes)
		return fd;
	close(fd);
	return -EPROTO;
}

int open_files_open(const char *pin_dir, struct open_files *of)
{
	int *const maps[NR_OPEN_MAPS] = {
#define X(name) &of->name,
		OPEN_MAP_LIST(X)
#undef X
	};
	unsigned int i;

	memset(of, -1, sizeof(*of));
	for (i = 0; i < NR_OPEN_MAPS; i++) {
		*maps[i] = get_map(pin_dir, &open_maps[i]);
		if (*maps[i] < 0)
			return *maps[i];
	}
	/* bpftool's `autoattach` leaves links where programs would be. */
	of->iterator = get_pin(pin_dir, "links/open_files/open_files");
	if (of->iterator == -ENOENT)
		of->iterator = get_pin(pin_dir, "progs/open_files/open_files");
	if (of->iterator < 0)
		return of->iterator;
	of->mappings = get_pin(pin_dir, "links/open_files/open_maps");
	if (of->mappings == -ENOENT)
		of->mappings = get_pin(pin_dir, "progs/open_files/open_maps");
	return of->mappings < 0 ? of->mappings : 0;
}

void open_files_close(struct open_files *of)
{
	int *fd = (int *)of;
	size_t i;

	for (i = 0; i < sizeof(*of) / sizeof(int); i++) {
		if (fd[i] >= 0)
			close(fd[i]);
		fd[i] = -1;
	}
}

/* --- history -------------------------------------------------------------------------------- */

void ra_history_put(struct ra_history *h, __u32 pages, bool ours)
{
	__u32 i, bit = ours, n = h->nr_values < RA_VALUES_MAX ? h->nr_values : RA_VALUES_MAX;

	if (!pages)
		return;
	for (i = 0; i < n; i++) {
		if (h->values[i] == pages) {
			bit |= h->ours >> i & 1;
			break;
		}
	}
	if (i == n && n < RA_VALUES_MAX)
		n++;
	else if (i == n)
		i = n - 1;
	/* Those in front of it move one place back, with their bits. */
	memmove(&h->values[1], &h->values[0], i * sizeof(h->values[0]));
	h->ours = (h->ours & ~((2U << i) - 1)) | ((h->ours << 1) & ((2U << i) - 1) & ~1U) | bit;
	h->values[0] = pages;
	h->nr_values = n;
}

/* Copies the keys, of which there are RA_HISTORY_MAX at most; how many there are. */
static unsigned int history_keys(const struct open_files *of, __u64 *keys)
{
	unsigned int n = 0;

	while (n < RA_HISTORY_MAX &&
	       !bpf_map_get_next_key(of->ra_history, n ? &keys[n - 1] : NULL, &keys[n]))
		n++;
	return n;
}

/* Deletes what is known of bdis that have left. */
static void forget_departed(const struct open_files *of)
{
	__u64 *keys = calloc(RA_HISTORY_MAX, sizeof(*keys));
	struct ra_history h;
	unsigned int i, n;

	if (!keys)
		return;
	n = history_keys(of, keys);
	for (i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(of->ra_history, &keys[i], &h))
			continue;
		h.name[BDI_NAME_LEN - 1] = '\0';
		if (bdi_sysfs_ino(h.name) == h.sysfs_ino)
			continue;
		bpf_map_delete_elem(of->ra_history, &keys[i]);
		bpf_map_delete_elem(of->open_counts, &keys[i]);
	}
	free(keys);
}

int ra_history_add(const struct open_files *of, __u64 bdi_id, const char *name, __u64 sysfs_ino,
		   unsigned int ra_kb, bool ours)
{
	struct ra_history h;
	int err;

	if (bpf_map_lookup_elem(of->ra_history, &bdi_id, &h) || h.sysfs_ino != sysfs_ino) {
		memset(&h, 0, sizeof(h));
		h.sysfs_ino = sysfs_ino;
		memcpy(h.name, name, strnlen(name, BDI_NAME_LEN - 1));
	}
	ra_history_put(&h, kb_to_pages(ra_kb), ours);
	err = bpf_map_update_elem(of->ra_history, &bdi_id, &h, BPF_ANY);
	if (err != -E2BIG)
		return err;
	forget_departed(of);
	return bpf_map_update_elem(of->ra_history, &bdi_id, &h, BPF_ANY);
}

/* --- walking -------------------------------------------------------------------------------- */

void open_query_bdi(struct open_query *q, const struct maps *maps, __u64 bdi_id, unsigned int ra_kb)
{
	__u32 dev, *last = NULL;
	__u64 id;

	memset(q, 0, sizeof(*q));
	q->bdi_id = bdi_id;
	q->ra_pages = kb_to_pages(ra_kb);
	/* The kernel's numbers of the disk and its partitions, which the block hook has noted. */
	while (q->nr_rdevs < OPEN_RDEVS_MAX && !bpf_map_get_next_key(maps->bdevs, last, &dev)) {
		last = &dev;
		if (!bpf_map_lookup_elem(maps->bdevs, &dev, &id) && id == bdi_id)
			q->rdevs[q->nr_rdevs++] = dev;
	}
}

/* What readers that were killed have left behind. */
static void forget_dead_readers(const struct open_files *of)
{
	__u32 readers[OPEN_QUERIES_MAX];
	unsigned int i, n = 0;
	int fd;

	while (n < OPEN_QUERIES_MAX &&
	       !bpf_map_get_next_key(of->open_queries, n ? &readers[n - 1] : NULL, &readers[n]))
		n++;
	for (i = 0; i < n; i++) {
		fd = (int)syscall(SYS_pidfd_open, readers[i], 0);
		if (fd >= 0)
			close(fd);
		else if (errno == ESRCH)
			bpf_map_delete_elem(of->open_queries, &readers[i]);
	}
}

static int put_query(const struct open_files *of, __u32 reader, const struct open_query *q)
{
	int err = bpf_map_update_elem(of->open_queries, &reader, q, BPF_ANY);

	if (err != -E2BIG)
		return err;
	forget_dead_readers(of);
	return bpf_map_update_elem(of->open_queries, &reader, q, BPF_ANY);
}

static int walk_over(const struct open_files *of, int link, struct open_query *q,
		     int (*fn)(const struct open_file *files, size_t n, void *arg), void *arg)
{
	struct open_file *files = malloc(RECORDS_READ * sizeof(*files));
	__u32 reader = (__u32)getpid();
	int walk = -1, err;
	ssize_t n;

	if (!files)
		return -ENOMEM;
	err = put_query(of, reader, q);
	if (err)
		goto free;
	walk = bpf_iter_create(link);
	if (walk < 0) {
		err = -errno;
		goto forget;
	}
	while (!err) {
		n = read(walk, files, RECORDS_READ * sizeof(*files));
		if (!n)
			break;
		if (n > 0)
			err = fn(files, (size_t)n / sizeof(*files), arg);
		else if (errno != EAGAIN && errno != EINTR) /* EAGAIN: a million without a hit */
			err = -errno;
	}
	close(walk);
	if (bpf_map_lookup_elem(of->open_queries, &reader, q) && !err)
		err = -ENOENT;
forget:
	bpf_map_delete_elem(of->open_queries, &reader);
free:
	free(files);
	return err;
}

int open_files_each(const struct open_files *of, struct open_query *q,
		    int (*fn)(const struct open_file *files, size_t n, void *arg), void *arg)
{
	return walk_over(of, of->iterator, q, fn, arg);
}

/* The struct files that a walk came across. */
struct found {
	struct open_file *files;
	size_t n, room;
};

static int gather(const struct open_file *files, size_t n, void *arg)
{
	struct found *found = arg;
	struct open_file *grown;

	if (found->n + n > found->room) {
		found->room = 2 * (found->n + n);
		grown = realloc(found->files, found->room * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		found->files = grown;
	}
	memcpy(&found->files[found->n], files, n * sizeof(*files));
	found->n += n;
	return 0;
}

/* Descriptors before mappings, so that the first of a struct file says whether it has one. */
static int by_file(const void *one, const void *other)
{
	const struct open_file *a = one, *b = other;

	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return (a->fd == OPEN_FD_NONE) - (b->fd == OPEN_FD_NONE);
}

int open_files_census(const struct open_files *of, const struct maps *maps, __u64 bdi_id,
		      unsigned int ra_kb, struct open_census *census)
{
	struct found found = {0};
	struct open_query q;
	unsigned int verdict;
	size_t i;
	int err;

	memset(census, 0, sizeof(*census));
	open_query_bdi(&q, maps, bdi_id, ra_kb);
	q.flags = OPEN_QUERY_ALL;
	err = walk_over(of, of->iterator, &q, gather, &found);
	if (!err)
		err = walk_over(of, of->mappings, &q, gather, &found);
	if (found.n)
		qsort(found.files, found.n, sizeof(*found.files), by_file);
	for (i = 0; !err && i < found.n; i++) {
		verdict = found.files[i].verdict;
		if ((i && found.files[i].file == found.files[i - 1].file) ||
		    verdict >= NR_OPEN_VERDICTS)
			continue;
		if (found.files[i].fd == OPEN_FD_NONE)
			census->mapped[verdict]++;
		else
			census->files[verdict]++;
	}
	free(found.files);
	return err;
}

const char *open_verdict_name(unsigned int verdict)
{
	static const char *const names[NR_OPEN_VERDICTS] = {
		[OPEN_STALE] = "stale",           [OPEN_CURRENT] = "current",
		[OPEN_RANDOM] = "random",         [OPEN_NOREUSE] = "noreuse",
		[OPEN_SEQUENTIAL] = "sequential", [OPEN_AMBIGUOUS] = "ambiguous",
		[OPEN_FOREIGN] = "foreign",       [OPEN_EXCLUDED] = "excluded",
		[OPEN_OWN_VALUE] = "own-value",
	};

	return verdict < NR_OPEN_VERDICTS ? names[verdict] : "?";
}

/* --- re-arming ------------------------------------------------------------------------------ */

struct rearming {
	const struct open_query *q;
	struct open_counts *counts;
	struct open_denial *denial;
	__u64 slice_began;
	/* The process at hand; its files come one behind the other. */
	__u32 pid;
	int pidfd; /* or -errno */
	/* struct files of this batch that are done: processes share them after a fork. */
	__u64 seen[SEEN_SLOTS];
};

/* Where @file is, or 0 for it to be put. */
static __u64 *seen_slot(struct rearming *r, __u64 file)
{
	/* Multiplied by 2^64 / golden ratio: addresses differ in their middle bits. */
	unsigned int i = (unsigned int)(file * 0x9e3779b97f4a7c15ULL >> 54);

	_Static_assert(SEEN_SLOTS == 1 << (64 - 54), "the shift above");
	for (;; i = (i + 1) & (SEEN_SLOTS - 1)) {
		if (r->seen[i] == file || !r->seen[i])
			return &r->seen[i];
	}
}

static int pidfd_of(const struct open_file *f)
{
	int fd;

	/* A thread with descriptors of its own. */
	if (f->pid != f->tgid) {
		fd = (int)syscall(SYS_pidfd_open, f->pid, PIDFD_THREAD);
		if (fd >= 0 || errno != EINVAL)
			return fd < 0 ? -errno : fd;
	}
	fd = (int)syscall(SYS_pidfd_open, f->tgid, 0);
	return fd < 0 ? -errno : fd;
}

/*
 * Descriptors can change hands between the walk and now. Overlayfs, which has
 * two inodes for a file, is not compared; nor is the device number of btrfs,
 * whose subvolumes show another one than their super block has.
 */
static bool same_file(int fd, const struct open_file *f)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	if (f->rdev)
		return S_ISBLK(st.st_mode) &&
		       (major(st.st_rdev) << 20 | minor(st.st_rdev)) == f->rdev;
	if (!S_ISREG(st.st_mode))
		return false;
	if (f->flags & OPEN_FILE_OVERLAY)
		return true;
	return st.st_ino == f->ino &&
	       (!major(st.st_dev) || (major(st.st_dev) << 20 | minor(st.st_dev)) == f->s_dev);
}

/* 0 or -errno. */
static int rearm_file(struct rearming *r, const struct open_file *f)
{
	int fd, err = 0;

	if (r->pid != f->pid) {
		if (r->pidfd >= 0)
			close(r->pidfd);
		r->pid = f->pid;
		r->pidfd = pidfd_of(f);
	}
	if (r->pidfd < 0)
		return r->pidfd;
	fd = (int)syscall(SYS_pidfd_getfd, r->pidfd, f->fd, 0);
	if (fd < 0) {
		err = -errno;
		/* It holds for all files of this process. */
		if (err == -EPERM || err == -EACCES) {
			close(r->pidfd);
			r->pidfd = err;
		}
		return err;
	}
	/* From here to close() the file stays open whatever its process does: microseconds. */
	if (!same_file(fd, f))
		err = -ESTALE;
	else
		err = -posix_fadvise(fd, 0, 0, POSIX_FADV_NORMAL);
	close(fd);
	return err;
}

static void count_outcome(struct rearming *r, const struct open_file *f, int err)
{
	switch (err) {
	case 0:
		r->counts->rearmed++;
		return;
	case -EPERM:
	case -EACCES:
		r->counts->denied++;
		break;
	case -ESRCH:
	case -EBADF:
	case -ESTALE:
		r->counts->gone++;
		return;
	default:
		r->counts->refused++;
	}
	if (r->denial && !r->denial->error) {
		r->denial->error = -err;
		r->denial->pid = f->tgid;
		memcpy(r->denial->comm, f->comm, sizeof(r->denial->comm));
		r->denial->comm[sizeof(r->denial->comm) - 1] = '\0';
	}
}

static int rearm_batch(const struct open_file *files, size_t n, void *arg)
{
	static const struct timespec rest = {.tv_nsec = REARM_REST_NS};
	struct rearming *r = arg;
	__u64 *slot;
	size_t i;
	int err;

	memset(r->seen, 0, sizeof(r->seen));
	for (i = 0; i < n; i++) {
		slot = seen_slot(r, files[i].file);
		if (*slot)
			continue;
		err = rearm_file(r, &files[i]);
		if (!err) /* refused in one process, it may be had from another */
			*slot = files[i].file;
		count_outcome(r, &files[i], err);
		if (monotonic_ns() - r->slice_began < REARM_SLICE_NS)
			continue;
		nanosleep(&rest, NULL);
		r->slice_began = monotonic_ns();
	}
	return 0;
}

static void add_counts(const struct open_files *of, __u64 bdi_id, const struct open_counts *more)
{
	struct open_counts counts = {};

	bpf_map_lookup_elem(of->open_counts, &bdi_id, &counts);
#define X(name, text) counts.name += more->name;
	OPEN_COUNT_LIST(X)
#undef X
	/* A count that finds no room is missed by nobody but a reader of status. */
	bpf_map_update_elem(of->open_counts, &bdi_id, &counts, BPF_ANY);
}

int open_files_rearm(const struct open_files *of, struct open_query *q, struct open_counts *counts,
		     struct open_denial *denial)
{
	struct rearming *r = calloc(1, sizeof(*r));
	struct open_counts here = {};
	int err;

	if (!r)
		return -ENOMEM;
	r->q = q;
	r->counts = &here;
	r->denial = denial;
	r->pidfd = -ESRCH;
	r->slice_began = monotonic_ns();
	err = open_files_each(of, q, rearm_batch, r);
	if (r->pidfd >= 0)
		close(r->pidfd);
	free(r);
	here.passes = 1;
	here.random = q->count[OPEN_RANDOM];
	here.noreuse = q->count[OPEN_NOREUSE];
	here.sequential = q->count[OPEN_SEQUENTIAL];
	here.ambiguous = q->count[OPEN_AMBIGUOUS];
	here.foreign = q->count[OPEN_FOREIGN];
	here.excluded = q->count[OPEN_EXCLUDED];
	here.own_value = q->count[OPEN_OWN_VALUE];
	add_counts(of, q->bdi_id, &here);
	add_counts(of, 0, &here);
#define X(name, text) counts->name += here.name;
	OPEN_COUNT_LIST(X)
#undef X
	return err;
}

void open_files_forget_own(const struct open_files *of)
{
	struct file_key key;

	while (!bpf_map_get_next_key(of->file_values, NULL, &key))
		if (bpf_map_delete_elem(of->file_values, &key))
			break;
}

int open_files_each_ours(const struct open_files *of,
			 int (*fn)(__u64 bdi_id, const char *name, unsigned int ra_kb, void *arg),
			 void *arg)
{
	__u64 *keys = calloc(RA_HISTORY_MAX, sizeof(*keys));
	unsigned int i, n, kb;
	struct ra_history h;
	int fd, err, failed = 0;

	if (!keys)
		return -ENOMEM;
	n = history_keys(of, keys);
	for (i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(of->ra_history, &keys[i], &h) || !h.ours)
			continue;
		h.name[BDI_NAME_LEN - 1] = '\0';
		fd = bdi_open(h.name, h.sysfs_ino);
		if (fd < 0)
			continue; /* it has left, and files on it are read no more */
		err = bdi_read_kb(fd, &kb);
		close(fd);
		if (err)
			continue;
		err = fn(keys[i], h.name, kb, arg);
		failed = failed ? failed : err;
	}
	free(keys);
	return failed;
}

struct returning {
	const struct open_files *of;
	const struct maps *maps;
	struct open_counts *counts;
};

static int return_ours(__u64 bdi_id, const char *name, unsigned int ra_kb, void *arg)
{
	struct returning *r = arg;
	struct open_query q;

	(void)name;
	open_query_bdi(&q, r->maps, bdi_id, ra_kb);
	q.flags = OPEN_QUERY_OURS;
	return open_files_rearm(r->of, &q, r->counts, NULL);
}

int open_files_return(const struct open_files *of, const struct maps *maps,
		      struct open_counts *counts)
{
	struct returning r = {.of = of, .maps = maps, .counts = counts};

	open_files_forget_own(of);
	return open_files_each_ours(of, return_ours, &r);
}

void open_files_return_all(const char *pin_dir, const struct maps *maps, FILE *report)
{
	struct open_counts counts = {};
	struct config config;
	struct open_files of;
	char line[512];
	int err;

	if (maps_get_config(maps, &config))
		return;
	config_effective(&config, &config);
	if (config.open_files != SWITCH_ON)
		return;
	err = open_files_open(pin_dir, &of);
	if (!err)
		err = open_files_return(&of, maps, &counts);
	if (err && err != -ENOENT && report)
		fprintf(report, "open files could not be looked through: %s\n", strerror(-err));
	if (report && open_counts_text(&counts, line, sizeof(line)))
		fprintf(report, "%s\n", line);
	open_files_close(&of);
}

/* --- for people ----------------------------------------------------------------------------- */

bool open_counts_text(const struct open_counts *counts, char *line, size_t size)
{
	size_t used = 0;
	int n;

	if (size)
		line[0] = '\0';
	n = snprintf(line, size, "open files: %llu re-armed", (unsigned long long)counts->rearmed);
	used = n < 0 ? 0 : (size_t)n;
#define ALSO(name, word)                                               \
	if (counts->name && used < size) {                             \
		n = snprintf(line + used, size - used, ", %llu " word, \
			     (unsigned long long)counts->name);        \
		used += n < 0 ? 0 : (size_t)n;                         \
	}
	ALSO(random, "random by their program's wish")
	ALSO(sequential, "sequential by their program's wish")
	ALSO(noreuse, "read once by their program's wish")
	ALSO(ambiguous, "ambiguous")
	ALSO(foreign, "with a value unknown")
	ALSO(excluded, "excluded")
	ALSO(own_value, "with a value of their own")
	ALSO(denied, "denied")
	ALSO(gone, "closed meanwhile")
	ALSO(refused, "failed")
#undef ALSO
	return counts->rearmed || counts->denied || counts->refused;
}

int open_counts_get(const struct open_files *of, __u64 bdi_id, struct open_counts *counts)
{
	return bpf_map_lookup_elem(of->open_counts, &bdi_id, counts);
}
