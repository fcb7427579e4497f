/* SPDX-License-Identifier: GPL-2.0-only */
/* What this kernel offers, found by asking it; no version number is compared anywhere. */
#ifndef BPFAHEAD_KERNEL_H
#define BPFAHEAD_KERNEL_H

#include <stdbool.h>

struct btf;

/* Each is 0 if a program attached, else -errno of the attempt (-ENOENT: there is no such thing). */
struct kernel_hooks {
	int block_bio_queue;
	int readahead_tracepoints;
	int readahead_fentry;
	int block_rq_complete;
	int task_file_iterator;
};

/* BTF of the running kernel, or NULL with errno set; free with btf__free(). */
struct btf *kernel_btf(void);

void kernel_probe_hooks(const struct btf *btf, struct kernel_hooks *hooks);

bool kernel_has_map_type(int type); /* enum bpf_map_type, by creating one */

int kernel_landlock_abi(void); /* 0: none */

/* "none", "integrity", "confidentiality" or "unknown"; NULL if there is no lockdown. Static. */
const char *kernel_lockdown(void);

#endif
