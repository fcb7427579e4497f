// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steering on real maps: whose rows are replaced and whose are not, what is put back at the end,
 * and what a new process knows. Samples and events are handed in where the applier would.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "loader/apply_internal.h"
#include "loader/bdi.h"
#include "loader/defaults.h"
#include "loader/learned.h"
#include "loader/steer.h"
#include "made_device.h"

#define ID 4711ULL
#define NAME "7:90"
#define HOP_NS 500000000ULL

static char dir[64], nowhere[80];
static struct maps maps;
static struct applier *applier;
static struct steer *steer;
static struct made_device device;
static unsigned int class_id, decided, ra_kb, hops_since, lines, warnings;
/* Beyond this value, or from it on, readers look like another class; 0: never. */
static unsigned int below_kb, below_class, from_kb, from_class;
static unsigned int tried, most_kb, least_kb;
static char last_line[512];

static void take_line(bool warning, const char *line, void *arg)
{
	(void)arg;
	lines++;
	warnings += warning;
	tried += strstr(line, "trying") != NULL;
	snprintf(last_line, sizeof(last_line), "%s", line);
}

static bool row_of(__u64 id, struct policy_row *row)
{
	return !bpf_map_lookup_elem(maps.policy, &id, row);
}

static void put_row(__u64 id, const struct policy_row *row)
{
	assert_int_equal(bpf_map_update_elem(maps.policy, &id, row, BPF_ANY), 0);
}

static void set_default(unsigned int class, unsigned int kb)
{
	struct policy_row row;

	assert_true(row_of(DEFAULT_POLICY_ID, &row));
	row.ra_kb[class] = kb;
	row.clamp[class] = CLAMP_NONE;
	put_row(DEFAULT_POLICY_ID, &row);
}

static void set_switches(unsigned int guard, unsigned int probe)
{
	struct config config;

	assert_int_equal(maps_get_config(&maps, &config), 0);
	config.guard = (__u8)guard;
	config.probe = (__u8)probe;
	assert_int_equal(maps_set_config(&maps, &config), 0);
}

static void start(void)
{
	applier = applier_alloc(&maps, NULL, NULL);
	assert_non_null(applier);
	steer_sweep(&maps);
	steer = steer_new(&maps, applier, dir, NULL, take_line, NULL);
	assert_non_null(steer);
	decided = CLASS_NONE;
	hops_since = 100;
}

static void stop(void)
{
	steer_free(steer);
	applier_free(applier);
	steer = NULL;
}

static int setup(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, no_prealloc, .map_flags = BPF_F_NO_PREALLOC);
	struct timespec now;
	unsigned int i;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/bpfahead-steer.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	/* No device of this machine is asked who it is. */
	snprintf(nowhere, sizeof(nowhere), "%s/none", dir);
	bdi_class_dir = bdi_sysfs_dir = bdi_mountinfo = nowhere;
	for (i = 0; i < sizeof(maps) / sizeof(int); i++)
		((int *)&maps)[i] = -1;
	maps.config =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, "config", 4, sizeof(struct config), 1, NULL);
	maps.applied = bpf_map_create(BPF_MAP_TYPE_HASH, "applied", 8, sizeof(struct applied), 16,
				      &no_prealloc);
	maps.policy = bpf_map_create(BPF_MAP_TYPE_HASH, "policy", 8, sizeof(struct policy_row), 16,
				     &no_prealloc);
	if (maps.config < 0 || maps.applied < 0 || maps.policy < 0 || maps_fill_defaults(&maps))
		return -1;
	clock_gettime(CLOCK_MONOTONIC, &now);
	device = (struct made_device){
		.iops = 3000,
		.kb_per_s = 125000,
		.noise = 0.02,
		.seed = 3,
		.nr_readers = 1,
		.reader = {{READER_OBJECTS, 4, 1, 0}},
		.time_ns = (__u64)now.tv_sec * 1000000000ULL,
	};
	class_id = CLASS_PAGES;
	ra_kb = 128;
	lines = warnings = tried = below_kb = from_kb = 0;
	last_line[0] = '\0';
	start();
	return 0;
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	if (steer)
		stop();
	close(maps.config);
	close(maps.applied);
	close(maps.policy);
	snprintf(path, sizeof(path), "%s/" LEARNED_FILE, dir);
	unlink(path);
	return rmdir(dir);
}

