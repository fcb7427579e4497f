// SPDX-License-Identifier: GPL-2.0-only
/*
 * decision - what one decision's arithmetic and a window's close cost
 *
 *   decision infer LOOPS ROUNDS           two shapes, in the kernel and natively, in turn
 *   decision model WEIGHTS LOOPS ROUNDS   the inference of this model alone, likewise
 *   decision close WEIGHTS LOOPS ROUNDS   the end of a hop that two CPUs have touched
 *   decision scale WEIGHTS                that and single events, by CPUs and bdis
 *
 * Values are nanoseconds per loop; in a guest whose clock counts instructions, instructions. The
 * native side is the same header, compiled into this program by gcc -O2 (the Makefile's CFLAGS).
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <bpf/bpf.h>

#include "bpf/mlp.h"
#include "decision.h"

#define ROUNDS_MAX 1000

static struct bpf_object *object;

static void run(const char *program, struct timing *timing)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = timing, .ctx_size_in = sizeof(*timing));
	int err = bpf_prog_test_run_opts(bench_program(object, program), &opts);

	if (err || opts.retval)
		die("%s: test run %d, returned %d", program, err, (int)opts.retval);
	if (timing->done != timing->loops)
		die("%s: %u of %u loops", program, timing->done, timing->loops);
}

/* Nanoseconds per loop, with one bdi that two CPUs have touched. */
static double in_kernel(const char *program, unsigned long loops)
{
	struct timing timing = {.loops = (__u32)loops, .cpus = 2, .bdis = 1};

	run(program, &timing);
	return (double)timing.ns / (double)loops;
}

/* Of this thread: the native side can be preempted, a program in the kernel hardly ever is. */
static __u64 cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (__u64)t.tv_sec * 1000000000ULL + (__u64)t.tv_nsec;
}

/* --- arithmetic ------------------------------------------------------------------------------- */

__attribute__((noinline)) static int
native_infer(const struct model *m, const struct mlp_features *f, struct mlp_scratch *s)
{
	return mlp_infer(m, f, s);
}

__attribute__((noinline)) static int native_features(const struct window *w, struct mlp_features *f)
{
	return features_compute(w, f);
}

__attribute__((noinline)) static int native_fetch(const struct model *from, struct model *to)
{
	return model_fetch(from, to) ? -1 : model_check(to);
}

static double time_infer(const struct model *model, unsigned long loops)
{
	struct mlp_features f = {{0}};
	struct mlp_scratch s;
	__u64 began = cpu_ns();
	unsigned long i;

	for (i = 0; i < loops; i++) {
		f.value[i & 15] += i;
		if (native_infer(model, &f, &s))
			die("native inference failed");
	}
	return (double)(cpu_ns() - began) / (double)loops;
}

static double time_features(unsigned long loops)
{
	struct window w = {.span_ns = BENCH_HOP_NS, .ra_pages = BENCH_RA_PAGES};
	struct mlp_features f;
	unsigned long i;
	__u64 began;

	for (i = 0; i < COUNTERS_MAX; i++)
		w.delta[i] = 1000;
	began = cpu_ns();
	for (i = 0; i < loops; i++) {
		w.span_ns += 1000;
		w.delta[i & 15] += i & 1023;
		if (native_features(&w, &f))
			die("native features failed");
	}
	return (double)(cpu_ns() - began) / (double)loops;
}

static double time_fetch(const struct model *model, unsigned long loops)
{
	static struct model copy;
	unsigned long i;
	__u64 began = cpu_ns();

	for (i = 0; i < loops; i++)
		if (native_fetch(model, &copy))
			die("native fetch failed");
	return (double)(cpu_ns() - began) / (double)loops;
}

struct series {
	double kernel[ROUNDS_MAX], native[ROUNDS_MAX], ratio[ROUNDS_MAX];
};

static void add(struct series *s, unsigned long i, double kernel, double native)
{
	s->kernel[i] = kernel;
	s->native[i] = native;
	s->ratio[i] = kernel / native;
}

