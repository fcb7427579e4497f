// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/block_read.h"
#include "../bpf/mlp.h"
#include "../loader/defaults.h"
#include "replay.h"

#define HOPS (DEFAULT_WINDOW_NS / DEFAULT_HOP_NS)

struct replay_cpu {
	struct block_history history;
};

static struct replay_device *find_device(struct replay *r, const char *name, struct fault *why)
{
	struct replay_device *d;
	unsigned int i;

	for (i = 0; i < r->nr_devices; i++)
		if (!strcmp(r->devices[i]->name, name))
			return r->devices[i];
	if (r->nr_devices == BDI_SLOTS) {
		fault_set(why, E2BIG, "more than %d devices", BDI_SLOTS);
		return NULL;
	}
	d = calloc(1, sizeof(*d));
	if (!d) {
		fault_set(why, ENOMEM, "out of memory");
		return NULL;
	}
	memcpy(d->name, name, strnlen(name, REPLAY_NAME_LEN - 1));
	r->devices[r->nr_devices++] = d;
	return d;
}

static struct replay_cpu *find_cpu(struct replay_device *d, uint32_t cpu, struct fault *why)
{
	if (cpu >= REPLAY_CPUS_MAX) {
		fault_set(why, E2BIG, "CPU %u: more than %d", cpu, REPLAY_CPUS_MAX);
		return NULL;
	}
	if (cpu >= d->nr_cpus) {
		struct replay_cpu *cpus = reallocarray(d->cpus, cpu + 1, sizeof(*cpus));

		if (!cpus) {
			fault_set(why, ENOMEM, "out of memory");
			return NULL;
		}
		memset(cpus + d->nr_cpus, 0, (cpu + 1 - d->nr_cpus) * sizeof(*cpus));
		d->cpus = cpus;
		d->nr_cpus = cpu + 1;
	}
	return &d->cpus[cpu];
}

/* --- hops and windows ------------------------------------------------------------------------ */

static void push_boundary(struct replay_device *d, uint64_t now)
{
	d->ring_head = (d->ring_head + 1) % HOPS_MAX;
	d->ring[d->ring_head].time_ns = now;
	memcpy(d->ring[d->ring_head].total, d->total, sizeof(d->total));
	if (d->nr_hops < HOPS_MAX)
		d->nr_hops++;
}

static uint64_t boundary_time(const struct replay_device *d, unsigned int back)
{
	return d->ring[(d->ring_head + HOPS_MAX - back) % HOPS_MAX].time_ns;
}

static void part_since(const struct replay_device *d, uint64_t now, unsigned int back,
		       struct replay_part *p)
{
	unsigned int at = (d->ring_head + HOPS_MAX - back) % HOPS_MAX, i;
	struct window w = {.span_ns = now - d->ring[at].time_ns};

	for (i = 0; i < COUNTERS_MAX; i++)
		w.delta[i] = d->total[i] - d->ring[at].total[i];
	p->span_ns = w.span_ns;
	p->calls = w.delta[COUNTER_BLOCK_READS];
	p->class_id = CLASS_NONE;
	p->margin = 0;
	features_compute(&w, &p->features);
}

static void classify(const struct model *model, struct replay_part *p)
{
	struct mlp_scratch scratch;

	if (mlp_infer(model, &p->features, &scratch))
		return;
	p->class_id = scratch.class_id;
	p->margin = scratch.margin;
}

static int hop_end(struct replay *r, struct replay_device *d, uint64_t now, bool idle)
{
	struct replay_window w = {.device = d->name, .time_ns = now};
	unsigned int span, back;
	bool fresh;

	d->deadline_ns = now + DEFAULT_HOP_NS;
	if (idle || !d->nr_hops) {
		d->nr_hops = 0;
		push_boundary(d, now);
		return 0;
	}
	part_since(d, now, 0, &w.hop);
	if (w.hop.calls < HOP_MIN_CALLS && w.hop.span_ns * HOPS < DEFAULT_STRETCH_NS) {
		d->deadline_ns = now + DEFAULT_HOP_NS / 4;
		return 0;
	}
	fresh = w.hop.calls > 0;
	span = d->nr_hops < HOPS ? d->nr_hops : HOPS;
	while (span > 1 && now - boundary_time(d, span - 1) > DEFAULT_STRETCH_NS)
		span--;
	for (back = 1; back < span && w.hop.calls < DEFAULT_MIN_CALLS; back++)
		part_since(d, now, back, &w.hop);
	part_since(d, now, span - 1, &w.window);
	if (r->model && fresh && w.window.calls >= DEFAULT_MIN_CALLS) {
		classify(r->model, &w.hop);
		classify(r->model, &w.window);
	}
	d->windows++;
	if (w.window.class_id < CLASSES_MAX)
		d->class_windows[w.window.class_id]++;
	else
		d->abstained++;
	push_boundary(d, now);
	return r->emit ? r->emit(&w, r->context) : 0;
}

/* --- requests -------------------------------------------------------------------------------- */

int replay_request(struct replay *r, const struct request *q, struct fault *why)
{
	struct replay_device *d = find_device(r, q->device, why);
	uint64_t now = q->time_ns, last_seen;
	struct replay_cpu *c;
	bool idle;
	int ret;

	c = d ? find_cpu(d, q->cpu, why) : NULL;
	if (!c)
		return -ENOMEM;
	last_seen = d->last_seen_ns;
	if (now < last_seen) {
		if (last_seen - now > REPLAY_DISORDER_NS)
			return fault_set(why, EINVAL,
					 "time runs back by %.3f s: the trace is not sorted",
					 (double)(last_seen - now) * 1e-9);
		r->late++;
		now = last_seen;
	}
	d->last_seen_ns = now;
	idle = d->nr_hops && now - last_seen > DEFAULT_IDLE_NS;
	if (idle || !d->nr_hops || now >= d->deadline_ns) {
		ret = hop_end(r, d, now, idle);
		if (ret)
			return fault_set(why, -ret, "%s", strerror(-ret));
	}
	if (q->write) {
		d->total[COUNTER_BLOCK_WRITES]++;
		r->writes++;
	} else {
		account_block_read(&c->history, d->total, q->offset >> 9, q->bytes, q->readahead);
		r->reads++;
	}
	return 0;
}

void replay_free(struct replay *r)
{
	unsigned int i;

	for (i = 0; i < r->nr_devices; i++) {
		free(r->devices[i]->cpus);
		free(r->devices[i]);
	}
	memset(r, 0, sizeof(*r));
}
