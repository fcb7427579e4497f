// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bounds of docs/weight-format.md, reached: legal models whose weights, biases,
 * multipliers and inputs are as large as they may be give what plain wide arithmetic gives, and
 * no sum on the way leaves 32 bits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bpf/mlp.h"
#include "gen/rng.h"
#include "loader/model_file.h"

typedef __int128 wide;

static wide largest_sum, largest_product;

static wide magnitude(wide x)
{
	return x < 0 ? -x : x;
}

static wide clamped(wide x, wide low, wide high)
{
	return x < low ? low : x > high ? high : x;
}

/* Rounds down, as an arithmetic shift does. */
static wide shifted(wide x, unsigned int shift)
{
	wide unit = (wide)1 << shift;

	return x >= 0 ? x / unit : -((-x + unit - 1) / unit);
}

/* The formulas of docs/weight-format.md, one after the other, in 128 bits. */
static void infer_wide(const struct model *m, const struct mlp_features *f, wide *logits)
{
	wide value[2][MODEL_HIDDEN_MAX] = {{0}}, sum, product;
	const struct model_header *h = &m->header;
	unsigned int layer, out, in, nr_in = h->nr_inputs;
	int bias, mult;

	for (in = 0; in < nr_in; in++) {
		const struct model_input *input = &h->inputs[in];
		uint64_t feature = f->value[input->feature];
		wide v = input->transform == TRANSFORM_LOG2 ? log2_q16(feature) : feature;

		v = clamped(shifted(v - input->offset, input->pre_shift), INT32_MIN, INT32_MAX);
		v = shifted(v * input->scale + 32768, 16);
		value[0][in] = clamped(v, -ACTIVATION_MAX, ACTIVATION_MAX);
	}
	for (layer = 0; layer < h->nr_layers; layer++) {
		bool last = layer + 1 == h->nr_layers;

		for (out = 0; out < h->layer_size[layer]; out++) {
			model_neuron(m, layer, out, &bias, &mult);
			sum = bias;
			for (in = 0; in < nr_in; in++) {
				sum += (wide)model_weight(m, layer, out, in) * value[layer & 1][in];
				if (magnitude(sum) > largest_sum)
					largest_sum = magnitude(sum);
			}
			product = sum * mult;
			if (magnitude(product) > largest_product)
				largest_product = magnitude(product);
			value[~layer & 1][out] =
				clamped(shifted(product, h->layer_shift[layer]),
					last ? -LOGIT_MAX : 0, last ? LOGIT_MAX : ACTIVATION_MAX);
		}
		nr_in = h->layer_size[layer];
	}
	for (out = 0; out < h->nr_outputs; out++)
		logits[out] = value[h->nr_layers & 1][out];
}

static int extreme(struct rng *rng, int most)
{
	switch (rng_below(rng, 8)) {
	case 0:
		return (int)((int64_t)rng_below(rng, 2ULL * most + 1) - most);
	case 1:
	case 2:
	case 3:
		return -most;
	default:
		return most;
	}
}

