// SPDX-License-Identifier: GPL-2.0-only
/* Reading, checking and writing model files. What the kernel checks too is checked by its code. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model_file.h"
#include "../bpf/mlp.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file format is the little-endian kernel's own layout"
#endif

struct layer {
	unsigned int nr_in, nr_out;
	unsigned int first; /* index of its first word */
};

/* Only for sizes that model_check() accepts. */
static struct layer layer_at(const struct model *model, unsigned int layer)
{
	const struct model_header *h = &model->header;
	struct layer l = {.nr_in = h->nr_inputs, .nr_out = h->layer_size[0]};
	unsigned int i;

	for (i = 0; i < layer; i++) {
		l.first += LAYER_WORDS(l.nr_in, l.nr_out);
		l.nr_in = l.nr_out;
		l.nr_out = h->layer_size[i + 1];
	}
	return l;
}

/* The group of four that neuron @out belongs to: biases, multipliers, then weights. */
static unsigned int group_word(const struct layer *l, unsigned int out)
{
	return l->first + out / 4 * GROUP_WORDS(l->nr_in);
}

static unsigned int bias_word(const struct layer *l, unsigned int out)
{
	return group_word(l, out) + out % 4 / 2;
}

static unsigned int weight_word(const struct layer *l, unsigned int out, unsigned int in)
{
	return group_word(l, out) + 4 + 2 * in + out % 4 / 2;
}

static void lanes_unpack(__u64 word, int lane[2])
{
	__s32 low = (__s32)word;

	lane[0] = low;
	lane[1] = (__s32)((word - (__u64)(__s64)low) >> 32);
}

static __u64 lanes_pack(const int lane[2])
{
	return (__u64)(__s64)lane[0] + ((__u64)(__s64)lane[1] << 32);
}

int model_weight(const struct model *model, unsigned int layer, unsigned int out, unsigned int in)
{
	struct layer l = layer_at(model, layer);
	int lane[2];

	lanes_unpack(model->words[weight_word(&l, out, in)], lane);
	return lane[out & 1];
}

void model_neuron(const struct model *model, unsigned int layer, unsigned int out, int *bias,
		  int *mult)
{
	struct layer l = layer_at(model, layer);
	const __u64 *word = &model->words[bias_word(&l, out)];
	int lane[2];

	lanes_unpack(word[0], lane);
	*bias = lane[out & 1];
	*mult = (__s32)(word[2] >> 32 * (out & 1));
}

int model_set_weight(struct model *model, unsigned int layer, unsigned int out, unsigned int in,
		     int weight)
{
	struct layer l = layer_at(model, layer);
	__u64 *word = &model->words[weight_word(&l, out, in)];
	int lane[2];

	if (weight < -MODEL_WEIGHT_MAX || weight > MODEL_WEIGHT_MAX)
		return -ERANGE;
	lanes_unpack(*word, lane);
	lane[out & 1] = weight;
	*word = lanes_pack(lane);
	return 0;
}

int model_set_neuron(struct model *model, unsigned int layer, unsigned int out, int bias, int mult)
{
	struct layer l = layer_at(model, layer);
	__u64 *word = &model->words[bias_word(&l, out)];
	unsigned int shift = 32 * (out & 1);
	int lane[2];

	if (bias < -MODEL_BIAS_MAX || bias > MODEL_BIAS_MAX || mult < 0)
		return -ERANGE;
	lanes_unpack(word[0], lane);
	lane[out & 1] = bias;
	word[0] = lanes_pack(lane);
	word[2] = (word[2] & ~(0xffffffffULL << shift)) | (__u64)mult << shift;
	return 0;
}

/* model_fetch() holds the other end; a unit test keeps the two together. */
static __u64 model_checksum(const struct model *model)
{
	const model_word *header = (const model_word *)&model->header;
	unsigned int i, nr_words = model->header.payload_bytes / 8;
	__u64 lane[4] = {1, 2, 3, 4};

	for (i = 0; i < MODEL_HEADER_WORDS; i++)
		lane[i % 4] = checksum_step(lane[i % 4], i == MODEL_CHECKSUM_WORD ? 0 : header[i]);
	for (i = 0; i < nr_words; i++) {
		bool rest = i >= nr_words / 4 * 4; /* what is left of the last four goes into a */
		unsigned int to = rest ? 0 : i % 4;

		lane[to] = checksum_step(lane[to], model->words[i]);
	}
	return checksum_step(checksum_step(lane[0], lane[1]), checksum_step(lane[2], lane[3]));
}

void model_seal(struct model *model)
{
	struct model_header *h = &model->header;
	struct layer end = layer_at(model, h->nr_layers - 1U);

	h->payload_bytes = (end.first + LAYER_WORDS(end.nr_in, end.nr_out)) * 8;
	h->checksum = model_checksum(model);
}

size_t model_file_bytes(const struct model *model)
{
	return sizeof(model->header) + model->header.payload_bytes;
}

static unsigned int feature_source(unsigned int feature)
{
	if (feature == FEATURE_LATENCY_NS)
		return SOURCE_LATENCY;
	/* The block layer owns the ids below the readahead layer's first. */
	return feature < FEATURE_ASYNC_SHARE ? SOURCE_BLOCK : SOURCE_READAHEAD;
}

unsigned int model_input_sources(const struct model *model)
{
	unsigned int i, sources = 0;

	for (i = 0; i < model->header.nr_inputs; i++)
		sources |= feature_source(model->header.inputs[i].feature);
	return sources;
}

static bool feature_defined(unsigned int id)
{
	switch (id) {
#define X(name, value, text, unit) case value:
		FEATURE_LIST(X)
#undef X
		return true;
	}
	return false;
}

