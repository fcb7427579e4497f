// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../loader/names.h"
#include "arguments.h"
#include "commands.h"
#include "cost.h"
#include "evaluate.h"
#include "quantise.h"

enum option_key {
	KEY_BY = 0x200, /* beyond those of training_argp */
	KEY_FOLDS,
	KEY_SPLIT,
	KEY_REPEATS,
	KEY_METADATA,
	KEY_COST,
	KEY_JSON,
	KEY_JOBS,
};

enum grouping { BY_RUN, BY_PROFILE, BY_WORKLOAD, BY_SETTING, BY_FAMILY, NR_GROUPINGS };
static const char *const groupings[] = {"run", "profile", "workload", "setting", "family"};

/* Or: again and again another part drawn at random. */
enum draw { DRAW_NONE, DRAW_WINDOWS, DRAW_RUNS };
#define DRAW_SHARE 0.2 /* of the windows of each class */
#define DRAW_REPEATS 20

#define POOR 90.0 /* groups below it are to be explained */

struct crossval_arguments {
	struct training_arguments training;
	enum grouping by;
	unsigned int folds; /* 0: as many as there are groups */
	enum draw draw;
	unsigned int repeats; /* 0: DRAW_REPEATS */
	unsigned int jobs;
	bool by_given, cost, json;
	const char *metadata_path;
	char **paths;
	unsigned int nr_paths;
};

static const struct argp_option crossval_options[] = {
	{"by", KEY_BY, "run|profile|workload|setting|family", 0,
	 "what is held out together (default run); profile, workload and setting are the first "
	 "three fields of a run's name PROFILE.WORKLOAD.SETTING, families stand in the metadata",
	 1},
	{"folds", KEY_FOLDS, "N", 0,
	 "parts held out in turn (default 5 by run, else each group by itself)", 1},
	{"split", KEY_SPLIT, "random|run", 0,
	 "instead of that hold out at random, again and again: 20 % of each class's windows "
	 "(flatters: neighbours are nearly copies), or one run of each class",
	 2},
	{"repeats", KEY_REPEATS, "N", 0,
	 "how often (default 20); each time with a seed of its own, from --seed on", 2},
	{"metadata", KEY_METADATA, "FILE|DIR", 0,
	 "families and throughputs of the runs (default: metadata.csv of each DIR)", 3},
	{"cost", KEY_COST, NULL, 0,
	 "what the errors cost on each device profile, by the throughputs in the metadata", 3},
	{"json", KEY_JSON, NULL, 0, "for scripts", 3},
	{"jobs", KEY_JOBS, "N", 0, "parts worked on at once (default 1); the results are the same",
	 3},
	{0},
};

static void check_usage(struct argp_state *state, const struct crossval_arguments *arguments)
{
	if (!arguments->nr_paths)
		argp_error(state, "no DATA.csv or DIR");
	if (arguments->draw && (arguments->by_given || arguments->folds))
		argp_error(state, "--split draws: it takes neither --by nor --folds");
	if (arguments->repeats && !arguments->draw)
		argp_error(state, "--repeats says how often --split draws");
	if (arguments->draw && arguments->cost)
		argp_error(state, "--cost needs every window held out once: not with --split");
}

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
	case KEY_METADATA:
		arguments->metadata_path = arg;
		return 0;
	case KEY_COST:
		arguments->cost = true;
		return 0;
	case KEY_JSON:
		arguments->json = true;
		return 0;
	case KEY_JOBS:
		arguments->jobs = number_argument(state, arg, 1, 256);
		return 0;
	case ARGP_KEY_ARGS:
		arguments->paths = state->argv + state->next;
		arguments->nr_paths = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		check_usage(state, arguments);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- groups ---------------------------------------------------------------------------------- */

struct group {
	const char *name;
	size_t length;
	unsigned int label; /* of its first row; groups of each class are dealt evenly */
	bool several;       /* not all rows have that label */
	unsigned int fold;
	size_t nr_rows, correct, classic_correct;
};

struct groups {
	struct group *group;
	uint32_t nr_groups, nr_folds;
	uint32_t *of_run;
};

