// SPDX-License-Identifier: GPL-2.0-only
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "apply.h"
#include "bdi.h"
#include "state.h"

#define HISTORY_MAGIC 0x5349484146504252ULL /* "RBPFAHIS" in a little-endian file */
#define RECORDS_MIN 16U
#define RECORDS_MAX (1U << 24)
#define TRACKED_MAX 64  /* bdis whose totals are remembered; the one idle longest makes room */
#define STEADY_MS 60000 /* a record of something that does not change grows up to this */
#define SHORT_MS 5000   /* and to this however its rates change */
#define SILENCE_NS 60000000000ULL /* what lies between two samples so far apart is no rate */
#define SECOND_NS 1000000000ULL
#define CHUNK (16 * sizeof(struct history_record))

struct history_header {
	__u64 magic;
	__u32 version;
	__u32 record_bytes;
	__u32 nr_records;
	__u32 reserved;
	__u64 created_ns; /* CLOCK_REALTIME */
};
_Static_assert(sizeof(struct history_header) == 32, "file format");
_Static_assert(HISTORY_BLOCK % sizeof(struct history_record) == 0, "no record crosses a page");

/* What is kept of a bdi, so that totals become rates. */
struct tracked {
	__u64 bdi_id; /* 0: free */
	__u64 used;   /* of history.clock */
	__u64 time_ns;
	__u64 span_ns; /* between its last two samples, 0: there has been one */
	__u64 total[COUNTERS_MAX];
	struct history_record last; /* its last sample; sequence 0: there is none to be extended */
	__u64 decision_seq;
	__u32 outcome;
	__u32 error;
};

struct history {
	int fd;
	__u32 nr_records;
	__u64 sequence; /* of the last record written */
	__u64 clock;
	unsigned int page_bytes;
	int error; /* -errno of the write that failed; nothing is written since */
	bool told;
	struct tracked tracked[TRACKED_MAX];
};

static __u64 clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (__u64)now.tv_sec * SECOND_NS + (__u64)now.tv_nsec;
}

static __u32 checksum_of(const struct history_record *r)
{
	const size_t skip = offsetof(struct history_record, kind);

	return (__u32)crc32(0, (const unsigned char *)r + skip, (unsigned int)(sizeof(*r) - skip));
}

static bool is_whole(const struct history_record *r)
{
	return r->sequence && r->checksum == checksum_of(r);
}

static off_t place_of(__u64 sequence, __u32 nr_records)
{
	return HISTORY_BLOCK + (off_t)(sequence % nr_records * sizeof(struct history_record));
}

/* --- the file --------------------------------------------------------------------------------- */

/* 0: a history of ours; -EPROTO: something else; -ENODATA: nothing has been written to it yet. */
static int read_header(int fd, struct history_header *header)
{
	ssize_t n = pread(fd, header, sizeof(*header), 0);
	static const struct history_header empty;

	if (n < 0)
		return -errno;
	if (!n || (n == (ssize_t)sizeof(*header) && !memcmp(header, &empty, sizeof(empty))))
		return -ENODATA;
	if (n != (ssize_t)sizeof(*header) || header->magic != HISTORY_MAGIC ||
	    header->version != HISTORY_VERSION ||
	    header->record_bytes != sizeof(struct history_record) ||
	    header->nr_records < RECORDS_MIN || header->nr_records > RECORDS_MAX)
		return -EPROTO;
	return 0;
}

/* The header last: what is cut off in between is begun anew. 0 or -errno. */
static int make_file(int fd, size_t bytes, struct history_header *header)
{
	size_t records =
		bytes > HISTORY_BLOCK ? (bytes - HISTORY_BLOCK) / sizeof(struct history_record) : 0;
	ssize_t n;
	int err;

	if (records < RECORDS_MIN)
		records = RECORDS_MIN;
	memset(header, 0, sizeof(*header));
	header->magic = HISTORY_MAGIC;
	header->version = HISTORY_VERSION;
	header->record_bytes = sizeof(struct history_record);
	header->nr_records = records < RECORDS_MAX ? (__u32)records : RECORDS_MAX;
	header->created_ns = clock_ns(CLOCK_REALTIME);
	/* Its blocks now: a disk that is full is better found here than in the midst of the work.
	 */
	err = posix_fallocate(fd, 0,
			      place_of(header->nr_records - 1, header->nr_records) +
				      (off_t)sizeof(struct history_record));
	if (err)
		return -err;
	n = pwrite(fd, header, sizeof(*header), 0);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(*header) ? 0 : -EIO;
}

