// SPDX-License-Identifier: GPL-2.0-only
/* eval and info. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../loader/model_file.h"
#include "../loader/names.h"
#include "commands.h"
#include "evaluate.h"
#include "ask_kernel.h"
#include "scaler.h"
#include "split.h"

enum option_key {
	KEY_JSON = 0x100,
	KEY_FLOAT,
	KEY_HEX,
	KEY_SVG,
	KEY_SPLIT,
	KEY_PART,
	KEY_KERNEL,
};

struct arguments {
	const char *float_path, *svg_path, *split_path, *kernel_path;
	bool json, hex, part_given;
	enum part part;
	char **files;
	unsigned int nr_files;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	int part;

	switch (key) {
	case KEY_JSON:
		arguments->json = true;
		return 0;
	case KEY_FLOAT:
		arguments->float_path = arg;
		return 0;
	case KEY_SVG:
		arguments->svg_path = arg;
		return 0;
	case KEY_HEX:
		arguments->hex = true;
		return 0;
	case KEY_SPLIT:
		arguments->split_path = arg;
		return 0;
	case KEY_KERNEL:
		arguments->kernel_path = arg;
		return 0;
	case KEY_PART:
		part = part_from_name(arg);
		if (part < 0)
			argp_error(state, "part %s is none of train, validation, test", arg);
		arguments->part = part;
		arguments->part_given = true;
		return 0;
	case ARGP_KEY_ARGS:
		arguments->files = state->argv + state->next;
		arguments->nr_files = state->argc - state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_eval(int key, char *arg, struct argp_state *state)
{
	const struct arguments *arguments = state->input;

	if (key != ARGP_KEY_END)
		return parse(key, arg, state);
	if (arguments->nr_files < 2)
		argp_error(state, arguments->nr_files ? "no DATA.csv or DIR" : "no MODEL.bin");
	if (arguments->part_given && !arguments->split_path)
		argp_error(state, "--part is one of a --split");
	return 0;
}

static error_t parse_info(int key, char *arg, struct argp_state *state)
{
	const struct arguments *arguments = state->input;

	if (key != ARGP_KEY_END)
		return parse(key, arg, state);
	if (arguments->nr_files != 1)
		argp_error(state, "one MODEL.bin at a time");
	return 0;
}

static int read_model(const char *path, struct model *model, struct fault *why)
{
	const char *reason = model_read(path, model);

	return reason ? fault_set(why, EINVAL, "%s: %s", path, reason) : 0;
}

/* --- eval ----------------------------------------------------------------------------------- */

static int print_json(const struct model *model, const struct evaluation *e,
		      const struct kernel_answers *k, struct fault *why)
{
	cJSON *json = evaluation_json(e);
	char checksum[17];

	kernel_add_json(json, k);
	snprintf(checksum, sizeof(checksum), "%016" PRIx64, (uint64_t)model->header.checksum);
	cJSON_AddStringToObject(json, "model_checksum", checksum);
	return print_json_object(stdout, json, why);
}

static int evaluate_files(const struct arguments *arguments, struct dataset *d,
			  struct network *network, struct fault *why)
{
	const struct network *floats = arguments->float_path ? network : NULL;
	struct kernel_answers k = {0};
	struct evaluation e = {0};
	uint8_t *parts = NULL;
	struct model model;
	uint32_t needed = 0;
	unsigned int i;
	int ret;

	ret = read_model(arguments->files[0], &model, why);
	if (ret)
		return ret;
	if (arguments->float_path) {
		ret = network_read(arguments->float_path, network, &model, why);
		if (ret)
			return ret;
	}
	for (i = 0; i < model.header.nr_inputs; i++)
		needed |= 1U << model.header.inputs[i].feature;
	ret = read_files(d, arguments->files + 1, arguments->nr_files - 1, needed, why);
	if (ret)
		return ret;
	if (arguments->split_path) {
		parts = calloc(d->nr_rows, 1);
		ret = parts ? split_read(d, parts, arguments->split_path, why) :
			      fault_set(why, ENOMEM, "out of memory");
		if (!ret && !dataset_count(d, parts, arguments->part, -1))
			ret = fault_set(why, EINVAL, "%s: no run in that part",
					arguments->split_path);
		if (ret) {
			free(parts);
			return ret;
		}
	}
	evaluate(&model, d, parts, arguments->part, floats, NULL, &e);
	kernel_recorded(&model, d, parts, arguments->part, &k);
	if (arguments->kernel_path)
		ret = kernel_ask(arguments->kernel_path, &model, d, parts, arguments->part, floats,
				 &k, why);
	free(parts);
	if (ret)
		return ret;
	if (arguments->svg_path) {
		ret = evaluation_write_svg(arguments->svg_path, arguments->files[0], &e, why);
		if (ret)
			return ret;
	}
	if (arguments->json)
		return print_json(&model, &e, &k, why);
	evaluation_print(stdout, arguments->files[0], &e);
	kernel_print(stdout, &k);
	evaluation_print_calibration(stdout, &e);
	return 0;
}

