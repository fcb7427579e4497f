/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The applier's parts, for apply.c and its tests: only the kernel can put
 * events into a ring buffer, so tests hand them in behind it.
 */
#ifndef BPFAHEAD_APPLY_INTERNAL_H
#define BPFAHEAD_APPLY_INTERNAL_H

#include "apply.h"

#define RETRY_FIRST_NS 10000000000ULL
#define RETRY_MAX_NS 600000000000ULL
#define HANDLES_MAX 128 /* open descriptors; the one idle longest makes room */
#define PENDING_MAX 48  /* more than fit into the ring at once: EVENTS_RING_BYTES / 384 = 42 */

/* What is kept of a bdi while this process lives. */
struct handle {
	__u64 bdi_id;          /* 0: free */
	__u64 used;            /* of applier.clock */
	int fd;                /* read_ahead_kb, -1 if not open */
	int refused_errno;     /* of the last attempt, 0 if it succeeded */
	unsigned int refusals; /* in a row */
	bool limits_changed;   /* told by an event that was not acted upon */
};

struct ring_buffer;

struct applier {
	const struct maps *maps;
	struct ring_buffer *ring; /* NULL in tests */
	void (*report)(const struct event *, const struct apply_report *, void *arg);
	void *arg;
	/* bdi_write_kb(); tests put a race in its place. */
	int (*write_kb)(int fd, unsigned int ra_kb, unsigned int *in_effect);
	__u64 clock;
	unsigned long counts[NR_APPLY_OUTCOMES];
	unsigned int nr_listeners;
	struct apply_listener listeners[LISTENERS_MAX];
	unsigned int nr_pending;
	struct event pending[PENDING_MAX];
	struct handle handles[HANDLES_MAX];
};

/* An applier without a ring. NULL with errno set on failure. */
struct applier *applier_alloc(const struct maps *maps,
			      void (*report)(const struct event *, const struct apply_report *,
					     void *arg),
			      void *arg);

/* Takes one ring-buffer record; the newest event of each bdi waits for applier_flush(). */
void applier_offer(struct applier *a, const void *record, size_t size);
void applier_flush(struct applier *a);

/* Acts on one event now. */
enum apply_outcome apply_event(struct applier *a, const struct event *e);

/*
 * is_kernel_reset - is @ra_kb what a commit of the event's queue limits makes of @accepted_kb?
 * The event must say that a limit changed; without that it never is.
 */
bool is_kernel_reset(const struct event *e, unsigned int accepted_kb, unsigned int ra_kb);

#endif