/* One draw in four has all of one sign, so that nothing cancels. */
static void make_model(struct rng *rng, struct model *m)
{
	unsigned int layer, out, in, nr_in, one_sign = rng_below(rng, 4) == 0;
	struct model_header *h = &m->header;

	memset(m, 0, sizeof(*m));
	h->magic = MODEL_MAGIC;
	h->format_version = MODEL_FORMAT_VERSION;
	h->header_bytes = sizeof(*h);
	h->nr_inputs = 1 + rng_below(rng, MODEL_INPUTS_MAX);
	h->nr_layers = 1 + rng_below(rng, MODEL_LAYERS_MAX);
	h->nr_outputs = 1 + rng_below(rng, MODEL_OUTPUTS_MAX);
	for (in = 0; in < h->nr_inputs; in++) {
		h->inputs[in].feature = in % 8;
		h->inputs[in].scale = extreme(rng, INT32_MAX);
		h->inputs[in].pre_shift = rng_below(rng, 2) ? 0 : rng_below(rng, 41);
		h->inputs[in].offset = extreme(rng, INT32_MAX);
		h->inputs[in].transform = rng_below(rng, NR_TRANSFORMS);
	}
	for (in = 0; in < h->nr_outputs; in++)
		h->class_id[in] = in;
	nr_in = h->nr_inputs;
	for (layer = 0; layer < h->nr_layers; layer++) {
		bool last = layer + 1 == h->nr_layers;

		h->layer_size[layer] = last              ? h->nr_outputs :
				       rng_below(rng, 2) ? MODEL_HIDDEN_MAX :
							   1 + rng_below(rng, MODEL_HIDDEN_MAX);
		h->layer_shift[layer] = rng_below(rng, 63);
		for (out = 0; out < h->layer_size[layer]; out++) {
			for (in = 0; in < nr_in; in++)
				assert_int_equal(model_set_weight(m, layer, out, in,
								  one_sign ? MODEL_WEIGHT_MAX :
									     extreme(rng, 127)),
						 0);
			assert_int_equal(model_set_neuron(m, layer, out,
							  one_sign ? MODEL_BIAS_MAX :
								     extreme(rng, MODEL_BIAS_MAX),
							  rng_below(rng, 2) ?
								  INT32_MAX :
								  (int)rng_below(rng, INT32_MAX)),
					 0);
		}
		nr_in = h->layer_size[layer];
	}
	h->required_sources = model_input_sources(m);
	model_seal(m);
}

static void test_extreme_models(void **state)
{
	struct mlp_features features;
	struct mlp_scratch scratch;
	struct model m, parsed;
	wide logits[MODEL_OUTPUTS_MAX];
	unsigned int i, out;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 3);
	for (i = 0; i < 4000; i++) {
		make_model(&rng, &m);
		assert_null(model_parse(&m, model_file_bytes(&m), &parsed));
		for (out = 0; out < FEATURES_MAX; out++)
			features.value[out] =
				rng_below(&rng, 2) ? rng_next(&rng) >> 2 : rng_below(&rng, 100000);
		assert_int_equal(mlp_infer(&m, &features, &scratch), 0);
		infer_wide(&m, &features, logits);
		for (out = 0; out < m.header.nr_outputs; out++)
			if (logits[out] != scratch.logits[out])
				fail_msg("model %u, output %u: %d, by wide arithmetic %lld", i, out,
					 scratch.logits[out], (long long)logits[out]);
	}
	/* The bound of the document is reached, not only kept. */
	assert_true(largest_sum == 32LL * 127 * 32767 + (1 << 30));
	assert_true(largest_sum < 1LL << 31);
	assert_true(largest_product == (wide)largest_sum * INT32_MAX);
	assert_true(largest_product < (wide)1 << 62);
}

/* One step further and the file is refused, so that no legal model exceeds the bound. */
static void refuse_word(const struct model *sound, unsigned int word, uint64_t value)
{
	struct model m = *sound, parsed;

	m.words[word] = value;
	model_seal(&m);
	assert_non_null(model_parse(&m, model_file_bytes(&m), &parsed));
}

static void test_files_beyond_the_bounds(void **state)
{
	struct model m, parsed;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 5);
	make_model(&rng, &m);
	assert_null(model_parse(&m, model_file_bytes(&m), &parsed));
	refuse_word(&m, 0, MODEL_BIAS_MAX + 1ULL);
	refuse_word(&m, 0, (MODEL_BIAS_MAX + 1ULL) << 32);
	refuse_word(&m, 2, 0x80000000ULL); /* a negative multiplier */
	refuse_word(&m, 4, 128);
	refuse_word(&m, 4, -128ULL);
	refuse_word(&m, 4, 128ULL << 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extreme_models),
		cmocka_unit_test(test_files_beyond_the_bounds),
	};

	return cmocka_run_group_tests_name("gen_bounds", tests, NULL, NULL);
}
