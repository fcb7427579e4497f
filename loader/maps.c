// SPDX-License-Identifier: GPL-2.0-only
/* The pinned maps as user space sees them. */
#include "maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bdi.h"
#include "defaults.h"

#define ANY 0 /* a value that only the kernel programs know */

/* What a pinned map must look like for this build to understand it. */
struct map_shape {
	const char *name;
	__u32 type, key_bytes, value_bytes;
};

static const struct map_shape shapes[] = {
	{"bdis", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct bdi_state)},
	{"counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, ANY},
	{"bdi_slots", BPF_MAP_TYPE_HASH, 8, 4},
	{"bdevs", BPF_MAP_TYPE_HASH, 4, 8},
	{"models", BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4},
	{"config", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct config)},
	{"policy", BPF_MAP_TYPE_HASH, 8, sizeof(struct policy_row)},
	{"listed", BPF_MAP_TYPE_HASH, BDI_NAME_LEN, 4},
	{"applied", BPF_MAP_TYPE_HASH, 8, sizeof(struct applied)},
	{"events", BPF_MAP_TYPE_RINGBUF, 0, 0},
	{"windows", BPF_MAP_TYPE_RINGBUF, 0, 0},
	{"stats", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct global_stats)},
	{"scratch", BPF_MAP_TYPE_PERCPU_ARRAY, 4, ANY},
	{"allocator", BPF_MAP_TYPE_ARRAY, 4, ANY},
};

/* In the order of MAP_LIST, which is that of struct maps. */
#define X(name) +1
enum { NR_MAPS = 0 MAP_LIST(X) };
#undef X
_Static_assert(sizeof(struct maps) == NR_MAPS * sizeof(int), "one descriptor per map");
_Static_assert(sizeof(shapes) / sizeof(shapes[0]) == NR_MAPS, "a shape for each map");

static int *descriptor(struct maps *maps, unsigned int i)
{
	int *const all[NR_MAPS] = {
#define X(name) &maps->name,
		MAP_LIST(X)
#undef X
	};

	return all[i];
}

static const char *map_name(unsigned int i)
{
	static const char *const names[NR_MAPS] = {
#define X(name) #name,
		MAP_LIST(X)
#undef X
	};

	return names[i];
}

static const struct map_shape *map_shape(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_MAPS; i++) {
		if (!strcmp(shapes[i].name, name))
			return &shapes[i];
	}
	return NULL;
}

/* 0, -EPROTO, or -errno */
static int check_shape(int fd, const char *name)
{
	const struct map_shape *shape = map_shape(name);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	int err;

	if (!shape)
		return -EPROTO;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (err)
		return err;
	if (info.type != shape->type || info.key_size != shape->key_bytes)
		return -EPROTO;
	if (info.type != BPF_MAP_TYPE_RINGBUF && shape->value_bytes != ANY &&
	    info.value_size != shape->value_bytes)
		return -EPROTO;
	return 0;
}

int maps_open(const char *pin_dir, struct maps *maps, const char **why)
{
	static char text[PATH_MAX + 160];
	struct config config;
	char path[PATH_MAX];
	const char *name;
	unsigned int i;
	int fd, err, n;

	for (i = 0; i < NR_MAPS; i++)
		*descriptor(maps, i) = -1;
	*why = text;
	for (i = 0; i < NR_MAPS; i++) {
		name = map_name(i);
		n = snprintf(path, sizeof(path), "%s/%s", pin_dir, name);
		if (n < 0 || (size_t)n >= sizeof(path)) {
			snprintf(text, sizeof(text), "the pin directory's path is too long");
			return -ENAMETOOLONG;
		}
		fd = bpf_obj_get(path);
		if (fd == -ENOENT) {
			if (i)
				snprintf(text, sizeof(text),
					 "%s is missing: what is pinned there is incomplete; "
					 "`bpfahead unload` and `bpfahead load`",
					 path);
			else
				snprintf(text, sizeof(text),
					 "nothing is loaded under %s: `bpfahead load` first",
					 pin_dir);
			return -ENOENT;
		}
		if (fd == -EPERM || fd == -EACCES) {
			snprintf(text, sizeof(text), "%s: not permitted: this needs root", path);
			return -EPERM;
		}
		if (fd < 0) {
			snprintf(text, sizeof(text), "%s: %s", path, strerror(-fd));
			return fd;
		}
		*descriptor(maps, i) = fd;
		err = check_shape(fd, name);
		if (err == -EPROTO) {
			snprintf(text, sizeof(text),
				 "%s has another layout: it belongs to another version; "
				 "unload with that version, then load again",
				 path);
			return err;
		}
		if (err) {
			snprintf(text, sizeof(text), "%s: %s", path, strerror(-err));
			return err;
		}
	}
	err = maps_get_config(maps, &config);
	if (err) {
		snprintf(text, sizeof(text), "%s/config: %s", pin_dir, strerror(-err));
		return err;
	}
	if (config.abi_version && config.abi_version != BPFAHEAD_ABI_VERSION) {
		snprintf(text, sizeof(text),
			 "%s/config is of interface version %u, this program of %d", pin_dir,
			 config.abi_version, BPFAHEAD_ABI_VERSION);
		return -EPROTO;
	}
	*why = NULL;
	return 0;
}

