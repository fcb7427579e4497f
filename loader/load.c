// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kernel.h"
#include "load.h"
#include "open_files.h"
#include "owner.h"

#define RUN_MARK "run"

#define EMBEDDED_LIST(X) \
	X(readahead)     \
	X(ra_tp) X(ra_fentry) X(latency) X(open_files) X(per_file) X(per_file_fentry) X(weights)

#define X(name) extern const unsigned char embedded_##name[], embedded_##name##_end[];
EMBEDDED_LIST(X)
#undef X

static struct blob embedded(const char *wanted)
{
#define X(name)                                       \
	if (!strcmp(wanted, #name))                   \
		return (struct blob){embedded_##name, \
				     (size_t)(embedded_##name##_end - embedded_##name)};
	EMBEDDED_LIST(X)
#undef X
	return (struct blob){NULL, 0};
}

struct blob embedded_model(void)
{
	return embedded("weights");
}

const char *map_pin_name(unsigned int i)
{
	static const char *const names[] = {
#define X(name) #name,
		MAP_LIST(X)
#undef X
	};

	return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

/* Those of the object that tells files apart; NULL behind the last. */
static const char *per_file_pin_name(unsigned int i)
{
	static const char *const names[] = {
#define X(name) #name,
		PER_FILE_MAP_LIST(X)
#undef X
	};

	return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static int make_dir(const char *path, struct fault *fault)
{
	if (!mkdir(path, 0700) || errno == EEXIST)
		return 0;
	return cli_fault_set(fault, -errno, "cannot create %s: %s", path, strerror(errno));
}

int load_check(const char *pin_dir, struct fault *fault)
{
	const char *why = "";
	int err;

	if (geteuid())
		return cli_fault_set(fault, -EPERM, "needs root: run it with sudo");
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return cli_fault_set(
			fault, -EOPNOTSUPP,
			"this kernel has no BTF (/sys/kernel/btf/vmlinux): it takes a kernel "
			"built with CONFIG_DEBUG_INFO_BTF");
	err = owner_check_bpffs(pin_dir, &why);
	if (err)
		return cli_fault_set(fault, -EOPNOTSUPP, "%s", why);
	return 0;
}

int load_claim(const char *pin_dir, bool *created, struct fault *fault)
{
	int lock;

	*created = !mkdir(pin_dir, 0700);
	if (!*created && errno != EEXIST)
		return cli_fault_set(fault, -errno, "cannot create %s: %s", pin_dir,
				     strerror(errno));
	lock = owner_lock(pin_dir);
	if (lock == -EBUSY)
		return cli_fault_set(fault, lock,
				     "another bpfahead or bpfaheadd owns %s: stop it first",
				     pin_dir);
	if (lock < 0)
		return cli_fault_set(fault, lock, "cannot lock %s: %s", pin_dir, strerror(-lock));
	return lock;
}

int load_mark_run(const char *pin_dir)
{
	return mkdir(pin_path(pin_dir, RUN_MARK), 0700) && errno != EEXIST ? -errno : 0;
}

bool load_marked_run(const char *pin_dir)
{
	return !access(pin_path(pin_dir, RUN_MARK), F_OK);
}

/*
 * Calls @fn for each pin below @dir (pins are regular files there), and @leave, if given, for each
 * directory below it once its contents are through. Stops at the first non-zero return, which it
 * returns.
 */
static int each_pin(const char *dir, int (*fn)(const char *path, const char *name, void *arg),
		    int (*leave)(const char *dir), void *arg)
{
	struct dirent *entry;
	DIR *stream = opendir(dir);
	char *path;
	int err = 0;

	if (!stream)
		return errno == ENOENT ? 0 : -errno;
	while (!err && (errno = 0, entry = readdir(stream))) {
		if (is_dot(entry->d_name))
			continue;
		if (asprintf(&path, "%s/%s", dir, entry->d_name) < 0) {
			err = -ENOMEM;
			break;
		}
		if (entry->d_type != DT_DIR)
			err = fn(path, entry->d_name, arg);
		else
			err = each_pin(path, fn, leave, arg);
		if (!err && entry->d_type == DT_DIR && leave)
			err = leave(path);
		free(path);
	}
	if (!err && errno)
		err = -errno;
	closedir(stream);
	return err;
}

static int found_pin(const char *path, const char *name, void *arg)
{
	(void)path;
	(void)name;
	(void)arg;
	return 1;
}

bool load_is_empty(const char *pin_dir)
{
	return each_pin(pin_dir, found_pin, NULL, NULL) == 0;
}

static int remove_pin(const char *path, const char *name, void *arg)
{
	(void)name;
	(void)arg;
	return unlink(path) ? -errno : 0;
}

static int remove_directory(const char *dir)
{
	return rmdir(dir) && errno != ENOENT ? -errno : 0;
}

/* Everything below @dir; @dir itself unless @keep. */
static int remove_tree(const char *dir, bool keep)
{
	int err = each_pin(dir, remove_pin, remove_directory, NULL);

	return err || keep ? err : remove_directory(dir);
}

int load_remove(const char *pin_dir, bool keep, struct fault *fault)
{
	struct statfs fs;
	int err;

	if (statfs(pin_dir, &fs))
		return errno == ENOENT ? 0 : -errno;
	if (fs.f_type != BPF_FS_MAGIC)
		return cli_fault_set(fault, -EINVAL, "%s is not on a bpf file system: left alone",
				     pin_dir);
	/* Links first: nothing runs any more when the maps go. */
	err = remove_tree(pin_path(pin_dir, "links"), false);
	if (!err)
		err = remove_tree(pin_path(pin_dir, "progs"), false);
	if (!err)
		err = remove_tree(pin_dir, keep);
	if (err)
		cli_fault_set(fault, err, "cannot remove the pins in %s: %s", pin_dir,
			      strerror(-err));
	return err;
}

static int set_pin_paths(struct bpf_object *object, const char *pin_dir)
{
	static const char *(*const pin_names[])(unsigned int) = {map_pin_name, open_map_pin_name,
								 per_file_pin_name};
	struct bpf_map *map;
	const char *name;
	unsigned int i, list;
	int err;

	for (list = 0; list < sizeof(pin_names) / sizeof(pin_names[0]); list++) {
		for (i = 0; (name = pin_names[list](i)); i++) {
			map = bpf_object__find_map_by_name(object, name);
			if (!map)
				continue;
			err = bpf_map__set_pin_path(map, pin_path(pin_dir, name));
			if (err)
				return err;
		}
	}
	return 0;
}

/* Loads one embedded object onto the pinned maps and pins its programs below progs/NAME. */
static int load_object(const char *pin_dir, const char *name, struct fault *fault)
{
	struct blob blob = embedded(name);
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = name);
	struct bpf_object *object;
	char progs[4096];
	int err;

	libbpf_log_capture();
	object = bpf_object__open_mem(blob.bytes, blob.size, &options);
	err = (int)libbpf_get_error(object);
	if (err)
		return cli_fault_set(fault, err, "cannot open the object %s: %s", name,
				     strerror(-err));
	err = set_pin_paths(object, pin_dir);
	if (!err)
		err = bpf_object__load(object);
	if (err) {
		cli_fault_set(fault, err, "the kernel refused %s: %s%s%s", name, strerror(-err),
			      *libbpf_log_last() ? ": " : "", libbpf_log_last());
		goto close;
	}
	snprintf(progs, sizeof(progs), "%s/progs", pin_dir);
	err = make_dir(progs, fault);
	if (err)
		goto close;
	snprintf(progs, sizeof(progs), "%s/progs/%s", pin_dir, name);
	err = bpf_object__pin_programs(object, progs);
	if (err)
		cli_fault_set(fault, err, "cannot pin the programs of %s: %s", name,
			      strerror(-err));
close:
	bpf_object__close(object);
	return err;
}

/* bpftool's `autoattach` pins links where programs would be. The kernel tells by fdinfo only. */
static bool is_link(int fd)
{
	char path[64], text[512];
	bool found = false;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	stream = fopen(path, "re");
	if (!stream)
		return false;
	while (!found && fgets(text, sizeof(text), stream))
		found = !strncmp(text, "link_type:", strlen("link_type:"));
	fclose(stream);
	return found;
}

struct attach {
	const char *pin_dir;
	unsigned int attached;
	struct fault *fault;
};

/* mkdir -p of the directory that @path lies in, from behind @base on. */
static int make_parents(const char *base, char *path, struct fault *fault)
{
	char *slash = path + strlen(base);
	int err = 0;

	while (!err && (slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		err = make_dir(path, fault);
		*slash = '/';
	}
	return err;
}

static int attach_program(const char *path, const char *name, void *arg)
{
	struct attach *a = arg;
	const char *below_progs = path + strlen(a->pin_dir) + strlen("/progs/");
	char link_path[4096];
	int program, link, err;

	snprintf(link_path, sizeof(link_path), "%s/links/%s", a->pin_dir, below_progs);
	if (!access(link_path, F_OK))
		return 0;
	program = bpf_obj_get(path);
	if (program < 0)
		return cli_fault_set(a->fault, -errno, "cannot open %s: %s", path, strerror(errno));
	err = is_link(program) ? 0 : make_parents(a->pin_dir, link_path, a->fault);
	if (err || is_link(program))
		goto close_program;
	/* An iterator is no hook; tp_btf and fentry are alike. The program knows where it belongs.
	 */
	link = bpf_link_create(program, 0, BPF_TRACE_ITER, NULL);
	if (link < 0)
		link = bpf_raw_tracepoint_open(NULL, program);
	if (link < 0) {
		err = -errno;
		cli_fault_set(a->fault, err, "cannot attach %s: %s", name, strerror(errno));
		goto close_program;
	}
	if (bpf_obj_pin(link, link_path)) {
		err = -errno;
		cli_fault_set(a->fault, err, "cannot pin %s: %s", link_path, strerror(errno));
	} else {
		a->attached++;
	}
	close(link);
close_program:
	close(program);
	return err;
}

static int attach_below(const char *pin_dir, const char *below, unsigned int *attached,
			struct fault *fault)
{
	struct attach a = {.pin_dir = pin_dir, .fault = fault};
	int err;

	fault->text[0] = '\0';
	err = each_pin(pin_path(pin_dir, below), attach_program, NULL, &a);
	if (err && !fault->text[0])
		cli_fault_set(fault, err, "cannot read %s: %s", pin_path(pin_dir, below),
			      strerror(-err));
	*attached = a.attached;
	return err;
}

int load_attach(const char *pin_dir, unsigned int *attached, struct fault *fault)
{
	return attach_below(pin_dir, "progs", attached, fault);
}

static void remove_object(const char *pin_dir, const char *name)
{
	char below[64];

	snprintf(below, sizeof(below), "links/%s", name);
	remove_tree(pin_path(pin_dir, below), false);
	snprintf(below, sizeof(below), "progs/%s", name);
	remove_tree(pin_path(pin_dir, below), false);
}

/* All of it or, on failure, nothing of this object. */
static int load_and_attach(const char *pin_dir, const char *name, struct fault *fault)
{
	unsigned int attached;
	char below[64];
	int err;

	err = load_object(pin_dir, name, fault);
	snprintf(below, sizeof(below), "progs/%s", name);
	if (!err)
		err = attach_below(pin_dir, below, &attached, fault);
	if (err)
		remove_object(pin_dir, name);
	return err;
}

static int found_link(const char *path, const char *name, void *arg)
{
	int found, fd = bpf_obj_get(path);

	(void)name;
	(void)arg;
	if (fd < 0)
		return 0;
	found = is_link(fd);
	close(fd);
	return found;
}

static bool has_links(const char *pin_dir, const char *object)
{
	char below[64];

	snprintf(below, sizeof(below), "links/%s", object);
	if (!load_is_empty(pin_path(pin_dir, below)))
		return true;
	snprintf(below, sizeof(below), "progs/%s", object);
	return each_pin(pin_path(pin_dir, below), found_link, NULL, NULL) == 1;
}

unsigned int load_sources(const char *pin_dir)
{
	unsigned int sources = 0;

	if (has_links(pin_dir, "readahead"))
		sources |= SOURCE_BLOCK;
	if (has_links(pin_dir, "ra_tp") || has_links(pin_dir, "ra_fentry"))
		sources |= SOURCE_READAHEAD;
	if (has_links(pin_dir, "latency"))
		sources |= SOURCE_LATENCY;
	return sources;
}

static void load_readahead_layer(const char *pin_dir, const struct kernel_hooks *hooks,
				 struct loaded *loaded)
{
	const char *object = NULL;

	if (!hooks->readahead_tracepoints)
		object = "ra_tp";
	else if (!hooks->readahead_fentry)
		object = "ra_fentry";
	if (!object) {
		cli_fault_set(&loaded->why_not, -EOPNOTSUPP,
			      "no readahead tracepoints, and fentry on page_cache_ra_order: %s",
			      strerror(-hooks->readahead_fentry));
		return;
	}
	if (!load_and_attach(pin_dir, object, &loaded->why_not))
		loaded->readahead_object = object;
}

/* Without it open files keep what they have; everything else goes on. */
static void load_open_files(const char *pin_dir, const struct kernel_hooks *hooks,
			    struct loaded *loaded)
{
	if (hooks->task_file_iterator)
		cli_fault_set(&loaded->why_no_open_files, hooks->task_file_iterator,
			      "no iterator over open files: %s",
			      strerror(-hooks->task_file_iterator));
	else
		load_and_attach(pin_dir, "open_files", &loaded->why_no_open_files);
}

int load_all(const char *pin_dir, bool latency, struct loaded *loaded, struct fault *fault)
{
	struct loaded result = {0};
	struct kernel_hooks hooks;
	struct fault ignored;
	struct btf *btf;
	int err;

	btf = kernel_btf();
	if (!btf)
		return cli_fault_set(fault, -EOPNOTSUPP,
				     "cannot read the kernel's BTF, /sys/kernel/btf/vmlinux: %s",
				     strerror(errno));
	kernel_probe_hooks(btf, &hooks);
	btf__free(btf);
	if (hooks.block_bio_queue)
		return cli_fault_set(fault, -EOPNOTSUPP,
				     "the tracepoint block_bio_queue cannot be used: %s",
				     strerror(-hooks.block_bio_queue));
	err = load_and_attach(pin_dir, "readahead", fault);
	if (err)
		goto remove;
	load_readahead_layer(pin_dir, &hooks, &result);
	load_open_files(pin_dir, &hooks, &result);
	if (latency) {
		err = load_latency(pin_dir, true, fault);
		if (err)
			goto remove;
	}
	result.sources = load_sources(pin_dir);
	*loaded = result;
	return 0;
remove:
	load_remove(pin_dir, true, &ignored);
	return err;
}

int load_latency(const char *pin_dir, bool wanted, struct fault *fault)
{
	bool attached = load_sources(pin_dir) & SOURCE_LATENCY;

	/* The one object that some models need and a kernel may lack. */
	if (wanted && !attached)
		return load_and_attach(pin_dir, "latency", fault) ? -EOPNOTSUPP : 0;
	if (!wanted && attached)
		remove_object(pin_dir, "latency");
	return 0;
}

bool load_has_per_file(const char *pin_dir)
{
	return has_links(pin_dir, "per_file") || has_links(pin_dir, "per_file_fentry");
}

/* In the form of the readahead layer that is attached. */
int load_per_file(const char *pin_dir, bool wanted, struct fault *fault)
{
	bool attached = load_has_per_file(pin_dir);
	const char *object = NULL;

	if (wanted == attached)
		return 0;
	if (!wanted) {
		remove_object(pin_dir, "per_file");
		remove_object(pin_dir, "per_file_fentry");
		/* file_values stays: a helper has it open, and what is in it has a say. */
		unlink(pin_path(pin_dir, "files"));
		unlink(pin_path(pin_dir, "file_stats"));
		return 0;
	}
	if (has_links(pin_dir, "ra_tp"))
		object = "per_file";
	else if (has_links(pin_dir, "ra_fentry"))
		object = "per_file_fentry";
	if (!object)
		return cli_fault_set(fault, -EOPNOTSUPP,
				     "files cannot be told apart without the readahead layer");
	if (access(pin_path(pin_dir, "file_values"), F_OK))
		return cli_fault_set(fault, -EOPNOTSUPP,
				     "files cannot be given values without the iterator over open "
				     "files");
	return load_and_attach(pin_dir, object, fault);
}
