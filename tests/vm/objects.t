#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In a guest of another architecture: the BPF objects made for it are, byte for byte, those made for
# the host, so that a verdict of the verifier on either counts for both.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
[ "$(uname -m)" = aarch64 ] || skip_all "build/ is the host's own on $(uname -m)"
mountpoint -q "$TOP/build" || die 'nothing stands over build/: tests/vm/guest.sh'

# A bind of the tree alone shows the build/ beneath the one that was put over it.
T=$(mktemp -d) || die mktemp
mount --bind "$TOP" "$T" || die 'mount --bind'
mounts+=("$T")
for object in "$TOP"/build/*.bpf.o "$TOP"/build/tests/*.bpf.o; do
	name=${object#"$TOP/"}
	ok "$name is the host's" cmp "$T/$name" "$object"
done
done_testing
