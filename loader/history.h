/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happened: a bounded file in the state directory, written by whoever applies decisions and
 * read by `bpfahead report`, also at the same time.
 *
 * A block with the header, then records of a fixed size, each of which says by a checksum whether
 * it is whole and by its sequence number where it belongs. The record with number N lies in place
 * N % nr_records, so the newest overwrites the oldest. A record never crosses a page of 4 KB. What
 * a kill or a loss of power tears is one record, and it is skipped. Integers are little-endian on
 * the machines that are tested; a file of another byte order is told by its magic and left alone.
 *
 * It is written when something happens and at no other time: nothing here wakes anybody.
 */
#ifndef BPFAHEAD_HISTORY_H
#define BPFAHEAD_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "../bpf/abi.h"

#define HISTORY_FILE "history" /* in the state directory */
#define HISTORY_BYTES (4U << 20)
#define HISTORY_VERSION 1
#define HISTORY_BLOCK 4096 /* before the first record */

enum history_kind {
	HISTORY_SAMPLE = 1,   /* what was read in the span that ends at time_ns */
	HISTORY_DECISION = 2, /* an event was acted upon: `what` is its enum apply_outcome */
	HISTORY_NOTE = 3,     /* guard or probe: `what` is an enum history_what */
	HISTORY_MARK = 4,     /* of no device: `what` is an enum history_mark */
};

/* NUMBERS ARE A FILE FORMAT: append, never renumber. */
enum history_what {
	HISTORY_REVERTED = 1,  /* guard: the change did harm and was taken back */
	HISTORY_KEPT = 2,      /* guard: the change was judged and stays */
	HISTORY_TRIED = 3,     /* probe: a neighbouring value is tried */
	HISTORY_TRIMMED = 4,   /* probe: it paid and stays */
	HISTORY_UNTRIMMED = 5, /* probe: it did not pay, and is taken back */
};

enum history_mark { HISTORY_STARTED = 1, HISTORY_STOPPED = 2 };

struct history_record {
	__u32 checksum; /* CRC-32 of what follows; a record of zeros is an empty place */
	__u8 kind;      /* enum history_kind */
	__u8 what;
	__u8 class_id;  /* sample: of the window; decision: the new one; note: judged */
	__u8 old_class; /* sample: the one in force; decision: the one before */
	__u64 sequence; /* from 1 */
	__u64 time_ns;  /* CLOCK_REALTIME */
	__u64 bdi_id;
	char name[BDI_NAME_LEN]; /* "8:0" */
	char label[64];          /* for people: "sda", "0:41 (/mnt)"; NUL-terminated */
	__u32 ra_kb;             /* in effect at the end of a sample's span */
	__u32 from_kb, to_kb;    /* note: of the change that it is about, whatever became of it */
	__u32 original_kb;       /* 0: not known */
	__s32 margin;            /* Q16 */
	__u32 span_ms;           /* of a sample */
	__u32 error;             /* errno of a refusal */
	__u32 calls;             /* sample: readahead calls in the span; decision: in its window */
	__u64 block_reads;       /* the rest but the text: gained in a sample's span */
	__u64 block_bytes;
	__u64 fetched_bytes; /* what the page cache asked the file system for */
	__u64 used_bytes;    /* of that, what is known to have been used */
	__u64 around_starts;
	__u64 reserved[2];
	char text[40]; /* note: why, for people; NUL-terminated */
};
_Static_assert(sizeof(struct history_record) == 256, "file format");

struct history;
struct applier;
struct sample;
struct event;
struct apply_report;

/*
 * history_open - the history below @state_dir, to be written
 * @bytes: of a file that is made; one that is there keeps its size
 * @why: what is wrong, for a log line, where NULL is returned: nothing of this is a reason not to
 *       work. The text lives until the next call.
 *
 * One writer at a time, by flock(2). NULL also for a file that is none of ours or of another
 * version, which stays as it is. Every function below does nothing for NULL.
 */
struct history *history_open(const char *state_dir, size_t bytes, const char **why);

/*
 * history_failed - why nothing is written any more, once; else NULL
 * A disk may be full later than at the opening. To be asked after writing.
 */
const char *history_failed(struct history *h);

void history_sample(struct history *h, const struct sample *s);
void history_applied(struct history *h, const struct event *e, const struct apply_report *r);

/*
 * history_note - what guard or probe did
 * @name: of the bdi, at most BDI_NAME_LEN
 * @from_kb, @to_kb: the change that was tried, kept or taken back
 * @text: short, for people; may be NULL
 */
void history_note(struct history *h, __u64 bdi_id, const char *name, enum history_what what,
		  unsigned int class_id, unsigned int from_kb, unsigned int to_kb,
		  const char *text);

/* From here on its samples and answers are written. -ENOSPC as applier_listen(). */
int history_follow(struct history *h, struct applier *a);

void history_mark(struct history *h, enum history_mark mark);
void history_close(struct history *h);

/*
 * history_read - every whole record of the file @path, oldest first
 * @records: allocated, for free(); NULL if there is none
 * @skipped: torn records; may be NULL
 * Returns how many, or -ENOENT, -EPROTO (not a history, or of another version), or -errno.
 */
long history_read(const char *path, struct history_record **records, unsigned int *skipped);

#endif
