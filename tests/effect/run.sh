#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh - what bpfahead gains over every static value; `make bench-effect` runs it.
#
# Programs read in known patterns on throttled loop devices, once per column: read_ahead_kb at static
# values, which the programs find when they open their files; and bpfahead, which finds the programs
# with files that they opened at the host's default. Each cell is one line of cells.csv, and a cell
# that is there is not run again. tests/effect/tables.sh makes the tables of that file.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
TOP=$PWD
# shellcheck source=tests/effect/common.sh
. tests/effect/common.sh

usage() {
	cat >&2 <<-'TEXT'
	Usage: run.sh [--list]
	Environment: PROFILE='cloud hdd fast network'  WORKLOADS='glob...'  COLUMNS_WANTED='16 64 ... bpfahead'
	  REPEATS=3  BPFAHEAD_REPEATS=REPEATS  QUICK=1 (shorter)  STATIC_SECONDS=N  STATIC_WARM_SECONDS=N  BPFAHEAD_SECONDS=N
	  DAY_SECONDS=N  LANES=N (devices at once)
	  CONTENDER=0.8: static values that were below this share of the row's best are not repeated
	  Of profiles that run alone (fast, network), measured in turns: ROUNDS=3  TURN_SECONDS=4  TURN_WARM_SECONDS=3
	  TURN_LAG_SECONDS=3 (bpfahead's warm-up, which counts)  TURNS=0 (one column after the other)
	  COLUMNS_WANTED=default WORKLOADS=day is the day shift without bpfahead
	  EFFECT_DIR=DIR (an image of 12 GB)  EFFECT_CELLS=FILE
	  --list   print the cells that are still to be run, and stop
	TEXT
	exit 2
}
list=0
while (($#)); do
	case $1 in
	--list) list=1 ;;
	*) usage ;;
	esac
	shift
done
fatal() {
	printf 'run.sh: %s\n' "$*" >&2
	exit 1
}

profiles=${PROFILE:-cloud hdd fast network}
for profile in $profiles; do
	[ -n "${limits[$profile]-}" ] || fatal "no profile '$profile': ${!limits[*]}"
done
[ -s "$cells" ] || echo "$cells_head" >"$cells" || fatal "cannot write $cells"
[ "$(head -n 1 "$cells")" = "$cells_head" ] || fatal "$cells has other columns"

asked() { [[ -z ${WORKLOADS-} || " $WORKLOADS " == *" $1 "* ]]; }

# has_day COLUMN: without bpfahead only where both are named: what the order of its phases costs by itself.
has_day() { asked day && [[ $1 == bpfahead* || ($1 == default && ${COLUMNS_WANTED-} && ${WORKLOADS-}) ]]; }

# hopeless: "PROFILE,WORKLOAD,COMMAND,COLUMN," of the static columns that are not measured again: the
# best repeat that they have is below $contender of the row's best static one. 128 KB is compared with
# by itself, so it is.
hopeless() {
	awk -F, -v contender="$contender" '$6 == "-" && $5 ~ /^([0-9]+|default)$/ {
			row = $2 "," $3 "," $4 ","
			if ($10 > best[row]) best[row] = $10
			if ($10 > rate[row $5 ","]) rate[row $5 ","] = $10
			row_of[row $5 ","] = row
		}
		END {
			for (cell in rate)
				if (cell !~ /,(128|default),$/ && rate[cell] < contender * best[row_of[cell]])
					print cell
		}' "$cells"
}

# What is as fast as the machine changes with it: there, what is compared runs next to each other, and
# otherwise a run that is ended has each cell once.
in_order() { if is_alone "$1" && ! in_turns "$1"; then sort -s -k 3,3; else cat; fi; }

# shuffled SEED WORD...: in an order that is the same for the same seed.
shuffled() {
	perl -MDigest::SHA=sha1 -e 'my $seed = shift;
		print join("\n", sort { sha1("$seed $a") cmp sha1("$seed $b") } @ARGV), "\n"' "$@"
}

# turns PROFILE: the same as todo, in turns: the rounds of a row, and in each round its columns, shuffled.
turns() {
	local round column line
	while IFS= read -r line; do
		for ((round = 1; round <= rounds; round++)); do
			# shellcheck disable=SC2046 # columns are words
			for column in $(shuffled "${line%% *} $round" $(columns_of "${line%% *}")); do
				has_cell "$(cell_key "$1" "$line" "$column" $round)" || echo "$column $round $line"
			done
		done
	done < <(workload_lines)
}

