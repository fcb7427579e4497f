// SPDX-License-Identifier: GPL-2.0-only
/*
 * reaction - how long a running helper takes, and what it does when nothing is decided
 *
 *   reaction KEY PIN_DIR DEVICE HELPER_PID READERS EVENTS
 *       the time from each event's reservation to its value in sysfs
 *   reaction sleep PIN_DIR DEVICE HELPER_PID SECONDS
 *       the helper's wake-ups while the device is watched and read, and no event is sent
 *
 * DEVICE must be one that only the benchmark uses: its read_ahead_kb changes.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "loader/bdi.h"
#include "reaction.h"

#define EVENTS_MAX 100000
#define PATIENCE_NS 2000000000ULL

static struct maps maps;

static void bdi_of(const char *device, char name[BDI_NAME_LEN])
{
	if (bdi_resolve(device, name))
		die("%s has no bdi", device);
}

static int fill_event(const struct bdi_state *st, void *arg)
{
	struct event *e = arg;

	if (strncmp(st->name, e->name, BDI_NAME_LEN) != 0)
		return 0;
	e->bdi_id = st->bdi_id;
	e->sysfs_ino = st->sysfs_ino;
	e->decision_seq = st->decision_seq;
	return 1;
}

/* Only listed devices are decided upon, and @listed is the only one or there is none. */
static void watch(const char *listed)
{
	char key[BDI_NAME_LEN] = "";
	struct config config;
	__u32 one = 1;
	int err;

	err = maps_get_config(&maps, &config);
	if (err)
		die("settings: %s", strerror(-err));
	config.scope = SCOPE_LISTED;
	err = maps_set_config(&maps, &config);
	if (err)
		die("settings: %s", strerror(-err));
	while (!bpf_map_get_next_key(maps.listed, NULL, key))
		bpf_map_delete_elem(maps.listed, key);
	if (!listed)
		return;
	memset(key, 0, sizeof(key));
	snprintf(key, sizeof(key), "%s", listed);
	if (bpf_map_update_elem(maps.listed, key, &one, BPF_ANY))
		die("listing %s: %s", listed, strerror(errno));
}

static struct reaction *map_reaction(const struct bpf_object *object)
{
	void *memory = mmap(NULL, sizeof(struct reaction), PROT_READ | PROT_WRITE, MAP_SHARED,
			    bench_map(object, "reaction"), 0);

	if (memory == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return memory;
}

static struct bpf_object *load_onto_pins(void)
{
	struct bpf_object *object = bpf_object__open("build/bench/reaction.bpf.o");
	int err;

