// SPDX-License-Identifier: GPL-2.0-only
#include "guard.h"

#include <string.h>

#define MS 1000000ULL
#define SECOND 1000000000ULL
#define GAP_NS (2500 * MS)   /* a hop of rare calls lasts 2 s; beyond that nobody read */
#define SETTLE_NS (400 * MS) /* open files are armed anew, and what was under way is read */
#define STRANGERS_MAX 4      /* hops in a row of another class: the pattern went away */
#define LOSS_HARM 100        /* 1/1000: less is not worth the turning back */
#define LOSS_DISASTER 500    /* and this not worth waiting for certainty */
#define DISASTER_HOPS 2
#define VERDICT_HOPS 4
#define SUSPECT_LAST 300       /* beyond this the old value is to tell, if noise hides the loss */
#define WATCH_NS (20 * SECOND) /* for a clear verdict, hop by hop */
#define LATE_NS (120 * SECOND) /* and then sample by sample: a stream shrinks at its next seek */
#define LATE_WATCH_NS (30 * SECOND)
#define LATE_LOSS 300
#define LATE_SPAN_NS (30 * SECOND)
#define ANSWER_NS (6 * SECOND) /* until the old value must be in place */
#define CHECK_NS (10 * SECOND)
#define OTHER_VALUE_NS                                                              \
	(8 * SECOND)  /* then what is looked at is gone; sooner than any watch ends \
		       */
#define CLEARED_MAX 2 /* then this value is believed for a while */
#define CLEARED_NS (600 * SECOND)

void guard_init(struct guard *g, unsigned int page_kb)
{
	memset(g, 0, sizeof(*g));
	g->page_kb = page_kb;
}

static struct guard_bdi *find(const struct guard *g, __u64 bdi_id)
{
	unsigned int i;

	for (i = 0; bdi_id && i < GUARD_BDIS; i++) {
		if (g->bdi[i].bdi_id == bdi_id)
			return (struct guard_bdi *)&g->bdi[i];
	}
	return NULL;
}

/* The bdi's place; one that is quiet gives way, and if none is, the one idle longest. */
static struct guard_bdi *get(struct guard *g, __u64 bdi_id)
{
	struct guard_bdi *b = find(g, bdi_id), *c;
	unsigned int i;

	if (b)
		return b;
	b = &g->bdi[0];
	for (i = 0; i < GUARD_BDIS && b->bdi_id; i++) {
		c = &g->bdi[i];
		if (!c->bdi_id || (c->state == GUARD_QUIET && b->state != GUARD_QUIET) ||
		    ((c->state == GUARD_QUIET) == (b->state == GUARD_QUIET) &&
		     c->used_ns < b->used_ns))
			b = c;
	}
	memset(b, 0, sizeof(*b));
	b->bdi_id = bdi_id;
	return b;
}

static void finish(struct guard *g, struct guard_bdi *b, enum guard_verdict verdict,
		   struct guard_finding *f)
{
	f->verdict = verdict;
	f->class_id = b->class_id;
	f->classes = b->classes;
	f->from_kb = b->from_kb;
	f->to_kb = b->to_kb;
	f->measure = b->measure;
	f->loss = b->loss;
	f->rate_before = objective_rate(b->before, b->nr_before, b->measure);
	f->rate_after = objective_rate(b->after, b->nr_after, b->measure);
	g->verdicts[verdict]++;
	if (verdict != GUARD_REVERT)
		b->state = GUARD_QUIET;
}

static void take_back(struct guard *g, struct guard_bdi *b, __u64 now, struct guard_finding *f)
{
	b->state = GUARD_REVERTING;
	b->changed_ns = now;
	finish(g, b, GUARD_REVERT, f);
}

/* The value stays as it is. If it is the new one, whoever reads on or comes back is looked at. */
static void give_up(struct guard *g, struct guard_bdi *b, enum guard_reason reason,
		    struct guard_finding *f)
{
	bool watching = b->state == GUARD_WATCHING;

	f->reason = reason;
	f->held = !watching;
	finish(g, b, GUARD_NO_TELLING, f);
	if (watching && reason != GUARD_FEW)
		b->state = GUARD_LATE;
}

