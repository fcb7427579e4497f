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
	static_s=6 static_warm_s=2 own_s=30 day_s=40
else
	static_s=15 static_warm_s=3 own_s=60 day_s=120
fi
static_s=${STATIC_SECONDS:-$static_s} static_warm_s=${STATIC_WARM_SECONDS:-$static_warm_s}
own_s=${BPFAHEAD_SECONDS:-$own_s} day_s=${DAY_SECONDS:-$day_s}

# The phases of the day shift.
day='seq128k mmaprand4k scan256k files64k seq128k'

# times COLUMN: seconds of warm-up, and measured.
times() {
	case $1 in
	bpfahead*) echo "0 $own_s" ;;
	*) echo "$static_warm_s $static_s" ;;
	esac
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

# command_hash PROFILE WORKLOAD-LINE
command_hash() { sha256sum <<<"${limits[$1]} $2" | cut -c 1-10; }

# cell_key PROFILE LINE COLUMN REPEAT: the fields of its line up to the seconds.
cell_key() {
	local build=- warm seconds
	case $3 in bpfahead*) build=$BUILD_HASH ;; esac
	read -r warm seconds < <(times "$3")
	echo "$(uname -r),$1,${2%% *},$(command_hash "$1" "$2"),$3,$build,$4,$warm,$seconds,"
}

# day_key PROFILE PHASE LINE COLUMN REPEAT
day_key() {
	echo "$(uname -r),$1,day.$2.${3%% *},$(command_hash "$1" "$3"),$4,$BUILD_HASH,$5,0,$day_s,"
}
day_lines() {
	local name
	for name in $day; do WORKLOADS=$name workload_lines; done
}

# One file that stays open, read in these patterns for so many seconds each: a line per change, whose
# rate is the seconds until the file has the new value.
react_s=8
react='sequential mmap-random runs-256k sequential runs-64k mmap-random sequential runs-256k mmap-random
	sequential mmap-random runs-256k sequential runs-64k mmap-random sequential runs-256k mmap-random
	sequential mmap-random sequential'
# react_key PROFILE COLUMN CHANGE
react_key() {
	echo "$(uname -r),$1,react,$(command_hash "$1" "react $react_s $react"),$2,$BUILD_HASH,$3,0,$react_s,"
}

# columns_of NAME: one row has a bar against a default of newer kernels, too.
columns_of() {
	echo "$columns"
	[ "$1" != mmaprand4k ] || [ -n "${COLUMNS_WANTED-}" ] || echo 8192
}

workload_lines() {
	local line glob name globs
	read -ra globs <<<"${WORKLOADS:-*}"
	while read -r line; do
		[[ $line && $line != \#* ]] || continue
		name=${line%% *}
		for glob in "${globs[@]}"; do
			# shellcheck disable=SC2053 # a pattern it is
			[[ $name == $glob ]] || continue
			printf '%s\n' "$line"
			break
		done
	done <"$table"
}
