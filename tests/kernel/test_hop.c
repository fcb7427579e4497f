// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a hop with made-up totals at made-up times: sums, windows, what
 * counts to a decision and what does not, and which events follow.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "made_up.h"
#include "bpf/mlp.h"
#include "loader/model_file.h"

#define SLOT 7
#define HOP (500 * MS)
#define START (1000000 * MS) /* far from 0: "never" must not look recent */

/* Classes 0 and 1 by the share of marker hits; rows of the policy for them. */
#define SEQUENTIAL_KB 508
#define RANDOM_KB 16
#define RA_KB 128

static struct config config;
static struct policy_row policy;
static struct bdi_state st;
static struct hop_args hop;
static __u64 id = 100;

static int setup(void **state)
{
	struct model model;

	(void)state;
	id++; /* another bdi: what the last test counted is not its own */
	config = (struct config){
		.abi_version = BPFAHEAD_ABI_VERSION,
		.mode = MODE_ACT,
		.hop_ns = HOP,
		.window_ns = 5 * HOP,
		.stretch_ns = 20 * HOP,
		.idle_ns = 5000 * MS,
		.dwell_ns = 10 * MS,
		.margin = LOGIT_ONE / 2,
		.confirm = 1,
		.min_calls = 8,
		.floor_kb = 4,
		.cap_kb = 8192,
	};
	set_config(&config);
	memset(&policy, 0, sizeof(policy));
	policy.ra_kb[0] = SEQUENTIAL_KB;
	policy.ra_kb[1] = RANDOM_KB;
	set_policy(DEFAULT_POLICY_ID, &policy);
	ratio_model(&model, SOURCE_READAHEAD, FEATURE_ASYNC_SHARE, 0, 1);
	write_model(&model);
	fresh_bdi(SLOT, id, "0:7");
	hop = (struct hop_args){.slot = SLOT, .now_ns = START, .ra_pages = RA_KB / 4};
	forget_events();
	end_hop(&hop); /* the first boundary */
	get_bdi(SLOT, &st);
	assert_int_equal(st.nr_hops, 1);
	assert_int_equal(st.stats.windows, 0);
	return 0;
}

static int teardown(void **state)
{
	__u32 shadow = MODEL_SHADOW;

	(void)state;
	set_applied(id, NULL);
	set_policy(id, NULL);
	bpf_map_delete_elem(made_up.models, &shadow);
	return 0;
}

/* Ends a hop `after` nanoseconds of so many marker hits and read-arounds. */
static void calls_for(__u64 after, __u64 async, __u64 around)
{
	__u64 add[COUNTERS_MAX] = {
		[COUNTER_ASYNC_CALLS] = async,
		[COUNTER_AROUND_CALLS] = around,
		[COUNTER_AROUND_STARTS] = around,
	};

	count_on(SLOT, hop.now_ns / HOP % made_up.cpus, id, add);
	hop.now_ns += after;
	end_hop(&hop);
	get_bdi(SLOT, &st);
	read_events();
}

static void calls(__u64 async, __u64 around)
{
	calls_for(HOP, async, around);
}

static void sequential(void)
{
	calls(100, 0);
}

static void random_reads(void)
{
	calls(0, 100);
}

static const struct event *last_event(void)
{
	assert_true(made_up.nr_events);
	return &made_up.event[made_up.nr_events - 1];
}

/* The helper's answer to the last event. */
static void answer(__u32 status, __u32 kb)
{
	struct applied a = {
		.decision_seq = last_event()->decision_seq,
		.status = status,
		.accepted_kb = kb,
		.original_kb = RA_KB,
	};

	set_applied(id, &a);
}

/* --- sums and windows ------------------------------------------------------------------------ */

/* Every feature of the sliding window, against the sum of the hops that lie in it. */
static void sums_slide(void **state)
{
	enum { HOPS = 20 };
	__u64 gained[HOPS][COUNTERS_MAX], add[COUNTERS_MAX];
	struct window w = {.ra_pages = RA_KB / 4};
	struct mlp_features wanted;
	unsigned int h, i, cpu, back, span;

	(void)state;
	for (h = 0; h < HOPS; h++) {
		memset(gained[h], 0, sizeof(gained[h]));
		for (cpu = 0; cpu < (unsigned int)made_up.cpus && cpu < 8; cpu++) {
			for (i = 0; i < NR_COUNTERS; i++) {
				/* Few marker hits: one class throughout, so that no window
				 * restarts. */
				add[i] = 10 +
					 random_below(i == COUNTER_ASYNC_CALLS ? 10000 : 1000000);
				gained[h][i] += add[i];
			}
			for (; i < COUNTERS_MAX; i++)
				add[i] = 0;
			count_on(SLOT, cpu, id, add);
		}
		hop.now_ns += HOP;
		end_hop(&hop);
		get_bdi(SLOT, &st);
		span = h + 1 < 5 ? h + 1 : 5;
		memset(w.delta, 0, sizeof(w.delta));
		for (back = 0; back < span; back++)
			for (i = 0; i < COUNTERS_MAX; i++)
				w.delta[i] += gained[h - back][i];
		w.span_ns = span * HOP;
		assert_int_equal(st.stats.restarts, 0);
		assert_int_equal(st.window_span_ns, w.span_ns);
		assert_int_equal(st.window_calls, window_readahead_calls(&w));
		features_compute(&w, &wanted);
		for (i = 0; i < FEATURES_MAX; i++)
			assert_int_equal(st.features[i], wanted.value[i]);
	}
	assert_int_equal(st.stats.windows, HOPS);
}

/* Totals in this slot that another bdi left behind are not this one's. */
static void other_owners_totals(void **state)
{
	const __u64 add[COUNTERS_MAX] = {[COUNTER_ASYNC_CALLS] = 1000000};

	(void)state;
	if (made_up.cpus < 2) {
		puts("# other_owners_totals: takes two CPUs, one for each owner");
		return;
	}
	calls(50, 0);
	count_on(SLOT, hop.now_ns / HOP % made_up.cpus ^ 1, id + 1000000, add);
	calls(50, 0);
	assert_int_equal(st.stats.negative, 0);
	assert_true(st.window_calls <= 100);
}

static void idle_spell_is_thrown_away(void **state)
{
	unsigned int h;

	(void)state;
	for (h = 0; h < 5; h++)
		sequential();
	assert_int_equal(st.decided_class, 0);
	/* Some more calls, then silence; the first event after it ends the hop as idle. */
	hop.idle = 1;
	calls_for(60000 * MS, 5000, 5000);
	hop.idle = 0;
	assert_int_equal(st.stats.idle, 1);
	assert_int_equal(st.stats.windows, 5);
	assert_int_equal(st.nr_hops, 1);
	assert_int_equal(st.confirm, 0);
	random_reads();
	assert_int_equal(st.window_calls, 100);
	assert_int_equal(st.window_span_ns, HOP);
	assert_int_equal(st.window_class, 1);
}

/* One burst, then writes or O_DIRECT reads alone: they end hops, but confirm nothing. */
static void silence_confirms_nothing(void **state)
{
	(void)state;
	config.confirm = 2;
	set_config(&config);
	sequential();
	assert_int_equal(st.confirm, 1);
	calls_for(5 * HOP, 0, 0);
	assert_int_equal(st.window_class, CLASS_NONE);
	assert_int_equal(st.confirm, 0);
	calls_for(5 * HOP, 0, 0);
	assert_int_equal(st.decided_class, CLASS_NONE);
	sequential();
	sequential();
	assert_int_equal(st.decided_class, 0);
}

