// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
/* bpfahead-gen: from labelled windows to the weights that the kernel programs use. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "recording.h"

#ifndef BPFAHEAD_VERSION
#define BPFAHEAD_VERSION "0.1.0"
#endif

const char *argp_program_version = "bpfahead-gen " BPFAHEAD_VERSION;

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;
} commands[] = {
	{"train", command_train, "fit a model to recorded windows"},
	{"crossval", command_crossval, "accuracy on runs that training did not see"},
	{"eval", command_eval, "accuracy of a model on recorded windows"},
	{"capture", command_capture, "record labelled windows of every workload"},
	{"dataset", command_dataset, "merge recordings into one file"},
	{"trace", command_trace, "windows out of a stored block trace"},
	{"import", command_import, "make a model out of an ONNX file"},
	{"export", command_export, "write a model as ONNX"},
	{"info", command_info, "show a model file"},
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

struct main_arguments {
	const struct command *command;
	int index; /* of its name in argv */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct main_arguments *arguments = state->input;
	size_t i;

	switch (key) {
	case ARGP_KEY_ARG:
		for (i = 0; i < NR_COMMANDS; i++)
			if (!strcmp(arg, commands[i].name))
				arguments->command = &commands[i];
		if (!arguments->command)
			argp_error(state, "unknown command %s", arg);
		arguments->index = state->next - 1;
		state->next = state->argc; /* the rest is the command's */
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which command?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static char *help_filter(int key, const char *text, void *input)
{
	char *list;
	size_t size, i;
	FILE *out;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	out = open_memstream(&list, &size);
	if (!out)
		return (char *)text;
	fputs("Commands:\n", out);
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].text);
	fprintf(out, "\nbpfahead-gen COMMAND --help tells more.\n");
	fprintf(out, "Exit status: 0 done, %d input or output at fault, %d usage.", EXIT_INPUT,
		EXIT_USAGE);
	fclose(out);
	return list;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "COMMAND [ARGUMENT...]",
		.doc = "Make, measure and show the models of bpfahead.\v",
		.help_filter = help_filter,
	};
	struct main_arguments arguments = {0};
	char *name;
	int ret, i;

	argp_err_exit_status = EXIT_USAGE;
	for (i = 1; i < argc; i++) {
		if (!*argv[i]) { /* as out of a variable that was not set */
			fprintf(stderr, "bpfahead-gen: argument %d is empty\n", i);
			return EXIT_USAGE;
		}
	}
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments))
		return EXIT_USAGE;
	if (asprintf(&name, "bpfahead-gen %s", arguments.command->name) < 0)
		return EXIT_INPUT;
	argv[arguments.index] = name;
	ret = arguments.command->run(argc - arguments.index, argv + arguments.index);
	if ((fflush(stdout) || ferror(stdout)) && !ret) { /* else it has been said */
		perror("bpfahead-gen: standard output");
		ret = EXIT_INPUT;
	}
	free(name);
	return ret;
}

int failed(const struct fault *why)
{
	fprintf(stderr, "bpfahead-gen: %s\n", why->text);
	return EXIT_INPUT;
}

int read_recordings(struct dataset *d, struct metadata *m, char **paths, unsigned int nr,
		    uint32_t needed, struct fault *why)
{
	struct recording_drops drops = {0};
	struct stat st;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < nr; i++) {
		if (!stat(paths[i], &st) && S_ISDIR(st.st_mode))
			ret = recording_read(d, m, paths[i], needed, &drops, why);
		else
			ret = dataset_read(d, paths[i], needed, why);
		if (ret == -ENODATA && d->tolerant) {
			recording_drop_empty(&drops, paths[i]);
			ret = 0;
		}
	}
	if (ret)
		return ret;
	recording_print_drops(stderr, &drops);
	dataset_print_dropped(stderr, d);
	if (!d->nr_rows)
		return fault_set(why, EINVAL, "no window has %d readahead calls or more",
				 DATASET_MIN_CALLS);
	ret = dataset_drop_empty_runs(d);
	return ret ? fault_set(why, -ret, "out of memory") : 0;
}

int read_files(struct dataset *d, char **paths, unsigned int nr, uint32_t needed, struct fault *why)
{
	struct metadata m = {0};
	int ret = read_recordings(d, &m, paths, nr, needed, why);

	metadata_free(&m);
	return ret;
}
