// SPDX-License-Identifier: GPL-2.0-only
/* Rows that follow their devices: identities on a made-up sysfs, files with rubbish in them, the
 * map. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "loader/bdi.h"
#include "loader/device_rows.h"

static char root[64];
static char class_dir[128], sysfs_dir[128], mountinfo[128], state_dir[128];

/* Formats into a buffer that the next call but three reuses. */
__attribute__((format(printf, 1, 2))) static const char *at(const char *format, ...)
{
	static char paths[4][512];
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

/* With all the directories above it. */
static void put(const char *path, const char *text)
{
	char above[512], *slash;
	int fd;

	snprintf(above, sizeof(above), "%s", path);
	for (slash = strchr(above + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(!mkdir(above, 0700) || errno == EEXIST);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/test_device_rows.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(class_dir, sizeof(class_dir), "%s/bdi", root);
	snprintf(sysfs_dir, sizeof(sysfs_dir), "%s/sys", root);
	snprintf(mountinfo, sizeof(mountinfo), "%s/mountinfo", root);
	snprintf(state_dir, sizeof(state_dir), "%s/state", root);
	bdi_class_dir = class_dir;
	bdi_sysfs_dir = sysfs_dir;
	bdi_mountinfo = mountinfo;
	put(at("mountinfo"), "");
	put(at("state/devices/.keep"), "");
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command); /* NOLINT(cert-env33-c): a path of this test */
}

static const __u8 uuid[FS_UUID_LEN] = {0xde, 0xad, 0xbe, 0xef, 1, 2,  3,  4,
				       5,    6,    7,    8,    9, 10, 11, 12};
#define UUID_TEXT "fs-uuid:deadbeef-0102-0304-0506-0708090a0b0c"
static const __u8 no_uuid[FS_UUID_LEN];

/* --- identities ---------------------------------------------------------------------------------
 */

static void test_identity_of_disks(void **state)
{
	struct identities found;

	(void)state;
	put(at("sys/dev/block/8:0/device/wwid"), "naa.5000c500a1b2c3d4\n");
	put(at("sys/dev/block/8:0/device/serial"), "S1\n");
	assert_int_equal(identities_find("8:0", uuid, &found), 2);
	assert_string_equal(found.text[0], "wwid:naa.5000c500a1b2c3d4");
	assert_string_equal(found.text[1], UUID_TEXT);

	put(at("sys/dev/block/259:1/wwid"), "eui.0025385b71b00001\n");
	put(at("sys/dev/block/259:1/device/serial"), "of all namespaces\n");
	assert_int_equal(identities_find("259:1", no_uuid, &found), 1);
	assert_string_equal(found.text[0], "wwid:eui.0025385b71b00001");

	put(at("sys/dev/block/253:0/dm/uuid"), "LVM-abc\n");
	identities_find("253:0", NULL, &found);
	assert_string_equal(found.text[0], "dm-uuid:LVM-abc");

	put(at("sys/dev/block/9:0/md/uuid"), "1234-5678\n");
	identities_find("9:0", NULL, &found);
	assert_string_equal(found.text[0], "md-uuid:1234-5678");

	/* virtio-blk: blanks around it, an odd byte in it */
	put(at("sys/dev/block/254:0/serial"), "  disk 7; = \n");
	assert_int_equal(identities_find("254:0", uuid, &found), 2);
	assert_string_equal(found.text[0], "serial:disk%207%3B%20=");

	put(at("sys/dev/block/179:0/device/serial"), "0xcafe\n");
	identities_find("179:0", NULL, &found);
	assert_string_equal(found.text[0], "serial:0xcafe");
}

static void test_loop_device_is_its_file_system(void **state)
{
	struct identities found;

	(void)state;
	put(at("sys/dev/block/7:0/serial"), "\n");
	assert_int_equal(identities_find("7:0", uuid, &found), 1);
	assert_string_equal(found.text[0], UUID_TEXT);
	assert_int_equal(identities_find("7:0", no_uuid, &found), 0);
	assert_int_equal(identities_find("7:0", NULL, &found), 0);
}

static void test_identity_without_a_disk(void **state)
{
	struct identities found;

	(void)state;
	put(at("bdi/0:52/read_ahead_kb"), "128\n");
	put(at("bdi/0:53/read_ahead_kb"), "128\n");
	put(at("bdi/btrfs-3/read_ahead_kb"), "4096\n");
	put(at("mountinfo"), "40 1 0:52 / /nfs rw - nfs4 server:/export/a\\040b rw\n"
			     "41 1 0:53 / /fuse rw - fuse.sshfs me@host:/home rw\n");
	identities_find("0:52", no_uuid, &found);
	assert_int_equal(found.nr, 1);
	assert_string_equal(found.text[0], "nfs:server:/export/a%20b");
	identities_find("0:53", NULL, &found);
	assert_string_equal(found.text[0], "fuse:fuse.sshfs=me@host:/home");

	put(at("sys/fs/btrfs/0a0b/x"), "");
	put(at("sys/fs/btrfs/0c0d/x"), "");
	assert_int_equal(symlink("../../../bdi/btrfs-2", at("sys/fs/btrfs/0a0b/bdi")), 0);
	assert_int_equal(symlink("../../../bdi/btrfs-3", at("sys/fs/btrfs/0c0d/bdi")), 0);
	identities_find("btrfs-3", no_uuid, &found);
	assert_int_equal(found.nr, 1);
	assert_string_equal(found.text[0], "fs-uuid:0c0d");
}

static void test_identity_that_is_too_long(void **state)
{
	struct identities a = {0}, b = {0};
	char text[600];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	identities_add(&a, "nfs", text);
	text[550] = 'b';
	identities_add(&b, "nfs", text);
	assert_true(strlen(a.text[0]) < IDENTITY_LEN);
	assert_int_equal(identities_match(&a, &b), 0); /* the hash of all of it tells them apart */
	text[550] = 'a';
	identities_add(&b, "nfs", text);
	assert_int_equal(b.nr, 2);
	assert_true(identities_match(&a, &b) > 0);
}

static void test_best_common_kind_decides(void **state)
{
	struct identities disk = {0}, copy = {0}, old_kernel = {0}, other = {0}, many = {0};
	char text[16];
	unsigned int i;

	(void)state;
	identities_add_uuid(&disk, uuid);
	identities_add(&disk, "wwid", "A");
	assert_string_equal(disk.text[0], "wwid:A"); /* the best first, whatever came first */
	identities_add(&copy, "wwid", "B");
	identities_add_uuid(&copy, uuid);
	identities_add_uuid(&old_kernel, uuid);
	identities_add(&other, "serial", "A");
	assert_int_equal(identities_match(&disk, &copy), 0);
	assert_true(identities_match(&disk, &disk) < identities_match(&disk, &old_kernel));
	assert_true(identities_match(&disk, &old_kernel) > 0);
	assert_int_equal(identities_match(&disk, &other), 0);
	identities_add(&disk, "wwid", "A");
	identities_add(&disk, "serial", "");
	assert_int_equal(disk.nr, 2);
	for (i = 0; i < IDENTITIES_MAX + 4; i++) {
		snprintf(text, sizeof(text), "%u", i);
		identities_add(&many, "fs-uuid", text);
	}
	identities_add(&many, "wwid", "last"); /* makes room: it is the better one */
	assert_int_equal(many.nr, IDENTITIES_MAX);
	assert_string_equal(many.text[0], "wwid:last");
}

/* --- the file ------------------------------------------------------------------------------------
 */

#define SOUND                                                                             \
	"# a comment\n[device]\nversion = 1\nidentity = wwid:A\nidentity = fs-uuid:1\n"   \
	"label = a disk\n[calibration]\ndate = 2026-01-02T03:04:05Z\noriginal_kb = 128\n" \
	"[policy]\nsequential = 512 never-lower\npages = 16\nobjects = 0 none\n"          \
	"[curve.scan]\n16 = what ever\n"

static int parse(const char *text, struct device_row *row, struct row_fault *why)
{
	return device_row_parse(text, strlen(text), "FILE", row, why);
}

static void test_sound_file(void **state)
{
	struct device_row row;
	struct row_fault why;

	(void)state;
	assert_int_equal(parse(SOUND, &row, &why), 0);
	assert_int_equal(row.identities.nr, 2);
	assert_string_equal(row.label, "a disk");
	assert_string_equal(row.date, "2026-01-02T03:04:05Z");
	assert_int_equal(row.original_kb, 128);
	assert_int_equal(row.classes,
			 1U << CLASS_SEQUENTIAL | 1U << CLASS_PAGES | 1U << CLASS_OBJECTS);
	assert_int_equal(row.row.ra_kb[CLASS_SEQUENTIAL], 512);
	assert_int_equal(row.row.clamp[CLASS_SEQUENTIAL], CLAMP_NEVER_LOWER);
	assert_int_equal(row.row.ra_kb[CLASS_PAGES], 16);
	assert_int_equal(row.row.clamp[CLASS_PAGES], CLAMP_NONE);
	assert_int_equal(row.row.ra_kb[CLASS_OBJECTS], 0);
}

#define HEAD "[device]\nversion = 1\nidentity = wwid:A\n"

static void test_broken_files(void **state)
{
	static const struct {
		const char *text, *complaint;
	} broken[] = {
		{"", "FILE: version is missing"},
		{"[device]\nversion = 2\n", "FILE:2: not a version"},
		{"[device]\nidentity = wwid:A\n[policy]\npages = 16\n", "FILE: version is missing"},
		{"[device]\nversion = 1\n[policy]\npages = 16\n", "FILE: identity is missing"},
		{HEAD, "FILE: [policy] is missing"},
		{HEAD "identity = sda\n", "FILE:4: no identity"},
		{HEAD "identity = wwid:\n", "FILE:4: no identity"},
		{HEAD "identity = wwid:a b\n", "FILE:4: no identity"},
		{HEAD "identity = name:sda\n", "FILE:4: no identity"},
		{HEAD "colour = red\n", "FILE:4: no such key"},
		{HEAD "[policy]\npages\n", "FILE:5: neither"},
		{HEAD "[policy\npages = 16\n", "FILE:4: neither"},
		{HEAD "[policy]\npage = 16\n", "FILE:5: no such class"},
		{HEAD "[policy]\npages = 16\npages = 32\n", "FILE:6: a class for the second"},
		{HEAD "[policy]\npages = 3\n", "FILE:5: KB out of range"},
		{HEAD "[policy]\npages = -16\n", "FILE:5: KB out of range"},
		{HEAD "[policy]\npages = 99999999999999999999\n", "FILE:5: KB out of range"},
		{HEAD "[policy]\npages = 65537\n", "FILE:5: KB out of range"},
		{HEAD "[policy]\npages = 0x10\n", "FILE:5: no clamp"},
		{HEAD "[policy]\npages = 16 sometimes\n", "FILE:5: no clamp"},
		{HEAD "[calibration]\noriginal_kb = many\n", "FILE:5: no number"},
		{HEAD "[colours]\nsky = blue\n", "FILE:5: no such section"},
		{"pages = 16\n", "FILE:1: no such section"},
		{HEAD "[curve.scan]\n16 = \033[2J\n", "FILE:5: a byte that is no text"},
	};
	struct device_row row, untouched;
	struct row_fault why;
	size_t i;

	(void)state;
	memset(&row, 0x5a, sizeof(row));
	untouched = row;
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		assert_int_equal(parse(broken[i].text, &row, &why), -EBADMSG);
		if (strncmp(why.text, broken[i].complaint, strlen(broken[i].complaint)))
			fail_msg("%zu: '%s' is not '%s'", i, why.text, broken[i].complaint);
		assert_memory_equal(&row, &untouched, sizeof(row));
	}
}

static void test_long_lines_and_files(void **state)
{
	static char text[DEVICE_FILE_MAX + 64];
	struct device_row row;
	struct row_fault why;

	(void)state;
	/* inih would take it for two. */
	strcpy(text, SOUND);
	memset(text + strlen(SOUND), 'a', 250);
	text[strlen(SOUND) + 250] = '\0';
	assert_int_equal(parse(text, &row, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "FILE:16: a line that is too long"));
	memset(text, '\n', sizeof(text) - 1);
	memcpy(text, SOUND, strlen(SOUND));
	assert_int_equal(parse(text, &row, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "larger than"));
	/* A NUL in the middle hides the rest from inih. */
	memcpy(text, SOUND, sizeof(SOUND));
	assert_int_equal(device_row_parse(text, sizeof(SOUND) + 5, "FILE", &row, &why), -EBADMSG);
}

static void make_row(struct device_row *row, const char *kind, const char *text, const char *date,
		     unsigned int pages_kb)
{
	memset(row, 0, sizeof(*row));
	identities_add(&row->identities, kind, text);
	snprintf(row->date, sizeof(row->date), "%s", date);
	row->classes = 1U << CLASS_PAGES;
	row->row.ra_kb[CLASS_PAGES] = pages_kb;
}

static void count_refused(const struct row_fault *why, void *arg)
{
	char *last = arg;

	assert_non_null(strstr(why->text, "/state/devices/"));
	snprintf(last, sizeof(why->text), "%s", why->text);
}

static void test_stored_and_found(void **state)
{
	struct device_row row, found;
	struct identities who = {0};
	struct row_fault why = {""};
	char path[PATH_MAX], last[sizeof(why.text)] = "";
	struct stat st;

	(void)state;
	identities_add(&who, "nfs", "server:/a b");
	assert_int_equal(device_row_find(state_dir, &who, &found, NULL, NULL), -ENOENT);
	make_row(&row, "nfs", "server:/a b", "2026-01-01T00:00:00Z", 16);
	assert_int_equal(device_row_store(state_dir, &row, "[curve.scan]\n16 = 1\n", path, &why),
			 0);
	assert_non_null(strstr(path, "/devices/nfs:server:%2Fa%20b.conf"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(device_row_find(state_dir, &who, &found, NULL, NULL), 0);
	assert_int_equal(found.row.ra_kb[CLASS_PAGES], 16);
	assert_string_equal(found.date, "2026-01-01T00:00:00Z");

	/* Measured anew: in the same file. */
	make_row(&row, "nfs", "server:/a b", "2026-01-02T00:00:00Z", 32);
	assert_int_equal(device_row_store(state_dir, &row, NULL, path, &why), 0);
	assert_int_equal(device_row_find(state_dir, &who, &found, NULL, NULL), 0);
	assert_int_equal(found.row.ra_kb[CLASS_PAGES], 32);

	/* Others' files, broken ones, and none at all beside it do no harm. */
	put(at("state/devices/broken.conf"), "[policy]\nnonsense\n");
	put(at("state/devices/other.txt"), "nonsense");
	assert_int_equal(symlink("/etc/passwd", at("state/devices/link.conf")), 0);
	assert_int_equal(device_row_find(state_dir, &who, &found, count_refused, last), 0);
	assert_int_equal(found.row.ra_kb[CLASS_PAGES], 32);
	assert_true(last[0]);
	unlink(at("state/devices/link.conf"));

	/* What anybody may write is not believed. */
	unlink(at("state/devices/broken.conf"));
	last[0] = '\0';
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(device_row_find(state_dir, &who, &found, count_refused, last), -ENOENT);
	assert_non_null(strstr(last, "its owner alone"));
	assert_int_equal(chmod(path, 0600), 0);
	unlink(path);
}

static void test_better_kind_and_later_date_win(void **state)
{
	struct device_row row, found;
	struct row_fault why = {""};
	struct identities who = {0};
	char path[3][PATH_MAX];

	(void)state;
	identities_add(&who, "wwid", "W");
	identities_add(&who, "serial", "S");
	identities_add_uuid(&who, uuid);
	make_row(&row, "fs-uuid", UUID_TEXT + strlen("fs-uuid:"), "2026-03-01", 64);
	assert_int_equal(device_row_store(state_dir, &row, NULL, path[0], &why), 0);
	assert_int_equal(device_row_find(state_dir, &who, &found, NULL, NULL), 0);
	assert_int_equal(found.row.ra_kb[CLASS_PAGES], 64);
	make_row(&row, "serial", "S", "2026-01-01", 32);
	assert_int_equal(device_row_store(state_dir, &row, NULL, path[1], &why), 0);
	assert_int_equal(device_row_find(state_dir, &who, &found, NULL, NULL), 0);
	assert_int_equal(found.row.ra_kb[CLASS_PAGES], 32);
	/* Known by the same serial, and of a later date, in another file. */
	make_row(&row, "serial", "S", "2026-02-01", 128);
	identities_add(&row.identities, "md-uuid", "M");
	assert_int_equal(device_row_store(state_dir, &row, NULL, path[2], &why), 0);
	assert_string_not_equal(path[1], path[2]);
	assert_int_equal(device_row_find(state_dir, &who, &found, NULL, NULL), 0);
	assert_int_equal(found.row.ra_kb[CLASS_PAGES], 128);
	unlink(path[0]);
	unlink(path[1]);
	unlink(path[2]);
}

static void test_store_that_fails(void **state)
{
	struct row_fault why = {""};
	char path[PATH_MAX], line[256];
	struct device_row row, found;

	(void)state;
	make_row(&row, "wwid", "F", "2026-01-01", 16);
	assert_int_equal(device_row_store("/proc/self", &row, NULL, path, &why), -ENOENT);
	assert_int_equal(device_row_store(at("mountinfo"), &row, NULL, path, &why), -ENOTDIR);
	assert_true(why.text[0]);
	/* What could not be read back is not stored, and what was there stays. */
	assert_int_equal(device_row_store(state_dir, &row, NULL, path, &why), 0);
	memset(line, 'a', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	row.row.ra_kb[CLASS_PAGES] = 64;
	assert_int_equal(device_row_store(state_dir, &row, line, path, &why), -EBADMSG);
	assert_int_equal(device_row_find(state_dir, &row.identities, &found, NULL, NULL), 0);
	assert_int_equal(found.row.ra_kb[CLASS_PAGES], 16);
	unlink(path);
	row.identities.nr = 0;
	assert_int_equal(device_row_store(state_dir, &row, NULL, path, &why), -ENODEV);
}

/* --- the map -------------------------------------------------------------------------------------
 */

static void keep_line(bool trouble, const char *line, void *arg)
{
	snprintf(arg, 400, "%d %s", trouble, line);
}

static void test_put_into_the_map(void **state)
{
	const __u64 standard = DEFAULT_POLICY_ID, known = 7, by_hand = 8, stranger = 9, full = 10;
	struct policy_row row = {.ra_kb = {[CLASS_SEQUENTIAL] = 256, [CLASS_PAGES] = 16},
				 .clamp = {[CLASS_SEQUENTIAL] = CLAMP_NEVER_LOWER}};
	struct maps maps;
	char said[400] = "", path[PATH_MAX];
	struct device_rows rows = {
		.maps = &maps, .state_dir = state_dir, .say = keep_line, .arg = said};
	struct row_fault why = {""};
	struct device_row device;

	(void)state;
	memset(&maps, 0xff, sizeof(maps));
	maps.policy =
		bpf_map_create(BPF_MAP_TYPE_HASH, "policy", sizeof(__u64), sizeof(row), 3, NULL);
	if (maps.policy < 0)
		skip(); /* not root */
	assert_int_equal(bpf_map_update_elem(maps.policy, &standard, &row, BPF_ANY), 0);
	row.ra_kb[CLASS_PAGES] = 99;
	assert_int_equal(bpf_map_update_elem(maps.policy, &by_hand, &row, BPF_ANY), 0);
	make_row(&device, "fs-uuid", UUID_TEXT + strlen("fs-uuid:"), "2026-03-01", 64);
	assert_int_equal(device_row_store(state_dir, &device, NULL, path, &why), 0);

	assert_int_equal(device_rows_appeared(&rows, known, "7:1", uuid), ROW_PUT);
	assert_non_null(strstr(said, "0 7:1: policy as calibrated on 2026-03-01"));
	assert_int_equal(bpf_map_lookup_elem(maps.policy, &known, &row), 0);
	assert_int_equal(row.ra_kb[CLASS_PAGES], 64);
	assert_int_equal(row.ra_kb[CLASS_SEQUENTIAL], 256); /* of the default row */
	assert_int_equal(row.clamp[CLASS_SEQUENTIAL], CLAMP_NEVER_LOWER);
	assert_int_equal(device_row_differs(&device, &row), 0);
	assert_int_equal(device_rows_appeared(&rows, known, "7:1", uuid), ROW_KEPT);

	assert_int_equal(device_rows_appeared(&rows, by_hand, "7:2", uuid), ROW_KEPT);
	assert_int_equal(bpf_map_lookup_elem(maps.policy, &by_hand, &row), 0);
	assert_int_equal(row.ra_kb[CLASS_PAGES], 99);
	assert_int_equal(device_row_differs(&device, &row), 1U << CLASS_PAGES);

	assert_int_equal(device_rows_appeared(&rows, stranger, "7:3", no_uuid), ROW_NONE);
	assert_int_equal(device_rows_appeared(&rows, full, "7:4", uuid), ROW_FAILED);
	assert_int_equal(said[0], '1');
	/* A file that has been damaged is named, and the device has the default. */
	put(path, "[device]\nversion = 1\nidentity = " UUID_TEXT "\n[policy]\npages = lots\n");
	assert_int_equal(device_rows_appeared(&rows, stranger, "7:3", uuid), ROW_NONE);
	assert_non_null(strstr(said, ".conf:5: KB out of range"));
	assert_int_equal(said[0], '1');
	rows.state_dir = NULL;
	assert_int_equal(device_rows_appeared(&rows, stranger, "7:3", uuid), ROW_NONE);
	unlink(path);
	close(maps.policy);
}

/* A map full of rows: of a bdi that is there, of two that are not, of one that nobody knows. */
static void test_rows_of_the_departed_make_room(void **state)
{
	enum { THERE = 11, LEFT = 12, UNKNOWN = 13, UNKNOWN_BY_HAND = 14, NEW = 15, LEFT_TOO = 16 };
	static const __u64 all[] = {DEFAULT_POLICY_ID, THERE, LEFT, UNKNOWN, UNKNOWN_BY_HAND};
	const __u64 new = NEW, late = LEFT_TOO;
	struct policy_row row = {.ra_kb = {[CLASS_PAGES] = 16}}, hand = row;
	struct bdi_state there = {.bdi_id = THERE, .name = "7:11"};
	struct bdi_state left = {.bdi_id = LEFT, .name = "7:12", .sysfs_ino = 4711};
	__u32 slot, i;
	struct maps maps;
	__u64 id;

	(void)state;
	memset(&maps, 0xff, sizeof(maps));
	maps.policy =
		bpf_map_create(BPF_MAP_TYPE_HASH, "policy", sizeof(__u64), sizeof(row), 5, NULL);
	if (maps.policy < 0)
		skip(); /* not root */
	maps.bdi_slots = bpf_map_create(BPF_MAP_TYPE_HASH, "bdi_slots", sizeof(__u64), sizeof(slot),
					8, NULL);
	maps.bdis = bpf_map_create(BPF_MAP_TYPE_ARRAY, "bdis", sizeof(__u32),
				   sizeof(struct bdi_state), 2, NULL);
	assert_true(maps.bdi_slots >= 0 && maps.bdis >= 0);
	put(at("bdi/7:11/read_ahead_kb"), "128\n");
	there.sysfs_ino = bdi_sysfs_ino("7:11");
	assert_true(there.sysfs_ino);
	slot = 0;
	id = THERE;
	assert_int_equal(bpf_map_update_elem(maps.bdi_slots, &id, &slot, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(maps.bdis, &slot, &there, BPF_ANY), 0);
	slot = 1;
	id = LEFT;
	assert_int_equal(bpf_map_update_elem(maps.bdi_slots, &id, &slot, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(maps.bdis, &slot, &left, BPF_ANY), 0);
	hand.clamp[CLASS_PAGES] = CLAMP_BY_HAND;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_int_equal(bpf_map_update_elem(maps.policy, &all[i],
						     all[i] == UNKNOWN_BY_HAND ? &hand : &row,
						     BPF_ANY),
				 0);

	assert_int_equal(maps_put_row(&maps, new, &row, BPF_NOEXIST), 0);
	assert_int_equal(maps_put_row(&maps, new, &row, BPF_NOEXIST), -EEXIST);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_int_equal(!bpf_map_lookup_elem(maps.policy, &all[i], &row),
				 all[i] != LEFT && all[i] != UNKNOWN);
	/* One place is left; then all that is there counts. */
	slot = 0;
	assert_int_equal(bpf_map_update_elem(maps.bdi_slots, &new, &slot, BPF_ANY), 0);
	assert_int_equal(maps_put_row(&maps, late, &hand, BPF_ANY), 0);
	id = 99;
	assert_int_equal(maps_put_row(&maps, id, &row, BPF_ANY), -E2BIG);
	close(maps.policy);
	close(maps.bdi_slots);
	close(maps.bdis);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity_of_disks),
		cmocka_unit_test(test_loop_device_is_its_file_system),
		cmocka_unit_test(test_identity_without_a_disk),
		cmocka_unit_test(test_identity_that_is_too_long),
		cmocka_unit_test(test_best_common_kind_decides),
		cmocka_unit_test(test_sound_file),
		cmocka_unit_test(test_broken_files),
		cmocka_unit_test(test_long_lines_and_files),
		cmocka_unit_test(test_stored_and_found),
		cmocka_unit_test(test_better_kind_and_later_date_win),
		cmocka_unit_test(test_store_that_fails),
		cmocka_unit_test(test_put_into_the_map),
		cmocka_unit_test(test_rows_of_the_departed_make_room),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