/* A hop ends only at an event; the window reaches back no further than stretch all the same. */
static void window_is_no_longer_than_stretch(void **state)
{
	(void)state;
	calls_for(15 * HOP, 5, 5);
	calls_for(15 * HOP, 4, 5);
	assert_int_equal(st.window_span_ns, 15 * HOP);
	assert_int_equal(st.window_calls, 9);
}

/* A restart at a change of pattern leaves few calls: too few to answer for. */
static void restart_needs_calls_too(void **state)
{
	unsigned int h;

	(void)state;
	for (h = 0; h < 3; h++)
		calls(100, 0);
	config.min_calls = 300;
	set_config(&config);
	for (h = 0; h < 4; h++) {
		calls(0, 100);
		assert_true(st.window_class == CLASS_NONE || st.window_calls >= 300);
	}
}

static void negative_window_is_discarded(void **state)
{
	const __u64 lost[COUNTERS_MAX] = {[COUNTER_ASYNC_CALLS] = -1000ULL};
	__u64 windows;

	(void)state;
	sequential();
	sequential();
	windows = st.stats.windows;
	forget_events();
	count_on(SLOT, 0, id, lost);
	random_reads();
	assert_int_equal(st.stats.negative, 1);
	assert_int_equal(st.stats.windows, windows);
	assert_int_equal(st.decided_class, 0);
	assert_int_equal(st.nr_hops, 1);
	assert_int_equal(made_up.nr_events, 0);
	random_reads();
	assert_int_equal(st.stats.negative, 1);
	assert_int_equal(st.window_calls, 100);
	assert_int_equal(st.decided_class, 1);
}

/* --- what counts ----------------------------------------------------------------------------- */

static void confirm_counts_hops_in_a_row(void **state)
{
	(void)state;
	config.confirm = 3;
	set_config(&config);
	sequential();
	sequential();
	assert_int_equal(st.decided_class, CLASS_NONE);
	assert_int_equal(made_up.nr_events, 0);
	sequential();
	assert_int_equal(st.decided_class, 0);
	assert_int_equal(st.old_class, CLASS_NONE);
	assert_int_equal(st.stats.decisions, 1);
	assert_int_equal(made_up.nr_events, 1);
	assert_int_equal(last_event()->reason, EVENT_DECISION);
	assert_int_equal(last_event()->wanted_kb, SEQUENTIAL_KB);
	assert_int_equal(last_event()->new_class, 0);
	assert_int_equal(last_event()->bdi_id, id);
	assert_int_equal(last_event()->decision_seq, st.decision_seq);
	assert_int_equal(last_event()->nr_inputs, 1);
	assert_int_equal(last_event()->input_feature[0], FEATURE_ASYNC_SHARE);
	assert_int_equal(last_event()->features[FEATURE_ASYNC_SHARE], RATIO_ONE);
	assert_string_equal(last_event()->name, "0:7");
}

/* A model that leads by 64 times what the share of marker hits is beyond one half. */
static void lead_more(void)
{
	struct model model;

	ratio_model(&model, SOURCE_READAHEAD, FEATURE_ASYNC_SHARE, 0, 1);
	assert_int_equal(model_set_neuron(&model, 0, 0, 0, 32), 0);
	assert_int_equal(model_set_neuron(&model, 0, 1, 0, 32), 0);
	model_seal(&model);
	write_model(&model);
}

/* After silence: the next calls are of a first hop. */
static void begin_anew(void)
{
	hop.idle = 1;
	calls_for(60000 * MS, 0, 0);
	hop.idle = 0;
	forget_events();
}

static void sure_hop_counts_twice(void **state)
{
	(void)state;
	lead_more();
	config.confirm = 2;
	set_config(&config);
	begin_anew();
	sequential();
	assert_true(st.margin >= 12 * LOGIT_ONE);
	assert_int_equal(st.decided_class, 0);
	assert_int_equal(made_up.nr_events, 1);
	/* A little less, and it takes two. */
	begin_anew();
	calls(315, 685);
	assert_in_range(st.margin, 11 * LOGIT_ONE, 12 * LOGIT_ONE - 1);
	assert_int_equal(st.window_class, 1);
	assert_int_equal(st.confirm, 1);
	assert_int_equal(st.decided_class, 0);
	calls(315, 685);
	assert_int_equal(st.decided_class, 1);
	/* Two sure ones are as good as four others, or one between two. */
	config.confirm = 4;
	set_config(&config);
	begin_anew();
	sequential();
	assert_int_equal(st.confirm, 2);
	assert_int_equal(st.decided_class, 1);
	sequential();
	assert_int_equal(st.decided_class, 0);
	begin_anew();
	calls(315, 685);
	random_reads();
	assert_int_equal(st.confirm, 3);
	assert_int_equal(st.decided_class, 0);
	random_reads();
	assert_int_equal(st.decided_class, 1);
}

/* A scan that has been sequential for long, and was last told of at its begin. */
static void sure_scan(void)
{
	unsigned int h;

	lead_more();
	config.confirm = 2;
	config.sample_ns = 1000 * HOP;
	set_config(&config);
	begin_anew();
	for (h = 0; h < 8; h++)
		sequential();
	assert_int_equal(st.decided_class, 0);
}

/* The pattern changes: sure is what the window agrees with, which is when it restarts. */
static void sure_hop_at_a_change(void **state)
{
	(void)state;
	sure_scan();
	calls(60, 40); /* the hop in which it changes */
	random_reads();
	assert_int_equal(st.hop_class, 1);
	assert_int_equal(st.stats.restarts, 0);
	assert_int_equal(st.decided_class, 0);
	random_reads();
	assert_int_equal(st.stats.restarts, 1);
	assert_int_equal(st.decided_class, 1);
	assert_int_equal(st.stats.decisions, 2);
}

/* A hop at whose beginning nothing was said to the helper: there is no "before" to judge it by. */
static void sure_hop_was_told(void **state)
{
	(void)state;
	sure_scan();
	/* So many calls that the window is theirs at once. */
	calls(0, 1000000);
	assert_int_equal(st.window_class, 1);
	assert_int_equal(st.hop_class, 1);
	assert_true(st.margin >= 12 * LOGIT_ONE);
	assert_int_equal(st.confirm, 1);
	assert_int_equal(st.decided_class, 0);
	calls(0, 1000000);
	assert_int_equal(st.decided_class, 1);
	/* And a bdi of which it has not been told yet. */
	config.scope = SCOPE_LISTED;
	set_config(&config);
	fresh_bdi(SLOT, ++id, "0:7");
	hop.now_ns += HOP;
	end_hop(&hop);
	config.scope = SCOPE_ALL;
	set_config(&config);
	sequential();
	assert_int_equal(st.confirm, 1);
	assert_int_equal(st.decided_class, CLASS_NONE);
	sequential();
	assert_int_equal(st.decided_class, 0);
}

