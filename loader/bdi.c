// SPDX-License-Identifier: GPL-2.0-only
/* Backing devices in sysfs: their readahead, their identity, their names. */
#include "bdi.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

const char *bdi_class_dir = "/sys/class/bdi";
const char *bdi_sysfs_dir = "/sys";
const char *bdi_mountinfo = "/proc/self/mountinfo";

/* 0 or -ENAMETOOLONG */
__attribute__((format(printf, 2, 3))) static int path_format(char path[PATH_MAX],
							     const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(path, PATH_MAX, format, args);
	va_end(args);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* One directory entry's name and no path out of the class directory. */
static bool name_is_sound(const char *name)
{
	size_t len = strnlen(name, BDI_NAME_LEN);

	return len && len < BDI_NAME_LEN && name[0] != '.' && !strchr(name, '/');
}

/* A descriptor of the bdi's directory (O_PATH) or -errno. */
static int open_directory(const char *name)
{
	char path[PATH_MAX];
	int fd;

	if (!name_is_sound(name))
		return -ENODEV;
	if (path_format(path, "%s/%s", bdi_class_dir, name))
		return -ENAMETOOLONG;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int bdi_open(const char *name, __u64 sysfs_ino)
{
	struct stat st;
	int dir, fd;

	dir = open_directory(name);
	if (dir == -ENOENT || dir == -ENOTDIR)
		return -ENODEV;
	if (dir < 0)
		return dir;
	/* The descriptor pins the directory that is checked: a new one of that name is another. */
	if (fstat(dir, &st)) {
		fd = -errno;
	} else if (sysfs_ino && st.st_ino != sysfs_ino) {
		fd = -ENODEV;
	} else {
		fd = openat(dir, "read_ahead_kb", O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			fd = errno == ENOENT ? -ENODEV : -errno;
	}
	close(dir);
	return fd;
}

int bdi_read_kb(int fd, unsigned int *ra_kb)
{
	unsigned long kb;
	char text[32], *end;
	ssize_t n;

	n = pread(fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (text[0] < '0' || text[0] > '9')
		return -EBADMSG;
	errno = 0;
	kb = strtoul(text, &end, 10);
	if (errno || kb > UINT_MAX || (*end && *end != '\n'))
		return -EBADMSG;
	*ra_kb = (unsigned int)kb;
	return 0;
}

int bdi_write_kb(int fd, unsigned int ra_kb, unsigned int *in_effect)
{
	char text[16];
	ssize_t n;
	int len;

	len = snprintf(text, sizeof(text), "%u\n", ra_kb);
	if (len < 0 || (size_t)len >= sizeof(text))
		return -EINVAL;
	n = pwrite(fd, text, (size_t)len, 0);
	if (n < 0)
		return -errno;
	if (n != len)
		return -EIO;
	return bdi_read_kb(fd, in_effect);
}

__u64 bdi_sysfs_ino(const char *name)
{
	struct stat st;
	__u64 ino = 0;
	int dir;

	dir = open_directory(name);
	if (dir < 0)
		return 0;
	if (!fstat(dir, &st))
		ino = st.st_ino;
	close(dir);
	return ino;
}

/* Copies a bdi's name if such a bdi exists. 0 or -ENODEV. */
static int take_name(const char *from, char name[BDI_NAME_LEN])
{
	if (!name_is_sound(from) || !bdi_sysfs_ino(from))
		return -ENODEV;
	memset(name, 0, BDI_NAME_LEN);
	snprintf(name, BDI_NAME_LEN, "%s", from);
	return 0;
}

int bdi_parse_dev(const char *text, unsigned int *major_nr, unsigned int *minor_nr)
{
	unsigned long a, b;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	a = strtoul(text, &end, 10);
	if (errno || a > UINT_MAX || *end != ':' || end[1] < '0' || end[1] > '9')
		return -EINVAL;
	b = strtoul(end + 1, &end, 10);
	if (errno || b > UINT_MAX || *end)
		return -EINVAL;
	*major_nr = (unsigned int)a;
	*minor_nr = (unsigned int)b;
	return 0;
}

/* Reads a sysfs attribute "MAJ:MIN". 0 or -errno. */
static int read_dev(const char *path, unsigned int *major_nr, unsigned int *minor_nr)
{
	char text[32];
	ssize_t n;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return bdi_parse_dev(text, major_nr, minor_nr);
}

/* The bdi of a block device: a partition's is that of the whole disk. 0, -ENODEV, -errno. */
static int disk_bdi(unsigned int major_nr, unsigned int minor_nr, char name[BDI_NAME_LEN])
{
	char path[PATH_MAX], dev[32];
	int err;

	if (path_format(path, "%s/dev/block/%u:%u/partition", bdi_sysfs_dir, major_nr, minor_nr))
		return -ENAMETOOLONG;
	if (!access(path, F_OK)) {
		/* ".." of what the link points to is the disk. */
		if (path_format(path, "%s/dev/block/%u:%u/../dev", bdi_sysfs_dir, major_nr,
				minor_nr))
			return -ENAMETOOLONG;
		err = read_dev(path, &major_nr, &minor_nr);
		if (err)
			return err == -ENOENT ? -ENODEV : err;
	}
	snprintf(dev, sizeof(dev), "%u:%u", major_nr, minor_nr);
	return take_name(dev, name);
}

/* Undoes "\040" and its like in place. */
static void unescape(char *text)
{
	char *out = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' &&
		    text[2] <= '7' && text[3] >= '0' && text[3] <= '7') {
			*out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 +
					(text[3] - '0'));
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* "36 35 98:0 /root /point opts [tag]... - fstype source super": false if it is not that. */
static bool parse_mount(char *line, struct bdi_mount *m)
{
	char *field, *save = NULL, *dev = NULL;
	int i;

	memset(m, 0, sizeof(*m));
	for (i = 0, field = strtok_r(line, " \n", &save); field;
	     i++, field = strtok_r(NULL, " \n", &save)) {
		if (i == 0)
			m->id = strtoull(field, NULL, 10);
		else if (i == 2)
			dev = field;
		else if (i == 4)
			m->point = field;
		else if (i == 5)
			m->options = field;
		else if (i >= 6 && !strcmp(field, "-"))
			break;
	}
	if (!field)
		return false;
	m->fstype = strtok_r(NULL, " \n", &save);
	m->source = strtok_r(NULL, " \n", &save);
	if (!m->fstype || !m->source || !dev || !m->point)
		return false;
	unescape(m->point);
	unescape(m->source);
	return !bdi_parse_dev(dev, &m->major_nr, &m->minor_nr);
}

/* Does the btrfs file system of this sysfs directory use the block device @rdev? */
bool bdi_btrfs_has_device(const char *uuid, dev_t rdev)
{
	unsigned int major_nr = 0, minor_nr = 0;
	char path[PATH_MAX];
	struct dirent *d;
	bool found = false;
	DIR *dir;

	if (path_format(path, "%s/fs/btrfs/%s/devices", bdi_sysfs_dir, uuid))
		return false;
	dir = opendir(path);
	if (!dir)
		return false; /* "features" and the like */
	while (!found && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		if (path_format(path, "%s/fs/btrfs/%s/devices/%s/dev", bdi_sysfs_dir, uuid,
				d->d_name) ||
		    read_dev(path, &major_nr, &minor_nr))
			continue;
		found = major(rdev) == major_nr && minor(rdev) == minor_nr;
	}
	closedir(dir);
	return found;
}

/* "btrfs-N" of the file system on the block device @source. */
static int btrfs_bdi(const char *source, char name[BDI_NAME_LEN])
{
	char path[PATH_MAX], target[PATH_MAX], *base;
	int err = -ENODEV;
	struct dirent *d;
	struct stat st;
	ssize_t n;
	DIR *dir;

	if (stat(source, &st) || !S_ISBLK(st.st_mode))
		return -ENODEV;
	if (path_format(path, "%s/fs/btrfs", bdi_sysfs_dir))
		return -ENAMETOOLONG;
	dir = opendir(path);
	if (!dir)
		return -ENODEV;
	while (err == -ENODEV && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || !bdi_btrfs_has_device(d->d_name, st.st_rdev))
			continue;
		if (path_format(path, "%s/fs/btrfs/%s/bdi", bdi_sysfs_dir, d->d_name)) {
			err = -ENAMETOOLONG;
			break;
		}
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		base = strrchr(target, '/');
		err = take_name(base ? base + 1 : target, name);
	}
	closedir(dir);
	return err;
}

int bdi_of_mount(const struct bdi_mount *m, char name[BDI_NAME_LEN])
{
	char dev[48];

	if (!strcmp(m->fstype, "btrfs"))
		return btrfs_bdi(m->source, name);
	if (!strcmp(m->fstype, "fuseblk")) {
		/* fs/fuse/inode.c: on a block device, yet with a bdi of its own */
		snprintf(dev, sizeof(dev), "%u:%u-fuseblk", m->major_nr, m->minor_nr);
		return take_name(dev, name);
	}
	if (m->major_nr)
		return disk_bdi(m->major_nr, m->minor_nr, name);
	/* NFS, FUSE and others without a disk; overlayfs, tmpfs and proc have no bdi. */
	snprintf(dev, sizeof(dev), "%u:%u", m->major_nr, m->minor_nr);
	return take_name(dev, name) ? -EOPNOTSUPP : 0;
}

static int kept_mounts = -1;

void bdi_keep_mounts(void)
{
	if (kept_mounts < 0)
		kept_mounts = open(bdi_mountinfo, O_RDONLY | O_CLOEXEC);
}

static FILE *open_mounts(void)
{
	FILE *f;
	int fd;

	if (kept_mounts < 0)
		return fopen(bdi_mountinfo, "re");
	/* Read from its begin, it tells of the mounts of now. */
	fd = fcntl(kept_mounts, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	f = lseek(fd, 0, SEEK_SET) ? NULL : fdopen(fd, "r");
	if (!f)
		close(fd);
	return f;
}

int bdi_each_mount(int (*fn)(const struct bdi_mount *, void *), void *arg)
{
	char *line = NULL;
	size_t room = 0;
	struct bdi_mount m;
	int err = 0;
	FILE *f;

	f = open_mounts();
	if (!f)
		return -errno;
	errno = 0;
	while (!err && getline(&line, &room, f) >= 0) {
		if (parse_mount(line, &m))
			err = fn(&m, arg);
	}
	if (!err && ferror(f))
		err = errno ? -errno : -EIO;
	free(line);
	fclose(f);
	return err;
}

struct find_mount {
	const char *point;
	char name[BDI_NAME_LEN];
	int err;
};

static int match_mount(const struct bdi_mount *m, void *arg)
{
	struct find_mount *find = arg;

	/* The last of several on one point covers the others: go on. */
	if (!strcmp(m->point, find->point))
		find->err = bdi_of_mount(m, find->name);
	return 0;
}

static int mount_point_bdi(const char *directory, char name[BDI_NAME_LEN])
{
	struct find_mount find = {.err = -ENODEV};
	char point[PATH_MAX];
	int err;

	if (!realpath(directory, point))
		return errno == ENOENT ? -ENODEV : -errno;
	find.point = point;
	err = bdi_each_mount(match_mount, &find);
	if (err)
		return err;
	if (!find.err)
		memcpy(name, find.name, BDI_NAME_LEN);
	return find.err;
}

int bdi_resolve(const char *device, char name[BDI_NAME_LEN])
{
	unsigned int major_nr = 0, minor_nr = 0;
	char path[PATH_MAX];
	struct stat st;
	int err;

	if (strchr(device, '/')) {
		if (stat(device, &st))
			return errno == ENOENT || errno == ENOTDIR ? -ENODEV : -errno;
		if (S_ISBLK(st.st_mode))
			return disk_bdi(major(st.st_rdev), minor(st.st_rdev), name);
		return S_ISDIR(st.st_mode) ? mount_point_bdi(device, name) : -ENODEV;
	}
	if (!take_name(device, name))
		return 0;
	if (!bdi_parse_dev(device, &major_nr, &minor_nr))
		return disk_bdi(major_nr, minor_nr, name);
	if (!*device || device[0] == '.')
		return -ENODEV;
	if (path_format(path, "%s/class/block/%s/dev", bdi_sysfs_dir, device))
		return -ENAMETOOLONG;
	err = read_dev(path, &major_nr, &minor_nr);
	if (err)
		return err == -ENOENT ? -ENODEV : err;
	return disk_bdi(major_nr, minor_nr, name);
}

struct collect {
	char (*names)[BDI_NAME_LEN];
	size_t count, max;
};

static int collect_mount(const struct bdi_mount *m, void *arg)
{
	struct collect *c = arg;
	char name[BDI_NAME_LEN];
	size_t i;

	if (bdi_of_mount(m, name))
		return 0; /* no bdi: proc, tmpfs, overlay */
	for (i = 0; i < c->count; i++) {
		if (!strcmp(c->names[i], name))
			return 0;
	}
	if (c->count < c->max)
		memcpy(c->names[c->count++], name, BDI_NAME_LEN);
	return 0;
}

int bdi_mounted(char (*names)[BDI_NAME_LEN], size_t max)
{
	struct collect c = {.names = names, .max = max};
	int err;

	err = bdi_each_mount(collect_mount, &c);
	return err ? err : (int)c.count;
}

struct of_name {
	const char *name;
	int (*fn)(const struct bdi_mount *, void *);
	void *arg;
};

static int pass_on(const struct bdi_mount *m, void *arg)
{
	const struct of_name *of = arg;
	char name[BDI_NAME_LEN];

	return bdi_of_mount(m, name) || strcmp(name, of->name) != 0 ? 0 : of->fn(m, of->arg);
}

int bdi_each_mount_of(const char *name, int (*fn)(const struct bdi_mount *, void *), void *arg)
{
	struct of_name of = {.name = name, .fn = fn, .arg = arg};

	return bdi_each_mount(pass_on, &of);
}

struct find_point {
	const char *name;
	char *buffer;
	size_t size;
};

static int first_mount_of(const struct bdi_mount *m, void *arg)
{
	struct find_point *find = arg;
	char name[BDI_NAME_LEN];

	if (bdi_of_mount(m, name) || strcmp(name, find->name) != 0)
		return 0;
	snprintf(find->buffer, find->size, "%s (%s)", name, m->point);
	return 1;
}

void bdi_display_name(const char *name, char *buffer, size_t size)
{
	struct find_point find = {.name = name, .buffer = buffer, .size = size};
	char path[PATH_MAX], target[PATH_MAX], *base;
	unsigned int major_nr, minor_nr;
	ssize_t n;

	snprintf(buffer, size, "%.*s", BDI_NAME_LEN - 1, name);
	if (!bdi_parse_dev(name, &major_nr, &minor_nr) && major_nr) {
		if (path_format(path, "%s/dev/block/%u:%u", bdi_sysfs_dir, major_nr, minor_nr))
			return;
		n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			return;
		target[n] = '\0';
		base = strrchr(target, '/');
		snprintf(buffer, size, "%s", base ? base + 1 : target);
		return;
	}
	/* No disk's name: the mount says more. Without /proc the bdi's own name must do. */
	bdi_each_mount(first_mount_of, &find);
}
