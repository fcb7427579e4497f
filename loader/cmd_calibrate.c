// SPDX-License-Identifier: GPL-2.0-only
/* calibrate: measure a device at each readahead, and keep what follows from it */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "bdi.h"
#include "calibrate.h"
#include "cli.h"
#include "device_rows.h"
#include "names.h"
#include "start.h"

#define DEFAULT_SECONDS 60
#define DEFAULT_BYTES (1ULL << 30)
#define SECONDS_LEAST 2
#define SECONDS_MOST 86400

struct calibration {
	/* asked for */
	const char *where, *svg;
	double seconds;
	unsigned long long bytes;
	bool dry_run;
	/* found out */
	char name[BDI_NAME_LEN]; /* of the bdi */
	char stat_path[64];
	int directory, ra_fd;
	struct identities identities;
	struct calibrate_about about;
	struct calibrate_result result;
	struct calibrate_choice choice[NR_CLASSES];
	bool told; /* a class at least has a measured value */
	/* what is loaded, if anything is */
	struct maps maps;
	bool loaded, had_row;
	__u64 bdi_id; /* 0: unknown to it */
	struct policy_row row_before;
	/* who cleans up if this process cannot */
	struct calibrate_lent *lent;
	pid_t keeper;
	int alive; /* closed when this process ends, however that is */
	/* the progress */
	bool terminal;
	char last[64];
};

enum { KEY_SECONDS = 's', KEY_BYTES = 'b', KEY_DRY_RUN = 'n', KEY_SVG = 0x200 };

static const struct argp_option options[] = {
	{"seconds", KEY_SECONDS, "N", 0, "Take at most so long, writing included (default 60)", 1},
	{"bytes", KEY_BYTES, "SIZE", 0,
	 "Use files of at most so many bytes, with K, M, G (default 1G); never more than a quarter "
	 "of the free space",
	 1},
	{"svg", KEY_SVG, "FILE", 0, "Draw the curves into this file", 1},
	{"dry-run", KEY_DRY_RUN, NULL, 0, "Measure and show; store and change nothing", 1},
	{0},
};

static bool parse_bytes(const char *text, unsigned long long *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	double value;
	char *end;

	errno = 0;
	value = strtod(text, &end);
	unit = *end ? strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end) : NULL;
	if (errno || end == text || !(value > 0) || (*end && (!unit || end[1])))
		return false;
	for (; unit && unit >= units; unit--)
		value *= 1024;
	if (value > 1e15)
		return false;
	*bytes = (unsigned long long)value;
	return true;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct calibration *c = state->input;
	char *end;

	switch (key) {
	case KEY_SECONDS:
		errno = 0;
		c->seconds = strtod(argument, &end);
		if (errno || end == argument || *end ||
		    !(c->seconds >= SECONDS_LEAST && c->seconds <= SECONDS_MOST))
			usage(state, "--seconds wants %d to %d, not '%s'", SECONDS_LEAST,
			      SECONDS_MOST, argument);
		return 0;
	case KEY_BYTES:
		if (!parse_bytes(argument, &c->bytes) || c->bytes < CALIBRATE_BYTES_LEAST)
			usage(state, "--bytes wants a size from %lluM on, not '%s'",
			      CALIBRATE_BYTES_LEAST >> 20, argument);
		return 0;
	case KEY_SVG:
		c->svg = argument;
		return 0;
	case KEY_DRY_RUN:
		c->dry_run = true;
		return 0;
	case ARGP_KEY_ARG:
		if (c->where)
			usage(state, "takes one device or directory, not '%s', too", argument);
		c->where = argument;
		return 0;
	case ARGP_KEY_NO_ARGS:
		usage(state, "which device or directory?");
	}
	return ARGP_ERR_UNKNOWN;
}

/* --- where ------------------------------------------------------------------------------------ */

