// SPDX-License-Identifier: GPL-2.0-only
/* load, unload, attach, restore */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply.h"
#include "load.h"
#include "model_file.h"
#include "names.h"
#include "start.h"

struct load_options {
	const char *weights;
	bool force;
};

static error_t parse_load(int key, char *argument, struct argp_state *state)
{
	struct load_options *o = state->input;

	switch (key) {
	case 'w':
		o->weights = argument;
		return 0;
	}
	return cli_no_arguments(key, argument, state);
}

int cmd_load(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"weights", 'w', "FILE", 0, "Act by this model instead of the built-in one", 1},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse_load,
		.doc = "Load and pin maps, programs and links, put the model and the default "
		       "configuration in place, and leave it all running with no process.  "
		       "bpfaheadd applies what it decides.",
	};
	struct load_options o = {0};
	struct loaded loaded = {0};
	struct fault fault;
	struct model model;
	bool created;
	int err, lock, status;

	status = cli_parse(&argp, false, argc, argv, &o);
	if (status)
		return status;
	err = load_check(cli.pin_dir, &fault);
	if (err)
		return fail(status_of(err), "%s", fault.text);
	status = start_model(o.weights, &model);
	if (status)
		return status;
	lock = load_claim(cli.pin_dir, &created, &fault);
	if (lock < 0)
		return fail(status_of(lock), "%s", fault.text);
	start_state_dir();
	if (!load_is_empty(cli.pin_dir)) {
		status = fail(EXIT_BUSY, "already loaded at %s: 'bpfahead unload' first",
			      cli.pin_dir);
		goto unlock;
	}
	status = start_loaded(&model, o.weights != NULL, &loaded, NULL, NULL);
	if (status)
		load_remove(cli.pin_dir, !created, &fault);
unlock:
	close(lock);
	return status;
}

static error_t parse_unload(int key, char *argument, struct argp_state *state)
{
	struct load_options *o = state->input;

	switch (key) {
	case 'f':
		o->force = true;
		return 0;
	}
	return cli_no_arguments(key, argument, state);
}

int cmd_unload(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"force", 'f', NULL, 0,
		 "Remove the pins even where original values cannot be restored", 1},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse_unload,
		.doc = "Write the original values back, then remove links, programs and maps.",
	};
	struct load_options o = {0};
	struct fault fault;
	int err, lock, status;
	bool created;

	status = cli_parse(&argp, false, argc, argv, &o);
	if (!status)
		status = need_root();
	if (status)
		return status;
	if (access(cli.pin_dir, F_OK))
		return fail(EXIT_NOT_LOADED, "nothing is loaded at %s", cli.pin_dir);
	lock = load_claim(cli.pin_dir, &created, &fault);
	if (lock < 0)
		return fail(status_of(lock), "%s", fault.text);
	status = start_restore(stdout, o.force);
	if (!status) {
		err = load_remove(cli.pin_dir, false, &fault);
		if (err)
			status = fail(status_of(err), "%s", fault.text);
	}
	close(lock);
	return status ? status : finish_output();
}

int cmd_attach(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = cli_no_arguments,
		.doc = "Attach the programs that 'bpftool prog loadall' pinned below "
		       "PIN_DIR/progs and pin their links below PIN_DIR/links.  "
		       "'bpfahead probe' prints the bpftool commands.",
	};
	unsigned int attached = 0;
	struct fault fault;
	struct maps maps;
	char names[64];
	int err, status;

	status = cli_parse(&argp, false, argc, argv, NULL);
	if (status)
		return status;
	err = load_check(cli.pin_dir, &fault);
	if (err)
		return fail(status_of(err), "%s", fault.text);
	if (load_is_empty(pin_path(cli.pin_dir, "progs")))
		return fail(EXIT_NOT_LOADED,
			    "no programs are pinned below %s/progs: 'bpfahead probe' prints the "
			    "bpftool commands",
			    cli.pin_dir);
	status = need_maps(&maps);
	if (status)
		goto close;
	/* Maps straight from bpftool are all zeros: no policy, no decision. */
	err = maps_fill_defaults(&maps);
	if (err) {
		status = fail(EXIT_FAILURE, "cannot write the default configuration: %s",
			      strerror(-err));
		goto close;
	}
	err = load_attach(cli.pin_dir, &attached, &fault);
	if (err) {
		status = fail(status_of(err), "%s", fault.text);
		goto close;
	}
	printf("%u programs attached; sources: %s\n", attached,
	       source_names(load_sources(cli.pin_dir), names, sizeof(names)));
close:
	maps_close(&maps);
	return status ? status : finish_output();
}

/* A line per bdi, or one that says that there was nothing to do. */
static int restore_and_report(void)
{
	char *report = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&report, &size);
	int status;

	if (!stream)
		return fail(EXIT_FAILURE, "out of memory");
	status = start_restore(stream, false);
	fclose(stream);
	fputs(report, stdout);
	if (!status && !size)
		puts("no value of ours is in place: nothing to restore");
	free(report);
	return status ? status : finish_output();
}

int cmd_restore(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = cli_no_arguments,
		.doc = "Write the original values back after a helper died.  What is loaded stays "
		       "loaded.  While a helper runs, 'bpfahead config mode=emergency' does it.",
	};
	struct fault fault;
	int lock, status;
	bool created;

	status = cli_parse(&argp, false, argc, argv, NULL);
	if (!status)
		status = need_root();
	if (status)
		return status;
	if (access(cli.pin_dir, F_OK))
		return fail(EXIT_NOT_LOADED, "nothing is loaded at %s: nothing to restore",
			    cli.pin_dir);
	lock = load_claim(cli.pin_dir, &created, &fault);
	if (lock == -EBUSY)
		return fail(EXIT_BUSY,
			    "a helper is alive and would set its values again: "
			    "'bpfahead config mode=emergency' restores and stands still");
	if (lock < 0)
		return fail(status_of(lock), "%s", fault.text);
	status = restore_and_report();
	close(lock);
	return status;
}
