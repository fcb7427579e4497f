// SPDX-License-Identifier: GPL-2.0-only
/*
 * bpfaheadd - writes read_ahead_kb as the kernel programs decide
 *
 * A foreground process beside pinned programs. It sleeps until the ring buffer
 * or a signal wakes it and has no timer at all: the kernel side watches the
 * values and asks again.
 */
#include <argp.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "apply.h"
#include "device_rows.h"
#include "follower.h"
#include "history.h"
#include "maps.h"
#include "owner.h"
#include "per_file.h"
#include "privileges.h"
#include "state.h"
#include "steer.h"

#ifndef BPFAHEAD_VERSION
#define BPFAHEAD_VERSION "0.1.0"
#endif

/* The same numbers as bpfahead's; EXIT_FAILURE is 1. */
enum {
	EXIT_USAGE = 2,
	EXIT_NOT_LOADED = 3,
	EXIT_BUSY = 4,
	EXIT_NOT_RESTORED = 7,
};

const char *argp_program_version = "bpfaheadd " BPFAHEAD_VERSION;

static const char doc[] =
	"Write read_ahead_kb as the BPF programs pinned by `bpfahead load` decide, until SIGTERM "
	"or "
	"SIGINT, then write the original values back.\v"
	"SIGHUP logs what has been done so far.\n"
	"\n"
	"The environment variables BPFAHEAD_PIN_DIR and BPFAHEAD_STATE_DIR are the defaults of "
	"--pin-dir and --state-dir.\n"
	"\n"
	"Exit status: 0 stopped, originals are back; 1 failure; 2 wrong usage; 3 nothing is "
	"loaded, "
	"or by another version; 4 another instance has the pin directory; 7 stopped, but an "
	"original value could not be written back (try `bpfahead restore`).";

static const struct argp_option options[] = {
	{"pin-dir", 'p', "DIR", 0, "Where the maps are pinned (" BPFAHEAD_PIN_DIR ")", 0},
	{"state-dir", 's', "DIR", 0, "What is remembered lives here (" BPFAHEAD_STATE_DIR ")", 0},
	{"no-history", 'n', NULL, 0, "Write nothing for `bpfahead report`", 0},
	{0},
};

