// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "network.h"
#include "output.h"

#define FLOAT_FILE_MAX (1U << 20)

void network_forward(const struct network *n, const double *inputs,
		     const double (*keep)[MODEL_HIDDEN_MAX], struct activations *a)
{
	unsigned int layer, out, in;

	memcpy(a->value[0], inputs, n->nr_inputs * sizeof(*inputs));
	for (layer = 0; layer < n->nr_layers; layer++) {
		unsigned int nr_in = network_inputs(n, layer);
		const double *x = a->value[layer];
		double *y = a->value[layer + 1];

		for (out = 0; out < n->size[layer]; out++) {
			const double *w = n->weight[layer][out];
			double sum = n->bias[layer][out];

			for (in = 0; in < nr_in; in++)
				sum += w[in] * x[in];
			if (layer + 1 < n->nr_layers) {
				if (sum < 0.0)
					sum = 0.0;
				if (keep)
					sum *= keep[layer][out];
			}
			y[out] = sum;
		}
	}
}

unsigned int network_answer(const struct network *n, const struct activations *a)
{
	const double *logits = a->value[n->nr_layers];
	unsigned int i, best = 0;

	for (i = 1; i < n->size[n->nr_layers - 1]; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

static void checksum_text(const struct model *model, char text[17])
{
	snprintf(text, 17, "%016" PRIx64, (uint64_t)model->header.checksum);
}

/* cJSON prints 15 digits where those nearly suffice; the very same bits take 17. */
static cJSON *numbers_to_json(const double *numbers, unsigned int nr)
{
	cJSON *array = cJSON_CreateArray();
	char text[32];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		snprintf(text, sizeof(text), "%.17g", numbers[i]);
		cJSON_AddItemToArray(array, cJSON_CreateRaw(text));
	}
	return array;
}

static cJSON *layer_to_json(const struct network *n, unsigned int layer)
{
	cJSON *json = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(json, "weight");
	unsigned int out;

	for (out = 0; out < n->size[layer]; out++)
		cJSON_AddItemToArray(rows, numbers_to_json(n->weight[layer][out],
							   network_inputs(n, layer)));
	cJSON_AddItemToObject(json, "bias", numbers_to_json(n->bias[layer], n->size[layer]));
	if (layer + 1 < n->nr_layers)
		cJSON_AddItemToObject(json, "limit", numbers_to_json(&n->limit[layer], 1));
	return json;
}

static void print_text(FILE *out, const void *text)
{
	fprintf(out, "%s\n", (const char *)text);
}

int network_write(const char *path, const struct network *n, const struct model *model,
		  struct fault *why)
{
	cJSON *json = cJSON_CreateObject(), *layers;
	char checksum[17], *text;
	unsigned int layer;
	int ret;

	checksum_text(model, checksum);
	cJSON_AddStringToObject(json, "model_checksum", checksum);
	layers = cJSON_AddArrayToObject(json, "layers");
	for (layer = 0; layer < n->nr_layers; layer++)
		cJSON_AddItemToArray(layers, layer_to_json(n, layer));
	text = cJSON_Print(json);
	cJSON_Delete(json);
	ret = text ? output_write(path, print_text, text, why) :
		     fault_set(why, ENOMEM, "%s: out of memory", path);
	free(text);
	return ret;
}

static int numbers_from_json(const cJSON *array, double *numbers, unsigned int nr)
{
	unsigned int i;

	if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) != (int)nr)
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		const cJSON *item = cJSON_GetArrayItem(array, (int)i);

		if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
			return -EINVAL;
		numbers[i] = item->valuedouble;
	}
	return 0;
}

/* What older files lack. */
static int limit_from_json(const cJSON *item, double *limit)
{
	return item ? numbers_from_json(item, limit, 1) : 0;
}

static int network_from_json(const cJSON *json, struct network *n, const struct model *model)
{
	const cJSON *layers = cJSON_GetObjectItemCaseSensitive(json, "layers");
	unsigned int layer, out;

	memset(n, 0, sizeof(*n));
	n->nr_inputs = model->header.nr_inputs;
	n->nr_layers = model->header.nr_layers;
	if (!cJSON_IsArray(layers) || cJSON_GetArraySize(layers) != (int)n->nr_layers)
		return -EINVAL;
	for (layer = 0; layer < n->nr_layers; layer++) {
		const cJSON *item = cJSON_GetArrayItem(layers, (int)layer);
		const cJSON *rows = cJSON_GetObjectItemCaseSensitive(item, "weight");
		const cJSON *bias = cJSON_GetObjectItemCaseSensitive(item, "bias");

		n->size[layer] = model->header.layer_size[layer];
		if (!cJSON_IsArray(rows) || cJSON_GetArraySize(rows) != (int)n->size[layer] ||
		    numbers_from_json(bias, n->bias[layer], n->size[layer]) ||
		    limit_from_json(cJSON_GetObjectItemCaseSensitive(item, "limit"),
				    &n->limit[layer]))
			return -EINVAL;
		for (out = 0; out < n->size[layer]; out++)
			if (numbers_from_json(cJSON_GetArrayItem(rows, (int)out),
					      n->weight[layer][out], network_inputs(n, layer)))
				return -EINVAL;
	}
	return 0;
}

int network_read(const char *path, struct network *n, const struct model *model, struct fault *why)
{
	char *text, checksum[17];
	const cJSON *item;
	cJSON *json;
	size_t size;
	int ret;

	ret = input_read(path, FLOAT_FILE_MAX, "a network", &text, &size, why);
	if (ret)
		return ret;
	json = cJSON_ParseWithLength(text, size);
	item = cJSON_GetObjectItemCaseSensitive(json, "model_checksum");
	checksum_text(model, checksum);
	if (!json)
		ret = fault_set(why, EINVAL, "%s: not JSON", path);
	else if (!cJSON_IsString(item) || strcmp(item->valuestring, checksum))
		ret = fault_set(why, EINVAL, "%s: belongs to another model (checksum)", path);
	else if (network_from_json(json, n, model))
		ret = fault_set(why, EINVAL, "%s: layers are not those of the model", path);
	cJSON_Delete(json);
	free(text);
	return ret;
}
