// SPDX-License-Identifier: GPL-2.0-only
/* config: show or set windows, limits, policy and mode; all of it or nothing */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "apply.h"
#include "bdi.h"
#include "cli.h"
#include "defaults.h"
#include "exclude.h"
#include "load.h"
#include "names.h"
#include "per_file.h"

#define RECHECK_NS 100000000L /* a helper's write in flight has landed by then */
#define ASSIGNMENTS_MAX 128

enum value_kind { DURATION, MARGIN, COUNT, KILOBYTES, SCOPE, MODE, SWITCH };

/* One row per field of struct config that people may set. */
struct setting {
	const char *key;
	enum value_kind kind;
	size_t offset, size;
	long long least, most, standard;
	const char *what;
};

#define FIELD(name) offsetof(struct config, name), sizeof(((struct config *)0)->name)
#define MS 1000000LL
#define S 1000000000LL

static const struct setting settings[] = {
	{"window", DURATION, FIELD(window_ns), 10 * MS, 600 * S, DEFAULT_WINDOW_NS,
	 "span that is classified"},
	{"hop", DURATION, FIELD(hop_ns), 10 * MS, 600 * S, DEFAULT_HOP_NS,
	 "time between two evaluations"},
	{"stretch", DURATION, FIELD(stretch_ns), 10 * MS, 3600 * S, DEFAULT_STRETCH_NS,
	 "what a window with few calls may grow to"},
	{"idle", DURATION, FIELD(idle_ns), 10 * MS, 3600 * S, DEFAULT_IDLE_NS,
	 "silence after which what came before is forgotten"},
	{"dwell", DURATION, FIELD(dwell_ns), 10 * MS, 3600 * S, DEFAULT_DWELL_NS,
	 "least time between two changes"},
	{"margin", MARGIN, FIELD(margin), 1, LOGIT_MAX, DEFAULT_MARGIN,
	 "least lead of a class over the second best"},
	{"confirm", COUNT, FIELD(confirm), 1, 1000, DEFAULT_CONFIRM,
	 "agreeing hops in a row before a change; one that is sure counts twice"},
	{"min_calls", COUNT, FIELD(min_calls), 1, 1000000, DEFAULT_MIN_CALLS,
	 "fewer calls in a window: no answer"},
	{"floor", KILOBYTES, FIELD(floor_kb), RA_KB_HARD_MIN, RA_KB_HARD_MAX, DEFAULT_FLOOR_KB,
	 "KB, never set less"},
	{"cap", KILOBYTES, FIELD(cap_kb), RA_KB_HARD_MIN, RA_KB_HARD_MAX, DEFAULT_CAP_KB,
	 "KB, never set more"},
	{"scope", SCOPE, FIELD(scope), 0, 0, SCOPE_MOUNTED, "mounted, listed or all"},
	{"mode", MODE, FIELD(mode), 0, 0, DEFAULT_MODE, "observe, recommend, act or emergency"},
	{"sample", DURATION, FIELD(sample_ns), 10 * MS, 3600 * S, DEFAULT_SAMPLE_NS,
	 "time between two samples of a bdi for the history"},
	{"open-files", SWITCH, FIELD(open_files), 0, 0, DEFAULT_OPEN_FILES,
	 "on or off: open files follow a change"},
	{"guard", SWITCH, FIELD(guard), 0, 0, DEFAULT_GUARD,
	 "on or off: a change that does harm is taken back"},
	{"probe", SWITCH, FIELD(probe), 0, 0, DEFAULT_PROBE,
	 "on or off: neighbouring values are tried"},
	{"per-file", SWITCH, FIELD(per_file), 0, 0, DEFAULT_PER_FILE,
	 "on or off: files get values of their own"},
};

#define NR_SETTINGS (sizeof(settings) / sizeof(settings[0]))

static const char *const scope_names[] = {"mounted", "listed", "all"};
static const char *const switch_names[] = {"default", "on", "off"};

enum assignment_kind {
	SET_FIELD,
	SET_KB,
	SET_CLAMP,
	DROP_ROW,
	RESUME,
	EXCLUDE_COMM,
	EXCLUDE_CGROUP,
	INCLUDE_COMM,
	INCLUDE_CGROUP,
};

