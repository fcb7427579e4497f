#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# live.sh - what the kernel answers while fio runs known patterns; `make bench-live` runs it.
#
# fio reads (and for the classic protocol writes) in a pattern whose class is written down in the
# table below, at rates from 50 to 100,000 a second on zram disks, and as fast as throttled loop
# devices let it. `bpfahead record` takes down the kernel's own class and margin for every window.
# First the knob stays where it is put (recommend mode, at several values), then the helper moves it.
#
# Counted are windows with 8 calls or more that lie wholly within the run of their pattern and end
# after it has run for a full window. One whose margin is too small for a decision, or that has no
# class, is an abstention; accuracy is that of the others.
#
# The file systems hold zeros: a zram disk keeps none of them. Memory cgroups keep the page cache
# too small for the files. All devices are this script's own, and go away at the end.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
export LC_ALL=C.UTF-8
export BPFAHEAD_PIN_DIR=/sys/fs/bpf/bpfahead-live-$$
bpfahead=${BPFAHEAD:-build/bpfahead}

usage() {
	cat >&2 <<-'TEXT'
	Usage: live.sh [--quick] [--check] [--model FILE] [--classic5 FILE] [--only PATTERN,...]
	               [--disks 'RATE KB,...' [--act]] [--seconds N] [--settle N]
	               [--cells FILE.csv] [--windows FILE.csv]
	  --quick         2 minutes rather than 9: fewer patterns and settings, shorter, no acting
	  --check         exit with 1 if a bar is missed
	  --model FILE    instead of weights/default.bin; 'none' leaves it out
	  --classic5 FILE the same for weights/classic5.bin
	  --only ...      these patterns only
	  --disks ...     these rates and settings only; with --act, the first of them acting as well
	  --seconds N     of each pattern
	  --settle N      on a slow machine, where fio takes its time to start: counting begins N seconds
	                  after a disk's first window, and there are 5 * N seconds more of each pattern
	  --cells FILE    a line per pattern, device and setting, as CSV
	  --windows FILE  a line per window counted, as CSV: tests/vm/agree.sh compares kernels by it
	TEXT
	exit 2
}

quick=0 check=0 model=weights/default.bin classic5=weights/classic5.bin only='' cells=''
own_disks='' act=0 seconds='' settle=0 windows=''
while (($#)); do
	case $1 in
	--quick) quick=1 ;;
	--check) check=1 ;;
	--act) act=1 ;;
	--model | --classic5 | --only | --cells | --disks | --seconds | --settle | --windows)
		[ $# -ge 2 ] || usage
		case $1 in
		--model) model=$2 ;;
		--classic5) classic5=$2 ;;
		--only) only=$2 ;;
		--cells) cells=$2 ;;
		--disks) own_disks=$2 ;;
		--seconds) seconds=$2 ;;
		--settle) settle=$2 ;;
		--windows) windows=$2 ;;
		esac
		shift
		;;
	*) usage ;;
	esac
	shift
done
[[ $own_disks || $act = 0 ]] || usage
[[ $seconds =~ ^[1-9][0-9]*$ || ! $seconds ]] || usage
[[ $settle =~ ^[0-9]+$ ]] || usage

# --- what is run -----------------------------------------------------------------------------

