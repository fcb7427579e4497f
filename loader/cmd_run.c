// SPDX-License-Identifier: GPL-2.0-only
/* run: load, decide, apply, and undo everything at the end */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "apply.h"
#include "bdi.h"
#include "device_rows.h"
#include "follower.h"
#include "history.h"
#include "load.h"
#include "names.h"
#include "per_file.h"
#include "start.h"
#include "steer.h"

struct run {
	bool dry_run;
	bool no_history;
	const char *weights;
	char devices[BDI_SLOTS][BDI_NAME_LEN];
	unsigned int nr_devices;
	bool colour;
};

enum { KEY_DRY_RUN = 'n', KEY_DEVICE = 'd', KEY_WEIGHTS = 'w', KEY_NO_HISTORY = 0x200 };

static const struct argp_option options[] = {
	{"dry-run", KEY_DRY_RUN, NULL, 0, "Decide and say so, write nothing", 1},
	{"device", KEY_DEVICE, "DEVICE", 0,
	 "Only this one (repeat for more): sda, /dev/sda1, 8:0, a mount point", 1},
	{"weights", KEY_WEIGHTS, "FILE", 0, "Act by this model instead of the built-in one", 1},
	{"no-history", KEY_NO_HISTORY, NULL, 0, "Write nothing for 'bpfahead report'", 1},
	{0},
};

static int add_device(struct run *run, const char *device)
{
	int status;

	if (run->nr_devices == BDI_SLOTS)
		return fail(EXIT_FAILURE, "more than %d devices", BDI_SLOTS);
	status = need_device(device, run->devices[run->nr_devices]);
	if (status)
		return status;
	run->nr_devices++;
	return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct run *run = state->input;
	int status;

	switch (key) {
	case KEY_DRY_RUN:
		run->dry_run = true;
		return 0;
	case KEY_DEVICE:
		status = add_device(run, argument);
		if (status)
			exit(status);
		return 0;
	case KEY_WEIGHTS:
		run->weights = argument;
		return 0;
	case KEY_NO_HISTORY:
		run->no_history = true;
		return 0;
	}
	return cli_no_arguments(key, argument, state);
}

static int list_devices(const struct maps *maps, char (*names)[BDI_NAME_LEN], unsigned int count)
{
	const __u32 one = 1;
	unsigned int i;

	for (i = 0; i < count; i++)
		if (bpf_map_update_elem(maps->listed, names[i], &one, BPF_ANY))
			return fail(EXIT_FAILURE, "cannot list device %s: %s", names[i],
				    strerror(errno));
	return 0;
}

/* Without --device: what mounted file systems use now; the kernel adds later ones by itself. */
static int list_mounted(const struct maps *maps)
{
	char names[BDI_SLOTS][BDI_NAME_LEN];
	int count = bdi_mounted(names, BDI_SLOTS);

	if (count < 0)
		return fail(EXIT_FAILURE, "cannot read the mounted file systems: %s",
			    strerror(-count));
	return list_devices(maps, names, (unsigned int)count);
}

static int configure(const struct maps *maps, void *arg)
{
	struct config config;
	struct run *run = arg;
	int err, status;

	status = run->nr_devices ? list_devices(maps, run->devices, run->nr_devices) :
				   list_mounted(maps);
	if (status)
		return status;
	err = maps_fill_defaults(maps);
	if (!err)
		err = maps_get_config(maps, &config);
	if (err)
		return fail(EXIT_FAILURE, "cannot read the configuration: %s", strerror(-err));
	config.mode = run->dry_run ? MODE_RECOMMEND : MODE_ACT;
	config.scope = run->nr_devices ? SCOPE_LISTED : SCOPE_MOUNTED;
	err = maps_set_config(maps, &config);
	return err ? fail(EXIT_FAILURE, "cannot write the configuration: %s", strerror(-err)) : 0;
}

static void print_time(void)
{
	struct timespec now;
	struct tm local;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	printf("%02d:%02d:%02d.%03ld", local.tm_hour, local.tm_min, local.tm_sec,
	       now.tv_nsec / 1000000);
}

static void print_outcome(const char *name, const struct apply_report *report)
{
	switch (report->outcome) {
	case APPLY_WRITTEN:
		printf("%u -> %u KB", report->from_kb, report->to_kb);
		break;
	case APPLY_NOOP:
		printf("%u KB already", report->to_kb);
		break;
	case APPLY_RECOMMENDED:
		if (report->from_kb == report->to_kb)
			printf("%u KB would stay", report->to_kb);
		else
			printf("would set %u -> %u KB", report->from_kb, report->to_kb);
		break;
	case APPLY_REASSERTED:
		printf("the kernel had reset it: %u -> %u KB", report->from_kb, report->to_kb);
		break;
	case APPLY_STOOD_BACK:
		printf("somebody set %u KB: left alone until 'bpfahead config resume=%s'",
		       report->to_kb, name);
		break;
	case APPLY_REFUSED:
		printf("cannot set %u KB: %s", report->to_kb, strerror(report->error));
		break;
	case APPLY_GONE:
		fputs("the device has left", stdout);
		break;
	case APPLY_DROPPED:
		fputs("nothing to be done", stdout);
		break;
	case APPLY_STALE:
	case NR_APPLY_OUTCOMES:
		fputs("out of date", stdout);
		break;
	}
}

