// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "markup.h"

void print_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("<>&\"'", *text) || (unsigned char)*text < ' ')
			fprintf(out, "&#%d;", (unsigned char)*text < ' ' ? ' ' : *text);
		else
			fputc(*text, out);
	}
}
