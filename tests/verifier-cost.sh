#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# verifier-cost.sh - what the verifier spends on each program, by compiler and kernel
#
#   measure DIR...   print rows: of the objects in each DIR, loaded into this kernel by veristat
#                    (make veristat; root). DIR/compiler names the compiler, as make left it
#   check ROWS...    hold such rows to the table: fails for a program over the budget, for one that
#                    takes over 10 % more instructions than in the table, is not accepted any more, or
#                    is in only one of both. 3: nothing to fail for, but the table does not know the
#                    kernel or the compiler
#   record ROWS...   put them into the table, in place of what it had of the same kernels and
#                    compilers, and into docs/verifier.md
#   docs             print the table as Markdown
#
# The table is tests/verifier-cost.csv. A program that did not load has no figures, and for a verdict
# `absent` (the kernel lacks what it attaches to), `refused` (EPERM: not to anybody) or `failure`.
set -euo pipefail
export LC_ALL=C.UTF-8
top=$(cd "$(dirname "$0")/.." && pwd)
table=${VERIFIER_TABLE:-$top/tests/verifier-cost.csv}
docs=${VERIFIER_DOCS:-$top/docs/verifier.md}
veristat=${VERISTAT:-$top/build/veristat}
how='make verifier-record'
header=compiler,kernel,object,program,verdict,insns,states,peak_states,max_states_per_insn,mark_read,stack,size,bytes

die() {
	echo "verifier-cost.sh: $*" >&2
	exit 1
}

# The release's first two numbers: patches of a stable line do not change the verifier by much.
kernel_line() {
	local machine
	machine=$(uname -m)
	uname -r | sed -E "s/^([0-9]+\.[0-9]+).*/\1/; s/\$/$([ "$machine" = x86_64 ] || echo "-$machine")/"
}

