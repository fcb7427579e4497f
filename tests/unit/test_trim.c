// SPDX-License-Identifier: GPL-2.0-only
/*
 * The probe on made-up devices: where it ends, how much time it spends in worse values, and what
 * it leaves alone. A loop of a few lines stands for the kernel programs and for steer.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "loader/trim.h"
#include "made_device.h"

#define HOP_NS 500000000ULL
#define HOP_MS 500ULL
#define HOUR_HOPS 7200U

struct host {
	struct trim trim;
	struct made_device device;
	struct learned_device budget;
	unsigned int class_id;       /* what the model calls the readers */
	unsigned int hidden_from_kb; /* objects look like pages from here on; 0: never */
	unsigned int hidden_hops;    /* for so long objects are believed in then */
	unsigned int decided, confirm, since_event, since_decided;
	unsigned int policy_kb[NR_CLASSES]; /* kept */
	unsigned int trial_kb, pair_kb, tried_kb;
	__u32 trial_classes;
	unsigned int ra_kb;
	bool allowed;
	struct snapshot last;
	unsigned int hops, changes, tries, kept, unpaired, worse_hops;
	__u64 watched_ms, most_worse_of; /* worse time over watched time, 1/10000, at its highest */
};

static struct host host;

static void host_start(struct host *h, unsigned int class_id, unsigned int ra_kb)
{
	struct made_device device = h->device;
	unsigned int i;

	memset(h, 0, sizeof(*h));
	h->device = device;
	h->device.time_ns = 1000000000ULL;
	h->class_id = h->decided = class_id;
	for (i = 0; i < NR_CLASSES; i++)
		h->policy_kb[i] = ra_kb;
	h->ra_kb = ra_kb;
	h->allowed = true;
	h->last.time_ns = h->device.time_ns;
}

static unsigned int wanted_kb(const struct host *h)
{
	bool pair = h->decided == CLASS_OBJECTS || h->decided == CLASS_PAGES;

	if (h->trial_kb && h->trial_classes & (1U << h->decided))
		return h->trial_kb;
	return pair && h->pair_kb ? h->pair_kb : h->policy_kb[h->decided];
}

static double own_rate(const struct host *h, unsigned int kb)
{
	double rates[READERS_MAX];

	made_rates(&h->device, kb, rates);
	return rates[0];
}

static void host_hop(struct host *h)
{
	struct trim_state state = {.allowed = h->allowed, .fresh = true, .cap_kb = 8192};
	struct sample s = {.bdi_id = 7};
	struct trim_finding f = {0};
	struct snapshot now;
	struct hop hop;
	unsigned int i, incumbent;
	bool watched = trim_watch_until(&h->trim, 7) > h->device.time_ns;

	made_work(&h->device, h->ra_kb, HOP_NS);
	h->hops++;
	s.time_ns = now.time_ns = h->device.time_ns;
	s.hop_class = (__u8)h->class_id;
	if (h->class_id == CLASS_OBJECTS && h->hidden_from_kb && h->ra_kb >= h->hidden_from_kb)
		s.hop_class = CLASS_PAGES;
	s.decided_class = (__u8)h->decided;
	for (i = 0; i < COUNTERS_MAX; i++)
		s.total[i] = now.total[i] = (__u64)h->device.total[i];
	/* Time in a value that truly is worse than what is kept. */
	incumbent = h->pair_kb ? h->pair_kb : h->policy_kb[h->decided];
	h->worse_hops += own_rate(h, h->ra_kb) < 0.97 * own_rate(h, incumbent);
	h->watched_ms += HOP_MS;
	if (watched || h->decided != s.hop_class || h->hops % 20 == 0) {
		assert_true(objective_hop(&h->last, &now, 4, &hop));
		h->last = now;
		hop.class_id = s.hop_class;
		hop.decided_class = s.decided_class;
		state.paired = h->pair_kb != 0;
		state.now_kb = wanted_kb(h);
		trim_sample(&h->trim, &s, &hop, &state, &h->budget, &f);
	}
	switch (f.verdict) {
	case TRIM_TRY:
		h->tries++;
		h->trial_kb = h->tried_kb = f.to_kb;
		h->trial_classes = f.classes;
		break;
	case TRIM_KEEP:
		h->kept++;
		h->trial_kb = 0;
		if (f.hides || h->pair_kb)
			h->pair_kb = f.to_kb;
		else
			h->policy_kb[f.class_id] = f.to_kb;
		break;
	case TRIM_UNPAIR:
		h->unpaired++;
		h->pair_kb = 0;
		break;
	case TRIM_BACK:
		h->trial_kb = f.holds ? f.from_kb : 0;
		break;
	case TRIM_SETTLED:
		h->trial_kb = 0;
		break;
	default:
		break;
	}
	if (h->trial_kb && !trim_is_busy(&h->trim, 7))
		h->trial_kb = 0;
	if (trim_has_shown(&h->trim, 7))
		h->trial_classes |= 1U << s.hop_class;
	h->since_event++;
	h->since_decided++;
	h->confirm = h->decided != s.hop_class ? h->confirm + 1 : 0;
	if (h->confirm >= 3 && !(h->decided == CLASS_OBJECTS && s.hop_class == CLASS_PAGES &&
				 h->ra_kb > 32 && h->since_decided < h->hidden_hops)) {
		h->decided = s.hop_class;
		h->since_decided = h->confirm = 0;
	}
	if (h->since_event >= 4 && wanted_kb(h) != h->ra_kb) {
		trim_changed(&h->trim, 7, h->decided, h->device.time_ns, &h->budget);
		h->ra_kb = wanted_kb(h);
		h->changes++;
		h->since_event = 0;
	}
	if (h->budget.worse_ms * 10000 / h->watched_ms > h->most_worse_of)
		h->most_worse_of = h->budget.worse_ms * 10000 / h->watched_ms;
}

