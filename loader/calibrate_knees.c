// SPDX-License-Identifier: GPL-2.0-only
/* From figures to a policy row. Pure: no file, no clock. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "defaults.h"
#include "host.h"

#define X(kb) kb,
unsigned int calibrate_ladder[CALIBRATE_VALUES] = {CALIBRATE_LADDER_LIST(X)};
#undef X

const struct calibrate_pattern_info calibrate_patterns[NR_CALIBRATE_PATTERNS] = {
#define X(id, pattern_name, run, read, words)       \
	[CALIBRATE_##id] = {.name = (pattern_name), \
			    .text = (words),        \
			    .run_bytes = (run),     \
			    .read_bytes = (read)},
	CALIBRATE_PATTERN_LIST(X)
#undef X
};

#define KNEE_SHARE 0.97     /* of the best rate is as good as the best */
#define MIXED_SHARE 0.95    /* beside others: they lose more by twice the value */
#define NOISE_LEAST 0.02    /* differences below this are no differences */
#define NOISE_MOST 0.10     /* however noisy the device: a tenth counts */
#define NOISE_USELESS 0.15  /* what is measured with more tells nothing */
#define LEAD_REPEATS 2      /* at least, where it is measured with more */
#define HARM_LEAST 0.10     /* of the rate, to go against the administrator's value */
#define HARM_NOISES 3       /* as many times the noise, if that is more */
#define FALLEN_BEHIND 0.5   /* of another's least rate, and twice: no accident */
#define FLAT_VALUES 3       /* neighbours within NOISE_LEAST: the curve is flat */
#define FALLEN_SHARE 0.4    /* of the best, twice in a row: it has fallen */
#define CONTENDER_LOSS 0.25 /* beside the best at most: noise could still hide the best here */
#define CONTENDER_NOISES 3  /* as many times the noise, if that is more */
#define CONTENDER_LOSS_MOST 0.6
#define SPREAD_UNKNOWN 0.05   /* of what was measured once */
#define PEAK_SPREAD 0.05      /* repeats of a peak that differ by more were bursts */
#define LIMIT_SPREAD 0.05     /* a scan is within that of a limit that it reaches */
#define LADDER_NEAR 0.5       /* of an octave: a value stands for another that is not measured */
#define AMPLIFICATION_SANE 2. /* a scan that reads more than that is none */

/*
 * Larger values make objects of 64 KB, too, look like single pages (loader/defaults.h). How long
 * that is not believed (bpf/decide.bpf.h) was weighed for values that pages can bear. Unless pages
 * lose nothing by more: what is hidden then costs little.
 */
#define OBJECTS_MOST_KB 64
#define SHARED_GAIN 1.1  /* of the objects' rate: less is not worth what pages read for nothing */
#define SHARED_LOSS 0.05 /* of the pages' rate at most */
#define PAGES_LOSS_MOST 0.05 /* however noisy: of the best rate for pages */
/*
 * A read-around of one page (4 KB) brings nothing that could tell an object from a page: at that
 * value an object reader would be taken for a page reader for ever.
 */
#define PAGES_LEAST_KB 16
/*
 * Beside a row's 16 KB, and random readers always have that, 32 are written as 28 (policy_kb()).
 * Cold objects lose nothing by it, but a hot set of 16 KB objects has 42 MB/s where 64 KB give it
 * 81: what lies before a fault ends in the middle of an object.
 */
#define OBJECTS_SPLIT_KB 32
#define FEW_PAGES 4         /* of which policy_kb() takes none */
#define SPARING_MOST_KB 512 /* a scan feels a page at 1024: SQLite (is_apart()) */
#define SCAN (1U << CALIBRATE_SCAN)
#define FILES (1U << CALIBRATE_FILES)
/*
 * Random readers beside a scan get 98 of 120 reads a second at 1024 KB, 88 at 128, and 48 at 4096:
 * the rest is what the scan takes from them.
 */
#define MIXED_MOST_KB 1024

/*
 * A limit of reads per second is shared with a scan by its reads: on a disk of 3,000 reads and
 * 125 MB a second the scan needs 16 % of them at 256 KB, and all together get 123 MB/s; at 512 KB
 * 8 %, and 125, the readers 1.6 times what they get at 2560.
 */
#define SCAN_READS_MOST 0.1

/*
 * Beyond some times its knee a scan gains nothing, but what comes at once, late, keeps a program
 * waiting that could have worked on the first of it: SQLite, which needs most of a CPU for the 125
 * MB/s of its disk, scans 250 to 267 thousand rows a second at 2560 KB and 274 at 128 to 1024.
 */
#define AMPLE_KNEES 3 /* the knee of one scan alone, and some more for what that does not show */
static const unsigned int ample_kb[] = {1024, 512}; /* in this order */

#define SHORT_RUNS (1U << CALIBRATE_RUN_64K)
#define LONG_RUNS (1U << CALIBRATE_RUN_256K | 1U << CALIBRATE_RUN_1M)
#define PAGES (1U << CALIBRATE_PAGE)
#define OBJECTS (1U << CALIBRATE_OBJECT_16K | 1U << CALIBRATE_OBJECT_64K)

static bool has_figure(const struct calibrate_cell *cell)
{
	return cell->repeats && cell->typical > 0;
}

