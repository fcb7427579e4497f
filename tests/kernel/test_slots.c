// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots: as many bdis as fit, then the one idle longest makes room, unless its
 * original is held. Bdi ids are made up; nothing is attached. CHURN (10,000)
 * bdis come and go.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "../../loader/defaults.h"
#include "made_up.h"

#define FIRST_ID 5000000ULL
#define IDLE_SINCE 1000000ULL /* a time long before this test */

static struct global_stats before;

/* Counted by now, 0 if there was no room. */
static __u64 see(__u64 bdi_id)
{
	struct see_args args = {
		.bdi_id = bdi_id,
		.source = SOURCE_BLOCK,
		.flags = BDI_FS_SEEN,
	};

	assert_int_equal(run_program(made_up.see, &args, sizeof(args)), 0);
	return args.counted;
}

/* The slot of a bdi, -1 if it has none. Its state must name it. */
static int slot_of(__u64 bdi_id)
{
	struct bdi_state st;
	__u32 slot;

	if (bpf_map_lookup_elem(made_up.bdi_slots, &bdi_id, &slot))
		return -1;
	assert_true(slot < BDI_SLOTS);
	get_bdi(slot, &st);
	assert_int_equal(st.bdi_id, bdi_id);
	return (int)slot;
}

/* Room is looked for once a jiffy; the longest one is 10 ms. */
static void next_jiffy(void)
{
	usleep(20000);
}

static void idle_since(__u64 bdi_id, __u64 time_ns)
{
	int slot = slot_of(bdi_id);
	struct bdi_state st;

	assert_true(slot >= 0);
	get_bdi(slot, &st);
	st.last_seen_ns = time_ns;
	put_bdi(slot, &st);
}

static void hold_original(__u64 bdi_id)
{
	struct applied a = {.status = APPLIED_ACCEPTED, .holds_original = 1, .original_kb = 128};

	set_applied(bdi_id, &a);
}

static unsigned int slots_in_use(void)
{
	struct bdi_state st;
	unsigned int n = 0;
	__u32 slot;

	for (slot = 0; slot < BDI_SLOTS; slot++) {
		get_bdi(slot, &st);
		if (!st.bdi_id)
			continue;
		assert_int_equal(slot_of(st.bdi_id), slot);
		n++;
	}
	return n;
}

static unsigned int names_in_use(void)
{
	__u64 *previous = NULL, key;
	unsigned int n = 0;

	while (!bpf_map_get_next_key(made_up.bdi_slots, previous, &key)) {
		previous = &key;
		n++;
	}
	return n;
}

#define GAINED(field)                                   \
	({                                              \
		struct global_stats now_;               \
		sum_global_stats(made_up.stats, &now_); \
		now_.field - before.field;              \
	})

static int empty_table(void **state)
{
	struct bdi_state none = {0};
	__u32 slot;
	__u64 key;

	(void)state;
	for (slot = 0; slot < BDI_SLOTS; slot++)
		put_bdi(slot, &none);
	while (!bpf_map_get_next_key(made_up.bdi_slots, NULL, &key))
		bpf_map_delete_elem(made_up.bdi_slots, &key);
	return 0;
}

/* BDI_SLOTS bdis, seen in this order: FIRST_ID idle longest. */
static int fill_table(void **state)
{
	struct config config = {.hop_ns = 10 * MS, .mode = MODE_ACT};
	__u64 key, id;

	set_config(&config);
	empty_table(state);
	while (!bpf_map_get_next_key(made_up.applied, NULL, &key))
		bpf_map_delete_elem(made_up.applied, &key);
	sum_global_stats(made_up.stats, &before);
	for (id = FIRST_ID; id < FIRST_ID + BDI_SLOTS; id++) {
		assert_int_equal(see(id), 1);
		idle_since(id, IDLE_SINCE + id - FIRST_ID);
	}
	assert_int_equal(GAINED(slots_taken), BDI_SLOTS);
	assert_int_equal(GAINED(slots_evicted), 0);
	assert_int_equal(slots_in_use(), BDI_SLOTS);
	assert_int_equal(names_in_use(), BDI_SLOTS);
	sum_global_stats(made_up.stats, &before);
	return 0;
}

