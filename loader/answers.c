// SPDX-License-Identifier: GPL-2.0-only
/* The acting and the shadow model's own accuracy while a labelled pattern is recorded. */
#include "answers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <bpf/bpf.h>

#include "names.h"
#include "weights.h"
#include "../bpf/mlp.h"

#define SHADOW_TRIES 20
#define SHADOW_WAIT_NS 1000000L /* a hop ends within microseconds, unless its CPU is taken away */

static bool get_model(const struct maps *maps, enum model_slot slot, struct model_header *header)
{
	struct model model;

	if (weights_get(maps, slot, &model) || weights_check(&model) != MODEL_OK)
		return false;
	*header = model.header;
	return true;
}

void answers_start(struct answers *a, const struct maps *maps, const char *label)
{
	struct timespec now;
	unsigned int slot;

	memset(a, 0, sizeof(*a));
	a->class_id = class_from_name(label);
	a->judged = a->class_id >= 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	a->since_ns = (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec;
	for (slot = 0; slot < NR_MODEL_SLOTS; slot++)
		a->slot[slot].present = get_model(maps, slot, &a->slot[slot].model);
}

static bool model_has(const struct model_header *model, int class_id)
{
	unsigned int i;

	for (i = 0; i < model->nr_outputs; i++)
		if (model->class_id[i] == class_id)
			return true;
	return false;
}

/* A model that lacks the label's class can still be right about what it is a kind of. */
static bool answer_is_right(const struct answers *a, const struct model_header *model,
			    unsigned int class_id)
{
	if (model_has(model, a->class_id))
		return class_id == (unsigned int)a->class_id;
	return !strcmp(class_classic_name(class_id), class_classic_name((unsigned int)a->class_id));
}

/*
 * The shadow answers after the record has been sent, before the claim on the
 * slot is given back. CLASS_NONE if it did not answer, or if this window's
 * answer is not there any more.
 */
static unsigned int shadow_answer(const struct maps *maps, const struct window_record *w)
{
	const struct timespec wait = {.tv_nsec = SHADOW_WAIT_NS};
	struct bdi_state state;
	unsigned int n;
	__u32 slot;

	if (bpf_map_lookup_elem(maps->bdi_slots, &w->bdi_id, &slot))
		return CLASS_NONE;
	for (n = 0; n < SHADOW_TRIES; n++) {
		if (bpf_map_lookup_elem(maps->bdis, &slot, &state) || state.bdi_id != w->bdi_id ||
		    state.evaluated_ns != w->time_ns)
			return CLASS_NONE;
		if (!state.claim)
			return state.shadow_class;
		nanosleep(&wait, NULL);
	}
	return CLASS_NONE;
}

static void count(struct answers *a, enum model_slot slot, unsigned int class_id)
{
	if (class_id == CLASS_NONE)
		return;
	a->slot[slot].windows++;
	a->slot[slot].right += answer_is_right(a, &a->slot[slot].model, class_id);
}

void answers_take(struct answers *a, const struct maps *maps, const struct window_record *w)
{
	if (!a->judged || w->time_ns - w->window.span_ns < a->since_ns)
		return;
	a->windows++;
	if (a->slot[MODEL_ACTING].present &&
	    w->model_checksum == a->slot[MODEL_ACTING].model.checksum)
		count(a, MODEL_ACTING, w->window.class_id);
	if (a->slot[MODEL_SHADOW].present)
		count(a, MODEL_SHADOW, shadow_answer(maps, w));
}

void answers_print(const struct answers *a, const struct maps *maps)
{
	static const char *const roles[NR_MODEL_SLOTS] = {"acting", "shadow"};
	unsigned int slot;

	if (!a->judged)
		return;
	printf("%lu of them lie wholly within the recording\n", a->windows);
	for (slot = 0; slot < NR_MODEL_SLOTS; slot++) {
		const struct model_header *model = &a->slot[slot].model;
		unsigned long right = a->slot[slot].right, windows = a->slot[slot].windows;
		struct model_header now;

		if (!a->slot[slot].present)
			continue;
		printf("%s  %s, checksum %016llx: ", roles[slot], model->name,
		       (unsigned long long)model->checksum);
		if (!get_model(maps, slot, &now) || now.checksum != model->checksum)
			printf("replaced while this was recorded\n");
		else if (!windows)
			printf("answered no window\n");
		else
			printf("right about %lu of %lu windows (%.1f %%)\n", right, windows,
			       100.0 * (double)right / (double)windows);
	}
}