void maps_close(struct maps *maps)
{
	unsigned int i;

	for (i = 0; i < NR_MAPS; i++) {
		if (*descriptor(maps, i) >= 0)
			close(*descriptor(maps, i));
		*descriptor(maps, i) = -1;
	}
}

int maps_get_config(const struct maps *maps, struct config *config)
{
	struct config value;
	__u32 zero = 0;
	int err;

	err = bpf_map_lookup_elem(maps->config, &zero, &value);
	if (!err)
		*config = value;
	return err;
}

int maps_set_config(const struct maps *maps, const struct config *config)
{
	__u32 zero = 0;

	return bpf_map_update_elem(maps->config, &zero, config, BPF_ANY);
}

void config_effective(const struct config *config, struct config *effective)
{
	struct config c = *config;

	c.abi_version = BPFAHEAD_ABI_VERSION;
	c.hop_ns = c.hop_ns ?: DEFAULT_HOP_NS;
	c.window_ns = c.window_ns ?: DEFAULT_WINDOW_NS;
	c.stretch_ns = c.stretch_ns ?: DEFAULT_STRETCH_NS;
	c.idle_ns = c.idle_ns ?: DEFAULT_IDLE_NS;
	c.dwell_ns = c.dwell_ns ?: DEFAULT_DWELL_NS;
	c.margin = c.margin ?: DEFAULT_MARGIN;
	c.confirm = c.confirm ?: DEFAULT_CONFIRM;
	c.min_calls = c.min_calls ?: DEFAULT_MIN_CALLS;
	c.floor_kb = c.floor_kb ?: DEFAULT_FLOOR_KB;
	c.cap_kb = c.cap_kb ?: DEFAULT_CAP_KB;
	c.sample_ns = c.sample_ns ?: DEFAULT_SAMPLE_NS;
	c.open_files = c.open_files ?: DEFAULT_OPEN_FILES;
	c.guard = c.guard ?: DEFAULT_GUARD;
	c.probe = c.probe ?: DEFAULT_PROBE;
	c.per_file = c.per_file ?: DEFAULT_PER_FILE;
	*effective = c;
}

static const struct policy_row default_row = {
#define X(id, kb, limit) .ra_kb[CLASS_##id] = (kb), .clamp[CLASS_##id] = (limit),
	DEFAULT_POLICY_LIST(X)
#undef X
};

/* Of the running kernel; 0 if it does not tell. */
static __u32 jiffy_ns(void)
{
	struct timespec tick;

	/* What advances once a jiffy. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_sec)
		return 0;
	return (__u32)tick.tv_nsec;
}

int maps_fill_defaults(const struct maps *maps)
{
	struct config config;
	__u64 key = DEFAULT_POLICY_ID;
	int err;

	/* The policy first: with the config's mode decisions begin. */
	err = bpf_map_update_elem(maps->policy, &key, &default_row, BPF_NOEXIST);
	if (err && err != -EEXIST)
		return err;
	err = maps_get_config(maps, &config);
	if (err || config.abi_version)
		return err;
	/* Written by hand up to here, or all zeros: what is set stays. */
	config_effective(&config, &config);
	if (!config.mode)
		config.mode = DEFAULT_MODE;
	config.jiffy_ns = jiffy_ns();
	return maps_set_config(maps, &config);
}

int maps_global_stats(const struct maps *maps, struct global_stats *sum)
{
	struct global_stats total = {}, *values;
	int i, err, cpus = libbpf_num_possible_cpus();
	__u32 zero = 0;

	if (cpus < 0)
		return cpus;
	/* A per-CPU value's stride is rounded up to 8 bytes, which this struct is. */
	_Static_assert(sizeof(*values) % 8 == 0, "per-CPU stride");
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	err = bpf_map_lookup_elem(maps->stats, &zero, values);
	for (i = 0; !err && i < cpus; i++) {
#define X(name, text) total.name += values[i].name;
		GLOBAL_STAT_LIST(X)
#undef X
	}
	free(values);
	if (!err)
		*sum = total;
	return err;
}

int maps_each_bdi(const struct maps *maps, int (*fn)(const struct bdi_state *, void *), void *arg)
{
	struct bdi_state state;
	__u32 slot;
	int err;

	for (slot = 0; slot < BDI_SLOTS; slot++) {
		err = bpf_map_lookup_elem(maps->bdis, &slot, &state);
		if (err)
			return err;
		if (!state.bdi_id)
			continue;
		state.name[BDI_NAME_LEN - 1] = '\0';
		err = fn(&state, arg);
		if (err)
			return err;
	}
	return 0;
}

