#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The recording protocol behind weights/data: every workload of the table below, at several
# read_ahead_kb, on devices of several speeds, classified by nobody but the table itself.
#
# One loop device per profile, each with an ext4 of its own, all throttled by the block
# controller. The devices run the same workload at the same time, and one `bpfahead record`
# writes the windows of all of them; the file is then split into one run per device,
# DIR/PROFILE.WORKLOAD.SETTING.csv. Runs that are already there are skipped, so an interrupted
# recording goes on where it stopped. Windows that began before the workload did are left out.
#
# Needs root. Changes no device but its own; everything goes away when the script ends.
set -euo pipefail

# --- what is recorded: WORKLOAD LABEL FIO-OPTIONS ------------------------------------------
# "big" is one large file, s.0 to s.7 are eight smaller ones. A label says what readahead
# should do, and was fixed before anything was trained:
#   sequential  runs of 1 MB and more, or whole files, however many streams are interleaved
#   random      no stream longer than 64 KB, wherever it starts; strides and reverse reads too
#   mixed       runs of 64 KB to 1 MB by read(2) between jumps, or of 512 KB by mmap; or
#               streams and random readers at the same time
workloads() {
	cat <<-'TABLE'
	seq4k          sequential --name=a --filename=big --rw=read --bs=4k
	seq128k        sequential --name=a --filename=big --rw=read --bs=128k
	seq1m          sequential --name=a --filename=big --rw=read --bs=1m
	inter8x16k     sequential --name=a --filename=s.0:s.1:s.2:s.3:s.4:s.5:s.6:s.7 --file_service_type=roundrobin:1 --rw=read --bs=16k
	jobs8x128k     sequential --name=a --filename=big --numjobs=8 --rw=read --bs=128k --size=12% --offset_increment=12%
	jobs32x64k     sequential --name=a --filename=big --numjobs=32 --rw=read --bs=64k --size=3% --offset_increment=3%
	mmapseq4k      sequential --name=a --filename=big --ioengine=mmap --size=@MMAP@ --rw=read --bs=4k
	mmapjobs4x4k   sequential --name=a --filename=big --ioengine=mmap --numjobs=4 --rw=read --bs=4k --size=24% --offset_increment=24%
	files1m        sequential --name=a --directory=@DIR@/files1m --nrfiles=512 --filesize=1m --openfiles=1 --file_service_type=sequential --rw=read --bs=64k
	rand4k         random     --name=a --filename=big --rw=randread --bs=4k
	rand16k        random     --name=a --filename=big --rw=randread --bs=16k
	rand64k        random     --name=a --filename=big --rw=randread --bs=64k
	jobs8rand4k    random     --name=a --filename=big --numjobs=8 --rw=randread --bs=4k
	randsizes      random     --name=a --filename=big --rw=randread --bssplit=4k/40:8k/20:16k/20:64k/20
	mmaprand4k     random     --name=a --filename=big --ioengine=mmap --size=@MMAP@ --rw=randread --bs=4k
	mmaprand16k    random     --name=a --filename=big --ioengine=mmap --size=@MMAP@ --rw=randread --bs=16k
	mmaprand64k    random     --name=a --filename=big --ioengine=mmap --size=@MMAP@ --rw=randread --bs=64k
	mmapfill4k     random     --name=a --filename=big --ioengine=mmap --size=256m --rw=randread --bs=4k
	randfill4k     random     --name=a --filename=big --size=64m --rw=randread --bs=4k
	mmapjobs4rand  random     --name=a --filename=big --ioengine=mmap --size=@MMAP@ --numjobs=4 --rw=randread --bs=4k
	reverse4k      random     --name=a --filename=big --rw=read:-8k --bs=4k
	stride64k      random     --name=a --filename=big --rw=read:60k --bs=4k
	scan64k        mixed      --name=a --filename=big --rw=randread:16 --bs=4k
	scan256k       mixed      --name=a --filename=big --rw=randread:16 --bs=16k
	scan512k       mixed      --name=a --filename=big --rw=randread:16 --bs=32k
	scan1m         mixed      --name=a --filename=big --rw=randread:16 --bs=64k
	jobs4scan128k  mixed      --name=a --filename=big --numjobs=4 --rw=randread:32 --bs=4k
	mmapscan512k   mixed      --name=a --filename=big --ioengine=mmap --size=@MMAP@ --rw=randread:128 --bs=4k
	both1and1      mixed      --name=a --filename=s.0 --rw=read --bs=128k --name=b --filename=big --rw=randread --bs=4k
	both1and4      mixed      --name=a --filename=big --offset=50% --rw=read --bs=128k --name=b --filename=big --size=50% --numjobs=4 --rw=randread --bs=4k
	both2and2      mixed      --name=a --filename=big --offset=50% --numjobs=2 --offset_increment=25% --size=25% --rw=read --bs=64k --name=b --filename=big --size=50% --numjobs=2 --rw=randread --bs=16k
	bothmmaprand   mixed      --name=a --filename=big --offset=50% --rw=read --bs=64k --name=b --filename=big --size=25% --ioengine=mmap --rw=randread --bs=4k
	TABLE
}

