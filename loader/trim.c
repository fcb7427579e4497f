// SPDX-License-Identifier: GPL-2.0-only
#include "trim.h"

#include <string.h>

#define MS 1000000ULL
#define SECOND 1000000000ULL
#define GAP_NS (2500 * MS)
#define SETTLE_NS (400 * MS)
#define STABLE_NS (10 * SECOND) /* the class in force, before it is tried */
#define REST_NS (10 * SECOND)   /* between two trials */
#define PHASE_NS (8 * SECOND)   /* no phase lasts longer */
#define STRANGERS_MAX 3
#define BEFORE_MIN 4
#define CLEAR_HOPS 2
#define VERDICT_HOPS 4
#define CLEARLY_WORSE 150 /* 1/1000, told after two hops */
#define LOSS_WORSE 50
#define GAIN_PAYS 30
#define LOSS_OTHERS 30  /* what nobody else may lose */
#define LOSS_CHEAPER 20 /* at this and a tenth less read from the device, less is better */
#define MORE_CALLS 25   /* for each place: fewer cut no objects */
#define AGAIN_NS (3600 * SECOND)
#define AGAIN_MAX 5    /* doublings */
#define SETTLED_HOPS 3 /* in a row, as many as confirm a class */
#define SELDOM 10
#define PEEK_NS (120 * SECOND)

static const unsigned int ladder[TRIM_RUNGS] = {4, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};

unsigned int trim_rung_kb(unsigned int rung)
{
	return rung < TRIM_RUNGS ? ladder[rung] : 0;
}

unsigned int trim_rung(unsigned int kb)
{
	unsigned int i;

	for (i = 0; i < TRIM_RUNGS && ladder[i] != kb; i++)
		;
	return i;
}

static struct trim_bdi *find(const struct trim *t, __u64 bdi_id)
{
	unsigned int i;

	for (i = 0; bdi_id && i < TRIM_BDIS; i++) {
		if (t->bdi[i].bdi_id == bdi_id)
			return (struct trim_bdi *)&t->bdi[i];
	}
	return NULL;
}

/* Nothing goes on, or its readers have left it unfinished. */
static bool gives_way(const struct trim_bdi *b, __u64 now)
{
	return b->phase == TRIM_RESTING ||
	       (b->phase == TRIM_SETTLING && now - b->used_ns > 3 * STABLE_NS);
}

/* NULL while every place has a trial going on. */
static struct trim_bdi *get(struct trim *t, __u64 bdi_id, __u64 now)
{
	struct trim_bdi *b = find(t, bdi_id), *c;
	unsigned int i;

	for (i = 0; !b && i < TRIM_BDIS; i++)
		b = gives_way(&t->bdi[i], now) ? &t->bdi[i] : NULL;
	if (!b || b->bdi_id == bdi_id)
		return b;
	for (i = 0; i < TRIM_BDIS; i++) {
		c = &t->bdi[i];
		if (gives_way(c, now) && c->used_ns < b->used_ns)
			b = c;
	}
	memset(b, 0, sizeof(*b));
	b->bdi_id = bdi_id;
	b->stable_class = CLASS_NONE;
	return b;
}

/*
 * Objects and pages by mmap are one workload that the value itself makes look like one or the
 * other: they are tried together.
 */
static bool is_pair(unsigned int class_id)
{
	return class_id == CLASS_OBJECTS || class_id == CLASS_PAGES;
}

static __u32 classes_of(unsigned int class_id)
{
	return is_pair(class_id) ? 1U << CLASS_OBJECTS | 1U << CLASS_PAGES : 1U << class_id;
}

static bool belongs(unsigned int class_id, unsigned int to)
{
	return class_id == to || (is_pair(class_id) && is_pair(to));
}

/* May this rung be tried now? */
static bool is_open(const struct trim_bdi *b, unsigned int class_id, unsigned int rung,
		    const struct trim_state *state, __u64 now)
{
	const struct trim_class *c = &b->of[class_id];

	if (rung >= TRIM_RUNGS || ladder[rung] > state->cap_kb || state->harmful & (1U << rung))
		return false;
	if (!rung && !is_pair(class_id)) /* a page at a time is for those who want no more */
		return false;
	return c->result[rung] == RUNG_UNKNOWN || now >= c->until_ns[rung];
}