void calibrate_ladder_include(unsigned int kb)
{
	unsigned int v, nearest = 1;

	for (v = 1; v < CALIBRATE_VALUES; v++)
		if (fabs(log2(calibrate_ladder[v]) - log2(kb)) <
		    fabs(log2(calibrate_ladder[nearest]) - log2(kb)))
			nearest = v;
	if (kb >= calibrate_ladder[1] && kb <= 2 * calibrate_ladder[CALIBRATE_VALUES - 1])
		calibrate_ladder[nearest] = kb;
}

void calibrate_add(struct calibrate_result *r, enum calibrate_pattern pattern, unsigned int value,
		   double bytes_per_s, double amplification)
{
	struct calibrate_cell *cell = &r->cell[pattern][value];

	if (cell->repeats == CALIBRATE_REPEATS_MAX || !isfinite(bytes_per_s) || bytes_per_s <= 0)
		return;
	/* The mean of all repeats: a count of bytes has hardly any noise. */
	cell->amplification =
		(cell->amplification * cell->repeats + amplification) / (cell->repeats + 1);
	cell->rate[cell->repeats++] = bytes_per_s;
	cell->gap = GAP_NONE;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts them, too. */
static double quantile_of(double *values, unsigned int n, double share)
{
	double at = share * (n - 1);
	unsigned int below = (unsigned int)at;

	qsort(values, n, sizeof(*values), by_size);
	if (below + 1 >= n)
		return values[n - 1];
	return values[below] + (at - below) * (values[below + 1] - values[below]);
}

static void summarise_cell(struct calibrate_cell *cell)
{
	double sorted[CALIBRATE_REPEATS_MAX];

	cell->typical = cell->spread = 0;
	if (!cell->repeats)
		return;
	memcpy(sorted, cell->rate, cell->repeats * sizeof(*sorted));
	/* Other users of the disk slow some of them down, a burst that a limit allows makes some
	 * fast. */
	cell->typical = quantile_of(sorted, cell->repeats, 0.5);
	if (cell->typical > 0)
		cell->spread = (sorted[cell->repeats - 1] - sorted[0]) / 2 / cell->typical;
}

/* Relative error of a typical rate: that of one of two is half their distance, more tell more. */
static double error_of(const struct calibrate_cell *cell)
{
	return cell->spread * sqrt(2.0 / cell->repeats);
}

void calibrate_summarise(struct calibrate_result *r)
{
	double errors[CALIBRATE_VALUES];
	unsigned int p, v, n;

	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++) {
		for (v = n = 0; v < CALIBRATE_VALUES; v++) {
			summarise_cell(&r->cell[p][v]);
			if (r->cell[p][v].repeats > 1)
				errors[n++] = error_of(&r->cell[p][v]);
		}
		r->noise[p] = n ? quantile_of(errors, n, 0.5) : 0;
	}
}

static double tolerance(double noise)
{
	return fmin(fmax(noise, NOISE_LEAST), NOISE_MOST);
}

static double best_rate(const struct calibrate_result *r, enum calibrate_pattern pattern)
{
	double best = 0;
	unsigned int v;

	for (v = 0; v < CALIBRATE_VALUES; v++)
		best = fmax(best, r->cell[pattern][v].typical);
	return best;
}

enum calibrate_gap calibrate_goes_on(const struct calibrate_result *r,
				     enum calibrate_pattern pattern, unsigned int value)
{
	const struct calibrate_cell *cell = r->cell[pattern];
	double best = best_rate(r, pattern), low = INFINITY, high = 0;
	unsigned int v, n = 0, fallen = 0;

	for (v = value + 1; v-- > 0 && n < FLAT_VALUES;) {
		if (!has_figure(&cell[v]))
			break;
		low = fmin(low, cell[v].typical);
		high = fmax(high, cell[v].typical);
		fallen += n < 2 && cell[v].typical < FALLEN_SHARE * best;
		n++;
	}
	if (fallen == 2)
		return GAP_FALLING;
	/* A scan gains by each value up to its knee and loses by none: what is flat stays flat. */
	if (pattern == CALIBRATE_SCAN && n == FLAT_VALUES && low >= (1 - NOISE_LEAST) * best &&
	    high - low <= NOISE_LEAST * high)
		return GAP_FLAT;
	return GAP_NONE;
}

unsigned int calibrate_default_kb(enum calibrate_pattern pattern)
{
	static const unsigned char class_of[NR_CALIBRATE_PATTERNS] = {
		[CALIBRATE_SCAN] = CLASS_SEQUENTIAL,    [CALIBRATE_RUN_64K] = CLASS_SHORT_RUNS,
		[CALIBRATE_PAGE] = CLASS_PAGES,         [CALIBRATE_QUEUED] = CLASS_PAGES,
		[CALIBRATE_RUN_256K] = CLASS_LONG_RUNS, [CALIBRATE_RUN_1M] = CLASS_LONG_RUNS,
		[CALIBRATE_OBJECT_16K] = CLASS_OBJECTS, [CALIBRATE_OBJECT_64K] = CLASS_OBJECTS,
		[CALIBRATE_FILES] = CLASS_SMALL_FILES,
	};
#define X(class, row_kb, rule) [CLASS_##class] = (row_kb),
	static const unsigned int default_kb[NR_CLASSES] = {DEFAULT_POLICY_LIST(X)};
#undef X

	return default_kb[class_of[pattern]];
}

