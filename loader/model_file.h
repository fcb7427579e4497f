/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading, checking and writing model files (format: bpf/abi.h, docs/weight-format.md). */
#ifndef BPFAHEAD_MODEL_FILE_H
#define BPFAHEAD_MODEL_FILE_H

#include <stddef.h>

#include "../bpf/abi.h"

/*
 * model_parse - check the bytes of a model file
 * @bytes, @size: the whole file; the caller keeps them
 * @model: filled and zero-padded on success, untouched on failure
 *
 * Beyond the kernel's checks: the file ends where its payload ends, every
 * input is a defined feature, every weight lane is within +-MODEL_WEIGHT_MAX,
 * biases within MODEL_BIAS_MAX, multipliers not negative, padding is 0, and
 * required_sources covers the inputs. Returns NULL, or the reason as a static string.
 */
const char *model_parse(const void *bytes, size_t size, struct model *model);

/* Reads the file at @path, "-" being standard input. Same contract; I/O errors are reasons too. */
const char *model_read(const char *path, struct model *model);

/* model_fault of bpf/mlp.h as text. */
const char *model_fault_text(int fault);

/* Sets payload_bytes and the checksum from the sizes in the header. */
void model_seal(struct model *model);

/* File size in bytes of a sealed model. */
size_t model_file_bytes(const struct model *model);

/* Sources that the inputs of @model come from (enum source bits). */
unsigned int model_input_sources(const struct model *model);

/* Unpacks the weight of input @in to output @out of @layer, its bias and multiplier. */
int model_weight(const struct model *model, unsigned int layer, unsigned int out, unsigned int in);
void model_neuron(const struct model *model, unsigned int layer, unsigned int out, int *bias,
		  int *mult);

/*
 * The reverse, for packers. -ERANGE beyond +-MODEL_WEIGHT_MAX or
 * MODEL_BIAS_MAX, or for a negative multiplier, else 0.
 */
int model_set_weight(struct model *model, unsigned int layer, unsigned int out, unsigned int in,
		     int weight);
int model_set_neuron(struct model *model, unsigned int layer, unsigned int out, int bias, int mult);

#endif