# PATTERN CLASS fio options; @N@ is the rate divided by N. "big" and "other" are large files,
# the small ones are in a directory of their own.
page_cache_patterns() {
	cat <<-'TABLE'
	seq4k         sequential   --name=a --filename=big --rw=read --bs=4k @1@
	seq128k       sequential   --name=a --filename=big --rw=read --bs=128k @1@
	interleaved8  sequential   --name=a --filename=big --numjobs=8 --size=12% --offset_increment=12% --rw=read --bs=64k @8@
	mmapseq4k     sequential   --name=a --filename=big --ioengine=mmap --size=960m --rw=read --bs=4k @1@
	scan64k       short-runs   --name=a --filename=big --rw=randread:16 --bs=4k @1@
	scan128k      short-runs   --name=a --filename=big --rw=randread:16 --bs=8k @1@
	scan256k      long-runs    --name=a --filename=big --rw=randread:16 --bs=16k @1@
	scan512k      long-runs    --name=a --filename=big --rw=randread:16 --bs=32k @1@
	scan1m        long-runs    --name=a --filename=big --rw=randread:16 --bs=64k @1@
	rand16k       objects      --name=a --filename=big --rw=randread --bs=16k @1@
	rand64k       objects      --name=a --filename=big --rw=randread --bs=64k @1@
	mmaprand64k   objects      --name=a --filename=big --ioengine=mmap --size=960m --rw=randread --bs=64k @1@
	rand4k        pages        --name=a --filename=big --rw=randread --bs=4k @1@
	mmaprand4k    pages        --name=a --filename=big --ioengine=mmap --size=960m --rw=randread --bs=4k @1@
	stream+rand   mixed        --name=a --filename=other --rw=read --bs=128k @2@ --name=b --filename=big --rw=randread --bs=4k @2@
	smallfiles    small-files  --name=a --directory=small --filename_format=f$filenum --nrfiles=1000 --openfiles=1 --file_service_type=sequential --rw=read --bs=64k @1@
	TABLE
}

# The classic protocol, past the page cache, on the raw disk.
direct_patterns() {
	cat <<-'TABLE'
	sequential    sequential   --name=a --filename=@DISK@ --rw=read --bs=128k --iodepth=4 --numjobs=2 @2@
	random        random       --name=a --filename=@DISK@ --rw=randread --bs=4k --iodepth=16 --numjobs=2 @2@
	mixed         mixed        --name=a --filename=@DISK@ --rw=randrw --rwmixread=70 --bs=64k --iodepth=8 --numjobs=2 @2@
	TABLE
}

# Disks: NAME RATE READ_AHEAD_KB. A rate that is a name is a throttled loop device, which is read
# as fast as it lets itself be read.
slow_disks() {
	if [ -n "$own_disks" ]; then
		tr , '\n' <<<"$own_disks"
	elif [ $quick = 1 ]; then
		printf '%s\n' '50 128' '500 128' '5000 16' 'hdd 128' 'cloud 128' 'fast 128'
	else
		printf '%s\n' '50 16' '50 128' '50 2560' '500 16' '500 128' '500 2560' '5000 16' \
			'5000 128' 'hdd 128' 'cloud 16' 'cloud 128' 'fast 2560'
	fi
}
usual_disks() { printf '%s\n' '50 128' '500 128' '5000 128' 'hdd 128' 'cloud 128' 'fast 128'; }
fast_disks() { [ -n "$own_disks" ] || printf '%s\n' '20000 128' '100000 128'; }
acting_disks() { if [ -n "$own_disks" ]; then slow_disks | sed 1q; else usual_disks; fi; }
direct_slow() { if [ -n "$own_disks" ]; then slow_disks; else usual_disks; fi; }

profile() { # NAME: reads per second, bytes per second
	case $1 in
	hdd) echo 120 150000000 ;;
	cloud) echo 3000 125000000 ;;
	fast) echo 20000 400000000 ;;
	*) return 1 ;;
	esac
}

slow_s=11 fast_s=6 acting_s=7
[ $quick = 0 ] || slow_s=5 fast_s=0 # fast ones together with the slow ones
acting=$((1 - quick))
[ -z "$own_disks" ] || fast_s=0 acting=$act
[ -z "$seconds" ] || slow_s=$seconds fast_s=$((fast_s ? seconds : 0)) acting_s=$seconds

# --- clean-up --------------------------------------------------------------------------------

T='' runner='' zrams=() loops=() mounts=() groups=() jobs=() counting=()

