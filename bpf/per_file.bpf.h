/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One value per file, for both forms of the readahead layer.
 *
 * Where a scan and random readers share a device, no single number is right.
 * So the busiest files are told apart by the same totals, windows, features
 * and model as devices are. A file whose class stands and whose policy value
 * is another than the device's by FILE_FACTOR is asked for a value of its own,
 * by one event through the ring `events`; the helper answers in `file_values`.
 * As with devices this is a level: unanswered, it is said again once per dwell.
 *
 * Which files. A table of FILES_MAX places, FILE_WAYS for each hash: a file
 * enters with its first miss and stays while it is read; one that has been
 * silent for a window gives way. So a flood of files displaces none that is
 * busy, and costs each of its misses a look at four places. Files smaller than
 * FILE_BYTES_MIN never enter: they are in the cache before a window is full.
 *
 * Unlike the totals of devices, those of a file are shared by all CPUs, which
 * add to them atomically: per CPU they would take the memory times the CPUs,
 * and each page that misses costs its readers the file's own lock (i_pages)
 * anyway.
 *
 * An accepted race: a CPU preempted between finding a file's place and adding
 * to it, for as long as a window, adds one call to whoever has the place then.
 */
#ifndef BPFAHEAD_PER_FILE_BPF_H
#define BPFAHEAD_PER_FILE_BPF_H

#define CORE_PER_FILE
#include "file_values.bpf.h"
#include "model.bpf.h"
#include "policy.bpf.h"

#define TOTAL_ADD(total, name, n) \
	((void)__sync_fetch_and_add(&(total)[COUNTER_##name - FILE_COUNTER_FIRST], (__u32)(n)))
typedef __u32 total_t;
#include "readahead_totals.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FILES_MAX);
	__type(key, __u32);
	__type(value, struct file_state);
} files SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct file_stats);
} file_stats SEC(".maps");

enum file_stat {
#define X(name, text) FILE_STAT_##name,
	FILE_STAT_LIST(X)
#undef X
		NR_FILE_STATS
};

static __noinline void count_file(__u32 stat)
{
	__u32 zero = 0;
	__u64 *s = bpf_map_lookup_elem(&file_stats, &zero);

	if (s && stat < NR_FILE_STATS)
		s[stat]++;
}

#define COUNT_FILE(name) count_file(FILE_STAT_##name)

/* --- the window ------------------------------------------------------------------------------ */

/* What was gained since a boundary, 0 the newest. Returns -1 if a total ran backwards. */
__attribute__((noinline)) int file_part(const struct file_state *f, __u32 back, struct part *p)
{
	const struct file_snapshot *from;
	__u32 i, zero = 0;
	struct scratch *s;
	__s32 sign = 0;

	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!s || !f || !p || back >= FILE_HOPS)
		return -1;
	from = &f->ring[back];
	p->class_id = CLASS_NONE;
	p->margin = 0;
	p->w.span_ns = s->in.now_ns - from->time_ns;
	for (i = 0; i < FILE_COUNTER_FIRST; i++)
		p->w.delta[i] = 0;
	for (i = 0; i < FILE_COUNTERS; i++) {
		/* Modulo 2^32, which no window's gain reaches. */
		__s32 gained = s->sum.total[FILE_COUNTER_FIRST + i] - from->total[i];

		sign |= gained;
		p->w.delta[FILE_COUNTER_FIRST + i] = (__u32)gained;
	}
	window_pages(&p->w, s->in.ra_pages, PAGE_KB / 4);
	p->calls = window_readahead_calls(&p->w);
	return sign < 0 || (__s64)p->w.span_ns < 0 ? -1 : 0;
}

static __always_inline void file_boundary(struct file_state *f, const struct scratch *s)
{
	__u32 i, hop;

	for (hop = FILE_HOPS - 1; hop; hop--)
		f->ring[hop] = f->ring[hop - 1];
	f->ring[0].time_ns = s->in.now_ns;
	for (i = 0; i < FILE_COUNTERS; i++)
		f->ring[0].total[i] = s->sum.total[FILE_COUNTER_FIRST + i];
	if (f->nr_hops < FILE_HOPS)
		f->nr_hops++;
}

