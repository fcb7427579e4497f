#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The helper as it is deployed (`bpfahead load`, bpfaheadd), and the loader, killed: the next one finds
# the pins, and the originals of before come back at the end. Of `bpfahead run`: tests/e2e/restore.t.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd bpftool xxd

# refused STATUS NAME COMMAND...: ends with it, and with one line that says why.
refused() {
	local wanted=$1 name=$2 output status
	shift 2
	output=$(timeout 20 "$@" 2>&1 </dev/null)
	status=$?
	is "$status:$(wc -l <<<"$output")" "$wanted:1" "$name: status $wanted, one line" || diag "$output"
}
device() { status_json | jq -r --arg n "$BDI" ".devices[] | select(.bdi == \$n) | $1"; }
evaluated() { [ "$(device .counters.windows)" -gt "$1" ]; }
pins() { find "$BPFAHEAD_PIN_DIR" -type f 2>/dev/null | wc -l; }

random_disk 192
random_load

# --- bpfaheadd, killed and started again ---
ok 'loaded' load_listed "$BDI"
ok 'the helper runs' start_helper
ok 'the value is ours' wait_for 20 settled 192
ours=$(read_kb)
pinned=$(pins)

refused 4 'a second bpfaheadd' "$BPFAHEADD"
refused 4 'bpfahead run beside bpfaheadd' "$BPFAHEAD" run --device "$NAME"
refused 4 'bpfahead load beside bpfaheadd' "$BPFAHEAD" load
refused 4 'bpfahead unload beside bpfaheadd' "$BPFAHEAD" unload
ok 'none of them disturbs the first' kill -0 "$RUN_PID"
is "$(read_kb):$(pins)" "$ours:$pinned" 'nor its value and its pins'

stop_run KILL
is "$(status_json | jq -r .helper_alive)" false 'killed: status says that there is no helper'
is "$(read_kb):$(pins)" "$ours:$pinned" 'killed: value and pins stay'
ok 'killed: the kernel programs go on' wait_for 10 evaluated "$(device .counters.windows)"
is "$(device .kb_original)" 192 'killed: the original is known'

ok 'the next helper runs' start_helper
ok 'it has put the original back first' wait_for 10 run_said "$ours -> 192, the original"
ok 'it decides again' wait_for 20 settled 192
is "$(device .kb_original)" 192 'the original is still that of before'
stop_run TERM
is "$RUN_STATUS:$(read_kb)" 0:192 'stopped: status 0, the original is back'
is "$(pins)" "$pinned" 'stopped: what was loaded stays'

# --- killed, and the value taken by somebody meanwhile ---
ok 'a helper once more' start_helper
ok 'the value is ours once more' wait_for 20 settled 192
stop_run KILL
set_kb 320
start_helper
ok 'after a change by hand: the next helper says so' wait_for 10 run_said "somebody else's, left alone"
new_original() { [ "$(device .kb_original)" = 320 ] && settled 320; }
ok 'it decides anew, with that as the original' wait_for 20 new_original
stop_run KILL

# --- bpfaheadd killed, run after it; run killed, bpfaheadd after it ---
start_run
ok 'run after a killed bpfaheadd: takes over' run_said 'took over'
ok 'run decides' wait_for 20 new_original
stop_run KILL
ok 'bpfaheadd after a killed run' start_helper
ok 'it decides' wait_for 20 new_original
stop_run TERM
is "$RUN_STATUS:$(read_kb)" 0:320 'bpfaheadd after a killed run: status 0, the original is back'
"$BPFAHEAD" unload
is "$?:$(pins)" 0:0 'unload: no pin is left'
stop_load

# --- the loader, killed at eight moments of its work ---
began=$(now_us)
"$BPFAHEAD" load || die 'load'
took=$(($(now_us) - began))
"$BPFAHEAD" unload || die 'unload'
nap_part() { nap "$((took * $1 / 9 / 1000000)).$(printf '%06d' $((took * $1 / 9 % 1000000)))"; }
incomplete=0 wrong=()
started_or_ended() { ! kill -0 "$pid" 2>/dev/null || helper_alive; }
for ((n = 1; n <= 8; n++)); do
	"$BPFAHEAD" load >/dev/null 2>&1 &
	pid=$!
	nap_part $n
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null
	left=$(pins)
	[ "$left" = 0 ] || [ "$left" = "$pinned" ] || incomplete=$((incomplete + 1))
	"$BPFAHEADD" >/dev/null 2>"$T/helper.err" </dev/null &
	pid=$!
	wait_for 20 started_or_ended || wrong+=("$n, $left pins: bpfaheadd neither works nor ends")
	kill -TERM $pid 2>/dev/null
	wait $pid
	status=$?
	# 143: the signal came before it had begun.
	[[ $status =~ ^(0|3|143)$ ]] || wrong+=("$n, $left pins: bpfaheadd ended with $status: $(cat "$T/helper.err")")
	"$BPFAHEAD" load >"$T/load.log" 2>&1
	status=$?
	if [ "$left" -gt 0 ]; then
		[ $status = 4 ] || wrong+=("$n, $left pins: load ended with $status")
		"$BPFAHEAD" unload >"$T/load.log" 2>&1 || wrong+=("$n, $left pins: unload: $(cat "$T/load.log")")
		"$BPFAHEAD" load >"$T/load.log" 2>&1
		status=$?
	fi
	[ $status = 0 ] || wrong+=("$n: the next load: $(cat "$T/load.log")")
	[ "$(pins)" = "$pinned" ] || wrong+=("$n: $(pins) pins, not $pinned")
	"$BPFAHEAD" unload || wrong+=("$n: unload")
done
is "${wrong[*]}" '' 'load killed at eight moments: unload clears up, and the next load works'
ok "some of them in the midst of it ($incomplete)" test $incomplete -gt 0
is "$(pins):$(read_kb)" 0:320 'no pin is left, and no value has changed'

# --- run, killed while it loads ---
wrong=()
for n in 2 5 7; do
	"$BPFAHEAD" run --device "$NAME" >/dev/null 2>&1 </dev/null &
	pid=$!
	nap_part $n
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null
	start_run
	stop_run TERM
	[ "$RUN_STATUS:$(pins)" = 0:0 ] || wrong+=("$n: status $RUN_STATUS, $(pins) pins: $(cat "$T/run.err")")
done
is "${wrong[*]}" '' 'run killed at three moments of its loading: the next one works and clears up'
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
