/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of a hop: totals to features, features to classes, classes to a
 * decision, a decision to an event. Runs about twice a second per busy bdi, on
 * the CPU that found the deadline passed. The policy is explained at the top
 * of readahead.bpf.c.
 *
 * User space writes `config`, `policy`, `models` and `applied`; nothing here
 * trusts them.
 */
#ifndef BPFAHEAD_DECIDE_BPF_H
#define BPFAHEAD_DECIDE_BPF_H

#include "model.bpf.h"
#include "policy.bpf.h"

#define DIRECT_SHARE 64 /* fewer page-cache reads than one in so many change nothing */
#define CPUS_FOLDED (CPU_MASK_WORDS * 64)
#define CPU_FOLDS 8 /* 8 x 1,024 CPUs: the largest NR_CPUS of any architecture */

/* --- sums over CPUs ----------------------------------------------------------------------- */

struct sum_context {
	__u64 bdi_id;
	__u64 mask; /* of this word's CPUs */
	__u32 slot;
	__u32 first_cpu; /* of this word */
	__u64 total[COUNTERS_MAX];
};

/* Adds what one CPU of the word has counted; ends the loop after the last of them. */
static long sum_cpu(__u64 index, struct sum_context *s)
{
	__u64 left = s->mask >> (index & 63);
	__u32 cpu = s->first_cpu + index, fold, i;

	if (!left)
		return 1;
	if (!(left & 1))
		return 0;
	for (fold = 0; fold < CPU_FOLDS; fold++) {
		struct bdi_counters *c = bpf_map_lookup_percpu_elem(&counters, &s->slot, cpu);

		if (!c)
			break;
		if (c->bdi_id == s->bdi_id)
			for (i = 0; i < NR_COUNTERS; i++)
				s->total[i] += c->total[i];
		cpu += CPUS_FOLDED;
	}
	return 0;
}

/* Sums one word of the mask; called for each. */
static long sum_word(__u64 word, struct sum_context *s)
{
	struct bdi_state *st = bpf_map_lookup_elem(&bdis, &s->slot);

	if (!st)
		return 1;
	s->mask = st->cpu_mask[word & (CPU_MASK_WORDS - 1)];
	s->first_cpu = word * 64;
	if (s->mask)
		bpf_loop(64, sum_cpu, s, 0);
	return 0;
}

/* Totals of a slot over all CPUs that have touched it. */
__attribute__((noinline)) int sum_cpus(__u32 slot)
{
	struct sum_context s = {.slot = slot};
	struct bdi_state *st;
	struct scratch *sc;
	__u32 zero = 0, i;

	st = bpf_map_lookup_elem(&bdis, &slot);
	sc = bpf_map_lookup_elem(&scratch, &zero);
	if (!st || !sc)
		return -1;
	s.bdi_id = st->bdi_id;
	bpf_loop(CPU_MASK_WORDS, sum_word, &s, 0);
	sc->sum.time_ns = sc->in.now_ns;
	for (i = 0; i < COUNTERS_MAX; i++)
		sc->sum.total[i] = s.total[i];
	return 0;
}

/* --- windows -------------------------------------------------------------------------------- */

/* What min_calls counts: the page cache's calls, or for a model without them its block reads. */
static __always_inline __u64 count_calls(const struct window *w, __u32 sources)
{
	if (sources & SOURCE_READAHEAD)
		return window_readahead_calls(w);
	return w->delta[COUNTER_BLOCK_READS];
}

/* The part from a boundary to the sum. Returns 0, or -1 if a total ran backwards. */
__attribute__((noinline)) int part_since(__u32 slot, __u32 back, struct part *p)
{
	const struct snapshot *from;
	struct bdi_state *st;
	struct scratch *s;
	__u32 zero = 0, i;
	__u64 sign;

	st = bpf_map_lookup_elem(&bdis, &slot);
	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!st || !s || !p)
		return -1;
	from = &st->ring[(st->ring_head - back) & (HOPS_MAX - 1)];
	p->class_id = p->answer = CLASS_NONE;
	p->margin = 0;
	p->w.span_ns = s->sum.time_ns - from->time_ns;
	sign = p->w.span_ns;
	for (i = 0; i < COUNTERS_MAX; i++) {
		p->w.delta[i] = s->sum.total[i] - from->total[i];
		sign |= p->w.delta[i];
	}
	window_pages(&p->w, s->in.ra_pages, PAGE_KB / 4);
	p->calls = count_calls(&p->w, s->sources);
	return (__s64)sign < 0 ? -1 : 0;
}

