// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard on made-up devices: what it takes back, how fast, what it leaves alone, what it
 * remembers. A loop of a few lines stands for the kernel programs and for steer.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "loader/guard.h"
#include "made_device.h"

#define HOP_NS 500000000ULL
#define DWELL_HOPS 4

struct host {
	struct guard guard;
	struct made_device device;
	unsigned int class_id; /* what the model calls the readers */
	unsigned int decided;
	unsigned int hidden_from_kb; /* objects look like pages from here on; 0: never */
	/* Up to here they look like that, which may be decided for, at the same value; 0: never. */
	unsigned int small_kb, small_class;
	bool small_is_decided;
	bool begins; /* after a pause */
	unsigned int ra_kb, policy_kb, override_kb;
	__u32 override_classes;
	unsigned int confirm, since_event;
	unsigned int reverts, harmful, cleared, changes, harm_kb, fine, unjudged, unseen;
	enum guard_reason reason;
	bool held;
	bool forget_harm;
	unsigned int hops, hops_at_policy; /* with policy_kb in place */
	struct guard_finding last;
};

static void host_start(struct host *h, unsigned int class_id, unsigned int ra_kb,
		       unsigned int policy_kb)
{
	struct made_device device = h->device;

	memset(h, 0, sizeof(*h));
	h->device = device;
	h->device.time_ns = 1000000000ULL;
	guard_init(&h->guard, 4);
	h->class_id = class_id;
	h->decided = CLASS_NONE;
	h->ra_kb = ra_kb;
	h->policy_kb = policy_kb;
}

/* One hop: the device works, a sample is sent where the kernel sends one, a value is written. */
static void host_hop(struct host *h)
{
	struct guard_finding f = {0};
	struct sample s = {.bdi_id = 7};
	unsigned int i, wanted, shown = h->class_id, answer;
	bool watched = guard_watch_until(&h->guard, 7) > h->device.time_ns;

	made_work(&h->device, h->ra_kb, HOP_NS);
	h->hops++;
	h->hops_at_policy += h->ra_kb == h->policy_kb;
	s.time_ns = h->device.time_ns;
	s.ra_kb = h->ra_kb;
	if (h->class_id == CLASS_OBJECTS && h->hidden_from_kb && h->ra_kb >= h->hidden_from_kb)
		shown = CLASS_PAGES;
	if (h->ra_kb <= h->small_kb)
		shown = h->small_class;
	answer = h->small_is_decided ? shown : h->class_id;
	s.hop_class = s.window_class = (__u8)shown;
	s.decided_class = (__u8)h->decided;
	for (i = 0; i < COUNTERS_MAX; i++)
		s.total[i] = (__u64)h->device.total[i];
	if (watched || h->begins || h->decided != answer || h->hops % 20 == 0)
		guard_sample(&h->guard, &s, NULL, &f);
	h->begins = false;
	switch (f.verdict) {
	case GUARD_REVERT:
		h->reverts++;
		h->override_kb = f.from_kb;
		h->override_classes = f.classes;
		h->last = f;
		break;
	case GUARD_HARMFUL:
		h->harmful++;
		h->harm_kb = f.to_kb;
		break;
	case GUARD_CLEARED:
		h->cleared++;
		h->override_kb = 0;
		break;
	case GUARD_FINE:
		h->fine++;
		break;
	case GUARD_NO_TELLING:
		h->unjudged++;
		h->reason = f.reason;
		h->held = f.held;
		break;
	default:
		break;
	}
	h->since_event++;
	if (h->decided != answer && ++h->confirm == 3) {
		h->decided = answer;
		h->confirm = 0;
	}
	if (h->decided != answer || h->since_event < DWELL_HOPS)
		return;
	wanted = h->override_kb && h->override_classes & (1U << h->decided) ? h->override_kb :
									      h->policy_kb;
	if (wanted == h->ra_kb)
		return;
	h->unseen += !guard_changed(&h->guard, 7, h->decided, h->ra_kb, wanted, h->device.time_ns);
	h->ra_kb = wanted;
	h->changes++;
	h->since_event = 0;
}

static void host_run(struct host *h, unsigned int hops)
{
	while (hops--)
		host_hop(h);
}

