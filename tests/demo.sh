#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# demo.sh - what bpfahead decides, and what it is worth, on a disk of its own:
# a loop device limited to the rate of a small cloud disk. First with the
# readahead that the host gives it, then with bpfahead at work. Nothing else on
# the host is touched.
#
# DEMO_BPS and DEMO_IOPS set the limits, DEMO_SECONDS the length of a phase, DEMO_MB the size of the
# file: large enough that what is read in excess is not what is wanted next.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

bps=${DEMO_BPS:-125000000} iops=${DEMO_IOPS:-3000} seconds=${DEMO_SECONDS:-12} mb=${DEMO_MB:-3072}
segment=3 # the load opens its file anew this often: an open file keeps the readahead it began with
patterns=(sequential mmap-random runs-64k runs-256k) # the last two are mixed: short runs, then a jump
declare -A device_mb app_mb kb_at_end

stop() {
	echo "demo: $*" >&2
	exit 1
}
skip_all() { stop "$1"; }
die() { stop "$1"; }

need fio jq dd
printf 'A loop device with ext4 and a file of %d MB, limited to %d MB/s and %d reads a second.\n' \
	"$mb" $((bps / 1000000)) "$iops"
make_loop $((mb + 128 + mb / 32))
make_fs "$LOOP" ext4
fill_file "$MNT/data" "$mb"
need_throttle "$bps" "$iops"
host_default=$(read_kb)

sectors_read() {
	local fields
	read -ra fields <"/sys/block/$NAME/stat"
	echo "${fields[2]}"
}

# measure WHO PATTERN: megabytes that the load got and that the disk gave for it.
measure() {
	local key=$1.$2 pattern=$2 args before kb_sum=0 n kb_read
	mapfile -t args < <(load_args "$pattern" "$MNT/data")
	before=$(sectors_read)
	for ((n = 0; n < seconds; n += segment)); do
		"${in_cgroup[@]}" "$CGROUP" fio "${args[@]}" --runtime=$segment >"$T/fio.log" 2>&1 ||
			die "fio: $(tail -1 "$T/fio.log")"
		kb_read=$(grep '^3;' "$T/fio.log" | cut -d';' -f6)
		kb_sum=$((kb_sum + kb_read))
	done
	app_mb[$key]=$(awk -v k=$kb_sum 'BEGIN { printf("%.1f", k / 1024) }')
	device_mb[$key]=$(awk -v s=$(($(sectors_read) - before)) 'BEGIN { printf("%.1f", s / 2048) }')
	kb_at_end[$key]=$(read_kb)
}

printf '\nThe host gives it read_ahead_kb = %d. Phases of %d s with that:\n' "$host_default" "$seconds"
for pattern in "${patterns[@]}"; do
	echo "  $pattern"
	measure host "$pattern"
done

printf '\nThe same with "bpfahead run --device %s":\n' "$NAME"
start_run
tail -n +1 -f --pid="$RUN_PID" "$T/run.log" 2>/dev/null |
	sed -u -E 's/(margin [-0-9.]+).*/\1/; s/^/      /' &
for pattern in "${patterns[@]}"; do
	echo "  $pattern"
	measure bpfahead "$pattern"
done
stop_run TERM
nap 0.3
echo "  stopped: read_ahead_kb is $(read_kb) again"

printf '\n%-12s  %28s  %28s  %s\n' '' "host's default" 'bpfahead' ''
printf '%-12s  %7s %9s %10s  %7s %9s %10s  %s\n' load 'KB' 'MB/s' 'disk/app' 'KB' 'MB/s' 'disk/app' gain
for pattern in "${patterns[@]}"; do
	h=host.$pattern b=bpfahead.$pattern
	awk -v p="$pattern" -v s="$seconds" -v hk="${kb_at_end[$h]}" -v ha="${app_mb[$h]}" \
		-v hd="${device_mb[$h]}" -v bk="${kb_at_end[$b]}" -v ba="${app_mb[$b]}" \
		-v bd="${device_mb[$b]}" 'BEGIN {
		printf("%-12s  %7d %9.1f %10.2f  %7d %9.1f %10.2f  %.2fx\n", p, hk, ha / s,
			ha ? hd / ha : 0, bk, ba / s, ba ? bd / ba : 0, ha ? ba / ha : 0) }'
done
cat <<TEXT

MB/s is what the load got over the whole phase, the time until the decision included; disk/app is
read amplification, bytes read from the disk for each byte that the load asked for.
TEXT
