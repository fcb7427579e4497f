/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Default configuration and policy: the one place where they stand. The
 * kernel programs include it for fields of `config` that are 0, user space
 * writes it into the maps where they are empty.
 */
#ifndef BPFAHEAD_DEFAULTS_H
#define BPFAHEAD_DEFAULTS_H

#include "../bpf/abi.h"

#define DEFAULT_MODE MODE_ACT
#define DEFAULT_HOP_NS 500000000ULL
#define DEFAULT_WINDOW_NS 2500000000ULL
#define DEFAULT_STRETCH_NS 10000000000ULL
#define DEFAULT_IDLE_NS 5000000000ULL
#define DEFAULT_DWELL_NS 2000000000ULL
#define DEFAULT_MARGIN (LOGIT_ONE / 2)
#define DEFAULT_CONFIRM 3
#define DEFAULT_MIN_CALLS 8
#define HOP_MIN_CALLS 2 /* a hop with fewer lasts longer, up to its share of the stretch */
#define DEFAULT_FLOOR_KB RA_KB_HARD_MIN
#define DEFAULT_CAP_KB 8192
#define DEFAULT_SAMPLE_NS 10000000000ULL
#define DEFAULT_OPEN_FILES SWITCH_ON
#define DEFAULT_GUARD SWITCH_ON
#define DEFAULT_PROBE SWITCH_OFF
#define DEFAULT_PER_FILE SWITCH_OFF

/*
 * class, KB, clamp: the starting point until `calibrate` has measured the device, by the sweep in
 * weights/data/metadata.csv.gz. An mmap read-around shows only what reaches beyond a quarter of it
 * (gen/build-data.sh): 64 KB, the best for objects of 16 to 64 KB on every device measured, make
 * pages of the smaller ones. So `objects` is not given up for `pages` at once (bpf/decide.bpf.h).
 */
#define DEFAULT_POLICY_LIST(X)                \
	X(SEQUENTIAL, 256, CLAMP_NEVER_LOWER) \
	X(RANDOM, 16, CLAMP_NEVER_RAISE)      \
	X(MIXED, 256, CLAMP_NONE)             \
	X(LONG_RUNS, 64, CLAMP_NONE)          \
	X(SHORT_RUNS, 256, CLAMP_NONE)        \
	X(OBJECTS, 64, CLAMP_NEVER_RAISE)     \
	X(PAGES, 16, CLAMP_NEVER_RAISE)       \
	X(SMALL_FILES, 2048, CLAMP_NEVER_LOWER)

#endif
