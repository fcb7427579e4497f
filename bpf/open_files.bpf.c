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

	for (i = 0; i < sizeof(key.comm); i++) {
		char letter = task->comm[i];

		if (!letter)
			break;
		key.comm[i] = letter;
	}
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

SEC("iter/task_file")
int open_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct open_file record = {};
	struct backing_dev_info *bdi;
	struct ra_history *history;
	struct super_block *sb;
	struct open_query *q;
	struct inode *inode;
	__u32 i, now, type, reader, verdict;

	if (!task || !file)
		return 0;
	reader = bpf_get_current_pid_tgid() >> 32;
	q = bpf_map_lookup_elem(&open_queries, &reader);
	if (!q)
		return 0;
	q->visited++;
	record.f_mode = file->f_mode;
	if (!(record.f_mode & OPEN_MODE_READ))
		return 0;
	inode = file->f_inode;
	sb = inode->i_sb;
	record.ino = inode->i_ino;
	record.s_dev = sb->s_dev;
	if (q->flags & OPEN_QUERY_FILE && (record.ino != q->ino || record.s_dev != q->s_dev))
		return 0;
	type = inode->i_mode & S_IFMT;
	if (type == S_IFREG) {
		bdi = sb->s_bdi;
		if (bdi->id != q->bdi_id)
			return 0;
		now = q->flags & OPEN_QUERY_TARGET ? q->ra_pages : (__u32)bdi->ra_pages;
	} else if (type == S_IFBLK) {
		record.rdev = inode->i_rdev;
		for (i = 0; i < OPEN_RDEVS_MAX; i++) {
			if (i >= q->nr_rdevs)
				return 0;
			if (q->rdevs[i] == record.rdev)
				break;
		}
		if (i == OPEN_RDEVS_MAX)
			return 0;
		now = q->ra_pages;
	} else {
		return 0;
	}
	record.ra_pages = file->f_ra.ra_pages;
	verdict = record.ra_pages == now ? OPEN_CURRENT : OPEN_FOREIGN;
	history = bpf_map_lookup_elem(&ra_history, &q->bdi_id);
	if (history)
		verdict = open_verdict(history, now, record.ra_pages, record.f_mode,
				       q->flags & OPEN_QUERY_OURS);
	if (verdict == OPEN_STALE && excluded(task))
		verdict = OPEN_EXCLUDED;
	if (verdict == OPEN_STALE && !(q->flags & OPEN_QUERY_FILE) &&
	    has_own_value(inode, q->bdi_id))
		verdict = OPEN_OWN_VALUE;
	if (verdict < NR_OPEN_VERDICTS)
		q->count[verdict]++;
	if (verdict != OPEN_STALE && !(q->flags & OPEN_QUERY_ALL))
		return 0;
	record.verdict = verdict;
	record.file = (__u64)file;
	record.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	record.pid = task->pid;
	record.tgid = task->tgid;
	record.fd = ctx->fd;
	for (i = 0; i < sizeof(record.comm); i++)
		record.comm[i] = task->comm[i];
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char _license[] SEC("license") = "GPL";
