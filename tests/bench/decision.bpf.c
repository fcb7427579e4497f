// SPDX-License-Identifier: GPL-2.0-only
/*
 * One decision's arithmetic, and a window's close, many times over by test
 * run. Features and totals vary from one loop to the next.
 */
#include "../../bpf/account.bpf.h"
#include "../kernel/own_bdi.bpf.h"
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

#define TIMED(timing, one, context)                                          \
	do {                                                                 \
		__u64 began = bpf_ktime_get_ns();                            \
		(timing)->done = bpf_loop((timing)->loops, one, context, 0); \
		(timing)->ns = bpf_ktime_get_ns() - began;                   \
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
	TIMED(t, infer_one, NULL);
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
	TIMED(t, loop_one, NULL);
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
	TIMED(t, fetch_one, NULL);
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
	TIMED(t, features_one, NULL);
	return 0;
}

/* --- the end of a hop ------------------------------------------------------------------------- */

/* The made-up bdis of a run, and what each of its loops took. */
struct job {
	__u64 sum, least;
	__u64 more; /* calls of this hop, never the same number twice in a row */
	__u32 cpus, bdis, kind, slot;
};

static __always_inline struct job job_of(const struct timing *t)
{
	return (struct job){.least = ~0ULL, .cpus = t->cpus, .bdis = t->bdis, .kind = t->kind};
}

static __always_inline void note(struct job *j, __u64 began)
{
	__u64 ns = bpf_ktime_get_ns() - began;

	j->sum += ns;
	if (ns < j->least)
		j->least = ns;
}

/* Of loops that time themselves: nothing between them counts. */
#define EACH_TIMED(timing, one)                                            \
	do {                                                               \
		struct job job_ = job_of(timing);                          \
		(timing)->done = bpf_loop((timing)->loops, one, &job_, 0); \
		(timing)->ns = job_.sum;                                   \
		(timing)->least = job_.least;                              \
	} while (0)

static long nothing_one(__u64 i, struct job *j)
{
	note(j, bpf_ktime_get_ns());
	return 0;
}

/* What reading the clock costs. */
SEC("syscall")
int nothing(struct timing *t)
{
	EACH_TIMED(t, nothing_one);
	return 0;
}

static long additions_one(__u64 i, struct job *j)
{
	__u64 began = bpf_ktime_get_ns(), sum = i;

	asm volatile(".rept %1\n%0 += 1\n.endr" : "+r"(sum) : "i"(BENCH_ADDITIONS));
	note(j, began);
	return 0;
}

/* As many machine instructions as it says: is the clock one that counts them? */
SEC("syscall")
int additions(struct timing *t)
{
	EACH_TIMED(t, additions_one);
	return 0;
}

static long prepare_cpu(__u64 cpu, struct job *j)
{
	struct bdi_counters *c;
	__u32 i, slot = j->slot;

	c = bpf_map_lookup_percpu_elem(&counters, &slot, cpu);
	if (!c)
		return 1;
	for (i = 0; i < COUNTERS_MAX; i++)
		c->total[i] = 0;
	c->slot_seq = 1;
	c->bdi_id = BENCH_BDI_ID(slot);
	return 0;
}

static long prepare_one(__u64 index, struct job *j)
{
	__u64 id = BENCH_BDI_ID(index);
	struct bdi_state *st;
	__u32 slot = index, i;

	st = bpf_map_lookup_elem(&bdis, &slot);
	if (!st)
		return 1;
	st->bdi_id = id;
	st->slot_seq = 1;
	st->sysfs_ino = 1;
	st->name[0] = 'b';
	st->sources = SOURCES_ALL;
	st->nr_hops = 0;
	st->wanted_kb = 0;
	for (i = 0; i < CPU_MASK_WORDS; i++)
		st->cpu_mask[i] = j->cpus >= 64 * (i + 1) ? ~0ULL :
				  j->cpus > 64 * i        ? (1ULL << (j->cpus & 63)) - 1 :
							    0;
	st->decided_class = st->candidate_class = st->window_class = CLASS_NONE;
	st->hop_class = st->previous_hop_class = st->shadow_class = st->old_class = CLASS_NONE;
	if (bpf_map_update_elem(&bdi_slots, &id, &slot, BPF_ANY))
		return 1;
	j->slot = slot;
	return bpf_loop(j->cpus, prepare_cpu, j, 0) == j->cpus ? 0 : 1;
}

/* So many bdis that so many CPUs have touched, every source having spoken. */
SEC("syscall")
int prepare(struct timing *t)
{
	struct job j = job_of(t);

	if (bpf_loop(t->bdis, prepare_one, &j, 0) != t->bdis)
		return -1;
	t->done = t->loops;
	return 0;
}

/* A hop of one stream that goes on. */
static long count_on(__u64 cpu, struct job *j)
{
	__u32 slot = j->slot;
	struct bdi_counters *c = bpf_map_lookup_percpu_elem(&counters, &slot, cpu);
	__u64 more = j->more >> (cpu & 1);

	if (!c)
		return 1;
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
	return 0;
}

/* The bdis take turns, and their time passes by one hop a turn. */
static __noinline struct scratch *make_up(__u64 i, struct job *j)
{
	struct scratch *s = get_scratch();
	__u32 zero = 0;
	__u64 *time = bpf_map_lookup_elem(&made_up_time, &zero);

	if (!s || !time || !j->bdis)
		return NULL;
	j->slot = i % j->bdis;
	j->more = i & 31;
	if (!j->slot)
		*time += BENCH_HOP_NS;
	bpf_loop(j->cpus, count_on, j, 0);
	s->in.now_ns = *time;
	s->in.ra_pages = BENCH_RA_PAGES;
	s->in.limits_sig = 1;
	s->in.idle = 0;
	return s;
}

