// SPDX-License-Identifier: GPL-2.0-only
/* From curves to a policy row: planted curves whose answer is known. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "loader/bdi.h"
#include "loader/calibrate.h"

/* 4, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096 */
enum { AT_4, AT_16, AT_32, AT_64, AT_128, AT_256, AT_512, AT_1024, AT_2048, AT_4096 };

#define NONE 0.0 /* not measured */

/* One figure of each value, in MB/s. */
static void plant(struct calibrate_result *r, enum calibrate_pattern pattern,
		  const double mb_per_s[CALIBRATE_VALUES], double amplification)
{
	unsigned int v;

	for (v = 0; v < CALIBRATE_VALUES; v++)
		if (mb_per_s[v] > 0)
			calibrate_add(r, pattern, v, mb_per_s[v] * 1e6, amplification);
	calibrate_summarise(r);
}

/* The same with what repeats differed by, in percent of the middle one: +-; 0 is measured once. */
static void plant_repeats(struct calibrate_result *r, enum calibrate_pattern pattern,
			  const double mb_per_s[CALIBRATE_VALUES],
			  const double spread[CALIBRATE_VALUES])
{
	unsigned int v;

	for (v = 0; v < CALIBRATE_VALUES; v++) {
		if (mb_per_s[v] <= 0)
			continue;
		calibrate_add(r, pattern, v, mb_per_s[v] * 1e6, 1);
		if (spread[v] <= 0)
			continue;
		calibrate_add(r, pattern, v, mb_per_s[v] * 1e6 * (1 - spread[v] / 100), 1);
		calibrate_add(r, pattern, v, mb_per_s[v] * 1e6 * (1 + spread[v] / 100), 1);
	}
	calibrate_summarise(r);
}

static int kb_of(int value)
{
	return value < 0 ? value : (int)calibrate_ladder[value];
}

/* A cloud disk of 3,000 reads and 125 MB a second: flat from 64 KB on. */
static const double cloud_scan[] = {NONE, 49, 98, 124.7, 124.7, 124.7, 124.6, 124.4, 124, 123.4};
/* A hard disk of 120 reads and 150 MB a second. */
static const double hdd_scan[] = {NONE, 2, 4, 7.8, 15.5, 30.7, 61, 122.5, 123.5, 124};
static const double falling[] = {12.9, 12.6, 11.5, 8.7, 4.3, 2.1, 1, 0.5, 0.2, 0.1};
static const double hump[] = {NONE, 27.7, 29, 30.9, 39.9, 40, 37, 34.6, 30, 28.9};

static void test_knee_of_planted_curves(void **state)
{
	struct calibrate_result r = {0};

	(void)state;
	plant(&r, CALIBRATE_SCAN, cloud_scan, 1);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.97)), 64);
	memset(&r, 0, sizeof(r));
	plant(&r, CALIBRATE_SCAN, hdd_scan, 1);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.97)), 1024);
}

static void test_knee_is_97_percent(void **state)
{
	static const double just[] = {NONE, 97, 100}, below[] = {NONE, 96.9, 100};
	double curve[CALIBRATE_VALUES] = {0};
	struct calibrate_result r = {0};

	(void)state;
	memcpy(curve, just, sizeof(just));
	plant(&r, CALIBRATE_SCAN, curve, 1);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.97)), 16);
	memset(&r, 0, sizeof(r));
	memcpy(curve, below, sizeof(below));
	plant(&r, CALIBRATE_SCAN, curve, 1);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.97)), 32);
}

static void test_flat_takes_the_least(void **state)
{
	struct calibrate_result r = {0};
	double flat[CALIBRATE_VALUES];
	unsigned int v;

	(void)state;
	for (v = 0; v < CALIBRATE_VALUES; v++)
		flat[v] = 100 + v * 0.1;
	plant(&r, CALIBRATE_SCAN, flat, 1);
	assert_int_equal(calibrate_knee(&r, CALIBRATE_SCAN, 0.97), AT_4);
	plant(&r, CALIBRATE_RUN_64K, flat, 1);
	assert_int_equal(kb_of(calibrate_best(&r, 1U << CALIBRATE_RUN_64K, 16, 65536)), 16);
}

static void test_one_point_or_none_is_no_curve(void **state)
{
	struct calibrate_result r = {0};
	struct calibrate_choice choice[NR_CLASSES];

	(void)state;
	calibrate_summarise(&r);
	assert_int_equal(calibrate_knee(&r, CALIBRATE_SCAN, 0.97), -1);
	assert_int_equal(calibrate_best(&r, 1U << CALIBRATE_PAGE, 4, 65536), -1);
	assert_int_equal(calibrate_best(&r, 0, 4, 65536), -1);
	assert_false(calibrate_choose(&r, 128, choice));
	calibrate_add(&r, CALIBRATE_SCAN, AT_64, 1e8, 1);
	calibrate_summarise(&r);
	assert_int_equal(calibrate_knee(&r, CALIBRATE_SCAN, 0.97), -1);
	assert_false(calibrate_choose(&r, 128, choice));
}

static void test_rubbish_is_no_figure(void **state)
{
	struct calibrate_result r = {0};
	unsigned int i;

	(void)state;
	calibrate_add(&r, CALIBRATE_SCAN, AT_64, NAN, 1);
	calibrate_add(&r, CALIBRATE_SCAN, AT_64, INFINITY, 1);
	calibrate_add(&r, CALIBRATE_SCAN, AT_64, 0, 1);
	calibrate_add(&r, CALIBRATE_SCAN, AT_64, -5, 1);
	assert_int_equal(r.cell[CALIBRATE_SCAN][AT_64].repeats, 0);
	for (i = 0; i < CALIBRATE_REPEATS_MAX + 5; i++)
		calibrate_add(&r, CALIBRATE_SCAN, AT_64, 1e6, 1);
	assert_int_equal(r.cell[CALIBRATE_SCAN][AT_64].repeats, CALIBRATE_REPEATS_MAX);
}

/* 128 and 256 differ by less than nothing: the smaller one. */
static void test_ties_go_to_the_smaller(void **state)
{
	struct calibrate_result r = {0};

	(void)state;
	plant(&r, CALIBRATE_RUN_64K, hump, 2);
	assert_int_equal(kb_of(calibrate_best(&r, 1U << CALIBRATE_RUN_64K, 16, 65536)), 128);
}

/* Noise of +-8 % in each repeat, always the same noise: the answers stay. */
static void test_noise_does_not_move_the_knee(void **state)
{
	struct calibrate_result r = {0};
	unsigned int v, i, seed = 1;

	(void)state;
	for (i = 0; i < 5; i++) {
		for (v = AT_16; v < CALIBRATE_VALUES; v++) {
			double noise = 1 + 0.16 * ((double)rand_r(&seed) / RAND_MAX - 0.5);

			calibrate_add(&r, CALIBRATE_SCAN, v, hdd_scan[v] * 1e6 * noise, 1);
			calibrate_add(&r, CALIBRATE_RUN_64K, v, hump[v] * 1e6 * noise, 1);
		}
	}
	calibrate_summarise(&r);
	assert_true(r.noise[CALIBRATE_SCAN] > 0.02 && r.noise[CALIBRATE_SCAN] < 0.15);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.97)), 1024);
	assert_int_equal(kb_of(calibrate_best(&r, 1U << CALIBRATE_RUN_64K, 16, 65536)), 128);
}

/* A neighbour's burst makes one repeat in four far too slow. */
static void test_a_slow_repeat_does_not_count(void **state)
{
	struct calibrate_result r = {0};
	unsigned int v, i;

	(void)state;
	for (i = 0; i < 4; i++)
		for (v = AT_16; v < CALIBRATE_VALUES; v++)
			calibrate_add(&r, CALIBRATE_SCAN, v,
				      cloud_scan[v] * 1e6 * ((v + i) % 4 ? 1 : 0.4), 1);
	calibrate_summarise(&r);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.97)), 64);
}

/* What is not a scan any more, by what it reads for nothing, is not chosen however fast. */
static void test_knee_wants_a_sane_amplification(void **state)
{
	struct calibrate_result r = {0};

	(void)state;
	calibrate_add(&r, CALIBRATE_SCAN, AT_64, 100e6, 1);
	calibrate_add(&r, CALIBRATE_SCAN, AT_128, 101e6, 1.1);
	calibrate_add(&r, CALIBRATE_SCAN, AT_256, 200e6, 3);
	calibrate_summarise(&r);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.97)), 64);
}

