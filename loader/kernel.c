// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kernel.h"

/* The kernel's own, for what an architecture lacks; the C library has no text for it. */
#define ENOTSUPP 524

struct btf *kernel_btf(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	long err = libbpf_get_error(btf);

	if (!err)
		return btf;
	errno = (int)-err;
	return NULL;
}

/*
 * Attaches an empty program and takes it away. BTF alone does not tell: a kernel without dynamic
 * ftrace, or one locked down further, has the function or the type, too.
 */
static int try_attach(const struct btf *btf, const char *name, __u32 kind,
		      enum bpf_attach_type type)
{
	const struct bpf_insn return_0[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type);
	int id = btf__find_by_name_kind(btf, name, kind);
	int program, link, iterator = 0, err = 0;

	if (id < 0)
		return -ENOENT;
	options.attach_btf_id = (__u32)id;
	program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "trial", "GPL", return_0, 2, &options);
	if (program < 0)
		return -errno;
	if (type == BPF_TRACE_ITER)
		link = bpf_link_create(program, 0, type, NULL);
	else
		link = bpf_raw_tracepoint_open(NULL, program);
	if (link >= 0 && type == BPF_TRACE_ITER)
		iterator = bpf_iter_create(link);
	if (link < 0 || iterator < 0)
		err = errno == ENOTSUPP ? -EOPNOTSUPP : -errno;
	if (iterator > 0)
		close(iterator);
	if (link >= 0)
		close(link);
	close(program);
	return err;
}

/* A tracepoint is in BTF as the typedef that tp_btf programs attach by. */
static int try_tracepoint(const struct btf *btf, const char *name)
{
	char typedef_name[96];

	snprintf(typedef_name, sizeof(typedef_name), "btf_trace_%s", name);
	return try_attach(btf, typedef_name, BTF_KIND_TYPEDEF, BPF_TRACE_RAW_TP);
}

static const char *const readahead_functions[] = {"page_cache_sync_ra", "page_cache_async_ra",
						  "page_cache_ra_order"};

void kernel_probe_hooks(const struct btf *btf, struct kernel_hooks *hooks)
{
	unsigned int i;

	memset(hooks, 0, sizeof(*hooks));
	hooks->block_bio_queue = try_tracepoint(btf, "block_bio_queue");
	hooks->block_rq_complete = try_tracepoint(btf, "block_rq_complete");
	for (i = 0; i < 3 && !hooks->readahead_tracepoints; i++)
		hooks->readahead_tracepoints = try_tracepoint(btf, readahead_functions[i]);
	for (i = 0; i < 3 && !hooks->readahead_fentry; i++)
		hooks->readahead_fentry =
			try_attach(btf, readahead_functions[i], BTF_KIND_FUNC, BPF_TRACE_FENTRY);
	hooks->task_file_iterator =
		try_attach(btf, "bpf_iter_task_file", BTF_KIND_FUNC, BPF_TRACE_ITER);
}

bool kernel_has_map_type(int type)
{
	return libbpf_probe_bpf_map_type((enum bpf_map_type)type, NULL) == 1;
}

int kernel_landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

const char *kernel_lockdown(void)
{
	int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);
	static char line[128];
	struct statfs fs;
	char *begin, *end;
	ssize_t n;

	/* Where securityfs is not mounted nobody can tell. */
	if (fd < 0)
		return statfs("/sys/kernel/security", &fs) || fs.f_type != SECURITYFS_MAGIC ?
			       "unknown" :
			       NULL;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	begin = strchr(line, '[');
	end = begin ? strchr(begin, ']') : NULL;
	if (!end)
		return "unknown";
	*end = '\0';
	return begin + 1;
}
