// SPDX-License-Identifier: GPL-2.0-only
/* import and export: models from and to ONNX. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../loader/model_file.h"
#include "../loader/names.h"
#include "arguments.h"
#include "commands.h"
#include "evaluate.h"
#include "onnx.h"
#include "output.h"
#include "quantise.h"
#include "scaler.h"

enum option_key {
	KEY_SCALER = 0x100,
	KEY_FEATURES,
	KEY_CLASSES,
	KEY_NAME,
	KEY_GENERATION,
	KEY_DATA,
	KEY_ONNX,
};

#define DATA_MAX 64

struct arguments {
	const char *model, *output, *scaler, *name;
	char *features, *classes;
	char *data[DATA_MAX];
	unsigned int nr_data;
	uint64_t generation;
	bool generation_given;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'o':
	case KEY_ONNX:
		arguments->output = arg;
		return 0;
	case KEY_SCALER:
		arguments->scaler = arg;
		return 0;
	case KEY_FEATURES:
		arguments->features = arg;
		return 0;
	case KEY_CLASSES:
		arguments->classes = arg;
		return 0;
	case KEY_NAME:
		arguments->name = name_argument(state, arg);
		return 0;
	case KEY_GENERATION:
		arguments->generation = number_argument(state, arg, 0, UINT64_MAX);
		arguments->generation_given = true;
		return 0;
	case KEY_DATA:
		if (arguments->nr_data == DATA_MAX)
			argp_error(state, "more than %d times --data", DATA_MAX);
		arguments->data[arguments->nr_data++] = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (arguments->model)
			argp_error(state, "one model at a time");
		arguments->model = arg;
		return 0;
	case ARGP_KEY_END:
		if (!arguments->model)
			argp_error(state, "which model?");
		if (!arguments->output)
			argp_error(state, "where does it go?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- import ----------------------------------------------------------------------------------- */

struct import {
	struct onnx onnx;
	struct scaler scaler;
	struct trained trained;
	struct dataset data;
	bool other_inputs;  /* than those that the file's limits were measured with */
	const char *limits; /* where they come from */
};

/* From the file, then --scaler in its place, then --features and --classes. */
static int gather_scaler(const struct arguments *arguments, struct import *in, struct fault *why)
{
	struct scaler *s = &in->scaler;
	const struct onnx *o = &in->onnx;
	unsigned int nr_features, nr_outputs = o->network.size[o->network.nr_layers - 1];
	struct scaler own = {0};
	int ret = 0;

	if (o->scaler)
		ret = scaler_parse(o->scaler, strlen(o->scaler), arguments->model, &own, why);
	*s = own;
	if (arguments->scaler)
		ret = scaler_read(arguments->scaler, s, why);
	if (!ret && arguments->features)
		ret = scaler_set_features(s, arguments->features, "--features", why);
	if (!ret && arguments->classes)
		ret = scaler_set_classes(s, arguments->classes, "--classes", why);
	if (ret)
		return ret;
	nr_features = o->network.nr_inputs;
	if (!s->nr_features)
		return fault_set(why, EINVAL, "%s: which features are its %u inputs? (--features)",
				 arguments->model, nr_features);
	if (!s->nr_classes)
		return fault_set(why, EINVAL, "%s: which classes are its %u outputs? (--classes)",
				 arguments->model, nr_outputs);
	if (!s->nr_values && !o->standardises)
		return fault_set(why, EINVAL,
				 "%s: it does not standardise its inputs itself, and mean and "
				 "scale are missing (--scaler)",
				 arguments->model);
	if (s->nr_features != nr_features)
		return fault_set(why, EINVAL, "%s: %u inputs, but %u features are named",
				 arguments->model, nr_features, s->nr_features);
	if (s->nr_classes != nr_outputs)
		return fault_set(why, EINVAL, "%s: %u outputs, but %u classes are named",
				 arguments->model, nr_outputs, s->nr_classes);
	if (s->nr_values && s->nr_values != nr_features)
		return fault_set(why, EINVAL, "%s: %u inputs, but the scaler is for %u",
				 arguments->model, nr_features, s->nr_values);
	in->other_inputs = o->standardises || !scaler_same_inputs(s, &own);
	if (o->standardises)
		scaler_then(s, nr_features, o->mean, o->scale);
	return 0;
}