bool calibrate_is_contender(const struct calibrate_result *r, enum calibrate_pattern pattern,
			    unsigned int value)
{
	double loss = fmin(fmax(CONTENDER_NOISES * r->noise[pattern], CONTENDER_LOSS),
			   CONTENDER_LOSS_MOST);

	/* One figure alone may be any number. */
	if (r->cell[pattern][value].repeats < 2)
		loss = CONTENDER_LOSS_MOST;

	return has_figure(&r->cell[pattern][value]) &&
	       r->cell[pattern][value].typical >= (1 - loss) * best_rate(r, pattern);
}

/* Relative: of the value's own repeats, and no less than what the pattern's others had. */
static double spread_of(const struct calibrate_result *r, enum calibrate_pattern pattern,
			unsigned int value)
{
	const struct calibrate_cell *cell = &r->cell[pattern][value];

	return fmax(cell->repeats > 1 ? cell->spread : SPREAD_UNKNOWN, r->noise[pattern]);
}

static bool is_on_curve(const struct calibrate_cell *cell)
{
	return has_figure(cell) && cell->amplification <= AMPLIFICATION_SANE;
}

/*
 * A scan gains by each value up to its knee and loses by none. So a rate that no other value has,
 * and that larger values deny, was a burst: it is worth no more than the best of theirs. One larger
 * value alone denies nothing that was seen alike twice: twice the largest request, 2560 KB for one,
 * may well be better than the last value.
 */
static double believable_rate(const struct calibrate_result *r, enum calibrate_pattern pattern,
			      unsigned int value)
{
	const struct calibrate_cell *cell = r->cell[pattern], *own = &cell[value];
	unsigned int v, enough = own->repeats > 1 && own->spread <= PEAK_SPREAD ? 2 : 1;
	double larger = 0;

	if (!is_on_curve(own))
		return 0;
	for (v = 0; v < CALIBRATE_VALUES; v++) {
		if (v == value || !is_on_curve(&cell[v]))
			continue;
		if (cell[v].typical >= own->typical * (1 - tolerance(r->noise[pattern])))
			return own->typical;
		/* What is not certain itself denies nothing. */
		if (v < value || cell[v].spread > NOISE_USELESS)
			continue;
		larger = fmax(larger, cell[v].typical);
		if (enough)
			enough--;
	}
	return enough ? own->typical : larger;
}

/* What is as good as the best, or what noise makes of it; 0: one point is no curve. */
static double enough_rate(const struct calibrate_result *r, enum calibrate_pattern pattern,
			  double share)
{
	double best = 0;
	unsigned int v, n = 0;

	for (v = 0; v < CALIBRATE_VALUES; v++) {
		best = fmax(best, believable_rate(r, pattern, v));
		n += is_on_curve(&r->cell[pattern][v]);
	}
	return n < 2 ? 0 : best * fmin(share, 1 - tolerance(r->noise[pattern]));
}

int calibrate_knee(const struct calibrate_result *r, enum calibrate_pattern pattern, double share)
{
	double enough = enough_rate(r, pattern, share);
	unsigned int v;

	for (v = 0; v < CALIBRATE_VALUES && enough > 0; v++)
		if (believable_rate(r, pattern, v) >= enough)
			return (int)v;
	return -1;
}

/* Geometric mean over the patterns, 0 where one of them has no figure. */
static double joint_rate(const struct calibrate_result *r, unsigned int patterns,
			 unsigned int value)
{
	double sum = 0;
	unsigned int p, n = 0;

	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++) {
		if (!(patterns & 1U << p))
			continue;
		if (!has_figure(&r->cell[p][value]))
			return 0;
		sum += log(r->cell[p][value].typical);
		n++;
	}
	return n ? exp(sum / n) : 0;
}

/* The largest noise of the patterns. */
static double noise_of(const struct calibrate_result *r, unsigned int patterns)
{
	double noise = 0;
	unsigned int p;

	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++)
		if (patterns & 1U << p)
			noise = fmax(noise, r->noise[p]);
	return noise;
}

/* Is one value faster than another, by more than noise and than the repeats of both differ? */
static bool leads(const struct calibrate_result *r, unsigned int patterns, int value, int over)
{
	double spread = 0, spread_over = 0, rate, rate_over;
	unsigned int p, n = 0;

	if (value < 0 || over < 0)
		return false;
	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++) {
		if (!(patterns & 1U << p))
			continue;
		spread += spread_of(r, p, (unsigned int)value);
		spread_over += spread_of(r, p, (unsigned int)over);
		n++;
	}
	rate = joint_rate(r, patterns, (unsigned int)value);
	rate_over = joint_rate(r, patterns, (unsigned int)over);
	return n && rate_over < rate * (1 - tolerance(noise_of(r, patterns))) &&
	       rate - rate_over > rate * spread / n + rate_over * spread_over / n;
}

static int best_without(const struct calibrate_result *r, unsigned int patterns,
			unsigned int least_kb, unsigned int most_kb, unsigned int without_kb)
{
	double rate[CALIBRATE_VALUES] = {0}, best = 0, noise = noise_of(r, patterns);
	unsigned int v, n = 0;

	for (v = 0; v < CALIBRATE_VALUES; v++) {
		if (calibrate_ladder[v] < least_kb || calibrate_ladder[v] > most_kb ||
		    calibrate_ladder[v] == without_kb)
			continue;
		rate[v] = joint_rate(r, patterns, v);
		best = fmax(best, rate[v]);
		n += rate[v] > 0;
	}
	if (n < 2)
		return -1;
	for (v = 0; v < CALIBRATE_VALUES; v++)
		if (rate[v] > 0 && rate[v] >= best * (1 - tolerance(noise)))
			return (int)v;
	return -1;
}

