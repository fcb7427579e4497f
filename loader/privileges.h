/* SPDX-License-Identifier: GPL-2.0-only */
/* Giving up what the helper does not need, after everything is open. */
#ifndef BPFAHEAD_PRIVILEGES_H
#define BPFAHEAD_PRIVILEGES_H

/*
 * Empty capability set, no_new_privs, Landlock where the kernel has it (write
 * only below the bdi directories of sysfs, and files in @state_dir if that is
 * not NULL), then a seccomp allow-list. Returns 0 or -errno with *why naming
 * the step. Landlock's absence is no failure.
 */
int privileges_drop(const char *pin_dir, const char *state_dir, const char **why);

#endif