/* The geometric mean, over values that both patterns have. */
static void test_best_of_two_patterns(void **state)
{
	static const double a[] = {NONE, 10, 20, 30, 40, 50}, b[] = {NONE, 50, 40, 30, NONE, 5};
	double first[CALIBRATE_VALUES] = {0}, second[CALIBRATE_VALUES] = {0};
	struct calibrate_result r = {0};
	unsigned int both = 1U << CALIBRATE_RUN_256K | 1U << CALIBRATE_RUN_1M;

	(void)state;
	memcpy(first, a, sizeof(a));
	memcpy(second, b, sizeof(b));
	plant(&r, CALIBRATE_RUN_256K, first, 1);
	plant(&r, CALIBRATE_RUN_1M, second, 1);
	/* 22.4, 28.3, 30.0, none, 15.8 */
	assert_int_equal(kb_of(calibrate_best(&r, both, 16, 65536)), 64);
	assert_int_equal(kb_of(calibrate_best(&r, both, 16, 32)), 32);
	assert_int_equal(calibrate_best(&r, both, 16, 16), -1);
}

static void test_first_pass_stops_early(void **state)
{
	struct calibrate_result r = {0};
	unsigned int v;

	(void)state;
	for (v = AT_16; v <= AT_256; v++) {
		calibrate_add(&r, CALIBRATE_SCAN, v, cloud_scan[v] * 1e6, 1);
		calibrate_summarise(&r);
		assert_int_equal(calibrate_goes_on(&r, CALIBRATE_SCAN, v),
				 v < AT_256 ? GAP_NONE : GAP_FLAT);
	}
	for (v = AT_4; v <= AT_256; v++) {
		calibrate_add(&r, CALIBRATE_PAGE, v, falling[v] * 1e6, 1);
		calibrate_summarise(&r);
		assert_int_equal(calibrate_goes_on(&r, CALIBRATE_PAGE, v),
				 v < AT_256 ? GAP_NONE : GAP_FALLING);
	}
	/* A hump may be flat at first. */
	for (v = AT_16; v <= AT_64; v++) {
		calibrate_add(&r, CALIBRATE_RUN_64K, v, 30e6, 1);
		calibrate_summarise(&r);
	}
	assert_int_equal(calibrate_goes_on(&r, CALIBRATE_RUN_64K, AT_64), GAP_NONE);
}

static void test_contenders(void **state)
{
	struct calibrate_result r = {0};

	(void)state;
	plant(&r, CALIBRATE_PAGE, falling, 1);
	assert_true(calibrate_is_contender(&r, CALIBRATE_PAGE, AT_4));
	assert_true(calibrate_is_contender(&r, CALIBRATE_PAGE, AT_32));
	assert_false(calibrate_is_contender(&r, CALIBRATE_PAGE, AT_128));
	assert_false(calibrate_is_contender(&r, CALIBRATE_SCAN, AT_128)); /* no figure at all */
}

static void test_row_of_a_cloud_disk(void **state)
{
	static const double runs_256k[] = {NONE, 44.9, 80, 102.2, 76.4, 67.1, 55, 45.3, 35, 29};
	static const double runs_1m[] = {NONE, 125, 122, 120.9, 111, 95.9, 75, 56.5, 45, 36.8};
	static const double objects_16k[] = {13, 17, 22, 34.3, 17, 8.4, 4, 2.1, 1, .5};
	static const double objects_64k[] = {13, 33.9, 45, 55.6, 33.1, 33.5, 17, 8.6, 4, 2.1};
	static const double files[] = {NONE, 37.2, 40, 46.8, 62.5, 62.7, 80, 95.2, 94, 92.6};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};
	unsigned int id;

	(void)state;
	plant(&r, CALIBRATE_SCAN, cloud_scan, 1);
	plant(&r, CALIBRATE_RUN_64K, hump, 2);
	plant(&r, CALIBRATE_RUN_256K, runs_256k, 1);
	plant(&r, CALIBRATE_RUN_1M, runs_1m, 1);
	plant(&r, CALIBRATE_PAGE, falling, 10);
	plant(&r, CALIBRATE_OBJECT_16K, objects_16k, 2);
	plant(&r, CALIBRATE_OBJECT_64K, objects_64k, 2);
	plant(&r, CALIBRATE_FILES, files, 1);
	assert_true(calibrate_choose(&r, 128, choice));
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 64);
	assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, CLAMP_NEVER_LOWER);
	assert_int_equal(choice[CLASS_SMALL_FILES].kb, 1024);
	assert_int_equal(choice[CLASS_MIXED].kb, 512);      /* 8 % of 3,000 reads; 16 at 256 */
	assert_int_equal(choice[CLASS_SHORT_RUNS].kb, 256); /* the default: as good as the best */
	assert_int_equal(choice[CLASS_LONG_RUNS].kb, 64);
	assert_int_equal(choice[CLASS_OBJECTS].kb, 64);
	assert_int_equal(choice[CLASS_OBJECTS].clamp, CLAMP_NEVER_RAISE);
	assert_int_equal(choice[CLASS_PAGES].kb, 16); /* 4 would hide objects */
	assert_false(choice[CLASS_RANDOM].measured);
	for (id = 0; id < NR_CLASSES; id++)
		assert_true(choice[id].why[0]);
	/* Without a figure of single reads, the default, above the knee. */
	memset(&r, 0, sizeof(r));
	plant(&r, CALIBRATE_SCAN, cloud_scan, 1);
	assert_true(calibrate_choose(&r, 128, choice));
	assert_int_equal(choice[CLASS_MIXED].kb, 256);
}

/*
 * How many reads a second there are is what many at once get: on a disk with latency (0.5 ms, 250
 * MB/s) one reader has a twentieth of them, on one with a limit (cloud, hard disk) all.
 */
static void test_mixed_by_reads_under_way(void **state)
{
	static const double network_scan[] = {NONE, 45, 79, 136, 209, 250, 250, 250, 250, 251};
	static const double network_pages[] = {6.1, 5.6, 5, 4.2, 3, 2.1, 1.3, .8, .4, .2};
	static const double cloud_pages[] = {12.3, 12.3, 12.3, 7.8, 3.9, 2, 1, .5, .2, .1};
	static const double hdd_pages[] = {.49, .49, .49, .49, .49, .49, .48, .24, .1, .07};
	static const struct {
		const double *scan, *pages;
		double queued_mb_per_s; /* at once; NONE: not measured */
		double spread;          /* of its repeats, in percent */
		unsigned int kb;
	} cases[] = {
		{network_scan, network_pages, 120, 2, 256},
		{network_scan, network_pages, 41, 2, 256}, /* 10,000 */
		{network_scan, network_pages, 36, 2, 512}, /* 8,800: 278 KB */
		/* As far as one reader can tell. */
		{network_scan, network_pages, NONE, 0, 2560},
		{network_scan, network_pages, 3, 2, 2560},
		{network_scan, network_pages, 120, 30, 256}, /* tells nothing: the default */
		{cloud_scan, cloud_pages, 12.3, 2, 512},
		{cloud_scan, cloud_pages, 12.6, 2, 512},
		{cloud_scan, cloud_pages, NONE, 0, 512},
		{hdd_scan, hdd_pages, .49, 2, 2560},
		{hdd_scan, hdd_pages, .52, 5, 2560},
	};
	static const double once[CALIBRATE_VALUES] = {0};
	double queued[CALIBRATE_VALUES] = {0}, spread[CALIBRATE_VALUES] = {0};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r;
	unsigned int i;

	(void)state;
	calibrate_ladder_include(2560);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&r, 0, sizeof(r));
		queued[AT_4] = cases[i].queued_mb_per_s;
		spread[AT_4] = cases[i].spread;
		plant_repeats(&r, CALIBRATE_SCAN, cases[i].scan, once);
		plant_repeats(&r, CALIBRATE_PAGE, cases[i].pages, once);
		plant_repeats(&r, CALIBRATE_QUEUED, queued, spread);
		assert_true(calibrate_choose(&r, 2560, choice));
		assert_int_equal(choice[CLASS_MIXED].kb, cases[i].kb);
		/* It is no curve of pages. */
		assert_int_equal(choice[CLASS_PAGES].kb, cases[i].scan == hdd_scan ? 64 : 16);
	}
	calibrate_ladder_include(2048);
}

/*
 * Nobody who waits for each page has more of them than 32 at once: 32 KB at 4,000 a second, seen
 * twice on a disk of 3,000, were bursts of its limit.
 */
static void test_pages_have_no_more_than_the_disk(void **state)
{
	static const double pages[CALIBRATE_VALUES] = {13.28, 11.78, 16.35, 8.28, 4.12, 2.16};
	static const double spread[CALIBRATE_VALUES] = {4.7, 11.2, 4.4, 1.8};
	static const double queued[CALIBRATE_VALUES] = {12.38}, once[CALIBRATE_VALUES] = {1};
	static const double wild[CALIBRATE_VALUES] = {40};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};

	(void)state;
	plant_repeats(&r, CALIBRATE_PAGE, pages, spread);
	plant_repeats(&r, CALIBRATE_QUEUED, queued, once);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_PAGES].kb, 16);
	/* Where what the disk can do is not known, it is no measure. */
	memset(&r, 0, sizeof(r));
	plant_repeats(&r, CALIBRATE_PAGE, pages, spread);
	plant_repeats(&r, CALIBRATE_QUEUED, queued, wild);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_PAGES].kb, 32);
}

