// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../loader/names.h"
#include "arguments.h"
#include "columns.h"
#include "commands.h"
#include "consolidated.h"
#include "split.h"

enum option_key {
	KEY_FORMAT = 0x100,
	KEY_SPLIT_OUT,
	KEY_METADATA_OUT,
	KEY_TEST,
	KEY_VALIDATION,
	KEY_HOLD_PROFILE,
};

struct arguments {
	const char *output, *split_path, *metadata_path;
	struct split_options split;
	bool consolidated, split_given;
	char **files;
	unsigned int nr_files;
};

static void check_usage(struct argp_state *state, const struct arguments *arguments)
{
	bool writes = arguments->output || arguments->split_path || arguments->metadata_path;

	if (!arguments->nr_files)
		argp_error(state, "no DATA.csv or DIR");
	if (!writes && !arguments->consolidated)
		argp_error(state, "no -o DATA.csv, --split-out or --metadata-out");
	if (arguments->split_given && !arguments->split_path)
		argp_error(state, "--seed, --test, --validation and --hold-profile are of "
				  "--split-out");
	if (arguments->split.test + arguments->split.validation >= 1.0)
		argp_error(state, "--test and --validation leave nothing to train on");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'o':
		arguments->output = arg;
		return 0;
	case KEY_FORMAT:
		arguments->consolidated = !strcmp(arg, "consolidated");
		if (!arguments->consolidated && strcmp(arg, "record") != 0)
			argp_error(state, "unknown format %s", arg);
		return 0;
	case KEY_SPLIT_OUT:
		arguments->split_path = arg;
		return 0;
	case KEY_METADATA_OUT:
		arguments->metadata_path = arg;
		return 0;
	case 's':
		arguments->split.seed = number_argument(state, arg, 0, UINT64_MAX);
		arguments->split_given = true;
		return 0;
	case KEY_TEST:
		arguments->split.test = fraction_argument(state, arg, 1.0);
		arguments->split_given = true;
		return 0;
	case KEY_VALIDATION:
		arguments->split.validation = fraction_argument(state, arg, 1.0);
		arguments->split_given = true;
		return 0;
	case KEY_HOLD_PROFILE:
		arguments->split.hold_profile = arg;
		arguments->split_given = true;
		return 0;
	case ARGP_KEY_ARGS:
		arguments->files = state->argv + state->next;
		arguments->nr_files = state->argc - state->next;
		return 0;
	case ARGP_KEY_END:
		check_usage(state, arguments);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static unsigned int print_classes(const struct dataset *d)
{
	unsigned int id, classes = 0;

	printf("%zu windows of %u runs:", d->nr_rows, d->nr_runs);
	for (id = 0; id < CLASSES_MAX; id++) {
		size_t nr = dataset_count(d, NULL, PART_TRAIN, (int)id);

		if (nr)
			printf(" %s %zu (%.1f %%)", class_name(id), nr,
			       100.0 * (double)nr / (double)d->nr_rows);
		classes += !!nr;
	}
	printf("\n");
	return classes;
}

static int print_summary(const struct dataset *d, struct fault *why)
{
	unsigned int id, classes = print_classes(d);
	struct columns c;
	int ret;

	printf("weight of a window in training:");
	for (id = 0; id < CLASSES_MAX; id++) {
		size_t nr = dataset_count(d, NULL, PART_TRAIN, (int)id);

		if (nr)
			printf(" %s %.3f", class_name(id),
			       (double)d->nr_rows / classes / (double)nr);
	}
	printf("\n");
	ret = columns_of_dataset(&c, d);
	if (!ret) {
		columns_print_flaws(stdout, &c);
		columns_print_f(stdout, &c);
	}
	columns_free(&c);
	return ret ? fault_set(why, -ret, "out of memory") : 0;
}

static int write_outputs(const struct arguments *arguments, const struct dataset *d,
			 const struct metadata *m, const uint8_t *parts, struct fault *why)
{
	int ret = 0;

	if (arguments->output)
		ret = dataset_write(d, arguments->output, why);
	if (!ret && arguments->metadata_path)
		ret = metadata_write(m, d, arguments->metadata_path, why);
	if (!ret && arguments->split_path)
		ret = split_write(d, parts, arguments->split_path, why);
	return ret;
}

static int merge(const struct arguments *arguments, struct dataset *d, struct metadata *m,
		 struct fault *why)
{
	uint8_t *parts = NULL;
	unsigned int i;
	int ret = 0;

	d->tolerant = true;
	if (!arguments->consolidated)
		ret = read_recordings(d, m, arguments->files, arguments->nr_files, 0, why);
	for (i = 0; arguments->consolidated && !ret && i < arguments->nr_files; i++)
		ret = consolidated_read(d, arguments->files[i], stdout, why);
	if (!ret && arguments->metadata_path && !m->nr_runs)
		ret = fault_set(why, EINVAL,
				"no recording directory: there are no metadata to write");
	if (!ret && arguments->split_path) {
		parts = calloc(d->nr_rows + 1, 1);
		ret = parts ? split_make(d, &arguments->split, parts, why) :
			      fault_set(why, ENOMEM, "out of memory");
	}
	/* All that can be wrong with the input has been found: nothing was written before. */
	if (!ret)
		ret = write_outputs(arguments, d, m, parts, why);
	if (!ret && arguments->consolidated)
		printf("as inputs:\n");
	if (!ret)
		ret = print_summary(d, why);
	if (!ret && parts)
		split_print(stdout, d, parts);
	free(parts);
	return ret;
}

int command_dataset(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"output", 'o', "DATA.csv[.gz]", 0, "where all windows go", 0},
		{"metadata-out", KEY_METADATA_OUT, "FILE.csv[.gz]", 0,
		 "where the metadata of the directories go: the lines of the runs that have "
		 "windows",
		 0},
		{"format", KEY_FORMAT, "record|consolidated", 0,
		 "what the files are: windows of `bpfahead record` (default), or the published "
		 "classic table of docs/training.md",
		 0},
		{"split-out", KEY_SPLIT_OUT, "SPLIT.csv", 0,
		 "write down which runs train, validate and test, for `train` and `eval --split`: "
		 "whole runs, each class and device profile giving its share",
		 1},
		{"seed", 's', "N", 0, "of the split (default 1)", 1},
		{"test", KEY_TEST, "X", 0, "share of each class's runs that test (default 0.2)", 1},
		{"validation", KEY_VALIDATION, "X", 0,
		 "share that decides when training stops (default 0.2)", 1},
		{"hold-profile", KEY_HOLD_PROFILE, "PROFILE", 0,
		 "all runs of this device profile test, and no others", 1},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "DATA.csv|DIR... -o DATA.csv[.gz]\n--format consolidated FILE...",
		.doc = "Merge recordings into one file with the column `run`, and say what the "
		       "data show about themselves: classes, columns that are constant or follow "
		       "from another, how well each column alone tells the classes apart (ANOVA "
		       "F).\v"
		       "DIR is a recording directory: each run that its metadata.csv names. A run "
		       "is a file, or what its column `run` names. Windows with too few calls, "
		       "without a label or with values that are none or out of range are left out "
		       "and counted, and so are runs without metadata or windows; an unknown label "
		       "is a fault.\n\n"
		       "Rows are neither repeated nor thrown away to balance the classes: "
		       "training weighs a window so that every class counts the same, by the "
		       "weights that are printed.",
	};
	struct arguments arguments = {.split = {.seed = 1, .test = 0.2, .validation = 0.2}};
	struct metadata m = {0};
	struct dataset d = {0};
	struct fault why;
	int ret;

	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return EXIT_USAGE;
	ret = merge(&arguments, &d, &m, &why);
	metadata_free(&m);
	dataset_free(&d);
	return ret ? failed(&why) : EXIT_OK;
}