/* The kernel programs and apply.c in a few lines: wanted_kb() without odd pages. */
static unsigned int wanted(void)
{
	struct policy_row row;

	if (!row_of(ID, &row))
		assert_true(row_of(DEFAULT_POLICY_ID, &row));
	if (row.clamp[decided] == CLAMP_NEVER_RAISE && row.ra_kb[decided] > 128)
		return 128;
	if (row.clamp[decided] == CLAMP_NEVER_LOWER && row.ra_kb[decided] < 128)
		return 128;
	return row.ra_kb[decided];
}

static unsigned int shown(void)
{
	if (from_kb && ra_kb >= from_kb)
		return from_class;
	return ra_kb < below_kb ? below_class : class_id;
}

static void one_hop(bool sampled)
{
	struct sample s = {.bdi_id = ID, .name = NAME};
	struct event e = {.bdi_id = ID, .name = NAME};
	struct apply_report r = {.outcome = APPLY_WRITTEN, .original_kb = 128};
	struct applied entry = {.status = APPLIED_ACCEPTED};
	__u64 id = ID;
	unsigned int i;

	made_work(&device, ra_kb, HOP_NS);
	s.time_ns = e.time_ns = device.time_ns;
	s.ra_kb = ra_kb;
	s.hop_class = s.window_class = (__u8)shown();
	s.decided_class = (__u8)decided;
	for (i = 0; i < COUNTERS_MAX; i++)
		s.total[i] = (__u64)device.total[i];
	if (sampled)
		applier->listeners[0].sampled(&s, applier->listeners[0].arg);
	if (decided == CLASS_NONE && hops_since >= 100) { /* seen for the first time */
		e.ra_kb = ra_kb;
		applier->listeners[0].appeared(&e, applier->listeners[0].arg);
		hops_since = 1;
	}
	if (hops_since++ < 4)
		return;
	decided = s.hop_class;
	if (wanted() == ra_kb)
		return;
	e.new_class = (__u8)decided;
	r.from_kb = ra_kb;
	r.to_kb = ra_kb = wanted();
	if (bpf_map_lookup_elem(maps.applied, &id, &entry))
		bpf_map_update_elem(maps.applied, &id, &entry, BPF_ANY);
	applier->listeners[0].applied(&e, &r, applier->listeners[0].arg);
	hops_since = 0;
}

static void run(unsigned int hops)
{
	for (most_kb = 0, least_kb = ~0U; hops--;) {
		one_hop(true);
		most_kb = ra_kb > most_kb ? ra_kb : most_kb;
		least_kb = ra_kb < least_kb ? ra_kb : least_kb;
	}
}

static void harm_is_taken_back_and_remembered(void **state)
{
	struct policy_row row, standard;
	struct applied entry;
	__u64 id = ID;

	(void)state;
	set_default(CLASS_PAGES, 4096);
	run(40);
	assert_int_equal(ra_kb, 128);
	assert_int_equal(lines, 2);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(last_line, "4096 KB does harm to pages"));
	assert_true(row_of(ID, &row));
	assert_true(row_of(DEFAULT_POLICY_ID, &standard));
	assert_int_equal(row.ra_kb[CLASS_PAGES], 128);
	assert_int_equal(row.clamp[CLASS_PAGES], CLAMP_LEARNED);
	assert_int_equal(row.ra_kb[CLASS_SEQUENTIAL], standard.ra_kb[CLASS_SEQUENTIAL]);
	assert_int_equal(row.clamp[CLASS_SEQUENTIAL], standard.clamp[CLASS_SEQUENTIAL]);
	/* Nobody is watched any more. */
	assert_int_equal(bpf_map_lookup_elem(maps.applied, &id, &entry), 0);
	assert_int_equal(entry.watch_until_ns, 0);
	/* A change of the default row reaches the bdi whose row stands on it. */
	set_default(CLASS_SEQUENTIAL, 512);
	class_id = CLASS_SEQUENTIAL;
	device.reader[0].kind = READER_STREAM;
	run(30);
	class_id = CLASS_PAGES;
	device.reader[0].kind = READER_OBJECTS;
	run(30);
	assert_true(row_of(ID, &row));
	assert_int_equal(row.ra_kb[CLASS_SEQUENTIAL], 512);
	assert_int_equal(ra_kb, 128);
	stop();
	assert_false(row_of(ID, &row));
	/* The next process does not try it at all. */
	lines = 0;
	start();
	run(30);
	assert_int_equal(ra_kb, 128);
	assert_int_equal(lines, 0);
}

