// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking effect: from ring-buffer events to read_ahead_kb.
 *
 * The map `applied` is the answer to the kernel programs and the memory of
 * what the administrator had. Its order of writes is what makes a SIGKILL at
 * any point harmless: first the entry with the original, status APPLIED_NONE
 * ("a change is under way"), then read_ahead_kb, then the entry with what came
 * of it. Whoever restores takes any value found under APPLIED_NONE for ours,
 * because it is either the one before or the one after the change.
 *
 * Whose is a value? It is ours while it is what was accepted. If it is not,
 * the kernel may have reset it: a commit of queue limits does (block/
 * blk-settings.c). That is taken for true only if a limit has changed since
 * the last event and the value is one that such a commit computes. Everything
 * else is a person, and a person is right: we stand back until told otherwise.
 */
#include "apply.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apply_internal.h"
#include "bdi.h"
#include "defaults.h"
#include "host.h"
#include "names.h"

/* The kernel keeps whole pages. */
static unsigned int whole_pages(unsigned long long kb)
{
	return (unsigned int)(kb / page_kb() * page_kb());
}

static unsigned int clamp_kb(unsigned int kb)
{
	unsigned int least = page_kb() > RA_KB_HARD_MIN ? page_kb() : RA_KB_HARD_MIN;

	if (kb > RA_KB_HARD_MAX)
		return RA_KB_HARD_MAX;
	return kb < least ? least : whole_pages(kb);
}

static unsigned int max_kb(unsigned int a, unsigned int b)
{
	return a > b ? a : b;
}

bool is_kernel_reset(const struct event *e, unsigned int accepted_kb, unsigned int ra_kb)
{
	unsigned int from_limits = max_kb(128, whole_pages(2ULL * e->io_opt_bytes / 1024));
	unsigned int rotational;

	if (!e->limits_changed)
		return false;
	/* 6.1: blk_queue_io_opt() and disk_update_readahead() set it outright. */
	if (ra_kb == from_limits)
		return true;
	/* 6.12: blk_apply_bdi_limits() never lowers. */
	if (ra_kb == max_kb(accepted_kb, from_limits))
		return true;
	/* 6.17: rotational disks without io_opt take 2 * max_sectors (of 512 bytes). */
	rotational = max_kb(max_kb(accepted_kb, 128), whole_pages(e->max_sectors));
	return !e->io_opt_bytes && ra_kb == rotational;
}

/* --- descriptors ---------------------------------------------------------------------------- */

static void handle_close(struct handle *h)
{
	if (h->fd >= 0)
		close(h->fd);
	memset(h, 0, sizeof(*h));
	h->fd = -1;
}

/* The bdi's handle, or NULL if it has none. */
static struct handle *handle_find(struct applier *a, __u64 bdi_id)
{
	unsigned int i;

	for (i = 0; i < HANDLES_MAX; i++) {
		if (a->handles[i].bdi_id == bdi_id)
			return &a->handles[i];
	}
	return NULL;
}

static struct handle *handle_get(struct applier *a, __u64 bdi_id)
{
	struct handle *h = handle_find(a, bdi_id);
	unsigned int i;

	if (!h) {
		h = &a->handles[0];
		for (i = 1; i < HANDLES_MAX; i++) {
			if (a->handles[i].used < h->used)
				h = &a->handles[i];
		}
		handle_close(h);
		h->bdi_id = bdi_id;
	}
	h->used = ++a->clock;
	return h;
}

/* --- the map `applied` ----------------------------------------------------------------------- */

/* Copies up to @max keys. */
static unsigned int all_keys(const struct maps *maps, __u64 *keys, unsigned int max)
{
	unsigned int n = 0;

	while (n < max && !bpf_map_get_next_key(maps->applied, n ? &keys[n - 1] : NULL, &keys[n]))
		n++;
	return n;
}

