// SPDX-License-Identifier: GPL-2.0-only
/* Rows that follow their devices: identities, files, and the map `policy`. */
#define _GNU_SOURCE
#include "device_rows.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bdi.h"
#include "names.h"

#define FILE_SUFFIX ".conf"
#define FILE_VERSION "1"
#define LINE_MAX_BYTES 190 /* of what inih takes as one line: 200 with its ends */
#define ROW_FILES_MAX 4096 /* looked at: the directory is root's, yet bounded */

/* Best first. What a disk says of itself is worth more than what somebody wrote on it. */
static const char *const kinds[] = {"wwid", "dm-uuid", "md-uuid", "serial",
				    "nfs",  "fuse",    "fs-uuid"};
#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* --- identities ---------------------------------------------------------------------------------
 */

static unsigned int kind_of(const char *identity)
{
	size_t length = strcspn(identity, ":");
	unsigned int k;

	for (k = 0; k < NR_KINDS; k++)
		if (strlen(kinds[k]) == length && !strncmp(kinds[k], identity, length))
			break;
	return k;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("._:@/+=-", c));
}

static unsigned long long hash_of(const char *text)
{
	unsigned long long h = 0xcbf29ce484222325ULL; /* FNV-1a */

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ULL;
	return h;
}

/* "KIND:TEXT" with what is not plain as %XX; one that is too long ends in a hash of all of it. */
static void encode(char out[IDENTITY_LEN], const char *kind, const char *text)
{
	size_t used = (size_t)snprintf(out, IDENTITY_LEN, "%s:", kind), room;
	const char *at;

	for (at = text; *at && used + 4 < IDENTITY_LEN; at++) {
		if (is_plain(*at))
			out[used++] = *at;
		else
			used += (size_t)snprintf(out + used, IDENTITY_LEN - used, "%%%02X",
						 (unsigned char)*at);
	}
	out[used] = '\0';
	room = strlen("%23") + 16;
	if (*at)
		snprintf(out + IDENTITY_LEN - 1 - room, room + 1, "%%23%016llx", hash_of(text));
}

static void add_encoded(struct identities *list, const char *identity)
{
	unsigned int kind = kind_of(identity), at, i;

	for (i = 0; i < list->nr; i++)
		if (!strcmp(list->text[i], identity))
			return;
	for (at = 0; at < list->nr && kind_of(list->text[at]) <= kind; at++)
		;
	if (at == IDENTITIES_MAX)
		return;
	if (list->nr < IDENTITIES_MAX)
		list->nr++;
	for (i = list->nr - 1; i > at; i--)
		memcpy(list->text[i], list->text[i - 1], IDENTITY_LEN);
	snprintf(list->text[at], IDENTITY_LEN, "%s", identity);
}

void identities_add(struct identities *list, const char *kind, const char *text)
{
	char identity[IDENTITY_LEN];

	if (!*text)
		return;
	encode(identity, kind, text);
	add_encoded(list, identity);
}

void identities_add_uuid(struct identities *list, const __u8 *u)
{
	char text[40];
	unsigned int i;
	__u8 any = 0;

	for (i = 0; u && i < FS_UUID_LEN; i++)
		any |= u[i];
	if (!any)
		return;
	snprintf(text, sizeof(text),
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
		 u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
		 u[15]);
	identities_add(list, "fs-uuid", text);
}

unsigned int identities_match(const struct identities *a, const struct identities *b)
{
	unsigned int kind, i, j;
	bool in_a, in_b, same;

	for (kind = 0; kind < NR_KINDS; kind++) {
		in_a = in_b = same = false;
		for (i = 0; i < a->nr; i++) {
			if (kind_of(a->text[i]) != kind)
				continue;
			in_a = true;
			for (j = 0; j < b->nr; j++)
				same |= !strcmp(a->text[i], b->text[j]);
		}
		for (j = 0; j < b->nr; j++)
			in_b |= kind_of(b->text[j]) == kind;
		if (in_a && in_b)
			return same ? kind + 1 : 0;
	}
	return 0;
}

