#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The check of the verifier's cost finds what it is there for, in planted tables; the checked-in one
# is whole, and so is what is made of it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$TOP" || exit 1
T=$(mktemp -d) || die mktemp
shopt -s lastpipe # results behind a pipe count

checked_in=tests/verifier-cost.csv
budget=$(awk '$2 == "INSNS_MAX" { print $3 }' tests/kernel/kernel_test.h)
head -1 $checked_in >"$T/head"
# row COMPILER KERNEL OBJECT PROGRAM VERDICT INSNS
row() {
	local rest=,,,,
	[ "$5" != success ] || rest=20,10,2,0,16+8
	echo "$1,$2,$3,$4,$5,$6,$rest,100,5000"
}
{
	cat "$T/head"
	row clang-14 6.1 readahead block success 1000
	row clang-14 6.1 ra_tp sync absent ''
	row clang-14 6.12 readahead block success 200000
	row clang-19 6.12 readahead block success 1500
} >"$T/table"
export VERIFIER_TABLE=$T/table VERIFIER_DOCS=$T/verifier.md

# checks WANTED-STATUS REGEX NAME: of the rows on standard input.
checks() {
	local said status
	cat "$T/head" - >"$T/rows"
	said=$(tests/verifier-cost.sh check "$T/rows" 2>&1)
	status=$?
	if [ $status = "$1" ]; then like "$said" "$2" "$3"; else
		is $status "$1" "$3" || diag "$said"
	fi
}
tp() { row clang-14 6.1 ra_tp sync absent ''; }

{ row clang-14 6.1 readahead block success 1000 && tp; } | checks 0 '^$' 'what is in the table passes'
{ row clang-14 6.1 readahead block success 1100 && tp; } | checks 0 '^$' '10 % more passes'
{ row clang-14 6.1 readahead block success 1101 && tp; } |
	checks 1 '^readahead/block on 6.1 by clang-14: 1101 .* 10.1 % more than 1000' \
		'more than that fails, with program, kernel and compiler'
{ row clang-14 6.1 readahead block success 899 && tp; } |
	checks 0 'readahead/block on 6.1 by clang-14: 899 .*was 1000.*make verifier-record' \
		'10 % less passes, with a hint'
row clang-14 6.12 readahead block success $((budget + 1)) |
	checks 1 "readahead/block on 6.12 by clang-14: $((budget + 1)) .*budget of $budget" 'over the budget fails'
row clang-14 6.12 readahead block success 200001 | checks 0 '^$' 'the budget is for each program'
row clang-14 6.1 readahead block success 1000 |
	checks 1 'ra_tp/sync on 6.1 by clang-14: in the table, but not measured.*make verifier-record' \
		'a row of the table that was not measured fails'
{ row clang-14 6.1 readahead block success 1000 && tp && row clang-14 6.1 classify new success 5; } |
	checks 1 'classify/new on 6.1 by clang-14: not in the table.*make verifier-record' 'a new program fails'
for verdict in failure refused absent; do
	{ row clang-14 6.1 readahead block $verdict '' && tp; } |
		checks 1 "readahead/block on 6.1 by clang-14: $verdict, was success" "$verdict after success fails"
done
{ row clang-14 6.1 readahead block success 1000 && row clang-14 6.1 ra_tp sync refused ''; } |
	checks 1 'ra_tp/sync on 6.1 by clang-14: refused, was absent' 'another reason not to load fails'
{ row clang-14 6.1 readahead block success 1000 && row clang-14 6.1 ra_tp sync success 1000; } |
	checks 0 'ra_tp/sync on 6.1 by clang-14: loads, was absent' 'what loads now passes, with a hint'
row clang-19 6.1 readahead block success 1000 |
	checks 3 'no rows of 6.1 by clang-19.*make verifier-record' 'a compiler unknown on this kernel: nothing to compare'
row clang-14 6.6 readahead block success $((budget + 1)) |
	checks 1 'over the budget' 'the budget holds for kernels that are not in the table'
row clang-14 6.6 readahead block failure '' |
	checks 1 'readahead/block on 6.6 by clang-14: the verifier' 'and so does that programs are accepted'
checks 1 'no rows' 'no rows at all fail' </dev/null
sed -i 1s/insns/instructions/ "$T/head"
row clang-14 6.12 readahead block success 200000 | checks 1 'columns' 'other columns fail'
head -1 $checked_in >"$T/head"

# --- record ----------------------------------------------------------------------------------

printf '%s\n' text '<!-- begin: tests/verifier-cost.sh docs -->' old '<!-- end -->' after >"$T/verifier.md"
{
	cat "$T/head"
	row clang-14 6.1 readahead block success 1300
} >"$T/rows"
ok 'records' tests/verifier-cost.sh record "$T/rows"
is "$(cut -d, -f1-6 "$T/table")" "$(cut -d, -f1-6 "$T/head")
clang-14,6.1,readahead,block,success,1300
clang-14,6.12,readahead,block,success,200000
clang-19,6.12,readahead,block,success,1500" 'rows of the same kernel and compiler gave way, others stay'
like "$(<"$T/verifier.md")" '^text.*readahead/block.*1,300 \| 200,000 .*after$' 'the document has the table in its place'
ok 'and nothing of the old one' test "$(grep -c '^old' "$T/verifier.md")" = 0

# --- what is checked in ----------------------------------------------------------------------

export VERIFIER_TABLE=$TOP/$checked_in VERIFIER_DOCS=$TOP/docs/verifier.md
ok 'docs/verifier.md shows the table' cmp <(sed -n '/^<!-- begin/,/^<!-- end/{/^<!--/!p}' docs/verifier.md) \
	<(tests/verifier-cost.sh docs)
ok 'the table passes its own check' tests/verifier-cost.sh check $checked_in
compilers=$(sed -n 's/^COMPILERS ?= //p' Makefile)
kernels=$(awk -F '|' '!/^#/ && $3 ~ / -k / && $3 !~ / -a arm64/ && $4 ~ /run.sh kernel/ {
	sub(/.* -k /, "", $3); sub(/ .*/, "", $3); print $3 }' tests/vm/rows | sort -u)
ok "rows of the matrix run the check ($(xargs <<<"$kernels"))" test -n "$kernels"
for kernel in $kernels; do
	for compiler in $compilers; do
		ok "the table knows $kernel and clang-$compiler" grep -q "^clang-$compiler,$kernel," $checked_in
	done
done
for object in bpf/*.bpf.c; do
	name=$(basename "$object" .bpf.c)
	ok "the table knows $name" grep -q ",$name," $checked_in
done
done_testing
