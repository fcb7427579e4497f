// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/mlp.h"
#include "../loader/names.h"
#include "train.h"

/*
 * The one place that says how each feature enters a network. Ratios are
 * linear; what spans decades (bytes, pages, rates, times) goes through log2, unless
 * all is to be linear, as in the classifiers that came before.
 */
static enum transform feature_transform(unsigned int feature, bool linear)
{
	return linear || feature_is_ratio(feature) ? TRANSFORM_LINEAR : TRANSFORM_LOG2;
}

/*
 * Ratios and logarithms are Q16. A spread below 1/64 of a unit is noise of the one
 * machine that recorded it; magnified to sigma 1 it would saturate elsewhere.
 */
#define SIGMA_MIN 1024.0

const struct train_options train_defaults = {
	.seed = 1,
	/*
	 * Readahead layer only, and nothing that speaks of speed or of the present
	 * setting: both would be learnt instead of the pattern.
	 */
	.features = {FEATURE_ASYNC_SHARE, FEATURE_AROUND_SHARE, FEATURE_HEAD_SHARE,
		     FEATURE_AVG_REQ_PAGES_Q8, FEATURE_MARK_RATIO, FEATURE_FILL_RATIO,
		     FEATURE_AVG_WINDOW_PAGES_Q8, FEATURE_RUN_PAGES_Q8, FEATURE_USED_RATIO,
		     FEATURE_JUMP_SHARE},
	.nr_features = 10,
	.hidden = {32, 16},
	.nr_hidden = 2,
	.epochs = 60,
	.patience = 8,
	.batch = 128,
	.rate = 1e-3,
	.dropout = 0.2,
	.weight_decay = 0.0,
};

struct moments {
	struct network first, second;
};

struct trainer {
	const struct train_options *options;
	struct trained *t;
	struct network gradient;
	struct transposed transposed; /* of the network as it is */
	struct moments moments;
	struct rng rng;
	double *x;       /* nr_inputs per row */
	uint8_t *answer; /* output index per row */
	uint32_t *order; /* training rows */
	size_t nr_train;
	uint32_t *validation;
	size_t nr_validation;
	double class_weight[2][MODEL_OUTPUTS_MAX]; /* training, validation */
	unsigned long step;
};

void row_inputs(const struct row *row, const struct model_input *inputs, unsigned int nr_inputs,
		double *x)
{
	unsigned int i;

	for (i = 0; i < nr_inputs; i++)
		x[i] = (double)mlp_input(&inputs[i], row->features[inputs[i].feature]) / INPUT_ONE;
}

static double transformed(const struct row *row, unsigned int feature, enum transform transform)
{
	uint64_t value = row->features[feature];

	return (double)(transform == TRANSFORM_LOG2 ? log2_q16(value) : value);
}

bool input_standardise(struct model_input *in, double mean, double sigma)
{
	int exponent, pre_shift;

	in->offset = (int64_t)floor(mean + 0.5);
	in->pre_shift = 0;
	in->scale = 0;
	/* Enough bits that the scale, Q16 of inputs per step, keeps 14 significant ones. */
	frexp(sigma, &exponent);
	pre_shift = exponent > 14 ? exponent - 14 : 0;
	if (sigma < 0.5 || pre_shift > INPUT_PRE_SHIFT_MAX)
		return false; /* scale 0: the input says nothing */
	in->pre_shift = pre_shift;
	in->scale = (int32_t)floor(ldexp(INPUT_ONE * 65536.0, pre_shift) / sigma + 0.5);
	return true;
}

/* Mean and deviation over the training rows, each class weighing the same. */
static void fit_input(const struct dataset *d, const uint8_t *parts, const struct trainer *tr,
		      unsigned int feature, struct model_input *in, bool *constant)
{
	enum transform transform = feature_transform(feature, tr->options->linear);
	double sum = 0.0, squares = 0.0, total = 0.0, mean, sigma;
	size_t i;

	for (i = 0; i < d->nr_rows; i++) {
		double weight = tr->class_weight[0][tr->answer[i]];

		if (parts[i] != PART_TRAIN)
			continue;
		sum += weight * transformed(&d->rows[i], feature, transform);
		total += weight;
	}
	mean = sum / total;
	for (i = 0; i < d->nr_rows; i++) {
		double weight = tr->class_weight[0][tr->answer[i]];
		double away = transformed(&d->rows[i], feature, transform) - mean;

		if (parts[i] == PART_TRAIN)
			squares += weight * away * away;
	}
	sigma = sqrt(squares / total);
	memset(in, 0, sizeof(*in));
	in->feature = feature;
	in->transform = transform;
	if (sigma >= 0.5 && sigma < SIGMA_MIN &&
	    (transform == TRANSFORM_LOG2 || feature_is_ratio(feature)))
		sigma = SIGMA_MIN;
	*constant = !input_standardise(in, mean, sigma);
}