/* The first line of a sysfs attribute without blanks around it; "" if there is none. */
static const char *attribute(char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static const char *attribute(char *text, size_t size, const char *format, ...)
{
	char path[PATH_MAX];
	ssize_t length = 0;
	va_list args;
	int n, fd;

	text[0] = '\0';
	va_start(args, format);
	n = vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = n < 0 || n >= (int)sizeof(path) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return text;
	length = read(fd, text, size - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	length = (ssize_t)strlen(text);
	while (length && text[length - 1] == ' ')
		text[--length] = '\0';
	return text + strspn(text, " ");
}

static void disk_identities(const char *dev, struct identities *out)
{
	char text[128];
	unsigned int before;

	/* SCSI and ATA say it of the device, NVMe of the namespace. */
	identities_add(out, "wwid",
		       attribute(text, sizeof(text), "%s/dev/block/%s/device/wwid", bdi_sysfs_dir,
				 dev));
	identities_add(out, "wwid",
		       attribute(text, sizeof(text), "%s/dev/block/%s/wwid", bdi_sysfs_dir, dev));
	identities_add(out, "dm-uuid",
		       attribute(text, sizeof(text), "%s/dev/block/%s/dm/uuid", bdi_sysfs_dir,
				 dev));
	identities_add(out, "md-uuid",
		       attribute(text, sizeof(text), "%s/dev/block/%s/md/uuid", bdi_sysfs_dir,
				 dev));
	before = out->nr;
	identities_add(out, "serial",
		       attribute(text, sizeof(text), "%s/dev/block/%s/serial", bdi_sysfs_dir, dev));
	/* An NVMe controller's serial is that of all its namespaces, which have a wwid each. */
	if (!before && out->nr == before)
		identities_add(out, "serial",
			       attribute(text, sizeof(text), "%s/dev/block/%s/device/serial",
					 bdi_sysfs_dir, dev));
}

/* "btrfs-1": the directory of sysfs whose `bdi` leads to it is named by the UUID. */
static void btrfs_identities(const char *name, struct identities *out)
{
	char path[PATH_MAX], target[PATH_MAX], *base;
	struct dirent *d;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/fs/btrfs", bdi_sysfs_dir);
	dir = opendir(path);
	if (!dir)
		return;
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.' || snprintf(path, sizeof(path), "%s/fs/btrfs/%s/bdi",
						    bdi_sysfs_dir, d->d_name) >= (int)sizeof(path))
			continue;
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		base = strrchr(target, '/');
		if (!strcmp(base ? base + 1 : target, name))
			identities_add(out, "fs-uuid", d->d_name);
	}
	closedir(dir);
}

static int mount_identity(const struct bdi_mount *m, void *arg)
{
	struct identities *out = arg;
	char text[PATH_MAX];

	if (!strcmp(m->fstype, "nfs") || !strcmp(m->fstype, "nfs4")) {
		identities_add(out, "nfs", m->source);
	} else if (!strncmp(m->fstype, "fuse", 4)) {
		/* "fuse.sshfs" and "user@host:/path"; a daemon that names no source is no one. */
		if (snprintf(text, sizeof(text), "%s=%s", m->fstype, m->source) < (int)sizeof(text))
			identities_add(out, "fuse", text);
	}
	return 0;
}

unsigned int identities_find(const char *name, const __u8 *fs_uuid, struct identities *out)
{
	unsigned int major_nr, minor_nr;

	memset(out, 0, sizeof(*out));
	if (!bdi_parse_dev(name, &major_nr, &minor_nr) && major_nr)
		disk_identities(name, out);
	else if (!strncmp(name, "btrfs-", strlen("btrfs-")))
		btrfs_identities(name, out);
	else
		bdi_each_mount_of(name, mount_identity, out);
	identities_add_uuid(out, fs_uuid);
	return out->nr;
}

/* --- the file ------------------------------------------------------------------------------------
 */

struct parsing {
	const char *at; /* what is left of the text */
	int line;       /* of what was taken last */
	struct device_row row;
	const char *problem; /* of problem_line, the first that was not understood */
	int problem_line;
	bool version;
};