static void host_run(struct host *h, unsigned int hops)
{
	while (hops--)
		host_hop(h);
}

static void one_reader(struct host *h, enum reader_kind kind, unsigned int size_kb, double iops,
		       double mb_per_s, double noise)
{
	memset(h, 0, sizeof(*h));
	h->device.iops = iops;
	h->device.kb_per_s = mb_per_s * 1000;
	h->device.noise = noise;
	h->device.seed = 1;
	h->device.nr_readers = 1;
	h->device.reader[0] = (struct reader){kind, size_kb, 1, 0};
}

/* From 256 KB to where a slow disk gives all that it has. */
static void stream_on_a_slow_disk(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
	host_start(&host, CLASS_SEQUENTIAL, 256);
	host_run(&host, HOUR_HOPS);
	assert_true(host.ra_kb >= 1024);
	assert_true(host.most_worse_of <= 200);
}

/* Nothing is tried before the bound has room for the longest trial. */
static void first_watch(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
	host_start(&host, CLASS_SEQUENTIAL, 256);
	host_run(&host, TRIM_LONGEST_MS * TRIM_SHARE / HOP_MS - 21);
	assert_int_equal(host.tries, 0);
	host_run(&host, 100);
	assert_true(host.tries > 0);
}

static void switched_off(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
	host_start(&host, CLASS_SEQUENTIAL, 256);
	host.allowed = false;
	host_run(&host, HOUR_HOPS);
	assert_int_equal(host.tries, 0);
	assert_int_equal(host.changes, 0);
	/* In the middle of a trial: the value before is back at once. */
	host.allowed = true;
	while (!host.trial_kb)
		host_hop(&host);
	host_run(&host, 4);
	host.allowed = false;
	host_run(&host, 12);
	assert_int_equal(host.trial_kb, 0);
	assert_false(trim_is_busy(&host.trim, 7));
}

/* Read(2) at random places is not moved by readahead: no value pays, and none is kept. */
static void nothing_to_gain(void **state)
{
	(void)state;
	one_reader(&host, READER_RANDOM, 16, 3000, 125, 0.05);
	host_start(&host, CLASS_SHORT_RUNS, 128);
	host_run(&host, 4 * HOUR_HOPS);
	assert_true(host.tries > 0);
	assert_int_equal(host.kept, 0);
	assert_int_equal(host.ra_kb, 128);
}

/* Readers who ask for 20 pages a second get them at any value: then the one that reads least. */
static void equal_demand(void **state)
{
	(void)state;
	one_reader(&host, READER_OBJECTS, 4, 3000, 125, 0.02);
	host.device.reader[0].most_per_s = 100;
	host_start(&host, CLASS_PAGES, 64);
	host_run(&host, 4 * HOUR_HOPS);
	assert_int_equal(host.ra_kb, 4);
}