static __always_inline void push_boundary(struct bdi_state *st, const struct snapshot *sum)
{
	__u32 i, head = (st->ring_head + 1) & (HOPS_MAX - 1);

	st->ring[head].time_ns = sum->time_ns;
	for (i = 0; i < COUNTERS_MAX; i++)
		st->ring[head].total[i] = sum->total[i];
	st->ring_head = head;
	if (st->nr_hops < HOPS_MAX)
		st->nr_hops++;
}

static __always_inline void forget_confirming(struct bdi_state *st)
{
	st->confirm = 0;
	st->candidate_class = CLASS_NONE;
	st->previous_hop_class = CLASS_NONE;
}

/* --- classes -------------------------------------------------------------------------------- */

static __always_inline void remember_logits(struct bdi_state *st, const struct scratch *s)
{
	__u32 i, nr_outputs = s->model.header.nr_outputs;

	for (i = 0; i < MODEL_OUTPUTS_MAX; i++) {
		st->logits[i] = i < nr_outputs ? s->mlp.logits[i] : 0;
		st->class_of_logit[i] = s->model.header.class_id[i];
	}
	st->nr_outputs = nr_outputs;
	st->margin = s->mlp.margin;
}

/* The shadow model answers for the same window; nothing follows from it but two counts. */
static __always_inline void ask_shadow(struct bdi_state *st, struct scratch *s)
{
	st->shadow_class = CLASS_NONE;
	if (st->window_class == CLASS_NONE || load_model(MODEL_SHADOW, st->sources))
		return;
	if (mlp_infer(&s->model, &s->window.f, &s->mlp))
		return;
	st->shadow_class = s->mlp.class_id;
	st->shadow_margin = s->mlp.margin;
	st->stats.shadow_windows++;
	if (st->shadow_class == st->window_class)
		st->stats.shadow_agreed++;
}

/*
 * Pages that are no random ones: read-arounds that go on within 4 MiB of the last. A mapping that
 * is read backwards looks like that, or one in strides; no model has an input for it. What suits a
 * stream suits it, and what suits pages costs it most of its rate. The share of those that begin
 * elsewhere depends on the value, so it takes a larger one to leave than to enter: a database read
 * backwards goes from data to index and back once a window.
 */
#define PLACES_SHARE 4
#define PLACES_SHARE_LEFT 2

static __always_inline void classify_in_place(const struct bdi_state *st, struct scratch *s,
					      struct part *p)
{
	__u32 share = st->decided_class == CLASS_SEQUENTIAL ? PLACES_SHARE_LEFT : PLACES_SHARE;

	classify(s, p);
	if (p->class_id == CLASS_PAGES &&
	    p->w.delta[COUNTER_AROUND_STARTS] * share < p->w.delta[COUNTER_AROUND_CALLS])
		p->class_id = CLASS_SEQUENTIAL;
}

/*
 * Asks the model about hop and window. Returns -1 if a total ran backwards.
 *
 * When the last two hops agree with each other but not with the window, the
 * pattern has changed, and the window starts again where it did.
 */
