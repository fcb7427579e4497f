#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Open files when something goes wrong: a helper that is killed, a host that denies, processes that
# exit in the middle, a hundred thousand files.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/holders.sh
. "$(dirname "$0")/../holders.sh"
need fio jq dd setpriv bpftool

make_loop 1152
make_fs "$LOOP" ext4
fill_file "$MNT/data" 1024
need_throttle 24000000 1500
need_holders
set_kb 128
{ load_listed "$BDI" && as_told; } || die 'bpfahead load'

random_again() {
	forget "$MNT/data"
	start_load mmap-random "$MNT/data"
}
follower() { pgrep -P "$RUN_PID" -x bpfahead-files; }
helper_said() { grep -qE "$1" "$T/run.err"; }
count() { status_json | jq -r --arg n "$BDI" ".devices[] | select(.bdi == \$n) | .open_files.$1"; }

# --- the helper is killed ---
start_hold before
ok 'the helper starts' start_helper
random_again
ok 'the value is ours' wait_for 15 settled 128
ID=$(bdi_id)
ours=$(read_kb)
ok "an open file has it ($ours KB)" files_have "$ours" before
child=$(follower)
ok 'a process of its own does that' test -n "$child"
stop_run KILL
ok 'it ends when the helper is killed' wait_for 5 test ! -e "/proc/$child"
is "$(read_kb)" "$ours" 'the value stays as it was'
start_hold meanwhile
is "$(kb_of_file meanwhile)" "$ours" 'a file opened meanwhile has it, too'
ok 'restore' quietly "$BPFAHEAD" restore
is "$(read_kb)" 128 'the original is back'
ok 'and open files have it' files_have 128 before meanwhile

# Readers that were killed in the midst of a walk leave their queries: here as many as there is room for.
mapfile -t zeros < <(printf '00\n%.0s' {1..184})
for ((i = 0; i < 8; i++)); do
	bpftool map update pinned "$BPFAHEAD_PIN_DIR/open_queries" key hex "0$i" ff ff 7f \
		value hex "${zeros[@]}"
done
ok 'once more: the helper starts' start_helper
ok 'the value is ours' wait_for 15 settled 128
ours=$(read_kb)
ok 'open files have it' files_have "$ours" before meanwhile
ok 'another value' set_row 252
ok 'open files have it' files_have 252 before meanwhile
start_hold excluded --comm excluded
"$BPFAHEAD" config exclude-comm=excluded
ok 'another value' set_row 124
is "$(kb_of_file excluded)" 252 'a process is left behind, by exclude-comm'
stop_run KILL
"$BPFAHEAD" config include-comm=excluded
start_hold meanwhile-again
ok 'the helper starts after SIGKILL' start_helper
ok 'what it was killed with is known: all have a value of now' \
	files_have 124 before meanwhile meanwhile-again excluded

# --- the process for open files is killed ---
kill -KILL "$(follower)"
ok 'without its process' set_row 60
ok 'the helper says so' wait_for 3 helper_said 'open files follow no more'
ok 'another value' set_row 124
is "$(grep -c 'open files follow no more' "$T/run.err")" 1 'once'
is "$(kb_of_file before)" 124 'open files keep what they had'
stop_run TERM
is "$RUN_STATUS" 0 'and it ends well'
is "$(read_kb)" 128 'the original is back'
ok 'the next one starts' start_helper
ok 'a value of ours' wait_for 15 kb_is 124
ok 'open files have it' files_have 124 before meanwhile excluded
stop_run TERM
is "$(read_kb)" 128 'the original is back'
ok 'and open files have it' files_have 128 before meanwhile meanwhile-again excluded

# --- the host denies ---
start_hold stranger --uid 65534
start_hold stranger-too --uid 65534
setpriv --bounding-set=-sys_ptrace "$BPFAHEADD" >"$T/run.log" 2>"$T/run.err" </dev/null &
RUN_PID=$!
pids+=("$RUN_PID")
ok 'a helper without CAP_SYS_PTRACE starts' wait_for 10 helper_alive
before=$(count denied)
ok 'a value of ours' wait_for 15 kb_is 124
ok 'it says whose files keep what they have' wait_for 5 \
	helper_said 'open files of process [0-9]+ \(.+\) keep their readahead: Operation not permitted'
ok 'another value' set_row 60
nap 1
is "$(kb_of_file stranger)" 128 "another user's open file keeps what it had"
is "$(grep -c 'keep their readahead' "$T/run.err")" 1 'said once'
ok 'and counted' test "$(count denied)" -ge $((before + 4))
stop_run TERM
is "$RUN_STATUS" 0 'it ends well'

# --- processes that exit in the middle ---
start_hold churn --churn
start_hold churn-too --churn
ok 'the helper starts' start_helper
ok 'a value of ours' wait_for 15 kb_is 60
for kb in 252 124 1020 60; do ok "while processes come and go: $kb KB" set_row $kb; done
ok 'open files have the last' files_have 60 before meanwhile excluded stranger stranger-too
ok 'the helper is alive' helper_alive
ok 'so is its process' test -n "$(follower)"
kill "${HOLD[churn]}" "${HOLD[churn-too]}"