static void host_pause(struct host *h, unsigned int seconds)
{
	h->device.time_ns += seconds * 1000000000ULL;
	h->begins = true;
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

/* --- one by one ------------------------------------------------------------------------------ */

static struct host host;

static void single_pages_at_4096(void **state)
{
	(void)state;
	one_reader(&host, READER_OBJECTS, 4, 3000, 125, 0.05);
	host_start(&host, CLASS_PAGES, 128, 4096);
	host_run(&host, 60);
	assert_int_equal(host.reverts, 1);
	assert_int_equal(host.harmful, 1);
	assert_int_equal(host.harm_kb, 4096);
	assert_int_equal(host.ra_kb, 128);
	assert_int_equal(host.last.measure, PROGRESS_AROUNDS);
	assert_true(host.last.loss.loss > 900);
	assert_true(host.hops_at_policy <= 6); /* 3 s */
}

static void stream_at_16_on_a_slow_disk(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
	host_start(&host, CLASS_SEQUENTIAL, 1024, 16);
	host_run(&host, 60);
	assert_int_equal(host.harmful, 1);
	assert_int_equal(host.ra_kb, 1024);
	assert_true(host.hops_at_policy <= 6);
}

/* A wrong model says pages to a stream, whose read-arounds are none before and none after. */
static void what_the_class_is_not_about_counts_too(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
	host_start(&host, CLASS_PAGES, 1024, 16);
	host_run(&host, 60);
	assert_int_equal(host.harmful, 1);
	assert_int_equal(host.last.measure, PROGRESS_STREAMS);
	assert_int_equal(host.ra_kb, 1024);
}

/*
 * It had hardly begun in the first of the two hops before, so that by their spread any loss may be
 * noise.
 */
static void a_before_that_is_mostly_noise(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
	host_start(&host, CLASS_PAGES, 1024, 16);
	host_run(&host, 1);
	host.device.kb_per_s = 30000;
	host_run(&host, 1);
	host.device.kb_per_s = 150000;
	host_run(&host, 60);
	assert_int_equal(host.changes, 2);
	assert_int_equal(host.harmful, 1);
	assert_int_equal(host.last.measure, PROGRESS_STREAMS);
	assert_int_equal(host.ra_kb, 1024);
	assert_true(host.hops_at_policy <= 6);
}

/* From a new place every 14 windows: runs, if need be, and too few of them to count by. */
static void a_before_that_is_in_doubt(void **state)
{
	struct comparison c;

	(void)state;
	one_reader(&host, READER_RUNS, 6144, 120, 30, 0.03);
	host_start(&host, CLASS_PAGES, 1024, 16);
	host_run(&host, 60);
	assert_false(objective_compare(host.guard.bdi[0].before, 2, host.guard.bdi[0].after, 4,
				       PROGRESS_STREAMS, &c));
	assert_int_equal(host.changes, 2);
	assert_int_equal(host.harmful, 1);
	assert_int_equal(host.last.measure, PROGRESS_STREAMS);
	assert_int_equal(host.ra_kb, 1024);
	assert_true(host.hops_at_policy <= 6);
}

/* The value makes them look like somebody else, whom no decision follows, or one for the same
 * value.
 */
static void harm_that_looks_like_others(void **state)
{
	int decided;

	(void)state;
	for (decided = 0; decided < 2; decided++) {
		one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
		host_start(&host, CLASS_PAGES, 1024, 16);
		host.small_kb = 16;
		host.small_class = CLASS_RANDOM;
		host.small_is_decided = decided;
		host_run(&host, 80);
		assert_int_equal(host.reverts, 1);
		assert_int_equal(host.harmful, 1);
		assert_int_equal(host.harm_kb, 16);
		assert_int_equal(host.last.class_id, CLASS_PAGES);
		assert_int_equal(host.last.measure, PROGRESS_STREAMS);
		assert_int_equal(host.ra_kb, 1024);
		assert_int_equal(host.changes, 2);
		assert_true(host.hops_at_policy <= 8);
	}
}

/* At 16 KB objects of 64 go on in windows, as a stream does; at 256 there is none, and no loss. */
static void objects_that_went_on(void **state)
{
	unsigned int size;

	(void)state;
	for (size = 32; size <= 128; size *= 2) {
		one_reader(&host, READER_OBJECTS, size, 120, 150, 0.03);
		host.device.pages.goes_on = true;
		host_start(&host, CLASS_OBJECTS, 16, 256);
		host_run(&host, 60);
		assert_int_equal(host.reverts, 0);
		assert_int_equal(host.fine, 1);
		assert_int_equal(host.ra_kb, 256);
	}
	/* A stream beside them that gets less is one all the same. */
	one_reader(&host, READER_OBJECTS, 64, 120, 150, 0.03);
	host.device.pages.goes_on = true;
	host.device.nr_readers = 2;
	host.device.reader[0].most_per_s = 5;
	host.device.reader[1] = (struct reader){READER_STREAM, 0, 1, 0};
	host_start(&host, CLASS_OBJECTS, 64, 16);
	host_run(&host, 60);
	assert_int_equal(host.harmful, 1);
	assert_int_equal(host.last.measure, PROGRESS_STREAMS);
}

/* Others come that are given the same value: what the first ones read is no loss. */
static void others_at_the_same_value(void **state)
{
	(void)state;
	one_reader(&host, READER_OBJECTS, 4, 3000, 125, 0.03);
	host_start(&host, CLASS_PAGES, 128, 16);
	host_run(&host, 5);
	assert_int_equal(host.changes, 1);
	host.device.reader[0] = (struct reader){READER_RANDOM, 4, 1, 0};
	host.class_id = CLASS_RANDOM;
	host_run(&host, 100);
	assert_int_equal(host.reverts, 0);
	assert_int_equal(host.unjudged, 1);
	assert_int_equal(host.reason, GUARD_PATTERN);
	assert_false(host.held);
	assert_int_equal(host.ra_kb, 16);
	assert_int_equal(host.changes, 1);
}

/* What the kernel's own value costs until ours is back is not the new value's fault. */
static void the_kernel_resets_it(void **state)
{
	unsigned int hops;

	(void)state;
	for (hops = 1; hops <= 60; hops += hops < 4 ? 1 : 56) {
		one_reader(&host, READER_OBJECTS, 4, 3000, 125, 0.03);
		host_start(&host, CLASS_PAGES, 128, 16);
		while (!host.changes)
			host_hop(&host);
		host_run(&host, 2);
		host.policy_kb = host.ra_kb = 1280; /* nobody decides for it */
		host_run(&host, hops);
		host.policy_kb = host.ra_kb = 16;
		host_run(&host, 60);
		assert_int_equal(host.reverts, 0);
		assert_int_equal(host.changes, 1);
		assert_int_equal(host.fine, hops < 60);
		assert_int_equal(host.unjudged, hops == 60);
		assert_int_equal(host.unjudged ? host.reason : GUARD_VALUE, GUARD_VALUE);
	}
	/* Neither is it what brings anything back. */
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
	host_start(&host, CLASS_SEQUENTIAL, 1024, 16);
	while (host.changes < 2)
		host_hop(&host);
	assert_int_equal(host.reverts, 1);
	host_run(&host, 2);
	host.override_kb = host.ra_kb = 16;
	host_run(&host, 3);
	host.override_kb = host.ra_kb = 1024;
	host_run(&host, 60);
	assert_int_equal(host.harmful, 1);
	assert_int_equal(host.cleared + host.unjudged, 0);
}

/* They leave as the value changes, are back before two minutes are over, and get less. */
static void harm_after_a_silence(void **state)
{
	int in_doubt;

	(void)state;
	for (in_doubt = 0; in_doubt < 2; in_doubt++) {
		one_reader(&host, in_doubt ? READER_RUNS : READER_STREAM, 6144, 120, 30, 0.03);
		host_start(&host, in_doubt ? CLASS_PAGES : CLASS_SEQUENTIAL, 1024, 16);
		while (!host.changes)
			host_hop(&host);
		host_pause(&host, 20);
		host_run(&host, 1);
		assert_int_equal(host.unjudged, 1);
		assert_int_equal(host.reason, GUARD_SILENCE);
		host_run(&host, 60);
		assert_int_equal(host.harmful, 1);
		assert_int_equal(host.ra_kb, 1024);
	}
}

/* They leave when it has been taken back: the old value waits for them, and so does the verdict. */
static void silence_at_the_old_value(void **state)
{
	unsigned int changes;

	(void)state;
	for (changes = 1; changes <= 2; changes++) { /* due, and in place */
		one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
		host_start(&host, CLASS_SEQUENTIAL, 1024, 16);
		while (!host.reverts || host.changes < changes)
			host_hop(&host);
		host_pause(&host, 60);
		host_run(&host, 60);
		assert_int_equal(host.harmful, 1);
		assert_int_equal(host.cleared + host.unjudged, 0);
		assert_int_equal(host.changes, 2);
		assert_int_equal(host.ra_kb, 1024);
	}
	/* Who comes hours later is no witness. */
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
	host_start(&host, CLASS_SEQUENTIAL, 1024, 16);
	while (host.changes < 2)
		host_hop(&host);
	host_pause(&host, 600);
	host_run(&host, 60);
	assert_int_equal(host.harmful + host.cleared, 0);
	assert_int_equal(host.unjudged, 1);
	assert_int_equal(host.reason, GUARD_SILENCE);
	assert_true(host.held);
}

/* Others come when it has been taken back: the old value stays, until the first ones are back. */
static void others_at_the_old_value(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
	host_start(&host, CLASS_SEQUENTIAL, 1024, 16);
	while (host.changes < 2)
		host_hop(&host);
	host.class_id = CLASS_MIXED;
	host.policy_kb = 1024;
	host_run(&host, 8);
	assert_int_equal(host.harmful + host.cleared, 0);
	assert_int_equal(host.unjudged, 1);
	assert_int_equal(host.reason, GUARD_PATTERN);
	assert_true(host.held);
}

/* It is to be taken back, and nobody does, while readers read on. */
static void nobody_takes_it_back(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
	host_start(&host, CLASS_SEQUENTIAL, 1024, 16);
	while (!host.reverts && host.hops < 40) {
		host_hop(&host);
		host.override_kb = 0;
	}
	host_run(&host, 15);
	assert_int_equal(host.reverts, 1);
	assert_int_equal(host.cleared, 0);
	assert_int_equal(host.unjudged, 1);
	assert_int_equal(host.reason, GUARD_UNANSWERED);
	assert_true(host.held);
}

/* A value that was cleared twice is believed; another one of the same class is not. */
static void what_was_cleared_is_a_value(void **state)
{
	unsigned int i;

	(void)state;
	one_reader(&host, READER_STREAM, 0, 3000, 125, 0.03);
	host.device.reader[0].most_per_s = 900; /* windows */
	host_start(&host, CLASS_SEQUENTIAL, 128, 256);
	for (i = 0; i < 2; i++) { /* each time they are as many again, and ask for less than half */
		host.policy_kb = 128;
		host.device.reader[0].most_per_s = 900;
		host_run(&host, 60);
		host.decided = CLASS_NONE; /* so that samples come */
		host.policy_kb = 256;
		while (host.ra_kb != 256)
			host_hop(&host);
		host.device.reader[0].most_per_s = 200;
		host_run(&host, 40);
		assert_int_equal(host.cleared, i + 1);
	}
	host.device.reader[0] = (struct reader){READER_OBJECTS, 4, 1, 0};
	host.policy_kb = 128;
	host_run(&host, 60);
	host.decided = CLASS_NONE;
	host.policy_kb = 4096;
	host_run(&host, 40);
	assert_int_equal(host.harm_kb, 4096);
	assert_int_equal(host.ra_kb, 128);
}

/* A stream gains from 4096 KB what the random readers beside it lose. */
static void no_total_trades_a_tenant_away(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 3000, 125, 0.03);
	host.device.nr_readers = 2;
	host.device.reader[1] = (struct reader){READER_RANDOM, 4, 4, 0};
	host_start(&host, CLASS_MIXED, 128, 4096);
	host_run(&host, 60);
	assert_int_equal(host.harmful, 1);
	assert_int_equal(host.last.measure, PROGRESS_JUMPS);
	assert_int_equal(host.ra_kb, 128);
}

