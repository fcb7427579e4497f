/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Integer inference of a variable-size MLP. Pure C without helper calls: the
 * kernel programs, the trainer and the tests compile these very lines, and a
 * test holds the two builds to the same bits.
 *
 * Weights are int8 range; inputs and hidden activations are 16-bit fixed
 * point, sums are 32-bit. Two neurons share one 64-bit word (abi.h), so one
 * multiply-add serves both: the low lane's borrow is taken out of the high
 * lane once, at the end. With |activation| <= 32,767, |weight| <= 127, at most
 * 32 inputs and |bias| <= 2^30 a lane stays below 1.21e9 < 2^31. A model that
 * breaks these bounds (raw map writes) gets wrapped sums, never a fault: all
 * arithmetic is unsigned where it could overflow, all loops and indices are
 * bounded whatever the model says.
 *
 * In BPF the functions marked PURE_FN (features.h) are verified one by one, so
 * the sizes of one layer do not multiply with the next's.
 */
#ifndef BPFAHEAD_MLP_H
#define BPFAHEAD_MLP_H

#include "features.h"

#define MLP_ACTIVATIONS (MODEL_HIDDEN_MAX + 8) /* room to zero the padding of a row */

struct mlp_scratch {
	__s64 act[2][MLP_ACTIVATIONS]; /* inputs of even layers, inputs of odd layers */
	__s32 logits[MODEL_OUTPUTS_MAX];
	__u32 offset; /* first word of the layer at hand */
	__u32 nr_in;
	__s32 margin; /* best logit minus second best; one output: the logit itself */
	__u8 class_id;
	__u8 pad[3];
};

/* Why a model is not used; text in loader/model_file.c. */
enum model_fault {
	MODEL_OK = 0,
	MODEL_BAD_MAGIC,
	MODEL_BAD_VERSION,
	MODEL_BAD_HEADER,
	MODEL_BAD_SIZES,
	MODEL_BAD_PAYLOAD,
	MODEL_BAD_SHIFT,
	MODEL_BAD_RESERVED,
	MODEL_BAD_CLASSES,
	MODEL_BAD_INPUTS,
	MODEL_BAD_SOURCES,
	MODEL_BAD_CHECKSUM,
	MODEL_SILENT_SOURCES, /* sound, but a source it needs has not spoken for this bdi */
	MODEL_ABSENT,
};

#define MODEL_HEADER_WORDS (sizeof(struct model_header) / 8)
#define MODEL_CHECKSUM_WORD 2 /* index of model_header.checksum */
_Static_assert(__builtin_offsetof(struct model_header, checksum) == 8 * MODEL_CHECKSUM_WORD,
	       "the checksum counts itself as 0");

/* The header is read by words here and by fields elsewhere. */
typedef __u64 __attribute__((__may_alias__)) model_word;

static inline __s64 mlp_clamp(__s64 value, __s64 low, __s64 high)
{
	if (value < low)
		return low;
	return value > high ? high : value;
}

static inline __u64 checksum_step(__u64 sum, __u64 word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
	return sum << 27 | sum >> 37;
}

/*
 * model_fetch - copy a model and check it, in one pass over its words
 * @src: may be overwritten by others meanwhile; only the copy is checked
 * @dst: header and payload are filled; words beyond the payload stay as they are
 *
 * Each step of the checksum is a bijection of its lane, so no change within
 * one word goes unseen. Returns enum model_fault. Does not look at the values
 * of weights: no value of theirs can do harm.
 */