static __always_inline void file_forget_confirming(struct file_state *f)
{
	f->confirm = 0;
	f->candidate_class = CLASS_NONE;
	f->previous_hop_class = CLASS_NONE;
}

/*
 * Cuts the window and the last hop out of the past, by the rules of hop_windows(). Returns 1 if
 * there is something to classify, 0 if the hop goes on or has only just begun, -1 if a total ran
 * backwards.
 */
__attribute__((noinline)) int file_windows(__u32 index)
{
	__u32 zero = 0, i, back, span;
	struct file_state *f;
	struct scratch *s;

	f = bpf_map_lookup_elem(&files, &index);
	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!f || !s)
		return -1;
	for (i = 0; i < FILE_COUNTERS; i++)
		s->sum.total[FILE_COUNTER_FIRST + i] = f->total[i];
	if (s->in.idle || !f->nr_hops || f->nr_hops > FILE_HOPS) {
		f->nr_hops = 0;
		file_forget_confirming(f);
		file_boundary(f, s);
		return 0;
	}
	if (file_part(f, 0, &s->hop))
		return -1;
	if (s->hop.calls < HOP_MIN_CALLS && s->hop.w.span_ns * s->set.hops < s->set.stretch_ns) {
		f->hop_deadline_ns = s->in.now_ns + s->set.hop_ns / 4;
		return 0;
	}
	s->fresh = s->hop.calls > 0;
	span = f->nr_hops < s->set.hops ? f->nr_hops : s->set.hops;
	for (back = FILE_HOPS - 1; back; back--)
		if (back + 1 == span && s->in.now_ns - f->ring[back].time_ns > s->set.stretch_ns)
			span = back;
	for (back = 1; back < FILE_HOPS; back++) {
		if (s->hop.calls >= s->set.min_calls || back >= span)
			break;
		if (file_part(f, back, &s->hop))
			return -1;
	}
	s->span = span;
	if (file_part(f, span - 1, &s->window))
		return -1;
	return 1;
}

/* --- classes --------------------------------------------------------------------------------- */

/* Asks the acting model about hop and window, by the rules of hop_classify(). */
__attribute__((noinline)) int file_classify(__u32 index)
{
	struct file_state *f;
	struct scratch *s;
	__u32 zero = 0;
	int fault;

	f = bpf_map_lookup_elem(&files, &index);
	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!f || !s)
		return -1;
	/* Block reads do not tell their file: a model that needs them is not asked. */
	fault = load_model(MODEL_ACTING, SOURCE_READAHEAD);
	if (fault) {
		if (fault == MODEL_SILENT_SOURCES)
			COUNT_FILE(model_sources);
		else
			COUNT_FILE(model_invalid);
		file_forget_confirming(f);
		return 0;
	}
	if (f->model_checksum != s->model.header.checksum) {
		f->model_checksum = s->model.header.checksum;
		file_forget_confirming(f);
	}
	if (!s->fresh || s->window.calls < s->set.min_calls)
		return 0;
	features_compute(&s->hop.w, &s->hop.f);
	classify(s, &s->hop);
	features_compute(&s->window.w, &s->window.f);
	classify(s, &s->window);
	if (s->hop.class_id != s->window.class_id && s->hop.class_id == f->previous_hop_class &&
	    s->span > 2) {
		f->nr_hops = 2;
		if (file_part(f, 1, &s->window))
			return -1;
		if (s->window.calls >= s->set.min_calls) {
			features_compute(&s->window.w, &s->window.f);
			classify(s, &s->window);
		}
	}
	return 0;
}

/* Counts confirming hops; takes the class that enough of them in a row name. */
static __always_inline void file_confirm(struct file_state *f, const struct scratch *s)
{
	__s32 margin = s->window.margin < s->hop.margin ? s->window.margin : s->hop.margin;
	__u32 class_id = s->window.class_id;

	if (class_id == CLASS_NONE || class_id != s->hop.class_id || margin < s->set.margin) {
		f->confirm = 0;
		return;
	}
	if (f->candidate_class != class_id) {
		f->candidate_class = class_id;
		f->confirm = 0;
	}
	if (f->confirm < s->set.confirm)
		f->confirm++;
	if (f->confirm < s->set.confirm)
		return;
	f->margin = margin;
	if (class_id == f->decided_class || s->in.now_ns - f->decided_ns < s->set.dwell_ns)
		return;
	f->old_class = f->decided_class;
	f->decided_class = class_id;
	f->decided_ns = s->in.now_ns;
}

