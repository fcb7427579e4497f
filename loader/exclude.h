/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes whose open files are left alone: by name, and by cgroup (version 2). */
#ifndef BPFAHEAD_EXCLUDE_H
#define BPFAHEAD_EXCLUDE_H

#include "open_files.h"

/* The key for a process name, at most 15 bytes. 0 or -EINVAL. */
int exclude_comm_key(const char *name, struct open_exclusion *key);

/*
 * exclude_cgroup_key - the key for a cgroup and all that are below it
 * @path: its directory, absolute; shorter than OPEN_PATH_LEN
 * 0, -EINVAL (too long or not absolute), -EMEDIUMTYPE (not a cgroup of version 2), or -errno.
 */
int exclude_cgroup_key(const char *path, struct open_exclusion *key);

/* Puts @key, with what is to be shown for a cgroup. 0, -E2BIG (OPEN_EXCLUDED_MAX), or -errno. */
int exclude_put(const struct open_files *of, const struct open_exclusion *key, const char *path);

/*
 * exclude_find - the key under which a name, or the cgroup that was put with this path, is listed
 * @comm: else NULL; @path: else NULL. A cgroup may be gone by now.
 * 0 or -ENOENT.
 */
int exclude_find(const struct open_files *of, const char *comm, const char *path,
		 struct open_exclusion *key);
int exclude_drop(const struct open_files *of, const struct open_exclusion *key); /* 0 or -errno */

/* Calls @fn with name or path, the other one NULL. 0 or -errno. */
int exclude_each(const struct open_files *of,
		 void (*fn)(const char *comm, const char *path, void *), void *arg);

#endif
