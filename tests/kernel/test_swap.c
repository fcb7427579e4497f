// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model swaps while a loop device is read at full speed. Two models give
 * different answers whatever the features; every window of every bdi must hold
 * one of the two to the bit, or say that it had no model. First by maps that
 * are filled, frozen and swapped (SWAPS, 500; FULL=1: 10,000), then by raw
 * overwrites of the live map (OVERWRITE_SECONDS, 5).
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "kernel_test.h"
#include "bpf/mlp.h"

static struct attached attached;
static struct disk disk;
static struct ring_buffer *windows, *events;
static pid_t load[2];

static struct answer {
	struct model model;
	int logits[MODEL_OUTPUTS_MAX];
	unsigned char classes[MODEL_OUTPUTS_MAX];
	unsigned int outputs, class_id, kb;
	unsigned long seen, decided;
} answers[2] = {
	{.outputs = 3,
	 .classes = {0, 1, 2},
	 .logits = {65536, 9 * 65536 + 1, -3 * 65536},
	 .class_id = 1,
	 .kb = 28},
	{.outputs = 5,
	 .classes = {4, 3, 5, 6, 0},
	 .logits = {7 * 65536 + 3, -65536, 17, 65535, -1},
	 .class_id = 4,
	 .kb = 508},
};
static unsigned long without_model, third_answers, of_disk;

static int take_window(void *context, void *data, size_t size)
{
	const struct window_record *r = data;
	struct answer *a;

	(void)context;
	assert_int_equal(size, sizeof(*r));
	if (!strcmp(r->name, disk.name))
		of_disk++;
	if (r->window.class_id == CLASS_NONE && r->hop.class_id == CLASS_NONE) {
		/* Other bdis may have had nothing but writes, or no block layer. */
		if (!strcmp(r->name, disk.name) && r->window.calls)
			without_model++;
		return 0;
	}
	for (a = answers; a < answers + 2; a++) {
		if (r->model_checksum != a->model.header.checksum)
			continue;
		if (r->window.class_id == a->class_id && r->hop.class_id == a->class_id &&
		    r->window.margin == r->hop.margin &&
		    !memcmp(r->window.logits, a->logits, sizeof(a->logits))) {
			a->seen++;
			return 0;
		}
	}
	third_answers++;
	printf("# third answer: class %u, hop %u, checksum %llx, logits %d %d %d\n",
	       r->window.class_id, r->hop.class_id, r->model_checksum, r->window.logits[0],
	       r->window.logits[1], r->window.logits[2]);
	return 0;
}

static int take_event(void *context, void *data, size_t size)
{
	const struct event *e = data;
	struct answer *a;

	(void)context;
	/* No decisions. */
	if (e->reason == EVENT_TABLE_FULL || e->reason == EVENT_SAMPLE ||
	    e->reason == EVENT_APPEARED)
		return 0;
	assert_int_equal(size, sizeof(*e));
	for (a = answers; a < answers + 2; a++)
		if (e->new_class == a->class_id && e->wanted_kb == a->kb) {
			a->decided++;
			return 0;
		}
	third_answers++;
	printf("# decided: class %u, %u KB\n", e->new_class, e->wanted_kb);
	return 0;
}

/* What `status` would show: a class at any moment. */
static void look_at_states(void)
{
	int bdis = map_fd(attached.readahead, "bdis");
	struct bdi_state st;
	__u32 slot;

	for (slot = 0; slot < BDI_SLOTS; slot++) {
		assert_int_equal(bpf_map_lookup_elem(bdis, &slot, &st), 0);
		if (!st.bdi_id)
			continue;
		if (st.window_class != CLASS_NONE && st.window_class != answers[0].class_id &&
		    st.window_class != answers[1].class_id)
			third_answers++;
	}
}

static void drain(void)
{
	assert_true(ring_buffer__consume(windows) >= 0);
	assert_true(ring_buffer__consume(events) >= 0);
}

static unsigned long invalid_models(void)
{
	struct global_stats sum;

	sum_global_stats(map_fd(attached.readahead, "stats"), &sum);
	return sum.model_invalid;
}

static void forget(void)
{
	drain();
	answers[0].seen = answers[1].seen = answers[0].decided = answers[1].decided = 0;
	without_model = third_answers = of_disk = 0;
}

/* Both models had their say, on the device under load. */
static bool both_spoke(void)
{
	return of_disk > 100 && answers[0].seen > 20 && answers[1].seen > 20 &&
	       answers[0].decided && answers[1].decided;
}

static void report(const char *what, unsigned long n)
{
	printf("# %lu %s: %lu windows of one model, %lu of the other, %lu without; decisions %lu "
	       "and %lu; %lu windows of the loop device\n",
	       n, what, answers[0].seen, answers[1].seen, without_model, answers[0].decided,
	       answers[1].decided, of_disk);
	assert_int_equal(third_answers, 0);
	assert_true(both_spoke());
}

