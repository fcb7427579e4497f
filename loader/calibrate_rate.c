// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rate of a device that delivers in bursts. Pure: no device, no clock.
 *
 * A limit on bytes or reads a second is kept on average only. blk-throttle
 * grants what a slice of 100 ms allows at the slice's begin (two slices' worth
 * after a pause) and nothing until the next, and so do disks in clouds: 12.5 MB
 * at once every 100 ms, at 125 MB/s. A cell of 160 ms saw one or two such
 * bursts, 80 or 160 MB/s, and always the same number of them, since it began
 * with the first. So a rate is counted from the end of one long wait to the end
 * of another: whole periods, whatever their length.
 *
 * Windows of 4 MB and slices of as much are out of step: of what has come by the
 * end of a wait, up to a window is not used yet. Over two or three windows a scan
 * of 40 MB/s was counted as one of 46, or of 30; over six it is 39 to 42.
 */
#include "calibrate.h"

#define PAUSE_LEAST_S 0.005 /* shorter waits are of no limit, or do no harm */
#define PAUSE_SHARE 0.5     /* of the second longest, or more: as long */
#define PAUSED_LEAST 0.3    /* of the time: the device delivers in bursts */
#define COUNTED_LEAST 0.4   /* of the time asked for, between two pauses */
#define COUNTED_SHARE 0.33  /* and of the time it took: what follows a hiccup alone is a burst */
#define BEYOND_MOST_S 0.15  /* for the end of a pause */
#define OPERATIONS_LEAST 8  /* a place alone may take some reads more or fewer */
#define WINDOWS_WARM 2      /* one is read ahead while another is used */
#define WINDOWS_LEAST 6     /* counted: the first and the last are known but to a part */
#define SLOW_TIMES 3        /* but no more than so many times the time, for either */

void calibrate_rate_begin(struct calibrate_rate *r, double warm_up_s, double count_s, double window)
{
	*r = (struct calibrate_rate){.warm_up_s = warm_up_s, .count_s = count_s, .window = window};
}

/* What was granted before, and read ahead, is used up. */
static bool is_warm(const struct calibrate_rate *r)
{
	return r->at_s >= r->warm_up_s &&
	       (r->bytes >= WINDOWS_WARM * r->window || r->at_s >= SLOW_TIMES * r->warm_up_s);
}

static bool is_much(const struct calibrate_rate *r)
{
	return r->operations >= OPERATIONS_LEAST &&
	       r->bytes - r->warm_bytes >= WINDOWS_LEAST * r->window;
}

/* A single hiccup of a CPU may be the longest. */
static double long_pause(const struct calibrate_rate *r)
{
	double least = PAUSE_SHARE * r->second;

	return least > PAUSE_LEAST_S ? least : PAUSE_LEAST_S;
}

bool calibrate_rate_add(struct calibrate_rate *r, double took_s, double bytes)
{
	double counted;

	r->at_s += took_s;
	r->bytes += bytes;
	if (!r->warm) {
		r->warm = is_warm(r);
		r->warm_at_s = r->at_s;
		r->warm_bytes = r->bytes;
	} else {
		r->operations++;
	}
	if (took_s > r->longest) {
		r->second = r->longest;
		r->longest = took_s;
	} else if (took_s > r->second) {
		r->second = took_s;
	}
	if (took_s >= PAUSE_LEAST_S && r->nr_pauses < CALIBRATE_PAUSES_MAX)
		r->pause[r->nr_pauses++] = (struct calibrate_pause){
			.end_s = r->at_s, .took_s = took_s, .bytes = r->bytes};
	/* The first wait that ends after the warm-up may be up to a period later. */
	counted = r->at_s - r->warm_at_s;
	if (!r->warm || counted < r->count_s || (!is_much(r) && counted < SLOW_TIMES * r->count_s))
		return false;
	return r->second < PAUSE_LEAST_S || took_s >= long_pause(r) ||
	       counted >= (is_much(r) ? 1 : SLOW_TIMES) * r->count_s + BEYOND_MOST_S;
}

double calibrate_rate_of(const struct calibrate_rate *r)
{
	const struct calibrate_pause *first = NULL, *last = NULL;
	double paused = 0, counted, all = r->at_s - r->warm_at_s;
	unsigned int i;

	for (i = 0; i < r->nr_pauses; i++) {
		if (r->pause[i].end_s < r->warm_at_s || r->pause[i].took_s < long_pause(r))
			continue;
		last = &r->pause[i];
		if (first)
			paused += last->took_s;
		else
			first = last;
	}
	counted = first && last ? last->end_s - first->end_s : 0;
	if (first && last && counted >= COUNTED_LEAST * r->count_s &&
	    counted >= COUNTED_SHARE * all && paused >= PAUSED_LEAST * counted)
		return (last->bytes - first->bytes) / counted;
	return all > 0 ? (r->bytes - r->warm_bytes) / all : 0;
}
