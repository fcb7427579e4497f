// SPDX-License-Identifier: GPL-2.0-only
/*
 * hooks - what the attached programs cost those who read
 *
 *   hooks cost DEVICE WEIGHTS MS ROUNDS      time per event, by the kernel's own count
 *   hooks latency DEVICE WEIGHTS MS ROUNDS   the same with the completion hook
 *   hooks iops DEVICE WEIGHTS MS PAIRS       reads per second, slice by slice
 *   hooks bdis WEIGHTS MS ROUNDS DEVICE...   time per event with 1, 16 and all of 256 devices read
 *   hooks cached FILE WEIGHTS MS PAIRS       the same for reads that the page cache serves
 *
 * DEVICE and FILE are only read.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "loader/bdi.h"

#define ROUNDS_MAX 1000
#define SETTLE_NS 50000000ULL

static struct bpf_object *empty, *real, *latency, *layer;

/* --- is what was measured the work itself? --- */

struct seen {
	char name[BDI_NAME_LEN];
	__u64 windows, iops;
};

static int see(const struct bdi_state *st, void *arg)
{
	struct seen *seen = arg;

	if (strncmp(st->name, seen->name, BDI_NAME_LEN) != 0)
		return 0;
	seen->windows = st->stats.windows;
	seen->iops = st->features[FEATURE_IOPS];
	return 1;
}

/* A hook that returned early would be cheap: it must have counted the reads and closed windows. */
static void check_counted(const char *device)
{
	struct maps maps = {.bdis = bench_map(real, "bdis")};
	struct seen seen = {0};

	if (bdi_resolve(device, seen.name))
		die("%s has no bdi", device);
	if (maps_each_bdi(&maps, see, &seen) != 1 || !seen.windows || seen.iops < 1000)
		die("the block hook has not counted the reads of %s", device);
	figure_one("counted_windows", (double)seen.windows);
	figure_one("counted_iops", (double)seen.iops);
}

/* --- time per event --------------------------------------------------------------------------- */

struct run {
	__u64 count, ns;
};

static struct run run_of(const struct bpf_object *object, const char *name)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(bench_program(object, name), &info, &size))
		die("no statistics of %s", name);
	return (struct run){info.run_cnt, info.run_time_ns};
}

static double mean_since(const struct bpf_object *object, const char *name, struct run then)
{
	struct run now = run_of(object, name);

	if (now.count - then.count < 1000)
		die("%s ran only %llu times", name, now.count - then.count);
	return (double)(now.ns - then.ns) / (double)(now.count - then.count);
}

/* Means of a time slice. */
struct cost {
	double ours, nothing;
};

/*
 * Both programs are attached at once, so that both see the same events; which
 * comes first, and pays for the cache misses on the bio, alternates.
 */
static struct cost cost_of(unsigned long ms, bool ours_first)
{
	struct run queue, complete = {0}, empty_queue, empty_complete = {0};
	struct bpf_link *links[4];
	struct cost cost;
	int k, n = 0;

	for (k = 0; k < 2; k++) {
		bool ours_now = ours_first == !k;

		links[n++] = ours_now ? bench_attach(real, "block_bio_queue") :
					bench_attach(empty, "empty_queue");
		if (latency)
			links[n++] = ours_now ? bench_attach(latency, "block_rq_complete") :
						bench_attach(empty, "empty_complete");
	}
	sleep_ns(SETTLE_NS);
	queue = run_of(real, "block_bio_queue");
	empty_queue = run_of(empty, "empty_queue");
	if (latency) {
		complete = run_of(latency, "block_rq_complete");
		empty_complete = run_of(empty, "empty_complete");
	}
	sleep_ns(ms * 1000000);
	cost.ours = mean_since(real, "block_bio_queue", queue);
	cost.nothing = mean_since(empty, "empty_queue", empty_queue);
	if (latency) {
		cost.ours += mean_since(latency, "block_rq_complete", complete);
		cost.nothing += mean_since(empty, "empty_complete", empty_complete);
	}
	while (n)
		bpf_link__destroy(links[--n]);
	return cost;
}

static int count_run_time(void)
{
	int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (stats < 0)
		die("no run-time statistics: %s", strerror(-stats));
	return stats;
}

static void cost(const char *device, unsigned long ms, unsigned long rounds)
{
	static double ours[ROUNDS_MAX], nothing[ROUNDS_MAX], above[ROUNDS_MAX];
	int stats = count_run_time();
	struct readers readers;
	struct cost got;
	unsigned long i;

	readers_start(&readers, device, 2, READ_DIRECT_RANDOM);
	for (i = 0; i < rounds; i++) {
		got = cost_of(ms, i & 1);
		ours[i] = got.ours;
		nothing[i] = got.nothing;
		above[i] = got.ours - got.nothing;
	}
	readers_stop(&readers);
	check_counted(device);
	close(stats);
	figure(latency ? "latency_above_ns" : "cost_above_ns", above, rounds);
	figure(latency ? "latency_ours_ns" : "cost_ours_ns", ours, rounds);
	figure(latency ? "latency_empty_ns" : "cost_empty_ns", nothing, rounds);
}

