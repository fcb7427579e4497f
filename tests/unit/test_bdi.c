// SPDX-License-Identifier: GPL-2.0-only
/* Backing devices: identity, reading and writing, and who is behind a name. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "loader/bdi.h"

static char root[64];
static char class_dir[128], sysfs_dir[128], mountinfo[128];

/* Formats into a buffer that the next call but three reuses. */
__attribute__((format(printf, 1, 2))) static const char *at(const char *format, ...)
{
	static char paths[4][256];
	static unsigned int next;
	char *path = paths[next++ % 4];
	va_list args;
	int used;

	used = snprintf(path, sizeof(paths[0]), "%s/", root);
	va_start(args, format);
	vsnprintf(path + used, sizeof(paths[0]) - (size_t)used, format, args);
	va_end(args);
	return path;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void make_directory(const char *path)
{
	assert_true(!mkdir(path, 0700) || errno == EEXIST);
}

static void make_bdi(const char *name, const char *kb)
{
	make_directory(at("bdi/%s", name));
	put(at("bdi/%s/read_ahead_kb", name), kb);
}

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/test_bdi.XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(class_dir, sizeof(class_dir), "%s/bdi", root);
	snprintf(sysfs_dir, sizeof(sysfs_dir), "%s/sys", root);
	snprintf(mountinfo, sizeof(mountinfo), "%s/mountinfo", root);
	bdi_class_dir = class_dir;
	bdi_sysfs_dir = sysfs_dir;
	bdi_mountinfo = mountinfo;
	make_directory(class_dir);
	make_directory(sysfs_dir);
	make_directory(at("sys/dev"));
	make_directory(at("sys/dev/block"));
	make_directory(at("sys/class"));
	make_directory(at("sys/class/block"));
	make_directory(at("sys/fs"));
	make_directory(at("sys/fs/btrfs"));
	make_directory(at("sys/disks"));
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf -- '%s'", root);
	return system(command) ? -1 : 0;
}

/* A disk of the fake sysfs with one partition, the whole linked as the kernel does. */
static void make_disk(const char *disk, unsigned int major_nr, unsigned int minor_nr)
{
	char dev[32];

	make_directory(at("sys/disks/%s", disk));
	make_directory(at("sys/disks/%s/%s1", disk, disk));
	snprintf(dev, sizeof(dev), "%u:%u\n", major_nr, minor_nr);
	put(at("sys/disks/%s/dev", disk), dev);
	snprintf(dev, sizeof(dev), "%u:%u\n", major_nr, minor_nr + 1);
	put(at("sys/disks/%s/%s1/dev", disk, disk), dev);
	put(at("sys/disks/%s/%s1/partition", disk, disk), "1\n");
	assert_int_equal(symlink(at("sys/disks/%s", disk),
				 at("sys/dev/block/%u:%u", major_nr, minor_nr)),
			 0);
	assert_int_equal(symlink(at("sys/disks/%s/%s1", disk, disk),
				 at("sys/dev/block/%u:%u", major_nr, minor_nr + 1)),
			 0);
	assert_int_equal(symlink(at("sys/disks/%s", disk), at("sys/class/block/%s", disk)), 0);
	assert_int_equal(
		symlink(at("sys/disks/%s/%s1", disk, disk), at("sys/class/block/%s1", disk)), 0);
	snprintf(dev, sizeof(dev), "%u:%u", major_nr, minor_nr);
	make_bdi(dev, "128\n");
}

static void identity_is_the_inode(void **state)
{
	__u64 ino;
	int fd;

	(void)state;
	make_bdi("7:0", "128\n");
	ino = bdi_sysfs_ino("7:0");
	assert_true(ino != 0);
	fd = bdi_open("7:0", ino);
	assert_true(fd >= 0);
	close(fd);
	fd = bdi_open("7:0", 0);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(bdi_open("7:0", ino + 1), -ENODEV);
	/* Another device under the old name. */
	assert_int_equal(rename(at("bdi/7:0"), at("bdi/old")), 0);
	assert_int_equal(bdi_open("7:0", ino), -ENODEV);
	make_bdi("7:0", "128\n");
	assert_int_equal(bdi_open("7:0", ino), -ENODEV);
	assert_int_equal(bdi_sysfs_ino("7:1"), 0);
}

static void names_stay_in_their_directory(void **state)
{
	static const char *const bad[] = {"",     ".",
					  "..",   "../bdi/7:0",
					  "7:0/", "/",
					  "x/y",  "0123456789012345678901234567890123456789"};
	size_t i;

	(void)state;
	make_bdi("7:0", "128\n");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(bdi_open(bad[i], 0), -ENODEV);
		assert_int_equal(bdi_sysfs_ino(bad[i]), 0);
	}
}

