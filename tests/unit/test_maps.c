// SPDX-License-Identifier: GPL-2.0-only
/* Opening pins that are whole, incomplete, or somebody else's; and who owns them. */
#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "loader/defaults.h"
#include "loader/maps.h"
#include "loader/owner.h"

#define BPFFS "/sys/fs/bpf"

static char pin_dir[64];
static const char *unable; /* why maps cannot be pinned here, or NULL */

/* Creates a map and pins it, in the place of what has that name. */
static void pin(const char *name, enum bpf_map_type type, __u32 key, __u32 value, __u32 entries,
		__u32 flags, int inner)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	char path[128];
	int fd;

	if (inner >= 0)
		opts.inner_map_fd = (__u32)inner;
	fd = bpf_map_create(type, name, key, value, entries, &opts);
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "%s/%s", pin_dir, name);
	unlink(path);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
}

static int create_model(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "model", 4, sizeof(struct model), 1, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void pin_everything(void)
{
	int inner = create_model();

	pin("bdis", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct bdi_state), BDI_SLOTS, 0, -1);
	pin("counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 264, BDI_SLOTS, 0, -1);
	pin("bdi_slots", BPF_MAP_TYPE_HASH, 8, 4, BDI_SLOTS, 0, -1);
	pin("bdevs", BPF_MAP_TYPE_HASH, 4, 8, 512, 0, -1);
	pin("models", BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, NR_MODEL_SLOTS, 0, inner);
	pin("config", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct config), 1, 0, -1);
	pin("policy", BPF_MAP_TYPE_HASH, 8, sizeof(struct policy_row), BDI_SLOTS + 1,
	    BPF_F_NO_PREALLOC, -1);
	pin("listed", BPF_MAP_TYPE_HASH, BDI_NAME_LEN, 4, BDI_SLOTS, BPF_F_NO_PREALLOC, -1);
	pin("applied", BPF_MAP_TYPE_HASH, 8, sizeof(struct applied), APPLIED_MAX, BPF_F_NO_PREALLOC,
	    -1);
	pin("events", BPF_MAP_TYPE_RINGBUF, 0, 0, EVENTS_RING_BYTES, 0, -1);
	pin("windows", BPF_MAP_TYPE_RINGBUF, 0, 0, WINDOWS_RING_BYTES, 0, -1);
	pin("stats", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct global_stats), 1, 0, -1);
	pin("scratch", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 16384, 1, 0, -1);
	pin("allocator", BPF_MAP_TYPE_ARRAY, 4, 16, 1, 0, -1);
	close(inner);
}

static int setup(void **state)
{
	(void)state;
	if (unable)
		return 0;
	snprintf(pin_dir, sizeof(pin_dir), BPFFS "/test_maps-%d", (int)getpid());
	return mkdir(pin_dir, 0700);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	if (unable)
		return 0;
	snprintf(command, sizeof(command), "rm -rf -- '%s'", pin_dir);
	return system(command) ? -1 : 0;
}

#define NEEDS_PINS()                                           \
	do {                                                   \
		if (unable) {                                  \
			print_message("# skip: %s\n", unable); \
			skip();                                \
		}                                              \
	} while (0)

static int open_and_close(const char **why)
{
	struct maps maps;
	int err;

	err = maps_open(pin_dir, &maps, why);
	maps_close(&maps);
	return err;
}