/* --- decisions ------------------------------------------------------------------------------- */

/* Is one value the other FILE_FACTOR times? A page more: 252 is as good as 256. */
static __always_inline bool far_apart(__u32 a, __u32 b)
{
	return a + PAGE_KB >= FILE_FACTOR * b || b + PAGE_KB >= FILE_FACTOR * a;
}

static __noinline void send_file_event(struct file_state *f, const struct bdi_state *st,
				       const struct scratch *s)
{
	struct file_event *e;
	struct allocator *all;
	__u32 zero = 0;

	if (s->in.now_ns - f->last_event_ns < s->set.dwell_ns)
		return;
	all = bpf_map_lookup_elem(&allocator, &zero);
	/* Hundreds of files at once: the helper gets them one by one, and the ring stays free. */
	if (!all || s->in.now_ns - all->file_event_ns < FILE_EVENT_GAP_NS)
		return;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		COUNT_FILE(ring_full); /* nothing is lost: the level stays */
		return;
	}
	e->abi_version = BPFAHEAD_ABI_VERSION;
	e->reason = EVENT_FILE;
	e->time_ns = s->in.now_ns;
	e->bdi_id = f->bdi_id;
	e->sysfs_ino = st->sysfs_ino;
	__builtin_memcpy(e->name, st->name, sizeof(e->name));
	e->key = f->key;
	e->model_checksum = f->model_checksum;
	e->wanted_kb = f->wanted_kb;
	e->ra_kb = f->ra_kb;
	e->device_kb = f->device_kb;
	e->margin = f->margin;
	e->window_calls = f->window_calls;
	e->old_class = f->old_class;
	e->new_class = f->decided_class;
	e->pad[0] = e->pad[1] = 0;
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP); /* samples may wait in the ring, too */
	f->last_event_ns = all->file_event_ns = s->in.now_ns;
	COUNT_FILE(events);
}

/* The bdi's state if it is one whose readahead may be changed. */
static __always_inline struct bdi_state *eligible_bdi(__u64 id)
{
	struct bdi_state *st;
	__u32 *slot;

	slot = bpf_map_lookup_elem(&bdi_slots, &id);
	if (!slot)
		return NULL;
	st = bpf_map_lookup_elem(&bdis, slot);
	if (!st || st->bdi_id != id || !st->sysfs_ino || !(st->flags & BDI_ELIGIBLE))
		return NULL;
	return st;
}

/*
 * What the file's class wants of its own, 0: nothing, the device's value serves it; and the event
 * that says so as long as `file_values` says otherwise.
 */
__attribute__((noinline)) int file_decide(__u32 index, __u32 bdi_kb)
{
	struct bdi_state *st;
	__u32 zero = 0, original_kb, kb = 0, has;
	struct file_value *v;
	struct file_state *f;
	struct file_key key;
	struct applied *a;
	struct scratch *s;
	__u64 id;

	f = bpf_map_lookup_elem(&files, &index);
	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!f || !s)
		return -1;
	if (s->set.mode != MODE_ACT && s->set.mode != MODE_RECOMMEND)
		return 0;
	key = f->key;
	id = f->bdi_id;
	st = eligible_bdi(id);
	if (!st || f->decided_class == CLASS_NONE)
		return 0;
	a = bpf_map_lookup_elem(&applied, &id);
	original_kb = a && a->holds_original ? a->original_kb : bdi_kb;
	if (a) {
		/* The helper is at it, and what the device has now may be for another file. */
		if (s->in.now_ns < a->busy_until_ns)
			return 0;
		if (a->status == APPLIED_NONE && a->holds_original)
			return 0;
		if (a->status == APPLIED_ACCEPTED)
			bdi_kb = a->accepted_kb;
	}
	f->device_kb = bdi_kb;
	/* A person's value is everybody's. */
	if (!a || a->status != APPLIED_STOOD_BACK)
		kb = policy_kb(st, f->decided_class, original_kb, &s->set);
	if (kb && !far_apart(kb, bdi_kb))
		kb = 0;
	f->wanted_kb = kb;
	v = bpf_map_lookup_elem(&file_values, &key);
	if (v && v->bdi_id != id)
		v = NULL;
	has = v ? v->ra_kb : 0;
	if (s->set.mode != MODE_ACT || (v && kb == v->asked_kb && s->in.now_ns < v->retry_ns))
		return 0;
	/* Given, but this call's descriptor has something else: opened since, perhaps. */
	if (kb == has && (!kb || f->ra_kb == kb))
		return 0;
	send_file_event(f, st, s);
	return 0;
}

