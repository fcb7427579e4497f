/* SPDX-License-Identifier: GPL-2.0-only */
/* Starting and undoing, as `load`, `run`, `unload` and `restore` share it. Failures are said here.
 */
#ifndef BPFAHEAD_START_H
#define BPFAHEAD_START_H

#include <stdbool.h>
#include <stdio.h>

#include "load.h"

/* The model in @path, the built-in one if NULL. 0 or the exit status after the line. */
int start_model(const char *path, struct model *model);

/*
 * start_loaded - load all, fill in defaults, push @model, say what came of it
 * @chosen: the user named the model, so sources it lacks are a failure, not a remark
 * @configure: changes configuration and scope before the first decision; may be NULL.
 *             Returns 0 or an exit status.
 * The pin directory is locked and empty. 0 or the exit status after the line; the
 * caller then removes the pins.
 */
int start_loaded(const struct model *model, bool chosen, struct loaded *loaded,
		 int (*configure)(const struct maps *maps, void *arg), void *arg);

/* Makes the state directory; that it cannot be is said, and no failure. Is it there? */
bool start_state_dir(void);

/*
 * start_restore - write the originals back, the lock being held
 * @report: a line per bdi, or NULL
 * @force: maps that cannot be opened are no failure
 */
int start_restore(FILE *report, bool force);

#endif