/* The largest sequence number in place; 0 for an empty history. */
static __u64 last_sequence(int fd, __u32 nr_records)
{
	struct history_record chunk[CHUNK / sizeof(struct history_record)];
	__u64 last = 0, place = 0, i;
	ssize_t n;

	while (place < nr_records) {
		n = pread(fd, chunk, sizeof(chunk), place_of(place, nr_records));
		if (n < (ssize_t)sizeof(chunk[0]))
			break;
		for (i = 0; i < (size_t)n / sizeof(chunk[0]) && place < nr_records; i++, place++) {
			if (chunk[i].sequence > last && is_whole(&chunk[i]) &&
			    chunk[i].sequence % nr_records == place)
				last = chunk[i].sequence;
		}
	}
	return last;
}

/* What stands at the opening's end, for a log. */
static const char *because(const char *what, int err)
{
	static char text[160];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(-err));
	return text;
}

/* Opens, locks and, if it is new, makes the file. Its descriptor, or -errno with *why set. */
static int open_file(const char *path, size_t bytes, struct history_header *header,
		     const char **why)
{
	struct stat st;
	int fd, err;

	/* O_NONBLOCK: a FIFO of that name is no reason to wait for its reader. */
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0) {
		err = -errno;
		*why = because("cannot be opened", err);
		return err;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		*why = "it is no regular file";
		err = -EPROTO;
		goto close;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		err = -errno;
		*why = err == -EWOULDBLOCK ? "another process writes it" :
					     because("cannot be locked", err);
		goto close;
	}
	err = read_header(fd, header);
	if (err == -ENODATA) {
		err = make_file(fd, bytes, header);
		if (err)
			*why = because("cannot be made", err);
	} else if (err == -EPROTO) {
		*why = "it is not a history of this version, and stays as it is";
	} else if (err) {
		*why = because("cannot be read", err);
	}
	if (!err)
		return fd;
close:
	close(fd);
	return err;
}

struct history *history_open(const char *state_dir, size_t bytes, const char **why)
{
	struct history_header header;
	struct history *h;
	char path[4096];
	int fd;

	*why = "its path is too long";
	if (state_path(path, sizeof(path), state_dir, HISTORY_FILE))
		return NULL;
	fd = open_file(path, bytes, &header, why);
	if (fd < 0)
		return NULL;
	h = calloc(1, sizeof(*h));
	if (!h) {
		*why = "out of memory";
		close(fd);
		return NULL;
	}
	h->fd = fd;
	h->nr_records = header.nr_records;
	h->sequence = last_sequence(fd, header.nr_records);
	h->page_bytes = (unsigned int)sysconf(_SC_PAGESIZE);
	return h;
}

const char *history_failed(struct history *h)
{
	if (!h || !h->error || h->told)
		return NULL;
	h->told = true;
	return because("cannot be written", h->error);
}

void history_close(struct history *h)
{
	if (!h)
		return;
	close(h->fd);
	free(h);
}

/* Into the place of its sequence number: a new one, or one that has grown. */
static void put_record(struct history *h, struct history_record *r)
{
	ssize_t n;

	if (h->error)
		return;
	r->checksum = checksum_of(r);
	n = pwrite(h->fd, r, sizeof(*r), place_of(r->sequence, h->nr_records));
	if (n != (ssize_t)sizeof(*r))
		h->error = n < 0 ? -errno : -EIO;
}

static void add_record(struct history *h, struct history_record *r)
{
	r->sequence = ++h->sequence;
	put_record(h, r);
}

/* --- what is written -------------------------------------------------------------------------- */

static struct tracked *track(struct history *h, __u64 bdi_id)
{
	struct tracked *t = &h->tracked[0];
	unsigned int i;

	for (i = 0; i < TRACKED_MAX; i++) {
		if (h->tracked[i].bdi_id == bdi_id) {
			t = &h->tracked[i];
			goto found;
		}
		if (h->tracked[i].used < t->used)
			t = &h->tracked[i];
	}
	memset(t, 0, sizeof(*t));
	t->bdi_id = bdi_id;
found:
	t->used = ++h->clock;
	return t;
}