/* The rung to be tried next, TRIM_RUNGS if none is. */
static unsigned int candidate(const struct trim_bdi *b, unsigned int class_id,
			      const struct trim_state *state, __u64 now)
{
	/* Single pages want less, if anything; what streams want depends on the device's limit. */
	int step = class_id == CLASS_PAGES || state->paired ? -1 : 1;
	unsigned int next, i;

	if (class_id >= NR_CLASSES || class_id == CLASS_RANDOM || !state->now_kb)
		return TRIM_RUNGS;
	for (i = 0; i < 2; i++, step = -step) {
		/* The nearest on that side; a value need not be a rung itself. */
		next = step > 0 ? 0 : TRIM_RUNGS - 1;
		while (next < TRIM_RUNGS &&
		       (step > 0 ? ladder[next] <= state->now_kb : ladder[next] >= state->now_kb))
			next += (unsigned int)step;
		/* Where it is flat, what lies beyond may be better. */
		while (next < TRIM_RUNGS && !is_open(b, class_id, next, state, now) &&
		       b->of[class_id].result[next] == RUNG_EQUAL)
			next += (unsigned int)step;
		if (is_open(b, class_id, next, state, now))
			return next;
	}
	return TRIM_RUNGS;
}

static void rest(struct trim_bdi *b, __u64 now)
{
	b->phase = TRIM_RESTING;
	b->of[b->class_id].next_ns = now + REST_NS;
}

/* The value before is in place, or nothing came of it; no class has had a say yet. */
static void leave(struct trim_bdi *b, __u64 now)
{
	rest(b, now);
	if (!b->settles)
		return;
	b->phase = TRIM_SETTLING;
	b->phase_ns = now;
	b->nr_settled = 0;
}

static void remember(struct trim_bdi *b, enum trim_result result, __u64 now)
{
	struct trim_class *c = &b->of[b->class_id];
	unsigned int rung = trim_rung(b->to_kb), doublings;

	if (rung == TRIM_RUNGS)
		return;
	c->times[rung] = c->result[rung] == result ? c->times[rung] + (c->times[rung] < 255) : 0;
	c->result[rung] = (__u8)result;
	doublings = c->times[rung] < AGAIN_MAX ? c->times[rung] : AGAIN_MAX;
	c->until_ns[rung] = now + (AGAIN_NS << doublings);
	if (result == RUNG_UNCLEAR)
		c->until_ns[rung] = now + ((AGAIN_NS / 60) << doublings);
	if (result == RUNG_ABORTED)
		c->until_ns[rung] = now + ((AGAIN_NS / 12) << doublings);
	if (b->paired && b->to_kb < b->from_kb) /* the same readers, still? */
		c->until_ns[rung] = now + PEEK_NS;
}

/*
 * As many places, but more calls for each, in 1/1000; 0 if that cannot be told. A smaller value
 * cuts objects then, whose parts wait for one another. Such a part counts as a place of its own
 * where another thread reads it, so that the places by themselves may not show it.
 */
static int more_calls(const struct trim_bdi *b)
{
	struct comparison calls;

	if (b->to_kb > b->from_kb ||
	    !objective_compare_effort(b->before, b->nr_before, b->trial, b->nr_trial,
				      objective_of(b->class_id), &calls))
		return 0;
	return calls.gain > MORE_CALLS && calls.gain > 3 * calls.error ? calls.gain : 0;
}

/* Are there surely no more calls for each place? */
static bool no_more_calls(const struct trim_bdi *b)
{
	struct comparison calls;

	return !objective_compare_effort(b->before, b->nr_before, b->trial, b->nr_trial,
					 objective_of(b->class_id), &calls) ||
	       calls.gain + calls.error < MORE_CALLS;
}

static void conclude(struct trim *t, struct trim_bdi *b, enum trim_verdict verdict,
		     enum trim_result result, __u64 now, struct trim_finding *f)
{
	unsigned int own = objective_of(b->class_id), rung;

