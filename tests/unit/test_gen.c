// SPDX-License-Identifier: GPL-2.0-only
/* The parts of bpfahead-gen: randomness, dataset, split, gradient, training, quantiser, figures. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "bpf/mlp.h"
#include "gen/evaluate.h"
#include "gen/quantise.h"
#include "gen/train.h"
#include "loader/model_file.h"

static char directory[] = "/tmp/bpfahead-test-gen.XXXXXX";

static const char *in_directory(const char *name)
{
	static char path[4][256];
	static unsigned int turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", directory, name);
	return p;
}

/* --- synthetic windows ---------------------------------------------------------------------- */

static void add_window(struct dataset *d, struct rng *rng, unsigned int label, uint32_t run,
		       unsigned int k)
{
	uint64_t async, window = 4 + rng_below(rng, 600);
	struct row row = {.label = label, .run = run, .calls = 8 + rng_below(rng, 5000)};

	switch (label) {
	case CLASS_SEQUENTIAL:
		async = 60000 + rng_below(rng, 5537);
		break;
	case CLASS_MIXED:
		async = 25000 + rng_below(rng, 25000);
		break;
	default:
		async = rng_below(rng, 3000);
	}
	row.hop = k & 1;
	row.span_ns = row.hop ? 500000000 : 2500000000;
	row.time_ns = 10000000000 + 500000000ULL * (k / 2);
	row.ra_kb = 4 * window;
	row.features[FEATURE_ASYNC_SHARE] = async;
	row.features[FEATURE_AROUND_SHARE] = label == CLASS_RANDOM && run & 1 ? 65536 - async : 0;
	row.features[FEATURE_RUN_WINDOWS_Q8] = 256 * 65536 / (65537 - async);
	row.features[FEATURE_AVG_REQ_PAGES_Q8] = 256 + rng_below(rng, 4096);
	row.features[FEATURE_MARK_RATIO] = async;
	row.features[FEATURE_FILL_RATIO] =
		label == CLASS_RANDOM ? 0 : 30000 + rng_below(rng, 30000);
	row.features[FEATURE_AVG_WINDOW_PAGES_Q8] = label == CLASS_RANDOM ? 0 : 256 * window;
	assert_int_equal(dataset_append(d, &row), 0);
}

static void make_dataset(struct dataset *d, uint64_t seed, unsigned int nr_runs)
{
	unsigned int label, run, k;
	struct rng rng;
	char name[32];

	memset(d, 0, sizeof(*d));
	rng_seed(&rng, seed);
	for (label = CLASS_SEQUENTIAL; label <= CLASS_MIXED; label++) {
		for (run = 0; run < nr_runs; run++) {
			uint32_t index;

			snprintf(name, sizeof(name), "p%u.w%u.%u", run % 2, label, run);
			assert_int_equal(dataset_run(d, name, strlen(name), &index), 0);
			for (k = 0; k < 60; k++)
				add_window(d, &rng, label, index, k);
		}
	}
	d->features = (1ULL << FEATURES_MAX) - 1;
}

static void make_model(const struct dataset *d, const uint8_t *parts, uint64_t seed,
		       struct trained *t, struct model *model)
{
	/* Those that add_window() fills, and one that is constant. */
	static const unsigned int features[] = {
		FEATURE_ASYNC_SHARE, FEATURE_AROUND_SHARE,       FEATURE_RUN_WINDOWS_Q8,
		FEATURE_HEAD_SHARE,  FEATURE_AVG_REQ_PAGES_Q8,   FEATURE_MARK_RATIO,
		FEATURE_FILL_RATIO,  FEATURE_AVG_WINDOW_PAGES_Q8};
	struct train_options options = train_defaults;
	struct fault why;

	memcpy(options.features, features, sizeof(features));
	options.nr_features = sizeof(features) / sizeof(features[0]);
	options.seed = seed;
	options.epochs = 40;
	assert_int_equal(train(d, parts, &options, t, &why), 0);
	assert_int_equal(quantise(t, d, parts, "test", 3, model, &why), 0);
}