say() { printf 'live.sh: %s\n' "$*" >&2; }
fatal() {
	say "$*"
	exit 1
}

cleanup() {
	local status=$? i n
	trap - EXIT INT TERM
	for i in "${jobs[@]}"; do kill -TERM "$i"; done 2>/dev/null
	[ ${#jobs[@]} = 0 ] || wait "${jobs[@]}" 2>/dev/null
	if [ -n "$runner" ]; then
		kill -TERM "$runner" 2>/dev/null
		wait "$runner" 2>/dev/null
	fi
	for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do umount "${mounts[i]}"; done
	for i in "${loops[@]}"; do losetup -d "$i"; done
	for i in "${groups[@]}"; do rmdir "$i"; done
	for i in "${zrams[@]}"; do
		# The last reader's descriptor may take a moment to be gone.
		for ((n = 0; n < 50; n++)); do
			! { echo "$i" >/sys/class/zram-control/hot_remove; } 2>/dev/null || break
			sleep 0.1
		done
		[ ! -e "/sys/block/zram$i" ] || say "zram$i could not be removed"
	done
	rmdir "$BPFAHEAD_PIN_DIR" 2>/dev/null
	[ -z "$T" ] || rm -rf --one-file-system "$T"
	exit $status
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- disks -----------------------------------------------------------------------------------

# make_zram: 4 GB, all of it unwritten; sets DISK.
make_zram() {
	local n
	n=$(</sys/class/zram-control/hot_add) || fatal 'no new zram disk'
	zrams+=("$n")
	echo 4G >"/sys/block/zram$n/disksize" || fatal "zram$n: no size"
	DISK=/dev/zram$n
}

make_image() { # the file system that all disks are copies of; sets IMAGE
	local mount=$T/image
	make_zram
	IMAGE=$DISK
	mkdir "$mount"
	{ mkfs.ext4 -q -F -m 0 -O ^has_journal -E nodiscard,lazy_itable_init=0 "$IMAGE" &&
		mount -o noatime "$IMAGE" "$mount"; } || fatal "no ext4 on $IMAGE"
	mounts+=("$mount")
	# Written blocks: unwritten ones are read without any I/O.
	{ dd if=/dev/zero of="$mount/big" bs=4M count=500 oflag=direct status=none &&
		dd if=/dev/zero of="$mount/other" bs=4M count=250 oflag=direct status=none &&
		mkdir "$mount/small" &&
		perl -e 'srand(1); for my $n (0 .. 999) {
			open(my $f, ">", "$ARGV[0]/f$n") or die "$n: $!\n";
			print $f "\0" x (4096 * (2 + int(rand(63)))) or die "$n: $!\n";
			close($f) or die "$n: $!\n" }' "$mount/small"; } || fatal 'no files to read'
	umount "$mount" || fatal "umount $mount"
	mounts=()
}

memory_root='' blkio_root=''
find_groups() {
	local v2
	for v2 in /sys/fs/cgroup /sys/fs/cgroup/unified; do
		if grep -qw memory "$v2/cgroup.controllers" 2>/dev/null &&
			grep -qw io "$v2/cgroup.controllers"; then
			echo '+memory +io' >"$v2/cgroup.subtree_control" || return
			memory_root=$v2 blkio_root=$v2
			return 0
		fi
	done
	[ -f /sys/fs/cgroup/memory/cgroup.procs ] && [ -f /sys/fs/cgroup/blkio/cgroup.procs ] ||
		return
	memory_root=/sys/fs/cgroup/memory blkio_root=/sys/fs/cgroup/blkio
}

# make_group NAME DEVICE-NUMBER RATE: a page cache of its own, and the profile's limits.
make_group() {
	local group=$memory_root/bpfahead-live-$$.$1 io=$blkio_root/bpfahead-live-$$.$1 reads bytes
	mkdir "$group" || return
	groups+=("$group")
	if [ "$io" != "$group" ]; then
		mkdir "$io" || return
		groups+=("$io")
		echo 96M >"$group/memory.limit_in_bytes" || return
	else
		echo 96M >"$group/memory.max" || return
	fi
	read -r reads bytes < <(profile "$3") || return 0
	if [ -f "$io/io.max" ]; then
		echo "$2 riops=$reads rbps=$bytes" >"$io/io.max"
	else
		echo "$2 $reads" >"$io/blkio.throttle.read_iops_device" &&
			echo "$2 $bytes" >"$io/blkio.throttle.read_bps_device"
	fi
}

# make_disk NAME RATE KIND: kind fs is a copy of the image, mounted; kind raw is not written at all.
declare -A disk number
make_disk() {
	make_zram
	if [ "$3" = fs ]; then
		dd if="$IMAGE" of="$DISK" bs=1M conv=sparse iflag=direct oflag=direct status=none ||
			fatal "no copy of the image on $DISK"
	fi
	if profile "$2" >"$T/out"; then
		DISK=$(losetup -f --show --direct-io=on --sector-size 4096 "$DISK") ||
			fatal 'no loop device'
		loops+=("$DISK")
	fi
	disk[$1]=$DISK
	number[$1]=$(<"/sys/class/block/${DISK#/dev/}/dev")
	mkdir "$T/$1"
	if [ "$3" = fs ]; then
		mount -o ro,noatime "$DISK" "$T/$1" || fatal "mount $DISK"
		mounts+=("$T/$1")
	fi
	make_group "$1" "${number[$1]}" "$2" || fatal "no control group for $1"
}

# --- one batch: a pattern on several disks ---------------------------------------------------

now_ns() { awk '{ printf "%.0f\n", $1 * 1e9 }' /proc/uptime; }

# options RATE DISK KIND WORD...: the fio options of a cell, one a line.
options() {
	local rate=$1 path=$2 kind=$3 word parts share
	shift 3
	for word; do
		case $word in
		@[0-9]*@)
			parts=${word//@/}
			[[ $rate =~ ^[0-9]+$ ]] || continue
			share=$(((rate + parts - 1) / parts))
			# Of a mixed load 7 in 10 are reads.
			case " $* " in
			*=randrw*) echo "--rate_iops=$((share * 7 / 10)),$((share * 3 / 10))" ;;
			*) echo "--rate_iops=$share" ;;
			esac
			;;
		*) echo "${word/@DISK@/$path}" ;;
		esac
	done
	if [ "$kind" = raw ]; then
		printf '%s\n' --ioengine=libaio --direct=1 --zero_buffers --buffer_compress_percentage=0
	else
		printf '%s\n' --readonly
	fi
}