PURE_FN int model_fetch(const struct model *src, struct model *dst)
{
	const model_word *from = (const model_word *)src;
	__u64 a = 1, b = 2, c = 3, d = 4, checksum;
	model_word *to = (model_word *)dst;
	struct model_header *h;
	__u32 i, nr_words;

	if (!src || !dst)
		return MODEL_BAD_MAGIC;
	h = &dst->header;
	for (i = 0; i < MODEL_HEADER_WORDS; i++)
		to[i] = from[i];
	if (h->magic != MODEL_MAGIC)
		return MODEL_BAD_MAGIC;
	if (h->format_version != MODEL_FORMAT_VERSION)
		return MODEL_BAD_VERSION;
	if (h->header_bytes != sizeof(*h) || h->payload_bytes % 8)
		return MODEL_BAD_HEADER;
	nr_words = h->payload_bytes / 8;
	if (nr_words > MODEL_WORDS_MAX)
		return MODEL_BAD_PAYLOAD;
	checksum = h->checksum;
	h->checksum = 0;
	for (i = 0; i < MODEL_HEADER_WORDS; i += 4) {
		a = checksum_step(a, to[i]);
		b = checksum_step(b, to[i + 1]);
		c = checksum_step(c, to[i + 2]);
		d = checksum_step(d, to[i + 3]);
	}
	h->checksum = checksum;
	for (i = 0; i < MODEL_WORDS_MAX; i += 4) {
		__u64 w0, w1, w2, w3;

		if (i + 4 > nr_words)
			break;
		w0 = src->words[i];
		w1 = src->words[i + 1];
		w2 = src->words[i + 2];
		w3 = src->words[i + 3];
		dst->words[i] = w0;
		dst->words[i + 1] = w1;
		dst->words[i + 2] = w2;
		dst->words[i + 3] = w3;
		a = checksum_step(a, w0);
		b = checksum_step(b, w1);
		c = checksum_step(c, w2);
		d = checksum_step(d, w3);
	}
	for (; i < MODEL_WORDS_MAX; i++) {
		__u64 word;

		if (i >= nr_words)
			break;
		word = src->words[i];
		dst->words[i] = word;
		a = checksum_step(a, word);
	}
	a = checksum_step(checksum_step(a, b), checksum_step(c, d));
	return a == checksum ? MODEL_OK : MODEL_BAD_CHECKSUM;
}

/*
 * model_check - is a fetched model well-formed?
 *
 * Everything but the checksum, which model_fetch() has seen to. Returns enum
 * model_fault.
 */
PURE_FN int model_check(const struct model *m)
{
	__u32 i, nr_in, words = 0, classes = 0;
	const struct model_header *h;

	if (!m)
		return MODEL_BAD_MAGIC;
	h = &m->header;
	nr_in = h->nr_inputs;
	if (!nr_in || nr_in > MODEL_INPUTS_MAX || !h->nr_layers ||
	    h->nr_layers > MODEL_LAYERS_MAX || !h->nr_outputs || h->nr_outputs > MODEL_OUTPUTS_MAX)
		return MODEL_BAD_SIZES;
	for (i = 0; i < MODEL_LAYERS_MAX; i++) {
		__u32 nr_out = h->layer_size[i];

		if (i >= h->nr_layers) {
			if (nr_out || h->layer_shift[i])
				return MODEL_BAD_RESERVED;
			continue;
		}
		if (!nr_out || nr_out > MODEL_HIDDEN_MAX)
			return MODEL_BAD_SIZES;
		if (i + 1 == h->nr_layers && nr_out != h->nr_outputs)
			return MODEL_BAD_SIZES;
		if (h->layer_shift[i] > 62)
			return MODEL_BAD_SHIFT;
		words += LAYER_WORDS(nr_in, nr_out);
		nr_in = nr_out;
	}
	if (h->payload_bytes != words * 8)
		return MODEL_BAD_PAYLOAD;
	if (!h->required_sources || h->required_sources & ~(__u32)SOURCES_ALL)
		return MODEL_BAD_SOURCES;
	if (h->reserved0 | h->layer_size[3] | h->layer_shift[3] | h->reserved1[0] |
	    h->reserved1[1] | h->reserved1[2] | h->reserved1[3])
		return MODEL_BAD_RESERVED;
	if (h->reserved2[0] | h->reserved2[1] | h->reserved2[2] | h->reserved2[3] | h->reserved2[4])
		return MODEL_BAD_RESERVED;
	for (i = 0; i < MODEL_OUTPUTS_MAX; i++) {
		__u32 id = h->class_id[i];

		if (i >= h->nr_outputs) {
			if (id)
				return MODEL_BAD_RESERVED;
			continue;
		}
		if (id >= CLASSES_MAX || classes & 1U << id)
			return MODEL_BAD_CLASSES;
		classes |= 1U << id;
	}
	for (i = 0; i < MODEL_INPUTS_MAX; i++) {
		const struct model_input *in = &h->inputs[i];

		if (i >= h->nr_inputs) {
			if (in->feature | in->transform | in->pre_shift | (__u32)in->scale ||
			    in->offset)
				return MODEL_BAD_RESERVED;
			continue;
		}
		if (in->feature >= FEATURES_MAX || in->transform >= NR_TRANSFORMS ||
		    in->pre_shift > 40)
			return MODEL_BAD_INPUTS;
	}
	return MODEL_OK;
}

