// SPDX-License-Identifier: GPL-2.0-only
/*
 * Giving a file a value of its own.
 *
 * While a file's value is lent to its bdi, the bdi's entry in the map `applied`
 * says "under way" (APPLIED_NONE) and holds the original, as during any change:
 * a SIGKILL in that moment leaves what `restore` puts right. The kernel programs
 * take no value for foreign meanwhile, and decide about no file of that bdi. A
 * file that somebody opens in that moment copies the lent value: the walk that
 * follows finds it, since the value is in the bdi's history as ours, and it has
 * none of its own.
 */
#include "per_file.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bdi.h"
#include "host.h"
#include "names.h"

#define LEND_NS 1000000000ULL /* what is lent is back by then, whatever happens */
#define REARM_MS 500          /* how long decisions may wait for a file */
#define RETRY_FIRST_NS 10000000000ULL
#define RETRY_DOUBLINGS 6     /* up to 10 minutes */
#define OLD_EVENT_NS 10000000 /* never too old */

static bool mode_is(const struct per_file *p, __u32 mode)
{
	struct config config;

	return !maps_get_config(p->maps, &config) && config.mode == mode;
}

/* --- the map file_values --------------------------------------------------------------------- */

static void get_value(const struct per_file *p, const struct file_event *e, struct file_value *v)
{
	if (!bpf_map_lookup_elem(p->values, &e->key, v) && v->bdi_id == e->bdi_id)
		return;
	memset(v, 0, sizeof(*v));
	v->bdi_id = e->bdi_id;
	v->sysfs_ino = e->sysfs_ino;
	memcpy(v->name, e->name, sizeof(v->name));
	v->name[BDI_NAME_LEN - 1] = '\0';
}

static int put_value(struct per_file *p, const struct file_key *key, struct file_value *v);

/* The oldest one makes room; its file follows its device again. */
static void drop_oldest(struct per_file *p)
{
	struct file_key key, oldest = {};
	struct file_value v, gone = {};
	const struct file_key *last = NULL;
	unsigned int kb;
	int fd;

	while (!bpf_map_get_next_key(p->values, last, &key)) {
		if (!bpf_map_lookup_elem(p->values, &key, &v) &&
		    (!gone.bdi_id || v.time_ns < gone.time_ns)) {
			oldest = key;
			gone = v;
		}
		last = &key;
	}
	if (!gone.bdi_id)
		return;
	bpf_map_delete_elem(p->values, &oldest);
	gone.name[BDI_NAME_LEN - 1] = '\0';
	fd = gone.ra_kb ? bdi_open(gone.name, gone.sysfs_ino) : -1;
	if (fd < 0)
		return;
	if (!bdi_read_kb(fd, &kb))
		p->rearm(p->follower, gone.bdi_id, &oldest, kb, NULL);
	close(fd);
}

static int put_value(struct per_file *p, const struct file_key *key, struct file_value *v)
{
	int err;

	v->time_ns = monotonic_ns();
	err = bpf_map_update_elem(p->values, key, v, BPF_ANY);
	if (err != -E2BIG)
		return err;
	drop_oldest(p);
	return bpf_map_update_elem(p->values, key, v, BPF_ANY);
}

static void back_off(struct per_file *p, const struct file_event *e, struct file_value *v)
{
	unsigned int doublings;

	if (v->asked_kb != e->wanted_kb)
		v->refusals = 0;
	doublings = v->refusals < RETRY_DOUBLINGS ? v->refusals : RETRY_DOUBLINGS;
	v->asked_kb = e->wanted_kb;
	v->refusals++;
	v->retry_ns = monotonic_ns() + (RETRY_FIRST_NS << doublings);
	put_value(p, &e->key, v); /* failing, it is asked for again after a dwell */
}

/* --- lending a value to the device ----------------------------------------------------------- */

