// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "onnx.h"
#include "onnx.pb-c.h"
#include "onnx_properties.h"

/* A model at the format's limits takes 20 KB; what is larger is something else. */
#define FILE_MAX (1U << 20)
#define DEPTH_MAX 16
#define WIDTH_MAX MODEL_HIDDEN_MAX
#define OPERATORS_MAX 64 /* between input and output */

/* What the file says of the values at one place: weight * (outputs of the stage below) + bias. */
struct reader {
	const char *path;
	const Onnx__GraphProto *graph;
	struct fault *why;
	const char *input;
	const Onnx__NodeProto *chain[OPERATORS_MAX]; /* from the output back to the input */
	unsigned int at[OPERATORS_MAX];              /* which of their inputs comes from below */
	unsigned int nr_chain;
	unsigned int stage;    /* ReLUs passed */
	unsigned int width;    /* values at this place */
	bool diagonal, scaled; /* stage 0: each from one input alone; not as they came */
	bool ended;            /* a softmax has been passed */
	double weight[WIDTH_MAX][WIDTH_MAX], bias[WIDTH_MAX];
};

struct tensor {
	unsigned int rank, size[2];
	double value[WIDTH_MAX * WIDTH_MAX];
};

/* A name out of the file, fit for a line of text. */
static const char *shown(const char *name, char text[48])
{
	unsigned int i;

	for (i = 0; name && name[i] && i < 47; i++)
		text[i] = (char)(name[i] < ' ' || name[i] > '~' ? '?' : name[i]);
	text[i] = '\0';
	return text;
}

