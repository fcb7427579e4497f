#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# In a kernel booted with lockdown=confidentiality: objects load, decide and apply, with the readahead
# layer as far as fentry is to be had, and by the model of block features in any case.
# shellcheck source=tests/vm/guest/lib.sh
. "$(dirname "$0")/lib.sh"
need_guest
need fio jq dd bpftool
grep -q '\[confidentiality\]' /sys/kernel/security/lockdown || skip_all 'boot with lockdown=confidentiality'

offers() {
	"$BPFAHEAD" probe --json | jq -e --arg n "$1" '.capabilities[] | select(.name == $n) | .offered' >/dev/null
}
is "$("$BPFAHEAD" probe --json | jq -r '.capabilities[] | select(.name == "lockdown") | .found')" \
	confidentiality 'probe says so'
mkdir "$T/tracing"
mount -t tracefs tracefs "$T/tracing" 2>/dev/null && mounts+=("$T/tracing")
tracing_opens() { [ -e "$T/tracing/trace" ] && : <"$T/tracing/trace"; } 2>/dev/null
if tracing_opens; then result 1 'tracefs is open'; else result 0 'tracefs is closed, as by this mode'; fi

disk blk
use_disk "$DISK"
make_fs "$DISK" ext4
fill_file "$MNT/data" "$DATA_MB"

if offers 'readahead tracepoints' || offers 'readahead fentry'; then
	try_file 'the model of readahead features' "$MNT/data" "$BDI" "$DISK"
	ok 'with the readahead layer' run_said 'sources block.*readahead'
else
	skip 'the model of readahead features' 'fentry is refused'
fi
MODEL=(--weights "$TOP/weights/block.bin")
try_file 'the model of block features' "$MNT/data" "$BDI" "$DISK"
done_testing