static void a_gain_stays(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.05);
	host_start(&host, CLASS_SEQUENTIAL, 128, 1024);
	host_run(&host, 100);
	assert_int_equal(host.reverts, 0);
	assert_int_equal(host.ra_kb, 1024);
	assert_int_equal(host.changes, 1);
}

/* Two thirds of the readers leave as the value changes. */
static void less_demand_is_no_harm(void **state)
{
	(void)state;
	one_reader(&host, READER_RANDOM, 4, 3000, 125, 0.03);
	host.device.reader[0].most_per_s = 2000;
	host_start(&host, CLASS_RANDOM, 128, 16);
	host_run(&host, 5);
	assert_int_equal(host.changes, 1);
	host.device.reader[0].most_per_s = 700;
	host_run(&host, 100);
	assert_int_equal(host.harmful, 0);
	assert_int_equal(host.ra_kb, 16);
	assert_true(host.changes <= 5);

	/* Each of their reads takes what it took, and the disk is seen: nothing is taken back. */
	assert_int_equal(host.reverts, 0);
	assert_int_equal(host.fine, 1);
}

/* A loss of 11 %; at equal cost it is one of demand, at 3 % more of anything it is not. */
static void what_costs_more_is_a_loss(void **state)
{
	struct comparison c = {.loss = 110, .error = 10};
	struct hop before[2], after;
	unsigned int m;

	(void)state;
	memset(before, 0, sizeof(before));
	memset(&after, 0, sizeof(after));
	for (m = 0; m < NR_MEASURES; m++) {
		before[0].amount[m] = before[1].amount[m] = 1000;
		after.amount[m] = 890;
	}
	before[0].calls = before[1].calls = 1000;
	before[0].device_bytes = before[1].device_bytes = 16000000;
	before[0].device_reads = before[1].device_reads = 1000;
	after.calls = after.device_reads = 890;
	after.device_bytes = 14240000;
	for (m = 0; m < NR_MEASURES; m++)
		assert_int_equal(objective_is_less_demand(before, 2, &after, 1, m, &c),
				 m != PROGRESS_STREAMS && m != PROGRESS_FILES);
	after.device_bytes = 14480000; /* 2 % more for each */
	assert_true(objective_is_less_demand(before, 2, &after, 1, PROGRESS_JUMPS, &c));
	c.loss = 60;
	assert_false(objective_is_less_demand(before, 2, &after, 1, PROGRESS_JUMPS, &c));
	c.loss = -10;
	assert_false(objective_is_less_demand(before, 2, &after, 1, PROGRESS_JUMPS, &c));
	c.loss = 110;
	after.device_bytes = 14700000;
	assert_false(objective_is_less_demand(before, 2, &after, 1, PROGRESS_JUMPS, &c));
	/* What others read beside them in one hop before makes the other no cheaper. */
	before[0].device_bytes = 40000000;
	assert_false(objective_is_less_demand(before, 2, &after, 1, PROGRESS_JUMPS, &c));
	before[0].device_bytes = 16000000;
	after.device_bytes = 14240000;
	after.device_reads = 920;
	assert_false(objective_is_less_demand(before, 2, &after, 1, PROGRESS_JUMPS, &c));
	after.device_reads = 890;
	assert_true(objective_is_less_demand(before, 2, &after, 1, PROGRESS_JUMPS, &c));
	/* Of windows, one in twenty calls or one byte in five, what overlaps is not seen. */
	before[0].weight[PROGRESS_STREAMS] = before[1].weight[PROGRESS_STREAMS] = 50;
	before[0].events[PROGRESS_STREAMS] = before[1].events[PROGRESS_STREAMS] = 50;
	assert_false(objective_is_less_demand(before, 2, &after, 1, PROGRESS_JUMPS, &c));
	before[0].weight[PROGRESS_STREAMS] = before[1].weight[PROGRESS_STREAMS] = 0;
	/* Where the device's reads are not seen, or nothing is left to divide by. */
	before[1].device_reads = 0;
	assert_false(objective_is_less_demand(before, 2, &after, 1, PROGRESS_JUMPS, &c));
	before[1].device_reads = 1000;
	after.device_reads = 0;
	assert_false(objective_is_less_demand(before, 2, &after, 1, PROGRESS_JUMPS, &c));
	after.device_reads = 890;
	after.amount[PROGRESS_JUMPS] = 0;
	assert_false(objective_is_less_demand(before, 2, &after, 1, PROGRESS_JUMPS, &c));
}