	f->verdict = verdict;
	f->result = result;
	f->class_id = b->class_id;
	f->classes = classes_of(b->class_id);
	f->from_kb = b->from_kb;
	f->to_kb = b->to_kb;
	f->hides = b->others * 2 > b->nr_trial ||
		   (b->nr_trial && b->trial[b->nr_trial - 1].class_id != b->class_id);
	f->rate_before = objective_rate(b->before, b->nr_before, own);
	f->rate_after = objective_rate(b->trial, b->nr_trial, own);
	objective_compare(b->before, b->nr_before, b->trial, b->nr_trial, own, &f->change);
	f->more_calls = more_calls(b);
	t->verdicts[verdict]++;
	remember(b, result, now);
	b->charge = result == RUNG_WORSE || result == RUNG_ABORTED || result == RUNG_UNMASKED;
	f->holds = b->settles = verdict == TRIM_BACK && b->tried_ns;
	b->phase_ns = now;
	if (verdict == TRIM_UNPAIR) { /* objects may be in force yet, and for long, but stay here */
		b->settles = true;
		leave(b, now);
		b->paired = false;
		b->class_id = CLASS_PAGES;
		return;
	}
	if (verdict != TRIM_KEEP) {
		b->phase = TRIM_LEAVING;
		return;
	}
	/* What it was better than need not be tried for as long. */
	rung = trim_rung(b->from_kb);
	if (rung < TRIM_RUNGS) {
		b->of[b->class_id].result[rung] = RUNG_WORSE;
		b->of[b->class_id].until_ns[rung] = now + (b->paired ? PEEK_NS : AGAIN_NS);
	}
	rest(b, now);
}

/* Of the hops so far; RUNG_UNKNOWN: more are needed. */
static enum trim_result judge(const struct trim_bdi *b)
{
	unsigned int measure, own = objective_of(b->class_id);
	bool last = b->nr_trial == TRIM_TRIAL_MAX, others_fine = true, known = false;
	struct comparison c, mine = {0};
	__u64 before, after;

	for (measure = 0; measure < NR_MEASURES; measure++) {
		if (!(measure == own ? objective_is_counted(b->before, b->nr_before, measure) :
				       objective_is_material(b->before, b->nr_before, measure)) ||
		    !objective_compare(b->before, b->nr_before, b->trial, b->nr_trial, measure, &c))
			continue;
		if (measure == own) {
			mine = c;
			known = true;
		}
		if (b->nr_trial >= CLEAR_HOPS && c.loss > CLEARLY_WORSE && c.loss > 3 * c.error)
			return RUNG_WORSE;
		if (b->nr_trial >= VERDICT_HOPS && c.loss > LOSS_WORSE && c.loss > 3 * c.error)
			return RUNG_WORSE;
		if (measure != own && c.loss > LOSS_OTHERS && c.loss > c.error)
			others_fine = false;
	}
	if (b->nr_trial < VERDICT_HOPS)
		return RUNG_UNKNOWN;
	if (!known) /* too few reads to tell */
		return RUNG_ABORTED;
	if (others_fine && mine.gain > GAIN_PAYS && mine.gain > 3 * mine.error)
		return RUNG_BETTER;
	if (!last)
		return RUNG_UNKNOWN;
	if (mine.loss > LOSS_WORSE)
		return RUNG_WORSE; /* if not beyond doubt: it is not worth staying for */
	if (mine.gain <= GAIN_PAYS && more_calls(b))
		return RUNG_WORSE;
	before = objective_cost(b->before, b->nr_before, own);
	after = objective_cost(b->trial, b->nr_trial, own);
	/* Readers who ask for only so much get it at either: then for less of the device's time. */
	if (others_fine && mine.loss < LOSS_CHEAPER && no_more_calls(b) && after * 10 < before * 9)
		return RUNG_BETTER;
	/* Better by more than it takes, but for the noise: again soon. */
	return others_fine && mine.gain > GAIN_PAYS ? RUNG_UNCLEAR : RUNG_EQUAL;
}

/*
 * Pages that a smaller value shows to be objects: those have a value of their own, which nobody has
 * tried on these readers. So the smaller one cannot be kept for pages, however it does.
 */
