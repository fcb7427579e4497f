// SPDX-License-Identifier: GPL-2.0-only
/* probe: what this kernel offers and lacks, with the consequence; then the bpftool commands */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <bpf/btf.h>

#include "kernel.h"
#include "load.h"
#include "owner.h"

#define OBJECT_DIR "build" /* relative to the repository, as `make` leaves them */

struct capability {
	const char *name;
	const char *with, *without; /* what follows if it is offered, and if not */
	const char *consequence;    /* the one that holds here */
	bool required;
	bool offered;
	char found[96];
};

enum {
	CAP_BTF,
	CAP_BPFFS,
	CAP_BLOCK,
	CAP_RA_TP,
	CAP_RA_FENTRY,
	CAP_LATENCY,
	CAP_RINGBUF,
	CAP_MAP_IN_MAP,
	CAP_TASK_FILE,
	CAP_LOCKDOWN,
	CAP_LANDLOCK,
	NR_CAPS,
};

#define NO_READAHEAD_LAYER "block layer only: the built-in model decides nothing"

static const struct capability capabilities[NR_CAPS] = {
	[CAP_BTF] = {.name = "BTF",
		     .required = true,
		     .with = "programs attach by type",
		     .without = "nothing can be loaded: CONFIG_DEBUG_INFO_BTF is needed"},
	[CAP_BPFFS] = {.name = "bpf file system",
		       .required = true,
		       .with = "pins have a place",
		       .without = "nothing can be pinned: mount -t bpf bpf /sys/fs/bpf"},
	[CAP_BLOCK] = {.name = "block_bio_queue",
		       .required = true,
		       .with = "block features, by readahead.bpf.o",
		       .without = "nothing can be loaded"},
	[CAP_RA_TP] = {.name = "readahead tracepoints",
		       .with = "readahead features, by ra_tp.bpf.o",
		       .without = "ra_fentry.bpf.o is used if fentry works"},
	[CAP_RA_FENTRY] = {.name = "readahead fentry",
			   .with = "readahead features, by ra_fentry.bpf.o",
			   .without = NO_READAHEAD_LAYER " (unless the tracepoints are there)"},
	[CAP_LATENCY] = {.name = "block_rq_complete",
			 .with = "latency for models that ask, by latency.bpf.o",
			 .without = "models that need latency are refused"},
	[CAP_RINGBUF] = {.name = "ring buffer",
			 .required = true,
			 .with = "decisions wake the helper at once",
			 .without = "nothing can be loaded"},
	[CAP_MAP_IN_MAP] = {.name = "array of maps",
			    .required = true,
			    .with = "models are swapped in one update",
			    .without = "nothing can be loaded"},
	[CAP_TASK_FILE] = {.name = "iter/task_file",
			   .with = "open files follow a change, by open_files.bpf.o",
			   .without = "open files keep the readahead they were opened with"},
	[CAP_LOCKDOWN] = {.name = "lockdown",
			  .with = "no program uses bpf_probe_read: any level will do",
			  .without = "nothing is lost"},
	[CAP_LANDLOCK] = {.name = "Landlock",
			  .with = "the helper can write to the bdi directories only",
			  .without = "the helper does without; seccomp still holds"},
};

static void set_found(struct capability *c, int err, const char *good)
{
	c->offered = !err;
	snprintf(c->found, sizeof(c->found), "%s",
		 !err           ? good :
		 err == -ENOENT ? "absent" :
				  strerror(-err));
}

static void probe_hooks(struct capability *c)
{
	struct kernel_hooks hooks = {-ENOENT, -ENOENT, -ENOENT, -ENOENT, -ENOENT};
	struct btf *btf = kernel_btf();
	int err = btf ? 0 : -errno;

	if (btf)
		kernel_probe_hooks(btf, &hooks);
	btf__free(btf);
	set_found(&c[CAP_BTF], err, "yes");
	set_found(&c[CAP_BLOCK], hooks.block_bio_queue, "yes");
	set_found(&c[CAP_RA_TP], hooks.readahead_tracepoints, "yes");
	set_found(&c[CAP_RA_FENTRY], hooks.readahead_fentry, "yes");
	set_found(&c[CAP_LATENCY], hooks.block_rq_complete, "yes");
	set_found(&c[CAP_TASK_FILE], hooks.task_file_iterator, "yes");
}

