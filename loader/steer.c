// SPDX-License-Identifier: GPL-2.0-only
#include "steer.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bdi.h"
#include "guard.h"
#include "host.h"
#include "learned.h"
#include "names.h"
#include "trim.h"

#define STEER_BDIS 64 /* the one heard of longest ago gives way, and its row with it */
#define RETRY_WATCH_NS 3000000000ULL /* "before" a harmful value is given another chance */
#define RETRY_NS 2200000000ULL
#define FRESH_NS 1500000000ULL
#define PAIR_GAP_NS 30000000000ULL /* twice the time between samples, and some */
#define UNJUDGED_NS 5000000000ULL  /* the switch may change no value, and other changes come */
#define FALLBACK_KB 128            /* the kernel's own default for most disks */

struct steer_bdi {
	__u64 bdi_id; /* 0: free */
	__u64 used;   /* of steer.clock */
	char name[BDI_NAME_LEN];
	char device[DEVICE_ID_LEN];
	unsigned int original_kb;
	struct policy_row base; /* what ours stands on */
	bool base_is_own;       /* a row of this bdi rather than the default one */
	struct policy_row written;
	bool has_row; /* `written` is in the map, and ours */
	/* A value for the time being, until none of its classes is in force; 0: none. */
	__u32 episode_classes;
	unsigned int episode_kb;
	bool held; /* nobody knows whether it is better: to be seen when its readers are back */
	/* A trial and what comes after it: a value for the classes of the mask; 0: none. */
	unsigned int trial_kb;
	__u32 trial_classes;
	unsigned int pair_kb; /* what `pages` and `objects` share while their readers are there */
	bool stood_back;
	bool probed;         /* the switch, as this bdi's row knows it */
	__u64 unjudged_ns;   /* until then the next change is a person's doing */
	__u64 next_expiry_s; /* of a memory that holds a class of this device; 0: none */
	__u64 retry_ns;
	__u32 told_by_hand; /* classes */
};

struct steer {
	const struct maps *maps;
	const char *state_dir;
	struct history *history;
	void (*tell)(bool warning, const char *line, void *arg);
	void *arg;
	__u64 clock;
	bool told_save;
	struct guard guard;
	struct trim trim;
	bool guards, probes; /* the switches */
	unsigned int cap_kb;
	struct learned_table learned;
	struct steer_bdi bdi[STEER_BDIS];
};

static __u64 wall_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (__u64)now.tv_sec;
}

/* What the policy calls a value: policy_kb() of bpf/policy.bpf.h may take a page off it. */
static unsigned int nominal_kb(unsigned int kb)
{
	unsigned int pages = kb / page_kb();

	return pages > 4 && pages & 1 ? (pages + 1) * page_kb() : kb;
}

__attribute__((format(printf, 4, 5))) static void news(struct steer *s, const struct steer_bdi *b,
						       bool warning, const char *format, ...)
{
	char line[512], label[96];
	va_list args;
	int n;

	if (!s->tell)
		return;
	bdi_display_name(b->name, label, sizeof(label));
	n = snprintf(line, sizeof(line), "%s: ", label);
	va_start(args, format);
	vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	s->tell(warning, line, s->arg);
}

static void save(struct steer *s)
{
	int err;

	if (!s->state_dir || !s->learned.changed)
		return;
	err = learned_save(&s->learned, s->state_dir);
	if (err && !s->told_save && s->tell) {
		char line[512];

		snprintf(line, sizeof(line), "what was learned is not kept: %s: %s", s->state_dir,
			 strerror(-err));
		s->tell(true, line, s->arg);
	}
	s->told_save = err != 0;
}

/* --- rows ------------------------------------------------------------------------------------ */

static bool get_row(const struct steer *s, __u64 bdi_id, struct policy_row *row)
{
	return !bpf_map_lookup_elem(s->maps->policy, &bdi_id, row);
}

