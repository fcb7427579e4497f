// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "made_up.h"

struct made_up made_up;

static int take_event(void *context, void *data, size_t size)
{
	const struct sample *s = data;
	const struct event *e = data;

	(void)context;
	if (s->reason == EVENT_SAMPLE) {
		assert_int_equal(size, sizeof(*s));
		memcpy(&made_up.sample, data, size);
		made_up.nr_samples++;
		return 0;
	}
	if (s->reason == EVENT_FILE) {
		assert_int_equal(size, sizeof(made_up.file_event));
		memcpy(&made_up.file_event, data, size);
		made_up.nr_file_events++;
		return 0;
	}
	assert_int_equal(size, sizeof(*e));
	if (e->reason == EVENT_APPEARED) {
		memcpy(&made_up.appeared, data, size);
		made_up.nr_appeared++;
		return 0;
	}
	assert_true(made_up.nr_events < MADE_UP_EVENTS);
	memcpy(&made_up.event[made_up.nr_events++], data, size);
	return 0;
}

static int take_record(void *context, void *data, size_t size)
{
	(void)context;
	assert_int_equal(size, sizeof(struct window_record));
	memcpy(&made_up.record, data, size);
	made_up.nr_records++;
	return 0;
}

void read_events(void)
{
	assert_true(ring_buffer__consume(made_up.events_ring) >= 0);
	assert_true(ring_buffer__consume(made_up.windows_ring) >= 0);
}

void forget_events(void)
{
	read_events();
	made_up.nr_events = 0;
	made_up.nr_records = made_up.nr_samples = made_up.nr_appeared = 0;
	made_up.nr_file_events = 0;
}

int made_up_setup(void **state)
{
	struct made_up *m = &made_up;
	__u32 slot = MODEL_ACTING;
	struct model none = {0};

	(void)state;
	m->object = load_object("hop");
	m->bdis = map_fd(m->object, "bdis");
	m->config = map_fd(m->object, "config");
	m->policy = map_fd(m->object, "policy");
	m->applied = map_fd(m->object, "applied");
	m->listed = map_fd(m->object, "listed");
	m->models = map_fd(m->object, "models");
	m->stats = map_fd(m->object, "stats");
	m->bdi_slots = map_fd(m->object, "bdi_slots");
	m->count = program_fd(m->object, "count");
	m->end_hop = program_fd(m->object, "end_hop");
	m->see = program_fd(m->object, "see");
	m->cpus = libbpf_num_possible_cpus();
	m->events_ring = ring_buffer__new(map_fd(m->object, "events"), take_event, NULL, NULL);
	m->windows_ring = ring_buffer__new(map_fd(m->object, "windows"), take_record, NULL, NULL);
	assert_non_null(m->events_ring);
	assert_non_null(m->windows_ring);
	m->inner = make_inner_model(&none, false);
	assert_int_equal(bpf_map_update_elem(m->models, &slot, &m->inner, BPF_ANY), 0);
	return 0;
}

int made_up_teardown(void **state)
{
	(void)state;
	close(made_up.inner);
	ring_buffer__free(made_up.events_ring);
	ring_buffer__free(made_up.windows_ring);
	bpf_object__close(made_up.object);
	return 0;
}

void set_config(const struct config *config)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(made_up.config, &zero, config, BPF_ANY), 0);
}

void set_policy(__u64 bdi_id, const struct policy_row *row)
{
	if (row)
		assert_int_equal(bpf_map_update_elem(made_up.policy, &bdi_id, row, BPF_ANY), 0);
	else
		bpf_map_delete_elem(made_up.policy, &bdi_id);
}

void set_applied(__u64 bdi_id, const struct applied *applied)
{
	if (applied)
		assert_int_equal(bpf_map_update_elem(made_up.applied, &bdi_id, applied, BPF_ANY),
				 0);
	else
		bpf_map_delete_elem(made_up.applied, &bdi_id);
}

void write_model(const struct model *model)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(made_up.inner, &zero, model, BPF_ANY), 0);
}

void get_bdi(__u32 slot, struct bdi_state *st)
{
	assert_int_equal(bpf_map_lookup_elem(made_up.bdis, &slot, st), 0);
}

void put_bdi(__u32 slot, const struct bdi_state *st)
{
	assert_int_equal(bpf_map_update_elem(made_up.bdis, &slot, st, BPF_ANY), 0);
}

void fresh_bdi(__u32 slot, __u64 bdi_id, const char *name)
{
	struct bdi_state st = {
		.bdi_id = bdi_id,
		.sysfs_ino = 1000 + bdi_id,
		.sources = SOURCES_ALL,
		.flags = BDI_FS_SEEN,
		.decided_class = CLASS_NONE,
		.candidate_class = CLASS_NONE,
		.window_class = CLASS_NONE,
		.hop_class = CLASS_NONE,
		.previous_hop_class = CLASS_NONE,
		.shadow_class = CLASS_NONE,
		.old_class = CLASS_NONE,
	};

	snprintf(st.name, sizeof(st.name), "%s", name);
	put_bdi(slot, &st);
}

void count_on(__u32 slot, __u32 cpu, __u64 bdi_id, const __u64 add[COUNTERS_MAX])
{
	struct count_args args = {.slot = slot, .cpu = cpu, .bdi_id = bdi_id};

	memcpy(args.add, add, sizeof(args.add));
	assert_int_equal(run_program(made_up.count, &args, sizeof(args)), 0);
}

void end_hop(const struct hop_args *args)
{
	struct hop_args copy = *args;

	assert_int_equal(run_program(made_up.end_hop, &copy, sizeof(copy)), 0);
}
