# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lib.sh - what the tests made for guests share: disks, and what reads from them. Sourced by
# tests/vm/guest/*.t. What they leave behind (dm, md) goes with the guest.
# shellcheck disable=SC2034 # variables are for the tests
# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../lib.sh"

in_guest() { command -v vm-disk >/dev/null; }
need_guest() { in_guest || skip_all 'made for a guest: tests/vm/rows'; }

# disk ID: sets DISK, the path of the guest's disk (of its first path).
disk() {
	wait_for 10 quietly vm-disk "$1"
	DISK=$(vm-disk "$1" | head -1)
	[ -b "$DISK" ] || die "no disk '$1': the options are in tests/vm/rows"
}

# dev_of /dev/NAME: MAJ:MIN, which is the bdi's name of a whole disk.
dev_of() { mountpoint -x "$1"; }

# use_device /dev/...: use_disk by whatever node, since without udev those of dm are no links.
use_device() { use_disk "/dev/$(basename "$(realpath "/sys/dev/block/$(dev_of "$1")")")"; }

# A machine in emulation is slow: what is read in the time of a phase is read again by no later one.
MODEL=() # of start_run
DATA_MB=96 READ_BPS=8000000 READ_IOPS=500
TRY_SECONDS=5

slow_disk() { throttle "$READ_BPS" "$READ_IOPS" || die "throttle $NAME"; }

# on_device WHAT /dev/NAME [LOWER-DEVICE...]: try_file with ext4 on the device.
on_device() {
	use_device "$2"
	make_fs "$2" ext4
	fill_file "$MNT/data" "$DATA_MB"
	try_file "$1" "$MNT/data" "$BDI" "$2" "${@:3}"
	umount "$MNT" || die "umount $1"
}

# try_file WHAT FILE BDI DEVICE [LOWER-DEVICE...]: with the reads of $NAME throttled, both classic
# patterns must move the bdi, by whichever name it was asked for: DEVICE, the mount point $MNT, its
# own. The devices below it must be left alone.
try_file() {
	local lower
	for lower in "${@:5}"; do
		ALONE+=("$(dev_of "$lower")")
		echo 96 >"/sys/class/bdi/${ALONE[-1]}/read_ahead_kb" || die "readahead of $lower"
	done
	slow_disk
	RUN_DEVICE=$4 RUN_OPTIONS=("${MODEL[@]}" --device "$MNT" --device "$3") AFTER_START=only_listed
	try "$1" "$2" "$3" mmap-random random sequential sequential
	unset RUN_DEVICE
	ALONE=() RUN_OPTIONS=() AFTER_START=
}
only_listed() {
	is "$(bpftool -j map dump pinned "$BPFAHEAD_PIN_DIR/listed" | jq length)" 1 \
		"$RUN_DEVICE, $MNT and ${RUN_OPTIONS[-1]} are one device"
}