/*
 * log2_q16 - log2(v + 1) in Q16, within 0.001 of the exact value
 *
 * log2(1 + f) for the fraction f below the leading one is f plus the bend
 * f (1 - f) (0.4229 - 0.1593 f), a least-maximum-error fit over [0, 1).
 * Inlined: where returns go through a mitigation's thunk, a call of it costs
 * more than all of it (16 inputs: 170 ns against 40).
 */
static inline __u64 log2_q16(__u64 v)
{
	__u64 whole, f, bend, step;

	/* No branches: what a feature's size is cannot be predicted. */
	if (v >= 1ULL << 62)
		v = (1ULL << 62) - 1;
	v++;
	f = v;
	whole = (0xffffffffULL - f) >> 63 << 5;
	f >>= whole;
	step = (0xffffULL - f) >> 63 << 4;
	f >>= step;
	whole += step;
	step = (0xffULL - f) >> 63 << 3;
	f >>= step;
	whole += step;
	step = (0xfULL - f) >> 63 << 2;
	f >>= step;
	whole += step;
	step = (3ULL - f) >> 63 << 1;
	f >>= step;
	whole += step + (f >> 1);
	/* The 16 bits below the leading one. */
	f = (v << (63 - whole)) >> 47 & 0xffff;
	bend = f * (65536 - f) >> 16;
	return (whole << 16) + f + (bend * (27716 - (10440 * f >> 16)) >> 16);
}

/* One input: transform, offset, scale (abi.h). */
static inline __s64 mlp_input(const struct model_input *in, __u64 feature)
{
	__s64 value;

	if (in->transform == TRANSFORM_LOG2)
		feature = log2_q16(feature);
	/* No feature comes near 2^62; beyond it a hostile offset only wraps. */
	value = (__s64)(feature - (__u64)in->offset) >> (in->pre_shift & 63);
	value = mlp_clamp(value, -2147483648LL, 2147483647LL);
	value = (value * in->scale + 32768) >> 16;
	return mlp_clamp(value, -ACTIVATION_MAX, ACTIVATION_MAX);
}

/* Requantise one lane of a sum. */
static inline __s64 mlp_requantise(__s64 sum, __u32 mult, __u32 shift, __s64 least, __s64 most)
{
	return mlp_clamp((__s64)((__u64)sum * mult) >> (shift & 63), least, most);
}

/* One input of four neurons: four multiply-adds by two multiplications. */
#define MAC4(sum01, sum23, w, x, i)                          \
	do {                                                 \
		(sum01) += (w)[2 * (i)] * (__u64)(x)[i];     \
		(sum23) += (w)[2 * (i) + 1] * (__u64)(x)[i]; \
	} while (0)

/*
 * mlp_layer - one layer: activations of this parity in, of the other one out
 *
 * Hidden layers saturate at 0 (ReLU) and ACTIVATION_MAX, the output layer at
 * +-LOGIT_MAX. Returns 0, or -1 for sizes that model_check() refuses.
 */