/* With and without a collision: ids that share their home slot lie elsewhere. */
static void every_bdi_has_its_own_slot(void **state)
{
	char taken[BDI_SLOTS] = {0};
	struct bdi_state st;
	__u64 id;
	int slot;

	(void)state;
	for (id = FIRST_ID; id < FIRST_ID + BDI_SLOTS; id++) {
		slot = slot_of(id);
		assert_true(slot >= 0);
		assert_false(taken[slot]);
		taken[slot] = 1;
		get_bdi(slot, &st);
		assert_int_equal(st.decided_class, CLASS_NONE);
		assert_true(st.name[0]);
		assert_true(st.sysfs_ino);
		assert_int_equal(st.sources, SOURCE_BLOCK);
		/* Seen again on the same slot: it goes on counting. */
		assert_true(see(id) > 0);
		assert_int_equal(slot_of(id), slot);
	}
	assert_int_equal(GAINED(slots_taken), 0);
}

/* Ids of one home slot: the next one has a slot of its own that it takes if it is free. */
static void second_slots(void **state)
{
	const __u64 home = FIRST_ID, first = FIRST_ID + BDI_SLOTS, last = FIRST_ID + 2 * BDI_SLOTS;
	int first_slot, last_slot;

	empty_table(state);
	assert_int_equal(see(home), 1);
	assert_int_equal(slot_of(home), home % BDI_SLOTS);
	assert_int_equal(see(first), 1);
	assert_int_equal(see(last), 1);
	first_slot = slot_of(first);
	last_slot = slot_of(last);
	assert_int_not_equal(first_slot, last_slot);
	empty_table(state);
	assert_int_equal(see(home), 1);
	assert_int_equal(see(last), 1);
	assert_int_equal(see(first), 1);
	assert_int_equal(slot_of(first), first_slot);
	assert_int_equal(slot_of(last), last_slot);
	/* Counted on, each where it is. */
	assert_true(see(first) > 0);
	assert_true(see(last) > 0);
}

static void idle_longest_makes_room(void **state)
{
	int slot = slot_of(FIRST_ID + 2);

	(void)state;
	hold_original(FIRST_ID);
	hold_original(FIRST_ID + 1);
	assert_int_equal(see(FIRST_ID + 1000), 1);
	assert_int_equal(slot_of(FIRST_ID + 1000), slot);
	assert_int_equal(slot_of(FIRST_ID + 2), -1);
	assert_true(slot_of(FIRST_ID) >= 0);
	assert_true(slot_of(FIRST_ID + 1) >= 0);
	assert_int_equal(GAINED(slots_evicted), 1);
	assert_int_equal(GAINED(slots_taken), 1);
	assert_int_equal(GAINED(table_full), 0);
	/* What was evicted may come back; then the next one in line goes. */
	assert_int_equal(see(FIRST_ID + 2), 1);
	assert_int_equal(slot_of(FIRST_ID + 3), -1);
	assert_int_equal(GAINED(slots_evicted), 2);
	assert_int_equal(slots_in_use(), BDI_SLOTS);
	assert_int_equal(names_in_use(), BDI_SLOTS);
}

/* A slot whose owner was seen within a hop may still be counted into. */
static void recently_seen_stays(void **state)
{
	__u64 id;

	(void)state;
	for (id = FIRST_ID; id < FIRST_ID + BDI_SLOTS; id++)
		idle_since(id, now_ns() + 1000000 * MS);
	assert_int_equal(see(FIRST_ID + 1000), 0);
	assert_int_equal(slot_of(FIRST_ID + 1000), -1);
	assert_int_equal(GAINED(table_full), 1);
	assert_int_equal(GAINED(slots_evicted), 0);
	idle_since(FIRST_ID + 77, now_ns() - 20 * MS);
	next_jiffy();
	assert_int_equal(see(FIRST_ID + 1000), 1);
	assert_int_equal(slot_of(FIRST_ID + 77), -1);
}