static void print(struct series *s, const char *name, unsigned long rounds)
{
	char key[64];

	snprintf(key, sizeof(key), "%s_kernel_ns", name);
	figure(key, s->kernel, rounds);
	snprintf(key, sizeof(key), "%s_native_ns", name);
	figure(key, s->native, rounds);
	snprintf(key, sizeof(key), "%s_ratio", name);
	figure(key, s->ratio, rounds);
}

static void put_model(const struct model *model)
{
	__u32 zero = 0;

	if (bpf_map_update_elem(bench_map(object, "live"), &zero, model, BPF_ANY))
		die("the model's map: %s", strerror(errno));
}

static void infer_model(const char *weights, unsigned long loops, unsigned long rounds)
{
	static struct series inference;
	struct model model;
	unsigned long i;

	bench_read_model(weights, &model);
	put_model(&model);
	for (i = 0; i < rounds; i++) {
		double loop = in_kernel("loop", loops);

		add(&inference, i, in_kernel("infer", loops) - loop, time_infer(&model, loops));
	}
	print(&inference, "infer_model", rounds);
}

static void infer(unsigned long loops, unsigned long rounds)
{
	static const struct {
		const char *name;
		unsigned int nr_inputs, first, second, nr_outputs;
	} shapes[] = {{"classic", 5, 32, 16, 3}, {"limits", 16, 32, 32, 8}};
	static struct series inference, fetching, computing;
	static double loop[ROUNDS_MAX];
	unsigned long i;
	char key[64];
	size_t k;

	for (k = 0; k < 2; k++) {
		struct model model;

		bench_make_model(&model, shapes[k].nr_inputs, shapes[k].first, shapes[k].second,
				 shapes[k].nr_outputs);
		put_model(&model);
		for (i = 0; i < rounds; i++) {
			/* bpf_loop(), its callback and a look-up are the benchmark's, not ours. */
			loop[i] = in_kernel("loop", loops);
			add(&inference, i, in_kernel("infer", loops) - loop[i],
			    time_infer(&model, loops));
			add(&fetching, i, in_kernel("fetch", loops) - loop[i],
			    time_fetch(&model, loops));
			if (!k) {
				add(&computing, i, in_kernel("features", loops) - loop[i],
				    time_features(loops));
			}
		}
		snprintf(key, sizeof(key), "infer_%s", shapes[k].name);
		print(&inference, key, rounds);
		snprintf(key, sizeof(key), "fetch_%s", shapes[k].name);
		print(&fetching, key, rounds);
	}
	print(&computing, "features", rounds);
	figure("loop_ns", loop, rounds);
}

/* --- the end of a hop ------------------------------------------------------------------------- */

static void get_state(__u32 slot, struct bdi_state *st)
{
	if (bpf_map_lookup_elem(bench_map(object, "bdis"), &slot, st))
		die("the made-up bdi: %s", strerror(errno));
}

/* As the helper answers what has been decided so far: from now on no event is due. */
static void answer(__u32 slot)
{
	struct applied a = {.status = APPLIED_ACCEPTED};
	__u64 id = BENCH_BDI_ID(slot);
	struct bdi_state st;

	get_state(slot, &st);
	if (st.decided_class == CLASS_NONE)
		die("the made-up hops lead to no decision");
	a.decision_seq = st.decision_seq;
	a.accepted_kb = a.original_kb = st.ra_kb;
	if (bpf_map_update_elem(bench_map(object, "applied"), &id, &a, BPF_ANY))
		die("answering: %s", strerror(errno));
}

/* Has every hop since been evaluated, and no event sent? */
static void check_windows(const struct bdi_state *before, const struct bdi_state *after,
			  __u64 windows)
{
	if (after->stats.windows - before->stats.windows != windows ||
	    after->stats.abstained != before->stats.abstained ||
	    after->stats.no_model != before->stats.no_model ||
	    after->stats.events != before->stats.events)
		die("not every window was evaluated, or events went out");
}

