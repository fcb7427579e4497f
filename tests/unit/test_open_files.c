// SPDX-License-Identifier: GPL-2.0-only
/* Which open files may be re-armed, the history that says so, and the keys of what is excluded. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "loader/exclude.h"
#include "loader/open_files.h"

#define ORIGINAL 32U
#define FIRST 63U  /* 252 KB */
#define SECOND 31U /* 124 KB */

static struct ra_history history_of(void)
{
	struct ra_history h = {};

	ra_history_put(&h, ORIGINAL, false);
	ra_history_put(&h, FIRST, true);
	ra_history_put(&h, SECOND, true);
	return h;
}

static void former_values_are_stale(void **state)
{
	const struct ra_history h = history_of();

	(void)state;
	assert_int_equal(open_verdict(&h, SECOND, SECOND, 0, 0), OPEN_CURRENT);
	assert_int_equal(open_verdict(&h, SECOND, FIRST, 0, 0), OPEN_STALE);
	assert_int_equal(open_verdict(&h, SECOND, ORIGINAL, 0, 0), OPEN_STALE);
	assert_int_equal(open_verdict(&h, ORIGINAL, FIRST, 0, 0), OPEN_STALE);
}

static void others_are_not_ours(void **state)
{
	const struct ra_history h = history_of(), none = {};

	(void)state;
	assert_int_equal(open_verdict(&h, SECOND, 100, 0, 0), OPEN_FOREIGN);
	assert_int_equal(open_verdict(&h, SECOND, 0, 0, 0), OPEN_FOREIGN);
	assert_int_equal(open_verdict(&none, SECOND, FIRST, 0, 0), OPEN_FOREIGN);
}

static void hints_are_left_alone(void **state)
{
	const struct ra_history h = history_of();

	(void)state;
	assert_int_equal(open_verdict(&h, SECOND, FIRST, OPEN_MODE_RANDOM, 0), OPEN_RANDOM);
	assert_int_equal(open_verdict(&h, SECOND, FIRST, OPEN_MODE_NOREUSE, 0), OPEN_NOREUSE);
	assert_int_equal(open_verdict(&h, SECOND, 2 * FIRST, 0, 0), OPEN_SEQUENTIAL);
	assert_int_equal(open_verdict(&h, SECOND, 2 * SECOND, 0, 0), OPEN_SEQUENTIAL);
	assert_int_equal(open_verdict(&h, SECOND, 2 * ORIGINAL, 0, 0), OPEN_SEQUENTIAL);
	/* What the bdi has now need not be in its history. */
	assert_int_equal(open_verdict(&h, 50, 100, 0, 0), OPEN_SEQUENTIAL);
}

/* An administrator's values can be twice each other. */
static void ambiguous_ones_too(void **state)
{
	struct ra_history h = history_of();

	(void)state;
	ra_history_put(&h, 2 * ORIGINAL, false);
	assert_int_equal(open_verdict(&h, SECOND, 2 * ORIGINAL, 0, 0), OPEN_AMBIGUOUS);
	assert_int_equal(open_verdict(&h, SECOND, ORIGINAL, 0, 0), OPEN_STALE);
}

/* Ours of different times, too: half of 64 pages is in the history, half of 256 is not. */
static void twice_ours_is_ambiguous(void **state)
{
	struct ra_history h = {};
	__u32 pages;

	(void)state;
	ra_history_put(&h, 1024, false);
	ra_history_put(&h, 64, true);
	ra_history_put(&h, 256, true);
	for (pages = 64; pages <= 1024; pages *= 4)
		assert_int_equal(open_verdict(&h, 8, pages, 0, 0), OPEN_STALE);
	/* POSIX_FADV_SEQUENTIAL beside them. */
	assert_int_equal(open_verdict(&h, 8, 128, 0, 0), OPEN_SEQUENTIAL);
	assert_int_equal(open_verdict(&h, 8, 512, 0, 0), OPEN_SEQUENTIAL);
	assert_int_equal(open_verdict(&h, 8, 2048, 0, 0), OPEN_SEQUENTIAL);
	/* Now half of it has been there, and whoever has 64 pages may have asked for them. */
	ra_history_put(&h, 32, true);
	assert_int_equal(open_verdict(&h, 8, 64, 0, 0), OPEN_AMBIGUOUS);
	assert_int_equal(open_verdict(&h, 8, 64, 0, 1), OPEN_AMBIGUOUS);
	assert_int_equal(open_verdict(&h, 8, 32, 0, 0), OPEN_STALE);
	assert_int_equal(open_verdict(&h, 8, 256, 0, 0), OPEN_STALE);
	/* In whichever order they came, and whoever set the half. */
	ra_history_put(&h, 512, true);
	assert_int_equal(open_verdict(&h, 8, 1024, 0, 0), OPEN_AMBIGUOUS);
	ra_history_put(&h, 128, false);
	assert_int_equal(open_verdict(&h, 8, 256, 0, 1), OPEN_AMBIGUOUS);
	/* The half may be there now and in no history. */
	memset(&h, 0, sizeof(h));
	ra_history_put(&h, 256, true);
	assert_int_equal(open_verdict(&h, 128, 256, 0, 0), OPEN_AMBIGUOUS);
	assert_int_equal(open_verdict(&h, 64, 256, 0, 0), OPEN_STALE);
}