__attribute__((noinline)) int hop_classify(__u32 slot)
{
	struct bdi_state *st;
	struct scratch *s;
	__u32 zero = 0;

	st = bpf_map_lookup_elem(&bdis, &slot);
	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!st || !s)
		return -1;
	features_compute(&s->hop.w, &s->hop.f);
	features_compute(&s->window.w, &s->window.f);
	if (st->model_fault) {
		st->stats.no_model++;
		if (st->model_fault == MODEL_SILENT_SOURCES)
			COUNT(model_sources);
		else
			COUNT(model_invalid);
		return 0;
	}
	if (st->model_checksum != s->model.header.checksum) {
		st->model_checksum = s->model.header.checksum;
		st->model_generation = s->model.header.generation;
		forget_confirming(st);
		st->stats.shadow_windows = st->stats.shadow_agreed = 0;
	}
	if (!s->fresh || s->window.calls < s->set.min_calls) {
		st->stats.abstained++;
		return 0;
	}
	classify_in_place(st, s, &s->hop);
	classify_in_place(st, s, &s->window);
	if (s->hop.class_id != s->window.class_id) {
		st->stats.disagreed++;
		if (s->hop.class_id == st->previous_hop_class && s->span > 2) {
			st->nr_hops = 2;
			st->stats.restarts++;
			if (part_since(slot, 1, &s->window))
				return -1;
			features_compute(&s->window.w, &s->window.f);
			if (s->window.calls >= s->set.min_calls)
				classify_in_place(st, s, &s->window);
		}
	}
	remember_logits(st, s);
	return 0;
}

/* --- decisions ------------------------------------------------------------------------------ */

static __always_inline bool eligible(const struct bdi_state *st, const struct config *c)
{
	if (!st->sysfs_ino)
		return false; /* no directory in sysfs: nothing to write to */
	if (c->scope == SCOPE_ALL || (c->scope == SCOPE_MOUNTED && st->flags & BDI_FS_SEEN))
		return true;
	return bpf_map_lookup_elem(&listed, st->name);
}

static __always_inline __u32 wanted_kb(struct bdi_state *st, const struct settings *set,
				       const struct applied *a)
{
	__u32 original_kb = a && a->holds_original ? a->original_kb : st->ra_kb;

	return policy_kb(st, st->decided_class, original_kb, set);
}

static __noinline void send_event(struct bdi_state *st, const struct scratch *s, __u32 reason)
{
	const struct model_header *h = &s->model.header;
	struct event *e;
	__u32 i;

	/* One per dwell, and the ring's lock only when there is something to say. */
	if (reason != EVENT_APPEARED && s->in.now_ns - st->last_event_ns < s->set.dwell_ns)
		return;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		st->stats.ring_full++; /* nothing is lost: the level stays, the next hop sends */
		return;
	}
	e->abi_version = BPFAHEAD_ABI_VERSION;
	e->reason = reason;
	e->time_ns = s->in.now_ns;
	e->bdi_id = st->bdi_id;
	e->sysfs_ino = st->sysfs_ino;
	__builtin_memcpy(e->name, st->name, sizeof(e->name));
	e->decision_seq = st->decision_seq;
	e->model_checksum = st->model_checksum;
	e->model_generation = st->model_generation;
	e->wanted_kb = st->wanted_kb;
	e->ra_kb = st->ra_kb;
	e->io_opt_bytes = s->in.io_opt;
	e->max_sectors = s->in.max_sectors;
	e->margin = st->margin;
	e->mode = s->set.mode;
	e->old_class = st->old_class;
	e->new_class = st->decided_class;
	e->limits_changed = st->limits_changed;
	e->nr_inputs = h->nr_inputs;
	e->window_calls = st->window_calls;
	for (i = 0; i < MODEL_INPUTS_MAX; i++)
		e->input_feature[i] = h->inputs[i].feature;
	/* Before the UUID is copied: learn_uuid() on another CPU takes the flag back. */
	if (reason == EVENT_APPEARED)
		st->flags |= BDI_ANNOUNCED;
	asm volatile("" ::: "memory");
	__builtin_memcpy(e->fs_uuid, st->fs_uuid, sizeof(e->fs_uuid));
	for (i = 0; i < FEATURES_MAX; i++)
		e->features[i] = s->window.f.value[i];
	/* Forced: without it only the first unread record wakes, and that may be a sample. */
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	if (reason == EVENT_APPEARED) /* keeps no decision waiting */
		return;
	st->last_event_ns = s->in.now_ns;
	st->limits_changed = 0;
	st->stats.events++;
}

