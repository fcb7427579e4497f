// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files told apart, with made-up totals at made-up times: what a file's window
 * is, when it gets a value of its own, when it loses it, what is said of it.
 */
#include <stdio.h>
#include <string.h>
#include <bpf/bpf.h>

#include "made_up.h"
#include "file.h"
#include "bpf/mlp.h"

#define SLOT 9
#define PLACE 40
#define HOP (500 * MS)
#define START (1000000 * MS)

/* Classes 0 and 1 by the share of marker hits. */
#define SEQUENTIAL_KB 508
#define RANDOM_KB 16
#define DEVICE_KB 128

static struct bpf_object *object;
static int files, file_values, file_stats, end_file_hop, take;

static struct config config;
static struct policy_row policy;
static struct file_state file;
static struct file_hop_args hop;
static __u64 id = 700;

static void get_file(void)
{
	__u32 place = PLACE;

	assert_int_equal(bpf_map_lookup_elem(files, &place, &file), 0);
}

static void put_file(void)
{
	__u32 place = PLACE;

	assert_int_equal(bpf_map_update_elem(files, &place, &file, BPF_ANY), 0);
}

static struct file_stats stats(void)
{
	struct file_stats of_cpu[128], sum = {0};
	__u32 zero = 0;
	int i;

	assert_true(made_up.cpus <= 128);
	assert_int_equal(bpf_map_lookup_elem(file_stats, &zero, of_cpu), 0);
	for (i = 0; i < made_up.cpus; i++) {
#define X(name, text) sum.name += of_cpu[i].name;
		FILE_STAT_LIST(X)
#undef X
	}
	return sum;
}

/* What the helper answers; NULL: nothing. */
static void give(const struct file_value *value)
{
	if (value)
		assert_int_equal(bpf_map_update_elem(file_values, &file.key, value, BPF_ANY), 0);
	else
		bpf_map_delete_elem(file_values, &file.key);
}

static void give_kb(__u32 kb)
{
	struct file_value value = {.bdi_id = id, .ra_kb = kb};

	give(&value);
}

static void set_flags(__u32 flags)
{
	struct bdi_state st;

	get_bdi(SLOT, &st);
	st.flags = flags;
	put_bdi(SLOT, &st);
}

static void end(void)
{
	struct file_hop_args copy = hop;

	assert_int_equal(run_program(end_file_hop, &copy, sizeof(copy)), 0);
	get_file();
	read_events();
}

