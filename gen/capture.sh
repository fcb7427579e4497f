#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The capture protocol, run by `bpfahead-gen capture`: every workload of the table `workloads`, at
# several read_ahead_kb, on devices of several speeds, classified by nobody but the table itself.
#
# One loop device per profile, each with an ext4 of its own, all throttled by the block
# controller. They run the same workload at the same time, and one `bpfahead record` writes the
# windows of all of them; that file is then split into one run per device,
# DIR/PROFILE.WORKLOAD.SETTING.REPEAT.csv. A raw zram device goes by itself afterwards: it is as
# fast as the processor. Runs that are there and in DIR/metadata.csv are skipped, so that an
# interrupted capture goes on where it stopped. Windows that began before the workload are left out.
#
# Needs root. Changes no device but its own; everything goes away when the script ends.
set -euo pipefail
export LC_ALL=C
export PATH=$PATH:/usr/sbin:/sbin # mkfs and losetup, where a user does not look
unset CDPATH

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
table=$here/workloads
gen=${BPFAHEAD_GEN:-$here/../build/bpfahead-gen}
bpfahead=${BPFAHEAD:-$here/../build/bpfahead}
dir=
seconds=5
runs=
settings=
only=
size=
set=buffered
sets=()
profiles=()
list=

direct_setting=128 # the classic protocol leaves a device's readahead alone
loop_settings="16 32 64 128 256 1024 2560 8192"
zram_settings="16 128 1024"
raw_memory=384
metadata_head=time,run,workload,family,label,pattern,mode,block_size,depth,jobs,profile,ra_kb,cpus
metadata_head+=,free_kb,windows,events,kernel,app_bytes_per_s,app_iops,device_bytes_per_s

# PROFILE -> READ-IOPS READ-BYTES-PER-SECOND MB-OF-BIG MB-OF-EACH-S.*
declare -A profile_table=(
	[cloud]="3000 125000000 1024 128"
	[hdd]="120 150000000 1024 128"
	[fast]="20000 400000000 2560 384"
	[zram]="0 0 1024 0"
)

names=() # of the workloads, in the order of the table
declare -A label family where memory options written
declare -A finished # run -> time
declare -A sectors  # of the batch under way: profile -> sectors read before
no_windows=0

work=
locked= # 1: what is unfinished in DIR is ours
pins=/sys/fs/bpf/bpfahead-capture-$$ # bpffs takes no dot
cgroup_root=/sys/fs/cgroup
runner=
children=()
loops=() mounts=() groups=() zrams=()
declare -A node number big_mb device_dir groups_of
bar_shown=

# --- messages, arguments -------------------------------------------------------------------

end_progress() {
	[[ ! $bar_shown ]] || printf '\r\033[K' >&2
	bar_shown=
}

usage() {
	cat <<-EOF
	Usage: ${0##*/} --dir DIR [--device-profile hdd|cloud|fast|zram]... [--set record|buffered|all]
	       [--seconds N] [--runs N] [--settings "KB..."] [--only WORKLOAD,...] [--size MB]
	       [--bpfahead FILE] [--list]
	Records labelled windows into DIR, one CSV file per run. bpfahead-gen capture --help tells more.
	EOF
}

say() {
	end_progress
	printf 'bpfahead-gen: capture: %s\n' "$1" >&2
}

wrong() { # usage
	say "$1"
	exit 2
}

die() {
	say "$1"
	exit 1
}

number() { # OPTION VALUE MAXIMUM
	if [[ ! $2 =~ ^[1-9][0-9]{0,8}$ ]] || (($2 > $3)); then
		wrong "$1 wants a number from 1 to $3, not '$2'"
	fi
}

parse_arguments() {
	while (($#)); do
		case $1 in
		--list) list=1; shift; continue ;;
		--help) usage; exit 0 ;;
		esac
		[[ ${2-} ]] || wrong "$1 needs a value"
		case $1 in
		--dir) dir=$2 ;;
		--device-profile) profiles+=("$2") ;;
		--set) set=$2 ;;
		--seconds) seconds=$2 ;;
		--runs) runs=$2 ;;
		--settings) settings=${2//,/ } ;;
		--only) only=$2 ;;
		--size) size=$2 ;;
		--bpfahead) bpfahead=$2 ;;
		*) wrong "unknown option $1" ;;
		esac
		shift 2
	done
}