/* Is the row of use to anybody? Where that cannot be told it is. */
static bool row_counts(const struct maps *maps, __u64 bdi_id, const struct policy_row *row)
{
	struct bdi_state state;
	__u32 slot;

	if (bdi_id == DEFAULT_POLICY_ID)
		return true;
	if (bpf_map_lookup_elem(maps->bdi_slots, &bdi_id, &slot))
		return errno != ENOENT || memchr(row->clamp, CLAMP_BY_HAND, sizeof(row->clamp));
	if (bpf_map_lookup_elem(maps->bdis, &slot, &state) || state.bdi_id != bdi_id)
		return true;
	state.name[BDI_NAME_LEN - 1] = '\0';
	return state.sysfs_ino && bdi_sysfs_ino(state.name) == state.sysfs_ino;
}

unsigned int maps_policy_ids(const struct maps *maps, __u64 ids[POLICY_ROWS_MAX])
{
	unsigned int n = 0;

	while (n < POLICY_ROWS_MAX &&
	       !bpf_map_get_next_key(maps->policy, n ? &ids[n - 1] : NULL, &ids[n]))
		n++;
	return n;
}

static void drop_needless_rows(const struct maps *maps)
{
	__u64 ids[POLICY_ROWS_MAX];
	struct policy_row row;
	unsigned int i, n = maps_policy_ids(maps, ids);

	for (i = 0; i < n; i++) {
		if (!bpf_map_lookup_elem(maps->policy, &ids[i], &row) &&
		    !row_counts(maps, ids[i], &row))
			bpf_map_delete_elem(maps->policy, &ids[i]);
	}
}

int maps_put_row(const struct maps *maps, __u64 bdi_id, const struct policy_row *row, __u64 flags)
{
	int err = bpf_map_update_elem(maps->policy, &bdi_id, row, flags);

	if (err != -E2BIG)
		return err;
	drop_needless_rows(maps);
	return bpf_map_update_elem(maps->policy, &bdi_id, row, flags);
}

/* The line "memlock:" of a map's fdinfo: bytes, 0 if absent, or -errno. */
static long long fdinfo_memlock(int fd)
{
	char path[64], text[1024], *line, *end;
	long long bytes;
	ssize_t n;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -errno;
	n = read(info, text, sizeof(text) - 1);
	if (n < 0)
		n = -errno;
	close(info);
	if (n < 0)
		return n;
	text[n] = '\0';
	line = strstr(text, "memlock:");
	if (!line)
		return 0;
	line += strlen("memlock:");
	errno = 0;
	bytes = strtoll(line, &end, 10);
	return errno || end == line || bytes < 0 ? 0 : bytes;
}

/* For kernels whose fdinfo has no figure: 6.1 to 6.3 say 0 for a ring buffer. */
static long long computed_memory(const struct bpf_map_info *info, int cpus)
{
	long long page = sysconf(_SC_PAGESIZE);
	long long value = (info->value_size + 7LL) / 8 * 8;

	switch (info->type) {
	case BPF_MAP_TYPE_RINGBUF: /* data, and the consumer, producer and header pages */
		return (long long)info->max_entries + 3 * page;
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return (long long)info->max_entries * value * cpus;
	case BPF_MAP_TYPE_ARRAY:
		return (long long)info->max_entries * value;
	default:
		return (long long)info->max_entries * ((info->key_size + 7LL) / 8 * 8 + value);
	}
}

static long long map_memory(int fd, int cpus)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	long long bytes;
	int err;

	bytes = fdinfo_memlock(fd);
	if (bytes)
		return bytes;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	return err ? err : computed_memory(&info, cpus);
}

long long maps_memory_bytes(const struct maps *maps)
{
	struct maps copy = *maps;
	int fd, cpus = libbpf_num_possible_cpus();
	long long bytes, sum = 0;
	unsigned int i;
	__u32 slot, id;

	if (cpus < 0)
		return cpus;
	for (i = 0; i < NR_MAPS; i++) {
		bytes = map_memory(*descriptor(&copy, i), cpus);
		if (bytes < 0)
			return bytes;
		sum += bytes;
	}
	for (slot = 0; slot < NR_MODEL_SLOTS; slot++) {
		/* Looked up from user space, an inner map is its id. */
		if (bpf_map_lookup_elem(maps->models, &slot, &id))
			continue; /* no model in this slot */
		fd = bpf_map_get_fd_by_id(id);
		if (fd == -ENOENT)
			continue; /* swapped out since */
		if (fd < 0)
			return fd;
		bytes = map_memory(fd, cpus);
		close(fd);
		if (bytes < 0)
			return bytes;
		sum += bytes;
	}
	return sum;
}
