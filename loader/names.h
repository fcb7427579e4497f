/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of the numbers in bpf/abi.h, generated from its lists. */
#ifndef BPFAHEAD_NAMES_H
#define BPFAHEAD_NAMES_H

#include <stdbool.h>

#include "../bpf/abi.h"

/* "class-12" style fallbacks live in a static buffer per call site's thread; never NULL. */
const char *class_name(unsigned int id);         /* "none" for CLASS_NONE, "?" if unknown */
const char *class_classic_name(unsigned int id); /* the classic three; "none", "?" */
int class_from_name(const char *name);           /* id, or -ENOENT */
const char *feature_name(unsigned int id);       /* NULL if the id is not defined */
int feature_from_name(const char *name);         /* id, or -ENOENT */
bool feature_is_ratio(unsigned int id);          /* Q16 rather than a plain integer */
const char *counter_name(unsigned int id);       /* NULL if out of range */
const char *mode_name(unsigned int mode);
int mode_from_name(const char *name);       /* enum mode, or -ENOENT */
const char *clamp_name(unsigned int clamp); /* "none", "never-lower", ...; "?" */
int clamp_from_name(const char *name);
const char *source_names(unsigned int sources, char *buffer,
			 unsigned int size); /* "block,readahead" */

#endif
