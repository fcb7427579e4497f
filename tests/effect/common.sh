# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# common.sh - the files, profiles, columns and cells of the proof. Sourced by run.sh and lane.sh.
# shellcheck disable=SC2034 # for those

: "${TOP:?}"
effect=$TOP/tests/effect
table=${EFFECT_WORKLOADS:-$effect/workloads}
cells=${EFFECT_CELLS:-$effect/cells.csv}
work=${EFFECT_DIR:-/var/tmp/bpfahead-effect}

# PROFILE: bytes and reads a second (0: no limit), and where the image lies: in zram, because a disk that
# other work of the machine keeps busy changes by more than what is to be measured. Two more words are
# a disk with latency (slow-disk.c): us, bytes a second.
declare -A limits=([cloud]='125000000 3000 zram' [hdd]='150000000 120 zram' [fast]='0 0 zram'
	[network]='0 0 zram 500 250000000')
declare -A lanes=([cloud]=2 [hdd]=2 [fast]=1 [network]=1) # at once; 3 GB of memory each, where they lie in zram
# Whose figures depend on the CPUs: no other profile at the same time.
alone='fast network'

# What Linux 6.18 gives a loop device on a disk by itself; one in zram would have 128.
default_kb=2560

# `again` is the host's default once more: the pair shows what a repetition is worth.
columns=${COLUMNS_WANTED:-default again 16 64 128 256 1024 4096 bpfahead bpfahead-probe}
repeats=${REPEATS:-3} own_repeats=${BPFAHEAD_REPEATS:-${REPEATS:-3}}
contender=${CONTENDER:-0.8}

if [ "${QUICK:-0}" = 1 ]; then
	static_s=6 static_warm_s=2 own_s=30 day_s=40 turn_s=2 turn_warm_s=1
else
	static_s=15 static_warm_s=3 own_s=60 day_s=120 turn_s=4 turn_warm_s=3
fi
static_s=${STATIC_SECONDS:-$static_s} static_warm_s=${STATIC_WARM_SECONDS:-$static_warm_s}
own_s=${BPFAHEAD_SECONDS:-$own_s} day_s=${DAY_SECONDS:-$day_s}

# Profiles that run alone are measured in turns: every column of a row once in each round, for the same
# few seconds, because the machine's speed changes by more from minute to minute than what is compared.
# bpfahead's warm-up is measured as well: what it has from its program's start on, the decision included.
rounds=${ROUNDS:-3} lag_s=${TURN_LAG_SECONDS:-3}
turn_s=${TURN_SECONDS:-$turn_s} turn_warm_s=${TURN_WARM_SECONDS:-$turn_warm_s}
# Rows whose memory fills for longer, or that write: that long a warm-up in all columns.
filling='mmaphot* hot16k kept* rocks-rrwr* rocks-update*'
is_alone() { [[ " $alone " == *" $1 "* ]]; }
in_turns() { is_alone "$1" && [ "${TURNS:-1}" = 1 ]; }

# The phases of the day shift.
day='seq128k mmaprand4k scan256k files64k seq128k'

# is_among NAME GLOBS
is_among() {
	local glob globs
	read -ra globs <<<"$2"
	for glob in "${globs[@]}"; do
		# shellcheck disable=SC2053 # a pattern it is
		[[ $1 != $glob ]] || return 0
	done
	return 1
}

# times PROFILE NAME COLUMN: seconds of warm-up, and measured.
times() {
	if in_turns "$1"; then
		if [[ $3 == bpfahead* ]] || is_among "$2" "$filling"; then
			echo "$lag_s $turn_s"
		else
			echo "$turn_warm_s $turn_s"
		fi
	elif [[ $3 == bpfahead* ]]; then
		echo "0 $own_s"
	else
		echo "$static_warm_s $static_s"
	fi
}

cells_head=kernel,profile,workload,command,column,build,repeat,warm_up_s,seconds,rate,unit,iops
cells_head+=,p99_us,amplification,stream_mbps,random_iops,read_ahead_kb,time