start_fio() { # CELL RATE KIND SECONDS WORD...
	local cell=$1 rate=$2 kind=$3 seconds=$4 arguments globals
	shift 4
	mapfile -t arguments < <(options "$rate" "${disk[$cell]}" "$kind" "$@")
	globals=(--thread --time_based --runtime="$seconds" --fadvise_hint=0 --norandommap
		--randrepeat=0 --allow_file_create=0 --group_reporting --output-format=json)
	[ "$kind" = raw ] || globals+=(--ioengine=psync)
	# In the directory of the files: names in the table are relative.
	# shellcheck disable=SC2016 # for the inner shell
	bash -c 'cd "$1" && echo $$ >"$2/cgroup.procs" && echo $$ >"$3/cgroup.procs" && shift 3 &&
		exec "$@"' fio "$T/$cell" "$memory_root/bpfahead-live-$$.$cell" \
		"$blkio_root/bpfahead-live-$$.$cell" fio "${globals[@]}" "${arguments[@]}" \
		>"$out/$cell.json" 2>"$out/$cell.said" &
	jobs+=($!)
}

achieved() { # FILE: operations per second
	sed -n '/^{/,$p' "$1" |
		jq -r '[.jobs[] | select(.error == 0) | .read.iops + .write.iops] | add // 0 | round'
}