/* Twice the bytes are not worth a few percent to pages, which a limit's burst may be: 16 KB. */
static void test_pages_take_no_more_for_little(void **state)
{
	/* A cloud disk of 3,000 reads a second, 12.29 MB/s, recorded. */
	static const double pages[CALIBRATE_VALUES] = {12.59, 12.66, 12.92, 8.14, 4.06, 2.01};
	static const double spread[CALIBRATE_VALUES] = {.4, .4, 8.1, .8};
	static const double lead[CALIBRATE_VALUES] = {10.5, 11, 13, 8.14, 4.06, 2.01};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};

	(void)state;
	plant_repeats(&r, CALIBRATE_PAGE, pages, spread);
	assert_true(calibrate_choose(&r, 2560, choice));
	assert_int_equal(choice[CLASS_PAGES].kb, 16);
	memset(&r, 0, sizeof(r));
	plant_repeats(&r, CALIBRATE_PAGE, lead, spread);
	assert_true(calibrate_choose(&r, 2560, choice));
	assert_int_equal(choice[CLASS_PAGES].kb, 32);
}

/* The administrator's own value is measured where it is a sensible one. */
static void test_original_is_on_the_ladder(void **state)
{
	(void)state;
	calibrate_ladder_include(2560);
	assert_int_equal(calibrate_ladder[CALIBRATE_VALUES - 2], 2560);
	assert_int_equal(calibrate_ladder[CALIBRATE_VALUES - 1], 4096);
	calibrate_ladder_include(2048); /* and back */
	calibrate_ladder_include(65536);
	calibrate_ladder_include(4);
	calibrate_ladder_include(0);
	calibrate_ladder_include(128);
	assert_int_equal(calibrate_ladder[CALIBRATE_VALUES - 2], 2048);
	assert_int_equal(calibrate_ladder[CALIBRATE_VALUES - 1], 4096);
	assert_int_equal(calibrate_ladder[0], 4);
	assert_int_equal(calibrate_ladder[4], 128);
}

/* Reads are what is scarce: a page costs as much as 256 KB around it. */
static const double scarce_16k[] = {.5, .7, 1.2, 1.8, 1.9, 1.6, .9, .9, .5, .3};
static const double scarce_64k[] = {.5, 1.4, 1.9, 2.7, 3.9, 7.9, 7.8, 4.2, 2, 1.1};

static void plant_scarce_reads(struct calibrate_result *r)
{
	static const double pages[] = {.5, .5, .5, .5, .5, .49, .24, .12, .1, .07};

	plant(r, CALIBRATE_PAGE, pages, 10);
	plant(r, CALIBRATE_OBJECT_16K, scarce_16k, 2);
	plant(r, CALIBRATE_OBJECT_64K, scarce_64k, 2);
}

static void test_objects_take_more_where_pages_do_not_lose(void **state)
{
	static const double pages_lose[] = {.5, .5, .5, .4, .3, .2, .1, .1, .1, .1};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};

	(void)state;
	plant_scarce_reads(&r);
	plant(&r, CALIBRATE_OBJECT_64K, scarce_64k, 2); /* clamps go by what was measured twice */
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_OBJECTS].kb, 256);
	assert_int_equal(choice[CLASS_PAGES].kb, 64);
	assert_int_equal(choice[CLASS_PAGES].clamp, CLAMP_NEVER_RAISE);
	/* An original that costs objects does not bend theirs; it costs pages nothing. */
	calibrate_choose(&r, 16, choice);
	assert_int_equal(choice[CLASS_OBJECTS].clamp, CLAMP_NONE);
	assert_int_equal(choice[CLASS_PAGES].clamp, CLAMP_NEVER_RAISE);
	/* Where pages lose by it, each has its own. */
	memset(&r, 0, sizeof(r));
	plant(&r, CALIBRATE_PAGE, pages_lose, 1);
	plant(&r, CALIBRATE_OBJECT_16K, scarce_16k, 2);
	plant(&r, CALIBRATE_OBJECT_64K, scarce_64k, 2);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_OBJECTS].kb, 64);
	assert_int_equal(choice[CLASS_PAGES].kb, 16);
}

/* Objects at 256 KB would lose a page beside runs at 512: these have 1024, if that is as good. */
static void test_runs_make_way_for_objects(void **state)
{
	static const double alike[] = {.5, 1.05, 1.2, 1.15, 1.6, 1.5, 2, 2, 2, 2};
	static const double worse[] = {.5, 1.05, 1.2, 1.15, 1.6, 1.5, 2, 1.7, 1.7, 1.7};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};

	(void)state;
	plant_scarce_reads(&r);
	plant(&r, CALIBRATE_RUN_64K, alike, 2);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_OBJECTS].kb, 256);
	assert_int_equal(choice[CLASS_SHORT_RUNS].kb, 1024);
	plant(&r, CALIBRATE_RUN_64K, worse, 2);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_OBJECTS].kb, 256);
	assert_int_equal(choice[CLASS_SHORT_RUNS].kb, 508); /* else a page less */
	assert_non_null(strstr(choice[CLASS_SHORT_RUNS].why, "a page"));
	calibrate_choose(&r, 512, choice); /* which takes the page itself */
	assert_int_equal(choice[CLASS_SHORT_RUNS].kb, 512);
	/* And long ones. */
	plant(&r, CALIBRATE_RUN_256K, alike, 2);
	plant(&r, CALIBRATE_RUN_1M, alike, 2);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_LONG_RUNS].kb, 1024);
}

/*
 * A network volume: 32 KB is best for objects, and would be written as 28, which a hot set of them
 * does not bear; and runs at 128 would make 60 of 64. As calibrated on one of 0.5 ms.
 */
static void test_objects_keep_their_pages(void **state)
{
	static const double pages[] = {6.56, 6.18, 5.53, 4.57, 3.34, 2.24, 1.37, NONE, NONE, .23};
	static const double small[] = {6.92, 11.97, 20.73, 17.78, 13.39,
				       9.21, 5.18,  3.06,  NONE,  .94};
	static const double large[] = {6.6,   30.62, 38.79, 35.84, 41.79,
				       36.84, 21.44, 12.46, 5.6,   3.67};
	static const double runs_256k[] = {NONE,  40.23, 58.22, 69.87, 72.63,
					   67.11, 60.89, 60.35, 60,    60};
	static const double runs_1m[] = {NONE,   119.37, 118.08, 118.1, 143.96,
					 138.16, 123.59, 91.32,  63.6,  63.45};
	static const double fast_at_16[] = {6.6, 50, 51, 35, 30, 20, 15, 10, 5.6, 3.67};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};

	(void)state;
	plant(&r, CALIBRATE_PAGE, pages, 2);
	plant(&r, CALIBRATE_OBJECT_16K, small, 2);
	plant(&r, CALIBRATE_OBJECT_64K, large, 2);
	plant(&r, CALIBRATE_RUN_256K, runs_256k, 2);
	plant(&r, CALIBRATE_RUN_1M, runs_1m, 2);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_PAGES].kb, 16);
	assert_int_equal(choice[CLASS_OBJECTS].kb, 64);
	assert_int_equal(choice[CLASS_LONG_RUNS].kb, 124);
	/* Where the default is all there is of objects, runs spare that. */
	memset(&r, 0, sizeof(r));
	plant(&r, CALIBRATE_RUN_256K, runs_256k, 2);
	plant(&r, CALIBRATE_RUN_1M, runs_1m, 2);
	calibrate_choose(&r, 2560, choice);
	assert_false(choice[CLASS_OBJECTS].measured);
	assert_int_equal(choice[CLASS_LONG_RUNS].kb, 124);
	/* Not for objects that the original keeps at 16, nor where it takes their page itself. */
	calibrate_choose(&r, 16, choice);
	assert_int_equal(choice[CLASS_LONG_RUNS].kb, 128);
	calibrate_choose(&r, 32, choice);
	assert_int_equal(choice[CLASS_LONG_RUNS].kb, 128);
	calibrate_choose(&r, 128, choice);
	assert_int_equal(choice[CLASS_LONG_RUNS].kb, 128);
	/* An original of 32 stays as it is. */
	plant(&r, CALIBRATE_PAGE, pages, 2);
	plant(&r, CALIBRATE_OBJECT_16K, small, 2);
	plant(&r, CALIBRATE_OBJECT_64K, large, 2);
	calibrate_choose(&r, 32, choice);
	assert_int_equal(choice[CLASS_OBJECTS].kb, 32);
	/* 64 is not what remains, but what is best of the others. */
	memset(&r, 0, sizeof(r));
	plant(&r, CALIBRATE_PAGE, pages, 2);
	plant(&r, CALIBRATE_OBJECT_16K, fast_at_16, 2);
	plant(&r, CALIBRATE_OBJECT_64K, fast_at_16, 2);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_OBJECTS].kb, 16);
}