/* --- randomness ------------------------------------------------------------------------------ */

/* From the reference implementation: xoshiro256** with its state filled by splitmix64(42). */
static void test_rng_is_the_published_one(void **state)
{
	struct rng rng;

	(void)state;
	rng_seed(&rng, 42);
	assert_true(rng_next(&rng) == 0x15780b2e0c2ec716ULL);
	assert_true(rng_next(&rng) == 0x6104d9866d113a7eULL);
}

static void test_rng_ranges(void **state)
{
	unsigned int i, seen[10] = {0};
	uint32_t items[100], sum = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	for (i = 0; i < 100000; i++) {
		double u = rng_uniform(&rng);

		assert_true(u >= 0.0 && u < 1.0);
		seen[rng_below(&rng, 10)]++;
	}
	for (i = 0; i < 10; i++)
		assert_in_range(seen[i], 9500, 10500);
	for (i = 0; i < 100; i++)
		items[i] = i;
	rng_shuffle(&rng, items, 100);
	for (i = 0; i < 100; i++) {
		uint32_t k;

		for (k = 0; k < i; k++)
			assert_int_not_equal(items[k], items[i]);
		sum += items[i] == i;
	}
	assert_in_range(sum, 0, 10); /* one stays in place on average */
}

static void test_portable_functions(void **state)
{
	double x;

	(void)state;
	for (x = -50.0; x < 50.0; x += 0.0137)
		assert_true(fabs(portable_exp(x) / exp(x) - 1.0) < 1e-14);
	assert_true(portable_exp(-1e9) >= 0.0 && portable_exp(-1e9) < 1e-300);
	assert_true(isfinite(portable_exp(1e9)));
	for (x = 1e-9; x < 1e9; x *= 1.0137)
		assert_true(fabs(portable_log(x) - log(x)) < 1e-14 * (1.0 + fabs(log(x))));
}

/* --- dataset --------------------------------------------------------------------------------- */

static void assert_same_rows(const struct dataset *a, const struct dataset *b)
{
	size_t i;

	assert_int_equal(a->nr_rows, b->nr_rows);
	for (i = 0; i < a->nr_rows; i++) {
		struct row x = a->rows[i], y = b->rows[i];

		assert_string_equal(a->runs[x.run], b->runs[y.run]);
		x.run = y.run = 0;
		assert_memory_equal(x.features, y.features, sizeof(x.features));
		assert_int_equal(x.label, y.label);
		assert_int_equal(x.hop, y.hop);
		assert_int_equal(x.calls, y.calls);
		assert_int_equal(x.ra_kb, y.ra_kb);
		assert_true(x.time_ns == y.time_ns && x.span_ns == y.span_ns);
	}
}

static void test_dataset_round_trip(void **state)
{
	static const char *const names[] = {"a.csv", "a.csv.gz"};
	struct dataset d, back;
	struct fault why;
	unsigned int i;

	(void)state;
	make_dataset(&d, 1, 2);
	for (i = 0; i < 2; i++) {
		memset(&back, 0, sizeof(back));
		assert_int_equal(dataset_write(&d, in_directory(names[i]), &why), 0);
		assert_int_equal(dataset_read(&back, in_directory(names[i]), 0, &why), 0);
		assert_same_rows(&d, &back);
		dataset_free(&back);
	}
	dataset_free(&d);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) < 0, 0);
	assert_int_equal(fclose(file), 0);
}

