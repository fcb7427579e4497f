// SPDX-License-Identifier: GPL-2.0-only
/* The process that re-arms open files for the helper. */
#include "follower.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "bdi.h"
#include "privileges.h"

#define ORDERS_MAX 64 /* taken from the socket at once; the newest of a bdi is all that counts */

#define ORDER_ANSWER (1U << 30) /* beside OPEN_QUERY_* */

struct order {
	__u64 seq;
	__u64 bdi_id;
	struct file_key key;
	__u32 ra_kb;
	__u32 flags;
	char name[BDI_NAME_LEN];
};

struct answer {
	__u64 seq;
	int error;
	struct open_counts counts;
};

struct follower {
	const struct maps *maps;
	struct open_files of;
	int socket;
	pid_t child;
	__u64 seq;
	bool off; /* switched off at the start: there is no process, history is kept all the same */
	bool dead; /* the process is, or there is none */
	/* An order that found the socket full: given again with the next event of any bdi. */
	struct order postponed;
	void (*say)(int level, const char *line);
};

/* --- the child ------------------------------------------------------------------------------ */

struct child {
	const struct maps *maps;
	const struct open_files *of;
	void (*say)(int level, const char *line);
	struct open_denial denial; /* said once */
};

/* Looks at no sysfs, which it could not open: the order says what the bdi has. */
static int carry_out(struct child *c, const struct order *o, struct open_counts *counts)
{
	bool told = c->denial.error;
	struct open_query q;
	char line[512], text[600];
	int err;

	open_query_bdi(&q, c->maps, o->bdi_id, o->ra_kb);
	q.flags = o->flags & (OPEN_QUERY_FILE | OPEN_QUERY_OURS);
	q.key = o->key;
	err = open_files_rearm(c->of, &q, counts, &c->denial);
	if (c->denial.error && !told) {
		snprintf(text, sizeof(text),
			 "%s: open files of process %u (%s) keep their readahead: %s; further "
			 "refusals are only counted",
			 o->name, c->denial.pid, c->denial.comm, strerror(c->denial.error));
		c->say(FOLLOWER_WARNING, text);
	}
	if (open_counts_text(counts, line, sizeof(line))) {
		snprintf(text, sizeof(text), "%s: %u KB: %s", o->name, o->ra_kb, line);
		c->say(FOLLOWER_INFO, text);
	}
	return err;
}

/* A later order of the same kind for the same bdi makes @o needless: nobody waits for it. */
static bool superseded(const struct order *o, const struct order *later, size_t n)
{
	size_t i;

	if (o->flags & (ORDER_ANSWER | OPEN_QUERY_FILE))
		return false;
	for (i = 0; i < n; i++) {
		if (later[i].bdi_id == o->bdi_id && later[i].flags == o->flags)
			return true;
	}
	return false;
}