int calibrate_best(const struct calibrate_result *r, unsigned int patterns, unsigned int least_kb,
		   unsigned int most_kb)
{
	return best_without(r, patterns, least_kb, most_kb, 0);
}

/* --- classes ---------------------------------------------------------------------------------- */

/* The value of the ladder that is nearest to @kb, of those with a figure; -1 if there is none. */
static int value_near(const struct calibrate_result *r, unsigned int patterns, unsigned int kb)
{
	double nearest = INFINITY;
	int value = -1;
	unsigned int v;

	for (v = 0; v < CALIBRATE_VALUES; v++) {
		double distance = fabs(log2(calibrate_ladder[v]) - log2(kb));

		if (joint_rate(r, patterns, v) > 0 && distance < nearest) {
			nearest = distance;
			value = (int)v;
		}
	}
	return value;
}

/*
 * Had it less than half of the least that the other had, and more than once? Its other repeats may
 * have been fast: what large windows find free at once is not always the same.
 */
static bool falls_behind(const struct calibrate_cell *cell, const struct calibrate_cell *other)
{
	unsigned int i, n = 0;
	double least = INFINITY;

	if (other->repeats < 2)
		return false;
	for (i = 0; i < other->repeats; i++)
		least = fmin(least, other->rate[i]);
	for (i = 0; i < cell->repeats; i++)
		n += cell->rate[i] < FALLEN_BEHIND * least;
	return n > 1;
}

/*
 * Is the administrator's value far slower than the one that was chosen? A clamp goes by that, and
 * with it what the value was set for, which may be none of our patterns (a mapping that is read
 * backwards has no readahead but what is read around, 2560 KB of it): only what is certain will do.
 */
static bool original_harms(const struct calibrate_result *r, enum calibrate_pattern pattern,
			   unsigned int kb, unsigned int original_kb)
{
	int chosen = value_near(r, 1U << pattern, kb), original;
	double share = 1 - fmax(HARM_LEAST, HARM_NOISES * r->noise[pattern]), rate;

	if (!original_kb || chosen < 0)
		return false;
	original = value_near(r, 1U << pattern, original_kb);
	/* Once, it may be anything: a first scan at 2560 KB had 1.6 GB/s where others had 5. */
	if (r->cell[pattern][original].repeats < 2)
		return false;
	if (falls_behind(&r->cell[pattern][original], &r->cell[pattern][chosen]))
		return true;
	/* By what is believed of a scan; elsewhere larger values may well be slower. */
	rate = pattern == CALIBRATE_SCAN || pattern == CALIBRATE_FILES ?
		       believable_rate(r, pattern, (unsigned int)chosen) :
		       r->cell[pattern][chosen].typical;
	return r->cell[pattern][original].typical < share * rate &&
	       leads(r, 1U << pattern, chosen, original);
}

/*
 * The value that the default row has, as far as it was measured, unless @value is faster than that
 * by more than both differ among themselves.
 */
static int unless_certain(const struct calibrate_result *r, unsigned int patterns, int value,
			  unsigned int default_kb)
{
	int standard = value_near(r, patterns, default_kb);

	if (value < 0 || standard < 0 ||
	    fabs(log2(calibrate_ladder[standard]) - log2(default_kb)) > LADDER_NEAR)
		return value;
	return leads(r, patterns, value, standard) ? value : standard;
}

/* A knee below the default is no lead, but as good with less. */
static int certain_knee(const struct calibrate_result *r, enum calibrate_pattern pattern,
			double share, unsigned int default_kb)
{
	int knee = calibrate_knee(r, pattern, share);

	return knee < 0 || calibrate_ladder[knee] <= default_kb ?
		       knee :
		       unless_certain(r, 1U << pattern, knee, default_kb);
}

/*
 * Noise that tells nothing of a few percent does not hide a factor: is @value ahead of the default
 * by more than the repeats of both differ, twice each at least? A disk like memory has runs at 64
 * KB at half of their rate at 512, with noise of 25 %.
 */
static bool leads_in_noise(const struct calibrate_result *r, unsigned int patterns, int value,
			   unsigned int default_kb)
{
	int standard = value_near(r, patterns, default_kb);
	unsigned int p;

	if (standard < 0 || fabs(log2(calibrate_ladder[standard]) - log2(default_kb)) > LADDER_NEAR)
		return false;
	for (p = 0; p < NR_CALIBRATE_PATTERNS; p++)
		if (patterns & 1U << p && (r->cell[p][value].repeats < LEAD_REPEATS ||
					   r->cell[p][standard].repeats < LEAD_REPEATS))
			return false;
	return leads(r, patterns, value, standard);
}

static void choose(struct calibrate_choice *choice, const struct calibrate_result *r,
		   unsigned int patterns, int value, const char *why)
{
	double noise = noise_of(r, patterns);

	if (value < 0)
		return;
	if (noise > NOISE_USELESS && !leads_in_noise(r, patterns, value, choice->kb)) {
		snprintf(choice->why, sizeof(choice->why),
			 "the default: noise of %.0f %% tells nothing; repeat when it is quieter",
			 noise * 100);
		return;
	}
	choice->measured = true;
	choice->kb = calibrate_ladder[value];
	snprintf(choice->why, sizeof(choice->why), "%s", why);
}