/* Only what is certain: a look that failed for want of a descriptor or of memory proves nothing. */
static bool has_left(const struct applied *entry)
{
	int fd = bdi_open(entry->name, entry->sysfs_ino);

	if (fd >= 0)
		close(fd);
	return fd == -ENODEV || fd == -ENOENT;
}

/* Deletes the entries of bdis that have left. */
static void forget_departed(struct applier *a)
{
	__u64 *keys = calloc(APPLIED_MAX, sizeof(*keys));
	struct applied entry;
	struct handle *h;
	unsigned int i, n;

	if (!keys)
		return; /* the next one will */
	n = all_keys(a->maps, keys, APPLIED_MAX);
	for (i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(a->maps->applied, &keys[i], &entry))
			continue;
		entry.name[BDI_NAME_LEN - 1] = '\0';
		if (!has_left(&entry))
			continue;
		bpf_map_delete_elem(a->maps->applied, &keys[i]);
		h = handle_find(a, keys[i]);
		if (h)
			handle_close(h);
	}
	free(keys);
}

/* 0 or -errno. Makes room once if the map is full. */
static int put_entry(struct applier *a, __u64 bdi_id, const struct applied *entry)
{
	int err;

	err = bpf_map_update_elem(a->maps->applied, &bdi_id, entry, BPF_ANY);
	if (err != -E2BIG)
		return err;
	forget_departed(a);
	return bpf_map_update_elem(a->maps->applied, &bdi_id, entry, BPF_ANY);
}

static bool mode_is(const struct applier *a, __u32 mode)
{
	struct config config;

	return !maps_get_config(a->maps, &config) && config.mode == mode;
}

/* --- one event ------------------------------------------------------------------------------- */

static enum apply_outcome gone(struct applier *a, struct handle *h, __u64 bdi_id)
{
	bpf_map_delete_elem(a->maps->applied, &bdi_id);
	handle_close(h);
	return APPLY_GONE;
}

/*
 * Answers "refused", to be asked again after a back-off that doubles.
 * @entry carries what is in effect. @tell is cleared for a refusal like the last one.
 */
static enum apply_outcome refuse(struct applier *a, struct handle *h, const struct event *e,
				 struct applied *entry, struct apply_report *r, int err, bool *tell)
{
	unsigned int doublings = h->refusals < 6 ? h->refusals : 6;
	__u64 wait = RETRY_FIRST_NS << doublings;

	if (wait > RETRY_MAX_NS)
		wait = RETRY_MAX_NS;
	*tell = h->refused_errno != -err;
	h->refusals++;
	h->refused_errno = -err;
	/* It is opened anew next time: a remount or a policy may have changed what it allows. */
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
	entry->status = APPLIED_REFUSED;
	entry->decision_seq = e->decision_seq;
	entry->retry_ns = monotonic_ns() + wait;
	put_entry(a, e->bdi_id,
		  entry); /* failing, it leaves the kernel side to ask after a dwell */
	r->error = -err;
	r->to_kb = r->from_kb;
	return APPLY_REFUSED;
}

static void tell_changing(struct applier *a, __u64 bdi_id, const struct applied *entry,
			  unsigned int from_kb)
{
	unsigned int i;

	for (i = 0; i < a->nr_listeners; i++) {
		if (a->listeners[i].changing)
			a->listeners[i].changing(bdi_id, entry, from_kb, a->listeners[i].arg);
	}
}