static void print_inputs(const struct event *event)
{
	unsigned int i;
	char text[48];

	for (i = 0; i < event->nr_inputs && i < MODEL_INPUTS_MAX; i++) {
		unsigned int id = event->input_feature[i];
		const char *name = feature_name(id);

		if (!name || id >= FEATURES_MAX)
			continue;
		printf("  %s %s", name, feature_text(id, event->features[id], text, sizeof(text)));
	}
}

/* time, device, class, KB, margin, the inputs that decided */
static void print_event(const struct event *event, const struct apply_report *report, void *arg)
{
	const char *bold = "", *plain = "";
	char device[BDI_NAME_LEN + 64], old_class[32], name[BDI_NAME_LEN];
	struct run *run = arg;

	if ((report->outcome == APPLY_STALE || report->outcome == APPLY_DROPPED) && !cli.verbose)
		return;
	if (run->colour) {
		bold = report->outcome == APPLY_REFUSED ? "\033[1;31m" : "\033[1m";
		plain = "\033[0m";
	}
	snprintf(name, sizeof(name), "%.*s", (int)sizeof(name) - 1, event->name);
	bdi_display_name(name, device, sizeof(device));
	snprintf(old_class, sizeof(old_class), "%s", class_name(event->old_class));
	print_time();
	printf("  %s  %s -> %s%s%s  ", device, old_class, bold, class_name(event->new_class),
	       plain);
	print_outcome(name, report);
	printf("  margin %.2f", q16_decimal(event->margin));
	print_inputs(event);
	putchar('\n');
	fflush(stdout);
}

static void print_news(bool warning, const char *line, void *arg)
{
	const struct run *run = arg;

	print_time();
	printf("  %s%s%s\n", run->colour && warning ? "\033[1m" : "", line,
	       run->colour && warning ? "\033[0m" : "");
	fflush(stdout);
}

/* Until SIGINT, SIGTERM or SIGHUP. */
static int serve(struct applier *applier, struct history *history, int signals)
{
	const char *why;
	struct epoll_event ready, want = {.events = EPOLLIN};
	int err = 0, epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		return -errno;
	want.data.fd = signals;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, signals, &want))
		err = -errno;
	want.data.fd = applier_epoll_fd(applier);
	if (!err && epoll_ctl(epoll, EPOLL_CTL_ADD, want.data.fd, &want))
		err = -errno;
	while (!err) {
		if (epoll_wait(epoll, &ready, 1, -1) < 0) {
			err = errno == EINTR ? 0 : -errno;
			continue;
		}
		if (ready.data.fd == signals)
			break;
		err = applier_handle(applier);
		err = err > 0 ? 0 : err;
		why = history_failed(history);
		if (why)
			say("no history from now on: it %s", why);
	}
	close(epoll);
	return err;
}

/* Pins that nobody owns: originals back, then away with them; the directory stays, locked. */
static int adopt(void)
{
	bool crashed = load_marked_run(cli.pin_dir);
	struct fault fault;
	int err, status;

	status = start_restore(NULL, false);
	if (status)
		return status;
	err = load_remove(cli.pin_dir, true, &fault);
	if (err)
		return fail(status_of(err), "%s", fault.text);
	say(crashed ? "a run before this one ended without cleaning up: original values are back, "
		      "starting afresh" :
		      "took over what 'bpfahead load' or bpftool had loaded: original values are "
		      "back, starting afresh");
	return 0;
}

/* NULL: off, which is said unless it was asked for. */
static struct history *open_history(const struct run *run, const char *state_dir)
{
	struct history *history;
	const char *why;

	if (!state_dir || run->no_history)
		return NULL;
	history = history_open(state_dir, HISTORY_BYTES, &why);
	if (!history)
		say("no history: %s/" HISTORY_FILE ": %s", cli.state_dir, why);
	return history;
}

static void print_file(const struct file_event *e, const struct file_report *r, void *arg)
{
	char line[256];

	(void)arg;
	per_file_describe(e, r, line, sizeof(line));
	print_time();
	printf("  %s\n", line);
	fflush(stdout);
}

