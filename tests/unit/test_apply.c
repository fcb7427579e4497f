// SPDX-License-Identifier: GPL-2.0-only
/*
 * From events to read_ahead_kb, on real maps and a directory that stands for
 * /sys/class/bdi. Only the kernel can write a ring buffer, so events are
 * handed in behind it.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "loader/apply_internal.h"
#include "loader/bdi.h"
#include "loader/defaults.h"

#define ID 4711
#define NAME "7:90"

static char root[64];
static struct maps maps;
static struct applier *applier;
static struct apply_report last;
static unsigned int reports;
static __u64 sequence;

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec;
}

static void take_report(const struct event *e, const struct apply_report *r, void *arg)
{
	assert_ptr_equal(arg, root);
	assert_non_null(e);
	last = *r;
	reports++;
}

static void file_of(const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s/read_ahead_kb", root, name);
}

static void set_kb(const char *name, unsigned int kb)
{
	char path[256], text[16];
	int fd, len;

	file_of(name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	len = snprintf(text, sizeof(text), "%u\n", kb);
	assert_int_equal(write(fd, text, (size_t)len), len);
	close(fd);
}

static unsigned int get_kb(const char *name)
{
	char path[256];
	unsigned int kb;
	int fd;

	file_of(name, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(bdi_read_kb(fd, &kb), 0);
	close(fd);
	return kb;
}

static void make_bdi(const char *name, unsigned int kb)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(mkdir(path, 0700), 0);
	set_kb(name, kb);
}

static void remove_bdi(const char *name)
{
	char path[256];

	file_of(name, path);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(rmdir(path), 0);
}

static void set_mode(__u32 mode)
{
	struct config config;

	assert_int_equal(maps_get_config(&maps, &config), 0);
	config.abi_version = BPFAHEAD_ABI_VERSION;
	config.mode = mode;
	assert_int_equal(maps_set_config(&maps, &config), 0);
}

static struct event event_for(__u64 id, const char *name, enum event_reason reason,
			      unsigned int wanted_kb)
{
	struct event e = {
		.abi_version = BPFAHEAD_ABI_VERSION,
		.reason = reason,
		.time_ns = now_ns(),
		.bdi_id = id,
		.sysfs_ino = bdi_sysfs_ino(name),
		.wanted_kb = wanted_kb,
		.old_class = CLASS_NONE,
		.new_class = CLASS_RANDOM,
	};

	snprintf(e.name, sizeof(e.name), "%s", name);
	if (reason == EVENT_DECISION)
		sequence++;
	e.decision_seq = sequence;
	return e;
}

static enum apply_outcome decision(unsigned int wanted_kb)
{
	struct event e = event_for(ID, NAME, EVENT_DECISION, wanted_kb);

	return apply_event(applier, &e);
}

static struct applied entry_of(__u64 id)
{
	struct applied entry;

	assert_int_equal(bpf_map_lookup_elem(maps.applied, &id, &entry), 0);
	return entry;
}

static bool has_entry(__u64 id)
{
	struct applied entry;

	return !bpf_map_lookup_elem(maps.applied, &id, &entry);
}

static void put_entry(__u64 id, const struct applied *entry)
{
	assert_int_equal(bpf_map_update_elem(maps.applied, &id, entry, BPF_ANY), 0);
}

static void expect(__u64 id, __u32 status, unsigned int accepted, unsigned int holds,
		   unsigned int original)
{
	struct applied entry = entry_of(id);

	assert_int_equal(entry.status, status);
	assert_int_equal(entry.accepted_kb, accepted);
	assert_int_equal(entry.holds_original, holds);
	if (holds)
		assert_int_equal(entry.original_kb, original);
	assert_int_equal(entry.decision_seq, sequence);
	assert_int_equal(entry.sysfs_ino, bdi_sysfs_ino(entry.name));
}

static int setup_with(unsigned int entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, no_prealloc, .map_flags = BPF_F_NO_PREALLOC);
	struct config config = {};
	unsigned int i;

	for (i = 0; i < sizeof(maps) / sizeof(int); i++)
		((int *)&maps)[i] = -1;
	maps.config = bpf_map_create(BPF_MAP_TYPE_ARRAY, "config", 4, sizeof(config), 1, NULL);
	maps.applied = bpf_map_create(BPF_MAP_TYPE_HASH, "applied", 8, sizeof(struct applied),
				      entries, &no_prealloc);
	maps.policy = bpf_map_create(BPF_MAP_TYPE_HASH, "policy", 8, sizeof(struct policy_row), 4,
				     &no_prealloc);
	if (maps.config < 0 || maps.applied < 0 || maps.policy < 0)
		return -1;
	if (maps_set_config(&maps, &config))
		return -1;
	set_mode(MODE_ACT);
	snprintf(root, sizeof(root), "/tmp/test_apply.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	bdi_class_dir = root;
	make_bdi(NAME, 256);
	applier = applier_alloc(&maps, take_report, root);
	memset(&last, 0, sizeof(last));
	reports = 0;
	sequence = 0;
	return applier ? 0 : -1;
}

static bool permitted;

static int setup(void **state)
{
	(void)state;
	return permitted ? setup_with(16) : 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	if (!permitted)
		return 0;
	applier_free(applier);
	maps_close(&maps);
	snprintf(command, sizeof(command), "rm -rf -- '%s'", root);
	return system(command) ? -1 : 0;
}

#define NEEDS_MAPS()                                                                  \
	do {                                                                          \
		if (!permitted) {                                                     \
			print_message("# skip: this user may not create BPF maps\n"); \
			skip();                                                       \
		}                                                                     \
	} while (0)

/* --- decisions -------------------------------------------------------------------------------- */

