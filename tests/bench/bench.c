// SPDX-License-Identifier: GPL-2.0-only
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "bpf/mlp.h"
#include "loader/model_file.h"

void die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

unsigned long number(const char *text)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || !*text || *end || !n)
		die("'%s' is no number", text);
	return n;
}

__u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * 1000000000ULL + (__u64)t.tv_nsec;
}

void sleep_ns(__u64 ns)
{
	struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

unsigned int cpu_count(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned int)n;
}

/* --- figures ---------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Between the two values nearest to that share of them. */
static double quantile(const double *sorted, size_t n, double share)
{
	double at = share * (double)(n - 1), part = at - floor(at);
	size_t below = (size_t)at, above = below + 1 < n ? below + 1 : below;

	return sorted[below] + part * (sorted[above] - sorted[below]);
}

void figure(const char *key, double *values, size_t n)
{
	double reach;
	size_t low;

	if (!n)
		die("%s: no values", key);
	qsort(values, n, sizeof(*values), compare);
	/* The rank below which the median lies in 1 case of 40, by the normal approximation. */
	reach = ((double)n - 1.96 * sqrt((double)n)) / 2;
	low = reach < 1 ? 0 : (size_t)reach - 1;
	printf("%s %zu %.9g %.9g %.9g %.9g %.9g %.9g %.9g\n", key, n, values[0],
	       quantile(values, n, 0.25), quantile(values, n, 0.5), quantile(values, n, 0.75),
	       values[n - 1], values[low], values[n - 1 - low]);
	fflush(stdout);
}

void figure_one(const char *key, double value)
{
	figure(key, &value, 1);
}

/* --- readers ---------------------------------------------------------------------------------- */

#define BLOCK 4096U
#define SEQUENTIAL_BLOCK 131072U

static __u64 next_random(__u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void *read_on(void *arg)
{
	unsigned int turn = 0, left = 1, nr_fds;
	size_t size = BLOCK;
	struct reader *r = arg;
	__u64 at = 0;
	void *buffer;
	int fd;

	if (r->reading == READ_SEQUENTIAL)
		size = SEQUENTIAL_BLOCK;
	if (posix_memalign(&buffer, BLOCK, size)) {
		r->error = ENOMEM;
		return NULL;
	}
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		if (!--left) {
			nr_fds = __atomic_load_n(&r->nr_fds, __ATOMIC_RELAXED);
			turn = turn + 1 < nr_fds ? turn + 1 : 0;
			left = __atomic_load_n(&r->burst, __ATOMIC_RELAXED);
		}
		fd = r->fds[turn];
		if (r->reading != READ_SEQUENTIAL) {
			at = next_random(&r->seed) % (r->bytes / size) * size;
		} else if (at + size > r->bytes) {
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
			at = 0;
		}
		if (pread(fd, buffer, size, (off_t)at) != (ssize_t)size) {
			r->error = errno ? errno : EIO;
			break;
		}
		at += size;
		__atomic_store_n(&r->reads, r->reads + 1, __ATOMIC_RELAXED);
	}
	free(buffer);
	return NULL;
}

static __u64 file_bytes(int fd)
{
	struct stat st;
	__u64 bytes;

	if (fstat(fd, &st))
		return 0;
	if (!S_ISBLK(st.st_mode))
		return (__u64)st.st_size;
	return ioctl(fd, BLKGETSIZE64, &bytes) ? 0 : bytes;
}

static void fill_cache(int fd, __u64 bytes)
{
	static char buffer[SEQUENTIAL_BLOCK];
	__u64 at;

	for (at = 0; at + sizeof(buffer) <= bytes; at += sizeof(buffer))
		if (pread(fd, buffer, sizeof(buffer), (off_t)at) < 0)
			die("filling the page cache: %s", strerror(errno));
}

