/* SPDX-License-Identifier: GPL-2.0-only */
/* What went wrong, in one line for a person; printed once, by main(). */
#ifndef BPFAHEAD_GEN_FAULT_H
#define BPFAHEAD_GEN_FAULT_H

struct fault {
	char text[512];
};

/* Formats into @why and returns -@error, so that callers can `return fault_set(...)`. */
int fault_set(struct fault *why, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
