// SPDX-License-Identifier: GPL-2.0-only
#include "file_list.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A descriptor or -errno. */
static int open_map(const char *pin_dir, const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", pin_dir, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	return bpf_obj_get(path);
}

static int by_key(const void *a, const void *b)
{
	const struct file_entry *x = a, *y = b;

	if (x->key.s_dev != y->key.s_dev)
		return x->key.s_dev < y->key.s_dev ? -1 : 1;
	return x->key.ino < y->key.ino ? -1 : x->key.ino > y->key.ino;
}

static bool same_key(const struct file_key *a, const struct file_key *b)
{
	return a->ino == b->ino && a->s_dev == b->s_dev && a->generation == b->generation;
}

static void get_margins(const char *pin_dir, struct file_entry *list, unsigned int n)
{
	int files = open_map(pin_dir, "files");
	struct file_state state;
	unsigned int i;
	__u32 place;

	for (place = 0; files >= 0 && place < FILES_MAX; place++) {
		if (bpf_map_lookup_elem(files, &place, &state))
			break;
		for (i = 0; i < n; i++)
			if (state.bdi_id && same_key(&state.key, &list[i].key))
				list[i].margin = state.margin;
	}
	if (files >= 0)
		close(files);
}

/* One open descriptor: is it of a file in the list? */
static void look_at(int dir, const char *name, struct file_entry *list, unsigned int n)
{
	char target[PATH_MAX];
	struct stat st;
	unsigned int i;
	ssize_t length;

	if (fstatat(dir, name, &st, 0) || !S_ISREG(st.st_mode))
		return;
	for (i = 0; i < n; i++) {
		/* A btrfs subvolume shows another device number than its super block has. */
		if (st.st_ino != list[i].key.ino ||
		    (major(st.st_dev) &&
		     (major(st.st_dev) << 20 | minor(st.st_dev)) != list[i].key.s_dev))
			continue;
		list[i].readers++;
		if (list[i].path)
			continue;
		length = readlinkat(dir, name, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		list[i].path = strdup(target);
	}
}

static void look_at_process(const char *pid, struct file_entry *list, unsigned int n)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return; /* it has exited */
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			look_at(dirfd(dir), entry->d_name, list, n);
	closedir(dir);
}

static void get_paths(struct file_entry *list, unsigned int n)
{
	DIR *proc = n ? opendir("/proc") : NULL;
	struct dirent *entry;

	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			look_at_process(entry->d_name, list, n);
	if (proc)
		closedir(proc);
}

int file_list_get(const char *pin_dir, struct file_entry **list, unsigned int *n)
{
	struct file_key key, *last = NULL;
	struct file_entry *entries;
	struct file_value value;
	unsigned int count = 0;
	int values;

	*list = NULL;
	*n = 0;
	values = open_map(pin_dir, "file_values");
	if (values < 0)
		return values == -ENOENT ? 0 : values;
	entries = calloc(FILES_MAX, sizeof(*entries));
	if (!entries) {
		close(values);
		return -ENOMEM;
	}
	while (count < FILES_MAX && !bpf_map_get_next_key(values, last, &key)) {
		last = &key;
		if (bpf_map_lookup_elem(values, &key, &value) || !value.ra_kb)
			continue;
		value.name[BDI_NAME_LEN - 1] = '\0';
		entries[count].key = key;
		entries[count].value = value;
		count++;
	}
	close(values);
	qsort(entries, count, sizeof(*entries), by_key);
	get_margins(pin_dir, entries, count);
	get_paths(entries, count);
	*list = entries;
	*n = count;
	return 0;
}

void file_list_free(struct file_entry *list, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		free(list[i].path);
	free(list);
}

int file_list_stats(const char *pin_dir, struct file_stats *stats)
{
	int map = open_map(pin_dir, "file_stats"), cpus = libbpf_num_possible_cpus(), err = 0;
	struct file_stats *of_cpu;
	__u32 zero = 0;
	int i;

	memset(stats, 0, sizeof(*stats));
	if (map < 0)
		return map;
	of_cpu = cpus > 0 ? calloc((size_t)cpus, sizeof(*of_cpu)) : NULL;
	if (!of_cpu)
		err = -ENOMEM;
	else if (bpf_map_lookup_elem(map, &zero, of_cpu))
		err = -errno;
	for (i = 0; !err && i < cpus; i++) {
#define X(name, text) stats->name += of_cpu[i].name;
		FILE_STAT_LIST(X)
#undef X
	}
	free(of_cpu);
	close(map);
	return err;
}
