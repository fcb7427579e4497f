/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's own answers to stored windows, by test runs of bpf/classify.bpf.c. */
#ifndef BPFAHEAD_GEN_ASK_KERNEL_H
#define BPFAHEAD_GEN_ASK_KERNEL_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "dataset.h"
#include "network.h"

struct kernel_answers {
	size_t nr_asked, different; /* class, margin or a logit */
	size_t correct;
	bool has_float;
	size_t float_agreed;
	size_t nr_recorded, recorded_different; /* answers that came with the recording */
};

/*
 * kernel_ask - have the running kernel classify the rows of one part
 * @object: file name of classify.bpf.o
 * @parts: NULL for all rows
 * @network: what @model was made from, or NULL
 *
 * Compares with mlp_infer() compiled here, to the bit. Needs CAP_BPF, and Linux 5.17 for
 * bpf_loop(). Returns 0 or -errno.
 */
int kernel_ask(const char *object, const struct model *model, const struct dataset *d,
	       const uint8_t *parts, enum part part, const struct network *network,
	       struct kernel_answers *k, struct fault *why);

/* The answers that a recording holds, where they are this model's. Adds to @k. */
void kernel_recorded(const struct model *model, const struct dataset *d, const uint8_t *parts,
		     enum part part, struct kernel_answers *k);

void kernel_print(FILE *out, const struct kernel_answers *k);
void kernel_add_json(cJSON *json, const struct kernel_answers *k);

#endif
