/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hot path of every hook: find this CPU's totals for the bdi at hand. One
 * array look-up and three compares per event; all else happens at most once a
 * jiffy, and a few times a hop (tick()), once per CPU and bdi
 * (adopt_counters()), or once per bdi (slot_take()).
 */
#ifndef BPFAHEAD_ACCOUNT_BPF_H
#define BPFAHEAD_ACCOUNT_BPF_H

#include "decide.bpf.h"

#define NO_SLOT BDI_SLOTS
#define SPARE_NS (250 * MS)     /* the longest that the clock is not looked at */
#define SEEN_NS (4 * (__s64)MS) /* what all CPUs read is not written more often */

/* --- slots ---------------------------------------------------------------------------------- */

struct victim {
	__u64 now_ns, idle_ns, idle_since;
	__u32 slot;
};

/* Looks at one slot: a free one ends the search, else the one idle longest is remembered. */
static long look_for_room(__u64 index, struct victim *v)
{
	__u32 slot = index;
	struct bdi_state *st = bpf_map_lookup_elem(&bdis, &slot);
	struct applied *a;
	__u64 id;

	if (!st)
		return 1;
	if (!st->bdi_id) {
		v->slot = slot;
		return 1;
	}
	/*
	 * Recently seen: some CPU may still add to it, for up to a jiffy. Signed: another
	 * CPU may have seen it after now_ns was read.
	 */
	if (st->last_seen_ns >= v->idle_since ||
	    (__s64)(v->now_ns - st->last_seen_ns) < (__s64)v->idle_ns)
		return 0;
	id = st->bdi_id;
	a = bpf_map_lookup_elem(&applied, &id);
	if (a && a->holds_original)
		return 0;
	v->idle_since = st->last_seen_ns;
	v->slot = slot;
	return 0;
}

/* Makes a claimed slot the home of a bdi. */
static __always_inline void slot_init(struct bdi_state *st, struct backing_dev_info *bdi, __u64 id,
				      __u64 now, __u64 seq)
{
	__u32 i, fits = 0;

	st->bdi_id = 0;
	/* Zero, but for what follows; the boundaries in the ring count only up to nr_hops. */
	for (i = offsetof(struct bdi_state, hop_deadline_ns) / 8;
	     i < offsetof(struct bdi_state, ring) / 8; i++)
		((__u64 *)st)[i] = 0;
	for (i = 0; i < BDI_NAME_LEN; i++) {
		char letter = bdi->dev_name[i];

		st->name[i] = fits ? 0 : letter;
		if (!letter)
			fits = 1;
	}
	st->sysfs_ino = bdi->dev->kobj.sd->id;
	if (!fits) {
		COUNT(name_too_long);
		st->name[BDI_NAME_LEN - 1] = 0;
		st->sysfs_ino = 0; /* no way to name it: counted, never acted upon */
	}
	st->slot_seq = seq;
	st->last_seen_ns = now;
	st->decision_seq = now; /* never one that an answer to an earlier slot of this bdi has */
	st->flags = fits ? 0 : BDI_NAMELESS;
	st->ra_kb = bdi->ra_pages * PAGE_KB;
	st->decided_class = st->candidate_class = st->window_class = CLASS_NONE;
	st->hop_class = st->previous_hop_class = st->shadow_class = st->old_class = CLASS_NONE;
	st->bdi_id = id;
}

/*
 * Wakes the helper, at most once per dwell: it forgets the originals of devices that have left,
 * which is all that can hold a slot for good.
 */
static __always_inline void tell_table_full(struct allocator *alloc, __u64 now)
{
	struct event *e;
	__u32 i;

	COUNT(table_full);
	if (now - alloc->told_ns < DEFAULT_DWELL_NS)
		return;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return;
	for (i = 0; i < sizeof(*e) / 8; i++)
		((__u64 *)e)[i] = 0;
	e->abi_version = BPFAHEAD_ABI_VERSION;
	e->reason = EVENT_TABLE_FULL;
	e->time_ns = now;
	bpf_ringbuf_submit(e, BPF_RB_FORCE_WAKEUP);
	alloc->told_ns = now;
}

/*
 * A slot for a bdi that has none: its home or its second one if free, else any that is, else that
 * of the bdi idle longest. NO_SLOT if there is no room.
 */
