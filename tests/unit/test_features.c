// SPDX-License-Identifier: GPL-2.0-only
/* Features of windows whose answers are known by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "bpf/features.h"

static struct window w;
static struct mlp_features f;

static int fresh(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	memset(&f, 0xff, sizeof(f));
	w.span_ns = 2500000000ULL;
	return 0;
}

static void compute(void)
{
	assert_int_equal(features_compute(&w, &f), 0);
}

static void nothing_at_all(void **state)
{
	unsigned int i;

	(void)state;
	w.span_ns = 0;
	compute();
	for (i = 0; i < FEATURES_MAX; i++)
		assert_int_equal(f.value[i], i == FEATURE_SEQ_RATIO ? RATIO_ONE : 0);
	assert_int_equal(features_compute(NULL, &f), -1);
	assert_int_equal(features_compute(&w, NULL), -1);
}

/*
 * 100 runs of 64 KB by 4 KB reads at 128 KB: a miss that jumps, one that starts a window of four
 * pages, marker hits that read 8 and 16 more; 13 of these 28 pages are never asked for.
 */
static void runs_by_read(void **state)
{
	(void)state;
	w.delta[COUNTER_SYNC_CALLS] = 200;
	w.delta[COUNTER_SYNC_PAGES] = 200;
	w.delta[COUNTER_SYNC_JUMPS] = 100;
	w.delta[COUNTER_ASYNC_CALLS] = 200;
	w.delta[COUNTER_ASYNC_PAGES] = 200;
	w.delta[COUNTER_ORDER_CALLS] = 300;
	w.delta[COUNTER_ORDER_PAGES] = 2800;
	w.delta[COUNTER_UNUSED_PAGES] = 1300;
	compute();
	assert_int_equal(f.value[FEATURE_RUN_PAGES_Q8], 16 << 8);
	assert_int_equal(f.value[FEATURE_USED_RATIO], 1600 * RATIO_ONE / 2900);
	assert_int_equal(f.value[FEATURE_JUMP_SHARE], RATIO_ONE / 2);
	assert_int_equal(f.value[FEATURE_ASYNC_SHARE], RATIO_ONE / 2);
	assert_int_equal(f.value[FEATURE_ASYNC_PER_S], 80);
}

/* A stream that no jump ends is one run as long as the window. */
static void stream(void **state)
{
	(void)state;
	w.delta[COUNTER_ASYNC_CALLS] = 50;
	w.delta[COUNTER_ASYNC_PAGES] = 50;
	w.delta[COUNTER_ORDER_CALLS] = 50;
	w.delta[COUNTER_ORDER_PAGES] = 1600;
	compute();
	assert_int_equal(f.value[FEATURE_RUN_PAGES_Q8], 1600 << 8);
	assert_int_equal(f.value[FEATURE_USED_RATIO], RATIO_ONE);
	assert_int_equal(f.value[FEATURE_JUMP_SHARE], 0);
	assert_int_equal(f.value[FEATURE_RUN_WINDOWS_Q8], 50 << 8);
}

static void random_reads(void **state)
{
	(void)state;
	w.delta[COUNTER_SYNC_CALLS] = w.delta[COUNTER_SYNC_JUMPS] = 300;
	w.delta[COUNTER_SYNC_PAGES] = 1200;
	compute();
	assert_int_equal(f.value[FEATURE_RUN_PAGES_Q8], 4 << 8);
	assert_int_equal(f.value[FEATURE_JUMP_SHARE], RATIO_ONE);
}

/* Whole files begin without a jump; read-arounds leave no trace of what was used. */
static void files_and_faults(void **state)
{
	(void)state;
	w.delta[COUNTER_SYNC_CALLS] = w.delta[COUNTER_SYNC_HEADS] = 60;
	w.delta[COUNTER_SYNC_PAGES] = 60;
	w.delta[COUNTER_AROUND_CALLS] = 40;
	w.delta[COUNTER_ORDER_CALLS] = 100;
	w.delta[COUNTER_ORDER_PAGES] = 3200;
	compute();
	assert_int_equal(f.value[FEATURE_RUN_PAGES_Q8], 32 << 8);
	assert_int_equal(f.value[FEATURE_HEAD_SHARE], 60 * RATIO_ONE / 100);
	assert_int_equal(f.value[FEATURE_AROUND_SHARE], 40 * RATIO_ONE / 100);
}

/* Windows of before count as unread when their run ends in this one: never below nothing. */
static void more_unread_than_read(void **state)
{
	(void)state;
	w.delta[COUNTER_SYNC_CALLS] = w.delta[COUNTER_SYNC_JUMPS] = 1;
	w.delta[COUNTER_SYNC_PAGES] = 1;
	w.delta[COUNTER_UNUSED_PAGES] = 1000;
	compute();
	assert_int_equal(f.value[FEATURE_RUN_PAGES_Q8], 0);
	assert_int_equal(f.value[FEATURE_USED_RATIO], 0);
}

/* A value of ours counts as the even one that models know; requests of programs are what they are.
 */
static void odd_pages(void **state)
{
	struct window odd = {.delta = {[COUNTER_ORDER_PAGES] = 1500,
				       [COUNTER_ORDER_RA_PAGES] = 1500,
				       [COUNTER_UNUSED_PAGES] = 150,
				       [COUNTER_ASYNC_CALLS] = 10,
				       [COUNTER_ASYNC_PAGES] = 150,
				       [COUNTER_SYNC_PAGES] = 40}};
	struct window same = odd;

	(void)state;
	same.delta[COUNTER_ASYNC_PAGES] = 40;
	window_pages(&odd, 15, 1);
	assert_int_equal(odd.ra_pages, 16);
	assert_int_equal(odd.delta[COUNTER_ORDER_PAGES], 1600);
	assert_int_equal(odd.delta[COUNTER_ORDER_RA_PAGES], 1600);
	assert_int_equal(odd.delta[COUNTER_UNUSED_PAGES], 160);
	assert_int_equal(odd.delta[COUNTER_ASYNC_PAGES], 160); /* a mapping's */
	assert_int_equal(odd.delta[COUNTER_SYNC_PAGES], 40);
	odd = same;
	window_pages(&odd, 15, 1);
	assert_int_equal(odd.delta[COUNTER_ASYNC_PAGES], 40); /* a program's */
	odd = same;
	window_pages(&odd, 16, 16); /* pages of 64 KB */
	assert_int_equal(odd.ra_pages, 256);
	assert_int_equal(odd.delta[COUNTER_ORDER_PAGES], 24000);
	odd = same;
	window_pages(&odd, 3, 1);
	assert_int_equal(odd.ra_pages, 3);
	assert_int_equal(odd.delta[COUNTER_ORDER_PAGES], 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_at_all, fresh),
		cmocka_unit_test_setup(runs_by_read, fresh),
		cmocka_unit_test_setup(stream, fresh),
		cmocka_unit_test_setup(random_reads, fresh),
		cmocka_unit_test_setup(files_and_faults, fresh),
		cmocka_unit_test_setup(more_unread_than_read, fresh),
		cmocka_unit_test(odd_pages),
	};

	return cmocka_run_group_tests_name("features", tests, NULL, NULL);
}
