/* SPDX-License-Identifier: GPL-2.0-only */
/* What writers of SVG and HTML share. */
#ifndef BPFAHEAD_MARKUP_H
#define BPFAHEAD_MARKUP_H

#include <stdio.h>

/* Text inside XML: what it reserves as character references, control characters as blanks. */
void print_escaped(FILE *out, const char *text);

#endif