/* A hop of another kind in between, and the count starts again. */
static void confirm_starts_again(void **state)
{
	(void)state;
	config.confirm = 3;
	set_config(&config);
	sequential();
	sequential();
	random_reads(); /* hop says random, window says sequential */
	assert_int_equal(st.stats.disagreed, 1);
	assert_int_equal(st.confirm, 0);
	sequential();
	sequential();
	assert_int_equal(st.decided_class, CLASS_NONE);
	sequential();
	assert_int_equal(st.decided_class, 0);
}

static void dwell_separates_changes(void **state)
{
	unsigned int h;

	(void)state;
	config.dwell_ns = 10 * HOP;
	set_config(&config);
	sequential();
	assert_int_equal(st.decided_class, 0);
	for (h = 1; h < 10; h++) {
		random_reads();
		assert_int_equal(st.decided_class, 0);
		assert_int_equal(made_up.nr_events, 1);
	}
	random_reads();
	assert_int_equal(st.decided_class, 1);
	assert_int_equal(st.old_class, 0);
	assert_int_equal(made_up.nr_events, 2);
}

static void margin_is_honoured(void **state)
{
	unsigned int h;

	(void)state;
	for (h = 0; h < 6; h++)
		calls(51, 49); /* margin 0.16 */
	assert_true(st.margin > 0 && st.margin < LOGIT_ONE / 2);
	assert_int_equal(st.window_class, 0);
	assert_int_equal(st.stats.low_margin, 6);
	assert_int_equal(st.decided_class, CLASS_NONE);
	config.margin = LOGIT_ONE / 16;
	set_config(&config);
	calls(51, 49);
	assert_int_equal(st.decided_class, 0);
}

/* The weaker of the two answers counts: a strong window does not make up for a doubtful hop. */
static void weaker_margin_counts(void **state)
{
	(void)state;
	config.confirm = 3;
	set_config(&config);
	sequential();
	sequential();
	assert_int_equal(st.confirm, 2);
	calls(52, 48);
	assert_int_equal(st.window_class, 0);
	assert_int_equal(st.hop_class, 0);
	assert_true(st.stats.low_margin == 1 && st.confirm == 0);
	assert_int_equal(st.decided_class, CLASS_NONE);
}

static void few_calls_abstain(void **state)
{
	unsigned int h;

	(void)state;
	config.min_calls = 100;
	set_config(&config);
	for (h = 0; h < 6; h++)
		calls(19, 0); /* 95 in a full window */
	assert_int_equal(st.window_calls, 95);
	assert_int_equal(st.window_class, CLASS_NONE);
	assert_int_equal(st.stats.abstained, 6);
	assert_int_equal(st.decided_class, CLASS_NONE);
	assert_int_equal(made_up.nr_events, 0);
	calls(24, 0);
	assert_int_equal(st.window_calls, 100);
	assert_int_equal(st.decided_class, 0);
}

/* A hop of fewer calls than it takes to judge reaches back for them, within the window. */
static void hop_reaches_back(void **state)
{
	unsigned int h;

	(void)state;
	config.record = 1;
	set_config(&config);
	for (h = 0; h < 6; h++)
		calls(3, 0);
	assert_int_equal(made_up.record.window.calls, 15);
	assert_int_equal(made_up.record.hop.calls, 9);
	assert_int_equal(made_up.record.hop.span_ns, 3 * HOP);
	calls(100, 0);
	assert_int_equal(made_up.record.hop.calls, 100);
	assert_int_equal(made_up.record.hop.span_ns, HOP);
}

/* One call in half a second: hops grow to a fifth of stretch_ns (10 s), so 8 calls come about. */
static void rare_calls_stretch(void **state)
{
	unsigned int n;

	(void)state;
	config.min_calls = 6;
	config.confirm = 2;
	set_config(&config);
	calls(1, 0);
	assert_int_equal(st.stats.windows, 0); /* the hop goes on */
	assert_int_equal(st.hop_deadline_ns, hop.now_ns + HOP / 4);
	for (n = 0; n < 100 && st.decided_class == CLASS_NONE; n++)
		calls_for(2 * HOP, 1, 0);
	assert_int_equal(st.decided_class, 0);
	assert_true(st.window_calls >= 6);
	/* Not one call at all: a hop ends all the same, in its share of the stretch. */
	for (n = 0; n < 8; n++)
		calls_for(4 * HOP, 0, 0);
	assert_int_equal(st.window_span_ns, 5 * 4 * HOP);
	assert_int_equal(st.window_class, CLASS_NONE);
	assert_int_equal(st.decided_class, 0);
}

/* The example at the top of readahead.bpf.c. */
static void restart_at_a_change(void **state)
{
	unsigned int h;

	(void)state;
	config.confirm = 2;
	set_config(&config);
	for (h = 0; h < 8; h++)
		sequential();
	assert_int_equal(st.decided_class, 0);
	calls(60, 40); /* the hop in which it changes */
	random_reads();
	assert_int_equal(st.stats.restarts, 0);
	assert_int_equal(st.window_class, 0);
	assert_int_equal(st.hop_class, 1);
	random_reads();
	assert_int_equal(st.stats.restarts, 1);
	assert_int_equal(st.window_class, 1);
	assert_int_equal(st.window_calls, 200);
	assert_int_equal(st.confirm, 1);
	assert_int_equal(st.decided_class, 0);
	random_reads();
	assert_int_equal(st.window_calls, 300);
	assert_int_equal(st.decided_class, 1);
	assert_int_equal(st.stats.decisions, 2);
	assert_int_equal(made_up.nr_events > 0, 1);
	assert_int_equal(last_event()->old_class, 0);
	assert_int_equal(last_event()->wanted_kb, RANDOM_KB);
}

/* A single odd hop is no change of pattern. */
static void one_odd_hop_restarts_nothing(void **state)
{
	unsigned int h;

	(void)state;
	for (h = 0; h < 6; h++)
		sequential();
	random_reads();
	for (h = 0; h < 6; h++)
		sequential();
	assert_int_equal(st.stats.restarts, 0);
	assert_int_equal(st.stats.decisions, 1);
	assert_int_equal(st.decided_class, 0);
}

static void another_model_starts_again(void **state)
{
	struct model model;

	(void)state;
	config.confirm = 3;
	set_config(&config);
	sequential();
	sequential();
	assert_int_equal(st.confirm, 2);
	ratio_model(&model, SOURCE_READAHEAD, FEATURE_ASYNC_SHARE, 0, 2);
	write_model(&model);
	sequential();
	assert_int_equal(st.model_checksum, model.header.checksum);
	assert_int_equal(st.confirm, 1);
	assert_int_equal(st.decided_class, CLASS_NONE);
	sequential();
	sequential();
	assert_int_equal(st.decided_class, 0);
	assert_int_equal(last_event()->model_checksum, model.header.checksum);
	assert_int_equal(last_event()->model_generation, model.header.generation);
}

/* --- what decides nothing -------------------------------------------------------------------- */

static void nothing_decided(void)
{
	assert_int_equal(st.decided_class, CLASS_NONE);
	assert_int_equal(st.wanted_kb, 0);
	assert_int_equal(st.stats.decisions, 0);
	assert_int_equal(made_up.nr_events, 0);
}

