// SPDX-License-Identifier: GPL-2.0-only
/* What a dataset shows about itself, and the parts that are drawn from it at random. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "gen/columns.h"
#include "gen/dataset.h"

static const uint8_t labels[6] = {0, 0, 1, 1, 1, 2};
static const uint32_t runs[6] = {0, 0, 1, 1, 2, 3};
static double x[6] = {1, 3, 10, 12, 14, 30};
static double twice[6] = {-1, 3, 17, 21, 25, 57}; /* 2 x - 3 */
static double nearly[6] = {-1, 3, 17, 21, 25, 57.001};
static double same[6] = {7, 7, 7, 7, 7, 7};
static double by_class[6] = {4, 4, 9, 9, 9, 1};
static double by_run[6] = {4, 4, 4, 4, 9, 1};
static struct column column[] = {
	{"x", x},       {"twice", twice},       {"nearly", nearly},
	{"same", same}, {"by_class", by_class}, {"by_run", by_run},
};
static const struct columns table = {
	.column = column, .nr_columns = 6, .nr_rows = 6, .label = labels, .run = runs};

static void test_affine(void **state)
{
	double slope, offset;

	(void)state;
	assert_true(column_affine(&table, 1, 0, &slope, &offset));
	assert_true(slope == 2.0 && offset == -3.0);
	assert_false(column_affine(&table, 2, 0, &slope, &offset));
	assert_false(column_affine(&table, 3, 0, &slope, &offset));
	assert_false(column_affine(&table, 0, 3, &slope, &offset));
	assert_true(column_constant(&table, 3));
	assert_false(column_constant(&table, 0));
}

/*
 * By hand: means 2, 12, 30 and 70/6 overall; between 2 (29/3)^2 + 3 (1/3)^2 +
 * (55/3)^2 = 4710/9 with 2 degrees, within 2 + 8 + 0 = 10 with 3.
 */
static void test_f(void **state)
{
	(void)state;
	assert_true(fabs(column_f(&table, 0, CLASS_NONE) - 4710.0 / 18.0 / (10.0 / 3.0)) < 1e-9);
	/* Class 0 against the rest: means 2, 16.5; between 2 (29/3)^2 + 4 (29/6)^2 = 2523/9. */
	assert_true(fabs(column_f(&table, 0, 0) -
			 2523.0 / 9.0 / ((2.0 + 42.25 + 20.25 + 6.25 + 182.25) / 4.0)) < 1e-9);
	assert_true(isnan(column_f(&table, 3, CLASS_NONE)));
	assert_true(isnan(column_f(&table, 0, 5)));
	assert_true(isinf(column_f(&table, 4, CLASS_NONE)));
}

static void test_flaws_are_named(void **state)
{
	char *text;
	size_t size;
	FILE *out;

	(void)state;
	out = open_memstream(&text, &size);
	assert_non_null(out);
	columns_print_flaws(out, &table);
	fclose(out);
	assert_string_equal(text, "redundant column: twice = 2 x x - 3\n"
				  "constant column: same is 7 in every row\n"
				  "gives the label away: by_class has one value per class\n"
				  "constant within each run: by_run\n");
	free(text);
}

/* Two classes, four runs of each, ten windows of a run. */
static void make_dataset(struct dataset *d)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	unsigned int run, k;

	memset(d, 0, sizeof(*d));
	for (run = 0; run < 8; run++) {
		struct row row = {.label = run / 4, .calls = 10};

		assert_int_equal(dataset_run(d, names[run], 1, &row.run), 0);
		for (k = 0; k < 10; k++)
			assert_int_equal(dataset_append(d, &row), 0);
	}
}

static void test_rows_are_drawn_by_class(void **state)
{
	uint8_t parts[80] = {0}, again[80] = {0}, other[80] = {0};
	struct dataset d;
	struct rng rng;

	(void)state;
	make_dataset(&d);
	rng_seed(&rng, 5);
	assert_int_equal(dataset_split_rows(&d, parts, PART_TEST, 0.2, &rng), 0);
	assert_int_equal(dataset_count(&d, parts, PART_TEST, 0), 8);
	assert_int_equal(dataset_count(&d, parts, PART_TEST, 1), 8);
	/* A second draw takes nothing from the first. */
	assert_int_equal(dataset_split_rows(&d, parts, PART_VALIDATION, 0.25, &rng), 0);
	assert_int_equal(dataset_count(&d, parts, PART_TEST, -1), 16);
	assert_int_equal(dataset_count(&d, parts, PART_VALIDATION, 1), 8);
	assert_int_equal(dataset_count(&d, parts, PART_TRAIN, -1), 48);
	rng_seed(&rng, 5);
	assert_int_equal(dataset_split_rows(&d, again, PART_TEST, 0.2, &rng), 0);
	assert_int_equal(dataset_split_rows(&d, again, PART_VALIDATION, 0.25, &rng), 0);
	assert_memory_equal(parts, again, sizeof(parts));
	rng_seed(&rng, 6);
	assert_int_equal(dataset_split_rows(&d, other, PART_TEST, 0.2, &rng), 0);
	assert_memory_not_equal(parts, other, sizeof(parts));
	dataset_free(&d);
}

static void test_one_run_of_each_class(void **state)
{
	unsigned int drawn = 0, run, times;
	struct dataset d;
	struct fault why;
	struct rng rng;

	(void)state;
	make_dataset(&d);
	rng_seed(&rng, 1);
	for (times = 0; times < 100; times++) {
		uint8_t parts[80] = {0};

		assert_int_equal(dataset_hold_out_runs(&d, parts, PART_TEST, &rng, &why), 0);
		assert_int_equal(dataset_count(&d, parts, PART_TEST, 0), 10);
		assert_int_equal(dataset_count(&d, parts, PART_TEST, 1), 10);
		for (run = 0; run < 8; run++) {
			unsigned int k, nr = 0;

			for (k = 0; k < 10; k++)
				nr += parts[10 * run + k] == PART_TEST;
			assert_true(nr == 0 || nr == 10);
			drawn |= nr ? 1U << run : 0;
		}
	}
	assert_int_equal(drawn, 0xff); /* each run has its turn */
	dataset_free(&d);
}

static void test_a_single_run_stays(void **state)
{
	struct row row = {.label = CLASS_RANDOM, .calls = 10};
	uint8_t parts[81] = {0};
	struct dataset d;
	struct fault why;
	struct rng rng;

	(void)state;
	make_dataset(&d);
	row.label = CLASS_MIXED;
	assert_int_equal(dataset_run(&d, "alone", 5, &row.run), 0);
	assert_int_equal(dataset_append(&d, &row), 0);
	rng_seed(&rng, 1);
	assert_int_equal(dataset_hold_out_runs(&d, parts, PART_TEST, &rng, &why), -EINVAL);
	assert_non_null(strstr(why.text, "class mixed has a single run"));
	dataset_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_affine),
		cmocka_unit_test(test_f),
		cmocka_unit_test(test_flaws_are_named),
		cmocka_unit_test(test_rows_are_drawn_by_class),
		cmocka_unit_test(test_one_run_of_each_class),
		cmocka_unit_test(test_a_single_run_stays),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("gen_columns", tests, NULL, NULL);
}