static void written_and_kept(void **state)
{
	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(16), APPLY_WRITTEN);
	assert_int_equal(get_kb(NAME), 16);
	expect(ID, APPLIED_ACCEPTED, 16, 1, 256);
	assert_int_equal(reports, 1);
	assert_int_equal(last.from_kb, 256);
	assert_int_equal(last.to_kb, 16);
	assert_int_equal(last.original_kb, 256);
	/* From ours to ours: the original stays. */
	assert_int_equal(decision(64), APPLY_WRITTEN);
	assert_int_equal(get_kb(NAME), 64);
	expect(ID, APPLIED_ACCEPTED, 64, 1, 256);
	/* Wanted is the original: nothing of ours is left to undo. */
	assert_int_equal(decision(256), APPLY_WRITTEN);
	assert_int_equal(get_kb(NAME), 256);
	expect(ID, APPLIED_ACCEPTED, 256, 0, 0);
	assert_int_equal(decision(256), APPLY_NOOP);
	assert_int_equal(applier_counts(applier)[APPLY_WRITTEN], 3);
	assert_int_equal(applier_counts(applier)[APPLY_NOOP], 1);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): applier.write_kb */
static int never_write(int fd, unsigned int ra_kb, unsigned int *in_effect)
{
	(void)fd;
	(void)ra_kb;
	(void)in_effect;
	fail_msg("nothing was to be written");
	return -EIO;
}

static void no_write_without_a_change(void **state)
{
	(void)state;
	NEEDS_MAPS();
	applier->write_kb = never_write;
	assert_int_equal(decision(256), APPLY_NOOP);
	expect(ID, APPLIED_ACCEPTED, 256, 0, 0);
}

static void bounds(void **state)
{
	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(1), APPLY_WRITTEN);
	assert_int_equal(get_kb(NAME), (unsigned int)(sysconf(_SC_PAGESIZE) / 1024));
	assert_int_equal(decision(RA_KB_HARD_MAX + 4096), APPLY_WRITTEN);
	assert_int_equal(get_kb(NAME), RA_KB_HARD_MAX);
	assert_int_equal(decision(0), APPLY_DROPPED);
	assert_int_equal(get_kb(NAME), RA_KB_HARD_MAX);
	/* The administrator's own value is beyond our bounds. */
	make_bdi("7:91", RA_KB_HARD_MAX * 2);
	{
		struct event e = event_for(9, "7:91", EVENT_DECISION, 16),
			     back = event_for(9, "7:91", EVENT_DECISION, RA_KB_HARD_MAX * 2);

		assert_int_equal(apply_event(applier, &e), APPLY_WRITTEN);
		assert_int_equal(apply_event(applier, &back), APPLY_WRITTEN);
		assert_int_equal(get_kb("7:91"), RA_KB_HARD_MAX * 2);
		expect(9, APPLIED_ACCEPTED, RA_KB_HARD_MAX * 2, 0, 0);
	}
}

static void switched_off_stays_off(void **state)
{
	(void)state;
	NEEDS_MAPS();
	set_kb(NAME, 0);
	applier->write_kb = never_write;
	assert_int_equal(decision(64), APPLY_DROPPED);
	assert_false(has_entry(ID));
}

static void stale_is_ignored(void **state)
{
	struct event e;

	(void)state;
	NEEDS_MAPS();
	e = event_for(ID, NAME, EVENT_DECISION, 16);
	e.time_ns -= DEFAULT_DWELL_NS + 1;
	assert_int_equal(apply_event(applier, &e), APPLY_STALE);
	assert_int_equal(get_kb(NAME), 256);
	assert_false(has_entry(ID)); /* unanswered: the kernel side asks again */
	assert_int_equal(reports, 0);
	e.time_ns = now_ns() - DEFAULT_DWELL_NS / 2;
	assert_int_equal(apply_event(applier, &e), APPLY_WRITTEN);
}

static int writes;

static int count_write(int fd, unsigned int ra_kb, unsigned int *in_effect)
{
	writes++;
	return bdi_write_kb(fd, ra_kb, in_effect);
}

