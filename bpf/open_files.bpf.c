// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which open files still carry a former value of their bdi: an iterator over
 * the descriptors of all processes. It runs only when somebody reads the
 * iterator, on that one's time, and costs nothing otherwise.
 *
 * The reader says in `open_queries` which bdi it asks about; what is asked
 * and answered stands in open_files.h.
 */
#define CORE_OPEN_FILES
#include "core.bpf.h"
#include "file_values.bpf.h"
#include "open_files.h"

#define OVERLAYFS_SUPER_MAGIC 0x794c7630 /* include/uapi/linux/magic.h */
#define S_IFMT 0170000
#define S_IFREG 0100000
#define S_IFBLK 0060000

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OPEN_QUERIES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct open_query);
} open_queries SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RA_HISTORY_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct ra_history);
} ra_history SEC(".maps");

struct open_path {
	char path[OPEN_PATH_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OPEN_EXCLUDED_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct open_exclusion);
	__type(value, struct open_path);
} open_excluded SEC(".maps");

/* Kept by user space alone; here so that whoever loads the object has it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RA_HISTORY_MAX + 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct open_counts);
} open_counts SEC(".maps");

static __noinline int excluded(struct task_struct *task)
{
	struct open_exclusion key = {};
	struct cgroup_subsys_state *above;
	struct cgroup *cgroup;
	__u32 i;

	/* NUL-padded: __set_task_comm() uses strscpy_pad(). */
	for (i = 0; i < sizeof(key.comm); i++)
		key.comm[i] = task->comm[i];
	if (bpf_map_lookup_elem(&open_excluded, &key))
		return 1;
	__builtin_memset(&key, 0, sizeof(key));
	cgroup = task->cgroups->dfl_cgrp;
	for (i = 0; i < CGROUP_DEPTH_MAX; i++) {
		key.cgroup_id = cgroup->kn->id;
		if (!key.cgroup_id)
			break;
		if (bpf_map_lookup_elem(&open_excluded, &key))
			return 1;
		above = cgroup->self.parent;
		cgroup = above->cgroup;
	}
	return 0;
}

static __noinline int has_own_value(struct inode *inode, __u64 bdi_id)
{
	struct file_key key = {.ino = inode->i_ino,
			       .s_dev = inode->i_sb->s_dev,
			       .generation = inode->i_generation};
	struct file_value *v = bpf_map_lookup_elem(&file_values, &key);

	return v && v->ra_kb && v->bdi_id == bdi_id;
}

/*
 * The file whose readahead counts behind a file of overlayfs, which hides it in
 * private_data: the file itself, or since 6.13 a struct that begins with a
 * pointer to it. That is a module's struct, so any struct that begins with a
 * pointer serves to read it. Whatever the cast makes of other kernels' data, a
 * load through it that faults gives 0, and the bdi at its end must be the one
 * asked for. Without the kfunc (before 6.2) such files are not seen.
 */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

static __always_inline struct file *as_file(const void *object)
{
	return bpf_rdonly_cast(object, bpf_core_type_id_kernel(struct file));
}

static __always_inline struct file *real_file(struct file *file, __u64 bdi_id)
{
	struct list_head *container;
	struct file *real;

	if (!bpf_rdonly_cast)
		return NULL;
	real = as_file(file->private_data);
	if (real->f_inode->i_sb->s_bdi->id == bdi_id)
		return real;
	container = bpf_rdonly_cast(file->private_data, bpf_core_type_id_kernel(struct list_head));
	real = as_file(container->next);
	return real->f_inode->i_sb->s_bdi->id == bdi_id ? real : NULL;
}

/*
 * What follows are global functions of plain numbers: the verifier walks their
 * loops once, not once per path that leads to them.
 */

/* The reader's query, or NULL. */
static __always_inline struct open_query *query(void)
{
	__u32 reader = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&open_queries, &reader);
}

/* Is it a disk or a partition of the bdi asked for? */
__attribute__((noinline)) int rdev_asked_for(__u32 rdev)
{
	struct open_query *q = query();
	__u32 i, found = 0;
	__u64 nr_rdevs;

	if (!q)
		return 0;
	nr_rdevs = q->nr_rdevs;
	for (i = 0; i < OPEN_RDEVS_MAX; i++)
		found |= (__u32)((i - nr_rdevs) >> 63) & open_equal(q->rdevs[i], rdev);
	return found;
}

