# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lib.sh - TAP, and real devices to test on. Sourced by tests/*/*.t.
#
# Everything made here (loop devices, mounts, cgroups, pins, processes) is
# remembered and taken down at exit. Nothing touches the host's own disks: every
# test names its loop device. FULL=1 takes the long durations.
# shellcheck disable=SC2034 # variables are for the tests
set -uo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BPFAHEAD=${BPFAHEAD:-$TOP/build/bpfahead}
BPFAHEADD=${BPFAHEADD:-$TOP/build/bpfaheadd}
BPFAHEAD_GEN=${BPFAHEAD_GEN:-$TOP/build/bpfahead-gen}
FULL=${FULL:-0}
export BPFAHEAD_PIN_DIR=/sys/fs/bpf/bpfahead-test-$$
export LC_ALL=C.UTF-8

# --- TAP -------------------------------------------------------------------------------------

tests_run=0
tests_failed=0

# Results go where the file's output goes, even if a caller redirects: `ok NAME COMMAND >/dev/null`.
exec {tap_fd}>&1

diag() { printf '# %s\n' "${@//$'\n'/$'\n# '}" >&"$tap_fd"; }

# result STATUS NAME: 0 passes.
result() {
	local status=$1
	shift
	tests_run=$((tests_run + 1))
	if [ "$status" = 0 ]; then
		echo "ok $tests_run - $*" >&"$tap_fd"
	else
		tests_failed=$((tests_failed + 1))
		echo "not ok $tests_run - $*" >&"$tap_fd"
	fi
	return "$status"
}

# ok NAME COMMAND...: passes if the command does. This and the next two fail if the test does, for
# callers that have more to say then: `is ... || diag ...`.
ok() {
	local name=$1
	shift
	if "$@"; then
		result 0 "$name"
	else
		result 1 "$name"
		diag "failed: $*"
		return 1
	fi
}

quietly() { "$@" >/dev/null; }

# is GOT WANTED NAME
is() {
	if [ "$1" = "$2" ]; then
		result 0 "$3"
	else
		result 1 "$3"
		diag "got    '$1'" "wanted '$2'"
		return 1
	fi
}

# like TEXT REGEX NAME
like() {
	if [[ $1 =~ $2 ]]; then
		result 0 "$3"
	else
		result 1 "$3"
		diag "got    '$1'" "wanted to match '$2'"
		return 1
	fi
}

