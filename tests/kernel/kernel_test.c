// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "kernel_test.h"
#include "bpf/mlp.h"
#include "loader/model_file.h"

void need_root(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!geteuid())
		return;
	puts("1..0 # SKIP needs root: it loads BPF programs");
	exit(0);
}

unsigned long env_number(const char *name, unsigned long preset)
{
	const char *text = getenv(name);
	unsigned long number;
	char *end;

	if (!text || !*text)
		return preset;
	errno = 0;
	number = strtoul(text, &end, 0);
	if (errno || *end) {
		printf("Bail out! %s='%s' is no number\n", name, text);
		exit(2);
	}
	return number;
}

__u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * 1000000000ULL + (__u64)t.tv_nsec;
}

/* --- random numbers ------------------------------------------------------------------------- */

static __u64 random_state;

void seed_random(void)
{
	random_state = env_number("SEED", 20251);
	printf("# SEED=%llu\n", random_state);
}

/* splitmix64 */
__u64 random64(void)
{
	__u64 z = random_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

__u64 random_below(__u64 n)
{
	return random64() % n;
}

bool one_in(unsigned int n)
{
	return !random_below(n);
}

__u64 random_magnitude(void)
{
	switch (random_below(8)) {
	case 0:
		return 0;
	case 1:
		return ~0ULL;
	case 2:
		return (1ULL << random_below(64)) + random_below(3) - 1;
	default:
		return random64() >> random_below(64);
	}
}

/* --- models --------------------------------------------------------------------------------- */

__u64 checksum_of(const struct model *model)
{
	__u32 nr_words = model->header.payload_bytes / 8, i;
	__u64 lane[4] = {1, 2, 3, 4}, word;

	if (nr_words > MODEL_WORDS_MAX)
		nr_words = MODEL_WORDS_MAX;
	for (i = 0; i < MODEL_HEADER_WORDS; i++) {
		memcpy(&word, (const char *)model + 8 * i, 8);
		if (i == MODEL_CHECKSUM_WORD)
			word = 0;
		lane[i % 4] = checksum_step(lane[i % 4], word);
	}
	for (i = 0; i < nr_words; i++) {
		/* What is left behind the last four words goes to the first lane. */
		__u32 to = i < nr_words / 4 * 4 ? i % 4 : 0;

		lane[to] = checksum_step(lane[to], model->words[i]);
	}
	return checksum_step(checksum_step(lane[0], lane[1]), checksum_step(lane[2], lane[3]));
}

int fault_of(const struct model *model)
{
	static struct model copy;
	int fault = model_fetch(model, &copy);

	return fault ? fault : model_check(&copy);
}

static __u8 random_size(unsigned int max)
{
	switch (random_below(4)) {
	case 0:
		return 1;
	case 1:
		return max;
	default:
		return 1 + random_below(max);
	}
}

static int random_s32(void)
{
	switch (random_below(4)) {
	case 0:
		return one_in(2) ? INT_MIN : INT_MAX;
	case 1:
		return (int)random_below(256) - 128;
	default:
		return (int)random64() >> random_below(31);
	}
}

static void init_header(struct model_header *h)
{
	memset(h, 0, sizeof(*h));
	h->magic = MODEL_MAGIC;
	h->format_version = MODEL_FORMAT_VERSION;
	h->header_bytes = sizeof(*h);
	snprintf(h->name, sizeof(h->name), "kernel test");
}

void random_model(struct model *m, bool any_words)
{
	struct model_header *h = &m->header;
	unsigned int i, l, o, nr_in;
	bool extreme = one_in(4);
	__u32 classes = 0;

	memset(m, 0, sizeof(*m));
	init_header(h);
	h->generation = random64();
	h->required_sources = 1 + random_below(SOURCES_ALL);
	h->nr_inputs = random_size(MODEL_INPUTS_MAX);
	h->nr_layers = 1 + random_below(MODEL_LAYERS_MAX);
	h->nr_outputs = random_size(MODEL_OUTPUTS_MAX);
	for (l = 0; l < h->nr_layers; l++) {
		h->layer_size[l] =
			l + 1U < h->nr_layers ? random_size(MODEL_HIDDEN_MAX) : h->nr_outputs;
		h->layer_shift[l] = extreme ? random_below(63) : 8 + random_below(16);
	}
	for (i = 0; i < h->nr_outputs; i++) {
		do {
			h->class_id[i] = random_below(CLASSES_MAX);
		} while (classes & 1U << h->class_id[i]);
		classes |= 1U << h->class_id[i];
	}
	for (i = 0; i < h->nr_inputs; i++) {
		struct model_input *in = &h->inputs[i];

		in->feature = random_below(FEATURES_MAX);
		in->transform = random_below(NR_TRANSFORMS);
		in->pre_shift = one_in(2) ? 0 : random_below(41);
		in->scale = random_s32();
		in->offset = one_in(2) ? (__s64)random_magnitude() : (__s64)random_below(1 << 20);
	}
	model_seal(m); /* sizes the payload */
	nr_in = h->nr_inputs;
	for (l = 0; l < h->nr_layers && !any_words; l++) {
		for (o = 0; o < h->layer_size[l]; o++) {
			int mult = random_below(extreme ? 1ULL << 31 : 1ULL << 20);
			int bias = random_s32() / (extreme ? 2 : 1024);

			assert_int_equal(model_set_neuron(m, l, o, bias, mult), 0);
			for (i = 0; i < nr_in; i++) {
				int w = (int)random_below(2 * MODEL_WEIGHT_MAX + 1) -
					MODEL_WEIGHT_MAX;

				if (extreme)
					w = one_in(2) ? MODEL_WEIGHT_MAX : -MODEL_WEIGHT_MAX;
				assert_int_equal(model_set_weight(m, l, o, i, w), 0);
			}
		}
		nr_in = h->layer_size[l];
	}
	for (i = 0; i < h->payload_bytes / 8 && any_words; i++)
		m->words[i] = random64();
	h->checksum = checksum_of(m);
}

void spoil_model(struct model *m)
{
	struct model_header *h = &m->header;
	unsigned char *bytes = (unsigned char *)m;
	bool seal = true;

	switch (random_below(16)) {
	case 0: /* a flipped bit, seen by nothing but the checksum */
		bytes[random_below(sizeof(*h) + h->payload_bytes)] ^= 1U << random_below(8);
		seal = false;
		break;
	case 1:
		h->nr_inputs = one_in(2) ? 0 : random64();
		break;
	case 2:
		h->nr_layers = random64();
		break;
	case 3:
		h->nr_outputs = random64();
		break;
	case 4:
		h->layer_size[random_below(4)] = random64();
		break;
	case 5:
		h->layer_shift[random_below(4)] = random64();
		break;
	case 6:
		h->payload_bytes = random_magnitude();
		break;
	case 7:
		h->inputs[random_below(MODEL_INPUTS_MAX)].feature = random64();
		break;
	case 8:
		h->inputs[random_below(MODEL_INPUTS_MAX)].pre_shift = random64();
		break;
	case 9:
		h->class_id[random_below(MODEL_OUTPUTS_MAX)] = random64();
		break;
	case 10:
		h->required_sources = random_magnitude();
		break;
	case 11:
		h->reserved2[random_below(5)] = random64();
		break;
	case 12:
		h->magic ^= 1U << random_below(32);
		break;
	case 13:
		h->format_version = random64();
		break;
	case 14:
		h->header_bytes = random64();
		break;
	default: /* any header, with a checksum that holds */
		bytes[random_below(sizeof(*h))] = random64();
		break;
	}
	if (seal)
		h->checksum = checksum_of(m);
}

void constant_model(struct model *m, unsigned int sources, unsigned int classes,
		    const unsigned char *class_ids, const int *logits, __u64 generation)
{
	struct model_header *h = &m->header;
	unsigned int i;

	memset(m, 0, sizeof(*m));
	init_header(h);
	h->generation = generation;
	h->required_sources = sources;
	h->nr_inputs = 1;
	h->nr_layers = 1;
	h->nr_outputs = classes;
	h->layer_size[0] = classes;
	h->inputs[0].feature = FEATURE_RA_PAGES;
	memcpy(h->class_id, class_ids, classes);
	for (i = 0; i < classes; i++)
		assert_int_equal(model_set_neuron(m, 0, i, logits[i], 1), 0);
	model_seal(m);
	assert_int_equal(fault_of(m), MODEL_OK);
}

void ratio_model(struct model *m, unsigned int sources, unsigned int feature, unsigned char above,
		 unsigned char below)
{
	struct model_header *h = &m->header;

	memset(m, 0, sizeof(*m));
	init_header(h);
	h->generation = feature;
	h->required_sources = sources;
	h->nr_inputs = 1;
	h->nr_layers = 1;
	h->nr_outputs = 2;
	h->layer_size[0] = 2;
	h->class_id[0] = above;
	h->class_id[1] = below;
	h->inputs[0].feature = feature;
	h->inputs[0].offset = RATIO_ONE / 2;
	h->inputs[0].scale = 65536;
	assert_int_equal(model_set_weight(m, 0, 0, 0, 1), 0);
	assert_int_equal(model_set_weight(m, 0, 1, 0, -1), 0);
	assert_int_equal(model_set_neuron(m, 0, 0, 0, 8), 0);
	assert_int_equal(model_set_neuron(m, 0, 1, 0, 8), 0);
	model_seal(m);
	assert_int_equal(fault_of(m), MODEL_OK);
}

/* --- objects -------------------------------------------------------------------------------- */

/* Tests stand in build/tests/, what they load there or one level up. */
static const char *object_path(const char *name)
{
	static char path[PATH_MAX];
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *dir;

	assert_true(length > 0);
	self[length] = '\0';
	dir = dirname(self);
	snprintf(path, sizeof(path), "%s/%s.bpf.o", dir, name);
	if (access(path, R_OK))
		snprintf(path, sizeof(path), "%s/../%s.bpf.o", dir, name);
	return path;
}

struct bpf_object *load_object_onto(const char *name, struct bpf_object *maps)
{
	struct bpf_object *object = bpf_object__open_file(object_path(name), NULL);
	struct bpf_map *map, *shared;
	int err;

	if (!object)
		fail_msg("cannot open %s: %s", object_path(name), strerror(errno));
	bpf_object__for_each_map(map, object)
	{
		shared = maps ? bpf_object__find_map_by_name(maps, bpf_map__name(map)) : NULL;
		if (shared)
			assert_int_equal(bpf_map__reuse_fd(map, bpf_map__fd(shared)), 0);
	}
	err = bpf_object__load(object);
	if (!err)
		return object;
	bpf_object__close(object);
	errno = -err;
	return NULL;
}

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

struct bpf_object *load_layer(struct bpf_object *maps)
{
	libbpf_print_fn_t loud = libbpf_set_print(quiet);
	struct bpf_object *layer = load_object_onto("ra_tp", maps);

	if (!layer)
		layer = load_object_onto("ra_fentry", maps);
	libbpf_set_print(loud);
	return layer;
}

struct bpf_object *load_object(const char *name)
{
	struct bpf_object *object = load_object_onto(name, NULL);

	if (!object)
		fail_msg("the kernel refused %s: %s", object_path(name), strerror(errno));
	return object;
}

int map_fd(const struct bpf_object *object, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	if (fd < 0)
		fail_msg("no map '%s'", name);
	return fd;
}

int program_fd(const struct bpf_object *object, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	if (!program)
		fail_msg("no program '%s'", name);
	return bpf_program__fd(program);
}

int run_program(int program, void *args, size_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = args, .ctx_size_in = size);
	int err = bpf_prog_test_run_opts(program, &run);

	if (err)
		fail_msg("BPF_PROG_TEST_RUN: %s", strerror(errno));
	return (int)run.retval;
}