/* Assignments of one word: a device, a name, a path. */
static const struct {
	const char *key;
	enum assignment_kind kind;
} words[] = {
	{"resume", RESUME},
	{"exclude-comm", EXCLUDE_COMM},
	{"exclude-cgroup", EXCLUDE_CGROUP},
	{"include-comm", INCLUDE_COMM},
	{"include-cgroup", INCLUDE_CGROUP},
};

#define NR_WORDS (sizeof(words) / sizeof(words[0]))

struct assignment {
	enum assignment_kind kind;
	const struct setting *setting;
	long long value;
	unsigned int class_id;
	char *device; /* NULL: the default row. Or what is excluded or included. */
	struct open_exclusion exclusion;
};

struct row {
	__u64 bdi_id;
	bool drop;
	struct policy_row policy;
};

struct plan {
	struct assignment assignments[ASSIGNMENTS_MAX];
	unsigned int nr_assignments;
	struct config config;
	struct row rows[ASSIGNMENTS_MAX];
	unsigned int nr_rows;
	__u64 resumes[ASSIGNMENTS_MAX];
	unsigned int nr_resumes;
	bool config_set, emergency;
	bool exclusions; /* open_files is open */
	struct open_files open_files;
	bool per_file_set, open_files_set;
};

static long long field_get(const struct config *config, const struct setting *setting)
{
	const char *at = (const char *)config + setting->offset;
	__u64 wide;
	__u32 narrow;

	if (setting->size == sizeof(wide)) {
		memcpy(&wide, at, sizeof(wide));
		return (long long)wide;
	}
	if (setting->size == 1)
		return *(const unsigned char *)at;
	memcpy(&narrow, at, sizeof(narrow));
	return narrow;
}

static void field_set(struct config *config, const struct setting *setting, long long value)
{
	char *at = (char *)config + setting->offset;
	__u64 wide = (__u64)value;
	__u32 narrow = (__u32)value;

	if (setting->size == sizeof(wide))
		memcpy(at, &wide, sizeof(wide));
	else if (setting->size == 1)
		*at = (char)value;
	else
		memcpy(at, &narrow, sizeof(narrow));
}

/* --- parsing ------------------------------------------------------------------------------- */

/* 0 or -EINVAL */
static int parse_integer(const char *text, long long *value)
{
	char *end;

	errno = 0;
	*value = strtoll(text, &end, 10);
	return errno || end == text || *end ? -EINVAL : 0;
}

/* A finite decimal and what follows it. */
static int parse_decimal(const char *text, double *value, const char **rest)
{
	char *end;

	errno = 0;
	*value = strtod(text, &end);
	*rest = end;
	return errno || end == text || !isfinite(*value) ? -EINVAL : 0;
}

static int parse_duration(const char *text, long long *ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
	const char *unit;
	double value;
	size_t i;

	if (parse_decimal(text, &value, &unit) || value < 0 || value > 1e9)
		return -EINVAL;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].unit))
			continue;
		*ns = llround(value * units[i].ns);
		return 0;
	}
	return -EINVAL;
}

static int parse_margin(const char *text, long long *q16)
{
	const char *rest;
	double value;

	if (parse_decimal(text, &value, &rest) || *rest || value < 0 || value > 1e6)
		return -EINVAL;
	*q16 = llround(value * LOGIT_ONE);
	return 0;
}

static int parse_scope(const char *text, long long *scope)
{
	for (*scope = 0; *scope < 3; (*scope)++)
		if (!strcmp(text, scope_names[*scope]))
			return 0;
	return -EINVAL;
}

static int parse_value(const struct setting *setting, const char *text, long long *value)
{
	int err = -EINVAL;

	if (!strcmp(text, "default")) {
		*value = setting->standard;
		return 0;
	}
	switch (setting->kind) {
	case DURATION:
		err = parse_duration(text, value);
		break;
	case MARGIN:
		err = parse_margin(text, value);
		break;
	case COUNT:
	case KILOBYTES:
		err = parse_integer(text, value);
		break;
	case SCOPE:
		return parse_scope(text, value);
	case MODE:
		*value = mode_from_name(text);
		return *value < 0 ? -EINVAL : 0;
	case SWITCH:
		*value = !strcmp(text, "on") ? SWITCH_ON : SWITCH_OFF;
		return *value == SWITCH_OFF && strcmp(text, "off") ? -EINVAL : 0;
	}
	return err || *value < setting->least || *value > setting->most ? -EINVAL : 0;
}

