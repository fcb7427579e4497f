// SPDX-License-Identifier: GPL-2.0-only
/* The history: what is written is read, nothing else is believed, and nothing stops the work. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "loader/apply.h"
#include "loader/history.h"

#define SMALL HISTORY_BLOCK /* makes the smallest one: 16 records */
#define PLACES 16
#define SECOND 1000000000ULL

static char dir[64], path[128];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_history.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/history", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static struct history *must_open(size_t bytes)
{
	const char *why = "";
	struct history *h = history_open(dir, bytes, &why);

	if (!h)
		fail_msg("history_open: %s", why);
	return h;
}

static void must_not_open(const char *reason)
{
	const char *why = "";

	assert_null(history_open(dir, SMALL, &why));
	if (!strstr(why, reason))
		fail_msg("'%s' does not say '%s'", why, reason);
}

static long must_read(struct history_record **records, unsigned int *skipped)
{
	long n = history_read(path, records, skipped);

	assert_true(n >= 0);
	return n;
}

static struct event decision(__u64 bdi_id, __u64 seq, __u8 old_class, __u8 new_class)
{
	struct event e = {
		.reason = EVENT_DECISION,
		.bdi_id = bdi_id,
		.name = "7:4000",
		.decision_seq = seq,
		.wanted_kb = 252,
		.margin = 3 * LOGIT_ONE,
		.old_class = old_class,
		.new_class = new_class,
		.window_calls = 77,
	};
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	e.time_ns = (__u64)now.tv_sec * SECOND + (__u64)now.tv_nsec;
	return e;
}

static void apply(struct history *h, __u64 seq, enum apply_outcome outcome)
{
	struct event e = decision(9, seq, CLASS_PAGES, CLASS_SEQUENTIAL);
	struct apply_report r = {.outcome = outcome, .from_kb = 16, .to_kb = 252};

	r.original_kb = 128;
	r.error = outcome == APPLY_REFUSED ? EROFS : 0;
	history_applied(h, &e, &r);
}

/* Each second, at 4 MB/s read by windows. */
static struct sample sample_at(unsigned int second)
{
	struct sample s = {
		.reason = EVENT_SAMPLE,
		.bdi_id = 9,
		.name = "7:4000",
		.time_ns = (second + 1) * SECOND,
		.ra_kb = 252,
		.margin = LOGIT_ONE,
		.window_class = CLASS_SEQUENTIAL,
		.hop_class = CLASS_SEQUENTIAL,
		.decided_class = CLASS_SEQUENTIAL,
	};
	__u64 page = (__u64)sysconf(_SC_PAGESIZE);

	s.total[COUNTER_BLOCK_READ_BYTES] = second * 4000000ULL;
	s.total[COUNTER_BLOCK_READS] = second * 30ULL;
	s.total[COUNTER_ORDER_CALLS] = second * 16ULL;
	s.total[COUNTER_ORDER_PAGES] = second * 4000000ULL / page;
	s.total[COUNTER_ORDER_RA_PAGES] = second * 16 * 63ULL;
	s.total[COUNTER_ASYNC_CALLS] = second * 16ULL;
	return s;
}