static void observe_decides_nothing(void **state)
{
	unsigned int h;

	(void)state;
	config.mode = MODE_OBSERVE;
	config.record = 1;
	set_config(&config);
	for (h = 0; h < 10; h++)
		sequential();
	assert_int_equal(st.stats.windows, 10);
	assert_int_equal(st.window_class, 0);
	nothing_decided();
	assert_int_equal(made_up.nr_records, 10);
	assert_int_equal(made_up.record.window.class_id, 0);
	assert_int_equal(made_up.record.hop.calls, 100);
	assert_int_equal(made_up.record.window.calls, 500);
	assert_int_equal(made_up.record.window.logits[0], st.logits[0]);
	assert_int_equal(made_up.record.bdi_id, id);
	assert_memory_equal(made_up.record.window.features, st.features, sizeof(st.features));
}

static void emergency_stands_still(void **state)
{
	unsigned int h;

	(void)state;
	config.mode = MODE_EMERGENCY;
	set_config(&config);
	for (h = 0; h < 10; h++)
		sequential();
	assert_int_equal(st.stats.windows, 0);
	nothing_decided();
	/* Back to act: from the beginning, without what was counted meanwhile. */
	config.mode = MODE_ACT;
	set_config(&config);
	sequential();
	assert_int_equal(st.stats.windows, 0);
	random_reads();
	assert_int_equal(st.window_calls, 100);
	assert_int_equal(st.decided_class, 1);
}

static void unknown_mode_decides_nothing(void **state)
{
	(void)state;
	config.mode = 0xffffffff;
	set_config(&config);
	sequential();
	sequential();
	nothing_decided();
}

static void recommend_decides_and_says(void **state)
{
	(void)state;
	config.mode = MODE_RECOMMEND;
	set_config(&config);
	sequential();
	assert_int_equal(made_up.nr_events, 1);
	assert_int_equal(last_event()->mode, MODE_RECOMMEND);
	answer(APPLIED_RECOMMENDED, 0);
	sequential();
	assert_int_equal(made_up.nr_events, 1);
	/* Said is not written: now it is to be. */
	config.mode = MODE_ACT;
	set_config(&config);
	sequential();
	assert_int_equal(made_up.nr_events, 2);
	assert_int_equal(last_event()->reason, EVENT_DECISION);
	assert_int_equal(last_event()->mode, MODE_ACT);
}

static void no_model_decides_nothing(void **state)
{
	struct model none = {0}, model;
	__u32 slot = MODEL_ACTING;
	unsigned int h;

	(void)state;
	write_model(&none);
	for (h = 0; h < 4; h++)
		sequential();
	assert_int_equal(st.model_fault, MODEL_BAD_MAGIC);
	assert_int_equal(st.stats.no_model, 4);
	nothing_decided();
	assert_int_equal(bpf_map_delete_elem(made_up.models, &slot), 0);
	sequential();
	assert_int_equal(st.model_fault, MODEL_ABSENT);
	nothing_decided();
	assert_int_equal(bpf_map_update_elem(made_up.models, &slot, &made_up.inner, BPF_ANY), 0);
	/* Sound, but the completion hook has never spoken for this bdi. */
	ratio_model(&model, SOURCE_READAHEAD | SOURCE_LATENCY, FEATURE_ASYNC_SHARE, 0, 1);
	write_model(&model);
	st.sources = SOURCE_READAHEAD | SOURCE_BLOCK;
	put_bdi(SLOT, &st);
	sequential();
	assert_int_equal(st.model_fault, MODEL_SILENT_SOURCES);
	nothing_decided();
	st.sources = SOURCES_ALL;
	put_bdi(SLOT, &st);
	sequential();
	assert_int_equal(st.model_fault, MODEL_OK);
	assert_int_equal(st.decided_class, 0);
}

/* A model of the block layer alone must not be moved by what bypasses the page cache. */
static void direct_reads_decide_nothing(void **state)
{
	__u64 add[COUNTERS_MAX] = {
		[COUNTER_BLOCK_READS] = 1000,
		[COUNTER_BLOCK_CONTINUED] = 1000,
	};
	struct model model;
	unsigned int h;

	(void)state;
	ratio_model(&model, SOURCE_BLOCK, FEATURE_STREAM_RATIO, 0, 1);
	write_model(&model);
	for (h = 0; h < 6; h++) {
		count_on(SLOT, 0, id, add);
		calls(0, 0);
	}
	assert_int_equal(st.window_class, 0);
	nothing_decided();
	add[COUNTER_BLOCK_RAHEAD_READS] = 900;
	count_on(SLOT, 0, id, add);
	calls(0, 0);
	assert_int_equal(st.decided_class, 0);
}

static void scope_is_honoured(void **state)
{
	char name[BDI_NAME_LEN] = "0:7";
	__u32 one = 1;

	(void)state;
	config.scope = SCOPE_LISTED;
	set_config(&config);
	sequential();
	nothing_decided();
	assert_int_equal(bpf_map_update_elem(made_up.listed, name, &one, BPF_ANY), 0);
	sequential();
	assert_int_equal(bpf_map_delete_elem(made_up.listed, name), 0);
	assert_int_equal(st.decided_class, 0);
	assert_true(st.flags & BDI_ELIGIBLE);
	/* Mounted file systems only, and no inode of one has been read here. */
	config.scope = SCOPE_MOUNTED;
	set_config(&config);
	fresh_bdi(SLOT, ++id, "0:7");
	get_bdi(SLOT, &st);
	st.flags = 0;
	put_bdi(SLOT, &st);
	forget_events();
	sequential();
	sequential();
	nothing_decided();
	assert_false(st.flags & BDI_ELIGIBLE);
	/* No directory in sysfs: nothing to write to, whatever the scope. */
	config.scope = SCOPE_ALL;
	set_config(&config);
	st.sysfs_ino = 0;
	put_bdi(SLOT, &st);
	sequential();
	nothing_decided();
	st.sysfs_ino = 1;
	put_bdi(SLOT, &st);
	sequential();
	assert_int_equal(st.decided_class, 0);
}

/* The shadow answers and is counted; it decides nothing, right or wrong. */
static void shadow_never_acts(void **state)
{
	struct model shadow;

	(void)state;
	ratio_model(&shadow, SOURCE_READAHEAD, FEATURE_ASYNC_SHARE, 0, 2);
	push_model(made_up.models, MODEL_SHADOW, &shadow);
	sequential();
	assert_int_equal(st.shadow_class, 0);
	assert_int_equal(st.stats.shadow_windows, 1);
	assert_int_equal(st.stats.shadow_agreed, 1);
	fresh_bdi(SLOT, ++id, "0:7");
	forget_events();
	random_reads();
	random_reads();
	random_reads();
	assert_int_equal(st.shadow_class, 2);
	assert_int_equal(st.window_class, 1);
	assert_int_equal(st.stats.shadow_windows, 2);
	assert_int_equal(st.stats.shadow_agreed, 0);
	assert_int_equal(st.decided_class, 1);
	assert_int_equal(last_event()->model_checksum, st.model_checksum);
	assert_int_not_equal(st.model_checksum, shadow.header.checksum);
	/* Alone, it is not asked. */
	write_model(&(struct model){0});
	sequential();
	assert_int_equal(st.stats.shadow_windows, 2);
}

/* --- how many KB ----------------------------------------------------------------------------- */

struct clamp_case {
	__u32 row_kb, clamp, floor_kb, cap_kb, ra_kb, original_kb; /* original 0: not held */
	__u32 wanted_kb;
};

