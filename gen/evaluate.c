// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/mlp.h"
#include "../loader/defaults.h"
#include "../loader/markup.h"
#include "../loader/names.h"
#include "evaluate.h"
#include "output.h"
#include "train.h"

static const double margin_steps[NR_MARGINS] = MARGIN_STEPS;

bool same_classic(unsigned int a, unsigned int b)
{
	return !strcmp(class_classic_name(a), class_classic_name(b));
}

bool ask(const struct model *model, const struct row *row, const struct network *network,
	 struct answer *answer)
{
	struct mlp_features features;
	struct mlp_scratch scratch;
	double x[MODEL_INPUTS_MAX];
	struct activations a;

	memcpy(features.value, row->features, sizeof(features.value));
	if (mlp_infer(model, &features, &scratch))
		return false;
	answer->margin = scratch.margin;
	answer->class_id = scratch.class_id;
	answer->float_class = CLASS_NONE;
	if (network) {
		row_inputs(row, model->header.inputs, network->nr_inputs, x);
		network_forward(network, x, NULL, &a);
		answer->float_class = model->header.class_id[network_answer(network, &a)];
	}
	return true;
}

void evaluation_add(struct evaluation *e, unsigned int label, const struct answer *answer)
{
	bool right = answer->class_id == label;
	bool classic = same_classic(answer->class_id, label);
	unsigned int step = 0;

	e->nr_rows++;
	e->correct += right;
	e->classic_correct += classic;
	e->confusion[label][answer->class_id & (CLASSES_MAX - 1)]++;
	if (answer->margin < DEFAULT_MARGIN) {
		e->hesitant++;
		e->hesitant_correct += right;
	}
	while (step + 1 < NR_MARGINS && answer->margin >= margin_steps[step + 1] * LOGIT_ONE)
		step++;
	e->of_margin[step]++;
	e->correct_of_margin[step] += right;
	e->classic_of_margin[step] += classic;
	if (answer->float_class != CLASS_NONE) {
		e->has_float = true;
		e->float_agreed += answer->float_class == answer->class_id;
		e->float_correct += answer->float_class == label;
	}
}

void evaluation_merge(struct evaluation *e, const struct evaluation *other)
{
	unsigned int i, k;

	e->nr_rows += other->nr_rows;
	e->correct += other->correct;
	e->classic_correct += other->classic_correct;
	for (i = 0; i < CLASSES_MAX; i++)
		for (k = 0; k < CLASSES_MAX; k++)
			e->confusion[i][k] += other->confusion[i][k];
	e->hesitant += other->hesitant;
	e->hesitant_correct += other->hesitant_correct;
	e->has_float |= other->has_float;
	e->float_agreed += other->float_agreed;
	e->float_correct += other->float_correct;
	for (i = 0; i < NR_MARGINS; i++) {
		e->of_margin[i] += other->of_margin[i];
		e->correct_of_margin[i] += other->correct_of_margin[i];
		e->classic_of_margin[i] += other->classic_of_margin[i];
	}
}

void evaluate(const struct model *model, const struct dataset *d, const uint8_t *parts,
	      enum part part, const struct network *network, struct answer *answers,
	      struct evaluation *e)
{
	struct answer answer;
	size_t i;

	for (i = 0; i < d->nr_rows; i++) {
		if (parts && parts[i] != part)
			continue;
		/* model_read() and quantise() give sound models only. */
		if (!ask(model, &d->rows[i], network, &answer))
			continue;
		evaluation_add(e, d->rows[i].label, &answer);
		if (answers)
			answers[i] = answer;
	}
}

double percent(size_t part, size_t whole)
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

/* Labels or answers other than the classic three. */
static bool has_finer_classes(const struct evaluation *e)
{
	unsigned int id;

	for (id = 0; id < CLASSES_MAX; id++)
		if ((labelled(e, id) || answered(e, id)) &&
		    strcmp(class_name(id), class_classic_name(id)) != 0)
			return true;
	return false;
}

void evaluation_print_calibration(FILE *out, const struct evaluation *e)
{
	size_t kept = 0, right = 0;
	char lines[NR_MARGINS][80];
	unsigned int i;

	for (i = NR_MARGINS; i-- > 0;) {
		kept += e->of_margin[i];
		right += e->correct_of_margin[i];
		snprintf(lines[i], sizeof(lines[i]), "%9.2f %% of windows, %6.2f %% wrong",
			 percent(kept, e->nr_rows), percent(kept - right, kept));
	}
	fprintf(out, "  %-12s %28s %44s\n", "margin", "from here to the next", "this or more");
	for (i = 0; i < NR_MARGINS; i++)
		fprintf(out, "  >= %-9.2f %9zu windows, %6.2f %% wrong     %s\n", margin_steps[i],
			e->of_margin[i],
			percent(e->of_margin[i] - e->correct_of_margin[i], e->of_margin[i]),
			lines[i]);
}

