/* SPDX-License-Identifier: GPL-2.0-only */
/* What test_infer and infer.bpf.c exchange: cases, and their answers, by one mapped array. */
#ifndef BPFAHEAD_INFER_H
#define BPFAHEAD_INFER_H

#include "../../bpf/features.h"
#include "../../bpf/mlp.h"

#define INFER_CASES 256
#define INFER_LOGS 8

struct infer_answer {
	struct mlp_features computed; /* of `window` */
	__u64 log2[INFER_LOGS];
	__s32 logits[MODEL_OUTPUTS_MAX];
	__s32 margin;
	__u32 class_id;
	__s32 result; /* of mlp_infer() */
	__u32 fetch_fault;
	__u32 check_fault;
	__u32 pad;
};

struct infer_case {
	struct model model;
	struct mlp_features features;
	struct window window;
	__u64 log2_of[INFER_LOGS];
	struct infer_answer answer;
};

/* Zero in the beginning, then never cleared: the copy of the model and working memory. */
struct infer_memory {
	struct model copy;
	struct mlp_scratch scratch;
};

/*
 * A model whose checksum holds is asked even if its sizes do not: raw map
 * writes can bring such a one about, and both sides must survive it alike.
 */
static inline void infer_answer(struct infer_case *c, struct infer_memory *m)
{
	__u32 i;

	features_compute(&c->window, &c->answer.computed);
	for (i = 0; i < INFER_LOGS; i++)
		c->answer.log2[i] = log2_q16(c->log2_of[i]);
	__builtin_memset(&m->scratch, 0, sizeof(m->scratch));
	c->answer.result = -2;
	c->answer.check_fault = 0;
	c->answer.fetch_fault = model_fetch(&c->model, &m->copy);
	if (!c->answer.fetch_fault) {
		c->answer.check_fault = model_check(&m->copy);
		c->answer.result = mlp_infer(&m->copy, &c->features, &m->scratch);
	}
	for (i = 0; i < MODEL_OUTPUTS_MAX; i++)
		c->answer.logits[i] = m->scratch.logits[i];
	c->answer.margin = m->scratch.margin;
	c->answer.class_id = m->scratch.class_id;
	c->answer.pad = 0;
}

#endif
