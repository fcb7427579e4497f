// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>

#include "load.h"
#include "model_file.h"
#include "names.h"
#include "weights.h"
#include "../bpf/mlp.h"

#define PREVIOUS "previous"
#define PREVIOUS_NEW "previous_new" /* bpffs takes no dots */

/* A descriptor of the inner map in @slot, or -errno. */
static int inner_map(const struct maps *maps, __u32 slot)
{
	__u32 id;
	int fd;

	if (bpf_map_lookup_elem(maps->models, &slot, &id))
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	return fd < 0 ? -errno : fd;
}

static int read_inner(int fd, struct model *model)
{
	struct model copy;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(fd, &zero, &copy))
		return -errno;
	*model = copy;
	return 0;
}

int weights_get(const struct maps *maps, enum model_slot slot, struct model *model)
{
	int err, fd = inner_map(maps, slot);

	if (fd < 0)
		return fd;
	err = read_inner(fd, model);
	close(fd);
	return err;
}

/* -EPROTO: something else is pinned there. */
static int open_previous(const char *pin_dir)
{
	struct bpf_map_info info = {0};
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(pin_path(pin_dir, PREVIOUS));

	if (fd < 0)
		return -errno;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.value_size == sizeof(struct model))
		return fd;
	close(fd);
	return -EPROTO;
}

int weights_get_previous(const char *pin_dir, struct model *model)
{
	int err, fd = open_previous(pin_dir);

	if (fd < 0)
		return fd;
	err = read_inner(fd, model);
	close(fd);
	return err;
}

int weights_check(const struct model *model)
{
	struct model copy = {0};
	int fault = model_fetch(model, &copy);

	return fault == MODEL_OK ? model_check(&copy) : fault;
}

/* A new inner map, filled and frozen: nobody changes it any more, not even by hand. */
static int create_inner(const struct model *model)
{
	__u32 zero = 0;
	int err, fd;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "model", sizeof(zero), sizeof(*model), 1, NULL);
	if (fd < 0)
		return -errno;
	if (!bpf_map_update_elem(fd, &zero, model, BPF_ANY) && !bpf_map_freeze(fd))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* One update makes the inner map @fd act; what acted before is kept for rollback. */
static int act(const struct maps *maps, const char *pin_dir, int fd)
{
	const char *pin = pin_path(pin_dir, PREVIOUS), *pin_new = pin_path(pin_dir, PREVIOUS_NEW);
	int old = inner_map(maps, MODEL_ACTING), err = 0;
	__u32 slot = MODEL_ACTING;

	if (old < 0 && old != -ENOENT)
		return old;
	/* Pinned under another name first: the pin moves only once the swap has happened. */
	unlink(pin_new);
	if (old >= 0 && bpf_obj_pin(old, pin_new)) {
		err = -errno;
		goto close_old;
	}
	if (bpf_map_update_elem(maps->models, &slot, &fd, BPF_ANY)) {
		err = -errno;
		unlink(pin_new);
		goto close_old;
	}
	if (old >= 0 && rename(pin_new, pin))
		err = -errno;
close_old:
	if (old >= 0)
		close(old);
	return err;
}

int weights_push(const struct maps *maps, const char *pin_dir, enum model_slot slot,
		 const struct model *model, struct fault *fault)
{
	int err, fd = create_inner(model);
	__u32 key = slot;

	if (fd < 0)
		return cli_fault_set(fault, fd, "cannot create the map for the model: %s",
				     strerror(-fd));
	if (slot == MODEL_ACTING)
		err = act(maps, pin_dir, fd);
	else
		err = bpf_map_update_elem(maps->models, &key, &fd, BPF_ANY) ? -errno : 0;
	close(fd);
	return err ? cli_fault_set(fault, err, "cannot put the model in place: %s",
				   strerror(-err)) :
		     0;
}

int weights_promote(const struct maps *maps, const char *pin_dir, struct fault *fault)
{
	int err, fd = inner_map(maps, MODEL_SHADOW);
	__u32 slot = MODEL_SHADOW;

	if (fd == -ENOENT)
		return cli_fault_set(fault, fd,
				     "no shadow model: 'bpfahead weights shadow FILE' first");
	if (fd < 0)
		return cli_fault_set(fault, fd, "cannot open the shadow model: %s", strerror(-fd));
	err = act(maps, pin_dir, fd);
	if (!err && bpf_map_delete_elem(maps->models, &slot))
		err = -errno;
	close(fd);
	return err ? cli_fault_set(fault, err, "cannot promote the shadow: %s", strerror(-err)) : 0;
}

int weights_rollback(const struct maps *maps, const char *pin_dir, struct fault *fault)
{
	int err, fd = open_previous(pin_dir);

	if (fd == -ENOENT)
		return cli_fault_set(fault, fd, "no previous model: nothing has been replaced yet");
	if (fd < 0)
		return cli_fault_set(fault, fd, "cannot open the previous model: %s",
				     strerror(-fd));
	err = act(maps, pin_dir, fd);
	close(fd);
	return err ? cli_fault_set(fault, err, "cannot roll back: %s", strerror(-err)) : 0;
}

int weights_sources(const char *pin_dir, const struct model *model, struct fault *fault)
{
	unsigned int lacking = model->header.required_sources & ~load_sources(pin_dir);
	char names[64];

	lacking &= ~(unsigned int)SOURCE_LATENCY;
	if (!lacking)
		return 0;
	return cli_fault_set(fault, -EOPNOTSUPP,
			     "model '%s' needs the source %s, which is not attached here: "
			     "'bpfahead probe' says why",
			     model->header.name, source_names(lacking, names, sizeof(names)));
}

static bool slot_needs_latency(const struct maps *maps, enum model_slot slot)
{
	struct model model;

	return !weights_get(maps, slot, &model) && weights_check(&model) == MODEL_OK &&
	       model.header.required_sources & SOURCE_LATENCY;
}

int weights_latency(const struct maps *maps, const char *pin_dir, const struct model *model,
		    struct fault *fault)
{
	bool wanted = (model && model->header.required_sources & SOURCE_LATENCY) ||
		      slot_needs_latency(maps, MODEL_ACTING) ||
		      slot_needs_latency(maps, MODEL_SHADOW);

	return load_latency(pin_dir, wanted, fault);
}