# PROFILE READ-IOPS READ-BYTES-PER-SECOND SIZE-OF-BIG-IN-MB SIZE-OF-S.*-IN-MB
profiles() {
	cat <<-'TABLE'
	cloud 3000  125000000 1024 128
	hdd   120   150000000 1024 128
	fast  20000 400000000 2560 384
	TABLE
}

settings="16 64 128 256 2560 8192"
seconds=6
dir=
bpfahead=$(dirname "$0")/../build/bpfahead
only=
mmap_mb=960 # fio maps a file at once only up to 1 GB

usage() {
	cat <<-EOF
	Usage: $0 --dir DIR [--seconds N] [--settings "KB..."] [--only WORKLOAD,...] [--bpfahead FILE]
	Records labelled windows into DIR, one CSV file per run.
	EOF
}

die() {
	printf '%s: %s\n' "${0##*/}" "$1" >&2
	exit 1
}

while (($#)); do
	case $1 in
	--dir) dir=${2:?} ;;
	--seconds) seconds=${2:?} ;;
	--settings) settings=${2:?} ;;
	--only) only=${2:?} ;;
	--bpfahead) bpfahead=${2:?} ;;
	--help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift 2
done
[[ $dir ]] || { usage >&2; exit 2; }
((EUID == 0)) || die "root is needed: loop devices, cgroup and BPF"
for tool in fio losetup mkfs.ext4 awk; do
	command -v "$tool" >/dev/null || die "$tool is not installed"
done
[[ -x $bpfahead ]] || die "$bpfahead is not built"
mkdir -p "$dir"

work=$(mktemp -d "${TMPDIR:-/tmp}/bpfahead-record.XXXXXX")
pins=/sys/fs/bpf/bpfahead-record-$$ # bpffs takes no dot
cgroup=
runner=
declare -A loop number

cleanup() {
	trap - EXIT INT TERM
	[[ -z $runner ]] || { kill -TERM "$runner" && wait "$runner"; } 2>/dev/null || true
	local profile
	for profile in "${!loop[@]}"; do
		mountpoint -q "$work/$profile" && umount "$work/$profile"
		losetup -d "${loop[$profile]}"
	done
	[[ -z $cgroup ]] || rmdir "$cgroup" || true
	[[ ! -d $pins ]] || rmdir "$pins" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- devices -------------------------------------------------------------------------------

make_cgroup() {
	local name=bpfahead-record.$$
	if [[ -d /sys/fs/cgroup/blkio ]]; then
		cgroup=/sys/fs/cgroup/blkio/$name
		mkdir "$cgroup"
	elif [[ -f /sys/fs/cgroup/cgroup.subtree_control ]]; then
		echo +io >/sys/fs/cgroup/cgroup.subtree_control
		cgroup=/sys/fs/cgroup/$name
		mkdir "$cgroup"
	else
		die "no block controller in /sys/fs/cgroup"
	fi
}

throttle() { # DEVICE-NUMBER IOPS BYTES
	if [[ -f $cgroup/io.max ]]; then
		echo "$1 riops=$2 rbps=$3" >"$cgroup/io.max"
	else
		echo "$1 $2" >"$cgroup/blkio.throttle.read_iops_device"
		echo "$1 $3" >"$cgroup/blkio.throttle.read_bps_device"
	fi
}

fill() { # FILE MB
	# Real data, not holes: a hole is read without any I/O.
	dd if=/dev/zero of="$1" bs=1M count="$2" conv=fsync status=none
}

make_device() { # PROFILE IOPS BYTES BIG-MB SMALL-MB
	local image=$work/$1.img mount=$work/$1 i
	truncate -s $((($4 + 8 * $5 + 1100) * 1048576)) "$image"
	loop[$1]=$(losetup --find --show --direct-io=on "$image")
	number[$1]=$(<"/sys/class/block/${loop[$1]#/dev/}/dev")
	mkfs.ext4 -q -m 0 -E lazy_itable_init=0,lazy_journal_init=0 "${loop[$1]}"
	mkdir "$mount"
	mount -o noatime "${loop[$1]}" "$mount"
	fill "$mount/big" "$4"
	for i in {0..7}; do
		fill "$mount/s.$i" "$5"
	done
	mkdir "$mount/files1m"
	fio --name=a --directory="$mount/files1m" --nrfiles=512 --filesize=1m --rw=read --bs=1m \
		--create_only=1 >/dev/null
	sync -f "$mount"
	throttle "${number[$1]}" "$2" "$3"
}

forget_cache() { # MOUNT
	local file
	for file in "$1"/big "$1"/s.?; do
		dd of="$file" oflag=nocache conv=notrunc,fdatasync count=0 status=none
	done
}

# --- one batch: all profiles, one workload, one setting ------------------------------------

run_fio() { # PROFILE FIO-OPTIONS...
	local profile=$1
	shift
	local options=("${@//@DIR@/$work/$profile}")
	options=("${options[@]//@MMAP@/${mmap_mb}m}")
	# The shell, and so fio, lives in the throttled group.
	bash -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' throttled "$cgroup" \
		fio --directory="$work/$profile" --time_based --runtime=$((seconds + 1)) \
		--ioengine=psync --fadvise_hint=0 --invalidate=1 --allow_file_create=0 \
		--group_reporting --output=/dev/null "${options[@]}"
}

split_batch() { # BATCH WORKLOAD SETTING START-NS
	local profile
	for profile in "${!loop[@]}"; do
		awk -F, -v kb="$3" -v start="$4" -v number="${number[$profile]}" \
			-v name="${loop[$profile]#/dev/}" '
			NR == 1 {
				for (i = 1; i <= NF; i++)
					column[$i] = i
				print
				next
			}
			{
				device = $column["device"]
				sub(/ .*/, "", device)
			}
			device != number && device != name { next }
			$column["time_ns"] - $column["span_ns"] < start { next }
			{ print; rows++ }
			END { exit !rows }' "$1" >"$work/cell.csv" || {
			printf '\n%s: no windows\n' "$profile.$2.$3" >&2
			continue
		}
		mv "$work/cell.csv" "$dir/$profile.$2.$3.csv"
	done
}