static int find_limits(const struct arguments *arguments, struct import *in, struct fault *why)
{
	struct trained *t = &in->trained;
	uint32_t needed = 0;
	uint8_t *parts;
	unsigned int i;
	int ret;

	for (i = 0; i < t->network.nr_inputs; i++)
		needed |= 1U << t->inputs[i].feature;
	if (arguments->nr_data) {
		ret = read_files(&in->data, (char **)arguments->data, arguments->nr_data, needed,
				 why);
		parts = ret ? NULL : calloc(in->data.nr_rows, 1);
		if (!parts)
			return ret ? ret : fault_set(why, ENOMEM, "out of memory");
		calibrate(t, &in->data, parts);
		free(parts);
		in->limits = "--data";
	} else if (t->network.nr_layers > 1 && t->network.limit[0] > 0.0 && !in->other_inputs) {
		in->limits = "the file";
	} else {
		calibrate_bounds(t);
		in->limits = "bounds for any input";
	}
	return 0;
}

static int import_model(const struct arguments *arguments, struct import *in, struct fault *why)
{
	const struct network *n = &in->onnx.network;
	struct trained *t = &in->trained;
	char name[MODEL_NAME_LEN];
	struct model model;
	unsigned int i;
	int ret;

	ret = onnx_read(arguments->model, &in->onnx, why);
	if (!ret)
		ret = gather_scaler(arguments, in, why);
	if (ret)
		return ret;
	t->network = *n;
	t->nr_outputs = n->size[n->nr_layers - 1];
	memcpy(t->class_id, in->scaler.class_id, sizeof(t->class_id));
	ret = scaler_to_inputs(&in->scaler, t->inputs, why);
	if (!ret)
		ret = find_limits(arguments, in, why);
	if (ret)
		return ret;
	name_of_file(arguments->output, name);
	if (*in->onnx.name)
		memcpy(name, in->onnx.name, sizeof(name));
	if (arguments->name)
		snprintf(name, sizeof(name), "%s", arguments->name);
	ret = quantise_network(t, name,
			       arguments->generation_given ? arguments->generation :
			       in->onnx.has_generation     ? in->onnx.generation :
							     1,
			       &model, why);
	if (ret)
		return ret;
	ret = output_write_bytes(arguments->output, &model, model_file_bytes(&model), why);
	if (ret)
		return ret;
	printf("%s: %u", arguments->output, n->nr_inputs);
	for (i = 0; i < n->nr_layers; i++)
		printf("-%u", n->size[i]);
	printf(", %zu bytes, checksum %016llx; range of hidden neurons from %s\n",
	       model_file_bytes(&model), (unsigned long long)model.header.checksum, in->limits);
	for (i = 0; i < n->nr_inputs; i++)
		if (!t->inputs[i].scale)
			printf("input %s says nothing: its scale is beyond any value\n",
			       feature_name(t->inputs[i].feature));
	if (in->data.nr_rows) {
		struct evaluation e = {0};

		evaluate(&model, &in->data, NULL, PART_TEST, &t->network, NULL, &e);
		evaluation_print(stdout, "--data", &e);
	}
	return 0;
}

int command_import(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"output", 'o', "MODEL.bin", 0, "where the model goes (required)", 0},
		{"scaler", KEY_SCALER, "SCALER.json", 0,
		 "features, transform, mean, scale and classes, as docs/training.md says", 0},
		{"features", KEY_FEATURES, "NAME,...", 0, "what the inputs are, in this order", 0},
		{"classes", KEY_CLASSES, "NAME,...", 0, "what the outputs are, in this order", 0},
		{"name", KEY_NAME, "NAME", 0,
		 "kept in the model (default: that of the exported one, or the output file's)", 0},
		{"generation", KEY_GENERATION, "N", 0,
		 "tells retrainings apart (default: that of the exported one, or 1)", 0},
		{"data", KEY_DATA, "DATA.csv", 0,
		 "windows that show how far hidden neurons go; may be given again", 0},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "MODEL.onnx -o MODEL.bin",
		.doc = "Make a model out of a network trained elsewhere.\v"
		       "Taken are networks of Gemm, MatMul, Add and Relu, at most two hidden "
		       "layers, with or without standardisation in front and a softmax at the end. "
		       "What `bpfahead-gen export` writes needs no options.",
	};
	struct arguments arguments = {0};
	struct fault why;
	struct import *in;
	int ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return EXIT_USAGE;
	in = calloc(1, sizeof(*in));
	ret = in ? import_model(&arguments, in, &why) : fault_set(&why, ENOMEM, "out of memory");
	if (in) {
		dataset_free(&in->data);
		free(in->onnx.scaler);
	}
	free(in);
	return ret ? failed(&why) : EXIT_OK;
}