/* Seeks are what costs: pages read at 512 KB as fast as at 4, and objects four times as fast as
 * at 32. */
static void test_row_of_a_hard_disk(void **state)
{
	static const double pages[] = {.49, .49, .49, .49, .49, .49, .49, .24, .12, .07};
	static const double objects_16k[] = {.49, .66, .99, 1.97, 1.93, 1.98, 1.98, .98, .49, .27};
	static const double objects_64k[] = {.44,  1.31, 1.94, 2.62, 3.83,
					     7.86, 7.88, 3.99, 1.94, 1.08};
	static const double once_16k[] = {.49, .66, .97, 1.97, 1.96, 1.91, 2.04, 1.03, .39, .29};
	static const double once_64k[] = {.53,  1.33, 1.97, 2.57, 3.97,
					  7.92, 8.03, 3.88, 1.77, 1.33};
	static const double better_64k[] = {.53,  1.33, 1.97, 2.57, 3.97,
					    7.92, 11.5, 3.88, 1.77, 1.33};
	static const double scan[] = {NONE, 2, 3.5, 7.8, 15.1, 31.1, 61.7, 122.2, 126.6, 126.5};
	static const double files[] = {NONE, 1.53, 1.97, 1.97, 1.97, 2.55, 3.93, 3.94, 3.96, 3.9};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};

	(void)state;
	plant(&r, CALIBRATE_SCAN, scan, 1);
	plant(&r, CALIBRATE_FILES, files, 1);
	plant(&r, CALIBRATE_PAGE, pages, 10);
	plant(&r, CALIBRATE_OBJECT_16K, objects_16k, 2);
	plant(&r, CALIBRATE_OBJECT_64K, objects_64k, 2);
	plant(&r, CALIBRATE_OBJECT_64K, objects_64k, 2);
	calibrate_choose(&r, 128, choice);
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 2048);
	assert_int_equal(choice[CLASS_MIXED].kb, 1024); /* 96.5 % will do beside others */
	assert_int_equal(choice[CLASS_SMALL_FILES].kb, 2048);
	/* Objects alone: a hot set of pages would pay for it. */
	assert_int_equal(choice[CLASS_OBJECTS].kb, 256);
	assert_int_equal(choice[CLASS_PAGES].kb, 64);
	assert_int_equal(choice[CLASS_OBJECTS].clamp, CLAMP_NONE);
	assert_int_equal(choice[CLASS_PAGES].clamp, CLAMP_NEVER_RAISE);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_OBJECTS].kb, 256);
	assert_int_equal(choice[CLASS_PAGES].kb, 64);
	assert_int_equal(choice[CLASS_OBJECTS].clamp, CLAMP_NEVER_RAISE);
	assert_int_equal(choice[CLASS_PAGES].clamp, CLAMP_NEVER_RAISE);
	/* Each value measured once: 4 % more at 512 KB are no difference, 12 % are. */
	memset(&r, 0, sizeof(r));
	plant(&r, CALIBRATE_PAGE, pages, 10);
	plant(&r, CALIBRATE_OBJECT_16K, once_16k, 2);
	plant(&r, CALIBRATE_OBJECT_64K, once_64k, 2);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_OBJECTS].kb, 256);
	plant(&r, CALIBRATE_OBJECT_64K, better_64k, 2);
	plant(&r, CALIBRATE_OBJECT_16K, once_16k, 2);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_OBJECTS].kb, 512);
}

static void test_original_that_costs(void **state)
{
	static const double slow_large[] = {NONE, 50, 90, 100, 100, 100, 100, 90, 60, 40};
	static const double by_size[] = {5, 10, 20, 40, 80, 80, 80, 80, 80, 80};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};

	(void)state;
	plant(&r, CALIBRATE_SCAN, slow_large, 1);
	plant(&r, CALIBRATE_PAGE, by_size, 1);
	calibrate_choose(&r, 4096, choice);
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 64);
	assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, CLAMP_NEVER_LOWER); /* measured once */
	plant(&r, CALIBRATE_SCAN, slow_large, 1);
	plant(&r, CALIBRATE_PAGE, by_size, 1);
	calibrate_choose(&r, 4096, choice);
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb,
			 512); /* lowered after all, no more than it must */
	assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, CLAMP_NONE);
	assert_int_equal(choice[CLASS_MIXED].kb, 512);
	calibrate_choose(&r, 256, choice);
	assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, CLAMP_NEVER_LOWER);
	/* A small original that costs is raised after all, one that is not known bends nothing. */
	calibrate_choose(&r, 16, choice);
	assert_int_equal(choice[CLASS_PAGES].kb, 128);
	assert_int_equal(choice[CLASS_PAGES].clamp, CLAMP_NONE);
	calibrate_choose(&r, 0, choice);
	assert_int_equal(choice[CLASS_PAGES].clamp, CLAMP_NEVER_RAISE);
}

/*
 * A disk as fast as memory, recorded in memory that the host has to find first: no limit that a
 * scan would share, and the original of 2560 KB costs, where that was seen more than once.
 */
static void test_recorded_disk_like_memory(void **state)
{
	static const double scan[] = {NONE, 917, 1558, 2812, 3888, 4772, 5785, 5481, 952, 379};
	static const double runs_64[] = {NONE, 592, 636, 495, 582, 542, 183, 560, 503, 558};
	static const double runs_256[] = {NONE, 995, 1283, 1373, 1322, 1287, 858, 1007, 1067, 836};
	static const double runs_1m[] = {NONE, 2597, 2586, 2438, 2482,
					 2217, 2324, 1825, 1303, 1245};
	static const double files[] = {NONE, 709, 790, 762, 765, 898, 1024, 941, 964, 1054};
	static const double spread[] = {0, 0, 0, 17.6, 11.8, 6.3, 10.5, 12.6, 10, 0};
	static const double original_once[] = {0, 0, 0, 17.6, 11.8, 6.3, 10.5, 12.6, 0, 0};
	static const double spread_runs[] = {0, 9.1, 13, 7.2, 5.3, 5.2, 6, 5.8, 4.7, 5.1};
	static const double spread_files[] = {0, 5.4, 11.5, 4.2, 8.4, 14.9, 6, 6.2, 3.6, 7};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r;
	bool once;

	(void)state;
	calibrate_ladder_include(2560);
	for (once = false;; once = true) {
		memset(&r, 0, sizeof(r));
		plant_repeats(&r, CALIBRATE_SCAN, scan, once ? original_once : spread);
		plant_repeats(&r, CALIBRATE_RUN_64K, runs_64, spread_runs);
		plant_repeats(&r, CALIBRATE_RUN_256K, runs_256, spread_runs);
		plant_repeats(&r, CALIBRATE_RUN_1M, runs_1m, spread_runs);
		plant_repeats(&r, CALIBRATE_FILES, files, spread_files);
		assert_true(calibrate_choose(&r, 2560, choice));
		assert_int_equal(choice[CLASS_SEQUENTIAL].kb, once ? 256 : 1024);
		assert_int_equal(choice[CLASS_SEQUENTIAL].clamp,
				 once ? CLAMP_NEVER_LOWER : CLAMP_NONE);
		assert_int_equal(choice[CLASS_MIXED].kb, once ? 2560 : 1024);
		assert_int_equal(choice[CLASS_SHORT_RUNS].kb, 256);
		assert_int_equal(choice[CLASS_LONG_RUNS].kb, 64);
		/* 512 by its curve; it is not in force, and would take a page off short runs. */
		assert_int_equal(choice[CLASS_SMALL_FILES].kb, 1024);
		assert_int_equal(choice[CLASS_SMALL_FILES].clamp, CLAMP_NEVER_LOWER);
		if (once)
			break;
	}
	/* It is in force where the original is smaller, and that bends nothing. */
	calibrate_choose(&r, 128, choice);
	assert_int_equal(choice[CLASS_SMALL_FILES].kb, 512);
	/* Fast at other times: a second one that is slow is no accident, the first may be one. */
	calibrate_add(&r, CALIBRATE_SCAN, AT_2048, 5400e6, 1);
	calibrate_add(&r, CALIBRATE_SCAN, AT_2048, 5500e6, 1);
	calibrate_summarise(&r);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, CLAMP_NEVER_LOWER);
	calibrate_add(&r, CALIBRATE_SCAN, AT_2048, 371e6, 1);
	calibrate_summarise(&r);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 1024);
	assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, CLAMP_NONE);
	calibrate_ladder_include(2048);
}

/* The value nearest to an original that costs, of those as good as the best, is no half of another.
 */
