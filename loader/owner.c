// SPDX-License-Identifier: GPL-2.0-only
/*
 * One owner: an exclusive flock on the pin directory. The kernel drops it with
 * the last descriptor, so a dead owner leaves no stale lock behind: pins
 * without a holder are free to be adopted.
 */
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

int owner_lock(const char *pin_dir)
{
	int fd, err;

	fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	return err;
}

int owner_check_bpffs(const char *pin_dir, const char **why)
{
	char path[PATH_MAX];
	struct statfs fs;
	char *slash;
	int n;

	n = snprintf(path, sizeof(path), "%s", pin_dir);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		*why = "the pin directory's path is too long";
		return -ENAMETOOLONG;
	}
	while (statfs(path, &fs)) {
		int err = errno;

		slash = strrchr(path, '/');
		if (err != ENOENT || !slash) {
			/* bpf_lookup() in kernel/bpf/inode.c refuses names with a dot. */
			*why = err == ENOENT ? "the pin directory must be an absolute path" :
			       err == EPERM  ? "a pin directory's name takes no dots" :
					       "the pin directory cannot be reached";
			return -err;
		}
		if (slash == path)
			slash++; /* "/x" -> "/" */
		if (!*slash) {
			*why = "the pin directory cannot be reached";
			return -err;
		}
		*slash = '\0';
	}
	if ((unsigned int)fs.f_type != BPF_FS_MAGIC) {
		*why = "the pin directory is not on a bpf file system: "
		       "mount -t bpf bpf /sys/fs/bpf";
		return -EINVAL;
	}
	return 0;
}
