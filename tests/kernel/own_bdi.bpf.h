/* SPDX-License-Identifier: GPL-2.0-only */
/* The bdi of the caller's own file, lent to events with made-up ids. */
#ifndef BPFAHEAD_OWN_BDI_BPF_H
#define BPFAHEAD_OWN_BDI_BPF_H

#include "../../bpf/core.bpf.h"

struct file {
	struct inode *f_inode;
} CORE;

struct mm_struct {
	struct file *exe_file;
} CORE;

struct task_struct {
	struct mm_struct *mm;
} CORE;

static __always_inline struct super_block *own_super_block(void)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	struct file *file;

	if (!mm)
		return NULL;
	file = mm->exe_file;
	return file ? file->f_inode->i_sb : NULL;
}

#endif