static void clamps(void **state)
{
	static const struct clamp_case cases[] = {
		{256, CLAMP_NONE, 0, 0, 128, 0, 252},
		{256, CLAMP_NEVER_LOWER, 0, 0, 128, 0, 252},
		{256, CLAMP_NEVER_LOWER, 0, 0, 4096, 0, 4096},
		{256, CLAMP_NEVER_LOWER, 0, 0, 16, 1024, 1024},
		{256, CLAMP_NEVER_LOWER, 0, 0, 4096, 128, 252},
		{256, CLAMP_NEVER_LOWER, 0, 512, 65536, 0, 65536}, /* the original, not the cap */
		{16, CLAMP_NEVER_RAISE, 0, 0, 128, 0, 16},
		{16, CLAMP_NEVER_RAISE, 0, 0, 8, 0, 8},
		{16, CLAMP_NEVER_RAISE, 0, 0, 128, 8, 8},
		{16, CLAMP_NEVER_RAISE, 0, 0, 8, 128, 16},
		{1, CLAMP_NONE, 0, 0, 128, 0, 4},
		{1, CLAMP_NONE, 64, 0, 128, 0, 68},
		{64, CLAMP_NONE, 64, 64, 128, 0, 64}, /* half the original, but no room */
		{128, CLAMP_NONE, 0, 0, 128, 0, 128}, /* the original is right as it is */
		{124, CLAMP_NONE, 0, 0, 128, 0, 124},
		{8, CLAMP_NONE, 0, 0, 128, 0, 8}, /* up to four pages stay */
		{24, CLAMP_NONE, 0, 0, 128, 0, 20},
		{0xffffffff, CLAMP_NONE, 0, 0, 128, 0, 8192},
		{0xffffffff, CLAMP_NONE, 0, 0xffffffff, 128, 0, 65536},
		{300, CLAMP_NONE, 512, 64, 128, 0, 512}, /* a cap below the floor is the floor */
		{0, CLAMP_NONE, 0, 0, 128, 0, 0},
		{256, CLAMP_NONE, 0, 0, 0, 0, 0}, /* switched off by the administrator */
		{256, 77, 0, 0, 4096, 0, 256},    /* an unknown clamp is none */
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct clamp_case *c = &cases[i];
		struct applied a = {
			.status = APPLIED_NONE, .holds_original = 1, .original_kb = c->original_kb};

		policy.ra_kb[0] = c->row_kb;
		policy.clamp[0] = c->clamp;
		set_policy(DEFAULT_POLICY_ID, &policy);
		config.floor_kb = c->floor_kb;
		config.cap_kb = c->cap_kb;
		set_config(&config);
		fresh_bdi(SLOT, ++id, "0:7");
		set_applied(id, c->original_kb ? &a : NULL);
		hop.ra_pages = c->ra_kb / 4;
		forget_events();
		sequential();
		sequential();
		set_applied(id, NULL);
		assert_int_equal(st.decided_class, 0);
		if (st.wanted_kb != c->wanted_kb)
			fail_msg("case %u: wants %u KB, not %u", i, st.wanted_kb, c->wanted_kb);
		assert_int_equal(made_up.nr_events, c->wanted_kb ? 1 : 0);
		if (c->wanted_kb)
			assert_int_equal(last_event()->wanted_kb, c->wanted_kb);
	}
}

struct neighbour_case {
	__u32 row_kb, others_kb[2], floor_kb, cap_kb, original_kb, wanted_kb;
};

/* A power of two stays one where nothing is half of it or twice that. */
static void even_without_a_neighbour(void **state)
{
	static const struct neighbour_case cases[] = {
		{256, {64, 1024}, 0, 0, 4096, 256},
		{256, {16, 1024}, 0, 0, 2560, 256},
		{256, {64, 512}, 0, 0, 4096, 252},
		{256, {64, 128}, 0, 0, 4096, 256},   /* 128 is written as 124 */
		{256, {256, 1024}, 0, 0, 4096, 256}, /* the same for two classes */
		{256, {64, 1024}, 0, 0, 128, 252},
		{256, {64, 1024}, 0, 0, 512, 252},
		{256, {128, 512}, 0, 0, 256, 256}, /* the original is right as it is */
		{64, {16, 256}, 0, 0, 4096, 64},
		{64, {16, 256}, 0, 0, 128, 60},
		/* Up to four pages stay as they are, and are somebody's half. */
		{32, {16, 256}, 0, 0, 4096, 28},
		{16, {8, 32}, 0, 0, 4096, 16},
		{32, {17, 256}, 0, 0, 4096, 28}, /* written as 16 */
		/* The others as they go into force. */
		{512, {128, 1024}, 0, 0, 4096, 508},
		{1024, {256, 0}, 256, 0, 128, 1024},
		{1024, {8192, 0}, 0, 2048, 128, 1020},
		{1024, {8192, 0}, 0, 4096, 128, 1024},
		{8192, {512, 0}, 0, 1024, 128, 1024},
		{256, {0, 0}, 128, 0, 4096, 256}, /* 0 is none, whatever the floor */
		{128, {64, 0}, 128, 0, 4096, 128},
		{256, {64, 0}, 256, 0, 512, 260}, /* no room below */
		{256, {64, 0}, 256, 256, 512, 256},
		/* No powers of two: one of them might be twice an odd one. */
		{504, {256, 0}, 0, 0, 128, 500},
		{192, {16, 0}, 0, 0, 4096, 188},
		{252, {126, 504}, 0, 0, 4096, 252},
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct neighbour_case *c = &cases[i];

		policy.ra_kb[0] = c->row_kb;
		policy.ra_kb[6] = c->others_kb[0];
		policy.ra_kb[CLASSES_MAX - 1] = c->others_kb[1];
		policy.ra_kb[1] = 0;
		set_policy(DEFAULT_POLICY_ID, &policy);
		config.floor_kb = c->floor_kb;
		config.cap_kb = c->cap_kb;
		set_config(&config);
		fresh_bdi(SLOT, ++id, "0:7");
		hop.ra_pages = c->original_kb / 4;
		sequential();
		sequential();
		assert_int_equal(st.decided_class, 0);
		if (st.wanted_kb != c->wanted_kb)
			fail_msg("case %u: wants %u KB, not %u", i, st.wanted_kb, c->wanted_kb);
	}
}

/* Files may have twice what the bdi had under another row. The default row counts only in force. */
static void even_without_a_neighbour_of_then(void **state)
{
	static const __u32 rows[][2] = {{256, 256}, {512, 508},   {1024, 1024},
					{256, 256}, {2048, 2044}, {128, 124},
					{64, 64},   {32, 28},     {1024, 1024}};
	struct policy_row own = {};
	unsigned int i;

	(void)state;
	policy.ra_kb[0] = 128;
	policy.ra_kb[5] = 2048;
	set_policy(DEFAULT_POLICY_ID, &policy);
	hop.ra_pages = 4096 / 4;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		own.ra_kb[0] = rows[i][0];
		set_policy(id, &own);
		sequential();
		sequential();
		if (st.wanted_kb != rows[i][1])
			fail_msg("row %u: wants %u KB, not %u", i, st.wanted_kb, rows[i][1]);
	}
	/* Another bdi knows nothing of that. */
	set_policy(id, NULL);
	fresh_bdi(SLOT, ++id, "0:7");
	own.ra_kb[0] = 512;
	set_policy(id, &own);
	sequential();
	sequential();
	assert_int_equal(st.wanted_kb, 512);
}

