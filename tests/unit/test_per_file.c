// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files with values of their own, on real maps and a directory that stands for
 * /sys/class/bdi: what the device has while its file is re-armed, what the map
 * `applied` says in that moment, and that everything is as before afterwards.
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

#include "loader/bdi.h"
#include "loader/defaults.h"
#include "loader/per_file.h"

#define ID 4712
#define NAME "7:91"
#define VALUES 3

static char root[64];
static struct maps maps;
static struct per_file p;

/* What was seen while a file was re-armed, and what is to happen then. */
static struct {
	unsigned int calls, sweeps, kb, device_kb, reports;
	bool known;
	struct applied entry;
	struct file_key key;
	struct file_report last;
	/* to do */
	unsigned int readers, write_meanwhile;
	int error, write_error;
	bool emergency, leave;
} seen;

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec;
}

static void kb_file(char path[256])
{
	snprintf(path, 256, "%s/" NAME "/read_ahead_kb", root);
}

static void set_kb(unsigned int kb)
{
	char path[256], text[16];
	int fd, len;

	kb_file(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	len = snprintf(text, sizeof(text), "%u\n", kb);
	assert_int_equal(write(fd, text, (size_t)len), len);
	close(fd);
}

static unsigned int get_kb(void)
{
	char path[256];
	unsigned int kb;
	int fd;

	kb_file(path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(bdi_read_kb(fd, &kb), 0);
	close(fd);
	return kb;
}

static void set_config(__u32 mode, __u8 per_file)
{
	struct config config = {
		.abi_version = BPFAHEAD_ABI_VERSION, .mode = mode, .per_file = per_file};

	assert_int_equal(maps_set_config(&maps, &config), 0);
}

static bool get_entry(struct applied *entry)
{
	__u64 id = ID;

	return !bpf_map_lookup_elem(maps.applied, &id, entry);
}

static void put_entry(const struct applied *entry)
{
	__u64 id = ID;

	if (entry)
		assert_int_equal(bpf_map_update_elem(maps.applied, &id, entry, BPF_ANY), 0);
	else
		bpf_map_delete_elem(maps.applied, &id);
}

static int rearm(struct follower *f, __u64 bdi_id, const struct file_key *key, unsigned int ra_kb,
		 struct open_counts *counts)
{
	assert_null(f);
	assert_int_equal(bdi_id, ID);
	seen.calls++;
	seen.kb = ra_kb;
	seen.key = *key;
	seen.device_kb = get_kb();
	seen.known = get_entry(&seen.entry);
	if (counts)
		counts->rearmed = seen.readers;
	if (seen.write_meanwhile)
		set_kb(seen.write_meanwhile);
	if (seen.emergency)
		set_config(MODE_EMERGENCY, SWITCH_ON);
	return seen.error;
}

static int sweep(struct follower *f, __u64 bdi_id, const char *name, unsigned int ra_kb)
{
	assert_null(f);
	assert_int_equal(bdi_id, ID);
	assert_string_equal(name, NAME);
	assert_int_equal(ra_kb, get_kb());
	seen.sweeps++;
	return 0;
}

static int write_kb(int fd, unsigned int ra_kb, unsigned int *in_effect)
{
	/* The first write lends, the second takes back. */
	if (seen.write_error && (!seen.leave || seen.calls))
		return seen.write_error;
	return bdi_write_kb(fd, ra_kb, in_effect);
}

static void report(const struct file_event *e, const struct file_report *r, void *arg)
{
	char line[256];

	assert_ptr_equal(arg, root);
	seen.last = *r;
	seen.reports++;
	per_file_describe(e, r, line, sizeof(line));
	assert_non_null(strstr(line, "file 99"));
}

static int group_setup(void **state)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	struct bpf_map_create_opts *none = NULL;
	char path[256];

	(void)state;
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	snprintf(root, sizeof(root), "/tmp/test_per_file.XXXXXX");
	assert_non_null(mkdtemp(root));
	bdi_class_dir = root;
	snprintf(path, sizeof(path), "%s/" NAME, root);
	assert_int_equal(mkdir(path, 0700), 0);
	memset(&maps, -1, sizeof(maps));
	maps.config =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, "config", 4, sizeof(struct config), 1, none);
	maps.applied =
		bpf_map_create(BPF_MAP_TYPE_HASH, "applied", 8, sizeof(struct applied), 8, none);
	assert_true(maps.config >= 0 && maps.applied >= 0);
	return 0;
}