static void whole_or_not_at_all(void **state)
{
	char path[128];
	const char *why;

	(void)state;
	NEEDS_PINS();
	assert_int_equal(open_and_close(&why), -ENOENT);
	assert_non_null(strstr(why, "nothing is loaded"));
	pin_everything();
	assert_int_equal(open_and_close(&why), 0);
	assert_null(why);
	snprintf(path, sizeof(path), "%s/applied", pin_dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(open_and_close(&why), -ENOENT);
	assert_non_null(strstr(why, path));
	/* Another version's layout, key or type. */
	pin("applied", BPF_MAP_TYPE_HASH, 8, sizeof(struct applied) + 8, 16, 0, -1);
	assert_int_equal(open_and_close(&why), -EPROTO);
	assert_non_null(strstr(why, path));
	pin("applied", BPF_MAP_TYPE_HASH, 4, sizeof(struct applied), 16, 0, -1);
	assert_int_equal(open_and_close(&why), -EPROTO);
	pin("applied", BPF_MAP_TYPE_LRU_HASH, 8, sizeof(struct applied), 16, 0, -1);
	assert_int_equal(open_and_close(&why), -EPROTO);
	pin("applied", BPF_MAP_TYPE_HASH, 8, sizeof(struct applied), 16, 0, -1);
	assert_int_equal(open_and_close(&why), 0);
}

static void another_interface_version(void **state)
{
	struct config config = {.abi_version = BPFAHEAD_ABI_VERSION};
	struct maps maps;
	const char *why;

	(void)state;
	NEEDS_PINS();
	pin_everything();
	assert_int_equal(maps_open(pin_dir, &maps, &why), 0);
	assert_int_equal(maps_set_config(&maps, &config), 0);
	assert_int_equal(open_and_close(&why), 0);
	config.abi_version++;
	assert_int_equal(maps_set_config(&maps, &config), 0);
	assert_int_equal(open_and_close(&why), -EPROTO);
	maps_close(&maps);
	assert_int_equal(maps.bdis, -1);
	maps_close(&maps); /* twice does no harm */
}

static void memory_includes_the_models(void **state)
{
	long long without, with;
	struct maps maps;
	const char *why;
	__u32 slot = MODEL_ACTING;
	int model;

	(void)state;
	NEEDS_PINS();
	pin_everything();
	assert_int_equal(maps_open(pin_dir, &maps, &why), 0);
	without = maps_memory_bytes(&maps);
	/* The states, and at least one CPU's counters, are in it. */
	assert_true(without > (long long)(BDI_SLOTS * sizeof(struct bdi_state)) + BDI_SLOTS * 264);
	model = create_model();
	assert_int_equal(bpf_map_update_elem(maps.models, &slot, &model, BPF_ANY), 0);
	close(model);
	with = maps_memory_bytes(&maps);
	assert_true(with >= without + (long long)sizeof(struct model));
	maps_close(&maps);
}

static int count_bdi(const struct bdi_state *bdi, void *arg)
{
	unsigned int *count = arg;

	assert_int_equal(bdi->bdi_id, 77);
	assert_int_equal(strnlen(bdi->name, BDI_NAME_LEN), BDI_NAME_LEN - 1);
	return ++*count == 2 ? 5 : 0;
}

static void walking_and_summing(void **state)
{
	struct bdi_state bdi = {.bdi_id = 77};
	struct global_stats sum = {.slots_taken = 99};
	unsigned int count = 0;
	struct maps maps;
	const char *why;
	__u32 slot;

	(void)state;
	NEEDS_PINS();
	pin_everything();
	assert_int_equal(maps_open(pin_dir, &maps, &why), 0);
	assert_int_equal(maps_each_bdi(&maps, count_bdi, &count), 0);
	assert_int_equal(count, 0);
	memset(bdi.name, 'x', sizeof(bdi.name));
	for (slot = 3; slot < BDI_SLOTS; slot += 126)
		assert_int_equal(bpf_map_update_elem(maps.bdis, &slot, &bdi, BPF_ANY), 0);
	assert_int_equal(maps_each_bdi(&maps, count_bdi, &count), 5);
	assert_int_equal(count, 2);
	assert_int_equal(maps_global_stats(&maps, &sum), 0);
	assert_int_equal(sum.slots_taken, 0);
	maps_close(&maps);
}

static void one_owner(void **state)
{
	const char *why;
	int first, second;

	(void)state;
	NEEDS_PINS();
	first = owner_lock(pin_dir);
	assert_true(first >= 0);
	assert_int_equal(owner_lock(pin_dir), -EBUSY);
	close(first);
	second = owner_lock(pin_dir);
	assert_true(second >= 0);
	close(second);
	assert_int_equal(owner_lock(BPFFS "/there-is-no-such"), -ENOENT);
	assert_int_equal(owner_check_bpffs(pin_dir, &why), 0);
	assert_int_equal(owner_check_bpffs(BPFFS "/not/yet/there", &why), 0);
}

static void no_bpf_file_system(void **state)
{
	const char *why = NULL;

	(void)state;
	assert_int_equal(owner_check_bpffs("/proc", &why), -EINVAL);
	assert_non_null(strstr(why, "mount -t bpf"));
	assert_int_equal(owner_check_bpffs("/there-is-no-such/directory", &why), -EINVAL);
	assert_int_equal(owner_check_bpffs("relative", &why), -ENOENT);
}

static void effective_values(void **state)
{
	struct config config = {.hop_ns = 7, .mode = MODE_RECOMMEND};

	(void)state;
	config_effective(&config, &config); /* in place, too */
	assert_int_equal(config.hop_ns, 7);
	assert_int_equal(config.mode, MODE_RECOMMEND);
	assert_int_equal(config.window_ns, DEFAULT_WINDOW_NS);
	assert_int_equal(config.margin, DEFAULT_MARGIN);
	assert_int_equal(config.cap_kb, DEFAULT_CAP_KB);
	assert_int_equal(config.abi_version, BPFAHEAD_ABI_VERSION);
}

static const char *look_around(void)
{
	const char *why;
	int fd;

	if (owner_check_bpffs(BPFFS, &why))
		return "no bpf file system on " BPFFS;
	if (access(BPFFS, W_OK))
		return "this user may not pin on " BPFFS;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "try", 4, 4, 1, NULL);
	if (fd < 0)
		return "this user may not create BPF maps";
	close(fd);
	return NULL;
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(whole_or_not_at_all),
		T(another_interface_version),
		T(memory_includes_the_models),
		T(walking_and_summing),
		T(one_owner),
		cmocka_unit_test(no_bpf_file_system),
		cmocka_unit_test(effective_values),
	};

	unable = look_around();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
