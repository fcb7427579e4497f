// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps full of rubbish: models, policies, configurations and answers by raw
 * updates. CASES (100,000) made-up hops are held to a second writing of the
 * rules; then HOSTILE_SECONDS (20) of real reads from a loop device, with the maps
 * overwritten as fast as one process can. Never a value outside the bounds,
 * never a decision by an unsound model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "made_up.h"
#include "bpf/mlp.h"
#include "loader/defaults.h"

static __u32 random_kb(void)
{
	static const __u32 kb[] = {0,     1,     3,        4,          5,         16,
				   64,    128,   512,      8192,       8193,      65535,
				   65536, 65537, 1U << 31, 0xffffffff, 0x7fffffff};

	return one_in(4) ? (__u32)random_magnitude() : kb[random_below(sizeof(kb) / sizeof(*kb))];
}

static void random_policy(struct policy_row *row)
{
	unsigned int i;

	for (i = 0; i < CLASSES_MAX; i++) {
		row->ra_kb[i] = random_kb();
		row->clamp[i] = one_in(4) ? random64() : random_below(3);
	}
}

/* One field in so many is wild, the others let decisions come about. */
static void random_config(struct config *c, unsigned int wild)
{
	*c = (struct config){
		.abi_version = BPFAHEAD_ABI_VERSION,
		.mode = one_in(8) ? random_below(NR_MODES) : 1 + random_below(2),
		.hop_ns = 10 * MS,
		.window_ns = 50 * MS,
		.dwell_ns = 10 * MS,
		.margin = 1,
		.confirm = 1,
		.min_calls = 1,
		.scope = SCOPE_ALL,
		.record = one_in(8),
	};
#define WILD(field)                                    \
	do {                                           \
		if (one_in(wild))                      \
			c->field = random_magnitude(); \
	} while (0)
	WILD(abi_version);
	WILD(mode);
	WILD(hop_ns);
	WILD(window_ns);
	WILD(stretch_ns);
	WILD(idle_ns);
	WILD(dwell_ns);
	WILD(margin);
	WILD(confirm);
	WILD(min_calls);
	WILD(floor_kb);
	WILD(cap_kb);
	WILD(scope);
	WILD(record);
	WILD(reserved[random_below(9)]);
#undef WILD
	if (one_in(8))
		c->floor_kb = random_kb();
	if (one_in(8))
		c->cap_kb = random_kb();
	if (one_in(100))
		memset(c, one_in(2) ? 0xff : 0, sizeof(*c));
}

static void sound_model(struct model *m)
{
	do {
		random_model(m, one_in(4));
	} while (fault_of(m));
}

static void unsound_model(struct model *m)
{
	__u32 i;

	do {
		random_model(m, one_in(4));
		switch (random_below(8)) {
		case 0:
			memset(m, one_in(2) ? 0xff : 0, sizeof(*m));
			break;
		case 1:
			for (i = 0; i < sizeof(*m) / 8; i++)
				((model_word *)m)[i] = random64();
			break;
		default:
			spoil_model(m);
		}
	} while (!fault_of(m));
}

/* --- made-up hops: the rules, written a second time ------------------------------------------- */

#define SLOTS_USED 8

struct watched {
	__u64 id;
	__u64 checksum; /* of the last sound model that was evaluated */
	struct bdi_state st;
	struct policy_row own;
	struct applied applied;
	__u32 had_pages; /* before this hop */
	bool has_own, has_applied, only_unsound;
};

static struct watched watched[SLOTS_USED];
static struct policy_row default_row;
static struct config config;
static struct model model;
static bool sound;
static unsigned long nr_events, nr_decisions, nr_unsound, nr_windows, nr_fresh;

static __u64 in_force(__u64 value, __u64 preset, __u64 low, __u64 high)
{
	if (!value)
		value = preset;
	return value < low ? low : value > high ? high : value;
}

/* An even number of pages that might be mistaken for twice another value. */
static bool gives_way(const struct watched *w, const struct policy_row *row, __u32 pages,
		      __u32 original, __u32 floor_kb, __u32 cap_kb)
{
	__u32 i, other;

	if (pages & (pages - 1) || original * 2 == pages || original == pages * 2 ||
	    w->had_pages & (pages / 2 | pages * 2))
		return true;
	for (i = 0; i < CLASSES_MAX; i++) {
		if (!row->ra_kb[i])
			continue;
		other = in_force(row->ra_kb[i], 0, floor_kb, cap_kb) / 4;
		if (other == pages * 2 || (other * 2 == pages && other <= 4))
			return true;
	}
	return false;
}