static int gather_rows(const struct dataset *d, const uint8_t *parts, struct trainer *tr,
		       struct fault *why)
{
	size_t rows_of[CLASSES_MAX] = {0}, validation_of[CLASSES_MAX] = {0}, i;
	uint8_t output_of[CLASSES_MAX] = {0};
	struct trained *t = tr->t;
	bool validates = !tr->options->run_all;
	unsigned int id;

	for (i = 0; i < d->nr_rows; i++) {
		if (parts[i] == PART_TRAIN)
			rows_of[d->rows[i].label]++;
		if (parts[i] == PART_VALIDATION)
			validation_of[d->rows[i].label]++;
	}
	for (id = 0; id < CLASSES_MAX; id++) {
		if (!rows_of[id] && !validation_of[id])
			continue;
		if (!rows_of[id] || (!validation_of[id] && validates))
			return fault_set(why, EINVAL,
					 "class %s has %zu windows to train and %zu to validate: "
					 "record more runs of it",
					 class_name(id), rows_of[id], validation_of[id]);
		if (t->nr_outputs == MODEL_OUTPUTS_MAX)
			return fault_set(why, EINVAL, "more than %d classes", MODEL_OUTPUTS_MAX);
		output_of[id] = t->nr_outputs;
		t->class_id[t->nr_outputs++] = id;
	}
	if (t->nr_outputs < 2)
		return fault_set(why, EINVAL, "%s%s: a classifier needs at least two classes",
				 t->nr_outputs ? "only class " : "no windows with enough calls",
				 t->nr_outputs ? class_name(t->class_id[0]) : "");
	for (i = 0; i < d->nr_rows; i++) {
		tr->answer[i] = output_of[d->rows[i].label];
		if (parts[i] == PART_TRAIN)
			tr->order[tr->nr_train++] = i;
		if (parts[i] == PART_VALIDATION)
			tr->validation[tr->nr_validation++] = i;
	}
	for (i = 0; i < t->nr_outputs; i++) {
		id = t->class_id[i];
		tr->class_weight[0][i] =
			(double)tr->nr_train / (double)t->nr_outputs / (double)rows_of[id];
		if (validates)
			tr->class_weight[1][i] = (double)tr->nr_validation / (double)t->nr_outputs /
						 (double)validation_of[id];
	}
	return 0;
}

/*
 * Uniform within 1 / sqrt(inputs), biases too: where all start at 0, every neuron bends at the mean
 * of the inputs, and few epochs do not part them.
 */
static void init_network(struct trainer *tr)
{
	struct network *n = &tr->t->network;
	unsigned int layer, out, in;

	memset(n, 0, sizeof(*n));
	n->nr_inputs = tr->options->nr_features;
	n->nr_layers = tr->options->nr_hidden + 1;
	for (layer = 0; layer < tr->options->nr_hidden; layer++)
		n->size[layer] = tr->options->hidden[layer];
	n->size[layer] = tr->t->nr_outputs;
	for (layer = 0; layer < n->nr_layers; layer++) {
		unsigned int nr_in = network_inputs(n, layer);
		double bound = sqrt(1.0 / nr_in);

		for (out = 0; out < n->size[layer]; out++) {
			for (in = 0; in < nr_in; in++)
				n->weight[layer][out][in] =
					bound * (2.0 * rng_uniform(&tr->rng) - 1.0);
			n->bias[layer][out] = bound * (2.0 * rng_uniform(&tr->rng) - 1.0);
		}
	}
}

/* Softmax of the logits in place; returns the cross-entropy of @answer. */
static double softmax(double *logits, unsigned int nr, unsigned int answer)
{
	double best = logits[0], sum = 0.0, loss;
	unsigned int i;

	for (i = 1; i < nr; i++)
		if (logits[i] > best)
			best = logits[i];
	loss = best - logits[answer];
	for (i = 0; i < nr; i++) {
		logits[i] = portable_exp(logits[i] - best);
		sum += logits[i];
	}
	for (i = 0; i < nr; i++)
		logits[i] /= sum;
	return loss + portable_log(sum);
}