static bool same_cell(const struct policy_row *a, const struct policy_row *b, unsigned int class_id)
{
	return a->ra_kb[class_id] == b->ra_kb[class_id] && a->clamp[class_id] == b->clamp[class_id];
}

static void set_cell(struct policy_row *to, const struct policy_row *from, unsigned int class_id)
{
	to->ra_kb[class_id] = from->ra_kb[class_id];
	to->clamp[class_id] = from->clamp[class_id];
}

void steer_sweep(const struct maps *maps)
{
	struct policy_row standard = {}, row;
	__u64 ids[POLICY_ROWS_MAX], id = DEFAULT_POLICY_ID;
	bool learned, by_hand;
	unsigned int i, k, n = maps_policy_ids(maps, ids);

	bpf_map_lookup_elem(maps->policy, &id, &standard);
	for (k = 0; k < n; k++) {
		if (ids[k] == DEFAULT_POLICY_ID || bpf_map_lookup_elem(maps->policy, &ids[k], &row))
			continue;
		learned = by_hand = false;
		for (i = 0; i < CLASSES_MAX; i++) {
			by_hand |= row.clamp[i] == CLAMP_BY_HAND;
			if (row.clamp[i] != CLAMP_LEARNED)
				continue;
			learned = true;
			set_cell(&row, &standard, i);
		}
		if (learned && by_hand)
			bpf_map_update_elem(maps->policy, &ids[k], &row, BPF_EXIST);
		else if (learned)
			bpf_map_delete_elem(maps->policy, &ids[k]);
	}
}

/* What the row in the map says that is not ours: the default row's, an administrator's, a measured
 * one. */
static void read_base(struct steer *s, struct steer_bdi *b)
{
	struct policy_row standard = {}, row;
	unsigned int i;

	get_row(s, DEFAULT_POLICY_ID, &standard);
	if (!get_row(s, b->bdi_id, &row)) {
		/* Ours was taken away: whoever did that wants none. */
		if (b->has_row)
			b->episode_kb = 0;
		b->has_row = b->base_is_own = false;
		b->base = standard;
		return;
	}
	if (!b->has_row) {
		b->base = row;
		b->base_is_own = true;
		return;
	}
	for (i = 0; i < CLASSES_MAX; i++) {
		if (!same_cell(&row, &b->written, i)) {
			set_cell(&b->base, &row, i);
			b->base_is_own = true;
			if (b->episode_classes & (1U << i))
				b->episode_kb = 0;
		} else if (!b->base_is_own) {
			set_cell(&b->base, &standard, i);
		}
	}
}

/* wanted_kb() of bpf/decide.bpf.h for the row below ours, in the policy's terms; 0: none. */
static unsigned int base_kb(const struct steer_bdi *b, unsigned int class_id)
{
	unsigned int kb = b->base.ra_kb[class_id];

	if (!kb || !b->original_kb)
		return kb;
	if ((b->base.clamp[class_id] == CLAMP_NEVER_LOWER && kb < b->original_kb) ||
	    (b->base.clamp[class_id] == CLAMP_NEVER_RAISE && kb > b->original_kb))
		return b->original_kb;
	return kb;
}

static bool is_harmful(const struct steer *s, const struct steer_bdi *b, unsigned int class_id,
		       unsigned int kb, __u64 now_s)
{
	const struct learned *e =
		learned_find(&s->learned, b->device, LEARNED_HARM, class_id, nominal_kb(kb));

	return e && learned_holds(e, now_s);
}

/*
 * What takes the place of the base's value for a class; 0: nothing does. The value before the
 * harmful one serves the readers of then; the next time others may come, and start from the
 * administrator's.
 */