skip() {
	tests_run=$((tests_run + 1))
	echo "ok $tests_run - $1 # SKIP $2" >&"$tap_fd"
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

# A fault of the test's own surroundings: fails, whatever has passed before.
die() {
	diag "set-up: $*"
	result 1 "set-up: $*"
	echo "1..$tests_run"
	exit 1
}

done_testing() {
	[ $tests_run -gt 0 ] || result 1 'a test file that ran nothing'
	echo "1..$tests_run"
	[ $tests_failed = 0 ]
	exit
}

# --- clean-up --------------------------------------------------------------------------------

pids=() loops=() zrams=() mounts=() cgroups=() T=

stop_pid() {
	local pid=$1 n
	kill -TERM "$pid" 2>/dev/null || return 0
	kill -CONT "$pid" 2>/dev/null
	for ((n = 0; n < 100; n++)); do
		kill -0 "$pid" 2>/dev/null || break
		nap 0.05
	done
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	return 0
}

cleanup() {
	local status=$? i
	# Not in a child that a signal reached before it was another program.
	[ $BASHPID = $$ ] || exit $status
	trap - EXIT
	trap '' INT TERM # Ctrl-C reaches us, and whoever waits for us may pass it on
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do stop_pid "${pids[i]}"; done
	if [ -d "$BPFAHEAD_PIN_DIR" ]; then
		"$BPFAHEAD" unload >/dev/null 2>&1
		rm -rf "$BPFAHEAD_PIN_DIR"
	fi
	close_trace
	for i in "${cgroups[@]}"; do
		kill_cgroup "$i"
		rmdir "$i" 2>/dev/null
	done
	for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do
		umount "${mounts[i]}" 2>/dev/null || umount -l "${mounts[i]}" 2>/dev/null
	done
	for i in "${loops[@]}"; do
		losetup -d "$i" 2>/dev/null
		wait_for 5 loop_control remove "${i#/dev/loop}" 2>/dev/null || true
	done
	for i in "${zrams[@]}"; do
		wait_for 5 write_to /sys/class/zram-control/hot_remove "$i" ||
			echo "zram$i could not be removed" >&2
	done
	[ -z "$T" ] || rm -rf --one-file-system "$T"
	exit $status
}
trap cleanup EXIT
trap 'exit 130' INT TERM

write_to() { { echo "$2" >"$1"; } 2>/dev/null; }

# Waits without a process: the tests poll often on small machines.
exec {nap_fd}<> <(:)
nap() { read -r -t "$1" -u "$nap_fd" _ || true; }

now_us() { echo "${EPOCHREALTIME/[.,]/}"; }

# wait_for SECONDS COMMAND...: until the command succeeds; fails when the time is over. PATIENCE is how
# many times as long a machine may take that is slower than those the tests are written for: a guest in
# emulation (tests/vm/guest.sh), whose CPUs are others' as well.
PATIENCE=${PATIENCE:-1}
wait_for() {
	local end=$(($(now_us) + ${1%.*} * PATIENCE * 1000000))
	shift
	while ! "$@"; do
		[ "$(now_us)" -lt "$end" ] || return 1
		nap 0.1
	done
}

# --- surroundings ----------------------------------------------------------------------------

need() {
	local tool
	[ "$(id -u)" = 0 ] || skip_all 'needs root'
	mountpoint -q /sys/fs/bpf || die 'no bpf file system on /sys/fs/bpf: tests/bpffs.sh'
	for tool in "$BPFAHEAD" perl losetup "$@"; do
		command -v "$tool" >/dev/null || die "$tool is missing: make test-build, tests/deps.sh test"
	done
	T=$(mktemp -d "${TMPDIR:-/var/tmp}/bpfahead-test.XXXXXX") || die 'mktemp'
	export BPFAHEAD_STATE_DIR=$T/state
}

# loop_control add NUMBER|-1, remove NUMBER: whole disks come and go, not only their files. A loop
# device that was used before keeps the readahead and the queue limits that it had then.
loop_control() {
	perl -e 'my ($what, $number) = @ARGV;
		open(my $f, "<", "/dev/loop-control") or die "loop-control: $!\n";
		my $got = ioctl($f, $what eq "add" ? 0x4C80 : 0x4C81, $number + 0);
		defined($got) or die "loop-control: $!\n";
		print $got + 0, "\n" if $what eq "add"' "$@"
}

# make_loop MB: a new loop device over a file of its own; sets LOOP NAME BDI.
make_loop() {
	local file=$T/disk-${#loops[@]}
	fallocate -l "$1M" "$file" || die "fallocate $1 MB in $T"
	attach_loop "$file"
}

# make_zram MB: a disk in compressed memory, where zeros take none; sets ZRAM.
make_zram() {
	local n
	n=$(</sys/class/zram-control/hot_add) || die 'no new zram disk'
	zrams+=("$n")
	ZRAM=/dev/zram$n
	echo "$1M" >"/sys/block/zram$n/disksize" || die "$ZRAM: no $1 MB"
}

slow_disk=$TOP/build/tests/slow-disk
# no_slow_disk: why the disk with latency (tests/effect/slow-disk.c) does not run here; else fails, and
# says nothing.
no_slow_disk() {
	if [ ! -x "$slow_disk" ]; then
		echo 'not built: no libfuse3-dev'
	elif [ ! -c /dev/fuse ]; then
		echo 'no FUSE in this kernel'
	else
		"$slow_disk" 2>/dev/null # its usage, if all of it is here
		[ $? != 2 ] && echo 'no libfuse3 here'
	fi
}

# attach_loop FILE [OPTION...]: of losetup.
attach_loop() {
	local file=$1
	shift
	LOOP=/dev/loop$(loop_control add -1) || die 'no new loop device'
	wait_for 5 test -b "$LOOP" || die "no $LOOP"
	loops+=("$LOOP")
	losetup --direct-io=on "$@" "$LOOP" "$file" || die "losetup $LOOP $file"
	use_disk "$LOOP"
}

# use_disk /dev/NAME: the disk that the helpers below look at.
use_disk() {
	NAME=${1#/dev/}
	BDI=$(<"/sys/block/$NAME/dev")
	use_bdi "$BDI"
}

use_bdi() {
	KB_FILE=/sys/class/bdi/$1/read_ahead_kb
	[ -r "$KB_FILE" ] || die "no $KB_FILE"
}

read_kb() { cat "$KB_FILE"; }
set_kb() {
	echo "$1" >"$KB_FILE" || die "cannot write $KB_FILE"
	[ "$(read_kb)" = "$1" ] || die "$KB_FILE did not take $1"
}

# make_fs DEVICE TYPE: formats and mounts it; sets MNT.
make_fs() {
	local device=$1 type=$2
	MNT=$T/mnt-${#mounts[@]}
	mkdir -p "$MNT"
	# No discard: it would punch holes, which are then read at the speed of memory.
	case $type in
	ext4) mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$device" ;;
	xfs) mkfs.xfs -q -f -K "$device" ;;
	btrfs) mkfs.btrfs -q -f -K "$device" ;;
	esac >"$T/mkfs.log" 2>&1 || die "mkfs.$type: $(tail -1 "$T/mkfs.log")"
	mount -o noatime "$device" "$MNT" || die "mount $device"
	mounts+=("$MNT")
}

# fill_file PATH MB: real blocks, written once, none of them left in the page cache.
fill_file() {
	dd if=/dev/zero of="$1" bs=1M count="$2" oflag=direct conv=notrunc status=none ||
		die "writing $1"
	sync "$1"
	forget "$1"
}

# forget FILE: drops its pages from the cache, and no one else's but those of BACKING, the file that
# is read for it by a FUSE daemon or an NFS server.
BACKING=
forget() {
	local file
	for file in "$1" ${BACKING:+"$BACKING"}; do
		dd if="$file" iflag=nocache count=0 status=none || return
	done
}

# throttle BYTES_PER_S IOPS: reads of $BDI by what `throttle_run` starts.
throttle() {
	local v1=/sys/fs/cgroup/blkio v2=/sys/fs/cgroup
	[ -f "$v2/cgroup.controllers" ] || v2=/sys/fs/cgroup/unified
	if [ ${#cgroups[@]} = 0 ]; then
		if [ -f "$v1/cgroup.procs" ]; then
			CGROUP=$v1/bpfahead-test-$$
			mkdir "$CGROUP" || die "mkdir $CGROUP"
		elif grep -qw io "$v2/cgroup.controllers" 2>/dev/null &&
			{ grep -qw io "$v2/cgroup.subtree_control" ||
				echo +io >"$v2/cgroup.subtree_control"; }; then
			CGROUP=$v2/bpfahead-test-$$
			mkdir "$CGROUP" || die "mkdir $CGROUP"
		else
			return 1
		fi
		cgroups+=("$CGROUP")
	fi
	if [ -f "$CGROUP/blkio.throttle.read_bps_device" ]; then
		echo "$BDI $1" >"$CGROUP/blkio.throttle.read_bps_device" &&
			echo "$BDI $2" >"$CGROUP/blkio.throttle.read_iops_device"
	else
		echo "$BDI rbps=$1 riops=$2" >"$CGROUP/io.max"
	fi || die "throttle $BDI"
}
need_throttle() { throttle "$@" || skip_all 'no cgroup here limits the rate of block reads'; }

# The words before a command that put it into the cgroup, by exec: $! is the command's own pid.
# shellcheck disable=SC2016 # for the inner shell
in_cgroup=(bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"')

kill_cgroup() {
	local pid n left
	for ((n = 0; n < 50; n++)); do
		left=0
		while read -r pid; do
			kill -KILL "$pid" 2>/dev/null
			left=1
		done <"$1/cgroup.procs"
		[ $left = 1 ] || break
		nap 0.1
	done
}

# --- loads -----------------------------------------------------------------------------------

# Each prints the fio arguments of a pattern, one a line. No hints: the kernel must not be told.
load_args() {
	local pattern=$1 file=$2
	printf '%s\n' --name="$pattern" --filename="$file" --fadvise_hint=0 --time_based \
		--norandommap --randrepeat=0 --thread --minimal
	case $pattern in
	sequential) printf '%s\n' --ioengine=psync --rw=read --bs=128k ;;
	mmap-random) printf '%s\n' --ioengine=mmap --rw=randread --bs=4k ;;
	mmap-objects) printf '%s\n' --ioengine=mmap --rw=randread --bs=16k ;;
	# Runs of 64 KB, each from a random place.
	mixed | runs-64k) printf '%s\n' --ioengine=psync --rw=randread:16 --rw_sequencer=sequential --bs=4k ;;
	runs-256k) printf '%s\n' --ioengine=psync --rw=randread:16 --rw_sequencer=sequential --bs=16k ;;
	interleaved)
		printf '%s\n' --ioengine=psync --rw=read --bs=128k --numjobs=8 \
			--size=12% --offset_increment=12%
		;;
	strided) printf '%s\n' --ioengine=psync --rw=read:48k --bs=16k ;; # 16 KB of each 64
	direct) printf '%s\n' --ioengine=psync --rw=randread --bs=16k --direct=1 ;;
	direct-sequential) printf '%s\n' --ioengine=psync --rw=read --bs=128k --direct=1 ;;
	*) die "no load '$pattern'" ;;
	esac
}