/* What the state directory says of this device, once the helper is gone. */
static __u64 unjudged(void)
{
	static struct learned_table table;
	const struct learned_device *d;

	stop();
	memset(&table, 0, sizeof(table));
	assert_int_equal(learned_load(&table, dir), 0);
	d = learned_find_device(&table, NAME);
	return d ? d->unjudged : 0;
}

static void a_slow_disk_with_a_stream(void)
{
	device.iops = 120;
	device.kb_per_s = 150000;
	device.reader[0].kind = READER_STREAM;
	ra_kb = 1024;
}

/* Others come, who are given the same value: said and counted, and the value stays. */
static void a_change_that_nobody_can_judge(void **state)
{
	(void)state;
	run(6);
	assert_int_equal(ra_kb, 16);
	class_id = CLASS_RANDOM;
	device.reader[0].kind = READER_RANDOM;
	run(30);
	assert_int_equal(ra_kb, 16);
	assert_int_equal(lines, 1);
	assert_int_equal(warnings, 0);
	assert_non_null(strstr(last_line, "128 -> 16 KB for pages: no telling what it did: its "
					  "readers are others now: 16 KB stays"));
	assert_int_equal(unjudged(), 1);
}

/* The value changes under readers whom no sample has told of for long. */
static void a_change_without_a_before(void **state)
{
	unsigned int i;

	(void)state;
	run(40);
	assert_int_equal(ra_kb, 16);
	assert_int_equal(lines, 0);
	for (i = 0; i < 8; i++)
		one_hop(false);
	one_hop(true);
	set_default(CLASS_PAGES, 64);
	one_hop(false);
	assert_int_equal(ra_kb, 64);
	assert_int_equal(lines, 1);
	assert_non_null(strstr(last_line, "16 -> 64 KB for pages is not judged"));
	assert_int_equal(unjudged(), 1);
}

/* Streams that are called pages, and at the value of pages random: both get the old value. */
static void harm_that_looks_like_others(void **state)
{
	struct policy_row row;

	(void)state;
	a_slow_disk_with_a_stream();
	set_default(CLASS_PAGES, 16);
	set_default(CLASS_RANDOM, 16);
	below_kb = 17;
	below_class = CLASS_RANDOM;
	run(60);
	assert_int_equal(ra_kb, 1024);
	assert_int_equal(least_kb, 16);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(last_line, "16 KB does harm to pages"));
	assert_true(row_of(ID, &row));
	assert_int_equal(row.ra_kb[CLASS_PAGES], 1024);
	assert_int_equal(row.ra_kb[CLASS_RANDOM], 1024);
	/* The next who are random are told by their own decision. */
	class_id = CLASS_SEQUENTIAL;
	run(10);
	assert_true(row_of(ID, &row));
	assert_int_equal(row.ra_kb[CLASS_RANDOM], 16);
}

/* They leave as the old value is back, for so long that it proves nothing: seen when they return.
 */
static void what_nobody_saw_the_end_of(void **state)
{
	(void)state;
	a_slow_disk_with_a_stream();
	class_id = CLASS_SEQUENTIAL;
	set_default(CLASS_SEQUENTIAL, 16);
	while (!warnings || ra_kb != 1024)
		one_hop(true);
	device.time_ns += 600000000000ULL;
	one_hop(true);
	assert_int_equal(ra_kb, 1024);
	assert_non_null(strstr(last_line, "nobody reads any more: 1024 KB meanwhile"));
	run(60);
	assert_int_equal(least_kb, 16);
	assert_int_equal(ra_kb, 1024);
	assert_int_equal(warnings, 2);
	assert_non_null(strstr(last_line, "16 KB does harm to sequential"));
	assert_int_equal(unjudged(), 1);
}