static void held_originals_stay(void **state)
{
	__u64 id;

	(void)state;
	for (id = FIRST_ID; id < FIRST_ID + BDI_SLOTS; id++)
		hold_original(id);
	usleep((DEFAULT_DWELL_NS + 100 * MS) / 1000); /* since the test before */
	forget_events();
	for (id = FIRST_ID + 1000; id < FIRST_ID + 1010; id++)
		assert_int_equal(see(id), 0);
	assert_int_equal(GAINED(table_full), 10);
	/* The helper is asked once to forget what has left. */
	read_events();
	assert_int_equal(made_up.nr_events, 1);
	assert_int_equal(made_up.event[0].reason, EVENT_TABLE_FULL);
	assert_int_equal(GAINED(slots_evicted), 0);
	for (id = FIRST_ID; id < FIRST_ID + BDI_SLOTS; id++)
		assert_true(slot_of(id) >= 0);
	/* Given back: now it may go. */
	set_applied(FIRST_ID + 200, NULL);
	next_jiffy();
	assert_int_equal(see(FIRST_ID + 1000), 1);
	assert_int_equal(slot_of(FIRST_ID + 200), -1);
}

/* More bdis than slots: within a jiffy the second is turned away without the lock. */
static void refusal_takes_no_lock(void **state)
{
	struct allocator { /* the lock, and room for what else there is */
		__u64 lock, rest[127];
	} alloc;
	int allocator = map_fd(made_up.object, "allocator"), tries;
	__u32 zero = 0;
	__u64 id;

	(void)state;
	assert_true(bpf_map__value_size(bpf_object__find_map_by_name(
			    made_up.object, "allocator")) <= sizeof(alloc));
	for (id = FIRST_ID; id < FIRST_ID + BDI_SLOTS; id++)
		hold_original(id);
	/* A jiffy may end in between. */
	for (tries = 0; tries < 1000 && GAINED(table_full) < 2; tries++) {
		sum_global_stats(made_up.stats, &before);
		assert_int_equal(see(FIRST_ID + 1000), 0);
		assert_int_equal(bpf_map_lookup_elem(allocator, &zero, &alloc), 0);
		alloc.lock = 1;
		assert_int_equal(bpf_map_update_elem(allocator, &zero, &alloc, BPF_ANY), 0);
		assert_int_equal(see(FIRST_ID + 1001), 0);
		alloc.lock = 0;
		assert_int_equal(bpf_map_update_elem(allocator, &zero, &alloc, BPF_ANY), 0);
	}
	assert_int_equal(GAINED(table_full), 2);
	assert_int_equal(GAINED(alloc_busy), 0);
}

/* Jiffies until the clock is looked at again, the hop's end being so far away. */
static __u64 due_in(__u64 bdi_id, __u64 left_ns)
{
	struct see_args args = {.bdi_id = bdi_id, .source = SOURCE_BLOCK};
	int slot = slot_of(bdi_id), tries;
	struct bdi_state st;
	__u64 least = ~0ULL;

	assert_true(slot >= 0);
	/* A jiffy may end while the program runs: then it is one more. */
	for (tries = 0; tries < 5; tries++) {
		get_bdi(slot, &st);
		st.last_seen_ns = now_ns();
		st.hop_deadline_ns = st.last_seen_ns + left_ns;
		put_bdi(slot, &st);
		assert_int_equal(run_program(made_up.see, &args, sizeof(args)), 0);
		assert_true(args.counted);
		if (args.due_in < least)
			least = args.due_in;
	}
	return least;
}

/* The clock rests while the hop's end is far, and never past it. */
static void clock_rests(void **state)
{
	struct config config = {.hop_ns = 2000 * MS, .mode = MODE_OBSERVE};
	struct see_args args = {.bdi_id = FIRST_ID, .source = SOURCE_BLOCK};
	__u64 jiffy_ns[] = {0, 1 * MS, 4 * MS, 10 * MS, ~0U}, ns;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(jiffy_ns) / sizeof(*jiffy_ns); i++) {
		config.jiffy_ns = jiffy_ns[i];
		set_config(&config);
		ns = jiffy_ns[i] && jiffy_ns[i] < 10 * MS ? jiffy_ns[i] : 10 * MS;
		assert_int_equal(due_in(FIRST_ID, 1900 * MS), 1 + 250 * MS / ns);
		assert_in_range(due_in(FIRST_ID, 120 * MS), 1, 1 + 90 * MS / ns);
		assert_in_range(due_in(FIRST_ID, 1 * MS), 1, 1);
		/* Over, and ended by that event: the next end is far. */
		assert_int_equal(due_in(FIRST_ID, 0), 1 + 250 * MS / ns);
	}
	/* A hook that this CPU has not heard of goes the long way once, whatever the clock. */
	due_in(FIRST_ID, 1900 * MS);
	assert_int_equal(run_program(made_up.see, &args, sizeof(args)), 0);
	assert_int_equal(args.at_hand, SOURCE_BLOCK);
	args.source = SOURCE_READAHEAD;
	assert_int_equal(run_program(made_up.see, &args, sizeof(args)), 0);
	assert_int_equal(args.at_hand, SOURCE_BLOCK | SOURCE_READAHEAD);
}

