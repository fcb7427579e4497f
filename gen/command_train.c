// SPDX-License-Identifier: GPL-2.0-only
/* train and crossval. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../loader/model_file.h"
#include "../loader/names.h"
#include "commands.h"
#include "evaluate.h"
#include "quantise.h"

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
	KEY_BY,
	KEY_FOLDS,
	KEY_SPLIT,
	KEY_REPEATS,
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
	{"linear", KEY_LINEAR, NULL, 0,
	 "no logarithms: every input as mean and deviation of the plain number", 0},
	{0},
};

static uint64_t number_argument(struct argp_state *state, const char *text, uint64_t low,
				uint64_t high)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno || value < low || value > high)
		argp_error(state, "\"%s\" is not a number from %llu to %llu", text,
			   (unsigned long long)low, (unsigned long long)high);
	return value;
}

static double fraction_argument(struct argp_state *state, const char *text, double high)
{
	double value;
	char *end;

	value = strtod(text, &end);
	if (end == text || *end || !(value >= 0.0 && value < high))
		argp_error(state, "\"%s\" is not a number from 0 to below %g", text, high);
	return value;
}

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
	char *rest = text, *item;
	unsigned int i;

	options->nr_features = 0;
	while ((item = strsep(&rest, ","))) {
		int id = feature_from_name(item);

		if (id < 0)
			argp_error(state, "unknown feature \"%s\"", item);
		for (i = 0; i < options->nr_features; i++)
			if (options->features[i] == (unsigned int)id)
				argp_error(state, "feature %s is named twice", item);
		if (options->nr_features == MODEL_INPUTS_MAX)
			argp_error(state, "at most %d features", MODEL_INPUTS_MAX);
		options->features[options->nr_features++] = id;
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
	case KEY_VALIDATION:
		arguments->validation = fraction_argument(state, arg, 1.0);
		options->run_all = arguments->validation == 0.0;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp training_argp = {.options = training_options, .parser = training_parse};

void training_arguments_init(struct training_arguments *arguments)
{
	memset(arguments, 0, sizeof(*arguments));
	arguments->options = train_defaults;
	arguments->validation = 0.2;
}

static uint32_t features_needed(const struct train_options *options)
{
	uint32_t needed = 0;
	unsigned int i;

	for (i = 0; i < options->nr_features; i++)
		needed |= 1U << options->features[i];
	return needed;
}

static unsigned int epochs_planned;

static void show_epoch(unsigned int epoch, double train_loss, double validation_loss, bool best)
{
	fprintf(stderr, "\repoch %u of at most %u: loss %.4f", epoch, epochs_planned, train_loss);
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
	char **paths;
	unsigned int nr_paths;
};

static const struct argp_option train_options[] = {
	{"output", 'o', "MODEL.bin", 0, "where the model goes (required)", 1},
	{"name", KEY_NAME, "NAME", 0, "kept in the model (default: the file's name)", 1},
	{"generation", KEY_GENERATION, "N", 0, "tells retrainings apart (default 1)", 1},
	{"keep-float", KEY_KEEP_FLOAT, NULL, 0,
	 "write the floating-point network to MODEL.float.json too", 1},
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
		if (!*arg || strlen(arg) >= MODEL_NAME_LEN)
			argp_error(state, "a name has 1 to %d bytes", MODEL_NAME_LEN - 1);
		arguments->name = arg;
		return 0;
	case KEY_GENERATION:
		arguments->generation = number_argument(state, arg, 0, UINT64_MAX);
		return 0;
	case KEY_KEEP_FLOAT:
		arguments->keep_float = true;
		return 0;
	case ARGP_KEY_ARGS:
		arguments->paths = state->argv + state->next;
		arguments->nr_paths = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!arguments->nr_paths)
			argp_error(state, "no DATA.csv");
		if (!arguments->output)
			argp_error(state, "no -o MODEL.bin");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* "dir/default.bin" -> "default", cut to what a header holds. */
