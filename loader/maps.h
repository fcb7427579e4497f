/* SPDX-License-Identifier: GPL-2.0-only */
/* The pinned maps as user space sees them. */
#ifndef BPFAHEAD_MAPS_H
#define BPFAHEAD_MAPS_H

#include <stdbool.h>

#include "../bpf/abi.h"

struct maps {
#define X(name) int name;
	MAP_LIST(X)
#undef X
};

/*
 * maps_open - open every map pinned in @pin_dir and check its key and value sizes
 * @maps: descriptors, -1 where not open; call maps_close() in any case
 * @why: on failure a static or per-call string that says which map and what to do
 *
 * Returns 0, -ENOENT (nothing is loaded), -EPERM (not root), -EPROTO (pins of
 * another version), or another -errno.
 */
int maps_open(const char *pin_dir, struct maps *maps, const char **why);
void maps_close(struct maps *maps);

int maps_get_config(const struct maps *maps, struct config *config); /* 0 or -errno */
int maps_set_config(const struct maps *maps, const struct config *config);

/* Writes default config and default policy row where they are empty (abi_version 0, no row). */
int maps_fill_defaults(const struct maps *maps);

/* Effective value of a config: its fields, defaults where they are 0. */
void config_effective(const struct config *config, struct config *effective);

/* Sums the per-CPU statistics. */
int maps_global_stats(const struct maps *maps, struct global_stats *sum);

/* Calls fn for each occupied slot; stops at the first non-zero return and returns it. */
int maps_each_bdi(const struct maps *maps, int (*fn)(const struct bdi_state *, void *), void *arg);

/* The ids of all rows of the policy, DEFAULT_POLICY_ID among them; how many there are. */
unsigned int maps_policy_ids(const struct maps *maps, __u64 ids[POLICY_ROWS_MAX]);

/*
 * maps_put_row - write a row of the policy
 * @flags: BPF_ANY, BPF_NOEXIST or BPF_EXIST
 * If the map is full, rows of bdis that have left make room. So do those of bdis that no kernel
 * program knows any more, unless a person set them: what was calibrated or learned comes back when
 * the device is read again. 0 or -errno.
 */
int maps_put_row(const struct maps *maps, __u64 bdi_id, const struct policy_row *row, __u64 flags);

/* Kernel memory charged to the maps, in bytes, models included (from fdinfo). */
long long maps_memory_bytes(const struct maps *maps);

#endif
