// SPDX-License-Identifier: GPL-2.0-only
/* What is left after privileges_drop(), tried out by a child that calls it. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "loader/bdi.h"
#include "loader/privileges.h"

/* Exit status of the child: the first check that failed. */
enum check {
	ALL_WELL,
	DROP,
	SOCKET,
	EXEC,
	EXECUTABLE_MEMORY,
	KILL_OTHERS,
	OPEN_ELSEWHERE,
	CREATE_ELSEWHERE,
	STATE_WRITE,
	STATE_RENAME,
	STATE_READ,
	BDI_OPEN,
	BDI_READ,
	BDI_WRITE,
	MAP_UPDATE,
	MAP_LOOKUP,
	MAP_DELETE,
	MAP_CREATE,
	MAP_INFO,
	ALLOCATE,
	CLOCK,
	PARENT_LOST,
};

static bool landlock_works(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static enum check try_everything(int map, const char *bdi, const char *state_dir, bool landlock)
{
	static char *const no_arguments[] = {"true", NULL};
	struct bpf_map_info info = {};
	__u32 info_bytes = sizeof(info);
	unsigned int kb, in_effect;
	struct timespec now;
	const char *why;
	__u32 value = 7;
	__u64 key = 1;
	void *p;
	int fd;

	if (chdir(state_dir))
		return STATE_WRITE;
	if (privileges_drop("/tmp", state_dir, &why))
		return DROP;
	if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		return SOCKET;
	execv("/bin/true", no_arguments);
	if (errno != EPERM)
		return EXEC;
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p != MAP_FAILED || errno != EPERM)
		return EXECUTABLE_MEMORY;
	if (!kill(getppid(), 0) || errno != EPERM)
		return KILL_OTHERS;
	if (landlock) {
		if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES)
			return OPEN_ELSEWHERE;
		if (open("/tmp/test_privileges.created", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >=
			    0 ||
		    errno != EACCES)
			return CREATE_ELSEWHERE;
	}
	fd = open("new", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || pwrite(fd, "x", 1, 4095) != 1)
		return STATE_WRITE;
	close(fd);
	if (rename("new", "row"))
		return STATE_RENAME;
	fd = open("row", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || unlink("row"))
		return STATE_READ;
	close(fd);
	if (bdi) {
		fd = bdi_open(bdi, bdi_sysfs_ino(bdi));
		if (fd < 0)
			return BDI_OPEN;
		if (bdi_read_kb(fd, &kb))
			return BDI_READ;
		/* What is there is written again: that changes nothing. */
		if (bdi_write_kb(fd, kb, &in_effect) || in_effect != kb)
			return BDI_WRITE;
		close(fd);
	}
	if (bpf_map_update_elem(map, &key, &value, BPF_ANY))
		return MAP_UPDATE;
	value = 0;
	if (bpf_map_lookup_elem(map, &key, &value) || value != 7)
		return MAP_LOOKUP;
	if (bpf_map_delete_elem(map, &key))
		return MAP_DELETE;
	if (bpf_map_create(BPF_MAP_TYPE_ARRAY, "no", 4, 4, 1, NULL) != -EPERM)
		return MAP_CREATE;
	/* Not a matter of capabilities: the list alone forbids it. */
	if (bpf_obj_get_info_by_fd(map, &info, &info_bytes) != -EPERM)
		return MAP_INFO;
	p = malloc(1 << 20);
	if (!p)
		return ALLOCATE;
	memset(p, 1, 1 << 20);
	free(p);
	if (clock_gettime(CLOCK_MONOTONIC, &now))
		return CLOCK;
	return ALL_WELL;
}

/* The value of a line of /proc/PID/status, in @base. */
static unsigned long long status_line(const char *text, const char *name, int base)
{
	const char *line = strstr(text, name);

	assert_non_null(line);
	return strtoull(line + strlen(name), NULL, base);
}

/* A loop device's bdi, or NULL: no other disk's value is touched, not even by rewriting it. */
static const char *loop_bdi(char name[BDI_NAME_LEN])
{
	int i;

	for (i = 0; i < 256; i++) {
		snprintf(name, BDI_NAME_LEN, "7:%d", i);
		if (bdi_sysfs_ino(name))
			return name;
	}
	return NULL;
}