static unsigned int override_kb(const struct steer *s, const struct steer_bdi *b,
				unsigned int class_id, __u64 now_s)
{
	unsigned int kb = base_kb(b, class_id);
	const struct learned *e;

	if (b->base.clamp[class_id] == CLAMP_BY_HAND || !kb)
		return 0;
	if (b->trial_kb && b->trial_classes & (1U << class_id))
		return b->trial_kb;
	if (b->episode_kb && b->episode_classes & (1U << class_id))
		return b->episode_kb;
	if (b->pair_kb && (class_id == CLASS_OBJECTS || class_id == CLASS_PAGES))
		return b->pair_kb;
	e = learned_find(&s->learned, b->device, LEARNED_TRIM, class_id, 0);
	if (s->probes && e && e->policy_kb == nominal_kb(kb) &&
	    !is_harmful(s, b, class_id, e->kb, now_s))
		return e->kb;
	if (!is_harmful(s, b, class_id, kb, now_s))
		return 0;
	if (b->original_kb && !is_harmful(s, b, class_id, b->original_kb, now_s))
		return b->original_kb;
	return is_harmful(s, b, class_id, FALLBACK_KB, now_s) ? FALLBACK_KB / 2 : FALLBACK_KB;
}

static void set_watch(struct steer *s, struct steer_bdi *b, __u64 until_ns)
{
	struct applied entry;

	if (bpf_map_lookup_elem(s->maps->applied, &b->bdi_id, &entry) ||
	    entry.watch_until_ns == until_ns)
		return;
	/*
	 * This process is the one writer of entries that exist. Accepted race: one that an
	 * emergency or a person's resume deletes in these microseconds stays deleted (BPF_EXIST).
	 */
	entry.watch_until_ns = until_ns;
	bpf_map_update_elem(s->maps->applied, &b->bdi_id, &entry, BPF_EXIST);
}

/* Brings the row in the map to what is known. */
static void refresh(struct steer *s, struct steer_bdi *b)
{
	__u64 now_s = wall_s();
	struct policy_row row, now;
	unsigned int i, kb;
	bool any = false;
	int err;

	read_base(s, b);
	row = b->base;
	for (i = 0; i < CLASSES_MAX; i++) {
		kb = override_kb(s, b, i, now_s);
		if (!kb)
			continue;
		row.ra_kb[i] = kb;
		row.clamp[i] = CLAMP_LEARNED;
		any = true;
	}
	b->next_expiry_s = 0;
	for (i = 0; i < LEARNED_MAX; i++) {
		const struct learned *e = &s->learned.entry[i];

		if (e->kind == LEARNED_HARM && learned_holds(e, now_s) &&
		    !strcmp(e->device, b->device) &&
		    (!b->next_expiry_s || e->until_s < b->next_expiry_s))
			b->next_expiry_s = e->until_s;
	}
	if (!any && !b->base_is_own) {
		if (b->has_row)
			bpf_map_delete_elem(s->maps->policy, &b->bdi_id);
		b->has_row = false;
		return;
	}
	if (!any && !b->has_row)
		return;
	if (b->has_row && !memcmp(&row, &b->written, sizeof(row)))
		return;
	/* Somebody else's row is not written again as it stands: it may be another one by now. */
	if (!any && get_row(s, b->bdi_id, &now) && !memcmp(&row, &now, sizeof(row))) {
		b->has_row = false;
		return;
	}
	err = maps_put_row(s->maps, b->bdi_id, &row, BPF_ANY);
	if (err) {
		news(s, b, true, "its row of the policy cannot be written: %s", strerror(-err));
		return;
	}
	b->written = row;
	b->has_row = any;
}

/* Takes out what is ours. */
static void withdraw(struct steer *s, struct steer_bdi *b)
{
	if (!b->bdi_id || !b->has_row)
		return;
	read_base(s, b);
	if (b->has_row && b->base_is_own)
		bpf_map_update_elem(s->maps->policy, &b->bdi_id, &b->base, BPF_EXIST);
	else if (b->has_row)
		bpf_map_delete_elem(s->maps->policy, &b->bdi_id);
	b->has_row = false;
}

static struct steer_bdi *find(struct steer *s, __u64 bdi_id)
{
	unsigned int i;

