/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Windows out of a stored block trace, as the kernel programs would have cut
 * them: bpf/readahead.bpf.c for what a request adds to which total,
 * hop_windows() of bpf/decide.bpf.h for hops and windows, with the default
 * settings; features are those of bpf/features.h itself.
 *
 * What only a live system has is left out: the clock is read for every request
 * rather than once a jiffy, and a window does not start again where two hops
 * contradict it, so that windows do not depend on the model.
 */
#ifndef BPFAHEAD_GEN_REPLAY_H
#define BPFAHEAD_GEN_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/features.h"
#include "fault.h"

#define REPLAY_NAME_LEN 64
#define REPLAY_CPUS_MAX 8192
#define REPLAY_DISORDER_NS 1000000000ULL /* requests may be late by this much */

struct request {
	char device[REPLAY_NAME_LEN];
	uint64_t time_ns;
	uint64_t offset, bytes; /* offset + bytes below 2^63 */
	uint32_t cpu;           /* 0 where the trace does not say */
	bool write, readahead;
};

struct replay_part {
	uint64_t span_ns, calls; /* calls: block reads */
	struct mlp_features features;
	int32_t margin;
	uint8_t class_id; /* CLASS_NONE: abstained, or no model */
};

struct replay_window {
	const char *device;
	uint64_t time_ns;
	struct replay_part window, hop;
};

struct replay_device {
	char name[REPLAY_NAME_LEN];
	uint64_t windows, class_windows[CLASSES_MAX], abstained;
	uint64_t last_seen_ns, deadline_ns;
	__u64 total[COUNTERS_MAX];
	struct replay_cpu *cpus;
	uint32_t nr_cpus, nr_hops, ring_head;
	struct {
		uint64_t time_ns, total[COUNTERS_MAX];
	} ring[HOPS_MAX];
};

struct replay {
	const struct model *model; /* NULL: none. Must need nothing but SOURCE_BLOCK. */
	int (*emit)(const struct replay_window *w, void *context); /* 0 or -errno */
	void *context;
	struct replay_device *devices[BDI_SLOTS];
	unsigned int nr_devices;
	uint64_t reads, writes, late;
};

/* Memory depends on devices and CPUs, not on the trace's length. 0 or -errno. */
int replay_request(struct replay *r, const struct request *q, struct fault *why);
void replay_free(struct replay *r);

#endif
