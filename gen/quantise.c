// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scales. An integer q stands for the real number q * scale:
 *
 *   input      1 / INPUT_ONE
 *   weight     one scale per row (output neuron): its largest weight / 127
 *   sum, bias  weight scale * scale of the layer's inputs
 *   hidden     one scale per layer: what ACTIVATION_MAX stands for / ACTIVATION_MAX
 *   logit      1 / LOGIT_ONE
 *
 * Requantisation multiplies a sum by (sum scale / output scale), kept as
 * mult / 2^shift with one shift per layer; the shift right rounds down, so the
 * half that makes it round to nearest is folded into the bias.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "../bpf/mlp.h"
#include "../loader/model_file.h"
#include "../loader/names.h"
#include "quantise.h"

/* Windows unlike all training rows may excite a neuron further; then it saturates. */
#define HEADROOM 1.5
#define MULT_MAX (1 << 30)
#define BIAS_SAFE (MODEL_BIAS_MAX / 2)

void calibrate(struct trained *t, const struct dataset *d, const uint8_t *parts)
{
	double x[MODEL_INPUTS_MAX], *limit = t->network.limit;
	const struct network *n = &t->network;
	unsigned int layer, out;
	struct activations a;
	size_t i;

	for (layer = 0; layer < MODEL_LAYERS_MAX; layer++)
		limit[layer] = 0.0;
	for (i = 0; i < d->nr_rows; i++) {
		if (parts[i] != PART_TRAIN)
			continue;
		row_inputs(&d->rows[i], t->inputs, n->nr_inputs, x);
		network_forward(n, x, NULL, &a);
		for (layer = 0; layer + 1 < n->nr_layers; layer++)
			for (out = 0; out < n->size[layer]; out++)
				if (a.value[layer + 1][out] > limit[layer])
					limit[layer] = a.value[layer + 1][out];
	}
	for (layer = 0; layer + 1 < n->nr_layers; layer++)
		limit[layer] = (limit[layer] > 0.0 ? limit[layer] : 1.0) * HEADROOM;
}

void calibrate_bounds(struct trained *t)
{
	double low[MODEL_HIDDEN_MAX], high[MODEL_HIDDEN_MAX];
	struct network *n = &t->network;
	unsigned int layer, out, in;

	for (in = 0; in < n->nr_inputs; in++) {
		bool ratio = feature_is_ratio(t->inputs[in].feature);

		low[in] = (double)mlp_input(&t->inputs[in], 0) / INPUT_ONE;
		high[in] = (double)mlp_input(&t->inputs[in], ratio ? RATIO_ONE : 1ULL << 62) /
			   INPUT_ONE;
	}
	for (layer = 0; layer + 1 < n->nr_layers; layer++) {
		double above[MODEL_HIDDEN_MAX];

		n->limit[layer] = 0.0;
		for (out = 0; out < n->size[layer]; out++) {
			double most = n->bias[layer][out];

			for (in = 0; in < network_inputs(n, layer); in++) {
				double w = n->weight[layer][out][in];

				most += w * (w > 0.0 ? high[in] : low[in]);
			}
			above[out] = most > 0.0 ? most : 0.0;
			if (above[out] > n->limit[layer])
				n->limit[layer] = above[out];
		}
		if (!(n->limit[layer] > 0.0))
			n->limit[layer] = 1.0;
		memset(low, 0, sizeof(low)); /* ReLU */
		memcpy(high, above, sizeof(high));
	}
}

static int quantise_layer(const struct network *n, unsigned int layer, double in_scale,
			  double out_scale, struct model *model)
{
	double row_scale[MODEL_HIDDEN_MAX], ratio[MODEL_HIDDEN_MAX], largest_ratio = 0.0;
	unsigned int nr_in = network_inputs(n, layer), out, in;
	int shift, ret;

	for (out = 0; out < n->size[layer]; out++) {
		const double *w = n->weight[layer][out];
		double scale = 0.0, bias = fabs(n->bias[layer][out]) + 0.5 * out_scale;

		for (in = 0; in < nr_in; in++)
			if (fabs(w[in]) > scale)
				scale = fabs(w[in]);
		scale /= MODEL_WEIGHT_MAX;
		/* A row of nearly nothing but bias: coarser weights, so that the bias fits. */
		if (scale < bias / in_scale / BIAS_SAFE)
			scale = bias / in_scale / BIAS_SAFE;
		row_scale[out] = scale;
		ratio[out] = scale * in_scale / out_scale;
		if (ratio[out] > largest_ratio)
			largest_ratio = ratio[out];
	}
	frexp(MULT_MAX / largest_ratio, &shift);
	shift--; /* largest_ratio * 2^shift <= MULT_MAX */
	if (shift < 0)
		return -ERANGE;
	if (shift > 62)
		shift = 62;
	model->header.layer_shift[layer] = shift;
	for (out = 0; out < n->size[layer]; out++) {
		double bias = n->bias[layer][out] / (row_scale[out] * in_scale);
		double half = 0.5 / ratio[out];

		for (in = 0; in < nr_in; in++) {
			double w = floor(n->weight[layer][out][in] / row_scale[out] + 0.5);

			ret = model_set_weight(model, layer, out, in, (int)w);
			if (ret)
				return ret;
		}
		ret = model_set_neuron(model, layer, out, (int)floor(bias + half + 0.5),
				       (int)floor(ldexp(ratio[out], shift) + 0.5));
		if (ret)
			return ret;
	}
	return 0;
}

int quantise(struct trained *t, const struct dataset *d, const uint8_t *parts, const char *name,
	     uint64_t generation, struct model *model, struct fault *why)
{
	calibrate(t, d, parts);
	return quantise_network(t, name, generation, model, why);
}

int quantise_network(const struct trained *t, const char *name, uint64_t generation,
		     struct model *model, struct fault *why)
{
	double in_scale = 1.0 / INPUT_ONE, out_scale;
	const struct network *n = &t->network;
	struct model_header *h = &model->header;
	unsigned int i;
	int ret;

	memset(model, 0, sizeof(*model));
	h->magic = MODEL_MAGIC;
	h->format_version = MODEL_FORMAT_VERSION;
	h->header_bytes = sizeof(*h);
	h->generation = generation;
	if (strlen(name) >= sizeof(h->name))
		return fault_set(why, EINVAL, "name longer than %zu bytes", sizeof(h->name) - 1);
	memcpy(h->name, name, strlen(name));
	h->nr_inputs = n->nr_inputs;
	h->nr_layers = n->nr_layers;
	h->nr_outputs = t->nr_outputs;
	for (i = 0; i < n->nr_layers; i++)
		h->layer_size[i] = n->size[i];
	memcpy(h->class_id, t->class_id, t->nr_outputs);
	memcpy(h->inputs, t->inputs, n->nr_inputs * sizeof(h->inputs[0]));
	h->required_sources = model_input_sources(model);
	for (i = 0; i < n->nr_layers; i++) {
		if (i + 1 == n->nr_layers)
			out_scale = 1.0 / LOGIT_ONE;
		else
			out_scale = n->limit[i] / ACTIVATION_MAX;
		ret = quantise_layer(n, i, in_scale, out_scale, model);
		if (ret)
			return fault_set(why, -ret, "layer %u does not fit the model format", i);
		in_scale = out_scale;
	}
	model_seal(model);
	return 0;
}
