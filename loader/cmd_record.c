// SPDX-License-Identifier: GPL-2.0-only
/* record: every window's features, exactly as the kernel computed them, as CSV for training */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <bpf/libbpf.h>

#include "answers.h"
#include "bdi.h"
#include "load.h"
#include "names.h"

#define CSV_HEAD "label,device,part,time_ns,span_ns,calls,ra_kb,class,margin,model"

struct record {
	struct maps maps; /* descriptors that the caller closes */
	const char *label, *path, *device;
	unsigned int seconds;    /* 0: until a signal */
	char name[BDI_NAME_LEN]; /* of --device */
	char part[PATH_MAX];     /* what is written to before the rename */
	FILE *csv;
	unsigned long windows;
	struct answers answers;
	int error; /* first one of writing */
	bool progress;
};

/* What would need quoting in CSV, or could not be told apart in a log. */
static bool label_is_plain(const char *label)
{
	const char *c;

	for (c = label; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == ',' || *c == '"')
			return false;
	return c != label;
}

static unsigned int parse_seconds(struct argp_state *state, const char *text)
{
	unsigned long seconds;
	char *end;

	errno = 0;
	seconds = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || !seconds || seconds > 31536000)
		usage(state, "--seconds wants a number from 1 to 31536000, not '%s'", text);
	return (unsigned int)seconds;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct record *r = state->input;

	switch (key) {
	case 'l':
		if (!label_is_plain(argument))
			usage(state,
			      "--label wants plain characters without space, comma or quote");
		r->label = argument;
		return 0;
	case 'o':
		r->path = argument;
		return 0;
	case 's':
		r->seconds = parse_seconds(state, argument);
		return 0;
	case 'd':
		r->device = argument;
		return 0;
	case ARGP_KEY_END:
		if (!r->label)
			usage(state, "--label NAME is missing");
		if (!r->path)
			usage(state, "-o FILE.csv is missing");
		return 0;
	}
	return cli_no_arguments(key, argument, state);
}

static void write_head(FILE *csv)
{
	unsigned int id;

	fputs(CSV_HEAD, csv);
	for (id = 0; id < FEATURES_MAX; id++)
		if (feature_name(id))
			fprintf(csv, ",%s", feature_name(id));
	fputc('\n', csv);
}

static void write_part(struct record *r, const char *part, const struct window_record *w,
		       const struct window_part *p)
{
	unsigned int id;

	fprintf(r->csv, "%s,%s,%s,%llu,%llu,%llu,%u,%s,%d,%016llx", r->label, w->name, part,
		(unsigned long long)w->time_ns, (unsigned long long)p->span_ns,
		(unsigned long long)p->calls, w->ra_kb, class_name(p->class_id), p->margin,
		(unsigned long long)w->model_checksum);
	for (id = 0; id < FEATURES_MAX; id++)
		if (feature_name(id))
			fprintf(r->csv, ",%llu", (unsigned long long)p->features[id]);
	fputc('\n', r->csv);
}

static int take_window(void *arg, void *data, size_t size)
{
	struct window_record w;
	struct record *r = arg;

	if (size < sizeof(w))
		return 0;
	memcpy(&w, data, sizeof(w));
	w.name[sizeof(w.name) - 1] = '\0';
	if (w.abi_version != BPFAHEAD_ABI_VERSION || (r->device && strcmp(w.name, r->name)))
		return 0;
	answers_take(&r->answers, &r->maps, &w);
	write_part(r, "window", &w, &w.window);
	write_part(r, "hop", &w, &w.hop);
	if (fflush(r->csv) && !r->error)
		r->error = -errno;
	r->windows++;
	if (r->progress)
		fprintf(stderr, "\r%lu windows, last of %s  ", r->windows, w.name);
	return r->error;
}

static int record_switch(const struct maps *maps, bool on)
{
	struct config config;
	int err = maps_get_config(maps, &config);

	if (err)
		return err;
	config.record = on;
	return maps_set_config(maps, &config);
}

static int watch(int epoll, int fd)
{
	struct epoll_event want = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &want) ? -errno : 0;
}

/* Until the time is over or a signal comes. 0 or -errno. */
static int consume(struct record *r, struct ring_buffer *ring, int signals)
{
	const struct itimerspec end = {.it_value.tv_sec = r->seconds}; /* 0 s: never */
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int err = 0, epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ready;

	if (timer < 0 || epoll < 0 || timerfd_settime(timer, 0, &end, NULL))
		err = -errno;
	if (!err)
		err = watch(epoll, timer);
	if (!err)
		err = watch(epoll, signals);
	if (!err)
		err = watch(epoll, ring_buffer__epoll_fd(ring));
	while (!err) {
		if (epoll_wait(epoll, &ready, 1, -1) < 0) {
			err = errno == EINTR ? 0 : -errno;
			continue;
		}
		if (ready.data.fd == timer || ready.data.fd == signals)
			break;
		err = ring_buffer__consume(ring);
		err = err > 0 ? 0 : err;
	}
	if (!err) { /* what came in with the last wake-up */
		err = ring_buffer__consume(ring);
		err = err > 0 ? 0 : err;
	}
	if (epoll >= 0)
		close(epoll);
	if (timer >= 0)
		close(timer);
	return r->error ? r->error : err;
}