/* A stream that would gain, at the cost of the random readers beside it. */
static void nobody_else_pays(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 3000, 125, 0.02);
	host.device.nr_readers = 2;
	host.device.reader[1] = (struct reader){READER_RANDOM, 4, 4, 0};
	host_start(&host, CLASS_MIXED, 128);
	host_run(&host, 2 * HOUR_HOPS);
	assert_true(host.tries > 0);
	assert_int_equal(host.ra_kb, 128);
}

/*
 * Objects of 16 KB that look like pages from 64 KB on, which is their best value: the two classes
 * get it together, do not take turns, and when single pages come in their place, they are told.
 */
static void hidden_objects(void **state)
{
	unsigned int changes;

	(void)state;
	one_reader(&host, READER_OBJECTS, 16, 3000, 250, 0.02);
	host_start(&host, CLASS_OBJECTS, 32);
	host.policy_kb[CLASS_PAGES] = 16;
	host.hidden_from_kb = 64;
	host_run(&host, HOUR_HOPS);
	assert_true(own_rate(&host, 64) > 1.1 * own_rate(&host, 32));
	assert_int_equal(host.pair_kb, 64);
	assert_true(host.most_worse_of <= 200);
	changes = host.changes;
	host_run(&host, HOUR_HOPS);
	assert_int_equal(host.pair_kb, 64);
	assert_true(host.worse_hops * 50 <= host.hops);
	/* A look now and then, no more: each is two changes. */
	assert_true(host.changes - changes <= 3 * HOUR_HOPS / 240);
	host.class_id = CLASS_PAGES;
	host.device.reader[0].size_kb = 4;
	host_run(&host, HOUR_HOPS / 2);
	assert_int_equal(host.pair_kb, 0);
	assert_true(host.unpaired >= 1);
	assert_true(host.ra_kb <= 16);
}

/*
 * Objects of 16 KB that look like pages at the 64 KB that pages have, and that objects' own value
 * serves badly: a trial of 32 KB shows what they are. Whether it is worse or better than 64, and
 * whenever in the trial or behind it the class changes, they get nothing but what was in force
 * before it and what is tried.
 */
static void pages_that_are_objects(void **state)
{
	/* IOPS and MB/s: 32 KB is worse there (more requests), or better (fewer bytes). */
	static const double devices[][2] = {{120, 10}, {3000, 125}};
	static const unsigned int hidden_hops[] = {0, 120, 1920};
	unsigned int d, n, k, seed, below;

	(void)state;
	for (d = 0; d < 2; d++) {
		for (n = 0; n < 3; n++) {
			for (seed = 1; seed <= 20; seed++) {
				one_reader(&host, READER_OBJECTS, 16, devices[d][0], devices[d][1],
					   0.02);
				host.device.seed = seed;
				host_start(&host, CLASS_OBJECTS, 64);
				host.decided = CLASS_PAGES;
				host.policy_kb[CLASS_OBJECTS] = 256;
				host.hidden_from_kb = 64;
				host.hidden_hops = hidden_hops[n];
				assert_true(own_rate(&host, 256) < 0.5 * own_rate(&host, 64));
				for (k = below = 0; k < 2 * HOUR_HOPS; k++) {
					host_hop(&host);
					assert_true(host.ra_kb == 64 ||
						    host.ra_kb == host.tried_kb);
					assert_int_not_equal(host.ra_kb, 256);
					below += own_rate(&host, host.ra_kb) <
						 0.97 * own_rate(&host, 64);
				}
				assert_true(host.tries >= 2);
				assert_int_equal(host.kept, 0);
				assert_true(below * 50 <= host.hops);
				assert_true(host.most_worse_of <= 200);
				/* The class, too, is again what it was. */
				host_run(&host, hidden_hops[n] + 100);
				while (trim_is_busy(&host.trim, 7))
					host_hop(&host);
				assert_int_equal(host.decided, CLASS_PAGES);
				assert_int_equal(host.ra_kb, 64);
			}
		}
	}
}