unsigned int verified(const struct bpf_object *object)
{
	struct bpf_program *program;
	unsigned int n = 0;

	bpf_object__for_each_program(program, object)
	{
		struct bpf_prog_info info = {0};
		__u32 size = sizeof(info);

		assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size), 0);
		printf("# %-20s %7u instructions verified, %u bytes translated\n",
		       bpf_program__name(program), info.verified_insns, info.xlated_prog_len);
		assert_in_range(info.verified_insns, 1, INSNS_MAX);
		n++;
	}
	return n;
}

int make_inner_model(const struct model *model, bool frozen)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "model", 4, sizeof(*model), 1, NULL);
	__u32 zero = 0;

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, &zero, model, BPF_ANY), 0);
	if (frozen)
		assert_int_equal(bpf_map_freeze(fd), 0);
	return fd;
}

void push_model(int models, __u32 slot, const struct model *model)
{
	int inner = make_inner_model(model, true);

	assert_int_equal(bpf_map_update_elem(models, &slot, &inner, BPF_ANY), 0);
	close(inner);
}

void sum_global_stats(int stats, struct global_stats *sum)
{
	int cpus = libbpf_num_possible_cpus(), i;
	struct global_stats *each;
	__u32 zero = 0;

	assert_true(cpus > 0);
	each = calloc(cpus, sizeof(*each));
	assert_non_null(each);
	assert_int_equal(bpf_map_lookup_elem(stats, &zero, each), 0);
	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < cpus; i++) {
#define X(name, text) sum->name += each[i].name;
		GLOBAL_STAT_LIST(X)
#undef X
	}
	free(each);
}