/* Writes what the report says, keeping the original safe throughout. */
static enum apply_outcome change(struct applier *a, struct handle *h, const struct event *e,
				 bool known, struct applied *entry, struct apply_report *r,
				 bool *tell)
{
	const struct applied before = *entry;
	__u64 bdi_id = e->bdi_id;
	unsigned int in_effect;
	int err;

	entry->status = APPLIED_NONE; /* under way */
	entry->holds_original = 1;
	entry->original_kb = r->original_kb;
	entry->accepted_kb = r->to_kb;
	err = put_entry(a, bdi_id, entry);
	if (err) { /* without a place for the original nothing may be written */
		*entry = before;
		return refuse(a, h, e, entry, r, err, tell);
	}
	if (!mode_is(a, MODE_ACT)) {
		/* Only if it is still there: in an emergency others settle entries too. */
		if (known)
			bpf_map_update_elem(a->maps->applied, &bdi_id, &before, BPF_EXIST);
		else
			bpf_map_delete_elem(a->maps->applied, &bdi_id);
		return APPLY_DROPPED;
	}
	tell_changing(a, bdi_id, entry, r->from_kb);
	/*
	 * Accepted race: a person who writes between our reading and this is
	 * overwritten. Sysfs offers no compare-and-exchange; it is microseconds.
	 */
	err = a->write_kb(h->fd, r->to_kb, &in_effect);
	if (err == -ENODEV)
		return gone(a, h, bdi_id);
	if (err) {
		/* A failed read-back leaves it open whether the write took place: look again. */
		if (bdi_read_kb(h->fd, &in_effect))
			in_effect = r->from_kb;
		entry->accepted_kb = in_effect;
		entry->holds_original = in_effect != r->original_kb;
		return refuse(a, h, e, entry, r, err, tell);
	}
	r->to_kb = in_effect;
	entry->status = APPLIED_ACCEPTED;
	entry->decision_seq = e->decision_seq;
	entry->retry_ns = 0;
	entry->accepted_kb = in_effect;
	entry->holds_original = in_effect != r->original_kb;
	/* If this fails, the entry stays "under way", and the kernel side asks again. */
	put_entry(a, bdi_id, entry);
	h->refusals = 0;
	h->refused_errno = 0;
	/*
	 * Last, and after the entry: whoever declares an emergency sets the mode
	 * first and restores then, so either that one finds the entry or this
	 * one finds the mode.
	 */
	if (mode_is(a, MODE_EMERGENCY)) {
		r->from_kb = r->to_kb;
		err = a->write_kb(h->fd, r->original_kb, &r->to_kb);
		if (!err)
			bpf_map_delete_elem(a->maps->applied, &bdi_id);
		else if (err == -ENODEV)
			gone(a, h, bdi_id);
		return APPLY_DROPPED;
	}
	return APPLY_WRITTEN;
}