/*
 * Windows ask for what waits for the disk's limit, or lies in memory. That is no loss if the disk
 * is asked for as much afterwards; nor is what comes from memory afterwards, while windows ask on.
 */
static void a_stream_loses_what_the_disk_no_longer_gives(void **state)
{
	struct snapshot from = {.time_ns = 1}, to = {.time_ns = 1 + HOP_NS};
	struct hop before[4], after[4];
	struct comparison c;
	unsigned int i;

	(void)state;
	to.total[COUNTER_ORDER_CALLS] = to.total[COUNTER_ASYNC_CALLS] = 32;
	to.total[COUNTER_ORDER_PAGES] = to.total[COUNTER_ORDER_RA_PAGES] = 32 * 640;
	to.total[COUNTER_BLOCK_READS] = 50;
	to.total[COUNTER_BLOCK_READ_BYTES] = 62500000;
	assert_true(objective_hop(&from, &to, 4, &before[0]));
	assert_int_equal(before[0].amount[PROGRESS_STREAMS], 32 * 640 * 4096);
	assert_int_equal(before[0].delivered, 62500000);
	to.total[COUNTER_ORDER_PAGES] = 32 * 480; /* 62.9 MB */
	assert_true(objective_hop(&from, &to, 4, &after[0]));
	for (i = 1; i < 4; i++) {
		before[i] = before[0];
		after[i] = after[0];
	}
	assert_true(objective_compare(before, 4, after, 4, PROGRESS_STREAMS, &c));
	assert_in_range(c.loss, 0, 10); /* not 250 */
	assert_true(objective_compare(after, 4, before, 4, PROGRESS_STREAMS, &c));
	assert_in_range(c.gain, 0, 10);
	/* Half of it from memory, and all of it: the disk was seen, so nothing is nothing. */
	to.total[COUNTER_BLOCK_READ_BYTES] = 31250000;
	assert_true(objective_hop(&from, &to, 4, &after[0]));
	assert_int_equal(after[0].delivered, 31250000);
	from = to;
	to.time_ns += HOP_NS;
	to.total[COUNTER_ORDER_CALLS] += 32;
	to.total[COUNTER_ORDER_PAGES] += 32 * 640;
	to.total[COUNTER_ORDER_RA_PAGES] += 32 * 640;
	assert_true(objective_hop(&from, &to, 4, &after[1]));
	assert_int_equal(after[1].delivered, 0);
	after[2] = after[0];
	after[3] = after[1];
	for (i = 0; i < 4; i++)
		after[i].amount[PROGRESS_STREAMS] = before[0].amount[PROGRESS_STREAMS];
	assert_true(objective_compare(before, 4, after, 4, PROGRESS_STREAMS, &c));
	assert_true(c.loss <= 10);
	/* Less of both is a loss. */
	for (i = 0; i < 4; i++)
		after[i].amount[PROGRESS_STREAMS] = after[i].delivered = 20000000;
	assert_true(objective_compare(before, 4, after, 4, PROGRESS_STREAMS, &c));
	assert_in_range(c.loss, 600, 700);
	/* Not seen: what is asked for. */
	memset(&from, 0, sizeof(from));
	to.total[COUNTER_BLOCK_READS] = to.total[COUNTER_BLOCK_READ_BYTES] = 0;
	assert_true(objective_hop(&from, &to, 4, &after[0]));
	assert_int_equal(after[0].delivered, after[0].amount[PROGRESS_STREAMS]);
}

