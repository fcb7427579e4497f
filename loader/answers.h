/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the acting and the shadow model answer while a known pattern runs: their
 * own accuracy, not only how often they agree with each other.
 */
#ifndef BPFAHEAD_ANSWERS_H
#define BPFAHEAD_ANSWERS_H

#include <stdbool.h>

#include "maps.h"

struct answers {
	bool judged; /* the label names a class */
	int class_id;
	__u64 since_ns; /* earlier windows are partly of another pattern */
	unsigned long windows;
	struct {
		bool present;
		struct model_header model;
		unsigned long windows, right;
	} slot[NR_MODEL_SLOTS];
};

/* Starts to judge by @label, now. A label that names no class is no error: nothing is judged. */
void answers_start(struct answers *a, const struct maps *maps, const char *label);

/* Counts the answers for one window, right after its record came out of the ring. */
void answers_take(struct answers *a, const struct maps *maps, const struct window_record *w);

/* Prints a line per model that answered; nothing if nothing was judged. */
void answers_print(const struct answers *a, const struct maps *maps);

#endif
