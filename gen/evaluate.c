// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../bpf/mlp.h"
#include "../loader/defaults.h"
#include "../loader/names.h"
#include "evaluate.h"
#include "train.h"

void evaluate(const struct model *model, const struct dataset *d, const uint8_t *parts,
	      enum part part, const struct network *network, uint8_t *answers, struct evaluation *e)
{
	struct mlp_features features;
	struct mlp_scratch scratch;
	double x[MODEL_INPUTS_MAX];
	struct activations a;
	size_t i;

	e->has_float |= !!network;
	for (i = 0; i < d->nr_rows; i++) {
		const struct row *row = &d->rows[i];
		bool right;

		if (parts && parts[i] != part)
			continue;
		memcpy(features.value, row->features, sizeof(features.value));
		/* model_read() and quantise() give sound models only. */
		if (mlp_infer(model, &features, &scratch))
			continue;
		right = scratch.class_id == row->label;
		e->nr_rows++;
		e->correct += right;
		e->confusion[row->label][scratch.class_id & (CLASSES_MAX - 1)]++;
		if (scratch.margin < DEFAULT_MARGIN) {
			e->hesitant++;
			e->hesitant_correct += right;
		}
		if (answers)
			answers[i] = right;
		if (network) {
			unsigned int class_id;

			row_inputs(row, model->header.inputs, network->nr_inputs, x);
			network_forward(network, x, NULL, &a);
			class_id = model->header.class_id[network_answer(network, &a)];
			e->float_agreed += class_id == scratch.class_id;
			e->float_correct += class_id == row->label;
		}
	}
}

static double percent(size_t part, size_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

static size_t labelled(const struct evaluation *e, unsigned int id)
{
	size_t nr = 0;
	unsigned int i;

	for (i = 0; i < CLASSES_MAX; i++)
		nr += e->confusion[id][i];
	return nr;
}

static size_t answered(const struct evaluation *e, unsigned int id)
{
	size_t nr = 0;
	unsigned int i;

	for (i = 0; i < CLASSES_MAX; i++)
		nr += e->confusion[i][id];
	return nr;
}

void evaluation_print(FILE *out, const char *title, const struct evaluation *e)
{
	unsigned int label, answer;

	fprintf(out, "%s: %zu windows, accuracy %.2f %%\n", title, e->nr_rows,
		percent(e->correct, e->nr_rows));
	if (!e->nr_rows)
		return;
	fprintf(out, "  %-12s", "label \\ answer");
	for (answer = 0; answer < CLASSES_MAX; answer++)
		if (labelled(e, answer) || answered(e, answer))
			fprintf(out, " %11s", class_name(answer));
	fprintf(out, " %9s %9s\n", "recall", "precision");
	for (label = 0; label < CLASSES_MAX; label++) {
		if (!labelled(e, label) && !answered(e, label))
			continue;
		fprintf(out, "  %-14s", class_name(label));
		for (answer = 0; answer < CLASSES_MAX; answer++)
			if (labelled(e, answer) || answered(e, answer))
				fprintf(out, " %11zu", e->confusion[label][answer]);
		fprintf(out, " %8.2f%% %8.2f%%\n",
			percent(e->confusion[label][label], labelled(e, label)),
			percent(e->confusion[label][label], answered(e, label)));
	}
	fprintf(out, "  margin below %.2f (decides nothing): %zu windows, %.2f %% of them right; ",
		(double)DEFAULT_MARGIN / LOGIT_ONE, e->hesitant,
		percent(e->hesitant_correct, e->hesitant));
	fprintf(out, "the others: %.2f %% right\n",
		percent(e->correct - e->hesitant_correct, e->nr_rows - e->hesitant));
	if (e->has_float)
		fprintf(out, "  float: accuracy %.2f %%, same class as int8 %.2f %%\n",
			percent(e->float_correct, e->nr_rows),
			percent(e->float_agreed, e->nr_rows));
}

#define SVG_CELL 96
#define SVG_LEFT 130
#define SVG_TOP 80

static void print_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("<>&\"'", *text) || (unsigned char)*text < ' ')
			fprintf(out, "&#%d;", (unsigned char)*text < ' ' ? ' ' : *text);
		else
			fputc(*text, out);
	}
}

static void print_cell(FILE *out, unsigned int x, unsigned int y, double share, size_t nr)
{
	/* From white to a blue on which white text can be read. */
	fprintf(out,
		"<rect x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" fill=\"rgb(%d,%d,%d)\" "
		"stroke=\"#ccc\"/>\n",
		x, y, SVG_CELL, SVG_CELL, 255 - (int)(2.23 * share), 255 - (int)(1.74 * share),
		255 - (int)(0.91 * share));
	fprintf(out,
		"<text x=\"%u\" y=\"%u\" text-anchor=\"middle\" fill=\"%s\">"
		"<tspan>%zu</tspan><tspan x=\"%u\" dy=\"18\" font-size=\"12\">%.1f %%</tspan>"
		"</text>\n",
		x + SVG_CELL / 2, y + SVG_CELL / 2, share > 50.0 ? "white" : "black", nr,
		x + SVG_CELL / 2, share);
}