static int bad(struct parsing *p, const char *problem)
{
	if (!p->problem) {
		p->problem = problem;
		p->problem_line = p->line;
	}
	return 0;
}

/* fgets() for inih. */
static char *next_line(char *line, int size, void *arg)
{
	struct parsing *p = arg;
	size_t length = strcspn(p->at, "\n");

	if (!*p->at)
		return NULL;
	length += p->at[length] == '\n';
	if (length >= (size_t)size)
		length = (size_t)size - 1;
	memcpy(line, p->at, length);
	line[length] = '\0';
	p->at += length;
	p->line++;
	return line;
}

/* A plain decimal number up to @most, and what follows it. */
static bool take_number(const char **text, unsigned long most, __u32 *value)
{
	unsigned long n;
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	n = strtoul(*text, &end, 10);
	*text = end;
	*value = (__u32)n;
	return !errno && n <= most;
}

static bool is_identity(const char *text)
{
	const char *at;

	if (kind_of(text) == NR_KINDS || strlen(text) >= IDENTITY_LEN ||
	    !text[strcspn(text, ":") + 1])
		return false;
	for (at = text; *at; at++)
		if (!is_plain(*at) && *at != '%')
			return false;
	return true;
}

static int take_device(struct parsing *p, const char *name, const char *value)
{
	if (!strcmp(name, "version")) {
		p->version = !strcmp(value, FILE_VERSION);
		return p->version ? 1 : bad(p, "not a version that is known here");
	}
	if (!strcmp(name, "identity")) {
		if (!is_identity(value))
			return bad(p, "no identity");
		if (p->row.identities.nr == IDENTITIES_MAX)
			return bad(p, "too many identities");
		add_encoded(&p->row.identities, value);
		return 1;
	}
	if (!strcmp(name, "label")) {
		snprintf(p->row.label, sizeof(p->row.label), "%s", value);
		return 1;
	}
	return bad(p, "no such key in [device]");
}

static int take_calibration(struct parsing *p, const char *name, const char *value)
{
	if (!strcmp(name, "date")) {
		if (strlen(value) >= sizeof(p->row.date))
			return bad(p, "no date");
		snprintf(p->row.date, sizeof(p->row.date), "%s", value);
		return 1;
	}
	if (!strcmp(name, "original_kb"))
		return take_number(&value, RA_KB_HARD_MAX * 16UL, &p->row.original_kb) && !*value ?
			       1 :
			       bad(p, "no number of KB");
	return 1; /* for people */
}

/* "CLASS = KB", or "CLASS = KB CLAMP". */
static int take_policy(struct parsing *p, const char *name, const char *value)
{
	int id = class_from_name(name), clamp = CLAMP_NONE;
	__u32 kb;

	if (id < 0 || id >= CLASSES_MAX)
		return bad(p, "no such class");
	if (p->row.classes & 1U << id)
		return bad(p, "a class for the second time");
	if (!take_number(&value, RA_KB_HARD_MAX, &kb) || (kb && kb < RA_KB_HARD_MIN))
		return bad(p, "KB out of range");
	if (*value == ' ') {
		value += strspn(value, " ");
		clamp = clamp_from_name(value);
		value = "";
	}
	if (*value || clamp < 0)
		return bad(p, "no clamp (none, never-lower, never-raise)");
	p->row.classes |= 1U << id;
	p->row.row.ra_kb[id] = kb;
	p->row.row.clamp[id] = (__u8)clamp;
	return 1;
}

static int take_line(void *arg, const char *section, const char *name, const char *value)
{
	struct parsing *p = arg;

	if (!strcmp(section, "device"))
		return take_device(p, name, value);
	if (!strcmp(section, "calibration"))
		return take_calibration(p, name, value);
	if (!strcmp(section, "policy"))
		return take_policy(p, name, value);
	if (!strncmp(section, "curve.", strlen("curve.")))
		return 1; /* for people */
	return bad(p, "no such section");
}

__attribute__((format(printf, 3, 4))) static int refuse(struct row_fault *why, int err,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return err;
}

