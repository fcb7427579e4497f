/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Open files follow a change of their bdi's readahead. An open file keeps the
 * value that it copied when it was opened; posix_fadvise(POSIX_FADV_NORMAL) on
 * a descriptor of it makes it copy the bdi's value anew, and pidfd_getfd(2)
 * gives us such a descriptor. Which files are to be re-armed the iterator of
 * bpf/open_files.bpf.c tells.
 */
#ifndef BPFAHEAD_LOADER_OPEN_FILES_H
#define BPFAHEAD_LOADER_OPEN_FILES_H

#include <stdbool.h>
#include <stdio.h>

#include "../bpf/open_files.h"
#include "maps.h"

/* The pins of open_files.bpf.o. */
struct open_files {
#define X(name) int name;
	OPEN_MAP_LIST(X)
#undef X
	int iterator; /* the link: each bpf_iter_create() on it is a walk over all descriptors */
	int mappings; /* likewise, over all mappings */
};

/*
 * open_files_open - open what is pinned in @pin_dir
 * @of: descriptors, -1 where not open; call open_files_close() in any case
 * Returns 0, -ENOENT (not loaded: open files do not follow), -EPROTO (another layout) or -errno.
 */
int open_files_open(const char *pin_dir, struct open_files *of);
void open_files_close(struct open_files *of);

/* Name of the pin of a map, in the order of OPEN_MAP_LIST; NULL behind the last. */
const char *open_map_pin_name(unsigned int i);

/* KB as pages of this kernel. */
__u32 kb_to_pages(unsigned int kb);

/* --- history: the values that an open file can have from its bdi --------------------------- */

/* Puts a value first; the oldest one makes room. What we wrote once stays ours. */
void ra_history_put(struct ra_history *h, __u32 pages, bool ours);

/*
 * ra_history_add - remember a value of a bdi, before it is written to it
 * @ours: written by us, so that files which carry it are to lose it when the original comes back
 * 0 or -errno. Bdis that have left make room.
 */
int ra_history_add(const struct open_files *of, __u64 bdi_id, const char *name, __u64 sysfs_ino,
		   unsigned int ra_kb, bool ours);

/* --- walking -------------------------------------------------------------------------------- */

/* A query for files of a bdi whose value is @ra_kb now; add flags, s_dev and ino as needed. */
void open_query_bdi(struct open_query *q, const struct maps *maps, __u64 bdi_id,
		    unsigned int ra_kb);

/*
 * open_files_each - call @fn for the open files that @q asks for
 * @fn: gets @n records that one read gave; non-zero ends the walk and is returned
 * @q: on return with the counts of the walk
 * 0 or -errno.
 */
int open_files_each(const struct open_files *of, struct open_query *q,
		    int (*fn)(const struct open_file *files, size_t n, void *arg), void *arg);

/* What the open files of one bdi have now, as struct files: descriptors that share one count once.
 */
struct open_census {
	unsigned long files[NR_OPEN_VERDICTS];
	unsigned long mapped[NR_OPEN_VERDICTS]; /* by a mapping alone: no descriptor is left */
};

/* Two walks, of about a millisecond on a small host. 0 or -errno. */
int open_files_census(const struct open_files *of, const struct maps *maps, __u64 bdi_id,
		      unsigned int ra_kb, struct open_census *census);

/* "current", "stale", ...; never NULL */
const char *open_verdict_name(unsigned int verdict);

/* --- re-arming ------------------------------------------------------------------------------ */

/* The first refusal that the host's policy gave. */
struct open_denial {
	int error; /* 0: none */
	__u32 pid;
	char comm[16];
};

/*
 * Work is done in slices of at most so much, with a rest behind each: a host with 100,000 open
 * files has its processors to itself most of the time.
 */
#define REARM_SLICE_NS 5000000ULL
#define REARM_REST_NS 5000000ULL

/*
 * open_files_rearm - give the stale files that @q asks for their bdi's value of now
 * @counts: what became of them is added here and to the map `open_counts`
 * @denial: filled if it is empty and somebody refuses; may be NULL
 * Needs CAP_SYS_PTRACE, and no Landlock domain. 0 or -errno of the walk; a file that cannot be
 * re-armed is only counted.
 */
int open_files_rearm(const struct open_files *of, struct open_query *q, struct open_counts *counts,
		     struct open_denial *denial);

/*
 * open_files_each_ours - call @fn for each bdi that has had a value of ours and is there
 * @fn: gets what the bdi has now
 * Goes on after a failure. 0 or the first -errno.
 */
int open_files_each_ours(const struct open_files *of,
			 int (*fn)(__u64 bdi_id, const char *name, unsigned int ra_kb, void *arg),
			 void *arg);

/*
 * open_files_return - take our values back from open files, originals being in place again
 * Looks at each bdi of the history. 0 or -errno.
 */
int open_files_return(const struct open_files *of, const struct maps *maps,
		      struct open_counts *counts);

/* No file has a value of its own any more: for those who return all of them. */
void open_files_forget_own(const struct open_files *of);

/* The same by the pin directory, for commands; does nothing where it is off or not loaded. */
void open_files_return_all(const char *pin_dir, const struct maps *maps, FILE *report);

/* "3 open files follow; left alone: 1 ..." into @line; false if there is nothing to say. */
bool open_counts_text(const struct open_counts *counts, char *line, size_t size);

/* Sums of a bdi, or of all with bdi id 0. 0 or -errno; -ENOENT: nothing yet. */
int open_counts_get(const struct open_files *of, __u64 bdi_id, struct open_counts *counts);

#endif
