// SPDX-License-Identifier: GPL-2.0-only
/* capture: parses its arguments, and hands over to the script that does the work. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"

/* Each option of the script is an option here, with the same name and one value. */
static const struct argp_option options[] = {
	{"dir", 'd', "DIR", 0, "where the runs go: RUN.csv, metadata.csv, jobs/ (required)", 0},
	{"device-profile", 'p', "NAME", 0,
	 "hdd, cloud, fast (rate-limited loop devices) or zram (raw); may be repeated (default: "
	 "all)",
	 0},
	{"set", 's', "SET", 0,
	 "record: the classic protocol, 18 runs with O_DIRECT; buffered: every other workload, at "
	 "each setting (default); all: both",
	 0},
	{"seconds", 't', "N", 0, "length of a run (default 5)", 0},
	{"runs", 'r', "N", 0, "repeats of each run (default 3 of the classic protocol, else 1)", 0},
	{"settings", 'k', "KB...", 0,
	 "read_ahead_kb of the buffered runs (default \"16 32 64 128 256 1024 2560 8192\", on zram "
	 "\"16 128 1024\")",
	 0},
	{"only", 'w', "NAME,...", 0, "only these workloads", 0},
	{"size", 'm', "MB", 0,
	 "size of the large file; the others in proportion (default 1024, fast 2560)", 0},
	{"bpfahead", 'b', "FILE", 0, "the bpfahead that records (default: the one of this build)",
	 0},
	{"list", 'l', NULL, 0, "list the workloads and their labels, and exit", 0},
	{0},
};

struct arguments {
	char **argv; /* of the script, NULL-terminated */
	unsigned int argc;
	bool dir, list, bpfahead;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	const struct argp_option *option;
	static char names[sizeof(options) / sizeof(options[0])][32];

	if (key == ARGP_KEY_ARG)
		argp_error(state, "there are only options, not '%s'", arg);
	if (key == ARGP_KEY_END && !arguments->dir && !arguments->list)
		argp_error(state, "--dir is missing");
	for (option = options; option->name; option++) {
		char *name = names[option - options];

		if (option->key != key)
			continue;
		if (key == 'l' && arguments->list)
			return 0; /* any number fits into one word: the room is for one */
		snprintf(name, sizeof(names[0]), "--%s", option->name);
		arguments->argv[arguments->argc++] = name;
		if (option->arg)
			arguments->argv[arguments->argc++] = arg;
		arguments->dir |= key == 'd';
		arguments->list |= key == 'l';
		arguments->bpfahead |= key == 'b';
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

/* The first of the paths, relative to the directory of this program, that may be run. */
static int find(char *found, const char *program, const char *const *paths)
{
	const char *slash = strrchr(program, '/');
	int length = slash ? (int)(slash - program) : 0;

	for (; *paths; paths++) {
		if (snprintf(found, PATH_MAX, "%.*s/%s", length, program, *paths) >= PATH_MAX)
			continue;
		if (!access(found, X_OK))
			return 0;
	}
	return -ENOENT;
}

static int run_script(struct arguments *arguments, struct fault *why)
{
	/* A build directory in the source tree first, then what is installed. */
	static const char *const scripts[] = {"../gen/capture.sh", "../lib/bpfahead/capture.sh",
					      NULL};
	static const char *const recorders[] = {"bpfahead", "../sbin/bpfahead", NULL};
	char program[PATH_MAX], script[PATH_MAX], bpfahead[PATH_MAX];
	char *path = getenv("BPFAHEAD_CAPTURE");
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (n < 0)
		return fault_set(why, errno, "/proc/self/exe: %s", strerror(errno));
	program[n] = '\0';
	if (!path) {
		path = script;
		if (find(script, program, scripts))
			return fault_set(why, ENOENT,
					 "capture.sh is neither in ../gen nor in ../lib/bpfahead "
					 "beside %s: set BPFAHEAD_CAPTURE",
					 program);
	}
	if (setenv("BPFAHEAD_GEN", program, 1))
		return fault_set(why, errno, "%s", strerror(errno));
	if (!arguments->bpfahead && !find(bpfahead, program, recorders) &&
	    setenv("BPFAHEAD", bpfahead, 0))
		return fault_set(why, errno, "%s", strerror(errno));
	arguments->argv[0] = path;
	execv(path, arguments->argv);
	return fault_set(why, errno, "%s: %s", path, strerror(errno));
}

int command_capture(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "--dir DIR",
		.doc = "Record labelled windows: fio runs each workload on devices of several "
		       "speeds while the kernel programs record "
		       "every window.\vNeeds root, and fio. Devices, file systems and cgroups are "
		       "its own and go away at the end. Finished runs are skipped, so that an "
		       "interrupted capture goes on where it stopped. Each workload's fio job "
		       "file is left in DIR/jobs.",
	};
	struct arguments arguments = {0};
	struct fault why;
	int ret;

	arguments.argv = calloc(2 * (size_t)argc + 2, sizeof(*arguments.argv));
	if (!arguments.argv) {
		fault_set(&why, ENOMEM, "capture: %s", strerror(ENOMEM));
		return failed(&why);
	}
	arguments.argc = 1;
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments)) {
		free(arguments.argv);
		return EXIT_USAGE;
	}
	ret = run_script(&arguments, &why);
	free(arguments.argv);
	return ret ? failed(&why) : EXIT_OK;
}