static void test_below_an_original_that_costs(void **state)
{
	static const double scan[] = {NONE, 50, 90, 100, 100, 100, 100, 100, 50, 40};
	static const double runs[] = {NONE, 20, 25, 29, 38, 38, 49, 31, 28, 28};
	static const double quiet[CALIBRATE_VALUES] = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};

	(void)state;
	calibrate_ladder_include(2560);
	plant_repeats(&r, CALIBRATE_SCAN, scan, quiet);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 1024);
	assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, CLAMP_NONE);
	plant_repeats(&r, CALIBRATE_RUN_64K, runs, quiet);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_SHORT_RUNS].kb, 512);
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 512);
	calibrate_ladder_include(2048);
}

/*
 * Two curves of a disk of 3,000 reads and 125 MB a second that was measured over parts of its
 * limit's periods, from an original of 2560 KB: 155 MB/s at 64 KB is a burst.
 */
static void test_burst_is_no_best(void **state)
{
	static const double scan[2][CALIBRATE_VALUES] = {
		{NONE, 49.19, 86.56, 155.15, 123.41, 123.29, 124.77, 95.46, 126.9, 125.77},
		{NONE, 50.16, 97.86, 155.18, 125.17, 125.12, 124.87, 125.23, 125.51, 125.88}};
	static const double scan_spread[2][CALIBRATE_VALUES] = {
		{0, 0, .8, 9.7, .9, 1.5, 1, 31.3, 39.4, 1.5},
		{0, 0, 12.2, 10.8, 2.5, 1.9, 1.2, .3, 1.5, 8.9}};
	static const double runs[2][CALIBRATE_VALUES] = {
		{NONE, 26.39, 32.76, 34.77, 32.82, 39.21, 38.27, 37.66, 23.56, 23.65},
		{NONE, 26.56, 32.78, 33.86, 32.76, 39.08, 38.13, 37.2, 23.42, 23.41}};
	static const double runs_spread[CALIBRATE_VALUES] = {0,   1.3, 9.2, 17.8, 1.3,
							     9.1, 2,   7.3, .9,   1.5};
	static const double pages[2][CALIBRATE_VALUES] = {
		{12.29, 12.29, 12.28, 10.42, 4.04, 1.96, NONE, NONE, NONE, .1},
		{12.29, 12.3, 12.29, 10.35, 4.04, 2, NONE, NONE, NONE, .14}};
	static const double pages_spread[CALIBRATE_VALUES] = {.5, .2, 1, 1.1};
	static const double objects_16k[2][CALIBRATE_VALUES] = {
		{12.28, 16.19, 25.14, 37.35, 16.14, 7.95, NONE, NONE, NONE, .5},
		{12.29, 16.23, 31.78, 33.34, 16.14, 7.95, NONE, NONE, NONE, .56}};
	static const double objects_16k_spread[CALIBRATE_VALUES] = {0, .7, 14.8, 10.7};
	static const double objects_64k[2][CALIBRATE_VALUES] = {
		{12.14, 34.3, 49.74, 49.9, 32.11, 31.73, 15.76, 7.86, NONE, 1.64},
		{12.17, 32.78, 57.29, 44.25, 32.29, 31.75, 15.42, 7.62, NONE, 1.97}};
	static const double objects_64k_spread[2][CALIBRATE_VALUES] = {
		{0, 32.9, 24.1, 38.5, 12.9, .5}, {0, 0, 13.3, 11.9, .4, .2}};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r;
	unsigned int run;

	(void)state;
	calibrate_ladder_include(2560);
	for (run = 0; run < 2; run++) {
		memset(&r, 0, sizeof(r));
		plant_repeats(&r, CALIBRATE_SCAN, scan[run], scan_spread[run]);
		plant_repeats(&r, CALIBRATE_RUN_64K, runs[run], runs_spread);
		plant_repeats(&r, CALIBRATE_PAGE, pages[run], pages_spread);
		plant_repeats(&r, CALIBRATE_OBJECT_16K, objects_16k[run], objects_16k_spread);
		plant_repeats(&r, CALIBRATE_OBJECT_64K, objects_64k[run], objects_64k_spread[run]);
		assert_true(calibrate_choose(&r, 2560, choice));
		assert_true(choice[CLASS_SEQUENTIAL].measured);
		assert_in_range(choice[CLASS_SEQUENTIAL].kb, 64, 128);
		assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, CLAMP_NEVER_LOWER);
		assert_int_equal(choice[CLASS_SHORT_RUNS].kb, 256);
		/* 32 KB leads by 11 % in one of them, with 13 % among its repeats. */
		assert_int_equal(choice[CLASS_OBJECTS].kb, 64);
		assert_true(choice[CLASS_PAGES].measured);
		assert_int_equal(choice[CLASS_PAGES].kb, 16);
		assert_int_equal(choice[CLASS_PAGES].clamp, CLAMP_NEVER_RAISE);
	}
	calibrate_ladder_include(2048);
}

/* As measured of 120 reads and 150 MB a second: fastest at the original, with one larger value that
 * says nothing. */
static void test_recorded_hard_disk(void **state)
{
	static const double scan[] = {NONE, 1.97,  3.28,   3.34,  15.39,
				      30.8, 62.04, 124.21, 144.4, 103.98};
	static const double scan_spread[CALIBRATE_VALUES] = {0, 0, 0, 0, 0, 0, .4, .7, 5.3, 17.6};
	static const double runs[] = {NONE, .99, 1.46, 1.32, 1.32, 1.64, 1.97, 2.01, 1.97, 1.97};
	static const double runs_spread[CALIBRATE_VALUES] = {0,  1,   7.2, 1,   .3,
							     .7, 2.4, 1.5, 2.1, .7};
	static const double pages[] = {.49, .49, .49, .49, .49, .49, .49, .28, .12, .06};
	static const double pages_spread[CALIBRATE_VALUES] = {1, 1, 1.2, 1, .2, .9, .3, 11.5};
	static const double objects_16k[] = {.49, .66, .98, 1.97, 1.97, 1.97, 1.93, 1.39, .41, .25};
	static const double objects_16k_spread[CALIBRATE_VALUES] = {0,   0, 0,   0,   0,
								    1.2, 0, 2.1, 29.5};
	static const double objects_64k[] = {.66,  1.3, 1.95, 2.64, 3.93,
					     7.73, 7.8, 5.24, 1.64, 1.32};
	static const double objects_64k_spread[CALIBRATE_VALUES] = {0, 0, 0, 0, .1, 1.7, 3.2, 12.5};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};

	(void)state;
	calibrate_ladder_include(2560);
	plant_repeats(&r, CALIBRATE_SCAN, scan, scan_spread);
	plant_repeats(&r, CALIBRATE_RUN_64K, runs, runs_spread);
	plant_repeats(&r, CALIBRATE_PAGE, pages, pages_spread);
	plant_repeats(&r, CALIBRATE_OBJECT_16K, objects_16k, objects_16k_spread);
	plant_repeats(&r, CALIBRATE_OBJECT_64K, objects_64k, objects_64k_spread);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 2560);
	assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, CLAMP_NEVER_LOWER);
	assert_int_equal(choice[CLASS_OBJECTS].kb, 256);
	assert_int_equal(choice[CLASS_OBJECTS].clamp, CLAMP_NEVER_RAISE);
	assert_int_equal(choice[CLASS_PAGES].kb, 64);
	assert_int_equal(choice[CLASS_PAGES].clamp, CLAMP_NEVER_RAISE);
	assert_in_range(choice[CLASS_SHORT_RUNS].kb, 512, 1024);
	calibrate_ladder_include(2048);
}

/* What larger values deny: by two of them, or by one if its own repeats differ. */
static void test_peak_of_a_scan(void **state)
{
	/* 120 reads a second of 1280 KB at most: two for 2560 KB, but four for 4096. */
	static const double at_2048[] = {NONE, 2, 4, 7.9, 15.5, 31.4, 62.9, 124.8, 156.9, 122.9};
	static const double at_64[] = {NONE, 49, 98, 155, 125, 125, 125, 125, 125, 125};
	static const double alike[CALIBRATE_VALUES] = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	static const double unlike[CALIBRATE_VALUES] = {0, 1, 1, 1, 1, 1, 1, 1, 6, 1};
	static const double last_unlike[CALIBRATE_VALUES] = {0, 1, 1, 1, 1, 1, 1, 1, 6, 16};
	struct calibrate_result r = {0};

	(void)state;
	plant_repeats(&r, CALIBRATE_SCAN, at_2048, alike);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.97)), 2048);
	memset(&r, 0, sizeof(r));
	plant_repeats(&r, CALIBRATE_SCAN, at_2048, unlike);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.97)), 1024);
	memset(&r, 0, sizeof(r));
	plant(&r, CALIBRATE_SCAN, at_2048, 1);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.97)), 1024);
	memset(&r, 0, sizeof(r));
	plant_repeats(&r, CALIBRATE_SCAN, at_2048, last_unlike);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.97)), 2048);
	/* A burst below the knee moves nothing: 32 KB is no 97 % of the others. */
	memset(&r, 0, sizeof(r));
	plant_repeats(&r, CALIBRATE_SCAN, at_64, alike);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.97)), 64);
	assert_int_equal(kb_of(calibrate_knee(&r, CALIBRATE_SCAN, 0.7)), 32);
}

