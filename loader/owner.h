/* SPDX-License-Identifier: GPL-2.0-only */
/* One owner: an exclusive flock on the pin directory, held while something applies decisions. */
#ifndef BPFAHEAD_OWNER_H
#define BPFAHEAD_OWNER_H

#include <sys/types.h>

/*
 * Returns a descriptor that holds the lock until closed; -EBUSY if another
 * process holds it; -ENOENT if nothing is pinned; -errno.
 */
int owner_lock(const char *pin_dir);

/* Is @pin_dir on a bpf file system (statfs f_type of it or its nearest existing parent)? */
int owner_check_bpffs(const char *pin_dir, const char **why);

#endif