/* With the probe on from the start: that is no change of a switch, after which nothing is judged.
 */
static void harm_beside_the_probe(void **state)
{
	(void)state;
	stop();
	set_switches(SWITCH_ON, SWITCH_ON);
	set_default(CLASS_PAGES, 4096);
	start();
	run(40);
	assert_int_equal(ra_kb, 128);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(last_line, "4096 KB does harm to pages"));
}

/* Switched on where nothing was learned changes no value: the next change is judged as any. */
static void harm_after_the_probe_is_switched_on(void **state)
{
	(void)state;
	set_default(CLASS_PAGES, 64);
	run(40);
	set_switches(SWITCH_ON, SWITCH_ON);
	run(20);
	assert_int_equal(ra_kb, 64);
	assert_int_equal(warnings, 0);
	set_default(CLASS_PAGES, 4096);
	run(40);
	assert_int_equal(ra_kb, 64);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(last_line, "4096 KB does harm to pages"));
}

static void a_number_set_by_hand_stays(void **state)
{
	struct policy_row row, before;

	(void)state;
	assert_true(row_of(DEFAULT_POLICY_ID, &row));
	row.ra_kb[CLASS_PAGES] = 4096;
	row.clamp[CLASS_PAGES] = CLAMP_BY_HAND;
	put_row(ID, &row);
	before = row;
	run(60);
	assert_int_equal(ra_kb, 4096);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(last_line, "set by hand"));
	stop();
	assert_true(row_of(ID, &row));
	assert_memory_equal(&row, &before, sizeof(row));
}

/* A measured row may be wrong, too; the rest of it stays, and it is whole again at the end. */
static void a_measured_row_is_what_ours_stands_on(void **state)
{
	struct policy_row row, before;

	(void)state;
	assert_true(row_of(DEFAULT_POLICY_ID, &row));
	row.ra_kb[CLASS_PAGES] = 4096;
	row.clamp[CLASS_PAGES] = CLAMP_NONE;
	row.ra_kb[CLASS_SEQUENTIAL] = 1024;
	row.clamp[CLASS_SEQUENTIAL] = CLAMP_NONE;
	put_row(ID, &row);
	before = row;
	run(40);
	assert_int_equal(ra_kb, 128);
	assert_true(row_of(ID, &row));
	assert_int_equal(row.clamp[CLASS_PAGES], CLAMP_LEARNED);
	assert_int_equal(row.ra_kb[CLASS_SEQUENTIAL], 1024);
	stop();
	assert_true(row_of(ID, &row));
	assert_memory_equal(&row, &before, sizeof(row));
}

/* `config policy.DEVICE=default` while ours is in place; `config policy.DEVICE.CLASS=KB` likewise.
 */
static void a_person_is_right(void **state)
{
	struct policy_row row;
	__u64 id = ID;

	(void)state;
	set_default(CLASS_PAGES, 4096);
	run(40);
	assert_true(row_of(ID, &row));
	row.ra_kb[CLASS_PAGES] = 64;
	row.clamp[CLASS_PAGES] = CLAMP_BY_HAND;
	put_row(ID, &row);
	run(40);
	assert_int_equal(ra_kb, 64);
	bpf_map_delete_elem(maps.policy, &id);
	class_id = CLASS_SEQUENTIAL;
	device.reader[0].kind = READER_STREAM;
	run(30);
	assert_int_equal(ra_kb, 256);
	stop();
	assert_false(row_of(ID, &row));
}

static void switched_off(void **state)
{
	struct policy_row row;

	(void)state;
	set_switches(SWITCH_OFF, SWITCH_OFF);
	set_default(CLASS_PAGES, 4096);
	run(40);
	assert_int_equal(ra_kb, 4096);
	assert_int_equal(lines, 0);
	assert_false(row_of(ID, &row));
}

