#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the verifier spends on each program stays within the budget, and within 10 % of the table.
# OBJECTS: the directories of the objects (build).
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$TOP" || exit 1

read -ra directories <<<"${OBJECTS:-build}"
[ -x build/veristat ] || skip_all 'no build/veristat: make veristat'
need
build/veristat --version >/dev/null 2>&1 || skip_all 'build/veristat is of another architecture'

for directory in "${directories[@]}"; do
	compiler=$(cat "$directory/compiler") || die "$directory: make"
	name="$compiler on $(uname -r): within the budget, and 10 % of the table"
	tests/verifier-cost.sh measure "$directory" >"$T/rows" || die 'cannot measure'
	said=$(tests/verifier-cost.sh check "$T/rows")
	status=$?
	if [ $status = 3 ]; then
		skip "$name" "$said"
	else
		result $status "$name"
		[ -z "$said" ] || diag "$said"
	fi
done
done_testing
