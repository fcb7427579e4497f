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

/*
 * The same for the process that re-arms open files (follower.h): CAP_SYS_PTRACE, if it was there,
 * is all that is left, and a seccomp list without open(2), without any call that reads or writes
 * another process, and with posix_fadvise() for one advice alone. No Landlock: a process in a
 * domain of its own may not have descriptors of those outside.
 * @socket: to the helper; beside standard error all that may be written to
 */
int privileges_keep_tracing(int socket, const char **why);

#endif