static __noinline __u32 slot_take(struct backing_dev_info *bdi, __u64 id)
{
	__u32 zero = 0, home = id & (BDI_SLOTS - 1), second = second_slot(id);
	struct bdi_state *st, *other;
	struct allocator *alloc;
	struct config *c;
	struct victim v;
	__u32 *known;
	__u64 old;

	v.idle_since = ~0ULL;
	v.slot = NO_SLOT;
	alloc = bpf_map_lookup_elem(&allocator, &zero);
	c = bpf_map_lookup_elem(&config, &zero);
	st = bpf_map_lookup_elem(&bdis, &home);
	if (!alloc || !c || !st)
		return NO_SLOT;
	/* Without the lock: with more bdis than slots this is where every CPU's events come. */
	if (st->bdi_id && alloc->full_jiffy == bpf_jiffies64()) {
		COUNT(table_full);
		return NO_SLOT;
	}
	if (__sync_val_compare_and_swap(&alloc->lock, 0, 1)) {
		COUNT(alloc_busy);
		return NO_SLOT;
	}
	known = bpf_map_lookup_elem(&bdi_slots, &id);
	if (known) { /* given by another CPU between the look-up and the lock */
		v.slot = *known;
		st = bpf_map_lookup_elem(&bdis, &v.slot);
		if (st && st->bdi_id == id)
			goto unlock;
		v.slot = NO_SLOT;
	}
	v.now_ns = bpf_ktime_get_ns();
	v.idle_ns = setting(c->hop_ns, DEFAULT_HOP_NS, 10 * MS, 10000 * MS);
	other = bpf_map_lookup_elem(&bdis, &second);
	st = bpf_map_lookup_elem(&bdis, &home);
	if (st && !st->bdi_id)
		v.slot = home;
	else if (other && !other->bdi_id)
		v.slot = second;
	else if (alloc->full_jiffy != bpf_jiffies64())
		bpf_loop(BDI_SLOTS, look_for_room, &v, 0);
	if (v.slot == NO_SLOT)
		alloc->full_jiffy = bpf_jiffies64();
	st = bpf_map_lookup_elem(&bdis, &v.slot);
	if (!st || __sync_val_compare_and_swap(&st->claim, 0, 1)) {
		tell_table_full(alloc, v.now_ns);
		v.slot = NO_SLOT;
		goto unlock;
	}
	old = st->bdi_id;
	if (old) {
		bpf_map_delete_elem(&bdi_slots, &old);
		COUNT(slots_evicted);
	}
	slot_init(st, bdi, id, v.now_ns, ++alloc->next_slot_seq);
	if (bpf_map_update_elem(&bdi_slots, &id, &v.slot, BPF_ANY)) {
		st->bdi_id = 0;
		v.slot = NO_SLOT;
	} else {
		COUNT(slots_taken);
	}
	RELEASE(st->claim);
unlock:
	RELEASE(alloc->lock);
	return v.slot;
}

/* --- the deadline of a hop -------------------------------------------------------------------- */

/* Queue limits in one number, so that a change of any of them shows. 0: no queue. */
static __always_inline __u64 limits_signature(struct request_queue *q)
{
	__u64 mix = q->limits.max_hw_sectors;

	mix = mix * 31 + q->limits.max_sectors;
	mix = mix * 31 + q->limits.io_opt;
	mix = mix * 31 + q->limits.max_discard_sectors;
	if (bpf_core_field_exists(q->limits.max_user_sectors))
		mix = mix * 31 + q->limits.max_user_sectors;
	if (bpf_core_field_exists(q->limits.features))
		mix = (mix * 31 + q->limits.features) * 31 + q->limits.flags;
	return mix;
}

/*
 * Ends a hop that is over, unless another CPU or another hop on this one is at it: then false.
 */
static __always_inline bool try_hop_end(struct backing_dev_info *bdi, struct request_queue *q,
					struct bdi_state *st, __u64 id, __u32 slot, __u64 now,
					bool idle)
{
	bool done = false;
	struct scratch *s;
	__u32 zero = 0;

	s = bpf_map_lookup_elem(&scratch, &zero);
	if (!s)
		return false;
	if (__sync_val_compare_and_swap(&s->busy, 0, 1)) {
		COUNT(scratch_busy);
		return false;
	}
	if (__sync_val_compare_and_swap(&st->claim, 0, 1)) {
		COUNT(claim_busy);
		goto out;
	}
	if (st->bdi_id == id && (idle || now >= st->hop_deadline_ns)) {
		s->in.now_ns = now;
		s->in.ra_pages = bdi->ra_pages;
		s->in.idle = idle;
		s->in.io_opt = q->limits.io_opt;
		s->in.max_sectors = q->limits.max_sectors;
		s->in.limits_sig = limits_signature(q);
		hop_end(slot);
	}
	done = true;
	RELEASE(st->claim);
out:
	RELEASE(s->busy);
	return done;
}