/* The level: is what we want answered, and is what was accepted still there? */
static __always_inline __u32 event_due(struct bdi_state *st, const struct scratch *s,
				       const struct applied *a, bool limits_moved)
{
	bool foreign = a && a->status == APPLIED_ACCEPTED && st->ra_kb != a->accepted_kb &&
		       s->in.now_ns >= a->busy_until_ns;

	/* A limit that moved in an earlier hop explains no value of this one. */
	st->limits_changed = foreign && (st->limits_changed || limits_moved);
	if (!st->wanted_kb)
		return 0;
	if (!a)
		return EVENT_DECISION;
	if (a->status == APPLIED_STOOD_BACK)
		return 0;
	if (foreign)
		return EVENT_FOREIGN;
	if (a->status == APPLIED_NONE || a->decision_seq != st->decision_seq)
		return EVENT_DECISION;
	if (a->status == APPLIED_REFUSED && s->in.now_ns >= a->retry_ns)
		return EVENT_RETRY;
	if (a->status == APPLIED_RECOMMENDED && s->set.mode == MODE_ACT)
		return EVENT_DECISION;
	return 0;
}

/*
 * Objects at a value beyond HIDING_KB give the very events of single pages: all of an object lies
 * in what is read around its first page. So `pages` is no news then. It is believed after a while,
 * of a minute at first: the value of pages shows what they are, and if that is objects again, the
 * next while is twice as long.
 *
 * Nor is `mixed` that leads by little: at odd numbers of pages, which no model was trained with,
 * objects of 64 KB look like it by up to 2.1, where real mixes lead by 24 and more.
 *
 * All this is of models that see the readahead layer.
 */
#define HIDING_KB 32
#define HIDDEN_LEAST_NS (60000 * MS)
#define HIDDEN_MOST_NS (960000 * MS)
#define HIDDEN_MARGIN (4 * LOGIT_ONE)

static __always_inline bool may_be_hidden(const struct bdi_state *st, __s32 margin, __u64 now_ns)
{
	return st->decided_class == CLASS_OBJECTS && st->ra_kb > HIDING_KB &&
	       (st->candidate_class == CLASS_PAGES ||
		(st->candidate_class == CLASS_MIXED && margin < HIDDEN_MARGIN)) &&
	       now_ns - st->decided_ns < st->hidden_ns;
}

static __always_inline void set_hidden_ns(struct bdi_state *st, __u64 now_ns)
{
	__u64 twice = 2 * st->hidden_ns;

	if (st->candidate_class != CLASS_OBJECTS)
		return;
	/* From pages, and soon: it was a look at what had been objects all the while. */
	if (st->decided_class != CLASS_PAGES || st->old_class != CLASS_OBJECTS ||
	    now_ns - st->decided_ns > HIDDEN_LEAST_NS || twice < HIDDEN_LEAST_NS)
		twice = HIDDEN_LEAST_NS;
	st->hidden_ns = twice > HIDDEN_MOST_NS ? HIDDEN_MOST_NS : twice;
}

/*
 * Counts confirming hops. True when enough of them in a row name another class.
 *
 * A hop that is sure counts twice, since half a second at too large a value can cost a mapped hot
 * set 75 MB of its cache. But only if the helper was told how things stood when the hop began: else
 * its guard would have nothing to compare with, nor would a calibrated row be in place.
 */
#define SURE_MARGIN (12 * LOGIT_ONE)

static __always_inline bool confirmed(struct bdi_state *st, const struct scratch *s, __u32 told)
{
	__s32 margin = s->window.margin < s->hop.margin ? s->window.margin : s->hop.margin;
	__u32 class_id = s->window.class_id;

	if (class_id == CLASS_NONE || class_id != s->hop.class_id) {
		st->confirm = 0;
		return false;
	}
	if (margin < s->set.margin) {
		st->stats.low_margin++;
		st->confirm = 0;
		return false;
	}
	if (st->candidate_class != class_id) {
		st->candidate_class = class_id;
		st->confirm = 0;
	}
	if (st->confirm < s->set.confirm)
		st->confirm += told && margin >= SURE_MARGIN ? 2 : 1;
	return st->confirm >= s->set.confirm && class_id != st->decided_class &&
	       s->in.now_ns - st->decided_ns >= s->set.dwell_ns &&
	       !(s->sources & SOURCE_READAHEAD && may_be_hidden(st, margin, s->in.now_ns));
}

