/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Models in the pinned maps. A new model goes into a map of its own, which is
 * filled and frozen before one update of the outer map makes it visible. The
 * model that acted before stays pinned as PIN_DIR/previous.
 */
#ifndef BPFAHEAD_WEIGHTS_H
#define BPFAHEAD_WEIGHTS_H

#include "cli.h"
#include "maps.h"

/*
 * weights_get - the model in @slot as it is in the map, sound or not
 * Returns 0, -ENOENT (empty slot), or -errno.
 */
int weights_get(const struct maps *maps, enum model_slot slot, struct model *model);

/* The model pinned as previous; same contract. */
int weights_get_previous(const char *pin_dir, struct model *model);

/* enum model_fault of a model out of a map, by the kernel's own checks. */
int weights_check(const struct model *model);

/* Pushed into MODEL_ACTING, what acted before becomes the previous one. 0 or -errno. */
int weights_push(const struct maps *maps, const char *pin_dir, enum model_slot slot,
		 const struct model *model, struct fault *fault);

/* The shadow acts, the acting one becomes the previous, the shadow's slot is empty. */
int weights_promote(const struct maps *maps, const char *pin_dir, struct fault *fault);

/* The previous one acts, the acting one becomes the previous. */
int weights_rollback(const struct maps *maps, const char *pin_dir, struct fault *fault);

/*
 * weights_sources - do the attached hooks serve @model?
 * The completion hook is no obstacle: it is attached on demand.
 * 0, or -EOPNOTSUPP with @fault filled.
 */
int weights_sources(const char *pin_dir, const struct model *model, struct fault *fault);

/* Attaches the completion hook if @model or a model in a slot needs it, else detaches it. */
int weights_latency(const struct maps *maps, const char *pin_dir, const struct model *model,
		    struct fault *fault);

#endif
