// SPDX-License-Identifier: GPL-2.0-only
/* What is remembered of devices: back-off, bounds, and the file, also a bad one. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "loader/learned.h"

#define DISK "uuid-00112233445566778899aabbccddeeff"

static char dir[64];
static struct learned_table t, again;

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	snprintf(dir, sizeof(dir), "/tmp/bpfahead-learned.XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/" LEARNED_FILE, dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/" LEARNED_FILE ".new", dir);
	rmdir(path);
	return rmdir(dir);
}

static void write_file(const char *text, size_t bytes)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/" LEARNED_FILE, dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, bytes), (ssize_t)bytes);
	close(fd);
}

/* 10 minutes, then twice as long each time, a day at most. */
static void back_off(void **state)
{
	const struct learned *e = NULL;
	unsigned int i;

	(void)state;
	assert_int_equal(learned_harm(&t, DISK, CLASS_PAGES, 4096, 1000)->until_s, 1600);
	assert_int_equal(learned_harm(&t, DISK, CLASS_PAGES, 4096, 2000)->until_s, 3200);
	for (i = 0; i < 80; i++)
		e = learned_harm(&t, DISK, CLASS_PAGES, 4096, 5000);
	assert_int_equal(e->until_s, 5000 + 86400);
	assert_null(learned_find(&t, DISK, LEARNED_HARM, CLASS_PAGES, 2048));
	assert_null(learned_find(&t, DISK, LEARNED_HARM, CLASS_OBJECTS, 4096));
	assert_null(learned_find(&t, DISK, LEARNED_TRIM, CLASS_PAGES, 0));
	assert_null(learned_find(&t, "uuid-other", LEARNED_HARM, CLASS_PAGES, 4096));
	assert_null(learned_find(&t, "", LEARNED_HARM, CLASS_PAGES, 0));
}

/* Full: what is free again first makes room. */
static void bounded(void **state)
{
	char device[DEVICE_ID_LEN];
	unsigned int i;

	(void)state;
	for (i = 0; i < 3 * LEARNED_MAX; i++) {
		snprintf(device, sizeof(device), "bdi-%u", i);
		learned_harm(&t, device, CLASS_PAGES, 16, i);
		learned_device(&t, device)->watched_ms = i;
	}
	assert_non_null(learned_find(&t, device, LEARNED_HARM, CLASS_PAGES, 16));
	assert_null(learned_find(&t, "bdi-0", LEARNED_HARM, CLASS_PAGES, 16));
	assert_int_equal(learned_device(&t, device)->watched_ms, i - 1);
	assert_int_equal(learned_device(&t, "bdi-0")->watched_ms, 0);
}

static void there_and_back(void **state)
{
	const struct learned *e;

	(void)state;
	learned_harm(&t, DISK, CLASS_PAGES, 4096, 1000);
	learned_harm(&t, DISK, CLASS_PAGES, 2048, 1000);
	learned_trim(&t, DISK, LEARNED_TRIM, CLASS_SEQUENTIAL, 1024, 256, 77);
	learned_trim(&t, "bdi-8:0", LEARNED_TRIM, CLASS_SEQUENTIAL, 2048, 256, 78);
	learned_trim(&t, "bdi-8:0", LEARNED_TRIM, CLASS_PAGES, 8, 16, 78);
	learned_trim(&t, "bdi-8:0", LEARNED_TRIM, CLASS_PAGES, 16, 16,
		     79); /* the policy's own: nothing to keep */
	learned_trim(&t, DISK, LEARNED_TRIM, CLASS_OBJECTS, 64, 32, 78);
	learned_trim(&t, DISK, LEARNED_PAIR, CLASS_OBJECTS, 128, 32, 78); /* one or the other */
	learned_device(&t, DISK)->watched_ms = 123456789012ULL;
	learned_device(&t, DISK)->worse_ms = 5;
	learned_device(&t, DISK)->kept = 9;
	assert_true(t.changed);
	assert_int_equal(learned_save(&t, dir), 0);
	assert_false(t.changed);
	assert_int_equal(learned_load(&again, dir), 0);
	e = learned_find(&again, DISK, LEARNED_HARM, CLASS_PAGES, 4096);
	assert_non_null(e);
	assert_int_equal(e->times, 1);
	assert_int_equal(e->until_s, 1600);
	assert_non_null(learned_find(&again, DISK, LEARNED_HARM, CLASS_PAGES, 2048));
	e = learned_find(&again, "bdi-8:0", LEARNED_TRIM, CLASS_SEQUENTIAL, 0);
	assert_int_equal(e->kb, 2048);
	assert_int_equal(e->policy_kb, 256);
	assert_null(learned_find(&again, "bdi-8:0", LEARNED_TRIM, CLASS_PAGES, 0));
	assert_null(learned_find(&again, DISK, LEARNED_TRIM, CLASS_OBJECTS, 0));
	assert_int_equal(learned_find(&again, DISK, LEARNED_PAIR, CLASS_OBJECTS, 0)->kb, 128);
	assert_int_equal(learned_device(&again, DISK)->watched_ms, 123456789012ULL);
	assert_int_equal(learned_device(&again, DISK)->worse_ms, 5);
	assert_int_equal(learned_device(&again, DISK)->kept, 9);
}

