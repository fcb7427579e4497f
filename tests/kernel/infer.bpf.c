// SPDX-License-Identifier: GPL-2.0-only
/* Features and inference by test run: many cases at once, for test_infer. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "infer.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, INFER_CASES);
	__type(key, __u32);
	__type(value, struct infer_case);
} cases SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct infer_memory);
} memory SEC(".maps");

static long one_case(__u64 index, void *context)
{
	__u32 i = index, zero = 0;
	struct infer_case *c = bpf_map_lookup_elem(&cases, &i);
	struct infer_memory *m = bpf_map_lookup_elem(&memory, &zero);

	if (!c || !m)
		return 1;
	infer_answer(c, m);
	return 0;
}

SEC("syscall")
int infer_all(void *context)
{
	return bpf_loop(INFER_CASES, one_case, NULL, 0);
}
