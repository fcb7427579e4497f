// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "output.h"

int output_open(struct output *o, const char *path, struct fault *why)
{
	char *target = NULL, *temporary = NULL;
	int fd = -1, error = 0;
	FILE *file = NULL;
	struct stat st;
	bool there = !stat(path, &st);

	if (there && !S_ISREG(st.st_mode)) {
		fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	} else {
		/* A link stays one: it is its target that is replaced. */
		target = there ? realpath(path, NULL) : strdup(path);
		if (target && asprintf(&temporary, "%s.XXXXXX", target) < 0)
			temporary = NULL;
		if (temporary)
			fd = mkostemp(temporary, O_CLOEXEC);
	}
	if (fd >= 0)
		file = fdopen(fd, "w");
	if (!file) {
		error = errno ? errno : EIO;
		fault_set(why, error, "%s: %s", path, strerror(error));
		if (fd >= 0) {
			close(fd);
			if (temporary)
				unlink(temporary);
		}
		free(temporary);
		free(target);
		return -error;
	}
	*o = (struct output){file, path, target, temporary};
	return 0;
}

/* errno after stdio, which does not always set it. */
static int error_of_file(void)
{
	return errno ? -errno : -EIO;
}

int output_close(struct output *o, int ret, struct fault *why)
{
	mode_t mask = umask(0);
	int error = 0;

	umask(mask);
	errno = 0;
	if (fflush(o->file) || ferror(o->file))
		error = error_of_file();
	if (o->temporary && !error && !ret &&
	    (fchmod(fileno(o->file), 0666 & ~mask) || fsync(fileno(o->file))))
		error = -errno;
	if (fclose(o->file) && !error)
		error = error_of_file();
	if (o->temporary && !error && !ret && rename(o->temporary, o->target))
		error = -errno;
	if (o->temporary && (error || ret))
		unlink(o->temporary);
	if (error && !ret)
		ret = fault_set(why, -error, "%s: %s", o->path, strerror(-error));
	free(o->temporary);
	free(o->target);
	return ret;
}

static int compress_into(int fd, const char *text, size_t size)
{
	gzFile file = fd < 0 ? NULL : gzdopen(fd, "we9");
	size_t done = 0;
	int ret = 0;

	if (!file) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	errno = 0;
	while (done < size && !ret) {
		size_t left = size - done, part = left < 1 << 20 ? left : 1 << 20;

		if (gzwrite(file, text + done, (unsigned int)part) != (int)part)
			ret = error_of_file();
		done += part;
	}
	if (gzclose_w(file) != Z_OK && !ret)
		ret = error_of_file();
	return ret;
}

static int write_file(const char *path, bool gzipped, const void *bytes, size_t size,
		      struct fault *why)
{
	struct output o;
	int ret;

	ret = output_open(&o, path, why);
	if (ret)
		return ret;
	if (gzipped) {
		ret = compress_into(dup(fileno(o.file)), bytes, size);
		if (ret)
			fault_set(why, -ret, "%s: %s", path, strerror(-ret));
	} else if (fwrite(bytes, 1, size, o.file) != size) {
		ret = error_of_file();
		fault_set(why, -ret, "%s: %s", path, strerror(-ret));
	}
	return output_close(&o, ret, why);
}

int output_write(const char *path, void (*print)(FILE *out, const void *what), const void *what,
		 struct fault *why)
{
	size_t length = strlen(path), size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);
	bool failed = !out;
	int ret;

	if (out) {
		print(out, what);
		failed = ferror(out);
		failed |= fclose(out) != 0;
	}
	if (failed)
		ret = fault_set(why, ENOMEM, "%s: out of memory", path);
	else
		ret = write_file(path, length > 3 && !strcmp(path + length - 3, ".gz"), text, size,
				 why);
	free(text);
	return ret;
}

int output_write_bytes(const char *path, const void *bytes, size_t size, struct fault *why)
{
	return write_file(path, false, bytes, size, why);
}