# --- a hundred thousand open files ---
# Ten processes of 10,000 each: more than that a process may have on few hosts.
if [ "$(ulimit -Hn)" -lt 10100 ] || [ "$(</proc/sys/fs/file-max)" -lt 120000 ]; then
	skip 'a hundred thousand open files' 'this host does not allow as many'
else
	many=(many-0 many-1 many-2 many-3 many-4 many-5 many-6 many-7 many-8 many-9)
	for name in "${many[@]}"; do start_hold "$name" --count 10000; done
	# stale: how many of them do not have it, by the kernel's own view, each struct file once.
	stale() {
		"$BPFAHEAD" status --open-files --json |
			jq -r --arg n "$BDI" '.devices[] | select(.bdi == $n) | .open_files_now.stale'
	}
	none_stale() { [ "$(stale)" = 0 ]; }
	before=$(count rearmed)
	child=$(follower)
	ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$child/stat"; }
	ticks=$(ticks)
	ok 'a change' set_row 252
	began=$(now_us)
	ok '100,000 open files have it' wait_for 20 none_stale
	took=$((($(now_us) - began) / 1000))
	spent=$((($(ticks) - ticks) * 10))
	ok "for no more than 20 us of processor time each ($spent ms)" test $spent -le $((2000 * PATIENCE))
	ok 'all of them' files_have 252 "${many[@]}"
	ok 'they were counted' test "$(($(count rearmed) - before))" -ge 100000
	diag "$took ms until a look found none stale"
	# A change while it is at it: the helper does not wait, and the end is right all the same.
	ok 'a change' set_row 124
	ok 'another one behind it' set_row 1020
	ok 'and open files end there' wait_for 20 none_stale
	ok 'all of them' files_have 1020 "${many[@]}"
	began=$(now_us)
	stop_run TERM
	took=$((($(now_us) - began) / 1000))
	is "$(read_kb)" 128 'the original is back'
	ok 'and 100,000 open files have it' wait_for 5 none_stale
	ok 'all of them' files_have 128 "${many[@]}"
	diag "$took ms to the end of the helper"
	for name in "${many[@]}"; do kill "${HOLD[$name]}"; done
	ok 'the helper starts' start_helper
fi

# --- off from the start, then on ---
stop_run TERM
"$BPFAHEAD" config open-files=off
ok 'switched off, the helper starts' start_helper
is "$(follower)" '' 'without a process for open files'
stop_load # what it has read is cached by now
random_again
changed() { ! kb_is 128; }
ok 'a value of ours' wait_for 15 changed
ok 'another one' set_row 252
"$BPFAHEAD" config open-files=on 2>"$T/said"
is "$?:$(<"$T/said")" "0:bpfahead: open files do not follow yet: the helper at work (process $RUN_PID) \
has to be started anew for that" 'switched on: config says what that takes'
"$BPFAHEAD" config open-files=off guard=off 2>"$T/said"
is "$?:$(<"$T/said")" 0: 'and nothing where that is not set'
"$BPFAHEAD" config open-files=on 2>/dev/null
ok 'switched on, another value' set_row 60
ok 'it says that this takes another start' wait_for 3 helper_said 'takes another start'
start_hold late
stop_run TERM
is "$RUN_STATUS" 0 'it ends well'
"$BPFAHEAD" config open-files=on 2>"$T/said"
is "$?:$(<"$T/said")" 0: 'nor is anything said of it without a helper'
ok 'the next one starts' start_helper
wait_for 3 helper_said 'bpfaheadd .* on '
"$BPFAHEAD" config open-files=on 2>"$T/said"
is "$?:$(<"$T/said")" 0: 'nor with one that has the process'
ok 'another value' set_row 124
ok 'open files have it: values of that time are known all the same' files_have 124 late before

# --- nothing to do ---
stop_load
child=$(follower)
wakings() { awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$child/status"; }
nap 2
first=$(wakings)
nap 5
is "$(wakings)" "$first" 'on an idle host nothing wakes it'
diag "$(grep -E 'VmRSS|RssAnon' "/proc/$child/status" | tr -s '\t \n' ' ')"
is "$(awk '/^CapPrm|^CapEff/ { print $2 }' "/proc/$child/status" | sort -u)" 0000000000080000 \
	'it has CAP_SYS_PTRACE and no other capability'
is "$(awk '/^Seccomp:/ { print $2 }' "/proc/$child/status")" 2 'and a seccomp filter'
is "$(find "/proc/$child/fd" -lname "$BPFAHEAD_PIN_DIR" | wc -l)" 0 'and not the lock'
stop_run TERM
is "$RUN_STATUS" 0 'the helper ends with status 0'
ok 'unload' quietly "$BPFAHEAD" unload
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