batch() { # WORKLOAD LABEL SETTING FIO-OPTIONS...
	local workload=$1 label=$2 setting=$3 profile start jobs=() job status=0
	shift 3
	for profile in "${!loop[@]}"; do
		forget_cache "$work/$profile"
		echo "$setting" >"/sys/class/bdi/${number[$profile]}/read_ahead_kb"
	done
	start=$(awk '{ printf "%.0f", $1 * 1e9 }' /proc/uptime)
	for profile in "${!loop[@]}"; do
		run_fio "$profile" "$@" &
		jobs+=($!)
	done
	"$bpfahead" record --pin-dir "$pins" --label "$label" --seconds "$seconds" \
		-o "$work/batch.csv" >/dev/null 2>"$work/record.log" || status=$?
	for job in "${jobs[@]}"; do
		wait "$job" || status=$?
	done
	((status == 0)) || die "$workload at $setting KB failed: $(tail -n 1 "$work/record.log")"
	split_batch "$work/batch.csv" "$workload" "$setting" "$start"
}

recorded() { # WORKLOAD SETTING
	local profile
	for profile in "${!loop[@]}"; do
		[[ -f $dir/$profile.$1.$2.csv ]] || return 1
	done
}

# --- main ----------------------------------------------------------------------------------

mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
make_cgroup
while read -r profile iops bytes big small; do
	printf 'making the %s device\n' "$profile" >&2
	make_device "$profile" "$iops" "$bytes" "$big" "$small"
done < <(profiles)

devices=()
for profile in "${!loop[@]}"; do
	devices+=(--device "${number[$profile]}")
done
"$bpfahead" run --dry-run --pin-dir "$pins" "${devices[@]}" >"$work/run.log" 2>&1 &
runner=$!
for ((i = 0; i < 50; i++)); do
	[[ -e $pins/windows ]] && break
	kill -0 "$runner" 2>/dev/null || die "bpfahead run: $(tail -n 1 "$work/run.log")"
	sleep 0.1
done

mapfile -t table < <(workloads)
total=0 done=0 started=$SECONDS
for row in "${table[@]}"; do
	for setting in $settings; do
		((++total))
	done
done
for row in "${table[@]}"; do
	read -r workload label rest <<<"$row"
	read -r -a options <<<"$rest"
	for setting in $settings; do
		((++done))
		[[ -z $only || ,$only, == *,$workload,* ]] || continue
		recorded "$workload" "$setting" && continue
		left=$(((total - done + 1) * (seconds + 2)))
		printf '\r%d of %d: %s at %s KB, about %d min left\033[K' "$done" "$total" \
			"$workload" "$setting" $(((left + 59) / 60)) >&2
		batch "$workload" "$label" "$setting" "${options[@]}"
	done
done
printf '\nrecorded in %d min: %s\n' $(((SECONDS - started + 59) / 60)) "$dir" >&2