static void test_few_calls_are_dropped(void **state)
{
	const char *path = in_directory("cloud.scan.128.csv");
	struct dataset d = {0};
	struct fault why;

	(void)state;
	write_text(path, "label,calls,async_share\n"
			 "random,7,1\nrandom,8,2\nsequential,0,3\nsequential,100,65536\n");
	assert_int_equal(dataset_read(&d, path, 1U << FEATURE_ASYNC_SHARE, &why), 0);
	assert_int_equal(d.nr_rows, 2);
	assert_int_equal(d.dropped[DROP_CALLS].nr, 2);
	assert_int_equal(d.nr_runs, 1);
	assert_string_equal(d.runs[0], "cloud.scan.128");
	assert_true(d.rows[1].features[FEATURE_ASYNC_SHARE] == 65536);
	dataset_free(&d);
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *text, *reason;
	} files[] = {
		{"", "empty file"},
		{"label,calls,async_share\n", "no rows"},
		{"label,async_share\nrandom,1\n", "no column calls"},
		{"label,calls\nrandom,9\n", "no column async_share"},
		{"label,calls,calls,async_share\nrandom,9,9,1\n", "appears twice"},
		{"label,calls,async_share\nrandom,9,nan\n", ":2: async_share"},
		{"label,calls,async_share\nrandom,9,NaN\n", "not a whole number"},
		{"label,calls,async_share\nrandom,9,-1\n", "not a whole number"},
		{"label,calls,async_share\nrandom,9,+1\n", "not a whole number"},
		{"label,calls,async_share\nrandom,9,1.5\n", "not a whole number"},
		{"label,calls,async_share\nrandom,9,\n", "not a whole number"},
		{"label,calls,async_share\nrandom,9,65537\n", "above 1.0"},
		{"label,calls,async_share\nrandom,99999999999999999999,1\n", "out of range"},
		{"label,calls,async_share\nrandom,9,1\nrandom,9\n", ":3: 2 fields"},
		{"label,calls,async_share\nrandom,9,1,1\n", ":2: 4 fields"},
		{"label,calls,async_share\nchaotic,9,1\n", "unknown label \"chaotic\""},
		{"label,part,calls,async_share\nrandom,middle,9,1\n", "neither window nor hop"},
		{"label,run,calls,async_share\nrandom,,9,1\n", "run has no name"},
		{"label,calls,async_share\nrandom,9,1", "truncated"},
	};
	const char *path = in_directory("bad.csv");
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct dataset d = {0};
		struct fault why = {""};

		write_text(path, files[i].text);
		assert_true(dataset_read(&d, path, 1U << FEATURE_ASYNC_SHARE, &why) < 0);
		if (!strstr(why.text, files[i].reason))
			fail_msg("\"%s\" lacks \"%s\"", why.text, files[i].reason);
		assert_non_null(strstr(why.text, path));
		dataset_free(&d);
	}
}

/* --- split ------------------------------------------------------------------------------------ */

static void test_split_keeps_runs_whole(void **state)
{
	unsigned int label, moved[CLASSES_MAX] = {0};
	struct dataset d;
	uint8_t *parts, part_of_run[64];
	struct rng rng;
	size_t i;

	(void)state;
	make_dataset(&d, 2, 10);
	parts = calloc(d.nr_rows, 1);
	assert_non_null(parts);
	rng_seed(&rng, 5);
	assert_int_equal(dataset_split(&d, parts, PART_VALIDATION, 0.2, &rng), 0);
	memset(part_of_run, 255, sizeof(part_of_run));
	for (i = 0; i < d.nr_rows; i++) {
		uint8_t *part = &part_of_run[d.rows[i].run];

		if (*part == 255 && parts[i] == PART_VALIDATION)
			moved[d.rows[i].label]++;
		if (*part == 255)
			*part = parts[i];
		assert_int_equal(*part, parts[i]);
	}
	for (label = CLASS_SEQUENTIAL; label <= CLASS_MIXED; label++)
		assert_int_equal(moved[label], 2);
	free(parts);
	dataset_free(&d);
}