/* The other way round: objects at their best value, and a trial above it makes pages of them. */
static void objects_that_look_like_pages(void **state)
{
	unsigned int k;

	(void)state;
	one_reader(&host, READER_OBJECTS, 16, 1000, 38, 0.02);
	host_start(&host, CLASS_OBJECTS, 32);
	host.policy_kb[CLASS_PAGES] = 4;
	host.hidden_from_kb = 64;
	for (k = 0; k < 2 * HOUR_HOPS; k++) {
		host_hop(&host);
		assert_true(host.ra_kb == 32 || host.ra_kb == host.tried_kb);
		assert_int_not_equal(host.ra_kb, 4);
	}
	assert_true(host.tries >= 2);
	assert_int_equal(host.kept, 0);
}

/* Objects that are hidden at their value all along are tried on, whatever a trial did of it. */
static void hidden_before_the_trial(void **state)
{
	unsigned int k, busy = 0;

	(void)state;
	one_reader(&host, READER_OBJECTS, 16, 120, 10, 0.02);
	host_start(&host, CLASS_OBJECTS, 64);
	host.policy_kb[CLASS_PAGES] = 16;
	host.hidden_from_kb = 64;
	host.hidden_hops = HOUR_HOPS;
	for (k = 0; k < HOUR_HOPS; k++) {
		host_hop(&host);
		busy = trim_is_busy(&host.trim, 7) ? busy + 1 : 0;
		assert_true(busy < 40);
	}
	assert_true(host.tries >= 2);
}

/* A look at what shares a value changes the class, too, and that keeps nobody from the next look.
 */
static void looks_go_on(void **state)
{
	unsigned int tries;

	(void)state;
	one_reader(&host, READER_OBJECTS, 16, 120, 10, 0.02);
	host_start(&host, CLASS_OBJECTS, 64);
	host.decided = CLASS_PAGES;
	host.pair_kb = 64;
	host.hidden_from_kb = 64;
	host.hidden_hops = 1920;
	host_run(&host, HOUR_HOPS / 2);
	tries = host.tries;
	host_run(&host, HOUR_HOPS);
	/* Every two minutes or so. */
	assert_true(host.tries - tries >= 20);
	assert_int_equal(host.pair_kb, 64);
}

/*
 * A look at half the value that is shared finds no objects, since they are hidden there, too. They
 * are in force for a while yet: not with their own value, which nobody has tried on these readers.
 */
static void a_look_finds_pages(void **state)
{
	unsigned int k;

	(void)state;
	one_reader(&host, READER_OBJECTS, 16, 120, 10, 0.02);
	host_start(&host, CLASS_OBJECTS, 64);
	host.policy_kb[CLASS_OBJECTS] = 256;
	host.pair_kb = host.ra_kb = 128;
	host.hidden_from_kb = 64;
	host.hidden_hops = HOUR_HOPS / 2;
	for (k = 0; k < HOUR_HOPS; k++) {
		host_hop(&host);
		assert_true(host.ra_kb <= 128);
	}
	assert_int_equal(host.unpaired, 1);
	assert_int_equal(host.ra_kb, 64);
}

/* The same, at a cost: whatever they are called, the value that they share is the better one. */
static void a_look_that_costs(void **state)
{
	(void)state;
	one_reader(&host, READER_OBJECTS, 64, 120, 150, 0.02);
	host_start(&host, CLASS_OBJECTS, 64);
	host.policy_kb[CLASS_PAGES] = 16;
	host.pair_kb = host.ra_kb = 128;
	host.hidden_from_kb = 64;
	while (!host.tries || trim_is_busy(&host.trim, 7))
		host_hop(&host);
	assert_int_equal(host.tried_kb, 64);
	assert_int_equal(host.unpaired, 0);
	assert_int_equal(host.pair_kb, 128);
	assert_int_equal(host.ra_kb, 128);
}

/* What shows at the end of a trial is what shows next: then the two classes share the value. */
static void hidden_at_the_end(void **state)
{
	(void)state;
	one_reader(&host, READER_OBJECTS, 4, 3000, 125, 0.02);
	host.device.reader[0].most_per_s = 100;
	host_start(&host, CLASS_OBJECTS, 64);
	while (!host.kept) {
		host_hop(&host);
		host.class_id = host.trim.bdi[0].phase == TRIM_TRIAL &&
						host.trim.bdi[0].nr_trial >= TRIM_TRIAL_MAX - 3 ?
					CLASS_PAGES :
					CLASS_OBJECTS;
	}
	assert_int_equal(host.pair_kb, host.tried_kb);
}