static int best_for_runs(const struct calibrate_result *r, unsigned int patterns,
			 unsigned int default_kb)
{
	return unless_certain(r, patterns,
			      calibrate_best(r, patterns, PAGES_LEAST_KB, RA_KB_HARD_MAX),
			      default_kb);
}

/* Its own value, not the original that its clamp keeps. */
static bool in_force(const struct calibrate_choice *c, unsigned int original_kb)
{
	return !original_kb || !((c->clamp == CLAMP_NEVER_LOWER && c->kb < original_kb) ||
				 (c->clamp == CLAMP_NEVER_RAISE && c->kb > original_kb));
}

/* The default rule bends a measured number only where the original does no harm. */
static void choose_clamp(struct calibrate_choice *choice, const struct calibrate_result *r,
			 enum calibrate_pattern pattern, unsigned int original_kb)
{
	size_t used = strlen(choice->why);

	if (!choice->measured || in_force(choice, original_kb) ||
	    !original_harms(r, pattern, choice->kb, original_kb))
		return;
	choice->clamp = CLAMP_NONE;
	snprintf(choice->why + used, sizeof(choice->why) - used, "; the original %u KB costs",
		 original_kb);
}

/*
 * Is a scan certainly no faster above @kb? A rule that lowers the administrator's value without a
 * gain of its own goes by a quiet curve only, which was measured to its end, and twice there.
 */
static bool is_ample(const struct calibrate_result *r, unsigned int knee_kb, unsigned int kb)
{
	const struct calibrate_cell *cell = r->cell[CALIBRATE_SCAN];
	double below = 0, above = 0;
	unsigned int v;

	if (AMPLE_KNEES * knee_kb > kb || r->noise[CALIBRATE_SCAN] > NOISE_LEAST)
		return false;
	for (v = 0; v < CALIBRATE_VALUES; v++) {
		if (!has_figure(&cell[v]) || calibrate_ladder[v] < knee_kb)
			continue;
		if (cell[v].repeats < 2 || cell[v].spread > PEAK_SPREAD)
			return false;
		if (calibrate_ladder[v] > kb)
			above = fmax(above, cell[v].typical);
		else
			below = fmax(below, believable_rate(r, CALIBRATE_SCAN, v));
	}
	return above > 0 && above <= below * (1 + NOISE_LEAST);
}

/* Nothing is read by it, and twice of it is as good: give_way(). */
static bool may_give_way(const struct calibrate_choice *choice, unsigned int original_kb)
{
	return choice->measured && choice->clamp == CLAMP_NEVER_LOWER &&
	       2 * choice->kb <= original_kb;
}

/*
 * Of a value and its half, both in the row or one of them the original, one loses a page
 * (policy_kb()), and that costs: SQLite 245 thousand rows a second at 1020 KB, 273 at 1024.
 */
static bool is_apart(const struct calibrate_choice choice[NR_CLASSES], unsigned int ignored,
		     unsigned int kb, unsigned int original_kb)
{
	unsigned int id;

	for (id = 0; id < NR_CLASSES; id++)
		if (!(ignored & 1U << id) && !may_give_way(&choice[id], original_kb) &&
		    (choice[id].kb == kb / 2 || choice[id].kb == 2 * kb))
			return false;
	return original_kb != kb / 2 && original_kb != 2 * kb;
}

/*
 * Below an original that costs: the largest value as good as the best, since what the original was
 * set for may be none of our patterns; or half of it, where that one is apart from the others.
 * After the others, therefore.
 */
static void choose_below(const struct calibrate_result *r, enum calibrate_pattern pattern,
			 unsigned int original_kb, struct calibrate_choice choice[NR_CLASSES],
			 unsigned int id)
{
	/* These follow each other. */
	static const unsigned int ignored =
		1U << CLASS_SEQUENTIAL | 1U << CLASS_MIXED | 1U << CLASS_SMALL_FILES;
	double enough = enough_rate(r, pattern, KNEE_SHARE);
	int nearest = -1;
	struct calibrate_choice *c = &choice[id];
	unsigned int v;

	if (!c->measured || c->clamp != CLAMP_NONE)
		return;
	for (v = CALIBRATE_VALUES; v-- > 0;) {
		if (calibrate_ladder[v] >= original_kb || calibrate_ladder[v] <= c->kb ||
		    believable_rate(r, pattern, v) < enough ||
		    !original_harms(r, pattern, calibrate_ladder[v], original_kb))
			continue;
		if (nearest < 0)
			nearest = (int)v;
		if (is_apart(choice, ignored, calibrate_ladder[v], original_kb) &&
		    2 * calibrate_ladder[v] >= calibrate_ladder[nearest]) {
			nearest = (int)v;
			break;
		}
	}
	if (nearest < 0)
		return;
	c->kb = calibrate_ladder[nearest];
	snprintf(c->why, sizeof(c->why), "as good as the best; the original %u KB costs",
		 original_kb);
}

static bool is_twice_one_in_force(const struct calibrate_choice choice[NR_CLASSES], unsigned int kb,
				  unsigned int original_kb)
{
	unsigned int id;

	for (id = 0; id < NR_CLASSES; id++)
		if (choice[id].measured && 2 * choice[id].kb == kb &&
		    in_force(&choice[id], original_kb))
			return true;
	return false;
}