static void only_the_newest(void **state)
{
	struct event old, other, new;
	unsigned int i;

	(void)state;
	NEEDS_MAPS();
	make_bdi("7:91", 128);
	old = event_for(ID, NAME, EVENT_DECISION, 16);
	other = event_for(9, "7:91", EVENT_DECISION, 32);
	new = event_for(ID, NAME, EVENT_DECISION, 64);
	new.time_ns = old.time_ns + 1;
	writes = 0;
	applier->write_kb = count_write;
	applier_offer(applier, &old, sizeof(old));
	applier_offer(applier, &other, sizeof(other));
	applier_offer(applier, &new, sizeof(new));
	applier_offer(applier, &old, sizeof(old)); /* out of order */
	assert_int_equal(writes, 0);
	applier_flush(applier);
	assert_int_equal(writes, 2);
	assert_int_equal(get_kb(NAME), 64);
	assert_int_equal(get_kb("7:91"), 32);
	assert_int_equal(applier_counts(applier)[APPLY_STALE], 2);
	/* What is not an event of this version. */
	applier_offer(applier, &new, sizeof(new) - 1);
	new.abi_version++;
	applier_offer(applier, &new, sizeof(new));
	applier_flush(applier);
	assert_int_equal(writes, 2);
	assert_int_equal(applier_counts(applier)[APPLY_DROPPED], 2);
	/* More bdis than wait at once. */
	for (i = 0; i < PENDING_MAX + 5; i++) {
		struct event e = event_for(1000 + i, "7:91", EVENT_DECISION, 0);

		applier_offer(applier, &e, sizeof(e));
	}
	applier_flush(applier);
	assert_int_equal(applier_counts(applier)[APPLY_DROPPED], 2 + PENDING_MAX + 5);
}

static void modes(void **state)
{
	(void)state;
	NEEDS_MAPS();
	applier->write_kb = never_write;
	set_mode(MODE_OBSERVE);
	assert_int_equal(decision(16), APPLY_DROPPED);
	set_mode(MODE_EMERGENCY);
	assert_int_equal(decision(16), APPLY_DROPPED);
	assert_false(has_entry(ID));
	set_mode(MODE_RECOMMEND);
	assert_int_equal(decision(16), APPLY_RECOMMENDED);
	assert_int_equal(last.from_kb, 256);
	assert_int_equal(last.to_kb, 16);
	assert_int_equal(entry_of(ID).status, APPLIED_RECOMMENDED);
	assert_int_equal(entry_of(ID).holds_original, 0);
	assert_int_equal(get_kb(NAME), 256);
	/* What a person sets while we only recommend is the original from then on. */
	set_kb(NAME, 512);
	set_mode(MODE_ACT);
	applier->write_kb = bdi_write_kb;
	assert_int_equal(decision(16), APPLY_WRITTEN);
	expect(ID, APPLIED_ACCEPTED, 16, 1, 512);
	/* Back to recommending: the value of ours stays known as ours. */
	set_mode(MODE_RECOMMEND);
	assert_int_equal(decision(64), APPLY_RECOMMENDED);
	expect(ID, APPLIED_RECOMMENDED, 16, 1, 512);
	set_mode(MODE_ACT);
	assert_int_equal(decision(64), APPLY_WRITTEN);
	expect(ID, APPLIED_ACCEPTED, 64, 1, 512);
}

/* --- failures -----------------------------------------------------------------------------------
 */

static int write_error;

/* NOLINTNEXTLINE(readability-non-const-parameter): applier.write_kb */
static int failing_write(int fd, unsigned int ra_kb, unsigned int *in_effect)
{
	(void)fd;
	(void)ra_kb;
	(void)in_effect;
	return write_error;
}

static enum apply_outcome retry(unsigned int wanted_kb)
{
	struct applied entry = entry_of(ID);
	struct event e;

	entry.retry_ns = now_ns() - 1; /* the back-off is over */
	put_entry(ID, &entry);
	e = event_for(ID, NAME, EVENT_RETRY, wanted_kb);
	return apply_event(applier, &e);
}

