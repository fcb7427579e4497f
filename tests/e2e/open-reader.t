#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# From a program that opened its file long ago and reads on, to larger requests at its disk, on the
# same descriptor: by the disk's own counters.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/holders.sh
. "$(dirname "$0")/../holders.sh"
need fio jq dd

make_loop 1152
make_fs "$LOOP" ext4
fill_file "$MNT/data" 1024
need_holders
# Not as fast as memory: the reader is to be at it for the whole test.
need_throttle 40000000 6000

# request_kb SECONDS: the mean request of that time.
request_kb() {
	local before after
	read -ra before <"/sys/block/$NAME/stat"
	nap "$1"
	read -ra after <"/sys/block/$NAME/stat"
	[ "${after[0]}" -gt "${before[0]}" ] || {
		echo 0
		return
	}
	echo $(((after[2] - before[2]) / 2 / (after[0] - before[0])))
}
descriptor() { readlink "/proc/${HOLD[data]}/fd/3"; }

for path in run helper; do
	set_kb 16
	start_hold data --read -- "${in_cgroup[@]}" "$CGROUP"
	file=$(descriptor)
	small=$(request_kb 2)
	if [ $path = run ]; then
		start_run
	else
		{ load_listed "$BDI" && start_helper; } || die 'bpfaheadd'
	fi
	began=$(now_us)
	ok "$path: raised" wait_for 15 kb_is "$(policy_kb sequential 16)"
	ours=$(read_kb)
	ID=$(bdi_id)
	ok "$path: the open file has it ($ours KB)" files_have "$ours" data
	diag "$path: $(($(now_us) - began)) us from the start"
	large=$(request_kb 2)
	ok "$path: requests of $small KB before, $large KB with the value" \
		test "$small" -le 20 -a "$large" -ge $((ours * 3 / 4))
	is "$(descriptor)" "$file" "$path: the same descriptor"
	stop_run TERM
	is "$(read_kb)" 16 "$path: the original is back"
	# Lowering acts on a stream at its next miss: at the latest when it begins again.
	back() { [ "$(request_kb 1)" -le 20 ]; }
	ok "$path: and its requests" wait_for 60 back
	stop_pid "${HOLD[data]}"
	[ ! -d "$BPFAHEAD_PIN_DIR" ] || ok "$path: unload" quietly "$BPFAHEAD" unload
done
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