/* Switched off later: what it had found is taken out. */
static void switched_off_later(void **state)
{
	struct policy_row row;

	(void)state;
	set_default(CLASS_PAGES, 4096);
	run(40);
	assert_true(row_of(ID, &row));
	set_switches(SWITCH_OFF, SWITCH_OFF);
	run(2);
	assert_false(row_of(ID, &row));
}

/* What a killed helper left: learned numbers go; one set by hand keeps its row. */
static void swept(void **state)
{
	struct policy_row row;
	__u64 id = ID;

	(void)state;
	stop();
	assert_true(row_of(DEFAULT_POLICY_ID, &row));
	row.ra_kb[CLASS_PAGES] = 64;
	row.clamp[CLASS_PAGES] = CLAMP_LEARNED;
	for (id = 1; id < 8; id++)
		put_row(id, &row);
	row.ra_kb[CLASS_MIXED] = 512;
	row.clamp[CLASS_MIXED] = CLAMP_BY_HAND;
	put_row(ID, &row);
	start();
	for (id = 1; id < 8; id++)
		assert_false(row_of(id, &row));
	assert_true(row_of(ID, &row));
	assert_int_equal(row.ra_kb[CLASS_PAGES], 16);
	assert_int_equal(row.clamp[CLASS_PAGES], CLAMP_NEVER_RAISE);
	assert_int_equal(row.ra_kb[CLASS_MIXED], 512);
	assert_int_equal(row.clamp[CLASS_MIXED], CLAMP_BY_HAND);
}

/* A device that leaves takes its row with it; one that is left alone is not judged. */
static void gone_and_stood_back(void **state)
{
	struct event e = {.bdi_id = ID, .name = NAME};
	struct apply_report r = {.outcome = APPLY_STOOD_BACK};
	struct policy_row row;

	(void)state;
	set_default(CLASS_PAGES, 4096);
	run(6);
	applier->listeners[0].applied(&e, &r, applier->listeners[0].arg);
	hops_since = 2; /* the value is a person's now */
	ra_kb = 4096;
	while (hops_since < 3)
		one_hop(true);
	assert_int_equal(lines, 0);
	run(60);
	r.outcome = APPLY_GONE;
	applier->listeners[0].applied(&e, &r, applier->listeners[0].arg);
	assert_false(row_of(ID, &row));
}

/* More bdis than places: rows of those that give way go. */
static void many_bdis(void **state)
{
	struct event e = {.name = NAME, .ra_kb = 128};
	struct sample s = {.name = NAME};
	__u64 i;

	(void)state;
	for (i = 1; i < 400; i++) {
		e.bdi_id = s.bdi_id = i;
		s.time_ns = device.time_ns + i;
		applier->listeners[0].sampled(&s, applier->listeners[0].arg);
		applier->listeners[0].appeared(&e, applier->listeners[0].arg);
	}
	assert_int_equal(lines, 0);
}

/* Memory that cannot be written is said once, and the work goes on. */
static void nowhere_to_write(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/" LEARNED_FILE ".new", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	set_default(CLASS_PAGES, 4096);
	run(40);
	assert_int_equal(ra_kb, 128);
	assert_int_equal(lines, 3);
	assert_int_equal(warnings, 2);
	class_id = CLASS_OBJECTS;
	set_default(CLASS_OBJECTS, 2048);
	run(40);
	assert_int_equal(ra_kb, 128);
	assert_int_equal(lines, 5);
	assert_int_equal(rmdir(path), 0);
}