# What is not in veristat's own columns comes from the verifier's log (stack) and libbpf's (why it was
# not loaded; instructions in the program and the functions it pulls in).
measure() {
	local dir object name compiler kernel work
	[ -x "$veristat" ] || die "no $veristat: make veristat"
	kernel=$(kernel_line)
	work=$(mktemp -d)
	# shellcheck disable=SC2064 # now
	trap "rm -rf '$work'" EXIT
	echo "$header"
	for dir; do
		compiler=$(cat "$dir/compiler") || die "$dir/compiler is missing: make"
		for object in "$dir"/*.bpf.o; do
			name=$(basename "$object" .bpf.o)
			"$veristat" -v -l 4 -d -o csv \
				-e prog,verdict,insns,states,peak_states,max_states_per_insn,mark_read \
				"$object" >"$work/out" 2>"$work/log" || die "veristat $object: $(tail -1 "$work/log")"
			awk -F, -v OFS=, -v key="$compiler,$kernel,$name" -v bytes="$(stat -c %s "$object")" '
				function quoted(line) { split(line, q, "\047"); return q[2] }
				/: found program .* code size [0-9]+ insns/ {
					match($0, /code size [0-9]+/)
					size[quoted(substr($0, index($0, "program")))] = substr($0, RSTART + 10, RLENGTH - 10)
				}
				/^libbpf: prog .*: added [0-9]+ insns/ {
					match($0, /added [0-9]+/)
					added[quoted($0)] += substr($0, RSTART + 6, RLENGTH - 6)
				}
				/^libbpf: prog .*: failed to find kernel BTF type ID/ { why[quoted($0)] = "absent" }
				/^libbpf: prog .*: BPF program load failed: Operation not permitted/ { why[quoted($0)] = "refused" }
				/^PROCESSING / { split($1, p, "/"); program = p[length(p)] }
				/^stack depth / { sub(/^stack depth /, ""); stack[program] = $0 }
				/^prog_name,/ { rows = 1; next }
				rows && NF == 7 {
					if ($2 == "success") cost = $3 OFS $4 OFS $5 OFS $6 OFS $7 OFS stack[$1]
					else { $2 = ($1 in why) ? why[$1] : "failure"; cost = ",,,,," }
					print key, $1, $2, cost, size[$1] + added[$1], bytes
					printed++
				}
				END { exit !printed }' "$work/log" "$work/out" || die "veristat $object: no program"
		done
	done
}

budget() { awk '$2 == "INSNS_MAX" { print $3 }' "$top/tests/kernel/kernel_test.h"; }

check() {
	local limit
	limit=$(budget)
	[ -n "$limit" ] || die 'no INSNS_MAX in tests/kernel/kernel_test.h'
	[ -r "$table" ] || die "no $table: $how"
	awk -F, -v limit="$limit" -v header="$header" -v how="$how" '
		function place(name, kernel, compiler) { return name " on " kernel " by " compiler }
		function fail(what) { print what; failed = 1 }
		FNR == 1 && $0 != header { fail(FILENAME ": its columns are not " header); exit }
		FNR == 1 { next }
		{ pair = $1 SUBSEP $2; row = pair SUBSEP $3 "/" $4; name = place($3 "/" $4, $2, $1) }
		NR == FNR { known[pair] = names[row] = name; verdict[row] = $5; insns[row] = $6; pairs[row] = pair; next }
		{ measured[pair]; seen[row] = 1; rows++ }
		$5 == "success" && $6 > limit { fail(name ": " $6 " instructions, over the budget of " limit) }
		!(pair in known) { unknown[$2 " by " $1]; if ($5 == "failure") fail(name ": the verifier does not accept it"); next }
		!(row in names) { fail(name ": not in the table; `" how "` records it"); next }
		$5 != "success" && verdict[row] != $5 { fail(name ": " $5 ", was " verdict[row]); next }
		$5 == "success" && verdict[row] != "success" {
			print name ": loads, was " verdict[row] "; `" how "` records it"
			next
		}
		$5 != "success" { next }
		$6 * 100 > insns[row] * 110 {
			fail(sprintf("%s: %d instructions, %.1f %% more than %d in the table", name, $6,
				($6 / insns[row] - 1) * 100, insns[row]))
		}
		$6 * 100 < insns[row] * 90 {
			printf("%s: %d instructions, was %d; `%s` records it\n", name, $6, insns[row], how)
		}
		END {
			for (row in names)
				if (pairs[row] in measured && !(row in seen))
					fail(names[row] ": in the table, but not measured; `" how "` records it")
			if (!rows) fail("no rows to check")
			for (pair in unknown) print "no rows of " pair " in the table; `" how "` records them"
			for (pair in unknown) exit failed ? 1 : 3
			exit failed
		}' "$table" "$@"
}

# Each figure of the table by kernel; what depends on the compiler alone, once.
markdown() {
	awk -F, '
		function add(list, nr, item) { if (!((nr, item) in known)) { known[nr, item]; list[++count[nr]] = item } }
		function grouped(n) { return n + 0 < 1000 ? n : int(n / 1000) "," sprintf("%03d", n % 1000) }
		NR == 1 { next }
		{
			add(kernels, "k", $2); add(programs, "p", $1 SUBSEP $3 SUBSEP $4)
			add(compilers, "c", $1)
			bytes[$1, $3] = $13
			if ($5 == "success" && $6 > dearest[$1] + 0) {
				dearest[$1] = $6
				where[$1] = "`" $3 "/" $4 "` on " $2
			}
			k = $1 SUBSEP $3 SUBSEP $4 SUBSEP $2
			insns[k] = $5 == "success" ? grouped($6) : $5
			states[k] = $5 == "success" ? grouped($8) " of " grouped($7) : $5
			if ($5 == "success") {
				n = split($11, frame, "+"); sum = largest = 0
				for (i = 1; i <= n; i++) { sum += frame[i]; if (frame[i] > largest) largest = frame[i] }
				if (sum > stack[$1, $3, $4] + 0) stack[$1, $3, $4] = sum
				if (largest > frames[$1, $3, $4] + 0) frames[$1, $3, $4] = largest
			}
			size[$1, $3, $4] = $12
		}
		function columns(title, figure,   i, j, p, line, rule) {
			line = "| compiler | program |"; rule = "|---|---|"
			for (j = 1; j <= count["k"]; j++) { line = line " " kernels[j] " |"; rule = rule "---|" }
			print title "\n\n" line "\n" rule
			for (i = 1; i <= count["p"]; i++) {
				split(programs[i], p, SUBSEP)
				line = "| " p[1] " | `" p[2] "/" p[3] "` |"
				for (j = 1; j <= count["k"]; j++) line = line " " figure[programs[i], kernels[j]] " |"
				print line
			}
			print ""
		}
		END {
			print "The dearest program, and all objects together:\n"
			print "| compiler | instructions | of | bytes |\n|---|---|---|---|"
			for (i = 1; i <= count["c"]; i++) {
				sum = 0
				for (key in bytes) if (index(key, compilers[i] SUBSEP) == 1) sum += bytes[key]
				print "| " compilers[i] " | " grouped(dearest[compilers[i]]) " | " \
					where[compilers[i]] " | " grouped(sum) " |"
			}
			print ""
			columns("Instructions processed:", insns)
			columns("Peak of total states:", states)
			print "Size in instructions, stack of its functions together and of the largest, in bytes; size of the object:\n"
			print "| compiler | program | instructions | stack | largest | object |\n|---|---|---|---|---|---|"
			for (i = 1; i <= count["p"]; i++) {
				split(programs[i], p, SUBSEP)
				q = programs[i]
				print "| " p[1] " | `" p[2] "/" p[3] "` | " grouped(size[q]) " | " \
					grouped(stack[q]) " | " frames[q] " | " grouped(bytes[p[1], p[2]]) " |"
			}
		}' "$table"
}

# put FILE TEXT: the file is replaced whole, or not at all.
put() {
	if ! { printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1"; }; then
		rm -f "$1.new"
		die "cannot write $1"
	fi
}

begin='<!-- begin: tests/verifier-cost.sh docs -->' end='<!-- end -->'

record() {
	local old=/dev/null text
	[ ! -e "$table" ] || old=$table
	text=$(awk -F, 'FNR == 1 || !NF { next }
		FILENAME == ARGV[ARGC - 1] { if (!(($1, $2) in new)) print; next }
		{ new[$1, $2]; print }' "$@" "$old" | sort -t, -k1,1V -k3,4 -k2,2V)
	put "$table" "$header"$'\n'"$text"
	[ "$(grep -cE "^($begin|$end)" "$docs")" = 2 ] || die "$docs has no place for the table"
	text=$(
		sed "\\|^$begin|q" "$docs"
		markdown
		sed -n "\\|^$end|,\$p" "$docs"
	)
	put "$docs" "$text"
}

command=${1:-}
[ $# = 0 ] || shift
case $command in
measure | check | record)
	[ $# -gt 0 ] || die "$command what?"
	"$command" "$@"
	;;
docs) markdown ;;
*)
	sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
	exit 2
	;;
esac
