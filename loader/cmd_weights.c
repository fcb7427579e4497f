// SPDX-License-Identifier: GPL-2.0-only
/* weights show|verify|push|shadow|promote|rollback */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"
#include "model_file.h"
#include "names.h"
#include "start.h"
#include "weights.h"
#include "../bpf/mlp.h"

struct weights_options {
	const char *file;
	bool file_required;
};

static error_t parse_file(int key, char *argument, struct argp_state *state)
{
	struct weights_options *o = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (o->file)
			usage(state, "takes one FILE, not '%s' too", argument);
		o->file = argument;
		return 0;
	case ARGP_KEY_END:
		if (o->file_required && !o->file)
			usage(state, "a FILE is missing");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static cJSON *inputs_json(const struct model *model)
{
	cJSON *inputs = cJSON_CreateArray();
	unsigned int i;

	for (i = 0; i < model->header.nr_inputs; i++) {
		const struct model_input *in = &model->header.inputs[i];
		cJSON *input = cJSON_CreateObject();

		cJSON_AddStringToObject(input, "feature", feature_name(in->feature));
		cJSON_AddStringToObject(input, "transform",
					in->transform == TRANSFORM_LOG2 ? "log2" : "linear");
		cJSON_AddNumberToObject(input, "offset", (double)in->offset);
		cJSON_AddNumberToObject(input, "pre_shift", in->pre_shift);
		cJSON_AddNumberToObject(input, "scale", in->scale);
		cJSON_AddItemToArray(inputs, input);
	}
	return inputs;
}

static cJSON *model_json(const char *role, const struct model *model)
{
	const struct model_header *h = &model->header;
	cJSON *object = cJSON_CreateObject(), *layers = cJSON_CreateArray(),
	      *classes = cJSON_CreateArray();
	char text[64];
	unsigned int i;

	cJSON_AddStringToObject(object, "role", role);
	cJSON_AddStringToObject(object, "name", h->name);
	json_add_u64(object, "generation", h->generation);
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)h->checksum);
	cJSON_AddStringToObject(object, "checksum", text);
	cJSON_AddNumberToObject(object, "file_bytes", (double)model_file_bytes(model));
	cJSON_AddStringToObject(object, "required_sources",
				source_names(h->required_sources, text, sizeof(text)));
	for (i = 0; i < h->nr_layers; i++)
		cJSON_AddItemToArray(layers, cJSON_CreateNumber(h->layer_size[i]));
	for (i = 0; i < h->nr_outputs; i++)
		cJSON_AddItemToArray(classes, cJSON_CreateString(class_name(h->class_id[i])));
	cJSON_AddItemToObject(object, "layers", layers);
	cJSON_AddItemToObject(object, "classes", classes);
	cJSON_AddItemToObject(object, "inputs", inputs_json(model));
	return object;
}

static void model_print(const char *role, const struct model *model)
{
	const struct model_header *h = &model->header;
	unsigned int i, column = 0;
	char text[64];

	printf("%-9s %s, generation %llu, checksum %016llx\n", role, h->name,
	       (unsigned long long)h->generation, (unsigned long long)h->checksum);
	printf("  %-7s %u", "shape", h->nr_inputs);
	for (i = 0; i < h->nr_layers; i++)
		printf(" -> %u", h->layer_size[i]);
	printf(", %zu bytes, needs %s\n", model_file_bytes(model),
	       source_names(h->required_sources, text, sizeof(text)));
	printf("  %-7s", "inputs");
	for (i = 0; i < h->nr_inputs; i++) {
		const char *log2 = h->inputs[i].transform == TRANSFORM_LOG2 ? "log2 " : "";
		const char *name = feature_name(h->inputs[i].feature);

		snprintf(text, sizeof(text), " %s%s%s", log2, name,
			 i + 1 < h->nr_inputs ? "," : "");
		column += (unsigned int)strlen(text);
		if (column > 88) {
			printf("\n  %-7s", "");
			column = (unsigned int)strlen(text);
		}
		fputs(text, stdout);
	}
	printf("\n  %-7s", "classes");
	for (i = 0; i < h->nr_outputs; i++)
		printf(" %s%s", class_name(h->class_id[i]), i + 1 < h->nr_outputs ? "," : "");
	putchar('\n');
}