static void probe(struct capability *c)
{
	const char *why = "", *lockdown = kernel_lockdown();
	int abi = kernel_landlock_abi();

	memcpy(c, capabilities, sizeof(capabilities));
	probe_hooks(c);
	set_found(&c[CAP_BPFFS], owner_check_bpffs(cli.pin_dir, &why) ? -ENOENT : 0, "mounted");
	set_found(&c[CAP_RINGBUF], kernel_has_map_type(BPF_MAP_TYPE_RINGBUF) ? 0 : -ENOENT, "yes");
	set_found(&c[CAP_MAP_IN_MAP], kernel_has_map_type(BPF_MAP_TYPE_ARRAY_OF_MAPS) ? 0 : -ENOENT,
		  "yes");
	set_found(&c[CAP_LOCKDOWN], lockdown ? 0 : -ENOENT, lockdown);
	set_found(&c[CAP_LANDLOCK], abi > 0 ? 0 : -ENOENT, "");
	if (abi > 0)
		snprintf(c[CAP_LANDLOCK].found, sizeof(c->found), "version %d", abi);
}

static const char *readahead_object(const struct capability *c)
{
	if (c[CAP_RA_TP].offered)
		return "ra_tp";
	return c[CAP_RA_FENTRY].offered ? "ra_fentry" : NULL;
}

static void set_consequences(struct capability *c)
{
	unsigned int i;

	for (i = 0; i < NR_CAPS; i++)
		c[i].consequence = c[i].offered ? c[i].with : c[i].without;
	if (c[CAP_RA_TP].offered)
		c[CAP_RA_FENTRY].consequence = "not needed: the tracepoints are there";
	else if (!c[CAP_RA_FENTRY].offered)
		c[CAP_RA_FENTRY].consequence = NO_READAHEAD_LAYER;
}

static void add_command(cJSON *list, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_command(cJSON *list, const char *format, ...)
{
	va_list arguments;
	char *line = NULL;

	va_start(arguments, format);
	if (vasprintf(&line, format, arguments) >= 0) {
		cJSON_AddItemToArray(list, cJSON_CreateString(line));
		free(line);
	}
	va_end(arguments);
}

/* An object onto the maps that readahead.bpf.o has pinned. */
static void add_load_onto(cJSON *list, const char *object, const char *more)
{
	char *line = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&line, &size);
	unsigned int i;

	if (!stream)
		return;
	fprintf(stream, "bpftool prog loadall %s/%s.bpf.o %s/progs/%s", OBJECT_DIR, object,
		cli.pin_dir, object);
	for (i = 0; map_pin_name(i); i++)
		fprintf(stream, " map name %s pinned %s/%s", map_pin_name(i), cli.pin_dir,
			map_pin_name(i));
	fputs(more, stream);
	fclose(stream);
	add_command(list, "%s", line);
	free(line);
}

static cJSON *commands(const struct capability *c)
{
	cJSON *list = cJSON_CreateArray();
	const char *object = readahead_object(c), *dir = cli.pin_dir;

	add_command(list, "mkdir -p %s/progs", dir);
	add_command(list, "bpftool prog loadall %s/readahead.bpf.o %s/progs/readahead pinmaps %s",
		    OBJECT_DIR, dir, dir);
	if (object)
		add_load_onto(list, object, "");
	/* Its maps are its own. */
	if (c[CAP_TASK_FILE].offered)
		add_command(list,
			    "bpftool prog loadall %s/open_files.bpf.o %s/progs/open_files "
			    "pinmaps %s",
			    OBJECT_DIR, dir, dir);
	add_command(list,
		    "bpftool map create %s/model type array key 4 value %zu entries 1 name model",
		    dir, sizeof(struct model));
	add_command(list,
		    "bpftool map update pinned %s/model key 0 0 0 0 "
		    "value hex $(bpfahead-gen info --hex weights/default.bin)",
		    dir);
	add_command(list, "bpftool map freeze pinned %s/model", dir);
	add_command(list, "bpftool map update pinned %s/models key 0 0 0 0 value pinned %s/model",
		    dir, dir);
	add_command(list, "bpfahead --pin-dir %s attach", dir);
	add_command(list, "bpfaheadd --pin-dir %s", dir);
	return list;
}