struct place {
	unsigned long long mount_id; /* or 0 */
	dev_t device;                /* or 0 */
	const char *bdi;             /* or NULL */
	bool found, read_only;
	unsigned long long room;
	char point[PATH_MAX], fstype[32], name[BDI_NAME_LEN];
	int err; /* of the mount that was found */
};

static bool is_on_device(const struct bdi_mount *m, dev_t device)
{
	struct stat st;

	if (makedev(m->major_nr, m->minor_nr) == device)
		return true;
	/* btrfs and fuseblk have a number of their own, and name the disk as their source. */
	return !stat(m->source, &st) && S_ISBLK(st.st_mode) && st.st_rdev == device;
}

static int look_at_mount(const struct bdi_mount *m, void *arg)
{
	struct place *place = arg;
	char name[BDI_NAME_LEN] = "";
	struct statvfs fs;
	bool read_only;
	int err;

	if (place->mount_id ? m->id != place->mount_id :
	    place->device   ? !is_on_device(m, place->device) :
			      bdi_of_mount(m, name) || strcmp(name, place->bdi) != 0)
		return 0;
	if (statvfs(m->point, &fs))
		return 0;
	err = bdi_of_mount(m, name);
	read_only = fs.f_flag & ST_RDONLY;
	/* Of several, one that can be written to, with the most room. */
	if (place->found && (read_only > place->read_only ||
			     (read_only == place->read_only &&
			      (unsigned long long)fs.f_bavail * fs.f_frsize <= place->room)))
		return 0;
	place->found = true;
	place->read_only = read_only;
	place->room = (unsigned long long)fs.f_bavail * fs.f_frsize;
	place->err = err;
	snprintf(place->point, sizeof(place->point), "%s", m->point);
	snprintf(place->fstype, sizeof(place->fstype), "%s", m->fstype);
	memcpy(place->name, name, sizeof(name));
	return 0;
}

/* From what was typed to a directory, and the bdi of what is read there. */
static int find_place(struct calibration *c)
{
	struct place place = {0};
	char bdi[BDI_NAME_LEN];
	bool directory = false;
	struct statx stx;
	struct stat st;
	int status;

	if (!stat(c->where, &st) && S_ISDIR(st.st_mode)) {
		directory = true;
		if (statx(AT_FDCWD, c->where, 0, STATX_MNT_ID, &stx) ||
		    !(stx.stx_mask & STATX_MNT_ID))
			return fail(EXIT_FAILURE, "%s: cannot tell its mount", c->where);
		place.mount_id = stx.stx_mnt_id;
	} else if (strchr(c->where, '/')) {
		if (stat(c->where, &st))
			return fail(EXIT_FAILURE, "%s: %s", c->where, strerror(errno));
		if (!S_ISBLK(st.st_mode))
			return fail(EXIT_FAILURE, "%s: neither a directory nor a block device",
				    c->where);
		place.device = st.st_rdev;
	} else {
		status = need_device(c->where, bdi);
		if (status)
			return status;
		place.bdi = bdi;
	}
	status = bdi_each_mount(look_at_mount, &place);
	if (status < 0)
		return fail(EXIT_FAILURE, "cannot read the mounts: %s", strerror(-status));
	if (place.device && !place.found) { /* a whole disk of which partitions are mounted */
		status = need_device(c->where, bdi);
		if (status)
			return status;
		place.device = 0;
		place.bdi = bdi;
		bdi_each_mount(look_at_mount, &place);
	}
	if (!place.found)
		return fail(EXIT_FAILURE,
			    "%s is not mounted: a file system is needed to make files on; give a "
			    "directory of one",
			    c->where);
	if (place.err)
		return fail(EXIT_FAILURE,
			    "%s (%s) has no readahead of its own: give a directory of what its "
			    "files lie on, for overlayfs the file system of its layers",
			    place.point, place.fstype);
	memcpy(c->name, place.name, sizeof(c->name));
	snprintf(c->about.fstype, sizeof(c->about.fstype), "%s", place.fstype);
	if (!realpath(directory ? c->where : place.point, c->about.directory))
		return fail(EXIT_FAILURE, "%s: %s", c->where, strerror(errno));
	c->directory = open(c->about.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->directory < 0)
		return fail(EXIT_FAILURE, "%s: %s", c->about.directory, strerror(errno));
	return 0;
}