PURE_FN int mlp_layer(const struct model *m, struct mlp_scratch *s, __u32 layer)
{
	__s64 *y, low, least = 0, most = ACTIVATION_MAX;
	__u32 k, i, nr_in, nr_out, groups, shift, at;
	const __s64 *x;

	if (!m || !s)
		return -1;
	layer &= 3;
	if (layer + 1 >= m->header.nr_layers) {
		least = -LOGIT_MAX;
		most = LOGIT_MAX;
	}
	nr_in = s->nr_in;
	nr_out = m->header.layer_size[layer];
	shift = m->header.layer_shift[layer];
	if (!nr_in || nr_in > MODEL_HIDDEN_MAX || !nr_out || nr_out > MODEL_HIDDEN_MAX)
		return -1;
	y = s->act[~layer & 1];
	groups = LAYER_GROUPS(nr_out);
	at = s->offset;
	for (k = 0; k < MODEL_HIDDEN_MAX / 4; k++) {
		__u64 sum01, sum23;
		const __u32 *mult;
		const __u64 *w;

		if (k >= groups)
			break;
		/* A full group is 68 words; a shorter one at the very end lies earlier. */
		if (at > MODEL_WORDS_MAX - GROUP_WORDS(MODEL_HIDDEN_MAX))
			return -1;
		w = &m->words[at];
		mult = (const __u32 *)(w + 2);
		sum01 = w[0];
		sum23 = w[1];
		w += 4;
		x = s->act[layer & 1];
		for (i = 0; i < MODEL_HIDDEN_MAX; i += 8) {
			if (i >= nr_in)
				break;
			MAC4(sum01, sum23, w, x, 0);
			MAC4(sum01, sum23, w, x, 1);
			MAC4(sum01, sum23, w, x, 2);
			MAC4(sum01, sum23, w, x, 3);
			MAC4(sum01, sum23, w, x, 4);
			MAC4(sum01, sum23, w, x, 5);
			MAC4(sum01, sum23, w, x, 6);
			MAC4(sum01, sum23, w, x, 7);
			w += 16;
			x += 8;
		}
		low = (__s32)sum01;
		y[0] = mlp_requantise(low, mult[0], shift, least, most);
		y[1] = mlp_requantise((__s64)(sum01 - (__u64)low) >> 32, mult[1], shift, least,
				      most);
		low = (__s32)sum23;
		y[2] = mlp_requantise(low, mult[2], shift, least, most);
		y[3] = mlp_requantise((__s64)(sum23 - (__u64)low) >> 32, mult[3], shift, least,
				      most);
		y += 4;
		at += GROUP_WORDS(nr_in);
	}
	/* The next layer's inputs are padded to a multiple of 8. */
	for (i = 0; i < 4; i++)
		y[i] = 0;
	s->offset = at;
	s->nr_in = nr_out;
	return 0;
}

/*
 * mlp_infer - class and margin for the features of one window
 * @m: a model that model_fetch() and model_check() found sound
 * @features: FEATURES_MAX values of features_compute()
 * @s: scratch; on success logits, class_id and margin are the answer
 *
 * Equal logits: the lower output wins. Returns 0 or -1.
 */
PURE_FN int mlp_infer(const struct model *m, const struct mlp_features *features,
		      struct mlp_scratch *s)
{
	__s32 best = -LOGIT_MAX - 1, second = -LOGIT_MAX - 1;
	__u32 i, id, nr_inputs, nr_layers, nr_outputs, winner = 0;

	if (!m || !features || !s)
		return -1;
	nr_inputs = m->header.nr_inputs;
	nr_layers = m->header.nr_layers;
	nr_outputs = m->header.nr_outputs;
	for (i = 0; i < MODEL_INPUTS_MAX; i++) {
		if (i >= nr_inputs)
			break;
		id = m->header.inputs[i].feature;
		if (id >= FEATURES_MAX)
			return -1;
		s->act[0][i] = mlp_input(&m->header.inputs[i], features->value[id]);
	}
	OPAQUE(i);
	for (id = 0; id < 7; id++)
		s->act[0][i + id] = 0;
	s->nr_in = nr_inputs;
	s->offset = 0;
	for (i = 0; i < MODEL_LAYERS_MAX; i++) {
		if (i >= nr_layers)
			break;
		if (mlp_layer(m, s, i))
			return -1;
	}
	for (i = 0; i < MODEL_OUTPUTS_MAX; i++) {
		__s32 logit;

		if (i >= nr_outputs)
			break;
		logit = s->act[nr_layers & 1][i];
		s->logits[i] = logit;
		if (logit > best) {
			second = best;
			best = logit;
			winner = i;
		} else if (logit > second) {
			second = logit;
		}
	}
	s->margin = nr_outputs > 1 ? best - second : best;
	s->class_id = m->header.class_id[winner & (MODEL_OUTPUTS_MAX - 1)];
	return 0;
}

#endif /* BPFAHEAD_MLP_H */
