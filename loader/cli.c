// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <bpf/libbpf.h>

#include "bdi.h"
#include "cli.h"
#include "names.h"
#include "state.h"

struct cli cli = {.pin_dir = BPFAHEAD_PIN_DIR, .state_dir = BPFAHEAD_STATE_DIR};

enum option_key { KEY_PIN_DIR = 0x100, KEY_JSON, KEY_STATE_DIR };

int cli_fault_set(struct fault *fault, int err, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(fault->text, sizeof(fault->text), format, arguments);
	va_end(arguments);
	return err;
}

int status_of(int err)
{
	switch (err) {
	case 0:
		return EXIT_SUCCESS;
	case -EBUSY:
	case -EEXIST:
		return EXIT_BUSY;
	case -EOPNOTSUPP:
		return EXIT_UNSUPPORTED;
	case -EBADMSG:
		return EXIT_BAD_WEIGHTS;
	default:
		return EXIT_FAILURE;
	}
}

int fail(int status, const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	va_start(arguments, format);
	fputs("bpfahead: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	return status;
}

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("bpfahead: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}

void usage(const struct argp_state *state, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "%s: ", state->name);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "; see '%s --help'\n", state->name);
	va_end(arguments);
	exit(EXIT_USAGE);
}

static error_t parse_common(int key, char *argument, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_INIT:
		/* What is left to print is "Try ... --help": a failure has one line. */
		state->err_stream = NULL;
		return 0;
	case KEY_PIN_DIR:
		if (argument[0] != '/')
			usage(state, "--pin-dir wants an absolute path, not '%s'", argument);
		cli.pin_dir = argument;
		return 0;
	case KEY_STATE_DIR:
		if (argument[0] != '/')
			usage(state, "--state-dir wants an absolute path, not '%s'", argument);
		cli.state_dir = argument;
		return 0;
	case KEY_JSON:
		cli.json = true;
		return 0;
	case 'v':
		cli.verbose = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option common_options[] = {
	{"pin-dir", KEY_PIN_DIR, "DIR", 0,
	 "Pins live here (default: $BPFAHEAD_PIN_DIR, else " BPFAHEAD_PIN_DIR ")", 10},
	{"state-dir", KEY_STATE_DIR, "DIR", 0,
	 "What is remembered lives here (default: $BPFAHEAD_STATE_DIR, else " BPFAHEAD_STATE_DIR
	 ")",
	 10},
	{"verbose", 'v', NULL, 0, "Show what libbpf says", 10},
	{0},
};

static const struct argp_option json_options[] = {
	{"json", KEY_JSON, NULL, 0, "Print JSON", 5},
	{0},
};

static const struct argp common_argp = {.options = common_options, .parser = parse_common};
static const struct argp json_argp = {.options = json_options, .parser = parse_common};

int cli_parse(const struct argp *argp, bool with_json, int argc, char **argv, void *input)
{
	const struct argp_child children[] = {
		{.argp = &common_argp, .group = 10},
		{.argp = with_json ? &json_argp : NULL, .group = 5},
		{0},
	};
	struct argp top = *argp;
	int err;

	top.children = children;
	err = argp_parse(&top, argc, argv, ARGP_IN_ORDER, NULL, input);
	return err ? EXIT_USAGE : 0;
}

error_t cli_no_arguments(int key, char *argument, struct argp_state *state)
{
	if (key == ARGP_KEY_ARG)
		usage(state, "takes no arguments, not '%s'", argument);
	return ARGP_ERR_UNKNOWN;
}

struct group {
	const struct command *commands;
	const char *closing;
	int first; /* index of the command's name in argv */
};

static error_t parse_group(int key, char *argument, struct argp_state *state)
{
	struct group *group = state->input;

	(void)argument;
	switch (key) {
	case ARGP_KEY_ARG:
		/* The command's own parser takes it from here. */
		group->first = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		usage(state, "a command is missing");
	}
	return ARGP_ERR_UNKNOWN;
}

static char *list_commands(int key, const char *text, void *input)
{
	const struct group *group = input;
	const struct command *c;
	char *list = NULL;
	size_t size = 0;
	FILE *stream;

	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	stream = open_memstream(&list, &size);
	if (!stream)
		return NULL;
	fputs("Commands:\n", stream);
	for (c = group->commands; c->name; c++)
		fprintf(stream, "  %-9s %s\n", c->name, c->summary);
	fputs(group->closing, stream);
	fclose(stream);
	return list;
}

int command_group(const struct command *commands, const char *doc, const char *closing, int argc,
		  char **argv)
{
	struct group group = {.commands = commands, .closing = closing};
	const struct argp argp = {
		.parser = parse_group,
		.args_doc = "COMMAND [ARGUMENT]...",
		.doc = doc,
		.help_filter = list_commands,
	};
	const struct command *c;
	char *name = NULL;
	int status;

	status = cli_parse(&argp, false, argc, argv, &group);
	if (status)
		return status;
	for (c = commands; c->name; c++)
		if (!strcmp(c->name, argv[group.first]))
			break;
	if (!c->name) {
		fprintf(stderr, "%s: no command '%s'; see '%s --help'\n", argv[0],
			argv[group.first], argv[0]);
		return EXIT_USAGE;
	}
	if (asprintf(&name, "%s %s", argv[0], c->name) < 0)
		return fail(EXIT_FAILURE, "out of memory");
	argv[group.first] = name;
	status = c->run(argc - group.first, argv + group.first);
	free(name);
	return status;
}

int need_root(void)
{
	if (geteuid())
		return fail(EXIT_FAILURE, "needs root: run it with sudo");
	return 0;
}

int need_maps(struct maps *maps)
{
	const char *why = "";
	int err, status = need_root();

	if (status) {
		memset(maps, 0xff, sizeof(*maps)); /* every descriptor -1 */
		return status;
	}
	err = maps_open(cli.pin_dir, maps, &why);
	if (err)
		return fail(err == -ENOENT ? EXIT_NOT_LOADED : status_of(err), "%s", why);
	return 0;
}

int need_device(const char *device, char name[BDI_NAME_LEN])
{
	int err = bdi_resolve(device, name);

	switch (err) {
	case 0:
		return 0;
	case -ENODEV:
		return fail(EXIT_FAILURE, "no device '%s': give a disk, MAJ:MIN or mount point",
			    device);
	case -EOPNOTSUPP:
		return fail(EXIT_FAILURE,
			    "%s has no readahead of its own: name what its files lie on, for "
			    "overlayfs the file system of its layers",
			    device);
	default:
		return fail(EXIT_FAILURE, "device '%s': %s", device, strerror(-err));
	}
}

static char last_warning[256];

static int keep_log(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char line[sizeof(last_warning)];
	char *end;

	if (cli.verbose)
		return vfprintf(stderr, format, arguments);
	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, arguments);
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	/* "prog 'x': failed to load" says less than the line before it, but comes last. */
	if (line[0] && !strstr(line, "PROG LOAD LOG") && !strstr(line, "failed to load"))
		memcpy(last_warning, line, sizeof(last_warning));
	return 0;
}