void evaluation_print(FILE *out, const char *title, const struct evaluation *e)
{
	unsigned int label, answer;

	fprintf(out, "%s: %zu windows, accuracy %.2f %%", title, e->nr_rows,
		percent(e->correct, e->nr_rows));
	if (has_finer_classes(e))
		fprintf(out, ", by classic names %.2f %%", percent(e->classic_correct, e->nr_rows));
	fputc('\n', out);
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
#define SVG_WIDTH_MIN 540

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

struct picture {
	const char *title;
	const struct evaluation *e;
};

/* What a margin is worth, below the matrix. */
static void print_svg_calibration(FILE *out, const struct evaluation *e, unsigned int top)
{
	static const unsigned int column[] = {20, 170, 270, 400, 500};
	static const char *const titles[] = {"margin", "windows", "wrong", "this or more", "wrong"};
	size_t kept = e->nr_rows, right = e->correct;
	unsigned int i;

	for (i = 0; i < 5; i++)
		fprintf(out, "<text x=\"%u\" y=\"%u\" text-anchor=\"%s\">%s</text>\n", column[i],
			top, i ? "end" : "start", titles[i]);
	for (i = 0; i < NR_MARGINS; i++) {
		unsigned int y = top + 18 * (i + 1);
		size_t wrong = e->of_margin[i] - e->correct_of_margin[i];

		fprintf(out, "<text x=\"%u\" y=\"%u\">from %.2f</text>\n", column[0], y,
			margin_steps[i]);
		fprintf(out, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%zu</text>\n", column[1],
			y, e->of_margin[i]);
		fprintf(out, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%.2f %%</text>\n",
			column[2], y, percent(wrong, e->of_margin[i]));
		fprintf(out, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%.2f %%</text>\n",
			column[3], y, percent(kept, e->nr_rows));
		fprintf(out, "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%.2f %%</text>\n",
			column[4], y, percent(kept - right, kept));
		kept -= e->of_margin[i];
		right -= e->correct_of_margin[i];
	}
}

static void print_svg(FILE *out, const void *what)
{
	const struct picture *picture = what;
	const struct evaluation *e = picture->e;
	const char *title = picture->title;
	unsigned int ids[CLASSES_MAX], nr = 0, id, row, column, side, width;

	for (id = 0; id < CLASSES_MAX; id++)
		if (labelled(e, id) || answered(e, id))
			ids[nr++] = id;
	side = nr * SVG_CELL;
	width = SVG_LEFT + side + 20;
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
		"font-family=\"sans-serif\" font-size=\"14\">\n<title>",
		width < SVG_WIDTH_MIN ? SVG_WIDTH_MIN : width,
		SVG_TOP + side + 60 + 18 * NR_MARGINS);
	print_escaped(out, title);
	fprintf(out, "</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
		     "<text x=\"20\" y=\"24\">");
	print_escaped(out, title);
	fprintf(out,
		"</text>\n<text x=\"20\" y=\"46\" font-size=\"12\">%zu windows, accuracy %.2f %%, "
		"by classic names %.2f %%; rows: label, columns: answer</text>\n",
		e->nr_rows, percent(e->correct, e->nr_rows),
		percent(e->classic_correct, e->nr_rows));
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
	print_svg_calibration(out, e, SVG_TOP + side + 36);
	fputs("</svg>\n", out);
}

int evaluation_write_svg(const char *path, const char *title, const struct evaluation *e,
			 struct fault *why)
{
	struct picture picture = {title, e};

	return output_write(path, print_svg, &picture, why);
}

static cJSON *calibration_json(const struct evaluation *e)
{
	cJSON *steps[NR_MARGINS], *json = cJSON_CreateArray();
	size_t kept = 0, right = 0;
	unsigned int i;

	for (i = NR_MARGINS; i-- > 0;) {
		kept += e->of_margin[i];
		right += e->correct_of_margin[i];
		steps[i] = cJSON_CreateObject();
		cJSON_AddNumberToObject(steps[i], "margin", margin_steps[i]);
		cJSON_AddNumberToObject(steps[i], "windows", (double)e->of_margin[i]);
		cJSON_AddNumberToObject(steps[i], "error_rate",
					percent(e->of_margin[i] - e->correct_of_margin[i],
						e->of_margin[i]) /
						100.0);
		cJSON_AddNumberToObject(steps[i], "kept", percent(kept, e->nr_rows) / 100.0);
		cJSON_AddNumberToObject(steps[i], "kept_error_rate",
					percent(kept - right, kept) / 100.0);
	}
	for (i = 0; i < NR_MARGINS; i++)
		cJSON_AddItemToArray(json, steps[i]);
	return json;
}

int print_json_object(FILE *out, cJSON *json, struct fault *why)
{
	char *text = cJSON_Print(json);

	cJSON_Delete(json);
	if (!text)
		return fault_set(why, ENOMEM, "out of memory");
	fprintf(out, "%s\n", text);
	free(text);
	return 0;
}

cJSON *evaluation_json(const struct evaluation *e)
{
	cJSON *json = cJSON_CreateObject(), *classes, *confusion;
	unsigned int label, answer;

	cJSON_AddNumberToObject(json, "windows", (double)e->nr_rows);
	cJSON_AddNumberToObject(json, "accuracy", percent(e->correct, e->nr_rows) / 100.0);
	cJSON_AddNumberToObject(json, "classic_accuracy",
				percent(e->classic_correct, e->nr_rows) / 100.0);
	cJSON_AddNumberToObject(json, "low_margin_windows", (double)e->hesitant);
	cJSON_AddNumberToObject(json, "low_margin_correct", (double)e->hesitant_correct);
	if (e->has_float) {
		cJSON_AddNumberToObject(json, "float_accuracy",
					percent(e->float_correct, e->nr_rows) / 100.0);
		cJSON_AddNumberToObject(json, "float_agreement",
					percent(e->float_agreed, e->nr_rows) / 100.0);
	}
	cJSON_AddItemToObject(json, "calibration", calibration_json(e));
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
