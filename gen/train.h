/* SPDX-License-Identifier: GPL-2.0-only */
/* The trainer: Adam on class-balanced cross-entropy, with dropout and early stopping. */
#ifndef BPFAHEAD_GEN_TRAIN_H
#define BPFAHEAD_GEN_TRAIN_H

#include "dataset.h"
#include "network.h"

struct epoch_loss {
	double train, validation; /* validation is 0 where there is no such part */
};

struct train_options {
	uint64_t seed;
	unsigned int features[MODEL_INPUTS_MAX]; /* the inputs, in this order */
	unsigned int nr_features;
	unsigned int hidden[MODEL_LAYERS_MAX - 1];
	unsigned int nr_hidden;
	unsigned int epochs;
	unsigned int patience; /* epochs without a better validation loss */
	unsigned int batch;
	double rate;               /* Adam's step */
	double dropout;            /* share of hidden neurons left out at a training step */
	double weight_decay;       /* decoupled (AdamW) */
	bool linear;               /* no input goes through log2 */
	bool run_all;              /* no validation part: the last epoch is the best */
	struct epoch_loss *losses; /* NULL, or room for one per epoch */
	/* Called after each epoch; may be NULL. */
	void (*progress)(unsigned int epoch, double train_loss, double validation_loss, bool best);
};

extern const struct train_options train_defaults;

struct trained {
	struct network network;
	struct model_input inputs[MODEL_INPUTS_MAX];
	unsigned int nr_outputs;
	uint8_t class_id[MODEL_OUTPUTS_MAX]; /* output -> class, ascending */
	unsigned int epochs, best_epoch;
	double validation_loss;
	uint32_t constant; /* bit n: input n never varies; its scale is 0 */
};

/*
 * train - fit a network to the PART_TRAIN rows
 * @parts: one per row; PART_VALIDATION rows decide when to stop
 *
 * The same rows, options and seed give the same bits. Returns 0, -EINVAL (fewer than two
 * classes, more than MODEL_OUTPUTS_MAX, a part without rows, a loss that is no number) or -ENOMEM.
 */
int train(const struct dataset *d, const uint8_t *parts, const struct train_options *options,
	  struct trained *t, struct fault *why);

/*
 * input_standardise - offset, pre_shift and scale, so that the input is (value - mean) / sigma
 * @in: its transform stays; mean and sigma are those of the transformed value
 *
 * False where sigma is below half a step or beyond 2^54: the scale is then 0,
 * and the input says nothing.
 */
bool input_standardise(struct model_input *in, double mean, double sigma);

/*
 * The inputs of a row as the network sees them: mlp_input() / INPUT_ONE, so that
 * training meets the very rounding and saturation of the kernel.
 */
void row_inputs(const struct row *row, const struct model_input *inputs, unsigned int nr_inputs,
		double *x);

/* The same weights by input, so that all neurons of a layer can be worked on at once. */
struct transposed {
	double weight[MODEL_LAYERS_MAX][MODEL_HIDDEN_MAX][MODEL_HIDDEN_MAX]; /* [layer][in][out] */
};

void network_transpose(const struct network *n, struct transposed *t);

/*
 * add_gradient - add the gradient of one row's cross-entropy, times @scale, to @gradient
 * @t: @n transposed
 * @keep: as for network_forward()
 * Returns the loss, unscaled.
 */
double add_gradient(const struct network *n, const struct transposed *t, const double *x,
		    unsigned int answer, double scale, const double (*keep)[MODEL_HIDDEN_MAX],
		    struct network *gradient);

#endif