# start_load PATTERN FILE [SECONDS]: throttled, in the background; sets LOAD_PID.
start_load() {
	local args
	mapfile -t args < <(load_args "$1" "$2")
	"${in_cgroup[@]}" "$CGROUP" fio "${args[@]}" --runtime="${3:-3600}" >"$T/fio.log" 2>&1 &
	LOAD_PID=$!
	pids+=("$LOAD_PID")
}
# start_reading PATTERN FILE: the same, and the first reads have reached $NAME: fio takes its time.
start_reading() {
	local before
	before=$(reads_completed)
	start_load "$@"
	wait_for 20 reads_beyond "$before" || die "the load '$1' reads nothing: $(tail -1 "$T/fio.log")"
}
reads_beyond() { [ "$(reads_completed)" -gt "$1" ]; }
stop_load() {
	stop_pid "$LOAD_PID"
	pids=("${pids[@]/$LOAD_PID/}")
	mapfile -t pids < <(printf '%s\n' "${pids[@]}" | grep .)
}

reads_completed() {
	local fields
	read -ra fields <"/sys/block/$NAME/stat"
	echo "${fields[0]}"
}

# --- bpfahead --------------------------------------------------------------------------------

# start_run [OPTION...]: `bpfahead run` on $RUN_DEVICE, else on $NAME, on all that is mounted where
# RUN_DEVICE is empty; output in $T/run.log; sets RUN_PID.
start_run() {
	local device=${RUN_DEVICE-$NAME}
	# What the last one said does not tell that this one is ready: a job in the background empties its
	# files when it gets to run, which on a busy machine is after we have looked.
	: >"$T/run.log"
	: >"$T/run.err"
	"$BPFAHEAD" run ${device:+--device "$device"} "$@" >"$T/run.log" 2>"$T/run.err" </dev/null &
	RUN_PID=$!
	pids+=("$RUN_PID")
	# In emulation the verifier takes its time.
	if ! wait_for 90 run_is_ready || ! kill -0 "$RUN_PID" 2>/dev/null; then
		die "bpfahead run did not come up: $(tail -3 "$T/run.err")"
	fi
}
run_is_ready() {
	kill -0 "$RUN_PID" 2>/dev/null || return 0 # the caller sees what it said
	grep -q 'Ctrl-C restores' "$T/run.err" 2>/dev/null
}

