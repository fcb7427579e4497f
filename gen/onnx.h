/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Networks as ONNX files, the format in which PyTorch, scikit-learn and others exchange them.
 *
 * Building it takes libprotobuf-c and the schema of Debian's libonnx-dev; without them both
 * functions only say so (onnx_absent.c).
 */
#ifndef BPFAHEAD_GEN_ONNX_H
#define BPFAHEAD_GEN_ONNX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network.h"

struct onnx {
	struct network network; /* limits: 0 where the file does not say */
	/* A standardisation of the inputs in front of the first layer: (x - mean) / scale. */
	bool standardises;
	double mean[MODEL_INPUTS_MAX], scale[MODEL_INPUTS_MAX];
	/* What onnx_write() left; NULL, "" and false in files made by others. */
	char *scaler; /* JSON of scaler.h; to be freed */
	char name[MODEL_NAME_LEN];
	bool has_generation;
	uint64_t generation;
};

/*
 * onnx_read - the network that a graph computes
 * @o: on success its scaler is to be freed
 *
 * One input of [windows, features], one output of [windows, classes]; between them Gemm, MatMul,
 * Add, Sub, Mul and Div by constants, Relu; Flatten, Identity, Dropout, and a last Softmax or
 * LogSoftmax change nothing. Whatever else leads to the output is refused by its name. 0 or -errno.
 */
int onnx_read(const char *path, struct onnx *o, struct fault *why);

/* The same from memory; @path is for the fault. */
int onnx_parse(const char *path, const uint8_t *bytes, size_t size, struct onnx *o,
	       struct fault *why);

/* Atomically; weights in double precision, so that reading gives the same bits. 0 or -errno. */
int onnx_write(const char *path, const struct onnx *o, struct fault *why);

#endif