# batch PATTERN CLASS KIND MODE SECONDS DISKS WORD...; DISKS as slow_disks prints them.
batches=0
batch() {
	local pattern=$1 class=$2 kind=$3 mode=$4 seconds=$5 disks=$6 start cell rate kb job out
	seconds=$((seconds + 5 * settle))
	shift 6
	batches=$((batches + 1))
	out=$T/batch.$batches
	mkdir "$out" || exit 1
	jobs=()
	while read -r rate kb; do
		cell=$kind.$rate.$kb
		# The helper's values stay in acting mode: it would take another's for a person's.
		[ "$mode" = act ] || echo "$kb" >"/sys/class/bdi/${number[$cell]}/read_ahead_kb" ||
			fatal "cannot set ${disk[$cell]}"
	done <<<"$disks"
	start=$(now_ns)
	while read -r rate kb; do
		start_fio "$kind.$rate.$kb" "$rate" "$kind" "$seconds" "$@"
	done <<<"$disks"
	"$bpfahead" record --label "$class" --seconds "$seconds" -o "$out/windows.csv" \
		>"$T/out" 2>"$T/record.log" || fatal "record: $(tail -n 1 "$T/record.log")"
	for job in "${jobs[@]}"; do
		wait "$job" || fatal "fio, $pattern: $(cat "$out"/*.said | tail -n 1)"
	done
	jobs=()
	# While the next batch starts: silence between patterns makes long hops.
	while read -r rate kb; do
		cell=$kind.$rate.$kb
		count "$pattern" "$class" "$rate" "$kb" "$mode" "$(achieved "$out/$cell.json")" \
			"$start" "${number[$cell]}" "${disk[$cell]#/dev/}" "$out/windows.csv" \
			"$out/counted.csv"
	done <<<"$disks" >"$out/cells.csv" &
	counting+=($!)
}

# One line of cells.csv, and the windows that it counts in the file named last. "right" is the class
# itself, "classic" the class of which it is a kind; a class that the model does not have is judged by
# its classic name only.
count() {
	awk -F, -v OFS=, -v pattern="$1" -v class="$2" -v rate="$3" -v kb="$4" -v mode="$5" -v got="$6" \
		-v start="$7" -v number="$8" -v name="$9" -v model="$MODEL" -v margin="$margin" \
		-v window="$window_ns" -v known=" $classes " -v counted="${11}" \
		-v settle="$settle" '
		FILENAME == ARGV[1] { classic[$1] = $2; next }
		FNR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
		$column["part"] != "window" || $column["calls"] < 8 { next }
		{ device = $column["device"]; sub(/ .*/, "", device) }
		device != number && device != name { next }
		$column["time_ns"] - $column["span_ns"] < start || $column["time_ns"] < start + window { next }
		settle && !settled { settled = $column["time_ns"] - $column["span_ns"] + settle * 1e9 }
		$column["time_ns"] - $column["span_ns"] < settled { next }
		{
			windows++
			print model, pattern, class, mode, rate, kb, windows, \
				$column["margin"] < margin ? 0 : 1, $0 >>counted
			answer = $column["class"]
			if (answer == "none" || $column["margin"] < margin) { abstained++; next }
			answers[answer]++
			right += answer == class
			alike += classic[answer] == classic[class]
		}
		END {
			for (answer in answers)
				seen = seen (seen == "" ? "" : " ") answer ":" answers[answer]
			own = index(known, " " class " ") ? right + 0 : ""
			print model, pattern, class, mode, rate, kb, got, windows + 0, abstained + 0, own, \
				alike + 0, seen
		}' "$T/classes" "${10}"
}

# --- tables ----------------------------------------------------------------------------------