/* The UUID of a directory's file system as the kernel has it: super_block.s_uuid. Zeros: none. */
static void get_fs_uuid(int directory, __u8 uuid[FS_UUID_LEN])
{
	/* include/uapi/linux/fs.h, since 6.9; ext4 alone has had one since 6.0, XFS always */
	struct {
		__u8 len;
		__u8 uuid[FS_UUID_LEN];
	} any;
	struct {
		__u32 len, flags;
		__u8 uuid[FS_UUID_LEN];
	} ext4 = {.len = FS_UUID_LEN};
	struct {
		__u32 sizes[8];
		__u64 blocks[4];
		__u8 uuid[FS_UUID_LEN];
		__u32 rest[8];
	} xfs; /* struct xfs_fsop_geom_v1 */

	memset(uuid, 0, FS_UUID_LEN);
	memset(&any, 0, sizeof(any));
	if (!ioctl(directory, _IOR(0x15, 0, __typeof__(any)), &any) && any.len == FS_UUID_LEN)
		memcpy(uuid, any.uuid, FS_UUID_LEN);
	else if (!ioctl(directory, _IOR('f', 44, __u32[2]), &ext4) && ext4.len == FS_UUID_LEN)
		memcpy(uuid, ext4.uuid, FS_UUID_LEN);
	else if (!ioctl(directory, _IOR('X', 100, __typeof__(xfs)), &xfs))
		memcpy(uuid, xfs.uuid, FS_UUID_LEN);
}

/* Other file systems of the same device make it known again, too. */
static int add_mount_uuid(const struct bdi_mount *m, void *arg)
{
	int fd = open(m->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	__u8 uuid[FS_UUID_LEN];

	if (fd < 0)
		return 0;
	get_fs_uuid(fd, uuid);
	close(fd);
	identities_add_uuid(arg, uuid);
	return 0;
}

/* A loop device that reads its file through the page cache is read at the speed of memory. */
static bool reads_cached_file(const char *name)
{
	char path[128], answer = '1';
	int fd;

	snprintf(path, sizeof(path), "%s/dev/block/%s/loop/dio", bdi_sysfs_dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &answer, 1) != 1)
		answer = '1';
	close(fd);
	return answer == '0';
}

static int find_device(struct calibration *c)
{
	__u8 uuid[FS_UUID_LEN];
	struct utsname kernel;
	unsigned int major_nr, minor_nr;
	time_t now = time(NULL);
	char label[100];
	struct tm utc;
	int err;

	c->ra_fd = bdi_open(c->name, 0);
	if (c->ra_fd < 0)
		return fail(EXIT_FAILURE, "cannot open the readahead of %s: %s", c->name,
			    strerror(-c->ra_fd));
	if (flock(c->ra_fd, LOCK_EX | LOCK_NB))
		return fail(EXIT_BUSY, "another 'bpfahead calibrate' is at work on %s", c->name);
	err = bdi_read_kb(c->ra_fd, &c->about.original_kb);
	if (err)
		return fail(EXIT_FAILURE, "cannot read the readahead of %s: %s", c->name,
			    strerror(-err));
	get_fs_uuid(c->directory, uuid);
	identities_find(c->name, uuid, &c->identities);
	bdi_each_mount_of(c->name, add_mount_uuid, &c->identities);
	bdi_display_name(c->name, label, sizeof(label));
	if (strcmp(label, c->name) != 0)
		snprintf(c->about.device, sizeof(c->about.device), "%s (%s)", label, c->name);
	else
		snprintf(c->about.device, sizeof(c->about.device), "%s", label);
	gmtime_r(&now, &utc);
	strftime(c->about.date, sizeof(c->about.date), "%Y-%m-%dT%H:%M:%SZ", &utc);
	uname(&kernel);
	snprintf(c->about.kernel, sizeof(c->about.kernel), "%s", kernel.release);
	if (!bdi_parse_dev(c->name, &major_nr, &minor_nr) && major_nr)
		snprintf(c->stat_path, sizeof(c->stat_path), "/sys/dev/block/%s/stat", c->name);
	if (reads_cached_file(c->name))
		c->about.warning = "this loop device reads its file through the page cache "
				   "(losetup --direct-io=on): what is measured is memory";
	else if (!strncmp(c->about.fstype, "fuse", 4) || !strncmp(c->about.fstype, "nfs", 3))
		c->about.warning =
			"what the daemon or the server has cached comes from its memory: "
			"only the cache of this host is cold";
	return 0;
}