known() { # NAME in the keys that follow
	local name=$1 key
	shift
	for key; do
		[[ $key != "$name" ]] || return 0
	done
	return 1
}

check_arguments() {
	local setting profile name tool words
	[[ $dir ]] || wrong "--dir is missing"
	number --seconds "$seconds" 3600
	[[ ! $runs ]] || number --runs "$runs" 100
	[[ ! $size ]] || number --size "$size" 65536
	read -ra words <<<"$settings"
	for setting in "${words[@]}"; do
		number --settings "$setting" 65536
	done
	case $set in
	record) sets=(direct) ;;
	buffered) sets=(buffered) ;;
	all) sets=(direct buffered) ;;
	*) wrong "--set is record, buffered or all, not '$set'" ;;
	esac
	((${#profiles[@]})) || profiles=(cloud hdd fast zram)
	for profile in "${profiles[@]}"; do
		known "$profile" "${!profile_table[@]}" ||
			wrong "--device-profile is hdd, cloud, fast or zram, not '$profile'"
	done
	mapfile -t profiles < <(printf '%s\n' "${profiles[@]}" | sort -u)
	IFS=, read -ra words <<<"$only"
	for name in "${words[@]}"; do
		known "$name" "${names[@]}" || wrong "no workload is called '$name' (--list shows them)"
	done
	((EUID == 0)) || die "root is needed for loop devices, cgroups and BPF"
	for tool in fio losetup mkfs.ext4 fallocate mountpoint awk; do
		command -v "$tool" >/dev/null || die "$tool is not installed"
	done
	for tool in "$bpfahead" "$gen"; do
		[[ -f $tool && -x $tool ]] || die "$tool is no program"
	done
}

# --- the table -----------------------------------------------------------------------------

read_table() {
	local name a b c d rest
	while read -r name a b c d rest; do
		[[ $name && $name != \#* ]] || continue
		[[ $rest ]] || die "$table: $name: too few fields"
		classic_name "$a" >/dev/null
		names+=("$name")
		label[$name]=$a family[$name]=$b where[$name]=$c memory[$name]=$d
		options[$name]=$rest
	done <"$table"
}

classic_name() { # LABEL
	case $1 in
	sequential | small-files) echo sequential ;;
	random | objects | pages) echo random ;;
	mixed | long-runs | short-runs) echo mixed ;;
	*) die "$table: unknown label $1" ;;
	esac
}

# One line of comma-separated facts of a workload: pattern, mode, block size, depth, jobs.
describe() { # NAME
	awk -v pattern="$(classic_name "${label[$1]}")" '
		function bytes(text) {
			return text * (text ~ /k$/ ? 1024 : text ~ /m$/ ? 1048576 : 1)
		}
		function finish() { # of one job
			sizes = sizes (sizes == "" ? "" : bs == last ? "" : "+")
			if (bs != last)
				sizes = sizes bs
			last = bs
			jobs += numjobs
			if (iodepth > depth)
				depth = iodepth
		}
		function begin() {
			numjobs = iodepth = 1
			bs = 4096
		}
		BEGIN { begin(); mode = "buffered" }
		{
			for (i = 1; i <= NF; i++) {
				key = $i
				sub(/=.*/, "", key)
				value = substr($i, length(key) + 2)
				if (key == "|") {
					finish()
					begin()
				} else if (key == "bs") {
					bs = bytes(value)
				} else if (key == "bssplit") { # the mean
					bs = 0
					n = split(value, parts, ":")
					for (j = 1; j <= n; j++) {
						split(parts[j], part, "/")
						bs += bytes(part[1]) * part[2] / 100
					}
					bs = int(bs)
				} else if (key == "numjobs") {
					numjobs = value
				} else if (key == "iodepth") {
					iodepth = value
				} else if (key == "direct") {
					mode = "direct"
				} else if (key == "ioengine" && value == "mmap") {
					mode = "mmap"
				}
			}
		}
		END {
			finish()
			printf "%s,%s,%s,%d,%d\n", pattern, mode, sizes, depth, jobs
		}' <<<"${options[$1]}"
}