static void close_rounds(const char *key, bool shadow, unsigned long loops, unsigned long rounds)
{
	static double ns[ROUNDS_MAX], counting[ROUNDS_MAX];
	struct bdi_state before, after;
	__u64 windows = loops * rounds;
	unsigned long i;

	in_kernel("close_window", 40);
	answer(0);
	get_state(0, &before);
	for (i = 0; i < rounds; i++) {
		/* Making the totals up is the benchmark's, not ours. */
		counting[i] = in_kernel("count_only", loops);
		ns[i] = in_kernel("close_window", loops) - counting[i];
	}
	get_state(0, &after);
	check_windows(&before, &after, windows);
	if (after.stats.shadow_windows - before.stats.shadow_windows != (shadow ? windows : 0))
		die("the shadow model was not asked as it should");
	figure(key, ns, rounds);
	if (!shadow)
		figure("close_counting_ns", counting, rounds);
}

/* Settings under which the made-up hops lead to decisions; returns where models go. */
static int prepare_settings(void)
{
	struct config config = {.abi_version = BPFAHEAD_ABI_VERSION,
				.mode = MODE_ACT,
				.hop_ns = BENCH_HOP_NS,
				.window_ns = 5 * BENCH_HOP_NS,
				.margin = 1,
				.scope = SCOPE_ALL};
	struct policy_row row = {.ra_kb = {0}};
	__u64 policy_id = DEFAULT_POLICY_ID;
	unsigned long i;
	__u32 zero = 0;

	for (i = 0; i < CLASSES_MAX; i++)
		row.ra_kb[i] = BENCH_RA_PAGES * 4;
	if (bpf_map_update_elem(bench_map(object, "config"), &zero, &config, BPF_ANY) ||
	    bpf_map_update_elem(bench_map(object, "policy"), &policy_id, &row, BPF_ANY))
		die("settings: %s", strerror(errno));
	return bench_map(object, "models");
}

static void close_window(const char *weights, unsigned long loops, unsigned long rounds)
{
	int models = prepare_settings();
	struct model model, big;

	bench_read_model(weights, &model);
	bench_push_model(models, MODEL_ACTING, &model);
	in_kernel("prepare", 1);
	close_rounds("close_ns", false, loops, rounds);
	bench_push_model(models, MODEL_SHADOW, &model);
	close_rounds("close_shadow_ns", true, loops, rounds);
	bench_make_model(&big, MODEL_INPUTS_MAX, MODEL_HIDDEN_MAX, MODEL_HIDDEN_MAX,
			 MODEL_OUTPUTS_MAX - 1);
	bench_push_model(models, MODEL_ACTING, &big);
	bench_push_model(models, MODEL_SHADOW, &big);
	close_rounds("close_limits_ns", true, loops, rounds);
}

/* --- by CPUs and bdis ------------------------------------------------------------------------- */

#define HOPS_TO_DECIDE 40
#define HOPS_TIMED 8
#define EVENTS_TIMED 2048

/* The least that one loop took: interrupts fall into few of them. */
static double least(const char *program, __u32 loops, __u32 cpus, __u32 bdis, __u32 kind)
{
	struct timing t = {.loops = loops, .cpus = cpus, .bdis = bdis, .kind = kind};

	run(program, &t);
	return (double)t.least;
}

static double clock_cost;

static void print_close(__u32 cpus, __u32 bdis)
{
	static struct bdi_state before[BDI_SLOTS];
	struct bdi_state after;
	char key[64];
	double value;
	__u32 slot;

	least("prepare", 1, cpus, bdis, 0);
	least("close_each", HOPS_TO_DECIDE * bdis, cpus, bdis, 0);
	for (slot = 0; slot < bdis; slot++) {
		answer(slot);
		get_state(slot, &before[slot]);
	}
	value = least("close_each", HOPS_TIMED * bdis, cpus, bdis, 0);
	for (slot = 0; slot < bdis; slot++) {
		get_state(slot, &after);
		check_windows(&before[slot], &after, HOPS_TIMED);
	}
	snprintf(key, sizeof(key), "scale_close_%u_%u", cpus, bdis);
	figure_one(key, value - clock_cost);
}