static int bad_file(const struct reader *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static int bad_file(const struct reader *r, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return fault_set(r->why, EINVAL, "%s: %s", r->path, text);
}

static int bad_node(const struct reader *r, const Onnx__NodeProto *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int bad_node(const struct reader *r, const Onnx__NodeProto *node, const char *format, ...)
{
	char text[300], name[48], op[48];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return bad_file(r, "node \"%s\" (%s) %s",
			shown(node->name && *node->name ? node->name :
			      node->n_output            ? node->output[0] :
							  "",
			      name),
			shown(node->op_type, op), text);
}

/*
 * Protobuf messages nest, and protobuf-c follows them by recursion without a
 * limit: a small file can overflow the stack. So their depth is measured first.
 */
static const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
	unsigned int shift;

	*value = 0;
	for (shift = 0; shift < 64 && at < end; shift += 7, at++) {
		*value |= (uint64_t)(*at & 0x7f) << shift;
		if (!(*at & 0x80))
			return at + 1;
	}
	return NULL;
}

static bool nests_too_deep(const ProtobufCMessageDescriptor *type, const uint8_t *at,
			   const uint8_t *end, unsigned int depth)
{
	uint64_t tag, size;

	if (depth > DEPTH_MAX)
		return true;
	while (at < end) {
		const ProtobufCFieldDescriptor *field;

		at = read_varint(at, end, &tag);
		if (!at)
			return false; /* damaged, as unpacking will say */
		switch (tag & 7) {
		case 0:
			at = read_varint(at, end, &size);
			break;
		case 1:
			at = end - at < 8 ? NULL : at + 8;
			break;
		case 5:
			at = end - at < 4 ? NULL : at + 4;
			break;
		case 2:
			at = read_varint(at, end, &size);
			if (!at || size > (uint64_t)(end - at))
				return false;
			field = protobuf_c_message_descriptor_get_field(type,
									(unsigned int)(tag >> 3));
			if (field && field->type == PROTOBUF_C_TYPE_MESSAGE &&
			    nests_too_deep(field->descriptor, at, at + size, depth + 1))
				return true;
			at += size;
			break;
		default:
			at = NULL;
		}
		if (!at)
			return false;
	}
	return false;
}

static const Onnx__TensorProto *find_constant(const struct reader *r, const char *name,
					      const Onnx__NodeProto **node)
{
	const Onnx__GraphProto *g = r->graph;
	size_t i, k;

	*node = NULL;
	for (i = 0; i < g->n_initializer; i++)
		if (g->initializer[i]->name && !strcmp(g->initializer[i]->name, name))
			return g->initializer[i];
	for (i = 0; i < g->n_node; i++) {
		for (k = 0; k < g->node[i]->n_output; k++) {
			if (strcmp(g->node[i]->output[k], name) != 0)
				continue;
			*node = g->node[i];
			if (!g->node[i]->op_type || strcmp(g->node[i]->op_type, "Constant") != 0)
				return NULL;
			for (k = 0; k < g->node[i]->n_attribute; k++)
				if (g->node[i]->attribute[k]->t)
					return g->node[i]->attribute[k]->t;
			return NULL;
		}
	}
	return NULL;
}

static int read_tensor(const struct reader *r, const Onnx__TensorProto *from, struct tensor *to)
{
	size_t nr = 1, i, bytes;
	char name[48];

	shown(from->name, name);
	to->rank = (unsigned int)from->n_dims;
	to->size[0] = to->size[1] = 1;
	if (from->n_dims > 2)
		return bad_file(r, "tensor \"%s\" has %zu dimensions, at most 2 make sense", name,
				from->n_dims);
	for (i = 0; i < from->n_dims; i++) {
		if (from->dims[i] < 1 || from->dims[i] > WIDTH_MAX)
			return bad_file(r,
					"tensor \"%s\" has a dimension of %" PRId64
					": a layer has 1 to %d neurons",
					name, from->dims[i], WIDTH_MAX);
		to->size[i] = (unsigned int)from->dims[i];
		nr *= (size_t)from->dims[i];
	}
	if (from->segment || from->n_external_data ||
	    (from->has_data_location &&
	     from->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT))
		return bad_file(r, "tensor \"%s\" keeps its values elsewhere", name);
	if (from->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT &&
	    from->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE)
		return bad_file(r, "tensor \"%s\" is of data type %d, neither float nor double",
				name, from->data_type);
	bytes = from->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT ? 4 : 8;
	if (from->has_raw_data ? from->raw_data.len != nr * bytes :
				 (bytes == 4 ? from->n_float_data : from->n_double_data) != nr)
		return bad_file(r, "tensor \"%s\" does not have the %zu values of its dimensions",
				name, nr);
	for (i = 0; i < nr; i++) {
		float single;

		if (!from->has_raw_data) {
			to->value[i] = bytes == 4 ? from->float_data[i] : from->double_data[i];
		} else if (bytes == 4) {
			memcpy(&single, from->raw_data.data + 4 * i, sizeof(single));
			to->value[i] = single;
		} else {
			memcpy(&to->value[i], from->raw_data.data + 8 * i, sizeof(double));
		}
		if (!isfinite(to->value[i]))
			return bad_file(r, "tensor \"%s\" holds a value that is no number", name);
	}
	return 0;
}

static int read_operand(const struct reader *r, const Onnx__NodeProto *node, unsigned int k,
			struct tensor *to)
{
	const Onnx__TensorProto *from;
	const Onnx__NodeProto *other;
	char name[48];

	if (k >= node->n_input)
		return bad_node(r, node, "has %zu inputs", node->n_input);
	from = find_constant(r, node->input[k], &other);
	if (!from)
		return bad_node(r, node, "takes \"%s\", which is no constant tensor",
				shown(node->input[k], name));
	return read_tensor(r, from, to);
}

/* One number for each value at this place. */
static int read_row(const struct reader *r, const Onnx__NodeProto *node, unsigned int k,
		    double row[WIDTH_MAX])
{
	struct tensor t;
	unsigned int nr, i;
	int ret = read_operand(r, node, k, &t);

	if (ret)
		return ret;
	nr = t.size[0] * t.size[1];
	if ((t.rank == 2 && t.size[0] != 1) || (nr != 1 && nr != r->width))
		return bad_node(r, node, "has a constant of %ux%u for rows of %u values", t.size[0],
				t.size[1], r->width);
	for (i = 0; i < r->width; i++)
		row[i] = t.value[nr == 1 ? 0 : i];
	return 0;
}

static const Onnx__AttributeProto *attribute(const Onnx__NodeProto *node, const char *name)
{
	size_t i;

	for (i = 0; i < node->n_attribute; i++)
		if (node->attribute[i]->name && !strcmp(node->attribute[i]->name, name))
			return node->attribute[i];
	return NULL;
}

static int64_t integer_attribute(const Onnx__NodeProto *node, const char *name, int64_t otherwise)
{
	const Onnx__AttributeProto *a = attribute(node, name);

	return a ? a->i : otherwise;
}

static double real_attribute(const Onnx__NodeProto *node, const char *name)
{
	const Onnx__AttributeProto *a = attribute(node, name);

	return a ? a->f : 1.0;
}

/* --- the operators ---------------------------------------------------------------------------- */

static void start_stage(struct reader *r)
{
	unsigned int i;

	memset(r->weight, 0, sizeof(r->weight));
	memset(r->bias, 0, sizeof(r->bias));
	for (i = 0; i < r->width; i++)
		r->weight[i][i] = 1.0;
}

/* Scaling in front of the first layer becomes the kernel's own, and the layer stays as it is. */
static int take_standardisation(struct reader *r, const Onnx__NodeProto *node, struct onnx *o)
{
	unsigned int i;

	if (r->stage || !r->diagonal)
		return 0;
	r->diagonal = false;
	if (!r->scaled)
		return 0;
	for (i = 0; i < r->width; i++) {
		o->mean[i] = -r->bias[i] / r->weight[i][i];
		o->scale[i] = 1.0 / r->weight[i][i];
		if (!(r->weight[i][i] > 0.0) || !isfinite(o->mean[i]) || !isfinite(o->scale[i]))
			return bad_node(r, node,
					"meets input %u times %g: must be above 0 and not vanish",
					i, r->weight[i][i]);
	}
	o->standardises = true;
	start_stage(r);
	return 0;
}

/* The values at this place times a matrix, given as [values here][values after]. */
static void multiply(struct reader *r, const struct network *n, const struct tensor *t,
		     bool transposed, double alpha)
{
	unsigned int below = r->stage ? n->size[r->stage - 1] : n->nr_inputs, out, in, k;
	unsigned int width = t->size[transposed ? 0 : 1];
	double weight[WIDTH_MAX][WIDTH_MAX] = {{0}}, bias[WIDTH_MAX] = {0};

	for (out = 0; out < width; out++) {
		for (k = 0; k < r->width; k++) {
			double w =
				alpha *
				t->value[transposed ? out * t->size[1] + k : k * t->size[1] + out];

			for (in = 0; in < below; in++)
				weight[out][in] += w * r->weight[k][in];
			bias[out] += w * r->bias[k];
		}
	}
	memcpy(r->weight, weight, sizeof(weight));
	memcpy(r->bias, bias, sizeof(bias));
	r->width = width;
}

static int read_product(struct reader *r, const Onnx__NodeProto *node, unsigned int at,
			struct onnx *o)
{
	bool gemm = !strcmp(node->op_type, "Gemm");
	bool transposed = gemm && integer_attribute(node, "transB", 0);
	double row[WIDTH_MAX], beta = real_attribute(node, "beta");
	unsigned int i, k;
	struct tensor t;
	int ret;

	if (at != 0 || (gemm && integer_attribute(node, "transA", 0)))
		return bad_node(r, node, "multiplies from the left: rows must be windows");
	ret = take_standardisation(r, node, o);
	if (!ret)
		ret = read_operand(r, node, 1, &t);
	if (ret)
		return ret;
	if (t.rank != 2 || t.size[transposed ? 1 : 0] != r->width)
		return bad_node(r, node, "multiplies %u values by a matrix of %ux%u%s", r->width,
				t.size[0], t.size[1], transposed ? ", transposed" : "");
	multiply(r, &o->network, &t, transposed, gemm ? real_attribute(node, "alpha") : 1.0);
	if (!gemm || node->n_input < 3 || !*node->input[2])
		return 0;
	ret = read_row(r, node, 2, row);
	for (i = 0, k = r->width; !ret && i < k; i++)
		r->bias[i] += beta * row[i];
	return ret;
}

static void multiply_value(struct reader *r, unsigned int i, double factor)
{
	unsigned int in;

	for (in = 0; in < WIDTH_MAX; in++)
		r->weight[i][in] *= factor;
	r->bias[i] *= factor;
}

static int divide_value(struct reader *r, const Onnx__NodeProto *node, unsigned int i,
			double divisor)
{
	unsigned int in;

	if (divisor == 0.0)
		return bad_node(r, node, "divides value %u by 0", i);
	for (in = 0; in < WIDTH_MAX; in++)
		r->weight[i][in] /= divisor;
	r->bias[i] /= divisor;
	return 0;
}

static int read_elementwise(struct reader *r, const Onnx__NodeProto *node, unsigned int at)
{
	char what = node->op_type[0]; /* Add, Sub, Mul, Div */
	double row[WIDTH_MAX];
	unsigned int i;
	int ret;

	if (node->n_input != 2)
		return bad_node(r, node, "has %zu inputs", node->n_input);
	if (what == 'D' && at == 1)
		return bad_node(r, node, "divides a constant by what varies");
	ret = read_row(r, node, 1 - at, row);
	r->scaled = true;
	for (i = 0; i < r->width && !ret; i++) {
		if (what == 'M') {
			multiply_value(r, i, row[i]);
		} else if (what == 'D') {
			ret = divide_value(r, node, i, row[i]);
		} else if (what == 'S' && at == 0) {
			r->bias[i] -= row[i];
		} else {
			if (what == 'S')
				multiply_value(r, i, -1.0);
			r->bias[i] += row[i];
		}
	}
	return ret;
}

/* What was gathered since the last ReLU is a layer. */
static int end_layer(struct reader *r, struct onnx *o)
{
	struct network *n = &o->network;
	unsigned int out, in;

	for (out = 0; out < r->width; out++) {
		for (in = 0; in < WIDTH_MAX; in++)
			if (!isfinite(r->weight[out][in]))
				return bad_file(r, "a weight of layer %u overflows", r->stage);
		if (!isfinite(r->bias[out]))
			return bad_file(r, "a bias of layer %u overflows", r->stage);
	}
	memcpy(n->weight[r->stage], r->weight, sizeof(r->weight));
	memcpy(n->bias[r->stage], r->bias, sizeof(r->bias));
	n->size[r->stage] = r->width;
	n->nr_layers = r->stage + 1;
	return 0;
}

static int read_relu(struct reader *r, const Onnx__NodeProto *node, struct onnx *o)
{
	int ret;

	if (r->stage + 1 == MODEL_LAYERS_MAX)
		return bad_node(r, node, "would be hidden layer %u: a model has at most %d",
				r->stage + 1, MODEL_LAYERS_MAX - 1);
	ret = take_standardisation(r, node, o);
	if (!ret)
		ret = end_layer(r, o);
	r->stage++;
	start_stage(r);
	return ret;
}

static int read_flatten(const struct reader *r, const Onnx__NodeProto *node)
{
	int64_t axis = integer_attribute(node, "axis", 1);

	return axis == 1 || axis == -1 ?
		       0 :
		       bad_node(r, node, "works along axis %" PRId64 ", not 1", axis);
}

/* In inference it changes nothing; one that trains would. */
static int read_dropout(const struct reader *r, const Onnx__NodeProto *node)
{
	const Onnx__TensorProto *mode;
	const Onnx__NodeProto *other;

	if (node->n_input < 3 || !*node->input[2])
		return 0;
	mode = find_constant(r, node->input[2], &other);
	if (!mode || mode->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__BOOL ||
	    (mode->has_raw_data ? mode->raw_data.len != 1 || mode->raw_data.data[0] :
				  mode->n_int32_data != 1 || mode->int32_data[0]))
		return bad_node(r, node, "is in training mode");
	return 0;
}

static int read_operator(struct reader *r, const Onnx__NodeProto *node, unsigned int at,
			 struct onnx *o)
{
	static const char *const elementwise[] = {"Add", "Sub", "Mul", "Div"};
	const char *op = node->op_type ? node->op_type : "";
	size_t i;

	if (node->domain && *node->domain && strcmp(node->domain, "ai.onnx") != 0) {
		char domain[48];

		return bad_node(r, node, "is not supported (domain %s)",
				shown(node->domain, domain));
	}
	if (!strcmp(op, "Identity"))
		return 0;
	if (!strcmp(op, "Dropout"))
		return read_dropout(r, node);
	if (r->ended)
		return bad_node(r, node, "follows a softmax, which must come last");
	if (!strcmp(op, "Flatten"))
		return read_flatten(r, node);
	if (!strcmp(op, "Gemm") || !strcmp(op, "MatMul"))
		return read_product(r, node, at, o);
	if (!strcmp(op, "Relu"))
		return read_relu(r, node, o);
	if (!strcmp(op, "Softmax") || !strcmp(op, "LogSoftmax")) {
		r->ended = true; /* keeps the order of the logits */
		return read_flatten(r, node);
	}
	for (i = 0; i < sizeof(elementwise) / sizeof(elementwise[0]); i++)
		if (!strcmp(op, elementwise[i]))
			return read_elementwise(r, node, at);
	return bad_node(r, node, "is not supported");
}

/* --- the graph -------------------------------------------------------------------------------- */

static const Onnx__TypeProto__Tensor *tensor_type(const Onnx__ValueInfoProto *value)
{
	if (!value->type || value->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
		return NULL;
	return value->type->tensor_type;
}

static bool is_real(const Onnx__TypeProto__Tensor *type)
{
	return type && (type->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT ||
			type->elem_type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE);
}

/* The one input that is no initializer: its name and width. */
static int find_input(struct reader *r, struct onnx *o)
{
	const Onnx__TensorShapeProto__Dimension *width;
	const Onnx__TypeProto__Tensor *type = NULL;
	const Onnx__NodeProto *node;
	char name[48];
	size_t i;

	for (i = 0; i < r->graph->n_input; i++) {
		const Onnx__ValueInfoProto *value = r->graph->input[i];

		if (!value->name || find_constant(r, value->name, &node))
			continue;
		if (*r->input)
			return bad_file(r, "the graph has more than one input");
		r->input = value->name;
		type = tensor_type(value);
	}
	if (!*r->input)
		return bad_file(r, "the graph has no input");
	shown(r->input, name);
	if (!is_real(type))
		return bad_file(r, "input \"%s\" is neither float nor double", name);
	if (!type->shape || type->shape->n_dim != 2)
		return bad_file(r, "input \"%s\" is not declared as [windows, features]", name);
	width = type->shape->dim[1];
	if (width->value_case != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE ||
	    width->dim_value < 1 || width->dim_value > MODEL_INPUTS_MAX)
		return bad_file(r, "input \"%s\" is not declared with 1 to %d features", name,
				MODEL_INPUTS_MAX);
	r->width = o->network.nr_inputs = (unsigned int)width->dim_value;
	return 0;
}

/* The one output that is real numbers; exporters of classifiers add the label as an integer. */
static int find_output(const struct reader *r, const char **name)
{
	size_t i;

	*name = "";
	for (i = 0; i < r->graph->n_output; i++) {
		const Onnx__ValueInfoProto *value = r->graph->output[i];

		if (!value->name || !is_real(tensor_type(value)))
			continue;
		if (**name)
			return bad_file(r, "the graph has more than one output of real numbers");
		*name = value->name;
	}
	return **name ? 0 : bad_file(r, "the graph has no output tensor of real numbers");
}

/* From the output back to the input: each operator on the way has one input that varies. */
static int find_chain(struct reader *r, const char *name)
{
	const Onnx__NodeProto *node, *other;
	unsigned int k, varying;
	char text[48];

	while (strcmp(name, r->input) != 0) {
		find_constant(r, name, &node);
		if (!node)
			return bad_file(r, "\"%s\" comes from nowhere", shown(name, text));
		if (r->nr_chain == OPERATORS_MAX)
			return bad_node(r, node,
					"is one of more than %d between input and output: "
					"too many, or a cycle",
					OPERATORS_MAX);
		if (!node->n_output || strcmp(node->output[0], name) != 0)
			return bad_node(r, node, "is used by another output than its first");
		varying = UINT32_MAX;
		for (k = 0; k < node->n_input; k++) {
			if (!*node->input[k] || find_constant(r, node->input[k], &other))
				continue;
			if (varying != UINT32_MAX)
				return bad_node(r, node, "joins two inputs that both vary");
			varying = k;
		}
		if (varying == UINT32_MAX)
			return bad_node(r, node, "depends on nothing but constants");
		r->chain[r->nr_chain] = node;
		r->at[r->nr_chain++] = varying;
		name = node->input[varying];
	}
	return 0;
}

static int read_graph(struct reader *r, struct onnx *o)
{
	const Onnx__NodeProto *last = NULL;
	const char *output = "";
	unsigned int i;
	int ret;

	ret = find_input(r, o);
	if (!ret)
		ret = find_output(r, &output);
	if (!ret)
		ret = find_chain(r, output);
	if (ret)
		return ret;
	r->diagonal = true;
	start_stage(r);
	for (i = r->nr_chain; i-- > 0 && !ret;) {
		last = r->chain[i];
		ret = read_operator(r, last, r->at[i], o);
	}
	if (!ret && last)
		ret = take_standardisation(r, last, o);
	if (!ret)
		ret = end_layer(r, o);
	if (ret)
		return ret;
	if (r->width < 2 || r->width > MODEL_OUTPUTS_MAX)
		return bad_file(r, "%u outputs: a model has 2 to %d classes", r->width,
				MODEL_OUTPUTS_MAX);
	return 0;
}

static const char *property(const Onnx__ModelProto *model, const char *key)
{
	size_t i;

	for (i = 0; i < model->n_metadata_props; i++)
		if (model->metadata_props[i]->key && !strcmp(model->metadata_props[i]->key, key))
			return model->metadata_props[i]->value;
	return NULL;
}

/* Of other weights, or damaged: as if it were not there. */
static void read_limits(const Onnx__ModelProto *model, struct network *n)
{
	const char *weights = property(model, PROPERTY_WEIGHTS);
	const char *text = property(model, PROPERTY_LIMIT);
	double limit[MODEL_LAYERS_MAX] = {0};
	unsigned int i;
	char sum[17];

	snprintf(sum, sizeof(sum), "%016" PRIx64, weights_sum(n));
	if (!text || !weights || strcmp(weights, sum) != 0)
		return;
	for (i = 0; i + 1 < n->nr_layers; i++) {
		char *end;

		limit[i] = strtod(text, &end);
		if (end == text || !(limit[i] > 0.0) || !isfinite(limit[i]))
			return;
		text = end;
	}
	memcpy(n->limit, limit, sizeof(limit));
}

static int read_properties(const Onnx__ModelProto *model, struct onnx *o, struct fault *why)
{
	const char *name = property(model, PROPERTY_NAME), *text;
	char printable[48], *end;

	text = property(model, PROPERTY_SCALER);
	if (text) {
		o->scaler = strdup(text);
		if (!o->scaler)
			return fault_set(why, ENOMEM, "out of memory");
	}
	if (name && strlen(name) < sizeof(o->name) && !strcmp(shown(name, printable), name))
		memcpy(o->name, name, strlen(name));
	text = property(model, PROPERTY_GENERATION);
	if (text && *text >= '0' && *text <= '9') {
		errno = 0;
		o->generation = strtoull(text, &end, 10);
		o->has_generation = !*end && !errno;
	}
	read_limits(model, &o->network);
	return 0;
}

int onnx_parse(const char *path, const uint8_t *bytes, size_t size, struct onnx *o,
	       struct fault *why)
{
	struct reader *r = calloc(1, sizeof(*r));
	Onnx__ModelProto *model = NULL;
	int ret;

	memset(o, 0, sizeof(*o));
	if (!r)
		return fault_set(why, ENOMEM, "out of memory");
	r->path = path;
	r->why = why;
	r->input = "";
	if (nests_too_deep(&onnx__model_proto__descriptor, bytes, bytes + size, 0)) {
		ret = bad_file(r, "not an ONNX model (messages nest too deep)");
		goto out;
	}
	model = size ? onnx__model_proto__unpack(NULL, size, bytes) : NULL;
	if (!model || !model->graph) {
		ret = bad_file(r, "not an ONNX model, or truncated");
		goto out;
	}
	r->graph = model->graph;
	ret = read_graph(r, o);
	if (!ret)
		ret = read_properties(model, o, why);
out:
	if (model)
		onnx__model_proto__free_unpacked(model, NULL);
	free(r);
	return ret;
}

int onnx_read(const char *path, struct onnx *o, struct fault *why)
{
	char *bytes;
	size_t size;
	int ret;

	memset(o, 0, sizeof(*o));
	ret = input_read(path, FILE_MAX, "such a network", &bytes, &size, why);
	if (ret)
		return ret;
	ret = onnx_parse(path, (const uint8_t *)bytes, size, o, why);
	free(bytes);
	return ret;
}
