// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"

int input_read(const char *path, size_t room, const char *what, char **bytes, size_t *size,
	       struct fault *why)
{
	FILE *file = fopen(path, "re");
	int ret = 0;

	if (!file)
		return fault_set(why, errno, "%s: %s", path, strerror(errno));
	*bytes = malloc(room);
	if (!*bytes) {
		fclose(file);
		return fault_set(why, ENOMEM, "%s: out of memory", path);
	}
	errno = 0;
	*size = fread(*bytes, 1, room, file);
	if (ferror(file))
		ret = fault_set(why, errno ? errno : EIO, "%s: %s", path,
				strerror(errno ? errno : EIO));
	else if (*size == room)
		ret = fault_set(why, EFBIG, "%s: %zu bytes or more: too large for %s", path, room,
				what);
	fclose(file);
	if (ret)
		free(*bytes);
	return ret;
}
