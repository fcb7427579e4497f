// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../bpf/classify.h"
#include "../loader/model_file.h"
#include "evaluate.h"
#include "ask_kernel.h"
#include "train.h"

struct asker {
	struct bpf_object *object;
	struct classify_window *window;
	size_t bytes;
	int program, asked;
};

static int map_of(struct asker *a, const char *name, size_t size, int *fd)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(a->object, name);

	if (!map || bpf_map__value_size(map) != size)
		return -EINVAL;
	*fd = bpf_map__fd(map);
	return 0;
}

static int asker_open(struct asker *a, const char *path, struct fault *why)
{
	struct bpf_program *program;
	char text[128];
	int stored, ret;

	libbpf_set_print(NULL);
	a->object = bpf_object__open_file(path, NULL);
	ret = libbpf_get_error(a->object);
	if (ret) {
		a->object = NULL;
		libbpf_strerror(ret, text, sizeof(text));
		return fault_set(why, EINVAL, "%s: %s", path, text);
	}
	program = bpf_object__find_program_by_name(a->object, "classify");
	if (!program)
		return fault_set(why, EINVAL, "%s: no program classify in it", path);
	ret = bpf_object__load(a->object);
	if (ret)
		return fault_set(why, -ret, "%s: the kernel does not load it: %s%s", path,
				 strerror(-ret), ret == -EPERM ? " (needs root)" : "");
	a->program = bpf_program__fd(program);
	if (map_of(a, "asked", sizeof(struct model), &a->asked) ||
	    map_of(a, "stored", sizeof(struct classify_window), &stored))
		return fault_set(why, EINVAL, "%s: made for another version of bpfahead", path);
	a->bytes = CLASSIFY_WINDOWS * sizeof(*a->window);
	a->window = mmap(NULL, a->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, stored, 0);
	if (a->window == MAP_FAILED) {
		ret = -errno;
		a->window = NULL;
		return fault_set(why, -ret, "%s: its map: %s", path, strerror(-ret));
	}
	return 0;
}

static void asker_close(struct asker *a)
{
	if (a->window)
		munmap(a->window, a->bytes);
	bpf_object__close(a->object);
}

static int run(const struct asker *a, struct fault *why)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int ret = bpf_prog_test_run_opts(a->program, &options);

	if (ret)
		return fault_set(why, -ret, "test run: %s", strerror(-ret));
	if ((int)options.retval != CLASSIFY_WINDOWS)
		return fault_set(why, EINVAL, "the kernel does not take the model: %s",
				 model_fault_text(-(int)options.retval));
	return 0;
}

/* Not one bit may differ. */
static bool same(const struct classify_window *w, const struct mlp_scratch *here,
		 unsigned int nr_outputs)
{
	return !w->result && w->class_id == here->class_id && w->margin == here->margin &&
	       !memcmp(w->logits, here->logits, nr_outputs * sizeof(w->logits[0]));
}

static void compare(const struct model *model, const struct row *row,
		    const struct classify_window *w, const struct network *network,
		    struct kernel_answers *k)
{
	struct mlp_scratch here;
	struct answer answer;

	k->nr_asked++;
	k->different +=
		mlp_infer(model, &w->features, &here) || !same(w, &here, model->header.nr_outputs);
	k->correct += w->class_id == row->label;
	if (network && ask(model, row, network, &answer)) {
		k->has_float = true;
		k->float_agreed += answer.float_class == w->class_id;
	}
}

int kernel_ask(const char *object, const struct model *model, const struct dataset *d,
	       const uint8_t *parts, enum part part, const struct network *network,
	       struct kernel_answers *k, struct fault *why)
{
	uint32_t row[CLASSIFY_WINDOWS], nr, i, zero = 0;
	struct asker a = {0};
	size_t next = 0;
	int ret;

	ret = asker_open(&a, object, why);
	if (!ret && bpf_map_update_elem(a.asked, &zero, model, BPF_ANY))
		ret = fault_set(why, errno, "%s: its map: %s", object, strerror(errno));
	while (!ret && a.window && next < d->nr_rows) {
		for (nr = 0; next < d->nr_rows && nr < CLASSIFY_WINDOWS; next++) {
			if (parts && parts[next] != part)
				continue;
			memset(&a.window[nr], 0xa5, sizeof(a.window[nr]));
			memcpy(a.window[nr].features.value, d->rows[next].features,
			       sizeof(d->rows[next].features));
			row[nr++] = (uint32_t)next;
		}
		ret = run(&a, why);
		for (i = 0; !ret && i < nr; i++)
			compare(model, &d->rows[row[i]], &a.window[i], network, k);
	}
	asker_close(&a);
	return ret;
}

void kernel_recorded(const struct model *model, const struct dataset *d, const uint8_t *parts,
		     enum part part, struct kernel_answers *k)
{
	struct answer answer;
	size_t i;

	for (i = 0; i < d->nr_rows; i++) {
		const struct row *row = &d->rows[i];

		if ((parts && parts[i] != part) || row->recorded_class == CLASS_NONE ||
		    row->recorded_model != model->header.checksum)
			continue;
		if (!ask(model, row, NULL, &answer))
			continue;
		k->nr_recorded++;
		k->recorded_different += answer.class_id != row->recorded_class ||
					 answer.margin != row->recorded_margin;
	}
}

void kernel_print(FILE *out, const struct kernel_answers *k)
{
	if (k->nr_asked)
		fprintf(out,
			"  kernel: %zu windows asked by test run, %zu answers differ from int8 "
			"here; accuracy %.2f %%\n",
			k->nr_asked, k->different, percent(k->correct, k->nr_asked));
	if (k->has_float)
		fprintf(out, "  kernel: same class as float %.2f %%\n",
			percent(k->float_agreed, k->nr_asked));
	if (k->nr_recorded)
		fprintf(out,
			"  recorded: %zu windows came with the answer of this model, %zu of them "
			"differ from int8 here\n",
			k->nr_recorded, k->recorded_different);
}

void kernel_add_json(cJSON *json, const struct kernel_answers *k)
{
	cJSON *item;

	if (k->nr_asked) {
		item = cJSON_AddObjectToObject(json, "kernel");
		cJSON_AddNumberToObject(item, "windows", (double)k->nr_asked);
		cJSON_AddNumberToObject(item, "different", (double)k->different);
		cJSON_AddNumberToObject(item, "accuracy", percent(k->correct, k->nr_asked) / 100.0);
		if (k->has_float)
			cJSON_AddNumberToObject(item, "float_agreement",
						percent(k->float_agreed, k->nr_asked) / 100.0);
	}
	if (k->nr_recorded) {
		item = cJSON_AddObjectToObject(json, "recorded");
		cJSON_AddNumberToObject(item, "windows", (double)k->nr_recorded);
		cJSON_AddNumberToObject(item, "different", (double)k->recorded_different);
	}
}