void libbpf_log_capture(void)
{
	last_warning[0] = '\0';
	libbpf_set_print(keep_log);
}

const char *libbpf_log_last(void)
{
	return last_warning;
}

/*
 * Read from /proc/locks, not tried: whoever tried would hold the lock for a moment, and a
 * helper that starts just then would be turned away.
 */
pid_t helper_pid(void)
{
	char line[256], file[64];
	struct stat st;
	const char *at;
	FILE *stream;
	long pid = 0;

	if (stat(cli.pin_dir, &st))
		return 0;
	snprintf(file, sizeof(file), " %02x:%02x:%lu ", major(st.st_dev), minor(st.st_dev),
		 (unsigned long)st.st_ino);
	stream = fopen("/proc/locks", "re");
	if (!stream)
		return 0;
	/* "1: FLOCK  ADVISORY  WRITE 123 00:1a:5 0 EOF" */
	while (!pid && fgets(line, sizeof(line), stream)) {
		at = strstr(line, " FLOCK ") ? strstr(line, file) : NULL;
		while (at && at > line && at[-1] != ' ')
			at--;
		pid = at ? strtol(at, NULL, 10) : 0;
	}
	fclose(stream);
	return (pid_t)pid;
}

bool helper_alive(void)
{
	return helper_pid() != 0;
}