static void name_of_file(const char *path, char name[MODEL_NAME_LEN])
{
	const char *slash = strrchr(path, '/');
	size_t length;

	path = slash ? slash + 1 : path;
	length = strcspn(path, ".");
	if (length >= MODEL_NAME_LEN)
		length = MODEL_NAME_LEN - 1;
	memcpy(name, path, length);
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
	char *path;
	int ret;

	ret = model_write(arguments->output, model);
	if (ret)
		return fault_set(why, -ret, "%s: %s", arguments->output, strerror(-ret));
	if (!arguments->keep_float)
		return 0;
	ret = strlen(arguments->output) > 4 &&
	      !strcmp(arguments->output + strlen(arguments->output) - 4, ".bin");
	if (asprintf(&path, "%.*s.float.json", (int)strlen(arguments->output) - (ret ? 4 : 0),
		     arguments->output) < 0)
		return fault_set(why, ENOMEM, "out of memory");
	ret = network_write(path, &t->network, model, why);
	free(path);
	return ret;
}

static int validation_part(const struct dataset *d, const struct training_arguments *training,
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
	parts = calloc(d->nr_rows, 1);
	rng_seed(&rng, options.seed);
	if (!parts || validation_part(d, &arguments->training, parts, &rng)) {
		ret = fault_set(why, ENOMEM, "out of memory");
		goto out;
	}
	epochs_planned = options.epochs;
	if (isatty(STDERR_FILENO))
		options.progress = show_epoch;
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
	ret = write_outputs(arguments, &model, t, why);
	if (!ret)
		printf("%s: %zu bytes, checksum %016llx\n", arguments->output,
		       model_file_bytes(&model), (unsigned long long)model.header.checksum);
out:
	free(parts);
	return ret;
}