/*
 * Below, BLOCK neurons (or inputs) are worked on at once, each by itself: no sum
 * changes its order, so the bits are those of a plain loop on every machine, whatever its
 * vectors are. What pads the last block is 0.
 */
#define BLOCK 8
#define INLINE static inline __attribute__((always_inline))

void network_transpose(const struct network *n, struct transposed *t)
{
	unsigned int layer, out, in;

	memset(t, 0, sizeof(*t));
	for (layer = 0; layer < n->nr_layers; layer++)
		for (out = 0; out < n->size[layer]; out++)
			for (in = 0; in < network_inputs(n, layer); in++)
				t->weight[layer][in][out] = n->weight[layer][out][in];
}

/* Sums of one block of neurons: bias + SUM weight * input, inputs in order. */
INLINE void sum_block(const double (*restrict weight)[MODEL_HIDDEN_MAX],
		      const double *restrict bias, const double *restrict x, unsigned int nr_in,
		      double *restrict y)
{
	double sum[BLOCK];
	unsigned int in, i;

	for (i = 0; i < BLOCK; i++)
		sum[i] = bias[i];
	for (in = 0; in < nr_in; in++)
		for (i = 0; i < BLOCK; i++)
			sum[i] += weight[in][i] * x[in];
	for (i = 0; i < BLOCK; i++)
		y[i] = sum[i];
}

/* network_forward() by blocks; what lies beyond the last neuron is 0. */
INLINE void forward(const struct network *n, const struct transposed *t, const double *x,
		    const double (*keep)[MODEL_HIDDEN_MAX], struct activations *a)
{
	unsigned int layer, out;

	for (out = 0; out < MODEL_INPUTS_MAX; out++)
		a->value[0][out] = out < n->nr_inputs ? x[out] : 0.0;
	for (layer = 0; layer < n->nr_layers; layer++) {
		unsigned int nr_in = network_inputs(n, layer);
		double *y = a->value[layer + 1];

		for (out = 0; out < n->size[layer]; out += BLOCK)
			sum_block((const double(*)[MODEL_HIDDEN_MAX]) & t->weight[layer][0][out],
				  &n->bias[layer][out], a->value[layer], nr_in, y + out);
		if (layer + 1 == n->nr_layers)
			break;
		for (out = 0; out < n->size[layer]; out++)
			y[out] = y[out] < 0.0 ? 0.0 : y[out];
		if (!keep)
			continue;
		for (out = 0; out < n->size[layer]; out++)
			y[out] *= keep[layer][out];
	}
}

/* Gradient of one block of a layer's inputs, and what goes on to the layer below. */
INLINE void spread_block(const unsigned int *restrict alive, unsigned int nr_alive,
			 const double *restrict delta, const double *restrict y,
			 const double (*restrict weight)[MODEL_HIDDEN_MAX],
			 double (*restrict gradient)[MODEL_HIDDEN_MAX], double *restrict below)
{
	double sum[BLOCK] = {0};
	unsigned int k, i;

	for (k = 0; k < nr_alive; k++) {
		const double *restrict w = weight[alive[k]];
		double *restrict g = gradient[alive[k]];
		double d = delta[alive[k]];

		for (i = 0; i < BLOCK; i++)
			g[i] += d * y[i];
		for (i = 0; i < BLOCK; i++)
			sum[i] += d * w[i];
	}
	for (i = 0; i < BLOCK; i++)
		below[i] = sum[i];
}