static void numbers_are_read_as_numbers(void **state)
{
	static const struct {
		const char *text;
		int err;
		unsigned int kb;
	} cases[] = {
		{"128\n", 0, 128},         {"0\n", 0, 0},
		{"4194304\n", 0, 4194304}, {"16", 0, 16},
		{"", -EBADMSG, 77},        {"\n", -EBADMSG, 77},
		{"-1\n", -EBADMSG, 77},    {"12x\n", -EBADMSG, 77},
		{" 12\n", -EBADMSG, 77},   {"99999999999999999999\n", -EBADMSG, 77},
	};
	unsigned int kb;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_bdi("7:0", cases[i].text);
		fd = bdi_open("7:0", 0);
		assert_true(fd >= 0);
		kb = 77; /* stays on failure */
		assert_int_equal(bdi_read_kb(fd, &kb), cases[i].err);
		assert_int_equal(kb, cases[i].kb);
		close(fd);
	}
}

static void what_is_written_is_read_back(void **state)
{
	unsigned int in_effect = 0;
	int fd;

	(void)state;
	make_bdi("7:0", "2048\n");
	fd = bdi_open("7:0", 0);
	assert_true(fd >= 0);
	assert_int_equal(bdi_write_kb(fd, 16, &in_effect), 0);
	assert_int_equal(in_effect, 16);
	assert_int_equal(bdi_write_kb(fd, 1280, &in_effect), 0);
	assert_int_equal(in_effect, 1280);
	close(fd);
	fd = open(at("bdi/7:0/read_ahead_kb"), O_RDONLY | O_CLOEXEC);
	in_effect = 7;
	assert_int_equal(bdi_write_kb(fd, 64, &in_effect), -EBADF);
	assert_int_equal(in_effect, 7);
	close(fd);
	if (!access("/dev/full", W_OK)) {
		fd = open("/dev/full", O_RDWR | O_CLOEXEC);
		assert_int_equal(bdi_write_kb(fd, 64, &in_effect), -ENOSPC);
		close(fd);
	}
}

static void disks_and_partitions(void **state)
{
	static const char *const same[] = {"vdx", "vdx1", "250:16", "250:17"};
	char name[BDI_NAME_LEN];
	size_t i;

	(void)state;
	make_disk("vdx", 250, 16);
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		memset(name, 'x', sizeof(name));
		assert_int_equal(bdi_resolve(same[i], name), 0);
		assert_string_equal(name, "250:16");
	}
	make_bdi("btrfs-1", "4096\n");
	make_bdi("0:52", "128\n");
	assert_int_equal(bdi_resolve("btrfs-1", name), 0);
	assert_string_equal(name, "btrfs-1");
	assert_int_equal(bdi_resolve("0:52", name), 0);
	assert_string_equal(name, "0:52");
	assert_int_equal(bdi_resolve("vdy", name), -ENODEV);
	assert_int_equal(bdi_resolve("250:99", name), -ENODEV);
	assert_int_equal(bdi_resolve("", name), -ENODEV);
	assert_int_equal(bdi_resolve("..", name), -ENODEV);
	assert_int_equal(bdi_resolve("/dev/there-is-no-such", name), -ENODEV);
	assert_int_equal(bdi_resolve("/dev/null", name), -ENODEV);
	assert_string_equal(name, "0:52"); /* untouched by failures */
}

static void mounts(void **state)
{
	char text[2048], names[16][BDI_NAME_LEN], name[BDI_NAME_LEN], one[BDI_NAME_LEN];
	int n, i, fuse = 0, nfs = 0, disk = 0;

	(void)state;
	make_disk("vdx", 250, 16);
	make_bdi("0:70", "128\n"); /* NFS */
	make_bdi("250:17-fuseblk", "128\n");
	make_directory(at("a b"));
	make_directory(at("nfs"));
	make_directory(at("over"));
	make_directory(at("merged"));
	make_directory(at("plain"));
	snprintf(text, sizeof(text),
		 "20 1 250:17 / %s/a\\040b rw shared:1 master:2 - ext4 /dev/vdx1 rw\n"
		 "21 1 250:16 / %s/other rw - xfs /dev/vdx rw\n"
		 "22 1 0:70 / %s/nfs rw - nfs4 host:/x\\134y rw\n"
		 "23 1 0:5 / /proc rw - proc proc rw\n"
		 "24 1 0:99 / %s/over rw - overlay overlay rw\n"
		 "25 1 0:70 / %s/over rw - nfs4 host:/y rw\n"
		 "26 1 250:17 / %s/ntfs rw - fuseblk /dev/vdx1 rw\n"
		 "28 1 0:99 / %s/merged rw - overlay overlay rw\n"
		 "broken line\n"
		 "27 1 x:y / /z rw - ext4 /dev/vdx rw\n",
		 root, root, root, root, root, root, root);
	put(mountinfo, text);
	n = bdi_mounted(names, 16);
	assert_int_equal(n, 3);
	for (i = 0; i < n; i++) {
		fuse += !strcmp(names[i], "250:17-fuseblk");
		nfs += !strcmp(names[i], "0:70");
		disk += !strcmp(names[i], "250:16");
	}
	assert_int_equal(fuse, 1);
	assert_int_equal(nfs, 1);
	assert_int_equal(disk, 1);
	assert_int_equal(bdi_mounted(&one, 1), 1);
	assert_int_equal(bdi_resolve(at("nfs"), name), 0);
	assert_string_equal(name, "0:70");
	/* The mount on top counts. */
	assert_int_equal(bdi_resolve(at("over"), name), 0);
	assert_string_equal(name, "0:70");
	assert_int_equal(bdi_resolve(at("plain"), name), -ENODEV);
	assert_int_equal(bdi_resolve(at("merged"), name), -EOPNOTSUPP);
	assert_int_equal(bdi_resolve(at("a b"), name), 0);
	assert_string_equal(name, "250:16");
	bdi_display_name("250:16", text, sizeof(text));
	assert_string_equal(text, "vdx");
	bdi_display_name("0:70", text, sizeof(text));
	assert_true(!strncmp(text, "0:70 (/tmp/", 11) && strstr(text, "/nfs)"));
	unlink(mountinfo);
	assert_int_equal(bdi_mounted(names, 16), -ENOENT);
	bdi_display_name("0:70", text, sizeof(text));
	assert_string_equal(text, "0:70");
}

