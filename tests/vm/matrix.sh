#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# matrix.sh [--ci] [--list|--cross] [PATTERN...] - run the rows of tests/vm/rows, or those whose names match
# a pattern (a shell glob), one guest after the other; TAP, and a table at the end. A row fails if
# its command does, or if its guest hangs, panics or complains. What each printed is left below
# $VM_CACHE/out/ROW. --list prints the names of the rows instead, --cross what they need to be built
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

rows=0 failed=0 table=() began=$SECONDS
trap 'exit 130' INT TERM
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
	rows=$((rows + 1)) start=$SECONDS
	dir=$VM_CACHE/out/$name
	read -ra words <<<"$options"
	run=(tests/vm/vm.sh -o "$dir" "${words[@]}" --)
	[ "${words[*]}" != host ] || run=()
	echo "# $name: ${words[*]}: $command"
	"${run[@]}" bash -c "$command" </dev/null > >(sed 's/^/    /') 2>&1
	status=$?
	case $status in
	0) result=ok ;;
	124) result=hung ;;
	125) result='kernel complained' ;;
	126) result='guest ended' ;;
	*) result="failed ($status)" ;;
	esac
	if [ $status = 0 ]; then
		echo "ok $rows - $name"
	else
		failed=$((failed + 1))
		echo "not ok $rows - $name # $result"
	fi
	table+=("$(printf '%-28s %-18s %5d s' "$name" "$result" $((SECONDS - start)))")
done < <(grep -v '^#' tests/vm/rows)
[ -z "$list" ] || exit 0
echo "1..$rows"
[ $rows -gt 0 ] || {
	echo 'matrix.sh: no row of that name (--list)' >&2
	exit 2
}
echo
printf '%s\n' "${table[@]}"
echo "$((rows - failed)) of $rows rows passed in $((SECONDS - began)) s; logs: $VM_CACHE/out"
[ $failed = 0 ]