static int group_teardown(void **state)
{
	char path[256];

	(void)state;
	kb_file(path);
	unlink(path);
	snprintf(path, sizeof(path), "%s/" NAME, root);
	rmdir(path);
	rmdir(root);
	maps_close(&maps);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	set_config(MODE_ACT, SWITCH_ON);
	put_entry(NULL);
	set_kb(128);
	memset(&seen, 0, sizeof(seen));
	seen.readers = 1;
	per_file_init(&p, &maps, NULL, report, root);
	p.values = bpf_map_create(BPF_MAP_TYPE_HASH, "file_values", sizeof(struct file_key),
				  sizeof(struct file_value), VALUES, NULL);
	assert_true(p.values >= 0);
	p.rearm = rearm;
	p.sweep = sweep;
	p.write_kb = write_kb;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(p.values);
	return 0;
}

static struct file_event event_for(unsigned int wanted_kb)
{
	struct file_event e = {
		.abi_version = BPFAHEAD_ABI_VERSION,
		.reason = EVENT_FILE,
		.time_ns = now_ns(),
		.bdi_id = ID,
		.sysfs_ino = bdi_sysfs_ino(NAME),
		.name = NAME,
		.key = {.ino = 99, .s_dev = 7 << 20 | 91, .generation = 5},
		.wanted_kb = wanted_kb,
		.device_kb = 128,
		.old_class = CLASS_NONE,
		.new_class = CLASS_SEQUENTIAL,
	};

	return e;
}

static enum file_outcome ask(unsigned int wanted_kb)
{
	struct file_event e = event_for(wanted_kb);

	return per_file_event(&p, &e);
}

static bool value_of(__u64 ino, struct file_value *v)
{
	struct file_key key = event_for(0).key;

	key.ino = ino;
	return !bpf_map_lookup_elem(p.values, &key, v);
}

static struct file_value value(void)
{
	struct file_value v;

	assert_true(value_of(99, &v));
	return v;
}

static void put_value(const struct file_value *v)
{
	struct file_key key = event_for(0).key;

	assert_int_equal(bpf_map_update_elem(p.values, &key, v, BPF_ANY), 0);
}

/* --- giving and ending ------------------------------------------------------------------------ */

static void lends_to_a_device_of_no_entry(void **state)
{
	struct file_value v;
	struct applied entry;

	(void)state;
	assert_int_equal(ask(508), FILE_GIVEN);
	/* In that moment: */
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.kb, 508);
	assert_int_equal(seen.device_kb, 508);
	assert_int_equal(seen.key.ino, 99);
	assert_int_equal(seen.key.generation, 5);
	assert_true(seen.known);
	assert_int_equal(seen.entry.status, APPLIED_NONE);
	assert_int_equal(seen.entry.holds_original, 1);
	assert_int_equal(seen.entry.original_kb, 128);
	assert_true(seen.entry.busy_until_ns > now_ns());
	assert_int_equal(seen.entry.sysfs_ino, bdi_sysfs_ino(NAME));
	assert_string_equal(seen.entry.name, NAME);
	/* Afterwards: */
	assert_int_equal(get_kb(), 128);
	assert_false(get_entry(&entry));
	assert_int_equal(seen.sweeps, 1);
	v = value();
	assert_int_equal(v.bdi_id, ID);
	assert_int_equal(v.ra_kb, 508);
	assert_int_equal(v.readers, 1);
	assert_int_equal(v.device_kb, 128);
	assert_int_equal(v.retry_ns, 0);
	assert_int_equal(v.class_id, CLASS_SEQUENTIAL);
	assert_string_equal(v.name, NAME);
	assert_int_equal(seen.last.outcome, FILE_GIVEN);
	assert_int_equal(seen.last.ra_kb, 508);
}

static void lends_to_a_device_with_a_value_of_ours(void **state)
{
	struct applied before = {.sysfs_ino = bdi_sysfs_ino(NAME),
				 .decision_seq = 77,
				 .watch_until_ns = 5,
				 .status = APPLIED_ACCEPTED,
				 .accepted_kb = 16,
				 .original_kb = 2560,
				 .holds_original = 1,
				 .name = NAME};
	struct applied entry;

	(void)state;
	set_kb(16);
	put_entry(&before);
	assert_int_equal(ask(2560), FILE_GIVEN);
	assert_int_equal(seen.device_kb, 2560);
	assert_int_equal(seen.entry.status, APPLIED_NONE);
	assert_int_equal(seen.entry.original_kb, 2560);
	assert_int_equal(get_kb(), 16);
	assert_true(get_entry(&entry));
	assert_memory_equal(&entry, &before, sizeof(entry));
}