static void test_pages_take_64_or_the_least(void **state)
{
	static const struct {
		double curve[CALIBRATE_VALUES], spread[CALIBRATE_VALUES];
		unsigned int kb;
	} cases[] = {
		{{10, 10, 10, 9.85, 5, 2}, {0}, 64},         /* 1.5 % */
		{{10, 10, 10, 9.7, 5, 2}, {1, 1, 1, 1}, 16}, /* 3 %, and 32 is no choice */
		{{10, 10, 10, 9.6, 5, 2}, {0}, 64},          /* measured once, 5 % are no loss */
		{{10, 10, 10, 9.4, 5, 2}, {0}, 16},
		{{10, 10, 10, 9.7, 5, 2}, {4, 4, 4, 4}, 64}, /* with 4 % of noise */
		{{10, 10, 10, 9.3, 5, 2}, {9, 9, 9, 9}, 16}, /* 5 % at most */
		{{10, 10, 10, 10, 10, 10}, {0}, 64},         /* and never more than 64 */
		{{20, 10, 9, 8, 5, 2}, {0}, 16},             /* 4 KB hides objects */
		{{10, 9, 10, 9, 5, 2}, {0}, 32},             /* the least that is as good */
	};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&r, 0, sizeof(r));
		plant_repeats(&r, CALIBRATE_PAGE, cases[i].curve, cases[i].spread);
		calibrate_choose(&r, 2560, choice);
		assert_true(choice[CLASS_PAGES].measured);
		assert_int_equal(choice[CLASS_PAGES].kb, cases[i].kb);
	}
}

/* A lead that the repeats of either value reach across is none: default and clamp stay. */
static void test_lead_beyond_the_spread(void **state)
{
	/* 64 KB is 20 % above the 256 KB of the default row, and the original of 1024 KB. */
	static const double runs[] = {NONE, 60, 80, 120, 100, 100, 100, 100, 100, 100};
	static const double scan[] = {NONE, 60, 80, 120, 120, 120, 120, 100, 100, 100};
	static const double certain[CALIBRATE_VALUES] = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	static const double chosen_not[CALIBRATE_VALUES] = {0, 1, 1, 16, 1, 1, 1, 1, 1, 1};
	static const double default_not[CALIBRATE_VALUES] = {0, 1, 1, 1, 1, 20, 1, 1, 1, 1};
	static const double original_not[CALIBRATE_VALUES] = {0, 1, 1, 1, 1, 1, 1, 20, 1, 1};
	static const struct {
		const double *spread;
		unsigned int runs_kb,
			scan_kb; /* 512 is half of the original: 256 rather, if certain */
		enum clamp clamp;
	} cases[] = {
		{certain, 64, 256, CLAMP_NONE},
		{chosen_not, 256, 64, CLAMP_NEVER_LOWER},
		{default_not, 256, 512, CLAMP_NONE},
		{original_not, 64, 64, CLAMP_NEVER_LOWER},
	};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r;
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&r, 0, sizeof(r));
		plant_repeats(&r, CALIBRATE_RUN_64K, runs, cases[i].spread);
		plant_repeats(&r, CALIBRATE_SCAN, scan, cases[i].spread);
		calibrate_choose(&r, 1024, choice);
		assert_int_equal(choice[CLASS_SHORT_RUNS].kb, cases[i].runs_kb);
		assert_int_equal(choice[CLASS_SEQUENTIAL].kb, cases[i].scan_kb);
		assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, cases[i].clamp);
	}
}

/* An original above what a scan needs three times over is lowered only by a quiet, flat curve. */
static void test_ample_for_a_scan(void **state)
{
	static const double flat[] = {NONE, 49, 98, 125, 125, 125, NONE, NONE, NONE, 122};
	static const double rising[] = {NONE, 49, 98, 124, 126.5, 126.5, 127, 127, 129.6, 130};
	static const double runs[] = {NONE, 20, 25, 29, 38, 38, 49, 31, 28, 28};
	static const double pages[] = {12.3, 12.3, 12.3, 7.9, 4, 2, 1, .5, .2, .1};
	static const double runs_256[] = {NONE, 20, 25, 29, 38, 49, 38, 31, 28, 28};
	static const double late_knee[] = {NONE, 49, 80, 90, 100, 115, 125, 125, 125, 125};
	static const double files[] = {NONE, 40, 50, 47, 66, 66, 98, 101.4, 99.9, 99.7};
	static const double quiet[CALIBRATE_VALUES] = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	static const double noisy[CALIBRATE_VALUES] = {0, 6, 6, 6, 6, 6, 6, 6, 6, 6};
	static const double end_once[CALIBRATE_VALUES] = {0, 1, 1, 1, 1, 1, 1, 1, 1};
	static const double end_unlike[CALIBRATE_VALUES] = {0, 1, 1, 1, 1, 1, 1, 1, 1, 8};
	static const struct {
		const double *curve, *spread;
		unsigned int original_kb, kb;
		enum clamp clamp;
	} cases[] = {
		{flat, quiet, 2560, 1024, CLAMP_NONE},
		{flat, quiet, 128, 64, CLAMP_NEVER_LOWER},
		{flat, quiet, 0, 64, CLAMP_NEVER_LOWER},
		{flat, noisy, 2560, 64, CLAMP_NEVER_LOWER},
		{flat, end_once, 2560, 64, CLAMP_NEVER_LOWER},
		{flat, end_unlike, 2560, 64, CLAMP_NEVER_LOWER},
		{rising, quiet, 2560, 124, CLAMP_NEVER_LOWER}, /* not twice what objects have */
		{late_knee, quiet, 2560, 512, CLAMP_NEVER_LOWER},
	};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r;
	unsigned int i;

	(void)state;
	calibrate_ladder_include(2560);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&r, 0, sizeof(r));
		plant_repeats(&r, CALIBRATE_SCAN, cases[i].curve, cases[i].spread);
		calibrate_choose(&r, cases[i].original_kb, choice);
		assert_true(choice[CLASS_SEQUENTIAL].measured);
		assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, cases[i].clamp);
		assert_int_equal(choice[CLASS_SEQUENTIAL].kb, cases[i].kb);
	}
	/* 512 for short runs would lose a page beside 1024. */
	memset(&r, 0, sizeof(r));
	plant_repeats(&r, CALIBRATE_SCAN, flat, quiet);
	plant_repeats(&r, CALIBRATE_RUN_64K, runs, quiet);
	plant_repeats(&r, CALIBRATE_PAGE, pages, quiet); /* mixed is 512 by those */
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_MIXED].kb, 512);
	assert_int_equal(choice[CLASS_SHORT_RUNS].kb, 512);
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 512);
	/* What is not in force goes out of the way: 1024 for small files is as good at 2048. */
	plant_repeats(&r, CALIBRATE_FILES, files, quiet);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 512);
	assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, CLAMP_NONE);
	assert_int_equal(choice[CLASS_SMALL_FILES].kb, 2048);
	assert_int_equal(choice[CLASS_SMALL_FILES].clamp, CLAMP_NEVER_LOWER);
	/* Nor is there one beside 256 as well; and what an original of 2048 leaves is 2 x 1024. */
	plant_repeats(&r, CALIBRATE_RUN_256K, runs_256, quiet);
	plant_repeats(&r, CALIBRATE_RUN_1M, runs_256, quiet);
	calibrate_choose(&r, 2560, choice);
	assert_int_equal(choice[CLASS_LONG_RUNS].kb, 256);
	assert_int_equal(choice[CLASS_SEQUENTIAL].clamp, CLAMP_NEVER_LOWER);
	calibrate_ladder_include(2048);
}

/* More than the default for a scan, only where that is certain. */
static void test_knee_above_the_default(void **state)
{
	static const double scan[] = {NONE, 20, 40, 60, 80, 90, 100, 100, 100, 100};
	static const double certain[CALIBRATE_VALUES] = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	static const double not_certain[CALIBRATE_VALUES] = {0, 1, 1, 1, 1, 15, 1, 1, 1, 1};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};

	(void)state;
	plant_repeats(&r, CALIBRATE_SCAN, scan, certain);
	calibrate_choose(&r, 128, choice);
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 512);
	assert_int_equal(choice[CLASS_MIXED].kb, 512);
	memset(&r, 0, sizeof(r));
	plant_repeats(&r, CALIBRATE_SCAN, scan, not_certain);
	calibrate_choose(&r, 128, choice);
	assert_true(choice[CLASS_SEQUENTIAL].measured);
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 256);
	assert_int_equal(choice[CLASS_MIXED].kb, 256);
}

