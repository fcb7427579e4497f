#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The matrix of guests: a guest that ended by an int3, which is the emulation's, gets one more try; no other does.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$TOP" || exit 1
T=$(mktemp -d) || die mktemp

# row NAME CONSOLE COMMAND: what matrix.sh prints of that row, its status in STATUS.
row() {
	mkdir -p "$T/out/$1"
	echo "$2" >"$T/out/$1/console.log"
	echo "$1 | ci | host | $3" >"$T/rows"
	OUT=$(VM_CACHE=$T VM_ROWS=$T/rows tests/vm/matrix.sh "$1" 2>&1)
	STATUS=$?
}
int3='[  148.9] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI'
row once "$int3" "[ -e $T/tried ] || { touch $T/tried; exit 126; }"
is $STATUS 0 'an int3, and then none: the row passes'
is "$(grep -c '^ok 1 - once' <<<"$OUT")" 1 'as one row'
like "$OUT" 'once more' 'it says so'
row twice "$int3" 'exit 126'
is $STATUS 1 'an int3 each time: it fails'
like "$OUT" 'not ok 1 - twice # guest ended' 'as what it is'
row other 'Oops: 0000 [#1]' "echo tried >>$T/others; exit 126"
is $STATUS 1 'another oops fails'
is "$(wc -l <"$T/others")" 1 'at once'
row test "$int3" "echo tried >>$T/tests; exit 1"
is $STATUS 1 'a test that fails does, whatever the console of the last time says'
is "$(wc -l <"$T/tests")" 1 'at once'
done_testing
