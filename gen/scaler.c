// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../loader/names.h"
#include "input.h"
#include "output.h"
#include "scaler.h"
#include "train.h"

#define SCALER_FILE_MAX (1U << 16)
#define MEAN_MAX 4611686018427387904.0 /* 2^62: no feature comes near */

const char *const transform_names[NR_TRANSFORMS] = {"linear", "log2"};

/* Logarithms are Q16 in the kernel. */
static double unit_of(enum transform transform)
{
	return transform == TRANSFORM_LOG2 ? 65536.0 : 1.0;
}

static int add_feature(struct scaler *s, const char *name, const char *where, struct fault *why)
{
	int id = feature_from_name(name);
	unsigned int i;

	if (id < 0)
		return fault_set(why, EINVAL, "%s: unknown feature \"%.40s\"", where, name);
	for (i = 0; i < s->nr_features; i++)
		if (s->feature[i] == (unsigned int)id)
			return fault_set(why, EINVAL, "%s: feature %s is named twice", where, name);
	if (s->nr_features == MODEL_INPUTS_MAX)
		return fault_set(why, EINVAL, "%s: more than %d features", where, MODEL_INPUTS_MAX);
	s->feature[s->nr_features++] = (unsigned int)id;
	return 0;
}

static int add_class(struct scaler *s, const char *name, const char *where, struct fault *why)
{
	int id = class_from_name(name);
	unsigned int i;

	if (id < 0)
		return fault_set(why, EINVAL, "%s: unknown class \"%.40s\"", where, name);
	for (i = 0; i < s->nr_classes; i++)
		if (s->class_id[i] == id)
			return fault_set(why, EINVAL, "%s: class %s is named twice", where, name);
	if (s->nr_classes == MODEL_OUTPUTS_MAX)
		return fault_set(why, EINVAL, "%s: more than %d classes", where, MODEL_OUTPUTS_MAX);
	s->class_id[s->nr_classes++] = (uint8_t)id;
	return 0;
}

typedef int add_name(struct scaler *s, const char *name, const char *where, struct fault *why);

static int add_names(struct scaler *s, char *names, add_name *add, const char *where,
		     struct fault *why)
{
	char *rest = names, *item;
	int ret = 0;

	while (!ret && (item = strsep(&rest, ",")))
		ret = add(s, item, where, why);
	return ret;
}

int scaler_set_features(struct scaler *s, char *names, const char *where, struct fault *why)
{
	s->nr_features = 0;
	return add_names(s, names, add_feature, where, why);
}

int scaler_set_classes(struct scaler *s, char *names, const char *where, struct fault *why)
{
	s->nr_classes = 0;
	return add_names(s, names, add_class, where, why);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static int names_from_json(struct scaler *s, const cJSON *json, const char *member, add_name *add,
			   const char *where, struct fault *why)
{
	const cJSON *array = cJSON_GetObjectItemCaseSensitive(json, member), *item;
	int ret;

	if (!array)
		return 0;
	if (!cJSON_IsArray(array) || !cJSON_GetArraySize(array))
		return fault_set(why, EINVAL, "%s: %s is not a list of names", where, member);
	cJSON_ArrayForEach(item, array)
	{
		if (!cJSON_IsString(item))
			return fault_set(why, EINVAL, "%s: %s is not a list of names", where,
					 member);
		ret = add(s, item->valuestring, where, why);
		if (ret)
			return ret;
	}
	return 0;
}

static int numbers_from_json(const cJSON *json, const char *member, double *numbers,
			     const char *where, struct fault *why)
{
	const cJSON *array = cJSON_GetObjectItemCaseSensitive(json, member);
	int size = cJSON_IsArray(array) ? cJSON_GetArraySize(array) : 0, i;

	if (size < 1 || size > MODEL_INPUTS_MAX)
		return fault_set(why, EINVAL, "%s: %s is not a list of 1 to %d numbers", where,
				 member, MODEL_INPUTS_MAX);
	for (i = 0; i < size; i++) {
		const cJSON *item = cJSON_GetArrayItem(array, i);

		if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
			return fault_set(why, EINVAL, "%s: %s[%d] is not a number", where, member,
					 i);
		numbers[i] = item->valuedouble;
	}
	return size;
}

static int transforms_from_json(struct scaler *s, const cJSON *json, const char *where,
				struct fault *why)
{
	const cJSON *array = cJSON_GetObjectItemCaseSensitive(json, "transform");
	unsigned int i, k;

	if (!array)
		return 0; /* linear */
	if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) != (int)s->nr_values)
		return fault_set(why, EINVAL, "%s: transform is not a list of %u names", where,
				 s->nr_values);
	for (i = 0; i < s->nr_values; i++) {
		const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(array, (int)i));

		for (k = 0; name && k < NR_TRANSFORMS; k++)
			if (!strcmp(name, transform_names[k]))
				break;
		if (!name || k == NR_TRANSFORMS)
			return fault_set(why, EINVAL, "%s: transform[%u] is not linear or log2",
					 where, i);
		s->transform[i] = k;
	}
	return 0;
}