static __u32 expected_kb(const struct watched *w, __u32 ra_kb, __u32 class_id)
{
	__u32 floor_kb =
		in_force(config.floor_kb, DEFAULT_FLOOR_KB, RA_KB_HARD_MIN, RA_KB_HARD_MAX);
	__u32 cap_kb = in_force(config.cap_kb, DEFAULT_CAP_KB, floor_kb, RA_KB_HARD_MAX);
	__u32 original =
		w->has_applied && w->applied.holds_original ? w->applied.original_kb : ra_kb;
	const struct policy_row *row = &default_row;
	__u32 kb;

	if (class_id >= CLASSES_MAX || !original)
		return 0;
	if (w->has_own)
		row = &w->own;
	if (!row->ra_kb[class_id])
		return 0;
	kb = in_force(row->ra_kb[class_id], 0, floor_kb, cap_kb);
	assert_in_range(kb, floor_kb, cap_kb);
	if (kb == original)
		return kb;
	if (kb / 4 > 4 && kb / 4 % 2 == 0 &&
	    gives_way(w, row, kb / 4, original / 4, floor_kb, cap_kb)) {
		if (kb >= floor_kb + 4)
			kb -= 4;
		else if (kb + 4 <= cap_kb)
			kb += 4;
	}
	if (row->clamp[class_id] == CLAMP_NEVER_LOWER && original > kb)
		return original;
	if (row->clamp[class_id] == CLAMP_NEVER_RAISE && original < kb)
		return original;
	return kb;
}

static bool model_has_class(__u32 class_id)
{
	__u32 i;

	for (i = 0; i < model.header.nr_outputs; i++)
		if (model.header.class_id[i] == class_id ||
		    /* what pages in place are taken for */
		    (model.header.class_id[i] == CLASS_PAGES && class_id == CLASS_SEQUENTIAL))
			return true;
	return false;
}

static void check_event(const struct watched *w, const struct event *e)
{
	assert_int_equal(e->abi_version, BPFAHEAD_ABI_VERSION);
	assert_int_equal(e->bdi_id, w->id);
	assert_true(e->mode == MODE_ACT || e->mode == MODE_RECOMMEND);
	assert_int_equal(e->mode, config.mode);
	assert_in_range(e->new_class, 0, CLASSES_MAX - 1);
	assert_int_equal(e->model_checksum, w->checksum);
	assert_int_equal(e->wanted_kb, expected_kb(w, e->ra_kb, e->new_class));
	assert_int_not_equal(e->wanted_kb, 0);
	assert_false(w->only_unsound);
	nr_events++;
}

static void begin_afresh(struct watched *w, __u32 slot)
{
	static __u64 next_id = 1000;

	if (w->id) {
		set_policy(w->id, NULL);
		set_applied(w->id, NULL);
	}
	memset(w, 0, sizeof(*w));
	w->id = next_id++;
	w->only_unsound = true;
	fresh_bdi(slot, w->id, "0:99");
	get_bdi(slot, &w->st);
	nr_fresh++;
}

static void disturb(struct watched *w)
{
	if (one_in(3)) {
		random_policy(&default_row);
		set_policy(DEFAULT_POLICY_ID, &default_row);
	}
	if (one_in(8)) {
		w->has_own = one_in(2);
		random_policy(&w->own);
		set_policy(w->id, w->has_own ? &w->own : NULL);
	}
	if (one_in(8)) {
		w->has_applied = one_in(2);
		memset(&w->applied, 0, sizeof(w->applied));
		w->applied.decision_seq = one_in(2) ? w->st.decision_seq : random64();
		w->applied.retry_ns = random_magnitude();
		w->applied.busy_until_ns = random_magnitude();
		w->applied.status = one_in(8) ? (__u32)random64() : random_below(5);
		w->applied.accepted_kb = random_kb();
		w->applied.original_kb = random_kb();
		w->applied.holds_original = one_in(8) ? (__u32)random64() : random_below(2);
		set_applied(w->id, w->has_applied ? &w->applied : NULL);
	}
	if (one_in(2)) {
		random_config(&config, 16);
		set_config(&config);
	}
	if (one_in(2)) {
		if (one_in(3))
			unsound_model(&model);
		else
			sound_model(&model);
		sound = !fault_of(&model);
		write_model(&model);
	}
}

