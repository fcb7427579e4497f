// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../loader/defaults.h"
#include "../loader/names.h"
#include "cost.h"

#define SETTINGS_MAX 64
#define KERNEL_DEFAULT_KB 128 /* VM_READAHEAD_PAGES of the kernel's mm.h */

struct workload {
	const char *name;
	uint8_t label;
	double log_share[SETTINGS_MAX]; /* ln R; NAN: not measured */
	double sum[SETTINGS_MAX];       /* of ln T over repeats */
	unsigned int nr[SETTINGS_MAX];
	double log_answered; /* sum over its windows */
	size_t nr_windows;
};

struct sweep {
	const char *profile;
	size_t profile_length;
	uint32_t setting[SETTINGS_MAX]; /* KB, ascending */
	unsigned int nr_settings;
	struct workload *workload;
	uint32_t nr_workloads;
	uint32_t incomplete; /* workloads left out: not measured at every setting */
};

static bool in_profile(const struct sweep *s, const struct run_metadata *run)
{
	const char *profile = run->field[METADATA_PROFILE];

	return strlen(profile) == s->profile_length &&
	       !memcmp(profile, s->profile, s->profile_length);
}

/* Does the run say what readahead does to throughput? */
static bool measures(const struct run_metadata *run)
{
	return !run->direct && run->throughput > 0.0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int find_settings(struct sweep *s, const struct metadata *m, struct fault *why)
{
	unsigned int k;
	size_t i;

	for (i = 0; i < m->nr_runs; i++) {
		if (!in_profile(s, &m->run[i]) || !measures(&m->run[i]))
			continue;
		for (k = 0; k < s->nr_settings; k++)
			if (s->setting[k] == m->run[i].ra_kb)
				break;
		if (k < s->nr_settings)
			continue;
		if (k == SETTINGS_MAX)
			return fault_set(why, EINVAL, "profile %.*s has more than %d settings",
					 (int)s->profile_length, s->profile, SETTINGS_MAX);
		s->setting[s->nr_settings++] = m->run[i].ra_kb;
	}
	qsort(s->setting, s->nr_settings, sizeof(s->setting[0]), by_number);
	return 0;
}

static unsigned int setting_index(const struct sweep *s, uint32_t kb)
{
	unsigned int k;

	for (k = 0; k < s->nr_settings; k++)
		if (s->setting[k] == kb)
			break;
	return k;
}

static struct workload *find_workload(const struct sweep *s, const char *name, size_t length)
{
	uint32_t i;

	for (i = 0; i < s->nr_workloads; i++) {
		const char *own = s->workload[i].name;

		if (own && strlen(own) == length && !memcmp(own, name, length))
			return &s->workload[i];
	}
	return NULL;
}

static int fill_sweep(struct sweep *s, const struct metadata *m, struct fault *why)
{
	unsigned int k;
	uint32_t w;
	size_t i;
	int ret;

	ret = find_settings(s, m, why);
	if (ret)
		return ret;
	s->workload = calloc(m->nr_runs + 1, sizeof(*s->workload));
	if (!s->workload) {
		fault_set(why, ENOMEM, "out of memory");
		return -ENOMEM;
	}
	for (i = 0; i < m->nr_runs; i++) {
		const struct run_metadata *run = &m->run[i];
		const char *name = run->field[METADATA_WORKLOAD];
		struct workload *workload;

		if (!in_profile(s, run) || !measures(run))
			continue;
		workload = find_workload(s, name, strlen(name));
		if (!workload) {
			workload = &s->workload[s->nr_workloads++];
			workload->name = name;
			workload->label = run->label;
		}
		if (workload->label != run->label)
			return fault_set(why, EINVAL, "workload %.80s has two labels, %s and %s",
					 name, class_name(workload->label), class_name(run->label));
		k = setting_index(s, run->ra_kb);
		workload->sum[k] += log(run->throughput);
		workload->nr[k]++;
	}
	for (w = 0; w < s->nr_workloads; w++) {
		struct workload *workload = &s->workload[w];
		double best = -INFINITY;

		for (k = 0; k < s->nr_settings; k++) {
			workload->log_share[k] =
				workload->nr[k] ? workload->sum[k] / workload->nr[k] : NAN;
			best = fmax(best, workload->log_share[k]);
		}
		for (k = 0; k < s->nr_settings; k++)
			workload->log_share[k] -= best;
	}
	for (w = 0; w < s->nr_workloads;) {
		for (k = 0; k < s->nr_settings && s->workload[w].nr[k]; k++)
			;
		if (k == s->nr_settings) {
			w++;
			continue;
		}
		s->workload[w] = s->workload[--s->nr_workloads];
		s->incomplete++;
	}
	return 0;
}

/* Mean of ln R over the workloads that have windows, of one class or of all; NAN: one lacks it. */
static double mean_log_share(const struct sweep *s, unsigned int label, unsigned int setting)
{
	double sum = 0.0;
	uint32_t w, nr = 0;

	for (w = 0; w < s->nr_workloads; w++) {
		const struct workload *workload = &s->workload[w];

		if (!workload->nr_windows || (label != CLASS_NONE && workload->label != label))
			continue;
		sum += workload->log_share[setting];
		nr++;
	}
	return nr ? sum / nr : NAN;
}

/* Index of the setting that serves these workloads best; nr_settings: none. */
static unsigned int best_setting(const struct sweep *s, unsigned int label, double *mean)
{
	unsigned int k, best = s->nr_settings;

	*mean = -INFINITY;
	for (k = 0; k < s->nr_settings; k++) {
		double at = mean_log_share(s, label, k);

		if (at > *mean) {
			*mean = at;
			best = k;
		}
	}
	return best;
}

/* What the shipped policy makes of the kernel's default, by the nearest setting of the sweep. */
static unsigned int shipped_setting(const struct sweep *s, unsigned int class_id)
{
	static const struct {
		uint32_t kb;
		enum clamp clamp;
	} rows[CLASSES_MAX] = {
#define X(id, value, rule) [CLASS_##id] = {value, rule},
		DEFAULT_POLICY_LIST(X)
#undef X
	};
	unsigned int k, best = s->nr_settings;
	uint32_t kb = rows[class_id].kb;
	double least = INFINITY;

	if (!kb || (rows[class_id].clamp == CLAMP_NEVER_LOWER && kb < KERNEL_DEFAULT_KB) ||
	    (rows[class_id].clamp == CLAMP_NEVER_RAISE && kb > KERNEL_DEFAULT_KB))
		kb = KERNEL_DEFAULT_KB;
	for (k = 0; k < s->nr_settings; k++) {
		double away = s->setting[k] ? fabs(log((double)s->setting[k] / kb)) : INFINITY;

		if (away < least) {
			least = away;
			best = k;
		}
	}
	return best;
}

static struct workload *workload_of(const struct sweep *s, const char *run)
{
	const char *text;
	size_t length;

	run_field(run, RUN_PROFILE, &text, &length);
	if (length != s->profile_length || memcmp(text, s->profile, length) != 0)
		return NULL;
	run_field(run, RUN_WORKLOAD, &text, &length);
	return find_workload(s, text, length);
}

/* Geomean over workloads of what their windows get when each answer is given its class's setting.
 */
static double judge(const struct sweep *s, const struct dataset *d, const struct answer *answers,
		    struct workload *const *of_run, const unsigned int *setting_of, size_t *skipped)
{
	double sum = 0.0;
	uint32_t w, nr = 0;
	size_t i;

	for (w = 0; w < s->nr_workloads; w++) {
		s->workload[w].log_answered = 0.0;
		s->workload[w].nr_windows = 0;
	}
	*skipped = 0;
	for (i = 0; i < d->nr_rows; i++) {
		struct workload *workload = of_run[d->rows[i].run];
		unsigned int setting;

		if (!workload || answers[i].class_id == CLASS_NONE)
			continue;
		setting = setting_of[answers[i].class_id & (CLASSES_MAX - 1)];
		if (setting >= s->nr_settings || isnan(workload->log_share[setting])) {
			++*skipped;
			continue;
		}
		workload->log_answered += workload->log_share[setting];
		workload->nr_windows++;
	}
	for (w = 0; w < s->nr_workloads; w++) {
		if (!s->workload[w].nr_windows)
			continue;
		sum += s->workload[w].log_answered / (double)s->workload[w].nr_windows;
		nr++;
	}
	return nr ? exp(sum / nr) : NAN;
}

static void mark_workloads(const struct sweep *s, const struct dataset *d,
			   const struct answer *answers, struct workload *const *of_run,
			   struct profile_cost *cost)
{
	uint32_t w;
	size_t i;

	for (w = 0; w < s->nr_workloads; w++)
		s->workload[w].nr_windows = 0;
	for (i = 0; i < d->nr_rows; i++) {
		if (answers[i].class_id == CLASS_NONE || !of_run[d->rows[i].run])
			continue;
		of_run[d->rows[i].run]->nr_windows++;
		cost->nr_windows++;
	}
	for (w = 0; w < s->nr_workloads; w++)
		cost->nr_workloads += !!s->workload[w].nr_windows;
}

static int one_profile(struct sweep *s, const struct dataset *d, const struct answer *answers,
		       const struct metadata *m, struct profile_cost *cost, struct fault *why)
{
	unsigned int best[CLASSES_MAX], shipped[CLASSES_MAX], id, single;
	struct workload **of_run = calloc(d->nr_runs + 1, sizeof(struct workload *));
	double sum = 0.0, mean;
	size_t unused;
	uint32_t i, w;
	int ret;

	if (!of_run) {
		fault_set(why, ENOMEM, "out of memory");
		return -ENOMEM;
	}
	ret = fill_sweep(s, m, why);
	if (ret)
		goto out;
	cost->incomplete = s->incomplete;
	snprintf(cost->name, sizeof(cost->name), "%.*s", (int)s->profile_length, s->profile);
	for (i = 0; i < d->nr_runs; i++) {
		const struct run_metadata *run = metadata_find(m, d->runs[i], strlen(d->runs[i]));

		if (!run || !run->direct)
			of_run[i] = workload_of(s, d->runs[i]);
	}
	mark_workloads(s, d, answers, of_run, cost);
	if (!cost->nr_workloads)
		goto out;
	for (id = 0; id < CLASSES_MAX; id++) {
		best[id] = best_setting(s, id, &mean);
		shipped[id] = shipped_setting(s, id);
		cost->class_kb[id] = best[id] < s->nr_settings ? s->setting[best[id]] : 0;
		cost->class_share[id] = exp(mean);
		/* A class that no workload of this profile has: what is shipped for it. */
		if (best[id] == s->nr_settings)
			best[id] = shipped[id];
	}
	single = best_setting(s, CLASS_NONE, &mean);
	cost->single_kb = single < s->nr_settings ? s->setting[single] : 0;
	cost->single = single < s->nr_settings ? exp(mean) : NAN;
	single = setting_index(s, KERNEL_DEFAULT_KB);
	cost->original = single < s->nr_settings ? exp(mean_log_share(s, CLASS_NONE, single)) : NAN;
	for (w = 0; w < s->nr_workloads; w++) {
		const struct workload *workload = &s->workload[w];

		if (workload->nr_windows && best[workload->label] < s->nr_settings)
			sum += workload->log_share[best[workload->label]];
	}
	cost->truth = exp(sum / cost->nr_workloads);
	cost->shipped = judge(s, d, answers, of_run, shipped, &unused);
	cost->predicted = judge(s, d, answers, of_run, best, &cost->skipped);
out:
	free(of_run);
	free(s->workload);
	s->workload = NULL;
	return ret;
}

int cost_compute(const struct dataset *d, const struct answer *answers, const struct metadata *m,
		 struct costs *costs, struct fault *why)
{
	size_t i, k;
	int ret;

	memset(costs, 0, sizeof(*costs));
	costs->profile = calloc(m->nr_runs + 1, sizeof(*costs->profile));
	if (!costs->profile)
		return fault_set(why, ENOMEM, "out of memory");
	for (i = 0; i < m->nr_runs; i++) {
		const char *name = m->run[i].field[METADATA_PROFILE];
		struct profile_cost *cost = &costs->profile[costs->nr_profiles];
		struct sweep s = {.profile = name, .profile_length = strlen(name)};

		for (k = 0; k < i; k++)
			if (!strcmp(m->run[k].field[METADATA_PROFILE], name))
				break;
		if (k < i)
			continue;
		memset(cost, 0, sizeof(*cost));
		ret = one_profile(&s, d, answers, m, cost, why);
		if (ret)
			return ret;
		costs->nr_profiles += !!cost->nr_workloads;
	}
	if (!costs->nr_profiles)
		return fault_set(why, EINVAL,
				 "the metadata have no throughput of any workload "
				 "that was asked about");
	return 0;
}

/* A share with a blank before it, "-" where the sweep lacks it. */
static void print_share(FILE *out, int width, double share)
{
	if (isnan(share))
		fprintf(out, " %*s", width, "-");
	else
		fprintf(out, " %*.3f", width, share);
}

void cost_print(FILE *out, const struct costs *costs)
{
	uint32_t i;
	unsigned int id;

	fprintf(out,
		"throughput / best of each workload, geomean over workloads, when each window "
		"gets\nits class's best value:\n"
		"  %-10s %9s %9s %9s %9s %16s %16s %8s\n",
		"profile", "workloads", "windows", "predicted", "true", "best single (KB)",
		"shipped policy", "128 KB");
	for (i = 0; i < costs->nr_profiles; i++) {
		const struct profile_cost *c = &costs->profile[i];

		fprintf(out, "  %-10s %9u %9zu", c->name, c->nr_workloads, c->nr_windows);
		print_share(out, 9, c->predicted);
		print_share(out, 9, c->truth);
		print_share(out, 9, c->single);
		fprintf(out, " (%4u)", c->single_kb);
		print_share(out, 16, c->shipped);
		print_share(out, 8, c->original);
		fputc('\n', out);
	}
	for (i = 0; i < costs->nr_profiles; i++) {
		const struct profile_cost *c = &costs->profile[i];

		fprintf(out, "  %s:", c->name);
		for (id = 0; id < CLASSES_MAX; id++)
			if (c->class_kb[id])
				fprintf(out, " %s %u KB (%.3f)", class_name(id), c->class_kb[id],
					c->class_share[id]);
		fputc('\n', out);
		if (c->incomplete)
			fprintf(out, "  %s: %u workloads left out: not measured at every setting\n",
				c->name, c->incomplete);
		if (c->skipped)
			fprintf(out, "  %s: %zu windows left out: no value for their answer\n",
				c->name, c->skipped);
	}
}

static void add_number(cJSON *json, const char *name, double value)
{
	if (isnan(value))
		cJSON_AddNullToObject(json, name);
	else
		cJSON_AddNumberToObject(json, name, value);
}

cJSON *cost_json(const struct costs *costs)
{
	cJSON *json = cJSON_CreateObject();
	unsigned int id;
	uint32_t i;

	for (i = 0; i < costs->nr_profiles; i++) {
		const struct profile_cost *c = &costs->profile[i];
		cJSON *profile = cJSON_AddObjectToObject(json, c->name), *values;

		cJSON_AddNumberToObject(profile, "workloads", c->nr_workloads);
		cJSON_AddNumberToObject(profile, "windows", (double)c->nr_windows);
		cJSON_AddNumberToObject(profile, "workloads_left_out", c->incomplete);
		cJSON_AddNumberToObject(profile, "windows_left_out", (double)c->skipped);
		add_number(profile, "predicted", c->predicted);
		add_number(profile, "true", c->truth);
		add_number(profile, "single", c->single);
		cJSON_AddNumberToObject(profile, "single_kb", c->single_kb);
		add_number(profile, "shipped", c->shipped);
		add_number(profile, "kernel_default", c->original);
		values = cJSON_AddObjectToObject(profile, "class_kb");
		for (id = 0; id < CLASSES_MAX; id++)
			if (c->class_kb[id])
				cJSON_AddNumberToObject(values, class_name(id), c->class_kb[id]);
	}
	return json;
}

void cost_free(struct costs *costs)
{
	free(costs->profile);
	memset(costs, 0, sizeof(*costs));
}
