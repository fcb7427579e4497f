/* SPDX-License-Identifier: GPL-2.0-only */
/* The network in double precision: what is trained, and what the quantiser starts from. */
#ifndef BPFAHEAD_GEN_NETWORK_H
#define BPFAHEAD_GEN_NETWORK_H

#include "../bpf/abi.h"
#include "fault.h"

/* Inputs are mlp_input() of bpf/mlp.h in units of one standard deviation. */
#define INPUT_ONE 4096.0
#define INPUT_PRE_SHIFT_MAX 40 /* the most that model_check() of bpf/mlp.h lets pass */

struct network {
	unsigned int nr_inputs;
	unsigned int nr_layers;
	unsigned int size[MODEL_LAYERS_MAX]; /* outputs of each layer; the last is nr_outputs */
	double weight[MODEL_LAYERS_MAX][MODEL_HIDDEN_MAX][MODEL_HIDDEN_MAX]; /* [layer][out][in] */
	double bias[MODEL_LAYERS_MAX][MODEL_HIDDEN_MAX];
	double limit[MODEL_LAYERS_MAX]; /* hidden layers: what ACTIVATION_MAX will stand for */
};

struct activations {
	double value[MODEL_LAYERS_MAX + 1][MODEL_HIDDEN_MAX]; /* [0]: inputs; last: logits */
};

/* Inputs of layer @layer. */
static inline unsigned int network_inputs(const struct network *n, unsigned int layer)
{
	return layer ? n->size[layer - 1] : n->nr_inputs;
}

/*
 * network_forward - from inputs to logits
 * @keep: NULL, or per layer a factor for each hidden neuron (dropout)
 * Hidden layers pass ReLU.
 */
void network_forward(const struct network *n, const double *inputs,
		     const double (*keep)[MODEL_HIDDEN_MAX], struct activations *a);

/* Index of the largest logit; the lower one of equals. */
unsigned int network_answer(const struct network *n, const struct activations *a);

/* JSON with every number in full, beside the model that it became. 0 or -errno. */
int network_write(const char *path, const struct network *n, const struct model *model,
		  struct fault *why);

/* Refuses one that does not belong to @model (checksum). 0 or -errno. */
int network_read(const char *path, struct network *n, const struct model *model, struct fault *why);

#endif