static const char *duration_text(long long ns, char *buffer, size_t size)
{
	if (ns < S)
		snprintf(buffer, size, "%gms", (double)ns / 1e6);
	else
		snprintf(buffer, size, "%gs", (double)ns / 1e9);
	return buffer;
}

static const char *value_text(const struct setting *setting, long long value, char *buffer,
			      size_t size)
{
	switch (setting->kind) {
	case DURATION:
		return duration_text(value, buffer, size);
	case MARGIN:
		snprintf(buffer, size, "%.4g", q16_decimal(value));
		break;
	case COUNT:
	case KILOBYTES:
		snprintf(buffer, size, "%lld", value);
		break;
	case SCOPE:
		snprintf(buffer, size, "%s", value < 3 ? scope_names[value] : "?");
		break;
	case MODE:
		snprintf(buffer, size, "%s", mode_name((unsigned int)value));
		break;
	case SWITCH:
		snprintf(buffer, size, "%s", value <= SWITCH_OFF ? switch_names[value] : "?");
		break;
	}
	return buffer;
}

static void usage_value(const struct argp_state *state, const struct setting *setting,
			const char *value)
{
	char least[32], most[32];

	if (setting->kind == SCOPE || setting->kind == MODE || setting->kind == SWITCH)
		usage(state, "%s wants %s, not '%s'", setting->key, setting->what, value);
	usage(state, "%s wants %s to %s, not '%s'", setting->key,
	      value_text(setting, setting->least, least, sizeof(least)),
	      value_text(setting, setting->most, most, sizeof(most)), value);
}

static void parse_policy_value(struct argp_state *state, struct assignment *a, const char *key,
			       const char *value)
{
	if (a->kind == SET_CLAMP) {
		a->value = clamp_from_name(value);
		if (a->value < 0 || a->value > CLAMP_NEVER_RAISE)
			usage(state, "%s wants none, never-lower or never-raise, not '%s'", key,
			      value);
		return;
	}
	if (parse_integer(value, &a->value) ||
	    (a->value && (a->value < RA_KB_HARD_MIN || a->value > RA_KB_HARD_MAX)))
		usage(state, "%s wants %d to %d KB, or 0 to leave alone, not '%s'", key,
		      RA_KB_HARD_MIN, RA_KB_HARD_MAX, value);
}

/*
 * policy.CLASS, policy.CLASS.clamp, policy.DEVICE.CLASS, policy.DEVICE.CLASS.clamp, and
 * policy.DEVICE=default. Read from the end: a device may be a path with dots in it.
 */
static void parse_policy(struct argp_state *state, struct assignment *a, const char *key,
			 const char *value)
{
	char *rest = strdup(key + strlen("policy.")), *dot;
	const char *class;
	int id;

	if (!rest)
		exit(fail(EXIT_FAILURE, "out of memory"));
	if (!strcmp(value, "default") && class_from_name(rest) < 0) {
		a->kind = DROP_ROW;
		a->device = rest;
		return;
	}
	a->kind = SET_KB;
	dot = strrchr(rest, '.');
	if (dot && !strcmp(dot, ".clamp")) {
		a->kind = SET_CLAMP;
		*dot = '\0';
		dot = strrchr(rest, '.');
	}
	class = dot ? dot + 1 : rest;
	id = class_from_name(class);
	if (id < 0)
		usage(state, "no class '%s' in '%s'", class, key);
	a->class_id = (unsigned int)id;
	parse_policy_value(state, a, key, value);
	if (dot) {
		*dot = '\0';
		a->device = rest;
	} else {
		free(rest);
	}
}