static void nothing_is_left(void **state)
{
	char name[BDI_NAME_LEN], path[64], text[4096], byte = 0;
	char state_dir[] = "/var/tmp/test_privileges.XXXXXX"; /* not below what it may read: /tmp */
	int to_parent[2], to_child[2], map, fd, status;
	const char *bdi = loop_bdi(name);
	bool landlock = landlock_works();
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(state_dir));
	map = bpf_map_create(BPF_MAP_TYPE_HASH, "try", 8, 4, 1, NULL);
	if (map < 0) {
		print_message("# skip: this user may not create BPF maps: %s\n", strerror(-map));
		rmdir(state_dir);
		skip();
	}
	if (!bdi)
		print_message("# not tried: there is no loop device to write to\n");
	if (!landlock)
		print_message("# not tried: this kernel has no Landlock\n");
	assert_int_equal(pipe(to_parent), 0);
	assert_int_equal(pipe(to_child), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		enum check failed = try_everything(map, bdi, state_dir, landlock);

		/* The parent looks at what has become of us, then lets us go. */
		if (write(to_parent[1], &byte, 1) != 1 || read(to_child[0], &byte, 1) != 1)
			failed = PARENT_LOST;
		/* Not _exit(): a sanitiser puts calls before it that are not on the list. */
		syscall(SYS_exit_group, (int)failed);
	}
	assert_int_equal(read(to_parent[0], &byte, 1), 1);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	close(fd);
	assert_int_equal(write(to_child[1], &byte, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(rmdir(state_dir), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ALL_WELL);
	assert_int_equal(status_line(text, "CapInh:", 16), 0);
	assert_int_equal(status_line(text, "CapPrm:", 16), 0);
	assert_int_equal(status_line(text, "CapEff:", 16), 0);
	assert_int_equal(status_line(text, "CapAmb:", 16), 0);
	assert_int_equal(status_line(text, "NoNewPrivs:", 10), 1);
	assert_int_equal(status_line(text, "Seccomp:", 10), 2);
	close(to_parent[0]);
	close(to_parent[1]);
	close(to_child[0]);
	close(to_child[1]);
	close(map);
}

/* --- the process that re-arms open files ------------------------------------------------------ */

enum tracing_check {
	TRACING_WELL = 100,
	KEEP,
	OPENED,
	OTHER_ADVICE,
	THE_ADVICE,
	WRITE_ELSEWHERE,
	WRITE_SOCKET,
	TRACE,
	READ_MEMORY,
	SIGNAL,
	PIDFD,
	FOREIGN_FD,
};

/* @other: a descriptor of the parent's, whose process id is @parent */
static enum tracing_check try_tracing(int socket, int file, pid_t parent, int other)
{
	struct iovec none = {};
	const char *why;
	int pidfd, fd;

	if (privileges_keep_tracing(socket, &why))
		return KEEP;
	if (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 || errno != EPERM)
		return OPENED;
	if (posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != EPERM)
		return OTHER_ADVICE;
	if (posix_fadvise(file, 0, 0, POSIX_FADV_NORMAL))
		return THE_ADVICE;
	if (write(file, "x", 1) >= 0 || errno != EPERM)
		return WRITE_ELSEWHERE;
	if (send(socket, "x", 1, MSG_NOSIGNAL) != 1)
		return WRITE_SOCKET;
	if (!ptrace(PTRACE_SEIZE, parent, NULL, NULL) || errno != EPERM)
		return TRACE;
	if (process_vm_readv(parent, &none, 1, &none, 1, 0) >= 0 || errno != EPERM)
		return READ_MEMORY;
	if (!kill(parent, 0) || errno != EPERM)
		return SIGNAL;
	pidfd = (int)syscall(SYS_pidfd_open, parent, 0);
	if (pidfd < 0)
		return PIDFD;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, other, 0);
	return fd < 0 ? FOREIGN_FD : TRACING_WELL;
}

static void only_open_files_are_left(void **state)
{
	int ends[2], status, file;
	pid_t parent = getpid(), pid;

	(void)state;
	if (geteuid()) {
		print_message("# skip: another process's descriptor takes root\n");
		skip();
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(file >= 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		syscall(SYS_exit_group, (int)try_tracing(ends[1], file, parent, ends[0]));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), TRACING_WELL);
	close(ends[0]);
	close(ends[1]);
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left),
		cmocka_unit_test(only_open_files_are_left),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
