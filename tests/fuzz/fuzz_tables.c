// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target on the readers of CSV: windows, metadata, splits and the classic
 * table. The first byte says which. What is accepted must come back the same when it is written
 * and read again.
 *
 * The seeds are made, not stored: an empty corpus directory, the first one named,
 * gets one of each kind at start.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gen/consolidated.h"
#include "gen/metadata.h"
#include "gen/split.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUNS "cloud.a.16", "cloud.b.128", "hdd.a.16.2"
static const char *const seeds[] = {
	"wlabel,run,part,time_ns,span_ns,calls,ra_kb,class,margin,model,async_share,iops\n"
	"random,cloud.a.16,window,1,2,8,16,none,-1,00ff,65536,5\n"
	"none,cloud.a.16,hop,1,2,9,16,random,7,00ff,65537,nan\n",
	"mrun,workload,family,label,profile,ra_kb,app_bytes_per_s,mode\n"
	"cloud.a.16,a,f,random,cloud,16,1e6,direct\ncloud.a.16,a,f,random,cloud,16,,mmap\n",
	"srun,label,profile,part\ncloud.a.16,random,cloud,train\ncloud.b.128,objects,cloud,test\n"
	"hdd.a.16.2,sequential,hdd,validation\n",
	"clabel,run_id,timestamp_start,timestamp_end,trace_avg_sector_distance,"
	"trace_sector_jump_ratio,bw_mean_kbps,iops_mean,trace_block_rq_issue\n"
	"random,1,0.5,1.5,12,0.25,100,2,9\n",
};

/* The text as a file that can be opened by name. */
static int in_memory(const uint8_t *data, size_t size, char path[64])
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *directory = NULL;
	char path[4096];
	size_t i;
	FILE *f;
	int a;

	for (a = 1; a < *argc && !directory; a++)
		if ((*argv)[a][0] != '-')
			directory = (*argv)[a];
	for (i = 0; directory && i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		snprintf(path, sizeof(path), "%s/seed.%zu", directory, i);
		f = fopen(path, "w");
		if (!f || fputs(seeds[i], f) < 0 || fclose(f)) {
			perror(path);
			exit(1);
		}
	}
	return 0;
}

static void read_windows(const char *path, bool tolerant)
{
	static char again[] = "/tmp/bpfahead-fuzz.XXXXXX";
	struct dataset d = {.tolerant = tolerant}, back = {0};
	struct fault why = {""};
	static int fd = -1;
	size_t i;

	if (fd < 0) { /* a name of its own is all that is wanted */
		fd = mkstemp(again);
		if (fd < 0)
			abort();
		unlink(again);
	}
	if (dataset_read(&d, path, 0, &why)) {
		if (!*why.text)
			abort();
	} else if (d.nr_rows) {
		if (dataset_write(&d, again, &why) || dataset_read(&back, again, 0, &why) ||
		    back.nr_rows != d.nr_rows || back.features != d.features)
			abort();
		for (i = 0; i < d.nr_rows; i++)
			if (memcmp(d.rows[i].features, back.rows[i].features,
				   sizeof(d.rows[i].features)) != 0 ||
			    d.rows[i].label != back.rows[i].label)
				abort();
		unlink(again);
	}
	dataset_free(&d);
	dataset_free(&back);
}

static void read_metadata(const char *path)
{
	struct metadata m = {0};
	struct fault why = {""};

	if (metadata_read(&m, path, &why) && !*why.text)
		abort();
	metadata_free(&m);
}

static void read_split(const char *path)
{
	static const char *const runs[] = {RUNS};
	static const uint8_t labels[] = {CLASS_RANDOM, CLASS_OBJECTS, CLASS_SEQUENTIAL};
	struct fault why = {""};
	struct dataset d = {0};
	uint8_t parts[3];
	size_t i;

	for (i = 0; i < 3; i++) {
		struct row row = {.label = labels[i]};

		if (dataset_run(&d, runs[i], strlen(runs[i]), &row.run) || dataset_append(&d, &row))
			abort();
	}
	if (!split_read(&d, parts, path, &why)) {
		for (i = 0; i < 3; i++)
			if (parts[i] > PART_TEST)
				abort();
	} else if (!*why.text) {
		abort();
	}
	dataset_free(&d);
}

static void read_classic(const char *path)
{
	struct fault why = {""};
	struct dataset d = {0};
	FILE *report = fopen("/dev/null", "w");

	if (!report)
		abort();
	if (consolidated_read(&d, path, report, &why) && !*why.text)
		abort();
	dataset_free(&d);
	fclose(report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	int fd;

	if (!size)
		return 0;
	fd = in_memory(data + 1, size - 1, path);
	switch (*data) {
	case 'm':
		read_metadata(path);
		break;
	case 's':
		read_split(path);
		break;
	case 'c':
		read_classic(path);
		break;
	default:
		read_windows(path, *data & 1);
	}
	close(fd);
	return 0;
}