static void begin_record(struct history_record *r, enum history_kind kind, __u64 bdi_id,
			 const char *name)
{
	memset(r, 0, sizeof(*r));
	r->kind = (__u8)kind;
	r->class_id = r->old_class = CLASS_NONE;
	r->bdi_id = bdi_id;
	if (!name)
		return;
	memcpy(r->name, name, strnlen(name, BDI_NAME_LEN - 1));
	bdi_display_name(r->name, r->label, sizeof(r->label));
}

/* When it was by the calendar, given CLOCK_MONOTONIC. */
static __u64 calendar_ns(__u64 time_ns)
{
	__u64 now = clock_ns(CLOCK_MONOTONIC);

	return clock_ns(CLOCK_REALTIME) - (now > time_ns ? now - time_ns : 0);
}

/*
 * Bytes that the page cache fetched, and those of them known to have been used: windows and single
 * misses less what was read in vain (features.h), and of a read-around the page at fault, because
 * whether its other pages were used raises no event. So the ratio of the two is the most that
 * reading through a mapping can have cost.
 */
static void count_bytes(const __u64 *d, unsigned int page_bytes, struct history_record *r)
{
	__u64 pages = d[COUNTER_ORDER_PAGES], around = 0, used;
	__u64 singles = d[COUNTER_SYNC_CALLS] ? d[COUNTER_SYNC_PAGES] * d[COUNTER_SYNC_JUMPS] /
							d[COUNTER_SYNC_CALLS] :
						0;

	/* A read-around is as large as its file's readahead. */
	if (d[COUNTER_ORDER_CALLS])
		around = d[COUNTER_AROUND_CALLS] * d[COUNTER_ORDER_RA_PAGES] /
			 d[COUNTER_ORDER_CALLS];
	if (around > pages)
		around = pages;
	used = pages - around + singles;
	used = used > d[COUNTER_UNUSED_PAGES] ? used - d[COUNTER_UNUSED_PAGES] : 0;
	if (around)
		used += d[COUNTER_AROUND_CALLS];
	r->fetched_bytes = (pages + singles) * page_bytes;
	r->used_bytes = used * page_bytes;
}

/* Do the rates of two spans differ by no more than a quarter, or hardly count? */
static bool alike(__u64 bytes_a, __u64 ms_a, __u64 bytes_b, __u64 ms_b)
{
	double a = (double)bytes_a / (double)ms_a, b = (double)bytes_b / (double)ms_b;
	double more = a > b ? a : b, less = a > b ? b : a;

	return more < 256 /* KB/s */ || more - less <= more / 4;
}

/* Does @r only go on with what @last says? */
static bool goes_on(const struct history_record *last, const struct history_record *r)
{
	if (!last->sequence || last->ra_kb != r->ra_kb || last->class_id != r->class_id ||
	    last->old_class != r->old_class || last->span_ms + r->span_ms > STEADY_MS)
		return false;
	if (last->span_ms + r->span_ms <= SHORT_MS)
		return true;
	return alike(last->block_bytes, last->span_ms, r->block_bytes, r->span_ms) &&
	       alike(last->fetched_bytes, last->span_ms, r->fetched_bytes, r->span_ms);
}

/* @r becomes @last and what has come since. */
static void extend(const struct history_record *last, struct history_record *r)
{
	r->sequence = last->sequence;
	r->span_ms += last->span_ms;
	r->calls += last->calls;
	r->block_reads += last->block_reads;
	r->block_bytes += last->block_bytes;
	r->fetched_bytes += last->fetched_bytes;
	r->used_bytes += last->used_bytes;
	r->around_starts += last->around_starts;
}

/* The next span begins here. */
static void rebase(struct tracked *t, const struct sample *s, __u64 span_ns)
{
	t->time_ns = s->time_ns;
	t->span_ns = span_ns;
	memcpy(t->total, s->total, sizeof(t->total));
}

