// SPDX-License-Identifier: GPL-2.0-only
/* From figures to a policy row. Pure: no file, no clock. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calibrate.h"
#include "defaults.h"

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
#define HARM_LEAST 0.10     /* of the rate, to go against the administrator's value */
#define HARM_NOISES 3       /* as many times the noise, if that is more */
#define FLAT_VALUES 3       /* neighbours within NOISE_LEAST: the curve is flat */
#define FALLEN_SHARE 0.4    /* of the best, twice in a row: it has fallen */
#define CONTENDER_LOSS 0.25 /* beside the best at most: noise could still hide the best here */
#define CONTENDER_NOISES 3  /* as many times the noise, if that is more */
#define CONTENDER_LOSS_MOST 0.6
#define AMPLIFICATION_SANE 2. /* a scan that reads more than that is none */

/*
 * Larger values make objects of 64 KB, too, look like single pages (loader/defaults.h). How long
 * that is not believed (bpf/decide.bpf.h) was weighed for values that pages can bear. Unless both
 * have one value: nothing is hidden where nothing depends on the answer.
 */
#define OBJECTS_MOST_KB 64
#define SHARED_GAIN 1.1  /* of the objects' rate: less is not worth what pages read for nothing */
#define SHARED_LOSS 0.05 /* of the pages' rate at most */
/*
 * A read-around of one page (4 KB) brings nothing that could tell an object from a page: at that
 * value an object reader would be taken for a page reader for ever.
 */
#define PAGES_LEAST_KB 16
#define SCAN (1U << CALIBRATE_SCAN)
#define FILES (1U << CALIBRATE_FILES)
/*
 * Random readers beside a scan get 98 of 120 reads a second at 1024 KB, 88 at 128, and 48 at 4096:
 * the rest is what the scan takes from them.
 */
#define MIXED_MOST_KB 1024

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

