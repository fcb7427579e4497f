#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Each pattern brings readahead to its policy row within 3 s, and it stays there: from an original
# of 128 KB and from what the kernel gives a fresh loop device.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd

seconds=10 size=512
[ "$FULL" = 0 ] || seconds=60 size=2048

make_loop $((size + 128))
make_fs "$LOOP" ext4
fill_file "$MNT/data" $size
need_throttle 24000000 1500
open_trace || diag 'no readahead tracepoints: phases count from their first read'
host_default=$(read_kb)

for original in 128 "$host_default"; do
	set_kb "$original"
	start_run
	# Random first: from the default, sequential is what is there already.
	for pattern in mmap-random sequential mixed; do
		phase $seconds $pattern "$MNT/data"
		class=$(decided_class)
		case $pattern in mmap-random) classic=random ;; *) classic=$pattern ;; esac
		is "$(classic "$class")" $classic "$pattern from $original KB is told as $classic"
		want=$(policy_kb "$class" "$original")
		ok "$pattern from $original KB: the row of '$class', $want KB, in time and for good" \
			reached "$want"
	done
	stop_run TERM
	is "$RUN_STATUS" 0 'run ends with status 0'
	is "$(read_kb)" "$original" "the original $original KB is back"
	[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done
done_testing