/* inih takes a longer line for two, and a NUL for the end. Number of the first bad line, or 0. */
static unsigned int bad_line(const char *text, size_t size, const char **problem)
{
	unsigned int line = 1;
	size_t i, length = 0;

	for (i = 0; i < size; i++) {
		*problem = "a line that is too long";
		if (text[i] == '\n') {
			line++;
			length = 0;
		} else if (++length > LINE_MAX_BYTES) {
			return line;
		}
		*problem = "a byte that is no text";
		if ((unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t')
			return line;
	}
	return 0;
}

int device_row_parse(const char *text, size_t size, const char *path, struct device_row *out,
		     struct row_fault *why)
{
	struct parsing p = {.at = text};
	const char *problem;
	int line;

	if (size >= DEVICE_FILE_MAX)
		return refuse(why, -EBADMSG, "%s: larger than %d bytes", path, DEVICE_FILE_MAX);
	line = (int)bad_line(text, size, &problem);
	if (!line) {
		line = ini_parse_stream(next_line, &p, take_line, &p);
		problem = p.problem_line == line ? p.problem : "neither [section] nor key = value";
	}
	if (line)
		return refuse(why, -EBADMSG, "%s:%d: %s", path, line, problem);
	if (!p.version || !p.row.identities.nr || !p.row.classes)
		return refuse(why, -EBADMSG, "%s: %s is missing", path,
			      !p.version    ? "version" :
			      p.row.classes ? "identity" :
					      "[policy]");
	*out = p.row;
	return 0;
}

static int read_row(int dir, const char *path, const char *name, struct device_row *out,
		    struct row_fault *why)
{
	char whole[PATH_MAX + NAME_MAX + 2];
	size_t size = 0;
	struct stat st;
	ssize_t n = 0;
	char *text;
	int fd, err;

	snprintf(whole, sizeof(whole), "%s/%s", path, name);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return refuse(why, -errno, "%s: %s", whole, strerror(errno));
	text = malloc(DEVICE_FILE_MAX + 1);
	if (!text) {
		close(fd);
		return refuse(why, -ENOMEM, "%s: out of memory", whole);
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_mode & (S_IWGRP | S_IWOTH)) {
		err = refuse(why, -EPERM, "%s: not a file that its owner alone may write", whole);
		goto out;
	}
	while (size < DEVICE_FILE_MAX && (n = read(fd, text + size, DEVICE_FILE_MAX - size)) > 0)
		size += (size_t)n;
	if (n < 0) {
		err = refuse(why, -errno, "%s: %s", whole, strerror(errno));
		goto out;
	}
	text[size] = '\0';
	err = device_row_parse(text, size, whole, out, why);
out:
	free(text);
	close(fd);
	return err;
}

static bool is_row_file(const char *name)
{
	size_t length = strlen(name), suffix = strlen(FILE_SUFFIX);

	return name[0] != '.' && length > suffix && !strcmp(name + length - suffix, FILE_SUFFIX);
}

int device_row_find(const char *state_dir, const struct identities *identities,
		    struct device_row *out, void (*refused)(const struct row_fault *, void *),
		    void *arg)
{
	unsigned int rank, best = 0, files = 0;
	struct device_row *row;
	struct row_fault why;
	char path[PATH_MAX];
	struct dirent *d;
	DIR *dir;

	if (snprintf(path, sizeof(path), "%s/" DEVICE_ROWS_DIR, state_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	dir = opendir(path);
	if (!dir)
		return -errno;
	row = malloc(sizeof(*row));
	while (row && (d = readdir(dir)) && files < ROW_FILES_MAX) {
		if (!is_row_file(d->d_name))
			continue;
		files++;
		if (read_row(dirfd(dir), path, d->d_name, row, &why)) {
			if (refused)
				refused(&why, arg);
			continue;
		}
		rank = identities_match(identities, &row->identities);
		if (!rank || (best && rank > best) ||
		    (rank == best && strcmp(row->date, out->date) <= 0))
			continue;
		best = rank;
		*out = *row;
	}
	closedir(dir);
	if (!row)
		return -ENOMEM;
	free(row);
	return best ? 0 : -ENOENT;
}

static void print_row(FILE *f, const struct device_row *row, const char *more)
{
	unsigned int i;

	fprintf(f, "# Made by bpfahead calibrate. Remove this file to have the default policy.\n"
		   "[device]\nversion = " FILE_VERSION "\n");
	for (i = 0; i < row->identities.nr; i++)
		fprintf(f, "identity = %s\n", row->identities.text[i]);
	if (row->label[0])
		fprintf(f, "label = %s\n", row->label);
	fprintf(f, "\n[calibration]\ndate = %s\noriginal_kb = %u\n\n[policy]\n", row->date,
		row->original_kb);
	for (i = 0; i < NR_CLASSES; i++)
		if (row->classes & 1U << i)
			fprintf(f, "%s = %u %s\n", class_name(i), row->row.ra_kb[i],
				clamp_name(row->row.clamp[i]));
	if (more)
		fprintf(f, "\n%s", more);
}

static int write_all(int fd, const char *text, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = write(fd, text + done, size - done);
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return fsync(fd) ? -errno : 0;
}

/* The best identity, where one directory entry's name has to do without '/'. */
static void file_name(char name[IDENTITY_LEN * 3], const struct identities *identities)
{
	const char *at = identities->text[0];
	size_t used = 0;

	for (; *at && used < 200; at++)
		used += (size_t)sprintf(name + used, *at == '/' ? "%%2F" : "%c", *at);
	if (*at)
		used += (size_t)sprintf(name + used, "-%016llx", hash_of(identities->text[0]));
	sprintf(name + used, FILE_SUFFIX);
}

int device_row_store(const char *state_dir, const struct device_row *row, const char *more,
		     char *path, struct row_fault *why)
{
	char name[IDENTITY_LEN * 3], temporary[64], *text = NULL;
	int dir, fd = -1, err = 0;
	struct device_row check;
	size_t size = 0;
	FILE *f;

	path[0] = '\0';
	if (!row->identities.nr)
		return refuse(why, -ENODEV, "nothing about the device is stable");
	snprintf(path, PATH_MAX, "%s/" DEVICE_ROWS_DIR, state_dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return refuse(why, -errno, "%s: %s", path, strerror(errno));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return refuse(why, -errno, "%s: %s", path, strerror(errno));
	file_name(name, &row->identities);
	snprintf(path, PATH_MAX, "%s/" DEVICE_ROWS_DIR "/%s", state_dir, name);
	snprintf(temporary, sizeof(temporary), ".new-%ld", (long)getpid());
	f = open_memstream(&text, &size);
	if (f) {
		print_row(f, row, more);
		if (ferror(f))
			err = -ENOMEM;
		if (fclose(f))
			err = -ENOMEM;
	}
	if (!f || err) {
		err = refuse(why, -ENOMEM, "out of memory");
		goto out;
	}
	/* What could not be read back must not replace what can. */
	err = device_row_parse(text, size, path, &check, why);
	if (err)
		goto out;
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	err = fd < 0 ? -errno : write_all(fd, text, size);
	if (fd >= 0)
		close(fd);
	if (!err && renameat(dir, temporary, dir, name))
		err = -errno;
	if (!err && fsync(dir))
		err = -errno;
	if (err) {
		unlinkat(dir, temporary, 0);
		refuse(why, err, "%s: %s", path, strerror(-err));
	}
out:
	free(text);
	close(dir);
	return err;
}

/* --- the map
 * -------------------------------------------------------------------------------------- */

void device_row_lay(const struct device_row *device, struct policy_row *row)
{
	unsigned int i;

	for (i = 0; i < CLASSES_MAX; i++) {
		if (!(device->classes & 1U << i))
			continue;
		row->ra_kb[i] = device->row.ra_kb[i];
		row->clamp[i] = device->row.clamp[i];
	}
}

__u32 device_row_differs(const struct device_row *device, const struct policy_row *row)
{
	__u32 differs = 0;
	unsigned int i;

	for (i = 0; i < CLASSES_MAX; i++)
		if (device->classes & 1U << i && (row->ra_kb[i] != device->row.ra_kb[i] ||
						  row->clamp[i] != device->row.clamp[i]))
			differs |= 1U << i;
	return differs;
}

enum row_origin device_row_origin(const struct maps *maps, const char *state_dir,
				  const struct bdi_state *state, struct device_row *stored,
				  __u32 *differs)
{
	struct identities identities;
	char name[BDI_NAME_LEN + 1];
	struct policy_row row;
	bool own = !bpf_map_lookup_elem(maps->policy, &state->bdi_id, &row);

	*differs = 0;
	snprintf(name, sizeof(name), "%.*s", BDI_NAME_LEN, state->name);
	if (!identities_find(name, state->fs_uuid, &identities) ||
	    device_row_find(state_dir, &identities, stored, NULL, NULL))
		stored->classes = 0;
	if (!own)
		return ROW_DEFAULT;
	if (stored->classes)
		*differs = device_row_differs(stored, &row);
	if (stored->classes & ~*differs)
		return ROW_CALIBRATED;
	return memchr(row.clamp, CLAMP_LEARNED, sizeof(row.clamp)) &&
			       !memchr(row.clamp, CLAMP_BY_HAND, sizeof(row.clamp)) ?
		       ROW_LEARNED :
		       ROW_BY_HAND;
}

__attribute__((format(printf, 3, 4))) static void tell(const struct device_rows *rows, bool trouble,
						       const char *format, ...)
{
	char line[400];
	va_list args;

	if (!rows->say)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	rows->say(trouble, line, rows->arg);
}

static void tell_refused(const struct row_fault *why, void *arg)
{
	tell(arg, true, "not used: %s", why->text);
}

enum row_outcome device_rows_appeared(const struct device_rows *rows, __u64 bdi_id,
				      const char *bdi_name, const __u8 *fs_uuid)
{
	const __u64 standard = DEFAULT_POLICY_ID;
	struct identities identities;
	char name[BDI_NAME_LEN + 1];
	struct device_row device;
	struct policy_row row;
	char label[96];
	int err;

	if (!rows->state_dir || !bdi_id)
		return ROW_NONE;
	snprintf(name, sizeof(name), "%.*s", BDI_NAME_LEN, bdi_name);
	if (!bpf_map_lookup_elem(rows->maps->policy, &bdi_id, &row))
		return ROW_KEPT;
	if (!identities_find(name, fs_uuid, &identities) ||
	    device_row_find(rows->state_dir, &identities, &device, tell_refused, (void *)rows))
		return ROW_NONE;
	if (bpf_map_lookup_elem(rows->maps->policy, &standard, &row))
		memset(&row, 0, sizeof(row));
	device_row_lay(&device, &row);
	bdi_display_name(name, label, sizeof(label));
	/* Whoever was faster set it by hand. */
	err = maps_put_row(rows->maps, bdi_id, &row, BPF_NOEXIST);
	if (err == -EEXIST)
		return ROW_KEPT;
	if (err) {
		tell(rows, true, "%s: its calibrated policy cannot be put in place: %s", label,
		     strerror(-err));
		return ROW_FAILED;
	}
	tell(rows, false, "%s: policy as calibrated on %s (%s)", label, device.date,
	     identities.text[0]);
	return ROW_PUT;
}

static void on_appeared(const struct event *e, void *arg)
{
	device_rows_appeared(arg, e->bdi_id, e->name, e->fs_uuid);
}

/* Seen before this process began, and told to another one or to nobody. */
static int on_present(const struct bdi_state *state, void *arg)
{
	if (state->sysfs_ino && bdi_sysfs_ino(state->name) == state->sysfs_ino)
		device_rows_appeared(arg, state->bdi_id, state->name, state->fs_uuid);
	return 0;
}

int device_rows_listen(struct device_rows *rows, struct applier *applier)
{
	const struct apply_listener listener = {.appeared = on_appeared, .arg = rows};
	int err;

	bdi_keep_mounts();
	err = maps_each_bdi(rows->maps, on_present, rows);
	return err ? err : applier_listen(applier, &listener);
}