	for (i = 0; bdi_id && i < STEER_BDIS; i++) {
		if (s->bdi[i].bdi_id == bdi_id) {
			s->bdi[i].used = ++s->clock;
			return &s->bdi[i];
		}
	}
	return NULL;
}

static struct steer_bdi *get(struct steer *s, __u64 bdi_id, const char *name)
{
	struct steer_bdi *b = find(s, bdi_id);
	unsigned int i;

	if (b)
		return b;
	b = &s->bdi[0];
	for (i = 1; i < STEER_BDIS; i++) {
		if (s->bdi[i].used < b->used)
			b = &s->bdi[i];
	}
	withdraw(s, b);
	memset(b, 0, sizeof(*b));
	b->bdi_id = bdi_id;
	b->used = ++s->clock;
	b->probed = s->probes;
	memcpy(b->name, name, BDI_NAME_LEN);
	b->name[BDI_NAME_LEN - 1] = '\0';
	return b;
}

/* --- findings -------------------------------------------------------------------------------- */

static void tell_finding(struct steer *s, const struct steer_bdi *b, const struct guard_finding *f)
{
	static const char *const reasons[] = {
		[GUARD_SILENCE] = "nobody reads any more",
		[GUARD_PATTERN] = "its readers are others now",
		[GUARD_FEW] = "too few calls",
		[GUARD_VALUE] = "another value was in place",
		[GUARD_UNANSWERED] = "it was not taken back in time",
	};
	const char *class = class_name(f->class_id);

	switch (f->verdict) {
	case GUARD_REVERT:
		news(s, b, true,
		     "%u -> %u KB for %s cost %d %% (+- %d) of %s, %" PRIu64 " -> %" PRIu64
		     " a second: back to %u KB",
		     f->from_kb, f->to_kb, class, f->loss.loss / 10, f->loss.error / 10,
		     progress_name(f->measure), (uint64_t)f->rate_before, (uint64_t)f->rate_after,
		     f->from_kb);
		break;
	case GUARD_CLEARED:
		news(s, b, false,
		     "%u KB did not bring %s back for %s: not %u KB, but the readers had changed",
		     f->from_kb, progress_name(f->measure), class, f->to_kb);
		break;
	case GUARD_NO_TELLING:
		news(s, b, f->reason == GUARD_UNANSWERED,
		     "%u -> %u KB for %s: no telling what it did: %s: %u KB %s", f->from_kb,
		     f->to_kb, class, reasons[f->reason], f->held ? f->from_kb : f->to_kb,
		     f->held ? "meanwhile" : "stays");
		break;
	default:
		break;
	}
}

/* Nobody knows what a change did, and somebody may want to. */
static void count_unjudged(struct steer *s, const struct steer_bdi *b)
{
	learned_device(&s->learned, b->device)->unjudged++;
	s->learned.changed = true;
}

static void note(struct steer *s, const struct steer_bdi *b, enum history_what what,
		 const struct guard_finding *f, const char *text)
{
	history_note(s->history, b->bdi_id, b->name, what, f->class_id, f->from_kb, f->to_kb, text);
}

