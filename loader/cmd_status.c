// SPDX-License-Identifier: GPL-2.0-only
/* status: what it sees, decides and has set */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bdi.h"
#include "file_list.h"
#include "device_rows.h"
#include "learned.h"
#include "load.h"
#include "model_file.h"
#include "names.h"
#include "open_files.h"
#include "weights.h"
#include "../bpf/mlp.h"

#define MIB 1048576LL
#define COLUMNS 100

struct slot_model {
	int fault; /* enum model_fault, MODEL_ABSENT */
	struct model model;
};

struct bdis {
	struct bdi_state *state;
	unsigned int count;
};

struct status {
	struct maps maps;
	struct config config; /* effective */
	struct global_stats stats;
	struct slot_model acting, shadow;
	struct bdis bdis; /* live ones */
	struct file_entry *files;
	unsigned int nr_files;
	struct file_stats file_stats;
	bool per_file; /* the object that tells files apart is loaded */
	bool helper;
	unsigned int sources;
	long long memory, memory_bar;
	__u64 now_ns;
	bool census; /* --open-files: look through them now */
	struct open_files open_files;
	int open_files_error; /* of open_files_open() */
	struct learned_table learned;
	__u64 now_s; /* wall clock */
};

/* At most 1 MiB for 2 possible CPUs and 32 MiB for 256, and in proportion between. */
static long long memory_bar(int cpus)
{
	return cpus <= 2 ? MIB : MIB + (cpus - 2) * 31 * MIB / 254;
}

static void get_slot(const struct maps *maps, enum model_slot slot, struct slot_model *out)
{
	if (weights_get(maps, slot, &out->model))
		out->fault = MODEL_ABSENT;
	else
		out->fault = weights_check(&out->model);
}

