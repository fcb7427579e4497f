// SPDX-License-Identifier: GPL-2.0-only
/* The readahead layer by fentry: loads within the verifier's budget, where the kernel allows it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_test.h"

static struct bpf_object *readahead, *fentry;

static void verifier_ra_fentry(void **state)
{
	(void)state;
	assert_int_equal(verified(fentry), 3);
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(verifier_ra_fentry)};
	int err;

	need_root();
	libbpf_set_print(quiet);
	readahead = load_object("readahead");
	fentry = load_object_onto("ra_fentry", readahead);
	err = errno;
	if (!fentry) {
		/* Under lockdown (EPERM), or without BPF trampolines. Anything else is a defect. */
		if (err == EPERM || err == ENOTSUP || err == ENOSYS) {
			printf("1..0 # SKIP this kernel refuses fentry: %s\n", strerror(err));
			return 0;
		}
		printf("Bail out! ra_fentry: %s\n", strerror(err));
		return 1;
	}
	return cmocka_run_group_tests_name("fentry", tests, NULL, NULL);
}
