/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steering: what the guard finds out becomes rows of the map `policy`, memory, and lines of the
 * log. A bdi's row that is written here carries CLAMP_LEARNED where it differs from what it stands
 * on (the default row, or a row that was measured), and goes when the helper does.
 */
#ifndef BPFAHEAD_STEER_H
#define BPFAHEAD_STEER_H

#include "apply.h"
#include "history.h"

struct steer;

/*
 * steer_new - follow an applier's ring
 * @maps: open for as long as this lives; not owned
 * @state_dir: where memory is kept; NULL: nowhere
 * @history: where findings are noted, too; NULL: nowhere
 * @tell: a line of news for the log, without newline; @warning: somebody should look
 *
 * To be listening last, after whoever loads rows when a device appears. NULL with errno set on
 * failure.
 */
struct steer *steer_new(const struct maps *maps, struct applier *applier, const char *state_dir,
			struct history *history,
			void (*tell)(bool warning, const char *line, void *arg), void *arg);

/* Takes the rows out again and writes down what was learned. */
void steer_free(struct steer *s);

/*
 * steer_sweep - rows that a helper left which was killed
 * To be called before rows are loaded: one with a number set by hand keeps the rest of it.
 */
void steer_sweep(const struct maps *maps);

#endif