static int setup(void **state)
{
	struct model model;
	__u32 slot = SLOT;

	(void)state;
	id++;
	config = (struct config){
		.abi_version = BPFAHEAD_ABI_VERSION,
		.mode = MODE_ACT,
		.hop_ns = HOP,
		.window_ns = 5 * HOP,
		.stretch_ns = 20 * HOP,
		.idle_ns = 5000 * MS,
		.dwell_ns = 1000 * MS,
		.margin = LOGIT_ONE / 2,
		.confirm = 2,
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
	fresh_bdi(SLOT, id, "0:9");
	set_flags(BDI_FS_SEEN | BDI_ELIGIBLE);
	assert_int_equal(bpf_map_update_elem(made_up.bdi_slots, &id, &slot, BPF_ANY), 0);
	file = (struct file_state){
		.bdi_id = id,
		.key = {.ino = 12, .s_dev = 7 << 20, .generation = 3},
		.decided_class = CLASS_NONE,
		.candidate_class = CLASS_NONE,
		.window_class = CLASS_NONE,
		.previous_hop_class = CLASS_NONE,
		.old_class = CLASS_NONE,
	};
	put_file();
	/* Later in each test: the gap between two events is the table's. */
	hop = (struct file_hop_args){
		.index = PLACE,
		.now_ns = START + id * 1000000 * MS,
		.ra_pages = DEVICE_KB / 4,
		.bdi_kb = DEVICE_KB,
	};
	forget_events();
	end(); /* the first boundary */
	assert_int_equal(file.nr_hops, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	set_applied(id, NULL);
	set_policy(id, NULL);
	give(NULL);
	bpf_map_delete_elem(made_up.bdi_slots, &id);
	return 0;
}

/* Ends a hop with so many marker hits and read-arounds. */
static void calls(__u32 async, __u32 around)
{
	get_file();
	file.total[COUNTER_ASYNC_CALLS - FILE_COUNTER_FIRST] += async;
	file.total[COUNTER_AROUND_CALLS - FILE_COUNTER_FIRST] += around;
	put_file();
	hop.now_ns += HOP;
	end();
}

static void sequential(void)
{
	calls(100, 0);
}

static void random_reads(void)
{
	calls(0, 100);
}

static const struct file_event *last_event(void)
{
	assert_true(made_up.nr_file_events);
	return &made_up.file_event;
}

/* --- from windows to events ------------------------------------------------------------------ */

static void tells_a_scan_from_its_device(void **state)
{
	const struct file_event *e;

	(void)state;
	sequential();
	assert_int_equal(file.decided_class, CLASS_NONE);
	assert_int_equal(made_up.nr_file_events, 0);
	sequential();
	assert_int_equal(file.decided_class, 0);
	assert_int_equal(file.wanted_kb, SEQUENTIAL_KB);
	assert_int_equal(made_up.nr_file_events, 1);
	e = last_event();
	assert_int_equal(e->abi_version, BPFAHEAD_ABI_VERSION);
	assert_int_equal(e->reason, EVENT_FILE);
	assert_int_equal(e->time_ns, hop.now_ns);
	assert_int_equal(e->bdi_id, id);
	assert_int_equal(e->sysfs_ino, 1000 + id);
	assert_string_equal(e->name, "0:9");
	assert_memory_equal(&e->key, &file.key, sizeof(e->key));
	assert_int_equal(e->wanted_kb, SEQUENTIAL_KB);
	assert_int_equal(e->ra_kb, DEVICE_KB);
	assert_int_equal(e->device_kb, DEVICE_KB);
	assert_int_equal(e->old_class, CLASS_NONE);
	assert_int_equal(e->new_class, 0);
	assert_true(e->margin >= config.margin);
	assert_int_equal(e->window_calls, 200);
}

/* Not answered, it is said again, once a dwell; answered, no more. */
static void is_a_level(void **state)
{
	unsigned int h;

	(void)state;
	for (h = 0; h < 9; h++)
		sequential();
	assert_int_equal(made_up.nr_file_events, 4); /* hops 2, 4, 6, 8 */
	give_kb(SEQUENTIAL_KB);
	hop.ra_pages = SEQUENTIAL_KB / 4;
	for (h = 0; h < 9; h++)
		sequential();
	assert_int_equal(made_up.nr_file_events, 4);
}

static void opened_anew_is_asked_for_again(void **state)
{
	struct file_value value = {.bdi_id = id, .ra_kb = SEQUENTIAL_KB};

	(void)state;
	give_kb(SEQUENTIAL_KB);
	sequential();
	sequential();
	assert_int_equal(made_up.nr_file_events, 1); /* its call had the device's value */
	hop.ra_pages = SEQUENTIAL_KB / 4;
	sequential();
	sequential();
	assert_int_equal(made_up.nr_file_events, 1);
	/* One whose program wants something else: the helper finds that out, and backs off. */
	hop.ra_pages = 2 * SEQUENTIAL_KB / 4;
	sequential();
	assert_int_equal(made_up.nr_file_events, 2);
	value.retry_ns = hop.now_ns + 100 * HOP;
	value.asked_kb = SEQUENTIAL_KB;
	give(&value);
	sequential();
	sequential();
	sequential();
	assert_int_equal(made_up.nr_file_events, 2);
}

static void a_refusal_is_waited_out(void **state)
{
	struct file_value value = {
		.bdi_id = id, .retry_ns = hop.now_ns + 10 * HOP, .asked_kb = SEQUENTIAL_KB};
	unsigned int h;

	(void)state;
	give(&value);
	for (h = 0; h < 9; h++)
		sequential();
	assert_int_equal(made_up.nr_file_events, 0);
	sequential();
	assert_int_equal(made_up.nr_file_events, 1);
	/* Of another value it says nothing. */
	value.retry_ns += 1000 * HOP;
	value.asked_kb = RANDOM_KB;
	give(&value);
	sequential();
	sequential();
	assert_int_equal(made_up.nr_file_events, 2);
}

/* Values that the device's serves as well: no event, and one that ends what was given. */
static void near_enough(void **state)
{
	static const struct {
		__u32 policy_kb, device_kb, wanted_kb;
	} cases[] = {
		{252, 128, 252}, {252, 124, 252}, {252, 132, 0}, {252, 256, 0},   {16, 24, 0},
		{16, 32, 16},    {60, 124, 60},   {60, 252, 60}, {124, 252, 124}, {508, 2560, 508},
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		teardown(state);
		setup(state);
		policy.ra_kb[0] = cases[i].policy_kb;
		set_policy(DEFAULT_POLICY_ID, &policy);
		hop.bdi_kb = cases[i].device_kb;
		sequential();
		sequential();
		assert_int_equal(file.decided_class, 0);
		assert_int_equal(file.wanted_kb, cases[i].wanted_kb);
		assert_int_equal(made_up.nr_file_events, cases[i].wanted_kb != 0);
	}
}

/* As for the device: even, unless something is half of it or twice that. */
static void even_without_a_neighbour(void **state)
{
	static const struct {
		__u32 policy_kb, other_kb, device_kb, wanted_kb;
	} cases[] = {
		{512, 16, 128, 512}, {512, 1024, 128, 508}, {512, 16, 1024, 508},
		{256, 16, 128, 252}, {256, 16, 4096, 256},  {32, 16, 128, 28},
	};
	struct bdi_state st;
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		teardown(state);
		setup(state);
		policy.ra_kb[0] = cases[i].policy_kb;
		policy.ra_kb[5] = cases[i].other_kb;
		set_policy(DEFAULT_POLICY_ID, &policy);
		hop.bdi_kb = cases[i].device_kb;
		sequential();
		sequential();
		assert_int_equal(file.wanted_kb, cases[i].wanted_kb);
	}
	/* What was a file's is in the history of the device. */
	get_bdi(SLOT, &st);
	assert_int_equal(st.had_pages, 0);
	policy.ra_kb[0] = 512;
	set_policy(DEFAULT_POLICY_ID, &policy);
	sequential();
	assert_int_equal(file.wanted_kb, 512);
	get_bdi(SLOT, &st);
	assert_int_equal(st.had_pages, 512 / 4);
	policy.ra_kb[0] = 1024;
	set_policy(DEFAULT_POLICY_ID, &policy);
	sequential();
	assert_int_equal(file.wanted_kb, 1020);
}

static void ends_when_the_device_agrees(void **state)
{
	struct applied a = {.status = APPLIED_ACCEPTED,
			    .accepted_kb = 16,
			    .original_kb = DEVICE_KB,
			    .holds_original = 1};

	(void)state;
	give_kb(RANDOM_KB);
	hop.ra_pages = RANDOM_KB / 4;
	random_reads();
	random_reads();
	assert_int_equal(made_up.nr_file_events, 0);
	/* The helper is at it: what the device has now says nothing. */
	a.busy_until_ns = hop.now_ns + 10 * HOP;
	set_applied(id, &a);
	random_reads();
	a.busy_until_ns = 0;
	a.status = APPLIED_NONE;
	set_applied(id, &a);
	random_reads();
	assert_int_equal(made_up.nr_file_events, 0);
	a.status = APPLIED_ACCEPTED;
	set_applied(id, &a);
	random_reads();
	assert_int_equal(made_up.nr_file_events, 1);
	assert_int_equal(last_event()->wanted_kb, 0);
	assert_int_equal(last_event()->device_kb, 16);
	give(NULL);
	random_reads();
	random_reads();
	random_reads();
	assert_int_equal(made_up.nr_file_events, 1);
}

static void ends_when_the_class_changes(void **state)
{
	unsigned int h;

	(void)state;
	give_kb(SEQUENTIAL_KB);
	hop.ra_pages = SEQUENTIAL_KB / 4;
	for (h = 0; h < 6; h++)
		sequential();
	assert_int_equal(made_up.nr_file_events, 0);
	for (h = 0; h < 3; h++)
		random_reads(); /* the window starts anew where two hops agree */
	assert_int_equal(file.decided_class, 1);
	assert_int_equal(made_up.nr_file_events, 1);
	assert_int_equal(last_event()->wanted_kb, RANDOM_KB);
	assert_int_equal(last_event()->old_class, 0);
}

static void a_person_has_the_last_word(void **state)
{
	struct applied a = {.status = APPLIED_STOOD_BACK, .accepted_kb = 64};

	(void)state;
	set_applied(id, &a);
	sequential();
	sequential();
	sequential();
	assert_int_equal(made_up.nr_file_events, 0);
	give_kb(SEQUENTIAL_KB);
	sequential();
	assert_int_equal(made_up.nr_file_events, 1);
	assert_int_equal(last_event()->wanted_kb, 0);
}

static void a_row_of_the_device_counts(void **state)
{
	struct policy_row row = policy;

	(void)state;
	row.ra_kb[0] = 1020;
	set_policy(id, &row);
	sequential();
	sequential();
	assert_int_equal(last_event()->wanted_kb, 1020);
	row.ra_kb[0] = 0; /* leave alone */
	set_policy(id, &row);
	give_kb(1020);
	sequential();
	sequential();
	sequential();
	assert_int_equal(made_up.nr_file_events, 2);
	assert_int_equal(last_event()->wanted_kb, 0);
}

static void clamps_hold(void **state)
{
	struct applied a = {.status = APPLIED_ACCEPTED,
			    .accepted_kb = RANDOM_KB,
			    .original_kb = 2560,
			    .holds_original = 1};

	(void)state;
	policy.clamp[0] = CLAMP_NEVER_LOWER;
	set_policy(DEFAULT_POLICY_ID, &policy);
	set_applied(id, &a);
	sequential();
	sequential();
	assert_int_equal(last_event()->wanted_kb, 2560); /* the original, even as it is */
}

static void a_value_of_another_file_system_is_none(void **state)
{
	struct file_value value = {.bdi_id = id + 1, .ra_kb = SEQUENTIAL_KB};

	(void)state;
	hop.ra_pages = 64; /* neither value */
	give(&value);
	sequential();
	sequential();
	assert_int_equal(made_up.nr_file_events, 1);
}

static void only_bdis_in_scope(void **state)
{
	(void)state;
	set_flags(BDI_FS_SEEN);
	sequential();
	sequential();
	sequential();
	assert_int_equal(made_up.nr_file_events, 0);
	assert_int_equal(file.wanted_kb, 0);
}

static void modes(void **state)
{
	static const __u32 quiet[] = {MODE_OBSERVE, MODE_RECOMMEND, MODE_EMERGENCY};
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		config.mode = quiet[i];
		set_config(&config);
		sequential();
		sequential();
		sequential();
		assert_int_equal(made_up.nr_file_events, 0);
		if (quiet[i] == MODE_RECOMMEND)
			assert_int_equal(file.wanted_kb, SEQUENTIAL_KB);
	}
	assert_int_equal(file.nr_hops, 0); /* an emergency forgets */
	config.mode = MODE_ACT;
	set_config(&config);
	sequential();
	sequential();
	sequential();
	assert_int_equal(made_up.nr_file_events, 1);
}