static void written_is_read(void **state)
{
	struct history *h = must_open(1 << 20);
	struct history_record *r;
	struct timespec now;
	unsigned int skipped = 1;

	(void)state;
	history_mark(h, HISTORY_STARTED);
	apply(h, 1, APPLY_WRITTEN);
	history_note(h, 9, "7:4000", HISTORY_REVERTED, CLASS_SEQUENTIAL, 252, 128,
		     "places read fell by 31 %, and more words than there is room for");
	history_mark(h, HISTORY_STOPPED);
	history_close(h);
	clock_gettime(CLOCK_REALTIME, &now);

	assert_int_equal(must_read(&r, &skipped), 4);
	assert_int_equal(skipped, 0);
	assert_int_equal(r[0].kind, HISTORY_MARK);
	assert_int_equal(r[0].what, HISTORY_STARTED);
	assert_int_equal(r[1].kind, HISTORY_DECISION);
	assert_int_equal(r[1].what, APPLY_WRITTEN);
	assert_int_equal(r[1].bdi_id, 9);
	assert_string_equal(r[1].name, "7:4000");
	assert_string_equal(r[1].label, "7:4000");
	assert_int_equal(r[1].old_class, CLASS_PAGES);
	assert_int_equal(r[1].class_id, CLASS_SEQUENTIAL);
	assert_int_equal(r[1].from_kb, 16);
	assert_int_equal(r[1].to_kb, 252);
	assert_int_equal(r[1].ra_kb, 252);
	assert_int_equal(r[1].original_kb, 128);
	assert_int_equal(r[1].margin, 3 * LOGIT_ONE);
	assert_int_equal(r[1].calls, 77);
	assert_true(r[1].time_ns / SECOND + 5 > (__u64)now.tv_sec &&
		    r[1].time_ns / SECOND <= (__u64)now.tv_sec);
	assert_int_equal(r[2].kind, HISTORY_NOTE);
	assert_int_equal(r[2].what, HISTORY_REVERTED);
	assert_int_equal(strlen(r[2].text), sizeof(r[2].text) - 1);
	assert_int_equal(strncmp(r[2].text, "places read fell by 31 %", 24), 0);
	assert_int_equal(r[3].what, HISTORY_STOPPED);
	assert_int_equal(r[3].sequence, 4);
	free(r);
}

static void a_new_file_is_private(void **state)
{
	struct stat st;

	(void)state;
	history_close(must_open(HISTORY_BYTES));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, HISTORY_BYTES);
	assert_true(st.st_blocks * 512LL >= HISTORY_BYTES); /* nothing is left to run out of */
}

/* Also across openings, and whatever size is asked for the second time. */
static void the_newest_overwrites_the_oldest(void **state)
{
	struct history *h = must_open(SMALL);
	struct history_record *r;
	unsigned int i, seq = 0;

	(void)state;
	for (i = 0; i < 2 * PLACES + 3; i++)
		apply(h, ++seq, APPLY_WRITTEN);
	history_close(h);
	h = must_open(1 << 20);
	for (i = 0; i < 5; i++)
		apply(h, ++seq, APPLY_WRITTEN);
	history_close(h);
	assert_int_equal(must_read(&r, NULL), PLACES);
	for (i = 0; i < PLACES; i++)
		assert_int_equal(r[i].sequence, seq - PLACES + 1 + i);
	free(r);
}

static void what_goes_on_grows(void **state)
{
	struct history *h = must_open(1 << 20);
	struct history_record *r;
	struct sample s;
	unsigned int i;

	(void)state;
	for (i = 0; i <= 90; i += 10) {
		s = sample_at(i);
		history_sample(h, &s);
	}
	/* Another class; then another value; then a rate far from the one before. */
	s = sample_at(100);
	s.window_class = s.decided_class = CLASS_LONG_RUNS;
	history_sample(h, &s);
	s = sample_at(110);
	s.window_class = s.decided_class = CLASS_LONG_RUNS;
	s.ra_kb = 60;
	history_sample(h, &s);
	s = sample_at(120);
	s.window_class = s.decided_class = CLASS_LONG_RUNS;
	s.ra_kb = 60;
	s.total[COUNTER_BLOCK_READ_BYTES] += 40000000;
	history_sample(h, &s);
	history_close(h);

	assert_int_equal(must_read(&r, NULL), 5);
	assert_int_equal(r[0].kind, HISTORY_SAMPLE);
	assert_int_equal(r[0].span_ms, 60000);
	assert_int_equal(r[0].block_bytes, 60 * 4000000);
	assert_int_equal(r[0].block_reads, 60 * 30);
	assert_int_equal(r[0].calls, 60 * 16);
	assert_in_range(r[0].fetched_bytes, 60 * 3990000, 60 * 4000000);
	assert_int_equal(r[0].used_bytes, r[0].fetched_bytes);
	assert_string_equal(r[0].name, "7:4000");
	assert_string_equal(r[0].label, "7:4000");
	assert_int_equal(r[1].span_ms, 30000);
	assert_int_equal(r[2].class_id, CLASS_LONG_RUNS);
	assert_int_equal(r[2].span_ms, 10000);
	assert_int_equal(r[3].ra_kb, 60);
	assert_int_equal(r[4].block_bytes, 80000000);
	free(r);
}