static void print_svg(FILE *out, const char *title, const struct evaluation *e)
{
	unsigned int ids[CLASSES_MAX], nr = 0, id, row, column, side;

	for (id = 0; id < CLASSES_MAX; id++)
		if (labelled(e, id) || answered(e, id))
			ids[nr++] = id;
	side = nr * SVG_CELL;
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
		"font-family=\"sans-serif\" font-size=\"14\">\n<title>",
		SVG_LEFT + side + 20, SVG_TOP + side + 20);
	print_escaped(out, title);
	fprintf(out, "</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
		     "<text x=\"20\" y=\"24\">");
	print_escaped(out, title);
	fprintf(out,
		"</text>\n<text x=\"20\" y=\"46\" font-size=\"12\">%zu windows, accuracy %.2f %%; "
		"rows: label, columns: answer</text>\n",
		e->nr_rows, percent(e->correct, e->nr_rows));
	for (row = 0; row < nr; row++) {
		fprintf(out,
			"<text x=\"%d\" y=\"%u\" text-anchor=\"end\">%s</text>\n"
			"<text x=\"%u\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
			SVG_LEFT - 10, SVG_TOP + row * SVG_CELL + SVG_CELL / 2 + 5,
			class_name(ids[row]), SVG_LEFT + row * SVG_CELL + SVG_CELL / 2,
			SVG_TOP - 10, class_name(ids[row]));
		for (column = 0; column < nr; column++) {
			size_t count = e->confusion[ids[row]][ids[column]];

			print_cell(out, SVG_LEFT + column * SVG_CELL, SVG_TOP + row * SVG_CELL,
				   percent(count, labelled(e, ids[row])), count);
		}
	}
	fputs("</svg>\n", out);
}

int evaluation_write_svg(const char *path, const char *title, const struct evaluation *e,
			 struct fault *why)
{
	char *temporary;
	int ret = 0;
	FILE *out;

	if (asprintf(&temporary, "%s.%ld", path, (long)getpid()) < 0)
		return fault_set(why, ENOMEM, "%s: out of memory", path);
	out = fopen(temporary, "wxe");
	if (!out) {
		ret = -errno;
		goto done;
	}
	print_svg(out, title, e);
	errno = EIO;
	if (fflush(out) || ferror(out))
		ret = -errno;
	if (fclose(out) && !ret)
		ret = -errno;
	if (!ret && rename(temporary, path))
		ret = -errno;
	if (ret)
		unlink(temporary);
done:
	free(temporary);
	return ret ? fault_set(why, -ret, "%s: %s", path, strerror(-ret)) : 0;
}

cJSON *evaluation_json(const struct evaluation *e)
{
	cJSON *json = cJSON_CreateObject(), *classes, *confusion;
	unsigned int label, answer;

	cJSON_AddNumberToObject(json, "windows", (double)e->nr_rows);
	cJSON_AddNumberToObject(json, "accuracy", percent(e->correct, e->nr_rows) / 100.0);
	cJSON_AddNumberToObject(json, "low_margin_windows", (double)e->hesitant);
	cJSON_AddNumberToObject(json, "low_margin_correct", (double)e->hesitant_correct);
	if (e->has_float) {
		cJSON_AddNumberToObject(json, "float_accuracy",
					percent(e->float_correct, e->nr_rows) / 100.0);
		cJSON_AddNumberToObject(json, "float_agreement",
					percent(e->float_agreed, e->nr_rows) / 100.0);
	}
	classes = cJSON_AddObjectToObject(json, "classes");
	confusion = cJSON_AddObjectToObject(json, "confusion");
	for (label = 0; label < CLASSES_MAX; label++) {
		cJSON *class, *row;

		if (!labelled(e, label) && !answered(e, label))
			continue;
		class = cJSON_AddObjectToObject(classes, class_name(label));
		cJSON_AddNumberToObject(class, "windows", (double)labelled(e, label));
		cJSON_AddNumberToObject(class, "recall",
					percent(e->confusion[label][label], labelled(e, label)) /
						100.0);
		cJSON_AddNumberToObject(class, "precision",
					percent(e->confusion[label][label], answered(e, label)) /
						100.0);
		row = cJSON_AddObjectToObject(confusion, class_name(label));
		for (answer = 0; answer < CLASSES_MAX; answer++)
			if (e->confusion[label][answer])
				cJSON_AddNumberToObject(row, class_name(answer),
							(double)e->confusion[label][answer]);
	}
	return json;
}