/* --- what is loaded: nothing is decided about the device meanwhile -----------------------------
 */

struct find_bdi {
	const char *name;
	__u64 sysfs_ino, bdi_id;
};

static int match_bdi(const struct bdi_state *state, void *arg)
{
	struct find_bdi *find = arg;

	if (strcmp(state->name, find->name) || state->sysfs_ino != find->sysfs_ino)
		return 0;
	find->bdi_id = state->bdi_id;
	return 1;
}

/* A few reads, so that the kernel programs know the device and the map has its id. */
static void show_device(const struct calibration *c)
{
	static char page[4096];
	int fd = openat(c->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	unsigned int i;

	if (fd < 0)
		return;
	for (i = 0; i < 4; i++)
		if (pwrite(fd, page, sizeof(page), i * 1048576) < 0)
			break;
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	for (i = 0; i < 4; i++)
		if (pread(fd, page, sizeof(page), i * 1048576) < 0)
			break;
	close(fd);
}

static void find_loaded(struct calibration *c)
{
	struct find_bdi find = {.name = c->name, .sysfs_ino = bdi_sysfs_ino(c->name)};
	struct applied applied;
	const char *why;

	c->loaded = !maps_open(cli.pin_dir, &c->maps, &why);
	if (!c->loaded)
		return;
	if (maps_each_bdi(&c->maps, match_bdi, &find) != 1) {
		show_device(c);
		if (maps_each_bdi(&c->maps, match_bdi, &find) != 1)
			return;
	}
	c->bdi_id = find.bdi_id;
	c->had_row = !bpf_map_lookup_elem(c->maps.policy, &c->bdi_id, &c->row_before);
	if (!bpf_map_lookup_elem(c->maps.applied, &c->bdi_id, &applied) && applied.holds_original)
		c->about.original_kb = applied.original_kb;
}

/*
 * A row of zeros: the class that our own reading is taken for changes nothing, and no value in
 * place for a moment is taken for somebody's. `applied` stays the helper's alone.
 */
static void hold_decisions(const struct calibration *c)
{
	const struct policy_row leave_alone = {0};

	if (c->bdi_id)
		maps_put_row(&c->maps, c->bdi_id, &leave_alone, BPF_ANY);
}

/*
 * As it was: what was set by hand or measured before. What the guard had learned for a class it may
 * have taken back meanwhile; it will learn it again.
 */
static void release_decisions(struct calibration *c)
{
	const struct device_rows rows = {.maps = &c->maps, .state_dir = cli.state_dir};
	const __u64 standard = DEFAULT_POLICY_ID;
	bool learned = false, own = false;
	struct policy_row policy;
	unsigned int id;

	if (!c->bdi_id)
		return;
	if (bpf_map_lookup_elem(c->maps.policy, &standard, &policy))
		memset(&policy, 0, sizeof(policy));
	for (id = 0; c->had_row && id < CLASSES_MAX; id++) {
		if (c->row_before.clamp[id] == CLAMP_LEARNED) {
			learned = true;
			continue;
		}
		own |= policy.ra_kb[id] != c->row_before.ra_kb[id] ||
		       policy.clamp[id] != c->row_before.clamp[id];
		policy.ra_kb[id] = c->row_before.ra_kb[id];
		policy.clamp[id] = c->row_before.clamp[id];
	}
	if (c->had_row && (own || !learned)) {
		bpf_map_update_elem(c->maps.policy, &c->bdi_id, &policy, BPF_ANY);
		return;
	}
	bpf_map_delete_elem(c->maps.policy, &c->bdi_id);
	device_rows_appeared(&rows, c->bdi_id, c->name, NULL);
}

/*
 * A process that waits for the end of this one. If that is not the one foreseen (SIGKILL, the
 * SIGBUS of a device that fails, no memory), it undoes what this one would have undone. It holds
 * the device's lock as long. 0 or -errno.
 */
static int start_keeper(struct calibration *c)
{
	int ends[2], err;
	ssize_t n;
	char done;

	c->lent = mmap(NULL, sizeof(*c->lent), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (c->lent == MAP_FAILED)
		return -errno;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	c->keeper = fork();
	if (c->keeper < 0) {
		err = -errno;
		close(ends[0]);
		close(ends[1]);
		return err;
	}
	if (c->keeper) {
		close(ends[0]);
		c->alive = ends[1];
		return 0;
	}
	close(ends[1]);
	setsid(); /* what kills the group of this one does not kill it */
	prctl(PR_SET_NAME, "bpfahead-keeper", 0, 0, 0);
	do
		n = read(ends[0], &done, 1);
	while (n < 0 && errno == EINTR);
	if (!n) {
		calibrate_take_back(c->ra_fd, c->lent);
		release_decisions(c);
	}
	_exit(EXIT_SUCCESS);
}

static void end_keeper(const struct calibration *c)
{
	if (write(c->alive, "", 1) != 1)
		say("who would have cleaned up after this process has died");
	close(c->alive);
	waitpid(c->keeper, NULL, 0);
}

/* --- the progress ------------------------------------------------------------------------------
 */

static void show_progress(const char *what, double share, double left, void *arg)
{
	struct calibration *c = arg;
	char pattern[64];
	int bar = (int)(share * 30);

	if (c->terminal) {
		fprintf(stderr, "\r\033[K%3.0f %% [%.*s%*s] %-22s %3.0f s left", share * 100, bar,
			"##############################", 30 - bar, "", what, left);
		return;
	}
	snprintf(pattern, sizeof(pattern), "%.*s", (int)strcspn(what, " "), what);
	if (!strcmp(pattern, c->last))
		return;
	memcpy(c->last, pattern, sizeof(pattern));
	say("%s, at most %.0f s left", pattern, left);
}

static void end_progress(const struct calibration *c)
{
	if (c->terminal)
		fputs("\r\033[K", stderr);
}

/* --- the end -----------------------------------------------------------------------------------
 */

/* Known before a minute of measuring, rather than after it. */
static int check_drawing(const struct calibration *c)
{
	int fd;

	if (!c->svg)
		return 0;
	fd = open(c->svg, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd >= 0)
		unlink(c->svg);
	else if (errno == EEXIST)
		fd = open(c->svg, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail(EXIT_FAILURE, "%s: %s; nothing was measured", c->svg, strerror(errno));
	close(fd);
	return 0;
}

static int draw(const struct calibration *c)
{
	FILE *f = fopen(c->svg, "we");
	int err = 0;

	if (!f)
		return fail(EXIT_FAILURE, "%s: %s", c->svg, strerror(errno));
	calibrate_print_svg(f, &c->about, &c->result, c->choice);
	errno = 0;
	if (ferror(f))
		err = EIO;
	if (fclose(f) && !err)
		err = errno ? errno : EIO;
	return err ? fail(EXIT_FAILURE, "%s: %s", c->svg, strerror(err)) : 0;
}

/* The figures, for people who read the file. NULL if memory is short. */
static char *curve_sections(const struct calibration *c)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	unsigned int p, v;

	if (!f)
		return NULL;
	fputs("# KB = bytes per second, bytes read per byte asked for, repeats, spread\n", f);
	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++) {
		fprintf(f, "[curve.%s]\n", calibrate_patterns[p].name);
		for (v = 0; v < CALIBRATE_VALUES; v++) {
			const struct calibrate_cell *cell = &c->result.cell[p][v];

			if (cell->repeats)
				fprintf(f, "%u = %.0f %.3f %u %.4f\n", calibrate_ladder[v],
					cell->typical, cell->amplification, cell->repeats,
					cell->spread);
		}
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static void make_row(const struct calibration *c, struct device_row *row)
{
	unsigned int id;

	memset(row, 0, sizeof(*row));
	row->identities = c->identities;
	row->original_kb = c->about.original_kb;
	snprintf(row->date, sizeof(row->date), "%s", c->about.date);
	snprintf(row->label, sizeof(row->label), "%.100s", c->about.device);
	for (id = 0; id < NR_CLASSES; id++) {
		if (!c->choice[id].measured)
			continue;
		row->classes |= 1U << id;
		row->row.ra_kb[id] = c->choice[id].kb;
		row->row.clamp[id] = (__u8)c->choice[id].clamp;
	}
}

/* Puts the row into the map, but for what was set by hand. Says what became of it. */
static void put_row(struct calibration *c, const struct device_row *row, char *said, size_t size)
{
	const __u64 standard = DEFAULT_POLICY_ID;
	struct policy_row policy;
	const char *comma = "; set by hand, and kept: ";
	unsigned int id;
	int n;

	if (!c->loaded || !c->bdi_id) {
		snprintf(said, size, "%s",
			 c->loaded ? "it will hold when the device is read from" :
				     "nothing is loaded: it will hold once something is");
		return;
	}
	if (bpf_map_lookup_elem(c->maps.policy, &standard, &policy))
		memset(&policy, 0, sizeof(policy));
	device_row_lay(row, &policy);
	n = snprintf(said, size, "in force from now on");
	for (id = 0; c->had_row && id < NR_CLASSES; id++) {
		if (c->row_before.clamp[id] != CLAMP_BY_HAND)
			continue;
		policy.ra_kb[id] = c->row_before.ra_kb[id];
		policy.clamp[id] = c->row_before.clamp[id];
		n += snprintf(said + n, size - (size_t)n, "%s%s", comma, class_name(id));
		comma = ", ";
	}
	if (bpf_map_update_elem(c->maps.policy, &c->bdi_id, &policy, BPF_ANY)) {
		snprintf(said, size, "not in force: the map of policies: %s", strerror(errno));
		return;
	}
	c->bdi_id = 0; /* nothing to be put back */
}

static int keep(struct calibration *c, char path[PATH_MAX], char *in_force, size_t size)
{
	struct device_row row;
	struct row_fault why;
	char *curves;
	int err;

	if (!c->told)
		return fail(
			EXIT_FAILURE,
			"nothing can be told: too short a time (--seconds), or too noisy; nothing "
			"is stored");
	if (!c->identities.nr)
		return fail(EXIT_FAILURE,
			    "nothing about %s is stable (no WWID, serial or UUID): not stored; "
			    "'bpfahead config policy.DEVICE.CLASS=KB' sets it until the unload",
			    c->about.device);
	if (!start_state_dir())
		return fail(EXIT_FAILURE, "not stored");
	make_row(c, &row);
	curves = curve_sections(c);
	err = device_row_store(cli.state_dir, &row, curves, path, &why);
	free(curves);
	if (err)
		return fail(EXIT_FAILURE, "not stored: %s", why.text);
	put_row(c, &row, in_force, size);
	return 0;
}

static int show_result(struct calibration *c)
{
	char path[PATH_MAX] = "", in_force[256] = "";
	int status = 0, drawn, i;
	cJSON *root, *list;

	if (!cli.json)
		calibrate_print_text(stdout, &c->about, &c->result, c->choice);
	drawn = c->svg ? draw(c) : 0;
	if (!c->dry_run)
		status = keep(c, path, in_force, sizeof(in_force));
	if (cli.json) {
		root = calibrate_json(&c->about, &c->result, c->choice);
		list = cJSON_AddArrayToObject(root, "identities");
		for (i = 0; i < (int)c->identities.nr; i++)
			cJSON_AddItemToArray(list, cJSON_CreateString(c->identities.text[i]));
		if (path[0] && !status)
			cJSON_AddStringToObject(root, "stored", path);
		else
			cJSON_AddNullToObject(root, "stored");
		cJSON_AddStringToObject(root, "in_force", in_force);
		i = json_print(root);
	} else {
		if (path[0] && !status)
			printf("\nstored in %s\n%s\n", path, in_force);
		i = finish_output();
	}
	return status ? status : drawn ? drawn : i;
}

static int measure(struct calibration *c, int signals)
{
	const struct calibrate_plan plan = {
		.directory = c->directory,
		.ra_fd = c->ra_fd,
		.signals = signals,
		.seconds = c->seconds,
		.bytes = c->bytes,
		.original_kb = c->about.original_kb,
		.disk_stat = c->stat_path[0] ? c->stat_path : NULL,
		.lent = c->lent,
		.progress = show_progress,
		.arg = c,
	};
	struct timespec began, ended;
	struct calibrate_fault why = {""};
	int err;

	calibrate_ladder_include(c->about.original_kb);
	clock_gettime(CLOCK_MONOTONIC, &began);
	err = calibrate_measure(&plan, &c->result, &c->about.file_bytes, &why);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	end_progress(c);
	c->about.seconds = (double)(ended.tv_sec - began.tv_sec) +
			   (double)(ended.tv_nsec - began.tv_nsec) / 1e9;
	if (err == -EINTR)
		return fail(EXIT_FAILURE, "interrupted: nothing is stored, nothing is left behind");
	if (err)
		return fail(EXIT_FAILURE, "%s: %s", c->about.directory,
			    why.text[0] ? why.text : strerror(-err));
	c->told = calibrate_choose(&c->result, c->about.original_kb, c->choice);
	return 0;
}

static int calibrate(struct calibration *c)
{
	int signals, status, err;

	status = check_drawing(c);
	if (!status)
		status = find_place(c);
	if (!status)
		status = find_device(c);
	if (status)
		return status;
	c->terminal = isatty(STDERR_FILENO);
	signals = take_signals();
	if (signals < 0)
		return fail(EXIT_FAILURE, "cannot take signals: %s", strerror(-signals));
	find_loaded(c);
	err = start_keeper(c);
	if (err) {
		status = fail(EXIT_FAILURE, "cannot start a process: %s", strerror(-err));
		goto close;
	}
	hold_decisions(c);
	status = measure(c, signals);
	if (!status)
		status = show_result(c);
	release_decisions(c);
	end_keeper(c);
close:
	if (c->loaded)
		maps_close(&c->maps);
	close(signals);
	return status;
}

int cmd_calibrate(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "DEVICE|DIRECTORY",
		.doc = "Measure how fast a device is read at each readahead, and give it a policy "
		       "of its own.\v"
		       "Files of its own are made in the directory, or in one on a file system of "
		       "the device, and are gone at the end, however it ends.  The device's own "
		       "value stays as it is for everybody else.  What follows is stored by "
		       "what the device is known by (WWID, serial, UUID) and holds wherever it "
		       "appears.",
	};
	static struct calibration c = {
		.seconds = DEFAULT_SECONDS, .bytes = DEFAULT_BYTES, .directory = -1, .ra_fd = -1};
	int status;

	status = cli_parse(&argp, true, argc, argv, &c);
	if (!status)
		status = need_root();
	if (!status)
		status = calibrate(&c);
	if (c.directory >= 0)
		close(c.directory);
	if (c.ra_fd >= 0)
		close(c.ra_fd);
	return status;
}
