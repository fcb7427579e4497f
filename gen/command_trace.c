// SPDX-License-Identifier: GPL-2.0-only
/* trace. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../loader/model_file.h"
#include "../loader/names.h"
#include "commands.h"
#include "output.h"
#include "trace.h"

/* What a block trace can tell; the other features would only read 0. */
#define TRACE_FEATURES                                                                       \
	(1U << FEATURE_AVG_DISTANCE_BYTES | 1U << FEATURE_JUMP_RATIO |                       \
	 1U << FEATURE_AVG_IO_BYTES | 1U << FEATURE_SEQ_RATIO | 1U << FEATURE_IOPS |         \
	 1U << FEATURE_STREAM_RATIO | 1U << FEATURE_RUN_BYTES | 1U << FEATURE_RAHEAD_RATIO | \
	 1U << FEATURE_READ_RATIO | 1U << FEATURE_BYTES_PER_S)

enum option_key {
	KEY_FORMAT = 0x100,
	KEY_MODEL,
	KEY_LABEL,
};

struct arguments {
	const char *path, *output, *model_path, *label;
	int format; /* enum trace_format; -1: not given */
};

struct sink {
	const char *label;
	FILE *csv;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;
	int i;

	switch (key) {
	case KEY_FORMAT:
		for (i = 0; i < NR_TRACE_FORMATS; i++)
			if (!strcmp(arg, trace_formats[i]))
				arguments->format = i;
		if (arguments->format < 0)
			argp_error(state, "unknown format %s", arg);
		return 0;
	case KEY_MODEL:
		arguments->model_path = arg;
		return 0;
	case KEY_LABEL:
		if (class_from_name(arg) < 0)
			argp_error(state, "unknown label %s", arg);
		arguments->label = arg;
		return 0;
	case 'o':
		arguments->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (arguments->path)
			argp_error(state, "more than one FILE");
		arguments->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (!arguments->path)
			argp_error(state, "no FILE");
		if (arguments->format < 0)
			argp_error(state, "no --format");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void write_head(FILE *csv)
{
	unsigned int id;

	fputs("label,device,part,time_ns,span_ns,calls,ra_kb,class,margin", csv);
	for (id = 0; id < FEATURES_MAX; id++)
		if (TRACE_FEATURES >> id & 1)
			fprintf(csv, ",%s", feature_name(id));
	fputc('\n', csv);
}

static void write_part(const struct sink *out, const char *part, const struct replay_window *w,
		       const struct replay_part *p)
{
	unsigned int id;

	fprintf(out->csv, "%s,%s,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",0,%s,%d", out->label,
		w->device, part, w->time_ns, p->span_ns, p->calls, class_name(p->class_id),
		p->margin);
	for (id = 0; id < FEATURES_MAX; id++)
		if (TRACE_FEATURES >> id & 1)
			fprintf(out->csv, ",%" PRIu64, (uint64_t)p->features.value[id]);
	fputc('\n', out->csv);
}

static int emit(const struct replay_window *w, void *context)
{
	const struct sink *out = context;

	errno = EIO;
	write_part(out, "window", w, &w->window);
	write_part(out, "hop", w, &w->hop);
	return ferror(out->csv) ? -errno : 0;
}

static int replay_trace(struct trace *t, struct replay *r, struct fault *why)
{
	struct request q;
	struct fault reason;
	int ret;

	while ((ret = trace_next(t, &q, why)) > 0) {
		ret = replay_request(r, &q, &reason);
		if (ret)
			return fault_set(why, -ret, "%s:%lu: %s", t->csv.path, t->csv.line,
					 reason.text);
	}
	if (ret)
		return ret;
	if (!r->reads && !r->writes)
		return fault_set(why, EINVAL, "%s: no read or write%s", t->csv.path,
				 t->format == TRACE_BLKPARSE ? " was queued (action Q)" : "");
	return 0;
}

static void print_summary(FILE *out, const struct trace *t, const struct replay *r)
{
	unsigned int i, id;

	fprintf(out, "%" PRIu64 " reads and %" PRIu64 " writes of %u devices", r->reads, r->writes,
		r->nr_devices);
	if (t->others)
		fprintf(out, ", %" PRIu64 " other requests left out", t->others);
	if (r->late)
		fprintf(out, ", %" PRIu64 " requests out of order", r->late);
	fputc('\n', out);
	for (i = 0; i < r->nr_devices; i++) {
		const struct replay_device *d = r->devices[i];

		fprintf(out, "%s: %" PRIu64 " windows", d->name, d->windows);
		for (id = 0; r->model && id < CLASSES_MAX; id++)
			if (d->class_windows[id])
				fprintf(out, ", %s %" PRIu64, class_name(id), d->class_windows[id]);
		if (r->model && d->abstained)
			fprintf(out, ", too few reads %" PRIu64, d->abstained);
		fputc('\n', out);
	}
}

static int read_block_model(const char *path, struct model *model, struct fault *why)
{
	const char *reason = model_read(path, model);
	char sources[64];

	if (reason)
		return fault_set(why, EINVAL, "%s: %s", path, reason);
	if (model->header.required_sources != SOURCE_BLOCK)
		return fault_set(why, EINVAL, "%s: needs %s: a block trace has only block", path,
				 source_names(model->header.required_sources, sources,
					      sizeof(sources)));
	return 0;
}

static int run(const struct arguments *arguments, struct trace *t, struct replay *r, FILE *csv,
	       struct fault *why)
{
	struct sink sink = {.label = arguments->label, .csv = csv};
	int ret;

	r->emit = emit;
	r->context = &sink;
	write_head(csv);
	ret = replay_trace(t, r, why);
	r->emit = NULL;
	r->context = NULL;
	if (ret && ferror(csv))
		fault_set(why, -ret, "%s: %s",
			  arguments->output ? arguments->output : "standard output",
			  strerror(-ret));
	return ret;
}

static int trace_windows(const struct arguments *arguments, struct replay *r, struct fault *why)
{
	struct output output;
	struct trace t;
	int ret;

	ret = trace_open(&t, arguments->path, arguments->format, why);
	if (ret)
		return ret;
	if (arguments->output) {
		ret = output_open(&output, arguments->output, why);
		if (!ret)
			ret = output_close(&output, run(arguments, &t, r, output.file, why), why);
	} else {
		ret = run(arguments, &t, r, stdout, why); /* main() looks after it */
	}
	if (!ret)
		print_summary(arguments->output ? stdout : stderr, &t, r);
	trace_close(&t);
	return ret;
}

int command_trace(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"format", KEY_FORMAT, "blkparse|csv|msr", 0, "what FILE is (required)", 0},
		{"model", KEY_MODEL, "MODEL.bin", 0,
		 "classify the windows; it may need block features only", 0},
		{"output", 'o', "FILE.csv", 0, "where windows go (default: standard output)", 0},
		{"label", KEY_LABEL, "NAME", 0,
		 "class of all windows, for training (default: none, which cannot be trained on)",
		 0},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "--format FORMAT FILE",
		.doc = "Cut a stored block trace into windows and compute their block features as "
		       "the kernel programs do.\v"
		       "FILE may be gzipped; - reads standard input. Formats: the text that "
		       "blkparse prints; CSV with time (s), device, offset, size (bytes) and "
		       "operation, in this order or as its first line says; and the traces of "
		       "Microsoft Research Cambridge. The output is a CSV file like that of "
		       "`bpfahead record`.",
	};
	struct arguments arguments = {.label = "none", .format = -1};
	struct replay r = {0};
	struct model model;
	struct fault why;
	int ret = 0;

	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments))
		return EXIT_USAGE;
	if (arguments.model_path) {
		ret = read_block_model(arguments.model_path, &model, &why);
		r.model = &model;
	}
	if (!ret)
		ret = trace_windows(&arguments, &r, &why);
	replay_free(&r);
	return ret ? failed(&why) : EXIT_OK;
}
