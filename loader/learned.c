// SPDX-License-Identifier: GPL-2.0-only
#include "learned.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device_rows.h"
#include "names.h"
#include "state.h"

#define FILE_MAX 65536             /* more than a full table takes */
#define BUDGET_MS_MAX (1ULL << 50) /* a probe multiplies them: far from the end of 64 bits */

static const char *const kinds[] = {
	[LEARNED_HARM] = "harm", [LEARNED_TRIM] = "trim", [LEARNED_PAIR] = "pair"};

const struct learned *learned_find(const struct learned_table *t, const char *device,
				   enum learned_kind kind, unsigned int class_id, unsigned int kb)
{
	unsigned int i;

	for (i = 0; *device && i < LEARNED_MAX; i++) {
		const struct learned *e = &t->entry[i];

		if (e->kind == kind && e->class_id == class_id && (!kb || e->kb == kb) &&
		    !strcmp(e->device, device))
			return e;
	}
	return NULL;
}

static struct learned *place(struct learned_table *t, const char *device, enum learned_kind kind,
			     unsigned int class_id, unsigned int kb)
{
	struct learned *e = (struct learned *)learned_find(t, device, kind, class_id, kb);
	unsigned int i;

	if (e)
		return e;
	e = &t->entry[0];
	for (i = 0; i < LEARNED_MAX && e->device[0]; i++) {
		if (!t->entry[i].device[0] || t->entry[i].until_s < e->until_s)
			e = &t->entry[i];
	}
	memset(e, 0, sizeof(*e));
	snprintf(e->device, sizeof(e->device), "%s", device);
	e->kind = kind;
	e->class_id = class_id;
	return e;
}

const struct learned *learned_harm(struct learned_table *t, const char *device,
				   unsigned int class_id, unsigned int kb, __u64 now_s)
{
	struct learned *e = place(t, device, LEARNED_HARM, class_id, kb);
	__u64 wait = HARM_FIRST_S << (e->times < 10 ? e->times : 10);

	e->kb = kb;
	e->times++;
	e->until_s = now_s + (wait < HARM_MAX_S ? wait : HARM_MAX_S);
	t->changed = true;
	return e;
}

void learned_trim(struct learned_table *t, const char *device, enum learned_kind kind,
		  unsigned int class_id, unsigned int kb, unsigned int policy_kb, __u64 now_s)
{
	enum learned_kind other = kind == LEARNED_TRIM ? LEARNED_PAIR : LEARNED_TRIM;
	struct learned *e;

	learned_drop(t, learned_find(t, device, other, class_id, 0));
	if (kb == policy_kb) {
		learned_drop(t, learned_find(t, device, kind, class_id, 0));
		return;
	}
	e = place(t, device, kind, class_id, 0);
	e->kb = kb;
	e->policy_kb = policy_kb;
	e->until_s = now_s;
	t->changed = true;
}

void learned_drop(struct learned_table *t, const struct learned *entry)
{
	if (!entry)
		return;
	memset((struct learned *)entry, 0, sizeof(*entry));
	t->changed = true;
}

const struct learned_device *learned_find_device(const struct learned_table *t, const char *device)
{
	unsigned int i;

	for (i = 0; *device && i < DEVICES_MAX; i++) {
		if (!strcmp(t->of[i].device, device))
			return &t->of[i];
	}
	return NULL;
}

bool learned_holds(const struct learned *e, __u64 now_s)
{
	return e->until_s > now_s && e->until_s - now_s <= HARM_MAX_S;
}

struct learned_device *learned_device(struct learned_table *t, const char *device)
{
	struct learned_device *b = &t->of[0];
	unsigned int i;

	for (i = 0; i < DEVICES_MAX; i++) {
		if (!strcmp(t->of[i].device, device)) {
			t->of[i].used = ++t->clock;
			return &t->of[i];
		}
		if (t->of[i].used < b->used)
			b = &t->of[i];
	}
	memset(b, 0, sizeof(*b));
	snprintf(b->device, sizeof(b->device), "%s", device);
	b->used = ++t->clock;
	return b;
}

void learned_name(const char *name, const __u8 *fs_uuid, char device[DEVICE_ID_LEN])
{
	struct identities known;
	const char *text = name;

	if (identities_find(name, fs_uuid, &known))
		text = known.text[0];
	if (strlen(text) >= DEVICE_ID_LEN) /* its end tells it apart: a path, a number */
		text += strlen(text) - DEVICE_ID_LEN + 1;
	snprintf(device, DEVICE_ID_LEN, "%.*s", DEVICE_ID_LEN - 1, text);
}

/* --- the file -------------------------------------------------------------------------------- */

/* The next number of a line; false if there is none. */
static bool take_number(char **rest, __u64 most, __u64 *number)
{
	char *word = strtok_r(NULL, " ", rest), *end;

	if (!word || *word < '0' || *word > '9')
		return false;
	errno = 0;
	*number = strtoull(word, &end, 10);
	return !errno && !*end && *number <= most;
}