/* --- export ----------------------------------------------------------------------------------- */

#define FLOAT_SUFFIX ".float.json"

/*
 * Real numbers for a model's integers. The unit of hidden activations is free:
 * they take that of the inputs.
 */
static void dequantise(const struct model *model, struct network *n)
{
	const struct model_header *h = &model->header;
	unsigned int layer, out, in;

	memset(n, 0, sizeof(*n));
	n->nr_inputs = h->nr_inputs;
	n->nr_layers = h->nr_layers;
	for (layer = 0; layer < h->nr_layers; layer++) {
		bool last = layer + 1 == h->nr_layers;
		double out_scale = last ? 1.0 / LOGIT_ONE : 1.0 / INPUT_ONE;

		n->size[layer] = h->layer_size[layer];
		n->limit[layer] = last ? 0.0 : ACTIVATION_MAX * out_scale;
		for (out = 0; out < n->size[layer]; out++) {
			double ratio;
			int bias, mult;

			model_neuron(model, layer, out, &bias, &mult);
			ratio = ldexp(mult, -h->layer_shift[layer]);
			for (in = 0; in < network_inputs(n, layer); in++)
				n->weight[layer][out][in] = model_weight(model, layer, out, in) *
							    ratio * out_scale * INPUT_ONE;
			/* The half that rounds to nearest is no part of the bias. */
			n->bias[layer][out] = (bias * ratio - 0.5) * out_scale;
		}
	}
}

static int export_model(const struct arguments *arguments, struct onnx *o, struct fault *why)
{
	size_t length = strlen(arguments->model), suffix = strlen(FLOAT_SUFFIX);
	bool exact = length > suffix && !strcmp(arguments->model + length - suffix, FLOAT_SUFFIX);
	char *path = NULL;
	const char *reason;
	struct scaler s;
	struct model model;
	int ret;

	if (exact && asprintf(&path, "%.*s.bin", (int)(length - suffix), arguments->model) < 0)
		return fault_set(why, ENOMEM, "out of memory");
	reason = model_read(exact ? path : arguments->model, &model);
	ret = reason ? fault_set(why, EINVAL, "%s: %s", exact ? path : arguments->model, reason) :
		       0;
	free(path);
	if (!ret && exact)
		ret = network_read(arguments->model, &o->network, &model, why);
	else if (!ret)
		dequantise(&model, &o->network);
	if (!ret)
		ret = scaler_of_model(&model, &s, why);
	if (ret)
		return ret;
	o->scaler = scaler_text(&s);
	if (!o->scaler)
		return fault_set(why, ENOMEM, "out of memory");
	memcpy(o->name, model.header.name, sizeof(o->name));
	o->generation = model.header.generation;
	ret = onnx_write(arguments->output, o, why);
	if (!ret && arguments->scaler)
		ret = scaler_write(arguments->scaler, &s, why);
	return ret;
}

int command_export(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"onnx", KEY_ONNX, "MODEL.onnx", 0, "where the network goes (required)", 0},
		{"scaler", KEY_SCALER, "SCALER.json", 0,
		 "what is in front of it, as a file of its own, too", 0},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "MODEL.bin --onnx MODEL.onnx\nMODEL.float.json --onnx MODEL.onnx",
		.doc = "Write a model as ONNX, for other tools. Its metadata hold features, their "
		       "standardisation and classes.\v"
		       "From MODEL.bin the weights are what its integers stand for. From "
		       "MODEL.float.json (`train --keep-float`, with MODEL.bin beside it) they are "
		       "those that were trained, and importing them gives MODEL.bin again.",
	};
	struct arguments arguments = {0};
	struct fault why;
	struct onnx *o;
	int ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return EXIT_USAGE;
	o = calloc(1, sizeof(*o));
	ret = o ? export_model(&arguments, o, &why) : fault_set(&why, ENOMEM, "out of memory");
	if (o)
		free(o->scaler);
	free(o);
	return ret ? failed(&why) : EXIT_OK;
}