/* At every hop, as while a change is watched: no record for each. */
static void close_samples_are_joined(void **state)
{
	struct history *h = must_open(1 << 20);
	struct history_record *r;
	struct sample s;
	unsigned int i;

	(void)state;
	for (i = 0; i <= 10; i++) {
		s = sample_at(0);
		s.time_ns += i * SECOND / 2;
		s.total[COUNTER_BLOCK_READ_BYTES] = i * 8000000ULL + i % 2 * 3000000;
		history_sample(h, &s);
	}
	history_close(h);
	assert_int_equal(must_read(&r, NULL), 1);
	assert_int_equal(r[0].span_ms, 5000);
	assert_int_equal(r[0].block_bytes, 80000000);
	free(r);
}

/* Of a window of 32 pages around a fault one is known to be used; of one by read(2) all but... */
static void bytes_by_what_is_known(void **state)
{
	struct history *h = must_open(1 << 20);
	__u64 page = (__u64)sysconf(_SC_PAGESIZE);
	struct history_record *r;
	struct sample s = sample_at(0);

	(void)state;
	history_sample(h, &s);
	memset(s.total, 0, sizeof(s.total));
	s.time_ns += 10 * SECOND;
	s.total[COUNTER_AROUND_CALLS] = 100;
	s.total[COUNTER_ORDER_CALLS] = 200;
	s.total[COUNTER_ORDER_PAGES] = 200 * 32;
	s.total[COUNTER_ORDER_RA_PAGES] = 200 * 32;
	s.total[COUNTER_UNUSED_PAGES] = 1000; /* ... what runs left */
	s.total[COUNTER_SYNC_CALLS] = 50;
	s.total[COUNTER_SYNC_JUMPS] = 25;
	s.total[COUNTER_SYNC_PAGES] = 100; /* 50 of them by misses that jump: no window */
	history_sample(h, &s);
	/* More was left than was read meanwhile: not less than nothing was used. */
	s.time_ns += 10 * SECOND;
	s.window_class = CLASS_MIXED;
	s.total[COUNTER_UNUSED_PAGES] += 1000;
	history_sample(h, &s);
	history_close(h);
	assert_int_equal(must_read(&r, NULL), 2);
	assert_int_equal(r[0].fetched_bytes, (200 * 32 + 50) * page);
	assert_int_equal(r[0].used_bytes, (100 * 32 + 50 - 1000 + 100) * page);
	assert_int_equal(r[1].fetched_bytes, 0);
	assert_int_equal(r[1].used_bytes, 0);
	free(r);
}

/* An hour without reads, or totals that begin anew, give no rate. */
static void silence_is_no_rate(void **state)
{
	struct history *h = must_open(1 << 20);
	struct history_record *r;
	struct sample s = sample_at(0);

	(void)state;
	history_sample(h, &s);
	s = sample_at(10);
	history_sample(h, &s);
	s = sample_at(3610);
	history_sample(h, &s);
	s = sample_at(3620);
	history_sample(h, &s);
	s = sample_at(5); /* fewer than before */
	s.time_ns = 3630 * SECOND;
	history_sample(h, &s);
	history_close(h);
	assert_int_equal(must_read(&r, NULL), 2);
	assert_int_equal(r[0].span_ms, 10000);
	assert_int_equal(r[1].span_ms, 10000);
	assert_int_equal(r[1].block_bytes, 40000000);
	free(r);
}

/* `config sample=5m`: far apart, but regularly. */
static void rare_samples_are_rates(void **state)
{
	struct history *h = must_open(1 << 20);
	struct history_record *r;
	struct sample s;
	unsigned int i;

	(void)state;
	for (i = 0; i <= 1200; i += 300) {
		s = sample_at(i);
		history_sample(h, &s);
	}
	history_close(h);
	assert_int_equal(must_read(&r, NULL), 3);
	assert_int_equal(r[2].span_ms, 300000);
	free(r);
}