/*
 * file_hop_end - end the hop of a file
 * @index: claimed by the caller, whose scratch (marked busy) holds the input
 * @bdi_kb: bdi->ra_pages
 * Returns 0.
 */
__attribute__((noinline)) int file_hop_end(__u32 index, __u32 bdi_kb)
{
	struct file_state *f;
	struct config *c;
	struct scratch *s;
	__u32 zero = 0;
	int ready;

	f = bpf_map_lookup_elem(&files, &index);
	s = bpf_map_lookup_elem(&scratch, &zero);
	c = bpf_map_lookup_elem(&config, &zero);
	if (!f || !s || !c)
		return 0;
	read_settings(c, &s->set);
	if (s->set.hops > FILE_HOPS)
		s->set.hops = FILE_HOPS;
	f->ra_kb = s->in.ra_pages * PAGE_KB;
	f->hop_deadline_ns = s->in.now_ns + s->set.hop_ns;
	if (s->set.mode == MODE_EMERGENCY) {
		f->nr_hops = f->confirm = 0;
		return 0;
	}
	ready = file_windows(index);
	if (!ready)
		return 0;
	if (ready < 0 || file_classify(index)) {
		COUNT_FILE(negative);
		f->nr_hops = 0;
		file_forget_confirming(f);
		file_boundary(f, s);
		return 0;
	}
	COUNT_FILE(windows);
	f->window_calls = s->window.calls;
	f->window_class = s->window.class_id;
	file_confirm(f, s);
	file_decide(index, bdi_kb);
	f->previous_hop_class = s->hop.class_id;
	file_boundary(f, s);
	return 0;
}

/* --- the table ------------------------------------------------------------------------------- */

static __always_inline bool same_file(const struct file_state *f, __u64 id,
				      const struct file_key *key)
{
	return f->key.ino == key->ino && f->bdi_id == id && f->key.s_dev == key->s_dev &&
	       f->key.generation == key->generation;
}

static __always_inline __u64 jiffy_ns(const struct config *c)
{
	return setting(c->jiffy_ns, 10 * MS, 1 * MS, 10 * MS);
}

/* Makes the place whose file has been silent longest, for a window at least, the key's. */
static __noinline struct file_state *file_take(const struct file_key *key, __u64 id, __u32 first)
{
	__u64 now = bpf_jiffies64(), quiet, longest;
	struct file_state *f, *victim = NULL;
	__u32 zero = 0, way, index, i;
	struct config *c;

	c = bpf_map_lookup_elem(&config, &zero);
	if (!c)
		return NULL;
	longest = setting(c->window_ns, DEFAULT_WINDOW_NS, 10 * MS, 600000 * MS) / jiffy_ns(c);
	for (way = 0; way < FILE_WAYS; way++) {
		index = first + way;
		f = bpf_map_lookup_elem(&files, &index);
		if (!f)
			return NULL;
		quiet = f->bdi_id ? now - f->seen_jiffy : ~0ULL >> 1;
		/* Signed: another CPU may have seen it after `now`. */
		if ((__s64)quiet > (__s64)longest) {
			longest = quiet;
			victim = f;
		}
	}
	if (!victim) {
		COUNT_FILE(table_full);
		return NULL;
	}
	if (__sync_val_compare_and_swap(&victim->claim, 0, 1))
		return NULL; /* the next miss will */
	victim->bdi_id = 0;
	for (i = offsetof(struct file_state, due) / 8; i < offsetof(struct file_state, ring) / 8;
	     i++)
		((__u64 *)victim)[i] = 0;
	victim->decided_class = victim->candidate_class = victim->window_class = CLASS_NONE;
	victim->previous_hop_class = victim->old_class = CLASS_NONE;
	victim->seen_jiffy = now;
	victim->key.ino = key->ino;
	victim->key.s_dev = key->s_dev;
	victim->key.generation = key->generation;
	victim->bdi_id = id;
	RELEASE(victim->claim);
	COUNT_FILE(admitted);
	return victim;
}