int calibrate_knee(const struct calibrate_result *r, enum calibrate_pattern pattern, double share)
{
	const struct calibrate_cell *cell = r->cell[pattern];
	double best = 0, enough;
	unsigned int v, n = 0;

	for (v = 0; v < CALIBRATE_VALUES; v++) {
		if (!has_figure(&cell[v]) || cell[v].amplification > AMPLIFICATION_SANE)
			continue;
		best = fmax(best, cell[v].typical);
		n++;
	}
	if (n < 2)
		return -1; /* one point is no curve */
	enough = best * fmin(share, 1 - tolerance(r->noise[pattern]));
	for (v = 0; v < CALIBRATE_VALUES; v++)
		if (has_figure(&cell[v]) && cell[v].amplification <= AMPLIFICATION_SANE &&
		    cell[v].typical >= enough)
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

int calibrate_best(const struct calibrate_result *r, unsigned int patterns, unsigned int least_kb,
		   unsigned int most_kb)
{
	double rate[CALIBRATE_VALUES] = {0}, best = 0, noise = noise_of(r, patterns);
	unsigned int v, n = 0;

	for (v = 0; v < CALIBRATE_VALUES; v++) {
		if (calibrate_ladder[v] < least_kb || calibrate_ladder[v] > most_kb)
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

/* --- classes ---------------------------------------------------------------------------------- */

/* Rate at the value of the ladder that is nearest to @kb; 0 if there is none. */
static double rate_near(const struct calibrate_result *r, enum calibrate_pattern pattern,
			unsigned int kb)
{
	double nearest = INFINITY, rate = 0;
	unsigned int v;

	for (v = 0; v < CALIBRATE_VALUES; v++) {
		double distance = fabs(log2(calibrate_ladder[v]) - log2(kb));

		if (has_figure(&r->cell[pattern][v]) && distance < nearest) {
			nearest = distance;
			rate = r->cell[pattern][v].typical;
		}
	}
	return rate;
}

/* Is the administrator's value far slower than the one that was measured to be best? */
static bool original_harms(const struct calibrate_result *r, enum calibrate_pattern pattern,
			   unsigned int kb, unsigned int original_kb)
{
	double share = 1 - fmax(HARM_LEAST, HARM_NOISES * r->noise[pattern]);

	return original_kb &&
	       rate_near(r, pattern, original_kb) < share * rate_near(r, pattern, kb);
}

static void choose(struct calibrate_choice *choice, const struct calibrate_result *r,
		   unsigned int patterns, int value, const char *why)
{
	double noise = noise_of(r, patterns);

	if (value < 0)
		return;
	if (noise > NOISE_USELESS) {
		snprintf(choice->why, sizeof(choice->why),
			 "the default: noise of %.0f %% tells nothing; repeat when it is quieter",
			 noise * 100);
		return;
	}
	choice->measured = true;
	choice->kb = calibrate_ladder[value];
	snprintf(choice->why, sizeof(choice->why), "%s", why);
}

/* The best for runs; the default, where no difference from it was measured. */
static int best_for_runs(const struct calibrate_result *r, unsigned int patterns,
			 unsigned int default_kb)
{
	int best = calibrate_best(r, patterns, PAGES_LEAST_KB, RA_KB_HARD_MAX);
	unsigned int v;

	for (v = 0; best >= 0 && v < CALIBRATE_VALUES; v++)
		if (calibrate_ladder[v] == default_kb &&
		    joint_rate(r, patterns, v) >= joint_rate(r, patterns, (unsigned int)best) *
							  (1 - tolerance(noise_of(r, patterns))))
			return (int)v;
	return best;
}

/* The default rule bends a measured number only where the original does no harm. */
static void choose_clamp(struct calibrate_choice *choice, const struct calibrate_result *r,
			 enum calibrate_pattern pattern, unsigned int original_kb)
{
	bool bends =
		original_kb && ((choice->clamp == CLAMP_NEVER_LOWER && original_kb > choice->kb) ||
				(choice->clamp == CLAMP_NEVER_RAISE && original_kb < choice->kb));
	size_t used = strlen(choice->why);

	if (!choice->measured || !bends || !original_harms(r, pattern, choice->kb, original_kb))
		return;
	choice->clamp = CLAMP_NONE;
	snprintf(choice->why + used, sizeof(choice->why) - used, "; the original %u KB costs",
		 original_kb);
}

/*
 * Pages and objects. Where pages lose nothing by a larger value (seeks are what costs, on a hard
 * disk), both take the one that is best for objects: who hides then changes nothing.
 */
static void choose_random(const struct calibrate_result *r, unsigned int original_kb,
			  struct calibrate_choice *pages, struct calibrate_choice *objects)
{
	int page = calibrate_best(r, PAGES, PAGES_LEAST_KB, RA_KB_HARD_MAX);
	int object = calibrate_best(r, OBJECTS, PAGES_LEAST_KB, OBJECTS_MOST_KB);
	double enough, best = 0;
	int shared = -1;
	unsigned int v;

	choose(pages, r, PAGES, page, "best for pages, from 16 that show objects");
	choose(objects, r, OBJECTS, object, "best for 16 and 64 KB, up to 64");
	if (!pages->measured || !objects->measured) {
		choose_clamp(objects, r, CALIBRATE_OBJECT_64K, original_kb);
		choose_clamp(pages, r, CALIBRATE_PAGE, original_kb);
		return;
	}
	enough = (1 - fmax(SHARED_LOSS, tolerance(r->noise[CALIBRATE_PAGE]))) *
		 best_rate(r, CALIBRATE_PAGE);
	for (v = (unsigned int)page; v < CALIBRATE_VALUES; v++)
		if (joint_rate(r, PAGES, v) >= enough)
			best = fmax(best, joint_rate(r, OBJECTS, v));
	for (v = (unsigned int)page; v < CALIBRATE_VALUES && shared < 0; v++)
		if (best > 0 && joint_rate(r, PAGES, v) >= enough &&
		    joint_rate(r, OBJECTS, v) >= best * (1 - tolerance(noise_of(r, OBJECTS))))
			shared = (int)v;
	if (shared > object && joint_rate(r, OBJECTS, (unsigned int)shared) >
				       SHARED_GAIN * joint_rate(r, OBJECTS, (unsigned int)object)) {
		choose(objects, r, OBJECTS, shared,
		       "best for 16 and 64 KB; pages lose nothing by it");
		choose(pages, r, PAGES, shared, "that of objects: pages lose nothing by it");
		choose_clamp(objects, r, CALIBRATE_OBJECT_64K, original_kb);
		pages->clamp = objects->clamp;
		return;
	}
	choose_clamp(objects, r, CALIBRATE_OBJECT_64K, original_kb);
	choose_clamp(pages, r, CALIBRATE_PAGE, original_kb);
}

bool calibrate_choose(const struct calibrate_result *r, unsigned int original_kb,
		      struct calibrate_choice choice[NR_CLASSES])
{
	int scan = calibrate_knee(r, CALIBRATE_SCAN, KNEE_SHARE);
	int files = calibrate_knee(r, CALIBRATE_FILES, KNEE_SHARE);
	struct calibrate_choice *mixed = &choice[CLASS_MIXED];
	unsigned int standard_mixed, most_mixed;
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
	standard_mixed = mixed->kb;
	choose(&choice[CLASS_SEQUENTIAL], r, SCAN, scan, "knee of the scan");
	choose(mixed, r, SCAN, calibrate_knee(r, CALIBRATE_SCAN, MIXED_SHARE),
	       "knee of the scan, at 95 %");
	if (mixed->measured && mixed->kb < standard_mixed) {
		/* Beside other readers a scan is served in proportion to what it asks for at once.
		 */
		mixed->kb = standard_mixed;
		snprintf(mixed->why, sizeof(mixed->why), "the default, above the knee of the scan");
	}
	most_mixed = original_kb > MIXED_MOST_KB ? original_kb : MIXED_MOST_KB;
	if (mixed->measured && mixed->kb > most_mixed) {
		/* Beyond that the readers beside the scan would pay for what it gains. */
		mixed->kb = most_mixed;
		snprintf(mixed->why, sizeof(mixed->why),
			 "no more than 1024 or the original, for those beside a scan");
	}
	/* A file of 1 MB is a scan with a begin, one of 64 KB a begin. */
	if (files > scan)
		choose(&choice[CLASS_SMALL_FILES], r, FILES, files, "knee of small files");
	else
		choose(&choice[CLASS_SMALL_FILES], r, SCAN, scan,
		       "knee of the scan, not below that of small files");
	choose(&choice[CLASS_SHORT_RUNS], r, SHORT_RUNS,
	       best_for_runs(r, SHORT_RUNS, choice[CLASS_SHORT_RUNS].kb), "best for runs of 64 KB");
	choose(&choice[CLASS_LONG_RUNS], r, LONG_RUNS,
	       best_for_runs(r, LONG_RUNS, choice[CLASS_LONG_RUNS].kb),
	       "best for runs of 256 KB and 1 MB");
	choose_clamp(&choice[CLASS_SEQUENTIAL], r, CALIBRATE_SCAN, original_kb);
	choose_clamp(&choice[CLASS_SMALL_FILES], r, files > scan ? CALIBRATE_FILES : CALIBRATE_SCAN,
		     original_kb);
	choose_random(r, original_kb, &choice[CLASS_PAGES], &choice[CLASS_OBJECTS]);
	for (id = 0; id < NR_CLASSES; id++)
		any |= choice[id].measured;
	return any;
}
