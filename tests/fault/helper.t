#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A helper that is stopped, a full ring, a device that leaves meanwhile, sysfs that refuses:
# nothing is lost, and nothing is done too late.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd unshare

counter() {
	status_json | jq -r --arg n "$BDI" --arg c "$1" '.devices[] | select(.bdi == $n) | .counters[$c]'
}
ring_is_full() {
	local count
	count=$(counter ring_full)
	[ "${count:-0}" -gt 0 ]
}

# --- ring full ---
random_disk 192
start_run
# One event per dwell: a short one fills 16 KB in seconds.
ok 'config: short hop and dwell' "$BPFAHEAD" config hop=100ms window=500ms dwell=100ms
kill -STOP "$RUN_PID"
random_load
ok 'helper stopped: the ring fills up, and that is counted' wait_for 60 ring_is_full
is "$(read_kb)" 192 'helper stopped: nothing is written'
kill -CONT "$RUN_PID"
ok 'helper goes on: the decision is not lost' wait_for 10 settled 192
wanted=$(random_kb 192)
ok 'helper goes on: and it stays' stays "$wanted" 3

# --- sysfs read-only, from the point of view of bpfahead alone ---
stop_run TERM
stop_load
is "$(read_kb)" 192 'original back'
: >"$T/run.log"
: >"$T/run.err"
# shellcheck disable=SC2016 # for the inner shell
unshare --mount --propagation private bash -ec 'mount -o remount,bind,ro /sys; exec "$@"' - \
	"$BPFAHEAD" run --device "$NAME" >"$T/run.log" 2>"$T/run.err" </dev/null &
RUN_PID=$!
pids+=("$RUN_PID")
wait_for 15 run_is_ready || die "run: $(cat "$T/run.err")"
random_load
ok 'read-only sysfs: run says what was refused' wait_for 12 run_said 'Read-only file system'
is "$(read_kb)" 192 'read-only sysfs: the value is untouched'
is "$(status_json | jq -r --arg n "$BDI" '.devices[] | select(.bdi == $n) | .applied')" refused \
	'read-only sysfs: status says so'
kill -0 "$RUN_PID"
is $? 0 'read-only sysfs: run goes on'
stop_run TERM
stop_load
is "$RUN_STATUS" 0 'read-only sysfs: run ends with status 0, for nothing had been changed'

# --- a device that leaves while it is decided upon ---
start_run
# An event older than the dwell is dropped without a word: it would be sent again.
ok 'config: long dwell' "$BPFAHEAD" config dwell=30s
kill -STOP "$RUN_PID"
random_load
decided() { decided_class | grep -vqx null; }
ok 'helper stopped: a decision waits' wait_for 12 decided
losetup -d "$LOOP" # lazily: it goes with the load and the mount
stop_load
umount "$MNT" || die "umount $MNT"
wait_for 10 loop_control remove "${NAME#loop}" 2>/dev/null || die "cannot remove $NAME"
kill -CONT "$RUN_PID"
ok 'the device has left: run says so' wait_for 10 run_said 'has left|gone'
kill -0 "$RUN_PID"
is $? 0 'the device has left: run goes on'
stop_run TERM
is "$RUN_STATUS" 0 'the device has left: run ends with status 0'
is "$(find "$BPFAHEAD_PIN_DIR" -mindepth 1 2>/dev/null)" '' 'the device has left: no pin is left'

# --- the same with the value in place, and the load cut off ---
random_disk 192
start_run
random_load
ok 'another device: the value is ours' wait_for 15 settled 192
losetup -d "$LOOP"
umount -l "$MNT"
stop_load
wait_for 10 loop_control remove "${NAME#loop}" 2>/dev/null || die "cannot remove $NAME"
stop_run TERM
is "$RUN_STATUS" 0 'a device that left with its value changed: run ends with status 0'
is "$(find "$BPFAHEAD_PIN_DIR" -mindepth 1 2>/dev/null)" '' 'and no pin is left'
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