/* The device's own value comes back, unless somebody has written another one meanwhile. */
static int take_back(struct per_file *p, int fd, unsigned int lent_kb, unsigned int own_kb)
{
	unsigned int now_kb;
	int err = bdi_read_kb(fd, &now_kb);

	if (!err && now_kb == lent_kb)
		err = p->write_kb(fd, own_kb, &now_kb);
	return err;
}

/*
 * The device has @kb while the file's descriptors copy it. @entry as it was before, if @known.
 * 0 or -errno; @lent_kb is what they have got.
 */
static int lend(struct per_file *p, const struct file_event *e, int fd, bool known,
		const struct applied *before, unsigned int own_kb, unsigned int kb,
		unsigned int *lent_kb, struct open_counts *counts)
{
	struct applied entry = *before;
	unsigned int in_effect;
	__u64 id = e->bdi_id;
	bool ours;
	int err, back;

	ours = before->holds_original && own_kb != before->original_kb;
	if (!before->holds_original)
		entry.original_kb = own_kb;
	entry.holds_original = 1;
	entry.status = APPLIED_NONE;
	entry.accepted_kb = kb;
	entry.busy_until_ns = monotonic_ns() + LEND_NS;
	err = bpf_map_update_elem(p->maps->applied, &id, &entry, BPF_ANY);
	if (err)
		return err;
	/* Whoever declares an emergency sets the mode first, and looks for entries then. */
	err = mode_is(p, MODE_ACT) ? 0 : -ECANCELED;
	if (!err && p->follower)
		err = ra_history_add(follower_files(p->follower), id, entry.name, entry.sysfs_ino,
				     own_kb, ours);
	if (!err && p->follower)
		err = ra_history_add(follower_files(p->follower), id, entry.name, entry.sysfs_ino,
				     kb, kb != entry.original_kb);
	if (!err)
		err = p->write_kb(fd, kb, lent_kb);
	if (!err)
		err = p->rearm(p->follower, id, &e->key, *lent_kb, counts);
	back = take_back(p, fd, *lent_kb, own_kb);
	if (back == -ENODEV) {
		bpf_map_delete_elem(p->maps->applied, &id);
		return back;
	}
	if (back) /* it stays "under way", so that the original is put back at the end */
		return back;
	if (known)
		bpf_map_update_elem(p->maps->applied, &id, before, BPF_EXIST);
	else
		bpf_map_delete_elem(p->maps->applied, &id);
	if (mode_is(p, MODE_EMERGENCY)) {
		/* Its originals may have been put back before ours was. */
		if (!p->write_kb(fd, entry.original_kb, &in_effect))
			bpf_map_delete_elem(p->maps->applied, &id);
		return err ? err : -ECANCELED;
	}
	return err;
}

/* --- one event ------------------------------------------------------------------------------- */

static enum file_outcome refused(struct per_file *p, const struct file_event *e,
				 struct file_value *v, struct file_report *r, int err)
{
	r->error = -err;
	back_off(p, e, v);
	return FILE_REFUSED;
}

static enum file_outcome end_value(struct per_file *p, const struct file_event *e,
				   struct file_value *v, unsigned int own_kb, struct file_report *r)
{
	struct open_counts counts = {};
	int err;

	r->ra_kb = own_kb;
	err = p->rearm(p->follower, e->bdi_id, &e->key, own_kb, &counts);
	if (err)
		return refused(p, e, v, r, err);
	bpf_map_delete_elem(p->values, &e->key);
	r->readers = (unsigned int)counts.rearmed;
	return FILE_ENDED;
}

static enum file_outcome give_value(struct per_file *p, const struct file_event *e, int fd,
				    struct file_value *v, unsigned int own_kb,
				    struct file_report *r)
{
	struct applied entry;
	struct open_counts counts = {};
	bool known;
	int err;