/* A row of the bdi's own takes the place of the default row; a class at 0 is left alone. */
static void own_row_first(void **state)
{
	struct policy_row own = {.ra_kb = {[0] = 1024}};

	(void)state;
	policy.clamp[0] = CLAMP_NEVER_RAISE;
	set_policy(DEFAULT_POLICY_ID, &policy);
	set_policy(id, &own);
	sequential();
	assert_int_equal(st.wanted_kb, 1024);
	/* A class that it leaves alone is left alone, whatever the default row says. */
	random_reads();
	random_reads();
	random_reads();
	assert_int_equal(st.decided_class, 1);
	assert_int_equal(st.wanted_kb, 0);
	forget_events();
	random_reads();
	assert_int_equal(made_up.nr_events, 0);
	set_policy(id, NULL);
	random_reads();
	assert_int_equal(st.wanted_kb, RANDOM_KB);
	policy.ra_kb[1] = 0;
	set_policy(DEFAULT_POLICY_ID, &policy);
	random_reads();
	assert_int_equal(st.decided_class, 1);
	assert_int_equal(st.wanted_kb, 0);
}

/* Another policy under the same class is another decision. */
static void policy_changes_under_a_class(void **state)
{
	__u64 seq;

	(void)state;
	sequential();
	answer(APPLIED_ACCEPTED, RA_KB);
	seq = st.decision_seq;
	policy.ra_kb[0] = 2048;
	set_policy(DEFAULT_POLICY_ID, &policy);
	sequential();
	assert_true(st.decision_seq > seq);
	assert_int_equal(st.stats.decisions, 1);
	assert_int_equal(last_event()->wanted_kb, 2048);
	assert_int_equal(last_event()->reason, EVENT_DECISION);
}

/* --- levels ---------------------------------------------------------------------------------- */

static void unanswered_is_said_again(void **state)
{
	unsigned int h;

	(void)state;
	config.dwell_ns = 4 * HOP;
	set_config(&config);
	for (h = 0; h < 20; h++)
		sequential();
	assert_int_equal(made_up.nr_events, 5); /* once per dwell */
	for (h = 1; h < made_up.nr_events; h++) {
		assert_int_equal(made_up.event[h].decision_seq, made_up.event[0].decision_seq);
		assert_int_equal(made_up.event[h].time_ns - made_up.event[h - 1].time_ns, 4 * HOP);
	}
	/* An answer to an earlier decision is none to this one. */
	answer(APPLIED_ACCEPTED, RA_KB);
	random_reads();
	random_reads();
	random_reads();
	forget_events();
	for (h = 0; h < 8; h++)
		random_reads();
	assert_int_equal(made_up.nr_events, 2);
	assert_int_equal(last_event()->new_class, 1);
}

static void accepted_is_silent_until_changed(void **state)
{
	struct applied a;
	unsigned int h;

	(void)state;
	sequential();
	answer(APPLIED_ACCEPTED, SEQUENTIAL_KB);
	hop.ra_pages = SEQUENTIAL_KB / 4;
	for (h = 0; h < 10; h++)
		sequential();
	assert_int_equal(made_up.nr_events, 1);
	/* The helper's own temporary change. */
	assert_int_equal(bpf_map_lookup_elem(made_up.applied, &id, &a), 0);
	a.busy_until_ns = hop.now_ns + 3 * HOP;
	set_applied(id, &a);
	hop.ra_pages = 4;
	sequential();
	sequential();
	assert_int_equal(made_up.nr_events, 1);
	sequential();
	assert_int_equal(made_up.nr_events, 2);
	assert_int_equal(last_event()->reason, EVENT_FOREIGN);
	assert_int_equal(last_event()->ra_kb, 16);
	assert_int_equal(last_event()->limits_changed, 0);
	/* A person did it. */
	a.status = APPLIED_STOOD_BACK;
	set_applied(id, &a);
	for (h = 0; h < 10; h++)
		random_reads();
	assert_int_equal(st.decided_class, 1);
	assert_int_equal(made_up.nr_events, 2);
	/* Resumed. */
	set_applied(id, NULL);
	random_reads();
	assert_int_equal(made_up.nr_events, 3);
	assert_int_equal(last_event()->reason, EVENT_DECISION);
}

static void limits_explain_a_reset(void **state)
{
	(void)state;
	hop.limits_sig = 111;
	hop.io_opt = 1 << 20;
	hop.max_sectors = 2560;
	sequential();
	answer(APPLIED_ACCEPTED, SEQUENTIAL_KB);
	hop.ra_pages = SEQUENTIAL_KB / 4;
	sequential();
	hop.limits_sig = 222;
	hop.ra_pages = 2048 / 4;
	sequential();
	assert_int_equal(last_event()->reason, EVENT_FOREIGN);
	assert_int_equal(last_event()->limits_changed, 1);
	assert_int_equal(last_event()->io_opt_bytes, 1 << 20);
	assert_int_equal(last_event()->max_sectors, 2560);
	/* A limit that moved a hop before the value did explains nothing. */
	hop.ra_pages = SEQUENTIAL_KB / 4;
	hop.limits_sig = 333;
	sequential();
	hop.ra_pages = 2048 / 4;
	sequential();
	assert_int_equal(last_event()->reason, EVENT_FOREIGN);
	assert_int_equal(last_event()->limits_changed, 0);
}

static void refused_is_tried_again(void **state)
{
	struct applied a;

	(void)state;
	sequential();
	answer(APPLIED_REFUSED, 0);
	assert_int_equal(bpf_map_lookup_elem(made_up.applied, &id, &a), 0);
	a.retry_ns = hop.now_ns + 3 * HOP;
	set_applied(id, &a);
	sequential();
	sequential();
	assert_int_equal(made_up.nr_events, 1);
	sequential();
	assert_int_equal(made_up.nr_events, 2);
	assert_int_equal(last_event()->reason, EVENT_RETRY);
}

/* --- objects that may hide ----------------------------------------------------------------------
 */

