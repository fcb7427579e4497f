/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calibration: how fast a device is read at each readahead, what follows from
 * that for its policy row, and how it is shown. docs/calibration.md says what
 * is measured and why each class takes its value from where it does.
 */
#ifndef BPFAHEAD_CALIBRATE_H
#define BPFAHEAD_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <cjson/cJSON.h>

#include "../bpf/abi.h"

/* Values that are tried, in KB. The first is for mmap alone: read(2) never gains by it. */
#define CALIBRATE_LADDER_LIST(X) X(4) X(16) X(32) X(64) X(128) X(256) X(512) X(1024) X(2048) X(4096)

#define X(kb) +1
enum { CALIBRATE_VALUES = 0 CALIBRATE_LADDER_LIST(X) };
#undef X

extern unsigned int calibrate_ladder[CALIBRATE_VALUES];

/*
 * calibrate_ladder_include - measure the administrator's value, too, in place of its neighbour
 * @kb: ignored below the second value and beyond twice the last
 * A disk may be fastest at just that: twice its largest request, for one (Linux 6.17 and later).
 */
void calibrate_ladder_include(unsigned int kb);

#define CALIBRATE_REPEATS_MAX 16

/*
 * Pages of CALIBRATE_QUEUED that are under way at once, whatever the readahead: how many reads a
 * second a disk has. One at a time, what has a latency seems to have few. As many as NCQ takes.
 */
#define CALIBRATE_QUEUE 32

/*
 * What is read, how: name, how, bytes in a row, bytes per read(2) (0: by mmap), words for people.
 * In the order in which it is measured, the most telling first.
 */
#define CALIBRATE_PATTERN_LIST(X)                                                \
	X(SCAN, "scan", 0, 16384, "one file from end to end")                    \
	X(RUN_64K, "runs-64k", 65536, 4096, "64 KB from a random place")         \
	X(PAGE, "pages", 4096, 0, "a random page by mmap")                       \
	X(QUEUED, "pages-queued", 4096, 0, "random pages, 32 under way at once") \
	X(RUN_256K, "runs-256k", 262144, 16384, "256 KB from a random place")    \
	X(RUN_1M, "runs-1m", 1048576, 65536, "1 MB from a random place")         \
	X(OBJECT_16K, "objects-16k", 16384, 0, "16 KB at a random place, mmap")  \
	X(OBJECT_64K, "objects-64k", 65536, 0, "64 KB at a random place, mmap")  \
	X(FILES, "files-64k", 65536, 4096, "files of 64 KB, each whole")

enum calibrate_pattern {
#define X(id, name, run_bytes, read_bytes, text) CALIBRATE_##id,
	CALIBRATE_PATTERN_LIST(X)
#undef X
		NR_CALIBRATE_PATTERNS,
};

struct calibrate_pattern_info {
	const char *name, *text;
	unsigned int run_bytes;  /* read in a row; 0: without end */
	unsigned int read_bytes; /* per read(2); 0: touched by mmap */
};
extern const struct calibrate_pattern_info calibrate_patterns[NR_CALIBRATE_PATTERNS];

/* Why a cell has no figure. */
enum calibrate_gap {
	GAP_NONE,    /* it has one */
	GAP_UNUSED,  /* not on this pattern's ladder */
	GAP_FLAT,    /* the curve was flat before it */
	GAP_FALLING, /* the curve had fallen far below its best */
	GAP_BOUND,   /* the bound on time was reached */
	GAP_ROOM,    /* too little room on the file system */
};

/* One pattern at one readahead. */
struct calibrate_cell {
	unsigned int repeats;
	enum calibrate_gap gap;
	double rate[CALIBRATE_REPEATS_MAX]; /* bytes asked for per second */
	double typical;                     /* their median */
	double spread;                      /* half of (greatest - least) / typical; 0 with one */
	double amplification; /* bytes from the device per byte asked for; 0 unknown */
};

struct calibrate_result {
	struct calibrate_cell cell[NR_CALIBRATE_PATTERNS][CALIBRATE_VALUES];
	double noise[NR_CALIBRATE_PATTERNS]; /* relative error of a typical rate; 0 unknown */
	unsigned int original_kb;            /* measured twice, slow or not: clamps go by it */
};

/* Takes in one figure. Ignored when the cell is full or the rate is no positive number. */
void calibrate_add(struct calibrate_result *r, enum calibrate_pattern pattern, unsigned int value,
		   double bytes_per_s, double amplification);

/* Computes typical rates, spreads and each pattern's noise. */
void calibrate_summarise(struct calibrate_result *r);

/* What the next pass upwards does after @value of a pattern was measured for the first time. */
enum calibrate_gap calibrate_goes_on(const struct calibrate_result *r,
				     enum calibrate_pattern pattern, unsigned int value);

/* The value of the default row, in KB, for the class that @pattern stands for. */
unsigned int calibrate_default_kb(enum calibrate_pattern pattern);

/* Is a repeat of this cell worth its time: could it still be chosen, or does its neighbour? */
bool calibrate_is_contender(const struct calibrate_result *r, enum calibrate_pattern pattern,
			    unsigned int value);

/*
 * calibrate_knee - the least value with @share (0..1) of the best rate, or what noise makes of it
 * Index into the ladder, or -1 if too little was measured to tell.
 */
int calibrate_knee(const struct calibrate_result *r, enum calibrate_pattern pattern, double share);

