// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

#define TICKS_PER_S 10000000ULL
#define SECONDS_MAX 9000000000ULL /* in nanoseconds still below 2^63 */
#define BYTES_MAX (1ULL << 63)
#define BLKPARSE_WORDS 10

const char *const trace_formats[] = {"blkparse", "csv", "msr"};

static const char *const column_names[] = {"time", "device", "offset", "size", "operation"};

static int bad(const struct trace *t, const char *what, const char *text, struct fault *why)
{
	return fault_set(why, EINVAL, "%s:%lu: %s is \"%.40s\"", t->csv.path, t->csv.line, what,
			 text);
}

static bool parse_u64(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && *text >= '0' && *text <= '9' && !*end;
}

/* "12.000000001" to nanoseconds, exactly; further digits are cut off. */
static bool parse_seconds(const char *text, uint64_t *ns)
{
	uint64_t seconds = 0, part = 0, unit = 100000000;
	const char *c = text;

	for (; isdigit((unsigned char)*c); c++) {
		seconds = 10 * seconds + (uint64_t)(*c - '0');
		if (seconds >= SECONDS_MAX)
			return false;
	}
	if (c == text)
		return false;
	if (*c == '.')
		for (c++; isdigit((unsigned char)*c); c++, unit /= 10)
			part += unit * (uint64_t)(*c - '0');
	*ns = seconds * 1000000000 + part;
	return !*c;
}

static int set_range(const struct trace *t, const char *offset, const char *size, unsigned int unit,
		     struct request *q, struct fault *why)
{
	uint64_t first, length;

	if (!parse_u64(offset, &first) || first >= BYTES_MAX / unit)
		return bad(t, unit == 1 ? "offset" : "sector", offset, why);
	/* A bio counts its bytes in 32 bits. */
	if (!parse_u64(size, &length) || length > UINT32_MAX / unit ||
	    first + length >= BYTES_MAX / unit)
		return bad(t, "size", size, why);
	q->offset = first * unit;
	q->bytes = length * unit;
	return 0;
}

static int set_device(const struct trace *t, const char *name, struct request *q, struct fault *why)
{
	size_t length = strlen(name);

	if (!length || length >= sizeof(q->device) || strpbrk(name, " \t\"'"))
		return bad(t, "device", name, why);
	memcpy(q->device, name, length + 1);
	return 0;
}

static int set_operation(const struct trace *t, const char *name, struct request *q,
			 struct fault *why)
{
	q->write = !strcasecmp(name, "write") || !strcasecmp(name, "w");
	if (!q->write && strcasecmp(name, "read") != 0 && strcasecmp(name, "r") != 0)
		return bad(t, "operation", name, why);
	return 0;
}

/* --- blkparse -------------------------------------------------------------------------------- */

/*
 * RWBS: F (flush), one of R W D E N (read, write, discard, erase, none), then F A S M.
 * An empty flush is a write to the kernel programs. Returns 1 for a read or write, 0 for others.
 */
static int parse_rwbs(const char *rwbs, struct request *q)
{
	bool flush = *rwbs == 'F';

	rwbs += flush;
	q->readahead = strchr(rwbs, 'A');
	q->write = *rwbs == 'W' || (flush && *rwbs == 'N');
	return q->write || *rwbs == 'R';
}

/* "8,0    3        1     0.000000000   697  Q   R 223490 + 8 [kjournald]" */
static int parse_blkparse(struct trace *t, struct request *q, struct fault *why)
{
	char *words[BLKPARSE_WORDS], *rest = t->csv.text, *word, *comma;
	unsigned int nr = 0;
	uint64_t cpu, number;

	while (nr < BLKPARSE_WORDS && (word = strsep(&rest, " \t")))
		if (*word)
			words[nr++] = word;
	if (!nr)
		return 0;
	comma = strchr(words[0], ',');
	if (comma)
		*comma = '\0';
	if (!comma || !parse_u64(words[0], &number) || !parse_u64(comma + 1, &number)) {
		/* What blkparse adds up at the end begins with "CPU0 (sda):" or "Total (sda):". */
		t->summary |= !strncmp(words[0], "CPU", 3) || !strcmp(words[0], "Total");
		return t->summary ? 0 : bad(t, "major,minor", words[0], why);
	}
	*comma = ':';
	if (nr < 6)
		return fault_set(why, EINVAL, "%s:%lu: %u fields: not a line of blkparse",
				 t->csv.path, t->csv.line, nr);
	if (!parse_u64(words[1], &cpu) || cpu >= REPLAY_CPUS_MAX)
		return bad(t, "CPU", words[1], why);
	if (!parse_seconds(words[3], &q->time_ns))
		return bad(t, "time", words[3], why);
	if (strcmp(words[5], "Q") != 0)
		return 0;
	if (nr < 7 || !strchr("FRWDEN", words[6][0]))
		return bad(t, "RWBS", nr < 7 ? "" : words[6], why);
	if (!parse_rwbs(words[6], q)) {
		t->others++;
		return 0;
	}
	q->cpu = cpu;
	if (set_device(t, words[0], q, why))
		return -EINVAL;
	if (q->write) /* of writes only the number matters */
		return 1;
	if (nr < BLKPARSE_WORDS || strcmp(words[8], "+") != 0)
		return fault_set(why, EINVAL, "%s:%lu: a read without \"SECTOR + COUNT\"",
				 t->csv.path, t->csv.line);
	return set_range(t, words[7], words[9], 512, q, why) ? -EINVAL : 1;
}