/*
 * Jiffies that may pass before the clock is read again: most of what is left of the hop, so that
 * its end is not missed, and so few that a bdi that is read never passes for idle.
 */
static __always_inline __u64 jiffies_to_spare(const struct bdi_state *st, __u64 now, __u64 idle_ns,
					      const struct config *c)
{
	__u64 left = st->hop_deadline_ns - now;

	if ((__s64)left < 0)
		return 0;
	left -= left / 4;
	if (left > SPARE_NS)
		left = SPARE_NS;
	if (left > idle_ns / 4)
		left = idle_ns / 4;
	return left / setting(c->jiffy_ns, 10 * MS, 1 * MS, 10 * MS);
}

/*
 * At most once a jiffy per CPU and bdi, and seldom before a hop's end nears. Returns the totals to
 * add to, NULL if there are none.
 */
static __noinline struct bdi_counters *tick(struct backing_dev_info *bdi, struct request_queue *q,
					    __u64 id, __u32 source, __u32 flags)
{
	__u32 zero = 0, slot = id & (BDI_SLOTS - 1), *where;
	struct bdi_counters *c;
	struct bdi_state *st;
	__u64 now, last_seen, idle_ns, ino;
	struct config *conf;
	bool idle;

	c = bpf_map_lookup_elem(&counters, &slot);
	st = bpf_map_lookup_elem(&bdis, &slot);
	conf = bpf_map_lookup_elem(&config, &zero);
	if (!c || !st || !conf)
		return NULL;
	if (st->bdi_id != id) { /* not in its home slot */
		if (c->bdi_id == id)
			c->bdi_id = 0; /* it was, once */
		where = bpf_map_lookup_elem(&bdi_slots, &id);
		slot = where ? *where : slot_take(bdi, id);
		c = bpf_map_lookup_elem(&counters, &slot);
		st = bpf_map_lookup_elem(&bdis, &slot);
		if (!c || !st || st->bdi_id != id)
			return NULL;
	}
	if (!adopted(c, st, id))
		adopt_counters(c, st, id);
	c->sources |= source;
	if (~st->sources & source)
		__sync_fetch_and_or(&st->sources, source);
	if (~st->flags & flags)
		st->flags |= flags;
	/* Followed, not kept: 0 once the device has left while a file system still reads. */
	ino = bdi->dev->kobj.sd->id;
	if (st->sysfs_ino != ino && !(st->flags & BDI_NAMELESS))
		st->sysfs_ino = ino;

	now = bpf_ktime_get_ns();
	last_seen = st->last_seen_ns;
	idle_ns = setting(conf->idle_ns, DEFAULT_IDLE_NS, 10 * MS, 600000 * MS);
	idle = (__s64)(now - last_seen) > (__s64)idle_ns;
	if ((__s64)(now - last_seen) > SEEN_NS)
		st->last_seen_ns = now;
	if ((idle || now >= st->hop_deadline_ns) && !try_hop_end(bdi, q, st, id, slot, now, idle) &&
	    idle)
		st->last_seen_ns = last_seen; /* the next event finds the idle spell again */
	c->due = bpf_jiffies64() + 1 + jiffies_to_spare(st, now, idle_ns, conf);
	return c;
}

/*
 * This CPU's totals for a bdi if they are at hand; else NULL, and tick() is what finds them.
 *
 * A bdi outside its home slot (more than one id with the same remainder) pays another look-up; one
 * outside its second slot, too, one in a hash.
 */
static __always_inline struct bdi_counters *counters_of(__u64 id, __u32 source)
{
	__u32 slot = id & (BDI_SLOTS - 1), *where;
	struct bdi_counters *c;

	c = bpf_map_lookup_elem(&counters, &slot);
	if (!c)
		return NULL;
	if (unlikely(c->bdi_id != id)) {
		slot = second_slot(id);
		c = bpf_map_lookup_elem(&counters, &slot);
		if (!c)
			return NULL;
	}
	if (unlikely(c->bdi_id != id)) {
		where = bpf_map_lookup_elem(&bdi_slots, &id);
		if (!where)
			return NULL;
		slot = *where;
		c = bpf_map_lookup_elem(&counters, &slot);
		if (!c || c->bdi_id != id)
			return NULL;
	}
	if (unlikely(~c->sources & source || c->due <= bpf_jiffies64()))
		return NULL;
	return c;
}

#endif /* BPFAHEAD_ACCOUNT_BPF_H */
