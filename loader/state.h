/* SPDX-License-Identifier: GPL-2.0-only */
/* The state directory: what is to outlive a boot. Root's alone, since root believes it. */
#ifndef BPFAHEAD_STATE_H
#define BPFAHEAD_STATE_H

#include <stddef.h>

#define BPFAHEAD_STATE_DIR "/var/lib/bpfahead"

/* $BPFAHEAD_STATE_DIR, else BPFAHEAD_STATE_DIR: the default of --state-dir. */
const char *state_dir_default(void);

/*
 * state_dir_make - the directory @dir is there and nobody else's
 * Makes it with mode 0700 where it is not there; its parent must be. Returns 0, -EPERM if another
 * user owns it or may write into it, -ENOTDIR, or -errno (EROFS, ENOENT, ENOSPC).
 */
int state_dir_make(const char *dir);

/* @dir/@name into @path; 0 or -ENAMETOOLONG. */
int state_path(char *path, size_t size, const char *dir, const char *name);

#endif