static bool is_unmasked(const struct trim_bdi *b, enum trim_result result)
{
	if (b->class_id != CLASS_PAGES || b->paired || !b->others)
		return false;
	return result == RUNG_BETTER ||
	       (b->nr_trial >= CLEAR_HOPS && b->trial[b->nr_trial - 1].class_id != CLASS_PAGES &&
		b->trial[b->nr_trial - 2].class_id != CLASS_PAGES);
}

static void on_trial(struct trim *t, struct trim_bdi *b, const struct hop *hop, __u64 now,
		     struct trim_finding *f)
{
	enum trim_result result;

	b->trial[b->nr_trial++] = *hop;
	if (hop->class_id != b->class_id)
		b->others++;
	result = judge(b);
	/* Of a pair with one value: what the readers are shows below it. */
	if (result != RUNG_WORSE && b->paired && b->to_kb < b->from_kb &&
	    b->nr_trial >= CLEAR_HOPS && hop->class_id == CLASS_PAGES &&
	    b->trial[b->nr_trial - 2].class_id == CLASS_PAGES) {
		conclude(t, b, TRIM_UNPAIR, RUNG_BETTER, now, f);
		return;
	}
	if ((result == RUNG_UNKNOWN || result == RUNG_BETTER) && is_unmasked(b, result))
		result = RUNG_UNMASKED;
	if (result == RUNG_BETTER)
		conclude(t, b, TRIM_KEEP, result, now, f);
	else if (result != RUNG_UNKNOWN)
		conclude(t, b, TRIM_BACK, result, now, f);
}

static void begin(struct trim_bdi *b, const struct trim_state *state,
		  const struct learned_device *budget, __u64 now)
{
	unsigned int class_id = b->stable_class, rung;

	if (!state->allowed || !state->fresh || class_id >= NR_CLASSES ||
	    now - b->stable_ns < STABLE_NS || now < b->of[class_id].next_ns ||
	    (budget->worse_ms + TRIM_LONGEST_MS) * TRIM_SHARE * (state->seldom ? SELDOM : 1) >
		    budget->watched_ms)
		return;
	rung = candidate(b, class_id, state, now);
	if (rung == TRIM_RUNGS)
		return;
	b->phase = TRIM_BEFORE;
	b->phase_ns = now;
	b->class_id = class_id;
	b->from_kb = state->now_kb;
	b->to_kb = ladder[rung];
	b->paired = state->paired;
	b->charge = false;
	b->tried_ns = 0;
	b->nr_before = b->nr_trial = b->strangers = b->others = 0;
}

/* Does this hop, at the value before, show the class in force as hops did before the trial? */
static bool confirms(const struct trim_bdi *b, unsigned int decided, const struct hop *hop)
{
	if (hop->class_id == decided)
		return true;
	if (!belongs(hop->class_id, decided))
		return false;
	/* With one value for both it makes no odds; and objects that are hidden were so before. */
	return b->paired || (decided == CLASS_OBJECTS && b->class_id == CLASS_OBJECTS);
}

static void on_settling(struct trim *t, struct trim_bdi *b, unsigned int decided,
			const struct hop *hop, struct trim_finding *f)
{
	if (!hop->span_ns)
		return;
	b->nr_settled = confirms(b, decided, hop) ? b->nr_settled + 1 : 0;
	/* After a gap the readers are others. */
	if (b->nr_settled < SETTLED_HOPS && hop->span_ns <= 3 * STABLE_NS)
		return;
	b->phase = TRIM_RESTING;
	f->verdict = TRIM_SETTLED;
	f->class_id = b->class_id;
	t->verdicts[TRIM_SETTLED]++;
}

void trim_sample(struct trim *t, const struct sample *s, const struct hop *hop,
		 const struct trim_state *state, struct learned_device *budget,
		 struct trim_finding *f)
{
	struct trim_bdi *b = get(t, s->bdi_id, s->time_ns);
	__u64 now = s->time_ns;
	bool fits;