/*
 * A value that is not in force does nothing but take a page off its half (policy_kb()), which
 * others may have in force.
 */
static void give_way(unsigned int original_kb, struct calibrate_choice choice[NR_CLASSES])
{
	unsigned int id;

	for (id = 0; id < NR_CLASSES; id++)
		while (may_give_way(&choice[id], original_kb) &&
		       is_twice_one_in_force(choice, choice[id].kb, original_kb))
			choice[id].kb *= 2;
}

/* After the others: theirs are what has to be kept apart from. */
static void choose_ample(const struct calibrate_result *r, unsigned int original_kb,
			 struct calibrate_choice choice[NR_CLASSES])
{
	struct calibrate_choice *sequential = &choice[CLASS_SEQUENTIAL];
	unsigned int i, kb;

	if (!sequential->measured || sequential->clamp != CLAMP_NEVER_LOWER)
		return;
	for (i = 0; i < sizeof(ample_kb) / sizeof(ample_kb[0]); i++) {
		kb = ample_kb[i];
		if (original_kb <= kb || !is_ample(r, sequential->kb, kb) ||
		    !is_apart(choice, 0, kb, original_kb))
			continue;
		sequential->kb = kb;
		sequential->clamp = CLAMP_NONE;
		snprintf(sequential->why, sizeof(sequential->why),
			 "well above the knee of the scan, which is no faster at %u KB",
			 original_kb);
		return;
	}
}

/*
 * Who waits for each page has no more of them than 32 who do not wait: what is above that was a
 * burst of the limit (4,000 a second at 32 KB, twice, where the disk allows 3,000). Unless the 32
 * have less than one by one at 4 KB: then something is wrong with theirs.
 */
static double page_rate(const struct calibrate_result *r, unsigned int value)
{
	double rate = joint_rate(r, PAGES, value), queued = best_rate(r, CALIBRATE_QUEUED);
	bool known = queued > 0 && r->noise[CALIBRATE_QUEUED] <= NOISE_USELESS &&
		     queued >= (1 - NOISE_USELESS) * r->cell[CALIBRATE_PAGE][0].typical;

	return known ? fmin(rate, queued) : rate;
}

/*
 * Pages. What cold random pages are read at tells nothing of hot ones: every byte around a page
 * takes the place of one that was in use, so a hot set that just fits in memory has 0.75 of its
 * rate at 256 KB, where cold pages lose nothing on a hard disk. And after something else has taken
 * the memory, the set is back four times as soon at 64 KB as at 16. So the largest value up to that
 * of objects which pages bear, but nothing between: 32 KB hides objects as 16 does, and costs a hot
 * set twice the bytes, which a lead of a few percent is not worth.
 */
static int best_for_pages(const struct calibrate_result *r)
{
	double loss = PAGES_LOSS_MOST, best = 0;
	unsigned int v, n = 0;
	int least = -1;

	for (v = 0; v < CALIBRATE_VALUES; v++) {
		if (calibrate_ladder[v] < PAGES_LEAST_KB)
			continue;
		best = fmax(best, page_rate(r, v));
		n += page_rate(r, v) > 0;
	}
	if (n < 2)
		return -1;
	if (r->noise[CALIBRATE_PAGE] > 0) /* else measured once each, and nothing is known of it */
		loss = fmin(tolerance(r->noise[CALIBRATE_PAGE]), loss);
	for (v = CALIBRATE_VALUES; v-- > 0;) {
		double unsure = fmin(r->cell[CALIBRATE_PAGE][v].spread, NOISE_MOST);

		if (calibrate_ladder[v] < PAGES_LEAST_KB || page_rate(r, v) <= 0 ||
		    page_rate(r, v) < best * (1 - fmax(PAGES_LOSS_MOST, unsure)))
			continue;
		if (calibrate_ladder[v] > OBJECTS_MOST_KB / 2 &&
		    calibrate_ladder[v] <= OBJECTS_MOST_KB && page_rate(r, v) >= best * (1 - loss))
			return (int)v;
		least = (int)v;
	}
	return least;
}

/*
 * Objects, from 64 KB on: @object, the best up to there, or where pages lose nothing by more (seeks
 * are what costs, on a hard disk) the least of the best of that, if it gains enough: a slow disk
 * has each value measured once, and twice the bytes take the place of twice as many hot ones.
 * Nothing is hidden for long then: an object reader that looks like one of pages at that value is
 * read at theirs meanwhile.
 */
static int best_for_objects(const struct calibrate_result *r, int object)
{
	double enough = (1 - fmax(SHARED_LOSS, tolerance(r->noise[CALIBRATE_PAGE]))) *
			best_rate(r, CALIBRATE_PAGE);
	double alike = 1 - fmax(SPREAD_UNKNOWN, tolerance(noise_of(r, OBJECTS))), best = 0, rate;
	int shared = -1;
	unsigned int v;

	for (v = (unsigned int)object; v < CALIBRATE_VALUES; v++)
		if (calibrate_ladder[v] != OBJECTS_SPLIT_KB && joint_rate(r, PAGES, v) >= enough)
			best = fmax(best, joint_rate(r, OBJECTS, v));
	for (v = (unsigned int)object; v < CALIBRATE_VALUES && shared < 0; v++) {
		rate = joint_rate(r, OBJECTS, v);
		if (rate > 0 && calibrate_ladder[v] != OBJECTS_SPLIT_KB &&
		    joint_rate(r, PAGES, v) >= enough && rate >= best * alike)
			shared = (int)v;
	}
	return shared > object && leads(r, OBJECTS, shared, object) &&
			       joint_rate(r, OBJECTS, (unsigned int)shared) >
				       SHARED_GAIN * joint_rate(r, OBJECTS, (unsigned int)object) ?
		       shared :
		       object;
}

