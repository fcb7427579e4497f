// SPDX-License-Identifier: GPL-2.0-only
#include "exclude.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

int exclude_comm_key(const char *name, struct open_exclusion *key)
{
	size_t length = strlen(name);

	if (!length || length >= sizeof(key->comm))
		return -EINVAL;
	memset(key, 0, sizeof(*key));
	memcpy(key->comm, name, length);
	return 0;
}

int exclude_cgroup_key(const char *path, struct open_exclusion *key)
{
	struct statfs fs;
	struct stat st;

	if (path[0] != '/' || strlen(path) >= OPEN_PATH_LEN)
		return -EINVAL;
	if (statfs(path, &fs) || stat(path, &st))
		return -errno;
	/* The hierarchies of version 1 number their directories each for itself. */
	if (fs.f_type != CGROUP2_SUPER_MAGIC || !S_ISDIR(st.st_mode))
		return -EMEDIUMTYPE;
	memset(key, 0, sizeof(*key));
	key->cgroup_id = st.st_ino;
	return 0;
}

int exclude_put(const struct open_files *of, const struct open_exclusion *key, const char *path)
{
	char value[OPEN_PATH_LEN] = "";

	if (path)
		memcpy(value, path, strnlen(path, sizeof(value) - 1));
	return bpf_map_update_elem(of->open_excluded, key, value, BPF_ANY);
}

int exclude_find(const struct open_files *of, const char *comm, const char *path,
		 struct open_exclusion *key)
{
	const struct open_exclusion *last = NULL;
	char value[OPEN_PATH_LEN];

	if (comm)
		return exclude_comm_key(comm, key) ||
				       bpf_map_lookup_elem(of->open_excluded, key, value) ?
			       -ENOENT :
			       0;
	while (!bpf_map_get_next_key(of->open_excluded, last, key)) {
		last = key;
		if (key->cgroup_id && !bpf_map_lookup_elem(of->open_excluded, key, value) &&
		    !strncmp(value, path, sizeof(value)))
			return 0;
	}
	return -ENOENT;
}

int exclude_drop(const struct open_files *of, const struct open_exclusion *key)
{
	return bpf_map_delete_elem(of->open_excluded, key);
}

int exclude_each(const struct open_files *of,
		 void (*fn)(const char *comm, const char *path, void *), void *arg)
{
	struct open_exclusion key, *last = NULL;
	char value[OPEN_PATH_LEN];

	while (!bpf_map_get_next_key(of->open_excluded, last, &key)) {
		last = &key;
		if (bpf_map_lookup_elem(of->open_excluded, &key, value))
			continue; /* taken off the list meanwhile */
		value[sizeof(value) - 1] = '\0';
		key.comm[sizeof(key.comm) - 1] = '\0';
		fn(key.cgroup_id ? NULL : key.comm, key.cgroup_id ? value : NULL, arg);
	}
	return 0;
}