static void parse_field(struct argp_state *state, struct assignment *a, const char *key,
			const char *value)
{
	size_t i;

	for (i = 0; i < NR_SETTINGS; i++)
		if (!strcmp(key, settings[i].key))
			break;
	if (i == NR_SETTINGS)
		usage(state, "no key '%s'", key);
	a->kind = SET_FIELD;
	a->setting = &settings[i];
	if (parse_value(a->setting, value, &a->value))
		usage_value(state, a->setting, value);
}

static void parse_assignment(struct argp_state *state, struct plan *plan, const char *argument)
{
	const char *equals = strchr(argument, '=');
	struct assignment *a;
	char *key;
	size_t i;

	if (!equals || equals == argument || !equals[1])
		usage(state, "wants KEY=VALUE, not '%s'", argument);
	if (plan->nr_assignments == ASSIGNMENTS_MAX)
		usage(state, "takes at most %d settings at once", ASSIGNMENTS_MAX);
	key = strndup(argument, (size_t)(equals - argument));
	if (!key)
		exit(fail(EXIT_FAILURE, "out of memory"));
	a = &plan->assignments[plan->nr_assignments++];
	if (!strncmp(key, "policy.", strlen("policy."))) {
		parse_policy(state, a, key, equals + 1);
		free(key);
		return;
	}
	for (i = 0; i < NR_WORDS && strcmp(key, words[i].key); i++)
		;
	if (i == NR_WORDS) {
		parse_field(state, a, key, equals + 1);
	} else {
		a->kind = words[i].kind;
		a->device = strdup(equals + 1);
		if (!a->device)
			exit(fail(EXIT_FAILURE, "out of memory"));
	}
	free(key);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	parse_assignment(state, state->input, argument);
	return 0;
}

/* --- planning: nothing is written before all of it is known to be good ---------------------- */

struct find {
	const char *name;
	__u64 sysfs_ino, bdi_id;
};

static int match_bdi(const struct bdi_state *state, void *arg)
{
	struct find *find = arg;

	if (strcmp(state->name, find->name) || state->sysfs_ino != find->sysfs_ino)
		return 0;
	find->bdi_id = state->bdi_id;
	return 1;
}

static int find_bdi(const struct maps *maps, const char *device, __u64 *bdi_id)
{
	char name[BDI_NAME_LEN];
	struct find find = {.name = name};
	int err;

	err = need_device(device, name);
	if (err)
		return err;
	find.sysfs_ino = bdi_sysfs_ino(name);
	err = maps_each_bdi(maps, match_bdi, &find);
	if (err < 0)
		return fail(EXIT_FAILURE, "cannot read the map of devices: %s", strerror(-err));
	if (!err)
		return fail(EXIT_FAILURE,
			    "nothing has been read from %s yet: read from it, then repeat", device);
	*bdi_id = find.bdi_id;
	return 0;
}

/* The default row is what a device's own row starts from. */
static int read_row(const struct maps *maps, __u64 bdi_id, struct policy_row *row)
{
	const __u64 standard = DEFAULT_POLICY_ID;

	if (!bpf_map_lookup_elem(maps->policy, &bdi_id, row))
		return 0;
	if (errno == ENOENT && !bpf_map_lookup_elem(maps->policy, &standard, row))
		return 0;
	return fail(EXIT_FAILURE, "cannot read the policy: %s", strerror(errno));
}

static int plan_row(const struct maps *maps, struct plan *plan, const char *device,
		    struct row **found)
{
	__u64 bdi_id = DEFAULT_POLICY_ID;
	unsigned int i;
	int status;

	status = device ? find_bdi(maps, device, &bdi_id) : 0;
	if (status)
		return status;
	for (i = 0; i < plan->nr_rows; i++)
		if (plan->rows[i].bdi_id == bdi_id)
			break;
	*found = &plan->rows[i];
	if (i < plan->nr_rows)
		return 0;
	status = read_row(maps, bdi_id, &plan->rows[i].policy);
	if (status)
		return status;
	plan->rows[i].bdi_id = bdi_id;
	plan->nr_rows++;
	return 0;
}

