/* SPDX-License-Identifier: GPL-2.0-only */
/* What the commands of bpfahead share: options, exit codes, the one line of a failure. */
#ifndef BPFAHEAD_CLI_H
#define BPFAHEAD_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <cjson/cJSON.h>

#include "maps.h"

#ifndef BPFAHEAD_VERSION
#define BPFAHEAD_VERSION "0.1.0"
#endif

/* Documented in docs/bpfahead.1; EXIT_SUCCESS and EXIT_FAILURE are 0 and 1. */
enum exit_status {
	EXIT_USAGE = 2,
	EXIT_NOT_LOADED = 3,
	EXIT_BUSY = 4,
	EXIT_UNSUPPORTED = 5,
	EXIT_BAD_WEIGHTS = 6,
};

struct cli {
	const char *pin_dir;
	const char *state_dir;
	bool verbose;
	bool json;
};
extern struct cli cli;

/* What went wrong below a command, in words; the command adds the program's name. */
struct fault {
	char text[320];
};

/* Fills @fault and returns @err. */
int cli_fault_set(struct fault *fault, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The exit status that fits -errno: -EBUSY, -EOPNOTSUPP and so on; EXIT_FAILURE otherwise. */
int status_of(int err);

/* One line on standard error; returns @status, so that a command ends with it. */
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line of news on standard error. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line on standard error that points to --help, then exit(EXIT_USAGE). */
void usage(const struct argp_state *state, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/*
 * cli_parse - argp_parse() with the options of every command added
 * @with_json: --json is one of them
 * Returns 0 or EXIT_USAGE, the line being out already.
 */
int cli_parse(const struct argp *argp, bool with_json, int argc, char **argv, void *input);

/* A parser for commands without options of their own: any argument is one too many. */
error_t cli_no_arguments(int key, char *argument, struct argp_state *state);

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
};

/*
 * command_group - run the one of @commands that the first argument names
 * @doc: for --help; ends with "\v" and a newline, which asks for the list of commands
 * @closing: what --help says below that list
 */
int command_group(const struct command *commands, const char *doc, const char *closing, int argc,
		  char **argv);

/* 0, or the exit status after the line: not root. */
int need_root(void);

/* Root, then maps_open() of the pin directory: 0 or the exit status after the line. */
int need_maps(struct maps *maps);

/* bdi_resolve() for what a person typed: 0, or the exit status after the line. */
int need_device(const char *device, char name[BDI_NAME_LEN]);

/* libbpf's messages: to standard error with --verbose, else only the last warning is kept. */
void libbpf_log_capture(void);
const char *libbpf_log_last(void); /* "" if none; one line */

/* Who holds the owner lock; 0: no helper that can be seen from here. */
pid_t helper_pid(void);
bool helper_alive(void);

/*
 * The helper, if it is at work without the process that re-arms open files, its only child: it was
 * started with open-files off, or that has died. 0: it has one, or is starting, or is not there.
 */
pid_t helper_without_follower(void);

/* PIN_DIR/NAME; static buffers, four in turn. */
const char *pin_path(const char *pin_dir, const char *name);

/* "0.98", "4.0KiB", "12.3": a feature for people. Returns @buffer. */
const char *feature_text(unsigned int id, __u64 value, char *buffer, size_t size);

/* A Q16 logit or margin as a decimal. */
double q16_decimal(long long q16);

/* Prints and frees. 0 or EXIT_FAILURE. */
int json_print(cJSON *json);

/* Exact up to 2^64 - 1 as a string, where a double would round. */
void json_add_u64(cJSON *object, const char *name, __u64 value);

/* Flushes standard output: a full disk or closed pipe is a failure too. */
int finish_output(void);

/*
 * SIGINT, SIGTERM and SIGHUP as events: blocked from here on and read from the
 * descriptor, so that nothing is left half done. SIGPIPE is ignored: a reader
 * that leaves must not keep the originals from coming back. -errno on failure.
 */
int take_signals(void);

int cmd_run(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_unload(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_weights(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_calibrate(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_restore(int argc, char **argv);

#endif