static void keep(struct hop *hops, unsigned int *n, unsigned int max, const struct hop *hop)
{
	if (*n == max) {
		memmove(hops, hops + 1, (max - 1) * sizeof(*hops));
		(*n)--;
	}
	hops[(*n)++] = *hop;
}

/* Below half of what it was in each of the last hops. */
static bool is_disaster(const struct guard_bdi *b, unsigned int measure)
{
	struct comparison c;
	unsigned int i;

	if (b->nr_after < DISASTER_HOPS)
		return false;
	for (i = b->nr_after - DISASTER_HOPS; i < b->nr_after; i++) {
		if (!objective_compare(b->before, b->nr_before, &b->after[i], 1, measure, &c) ||
		    c.loss < LOSS_DISASTER || c.loss < 3 * c.error)
			return false;
	}
	return true;
}

/*
 * Is this measure one to judge by? A single hop between two patterns may be half the other one's:
 * then only the class's own is to be believed. Places are the sum of two others, and for classes of
 * runs.
 */
static bool is_judged(const struct guard_bdi *b, unsigned int measure)
{
	unsigned int own = objective_of(b->class_id);
	bool only_own = b->nr_before < 2 && b->before[0].decided_class != CLASS_NONE;

	if (measure == own)
		return objective_is_counted(b->before, b->nr_before, measure);
	return !only_own && measure != PROGRESS_PLACES &&
	       objective_is_material(b->before, b->nr_before, measure);
}

/* A loss beyond noise and beyond doubt, in @c. */
static bool is_harm(const struct guard_bdi *b, unsigned int measure, struct comparison *c)
{
	if (is_disaster(b, measure)) {
		objective_compare(b->before, b->nr_before, &b->after[b->nr_after - DISASTER_HOPS],
				  DISASTER_HOPS, measure, c);
		if (c->loss > 2 * c->error)
			return true;
		objective_compare(b->before, b->nr_before, b->after, b->nr_after, measure, c);
	}
	return b->nr_after >= VERDICT_HOPS && c->loss > LOSS_HARM && c->loss > 3 * c->error;
}

/*
 * What to think of the hops after the change: GUARD_REVERT, GUARD_FINE, GUARD_NO_TELLING where
 * there is no measure, or GUARD_NOTHING yet. @last: there will be no more.
 */
static enum guard_verdict judge(struct guard_bdi *b, bool last)
{
	bool enough = b->nr_after >= VERDICT_HOPS, harm = false, suspect = false, open = false,
	     told = false;
	int suspicious = last ? SUSPECT_LAST : LOSS_DISASTER;
	struct comparison c, s;
	unsigned int measure;

	for (measure = 0; measure < NR_MEASURES; measure++) {
		if (!is_judged(b, measure) ||
		    !objective_suspect(b->before, b->nr_before, b->after, b->nr_after, measure, &s))
			continue;
		told = true;
		open |= s.loss + 2 * s.error > LOSS_HARM;
		if (objective_is_less_demand(b->before, b->nr_before, b->after, b->nr_after,
					     measure, &s))
			continue;
		if (objective_compare(b->before, b->nr_before, b->after, b->nr_after, measure,
				      &c) &&
		    is_harm(b, measure, &c)) {
			if (!harm || c.loss > b->loss.loss) {
				b->measure = measure;
				b->loss = c;
			}
			harm = true;
			continue;
		}
		/* Two hops before that are far apart leave every loss uncertain for good. */
		if (!harm && (enough || last) && s.loss > suspicious &&
		    (!suspect || s.loss > b->loss.loss)) {
			suspect = true;
			b->measure = measure;
			b->loss = s;
		}
	}
	if (harm || suspect)
		return GUARD_REVERT;
	if (!enough)
		return last ? GUARD_NO_TELLING : GUARD_NOTHING;
	if (!told)
		return GUARD_NO_TELLING;
	return open && !last ? GUARD_NOTHING : GUARD_FINE;
}

/*
 * The last hops show another class. Of other readers, or of the same ones, whom the new value makes
 * look like that? Who reads in a way that was not there before is another one; who does not, and
 * gets less than half of what there was to get, may be the same.
 */