/* What is left in the ring from an earlier recording has another label. */
static int discard(void *arg, void *data, size_t size)
{
	(void)arg;
	(void)data;
	(void)size;
	return 0;
}

static int empty_ring(int fd)
{
	struct ring_buffer *ring = ring_buffer__new(fd, discard, NULL, NULL);
	int n;

	if (!ring)
		return -errno;
	n = ring_buffer__consume(ring);
	ring_buffer__free(ring);
	return n < 0 ? n : 0;
}

static int record_windows(struct record *r, const struct maps *maps, int signals)
{
	struct ring_buffer *ring;
	int err, off;

	err = empty_ring(maps->windows);
	if (err)
		return err;
	answers_start(&r->answers, maps, r->label);
	ring = ring_buffer__new(maps->windows, take_window, r, NULL);
	if (!ring)
		return -errno;
	err = record_switch(maps, true);
	if (!err)
		err = consume(r, ring, signals);
	off = record_switch(maps, false);
	ring_buffer__free(ring);
	return err ? err : off;
}

static int open_csv(struct record *r)
{
	int n = snprintf(r->part, sizeof(r->part), "%s.part", r->path);

	if (n < 0 || (size_t)n >= sizeof(r->part))
		return -ENAMETOOLONG;
	r->csv = fopen(r->part, "we");
	if (!r->csv)
		return -errno;
	write_head(r->csv);
	return fflush(r->csv) ? -errno : 0;
}

/* The file gets its name only once all of it is on the disk. */
static int close_csv(struct record *r)
{
	int err = 0;

	if (fflush(r->csv) || ferror(r->csv) || fsync(fileno(r->csv)))
		err = -errno;
	if (fclose(r->csv) && !err)
		err = -errno;
	if (!err && rename(r->part, r->path))
		err = -errno;
	return err;
}

/* One consumer: two would take windows from each other. Held until the descriptor closes. */
static int lock_ring(void)
{
	int fd = open(pin_path(cli.pin_dir, "progs"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	close(fd);
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

static int record_to_file(struct record *r, const struct maps *maps)
{
	int err, closed, signals;

	signals = take_signals();
	if (signals < 0)
		return fail(EXIT_FAILURE, "cannot take signals: %s", strerror(-signals));
	err = open_csv(r);
	if (err) {
		close(signals);
		return fail(EXIT_FAILURE, "cannot write %s: %s", r->part, strerror(-err));
	}
	r->maps = *maps;
	r->progress = isatty(STDERR_FILENO);
	err = record_windows(r, maps, signals);
	close(signals);
	if (r->progress && r->windows)
		fputc('\n', stderr);
	closed = close_csv(r);
	if (err && err != r->error)
		return fail(EXIT_FAILURE, "cannot record windows: %s", strerror(-err));
	if (err || closed)
		return fail(EXIT_FAILURE, "cannot write %s: %s", r->path,
			    strerror(err ? -err : -closed));
	printf("%lu windows with label %s in %s\n", r->windows, r->label, r->path);
	answers_print(&r->answers, maps);
	return finish_output();
}

int cmd_record(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"label", 'l', "NAME", 0, "What is being run now: the first column", 1},
		{"output", 'o', "FILE.csv", 0, "Written as FILE.csv.part, renamed at the end", 1},
		{"seconds", 's', "N", 0, "Stop after N seconds (default: at Ctrl-C)", 1},
		{"device", 'd', "DEVICE", 0, "Only the windows of this device", 1},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "--label NAME -o FILE.csv",
		.doc = "Write the features of every evaluated window and its last hop to a CSV "
		       "file, exactly as the kernel computed them. If NAME is a class, say how "
		       "often the acting and the shadow model answered it.",
	};
	static struct record r;
	struct maps maps;
	int lock, status;

	status = cli_parse(&argp, false, argc, argv, &r);
	if (status)
		return status;
	status = need_maps(&maps);
	if (status)
		goto close;
	status = r.device ? need_device(r.device, r.name) : 0;
	if (status)
		goto close;
	lock = lock_ring();
	if (lock < 0) {
		status = lock == -EBUSY ?
				 fail(EXIT_BUSY, "another 'bpfahead record' runs: stop it first") :
				 fail(EXIT_FAILURE, "cannot lock the ring of windows: %s",
				      strerror(-lock));
		goto close;
	}
	status = record_to_file(&r, &maps);
	close(lock);
close:
	maps_close(&maps);
	return status;
}
