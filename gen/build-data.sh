#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build-data.sh RECORDING [DIRECTORY] - from a recording directory of `bpfahead-gen capture` to the
# checked-in data, weights/data unless DIRECTORY says otherwise:
#
#   default.csv.gz   reads through the page cache: what default.bin and block.bin are trained on
#   hidden.csv.gz    mmap of whose objects and runs the present readahead hides all: see below
#   classic5.csv.gz  the runs of record of the classic protocol, O_DIRECT
#   metadata.csv.gz  a line per run
#
# older.csv.gz is the default.csv.gz of two recordings in guests with older kernels (weights/default.md).
#
# An mmap read-around begins half its size before the page at fault and has its marker three
# quarters in (do_sync_mmap_readahead(), mm/filemap.c): a quarter of the readahead behind that
# page. Whoever touches less never meets the marker, and the pages that have been read raise no
# further fault that a hook of the readahead layer could see: objects and runs of up to a quarter
# of the readahead give the very events of single pages. Which runs those are follows from the
# workload and the setting alone.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
gen=${BPFAHEAD_GEN:-$top/build/bpfahead-gen}
recording=${1:?"usage: build-data.sh RECORDING [DIRECTORY]"}
out=${2:-$top/weights/data}

touched_kb() { # WORKLOAD: what is touched at a time, if by mmap and not to the end of the file
	case $1 in
	mmaprand16k) echo 16 ;;
	mmaprand32k) echo 32 ;;
	mmaprand64k | mmapjobs4rand64k) echo 64 ;;
	mmapscan128k) echo 128 ;;
	mmapscan256k) echo 256 ;;
	mmapscan512k) echo 512 ;;
	esac
}

seen=() hidden=() classic=()
for file in "$recording"/*.*.*.csv; do
	IFS=. read -r _ workload setting _ <<<"${file##*/}"
	kb=$(touched_kb "$workload")
	case $workload in
	direct-*) classic+=("$file") ;;
	*) if [[ $kb ]] && ((kb * 4 <= setting)); then hidden+=("$file"); else seen+=("$file"); fi ;;
	esac
done
[ ${#seen[@]} = 0 ] || "$gen" dataset "${seen[@]}" -o "$out/default.csv.gz"
[ ${#hidden[@]} = 0 ] || "$gen" dataset "${hidden[@]}" -o "$out/hidden.csv.gz"
[ ${#classic[@]} = 0 ] || "$gen" dataset "${classic[@]}" -o "$out/classic5.csv.gz"
"$gen" dataset "$recording" --metadata-out "$out/metadata.csv.gz" >/dev/null