static void swaps_by_new_maps(void **state)
{
	unsigned long n, invalid, swaps = env_number("SWAPS", env_number("FULL", 0) ? 10000 : 500);
	int models = map_fd(attached.readahead, "models");
	__u64 began = now_ns();

	(void)state;
	assert_true(swaps >= 100);
	push_model(models, MODEL_ACTING, &answers[0].model);
	usleep(300000);
	forget();
	/* On a busy host other bdis were evaluated before there was a model. */
	invalid = invalid_models();
	for (n = 1; n <= swaps; n++) {
		push_model(models, MODEL_ACTING, &answers[n & 1].model);
		drain();
		look_at_states();
	}
	usleep(100000);
	drain();
	printf("# a swap takes %.1f ms\n", (double)(now_ns() - began) / 1e6 / (double)swaps);
	report("swaps", swaps);
	/* A frozen map filled before it is visible is sound whenever it is looked at. */
	assert_int_equal(without_model, 0);
	assert_int_equal(invalid_models(), invalid);
}

static void overwrites_in_place(void **state)
{
	__u64 began, end, seconds = env_number("OVERWRITE_SECONDS", env_number("FULL", 0) ? 60 : 5);
	int models = map_fd(attached.readahead, "models"), inner;
	__u32 zero = 0, slot = MODEL_ACTING;
	unsigned long n = 0, torn;
	struct model back;

	(void)state;
	inner = make_inner_model(&answers[0].model, false);
	assert_int_equal(bpf_map_update_elem(models, &slot, &inner, BPF_ANY), 0);
	forget();
	torn = invalid_models();
	began = now_ns();
	end = began + seconds * 1000000000ULL;
	/* A slow machine gets the time that it takes to see enough. */
	while (now_ns() < end || (!both_spoke() && now_ns() < end + 20 * (end - began))) {
		n++;
		assert_int_equal(
			bpf_map_update_elem(inner, &zero, &answers[n / 8 & 1].model, BPF_ANY), 0);
		if (n % 8 == 0)
			assert_int_equal(bpf_map_lookup_elem(inner, &zero, &back), 0);
		if (n % 1024 == 0) {
			drain();
			look_at_states();
		}
	}
	drain();
	torn = invalid_models() - torn;
	printf("# %lu evaluations met a model half overwritten, and left it alone\n", torn);
	report("overwrites", n);
	close(inner);
}

static int setup(void **state)
{
	struct config config = {
		.abi_version = BPFAHEAD_ABI_VERSION,
		.mode = MODE_RECOMMEND, /* decides; nobody is there to act */
		.hop_ns = 10000000,
		.window_ns = 50000000,
		.dwell_ns = 10000000,
		.margin = 1,
		.confirm = 1,
		.min_calls = 1,
		.record = 1,
		.scope = SCOPE_LISTED,
	};
	struct policy_row row = {0};
	__u32 zero = 0, one = 1;
	__u64 key = DEFAULT_POLICY_ID;
	struct answer *a;

	(void)state;
	for (a = answers; a < answers + 2; a++) {
		constant_model(&a->model, SOURCE_BLOCK, a->outputs, a->classes, a->logits,
			       (__u64)(a - answers) + 1);
		row.ra_kb[a->class_id] = a->kb;
	}
	make_disk(&disk, 64);
	attach_real(&attached);
	assert_int_equal(bpf_map_update_elem(map_fd(attached.readahead, "policy"), &key, &row, 0),
			 0);
	assert_int_equal(
		bpf_map_update_elem(map_fd(attached.readahead, "listed"), disk.name, &one, 0), 0);
	push_model(map_fd(attached.readahead, "models"), MODEL_ACTING, &answers[0].model);
	assert_int_equal(
		bpf_map_update_elem(map_fd(attached.readahead, "config"), &zero, &config, 0), 0);
	windows = ring_buffer__new(map_fd(attached.readahead, "windows"), take_window, NULL, NULL);
	events = ring_buffer__new(map_fd(attached.readahead, "events"), take_event, NULL, NULL);
	assert_non_null(windows);
	assert_non_null(events);
	load[0] = start_load(&disk, LOAD_DIRECT_RANDOM);
	load[1] = start_load(&disk, LOAD_CACHED_SEQUENTIAL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stop_load(load[0]);
	stop_load(load[1]);
	ring_buffer__free(windows);
	ring_buffer__free(events);
	detach_real(&attached);
	remove_disk(&disk);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(swaps_by_new_maps),
		cmocka_unit_test(overwrites_in_place),
	};

	need_root();
	return cmocka_run_group_tests_name("swap", tests, setup, teardown);
}
