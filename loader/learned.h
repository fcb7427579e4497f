/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was learned about devices and outlives the helper: values that did harm, and values that
 * a probe found better than the policy's. Kept by device identity and class, in a small INI file.
 */
#ifndef BPFAHEAD_LEARNED_H
#define BPFAHEAD_LEARNED_H

#include <stdbool.h>
#include <stddef.h>

#include "../bpf/abi.h"

#define LEARNED_FILE "learned.ini"
#define LEARNED_MAX 128 /* entries; the one that expires first, then the oldest, makes room */
#define DEVICES_MAX 64
#define DEVICE_ID_LEN 112 /* with what stands beside it within a line of inih, 200 */

#define HARM_FIRST_S 600ULL
#define HARM_MAX_S 86400ULL

enum learned_kind {
	LEARNED_HARM, /* kb did harm */
	LEARNED_TRIM, /* kb does better than policy_kb */
	LEARNED_PAIR, /* the same, of `objects`, which it makes look like `pages` */
};

struct learned {
	char device[DEVICE_ID_LEN]; /* "": free; without blanks */
	enum learned_kind kind;
	unsigned int class_id;
	unsigned int kb;
	unsigned int policy_kb; /* TRIM: what it replaces; another policy value ends it */
	unsigned int times;     /* HARM: in a row */
	__u64 until_s;          /* HARM: not tried again before; wall clock. TRIM: when learned */
};

/* What was done about changes of a device. */
#define LEARNED_COUNT_LIST(X)               \
	X(reverts, "changes taken back")    \
	X(harmful, "of them harm")          \
	X(cleared, "of them for nothing")   \
	X(trials, "trials of other values") \
	X(kept, "that paid")                \
	X(unjudged, "changes not judged")

/* A device's own: time watched and spent in values that were worse, for the probe's bound. */
struct learned_device {
	char device[DEVICE_ID_LEN]; /* "": free */
	__u64 watched_ms;
	__u64 worse_ms;
#define X(name, text) __u64 name;
	LEARNED_COUNT_LIST(X)
#undef X
	__u64 used; /* of learned_table.clock */
};

struct learned_table {
	struct learned entry[LEARNED_MAX];
	struct learned_device of[DEVICES_MAX];
	__u64 clock;
	bool changed; /* since it was written */
};

/* The entry of a kind, or NULL. @kb 0: any value. */
const struct learned *learned_find(const struct learned_table *t, const char *device,
				   enum learned_kind kind, unsigned int class_id, unsigned int kb);

/* Harm was done: forgotten for 10 minutes, twice as long each time in a row, a day at most. */
const struct learned *learned_harm(struct learned_table *t, const char *device,
				   unsigned int class_id, unsigned int kb, __u64 now_s);
/* Is its time not over? One that is farther off than any is of a clock that was wrong. */
bool learned_holds(const struct learned *e, __u64 now_s);
/* The best value found, of LEARNED_TRIM or _PAIR; policy_kb itself: nothing is to be remembered. */
void learned_trim(struct learned_table *t, const char *device, enum learned_kind kind,
		  unsigned int class_id, unsigned int kb, unsigned int policy_kb, __u64 now_s);
void learned_drop(struct learned_table *t, const struct learned *entry);

/* NULL: nothing is known of it. */
const struct learned_device *learned_find_device(const struct learned_table *t, const char *device);

/* The device's own, new if need be; never NULL. */
struct learned_device *learned_device(struct learned_table *t, const char *device);

/* The name of a bdi's device here: what a calibrated row knows it by (device_rows.h), else @name.
 */
void learned_name(const char *name, const __u8 *fs_uuid, char device[DEVICE_ID_LEN]);

/* 0 or -errno; a file that is not there is an empty one, a line not understood is left out. */
int learned_load(struct learned_table *t, const char *state_dir);
/* Replaces the file by a rename. 0 or -errno; then `changed` stays. */
int learned_save(struct learned_table *t, const char *state_dir);

#endif