# What decides: the programs in the kernel, the model, and what writes, holds and moves values.
build_hash() {
	(cd "$TOP" && shopt -s nullglob && cat build/*.bpf.o weights/default.bin loader/defaults.[ch] \
		loader/{apply,follower,open_files,device_rows,learned,objective,guard,trim,steer,per_file}[.]c \
		loader/calibrate_{knees,measure,rate}[.]c) |
		sha256sum | cut -c 1-10
}

# A kernel is its version; what comes after that says who built it (-amd64, -2). Lines have all of it, and those
# of another build of the version count, which is said below the tables.
kernel_release=$(uname -r)

# has_cell KEY: a line of that key, of any build of this version?
has_cell() {
	awk -F, -v key=",${1#*,}" -v version="${kernel_release%%-*}" '
		index($0, key) && ($1 == version || index($1, version "-") == 1) { found = 1; exit }
		END { exit !found }' "$cells"
}

# command_hash PROFILE WORKLOAD-LINE
command_hash() { sha256sum <<<"${limits[$1]} $2" | cut -c 1-10; }

# cell_key PROFILE LINE COLUMN REPEAT [WARM SECONDS]: the fields of its line up to the seconds. In turns, a
# static cell belongs to the build beside which it was measured.
cell_key() {
	local build=- warm=${5-} seconds=${6-}
	if [[ $3 == bpfahead* ]] || in_turns "$1"; then build=$BUILD_HASH; fi
	[ -n "$seconds" ] || read -r warm seconds < <(times "$1" "${2%% *}" "$3")
	echo "$kernel_release,$1,${2%% *},$(command_hash "$1" "$2"),$3,$build,$4,$warm,$seconds,"
}

# day_key PROFILE PHASE LINE COLUMN REPEAT
day_key() {
	local build=-
	[[ $4 != bpfahead* ]] || build=$BUILD_HASH
	echo "$kernel_release,$1,day.$2.${3%% *},$(command_hash "$1" "$3"),$4,$build,$5,0,$day_s,"
}
day_lines() {
	local name
	for name in $day; do WORKLOADS=$name workload_lines; done
}

# requests_between "READS SECTORS" "READS SECTORS": of a device, before and after.
requests_between() {
	awk '{ n = $3 - $1; printf "%d reads, %s KB each\n", n, (n > 0 ? sprintf("%.1f", ($4 - $2) / 2 / n) : "-") }' <<<"$1 $2"
}

# One file that stays open, read in these patterns for so many seconds each: a line per change, whose
# rate is the seconds until the file has the new value, - where it has the one from before, and whose
# read_ahead_kb is the value at the phase's end. Change 0 is the phase before the first one. Each pattern
# comes after two others, so that what it finds, where it gets nothing of its own, differs.
react_s=8
react='sequential mmap-random runs-256k sequential runs-64k mmap-random sequential runs-256k mmap-random
	sequential mmap-random runs-64k sequential runs-256k mmap-random sequential runs-256k mmap-random
	sequential mmap-random sequential'
# react_key PROFILE COLUMN CHANGE
react_key() {
	echo "$kernel_release,$1,react,$(command_hash "$1" "react $react_s $react"),$2,$BUILD_HASH,$3,0,$react_s,"
}

# changes_of PHASES VALUES: "CHANGE SECONDS KB" of each phase of which a value was seen, from the lines
# "TIME PATTERN" of the phases, the last one the end, and "TIME KB" of the file.
changes_of() {
	awk '
		NR == FNR { start[NR] = $1; phases = NR; next }
		{ time[++n] = $1; kb[n] = $2 }
		END {
			for (p = 1; p < phases; p++) {
				first = last = came = ""
				for (i = 1; i <= n; i++) {
					if (time[i] < start[p]) first = kb[i]
					else if (time[i] < start[p + 1]) {
						if (kb[i] != last) came = time[i]
						last = kb[i]
					}
				}
				if (last == "" || p > 1 && first == "") continue
				print p - 1, p == 1 || first == last ? "-" : sprintf("%.3f", came - start[p]), last
			}
		}' "$1" "$2"
}

# columns_of NAME: one row has a bar against a default of newer kernels, too.
columns_of() {
	echo "$columns"
	[ "$1" != mmaprand4k ] || [ -n "${COLUMNS_WANTED-}" ] || echo 8192
}

workload_lines() {
	local line
	while read -r line; do
		[[ $line && $line != \#* ]] || continue
		! is_among "${line%% *}" "${WORKLOADS:-*}" || printf '%s\n' "$line"
	done <"$table"
}