int command_eval(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"json", KEY_JSON, NULL, 0, "for scripts", 0},
		{"svg", KEY_SVG, "FILE.svg", 0, "the confusion matrix as a picture, too", 0},
		{"float", KEY_FLOAT, "FILE.float.json", 0,
		 "compare with the network that `train --keep-float` wrote", 0},
		{"split", KEY_SPLIT, "FILE.csv", 0,
		 "only the runs of one part, as `dataset --split-out` wrote it", 0},
		{"kernel", KEY_KERNEL, "classify.bpf.o", 0,
		 "have the running kernel answer, too, by test runs of this object (built beside "
		 "this program, installed in PREFIX/lib/bpfahead), and compare bit by bit; root",
		 0},
		{"part", KEY_PART, "train|validation|test", 0, "which part (default test)", 0},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse_eval,
		.args_doc = "MODEL.bin DATA.csv|DIR...",
		.doc = "Say how a model classifies recorded windows, computed by the kernel's own "
		       "integer code.",
	};
	struct arguments arguments = {.part = PART_TEST};
	struct network *network;
	struct dataset d = {0};
	struct fault why;
	int ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return EXIT_USAGE;
	network = calloc(1, sizeof(*network));
	ret = network ? evaluate_files(&arguments, &d, network, &why) :
			fault_set(&why, ENOMEM, "out of memory");
	free(network);
	dataset_free(&d);
	return ret ? failed(&why) : EXIT_OK;
}

/* --- info ----------------------------------------------------------------------------------- */

static void print_layers(const struct model *model)
{
	const struct model_header *h = &model->header;
	unsigned int nr_in = h->nr_inputs, layer, out, in;

	for (layer = 0; layer < h->nr_layers; layer++) {
		int largest_bias = 0, largest_mult = 0, smallest_mult = INT32_MAX, largest = 0;

		for (out = 0; out < h->layer_size[layer]; out++) {
			int bias, mult;

			model_neuron(model, layer, out, &bias, &mult);
			if (abs(bias) > largest_bias)
				largest_bias = abs(bias);
			if (mult > largest_mult)
				largest_mult = mult;
			if (mult < smallest_mult)
				smallest_mult = mult;
			for (in = 0; in < nr_in; in++)
				if (abs(model_weight(model, layer, out, in)) > largest)
					largest = abs(model_weight(model, layer, out, in));
		}
		printf("layer %u: %u -> %u, shift %u, |weight| <= %d, |bias| <= %d, "
		       "multipliers %d to %d\n",
		       layer, nr_in, h->layer_size[layer], h->layer_shift[layer], largest,
		       largest_bias, smallest_mult, largest_mult);
		nr_in = h->layer_size[layer];
	}
}

static void print_model(const char *path, const struct model *model)
{
	const struct model_header *h = &model->header;
	char sources[64];
	unsigned int i;

	printf("file: %s, %zu bytes, format %u\n", path, model_file_bytes(model),
	       h->format_version);
	printf("name: %.*s\n", MODEL_NAME_LEN, h->name);
	printf("generation: %llu\n", (unsigned long long)h->generation);
	printf("checksum: %016llx\n", (unsigned long long)h->checksum);
	printf("sources: %s\n", source_names(h->required_sources, sources, sizeof(sources)));
	printf("shape: %u", h->nr_inputs);
	for (i = 0; i < h->nr_layers; i++)
		printf("-%u", h->layer_size[i]);
	printf("\nclasses:");
	for (i = 0; i < h->nr_outputs; i++)
		printf(" %s(%u)", class_name(h->class_id[i]), h->class_id[i]);
	printf("\n");
	for (i = 0; i < h->nr_inputs; i++) {
		const struct model_input *in = &h->inputs[i];

		printf("input %u: %s(%u) %s, offset %lld, pre_shift %u, scale %d\n", i,
		       feature_name(in->feature), in->feature, transform_names[in->transform],
		       (long long)in->offset, in->pre_shift, in->scale);
	}
	print_layers(model);
}

static void print_hex(const struct model *model)
{
	const unsigned char *bytes = (const unsigned char *)model;
	size_t i;

	for (i = 0; i < sizeof(*model); i++)
		printf("%s%02x", i ? " " : "", bytes[i]);
	printf("\n");
}

int command_info(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"hex", KEY_HEX, NULL, 0,
		 "the whole map value as hexadecimal bytes, for `bpftool map update ... value hex`",
		 0},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse_info,
		.args_doc = "MODEL.bin",
		.doc = "Show a model file; - reads standard input.",
	};
	struct arguments arguments = {0};
	struct model model;
	struct fault why;

	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return EXIT_USAGE;
	if (read_model(arguments.files[0], &model, &why))
		return failed(&why);
	if (arguments.hex)
		print_hex(&model);
	else
		print_model(arguments.files[0], &model);
	return EXIT_OK;
}