static void test_split_in_time_leaves_no_overlap(void **state)
{
	size_t i, k, nr[4] = {0};
	struct dataset d;
	uint8_t *parts;
	struct rng rng;

	(void)state;
	make_dataset(&d, 3, 1);
	parts = calloc(d.nr_rows, 1);
	assert_non_null(parts);
	rng_seed(&rng, 5);
	assert_int_equal(dataset_split(&d, parts, PART_VALIDATION, 0.5, &rng), 0);
	for (i = 0; i < d.nr_rows; i++) {
		nr[parts[i]]++;
		if (parts[i] != PART_VALIDATION)
			continue;
		for (k = 0; k < d.nr_rows; k++)
			if (parts[k] == PART_TRAIN && d.rows[k].run == d.rows[i].run)
				assert_true(d.rows[i].time_ns - d.rows[i].span_ns >=
					    d.rows[k].time_ns);
	}
	assert_true(nr[PART_TRAIN] && nr[PART_VALIDATION] && nr[PART_NONE]);
	free(parts);
	dataset_free(&d);
}

/* --- training --------------------------------------------------------------------------------- */

static double loss_of(const struct network *n, const double *x, unsigned int answer,
		      const double (*keep)[MODEL_HIDDEN_MAX])
{
	static struct transposed t;
	static struct network unused;

	network_transpose(n, &t);
	return add_gradient(n, &t, x, answer, 1.0, keep, &unused);
}

static void test_gradient(void **state)
{
	double x[5] = {0.3, -1.2, 0.7, 2.0, -0.1}, keep[MODEL_LAYERS_MAX][MODEL_HIDDEN_MAX];
	struct network *n = calloc(1, sizeof(*n)), *g = calloc(1, sizeof(*g));
	struct transposed *t = calloc(1, sizeof(*t));
	const double step = 1e-6;
	unsigned int layer, out, in;
	struct rng rng;

	(void)state;
	assert_non_null(n);
	assert_non_null(t);
	assert_non_null(g);
	n->nr_inputs = 5;
	n->nr_layers = 3;
	n->size[0] = 8;
	n->size[1] = 6;
	n->size[2] = 3;
	rng_seed(&rng, 9);
	for (layer = 0; layer < 3; layer++) {
		for (out = 0; out < n->size[layer]; out++) {
			keep[layer][out] = rng_below(&rng, 4) ? 1.25 : 0.0;
			n->bias[layer][out] = rng_uniform(&rng) - 0.3;
			for (in = 0; in < network_inputs(n, layer); in++)
				n->weight[layer][out][in] = 2.0 * rng_uniform(&rng) - 1.0;
		}
	}
	network_transpose(n, t);
	add_gradient(n, t, x, 1, 1.0, keep, g);
	for (layer = 0; layer < 3; layer++) {
		for (out = 0; out < n->size[layer]; out++) {
			for (in = 0; in <= network_inputs(n, layer); in++) {
				bool bias = in == network_inputs(n, layer);
				double *w =
					bias ? &n->bias[layer][out] : &n->weight[layer][out][in];
				double expect =
					bias ? g->bias[layer][out] : g->weight[layer][out][in];
				double kept = *w, up, down;

				*w = kept + step;
				up = loss_of(n, x, 1, keep);
				*w = kept - step;
				down = loss_of(n, x, 1, keep);
				*w = kept;
				assert_true(fabs((up - down) / (2.0 * step) - expect) < 1e-6);
			}
		}
	}
	free(n);
	free(g);
	free(t);
}

static void test_same_seed_same_bytes(void **state)
{
	struct trained *t = malloc(sizeof(*t));
	struct model a, b, c;
	struct dataset d;
	uint8_t *parts;
	struct rng rng;

	(void)state;
	make_dataset(&d, 4, 5);
	parts = calloc(d.nr_rows, 1);
	assert_non_null(parts);
	assert_non_null(t);
	rng_seed(&rng, 1);
	assert_int_equal(dataset_split(&d, parts, PART_VALIDATION, 0.2, &rng), 0);
	make_model(&d, parts, 1, t, &a);
	make_model(&d, parts, 1, t, &b);
	make_model(&d, parts, 2, t, &c);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_memory_not_equal(a.words, c.words, sizeof(a.words));
	free(parts);
	free(t);
	dataset_free(&d);
}

