// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "output.h"

static int write_all(int fd, bool gzipped, const char *text, size_t size)
{
	gzFile file = gzdopen(fd, gzipped ? "we9" : "weT");
	size_t done = 0;
	int ret = 0;

	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	errno = 0;
	while (done < size && !ret) {
		size_t left = size - done, part = left < 1 << 20 ? left : 1 << 20;

		if (gzwrite(file, text + done, (unsigned int)part) != (int)part)
			ret = errno ? -errno : -EIO;
		done += part;
	}
	if (gzclose_w(file) != Z_OK && !ret)
		ret = errno ? -errno : -EIO;
	return ret;
}

int output_write(const char *path, void (*print)(FILE *out, const void *what), const void *what,
		 struct fault *why)
{
	size_t length = strlen(path), size = 0;
	char *text = NULL, *temporary = NULL;
	FILE *out = open_memstream(&text, &size);
	mode_t mask = umask(0);
	int fd, ret = 0;

	umask(mask);
	if (!out)
		return fault_set(why, ENOMEM, "%s: out of memory", path);
	print(out, what);
	if (ferror(out))
		ret = -ENOMEM;
	if (fclose(out) && !ret)
		ret = -ENOMEM;
	if (!ret && asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		temporary = NULL;
		ret = -ENOMEM;
	}
	if (ret)
		goto out;
	fd = mkstemp(temporary);
	if (fd < 0) {
		ret = -errno;
		goto out;
	}
	ret = write_all(fd, length > 3 && !strcmp(path + length - 3, ".gz"), text, size);
	if (!ret && (chmod(temporary, 0666 & ~mask) || rename(temporary, path)))
		ret = -errno;
	if (ret)
		unlink(temporary);
out:
	free(temporary);
	free(text);
	return ret ? fault_set(why, -ret, "%s: %s", path, strerror(-ret)) : 0;
}

void print_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("<>&\"'", *text) || (unsigned char)*text < ' ')
			fprintf(out, "&#%d;", (unsigned char)*text < ' ' ? ' ' : *text);
		else
			fputc(*text, out);
	}
}
