/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's structs, with just the fields read here; CO-RE finds their
 * offsets in the running kernel's BTF. Every pointer is walked directly, which
 * the verifier allows for BTF pointers and which a fault turns into a zero, so
 * no bpf_probe_read_kernel() is needed and lockdown=confidentiality is served.
 */
#ifndef BPFAHEAD_CORE_BPF_H
#define BPFAHEAD_CORE_BPF_H

/* Fields that only programs about files read: the other objects stay small without them. */
#if defined(CORE_OPEN_FILES) || defined(CORE_PER_FILE)
#define CORE_FILES
#endif

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#define CORE __attribute__((preserve_access_index))

struct kernfs_node {
	__u64 id;
} CORE;

struct kobject {
	struct kernfs_node *sd;
} CORE;

struct device {
	struct kobject kobj;
} CORE;

struct backing_dev_info {
	__u64 id;
	unsigned long ra_pages;
	struct device *dev;
	char dev_name[64];
} CORE;

struct queue_limits {
	unsigned int max_hw_sectors;
	unsigned int max_sectors;
	unsigned int io_opt;
	unsigned int max_user_sectors; /* since 6.9 */
	unsigned int max_discard_sectors;
	unsigned int features; /* since 6.11, and flags */
	unsigned int flags;
} CORE;

struct request_queue {
	struct gendisk *disk; /* since 5.15 */
	struct queue_limits limits;
} CORE;

struct gendisk {
	struct request_queue *queue;
	struct backing_dev_info *bdi;
} CORE;

struct block_device {
	struct gendisk *bd_disk;
	__u32 bd_dev;
} CORE;

struct bvec_iter {
	__u64 bi_sector;
	unsigned int bi_size;
} CORE;

struct bio {
	struct block_device *bi_bdev;
	__u32 bi_opf;
	struct bvec_iter bi_iter;
} CORE;

struct request {
	struct request_queue *q;
	__u32 cmd_flags;
	__u64 io_start_time_ns;
} CORE;

typedef struct {
	__u8 b[16];
} CORE uuid_t;

struct super_block {
	struct block_device *s_bdev;
	struct backing_dev_info *s_bdi;
	unsigned long s_magic;
	uuid_t s_uuid;
#ifdef CORE_FILES
	__u32 s_dev;
#endif
} CORE;

struct inode {
	struct super_block *i_sb;
	__u32 i_rdev;
#ifdef CORE_FILES
	unsigned long i_ino;
	__u32 i_generation;
	__u16 i_mode;
	long long i_size;
#endif
} CORE;

struct address_space {
	struct inode *host;
} CORE;

struct file_ra_state {
	unsigned long start;
	unsigned int size;
	unsigned int async_size;
	unsigned int ra_pages;
	long long prev_pos;
} CORE;

struct readahead_control {
	struct address_space *mapping;
	struct file_ra_state *ra;
	unsigned long _index; /* private to mm/, but where the call begins */
} CORE;

/* Fields and structs for programs that look at open files; the others stay small without. */
#ifdef CORE_OPEN_FILES
struct file {
	__u32 f_mode;
	struct inode *f_inode;
	struct file_ra_state f_ra;
	void *private_data;
} CORE;

struct vm_area_struct {
	struct file *vm_file;
} CORE;

struct list_head {
	struct list_head *next;
} CORE;

struct cgroup;

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
} CORE;

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
} CORE;

struct css_set {
	struct cgroup *dfl_cgrp;
} CORE;

struct task_struct {
	int pid;
	int tgid;
	char comm[16];
	struct css_set *cgroups;
} CORE;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} CORE;

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} CORE;

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
} CORE;
#endif

enum req_flag_bits {
	__REQ_RAHEAD = 19, /* moves between releases: always through bpf_core_enum_value() */
};

/* Its positions have a page each (kernel/bpf/ringbuf.c): this is how BTF tells the page size. */
struct bpf_ringbuf {
	unsigned long consumer_pos;
	unsigned long producer_pos;
} CORE;

#define PAGE_KB                                                              \
	((__u32)(bpf_core_field_offset(struct bpf_ringbuf, producer_pos) -   \
		 bpf_core_field_offset(struct bpf_ringbuf, consumer_pos)) >> \
	 10)

/* A claim is given back in order: a plain store is no release on arm64. */
#define RELEASE(word) ((void)__sync_lock_test_and_set(&(word), 0))

#define REQ_OP_MASK 0xffU /* include/linux/blk_types.h: REQ_OP_BITS is 8 */
#define REQ_OP_READ 0U
#define REQ_OP_WRITE 1U
#define BDEVFS_MAGIC 0x62646576 /* include/uapi/linux/magic.h */

#define unlikely(x) __builtin_expect(!!(x), 0)

#endif /* BPFAHEAD_CORE_BPF_H */