static void act_on(struct steer *s, struct steer_bdi *b, const struct guard_finding *f)
{
	const struct learned *e;
	char text[64];

	switch (f->verdict) {
	case GUARD_REVERT:
		read_base(s, b);
		if (b->base.clamp[f->class_id] == CLAMP_BY_HAND) {
			guard_forget(&s->guard, b->bdi_id);
			if (b->told_by_hand & (1U << f->class_id))
				return;
			b->told_by_hand |= 1U << f->class_id;
			news(s, b, true,
			     "%u KB for %s, set by hand, cost %d %% (+- %d) of %s beside %u KB: "
			     "left as it is",
			     f->to_kb, class_name(f->class_id), f->loss.loss / 10,
			     f->loss.error / 10, progress_name(f->measure), f->from_kb);
			return;
		}
		tell_finding(s, b, f);
		learned_device(&s->learned, b->device)->reverts++;
		s->learned.changed = true;
		snprintf(text, sizeof(text), "-%d %% %s", f->loss.loss / 10,
			 progress_name(f->measure));
		note(s, b, HISTORY_REVERTED, f, text);
		b->episode_classes = f->classes;
		b->episode_kb = f->from_kb;
		b->held = false;
		refresh(s, b);
		break;
	case GUARD_HARMFUL:
		e = learned_harm(&s->learned, b->device, f->class_id, nominal_kb(f->to_kb),
				 wall_s());
		news(s, b, false,
		     "%u KB brought %s back: %u KB does harm to %s here, and is not tried again "
		     "for %" PRIu64 " min",
		     f->from_kb, progress_name(f->measure), f->to_kb, class_name(f->class_id),
		     (uint64_t)(e->until_s - wall_s()) / 60);
		learned_device(&s->learned, b->device)->harmful++;
		refresh(s, b);
		save(s);
		break;
	case GUARD_CLEARED:
		tell_finding(s, b, f);
		learned_device(&s->learned, b->device)->cleared++;
		s->learned.changed = true;
		b->episode_kb = 0;
		refresh(s, b);
		save(s);
		break;
	case GUARD_FINE:
		note(s, b, HISTORY_KEPT, f, NULL);
		learned_drop(&s->learned, learned_find(&s->learned, b->device, LEARNED_HARM,
						       f->class_id, nominal_kb(f->to_kb)));
		save(s);
		break;
	case GUARD_NO_TELLING:
		tell_finding(s, b, f);
		count_unjudged(s, b);
		b->held = f->held && f->reason != GUARD_UNANSWERED;
		break;
	default:
		break;
	}
}

static bool is_in(__u32 classes, unsigned int class_id)
{
	return class_id < CLASSES_MAX && classes & (1U << class_id);
}

/*
 * A memory whose time is over, or a value that was taken back and whose readers left before anybody
 * knew: it gets another chance, with a "before" to hold it to.
 */
static void retry(struct steer *s, struct steer_bdi *b, const struct sample *sample)
{
	bool held = b->held && b->episode_kb && is_in(b->episode_classes, sample->hop_class);

	if (b->retry_ns) {
		if (sample->time_ns < b->retry_ns)
			return;
		b->retry_ns = 0;
		b->episode_kb = 0;
		refresh(s, b);
	} else if ((held || (b->next_expiry_s && wall_s() >= b->next_expiry_s)) &&
		   !guard_is_busy(&s->guard, b->bdi_id)) {
		b->held = false;
		b->retry_ns = sample->time_ns + RETRY_NS;
		set_watch(s, b, sample->time_ns + RETRY_WATCH_NS);
	}
}

static void read_switches(struct steer *s)
{
	struct config raw, config;

	s->guards = s->probes = false;
	if (maps_get_config(s->maps, &raw))
		return;
	config_effective(&raw, &config);
	s->cap_kb = config.cap_kb;
	s->guards = config.mode == MODE_ACT && config.guard == SWITCH_ON;
	/* A trial is judged by the guard's means, and what it does to others by the guard. */
	s->probes = s->guards && config.probe == SWITCH_ON;
}

/* --- the probe ------------------------------------------------------------------------------- */