static enum apply_outcome decide(struct applier *a, const struct event *e, struct apply_report *r,
				 bool *tell)
{
	struct config raw, config;
	struct applied entry;
	bool known, under_way, expected, foreign, reset, limits_changed;
	__u64 bdi_id = e->bdi_id, now = monotonic_ns();
	unsigned int wanted, current;
	struct event told = *e;
	struct handle *h;
	int err;

	*tell = false;
	if (!bdi_id || !e->sysfs_ino || maps_get_config(a->maps, &raw))
		return APPLY_DROPPED;
	config_effective(&raw, &config);
	h = handle_get(a, bdi_id);
	/* The kernel program keeps to 10 ms, whatever the map says (read_settings()). */
	if (e->time_ns < now && now - e->time_ns > config.dwell_ns && now - e->time_ns > 10000000) {
		h->limits_changed |= e->limits_changed;
		return APPLY_STALE;
	}
	if (config.mode != MODE_ACT && config.mode != MODE_RECOMMEND) {
		h->limits_changed |= e->limits_changed;
		return APPLY_DROPPED;
	}
	limits_changed = h->limits_changed || e->limits_changed;
	told.limits_changed = limits_changed;
	h->limits_changed = false;

	known = !bpf_map_lookup_elem(a->maps->applied, &bdi_id, &entry);
	if (!known || entry.sysfs_ino != e->sysfs_ino) {
		known = false;
		memset(&entry, 0, sizeof(entry));
		entry.sysfs_ino = e->sysfs_ino;
		memcpy(entry.name, e->name, BDI_NAME_LEN);
		entry.name[BDI_NAME_LEN - 1] = '\0';
	}
	if (known && entry.status == APPLIED_STOOD_BACK)
		return APPLY_DROPPED;
	if (e->reason == EVENT_FOREIGN && !(known && entry.status == APPLIED_ACCEPTED))
		return APPLY_DROPPED;
	if (known && entry.status == APPLIED_REFUSED && now < entry.retry_ns) {
		/* Another decision does not make the device writable: the back-off holds. */
		h->limits_changed = limits_changed;
		entry.decision_seq = e->decision_seq;
		put_entry(a, bdi_id, &entry);
		r->error = h->refused_errno;
		return APPLY_REFUSED;
	}

	if (h->fd < 0) {
		err = bdi_open(entry.name, e->sysfs_ino);
		if (err < 0)
			goto failed;
		h->fd = err;
	}
	err = bdi_read_kb(h->fd, &current);
	if (err)
		goto failed;

	under_way = known && entry.holds_original && entry.status == APPLIED_NONE;
	expected =
		known && !under_way && (entry.holds_original || entry.status == APPLIED_ACCEPTED);
	foreign = expected && current != entry.accepted_kb;
	reset = foreign && is_kernel_reset(&told, entry.accepted_kb, current);
	r->from_kb = current;
	r->to_kb = current;
	if (entry.holds_original)
		r->original_kb = entry.original_kb;
	else if (expected) /* what was accepted was the original itself */
		r->original_kb = entry.accepted_kb;
	else
		r->original_kb = current;

	if (foreign && !reset) {
		*tell = true;
		r->from_kb = entry.accepted_kb;
		r->original_kb = current;
		entry.status = APPLIED_STOOD_BACK;
		entry.decision_seq = e->decision_seq;
		entry.retry_ns = 0;
		entry.accepted_kb = current;
		entry.original_kb = current;
		entry.holds_original = 0;
		err = put_entry(a, bdi_id, &entry);
		r->error = -err;
		return APPLY_STOOD_BACK;
	}
	if (e->reason == EVENT_FOREIGN && !foreign && entry.decision_seq == e->decision_seq)
		return APPLY_NOOP; /* it has been put right since, and no decision waits */
	wanted = e->wanted_kb;
	if (!wanted && reset)
		wanted = entry.accepted_kb;
	if (!wanted || !r->original_kb) /* 0: the administrator switched readahead off */
		return APPLY_DROPPED;
	/* The administrator's own value needs no bounds of ours. */
	r->to_kb = wanted == r->original_kb ? wanted : clamp_kb(wanted);

	*tell = true;
	if (config.mode == MODE_RECOMMEND) {
		if (reset) { /* not ours, but in the place of the original all the same */
			entry.accepted_kb = current;
			entry.original_kb = r->original_kb;
			entry.holds_original = current != r->original_kb;
		}
		entry.status = APPLIED_RECOMMENDED;
		entry.decision_seq = e->decision_seq;
		err = put_entry(a, bdi_id, &entry);
		r->error = -err;
		return APPLY_RECOMMENDED;
	}
	if (r->to_kb == current) {
		entry.status = APPLIED_ACCEPTED;
		entry.decision_seq = e->decision_seq;
		entry.retry_ns = 0;
		entry.accepted_kb = current;
		entry.original_kb = r->original_kb;
		entry.holds_original = current != r->original_kb;
		h->refusals = 0;
		h->refused_errno = 0;
		err = put_entry(a, bdi_id, &entry);
		if (err)
			return refuse(a, h, e, &entry, r, err, tell);
		if (!known)
			forget_departed(a);
		return APPLY_NOOP;
	}
	{
		enum apply_outcome outcome = change(a, h, e, known, &entry, r, tell);

		/*
		 * A bdi that comes is the occasion to forget those that left, whose
		 * originals would keep their slots on the kernel side.
		 */
		if (!known && outcome == APPLY_WRITTEN)
			forget_departed(a);
		return outcome == APPLY_WRITTEN && reset ? APPLY_REASSERTED : outcome;
	}

failed:
	*tell = true;
	h->limits_changed = limits_changed;
	r->from_kb = e->ra_kb;
	if (err == -ENODEV || err == -ENOENT)
		return gone(a, h, bdi_id);
	return refuse(a, h, e, &entry, r, err, tell);
}