static int values_from_json(struct scaler *s, const cJSON *json, const char *where,
			    struct fault *why)
{
	int nr_mean, nr_scale, i;

	if (!cJSON_GetObjectItemCaseSensitive(json, "mean") &&
	    !cJSON_GetObjectItemCaseSensitive(json, "scale"))
		return 0;
	nr_mean = numbers_from_json(json, "mean", s->mean, where, why);
	if (nr_mean < 0)
		return nr_mean;
	nr_scale = numbers_from_json(json, "scale", s->scale, where, why);
	if (nr_scale < 0)
		return nr_scale;
	if (nr_mean != nr_scale)
		return fault_set(why, EINVAL, "%s: mean has %d numbers, scale has %d", where,
				 nr_mean, nr_scale);
	if (s->nr_features && (int)s->nr_features != nr_mean)
		return fault_set(why, EINVAL, "%s: %u features, but mean and scale have %d numbers",
				 where, s->nr_features, nr_mean);
	for (i = 0; i < nr_scale; i++)
		if (!(s->scale[i] > 0.0))
			return fault_set(why, EINVAL, "%s: scale[%d] is %g, which is not above 0",
					 where, i, s->scale[i]);
	s->nr_values = (unsigned int)nr_mean;
	return transforms_from_json(s, json, where, why);
}

int scaler_parse(const char *text, size_t size, const char *where, struct scaler *s,
		 struct fault *why)
{
	cJSON *json = cJSON_ParseWithLength(text, size);
	int ret;

	memset(s, 0, sizeof(*s));
	if (!cJSON_IsObject(json)) {
		ret = fault_set(why, EINVAL, "%s: not a JSON object", where);
		goto out;
	}
	ret = names_from_json(s, json, "features", add_feature, where, why);
	if (!ret)
		ret = names_from_json(s, json, "classes", add_class, where, why);
	if (!ret)
		ret = values_from_json(s, json, where, why);
out:
	cJSON_Delete(json);
	return ret;
}

int scaler_read(const char *path, struct scaler *s, struct fault *why)
{
	char *text;
	size_t size;
	int ret;

	ret = input_read(path, SCALER_FILE_MAX, "a scaler", &text, &size, why);
	if (ret)
		return ret;
	ret = scaler_parse(text, size, path, s, why);
	free(text);
	return ret;
}

static void print_numbers(FILE *out, const char *member, const double *numbers, unsigned int nr)
{
	unsigned int i;

	/* 17 digits are the very same bits. */
	fprintf(out, ",\n \"%s\": [", member);
	for (i = 0; i < nr; i++)
		fprintf(out, "%s%.17g", i ? ", " : "", numbers[i]);
	fputc(']', out);
}

static void print_scaler(FILE *out, const void *what)
{
	const struct scaler *s = what;
	unsigned int i;

	fprintf(out, "{\"features\": [");
	for (i = 0; i < s->nr_features; i++)
		fprintf(out, "%s\"%s\"", i ? ", " : "", feature_name(s->feature[i]));
	fprintf(out, "],\n \"transform\": [");
	for (i = 0; i < s->nr_values; i++)
		fprintf(out, "%s\"%s\"", i ? ", " : "", transform_names[s->transform[i]]);
	fputc(']', out);
	print_numbers(out, "mean", s->mean, s->nr_values);
	print_numbers(out, "scale", s->scale, s->nr_values);
	fprintf(out, ",\n \"classes\": [");
	for (i = 0; i < s->nr_classes; i++)
		fprintf(out, "%s\"%s\"", i ? ", " : "", class_name(s->class_id[i]));
	fprintf(out, "]}\n");
}