static void random_totals(__u32 slot, const struct watched *w)
{
	__u64 add[COUNTERS_MAX] = {0};
	unsigned int i;

	for (i = 0; i < NR_COUNTERS; i++)
		add[i] = one_in(64) ? random_magnitude() : random_below(1000);
	count_on(slot, random_below(made_up.cpus), w->id, add);
}

static void one_case(void)
{
	static __u64 time_ns = 1000000 * MS;
	__u32 slot = random_below(SLOTS_USED), i;
	struct watched *w = &watched[slot];
	struct hop_args hop = {.slot = slot};
	struct bdi_state *st = &w->st, before;

	if (!w->id || one_in(32))
		begin_afresh(w, slot);
	disturb(w);
	random_totals(slot, w);
	before = *st;
	w->had_pages = before.had_pages;
	time_ns += one_in(8) ? random_below(20000 * MS) : 20 * MS;
	hop.now_ns = time_ns;
	hop.ra_pages = one_in(16) ? random_magnitude() >> 34 : 1 + random_below(4096);
	hop.limits_sig = random_below(3);
	hop.idle = one_in(32);
	end_hop(&hop);
	get_bdi(slot, st);
	read_events();
	nr_windows += st->stats.windows - before.stats.windows;
	if (!sound) {
		nr_unsound++;
		assert_int_equal(st->stats.decisions, before.stats.decisions);
		assert_int_equal(st->decided_class, before.decided_class);
		assert_int_equal(st->model_checksum, before.model_checksum);
	} else if (st->stats.windows > before.stats.windows && !st->model_fault) {
		w->only_unsound = false;
		w->checksum = model.header.checksum;
	}
	assert_int_equal(st->model_checksum, w->checksum);
	if (st->stats.decisions > before.stats.decisions) {
		assert_int_equal(st->stats.decisions, before.stats.decisions + 1);
		assert_true(model_has_class(st->decided_class));
		assert_true(config.mode == MODE_ACT || config.mode == MODE_RECOMMEND);
		nr_decisions++;
	}
	if (st->wanted_kb != before.wanted_kb)
		assert_int_equal(st->wanted_kb, expected_kb(w, st->ra_kb, st->decided_class));
	assert_in_range(made_up.nr_events, 0, 1);
	for (i = 0; i < made_up.nr_events; i++)
		check_event(w, &made_up.event[i]);
}

static void made_up_hops(void **state)
{
	unsigned long n, cases = env_number("CASES", 100000);

	(void)state;
	unsound_model(&model);
	write_model(&model);
	random_policy(&default_row);
	set_policy(DEFAULT_POLICY_ID, &default_row);
	set_config(&config);
	for (n = 0; n < cases; n++) {
		one_case();
		made_up.nr_events = 0;
	}
	printf("# %lu hops (%lu windows, %lu with an unsound model, %lu fresh bdis): %lu "
	       "decisions, "
	       "%lu events, each as the rules say\n",
	       n, nr_windows, nr_unsound, nr_fresh, nr_decisions, nr_events);
	/* Enough came through to have been wrong. */
	assert_true(nr_windows > cases / 4);
	assert_true(nr_unsound > cases / 10);
	assert_true(nr_decisions > cases / 50);
	assert_true(nr_events > cases / 50);
}

/* --- real reads ------------------------------------------------------------------------------- */

static struct attached attached;
static struct disk disk;
static struct ring_buffer *ring;
static __u64 *sums;
static size_t nr_sums, room;
static unsigned long real_events, events_of_disk;
static bool nothing_may_come;

/* Checksums of the sound models that were ever in place, sorted on demand. */
static void remember_sum(__u64 sum)
{
	if (nr_sums == room) {
		room = room ? 2 * room : 4096;
		sums = realloc(sums, room * sizeof(*sums));
		assert_non_null(sums);
	}
	sums[nr_sums++] = sum;
}

static bool known_sum(__u64 sum)
{
	size_t i;

	/* The newest are the likely ones. */
	for (i = nr_sums; i > 0; i--)
		if (sums[i - 1] == sum)
			return true;
	return false;
}