enum apply_outcome apply_event(struct applier *a, const struct event *e)
{
	struct apply_report r = {};
	unsigned int i;
	bool tell;

	r.outcome = decide(a, e, &r, &tell);
	a->counts[r.outcome]++;
	if (tell && a->report)
		a->report(e, &r, a->arg);
	for (i = 0; i < a->nr_listeners; i++) {
		if (a->listeners[i].applied)
			a->listeners[i].applied(e, &r, a->listeners[i].arg);
	}
	return r.outcome;
}

/* --- the ring -------------------------------------------------------------------------------- */

void applier_flush(struct applier *a)
{
	unsigned int i, n = a->nr_pending;

	a->nr_pending = 0;
	for (i = 0; i < n; i++)
		apply_event(a, &a->pending[i]);
}

static void tell_sample(struct applier *a, const struct sample *s)
{
	unsigned int i;

	for (i = 0; i < a->nr_listeners; i++) {
		if (a->listeners[i].sampled)
			a->listeners[i].sampled(s, a->listeners[i].arg);
	}
}

static void tell_appeared(struct applier *a, const struct event *e)
{
	unsigned int i;

	for (i = 0; i < a->nr_listeners; i++) {
		if (a->listeners[i].appeared)
			a->listeners[i].appeared(e, a->listeners[i].arg);
	}
}

static void tell_file(struct applier *a, const struct file_event *e)
{
	unsigned int i;

	for (i = 0; i < a->nr_listeners; i++) {
		if (a->listeners[i].file)
			a->listeners[i].file(e, a->listeners[i].arg);
	}
}

void applier_offer(struct applier *a, const void *record, size_t size)
{
	const struct file_event *f = record;
	const struct event *e = record;
	const struct sample *s = record;
	struct event *p;
	unsigned int i;

	if (size >= sizeof(*s) && s->abi_version == BPFAHEAD_ABI_VERSION &&
	    s->reason == EVENT_SAMPLE) {
		tell_sample(a, s);
		return;
	}
	if (size >= sizeof(*f) && f->abi_version == BPFAHEAD_ABI_VERSION &&
	    f->reason == EVENT_FILE) {
		tell_file(a, f);
		return;
	}
	if (size < sizeof(*e) || e->abi_version != BPFAHEAD_ABI_VERSION) {
		a->counts[APPLY_DROPPED]++;
		return;
	}
	if (e->reason == EVENT_TABLE_FULL) {
		forget_departed(a);
		return;
	}
	if (e->reason == EVENT_APPEARED) {
		tell_appeared(a, e);
		return;
	}
	for (i = 0; i < a->nr_pending; i++) {
		p = &a->pending[i];
		if (p->bdi_id != e->bdi_id)
			continue;
		a->counts[APPLY_STALE]++;
		if (e->time_ns >= p->time_ns) {
			__u8 limits_changed = p->limits_changed | e->limits_changed;

			*p = *e;
			p->limits_changed = limits_changed;
		} else {
			p->limits_changed |= e->limits_changed;
		}
		return;
	}
	if (a->nr_pending == PENDING_MAX)
		applier_flush(a);
	a->pending[a->nr_pending++] = *e;
}

static int take_record(void *arg, void *record, size_t size)
{
	applier_offer(arg, record, size);
	return 0;
}

struct applier *applier_alloc(const struct maps *maps,
			      void (*report)(const struct event *, const struct apply_report *,
					     void *arg),
			      void *arg)
{
	struct applier *a = calloc(1, sizeof(*a));
	unsigned int i;

	if (!a)
		return NULL;
	a->maps = maps;
	a->report = report;
	a->arg = arg;
	a->write_kb = bdi_write_kb;
	for (i = 0; i < HANDLES_MAX; i++)
		a->handles[i].fd = -1;
	return a;
}

