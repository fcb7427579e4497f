// SPDX-License-Identifier: GPL-2.0-only
/*
 * Giving up what the helper does not need, after everything is open.
 *
 * What is left: reading and writing what is open, opening read_ahead_kb of
 * bdis that appear later (by file mode: the user stays root, without a single
 * capability), and bpf(2) on elements of maps that are open, which needs no
 * capability (kernel/bpf/syscall.c: only creating maps and loading programs
 * does).
 */
#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Every bdi lives here: bdi_register() in mm/backing-dev.c gives it no parent device. */
#define BDI_DEVICES "/sys/devices/virtual/bdi"
#define SYSFS_DEVICES "/sys/devices"
#define SYSFS_BTRFS "/sys/fs/btrfs"

/*
 * Empties every set, but for the capabilities in @keep among those held. By the system call:
 * libcap-ng would bring getpwuid() and with it the name service into a static helper, 190 KB for
 * this one call.
 */
static int capabilities_drop(__u32 keep)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct left[_LINUX_CAPABILITY_U32S_3] = {};
	unsigned long cap;

	if (keep && syscall(SYS_capget, &header, left))
		return -errno;
	keep &= left[0].permitted;
	memset(left, 0, sizeof(left));
	left[0].permitted = left[0].effective = keep;

	/*
	 * The bounding set ends where the kernel knows no further capability
	 * (EINVAL). Without CAP_SETPCAP it stays (EPERM), which no_new_privs
	 * makes harmless: no execve() can take anything from it.
	 */
	for (cap = 0; !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); cap++)
		;
	if (errno != EINVAL && errno != EPERM)
		return -errno;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return -errno;
	return syscall(SYS_capset, &header, left) ? -errno : 0;
}

/* Rights of the first Landlock version, which is all that a file to be written needs. */
#define LANDLOCK_RIGHTS                                                   \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |     \
	 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |     \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |     \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |     \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |   \
	 LANDLOCK_ACCESS_FS_MAKE_SYM)

/* Allows @access below @path. 0 or -errno; a path that is not there needs no rule. */
static int landlock_allow(int ruleset, const char *path, __u64 access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access};
	int err = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
		err = -errno;
	close(rule.parent_fd);
	return err;
}

/* 0 also where the kernel has no Landlock or it is not among the active LSMs. */
static int landlock_restrict(const char *pin_dir, const char *state_dir)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = LANDLOCK_RIGHTS};
	int ruleset, err;

	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	err = landlock_allow(ruleset, BDI_DEVICES,
			     LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
				     LANDLOCK_ACCESS_FS_READ_DIR);
	if (!err)
		err = landlock_allow(ruleset, pin_dir,
				     LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
	/* What a device is known by (device_rows.c): attributes of disks, UUIDs of btrfs. */
	if (!err)
		err = landlock_allow(ruleset, SYSFS_DEVICES, LANDLOCK_ACCESS_FS_READ_FILE);
	if (!err)
		err = landlock_allow(ruleset, SYSFS_BTRFS,
				     LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
	/* A file there is replaced by renaming a new one. */
	if (!err && state_dir)
		err = landlock_allow(ruleset, state_dir,
				     LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
					     LANDLOCK_ACCESS_FS_READ_DIR |
					     LANDLOCK_ACCESS_FS_MAKE_REG |
					     LANDLOCK_ACCESS_FS_REMOVE_FILE);
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0))
		err = -errno;
	close(ruleset);
	return err;
}

/* Calls that are allowed whatever their arguments. */
static const int allowed[] = {
	/* the loop */
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(restart_syscall),
	/* a bdi's directory and file, its disk's name */
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(close),
	SCMP_SYS(stat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	/* what is remembered */
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(getdents64),
	SCMP_SYS(fcntl),
	/* orders to the process that re-arms open files, and its answers */
	SCMP_SYS(sendto),
	SCMP_SYS(recvfrom),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	/* memory, time, the end */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(getrandom),
	SCMP_SYS(futex),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* What bpf(2) may do with maps that are open. */
static const uint32_t allowed_bpf[] = {
	BPF_MAP_LOOKUP_ELEM,
	BPF_MAP_UPDATE_ELEM,
	BPF_MAP_DELETE_ELEM,
	BPF_MAP_GET_NEXT_KEY,
};

/* For the process that re-arms open files: pidfd_getfd(2) gives it descriptors of others. */
static const int tracing_allowed[] = {
	SCMP_SYS(recvfrom),
	SCMP_SYS(read),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(close),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static const uint32_t tracing_allowed_bpf[] = {
	BPF_MAP_LOOKUP_ELEM,  BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM,
	BPF_MAP_GET_NEXT_KEY, BPF_ITER_CREATE,
};

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * A call off the list fails with EPERM rather than killing the process: a C
 * library that reaches for another call some day must not cost the original
 * values, which only a living helper restores.
 */
static scmp_filter_ctx seccomp_begin(void)
{
	return seccomp_init(SCMP_ACT_ERRNO(EPERM));
}

static int seccomp_allow(scmp_filter_ctx filter, const int *calls, size_t nr_calls,
			 const uint32_t *bpf, size_t nr_bpf)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < nr_calls; i++) {
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
		/* Not a call of this architecture: open and stat on arm64. */
		if (err == -EDOM || err == -ENOSYS)
			err = 0;
	}
	for (i = 0; !err && i < nr_bpf; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1,
				       SCMP_A0_32(SCMP_CMP_EQ, bpf[i]));
	/* malloc() maps and protects memory, never to be executed. */
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				       SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				       SCMP_A2_32(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return err;
}

static int seccomp_restrict(void)
{
	scmp_filter_ctx filter = seccomp_begin();
	int err;

	if (!filter)
		return -ENOMEM;
	err = seccomp_allow(filter, allowed, ARRAY_SIZE(allowed), allowed_bpf,
			    ARRAY_SIZE(allowed_bpf));
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

static int seccomp_restrict_tracing(int socket)
{
	const int writes[] = {SCMP_SYS(write), SCMP_SYS(sendto)};
	const int targets[] = {STDERR_FILENO, socket};
	scmp_filter_ctx filter = seccomp_begin();
	size_t i, j;
	int err;

	if (!filter)
		return -ENOMEM;
	err = seccomp_allow(filter, tracing_allowed, ARRAY_SIZE(tracing_allowed),
			    tracing_allowed_bpf, ARRAY_SIZE(tracing_allowed_bpf));
	for (i = 0; i < ARRAY_SIZE(writes); i++)
		for (j = 0; !err && j < ARRAY_SIZE(targets); j++)
			err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, writes[i], 1,
					       SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)targets[j]));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fadvise64), 1,
				       SCMP_A3_32(SCMP_CMP_EQ, POSIX_FADV_NORMAL));
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int privileges_drop(const char *pin_dir, const char *state_dir, const char **why)
{
	int err;

	*why = "no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	*why = "capabilities";
	err = capabilities_drop(0);
	if (err)
		return err;
	*why = "Landlock";
	err = landlock_restrict(pin_dir, state_dir);
	if (err)
		return err;
	*why = "seccomp";
	err = seccomp_restrict();
	if (err)
		return err;
	*why = NULL;
	return 0;
}

int privileges_keep_tracing(int socket, const char **why)
{
	int err;

	*why = "no_new_privs";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	*why = "capabilities";
	err = capabilities_drop(1U << CAP_SYS_PTRACE);
	if (err)
		return err;
	*why = "seccomp";
	err = seccomp_restrict_tracing(socket);
	if (err)
		return err;
	*why = NULL;
	return 0;
}
