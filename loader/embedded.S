/* SPDX-License-Identifier: GPL-2.0-only */
/* The BPF objects and the default model inside the binary; found below the build directory and in the tree. */

#ifndef DEFAULT_WEIGHTS
#define DEFAULT_WEIGHTS "weights/default.bin"
#endif

	.section .rodata
	.macro	embed name, file
	.balign	16
	.globl	embedded_\name, embedded_\name\()_end
embedded_\name:
	.incbin	"\file"
embedded_\name\()_end:
	.endm

	embed	readahead, "readahead.bpf.o"
	embed	ra_tp, "ra_tp.bpf.o"
	embed	ra_fentry, "ra_fentry.bpf.o"
	embed	latency, "latency.bpf.o"
	embed	open_files, "open_files.bpf.o"
	embed	per_file, "per_file.bpf.o"
	embed	per_file_fentry, "per_file_fentry.bpf.o"
	embed	weights, DEFAULT_WEIGHTS

	.section .note.GNU-stack, "", %progbits
