// SPDX-License-Identifier: GPL-2.0-only
/* train, and the options that it shares with crossval. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../loader/model_file.h"
#include "../loader/names.h"
#include "arguments.h"
#include "commands.h"
#include "curve.h"
#include "evaluate.h"
#include "output.h"
#include "quantise.h"
#include "scaler.h"
#include "split.h"

enum option_key {
	KEY_HIDDEN = 0x100,
	KEY_FEATURES,
	KEY_EPOCHS,
	KEY_PATIENCE,
	KEY_BATCH,
	KEY_RATE,
	KEY_DROPOUT,
	KEY_DECAY,
	KEY_VALIDATION,
	KEY_LINEAR,
	KEY_NAME,
	KEY_GENERATION,
	KEY_KEEP_FLOAT,
	KEY_SPLIT,
	KEY_CURVE,
	KEY_MERGE,
};

static const struct argp_option training_options[] = {
	{"seed", 's', "N", 0, "seed of everything random (default 1)", 0},
	{"hidden", KEY_HIDDEN, "N[,N]", 0, "neurons of the hidden layers (default 32,16)", 0},
	{"features", KEY_FEATURES, "NAME,...", 0,
	 "inputs, by the names in docs/features.md (default: those of the shipped model)", 0},
	{"epochs", KEY_EPOCHS, "N", 0, "at most (default 60)", 0},
	{"patience", KEY_PATIENCE, "N", 0,
	 "stop after N epochs without a better validation loss (default 8)", 0},
	{"batch", KEY_BATCH, "N", 0, "windows per step (default 128)", 0},
	{"rate", KEY_RATE, "X", 0, "Adam's step (default 0.001)", 0},
	{"dropout", KEY_DROPOUT, "X", 0, "share of hidden neurons left out (default 0.2)", 0},
	{"weight-decay", KEY_DECAY, "X", 0, "decoupled weight decay (default 0)", 0},
	{"validation", KEY_VALIDATION, "X", 0,
	 "share of each class's runs that decide when to stop (default 0.2); 0: run all epochs", 0},
	{"merge", KEY_MERGE, "CLASS:INTO,...", 0,
	 "take windows of a class for another's: no input tells the two apart", 0},
	{"linear", KEY_LINEAR, NULL, 0,
	 "no logarithms: every input as mean and deviation of the plain number", 0},
	{0},
};

static void hidden_argument(struct argp_state *state, char *text, struct train_options *options)
{
	char *rest = text, *item;

	options->nr_hidden = 0;
	if (!strcmp(text, "none"))
		return;
	while ((item = strsep(&rest, ","))) {
		if (options->nr_hidden == MODEL_LAYERS_MAX - 1)
			argp_error(state, "at most %d hidden layers", MODEL_LAYERS_MAX - 1);
		options->hidden[options->nr_hidden++] =
			number_argument(state, item, 1, MODEL_HIDDEN_MAX);
	}
}

static void features_argument(struct argp_state *state, char *text, struct train_options *options)
{
	struct scaler named = {0};
	struct fault why;

	if (scaler_set_features(&named, text, "--features", &why))
		argp_error(state, "%s", why.text);
	options->nr_features = named.nr_features;
	memcpy(options->features, named.feature, sizeof(options->features));
}

static int class_argument(struct argp_state *state, const char *name)
{
	int class_id = class_from_name(name);

	if (class_id < 0)
		argp_error(state, "unknown class %s", name);
	return class_id;
}

static void merge_argument(struct argp_state *state, char *text,
			   struct training_arguments *arguments)
{
	char *rest = text, *item, *into;
	int class_id;

	while ((item = strsep(&rest, ","))) {
		into = item;
		class_id = class_argument(state, strsep(&into, ":"));
		if (!into) {
			argp_error(state, "%s: not CLASS:INTO", item);
			return;
		}
		arguments->merge_into[class_id] = class_argument(state, into);
	}
	for (class_id = 0; class_id < CLASSES_MAX; class_id++) {
		uint8_t merged = arguments->merge_into[class_id];

		if (arguments->merge_into[merged] != merged)
			argp_error(state, "%s is merged itself", class_name(merged));
	}
}

static error_t training_parse(int key, char *arg, struct argp_state *state)
{
	struct training_arguments *arguments = state->input;
	struct train_options *options = &arguments->options;

	switch (key) {
	case 's':
		options->seed = number_argument(state, arg, 0, UINT64_MAX);
		return 0;
	case KEY_HIDDEN:
		hidden_argument(state, arg, options);
		return 0;
	case KEY_FEATURES:
		features_argument(state, arg, options);
		return 0;
	case KEY_EPOCHS:
		options->epochs = number_argument(state, arg, 1, 1000000);
		return 0;
	case KEY_PATIENCE:
		options->patience = number_argument(state, arg, 1, 1000000);
		return 0;
	case KEY_BATCH:
		options->batch = number_argument(state, arg, 1, 1 << 20);
		return 0;
	case KEY_RATE:
		options->rate = fraction_argument(state, arg, 1.0);
		return 0;
	case KEY_DROPOUT:
		options->dropout = fraction_argument(state, arg, 1.0);
		return 0;
	case KEY_DECAY:
		options->weight_decay = fraction_argument(state, arg, 1.0);
		return 0;
	case KEY_LINEAR:
		options->linear = true;
		return 0;
	case KEY_MERGE:
		merge_argument(state, arg, arguments);
		return 0;
	case KEY_VALIDATION:
		arguments->validation = fraction_argument(state, arg, 1.0);
		arguments->validation_given = true;
		options->run_all = arguments->validation == 0.0;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp training_argp = {.options = training_options, .parser = training_parse};

void training_arguments_init(struct training_arguments *arguments)
{
	unsigned int i;

	memset(arguments, 0, sizeof(*arguments));
	arguments->options = train_defaults;
	arguments->validation = 0.2;
	for (i = 0; i < CLASSES_MAX; i++)
		arguments->merge_into[i] = i;
}

void merge_classes(struct dataset *d, const struct training_arguments *arguments)
{
	size_t i;

	for (i = 0; i < d->nr_rows; i++)
		d->rows[i].label = arguments->merge_into[d->rows[i].label];
}

uint32_t features_needed(const struct train_options *options)
{
	uint32_t needed = 0;
	unsigned int i;

	for (i = 0; i < options->nr_features; i++)
		needed |= 1U << options->features[i];
	return needed;
}

static unsigned int epochs_planned;

/* [#####.....] epoch 12 of at most 60: loss ... */
static void show_epoch(unsigned int epoch, double train_loss, double validation_loss, bool best)
{
	static const char full[] = "####################", rest[] = "....................";
	int done = (int)(20ULL * epoch / epochs_planned);

	fprintf(stderr, "\r[%.*s%.*s] epoch %u of at most %u: loss %.4f", done, full, 20 - done,
		rest, epoch, epochs_planned, train_loss);
	if (validation_loss > 0.0)
		fprintf(stderr, ", validation %.4f%s", validation_loss, best ? " (best)" : "");
	fprintf(stderr, "\033[K");
}