# stop_run SIGNAL: sends it and waits; sets RUN_STATUS.
stop_run() {
	kill -s "$1" "$RUN_PID" 2>/dev/null
	wait "$RUN_PID" 2>/dev/null
	RUN_STATUS=$?
}

# load_listed BDI...: loaded and pinned for these bdis alone, so for no disk of the host.
load_listed() {
	local bdi
	"$BPFAHEAD" load >/dev/null && "$BPFAHEAD" config scope=listed >/dev/null || return 1
	for bdi; do
		# shellcheck disable=SC2046 # bytes are words
		bpftool map update pinned "$BPFAHEAD_PIN_DIR/listed" key hex \
			$({ printf '%s' "$bdi" && head -c $((32 - ${#bdi})) /dev/zero; } | xxd -p -c 1) \
			value hex 01 00 00 00 || return 1
	done
}

# start_helper: bpfaheadd on what is loaded; its output in $T/run.err; sets RUN_PID.
start_helper() {
	: >"$T/run.err" # as above
	"$BPFAHEADD" >"$T/run.log" 2>"$T/run.err" </dev/null &
	RUN_PID=$!
	pids+=("$RUN_PID")
	wait_for 10 helper_alive
}
helper_alive() { [ "$(status_json 2>/dev/null | jq -r .helper_alive)" = true ]; }

status_json() { "$BPFAHEAD" status --json; }

# kb_is KB
kb_is() { [ "$(read_kb)" = "$1" ]; }

# Decisions that `bpfahead run` printed after line N: "old new" of each, by class name.
decisions_after() {
	tail -n +$(($1 + 1)) "$T/run.log" | awk -F '  ' '$3 ~ / -> / { split($3, c, " -> "); print c[1], c[2] }'
}

# The last class decided for this disk, from status.
decided_class() {
	status_json | jq -r --arg n "${1:-$BDI}" '.devices[] | select(.bdi == $n) | .class'
}

# The classic name of a class: what one of the finer classes is a kind of.
classic() {
	case $1 in
	sequential | small-files) echo sequential ;;
	random | objects | pages) echo random ;;
	mixed | long-runs | short-runs) echo mixed ;;
	*) echo "$1" ;;
	esac
}

# policy_kb CLASS ORIGINAL: what the default row gives the class: an odd number of pages where
# half or twice as much is another of its values, or the original; then the never-lower /
# never-raise rule. For a device that has had no other row.
policy_kb() {
	"$BPFAHEAD" config --json | jq -r --arg class "$1" --argjson original "$2" \
		--argjson page "$(($(getconf PAGESIZE) / 1024))" '
		[.policy.default[].kb] as $others |
		.policy.default[$class] | .kb as $kb |
		if $kb != $original and $kb / $page > 4 and $kb / $page % 2 == 0 and
			(($kb | log2 | . != floor) or ($original | . == $kb / 2 or . == $kb * 2) or
			any($others[]; . == $kb * 2 or (. == $kb / 2 and . <= 4 * $page)))
		then .kb -= $page else . end |
		if .clamp == "never-lower" then [.kb, $original] | max
		elif .clamp == "never-raise" then [.kb, $original] | min
		else .kb end'
}

# --- phases: a load, and what happened to readahead meanwhile -------------------------------

# The readahead tracepoints tell when the 8th call was made, where the kernel has them.
trace=
open_trace() {
	local root=$T/tracing
	mkdir -p "$root"
	mount -t tracefs tracefs "$root" 2>/dev/null || return 1
	mounts+=("$root")
	[ -d "$root/events/readahead" ] || return 1
	trace=$root/instances/bpfahead-test-$$
	mkdir "$trace" || return 1
	echo mono >"$trace/trace_clock"
	echo 64 >"$trace/buffer_size_kb"
	echo 0 >"$trace/options/overwrite" # the first calls are what counts
}
close_trace() {
	[ -z "$trace" ] || rmdir "$trace" 2>/dev/null
	trace=
}

# arm_trace PATTERN FILE: records the calls that count for this pattern.
arm_trace() {
	local dev event
	[ -n "$trace" ] || return 0
	# mountinfo has the superblock's number; stat() of a btrfs file gives another one.
	dev=$(awk -v m="$(stat -c %m "$2")" '$5 == m { print $3 }' /proc/self/mountinfo | tail -1)
	[ ! -b "$2" ] || dev=0:3
	echo 0 >"$trace/tracing_on"
	echo >"$trace/trace"
	for event in page_cache_sync_ra page_cache_async_ra page_cache_ra_order; do
		echo "s_dev == $((${dev%:*} << 20 | ${dev#*:}))" \
			>"$trace/events/readahead/$event/filter"
		case $1,$event in
		mmap-random,page_cache_ra_order | mmap-objects,page_cache_ra_order | sequential,*sync_ra | mixed,*sync_ra | \
			interleaved,*sync_ra) echo 1 >"$trace/events/readahead/$event/enable" ;;
		*) echo 0 >"$trace/events/readahead/$event/enable" ;;
		esac
	done
	echo 1 >"$trace/tracing_on"
}

