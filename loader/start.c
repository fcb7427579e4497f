// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"
#include "model_file.h"
#include "names.h"
#include "open_files.h"
#include "start.h"
#include "state.h"
#include "weights.h"

int start_model(const char *path, struct model *model)
{
	struct blob blob = embedded_model();
	const char *why;

	why = path ? model_read(path, model) : model_parse(blob.bytes, blob.size, model);
	if (why)
		return fail(EXIT_BAD_WEIGHTS, "%s: %s", path ? path : "built-in model", why);
	return 0;
}

/* What the readahead layer's absence means for @model: a failure if the user chose it. */
static int check_sources(const struct model *model, bool chosen, const struct loaded *loaded)
{
	struct fault fault;
	int err = weights_sources(cli.pin_dir, model, &fault);

	if (err && chosen)
		return fail(status_of(err), "%s", fault.text);
	if (!loaded->readahead_object)
		say("block layer only: %s", loaded->why_not.text);
	if (*loaded->why_no_open_files.text)
		say("open files keep the readahead they have: %s", loaded->why_no_open_files.text);
	if (err)
		say("nothing will be decided: %s; push a model of block features "
		    "('bpfahead weights push block.bin')",
		    fault.text);
	return 0;
}

/* Without it files have what their device has; everything else goes on. */
static void start_per_file(const struct maps *maps)
{
	struct config config;
	struct fault fault;

	if (maps_get_config(maps, &config))
		return;
	config_effective(&config, &config);
	if (config.per_file == SWITCH_ON && load_per_file(cli.pin_dir, true, &fault))
		say("files get no values of their own: %s", fault.text);
}

int start_loaded(const struct model *model, bool chosen, struct loaded *loaded,
		 int (*configure)(const struct maps *maps, void *arg), void *arg)
{
	bool latency = model->header.required_sources & SOURCE_LATENCY;
	struct fault fault;
	struct maps maps;
	int err, status;

	err = load_all(cli.pin_dir, latency, loaded, &fault);
	if (err)
		return fail(status_of(err), "%s", fault.text);
	status = check_sources(model, chosen, loaded);
	if (status)
		return status;
	status = need_maps(&maps);
	if (status)
		goto close;
	/* Scope and mode before the model: nothing is decided that they would not allow. */
	if (configure)
		status = configure(&maps, arg);
	if (status)
		goto close;
	err = maps_fill_defaults(&maps);
	if (err) {
		status = fail(status_of(err), "cannot write the default configuration: %s",
			      strerror(-err));
		goto close;
	}
	start_per_file(&maps);
	err = weights_push(&maps, cli.pin_dir, MODEL_ACTING, model, &fault);
	if (err)
		status = fail(status_of(err), "%s", fault.text);
close:
	maps_close(&maps);
	return status;
}

int start_restore(FILE *report, bool force)
{
	const char *why = "";
	int err, status = 0;
	struct maps maps;

	/* Without this map no helper has ever set anything through these pins. */
	if (access(pin_path(cli.pin_dir, "applied"), F_OK))
		return 0;
	err = maps_open(cli.pin_dir, &maps, &why);
	if (err && force) {
		say("original values are not restored: %s", why);
	} else if (err) {
		status = fail(
			status_of(err),
			"cannot restore the original values ('unload --force' gives them up): %s",
			why);
	} else {
		err = restore_originals(&maps, report);
		open_files_return_all(cli.pin_dir, &maps, report);
		if (err < 0)
			status = fail(EXIT_FAILURE, "cannot restore the original values: %s",
				      strerror(-err));
		else if (err && !force)
			status = fail(EXIT_FAILURE,
				      "%d original values could not be written back (see above); "
				      "'bpfahead restore' tries again, --force gives them up",
				      err);
	}
	maps_close(&maps);
	return status;
}

bool start_state_dir(void)
{
	int err = state_dir_make(cli.state_dir);

	if (err)
		say("nothing is remembered: %s: %s", cli.state_dir, strerror(-err));
	return !err;
}