static void tell_trial(struct steer *s, struct steer_bdi *b, const struct trim_finding *f)
{
	const char *class = class_name(f->class_id);
	const char *measure = progress_name(objective_of(f->class_id));
	int percent = (f->change.gain >= 0 ? f->change.gain : -f->change.loss) / 10;
	enum history_what what = HISTORY_UNTRIMMED;
	char text[64], calls[32] = "";

	if (f->more_calls)
		snprintf(calls, sizeof(calls), ", %+d %% calls for each", f->more_calls / 10);
	switch (f->verdict) {
	case TRIM_TRY:
		what = HISTORY_TRIED;
		news(s, b, false, "trying %u KB for %s in place of %u", f->to_kb, class,
		     f->from_kb);
		break;
	case TRIM_KEEP:
		what = HISTORY_TRIMMED;
		news(s, b, false, "%u KB for %s in place of %u: %+d %% (+- %d) %s: kept", f->to_kb,
		     class, f->from_kb, percent, f->change.error / 10, measure);
		break;
	case TRIM_UNPAIR:
		news(s, b, false, "at %u KB objects are not seen any more: single pages", f->to_kb);
		break;
	default:
		if (f->result == RUNG_UNMASKED)
			news(s, b, false,
			     "%u KB for %s in place of %u: they are objects there: %u KB again",
			     f->to_kb, class, f->from_kb, f->from_kb);
		else if (f->result == RUNG_ABORTED)
			news(s, b, false, "%u KB for %s in place of %u: no telling: %u KB again",
			     f->to_kb, class, f->from_kb, f->from_kb);
		else
			news(s, b, false,
			     "%u KB for %s in place of %u: %+d %% (+- %d) %s%s: %u KB "
			     "again",
			     f->to_kb, class, f->from_kb, percent, f->change.error / 10, measure,
			     calls, f->from_kb);
	}
	snprintf(text, sizeof(text), "%+d %% %s", percent, measure);
	history_note(s->history, b->bdi_id, b->name, what, f->class_id, f->from_kb, f->to_kb,
		     f->verdict == TRIM_TRY ? NULL : text);
}

static void act_on_trial(struct steer *s, struct steer_bdi *b, const struct trim_finding *f)
{
	unsigned int base = nominal_kb(base_kb(b, f->class_id));

	if (f->verdict != TRIM_SETTLED)
		tell_trial(s, b, f);
	switch (f->verdict) {
	case TRIM_TRY:
		learned_device(&s->learned, b->device)->trials++;
		b->trial_kb = f->to_kb;
		b->trial_classes = f->classes;
		break;
	case TRIM_KEEP:
		learned_device(&s->learned, b->device)->kept++;
		b->trial_kb = 0;
		if (f->hides && (f->class_id == CLASS_OBJECTS || b->pair_kb)) {
			base = nominal_kb(base_kb(b, CLASS_OBJECTS));
			b->pair_kb = f->to_kb;
			learned_trim(&s->learned, b->device, LEARNED_PAIR, CLASS_OBJECTS, f->to_kb,
				     base, wall_s());
		} else {
			b->pair_kb = 0;
			learned_trim(&s->learned, b->device, LEARNED_TRIM, f->class_id, f->to_kb,
				     base, wall_s());
		}
		break;
	case TRIM_UNPAIR:
		b->pair_kb = 0;
		break;
	case TRIM_BACK:
		b->trial_kb = f->holds ? f->from_kb : 0;
		break;
	default:
		b->trial_kb = 0;
	}
	refresh(s, b);
	s->learned.changed = true; /* its budget, at least */
	save(s);
}

/* `pages` share the value of `objects` from when objects are seen until their readers are gone. */
static void keep_pair(struct steer *s, struct steer_bdi *b, const struct sample *sample,
		      const struct hop *hop)
{
	const struct learned *e =
		learned_find(&s->learned, b->device, LEARNED_PAIR, CLASS_OBJECTS, 0);
	bool there = sample->decided_class == CLASS_OBJECTS || sample->decided_class == CLASS_PAGES;

	if (trim_is_busy(&s->trim, b->bdi_id))
		return;
	if (b->pair_kb && (!there || hop->span_ns > PAIR_GAP_NS)) {
		b->pair_kb = 0;
		refresh(s, b);
	} else if (!b->pair_kb && e && sample->decided_class == CLASS_OBJECTS &&
		   sample->hop_class == CLASS_OBJECTS && !b->episode_kb &&
		   e->policy_kb == nominal_kb(base_kb(b, CLASS_OBJECTS)) &&
		   !is_harmful(s, b, CLASS_OBJECTS, e->kb, wall_s())) {
		b->pair_kb = e->kb;
		refresh(s, b);
	}
}

