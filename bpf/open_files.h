/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Open files: a struct file copies its bdi's ra_pages when it is opened and
 * keeps the copy. What the iterator `open_files` is asked and answers, and
 * which files may be given the new value, for the kernel program and for user
 * space alike.
 */
#ifndef BPFAHEAD_OPEN_FILES_H
#define BPFAHEAD_OPEN_FILES_H

#include "abi.h"

/* include/linux/fs.h; FMODE_NOREUSE since 6.3, before that nobody sets the bit */
#define OPEN_MODE_READ (1U << 0)
#define OPEN_MODE_RANDOM (1U << 12)
#define OPEN_MODE_NOREUSE (1U << 23)

#define RA_VALUES_MAX 16
#define RA_HISTORY_MAX 256 /* bdis; those that have left make room */

/*
 * Map `ra_history`, keyed by bdi id: values that this bdi has had with our
 * knowledge, in pages, newest first. An open file that carries one of them got
 * it from the bdi; nothing else is known about any other number.
 */
struct ra_history {
	__u64 sysfs_ino;
	char name[BDI_NAME_LEN];
	__u32 nr_values;
	__u32 ours; /* bit i: values[i] was written by us; clear: the administrator's */
	__u32 values[RA_VALUES_MAX];
};
_Static_assert(sizeof(struct ra_history) == 112, "map value");

enum open_verdict {
	OPEN_STALE = 0,      /* carries a former value of its bdi: to be re-armed */
	OPEN_CURRENT = 1,    /* has what it should have */
	OPEN_RANDOM = 2,     /* POSIX_FADV_RANDOM */
	OPEN_NOREUSE = 3,    /* POSIX_FADV_NOREUSE, which POSIX_FADV_NORMAL would clear */
	OPEN_SEQUENTIAL = 4, /* twice a value: POSIX_FADV_SEQUENTIAL */
	OPEN_AMBIGUOUS = 5,  /* a value, and twice another one */
	OPEN_FOREIGN = 6,    /* a number that the bdi's history does not explain */
	OPEN_EXCLUDED = 7,   /* the process's name or cgroup is on the list */
	OPEN_OWN_VALUE = 8,  /* has a value of its own: map `file_values` of abi.h */
	NR_OPEN_VERDICTS = 9,
};

/* 1 if equal, else 0, without a branch: the verifier would follow both ways of each of them. */
static inline __u32 open_equal(__u32 a, __u32 b)
{
	return (__u32)(((__u64)(a ^ b) - 1) >> 63);
}

/* May a file with @ra_pages be given @now? @h as read from the map: nothing in it is trusted. */
static inline enum open_verdict open_verdict(const struct ra_history *h, __u32 now, __u32 ra_pages,
					     __u32 f_mode, int ours_only)
{
	__u32 i, in, bit, known = 0, twice = 0, ours = ours_only ? h->ours : ~0U;
	__u64 nr_values = h->nr_values;

	for (i = 0; i < RA_VALUES_MAX; i++) {
		in = (__u32)((i - nr_values) >> 63); /* 1 as long as i < nr_values */
		bit = ours >> i & 1;
		known |= in & bit & open_equal(ra_pages, h->values[i]);
		twice |= in & open_equal(ra_pages, 2 * h->values[i]);
	}
	/* The bdi's own value of now may not be in its history: somebody else's. */
	twice |= open_equal(ra_pages, 2 * now);
	if (ra_pages == now)
		return OPEN_CURRENT;
	if (f_mode & OPEN_MODE_RANDOM)
		return OPEN_RANDOM;
	if (f_mode & OPEN_MODE_NOREUSE)
		return OPEN_NOREUSE;
	if (!ra_pages)
		return OPEN_FOREIGN;
	if (known)
		return twice ? OPEN_AMBIGUOUS : OPEN_STALE;
	return twice ? OPEN_SEQUENTIAL : OPEN_FOREIGN;
}