/* What `config per-file=on` loads. */
static cJSON *per_file_commands(const struct capability *c)
{
	static const char *const names[] = {
#define X(name) #name,
		PER_FILE_MAP_LIST(X)
#undef X
	};
	const char *layer = readahead_object(c), *object, *dir = cli.pin_dir;
	cJSON *list = cJSON_CreateArray();
	char *onto = NULL;
	size_t size = 0, i;
	FILE *stream;

	if (!layer || !c[CAP_TASK_FILE].offered)
		return list;
	object = strcmp(layer, "ra_tp") ? "per_file_fentry" : "per_file";
	add_command(list,
		    "bpftool map create %s/files type array key 4 value %zu entries %d name files",
		    dir, sizeof(struct file_state), FILES_MAX);
	add_command(list,
		    "bpftool map create %s/file_stats type percpu_array key 4 value %zu entries 1 "
		    "name file_stats",
		    dir, sizeof(struct file_stats));
	stream = open_memstream(&onto, &size);
	if (!stream)
		return list;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		fprintf(stream, " map name %s pinned %s/%s", names[i], dir, names[i]);
	fclose(stream);
	add_load_onto(list, object, onto);
	free(onto);
	add_command(list, "bpfahead --pin-dir %s attach", dir);
	add_command(list, "bpfahead --pin-dir %s config per-file=on", dir);
	return list;
}

static int print_json(const struct capability *c, cJSON *list)
{
	cJSON *root = cJSON_CreateObject(), *array, *object;
	unsigned int i;

	array = cJSON_AddArrayToObject(root, "capabilities");
	for (i = 0; i < NR_CAPS; i++) {
		object = cJSON_CreateObject();
		cJSON_AddStringToObject(object, "name", c[i].name);
		cJSON_AddBoolToObject(object, "offered", c[i].offered);
		cJSON_AddBoolToObject(object, "required", c[i].required);
		cJSON_AddStringToObject(object, "found", c[i].found);
		cJSON_AddStringToObject(object, "consequence", c[i].consequence);
		cJSON_AddStringToObject(object, "without", c[i].without);
		cJSON_AddItemToArray(array, object);
	}
	cJSON_AddItemToObject(root, "commands", list);
	cJSON_AddItemToObject(root, "per_file_commands", per_file_commands(c));
	return json_print(root);
}

static int print_text(const struct capability *c, cJSON *list)
{
	const cJSON *line;
	unsigned int i;

	for (i = 0; i < NR_CAPS; i++)
		printf("%-22s %-24s %s\n", c[i].name, c[i].found, c[i].consequence);
	puts("\nThe same with bpftool (7.1 or newer), from the repository with build/ in PATH;\n"
	     "from 7.2 on, 'autoattach' behind each loadall does what attach does:");
	cJSON_ArrayForEach(line, list) printf("  %s\n", line->valuestring);
	cJSON_Delete(list);
	list = per_file_commands(c);
	if (cJSON_GetArraySize(list))
		puts("\nand for values per file, before the helper acts on them:");
	cJSON_ArrayForEach(line, list) printf("  %s\n", line->valuestring);
	cJSON_Delete(list);
	return finish_output();
}

int cmd_probe(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = cli_no_arguments,
		.doc = "Ask the kernel, by trying, what it offers and lacks, and say what follows; "
		       "then print the bpftool commands that load the same.  Exit status 5 if "
		       "something required is lacking.",
	};
	struct capability c[NR_CAPS];
	int status, printed;
	unsigned int i;

	status = cli_parse(&argp, true, argc, argv, NULL);
	if (!status)
		status = need_root();
	if (status)
		return status;
	probe(c);
	set_consequences(c);
	printed = cli.json ? print_json(c, commands(c)) : print_text(c, commands(c));
	if (printed)
		return printed;
	for (i = 0; i < NR_CAPS; i++)
		if (c[i].required && !c[i].offered)
			return fail(EXIT_UNSUPPORTED, "%s is lacking: %s", c[i].name,
				    c[i].consequence);
	return EXIT_SUCCESS;
}