static int show_one(cJSON *list, const char *role, const struct model *model)
{
	int fault = weights_check(model);
	cJSON *object;

	if (list && fault == MODEL_OK) {
		cJSON_AddItemToArray(list, model_json(role, model));
	} else if (list) {
		object = cJSON_CreateObject();
		cJSON_AddStringToObject(object, "role", role);
		cJSON_AddStringToObject(object, "fault", model_fault_text(fault));
		cJSON_AddItemToArray(list, object);
	} else if (fault == MODEL_OK) {
		model_print(role, model);
	} else {
		printf("%-9s unusable: %s\n", role, model_fault_text(fault));
	}
	return fault == MODEL_OK ? 0 : EXIT_BAD_WEIGHTS;
}

/* The role's model, or that there is none. */
static int show_role(cJSON *list, const char *role, int err, const struct model *model)
{
	if (!err)
		return show_one(list, role, model);
	if (err != -ENOENT)
		return fail(EXIT_FAILURE, "cannot read the %s model: %s", role, strerror(-err));
	if (!list)
		printf("%-9s none\n", role);
	return 0;
}

static int show_loaded(cJSON *list)
{
	struct model model;
	struct maps maps;
	int status;

	status = need_maps(&maps);
	if (!status)
		status =
			show_role(list, "acting", weights_get(&maps, MODEL_ACTING, &model), &model);
	if (!status)
		status =
			show_role(list, "shadow", weights_get(&maps, MODEL_SHADOW, &model), &model);
	if (!status)
		status = show_role(list, "previous", weights_get_previous(cli.pin_dir, &model),
				   &model);
	maps_close(&maps);
	return status;
}

static int weights_show(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_file,
		.args_doc = "[FILE]",
		.doc = "Show the acting, the shadow and the previous model, or a model FILE "
		       "('-': standard input).",
	};
	struct weights_options o = {0};
	struct model model;
	cJSON *list = NULL;
	int status;

	status = cli_parse(&argp, true, argc, argv, &o);
	if (status)
		return status;
	if (cli.json)
		list = cJSON_CreateArray();
	if (o.file) {
		status = start_model(o.file, &model);
		if (!status)
			status = show_one(list, "file", &model);
	} else {
		status = show_loaded(list);
	}
	if (list && (!status || cJSON_GetArraySize(list)))
		return json_print(list) ?: status;
	cJSON_Delete(list);
	return status ? status : finish_output();
}

static int parse_required_file(const struct argp *argp, int argc, char **argv, const char **file)
{
	struct weights_options o = {.file_required = true};
	int status = cli_parse(argp, false, argc, argv, &o);

	*file = o.file;
	return status;
}

static int weights_verify(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_file,
		.args_doc = "FILE",
		.doc = "Check a model FILE, and, if something is loaded here, whether the hooks it "
		       "needs are attached.",
	};
	struct fault fault;
	struct model model;
	const char *file;
	bool loaded;
	int err, status;

	status = parse_required_file(&argp, argc, argv, &file);
	if (!status)
		status = start_model(file, &model);
	if (status)
		return status;
	loaded = load_sources(cli.pin_dir) != 0;
	err = loaded ? weights_sources(cli.pin_dir, &model, &fault) : 0;
	if (err)
		return fail(status_of(err), "%s: %s", file, fault.text);
	printf("%s: sound, model '%s' of generation %llu%s\n", file, model.header.name,
	       (unsigned long long)model.header.generation,
	       loaded ? "; its sources are attached" : "");
	return finish_output();
}

