/* SPDX-License-Identifier: GPL-2.0-only */
/* A model out of its map, and its answer. */
#ifndef BPFAHEAD_MODEL_BPF_H
#define BPFAHEAD_MODEL_BPF_H

#include "maps.bpf.h"

static __always_inline void classify(struct scratch *s, struct part *p)
{
	if (mlp_infer(&s->model, &p->f, &s->mlp))
		return;
	p->margin = s->mlp.margin;
	p->class_id = p->answer = s->mlp.class_id;
}

/* Copies the model of a slot to scratch and checks it there. Returns enum model_fault. */
__attribute__((noinline)) int load_model(__u32 model_slot, __u32 sources)
{
	struct model *live;
	struct scratch *s;
	__u32 zero = 0;
	void *inner;
	int fault;

	s = bpf_map_lookup_elem(&scratch, &zero);
	inner = bpf_map_lookup_elem(&models, &model_slot);
	if (!s || !inner)
		return MODEL_ABSENT;
	live = bpf_map_lookup_elem(inner, &zero);
	if (!live)
		return MODEL_ABSENT;
	fault = model_fetch(live, &s->model);
	if (!fault)
		fault = model_check(&s->model);
	if (!fault && s->model.header.required_sources & ~sources)
		fault = MODEL_SILENT_SOURCES;
	return fault;
}

#endif /* BPFAHEAD_MODEL_BPF_H */