/* --- speed ------------------------------------------------------------------------------------ */

enum what { NOTHING, EMPTY, OURS };

static struct speed speed_with(struct readers *readers, enum what what, __u64 ns)
{
	struct bpf_link *link[3] = {0};
	struct speed speed;
	int i;

	if (what == EMPTY)
		link[0] = bench_attach(empty, "empty_queue");
	else if (what == OURS && layer) {
		link[0] = bench_attach(layer, "ra_sync");
		link[1] = bench_attach(layer, "ra_async");
		link[2] = bench_attach(layer, "ra_order");
	} else if (what == OURS) {
		link[0] = bench_attach(real, "block_bio_queue");
	}
	sleep_ns(SETTLE_NS);
	speed = readers_speed(readers, ns);
	for (i = 0; i < 3; i++)
		bpf_link__destroy(link[i]);
	return speed;
}

struct ratios {
	double second[ROUNDS_MAX], cpu[ROUNDS_MAX];
};

static void ratio_of(struct ratios *r, unsigned long i, struct speed a, struct speed b)
{
	r->second[i] = a.per_second / b.per_second;
	r->cpu[i] = a.per_cpu_second / b.per_cpu_second;
}

/* Slices side by side, each round in the reverse order of the last: a drift cancels out. */
static void iops(const char *device, unsigned long ms, unsigned long pairs)
{
	static struct ratios empty_pairs, nothing_pairs, hook_pairs;
	static double speeds[3][ROUNDS_MAX];
	struct readers readers;
	struct speed got[3];
	unsigned long i;
	int k;

	readers_start(&readers, device, 2, READ_DIRECT_RANDOM);
	readers_speed(&readers, 500000000);
	for (i = 0; i < pairs; i++) {
		for (k = 0; k < 3; k++) {
			enum what what = i & 1 ? OURS - k : k;

			got[what] = speed_with(&readers, what, ms * 1000000);
			speeds[what][i] = got[what].per_second;
		}
		ratio_of(&empty_pairs, i, got[OURS], got[EMPTY]);
		ratio_of(&nothing_pairs, i, got[OURS], got[NOTHING]);
		ratio_of(&hook_pairs, i, got[EMPTY], got[NOTHING]);
	}
	readers_stop(&readers);
	check_counted(device);
	figure("iops_empty_ratio", empty_pairs.second, pairs);
	figure("iops_empty_cpu_ratio", empty_pairs.cpu, pairs);
	figure("iops_nothing_ratio", nothing_pairs.second, pairs);
	figure("iops_nothing_cpu_ratio", nothing_pairs.cpu, pairs);
	figure("iops_hook_cpu_ratio", hook_pairs.cpu, pairs);
	figure("iops_nothing", speeds[NOTHING], pairs);
	figure("iops_empty", speeds[EMPTY], pairs);
	figure("iops_ours", speeds[OURS], pairs);
}

/* Detached against detached (A/A) tells how large a difference means nothing. */
static void cached(const char *file, unsigned long ms, unsigned long pairs)
{
	static struct ratios same, with;
	static double speeds[ROUNDS_MAX];
	struct readers readers;
	struct speed a, b;
	unsigned long i;

	readers_start(&readers, file, 1, READ_CACHED_RANDOM);
	readers_speed(&readers, 500000000);
	for (i = 0; i < pairs; i++) {
		a = speed_with(&readers, NOTHING, ms * 1000000);
		b = speed_with(&readers, NOTHING, ms * 1000000);
		ratio_of(&same, i, i & 1 ? a : b, i & 1 ? b : a);
		a = speed_with(&readers, i & 1 ? OURS : NOTHING, ms * 1000000);
		b = speed_with(&readers, i & 1 ? NOTHING : OURS, ms * 1000000);
		ratio_of(&with, i, i & 1 ? a : b, i & 1 ? b : a);
		speeds[i] = a.per_second;
	}
	readers_stop(&readers);
	figure("cached_same_ratio", same.cpu, pairs);
	figure("cached_with_ratio", with.cpu, pairs);
	figure("cached_same_time_ratio", same.second, pairs);
	figure("cached_with_time_ratio", with.second, pairs);
	figure("cached_reads", speeds, pairs);
}

/* --- time per event, by bdis ------------------------------------------------------------------ */

/* An original is held: whoever else reads on this machine gets no slot of a device that rests. */
static int keep_slot(const struct bdi_state *st, void *arg)
{
	struct applied a = {.status = APPLIED_ACCEPTED,
			    .accepted_kb = st->ra_kb,
			    .original_kb = st->ra_kb,
			    .holds_original = 1};

	(void)arg;
	return bpf_map_update_elem(bench_map(real, "applied"), &st->bdi_id, &a, BPF_ANY);
}