static void choose_random(const struct calibrate_result *r, unsigned int original_kb,
			  struct calibrate_choice *pages, struct calibrate_choice *objects)
{
	int page = best_for_pages(r), shared;
	int object =
		unless_certain(r, OBJECTS,
			       best_without(r, OBJECTS, PAGES_LEAST_KB, OBJECTS_MOST_KB,
					    original_kb == OBJECTS_SPLIT_KB ? 0 : OBJECTS_SPLIT_KB),
			       objects->kb);

	choose(pages, r, PAGES, page, "best for pages: up to 64, from 16 that show objects");
	choose(objects, r, OBJECTS, object, "best for 16 and 64 KB, up to 64");
	if (pages->measured && objects->measured) {
		shared = best_for_objects(r, object);
		if (shared != object)
			choose(objects, r, OBJECTS, shared,
			       "best for 16 and 64 KB; pages lose nothing by it");
	}
	choose_clamp(objects, r, CALIBRATE_OBJECT_64K, original_kb);
	choose_clamp(pages, r, CALIBRATE_PAGE, original_kb);
}

/* What the disk can do: one reader has no more than its latency lets him have. 0: unknown. */
static double reads_per_s(const struct calibrate_result *r)
{
	double alone = best_rate(r, CALIBRATE_PAGE), queued = best_rate(r, CALIBRATE_QUEUED);
	enum calibrate_pattern pattern = queued > alone ? CALIBRATE_QUEUED : CALIBRATE_PAGE;

	if (r->noise[pattern] > NOISE_USELESS)
		return 0;
	return fmax(alone, queued) / calibrate_patterns[pattern].run_bytes;
}

/* The least value at which a scan takes no more of the reads than SCAN_READS_MOST; 0: unknown. */
static unsigned int sparing_kb(const struct calibrate_result *r, int knee)
{
	double reads = reads_per_s(r), kb;
	unsigned int v;

	if (knee < 0 || reads <= 0)
		return 0;
	kb = r->cell[CALIBRATE_SCAN][knee].typical / (SCAN_READS_MOST * reads) / 1024;
	for (v = 0; v + 1 < CALIBRATE_VALUES && calibrate_ladder[v] < kb;)
		v++;
	return calibrate_ladder[v];
}

/*
 * Does the curve show a limit of the device that a scan reaches, from @kb on? Then what the scan
 * asks for less at once is left for others. Without one it would only be slower: a disk like memory
 * has 6.7 GB/s for a scan beside random readers at 2560 KB, 3.8 at 512, and no more reads for them.
 */
static bool shows_limit(const struct calibrate_result *r, unsigned int kb)
{
	const struct calibrate_cell *cell = r->cell[CALIBRATE_SCAN];
	double enough = (1 - LIMIT_SPREAD) * best_rate(r, CALIBRATE_SCAN);
	unsigned int v;

	if (r->noise[CALIBRATE_SCAN] > LIMIT_SPREAD)
		return false;
	for (v = 0; v < CALIBRATE_VALUES; v++)
		if (calibrate_ladder[v] >= kb && has_figure(&cell[v]) && cell[v].typical < enough)
			return false;
	return true;
}

static void choose_mixed(const struct calibrate_result *r, unsigned int original_kb,
			 struct calibrate_choice *mixed)
{
	unsigned int standard_kb = mixed->kb, sparing, most_kb;
	int scan = certain_knee(r, CALIBRATE_SCAN, MIXED_SHARE, mixed->kb);

	choose(mixed, r, SCAN, scan, "knee of the scan, at 95 %");
	if (!mixed->measured)
		return;
	if (mixed->kb < standard_kb) {
		/* Beside other readers a scan is served in proportion to what it asks for at once.
		 */
		mixed->kb = standard_kb;
		snprintf(mixed->why, sizeof(mixed->why), "the default, above the knee of the scan");
	}
	sparing = sparing_kb(r, scan);
	if (mixed->kb < sparing) {
		mixed->kb = sparing;
		snprintf(mixed->why, sizeof(mixed->why),
			 "leaves nine tenths of the reads to those beside a scan");
	}
	most_kb = original_kb > MIXED_MOST_KB ? original_kb : MIXED_MOST_KB;
	if (mixed->kb > most_kb) {
		/* Beyond that the readers beside the scan would pay for what it gains. */
		mixed->kb = most_kb;
		snprintf(mixed->why, sizeof(mixed->why),
			 "no more than 1024 or the original, for those beside a scan");
	}
}

/* Not below what a scan alone is given, unless that leaves something to others. */
static void settle_mixed(const struct calibrate_result *r, unsigned int original_kb,
			 const struct calibrate_choice *sequential, struct calibrate_choice *mixed)
{
	bool harmed = sequential->clamp == CLAMP_NONE; /* by the original */
	unsigned int least_kb = harmed ? sequential->kb : original_kb;

	/* Where noise left the default, nothing is seen either. */
	if (enough_rate(r, CALIBRATE_SCAN, MIXED_SHARE) <= 0 || mixed->kb >= least_kb ||
	    shows_limit(r, mixed->kb))
		return;
	mixed->measured = true;
	mixed->kb = least_kb;
	snprintf(mixed->why, sizeof(mixed->why), "%s: no limit is seen that a scan would share",
		 harmed ? "as for a scan alone" : "the original");
}