/* A long-watched device: a trial begins, pays, and is remembered; switched off it is not used. */
static void a_trial_that_pays(void **state)
{
	struct learned_table *t = calloc(1, sizeof(*t));
	struct policy_row row;
	const struct learned *e;

	(void)state;
	assert_non_null(t);
	stop();
	learned_device(t, NAME)->watched_ms = 100000000;
	assert_int_equal(learned_save(t, dir), 0);
	set_switches(SWITCH_ON, SWITCH_ON);
	device.iops = 120;
	device.kb_per_s = 150000;
	device.reader[0].kind = READER_STREAM;
	class_id = CLASS_SEQUENTIAL;
	start();
	run(200);
	assert_true(ra_kb >= 1024);
	assert_true(row_of(ID, &row));
	assert_int_equal(row.clamp[CLASS_SEQUENTIAL], CLAMP_LEARNED);
	stop();
	assert_false(row_of(ID, &row));
	assert_int_equal(learned_load(t, dir), 0);
	e = learned_find(t, NAME, LEARNED_TRIM, CLASS_SEQUENTIAL, 0);
	assert_non_null(e);
	assert_true(e->kb >= 1024);
	assert_int_equal(e->policy_kb, 256);
	/* The next process starts from there. */
	ra_kb = 128;
	start();
	run(8);
	assert_int_equal(ra_kb, e->kb);
	set_switches(SWITCH_ON, SWITCH_OFF);
	run(12);
	assert_int_equal(ra_kb, 256);
	free(t);
}

/* From here on a device that was watched for long, with the probe on; in the value of its class. */
static void probe_a_watched_device(void)
{
	struct learned_table *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	stop();
	learned_device(t, NAME)->watched_ms = 100000000;
	assert_int_equal(learned_save(t, dir), 0);
	free(t);
	set_switches(SWITCH_ON, SWITCH_ON);
	start();
	run(6);
}

static void run_until_tried(unsigned int kb)
{
	unsigned int i;

	for (i = 0; i < 400 && ra_kb != kb; i++)
		one_hop(true);
	assert_int_equal(ra_kb, kb);
	assert_int_equal(tried, 1);
}

/* Pages of 64 KB; below they are objects, whose own 128 do half as well (not 256: never raised). */
static void pages_that_are_objects(double iops, double kb_per_s)
{
	set_default(CLASS_PAGES, 64);
	set_default(CLASS_OBJECTS, 256);
	device.iops = iops;
	device.kb_per_s = kb_per_s;
	device.reader[0].size_kb = 16;
	below_kb = 64;
	below_class = CLASS_OBJECTS;
	probe_a_watched_device();
	assert_int_equal(ra_kb, 64);
}

static void a_trial_changes_the_class(void **state)
{
	struct policy_row row;

	(void)state;
	pages_that_are_objects(3000, 125000); /* 32 KB would do better, but cannot stay */
	run_until_tried(32);
	/* Back, and nothing else, until pages are pages again; then the row is as it was. */
	run(8);
	assert_int_equal(most_kb, 64);
	assert_int_equal(ra_kb, 64);
	assert_non_null(strstr(last_line, "they are objects there: 64 KB again"));
	run(8);
	assert_int_equal(decided, CLASS_PAGES);
	assert_false(row_of(ID, &row));
	/* The next one is of 128 KB; nothing but what is tried is ever in force. */
	run(400);
	assert_int_equal(least_kb, 64);
	assert_int_equal(most_kb, 128);
	assert_int_equal(ra_kb, 64);
}

/* Switched off in the middle: the same. */
static void switched_off_in_a_trial(void **state)
{
	struct policy_row row;

	(void)state;
	pages_that_are_objects(120, 10000);
	run_until_tried(32);
	set_switches(SWITCH_ON, SWITCH_OFF);
	run(1);
	assert_true(row_of(ID, &row));
	assert_int_equal(row.ra_kb[CLASS_PAGES], 64);
	assert_int_equal(row.ra_kb[CLASS_OBJECTS], 64);
	run(10);
	assert_int_equal(most_kb, 64);
	assert_int_equal(ra_kb, 64);
	run(6);
	assert_false(row_of(ID, &row));
	assert_int_equal(tried, 1);
}

/* Others come before the trial has begun: they have their own value, and nothing is held. */
static void other_readers_before_a_trial(void **state)
{
	unsigned int i;

	(void)state;
	pages_that_are_objects(120, 10000);
	for (i = 0; i < 400 && !tried; i++) {
		hops_since = 1; /* no event, and so no write */
		one_hop(true);
	}
	assert_int_equal(tried, 1);
	assert_int_equal(ra_kb, 64);
	set_default(CLASS_MIXED, 512);
	class_id = CLASS_MIXED;
	below_kb = 0;
	hops_since = 4;
	device.reader[0].kind = READER_STREAM;
	run(4);
	assert_int_equal(ra_kb, 512);
	run(12);
	assert_int_equal(least_kb, 512);
	assert_int_equal(most_kb, 512);
}