static void originals_come_back_over_ours_alone(void **state)
{
	struct ra_history h = history_of();

	(void)state;
	ra_history_put(&h, 24, false);
	assert_int_equal(open_verdict(&h, 24, FIRST, 0, 1), OPEN_STALE);
	assert_int_equal(open_verdict(&h, 24, SECOND, 0, 1), OPEN_STALE);
	assert_int_equal(open_verdict(&h, 24, ORIGINAL, 0, 1), OPEN_FOREIGN);
	assert_int_equal(open_verdict(&h, 24, ORIGINAL, 0, 0), OPEN_STALE);
}

/* Whatever stands in the map, no value beyond its end is read. */
static void nothing_in_a_map_is_trusted(void **state)
{
	struct ra_history h;

	(void)state;
	memset(&h, 0xff, sizeof(h));
	assert_int_equal(open_verdict(&h, 1, 5, 0, 0), OPEN_FOREIGN);
	ra_history_put(&h, 7, true);
	assert_int_equal(h.nr_values, RA_VALUES_MAX);
	assert_int_equal(h.values[0], 7);
}

static void newest_first_each_once(void **state)
{
	struct ra_history h = history_of();

	(void)state;
	assert_int_equal(h.nr_values, 3);
	assert_int_equal(h.values[0], SECOND);
	assert_int_equal(h.values[1], FIRST);
	assert_int_equal(h.values[2], ORIGINAL);
	assert_int_equal(h.ours, 3);
	ra_history_put(&h, ORIGINAL, false);
	assert_int_equal(h.nr_values, 3);
	assert_int_equal(h.values[0], ORIGINAL);
	assert_int_equal(h.values[1], SECOND);
	assert_int_equal(h.ours, 6);
	/* What we wrote once stays ours, whoever sets it again. */
	ra_history_put(&h, FIRST, false);
	assert_int_equal(h.values[0], FIRST);
	assert_int_equal(h.ours, 5);
	ra_history_put(&h, 0, true);
	assert_int_equal(h.nr_values, 3);
}

static void the_oldest_makes_room(void **state)
{
	struct ra_history h = {};
	__u32 i;

	(void)state;
	for (i = 1; i <= RA_VALUES_MAX + 4; i++)
		ra_history_put(&h, i, i % 2);
	assert_int_equal(h.nr_values, RA_VALUES_MAX);
	for (i = 0; i < RA_VALUES_MAX; i++) {
		assert_int_equal(h.values[i], RA_VALUES_MAX + 4 - i);
		assert_int_equal(h.ours >> i & 1, h.values[i] % 2);
	}
	assert_int_equal(open_verdict(&h, 100, 4, 0, 0), OPEN_FOREIGN);
	assert_int_equal(open_verdict(&h, 100, 5, 0, 0), OPEN_STALE);
}

static void names_and_cgroups(void **state)
{
	struct open_exclusion key;

	(void)state;
	assert_int_equal(exclude_comm_key("postgres", &key), 0);
	assert_int_equal(key.cgroup_id, 0);
	assert_memory_equal(key.comm, "postgres\0\0\0\0\0\0\0", 16);
	assert_int_equal(exclude_comm_key("fifteen-letters", &key), 0);
	assert_int_equal(exclude_comm_key("sixteen--letters", &key), -EINVAL);
	assert_int_equal(exclude_comm_key("", &key), -EINVAL);
	assert_int_equal(exclude_cgroup_key("system.slice", &key), -EINVAL);
	assert_int_equal(exclude_cgroup_key("/proc", &key), -EMEDIUMTYPE);
	assert_int_equal(exclude_cgroup_key("/nothing/there", &key), -ENOENT);
}

static void counts_in_words(void **state)
{
	struct open_counts counts = {.passes = 3};
	char line[256], small[16];

	(void)state;
	assert_false(open_counts_text(&counts, line, sizeof(line)));
	counts.random = 2; /* nothing was done: no news */
	assert_false(open_counts_text(&counts, line, sizeof(line)));
	counts.rearmed = 12;
	counts.denied = 1;
	assert_true(open_counts_text(&counts, line, sizeof(line)));
	assert_string_equal(line,
			    "open files: 12 re-armed, 2 random by their program's wish, 1 denied");
	assert_true(open_counts_text(&counts, small, sizeof(small)));
	assert_int_equal(strlen(small), sizeof(small) - 1);
}

static void verdicts_have_names(void **state)
{
	unsigned int i, j;

	(void)state;
	for (i = 0; i < NR_OPEN_VERDICTS; i++) {
		assert_non_null(open_verdict_name(i));
		for (j = 0; j < i; j++)
			assert_string_not_equal(open_verdict_name(i), open_verdict_name(j));
	}
	assert_string_equal(open_verdict_name(NR_OPEN_VERDICTS), "?");
}

static void pages_of_this_kernel(void **state)
{
	unsigned int page_kb = (unsigned int)(sysconf(_SC_PAGESIZE) / 1024);

	(void)state;
	assert_int_equal(kb_to_pages(64 * page_kb), 64);
	assert_int_equal(kb_to_pages(page_kb - 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(former_values_are_stale),
		cmocka_unit_test(others_are_not_ours),
		cmocka_unit_test(hints_are_left_alone),
		cmocka_unit_test(ambiguous_ones_too),
		cmocka_unit_test(twice_ours_is_ambiguous),
		cmocka_unit_test(originals_come_back_over_ours_alone),
		cmocka_unit_test(nothing_in_a_map_is_trusted),
		cmocka_unit_test(newest_first_each_once),
		cmocka_unit_test(the_oldest_makes_room),
		cmocka_unit_test(names_and_cgroups),
		cmocka_unit_test(counts_in_words),
		cmocka_unit_test(verdicts_have_names),
		cmocka_unit_test(pages_of_this_kernel),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