static void only_news(void **state)
{
	struct event seen = decision(9, 4, CLASS_PAGES, CLASS_PAGES);
	struct apply_report already = {.outcome = APPLY_NOOP, .from_kb = 16, .to_kb = 16};
	struct history *h = must_open(1 << 20);
	struct history_record *r;

	(void)state;
	apply(h, 1, APPLY_REFUSED);
	apply(h, 1, APPLY_REFUSED);
	apply(h, 2, APPLY_REFUSED); /* the back-off holds for it, too */
	apply(h, 2, APPLY_STALE);
	apply(h, 2, APPLY_DROPPED);
	apply(h, 2, APPLY_WRITTEN);
	apply(h, 2, APPLY_REFUSED); /* anew */
	apply(h, 3, APPLY_NOOP);
	apply(h, 3, APPLY_NOOP);
	seen.reason = EVENT_FOREIGN;
	history_applied(h, &seen, &already);
	apply(h, 4, APPLY_RECOMMENDED);
	apply(h, 4, APPLY_RECOMMENDED);
	apply(h, 5, APPLY_STOOD_BACK);
	apply(h, 5, APPLY_GONE);
	history_close(h);
	assert_int_equal(must_read(&r, NULL), 7);
	assert_int_equal(r[0].what, APPLY_REFUSED);
	assert_int_equal(r[0].error, EROFS);
	assert_int_equal(r[0].to_kb, 252); /* what was refused */
	assert_int_equal(r[0].ra_kb, 16);
	assert_int_equal(r[1].what, APPLY_WRITTEN);
	assert_int_equal(r[2].what, APPLY_REFUSED);
	assert_int_equal(r[3].what, APPLY_NOOP);
	assert_int_equal(r[4].what, APPLY_RECOMMENDED);
	assert_int_equal(r[5].what, APPLY_STOOD_BACK);
	assert_int_equal(r[6].what, APPLY_GONE);
	free(r);
}

/* More bdis than are remembered at once: each still has its own rates. */
static void many_devices(void **state)
{
	struct history *h = must_open(1 << 20);
	struct history_record *r;
	unsigned int i, round;
	struct sample s;
	long n;

	(void)state;
	for (i = 0; i < 200; i++) {
		for (round = 0; round < 2; round++) {
			s = sample_at(round * 10);
			s.bdi_id = 1000 + i;
			history_sample(h, &s);
		}
	}
	history_close(h);
	n = must_read(&r, NULL);
	assert_int_equal(n, 200);
	for (i = 0; i < 200; i++) {
		assert_int_equal(r[i].bdi_id, 1000 + i);
		assert_int_equal(r[i].block_bytes, 40000000);
	}
	free(r);
}

static void scribble(off_t at, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, size, at), size);
	close(fd);
}

static void a_torn_record_is_skipped(void **state)
{
	static const char nothing[128];
	struct history *h = must_open(SMALL);
	struct history_record *r;
	unsigned int i, skipped;

	(void)state;
	for (i = 1; i <= 6; i++)
		apply(h, i, APPLY_WRITTEN);
	history_close(h);
	/* Sequence 3: its second half never reached the disk. 6, the last: one bit. */
	scribble(HISTORY_BLOCK + 3 * 256 + 128, nothing, sizeof(nothing));
	scribble(HISTORY_BLOCK + 6 * 256 + 40, "X", 1);
	assert_int_equal(must_read(&r, &skipped), 4);
	assert_int_equal(skipped, 2);
	assert_int_equal(r[1].sequence, 2);
	assert_int_equal(r[2].sequence, 4);
	free(r);
	/* The next one takes the place of the one that was lost at the end. */
	h = must_open(SMALL);
	apply(h, 7, APPLY_WRITTEN);
	history_close(h);
	assert_int_equal(must_read(&r, &skipped), 5);
	assert_int_equal(skipped, 1);
	assert_int_equal(r[4].sequence, 6);
	free(r);
}

/* A whole record in another's place, as a copied block leaves it, is no record. */
static void a_misplaced_record_is_skipped(void **state)
{
	struct history *h = must_open(SMALL);
	struct history_record *r, one;
	unsigned int skipped;

	(void)state;
	apply(h, 1, APPLY_WRITTEN);
	history_close(h);
	assert_int_equal(must_read(&r, NULL), 1);
	one = r[0];
	free(r);
	scribble(HISTORY_BLOCK + 9 * 256, &one, sizeof(one));
	assert_int_equal(must_read(&r, &skipped), 1);
	assert_int_equal(skipped, 1);
	free(r);
	h = must_open(SMALL);
	apply(h, 2, APPLY_WRITTEN);
	history_close(h);
	assert_int_equal(must_read(&r, NULL), 2);
	assert_int_equal(r[1].sequence, 2);
	free(r);
}

