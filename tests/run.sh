#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh SUITE|FILE|DIR... - run test suites (unit asan kernel fault e2e deploy), test files by their
# paths, or the kernel suite's programs in another build/DIR/tests, under prove, whose closing line
# counts them all. A suite that has no test, or in which every test was skipped, fails.
set -euo pipefail
cd "$(dirname "$0")/.."

shopt -s nullglob
files_of() {
	case $1 in
	unit) echo tests/disasm.t tests/unit/*.t tests/gen/*.t build/tests/unit/test_* ;;
	asan) echo build/asan/test_* ;;
	kernel) echo tests/kernel/*.t build/tests/test_* ;;
	build/*/tests) echo "$1"/test_* ;;
	*/*) echo "$1" ;;
	fault | e2e | deploy) echo "tests/$1"/*.t ;;
	*) return 2 ;;
	esac
}

tap=${TAP_DIR:-build/tap}
mkdir -p "$tap"
rm -f "$tap"/*.tap

files=() suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(unit asan kernel fault e2e deploy)
for suite in "${suites[@]}"; do
	names=$(files_of "$suite") || {
		echo "run.sh: unknown suite '$suite'" >&2
		exit 2
	}
	found=0
	for file in $names; do
		case $file in *.d | *.o) continue ;; esac
		[ -x "$file" ] || [[ $file == *.t ]] || continue
		files+=("$file")
		echo "$suite" >"$tap/$(tr / - <<<"$file").suite"
		found=1
	done
	[ $found = 1 ] || {
		echo "run.sh: suite '$suite' has no tests" >&2
		exit 1
	}
done

export TAP_DIR=$tap
began=$(cut -d' ' -f1 /proc/uptime)
status=0
# Those of e2e and fault sleep two thirds of the time, each on devices and pins of its own, and those of unit and
# asan only compute: JOBS at once. prove's closing lines are held back, to stay the last ones.
prove --timer --jobs "${JOBS:-4}" --rules 'par=tests/e2e/*' --rules 'par=tests/fault/*' \
	--rules 'par=build/asan/*' --rules 'par=build/tests/unit/*' --rules 'seq=**' \
	--exec tests/tap.sh "${files[@]}" </dev/null 2>&1 |
	perl -e 'open(my $closing, ">", shift) or die "$!\n";
		$| = 1;
		while (<>) { /^(All tests successful|Files=|Result:)/ ? print $closing $_ : print }' \
		"$tap/closing" || status=$?

for suite in "${suites[@]}"; do
	ran=0
	while read -r mark; do
		log=${mark%.suite}.tap
		[ -f "$log" ] || continue
		ran=$((ran + $(grep -cE '^(not )?ok' "$log" || true) - \
			$(grep -ciE '^(not )?ok.*# skip' "$log" || true)))
	done < <(grep -lx "$suite" "$tap"/*.suite)
	if [ $ran = 0 ]; then
		echo "run.sh: suite '$suite' ran nothing"
		status=1
	fi
done
# A test may pass and leave a splat behind.
splats=$(dmesg 2>/dev/null | awk -F '[][]' -v began="$began" '$2 + 0 >= began' | tests/splats.sh) || {
	echo 'run.sh: the kernel complained meanwhile:'
	head -5 <<<"$splats"
	status=1
}
# What was left out, and why, where everybody sees it.
if grep -qiE '^1\.\.0 # skip|^(not )?ok.*# skip' "$tap"/*.tap; then
	echo 'Skipped, with reasons:'
	grep -iE '^1\.\.0 # skip|^(not )?ok.*# skip' "$tap"/*.tap |
		sed -E "s,^$tap/(.*)\.tap:(1\.\.0|(not )?ok [0-9]+ -? ?),  \1: ,"
fi
[ $status = 0 ] || sed -i '/^All tests successful/d; s/^Result: PASS/Result: FAIL/' "$tap/closing"
cat "$tap/closing"
rm -f "$tap"/*.suite
exit $status
