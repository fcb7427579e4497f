// SPDX-License-Identifier: GPL-2.0-only
/* report: the recorded history as a page */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bdi.h"
#include "cli.h"
#include "report.h"
#include "state.h"

#define DEVICES_MAX 64
#define SECOND_NS 1000000000ULL

struct options {
	const char *output;
	const char *devices[DEVICES_MAX];
	unsigned int nr_devices;
	__u64 since_ns; /* 0: all there is */
};

/* "90s", "1h", "2.5d". 0 if it is no such thing. */
static __u64 parse_span(const char *text)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"s", 1}, {"min", 60}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
	double number;
	unsigned int i;
	char *end;

	errno = 0;
	number = strtod(text, &end);
	if (errno || end == text || !isfinite(number) || number <= 0)
		return 0;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		number = strtod(text, NULL) * units[i].seconds;
		if (!strcmp(end, units[i].unit) && number >= 1 && number < 1e9)
			return (__u64)(number * SECOND_NS);
	}
	return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'o':
		o->output = argument;
		return 0;
	case 'd':
		if (o->nr_devices == DEVICES_MAX)
			usage(state, "more than %d devices", DEVICES_MAX);
		o->devices[o->nr_devices++] = argument;
		return 0;
	case 's':
		o->since_ns = parse_span(argument);
		if (!o->since_ns)
			usage(state, "--since wants a time like 90s, 30min, 1h or 2d, not '%s'",
			      argument);
		return 0;
	case ARGP_KEY_END:
		if (!o->output)
			usage(state, "-o FILE.html is missing");
		return 0;
	}
	return cli_no_arguments(key, argument, state);
}

/* Is the record of a device that @device names: by its label, its bdi, or a path on it? */
static bool is_of(const struct history_record *r, const char *device, const char *bdi)
{
	size_t label = strcspn(r->label, " ");

	return !strcmp(r->label, device) || !strcmp(r->name, device) ||
	       (label == strlen(device) && !strncmp(r->label, device, label)) ||
	       (bdi[0] && !strcmp(r->name, bdi));
}

/* What there is instead; into a buffer that the next call reuses. */
static const char *known_devices(const struct history_record *r, long count)
{
	static char text[256];
	size_t used = 0;
	long i, j;

	text[0] = '\0';
	for (i = 0; i < count; i++) {
		for (j = 0; j < i && strcmp(r[i].label, r[j].label) != 0; j++)
			;
		if (!r[i].label[0] || j < i || used + strlen(r[i].label) + 3 > sizeof(text))
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "",
					 r[i].label);
	}
	return used ? text : "none";
}

/* Keeps the chosen devices' records, and those of none. 0 or the exit status after the line. */
static int choose(const struct options *o, struct history_record *r, long *count)
{
	char bdi[DEVICES_MAX][BDI_NAME_LEN];
	bool found[DEVICES_MAX] = {false};
	unsigned int d;
	long i, kept = 0;
	bool keep;

	if (!o->nr_devices)
		return 0;
	for (d = 0; d < o->nr_devices; d++) {
		/* A device that has left is known by what it was called. */
		if (bdi_resolve(o->devices[d], bdi[d]))
			bdi[d][0] = '\0';
		for (i = 0; i < *count && !found[d]; i++)
			found[d] = is_of(&r[i], o->devices[d], bdi[d]);
		if (!found[d])
			return fail(EXIT_FAILURE, "nothing is recorded of '%s'; there is: %s",
				    o->devices[d], known_devices(r, *count));
	}
	for (i = 0; i < *count; i++) {
		keep = r[i].kind == HISTORY_MARK;
		for (d = 0; d < o->nr_devices && !keep; d++)
			keep = is_of(&r[i], o->devices[d], bdi[d]);
		if (keep)
			r[kept++] = r[i];
	}
	*count = kept;
	return 0;
}