/* Only an applier has one, and by the time it is opened the process for open files is there. */
static bool has_begun(const char *pid)
{
	static const char epoll[] = "anon_inode:[eventpoll]";
	char path[64], target[sizeof(epoll)];
	bool found = false;
	struct dirent *d;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (d = readdir(dir))) {
		n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target));
		found = n == sizeof(epoll) - 1 && !memcmp(target, epoll, sizeof(epoll) - 1);
	}
	closedir(dir);
	return found;
}

/* A live one; or it cannot be told. */
static bool may_have_child(pid_t parent)
{
	char path[300], stat[256];
	const char *after;
	bool found = false;
	struct dirent *d;
	FILE *stream;
	DIR *dir;

	dir = opendir("/proc");
	if (!dir)
		return true;
	while (!found && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/stat", d->d_name);
		stream = d->d_name[0] >= '1' && d->d_name[0] <= '9' ? fopen(path, "re") : NULL;
		if (!stream)
			continue;
		/* "123 (a name) S 1 ...": the name can hold anything; Z and X are dead. */
		after = fgets(stat, sizeof(stat), stream) ? strrchr(stat, ')') : NULL;
		found = after && strlen(after) > 4 && !strchr("ZX", after[2]) &&
			strtol(after + 4, NULL, 10) == parent;
		fclose(stream);
	}
	closedir(dir);
	return found;
}

pid_t helper_without_follower(void)
{
	pid_t helper = helper_pid();
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", helper);
	return helper > 0 && has_begun(pid) && !may_have_child(helper) ? helper : 0;
}

const char *pin_path(const char *pin_dir, const char *name)
{
	static char paths[4][4096];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", pin_dir, name);
	return path;
}

static const char *bytes_text(double bytes, char *buffer, size_t size)
{
	static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	unsigned int i = 0;

	while (bytes >= 1024 && i < 6) {
		bytes /= 1024;
		i++;
	}
	snprintf(buffer, size, i ? "%.1f%s" : "%.0f%s", bytes, unit[i]);
	return buffer;
}

static bool name_ends(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);

	return n >= e && !strcmp(name + n - e, end);
}

const char *feature_text(unsigned int id, __u64 value, char *buffer, size_t size)
{
	const char *name = feature_name(id);

	if (feature_is_ratio(id)) {
		snprintf(buffer, size, "%.2f", q16_decimal((long long)value));
	} else if (name && name_ends(name, "_q8")) {
		snprintf(buffer, size, "%.1f", (double)value / 256);
	} else if (name && name_ends(name, "bytes")) {
		return bytes_text((double)value, buffer, size);
	} else if (id == FEATURE_BYTES_PER_S) {
		char bytes[32];

		snprintf(buffer, size, "%s/s", bytes_text((double)value, bytes, sizeof(bytes)));
	} else if (id == FEATURE_LATENCY_NS) {
		snprintf(buffer, size, "%.1fus", (double)value / 1000);
	} else {
		snprintf(buffer, size, "%llu", (unsigned long long)value);
	}
	return buffer;
}

double q16_decimal(long long q16)
{
	return (double)q16 / LOGIT_ONE;
}

int json_print(cJSON *json)
{
	char *text = json ? cJSON_Print(json) : NULL;

	cJSON_Delete(json);
	if (!text)
		return fail(EXIT_FAILURE, "out of memory");
	puts(text);
	free(text);
	return finish_output();
}

void json_add_u64(cJSON *object, const char *name, __u64 value)
{
	char text[32];

	if (value < 1ULL << 53) {
		cJSON_AddNumberToObject(object, name, (double)value);
		return;
	}
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	cJSON_AddStringToObject(object, name, text);
}

int finish_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		return fail(EXIT_FAILURE, "standard output: %s", strerror(errno));
	return EXIT_SUCCESS;
}

int take_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC);
}