static void refused_with_backoff(void **state)
{
	__u64 wait, previous = 0;
	unsigned int i;

	(void)state;
	NEEDS_MAPS();
	applier->write_kb = failing_write;
	write_error = -EACCES;
	assert_int_equal(decision(16), APPLY_REFUSED);
	expect(ID, APPLIED_REFUSED, 256, 0, 0);
	assert_int_equal(last.error, EACCES);
	assert_int_equal(reports, 1);
	assert_int_equal(get_kb(NAME), 256);
	for (i = 0; i < 8; i++) {
		wait = entry_of(ID).retry_ns - now_ns();
		assert_true(wait <= RETRY_MAX_NS);
		assert_true(i ? wait > previous || previous > RETRY_MAX_NS - 1000000000ULL :
				wait > RETRY_FIRST_NS - 1000000000ULL && wait <= RETRY_FIRST_NS);
		previous = wait;
		assert_int_equal(retry(16), APPLY_REFUSED);
	}
	assert_true(entry_of(ID).retry_ns - now_ns() > RETRY_MAX_NS - 1000000000ULL);
	assert_int_equal(reports, 1); /* the same errno is said once */
	write_error = -EROFS;
	assert_int_equal(retry(16), APPLY_REFUSED);
	assert_int_equal(reports, 2);
	/* Another decision meanwhile: answered, not tried. */
	applier->write_kb = never_write;
	assert_int_equal(decision(64), APPLY_REFUSED);
	expect(ID, APPLIED_REFUSED, 256, 0, 0);
	applier->write_kb = bdi_write_kb;
	assert_int_equal(retry(64), APPLY_WRITTEN);
	expect(ID, APPLIED_ACCEPTED, 64, 1, 256);
	/* It worked: the next refusal starts from the beginning and is told again. */
	applier->write_kb = failing_write;
	assert_int_equal(decision(16), APPLY_REFUSED);
	expect(ID, APPLIED_REFUSED, 64, 1, 256);
	assert_true(entry_of(ID).retry_ns - now_ns() <= RETRY_FIRST_NS);
	assert_int_equal(last.error, EROFS);
	assert_int_equal(restore_originals(&maps, NULL), 0);
	assert_int_equal(get_kb(NAME), 256);
}

static void cannot_be_opened(void **state)
{
	char path[256];

	(void)state;
	NEEDS_MAPS();
	file_of(NAME, path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(decision(16), APPLY_REFUSED);
	assert_int_equal(last.error, EISDIR);
	assert_int_equal(entry_of(ID).status, APPLIED_REFUSED);
	assert_int_equal(rmdir(path), 0);
	set_kb(NAME, 256);
	assert_int_equal(retry(16), APPLY_WRITTEN);
	expect(ID, APPLIED_ACCEPTED, 16, 1, 256);
}

/* The value was written, only its reading back failed: it is ours all the same. */
/* NOLINTNEXTLINE(readability-non-const-parameter): applier.write_kb */
static int write_without_answer(int fd, unsigned int ra_kb, unsigned int *in_effect)
{
	unsigned int ignored;

	(void)in_effect;
	assert_int_equal(bdi_write_kb(fd, ra_kb, &ignored), 0);
	return -EIO;
}

static void written_but_not_read_back(void **state)
{
	(void)state;
	NEEDS_MAPS();
	applier->write_kb = write_without_answer;
	assert_int_equal(decision(16), APPLY_REFUSED);
	expect(ID, APPLIED_REFUSED, 16, 1, 256);
	assert_int_equal(restore_originals(&maps, NULL), 0);
	assert_int_equal(get_kb(NAME), 256);
}

static void gone_device(void **state)
{
	struct event e;

	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(16), APPLY_WRITTEN);
	applier->write_kb = failing_write; /* an open sysfs file of a device that left */
	write_error = -ENODEV;
	assert_int_equal(decision(64), APPLY_GONE);
	assert_false(has_entry(ID));
	applier->write_kb = never_write;
	e = event_for(ID, NAME, EVENT_DECISION, 16);
	remove_bdi(NAME);
	assert_int_equal(apply_event(applier, &e), APPLY_GONE);
	assert_false(has_entry(ID));
	/* The name comes back as another device. */
	make_bdi("spare", 1); /* so that the inode number is not handed out again */
	make_bdi(NAME, 128);
	if (bdi_sysfs_ino(NAME) != e.sysfs_ino) {
		assert_int_equal(apply_event(applier, &e), APPLY_GONE);
		assert_int_equal(get_kb(NAME), 128);
	}
	e.sysfs_ino = bdi_sysfs_ino(NAME) + 1000;
	assert_int_equal(apply_event(applier, &e), APPLY_GONE);
	e.sysfs_ino = 0; /* no identity, no write */
	assert_int_equal(apply_event(applier, &e), APPLY_DROPPED);
	assert_int_equal(get_kb(NAME), 128);
}