/* Others read when the value before is back: they get their own as soon as they are sure. */
static void other_readers_after_a_trial(void **state)
{
	static const unsigned int others[] = {CLASS_OBJECTS, CLASS_SEQUENTIAL};
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		one_reader(&host, READER_OBJECTS, 16, 120, 10, 0.02);
		host_start(&host, CLASS_PAGES, 64);
		host.policy_kb[others[i]] = 512;
		while (!host.trial_kb)
			host_hop(&host);
		while (host.trial_kb != 64)
			host_hop(&host);
		host.class_id = others[i];
		host_run(&host, 5);
		assert_int_not_equal(host.ra_kb, 512);
		host_run(&host, 10);
		assert_int_equal(host.ra_kb, 512);
		assert_int_equal(host.trial_kb, 0);
	}
}

/* Devices that nobody reads since a trial of theirs keep no others from one. */
static void left_unfinished(void **state)
{
	unsigned int i;

	(void)state;
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
	host_start(&host, CLASS_SEQUENTIAL, 256);
	for (i = 0; i < TRIM_BDIS; i++)
		host.trim.bdi[i] =
			(struct trim_bdi){.bdi_id = 100 + i, .used_ns = 1, .phase = TRIM_SETTLING};
	host_run(&host, HOUR_HOPS);
	assert_true(host.tries > 0);
}

/*
 * Objects of 4 KB that lie across two pages, as RocksDB's blocks do: one read-around of 16 KB holds
 * both, a page at a time makes two waits of one. However often the reader wakes on another CPU and
 * its second page counts as a place, up to where nothing tells it from two places: never kept.
 */
static void objects_across_pages(void **state)
{
	static const double moves[] = {0, 0.5, 0.8, 0.85, 0.9, 0.93};
	unsigned int i, seed;

	(void)state;
	for (i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		for (seed = 1; seed <= 20; seed++) {
			one_reader(&host, READER_OBJECTS, 4, 3000, 125, 0.01);
			host.device.seed = seed;
			host.device.pages.crosses = 0.6;
			host.device.pages.moves = moves[i];
			host.device.pages.markers = 0.045;
			host_start(&host, CLASS_PAGES, 16);
			assert_true(own_rate(&host, 4) < 0.7 * own_rate(&host, 16));
			host_run(&host, 2 * HOUR_HOPS);
			assert_true(host.tries > 0);
			assert_int_equal(host.kept, 0);
			assert_int_equal(host.ra_kb, 16);
			assert_true(host.most_worse_of <= 200);
		}
	}
}

/* The same where readers ask for little: a page at a time is half again as many waits for each. */
static void equal_demand_across_pages(void **state)
{
	(void)state;
	one_reader(&host, READER_OBJECTS, 4, 3000, 125, 0.02);
	host.device.reader[0].most_per_s = 100;
	host.device.pages.crosses = 0.6;
	host_start(&host, CLASS_PAGES, 64);
	host_run(&host, 4 * HOUR_HOPS);
	assert_int_equal(host.ra_kb, 16);
}

/* A hot set in little memory: a page at a time leaves room for what is wanted. */
static void hot_set(void **state)
{
	unsigned int seed;

	(void)state;
	for (seed = 1; seed <= 20; seed++) {
		one_reader(&host, READER_OBJECTS, 4, 3000, 125, 0.03);
		host.device.seed = seed;
		host.device.pages.cached = 0.8;
		host.device.pages.markers = 0.2;
		host_start(&host, CLASS_PAGES, 16);
		assert_true(own_rate(&host, 4) > 1.4 * own_rate(&host, 16));
		host_run(&host, HOUR_HOPS);
		assert_int_equal(host.ra_kb, 4);
	}
}

/* Demand that comes and goes by itself, every 20 s: nothing is learned from it. */
static void restless_demand(void **state)
{
	unsigned int i;

	(void)state;
	one_reader(&host, READER_RANDOM, 4, 3000, 125, 0.02);
	host_start(&host, CLASS_SHORT_RUNS, 128);
	for (i = 0; i < 1000; i++) {
		host.device.reader[0].most_per_s = i & 1 ? 500 : 2500;
		host_run(&host, 40);
	}
	assert_true(host.kept * 20 <= host.tries);
	assert_true(host.most_worse_of <= 200);
}