static bool may_be_harmed_strangers(struct guard_bdi *b)
{
	const struct hop *hops;
	struct comparison c;
	unsigned int measure;
	bool harm = false;

	if (b->nr_recent < STRANGERS_MAX)
		return false;
	hops = &b->recent[b->nr_recent - STRANGERS_MAX];
	for (measure = 0; measure < NR_PROGRESS; measure++) {
		if (!objective_is_material(b->before, b->nr_before, measure) &&
		    objective_is_material(hops, STRANGERS_MAX, measure) &&
		    objective_rate(hops, STRANGERS_MAX, measure) / 2 >
			    objective_rate(b->before, b->nr_before, measure))
			return false;
	}
	for (measure = 0; measure < NR_MEASURES; measure++) {
		if (!is_judged(b, measure) ||
		    !objective_suspect(b->before, b->nr_before, hops, STRANGERS_MAX, measure, &c) ||
		    c.loss <= LOSS_DISASTER || (harm && c.loss <= b->loss.loss))
			continue;
		harm = true;
		b->measure = measure;
		b->loss = c;
	}
	if (harm) {
		memcpy(b->after, hops, STRANGERS_MAX * sizeof(*hops));
		b->nr_after = STRANGERS_MAX;
	}
	return harm;
}

/* After taking back: has progress come back? GUARD_HARMFUL, GUARD_CLEARED, or GUARD_NOTHING yet. */
static enum guard_verdict judge_back(const struct guard_bdi *b, bool last)
{
	__u64 before = objective_rate(b->before, b->nr_before, b->measure);
	__u64 after = objective_rate(b->after, b->nr_after, b->measure);
	__u64 back = objective_rate(b->back, b->nr_back, b->measure);
	__u64 lost = before > after ? before - after : 0;
	struct comparison c;

	if (b->nr_back < 3)
		return last ? GUARD_CLEARED : GUARD_NOTHING;
	/* More than half of the loss is made good, and more than noise would. */
	objective_suspect(b->back, b->nr_back, b->after, b->nr_after, b->measure, &c);
	if (back > after + lost / 2 && c.loss > 2 * c.error)
		return GUARD_HARMFUL;
	if (last || (b->nr_back >= 6 && back < after + lost / 4))
		return GUARD_CLEARED;
	return GUARD_NOTHING;
}

/* One hop that began when the change had settled. */
static void count(struct guard *g, struct guard_bdi *b, const struct hop *hop, __u64 now,
		  struct guard_finding *f)
{
	enum guard_verdict verdict = GUARD_NOTHING;
	bool last;

	switch (b->state) {
	case GUARD_WATCHING:
		keep(b->after, &b->nr_after, GUARD_AFTER_MAX, hop);
		last = b->nr_after == GUARD_AFTER_MAX || now - b->changed_ns > WATCH_NS;
		verdict = judge(b, last);
		if (verdict == GUARD_REVERT) {
			take_back(g, b, now, f);
		} else if (verdict == GUARD_NO_TELLING) {
			give_up(g, b, GUARD_FEW, f);
		} else if (verdict == GUARD_FINE) {
			finish(g, b, GUARD_FINE, f);
			b->state = GUARD_LATE;
		}
		break;
	case GUARD_CHECKING:
		keep(b->back, &b->nr_back, GUARD_BACK_MAX, hop);
		verdict = judge_back(b, b->nr_back == GUARD_BACK_MAX);
		if (verdict != GUARD_NOTHING)
			finish(g, b, verdict, f);
		if (verdict == GUARD_CLEARED) {
			if (b->cleared_class != b->class_id || b->cleared_kb != b->to_kb ||
			    now - b->cleared_ns > CLEARED_NS)
				b->cleared = 0;
			b->cleared_class = b->class_id;
			b->cleared_kb = b->to_kb;
			b->cleared_ns = now;
			b->cleared++;
		}
		break;
	default:
		break;
	}
}

/*
 * The verdict was passed on a stream that had not felt the change yet, perhaps: one that is below
 * from one sample to the next is looked at again, hop by hop.
 */