/* The kernel's own, for what an architecture lacks: on arm64, fentry before 6.4. */
#define ENOTSUPP 524

/* False if it is that. */
static bool attach_programs(struct attached *a, struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
	{
		assert_true(a->nr_links < sizeof(a->link) / sizeof(a->link[0]));
		a->link[a->nr_links] = bpf_program__attach(program);
		if (!a->link[a->nr_links] && errno == ENOTSUPP)
			return false;
		if (!a->link[a->nr_links])
			fail_msg("cannot attach %s: %s", bpf_program__name(program),
				 strerror(errno));
		a->nr_links++;
	}
	return true;
}

void attach_real(struct attached *a)
{
	memset(a, 0, sizeof(*a));
	a->readahead = load_object("readahead");
	assert_true(attach_programs(a, a->readahead));
	a->layer = load_layer(a->readahead);
	if (!a->layer) {
		printf("# without the readahead layer: neither form loads here: %s\n",
		       strerror(errno));
	} else if (!attach_programs(a, a->layer)) {
		printf("# without the readahead layer: no fentry on this architecture\n");
		bpf_object__close(a->layer);
		a->layer = NULL;
	}
}

void detach_real(struct attached *a)
{
	while (a->nr_links)
		bpf_link__destroy(a->link[--a->nr_links]);
	bpf_object__close(a->layer);
	bpf_object__close(a->readahead);
	memset(a, 0, sizeof(*a));
}