static void say_follower(int level, const char *line)
{
	if (level <= FOLLOWER_WARNING || cli.verbose)
		say("%s", line);
}

static void say_row(bool trouble, const char *line, void *arg)
{
	(void)trouble;
	(void)arg;
	say("%s", line);
}

static int apply_until_signal(struct run *run, int signals)
{
	struct device_rows rows = {.state_dir = cli.state_dir, .say = say_row};
	struct history *history = NULL;
	struct follower *follower = NULL;
	struct per_file per_file;
	struct applier *applier;
	const char *state_dir;
	struct steer *steer;
	struct maps maps;
	int err, status;

	status = need_maps(&maps);
	if (status)
		goto close;
	/* That it is not loaded has been said. */
	follower = follower_start(cli.pin_dir, &maps, say_follower);
	if (!follower && errno != ENOENT)
		say("open files keep the readahead they have: %s",
		    errno == EXDEV ? "this is not the initial pid namespace" : strerror(errno));
	applier = applier_new(&maps, print_event, run);
	if (!applier) {
		status = fail(EXIT_FAILURE, "cannot open the ring of events: %s", strerror(errno));
		goto close;
	}
	state_dir = start_state_dir() ? cli.state_dir : NULL;
	history = open_history(run, state_dir);
	rows.maps = &maps;
	steer_sweep(&maps);
	err = device_rows_listen(&rows, applier);
	if (!err)
		err = history_follow(history, applier);
	steer = err ? NULL : steer_new(&maps, applier, state_dir, history, print_news, run);
	if (!err && !steer)
		err = -errno;
	history_mark(history, HISTORY_STARTED);
	if (!err && follower)
		err = follower_listen(follower, applier);
	per_file_init(&per_file, &maps, follower, print_file, NULL);
	if (!err)
		err = per_file_listen(&per_file, applier);
	if (!err)
		err = serve(applier, history, signals);
	if (err)
		status = fail(EXIT_FAILURE, "waiting for events: %s", strerror(-err));
	applier_drain(applier);
	history_mark(history, HISTORY_STOPPED);
	steer_free(steer);
	applier_free(applier);
	history_close(history);
close:
	follower_stop(follower);
	maps_close(&maps);
	return status;
}

static void announce(const struct run *run, const struct model *model, const struct loaded *loaded)
{
	char sources[64];

	say("model '%s', sources %s, %s%s; Ctrl-C restores the original values and unloads",
	    model->header.name, source_names(loaded->sources, sources, sizeof(sources)),
	    run->nr_devices ? "listed devices" : "devices of mounted file systems",
	    run->dry_run ? ", dry run" : "");
}

/* The lock is held from here to the end. */
static int run_locked(struct run *run, const struct model *model, int signals)
{
	struct loaded loaded = {0};
	int status, restored = 0, err;
	struct fault fault;

	if (!load_is_empty(cli.pin_dir)) {
		status = adopt();
		if (status)
			return status;
	}
	err = load_mark_run(cli.pin_dir);
	if (err)
		return fail(EXIT_FAILURE, "cannot create a mark in %s: %s", cli.pin_dir,
			    strerror(-err));
	status = start_loaded(model, run->weights != NULL, &loaded, configure, run);
	if (!status) {
		announce(run, model, &loaded);
		status = apply_until_signal(run, signals);
		restored = start_restore(cli.verbose ? stderr : NULL, false);
	}
	/* With originals not restored the pins stay: they hold what `bpfahead restore` needs. */
	if (restored)
		return restored;
	err = load_remove(cli.pin_dir, false, &fault);
	if (err)
		return fail(status_of(err), "%s", fault.text);
	if (!status)
		say("original values are back, everything is unloaded");
	return status;
}

int cmd_run(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Load, decide and apply in the foreground, a line per decision.  Ctrl-C or "
		       "SIGTERM writes the original values back and unloads.  Without --device: "
		       "every device that a mounted file system uses.",
	};
	static struct run run;
	struct fault fault;
	struct model model;
	int err, lock, signals, status;
	bool created;

	status = cli_parse(&argp, false, argc, argv, &run);
	if (status)
		return status;
	err = load_check(cli.pin_dir, &fault);
	if (err)
		return fail(status_of(err), "%s", fault.text);
	status = start_model(run.weights, &model);
	if (status)
		return status;
	run.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	lock = load_claim(cli.pin_dir, &created, &fault);
	if (lock < 0)
		return fail(status_of(lock), "%s", fault.text);
	signals = take_signals();
	if (signals < 0) {
		status = fail(EXIT_FAILURE, "cannot take signals: %s", strerror(-signals));
		goto unlock;
	}
	status = run_locked(&run, &model, signals);
	close(signals);
unlock:
	close(lock);
	return status;
}