/*
 * calibrate_best - the smallest value that is as good as the best
 * @patterns: bits (1 << pattern); the geometric mean of their rates counts
 * @least_kb, @most_kb: bounds on what may be chosen; the best is looked for within them
 *
 * Only values that all of the patterns have. Index into the ladder or -1.
 */
int calibrate_best(const struct calibrate_result *r, unsigned int patterns, unsigned int least_kb,
		   unsigned int most_kb);

/* What a class is given, and on what ground. */
struct calibrate_choice {
	bool measured; /* else the default row's value */
	unsigned int kb;
	enum clamp clamp;
	char why[120];
};

/*
 * calibrate_choose - the policy row
 * @original_kb: the administrator's value, against which clamps hold; 0 unknown
 * Fills all classes; true if at least one is measured.
 */
bool calibrate_choose(const struct calibrate_result *r, unsigned int original_kb,
		      struct calibrate_choice choice[NR_CLASSES]);

/* What is said of a calibration beside the figures. */
struct calibrate_about {
	char device[160];     /* for people */
	char directory[4096]; /* where the files were */
	char fstype[32];
	char date[32]; /* ISO 8601, UTC */
	char kernel[72];
	double seconds;
	unsigned long long file_bytes;
	unsigned int original_kb;
	const char *warning; /* NULL if none */
};

void calibrate_print_text(FILE *out, const struct calibrate_about *about,
			  const struct calibrate_result *r,
			  const struct calibrate_choice choice[NR_CLASSES]);
void calibrate_print_svg(FILE *out, const struct calibrate_about *about,
			 const struct calibrate_result *r,
			 const struct calibrate_choice choice[NR_CLASSES]);
/* NULL if memory is short. */
cJSON *calibrate_json(const struct calibrate_about *about, const struct calibrate_result *r,
		      const struct calibrate_choice choice[NR_CLASSES]);

/* --- rates ------------------------------------------------------------------------------------ */

#define CALIBRATE_PAUSES_MAX 512

/* A long wait: seconds since the begin at its end, how long, bytes that had come by its end. */
struct calibrate_pause {
	double end_s, took_s, bytes;
};

/* One figure in the making. Times are seconds. */
struct calibrate_rate {
	double warm_up_s, count_s, window;
	double at_s, bytes; /* since the begin */
	bool warm;
	double warm_at_s, warm_bytes; /* when the warm-up was over */
	unsigned int operations;      /* since then */
	double longest, second;       /* operation */
	unsigned int nr_pauses;
	struct calibrate_pause pause[CALIBRATE_PAUSES_MAX];
};

/*
 * calibrate_rate_begin - set out
 * @count_s: so long is counted after the warm-up; a slow or pulsing device takes longer
 * @window: bytes that are read ahead while others are used; 0: each operation waits for its own
 */
void calibrate_rate_begin(struct calibrate_rate *r, double warm_up_s, double count_s,
			  double window);

/* Takes in an operation that took @took_s and brought @bytes. True: that is enough. */
bool calibrate_rate_add(struct calibrate_rate *r, double took_s, double bytes);

/*
 * calibrate_rate_of - bytes per second after the warm-up, over whole periods of a device that
 * delivers in bursts; 0 if nothing came
 */
double calibrate_rate_of(const struct calibrate_rate *r);

/* --- measuring -------------------------------------------------------------------------------- */

/* The device's value while it has one under test, for whoever is to put it back. */
struct calibrate_lent {
	unsigned int own_kb, lent_kb;
	int active; /* set last, cleared last */
};

/*
 * calibrate_take_back - give the device its own value back, if it has the one under test
 * @ra_fd: its read_ahead_kb, O_RDWR
 * Anything else is somebody's, and stays. 0 or -errno.
 */
int calibrate_take_back(int ra_fd, struct calibrate_lent *lent);

struct calibrate_plan {
	int directory;            /* descriptor of where the files go */
	int ra_fd;                /* read_ahead_kb of the bdi, O_RDWR */
	int signals;              /* readable: give up */
	double seconds;           /* bound on the whole */
	unsigned long long bytes; /* bound on the files' size */
	unsigned int original_kb; /* the administrator's value; 0 unknown */
	const char *disk_stat;    /* the disk's `stat` in sysfs, for amplification; NULL: none */
	/* Shared with a process that outlives this one should it be killed. */
	struct calibrate_lent *lent;
	/* Told before each figure: what is done, share of the whole that is done, seconds left. */
	void (*progress)(const char *what, double share, double left, void *arg);
	void *arg;
};

struct calibrate_fault {
	char text[200];
};

#define CALIBRATE_FILE_LEAST (64ULL << 20)
/* What --bytes takes at least: a 16th of it goes into small files. */
#define CALIBRATE_BYTES_LEAST (69ULL << 20)
_Static_assert(CALIBRATE_BYTES_LEAST - CALIBRATE_BYTES_LEAST / 16 >= CALIBRATE_FILE_LEAST,
	       "a 16th");

/*
 * calibrate_measure - make files, read them at each readahead, remove them
 * @file_bytes: what the large file came to
 *
 * The device's own value is changed for the moment in which the files take it over, and put back at
 * once; signals must be blocked. Returns 0, -EINTR (a signal), -ENOSPC, or another -errno with
 * @why.
 */
int calibrate_measure(const struct calibrate_plan *plan, struct calibrate_result *r,
		      unsigned long long *file_bytes, struct calibrate_fault *why);

#endif
