/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking effect: from ring-buffer events to read_ahead_kb. The same code runs
 * in bpfaheadd and in `bpfahead run`. It computes no feature and no class.
 */
#ifndef BPFAHEAD_APPLY_H
#define BPFAHEAD_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "maps.h"

enum apply_outcome {
	APPLY_WRITTEN,     /* from_kb -> to_kb, read back */
	APPLY_NOOP,        /* already in place */
	APPLY_RECOMMENDED, /* recommend mode or --dry-run: said, not written */
	APPLY_REASSERTED,  /* the kernel had reset the value */
	APPLY_STOOD_BACK,  /* a person changed the value */
	APPLY_REFUSED,     /* the write failed: errno in error */
	APPLY_GONE,        /* the device has left */
	APPLY_STALE,       /* older than the dwell, or not the newest of its bdi: ignored */
	APPLY_DROPPED,     /* the mode says stand still, or nothing is to be done about it */
	NR_APPLY_OUTCOMES,
};

struct apply_report {
	enum apply_outcome outcome;
	int error; /* errno of a refusal, else 0 */
	unsigned int from_kb, to_kb, original_kb;
};

struct applier;

/*
 * applier_new - take over the pinned maps
 * @maps: open for as long as the applier lives; not owned
 * @report: called after each event that was acted upon; may be NULL
 * Opens the ring buffer; needs the owner lock. NULL with errno set on failure.
 */
struct applier *applier_new(const struct maps *maps,
			    void (*report)(const struct event *, const struct apply_report *,
					   void *arg),
			    void *arg);
int applier_epoll_fd(const struct applier *a); /* readable when events wait */

/*
 * What else follows the ring: calibrated rows, the guard, the history. Each may be NULL. Samples
 * and appearances are told as they are taken from the ring, events once it is drained: a sample's
 * ra_kb says under which value it came about.
 */
struct apply_listener {
	/* A bdi is about to get entry->accepted_kb in the place of @from_kb. */
	void (*changing)(__u64 bdi_id, const struct applied *entry, unsigned int from_kb,
			 void *arg);
	void (*appeared)(const struct event *e, void *arg);
	void (*sampled)(const struct sample *s, void *arg);
	/* After each event that was acted upon, told or not. */
	void (*applied)(const struct event *e, const struct apply_report *r, void *arg);
	/* A file wants another value than it has been given. */
	void (*file)(const struct file_event *e, void *arg);
	void *arg;
};

#define LISTENERS_MAX 6

/* Adds a listener, which is copied. -ENOSPC beyond LISTENERS_MAX. */
int applier_listen(struct applier *a, const struct apply_listener *listener);

/* Drains the ring, keeps the newest event of each bdi, acts on those. Events handled or -errno. */
int applier_handle(struct applier *a);

/* One line for a log, no newline: device, classes, KB from -> to, margin and the model's inputs. */
void apply_describe(const struct event *e, const struct apply_report *r, char *line, size_t size);
const char *apply_outcome_name(unsigned int outcome); /* "written", "stood-back", ...; never NULL */
/* Takes what waits in the ring, at the end: samples are told, events dropped. */
void applier_drain(struct applier *a);
const unsigned long *applier_counts(const struct applier *a); /* [NR_APPLY_OUTCOMES] */
void applier_free(struct applier *a);                         /* restores nothing */

/*
 * restore_originals - write the administrator's values back
 * @report: a line per bdi into this stream, or NULL
 *
 * Only where the bdi still is the same device and still carries the value of
 * ours; an entry is removed once that is settled. Entries that say
 * APPLIED_STOOD_BACK stay while the device does. Returns the number of bdis
 * whose original could not be written (0: all settled) or -errno.
 */
int restore_originals(const struct maps *maps, FILE *report);

#endif