static void probe(struct steer *s, struct steer_bdi *b, const struct sample *sample,
		  const struct hop *hop)
{
	unsigned int class_id = sample->decided_class, i;
	struct trim_state state = {.cap_kb = s->cap_kb};
	struct trim_finding finding;
	__u64 now_s = wall_s();

	if (class_id >= CLASSES_MAX)
		return;
	if (s->probes) {
		keep_pair(s, b, sample, hop);
	} else if (b->pair_kb) {
		b->pair_kb = 0;
		refresh(s, b);
	}
	/* The row may be missing from the map, and be somebody's to write: it is read where it
	 * counts. */
	if (!trim_is_busy(&s->trim, b->bdi_id))
		read_base(s, b);
	state.now_kb = override_kb(s, b, class_id, now_s);
	if (!state.now_kb)
		state.now_kb = nominal_kb(base_kb(b, class_id));
	state.paired = b->pair_kb != 0;
	state.seldom = b->base_is_own && b->base.ra_kb[class_id];
	state.fresh = monotonic_ns() < sample->time_ns + FRESH_NS;
	state.allowed = !guard_is_busy(&s->guard, b->bdi_id) && !b->stood_back && !b->retry_ns &&
			!b->episode_kb && b->base.clamp[class_id] != CLAMP_BY_HAND && s->probes;
	for (i = 0; i < TRIM_RUNGS; i++) {
		if (is_harmful(s, b, class_id, trim_rung_kb(i), now_s))
			state.harmful |= 1U << i;
	}
	trim_sample(&s->trim, sample, hop, &state, learned_device(&s->learned, b->device),
		    &finding);
	if (finding.verdict != TRIM_NOTHING)
		act_on_trial(s, b, &finding);
	if (b->trial_kb && !trim_is_busy(&s->trim, b->bdi_id)) { /* its place was taken */
		b->trial_kb = 0;
		refresh(s, b);
	}
	/* A class that the trial shows may be in force in a hop or two: not with its own value. */
	if (trim_has_shown(&s->trim, b->bdi_id) && sample->hop_class < CLASSES_MAX &&
	    !(b->trial_classes & (1U << sample->hop_class))) {
		b->trial_classes |= 1U << sample->hop_class;
		refresh(s, b);
	}
}

static void end_probe(struct steer *s, struct steer_bdi *b)
{
	trim_forget(&s->trim, b->bdi_id);
	if (!b->trial_kb && !b->pair_kb)
		return;
	b->trial_kb = b->pair_kb = 0;
	refresh(s, b);
}

/* --- the ring -------------------------------------------------------------------------------- */

static void appeared(const struct event *e, void *arg)
{
	struct steer *s = arg;
	struct steer_bdi *b = get(s, e->bdi_id, e->name);

	learned_name(b->name, e->fs_uuid, b->device);
	if (!b->original_kb)
		b->original_kb = e->ra_kb;
	read_switches(s);
	b->probed = s->probes;
	if (s->guards)
		refresh(s, b);
}

