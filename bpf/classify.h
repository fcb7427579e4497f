/* SPDX-License-Identifier: GPL-2.0-only */
/* What classify.bpf.c and `bpfahead-gen eval --kernel` exchange, by mapped arrays. */
#ifndef BPFAHEAD_CLASSIFY_H
#define BPFAHEAD_CLASSIFY_H

#include "mlp.h"

#define CLASSIFY_WINDOWS 1024 /* by one test run */

struct classify_window {
	struct mlp_features features;
	__s32 logits[MODEL_OUTPUTS_MAX];
	__s32 margin;
	__u32 class_id;
	__s32 result; /* of mlp_infer() */
	__u32 pad;
};

/* Never cleared: the copy of the model, and working memory. */
struct classify_memory {
	struct model copy;
	struct mlp_scratch scratch;
};

#endif