# Microseconds from the mark `start` to the 8th call; 0 where nobody can tell.
eighth_call_us() {
	[ -n "$trace" ] || {
		echo 0
		return
	}
	awk '/tracing_mark_write.*start/ { for (i = 1; i < NF; i++) if ($i ~ /^[0-9]+\.[0-9]+:$/) t0 = $i + 0 }
		/page_cache_/ { for (i = 1; i < NF; i++) if ($i ~ /^[0-9]+\.[0-9]+:$/) { n++; if (n == 8) t8 = $i + 0; break } }
		END { printf("%d\n", (t0 && t8 > t0) ? (t8 - t0) * 1e6 : 0) }' "$trace/trace"
}

# phase SECONDS PATTERN FILE: runs the load for so long from its first device read on. Sets
# CHANGES (lines "microseconds-since-start kb") and PHASE_EIGHTH (us), PHASE_LINE (of run.log), and
# PHASE_LOST: us until the last change by which this loop, which naps 20 ms, came later than 100 ms
# after its last turn: a machine that does not get to run (in emulation) decides as much later.
phase() {
	local seconds=$1 pattern=$2 file=$3 before start=0 kb last now waited turn=0 lost=0
	forget "$file" 2>/dev/null
	[ ! -b "$file" ] || blockdev --flushbufs "$file"
	PHASE_LINE=$(wc -l <"$T/run.log")
	CHANGES=() PHASE_EIGHTH=0 PHASE_LOST=0
	arm_trace "$pattern" "$file"
	before=$(reads_completed)
	read -r last <"$KB_FILE"
	waited=$(now_us)
	start_load "$pattern" "$file"
	while :; do
		now=${EPOCHREALTIME/[.,]/} # now_us without its process
		[ "$start" = 0 ] || [ $((now - turn)) -le 100000 ] || lost=$((lost + now - turn - 100000))
		turn=$now
		if [ "$start" = 0 ]; then
			if [ "$(reads_completed)" -gt "$before" ]; then
				start=$now
				[ -z "$trace" ] || echo start >"$trace/trace_marker"
			elif [ $((now - waited)) -gt 20000000 ]; then
				die "the load '$pattern' reads nothing: $(tail -1 "$T/fio.log")"
			fi
		elif [ $((now - start)) -ge $((seconds * 1000000)) ]; then
			break
		fi
		read -r kb <"$KB_FILE"
		if [ "$kb" != "$last" ]; then
			CHANGES+=("$((start ? now - start : 0)) $kb")
			last=$kb PHASE_LOST=$lost
		fi
		nap 0.02
	done
	[ -z "$trace" ] || echo 0 >"$trace/tracing_on"
	PHASE_EIGHTH=$(eighth_call_us)
	stop_load
}

