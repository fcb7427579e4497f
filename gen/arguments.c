// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/abi.h"
#include "arguments.h"

uint64_t number_argument(struct argp_state *state, const char *text, uint64_t low, uint64_t high)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno || value < low || value > high)
		argp_error(state, "\"%s\" is not a number from %llu to %llu", text,
			   (unsigned long long)low, (unsigned long long)high);
	return value;
}

double fraction_argument(struct argp_state *state, const char *text, double high)
{
	double value;
	char *end;

	value = strtod(text, &end);
	if (end == text || *end || !(value >= 0.0 && value < high))
		argp_error(state, "\"%s\" is not a number from 0 to below %g", text, high);
	return value;
}

const char *name_argument(struct argp_state *state, const char *text)
{
	const char *c = text;

	while (*c >= ' ' && *c <= '~')
		c++;
	if (!*text || *c || strlen(text) >= MODEL_NAME_LEN)
		argp_error(state, "a name has 1 to %d printable ASCII characters",
			   MODEL_NAME_LEN - 1);
	return text;
}