/*
 * A row of zeros of the device's own: who put it there reads in its own interest (bpfahead
 * calibrate), and what its reads are taken for must not be in force for the next reader once the
 * row is gone.
 */
static __always_inline bool left_alone(const struct bdi_state *st)
{
	__u64 id = st->bdi_id;
	struct policy_row *row = bpf_map_lookup_elem(&policy, &id);
	__u32 i, any = 0;

	if (!row)
		return false;
	for (i = 0; i < CLASSES_MAX; i++)
		any |= row->ra_kb[i];
	return !any;
}

/* Takes the decision that is due, and tells the helper as long as it has not answered. */
__attribute__((noinline)) int hop_decide(__u32 slot, __u32 told)
{
	struct applied *a;
	struct bdi_state *st;
	struct config *c;
	struct scratch *s;
	__u32 zero = 0, kb, reason;
	bool limits_moved;
	__u64 id;

	st = bpf_map_lookup_elem(&bdis, &slot);
	s = bpf_map_lookup_elem(&scratch, &zero);
	c = bpf_map_lookup_elem(&config, &zero);
	if (!st || !s || !c)
		return -1;
	limits_moved = st->limits_sig && s->in.limits_sig && s->in.limits_sig != st->limits_sig;
	if (s->in.limits_sig)
		st->limits_sig = s->in.limits_sig;
	if (!(st->flags & BDI_ELIGIBLE)) {
		st->confirm = 0;
		return 0;
	}
	if (s->set.mode != MODE_ACT && s->set.mode != MODE_RECOMMEND) {
		st->confirm = 0;
		return 0;
	}
	if (!(st->flags & BDI_ANNOUNCED))
		send_event(st, s, EVENT_APPEARED);
	if (left_alone(st)) {
		st->confirm = 0;
	} else if (confirmed(st, s, told)) {
		set_hidden_ns(st, s->in.now_ns);
		st->old_class = st->decided_class;
		st->decided_class = st->candidate_class;
		st->decided_ns = s->in.now_ns;
		st->decision_seq++;
		st->stats.decisions++;
	}
	/* Policy and settings may have changed under a class that has not. */
	id = st->bdi_id;
	a = bpf_map_lookup_elem(&applied, &id);
	kb = wanted_kb(st, &s->set, a);
	if (kb != st->wanted_kb) {
		st->wanted_kb = kb;
		st->decision_seq++;
	}
	reason = event_due(st, s, a, limits_moved);
	if (reason)
		send_event(st, s, reason);
	return 0;
}

/* Tells the helper how it goes, as often as struct sample says, and whenever a window begins. */
__attribute__((noinline)) int hop_sample(__u32 slot, __u32 begins)
{
	struct bdi_state *st;
	__u64 id, waiting;
	struct applied *a;
	struct sample *r;
	struct scratch *s;
	__u32 zero = 0, i;
	bool watched;

	st = bpf_map_lookup_elem(&bdis, &slot);
	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!st || !s || !(st->flags & BDI_ELIGIBLE) ||
	    (s->set.mode != MODE_ACT && s->set.mode != MODE_RECOMMEND))
		return 0;
	id = st->bdi_id;
	a = bpf_map_lookup_elem(&applied, &id);
	watched = a && s->in.now_ns < a->watch_until_ns;
	if (!begins && !watched && s->in.now_ns - st->sampled_ns < s->set.sample_ns &&
	    (st->hop_class == CLASS_NONE || st->hop_class == st->decided_class))
		return 0;
	waiting = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);
	if (waiting > EVENTS_RING_BYTES / 2)
		goto dropped;
	r = bpf_ringbuf_reserve(&events, sizeof(*r), 0);
	if (!r)
		goto dropped;
	r->abi_version = BPFAHEAD_ABI_VERSION;
	r->reason = EVENT_SAMPLE;
	r->time_ns = s->in.now_ns;
	r->bdi_id = id;
	r->sysfs_ino = st->sysfs_ino;
	__builtin_memcpy(r->name, st->name, sizeof(r->name));
	r->decision_seq = st->decision_seq;
	r->ra_kb = st->ra_kb;
	r->wanted_kb = st->wanted_kb;
	r->margin = st->margin;
	r->window_calls = st->window_calls;
	r->window_class = st->window_class;
	r->hop_class = st->hop_class;
	r->decided_class = st->decided_class;
	__builtin_memset(r->pad, 0, sizeof(r->pad));
	for (i = 0; i < COUNTERS_MAX; i++)
		r->total[i] = s->sum.total[i];
	/* Nobody hurries: some more, or the next event, wake the helper. */
	bpf_ringbuf_submit(r, watched || waiting > EVENTS_RING_BYTES / 8 ? BPF_RB_FORCE_WAKEUP :
									   BPF_RB_NO_WAKEUP);
	st->sampled_ns = s->in.now_ns;
	return 0;