/* From the first record on, or the last @since, to the last one; a little more where it is long. */
static void set_period(struct report *report, __u64 since_ns)
{
	const struct history_record *r = report->records;
	struct timespec now;
	__u64 begin;
	size_t i;

	clock_gettime(CLOCK_REALTIME, &now);
	report->to_ns = (__u64)now.tv_sec * SECOND_NS + (__u64)now.tv_nsec;
	report->from_ns = report->to_ns;
	if (since_ns) {
		report->from_ns -= since_ns < report->to_ns ? since_ns : report->to_ns;
		return;
	}
	report->to_ns = 0;
	for (i = 0; i < report->count; i++) {
		begin = r[i].time_ns - r[i].span_ms * 1000000ULL;
		if (begin < report->from_ns && begin <= r[i].time_ns)
			report->from_ns = begin;
		if (r[i].time_ns > report->to_ns)
			report->to_ns = r[i].time_ns;
	}
	if (report->to_ns < report->from_ns + SECOND_NS)
		report->to_ns = report->from_ns + SECOND_NS;
}

/* All or nothing: what was there stays until the page is complete. */
static int write_file(const char *path, const char *bytes, size_t size)
{
	char part[PATH_MAX];
	struct stat st;
	FILE *out;
	bool direct;
	int err = 0;

	if (!strcmp(path, "-")) {
		(void)fwrite(bytes, 1, size, stdout); /* an error stays with the stream */
		return finish_output();
	}
	/* A terminal or a pipe is written to, not replaced. */
	direct = !stat(path, &st) && !S_ISREG(st.st_mode);
	if (snprintf(part, sizeof(part), direct ? "%s" : "%s.part", path) >= (int)sizeof(part))
		return fail(EXIT_FAILURE, "%s: %s", path, strerror(ENAMETOOLONG));
	/* In a directory of everybody's that name may be another one's link by now. */
	if (!direct && unlink(part) && errno != ENOENT)
		return fail(EXIT_FAILURE, "%s: %s", part, strerror(errno));
	out = fopen(part, direct ? "we" : "wxe");
	if (!out)
		return fail(EXIT_FAILURE, "%s: %s", path, strerror(errno));
	if (fwrite(bytes, 1, size, out) != size)
		err = errno;
	if (fclose(out) && !err)
		err = errno;
	if (!err && !direct && rename(part, path))
		err = errno;
	if (err && !direct)
		unlink(part);
	return err ? fail(EXIT_FAILURE, "%s: %s", path, strerror(err)) : 0;
}

static int draw(const struct report *report, const char *path)
{
	char *bytes = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&bytes, &size);
	int err, status;

	if (!out)
		return fail(EXIT_FAILURE, "out of memory");
	err = report_write(out, report);
	if (fclose(out) || err)
		status = fail(EXIT_FAILURE, "out of memory");
	else
		status = write_file(path, bytes, size);
	free(bytes);
	return status;
}

int cmd_report(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"output", 'o', "FILE.html", 0, "The page to be written; - is standard output", 1},
		{"device", 'd', "DEVICE", 0,
		 "Only this one (repeat for more): a disk, a bdi, or a mount point", 1},
		{"since", 's', "TIME", 0, "Only the last 90s, 30min, 1h, 2d, ... (all there is)",
		 1},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Draw what 'bpfahead run' and bpfaheadd recorded: readahead, class, margin, "
		       "throughput and amplification of each device over time, with decisions, "
		       "refusals and what was taken back.  One page of HTML that needs nothing "
		       "else.",
	};
	struct history_record *records = NULL;
	struct report report = {0};
	struct options o = {0};
	struct utsname name;
	char path[PATH_MAX];
	long count;
	int status;

	status = cli_parse(&argp, false, argc, argv, &o);
	if (status)
		return status;
	if (state_path(path, sizeof(path), cli.state_dir, HISTORY_FILE))
		return fail(EXIT_FAILURE, "%s: %s", cli.state_dir, strerror(ENAMETOOLONG));
	count = history_read(path, &records, &report.skipped);
	if (count == -ENOENT || !count)
		return fail(EXIT_FAILURE,
			    "no history in %s yet: 'bpfahead run' or bpfaheadd writes it",
			    cli.state_dir);
	if (count == -EPROTO)
		return fail(EXIT_FAILURE, "%s is not a history of this version", path);
	if (count < 0)
		return fail(EXIT_FAILURE, "%s: %s%s", path, strerror((int)-count),
			    count == -EACCES ? ": run it with sudo" : "");
	status = choose(&o, records, &count);
	if (!status) {
		uname(&name);
		report.records = records;
		report.count = (size_t)count;
		report.host = name.nodename;
		report.kernel = name.release;
		set_period(&report, o.since_ns);
		status = draw(&report, o.output);
	}
	free(records);
	return status;
}
