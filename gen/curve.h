/* SPDX-License-Identifier: GPL-2.0-only */
/* The learning curve as a picture. */
#ifndef BPFAHEAD_GEN_CURVE_H
#define BPFAHEAD_GEN_CURVE_H

#include "fault.h"
#include "train.h"

/*
 * curve_write_svg - loss of the training and validation parts by epoch, on a logarithmic axis
 * @best: the epoch whose network was kept, from 1
 *
 * Without validation losses only the training part is drawn. 0 or -errno.
 */
int curve_write_svg(const char *path, const char *title, const struct epoch_loss *losses,
		    unsigned int nr, unsigned int best, struct fault *why);

#endif
