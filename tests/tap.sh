#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs one test file for prove and keeps its output for the count afterwards.
set -uo pipefail
file=$1
limit=600
[ "${FULL:-0}" = 0 ] || limit=3600
limit=$((limit * ${PATIENCE:-1})) # of tests/lib.sh
log=${TAP_DIR:-build/tap}/$(tr / - <<<"$file").tap
mkdir -p "${log%/*}"
export CMOCKA_MESSAGE_OUTPUT=TAP ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
case $file in
*.t) run=(bash "$file") ;;
*) run=("$file") ;;
esac
# cmocka reports a skipped test as "not ok N # SKIP name", which prove counts as failed; the reason
# is in a line "# skip: reason" before it.
# Sanitizer reports and cmocka's failures go to stderr: beside the results, as prove shows it.
# Line by line (Debian's awk would wait for a block): what a test said before it hung is there.
# shellcheck disable=SC2016 # for perl
timeout --kill-after=20 "$limit" "${run[@]}" 2>&1 |
	perl -ne 'BEGIN { $| = 1; $reason = "no reason given" }
		$reason = $1 if /^# skip: (.*)/;
		next if /^# skip: /;
		if (s/^not ok ([0-9]+) # SKIP (.*)/ok $1 - $2 # SKIP $reason/) { $reason = "no reason given" }
		print' | tee "$log"
status=${PIPESTATUS[0]}
[ "$status" != 124 ] || echo "# $file took longer than $limit s"
exit "$status"