void history_sample(struct history *h, const struct sample *s)
{
	__u64 d[COUNTERS_MAX], span_ns, sign;
	struct history_record r;
	struct tracked *t;
	unsigned int i;

	if (!h || !s->bdi_id)
		return;
	t = track(h, s->bdi_id);
	span_ns = t->time_ns && s->time_ns > t->time_ns ? s->time_ns - t->time_ns : 0;
	sign = 0;
	for (i = 0; i < COUNTERS_MAX; i++) {
		d[i] = s->total[i] - t->total[i];
		sign |= d[i];
	}
	/* Its first one, an hour of silence, or a slot that it was given anew. */
	if (!t->time_ns || (__s64)sign < 0 ||
	    (span_ns > SILENCE_NS && span_ns / 5 * 2 > t->span_ns)) {
		rebase(t, s, span_ns);
		t->last.sequence = 0;
		return;
	}
	if (span_ns < 1000000)
		return;
	begin_record(&r, HISTORY_SAMPLE, s->bdi_id, NULL);
	r.time_ns = calendar_ns(s->time_ns);
	r.span_ms = (__u32)(span_ns / 1000000);
	r.class_id = s->window_class;
	r.old_class = s->decided_class;
	r.ra_kb = s->ra_kb;
	r.margin = s->margin;
	r.calls = (__u32)(d[COUNTER_SYNC_CALLS] + d[COUNTER_ASYNC_CALLS] + d[COUNTER_AROUND_CALLS]);
	r.block_reads = d[COUNTER_BLOCK_READS];
	r.block_bytes = d[COUNTER_BLOCK_READ_BYTES];
	r.around_starts = d[COUNTER_AROUND_STARTS];
	count_bytes(d, h->page_bytes, &r);
	rebase(t, s, span_ns);
	if (goes_on(&t->last, &r) && h->sequence - t->last.sequence < h->nr_records) {
		memcpy(r.name, t->last.name, sizeof(r.name));
		memcpy(r.label, t->last.label, sizeof(r.label));
		extend(&t->last, &r);
		put_record(h, &r);
	} else {
		memcpy(r.name, s->name, BDI_NAME_LEN - 1);
		bdi_display_name(r.name, r.label, sizeof(r.label));
		add_record(h, &r);
	}
	t->last = r;
}

/* Is it news? Retries within a back-off and looks that found all well are not. */
static bool is_news(struct tracked *t, const struct event *e, const struct apply_report *r)
{
	bool same = t->decision_seq == e->decision_seq && t->outcome == (__u32)r->outcome &&
		    t->error == (__u32)r->error;

	switch (r->outcome) {
	case APPLY_STALE:
	case APPLY_DROPPED:
	case NR_APPLY_OUTCOMES:
		return false;
	case APPLY_NOOP:
		if (t->decision_seq == e->decision_seq || e->old_class == e->new_class)
			return false;
		break;
	case APPLY_RECOMMENDED:
		if (same)
			return false;
		break;
	case APPLY_REFUSED:
		if (t->outcome == APPLY_REFUSED && t->error == (__u32)r->error)
			return false;
		break;
	case APPLY_WRITTEN:
	case APPLY_REASSERTED:
	case APPLY_STOOD_BACK:
	case APPLY_GONE:
		break;
	}
	t->decision_seq = e->decision_seq;
	t->outcome = (__u32)r->outcome;
	t->error = (__u32)r->error;
	return true;
}

void history_applied(struct history *h, const struct event *e, const struct apply_report *r)
{
	struct history_record record;
	struct tracked *t;

	if (!h || !e->bdi_id)
		return;
	t = track(h, e->bdi_id);
	if (!is_news(t, e, r))
		return;
	begin_record(&record, HISTORY_DECISION, e->bdi_id, e->name);
	record.what = (__u8)r->outcome;
	record.time_ns = calendar_ns(e->time_ns);
	record.class_id = e->new_class;
	record.old_class = e->old_class;
	record.from_kb = r->from_kb;
	/* Refused: what it would have been. */
	record.to_kb = r->outcome == APPLY_REFUSED ? e->wanted_kb : r->to_kb;
	record.original_kb = r->original_kb;
	record.ra_kb = r->outcome == APPLY_REFUSED || r->outcome == APPLY_RECOMMENDED ? r->from_kb :
											r->to_kb;
	record.margin = e->margin;
	record.calls = e->window_calls;
	record.error = (__u32)r->error;
	add_record(h, &record);
	t->last.sequence = 0;
	if (r->outcome == APPLY_GONE)
		memset(t, 0, sizeof(*t));
}