INLINE double gradient_of_row(const struct network *n, const struct transposed *t, const double *x,
			      unsigned int answer, double scale,
			      const double (*keep)[MODEL_HIDDEN_MAX], struct network *gradient)
{
	double delta[2][MODEL_HIDDEN_MAX], *above, loss;
	unsigned int alive[MODEL_HIDDEN_MAX];
	unsigned int out, in, layer;
	struct activations a;

	forward(n, t, x, keep, &a);
	above = a.value[n->nr_layers];
	loss = softmax(above, n->size[n->nr_layers - 1], answer);
	above[answer] -= 1.0;
	for (out = 0; out < n->size[n->nr_layers - 1]; out++)
		above[out] *= scale;
	for (layer = n->nr_layers; layer-- > 0;) {
		unsigned int nr_in = network_inputs(n, layer), nr_alive = 0;
		double *below = delta[layer & 1];
		const double *y = a.value[layer];

		/* Most neurons behind ReLU and dropout have nothing to say. */
		for (out = 0; out < n->size[layer]; out++) {
			alive[nr_alive] = out;
			nr_alive += above[out] != 0.0;
			gradient->bias[layer][out] += above[out];
		}
		for (in = 0; in < nr_in; in += BLOCK)
			spread_block(alive, nr_alive, above, y + in,
				     (const double(*)[MODEL_HIDDEN_MAX]) & n->weight[layer][0][in],
				     (double(*)[MODEL_HIDDEN_MAX]) & gradient->weight[layer][0][in],
				     below + in);
		if (!layer)
			break;
		for (in = 0; in < nr_in; in++)
			below[in] = y[in] <= 0.0 ? 0.0 : below[in];
		for (in = 0; keep && in < nr_in; in++)
			below[in] *= keep[layer - 1][in];
		above = below;
	}
	return loss;
}

#ifdef __x86_64__
/* Wider vectors, where the CPU has them; without fused multiply-add, so the same bits. */
__attribute__((target("avx2"))) static double
gradient_of_row_avx2(const struct network *n, const struct transposed *t, const double *x,
		     unsigned int answer, double scale, const double (*keep)[MODEL_HIDDEN_MAX],
		     struct network *gradient)
{
	return gradient_of_row(n, t, x, answer, scale, keep, gradient);
}
#endif

double add_gradient(const struct network *n, const struct transposed *t, const double *x,
		    unsigned int answer, double scale, const double (*keep)[MODEL_HIDDEN_MAX],
		    struct network *gradient)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		return gradient_of_row_avx2(n, t, x, answer, scale, keep, gradient);
#endif
	return gradient_of_row(n, t, x, answer, scale, keep, gradient);
}

static void adam(double *value, double *gradient, double *first, double *second, double rate,
		 double decay, double second_unbias)
{
	double g = *gradient;

	*gradient = 0.0;
	*first = 0.9 * *first + 0.1 * g;
	*second = 0.999 * *second + 0.001 * g * g;
	*value -= rate * *first / (sqrt(*second / second_unbias) + 1e-8) + decay * *value;
}

static void update(struct trainer *tr)
{
	double first_unbias, second_unbias, rate, decay;
	struct network *n = &tr->t->network;
	unsigned int layer, out, in;

	tr->step++;
	first_unbias = 1.0 - portable_exp((double)tr->step * portable_log(0.9));
	second_unbias = 1.0 - portable_exp((double)tr->step * portable_log(0.999));
	rate = tr->options->rate / first_unbias;
	decay = tr->options->rate * tr->options->weight_decay;
	for (layer = 0; layer < n->nr_layers; layer++) {
		for (out = 0; out < n->size[layer]; out++) {
			for (in = 0; in < network_inputs(n, layer); in++)
				adam(&n->weight[layer][out][in],
				     &tr->gradient.weight[layer][out][in],
				     &tr->moments.first.weight[layer][out][in],
				     &tr->moments.second.weight[layer][out][in], rate, decay,
				     second_unbias);
			adam(&n->bias[layer][out], &tr->gradient.bias[layer][out],
			     &tr->moments.first.bias[layer][out],
			     &tr->moments.second.bias[layer][out], rate, 0.0, second_unbias);
		}
	}
	network_transpose(n, &tr->transposed);
}

/* Which hidden neurons take part, scaled so that the expected sum stays. */
static void draw_dropout(struct trainer *tr, double (*keep)[MODEL_HIDDEN_MAX])
{
	const double factor[] = {1.0 / (1.0 - tr->options->dropout), 0.0};
	struct rng rng = tr->rng; /* in registers */
	unsigned int layer, i;

	for (layer = 0; layer < tr->options->nr_hidden; layer++)
		for (i = 0; i < tr->options->hidden[layer]; i++)
			keep[layer][i] = factor[rng_uniform(&rng) < tr->options->dropout];
	tr->rng = rng;
}

