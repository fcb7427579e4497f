/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Backing devices in sysfs. A bdi is named by its directory below
 * /sys/class/bdi and identified by that directory's inode number, which is the
 * kernfs id that the kernel program reads from bdi->dev: never the same again
 * for another device, unlike the name "7:0".
 */
#ifndef BPFAHEAD_BDI_H
#define BPFAHEAD_BDI_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../bpf/abi.h"

/* /sys/class/bdi; tests set another directory. Read once at start. */
extern const char *bdi_class_dir;
extern const char *bdi_sysfs_dir; /* /sys, for dev/block, class/block and fs/btrfs */
extern const char *bdi_mountinfo; /* /proc/self/mountinfo */

/*
 * bdi_open - open read_ahead_kb of the bdi @name if it still is @sysfs_ino
 * @sysfs_ino: 0 accepts whatever has the name now
 * Returns a descriptor (O_RDWR | O_CLOEXEC), -ENODEV if it is gone or is another device,
 * or -errno (EACCES, EROFS).
 */
int bdi_open(const char *name, __u64 sysfs_ino);

int bdi_read_kb(int fd, unsigned int *ra_kb); /* 0 or -errno */

/*
 * bdi_write_kb - write a readahead and read it back
 * @in_effect: what the kernel made of it (whole pages)
 * One write(2); a short write is -EIO. Returns 0 or -errno; ENODEV: the device is gone.
 */
int bdi_write_kb(int fd, unsigned int ra_kb, unsigned int *in_effect);

/* Inode number of /sys/class/bdi/NAME/, 0 if there is none. */
__u64 bdi_sysfs_ino(const char *name);

/*
 * bdi_resolve - the bdi name behind what a person types
 * @device: "sda", "sda1", "/dev/sda1", "8:1", "259:0", a bdi name as it is ("btrfs-1", "0:52"),
 *          or a mount point (absolute path of one)
 * Partitions give the whole disk; a btrfs or FUSE or NFS mount gives its own bdi.
 * Returns 0, -ENODEV, -EOPNOTSUPP for a mount that has none (overlayfs, tmpfs), or -errno.
 */
int bdi_resolve(const char *device, char name[BDI_NAME_LEN]);

/* "8:1" and nothing behind it. 0 or -EINVAL. */
int bdi_parse_dev(const char *text, unsigned int *major_nr, unsigned int *minor_nr);

/* Names of the bdis that mounted file systems use, each once. Returns their count or -errno. */
int bdi_mounted(char (*names)[BDI_NAME_LEN], size_t max);

/* A short name for people: "sda", "loop0", "btrfs-1 (/mnt)", else the bdi name itself. */
void bdi_display_name(const char *name, char *buffer, size_t size);

/* A line of mountinfo; strings live until the callback returns. */
struct bdi_mount {
	unsigned long long id; /* statx's stx_mnt_id */
	unsigned int major_nr, minor_nr;
	const char *options; /* of the mount: "rw,noatime" */
	char *point, *fstype, *source;
};

/* Calls fn for each mount until it returns non-zero, which is returned; or -errno. */
int bdi_each_mount(int (*fn)(const struct bdi_mount *, void *), void *arg);
/* The same for mounts whose files are read through the bdi @name. */
int bdi_each_mount_of(const char *name, int (*fn)(const struct bdi_mount *, void *), void *arg);

/* 0, -ENODEV, or -EOPNOTSUPP: it has none (overlayfs, tmpfs). */
int bdi_of_mount(const struct bdi_mount *m, char name[BDI_NAME_LEN]);

/* Is the block device @rdev one of those of the btrfs file system @uuid, as sysfs writes it? */
bool bdi_btrfs_has_device(const char *uuid, dev_t rdev);

/* Keeps mountinfo open, for a process that will not be allowed to open it. */
void bdi_keep_mounts(void);

#endif