int command_train(int argc, char **argv)
{
	static const struct argp_child children[] = {{&training_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = train_options,
		.parser = train_parse,
		.args_doc = "DATA.csv... -o MODEL.bin",
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

/* --- crossval ------------------------------------------------------------------------------- */

enum grouping { BY_RUN, BY_PROFILE, BY_WORKLOAD, BY_SETTING, NR_GROUPINGS };
static const char *const groupings[] = {"run", "profile", "workload", "setting"};

/* Or: again and again another part drawn at random. */
enum draw { DRAW_NONE, DRAW_WINDOWS, DRAW_RUNS };
#define DRAW_SHARE 0.2 /* of the windows of each class */
#define DRAW_REPEATS 20

struct crossval_arguments {
	struct training_arguments training;
	enum grouping by;
	unsigned int folds; /* 0: as many as there are groups */
	enum draw draw;
	unsigned int repeats; /* 0: DRAW_REPEATS */
	bool by_given;
	char **paths;
	unsigned int nr_paths;
};

static const struct argp_option crossval_options[] = {
	{"by", KEY_BY, "run|profile|workload|setting", 0,
	 "what is held out together (default run); the others are the first, second and third "
	 "field of a run's name PROFILE.WORKLOAD.SETTING",
	 1},
	{"folds", KEY_FOLDS, "N", 0,
	 "parts held out in turn (default 5 by run, else each group by itself)", 1},
	{"split", KEY_SPLIT, "random|run", 0,
	 "instead of that hold out at random, again and again: 20 % of each class's windows "
	 "(flatters: neighbours are nearly copies), or one run of each class",
	 2},
	{"repeats", KEY_REPEATS, "N", 0,
	 "how often (default 20); each time with a seed of its own, from --seed on", 2},
	{0},
};

static error_t crossval_parse(int key, char *arg, struct argp_state *state)
{
	struct crossval_arguments *arguments = state->input;
	unsigned int i;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &arguments->training;
		return 0;
	case KEY_BY:
		for (i = 0; i < NR_GROUPINGS; i++)
			if (!strcmp(arg, groupings[i]))
				break;
		if (i == NR_GROUPINGS)
			argp_error(state, "unknown grouping %s", arg);
		arguments->by = i;
		arguments->by_given = true;
		return 0;
	case KEY_SPLIT:
		arguments->draw = !strcmp(arg, "random") ? DRAW_WINDOWS :
				  !strcmp(arg, "run")    ? DRAW_RUNS :
							   DRAW_NONE;
		if (!arguments->draw)
			argp_error(state, "unknown split %s", arg);
		return 0;
	case KEY_REPEATS:
		arguments->repeats = number_argument(state, arg, 1, 100000);
		return 0;
	case KEY_FOLDS:
		arguments->folds = number_argument(state, arg, 2, 1000);
		return 0;
	case ARGP_KEY_ARGS:
		arguments->paths = state->argv + state->next;
		arguments->nr_paths = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		if (!arguments->nr_paths)
			argp_error(state, "no DATA.csv");
		if (arguments->draw && (arguments->by_given || arguments->folds))
			argp_error(state, "--split draws: it takes neither --by nor --folds");
		if (arguments->repeats && !arguments->draw)
			argp_error(state, "--repeats says how often --split draws");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

struct group {
	const char *name;
	size_t length;
	unsigned int label; /* of its first row; groups of each class are dealt evenly */
	unsigned int fold;
	size_t nr_rows, correct;
};

struct groups {
	struct group *group;
	uint32_t nr_groups, nr_folds;
	uint32_t *of_run;
};

static void group_key(const char *run, enum grouping by, const char **key, size_t *length)
{
	unsigned int i;

	*key = run;
	*length = strlen(run);
	if (by == BY_RUN)
		return;
	for (i = BY_PROFILE; i < by; i++) {
		const char *dot = strchr(*key, '.');

		if (!dot)
			break;
		*key = dot + 1;
	}
	*length = strcspn(*key, ".");
}

static int make_groups(const struct dataset *d, const struct crossval_arguments *arguments,
		       struct groups *g, struct fault *why)
{
	uint32_t *order = calloc(d->nr_runs, sizeof(*order)), run, i, dealt = 0;
	unsigned int label;
	struct rng rng;
	size_t k;

	g->group = calloc(d->nr_runs, sizeof(*g->group));
	g->of_run = calloc(d->nr_runs, sizeof(*g->of_run));
	if (!order || !g->group || !g->of_run) {
		free(order);
		return fault_set(why, ENOMEM, "out of memory");
	}
	for (run = 0; run < d->nr_runs; run++) {
		const char *key;
		size_t length;

		group_key(d->runs[run], arguments->by, &key, &length);
		for (i = 0; i < g->nr_groups; i++)
			if (g->group[i].length == length && !memcmp(g->group[i].name, key, length))
				break;
		if (i == g->nr_groups) {
			g->group[i].name = key;
			g->group[i].length = length;
			g->group[i].label = CLASS_NONE;
			g->nr_groups++;
		}
		g->of_run[run] = i;
	}
	for (k = 0; k < d->nr_rows; k++) {
		struct group *group = &g->group[g->of_run[d->rows[k].run]];

		if (group->label == CLASS_NONE)
			group->label = d->rows[k].label;
		group->nr_rows++;
	}
	g->nr_folds = arguments->folds        ? arguments->folds :
		      arguments->by == BY_RUN ? 5 :
						g->nr_groups;
	if (g->nr_folds > g->nr_groups)
		g->nr_folds = g->nr_groups;
	rng_seed(&rng, arguments->training.options.seed);
	for (label = 0; label < CLASSES_MAX; label++) {
		uint32_t nr = 0;

		for (i = 0; i < g->nr_groups; i++)
			if (g->group[i].label == label)
				order[nr++] = i;
		rng_shuffle(&rng, order, nr);
		for (i = 0; i < nr; i++)
			g->group[order[i]].fold = dealt++ % g->nr_folds;
	}
	free(order);
	if (g->nr_folds < 2)
		return fault_set(why, EINVAL, "one %s only: nothing can be held out",
				 groupings[arguments->by]);
	return 0;
}

/* Trains without the PART_TEST rows and evaluates on them; part of the rest decides when to stop.
 */
static int hold_out(const struct dataset *d, const struct training_arguments *training,
		    uint64_t seed, bool by_window, uint8_t *parts, uint8_t *answers,
		    struct evaluation *e, struct fault *why)
{
	struct train_options options = training->options;
	struct trained *t = malloc(sizeof(*t));
	struct model model;
	struct rng rng;
	int ret;

	if (!t)
		return fault_set(why, ENOMEM, "out of memory");
	options.seed = seed;
	rng_seed(&rng, seed);
	ret = by_window ?
		      dataset_split_rows(d, parts, PART_VALIDATION, training->validation, &rng) :
		      validation_part(d, training, parts, &rng);
	if (ret) {
		fault_set(why, -ret, "out of memory");
		goto out;
	}
	ret = train(d, parts, &options, t, why);
	if (!ret)
		ret = quantise(t, d, parts, "crossval", 0, &model, why);
	if (!ret)
		evaluate(&model, d, parts, PART_TEST, &t->network, answers, e);
out:
	free(t);
	return ret;
}

static int run_fold(const struct dataset *d, const struct crossval_arguments *arguments,
		    struct groups *g, uint32_t fold, uint8_t *parts, uint8_t *answers,
		    struct evaluation *sum, struct fault *why)
{
	size_t k;
	int ret;

	for (k = 0; k < d->nr_rows; k++)
		parts[k] =
			g->group[g->of_run[d->rows[k].run]].fold == fold ? PART_TEST : PART_TRAIN;
	memset(answers, 0, d->nr_rows);
	ret = hold_out(d, &arguments->training, arguments->training.options.seed, false, parts,
		       answers, sum, why);
	for (k = 0; !ret && k < d->nr_rows; k++)
		if (parts[k] == PART_TEST)
			g->group[g->of_run[d->rows[k].run]].correct += answers[k];
	return ret;
}

static void print_groups(const struct groups *g, enum grouping by)
{
	uint32_t i;

	for (i = 0; i < g->nr_groups; i++) {
		const struct group *group = &g->group[i];
		double share;

		if (!group->nr_rows)
			continue;
		share = 100.0 * (double)group->correct / (double)group->nr_rows;
		/* Of many runs only those that went wrong are of interest. */
		if (by == BY_RUN && share >= 95.0)
			continue;
		printf("  %-32.*s %-12s %6zu windows %7.2f %%\n", (int)group->length, group->name,
		       by == BY_RUN || by == BY_WORKLOAD ? class_name(group->label) : "",
		       group->nr_rows, share);
	}
}

static int cross_validate(const struct crossval_arguments *arguments, struct dataset *d,
			  struct groups *g, struct fault *why)
{
	uint8_t *parts = NULL, *answers = NULL;
	struct evaluation sum = {0};
	uint32_t fold;
	int ret;

	ret = read_files(d, arguments->paths, arguments->nr_paths,
			 features_needed(&arguments->training.options), why);
	if (!ret)
		ret = make_groups(d, arguments, g, why);
	if (ret)
		return ret;
	parts = calloc(d->nr_rows, 1);
	answers = calloc(d->nr_rows, 1);
	if (!parts || !answers)
		ret = fault_set(why, ENOMEM, "out of memory");
	for (fold = 0; !ret && fold < g->nr_folds; fold++) {
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\rpart %u of %u held out\033[K", fold + 1, g->nr_folds);
		ret = run_fold(d, arguments, g, fold, parts, answers, &sum, why);
	}
	if (isatty(STDERR_FILENO))
		fputc('\n', stderr);
	if (!ret) {
		printf("%u groups by %s, %u parts held out in turn\n", g->nr_groups,
		       groupings[arguments->by], g->nr_folds);
		evaluation_print(stdout, "held out", &sum);
		if (arguments->by == BY_RUN)
			printf("runs below 95 %%:\n");
		print_groups(g, arguments->by);
	}
	free(parts);
	free(answers);
	return ret;
}

/* Draws the part that is held out in one repeat. */
static int draw_part(const struct dataset *d, enum draw draw, uint64_t seed, uint8_t *parts,
		     struct fault *why)
{
	struct rng rng;
	size_t k;
	int ret;

	for (k = 0; k < d->nr_rows; k++)
		parts[k] = PART_TRAIN;
	rng_seed(&rng, seed);
	/* The seed also starts the part that validates and the weights: not the same numbers. */
	rng_seed(&rng, rng_next(&rng));
	if (draw == DRAW_RUNS)
		return dataset_hold_out_runs(d, parts, PART_TEST, &rng, why);
	ret = dataset_split_rows(d, parts, PART_TEST, DRAW_SHARE, &rng);
	return ret ? fault_set(why, -ret, "out of memory") : 0;
}

static void print_spread(const struct crossval_arguments *arguments, const double *accuracy,
			 unsigned int repeats)
{
	double sum = 0.0, squares = 0.0, low = 100.0, high = 0.0, mean;
	unsigned int i;

	for (i = 0; i < repeats; i++) {
		sum += accuracy[i];
		if (accuracy[i] < low)
			low = accuracy[i];
		if (accuracy[i] > high)
			high = accuracy[i];
	}
	mean = sum / repeats;
	for (i = 0; i < repeats; i++)
		squares += (accuracy[i] - mean) * (accuracy[i] - mean);
	printf("%s, %u times: mean %.2f %%, deviation %.2f, least %.2f %%, most %.2f %%\n",
	       arguments->draw == DRAW_RUNS ? "one run of each class held out" :
					      "20 % of the windows of each class held out",
	       repeats, mean, repeats > 1 ? sqrt(squares / (repeats - 1)) : 0.0, low, high);
}

static int validate_by_draws(const struct crossval_arguments *arguments, struct dataset *d,
			     struct fault *why)
{
	unsigned int repeats = arguments->repeats ? arguments->repeats : DRAW_REPEATS, i;
	double *accuracy = calloc(repeats, sizeof(*accuracy));
	struct evaluation sum = {0};
	uint8_t *parts = NULL;
	int ret;

	ret = read_files(d, arguments->paths, arguments->nr_paths,
			 features_needed(&arguments->training.options), why);
	if (ret)
		goto out;
	parts = calloc(d->nr_rows, 1);
	if (!parts || !accuracy) {
		ret = fault_set(why, ENOMEM, "out of memory");
		goto out;
	}
	for (i = 0; !ret && i < repeats; i++) {
		uint64_t seed = arguments->training.options.seed + i;
		size_t rows = sum.nr_rows, correct = sum.correct;

		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\rdraw %u of %u\033[K", i + 1, repeats);
		ret = draw_part(d, arguments->draw, seed, parts, why);
		if (!ret)
			ret = hold_out(d, &arguments->training, seed,
				       arguments->draw == DRAW_WINDOWS, parts, NULL, &sum, why);
		if (!ret)
			accuracy[i] = 100.0 * (double)(sum.correct - correct) /
				      (double)(sum.nr_rows - rows);
	}
	if (isatty(STDERR_FILENO))
		fputc('\n', stderr);
	if (!ret) {
		print_spread(arguments, accuracy, repeats);
		evaluation_print(stdout, "held out, all times together", &sum);
	}
out:
	free(parts);
	free(accuracy);
	return ret;
}

int command_crossval(int argc, char **argv)
{
	static const struct argp_child children[] = {{&training_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = crossval_options,
		.parser = crossval_parse,
		.args_doc = "DATA.csv...",
		.doc = "Train several times, each time without some of the runs, and say how good "
		       "the "
		       "models are on those.",
		.children = children,
	};
	struct crossval_arguments arguments = {0};
	struct dataset d = {0};
	struct groups g = {0};
	struct fault why;
	int ret;

	training_arguments_init(&arguments.training);
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return EXIT_USAGE;
	ret = arguments.draw ? validate_by_draws(&arguments, &d, &why) :
			       cross_validate(&arguments, &d, &g, &why);
	free(g.group);
	free(g.of_run);
	dataset_free(&d);
	return ret ? failed(&why) : EXIT_OK;
}
