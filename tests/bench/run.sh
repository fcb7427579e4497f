#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh [--quick] [--check] [NAME]... - print each figure beside its bar; `make bench` runs it.
#
# Works on zram and loop devices of its own, which go away at the end, with pins
# in a directory of its own. No device of the host is written to, nor is its
# readahead changed. A missed bar is no failure: machines differ, and other
# tenants' work shows. The exit status tells whether everything was measured; with
# --check also whether every bar was met, for figures that are counted, not timed.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
export LC_ALL=C.UTF-8
export BPFAHEAD_PIN_DIR=/sys/fs/bpf/bpfahead-bench-$$
WEIGHTS=${WEIGHTS:-weights/default.bin}
STATS=/proc/sys/kernel/bpf_stats_enabled
ROWS=(cost latency bdis iops cached arithmetic close scale reaction memory sizes)
# What explains a figure and has no bar: only by name.
MORE=(folios)

usage() {
	echo "usage: run.sh [--quick] [--check] [NAME]...; the names are: ${ROWS[*]} ${MORE[*]}" >&2
	exit 2
}

quick=0 check=0 quick_option='' chosen=()
for argument; do
	case $argument in
	--quick) quick=1 quick_option=$argument ;;
	--check) check=1 ;;
	*)
		[[ " ${ROWS[*]} ${MORE[*]} " == *" $argument "* ]] || usage
		chosen+=("$argument")
		;;
	esac
