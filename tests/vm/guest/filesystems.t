#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Where the value goes by file system: XFS to the disk's bdi, overlayfs to that of the layer's file
# system, btrfs, FUSE and NFS to their own. On a loop device outside of a guest. FILESYSTEMS names some
# of them (default: all).
# shellcheck source=tests/vm/guest/lib.sh
. "$(dirname "$0")/lib.sh"
need fio jq dd findmnt bpftool mkfs.xfs mkfs.btrfs

FILESYSTEMS=${FILESYSTEMS:-xfs btrfs overlay fuse nfs}

# lower_fs TYPE: the file system that a test's reads end at, with data.
lower_fs() {
	if in_guest; then
		disk blk
		use_disk "$DISK"
	else
		make_loop 384
		DISK=$LOOP
	fi
	make_fs "$DISK" "$1"
	fill_file "$MNT/data" "$DATA_MB"
}

# mounted_bdi MOUNTPOINT: the name of a file system's own bdi, where it is of its device number.
mounted_bdi() { awk -v m="$1" '$5 == m { print $3 }' /proc/self/mountinfo; }

new_mount() { # sets MNT, to be mounted upon
	MNT=$T/mnt-${#mounts[@]}
	mkdir "$MNT" || die "mkdir $MNT"
	mounts+=("$MNT")
}

try_xfs() {
	lower_fs xfs
	try_file 'XFS on a disk' "$MNT/data" "$BDI" "$DISK"
	umount "$MNT" || die umount
}

try_btrfs() {
	lower_fs btrfs
	try_file 'btrfs on a disk' "$MNT/data" "$(btrfs_bdi "$MNT")" "$MNT" "$DISK"
	umount "$MNT" || die umount
}

try_overlay() {
	local lower overlay said
	lower_fs ext4
	lower=$MNT
	new_mount
	mkdir "$lower"/{lower,upper,work}
	mv "$lower/data" "$lower/lower" || die 'a layer for overlayfs'
	mount -t overlay -o "lowerdir=$lower/lower,upperdir=$lower/upper,workdir=$lower/work" overlay "$MNT" \
		2>"$T/overlay.log" || die "mount overlay: $(cat "$T/overlay.log")"
	said=$("$BPFAHEAD" run --dry-run --device "$MNT" 2>&1)
	is $? 1 'overlayfs: its mount point is no device'
	like "$said" "$MNT has no readahead of its own" 'overlayfs: and that is said'
	overlay=$MNT MNT=$lower
	try_file 'overlayfs on ext4' "$overlay/data" "$BDI" "$DISK"
	umount "$overlay" "$lower" || die umount
}

try_fuse() {
	local lower
	lower_fs ext4
	lower=$MNT BACKING=$MNT/data
	slow_disk
	new_mount
	# The daemon is who reads the disk.
	"${in_cgroup[@]}" "$CGROUP" bindfs "$lower" "$MNT" || die bindfs
	wait_for 5 mountpoint -q "$MNT" || die 'bindfs did not mount'
	try_file 'FUSE (bindfs) on ext4' "$MNT/data" "$(mounted_bdi "$MNT")" "$MNT" "$DISK"
	BACKING=
	umount "$MNT" || die 'umount bindfs'
	wait_for 5 umount "$lower" || die umount
}

try_nfs() {
	local lower pid
	lower_fs ext4
	lower=$MNT BACKING=$MNT/data
	slow_disk
	modprobe -qa nfsd nfs nfsv4 || die 'modprobe nfsd'
	mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd || die 'mount nfsd'
	mkdir -p /var/lib/nfs/{rpc_pipefs,v4recovery} /etc/exports.d
	touch /etc/exports /var/lib/nfs/{etab,rmtab}
	rpc.nfsd -N 3 -V 4.2 4 2>"$T/nfsd.log" || die "rpc.nfsd: $(cat "$T/nfsd.log")"
	rpc.mountd -N 3 -V 4 || die rpc.mountd
	exportfs -o rw,no_root_squash,insecure,no_subtree_check,fsid=0 "127.0.0.1:$lower" || die exportfs
	# The server's threads are who read the disk.
	for pid in $(pgrep -x nfsd); do echo "$pid" >"$CGROUP/cgroup.procs" || die 'nfsd in a cgroup'; done
	new_mount
	mount -t nfs4 -o vers=4.2,noatime 127.0.0.1:/ "$MNT" || die 'mount nfs4'
	try_file 'NFS over loopback' "$MNT/data" "$(mounted_bdi "$MNT")" "$MNT" "$DISK"
	BACKING=
	umount "$MNT" || die 'umount nfs4'
	rpc.nfsd 0
	exportfs -ua
	kill "$(pgrep -x rpc.mountd)"
	wait_for 10 umount "$lower" || die umount
}

# The daemon, the server, or the file system itself may be missing.
cannot() {
	case $1 in
	fuse) modprobe -q fuse; command -v bindfs >/dev/null || echo 'bindfs is not here' ;;
	nfs) in_guest || echo 'would change the NFS server of a host' ;;
	*) grep -qw "$1" /proc/filesystems || modprobe -q "$1" || echo "this kernel has no $1" ;;
	esac
}

for filesystem in $FILESYSTEMS; do
	reason=$(cannot "$filesystem")
	if [ "$reason" ]; then
		skip "$filesystem" "$reason"
	else
		"try_$filesystem"
	fi
done
done_testing