static int plan_policy(const struct maps *maps, struct plan *plan, const struct assignment *a)
{
	struct row *row;
	int status = plan_row(maps, plan, a->device, &row);

	if (status)
		return status;
	row->drop = a->kind == DROP_ROW;
	if (a->kind == SET_CLAMP)
		row->policy.clamp[a->class_id] = (__u8)a->value;
	if (a->kind != SET_KB)
		return 0;
	row->policy.ra_kb[a->class_id] = (__u32)a->value;
	/* A device's own number is one that somebody chose: no rule bends it, no probe moves it. */
	if (a->device)
		row->policy.clamp[a->class_id] = CLAMP_BY_HAND;
	return 0;
}

static int plan_resume(const struct maps *maps, struct plan *plan, const char *device)
{
	struct applied applied;
	__u64 bdi_id;
	int status = find_bdi(maps, device, &bdi_id);

	if (status)
		return status;
	if (bpf_map_lookup_elem(maps->applied, &bdi_id, &applied) ||
	    applied.status != APPLIED_STOOD_BACK)
		return fail(EXIT_FAILURE, "%s is not stood back from: nothing to resume", device);
	plan->resumes[plan->nr_resumes++] = bdi_id;
	return 0;
}

/* The pins of open files, which not every kernel has: 0, or the exit status after the line. */
static int need_open_files(struct open_files *of)
{
	int err = open_files_open(cli.pin_dir, of);

	if (!err)
		return 0;
	if (err == -ENOENT)
		return fail(EXIT_NOT_LOADED, "open files are not followed here: open_files.bpf.o "
					     "is not loaded; 'bpfahead probe' says what the "
					     "kernel lacks");
	return fail(status_of(err), "cannot open the maps of open files: %s", strerror(-err));
}

static int plan_exclusion(struct plan *plan, struct assignment *a)
{
	int err = 0, status;

	status = plan->exclusions ? 0 : need_open_files(&plan->open_files);
	plan->exclusions = true;
	if (status)
		return status;
	if (a->kind == INCLUDE_COMM || a->kind == INCLUDE_CGROUP) {
		if (!exclude_find(&plan->open_files, a->kind == INCLUDE_COMM ? a->device : NULL,
				  a->kind == INCLUDE_CGROUP ? a->device : NULL, &a->exclusion))
			return 0;
		return fail(EXIT_FAILURE, "'%s' is not excluded", a->device);
	}
	if (a->kind == EXCLUDE_COMM && exclude_comm_key(a->device, &a->exclusion))
		return fail(EXIT_USAGE,
			    "exclude-comm wants a process name of 1 to %zu bytes, "
			    "not '%s'",
			    sizeof(a->exclusion.comm) - 1, a->device);
	if (a->kind == EXCLUDE_CGROUP)
		err = exclude_cgroup_key(a->device, &a->exclusion);
	if (err == -EINVAL)
		return fail(EXIT_USAGE,
			    "exclude-cgroup wants an absolute path of less than %d "
			    "bytes, not '%s'",
			    OPEN_PATH_LEN, a->device);
	if (err == -EMEDIUMTYPE)
		return fail(EXIT_FAILURE, "%s is no cgroup of version 2", a->device);
	return err ? fail(EXIT_FAILURE, "%s: %s", a->device, strerror(-err)) : 0;
}

static int check_config(const struct config *config)
{
	char hop[32], window[32];

	if (config->window_ns < config->hop_ns ||
	    config->window_ns > config->hop_ns * (HOPS_MAX - 1))
		return fail(EXIT_USAGE, "window %s does not fit hop %s: it takes 1 to %d hops",
			    duration_text((long long)config->window_ns, window, sizeof(window)),
			    duration_text((long long)config->hop_ns, hop, sizeof(hop)),
			    HOPS_MAX - 1);
	if (config->stretch_ns < config->window_ns)
		return fail(EXIT_USAGE, "stretch is less than window");
	if (config->per_file == SWITCH_ON && config->open_files != SWITCH_ON)
		return fail(EXIT_USAGE, "per-file takes open-files=on: files are reached that way");
	if (config->probe == SWITCH_ON && config->guard != SWITCH_ON)
		return fail(EXIT_USAGE, "probe takes guard=on: trials are judged by its means");
	if (config->floor_kb > config->cap_kb)
		return fail(EXIT_USAGE, "floor %u KB is above cap %u KB", config->floor_kb,
			    config->cap_kb);
	return 0;
}