/* Bdis that come and go: always the oldest is replaced, and no slot is lost. */
static void churn_leaks_nothing(void **state)
{
	unsigned long n, churn = env_number("CHURN", 10000);
	__u64 id;

	(void)state;
	assert_true(churn > BDI_SLOTS);
	for (n = 0; n < churn; n++) {
		id = FIRST_ID + BDI_SLOTS + n;
		assert_int_equal(see(id), 1); /* from 0, whoever counted here before */
		idle_since(id, IDLE_SINCE + BDI_SLOTS + n);
		assert_int_equal(slot_of(FIRST_ID + n), -1);
		assert_true(slot_of(FIRST_ID + n + 1) >= 0);
	}
	assert_int_equal(GAINED(slots_evicted), churn);
	assert_int_equal(GAINED(slots_taken), churn);
	assert_int_equal(GAINED(table_full), 0);
	assert_int_equal(slots_in_use(), BDI_SLOTS);
	assert_int_equal(names_in_use(), BDI_SLOTS);
	printf("# %lu bdis in %d slots\n", churn + BDI_SLOTS, BDI_SLOTS);
}

/* More bdis than slots from every CPU at once: nothing is lost, given twice, or left locked. */
static void two_cpus_at_once(void **state)
{
	unsigned int allocator = map_fd(made_up.object, "allocator"), i;
	__u64 end = now_ns() + env_number("RACE_SECONDS", 3) * 1000 * MS, id, lock[2];
	struct see_args args = {.source = SOURCE_BLOCK, .flags = BDI_FS_SEEN};
	__u32 slot, zero = 0;
	struct bdi_state st;
	pid_t child[3];
	int status;

	(void)state;
	for (i = 0; i < 3; i++) {
		child[i] = fork();
		assert_true(child[i] >= 0);
		if (child[i])
			continue;
		for (id = i + 1; now_ns() < end;) {
			LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &args,
				    .ctx_size_in = sizeof(args));

			id = id * 6364136223846793005ULL + 1442695040888963407ULL;
			args.bdi_id = FIRST_ID + (id >> 33) % (2 * BDI_SLOTS);
			if (bpf_prog_test_run_opts(made_up.see, &run) || run.retval)
				_exit(1);
		}
		_exit(0);
	}
	for (i = 0; i < 3; i++) {
		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_int_equal(status, 0);
	}
	printf("# %llu slots taken, %llu evictions, %llu times no room, %llu times busy\n",
	       GAINED(slots_taken), GAINED(slots_evicted), GAINED(table_full), GAINED(alloc_busy));
	assert_true(GAINED(slots_evicted) > 100);
	assert_int_equal(GAINED(slots_taken), GAINED(slots_evicted));
	assert_int_equal(slots_in_use(), BDI_SLOTS);
	assert_int_equal(names_in_use(), BDI_SLOTS);
	for (slot = 0; slot < BDI_SLOTS; slot++) {
		get_bdi(slot, &st);
		assert_int_equal(st.claim, 0);
		assert_int_equal(st.stats.negative, 0);
	}
	assert_int_equal(bpf_map_lookup_elem(allocator, &zero, lock), 0);
	assert_int_equal(lock[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_bdi_has_its_own_slot, fill_table),
		cmocka_unit_test_setup(second_slots, empty_table),
		cmocka_unit_test_setup(idle_longest_makes_room, fill_table),
		cmocka_unit_test_setup(recently_seen_stays, fill_table),
		cmocka_unit_test_setup(held_originals_stay, fill_table),
		cmocka_unit_test_setup(refusal_takes_no_lock, fill_table),
		cmocka_unit_test_setup(clock_rests, fill_table),
		cmocka_unit_test_setup(churn_leaks_nothing, fill_table),
		cmocka_unit_test_setup(two_cpus_at_once, fill_table),
	};

	need_root();
	return cmocka_run_group_tests_name("slots", tests, made_up_setup, made_up_teardown);
}
