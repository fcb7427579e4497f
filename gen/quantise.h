/* SPDX-License-Identifier: GPL-2.0-only */
/* From a trained network to the integer model of bpf/mlp.h. */
#ifndef BPFAHEAD_GEN_QUANTISE_H
#define BPFAHEAD_GEN_QUANTISE_H

#include "dataset.h"
#include "train.h"

/*
 * quantise - int8 weights, int32 biases, fixed-point requantisation
 * @parts: PART_TRAIN rows calibrate the range of the hidden activations
 * @model: sealed on success; name and generation as given
 *
 * Returns 0 or -EINVAL when a number does not fit the format.
 */
int quantise(const struct trained *t, const struct dataset *d, const uint8_t *parts,
	     const char *name, uint64_t generation, struct model *model, struct fault *why);

#endif