static int plan_all(const struct maps *maps, struct plan *plan)
{
	unsigned int i;
	int status = 0;

	for (i = 0; i < plan->nr_assignments && !status; i++) {
		struct assignment *a = &plan->assignments[i];

		switch (a->kind) {
		case SET_FIELD:
			field_set(&plan->config, a->setting, a->value);
			plan->config_set = true;
			if (a->setting->offset == offsetof(struct config, per_file))
				plan->per_file_set = true;
			if (a->setting->offset == offsetof(struct config, open_files))
				plan->open_files_set = true;
			break;
		case SET_KB:
		case SET_CLAMP:
		case DROP_ROW:
			status = plan_policy(maps, plan, a);
			break;
		case RESUME:
			status = plan_resume(maps, plan, a->device);
			break;
		case EXCLUDE_COMM:
		case EXCLUDE_CGROUP:
		case INCLUDE_COMM:
		case INCLUDE_CGROUP:
			status = plan_exclusion(plan, a);
			break;
		}
	}
	plan->emergency = plan->config_set && plan->config.mode == MODE_EMERGENCY;
	return status ? status : check_config(&plan->config);
}

/* --- writing ------------------------------------------------------------------------------- */

static int write_row(const struct maps *maps, const struct row *row)
{
	if (!row->drop)
		return maps_put_row(maps, row->bdi_id, &row->policy, BPF_ANY);
	if (bpf_map_delete_elem(maps->policy, &row->bdi_id) && errno != ENOENT)
		return -errno;
	return 0;
}

static int write_exclusions(const struct plan *plan)
{
	const struct assignment *a;
	unsigned int i;
	int err = 0;

	for (i = 0; i < plan->nr_assignments && !err; i++) {
		a = &plan->assignments[i];
		if (a->kind == EXCLUDE_COMM)
			err = exclude_put(&plan->open_files, &a->exclusion, NULL);
		else if (a->kind == EXCLUDE_CGROUP)
			err = exclude_put(&plan->open_files, &a->exclusion, a->device);
		else if (a->kind == INCLUDE_COMM || a->kind == INCLUDE_CGROUP)
			err = exclude_drop(&plan->open_files, &a->exclusion);
	}
	if (err == -E2BIG)
		return fail(EXIT_FAILURE, "no more than %d names and cgroups can be excluded",
			    OPEN_EXCLUDED_MAX);
	return err ? fail(EXIT_FAILURE, "cannot write what is excluded: %s", strerror(-err)) : 0;
}

static int write_plan(const struct maps *maps, const struct plan *plan)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < plan->nr_rows && !err; i++)
		err = write_row(maps, &plan->rows[i]);
	if (!err && plan->config_set)
		err = maps_set_config(maps, &plan->config);
	for (i = 0; i < plan->nr_resumes && !err; i++)
		if (bpf_map_delete_elem(maps->applied, &plan->resumes[i]) && errno != ENOENT)
			err = -errno;
	if (err)
		return fail(EXIT_FAILURE, "cannot write the configuration: %s", strerror(-err));
	return plan->exclusions ? write_exclusions(plan) : 0;
}

/*
 * The object that tells files apart is there only while it is wanted. Going, it leaves files with
 * values of their own, which this process gives back to their devices; it looks again, as above.
 */
static int switch_per_file(const struct maps *maps, bool on)
{
	const struct timespec recheck = {.tv_nsec = RECHECK_NS};
	struct fault fault;
	int err;

	err = load_per_file(cli.pin_dir, on, &fault);
	if (err)
		return fail(status_of(err), "%s", fault.text);
	if (on)
		return 0;
	per_file_end_all(cli.pin_dir, maps);
	nanosleep(&recheck, NULL);
	per_file_end_all(cli.pin_dir, maps);
	return 0;
}