void history_note(struct history *h, __u64 bdi_id, const char *name, enum history_what what,
		  unsigned int class_id, unsigned int from_kb, unsigned int to_kb, const char *text)
{
	struct history_record r;

	if (!h)
		return;
	begin_record(&r, HISTORY_NOTE, bdi_id, name);
	r.what = (__u8)what;
	r.time_ns = clock_ns(CLOCK_REALTIME);
	r.class_id = (__u8)class_id;
	r.from_kb = from_kb;
	r.to_kb = to_kb;
	if (text)
		memcpy(r.text, text, strnlen(text, sizeof(r.text) - 1));
	add_record(h, &r);
}

static void take_sample(const struct sample *s, void *arg)
{
	history_sample(arg, s);
}

static void take_answer(const struct event *e, const struct apply_report *r, void *arg)
{
	history_applied(arg, e, r);
}

int history_follow(struct history *h, struct applier *a)
{
	const struct apply_listener listener = {
		.sampled = take_sample,
		.applied = take_answer,
		.arg = h,
	};

	return h ? applier_listen(a, &listener) : 0;
}

void history_mark(struct history *h, enum history_mark mark)
{
	struct history_record r;

	if (!h)
		return;
	begin_record(&r, HISTORY_MARK, 0, NULL);
	r.what = (__u8)mark;
	r.time_ns = clock_ns(CLOCK_REALTIME);
	add_record(h, &r);
}

/* --- reading ---------------------------------------------------------------------------------- */

static int by_sequence(const void *a, const void *b)
{
	__u64 x = ((const struct history_record *)a)->sequence;
	__u64 y = ((const struct history_record *)b)->sequence;

	return (x > y) - (x < y);
}

/* A record that was caught half written is whole a moment later; a torn one never is. */
static bool read_again(int fd, struct history_record *r, off_t place)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	int tries;

	for (tries = 0; tries < 3; tries++) {
		nanosleep(&moment, NULL);
		if (pread(fd, r, sizeof(*r), place) != (ssize_t)sizeof(*r))
			return false;
		if (is_whole(r))
			return true;
	}
	return false;
}

/* All of them into @all, which has room for @nr_records. Returns how many are whole, or -errno. */
static long read_records(int fd, __u32 nr_records, struct history_record *all,
			 unsigned int *skipped)
{
	static const struct history_record empty;
	struct history_record r;
	size_t bytes = nr_records * sizeof(*all), got = 0;
	__u32 place, count = 0;
	ssize_t n;

	while (got < bytes) {
		n = pread(fd, (char *)all + got, bytes - got, HISTORY_BLOCK + (off_t)got);
		if (n < 0)
			return -errno;
		if (!n)
			break;
		got += (size_t)n;
	}
	for (place = 0; place < got / sizeof(*all); place++) {
		r = all[place];
		if (!memcmp(&r, &empty, sizeof(r)))
			continue;
		if ((!is_whole(&r) && !read_again(fd, &r, place_of(place, nr_records))) ||
		    r.sequence % nr_records != place) {
			++*skipped;
			continue;
		}
		/* Whoever wrote it, these are printed. */
		r.name[sizeof(r.name) - 1] = r.label[sizeof(r.label) - 1] = '\0';
		r.text[sizeof(r.text) - 1] = '\0';
		all[count++] = r;
	}
	qsort(all, count, sizeof(*all), by_sequence);
	return count;
}

long history_read(const char *path, struct history_record **records, unsigned int *skipped)
{
	struct history_header header;
	unsigned int unread = 0;
	struct history_record *all;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	long n;

	*records = NULL;
	if (fd < 0)
		return -errno;
	n = read_header(fd, &header);
	if (n == -ENODATA)
		n = 0;
	else if (!n) {
		all = calloc(header.nr_records, sizeof(*all));
		n = all ? read_records(fd, header.nr_records, all, &unread) : -ENOMEM;
		if (n > 0)
			*records = all;
		else
			free(all);
	}
	close(fd);
	if (skipped)
		*skipped = unread;
	return n;
}