/* --- windows --------------------------------------------------------------------------------- */

/* Totals are kept modulo 2^32. */
static void totals_wrap(void **state)
{
	(void)state;
	file.total[COUNTER_ASYNC_CALLS - FILE_COUNTER_FIRST] = ~0U - 50;
	file.ring[0].total[COUNTER_ASYNC_CALLS - FILE_COUNTER_FIRST] = ~0U - 50;
	put_file();
	sequential();
	assert_int_equal(file.window_calls, 100);
	sequential();
	assert_int_equal(file.window_calls, 200);
	assert_int_equal(made_up.nr_file_events, 1);
}

static void backwards_is_discarded(void **state)
{
	__u64 before = stats().negative;

	(void)state;
	sequential();
	get_file();
	file.total[COUNTER_ORDER_CALLS - FILE_COUNTER_FIRST] -= 1;
	put_file();
	sequential();
	assert_int_equal(stats().negative, before + 1);
	assert_int_equal(file.nr_hops, 1);
	assert_int_equal(made_up.nr_file_events, 0);
}

static void silence_is_thrown_away(void **state)
{
	(void)state;
	sequential();
	hop.idle = 1;
	hop.now_ns += 60000 * MS;
	sequential();
	hop.idle = 0;
	assert_int_equal(file.nr_hops, 1);
	assert_int_equal(file.confirm, 0);
	sequential();
	assert_int_equal(made_up.nr_file_events, 0);
	sequential();
	assert_int_equal(made_up.nr_file_events, 1);
}