char *scaler_text(const struct scaler *s)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (!out)
		return NULL;
	print_scaler(out, s);
	failed = ferror(out);
	if (!fclose(out) && !failed)
		return text;
	free(text);
	return NULL;
}

int scaler_write(const char *path, const struct scaler *s, struct fault *why)
{
	return output_write(path, print_scaler, s, why);
}

/* --- arithmetic ------------------------------------------------------------------------------- */

bool scaler_same_inputs(const struct scaler *a, const struct scaler *b)
{
	unsigned int i;

	if (a->nr_features != b->nr_features || a->nr_values != b->nr_values)
		return false;
	for (i = 0; i < a->nr_features; i++)
		if (a->feature[i] != b->feature[i])
			return false;
	for (i = 0; i < a->nr_values; i++)
		if (a->transform[i] != b->transform[i] || a->mean[i] != b->mean[i] ||
		    a->scale[i] != b->scale[i])
			return false;
	return true;
}

void scaler_then(struct scaler *s, unsigned int nr, const double *mean, const double *scale)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (i >= s->nr_values) {
			s->mean[i] = mean[i];
			s->scale[i] = scale[i];
		} else {
			s->mean[i] += s->scale[i] * mean[i];
			s->scale[i] *= scale[i];
		}
	}
	s->nr_values = nr;
}

int scaler_to_inputs(const struct scaler *s, struct model_input *inputs, struct fault *why)
{
	unsigned int i;

	memset(inputs, 0, MODEL_INPUTS_MAX * sizeof(*inputs));
	for (i = 0; i < s->nr_features; i++) {
		double mean = s->mean[i] * unit_of(s->transform[i]);
		double scale = s->scale[i] * unit_of(s->transform[i]);

		inputs[i].feature = (__u16)s->feature[i];
		inputs[i].transform = s->transform[i];
		if (!(fabs(mean) < MEAN_MAX))
			return fault_set(why, ERANGE, "the mean of %s, %g, is out of range",
					 feature_name(s->feature[i]), s->mean[i]);
		if (!input_standardise(&inputs[i], mean, scale) && scale < 1.0)
			return fault_set(why, ERANGE, "the scale of %s, %g, is below half a step",
					 feature_name(s->feature[i]), s->scale[i]);
	}
	return 0;
}

/*
 * The deviation that input_standardise() turns into this scale. One that lies
 * below a power of two may have been rounded up to it, where the shift changes.
 */
static double scale_of_input(const struct model_input *in)
{
	double sigma = ldexp(INPUT_ONE * 65536.0, in->pre_shift) / in->scale;
	int exponent;

	frexp(sigma, &exponent);
	if (exponent - 14 > in->pre_shift)
		sigma = nextafter(sigma, 0.0);
	return sigma;
}

int scaler_of_model(const struct model *model, struct scaler *s, struct fault *why)
{
	const struct model_header *h = &model->header;
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->nr_features = s->nr_values = h->nr_inputs;
	for (i = 0; i < h->nr_inputs; i++) {
		const struct model_input *in = &h->inputs[i];
		double unit = unit_of(in->transform);

		s->feature[i] = in->feature;
		s->transform[i] = in->transform;
		s->mean[i] = (double)in->offset / unit;
		if (in->scale < 0)
			return fault_set(why, EINVAL, "input %s has a negative scale",
					 feature_name(in->feature));
		s->scale[i] = in->scale ? scale_of_input(in) / unit : SCALE_NOTHING;
	}
	s->nr_classes = h->nr_outputs;
	memcpy(s->class_id, h->class_id, h->nr_outputs);
	for (i = 0; i < h->nr_outputs; i++)
		if (class_from_name(class_name(h->class_id[i])) != h->class_id[i])
			return fault_set(why, EINVAL, "output %u is class %u, which has no name", i,
					 h->class_id[i]);
	return 0;
}