struct applier *
applier_new(const struct maps *maps,
	    void (*report)(const struct event *, const struct apply_report *, void *arg), void *arg)
{
	struct applier *a = applier_alloc(maps, report, arg);
	int err;

	if (!a)
		return NULL;
	a->ring = ring_buffer__new(maps->events, take_record, a, NULL);
	if (!a->ring) {
		err = errno;
		free(a);
		errno = err;
		return NULL;
	}
	return a;
}

int applier_listen(struct applier *a, const struct apply_listener *listener)
{
	if (a->nr_listeners == LISTENERS_MAX)
		return -ENOSPC;
	a->listeners[a->nr_listeners++] = *listener;
	return 0;
}

int applier_epoll_fd(const struct applier *a)
{
	return ring_buffer__epoll_fd(a->ring);
}

int applier_handle(struct applier *a)
{
	int n = ring_buffer__consume(a->ring);

	applier_flush(a);
	return n;
}

void applier_drain(struct applier *a)
{
	unsigned int i;

	/* What makes room by acting would act after all: more than fit into the ring cannot come.
	 */
	ring_buffer__consume(a->ring);
	for (i = 0; i < a->nr_pending; i++)
		a->counts[APPLY_DROPPED]++;
	a->nr_pending = 0;
}

const unsigned long *applier_counts(const struct applier *a)
{
	return a->counts;
}

void applier_free(struct applier *a)
{
	unsigned int i;

	if (!a)
		return;
	ring_buffer__free(a->ring);
	for (i = 0; i < HANDLES_MAX; i++)
		handle_close(&a->handles[i]);
	free(a);
}

/* --- putting originals back ------------------------------------------------------------------ */

/* 0: settled, the entry can go; or -errno: the original could not be written. */
static int restore_one(const struct applied *entry, FILE *report)
{
	unsigned int current, in_effect;
	char label[96];
	int fd, err;

	fd = bdi_open(entry->name, entry->sysfs_ino);
	if (fd == -ENODEV)
		return 0; /* its name may be another device's by now */
	err = fd < 0 ? fd : bdi_read_kb(fd, &current);
	if (err)
		goto out;
	if (current == entry->original_kb)
		goto out;
	bdi_display_name(entry->name, label, sizeof(label));
	if (entry->status != APPLIED_NONE && current != entry->accepted_kb) {
		if (report)
			fprintf(report,
				"%s: read_ahead_kb is %u, not our %u: somebody else's, left "
				"alone\n",
				label, current, entry->accepted_kb);
		goto out;
	}
	err = bdi_write_kb(fd, entry->original_kb, &in_effect);
	if (!err && in_effect != entry->original_kb)
		err = -EIO;
	if (!err && report)
		fprintf(report, "%s: read_ahead_kb %u -> %u, the original\n", label, current,
			entry->original_kb);
out:
	if (fd >= 0)
		close(fd);
	if (err == -ENODEV)
		return 0;
	if (err && report)
		fprintf(report, "%s: the original %u KB could not be restored: %s\n", entry->name,
			entry->original_kb, strerror(-err));
	return err;
}

int restore_originals(const struct maps *maps, FILE *report)
{
	__u64 *keys = calloc(APPLIED_MAX, sizeof(*keys));
	struct applied entry;
	unsigned int i, n;
	int failed = 0;

	if (!keys)
		return -ENOMEM;
	n = all_keys(maps, keys, APPLIED_MAX);
	for (i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(maps->applied, &keys[i], &entry))
			continue; /* somebody else settled it */
		entry.name[BDI_NAME_LEN - 1] = '\0';
		if (entry.holds_original && restore_one(&entry, report)) {
			failed++;
			continue;
		}
		if (entry.status == APPLIED_STOOD_BACK && !has_left(&entry))
			continue;
		bpf_map_delete_elem(maps->applied, &keys[i]);
	}
	free(keys);
	return failed;
}

