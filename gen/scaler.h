/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands between a window and a network made elsewhere: which features, in which order, as
 * what, and which class each output is. As a file it is what scikit-learn's StandardScaler holds:
 *
 *   {"features": ["async_share", "avg_req_pages_q8"], "transform": ["linear", "log2"],
 *    "mean": [31000.5, 9.25], "scale": [20000, 1.5], "classes": ["sequential", "random"]}
 *
 * Numbers are those of the columns that `bpfahead record` writes (a ratio's 1.0 is 65536), or of
 * log2(column + 1) where `transform` says so. A network's input is (number - mean) / scale.
 */
#ifndef BPFAHEAD_GEN_SCALER_H
#define BPFAHEAD_GEN_SCALER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/abi.h"
#include "fault.h"

/* Of an input that says nothing: whatever comes, the network's input is 0. */
#define SCALE_NOTHING 1e30

extern const char *const transform_names[NR_TRANSFORMS];

struct scaler {
	unsigned int nr_features; /* 0: which ones is not said */
	unsigned int feature[MODEL_INPUTS_MAX];
	unsigned int nr_values; /* of transform, mean and scale; 0: not said */
	enum transform transform[MODEL_INPUTS_MAX];
	double mean[MODEL_INPUTS_MAX], scale[MODEL_INPUTS_MAX];
	unsigned int nr_classes; /* 0: not said */
	uint8_t class_id[MODEL_OUTPUTS_MAX];
};

/*
 * scaler_parse - check and take what a JSON text says; any of its members may be missing
 * @where: named in @why
 */
int scaler_parse(const char *text, size_t size, const char *where, struct scaler *s,
		 struct fault *why);
int scaler_read(const char *path, struct scaler *s, struct fault *why);

/* The reverse; to be freed. NULL: out of memory. */
char *scaler_text(const struct scaler *s);
int scaler_write(const char *path, const struct scaler *s, struct fault *why);

/* Names, separated by commas; @where and the fault as above. Changes @names. */
int scaler_set_features(struct scaler *s, char *names, const char *where, struct fault *why);
int scaler_set_classes(struct scaler *s, char *names, const char *where, struct fault *why);

bool scaler_same_inputs(const struct scaler *a, const struct scaler *b);

/* A network's own standardisation of what the scaler gives: (x - mean) / scale. */
void scaler_then(struct scaler *s, unsigned int nr, const double *mean, const double *scale);

/* From and to the integers of a model. What is not said must have been filled in before. */
int scaler_to_inputs(const struct scaler *s, struct model_input *inputs, struct fault *why);
int scaler_of_model(const struct model *model, struct scaler *s, struct fault *why);

#endif