static void ends_without_touching_the_device(void **state)
{
	struct file_value v;

	(void)state;
	assert_int_equal(ask(0), FILE_DROPPED); /* it has none */
	assert_int_equal(seen.calls, 0);
	ask(508);
	assert_int_equal(ask(0), FILE_ENDED);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(seen.kb, 128);
	assert_int_equal(seen.device_kb, 128);
	assert_false(seen.known);
	assert_false(value_of(99, &v));
	/* Of its own, but the very value of the device: the same. */
	ask(508);
	assert_int_equal(ask(128), FILE_ENDED);
	assert_false(value_of(99, &v));
}

static void changes_from_one_to_another(void **state)
{
	(void)state;
	ask(508);
	assert_int_equal(ask(60), FILE_GIVEN);
	assert_int_equal(seen.device_kb, 60);
	assert_int_equal(value().ra_kb, 60);
	assert_int_equal(get_kb(), 128);
}

/* --- what stands in the way ------------------------------------------------------------------- */

static void nobody_to_give_it_to(void **state)
{
	__u64 before = now_ns(), first;
	struct file_value v;

	(void)state;
	seen.readers = 0;
	assert_int_equal(ask(508), FILE_NOBODY);
	v = value();
	assert_int_equal(v.ra_kb, 0);
	first = v.retry_ns - before;
	assert_in_range(first, 9900000000ULL, 12000000000ULL);
	assert_int_equal(ask(508), FILE_DROPPED); /* not before that time */
	assert_int_equal(seen.calls, 1);
	/* The next time it waits twice as long; then it works. */
	v.retry_ns = 0;
	put_value(&v);
	before = now_ns();
	assert_int_equal(ask(508), FILE_NOBODY);
	v = value();
	assert_in_range(v.retry_ns - before, 2 * first - 2000000000ULL, 2 * first + 2000000000ULL);
	v.retry_ns = 0;
	put_value(&v);
	seen.readers = 2;
	assert_int_equal(ask(508), FILE_GIVEN);
	assert_int_equal(value().refusals, 0);
	assert_int_equal(value().readers, 2);
	/* One that has not got it, and may not: those that have it keep it, and it is not said. */
	seen.readers = 0;
	seen.reports = 0;
	assert_int_equal(ask(508), FILE_DROPPED);
	assert_int_equal(seen.reports, 0);
	v = value();
	assert_int_equal(v.ra_kb, 508);
	assert_int_equal(v.asked_kb, 508);
	assert_true(v.retry_ns > now_ns());
	/* Another value does not wait for that. */
	seen.readers = 1;
	assert_int_equal(ask(60), FILE_GIVEN);
}

static void the_other_process_fails(void **state)
{
	(void)state;
	seen.error = -ETIMEDOUT;
	assert_int_equal(ask(508), FILE_REFUSED);
	assert_int_equal(seen.last.error, ETIMEDOUT);
	assert_int_equal(seen.sweeps, 1); /* who had copied it already gives it back */
	assert_int_equal(get_kb(), 128);
	assert_int_equal(value().ra_kb, 0);
	assert_true(value().retry_ns > now_ns());
}

static void without_that_process(void **state)
{
	(void)state;
	close(p.values);
	per_file_init(&p, &maps, NULL, report, root);
	assert_int_equal(ask(508), FILE_REFUSED);
	assert_int_equal(seen.last.error, ENOTCONN);
	assert_int_equal(ask(508), FILE_DROPPED); /* said once */
	assert_int_equal(get_kb(), 128);
}

static void the_device_refuses(void **state)
{
	struct applied entry;

	(void)state;
	seen.write_error = -EACCES;
	assert_int_equal(ask(508), FILE_REFUSED);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(get_kb(), 128);
	assert_false(get_entry(&entry));
}

/* What was lent cannot be taken back: the entry says so, for whoever restores. */
static void the_device_keeps_what_was_lent(void **state)
{
	struct applied entry;

	(void)state;
	seen.write_error = -EIO;
	seen.leave = true;
	assert_int_equal(ask(508), FILE_REFUSED);
	assert_int_equal(get_kb(), 508);
	assert_true(get_entry(&entry));
	assert_int_equal(entry.status, APPLIED_NONE);
	assert_int_equal(restore_originals(&maps, NULL), 0);
	assert_int_equal(get_kb(), 128);
}

static void somebody_writes_meanwhile(void **state)
{
	(void)state;
	seen.write_meanwhile = 1024;
	ask(508);
	assert_int_equal(get_kb(), 1024);
}