	known = !bpf_map_lookup_elem(p->maps->applied, &e->bdi_id, &entry);
	if (!known || entry.sysfs_ino != e->sysfs_ino) {
		known = false;
		memset(&entry, 0, sizeof(entry));
		entry.sysfs_ino = e->sysfs_ino;
		memcpy(entry.name, v->name, sizeof(entry.name));
	}
	/* A person's value, or one that the kernel has reset: that is settled first. */
	if (known && (entry.status == APPLIED_STOOD_BACK ||
		      (entry.status == APPLIED_NONE && entry.holds_original) ||
		      (entry.status == APPLIED_ACCEPTED && entry.accepted_kb != own_kb)))
		return FILE_DROPPED;
	r->ra_kb = e->wanted_kb;
	err = lend(p, e, fd, known, &entry, own_kb, e->wanted_kb, &r->ra_kb, &counts);
	if (err) {
		/* Some may have copied it before that, and files may have been opened. */
		if (!bdi_read_kb(fd, &own_kb))
			p->sweep(p->follower, e->bdi_id, v->name, own_kb);
		return err == -ECANCELED ? FILE_DROPPED : refused(p, e, v, r, err);
	}
	r->readers = (unsigned int)counts.rearmed;
	if (counts.rearmed) {
		v->ra_kb = r->ra_kb;
		v->readers = r->readers;
		v->device_kb = own_kb;
		v->class_id = e->new_class;
		v->refusals = 0;
		v->retry_ns = 0;
		err = put_value(p, &e->key, v);
	} else {
		back_off(p, e, v);
	}
	/* Files that were opened meanwhile. */
	if (!bdi_read_kb(fd, &own_kb))
		p->sweep(p->follower, e->bdi_id, v->name, own_kb);
	if (err)
		return refused(p, e, v, r, err);
	if (counts.rearmed)
		return FILE_GIVEN;
	/* Those that have it keep it; one that has not is its program's, or somebody else's. */
	return v->ra_kb == r->ra_kb ? FILE_DROPPED : FILE_NOBODY;
}

static enum file_outcome answer(struct per_file *p, const struct file_event *e,
				struct file_report *r)
{
	struct config config;
	enum file_outcome outcome;
	struct file_value v;
	unsigned int own_kb;
	__u64 now;
	int fd, err;

	if (!e->bdi_id || !e->sysfs_ino || maps_get_config(p->maps, &config))
		return FILE_DROPPED;
	config_effective(&config, &config);
	if (config.mode != MODE_ACT || config.per_file != SWITCH_ON)
		return FILE_DROPPED;
	now = monotonic_ns();
	if (e->time_ns < now && now - e->time_ns > config.dwell_ns &&
	    now - e->time_ns > OLD_EVENT_NS)
		return FILE_DROPPED;
	if (p->values < 0) {
		r->error = ENOTCONN;
		outcome = p->silent ? FILE_DROPPED : FILE_REFUSED;
		p->silent = true;
		return outcome;
	}
	get_value(p, e, &v);
	if ((e->wanted_kb == v.asked_kb && now < v.retry_ns) || (!e->wanted_kb && !v.ra_kb))
		return FILE_DROPPED;
	fd = bdi_open(v.name, e->sysfs_ino);
	err = fd < 0 ? fd : bdi_read_kb(fd, &own_kb);
	if (err < 0) {
		if (err == -ENODEV || err == -ENOENT)
			bpf_map_delete_elem(p->values, &e->key);
		outcome = FILE_DROPPED;
	} else {
		r->device_kb = own_kb;
		outcome = e->wanted_kb && e->wanted_kb != own_kb ?
				  give_value(p, e, fd, &v, own_kb, r) :
				  end_value(p, e, &v, own_kb, r);
	}
	if (fd >= 0)
		close(fd);
	return outcome;
}

enum file_outcome per_file_event(struct per_file *p, const struct file_event *e)
{
	struct file_report r = {};

	r.outcome = answer(p, e, &r);
	if (r.outcome != FILE_DROPPED && p->report)
		p->report(e, &r, p->arg);
	return r.outcome;
}

