/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The harm guard: was a change of readahead followed by less progress of anybody who reads there?
 *
 * A state machine per bdi, fed with samples and with the changes that were written; it has no clock
 * and does no I/O of its own, and its answers are for loader/steer.c to carry out:
 *
 *   quiet -> watching -> late            nobody lost, or nobody can tell; looked at again later
 *                     -> reverting       somebody lost beyond noise, or most of it: the old value
 *          late       -> watching        less from one sample to the next
 *          reverting  -> checking        the old value is in place
 *          checking   -> quiet           progress came back: it was the value; remember it
 *                     -> quiet           it did not: it was the demand; the value is free again
 *
 * Taking back is how a doubt is settled, too: a loss that noise or the way of counting leaves
 * uncertain is one that the old value makes good, or none. No change ends without a verdict, but
 * for one that another change follows, and one whose bdi had to give its place to others.
 */
#ifndef BPFAHEAD_GUARD_H
#define BPFAHEAD_GUARD_H

#include "objective.h"

#define GUARD_BDIS 32      /* watched at once; the one idle longest gives way */
#define GUARD_BEFORE_MAX 8 /* hops */
#define GUARD_AFTER_MAX 24
#define GUARD_BACK_MAX 12

enum guard_verdict {
	GUARD_NOTHING,    /* no news */
	GUARD_FINE,       /* the change does no harm, or none that can be told */
	GUARD_NO_TELLING, /* and why: enum guard_reason */
	GUARD_REVERT,     /* take it back: from_kb again for these classes */
	GUARD_HARMFUL,    /* taken back, and progress is back: remember to_kb as harmful */
	GUARD_CLEARED,    /* taken back, and it changed nothing: to_kb is free again */
	NR_GUARD_VERDICTS,
};

enum guard_reason {
	GUARD_SILENCE,    /* nobody read any more */
	GUARD_PATTERN,    /* other readers, by what they do */
	GUARD_FEW,        /* too few calls to count by */
	GUARD_VALUE,      /* another value was in place: the kernel's own, after a reset */
	GUARD_UNANSWERED, /* it was to be taken back, and was not: the old value is still due */
};

/* What a verdict is about. */
struct guard_finding {
	enum guard_verdict verdict;
	enum guard_reason reason; /* of GUARD_NO_TELLING */
	bool held;                /* of GUARD_NO_TELLING: from_kb is to stay or to come */
	unsigned int class_id;
	__u32 classes; /* that are to have from_kb: what its readers look like at to_kb, too */
	unsigned int from_kb, to_kb; /* the change that was judged */
	unsigned int measure;        /* enum progress: who lost most */
	struct comparison loss;
	__u64 rate_before, rate_after; /* units a second */
};

enum guard_state { GUARD_QUIET, GUARD_WATCHING, GUARD_LATE, GUARD_REVERTING, GUARD_CHECKING };

struct guard_bdi {
	__u64 bdi_id;  /* 0: free */
	__u64 used_ns; /* last sample */
	struct snapshot last;
	bool has_last;
	enum guard_state state;
	unsigned int class_id, from_kb, to_kb;
	unsigned int value_kb;  /* that is looked at: the new one, or the old one again */
	unsigned int sample_kb; /* in place at the last sample */
	__u64 changed_ns;       /* the change, or what took it back */
	__u64 first_changed_ns;
	unsigned int strangers; /* hops in a row that show another class */
	__u32 classes;          /* that its readers have been taken for */
	unsigned int measure;
	struct comparison loss;
	/* Changes to one value that were cleared: each costs readers the time of a look. */
	unsigned int cleared_class, cleared_kb, cleared;
	__u64 cleared_ns;
	unsigned int nr_recent, nr_before, nr_after, nr_back;
	struct hop recent[GUARD_BEFORE_MAX]; /* oldest first, without a gap */
	struct hop before[GUARD_BEFORE_MAX];
	struct hop after[GUARD_AFTER_MAX];
	struct hop back[GUARD_BACK_MAX];
};

struct guard {
	unsigned int page_kb;
	unsigned long verdicts[NR_GUARD_VERDICTS];
	struct guard_bdi bdi[GUARD_BDIS];
};

void guard_init(struct guard *g, unsigned int page_kb);

/*
 * guard_sample - one sample of a bdi
 * @hop: out, if not NULL: what happened since the last one; span_ns 0 if that is not known
 * Returns what there is to be done or said in @finding, GUARD_NOTHING as a rule.
 */
void guard_sample(struct guard *g, const struct sample *s, struct hop *hop,
		  struct guard_finding *finding);

/*
 * guard_changed - a value was written
 * @class_id: the class in force that wanted it
 * Whatever was under judgement for this bdi is so no longer, unless this is what was asked for.
 * Returns false if nobody was seen reading before: there is no judging it, and that is to be said.
 */
bool guard_changed(struct guard *g, __u64 bdi_id, unsigned int class_id, unsigned int from_kb,
		   unsigned int to_kb, __u64 time_ns);

/* Until when samples should come at every hop (CLOCK_MONOTONIC); 0: no need. */
__u64 guard_watch_until(const struct guard *g, __u64 bdi_id);

/* Is a verdict open? No one else should change the value meanwhile. */
bool guard_is_busy(const struct guard *g, __u64 bdi_id);

/* The switch was turned off, or the value is somebody else's now: nothing is under judgement. */
void guard_forget(struct guard *g, __u64 bdi_id);

#endif