/* Nobody may make room: each bdi holds an original. */
static void hold_originals(void)
{
	struct applied a = {.status = APPLIED_ACCEPTED, .holds_original = 1};
	__u32 slot;

	for (slot = 0; slot < BDI_SLOTS; slot++) {
		__u64 id = BENCH_BDI_ID(slot);

		if (bpf_map_update_elem(bench_map(object, "applied"), &id, &a, BPF_ANY))
			die("holding an original: %s", strerror(errno));
	}
}

static void print_event(const char *name, enum event_kind kind, __u32 bdis)
{
	/* A crowd is there in any case where there has to be one. */
	__u32 crowd = kind >= BENCH_SEARCH ? BDI_SLOTS : bdis;
	int slots = bench_map(object, "bdi_slots");
	char key[64];
	__u64 id;

	while (!bpf_map_get_next_key(slots, NULL, &id))
		bpf_map_delete_elem(slots, &id);
	least("prepare", 1, 1, crowd, 0);
	if (kind >= BENCH_SEARCH)
		hold_originals();
	least("event", bdis, 1, bdis, kind); /* from now on each follows another */
	snprintf(key, sizeof(key), "scale_%s_%u", name, bdis);
	figure_one(key, least("event", EVENTS_TIMED, 1, bdis, kind) - clock_cost);
}

static void scale(const char *weights)
{
	static const __u32 all_bdis[] = {1, 16, 256};
	__u32 possible = (__u32)libbpf_num_possible_cpus(), cpus;
	struct model model;
	size_t k;

	bench_read_model(weights, &model);
	bench_push_model(prepare_settings(), MODEL_ACTING, &model);
	clock_cost = least("nothing", EVENTS_TIMED, 0, 0, 0);
	figure_one("scale_clock", clock_cost);
	figure_one("scale_addition",
		   (least("additions", EVENTS_TIMED, 0, 0, 0) - clock_cost) / BENCH_ADDITIONS);
	figure_one("scale_cpus", possible);
	for (k = 0; k < sizeof(all_bdis) / sizeof(*all_bdis); k++) {
		__u32 bdis = all_bdis[k];

		for (cpus = 1; cpus <= possible; cpus *= cpus == 2 ? 4 : cpus == 8 ? 8 : 2)
			print_close(cpus, bdis);
		print_event("fast", BENCH_FAST, bdis);
		print_event("second", BENCH_SECOND, bdis);
		print_event("displaced", BENCH_DISPLACED, bdis);
		print_event("tick", BENCH_TICK, bdis);
		print_event("adopt", BENCH_ADOPT, bdis);
		print_event("take", BENCH_TAKE, bdis);
	}
	print_event("search", BENCH_SEARCH, BDI_SLOTS / 2);
	print_event("full", BENCH_FULL, BDI_SLOTS / 2);
	print_event("refused", BENCH_REFUSED, BDI_SLOTS / 2);
}

int main(int argc, char **argv)
{
	unsigned long loops, rounds;

	if (argc == 3 && !strcmp(argv[1], "scale")) {
		object = bench_load("build/bench/decision.bpf.o", NULL);
		scale(argv[2]);
		return 0;
	}
	if (argc < 4 || (strcmp(argv[1], "infer") != 0 && argc != 5))
		die("decision infer LOOPS ROUNDS | decision model|close WEIGHTS LOOPS ROUNDS | "
		    "decision scale WEIGHTS");
	loops = number(argv[argc - 2]);
	rounds = number(argv[argc - 1]);
	if (rounds > ROUNDS_MAX)
		die("at most %d rounds", ROUNDS_MAX);
	object = bench_load("build/bench/decision.bpf.o", NULL);
	if (!strcmp(argv[1], "infer"))
		infer(loops, rounds);
	else if (!strcmp(argv[1], "model"))
		infer_model(argv[2], loops, rounds);
	else if (!strcmp(argv[1], "close"))
		close_window(argv[2], loops, rounds);
	else
		die("decision: what is '%s'?", argv[1]);
	return 0;
}