# report MODEL: markdown; the verdicts go to $T/verdicts as well.
report() {
	awk -F, -v model="$1" -v verdicts="$T/verdicts" '
		function percent(part, all) { return all ? sprintf("%.1f %%", 100 * part / all) : "-" }
		function median(list,    n, i, j, t, v) {
			n = split(list, v, " ")
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) {
					t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
				}
			return n ? v[int((n + 1) / 2)] : "-"
		}
		function own(key) { return judged[key] ? percent(right[key], judged[key]) : "-" }
		function line(title, key) {
			printf "%s | %d | %s | %s | %s |", title, windows[key],
				percent(abstained[key], windows[key]), own(key),
				percent(alike[key], windows[key] - abstained[key])
		}
		function verdict(text, value, met) {
			text = text ": " value (met ? ", met" : ", MISSED")
			print "- " text
			print met, text >>verdicts
		}
		FILENAME == ARGV[1] { classic[$1] = $2; next }
		$1 != model { next }
		{
			place = $5 ($4 == "act" ? ", acting" : "")
			if (!(($2) in class)) patterns[++np] = $2
			if (!(place in gots)) places[++nd] = place
			class[$2] = $3
			gots[place] = gots[place] " " $7
			cell = $2 SUBSEP place
			n = split("all\n" $2 "\n" place "\n" cell, keys, "\n")
			for (i = 1; i <= n; i++) {
				windows[keys[i]] += $8
				abstained[keys[i]] += $9
				alike[keys[i]] += $11
				if ($10 != "") {
					right[keys[i]] += $10
					judged[keys[i]] += $8 - $9
				}
			}
			m = split($12, seen, " ")
			for (i = 1; i <= m; i++) {
				split(seen[i], pair, ":")
				answers[$2, pair[1]] += pair[2]
				in_cell[cell, pair[1]] += pair[2]
				total[pair[1]] += pair[2]
				names[pair[1]] = 1
			}
		}
		END {
			printf "\n**%s**, by rate (operations a second; a name is a throttled device):\n\n", model
			print "| rate | achieved, median of the patterns | windows | abstained | own class | classic name |"
			print "|---|---|---|---|---|---|"
			for (d = 1; d <= nd; d++) {
				line("| " places[d] " | " median(gots[places[d]]), places[d])
				print ""
			}
			line("| all | ", "all")
			printf "\n\n**%s**, by pattern:\n\n", model
			print "| pattern | class | windows | abstained | own class | classic name | answers |"
			print "|---|---|---|---|---|---|---|"
			for (p = 1; p <= np; p++) {
				name = patterns[p]
				line("| " name " | " class[name], name)
				text = ""
				for (a in names)
					if ((name, a) in answers)
						text = text (text == "" ? " " : ", ") a " " answers[name, a]
				print text " |"
			}
			printf "\n**%s**, right by classic name, pattern by rate (of so many windows):\n\n| |", model
			for (d = 1; d <= nd; d++) printf " %s |", places[d]
			printf "\n|---|"
			for (d = 1; d <= nd; d++) printf "---|"
			print ""
			for (p = 1; p <= np; p++) {
				name = patterns[p]
				printf "| %s |", name
				for (d = 1; d <= nd; d++) {
					cell = name SUBSEP places[d]
					n = windows[cell] - abstained[cell]
					text = percent(alike[cell], n)
					if (n) text = text " of " n
					if (abstained[cell]) text = text ", " abstained[cell] " abstained"
					printf " %s |", text
					# Four windows in which no answer but one, which is wrong, was given.
					alone = ""
					kinds = 0
					for (a in names)
						if ((cell, a) in in_cell) { kinds++; alone = a }
					if (n >= 4 && kinds == 1 && classic[alone] != classic[class[name]])
						stuck = stuck (stuck == "" ? "" : "; ") name " at " places[d] " on " alone
				}
				print ""
			}
			print ""
			n = windows["all"] - abstained["all"]
			verdict(model ", right by classic name, >= 98 % of the windows that do not abstain",
				percent(alike["all"], n), n && alike["all"] >= 0.98 * n)
			verdict(model ", abstentions, <= 5 % of the windows with 8 calls",
				percent(abstained["all"], windows["all"]),
				windows["all"] && abstained["all"] <= 0.05 * windows["all"])
			verdict(model ", patterns stuck on a wrong class, none", stuck == "" ? "none" : stuck,
				stuck == "" && n)
			text = ""
			for (a in names) text = text (text == "" ? "" : ", ") a " " total[a]
			printf "- %s, answers: %s; right by own class: %s\n", model, text, own("all")
		}' "$T/classes" "$T/cells.csv"
}