static void test_learns_and_quantises(void **state)
{
	unsigned char file[sizeof(struct model)];
	struct trained *t = malloc(sizeof(*t));
	struct evaluation e = {0};
	struct dataset d, other;
	struct model model, parsed;
	unsigned int label, i;
	uint8_t *parts;
	struct rng rng;

	(void)state;
	make_dataset(&d, 4, 5);
	make_dataset(&other, 5, 3);
	parts = calloc(d.nr_rows, 1);
	assert_non_null(parts);
	assert_non_null(t);
	rng_seed(&rng, 1);
	assert_int_equal(dataset_split(&d, parts, PART_VALIDATION, 0.2, &rng), 0);
	make_model(&d, parts, 1, t, &model);

	memcpy(file, &model, sizeof(file));
	assert_null(model_parse(file, model_file_bytes(&model), &parsed));
	assert_memory_equal(&parsed, &model, sizeof(model));
	assert_int_equal(model.header.required_sources, SOURCE_READAHEAD);
	assert_int_equal(model.header.generation, 3);
	assert_string_equal(model.header.name, "test");
	/* head_share is 0 in every row. */
	for (i = 0; i < model.header.nr_inputs; i++) {
		bool constant = model.header.inputs[i].feature == FEATURE_HEAD_SHARE;

		assert_int_equal(t->constant >> i & 1, constant);
		assert_int_equal(model.header.inputs[i].scale == 0, constant);
	}

	evaluate(&model, &other, NULL, PART_TEST, &t->network, NULL, &e);
	assert_int_equal(e.nr_rows, other.nr_rows);
	assert_true(e.correct * 100 >= e.nr_rows * 97);
	assert_true(e.float_agreed * 1000 >= e.nr_rows * 995);
	for (label = CLASS_SEQUENTIAL; label <= CLASS_MIXED; label++)
		assert_int_equal(
			e.confusion[label][0] + e.confusion[label][1] + e.confusion[label][2], 180);
	free(parts);
	free(t);
	dataset_free(&d);
	dataset_free(&other);
}

/* Rows of nothing but bias, dead rows and huge weights still fit the format. */
static void test_quantiser_at_its_limits(void **state)
{
	struct trained *t = calloc(1, sizeof(*t));
	struct model model, parsed;
	unsigned int layer, out;
	struct dataset d;
	struct fault why;
	uint8_t *parts;
	size_t i;

	(void)state;
	make_dataset(&d, 6, 1);
	parts = calloc(d.nr_rows, 1); /* all rows calibrate */
	assert_non_null(parts);
	assert_non_null(t);
	t->nr_outputs = 2;
	t->class_id[1] = 1;
	t->network.nr_inputs = 1;
	t->inputs[0].feature = FEATURE_ASYNC_SHARE;
	t->inputs[0].scale = 8192;
	t->network.nr_layers = 3;
	t->network.size[0] = t->network.size[1] = 4;
	t->network.size[2] = 2;
	for (layer = 0; layer < 3; layer++) {
		for (out = 0; out < t->network.size[layer]; out++) {
			t->network.weight[layer][out][0] = out == 1 ? 1e-12 : out == 2 ? 1e3 : 0.0;
			t->network.bias[layer][out] = out == 0 ? 1e4 : out == 3 ? 0.0 : -1.0;
		}
	}
	assert_int_equal(quantise(t, &d, parts, "limits", 1, &model, &why), 0);
	assert_null(model_parse(&model, model_file_bytes(&model), &parsed));
	for (i = 0; i < d.nr_rows; i++) {
		struct mlp_features features;
		struct mlp_scratch scratch;
		struct activations a;
		double x[1];

		memcpy(features.value, d.rows[i].features, sizeof(features.value));
		row_inputs(&d.rows[i], t->inputs, 1, x);
		network_forward(&t->network, x, NULL, &a);
		assert_int_equal(mlp_infer(&parsed, &features, &scratch), 0);
		assert_int_equal(scratch.class_id, network_answer(&t->network, &a));
	}
	free(parts);
	free(t);
	dataset_free(&d);
}