/* A helper that was started with it off has no process for open files, nor can it have one. */
static void tell_of_restart(void)
{
	struct open_files of;
	pid_t helper = open_files_open(cli.pin_dir, &of) ? 0 : helper_without_follower();

	open_files_close(&of);
	if (helper)
		say("open files do not follow yet: the helper at work (process %d) has to be "
		    "started anew for that",
		    helper);
}

/* The helper may be dead, or in the middle of a write: this process restores, and looks again. */
static int stand_still(const struct maps *maps)
{
	const struct timespec recheck = {.tv_nsec = RECHECK_NS};
	int left;

	left = restore_originals(maps, stdout);
	if (left < 0)
		return fail(EXIT_FAILURE, "cannot restore the original values: %s",
			    strerror(-left));
	nanosleep(&recheck, NULL);
	left = restore_originals(maps, stdout);
	if (left < 0)
		return fail(EXIT_FAILURE, "cannot restore the original values: %s",
			    strerror(-left));
	if (left)
		return fail(EXIT_FAILURE,
			    "%d original values could not be written back (see above); "
			    "'bpfahead restore' tries again",
			    left);
	open_files_return_all(cli.pin_dir, maps, stdout);
	puts("original values are back; nothing is changed until 'bpfahead config mode=act'");
	return finish_output();
}

/* --- showing ------------------------------------------------------------------------------- */

static void print_setting(cJSON *root, const struct config *config, const struct setting *setting)
{
	long long value = field_get(config, setting);
	const char *mark = value == setting->standard ? " (default)" : "";
	char text[64];

	value_text(setting, value, text, sizeof(text));
	if (!root)
		printf("%-10s %-22s %s\n", setting->key, strcat(text, mark), setting->what);
	else if (setting->kind == DURATION)
		cJSON_AddNumberToObject(root, setting->key, (double)value / 1e9);
	else if (setting->kind == MARGIN)
		cJSON_AddNumberToObject(root, setting->key, q16_decimal(value));
	else if (setting->kind == COUNT || setting->kind == KILOBYTES)
		cJSON_AddNumberToObject(root, setting->key, (double)value);
	else
		cJSON_AddStringToObject(root, setting->key, text);
}

static bool is_default_policy(unsigned int id, const struct policy_row *row)
{
	switch (id) {
#define X(class_id, kb, rule)  \
	case CLASS_##class_id: \
		return row->ra_kb[id] == (kb) && row->clamp[id] == (rule);
		DEFAULT_POLICY_LIST(X)
#undef X
	}
	return false;
}

static void print_row(cJSON *root, const char *device, const struct policy_row *row)
{
	cJSON *object = root ? cJSON_AddObjectToObject(root, device ? device : "default") : NULL;
	char key[BDI_NAME_LEN + 96], value[64];
	unsigned int id;
	cJSON *rule;

	for (id = 0; id < NR_CLASSES; id++) {
		if (object) {
			rule = cJSON_AddObjectToObject(object, class_name(id));
			cJSON_AddNumberToObject(rule, "kb", row->ra_kb[id]);
			cJSON_AddStringToObject(rule, "clamp", clamp_name(row->clamp[id]));
			continue;
		}
		snprintf(key, sizeof(key), "policy.%s%s%s", device ? device : "", device ? "." : "",
			 class_name(id));
		snprintf(value, sizeof(value), "%u KB, clamp %s%s", row->ra_kb[id],
			 clamp_name(row->clamp[id]),
			 !device && is_default_policy(id, row) ? " (default)" : "");
		printf("%-30s %s\n", key, value);
	}
}

struct show_rows {
	const struct maps *maps;
	cJSON *root;
};

static int show_own_row(const struct bdi_state *state, void *arg)
{
	struct show_rows *show = arg;
	struct policy_row row;

	if (bpf_map_lookup_elem(show->maps->policy, &state->bdi_id, &row))
		return 0;
	if (state->sysfs_ino && bdi_sysfs_ino(state->name) == state->sysfs_ino)
		print_row(show->root, state->name, &row);
	return 0;
}

struct exclusions {
	cJSON *comms, *cgroups;
};

