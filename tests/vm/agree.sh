#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# agree.sh - do kernels decide the same class from the same workload? Runs the patterns of
# tests/bench/live.sh, at rates that emulation can keep, on this host and in guests, compares their
# windows, and writes the table into docs/kernels.md (make docs-agree); exit 1 below 98 %.
#
# agree.sh run DIR          the windows of this kernel, to DIR/windows.csv
# agree.sh short DIR        one setting, recommending: fails below 98 % of the windows' own class
# agree.sh compare NAME=DIR NAME=DIR...   the table: the first is what the others are compared with;
# agree.sh write NAME=DIR NAME=DIR...     and that into the document
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
export LC_ALL=C.UTF-8
guests='6.12 6.1'
least=98 # percent
# Of those of live.sh, without some that lie between others.
patterns=seq4k,interleaved8,mmapseq4k,scan64k,scan256k,scan1m,rand16k,mmaprand64k,rand4k,mmaprand4k
patterns+=,stream+rand,smallfiles

die() {
	echo "agree.sh: $*" >&2
	exit 1
}

run() {
	modprobe -q zram
	tests/bench/live.sh --classic5 none --disks '300 128,300 32' --act --seconds 5 --settle 3 \
		--only "$patterns" \
		--windows "$1/windows.csv" >"$1/live.md"
}

# What windows were told as: "pattern,class,mode,setting,window,answer"; none: too small a margin.
answers() {
	awk -F, -v OFS=, '
		FNR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
		{
			answer = $column["sure"] ? $column["class"] : "none"
			print $column["pattern"], $column["own_class"], $column["mode"], $column["setting"], \
				$column["window"], answer
		}' "$@"
}

short() {
	local wanted=seq4k,interleaved8,scan64k,scan1m,rand16k,mmaprand64k,rand4k,mmaprand4k,stream+rand
	wanted+=,smallfiles
	modprobe -q zram
	tests/bench/live.sh --classic5 none --disks '300 128' --seconds 4 --settle 2 --only "$wanted" \
		--windows "$1/windows.csv" >"$1/live.md" || return
	answers "$1/windows.csv" | awk -F, -v least="$least" -v wanted="$wanted" '
		{ windows[$1]++; all++ }
		$6 == $2 { right++; next }
		{ wrong[$1] = wrong[$1] " " $6 }
		END {
			n = split(wanted, pattern, ",")
			for (i = 1; i <= n; i++) {
				printf "%s: %d windows%s\n", pattern[i], windows[pattern[i]], \
					pattern[i] in wrong ? ", but" wrong[pattern[i]] : ""
				missing += !windows[pattern[i]]
			}
			printf "%d of %d windows as what they are; %d %% wanted\n", right, all, least
			exit missing || 100 * right < least * all
		}'
}