/* 16 entries of devices that left do not keep the 17th out. */
static void departed_make_room(void **state)
{
	char name[BDI_NAME_LEN];
	struct event e;
	unsigned int i;

	(void)state;
	NEEDS_MAPS();
	for (i = 0; i < 16; i++) {
		struct applied entry = {.sysfs_ino = 1, .status = APPLIED_ACCEPTED};

		snprintf(entry.name, sizeof(entry.name), "9:%u", i);
		put_entry(100 + i, &entry);
	}
	assert_int_equal(decision(16), APPLY_WRITTEN);
	expect(ID, APPLIED_ACCEPTED, 16, 1, 256);
	for (i = 0; i < 16; i++)
		assert_false(has_entry(100 + i));
	/* The kernel program found no slot free: the same, without a decision. */
	put_entry(100, &(struct applied){.sysfs_ino = 1, .name = "9:0"});
	e = (struct event){.abi_version = BPFAHEAD_ABI_VERSION, .reason = EVENT_TABLE_FULL};
	applier_offer(applier, &e, sizeof(e));
	assert_false(has_entry(100));
	/* Full of living ones: without room for the original nothing is written. */
	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "8:%u", i);
		make_bdi(name, 128);
		e = event_for(200 + i, name, EVENT_DECISION, 16);
		assert_int_equal(apply_event(applier, &e), i < 15 ? APPLY_WRITTEN : APPLY_REFUSED);
		assert_int_equal(get_kb(name), i < 15 ? 16 : 128);
	}
	assert_int_equal(last.error, E2BIG);
	assert_false(has_entry(215));
}

static void descriptors_are_bounded(void **state)
{
	unsigned int i, open_files = 0;

	(void)state;
	NEEDS_MAPS();
	set_mode(MODE_RECOMMEND);
	for (i = 0; i < 2 * HANDLES_MAX; i++) {
		struct event e = event_for(1 + i, NAME, EVENT_DECISION, 256);
		__u64 id = 1 + i;

		assert_int_equal(apply_event(applier, &e), APPLY_RECOMMENDED);
		bpf_map_delete_elem(maps.applied, &id);
	}
	for (i = 0; i < 1024; i++)
		open_files += fcntl((int)i, F_GETFD) >= 0;
	assert_true(open_files < HANDLES_MAX + 32);
}

/* --- foreign values ------------------------------------------------------------------------------
 */

static enum apply_outcome foreign(unsigned int value, bool limits_changed, unsigned int io_opt,
				  unsigned int max_sectors)
{
	struct event e;

	set_kb(NAME, value);
	e = event_for(ID, NAME, EVENT_FOREIGN, 16);
	e.ra_kb = value;
	e.limits_changed = limits_changed;
	e.io_opt_bytes = io_opt;
	e.max_sectors = max_sectors;
	return apply_event(applier, &e);
}

static void a_person_is_right(void **state)
{
	struct event e;

	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(16), APPLY_WRITTEN);
	assert_int_equal(foreign(16, false, 0, 2560), APPLY_NOOP); /* put right since */
	assert_int_equal(reports, 1);
	assert_int_equal(foreign(1280, false, 0, 2560), APPLY_STOOD_BACK);
	assert_int_equal(last.from_kb, 16);
	assert_int_equal(last.to_kb, 1280);
	assert_int_equal(get_kb(NAME), 1280);
	expect(ID, APPLIED_STOOD_BACK, 1280, 0, 0);
	/* Whatever comes, until the entry is taken away. */
	assert_int_equal(decision(16), APPLY_DROPPED);
	e = event_for(ID, NAME, EVENT_RETRY, 16);
	assert_int_equal(apply_event(applier, &e), APPLY_DROPPED);
	assert_int_equal(foreign(128, true, 0, 2560), APPLY_DROPPED);
	assert_int_equal(get_kb(NAME), 128);
	/* Never restored over, and not forgotten by a restart. */
	assert_int_equal(restore_originals(&maps, NULL), 0);
	assert_int_equal(get_kb(NAME), 128);
	assert_int_equal(entry_of(ID).status, APPLIED_STOOD_BACK);
}

static void a_person_sets_128(void **state)
{
	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(16), APPLY_WRITTEN);
	assert_int_equal(foreign(128, false, 0, 2560), APPLY_STOOD_BACK);
	assert_int_equal(get_kb(NAME), 128);
}

/* A limit changed, but no commit computes this value. */
static void a_person_beside_a_commit(void **state)
{
	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(16), APPLY_WRITTEN);
	assert_int_equal(foreign(1280, true, 0, 2560), APPLY_STOOD_BACK);
}

static void a_person_sets_the_original(void **state)
{
	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(16), APPLY_WRITTEN);
	assert_int_equal(foreign(256, false, 0, 2560), APPLY_STOOD_BACK);
}

/* The change and a new decision come at once: it is no less a person's. */
static void a_person_before_a_decision(void **state)
{
	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(16), APPLY_WRITTEN);
	set_kb(NAME, 1024);
	assert_int_equal(decision(64), APPLY_STOOD_BACK);
	assert_int_equal(get_kb(NAME), 1024);
	expect(ID, APPLIED_STOOD_BACK, 1024, 0, 0);
}

/* Also where nothing of ours was in place: the wanted value was the original. */
static void a_person_after_a_noop(void **state)
{
	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(256), APPLY_NOOP);
	assert_int_equal(foreign(512, false, 0, 2560), APPLY_STOOD_BACK);
	assert_int_equal(get_kb(NAME), 512);
}

