/* SPDX-License-Identifier: GPL-2.0-only */
/* What onnx_write() leaves in a file beside the graph, and onnx_read() looks for. */
#ifndef BPFAHEAD_GEN_ONNX_PROPERTIES_H
#define BPFAHEAD_GEN_ONNX_PROPERTIES_H

#include <stdint.h>
#include <string.h>

#include "../bpf/mlp.h"
#include "network.h"

#define PROPERTY_SCALER "bpfahead.scaler"
#define PROPERTY_NAME "bpfahead.name"
#define PROPERTY_GENERATION "bpfahead.generation"
#define PROPERTY_LIMIT "bpfahead.limit"
#define PROPERTY_WEIGHTS "bpfahead.weights"

/* The limits in a file are of use only to the weights that they were measured with. */
static inline uint64_t weights_sum(const struct network *n)
{
	unsigned int layer, out, in;
	__u64 sum = 1, word;

	for (layer = 0; layer < n->nr_layers; layer++) {
		for (out = 0; out < n->size[layer]; out++) {
			for (in = 0; in < network_inputs(n, layer); in++) {
				memcpy(&word, &n->weight[layer][out][in], sizeof(word));
				sum = checksum_step(sum, word);
			}
			memcpy(&word, &n->bias[layer][out], sizeof(word));
			sum = checksum_step(sum, word);
		}
	}
	return sum;
}

#endif