/* They all stop, and come back later. */
static void silence_is_no_harm(void **state)
{
	(void)state;
	one_reader(&host, READER_RANDOM, 4, 3000, 125, 0.03);
	host_start(&host, CLASS_RANDOM, 128, 16);
	host_run(&host, 5);
	host.device.time_ns += 20000000000ULL; /* without reads no hop ends */
	host_run(&host, 40);
	assert_int_equal(host.reverts, 0);
	assert_int_equal(host.ra_kb, 16);
}

/* The pattern changes while the change is judged. */
static void another_pattern_is_no_harm(void **state)
{
	(void)state;
	one_reader(&host, READER_OBJECTS, 4, 3000, 125, 0.03);
	host_start(&host, CLASS_PAGES, 128, 16);
	host_run(&host, 5);
	host.device.reader[0] = (struct reader){READER_STREAM, 0, 1, 0};
	host.class_id = CLASS_SEQUENTIAL;
	host.policy_kb = 256;
	host_run(&host, 40);
	assert_int_equal(host.reverts, 0);
	assert_int_equal(host.ra_kb, 256);
}

/* Objects that a large value makes look like pages: harm to them is harm all the same. */
static void hidden_objects(void **state)
{
	(void)state;
	one_reader(&host, READER_OBJECTS, 16, 3000, 125, 0.03);
	host_start(&host, CLASS_OBJECTS, 16, 1024);
	host.hidden_from_kb = 64;
	host_run(&host, 40);
	assert_int_equal(host.harmful, 1);
	assert_int_equal(host.ra_kb, 16);
	host_start(&host, CLASS_OBJECTS, 16, 64);
	host.hidden_from_kb = 64;
	host_run(&host, 40);
	assert_int_equal(host.reverts, 0);
	assert_int_equal(host.ra_kb, 64);
}