static void few_calls_decide_nothing(void **state)
{
	unsigned int h;

	(void)state;
	config.stretch_ns = 5 * HOP;
	set_config(&config);
	for (h = 0; h < 12; h++)
		calls(1, 0);
	assert_int_equal(file.decided_class, CLASS_NONE);
	assert_int_equal(made_up.nr_file_events, 0);
	/* With room to stretch, they are enough some time. */
	config.stretch_ns = 20 * HOP;
	set_config(&config);
	for (h = 0; h < 16; h++)
		calls(1, 0);
	assert_int_equal(file.decided_class, 0);
}

/* Each ratio of a file's window: that of the same calls on a device. */
static void the_window_is_a_devices(void **state)
{
	static const __u32 ratios[] = {FEATURE_ASYNC_SHARE, FEATURE_AROUND_SHARE,
				       FEATURE_HEAD_SHARE,  FEATURE_FILL_RATIO,
				       FEATURE_MARK_RATIO,  FEATURE_USED_RATIO,
				       FEATURE_JUMP_SHARE,  FEATURE_JUMP_RATIO};
	struct mlp_features wanted;
	unsigned int h, i, r, said = 0;
	struct model model;

	for (r = 0; r < 64; r++) {
		struct window w = {.ra_pages = DEVICE_KB / 4, .span_ns = 4 * HOP};
		__u64 value;

		teardown(state);
		setup(state);
		ratio_model(&model, SOURCE_READAHEAD, ratios[r % 8], 0, 1);
		write_model(&model);
		for (h = 0; h < 4; h++) {
			get_file();
			for (i = 0; i < FILE_COUNTERS; i++) {
				__u32 gained = 20 + random_below(one_in(2) ? 50 : 5000);

				file.total[i] += gained;
				w.delta[FILE_COUNTER_FIRST + i] += gained;
			}
			put_file();
			hop.now_ns += HOP;
			end();
			if (file.nr_hops < h + 2)
				break; /* the window has started anew */
		}
		if (h < 4)
			continue;
		said++;
		features_compute(&w, &wanted);
		value = wanted.value[ratios[r % 8]];
		assert_int_equal(file.window_calls, window_readahead_calls(&w));
		assert_int_equal(file.window_class, value > RATIO_ONE / 2 ? 0 : 1);
	}
	assert_true(said > 20);
}