/* A bdi that has left, or whose name is another's now, is no news to anybody. */
static int keep_live(const struct bdi_state *state, void *arg)
{
	struct bdis *bdis = arg;
	struct bdi_state *grown;

	/* 0 on both sides: it has left, and a file system on it is read all the same. */
	if (!(state->flags & BDI_NAMELESS) &&
	    (!state->sysfs_ino || bdi_sysfs_ino(state->name) != state->sysfs_ino))
		return 0;
	grown = realloc(bdis->state, (bdis->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	bdis->state = grown;
	bdis->state[bdis->count++] = *state;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(((const struct bdi_state *)a)->name, ((const struct bdi_state *)b)->name);
}

static int gather(struct status *s)
{
	struct timespec now;
	struct config raw;
	int err;

	err = maps_get_config(&s->maps, &raw);
	if (!err)
		err = maps_global_stats(&s->maps, &s->stats);
	if (!err)
		err = maps_each_bdi(&s->maps, keep_live, &s->bdis);
	if (err)
		return fail(EXIT_FAILURE, "cannot read the maps: %s", strerror(-err));
	err = file_list_get(cli.pin_dir, &s->files, &s->nr_files);
	if (err)
		return fail(EXIT_FAILURE, "cannot read the files: %s", strerror(-err));
	s->per_file = !file_list_stats(cli.pin_dir, &s->file_stats);
	if (s->bdis.count)
		qsort(s->bdis.state, s->bdis.count, sizeof(*s->bdis.state), by_name);
	config_effective(&raw, &s->config);
	get_slot(&s->maps, MODEL_ACTING, &s->acting);
	get_slot(&s->maps, MODEL_SHADOW, &s->shadow);
	s->helper = helper_alive();
	s->sources = load_sources(cli.pin_dir);
	s->memory = maps_memory_bytes(&s->maps);
	s->memory_bar = memory_bar(libbpf_num_possible_cpus());
	s->open_files_error = open_files_open(cli.pin_dir, &s->open_files);
	(void)learned_load(&s->learned, cli.state_dir); /* none there: nothing learned */
	s->now_s = (__u64)time(NULL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	s->now_ns = (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec;
	return 0;
}

/* What sysfs says now, or -errno. */
static int kb_now(const struct bdi_state *b)
{
	unsigned int kb = 0;
	int err, fd = bdi_open(b->name, b->sysfs_ino);

	if (fd < 0)
		return fd;
	err = bdi_read_kb(fd, &kb);
	close(fd);
	return err ? err : (int)kb;
}

static bool get_applied(const struct status *s, const struct bdi_state *b, struct applied *applied)
{
	return !bpf_map_lookup_elem(s->maps.applied, &b->bdi_id, applied);
}

static const char *applied_text(__u32 status)
{
	switch (status) {
	case APPLIED_NONE:
		return "none";
	case APPLIED_ACCEPTED:
		return "accepted";
	case APPLIED_RECOMMENDED:
		return "recommended";
	case APPLIED_REFUSED:
		return "refused";
	case APPLIED_STOOD_BACK:
		return "stood-back";
	}
	return "?";
}

static const char *scope_text(__u32 scope)
{
	static const char *const names[] = {"mounted", "listed", "all"};

	return scope < 3 ? names[scope] : "?";
}

/* Do open files follow? */
static const char *open_files_text(const struct status *s)
{
	if (s->open_files_error == -ENOENT)
		return "not loaded";
	if (s->open_files_error)
		return "unusable";
	return s->config.open_files == SWITCH_ON ? "on" : "off";
}

/* Counts of a bdi, of all with id 0. Zeros if there are none. */
static void get_open_counts(const struct status *s, __u64 bdi_id, struct open_counts *counts)
{
	if (s->open_files_error || open_counts_get(&s->open_files, bdi_id, counts))
		memset(counts, 0, sizeof(*counts));
}

static bool get_census(const struct status *s, const struct bdi_state *b,
		       struct open_census *census)
{
	int kb = s->census && !s->open_files_error ? kb_now(b) : -ENOENT;

	return kb >= 0 &&
	       !open_files_census(&s->open_files, &s->maps, b->bdi_id, (unsigned int)kb, census);
}

static double seconds(__u64 ns)
{
	return (double)ns / 1e9;
}

static double window_age(const struct status *s, const struct bdi_state *b)
{
	return s->now_ns > b->evaluated_ns ? seconds(s->now_ns - b->evaluated_ns) : 0;
}

static void shadow_sums(const struct status *s, __u64 *windows, __u64 *agreed)
{
	unsigned int i;

	*windows = *agreed = 0;
	for (i = 0; i < s->bdis.count; i++) {
		*windows += s->bdis.state[i].stats.shadow_windows;
		*agreed += s->bdis.state[i].stats.shadow_agreed;
	}
}

/* --- JSON ----------------------------------------------------------------------------------- */

static cJSON *model_json(const struct slot_model *slot)
{
	const struct model_header *h = &slot->model.header;
	cJSON *object;
	char text[32];

	if (slot->fault == MODEL_ABSENT)
		return cJSON_CreateNull();
	object = cJSON_CreateObject();
	if (slot->fault != MODEL_OK) {
		cJSON_AddStringToObject(object, "fault", model_fault_text(slot->fault));
		return object;
	}
	cJSON_AddStringToObject(object, "name", h->name);
	json_add_u64(object, "generation", h->generation);
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)h->checksum);
	cJSON_AddStringToObject(object, "checksum", text);
	return object;
}

static void add_open_counts(cJSON *object, const struct open_counts *counts)
{
#define X(name, what) json_add_u64(object, #name, counts->name);
	OPEN_COUNT_LIST(X)
#undef X
}

static void add_open_files(cJSON *object, const struct status *s, const struct bdi_state *b)
{
	cJSON *open_files = cJSON_AddObjectToObject(object, "open_files"), *now, *mapped;
	struct open_census census;
	struct open_counts counts;
	unsigned int i;

	get_open_counts(s, b->bdi_id, &counts);
	add_open_counts(open_files, &counts);
	if (!get_census(s, b, &census))
		return;
	now = cJSON_AddObjectToObject(object, "open_files_now");
	mapped = cJSON_AddObjectToObject(object, "mapped_files_now");
	for (i = 0; i < NR_OPEN_VERDICTS; i++) {
		json_add_u64(now, open_verdict_name(i), census.files[i]);
		json_add_u64(mapped, open_verdict_name(i), census.mapped[i]);
	}
}

static void add_class(cJSON *object, const char *name, unsigned int id)
{
	if (id == CLASS_NONE)
		cJSON_AddNullToObject(object, name);
	else
		cJSON_AddStringToObject(object, name, class_name(id));
}

static cJSON *features_json(const struct bdi_state *b)
{
	cJSON *features = cJSON_CreateObject();
	unsigned int id;

	for (id = 0; id < FEATURES_MAX; id++) {
		const char *name = feature_name(id);

		if (!name)
			continue;
		if (feature_is_ratio(id))
			cJSON_AddNumberToObject(features, name,
						q16_decimal((long long)b->features[id]));
		else
			json_add_u64(features, name, b->features[id]);
	}
	return features;
}

static cJSON *logits_json(const struct bdi_state *b)
{
	cJSON *logits = cJSON_CreateObject();
	unsigned int i;

	for (i = 0; i < b->nr_outputs && i < MODEL_OUTPUTS_MAX; i++)
		cJSON_AddNumberToObject(logits, class_name(b->class_of_logit[i]),
					q16_decimal(b->logits[i]));
	return logits;
}

static void add_applied(cJSON *object, const struct status *s, const struct bdi_state *b)
{
	struct applied applied;
	int kb = kb_now(b);

	if (kb < 0)
		cJSON_AddNullToObject(object, "kb_now");
	else
		cJSON_AddNumberToObject(object, "kb_now", kb);
	if (!get_applied(s, b, &applied))
		memset(&applied, 0, sizeof(applied));
	if (applied.holds_original)
		cJSON_AddNumberToObject(object, "kb_original", applied.original_kb);
	else if (kb >= 0) /* nothing of ours is in place: what is there is the original */
		cJSON_AddNumberToObject(object, "kb_original", kb);
	else
		cJSON_AddNullToObject(object, "kb_original");
	cJSON_AddNumberToObject(object, "kb_wanted", b->wanted_kb);
	cJSON_AddStringToObject(object, "applied", applied_text(applied.status));
}

static const char *origin_text(enum row_origin origin)
{
	switch (origin) {
	case ROW_DEFAULT:
		return "default";
	case ROW_BY_HAND:
		return "by-hand";
	case ROW_LEARNED:
		return "learned";
	case ROW_CALIBRATED:
		return "calibrated";
	}
	return "?";
}

/* "policy": whose row it is, "calibrated": when, whether in force or not, "policy_differs". */
static void add_policy(cJSON *object, const struct status *s, const struct bdi_state *b)
{
	struct device_row stored;
	cJSON *list;
	__u32 differs;
	unsigned int id;

	cJSON_AddStringToObject(
		object, "policy",
		origin_text(device_row_origin(&s->maps, cli.state_dir, b, &stored, &differs)));
	if (!stored.classes) {
		cJSON_AddNullToObject(object, "calibrated");
		return;
	}
	cJSON_AddStringToObject(object, "calibrated", stored.date);
	list = cJSON_AddArrayToObject(object, "policy_differs");
	for (id = 0; id < NR_CLASSES; id++)
		if (differs & 1U << id)
			cJSON_AddItemToArray(list, cJSON_CreateString(class_name(id)));
}

static const char *learned_text(enum learned_kind kind)
{
	return kind == LEARNED_HARM ? "harm" : kind == LEARNED_TRIM ? "trim" : "pair";
}

/* "learned": what guard and probe did here, and what they remember. */
static void add_learned(cJSON *object, const struct status *s, const struct bdi_state *b)
{
	cJSON *learned = cJSON_AddObjectToObject(object, "learned"), *list, *item;
	const struct learned_device *d;
	char device[DEVICE_ID_LEN];
	unsigned int i;

	learned_name(b->name, b->fs_uuid, device);
	cJSON_AddStringToObject(learned, "device", device);
	d = learned_find_device(&s->learned, device);
#define X(name, text) json_add_u64(learned, #name, d ? d->name : 0);
	LEARNED_COUNT_LIST(X)
#undef X
	cJSON_AddNumberToObject(learned, "watched_s", d ? (double)d->watched_ms / 1e3 : 0);
	cJSON_AddNumberToObject(learned, "worse_s", d ? (double)d->worse_ms / 1e3 : 0);
	list = cJSON_AddArrayToObject(learned, "values");
	for (i = 0; i < LEARNED_MAX; i++) {
		const struct learned *e = &s->learned.entry[i];

		if (strcmp(e->device, device) != 0)
			continue;
		item = cJSON_CreateObject();
		cJSON_AddItemToArray(list, item);
		cJSON_AddStringToObject(item, "kind", learned_text(e->kind));
		cJSON_AddStringToObject(item, "class", class_name(e->class_id));
		cJSON_AddNumberToObject(item, "kb", e->kb);
		if (e->kind == LEARNED_HARM) {
			cJSON_AddNumberToObject(item, "times", e->times);
			cJSON_AddNumberToObject(item, "until", (double)e->until_s);
		} else {
			cJSON_AddNumberToObject(item, "policy_kb", e->policy_kb);
		}
	}
}

static cJSON *bdi_json(const struct status *s, const struct bdi_state *b)
{
	cJSON *object = cJSON_CreateObject(), *counts;
	char text[BDI_NAME_LEN + 64];

	bdi_display_name(b->name, text, sizeof(text));
	cJSON_AddStringToObject(object, "device", text);
	cJSON_AddStringToObject(object, "bdi", b->name);
	json_add_u64(object, "bdi_id", b->bdi_id);
	cJSON_AddBoolToObject(object, "eligible", !!(b->flags & BDI_ELIGIBLE));
	cJSON_AddStringToObject(object, "sources", source_names(b->sources, text, sizeof(text)));
	add_class(object, "class", b->decided_class);
	if (b->decided_class == CLASS_NONE)
		cJSON_AddNullToObject(object, "classic_class");
	else
		cJSON_AddStringToObject(object, "classic_class",
					class_classic_name(b->decided_class));
	add_class(object, "window_class", b->window_class);
	add_class(object, "hop_class", b->hop_class);
	add_class(object, "shadow_class", b->shadow_class);
	add_applied(object, s, b);
	add_policy(object, s, b);
	add_learned(object, s, b);
	add_open_files(object, s, b);
	cJSON_AddNumberToObject(object, "margin", q16_decimal(b->margin));
	cJSON_AddItemToObject(object, "logits", logits_json(b));
	cJSON_AddNumberToObject(object, "window_age_s", window_age(s, b));
	cJSON_AddNumberToObject(object, "window_span_s", seconds(b->window_span_ns));
	cJSON_AddNumberToObject(object, "window_calls", b->window_calls);
	if (b->model_fault != MODEL_OK)
		cJSON_AddStringToObject(object, "model_fault", model_fault_text(b->model_fault));
	else
		cJSON_AddNullToObject(object, "model_fault");
	cJSON_AddItemToObject(object, "features", features_json(b));
	counts = cJSON_AddObjectToObject(object, "counters");
#define X(name, what) json_add_u64(counts, #name, b->stats.name);
	BDI_STAT_LIST(X)
#undef X
	return object;
}

static cJSON *file_json(const struct file_entry *f)
{
	cJSON *object = cJSON_CreateObject();
	char text[BDI_NAME_LEN + 64];

	bdi_display_name(f->value.name, text, sizeof(text));
	cJSON_AddStringToObject(object, "device", text);
	cJSON_AddStringToObject(object, "bdi", f->value.name);
	json_add_u64(object, "inode", f->key.ino);
	cJSON_AddNumberToObject(object, "generation", f->key.generation);
	if (f->path)
		cJSON_AddStringToObject(object, "path", f->path);
	else
		cJSON_AddNullToObject(object, "path");
	add_class(object, "class", f->value.class_id);
	cJSON_AddNumberToObject(object, "margin", q16_decimal(f->margin));
	cJSON_AddNumberToObject(object, "kb", f->value.ra_kb);
	cJSON_AddNumberToObject(object, "kb_device", f->value.device_kb);
	cJSON_AddNumberToObject(object, "readers", f->readers);
	return object;
}

static int print_json(const struct status *s)
{
	cJSON *root = cJSON_CreateObject(), *object, *list;
	struct open_counts counts;
	__u64 windows, agreed;
	unsigned int i;
	char text[64];

	cJSON_AddItemToObject(root, "model", model_json(&s->acting));
	cJSON_AddItemToObject(root, "shadow", model_json(&s->shadow));
	shadow_sums(s, &windows, &agreed);
	object = cJSON_AddObjectToObject(root, "shadow_agreement");
	json_add_u64(object, "windows", windows);
	json_add_u64(object, "agreed", agreed);
	cJSON_AddStringToObject(root, "mode", mode_name(s->config.mode));
	cJSON_AddStringToObject(root, "scope", scope_text(s->config.scope));
	cJSON_AddBoolToObject(root, "helper_alive", s->helper);
	cJSON_AddStringToObject(root, "sources", source_names(s->sources, text, sizeof(text)));
	if (s->memory < 0)
		cJSON_AddNullToObject(root, "map_memory_bytes");
	else
		cJSON_AddNumberToObject(root, "map_memory_bytes", (double)s->memory);
	cJSON_AddNumberToObject(root, "map_memory_bar_bytes", (double)s->memory_bar);
	object = cJSON_AddObjectToObject(root, "counters");
#define X(name, what) json_add_u64(object, #name, s->stats.name);
	GLOBAL_STAT_LIST(X)
#undef X
	object = cJSON_AddObjectToObject(root, "open_files");
	cJSON_AddStringToObject(object, "state", open_files_text(s));
	get_open_counts(s, 0, &counts);
	add_open_counts(object, &counts);
	cJSON_AddBoolToObject(root, "per_file", s->per_file);
	cJSON_AddBoolToObject(root, "guard", s->config.guard == SWITCH_ON);
	cJSON_AddBoolToObject(root, "probe", s->config.probe == SWITCH_ON);
	object = cJSON_AddObjectToObject(root, "file_counters");
#define X(name, what) json_add_u64(object, #name, s->file_stats.name);
	FILE_STAT_LIST(X)
#undef X
	list = cJSON_AddArrayToObject(root, "files");
	for (i = 0; i < s->nr_files; i++)
		cJSON_AddItemToArray(list, file_json(&s->files[i]));
	list = cJSON_AddArrayToObject(root, "devices");
	for (i = 0; i < s->bdis.count; i++)
		cJSON_AddItemToArray(list, bdi_json(s, &s->bdis.state[i]));
	return json_print(root);
}

/* --- for people ------------------------------------------------------------------------------ */

/* Items of a list, broken into lines below an indented title. */
struct wrap {
	unsigned int column;
	unsigned int items;
};

static void wrap_item(struct wrap *w, const char *title, const char *item)
{
	unsigned int length = (unsigned int)strlen(item);

	if (!w->items) {
		printf("  %-9s", title);
		w->column = 11;
	} else if (w->column + 2 + length > COLUMNS) {
		printf("\n  %-9s", "");
		w->column = 11;
	} else {
		fputs("  ", stdout);
		w->column += 2;
	}
	fputs(item, stdout);
	w->column += length;
	w->items++;
}

static void wrap_count(struct wrap *w, const char *title, __u64 count, const char *what)
{
	char item[128];

	if (!count)
		return;
	snprintf(item, sizeof(item), "%llu %s;", (unsigned long long)count, what);
	wrap_item(w, title, item);
}

static void wrap_end(const struct wrap *w)
{
	if (w->items)
		putchar('\n');
}

static void print_slot(const char *role, const struct slot_model *slot)
{
	const struct model_header *h = &slot->model.header;

	if (slot->fault == MODEL_OK)
		printf("%-9s %s, generation %llu, checksum %016llx", role, h->name,
		       (unsigned long long)h->generation, (unsigned long long)h->checksum);
	else if (slot->fault == MODEL_ABSENT)
		printf("%-9s none", role);
	else
		printf("%-9s unusable: %s", role, model_fault_text(slot->fault));
}

static void print_shadow(const struct status *s)
{
	__u64 windows, agreed;

	print_slot("shadow", &s->shadow);
	shadow_sums(s, &windows, &agreed);
	if (s->shadow.fault == MODEL_OK && windows)
		printf("\n%-9s agrees on %llu of %llu windows (%.1f %%)", "",
		       (unsigned long long)agreed, (unsigned long long)windows,
		       100.0 * (double)agreed / (double)windows);
	putchar('\n');
}

static void print_memory(const struct status *s)
{
	if (s->memory < 0)
		printf("%-9s unknown\n", "memory");
	else
		printf("%-9s %lld KiB of maps (bar: %lld KiB at %d possible CPUs)\n", "memory",
		       s->memory / 1024, s->memory_bar / 1024, libbpf_num_possible_cpus());
}

static void print_general(const struct status *s)
{
	struct wrap w = {0};
	char text[64];

	print_slot("model", &s->acting);
	putchar('\n');
	print_shadow(s);
	printf("%-9s %s, scope %s; %s\n", "mode", mode_name(s->config.mode),
	       scope_text(s->config.scope),
	       s->helper ? "helper alive" : "no helper: nothing is applied");
	printf("%-9s %s\n", "sources", source_names(s->sources, text, sizeof(text)));
	print_memory(s);
	printf("%-9s open files follow a change: %s\n", "files", open_files_text(s));
	printf("%-9s %s, probe %s\n", "guard", s->config.guard == SWITCH_ON ? "on" : "off",
	       s->config.probe == SWITCH_ON ? "on" : "off");
#define X(name, what) wrap_count(&w, "counted", s->stats.name, what);
	GLOBAL_STAT_LIST(X)
#undef X
	wrap_end(&w);
}

static const char *class_text(unsigned int id, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s", class_name(id));
	if (strcmp(buffer, class_classic_name(id)))
		snprintf(buffer + strlen(buffer), size - strlen(buffer), " (%s)",
			 class_classic_name(id));
	return buffer;
}

static void print_values(const struct status *s, const struct bdi_state *b)
{
	struct applied applied = {0};
	int kb = kb_now(b);

	get_applied(s, b, &applied);
	if (kb < 0)
		printf("KB now unknown: %s", strerror(-kb));
	else
		printf("%d KB now", kb);
	if (applied.holds_original)
		printf(", %u KB original", applied.original_kb);
	else
		fputs(", the original", stdout);
	if (b->wanted_kb)
		printf(", %u KB wanted", b->wanted_kb);
	if (applied.status != APPLIED_NONE && applied.status != APPLIED_ACCEPTED)
		printf(", %s", applied_text(applied.status));
}

static void print_policy(const struct status *s, const struct bdi_state *b)
{
	struct device_row stored;
	const char *comma = "";
	__u32 differs;
	unsigned int id;

	switch (device_row_origin(&s->maps, cli.state_dir, b, &stored, &differs)) {
	case ROW_DEFAULT:
		if (!stored.classes)
			return;
		printf("  %-9sthe default; calibrated on %s, which is not in force\n", "policy",
		       stored.date);
		return;
	case ROW_BY_HAND:
		printf("  %-9sset by hand\n", "policy");
		return;
	case ROW_LEARNED:
		printf("  %-9slearned by the guard or the probe\n", "policy");
		return;
	case ROW_CALIBRATED:
		break;
	}
	printf("  %-9scalibrated on %s", "policy", stored.date);
	for (id = 0; id < NR_CLASSES; id++) {
		if (!(differs & 1U << id))
			continue;
		printf("%s%s", *comma ? comma : ", changed since: ", class_name(id));
		comma = ", ";
	}
	putchar('\n');
}

static void print_window(const struct status *s, const struct bdi_state *b)
{
	if (!b->evaluated_ns) {
		printf("  %-9snone evaluated yet\n", "window");
		return;
	}
	printf("  %-9s%.1f s with %u calls, %.1f s ago: ", "window", seconds(b->window_span_ns),
	       b->window_calls, window_age(s, b));
	if (b->model_fault != MODEL_OK) {
		puts(model_fault_text(b->model_fault));
		return;
	}
	/* class_name() may answer from one static buffer: one call per printf(). */
	printf("%s, ", b->window_class == CLASS_NONE ? "abstained" : class_name(b->window_class));
	printf("last hop %s, margin %.2f\n", class_name(b->hop_class), q16_decimal(b->margin));
}

static void print_logits(const struct bdi_state *b)
{
	struct wrap w = {0};
	unsigned int i;
	char item[64];

	for (i = 0; i < b->nr_outputs && i < MODEL_OUTPUTS_MAX; i++) {
		snprintf(item, sizeof(item), "%s %.2f", class_name(b->class_of_logit[i]),
			 q16_decimal(b->logits[i]));
		wrap_item(&w, "logits", item);
	}
	wrap_end(&w);
}

static void print_features(const struct bdi_state *b)
{
	unsigned int id, column = 0;
	char value[48];

	if (!b->evaluated_ns)
		return;
	puts("  features");
	for (id = 0; id < FEATURES_MAX; id++) {
		const char *name = feature_name(id);

		if (!name)
			continue;
		feature_text(id, b->features[id], value, sizeof(value));
		if (column < 2)
			printf("%s%-19s %-11s", column ? "" : "    ", name, value);
		else
			printf("%-19s %s\n", name, value);
		column = (column + 1) % 3;
	}
	if (column)
		putchar('\n');
}

static void print_open_files(const struct status *s, const struct bdi_state *b)
{
	struct open_census census;
	struct open_counts counts;
	struct wrap w = {0};
	unsigned int i;
	char text[64];

	get_open_counts(s, b->bdi_id, &counts);
#define X(name, what) wrap_count(&w, "open", counts.name, what);
	OPEN_COUNT_LIST(X)
#undef X
	wrap_end(&w);
	if (!get_census(s, b, &census))
		return;
	memset(&w, 0, sizeof(w));
	for (i = 0; i < NR_OPEN_VERDICTS; i++) {
		snprintf(text, sizeof(text), "files %s", open_verdict_name(i));
		wrap_count(&w, "open now", census.files[i], text);
		snprintf(text, sizeof(text), "files only mapped, %s", open_verdict_name(i));
		wrap_count(&w, "open now", census.mapped[i], text);
	}
	wrap_end(&w);
}

static void print_learned(const struct status *s, const struct bdi_state *b)
{
	const struct learned_device *d;
	char device[DEVICE_ID_LEN];
	struct wrap w = {0};
	unsigned int i;

	learned_name(b->name, b->fs_uuid, device);
	d = learned_find_device(&s->learned, device);
	if (d) {
#define X(name, text) wrap_count(&w, "guard", d->name, text);
		LEARNED_COUNT_LIST(X)
#undef X
		wrap_end(&w);
	}
	for (i = 0; i < LEARNED_MAX; i++) {
		const struct learned *e = &s->learned.entry[i];

		if (strcmp(e->device, device) != 0)
			continue;
		if (e->kind != LEARNED_HARM)
			printf("  %-9s%s: %u KB in place of %u%s\n", "learned",
			       class_name(e->class_id), e->kb, e->policy_kb,
			       e->kind == LEARNED_PAIR ? ", pages with them" : "");
		else if (e->until_s > s->now_s)
			printf("  %-9s%s: %u KB does harm, not tried for another %llu min\n",
			       "learned", class_name(e->class_id), e->kb,
			       (unsigned long long)(e->until_s - s->now_s + 59) / 60);
		else
			printf("  %-9s%s: %u KB did harm, may be tried again\n", "learned",
			       class_name(e->class_id), e->kb);
	}
}

static void print_bdi(const struct status *s, const struct bdi_state *b)
{
	char device[BDI_NAME_LEN + 64], class[64], source[64];
	struct wrap w = {0};

	bdi_display_name(b->name, device, sizeof(device));
	printf("\n%-9s class %s; ", device, class_text(b->decided_class, class, sizeof(class)));
	print_values(s, b);
	putchar('\n');
	printf("  %-9s%s, seen by %s%s\n", "bdi", b->name,
	       source_names(b->sources, source, sizeof(source)),
	       b->flags & BDI_ELIGIBLE ? "" : "; out of scope: nothing is decided for it");
	print_policy(s, b);
	print_learned(s, b);
	print_window(s, b);
	print_logits(b);
	print_features(b);
#define X(name, what) wrap_count(&w, "counted", b->stats.name, what);
	BDI_STAT_LIST(X)
#undef X
	wrap_end(&w);
	print_open_files(s, b);
}

static void print_files(const struct status *s)
{
	char device[BDI_NAME_LEN + 64];
	struct wrap w = {0};
	unsigned int i;

	if (!s->per_file && !s->nr_files)
		return;
	printf("\nfiles     %u with values of their own\n", s->nr_files);
	for (i = 0; i < s->nr_files; i++) {
		const struct file_entry *f = &s->files[i];

		bdi_display_name(f->value.name, device, sizeof(device));
		printf("  %-9sinode %llu: %s, %u KB (device %u), readers %u, margin %.2f%s%s\n",
		       device, (unsigned long long)f->key.ino, class_name(f->value.class_id),
		       f->value.ra_kb, f->value.device_kb, f->readers, q16_decimal(f->margin),
		       f->path ? ", " : "", f->path ? f->path : "");
	}
#define X(name, what) wrap_count(&w, "counted", s->file_stats.name, what);
	FILE_STAT_LIST(X)
#undef X
	wrap_end(&w);
}

static int print_text(const struct status *s)
{
	unsigned int i;

	print_general(s);
	if (!s->bdis.count)
		puts("\nno device has been read from yet");
	for (i = 0; i < s->bdis.count; i++)
		print_bdi(s, &s->bdis.state[i]);
	print_files(s);
	return finish_output();
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct status *s = state->input;

	if (key != 'o')
		return cli_no_arguments(key, argument, state);
	s->census = true;
	return 0;
}

int cmd_status(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"open-files", 'o', NULL, 0,
		 "Look through the open files and mappings of all processes now: how many have "
		 "their device's readahead",
		 1},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Show what acts, and for each device its class, readahead now and "
		       "originally, the last window's features, logits, margin and counters.",
	};
	static struct status s;
	int status;

	status = cli_parse(&argp, true, argc, argv, &s);
	if (status)
		return status;
	memset(&s.open_files, -1, sizeof(s.open_files));
	status = need_maps(&s.maps);
	if (!status)
		status = gather(&s);
	if (!status)
		status = cli.json ? print_json(&s) : print_text(&s);
	free(s.bdis.state);
	open_files_close(&s.open_files);
	file_list_free(s.files, s.nr_files);
	maps_close(&s.maps);
	return status;
}
