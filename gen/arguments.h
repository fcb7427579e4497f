/* SPDX-License-Identifier: GPL-2.0-only */
/* Values of arguments; what is none is a usage error and does not return. */
#ifndef BPFAHEAD_GEN_ARGUMENTS_H
#define BPFAHEAD_GEN_ARGUMENTS_H

#include <argp.h>
#include <stdint.h>

uint64_t number_argument(struct argp_state *state, const char *text, uint64_t low, uint64_t high);

/* From 0 to below @high. */
double fraction_argument(struct argp_state *state, const char *text, double high);

/* A model's name. */
const char *name_argument(struct argp_state *state, const char *text);

#endif
