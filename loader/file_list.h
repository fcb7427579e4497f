/* SPDX-License-Identifier: GPL-2.0-only */
/* Files with values of their own, for people to look at. */
#ifndef BPFAHEAD_FILE_LIST_H
#define BPFAHEAD_FILE_LIST_H

#include "../bpf/abi.h"

struct file_entry {
	struct file_key key;
	struct file_value value;
	__s32 margin;         /* of the last confirming window; 0 if it is not watched any more */
	unsigned int readers; /* descriptors that processes have of it now */
	char *path;           /* by one of them; NULL if there is none */
};

/*
 * file_list_get - the files with values of their own, by device and inode
 * @list: on success an array of @n, for file_list_free()
 * Looks through /proc for their paths. 0, also where nothing of the kind is loaded, or -errno.
 */
int file_list_get(const char *pin_dir, struct file_entry **list, unsigned int *n);
void file_list_free(struct file_entry *list, unsigned int n);

/* Counters of the kernel programs; -ENOENT: not loaded. */
int file_list_stats(const char *pin_dir, struct file_stats *stats);

#endif
