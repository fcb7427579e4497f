// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target on the reader of ONNX files. What it accepts must be a
 * network that the quantiser takes or refuses, with answers that can be asked for.
 *
 * The seed is made, not stored: an empty corpus directory, the first one named,
 * gets an exported network at start.
 */
#define _GNU_SOURCE
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/mlp.h"
#include "gen/onnx.h"
#include "gen/quantise.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static struct onnx seed = {.scaler = (char *)"{\"mean\": [1, 2], \"scale\": [3, 4]}",
				   .name = "seed"};
	struct network *n = &seed.network;
	const char *directory = NULL;
	struct fault why;
	char path[4096];
	int a;

	for (a = 1; a < *argc && !directory; a++)
		if ((*argv)[a][0] != '-')
			directory = (*argv)[a];
	if (!directory)
		return 0;
	n->nr_inputs = 2;
	n->nr_layers = 2;
	n->size[0] = 3;
	n->size[1] = 2;
	n->weight[0][0][0] = n->weight[0][1][1] = n->weight[1][0][0] = n->weight[1][1][1] = 1.0;
	n->limit[0] = 8.0;
	snprintf(path, sizeof(path), "%s/seed", directory);
	if (access(path, F_OK) && onnx_write(path, &seed, &why)) {
		fprintf(stderr, "%s\n", why.text);
		exit(1);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trained t;
	static struct onnx o;
	struct mlp_features features = {{0}};
	struct mlp_scratch scratch;
	struct fault why = {{0}};
	struct model model;
	unsigned int i;

	if (onnx_parse("fuzz", data, size, &o, &why)) {
		if (!*why.text || strchr(why.text, '\n'))
			abort();
		goto out;
	}
	memset(&t, 0, sizeof(t));
	t.network = o.network;
	t.nr_outputs = o.network.size[o.network.nr_layers - 1];
	for (i = 0; i < t.nr_outputs; i++)
		t.class_id[i] = (uint8_t)i;
	for (i = 0; i < t.network.nr_inputs; i++) {
		t.inputs[i].feature = (uint16_t)(i < 10 ? i : i + 6);
		input_standardise(&t.inputs[i], 10.0, 1000.0);
	}
	if (!(t.network.limit[0] > 0.0) || t.network.nr_layers == 1)
		calibrate_bounds(&t);
	if (!quantise_network(&t, "fuzz", 1, &model, &why) &&
	    (model_check(&model) || mlp_infer(&model, &features, &scratch)))
		abort();
out:
	free(o.scaler);
	return 0;
}
