#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# matrix.sh with rows at a time: none is lost, none mixes with another, none outlives it. No guests.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
T=$(mktemp -d "${TMPDIR:-/var/tmp}/bpfahead-test.XXXXXX") || die 'mktemp'
export VM_CACHE=$T ROWS_FILE=$T/rows
matrix() { "$TOP/tests/vm/matrix.sh" "$@" >"$T/out" 2>&1 </dev/null; }

cat >"$ROWS_FILE" <<-ROWS
	# name | when | options | command
	slow | ci | host | echo slow begins; until [ -e $T/late ]; do sleep 0.1; done; echo slow ends
	bad | ci | host | echo bad; touch $T/late; exit 3
	last | ci | host | echo "\$TAP_DIR"
	other | full | host | touch $T/other
ROWS
for guests in 2 9; do
	rm -f "$T/late"
	GUESTS=$guests matrix --ci
	is $? 1 "$guests at a time: one that fails fails them all"
	ok 'and is named' grep -qx 'not ok 2 - bad # failed (3)' "$T/out"
	ok 'the others ran' test "$(grep -cE '^ok (1 - slow|3 - last)$' "$T/out")" = 2
	ok 'a row is printed whole' test "$(grep -n -A1 -x '    slow begins' "$T/out" | tail -n 1 | cut -d- -f2)" = '    slow ends'
	ok 'each has results of its own' grep -qx "    $T/out/last.tap" "$T/out"
	ok 'and the sum is right' grep -q '^2 of 3 rows passed' "$T/out"
	ok 'what is not of the subset does not run' test ! -e "$T/other"
done
GUESTS=2 matrix slow last
is $? 0 'those that are named, and pass'
ok 'both' grep -q '^2 of 2 rows passed' "$T/out"
GUESTS=2 matrix nothing
is $? 2 'none of that name'
GUESTS=none matrix
is $? 2 'GUESTS is a number'
ok 'which is said' grep -q 'GUESTS is how many' "$T/out"

# --- ended in the middle: nothing goes on ---
echo "long | ci | host | echo \$\$ >$T/pid; sleep 1000; :" >"$ROWS_FILE"
GUESTS=2 "$TOP/tests/vm/matrix.sh" >"$T/out" 2>&1 </dev/null &
matrix_pid=$!
pids+=("$matrix_pid")
ok 'a long row' wait_for 10 test -s "$T/pid"
kill -TERM "$matrix_pid"
wait "$matrix_pid"
is $? 130 'ended by a signal: that is its status'
gone() { ! kill -0 "$(<"$T/pid")" 2>/dev/null; }
ok 'and the row is gone' wait_for 5 gone
done_testing