/* --- beginning and end ------------------------------------------------------------------------ */

static int rearm(struct follower *f, __u64 bdi_id, const struct file_key *key, unsigned int ra_kb,
		 struct open_counts *counts)
{
	return follower_file(f, bdi_id, key, ra_kb, REARM_MS, counts);
}

static int sweep(struct follower *f, __u64 bdi_id, const char *name, unsigned int ra_kb)
{
	return follower_ask(f, bdi_id, name, ra_kb, OPEN_QUERY_OURS);
}

void per_file_init(struct per_file *p, const struct maps *maps, struct follower *f,
		   void (*report)(const struct file_event *, const struct file_report *, void *),
		   void *arg)
{
	*p = (struct per_file){
		.maps = maps,
		.follower = f,
		.report = report,
		.arg = arg,
		.values = f ? follower_files(f)->file_values : -1,
		.rearm = rearm,
		.sweep = sweep,
		.write_kb = bdi_write_kb,
	};
}

static void asked(const struct file_event *e, void *arg)
{
	per_file_event(arg, e);
}

int per_file_listen(struct per_file *p, struct applier *a)
{
	const struct apply_listener listener = {.file = asked, .arg = p};

	return applier_listen(a, &listener);
}

int per_file_end_all(const char *pin_dir, const struct maps *maps)
{
	struct open_counts counts = {};
	struct open_files of;
	struct open_query q;
	struct file_value v;
	struct file_key key;
	unsigned int kb;
	int fd, err;

	err = open_files_open(pin_dir, &of);
	while (!err && !bpf_map_get_next_key(of.file_values, NULL, &key)) {
		if (bpf_map_lookup_elem(of.file_values, &key, &v))
			memset(&v, 0, sizeof(v));
		if (bpf_map_delete_elem(of.file_values, &key))
			break;
		v.name[BDI_NAME_LEN - 1] = '\0';
		fd = v.ra_kb ? bdi_open(v.name, v.sysfs_ino) : -1;
		if (fd < 0)
			continue;
		if (!bdi_read_kb(fd, &kb)) {
			open_query_bdi(&q, maps, v.bdi_id, kb);
			q.flags |= OPEN_QUERY_FILE;
			q.key = key;
			err = open_files_rearm(&of, &q, &counts, NULL);
		}
		close(fd);
	}
	open_files_close(&of);
	return err == -ENOENT ? 0 : err;
}

void per_file_describe(const struct file_event *e, const struct file_report *r, char *line,
		       size_t size)
{
	char name[BDI_NAME_LEN], label[96], class[64];

	memcpy(name, e->name, sizeof(name));
	name[BDI_NAME_LEN - 1] = '\0';
	bdi_display_name(name, label, sizeof(label));
	snprintf(class, sizeof(class), "%s", class_name(e->new_class));
	switch (r->outcome) {
	case FILE_GIVEN:
		snprintf(line, size,
			 "%s: file %" PRIu64 " is %s: %u KB of its own, device %u, descriptors %u",
			 label, (uint64_t)e->key.ino, class, r->ra_kb, r->device_kb, r->readers);
		break;
	case FILE_ENDED:
		snprintf(line, size, "%s: file %" PRIu64 " is %s: %u KB like its device", label,
			 (uint64_t)e->key.ino, class, r->ra_kb);
		break;
	case FILE_NOBODY:
		snprintf(line, size,
			 "%s: file %" PRIu64 " is %s, wants %u KB: no open file that may have it; "
			 "trying again later",
			 label, (uint64_t)e->key.ino, class, e->wanted_kb);
		break;
	default:
		snprintf(line, size,
			 "%s: file %" PRIu64 " is %s, wants %u KB, refused: %s; trying again later",
			 label, (uint64_t)e->key.ino, class, e->wanted_kb, strerror(r->error));
	}
}