#define OPEN_QUERY_FILE (1U << 0)   /* only the file `key` */
#define OPEN_QUERY_TARGET (1U << 1) /* compare with ra_pages, not with what the bdi has now */
#define OPEN_QUERY_OURS (1U << 2)   /* only files with a value that we wrote */
#define OPEN_QUERY_ALL (1U << 3)    /* a record for each file of the bdi, whatever the verdict */

#define OPEN_RDEVS_MAX 16

/*
 * Map `open_queries`, keyed by the reader's process id: what a read of the
 * iterator gives. Without an entry it gives nothing.
 */
struct open_query {
	__u64 bdi_id;
	struct file_key key;
	__u32 flags;
	__u32 ra_pages; /* OPEN_QUERY_TARGET; for the nodes of block devices always needed */
	__u32 nr_rdevs; /* disk and partitions: their nodes are open files, too */
	__u32 rdevs[OPEN_RDEVS_MAX];
	__u32 pad;
	__u64 visited;                 /* descriptors seen: counted by the program */
	__u64 count[NR_OPEN_VERDICTS]; /* of this bdi, open for reading */
};
_Static_assert(sizeof(struct open_query) == 184, "map value");

#define OPEN_QUERIES_MAX 8 /* readers at the same time */

#define OPEN_FILE_OVERLAY (1U << 0) /* ino, s_dev, ra_pages, f_mode: of the file behind it */
#define OPEN_FD_NONE 0xffffffffU    /* a mapping */

/* What a read of the iterator gives: so many of these in a row. */
struct open_file {
	__u64 file; /* tells descriptors of the same struct file while it is open */
	__u64 ino;
	__u64 cgroup_id; /* cgroup v2 */
	__u32 pid;       /* in the initial pid namespace */
	__u32 tgid;
	__u32 fd;
	__u32 ra_pages;
	__u32 f_mode;
	__u32 s_dev;
	__u32 rdev; /* the node of a block device, else 0 */
	__u16 verdict;
	__u16 flags;
	char comm[16];
};
_Static_assert(sizeof(struct open_file) == 72, "record");

/* Map `open_excluded`: a process is left alone if its name or a cgroup above it is a key. */
struct open_exclusion {
	__u64 cgroup_id; /* 0: by name */
	char comm[16];   /* NUL-padded; empty: by cgroup */
};
#define OPEN_EXCLUDED_MAX 64
#define OPEN_PATH_LEN 128 /* the value: the cgroup's path as it was given, for showing */
#define CGROUP_DEPTH_MAX 16

/* What became of stale files, per bdi: map `open_counts`, keyed by bdi id; 0: of all bdis. */
#define OPEN_COUNT_LIST(X)                                          \
	X(passes, "searches for open files")                        \
	X(rearmed, "open files given the new value")                \
	X(random, "left alone: POSIX_FADV_RANDOM")                  \
	X(noreuse, "left alone: POSIX_FADV_NOREUSE")                \
	X(sequential, "left alone: POSIX_FADV_SEQUENTIAL")          \
	X(ambiguous, "left alone: may be POSIX_FADV_SEQUENTIAL")    \
	X(foreign, "left alone: a value that the device never had") \
	X(excluded, "left alone: process or cgroup excluded")       \
	X(own_value, "left alone: a value of their own")            \
	X(denied, "refused by the host's policy")                   \
	X(gone, "closed or exited meanwhile")                       \
	X(refused, "could not be re-armed")

struct open_counts {
#define X(name, text) __u64 name;
	OPEN_COUNT_LIST(X)
#undef X
};

/* Maps of open_files.bpf.o; pinned beside those of MAP_LIST, but nobody's duty to have. */
#define OPEN_MAP_LIST(X) \
	X(open_queries)  \
	X(ra_history)    \
	X(open_excluded) \
	X(file_values)   \
	X(open_counts)

#endif /* BPFAHEAD_OPEN_FILES_H */
