/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Policy rows that belong to a device, whatever its name is today: files in
 * STATE_DIR/devices, one per device, which `bpfahead calibrate` writes and the
 * helper puts into the map `policy` when the device appears. docs/calibration.md
 * describes the file.
 */
#ifndef BPFAHEAD_DEVICE_ROWS_H
#define BPFAHEAD_DEVICE_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "apply.h"

#define DEVICE_ROWS_DIR "devices" /* below the state directory */
#define DEVICE_FILE_MAX 65536     /* bytes; a larger one is none of ours */
#define IDENTITY_LEN 160
#define IDENTITIES_MAX 8

/*
 * What a device is known by, as "KIND:TEXT", best first. Kinds, in that order: wwid, dm-uuid,
 * md-uuid, serial, nfs, fuse, fs-uuid. Text is letters, digits and "._:@/+=-", all else as %XX.
 */
struct identities {
	unsigned int nr;
	char text[IDENTITIES_MAX][IDENTITY_LEN];
};

/*
 * identities_find - what the bdi @name is known by at this moment
 * @fs_uuid: super_block.s_uuid of a file system on it, FS_UUID_LEN bytes; NULL or zeros: not known
 *
 * From sysfs and mountinfo (bdi.h says where they are). Returns how many; 0: nothing is stable.
 */
unsigned int identities_find(const char *name, const __u8 *fs_uuid, struct identities *out);

/* Adds "KIND:TEXT" in its place among the others; an empty text and one that is there are none. */
void identities_add(struct identities *list, const char *kind, const char *text);
void identities_add_uuid(struct identities *list, const __u8 *fs_uuid);

/*
 * identities_match - are these the same device?
 * The best kind of which both lists have one decides alone: a file system that was copied to
 * another disk does not bring that disk's row. Returns the rank of that kind, 1 the best, or 0 for
 * no.
 */
unsigned int identities_match(const struct identities *a, const struct identities *b);

struct device_row {
	struct identities identities;
	char date[32];         /* when it was measured, ISO 8601 */
	char label[128];       /* the device's name then, for people */
	__u32 classes;         /* bits (1 << class): those that it has values for */
	__u32 original_kb;     /* read_ahead_kb then; 0 not known */
	struct policy_row row; /* of these classes */
};

struct row_fault {
	char text[240]; /* names file and line */
};

/*
 * device_row_parse - read the text of a file
 * @text: @size bytes, and a NUL behind them
 * @path: for @why
 * Returns 0 or -EBADMSG with @why; @out is as it was on failure.
 */
int device_row_parse(const char *text, size_t size, const char *path, struct device_row *out,
		     struct row_fault *why);

/*
 * device_row_find - the row of a device
 * @refused: called with what is wrong about each file that cannot be used; may be NULL
 * Of several that match, the one by the better kind; then the one of the later date.
 * Returns 0, -ENOENT (no file fits) or -errno.
 */
int device_row_find(const char *state_dir, const struct identities *identities,
		    struct device_row *out, void (*refused)(const struct row_fault *, void *),
		    void *arg);

/*
 * device_row_store - write the device's file, or leave the one before
 * @more: further sections of the file, "[curve.NAME]", or NULL
 * @path: where it is now, room for 4096 bytes
 * Under a temporary name, synced, renamed. Returns 0 or -errno with @why.
 */
int device_row_store(const char *state_dir, const struct device_row *row, const char *more,
		     char *path, struct row_fault *why);

/* Lays the row's classes over @row, which holds the default row. */
void device_row_lay(const struct device_row *device, struct policy_row *row);

/* Is each class of @row that the device's row has just as it says? Others' bits in the result. */
__u32 device_row_differs(const struct device_row *device, const struct policy_row *row);

enum row_outcome {
	ROW_NONE,  /* the device has no file */
	ROW_PUT,   /* its row is in the map now */
	ROW_KEPT,  /* the map has a row for it: set by hand, learned, or this one */
	ROW_FAILED /* the map refused it */
};

/* Where the row of a bdi comes from. */
enum row_origin {
	ROW_DEFAULT,    /* it has none of its own */
	ROW_BY_HAND,    /* set by hand, a class of it at least */
	ROW_LEARNED,    /* by the guard or the probe */
	ROW_CALIBRATED, /* that of its file, but for the classes in `differs` */
};

/*
 * device_row_origin - compare the map with the device's file
 * @stored: the device's file, if it has one; .classes is 0 if not
 * @differs: bits (1 << class) whose value is another than the file's
 * A row counts as the file's while at least one of its classes is as it says.
 */
enum row_origin device_row_origin(const struct maps *maps, const char *state_dir,
				  const struct bdi_state *state, struct device_row *stored,
				  __u32 *differs);

struct device_rows {
	const struct maps *maps;
	const char *state_dir; /* NULL: nothing is remembered */
	/* A line for people, without newline; @trouble: something is wrong. May be NULL. */
	void (*say)(bool trouble, const char *line, void *arg);
	void *arg;
};

/* Puts the row of a bdi into the map, unless it has one. */
enum row_outcome device_rows_appeared(const struct device_rows *rows, __u64 bdi_id,
				      const char *name, const __u8 *fs_uuid);

/*
 * device_rows_listen - rows for what is there, and for what will appear
 * @rows: lives as long as the applier
 * Opens what has to be open before privileges are given up. 0 or -errno.
 */
int device_rows_listen(struct device_rows *rows, struct applier *applier);

#endif