/* One hop in which the device did nothing. */
static void one_stall_is_an_outlier(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 3000, 125, 0.02);
	host_start(&host, CLASS_SEQUENTIAL, 128, 256);
	host_run(&host, 6);
	host.device.kb_per_s = 1;
	host_run(&host, 1);
	host.device.kb_per_s = 125000;
	host_run(&host, 40);
	assert_int_equal(host.reverts, 0);
}

/* A running stream does not shrink: the loss shows half a minute later, at its next seek. */
static void a_loss_that_comes_late(void **state)
{
	(void)state;
	one_reader(&host, READER_STREAM, 0, 120, 150, 0.03);
	host_start(&host, CLASS_SEQUENTIAL, 1024, 16);
	while (!host.changes)
		host_hop(&host);
	/* The bdi has 16 KB, the stream reads on at 1024. */
	host.device.reader[0] = (struct reader){READER_STREAM, 0, 1, 0};
	host.device.iops = 120 * 64;
	host_run(&host, 60);
	assert_int_equal(host.reverts, 0);
	host.device.iops = 120;
	host_run(&host, 80);
	assert_int_equal(host.reverts, 1);
	assert_int_equal(host.ra_kb, 1024);
}

/* Nobody was seen to read before: there is nothing to compare with. */
static void no_before_no_verdict(void **state)
{
	struct guard_finding f;
	struct sample s = {.bdi_id = 3, .time_ns = 1000, .hop_class = CLASS_PAGES};

	(void)state;
	guard_init(&host.guard, 4);
	assert_false(guard_changed(&host.guard, 3, CLASS_PAGES, 128, 16, 1));
	assert_int_equal(guard_watch_until(&host.guard, 3), 0);
	guard_sample(&host.guard, &s, NULL, &f);
	assert_false(guard_changed(&host.guard, 3, CLASS_PAGES, 128, 16, 2000));
	assert_int_equal(host.guard.verdicts[GUARD_NO_TELLING], 2);
	/* One that changes nothing needs no judging. */
	assert_true(guard_changed(&host.guard, 3, CLASS_PAGES, 16, 16, 3000));
	assert_false(guard_is_busy(&host.guard, 3));
	assert_int_equal(f.verdict, GUARD_NOTHING);
}

