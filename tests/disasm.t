#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# No program calls bpf_probe_read*: kernels in lockdown=confidentiality mode
# refuse them. The objects are disassembled and every helper call is looked at.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$TOP" || exit 1

# enum bpf_func_id: probe_read, probe_read_str, probe_read_user, probe_read_kernel,
# probe_read_user_str, probe_read_kernel_str
forbidden='4|45|112|113|114|115'

# helper_calls OBJECT: the number of each helper that is called, one a line. By the bytes: 85 with
# a source register of 0 (1 is a call within the object), then the number, little-endian.
helper_calls() {
	llvm-objdump -d "$1" |
		sed -nE 's/.*[[:space:]]85 [0-9a-f]0 00 00 ([0-9a-f]{2}) ([0-9a-f]{2}) ([0-9a-f]{2}) ([0-9a-f]{2})[[:space:]].*/& \4\3\2\1/p' |
		sed -nE '/[[:space:]]85 00 /s/.* ([0-9a-f]{8})$/0x\1/p' | while read -r id; do
		echo $((id))
	done
}
clean() { ! helper_calls "$1" | grep -qxE "$forbidden"; }

command -v llvm-objdump >/dev/null || die 'llvm-objdump is missing: tests/deps.sh test'
T=$(mktemp -d) || die mktemp

for object in build/readahead.bpf.o build/ra_tp.bpf.o build/ra_fentry.bpf.o build/latency.bpf.o \
	build/per_file.bpf.o build/per_file_fentry.bpf.o \
	build/tests/*.bpf.o; do
	[ -e "$object" ] || continue
	ok "$object is no data file" test "$(llvm-objdump -d "$object" | grep -c exit)" -gt 0
	ok "$object calls no bpf_probe_read*" clean "$object"
done
calls=$(helper_calls build/readahead.bpf.o | wc -l)
ok "the disassembly shows helper calls ($calls in readahead.bpf.o)" test "$calls" -gt 0

# The check itself: each forbidden helper, planted, must be found.
multiarch=$(gcc -print-multiarch 2>/dev/null || true)
for id in ${forbidden//|/ }; do
	cat >"$T/planted.c" <<-C
		static long (*const planted)(void *to, unsigned int size, const void *from) = (void *)$id;
		__attribute__((section("raw_tp/planted"), used)) int program(void *ctx)
		{
			long value = 0;

			planted(&value, sizeof(value), ctx);
			return value != 0;
		}
	C
	"${CLANG:-clang}" -O2 -target bpf ${multiarch:+-I"/usr/include/$multiarch"} \
		-c "$T/planted.c" -o "$T/planted.o" || die 'clang'
	if clean "$T/planted.o"; then
		result 1 "a planted call of helper $id is found"
	else
		result 0 "a planted call of helper $id is found"
	fi
done
done_testing
