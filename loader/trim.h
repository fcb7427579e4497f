/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The probe: small, rare trials of neighbouring values, where features cannot see what would be
 * best. A state machine per bdi, without clock and I/O; loader/steer.c carries out what it asks
 * for.
 *
 *   resting -> before -> asking -> trial -> leaving -> settling -> resting
 *
 * What a trial shows of its readers can change their class. So the value before stays, for whatever
 * class was seen, until a class is confirmed at it ("settling"); only then classes have their own
 * values again.
 *
 * A value is kept if it gives the class's own readers more, and costs nobody else. The time in
 * values that turn out worse is bounded by TRIM_SHARE of the time watched: a trial begins only if
 * its longest course fits into that bound.
 */
#ifndef BPFAHEAD_TRIM_H
#define BPFAHEAD_TRIM_H

#include "learned.h"
#include "objective.h"

#define TRIM_BDIS 16
#define TRIM_RUNGS 10
#define TRIM_BEFORE_MAX 6 /* hops */
#define TRIM_TRIAL_MAX 8
#define TRIM_SHARE 50           /* one part in so many may be spent in worse values */
#define TRIM_LONGEST_MS 8000ULL /* from the change to the change back, at worst */

enum trim_verdict {
	TRIM_NOTHING,
	TRIM_TRY,     /* kb for the classes of the mask, for the time being */
	TRIM_KEEP,    /* it stays */
	TRIM_BACK,    /* it goes: worse, no better, or the readers left; from_kb for now */
	TRIM_UNPAIR,  /* what `pages` had in common with `objects` goes; to_kb stays for now */
	TRIM_SETTLED, /* after BACK and UNPAIR: classes have their own values again */
	NR_TRIM_VERDICTS,
};

enum trim_result {
	RUNG_UNKNOWN,
	RUNG_WORSE,
	RUNG_EQUAL,
	RUNG_BETTER,
	RUNG_UNCLEAR,
	RUNG_ABORTED,
	RUNG_UNMASKED, /* pages turn out to be objects at it, which have a value of their own */
};

struct trim_finding {
	enum trim_verdict verdict;
	enum trim_result result;
	unsigned int class_id;
	__u32 classes; /* bits: whose rows are meant */
	bool holds;    /* BACK: from_kb stays for these, and whoever is seen, until SETTLED */
	bool hides;    /* KEEP: at kb the class is taken for the other of its pair */
	unsigned int from_kb, to_kb;
	struct comparison change; /* of the class's own measure */
	int more_calls;           /* for each place, 1/1000: objects are cut; 0 if they are not */
	__u64 rate_before, rate_after;
};

enum trim_phase {
	TRIM_RESTING,
	TRIM_BEFORE,
	TRIM_ASKING,
	TRIM_TRIAL,
	TRIM_LEAVING,
	TRIM_SETTLING,
};

struct trim_class {
	__u64 next_ns;
	__u8 result[TRIM_RUNGS];
	__u8 times[TRIM_RUNGS]; /* in a row with this result */
	__u64 until_ns[TRIM_RUNGS];
};

struct trim_bdi {
	__u64 bdi_id; /* 0: free */
	__u64 used_ns;
	__u64 stable_ns; /* the class in force is since */
	unsigned int stable_class;
	enum trim_phase phase;
	unsigned int class_id, from_kb, to_kb;
	bool paired;  /* the bdi's `pages` share a value with its `objects` */
	bool charge;  /* LEAVING: the time counts as worse */
	bool settles; /* LEAVING: the value before is held for a while */
	__u64 phase_ns, tried_ns;
	unsigned int strangers, others; /* hops of another class; of the other of the pair */
	unsigned int nr_before, nr_trial, nr_settled;
	struct hop before[TRIM_BEFORE_MAX];
	struct hop trial[TRIM_TRIAL_MAX];
	struct trim_class of[NR_CLASSES];
};

struct trim {
	unsigned long verdicts[NR_TRIM_VERDICTS];
	struct trim_bdi bdi[TRIM_BDIS];
};

/* What steer.c knows beside the sample. */
struct trim_state {
	bool allowed;        /* the probe is on, no verdict is open, no number was set by hand */
	bool fresh;          /* the sample is of now */
	bool seldom;         /* its value was measured: a tenth of the trials */
	bool paired;         /* `pages` and `objects` share a value */
	unsigned int now_kb; /* the value of the class in force, in the policy's terms */
	unsigned int cap_kb;
	__u32 harmful; /* rungs that the guard remembers for this class, bits */
};

/* The ladder: KB of a rung, and the rung of a value (TRIM_RUNGS if it is none). */
unsigned int trim_rung_kb(unsigned int rung);
unsigned int trim_rung(unsigned int kb);

/* One sample and its hop, as guard_sample() gave it. Counts time into @budget. */
void trim_sample(struct trim *t, const struct sample *s, const struct hop *hop,
		 const struct trim_state *state, struct learned_device *budget,
		 struct trim_finding *finding);

/* A value was written. True if this is the probe's doing, and nobody else's to judge. */
bool trim_changed(struct trim *t, __u64 bdi_id, unsigned int class_id, __u64 time_ns,
		  struct learned_device *budget);

/* The switch was turned off, or the value is somebody else's: no trial goes on. */
void trim_forget(struct trim *t, __u64 bdi_id);

bool trim_is_busy(const struct trim *t, __u64 bdi_id);
/* A value is tried, or was and its readers have not settled: what they look like is its doing. */
bool trim_has_shown(const struct trim *t, __u64 bdi_id);
__u64 trim_watch_until(const struct trim *t, __u64 bdi_id); /* 0: no need */

#endif
