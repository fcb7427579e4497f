/* SPDX-License-Identifier: GPL-2.0-only */
/* The subcommands. Each parses its own arguments and returns an exit status. */
#ifndef BPFAHEAD_GEN_COMMANDS_H
#define BPFAHEAD_GEN_COMMANDS_H

#include <argp.h>

#include "fault.h"
#include "metadata.h"
#include "train.h"

enum exit_status {
	EXIT_OK = 0,
	EXIT_INPUT = 1, /* input, output or data at fault: one line on standard error says which */
	EXIT_USAGE = 2,
};

int command_train(int argc, char **argv);
int command_crossval(int argc, char **argv);
int command_eval(int argc, char **argv);
int command_dataset(int argc, char **argv);
int command_capture(int argc, char **argv);
int command_trace(int argc, char **argv);
int command_import(int argc, char **argv);
int command_export(int argc, char **argv);
int command_info(int argc, char **argv);

/* Options that train and crossval share, as an argp child. */
struct training_arguments {
	struct train_options options;
	double validation; /* share of the runs of each class */
	bool validation_given;
	uint8_t merge_into[CLASSES_MAX]; /* class id -> the one it is taken for, mostly itself */
};

extern const struct argp training_argp;
void training_arguments_init(struct training_arguments *arguments);

/* Labels the windows of merged classes anew; after reading, before anything counts classes. */
void merge_classes(struct dataset *d, const struct training_arguments *arguments);

/* Features that the inputs are made of: bit n: feature n. */
uint32_t features_needed(const struct train_options *options);

/* Takes the validation part out of the training part, if there is to be one. 0 or -ENOMEM. */
int validation_part(const struct dataset *d, const struct training_arguments *training,
		    uint8_t *parts, struct rng *rng);

/*
 * Reads every file, and all runs of a path that is a recording directory; a note on
 * standard error counts what was dropped and why.
 */
int read_recordings(struct dataset *d, struct metadata *m, char **paths, unsigned int nr,
		    uint32_t needed, struct fault *why);

/* The same where nobody asks for the metadata. */
int read_files(struct dataset *d, char **paths, unsigned int nr, uint32_t needed,
	       struct fault *why);

/* "dir/default.bin" -> "default", made fit for a header. */
void name_of_file(const char *path, char name[MODEL_NAME_LEN]);

/* Prints the line of a fault and returns EXIT_INPUT. */
int failed(const struct fault *why);

#endif