static void an_emergency_meanwhile(void **state)
{
	struct applied before = {.sysfs_ino = bdi_sysfs_ino(NAME),
				 .status = APPLIED_ACCEPTED,
				 .accepted_kb = 16,
				 .original_kb = 2560,
				 .holds_original = 1,
				 .name = NAME};
	struct applied entry;

	(void)state;
	set_kb(16);
	put_entry(&before);
	seen.emergency = true;
	assert_int_equal(ask(508), FILE_DROPPED);
	assert_int_equal(get_kb(), 2560);
	assert_false(get_entry(&entry));
}

static void a_persons_value_and_changes_under_way(void **state)
{
	struct applied entry = {.sysfs_ino = bdi_sysfs_ino(NAME), .name = NAME};

	(void)state;
	entry.status = APPLIED_STOOD_BACK;
	entry.accepted_kb = 128;
	put_entry(&entry);
	assert_int_equal(ask(508), FILE_DROPPED);
	entry.status = APPLIED_NONE;
	entry.holds_original = 1;
	put_entry(&entry);
	assert_int_equal(ask(508), FILE_DROPPED);
	entry.status = APPLIED_ACCEPTED;
	entry.accepted_kb = 64; /* but it has 128 */
	put_entry(&entry);
	assert_int_equal(ask(508), FILE_DROPPED);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(get_kb(), 128);
}

static void modes_and_switches(void **state)
{
	static const struct {
		__u32 mode;
		__u8 per_file;
	} quiet[] = {{MODE_OBSERVE, SWITCH_ON},
		     {MODE_RECOMMEND, SWITCH_ON},
		     {MODE_EMERGENCY, SWITCH_ON},
		     {MODE_ACT, SWITCH_OFF}};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		set_config(quiet[i].mode, quiet[i].per_file);
		assert_int_equal(ask(508), FILE_DROPPED);
	}
	assert_int_equal(seen.calls, 0);
	assert_int_equal(seen.reports, 0);
}

static void old_events_and_other_devices(void **state)
{
	struct file_event e = event_for(508);
	struct file_value v;

	(void)state;
	e.time_ns -= 2 * DEFAULT_DWELL_NS;
	assert_int_equal(per_file_event(&p, &e), FILE_DROPPED);
	e = event_for(508);
	e.sysfs_ino++;
	assert_int_equal(per_file_event(&p, &e), FILE_DROPPED);
	e.sysfs_ino = 0;
	assert_int_equal(per_file_event(&p, &e), FILE_DROPPED);
	assert_int_equal(seen.calls, 0);
	assert_false(value_of(99, &v));
}

/* A value that another file system's file of that number has left is none. */
static void another_file_system(void **state)
{
	struct file_value v = {.bdi_id = ID + 1, .ra_kb = 508, .retry_ns = ~0ULL};

	(void)state;
	put_value(&v);
	assert_int_equal(ask(0), FILE_DROPPED);
	assert_int_equal(ask(508), FILE_GIVEN);
	assert_int_equal(value().bdi_id, ID);
}

static void the_oldest_makes_room(void **state)
{
	struct file_event e;
	struct file_value v;
	__u64 ino;

	(void)state;
	for (ino = 99; ino < 990 + VALUES; ino += ino == 99 ? 891 : 1) {
		e = event_for(508);
		e.key.ino = ino;
		assert_int_equal(per_file_event(&p, &e), FILE_GIVEN);
	}
	assert_false(value_of(99, &v));
	for (ino = 990; ino < 990 + VALUES; ino++)
		assert_true(value_of(ino, &v));
	/* It has what its device has again. */
	assert_int_equal(seen.calls, VALUES + 2);
	assert_int_equal(seen.key.ino, 99);
	assert_int_equal(seen.kb, 128);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lends_to_a_device_of_no_entry),
		TEST(lends_to_a_device_with_a_value_of_ours),
		TEST(ends_without_touching_the_device),
		TEST(changes_from_one_to_another),
		TEST(nobody_to_give_it_to),
		TEST(the_other_process_fails),
		TEST(without_that_process),
		TEST(the_device_refuses),
		TEST(the_device_keeps_what_was_lent),
		TEST(somebody_writes_meanwhile),
		TEST(an_emergency_meanwhile),
		TEST(a_persons_value_and_changes_under_way),
		TEST(modes_and_switches),
		TEST(old_events_and_other_devices),
		TEST(another_file_system),
		TEST(the_oldest_makes_room),
	};

	if (geteuid()) {
		puts("1..0 # SKIP needs root: BPF maps");
		return 0;
	}
	return cmocka_run_group_tests_name("per_file", tests, group_setup, group_teardown);
}