# --- all together ----------------------------------------------------------------------------

[ "$(id -u)" = 0 ] || fatal 'needs root'
mountpoint -q /sys/fs/bpf || fatal 'no bpf file system on /sys/fs/bpf: tests/bpffs.sh'
[ -x "$bpfahead" ] || fatal "$bpfahead is not built: make"
[ -r /sys/class/zram-control/hot_add ] || fatal 'this kernel has no zram'
for tool in fio jq perl losetup mkfs.ext4; do
	command -v "$tool" >/dev/null || fatal "$tool is missing: tests/deps.sh bench"
done
[ "$model" = none ] || [ -r "$model" ] || fatal "no $model"
if [ "$classic5" != none ] && [ ! -r "$classic5" ]; then
	say "no $classic5: the classic protocol is left out"
	[ $check = 0 ] || fatal 'and --check needs it, or --classic5 none'
	classic5=none
fi
[ "$model$classic5" != nonenone ] || usage

T=$(mktemp -d "${TMPDIR:-/tmp}/bpfahead-live.XXXXXX") || exit 1
export BPFAHEAD_STATE_DIR=$T/state
began=$SECONDS
: >"$T/verdicts"
sed -nE 's/^\tX\([A-Z_]+, [0-9]+, "([^"]+)", "([^"]+)"\).*/\1,\2/p' bpf/abi.h >"$T/classes"
grep -q '^sequential,sequential$' "$T/classes" || fatal 'no classes in bpf/abi.h'
find_groups || fatal 'no control groups for memory and block I/O'

# wanted PATTERN: the quick run leaves out two that lie between others.
wanted() {
	if [ -n "$only" ]; then
		[[ ,$only, == *,$1,* ]]
	else
		[ $quick = 0 ] || [[ $1 != scan128k && $1 != scan512k ]]
	fi
}

say 'making the disks'
devices=()
all_disks() {
	if [ "$model" != none ]; then
		{ slow_disks && fast_disks && { [ $acting = 0 ] || acting_disks; }; } | sed 's/^/fs /'
	fi
	[ "$classic5" = none ] || { direct_slow && fast_disks; } | sed 's/^/raw /'
}
[ "$model" = none ] || make_image
while read -r kind rate kb; do
	make_disk "$kind.$rate.$kb" "$rate" "$kind"
	devices+=(--device "${number[$kind.$rate.$kb]}")
done < <(all_disks | sort -u)

if [ "$model" = none ]; then first=$classic5; else first=$model; fi
"$bpfahead" run --dry-run --weights "$first" "${devices[@]}" >"$T/run.log" 2>"$T/run.err" </dev/null &
runner=$!
for ((i = 0; i < 100; i++)); do
	! grep -q 'Ctrl-C restores' "$T/run.err" || break
	kill -0 "$runner" 2>/dev/null || fatal "bpfahead run: $(tail -n 1 "$T/run.err")"
	sleep 0.1
done
read -r margin window_ns < <("$bpfahead" config --json |
	jq -r '"\(.margin * 65536) \(.window * 1e9)"') || fatal 'no configuration'