	if (!object)
		die("reaction.bpf.o: %s", strerror(errno));
	err = bpf_map__reuse_fd(bpf_object__find_map_by_name(object, "events"), maps.events);
	if (!err)
		err = bpf_object__load(object);
	if (err)
		die("reaction.bpf.o: %s", strerror(-err));
	return object;
}

static __u32 state_of(const struct reaction *r)
{
	return __atomic_load_n(&r->state, __ATOMIC_ACQUIRE);
}

static unsigned int sysfs_kb(const struct event *e)
{
	int fd = bdi_open(e->name, e->sysfs_ino);
	unsigned int kb;

	if (fd < 0 || bdi_read_kb(fd, &kb))
		die("read_ahead_kb of %s cannot be read", e->name);
	close(fd);
	return kb;
}

static void time_events(const char *key, const char *device, __u32 helper, unsigned int count,
			unsigned long events)
{
	static double us[EVENTS_MAX];
	struct bpf_object *object;
	struct readers readers;
	char name[64];
	unsigned long i;
	struct reaction *r;
	__u64 seed = 1;
	size_t p99;

	watch(NULL);
	object = load_onto_pins();
	r = map_reaction(object);
	bdi_of(device, r->event.name);
	readers_start(&readers, device, count, READ_DIRECT_RANDOM);
	sleep_ns(500000000); /* the kernel programs meet the device, and so its id */
	if (maps_each_bdi(&maps, fill_event, &r->event) != 1)
		die("%s has no slot", device);
	r->event.abi_version = BPFAHEAD_ABI_VERSION;
	r->event.reason = EVENT_DECISION;
	r->event.mode = MODE_ACT;
	r->event.old_class = CLASS_RANDOM;
	r->event.new_class = CLASS_SEQUENTIAL;
	r->event.margin = LOGIT_ONE;
	r->event.nr_inputs = 5;
	r->helper = helper;
	r->nr_pwrite = SYS_pwrite64;
	bench_attach(object, "enter");
	bench_attach(object, "leave");
	bench_attach(object, "send");
	for (i = 0; i < events; i++) {
		__u64 began = now_ns();

		r->event.decision_seq++;
		r->event.wanted_kb = i & 1 ? 64 : 96;
		__atomic_store_n(&r->state, REACTION_ARMED, __ATOMIC_RELEASE);
		do {
			/* Not in step with the scheduler's tick. */
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			sleep_ns(4000000 + (seed >> 42));
			if (state_of(r) == REACTION_RING_FULL)
				die("the ring is full: does the helper run?");
		} while (state_of(r) != REACTION_WRITTEN && now_ns() - began < PATIENCE_NS);
		if (state_of(r) != REACTION_WRITTEN)
			die("event %lu: no value after %llu s (state %u)", i,
			    PATIENCE_NS / 1000000000, state_of(r));
		if (sysfs_kb(&r->event) != r->event.wanted_kb)
			die("event %lu: read_ahead_kb is not %u", i, r->event.wanted_kb);
		us[i] = (double)(r->written_ns - r->reserved_ns) / 1000;
	}
	r->state = REACTION_IDLE;
	readers_stop(&readers);
	figure(key, us, events);
	p99 = (events * 99 + 99) / 100 - 1; /* sorted by now */
	snprintf(name, sizeof(name), "%s_p99", key);
	figure_one(name, us[p99]);
}

/* --- asleep ----------------------------------------------------------------------------------- */

/* Context switches of the helper, voluntary or not: it has one thread. */
static unsigned long switches(__u32 helper)
{
	static const char *const keys[] = {"voluntary_ctxt_switches:",
					   "nonvoluntary_ctxt_switches:"};
	unsigned long sum = 0;
	char path[64], line[256];
	size_t i, found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/status", helper);
	f = fopen(path, "re");
	if (!f)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		for (i = 0; i < 2; i++) {
			if (strncmp(line, keys[i], strlen(keys[i])) != 0)
				continue;
			sum += strtoul(line + strlen(keys[i]), NULL, 10);
			found++;
		}
	}
	fclose(f);
	if (found != 2)
		die("%s does not count context switches", path);
	return sum;
}

struct progress {
	const char *name;
	__u64 windows, events;
};

static int see_progress(const struct bdi_state *st, void *arg)
{
	struct progress *p = arg;

	if (strncmp(st->name, p->name, BDI_NAME_LEN) != 0)
		return 0;
	p->windows = st->stats.windows;
	p->events = st->stats.events;
	return 1;
}

static struct progress progress_of(const char *name)
{
	struct progress p = {.name = name};

	if (maps_each_bdi(&maps, see_progress, &p) != 1)
		die("%s has no slot", name);
	return p;
}

/* A sequential reader of the device: decided upon at first, then nothing is left to decide. */
static void sleep_through(const char *device, __u32 helper, unsigned long seconds)
{
	struct progress before, after;
	struct readers readers;
	char name[BDI_NAME_LEN];
	unsigned long then, slept;
	int i;

	bdi_of(device, name);
	watch(name);
	readers_start(&readers, device, 1, READ_SEQUENTIAL);
	for (i = 0; i < 5; i++) {
		sleep_ns(5000000000ULL);
		before = progress_of(name);
		then = switches(helper);
		sleep_ns(seconds * 1000000000ULL);
		slept = switches(helper) - then;
		after = progress_of(name);
		if (after.events == before.events)
			break;
	}
	readers_stop(&readers);
	watch(NULL);
	if (after.events != before.events)
		die("decisions kept coming on %s", device);
	if (after.windows - before.windows < seconds)
		die("the kernel side slept too: %llu windows in %lu s",
		    after.windows - before.windows, seconds);
	figure_one("wakeups", (double)slept);
	figure_one("wakeups_windows", (double)(after.windows - before.windows));
}

int main(int argc, char **argv)
{
	const char *why;
	int err;

	if (argc < 6)
		die("reaction KEY PIN_DIR DEVICE HELPER_PID READERS EVENTS | "
		    "reaction sleep PIN_DIR DEVICE HELPER_PID SECONDS");
	err = maps_open(argv[2], &maps, &why);
	if (err)
		die("%s", why);
	if (!strcmp(argv[1], "sleep")) {
		sleep_through(argv[3], (__u32)number(argv[4]), number(argv[5]));
	} else if (argc == 7) {
		unsigned long events = number(argv[6]);

		if (events > EVENTS_MAX)
			die("at most %d events", EVENTS_MAX);
		time_events(argv[1], argv[3], (__u32)number(argv[4]), (unsigned int)number(argv[5]),
			    events);
	} else {
		die("reaction: how many events?");
	}
	return 0;
}
