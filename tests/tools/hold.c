// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold - keep a file open, in the ways in which programs do, until a signal ends it
 *
 * Says "ready PID" once it does. What readahead its descriptors have is for others to look at.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	const char *file;
	const char *comm;
	int advice; /* -1: none */
	unsigned long count;
	uid_t uid;
	bool fork, pass, thread, read, map, churn;
} o = {.file = "", .advice = -1, .count = 1};

static void die(const char *what)
{
	fprintf(stderr, "hold: %s: %s\n", what, strerror(errno));
	exit(1);
}

static const struct argp_option options[] = {
	{"advice", 'a', "random|sequential|noreuse", 0, "posix_fadvise() it", 0},
	{"comm", 'c', "NAME", 0, "be called so", 0},
	{"count", 'n', "N", 0, "open it so many times", 0},
	{"uid", 'u', "UID", 0, "be this user, without a capability", 0},
	{"fork", 'f', NULL, 0, "a child has the descriptor, and its opener is gone", 0},
	{"pass", 'p', NULL, 0, "a process has it from a socket, and its opener is gone", 0},
	{"thread", 't', NULL, 0, "a thread with a descriptor table of its own has it", 0},
	{"read", 'r', NULL, 0, "read it from its beginning, again and again, none of it cached", 0},
	{"map", 'm', NULL, 0, "map it and close the descriptor", 0},
	{"churn", 'x', NULL, 0, "children open it and exit, one behind the other", 0},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'a':
		o.advice = !strcmp(arg, "random")     ? POSIX_FADV_RANDOM :
			   !strcmp(arg, "sequential") ? POSIX_FADV_SEQUENTIAL :
			   !strcmp(arg, "noreuse")    ? POSIX_FADV_NOREUSE :
							-1;
		if (o.advice < 0)
			argp_error(state, "what is `%s'?", arg);
		return 0;
	case 'c':
		o.comm = arg;
		return 0;
	case 'n':
		o.count = strtoul(arg, NULL, 10);
		return 0;
	case 'u':
		o.uid = (uid_t)strtoul(arg, NULL, 10);
		return 0;
	case 'f':
		o.fork = true;
		return 0;
	case 'p':
		o.pass = true;
		return 0;
	case 't':
		o.thread = true;
		return 0;
	case 'r':
		o.read = true;
		return 0;
	case 'm':
		o.map = true;
		return 0;
	case 'x':
		o.churn = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_usage(state);
		o.file = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {.options = options, .parser = parse, .args_doc = "FILE"};

static int open_one(void)
{
	int fd = open(o.file, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		die(o.file);
	err = o.advice >= 0 ? posix_fadvise(fd, 0, 0, o.advice) : 0;
	if (err) {
		errno = err;
		die("posix_fadvise");
	}
	return fd;
}

static void say_ready(void)
{
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
}

static void wait_for_end(void)
{
	say_ready();
	for (;;)
		pause();
}

/* The parent ends at once: only what it forked has the file, which dies with @parent's reaper. */
static void leave_to_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		_exit(0);
}

static void send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
	struct iovec one = {&byte, 1};
	struct msghdr m = {.msg_iov = &one,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(socket, &m, 0) != 1)
		die("sendmsg");
}

static int receive_fd(int socket)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec one = {&byte, 1};
	struct msghdr m = {.msg_iov = &one,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	int fd;

	if (recvmsg(socket, &m, 0) != 1 || !CMSG_FIRSTHDR(&m))
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void pass_on(void)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		die("socketpair");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid) {
		send_fd(ends[0], open_one());
		_exit(0);
	}
	receive_fd(ends[1]);
}

static void *hold_alone(void *arg)
{
	(void)arg;
	if (unshare(CLONE_FILES))
		die("unshare");
	open_one();
	wait_for_end();
	return NULL;
}

static void read_on(int fd)
{
	static char buffer[16 << 10]; /* less than any window: the readahead makes the requests */
	off_t at = 0;
	ssize_t n;

	for (;;) {
		n = pread(fd, buffer, sizeof(buffer), at);
		if (n < 0)
			die("pread");
		at += n;
		if (n)
			continue;
		/* No page is in use by now: all of them go. */
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		at = 0;
	}
}

static void churn(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			open_one();
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct stat st;
	pthread_t thread;
	unsigned long i;
	int fd = -1;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	if (getrlimit(RLIMIT_NOFILE, &files))
		die("RLIMIT_NOFILE");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files))
		die("RLIMIT_NOFILE");
	if (o.uid && (setgid(o.uid) || setuid(o.uid)))
		die("setuid");
	if (o.comm)
		prctl(PR_SET_NAME, o.comm, 0, 0, 0);
	if (o.churn) {
		say_ready();
		churn();
	}
	if (o.thread) {
		if (pthread_create(&thread, NULL, hold_alone, NULL))
			die("pthread_create");
		pthread_join(thread, NULL);
	}
	if (o.pass) {
		pass_on();
		wait_for_end();
	}
	for (i = 0; i < o.count; i++)
		fd = open_one();
	if (o.fork)
		leave_to_child();
	if (o.map) {
		if (fstat(fd, &st) ||
		    mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
			die("mmap");
		close(fd);
	}
	if (o.read) {
		say_ready();
		read_on(fd);
	}
	wait_for_end();
}