static int group_key(const char *run, enum grouping by, const struct metadata *m, const char **key,
		     size_t *length, struct fault *why)
{
	static const enum run_field fields[NR_GROUPINGS] = {
		[BY_PROFILE] = RUN_PROFILE,
		[BY_WORKLOAD] = RUN_WORKLOAD,
		[BY_SETTING] = RUN_SETTING,
		[BY_FAMILY] = RUN_WORKLOAD,
	};
	const char *family;

	if (by == BY_RUN) {
		*key = run;
		*length = strlen(run);
		return 0;
	}
	run_field(run, fields[by], key, length);
	if (by != BY_FAMILY)
		return 0;
	family = metadata_family(m, *key, *length);
	if (!family)
		return fault_set(why, EINVAL, "run %.80s: the metadata do not know its workload",
				 run);
	*key = family;
	*length = strlen(family);
	return 0;
}

static int find_groups(const struct dataset *d, const struct metadata *m, enum grouping by,
		       struct groups *g, struct fault *why)
{
	uint32_t run, i;
	size_t k;
	int ret;

	for (run = 0; run < d->nr_runs; run++) {
		const char *key;
		size_t length;

		ret = group_key(d->runs[run], by, m, &key, &length, why);
		if (ret)
			return ret;
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
		group->several |= group->label != d->rows[k].label;
		group->nr_rows++;
	}
	return 0;
}

static int make_groups(const struct dataset *d, const struct metadata *m,
		       const struct crossval_arguments *arguments, struct groups *g,
		       struct fault *why)
{
	uint32_t *order = calloc(d->nr_runs, sizeof(*order)), i, dealt = 0;
	unsigned int label;
	struct rng rng;
	int ret;