done
[ ${#chosen[@]} -gt 0 ] || chosen=("${ROWS[@]}")

# short LONG SHORT: how much of something, by --quick.
by_quick() { if [ $quick = 1 ]; then echo "$2"; else echo "$1"; fi; }

# --- clean-up ----------------------------------------------------------------------------------

T='' helper='' stats_before='' zrams=() loops=()

stop_helper() {
	[ -n "$helper" ] || return 0
	kill -TERM "$helper" 2>/dev/null
	wait "$helper" 2>/dev/null
	helper=
}

unload() {
	stop_helper
	[ ! -d "$BPFAHEAD_PIN_DIR" ] || build/bpfahead unload >/dev/null
	[ ! -d "$BPFAHEAD_PIN_DIR" ] || rm -rf "$BPFAHEAD_PIN_DIR"
}

cleanup() {
	local status=$? i n
	trap - EXIT INT TERM
	unload
	[ -z "$stats_before" ] || echo "$stats_before" >"$STATS"
	for i in "${loops[@]}"; do losetup -d "$i"; done
	for i in "${zrams[@]}"; do
		# The last reader's descriptor may take a moment to be gone.
		for ((n = 0; n < 50; n++)); do
			! { echo "$i" >/sys/class/zram-control/hot_remove; } 2>/dev/null || break
			sleep 0.1
		done
		[ ! -e "/sys/block/zram$i" ] || echo "run.sh: zram$i could not be removed" >&2
	done
	if [ -n "$T" ]; then
		umount "$T" || umount -l "$T"
		rmdir "$T"
	fi
	exit $status
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- devices -----------------------------------------------------------------------------------

fatal() {
	echo "run.sh: $*" >&2
	return 1
}

# empty_zram MB: a compressed-memory disk that was never written to; sets DISK.
empty_zram() {
	local n
	[ -r /sys/class/zram-control/hot_add ] || fatal 'this kernel has no zram' || return
	n=$(</sys/class/zram-control/hot_add) || return
	zrams+=("$n")
	echo "$1M" >"/sys/block/zram$n/disksize" || return
	DISK=/dev/zram$n
}

# make_zram MB: one full of noise.
make_zram() {
	empty_zram "$1" || return
	head -c "$1M" /dev/urandom |
		dd of="$DISK" bs=1M iflag=fullblock oflag=direct status=none
}

# make_loop MB: a loop device over a file in memory; sets DISK.
make_loop() {
	head -c "$1M" /dev/urandom >"$T/disk" || return
	DISK=$(losetup -f --show "$T/disk") || return
	loops+=("$DISK")
}

fast= # one disk serves most rows
fast_disk() {
	if [ -z "$fast" ]; then
		make_zram "$(by_quick 512 128)" || return
		fast=$DISK
	fi
	DISK=$fast
}

# start_helper BINARY: sets helper once it has everything open.
start_helper() {
	unload
	build/bpfahead load --weights "$WEIGHTS" || return
	# From the first moment: no device but the benchmark's own is ever decided upon.
	build/bpfahead config scope=listed >/dev/null || return
	"$1" 2>"$T/log" &
	helper=$!
	for ((n = 0; n < 100; n++)); do
		! grep -q ' on /' "$T/log" || return 0
		kill -0 "$helper" 2>/dev/null || break
		sleep 0.1
	done
	fatal "$1 did not start: $(tail -n 1 "$T/log")"
}

# --- figures -----------------------------------------------------------------------------------

declare -A figures
failed=0 bars=0 met=0

# measure PROGRAM ARGUMENT...: takes "KEY n min q1 median q3 max low high" lines.
measure() {
	local program=build/bench/$1 key rest
	shift
	"$program" "$@" >"$T/out" || return
	while read -r key rest; do figures[$key]=$rest; done <"$T/out"
}

# part KEY NAME [FACTOR]: one number of a figure.
part() {
	awk -v name="$2" -v factor="${3:-1}" '
		BEGIN { n = split("n min q1 median q3 max low high", names, " ") }
		{ for (i = 1; i <= n; i++) if (names[i] == name) printf "%.10g\n", $i * factor }
	' <<<"${figures[$1]}"
}

calc() { awk "BEGIN { printf \"%.10g\\n\", $1 }"; }
# round NUMBER: three digits that count, at least.
round() {
	awk -v x="$1" 'BEGIN {
		a = x < 0 ? -x : x
		format = a >= 100 ? "%.0f" : a >= 10 ? "%.1f" : a >= 1 || a == 0 ? "%.2f" : "%.3f"
		printf format, x
	}'
}

line() { printf '%-62s %10s  %-30s %-12s %s\n' "$@"; }

# verdict VALUE BAR: sets VERDICT.
verdict() {
	bars=$((bars + 1))
	VERDICT=MISSED
	if awk -v value="$1" -v bar="$2" 'BEGIN { exit !(value != "" && value + 0 <= bar + 0) }'; then
		VERDICT=met
		met=$((met + 1))
	fi
}

# row TEXT KEY UNIT FACTOR [BAR]: the median with its quartiles, least value and count.
row() {
	local text=$1 key=$2 unit=$3 factor=$4 bar=${5-} value spread shown=reported
	VERDICT=
	value=$(part "$key" median "$factor")
	if [ "$(part "$key" n)" = 1 ]; then
		spread=
	else
		spread="$(round "$(part "$key" q1 "$factor")")..$(round "$(part "$key" q3 "$factor")")"
		spread+=", min $(round "$(part "$key" min "$factor")"), n $(part "$key" n)"
	fi
	if [ -n "$bar" ]; then
		verdict "$value" "$bar"
		shown="<= $bar $unit"
	fi
	line "$text" "$(round "$value") $unit" "$spread" "$shown" "$VERDICT"
}

# row_of TEXT VALUE UNIT [BAR]
row_of() {
	local shown=reported
	VERDICT=
	if [ -n "${4-}" ]; then
		verdict "$2" "$4"
		shown="<= $4 $3"
	fi
	line "$1" "$2 $3" '' "$shown" "$VERDICT"
}

# percent TEXT KEY [BAR]: a ratio of speeds as per cent lost.
percent() {
	local value shown=reported low high
	VERDICT=
	value=$(calc "100 * (1 - $(part "$2" median))")
	low=$(round "$(calc "100 * (1 - $(part "$2" high))")")
	high=$(round "$(calc "100 * (1 - $(part "$2" low))")")
	if [ -n "${3-}" ]; then
		verdict "$value" "$3"
		shown="<= $3 %"
	fi
	line "$1" "$(round "$value") %" "95 %: $low..$high, n $(part "$2" n)" "$shown" "$VERDICT"
}

# --- rows --------------------------------------------------------------------------------------

row_cost() {
	fast_disk || return
	measure hooks cost "$DISK" "$WEIGHTS" "$(by_quick 1000 300)" "$(by_quick 12 4)" || return
	row 'block read event, above an empty program' cost_above_ns ns 1 30
	row '  with the accounting of run time: ours' cost_ours_ns ns 1
	row '  with the accounting of run time: the empty program' cost_empty_ns ns 1
}

row_latency() {
	make_loop "$(by_quick 256 64)" || return
	measure hooks latency "$DISK" "$WEIGHTS" "$(by_quick 1000 300)" "$(by_quick 12 4)" || return
	row 'the same with completion latency (both hooks, loop device)' latency_above_ns ns 1
}

row_bdis() {
	local n disks=()
	for ((n = 0; n < 256; n++)); do
		empty_zram 4 || return
		disks+=("$DISK")
	done
	measure hooks bdis "$WEIGHTS" "$(by_quick 1000 500)" "$(by_quick 12 4)" "${disks[@]}" || return
	row 'block read event, above an empty program, 1 bdi' bdis_above_1_1_ns ns 1
	for n in 16 256; do
		row "  $n bdis, 64 reads of one, then the next" "bdis_above_${n}_64_ns" ns 1
		row '    over 1 bdi' "bdis_ratio_${n}_64" x 1 1.2
	done
	for n in 16 256; do
		row "  $n bdis, each read from the next" "bdis_above_${n}_1_ns" ns 1
		row '    over 1 bdi' "bdis_ratio_${n}_1" x 1
	done
	percent '    reads per second of processor time lost to it, 256 bdis' bdis_cpu_ratio 2
	row '  (bdis in their home slots; the others are dearer)' bdis_home '' 1
}

row_iops() {
	fast_disk || return
	measure hooks iops "$DISK" "$WEIGHTS" "$(by_quick 150 150)" "$(by_quick 100 10)" || return
	percent 'IOPS lost against an empty program' iops_empty_ratio 2
	percent '  by reads per second of processor time' iops_empty_cpu_ratio
	percent 'IOPS lost against nothing attached' iops_nothing_ratio
	percent '  by reads per second of processor time' iops_nothing_cpu_ratio
	percent '  of it the hook itself (the empty program)' iops_hook_cpu_ratio
	row '  IOPS with nothing attached' iops_nothing k 0.001
}

row_cached() {
	local gap
	make_zram 64 || return
	measure hooks cached "$DISK" "$WEIGHTS" "$(by_quick 200 100)" "$(by_quick 60 10)" || return
	# How far apart the 95 % intervals of both medians are: below 0 they overlap.
	gap=$(awk -v a="$(part cached_same_ratio low)" -v b="$(part cached_same_ratio high)" \
		-v c="$(part cached_with_ratio low)" -v d="$(part cached_with_ratio high)" \
		'BEGIN { printf "%.4f", 100 * (a - d > c - b ? a - d : c - b) }')
	percent 'cached 4 KB pread, slower with the readahead programs' cached_with_ratio
	percent '  slower with nothing in both slices: the noise' cached_same_ratio
	verdict "$gap" 0
	line '  change beyond noise' \
		"$(awk -v gap="$gap" 'BEGIN { print (gap > 0 ? gap : 0) }') %" '' '<= 0 %' "$VERDICT"
	row '  reads per second of one reader' cached_reads k 0.001
}

arithmetic_rows() {
	row "one decision's arithmetic, $1" "infer_$2_kernel_ns" ns 1 "$3"
	row '  over the same header natively, gcc -O2' "infer_$2_ratio" x 1 2
	row '  natively' "infer_$2_native_ns" ns 1
	row '  copying and checking that model, kernel' "fetch_$2_kernel_ns" ns 1
}

row_arithmetic() {
	measure decision infer "$(by_quick 100000 30000)" "$(by_quick 40 8)" || return
	arithmetic_rows '5-32-16-3' classic 250
	arithmetic_rows "at the format's limits, 16-32-32-8" limits 450
	row 'all features of a window, kernel' features_kernel_ns ns 1
	row '  (the loop around each of these, taken off)' loop_ns ns 1
}

row_close() {
	measure decision close "$WEIGHTS" "$(by_quick 10000 4000)" "$(by_quick 40 8)" || return
	row 'window close, 2 CPUs touched' close_ns us 0.001 2
	row '  with a shadow model' close_shadow_ns us 0.001 2
	row "  both models at the format's limits" close_limits_ns us 0.001
	row '  (making totals up, taken off)' close_counting_ns us 0.001
}

# What grows with CPUs and bdis. In a guest that counts instructions (tests/vm/vm.sh -i) it is they,
# the same in every run, and there are bars: a tenth above what the default model took when they were
# set. Elsewhere it is nanoseconds at best, with everything in the nearest cache.
SCALE_CLOSE=31000 SCALE_CPU=370 SCALE_EVENT=120

row_scale() {
	local unit=ns at='' slope='' event='' cpus most n name text
	measure decision scale "$WEIGHTS" || return
	! awk -v one="$(part scale_addition median)" 'BEGIN { exit !(one > 0.99 && one < 1.02) }' ||
		unit=insns
	for cpus in 1 2 8 64; do
		[ -n "${figures[scale_close_${cpus}_1]-}" ] || continue
		most=$cpus
		for n in 1 16 256; do
			[ $unit = ns ] || at=$((SCALE_CLOSE + cpus * SCALE_CPU))
			row_of "window close, CPUs that have touched the bdi: $cpus, bdis: $n" \
				"$(part "scale_close_${cpus}_$n" median)" $unit "$at"
		done
	done
	[ $unit = ns ] || slope=$SCALE_CPU event=$SCALE_EVENT
	row_of '  each further CPU' "$(round "$(calc "($(part "scale_close_${most}_1" median) - \
		$(part scale_close_1_1 median)) / ($most - 1)")")" $unit "$slope"
	while read -r name text; do
		for n in 1 16 256; do
			row_of "$text, bdis: $n" "$(part "scale_${name}_$n" median)" $unit "$event"
		done
		event=
	done <<-'EOF'
		fast event of a bdi in its home slot
		second event of a bdi in its second slot
		displaced event of a bdi in neither
		tick event that looks at the clock
		adopt first event of a bdi on a CPU
		take first event of a bdi
	EOF
	while read -r name text; do
		row_of "$text" "$(part "scale_${name}_128" median)" $unit
	done <<-'EOF'
		search first event of a bdi, 255 slots being taken
		full first event of a bdi, all slots being taken
		refused further events of it in that jiffy
	EOF
	row_of '  (one addition in a row of 1,000: what the unit is worth)' \
		"$(part scale_addition median)" $unit
}

# events KEY READERS COUNT
events() { measure reaction "$1" "$BPFAHEAD_PIN_DIR" "$DISK" "$helper" "$2" "$3"; }

row_reaction() {
	local cpus count
	cpus=$(nproc)
	count=$(by_quick 1000 200)
	fast_disk && start_helper build/bpfaheadd || return
	events one "$cpus" "$count" && events two $((2 * cpus)) "$count" || return
	row 'event -> value in sysfs, p99, one reader per CPU' one_p99 ms 0.001 1
	row '  median' one us 1
	row 'event -> value in sysfs, p99, two readers per CPU' two_p99 ms 0.001
	row '  median' two us 1
	unload
}

# resident: VmHWM of the helper in MiB.
resident() { awk '$1 == "VmHWM:" { printf "%.2f", $2 / 1024 }' "/proc/$helper/status"; }

row_memory() {
	local count seconds
	seconds=$(by_quick 10 3)
	count=$(by_quick 1000 200)
	fast_disk && start_helper build/bpfaheadd-static && events static 1 "$count" || return
	row_of "bpfaheadd VmHWM after $count events, static" "$(resident)" MiB 2
	start_helper build/bpfaheadd && events dynamic 1 "$count" || return
	row_of "bpfaheadd VmHWM after $count events, dynamic" "$(resident)" MiB 3
	measure reaction sleep "$BPFAHEAD_PIN_DIR" "$DISK" "$helper" "$seconds" || return
	row_of "its wake-ups in $seconds s of reading, nothing to decide" "$(part wakeups median)" '' 0
	row_of 'map memory' "$(build/bpfahead status --json |
		jq -r '.map_memory_bytes / 1024 | floor')" KiB 1024
	unload
}

row_sizes() {
	local size total=0 name
	for name in readahead ra_tp ra_fentry latency; do
		cp "build/$name.bpf.o" "$T/stripped" && llvm-strip -g "$T/stripped" || return
		size=$(stat -c %s "$T/stripped")
		total=$((total + size))
	done
	row_of 'BPF objects, stripped, together' "$(calc "int($total / 102.4 + 0.5) / 10")" KiB 128
	for name in bpfaheadd bpfaheadd-static; do
		strip -o "$T/stripped" "build/$name" || return
		size=$(calc "int($(stat -c %s "$T/stripped") / 102.4 + 0.5) / 10")
		if [ $name = bpfaheadd ]; then
			row_of 'bpfaheadd, stripped, dynamic' "$size" KiB 128
		else
			row_of 'bpfaheadd, stripped, static' "$size" KiB 1536
		fi
	done
}

# A table of its own, by a script with devices of its own.
row_folios() { tests/bench/folios.sh ${quick_option:+"$quick_option"}; }

# --- all together ------------------------------------------------------------------------------

[ "$(id -u)" = 0 ] || fatal 'needs root' || exit 1
mountpoint -q /sys/fs/bpf || fatal 'no bpf file system on /sys/fs/bpf: tests/bpffs.sh' || exit 1
[ -x build/bench/hooks ] || fatal 'not built: make bench-build' || exit 1
T=$(mktemp -d "${TMPDIR:-/tmp}/bpfahead-bench.XXXXXX") || exit 1
export BPFAHEAD_STATE_DIR=$T/state
mount -t tmpfs -o size=1G bpfahead-bench "$T" || exit 1
stats_before=$(<"$STATS")
echo 0 >"$STATS" || exit 1

load() { cut -d ' ' -f 1 /proc/loadavg; }
echo "bpfahead $(git describe --tags --always --dirty 2>/dev/null), $(date -u '+%F %R') UTC," \
	"Linux $(uname -r), $(nproc) CPUs:" \
	"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort -u | paste -sd /)"
echo "load average $(load)$(awk -v load="$(load)" \
	'load > 1.5 { print ": others are at work here, figures in time look worse than they are" }' \
	<<<'')"
[ $quick = 0 ] || echo '--quick: too short to quote'
line figure median 'quartiles, min, runs' bar ''
for name in "${chosen[@]}"; do
	"row_$name" && continue
	failed=$((failed + 1))
	line "$name" - 'not measured' '' ''
done
echo "$met of $bars bars met; load average now $(load)"
[ $failed = 0 ] && { [ $check = 0 ] || [ "$met" = "$bars" ]; }