const char *model_fault_text(int fault)
{
	switch (fault) {
	case MODEL_OK:
		return "sound";
	case MODEL_BAD_MAGIC:
		return "not a model: wrong magic";
	case MODEL_BAD_VERSION:
		return "a model of another format version";
	case MODEL_BAD_HEADER:
		return "header or payload length is wrong";
	case MODEL_BAD_SIZES:
		return "layer sizes are out of range";
	case MODEL_BAD_PAYLOAD:
		return "payload length does not fit the layer sizes";
	case MODEL_BAD_SHIFT:
		return "a requantisation shift is out of range";
	case MODEL_BAD_RESERVED:
		return "a reserved field is not 0";
	case MODEL_BAD_CLASSES:
		return "class ids are out of range or repeated";
	case MODEL_BAD_INPUTS:
		return "an input names an unknown feature or transform";
	case MODEL_BAD_SOURCES:
		return "the required sources are unknown or none";
	case MODEL_BAD_CHECKSUM:
		return "checksum is wrong: the model is damaged";
	case MODEL_SILENT_SOURCES:
		return "a source that the model needs is silent";
	case MODEL_ABSENT:
		return "no model";
	}
	return "unknown fault";
}

static const char *check_name(const struct model_header *h)
{
	size_t i, length = strnlen(h->name, sizeof(h->name));

	for (i = 0; i < length; i++)
		if (h->name[i] < 0x20 || h->name[i] > 0x7e)
			return "the name is not printable ASCII";
	for (i = length; i < sizeof(h->name); i++)
		if (h->name[i])
			return "the name is not NUL-padded";
	return NULL;
}

static bool lane_out_of_range(int weight)
{
	return weight < -MODEL_WEIGHT_MAX || weight > MODEL_WEIGHT_MAX;
}

static const char *check_layer(const struct model *model, unsigned int layer)
{
	struct layer l = layer_at(model, layer);
	unsigned int padded = 4 * LAYER_GROUPS(l.nr_out), stride = LAYER_STRIDE(l.nr_in);
	unsigned int out, in;

	for (out = 0; out < padded; out++) {
		int bias, mult;

		model_neuron(model, layer, out, &bias, &mult);
		if (bias < -MODEL_BIAS_MAX || bias > MODEL_BIAS_MAX)
			return "a bias is out of range";
		if (mult < 0)
			return "a multiplier is out of range";
		if (out >= l.nr_out && (bias || mult))
			return "padding is not 0";
	}
	for (out = 0; out < padded; out += 2) {
		for (in = 0; in < stride; in++) {
			int lane[2];

			lanes_unpack(model->words[weight_word(&l, out, in)], lane);
			if (lane_out_of_range(lane[0]) || lane_out_of_range(lane[1]))
				return "a weight is out of range";
			if ((in >= l.nr_in || out >= l.nr_out) && lane[0])
				return "padding is not 0";
			if ((in >= l.nr_in || out + 1 >= l.nr_out) && lane[1])
				return "padding is not 0";
		}
	}
	return NULL;
}

/* What the kernel need not check, since no value of it can do harm. */
static const char *check_contents(const struct model *model)
{
	const struct model_header *h = &model->header;
	const char *why = check_name(h);
	unsigned int i;

	for (i = 0; !why && i < h->nr_inputs; i++)
		if (!feature_defined(h->inputs[i].feature))
			why = model_fault_text(MODEL_BAD_INPUTS);
	if (!why && model_input_sources(model) & ~h->required_sources)
		why = "the required sources do not cover the inputs";
	for (i = 0; !why && i < h->nr_layers; i++)
		why = check_layer(model, i);
	return why;
}

const char *model_parse(const void *bytes, size_t size, struct model *model)
{
	struct model file = {0}, copy = {0};
	const struct model_header *h = &file.header;
	const char *why;
	int fault;

	if (size > sizeof(file))
		return "the file is larger than any model";
	if (size)
		memcpy(&file, bytes, size);
	if (size >= sizeof(h->magic) && h->magic != MODEL_MAGIC)
		return model_fault_text(MODEL_BAD_MAGIC);
	if (size < sizeof(*h))
		return "the file is truncated: shorter than a header";
	if (h->format_version != MODEL_FORMAT_VERSION)
		return model_fault_text(MODEL_BAD_VERSION);
	if (h->header_bytes == sizeof(*h) && size - sizeof(*h) < h->payload_bytes)
		return "the file is truncated: shorter than its payload";
	if (h->header_bytes == sizeof(*h) && size - sizeof(*h) > h->payload_bytes)
		return "the file goes on behind its payload";
	fault = model_fetch(&file, &copy);
	if (fault == MODEL_OK)
		fault = model_check(&copy);
	if (fault != MODEL_OK)
		return model_fault_text(fault);
	why = check_contents(&copy);
	if (!why)
		*model = copy;
	return why;
}

static const char *errno_reason(void)
{
	static char reason[128];

	snprintf(reason, sizeof(reason), "%s", strerror(errno));
	return reason;
}

const char *model_read(const char *path, struct model *model)
{
	unsigned char bytes[sizeof(struct model) + 1]; /* one more tells an oversize file */
	bool standard_input = !strcmp(path, "-");
	const char *why = NULL;
	size_t size = 0;
	int fd;

	fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno_reason();
	while (size < sizeof(bytes)) {
		ssize_t n = read(fd, bytes + size, sizeof(bytes) - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			why = errno_reason();
		if (n <= 0)
			break;
		size += (size_t)n;
	}
	if (!standard_input)
		close(fd);
	return why ? why : model_parse(bytes, size, model);
}