static void the_kernel_reset_it(void **state)
{
	struct event e;

	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(16), APPLY_WRITTEN);
	assert_int_equal(foreign(128, true, 0, 2560), APPLY_REASSERTED);
	assert_int_equal(get_kb(NAME), 16);
	expect(ID, APPLIED_ACCEPTED, 16, 1, 256); /* the original stays the person's */
	assert_int_equal(foreign(2560, true, 0, 2560), APPLY_REASSERTED);
	assert_int_equal(foreign(8192, true, 4 << 20, 2560), APPLY_REASSERTED);
	assert_int_equal(get_kb(NAME), 16);
	/* Together with a decision. */
	set_kb(NAME, 128);
	e = event_for(ID, NAME, EVENT_DECISION, 64);
	e.limits_changed = 1;
	assert_int_equal(apply_event(applier, &e), APPLY_REASSERTED);
	assert_int_equal(get_kb(NAME), 64);
	expect(ID, APPLIED_ACCEPTED, 64, 1, 256);
	/* Told by an event that came too late. */
	set_kb(NAME, 128);
	e = event_for(ID, NAME, EVENT_FOREIGN, 64);
	e.limits_changed = 1;
	e.time_ns -= 2 * DEFAULT_DWELL_NS;
	assert_int_equal(apply_event(applier, &e), APPLY_STALE);
	e = event_for(ID, NAME, EVENT_FOREIGN, 64);
	assert_int_equal(apply_event(applier, &e), APPLY_REASSERTED);
	assert_int_equal(get_kb(NAME), 64);
	/* Told by an event that a newer one overtook. */
	set_kb(NAME, 128);
	e = event_for(ID, NAME, EVENT_FOREIGN, 64);
	e.limits_changed = 1;
	applier_offer(applier, &e, sizeof(e));
	e.limits_changed = 0;
	e.time_ns++;
	applier_offer(applier, &e, sizeof(e));
	applier_flush(applier);
	assert_int_equal(last.outcome, APPLY_REASSERTED);
	assert_int_equal(get_kb(NAME), 64);
	/* Once only. */
	set_kb(NAME, 128);
	e = event_for(ID, NAME, EVENT_FOREIGN, 64);
	assert_int_equal(apply_event(applier, &e), APPLY_STOOD_BACK);
}

/* The original itself was in place and the kernel reset that: 256 comes back, and is no change. */
static void the_kernel_reset_the_original(void **state)
{
	struct event e;

	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(256), APPLY_NOOP);
	set_kb(NAME, 128);
	e = event_for(ID, NAME, EVENT_FOREIGN, 256);
	e.limits_changed = 1;
	assert_int_equal(apply_event(applier, &e), APPLY_REASSERTED);
	assert_int_equal(get_kb(NAME), 256);
	expect(ID, APPLIED_ACCEPTED, 256, 0, 0);
}

static void what_a_commit_computes(void **state)
{
	/* accepted, limits changed, io_opt, max_sectors, value found -> a reset? */
	static const struct {
		unsigned int accepted, changed, io_opt, max_sectors, found;
		bool reset;
	} cases[] = {
		{16, 1, 0, 0, 128, true},
		{16, 0, 0, 0, 128, false},
		{16, 1, 0, 0, 129, false},
		{16, 1, 0, 0, 12, false},
		{16, 1, 0, 0, 1280, false},
		{16, 1, 65536, 2560, 128, true},
		{16, 1, 1 << 20, 2560, 2048, true},
		{16, 1, 1 << 20, 2560, 2560, false}, /* io_opt goes before max_sectors */
		{16, 1, 1 << 20, 2560, 128, false},
		{16, 1, 0, 2560, 2560, true},
		{16, 1, 0, 8192, 8192, true},        /* a rotational disk with 4 MB requests */
		{16, 1, 32 << 20, 512, 65536, true}, /* an NVMe that calls 32 MB optimal */
		{16, 0, 32 << 20, 512, 65536, false},
		{16, 1, 32 << 20, 512, 8192, false},
		{65536, 1, 0, 2560, 65536, true}, /* 6.12 never lowers */
		{512, 1, 0, 256, 128, true},      /* 6.1 lowers */
		{512, 1, 0, 256, 256, false},
		{64, 1, 0xfffff000, 0, 8388600, true},
	};
	struct event e = {};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		e.limits_changed = (__u8)cases[i].changed;
		e.io_opt_bytes = cases[i].io_opt;
		e.max_sectors = cases[i].max_sectors;
		assert_int_equal(is_kernel_reset(&e, cases[i].accepted, cases[i].found),
				 cases[i].reset);
	}
}

/* --- races and crashes
 * ---------------------------------------------------------------------------- */

/* Somebody declares an emergency, and settles the entries, right before or after the write. */
static int emergency_before(int fd, unsigned int ra_kb, unsigned int *in_effect)
{
	applier->write_kb = bdi_write_kb;
	set_mode(MODE_EMERGENCY);
	assert_int_equal(restore_originals(&maps, NULL), 0);
	return bdi_write_kb(fd, ra_kb, in_effect);
}