/* --- models ---------------------------------------------------------------------------------- */

static void no_model_no_answer(void **state)
{
	struct model model, none = {0};
	__u64 invalid = stats().model_invalid, sources = stats().model_sources;

	(void)state;
	write_model(&none);
	sequential();
	sequential();
	assert_int_equal(stats().model_invalid, invalid + 2);
	ratio_model(&model, SOURCE_READAHEAD, FEATURE_ASYNC_SHARE, 0, 1);
	model.words[0] ^= 1;
	write_model(&model);
	sequential();
	sequential();
	assert_int_equal(stats().model_invalid, invalid + 4);
	ratio_model(&model, SOURCE_READAHEAD | SOURCE_BLOCK, FEATURE_ASYNC_SHARE, 0, 1);
	write_model(&model);
	sequential();
	sequential();
	assert_int_equal(stats().model_sources, sources + 2);
	assert_int_equal(file.decided_class, CLASS_NONE);
	assert_int_equal(made_up.nr_file_events, 0);
}

static void another_model_confirms_anew(void **state)
{
	struct model model;

	(void)state;
	sequential();
	assert_int_equal(file.confirm, 1);
	ratio_model(&model, SOURCE_READAHEAD, FEATURE_AROUND_SHARE, 1, 0);
	write_model(&model);
	sequential();
	assert_int_equal(file.confirm, 1);
	assert_int_equal(file.decided_class, CLASS_NONE);
	sequential();
	assert_int_equal(file.decided_class, 0);
}

/* --- the ring -------------------------------------------------------------------------------- */

static void a_full_ring_loses_nothing(void **state)
{
	__u64 full = stats().ring_full;
	unsigned int h, sent = 0;
	struct file_hop_args copy;

	(void)state;
	sequential();
	/* Nobody reads: events of this file until there is no room. */
	for (h = 0; h < 400 && stats().ring_full == full; h++) {
		get_file();
		file.total[COUNTER_ASYNC_CALLS - FILE_COUNTER_FIRST] += 100;
		put_file();
		hop.now_ns += 2 * HOP;
		copy = hop;
		assert_int_equal(run_program(end_file_hop, &copy, sizeof(copy)), 0);
		sent++;
	}
	assert_true(stats().ring_full > full);
	forget_events();
	sequential();
	assert_int_equal(made_up.nr_file_events, 1);
	printf("# %u events until the ring was full\n", sent - 1);
}

/* --- the table ------------------------------------------------------------------------------- */

static bool taken(__u64 bdi_id, __u64 ino, __u32 generation, __u64 *jiffy)
{
	struct file_take_args args = {
		.bdi_id = bdi_id,
		.key = {.ino = ino, .generation = generation},
		.first = 100 * FILE_WAYS,
	};

	assert_int_equal(run_program(take, &args, sizeof(args)), 0);
	if (jiffy)
		*jiffy = args.jiffy;
	return args.taken;
}