static int take_real_event(void *context, void *data, size_t size)
{
	const struct event *e = data;

	(void)context;
	if (e->reason == EVENT_SAMPLE || e->reason == EVENT_APPEARED) {
		assert_int_equal(size,
				 e->reason == EVENT_SAMPLE ? sizeof(struct sample) : sizeof(*e));
		return 0;
	}
	assert_int_equal(size, sizeof(*e));
	assert_false(nothing_may_come);
	assert_true(e->mode == MODE_ACT || e->mode == MODE_RECOMMEND);
	assert_in_range(e->new_class, 0, CLASSES_MAX - 1);
	assert_true(e->wanted_kb >= RA_KB_HARD_MIN);
	/* Originals given below lie within the bounds too, so only the device's own may not. */
	if (e->wanted_kb > RA_KB_HARD_MAX)
		assert_int_equal(e->wanted_kb, e->ra_kb);
	assert_true(known_sum(e->model_checksum));
	real_events++;
	events_of_disk += !strcmp(e->name, disk.name);
	return 0;
}

struct sum_of_states {
	__u64 decisions, windows, no_model, id;
};

static void sum_states(struct sum_of_states *s)
{
	int bdis = map_fd(attached.readahead, "bdis");
	struct bdi_state st;
	__u32 slot;

	memset(s, 0, sizeof(*s));
	for (slot = 0; slot < BDI_SLOTS; slot++) {
		assert_int_equal(bpf_map_lookup_elem(bdis, &slot, &st), 0);
		if (!st.bdi_id)
			continue;
		s->decisions += st.stats.decisions;
		s->windows += st.stats.windows;
		s->no_model += st.stats.no_model;
		if (!strcmp(st.name, disk.name))
			s->id = st.bdi_id;
	}
}

static void put_config(const struct config *c)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(map_fd(attached.readahead, "config"), &zero, c, 0), 0);
}

static void tame_config(void)
{
	struct config c = {
		.abi_version = BPFAHEAD_ABI_VERSION,
		.mode = MODE_ACT,
		.hop_ns = 10 * MS,
		.window_ns = 50 * MS,
		.dwell_ns = 10 * MS,
		.margin = 1,
		.confirm = 1,
		.min_calls = 1,
		.scope = SCOPE_ALL,
	};

	put_config(&c);
}

/* Only unsound models, in place and swapped in: nothing may be decided. */
static void only_unsound(__u64 seconds)
{
	int models = map_fd(attached.readahead, "models"), inner;
	__u32 zero = 0, slot = MODEL_ACTING;
	struct sum_of_states before, after;
	struct model m;
	__u64 end;

	unsound_model(&m);
	inner = make_inner_model(&m, false);
	assert_int_equal(bpf_map_update_elem(models, &slot, &inner, BPF_ANY), 0);
	tame_config();
	usleep(50000); /* a hop that began under the last model has ended */
	assert_true(ring_buffer__consume(ring) >= 0);
	sum_states(&before);
	end = now_ns() + seconds * 1000 * MS;
	while (now_ns() < end) {
		unsound_model(&m);
		assert_int_equal(bpf_map_update_elem(inner, &zero, &m, BPF_ANY), 0);
		assert_true(ring_buffer__consume(ring) >= 0);
	}
	sum_states(&after);
	close(inner);
	printf("# %llu evaluations of unsound models, %llu decisions\n",
	       after.no_model - before.no_model, after.decisions - before.decisions);
	assert_true(after.no_model - before.no_model > 10 * seconds);
	assert_int_equal(after.decisions, before.decisions);
}

/* One raw update after the other, sound or not. */
static void one_raw_update(int inner, __u64 id)
{
	__u64 key = one_in(2) ? DEFAULT_POLICY_ID : id;
	int models = map_fd(attached.readahead, "models");
	__u32 zero = 0, slot = MODEL_ACTING;
	struct policy_row row;
	struct applied a = {0};
	struct config c;
	struct model m;

	switch (random_below(5)) {
	case 0:
		random_policy(&row);
		assert_int_equal(bpf_map_update_elem(map_fd(attached.readahead, "policy"), &key,
						     &row, BPF_ANY),
				 0);
		break;
	case 1:
		random_config(&c, 32);
		/* A hop once begun lasts as long as it was to: seconds would pass idly. */
		if (c.hop_ns > 200 * MS)
			c.hop_ns = 200 * MS;
		put_config(&c);
		break;
	case 2:
		a.status = random_below(6);
		a.decision_seq = random64();
		a.retry_ns = random_magnitude();
		a.busy_until_ns = random_magnitude();
		a.accepted_kb = random_kb();
		a.original_kb = RA_KB_HARD_MIN + random_below(RA_KB_HARD_MAX - RA_KB_HARD_MIN);
		a.holds_original = one_in(2);
		if (one_in(4))
			bpf_map_update_elem(map_fd(attached.readahead, "applied"), &id, &a, 0);
		else
			bpf_map_delete_elem(map_fd(attached.readahead, "applied"), &id);
		break;
	default:
		if (one_in(3))
			unsound_model(&m);
		else
			sound_model(&m);
		if (!fault_of(&m))
			remember_sum(m.header.checksum);
		if (one_in(64)) {
			push_model(models, MODEL_ACTING, &m);
			assert_int_equal(bpf_map_update_elem(models, &slot, &inner, BPF_ANY), 0);
		} else if (one_in(64)) {
			push_model(models, MODEL_SHADOW, &m);
		} else {
			assert_int_equal(bpf_map_update_elem(inner, &zero, &m, BPF_ANY), 0);
		}
	}
}