/* Looks at the clock; ends a hop that is over, unless another CPU or another hop here is at it. */
static __noinline void file_tick(struct file_state *f, __u32 index, __u64 quiet_jiffies,
				 __u32 bdi_pages, __u32 ra_pages)
{
	__u64 now = bpf_ktime_get_ns(), left, idle_ns;
	__u32 zero = 0;
	struct config *c;
	struct scratch *s;
	bool idle;

	c = bpf_map_lookup_elem(&config, &zero);
	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!c || !s)
		return;
	idle_ns = setting(c->idle_ns, DEFAULT_IDLE_NS, 10 * MS, 600000 * MS);
	idle = quiet_jiffies * jiffy_ns(c) > idle_ns;
	if ((idle || now >= f->hop_deadline_ns) && !__sync_val_compare_and_swap(&s->busy, 0, 1)) {
		if (!__sync_val_compare_and_swap(&f->claim, 0, 1)) {
			s->in.now_ns = now;
			s->in.ra_pages = ra_pages;
			s->in.idle = idle;
			if (idle || now >= f->hop_deadline_ns)
				file_hop_end(index, bdi_pages * PAGE_KB);
			RELEASE(f->claim);
		}
		RELEASE(s->busy);
	}
	left = f->hop_deadline_ns > now ? f->hop_deadline_ns - now : 0;
	if (left > idle_ns)
		left = idle_ns;
	f->due = bpf_jiffies64() + 1 + (left - left / 4) / jiffy_ns(c);
}

/* The totals to add a call to; NULL if its file is none to watch. */
static __noinline total_t *file_totals(struct inode *inode, struct file_ra_state *ra)
{
	struct super_block *sb = inode->i_sb;
	struct backing_dev_info *bdi;
	struct file_state *f = NULL;
	__u32 first, way, index;
	__u64 id, now, quiet;
	struct file_key key;

	if (inode->i_size < FILE_BYTES_MIN || sb->s_magic == BDEVFS_MAGIC)
		return NULL;
	bdi = sb->s_bdi;
	id = bdi->id;
	key.ino = inode->i_ino;
	key.s_dev = sb->s_dev;
	key.generation = inode->i_generation;
	if (!id)
		return NULL;
	first = ((__u32)((key.ino + id) * 0x9e3779b97f4a7c15ULL >> 32) ^ key.generation) &
		(FILES_MAX - FILE_WAYS);
	for (way = 0; way < FILE_WAYS; way++) {
		index = first + way;
		f = bpf_map_lookup_elem(&files, &index);
		if (!f)
			return NULL;
		if (same_file(f, id, &key))
			break;
	}
	if (way == FILE_WAYS) {
		f = file_take(&key, id, first);
		if (!f)
			return NULL;
	}
	now = bpf_jiffies64();
	quiet = now - f->seen_jiffy;
	if (quiet)
		f->seen_jiffy = now;
	if (f->due <= now && way < FILE_WAYS)
		file_tick(f, index, (__s64)quiet > 0 ? quiet : 0, bdi->ra_pages, ra->ra_pages);
	return f->total;
}

static __always_inline void file_sync(struct inode *inode, __u64 index, struct file_ra_state *ra,
				      __u64 req_count)
{
	total_t *total = file_totals(inode, ra);

	if (total)
		add_sync(total, index, ra, req_count);
}

static __always_inline void file_async(struct inode *inode, struct file_ra_state *ra,
				       __u64 req_count)
{
	total_t *total = file_totals(inode, ra);

	if (total)
		add_async(total, req_count);
}

static __always_inline void file_order(struct inode *inode, struct file_ra_state *ra)
{
	total_t *total = file_totals(inode, ra);

	if (total)
		add_order(total, ra);
}

#endif /* BPFAHEAD_PER_FILE_BPF_H */