# todo PROFILE: "COLUMN REPEAT WORKLOAD-LINE" of each cell that is not there; repeat by repeat, or row
# by row where a profile runs alone, in turns unless TURNS=0.
todo() {
	local repeat column line key
	declare -A left_out
	! in_turns "$1" || turns "$1"
	for ((repeat = 1; repeat <= repeats; repeat++)); do
		[ $repeat != 2 ] || while IFS= read -r key; do left_out[$key]=1; done < <(hopeless)
		while IFS= read -r line; do
			for column in $(columns_of "${line%% *}"); do
				key=$1,${line%% *},$(command_hash "$1" "$line"),$column,
				[ -z "${left_out[$key]-}" ] || continue
				[[ $column != bpfahead* ]] || ((repeat <= own_repeats)) || continue
				key=$(cell_key "$1" "$line" "$column" "$repeat")
				has_cell "$key" || echo "$column $repeat $line"
			done
		done < <(in_turns "$1" || workload_lines)
		for column in $columns; do
			if has_day "$column"; then
				line=$(day_lines | tail -n 1)
				key=$(day_key "$1" 5 "$line" "$column" "$repeat")
				has_cell "$key" || echo "$column $repeat day"
			fi
			[[ $column == bpfahead* ]] || continue
			key=$(react_key "$1" "$column" 1)
			! asked react || [ "$repeat" != 1 ] || has_cell "$key" || echo "$column $repeat react"
		done
	done | in_order "$1"
}

BUILD_HASH=$(build_hash)
export BUILD_HASH
if [ $list = 1 ]; then
	for profile in $profiles; do todo "$profile" | sed "s/^/$profile /"; done
	exit
fi

[ "$(<"${BPF_STATS_ENABLED:-/proc/sys/kernel/bpf_stats_enabled}")" = 0 ] ||
	fatal 'kernel.bpf_stats_enabled is not 0: it slows BPF programs down'
[ "$(id -u)" = 0 ] || fatal 'needs root'
mkdir -p "$work"
exec {only}>"$work/lock"
flock -n "$only" || fatal "another run uses $work"
[ -f "$work/lane.1.img" ] || TMPDIR=$work tests/effect/image.sh "$work/lane.1.img" || fatal 'no image'

lane_pids=()
trap 'trap - INT TERM; kill "${lane_pids[@]}" 2>/dev/null; wait "${lane_pids[@]}"; exit 130' INT TERM

# make_zram N: lane N's own copy of the image, in memory: most of it is zeros, which take none.
zrams=()
declare -A image_of
make_zram() {
	local n size
	n=$(</sys/class/zram-control/hot_add) || fatal 'no new zram disk'
	zrams+=("$n")
	size=$(stat -c %s "$work/lane.1.img")
	echo "$size" >"/sys/block/zram$n/disksize" || fatal "zram$n: no size"
	dd if="$work/lane.1.img" of="/dev/zram$n" bs=1M conv=sparse iflag=direct oflag=direct status=none ||
		fatal "no copy of the image in zram$n"
	image_of[$1]=/dev/zram$n
}

remove_zrams() {
	local i n
	for i in "${zrams[@]}"; do
		for ((n = 0; n < 50; n++)); do
			! { echo "$i" >/sys/class/zram-control/hot_remove; } 2>/dev/null || break
			sleep 0.2
		done
	done
	zrams=()
}
trap remove_zrams EXIT

# A lane that fails leaves its cell out; the next one takes up what is left.
run_lane() { # PROFILE IMAGE QUEUE
	local n
	for ((n = 0; n < 20; n++)); do
		[ -s "$3" ] || return 0
		TMPDIR=$work tests/effect/lane.sh "$@" {only}>&- &
		trap 'kill $!; wait; exit' TERM
		trap - EXIT
		wait $! && return
	done
}

lane=0
start_profile() {
	local profile=$1 queue=$work/queue.$1 n
	for ((n = 0; n < $(lanes_of "$1"); n++)); do
		lane=$((lane + 1))
		case ${limits[$profile]} in
		*zram*) make_zram $lane ;;
		*) image_of[$lane]=$work/lane.1.img ;;
		esac
		run_lane "$profile" "${image_of[$lane]}" "$queue" &
		lane_pids+=($!)
	done
}
# None for what has no cells to run.
lanes_of() {
	local cells_left
	cells_left=$(wc -l <"$work/queue.$1")
	[ "$1" != fast ] || set -- fast 1
	set -- "${2:-${LANES:-${lanes[$1]}}}"
	echo $((cells_left < $1 ? cells_left : $1))
}

for profile in $profiles; do
	todo "$profile" >"$work/queue.$profile"
	printf 'run.sh: %s: %d cells to run\n' "$profile" "$(wc -l <"$work/queue.$profile")" >&2
done

# Throttled lanes do not get in each other's way.
for profile in $profiles; do is_alone "$profile" || start_profile "$profile"; done
wait "${lane_pids[@]}"

# The CPUs of a virtual machine that sleep are woken by its host, which takes longer than such a disk's
# read and another time every second. Asked for no latency (Documentation/power/pm_qos_interface.rst),
# they wait awake, for as long as this is open.
awake=
stay_awake() {
	[ -z "$awake" ] && [ -w /dev/cpu_dma_latency ] || return 0
	exec {awake}>/dev/cpu_dma_latency && printf '\0\0\0\0' >&"$awake"
}
for profile in $profiles; do
	is_alone "$profile" || continue
	remove_zrams
	lane=0 lane_pids=()
	stay_awake
	start_profile "$profile"
	wait "${lane_pids[@]}"
done
