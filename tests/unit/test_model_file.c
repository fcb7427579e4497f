// SPDX-License-Identifier: GPL-2.0-only
/* The model file: what is accepted, and every way of being refused. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "gen/output.h"
#include "loader/model_file.h"
#include "bpf/mlp.h"

static unsigned int random_state = 20260101;

static unsigned int random_below(unsigned int n)
{
	random_state = random_state * 1664525U + 1013904223U;
	return (random_state >> 8) % n;
}

static const unsigned short some_features[MODEL_INPUTS_MAX] = {
	FEATURE_ASYNC_SHARE, FEATURE_AROUND_SHARE, FEATURE_RA_PAGES,    FEATURE_IOPS,
	FEATURE_JUMP_RATIO,  FEATURE_SEQ_RATIO,    FEATURE_RUN_BYTES,   FEATURE_LATENCY_NS,
	FEATURE_SYNC_PER_S,  FEATURE_HEAD_SHARE,   FEATURE_FILL_RATIO,  FEATURE_MARK_RATIO,
	FEATURE_READ_RATIO,  FEATURE_AVG_IO_BYTES, FEATURE_ASYNC_PER_S, FEATURE_BYTES_PER_S,
};

/* A sealed model of the given sizes with weights, biases and multipliers drawn at random. */
static void make_model(struct model *m, unsigned int nr_in, const unsigned char *size,
		       unsigned int nr_layers)
{
	struct model_header *h = &m->header;
	unsigned int l, o, i;

	memset(m, 0, sizeof(*m));
	h->magic = MODEL_MAGIC;
	h->format_version = MODEL_FORMAT_VERSION;
	h->header_bytes = sizeof(*h);
	h->generation = 7;
	strcpy(h->name, "test");
	h->nr_inputs = nr_in;
	h->nr_layers = nr_layers;
	h->nr_outputs = size[nr_layers - 1];
	for (i = 0; i < nr_in; i++) {
		h->inputs[i].feature = some_features[i];
		h->inputs[i].transform = i % NR_TRANSFORMS;
		h->inputs[i].scale = 65536;
	}
	for (i = 0; i < h->nr_outputs; i++)
		h->class_id[i] = i;
	for (l = 0; l < nr_layers; l++) {
		h->layer_size[l] = size[l];
		h->layer_shift[l] = 20;
	}
	h->required_sources = model_input_sources(m);
	for (l = 0; l < nr_layers; l++) {
		for (o = 0; o < size[l]; o++) {
			assert_int_equal(model_set_neuron(m, l, o, (int)random_below(2000) - 1000,
							  40000),
					 0);
			for (i = 0; i < (l ? size[l - 1] : nr_in); i++)
				assert_int_equal(model_set_weight(m, l, o, i,
								  (int)random_below(255) - 127),
						 0);
		}
	}
	model_seal(m);
}

static void classic(struct model *m)
{
	make_model(m, 5, (const unsigned char[]){32, 16, 3}, 3);
}

static const char *parse(const struct model *m)
{
	static struct model out;

	return model_parse(m, model_file_bytes(m), &out);
}

static void assert_refused(const char *why, const char *part)
{
	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("reason '%s' does not speak of '%s'", why, part);
}

static void test_round_trip(void **state)
{
	static const struct {
		unsigned int nr_in, nr_layers;
		unsigned char size[3];
	} shape[] = {
		{5, 3, {32, 16, 3}}, {16, 3, {32, 32, 8}}, {1, 1, {1}},
		{3, 2, {7, 5}},      {2, 3, {1, 1, 2}},    {13, 2, {31, 7}},
	};
	struct model m, out;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(shape) / sizeof(shape[0]); i++) {
		make_model(&m, shape[i].nr_in, shape[i].size, shape[i].nr_layers);
		assert_null(parse(&m));
		assert_null(model_parse(&m, model_file_bytes(&m), &out));
		assert_memory_equal(&m, &out, sizeof(m));
	}
	make_model(&m, shape[1].nr_in, shape[1].size, 3);
	assert_int_equal(model_file_bytes(&m), sizeof(struct model));
}

static void test_checksum_is_the_kernels(void **state)
{
	struct model m, copy = {0};
	unsigned int n;

	(void)state;
	/* Every remainder modulo four words: the tail takes a lane of its own. */
	for (n = 1; n <= MODEL_INPUTS_MAX; n++) {
		make_model(&m, n, (const unsigned char[]){(unsigned char)n, 3}, 2);
		assert_int_equal(model_fetch(&m, &copy), MODEL_OK);
		assert_int_equal(model_check(&copy), MODEL_OK);
	}
}

