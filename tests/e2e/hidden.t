#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Objects of 16 KB by mmap. A large readahead hides all that is touched beside the page at fault,
# so that they look like single pages until it is lowered; then they show, and the value that they
# want must not hide them again, or the two classes would take turns for ever.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd

seconds=12
[ "$FULL" = 0 ] || seconds=60

make_loop 640
make_fs "$LOOP" ext4
fill_file "$MNT/data" 512
need_throttle 24000000 1500

for original in 128 2560; do
	set_kb "$original"
	start_run
	phase $seconds mmap-objects "$MNT/data"
	is "$(decided_class)" objects "from $original KB: told as objects in the end"
	is "$(read_kb)" "$(policy_kb objects "$original")" "from $original KB: the row of objects"
	diag "changes (us after the start, KB): ${CHANGES[*]}"
	ok "from $original KB: two changes at most, ${#CHANGES[@]}" [ ${#CHANGES[@]} -le 2 ]
	last=${CHANGES[-1]:-0}
	ok "from $original KB: the last one within 8 s" [ "${last% *}" -lt 8000000 ]
	stop_run TERM
	is "$(read_kb)" "$original" "the original $original KB is back"
	[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done
done_testing