struct crowd {
	unsigned int counted, home;
};

static int count_crowd(const struct bdi_state *st, void *arg)
{
	struct crowd *crowd = arg;
	__u32 slot;

	crowd->counted += st->stats.windows > 0;
	if (!bpf_map_lookup_elem(bench_map(real, "bdi_slots"), &st->bdi_id, &slot))
		crowd->home += slot == st->bdi_id % BDI_SLOTS;
	return 0;
}

static const struct spread {
	unsigned int bdis, burst;
} spreads[] = {{1, 1}, {16, 64}, {256, 64}, {16, 1}, {256, 1}};

#define NR_SPREADS (sizeof(spreads) / sizeof(spreads[0]))
#define NR_DEVICES 256

/*
 * Reads spread over devices. In bursts, as one reader or another has its turn on a CPU; and each
 * read from the next device, which finds all that belongs to it as cold as 255 others have left it.
 */
static void bdis(char *const *devices, unsigned long ms, unsigned long rounds)
{
	static double above[NR_SPREADS][ROUNDS_MAX], ratio[NR_SPREADS][ROUNDS_MAX];
	struct maps maps = {.bdis = bench_map(real, "bdis")};
	static struct ratios lost;
	struct crowd crowd = {0};
	struct readers readers;
	struct speed with[2];
	unsigned long i, k;
	struct cost got;
	char key[64];
	int stats;

	stats = count_run_time();
	readers_start_spread(&readers, devices, NR_DEVICES, 2, READ_DIRECT_RANDOM);
	cost_of(ms, true); /* all of them get their slots */
	if (maps_each_bdi(&maps, keep_slot, NULL))
		die("keeping the slots: %s", strerror(errno));
	for (i = 0; i < rounds; i++) {
		for (k = 0; k < NR_SPREADS; k++) {
			unsigned long which = (k + i) % NR_SPREADS;

			readers_spread(&readers, spreads[which].bdis, spreads[which].burst);
			got = cost_of(ms, (i / NR_SPREADS + k) & 1);
			above[which][i] = got.ours - got.nothing;
		}
		for (k = 0; k < NR_SPREADS; k++)
			ratio[k][i] = above[k][i] / above[0][i];
	}
	close(stats);
	readers_spread(&readers, NR_DEVICES, 1);
	for (i = 0; i < 2 * rounds; i++) {
		with[i & 1] = speed_with(&readers, i & 1 ? OURS : EMPTY, ms * 1000000);
		with[!(i & 1)] = speed_with(&readers, i & 1 ? EMPTY : OURS, ms * 1000000);
		ratio_of(&lost, i, with[1], with[0]);
	}
	readers_stop(&readers);
	if (maps_each_bdi(&maps, count_crowd, &crowd) || crowd.counted < NR_DEVICES)
		die("only %u of %u devices were counted", crowd.counted, NR_DEVICES);
	figure_one("bdis_home", crowd.home);
	for (k = 0; k < NR_SPREADS; k++) {
		snprintf(key, sizeof(key), "bdis_above_%u_%u_ns", spreads[k].bdis,
			 spreads[k].burst);
		figure(key, above[k], rounds);
		snprintf(key, sizeof(key), "bdis_ratio_%u_%u", spreads[k].bdis, spreads[k].burst);
		figure(key, ratio[k], rounds);
	}
	figure("bdis_cpu_ratio", lost.cpu, 2 * rounds);
}

int main(int argc, char **argv)
{
	unsigned long ms, rounds;

	if (argc == 5 + NR_DEVICES && !strcmp(argv[1], "bdis")) {
		empty = bench_load("build/bench/hooks.bpf.o", NULL);
		real = bench_readahead(argv[2]);
		ms = number(argv[3]);
		rounds = number(argv[4]);
		if (2 * rounds > ROUNDS_MAX)
			die("at most %d rounds", ROUNDS_MAX / 2);
		bdis(argv + 5, ms, rounds);
		return 0;
	}
	if (argc != 6)
		die("hooks cost|latency|iops|cached PATH WEIGHTS MS ROUNDS");
	ms = number(argv[4]);
	rounds = number(argv[5]);
	if (rounds > ROUNDS_MAX)
		die("at most %d rounds", ROUNDS_MAX);
	empty = bench_load("build/bench/hooks.bpf.o", NULL);
	real = bench_readahead(argv[3]);
	if (!strcmp(argv[1], "cost")) {
		cost(argv[2], ms, rounds);
	} else if (!strcmp(argv[1], "latency")) {
		latency = bench_load("build/latency.bpf.o", real);
		cost(argv[2], ms, rounds);
	} else if (!strcmp(argv[1], "iops")) {
		iops(argv[2], ms, rounds);
	} else if (!strcmp(argv[1], "cached")) {
		layer = bench_load("build/ra_tp.bpf.o", real);
		cached(argv[2], ms, rounds);
	} else {
		die("hooks: what is '%s'?", argv[1]);
	}
	return 0;
}
