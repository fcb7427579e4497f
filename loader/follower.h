/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Open files follow, off the helper's back. The helper itself cannot do it:
 * its Landlock domain forbids pidfd_getfd(), a walk would hold up decisions,
 * and the capability has no business there. A child process does it, forked
 * before the helper gives up its privileges; it can do little else
 * (privileges.h), and it ends when the helper does.
 */
#ifndef BPFAHEAD_FOLLOWER_H
#define BPFAHEAD_FOLLOWER_H

#include "apply.h"
#include "open_files.h"

struct follower;

enum { FOLLOWER_WARNING = 4, FOLLOWER_INFO = 6 }; /* levels of sd-daemon(3) */

/*
 * follower_start - fork the process
 * @pin_dir, @maps: as the helper has them; not owned
 * @say: for lines of a log, called in the child; levels as in sd-daemon(3)
 * Switched off, there is no process; the history of values is kept all the same. NULL with errno
 * set: ENOENT (not loaded), EXDEV (not in the initial pid namespace), or another.
 */
struct follower *follower_start(const char *pin_dir, const struct maps *maps,
				void (*say)(int level, const char *line));

/* Lets it know of each change that @a makes. 0 or -ENOSPC. */
int follower_listen(struct follower *f, struct applier *a);

/*
 * follower_ask - open files of @bdi_id are to have what the bdi has now, @ra_kb
 * @name: the bdi's, for the log
 * @flags: OPEN_QUERY_OURS: only those with a value that we wrote; or 0
 * Does not wait. 0, -ECANCELED (switched off), or -errno; an order that finds no room is
 * remembered and given with the next one of that bdi.
 */
int follower_ask(struct follower *f, __u64 bdi_id, const char *name, unsigned int ra_kb,
		 __u32 flags);

/*
 * follower_file - the open descriptors of one file copy the bdi's value of now, @ra_kb
 * @counts: what became of them; may be NULL
 * For the time of this call the bdi has a value that is meant for this file: it must be in the
 * history before it is written (ra_history_add()). Files that carry a value outside the history,
 * or asked for something themselves, are left alone as ever. Waits up to @timeout_ms.
 * 0, -ETIMEDOUT, or -errno.
 */
int follower_file(struct follower *f, __u64 bdi_id, const struct file_key *key, unsigned int ra_kb,
		  int timeout_ms, struct open_counts *counts);

/* Our values are taken back from all open files. Waits for it, up to @timeout_ms. 0 or -errno. */
int follower_return(struct follower *f, int timeout_ms);

/* The helper's own descriptors of the pins, for the history. */
const struct open_files *follower_files(const struct follower *f);

/* Ends the process. NULL is fine. */
void follower_stop(struct follower *f);

#endif