/* The largest table there can be goes into the file and out of it again. */
static void full_table(void **state)
{
	char device[DEVICE_ID_LEN + 8];
	unsigned int i, n = 0;

	(void)state;
	for (i = 0; i < LEARNED_MAX; i++) {
		snprintf(device, sizeof(device), "%0110u", i);
		learned_harm(&t, device, CLASS_SMALL_FILES, 65536, 1790000000);
		learned_device(&t, device)->watched_ms = 1ULL << 50;
		learned_device(&t, device)->trials = 0xffffffff;
	}
	assert_int_equal(learned_save(&t, dir), 0);
	assert_int_equal(learned_load(&again, dir), 0);
	for (i = 0; i < LEARNED_MAX; i++)
		n += again.entry[i].device[0] != '\0';
	assert_int_equal(n, LEARNED_MAX);
}

static void bad_files(void **state)
{
	static const char *const texts[] = {
		"",
		"[",
		"harm = pages 4096 1 1\n", /* of no device */
		"harm = d pages 4096 1\n",
		"harm = d nonsense 4096 1 1\n",
		"harm = d pages 3 1 1\n", /* below the least there is */
		"harm = d pages 99999999 1 1\n",
		"harm = d pages\n",
		"trim = d pages 16 0 1\n",
		"device = d x\n",
		"\xff\xfe\x01 = \x02\n[[]]\n=\n",
	};
	char *large = malloc(200000);
	unsigned int i, k;

	(void)state;
	assert_int_equal(learned_load(&t, dir), 0); /* none at all */
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_file(texts[i], strlen(texts[i]));
		assert_int_equal(learned_load(&t, dir), 0);
		for (k = 0; k < LEARNED_MAX; k++)
			assert_int_equal(t.entry[k].device[0], '\0');
	}
	/* Bad lines do not take a good one with them. */
	write_file("harm = x\n[\nharm = d pages 64 2 99\n", 34);
	assert_int_equal(learned_load(&t, dir), 0);
	assert_int_equal(learned_find(&t, "d", LEARNED_HARM, CLASS_PAGES, 64)->times, 2);
	assert_non_null(large);
	memset(large, 'x', 200000);
	write_file(large, 200000);
	assert_int_equal(learned_load(&t, dir), 0);
	free(large);
}

/* A FIFO, and numbers that no sane clock or device has given. */
static void strange_files(void **state)
{
	static const char text[] = "harm = d pages 64 2 18446744073709551615\n"
				   "device = d 1000 18446744073709551615 1 1 1 1 1\n";
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/" LEARNED_FILE, dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	alarm(10);
	assert_int_equal(learned_load(&t, dir), 0);
	alarm(0);
	unlink(path);
	write_file(text, sizeof(text) - 1);
	assert_int_equal(learned_load(&t, dir), 0);
	assert_false(learned_holds(learned_find(&t, "d", LEARNED_HARM, CLASS_PAGES, 64), 1000));
	assert_int_equal(learned_device(&t, "d")->worse_ms, 0);
	assert_int_equal(learned_device(&t, "d")->watched_ms, 0);
	assert_true(learned_holds(learned_harm(&t, DISK, CLASS_PAGES, 16, 1000), 1000));
}

static void nowhere_to_write(void **state)
{
	char path[128];

	(void)state;
	learned_harm(&t, DISK, CLASS_PAGES, 4096, 1000);
	assert_int_equal(learned_save(&t, "/nonexistent/dir"), -ENOENT);
	assert_true(t.changed); /* so that it is tried again */
	snprintf(path, sizeof(path), "%s/" LEARNED_FILE ".new", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(learned_save(&t, dir), -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(back_off, setup, teardown),
		cmocka_unit_test_setup_teardown(bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(full_table, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_files, setup, teardown),
		cmocka_unit_test_setup_teardown(strange_files, setup, teardown),
		cmocka_unit_test_setup_teardown(nowhere_to_write, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
