#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The model of block features decides with the block layer alone, on every kernel; one that does not let
# the readahead layer be watched is said so, and the built-in model decides nothing there.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd

model=$TOP/weights/block.bin
make_loop 640
make_fs "$LOOP" ext4
fill_file "$MNT/data" 512
need_throttle 24000000 1500

hook() {
	"$BPFAHEAD" probe --json | jq -r --arg n "readahead $1" '.capabilities[] | select(.name == $n) | .offered'
}
set_kb 128
if [ "$(hook tracepoints) $(hook fentry)" = 'false false' ]; then
	like "$("$BPFAHEAD" probe)" 'readahead fentry[^'$'\n'']*block layer only' 'probe says what is lacking'
	is "$("$BPFAHEAD" probe | grep 'Unknown error')" '' 'in words'
	start_run
	ok 'run says so' run_said '^bpfahead: block layer only: '
	ok 'and that the built-in model decides nothing' run_said '^bpfahead: nothing will be decided: '
	start_load mmap-random "$MNT/data"
	ok 'which is so' stays 128 5
	stop_load
	stop_run TERM
else
	skip 'without the readahead layer' 'this kernel has it'
fi

start_run --weights "$model"
# It takes pages for objects now and then, which is all it can, and the guard takes that back.
"$BPFAHEAD" config guard=off >/dev/null
for pattern in mmap-random sequential; do
	phase 8 $pattern "$MNT/data"
	class=$(decided_class)
	is "$(classic "$class")" "${pattern#mmap-}" "$pattern is told as ${pattern#mmap-}"
	is "$(read_kb)" "$(policy_kb "$class" 128)" "and has the row of '$class'"
done
stop_run TERM
is "$(read_kb)" 128 'the original is back'
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