static void look_later(struct guard_bdi *b, const struct hop *hop, __u64 now)
{
	struct comparison c;
	unsigned int measure;

	if (now - b->first_changed_ns > LATE_NS) {
		b->state = GUARD_QUIET;
		return;
	}
	for (measure = 0; measure < NR_PROGRESS; measure++) {
		if (objective_is_material(b->before, b->nr_before, measure) &&
		    objective_suspect(b->before, b->nr_before, hop, 1, measure, &c) &&
		    c.loss > LATE_LOSS &&
		    !objective_is_less_demand(b->before, b->nr_before, hop, 1, measure, &c)) {
			b->state = GUARD_WATCHING;
			b->changed_ns = now;
			b->nr_after = b->strangers = 0;
			return;
		}
	}
}

/* Objects look like pages at a value that suits them, and are in force all the same. */
static bool shows(const struct hop *h, unsigned int class_id)
{
	return h->class_id == class_id || (class_id == CLASS_OBJECTS && h->class_id == CLASS_PAGES);
}

static __u32 class_bit(unsigned int class_id)
{
	return class_id < CLASSES_MAX ? 1U << class_id : 0;
}

/* Under the old value its readers may be seen as any class that they were taken for. */
static bool is_expected(const struct guard_bdi *b, const struct hop *h)
{
	if (b->state != GUARD_CHECKING)
		return shows(h, b->class_id) && h->decided_class == b->class_id;
	return (shows(h, b->class_id) || b->classes & class_bit(h->class_id)) &&
	       b->classes & class_bit(h->decided_class);
}

/* Nobody has read since the change, or for a while since. Before it, samples may be far apart. */
static bool was_silent(const struct guard_bdi *b, const struct hop *h, __u64 now)
{
	__u64 since = now - h->span_ns;

	if (since < b->changed_ns)
		since = b->changed_ns;
	return b->state != GUARD_QUIET && b->state != GUARD_LATE && now - since > GAP_NS;
}

/*
 * Not what a hop was read with from its beginning to its end? A limits commit of the kernel resets
 * it, until the decision puts it back: what is lost meanwhile is not lost by the value judged.
 */
static bool had_another_value(const struct guard *g, const struct guard_bdi *b, const struct hop *h,
			      unsigned int begin_kb)
{
	unsigned int pages = b->value_kb / g->page_kb;

	return h->ra_kb / g->page_kb != pages || begin_kb / g->page_kb != pages;
}

void guard_sample(struct guard *g, const struct sample *s, struct hop *hop, struct guard_finding *f)
{
	struct guard_bdi *b;
	struct snapshot to = {.time_ns = s->time_ns};
	struct hop h = {};
	unsigned int i, begin_kb;
	bool known, running;

	memset(f, 0, sizeof(*f));
	if (hop)
		memset(hop, 0, sizeof(*hop));
	if (!s->bdi_id)
		return;
	b = get(g, s->bdi_id);
	memcpy(to.total, s->total, sizeof(to.total));
	known = b->has_last && objective_hop(&b->last, &to, g->page_kb, &h);
	h.ra_kb = s->ra_kb;
	h.class_id = s->hop_class;
	h.decided_class = s->decided_class;
	if (!known || h.span_ns > GAP_NS)
		b->nr_recent = 0; /* what lies before a gap is not "before" anything */
	begin_kb = b->sample_kb;
	b->sample_kb = s->ra_kb;
	b->used_ns = s->time_ns;
	b->last = to;
	b->has_last = true;
	if (!known)
		return;
	if (hop)
		*hop = h;
	if (h.span_ns <= GAP_NS)
		keep(b->recent, &b->nr_recent, GUARD_BEFORE_MAX, &h);
	if (was_silent(b, &h, s->time_ns)) {
		/* The old value, in place or due, waits for who reads next; but not for long. */
		if (b->state == GUARD_WATCHING || h.span_ns > LATE_NS)
			give_up(g, b, GUARD_SILENCE, f);
		else
			b->changed_ns = s->time_ns;
		return;
	}
	if (b->state == GUARD_LATE && h.span_ns <= LATE_SPAN_NS && shows(&h, b->class_id) &&
	    h.decided_class == b->class_id && !had_another_value(g, b, &h, begin_kb))
		look_later(b, &h, s->time_ns);
	running = b->state == GUARD_WATCHING || b->state == GUARD_CHECKING;
	if (b->state == GUARD_REVERTING && s->time_ns - b->changed_ns > ANSWER_NS) {
		give_up(g, b, GUARD_UNANSWERED, f);
		return;
	}
	if (!running || s->time_ns - h.span_ns < b->changed_ns + SETTLE_NS)
		return;
	if (had_another_value(g, b, &h, begin_kb)) {
		if (s->time_ns - b->changed_ns > OTHER_VALUE_NS)
			give_up(g, b, GUARD_VALUE, f);
		return;
	}
	if (!is_expected(b, &h)) {
		/* A hop in which the pattern goes says nothing. */
		if (++b->strangers < STRANGERS_MAX)
			return;
		if (b->state == GUARD_WATCHING && may_be_harmed_strangers(b)) {
			for (i = b->nr_recent - STRANGERS_MAX; i < b->nr_recent; i++)
				b->classes |= class_bit(b->recent[i].class_id) |
					      class_bit(b->recent[i].decided_class);
			take_back(g, b, s->time_ns, f);
		} else {
			give_up(g, b, GUARD_PATTERN, f);
		}
		return;
	}
	b->strangers = 0;
	count(g, b, &h, s->time_ns, f);
}