static void busy_files_keep_their_places(void **state)
{
	__u32 first = 100 * FILE_WAYS, place, way;
	__u64 jiffy, full = stats().table_full, found = 0;
	struct file_state f = {0};

	(void)state;
	for (way = 0; way < FILE_WAYS; way++) {
		place = first + way;
		assert_int_equal(bpf_map_update_elem(files, &place, &f, BPF_ANY), 0);
	}
	for (way = 0; way < FILE_WAYS; way++)
		assert_true(taken(id, 1000 + way, 1, &jiffy));
	assert_false(taken(id, 2000, 1, NULL));
	assert_int_equal(stats().table_full, full + 1);
	/* One that has been silent for longer than a window gives way, the longest first. */
	for (way = 0; way < FILE_WAYS; way++) {
		place = first + way;
		assert_int_equal(bpf_map_lookup_elem(files, &place, &f), 0);
		assert_int_equal(f.bdi_id, id);
		f.seen_jiffy = jiffy - (way == 2 ? 5000 : 4000);
		f.total[3] = 77;
		f.decided_class = 1;
		f.nr_hops = 4;
		assert_int_equal(bpf_map_update_elem(files, &place, &f, BPF_ANY), 0);
	}
	assert_true(taken(id, 1002, 2, NULL)); /* the inode number comes again */
	place = first + 2;
	assert_int_equal(bpf_map_lookup_elem(files, &place, &f), 0);
	assert_int_equal(f.key.ino, 1002);
	assert_int_equal(f.key.generation, 2);
	assert_int_equal(f.total[3], 0);
	assert_int_equal(f.nr_hops, 0);
	assert_int_equal(f.decided_class, CLASS_NONE);
	assert_int_equal(f.claim, 0);
	for (way = 0; way < FILE_WAYS; way++) {
		place = first + way;
		assert_int_equal(bpf_map_lookup_elem(files, &place, &f), 0);
		found += f.bdi_id == id;
	}
	assert_int_equal(found, FILE_WAYS);
	/* A place whose hop ends just now is not taken. */
	for (way = 0; way < FILE_WAYS; way++) {
		place = first + way;
		assert_int_equal(bpf_map_lookup_elem(files, &place, &f), 0);
		f.claim = 1;
		f.seen_jiffy = jiffy - 4000;
		assert_int_equal(bpf_map_update_elem(files, &place, &f, BPF_ANY), 0);
	}
	assert_false(taken(id, 3000, 1, NULL));
}

static void verifier_file(void **state)
{
	struct bpf_object *o = load_object_onto("per_file", made_up.object);

	(void)state;
	if (!o)
		o = load_object_onto("per_file_fentry", made_up.object);
	if (!o) {
		puts("# verifier_file: this kernel has neither form of the readahead layer");
		return;
	}
	assert_int_equal(verified(o), 3);
	bpf_object__close(o);
}

static int group_setup(void **state)
{
	made_up_setup(state);
	object = load_object_onto("file", made_up.object);
	if (!object)
		fail_msg("the kernel refused file.bpf.o");
	files = map_fd(object, "files");
	file_values = map_fd(object, "file_values");
	file_stats = map_fd(object, "file_stats");
	end_file_hop = program_fd(object, "end_file_hop");
	take = program_fd(object, "take");
	return 0;
}

static int group_teardown(void **state)
{
	bpf_object__close(object);
	return made_up_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_a_scan_from_its_device),
		TEST(is_a_level),
		TEST(opened_anew_is_asked_for_again),
		TEST(a_refusal_is_waited_out),
		TEST(near_enough),
		TEST(even_without_a_neighbour),
		TEST(ends_when_the_device_agrees),
		TEST(ends_when_the_class_changes),
		TEST(a_person_has_the_last_word),
		TEST(a_row_of_the_device_counts),
		TEST(clamps_hold),
		TEST(a_value_of_another_file_system_is_none),
		TEST(only_bdis_in_scope),
		TEST(modes),
		TEST(totals_wrap),
		TEST(backwards_is_discarded),
		TEST(silence_is_thrown_away),
		TEST(few_calls_decide_nothing),
		TEST(the_window_is_a_devices),
		TEST(no_model_no_answer),
		TEST(another_model_confirms_anew),
		TEST(a_full_ring_loses_nothing),
		TEST(busy_files_keep_their_places),
		cmocka_unit_test(verifier_file),
	};

	need_root();
	seed_random();
	return cmocka_run_group_tests_name("file", tests, group_setup, group_teardown);
}
