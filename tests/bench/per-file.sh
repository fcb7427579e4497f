#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# per-file.sh - what values per file are worth: loads that share a disk, under each static value,
# under bpfahead without and with per-file; and loads that have the disk to themselves, which must
# lose nothing. A loop device of its own, throttled; both sides' throughput, medians of REPEATS (3)
# and their range. Each run: WARM (7) seconds, in which bpfahead decides, then SECONDS_RUN (8) that
# count. A+B: both begin at once, and have their files open before anything is decided. A-then-B: B
# begins when A has run for WARM, and opens its file with what has been decided for A.
#
# Ways: a number of KB; bpfahead off, on; the same with a row of the policy for scans that fits the
# device (+knee). WAYS names others.
#
#   per-file.sh [ROW]...    rows: PROFILE:LOAD, e.g. cloud:scan+pages (all without arguments)
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$TOP" || exit 1
need fio jq dd

REPEATS=${REPEATS:-3} WARM=${WARM:-7} SECONDS_RUN=${SECONDS_RUN:-8}
STATICS=${STATICS:-16 128 256 1024 4096}
declare -A rates=([cloud]='125000000 3000' [hdd]='150000000 120')
# What scans want of such a device, as `bpfahead calibrate` finds it: bandwidth / IOPS and some more.
declare -A knee=([cloud]=64 [hdd]=2048)
ROWS=("$@")
[ ${#ROWS[@]} -gt 0 ] || ROWS=({cloud,hdd}:{pages-then-scan,scan+pages,scan+objects,scan+reads,scan,pages})

make_loop 11600
make_fs "$LOOP" ext4
fill_file "$MNT/scan" 3072
fill_file "$MNT/random" 8192 # so large that no static value brings much of it into the cache
HOST_KB=$(read_kb)

# fio_args LOAD: the arguments of one side.
fio_args() {
	case $1 in
	scan) echo "--filename=$MNT/scan --ioengine=psync --rw=read --bs=128k" ;;
	pages) echo "--filename=$MNT/random --ioengine=mmap --rw=randread --bs=4k" ;;
	objects) echo "--filename=$MNT/random --ioengine=mmap --rw=randread --bs=16k" ;;
	reads) echo "--filename=$MNT/random --ioengine=psync --rw=randread --bs=4k --numjobs=4 --group_reporting" ;;
	esac
}

# run_loads LOADS: sets RESULT, reads a second of each side.
run_loads() {
	local side sides children=() i=0 warm=$WARM late=0
	case $1 in *-then-*) warm=$((2 * WARM)) late=$WARM ;; esac
	read -ra sides <<<"${1//[+]/ }"
	read -ra sides <<<"${sides[*]//-then-/ }"
	forget "$MNT/scan"
	forget "$MNT/random"
	for side in "${sides[@]}"; do
		# shellcheck disable=SC2046 # words are wanted
		"${in_cgroup[@]}" "$CGROUP" fio --name="$side" --fadvise_hint=0 --invalidate=0 --thread \
			--time_based --norandommap --randrepeat=0 --ramp_time="$warm" \
			--runtime="$SECONDS_RUN" --output-format=json $(fio_args "$side") \
			>"$T/fio-$i.json" 2>"$T/fio-$i.err" &
		children+=($!)
		pids+=($!)
		i=$((i + 1))
		nap "$late"
		warm=$WARM late=0
	done
	wait "${children[@]}" || die "fio: $(cat "$T"/fio-*.err)"
	RESULT=
	for ((i = 0; i < ${#children[@]}; i++)); do
		RESULT+=" $(jq -r '.jobs[0].read.iops' "$T/fio-$i.json")"
	done
}

# cell ROW LOADS WAY: one run; appends to $T/cells.
cell() {
	case $3 in
	off* | on*)
		set_kb "$HOST_KB"
		start_run
		"$BPFAHEAD" config open-files=on per-file="${3%+*}" guard=off probe=off >/dev/null || die 'config'
		[[ $3 != *+knee ]] || "$BPFAHEAD" config policy.sequential.clamp=none \
			policy.sequential="${knee[${1%%:*}]}" >/dev/null || die 'config'
		;;
	*) set_kb "$3" ;;
	esac
	run_loads "$2"
	case $3 in
	off* | on*)
		stop_run TERM
		[ -z "${VERBOSE:-}" ] || diag "$(cat "$T/run.log")"
		;;
	esac
	echo "$1 $3$RESULT" >>"$T/cells"
	diag "$1 $3$RESULT (load $(cut -d' ' -f1 /proc/loadavg))"
}

: >"$T/cells"
for row in "${ROWS[@]}"; do
	loads=${row#*:}
	# shellcheck disable=SC2086 # two numbers
	throttle ${rates[${row%%:*}]} || die 'no cgroup here limits the rate of block reads'
	ways="$HOST_KB $STATICS off on off+knee on+knee"
	[[ $loads == *+* || $loads == *-then-* ]] || ways='off on'
	ways=${WAYS:-$ways}
	for ((repeat = 0; repeat < REPEATS; repeat++)); do
		for way in $ways; do cell "$row" "$loads" "$way"; done
	done
done

# Medians and ranges, a line per row and way.
awk -v repeats="$REPEATS" '
	{
		key = $1 "\t" $2
		if (!(key in n)) order[++keys] = key
		n[key]++
		for (i = 3; i <= NF; i++) value[key, i, n[key]] = $i
		sides[key] = NF - 2
	}
	END {
		print "row\tway\tsides: reads/s, median (least..most)"
		for (k = 1; k <= keys; k++) {
			key = order[k]
			line = key
			for (i = 3; i < 3 + sides[key]; i++) {
				m = n[key]
				for (a = 1; a <= m; a++) v[a] = value[key, i, a]
				for (a = 2; a <= m; a++)
					for (b = a; b > 1 && v[b] < v[b - 1]; b--) { t = v[b]; v[b] = v[b - 1]; v[b - 1] = t }
				line = line sprintf("\t%.1f (%.1f..%.1f)", v[int((m + 1) / 2)], v[1], v[m])
			}
			print line
		}
	}' "$T/cells"