bool guard_changed(struct guard *g, __u64 bdi_id, unsigned int class_id, unsigned int from_kb,
		   unsigned int to_kb, __u64 time_ns)
{
	struct guard_bdi *b = find(g, bdi_id);
	unsigned int i;

	if (!b) { /* no sample ever: there is no "before" */
		g->verdicts[GUARD_NO_TELLING]++;
		return from_kb == to_kb;
	}
	if (b->state == GUARD_REVERTING && b->classes & class_bit(class_id) &&
	    from_kb == b->to_kb) {
		b->state = GUARD_CHECKING;
		b->value_kb = to_kb;
		b->changed_ns = time_ns;
		b->strangers = b->nr_back = 0;
		return true;
	}
	b->state = GUARD_QUIET;
	if (from_kb == to_kb || (b->cleared >= CLEARED_MAX && b->cleared_class == class_id &&
				 b->cleared_kb == to_kb && time_ns - b->cleared_ns < CLEARED_NS))
		return true;
	/* The newest hops of this class under the old value, back to the first other one. */
	for (i = b->nr_recent; i; i--) {
		if (b->recent[i - 1].class_id != class_id || b->recent[i - 1].ra_kb != from_kb)
			break;
	}
	b->nr_before = b->nr_recent - i;
	memcpy(b->before, &b->recent[i], b->nr_before * sizeof(*b->before));
	if (!b->nr_before) {
		g->verdicts[GUARD_NO_TELLING]++;
		return false;
	}
	b->state = GUARD_WATCHING;
	b->class_id = class_id;
	b->classes = class_bit(class_id);
	b->from_kb = from_kb;
	b->to_kb = b->value_kb = to_kb;
	b->changed_ns = b->first_changed_ns = time_ns;
	b->nr_after = b->strangers = 0;
	b->measure = objective_of(class_id);
	memset(&b->loss, 0, sizeof(b->loss));
	return true;
}

__u64 guard_watch_until(const struct guard *g, __u64 bdi_id)
{
	const struct guard_bdi *b = find(g, bdi_id);

	if (!b)
		return 0;
	switch (b->state) {
	case GUARD_WATCHING:
		return b->changed_ns + WATCH_NS;
	case GUARD_REVERTING:
		return b->changed_ns + ANSWER_NS + CHECK_NS;
	case GUARD_CHECKING:
		return b->changed_ns + CHECK_NS;
	case GUARD_LATE: /* samples that nobody watches come late themselves */
		return b->to_kb < b->from_kb ? b->first_changed_ns + LATE_WATCH_NS : 0;
	default:
		return 0;
	}
}

bool guard_is_busy(const struct guard *g, __u64 bdi_id)
{
	const struct guard_bdi *b = find(g, bdi_id);

	return b && b->state != GUARD_QUIET && b->state != GUARD_LATE;
}

void guard_forget(struct guard *g, __u64 bdi_id)
{
	struct guard_bdi *b = find(g, bdi_id);

	if (b)
		b->state = GUARD_QUIET;
}