/* Totals that run backwards, time that stands still, a bdi without an id, more bdis than places. */
static void bad_samples(void **state)
{
	struct sample s = {.bdi_id = 1, .time_ns = 1000000000, .hop_class = CLASS_PAGES};
	struct guard_finding f;
	struct hop hop;
	__u64 i;

	(void)state;
	guard_init(&host.guard, 4);
	s.total[COUNTER_AROUND_STARTS] = 100;
	guard_sample(&host.guard, &s, &hop, &f);
	guard_sample(&host.guard, &s, &hop, &f);
	assert_int_equal(hop.span_ns, 0);
	s.time_ns += HOP_NS;
	s.total[COUNTER_AROUND_STARTS] = 99;
	guard_sample(&host.guard, &s, &hop, &f);
	assert_int_equal(hop.span_ns, 0);
	s.time_ns += HOP_NS;
	s.total[COUNTER_AROUND_STARTS] = ~0ULL;
	s.total[COUNTER_BLOCK_READ_BYTES] = ~0ULL;
	s.total[COUNTER_ORDER_PAGES] = ~0ULL;
	guard_sample(&host.guard, &s, &hop, &f);
	assert_int_equal(hop.span_ns, HOP_NS);
	s.bdi_id = 0;
	guard_sample(&host.guard, &s, &hop, &f);
	assert_int_equal(hop.span_ns, 0);
	for (i = 1; i < 3 * GUARD_BDIS; i++) {
		s.bdi_id = i;
		s.time_ns++;
		guard_sample(&host.guard, &s, &hop, &f);
	}
	assert_int_equal(f.verdict, GUARD_NOTHING);
}

/* Calls for each place, whatever the rate of places: nothing before, nothing after, and a rise. */
static void effort(void **state)
{
	struct hop before[4], after[8];
	struct comparison c;
	unsigned int i;

	(void)state;
	memset(before, 0, sizeof(before));
	memset(after, 0, sizeof(after));
	assert_false(objective_compare_effort(before, 4, after, 8, PROGRESS_AROUNDS, &c));
	for (i = 0; i < 4; i++) {
		before[i].span_ns = HOP_NS;
		before[i].amount[PROGRESS_AROUNDS] = before[i].events[PROGRESS_AROUNDS] = 1000 + i;
		before[i].weight[PROGRESS_AROUNDS] = 1200 + i;
	}
	assert_false(objective_compare_effort(before, 0, after, 8, PROGRESS_AROUNDS, &c));
	/* No place at all afterwards is no effort for any. */
	assert_true(objective_compare_effort(before, 4, after, 8, PROGRESS_AROUNDS, &c));
	assert_true(c.gain < 0);
	for (i = 0; i < 8; i++) {
		after[i].span_ns = HOP_NS;
		after[i].amount[PROGRESS_AROUNDS] = after[i].events[PROGRESS_AROUNDS] =
			10 * (100 + i);
		after[i].weight[PROGRESS_AROUNDS] = 18 * (100 + i);
	}
	assert_true(objective_compare_effort(before, 4, after, 8, PROGRESS_AROUNDS, &c));
	assert_in_range(c.gain, 495, 505); /* 1.2 to 1.8 */
	assert_in_range(c.error, 1, 30);
	for (i = 0; i < NR_MEASURES; i++) {
		if (i != PROGRESS_AROUNDS)
			assert_false(objective_compare_effort(before, 4, after, 8, i, &c));
	}
}

/* None where a hundred were due is a loss of them all; none where two were is nothing. */
static void none_where_many_were_due(void **state)
{
	struct hop before[4], after[2];
	struct comparison c;
	unsigned int i;

	(void)state;
	memset(before, 0, sizeof(before));
	memset(after, 0, sizeof(after));
	for (i = 0; i < 4; i++) {
		before[i].span_ns = after[i & 1].span_ns = HOP_NS;
		before[i].amount[PROGRESS_JUMPS] = before[i].events[PROGRESS_JUMPS] = 50;
	}
	assert_true(objective_compare(before, 4, after, 2, PROGRESS_JUMPS, &c));
	assert_int_equal(c.loss, 1000);
	assert_in_range(c.error, 1, 100);
	for (i = 0; i < 4; i++)
		before[i].amount[PROGRESS_JUMPS] = before[i].events[PROGRESS_JUMPS] = 1;
	assert_true(objective_compare(before, 4, after, 2, PROGRESS_JUMPS, &c));
	assert_true(c.error > 500);
}

/* --- by the thousand ------------------------------------------------------------------------- */