/* Into the acting or the shadow slot. */
static int put_file(const char *file, enum model_slot slot)
{
	struct fault fault;
	struct model model;
	struct maps maps;
	int err, status;

	status = start_model(file, &model);
	if (status)
		return status;
	status = need_maps(&maps);
	if (status)
		goto close;
	err = weights_sources(cli.pin_dir, &model, &fault);
	if (!err)
		err = weights_latency(&maps, cli.pin_dir, &model, &fault);
	if (!err)
		err = weights_push(&maps, cli.pin_dir, slot, &model, &fault);
	if (!err) /* the model that left may have been the last to need it */
		err = weights_latency(&maps, cli.pin_dir, NULL, &fault);
	if (err) {
		status = fail(status_of(err), "%s", fault.text);
		goto close;
	}
	printf("model '%s', generation %llu, checksum %016llx %s\n", model.header.name,
	       (unsigned long long)model.header.generation,
	       (unsigned long long)model.header.checksum,
	       slot == MODEL_ACTING ? "acts" : "is evaluated as shadow");
close:
	maps_close(&maps);
	return status ? status : finish_output();
}

static int weights_push_file(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_file,
		.args_doc = "FILE",
		.doc = "Let the model in FILE act, in one atomic swap; the one that acted is kept "
		       "for rollback.",
	};
	const char *file;
	int status = parse_required_file(&argp, argc, argv, &file);

	return status ? status : put_file(file, MODEL_ACTING);
}

static int weights_shadow(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse_file,
		.args_doc = "FILE",
		.doc = "Evaluate the model in FILE beside the acting one; 'bpfahead status' shows "
		       "how often they agree.",
	};
	const char *file;
	int status = parse_required_file(&argp, argc, argv, &file);

	return status ? status : put_file(file, MODEL_SHADOW);
}

/* Promote or roll back, then say what acts now. */
static int move_model(int argc, char **argv, const struct argp *argp,
		      int (*get)(const struct maps *, struct model *),
		      int (*move)(const struct maps *, const char *, struct fault *))
{
	struct fault fault;
	struct model model;
	struct maps maps;
	int err, status;

	status = cli_parse(argp, false, argc, argv, NULL);
	if (status)
		return status;
	status = need_maps(&maps);
	if (status)
		goto close;
	/* No check when there is none: the move itself says so. */
	err = get(&maps, &model);
	if (!err)
		err = weights_check(&model) == MODEL_OK ?
			      0 :
			      cli_fault_set(&fault, -EBADMSG, "the model is unusable: %s",
					    model_fault_text(weights_check(&model)));
	if (!err)
		err = weights_latency(&maps, cli.pin_dir, &model, &fault);
	if (!err || err == -ENOENT)
		err = move(&maps, cli.pin_dir, &fault);
	if (!err)
		err = weights_latency(&maps, cli.pin_dir, NULL, &fault);
	if (err) {
		status = fail(status_of(err), "%s", fault.text);
		goto close;
	}
	printf("model '%s', generation %llu, checksum %016llx acts\n", model.header.name,
	       (unsigned long long)model.header.generation,
	       (unsigned long long)model.header.checksum);
close:
	maps_close(&maps);
	return status ? status : finish_output();
}

static int get_shadow(const struct maps *maps, struct model *model)
{
	return weights_get(maps, MODEL_SHADOW, model);
}

static int get_previous(const struct maps *maps, struct model *model)
{
	(void)maps;
	return weights_get_previous(cli.pin_dir, model);
}

static int weights_promote_shadow(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = cli_no_arguments,
		.doc = "Let the shadow model act; the one that acted is kept for rollback.",
	};

	return move_model(argc, argv, &argp, get_shadow, weights_promote);
}

static int weights_rollback_previous(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = cli_no_arguments,
		.doc = "Let the previous model act again; a second rollback undoes the first.",
	};

	return move_model(argc, argv, &argp, get_previous, weights_rollback);
}

static const struct command commands[] = {
	{"show", weights_show, "the models in place, or a model file"},
	{"verify", weights_verify, "check a model file"},
	{"push", weights_push_file, "let a model file act"},
	{"shadow", weights_shadow, "evaluate a model file beside the acting one"},
	{"promote", weights_promote_shadow, "let the shadow act"},
	{"rollback", weights_rollback_previous, "let the previous model act again"},
	{0},
};

int cmd_weights(int argc, char **argv)
{
	return command_group(commands, "Models: what acts, what is tried, what was.\v\n", "", argc,
			     argv);
}