struct arguments {
	const char *pin_dir;
	const char *state_dir;
	bool no_history;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'p':
		arguments->pin_dir = arg;
		return 0;
	case 's':
		arguments->state_dir = arg;
		return 0;
	case 'n':
		arguments->no_history = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is `%s'?", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {.options = options, .parser = parse, .doc = doc};

#define RETURN_MS 5000 /* at the end, for taking our values back from open files */

/* Levels of sd-daemon(3), understood by the journal. */
enum { LEVEL_ERROR = 3, LEVEL_WARNING = 4, LEVEL_NOTICE = 5, LEVEL_INFO = 6 };

static bool in_journal;

/* One line, one write: lines of several writers do not mix. */
__attribute__((format(printf, 2, 3))) static void say(int level, const char *format, ...)
{
	char line[2048];
	size_t used = 0;
	va_list args;
	int n;

	if (in_journal)
		used = (size_t)snprintf(line, sizeof(line), "<%d>", level);
	va_start(args, format);
	n = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
	va_end(args);
	if (n < 0)
		return;
	used += (size_t)n < sizeof(line) - used - 1 ? (size_t)n : sizeof(line) - used - 2;
	line[used++] = '\n';
	/* A log that cannot be written must not stop the work. */
	if (write(STDERR_FILENO, line, used) < 0)
		return;
}

static void say_line(int level, const char *line)
{
	say(level, "%s", line);
}

/* The process for open files, or NULL with the reason said: everything else works without. */
static struct follower *start_follower(const char *pin_dir, const struct maps *maps)
{
	struct follower *f = follower_start(pin_dir, maps, say_line);

	if (!f)
		say(LEVEL_NOTICE, "open files keep the readahead they have: %s",
		    errno == ENOENT ? "open_files.bpf.o is not loaded" :
		    errno == EXDEV  ? "this is not the initial pid namespace" :
				      strerror(errno));
	return f;
}

static void report(const struct event *e, const struct apply_report *r, void *arg)
{
	char line[1536];

	(void)arg;
	apply_describe(e, r, line, sizeof(line));
	say(r->outcome == APPLY_REFUSED    ? LEVEL_WARNING :
	    r->outcome == APPLY_STOOD_BACK ? LEVEL_NOTICE :
					     LEVEL_INFO,
	    "%s", line);
}

/* News of rows: calibrated ones, and what guard and probe find. */
static void say_row(bool trouble, const char *line, void *arg)
{
	(void)arg;
	say(trouble ? LEVEL_WARNING : LEVEL_INFO, "%s", line);
}

static void report_file(const struct file_event *e, const struct file_report *r, void *arg)
{
	char line[256];

	(void)arg;
	per_file_describe(e, r, line, sizeof(line));
	say(r->outcome == FILE_REFUSED ? LEVEL_WARNING : LEVEL_INFO, "%s", line);
}

static void say_counts(const struct applier *a)
{
	const unsigned long *counts = applier_counts(a);
	char line[512] = "";
	size_t used = 0;
	unsigned int i;
	int n;

	for (i = 0; i < NR_APPLY_OUTCOMES; i++) {
		n = snprintf(line + used, sizeof(line) - used, " %s %lu", apply_outcome_name(i),
			     counts[i]);
		if (n < 0 || (size_t)n >= sizeof(line) - used)
			break;
		used += (size_t)n;
	}
	say(LEVEL_INFO, "events:%s", line);
}

/* Signals as a descriptor, so that nothing runs in a handler. Or -errno. */
static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* NULL: off, which is said unless it was asked for. */
static struct history *open_history(const struct arguments *arguments)
{
	const char *why;
	struct history *h;

	if (arguments->no_history)
		return NULL;
	h = history_open(arguments->state_dir, HISTORY_BYTES, &why);
	if (!h)
		say(LEVEL_WARNING, "no history: %s/" HISTORY_FILE ": %s", arguments->state_dir,
		    why);
	return h;
}

/* Until a signal says stop: 0, or -errno. */
static int serve(struct applier *a, struct history *h, int epoll, int signals)
{
	const char *why;
	struct signalfd_siginfo info;
	struct epoll_event ready[2];
	int i, n, err;

	for (;;) {
		n = epoll_wait(epoll, ready, 2, -1);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		for (i = 0; i < n; i++) {
			if (ready[i].data.fd != signals) {
				err = applier_handle(a);
				if (err < 0)
					return err;
				why = history_failed(h);
				if (why)
					say(LEVEL_WARNING, "no history from now on: it %s", why);
				continue;
			}
			if (read(signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
				continue;
			if (info.ssi_signo != SIGHUP)
				return 0;
			say_counts(a);
		}
	}
}

static int watch(int epoll, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

/*
 * The lowest real-time priority. Readers at full speed never sleep, and a
 * decision would wait for the end of a time slice or of several: milliseconds
 * instead of a tenth of one. In return they lose that tenth, once per decision;
 * the kernel programs send at most one event per device and dwell, and what one
 * waking costs is bounded. Without CAP_SYS_NICE or RLIMIT_RTPRIO it goes on as it is.
 */
static void run_before_readers(void)
{
	struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest))
		say(LEVEL_INFO, "no real-time priority (%s): on a busy host decisions may wait",
		    strerror(errno));
}

/* With the maps open and the lock held. Returns the exit status. */
static int run(const struct maps *maps, const struct arguments *arguments)
{
	const char *pin_dir = arguments->pin_dir, *state_dir = arguments->state_dir;
	struct device_rows rows = {.maps = maps, .say = say_row};
	struct history *history = NULL;
	struct follower *follower = NULL;
	struct per_file per_file;
	struct applier *a = NULL;
	struct steer *steer = NULL;
	int signals = -1, epoll = -1, err, left, returned, status = EXIT_FAILURE;
	const char *why;

	signals = open_signals();
	if (signals < 0) {
		say(LEVEL_ERROR, "signals: %s", strerror(-signals));
		goto out;
	}
	err = maps_fill_defaults(maps);
	if (err) {
		say(LEVEL_ERROR, "writing the default configuration: %s", strerror(-err));
		goto out;
	}
	/* What a dead owner left: the originals first, then decisions afresh. */
	left = restore_originals(maps, stderr);
	if (left)
		say(LEVEL_WARNING, "originals left by an earlier run could not all be restored");
	open_files_return_all(pin_dir, maps, stderr);
	follower = start_follower(pin_dir, maps);
	a = applier_new(maps, report, NULL);
	if (!a) {
		say(LEVEL_ERROR, "ring buffer: %s", strerror(errno));
		goto out;
	}
	if (follower)
		follower_listen(follower, a);
	per_file_init(&per_file, maps, follower, report_file, NULL);
	per_file_listen(&per_file, a);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || watch(epoll, signals) || watch(epoll, applier_epoll_fd(a))) {
		say(LEVEL_ERROR, "epoll: %s", strerror(errno));
		goto out;
	}
	/* What is remembered there is not worth a refusal to work. */
	err = state_dir_make(state_dir);
	if (err) {
		say(LEVEL_WARNING, "nothing is remembered: %s: %s", state_dir, strerror(-err));
		state_dir = NULL;
	} else {
		history = open_history(arguments);
	}
	rows.state_dir = state_dir;
	steer_sweep(maps);
	err = device_rows_listen(&rows, a);
	if (err) {
		say(LEVEL_ERROR, "calibrated policies: %s", strerror(-err));
		goto out;
	}
	err = history_follow(history, a);
	if (err) {
		say(LEVEL_ERROR, "history: %s", strerror(-err));
		goto out;
	}
	steer = steer_new(maps, a, state_dir, history, say_row, NULL);
	if (!steer) {
		say(LEVEL_ERROR, "guard: %s", strerror(errno));
		goto out;
	}
	run_before_readers();
	err = privileges_drop(pin_dir, state_dir, &why);
	if (err) {
		say(LEVEL_ERROR, "giving up privileges (%s): %s", why, strerror(-err));
		goto out;
	}
	say(LEVEL_INFO, "bpfaheadd " BPFAHEAD_VERSION " on %s", pin_dir);
	history_mark(history, HISTORY_STARTED);
	err = serve(a, history, epoll, signals);
	if (err)
		say(LEVEL_ERROR, "waiting for events: %s", strerror(-err));
	say_counts(a);
	applier_drain(a);
	history_mark(history, HISTORY_STOPPED);
	steer_free(steer);
	steer = NULL;
	left = restore_originals(maps, stderr);
	if (left < 0)
		say(LEVEL_ERROR, "restoring the original values: %s", strerror(-left));
	else if (left)
		say(LEVEL_ERROR, "%d original values are not back: `bpfahead restore`", left);
	returned = follower ? follower_return(follower, RETURN_MS) : 0;
	if (returned && returned != -ECANCELED)
		say(LEVEL_WARNING, "open files may keep a value of ours: %s", strerror(-returned));
	status = left ? EXIT_NOT_RESTORED : err ? EXIT_FAILURE : EXIT_SUCCESS;
out:
	if (epoll >= 0)
		close(epoll);
	steer_free(steer);
	applier_free(a);
	history_close(history);
	follower_stop(follower);
	if (signals >= 0)
		close(signals);
	return status;
}

int main(int argc, char **argv)
{
	struct arguments arguments = {getenv("BPFAHEAD_PIN_DIR"), state_dir_default(), false};
	const char *pin_dir, *why = NULL;
	int lock, err, status;
	struct maps maps;

	if (!arguments.pin_dir || !*arguments.pin_dir)
		arguments.pin_dir = BPFAHEAD_PIN_DIR;
	argp_err_exit_status = EXIT_USAGE;
	in_journal = getenv("JOURNAL_STREAM") != NULL;
	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	pin_dir = arguments.pin_dir;

	/* Locked first: pins that change hands in between would leave us with maps of nobody. */
	lock = owner_lock(pin_dir);
	if (lock == -EBUSY) {
		say(LEVEL_ERROR, "another bpfaheadd or `bpfahead run` is at work on %s", pin_dir);
		return EXIT_BUSY;
	}
	err = maps_open(pin_dir, &maps, &why);
	if (err) {
		say(LEVEL_ERROR, "%s", why);
		status = err == -ENOENT || err == -EPROTO ? EXIT_NOT_LOADED : EXIT_FAILURE;
	} else if (lock < 0) {
		say(LEVEL_ERROR, "locking %s: %s", pin_dir, strerror(-lock));
		status = EXIT_FAILURE;
	} else {
		status = run(&maps, &arguments);
	}
	maps_close(&maps);
	if (lock >= 0)
		close(lock);
	return status;
}