static void test_refuses_to_train(void **state)
{
	struct train_options options = train_defaults;
	struct trained *t = malloc(sizeof(*t));
	struct dataset d;
	struct fault why;
	uint8_t *parts;
	size_t i;

	(void)state;
	make_dataset(&d, 7, 2);
	parts = calloc(d.nr_rows, 1);
	assert_non_null(parts);
	assert_non_null(t);
	/* nothing to validate with */
	assert_int_equal(train(&d, parts, &options, t, &why), -EINVAL);
	assert_non_null(strstr(why.text, "0 to validate"));
	/* unless all epochs are to be run */
	options.run_all = options.linear = true;
	options.epochs = 12;
	assert_int_equal(train(&d, parts, &options, t, &why), 0);
	assert_int_equal(t->epochs, 12);
	assert_int_equal(t->best_epoch, 12);
	for (i = 0; i < options.nr_features; i++)
		assert_int_equal(t->inputs[i].transform, TRANSFORM_LINEAR);
	for (i = 0; i < d.nr_rows; i++) {
		d.rows[i].label = CLASS_RANDOM;
		parts[i] = i % 2;
	}
	assert_int_equal(train(&d, parts, &options, t, &why), -EINVAL);
	assert_non_null(strstr(why.text, "only class random"));
	free(parts);
	free(t);
	dataset_free(&d);
}

static void test_float_file(void **state)
{
	struct network *n = malloc(sizeof(*n));
	struct trained *t = malloc(sizeof(*t));
	const char *path = in_directory("m.float.json");
	struct model model;
	struct dataset d;
	struct fault why;
	uint8_t *parts;
	struct rng rng;

	(void)state;
	make_dataset(&d, 4, 3);
	parts = calloc(d.nr_rows, 1);
	assert_non_null(parts);
	assert_non_null(t);
	assert_non_null(n);
	rng_seed(&rng, 1);
	assert_int_equal(dataset_split(&d, parts, PART_VALIDATION, 0.2, &rng), 0);
	make_model(&d, parts, 1, t, &model);
	assert_int_equal(network_write(path, &t->network, &model, &why), 0);
	assert_int_equal(network_read(path, n, &model, &why), 0);
	assert_memory_equal(n, &t->network, sizeof(*n));
	model.header.checksum++;
	assert_int_equal(network_read(path, n, &model, &why), -EINVAL);
	assert_non_null(strstr(why.text, "another model"));
	write_text(path, "{\"model_checksum\": ");
	assert_int_equal(network_read(path, n, &model, &why), -EINVAL);
	free(parts);
	free(t);
	free(n);
	dataset_free(&d);
}

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	static const char *const names[] = {"a.csv", "a.csv.gz", "bad.csv", "cloud.scan.128.csv",
					    "m.float.json"};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_directory(names[i]));
	return rmdir(directory); /* fails if a temporary file was left behind */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rng_is_the_published_one),
		cmocka_unit_test(test_rng_ranges),
		cmocka_unit_test(test_portable_functions),
		cmocka_unit_test(test_dataset_round_trip),
		cmocka_unit_test(test_few_calls_are_dropped),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_split_keeps_runs_whole),
		cmocka_unit_test(test_split_in_time_leaves_no_overlap),
		cmocka_unit_test(test_gradient),
		cmocka_unit_test(test_same_seed_same_bytes),
		cmocka_unit_test(test_learns_and_quantises),
		cmocka_unit_test(test_quantiser_at_its_limits),
		cmocka_unit_test(test_refuses_to_train),
		cmocka_unit_test(test_float_file),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("gen", tests, make_directory, remove_directory);
}
