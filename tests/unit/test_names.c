// SPDX-License-Identifier: GPL-2.0-only
/* Names and numbers agree in both directions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "loader/names.h"

static void classes_round_trip(void **state)
{
	unsigned int id, named = 0;

	(void)state;
	for (id = 0; id < CLASSES_MAX; id++) {
		if (!strcmp(class_name(id), "?"))
			continue;
		named++;
		assert_int_equal(class_from_name(class_name(id)), id);
		assert_true(class_from_name(class_classic_name(id)) <= CLASS_MIXED);
		assert_true(class_from_name(class_classic_name(id)) >= 0);
	}
	assert_int_equal(named, NR_CLASSES);
	assert_string_equal(class_name(CLASS_SEQUENTIAL), "sequential");
	assert_string_equal(class_name(CLASS_LONG_RUNS), "long-runs");
	assert_string_equal(class_classic_name(CLASS_PAGES), "random");
	assert_string_equal(class_name(CLASS_NONE), "none");
	assert_string_equal(class_classic_name(CLASS_NONE), "none");
	assert_string_equal(class_name(CLASSES_MAX), "?");
	assert_string_equal(class_name(~0U), "?");
	assert_int_equal(class_from_name("seq"), -ENOENT);
	assert_int_equal(class_from_name(""), -ENOENT);
	assert_int_equal(class_from_name("?"), -ENOENT);
}

static void features_round_trip(void **state)
{
	unsigned int id;

	(void)state;
	for (id = 0; id < FEATURES_MAX; id++) {
		if (feature_name(id))
			assert_int_equal(feature_from_name(feature_name(id)), id);
	}
	assert_string_equal(feature_name(FEATURE_JUMP_RATIO), "jump_ratio");
	assert_string_equal(feature_name(FEATURE_AVG_WINDOW_PAGES_Q8), "avg_window_pages_q8");
	assert_true(feature_is_ratio(FEATURE_JUMP_RATIO));
	assert_true(feature_is_ratio(FEATURE_ASYNC_SHARE));
	assert_false(feature_is_ratio(FEATURE_IOPS));
	assert_null(feature_name(FEATURE_LATENCY_NS + 1)); /* a gap in the numbers */
	assert_null(feature_name(FEATURES_MAX));
	assert_false(feature_is_ratio(FEATURES_MAX));
	assert_int_equal(feature_from_name("jump"), -ENOENT);
}

static void the_others(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_MODES; i++)
		assert_int_equal(mode_from_name(mode_name(i)), i);
	assert_string_equal(mode_name(NR_MODES), "?");
	assert_int_equal(mode_from_name("ACT"), -ENOENT);
	for (i = 0; i <= CLAMP_LEARNED; i++)
		assert_int_equal(clamp_from_name(clamp_name(i)), i);
	assert_string_equal(clamp_name(CLAMP_LEARNED + 1), "?");
	assert_int_equal(clamp_from_name("never"), -ENOENT);
	for (i = 0; i < NR_COUNTERS; i++)
		assert_non_null(counter_name(i));
	assert_string_equal(counter_name(COUNTER_AROUND_CALLS), "around_calls");
	assert_null(counter_name(NR_COUNTERS));
}

static void sources_fit_the_buffer(void **state)
{
	char text[64], tiny[8];

	(void)state;
	assert_string_equal(source_names(0, text, sizeof(text)), "none");
	assert_string_equal(source_names(SOURCE_READAHEAD, text, sizeof(text)), "readahead");
	assert_string_equal(source_names(SOURCES_ALL, text, sizeof(text)),
			    "block,readahead,latency");
	assert_string_equal(source_names(SOURCE_BLOCK | 64, text, sizeof(text)), "block,?");
	memset(tiny, 'x', sizeof(tiny));
	source_names(SOURCES_ALL, tiny, sizeof(tiny));
	assert_true(strnlen(tiny, sizeof(tiny)) < sizeof(tiny));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_round_trip),
		cmocka_unit_test(features_round_trip),
		cmocka_unit_test(the_others),
		cmocka_unit_test(sources_fit_the_buffer),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