	g->group = calloc(d->nr_runs, sizeof(*g->group));
	g->of_run = calloc(d->nr_runs, sizeof(*g->of_run));
	if (!order || !g->group || !g->of_run) {
		free(order);
		return fault_set(why, ENOMEM, "out of memory");
	}
	ret = find_groups(d, m, arguments->by, g, why);
	if (ret) {
		free(order);
		return ret;
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

/* --- the work: train without a part, ask about it --------------------------------------------- */

/* Trains without the PART_TEST rows and evaluates on them; part of the rest says when to stop. */
static int hold_out(const struct dataset *d, const struct training_arguments *training,
		    uint64_t seed, bool by_window, uint8_t *parts, struct answer *answers,
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

/* One part held out. Lives in memory that the workers share. */
struct unit {
	int error;
	struct fault why;
	struct evaluation e;
};

struct work {
	const struct crossval_arguments *arguments;
	const struct dataset *d;
	const struct groups *g; /* NULL: draws */
	struct unit *units;
	unsigned int nr_units;
	unsigned int *nr_done;
	struct answer *answers; /* of groups: one per row */
	size_t bytes;
};

static int run_fold(const struct work *work, unsigned int fold, uint8_t *parts)
{
	const struct training_arguments *training = &work->arguments->training;
	const struct dataset *d = work->d;
	struct unit *unit = &work->units[fold];
	size_t k;

	for (k = 0; k < d->nr_rows; k++)
		parts[k] = work->g->group[work->g->of_run[d->rows[k].run]].fold == fold ?
				   PART_TEST :
				   PART_TRAIN;
	return hold_out(d, training, training->options.seed, false, parts, work->answers, &unit->e,
			&unit->why);
}

static int run_draw(const struct work *work, unsigned int draw, uint8_t *parts)
{
	const struct training_arguments *training = &work->arguments->training;
	bool by_window = work->arguments->draw == DRAW_WINDOWS;
	uint64_t seed = training->options.seed + draw;
	struct unit *unit = &work->units[draw];
	struct rng rng;
	int ret;

	memset(parts, PART_TRAIN, work->d->nr_rows);
	rng_seed(&rng, seed);
	/* The seed also starts the part that validates and the weights: not the same numbers. */
	rng_seed(&rng, rng_next(&rng));
	if (by_window) {
		ret = dataset_split_rows(work->d, parts, PART_TEST, DRAW_SHARE, &rng);
		if (ret)
			return fault_set(&unit->why, -ret, "out of memory");
	} else {
		ret = dataset_hold_out_runs(work->d, parts, PART_TEST, &rng, &unit->why);
		if (ret)
			return ret;
	}
	return hold_out(work->d, training, seed, by_window, parts, NULL, &unit->e, &unit->why);
}

/* Every jobs-th unit from @first on; all if one of them fails, the fault is in its unit. */
static int run_units(const struct work *work, unsigned int first, unsigned int step)
{
	uint8_t *parts = calloc(work->d->nr_rows + 1, 1);
	unsigned int i, done;

	for (i = first; i < work->nr_units; i += step) {
		struct unit *unit = &work->units[i];

		unit->error = !parts  ? fault_set(&unit->why, ENOMEM, "out of memory") :
			      work->g ? run_fold(work, i, parts) :
					run_draw(work, i, parts);
		done = __atomic_add_fetch(work->nr_done, 1, __ATOMIC_RELAXED);
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r%u of %u parts held out\033[K", done, work->nr_units);
		if (unit->error)
			break;
	}
	free(parts);
	return 0;
}

static int run_jobs(const struct work *work, unsigned int jobs, struct fault *why)
{
	pid_t children[256], parent = getpid();
	unsigned int i, started;
	int status, ret = 0;

	fflush(stdout);
	for (started = 0; started < jobs; started++) {
		children[started] = fork();
		if (children[started] < 0) {
			ret = fault_set(why, errno, "fork: %s", strerror(errno));
			break;
		}
		if (children[started])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(EXIT_INPUT);
		_exit(run_units(work, started, jobs));
	}
	for (i = 0; i < started; i++) {
		if (ret)
			kill(children[i], SIGTERM);
		while (waitpid(children[i], &status, 0) < 0 && errno == EINTR)
			;
		if (!ret && status)
			ret = fault_set(why, EINTR, "a worker was ended by signal %d",
					WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	}
	return ret;
}

static int do_work(struct work *work, struct evaluation *sum, struct fault *why)
{
	unsigned int jobs = work->arguments->jobs, i;
	size_t rows = work->d->nr_rows * sizeof(struct answer), k;
	int ret = 0;

	work->bytes = work->nr_units * sizeof(*work->units) + rows + sizeof(*work->nr_done);
	work->units =
		mmap(NULL, work->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (work->units == MAP_FAILED) {
		work->units = NULL;
		fault_set(why, ENOMEM, "out of memory");
		return -ENOMEM;
	}
	work->answers = (struct answer *)(work->units + work->nr_units);
	work->nr_done = (unsigned int *)(work->answers + work->d->nr_rows);
	for (k = 0; k < work->d->nr_rows; k++)
		work->answers[k].class_id = CLASS_NONE;
	if (jobs > work->nr_units)
		jobs = work->nr_units;
	if (jobs > 1)
		ret = run_jobs(work, jobs, why);
	else
		run_units(work, 0, 1);
	if (isatty(STDERR_FILENO))
		fputc('\n', stderr);
	for (i = 0; !ret && i < work->nr_units; i++) {
		ret = work->units[i].error;
		if (ret)
			*why = work->units[i].why;
		else
			evaluation_merge(sum, &work->units[i].e);
	}
	return ret;
}

/* --- by groups ------------------------------------------------------------------------------- */

static void count_groups(const struct dataset *d, const struct answer *answers, struct groups *g)
{
	size_t k;

	for (k = 0; k < d->nr_rows; k++) {
		struct group *group = &g->group[g->of_run[d->rows[k].run]];

		group->correct += answers[k].class_id == d->rows[k].label;
		group->classic_correct += same_classic(answers[k].class_id, d->rows[k].label);
	}
}

static const char *group_class(const struct group *group)
{
	return group->several ? "several" : class_name(group->label);
}

static void print_groups(const struct groups *g, enum grouping by)
{
	double own, worst = 100.0, worst_classic = 100.0;
	uint32_t i;

	printf("  %-32s %-12s %14s %10s %14s\n", groupings[by], "label", "windows", "own class",
	       "classic name");
	for (i = 0; i < g->nr_groups; i++) {
		const struct group *group = &g->group[i];

		own = percent(group->correct, group->nr_rows);
		worst = fmin(worst, own);
		worst_classic =
			fmin(worst_classic, percent(group->classic_correct, group->nr_rows));
		/* Of many runs only those that went wrong are of interest. */
		if (by == BY_RUN && own >= 95.0)
			continue;
		printf("  %-32.*s %-12s %6zu windows %8.2f %% %12.2f %%%s\n", (int)group->length,
		       group->name, group_class(group), group->nr_rows, own,
		       percent(group->classic_correct, group->nr_rows),
		       own < POOR ? "  under 90 %" : "");
	}
	printf("  worst %s: own class %.2f %%, classic name %.2f %%\n", groupings[by], worst,
	       worst_classic);
}

static cJSON *groups_json(const struct groups *g)
{
	cJSON *json = cJSON_CreateArray(), *item;
	char name[256];
	uint32_t i;

	for (i = 0; i < g->nr_groups; i++) {
		const struct group *group = &g->group[i];

		snprintf(name, sizeof(name), "%.*s", (int)group->length, group->name);
		item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "name", name);
		cJSON_AddStringToObject(item, "label", group_class(group));
		cJSON_AddNumberToObject(item, "windows", (double)group->nr_rows);
		cJSON_AddNumberToObject(item, "accuracy",
					percent(group->correct, group->nr_rows) / 100.0);
		cJSON_AddNumberToObject(item, "classic_accuracy",
					percent(group->classic_correct, group->nr_rows) / 100.0);
		cJSON_AddItemToArray(json, item);
	}
	return json;
}

static int report_groups(const struct crossval_arguments *arguments, const struct groups *g,
			 const struct evaluation *sum, const struct costs *costs, struct fault *why)
{
	cJSON *json;

	if (arguments->json) {
		json = cJSON_CreateObject();
		cJSON_AddStringToObject(json, "by", groupings[arguments->by]);
		cJSON_AddNumberToObject(json, "parts", g->nr_folds);
		cJSON_AddItemToObject(json, "held_out", evaluation_json(sum));
		cJSON_AddItemToObject(json, "groups", groups_json(g));
		if (arguments->cost)
			cJSON_AddItemToObject(json, "cost", cost_json(costs));
		return print_json_object(stdout, json, why);
	}
	printf("%u groups by %s, %u parts held out in turn\n", g->nr_groups,
	       groupings[arguments->by], g->nr_folds);
	evaluation_print(stdout, "held out", sum);
	evaluation_print_calibration(stdout, sum);
	if (arguments->by == BY_RUN)
		printf("runs below 95 %%:\n");
	print_groups(g, arguments->by);
	if (arguments->cost)
		cost_print(stdout, costs);
	return 0;
}

static int cross_validate(const struct crossval_arguments *arguments, const struct dataset *d,
			  const struct metadata *m, struct fault *why)
{
	struct work work = {.arguments = arguments, .d = d};
	struct evaluation sum = {0};
	struct costs costs = {0};
	struct groups g = {0};
	int ret;

	ret = make_groups(d, m, arguments, &g, why);
	work.g = &g;
	work.nr_units = g.nr_folds;
	if (!ret)
		ret = do_work(&work, &sum, why);
	if (!ret && arguments->cost)
		ret = cost_compute(d, work.answers, m, &costs, why);
	if (!ret) {
		count_groups(d, work.answers, &g);
		ret = report_groups(arguments, &g, &sum, &costs, why);
	}
	if (work.units)
		munmap(work.units, work.bytes);
	cost_free(&costs);
	free(g.group);
	free(g.of_run);
	return ret;
}

/* --- by draws -------------------------------------------------------------------------------- */

struct spread {
	double mean, deviation, least, most; /* % */
};

static void find_spread(const struct work *work, struct spread *spread)
{
	double squares = 0.0, accuracy;
	unsigned int i;

	memset(spread, 0, sizeof(*spread));
	spread->least = 100.0;
	for (i = 0; i < work->nr_units; i++) {
		accuracy = percent(work->units[i].e.correct, work->units[i].e.nr_rows);
		spread->mean += accuracy / work->nr_units;
		spread->least = fmin(spread->least, accuracy);
		spread->most = fmax(spread->most, accuracy);
	}
	for (i = 0; i < work->nr_units; i++) {
		accuracy = percent(work->units[i].e.correct, work->units[i].e.nr_rows);
		squares += (accuracy - spread->mean) * (accuracy - spread->mean);
	}
	if (work->nr_units > 1)
		spread->deviation = sqrt(squares / (work->nr_units - 1));
}

static int report_draws(const struct work *work, const struct evaluation *sum, struct fault *why)
{
	struct spread spread;
	cJSON *json;

	find_spread(work, &spread);
	if (work->arguments->json) {
		json = cJSON_CreateObject();
		cJSON_AddStringToObject(json, "split",
					work->arguments->draw == DRAW_RUNS ? "run" : "random");
		cJSON_AddNumberToObject(json, "repeats", work->nr_units);
		cJSON_AddNumberToObject(json, "mean", spread.mean / 100.0);
		cJSON_AddNumberToObject(json, "deviation", spread.deviation / 100.0);
		cJSON_AddNumberToObject(json, "least", spread.least / 100.0);
		cJSON_AddNumberToObject(json, "most", spread.most / 100.0);
		cJSON_AddItemToObject(json, "held_out", evaluation_json(sum));
		return print_json_object(stdout, json, why);
	}
	printf("%s, %u times: mean %.2f %%, deviation %.2f, least %.2f %%, most %.2f %%\n",
	       work->arguments->draw == DRAW_RUNS ? "one run of each class held out" :
						    "20 % of the windows of each class held out",
	       work->nr_units, spread.mean, spread.deviation, spread.least, spread.most);
	evaluation_print(stdout, "held out, all times together", sum);
	return 0;
}

static int validate_by_draws(const struct crossval_arguments *arguments, const struct dataset *d,
			     struct fault *why)
{
	struct work work = {.arguments = arguments, .d = d};
	struct evaluation sum = {0};
	int ret;

	work.nr_units = arguments->repeats ? arguments->repeats : DRAW_REPEATS;
	ret = do_work(&work, &sum, why);
	if (!ret)
		ret = report_draws(&work, &sum, why);
	if (work.units)
		munmap(work.units, work.bytes);
	return ret;
}

static int validate(const struct crossval_arguments *arguments, struct dataset *d,
		    struct metadata *m, struct fault *why)
{
	bool needs_metadata = arguments->cost || arguments->by == BY_FAMILY;
	struct metadata own = {0};
	int ret;

	ret = read_recordings(d, arguments->metadata_path ? &own : m, arguments->paths,
			      arguments->nr_paths, features_needed(&arguments->training.options),
			      why);
	metadata_free(&own);
	if (!ret && arguments->metadata_path)
		ret = metadata_read(m, arguments->metadata_path, why);
	if (!ret && needs_metadata && !m->nr_runs)
		ret = fault_set(why, EINVAL,
				"families and costs stand in the metadata: name them by "
				"--metadata FILE");
	if (ret)
		return ret;
	merge_classes(d, &arguments->training);
	return arguments->draw ? validate_by_draws(arguments, d, why) :
				 cross_validate(arguments, d, m, why);
}

int command_crossval(int argc, char **argv)
{
	static const struct argp_child children[] = {{&training_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = crossval_options,
		.parser = crossval_parse,
		.args_doc = "DATA.csv|DIR...",
		.doc = "Train several times, each time without some of the runs, and say how good "
		       "the models are on those.",
		.children = children,
	};
	struct crossval_arguments arguments = {.jobs = 1};
	struct metadata m = {0};
	struct dataset d = {0};
	struct fault why;
	int ret;

	training_arguments_init(&arguments.training);
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return EXIT_USAGE;
	ret = validate(&arguments, &d, &m, &why);
	metadata_free(&m);
	dataset_free(&d);
	return ret ? failed(&why) : EXIT_OK;
}
