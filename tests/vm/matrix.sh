#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# [GUESTS=N] matrix.sh [--ci] [--list|--cross] [PATTERN...] - run the rows of tests/vm/rows, or those whose
# names match a pattern (a shell glob), one guest after the other, or GUESTS at a time; TAP, and a table at
# the end. A row fails if its command does, or if its guest hangs, panics or complains. What each
# printed is left below $VM_CACHE/out/ROW. --list prints the names of the rows instead, --cross what they need to be built
# for (make CROSS=ARCH), an architecture a row.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
export VM_CACHE=${VM_CACHE:-$PWD/build/vm}
ci='' list='' patterns=()
for argument; do
	case $argument in
	--ci) ci=1 ;;
	--list | --cross) list=${argument#--} ;;
	-*)
		echo 'usage: matrix.sh [--ci] [--list|--cross] [PATTERN...]' >&2
		exit 2
		;;
	*) patterns+=("$argument") ;;
	esac
done

wanted() {
	local pattern
	[ ${#patterns[@]} -gt 0 ] || return 0
	for pattern in "${patterns[@]}"; do
		# shellcheck disable=SC2053 # a glob
		[[ $1 == $pattern ]] && return 0
	done
	return 1
}
trim() { sed 's/^ *//; s/ *$//' <<<"$1"; }

# run_row NUMBER NAME OPTIONS COMMAND
run_row() {
	local number=$1 name=$2 command=$4 start=$SECONDS status result words run
	read -ra words <<<"$3"
	run=(tests/vm/vm.sh -o "$VM_CACHE/out/$name" "${words[@]}" --)
	[ "${words[*]}" != host ] || run=(env TAP_DIR="$VM_CACHE/out/$name.tap")
	echo "# $name: ${words[*]}: $command"
	"${run[@]}" bash -c "$command" </dev/null 2>&1 | sed 's/^/    /'
	status=${PIPESTATUS[0]}
	case $status in
	0) result=ok ;;
	124) result=hung ;;
	125) result='kernel complained' ;;
	126) result='guest ended' ;;
	*) result="failed ($status)" ;;
	esac
	if [ "$status" = 0 ]; then
		echo "ok $number - $name"
		echo "$name" >>"$tmp/passed" # a row that leaves no word has failed
	else
		echo "not ok $number - $name # $result"
	fi
	printf '%-28s %-18s %5d s\n' "$name" "$result" $((SECONDS - start)) >>"$tmp/table"
}

# Each row in the background is a process group.
stop() {
	local pid
	trap '' INT TERM HUP
	for pid in $(jobs -p); do kill -TERM -- "-$pid" 2>/dev/null; done
	wait
	exit 130
}

rows=0 running=0 began=$SECONDS
guests=${GUESTS:-1}
[[ $guests =~ ^[1-9][0-9]?$ ]] || {
	echo 'matrix.sh: GUESTS is how many run at a time, from 1' >&2
	exit 2
}
tmp=$(mktemp -d) && : >"$tmp/table" && : >"$tmp/passed" || exit
trap 'rm -rf "$tmp"' EXIT
trap stop INT TERM HUP
[ "$guests" = 1 ] || set -m
while IFS='|' read -r name when options command; do
	[[ $name && $name != \#* ]] || continue
	name=$(trim "$name") when=$(trim "$when") command=$(trim "$command")
	[ "$when" = ci ] || [ -z "$ci" ] || continue
	wanted "$name" || continue
	case $list in
	list) echo "$name" ;;
	cross) [[ ! $options =~ -a\ *(arm64) ]] || echo "${BASH_REMATCH[1]}" ;;
	esac
	[ -z "$list" ] || continue
	rows=$((rows + 1))
	if [ "$guests" = 1 ]; then
		run_row $rows "$name" "$options" "$command"
		continue
	fi
	[ $running -lt "$guests" ] || {
		wait -n
		running=$((running - 1))
	}
	{
		run_row $rows "$name" "$options" "$command" >"$tmp/$rows" </dev/null
		cat "$tmp/$rows" # whole, so that rows do not mix
	} &
	running=$((running + 1))
done <<<"$(grep -v '^#' "${ROWS_FILE:-tests/vm/rows}")"
[ -z "$list" ] || exit 0
wait
echo "1..$rows"
[ $rows -gt 0 ] || {
	echo 'matrix.sh: no row of that name (--list)' >&2
	exit 2
}
echo
cat "$tmp/table"
passed=$(wc -l <"$tmp/passed")
echo "$passed of $rows rows passed in $((SECONDS - began)) s; logs: $VM_CACHE/out"
[ "$passed" = $rows ]