dropped:
	COUNT(samples_dropped);
	return 0;
}

static __noinline void record_part(struct window_part *out, const struct part *p)
{
	__u32 i;

	out->span_ns = p->w.span_ns;
	out->calls = p->calls;
	for (i = 0; i < FEATURES_MAX; i++)
		out->features[i] = p->f.value[i];
	for (i = 0; i < MODEL_OUTPUTS_MAX; i++)
		out->logits[i] = 0;
	out->margin = p->margin;
	out->class_id = p->answer;
	out->pad[0] = out->pad[1] = out->pad[2] = 0;
}

static __noinline void record_window(const struct bdi_state *st, const struct scratch *s)
{
	struct window_record *r = bpf_ringbuf_reserve(&windows, sizeof(*r), 0);
	__u32 i;

	if (!r) {
		COUNT(windows_dropped);
		return;
	}
	r->abi_version = BPFAHEAD_ABI_VERSION;
	r->ra_kb = st->ra_kb;
	r->time_ns = s->in.now_ns;
	r->bdi_id = st->bdi_id;
	r->sysfs_ino = st->sysfs_ino;
	r->model_checksum = st->model_checksum;
	__builtin_memcpy(r->name, st->name, sizeof(r->name));
	record_part(&r->window, &s->window);
	record_part(&r->hop, &s->hop);
	if (s->window.class_id != CLASS_NONE)
		for (i = 0; i < MODEL_OUTPUTS_MAX; i++)
			r->window.logits[i] = st->logits[i];
	bpf_ringbuf_submit(r, 0);
}

/* The first boundary: of a bdi that is new, or after an idle spell. */
__attribute__((noinline)) int hop_begin(__u32 slot)
{
	struct bdi_state *st;
	struct scratch *s;
	__u32 zero = 0;

	st = bpf_map_lookup_elem(&bdis, &slot);
	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!st || !s)
		return -1;
	if (st->nr_hops)
		st->stats.idle++;
	st->nr_hops = 0;
	st->hop_class = CLASS_NONE;
	forget_confirming(st);
	push_boundary(st, &s->sum);
	if (st->flags & BDI_ELIGIBLE && !(st->flags & BDI_ANNOUNCED) &&
	    (s->set.mode == MODE_ACT || s->set.mode == MODE_RECOMMEND))
		send_event(st, s, EVENT_APPEARED);
	return hop_sample(slot, true);
}

/*
 * Cuts the window and the last hop out of the past.
 *
 * Returns 1 if there is something to classify, 0 if the hop goes on, -1 if a total ran backwards.
 */
