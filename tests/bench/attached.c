// SPDX-License-Identifier: GPL-2.0-only
/*
 * attached - what a program that reads loses while the hooks are attached
 *
 *   attached PIN_DIR DISK PID MS ROUNDS
 *
 * PIN_DIR is that of `bpfahead load`, whose links are taken away for good; its programs are
 * attached here, and what a helper does meanwhile it goes on doing. PID is a process that reads
 * DISK (loop0), and whose progress is what that disk has read, so a workload whose reads hit the
 * cache as often at any time. Slices of MS ms, four to a round: nothing attached, twice, ours, and
 * empty programs.
 *
 * Figures (bench.h), of ratios to the round's first slice with nothing, by time and by the reader's
 * time on a CPU: attached_same, attached_empty, attached_ours. Then each program by the kernel's
 * count, in a slice of its own at the end, empty programs beside: NAME_ns above the empty one,
 * NAME_per_second, and attached_share, of a CPU.
 */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#define ROUNDS_MAX 1000
#define SETTLE_NS 50000000ULL
#define HOOKS 4
#define MB_SECTORS 1953.125 /* of 512 bytes */

static const struct hook {
	const char *pin, *name, *empty;
} hooks[HOOKS] = {
	{"readahead", "block_bio_queue", "empty_bio_queue"},
	{"ra_tp", "ra_sync", "empty_sync"},
	{"ra_tp", "ra_async", "empty_async"},
	{"ra_tp", "ra_order", "empty_order"},
};

enum what { NOTHING, SAME, OURS, EMPTY, KINDS };

static int ours[HOOKS], nothing[HOOKS];
static const char *disk, *pid;

static void take_over(const char *pin_dir, const struct bpf_object *empty)
{
	char path[512];
	int i;

	for (i = 0; i < HOOKS; i++) {
		snprintf(path, sizeof(path), "%s/progs/%s/%s", pin_dir, hooks[i].pin,
			 hooks[i].name);
		ours[i] = bpf_obj_get(path);
		if (ours[i] < 0)
			die("no program at %s: %s", path, strerror(errno));
		snprintf(path, sizeof(path), "%s/links/%s/%s", pin_dir, hooks[i].pin,
			 hooks[i].name);
		if (unlink(path) && errno != ENOENT)
			die("cannot take %s away: %s", path, strerror(errno));
		nothing[i] = bench_program(empty, hooks[i].empty);
	}
}

static void attach(const int *programs, int *links)
{
	int i;

	for (i = 0; i < HOOKS; i++) {
		links[i] = bpf_raw_tracepoint_open(NULL, programs[i]);
		if (links[i] < 0)
			die("attaching %s: %s", hooks[i].name, strerror(-links[i]));
	}
}

static void detach(const int *links)
{
	int i;

	for (i = 0; i < HOOKS; i++)
		close(links[i]);
}

/* --- progress --------------------------------------------------------------------------------- */

struct mark {
	__u64 ns, cpu_ns, sectors;
};

static __u64 cpu_ns(void)
{
	struct dirent *entry;
	char path[512], line[64];
	__u64 sum = 0;
	FILE *f;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	d = opendir(path);
	if (!d)
		die("no process %s", pid);
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task/%s/schedstat", pid, entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(line, sizeof(line), f))
			sum += strtoull(line, NULL, 10);
		fclose(f);
	}
	closedir(d);
	return sum;
}

static struct mark mark(void)
{
	char path[128], line[256], *rest;
	struct mark m;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", disk);
	f = fopen(path, "re");
	if (!f || !fgets(line, sizeof(line), f))
		die("no statistics of %s", disk);
	m.ns = now_ns();
	fclose(f);
	(void)strtoull(line, &rest, 10); /* reads */
	(void)strtoull(rest, &rest, 10); /* merged */
	m.sectors = strtoull(rest, NULL, 10);
	m.cpu_ns = cpu_ns();
	return m;
}

static struct speed slice(enum what what, __u64 ns)
{
	struct mark before, after;
	struct speed speed;
	int links[HOOKS];

	if (what == OURS || what == EMPTY)
		attach(what == OURS ? ours : nothing, links);
	sleep_ns(SETTLE_NS);
	before = mark();
	sleep_ns(ns);
	after = mark();
	if (what == OURS || what == EMPTY)
		detach(links);
	if (after.sectors == before.sectors || after.cpu_ns <= before.cpu_ns)
		die("%s reads nothing from %s", pid, disk);
	speed.per_second =
		(double)(after.sectors - before.sectors) * 1e9 / (double)(after.ns - before.ns);
	speed.per_cpu_second = (double)(after.sectors - before.sectors) * 1e9 /
			       (double)(after.cpu_ns - before.cpu_ns);
	return speed;
}