	memset(f, 0, sizeof(*f));
	if (!b || !s->bdi_id)
		return;
	b->used_ns = now;
	if (!belongs(s->decided_class, b->stable_class) || hop->span_ns > 3 * STABLE_NS) {
		b->stable_class = s->decided_class;
		b->stable_ns = now;
	} else if (s->decided_class != b->stable_class && b->phase == TRIM_RESTING) {
		b->stable_class = s->decided_class;
	}
	fits = hop->span_ns && belongs(hop->class_id, s->decided_class);
	if (fits && hop->span_ns <= 3 * STABLE_NS)
		budget->watched_ms += hop->span_ns / MS;
	if (b->phase == TRIM_RESTING) {
		begin(b, state, budget, now);
		return;
	}
	fits = fits && belongs(hop->class_id, b->class_id) && hop->span_ns <= GAP_NS;
	if (b->phase == TRIM_BEFORE) {
		if (!fits || !state->allowed || now - b->phase_ns > PHASE_NS) {
			if (++b->strangers >= STRANGERS_MAX || !state->allowed)
				rest(b, now);
			return;
		}
		b->before[b->nr_before++] = *hop;
		if (b->nr_before < BEFORE_MIN)
			return;
		f->verdict = TRIM_TRY;
		f->class_id = b->class_id;
		f->classes = classes_of(b->class_id);
		f->from_kb = b->from_kb;
		f->to_kb = b->to_kb;
		t->verdicts[TRIM_TRY]++;
		b->phase = TRIM_ASKING;
		b->phase_ns = now;
		b->strangers = 0;
		return;
	}
	if (b->phase == TRIM_SETTLING) {
		on_settling(t, b, s->decided_class, hop, f);
		return;
	}
	if (b->phase == TRIM_LEAVING) {
		/* The value is not in place any more, by whatever came between. */
		if (now - b->phase_ns > PHASE_NS) {
			if (b->charge && b->tried_ns)
				budget->worse_ms += (now - b->tried_ns) / MS;
			leave(b, now);
		}
		return;
	}
	if (now - b->phase_ns > PHASE_NS || !state->allowed) {
		conclude(t, b, TRIM_BACK, RUNG_ABORTED, now, f);
		return;
	}
	if (b->phase != TRIM_TRIAL || now - hop->span_ns < b->tried_ns + SETTLE_NS)
		return;
	if (!fits) {
		if (++b->strangers >= STRANGERS_MAX || hop->span_ns > GAP_NS)
			conclude(t, b, TRIM_BACK, RUNG_ABORTED, now, f);
		return;
	}
	b->strangers = 0;
	on_trial(t, b, hop, now, f);
}

bool trim_changed(struct trim *t, __u64 bdi_id, unsigned int class_id, __u64 time_ns,
		  struct learned_device *budget)
{
	struct trim_bdi *b = find(t, bdi_id);

	if (!b)
		return false;
	switch (b->phase) {
	case TRIM_ASKING:
		if (!belongs(class_id, b->class_id))
			return false;
		b->phase = TRIM_TRIAL;
		b->phase_ns = b->tried_ns = time_ns;
		return true;
	case TRIM_LEAVING:
		if (b->charge && b->tried_ns)
			budget->worse_ms += (time_ns - b->tried_ns) / MS;
		leave(b, time_ns);
		return b->settles || belongs(class_id, b->class_id);
	default:
		return false;
	}
}

void trim_forget(struct trim *t, __u64 bdi_id)
{
	struct trim_bdi *b = find(t, bdi_id);

	if (b)
		b->phase = TRIM_RESTING;
}

bool trim_is_busy(const struct trim *t, __u64 bdi_id)
{
	const struct trim_bdi *b = find(t, bdi_id);

	return b && b->phase != TRIM_RESTING;
}

bool trim_has_shown(const struct trim *t, __u64 bdi_id)
{
	const struct trim_bdi *b = find(t, bdi_id);

	return b && (b->phase == TRIM_TRIAL || b->phase == TRIM_SETTLING ||
		     (b->phase == TRIM_LEAVING && b->settles));
}

__u64 trim_watch_until(const struct trim *t, __u64 bdi_id)
{
	const struct trim_bdi *b = find(t, bdi_id);

	return b && b->phase != TRIM_RESTING ? b->phase_ns + PHASE_NS + SECOND : 0;
}