# The job file of a workload, in DIR/jobs: what ran can be seen, and run again.
write_job() { # NAME
	local word jobs=1 file=$dir/jobs/$1.fio part=$dir/.$1.fio.part text
	text=$(
		cat <<-EOF
		; $1: ${label[$1]}. To run it again, set DIR (a directory), BIG (a large file in it),
		; RUNTIME (seconds), INVALIDATE=1 and what else is used below.
		[global]
		directory=\${DIR}
		runtime=\${RUNTIME}
		time_based
		ioengine=psync
		fadvise_hint=0
		invalidate=\${INVALIDATE}
		allow_file_create=0
		norandommap
		randrepeat=0
		rw_sequencer=sequential
		group_reporting

		[1]
		EOF
		for word in ${options[$1]}; do
			if [[ $word == "|" ]]; then
				jobs=$((jobs + 1))
				printf '\n[%s]\n' "$jobs"
			else
				printf '%s\n' "$word"
			fi
		done
	)
	printf '%s\n' "$text" 2>"$work/error" >"$part" || die "$file: $(tail -n 1 "$work/error")"
	mv "$part" "$file" 2>"$work/error" || die "$file: $(tail -n 1 "$work/error")"
}

print_list() {
	local name
	printf '%-24s %-12s %-18s %s\n' workload label family device
	for name in "${names[@]}"; do
		printf '%-24s %-12s %-18s %s\n' "$name" "${label[$name]}" "${family[$name]}" \
			"${where[$name]/any/any, zram too}"
	done
}

# --- the end -------------------------------------------------------------------------------

stop() { # PID...
	local pid i
	for pid; do
		kill -TERM "$pid" 2>/dev/null || true
	done
	for pid; do
		for ((i = 0; i < 100; i++)); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}