void readers_start_spread(struct readers *readers, char *const *paths, unsigned int nr_paths,
			  unsigned int count, enum reading reading)
{
	int flags = O_RDONLY | O_CLOEXEC | (reading == READ_DIRECT_RANDOM ? O_DIRECT : 0);
	unsigned int i, k;
	cpu_set_t cpus;

	if (count > READERS_MAX)
		die("%u readers, the most is %u", count, READERS_MAX);
	memset(readers, 0, sizeof(*readers));
	readers->count = count;
	readers->nr_fds = count * nr_paths;
	readers->fds = calloc(readers->nr_fds, sizeof(int));
	if (!readers->fds)
		die("out of memory");
	for (i = 0; i < count; i++) {
		struct reader *r = &readers->reader[i];
		int *fds = readers->fds + i * nr_paths;

		for (k = 0; k < nr_paths; k++) {
			fds[k] = open(paths[k], flags);
			if (fds[k] < 0)
				die("%s: %s", paths[k], strerror(errno));
		}
		r->fds = fds;
		r->nr_fds = nr_paths;
		r->burst = 1;
		r->reading = reading;
		r->bytes = file_bytes(fds[0]);
		r->seed = 0x9e3779b97f4a7c15ULL * (i + 1);
		if (r->bytes < SEQUENTIAL_BLOCK)
			die("%s is too small", paths[0]);
		if (!i && reading == READ_CACHED_RANDOM)
			fill_cache(fds[0], r->bytes);
		if (pthread_create(&r->thread, NULL, read_on, r))
			die("pthread_create failed");
		CPU_ZERO(&cpus);
		CPU_SET(i % cpu_count(), &cpus);
		if (pthread_setaffinity_np(r->thread, sizeof(cpus), &cpus))
			die("binding a reader to CPU %u failed", i % cpu_count());
	}
}

void readers_start(struct readers *readers, const char *path, unsigned int count,
		   enum reading reading)
{
	char *paths[] = {(char *)path};

	readers_start_spread(readers, paths, 1, count, reading);
}

void readers_spread(struct readers *readers, unsigned int nr_paths, unsigned int burst)
{
	unsigned int i;

	if (nr_paths > readers->nr_fds / readers->count)
		die("there are no %u files", nr_paths);
	for (i = 0; i < readers->count; i++) {
		__atomic_store_n(&readers->reader[i].nr_fds, nr_paths, __ATOMIC_RELAXED);
		__atomic_store_n(&readers->reader[i].burst, burst, __ATOMIC_RELAXED);
	}
}

void readers_stop(struct readers *readers)
{
	unsigned int i;

	for (i = 0; i < readers->count; i++)
		__atomic_store_n(&readers->reader[i].stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < readers->count; i++) {
		pthread_join(readers->reader[i].thread, NULL);
		if (readers->reader[i].error)
			die("a reader failed: %s", strerror(readers->reader[i].error));
	}
	for (i = 0; i < readers->nr_fds; i++)
		close(readers->fds[i]);
	free(readers->fds);
}

static void sum_readers(const struct readers *readers, double *reads, double *cpu_s)
{
	struct timespec t;
	unsigned int i;
	clockid_t id;

	*reads = 0;
	*cpu_s = 0;
	for (i = 0; i < readers->count; i++) {
		const struct reader *r = &readers->reader[i];

		if (r->error)
			die("a reader failed: %s", strerror(r->error));
		*reads += (double)__atomic_load_n(&r->reads, __ATOMIC_RELAXED);
		if (pthread_getcpuclockid(r->thread, &id) || clock_gettime(id, &t))
			die("no processor time of a reader");
		*cpu_s += (double)t.tv_sec + (double)t.tv_nsec / 1e9;
	}
}

struct speed readers_speed(struct readers *readers, __u64 ns)
{
	double reads, cpu_s, reads_then, cpu_then;
	struct speed speed;
	__u64 began;

	sum_readers(readers, &reads_then, &cpu_then);
	began = now_ns();
	sleep_ns(ns);
	sum_readers(readers, &reads, &cpu_s);
	ns = now_ns() - began;
	if (reads <= reads_then || cpu_s <= cpu_then)
		die("the readers stand still");
	speed.per_second = (reads - reads_then) * 1e9 / (double)ns;
	speed.per_cpu_second = (reads - reads_then) / (cpu_s - cpu_then);
	return speed;
}

/* --- objects ---------------------------------------------------------------------------------- */

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

struct bpf_object *bench_load(const char *path, struct bpf_object *maps)
{
	struct bpf_object *object;
	struct bpf_map *map, *other;
	int err;