static void sampled(const struct sample *sample, void *arg)
{
	struct steer *s = arg;
	struct guard_finding finding;
	__u64 until, trial_until;
	struct steer_bdi *b;
	struct hop hop;

	/* First: of a bdi that is new no switch has been turned. */
	read_switches(s);
	b = get(s, sample->bdi_id, sample->name);
	if (!b->device[0]) /* the first sample comes before the appearance */
		learned_name(b->name, NULL, b->device);
	if (!s->guards) {
		guard_forget(&s->guard, b->bdi_id);
		trim_forget(&s->trim, b->bdi_id);
		b->episode_kb = b->trial_kb = b->pair_kb = 0;
		withdraw(s, b);
		return;
	}
	if (b->has_row) /* what it stands on may have changed */
		refresh(s, b);
	guard_sample(&s->guard, sample, &hop, &finding);
	if (finding.verdict != GUARD_NOTHING)
		act_on(s, b, &finding);
	if (b->episode_kb && !is_in(b->episode_classes, sample->decided_class) &&
	    !guard_is_busy(&s->guard, b->bdi_id)) {
		b->episode_kb = 0;
		refresh(s, b);
	}
	retry(s, b, sample);
	if (s->probes || trim_is_busy(&s->trim, b->bdi_id)) /* a trial ends as it should */
		probe(s, b, sample, &hop);
	else
		end_probe(s, b);
	if (s->probes != b->probed) { /* what it learned counts, or no more: a person's wish */
		b->probed = s->probes;
		b->unjudged_ns = sample->time_ns + UNJUDGED_NS;
		refresh(s, b);
	}
	until = guard_watch_until(&s->guard, b->bdi_id);
	trial_until = trim_watch_until(&s->trim, b->bdi_id);
	if (trial_until > until)
		until = trial_until;
	if (until || !b->retry_ns)
		set_watch(s, b, until);
}

static void applied(const struct event *e, const struct apply_report *r, void *arg)
{
	struct steer *s = arg;
	struct steer_bdi *b = find(s, e->bdi_id);

	if (!b)
		return;
	if (r->outcome == APPLY_GONE) {
		guard_forget(&s->guard, b->bdi_id);
		trim_forget(&s->trim, b->bdi_id);
		if (b->has_row)
			bpf_map_delete_elem(s->maps->policy, &b->bdi_id);
		memset(b, 0, sizeof(*b));
		return;
	}
	b->stood_back = r->outcome == APPLY_STOOD_BACK;
	if (b->stood_back) {
		guard_forget(&s->guard, b->bdi_id);
		end_probe(s, b);
		return;
	}
	if (r->original_kb)
		b->original_kb = r->original_kb;
	if (r->outcome == APPLY_NOOP)
		b->unjudged_ns = 0;
	if (r->outcome != APPLY_WRITTEN || !s->guards)
		return;
	if (trim_changed(&s->trim, b->bdi_id, e->new_class, e->time_ns,
			 learned_device(&s->learned, b->device)))
		return;
	if (e->time_ns < b->unjudged_ns) {
		b->unjudged_ns = 0;
		guard_forget(&s->guard, b->bdi_id);
		return;
	}
	if (!guard_changed(&s->guard, b->bdi_id, e->new_class, r->from_kb, r->to_kb, e->time_ns)) {
		news(s, b, false,
		     "%u -> %u KB for %s is not judged: nobody was seen reading like that before",
		     r->from_kb, r->to_kb, class_name(e->new_class));
		count_unjudged(s, b);
	}
	set_watch(s, b, guard_watch_until(&s->guard, b->bdi_id));
}

struct steer *steer_new(const struct maps *maps, struct applier *applier, const char *state_dir,
			struct history *history,
			void (*tell)(bool warning, const char *line, void *arg), void *arg)
{
	struct steer *s = calloc(1, sizeof(*s));
	const struct apply_listener listener = {
		.appeared = appeared, .sampled = sampled, .applied = applied, .arg = s};
	int err;

	if (!s)
		return NULL;
	s->maps = maps;
	s->state_dir = state_dir;
	s->history = history;
	s->tell = tell;
	s->arg = arg;
	guard_init(&s->guard, page_kb());
	if (state_dir)
		learned_load(&s->learned, state_dir);
	err = applier_listen(applier, &listener);
	if (err) {
		free(s);
		errno = -err;
		return NULL;
	}
	return s;
}

void steer_free(struct steer *s)
{
	unsigned int i;

	if (!s)
		return;
	for (i = 0; i < STEER_BDIS; i++)
		withdraw(s, &s->bdi[i]);
	s->learned.changed |= s->probes; /* how long it was watched */
	save(s);
	free(s);
}
