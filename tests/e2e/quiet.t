#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Loads that must be told apart from random, and loads and pauses that must change nothing.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd

make_loop 640
make_fs "$LOOP" ext4
fill_file "$MNT/data" 512
need_throttle 24000000 1500
open_trace || true
set_kb 128
start_run

# O_DIRECT never reads ahead: whatever it looks like, nothing is to be gained.
for pattern in direct direct-sequential; do
	phase 8 $pattern "$MNT/data"
	is "${CHANGES[*]:-}" '' "$pattern changes nothing"
	is "$(decisions_after "$PHASE_LINE")" '' "$pattern: no decision"
done

# Eight sequential readers jump about on the disk, but each stream is sequential.
phase 8 interleaved "$MNT/data"
is "$(classic "$(decided_class)")" sequential 'eight interleaved sequential readers are sequential'
ok 'eight interleaved sequential readers: the row of sequential, in time' \
	reached "$(policy_kb "$(decided_class)" 128)"
is "$(decisions_after "$PHASE_LINE" | awk '{ print $2 }' | sort -u)" "$(decided_class)" \
	'eight interleaved sequential readers: no other class on the way'

# Idle is what is not read for so long, be it shorter than a hop: a disk that is read is not.
count() { status_json | jq --arg n "$BDI" ".devices[] | select(.bdi == \$n) | .counters.$1"; }
"$BPFAHEAD" config idle=150ms >/dev/null || die 'config idle'
start_reading direct "$MNT/data"
nap 1
idle=$(count idle)
nap 4
idle=$(($(count idle) - idle))
stop_load
ok "idle below a hop: $idle idle spells in the time of eight hops" [ $idle -lt 4 ]
"$BPFAHEAD" config idle=5s >/dev/null || die 'config idle'

# An idle spell: longer than what throws a window away.
lines=$(wc -l <"$T/run.log")
before=$(read_kb)
for ((n = 0; n < 80; n++)); do nap 0.1; done
is "$(read_kb)" "$before" 'idle: the value stays'
is "$(decisions_after "$lines")" '' 'idle: no decision'
kill -0 "$RUN_PID"
is $? 0 'run is still there'

stop_run TERM
is "$(read_kb)" 128 'the original is back'
[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
done_testing