static int emergency_after(int fd, unsigned int ra_kb, unsigned int *in_effect)
{
	int err = bdi_write_kb(fd, ra_kb, in_effect);

	applier->write_kb = bdi_write_kb;
	set_mode(MODE_EMERGENCY);
	assert_int_equal(restore_originals(&maps, NULL), 0);
	return err;
}

static void emergency_while_writing(void **state)
{
	int (*const races[])(int, unsigned int, unsigned int *) = {emergency_before,
								   emergency_after};
	size_t i;

	(void)state;
	NEEDS_MAPS();
	for (i = 0; i < 2; i++) {
		set_mode(MODE_ACT);
		applier->write_kb = races[i];
		assert_int_equal(decision(16), APPLY_DROPPED);
		assert_int_equal(get_kb(NAME), 256);
		assert_false(has_entry(ID));
		/* And from a value of ours. */
		set_mode(MODE_ACT);
		assert_int_equal(decision(16), APPLY_WRITTEN);
		applier->write_kb = races[i];
		assert_int_equal(decision(64), APPLY_DROPPED);
		assert_int_equal(get_kb(NAME), 256);
		assert_false(has_entry(ID));
	}
	assert_int_equal(applier_counts(applier)[APPLY_DROPPED], 4);
}

/* A dead owner: what is in the map is all that is left of it. */
static int die(int fd, unsigned int ra_kb, unsigned int *in_effect)
{
	struct applied entry;
	unsigned int ignored;

	/* The original is safe before the value changes. */
	entry = entry_of(ID);
	assert_int_equal(entry.holds_original, 1);
	assert_int_equal(entry.original_kb, 256);
	assert_int_equal(entry.status, APPLIED_NONE);
	if (write_error == 0)
		assert_int_equal(bdi_write_kb(fd, ra_kb, &ignored), 0);
	*in_effect = ra_kb;
	/* Restore as the next owner would, from this very state. */
	assert_int_equal(restore_originals(&maps, NULL), 0);
	assert_int_equal(get_kb(NAME), 256);
	assert_false(has_entry(ID));
	put_entry(ID, &entry);
	return 0;
}

static void killed_at_the_write(void **state)
{
	(void)state;
	NEEDS_MAPS();
	for (write_error = 0; write_error < 2; write_error++) {
		__u64 id = ID;

		applier->write_kb = die;
		assert_int_equal(decision(16), APPLY_WRITTEN);
		/* From ours to ours. */
		bpf_map_delete_elem(maps.applied, &id);
		set_kb(NAME, 256);
		applier->write_kb = bdi_write_kb;
		assert_int_equal(decision(16), APPLY_WRITTEN);
		applier->write_kb = die;
		assert_int_equal(decision(64), APPLY_WRITTEN);
		bpf_map_delete_elem(maps.applied, &id);
		set_kb(NAME, 256);
	}
}

static void restored_after_a_crash(void **state)
{
	FILE *f = tmpfile();
	char line[256];

	(void)state;
	NEEDS_MAPS();
	assert_non_null(f);
	assert_int_equal(decision(16), APPLY_WRITTEN);
	applier_free(applier);
	applier = applier_alloc(&maps, take_report, root);
	assert_int_equal(restore_originals(&maps, f), 0);
	assert_int_equal(get_kb(NAME), 256);
	assert_false(has_entry(ID));
	rewind(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_non_null(strstr(line, "16 -> 256"));
	assert_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_int_equal(decision(16), APPLY_WRITTEN);
	expect(ID, APPLIED_ACCEPTED, 16, 1, 256);
}

static void changed_while_the_owner_was_dead(void **state)
{
	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(16), APPLY_WRITTEN);
	set_kb(NAME, 512);
	assert_int_equal(restore_originals(&maps, NULL), 0);
	assert_int_equal(get_kb(NAME), 512);
	assert_false(has_entry(ID));
}

static void never_to_another_device(void **state)
{
	char from[256], to[256];

	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(16), APPLY_WRITTEN);
	snprintf(from, sizeof(from), "%s/%s", root, NAME);
	snprintf(to, sizeof(to), "%s/elsewhere", root);
	assert_int_equal(rename(from, to), 0); /* keeps the inode, so the next one differs */
	make_bdi(NAME, 16);                    /* even the same value as ours */
	assert_int_equal(restore_originals(&maps, NULL), 0);
	assert_int_equal(get_kb(NAME), 16);
	assert_int_equal(get_kb("elsewhere"), 16);
	assert_false(has_entry(ID));
}

