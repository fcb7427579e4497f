/* SPDX-License-Identifier: GPL-2.0-only */
/* A made-up bdi in the maps of hop.bpf.c, whose hops end when the test says so. */
#ifndef BPFAHEAD_MADE_UP_H
#define BPFAHEAD_MADE_UP_H

#include "kernel_test.h"
#include "hop.h"

#define MS 1000000ULL
#define MADE_UP_EVENTS 4096

struct made_up {
	struct bpf_object *object;
	struct ring_buffer *events_ring, *windows_ring;
	int bdis, config, policy, applied, listed, models, stats, bdi_slots;
	int count, end_hop, see;
	int inner; /* unfrozen map in MODEL_ACTING, for overwriting in place */
	int cpus;
	/* Events and records since the last call of forget_events(). */
	struct event event[MADE_UP_EVENTS];
	unsigned int nr_events;
	struct file_event file_event; /* the last one */
	unsigned int nr_file_events;
	struct window_record record;
	unsigned int nr_records;
	struct sample sample; /* the last one */
	unsigned int nr_samples;
	struct event appeared;
	unsigned int nr_appeared;
};

extern struct made_up made_up;

int made_up_setup(void **state); /* cmocka group setup */
int made_up_teardown(void **state);

/* What the rings hold is appended to made_up.event; an overflow fails the test. */
void read_events(void);
void forget_events(void);

void set_config(const struct config *config);
void set_policy(__u64 bdi_id, const struct policy_row *row);
void set_applied(__u64 bdi_id, const struct applied *applied); /* NULL deletes */

/* Overwrites the acting model in place, whatever it is worth. */
void write_model(const struct model *model);

/* A slot as slot_init() leaves it, with every source having spoken. */
void fresh_bdi(__u32 slot, __u64 bdi_id, const char *name);
void get_bdi(__u32 slot, struct bdi_state *st);
void put_bdi(__u32 slot, const struct bdi_state *st);

void count_on(__u32 slot, __u32 cpu, __u64 bdi_id, const __u64 add[COUNTERS_MAX]);
void end_hop(const struct hop_args *args);

#endif