static void test_weights_come_back(void **state)
{
	static const int extreme[] = {0, 1, -1, 127, -127};
	int bias, mult;
	struct model m;
	size_t a, b;

	(void)state;
	classic(&m);
	for (a = 0; a < 5; a++) {
		for (b = 0; b < 5; b++) {
			assert_int_equal(model_set_weight(&m, 1, 4, 9, extreme[a]), 0);
			assert_int_equal(model_set_weight(&m, 1, 5, 9, extreme[b]), 0);
			assert_int_equal(model_weight(&m, 1, 4, 9), extreme[a]);
			assert_int_equal(model_weight(&m, 1, 5, 9), extreme[b]);
		}
	}
	assert_int_equal(model_set_neuron(&m, 2, 0, MODEL_BIAS_MAX, 7), 0);
	assert_int_equal(model_set_neuron(&m, 2, 1, -MODEL_BIAS_MAX, INT_MAX), 0);
	model_neuron(&m, 2, 0, &bias, &mult);
	assert_int_equal(bias, MODEL_BIAS_MAX);
	assert_int_equal(mult, 7);
	model_neuron(&m, 2, 1, &bias, &mult);
	assert_int_equal(bias, -MODEL_BIAS_MAX);
	assert_int_equal(mult, INT_MAX);
	assert_int_equal(model_set_weight(&m, 0, 0, 0, 128), -ERANGE);
	assert_int_equal(model_set_weight(&m, 0, 0, 0, -128), -ERANGE);
	assert_int_equal(model_set_neuron(&m, 0, 0, 0, -1), -ERANGE);
	assert_int_equal(model_set_neuron(&m, 0, 0, MODEL_BIAS_MAX + 1, 0), -ERANGE);
	assert_int_equal(model_set_neuron(&m, 0, 0, -MODEL_BIAS_MAX - 1, 0), -ERANGE);
}

static void test_every_truncation(void **state)
{
	struct model m, out, untouched;
	size_t size;

	(void)state;
	classic(&m);
	memset(&out, 0xa5, sizeof(out));
	memset(&untouched, 0xa5, sizeof(untouched));
	for (size = 0; size < model_file_bytes(&m); size++)
		assert_refused(model_parse(&m, size, &out), "truncated");
	assert_refused(model_parse(&m, model_file_bytes(&m) + 1, &out), "behind its payload");
	assert_refused(model_parse(&m, sizeof(m) + 1, &out), "larger");
	assert_memory_equal(&out, &untouched, sizeof(out));
}

static void test_every_bit_flip(void **state)
{
	struct model m, out;
	size_t bit, size;

	(void)state;
	classic(&m);
	size = model_file_bytes(&m);
	for (bit = 0; bit < 8 * size; bit++) {
		unsigned char *byte = (unsigned char *)&m + bit / 8, flip = 1U << bit % 8;

		*byte ^= flip;
		if (!model_parse(&m, size, &out))
			fail_msg("bit %zu flipped and not seen", bit);
		*byte ^= flip;
	}
}

/* A new checksum for the changed contents; payload_bytes stays as the change left it. */
static void reseal(struct model *m)
{
	__u32 payload_bytes = m->header.payload_bytes;

	model_seal(m);
	m->header.payload_bytes = payload_bytes;
}

/* Changes one thing, seals again, so that only the check in question can refuse. */
#define REFUSED(change, part)                                                    \
	do {                                                                     \
		struct model m;                                                  \
		struct model_header *h = &m.header;                              \
		size_t size;                                                     \
                                                                                 \
		classic(&m);                                                     \
		size = model_file_bytes(&m);                                     \
		change;                                                          \
		reseal(&m);                                                      \
		assert_refused(model_parse(&m, size, &(struct model){0}), part); \
		(void)h;                                                         \
	} while (0)

