// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inference by test run, for evaluation: the model in the map `asked`, fetched
 * and checked as at any evaluation, is asked about stored windows. Attached to nothing.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "classify.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct model);
} asked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, CLASSIFY_WINDOWS);
	__type(key, __u32);
	__type(value, struct classify_window);
} stored SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct classify_memory);
} memory SEC(".maps");

static long one_window(__u64 index, void *context)
{
	__u32 i = index, zero = 0;
	struct classify_window *w = bpf_map_lookup_elem(&stored, &i);
	struct classify_memory *m = bpf_map_lookup_elem(&memory, &zero);

	if (!w || !m)
		return 1;
	w->result = mlp_infer(&m->copy, &w->features, &m->scratch);
	__builtin_memcpy(w->logits, m->scratch.logits, sizeof(w->logits));
	w->margin = m->scratch.margin;
	w->class_id = m->scratch.class_id;
	return 0;
}

/* Returns how many windows were asked about, or minus a model_fault. */
SEC("syscall")
int classify(void *context)
{
	__u32 zero = 0;
	struct model *model = bpf_map_lookup_elem(&asked, &zero);
	struct classify_memory *m = bpf_map_lookup_elem(&memory, &zero);
	int fault;

	if (!model || !m)
		return -MODEL_ABSENT;
	fault = model_fetch(model, &m->copy);
	if (!fault)
		fault = model_check(&m->copy);
	if (fault)
		return -fault;
	__builtin_memset(&m->scratch, 0, sizeof(m->scratch));
	return bpf_loop(CLASSIFY_WINDOWS, one_window, NULL, 0);
}