static long close_one(__u64 i, struct job *j)
{
	return !make_up(i, j) || hop_end(j->slot) ? 1 : 0;
}

static long close_each_one(__u64 i, struct job *j)
{
	__u64 began;

	if (!make_up(i, j))
		return 1;
	began = bpf_ktime_get_ns();
	if (hop_end(j->slot))
		return 1;
	note(j, began);
	return 0;
}

SEC("syscall")
int close_window(struct timing *t)
{
	struct scratch *s = get_scratch();
	struct job j = job_of(t);

	if (!s || __sync_val_compare_and_swap(&s->busy, 0, 1))
		return -1;
	TIMED(t, close_one, &j);
	s->busy = 0;
	return 0;
}

SEC("syscall")
int close_each(struct timing *t)
{
	struct scratch *s = get_scratch();

	if (!s || __sync_val_compare_and_swap(&s->busy, 0, 1))
		return -1;
	EACH_TIMED(t, close_each_one);
	s->busy = 0;
	return 0;
}

static long count_one(__u64 i, struct job *j)
{
	return make_up(i, j) ? 0 : 1;
}

/* What making totals up costs within close_window. */
SEC("syscall")
int count_only(struct timing *t)
{
	struct job j = job_of(t);

	TIMED(t, count_one, &j);
	return 0;
}

/* --- one event ----------------------------------------------------------------------------------
 */

/* What went before an event of the bdi, so that it takes the path asked for. Returns its id. */
static __noinline __u64 set_scene(struct job *j)
{
	__u32 slot = j->slot, other = (j->slot + 1) & (BDI_SLOTS - 1), zero = 0;
	__u64 id = BENCH_BDI_ID(slot), stranger = id + BDI_SLOTS, gone;
	struct bdi_state *st, *st_other;
	struct bdi_counters *c, *c_other;
	struct allocator *alloc;

	if (second_slot(stranger) == slot)
		stranger += BDI_SLOTS;
	if ((j->kind == BENCH_SECOND) != (other == second_slot(stranger)))
		other = j->kind == BENCH_SECOND ? second_slot(stranger) :
						  (other + 1) & (BDI_SLOTS - 1);
	gone = BENCH_BDI_ID(other);
	st = bpf_map_lookup_elem(&bdis, &slot);
	c = bpf_map_lookup_elem(&counters, &slot);
	st_other = bpf_map_lookup_elem(&bdis, &other);
	c_other = bpf_map_lookup_elem(&counters, &other);
	alloc = bpf_map_lookup_elem(&allocator, &zero);
	if (!st || !c || !st_other || !c_other || !alloc)
		return 0;
	st->last_seen_ns = bpf_ktime_get_ns();
	st->hop_deadline_ns = st_other->hop_deadline_ns = ~0ULL >> 1;
	c->due = c_other->due = bpf_jiffies64() + 1000;
	c->sources = c_other->sources = SOURCES_ALL;
	switch (j->kind) {
	case BENCH_DISPLACED: /* nor was it in its second slot before */
		slot = second_slot(stranger);
		c = bpf_map_lookup_elem(&counters, &slot);
		if (!c)
			return 0;
		if (c->bdi_id == stranger)
			c->bdi_id = 0;
		/* fall through */
	case BENCH_SECOND:
		bpf_map_delete_elem(&bdi_slots, &gone);
		st_other->bdi_id = c_other->bdi_id = stranger;
		bpf_map_update_elem(&bdi_slots, &stranger, &other, BPF_ANY);
		return stranger;
	case BENCH_TICK:
		c->due = 0;
		return id;
	case BENCH_ADOPT:
		c->bdi_id = 0;
		return id;
	case BENCH_TAKE:
		st->bdi_id = c->bdi_id = 0;
		bpf_map_delete_elem(&bdi_slots, &id);
		return id;
	case BENCH_SEARCH: /* the last slot or so, the only free one */
		slot = BDI_SLOTS - 1 - (second_slot(stranger) == BDI_SLOTS - 1);
		st = bpf_map_lookup_elem(&bdis, &slot);
		if (!st)
			return 0;
		if (st->bdi_id)
			bpf_map_delete_elem(&bdi_slots, &st->bdi_id);
		st->bdi_id = 0;
		alloc->full_jiffy = 0;
		return stranger;
	case BENCH_FULL:
		alloc->full_jiffy = 0;
		return stranger;
	case BENCH_REFUSED:
		alloc->full_jiffy = bpf_jiffies64();
		return stranger;
	default:
		return id;
	}
}

static long event_one(__u64 i, struct job *j)
{
	struct super_block *sb = own_super_block();
	struct backing_dev_info *bdi;
	struct bdi_counters *c;
	struct request_queue *q;
	__u64 id, began;

	if (!sb || !j->bdis)
		return 1;
	j->slot = i % j->bdis;
	id = set_scene(j);
	bdi = sb->s_bdi;
	if (!id || !bdi)
		return 1;
	q = sb->s_bdev->bd_disk->queue;
	began = bpf_ktime_get_ns();
	c = counters_of(id, SOURCE_BLOCK);
	if (!c)
		c = tick(bdi, q, id, SOURCE_BLOCK, 0);
	if (c)
		account_block_read(&c->history, c->total, (i + 1) << 20, 4096, 0);
	note(j, began);
	return !c == (j->kind == BENCH_FULL || j->kind == BENCH_REFUSED) ? 0 : 1;
}

/* The block hook's work on an event; the lookup of its bdi and readahead's few additions aside. */
SEC("syscall")
int event(struct timing *t)
{
	EACH_TIMED(t, event_one);
	return 0;
}