static void test_each_refusal(void **state)
{
	(void)state;
	REFUSED(h->magic++, "magic");
	REFUSED(h->format_version++, "version");
	REFUSED(h->header_bytes = 376, "length");
	REFUSED(h->payload_bytes += 8, "truncated");
	REFUSED(h->payload_bytes -= 8, "behind");
	REFUSED(h->required_sources = 0, "sources");
	REFUSED(h->required_sources |= 8, "sources");
	REFUSED(h->required_sources = SOURCE_BLOCK, "cover");
	REFUSED(h->reserved0 = 1, "reserved");
	REFUSED(h->reserved1[3] = 1, "reserved");
	REFUSED(h->reserved2[4] = 1, "reserved");
	REFUSED(h->layer_shift[0] = 63, "shift");
	REFUSED(h->layer_shift[3] = 1, "reserved");
	REFUSED(h->class_id[1] = h->class_id[0], "class");
	REFUSED(h->class_id[1] = CLASSES_MAX, "class");
	REFUSED(h->class_id[3] = 4, "reserved");
	REFUSED(h->inputs[2].feature = 12, "feature"); /* within FEATURES_MAX, not defined */
	REFUSED(h->inputs[2].feature = FEATURES_MAX, "feature");
	REFUSED(h->inputs[2].transform = NR_TRANSFORMS, "transform");
	REFUSED(h->inputs[2].pre_shift = 41, "transform");
	REFUSED(h->inputs[5].scale = 1, "reserved");
	REFUSED(h->name[0] = '\n', "printable");
	REFUSED(h->name[6] = 'x', "NUL-padded");
	REFUSED(m.words[0] = (__u32)(MODEL_BIAS_MAX + 1), "bias");
	REFUSED(m.words[2] |= 1ULL << 31, "multiplier");
	REFUSED(m.words[4] = 128, "weight"); /* two biases, two multipliers, then weights */
	REFUSED(m.words[4] = (__u64)128 << 32, "weight");
	REFUSED(m.words[5] = 0x80000000ULL, "weight"); /* INT_MIN in the low lane */
	REFUSED(m.words[4 + 2 * 5] = 1, "padding");    /* 5 inputs, rounded up to 8 */
}

static void test_sizes_refused(void **state)
{
	struct model m, out;
	size_t size;

	(void)state;
	classic(&m);
	size = model_file_bytes(&m);
	m.header.nr_layers = 0;
	assert_non_null(model_parse(&m, size, &out));
	m.header.nr_layers = 4;
	assert_non_null(model_parse(&m, size, &out));
	classic(&m);
	m.header.layer_size[0] = 33;
	assert_non_null(model_parse(&m, size, &out));
	classic(&m);
	m.header.nr_inputs = 17;
	assert_non_null(model_parse(&m, size, &out));
}

static void test_odd_output_padding(void **state)
{
	const unsigned int words[] = {
		1, /* the bias of the fourth neuron, which is not there */
		3, /* its multiplier */
		5, /* its first weight */
	};
	struct model m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		make_model(&m, 4, (const unsigned char[]){3}, 1);
		m.words[words[i]] += 1ULL << 32;
		model_seal(&m);
		assert_refused(parse(&m), "padding");
	}
}

static void test_zero_file(void **state)
{
	static const unsigned char zero[sizeof(struct model)];
	struct model out;

	(void)state;
	assert_refused(model_parse(zero, sizeof(zero), &out), "magic");
	assert_refused(model_parse(NULL, 0, &out), "truncated");
}

static void test_files(void **state)
{
	char dir[] = "/tmp/bpfahead-model-XXXXXX", path[64], missing[64];
	struct model m, out;
	struct fault why;
	struct stat st;

	(void)state;
	classic(&m);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/m.bin", dir);
	snprintf(missing, sizeof(missing), "%s/none/m.bin", dir);
	assert_int_equal(output_write_bytes(path, &m, model_file_bytes(&m), &why), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, model_file_bytes(&m));
	assert_null(model_read(path, &out));
	assert_memory_equal(&m, &out, sizeof(m));
	assert_int_equal(output_write_bytes(missing, &m, model_file_bytes(&m), &why), -ENOENT);
	assert_refused(model_read(missing, &out), "No such file");
	assert_refused(model_read(dir, &out), "directory");
	assert_int_equal(truncate(path, st.st_size - 1), 0);
	assert_refused(model_read(path, &out), "truncated");
	assert_int_equal(unlink(path), 0);
	/* Nothing but the file itself was left behind. */
	assert_int_equal(rmdir(dir), 0);
}

static void test_fault_texts(void **state)
{
	int fault;

	(void)state;
	for (fault = MODEL_OK; fault <= MODEL_ABSENT; fault++)
		assert_string_not_equal(model_fault_text(fault), "unknown fault");
	assert_string_equal(model_fault_text(MODEL_ABSENT + 1), "unknown fault");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_checksum_is_the_kernels),
		cmocka_unit_test(test_weights_come_back),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_every_bit_flip),
		cmocka_unit_test(test_each_refusal),
		cmocka_unit_test(test_sizes_refused),
		cmocka_unit_test(test_odd_output_padding),
		cmocka_unit_test(test_zero_file),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_fault_texts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("model_file", tests, NULL, NULL);
}