# use FILE NAME: lets the model act; sets MODEL and the classes that it has.
use() {
	local json
	json=$("$bpfahead" weights show --json "$1") || fatal "$1 is no model"
	MODEL=$2
	classes=$(jq -r '.[0].classes | join(" ")' <<<"$json")
	printf '%s: %s\n\n' "$2" "$(jq -r '.[0] | "model `\(.name)`, generation \(.generation), " +
		"checksum `\(.checksum)`, classes \(.classes | join(", "))"' <<<"$json")"
	[ "$1" = "$first" ] || "$bpfahead" weights push "$1" >"$T/out" || fatal "weights push $1"
}

# pass TABLE KIND MODE SECONDS DISKS: every pattern once.
pass() {
	local pattern class rest words n=0 patterns
	mapfile -t patterns < <("$1")
	for rest in "${patterns[@]}"; do
		n=$((n + 1))
		read -r pattern class rest <<<"$rest"
		wanted "$pattern" || continue
		read -r -a words <<<"$rest"
		say "$((SECONDS - began)) s: $MODEL, $3, $pattern ($n of ${#patterns[@]})," \
			"$(wc -l <<<"$5") disks"
		batch "$pattern" "$class" "$2" "$3" "$4" "$5" "${words[@]}"
	done
}

# What has been counted so far.
save_windows() {
	[ -n "$windows" ] || return 0
	wait "${counting[@]}"
	{ echo "pattern_model,pattern,own_class,mode,rate,setting,window,sure,$(head -n 1 "$T/batch.1/windows.csv")" &&
		for ((i = 1; i <= batches; i++)); do
			[ ! -e "$T/batch.$i/counted.csv" ] || cat "$T/batch.$i/counted.csv"
		done; } >"$windows.part" || fatal "cannot write $windows.part"
	mv "$windows.part" "$windows" || fatal "cannot write $windows"
}

both_passes() { # TABLE KIND SLOW-DISKS
	if [ "$fast_s" = 0 ]; then
		pass "$1" "$2" recommend "$slow_s" "$3$(fast_disks | sed '1s/^/\n/')"
	else
		pass "$1" "$2" recommend "$slow_s" "$3"
		pass "$1" "$2" recommend "$fast_s" "$(fast_disks)"
	fi
}

echo "bpfahead $(git describe --tags --always --dirty 2>/dev/null), $(date -u '+%F %R') UTC," \
	"Linux $(uname -r), $(nproc) CPUs, load average $(cut -d ' ' -f 1 /proc/loadavg)"
echo
if [ "$model" != none ]; then
	use "$model" default
	both_passes page_cache_patterns fs "$(slow_disks)"
	if [ $acting = 1 ]; then
		save_windows
		"$bpfahead" config mode=act >"$T/out" || fatal 'config mode=act'
		pass page_cache_patterns fs act "$acting_s" "$(acting_disks)"
		"$bpfahead" config mode=recommend >"$T/out" || fatal 'config mode=recommend'
	fi
fi
if [ "$classic5" != none ]; then
	use "$classic5" classic5
	both_passes direct_patterns raw "$(direct_slow)"
fi

wait "${counting[@]}" || fatal "the windows could not be counted"
save_windows
for ((i = 1; i <= batches; i++)); do cat "$T/batch.$i/cells.csv"; done >"$T/cells.csv" || exit 1
lost=$("$bpfahead" status --json | jq .counters.windows_dropped)
[ "$lost" = 0 ] || say "$lost windows found the ring full and are not counted"
[ "$model" = none ] || report default
[ "$classic5" = none ] || report classic5
if [ -n "$cells" ]; then
	{ echo model,pattern,class,mode,rate,read_ahead_kb,achieved,windows,abstained,right,right_classic,answers &&
		cat "$T/cells.csv"; } >"$cells.part" || fatal "cannot write $cells.part"
	mv "$cells.part" "$cells" || fatal "cannot write $cells"
fi
say "done in $((SECONDS - began)) s"
if [ $check = 1 ] && grep -q '^0 ' "$T/verdicts"; then
	exit 1
fi
