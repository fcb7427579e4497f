// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the maps cost with every table full, at this machine's CPUs, at 2 and
 * at 256; and what the verifier has to read. Bars: 1 MiB, 32 MiB, and 250,000
 * instructions a program, a quarter of what kernels accept.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "kernel_test.h"

static struct bpf_object *readahead;

/* Bytes charged for one map, from its fdinfo. */
static unsigned long long charged(int fd)
{
	static const char field[] = "memlock:";
	unsigned long long bytes = 0;
	char path[64], line[256];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file)) {
		found = !strncmp(line, field, strlen(field));
		if (found)
			bytes = strtoull(line + strlen(field), NULL, 10);
	}
	fclose(file);
	assert_true(found);
	return bytes;
}

static void fill_hash(int fd, const struct bpf_map_info *info)
{
	int cpus = libbpf_num_possible_cpus();
	char *value = calloc(cpus, (info->value_size + 7) & ~7U), *key = calloc(1, info->key_size);
	__u32 i;

	assert_non_null(value);
	assert_non_null(key);
	for (i = 0; i < info->max_entries; i++) {
		__u32 n = i + 1;

		memcpy(key, &n, sizeof(n));
		assert_int_equal(bpf_map_update_elem(fd, key, value, BPF_ANY), 0);
	}
	free(value);
	free(key);
}

static void get_info(int fd, struct bpf_map_info *info)
{
	__u32 size = sizeof(*info);

	memset(info, 0, sizeof(*info));
	assert_int_equal(bpf_obj_get_info_by_fd(fd, info, &size), 0);
}

static void maps_fit(void **state)
{
	unsigned long long total = 0, per_cpu = 0, empty = 0, bytes, at_2, at_256;
	int cpus = libbpf_num_possible_cpus(), fd;
	struct model model = {0};
	struct bpf_map_info info;
	struct bpf_map *map;
	__u32 slot;

	(void)state;
	/* Before 6.4 (map_mem_usage) fdinfo has an estimate from the sizes of keys and values. */
	if (!charged(map_fd(readahead, "events"))) {
		printf("# skip: this kernel does not tell what a map takes\n");
		skip();
	}
	for (slot = 0; slot < NR_MODEL_SLOTS; slot++) {
		fd = make_inner_model(&model, true);
		total += charged(fd);
		assert_int_equal(
			bpf_map_update_elem(map_fd(readahead, "models"), &slot, &fd, BPF_ANY), 0);
		close(fd);
	}
	/* The one before, for `weights rollback`. */
	total += total / NR_MODEL_SLOTS;
	empty = total;
	bpf_object__for_each_map(map, readahead)
	{
		/* Constants of the object, if it has any. */
		if (bpf_map__is_internal(map))
			continue;
		fd = bpf_map__fd(map);
		get_info(fd, &info);
		empty += charged(fd);
		if (info.type == BPF_MAP_TYPE_HASH)
			fill_hash(fd, &info);
		bytes = charged(fd);
		assert_true(bytes);
		total += bytes;
		if (info.type == BPF_MAP_TYPE_PERCPU_ARRAY)
			per_cpu += (unsigned long long)((info.value_size + 7) & ~7U) *
				   info.max_entries;
		printf("# %-10s %8llu bytes\n", info.name, bytes);
	}
	assert_true(cpus > 0);
	assert_true(per_cpu > 0);
	at_2 = total - per_cpu * cpus + per_cpu * 2;
	at_256 = total - per_cpu * cpus + per_cpu * 256;
	printf("# all: %llu bytes, empty %llu; each CPU %llu; at 2 CPUs %llu (%llu empty), at 256 "
	       "%llu\n",
	       total, empty, per_cpu, at_2, empty - per_cpu * cpus + per_cpu * 2, at_256);
	/* What hash maps keep for each CPU beside their values is not in the sum. */
	assert_in_range(at_2, 1, (1 << 20) + (cpus > 2 ? cpus - 2 : 0) * 256);
	assert_in_range(at_256, 1, 32 << 20);
}

static void verifier_readahead(void **state)
{
	(void)state;
	assert_int_equal(verified(readahead), 1);
}

/* In the form that this kernel takes; some take neither. */
static void verifier_layer(void **state)
{
	struct bpf_object *object = load_layer(readahead);

	(void)state;
	if (!object) {
		printf("# skip: the readahead layer is refused here: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(verified(object), 3);
	bpf_object__close(object);
}

static void verifier_latency(void **state)
{
	struct bpf_object *object = load_object_onto("latency", readahead);

	(void)state;
	assert_non_null(object);
	assert_int_equal(verified(object), 1);
	bpf_object__close(object);
}

static int setup(void **state)
{
	(void)state;
	readahead = load_object("readahead");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bpf_object__close(readahead);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_fit),
		cmocka_unit_test(verifier_readahead),
		cmocka_unit_test(verifier_layer),
		cmocka_unit_test(verifier_latency),
	};

	need_root();
	return cmocka_run_group_tests_name("memory", tests, setup, teardown);
}