/*
 * read_limited - a rate, of a disk whose limit grants @per_period bytes at the begin of each period
 * @phase_s: of the first period that is over when reading begins
 * Operations of @each bytes take 10 us while something is granted.
 */
static double read_limited(double per_period, double period_s, double phase_s, double each,
			   double granted, double hiccup_s, double *took_s)
{
	double now = 0, next = phase_s, left = granted, took;
	struct calibrate_rate r;
	unsigned int n = 0;
	bool enough;

	calibrate_rate_begin(&r, 0.1, 0.1, 0);
	do {
		took = 1e-5;
		if (++n == 700) /* somebody else had the CPU */
			took += hiccup_s;
		while (left < each) {
			if (next > now + took)
				took = next - now + 1e-5;
			next += period_s;
			left += per_period;
		}
		left -= each;
		now += took;
		enough = calibrate_rate_add(&r, took, each);
	} while (!enough);
	*took_s = now;
	return calibrate_rate_of(&r);
}

/* Wherever in a period a figure begins, whole periods are counted. */
static void test_rate_of_bursts(void **state)
{
	double phase, took, rate;

	(void)state;
	for (phase = 0.001; phase < 0.1; phase += 0.007) {
		/* 125 MB/s by slices of 100 ms; after a pause two slices' worth is there. */
		rate = read_limited(12.5e6, 0.1, phase, 16384, 25e6, 0, &took);
		assert_true(fabs(rate / 125e6 - 1) < 0.01);
		assert_true(took < 0.36);
		rate = read_limited(12.5e6, 0.1, phase, 16384, 0, 0, &took);
		assert_true(fabs(rate / 125e6 - 1) < 0.01);
		/* 120 reads a second */
		rate = read_limited(12, 0.1, phase, 1, 12, 0, &took);
		assert_true(fabs(rate / 120 - 1) < 0.01);
		/* by slices of 20 ms */
		rate = read_limited(2.5e6, 0.02, phase / 5, 16384, 5e6, 0, &took);
		assert_true(fabs(rate / 125e6 - 1) < 0.02);
		/* One hiccup is no period. */
		rate = read_limited(12.5e6, 0.1, phase, 16384, 12.5e6, 0.03, &took);
		assert_true(fabs(rate / 125e6 - 1) < 0.01);
	}
}

/* No limit: all that came after the warm-up counts, and a hiccup costs what it costs. */
static void test_rate_of_a_steady_device(void **state)
{
	struct calibrate_rate r;
	double took, rate;
	unsigned int n;

	(void)state;
	rate = read_limited(1e12, 1, 0.5, 16384, 1e12, 0, &took);
	assert_true(fabs(rate / (16384 / 1e-5) - 1) < 0.01);
	assert_true(took < 0.21);
	/* 16 ms each, as on a disk with seeks: slow ones get twice the time for eight of them. */
	calibrate_rate_begin(&r, 0.1, 0.1, 0);
	for (n = 1; !calibrate_rate_add(&r, 0.016, 4096); n++)
		;
	assert_in_range(n, 14, 19);
	assert_true(fabs(calibrate_rate_of(&r) / (4096 / 0.016) - 1) < 0.01);
	/* Nothing comes within the warm-up, and the end comes all the same. */
	calibrate_rate_begin(&r, 0.1, 0.1, 0);
	assert_true(calibrate_rate_of(&r) == 0.);
	assert_false(calibrate_rate_add(&r, 0.15, 4096));
	assert_true(calibrate_rate_add(&r, 5, 4096));
	assert_true(calibrate_rate_of(&r) > 0);
}

/* What was granted and read ahead before is no rate: windows of 4 MB, 4 MB granted every 100 ms. */
static void test_rate_of_large_windows(void **state)
{
	const double window = 4 << 20;
	struct calibrate_rate r;
	unsigned int n;

	(void)state;
	calibrate_rate_begin(&r, 0.1, 0.2, window);
	/* Two of them at once at the begin, one of which is used before the warm-up is over. */
	assert_false(calibrate_rate_add(&r, 0.11, window));
	assert_false(r.warm);
	assert_false(calibrate_rate_add(&r, 0.01, window));
	for (n = 1; !calibrate_rate_add(&r, 0.1, window); n++)
		;
	assert_in_range(n, 6, 8);
	assert_true(fabs(calibrate_rate_of(&r) / (window / 0.1) - 1) < 0.01);
	/* A device that brings no two windows in reasonable time still has a rate, and an end. */
	calibrate_rate_begin(&r, 0.1, 0.2, 1e12);
	for (n = 1; !calibrate_rate_add(&r, 0.001, 1000); n++)
		;
	assert_in_range(n, 890, 910);
	assert_true(fabs(calibrate_rate_of(&r) / 1e6 - 1) < 0.01);
}

/* The end of a wait, and what had been read by then: in seconds and KB since the begin. */
struct wait {
	double end_s, took_s, kb;
};

/* Reads of 16 KB, at once but for the waits, then windows of 4 MB of a disk of 40 MB/s. */
static double replay(const struct wait *waits, unsigned int nr, double *took_s)
{
	const double window_kb = 4096, period_s = window_kb * 1024 / 40e6;
	double kb = 0, until_kb, wait_s, at_s = 0;
	struct calibrate_rate r;
	unsigned int i;
	bool enough = false;

	calibrate_rate_begin(&r, 0.2, 0.2, window_kb * 1024);
	for (i = 0; !enough; i++) {
		until_kb = i < nr ? waits[i].kb : kb + window_kb;
		for (; kb < until_kb - 16 && !enough; kb += 16)
			enough = calibrate_rate_add(&r, 1e-6, 16384);
		wait_s = i < nr ? waits[i].end_s - at_s : period_s;
		at_s += wait_s;
		kb += 16;
		/* Between waits some of the time goes to the reader. */
		if (i < nr && waits[i].took_s < wait_s && !enough)
			enough = calibrate_rate_add(&r, wait_s - waits[i].took_s, 0);
		if (!enough)
			enough = calibrate_rate_add(
				&r, i < nr ? waits[i].took_s : period_s - 256e-6, 16384);
	}
	*took_s = r.at_s;
	return calibrate_rate_of(&r);
}

/* Recorded on a disk of 40 MB/s, 4 MB of them every 100 ms, at 4096 KB: windows are out of step. */
static void test_rate_of_windows_and_slices(void **state)
{
	/* Was 46 MB/s, over the last two of these waits. */
	static const struct wait out_of_step[] = {{.1254, .1242, 3072},  {.2412, .1153, 7168},
						  {.2733, .0317, 10240}, {.3798, .1061, 13312},
						  {.4776, .0975, 15360}, {.5849, .1051, 22528}};
	/* Somebody else had the disk for half a second, then two windows came at once: 76 MB/s. */
	static const struct wait hiccup[] = {{.0899, .0866, 3088},  {.2377, .1475, 6160},
					     {.2982, .0601, 8208},  {.8325, .5337, 12304},
					     {.9434, .1099, 20496}, {1.0434, .0995, 24592}};
	double took;

	(void)state;
	assert_true(fabs(replay(out_of_step, 6, &took) / 40e6 - 1) < 0.08);
	assert_true(took < 1.1);
	assert_true(replay(hiccup, 6, &took) < 40e6);
	assert_true(took < 1.1);
	assert_true(fabs(replay(NULL, 0, &took) / 40e6 - 1) < 0.01);
}

/* Half of the repeats at a third of the rate: nothing is concluded, and that is said. */
static void test_too_noisy_to_tell(void **state)
{
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};
	unsigned int v, i;

	(void)state;
	for (i = 0; i < 4; i++)
		for (v = AT_16; v < CALIBRATE_VALUES; v++)
			calibrate_add(&r, CALIBRATE_SCAN, v,
				      cloud_scan[v] * 1e6 * (i % 2 ? 1 : 0.3), 1);
	plant(&r, CALIBRATE_RUN_64K, hump, 2);
	assert_true(calibrate_choose(&r, 128, choice));
	assert_false(choice[CLASS_SEQUENTIAL].measured);
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 256);
	assert_non_null(strstr(choice[CLASS_SEQUENTIAL].why, "noise"));
	assert_false(choice[CLASS_MIXED].measured);
	assert_true(choice[CLASS_SHORT_RUNS].measured);
	/* Nothing was seen that less than the original would leave to others. */
	calibrate_choose(&r, 2048, choice);
	assert_int_equal(choice[CLASS_MIXED].kb, 2048);
	assert_true(choice[CLASS_MIXED].measured);
}

/* A repeat in @every has 0.6 of the others' rate. */
static void plant_noisy(struct calibrate_result *r, enum calibrate_pattern pattern,
			const double *mbps, unsigned int repeats, unsigned int every)
{
	unsigned int i, v;

	for (i = 0; i < repeats; i++)
		for (v = AT_16; v < CALIBRATE_VALUES; v++)
			calibrate_add(r, pattern, v, mbps[v] * 1e6 * (i % every ? 1 : 0.6), 1);
}

