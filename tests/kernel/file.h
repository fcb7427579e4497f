/* SPDX-License-Identifier: GPL-2.0-only */
/* Arguments of the syscall programs in file.bpf.c. */
#ifndef BPFAHEAD_FILE_H
#define BPFAHEAD_FILE_H

#include "../../bpf/abi.h"

/* end_file_hop: file_hop_end() at a made-up time, by a call of a made-up open file. */
struct file_hop_args {
	__u32 index;
	__u32 idle;
	__u32 bdi_kb;
	__u32 pad;
	__u64 now_ns;
	__u64 ra_pages;
};

/* take: a place for a file whose places begin at `first`. */
struct file_take_args {
	__u64 bdi_id;
	struct file_key key;
	__u32 first;
	__u32 taken; /* out */
	__u64 jiffy; /* out: of now */
};

#endif