/* One line of the file: "harm = DEVICE pages 4096 2 1790000000". */
static int take_line(void *arg, const char *section, const char *name, const char *value)
{
	struct learned_table *t = arg;
	char line[256], *rest, *device, *class;
	__u64 kb, number, when;
	struct learned *e;
	int class_id;

	(void)section;
	snprintf(line, sizeof(line), "%s", value);
	device = strtok_r(line, " ", &rest);
	if (!device || strlen(device) >= DEVICE_ID_LEN)
		return 1;
	if (!strcmp(name, "device")) {
		struct learned_device *d = learned_device(t, device);

		if (!take_number(&rest, BUDGET_MS_MAX, &d->watched_ms) ||
		    !take_number(&rest, BUDGET_MS_MAX, &d->worse_ms))
			d->watched_ms = d->worse_ms = 0;
#define X(field, text) (void)take_number(&rest, ~0ULL, &d->field);
		LEARNED_COUNT_LIST(X)
#undef X
		return 1;
	}
	class = strtok_r(NULL, " ", &rest);
	class_id = class ? class_from_name(class) : -1;
	if (class_id < 0 || !take_number(&rest, RA_KB_HARD_MAX, &kb) ||
	    !take_number(&rest, RA_KB_HARD_MAX, &number) || !take_number(&rest, ~0ULL, &when) ||
	    kb < RA_KB_HARD_MIN)
		return 1;
	if (!strcmp(name, kinds[LEARNED_HARM])) {
		e = place(t, device, LEARNED_HARM, (unsigned int)class_id, (unsigned int)kb);
		e->kb = (unsigned int)kb;
		e->times = (unsigned int)number;
		e->until_s = when;
	} else if (number >= RA_KB_HARD_MIN &&
		   (!strcmp(name, kinds[LEARNED_TRIM]) || !strcmp(name, kinds[LEARNED_PAIR]))) {
		e = place(t, device, *name == 't' ? LEARNED_TRIM : LEARNED_PAIR,
			  (unsigned int)class_id, 0);
		e->kb = (unsigned int)kb;
		e->policy_kb = (unsigned int)number;
		e->until_s = when;
	}
	return 1;
}

int learned_load(struct learned_table *t, const char *state_dir)
{
	char path[512], *text;
	int fd, err = state_path(path, sizeof(path), state_dir, LEARNED_FILE);
	ssize_t n, used = 0;

	memset(t, 0, sizeof(*t));
	if (err)
		return err;
	/* O_NONBLOCK: a FIFO of that name is no reason to wait for its writer. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	text = malloc(FILE_MAX + 1);
	if (!text) {
		close(fd);
		return -ENOMEM;
	}
	while (used < FILE_MAX && (n = read(fd, text + used, (size_t)(FILE_MAX - used))) > 0)
		used += n;
	close(fd);
	text[used] = '\0';
	/* A line that inih does not understand does not end it. */
	(void)ini_parse_string(text, take_line, t);
	free(text);
	t->changed = false;
	return 0;
}

struct text {
	char *at, *end;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at, (size_t)(t->end - t->at), format, args);
	va_end(args);
	if (n > 0)
		t->at = n < t->end - t->at ? t->at + n : t->end - 1;
}

/* The device is no section: inih cuts their names. */
static void put_all(struct text *out, const struct learned_table *t)
{
	unsigned int i;

	put(out, "; What bpfahead learned. Rewritten by the helper; delete it to forget.\n"
		 "; harm = device class KB times-in-a-row until; trim = device class KB policy-KB "
		 "when;\n"
		 "; device = device ms-watched ms-in-worse-values reverts harmful cleared trials "
		 "kept unjudged\n");
	for (i = 0; i < DEVICES_MAX; i++) {
		const struct learned_device *d = &t->of[i];

		if (!d->device[0])
			continue;
		put(out, "device = %s %" PRIu64 " %" PRIu64, d->device, (uint64_t)d->watched_ms,
		    (uint64_t)d->worse_ms);
#define X(field, text) put(out, " %" PRIu64, (uint64_t)d->field);
		LEARNED_COUNT_LIST(X)
#undef X
		put(out, "\n");
	}
	for (i = 0; i < LEARNED_MAX; i++) {
		const struct learned *e = &t->entry[i];

		if (e->device[0])
			put(out, "%s = %s %s %u %u %" PRIu64 "\n", kinds[e->kind], e->device,
			    class_name(e->class_id), e->kb,
			    e->kind == LEARNED_HARM ? e->times : e->policy_kb,
			    (uint64_t)e->until_s);
	}
}

int learned_save(struct learned_table *t, const char *state_dir)
{
	char path[512], fresh[512];
	struct text out;
	char *text;
	ssize_t n;
	int fd, err = state_path(path, sizeof(path), state_dir, LEARNED_FILE);

	if (!err)
		err = state_path(fresh, sizeof(fresh), state_dir, LEARNED_FILE ".new");
	if (err)
		return err;
	text = malloc(FILE_MAX);
	if (!text)
		return -ENOMEM;
	out.at = text;
	out.end = text + FILE_MAX;
	put_all(&out, t);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err = -errno;
		goto out;
	}
	n = write(fd, text, (size_t)(out.at - text));
	if (n != out.at - text)
		err = n < 0 ? -errno : -ENOSPC;
	close(fd);
	/*
	 * Without fsync(): decisions must not wait behind a busy disk, and what a power cut can
	 * cost is the memory of a look or two.
	 */
	if (!err && rename(fresh, path))
		err = -errno;
	if (err)
		unlink(fresh);
	else
		t->changed = false;
out:
	free(text);
	return err;
}