static double train_epoch(struct trainer *tr)
{
	double keep[MODEL_LAYERS_MAX][MODEL_HIDDEN_MAX], loss = 0.0;
	const struct network *n = &tr->t->network;
	size_t start, i;

	rng_shuffle(&tr->rng, tr->order, tr->nr_train);
	for (start = 0; start < tr->nr_train; start += tr->options->batch) {
		size_t nr = tr->nr_train - start;

		if (nr > tr->options->batch)
			nr = tr->options->batch;
		for (i = start; i < start + nr; i++) {
			uint32_t row = tr->order[i];
			double weight = tr->class_weight[0][tr->answer[row]];

			if (tr->options->dropout > 0.0)
				draw_dropout(tr, keep);
			loss += weight * add_gradient(n, &tr->transposed,
						      tr->x + (size_t)row * n->nr_inputs,
						      tr->answer[row], weight / (double)nr,
						      tr->options->dropout > 0.0 ? keep : NULL,
						      &tr->gradient);
		}
		update(tr);
	}
	return loss / (double)tr->nr_train;
}

static double validation_loss(const struct trainer *tr)
{
	const struct network *n = &tr->t->network;
	struct activations a;
	double loss = 0.0;
	size_t i;

	for (i = 0; i < tr->nr_validation; i++) {
		uint32_t row = tr->validation[i];

		forward(n, &tr->transposed, tr->x + (size_t)row * n->nr_inputs, NULL, &a);
		loss += tr->class_weight[1][tr->answer[row]] *
			softmax(a.value[n->nr_layers], tr->t->nr_outputs, tr->answer[row]);
	}
	return loss / (double)tr->nr_validation;
}

static int run_epochs(struct trainer *tr, struct network *best, struct fault *why)
{
	struct trained *t = tr->t;
	unsigned int epoch;

	t->validation_loss = INFINITY;
	for (epoch = 1; epoch <= tr->options->epochs; epoch++) {
		double train_loss = train_epoch(tr);
		double loss = tr->options->run_all ? 0.0 : validation_loss(tr);
		bool better = loss < t->validation_loss || tr->options->run_all;

		if (!isfinite(train_loss) || !isfinite(loss))
			return fault_set(why, EINVAL, "training diverged in epoch %u", epoch);
		t->epochs = epoch;
		if (better) {
			t->validation_loss = loss;
			t->best_epoch = epoch;
			*best = t->network;
		}
		if (tr->options->losses)
			tr->options->losses[epoch - 1] = (struct epoch_loss){train_loss, loss};
		if (tr->options->progress)
			tr->options->progress(epoch, train_loss, loss, better);
		if (epoch - t->best_epoch >= tr->options->patience)
			break;
	}
	t->network = *best;
	return 0;
}

int train(const struct dataset *d, const uint8_t *parts, const struct train_options *options,
	  struct trained *t, struct fault *why)
{
	struct network *best = calloc(1, sizeof(*best));
	struct trainer *tr = calloc(1, sizeof(*tr));
	unsigned int i;
	bool constant;
	size_t k;
	int ret;

	memset(t, 0, sizeof(*t));
	if (!best || !tr) {
		ret = fault_set(why, ENOMEM, "out of memory");
		goto out;
	}
	tr->options = options;
	tr->t = t;
	tr->x = calloc(d->nr_rows + 1, options->nr_features * sizeof(*tr->x));
	tr->answer = calloc(d->nr_rows + 1, 1);
	tr->order = calloc(d->nr_rows + 1, sizeof(*tr->order));
	tr->validation = calloc(d->nr_rows + 1, sizeof(*tr->validation));
	if (!tr->x || !tr->answer || !tr->order || !tr->validation) {
		ret = fault_set(why, ENOMEM, "out of memory");
		goto out;
	}
	ret = gather_rows(d, parts, tr, why);
	if (ret)
		goto out;
	for (i = 0; i < options->nr_features; i++) {
		fit_input(d, parts, tr, options->features[i], &t->inputs[i], &constant);
		t->constant |= (uint32_t)constant << i;
	}
	for (k = 0; k < d->nr_rows; k++)
		row_inputs(&d->rows[k], t->inputs, options->nr_features,
			   tr->x + k * options->nr_features);
	rng_seed(&tr->rng, options->seed);
	init_network(tr);
	network_transpose(&t->network, &tr->transposed);
	ret = run_epochs(tr, best, why);
out:
	if (tr) {
		free(tr->x);
		free(tr->answer);
		free(tr->order);
		free(tr->validation);
	}
	free(tr);
	free(best);
	return ret;
}