/* `pages` is believed of objects only where it is news, or after a while; the while doubles. */
static void objects_may_hide(void **state)
{
	struct model model;
	__u64 since, kept;
	unsigned int turn;

	(void)state;
	ratio_model(&model, SOURCE_READAHEAD, FEATURE_ASYNC_SHARE, CLASS_OBJECTS, CLASS_PAGES);
	write_model(&model);
	policy.ra_kb[CLASS_OBJECTS] = 64;
	policy.ra_kb[CLASS_PAGES] = 16;
	set_policy(DEFAULT_POLICY_ID, &policy);
	/* At a value that hides nothing it is news. */
	hop.ra_pages = 7;
	sequential();
	assert_int_equal(st.decided_class, CLASS_OBJECTS);
	random_reads();
	random_reads();
	random_reads();
	assert_int_equal(st.decided_class, CLASS_PAGES);
	for (turn = 0, kept = 60000 * MS; turn < 6; turn++) {
		/* Seen at a small value to be objects: soon again means twice as long. */
		hop.ra_pages = 4;
		sequential();
		sequential();
		sequential();
		assert_int_equal(st.decided_class, CLASS_OBJECTS);
		if (turn)
			kept = 2 * kept > 960000 * MS ? 960000 * MS : 2 * kept;
		assert_int_equal(st.hidden_ns, turn ? kept : st.hidden_ns);
		kept = st.hidden_ns;
		since = hop.now_ns;
		hop.ra_pages = 15;
		while (st.decided_class == CLASS_OBJECTS && hop.now_ns - since < 2 * kept) {
			random_reads();
			forget_events();
		}
		assert_int_equal(st.decided_class, CLASS_PAGES);
		assert_in_range(hop.now_ns - since, kept - 2 * HOP, kept + 2 * HOP);
	}
	assert_int_equal(kept, 960000 * MS);
	/* A third class is believed at once, if it leads by more than a little. */
	hop.ra_pages = 4;
	sequential();
	sequential();
	sequential();
	assert_int_equal(st.decided_class, CLASS_OBJECTS);
	hop.ra_pages = 15;
	ratio_model(&model, SOURCE_READAHEAD, FEATURE_ASYNC_SHARE, CLASS_OBJECTS, CLASS_MIXED);
	write_model(&model);
	for (turn = 0; turn < 8; turn++)
		calls(48, 52);
	assert_in_range(st.margin, LOGIT_ONE / 100, 4 * LOGIT_ONE - 1);
	assert_int_equal(st.window_class, CLASS_MIXED);
	assert_int_equal(st.decided_class, CLASS_OBJECTS);
	for (turn = 0; turn < 8; turn++)
		random_reads();
	assert_int_equal(st.decided_class, CLASS_MIXED);
	ratio_model(&model, SOURCE_READAHEAD, FEATURE_ASYNC_SHARE, CLASS_OBJECTS, CLASS_PAGES);
	write_model(&model);
	for (turn = 0; turn < 8; turn++)
		random_reads();
	assert_int_equal(st.decided_class, CLASS_PAGES);
	/* Pages for long: what comes then is something else. */
	for (turn = 0; turn < 200; turn++)
		random_reads();
	hop.ra_pages = 4;
	sequential();
	sequential();
	sequential();
	assert_int_equal(st.decided_class, CLASS_OBJECTS);
	assert_int_equal(st.hidden_ns, 60000 * MS);
}

/* Read-arounds that stay where they are: a mapping read backwards, not pages at random. */
static void pages_in_place(void **state)
{
	unsigned int hops;
	__u64 add[COUNTERS_MAX] = {[COUNTER_AROUND_CALLS] = 100, [COUNTER_AROUND_STARTS] = 24};
	struct model model;

	(void)state;
	ratio_model(&model, SOURCE_READAHEAD, FEATURE_ASYNC_SHARE, CLASS_OBJECTS, CLASS_PAGES);
	write_model(&model);
	config.record = 1;
	set_config(&config);
	count_on(SLOT, 0, id, add);
	hop.now_ns += HOP;
	end_hop(&hop);
	get_bdi(SLOT, &st);
	assert_int_equal(st.decided_class, CLASS_SEQUENTIAL);
	/* What is recorded is the model's own answer: it is compared with that. */
	read_events();
	assert_int_equal(made_up.record.window.class_id, CLASS_PAGES);
	assert_int_equal(made_up.record.hop.class_id, CLASS_PAGES);
	/* More of them elsewhere, as a larger value would show it: still the same. */
	add[COUNTER_AROUND_STARTS] = 48;
	for (hops = 0; hops < 10; hops++) {
		count_on(SLOT, 0, id, add);
		hop.now_ns += HOP;
		end_hop(&hop);
	}
	get_bdi(SLOT, &st);
	assert_int_equal(st.decided_class, CLASS_SEQUENTIAL);
	assert_int_equal(st.stats.decisions, 1);
	random_reads();
	random_reads();
	random_reads();
	assert_int_equal(st.decided_class, CLASS_PAGES);
	/* From pages as little is not enough. */
	for (hops = 0; hops < 10; hops++) {
		count_on(SLOT, 0, id, add);
		hop.now_ns += HOP;
		end_hop(&hop);
	}
	get_bdi(SLOT, &st);
	assert_int_equal(st.decided_class, CLASS_PAGES);
}

/* --- samples and appearances -------------------------------------------------------------------
 */

/* Every sample_ns; at each hop while somebody watches; at hops of a class not in force. */
static void samples(void **state)
{
	struct applied a = {.status = APPLIED_ACCEPTED};
	unsigned int h;
	__u64 async;

	(void)state;
	config.confirm = 3;
	config.sample_ns = 4 * HOP;
	set_config(&config);
	forget_events();
	sequential();
	sequential();
	assert_int_equal(made_up.nr_samples, 2); /* what comes before the decision */
	assert_int_equal(made_up.sample.hop_class, 0);
	assert_int_equal(made_up.sample.decided_class, CLASS_NONE);
	assert_int_equal(made_up.sample.ra_kb, RA_KB);
	async = made_up.sample.total[COUNTER_ASYNC_CALLS];
	sequential(); /* decides; the sample was first */
	assert_int_equal(made_up.nr_events, 1);
	assert_int_equal(made_up.nr_samples, 3);
	assert_int_equal(made_up.sample.decided_class, CLASS_NONE);
	assert_int_equal(made_up.sample.total[COUNTER_ASYNC_CALLS], async + 100);
	assert_int_equal(made_up.sample.bdi_id, id);
	assert_int_equal(made_up.sample.sysfs_ino, 1000 + id);
	assert_int_equal(made_up.sample.time_ns, hop.now_ns);
	answer(APPLIED_ACCEPTED, RA_KB);
	forget_events();
	for (h = 0; h < 8; h++)
		sequential();
	assert_int_equal(made_up.nr_samples, 2); /* every fourth hop */
	a.decision_seq = st.decision_seq;
	a.accepted_kb = RA_KB;
	a.watch_until_ns = hop.now_ns + 3 * HOP;
	set_applied(id, &a);
	forget_events();
	for (h = 0; h < 4; h++)
		sequential();
	/* Two while watched, one of every fourth. */
	assert_int_equal(made_up.nr_samples, 2);
	/* Nobody acts: nobody to tell. */
	config.mode = MODE_OBSERVE;
	set_config(&config);
	forget_events();
	for (h = 0; h < 8; h++)
		sequential();
	assert_int_equal(made_up.nr_samples, 0);
}

/* Samples fill no more than half of the ring, and are counted when they do not fit. */
static void samples_leave_room(void **state)
{
	__u64 add[COUNTERS_MAX] = {[COUNTER_ASYNC_CALLS] = 100};
	struct global_stats before, after;
	unsigned int h;

	(void)state;
	sum_global_stats(made_up.stats, &before);
	config.sample_ns = 10 * MS;
	set_config(&config);
	policy.ra_kb[0] = 0; /* no events */
	set_policy(DEFAULT_POLICY_ID, &policy);
	forget_events();
	for (h = 0; h < 100; h++) {
		count_on(SLOT, 0, id, add);
		hop.now_ns += HOP;
		end_hop(&hop);
	}
	read_events();
	sum_global_stats(made_up.stats, &after);
	assert_int_equal(made_up.nr_samples + after.samples_dropped - before.samples_dropped, 100);
	assert_in_range(made_up.nr_samples, EVENTS_RING_BYTES / 2 / (sizeof(struct sample) + 8) - 2,
			EVENTS_RING_BYTES / 2 / (sizeof(struct sample) + 8) + 2);
}

