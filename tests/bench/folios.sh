#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# folios.sh [--quick] - what a stream gets from each read_ahead_kb while the cache still holds pages that
# were read at random through a mapping; `make bench BENCH=folios` runs it.
#
# ext4 on a direct-I/O loop device over zram, the reader in a memory cgroup of its own, as `fast` of
# tests/effect. One process, one descriptor, one mapping of it. A round has these series of streams, each at
# several values, in another order in each round. "fresh" streams have nothing of the file in the cache
# at first; before each of the others PAGES_MS of random pages are read of the mapping, at 16 KB. Medians of
# ROUNDS with least and most. What is counted are folios of this file that enter the page cache by this
# process (tests/bench/folios.bpf.c).
#
#   after         the case in question
#   others        the pages were of a part of the file that is not streamed: the group is as full of
#                 mapped pages, but none is where the stream comes by
#   unmapped      the mapping is gone when the stream begins, the pages stay in the cache
#   dropped       mapping and pages are gone; the group keeps its limit
#
# "fresh" and "after" once more in a group of 1 GB and in one without a limit: a single lap of 2560 MB from
# an empty cache, because the next one would find there what was read before.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$TOP" || exit 1

ROUNDS=${ROUNDS:-3} LAPS=${LAPS:-2} PAGES_MS=${PAGES_MS:-3000}
VALUES=${VALUES:-16 128 256 512 1024 2560}
case ${1-} in
--quick) ROUNDS=1 LAPS=1 PAGES_MS=1000 ;;
'') ;;
*)
	echo 'usage: folios.sh [--quick]' >&2
	exit 2
	;;
esac

need awk mkfs.ext4
[ -x build/bench/folios ] || die 'not built: make bench-build'
[ -e /sys/class/zram-control/hot_add ] || skip_all 'this kernel has no zram'

# A memory cgroup of either version; sets GROUP.
find_group() {
	local root
	for root in /sys/fs/cgroup /sys/fs/cgroup/unified; do
		if grep -qw memory "$root/cgroup.controllers" 2>/dev/null &&
			write_to "$root/cgroup.subtree_control" +memory; then
			GROUP=$root/bpfahead-folios-$$
			return 0
		fi
	done
	GROUP=/sys/fs/cgroup/memory/bpfahead-folios-$$
	[ -f /sys/fs/cgroup/memory/memory.limit_in_bytes ]
}
find_group || skip_all 'no cgroup here limits memory'
mkdir "$GROUP" || die "mkdir $GROUP"
cgroups+=("$GROUP")

# limit_memory MB, or none
limit_memory() {
	if [ -f "$GROUP/memory.max" ]; then
		wait_for 5 write_to "$GROUP/memory.max" "${1/none/max}"
	else
		wait_for 5 write_to "$GROUP/memory.limit_in_bytes" "${1/none/-1}"
	fi || die "$GROUP: no limit of $1"
}

half_mb=2560
make_zram $((2 * half_mb + 256))
attach_loop "$ZRAM" --sector-size 4096
make_fs "$LOOP" ext4
fill_file "$MNT/big" $((2 * half_mb))

# series LAPS NAME ROUND KB...: its steps. Odd rounds go backwards, and each begins elsewhere.
series() {
	local laps=$1 name=$2 round=$3 i n
	shift 3
	echo drop
	for ((i = 0; i < $#; i++)); do
		n=$(((i + 2 * round) % $#))
		((round % 2 == 0)) || n=$(($# - 1 - n))
		if [ "$name" = fresh ]; then
			echo drop
		else
			echo "-$name:${pages_of[$name]:-pages}:16:$PAGES_MS"
		fi
		case $name in
		unmapped) echo unmap ;;
		dropped) echo drop ;;
		esac
		echo "$name:stream:${*:n+1:1}:$laps"
	done
}
declare -A pages_of=([others]=others)

# run_rounds LIMIT LAPS SERIES...: "NAME KB..." each, all in one process; appends to $T/phases.
run_rounds() {
	local limit=$1 laps=$2 round one steps
	shift 2
	limit_memory "$limit"
	# Before all, a lap for the memory that the host has taken back.
	steps=(-warm:stream:128:1)
	for ((round = 0; round < ROUNDS; round++)); do
		for one; do
			# shellcheck disable=SC2086 # words
			mapfile -t -O ${#steps[@]} steps < <(series "$laps" ${one%% *} "$round" ${one#* })
		done
	done
	"${in_cgroup[@]}" "$GROUP" build/bench/folios "$MNT/big" "$KB_FILE" "$GROUP" \
		"${steps[@]}" >"$T/out" || die 'the reader failed'
	sed "s/^/$limit /" "$T/out" >>"$T/phases"
}

echo "bpfahead $(git describe --tags --always --dirty 2>/dev/null), $(date -u '+%F %R') UTC," \
	"Linux $(uname -r), $(nproc) CPUs, load average $(cut -d ' ' -f 1 /proc/loadavg)," \
	"$ROUNDS rounds, $LAPS laps, pages for $PAGES_MS ms"
run_rounds 96M "$LAPS" "fresh $VALUES" "after $VALUES" 'others 16 2560' 'unmapped 16 2560' 'dropped 16 2560'
for limit in 1024M none; do
	run_rounds $limit 1 'fresh 16 2560' 'after 16' 'after 2560'
done

# A line per limit, phase and value, in the order of the first round.
awk '
	function of(what, key, n, a, b, t, v) {
		n = count[key]
		for (a = 1; a <= n; a++) v[a] = value[key, what, a]
		for (a = 2; a <= n; a++)
			for (b = a; b > 1 && v[b] < v[b - 1]; b--) { t = v[b]; v[b] = v[b - 1]; v[b - 1] = t }
		least = v[1]; most = v[n]
		return v[int((n + 1) / 2)]
	}
	# The median over rounds of the share of one number in another, in per cent.
	function share(part, all, key, i) {
		if (value[key, all, 1] == "-") return "-"
		for (i = 1; i <= count[key]; i++)
			value[key, "share", i] = value[key, all, i] > 0 ? 100 * value[key, part, i] / value[key, all, i] : 0
		# A window that fell back at the end of the phase before is told from its successor on.
		return (i = of("share", key)) < 100 ? i : 100
	}
	# Nothing to show where the kernel has no such tracepoints.
	function whole(x, unit) { return x == "-" ? x : sprintf("%.0f", x) unit }
	$2 ~ /^-/ { next }
	{
		key = $1 " " $2 " " $3
		if (!(key in count)) order[++keys] = key
		count[key]++
		for (i = 4; i <= NF; i++) value[key, i, count[key]] = $i
	}
	END {
		format = "%-6s %-9s %5s %6s %13s %10s %8s %12s %10s %10s %11s %10s %10s\n"
		printf format, "limit", "phase", "KB", "GB/s", "least..most", "order 0/s", "order>=2",
			"limit met/s", "windows/s", "fell back", "page there", "uncharged", "active MB"
		for (k = 1; k <= keys; k++) {
			key = order[k]
			split(key, name, " ")
			rate = sprintf("%.2f", of(4, key))
			range = sprintf("%.2f..%.2f", least, most)
			printf format, name[1], name[2], name[3], rate, range, whole(of(5, key), ""),
				whole(share(7, 6, key), " %"), whole(of(8, key), ""), whole(of(9, key), ""),
				whole(share(10, 9, key), " %"), whole(share(11, 10, key), " %"),
				whole(share(12, 10, key), " %"), whole(of(13, key), "")
		}
	}' "$T/phases"
echo "load average now $(cut -d ' ' -f 1 /proc/loadavg)"
