#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kernels.sh - what `bpfahead probe` says on this kernel and in the guests of the table below,
# written into docs/kernels.md (make docs-kernels).
#
# kernels.sh check COLUMN - compare this kernel with what a column of docs/kernels.md records.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
export LC_ALL=C.UTF-8
document=${KERNELS_MD:-docs/kernels.md}

# Columns, and options of vm.sh; none: the host.
columns() {
	cat <<-'TABLE'
	host|
	6.12|-k 6.12
	6.1|-k 6.1
	6.12 locked down|-k 6.12 -A lockdown=confidentiality
	6.1 locked down|-k 6.1 -A lockdown=confidentiality
	6.12 arm64|-k 6.12 -a arm64
	6.1 arm64|-k 6.1 -a arm64
	TABLE
}

die() {
	echo "kernels.sh: $*" >&2
	exit 1
}

# What a column's cells say: "name<tab>found", from the JSON of probe.
cells() { jq -r '.capabilities[] | "\(.name)\t\(.found)"' "$1"; }

# --- compare ---------------------------------------------------------------------------------

check() {
	local column=$1 json differ
	json=$(mktemp) && trap 'rm -f "$json"' RETURN
	"${BPFAHEAD:-build/bpfahead}" probe --json >"$json"
	differ=$(awk -v column="$column" '
		function trim(text) { gsub(/^ +| +$|`/, "", text); return text }
		BEGIN { FS = "|" }
		FILENAME == ARGV[1] && $2 ~ /^ capability / {
			for (i = 3; i < NF; i++)
				if (trim($i) == column)
					mine = i
			next
		}
		FILENAME == ARGV[1] {
			if (mine && /^\|/ && $2 !~ /^-/)
				recorded[trim($2)] = trim($mine)
			else if (mine && !/^\|/)
				nextfile
			next
		}
		{
			split($0, pair, "\t")
			seen++
			if (!(pair[1] in recorded))
				printf "%s: not recorded; this kernel: %s\n", pair[1], pair[2]
			else if (recorded[pair[1]] != pair[2])
				printf "%s: recorded %s; this kernel: %s\n", pair[1], recorded[pair[1]], pair[2]
			delete recorded[pair[1]]
		}
		END {
			for (name in recorded)
				printf "%s: recorded %s; probe does not say\n", name, recorded[name]
			if (!mine)
				print "no column " column
			if (!seen)
				print "probe says nothing"
		}' "$document" <(cells "$json"))
	[ -n "$differ" ] || {
		echo "as $document records for '$column'"
		return 0
	}
	echo "not as $document records for '$column' (make docs-kernels writes it anew):" >&2
	echo "$differ" >&2
	return 1
}

# --- generate --------------------------------------------------------------------------------

# shellcheck disable=SC2016 # for the guest's shell
ask='build/bpfahead probe --json >"$0/probe.json" || [ $? = 5 ]; uname -srv >"$0/release"'

generate() {
	local name options number=0 jsons=() names=() words
	T=$(mktemp -d) || exit
	trap 'rm -rf "$T"' EXIT
	while IFS='|' read -r name options; do
		number=$((number + 1))
		mkdir "$T/$number" || exit
		echo "kernels.sh: $name" >&2
		if [ -z "$options" ]; then
			bash -c "$ask" "$T/$number" || die 'bpfahead probe failed here'
		else
			IFS=' ' read -ra words <<<"$options"
			tests/vm/vm.sh -q -t 300 -o "$T/$number" "${words[@]}" -- bash -c "$ask" /out </dev/null ||
				die "no answer from the guest '$name'"
		fi
		cells "$T/$number/probe.json" >"$T/$number/cells"
		[ -s "$T/$number/cells" ] || die "probe says nothing on '$name'"
		names+=("$name") jsons+=("$T/$number")
	done < <(columns)
	{
		echo
		awk -F '\t' -v OFS='' '
			BEGIN { n = ARGC - 1 }
			FNR == 1 { file++ }
			file == 1 { rows++; row[rows] = $1; without[rows] = $2; next }
			file == 2 && FNR <= n - 2 { head[FNR] = $1; next }
			{ cell[file - 2, FNR] = $2 }
			END {
				line = "| capability |"
				rule = "|---|"
				for (c = 1; c <= n - 2; c++) {
					line = line " " head[c] " |"
					rule = rule "---|"
				}
				print line, " what is lost without it |"
				print rule, "---|"
				for (r = 1; r <= rows; r++) {
					line = "| `" row[r] "` |"
					for (c = 1; c <= n - 2; c++)
						line = line " " cell[c, r] " |"
					print line, " " without[r], " |"
				}
			}' <(jq -r '.capabilities[] | "\(.name)\t\(.without)"' "${jsons[0]}/probe.json") \
			<(printf '%s\n' "${names[@]}") "${jsons[@]/%//cells}"
		echo
		echo "Asked on $(date -u +%F):"
		echo
		echo '| column | kernel |'
		echo '|---|---|'
		for number in "${!names[@]}"; do
			echo "| ${names[number]} | $(<"${jsons[number]}/release") |"
		done
		echo
	} | tests/vm/section.sh "$document" offers
}

case ${1:-} in
'') generate ;;
check)
	[ $# = 2 ] || die 'check COLUMN'
	check "$2"
	;;
*)
	echo 'usage: kernels.sh [check COLUMN]' >&2
	exit 2
	;;
esac
