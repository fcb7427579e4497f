#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# attached.sh [NAME@KB]... - what programs lose while the hooks are attached and nothing is written, on a
# disk as fast as memory: the disk, the programs and their memory are those of the profile `fast`
# (tests/effect). Each program runs once, and the hooks come and go meanwhile (attached.c), so that
# neither a fresh mount nor what the machine does from minute to minute tells them apart.
# It takes the readahead tracepoints of Linux 6.18. NAME is a row of tests/effect/workloads by fio or
# db_bench. MS is the length of a slice; ROUNDS have four of them: nothing twice, empty programs, ours.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cd "$TOP" || exit 1
[ -x build/bench/attached ] || die 'not built: make bench-build'
ms=${MS:-500} rounds=${ROUNDS:-40} warm_s=2

need fio db_bench bpftool xxd
[ $# -gt 0 ] || set -- {seq128k,rand4k,mmapseq4k,mmaprand4k}@{2560,128} rocks-readrandom@2560
[ "$(</proc/sys/kernel/bpf_stats_enabled)" = 0 ] || die 'kernel.bpf_stats_enabled is not 0'

make_zram 6144
attach_loop "$ZRAM" --sector-size 4096
make_fs "$LOOP" ext4
fill_file "$MNT/big" 2560
mkdir "$MNT/rocksdb"
[[ " $*" != *' rocks-'* ]] ||
	db_bench --db="$MNT/rocksdb" --benchmarks=fillseq --num=2400000 --value_size=400 --compression_type=none \
		--compression_ratio=0.1 --disable_wal=1 --seed=1 >"$T/rocksdb.log" 2>&1 || die "db_bench: $(tail -1 "$T/rocksdb.log")"
throttle 4000000000000 4000000000 || die 'no cgroup here limits the rate of block reads'
memory=/sys/fs/cgroup/memory/bpfahead-attached-$$
limit=$memory/memory.limit_in_bytes
if [ -f "$CGROUP/io.max" ]; then
	memory=$CGROUP limit=$CGROUP/memory.max
else
	mkdir "$memory" || die "mkdir $memory"
	cgroups+=("$memory")
fi
# shellcheck disable=SC2016 # for the inner shell
in_lane=(bash -c 'echo $$ >"$0/cgroup.procs" && echo $$ >"$1/cgroup.procs" && shift && exec "$@"' "$CGROUP" "$memory")

# As tests/effect/run.sh: CPUs that sleep are woken by their host.
exec {awake}>/dev/cpu_dma_latency && printf '\0\0\0\0' >&"$awake"

load_listed "$BDI" || die 'bpfahead load'
"$BPFAHEAD" config mode=recommend >/dev/null || die 'bpfahead config'
start_helper || die "bpfaheadd: $(tail -1 "$T/run.err")"

start_program() { # PROGRAM OPTION...
	local program=$1
	shift
	case $program in
	fio)
		(cd "$MNT" && exec "${in_lane[@]}" fio --name=1 --ioengine=psync --thread --time_based --runtime=3600 \
			--fadvise_hint=0 --invalidate=0 --norandommap --randrepeat=0 --rw_sequencer=sequential \
			--allow_file_create=0 --readonly "${@/#/--}") >"$T/said" 2>&1 &
		;;
	rocksdb)
		local benchmark=$1
		shift
		"${in_lane[@]}" db_bench --db="$MNT/rocksdb" --use_existing_db=true --benchmarks="$benchmark" \
			--num=2400000 --value_size=400 --compression_type=none --duration=3600 \
			--cache_size=8388608 "$@" >"$T/said" 2>&1 &
		;;
	*) die "no way to run $program" ;;
	esac
	pids+=("$!")
	PROGRAM=$!
}

# report NAME: of figures "KEY n min q1 median q3 max low high".
report() {
	awk -v which="$1" '
		{ median[$1] = $5; spread[$1] = sprintf("(%.3f..%.3f; 95 %% %.3f..%.3f)", $4, $6, $8, $9) }
		function row(key, text) {
			printf "  %-28s %.3f %s, by CPU time %.3f %s\n", text, median[key], spread[key],
				median[key "_cpu"], spread[key "_cpu"]
		}
		END {
			printf "%s: %.0f MB/s; the programs take %.2f %% of a CPU above empty ones\n", which,
				median["attached_mbps"], 100 * median["attached_share"]
			row("attached_same", "nothing / nothing")
			row("attached_empty", "empty programs / nothing")
			row("attached_ours", "attached / nothing")
			n = split("block_bio_queue ra_sync ra_async ra_order", names, " ")
			for (i = 1; i <= n; i++)
				printf "  %-28s %.0f a second, %.0f ns, the empty program %.0f\n", names[i],
					median[names[i] "_per_second"], median[names[i] "_ns"],
					median[names[i] "_empty_ns"]
		}'
}

for which; do
	read -r _ _ program mb words < <(grep "^${which%@*} " tests/effect/workloads) || die "no workload ${which%@*}"
	set_kb "${which#*@}"
	echo "${mb}M" >"$limit" || die "$limit"
	umount "$MNT" || die "$MNT is busy"
	mount -o noatime "$LOOP" "$MNT" || die "mount $LOOP"
	read -ra words <<<"$words"
	start_program "$program" "${words[@]}"
	nap $warm_s
	build/bench/attached "$BPFAHEAD_PIN_DIR" "$NAME" "$PROGRAM" "$ms" "$rounds" >"$T/figures" ||
		die "$which: no figures: $(tail -1 "$T/said")"
	stop_pid "$PROGRAM"
	kb_is "${which#*@}" || die "$which: the value did not stay"
	report "$which" <"$T/figures"
done
