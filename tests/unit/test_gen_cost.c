// SPDX-License-Identifier: GPL-2.0-only
/* What errors cost, by a sweep small enough to be reckoned by hand. */
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

#include "gen/cost.h"

/*
 * Profile p: s (sequential) 10, 20, 40 at 16, 128, 1024 KB; r (random) 30, 30, 3 with a repeat
 * of the first; x (random) 16, 8, 4; d past the page cache; m (mixed) lacks 1024.
 */
static const char sweep[] = "run,workload,family,label,profile,ra_kb,app_bytes_per_s,mode\n"
			    "p.s.16,s,f,sequential,p,16,10,buffered\n"
			    "p.s.128,s,f,sequential,p,128,20,buffered\n"
			    "p.s.1024,s,f,sequential,p,1024,40,mmap\n"
			    "p.r.16.1,r,g,random,p,16,20,buffered\n"
			    "p.r.16.2,r,g,random,p,16,45,buffered\n"
			    "p.r.128,r,g,random,p,128,30,buffered\n"
			    "p.r.1024,r,g,random,p,1024,3,buffered\n"
			    "p.x.16,x,g,random,p,16,16,buffered\n"
			    "p.x.128,x,g,random,p,128,8,buffered\n"
			    "p.x.1024,x,g,random,p,1024,4,buffered\n"
			    "p.d.128,d,h,random,p,128,1000,direct\n"
			    "p.m.16,m,i,mixed,p,16,5,buffered\n"
			    "p.m.128,m,i,mixed,p,128,10,buffered\n"
			    "q.s.16,s,f,sequential,q,16,7,buffered\n";

struct fixture {
	struct metadata m;
	struct dataset d;
	struct answer answer[64];
	struct costs costs;
};

static int setup(void **state)
{
	char path[] = "/tmp/bpfahead-test-cost.XXXXXX";
	struct fixture *f = calloc(1, sizeof(*f));
	int fd = mkstemp(path);
	struct fault why;

	assert_non_null(f);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, sweep, sizeof(sweep) - 1), sizeof(sweep) - 1);
	close(fd);
	assert_int_equal(metadata_read(&f->m, path, &why), 0);
	unlink(path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cost_free(&f->costs);
	metadata_free(&f->m);
	dataset_free(&f->d);
	free(f);
	return 0;
}

static void window(struct fixture *f, const char *run, unsigned int label, unsigned int answer)
{
	struct row row = {.label = label};

	assert_int_equal(dataset_run(&f->d, run, strlen(run), &row.run), 0);
	f->answer[f->d.nr_rows].class_id = answer;
	assert_int_equal(dataset_append(&f->d, &row), 0);
}

static void assert_close(double a, double b)
{
	if (!(fabs(a - b) < 1e-12))
		fail_msg("%.15g is not %.15g", a, b);
}

static void compute(struct fixture *f)
{
	struct fault why;

	assert_int_equal(cost_compute(&f->d, f->answer, &f->m, &f->costs, &why), 0);
}

static void test_right_answers(void **state)
{
	struct fixture *f = *state;
	const struct profile_cost *c;

	window(f, "p.s.16", CLASS_SEQUENTIAL, CLASS_SEQUENTIAL);
	window(f, "p.r.16.1", CLASS_RANDOM, CLASS_RANDOM);
	window(f, "p.x.1024", CLASS_RANDOM, CLASS_RANDOM);
	window(f, "p.d.128", CLASS_RANDOM, CLASS_SEQUENTIAL); /* readahead is nothing to it */
	compute(f);
	assert_int_equal(f->costs.nr_profiles, 1); /* of q nothing was asked */
	c = &f->costs.profile[0];
	assert_string_equal(c->name, "p");
	assert_int_equal(c->nr_workloads, 3);
	assert_int_equal(c->nr_windows, 3);
	assert_int_equal(c->skipped, 0);
	/* r: geomean of the repeats is 30, so 16 and 128 are alike to it; x takes 16. */
	assert_int_equal(c->class_kb[CLASS_SEQUENTIAL], 1024);
	assert_int_equal(c->class_kb[CLASS_RANDOM], 16);
	assert_int_equal(c->class_kb[CLASS_MIXED], 0); /* nothing was asked about m */
	assert_close(c->predicted, 1.0);
	assert_close(c->truth, 1.0);
	/* 16: 1/4, 1, 1. 128: 1/2, 1, 1/2. 1024: 1, 1/10, 1/4. The first two are alike. */
	assert_close(c->single, cbrt(0.25));
	assert_close(c->original, cbrt(0.25));
	/* sequential 256 is nearest to 128, random 16 is there */
	assert_close(c->shipped, cbrt(0.5));
}

static void test_wrong_answers(void **state)
{
	struct fixture *f = *state;
	const struct profile_cost *c;
	unsigned int i;

	/* Half of one window's workload, all of a workload with five: each workload counts once. */
	window(f, "p.s.16", CLASS_SEQUENTIAL, CLASS_RANDOM);
	window(f, "p.s.128", CLASS_SEQUENTIAL, CLASS_SEQUENTIAL);
	for (i = 0; i < 5; i++)
		window(f, "p.r.16.1", CLASS_RANDOM, CLASS_SEQUENTIAL);
	window(f, "p.x.16", CLASS_RANDOM, CLASS_RANDOM);
	window(f, "p.x.16", CLASS_RANDOM, CLASS_NONE); /* not held out */
	compute(f);
	c = &f->costs.profile[0];
	assert_int_equal(c->nr_windows, 8);
	/* s: sqrt(1/4 * 1); r: 3 of 30; x: all. */
	assert_close(c->predicted, cbrt(0.5 * 0.1));
	assert_close(c->truth, 1.0);
}

static void test_holes_in_the_sweep(void **state)
{
	struct fixture *f = *state;
	const struct profile_cost *c;

	window(f, "p.s.16", CLASS_SEQUENTIAL, CLASS_SEQUENTIAL);
	window(f, "p.m.16", CLASS_MIXED, CLASS_SEQUENTIAL); /* m lacks 1024 */
	window(f, "p.m.128", CLASS_MIXED, CLASS_MIXED);
	window(f, "p.new.16", CLASS_MIXED, CLASS_MIXED); /* nor anything of this one */
	compute(f);
	c = &f->costs.profile[0];
	assert_int_equal(c->incomplete, 1);
	assert_int_equal(c->skipped, 0);
	assert_int_equal(c->nr_windows, 1);
	assert_int_equal(c->nr_workloads, 1);
	assert_int_equal(c->class_kb[CLASS_MIXED], 0);
	assert_int_equal(c->single_kb, 1024); /* as if m were not there */
	assert_close(c->single, 1.0);
	assert_close(c->predicted, 1.0);
}

static void test_nothing_to_go_by(void **state)
{
	struct fixture *f = *state;
	struct fault why;

	window(f, "other.s.16", CLASS_SEQUENTIAL, CLASS_SEQUENTIAL);
	assert_true(cost_compute(&f->d, f->answer, &f->m, &f->costs, &why) < 0);
	assert_non_null(strstr(why.text, "no throughput"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_right_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_holes_in_the_sweep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_to_go_by, setup, teardown),
	};

	return cmocka_run_group_tests_name("gen_cost", tests, NULL, NULL);
}