remove_devices() {
	local item pid i
	stop ${runner:+"$runner"}
	runner=
	for item in "${groups[@]}"; do # fio's own children, should it have died without them
		while read -r pid; do
			kill -KILL "$pid" 2>/dev/null || true
		done <"$item/cgroup.procs" || true
	done
	for item in "${mounts[@]}"; do
		mountpoint -q "$item" || continue
		umount "$item" 2>/dev/null || { sleep 0.5; umount -l "$item"; } || true
	done
	for item in "${loops[@]}"; do
		[[ ! $item ]] || losetup -d "$item" || true
	done
	for item in "${zrams[@]}"; do
		[[ $item ]] || continue
		for ((i = 0; i < 20; i++)); do
			! { echo "$item" >/sys/class/zram-control/hot_remove; } 2>/dev/null || break
			sleep 0.1
		done
	done
	for item in "${groups[@]}"; do
		for ((i = 0; i < 20; i++)); do
			! rmdir "$item" 2>/dev/null || break
			sleep 0.1
		done
	done
	[[ ! $work ]] || rm -f "$work"/*.img
	loops=() mounts=() groups=() zrams=()
	node=() number=() big_mb=() device_dir=() groups_of=()
}

cleanup() {
	# A child that gets a signal between its fork and its exec still has these traps.
	[[ $BASHPID == "$$" ]] || return 0
	trap '' INT TERM HUP
	trap - EXIT
	end_progress
	stop "${children[@]}"
	remove_devices
	[[ ! -d $pins ]] || rmdir "$pins" 2>/dev/null || true
	[[ ! $work ]] || rm -rf --one-file-system "$work"
	[[ ! $locked ]] || rm -f "$dir"/.*.part || true
}

# --- what there is to do -------------------------------------------------------------------

# A batch is a workload at a setting, on the devices of one kind at the same time.
read_metadata() {
	local head time run rest
	finished=()
	[[ -f $dir/metadata.csv ]] || return 0
	{
		IFS= read -r head || true
		[[ $head == "$metadata_head" ]] ||
			die "$dir/metadata.csv is of another capture: not its columns"
		while IFS=, read -r time run rest; do
			[[ ! $run || ! -f $dir/$run.csv ]] || finished[$run]=$time
		done
	} <"$dir/metadata.csv"
}

wanted() { # NAME SET KIND
	[[ $2 == direct ]] || [[ $1 != direct-* ]] || return 1
	[[ $2 == buffered ]] || [[ $1 == direct-* ]] || return 1
	[[ $3 == loop || ${where[$1]} == any ]] || return 1
	[[ ! $only || ,$only, == *,$1,* ]]
}

# Lines "KIND SET NAME SETTING REPEAT", in the order in which they are run.
plan() {
	local kind which name setting repeat todo
	for kind in loop zram; do
		for which in "${sets[@]}"; do
			for ((repeat = 1; repeat <= $(repeats "$which"); repeat++)); do
				for name in "${names[@]}"; do
					wanted "$name" "$which" "$kind" || continue
					for setting in $(settings_of "$which" "$kind"); do
						todo=$(missing "$kind" "$name" "$setting" "$repeat")
						[[ ! $todo ]] || echo "$kind $which $name $setting $repeat"
					done
				done
			done
		done
	done
}

repeats() { # SET
	if [[ $runs ]]; then
		echo "$runs"
	elif [[ $1 == direct ]]; then
		echo 3
	else
		echo 1
	fi
}

settings_of() { # SET KIND
	if [[ $1 == direct ]]; then
		echo "$direct_setting"
	elif [[ $settings ]]; then
		echo "$settings"
	elif [[ $2 == zram ]]; then
		echo "$zram_settings"
	else
		echo "$loop_settings"
	fi
}

profiles_of() { # KIND
	local profile
	for profile in "${profiles[@]}"; do
		if [[ $profile == zram ]]; then
			[[ $1 != zram ]] || echo zram
		else
			[[ $1 != loop ]] || echo "$profile"
		fi
	done
}

missing() { # KIND NAME SETTING REPEAT: the profiles without this run
	local profile
	for profile in $(profiles_of "$1"); do
		[[ ${finished[$profile.$2.$3.$4]:-} ]] || echo "$profile"
	done
}

# --- devices -------------------------------------------------------------------------------

has_memory_limit() {
	[[ -d $cgroup_root/memory ]] || grep -qw memory "$cgroup_root/cgroup.controllers" 2>/dev/null
}

make_groups() { # PROFILE
	local name=bpfahead-capture-$$-$1 path
	if [[ -d $cgroup_root/blkio ]]; then
		groups_of[$1]="$cgroup_root/blkio/$name"
		[[ ! -d $cgroup_root/memory ]] || groups_of[$1]+=" $cgroup_root/memory/$name"
	elif [[ -f $cgroup_root/cgroup.subtree_control ]]; then
		echo '+io +memory' >"$cgroup_root/cgroup.subtree_control" 2>/dev/null ||
			die "cgroup v2: the io and memory controllers cannot be switched on"
		groups_of[$1]=$cgroup_root/$name
	else
		die "no block controller in $cgroup_root"
	fi
	for path in ${groups_of[$1]}; do
		groups+=("$path") # first: a signal may come in between
		checked "$path" mkdir "$path"
	done
}

throttle() { # PROFILE IOPS BYTES
	local path=${groups_of[$1]%% *}
	if [[ -f $path/io.max ]]; then
		echo "${number[$1]} riops=$2 rbps=$3" >"$path/io.max"
	else
		echo "${number[$1]} $2" >"$path/blkio.throttle.read_iops_device"
		echo "${number[$1]} $3" >"$path/blkio.throttle.read_bps_device"
	fi
}

limit_memory() { # PROFILE MB|-
	local path=${groups_of[$1]##* } mb=$2 most=$((big_mb[$1] / 2)) file i
	[[ $mb != - || $1 != zram ]] || mb=$raw_memory
	if [[ $mb != - ]]; then
		((mb <= most)) || mb=$most
		((mb >= 32)) || mb=32
	fi
	if [[ -f $path/memory.limit_in_bytes ]]; then
		[[ $mb == - ]] && mb=-1 || mb+=M
		file=$path/memory.limit_in_bytes
	elif [[ -f $path/memory.max ]]; then
		[[ $mb == - ]] && mb=max || mb+=M
		file=$path/memory.max
	else
		return 0
	fi
	# Cgroup v1 refuses a limit below what it cannot take back at once, such as pages under I/O.
	for ((i = 0; i < 50; i++)); do
		! { echo "$mb" >"$file"; } 2>"$work/error" || return 0
		sleep 0.1
	done
	die "$file: $(tail -n 1 "$work/error")"
}

checked() { # MESSAGE COMMAND...: the command's own last line says why
	local message=$1
	shift
	"$@" >/dev/null 2>"$work/error" || die "$message: $(tail -n 1 "$work/error")"
}

fill() { # FILE MB
	# Real data, not holes: a hole is read without any I/O.
	checked "$1" dd if=/dev/zero of="$1" bs=1M count="$2" conv=fsync
}

make_files() { # DIRECTORY NUMBER SIZE
	mkdir "$1"
	# A thread: a process of fio's would outlive it where a signal ends it.
	checked "$1" fio --name=1 --thread --directory="$1" --nrfiles="$2" --filesize="$3" \
		--rw=read --bs="$3" --create_only=1 --output=/dev/null
}

scaled() { # NUMBER MB: the number for a device of this size
	echo $(($2 >= 1024 ? $1 : ($1 * $2 + 1023) / 1024))
}

make_loop_device() { # PROFILE
	local iops bytes big small files image=$work/$1.img mount=$work/$1 i device
	read -r iops bytes big small <<<"${profile_table[$1]}"
	if [[ $size ]]; then
		small=$(((size * small + big - 1) / big)) big=$size
	fi
	files=$(scaled 800 "$big")
	checked "$image" fallocate -l $(((big + 8 * small + files) * 21 / 20 + 64))M "$image"
	# At once, so that no signal comes in between.
	loops+=("$(losetup --find --show --direct-io=on "$image" 2>"$work/error")") ||
		die "losetup: $(tail -n 1 "$work/error")"
	device=${loops[-1]}
	node[$1]=${device#/dev/}
	number[$1]=$(<"/sys/class/block/${node[$1]}/dev")
	big_mb[$1]=$big
	device_dir[$1]=$mount
	# No discard: it would punch holes into the image.
	checked "mkfs.ext4 $device" mkfs.ext4 -q -m 0 -N 65536 \
		-E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$device"
	mkdir "$mount"
	mounts+=("$mount")
	checked "mount $device" mount -o noatime "$device" "$mount"
	fill "$mount/big" "$big"
	for i in {0..7}; do
		fill "$mount/s.$i" "$small"
	done
	make_files "$mount/files1m" "$(scaled 256 "$big")" 1m
	make_files "$mount/files256k" "$(scaled 512 "$big")" 256k
	make_files "$mount/files64k" "$(scaled 2048 "$big")" 64k
	make_files "$mount/files16k" "$(scaled 8192 "$big")" 16k
	sync -f "$mount"
	make_groups "$1"
	throttle "$1" "$iops" "$bytes"
}

make_zram_device() {
	local n big device
	read -r _ _ big _ <<<"${profile_table[zram]}"
	big=${size:-$big}
	zrams+=("$(</sys/class/zram-control/hot_add)")
	n=${zrams[-1]}
	device=/dev/zram$n
	echo "${big}M" >"/sys/block/zram$n/disksize"
	node[zram]=zram$n
	number[zram]=$(<"/sys/class/block/zram$n/dev")
	big_mb[zram]=$big
	device_dir[zram]=/dev
	# Noise: pages of zeros would not be stored, and read faster than any device.
	head -c "${big}M" /dev/urandom 2>/dev/null |
		checked "$device" dd of="$device" bs=1M iflag=fullblock oflag=direct
	make_groups zram
}

make_devices() { # KIND
	local profile
	for profile in $(profiles_of "$1"); do
		note "making the $profile device"
		if [[ $1 == zram ]]; then
			make_zram_device
		else
			make_loop_device "$profile"
		fi
	done
}

forget_cache() { # PROFILE
	local file
	if [[ $1 == zram ]]; then
		blockdev --flushbufs "/dev/${node[zram]}"
		return
	fi
	for file in "${device_dir[$1]}"/big "${device_dir[$1]}"/s.?; do
		dd if="$file" iflag=nocache count=0 status=none
	done
}

# --- bpfahead ------------------------------------------------------------------------------

# Windows count the calls of the layers that the acting model needs. Nothing calls readahead for
# O_DIRECT, so there a model of the block layer acts, made of two points; nobody asks what it says.
block_model() {
	local i
	{
		echo label,run,part,time_ns,span_ns,calls,ra_kb,jump_ratio,iops
		for i in {1..20}; do
			echo "sequential,a$((i % 2)),window,$i,1,100,128,$i,$i"
			echo "random,b$((i % 2)),window,$i,1,100,128,$((60000 + i)),$((900 + i))"
		done
	} >"$work/points.csv"
	checked "$gen train" "$gen" train "$work/points.csv" --features jump_ratio,iops \
		--epochs 1 --validation 0 -o "$work/block.bin"
}

runner_failed() {
	die "bpfahead run: $(tail -n 1 "$work/run.log")"
}

# A new one for each batch: no window reaches back into the one before.
start_runner() { # SET KIND
	local profile arguments=() i
	for profile in $(profiles_of "$2"); do
		arguments+=(--device "${number[$profile]}")
	done
	if [[ $1 == direct ]]; then
		[[ -f $work/block.bin ]] || block_model
		arguments+=(--weights "$work/block.bin")
	fi
	: >"$work/run.log"
	"$bpfahead" run --dry-run --pin-dir "$pins" "${arguments[@]}" >"$work/run.log" 2>&1 </dev/null &
	runner=$!
	for ((i = 0; i < 500; i++)); do
		[[ $(<"$work/run.log") != *Ctrl-C* ]] || return 0 # it is ready
		kill -0 "$runner" 2>/dev/null || runner_failed
		sleep 0.02
	done
	die "bpfahead run does not come up: $(tail -n 1 "$work/run.log")"
}

# --- one batch -----------------------------------------------------------------------------

start_fio() { # PROFILE NAME SECONDS: in its cgroups; the pid goes to children
	local big=big mmap=960 invalidate=1
	if [[ $1 == zram ]]; then
		big=${node[zram]}
		invalidate=0 # of a raw device it would take the pages of all jobs
	fi
	((big_mb[$1] >= mmap)) || mmap=${big_mb[$1]}
	# shellcheck disable=SC2016 # for the inner shell
	env DIR="${device_dir[$1]}" BIG="$big" MMAP="${mmap}m" MMAP_HALF=$((mmap / 2))m \
		RUNTIME="$3" INVALIDATE=$invalidate FILES1M="$(scaled 256 "${big_mb[$1]}")" \
		FILES256K="$(scaled 512 "${big_mb[$1]}")" FILES64K="$(scaled 2048 "${big_mb[$1]}")" \
		FILES16K="$(scaled 8192 "${big_mb[$1]}")" \
		bash -c 'for group in $1; do echo $$ >"$group/cgroup.procs" || exit; done
			shift; exec "$@"' throttled "${groups_of[$1]}" \
		fio --output-format=json --output="$work/$1.json" "$dir/jobs/$2.fio" \
		>"$work/$1.fio" 2>&1 </dev/null &
	children+=($!)
}

wait_children() { # 0, or the first status that is not
	local pid status=0 got
	for pid in "${children[@]}"; do
		got=0
		wait "$pid" || got=$?
		((status)) || status=$got
	done
	children=()
	return "$status"
}

fio_failed() { # NAME SETTING
	local line
	line=$(cat "$work"/*.fio 2>/dev/null | grep . | tail -n 1) || true
	die "fio, $1 at $2 KB: ${line:-failed}"
}

sectors_read() { # PROFILE
	local fields
	read -ra fields <"/sys/class/block/${node[$1]}/stat"
	echo "${fields[2]}"
}

# Until each device has been read: fio takes its time to start on a busy machine.
wait_reads() { # PROFILE...; before: ${sectors[PROFILE]}
	local profile i
	for profile; do
		for ((i = 0; i < 500; i++)); do
			(($(sectors_read "$profile") == ${sectors[$profile]})) || break
			sleep 0.02
		done
	done
}

# "SECONDS BYTES-PER-SECOND IOPS", reads and writes together, as fio measured them.
measured() { # PROFILE
	awk '
		/"(read|write|trim|sync)" : \{/ { part = $1 }
		part !~ /read|write/ { next }
		/"io_bytes" :/ { bytes += $3 }
		/"total_ios" :/ { ios += $3 }
		/"runtime" :/ && $3 + 0 > ms { ms = $3 + 0 }
		/"total_ios" :/ { part = "" }
		END {
			if (!ms)
				exit 1
			printf "%.3f %.0f %.1f\n", ms / 1000, bytes * 1000 / ms, ios * 1000 / ms
		}' "$work/$1.json"
}

# The rows of one device, from the start of its workload on. Prints "WINDOWS EVENTS".
split_batch() { # PROFILE START-NS FILE
	awk -F, -v start="$2" -v number="${number[$1]}" -v name="${node[$1]}" -v out="$3" '
		NR == 1 {
			for (i = 1; i <= NF; i++)
				column[$i] = i
			print >out
			next
		}
		{
			device = $column["device"]
			sub(/ .*/, "", device)
		}
		device != number && device != name { next }
		$column["time_ns"] - $column["span_ns"] < start { next }
		{ print >out }
		$column["part"] == "window" { windows++ }
		$column["part"] == "hop" { events += $column["calls"] }
		END {
			if (close(out))
				exit 1
			printf "%d %d\n", windows, events
		}' "$work/batch.csv"
}

