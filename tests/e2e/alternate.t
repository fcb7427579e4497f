#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Sequential to mmap random and back: no decision on the way names a third class.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd

turns=4 size=512
[ "$FULL" = 0 ] || turns=20

make_loop $((size + 128))
make_fs "$LOOP" ext4
fill_file "$MNT/data" $size
need_throttle 24000000 1500
open_trace || true
set_kb 128
start_run

# Both loads are there before and after the change, as one follows the other without a pause.
for ((turn = 1; turn <= turns; turn++)); do
	for pattern in sequential mmap-random; do
		phase 6 $pattern "$MNT/data"
		case $pattern in mmap-random) classic=random ;; *) classic=$pattern ;; esac
		class=$(decided_class)
		is "$(classic "$class")" "$classic" "turn $turn: $pattern is told as $classic"
		ok "turn $turn: $pattern reaches the row of '$class' in time" \
			reached "$(policy_kb "$class" 128)"
	done
done
third=$(decisions_after 0 | while read -r _ new; do
	case $(classic "$new") in sequential | random) ;; *) echo "$new" ;; esac
done)
is "$third" '' 'no decision names a class outside the two'
count=$(decisions_after 0 | wc -l)
ok "as many decisions as changes of pattern ($count for $((2 * turns)))" \
	test "$count" -le $((2 * turns))
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
