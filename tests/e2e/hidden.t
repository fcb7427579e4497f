#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Objects of 16 KB by mmap. A large readahead hides all that is touched beside the page at fault,
# so that they look like single pages until it is lowered; then they show. The value that they want
# hides them again, and the two classes must not take turns for it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd

make_loop 640
make_fs "$LOOP" ext4
fill_file "$MNT/data" 512
need_throttle 24000000 1500

for original in 128 2560; do
	set_kb "$original"
	start_run
	# Whether the value of objects pays on this disk is another question (guard.t).
	"$BPFAHEAD" config guard=off >/dev/null
	# The file stays open, and follows: first what can be seen, then what that shows.
	phase 14 mmap-objects "$MNT/data"
	want=$(policy_kb objects "$original")
	is "${CHANGES[0]#* }" "$(policy_kb pages "$original")" \
		"opened at $original KB: pages, as far as can be seen"
	is "${CHANGES[1]#* }" "$want" 'at the value of pages they are seen to be objects'
	is "$(decided_class) ${#CHANGES[@]}" 'objects 2' 'and stay it'
	for turn in 1 2; do
		phase 6 mmap-objects "$MNT/data"
		is "$(decided_class)" objects "opened at $want KB, time $turn: still objects"
		is "${CHANGES[*]}" '' 'no change'
	done
	stop_run TERM
	is "$(read_kb)" "$original" "the original $original KB is back"
	[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done

# Where both classes have one value, as a calibrated hard disk has, it may hide the objects: whatever
# they are taken for, nothing takes turns.
set_kb 128
start_run
start_reading mmap-objects "$MNT/data"
"$BPFAHEAD" config "policy.$NAME.pages=256" "policy.$NAME.objects=256"
stop_load
for turn in 1 2 3 4; do
	phase 6 mmap-objects "$MNT/data"
	diag "told as $(decided_class)"
	[ $turn = 1 ] || is "${CHANGES[*]}" '' "one value for both, time $turn: no change"
	# A page less, since half of it is the original: bpf/policy.bpf.h.
	is "$(read_kb)" 252 "one value for both, time $turn: in place"
done
stop_run TERM
is "$(read_kb)" 128 'the original is back'
done_testing