/* Decisions were made, and told of the device under load. */
static bool enough_decided(const struct sum_of_states *before, struct sum_of_states *after,
			   __u64 seconds)
{
	sum_states(after);
	return after->decisions - before->decisions > seconds && events_of_disk > seconds;
}

static void anything(__u64 seconds)
{
	int models = map_fd(attached.readahead, "models"), inner;
	struct sum_of_states before, after;
	__u32 slot = MODEL_ACTING;
	unsigned long n = 0;
	__u64 end, last;
	struct model m;
	bool enough;

	sound_model(&m);
	remember_sum(m.header.checksum);
	inner = make_inner_model(&m, false);
	assert_int_equal(bpf_map_update_elem(models, &slot, &inner, BPF_ANY), 0);
	sum_states(&before);
	assert_true(before.id);
	end = now_ns() + seconds * 1000 * MS;
	last = end + 10 * seconds * 1000 * MS;
	/* A slow machine gets the time that it takes to decide enough. */
	while (now_ns() < end || (now_ns() < last && !enough_decided(&before, &after, seconds))) {
		one_raw_update(inner, before.id);
		assert_true(ring_buffer__consume(ring) >= 0);
		/* Let some hops end under settings that let them. */
		if (++n % 16 == 0) {
			tame_config();
			usleep(2000);
		}
	}
	enough = enough_decided(&before, &after, seconds);
	close(inner);
	printf("# %lu raw updates: %llu windows, %llu decisions, %lu events (%lu of the loop "
	       "device), each within bounds and of a sound model\n",
	       n, after.windows - before.windows, after.decisions - before.decisions, real_events,
	       events_of_disk);
	assert_true(n > 100 * seconds);
	assert_true(enough);
}

static void real_reads(void **state)
{
	__u64 seconds = env_number("HOSTILE_SECONDS", 20);
	struct sum_of_states s;
	struct policy_row row;
	__u64 key = DEFAULT_POLICY_ID;
	pid_t load[2];
	unsigned int i;

	(void)state;
	if (seconds < 4)
		seconds = 4;
	make_disk(&disk, 64);
	attach_real(&attached);
	ring = ring_buffer__new(map_fd(attached.readahead, "events"), take_real_event, NULL, NULL);
	assert_non_null(ring);
	for (i = 0; i < CLASSES_MAX; i++) {
		row.ra_kb[i] = 64;
		row.clamp[i] = CLAMP_NONE;
	}
	assert_int_equal(bpf_map_update_elem(map_fd(attached.readahead, "policy"), &key, &row, 0),
			 0);
	load[0] = start_load(&disk, LOAD_DIRECT_RANDOM);
	load[1] = start_load(&disk, LOAD_CACHED_SEQUENTIAL);
	nothing_may_come = true;
	only_unsound(seconds / 4);
	nothing_may_come = false;
	sum_states(&s);
	assert_int_equal(s.decisions, 0);
	anything(seconds / 2);
	only_unsound(seconds / 4);
	stop_load(load[0]);
	stop_load(load[1]);
	ring_buffer__free(ring);
	detach_real(&attached);
	remove_disk(&disk);
}

static int setup(void **state)
{
	seed_random();
	return made_up_setup(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_up_hops),
		cmocka_unit_test(real_reads),
	};

	need_root();
	return cmocka_run_group_tests_name("hostile", tests, setup, made_up_teardown);
}