static const unsigned int ladder[] = {4, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
#define RUNGS (sizeof(ladder) / sizeof(ladder[0]))

static unsigned int rung(__u64 *seed)
{
	return ladder[(unsigned int)(made_random(seed) * RUNGS)];
}

/* Any device, any reader or two, any change. Returns the class that a good model would give. */
static unsigned int any_device(struct host *h, __u64 *seed, double noise)
{
	static const unsigned int classes[] = {
		[READER_STREAM] = CLASS_SEQUENTIAL, [READER_RUNS] = CLASS_SHORT_RUNS,
		[READER_RANDOM] = CLASS_RANDOM,     [READER_OBJECTS] = CLASS_OBJECTS,
		[READER_FILES] = CLASS_SMALL_FILES,
	};
	static const unsigned int sizes[] = {4, 16, 64, 64, 256};
	enum reader_kind kind = (enum reader_kind)(made_random(seed) * NR_READER_KINDS);

	one_reader(h, kind, sizes[(unsigned int)(made_random(seed) * 5)],
		   made_between(seed, 80, 50000), made_between(seed, 50, 3000), noise);
	if (kind == READER_RUNS && h->device.reader[0].size_kb < 64)
		h->device.reader[0].size_kb = 64;
	h->device.seed = *seed;
	h->device.latency_s = made_random(seed) < 0.5 ? 0 : made_between(seed, 20e-6, 5e-3);
	h->device.reader[0].threads = 1 + (unsigned int)(made_random(seed) * 4);
	if (made_random(seed) < 0.25) {
		h->device.nr_readers = 2;
		h->device.reader[1] = (struct reader){READER_RANDOM, 4, 2, 0};
	}
	return classes[kind];
}

/* The worst that a reader of weight loses from one value to another, as a share. */
static double true_loss(const struct made_device *d, unsigned int from_kb, unsigned int to_kb)
{
	double before[READERS_MAX], after[READERS_MAX], worst = -1e9;
	unsigned int i;

	made_rates(d, from_kb, before);
	made_rates(d, to_kb, after);
	for (i = 0; i < d->nr_readers; i++)
		if (1 - after[i] / before[i] > worst)
			worst = 1 - after[i] / before[i];
	return worst;
}

static void any_change_on_any_device(void **state)
{
	unsigned int n, great = 0, missed = 0, longest = 0, fine = 0, wrong = 0, middling = 0,
			seen = 0;
	__u64 seed = 20261121;

	(void)state;
	for (n = 0; n < 3000; n++) {
		double noise = made_between(&seed, 0.01, 0.15), loss;
		unsigned int class_id = any_device(&host, &seed, noise);
		unsigned int from_kb = rung(&seed), to_kb = rung(&seed);

		if (from_kb == to_kb)
			continue;
		host_start(&host, class_id, from_kb, to_kb);
		loss = true_loss(&host.device, from_kb, to_kb);
		host_run(&host, 120);
		assert_true(host.changes <= 7); /* no taking turns */
		if (loss > 0.75) {
			great++;
			missed += host.ra_kb != from_kb;
			if (host.hops_at_policy > longest)
				longest = host.hops_at_policy;
		} else if (loss > 0.3 && noise < 0.05) {
			middling++;
			seen += host.ra_kb == from_kb;
		} else if (loss < 0.01) {
			fine++;
			wrong += host.ra_kb != to_kb;
		}
	}
	print_message("%u great losses: %u missed, at most %u hops; %u of 30 to 75 %%: %u taken "
		      "back; %u without loss: %u taken back\n",
		      great, missed, longest, middling, seen, fine, wrong);
	assert_true(great > 200 && fine > 1000 && middling > 50);
	assert_int_equal(missed, 0);
	assert_true(longest <= 8); /* 4 s */
	assert_true(seen * 100 >= middling * 90);
	assert_true(wrong * 200 <= fine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_pages_at_4096),
		cmocka_unit_test(stream_at_16_on_a_slow_disk),
		cmocka_unit_test(what_the_class_is_not_about_counts_too),
		cmocka_unit_test(a_before_that_is_mostly_noise),
		cmocka_unit_test(a_before_that_is_in_doubt),
		cmocka_unit_test(objects_that_went_on),
		cmocka_unit_test(harm_that_looks_like_others),
		cmocka_unit_test(others_at_the_same_value),
		cmocka_unit_test(the_kernel_resets_it),
		cmocka_unit_test(harm_after_a_silence),
		cmocka_unit_test(silence_at_the_old_value),
		cmocka_unit_test(others_at_the_old_value),
		cmocka_unit_test(nobody_takes_it_back),
		cmocka_unit_test(what_was_cleared_is_a_value),
		cmocka_unit_test(none_where_many_were_due),
		cmocka_unit_test(no_total_trades_a_tenant_away),
		cmocka_unit_test(a_gain_stays),
		cmocka_unit_test(less_demand_is_no_harm),
		cmocka_unit_test(what_costs_more_is_a_loss),
		cmocka_unit_test(a_stream_loses_what_the_disk_no_longer_gives),
		cmocka_unit_test(silence_is_no_harm),
		cmocka_unit_test(another_pattern_is_no_harm),
		cmocka_unit_test(hidden_objects),
		cmocka_unit_test(one_stall_is_an_outlier),
		cmocka_unit_test(a_loss_that_comes_late),
		cmocka_unit_test(no_before_no_verdict),
		cmocka_unit_test(bad_samples),
		cmocka_unit_test(effort),
		cmocka_unit_test(any_change_on_any_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
