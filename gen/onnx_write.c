// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.h"
#include "onnx.pb-c.h"
#include "onnx_properties.h"
#include "output.h"

#define LAYER_TENSORS 2 /* weight, bias */
#define NODES_MAX (2 * MODEL_LAYERS_MAX - 1)
#define PROPERTIES 5
#define OPSET 13
#define IR_VERSION 7 /* of the same release */

/* A whole file's messages, which point at each other. */
struct writer {
	Onnx__ModelProto model;
	Onnx__GraphProto graph;
	Onnx__OperatorSetIdProto opset, *opsets[1];
	Onnx__StringStringEntryProto property[PROPERTIES], *properties[PROPERTIES];
	Onnx__NodeProto node[NODES_MAX], *nodes[NODES_MAX];
	char node_name[NODES_MAX][16];
	char *node_inputs[NODES_MAX][3], *node_outputs[NODES_MAX][1];
	Onnx__AttributeProto transposed, *attributes[1];
	Onnx__TensorProto tensor[LAYER_TENSORS * MODEL_LAYERS_MAX];
	Onnx__TensorProto *tensors[LAYER_TENSORS * MODEL_LAYERS_MAX];
	char tensor_name[LAYER_TENSORS * MODEL_LAYERS_MAX][16];
	int64_t dims[LAYER_TENSORS * MODEL_LAYERS_MAX][2];
	double value[MODEL_LAYERS_MAX][MODEL_HIDDEN_MAX * MODEL_HIDDEN_MAX];
	struct {
		Onnx__ValueInfoProto info, *infos[1];
		Onnx__TypeProto type;
		Onnx__TypeProto__Tensor tensor;
		Onnx__TensorShapeProto shape;
		Onnx__TensorShapeProto__Dimension dim[2], *dims[2];
	} end[2]; /* input, output */
	char generation[24], limit[32 * MODEL_LAYERS_MAX], weights[17];
	unsigned int nr_nodes, nr_tensors;
};

static char input_name[] = "features", output_name[] = "logits", windows_name[] = "windows";

static void add_property(struct writer *w, const char *key, char *value)
{
	Onnx__StringStringEntryProto *p = &w->property[w->model.n_metadata_props];

	onnx__string_string_entry_proto__init(p);
	p->key = (char *)key;
	p->value = value;
	w->properties[w->model.n_metadata_props++] = p;
}

static void add_properties(struct writer *w, const struct onnx *o)
{
	const struct network *n = &o->network;
	unsigned int layer;
	size_t used = 0;

	w->model.metadata_props = w->properties;
	add_property(w, PROPERTY_SCALER, o->scaler);
	add_property(w, PROPERTY_NAME, (char *)o->name);
	snprintf(w->generation, sizeof(w->generation), "%" PRIu64, o->generation);
	add_property(w, PROPERTY_GENERATION, w->generation);
	for (layer = 0; layer + 1 < n->nr_layers; layer++) {
		if (!(n->limit[layer] > 0.0))
			return; /* not known */
		used += (size_t)snprintf(w->limit + used, sizeof(w->limit) - used, "%s%.17g",
					 layer ? " " : "", n->limit[layer]);
	}
	snprintf(w->weights, sizeof(w->weights), "%016" PRIx64, weights_sum(n));
	add_property(w, PROPERTY_LIMIT, w->limit);
	add_property(w, PROPERTY_WEIGHTS, w->weights);
}

/* Sizes [rows, columns]; rows 0: [columns]. */
static char *add_tensor(struct writer *w, const char *what, unsigned int layer, unsigned int rows,
			unsigned int columns, double *value)
{
	Onnx__TensorProto *t = &w->tensor[w->nr_tensors];
	int64_t *dims = w->dims[w->nr_tensors];
	char *name = w->tensor_name[w->nr_tensors];

	onnx__tensor_proto__init(t);
	snprintf(name, sizeof(w->tensor_name[0]), "%s%u", what, layer);
	t->name = name;
	dims[0] = rows ? rows : columns;
	dims[1] = columns;
	t->dims = dims;
	t->n_dims = rows ? 2 : 1;
	t->has_data_type = 1;
	t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
	t->has_raw_data = 1;
	t->raw_data.len = (rows ? rows : 1) * columns * sizeof(*value);
	t->raw_data.data = (uint8_t *)value;
	w->tensors[w->nr_tensors++] = t;
	return name;
}

/* Takes what the node before gave. */
static Onnx__NodeProto *add_node(struct writer *w, const char *op, unsigned int layer)
{
	unsigned int i = w->nr_nodes++;
	Onnx__NodeProto *node = &w->node[i];

	onnx__node_proto__init(node);
	snprintf(w->node_name[i], sizeof(w->node_name[0]), "%s%u", op, layer);
	node->name = w->node_name[i];
	node->op_type = (char *)op;
	w->node_inputs[i][0] = i ? w->node_name[i - 1] : input_name;
	node->input = w->node_inputs[i];
	node->n_input = 1;
	w->node_outputs[i][0] = w->node_name[i];
	node->output = w->node_outputs[i];
	node->n_output = 1;
	w->nodes[i] = node;
	return node;
}