	libbpf_set_print(quiet);
	object = bpf_object__open(path);
	if (!object)
		die("%s: %s", path, strerror(errno));
	bpf_object__for_each_map(map, object)
	{
		other = maps ? bpf_object__find_map_by_name(maps, bpf_map__name(map)) : NULL;
		if (other && !bpf_map__is_internal(map) &&
		    bpf_map__reuse_fd(map, bpf_map__fd(other)))
			die("%s: map %s: %s", path, bpf_map__name(map), strerror(errno));
	}
	err = bpf_object__load(object);
	if (err)
		die("%s: %s", path, strerror(-err));
	return object;
}

static struct bpf_program *find_program(const struct bpf_object *object, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	if (!program)
		die("no program %s", name);
	return program;
}

int bench_program(const struct bpf_object *object, const char *name)
{
	return bpf_program__fd(find_program(object, name));
}

int bench_map(const struct bpf_object *object, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	if (fd < 0)
		die("no map %s", name);
	return fd;
}

struct bpf_link *bench_attach(const struct bpf_object *object, const char *name)
{
	struct bpf_link *link = bpf_program__attach(find_program(object, name));

	if (!link)
		die("attaching %s: %s", name, strerror(errno));
	return link;
}

void bench_push_model(int models, enum model_slot slot, const struct model *model)
{
	__u32 zero = 0, key = slot;
	int inner;

	inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "model", sizeof(zero), sizeof(*model), 1, NULL);
	if (inner < 0)
		die("a map for a model: %s", strerror(-inner));
	if (bpf_map_update_elem(inner, &zero, model, BPF_ANY) ||
	    bpf_map_update_elem(models, &key, &inner, BPF_ANY))
		die("putting a model in place: %s", strerror(errno));
	close(inner);
}

void bench_read_model(const char *path, struct model *model)
{
	const char *why = model_read(path, model);

	if (why)
		die("%s: %s", path, why);
}

void bench_make_model(struct model *model, unsigned int nr_inputs, unsigned int first,
		      unsigned int second, unsigned int nr_outputs)
{
	unsigned int sizes[] = {first, second, nr_outputs}, layer, in, out, nr_in = nr_inputs;
	struct model_header *h = &model->header;
	__u64 seed = 88172645463325252ULL;

	memset(model, 0, sizeof(*model));
	h->magic = MODEL_MAGIC;
	h->format_version = MODEL_FORMAT_VERSION;
	h->header_bytes = sizeof(*h);
	h->required_sources = SOURCE_BLOCK | SOURCE_READAHEAD;
	h->nr_inputs = (__u8)nr_inputs;
	h->nr_outputs = (__u8)nr_outputs;
	h->nr_layers = 3;
	for (in = 0; in < nr_inputs; in++) {
		h->inputs[in].feature = (__u16)(in < 10 ? in : in + 6); /* 0..9, 16.. */
		h->inputs[in].transform = TRANSFORM_LOG2;
		h->inputs[in].scale = 1000;
		h->inputs[in].offset = 300000;
	}
	for (layer = 0; layer < 3; layer++) {
		h->layer_size[layer] = (__u8)sizes[layer];
		h->layer_shift[layer] = 40;
	}
	for (out = 0; out < nr_outputs; out++)
		h->class_id[out] = (__u8)out;
	for (layer = 0; layer < 3; layer++) {
		for (out = 0; out < sizes[layer]; out++) {
			model_set_neuron(model, layer, out, (int)(next_random(&seed) % 1000000),
					 1 << 22);
			for (in = 0; in < nr_in; in++)
				model_set_weight(model, layer, out, in,
						 (int)(next_random(&seed) % 255) - 127);
		}
		nr_in = sizes[layer];
	}
	model_seal(model);
	if (model_check(model))
		die("the made-up model of %u inputs is unsound", nr_inputs);
}

struct bpf_object *bench_readahead(const char *weights)
{
	struct bpf_object *object = bench_load("build/readahead.bpf.o", NULL);
	struct model model;
	struct maps maps;
	int err;

#define X(name) maps.name = bench_map(object, #name);
	MAP_LIST(X)
#undef X
	err = maps_fill_defaults(&maps);
	if (err)
		die("default settings: %s", strerror(-err));
	bench_read_model(weights, &model);
	bench_push_model(maps.models, MODEL_ACTING, &model);
	return object;
}