static void serve(struct child *c, int socket)
{
	struct order orders[ORDERS_MAX];
	struct answer answer;
	size_t i, n;
	ssize_t got;

	for (;;) {
		for (n = 0; n < ORDERS_MAX; n++) {
			do
				got = recv(socket, &orders[n], sizeof(orders[n]),
					   n ? MSG_DONTWAIT : 0);
			while (got < 0 && errno == EINTR);
			if (got < 0 && n)
				break; /* no more for now */
			if (got != (ssize_t)sizeof(orders[n]))
				return; /* the helper is gone */
		}
		for (i = 0; i < n; i++) {
			memset(&answer, 0, sizeof(answer));
			orders[i].name[BDI_NAME_LEN - 1] = '\0';
			if (orders[i].bdi_id && !superseded(&orders[i], &orders[i + 1], n - i - 1))
				answer.error = carry_out(c, &orders[i], &answer.counts);
			answer.seq = orders[i].seq;
			if (orders[i].flags & ORDER_ANSWER &&
			    send(socket, &answer, sizeof(answer), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
				return;
		}
	}
}

/* Whatever is not for the child: the owner's lock above all, which must not outlive the helper. */
static void close_others(const int *keep, size_t n)
{
	unsigned int next = STDERR_FILENO + 1, low;
	size_t i;

	for (;;) {
		low = ~0U;
		for (i = 0; i < n; i++) {
			if ((unsigned int)keep[i] >= next && (unsigned int)keep[i] < low)
				low = (unsigned int)keep[i];
		}
		if (low > next)
			close_range(next, low - 1, 0);
		if (low == ~0U)
			return;
		next = low + 1;
	}
}

static void child_main(struct follower *f, int socket, pid_t parent)
{
	const int keep[] = {socket,           f->of.iterator,    f->of.open_queries,
			    f->of.ra_history, f->of.open_counts, f->maps->bdevs,
			    f->maps->config};
	struct child c = {.maps = f->maps, .of = &f->of, .say = f->say};
	const char *why;
	char line[128];
	int err;

	prctl(PR_SET_NAME, "bpfahead-files", 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		return; /* it died before that */
	close_others(keep, sizeof(keep) / sizeof(keep[0]));
	err = privileges_keep_tracing(socket, &why);
	if (err) {
		snprintf(line, sizeof(line),
			 "open files do not follow: giving up privileges (%s): %s", why,
			 strerror(-err));
		f->say(FOLLOWER_WARNING, line);
		return;
	}
	serve(&c, socket);
}

/* --- the helper's side ---------------------------------------------------------------------- */

static bool switched_on(const struct maps *maps)
{
	struct config config;

	if (maps_get_config(maps, &config))
		return false;
	config_effective(&config, &config);
	return config.open_files == SWITCH_ON;
}

static int nothing(const struct open_file *files, size_t n, void *arg)
{
	(void)files;
	(void)n;
	(void)arg;
	return 0;
}

/* Does the program know us by our process id, and see processes? 0 or -errno. */
static int try_walk(const struct open_files *of)
{
	struct open_query q = {.bdi_id = ~0ULL};
	int err = open_files_each(of, &q, nothing, NULL);

	return err ? err : q.visited ? 0 : -EXDEV;
}

struct follower *follower_start(const char *pin_dir, const struct maps *maps,
				void (*say)(int level, const char *line))
{
	struct follower *f = calloc(1, sizeof(*f));
	int ends[2] = {-1, -1}, err;
	pid_t parent = getpid();

	if (!f)
		return NULL;
	f->maps = maps;
	f->say = say;
	f->socket = -1;
	memset(&f->of, -1, sizeof(f->of));
	err = open_files_open(pin_dir, &f->of);
	if (!err && !switched_on(maps)) {
		f->off = true;
		return f;
	}
	if (!err)
		err = try_walk(&f->of);
	if (!err && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		err = -errno;
	if (err)
		goto fail;
	f->child = fork();
	if (f->child < 0) {
		err = -errno;
		goto fail;
	}
	if (!f->child) {
		close(ends[0]);
		child_main(f, ends[1], parent);
		_exit(0);
	}
	close(ends[1]);
	f->socket = ends[0];
	return f;

fail:
	if (ends[0] >= 0) {
		close(ends[0]);
		close(ends[1]);
	}
	open_files_close(&f->of);
	free(f);
	errno = -err;
	return NULL;
}

const struct open_files *follower_files(const struct follower *f)
{
	return &f->of;
}

static int give(struct follower *f, const struct order *o)
{
	if (f->off && !f->dead)
		f->say(FOLLOWER_WARNING, "open files were switched off at the start: to have them "
					 "follow takes another start");
	f->dead |= f->off;
	if (f->dead)
		return -EPIPE;
	if (send(f->socket, o, sizeof(*o), MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(*o))
		return 0;
	if (errno == EAGAIN || errno == ENOBUFS)
		return -EAGAIN;
	f->dead = true;
	f->say(FOLLOWER_WARNING,
	       "open files follow no more: the process for that has died; restart "
	       "bpfahead to have them follow");
	return -EPIPE;
}

/* Waits for the answer to order @seq. 0, -ETIMEDOUT or -errno. */
static int await(struct follower *f, __u64 seq, int timeout_ms, struct open_counts *counts)
{
	struct pollfd p = {.fd = f->socket, .events = POLLIN};
	struct timespec now, end;
	struct answer answer;
	ssize_t got;
	int left;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += timeout_ms / 1000;
	end.tv_nsec += timeout_ms % 1000 * 1000000L;
	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = (int)((end.tv_sec - now.tv_sec) * 1000 +
			     (end.tv_nsec - now.tv_nsec) / 1000000);
		if (left <= 0)
			return -ETIMEDOUT;
		p.revents = 0;
		if (poll(&p, 1, left) < 0 && errno != EINTR)
			return -errno;
		if (!p.revents)
			continue;
		got = recv(f->socket, &answer, sizeof(answer), MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got != (ssize_t)sizeof(answer))
			return -EPIPE; /* 0: it has died, and errno is of something else */
		if (answer.seq != seq)
			continue; /* of an order whose time had run out */
		if (counts)
			*counts = answer.counts;
		return answer.error;
	}
}

int follower_ask(struct follower *f, __u64 bdi_id, const char *name, unsigned int ra_kb,
		 __u32 flags)
{
	struct order o = {.bdi_id = bdi_id, .ra_kb = ra_kb, .flags = flags & OPEN_QUERY_OURS};
	int err;

	if (!switched_on(f->maps))
		return -ECANCELED;
	if (f->postponed.bdi_id && !give(f, &f->postponed))
		f->postponed.bdi_id = 0;
	memcpy(o.name, name, strnlen(name, sizeof(o.name) - 1));
	err = give(f, &o);
	if (err == -EAGAIN)
		f->postponed = o;
	return err;
}

int follower_file(struct follower *f, __u64 bdi_id, const struct file_key *key, unsigned int ra_kb,
		  int timeout_ms, struct open_counts *counts)
{
	struct order o = {
		.seq = ++f->seq,
		.bdi_id = bdi_id,
		.key = *key,
		.ra_kb = ra_kb,
		.flags = OPEN_QUERY_FILE | ORDER_ANSWER,
	};
	int err;

	if (!switched_on(f->maps))
		return -ECANCELED;
	err = give(f, &o);
	return err ? err : await(f, o.seq, timeout_ms, counts);
}

static int ask_for_ours(__u64 bdi_id, const char *name, unsigned int ra_kb, void *arg)
{
	return follower_ask(arg, bdi_id, name, ra_kb, OPEN_QUERY_OURS);
}

int follower_return(struct follower *f, int timeout_ms)
{
	struct order barrier = {.flags = ORDER_ANSWER}; /* of no bdi: what came before is done */
	int err;

	if (!switched_on(f->maps))
		return -ECANCELED;
	open_files_forget_own(&f->of);
	err = open_files_each_ours(&f->of, ask_for_ours, f);
	if (err == -ECANCELED || err == -EPIPE)
		return err;
	barrier.seq = ++f->seq;
	err = give(f, &barrier);
	return err ? err : await(f, barrier.seq, timeout_ms, NULL);
}

/* --- what the applier tells ------------------------------------------------------------------ */

static void changing(__u64 bdi_id, const struct applied *entry, unsigned int from_kb, void *arg)
{
	struct follower *f = arg;

	/* What the kernel reset it to, or what a person set before: files were opened with it. */
	ra_history_add(&f->of, bdi_id, entry->name, entry->sysfs_ino, from_kb, false);
	ra_history_add(&f->of, bdi_id, entry->name, entry->sysfs_ino, entry->original_kb, false);
	ra_history_add(&f->of, bdi_id, entry->name, entry->sysfs_ino, entry->accepted_kb,
		       entry->accepted_kb != entry->original_kb);
}

static void applied(const struct event *e, const struct apply_report *r, void *arg)
{
	char name[BDI_NAME_LEN];

	memcpy(name, e->name, sizeof(name));
	name[BDI_NAME_LEN - 1] = '\0';
	if (r->outcome == APPLY_WRITTEN || r->outcome == APPLY_REASSERTED)
		follower_ask(arg, e->bdi_id, name, r->to_kb, 0);
	else if (r->outcome == APPLY_STOOD_BACK) /* to_kb: what the person set */
		follower_ask(arg, e->bdi_id, name, r->to_kb, OPEN_QUERY_OURS);
}

/* Again after a time without its events: what its history explains is put right. */
static void appeared(const struct event *e, void *arg)
{
	struct follower *f = arg;
	char name[BDI_NAME_LEN];
	struct ra_history h;

	if (bpf_map_lookup_elem(f->of.ra_history, &e->bdi_id, &h) || h.sysfs_ino != e->sysfs_ino)
		return;
	memcpy(name, e->name, sizeof(name));
	name[BDI_NAME_LEN - 1] = '\0';
	follower_ask(f, e->bdi_id, name, e->ra_kb, 0);
}

int follower_listen(struct follower *f, struct applier *a)
{
	const struct apply_listener listener = {
		.changing = changing,
		.applied = applied,
		.appeared = appeared,
		.arg = f,
	};

	return applier_listen(a, &listener);
}

void follower_stop(struct follower *f)
{
	if (!f)
		return;
	if (f->socket >= 0)
		close(f->socket);
	open_files_close(&f->of);
	free(f);
}