/* --- train ---------------------------------------------------------------------------------- */

struct train_arguments {
	struct training_arguments training;
	const char *output, *name;
	uint64_t generation;
	bool keep_float;
	const char *split_path, *curve_path;
	char **paths;
	unsigned int nr_paths;
};

static const struct argp_option train_options[] = {
	{"output", 'o', "MODEL.bin", 0, "where the model goes (required)", 1},
	{"name", KEY_NAME, "NAME", 0, "kept in the model (default: the file's name)", 1},
	{"generation", KEY_GENERATION, "N", 0, "tells retrainings apart (default 1)", 1},
	{"keep-float", KEY_KEEP_FLOAT, NULL, 0,
	 "write the floating-point network to MODEL.float.json too", 1},
	{"split", KEY_SPLIT, "FILE.csv", 0,
	 "which runs train, validate and test, as `dataset --split-out` wrote it; test runs are "
	 "not looked at",
	 1},
	{"curve", KEY_CURVE, "FILE.svg", 0, "the loss of each epoch as a picture, too", 1},
	{0},
};

static error_t train_parse(int key, char *arg, struct argp_state *state)
{
	struct train_arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &arguments->training;
		return 0;
	case 'o':
		arguments->output = arg;
		return 0;
	case KEY_NAME:
		arguments->name = name_argument(state, arg);
		return 0;
	case KEY_GENERATION:
		arguments->generation = number_argument(state, arg, 0, UINT64_MAX);
		return 0;
	case KEY_KEEP_FLOAT:
		arguments->keep_float = true;
		return 0;
	case KEY_SPLIT:
		arguments->split_path = arg;
		return 0;
	case KEY_CURVE:
		arguments->curve_path = arg;
		return 0;
	case ARGP_KEY_ARGS:
		arguments->paths = state->argv + state->next;
		arguments->nr_paths = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!arguments->nr_paths)
			argp_error(state, "no DATA.csv or DIR");
		if (!arguments->output)
			argp_error(state, "no -o MODEL.bin");
		if (arguments->split_path && arguments->training.validation_given &&
		    !arguments->training.options.run_all)
			argp_error(state, "--split says which runs validate: --validation can only "
					  "be 0, to run all epochs");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void name_of_file(const char *path, char name[MODEL_NAME_LEN])
{
	const char *slash = strrchr(path, '/');
	size_t length, i;

	path = slash ? slash + 1 : path;
	length = strcspn(path, ".");
	if (length >= MODEL_NAME_LEN)
		length = MODEL_NAME_LEN - 1;
	for (i = 0; i < length; i++)
		name[i] = path[i] < ' ' || path[i] > '~' ? '_' : path[i];
	name[length] = '\0';
}

