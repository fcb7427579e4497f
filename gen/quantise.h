/* SPDX-License-Identifier: GPL-2.0-only */
/* From a trained network to the integer model of bpf/mlp.h. */
#ifndef BPFAHEAD_GEN_QUANTISE_H
#define BPFAHEAD_GEN_QUANTISE_H

#include "dataset.h"
#include "train.h"

/*
 * calibrate - set the network's limits: largest activation of each hidden layer, with headroom
 * @parts: those of the PART_TRAIN rows count
 */
void calibrate(struct trained *t, const struct dataset *d, const uint8_t *parts);

/*
 * calibrate_bounds - the same without rows: no window at all makes a neuron exceed its limit
 *
 * Coarser than what rows show, since no window drives all inputs to their ends.
 */
void calibrate_bounds(struct trained *t);

/*
 * quantise_network - int8 weights, int32 biases, fixed-point requantisation
 * @t: network (with its limits, above 0), inputs and outputs; the rest is not looked at
 * @model: sealed on success; name and generation as given
 *
 * Returns 0 or -errno when a number does not fit the format.
 */
int quantise_network(const struct trained *t, const char *name, uint64_t generation,
		     struct model *model, struct fault *why);

/* Both, one after the other. */
int quantise(struct trained *t, const struct dataset *d, const uint8_t *parts, const char *name,
	     uint64_t generation, struct model *model, struct fault *why);

#endif