static void truncated_is_read_as_far_as_it_goes(void **state)
{
	struct history *h = must_open(SMALL);
	struct history_record *r;
	unsigned int i;

	(void)state;
	for (i = 1; i <= 10; i++)
		apply(h, i, APPLY_WRITTEN);
	history_close(h);
	assert_int_equal(truncate(path, HISTORY_BLOCK + 5 * 256 + 100), 0);
	assert_int_equal(must_read(&r, NULL), 4);
	assert_int_equal(r[3].sequence, 4);
	free(r);
	h = must_open(SMALL);
	apply(h, 11, APPLY_WRITTEN);
	history_close(h);
	assert_int_equal(must_read(&r, NULL), 5);
	free(r);
}

static void another_file_is_left_alone(void **state)
{
	struct history_record *r = (void *)1;
	static const char letter[] =
		"Dear reader, this is no history, and long enough for a header.";
	char back[sizeof(letter)] = "";
	int fd;

	(void)state;
	scribble(0, letter, sizeof(letter));
	must_not_open("not a history of this version");
	assert_int_equal(history_read(path, &r, NULL), -EPROTO);
	assert_null(r);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, back, sizeof(back)), sizeof(back));
	assert_int_equal(lseek(fd, 0, SEEK_END), sizeof(letter));
	close(fd);
	assert_memory_equal(back, letter, sizeof(letter));
}

static void another_version_is_left_alone(void **state)
{
	const __u32 version = HISTORY_VERSION + 1, many = 0xffffffff;
	struct history_record *r;

	(void)state;
	history_close(must_open(SMALL));
	scribble(8, &version, sizeof(version));
	must_not_open("not a history of this version");
	assert_int_equal(history_read(path, &r, NULL), -EPROTO);
	/* Nor one that claims more records than any has. */
	assert_int_equal(unlink(path), 0);
	history_close(must_open(SMALL));
	scribble(16, &many, sizeof(many));
	must_not_open("not a history of this version");
	assert_int_equal(history_read(path, &r, NULL), -EPROTO);
}

static void no_regular_file(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	must_not_open("no regular file");
	unlink(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	must_not_open("cannot be opened");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	must_not_open("cannot be opened");
	assert_int_equal(rmdir(path), 0);
}

static void none_yet(void **state)
{
	struct history_record *r = (void *)1;
	const char *why;

	(void)state;
	assert_int_equal(history_read(path, &r, NULL), -ENOENT);
	assert_null(r);
	assert_null(history_open("/tmp/there is no such directory", SMALL, &why));
	assert_non_null(strstr(why, "No such file"));
	/* Begun, and cut off before its header: begun anew. */
	scribble(HISTORY_BLOCK + PLACES * 256 - 1, "", 1);
	assert_int_equal(must_read(&r, NULL), 0);
	history_close(must_open(SMALL));
	assert_int_equal(must_read(&r, NULL), 0);
	assert_null(r);
}

static void one_writer(void **state)
{
	struct history *h = must_open(SMALL);

	(void)state;
	must_not_open("another process writes it");
	history_close(h);
	history_close(must_open(SMALL));
}

/* What stands for a full disk: a limit of file size, in a child. */
static void child_with_a_limit(rlim_t opened, rlim_t later)
{
	const struct rlimit at_opening = {opened, RLIM_INFINITY}, then = {later, RLIM_INFINITY};
	const char *why = "", *failed;
	struct history *h;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &at_opening))
		_exit(1);
	h = history_open(dir, SMALL, &why);
	if (opened != RLIM_INFINITY)
		_exit(!h && strstr(why, "cannot be made") ? 0 : 2);
	apply(h, 1, APPLY_WRITTEN);
	if (history_failed(h) || setrlimit(RLIMIT_FSIZE, &then))
		_exit(3);
	apply(h, 2, APPLY_WRITTEN);
	apply(h, 3, APPLY_WRITTEN);
	failed = history_failed(h);
	if (!failed || !strstr(failed, strerror(EFBIG)))
		_exit(4);
	/* Once, and for good. */
	if (setrlimit(RLIMIT_FSIZE, &at_opening))
		_exit(5);
	apply(h, 4, APPLY_WRITTEN);
	_exit(history_failed(h) ? 6 : 0);
}

