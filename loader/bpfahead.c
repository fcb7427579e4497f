// SPDX-License-Identifier: GPL-2.0-only
/* The command line: picks a command; each has its own options and --help. */
#include <stdlib.h>

#include "cli.h"
#include "state.h"

static const struct command commands[] = {
	{"run", cmd_run, "load, decide and apply in the foreground; Ctrl-C undoes everything"},
	{"load", cmd_load, "load and pin everything, and leave it running"},
	{"unload", cmd_unload, "restore the original values and take everything away"},
	{"attach", cmd_attach, "attach the programs that bpftool pinned"},
	{"weights", cmd_weights, "show, verify, push, shadow, promote or rollback a model"},
	{"status", cmd_status, "what it sees, decides and has set, device by device"},
	{"config", cmd_config, "show or set windows, limits, policy and mode"},
	{"calibrate", cmd_calibrate,
	 "measure a device at each readahead and give it its own policy"},
	{"record", cmd_record, "write every window's features to a CSV file, for training"},
	{"probe", cmd_probe, "what this kernel offers and lacks"},
	{"report", cmd_report, "draw what was recorded, as one page of HTML"},
	{"restore", cmd_restore, "write the original values back after a crash"},
	{0},
};

const char *argp_program_version = "bpfahead " BPFAHEAD_VERSION;

int main(int argc, char **argv)
{
	static const char closing[] =
		"\n'bpfahead COMMAND --help' shows the options of one.\n"
		"Exit status: 0 done, 1 failed, 2 usage, 3 nothing loaded, 4 in use by another\n"
		"process, 5 not offered by this kernel, 6 unusable weights.\n";
	const char *pin_dir = getenv("BPFAHEAD_PIN_DIR");

	if (pin_dir && *pin_dir)
		cli.pin_dir = pin_dir;
	cli.state_dir = state_dir_default();
	argv[0] = (char *)"bpfahead";
	libbpf_log_capture();
	return command_group(commands,
			     "Sets the readahead of block devices by what they are read for.\v\n",
			     closing, argc, argv);
}