/* --- a loop device under load --------------------------------------------------------------- */

void make_disk(struct disk *disk, unsigned int megabytes)
{
	struct loop_config config = {.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO};
	const char *dir = getenv("TMPDIR");
	int control, number, file, tries;
	struct stat st;

	file = open(dir ? dir : "/var/tmp", O_TMPFILE | O_RDWR, 0600);
	if (file < 0)
		fail_msg("no temporary file: %s", strerror(errno));
	disk->bytes = (unsigned long long)megabytes << 20;
	assert_int_equal(fallocate(file, 0, 0, (off_t)disk->bytes), 0);
	control = open("/dev/loop-control", O_RDWR);
	assert_true(control >= 0);
	config.fd = file;
	for (tries = 0, disk->fd = -1; tries < 100 && disk->fd < 0; tries++) {
		number = ioctl(control, LOOP_CTL_GET_FREE);
		assert_true(number >= 0);
		snprintf(disk->path, sizeof(disk->path), "/dev/loop%d", number);
		disk->fd = open(disk->path, O_RDWR);
		assert_true(disk->fd >= 0);
		/* Another test may have taken it in between. */
		if (ioctl(disk->fd, LOOP_CONFIGURE, &config)) {
			assert_int_equal(errno, EBUSY);
			close(disk->fd);
			disk->fd = -1;
		}
	}
	assert_true(disk->fd >= 0);
	assert_int_equal(fstat(disk->fd, &st), 0);
	memset(disk->name, 0, sizeof(disk->name));
	snprintf(disk->name, sizeof(disk->name), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	close(control);
	close(file);
}

void remove_disk(struct disk *disk)
{
	close(disk->fd);
	disk->fd = -1;
}

static void read_forever(const struct disk *disk, enum load load)
{
	size_t size = load == LOAD_CACHED_SEQUENTIAL ? 131072 : 4096;
	int fd = open(disk->path, O_RDONLY | (load == LOAD_DIRECT_RANDOM ? O_DIRECT : 0));
	unsigned long long at = 0, n = 0;
	void *buffer;

	if (fd < 0 || posix_memalign(&buffer, 4096, size))
		_exit(1);
	for (;; n++) {
		if (load == LOAD_CACHED_SEQUENTIAL)
			at = at + size < disk->bytes ? at + size : 0;
		else
			at = random_below(disk->bytes / size) * size;
		if ((load == LOAD_CACHED_SEQUENTIAL && !at) ||
		    (load == LOAD_CACHED_RANDOM && n % 256 == 0))
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		if (pread(fd, buffer, size, (off_t)at) < 0)
			_exit(1);
	}
}

pid_t start_load(const struct disk *disk, enum load load)
{
	pid_t parent = getpid(), pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		read_forever(disk, load);
	}
	return pid;
}

void stop_load(pid_t pid)
{
	int status;

	/* Set-up failed before there was one; to 0 would kill the whole group. */
	if (pid <= 0)
		return;
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* One that could not read has ended by itself. */
	assert_true(WIFSIGNALED(status));
}
