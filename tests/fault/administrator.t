#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A value that a person sets is theirs, 128 included; a value that the kernel resets is set again.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd

random_disk 192
start_run
random_load
ok 'under mmap random load the value is ours' wait_for 15 settled 192
ours=$(read_kb)

# 128 is also what the kernel resets to: without a change of a queue limit it is a person's.
for by_hand in 96 128; do
	set_kb $by_hand
	ok "$by_hand by hand stays" stays $by_hand 7
	is "$(status_json | jq -r --arg n "$BDI" '.devices[] | select(.bdi == $n) | .applied')" \
		stood-back "$by_hand by hand: status says so"
	ok "$by_hand by hand: run says so" run_said "somebody set $by_hand KB"
	ok "$by_hand by hand: resume" "$BPFAHEAD" config "resume=$NAME"
	ok "$by_hand by hand: after resume the value is ours again" wait_for 10 kb_is "$ours"
done

# Committing a queue limit makes the kernel compute ra_pages anew (block/blk-settings.c).
stop_load
random_load
limit=/sys/block/$NAME/queue/max_sectors_kb
before=$(<"$limit")
echo $((before / 2)) >"$limit" || die "cannot write $limit"
if kb_is "$ours"; then
	skip 'a commit of queue limits' 'this kernel leaves readahead alone at such a commit'
else
	diag "the commit of max_sectors_kb $before -> $((before / 2)) made it $(read_kb) KB"
	ok 'a value that the kernel reset is set again' wait_for 10 kb_is "$ours"
	ok 'run says that the kernel had reset it' run_said 'kernel had reset'
	ok 'and it stays' stays "$ours" 5
fi

# A change by hand during a stop of the load is seen when the load goes on.
stop_load
set_kb 320
random_load
ok '320 by hand while nothing is read stays' stays 320 6

# What a person set is not taken back at the end: it is theirs now.
stop_run TERM
is "$RUN_STATUS" 0 'run ends with status 0'
is "$(read_kb)" 320 "at the end the person's value is in place"
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