/* --- for people ------------------------------------------------------------------------------ */

const char *apply_outcome_name(unsigned int outcome)
{
	static const char *const names[NR_APPLY_OUTCOMES] = {
		[APPLY_WRITTEN] = "written",
		[APPLY_NOOP] = "in-place",
		[APPLY_RECOMMENDED] = "recommended",
		[APPLY_REASSERTED] = "reasserted",
		[APPLY_STOOD_BACK] = "stood-back",
		[APPLY_REFUSED] = "refused",
		[APPLY_GONE] = "gone",
		[APPLY_STALE] = "stale",
		[APPLY_DROPPED] = "dropped",
	};

	return outcome < NR_APPLY_OUTCOMES ? names[outcome] : "?";
}

/* Appends to a line, whose rest is @size bytes at @at; returns where it ends. */
__attribute__((format(printf, 3, 4))) static char *append(char *at, char *end, const char *format,
							  ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(at, (size_t)(end - at), format, args);
	va_end(args);
	if (n < 0)
		return at;
	return n < end - at ? at + n : end - 1;
}

static char *append_q16(char *at, char *end, __s64 value)
{
	__u64 hundredths = ((value < 0 ? -(__u64)value : (__u64)value) * 100 + 32768) / 65536;

	return append(at, end, "%s%" PRIu64 ".%02" PRIu64, value < 0 ? "-" : "",
		      (uint64_t)(hundredths / 100), (uint64_t)(hundredths % 100));
}

static const char *outcome_text(const struct apply_report *r)
{
	switch (r->outcome) {
	case APPLY_NOOP:
		return " (already so)";
	case APPLY_RECOMMENDED:
		return " (recommended, not written)";
	case APPLY_REASSERTED:
		return " (again, after the kernel had reset it)";
	default:
		return "";
	}
}

void apply_describe(const struct event *e, const struct apply_report *r, char *line, size_t size)
{
	char *at = line, *end = line + size, label[96];
	char name[BDI_NAME_LEN];
	unsigned int i;

	if (!size)
		return;
	memcpy(name, e->name, BDI_NAME_LEN);
	name[BDI_NAME_LEN - 1] = '\0';
	bdi_display_name(name, label, sizeof(label));
	at = append(at, end, "%s", label);
	if (strcmp(label, name) != 0)
		at = append(at, end, " (%s)", name);
	switch (r->outcome) {
	case APPLY_STOOD_BACK:
		append(at, end,
		       ": read_ahead_kb was changed from %u to %u by somebody else: standing back; "
		       "to resume: bpfahead config resume=%s",
		       r->from_kb, r->to_kb, name);
		return;
	case APPLY_GONE:
		append(at, end, ": the device has left");
		return;
	case APPLY_REFUSED:
		at = append(at, end, ": %s -> %s, wants %u KB, refused: %s; trying again later",
			    class_name(e->old_class), class_name(e->new_class), e->wanted_kb,
			    strerror(r->error));
		break;
	default:
		at = append(at, end, ": %s -> %s, %u -> %u KB%s", class_name(e->old_class),
			    class_name(e->new_class), r->from_kb, r->to_kb, outcome_text(r));
	}
	at = append(at, end, ", original %u, margin ", r->original_kb);
	at = append_q16(at, end, e->margin);
	at = append(at, end, ", calls %u", e->window_calls);
	for (i = 0; i < e->nr_inputs && i < MODEL_INPUTS_MAX; i++) {
		unsigned int id = e->input_feature[i];

		if (!feature_name(id))
			continue;
		at = append(at, end, " %s=", feature_name(id));
		if (feature_is_ratio(id))
			at = append_q16(at, end, (__s64)e->features[id]);
		else
			at = append(at, end, "%" PRIu64, (uint64_t)e->features[id]);
	}
	append(at, end, ", model %016" PRIx64 " generation %" PRIu64, (uint64_t)e->model_checksum,
	       (uint64_t)e->model_generation);
}
