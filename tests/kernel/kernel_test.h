/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the in-kernel tests share: random numbers with a printed seed, models
 * sound and unsound, BPF objects loaded without pins, and a loop device under
 * load. Nothing here touches another block device or a pinned map.
 */
#ifndef BPFAHEAD_KERNEL_TEST_H
#define BPFAHEAD_KERNEL_TEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <sys/types.h>
#include <cmocka.h>
#include <bpf/libbpf.h>

#include "bpf/abi.h"

/* Prints "1..0 # SKIP" and exits if this process may not load BPF programs. */
void need_root(void);

/* A number from the environment; the preset if unset, an error if it is none. */
unsigned long env_number(const char *name, unsigned long preset);

/* --- random numbers: one stream, seeded by SEED (printed) ----------------------------------- */

void seed_random(void);
__u64 random64(void);
__u64 random_below(__u64 n);
bool one_in(unsigned int n);
/* A 64-bit number whose size is random too: 0, ~0, 2^n and their neighbours included. */
__u64 random_magnitude(void);

/* --- models --------------------------------------------------------------------------------- */

/* The checksum of bpf/abi.h, written down a second time. */
__u64 checksum_of(const struct model *model);

/* enum model_fault of fetch and check, by the header compiled here. */
int fault_of(const struct model *model);

/* A sound model of random shape; weights as a packer makes them, or any 64-bit words. */
void random_model(struct model *model, bool any_words);

/* Changes one thing, and seals or not: often unsound afterwards, not always. */
void spoil_model(struct model *model);

/*
 * One input, one layer, weights 0: these logits whatever the features. @classes
 * ids in @class_ids, SOURCE_ bits in @sources.
 */
void constant_model(struct model *model, unsigned int sources, unsigned int classes,
		    const unsigned char *class_ids, const int *logits, __u64 generation);

/*
 * Two classes by one ratio feature: above one half the first, below the second,
 * with a margin that grows to 8.0 at the ends and is 0 at one half.
 */
void ratio_model(struct model *model, unsigned int sources, unsigned int feature,
		 unsigned char above, unsigned char below);

/* --- objects -------------------------------------------------------------------------------- */

/* Opens and loads build/NAME.bpf.o or build/tests/NAME.bpf.o; fails the test if it cannot. */
struct bpf_object *load_object(const char *name);

/* The same onto the maps of another object; NULL if the kernel refuses it, errno set. */
struct bpf_object *load_object_onto(const char *name, struct bpf_object *maps);

/* The form of the readahead layer that this kernel takes, onto the maps; NULL if neither, errno
 * set. */
struct bpf_object *load_layer(struct bpf_object *maps);

int map_fd(const struct bpf_object *object, const char *name);
int program_fd(const struct bpf_object *object, const char *name);

/* Runs a syscall program on an argument struct, which it may change. Returns its value. */
int run_program(int program, void *args, size_t size);

/* Programs of an object; each must have cost the verifier no more than this. */
#define INSNS_MAX 250000
unsigned int verified(const struct bpf_object *object);

/* An inner map for `models` filled with @model; not yet in a slot. */
int make_inner_model(const struct model *model, bool frozen);
/* Fill, freeze, one update of the outer map. */
void push_model(int models, __u32 slot, const struct model *model);

/* Sum of the per-CPU statistics. */
void sum_global_stats(int stats, struct global_stats *sum);

/* The real objects, attached, on maps of their own. */
struct attached {
	struct bpf_object *readahead, *layer;
	struct bpf_link *link[8];
	unsigned int nr_links;
};
void attach_real(struct attached *attached);
void detach_real(struct attached *attached);

/* --- a loop device under load --------------------------------------------------------------- */

struct disk {
	int fd;
	char path[32];
	char name[BDI_NAME_LEN]; /* of its bdi */
	unsigned long long bytes;
};

/* Goes away with its descriptor, also when the test is killed. */
void make_disk(struct disk *disk, unsigned int megabytes);
void remove_disk(struct disk *disk);

/* A child that reads until it is stopped; it ends with this process. */
enum load { LOAD_DIRECT_RANDOM, LOAD_CACHED_SEQUENTIAL, LOAD_CACHED_RANDOM };
pid_t start_load(const struct disk *disk, enum load load);
void stop_load(pid_t pid);

__u64 now_ns(void);

#endif