static void print_constants(const struct trained *t, const struct train_options *options)
{
	unsigned int i;

	for (i = 0; i < options->nr_features; i++)
		if (t->constant >> i & 1)
			printf("constant column: %s says nothing here; its scale is 0\n",
			       feature_name(options->features[i]));
}

static int write_outputs(const struct train_arguments *arguments, const struct model *model,
			 const struct trained *t, struct fault *why)
{
	size_t length = strlen(arguments->output);
	char *path;
	int ret;

	ret = output_write_bytes(arguments->output, model, model_file_bytes(model), why);
	if (ret || !arguments->keep_float)
		return ret;
	if (length > 4 && !strcmp(arguments->output + length - 4, ".bin"))
		length -= 4;
	if (asprintf(&path, "%.*s.float.json", (int)length, arguments->output) < 0)
		return fault_set(why, ENOMEM, "out of memory");
	ret = network_write(path, &t->network, model, why);
	free(path);
	return ret;
}

int validation_part(const struct dataset *d, const struct training_arguments *training,
		    uint8_t *parts, struct rng *rng)
{
	if (training->options.run_all)
		return 0;
	return dataset_split(d, parts, PART_VALIDATION, training->validation, rng);
}

static int train_model(const struct train_arguments *arguments, struct dataset *d,
		       struct trained *t, struct fault *why)
{
	static const char *const titles[] = {"training part", "validation part"};
	struct train_options options = arguments->training.options;
	char name[MODEL_NAME_LEN];
	uint8_t *parts = NULL;
	struct model model;
	unsigned int part;
	struct rng rng;
	int ret;

	ret = read_files(d, arguments->paths, arguments->nr_paths, features_needed(&options), why);
	if (ret)
		return ret;
	merge_classes(d, &arguments->training);
	parts = calloc(d->nr_rows, 1);
	rng_seed(&rng, options.seed);
	if (!parts)
		ret = fault_set(why, ENOMEM, "out of memory");
	else if (arguments->split_path)
		ret = split_read(d, parts, arguments->split_path, why);
	else if (validation_part(d, &arguments->training, parts, &rng))
		ret = fault_set(why, ENOMEM, "out of memory");
	if (ret)
		goto out;
	epochs_planned = options.epochs;
	if (isatty(STDERR_FILENO))
		options.progress = show_epoch;
	if (arguments->curve_path) {
		options.losses = calloc(options.epochs, sizeof(*options.losses));
		if (!options.losses) {
			ret = fault_set(why, ENOMEM, "out of memory");
			goto out;
		}
	}
	ret = train(d, parts, &options, t, why);
	if (options.progress)
		fputc('\n', stderr);
	if (ret)
		goto out;
	if (arguments->name)
		snprintf(name, sizeof(name), "%s", arguments->name);
	else
		name_of_file(arguments->output, name);
	ret = quantise(t, d, parts, name, arguments->generation, &model, why);
	if (ret)
		goto out;
	printf("%zu windows of %u runs; %u epochs", d->nr_rows, d->nr_runs, t->epochs);
	if (dataset_count(d, parts, PART_VALIDATION, -1))
		printf(", the best was %u (validation loss %.4f)", t->best_epoch,
		       t->validation_loss);
	printf("\n");
	print_constants(t, &options);
	for (part = PART_TRAIN; part <= PART_VALIDATION; part++) {
		struct evaluation e = {0};

		evaluate(&model, d, parts, part, &t->network, NULL, &e);
		if (e.nr_rows)
			evaluation_print(stdout, titles[part], &e);
	}
	if (arguments->curve_path)
		ret = curve_write_svg(arguments->curve_path, name, options.losses, t->epochs,
				      t->best_epoch, why);
	if (!ret)
		ret = write_outputs(arguments, &model, t, why);
	if (!ret)
		printf("%s: %zu bytes, checksum %016llx\n", arguments->output,
		       model_file_bytes(&model), (unsigned long long)model.header.checksum);
out:
	free(options.losses);
	free(parts);
	return ret;
}

int command_train(int argc, char **argv)
{
	static const struct argp_child children[] = {{&training_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = train_options,
		.parser = train_parse,
		.args_doc = "DATA.csv|DIR... -o MODEL.bin",
		.doc = "Fit a model to windows recorded by `bpfahead record`, quantise it and say "
		       "how "
		       "good it is.\v"
		       "Files may be gzipped. A run is a file, or what the column `run` names; "
		       "whole "
		       "runs go to the validation part, never single windows. The same data, "
		       "options "
		       "and seed give the same bytes.",
		.children = children,
	};
	struct train_arguments arguments = {.generation = 1};
	struct dataset d = {0};
	struct fault why;
	struct trained *t;
	int ret;

	training_arguments_init(&arguments.training);
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return EXIT_USAGE;
	t = calloc(1, sizeof(*t));
	ret = t ? train_model(&arguments, &d, t, &why) : fault_set(&why, ENOMEM, "out of memory");
	free(t);
	dataset_free(&d);
	return ret ? failed(&why) : EXIT_OK;
}