static void test_a_factor_shows_through_noise(void **state)
{
	/* Of runs on a disk like memory: 64 KB, the default, has half of the best. */
	static const double runs[] = {NONE, 300, 330, 500, 800, 1100, 1100, 1050, 900, 900};
	/* And where it has three quarters. */
	static const double less[] = {NONE, 300, 330, 800, 900, 1000, 1060, 1050, 900, 900};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};

	(void)state;
	plant_noisy(&r, CALIBRATE_RUN_256K, runs, 4, 2);
	plant_noisy(&r, CALIBRATE_RUN_1M, runs, 4, 2);
	calibrate_summarise(&r);
	assert_true(r.noise[CALIBRATE_RUN_1M] > 0.15);
	calibrate_choose(&r, 2560, choice);
	assert_true(choice[CLASS_LONG_RUNS].measured);
	assert_int_equal(choice[CLASS_LONG_RUNS].kb, 256);

	memset(&r, 0, sizeof(r));
	plant_noisy(&r, CALIBRATE_RUN_256K, less, 4, 2);
	plant_noisy(&r, CALIBRATE_RUN_1M, less, 4, 2);
	calibrate_summarise(&r);
	calibrate_choose(&r, 2560, choice);
	assert_false(choice[CLASS_LONG_RUNS].measured);
	assert_int_equal(choice[CLASS_LONG_RUNS].kb, 64);
	assert_non_null(strstr(choice[CLASS_LONG_RUNS].why, "noise"));
}

/* The default's one figure may have been an accident, and so may the chosen value's. */
static void test_no_lead_in_noise_over_one_figure(void **state)
{
	static const double runs[] = {NONE, 800, 800, 800, 800, 1000, 1000, 1000, 900, 900};
	struct calibrate_choice choice[NR_CLASSES];
	unsigned int once, p;

	(void)state;
	for (once = 0; once < 3; once++) {
		struct calibrate_result r = {0};

		plant_noisy(&r, CALIBRATE_RUN_256K, runs, 4, 2);
		plant_noisy(&r, CALIBRATE_RUN_1M, runs, 4, 2);
		for (p = CALIBRATE_RUN_256K; p <= CALIBRATE_RUN_1M; p++) {
			struct calibrate_cell *cell = r.cell[p];

			cell[AT_64].repeats = once == 1 ? 1 : 2;
			cell[AT_64].rate[0] = cell[AT_64].rate[1] = 100e6;
			cell[AT_512].repeats = once == 2 ? 1 : 2;
			cell[AT_512].rate[0] = cell[AT_512].rate[1] = 3000e6;
		}
		calibrate_summarise(&r);
		assert_true(r.noise[CALIBRATE_RUN_1M] > 0.15);
		calibrate_choose(&r, 2560, choice);
		assert_int_equal(choice[CLASS_LONG_RUNS].kb, once ? 64 : 512);
	}
}

static void test_what_is_missing_stays_default(void **state)
{
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};

	(void)state;
	plant(&r, CALIBRATE_SCAN, hdd_scan, 1);
	assert_true(calibrate_choose(&r, 128, choice));
	assert_int_equal(choice[CLASS_SEQUENTIAL].kb, 1024);
	assert_int_equal(choice[CLASS_SMALL_FILES].kb, 1024); /* by the scan: no small files */
	assert_int_equal(choice[CLASS_MIXED].kb, 1024);
	assert_false(choice[CLASS_PAGES].measured);
	assert_int_equal(choice[CLASS_PAGES].kb, 16);
	assert_false(choice[CLASS_LONG_RUNS].measured);
}

/* Each way to show it takes a curve with gaps. */
static void test_shown(void **state)
{
	struct calibrate_about about = {.device = "sd<a>", .directory = "/mnt", .date = "D"};
	struct calibrate_choice choice[NR_CLASSES];
	struct calibrate_result r = {0};
	char *text = NULL, *json;
	size_t size = 0;
	cJSON *root, *patterns;
	FILE *f;

	(void)state;
	plant(&r, CALIBRATE_SCAN, hdd_scan, 1);
	r.cell[CALIBRATE_PAGE][AT_16].gap = GAP_BOUND;
	calibrate_choose(&r, 128, choice);
	f = open_memstream(&text, &size);
	assert_non_null(f);
	calibrate_print_text(f, &about, &r, choice);
	calibrate_print_svg(f, &about, &r, choice);
	fclose(f);
	assert_non_null(strstr(text, "the bound on time was reached"));
	assert_non_null(strstr(text, "<- sequential"));
	assert_non_null(strstr(text, "sd&#60;a&#62;"));
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "inf"));
	free(text);
	root = calibrate_json(&about, &r, choice);
	json = cJSON_PrintUnformatted(root);
	assert_non_null(json);
	patterns = cJSON_GetObjectItem(root, "patterns");
	assert_int_equal(cJSON_GetArraySize(patterns), NR_CALIBRATE_PATTERNS);
	free(json);
	cJSON_Delete(root);
}

/* As read_ahead_kb would be; its descriptor. */
static int made_up_kb(const char *kb)
{
	char name[] = "/tmp/test_calibrate.XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(write(fd, kb, strlen(kb)), strlen(kb));
	return fd;
}

static void test_what_is_lent_comes_back(void **state)
{
	struct calibrate_lent lent = {.own_kb = 192, .lent_kb = 4092, .active = 1};
	unsigned int kb;
	int fd;

	(void)state;
	fd = made_up_kb("4092\n");
	assert_int_equal(calibrate_take_back(fd, &lent), 0);
	assert_int_equal(bdi_read_kb(fd, &kb), 0);
	assert_int_equal(kb, 192);
	assert_false(lent.active);
	close(fd);

	/* Nothing is lent, or somebody has set another value meanwhile: theirs stays. */
	fd = made_up_kb("4092\n");
	assert_int_equal(calibrate_take_back(fd, &lent), 0);
	assert_int_equal(bdi_read_kb(fd, &kb), 0);
	assert_int_equal(kb, 4092);
	lent.lent_kb = 252;
	lent.active = 1;
	assert_int_equal(calibrate_take_back(fd, &lent), 0);
	assert_int_equal(bdi_read_kb(fd, &kb), 0);
	assert_int_equal(kb, 4092);
	close(fd);

	lent.active = 1;
	assert_int_equal(calibrate_take_back(-1, &lent), -EBADF);
	assert_true(lent.active);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_knee_of_planted_curves),
		cmocka_unit_test(test_knee_is_97_percent),
		cmocka_unit_test(test_flat_takes_the_least),
		cmocka_unit_test(test_one_point_or_none_is_no_curve),
		cmocka_unit_test(test_rubbish_is_no_figure),
		cmocka_unit_test(test_ties_go_to_the_smaller),
		cmocka_unit_test(test_noise_does_not_move_the_knee),
		cmocka_unit_test(test_a_slow_repeat_does_not_count),
		cmocka_unit_test(test_knee_wants_a_sane_amplification),
		cmocka_unit_test(test_best_of_two_patterns),
		cmocka_unit_test(test_first_pass_stops_early),
		cmocka_unit_test(test_contenders),
		cmocka_unit_test(test_row_of_a_cloud_disk),
		cmocka_unit_test(test_mixed_by_reads_under_way),
		cmocka_unit_test(test_pages_have_no_more_than_the_disk),
		cmocka_unit_test(test_pages_take_no_more_for_little),
		cmocka_unit_test(test_original_is_on_the_ladder),
		cmocka_unit_test(test_objects_take_more_where_pages_do_not_lose),
		cmocka_unit_test(test_runs_make_way_for_objects),
		cmocka_unit_test(test_objects_keep_their_pages),
		cmocka_unit_test(test_row_of_a_hard_disk),
		cmocka_unit_test(test_original_that_costs),
		cmocka_unit_test(test_recorded_disk_like_memory),
		cmocka_unit_test(test_below_an_original_that_costs),
		cmocka_unit_test(test_burst_is_no_best),
		cmocka_unit_test(test_recorded_hard_disk),
		cmocka_unit_test(test_peak_of_a_scan),
		cmocka_unit_test(test_pages_take_64_or_the_least),
		cmocka_unit_test(test_lead_beyond_the_spread),
		cmocka_unit_test(test_ample_for_a_scan),
		cmocka_unit_test(test_knee_above_the_default),
		cmocka_unit_test(test_rate_of_bursts),
		cmocka_unit_test(test_rate_of_a_steady_device),
		cmocka_unit_test(test_rate_of_large_windows),
		cmocka_unit_test(test_rate_of_windows_and_slices),
		cmocka_unit_test(test_too_noisy_to_tell),
		cmocka_unit_test(test_a_factor_shows_through_noise),
		cmocka_unit_test(test_no_lead_in_noise_over_one_figure),
		cmocka_unit_test(test_what_is_missing_stays_default),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_what_is_lent_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