/*
 * Of a value and its half, both in the row, the half loses a page (policy_kb()). Objects lie
 * aligned, and feel it: what is read around one of them cuts the first page off the one before,
 * which is then read again. So others go one value up from twice that of objects, where they lose
 * nothing, or else have a page less themselves: then it is no longer twice.
 */
static void make_way_for_objects(const struct calibrate_result *r,
				 const struct calibrate_choice *objects,
				 struct calibrate_choice *other, unsigned int patterns)
{
	double enough = 1 - tolerance(noise_of(r, patterns));
	unsigned int v;

	if (!objects->measured || !other->measured || other->kb != 2 * objects->kb)
		return;
	for (v = 0; v + 1 < CALIBRATE_VALUES; v++)
		if (calibrate_ladder[v] == other->kb &&
		    joint_rate(r, patterns, v + 1) >= enough * joint_rate(r, patterns, v)) {
			choose(other, r, patterns, (int)v + 1,
			       "as good as twice the value of objects");
			return;
		}
}

/* After all others. Beside the original objects lose a page whatever others have. */
static void spare_objects(struct calibrate_choice choice[NR_CLASSES], unsigned int original_kb)
{
	const struct calibrate_choice *objects = &choice[CLASS_OBJECTS];
	unsigned int id;

	if (!in_force(objects, original_kb) || objects->kb <= FEW_PAGES * page_kb() ||
	    original_kb == objects->kb || original_kb == 2 * objects->kb ||
	    2 * original_kb == objects->kb)
		return;
	for (id = 0; id < NR_CLASSES; id++) {
		struct calibrate_choice *c = &choice[id];
		size_t used = strlen(c->why);

		if (!c->measured || c->kb != 2 * objects->kb || c->kb > SPARING_MOST_KB)
			continue;
		c->kb -= page_kb();
		snprintf(c->why + used, sizeof(c->why) - used, "; less a page, for objects");
	}
}

bool calibrate_choose(const struct calibrate_result *r, unsigned int original_kb,
		      struct calibrate_choice choice[NR_CLASSES])
{
	struct calibrate_choice *small = &choice[CLASS_SMALL_FILES];
	int scan, files;
	bool any = false;
	unsigned int id;

	memset(choice, 0, NR_CLASSES * sizeof(*choice));
#define X(class, row_kb, rule)                             \
	choice[CLASS_##class] = (struct calibrate_choice){ \
		.kb = (row_kb), .clamp = (rule), .why = "not measured: the default"};
	DEFAULT_POLICY_LIST(X)
#undef X
	snprintf(choice[CLASS_RANDOM].why, sizeof(choice[CLASS_RANDOM].why),
		 "the default: readahead does nothing for it");
	choose(&choice[CLASS_SEQUENTIAL], r, SCAN,
	       certain_knee(r, CALIBRATE_SCAN, KNEE_SHARE, choice[CLASS_SEQUENTIAL].kb),
	       "knee of the scan");
	choose_clamp(&choice[CLASS_SEQUENTIAL], r, CALIBRATE_SCAN, original_kb);
	choose_mixed(r, original_kb, &choice[CLASS_MIXED]);
	scan = certain_knee(r, CALIBRATE_SCAN, KNEE_SHARE, small->kb);
	files = certain_knee(r, CALIBRATE_FILES, KNEE_SHARE, small->kb);
	/* A file of 1 MB is a scan with a begin, one of 64 KB a begin. */
	if (files > scan)
		choose(small, r, FILES, files, "knee of small files");
	else
		choose(small, r, SCAN, scan, "knee of the scan, not below that of small files");
	choose(&choice[CLASS_SHORT_RUNS], r, SHORT_RUNS,
	       best_for_runs(r, SHORT_RUNS, choice[CLASS_SHORT_RUNS].kb), "best for runs of 64 KB");
	choose(&choice[CLASS_LONG_RUNS], r, LONG_RUNS,
	       best_for_runs(r, LONG_RUNS, choice[CLASS_LONG_RUNS].kb),
	       "best for runs of 256 KB and 1 MB");
	choose_clamp(small, r, CALIBRATE_FILES, original_kb); /* no window of theirs is larger */
	choose_random(r, original_kb, &choice[CLASS_PAGES], &choice[CLASS_OBJECTS]);
	make_way_for_objects(r, &choice[CLASS_OBJECTS], &choice[CLASS_SHORT_RUNS], SHORT_RUNS);
	make_way_for_objects(r, &choice[CLASS_OBJECTS], &choice[CLASS_LONG_RUNS], LONG_RUNS);
	choose_below(r, CALIBRATE_SCAN, original_kb, choice, CLASS_SEQUENTIAL);
	choose_below(r, CALIBRATE_FILES, original_kb, choice, CLASS_SMALL_FILES);
	settle_mixed(r, original_kb, &choice[CLASS_SEQUENTIAL], &choice[CLASS_MIXED]);
	choose_ample(r, original_kb, choice);
	give_way(original_kb, choice);
	spare_objects(choice, original_kb);
	for (id = 0; id < NR_CLASSES; id++)
		any |= choice[id].measured;
	return any;
}