# The CSV file first, then its line: a run counts once it has both.
keep_run() { # PROFILE NAME SETTING REPEAT TIME FREE-KB START-NS SECTORS
	local run=$1.$2.$3.$4 part windows events elapsed bytes iops device line
	part=$dir/.$run.csv.part
	read -r elapsed bytes iops < <(measured "$1") || die "fio, $2 at $3 KB: no figures"
	split_batch "$1" "$7" "$part" >"$work/count" 2>"$work/error" ||
		die "$dir/$run.csv: $(tail -n 1 "$work/error")"
	read -r windows events <"$work/count"
	if ((windows == 0)); then
		rm -f "$part"
		no_windows=$((no_windows + 1))
		say "$run: no windows"
		return
	fi
	device=$(awk -v n=$(($(sectors_read "$1") - $8)) -v s="$elapsed" \
		'BEGIN { printf "%.0f", n * 512 / s }')
	line=$5,$run,$2,${family[$2]},${label[$2]},$(describe "$2"),$1,$3,$(nproc),$6
	line+=,$windows,$events,$(uname -r),$bytes,$iops,$device
	add_metadata "$run" "$line" "$part"
	finished[$run]=$5
	[[ -t 2 ]] || printf '%s: %d windows, %s MB/s\n' "$run" "$windows" \
		"$(awk -v b="$bytes" 'BEGIN { printf "%.1f", b / 1e6 }')" >&2
}

