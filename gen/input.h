/* SPDX-License-Identifier: GPL-2.0-only */
/* Small input files, read as a whole. */
#ifndef BPFAHEAD_GEN_INPUT_H
#define BPFAHEAD_GEN_INPUT_H

#include <stddef.h>

#include "fault.h"

/*
 * input_read - all of a file
 * @room: a file of so many bytes or more is refused
 * @what: it is too large for
 * @bytes: to be freed on success
 *
 * 0 or -errno.
 */
int input_read(const char *path, size_t room, const char *what, char **bytes, size_t *size,
	       struct fault *why);

#endif
