#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Loop devices come and go with one and the same number, while bpfahead watches that number: no
# value lands on a device that it was not decided for, and no slot is lost.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd

devices=60
[ "$FULL" = 0 ] || devices=1000

number=$(loop_control add -1) || die 'no new loop device'
device=/dev/loop$number
loops+=("$device")

appear() {
	[ -e "/sys/block/loop$number" ] || loop_control add "$number" >/dev/null || return 1
	losetup --direct-io=on "$device" "$T/disk" && use_disk "$device"
}
vanish() {
	losetup -d "$device" && wait_for 10 loop_control remove "$number" 2>/dev/null
}

fallocate -l 160M "$T/disk"
appear || die "cannot set up $device"
fill_file "$device" 160
default=$(read_kb)

need_throttle 24000000 1500
start_run
random_kb=$(policy_kb pages "$default")

foreign=0 missed=0 failed=0 late=0
for ((n = 1; n <= devices; n++)); do
	kb_is "$default" || foreign=$((foreign + 1))
	case $((n % 10)) in
	5) # Long enough to be decided upon.
		throttle 24000000 1500 || die throttle
		start_load mmap-random "$device"
		wait_for 10 kb_is "$random_kb" || missed=$((missed + 1))
		stop_load
		;;
	0)
		if [ $((n % 30)) = 0 ]; then
			# The decision waits in the ring until its device has been replaced.
			kill -STOP "$RUN_PID"
			throttle 24000000 1500 || die throttle
			start_load mmap-random "$device"
			for ((i = 0; i < 40; i++)); do nap 0.1; done
			stop_load
			vanish && appear || failed=$((failed + 1))
			kill -CONT "$RUN_PID"
			for ((i = 0; i < 10; i++)); do nap 0.1; done
			kb_is "$default" || late=$((late + 1))
		fi
		;;
	*)
		dd if="$device" of=/dev/null bs=4k count=64 skip=$((RANDOM % 30000)) status=none
		kb_is "$default" || foreign=$((foreign + 1))
		;;
	esac
	vanish && appear || failed=$((failed + 1))
done

is $failed 0 "$devices devices came and went"
is $foreign 0 'every new device starts with its own default'
is $late 0 'a decision that waited does not reach the device that took the number'
is $missed 0 'devices read for long enough are decided upon, under a number used before'

status_json >"$T/status.json"
taken=$(jq .counters.slots_taken "$T/status.json")
ok "they took slots ($taken)" test "$taken" -ge $((devices / 2))
in_use=$((taken - $(jq .counters.slots_evicted "$T/status.json")))
ok "slots taken less slots evicted ($in_use) fit the table" test $in_use -le 256
is "$(jq .counters.table_full "$T/status.json")" 0 'the table was never full'

stop_run TERM
is "$RUN_STATUS" 0 'run ends with status 0'
is "$(read_kb)" "$default" 'the last device has its default'
[ $tests_failed = 0 ] || diag "$(tail -40 "$T/run.log")" "$(cat "$T/run.err")"
done_testing