/* A btrfs mount has an anonymous device number; its bdi is found by the disk it is on. */
static void btrfs_by_its_device(void **state)
{
	char text[512], name[BDI_NAME_LEN], dev[32];
	struct stat st;
	const char *node = at("node");

	(void)state;
	if (mknod(node, S_IFBLK | 0600, makedev(7, 255))) {
		print_message("# skip: mknod of a block device: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(stat(node, &st), 0);
	make_bdi("btrfs-3", "4096\n");
	make_directory(at("sys/fs/btrfs/features"));
	make_directory(at("sys/fs/btrfs/1111"));
	make_directory(at("sys/fs/btrfs/1111/devices"));
	make_directory(at("sys/fs/btrfs/2222"));
	make_directory(at("sys/fs/btrfs/2222/devices"));
	make_directory(at("sys/fs/btrfs/2222/devices/loopx"));
	snprintf(dev, sizeof(dev), "%u:%u\n", major(st.st_rdev), minor(st.st_rdev));
	put(at("sys/fs/btrfs/2222/devices/loopx/dev"), dev);
	assert_int_equal(
		symlink("../../../../devices/virtual/bdi/btrfs-3", at("sys/fs/btrfs/2222/bdi")), 0);
	make_directory(at("mnt"));
	snprintf(text, sizeof(text), "20 1 0:44 /@ %s/mnt rw - btrfs %s rw,subvol=/@\n", root,
		 at("node"));
	put(mountinfo, text);
	assert_int_equal(bdi_resolve(at("mnt"), name), 0);
	assert_string_equal(name, "btrfs-3");
	bdi_display_name("btrfs-3", text, sizeof(text));
	snprintf(dev, sizeof(dev), "btrfs-3 (/tmp");
	assert_int_equal(strncmp(text, dev, strlen(dev)), 0);
}

/* What this host has: every bdi can be opened by its identity. */
static void the_real_ones(void **state)
{
	char names[64][BDI_NAME_LEN];
	unsigned int kb;
	int i, n, fd, opened = 0;

	(void)state;
	bdi_class_dir = "/sys/class/bdi";
	bdi_sysfs_dir = "/sys";
	bdi_mountinfo = "/proc/self/mountinfo";
	n = bdi_mounted(names, 64);
	if (n <= 0) {
		print_message("# skip: no mounted file system has a bdi here\n");
		skip();
	}
	for (i = 0; i < n; i++) {
		fd = bdi_open(names[i], bdi_sysfs_ino(names[i]));
		if (fd == -EACCES || fd == -EROFS)
			continue;
		assert_true(fd >= 0);
		assert_int_equal(bdi_read_kb(fd, &kb), 0);
		opened++;
		close(fd);
	}
	if (!opened) {
		print_message("# skip: read_ahead_kb cannot be opened for writing here\n");
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(identity_is_the_inode, setup, teardown),
		cmocka_unit_test_setup_teardown(names_stay_in_their_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_are_read_as_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_written_is_read_back, setup, teardown),
		cmocka_unit_test_setup_teardown(disks_and_partitions, setup, teardown),
		cmocka_unit_test_setup_teardown(mounts, setup, teardown),
		cmocka_unit_test_setup_teardown(btrfs_by_its_device, setup, teardown),
		cmocka_unit_test_setup_teardown(the_real_ones, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