/* Each slice once behind each other, and once at each place, in every four rounds. */
static const enum what orders[KINDS][KINDS] = {
	{NOTHING, OURS, EMPTY, SAME},
	{OURS, SAME, NOTHING, EMPTY},
	{SAME, EMPTY, OURS, NOTHING},
	{EMPTY, NOTHING, SAME, OURS},
};

static void compare(__u64 ns, unsigned long rounds)
{
	static const char *const names[KINDS] = {
		[SAME] = "same", [OURS] = "ours", [EMPTY] = "empty"};
	static double second[KINDS][ROUNDS_MAX], cpu[KINDS][ROUNDS_MAX];
	struct speed got[KINDS];
	unsigned long i, k;
	char key[64];

	for (i = 0; i < rounds; i++) {
		for (k = 0; k < KINDS; k++)
			got[orders[i % KINDS][k]] = slice(orders[i % KINDS][k], ns);
		for (k = SAME; k < KINDS; k++) {
			second[k][i] = got[k].per_second / got[NOTHING].per_second;
			cpu[k][i] = got[k].per_cpu_second / got[NOTHING].per_cpu_second;
		}
		second[NOTHING][i] = got[NOTHING].per_second / MB_SECTORS;
	}
	figure("attached_mbps", second[NOTHING], rounds);
	for (k = SAME; k < KINDS; k++) {
		snprintf(key, sizeof(key), "attached_%s", names[k]);
		figure(key, second[k], rounds);
		snprintf(key, sizeof(key), "attached_%s_cpu", names[k]);
		figure(key, cpu[k], rounds);
	}
}

/* --- by the kernel's count -------------------------------------------------------------------- */

static struct bpf_prog_info count_of(int program)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(program, &info, &size))
		die("no statistics: %s", strerror(errno));
	return info;
}

static void count(__u64 ns)
{
	struct bpf_prog_info before[HOOKS], empty_before[HOOKS], now, empty_now;
	int links[HOOKS], empty_links[HOOKS], i, stats;
	double each, empty_each, share = 0;
	struct mark start, end;
	char key[64];

	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (stats < 0)
		die("no run-time statistics: %s", strerror(-stats));
	attach(ours, links);
	attach(nothing, empty_links);
	sleep_ns(SETTLE_NS);
	start = mark();
	for (i = 0; i < HOOKS; i++) {
		before[i] = count_of(ours[i]);
		empty_before[i] = count_of(nothing[i]);
	}
	sleep_ns(ns);
	end = mark();
	for (i = 0; i < HOOKS; i++) {
		now = count_of(ours[i]);
		empty_now = count_of(nothing[i]);
		now.run_cnt -= before[i].run_cnt;
		now.run_time_ns -= before[i].run_time_ns;
		empty_now.run_cnt -= empty_before[i].run_cnt;
		empty_now.run_time_ns -= empty_before[i].run_time_ns;
		snprintf(key, sizeof(key), "%s_per_second", hooks[i].name);
		figure_one(key, (double)now.run_cnt * 1e9 / (double)(end.ns - start.ns));
		if (!now.run_cnt || !empty_now.run_cnt)
			continue;
		each = (double)now.run_time_ns / (double)now.run_cnt;
		empty_each = (double)empty_now.run_time_ns / (double)empty_now.run_cnt;
		snprintf(key, sizeof(key), "%s_ns", hooks[i].name);
		figure_one(key, each);
		snprintf(key, sizeof(key), "%s_empty_ns", hooks[i].name);
		figure_one(key, empty_each);
		share += (each - empty_each) * (double)now.run_cnt / (double)(end.ns - start.ns);
	}
	figure_one("attached_share", share);
	figure_one("attached_counted_mbps", (double)(end.sectors - start.sectors) / MB_SECTORS *
						    1e9 / (double)(end.ns - start.ns));
	detach(links);
	detach(empty_links);
	close(stats);
}

int main(int argc, char **argv)
{
	unsigned long ms, rounds;

	if (argc != 6)
		die("attached PIN_DIR DISK PID MS ROUNDS");
	disk = argv[2];
	pid = argv[3];
	ms = number(argv[4]);
	rounds = number(argv[5]);
	if (rounds > ROUNDS_MAX)
		die("at most %d rounds", ROUNDS_MAX);
	take_over(argv[1], bench_load("build/bench/attached.bpf.o", NULL));
	compare(ms * 1000000, rounds);
	count(2000000000);
	return 0;
}
