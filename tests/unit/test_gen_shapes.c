// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every shape that the format allows, on any features: trained, quantised to a model that
 * passes all checks, and true to its network.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bpf/mlp.h"
#include "gen/evaluate.h"
#include "gen/quantise.h"
#include "gen/train.h"
#include "loader/model_file.h"
#include "loader/names.h"

#define ROWS 240

static unsigned int known[FEATURES_MAX], nr_known;

static void make_rows(struct dataset *d, struct rng *rng, unsigned int classes)
{
	unsigned int i, k, id;
	uint32_t run;

	memset(d, 0, sizeof(*d));
	d->features = (uint32_t)((1ULL << FEATURES_MAX) - 1);
	for (i = 0; i < ROWS; i++) {
		/* Ids with gaps: an output is not a class. */
		struct row row = {.label = i % classes * 2 % CLASSES_MAX, .calls = 100};

		assert_int_equal(dataset_run(d, i % 24 < 12 ? "a.a.1" : "b.b.1", 5, &run), 0);
		row.run = run;
		for (k = 0; k < nr_known; k++) {
			id = known[k];
			/* Each feature tells some classes apart, over many decades or within a
			 * ratio. */
			if (feature_is_ratio(id))
				row.features[id] = (i % classes * (k + 3) % classes) * 8000 +
						   rng_below(rng, 4000);
			else
				row.features[id] = (1ULL << (i % classes * (k + 5) % classes * 3)) *
						   (10 + rng_below(rng, 5));
		}
		assert_int_equal(dataset_append(d, &row), 0);
	}
}

static void choose_features(struct rng *rng, struct train_options *o, unsigned int nr)
{
	uint32_t order[FEATURES_MAX];
	unsigned int i;

	for (i = 0; i < nr_known; i++)
		order[i] = i;
	rng_shuffle(rng, order, nr_known);
	for (i = 0; i < nr; i++)
		o->features[i] = known[order[i]];
	o->nr_features = nr;
}

struct tally {
	size_t rows, agreed;
	double worst; /* difference of a logit, in shares of the largest of the shape */
};

static void check_answers(const struct dataset *d, const struct trained *t,
			  const struct model *model, struct tally *tally)
{
	double largest = 1.0, worst = 0.0, x[MODEL_INPUTS_MAX];
	const struct network *n = &t->network;
	struct mlp_features features;
	struct mlp_scratch scratch;
	struct activations a;
	unsigned int out;
	size_t i;

	for (i = 0; i < d->nr_rows; i++) {
		const double *logits = a.value[n->nr_layers];

		memcpy(features.value, d->rows[i].features, sizeof(features.value));
		assert_int_equal(mlp_infer(model, &features, &scratch), 0);
		row_inputs(&d->rows[i], t->inputs, n->nr_inputs, x);
		network_forward(n, x, NULL, &a);
		tally->rows++;
		tally->agreed += scratch.class_id == t->class_id[network_answer(n, &a)];
		for (out = 0; out < t->nr_outputs; out++) {
			largest = fmax(largest, fabs(logits[out]));
			worst = fmax(worst,
				     fabs((double)scratch.logits[out] / LOGIT_ONE - logits[out]));
		}
	}
	tally->worst = fmax(tally->worst, worst / largest);
}

static void one_shape(struct rng *rng, const struct train_options *shape, unsigned int nr_inputs,
		      unsigned int classes, struct trained *t, struct tally *tally)
{
	struct train_options options = *shape;
	uint8_t parts[ROWS] = {0};
	struct model model, parsed;
	struct fault why = {""};
	struct dataset d;
	unsigned int i;

	make_rows(&d, rng, classes);
	choose_features(rng, &options, nr_inputs);
	options.linear = rng_below(rng, 4) == 0;
	for (i = 0; i < ROWS; i++)
		parts[i] = i / classes % 5 == 4 ? PART_VALIDATION : PART_TRAIN;
	if (train(&d, parts, &options, t, &why) || quantise(t, &d, parts, "shape", 1, &model, &why))
		fail_msg("%u inputs, %u hidden layers, %u classes: %s", nr_inputs,
			 options.nr_hidden, classes, why.text);
	assert_int_equal(model.header.nr_inputs, nr_inputs);
	assert_int_equal(model.header.nr_layers, options.nr_hidden + 1);
	assert_int_equal(model.header.nr_outputs, classes);
	assert_null(model_parse(&model, model_file_bytes(&model), &parsed));
	assert_memory_equal(&parsed, &model, sizeof(model));
	check_answers(&d, t, &model, tally);
	dataset_free(&d);
}

static void test_every_shape(void **state)
{
	static const unsigned int inputs[] = {1, 2, 3, 5, 8, 9, 13, 16};
	static const unsigned int hidden[][MODEL_LAYERS_MAX - 1] = {
		{0, 0}, {1, 0}, {7, 0}, {32, 0}, {1, 1}, {3, 9}, {5, 32}, {32, 16}, {32, 32},
	};
	struct train_options shape = train_defaults;
	struct trained *t = malloc(sizeof(*t));
	unsigned int i, h, classes, id, shapes = 0;
	struct tally tally = {0};
	struct rng rng;

	(void)state;
	assert_non_null(t);
	for (id = 0; id < FEATURES_MAX; id++)
		if (feature_name(id))
			known[nr_known++] = id;
	assert_true(nr_known >= MODEL_INPUTS_MAX);
	rng_seed(&rng, 11);
	shape.epochs = 8;
	shape.batch = 32;
	shape.rate = 0.01;
	for (i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		for (h = 0; h < sizeof(hidden) / sizeof(hidden[0]); h++) {
			shape.nr_hidden = !!hidden[h][0] + !!hidden[h][1];
			memcpy(shape.hidden, hidden[h], sizeof(hidden[h]));
			for (classes = 2; classes <= MODEL_OUTPUTS_MAX; classes++) {
				one_shape(&rng, &shape, inputs[i], classes, t, &tally);
				shapes++;
			}
		}
	}
	printf("# %u shapes, %zu windows: same class %.3f %%, logits within %.2f %%\n", shapes,
	       tally.rows, 100.0 * (double)tally.agreed / (double)tally.rows, 100.0 * tally.worst);
	assert_true(tally.agreed * 1000 >= tally.rows * 995);
	assert_true(tally.worst < 0.05);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_shape)};

	return cmocka_run_group_tests_name("gen_shapes", tests, NULL, NULL);
}
