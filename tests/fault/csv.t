#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Training data that cannot be used is refused with the reason, and no model is written.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need dd
command -v "$BPFAHEAD_GEN" >/dev/null || die 'bpfahead-gen is missing'

refuses() {
	local name=$1 regex=$2 got
	shift 2
	rm -f "$T/model.bin"
	timeout 60 "$BPFAHEAD_GEN" "$@" >"$T/out" 2>"$T/err" </dev/null
	got=$?
	ok "$name: non-zero exit ($got)" test $got -ne 0 -a $got -lt 124
	is "$(wc -l <"$T/err")" 1 "$name: one line"
	like "$(<"$T/err")" "$regex" "$name: says why"
	ok "$name: no model" test ! -e "$T/model.bin"
}

data=$TOP/weights/data/default.csv.gz
[ -r "$data" ] || die "no $data"
# Every class comes up, in little time.
zcat "$data" | awk 'NR == 1 || NR % 10 == 0' >"$T/good.csv"
column=$(head -1 "$T/good.csv" | tr , '\n' | grep -nx async_share | cut -d: -f1)
[ -n "$column" ] || die "no async_share in $data"

awk -F, -v OFS=, -v c="$column" '{ for (i = c; i < NF; i++) $i = $(i + 1); NF--; print }' \
	"$T/good.csv" >"$T/missing.csv"
awk -F, -v OFS=, -v c="$column" 'NR == 5 { $c = "nan" } { print }' "$T/good.csv" >"$T/nan.csv"
awk -F, -v OFS=, -v c="$column" 'NR == 5 { $c = "" } { print }' "$T/good.csv" >"$T/empty.csv"
awk -F, -v OFS=, -v c="$column" 'NR == 5 { $c = "12x" } { print }' "$T/good.csv" >"$T/text.csv"
awk -F, -v OFS=, 'NR == 5 { NF -= 3 } { print }' "$T/good.csv" >"$T/short.csv"
head -1 "$T/good.csv" >"$T/header.csv"
: >"$T/nothing.csv"

for bad in missing nan empty text short header nothing; do
	case $bad in
	missing) regex=async_share ;;
	nan | empty | text | short) regex="$bad.csv.*5|line 5" ;;
	*) regex="$bad.csv" ;;
	esac
	refuses "$bad" "$regex" train "$T/$bad.csv" -o "$T/model.bin"
done
refuses 'no such file' 'nosuch.csv' train "$T/nosuch.csv" -o "$T/model.bin"
refuses 'a place that cannot be written' 'nosuchdir' train "$T/good.csv" -o "$T/nosuchdir/model.bin"
done_testing