# reached KB: did the phase arrive there within 3 s of its start (of its 8th readahead call where
# calls are rare), and stay? Prints why not.
reached() {
	local limit=3000000 change last_us=0
	[ "$PHASE_EIGHTH" -lt 300000 ] || limit=$((limit + PHASE_EIGHTH))
	limit=$((limit + PHASE_LOST))
	for change in "${CHANGES[@]}"; do last_us=${change%% *}; done
	diag "changes (us after the start, KB): ${CHANGES[*]:-none}; 8th call at $PHASE_EIGHTH us; lost $PHASE_LOST us"
	if [ "$(read_kb)" != "$1" ]; then
		diag "ended at $(read_kb) KB, wanted $1"
		return 1
	fi
	if [ ${#CHANGES[@]} -gt 1 ]; then
		diag "${#CHANGES[@]} changes in one phase"
		return 1
	fi
	if [ "$last_us" -gt "$limit" ]; then
		diag "took $last_us us, more than $limit us"
		return 1
	fi
}

# try WHAT FILE BDI [PATTERN CLASS]...: with `bpfahead run` on RUN_DEVICE, each pattern (default: mmap
# random) on the file must be told, and its row arrive on the bdi, from 128 KB; the end restores it.
# TRY_SECONDS is the length of a phase; words in RUN_OPTIONS go to `run`; the bdis in ALONE must keep
# the values that they have; AFTER_START is called before the first phase.
TRY_SECONDS=8 RUN_OPTIONS=() ALONE=() AFTER_START=
try() {
	local what=$1 file=$2 bdi=$3 class before
	shift 3
	[ $# -gt 0 ] || set -- mmap-random random
	use_bdi "$bdi"
	set_kb 128
	before=$(kb_of "${ALONE[@]}")
	start_run "${RUN_OPTIONS[@]}"
	${AFTER_START:+"$AFTER_START"}
	while [ $# -gt 0 ]; do
		phase "$TRY_SECONDS" "$1" "$file"
		class=$(decided_class "$bdi")
		is "$(classic "$class")" "$2" "$what: $1 is told as $2"
		ok "$what: bdi $bdi gets the row of '$class'" reached "$(policy_kb "$class" 128)"
		shift 2
	done
	[ ${#ALONE[@]} = 0 ] || is "$(kb_of "${ALONE[@]}")" "$before" "$what: ${ALONE[*]} left alone"
	stop_run TERM
	is "$(read_kb)" 128 "$what: the original is back"
	[ $tests_failed = 0 ] || diag "$(cat "$T/run.log" "$T/run.err")"
}

# btrfs_bdi MOUNTPOINT: the bdi that a btrfs file system has of its own.
btrfs_bdi() { basename "$(readlink -f "/sys/fs/btrfs/$(findmnt -no UUID "$1")/bdi")"; }

# kb_of BDI...: their values, a word each.
kb_of() {
	local bdi
	for bdi; do echo -n "$bdi: $(<"/sys/class/bdi/$bdi/read_ahead_kb") KB  "; done
}

# --- a disk under mmap random load, for tests that look at one change ------------------------

# random_disk ORIGINAL: a loop device with ext4 and data, throttled, at this readahead. Sets
# RANDOM_KB, what mmap random brings it to; random_load starts the load.
random_disk() {
	make_loop 1152
	make_fs "$LOOP" ext4
	fill_file "$MNT/data" 1024 # 40 s at the rate below; what is cached then is not read again
	need_throttle 24000000 1500
	set_kb "$1"
}
random_load() {
	forget "$MNT/data"
	start_load mmap-random "$MNT/data"
}

# What the class in force makes of an original: asked of the running instance.
random_kb() { policy_kb "$(decided_class)" "$1"; }

# stays KB SECONDS
stays() {
	local end=$(($(now_us) + $2 * 1000000))
	while [ "$(now_us)" -lt "$end" ]; do
		kb_is "$1" || {
			diag "became $(read_kb)"
			return 1
		}
		nap 0.1
	done
}
run_said() { grep -qE "$1" "$T/run.log" "$T/run.err"; }
not_said() { ! run_said "$1"; }

# settled KB: a decision has been taken and its value, other than KB, is in place.
settled() {
	local kb
	kb=$(read_kb)
	[ "$kb" != "$1" ] && [ "$kb" = "$(random_kb "$1")" ]
}
