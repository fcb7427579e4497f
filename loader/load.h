/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loading, pinning, attaching and taking away. Below the pin directory:
 *
 *   NAME                  each map of MAP_LIST
 *   previous              the model that acted before (weights.h)
 *   progs/OBJECT/PROGRAM  what `bpftool prog loadall` pins too
 *   links/OBJECT/PROGRAM  a pinned link keeps its program attached with no process of ours
 */
#ifndef BPFAHEAD_LOAD_H
#define BPFAHEAD_LOAD_H

#include <stdbool.h>

#include "cli.h"

/* Objects and default model inside the binary. */
struct blob {
	const void *bytes;
	size_t size;
};
struct blob embedded_model(void);

/* Name of the pin of a map, in the order of MAP_LIST; NULL behind the last. */
const char *map_pin_name(unsigned int i);

struct loaded {
	unsigned int sources;           /* enum source bits that are attached */
	const char *readahead_object;   /* "ra_tp", "ra_fentry"; NULL: block layer only */
	struct fault why_not;           /* if NULL: the reason */
	struct fault why_no_open_files; /* "" if they can follow */
};

/*
 * load_all - load every object this kernel takes onto maps pinned in @pin_dir, and attach
 * @pin_dir: exists, on bpffs, without pins; the caller holds the owner lock
 * @latency: the completion hook too
 *
 * Without the readahead layer it succeeds and says why in @loaded. Returns 0;
 * -EOPNOTSUPP: the kernel lacks something; or -errno. On failure no pin is left.
 */
int load_all(const char *pin_dir, bool latency, struct loaded *loaded, struct fault *fault);

/* Attaches or detaches the completion hook as @wanted. 0, or -EOPNOTSUPP with @fault filled. */
int load_latency(const char *pin_dir, bool wanted, struct fault *fault);

/*
 * load_per_file - load, pin and attach the object that tells files apart, or take it away, as
 * @wanted 0; -EOPNOTSUPP: there is no readahead layer; or -errno, with @fault filled.
 */
int load_per_file(const char *pin_dir, bool wanted, struct fault *fault);
bool load_has_per_file(const char *pin_dir); /* is it attached? */

/*
 * load_attach - attach every program pinned below progs/ that has no link yet
 * @attached: how many were
 * 0 or -errno; what was attached before the failure stays.
 */
int load_attach(const char *pin_dir, unsigned int *attached, struct fault *fault);

/* Sources whose objects have links. */
unsigned int load_sources(const char *pin_dir);

/* Is anything pinned below @pin_dir? A directory of empty directories holds nothing. */
bool load_is_empty(const char *pin_dir);

/*
 * load_remove - remove links, programs, maps, whatever else is pinned, and all directories
 * @keep: the pin directory itself stays (its lock with it)
 * 0 or -errno. Refuses a directory that is not on bpffs.
 */
int load_remove(const char *pin_dir, bool keep, struct fault *fault);

/*
 * load_claim - create the pin directory if need be, and take the owner lock
 * @created: whether it is new
 * Returns the lock's descriptor, -EBUSY, or -errno with @fault filled.
 */
int load_claim(const char *pin_dir, bool *created, struct fault *fault);

/* Is root, BTF and bpffs there? 0, -EPERM or -EOPNOTSUPP with @fault filled. */
int load_check(const char *pin_dir, struct fault *fault);

/*
 * A run leaves a mark beside its pins, so that pins without a lock holder are
 * told apart: those of a run that crashed, those of `bpfahead load`.
 */
int load_mark_run(const char *pin_dir);
bool load_marked_run(const char *pin_dir);

#endif