static void a_full_disk_ends_it(void **state)
{
	struct history_record *r;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid)
		child_with_a_limit(HISTORY_BLOCK, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	pid = fork();
	if (!pid)
		child_with_a_limit(RLIM_INFINITY, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(must_read(&r, NULL), 1);
	free(r);
}

/* Writes without end. */
static pid_t writer(void)
{
	struct history *h;
	pid_t pid = fork();
	__u64 seq = 0;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	h = must_open(SMALL);
	for (;;)
		apply(h, ++seq, APPLY_WRITTEN);
}

/* While it is written, and wrapping all the time: whole records, in order. */
static void read_while_written(void **state)
{
	const struct timespec begin = {.tv_nsec = 50000000};
	struct history_record *r;
	int round, status;
	pid_t pid = writer();
	__u64 last = 0;
	long i, n;

	(void)state;
	nanosleep(&begin, NULL);
	for (round = 0; round < 300; round++) {
		n = must_read(&r, NULL);
		assert_true(n > 0);
		for (i = 0; i < n; i++) {
			assert_int_equal(r[i].kind, HISTORY_DECISION);
			assert_string_equal(r[i].name, "7:4000");
			assert_true(!i || r[i].sequence > r[i - 1].sequence);
		}
		assert_true(r[n - 1].sequence >= last);
		last = r[n - 1].sequence;
		free(r);
	}
	assert_true(last > PLACES);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void killed_at_any_moment(void **state)
{
	struct timespec moment = {.tv_nsec = 3000000};
	struct history_record *r;
	unsigned int skipped;
	int round, status;
	pid_t pid;
	long i, n;

	(void)state;
	for (round = 0; round < 20; round++) {
		pid = writer();
		moment.tv_nsec += 700000;
		nanosleep(&moment, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		n = history_read(path, &r, &skipped);
		if (n == -ENOENT)
			continue; /* it had not come that far */
		assert_true(n >= 0);
		assert_int_equal(skipped, 0);
		/* Each writer goes on where the one before was killed. */
		for (i = 1; i < n; i++)
			assert_int_equal(r[i].sequence, r[i - 1].sequence + 1);
		free(r);
	}
	assert_int_equal(must_read(&r, NULL), PLACES);
	free(r);
}

static void off_is_off(void **state)
{
	struct event e = decision(9, 1, CLASS_PAGES, CLASS_SEQUENTIAL);
	struct apply_report report = {.outcome = APPLY_WRITTEN};
	struct sample s = sample_at(1);

	(void)state;
	history_sample(NULL, &s);
	history_applied(NULL, &e, &report);
	history_note(NULL, 9, "7:4000", HISTORY_KEPT, CLASS_PAGES, 16, 32, NULL);
	history_mark(NULL, HISTORY_STARTED);
	assert_int_equal(history_follow(NULL, NULL), 0);
	assert_null(history_failed(NULL));
	history_close(NULL);
	assert_int_equal(access(path, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(written_is_read),
		TEST(a_new_file_is_private),
		TEST(the_newest_overwrites_the_oldest),
		TEST(what_goes_on_grows),
		TEST(close_samples_are_joined),
		TEST(bytes_by_what_is_known),
		TEST(silence_is_no_rate),
		TEST(rare_samples_are_rates),
		TEST(only_news),
		TEST(many_devices),
		TEST(a_torn_record_is_skipped),
		TEST(a_misplaced_record_is_skipped),
		TEST(truncated_is_read_as_far_as_it_goes),
		TEST(another_file_is_left_alone),
		TEST(another_version_is_left_alone),
		TEST(no_regular_file),
		TEST(none_yet),
		TEST(one_writer),
		TEST(a_full_disk_ends_it),
		TEST(read_while_written),
		TEST(killed_at_any_moment),
		TEST(off_is_off),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
