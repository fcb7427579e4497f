// SPDX-License-Identifier: GPL-2.0-only
/*
 * One decision's arithmetic, and a window's close, many times over by test
 * run. Features and totals vary from one loop to the next.
 */
#include "../../bpf/account.bpf.h"
#include "decision.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct model);
} live SEC(".maps");

/* The time of the made-up bdi: it passes by one hop a loop. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} made_up_time SEC(".maps");

static __always_inline struct scratch *get_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

static __always_inline struct model *get_live(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&live, &zero);
}

#define TIMED(timing, one)                                                \
	do {                                                              \
		__u64 began = bpf_ktime_get_ns();                         \
		(timing)->done = bpf_loop((timing)->loops, one, NULL, 0); \
		(timing)->ns = bpf_ktime_get_ns() - began;                \
	} while (0)

static long infer_one(__u64 i, void *context)
{
	struct scratch *s = get_scratch();

	if (!s)
		return 1;
	s->window.f.value[i & 15] += i;
	return mlp_infer(&s->model, &s->window.f, &s->mlp) ? 1 : 0;
}

SEC("syscall")
int infer(struct timing *t)
{
	struct scratch *s = get_scratch();
	struct model *m = get_live();
	__u32 i;

	if (!s || !m || model_fetch(m, &s->model) || model_check(&s->model))
		return -1;
	for (i = 0; i < FEATURES_MAX; i++)
		s->window.f.value[i] = 0;
	TIMED(t, infer_one);
	return 0;
}

static long loop_one(__u64 i, void *context)
{
	struct scratch *s = get_scratch();

	if (!s)
		return 1;
	s->window.f.value[i & 15] += i;
	return 0;
}

/* What the loop itself costs. */
SEC("syscall")
int loop(struct timing *t)
{
	TIMED(t, loop_one);
	return 0;
}

static long fetch_one(__u64 i, void *context)
{
	struct scratch *s = get_scratch();
	struct model *m = get_live();

	return !s || !m || model_fetch(m, &s->model) || model_check(&s->model) ? 1 : 0;
}

SEC("syscall")
int fetch(struct timing *t)
{
	TIMED(t, fetch_one);
	return 0;
}

static long features_one(__u64 i, void *context)
{
	struct scratch *s = get_scratch();

	if (!s)
		return 1;
	s->window.w.span_ns += 1000;
	s->window.w.delta[i & 15] += i & 1023;
	return features_compute(&s->window.w, &s->window.f) ? 1 : 0;
}

SEC("syscall")
int features(struct timing *t)
{
	struct scratch *s = get_scratch();
	__u32 i;

	if (!s)
		return -1;
	s->window.w.span_ns = BENCH_HOP_NS;
	s->window.w.ra_pages = BENCH_RA_PAGES;
	for (i = 0; i < COUNTERS_MAX; i++)
		s->window.w.delta[i] = 1000;
	TIMED(t, features_one);
	return 0;
}

/* --- the end of a hop ------------------------------------------------------------------------- */

/* A bdi that two CPUs have touched, every source having spoken. */
SEC("syscall")
int prepare(struct timing *t)
{
	__u32 slot = BENCH_SLOT, cpu, i;
	struct bdi_counters *c;
	struct bdi_state *st;

	st = bpf_map_lookup_elem(&bdis, &slot);
	if (!st)
		return -1;
	st->bdi_id = BENCH_BDI_ID;
	st->slot_seq = 1;
	st->sysfs_ino = 1;
	st->name[0] = 'b';
	st->sources = SOURCES_ALL;
	st->cpu_mask[0] = 3;
	st->decided_class = st->candidate_class = st->window_class = CLASS_NONE;
	st->hop_class = st->previous_hop_class = st->shadow_class = st->old_class = CLASS_NONE;
	for (cpu = 0; cpu < 2; cpu++) {
		c = bpf_map_lookup_percpu_elem(&counters, &slot, cpu);
		if (!c)
			return -1;
		for (i = 0; i < COUNTERS_MAX; i++)
			c->total[i] = 0;
		c->slot_seq = 1;
		c->bdi_id = BENCH_BDI_ID;
	}
	t->done = t->loops;
	return 0;
}

/* A hop of one stream that goes on, never the same number of calls twice in a row. */
static __always_inline void count_on(__u32 slot, __u32 cpu, __u64 more)
{
	struct bdi_counters *c = bpf_map_lookup_percpu_elem(&counters, &slot, cpu);

	if (!c)
		return;
	c->total[COUNTER_BLOCK_READS] += 200 + more;
	c->total[COUNTER_BLOCK_READ_BYTES] += (200 + more) << 17;
	c->total[COUNTER_BLOCK_CONTINUED] += 190 + more;
	c->total[COUNTER_BLOCK_RAHEAD_READS] += 198 + more;
	c->total[COUNTER_SYNC_CALLS] += 1;
	c->total[COUNTER_SYNC_PAGES] += 32;
	c->total[COUNTER_ASYNC_CALLS] += 199 + more;
	c->total[COUNTER_ASYNC_PAGES] += (199 + more) << 5;
	c->total[COUNTER_ORDER_CALLS] += 200 + more;
	c->total[COUNTER_ORDER_PAGES] += (200 + more) << 5;
	c->total[COUNTER_ORDER_RA_PAGES] += (200 + more) << 5;
}

static long close_one(__u64 i, void *context)
{
	struct scratch *s = get_scratch();
	__u32 slot = BENCH_SLOT, zero = 0;
	__u64 *time = bpf_map_lookup_elem(&made_up_time, &zero);

	if (!s || !time)
		return 1;
	count_on(slot, 0, i & 31);
	count_on(slot, 1, i & 15);
	*time += BENCH_HOP_NS;
	s->in.now_ns = *time;
	s->in.ra_pages = BENCH_RA_PAGES;
	s->in.limits_sig = 1;
	s->in.idle = 0;
	return hop_end(slot) ? 1 : 0;
}

SEC("syscall")
int close_window(struct timing *t)
{
	struct scratch *s = get_scratch();

	if (!s || __sync_val_compare_and_swap(&s->busy, 0, 1))
		return -1;
	TIMED(t, close_one);
	s->busy = 0;
	return 0;
}

static long count_one(__u64 i, void *context)
{
	__u32 zero = 0;
	__u64 *time = bpf_map_lookup_elem(&made_up_time, &zero);

	if (!time)
		return 1;
	count_on(BENCH_SLOT, 0, i & 31);
	count_on(BENCH_SLOT, 1, i & 15);
	return 0;
}

/* What making totals up costs within close_window. */
SEC("syscall")
int count_only(struct timing *t)
{
	TIMED(t, count_one);
	return 0;
}