/* A device goes in the middle of a trial, which goes with it. */
static void gone_in_a_trial(void **state)
{
	struct event e = {.bdi_id = ID, .name = NAME};
	struct apply_report r = {.outcome = APPLY_GONE};

	(void)state;
	pages_that_are_objects(120, 10000);
	run_until_tried(32);
	applier->listeners[0].applied(&e, &r, applier->listeners[0].arg);
	lines = 0;
	run(3);
	assert_int_equal(lines, 0);
}

/* So many others read meanwhile that the trial's place is another's. */
static void a_trial_is_forgotten(void **state)
{
	struct sample s = {.name = NAME, .decided_class = CLASS_PAGES};
	struct policy_row row;
	__u64 i;

	(void)state;
	pages_that_are_objects(120, 10000);
	run_until_tried(32);
	while (ra_kb != 64)
		run(1);
	assert_true(row_of(ID, &row));
	device.time_ns += 60000000000ULL;
	for (i = 1; i < 40; i++) {
		s.bdi_id = i;
		s.time_ns = device.time_ns + i;
		applier->listeners[0].sampled(&s, applier->listeners[0].arg);
	}
	run(1);
	assert_false(row_of(ID, &row));
}

/* Not only pages and objects: any class that is seen in a trial has to wait until it is over. */
static void a_trial_changes_any_class(void **state)
{
	(void)state;
	set_default(CLASS_MIXED, 16);
	class_id = CLASS_SEQUENTIAL;
	device.reader[0].kind = READER_STREAM;
	from_kb = 512;
	from_class = CLASS_MIXED;
	probe_a_watched_device();
	assert_int_equal(ra_kb, 256);
	run_until_tried(512);
	run(20);
	assert_int_equal(least_kb, 256);
	assert_int_equal(ra_kb, 256);
	assert_int_equal(decided, CLASS_SEQUENTIAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(harm_is_taken_back_and_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(a_change_that_nobody_can_judge, setup, teardown),
		cmocka_unit_test_setup_teardown(a_change_without_a_before, setup, teardown),
		cmocka_unit_test_setup_teardown(harm_that_looks_like_others, setup, teardown),
		cmocka_unit_test_setup_teardown(what_nobody_saw_the_end_of, setup, teardown),
		cmocka_unit_test_setup_teardown(harm_beside_the_probe, setup, teardown),
		cmocka_unit_test_setup_teardown(harm_after_the_probe_is_switched_on, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_number_set_by_hand_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(a_measured_row_is_what_ours_stands_on, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_person_is_right, setup, teardown),
		cmocka_unit_test_setup_teardown(switched_off, setup, teardown),
		cmocka_unit_test_setup_teardown(switched_off_later, setup, teardown),
		cmocka_unit_test_setup_teardown(swept, setup, teardown),
		cmocka_unit_test_setup_teardown(gone_and_stood_back, setup, teardown),
		cmocka_unit_test_setup_teardown(many_bdis, setup, teardown),
		cmocka_unit_test_setup_teardown(nowhere_to_write, setup, teardown),
		cmocka_unit_test_setup_teardown(a_trial_that_pays, setup, teardown),
		cmocka_unit_test_setup_teardown(a_trial_changes_the_class, setup, teardown),
		cmocka_unit_test_setup_teardown(switched_off_in_a_trial, setup, teardown),
		cmocka_unit_test_setup_teardown(other_readers_before_a_trial, setup, teardown),
		cmocka_unit_test_setup_teardown(gone_in_a_trial, setup, teardown),
		cmocka_unit_test_setup_teardown(a_trial_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(a_trial_changes_any_class, setup, teardown),
	};

	if (geteuid()) {
		print_message("skipped: needs root\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