/* --- csv and msr ------------------------------------------------------------------------------ */

static int parse_head(struct trace *t, char **fields, unsigned int nr, struct fault *why)
{
	unsigned int column, i;

	for (column = 0; column < NR_TRACE_COLUMNS; column++) {
		for (i = 0; i < nr; i++)
			if (!strcasecmp(fields[i], column_names[column]))
				break;
		if (i == nr)
			return fault_set(why, EINVAL, "%s:1: no column %s", t->csv.path,
					 column_names[column]);
		t->at[column] = i;
	}
	return 0;
}

static int parse_csv(struct trace *t, char **fields, struct request *q, struct fault *why)
{
	if (!parse_seconds(fields[t->at[TRACE_TIME]], &q->time_ns))
		return bad(t, "time", fields[t->at[TRACE_TIME]], why);
	if (set_device(t, fields[t->at[TRACE_DEVICE]], q, why))
		return -EINVAL;
	if (set_operation(t, fields[t->at[TRACE_OPERATION]], q, why))
		return -EINVAL;
	return set_range(t, fields[t->at[TRACE_OFFSET]], fields[t->at[TRACE_SIZE]], 1, q, why) ?
		       -EINVAL :
		       1;
}

static int parse_msr(struct trace *t, char **fields, struct request *q, struct fault *why)
{
	uint64_t tick, disk;
	size_t length;

	if (!parse_u64(fields[0], &tick) || tick >= BYTES_MAX)
		return bad(t, "Timestamp", fields[0], why);
	if (!t->first_tick)
		t->first_tick = tick;
	if (tick + TICKS_PER_S < t->first_tick)
		return fault_set(why, EINVAL,
				 "%s:%lu: more than 1 s before the first request: the trace is "
				 "not sorted",
				 t->csv.path, t->csv.line);
	tick = tick + TICKS_PER_S - t->first_tick;
	if (tick >= SECONDS_MAX * TICKS_PER_S)
		return bad(t, "Timestamp", fields[0], why);
	q->time_ns = tick * 100;
	if (!parse_u64(fields[2], &disk))
		return bad(t, "DiskNumber", fields[2], why);
	if (set_device(t, fields[1], q, why))
		return -EINVAL;
	length = strlen(q->device);
	if (length + strlen(fields[2]) + 2 > sizeof(q->device))
		return bad(t, "Hostname", fields[1], why);
	q->device[length] = '.';
	strcpy(q->device + length + 1, fields[2]);
	if (set_operation(t, fields[3], q, why))
		return -EINVAL;
	return set_range(t, fields[4], fields[5], 1, q, why) ? -EINVAL : 1;
}

static int parse_fields(struct trace *t, struct request *q, struct fault *why)
{
	char *fields[CSV_COLUMNS_MAX];
	unsigned int nr = csv_split(&t->csv, fields);

	if (t->csv.line == 1) {
		bool named = !isdigit((unsigned char)*fields[0]);

		t->nr_columns = nr;
		if (nr < NR_TRACE_COLUMNS || nr > CSV_COLUMNS_MAX ||
		    (t->format == TRACE_MSR && nr != 7))
			return fault_set(why, EINVAL, "%s:1: %u fields: not a trace of this format",
					 t->csv.path, nr);
		if (named && t->format == TRACE_MSR && !strcmp(fields[0], "Timestamp"))
			return 0;
		if (named && t->format == TRACE_CSV)
			return parse_head(t, fields, nr, why);
	}
	if (nr != t->nr_columns)
		return fault_set(why, EINVAL, "%s:%lu: %u fields, the first line has %u",
				 t->csv.path, t->csv.line, nr, t->nr_columns);
	return t->format == TRACE_MSR ? parse_msr(t, fields, q, why) : parse_csv(t, fields, q, why);
}

/* --- the lines -------------------------------------------------------------------------------- */

int trace_open(struct trace *t, const char *path, enum trace_format format, struct fault *why)
{
	unsigned int i;
	int ret;

	memset(t, 0, sizeof(*t));
	ret = csv_open(&t->csv, path, why);
	if (ret)
		return ret;
	t->csv.open_end = true;
	t->format = format;
	for (i = 0; i < NR_TRACE_COLUMNS; i++)
		t->at[i] = i;
	return 0;
}

int trace_next(struct trace *t, struct request *q, struct fault *why)
{
	int ret;

	while ((ret = csv_line(&t->csv, why)) > 0) {
		memset(q, 0, sizeof(*q));
		ret = t->format == TRACE_BLKPARSE ? parse_blkparse(t, q, why) :
						    parse_fields(t, q, why);
		if (ret)
			return ret;
	}
	return ret;
}

void trace_close(struct trace *t)
{
	csv_close(&t->csv);
}
