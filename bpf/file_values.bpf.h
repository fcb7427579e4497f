/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files with a value of their own: asked by the programs that decide about
 * files, and by the iterator over open files, which leaves them alone. Both
 * objects declare it; the second one is loaded onto the first one's.
 */
#ifndef BPFAHEAD_FILE_VALUES_BPF_H
#define BPFAHEAD_FILE_VALUES_BPF_H

#include "core.bpf.h"
#include "abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FILES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct file_key);
	__type(value, struct file_value);
} file_values SEC(".maps");

#endif /* BPFAHEAD_FILE_VALUES_BPF_H */