static void an_original_that_cannot_be_written(void **state)
{
	char path[256];

	(void)state;
	NEEDS_MAPS();
	assert_int_equal(decision(16), APPLY_WRITTEN);
	file_of(NAME, path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(restore_originals(&maps, NULL), 1);
	assert_true(has_entry(ID)); /* kept for another try */
	assert_int_equal(rmdir(path), 0);
	set_kb(NAME, 16);
	assert_int_equal(restore_originals(&maps, NULL), 0);
	assert_int_equal(get_kb(NAME), 256);
}

/* --- the rest
 * --------------------------------------------------------------------------------------- */

static void one_line_says_it(void **state)
{
	struct event e = {
		.name = "0:9999",
		.old_class = CLASS_SEQUENTIAL,
		.new_class = CLASS_RANDOM,
		.margin = -LOGIT_ONE / 4,
		.nr_inputs = 2,
		.input_feature = {FEATURE_ASYNC_SHARE, FEATURE_IOPS},
		.window_calls = 12,
		.wanted_kb = 16,
	};
	struct apply_report r = {
		.outcome = APPLY_WRITTEN, .from_kb = 256, .to_kb = 16, .original_kb = 256};
	char line[512], tiny[20];

	(void)state;
	e.features[FEATURE_ASYNC_SHARE] = 65536 / 2;
	e.features[FEATURE_IOPS] = 1234;
	apply_describe(&e, &r, line, sizeof(line));
	assert_non_null(strstr(line, "0:9999: sequential -> random, 256 -> 16 KB"));
	assert_non_null(strstr(line, "margin -0.25"));
	assert_non_null(strstr(line, "async_share=0.50 iops=1234"));
	memset(tiny, 'x', sizeof(tiny));
	apply_describe(&e, &r, tiny, sizeof(tiny));
	assert_int_equal(strlen(tiny), sizeof(tiny) - 1);
	r.outcome = APPLY_STOOD_BACK;
	apply_describe(&e, &r, line, sizeof(line));
	assert_non_null(strstr(line, "bpfahead config resume=0:9999"));
	r.outcome = APPLY_REFUSED;
	r.error = EROFS;
	apply_describe(&e, &r, line, sizeof(line));
	assert_non_null(strstr(line, strerror(EROFS)));
}

static void defaults_fill_what_is_empty(void **state)
{
	struct config config = {};
	struct policy_row row;
	__u64 key = DEFAULT_POLICY_ID;

	(void)state;
	NEEDS_MAPS();
	config.confirm = 5; /* by hand, without a version */
	assert_int_equal(maps_set_config(&maps, &config), 0);
	assert_int_equal(maps_fill_defaults(&maps), 0);
	assert_int_equal(maps_get_config(&maps, &config), 0);
	assert_int_equal(config.abi_version, BPFAHEAD_ABI_VERSION);
	assert_int_equal(config.mode, DEFAULT_MODE);
	assert_int_equal(config.confirm, 5);
	assert_int_equal(config.dwell_ns, DEFAULT_DWELL_NS);
	assert_int_equal(bpf_map_lookup_elem(maps.policy, &key, &row), 0);
	assert_int_equal(row.ra_kb[CLASS_SEQUENTIAL], 256);
	assert_int_equal(row.clamp[CLASS_SEQUENTIAL], CLAMP_NEVER_LOWER);
	/* What is there stays. */
	row.ra_kb[CLASS_SEQUENTIAL] = 1024;
	assert_int_equal(bpf_map_update_elem(maps.policy, &key, &row, BPF_ANY), 0);
	set_mode(MODE_OBSERVE);
	assert_int_equal(maps_fill_defaults(&maps), 0);
	assert_int_equal(bpf_map_lookup_elem(maps.policy, &key, &row), 0);
	assert_int_equal(row.ra_kb[CLASS_SEQUENTIAL], 1024);
	assert_int_equal(maps_get_config(&maps, &config), 0);
	assert_int_equal(config.mode, MODE_OBSERVE);
}

static bool may_create_maps(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "try", 4, 4, 1, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(written_and_kept),
		T(no_write_without_a_change),
		T(bounds),
		T(switched_off_stays_off),
		T(stale_is_ignored),
		T(only_the_newest),
		T(modes),
		T(refused_with_backoff),
		T(cannot_be_opened),
		T(written_but_not_read_back),
		T(gone_device),
		T(departed_make_room),
		T(descriptors_are_bounded),
		T(a_person_is_right),
		T(a_person_sets_128),
		T(a_person_beside_a_commit),
		T(a_person_sets_the_original),
		T(a_person_before_a_decision),
		T(a_person_after_a_noop),
		T(the_kernel_reset_it),
		T(the_kernel_reset_the_original),
		cmocka_unit_test(what_a_commit_computes),
		T(emergency_while_writing),
		T(killed_at_the_write),
		T(restored_after_a_crash),
		T(changed_while_the_owner_was_dead),
		T(never_to_another_device),
		T(an_original_that_cannot_be_written),
		cmocka_unit_test(one_line_says_it),
		T(defaults_fill_what_is_empty),
	};

	permitted = may_create_maps();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
