// SPDX-License-Identifier: GPL-2.0-only
/* In place of onnx_read.c and onnx_write.c where what those need was not there to build with. */
#include <errno.h>
#include <string.h>

#include "onnx.h"

static int built_without(const char *path, struct fault *why)
{
	return fault_set(why, ENOSYS,
			 "%s: built without ONNX; install libonnx-dev, libprotobuf-c-dev and "
			 "protobuf-c-compiler and build again",
			 path);
}

int onnx_read(const char *path, struct onnx *o, struct fault *why)
{
	memset(o, 0, sizeof(*o));
	return built_without(path, why);
}

int onnx_parse(const char *path, const uint8_t *bytes, size_t size, struct onnx *o,
	       struct fault *why)
{
	(void)bytes;
	(void)size;
	return onnx_read(path, o, why);
}

int onnx_write(const char *path, const struct onnx *o, struct fault *why)
{
	(void)o;
	return built_without(path, why);
}