compare() {
	local pair names=() files=() n
	T=$(mktemp -d) || exit
	trap 'rm -rf "$T"' EXIT
	for pair; do
		n=${#names[@]}
		names+=("${pair%%=*}")
		answers "${pair#*=}/windows.csv" >"$T/$n" || die "no windows in ${pair#*=}"
		files+=("$T/$n")
	done
	awk -F, -v least="$least" -v names="$(IFS=,; echo "${names[*]}")" -v verdicts="$T/verdicts" '
		function percent(part, all) { return all ? sprintf("%.1f", 100 * part / all) : "-" }
		function line(title, class, key,    i, text) {
			text = "| " title " | " class " |"
			for (i = 1; i <= n; i++)
				text = text " " percent(right[i, key], windows[i, key]) " |"
			for (i = 2; i <= n; i++)
				text = text " " percent(same[i, key], paired[i, key]) " of " \
					paired[i, key] + 0 " |"
			print text
		}
		BEGIN { n = split(names, name, ",") }
		FNR == 1 { file++ }
		{
			at = $1 SUBSEP $3 SUBSEP $4 SUBSEP $5
			key[1] = $1 ($3 == "act" ? ", acting" : "")
			key[2] = $3
			if (!(key[1] in own)) { rows++; row[rows] = key[1]; own[key[1]] = $2 }
			cell = $1 SUBSEP $3 SUBSEP $4
			cells[key[1] ($3 == "act" ? "" : " at " $4 " KB")]
			seen[file, key[1] ($3 == "act" ? "" : " at " $4 " KB")]
			if (file == 1)
				first[at] = last[cell] = $6
			else if (!(at in first) && cell in last)
				first[at] = last[cell] # the first kernel has fewer of them
			for (k = 1; k <= 2; k++) {
				windows[file, key[k]]++
				right[file, key[k]] += $6 == $2
				if (at in first) {
					paired[file, key[k]]++
					same[file, key[k]] += $6 == first[at]
				}
			}
			if (at in first && $6 != first[at])
				other[name[file] ": " key[1] ($3 == "act" ? "" : " at " $4 " KB") ": " $6 \
					" for " first[at]]++
		}
		END {
			text = "| pattern | class |"
			rule = "|---|---|"
			for (i = 1; i <= n; i++) {
				text = text " own class on " name[i] ", % |"
				rule = rule "---|"
			}
			for (i = 2; i <= n; i++) {
				text = text " " name[i] " as " name[1] ", % |"
				rule = rule "---|"
			}
			print text
			print rule
			for (r = 1; r <= rows; r++)
				line(row[r], own[row[r]], row[r])
			line("all, recommending", "", "recommend")
			line("all, acting", "", "act")
			print ""
			split("recommend act", modes, " ")
			title["recommend"] = "recommending"
			title["act"] = "acting"
			for (i = 2; i <= n; i++)
				for (k = 1; k <= 2; k++) {
					if (!paired[i, modes[k]])
						continue # said below
					share = 100 * same[i, modes[k]] / paired[i, modes[k]]
					met = share >= least
					printf "- %s decides as %s, %s, >= %d %% of the windows: %.1f %%, %s\n", \
						name[i], name[1], title[modes[k]], least, share, met ? "met" : "MISSED"
					missed += !met
				}
			for (text in other)
				printf "- %s, %d windows\n", text, other[text]
			for (i = 1; i <= n; i++) {
				text = ""
				for (c in cells)
					if (!((i, c) in seen))
						text = text (text == "" ? "" : "; ") c
				if (text != "") {
					print "- " name[i] ": no windows of " text
					missed++
				}
			}
			exit missed > 0
		}' "${files[@]}"
}

# The table, into the document.
write() {
	local first=${1#*=} status
	compare "$@" >"$first/table"
	status=$?
	{
		echo
		cat "$first/table"
		echo
		echo "$(date -u +%F), model of $(grep -o 'checksum .[0-9a-f]*.' "$first/live.md" | head -n 1)."
		echo
	} | tests/vm/section.sh docs/kernels.md agreement || exit
	cat "$first/table"
	return $status
}

generate() {
	local guest dir=${VM_CACHE:-build/vm}/out/agree name arguments
	mkdir -p "$dir/host" "$dir/again" && dir=$(cd "$dir" && pwd) || exit
	name=$(uname -r | cut -d . -f 1,2)
	arguments=("$name=$dir/host" "$name again=$dir/again")
	if ! run "$dir/host" || ! run "$dir/again"; then
		die 'no windows here'
	fi
	for guest in $guests; do
		tests/vm/vm.sh -q -k "$guest" -t 1800 -o "$dir/$guest" -- tests/vm/agree.sh run /out </dev/null ||
			die "no windows of $guest"
		arguments+=("$guest=$dir/$guest")
	done
	write "${arguments[@]}"
}

case ${1:-} in
'') generate ;;
run | short)
	[ $# = 2 ] || die "$1 DIR"
	"$@"
	;;
compare | write)
	[ $# -ge 3 ] || die "$1 NAME=DIR NAME=DIR..."
	"$@"
	;;
*)
	echo 'usage: agree.sh [run DIR | short DIR | compare|write NAME=DIR NAME=DIR...]' >&2
	exit 2
	;;
esac
