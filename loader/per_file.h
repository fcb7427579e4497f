/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files get values of their own. A struct file copies its bdi's value when it is
 * opened, or when posix_fadvise(POSIX_FADV_NORMAL) is called on it: so the bdi
 * gets the file's value, the file's descriptors copy it, and the bdi gets its own
 * back. What the kernel programs of bpf/per_file.bpf.h ask for, this does.
 */
#ifndef BPFAHEAD_LOADER_PER_FILE_H
#define BPFAHEAD_LOADER_PER_FILE_H

#include <stddef.h>

#include "apply.h"
#include "follower.h"

enum file_outcome {
	FILE_GIVEN,   /* its descriptors have a value of their own */
	FILE_ENDED,   /* they follow the device again */
	FILE_NOBODY,  /* no descriptor to give it to: asked again after a back-off */
	FILE_REFUSED, /* errno in error: asked again after a back-off */
	FILE_DROPPED, /* nothing to be done: mode, age, a value that is somebody else's */
	NR_FILE_OUTCOMES,
};

struct file_report {
	enum file_outcome outcome;
	int error;              /* errno of FILE_REFUSED, else 0 */
	unsigned int readers;   /* descriptors re-armed */
	unsigned int ra_kb;     /* what they have now */
	unsigned int device_kb; /* what the device has */
};

struct per_file {
	const struct maps *maps;
	struct follower *follower;
	void (*report)(const struct file_event *e, const struct file_report *r, void *arg);
	void *arg;
	int values;  /* the map file_values, the follower's; -1: none */
	bool silent; /* that there is none has been said */
	/* follower_file(), follower_ask() and bdi_write_kb(); tests put others in their place. */
	int (*rearm)(struct follower *f, __u64 bdi_id, const struct file_key *key,
		     unsigned int ra_kb, struct open_counts *counts);
	int (*sweep)(struct follower *f, __u64 bdi_id, const char *name, unsigned int ra_kb);
	int (*write_kb)(int fd, unsigned int ra_kb, unsigned int *in_effect);
};

/*
 * per_file_init - get ready to answer events of files
 * @maps, @f: not owned; @f NULL: every file is refused, the first one with a report
 * @report: called after each event that was acted upon; may be NULL
 */
void per_file_init(struct per_file *p, const struct maps *maps, struct follower *f,
		   void (*report)(const struct file_event *, const struct file_report *, void *arg),
		   void *arg);
int per_file_listen(struct per_file *p, struct applier *a); /* 0 or -ENOSPC */

/* Acts on one event now. */
enum file_outcome per_file_event(struct per_file *p, const struct file_event *e);

/*
 * per_file_end_all - every file that has a value of its own follows its device again
 * For commands: it walks itself, with the rights that root has. 0 or -errno.
 */
int per_file_end_all(const char *pin_dir, const struct maps *maps);

/* One line for a log, no newline: device, inode, class, KB, descriptors. */
void per_file_describe(const struct file_event *e, const struct file_report *r, char *line,
		       size_t size);

#endif