static void show_exclusion(const char *comm, const char *path, void *arg)
{
	struct exclusions *e = arg;

	if (e->comms)
		cJSON_AddItemToArray(comm ? e->comms : e->cgroups,
				     cJSON_CreateString(comm ? comm : path));
	else
		printf("%-30s %s\n", comm ? "exclude-comm" : "exclude-cgroup", comm ? comm : path);
}

static void show_exclusions(cJSON *root)
{
	struct exclusions e = {0};
	struct open_files of;

	if (root) {
		e.comms = cJSON_AddArrayToObject(root, "exclude-comm");
		e.cgroups = cJSON_AddArrayToObject(root, "exclude-cgroup");
	}
	if (!open_files_open(cli.pin_dir, &of))
		exclude_each(&of, show_exclusion, &e);
	open_files_close(&of);
}

static int show(const struct maps *maps, const struct config *config)
{
	struct show_rows rows = {.maps = maps};
	cJSON *root = cli.json ? cJSON_CreateObject() : NULL;
	struct policy_row row;
	__u64 key = DEFAULT_POLICY_ID;
	size_t i;
	int err;

	for (i = 0; i < NR_SETTINGS; i++)
		print_setting(root, config, &settings[i]);
	rows.root = root ? cJSON_AddObjectToObject(root, "policy") : NULL;
	if (!root)
		putchar('\n');
	if (!bpf_map_lookup_elem(maps->policy, &key, &row))
		print_row(rows.root, NULL, &row);
	err = maps_each_bdi(maps, show_own_row, &rows);
	show_exclusions(root);
	if (err) {
		cJSON_Delete(root);
		return fail(EXIT_FAILURE, "cannot read the map of devices: %s", strerror(-err));
	}
	return root ? json_print(root) : finish_output();
}

static void plan_free(struct plan *plan)
{
	unsigned int i;

	for (i = 0; i < plan->nr_assignments; i++)
		free(plan->assignments[i].device);
	if (plan->exclusions)
		open_files_close(&plan->open_files);
}

int cmd_config(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "[KEY=VALUE]...",
		.doc = "Show everything that can be set, or set some of it: all or nothing.\v"
		       "Keys: window, hop, stretch, idle, dwell (500ms, 2.5s), margin, confirm, "
		       "min_calls, floor, cap, scope (mounted, listed, all), mode (observe, "
		       "recommend, act, emergency), policy.CLASS=KB, policy.CLASS.clamp=none|"
		       "never-lower|never-raise, the same with policy.DEVICE.CLASS, "
		       "policy.DEVICE=default, resume=DEVICE, exclude-comm=NAME, "
		       "exclude-cgroup=PATH, include-comm=NAME, include-cgroup=PATH.  The value "
		       "'default' resets a key.  "
		       "mode=emergency also writes the original values back.",
	};
	static struct plan plan;
	struct maps maps;
	bool per_file;
	int err, status;

	status = cli_parse(&argp, true, argc, argv, &plan);
	if (status)
		goto free_plan;
	status = need_maps(&maps);
	if (status)
		goto close;
	/* Showing writes nothing, not even defaults into maps that are all zeros yet. */
	err = plan.nr_assignments ? maps_fill_defaults(&maps) : 0;
	if (!err)
		err = maps_get_config(&maps, &plan.config);
	if (err) {
		status = fail(EXIT_FAILURE, "cannot read the configuration: %s", strerror(-err));
		goto close;
	}
	config_effective(&plan.config, &plan.config);
	if (plan.nr_assignments)
		status = plan_all(&maps, &plan);
	else
		status = show(&maps, &plan.config);
	/* On: nothing is written before it is known to work. Off: the helper is told first. */
	per_file = plan.config.per_file == SWITCH_ON;
	if (!status && plan.per_file_set && per_file)
		status = switch_per_file(&maps, true);
	if (!status && plan.nr_assignments)
		status = write_plan(&maps, &plan);
	if (!status && plan.per_file_set && !per_file)
		status = switch_per_file(&maps, false);
	if (!status && plan.open_files_set && plan.config.open_files == SWITCH_ON)
		tell_of_restart();
	if (!status && plan.emergency)
		status = stand_still(&maps);
close:
	maps_close(&maps);
free_plan:
	plan_free(&plan);
	return status;
}
