/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmark's programs share: figures with their spread, readers at
 * full speed, and the real objects loaded onto maps of their own. Whatever goes
 * wrong ends the program with one line on standard error.
 */
#ifndef BPFAHEAD_BENCH_H
#define BPFAHEAD_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <pthread.h>
#include <bpf/libbpf.h>

#include "bpf/abi.h"
#include "loader/maps.h"

void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* A number of the command line; ends the program if it is none or 0. */
unsigned long number(const char *text);

__u64 now_ns(void);
void sleep_ns(__u64 ns);

/*
 * figure - print one figure: "KEY n min q1 median q3 max low high"
 * @values: one per round or pair; sorted in place
 * low and high bound the median with 95 % confidence (order statistics).
 */
void figure(const char *key, double *values, size_t n);

/* A figure that has no spread. */
void figure_one(const char *key, double value);

/* --- readers: threads, the n-th bound to CPU n modulo CPUs ----------------------------------- */

#define READERS_MAX 64

enum reading {
	READ_DIRECT_RANDOM, /* 4 KB, O_DIRECT */
	READ_CACHED_RANDOM, /* 4 KB, out of the page cache, which is filled first */
	READ_SEQUENTIAL,    /* 128 KB, buffered, dropped from the cache before each pass */
};

struct reader {
	pthread_t thread;
	const int *fds; /* read in turn, so many blocks each */
	unsigned int nr_fds, burst;
	enum reading reading;
	__u64 bytes; /* of the file */
	__u64 seed;
	bool stop;
	int error;
	__u64 reads;
} __attribute__((aligned(128)));

struct readers {
	unsigned int count;
	int *fds;
	unsigned int nr_fds;
	struct reader reader[READERS_MAX];
};

void readers_start(struct readers *readers, const char *path, unsigned int count,
		   enum reading reading);

/*
 * The same of several files of one size; and from then on of the first @nr_paths of them, @burst
 * blocks of one before the next.
 */
void readers_start_spread(struct readers *readers, char *const *paths, unsigned int nr_paths,
			  unsigned int count, enum reading reading);
void readers_spread(struct readers *readers, unsigned int nr_paths, unsigned int burst);
void readers_stop(struct readers *readers);

struct speed {
	double per_second;     /* reads per second of time */
	double per_cpu_second; /* and of the readers' processor time: deaf to other tenants */
};

/* How fast the readers are over the next @ns. */
struct speed readers_speed(struct readers *readers, __u64 ns);

unsigned int cpu_count(void);

/* --- objects ---------------------------------------------------------------------------------- */

/*
 * bench_load - load an object of build/
 * @maps: the maps of this one are used wherever the names agree; NULL: its own
 */
struct bpf_object *bench_load(const char *path, struct bpf_object *maps);

int bench_program(const struct bpf_object *object, const char *name);
int bench_map(const struct bpf_object *object, const char *name);
struct bpf_link *bench_attach(const struct bpf_object *object, const char *name);

/* The real block hook on maps of its own, with default settings and the model of @weights. */
struct bpf_object *bench_readahead(const char *weights);

/* An inner map for a slot of `models`; and a model of that shape, weights by chance. */
void bench_push_model(int models, enum model_slot slot, const struct model *model);
void bench_make_model(struct model *model, unsigned int nr_inputs, unsigned int first,
		      unsigned int second, unsigned int nr_outputs);
void bench_read_model(const char *path, struct model *model);

#endif
