#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The value goes to the bdi that counts: of the whole disk for a partition, of the file system
# itself for btrfs, of the disk for a raw block device.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need fio jq dd sfdisk partx mkfs.btrfs

open_trace || true

# A partition: the loop device is scanned, the file system lies in the second of two.
fallocate -l 640M "$T/partitioned"
printf 'label: gpt\n,16M\n,+\n' | sfdisk -q "$T/partitioned" >/dev/null || die sfdisk
attach_loop "$T/partitioned"
partx -u "$LOOP" || die "partx $LOOP"
wait_for 5 test -b "${LOOP}p2" || die "no ${LOOP}p2"
make_fs "${LOOP}p2" ext4
fill_file "$MNT/data" 384
need_throttle 24000000 1500
RUN_DEVICE=${NAME}p2 try partition "$MNT/data" "$BDI"

# The same partition raw, and a read of the other one first on every CPU: both are learnt.
umount "$MNT"
read_first_partition() {
	local cpu
	for cpu in 0 1; do
		taskset -c "$cpu" dd if="${LOOP}p1" of=/dev/null bs=4k count=64 status=none || true
	done
}
AFTER_START=read_first_partition
RUN_DEVICE=${NAME}p2 try 'raw second partition' "${LOOP}p2" "$BDI"
AFTER_START=

# btrfs has a bdi of its own; the disk's is not the one.
make_loop 640
if grep -qw btrfs /proc/filesystems || modprobe -q btrfs; then
	make_fs "$LOOP" btrfs
	fill_file "$MNT/data" 384
	throttle 24000000 1500 || die throttle
	ALONE=("$BDI")
	RUN_DEVICE=$MNT try btrfs "$MNT/data" "$(btrfs_bdi "$MNT")"
	ALONE=()
	umount "$MNT"
else
	skip btrfs 'this kernel has no btrfs'
fi

# A raw block device, through the page cache.
make_loop 384
fill_file "$LOOP" 384
throttle 24000000 1500 || die throttle
try 'raw device' "$LOOP" "$BDI"
done_testing
