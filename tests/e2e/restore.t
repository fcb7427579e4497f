#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The administrator's value is back however the run ends.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd

make_loop 640
make_fs "$LOOP" ext4
fill_file "$MNT/data" 512
need_throttle 24000000 1500
original=192
set_kb $original

# changed: a run under mmap random load, up to the point where the value is ours.
changed() {
	start_run
	forget "$MNT/data"
	start_load mmap-random "$MNT/data"
	if ! wait_for 15 settled "$original"; then
		diag "$(cat "$T/run.log" "$T/run.err")"
		return 1
	fi
	ours=$(read_kb)
}

for signal in TERM INT; do
	ok "SIG$signal: the value is ours first" changed
	stop_run $signal
	stop_load
	is "$RUN_STATUS" 0 "SIG$signal: status 0"
	is "$(read_kb)" $original "SIG$signal: the original is back"
	is "$(find "$BPFAHEAD_PIN_DIR" -mindepth 1 2>/dev/null)" '' "SIG$signal: no pin is left"
done

ok 'SIGKILL: the value is ours first' changed
stop_run KILL
stop_load
ok 'SIGKILL: the value stays as it was' kb_is "$ours"
output=$("$BPFAHEAD" restore 2>&1)
is $? 0 'restore: status 0'
diag "$output"
is "$(read_kb)" $original 'restore: the original is back'
output=$("$BPFAHEAD" restore 2>&1)
is $? 0 'restore again: nothing to do is no failure'
is "$(read_kb)" $original 'restore again: changes nothing'
"$BPFAHEAD" unload
is $? 0 'unload: status 0'

ok 'SIGKILL again: the value is ours first' changed
stop_run KILL
stop_load
start_run
forget "$MNT/data"
start_load mmap-random "$MNT/data"
ok 'a new run decides again' wait_for 15 kb_is "$ours"
is "$(status_json | jq -r --arg n "$BDI" '.devices[] | select(.bdi == $n) | .kb_original')" \
	$original 'a new run knows the original of the one that was killed'
stop_run TERM
stop_load
is "$(read_kb)" $original 'a new run after SIGKILL: the original is back at its end'

# A value that a person sets meanwhile is theirs: restore does not touch it.
ok 'once more: the value is ours first' changed
stop_run KILL
stop_load
set_kb 320
"$BPFAHEAD" restore >/dev/null 2>&1
is $? 0 'restore after a change by hand: status 0'
is "$(read_kb)" 320 'restore leaves a value that a person has set since'
done_testing