add_metadata() { # RUN LINE CSV-PART
	local all=$dir/.metadata.csv.part old=/dev/null
	[[ ! -f $dir/metadata.csv ]] || old=$dir/metadata.csv
	{
		awk -F, -v run="$1" -v head="$metadata_head" -v line="$2" '
			BEGIN { print head }
			FNR > 1 && $2 != run
			END { print line; if (close("/dev/stdout")) exit 1 }' "$old" >"$all" &&
			sync "$3" "$all" && mv "$3" "$dir/$1.csv" && mv "$all" "$dir/metadata.csv"
	} 2>"$work/error" || die "$dir: $(tail -n 1 "$work/error")"
}

batch() { # KIND SET NAME SETTING REPEAT
	local kind=$1 which=$2 name=$3 setting=$4 repeat=$5 profile start todo time free status=0
	mapfile -t todo < <(missing "$kind" "$name" "$setting" "$repeat")
	((${#todo[@]})) || return 0 # a setting named twice
	for profile in "${todo[@]}"; do
		forget_cache "$profile"
		limit_memory "$profile" "${memory[$name]}"
		echo "$setting" >"/sys/class/bdi/${number[$profile]}/read_ahead_kb"
	done
	if [[ $name == *-warm ]]; then
		for profile in "${todo[@]}"; do
			start_fio "$profile" "$name" 1
		done
		wait_children || fio_failed "$name" "$setting"
	fi
	start_runner "$which" "$kind"
	time=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	free=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
	start=$(awk '{ printf "%.0f", $1 * 1e9 }' /proc/uptime)
	for profile in "${todo[@]}"; do
		sectors[$profile]=$(sectors_read "$profile")
		start_fio "$profile" "$name" "$seconds"
	done
	wait_reads "${todo[@]}"
	"$bpfahead" record --pin-dir "$pins" --label "${label[$name]}" --seconds "$seconds" \
		-o "$work/batch.csv" >/dev/null 2>"$work/record.log" </dev/null &
	children+=($!)
	# In the background, so that a signal is answered at once.
	wait "${children[-1]}" || status=$?
	((status == 0)) || die "bpfahead record: $(tail -n 1 "$work/record.log")"
	kill -TERM "$runner" 2>/dev/null || runner_failed
	wait_children || fio_failed "$name" "$setting"
	wait "$runner" || runner_failed
	runner=
	for profile in "${todo[@]}"; do
		keep_run "$profile" "$name" "$setting" "$repeat" "$time" "$free" "$start" \
			"${sectors[$profile]}"
	done
}

# --- progress ------------------------------------------------------------------------------

note() {
	if [[ -t 2 ]]; then
		printf '\r\033[K%s' "$1" >&2
		bar_shown=1
	else
		printf '%s\n' "$1" >&2
	fi
}

progress() { # DONE TOTAL NAME SETTING SECONDS-LEFT
	local width=20 filled bar left
	[[ -t 2 ]] || return 0
	filled=$(($1 * width / $2))
	printf -v bar '%*s' "$filled" ''
	bar=${bar// /#}
	printf -v bar '%-*s' "$width" "$bar"
	left="$5 s"
	(($5 < 120)) || left="$((($5 + 59) / 60)) min"
	printf '\r\033[K[%s] %d of %d  %s at %s KB  %s left' "${bar// /.}" "$1" "$2" "$3" "$4" \
		"$left" >&2
	bar_shown=1
}

# --- main ----------------------------------------------------------------------------------

drop_zram_if_absent() {
	[[ " ${profiles[*]} " == *" zram "* ]] || return 0
	[[ -e /sys/class/zram-control/hot_add ]] || modprobe zram 2>/dev/null || true
	[[ ! -e /sys/class/zram-control/hot_add ]] || return 0
	say "this kernel has no zram: that profile is left out"
	mapfile -t profiles < <(printf '%s\n' "${profiles[@]}" | grep -vx zram)
	((${#profiles[@]})) || die "no device is left"
}

open_dir() {
	local lock
	[[ $dir == /* ]] || dir=./$dir # a name may begin with a dash
	mkdir -p "$dir/jobs" 2>"$work/error" || die "$(tail -n 1 "$work/error")"
	dir=$(cd "$dir" && pwd)
	exec {lock}<"$dir"
	flock --nonblock "$lock" || die "another capture records into $dir"
	locked=1
}

main() {
	local batches total done=0 now_kind='' spent=0 line kind which name setting repeat per begin
	parse_arguments "$@"
	read_table
	if [[ $list ]]; then
		print_list
		return
	fi
	check_arguments

	trap cleanup EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	work=$(mktemp -d "${TMPDIR:-/var/tmp}/bpfahead-capture.XXXXXX")
	export BPFAHEAD_STATE_DIR=$work/state
	open_dir
	drop_zram_if_absent
	read_metadata
	mapfile -t batches < <(plan)
	total=${#batches[@]}
	if ((total == 0)); then
		say "nothing to do: all runs are in $dir"
		return
	fi
	has_memory_limit || say "no memory controller: what fits into memory is read only once"
	mountpoint -q /sys/fs/bpf || checked "mount /sys/fs/bpf" mount -t bpf bpf /sys/fs/bpf

	for line in "${batches[@]}"; do
		read -r kind which name setting repeat <<<"$line"
		if [[ $kind != "$now_kind" ]]; then
			remove_devices
			make_devices "$kind"
			now_kind=$kind
		fi
		per=$((done ? spent / done : (seconds + 2) * 1000))
		progress "$done" "$total" "$name" "$setting" $(((total - done) * per / 1000))
		[[ ${written[$name]:-} ]] || write_job "$name"
		written[$name]=1
		begin=${EPOCHREALTIME/[.,]/}
		batch "$kind" "$which" "$name" "$setting" "$repeat"
		spent=$((spent + (${EPOCHREALTIME/[.,]/} - begin) / 1000))
		done=$((done + 1))
	done
	say "recorded in $(((SECONDS + 59) / 60)) min: $dir"
	((no_windows == 0)) || die "$no_windows runs gave no windows"
}

# Read to its end before it begins: the file may change while a long capture runs.
main "$@"
exit
