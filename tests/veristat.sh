#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# veristat.sh FILE - build the kernel's veristat, which prints what the verifier
# spends on each program, out of the distribution's linux-source package. Static:
# it runs in every guest, too. Nothing but FILE is left.
set -euo pipefail

archive=${LINUX_SOURCE:-/usr/src/linux-source-6.12.tar.xz}
[ $# = 1 ] || {
	echo 'usage: veristat.sh FILE' >&2
	exit 2
}
[ -r "$archive" ] || {
	echo "veristat.sh: no $archive: tests/deps.sh veristat" >&2
	exit 1
}
dir=$(mktemp -d "${TMPDIR:-/tmp}/bpfahead-veristat.XXXXXX")
trap 'rm -rf "$dir" "$1.new"' EXIT
tar -xJf "$archive" -C "$dir" --strip-components=2 --wildcards '*/tools/lib/bpf' \
	'*/tools/arch' '*/tools/include' '*/tools/testing/selftests/bpf/veristat.c'
# Not by their Makefiles: those generate what only BPF programs include, with Python, and look for a vmlinux.
# Warnings are the kernel's to heed.
gcc -O2 -static -w -D_GNU_SOURCE -D_LARGEFILE64_SOURCE -D_FILE_OFFSET_BITS=64 -I"$dir/include" \
	-I"$dir/include/uapi" -I"$dir/lib" "$dir/testing/selftests/bpf/veristat.c" "$dir"/lib/bpf/*.c \
	-lelf -lz -o "$1.new"
mv "$1.new" "$1"