__attribute__((noinline)) int verdict_of(__u64 bdi_id, __u32 now, __u32 ra_pages, __u32 f_mode,
					 int ours_only)
{
	struct ra_history *history = bpf_map_lookup_elem(&ra_history, &bdi_id);

	if (!history)
		return ra_pages == now ? OPEN_CURRENT : OPEN_FOREIGN;
	return open_verdict(history, now, ra_pages, f_mode, ours_only);
}

/* What of @file counts for the query; false: it is none of its files. */
static __always_inline bool fill(const struct open_query *q, struct file *file,
				 struct open_file *record, __u32 *now)
{
	struct inode *inode = file->f_inode;
	struct super_block *sb = inode->i_sb;
	__u32 type = inode->i_mode & S_IFMT;

	record->f_mode = file->f_mode;
	record->ino = inode->i_ino;
	record->s_dev = sb->s_dev;
	record->ra_pages = file->f_ra.ra_pages;
	*now = q->ra_pages;
	if (!(record->f_mode & OPEN_MODE_READ))
		return false;
	if (q->flags & OPEN_QUERY_FILE &&
	    (record->ino != q->key.ino || record->s_dev != q->key.s_dev ||
	     inode->i_generation != q->key.generation))
		return false;
	if (type == S_IFREG) {
		if (sb->s_bdi->id != q->bdi_id)
			return false;
		if (!(q->flags & OPEN_QUERY_TARGET))
			*now = sb->s_bdi->ra_pages;
		return true;
	}
	record->rdev = inode->i_rdev;
	return type == S_IFBLK && rdev_asked_for(record->rdev);
}

static __noinline int look_at(struct bpf_iter_meta *meta, struct task_struct *task,
			      struct file *file, __u32 fd)
{
	struct open_file record = {};
	struct file *counts = file;
	struct open_query *q;
	__u32 i, now, verdict;

	q = query();
	if (!q)
		return 0;
	q->visited++;
	if (file->f_inode->i_sb->s_magic == OVERLAYFS_SUPER_MAGIC) {
		counts = real_file(file, q->bdi_id);
		if (!counts)
			return 0;
		record.flags = OPEN_FILE_OVERLAY;
	}
	if (!fill(q, counts, &record, &now))
		return 0;
	verdict = verdict_of(q->bdi_id, now, record.ra_pages, record.f_mode,
			     q->flags & OPEN_QUERY_OURS);
	if (verdict == OPEN_STALE && excluded(task))
		verdict = OPEN_EXCLUDED;
	if (verdict == OPEN_STALE && !(q->flags & OPEN_QUERY_FILE) &&
	    has_own_value(counts->f_inode, q->bdi_id))
		verdict = OPEN_OWN_VALUE;
	asm volatile("" : "+r"(verdict)); /* the verifier knows nothing of what is returned */
	if (verdict < NR_OPEN_VERDICTS)
		q->count[verdict]++;
	if (verdict != OPEN_STALE && !(q->flags & OPEN_QUERY_ALL))
		return 0;
	record.verdict = verdict;
	record.file = (__u64)counts;
	record.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	record.pid = task->pid;
	record.tgid = task->tgid;
	record.fd = fd;
	for (i = 0; i < sizeof(record.comm); i++)
		record.comm[i] = task->comm[i];
	bpf_seq_write(meta->seq, &record, sizeof(record));
	return 0;
}

SEC("iter/task_file")
int open_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;

	if (!task || !file)
		return 0;
	return look_at(ctx->meta, task, file, ctx->fd);
}

/* The same of mappings, which keep a file open when its descriptor is closed. For status alone. */
SEC("iter/task_vma")
int open_maps(struct bpf_iter__task_vma *ctx)
{
	struct task_struct *task = ctx->task;
	struct vm_area_struct *vma = ctx->vma;
	struct file *file;

	if (!task || !vma)
		return 0;
	file = vma->vm_file;
	if (!file)
		return 0;
	return look_at(ctx->meta, task, file, OPEN_FD_NONE);
}

char _license[] SEC("license") = "GPL";