static void add_layer(struct writer *w, const struct network *n, unsigned int layer)
{
	unsigned int nr_in = network_inputs(n, layer), nr_out = n->size[layer], out;
	Onnx__NodeProto *node = add_node(w, "Gemm", layer);

	for (out = 0; out < nr_out; out++)
		memcpy(w->value[layer] + (size_t)out * nr_in, n->weight[layer][out],
		       nr_in * sizeof(double));
	node->input[1] = add_tensor(w, "weight", layer, nr_out, nr_in, w->value[layer]);
	node->input[2] = add_tensor(w, "bias", layer, 0, nr_out, (double *)n->bias[layer]);
	node->n_input = 3;
	node->attribute = w->attributes;
	node->n_attribute = 1;
	if (layer + 1 < n->nr_layers)
		add_node(w, "Relu", layer);
	else
		w->node_outputs[w->nr_nodes - 1][0] = output_name;
}

static Onnx__ValueInfoProto **describe_end(struct writer *w, unsigned int end, char *name,
					   unsigned int width)
{
	Onnx__TensorShapeProto__Dimension *dim = w->end[end].dim;

	onnx__value_info_proto__init(&w->end[end].info);
	onnx__type_proto__init(&w->end[end].type);
	onnx__type_proto__tensor__init(&w->end[end].tensor);
	onnx__tensor_shape_proto__init(&w->end[end].shape);
	onnx__tensor_shape_proto__dimension__init(&dim[0]);
	onnx__tensor_shape_proto__dimension__init(&dim[1]);
	dim[0].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
	dim[0].dim_param = windows_name;
	dim[1].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
	dim[1].dim_value = width;
	w->end[end].dims[0] = &dim[0];
	w->end[end].dims[1] = &dim[1];
	w->end[end].shape.dim = w->end[end].dims;
	w->end[end].shape.n_dim = 2;
	w->end[end].tensor.has_elem_type = 1;
	w->end[end].tensor.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
	w->end[end].tensor.shape = &w->end[end].shape;
	w->end[end].type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
	w->end[end].type.tensor_type = &w->end[end].tensor;
	w->end[end].info.name = name;
	w->end[end].info.type = &w->end[end].type;
	w->end[end].infos[0] = &w->end[end].info;
	return w->end[end].infos;
}

static void build(struct writer *w, const struct onnx *o)
{
	const struct network *n = &o->network;
	unsigned int layer;

	onnx__model_proto__init(&w->model);
	onnx__graph_proto__init(&w->graph);
	onnx__operator_set_id_proto__init(&w->opset);
	onnx__attribute_proto__init(&w->transposed);
	w->transposed.name = (char *)"transB"; /* weights are [outputs, inputs] */
	w->transposed.has_type = 1;
	w->transposed.type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
	w->transposed.has_i = 1;
	w->transposed.i = 1;
	w->attributes[0] = &w->transposed;
	w->opset.domain = (char *)"";
	w->opset.has_version = 1;
	w->opset.version = OPSET;
	w->opsets[0] = &w->opset;
	w->model.has_ir_version = 1;
	w->model.ir_version = IR_VERSION;
	w->model.opset_import = w->opsets;
	w->model.n_opset_import = 1;
	w->model.producer_name = (char *)"bpfahead-gen";
	w->model.doc_string =
		(char *)"Which way a device is read. Inputs are standardised: " PROPERTY_SCALER
			" says how, and names features and classes.";
	for (layer = 0; layer < n->nr_layers; layer++)
		add_layer(w, n, layer);
	w->graph.name = (char *)(*o->name ? o->name : "network");
	w->graph.node = w->nodes;
	w->graph.n_node = w->nr_nodes;
	w->graph.initializer = w->tensors;
	w->graph.n_initializer = w->nr_tensors;
	w->graph.input = describe_end(w, 0, input_name, n->nr_inputs);
	w->graph.n_input = 1;
	w->graph.output = describe_end(w, 1, output_name, n->size[n->nr_layers - 1]);
	w->graph.n_output = 1;
	w->model.graph = &w->graph;
	add_properties(w, o);
}

int onnx_write(const char *path, const struct onnx *o, struct fault *why)
{
	struct writer *w = calloc(1, sizeof(*w));
	uint8_t *bytes = NULL;
	size_t size = 0;
	int ret;

	if (w) {
		build(w, o);
		size = onnx__model_proto__get_packed_size(&w->model);
		bytes = malloc(size);
	}
	if (bytes) {
		onnx__model_proto__pack(&w->model, bytes);
		ret = output_write_bytes(path, bytes, size, why);
	} else {
		ret = fault_set(why, ENOMEM, "out of memory");
	}
	free(bytes);
	free(w);
	return ret;
}