static void any_reader_on_any_device(void **state)
{
	static const unsigned int classes[] = {
		[READER_STREAM] = CLASS_SEQUENTIAL, [READER_RUNS] = CLASS_SHORT_RUNS,
		[READER_RANDOM] = CLASS_SHORT_RUNS, [READER_OBJECTS] = CLASS_OBJECTS,
		[READER_FILES] = CLASS_SMALL_FILES,
	};
	static const unsigned int sizes[] = {16, 64, 64, 256};
	double start_share = 0, end_share = 0, worst_end = 1, best, rate, most_truly_worse = 0;
	unsigned int n, i, k, runs = 0, lost = 0;
	__u64 seed = 42, most = 0;

	(void)state;
	for (n = 0; n < 500; n++) {
		enum reader_kind kind = (enum reader_kind)(made_random(&seed) * NR_READER_KINDS);
		unsigned int from_kb = 16U << (unsigned int)(made_random(&seed) * 8);

		one_reader(&host, kind, sizes[(unsigned int)(made_random(&seed) * 4)],
			   made_between(&seed, 80, 50000), made_between(&seed, 50, 3000),
			   made_between(&seed, 0.01, 0.15));
		if (kind == READER_RUNS && host.device.reader[0].size_kb < 64)
			host.device.reader[0].size_kb = 64;
		host.device.seed = seed;
		host.device.latency_s =
			made_random(&seed) < 0.5 ? 0 : made_between(&seed, 20e-6, 5e-3);
		if (made_random(&seed) < 0.2)
			host.device.reader[0].most_per_s =
				own_rate(&host, from_kb) * made_between(&seed, 0.3, 1.5);
		host_start(&host, classes[kind], from_kb);
		for (i = 0, best = 0; i < TRIM_RUNGS; i++) {
			rate = own_rate(&host, trim_rung_kb(i));
			if (rate > best)
				best = rate;
		}
		for (k = 0; k < 8; k++) {
			host_run(&host, HOUR_HOPS / 2);
			assert_true(host.most_worse_of <= 200);
		}
		if (host.most_worse_of > most)
			most = host.most_worse_of;
		if (host.worse_hops / (double)host.hops > most_truly_worse)
			most_truly_worse = host.worse_hops / (double)host.hops;
		start_share += own_rate(&host, from_kb) / best;
		rate = own_rate(&host, host.ra_kb) / best;
		end_share += rate;
		if (rate < worst_end)
			worst_end = rate;
		lost += own_rate(&host, host.ra_kb) < 0.95 * own_rate(&host, from_kb);
		runs++;
	}
	print_message("%u readers, 4 h each: %.3f of the best at the start, %.3f at the end, %.3f "
		      "the worst; %u ended below their start; at most %.2f %% of the time in "
		      "values found worse, %.2f %% in values that are\n",
		      runs, start_share / runs, end_share / runs, worst_end, lost,
		      (double)most / 100, 100 * most_truly_worse);
	assert_true(end_share > start_share);
	assert_true(end_share / runs > 0.9);
	assert_true(lost * 50 <= runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_on_a_slow_disk),
		cmocka_unit_test(first_watch),
		cmocka_unit_test(switched_off),
		cmocka_unit_test(nothing_to_gain),
		cmocka_unit_test(equal_demand),
		cmocka_unit_test(nobody_else_pays),
		cmocka_unit_test(hidden_objects),
		cmocka_unit_test(pages_that_are_objects),
		cmocka_unit_test(objects_that_look_like_pages),
		cmocka_unit_test(hidden_before_the_trial),
		cmocka_unit_test(looks_go_on),
		cmocka_unit_test(a_look_finds_pages),
		cmocka_unit_test(a_look_that_costs),
		cmocka_unit_test(hidden_at_the_end),
		cmocka_unit_test(other_readers_after_a_trial),
		cmocka_unit_test(left_unfinished),
		cmocka_unit_test(objects_across_pages),
		cmocka_unit_test(equal_demand_across_pages),
		cmocka_unit_test(hot_set),
		cmocka_unit_test(restless_demand),
		cmocka_unit_test(any_reader_on_any_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
