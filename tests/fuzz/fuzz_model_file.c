// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target on the model parser. What it accepts must survive a round
 * trip and must be harmless to infer with.
 *
 *	clang-14 -g -O1 -fsanitize=fuzzer,address,undefined -I. \
 *		tests/fuzz/fuzz_model_file.c loader/model_file.c -o build/fuzz/fuzz_model_file
 *	mkdir -p build/fuzz/corpus
 *	build/fuzz/fuzz_model_file -max_len=8192 -max_total_time=60 build/fuzz/corpus
 *
 * The seeds are made, not stored: an empty corpus directory, the first one
 * named, gets a few sound models at start. Half of the mutations get a right
 * checksum, without which none would come past it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/output.h"
#include "loader/model_file.h"
#include "bpf/mlp.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static void seed_model(struct model *m, unsigned int nr_in, const uint8_t *size,
		       unsigned int nr_layers)
{
	struct model_header *h = &m->header;
	unsigned int l, out, in, n;

	memset(m, 0, sizeof(*m));
	h->magic = MODEL_MAGIC;
	h->format_version = MODEL_FORMAT_VERSION;
	h->header_bytes = sizeof(*h);
	h->nr_inputs = (uint8_t)nr_in;
	h->nr_layers = (uint8_t)nr_layers;
	h->nr_outputs = size[nr_layers - 1];
	for (in = 0; in < nr_in; in++)
		h->inputs[in] = (struct model_input){.feature = (uint16_t)(in % 11),
						     .transform = (uint8_t)(in % 2),
						     .scale = 1000};
	for (out = 0; out < h->nr_outputs; out++)
		h->class_id[out] = (uint8_t)out;
	for (l = 0, n = nr_in; l < nr_layers; n = size[l++]) {
		h->layer_size[l] = size[l];
		h->layer_shift[l] = 16;
		for (out = 0; out < size[l]; out++) {
			model_set_neuron(m, l, out, (int)out - 3, 30000);
			for (in = 0; in < n; in++)
				model_set_weight(m, l, out, in, (int)((out * 7 + in) % 255) - 127);
		}
	}
	h->required_sources = model_input_sources(m);
	model_seal(m);
}

static int is_empty(const char *dir)
{
	DIR *stream = opendir(dir);
	int entries = 0;

	while (stream && readdir(stream))
		entries++;
	if (stream)
		closedir(stream);
	return stream && entries <= 2; /* . and .. */
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct {
		unsigned int nr_in, nr_layers;
		uint8_t size[3];
	} shapes[] = {{5, 3, {32, 16, 3}}, {16, 3, {32, 32, 8}}, {1, 1, {1}}, {7, 2, {9, 5}}};
	const char *dir = NULL;
	struct model model;
	struct fault why;
	char path[4096];
	size_t i;
	int a;

	for (a = 1; a < *argc && !dir; a++)
		if ((*argv)[a][0] != '-')
			dir = (*argv)[a];
	if (!dir || !is_empty(dir))
		return 0;
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		seed_model(&model, shapes[i].nr_in, shapes[i].size, shapes[i].nr_layers);
		snprintf(path, sizeof(path), "%s/seed-%zu", dir, i);
		if (output_write_bytes(path, &model, model_file_bytes(&model), &why)) {
			fprintf(stderr, "%s\n", why.text);
			exit(1);
		}
	}
	return 0;
}

/* A right checksum in place, whatever the sizes: that of the payload as long as it is. */
static void fix_checksum(uint8_t *data, size_t size)
{
	struct model file = {0}, copy;
	uint64_t lane[4] = {1, 2, 3, 4}, *words = (uint64_t *)&file;
	struct model_header *h = &file.header;
	size_t i, header_words = sizeof(*h) / 8, nr_words;

	if (size < sizeof(*h) || size > sizeof(file))
		return;
	memcpy(&file, data, size);
	h->magic = MODEL_MAGIC;
	h->format_version = MODEL_FORMAT_VERSION;
	h->header_bytes = sizeof(*h);
	h->payload_bytes = (uint32_t)(size - sizeof(*h)) & ~7U;
	h->checksum = 0;
	nr_words = h->payload_bytes / 8;
	for (i = 0; i < header_words; i++)
		lane[i % 4] = checksum_step(lane[i % 4], words[i]);
	for (i = 0; i < nr_words; i++)
		lane[i < nr_words / 4 * 4 ? i % 4 : 0] =
			checksum_step(lane[i < nr_words / 4 * 4 ? i % 4 : 0], file.words[i]);
	h->checksum =
		checksum_step(checksum_step(lane[0], lane[1]), checksum_step(lane[2], lane[3]));
	if (model_fetch(&file, &copy) != MODEL_OK)
		abort(); /* this function no longer knows the kernel's checksum */
	memcpy(data, &file, size);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	size = LLVMFuzzerMutate(data, size, max_size);
	if (seed % 2)
		fix_checksum(data, size);
	return size;
}

/* Features that a hostile window may hold. */
static void infer(const struct model *model)
{
	static const uint64_t values[] = {0, 1, 65536, 1ULL << 40, ~0ULL};
	struct mlp_features features;
	struct mlp_scratch scratch;
	size_t i, v;

	for (v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		for (i = 0; i < FEATURES_MAX; i++)
			features.value[i] = values[(v + i) % 5];
		memset(&scratch, 0, sizeof(scratch));
		if (mlp_infer(model, &features, &scratch))
			abort();
		if (scratch.class_id >= CLASSES_MAX)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model model, sealed;

	if (model_parse(data, size, &model))
		return 0;
	if (model_file_bytes(&model) != size || memcmp(&model, data, size))
		abort();
	sealed = model;
	model_seal(&sealed);
	if (memcmp(&sealed, &model, sizeof(model)))
		abort();
	infer(&model);
	return 0;
}
