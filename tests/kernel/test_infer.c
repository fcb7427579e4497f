// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bit-exact: the same header, compiled here and run in the kernel, gives the
 * same features, logarithms, verdicts, logits, classes and margins for random
 * models sound and unsound. CASES (100,000) models; SEED repeats a run.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel_test.h"
#include "infer.h"

static unsigned long nr_models, nr_sound, nr_unsound_asked, nr_windows, nr_logs;
static unsigned long seen_inputs[MODEL_INPUTS_MAX + 1], seen_layers[MODEL_LAYERS_MAX + 1];
static unsigned long seen_width[MODEL_HIDDEN_MAX + 1], seen_outputs[MODEL_OUTPUTS_MAX + 1];
static unsigned long seen_fault[MODEL_ABSENT + 1], seen_clamped, seen_classes;
static double log2_error;
static int infer_program;
static struct infer_case *cases;
static struct infer_memory memory;

static void make_window(struct window *w)
{
	unsigned int i;

	memset(w, 0, sizeof(*w));
	w->span_ns = one_in(2) ? random_magnitude() >> 1 : 1 + random_below(10000000000ULL);
	w->ra_pages = one_in(2) ? random_magnitude() : random_below(16384);
	/* A window holds no negative delta, but any other. */
	for (i = 0; i < COUNTERS_MAX; i++)
		w->delta[i] = one_in(2) ? random_magnitude() >> 1 : random_below(100000);
}

static void make_case(struct infer_case *c, unsigned long number)
{
	unsigned int i;

	random_model(&c->model, one_in(4));
	if (one_in(4))
		spoil_model(&c->model);
	for (i = 0; i < FEATURES_MAX; i++)
		c->features.value[i] = one_in(2) ? random_magnitude() : random_below(100000);
	make_window(&c->window);
	/* First 2^n - 1, 2^n, 2^n + 1 for every n, then at random. */
	for (i = 0; i < INFER_LOGS; i++) {
		unsigned long n = number * INFER_LOGS + i;

		c->log2_of[i] = n < 192 ? (1ULL << n / 3) + n % 3 - 1 : random_magnitude();
	}
	memset(&c->answer, 0xa5, sizeof(c->answer));
}

static void count_shape(const struct infer_case *c)
{
	const struct model_header *h = &c->model.header;
	unsigned int i;

	seen_inputs[h->nr_inputs]++;
	seen_layers[h->nr_layers]++;
	seen_outputs[h->nr_outputs]++;
	for (i = 0; i < h->nr_layers; i++)
		seen_width[h->layer_size[i]]++;
	for (i = 0; i < h->nr_outputs; i++)
		seen_clamped += abs(c->answer.logits[i]) == LOGIT_MAX;
	if (h->nr_outputs > 1)
		seen_classes |= 1UL << c->answer.class_id;
}

/* Both sides said the same; is what they said sensible? */
static void check_answer(const struct infer_case *c)
{
	const struct infer_answer *a = &c->answer;
	unsigned int i;

	nr_models++;
	nr_windows++;
	nr_logs += INFER_LOGS;
	seen_fault[a->fetch_fault ? a->fetch_fault : a->check_fault]++;
	for (i = 0; i < INFER_LOGS; i++) {
		/* No feature comes near 2^62, where it ends. */
		double exact = fmin(62, log2l((long double)c->log2_of[i] + 1));

		log2_error = fmax(log2_error, fabs((double)a->log2[i] / 65536 - exact));
	}
	if (a->fetch_fault)
		return;
	if (a->check_fault) {
		nr_unsound_asked++;
		return;
	}
	nr_sound++;
	assert_int_equal(a->result, 0);
	count_shape(c);
	if (c->model.header.nr_outputs > 1)
		assert_true(a->margin >= 0);
	for (i = 0; i < c->model.header.nr_outputs; i++)
		assert_in_range((__s64)a->logits[i] + LOGIT_MAX, 0, 2LL * LOGIT_MAX);
}

static void one_batch(void)
{
	static struct infer_case native[INFER_CASES];
	unsigned int i;

	for (i = 0; i < INFER_CASES; i++)
		make_case(&native[i], nr_models + i);
	memcpy(cases, native, sizeof(native));
	assert_int_equal(run_program(infer_program, NULL, 0), INFER_CASES);
	for (i = 0; i < INFER_CASES; i++) {
		const struct infer_answer *here = &native[i].answer, *there = &cases[i].answer;

		infer_answer(&native[i], &memory);
		if (memcmp(here, there, sizeof(*here)))
			fail_msg("case %lu: kernel says fault %u/%u result %d class %u margin %d, "
				 "this side %u/%u %d %u %d",
				 nr_models, there->fetch_fault, there->check_fault, there->result,
				 there->class_id, there->margin, here->fetch_fault,
				 here->check_fault, here->result, here->class_id, here->margin);
		check_answer(&native[i]);
	}
}

static void same_bits(void **state)
{
	unsigned long wanted = env_number("CASES", 100000);

	(void)state;
	do {
		one_batch();
	} while (nr_models < wanted);
	printf("# %lu models (%lu sound, %lu with sound checksum and unsound sizes), "
	       "%lu windows, %lu logarithms: the same bits\n",
	       nr_models, nr_sound, nr_unsound_asked, nr_windows, nr_logs);
}

/* The cases above are worth something only if they reached every shape and every verdict. */
static void every_shape_and_verdict(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 1; i <= MODEL_INPUTS_MAX; i++)
		assert_true(seen_inputs[i]);
	for (i = 1; i <= MODEL_LAYERS_MAX; i++)
		assert_true(seen_layers[i]);
	for (i = 1; i <= MODEL_HIDDEN_MAX; i++)
		assert_true(seen_width[i]);
	for (i = 1; i <= MODEL_OUTPUTS_MAX; i++)
		assert_true(seen_outputs[i]);
	for (i = MODEL_OK; i <= MODEL_BAD_CHECKSUM; i++)
		if (!seen_fault[i])
			fail_msg("no case met model_fault %u", i);
	assert_true(seen_clamped);
	assert_int_equal(seen_classes, (1UL << CLASSES_MAX) - 1);
}

static void logarithm_is_close(void **state)
{
	(void)state;
	printf("# largest error of log2_q16: %.6f\n", log2_error);
	assert_true(nr_logs > 192);
	assert_true(log2_error < 0.001);
}

/* The largest difference two logits can have is a margin, not a negative number. */
static void widest_margin(void **state)
{
	const unsigned char classes[] = {3, 9};
	const int logits[] = {-LOGIT_MAX, LOGIT_MAX};
	struct infer_case *c = &cases[0];

	(void)state;
	memset(c, 0, sizeof(*c));
	constant_model(&c->model, SOURCE_BLOCK, 2, classes, logits, 1);
	run_program(infer_program, NULL, 0);
	assert_int_equal(c->answer.result, 0);
	assert_int_equal(c->answer.class_id, 9);
	assert_int_equal(c->answer.margin, 2LL * LOGIT_MAX);
}

static int setup(void **state)
{
	struct bpf_object *object = load_object("infer");

	(void)state;
	seed_random();
	infer_program = program_fd(object, "infer_all");
	cases = mmap(NULL, INFER_CASES * sizeof(*cases), PROT_READ | PROT_WRITE, MAP_SHARED,
		     map_fd(object, "cases"), 0);
	return cases == MAP_FAILED ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_bits),
		cmocka_unit_test(every_shape_and_verdict),
		cmocka_unit_test(logarithm_is_close),
		cmocka_unit_test(widest_margin),
	};

	need_root();
	return cmocka_run_group_tests_name("infer", tests, setup, NULL);
}
