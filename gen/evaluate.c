// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

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