/* Once, before any decision, and again when there is a UUID to tell of. It delays no decision. */
static void appearance(void **state)
{
	struct bdi_state at;
	unsigned int i;

	(void)state;
	fresh_bdi(SLOT, ++id, "0:7");
	forget_events();
	hop.now_ns += HOP;
	end_hop(&hop); /* the first boundary: a hop before any decision */
	read_events();
	assert_int_equal(made_up.nr_appeared, 1);
	assert_int_equal(made_up.nr_samples, 1);
	assert_int_equal(made_up.appeared.time_ns, hop.now_ns);
	sequential();
	assert_int_equal(made_up.nr_appeared, 1);
	assert_int_equal(made_up.appeared.bdi_id, id);
	assert_int_equal(made_up.appeared.sysfs_ino, 1000 + id);
	assert_string_equal(made_up.appeared.name, "0:7");
	sequential();
	sequential();
	assert_int_equal(made_up.nr_appeared, 1);
	assert_int_equal(made_up.nr_events, 3); /* nobody answers; the first came at once */
	assert_int_equal(made_up.event[0].time_ns, made_up.appeared.time_ns + HOP);
	/* What learn_uuid() does. */
	get_bdi(SLOT, &at);
	for (i = 0; i < FS_UUID_LEN; i++)
		at.fs_uuid[i] = 'a' + i;
	at.flags &= ~BDI_ANNOUNCED;
	put_bdi(SLOT, &at);
	sequential();
	sequential();
	assert_int_equal(made_up.nr_appeared, 2);
	assert_memory_equal(made_up.appeared.fs_uuid, at.fs_uuid, FS_UUID_LEN);
}

/* Nobody reads the ring: counted, and said as soon as there is room. */
static void full_ring_loses_nothing(void **state)
{
	__u64 sent, add[COUNTERS_MAX] = {[COUNTER_ASYNC_CALLS] = 100};
	unsigned int h;

	(void)state;
	for (h = 0; h < 100; h++) {
		count_on(SLOT, 0, id, add);
		hop.now_ns += HOP;
		end_hop(&hop);
	}
	get_bdi(SLOT, &st);
	sent = st.stats.events;
	assert_true(st.stats.ring_full > 0);
	assert_true(sent > 0 && sent < 100);
	assert_int_equal(sent + st.stats.ring_full, 100);
	/* The ring's half is open to samples, all of it to events. */
	assert_true(sent * (sizeof(struct event) + 8) > EVENTS_RING_BYTES / 2);
	/* A change that falls while it is full. What was not sent does not begin a dwell. */
	config.dwell_ns = 8 * HOP;
	set_config(&config);
	for (h = 0; h < 3; h++) {
		__u64 around[COUNTERS_MAX] = {[COUNTER_AROUND_CALLS] = 100000};

		count_on(SLOT, 0, id, around);
		hop.now_ns += HOP;
		end_hop(&hop);
	}
	get_bdi(SLOT, &st);
	assert_int_equal(st.decided_class, 1);
	assert_int_equal(st.stats.events, sent);
	read_events();
	assert_int_equal(made_up.nr_events, sent);
	assert_int_equal(last_event()->new_class, 0);
	random_reads();
	assert_int_equal(made_up.nr_events, sent + 1);
	assert_int_equal(last_event()->new_class, 1);
	assert_int_equal(last_event()->wanted_kb, RANDOM_KB);
}

/*
 * One process overwrites the live model, another has it fetched and asked: one
 * of the two answers, or a refusal, never a blend.
 */
static void half_overwritten_models(void **state)
{
	__u64 end = now_ns() + env_number("RACE_SECONDS", 3) * 1000 * MS, answered[2] = {0};
	struct mlp_features none = {0};
	struct mlp_scratch scratch;
	struct ask_args args = {0};
	struct model model[2];
	__u64 refused = 0;
	unsigned int i;
	pid_t child;
	int status;

	(void)state;
	for (i = 0; i < 2; i++) {
		do {
			random_model(&model[i], false);
			assert_int_equal(mlp_infer(&model[i], &none, &scratch), 0);
			args.first_logit[i] = scratch.logits[0];
		} while (model[i].header.nr_layers < 3 ||
			 model[i].header.payload_bytes < (i ? 5000U : 2000U) ||
			 (i && args.first_logit[0] == args.first_logit[1]));
		args.checksum[i] = model[i].header.checksum;
	}
	write_model(&model[0]);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		__u32 zero = 0;

		for (i = 0; now_ns() < end; i++)
			if (bpf_map_update_elem(made_up.inner, &zero, &model[i & 1], BPF_ANY))
				_exit(1);
		_exit(0);
	}
	while (now_ns() < end) {
		args.times = 1000;
		assert_int_equal(
			run_program(program_fd(made_up.object, "ask"), &args, sizeof(args)), 0);
		assert_int_equal(args.third, 0);
		answered[0] += args.answered[0];
		answered[1] += args.answered[1];
		refused += args.refused;
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	printf("# %llu and %llu answers of the two models, %llu refusals of a half written one\n",
	       answered[0], answered[1], refused);
	assert_true(answered[0] > 1000);
	assert_true(answered[1] > 1000);
	if (made_up.cpus > 1)
		assert_true(refused > 10);
}

static int group_setup(void **state)
{
	seed_random();
	return made_up_setup(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(sums_slide),
		TEST(other_owners_totals),
		TEST(idle_spell_is_thrown_away),
		TEST(silence_confirms_nothing),
		TEST(window_is_no_longer_than_stretch),
		TEST(restart_needs_calls_too),
		TEST(negative_window_is_discarded),
		TEST(confirm_counts_hops_in_a_row),
		TEST(sure_hop_counts_twice),
		TEST(sure_hop_at_a_change),
		TEST(sure_hop_was_told),
		TEST(confirm_starts_again),
		TEST(dwell_separates_changes),
		TEST(margin_is_honoured),
		TEST(weaker_margin_counts),
		TEST(few_calls_abstain),
		TEST(hop_reaches_back),
		TEST(rare_calls_stretch),
		TEST(restart_at_a_change),
		TEST(one_odd_hop_restarts_nothing),
		TEST(another_model_starts_again),
		TEST(observe_decides_nothing),
		TEST(emergency_stands_still),
		TEST(unknown_mode_decides_nothing),
		TEST(recommend_decides_and_says),
		TEST(no_model_decides_nothing),
		TEST(direct_reads_decide_nothing),
		TEST(scope_is_honoured),
		TEST(shadow_never_acts),
		TEST(clamps),
		TEST(even_without_a_neighbour),
		TEST(even_without_a_neighbour_of_then),
		TEST(own_row_first),
		TEST(policy_changes_under_a_class),
		TEST(unanswered_is_said_again),
		TEST(accepted_is_silent_until_changed),
		TEST(limits_explain_a_reset),
		TEST(refused_is_tried_again),
		TEST(full_ring_loses_nothing),
		TEST(objects_may_hide),
		TEST(pages_in_place),
		TEST(samples),
		TEST(samples_leave_room),
		TEST(appearance),
		TEST(half_overwritten_models),
	};

	need_root();
	return cmocka_run_group_tests_name("hop", tests, group_setup, made_up_teardown);
}