__attribute__((noinline)) int hop_windows(__u32 slot)
{
	struct bdi_state *st;
	struct scratch *s;
	__u32 zero = 0, back;

	st = bpf_map_lookup_elem(&bdis, &slot);
	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!st || !s)
		return -1;
	st->model_fault = load_model(MODEL_ACTING, st->sources);
	s->sources = st->model_fault ? st->sources : s->model.header.required_sources;
	if (part_since(slot, 0, &s->hop))
		return -1;
	if (s->hop.calls < HOP_MIN_CALLS && s->hop.w.span_ns * s->set.hops < s->set.stretch_ns) {
		st->hop_deadline_ns = s->in.now_ns + s->set.hop_ns / 4;
		return 0;
	}
	s->fresh = s->hop.calls > 0;
	/* The hop reaches back as far as min_calls needs; the window as far as it may. */
	s->span = st->nr_hops < s->set.hops ? st->nr_hops : s->set.hops;
	for (back = HOPS_MAX - 1; back; back--)
		if (back + 1 == s->span &&
		    s->in.now_ns - st->ring[(st->ring_head - back) & (HOPS_MAX - 1)].time_ns >
			    s->set.stretch_ns)
			s->span = back;
	for (back = 1; back < HOPS_MAX; back++) {
		if (s->hop.calls >= s->set.min_calls || back >= s->span)
			break;
		if (part_since(slot, back, &s->hop))
			return -1;
	}
	if (part_since(slot, s->span - 1, &s->window))
		return -1;
	return 1;
}

/*
 * hop_end - end the hop of a slot
 * @slot: claimed by the caller, whose scratch (marked busy) holds the input
 *
 * This and the functions it is made of are global functions: each is verified
 * once, by itself. Returns 0.
 */
__attribute__((noinline)) int hop_end(__u32 slot)
{
	struct bdi_state *st;
	struct config *c;
	struct scratch *s;
	__u32 zero = 0, i, told;
	int ready;

	st = bpf_map_lookup_elem(&bdis, &slot);
	s = bpf_map_lookup_elem(&scratch, &zero);
	c = bpf_map_lookup_elem(&config, &zero);
	if (!st || !s || !c)
		return 0;
	read_settings(c, &s->set);
	st->ra_kb = s->in.ra_pages * PAGE_KB;
	st->hop_deadline_ns = s->in.now_ns + s->set.hop_ns;
	if (s->set.mode == MODE_EMERGENCY) {
		st->nr_hops = st->confirm = 0;
		return 0;
	}
	if (sum_cpus(slot))
		return 0;
	if (eligible(st, c))
		st->flags |= BDI_ELIGIBLE;
	else
		st->flags &= ~BDI_ELIGIBLE;
	if (s->in.idle || !st->nr_hops || st->nr_hops > HOPS_MAX) {
		hop_begin(slot);
		return 0;
	}
	ready = hop_windows(slot);
	if (!ready)
		return 0;
	if (ready < 0 || hop_classify(slot)) {
		st->stats.negative++;
		st->nr_hops = 0;
		forget_confirming(st);
		push_boundary(st, &s->sum);
		return 0;
	}
	st->stats.windows++;
	st->evaluated_ns = s->in.now_ns;
	st->window_calls = s->window.calls;
	st->window_span_ns = s->window.w.span_ns;
	st->window_class = s->window.class_id;
	st->hop_class = s->hop.class_id;
	for (i = 0; i < FEATURES_MAX; i++)
		st->features[i] = s->window.f.value[i];
	if (c->record)
		record_window(st, s);
	/*
	 * A model without the page cache's own signal: O_DIRECT reads, which
	 * readahead cannot touch, must not move it.
	 */
	if (!(s->sources & SOURCE_READAHEAD) &&
	    s->window.w.delta[COUNTER_BLOCK_RAHEAD_READS] * DIRECT_SHARE <
		    s->window.w.delta[COUNTER_BLOCK_READS])
		s->window.class_id = CLASS_NONE;
	told = st->flags & BDI_ANNOUNCED &&
	       st->sampled_ns == st->ring[st->ring_head & (HOPS_MAX - 1)].time_ns;
	hop_sample(slot, false); /* first, so that it belongs to the time before the decision */
	hop_decide(slot, told);
	st->previous_hop_class = st->hop_class;
	if (!st->model_fault)
		ask_shadow(st, s);
	push_boundary(st, &s->sum);
	return 0;
}

#endif /* BPFAHEAD_DECIDE_BPF_H */
